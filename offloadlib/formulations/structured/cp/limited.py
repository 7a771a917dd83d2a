r"""CP-SAT for instances of format 2: places in whole numbers, with every limit rounded to the safe side.

This is the plain encoding of :mod:`.cpsat` (no prices) with all limits of format 2. Choices are the places
where a subtask may run, x_mkn in {0, 1}, n = local included, and served_m in {0, 1} where device m has a
rejection r_m, else 1:

.. math::

   \textstyle\sum_n x_{mkn} &= served_m, \qquad up_{mjk} - down_{mjk} = x_{mj,local} - x_{mk,local} \\
   air_m &\vee x_{mk,local} \vee \neg served_m, \qquad \textstyle\sum_{m: op_m = n} air_m \le q^2_n .

**Rounding.** Each sum that is limited or minimised has a unit of its own, a power of two, and

- its parts are rounded down in that unit, and by as much more as they may be off in binary64
  (:func:`.encoding.margin`); where they are numbers of the file, as demands are, by nothing more;
- its limit is rounded down. That is safe: if parts p_i have :math:`\sum p_i \le D`, then
  :math:`\sum \lfloor p_i \rfloor \le D`, and a whole number that is at most D is at most its floor.

So every feasible solution keeps the program, and its objective there is at most its cost in the unit: bounds
and infeasibility of the program are the instance's. What rounding loses is tiny (demands of few bits lose
nothing at all), and solutions that only rounding makes feasible are cut off (:mod:`..cuts`). With [.] for
rounded parts, in the unit of the limit,

.. math::

   \textstyle\sum_{m,k} [d^r_{mkn}]\, x_{mkn} &\le \lfloor Q^r_n \rfloor, \qquad
   \sum_{n \in P_l} \sum_{m,k} [d^{r_l}_{mkn}]\, x_{mkn} \le \lfloor Q_l \rfloor, \qquad
   \sum_{m,k} x_{mkn} \le q^1_n \\
   G_m &\le \lfloor D_m \rfloor, \qquad E_m \le \lfloor B_m \rfloor, \qquad
   \textstyle\sum_m G_m \le \lfloor D \rfloor, \qquad \sum_m E_m \le \lfloor B \rfloor \\
   G_m &\ge \textstyle\sum_{k \in P} g_{mk} \quad\text{on each path } P \\
   g_{mk} &= \textstyle\sum_n [t_{mkn}]\, x_{mkn}
     + \sum_j ( [s_{mjk}/r^{up} + l^{up}]\, up_{mjk} + [s_{mjk}/r^{down} + l^{down}]\, down_{mjk} )

where t_mkn contains the input of a head and the output of a tail with their latencies, and E_m is such a sum
with energies. Paths are stated by finish times; a device whose delay is limited in two ways and costs
something has three sets of them, each in its unit. A part that alone breaks its limit is cut down to one more
than the limit.

**Objective.** With c_m the sum of the rounded parts of w_m C_m,

.. math::

   c_m = [w_m a_m G_m] + \sum [w_m b_m e] + \sum_{k,n} [w_m f_{mkn}]\, x_{mkn} + [w_m r_m] (1 - served_m),

and v_m a lower bound on it, the objective is :math:`\sum_m (c_m - v_m)`, or a variable >= c_m - min v for all
m where the largest cost counts. It is >= 0, though fees may be negative. Parts that alone cost more than a
device can in a better solution than the best known one are cut down to twice that.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Application, Budget, Instance, Result, Solution, Termination
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import REFUSED
from offloadlib.instances.structured.options import options

from ...engine.outcome import errors
from ...engine.trust import Claim, SolverError, contradiction
from .. import programs
from ..programs import LimitedSearch, Record, magnitude
from .encoding import BITS, LARGEST, margin
from .parts import LIMIT_BITS, Parts, WholeParts, delays, energies, rounded, unit_in
from .program import PLACES, WAYS, Finding, Program, Term, end_of, total, version

FINER = 16.0
"""Times finer a unit must be for another run in it."""

EXCESS = 2.0**-10
"""Of the objective, by which a part that no better solution has is dearer than such solutions at least."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve an instance of format 2 with CP-SAT. The record is that of :func:`.cpsat.solve`."""
    return programs.run(instance, budget, _minimise)


