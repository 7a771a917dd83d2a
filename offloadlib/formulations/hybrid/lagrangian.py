r"""One price on the uplink, an exact minimum for each device, and a tree of branches.

The devices share nothing but the uplink. Let a Mbit/s cost lambda >= 0, and give the bandwidth back:

.. math::

   L(\lambda) = \sum_i \min_p \phi_{ip}(\lambda) - \lambda B

where p goes over the patterns of a device (a place for each of its tasks) and phi_ip is what a pattern
costs with its best share at that price (:mod:`.hybrid.patterns`). L(lambda) bounds the cost of every solution
from below, by weak duality, and is a concave function of one number (:func:`.kernels.best_price`).

At the best price the shares add up to B, or devices have two equally cheap patterns: with one of them
less than B is asked for, with the other more. In the first case the patterns with their best split
cost as much as the bound, and are optimal: for fixed patterns the problem is convex. In the second case
a task of such a device, to which the two patterns give different places, is branched on: at one of these
places or not. A closed tree proves the incumbent, and with the price at each leaf it is its certificate
(:mod:`.certificate`). Nodes are explored by least bound.

Where sizes are multiples of a unit, a tree that does not close is begun again with branches on the number of
units n that all devices upload: at most a whole number h, or at least h + 1. Then patterns also pay a toll mu
on each of their n_ip units,

.. math::

   L(\lambda, \mu) = \sum_i \min_p [\phi_{ip}(\lambda) + \mu n_{ip}] - \lambda B - \mu h

with mu >= 0 under a limit n <= h, and mu <= 0 under n >= h. It is concave in both prices, and the best
toll is found by tangents around the search for the best price. Costs of less than 0 are avoided: a negative
toll is a positive one on the units that are not uploaded.

What a branch leaves of a device is listed anew. Of all other devices, and near the first price, only
patterns count that can be the cheapest there; prices are sought there first, which never invalidates
a bound, and among all prices where the best one may lie elsewhere.
"""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Budget, Result, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.run import OPTIMAL_GAP

from ..engine.outcome import Run, concluded
from ..engine.tree import Open, Tree
from ..proofs.nodes import Proof, claim
from .certificate import Certificate, Leaf, Place, Units
from .combinations import combinations
from .kernels import ROUNDING, Wanted, best_price, least_costs
from .patterns import PatternLists, all_patterns, menu
from .whole_units import uploaded, whole_units

TOLERANCE = 1e-13
"""Relative difference to the best value of the dual at which the search for the best price ends."""

MOST_TASKS = 200
"""Nodes of the first tree, which branches on tasks alone; it is enough where few devices share much."""

FRACTION = 1e-3
"""What is as near to a whole number of units is one."""

TOLL_TOLERANCE, MOST_TOLLS = 1e-12, 60
"""The same for the toll on units, and how many are tried."""

WINDOW = 2.0
"""Prices are sought first between the best one of the root, divided by this, and that times this."""

MOST_TRIED = 64
"""Solutions that are tried at a time."""

_Step = tuple[int, int, int, bool]
"""A branch taken: device, task, place, equal."""

Limits = tuple[int, int]
"""Units that are uploaded in all: at least, at most."""


@dataclass(frozen=True)
class NodePrices:
    """The best prices of a node.

    Attributes
    ----------
    price, toll
        Of a Mbit/s, and of a unit uploaded: positive where the upper limit on units counts, negative where
        the lower one does.
    bound
        The dual there, rounded downwards.
    chosen
        (., N) numbers of patterns: the cheapest ones on all sides of the prices.
    units
        That a mixture of them uploads which uses up the bandwidth; not always a whole number.
    """

    price: float
    toll: float
    bound: float
    chosen: Ints
    units: float = 0.0

    @classmethod
    def guess(cls, price: float) -> NodePrices:
        """A price to begin with."""
        return cls(price, 0.0, 0.0, np.empty((0, 0), np.int64))


