r"""The program of ``milp`` with exact coefficients.

Rows and columns are those of :mod:`.formulations.structured.milp.potentials`, in seconds: finish times and
delays are not weighted, and the objective is

.. math:: \sum_m a_m\,delay_m + b_m E_m + constant \cdot one

where ``one`` is a column that is fixed to 1, so that a bound on the objective is one on F. The constant is
the cost of the devices without a radio link, which are in no row. All numbers are fractions, made of the
binary64 numbers of the instance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np

from offloadlib.exporting import escaped
from offloadlib.formulations.structured.milp.size import large_joins
from offloadlib.instances import LOCAL, UNLIMITED, Application, Instance, Solution
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.exact import spent_at
from offloadlib.instances.structured.model import Group
from offloadlib.instances.structured.series_parallel import reduction
from offloadlib.instances.structured.sides import path

from .relaxation import Task

Sense = Literal["E", "L", "G"]
Terms = Mapping[int, Fraction]
"""Column -> coefficient."""


@dataclass(frozen=True)
class Row:
    """A row: the sum of its terms is at most (L), at least (G), or equal to (E) the right-hand side."""

    name: str
    sense: Sense
    right: Fraction
    terms: Terms


@dataclass(frozen=True)
class Costs:
    """Of one device, exactly: seconds and mJ of each subtask (K,) and arc (A,).

    Attributes
    ----------
    local, there
        Execution on the device, and by point number.
    radio, up, down
        Input and output of a subtask that is away; an arc's data, sent and received.
    energy_local, energy_radio, energy_up, energy_down
        The same in mJ.
    second, millijoule
        What these cost: a_m and b_m.
    """

    local: Sequence[Fraction]
    there: Sequence[Mapping[int, Fraction]]
    radio: Sequence[Fraction]
    up: Sequence[Fraction]
    down: Sequence[Fraction]
    energy_local: Sequence[Fraction]
    energy_radio: Sequence[Fraction]
    energy_up: Sequence[Fraction]
    energy_down: Sequence[Fraction]
    second: Fraction
    millijoule: Fraction

    def duration(self, application: Application, places: Sequence[int]) -> list[Fraction]:
        """Seconds of each subtask at some places."""
        seconds = [
            self.local[k] if n == LOCAL else self.there[k][n] + self.radio[k] for k, n in enumerate(places)
        ]
        for (j, k), up, down in zip(application.edges, self.up, self.down, strict=True):
            if places[j] == LOCAL != places[k]:
                seconds[k] += up
            elif places[j] != LOCAL == places[k]:
                seconds[k] += down
        return seconds


@dataclass(frozen=True)
class Part:
    """One device in the program.

    Attributes
    ----------
    device, id, application
        Its number, its name, and its task.
    costs
        What its decisions cost.
    waits
        The arcs that matter for the order of the subtasks.
    joins
        Of subtasks into which many of these lead, the column of when they may start.
    local, place, up, down, finish, delay, air
        Columns: of subtasks, by point; of arcs; of subtasks; the device's own, where there are such.
    first, then, joined, last, transfer, uses_air, assign
        Rows: of heads, of ``waits``, of ``joins``, of tails, of arcs, of subtasks.
    """

    device: int
    id: str
    application: Application
    costs: Costs
    waits: Sequence[tuple[int, int]]
    joins: Mapping[int, int]
    local: Sequence[int]
    place: Sequence[Mapping[int, int]]
    up: Sequence[int]
    down: Sequence[int]
    finish: Sequence[int]
    delay: int
    air: int | None
    first: dict[int, int] = field(default_factory=dict)
    then: dict[tuple[int, int], int] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    transfer: list[int] = field(default_factory=list)
    uses_air: list[int] = field(default_factory=list)
    assign: list[int] = field(default_factory=list)

    @property
    def task(self) -> Task:
        """The graph."""
        tails = np.flatnonzero(self.application.tails).tolist()
        return Task(self.application.order, self.application.edges, self.waits, tails)

    def at(self, k: int) -> dict[int, int]:
        """The column of a subtask at each place; local is :data:`LOCAL`."""
        return {LOCAL: self.local[k], **self.place[k]}

    def duration(self, k: int) -> dict[int, Fraction]:
        """The terms of the seconds that a subtask takes."""
        costs = self.costs
        terms = {self.local[k]: costs.local[k]}
        terms |= {column: costs.there[k][n] + costs.radio[k] for n, column in self.place[k].items()}
        for a, (_, end) in enumerate(self.application.edges):
            if end == k:
                terms |= {self.up[a]: costs.up[a], self.down[a]: costs.down[a]}
        return terms

    def cost(self) -> dict[int, Fraction]:
        """The terms of the device's cost."""
        costs, unit = self.costs, self.costs.millijoule
        terms = {self.delay: costs.second}
        for k, column in enumerate(self.local):
            terms[column] = unit * costs.energy_local[k]
            terms |= dict.fromkeys(self.place[k].values(), unit * costs.energy_radio[k])
        for columns, energies in ((self.up, costs.energy_up), (self.down, costs.energy_down)):
            terms |= {column: unit * energy for column, energy in zip(columns, energies, strict=True)}
        return {column: value for column, value in terms.items() if value}