def _minimise(search: LimitedSearch, reference: float) -> tuple[Termination, Record]:
    """Minimise, and again where the first solution allows a much finer unit."""
    encoding = LimitedEncoding(search, reference)
    termination, record = _minimise_in_unit(search, encoding)
    finer = LimitedEncoding(search, magnitude(search.instance, search.solution))
    if finer.unit >= FINER * encoding.unit and termination is Termination.FINISHED and not search.optimal:
        return _minimise_in_unit(search, finer)
    return termination, record


def _minimise_in_unit(search: LimitedSearch, encoding: LimitedEncoding) -> tuple[Termination, Record]:
    termination, wrong = Termination.FINISHED, list[str]()
    rounds = branches = conflicts = 0
    size = 0, 0
    while True:
        finding, size = _ask(search, encoding, wrong)
        if finding is None:
            termination = Termination.FAILED
            break
        rounds, branches, conflicts = rounds + 1, branches + finding.branches, conflicts + finding.conflicts
        termination = finding.termination
        if finding.infeasible:
            search.prove(math.inf)
            termination = Termination.FINISHED
            break
        search.prove(encoding.bound(finding.lower_bound))
        found = [] if finding.taken is None else search.offer(encoding.decode(finding.taken))
        if not found or termination is not Termination.FINISHED:
            break
    return termination, {
        "solver": f"cp-sat {version()}",
        "encoding": "places",
        "unit": encoding.unit,
        "rounding_loss": encoding.rounding / encoding.unit,
        "choices": len(encoding.choices),
        "rounds": rounds,
        "variables": size[0],
        "rows": size[1],
        "branches": branches,
        "conflicts": conflicts,
        "cut_off": len(search.cuts),
        **errors(wrong),
    }


def _ask(
    search: LimitedSearch, encoding: LimitedEncoding, wrong: list[str]
) -> tuple[Finding | None, tuple[int, int]]:
    """An answer that can be true, two if it is that there is no solution; and the size of the program."""
    infeasible, size = 0, (0, 0)
    for way in WAYS:
        if wrong and search.left == 0:
            break
        program = encoding.program()
        size = program.size
        try:
            finding = program.minimise(
                search.budget,
                gap=encoding.gap,
                time_limit=search.left,
                settings={**PLACES, **way},
                alone=False,
                report=partial(_report, search, encoding),
            )
        except SolverError as error:
            wrong.append(str(error))
            continue
        if finding.infeasible and search.solution is None:
            infeasible += 1
            if infeasible == 2:
                return finding, size
            continue
        reason = _contradiction(search, encoding, finding)
        if finding.infeasible:
            reason = "CP-SAT calls a program infeasible that a known solution keeps"
        if reason is None:
            return finding, size
        wrong.append(reason)
    return None, size


def _contradiction(search: LimitedSearch, encoding: LimitedEncoding, finding: Finding) -> str | None:
    """Why an answer cannot be true, in whole units."""
    cost = math.inf
    if finding.taken is not None:
        cost = search.cost(encoding.decode(finding.taken)) * encoding.unit - encoding.base
    optimal = finding.termination is Termination.FINISHED
    claim = Claim(finding.objective, cost, finding.lower_bound, optimal)
    known = search.objective * encoding.unit - encoding.base
    return contradiction(claim, known, encoding.rounding)


def _report(
    search: LimitedSearch,
    encoding: LimitedEncoding,
    best: float,
    least: float,
    taken: NDArray[np.bool_] | None,
) -> None:
    """Tell what CP-SAT knows while it runs."""
    search.running(encoding.bound(least), None if taken is None else partial(encoding.decode, taken))


