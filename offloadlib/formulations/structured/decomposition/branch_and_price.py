r"""Branch-and-price: prices on the limits, a small exact problem per device, and a tree of branches.

Every node has a Lagrangian bound at some prices (:mod:`.master`), found from rough ones at the root
(:mod:`.tatonnement`). Where it does not reach the incumbent, a subtask of a device that the master splits
between places is branched on: local or not, else at one of the fastest offload points or not. A closed tree
proves the incumbent optimal, and the tree with the leaves' prices is its certificate
(:mod:`.structured.certificate`). Nodes are explored by least bound. The first incumbents come from the
root's prices (:mod:`.primal`), before that from the rough ones where searches for these have taken long;
new ones from dives, which settle a tenth of the split devices at a time and generate columns as they go,
and from the mixed-integer program over the columns generated so far.

**Reduced-cost fixing.** Let L be the Lagrangian bound of the root at its prices, and r the least cost +
prices of a device among the decisions that have subtask k local (or, that have it offloaded), beyond the
device's least of all. A solution with k there costs at least L + r. Where that is no better than the
incumbent, k is out there, in all nodes; likewise a column with a reduced cost of so much. This makes
pricing and linear programs smaller, but a certificate knows nothing of it: where one is wanted
(:func:`prove`), the bound of every node is computed again at its prices, without fixing.

**Finish.** Where the gap of a node leaves few enough patterns of each device (:mod:`.patterns`), they are
enumerated, and the node is closed over the list, with cuts and with branches on numbers of subtasks
(:mod:`.finish`). Where there are too many, those of a smaller gap may hold an incumbent that leaves fewer.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.model import Places

from ...engine import highs
from ...engine.branching import (
    LEAST_GAIN,
    PATIENCE,
    PATIENCE_AT_ROOT,
    ROUND_SECONDS,
    ROUND_SHARE,
    SPLIT,
    Reached,
    dive,
    explored,
    strongest,
)
from ...engine.columns import CONVERGED, PRECISION, ROUND_GAP
from ...engine.outcome import Run, concluded, errors
from ...engine.tree import Open, Tree
from ...proofs.nodes import Divided, Enumeration, Proof, claim
from .. import pooling
from ..certificate import Certificate, Charged, rounded
from ..certificate import Places as At
from ..limited import branch_and_price as limited
from . import city
from .dual import Dual
from .finish import Finish, enumerated
from .limits import PricedLimits
from .master import Branch, Column, Master, Node, Step
from .patterns import Levels, enumerable
from .pricing import NEVER, Prices, Restrictions, difference, price
from .primal import Primal, pack
from .tatonnement import rough

ROUGH_SEARCH = 20_000
"""Effort for a device's decision in the first solutions, as for :func:`~.pricing.price`."""

SOON = 0.01
"""Share of the time limit: where searches for rough prices take longer, a solution is made of these before
the root's are known, which may take all the time."""

AT_ROOT = 0.2
"""Share of the time limit after which the root's column generation waits for better incumbents."""

ROUGHLY = 0.4
"""As much for rough prices where tasks need searches: in large ones little comes after them. Their level has
:data:`AT_ROOT`, so that a solution can be made of them in what is left."""

UNSPLIT = 1e-7
"""A subtask with less at a place, in sums of weights, is not split there."""

NEAR = 1e-3
"""Relative gap at the root from which on the finish is tried at once."""

NEARLY_EQUAL = 1e-6
"""Prices that differ by less, relatively, are made equal in a certificate if it proves as much with them."""

UNPRICED = 1.0
"""Seconds for the bound without prices, at the most: it comes after the time limit."""

DEAR = 0.05
"""Share of the time left that fixing may take before a better incumbent is sought, which makes it cheaper."""

BEYOND = 1.1
"""Of the gap: a decision that adds as much is fixed for sure, and how much it adds is of no interest."""

LESS = 0.7
"""Where there were too many patterns, they are enumerated again when so much of the gap is left."""