@dataclass(frozen=True)
class Program:
    """The program of an instance.

    Attributes
    ----------
    columns
        Names; all columns are at least 0, the first one is ``one``.
    whole
        Which are 0 or 1.
    objective
        To be minimised.
    rows
        The rows; what bounds columns is not among them.
    parts
        The devices with a radio link.
    capacity, channels
        Rows of the points, by number, where they are limited.
    constant
        The objective's coefficient of ``one``.
    """

    columns: list[str]
    whole: list[bool]
    objective: dict[int, Fraction]
    rows: list[Row]
    parts: list[Part]
    capacity: dict[int, int]
    channels: dict[int, int]
    constant: Fraction

    @property
    def upper(self) -> dict[int, Fraction]:
        """The bounds from above."""
        whole = (column for column, is_whole in enumerate(self.whole) if is_whole)
        return dict.fromkeys([ONE, *whole], Fraction(1))

    @property
    def free(self) -> None:
        """No column is without a bound from below."""

    def add_row(
        self, name: str, sense: Sense, right: int, terms: Iterable[tuple[int, Fraction | int]]
    ) -> int:
        """Add a row, and return its number."""
        kept = {column: Fraction(value) for column, value in terms if value}
        self.rows.append(Row(name, sense, Fraction(right), kept))
        return len(self.rows) - 1


ONE = 0
"""The column that is 1."""


def formulate(instance: Instance) -> Program:
    """The program of an instance of format 1."""
    program = Program(["one"], [False], {}, [], [], {}, {}, _constant(instance))
    names = [escaped(name) for name in instance.points.ids]
    points = [n for n, room in enumerate(instance.points.capacity.tolist()) if room != 0]
    for group in instance.groups:
        for row, m in enumerate(group.members.tolist()):
            if instance.devices.connected_to[m] >= 0:
                _add_device(program, instance, group, row, names, points)
    for n in points:
        if instance.points.capacity[n] != UNLIMITED:
            users = [part.place[k][n] for part in program.parts for k in range(part.application.size)]
            right = int(instance.points.capacity[n])
            name = f"capacity({names[n]})"
            program.capacity[n] = program.add_row(name, "L", right, [(column, 1) for column in users])
    at = instance.devices.connected_to
    for n, channels in enumerate(instance.points.channels.tolist()):
        radios = [part.air for part in program.parts if part.air is not None and at[part.device] == n]
        if radios:
            name = f"channels({names[n]})"
            program.channels[n] = program.add_row(
                name, "L", int(channels), [(column, 1) for column in radios]
            )
    for part in program.parts:
        program.objective.update(part.cost())
    if program.constant:
        program.objective[ONE] = program.constant
    return program


def _constant(instance: Instance) -> Fraction:
    """What the devices without a radio link cost."""
    total = Fraction(0)
    for group in instance.groups:
        for row, m in enumerate(group.members.tolist()):
            if instance.devices.connected_to[m] < 0:
                second, millijoule = _rates(instance, group, row)
                delay, energy = _at_home(instance, group, row)
                total += second * delay + millijoule * energy
    return total


def _at_home(instance: Instance, group: Group, row: int) -> tuple[Fraction, Fraction]:
    """Seconds and mJ of the all-local decision."""
    return spent_at(instance, group, row, np.full(group.application.size, LOCAL, dtype=np.int64))


def _rates(instance: Instance, group: Group, row: int) -> tuple[Fraction, Fraction]:
    """a_m and b_m; a weight of 0 stays 0, whatever the normaliser."""
    alpha = Fraction(float(instance.devices.alpha[group.members[row]]))
    second, millijoule = alpha, 1 - alpha
    if instance.normalise == "local":
        delay, energy = _at_home(instance, group, row)
        second = second and second / delay
        millijoule = millijoule and millijoule / energy
    return second, millijoule


def _costs(instance: Instance, group: Group, row: int, points: list[int]) -> Costs:
    devices, m, application = instance.devices, int(group.members[row]), group.application

    def numbers(values: Floats) -> list[Fraction]:
        return [Fraction(value) for value in values.tolist()]

    speed, up, down = (
        Fraction(float(values[m])) for values in (devices.cpu, devices.uplink, devices.downlink)
    )
    execute, send, receive = (
        Fraction(float(values[m])) for values in (devices.execute, devices.send, devices.receive)
    )
    work, data = numbers(group.work[row]), numbers(group.edge_data[row])
    first, last = numbers(group.input[row]), numbers(group.output[row])
    sent = [size / up * bool(head) for size, head in zip(first, application.heads, strict=True)]
    received = [size / down * bool(tail) for size, tail in zip(last, application.tails, strict=True)]
    second, millijoule = _rates(instance, group, row)
    cpu = {n: Fraction(float(instance.points.cpu[n])) for n in points}
    return Costs(
        local=[size / speed for size in work],
        there=[{n: size / cpu[n] for n in points} for size in work],
        radio=[one + other for one, other in zip(sent, received, strict=True)],
        up=[size / up for size in data],
        down=[size / down for size in data],
        energy_local=[size / speed * execute for size in work],
        energy_radio=[one * send + other * receive for one, other in zip(sent, received, strict=True)],
        energy_up=[size / up * send for size in data],
        energy_down=[size / down * receive for size in data],
        second=second,
        millijoule=millijoule,
    )


