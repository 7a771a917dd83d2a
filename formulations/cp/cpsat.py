r"""CP-SAT with whole numbers only, over choices that prices leave possible, and a bound that is proven.

CP-SAT takes whole numbers, so costs are multiplied by a *unit* u, a power of two, and rounded. Three
things make that fast and safe: integer prices that turn the objective into what is lost against the
Lagrangian bound, reduced costs that leave few choices, and roundings that all go downwards.

**Rounding.** Let c = floor(u C (1 - gamma)) for a computed cost C. A cost is made of the numbers of the
file by additions, multiplications, divisions and maxima of numbers >= 0 (1 - alpha is rounded once), and
each of these steps changes its result by a factor of at most 1 +- 2^-53; no number of a file is so small
or large that a product leaves the range of binary64. With gamma above twice the number of steps in a row
(:func:`_margin`), c is at most u times the exact cost. Sums of such floors are at most u times the exact
sum, whatever the decision: it does not matter which decision is optimal before or after rounding. (To
round to nearest may raise each of many costs by half a unit, and then the optimum of the rounded problem
is no bound; ``tests/test_cpsat.py`` has an instance.) Everything from here on is exact integer arithmetic,
and all numbers stay below 2^53.

**Integer prices.** Let Lambda >= 0 be any integer prices on the limits q, here the rounded ones of column
generation (:mod:`..decomposition.master`), U(d) >= 0 what decisions d use of the limits, and c_m integers
with c_m(d_m) <= u C_m(d_m). With v_m a lower bound on c_m(d_m) + Lambda U_m(d_m) for every decision d_m,

.. math::

   u F(d) \ge \sum_m c_m(d_m) = \underbrace{\sum_m v_m - \Lambda q}_{base}
     + \sum_m \underbrace{\bigl(c_m(d_m) + \Lambda U_m(d_m) - v_m\bigr)}_{R_m \ge 0}
     + \Lambda \underbrace{(q - U(d))}_{z \ge 0} .                                                    (*)

base/u is the Lagrangian bound, and CP-SAT minimises the rest, which is small: its own bound starts at 0
where that of the plain objective is far away, and each unused place of a priced limit is seen to cost.
With b a lower bound on the rest, (base + b)/u is one on F. (Where R_m comes from rows, as below, c_m need
not exist: it is enough that the least R_m that the rows allow is at most u C_m + Lambda U_m - v_m.)

**Reduced costs.** A *choice* is a part of a device's decision, and its slack s a lower bound on R_m for
all decisions that contain it. By (*) a solution with such a choice costs at least base + s. A program over
some choices has therefore the bound min(b, least s of the others), and choices with s > u F* - base, for
the cost F* of a known solution, are not needed. First the program has a few essential choices of each
device, which gives a good solution; if that improves, four times as many; in the end all whose slack is
small enough, which is exact.

**Two encodings.** Where all decisions of a device can be listed, choices are whole decisions
(:class:`_Decisions`, as in :mod:`formulations.milp.patterns`): x_p in {0, 1}, one for each device, with R_m =
sum s_p x_p and s_p = c_p + Lambda U_p - v_m. Else they are the places of subtasks (:class:`_Places`).
There the parts of the cost are rounded instead, with o_k = 1 - x_k,local:

.. math::

   \textstyle\sum_n x_{kn} &= 1, \qquad up_{jk} - down_{jk} = x_{j,local} - x_{k,local} \\
   g_k &= \textstyle\sum_n \lfloor a\, time_{kn} \rfloor x_{kn}
     + \sum_j (\lfloor a\, send_{jk} \rfloor up_{jk} + \lfloor a\, receive_{jk} \rfloor down_{jk}),
     \quad e_k\ \text{likewise} \\
   t_k &\ge t_j + g_k \quad (j, k)\ \text{an arc}, \qquad t \ge t_k \quad k\ \text{a tail} \\
   R_m &\ge t + \textstyle\sum_k e_k + \Lambda U_m - v_m \\
   R_m &\ge \textstyle\sum_n s_{kn} x_{kn} \qquad \text{for each } k,

where a variable t_k is needed only at joins. v_m is the floor of the least cost plus prices of device m,
and v_m + s_kn the same with subtask k at n (:mod:`..decomposition.pricing`): neither exceeds u C_m + Lambda
U_m, and the other row has floors of parts of C_m, so the least R_m is as (*) needs it. The rows with s are
what makes this encoding strong: they tell the relaxation all reduced costs of places. Graphs whose pricing
takes long (neither series-parallel nor small) get Lambda = v = s = 0: the plain encoding.

``docs/cpsat.md`` compares the variants that were tried.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

from instances import LOCAL, UNLIMITED, Application, Budget, Instance, Result, Solution, Termination
from instances.cost import Terms, terms
from instances.model import Floats, Ints

from ..decomposition.master import Master
from ..decomposition.pricing import Prices, Restrictions, TooManyLabels, plan, price
from ..milp import patterns
from ..outcome import Search, run_in_scale
from ..scaling import scaled, unit_for
from ..series_parallel import reduction
from .program import Program, Term, total, version

BITS = 46
"""The unit makes the cost of the start a number of so many bits: far more than a gap of 1e-9 needs, and
few enough that sums fit in 64 bits."""

LARGEST_SEARCHED = 8
"""Subtasks of a graph that is not series-parallel and is priced nevertheless, at the most."""

DIVERSE = 2
"""Decisions of each device in every program, for each number of offloaded subtasks."""

GROWTH = 4
"""Times as many choices in each further program."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with CP-SAT.

    The record of the run has the ``unit`` u, the ``encoding``, and as ``rounding_loss`` the most that
    rounding can have taken from the lower bound, relative to the cost.
    """
    return run_in_scale(instance, budget, _minimise)


def _minimise(search: Search) -> tuple[Termination, dict[str, Any]]:
    if search.closed:
        return Termination.FINISHED, {}
    unit = 2.0 ** (_bits(search.instance) - math.ceil(math.log2(search.objective)))
    try:
        encoding = _encode(search, unit)
    except _OutOfTimeError:
        return Termination.TIME_LIMIT, {}
    scale = _Scale(search, unit, _margin(search.instance), encoding.base)
    search.prove(scale.bound(0))
    search.report()
    ranked, essential = np.argsort(encoding.slack, kind="stable"), encoding.essential()
    size, others = len(essential), -1
    termination, rounds, branches, conflicts = Termination.FINISHED, 0, 0, 0
    variables, rows = 0, 0
    while not search.closed and others <= scale.cutoff and termination is Termination.FINISHED:
        before, cutoff, chosen = search.objective, scale.cutoff, encoding.chosen(search.start)
        wanted = np.union1d(ranked[:size], np.union1d(essential, chosen))
        kept = wanted[encoding.slack[wanted] <= cutoff]
        others = int(np.delete(encoding.slack, kept).min(initial=cutoff + 1))
        program = Program(np.isin(kept, chosen), cutoff)
        encoding.constrain(program, kept)
        outcome = program.minimise(
            search.budget,
            # Half of what the caller allows: the other half is for the rounding.
            gap=int(search.budget.gap * search.objective * unit / 2),
            time_limit=search.left,
            settings=encoding.settings,
            subsolver=encoding.subsolver,
            report=partial(scale.report, others),
        )
        if outcome.taken is not None:
            search.offer(encoding.decode(kept[outcome.taken]))
        search.prove(scale.bound(min(outcome.lower_bound, others)))
        size = GROWTH * size if search.objective < before else len(ranked)
        termination, (variables, rows) = outcome.termination, program.size
        rounds, branches = rounds + 1, branches + outcome.branches
        conflicts += outcome.conflicts
    if termination is Termination.FINISHED and not search.optimal:
        termination = Termination.GAP
    return termination, {
        "solver": f"cp-sat {version()}",
        "encoding": encoding.name,
        "unit": unit,
        "rounding_loss": encoding.roundings / (unit * search.objective) + 2 * scale.margin,
        "choices": len(ranked),
        "rounds": rounds,
        "variables": variables,
        "rows": rows,
        "branches": branches,
        "conflicts": conflicts,
    }


def _bits(instance: Instance) -> int:
    """:data:`BITS`, or fewer where a sum of so many terms might need more than 60."""
    subtasks = max(application.size for application in instance.applications)
    arcs = max(len(application.edges) for application in instance.applications)
    objective = DIVERSE * (subtasks + 1) * instance.num_devices
    row = 4 * (subtasks * (instance.num_points + 1) + arcs)
    return min(BITS, 60 - math.ceil(math.log2(max(objective, row))))


def _margin(instance: Instance) -> float:
    """gamma: at least twice the relative error of a device's computed cost, with prices.

    A sum of n numbers >= 0 adds up to n - 1 roundings to those of its parts. Delay and energy have up to
    3 K + 2 A parts (execution and both transfers of subtasks, transfers of arcs) of up to 4 steps each,
    their weights are quotients of such sums over the K subtasks, and prices are K + 1 more parts.
    """
    steps = max(8 * (app.size + len(app.edges) + 8) for app in instance.applications)
    return 2 * steps * 2.0**-53


@dataclass(frozen=True)
class _Scale:
    """Between the objectives of programs, whole units above the base, and F."""

    search: Search
    unit: float
    margin: float
    base: int

    @property
    def cutoff(self) -> int:
        """The objective of a solution that costs no more than the incumbent is at most this."""
        cost = (self.search.objective - self.search.constant) * self.unit
        return math.ceil(cost * (1 + self.margin)) - self.base

    def bound(self, objective: float) -> float:
        """The lower bound on F that follows from one on the objective."""
        constant = self.search.constant * (1 - self.margin)
        # The quotient is exact, the sum may be rounded upwards.
        return math.nextafter((self.base + objective) / self.unit + constant, -math.inf)

    def report(self, others: int, best: float, least: float) -> None:
        """Tell what CP-SAT knows while it runs."""
        cost = (self.base + best) / self.unit + self.search.constant
        self.search.report(cost, self.bound(min(least, others)))


class _OutOfTimeError(Exception):
    """There is no encoding within the time limit."""


def _encode(search: Search, unit: float) -> _Encoding:
    """The encoding of an instance in a unit."""

    def late() -> bool:
        return search.left == 0

    instance = scaled(search.instance, unit)
    try:
        prices = _prices(search, unit, late)
        if prices is None:
            return _Places(instance, None, late)
        if patterns.obstacle(instance) is None:
            return _Decisions(instance, prices, late)
        return _Places(instance, prices, late)
    except TooManyLabels:
        return _Places(instance, None, late)


def _prices(search: Search, unit: float, late: Callable[[], bool]) -> Prices | None:
    """Good integer prices; None where some task cannot be priced fast."""
    tasks = [group.application for group in search.instance.groups]
    if any(plan(task) is None and task.size > LARGEST_SEARCHED for task in tasks):
        return None
    usual = unit_for(search.objective)
    instance = scaled(search.instance, usual)
    master = Master(instance, search.objective * usual)
    master.add(search.start)
    master.add(Solution.all_local(instance))
    found = master.generate(None, Prices.zero(instance), np.inf, late).prices
    limited = instance.points.channels != UNLIMITED
    return Prices(
        np.rint(found.capacity * (unit / usual)),
        np.where(limited, np.rint(found.channels * (unit / usual)), 0.0),
    )


def _down(costs: Floats, instance: Instance) -> Ints:
    """Whole numbers below costs in the instance's unit, cut off where no good solution can get."""
    whole = np.floor(np.minimum(costs * (1 - _margin(instance)), 2.0 ** (BITS + 1)))
    return whole.astype(np.int64)