SMALLEST_SHARE = 0.1
"""Share of the gap with which patterns are enumerated for an incumbent, where all of it leaves too many."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve by branch-and-price."""
    if instance.version > 1:
        return limited.solve(instance, budget)
    begun = time.perf_counter()
    start = budget.start or Solution.all_local(instance)
    proof = _prove(instance, start, budget, certify=False)
    return Result.of(
        instance,
        proof.solution,
        time.perf_counter() - begun,
        proof.certificate.lower_bound,
        proof.termination,
        nodes=proof.nodes,
        columns=proof.columns,
        **errors((proof.failure,) if proof.failure else ()),
    )


def prove(instance: Instance, start: Solution | None, budget: Budget) -> Proof[Certificate]:
    """Bound an instance from below by a tree that can be checked, up to the best cost that it finds.

    Parameters
    ----------
    instance
        The instance.
    start
        The incumbent to begin with; None where none is known.
    budget
        Time limit, gap, seed and threads.

    Returns
    -------
    Proof
        With the best bound so far at the time limit and after Ctrl-C; an infinite one where there is no
        solution.
    """
    if instance.version > 1:
        return limited.prove(instance, start, budget)
    start = start or Solution.all_local(instance)
    return _prove(instance, start, budget, certify=True)


def _prove(instance: Instance, start: Solution, budget: Budget, certify: bool) -> Proof[Certificate]:
    try:
        return _closed(instance, start, budget, certify)
    except KeyboardInterrupt:  # before there is more than this
        certificate = Certificate(simple_bound(instance), [Charged(Prices.zero(instance))])
        objective = evaluate(instance, start).total
        return Proof(start, objective, certificate, Termination.INTERRUPTED, 0, 0)


def _closed(instance: Instance, start: Solution, budget: Budget, certify: bool) -> Proof[Certificate]:
    if instance.num_devices < city.LARGE:
        return _branched(instance, start, budget, certify)
    begun = time.perf_counter()
    closed = city.City(instance, start, budget).run()
    proof = _one_leaf(instance, closed)
    left = budget.time_limit - (time.perf_counter() - begun)
    if closed.termination is not Termination.STALLED or instance.num_devices >= city.ALONE or left <= 0:
        return proof
    again = _branched(instance, closed.solution, replace(budget, time_limit=left), certify)
    if again.certificate.lower_bound < proof.certificate.lower_bound:
        return replace(again, certificate=proof.certificate, bounds={})
    return again


def _branched(instance: Instance, start: Solution, budget: Budget, certify: bool) -> Proof[Certificate]:
    begun = time.perf_counter()
    proof = _searched(instance, start, budget, certify)
    objective = evaluate(instance, start).total
    # An incumbent that improves on the way can leave nodes that nothing divides: once more, from there.
    while proof.termination is Termination.STALLED and proof.objective < objective:
        left = budget.time_limit - (time.perf_counter() - begun)
        if left <= 0:
            break
        objective = proof.objective
        again = _searched(instance, proof.solution, replace(budget, time_limit=left), certify)
        if again.certificate.lower_bound > proof.certificate.lower_bound:
            proof = again
    return proof


def _searched(instance: Instance, start: Solution, budget: Budget, certify: bool) -> Proof[Certificate]:
    with alarm(budget.time_limit) as passed:
        search = _Search(instance, start, budget, certify, passed)
        search.termination, search.failure = concluded(search.run)
    return search.proof()


def _one_leaf(instance: Instance, closed: city.Closed) -> Proof[Certificate]:
    """The outcome for a city of many devices: no branches."""
    certificate = Certificate(closed.lower_bound, [_prohibitive(instance, Charged(closed.prices))])
    return Proof(closed.solution, closed.objective, certificate, closed.termination, 1, 0)


def _prohibitive(instance: Instance, leaf: Charged) -> Charged:
    """Pricing never uses a point without capacity; the certificate says so by a price, which costs
    nothing there, that no decision can be worth."""
    closed = instance.points.capacity == 0
    prohibitive = 10.0 * evaluate(instance, Solution.all_local(instance)).total + 1.0
    prices = leaf.prices
    return replace(leaf, prices=Prices(np.where(closed, prohibitive, prices.capacity), prices.channels))


