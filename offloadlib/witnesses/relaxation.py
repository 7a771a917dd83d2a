"""One device at some prices as a linear program, whose dual proposes flows."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import highspy
import numpy as np

from offloadlib.instances import LOCAL

FEASIBILITY = 1e-10
"""The least that HiGHS takes: its duals become witnesses, and what they miss is lost."""

SCALE = 1000.0
"""What a device costs in a linear program."""

LARGE = 1e300
"""As much as there can be of a multiplier."""

STEEP = 1e4
"""What exceeding a deadline or a budget by all of it costs in a linear program, as a multiple of the device's
cost."""

MANY = 5_000
"""Rows of a linear program that may take some seconds."""

Arc = tuple[int, int]


class Graph(NamedTuple):
    """The graph of a task.

    Attributes
    ----------
    order
        Of the subtasks.
    edges
        All arcs.
    waits
        Those that matter for the order; between any heads and tails there is a path of these.
    tails
        Subtasks.
    """

    order: Sequence[int]
    edges: Sequence[Arc]
    waits: Sequence[Arc]
    tails: Sequence[int]


class Taken(NamedTuple):
    """What a part of a task takes: s, mJ, what it costs besides the delay, and what of that is the device's
    own, without prices."""

    seconds: float
    energy: float
    paid: float
    own: float = 0.0


class Count(NamedTuple):
    """A branch on a number: at most so many subtasks are at some places, or at least.

    Attributes
    ----------
    sign
        1: at most, -1: at least.
    """

    places: frozenset[int]
    limit: int
    sign: int

    def nearest(self, number: int) -> int:
        """The number that it allows next to some number."""
        return min(number, self.limit) if self.sign > 0 else max(number, self.limit)

    def holds(self, places: Sequence[int]) -> bool:
        """Whether a decision keeps it."""
        number = sum(n in self.places for n in places)
        return number == self.nearest(number)


class PartCosts(NamedTuple):
    """What the parts of a device's task take, in any unit of cost.

    Attributes
    ----------
    task
        The graph.
    at
        By subtask and place.
    up, down
        By arc, sent and received.
    second
        What a second of delay costs.
    toll
        What going on air costs.
    deadline, budget, largest
        The device's own limits, infinite where there are none.
    own_second
        What a second costs the device itself, in the unit of ``largest``.
    counts
        Branches on numbers of its subtasks.
    """

    task: Graph
    at: Sequence[Mapping[int, Taken]]
    up: Sequence[Taken]
    down: Sequence[Taken]
    second: float
    toll: float
    deadline: float = math.inf
    budget: float = math.inf
    largest: float = math.inf
    own_second: float = 0.0
    counts: Sequence[Count] = ()


class Proposal(NamedTuple):
    """Multipliers, which need not be right.

    Attributes
    ----------
    last, then
        Shares of a flow: what of the delay goes to each tail, and of a subtask to those that it waits for.
    transfer, uses_air
        Amounts, by arc and by subtask.
    late, much, dear
        Prices on the deadline, the budget and the largest cost.
    counts
        Prices of a subtask more than a branch allows, or less.
    """

    last: Mapping[int, float]
    then: Mapping[Arc, float]
    transfer: Sequence[float]
    uses_air: Sequence[float]
    late: float = 0.0
    much: float = 0.0
    dear: float = 0.0
    counts: Sequence[float] = ()


NOTHING = Proposal({}, {}, (), ())


class DeviceRelaxation:
    """The linear program: delay as potentials, each side of an arc as a variable, and limits that may be
    exceeded at a price."""

    def __init__(self, costs: PartCosts) -> None:
        self._costs = costs
        self._longest = sum(places[LOCAL].seconds for places in costs.at) or 1.0
        worth = costs.second * self._longest + sum(abs(places[LOCAL].paid) for places in costs.at)
        worth = worth or sum(abs(taken.paid) for places in costs.at for taken in places.values()) or 1.0
        self._unit = worth / SCALE
        self._objective: list[float] = []
        self._upper: list[float] = []
        self._rows: list[tuple[float, float, dict[int, float]]] = []
        steep = STEEP * worth
        second = costs.second * self._longest
        self._place = [
            {n: self._column(taken.paid, 1.0) for n, taken in places.items()} for places in costs.at
        ]
        self._up = [self._column(taken.paid) for taken in costs.up]
        self._down = [self._column(taken.paid) for taken in costs.down]
        finish = [self._column(0.0) for _ in costs.at]
        delay, air = self._column(second), self._column(costs.toll)
        late, much, dear = (self._column(steep) for _ in range(3))
        for columns in self._place:
            self._row(1.0, 1.0, dict.fromkeys(columns.values(), 1.0))
        self._transfer = [
            self._row(
                0.0,
                0.0,
                {self._up[a]: 1.0, self._down[a]: -1.0, self._local(j): -1.0, self._local(k): 1.0},
            )
            for a, (j, k) in enumerate(costs.task.edges)
        ]
        self._uses_air = [
            self._row(1.0, math.inf, {self._local(k): 1.0, air: 1.0}) for k in range(len(costs.at))
        ]
        waiting = {k for _, k in costs.task.waits}
        self._then = {}
        for k in range(len(costs.at)):
            taken = {column: -costs.at[k][n].seconds / self._longest for n, column in self._place[k].items()}
            for a, (_, end) in enumerate(costs.task.edges):
                if end == k:
                    taken[self._up[a]] = -costs.up[a].seconds / self._longest
                    taken[self._down[a]] = -costs.down[a].seconds / self._longest
            if k not in waiting:
                self._row(0.0, math.inf, {finish[k]: 1.0, **taken})
            for j, end in costs.task.waits:
                if end == k:
                    row = self._row(0.0, math.inf, {finish[k]: 1.0, finish[j]: -1.0, **taken})
                    self._then[j, k] = row
        self._last = {k: self._row(0.0, math.inf, {delay: 1.0, finish[k]: -1.0}) for k in costs.task.tails}
        self._late = self._much = self._dear = -1
        if costs.deadline < math.inf:
            unit = costs.deadline or self._longest
            self._late_unit = unit
            terms = {delay: -self._longest / unit, late: 1.0}
            self._late = self._row(-costs.deadline / unit, math.inf, terms)
        spent = dict(zip([*self._up, *self._down], [*costs.up, *costs.down], strict=True))
        for columns, places in zip(self._place, costs.at, strict=True):
            spent |= {column: places[n] for n, column in columns.items()}
        if costs.largest < math.inf:
            self._dear_unit = unit = abs(costs.largest) or 1.0
            terms = {column: -taken.own / unit for column, taken in spent.items()}
            terms |= {delay: -costs.own_second * self._longest / unit, dear: 1.0}
            self._dear = self._row(-costs.largest / unit, math.inf, terms)
        if costs.budget < math.inf:
            self._much_unit = unit = costs.budget or 1.0
            terms = {column: -taken.energy / unit for column, taken in spent.items()}
            self._much = self._row(-costs.budget / unit, math.inf, {**terms, much: 1.0})
        self._counts = []
        for count in costs.counts:
            terms = {
                column: -float(count.sign)
                for places in self._place
                for n, column in places.items()
                if n in count.places
            }
            terms[self._column(steep)] = 1.0
            self._counts.append(self._row(-float(count.sign * count.limit), math.inf, terms))
        self._highs = self._program()

    def _local(self, k: int) -> int:
        return self._place[k][LOCAL]

    def _column(self, cost: float, most: float = math.inf) -> int:
        self._objective.append(cost / self._unit)
        self._upper.append(most)
        return len(self._upper) - 1

    def _row(self, least: float, most: float, terms: dict[int, float]) -> int:
        self._rows.append((least, most, {at: value for at, value in terms.items() if value}))
        return len(self._rows) - 1

    def _program(self) -> highspy.Highs:
        highs = highspy.Highs()
        highs.silent()
        highs.setOptionValue("threads", 1)
        highs.setOptionValue("presolve", "off")
        for tolerance in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
            highs.setOptionValue(tolerance, FEASIBILITY)
        program = highspy.HighsLp()
        program.num_col_, program.num_row_ = len(self._upper), len(self._rows)
        program.col_cost_ = np.array(self._objective)
        program.col_lower_, program.col_upper_ = np.zeros(len(self._upper)), np.array(self._upper)
        program.row_lower_ = np.array([least for least, _, _ in self._rows])
        program.row_upper_ = np.array([most for _, most, _ in self._rows])
        program.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        counts = [len(terms) for _, _, terms in self._rows]
        program.a_matrix_.start_ = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        entries = [entry for _, _, terms in self._rows for entry in terms.items()]
        program.a_matrix_.index_ = np.array([at for at, _ in entries], dtype=np.int32)
        program.a_matrix_.value_ = np.array([value for _, value in entries])
        highs.passModel(program)
        return highs

    def solve(self, allowed: Sequence[frozenset[int]]) -> tuple[list[dict[int, float]], Proposal]:
        """The shares of each subtask's places, and the dual."""
        columns = [column for places in self._place for column in places.values()]
        upper = [float(n in left) for places, left in zip(self._place, allowed, strict=True) for n in places]
        self._highs.changeColsBounds(
            len(columns), np.array(columns, dtype=np.int32), np.zeros(len(columns)), np.array(upper)
        )
        self._run()
        solution = self._highs.getSolution()
        if not solution.dual_valid:
            return [dict.fromkeys(left, 1.0 / len(left)) for left in allowed], NOTHING
        values, duals = solution.col_value, solution.row_dual
        proposal = Proposal(
            last={k: duals[row] for k, row in self._last.items()},
            then={arc: duals[row] for arc, row in self._then.items()},
            transfer=[duals[row] * self._unit for row in self._transfer],
            uses_air=[duals[row] * self._unit for row in self._uses_air],
            late=0.0 if self._late < 0 else duals[self._late] * self._unit / self._late_unit,
            much=0.0 if self._much < 0 else duals[self._much] * self._unit / self._much_unit,
            dear=0.0 if self._dear < 0 else duals[self._dear] * self._unit / self._dear_unit,
            counts=[duals[row] * self._unit for row in self._counts],
        )
        shares = [
            {n: values[column] for n, column in places.items() if n in left}
            for places, left in zip(self._place, allowed, strict=True)
        ]
        return shares, proposal

    def _run(self) -> None:
        """Solve it; where that may take long in a thread of its own, so that Ctrl-C comes through."""
        if len(self._rows) < MANY:
            self._highs.run()
            return
        solving = threading.Thread(target=self._highs.run, daemon=True)
        solving.start()
        while solving.is_alive():
            solving.join(0.1)


def decided(costs: PartCosts, places: Sequence[int]) -> Proposal:
    """The dual where every place is settled: the heaviest path, and all that is sent and received."""
    task, seconds = costs.task, [costs.at[k][n].seconds for k, n in enumerate(places)]
    crossing = [(places[k] != LOCAL) - (places[j] != LOCAL) for j, k in task.edges]
    for a, (_, k) in enumerate(task.edges):
        if crossing[a]:
            taken = costs.up[a] if crossing[a] > 0 else costs.down[a]
            seconds[k] += taken.seconds
    finish: dict[int, float] = {}
    then: dict[Arc, float] = {}
    for k in task.order:
        before = [j for j, end in task.waits if end == k]
        finish[k] = seconds[k] + max((finish[j] for j in before), default=0.0)
        if before:
            then[max(before, key=finish.__getitem__), k] = 1.0
    last = max(task.tails, key=finish.__getitem__)
    return Proposal(
        last={last: 1.0},
        then=then,
        transfer=[LARGE * value for value in crossing],
        uses_air=[LARGE * (n != LOCAL) for n in places],
    )