@dataclass(frozen=True)
class _Reached:
    """How a node was reached, and its best prices; a guess, before it is bounded."""

    path: tuple[_Step, ...]
    limits: Limits
    found: NodePrices


def solve(instance: HybridInstance, budget: Budget[HybridSolution]) -> Result[HybridSolution]:
    """Solve by prices on the uplink and branches."""
    begun = time.perf_counter()
    proof = prove(instance, budget.start or HybridSolution.all_local(instance), budget)
    return Result.of(
        instance,
        proof.solution,
        time.perf_counter() - begun,
        proof.certificate.lower_bound,
        proof.termination,
        nodes=proof.nodes,
    )


def prove(
    instance: HybridInstance, start: HybridSolution, budget: Budget[HybridSolution]
) -> Proof[Certificate]:
    """Bound an instance from below by a tree that can be checked, up to the best cost that it finds.

    Parameters
    ----------
    instance
        The instance.
    start
        The incumbent to begin with.
    budget
        Time limit and gap.

    Returns
    -------
    Proof
        With the best bound so far at the time limit and after Ctrl-C.
    """
    search = _Search(instance, start, budget)
    search.termination, _ = concluded(search.run)
    return search.proof()


class _Search(Run[HybridSolution]):
    def __init__(
        self, instance: HybridInstance, start: HybridSolution, budget: Budget[HybridSolution]
    ) -> None:
        super().__init__(instance, budget, start)
        self.instance = instance
        self.termination = Termination.FINISHED
        self.tree = self._fresh(0.0)  # no cost is negative
        self.first = self.tree
        self.by_units = False

    def _fresh(self, floor: float) -> Tree[Leaf, _Reached]:
        return Tree(Leaf(0.0, 0.0), floor)

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node; to call the result optimal, a claim needs room for rounding."""
        gap = self.budget.gap if self.budget.gap > OPTIMAL_GAP else 0.5 * OPTIMAL_GAP
        return self.objective - gap * abs(self.objective)

    def run(self) -> Termination:
        self.prices = PriceSearch(self.instance)
        root = self._root()
        self._explore(MOST_TASKS)
        if self.tree.least < self.cutoff and self.prices.count_units():
            self._start_again(root)
        self._explore(np.inf)
        # Else rounding is left, and branching cannot mend that.
        return Termination.FINISHED if self.lower_bound >= self.cutoff else Termination.STALLED

    def _explore(self, most: float) -> None:
        """Branch until all leaves are closed, or there are so many nodes.

        Raises
        ------
        OutOfTime
            When time is up.
        """

        for leaf in self.tree.explore(lambda: self.cutoff, lambda: self.stop() or self.explored >= most):
            self._branch(leaf)

    @property
    def explored(self) -> int:
        """Nodes of both trees."""
        return self.tree.explored + (self.first.explored if self.by_units else 0)

    def _root(self) -> _Reached:
        everything = self.prices.everything
        found = self.prices.best((), everything, NodePrices.guess(self.prices.highest), np.inf)
        self.prices.narrow(found.price)
        root = _Reached((), everything, found)
        self._bounded(0, root)
        self._combine(found)
        self.report()
        return root

    def _start_again(self, root: _Reached) -> None:
        """A new tree, with branches on units; until its bound is higher the first tree's counts."""
        # In this order, so that an interrupt finds one tree or the other.
        self.tree = self._fresh(root.found.bound)
        self.by_units = True
        self._bound(0, replace(root, limits=self.prices.everything))

    def _bound(self, number: int, node: _Reached) -> None:
        """Bound a node, of which the best prices are a guess so far."""
        found = self.prices.best(node.path, node.limits, node.found, self.cutoff)
        self._bounded(number, replace(node, found=found))
        if found.toll < 0.0 and not node.path:
            self._combine(found, node.limits[0])
        self.report()

    def _bounded(self, number: int, node: _Reached) -> None:
        found = node.found
        self.tree.bounded(number, found.bound, Leaf(found.price, found.toll), node)
        if found.bound < self.cutoff:
            self._offer(self._mixtures(found.chosen))

    def _mixtures(self, chosen: Ints) -> Ints:
        """(., N) numbers of patterns: those on all sides of the prices, and some on the way between them."""
        found = [chosen]
        for one, other in itertools.pairwise(chosen):
            differ = np.flatnonzero(one != other)
            count = np.unique(np.linspace(0, len(differ), min(len(differ) + 1, MOST_TRIED)).astype(int))
            mixed = np.tile(one, (len(count), 1))
            for row, changed in zip(mixed, count.tolist(), strict=True):
                row[differ[:changed]] = other[differ[:changed]]
            found.append(mixed)
        return np.concatenate(found)

    def _offer(self, numbers: Ints) -> None:
        """Try (., N) patterns of all devices, each with its best split."""
        costs = self.prices.costs(numbers)
        best = int(np.argmin(costs))
        if not costs[best] < self.objective * (1 - ROUNDING):
            return
        self.take(with_best_split(self.instance, self.prices.patterns[numbers[best]]))

    def _combine(self, found: NodePrices, units: int | None = None) -> None:
        """Try combinations of patterns of small reduced cost that use up the uplink, with so many units."""
        while found.price > 0.0 and found.bound < self.cutoff:
            before = self.objective
            gap = before - found.bound
            self._offer(self.prices.combinations(found, gap, units))
            if self.objective > before - 0.1 * gap:
                return

    def _branch(self, leaf: Open[_Reached]) -> None:
        node, found, (low, high) = leaf.state, leaf.state.found, leaf.state.limits
        whole = math.floor(found.units)
        branch: Place | Units
        if self.by_units and low <= whole < high and FRACTION < found.units - whole < 1.0 - FRACTION:
            if not node.path:
                self._combine(found, whole)
            branch = Units(whole)
            sides = replace(node, limits=(low, whole)), replace(node, limits=(whole + 1, high))
        else:
            step = self._choice(found.chosen)
            if step is None:
                return
            branch = Place(*step)
            equal, different = ((*node.path, (*step, inside)) for inside in (True, False))
            sides = replace(node, path=equal), replace(node, path=different)
        children = self.tree.divide(Leaf(found.price, found.toll), branch)
        for number, side in zip(children, sides, strict=True):
            self._bound(number, side)

    def _choice(self, chosen: Ints) -> tuple[int, int, int] | None:
        """The largest task, of those that the patterns around the prices place differently."""
        devices = np.flatnonzero((chosen != chosen[0]).any(axis=0))
        places = self.prices.patterns[chosen[:, devices]]
        size = np.where((places != places[0]).any(axis=0), self.instance.sizes[devices], -1.0)
        if not (size >= 0.0).any():
            return None
        row, task = np.unravel_index(int(np.argmax(size)), size.shape)
        return int(devices[row]), int(task), int(places[0, row, task])

    @property
    def lower_bound(self) -> float:
        """What the better one of the two trees proves, at most the incumbent's cost."""
        return min(max(self.first.bound, self.tree.bound), self.objective)

    def proof(self) -> Proof[Certificate]:
        tree = self.tree if self.tree.bound > self.first.bound else self.first
        units = self.prices.units if self.by_units else None
        certificate = Certificate(claim(self.lower_bound), tree.nodes(), units)
        return Proof(
            *(self.solution, self.objective, certificate, self.termination, self.explored),
            bounds=tree.bounds,
        )


