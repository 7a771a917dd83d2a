r"""One price on the uplink, an exact minimum for each device, and a tree of branches.

The devices share nothing but the uplink. Let a Mbit/s cost lambda >= 0, and give the bandwidth back:

.. math::

   L(\lambda) = \sum_i \min_p \phi_{ip}(\lambda) - \lambda B

where p goes over the patterns of a device (a place for each of its tasks) and phi_ip is what a pattern
costs with its best share at that price (:mod:`.patterns`). L(lambda) bounds the cost of every solution
from below, by weak duality, and is a concave function of one number (:func:`.kernels.best_price`).

At the best price the shares add up to B, or devices have two equally cheap patterns: with one of them
less than B is asked for, with the other more. In the first case the patterns with their best split
cost as much as the bound, and are optimal: for fixed patterns the problem is convex. In the second case
a task of such a device, to which the two patterns give different places, is branched on: at one of these
places or not. A closed tree proves the incumbent, and with the price at each leaf it is its certificate
(:mod:`.certificate`). Nodes are explored by least bound.

What a branch leaves of a device is listed anew. Of all other devices, and near the first price, only
patterns count that can be the cheapest there; prices are sought there first, which never invalidates
a bound, and among all prices where the best one may lie elsewhere.
"""

from __future__ import annotations

import heapq
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instances import Budget, Progress, Result, Termination
from instances.hybrid import HybridInstance, HybridSolution, with_best_split
from instances.model import Floats, Ints
from instances.run import OPTIMAL_GAP

from ..certificate import claim
from .certificate import Branch, Certificate, Node
from .combinations import combinations
from .kernels import ROUNDING, best_price, least_costs
from .patterns import Menu, all_patterns, menu

TOLERANCE = 1e-13
"""Relative difference to the best value of the dual at which the search for the best price ends."""

WINDOW = 2.0
"""Prices are sought first between the best one of the root, divided by this, and that times this."""

MOST_TRIED = 64
"""Solutions that are tried at a time."""

_Step = tuple[int, int, int, bool]
"""A branch taken: device, task, place, equal."""


@dataclass
class _Open:
    """A node that is not closed: where it is in the tree, how it was reached, its price and patterns.

    ``below`` and ``above`` are (N,) numbers of patterns, chosen just below and just above the price.
    """

    index: int
    path: tuple[_Step, ...]
    price: float
    bound: float
    below: Ints
    above: Ints


@dataclass(frozen=True)
class Proof:
    """The outcome of a search: incumbent, bound, and the tree that proves the bound."""

    solution: HybridSolution
    objective: float
    certificate: Certificate
    termination: Termination
    nodes: int


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


def prove(instance: HybridInstance, start: HybridSolution, budget: Budget[HybridSolution]) -> Proof:
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
    try:
        search.run()
    except KeyboardInterrupt:
        search.termination = Termination.INTERRUPTED
    return search.proof()


class _Search:
    def __init__(
        self, instance: HybridInstance, start: HybridSolution, budget: Budget[HybridSolution]
    ) -> None:
        self.begun = time.perf_counter()
        self.instance, self.budget = instance, budget
        self.solution = start
        self.objective = instance.evaluate(start).total
        self.termination = Termination.FINISHED
        self.tree: list[Node] = [0.0]
        # Least bounds of what cannot be branched on, and of the node in hand: an interrupt may come
        # when its children are not bounded yet. No cost is negative.
        self.closed, self.in_hand = np.inf, 0.0
        self.queue: list[tuple[float, int, _Open]] = []
        self.explored = 0

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node; to call the result optimal, a claim needs room for rounding."""
        gap = self.budget.gap if self.budget.gap > OPTIMAL_GAP else 0.5 * OPTIMAL_GAP
        return self.objective - gap * abs(self.objective)

    def run(self) -> None:
        self.prices = Prices(self.instance)
        self._open(0, (), self.prices.highest)
        while self.queue and self.queue[0][0] < self.cutoff:
            if time.perf_counter() - self.begun > self.budget.time_limit:
                self.termination = Termination.TIME_LIMIT
                return
            node = self.queue[0][2]
            self.in_hand = node.bound
            heapq.heappop(self.queue)
            self._branch(node)
            self.in_hand = np.inf
        if self.bound < self.cutoff:  # rounding alone is left, and branching cannot mend that
            self.termination = Termination.STALLED

    def _open(self, index: int, path: tuple[_Step, ...], guess: float) -> None:
        """Bound a node and queue it."""
        price, bound, below, above = self.prices.best(path, guess, self.cutoff if path else np.inf)
        self.explored += 1
        self.tree[index] = price
        if not path:
            self.prices.narrow(price)
        heapq.heappush(self.queue, (bound, index, _Open(index, path, price, bound, below, above)))
        if not path:
            self.in_hand = np.inf
        if bound < self.cutoff:
            self._offer(self._mixtures(below, above))
        if not path:
            self._combine(price, bound, above)
        if self.budget.on_progress is not None:
            seconds = time.perf_counter() - self.begun
            self.budget.on_progress(Progress(seconds, self.objective, self.bound))

    def _mixtures(self, below: Ints, above: Ints) -> Ints:
        """(., N) numbers of patterns: those below and above a price, and some on the way between them."""
        differ = np.flatnonzero(below != above)
        count = np.unique(np.linspace(0, len(differ), min(len(differ) + 1, MOST_TRIED)).astype(int))
        mixed = np.tile(below, (len(count), 1))
        for row, changed in zip(mixed, count.tolist(), strict=True):
            row[differ[:changed]] = above[differ[:changed]]
        return mixed

    def _offer(self, numbers: Ints) -> None:
        """Try (., N) patterns of all devices, each with its best split."""
        costs = self.prices.costs(numbers)
        best = int(np.argmin(costs))
        if not costs[best] < self.objective * (1 - ROUNDING):
            return
        solution = with_best_split(self.instance, self.prices.patterns[numbers[best]])
        objective = self.instance.evaluate(solution).total
        if objective < self.objective:
            self.solution, self.objective = solution, objective

    def _combine(self, price: float, bound: float, above: Ints) -> None:
        """Try combinations of patterns of small reduced cost that use up the uplink."""
        while price > 0.0 and bound < self.cutoff:
            before = self.objective
            self._offer(combinations(self.prices.menu, price, before - bound, above, self.prices.bandwidth))
            if self.objective > before - 0.1 * (before - bound):
                return

    def _branch(self, node: _Open) -> None:
        step = self._choice(node)
        if step is None:
            self.closed = min(self.closed, node.bound)
            return
        equal, different = len(self.tree), len(self.tree) + 1
        self.tree[node.index] = Branch(*step, equal, different)
        self.tree += [node.price, node.price]
        for index, same in ((equal, True), (different, False)):
            self._open(index, (*node.path, (*step, same)), node.price)

    def _choice(self, node: _Open) -> tuple[int, int, int] | None:
        """The largest task, of those that the patterns below and above the price place differently."""
        patterns = self.prices.patterns
        devices = np.flatnonzero(node.below != node.above)
        below, above = patterns[node.below[devices]], patterns[node.above[devices]]
        size = np.where(below != above, self.instance.sizes[devices], -1.0)
        if not (size >= 0.0).any():
            return None
        row, task = np.unravel_index(int(np.argmax(size)), size.shape)
        return int(devices[row]), int(task), int(below[row, task])

    @property
    def bound(self) -> float:
        """The least bound of a leaf, at most the incumbent's cost."""
        least = self.queue[0][0] if self.queue else np.inf
        return min(max(0.0, min(least, self.closed, self.in_hand)), self.objective)

    def proof(self) -> Proof:
        certificate = Certificate(claim(self.bound), self.tree)
        return Proof(self.solution, self.objective, certificate, self.termination, self.explored)