def _on_limits(instance: Instance, capacity: NDArray[Any], channels: NDArray[Any]) -> list[int]:
    """What there is, or is paid, of the N capacities and of the limited channels."""
    limited = instance.points.channels != UNLIMITED
    return [int(value) for value in (*capacity, *channels[limited])]


class _Encoding(ABC):
    """Choices that make up the decisions of devices, as programs.

    Parameters
    ----------
    instance
        In its unit.
    prices
        Lambda.
    least
        v of the devices that have a radio link.
    slack
        (C,) s of every choice.

    Attributes
    ----------
    limits, prices
        (L,) q and Lambda, of the N capacities and the limited channels.
    base
        Of equation (*).
    """

    name: str
    settings: Mapping[str, Any]
    subsolver: str

    def __init__(self, instance: Instance, prices: Prices, least: Ints, slack: Ints) -> None:
        self.instance, self.slack = instance, slack
        self.limits = _on_limits(instance, instance.points.capacity, instance.points.channels)
        self.prices = _on_limits(instance, prices.capacity, prices.channels)
        paid = sum(limit * price for limit, price in zip(self.limits, self.prices, strict=True))
        self.base = sum(least.tolist()) - paid

    @property
    @abstractmethod
    def roundings(self) -> int:
        """Floors in the objective of a solution, at the most: each loses less than a unit."""

    @abstractmethod
    def essential(self) -> Ints:
        """Choices that every program should have."""

    @abstractmethod
    def chosen(self, solution: Solution) -> Ints:
        """Choices that make up a solution, or one that is no worse."""

    @abstractmethod
    def constrain(self, program: Program, kept: Ints) -> None:
        """Make the rows and the objective of a program of some choices."""

    @abstractmethod
    def decode(self, taken: Ints) -> Solution:
        """The solution that makes these choices."""