class PriceSearch:
    """Finds the best prices of a node of the tree.

    Parameters
    ----------
    instance
        The instance.

    Attributes
    ----------
    patterns
        (P, M) places: all patterns of a device.
    highest
        A price at which no more than the bandwidth is asked for.
    units
        (N, M) sizes in whole units, or None while they are not counted.
    everything
        The limits on units that exclude nothing.
    """

    def __init__(self, instance: HybridInstance) -> None:
        self.patterns = all_patterns(instance)
        self.menu = self.near = menu(instance)
        self.bandwidth = float(instance.parameters.bandwidth)
        most = np.maximum.reduceat(self.menu.pull, self.menu.start[:-1])
        # Each share is at most pull/sqrt(price).
        self.highest = float(most.sum() / self.bandwidth) ** 2
        self.window = 0.0, self.highest
        self._skip = np.zeros(instance.num_devices, np.bool_)
        self.sizes = instance.sizes
        self.units: Ints | None = None
        self._units = np.empty((0, 0), np.int64)
        self.everything = 0, 0

    def count_units(self) -> bool:
        """Count units from now on; False where sizes have none."""
        units = whole_units(self.sizes)
        if units is None:
            return False
        self.units, self._units = units, uploaded(units, self.patterns)
        self.everything = 0, int(units.sum())
        return True

    @cached_property
    def _counted(self) -> PatternLists:
        """The patterns that may be the cheapest ones at some price and toll."""
        return self.menu.cheapest_by(self._units.ravel(), self.highest)

    def costs(self, numbers: Ints) -> Floats:
        """(S,) what (S, N) patterns cost with their best split."""
        found = np.empty(len(numbers))
        least_costs(self.menu.start[:-1] + numbers, self.menu.curves, self.bandwidth, found)
        return found

    def narrow(self, price: float) -> None:
        """Look near a price first."""
        self.window = price / WINDOW, min(price * WINDOW, self.highest)
        self.near = self.menu.between(*self.window)

    def best(self, path: tuple[_Step, ...], limits: Limits, guess: NodePrices, cutoff: float) -> NodePrices:
        """The best prices; the bound is infinite where the branches of the path leave a device no pattern."""
        allowed = self._allowed(path)
        own = self._menu_of(allowed)
        if (np.diff(own.start) == 0).any():
            return replace(guess, bound=np.inf)
        devices = list(allowed)
        low, high = self.window
        found, outside = self._search(
            self.near, own, devices, min(max(guess.price, low), high), low, high, cutoff
        )
        if outside and found.bound < cutoff:
            found, _ = self._search(self.menu, own, devices, guess.price, 0.0, self.highest, cutoff)
        if found.bound >= cutoff or limits[0] <= found.units <= limits[1]:
            return found
        return self._with_toll(found, own, devices, limits, guess.toll, cutoff)

    def _with_toll(
        self,
        free: NodePrices,
        own: PatternLists,
        devices: list[int],
        limits: Limits,
        guess: float,
        cutoff: float,
    ) -> NodePrices:
        """The best prices where those without a toll upload too many units, or too few.

        The dual is concave in the toll, too, and the same search finds the best one.
        """
        sign = 1.0 if free.units > limits[1] else -1.0
        limit = limits[1] if sign > 0.0 else limits[0]

        def at(toll: float, guess: float) -> tuple[NodePrices, float]:
            """The best price at a toll, and by how much the limit is exceeded."""
            others = self._charged(self._counted, everyone, sign * toll)
            theirs = self._charged(own, np.array(devices, np.int64), sign * toll)
            charge = toll * (limit if sign > 0 else self.everything[1] - limit)
            found, _ = self._search(others, theirs, devices, guess, 0.0, self.highest, cutoff + charge)
            bound = found.bound - charge - ROUNDING * charge
            return replace(found, bound=bound, toll=sign * toll), sign * (found.units - limit)

        everyone = np.arange(len(self._skip))
        low, best = (0.0, free, sign * (free.units - limit)), free
        high: tuple[float, NodePrices, float] | None = None
        toll = abs(guess) or max(free.price * self.bandwidth, 1e-3 * free.bound) / max(self.everything[1], 1)
        for step in range(MOST_TOLLS):
            found, excess = at(toll, best.price)
            if found.bound > best.bound:
                best = found
            if excess > 0.0:
                low = toll, found, excess
            else:
                high = toll, found, excess
            if best.bound >= cutoff or excess == 0.0:
                break
            if high is None:
                toll *= 4.0
                continue
            # Where the tangents of both ends meet, which is above all that is left to find.
            meet = (high[1].bound - low[1].bound + low[2] * low[0] - high[2] * high[0]) / (low[2] - high[2])
            ceiling = low[1].bound + low[2] * (meet - low[0])
            if ceiling - best.bound <= TOLL_TOLERANCE * best.bound:
                break
            toll = meet
            if step % 3 == 2 or not low[0] < toll < high[0]:
                toll = 0.5 * (low[0] + high[0])
        ends = [best, low[1], *([] if high is None else [high[1]])]
        rows = {row.tobytes(): row for end in ends for row in end.chosen}
        return replace(best, chosen=np.array(list(rows.values())))

    def combinations(self, found: NodePrices, gap: float, units: int | None) -> Ints:
        """(., N) numbers of patterns that may cost little; see :func:`.combinations`."""
        if units is None:
            nothing = np.zeros(len(self.menu.number), np.int64)
            return combinations(self.menu, found.price, gap, found.chosen[-1], self.bandwidth, nothing, 0)
        everyone = np.arange(len(self._skip))
        missing = units - self._units[everyone, found.chosen].sum(axis=1)
        nearest = int(np.argmin(np.abs(missing)))
        menu, chosen = self._charged(self.menu, everyone, found.toll), found.chosen[nearest]
        own = self._units.ravel()
        return combinations(menu, found.price, gap, chosen, self.bandwidth, own, int(missing[nearest]))

    def _charged(self, menu: PatternLists, devices: Ints, toll: float) -> PatternLists:
        """Patterns with a toll on what they upload, or on what they do not; no cost is negative."""
        owner = np.repeat(devices, np.diff(menu.start))
        units = self._units[owner, menu.number]
        if toll < 0.0:
            units = self._units.max(axis=1)[owner] - units
        return replace(menu, base=menu.base + abs(toll) * units)

    def _search(
        self,
        others: PatternLists,
        own: PatternLists,
        devices: list[int],
        guess: float,
        low: float,
        high: float,
        cutoff: float,
    ) -> tuple[NodePrices, bool]:
        self._skip[devices] = True
        chosen = np.empty((2, len(self._skip)), np.int64)
        own_chosen = np.empty((2, len(devices)), np.int64)
        wanted = Wanted(self.bandwidth, guess, low, high, cutoff, TOLERANCE)
        price, bound, outside = best_price(others.curves, self._skip, own.curves, wanted, chosen, own_chosen)
        self._skip[devices] = False
        numbers = others.number[chosen]
        numbers[:, devices] = own.number[own_chosen]
        return NodePrices(price, 0.0, bound, numbers, self._uploaded(numbers, price)), outside

    def _uploaded(self, numbers: Ints, price: float) -> float:
        """Units that are uploaded where two sets of patterns are mixed to use up the bandwidth."""
        if self.units is None:
            return 0.0
        index = self.menu.start[:-1] + numbers
        above, below = self._units[np.arange(len(self._skip)), numbers].sum(axis=1)
        more, less = self.menu.asked(index, price).sum(axis=1)
        part = (self.bandwidth - less) / (more - less) if more > less else 0.0
        return float(below + min(max(part, 0.0), 1.0) * (above - below))

    def _allowed(self, path: tuple[_Step, ...]) -> dict[int, NDArray[np.bool_]]:
        """Device -> the patterns that the branches of a path leave it."""
        allowed: dict[int, NDArray[np.bool_]] = {}
        for device, task, place, equal in path:
            keeps = (self.patterns[:, task] == place) == equal
            allowed[device] = allowed[device] & keeps if device in allowed else keeps
        return allowed

    def _menu_of(self, allowed: dict[int, NDArray[np.bool_]]) -> PatternLists:
        kept = [*allowed.values(), np.empty(0, np.bool_)]
        return self.menu.of(list(allowed)).only(np.concatenate(kept))
