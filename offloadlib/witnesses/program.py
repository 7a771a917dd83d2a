r"""The program of ``milp`` with exact coefficients, made of what the core of the checker reads.

Rows and columns are those of :mod:`.formulations.structured.milp.potentials`, in seconds and mJ: finish times
and delays are not weighted. The objective is the sum of what the devices cost, or the column ``largest``. One
more column, ``one``, is fixed to 1 and carries what is constant, so that a bound on the objective is one on
F: what refusing all devices costs, and in format 1 what the devices without a radio link do, which are in no
row. All numbers are fractions, made of the binary64 numbers of the instance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

from offloadlib.check.core import costs as exact
from offloadlib.check.core import tree
from offloadlib.check.core.certificate import limits_of
from offloadlib.check.core.reading import LOCAL, SUBTASKS, Device, Instance
from offloadlib.check.core.rules import Case
from offloadlib.exporting import escaped
from offloadlib.formulations.structured.milp.size import LARGE_JOIN

from .relaxation import Arc, Graph

Sense = Literal["E", "L", "G"]
Terms = Mapping[int, Fraction]
"""Column -> coefficient."""

Waits = Mapping[str, Sequence[Arc]]
"""By application the arcs that matter for the order of its subtasks."""

ONE = 0
"""The column that is 1."""

FAMILIES = ("capacity", "channels", "resource", "limits", "totals")
"""Of limits that devices share, in the order of their rows."""


class Constraint(NamedTuple):
    """A row: the sum of its terms is at most (L), at least (G), or equal to (E) the right-hand side."""

    name: str
    sense: Sense
    right: Fraction
    terms: Terms


@dataclass(frozen=True)
class DeviceBlock:
    """One device in the program: its columns and rows, by subtask and by number of the arc.

    Attributes
    ----------
    number, device, parts
        The device, and what the parts of its task take.
    waits
        The numbers of the arcs that matter for the order of the subtasks.
    possible
        Where each subtask may be.
    at
        Columns by subtask and place.
    up, down, finish, start, delay, served, air
        Columns of arcs, of subtasks, of those into which many of ``waits`` lead (when they may start), and of
        the device, where there are such.
    first, then, joined, last, transfer, uses_air, assign
        Rows of heads, of ``waits``, of those that have a ``start``, of tails, of arcs, of subtasks.
    own
        Rows ``budget`` and ``dearest``, where there are such.
    """

    number: int
    device: Device
    parts: exact.Parts
    waits: Sequence[int]
    possible: Sequence[frozenset[int]]
    at: Sequence[Mapping[int, int]]
    up: Sequence[int]
    down: Sequence[int]
    finish: Sequence[int]
    start: Mapping[int, int]
    delay: int
    served: int | None
    air: int | None
    first: dict[int, int] = field(default_factory=dict)
    then: dict[int, int] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    transfer: list[int] = field(default_factory=list)
    uses_air: list[int] = field(default_factory=list)
    assign: list[int] = field(default_factory=list)
    own: dict[str, int] = field(default_factory=dict)

    @property
    def task(self) -> Graph:
        """The graph."""
        application = self.device.application
        waits = [application.edges[a] for a in self.waits]
        tails = [k for k, arcs in enumerate(application.out) if not arcs]
        return Graph(application.order, application.edges, waits, tails)

    @property
    def weight(self) -> Fraction:
        """What its cost counts."""
        return Fraction(self.device.weight)

    @property
    def rejection(self) -> Fraction:
        """What refusing it costs, its weight included."""
        return self.weight * Fraction(self.device.rejection or 0.0)

    def duration(self, k: int) -> dict[int, Fraction]:
        """The terms of the seconds that a subtask takes."""
        terms = {column: self.parts.at[k][n][0] for n, column in self.at[k].items()}
        for a in self.device.application.into[k]:
            terms |= {self.up[a]: self.parts.up[a][0], self.down[a]: self.parts.down[a][0]}
        return terms

    def energy(self) -> dict[int, Fraction]:
        """The terms of its mJ."""
        terms = {
            column: places[n][1]
            for columns, places in zip(self.at, self.parts.at, strict=True)
            for n, column in columns.items()
        }
        terms |= {column: taken[1] for column, taken in zip(self.up, self.parts.up, strict=True)}
        return terms | {column: taken[1] for column, taken in zip(self.down, self.parts.down, strict=True)}

    def cost(self, instance: Instance) -> dict[int, Fraction]:
        """The terms of its cost, less what refusing it costs."""
        millijoule = self.weight * self.parts.millijoule
        terms = {self.delay: self.weight * self.parts.second}
        terms |= {column: millijoule * mj for column, mj in self.energy().items() if mj}
        for k, columns in enumerate(self.at if instance.version > 1 else ()):
            for n, column in columns.items():
                fee = self.weight * exact.fee(instance, self.device, k, n)
                terms[column] = terms.get(column, exact.ZERO) + fee
        if self.served is not None:
            terms[self.served] = -self.rejection
        return {column: value for column, value in terms.items() if value}


@dataclass
class ExactProgram:
    """The program of an instance.

    Attributes
    ----------
    columns, whole, upper, free
        Names; which are whole; bounds from above; and the column without one from below, which is the last.
    objective, costs, rows
        To be minimised; what each device adds to it, by number; and what is not a bound of a column.
    parts
        The devices that are in rows.
    limits
        Rows by the names of limits, as :func:`.check.core.certificate.limits_of` has them.
    """

    columns: list[str] = field(default_factory=lambda: ["one"])
    whole: list[bool] = field(default_factory=lambda: [False])
    upper: dict[int, Fraction] = field(default_factory=lambda: {ONE: Fraction(1)})
    free: int | None = None
    objective: dict[int, Fraction] = field(default_factory=dict)
    costs: dict[int, Terms] = field(default_factory=dict)
    rows: list[Constraint] = field(default_factory=list)
    parts: list[DeviceBlock] = field(default_factory=list)
    limits: dict[tuple[str, ...], int] = field(default_factory=dict)

    def column(self, name: str, *, whole: bool = False, upper: Fraction | None = None) -> int:
        """Add a column."""
        self.columns.append(name)
        self.whole.append(whole)
        number = len(self.columns) - 1
        if whole or upper is not None:
            self.upper[number] = Fraction(1) if upper is None else upper
        return number

    def row(self, name: str, sense: Sense, right: Fraction | int, terms: Terms) -> int:
        """Add a row."""
        kept = {column: value for column, value in terms.items() if value}
        self.rows.append(Constraint(name, sense, Fraction(right), kept))
        return len(self.rows) - 1


def formulate(instance: Instance, waits: Waits) -> ExactProgram:
    """The program of an instance."""
    program = ExactProgram()
    points = [n for n, point in enumerate(instance.points) if point.room.get(SUBTASKS) != 0]
    constant = exact.ZERO
    for m, device in enumerate(instance.devices):
        if instance.version == 1 and device.connected_to is None:
            parts = exact.parts_of(instance, device, ())
            constant += exact.cost(instance, device, parts, [LOCAL] * len(device.work))
        else:
            _add_device(program, instance, m, device, points, waits[device.application.id])
    limits = sorted(limits_of(instance).items(), key=lambda limit: FAMILIES.index(limit[0][0]))
    for key, amount in limits:
        terms = _used(instance, program, key)
        if terms:
            family, *of = key
            name = f"total_{of[0]}" if family == "totals" else f"{family}({','.join(map(escaped, of))})"
            program.limits[key] = program.row(name, "L", amount, terms)
    program.costs = {part.number: part.cost(instance) for part in program.parts}
    if instance.objective == "max":
        program.free = program.column("largest")
        program.objective = {program.free: Fraction(1)}
        for part in program.parts:
            terms = {column: -value for column, value in program.costs[part.number].items()}
            name = f"dearest({escaped(part.device.id)})"
            part.own["dearest"] = program.row(name, "G", part.rejection, {program.free: Fraction(1), **terms})
        return program
    for part in program.parts:
        program.objective |= program.costs[part.number]
        constant += part.rejection
    if constant:
        program.objective[ONE] = constant
    return program


def _used(instance: Instance, program: ExactProgram, key: tuple[str, ...]) -> dict[int, Fraction]:
    """The terms of what is used of a limit."""
    kind, *names = key
    terms: dict[int, Fraction] = {}
    for part in program.parts:
        device = part.device
        if kind == "totals":
            terms |= part.energy() if names[0] == "energy" else {part.delay: Fraction(1)}
        elif kind == "channels":
            if part.air is not None and device.connected_to == instance.places[names[0]]:
                terms[part.air] = Fraction(1)
        else:
            limit = instance.limits.get(names[0]) if kind == "limits" else None
            at = [instance.places[names[0]]] if limit is None else limit.points
            resource = SUBTASKS if kind == "capacity" else names[1] if limit is None else limit.resource
            for k, columns in enumerate(part.at):
                for n in set(at) & (columns.keys() if kind == "capacity" else part.possible[k]):
                    terms[columns[n]] = exact.demand(device, k, n, resource)
    return {column: value for column, value in terms.items() if value}


def _add_device(
    program: ExactProgram,
    instance: Instance,
    m: int,
    device: Device,
    points: Sequence[int],
    waits: Iterable[Arc],
) -> None:
    application, own = device.application, escaped(device.id)
    subtasks = [escaped(name) for name in application.subtasks]
    arcs = [f"{own},{subtasks[j]},{subtasks[k]}" for j, k in application.edges]
    number = {arc: a for a, arc in enumerate(application.edges)}
    order = [number[arc] for arc in waits]
    joins = Counter(application.edges[a][1] for a in order)
    station = None if device.connected_to is None else instance.points[device.connected_to]

    possible = (frozenset([LOCAL, *points]),) * len(subtasks)
    if instance.version > 1:
        possible = tree.anything(instance, device, None)[0]

    def place(name: str, k: int, n: int) -> int:
        return program.column(name, whole=True, upper=Fraction(int(n in possible[k])))

    deadline = None if device.deadline is None else Fraction(device.deadline)
    parts = exact.parts_of(instance, device, points)
    if station is None:  # it is at no point and sends nothing, and has columns for it
        nothing = Fraction(0), Fraction(0)
        still = [nothing] * len(arcs)
        at = [{**places, **dict.fromkeys(points, nothing)} for places in parts.at]
        parts = parts._replace(at=at, up=still, down=still)
    local = [place(f"local({own},{name})", k, LOCAL) for k, name in enumerate(subtasks)]
    names = {n: escaped(instance.points[n].id) for n in points}
    part = DeviceBlock(
        m,
        device,
        parts,
        order,
        possible,
        at=[
            {LOCAL: local[k], **{n: place(f"place({own},{name},{names[n]})", k, n) for n in points}}
            for k, name in enumerate(subtasks)
        ],
        up=[program.column(f"up({arc})") for arc in arcs],
        down=[program.column(f"down({arc})") for arc in arcs],
        finish=[program.column(f"finish({own},{name})") for name in subtasks],
        start={
            k: program.column(f"start({own},{name})")
            for k, name in enumerate(subtasks)
            if joins[k] > LARGE_JOIN
        },
        delay=program.column(f"delay({own})", upper=deadline),
        served=None if device.rejection is None else program.column(f"served({own})", whole=True),
        air=None
        if station is None or station.channels is None
        else program.column(f"air({own})", whole=True),
    )
    program.parts.append(part)
    served = {} if part.served is None else {part.served: Fraction(-1)}
    right = int(part.served is None)
    for k, name in enumerate(subtasks):
        terms = {**dict.fromkeys(part.at[k].values(), Fraction(1)), **served}
        part.assign.append(program.row(f"assign({own},{name})", "E", right, terms))
    for a, (j, k) in enumerate(application.edges):
        terms = {part.up[a]: Fraction(1), part.down[a]: Fraction(-1)}
        terms |= {part.at[j][LOCAL]: Fraction(-1), part.at[k][LOCAL]: Fraction(1)}
        part.transfer.append(program.row(f"transfer({arcs[a]})", "E", 0, terms))
    if part.air is not None:
        for k, name in enumerate(subtasks):
            terms = {part.at[k][LOCAL]: Fraction(1), part.air: Fraction(1), **served}
            part.uses_air.append(program.row(f"uses_air({own},{name})", "G", right, terms))
    if device.energy_budget is not None and any(part.energy().values()):
        budget = Fraction(device.energy_budget)
        part.own["budget"] = program.row(f"energy_budget({own})", "L", budget, part.energy())
    _add_times(program, part, own, subtasks)


def _add_times(program: ExactProgram, part: DeviceBlock, own: str, subtasks: Sequence[str]) -> None:
    application = part.device.application

    def finished(k: int, after: int | None = None) -> dict[int, Fraction]:
        begun = {} if after is None else {after: Fraction(-1)}
        taken = {column: -value for column, value in part.duration(k).items()}
        return {part.finish[k]: Fraction(1), **begun, **taken}

    for k, arcs in enumerate(application.into):
        if not arcs:
            part.first[k] = program.row(f"first({own},{subtasks[k]})", "G", 0, finished(k))
    for a in part.waits:
        j, k = application.edges[a]
        terms = finished(k, part.finish[j])
        if k in part.start:
            terms = {part.start[k]: Fraction(1), part.finish[j]: Fraction(-1)}
        part.then[a] = program.row(f"then({own},{subtasks[j]},{subtasks[k]})", "G", 0, terms)
    for k, start in part.start.items():
        part.joined[k] = program.row(f"joined({own},{subtasks[k]})", "G", 0, finished(k, start))
    for k, arcs in enumerate(application.out):
        if not arcs:
            terms = {part.delay: Fraction(1), part.finish[k]: Fraction(-1)}
            part.last[k] = program.row(f"last({own},{subtasks[k]})", "G", 0, terms)


def values(program: ExactProgram, case: Case) -> dict[int, Fraction]:
    """What the columns are for a solution, as far as they are not 0."""
    found = {ONE: Fraction(1)}
    if program.free is not None:
        found[program.free] = case.total
    places_of = {device.id: (places, taken) for device, places, taken in case.served}
    for part in program.parts:
        if part.device.id not in places_of:
            continue
        places, (delay, _) = places_of[part.device.id]
        application = part.device.application
        for k, n in enumerate(places):
            found[part.at[k][n]] = Fraction(1)
        for a, (j, k) in enumerate(application.edges):
            if (places[j] == LOCAL) != (places[k] == LOCAL):
                found[(part.up if places[j] == LOCAL else part.down)[a]] = Fraction(1)
        for k in application.order:
            before = [
                found.get(part.finish[application.edges[a][0]], exact.ZERO) for a in application.into[k]
            ]
            begin = max(before, default=exact.ZERO)
            terms = part.duration(k).items()
            seconds = sum((value for column, value in terms if found.get(column)), exact.ZERO)
            found[part.finish[k]] = begin + seconds
            if k in part.start:
                found[part.start[k]] = begin
        found[part.delay] = delay
        if part.served is not None:
            found[part.served] = Fraction(1)
        if part.air is not None and any(n != LOCAL for n in places):
            found[part.air] = Fraction(1)
    return {column: value for column, value in found.items() if value}
