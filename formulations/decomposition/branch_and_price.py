r"""Branch-and-price: prices on the limits, a small exact problem per device, and a tree of branches.

Every node has a Lagrangian bound at some prices (:mod:`.master`). Where it does not reach
the incumbent, a subtask of a device that the master splits between places is branched on: at that place
or not. A closed tree proves the incumbent optimal, and the tree with the leaves' prices is its
certificate (:mod:`formulations.certificate`). Nodes are explored by least bound; new incumbents come
from the mixed-integer program over the columns generated so far.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from instances import LOCAL, Budget, Instance, Progress, Result, Solution, Termination, evaluate
from instances.bound import simple_bound
from instances.run import OPTIMAL_GAP

from .. import highs
from ..certificate import Branch, Certificate, claim
from . import city
from .master import Master, Node
from .pricing import Prices, Restrictions

_Step = tuple[int, int, int, bool]
"""A branch taken: device, subtask, place, equal."""


CANDIDATES = 8
"""Branches that are compared before one is taken."""


@dataclass
class _Open:
    """A node that is not closed: where it is in the tree, how it was reached, what bounds it."""

    index: int
    path: tuple[_Step, ...]
    node: Node


@dataclass(frozen=True)
class Proof:
    """The outcome of a search: incumbent, bound, and the tree that proves the bound."""

    solution: Solution
    objective: float
    certificate: Certificate
    termination: Termination
    nodes: int
    columns: int


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve by branch-and-price."""
    begun = time.perf_counter()
    start = budget.start or Solution.all_local(instance)
    proof = prove(instance, start, budget)
    return Result.of(
        instance,
        proof.solution,
        time.perf_counter() - begun,
        proof.certificate.lower_bound,
        proof.termination,
        nodes=proof.nodes,
        columns=proof.columns,
    )


def prove(instance: Instance, start: Solution, budget: Budget) -> Proof:
    """Bound an instance from below by a tree that can be checked, up to the best cost that it finds.

    Parameters
    ----------
    instance
        The instance.
    start
        The incumbent to begin with.
    budget
        Time limit, gap, seed and threads.

    Returns
    -------
    Proof
        With the best bound so far at the time limit and after Ctrl-C.
    """
    if instance.num_devices >= city.LARGE:
        return _one_leaf(instance, city.City(instance, start, budget).run())
    search = _Search(instance, start, budget)
    try:
        search.run()
    except KeyboardInterrupt:
        search.termination = Termination.INTERRUPTED
    return search.proof()


def _one_leaf(instance: Instance, closed: city.Closed) -> Proof:
    """The outcome for a city of many devices: no branches."""
    certificate = Certificate(closed.lower_bound, [_prohibitive(instance, closed.prices)])
    return Proof(closed.solution, closed.objective, certificate, closed.termination, 1, closed.evaluations)


def _prohibitive(instance: Instance, prices: Prices) -> Prices:
    """Pricing never uses a point without capacity; the certificate says so by a price, which costs
    nothing there, that no decision can be worth."""
    closed = instance.points.capacity == 0
    prohibitive = 10.0 * evaluate(instance, Solution.all_local(instance)).total + 1.0
    return Prices(np.where(closed, prohibitive, prices.capacity), prices.channels)