def _add_device(
    program: Program, instance: Instance, group: Group, row: int, names: Sequence[str], points: list[int]
) -> None:
    m, application = int(group.members[row]), group.application
    device = escaped(instance.devices.ids[m])
    subtasks = [escaped(name) for name in application.subtasks]
    arcs = [f"{device},{subtasks[j]},{subtasks[k]}" for j, k in application.edges]

    def column(name: str, whole: bool = False) -> int:
        program.columns.append(name)
        program.whole.append(whole)
        return len(program.columns) - 1

    limited = instance.points.channels[instance.devices.connected_to[m]] != UNLIMITED
    joins = np.flatnonzero(large_joins(application)).tolist()
    part = Part(
        device=m,
        id=device,
        application=application,
        costs=_costs(instance, group, row, points),
        waits=reduction(application),
        local=[column(f"local({device},{k})", whole=True) for k in subtasks],
        place=[{n: column(f"place({device},{k},{names[n]})", whole=True) for n in points} for k in subtasks],
        up=[column(f"up({arc})") for arc in arcs],
        down=[column(f"down({arc})") for arc in arcs],
        finish=[column(f"finish({device},{k})") for k in subtasks],
        joins={k: column(f"start({device},{subtasks[k]})") for k in joins},
        delay=column(f"delay({device})"),
        air=column(f"air({device})", whole=True) if limited else None,
    )
    program.parts.append(part)
    for k, name in enumerate(subtasks):
        places = [(at, 1) for at in part.at(k).values()]
        part.assign.append(program.add_row(f"assign({device},{name})", "E", 1, places))
    for a, (j, k) in enumerate(application.edges):
        terms = {part.up[a]: 1, part.down[a]: -1, part.local[j]: -1, part.local[k]: 1}
        part.transfer.append(program.add_row(f"transfer({arcs[a]})", "E", 0, terms.items()))
    if part.air is not None:
        for k, name in enumerate(subtasks):
            terms = {part.local[k]: 1, part.air: 1}
            part.uses_air.append(program.add_row(f"uses_air({device},{name})", "G", 1, terms.items()))
    _add_times(program, part, subtasks)


def _add_times(program: Program, part: Part, subtasks: Sequence[str]) -> None:
    def finished(k: int, after: int | None = None) -> Iterator[tuple[int, Fraction | int]]:
        yield part.finish[k], 1
        if after is not None:
            yield after, -1
        yield from ((column, -value) for column, value in part.duration(k).items())

    for k in np.flatnonzero(part.application.heads).tolist():
        part.first[k] = program.add_row(f"first({part.id},{subtasks[k]})", "G", 0, finished(k))
    for j, k in part.waits:
        name = f"then({part.id},{subtasks[j]},{subtasks[k]})"
        if k in part.joins:
            terms: Iterable[tuple[int, Fraction | int]] = [(part.joins[k], 1), (part.finish[j], -1)]
        else:
            terms = finished(k, part.finish[j])
        part.then[j, k] = program.add_row(name, "G", 0, terms)
    for k, start in part.joins.items():
        part.joined[k] = program.add_row(f"joined({part.id},{subtasks[k]})", "G", 0, finished(k, start))
    for k in np.flatnonzero(part.application.tails).tolist():
        terms = [(part.delay, 1), (part.finish[k], -1)]
        part.last[k] = program.add_row(f"last({part.id},{subtasks[k]})", "G", 0, terms)


def values(program: Program, instance: Instance, solution: Solution) -> dict[int, Fraction]:
    """What the columns are for a solution, as far as they are not 0."""
    found = {ONE: Fraction(1)}
    rows = {
        int(m): places[row]
        for group, places in zip(instance.groups, solution.places, strict=True)
        for row, m in enumerate(group.members.tolist())
    }
    for part in program.parts:
        places = rows[part.device].tolist()
        for k, n in enumerate(places):
            found[part.at(k)[n]] = Fraction(1)
        for a, (j, k) in enumerate(part.application.edges):
            if (places[j] == LOCAL) != (places[k] == LOCAL):
                found[(part.up if places[j] == LOCAL else part.down)[a]] = Fraction(1)
        seconds = part.costs.duration(part.application, places)
        finish: dict[int, Fraction] = {}
        for k in part.application.order:
            before = [finish[j] for _, j in part.application.incoming[k]]
            finish[k] = max(before, default=Fraction(0)) + seconds[k]
            found[part.finish[k]] = finish[k]
            if k in part.joins:
                found[part.joins[k]] = max(before)
        found[part.delay] = path(part.application, seconds, max)
        if part.air is not None and any(n != LOCAL for n in places):
            found[part.air] = Fraction(1)
    return {column: value for column, value in found.items() if value}