class _Decisions(_Encoding):
    """Choices are the undominated decisions of each device."""

    name = "decisions"
    # There are few kinds of rows: presolve and probing take long and improve nothing.
    settings: Mapping[str, Any] = MappingProxyType(
        {
            "cp_model_presolve": False,
            "inprocessing_probing_dtime": 0.0,
            "symmetry_level": 0,
            "linearization_level": 2,
            "search_branching": cp_model.LP_SEARCH,
        }
    )
    subsolver = "reduced_costs"

    def __init__(self, instance: Instance, prices: Prices, late: Callable[[], bool]) -> None:
        decisions = patterns.undominated(instance, late)
        if decisions is None:
            raise _OutOfTimeError
        self._decisions = decisions
        on_limits = np.array(_on_limits(instance, prices.capacity, prices.channels))
        # The uses are floats, which hold whole numbers below 2^53 exactly.
        reduced = _down(decisions.cost, instance) + (decisions.use @ on_limits).astype(np.int64)
        first = np.flatnonzero(np.diff(decisions.device, prepend=-1))
        least = np.minimum.reduceat(reduced, first)
        slack = reduced - np.repeat(least, np.diff(first, append=len(reduced)))
        super().__init__(instance, prices, least, slack)

    @property
    def roundings(self) -> int:
        return self._decisions.num_devices

    def essential(self) -> Ints:
        return self._decisions.diverse(self.slack.astype(np.float64), DIVERSE)

    def chosen(self, solution: Solution) -> Ints:
        return self._decisions.covering(solution)

    def constrain(self, program: Program, kept: Ints) -> None:
        part, take = self._decisions.take(kept), program.choices
        ends = np.flatnonzero(np.diff(part.device, prepend=-1, append=-1)).tolist()
        for first, last in pairwise(ends):
            program.model.add_exactly_one(take[first:last])
        program.pay(zip(take, self.slack[kept].tolist(), strict=True))
        use = part.use.tocsc()
        counts = use.data.astype(np.int64).tolist()
        users = list(zip((take[p] for p in use.indices.tolist()), counts, strict=True))
        for n, (first, last) in enumerate(pairwise(use.indptr.tolist())):
            program.limit(users[first:last], self.limits[n], self.prices[n])

    def decode(self, taken: Ints) -> Solution:
        return self._decisions.take(taken).decode(np.ones(len(taken)))