def _closing(instance: Instance, node: Charged | Divided | Enumeration) -> Charged | Divided | Enumeration:
    """A node with its prices as :func:`_prohibitive`."""
    if isinstance(node, Enumeration):
        return replace(node, at=_prohibitive(instance, node.at))
    return node if isinstance(node, Divided) else _prohibitive(instance, node)


_Reached = Reached[Step, Node]


class _Search(Run[Solution]):
    def __init__(
        self,
        instance: Instance,
        start: Solution,
        budget: Budget,
        certify: bool = True,
        stopped: NDArray[np.bool_] = NEVER,
    ) -> None:
        super().__init__(instance, budget, start)
        self.instance, self.certify = instance, certify
        self.termination, self.failure = Termination.FINISHED, ""
        self.tree: Tree[Charged, _Reached] = Tree(Charged(Prices.zero(instance)), simple_bound(instance))
        self.stopped = stopped
        self.master = Master(instance, self.objective, stopped, budget.threads)
        self.master.add(start)
        self.master.add(Solution.all_local(instance))
        self.fixing: _Fixing | None = None
        self.prepared = False  # for branches: incumbents were sought, and fixed what is worth it
        self.manageable = np.inf if enumerable(instance) else 0.0  # a gap with which to enumerate patterns

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""
        return self.objective - max(self.budget.gap, 0.5 * OPTIMAL_GAP) * abs(self.objective)

    @property
    def fixing_cutoff(self) -> float:
        """A solution that costs as much need not be found; halfway between cutoff and incumbent."""
        return 0.5 * (self.cutoff + self.objective)

    def _alarm(self, share: float) -> contextlib.AbstractContextManager[NDArray[np.bool_]]:
        """Rings when a share of the time is up."""
        if share == 1.0 or math.isinf(self.budget.time_limit):
            return contextlib.nullcontext(self.stopped)
        return alarm(share * self.budget.time_limit - self.seconds)

    def run(self) -> Termination:
        first = self._rough()
        if self.late(AT_ROOT):  # many cheap bounds are worth more than one that takes all the time
            self.master.effort = ROUGH_SEARCH
        root = self._bound(0, (), first, share=AT_ROOT)
        if root.bound < self.cutoff:
            self._construct(root.state.node.prices)
        for leaf in explored(self.tree, lambda: self.cutoff, self.stop, self._seek):
            if not self.prepared:
                if not (self._near(leaf) and self._finished(leaf)):
                    self._prepare(leaf)
            elif not self._finished(leaf):
                self._branch(leaf)
        self.report()
        # Else pricing was cut short, and branching cannot mend that.
        return Termination.FINISHED if self.lower_bound >= self.cutoff else Termination.STALLED

    def _seek(self, at: _Reached) -> None:
        self._dive(at)
        self._round()

    def _dive(self, at: _Reached) -> None:
        dive(at, lambda node: node.bound >= self.cutoff or self.late(), self._split, self._dived)

    def _near(self, root: Open[_Reached]) -> bool:
        """Whether the first incumbent is so good that the finish may do without a better one."""
        return self.objective - root.bound <= NEAR * abs(self.objective)

    def _prepare(self, root: Open[_Reached]) -> None:
        """Fix what the incumbent allows, and seek better ones; the other way round where pricing is slow,
        and from known columns first where fixing takes long; nothing is fixed where it would never end."""
        self.prepared = True
        slow, node = self.late(AT_ROOT), root.state.node
        fixing = _Fixing.pricings(self.instance) * self.master.seconds
        first, never = slow or fixing > DEAR * self.left, fixing > self.left
        if first:
            self._round()
        if not slow and not never:
            self._fix(node)
        if not first:
            self._round()
        self._dive(root.state)
        if slow and not self.late():  # the incumbent tells how exact the root's bound has to be
            node = self._bound(0, (), node).state.node
            if not never:
                self._fix(node)
        else:
            self.tree.give_back(root)

    def _fix(self, root: Node) -> None:
        self.fixing = _Fixing(self.master, root, self.fixing_cutoff, self.late)
        self._refix()

    def _refix(self) -> None:
        """Fix as much as the incumbent allows."""
        if self.fixing is not None:
            self.tree.leave_out(self.fixing_cutoff)
            self.fixing.apply(self.fixing_cutoff)

    def _bound(self, number: int, path: tuple[Step, ...], above: Node, share: float = 1.0) -> Open[_Reached]:
        patience = PATIENCE if path else PATIENCE_AT_ROOT if share == 1.0 else 0.0
        self.master.restrict(path)
        with self._alarm(share) as self.master.stopped:
            node = self.master.generate(
                self._restrictions(path),
                above.prices,
                self.cutoff,
                lambda: self.late(share),
                patience,
                above.bound,
            )
        self.master.stopped = self.stopped
        if self.certify and self.fixing is not None:
            node = self._verified(node, path, above)
        if self.certify:
            node = self._levelled(node, path)
        leaf = self.tree.bounded(number, node.bound, Charged(node.prices), Reached(path, node))
        self._accept(node)
        self.report()
        return leaf

    def _restrictions(self, path: tuple[Step, ...], fixed: bool = True) -> Restrictions | None:
        base = self.fixing.restrictions if fixed and self.fixing is not None else None
        if not path:
            return base
        restrictions = Restrictions(self.instance, base)
        for step in path:
            restrictions.divide(*step)
        return restrictions

    def _verified(self, node: Node, path: tuple[Step, ...], above: Node) -> Node:
        """The node's bound as a certificate proves it, which knows of no fixing."""
        whole = self._restrictions(path, fixed=False)
        bound, found = self.master.lagrangian(node.prices, whole)
        if bound >= self.cutoff or (node.bound < self.cutoff and bound >= above.bound):
            return replace(node, bound=bound)
        if self.late():  # the parent's prices prove as much as there
            return replace(node, bound=above.bound, prices=above.prices)
        self.master.restrict(path, fixed=False)
        self.master.add(found.solution)
        return self.master.generate(whole, node.prices, self.cutoff, self.late, PATIENCE)

    def _levelled(self, node: Node, path: tuple[Step, ...]) -> Node:
        """The node with equal prices for nearly equal ones where that costs no bound worth mentioning.

        Where several points are in demand, their prices differ by no more than the tolerance of a linear
        program, which leaves a search with many all but equal decisions to tell apart.
        """
        capacity, level = node.prices.capacity.copy(), 0.0
        for n in np.argsort(capacity).tolist():
            if capacity[n] > level * (1 + NEARLY_EQUAL):
                level = capacity[n]
            capacity[n] = level
        levelled = Prices(capacity, node.prices.channels)
        bound, _ = self.master.lagrangian(levelled, self._restrictions(path, fixed=False))
        least = self.cutoff if node.bound >= self.cutoff else node.bound - CONVERGED * abs(node.bound)
        if bound < least:
            return node
        return replace(node, bound=bound, prices=levelled)

    def _accept(self, node: Node) -> None:
        """An integral master solution is an incumbent."""
        if not node.weights or min(node.weights.values()) < 1 - SPLIT:
            return
        self._offer([self.master.columns[i] for i in node.weights])

    def _offer(self, columns: list[Column]) -> None:
        rows = Solution.all_local(self.instance).rows(self.instance)
        for column in columns:
            rows[column.device] = list(column.places)
        self._settle(rows)

    def _settle(self, rows: list[list[int]]) -> None:
        """A better solution is the incumbent, once single points' capacities are kept."""
        solution = pooling.settle(self.instance, Solution.from_rows(self.instance, rows))
        if solution is None:
            return
        if self.take(solution):
            self.report()
            self._refix()

    def _finished(self, leaf: Open[_Reached]) -> bool:
        """Close a node by the finish, if its gap leaves few enough patterns."""
        if self.fixing_cutoff - leaf.bound > self.manageable:
            return False
        restrictions = self._restrictions(leaf.state.path, fixed=False)
        prices = rounded(self._levels.raised(leaf.state.node.prices))
        bound, found = self.master.lagrangian(prices, restrictions)
        share = 1.0
        while True:
            ceiling, objective = self.fixing_cutoff, self.objective
            ceilings = found.value + share * (ceiling - bound)
            pool = enumerated(self.instance, self._levels, prices, restrictions, ceilings)
            if pool is not None and share == 1.0:
                break
            if pool is not None:  # among some patterns there may be an incumbent that leaves few enough
                Finish(self, Tree(Charged(prices)), self._levels, pool).seek(prices)
            better = self.objective < objective
            share = 1.0 if better else share / 2
            if share < SMALLEST_SHARE or (pool is not None and not better) or self.late():
                self.manageable = LESS * (self.fixing_cutoff - leaf.bound)
                return False
        self.tree.leave_out(ceiling)
        at = Charged(prices)
        Finish(self, self.tree.subtree(at), self._levels, pool).run(at)
        return True

    def ceiling(self) -> float:
        """The highest cost that is looked for from now on."""
        self.tree.leave_out(self.fixing_cutoff)
        return self.fixing_cutoff

    @cached_property
    def _levels(self) -> Levels:
        return Levels(self.instance)

    def offer(self, decisions: dict[int, Places]) -> None:
        """Take an incumbent that need not keep the capacities of single points."""
        rows = Solution.all_local(self.instance).rows(self.instance)
        for m, places in decisions.items():
            rows[m] = places.tolist()
        self._settle(rows)

    def _branch(self, leaf: Open[_Reached]) -> None:
        node, path = leaf.state.node, leaf.state.path
        branch = self._choice(leaf.state)
        if branch is None:  # nothing is split: the bound cannot be raised by branching
            return
        children = self.tree.divide(Charged(node.prices), At(*branch))
        for number, inside in zip(children, (True, False), strict=True):
            self._bound(number, (*path, (*branch, inside)), node)

    def _choice(self, at: _Reached) -> Branch | None:
        """The split subtask and places whose branches raise the known columns' program most.

        Whether a subtask is local decides more than where it goes, as a slot at one offload point is
        worth about as much as at another: places are branched on where no such split is left.
        """
        split = self._splits(at.node)
        ranked = sorted(
            split, key=lambda key: (LOCAL not in key[2], round(abs(split[key] - 0.5), 9), key[:2])
        )
        alike = [key for key in ranked if (LOCAL in key[2]) == (LOCAL in ranked[0][2])]
        if len(alike) > 1:
            self.master.restrict(at.path)
        least, most = LEAST_GAIN * abs(self.objective), self.cutoff - at.node.bound
        return strongest(alike, partial(self.master.gains, bound=at.node.bound), least, most)

    def _splits(self, node: Node) -> dict[Branch, float]:
        """(device, subtask, places) -> its share, where the master splits a subtask between places.

        Offload points are split by speed: a set of places is local, or the fastest ones.
        """
        share: dict[tuple[int, int], dict[int, float]] = {}
        for i, weight in node.weights.items():
            column = self.master.columns[i]
            for k, place in enumerate(column.places):
                at = share.setdefault((column.device, k), {})
                at[place] = at.get(place, 0.0) + weight
        splits: dict[Branch, float] = {}
        for (m, k), at in share.items():
            whole = sum(at.values())
            if UNSPLIT < at.get(LOCAL, 0.0) < whole - UNSPLIT:
                splits[m, k, frozenset([LOCAL])] = at[LOCAL]
            elif len(at) > 1:
                reached, chosen = 0.0, self._fast[0]
                for places in self._fast:
                    x = sum(weight for place, weight in at.items() if place in places)
                    if UNSPLIT < x < whole - UNSPLIT and abs(x - 0.5) < abs(reached - 0.5):
                        reached, chosen = x, places
                if reached:
                    splits[m, k, chosen] = reached
        return splits

    @cached_property
    def _fast(self) -> list[frozenset[int]]:
        order = np.argsort(-self.instance.points.cpu, kind="stable").tolist()
        return [frozenset(order[: i + 1]) for i in range(len(order))]

    def _limits(self) -> PricedLimits:
        return PricedLimits(self.instance, ROUGH_SEARCH, self.late, self.stopped, threads=self.budget.threads)

    def _rough(self) -> Node:
        """Rough prices to begin with (:mod:`.tatonnement`) and their bound, their decisions in the master; a
        solution of them, where they have taken long."""
        limits = self._limits()
        dual = Dual(limits, self.late)
        with contextlib.suppress(OutOfTime):
            later = ROUGHLY if self.master.searched else AT_ROOT
            for table in rough(limits, dual, lambda: self.late(AT_ROOT), lambda: self.late(later)):
                self.master.add(limits.solution(table))

        def proven() -> Node:
            prices = limits.prices(dual.vector)
            bound = claim(dual.bound) if dual.evaluations else -np.inf
            self.tree.improve(bound, Charged(prices))
            return Node(bound, prices)

        best = proven()
        if dual.evaluations and self.master.searched and self.late(SOON):
            primal = Primal(limits, self.solution, self.late)
            with contextlib.suppress(OutOfTime):
                primal.hasten(dual)
            best = proven()
            self._settle(primal.solution.rows(self.instance))
        return best

    def _construct(self, prices: Prices) -> None:
        """Solutions from the root's prices, two ways (:mod:`.primal`)."""
        limits = self._limits()
        primal, dual = Primal(limits, self.solution, self.late), Dual(limits, self.late)
        with contextlib.suppress(OutOfTime):
            dual.evaluate(limits.vector(prices.capacity, prices.channels))
            table = primal.cheapest(dual)
            pack(limits, table)
            primal.improve(dual, table)
            primal.construct(dual)
        self._settle(primal.solution.rows(self.instance))

    def _split(self, node: Node) -> Iterator[tuple[int, Iterator[Step]]]:
        def settling(column: Column) -> Iterator[Step]:
            return ((column.device, k, frozenset([n]), True) for k, n in enumerate(column.places))

        for _, i in sorted((-weight, i) for i, weight in node.weights.items() if weight < 1 - SPLIT):
            column = self.master.columns[i]
            yield column.device, settling(column)

    def _dived(self, path: tuple[Step, ...], above: Node) -> Node:
        self.master.restrict(path)
        node = self.master.generate(
            self._restrictions(path), above.prices, self.cutoff, self.late, 1.0, above.bound
        )
        self._accept(node)
        return node

    def _round(self) -> None:
        """The mixed-integer program over the known columns, started from the incumbent."""
        if self.late():
            return
        self.master.add(self.solution)
        columns = self.master.columns
        program, start = _restricted(self.master, self.solution)
        least = float(program.cost[start[0]] @ start[1])
        outcome = highs.minimise(
            program,
            Budget(gap=ROUND_GAP, seed=self.budget.seed, threads=self.budget.threads),
            time_limit=min(ROUND_SHARE * self.left, ROUND_SECONDS),
            start=start,
            known=lambda: least,
            reference=self.objective,
        )
        if outcome.values is not None:
            self._offer([columns[i] for i in np.flatnonzero(outcome.values[: len(columns)] > 0.5)])

    @property
    def lower_bound(self) -> float:
        """What the tree proves, at most the incumbent's cost."""
        return min(self.tree.bound, self.objective)

    def proof(self) -> Proof[Certificate]:
        tree = [_closing(self.instance, node) for node in self.tree.nodes()]
        bounds = self.tree.bounds.items()
        return Proof(
            self.solution,
            self.objective,
            Certificate(claim(self.lower_bound), tree, self.tree.cuts),
            self.termination,
            self.tree.explored,
            len(self.master.columns),
            self.failure,
            {i: (bound, _prohibitive(self.instance, leaf)) for i, (bound, leaf) in bounds},
            self._unpriced() if self.certify else None,
        )

    def _unpriced(self) -> Certificate:
        prices = Prices.zero(self.instance)
        with alarm(UNPRICED) as stopped:
            least = price(self.instance, prices, stopped=stopped).value
        bound = difference(float(np.sum(least)), 0.0)
        return Certificate(claim(bound), [_prohibitive(self.instance, Charged(prices))])