class Prices:
    """Finds the best price of a node of the tree.

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

    def costs(self, numbers: Ints) -> Floats:
        """(S,) what (S, N) patterns cost with their best split."""
        menu = self.menu
        found = np.empty(len(numbers))
        least_costs(menu.start[:-1] + numbers, menu.base, menu.pull, menu.knee, self.bandwidth, found)
        return found

    def narrow(self, price: float) -> None:
        """Look near a price first."""
        self.window = price / WINDOW, min(price * WINDOW, self.highest)
        self.near = self.menu.between(*self.window)

    def best(self, path: tuple[_Step, ...], guess: float, cutoff: float) -> tuple[float, float, Ints, Ints]:
        """Price, bound, and the patterns just below and just above it, (N,) each.

        The bound is infinite where the branches of the path leave a device no pattern.
        """
        allowed = self._allowed(path)
        own = self._menu_of(allowed)
        if (np.diff(own.start) == 0).any():
            nothing = np.zeros(len(self._skip), np.int64)
            return guess, np.inf, nothing, nothing
        low, high = self.window
        guess = min(max(guess, low), high)
        price, bound, below, above, outside = self._search(
            self.near, own, list(allowed), guess, low, high, cutoff
        )
        if outside and bound < cutoff:
            price, bound, below, above, _ = self._search(
                self.menu, own, list(allowed), guess, 0.0, self.highest, cutoff
            )
        return price, bound, below, above

    def _search(
        self,
        others: Menu,
        own: Menu,
        devices: list[int],
        guess: float,
        low: float,
        high: float,
        cutoff: float,
    ) -> tuple[float, float, Ints, Ints, bool]:
        self._skip[devices] = True
        chosen = np.empty((2, len(self._skip)), np.int64)
        own_chosen = np.empty((2, len(devices)), np.int64)
        price, bound, outside = best_price(
            *(others.start, others.base, others.pull, others.knee, self._skip),
            *(own.start, own.base, own.pull, own.knee),
            *(self.bandwidth, guess, low, high, cutoff, TOLERANCE, chosen, own_chosen),
        )
        self._skip[devices] = False
        numbers = others.number[chosen]
        numbers[:, devices] = own.number[own_chosen]
        return price, bound, numbers[0], numbers[1], outside

    def _allowed(self, path: tuple[_Step, ...]) -> dict[int, NDArray[np.bool_]]:
        """Device -> the patterns that the branches of a path leave it."""
        allowed: dict[int, NDArray[np.bool_]] = {}
        for device, task, place, equal in path:
            keeps = (self.patterns[:, task] == place) == equal
            allowed[device] = allowed[device] & keeps if device in allowed else keeps
        return allowed

    def _menu_of(self, allowed: dict[int, NDArray[np.bool_]]) -> Menu:
        kept = [*allowed.values(), np.empty(0, np.bool_)]
        return self.menu.of(list(allowed)).only(np.concatenate(kept))