class _Device:
    """The variables of a device in a program, and the rows between them.

    Attributes
    ----------
    x
        By subtask: by place.
    served
        None: always.
    """

    def __init__(self, program: Program, task: Application, x: list[dict[int, Any]], refusable: bool) -> None:
        self.program, self.task, self.x = program, task, x
        self.served = program.boolean() if refusable else None
        self._up, self._down = ([program.boolean() for _ in task.edges] for _ in range(2))
        for places in x:
            program.model.add_exactly_one([*places.values(), *self.unserved])
        for up, down, (j, k) in zip(self._up, self._down, task.edges, strict=True):
            local = [(x[j].get(LOCAL), -1), (x[k].get(LOCAL), 1)]
            balance = [(up, 1), (down, -1), *((v, sign) for v, sign in local if v is not None)]
            program.model.add(total(balance) == 0)

    @property
    def unserved(self) -> list[Any]:
        """That it is refused, if it may be."""
        return [] if self.served is None else [self.served.negated()]

    def sums(self, parts: WholeParts, row: int) -> list[list[Term]]:
        """What each subtask adds up, with the arcs into it."""
        place, up, down = parts.place[row].tolist(), parts.up[row].tolist(), parts.down[row].tolist()
        found = []
        for k, into in enumerate(self.task.incoming):
            terms = [(x, place[k][n]) for n, x in self.x[k].items()]
            terms += [(self._up[arc], up[arc]) for arc, _ in into]
            terms += [(self._down[arc], down[arc]) for arc, _ in into]
            found.append([(x, value) for x, value in terms if value])
        return found

    def all(self, parts: WholeParts, row: int) -> list[Term]:
        """What they add up together."""
        return [term for terms in self.sums(parts, row) for term in terms]

    def end(self, parts: WholeParts, row: int, most: int) -> list[Term]:
        """The largest sum along a path, in solutions where it is at most ``most``."""
        return end_of(self.program, self.task, self.sums(parts, row), most)


