"""A tree for one device that proves the least of its target, by linear programs and flows made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highspy
import numpy as np

from offloadlib.instances import LOCAL

from .flows import Branch, Multipliers, Proposal, Tariff, bound
from .grid import Grid

ENOUGH = 10**12
"""A bound this close to the least, as a share of it, is as good."""

LARGEST_TREE = 20_000
"""Nodes of a tree; then it ends with the bounds that there are."""

SCALE = 1000.0
"""What a device costs in a linear program."""

LARGE = 1e300
"""As much as there can be of a multiplier."""


@dataclass(frozen=True)
class End:
    """A leaf of a device's tree: a sum of rows."""

    multipliers: Multipliers

    @property
    def bound(self) -> int:
        """Of the target."""
        return self.multipliers.bound


@dataclass(frozen=True)
class Fork:
    """A node of a device's tree: two branches and what is below them."""

    among: Branch
    inside: Node
    without: Branch
    outside: Node

    @property
    def bound(self) -> int:
        """Of the target."""
        return min(self.inside.bound, self.outside.bound)


Node = End | Fork


class Lines:
    """Numbers for the constraints of branches, before it is known where they stand: negative ones."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """The next number."""
        self._last -= 1
        return self._last


class Relaxation:
    """The linear program of one device, and its dual as multipliers."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        part = grid.part
        self._highs = highs = highspy.Highs()
        highs.silent()
        highs.setOptionValue("threads", 1)
        highs.setOptionValue("presolve", "off")
        for tolerance in ("primal_feasibility_tolerance", "dual_feasibility_tolerance"):
            highs.setOptionValue(tolerance, 1e-10)
        self._columns: list[int] = []
        self._at: dict[int, int] = {}
        self._second = 10.0**-grid.time_digits
        for k in range(part.application.size):
            for column in part.at(k).values():
                self._add_column(column, 1.0)
        rest = [*part.up, *part.down, *part.finish, *part.joins.values(), part.delay]
        for column in rest if part.air is None else [*rest, part.air]:
            self._add_column(column, highspy.kHighsInf)
        self._add_rows()

    def _add_column(self, column: int, most: float) -> None:
        self._at[column] = len(self._columns)
        self._columns.append(column)
        self._highs.addVar(0.0, most)

    def _row(self, least: float, most: float, terms: dict[int, float]) -> int:
        kept = {self._at[column]: value for column, value in terms.items() if value}
        indices = np.fromiter(kept, dtype=np.int32, count=len(kept))
        self._highs.addRow(least, most, len(kept), indices, np.array(list(kept.values())))
        return int(self._highs.getNumRow()) - 1

    def _add_rows(self) -> None:
        grid, part = self.grid, self.grid.part
        infinite = highspy.kHighsInf
        size = part.application.size
        for k in range(size):
            self._row(1.0, 1.0, dict.fromkeys(part.at(k).values(), 1.0))
        self._transfer = [
            self._row(
                0.0, 0.0, {part.up[a]: 1.0, part.down[a]: -1.0, part.local[j]: -1.0, part.local[k]: 1.0}
            )
            for a, (j, k) in enumerate(part.application.edges)
        ]
        self._uses_air = (
            []
            if part.air is None
            else [self._row(1.0, infinite, {part.local[k]: 1.0, part.air: 1.0}) for k in range(size)]
        )
        # Times in the unit of the longest one, so that coefficients are moderate.
        self._unit = max(sum(duration.at[LOCAL] for duration in grid.duration), 1)

        def finished(k: int, after: int | None) -> dict[int, float]:
            duration = grid.duration[k]
            terms = {part.finish[k]: 1.0}
            if after is not None:
                terms[after] = -1.0
            terms |= {column: -duration.at[n] / self._unit for n, column in part.at(k).items()}
            for a, (up, down) in duration.arcs.items():
                terms |= {part.up[a]: -up / self._unit, part.down[a]: -down / self._unit}
            return terms

        for k in part.first:
            self._row(0.0, infinite, finished(k, None))
        self._then = {
            (j, k): self._row(
                0.0,
                infinite,
                {part.joins[k]: 1.0, part.finish[j]: -1.0}
                if k in part.joins
                else finished(k, part.finish[j]),
            )
            for j, k in part.waits
        }
        for k, start in part.joins.items():
            self._row(0.0, infinite, finished(k, start))
        self._last = {k: self._row(0.0, infinite, {part.delay: 1.0, part.finish[k]: -1.0}) for k in part.last}

    def charge(self, tariff: Tariff, worth: int) -> None:
        """Set prices; ``worth`` is about what the device costs."""
        grid, part = self.grid, self.grid.part
        self._worth = worth = max(worth, 1)
        costs = dict.fromkeys(self._columns, 0)
        costs[part.delay] = grid.second * self._unit
        for k in range(part.application.size):
            costs[part.local[k]] = grid.energy_local[k]
            for n, column in part.place[k].items():
                costs[column] = grid.energy_radio[k] + tariff.points.get(n, 0)
        for a in range(len(part.up)):
            costs[part.up[a]], costs[part.down[a]] = grid.energy_up[a], grid.energy_down[a]
        if part.air is not None:
            costs[part.air] = tariff.air
        for i, column in enumerate(self._columns):
            self._highs.changeColCost(i, SCALE * (costs[column] / worth))

    def solve(self, allowed: Sequence[frozenset[int]]) -> tuple[list[dict[int, float]], Proposal]:
        """The shares of each subtask's places, and the dual."""
        part = self.grid.part
        for k, places in enumerate(allowed):
            for n, column in part.at(k).items():
                self._highs.changeColBounds(self._at[column], 0.0, 1.0 if n in places else 0.0)
        self._highs.run()
        solution = self._highs.getSolution()
        values, duals = solution.col_value, solution.row_dual
        unit = self._worth / SCALE
        proposal = Proposal(
            last={k: duals[row] for k, row in self._last.items()},
            then={arc: duals[row] for arc, row in self._then.items()},
            transfer=[duals[row] * unit for row in self._transfer],
            uses_air=[duals[row] * unit for row in self._uses_air],
        )
        shares = [
            {n: values[self._at[column]] for n, column in part.at(k).items() if n in allowed[k]}
            for k in range(part.application.size)
        ]
        return shares, proposal