def _restricted(
    master: Master, incumbent: Solution
) -> tuple[highs.MixedIntegerProgram, tuple[np.ndarray, np.ndarray]]:
    """The master as a mixed-integer program, and the incumbent's columns as a start."""
    instance, columns = master.instance, master.columns
    limits = [*instance.points.capacity.tolist(), *instance.points.channels[master.limited].tolist()]
    matrix = csr_array(vstack([master.matrix(columns), master.exchanging()]).T)
    size, devices = matrix.shape[1], matrix.shape[0] - len(limits)
    decisions = incumbent.rows(instance)
    chosen = np.array([decisions[column.device] == list(column.places) for column in columns])
    is_column = np.arange(size) < len(columns)
    fixed = np.isin(np.arange(size), [i for i in master.fixed if not chosen[i]])
    program = highs.MixedIntegerProgram(
        cost=np.append([column.cost for column in columns], np.zeros(size - len(columns))),
        lower=np.zeros(size),
        upper=np.where(fixed, 0.0, np.where(is_column, 1.0, np.inf)),
        integer=np.flatnonzero(is_column),
        matrix=matrix,
        row_lower=np.array([1.0] * devices + [-np.inf] * len(limits)),
        row_upper=np.array([1.0] * devices + [float(limit) for limit in limits]),
    )
    return program, (np.flatnonzero(is_column), chosen.astype(np.float64))