class LimitedEncoding:
    """Programs of an instance, in units that suit the best known solution.

    Parameters
    ----------
    search
        With the instance, the best known solution, and what is cut off.
    reference
        The size of the objective.

    Attributes
    ----------
    choices
        (device, subtask, place) of each.
    unit, base
        The objective of a solution is at most unit * F - base.
    cutoff
        Of better solutions the objective is at most this.
    rounding
        The most that the objective can be less than unit * F - base, where no part was cut down.
    """

    def __init__(self, search: LimitedSearch, reference: float) -> None:
        instance = self.instance = search.instance
        self._search, self._margin = search, margin(instance)
        self._limits = Limits(instance)
        self._places = [options(instance, number) for number in range(len(instance.groups))]
        given = list(zip(instance.terms, self._places, strict=True))
        self._delays, self._energies = [delays(*each) for each in given], [energies(*each) for each in given]
        groups = instance.groups
        entries = sum(
            places.allowed.size + 2 * group.edge_data.size
            for group, (_, places) in zip(groups, given, strict=True)
        )
        self._bits = min(LIMIT_BITS, LARGEST - math.log2(entries + 1))
        self.choices = [
            (int(group.members[row]), k, n if n < instance.num_points else LOCAL)
            for group, places in zip(groups, self._places, strict=True)
            for row, k, n in np.argwhere(places.allowed).tolist()
        ]
        self._number = {choice: i for i, choice in enumerate(self.choices)}
        self._round_costs(reference)

    def _round_costs(self, reference: float) -> None:
        instance, search, groups = self.instance, self._search, self.instance.groups
        devices, points = instance.devices, instance.points
        weights = [devices.weight[group.members] for group in groups]
        fees, gross, off = [], [], []
        for group, places, weight in zip(groups, self._places, weights, strict=True):
            fee = weight[:, None, None] * np.where(places.allowed, places.fee, 0.0)
            # Not the size of the fee alone, where that is a sum that cancels out.
            paid = np.abs(points.fee_subtask) + np.abs(points.fee_work) * group.work[:, :, None]
            size = np.abs(fee)
            size[..., :LOCAL] = np.maximum(size[..., :LOCAL], weight[:, None, None] * paid)
            fees.append(fee)
            gross.append(size)
            # Numbers of the file are not off, so that costs that are whole stay so.
            exact = np.zeros_like(fee, dtype=np.bool_)
            exact[..., :LOCAL] = points.fee_work * group.work[:, :, None] == 0
            met = np.flatnonzero(~np.isnan(group.exceptions.fee))
            exact[group.exceptions.row[met], group.exceptions.subtask[met], group.exceptions.place[met]] = (
                True
            )
            exact &= (np.frexp(weight)[0] == 0.5)[:, None, None]  # powers of two
            off.append(np.where(exact, 0.0, size))
        rejection = devices.weight * np.nan_to_num(devices.rejection)
        least = np.minimum(rejection, 0.0)
        for group, fee in zip(groups, fees, strict=True):
            least[group.members] = np.minimum(least[group.members], fee.min(axis=2).sum(axis=1))
        others = 0.0 if instance.by_largest else least.sum() - least
        # More than that nobody adds up in a better solution.
        room = np.maximum(search.objective - others - least, 0.0)
        cap = 2.0 * room + EXCESS * reference
        delay, energy, most = [], [], np.abs(rejection)
        for number, (group, term, weight) in enumerate(zip(groups, instance.terms, weights, strict=True)):
            own = cap[group.members]
            delay.append(self._delays[number].times(weight * term.delay_weight).cut(own))
            energy.append(self._energies[number].times(weight * term.energy_weight).cut(own))
            most[group.members] += delay[-1].largest() + energy[-1].largest()
            most[group.members] += gross[number].max(axis=2).sum(axis=1)
        everything = max(float(most.sum()), reference)
        bits = min(BITS - math.log2(reference), LARGEST - 2 - math.log2(everything))
        unit = self.unit = 2.0 ** math.floor(bits)
        self._delay_costs = [parts.whole(unit, self._margin) for parts in delay]
        self._energy_costs = [parts.whole(unit, self._margin) for parts in energy]
        self._fees = [rounded(fee, size, unit, self._margin) for fee, size in zip(fees, off, strict=True)]
        self._rejection = rounded(rejection, rejection, unit, self._margin)
        self._least = np.minimum(self._rejection, 0)
        for group, whole in zip(groups, self._fees, strict=True):
            self._least[group.members] = np.minimum(self._least[group.members], whole.min(axis=2).sum(axis=1))
        self._most = np.ceil(most * unit).astype(np.int64) - self._least
        floors = sum(3 * group.work.size + 2 * group.edge_data.size + len(group) for group in groups)
        self.rounding = floors + 2 * self._margin * everything * unit + 1.0
        if instance.by_largest:
            self.base, self.cutoff = (
                int(self._least.min()),
                int((self._most + self._least).max() - self._least.min()),
            )
        else:
            self.base, self.cutoff = int(self._least.sum()), int(self._most.sum())
        if search.solution is not None:
            known = search.objective * unit + self._margin * everything * unit
            self.cutoff = min(self.cutoff, math.ceil(known) + 1 - self.base)

    @property
    def gap(self) -> int:
        """Difference of objective and bound at which CP-SAT may stop: half of what the caller allows, as the
        other half is for the rounding."""
        objective, bound = self._search.objective, self._search.lower_bound
        if self._search.budget.gap <= OPTIMAL_GAP or not math.isfinite(objective) or objective * bound <= 0:
            return 0
        return int(self._search.budget.gap * min(abs(objective), abs(bound)) * self.unit / 2)

    def bound(self, objective: float) -> float:
        """The lower bound on F that follows from one on the objective."""
        return math.nextafter((self.base + objective) / self.unit, -math.inf)

    def decode(self, taken: NDArray[np.bool_]) -> Solution:
        """The decisions that choices make up."""
        sizes = [len(row) for row in Solution.all_local(self.instance).rows(self.instance)]
        rows = [[REFUSED] * size for size in sizes]
        for i in np.flatnonzero(taken).tolist():
            m, k, n = self.choices[i]
            rows[m][k] = n
        return Solution.from_rows(self.instance, rows)

    def program(self) -> Program:
        """A program, with all that is cut off so far."""
        search, solution = self._search, self._search.solution
        known = solution is not None
        program = Program(len(self.choices), self.cutoff, lambda: search.left == 0, feasible=known)
        if solution is not None:
            rows = solution.rows(self.instance)
            program.hint(np.array([rows[m][k] == n for m, k, n in self.choices], dtype=np.bool_))
        devices = self._devices(program)
        self._channels(program, devices)
        self._resources(program)
        self._time_and_energy(program, devices)
        self._objective(program, devices)
        for cut in search.cuts:
            numbers = [self._number[place] for place in cut.places if place in self._number]
            program.model.add(total((program.choices[i], 1) for i in numbers) <= cut.most)
        return program

    def _devices(self, program: Program) -> list[_Device]:
        apps = [self.instance.applications[a] for a in self.instance.devices.application.tolist()]
        chosen: list[list[dict[int, Any]]] = [[{} for _ in range(app.size)] for app in apps]
        for (m, k, n), variable in zip(self.choices, program.choices, strict=True):
            chosen[m][k][n] = variable
        refusable = ~np.isnan(self.instance.devices.rejection)
        given = zip(apps, chosen, refusable.tolist(), strict=True)
        return [_Device(program, *each) for each in given]

    def _channels(self, program: Program, devices: list[_Device]) -> None:
        users: dict[int, list[Term]] = {}
        for device, entry in zip(devices, self._limits.radio.tolist(), strict=True):
            if entry < 0:
                continue
            air = program.boolean()
            for places in device.x:
                at_home = [x for n, x in places.items() if n == LOCAL]
                program.model.add_bool_or([air, *device.unserved, *at_home])
            users.setdefault(entry, []).append((air, 1))
        for entry, using in users.items():
            program.limit(using, int(self._limits.right[entry]), 0)

    def _resources(self, program: Program) -> None:
        for limit in self._limits.demanded:
            demand = [places.demand[limit.resource][places.allowed] for places in self._places]
            unit, at = unit_in(self._bits, limit.capacity), set(limit.points.tolist())
            amounts = np.floor(np.concatenate(demand) * unit).astype(np.int64).tolist()
            chosen = zip(self.choices, program.choices, amounts, strict=True)
            using = [(x, amount) for (_, _, n), x, amount in chosen if n in at and amount]
            program.limit(using, math.floor(limit.capacity * unit), 0)

    def _time_and_energy(self, program: Program, devices: list[_Device]) -> None:
        """Deadlines and energy budgets, then totals."""
        own, caps = self.instance.devices, self.instance.totals
        total_delay, total_energy = list[Term](), list[Term]()
        for number, group in enumerate(self.instance.groups):
            delay, energy = self._delays[number], self._energies[number]
            for row, m in enumerate(group.members.tolist()):
                device = devices[m]
                if np.isfinite(own.deadline[m]):
                    parts, most = self._limited(_of(delay, row), float(own.deadline[m]))
                    program.limit(device.end(parts, 0, most), most, 0)
                if np.isfinite(own.energy_budget[m]):
                    parts, most = self._limited(_of(energy, row), float(own.energy_budget[m]))
                    program.limit(device.all(parts, 0), most, 0)
            if math.isfinite(caps.delay):
                parts, most = self._limited(delay, caps.delay)
                total_delay += [
                    t
                    for row, m in enumerate(group.members.tolist())
                    for t in devices[m].end(parts, row, most)
                ]
            if math.isfinite(caps.energy):
                parts, _ = self._limited(energy, caps.energy)
                total_energy += [
                    t for row, m in enumerate(group.members.tolist()) for t in devices[m].all(parts, row)
                ]
        for terms, cap in ((total_delay, caps.delay), (total_energy, caps.energy)):
            if terms:
                program.limit(terms, math.floor(cap * unit_in(self._bits, cap)), 0)

    def _limited(self, parts: Parts, limit: float) -> tuple[WholeParts, int]:
        return parts.limited(limit, self._bits, self._margin)

    def _objective(self, program: Program, devices: list[_Device]) -> None:
        by_largest = self.instance.by_largest
        largest = program.integer(self.cutoff) if by_largest else None
        program.pay([] if largest is None else [(largest, 1)], 0 if by_largest else -self.base)
        for number, group in enumerate(self.instance.groups):
            for row, m in enumerate(group.members.tolist()):
                device, fee = devices[m], self._fees[number][row].tolist()
                terms = device.end(self._delay_costs[number], row, int(self._most[m]))
                terms = terms + device.all(self._energy_costs[number], row)
                terms += [(x, fee[k][n]) for k, places in enumerate(device.x) for n, x in places.items()]
                constant = 0
                if device.served is not None:
                    constant = int(self._rejection[m])
                    terms.append((device.served, -constant))
                terms = [(x, value) for x, value in terms if value]
                if largest is None:
                    program.pay(terms, constant)
                else:
                    own = (total(terms) if terms else 0) + constant - self.base
                    program.model.add(largest >= own)


def _of(parts: Parts, row: int) -> Parts:
    """Those of one device."""
    some = slice(row, row + 1)
    return Parts(parts.place[some], parts.up[some], parts.down[some])