class Branching:
    """The search for the trees of one device."""

    def __init__(self, grid: Grid, lines: Lines) -> None:
        self.grid, self.lines = grid, lines
        self.relaxation = Relaxation(grid)
        self._speed = {n: -grid.duration[0].at[n] for n in grid.part.at(0)}

    def prove(self, tariff: Tariff, branches: Sequence[Branch], start: Sequence[int], needed: int) -> Node:
        """A tree that proves the least of the target, up to 1/:data:`ENOUGH`.

        Parameters
        ----------
        tariff
            Prices.
        branches
            Those of the certificate on this device.
        start
            A good decision, if the branches allow it.
        needed
            The bound where they leave a subtask no place.
        """
        part = self.grid.part
        allowed = [
            frozenset(
                n for n in part.at(k) if all(branch.allows(n) for branch in branches if branch.subtask == k)
            )
            for k in range(part.application.size)
        ]
        home = self.grid.cost([LOCAL] * part.application.size, {}, 0)
        self.relaxation.charge(tariff, home)
        self._tariff, self._needed = tariff, needed
        self._least: int | None = None
        self._left = LARGEST_TREE
        if all(n in places for n, places in zip(start, allowed, strict=True)):
            self._try(start)
        return self._node(list(branches), allowed)

    def _try(self, places: Sequence[int]) -> int:
        cost = self.grid.cost(places, self._tariff.points, self._tariff.air)
        if self._least is None or cost < self._least:
            self._least = cost
        return cost

    def _node(self, branches: list[Branch], allowed: list[frozenset[int]]) -> Node:
        if not all(allowed):
            return End(bound(self.grid, self._tariff, branches, self._nothing(), self._needed))
        shares, proposal = self.relaxation.solve(allowed)
        found = bound(self.grid, self._tariff, branches, proposal, self._needed)
        places = [max(share, key=share.__getitem__) for share in shares]
        self._try(places)
        assert self._least is not None
        self._left -= 1
        if found.bound >= self._least - self._least // ENOUGH or self._left < 0:
            return End(found)
        if all(len(left) == 1 for left in allowed):
            exact = bound(self.grid, self._tariff, branches, self._decided(places), self._needed)
            return End(max(found, exact, key=lambda one: one.bound))
        k, inside = self._choice(shares, allowed)
        return self._fork(k, inside, branches, allowed)

    def _fork(
        self, k: int, inside: frozenset[int], branches: list[Branch], allowed: list[frozenset[int]]
    ) -> Node:
        sides = []
        for among in (True, False):
            branch = Branch(k, inside, among, self.lines.next())
            left = allowed.copy()
            left[k] = frozenset(n for n in left[k] if branch.allows(n))
            sides.append((branch, self._node([*branches, branch], left)))
        return Fork(*sides[0], *sides[1])

    def _choice(
        self, shares: list[dict[int, float]], allowed: list[frozenset[int]]
    ) -> tuple[int, frozenset[int]]:
        """The subtask of most doubt, and places that divide it: local, or the faster points."""

        def doubt(k: int) -> tuple[float, float, int]:
            if len(allowed[k]) == 1:
                return (-1.0, -1.0, -k)
            at_home = shares[k].get(LOCAL, 0.0)
            return (min(at_home, 1 - at_home), 1 - max(shares[k].values()), -k)

        k = max(range(len(shares)), key=doubt)
        if LOCAL in allowed[k]:
            return k, frozenset([LOCAL])
        order = sorted(allowed[k], key=lambda n: (self._speed[n], n), reverse=True)
        mean = sum(share * i for i, share in enumerate(shares[k][n] for n in order))
        return k, frozenset(order[: max(1, min(int(mean) + 1, len(order) - 1))])

    def _nothing(self) -> Proposal:
        part = self.grid.part
        return Proposal({}, {}, [0.0] * len(part.up), [0.0] * part.application.size)

    def _decided(self, places: Sequence[int]) -> Proposal:
        """The dual where every place is settled: the heaviest path, and all that is sent and received."""
        grid, part = self.grid, self.grid.part
        arcs = part.application.edges
        crossing = [(places[k] != LOCAL) - (places[j] != LOCAL) for j, k in arcs]
        seconds = [grid.duration[k].at[n] for k, n in enumerate(places)]
        for a, (_, k) in enumerate(arcs):
            up, down = grid.duration[k].arcs[a]
            seconds[k] += up if crossing[a] > 0 else down if crossing[a] < 0 else 0
        finish: dict[int, int] = {}
        then: dict[tuple[int, int], float] = {}
        before: dict[int, list[int]] = {}
        for j, k in part.waits:
            before.setdefault(k, []).append(j)
        for k in part.application.order:
            ends = before.get(k, [])
            finish[k] = seconds[k] + max((finish[j] for j in ends), default=0)
            if ends:
                then[max(ends, key=finish.__getitem__), k] = 1.0
        last = max(part.last, key=finish.__getitem__)
        return Proposal(
            {last: 1.0},
            then,
            [LARGE * value for value in crossing],
            [LARGE * (n != LOCAL) for n in places],
        )
