r"""The finish: a tree over all patterns that the gap leaves.

Where the patterns below the cutoff can be enumerated (:mod:`.milp.patterns`), what is left of an instance is

.. math::

   \min \sum_p C_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad
   \sum_p U_{pl} x_p \le Q_l \;\forall l,\quad \sum_{p: U_{pL} > 0,\, op_p = n} x_p \le q^2_n,\quad
   x \text{ binary}

over a list, so that pricing is a matter of looking through it. A node is divided by the places that a device
takes: at most j subtasks at a level or faster ones (U_ml <= j), or more. For wide forks, whose subtasks are
alike, this raises bounds where branches on single subtasks do not: another subtask takes the place of the one
that may not. Where the master splits no device between different U it is solved: of patterns with equal U
the cheapest will do.

**Cuts.** Dividing a level's limit by k, with shifts a_m >= 0, and rounding gives

.. math:: \sum_m \lfloor (U_{ml} + a_m)/k \rfloor \le \lfloor (Q_l + \sum_m a_m)/k \rfloor

(a Chvatal-Gomory cut from the limit and the rows of the devices). Where tasks are offloaded as a whole or
not at all, capacity is a knapsack of large items, and these cuts close most of the gap. At a solution x the
violation is frac((Q_l + sum a)/k) - slack/k - sum_m loss_m(a_m), with loss_m(a) the mean of
frac((U_pl + a)/k) under x; the best shifts are found by dynamic programming over the remainder of sum a. In
pricing, a cut is one more number of each pattern.

With prices pi_l >= 0 on the levels (and mu_n on channels) the bound of a node is, as ever, the sum of the
least C_p + pi U_p + mu of the patterns left to each device, minus prices x limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from scipy.sparse import csr_array

from offloadlib.instances import LOCAL, UNLIMITED, Budget, Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import Places

from ...engine import highs
from ...engine.branching import explored, strongest
from ...engine.columns import ROUND_GAP, UNUSED, ListedProgram, Mask, RestrictedMaster, Steps, generate
from ...engine.tree import Tree
from ...engine.units import unit_for
from ..certificate import Charged, Count, Cut, rounded
from .master import penalty_unit
from .patterns import DevicePatterns, Levels, enumerate_patterns
from .pricing import Prices, Restrictions, difference

LEAST_GAIN = 1e-6
"""What a branch counts for at least, relative to what is missing: others are told apart by its sibling."""

LARGEST_POOL = 8_000
"""Patterns of all devices, at the most."""

FIRST_ROUND = 16
"""Nodes after which an incumbent is sought again; then after four times as many, and so on."""

CUTS = 12
"""Cuts that are added at a time."""

VIOLATED = 1e-3
"""Least violation of a cut."""

STALE = 0.01
"""Cutting ends where a round closes no more than this share of the gap."""

IN_ROUND = 800
"""Columns of the program in which an incumbent is sought."""


@dataclass(frozen=True)
class Pool:
    """Patterns of all connected devices, one device after the other.

    Attributes
    ----------
    devices
        (D,) the connected devices.
    start
        (D,) where their patterns begin.
    device
        (P,) position of each pattern's device in ``devices``.
    cost
        (P,) without prices.
    used
        (P, L) subtasks at each level or a faster one.
    level
        The levels of the subtasks of each pattern.
    """

    devices: Ints
    start: Ints
    device: Ints
    cost: Floats
    used: Floats
    level: list[Places]

    def within(self, mask: Mask) -> Pool:
        """Those in a mask, which has some of each device."""
        sizes = np.add.reduceat(mask.astype(np.int64), self.start)
        return Pool(
            devices=self.devices,
            start=np.append(0, np.cumsum(sizes)[:-1]),
            device=self.device[mask],
            cost=self.cost[mask],
            used=self.used[mask],
            level=[self.level[p] for p in np.flatnonzero(mask)],
        )

    @classmethod
    def of(cls, found: list[tuple[int, DevicePatterns]]) -> Pool:
        """Patterns by device."""
        sizes = [len(patterns.cost) for _, patterns in found]
        return cls(
            devices=np.array([m for m, _ in found]),
            start=np.append(0, np.cumsum(sizes)[:-1]),
            device=np.repeat(np.arange(len(found)), sizes),
            cost=np.concatenate([patterns.cost for _, patterns in found]),
            used=np.concatenate([patterns.used for _, patterns in found]).astype(np.float64),
            level=[row for _, patterns in found for row in patterns.level],
        )


def enumerated(
    instance: Instance,
    levels: Levels,
    prices: Prices,
    restrictions: Restrictions | None,
    ceilings: Floats,
) -> Pool | None:
    """The pool of patterns with at most these costs with prices, None where there are too many."""
    found: list[tuple[int, DevicePatterns]] = []
    size = 0
    for m, patterns in enumerate_patterns(instance, levels, prices, restrictions, ceilings):
        size += LARGEST_POOL + 1 if patterns is None else len(patterns.cost)
        if patterns is None or size > LARGEST_POOL or not len(patterns.cost):
            return None
        found.append((m, patterns))
    return Pool.of(found) if found else None


class _Program(ListedProgram):
    """The linear program over some of a pool, and the bounds of all of it."""

    def __init__(
        self, instance: Instance, levels: Levels, pool: Pool, cuts: dict[int, Cut], cutoff: float
    ) -> None:
        self.instance, self.levels, self.pool = instance, levels, pool
        limits = instance.points.channels
        self.radio = instance.devices.connected_to[pool.devices][pool.device]
        self.limited = np.flatnonzero(limits != UNLIMITED)
        row = np.full(instance.num_points, -1)
        row[self.limited] = np.arange(len(self.limited))
        self.sends = pool.used[:, -1] > 0
        channel = np.where(self.sends, row[self.radio], -1)
        # (P, rows) what patterns use of the levels, the channels and the cuts, which grow.
        self.use = np.column_stack([pool.used, channel[:, None] == np.arange(len(self.limited))])
        self.limits = np.append(levels.limits, limits[self.limited]).astype(np.float64)
        self.cuts: list[int] = []
        local = instance.local_cost
        self.constant = float(np.delete(local, pool.devices).sum())
        self.unit = penalty_unit(cutoff, float(local.sum()))
        master = RestrictedMaster(
            "the finish",
            len(pool.devices),
            self.limits,
            scale=unit_for(cutoff),
            unit=self.unit,
            penalty=10.0,
            constant=self.constant,
        )
        super().__init__(master, pool.cost)
        for number, cut in cuts.items():
            self.cut(number, cut)

    def cut(self, number: int, cut: Cut) -> None:
        """Add a cut, which has a number in the certificate."""
        level = int(self.levels.of[cut.point])
        shifts = np.array([cut.shifts.get(m, 0) for m in self.pool.devices.tolist()])
        use = (self.pool.used[:, level] + shifts[self.pool.device]) // cut.divisor
        limit = (int(self.levels.limits[level]) + sum(cut.shifts.values())) // cut.divisor
        self.use = np.column_stack([self.use, use])
        self.limits = np.append(self.limits, limit)
        self.cuts.append(number)
        self.master.limit(float(limit), use[self.column])

    def matrix(self, some: Ints) -> csr_array:
        """(patterns, rows) what patterns use: their device, and of each limit."""
        devices = np.zeros((len(some), len(self.pool.devices)))
        devices[np.arange(len(some)), self.pool.device[some]] = 1.0
        return csr_array(np.column_stack([devices, self.use[some]]))

    def charged(self, duals: Floats) -> Charged:
        """The prices of the program: of levels, channels and cuts."""
        levels, others = len(self.levels.speeds), len(self.levels.speeds) + len(self.limited)
        channels = np.zeros(self.instance.num_points)
        channels[self.limited] = duals[levels:others]
        prices = rounded(self.levels.prices(np.cumsum(duals[:levels][::-1])[::-1], channels))
        on_cuts = zip(self.cuts, duals[others:].tolist(), strict=True)
        return Charged(prices, {number: float(f"{price:.15g}") for number, price in on_cuts if price > 0})

    def values(self, at: Charged) -> Floats:
        """(P,) cost with prices of each pattern."""
        of_levels = at.prices.capacity[self.levels.points]
        cuts = [at.cuts.get(number, 0.0) for number in self.cuts]
        price = np.concatenate([-np.diff(np.append(of_levels, 0.0)), at.prices.channels[self.limited], cuts])
        values: Floats = self.pool.cost + self.use @ price
        return values

    def bound(self, at: Charged, mask: Mask) -> tuple[float, Ints]:
        """The bound at some prices, and the patterns that attain it."""
        value = np.where(mask, self.values(at), np.inf)
        least = np.minimum.reduceat(value, self.pool.start)
        if not np.isfinite(least).all():
            return np.inf, np.empty(0, dtype=np.int64)
        attained = np.flatnonzero(value <= least[self.pool.device])
        points, channels = self.instance.points, self.instance.points.channels
        charge = float(at.prices.capacity @ points.capacity)
        charge += float(at.prices.channels @ np.where(channels == UNLIMITED, 0, channels))
        limits = self.limits[len(self.limits) - len(self.cuts) :].tolist()
        charge += sum(
            at.cuts.get(number, 0.0) * limit for number, limit in zip(self.cuts, limits, strict=True)
        )
        return difference(float(least.sum()) + self.constant, charge), attained

    def excess(self, at: Charged) -> Floats:
        """(P,) cost with prices above the least of the device."""
        values = self.values(at)
        excess: Floats = values - np.minimum.reduceat(values, self.pool.start)[self.pool.device]
        return excess


class _Steps(Steps[Charged]):
    """Column generation over the patterns in a mask: pricing is a matter of looking through them."""

    def __init__(self, program: _Program, mask: Mask, bound: float, cutoff: float) -> None:
        self._program, self._mask, self._bound, self._cutoff = program, mask, bound, cutoff

    def solve(self) -> tuple[float, Charged]:
        found = self._program.master.solve()
        return found.value, self._program.charged(found.prices)

    def between(self, weight: float, best: Charged, prices: Charged) -> Charged:
        return prices

    def price(self, prices: Charged, tolerance: float) -> tuple[float, bool]:
        bound, found = self._program.bound(prices, self._mask)
        self._bound = max(self._bound, bound)
        return bound, self._bound < self._cutoff and self._program.add(found)

    def loosen(self) -> bool:
        return self._program.master.harden()


def violated(levels: Levels, pool: Pool, weights: dict[int, float]) -> list[Cut]:
    """The rounding cuts that patterns with weights violate most."""
    some = np.array(list(weights))
    weight = np.array(list(weights.values()))
    devices, place = np.unique(pool.device[some], return_inverse=True)
    whole = np.bincount(place[weight > 1 - UNUSED], minlength=len(devices)) > 0
    split = np.flatnonzero(~whole)
    found: list[tuple[float, Cut]] = []
    for level, limit in enumerate(levels.limits.tolist()):
        used = pool.used[some, level].astype(np.int64)
        slack = limit - float(weight @ used)
        for k in range(2, int(used.max(initial=0)) + 1):
            if slack >= k:
                continue
            shifts = np.zeros(len(devices), dtype=np.int64)
            at = whole[place]
            shifts[place[at]] = -used[at] % k  # no loss
            rest = (limit + int(shifts.sum())) % k
            numbers = np.arange(k)
            less = (numbers[:, None] - numbers) % k
            least, chosen = np.where(numbers == 0, 0.0, np.inf), []
            for i in split.tolist():
                mine = place == i
                loss = weight[mine] @ ((used[mine, None] + numbers) % k) / k
                total = least[less] + loss
                chosen.append(total.argmin(axis=1))
                least = total.min(axis=1)
            violation = ((rest + numbers) % k) / k - slack / k - least
            remainder = int(violation.argmax())
            if violation[remainder] < VIOLATED:
                continue
            worst = float(violation[remainder])
            for i, choice in zip(split[::-1].tolist(), chosen[::-1], strict=True):
                shifts[i] = choice[remainder]
                remainder = (remainder - shifts[i]) % k
            by_device = zip(pool.devices[devices].tolist(), shifts.tolist(), strict=True)
            kept = {m: shift for m, shift in by_device if shift}
            found.append((worst, Cut(int(levels.points[level]), k, kept)))
    found.sort(key=lambda one: -one[0])
    return [cut for _, cut in found[:CUTS]]


class Node(NamedTuple):
    """What column generation leaves: bound, prices, the patterns left to the node, and their weights."""

    bound: float
    at: Charged
    mask: Mask
    weights: dict[int, float]


class Host(Protocol):
    """The search that a finish is part of."""

    instance: Instance
    budget: Budget

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""

    def ceiling(self) -> float:
        """The highest cost that is looked for from now on."""

    def late(self) -> bool:
        """Whether time is up."""

    def stop(self) -> bool:
        """End all where time is up."""

    def offer(self, decisions: dict[int, Places]) -> None:
        """Take an incumbent that need not keep the capacities of single points."""

    def report(self) -> None:
        """Take note of what the tree proves."""


class Finish:
    """Cuts, and best-first search, over a pool of patterns, from the root of a tree on."""

    def __init__(self, host: Host, tree: Tree[Charged, Node], levels: Levels, pool: Pool) -> None:
        self.host, self.tree, self.levels, self.pool = host, tree, levels, pool
        self._mine: dict[int, Cut] = {}
        self.program = _Program(host.instance, levels, pool, {}, host.cutoff)

    def run(self, at: Charged) -> None:
        """Search below some prices until all is closed.

        Raises
        ------
        OutOfTime
            When time is up.
        """
        host, tree = self.host, self.tree
        root = self._cut(self._generate(self._all, at))
        tree.improve(root.bound, root.at)
        if root.bound < host.cutoff:
            root = self._sifted(root)
            host.report()
            self._round(root)
            if root.bound < host.cutoff:
                root = self._sifted(root)
        tree.bounded(tree.in_hand, root.bound, root.at, root)
        for leaf in explored(tree, lambda: host.cutoff, host.stop, self._round, FIRST_ROUND):
            host.report()
            self._branch(leaf.state)

    def seek(self, prices: Prices) -> None:
        """Look for an incumbent only."""
        self._round(self._cut(self._generate(self._all, Charged(prices))))

    @property
    def _all(self) -> Mask:
        return np.ones(len(self.pool.cost), dtype=np.bool_)

    def _cut(self, node: Node) -> Node:
        """Add cuts while they raise the bound."""
        host = self.host
        while node.weights and node.bound < host.cutoff and not host.late():
            cuts = violated(self.levels, self.pool, node.weights)
            for cut in cuts:
                number = self.tree.cut(cut)
                self._mine[number] = cut
                self.program.cut(number, cut)
            if not cuts:
                break
            better = self._generate(node.mask, node.at)
            done = better.bound - node.bound <= STALE * (host.cutoff - node.bound)
            node = better
            if done:
                break
        return node

    def _sifted(self, root: Node) -> Node:
        """The root over the patterns that its prices leave below the cutoff."""
        excess = self.program.excess(root.at)
        mask = excess <= self.host.ceiling() - root.bound
        if mask.sum() > 0.9 * len(mask):
            return root
        number = np.cumsum(mask) - 1
        column = [int(number[p]) for p in self.program.column if mask[p]]
        self.pool = self.pool.within(mask)
        self.program = _Program(self.host.instance, self.levels, self.pool, self._mine, self.host.cutoff)
        self.program.add(np.array(column))
        again = self._cut(self._generate(self._all, root.at))
        self.tree.enumerate(root.at, again.at)
        return again._replace(bound=max(again.bound, root.bound))

    def _generate(self, mask: Mask, at: Charged) -> Node:
        """Column generation over the pool."""
        bound, found = self.program.bound(at, mask)
        if np.isinf(bound):
            return Node(bound, at, mask, {})
        self.program.add(found)
        self.program.restrict(mask)
        steps = _Steps(self.program, mask, bound, self.host.cutoff)
        bound, at = generate(
            steps, bound, at, cutoff=self.host.cutoff, smoothing=0.0, precision=0.0, converged=-np.inf
        )
        weights, column = self.program.master.relaxed.weights, self.program.column
        used = np.flatnonzero(weights > UNUSED).tolist()
        return Node(bound, at, mask, {column[i]: float(weights[i]) for i in used})

    def _branch(self, node: Node) -> None:
        choice = self._choice(node)
        if choice is None:
            self._offer(node)
            return
        i, level, most = choice
        branch = Count(int(self.pool.devices[i]), int(self.levels.points[level]), most)
        children = self.tree.divide(node.at, branch)
        for number, mask in zip(children, self._sides(i, level, most), strict=True):
            child = self._generate(node.mask & mask, node.at)
            self.tree.bounded(number, max(child.bound, node.bound), child.at, child)

    def _sides(self, i: int, level: int, most: int) -> tuple[Mask, Mask]:
        """Patterns with at most so many subtasks at a level or faster ones, or more; all of other devices."""
        start, end = np.searchsorted(self.pool.device, [i, i + 1])
        few, many = self._all, self._all
        few[start:end] = self.pool.used[start:end, level] <= most
        many[start:end] = ~few[start:end]
        return few, many

    def _choice(self, node: Node) -> tuple[int, int, int] | None:
        """The device, level and number whose branches raise the known columns' program most."""
        of: dict[int, list[int]] = {}
        for p in node.weights:
            of.setdefault(int(self.pool.device[p]), []).append(p)
        ranked: list[tuple[float, int, int, int]] = []
        for i, patterns in of.items():
            weights = np.array([node.weights[p] for p in patterns])
            for level, used in enumerate(self.pool.used[patterns].T):
                low, high = int(used.min()), int(used.max())
                if low == high:
                    continue
                most = min(max(int(used @ weights / weights.sum()), low), high - 1)
                ranked.append((abs(weights[used <= most].sum() - 0.5), i, level, most))
        # How much is offloaded decides more than where it goes.
        last = len(self.levels.speeds) - 1
        amounts = [at for at in ranked if at[2] == last]
        candidates, room = [at[1:] for at in sorted(amounts or ranked)], self.host.cutoff - node.bound
        return strongest(candidates, partial(self._gains, node), LEAST_GAIN * room, room)

    def _gains(self, node: Node, at: tuple[int, int, int]) -> Iterator[float]:
        """What the two branches add to the program over the known columns."""
        return (self.program.probe(node.mask & mask) - node.bound for mask in self._sides(*at))

    def _offer(self, node: Node) -> None:
        """Of each device, the cheapest pattern in use: they differ in nothing else."""
        chosen: dict[int, int] = {}
        for p in node.weights:
            i = int(self.pool.device[p])
            if i not in chosen or self.pool.cost[p] < self.pool.cost[chosen[i]]:
                chosen[i] = p
        if len(chosen) == len(self.pool.devices):
            self._offer_patterns(list(chosen.values()))

    def _offer_patterns(self, patterns: list[int]) -> None:
        points, pool = np.append(self.levels.points, LOCAL), self.pool
        self.host.offer({int(pool.devices[pool.device[p]]): points[pool.level[p]] for p in patterns})

    def _round(self, node: Node) -> None:
        """The mixed-integer program over the patterns with the least reduced costs."""
        cheapest = np.argsort(self.program.excess(node.at), kind="stable")[:IN_ROUND]
        some = np.union1d(cheapest, list(node.weights))
        size, devices = len(some), len(self.pool.devices)
        free = np.full(len(self.program.limits), -np.inf)
        program = highs.MixedIntegerProgram(
            cost=self.pool.cost[some],
            lower=np.zeros(size),
            upper=np.ones(size),
            integer=np.arange(size),
            matrix=csr_array(self.program.matrix(some).T),
            row_lower=np.append(np.ones(devices), free),
            row_upper=np.append(np.ones(devices), self.program.limits),
        )
        budget = Budget(gap=ROUND_GAP, seed=self.host.budget.seed, threads=self.host.budget.threads)
        try:
            outcome = highs.minimise(program, budget, time_limit=1.0, reference=self.program.unit)
        except highs.InfeasibleError:  # so few patterns of each device need not fit together
            return
        if outcome.values is not None:
            self._offer_patterns(some[outcome.values > 0.5].tolist())