class _Search:
    def __init__(self, instance: Instance, start: Solution, budget: Budget) -> None:
        self.begun = time.perf_counter()
        self.instance, self.budget = instance, budget
        self.solution = start
        self.objective = evaluate(instance, start).total
        self.termination = Termination.FINISHED
        self.tree: list[Branch | Prices] = [Prices.zero(instance)]
        self.floor = simple_bound(instance)
        # Least bounds of what cannot be branched on, and of the node in hand: an interrupt may come
        # when its children are not bounded yet.
        self.closed, self.in_hand = np.inf, self.floor
        self.queue: list[tuple[float, int, _Open]] = []
        self.explored = 0
        self.master = Master(instance, self.objective)
        self.master.add(start)
        self.master.add(Solution.all_local(instance))

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""
        gap = max(self.budget.gap, 0.5 * OPTIMAL_GAP)
        return self.objective - gap * abs(self.objective)

    def late(self) -> bool:
        return time.perf_counter() - self.begun > self.budget.time_limit

    def run(self) -> None:
        self._open(0, (), Prices.zero(self.instance))
        if self.queue[0][0] < self.cutoff:
            self._round()
        while self.queue and self.queue[0][0] < self.cutoff:
            if self.late():
                self.termination = Termination.TIME_LIMIT
                return
            node = self.queue[0][2]
            self.in_hand = node.node.bound
            heapq.heappop(self.queue)
            self._branch(node)
            self.in_hand = np.inf
            if self.explored in (8, 32, 128, 512, 2048):
                self._round()
        if self.bound < self.cutoff:  # pricing was cut short, and branching cannot mend that
            self.termination = Termination.STALLED

    def _open(self, index: int, path: tuple[_Step, ...], prices: Prices) -> None:
        """Bound a node and queue it."""
        restrictions = self._restrict(path) if path else None
        node = self.master.generate(restrictions, prices, self.cutoff, self.late)
        self.explored += 1
        self.tree[index] = node.prices
        heapq.heappush(self.queue, (node.bound, index, _Open(index, path, node)))
        if not path:
            self.in_hand = np.inf
        self._accept(node)
        self._report()

    def _accept(self, node: Node) -> None:
        """An integral master solution is an incumbent."""
        if not node.weights or min(node.weights.values()) < 1 - 1e-6:
            return
        self._offer([self.master.columns[i] for i in node.weights])

    def _offer(self, columns: list) -> None:  # type: ignore[type-arg]
        rows = Solution.all_local(self.instance).rows(self.instance)
        for column in columns:
            rows[column.device] = list(column.places)
        solution = Solution.from_rows(self.instance, rows)
        evaluation = evaluate(self.instance, solution)
        if evaluation.feasible and evaluation.total < self.objective:
            self.solution, self.objective = solution, evaluation.total

    def _branch(self, node: _Open) -> None:
        step = self._choice(node)
        if step is None:  # nothing is split: the bound cannot be raised by branching
            self.closed = min(self.closed, node.node.bound)
            return
        m, k, place = step
        equal, different = len(self.tree), len(self.tree) + 1
        self.tree[node.index] = Branch(m, k, place, equal, different)
        self.tree += [node.node.prices, node.node.prices]
        for index, same in ((equal, True), (different, False)):
            self._open(index, (*node.path, (m, k, place, same)), node.node.prices)

    def _choice(self, node: _Open) -> tuple[int, int, int] | None:
        """The split subtask and place whose branches raise the known columns' program most.

        Whether a subtask is local decides more than where it goes, as a slot at one offload point is
        worth about as much as at another: places are branched on where no such split is left.
        """
        split = self._splits(node)
        ranked = sorted(split, key=lambda key: (key[2] != LOCAL, round(abs(split[key] - 0.5), 9), key))
        if not ranked:
            return None
        candidates = [key for key in ranked if (key[2] == LOCAL) == (ranked[0][2] == LOCAL)][:CANDIDATES]
        if len(candidates) == 1:
            return candidates[0]
        scores = [self._score(node, key) for key in candidates]
        return candidates[int(np.argmax(scores))]

    def _splits(self, node: _Open) -> dict[tuple[int, int, int], float]:
        """(device, subtask, place) -> its share, where the master splits a subtask between places."""
        share: dict[tuple[int, int, int], float] = {}
        whole: dict[int, float] = {}
        for i, weight in node.node.weights.items():
            column = self.master.columns[i]
            whole[column.device] = whole.get(column.device, 0.0) + weight
            for k, place in enumerate(column.places):
                key = (column.device, k, place)
                share[key] = share.get(key, 0.0) + weight
        return {key: x for key, x in share.items() if 1e-7 < x < whole[key[0]] - 1e-7}

    def _score(self, node: _Open, key: tuple[int, int, int]) -> float:
        """Product of what the two branches add to the program over the known columns."""
        score = 1.0
        for same in (True, False):
            self._restrict((*node.path, (*key, same)))
            score *= max(self.master.value() - node.node.bound, 1e-9 * abs(self.objective))
        return score

    def _restrict(self, path: tuple[_Step, ...]) -> Restrictions:
        restrictions = Restrictions(self.instance)
        for m, k, place, equal in path:
            restrictions.branch(m, k, place, equal)
        self.master.restrict(restrictions, {step[0] for step in path})
        return restrictions

    def _round(self) -> None:
        """The mixed-integer program over the known columns, started from the incumbent."""
        columns = self.master.columns
        program, start = _restricted(self.master, self.solution)
        left = max(self.budget.time_limit - (time.perf_counter() - self.begun), 0.0)
        outcome = highs.minimise(
            program,
            Budget(gap=1e-7, seed=self.budget.seed, threads=self.budget.threads),
            time_limit=min(left / 4, 10.0),
            start=start,
            reference=self.objective,
        )
        if outcome.values is not None:
            self._offer([columns[i] for i in np.flatnonzero(outcome.values > 0.5)])

    @property
    def bound(self) -> float:
        """The least bound of a leaf, at most the incumbent's cost."""
        least = self.queue[0][0] if self.queue else np.inf
        return min(max(self.floor, min(least, self.closed, self.in_hand)), self.objective)

    def _report(self) -> None:
        notify: Callable[[Progress], None] | None = self.budget.on_progress
        if notify is not None:
            seconds = time.perf_counter() - self.begun
            notify(Progress(seconds, self.objective, self.bound))

    def proof(self) -> Proof:
        tree = [node if isinstance(node, Branch) else _prohibitive(self.instance, node) for node in self.tree]
        certificate = Certificate(claim(self.bound), tree)
        return Proof(
            self.solution,
            self.objective,
            certificate,
            self.termination,
            self.explored,
            len(self.master.columns),
        )


def _restricted(
    master: Master, incumbent: Solution
) -> tuple[highs.MixedIntegerProgram, tuple[np.ndarray, np.ndarray]]:
    """The master as a mixed-integer program, and the incumbent's columns as a start."""
    instance, columns = master.instance, master.columns
    entries = [master._entries(column.device, column.places) for column in columns]
    start = np.cumsum([0, *(len(index) for index, _ in entries)])
    devices = len(master._devices)
    limits = [*instance.points.capacity, *instance.points.channels[master._limited]]
    rows = devices + len(limits)
    matrix = csr_array(
        (
            np.concatenate([value for _, value in entries]),
            np.concatenate([index for index, _ in entries]),
            start,
        ),
        shape=(len(columns), rows),
    ).T.tocsr()
    decisions = incumbent.rows(instance)
    chosen = np.array([decisions[column.device] == list(column.places) for column in columns])
    ones, none = np.ones(len(columns)), np.zeros(len(columns))
    program = highs.MixedIntegerProgram(
        cost=np.array([column.cost for column in columns]),
        lower=none,
        upper=ones,
        integer=np.arange(len(columns)),
        matrix=matrix,
        row_lower=np.array([1.0] * devices + [-np.inf] * len(limits)),
        row_upper=np.array([1.0] * devices + [float(limit) for limit in limits]),
    )
    return program, (np.arange(len(columns)), chosen.astype(np.float64))