class _Fixing:
    """Reduced-cost fixing: sides of subtasks, and columns, that no solution better than a cutoff has."""

    def __init__(self, master: Master, root: Node, cutoff: float, stop: Callable[[], bool]) -> None:
        self.instance, self.master, self.prices = master.instance, master, root.prices
        instance = self.instance
        self.bound, found = master.lagrangian(root.prices, None)
        self.least = found.value
        gap = max(cutoff - self.bound, 0.0)
        self.tolerance = PRECISION * gap / instance.num_devices
        self.ceilings = self.least + BEYOND * gap
        # For each subtask and place, local last: what it adds at least to the device's least.
        self.slack = [np.zeros((*group.work.shape, instance.num_points + 1)) for group in instance.groups]
        self.restrictions: Restrictions | None = None
        local = np.zeros(instance.num_points + 1, dtype=np.bool_)
        local[LOCAL] = True
        for k in range(self.pricings(instance) // 2):
            for side in (local, ~local):
                if not stop():
                    self._price(k, side)

    @staticmethod
    def pricings(instance: Instance) -> int:
        """How often all devices are priced: for two sides of each subtask."""
        return 2 * max(group.application.size for group in instance.groups)

    def _price(self, k: int, side: NDArray[np.bool_]) -> None:
        restrictions = Restrictions(self.instance)
        having = [(g, group) for g, group in enumerate(self.instance.groups) if k < group.application.size]
        for g, _ in having:
            restrictions.limit(g, k, side)
        found = price(
            *(self.instance, self.prices, restrictions),
            tolerance=self.tolerance,
            stopped=self.master.stopped,
            threads=self.master.threads,
            ceilings=self.ceilings,
        )
        slack = found.value - self.least
        for g, group in having:
            self.slack[g][:, k, side] = slack[group.members, None]

    def apply(self, cutoff: float) -> None:
        """Leave out what costs at least the cutoff."""
        allowed = [slack <= cutoff - self.bound for slack in self.slack]
        self.restrictions = Restrictions.of(self.instance, allowed)
        self.master.fix(self.prices, self.bound, self.least, cutoff)