class _Places(_Encoding):
    """Choices are the places of each subtask: its device, then every point with a capacity."""

    name = "places"

    def __init__(self, instance: Instance, prices: Prices | None, late: Callable[[], bool]) -> None:
        self._points = np.flatnonzero(instance.points.capacity > 0)
        width = len(self._points) + 1
        subtasks = np.array([app.size for app in instance.applications])[instance.devices.application]
        self._linked = instance.devices.connected_to != LOCAL
        choices = np.where(self._linked, subtasks * width, 0)
        self._first = np.cumsum(choices) - choices
        self._device = np.repeat(np.arange(instance.num_devices), choices)
        number = np.arange(len(self._device)) - self._first[self._device]
        self._subtask, self._place = number // width, np.append(LOCAL, self._points)[number % width]
        self._least, slack = np.zeros_like(choices), np.zeros_like(number)
        self.settings, self.subsolver = {"cp_model_probing_level": 0, "linearization_level": 2}, "max_lp"
        if prices is not None:
            self.settings["optimize_with_core"], self.subsolver = True, "core"
            self._least = _down(price(instance, prices).value, instance)
            for k, place in {*zip(self._subtask.tolist(), self._place.tolist(), strict=True)}:
                if late():
                    raise _OutOfTimeError
                at = np.flatnonzero((self._subtask == k) & (self._place == place))
                restrictions = Restrictions(instance)
                for m in self._device[at].tolist():
                    restrictions.branch(m, k, place, equal=True)
                value = _down(price(instance, prices, restrictions).value, instance)
                slack[at] = np.maximum(value - self._least, 0)[self._device[at]]
        super().__init__(instance, prices or Prices.zero(instance), self._least[self._linked], slack)
        radios = np.flatnonzero(instance.points.channels != UNLIMITED)
        self._channels = {int(n): instance.num_points + i for i, n in enumerate(radios)}

    @property
    def roundings(self) -> int:
        apps = [self.instance.applications[i] for i in self.instance.devices.application[self._linked]]
        return sum(2 * (app.size + len(app.edges)) for app in apps)

    def essential(self) -> Ints:
        width = len(self._points) + 1
        if not self.slack.any():
            return np.arange(len(self.slack))
        first = np.arange(0, len(self.slack), width)
        best = self.slack.reshape(-1, width)[:, 1:].argmin(axis=1)
        return np.union1d(first, first + 1 + best)

    def chosen(self, solution: Solution) -> Ints:
        rows = solution.rows(self.instance)
        taken = [rows[m][k] for m, k in zip(self._device.tolist(), self._subtask.tolist(), strict=True)]
        return np.flatnonzero(self._place == taken)

    def decode(self, taken: Ints) -> Solution:
        rows = Solution.all_local(self.instance).rows(self.instance)
        for i in taken.tolist():
            rows[self._device[i]][self._subtask[i]] = int(self._place[i])
        return Solution.from_rows(self.instance, rows)

    def constrain(self, program: Program, kept: Ints) -> None:
        take = dict(zip(kept.tolist(), program.choices, strict=True))
        users: list[list[Term]] = [[] for _ in self.limits]
        for i, variable in take.items():
            if self._place[i] != LOCAL:
                users[self._place[i]].append((variable, 1))
        for term in terms(self.instance):
            delays, energies, arcs = _parts(self.instance, term, self._points)
            for row, m in enumerate(term.group.members.tolist()):
                if self._linked[m]:
                    parts = delays[row].tolist(), energies[row].tolist(), arcs[row].tolist()
                    self._constrain_device(program, m, term.group.application, *parts, take, users)
        for using, limit, paid in zip(users, self.limits, self.prices, strict=True):
            program.limit(using, limit, paid)

    def _constrain_device(
        self,
        program: Program,
        m: int,
        task: Application,
        delays: list[list[int]],
        energies: list[list[int]],
        arcs: list[list[int]],
        take: Mapping[int, Any],
        users: list[list[Term]],
    ) -> None:
        """The rows of one device, with the rounded parts of its cost; they hold R_m up."""
        width, first, least = len(self._points) + 1, int(self._first[m]), int(self._least[m])
        lost = program.integer(program.cutoff)
        program.pay([(lost, 1)])
        local = [take.get(first + k * width) for k in range(task.size)]
        delay: list[list[Term]] = []
        rest: list[Term] = []
        for k in range(task.size):
            kept = [(i, take[first + k * width + i]) for i in range(width) if first + k * width + i in take]
            program.model.add_exactly_one([x for _, x in kept])
            program.at_least(lost, [(x, int(self.slack[first + k * width + i])) for i, x in kept])
            delay.append([(x, delays[k][i]) for i, x in kept])
            rest += [(x, energies[k][i]) for i, x in kept]
            rest += [(x, self.prices[self._points[i - 1]]) for i, x in kept if i > 0]
        for (j, k), (up_delay, down_delay, up_energy, down_energy) in zip(task.edges, arcs, strict=True):
            up, down = program.boolean(), program.boolean()
            balance = [(up, 1), (down, -1), (local[j], -1), (local[k], 1)]
            program.model.add(total((x, sign) for x, sign in balance if x is not None) == 0)
            delay[k] += [(up, up_delay), (down, down_delay)]
            rest += [(up, up_energy), (down, down_energy)]
        channel = self._channels.get(int(self.instance.devices.connected_to[m]))
        if channel is not None:
            on_air = program.boolean()
            for x in local:
                program.model.add_bool_or([on_air] if x is None else [on_air, x])
            users[channel].append((on_air, 1))
            rest.append((on_air, self.prices[channel]))
        waits: list[list[int]] = [[] for _ in local]
        for j, k in reduction(task):
            waits[k].append(j)
        finish: dict[int, list[Term]] = {}
        most = program.cutoff + least
        for k in task.order:
            ready = program.latest([finish[j] for j in waits[k]], most) if waits[k] else []
            finish[k] = ready + delay[k]
        end = program.latest([finish[k] for k in np.flatnonzero(task.tails).tolist()], most)
        program.at_least(lost, end + rest, -least)


def _parts(instance: Instance, term: Terms, points: Ints) -> tuple[Ints, Ints, Ints]:
    """The parts of the weighted delays and energies of a group's devices, rounded downwards.

    Returns
    -------
    delays, energies
        (G, K, P + 1) of each subtask on its device and at P points, with the input of a head and the
        output of a tail.
    arcs
        (G, A, 4) delay of sending and receiving the data of an arc, energy of both.
    """
    a, b = term.delay_weight[:, None], term.energy_weight[:, None]
    execute, send, receive = (b * power[:, None] for power in (term.execute, term.send, term.receive))
    at_points = term.group.work[:, :, None] / instance.points.cpu[points]
    at_points = at_points + (term.head_up + term.tail_down)[:, :, None]
    radio = send * term.head_up + receive * term.tail_down
    delays = np.append((a * term.local)[:, :, None], a[:, :, None] * at_points, axis=2)
    energies = np.repeat(radio[:, :, None], len(points) + 1, axis=2)
    energies[:, :, 0] = execute * term.local
    up, down = term.arc_up, term.arc_down
    arcs = np.stack([a * up, a * down, send * up, receive * down], axis=2)
    return _down(delays, instance), _down(energies, instance), _down(arcs, instance)
