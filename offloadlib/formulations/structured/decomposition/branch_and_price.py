r"""Branch-and-price: prices on the limits, a small exact problem per device, and a tree of branches.

Every node has a Lagrangian bound at some prices (:mod:`.master`), found from rough ones at the root
(:mod:`.tatonnement`). Where it does not reach the incumbent, a subtask of a device that the master splits
between places is branched on (:mod:`.splits`): local or not, else at one of the fastest offload points or
not. Subtasks that are alike are branched on together, one after the other in the tree. A closed tree proves
the incumbent optimal, and the tree with the leaves' prices is its certificate
(:mod:`.structured.certificate`). Nodes are explored by least bound. The first incumbents come from the
root's prices (:mod:`.primal`), before that from the first ones where searches for these have taken long;
new ones from dives, which settle a tenth of the split devices at a time and generate columns as they go,
and from the mixed-integer program over the columns generated so far.

**Reduced-cost fixing.** Let L be the Lagrangian bound of the root at its prices, and r the least cost +
prices of a device among the decisions that have subtask k local (or, that have it offloaded), beyond the
device's least of all. A solution with k there costs at least L + r. Where that is no better than the
incumbent, k is out there, in all nodes; likewise a column with a reduced cost of so much. Where fixing has
taken long, and few leaves with a much better bound are left, it is done again below these. This makes
pricing and linear programs smaller. In a certificate sides that are out are branches (:mod:`.proofs.chains`):
those that some leaf needs, or in a large tree all, since they make its leaves easy to verify.

**Values.** A child begins at its parent's prices, where only the device that was branched on has another
value.

**Program.** Where searches for rough prices take long, the duals of the relaxation of the program of
:mod:`..milp.arrays` are the first prices (:mod:`.relaxation`). Where pricing adds little to the bound of the
relaxation, and the root takes too long, the program has a share of the time that is left, and all of it while
its bound is ahead; no certificate has a place for what it proves.

**Effort.** Searches get more effort where they find nothing more, if a pricing is worth the time then. Where
the root takes too long, dives have little effort, and they and fixing a share of the time that is left.

**Finish.** Where the gap of a node leaves few enough patterns of each device (:mod:`.patterns`), they are
enumerated, and the node is closed over the list, with cuts and with branches on numbers of subtasks
(:mod:`.finish`). Where there are too many, those of a smaller gap may hold an incumbent that leaves fewer.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime, Progress
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.model import Places

from ...engine import highs
from ...engine.branching import (
    PATIENCE,
    PATIENCE_AT_ROOT,
    ROUND_SECONDS,
    ROUND_SHARE,
    SPLIT,
    Reached,
    dive,
    explored,
)
from ...engine.columns import CONVERGED, ROUND_GAP
from ...engine.outcome import Run, concluded, errors
from ...engine.tree import Open, Tree
from ...proofs.chains import Excluded, chained
from ...proofs.nodes import Divided, Enumeration, Proof, claim
from .. import pooling
from ..certificate import Certificate, Charged, rounded
from ..certificate import Places as At
from ..limited import branch_and_price as limited
from ..milp import arrays
from . import city
from .dual import Dual
from .finish import Finish, enumerated
from .limits import PricedLimits
from .master import Column, Master, Node, Step, lagrangian_bound
from .patterns import Levels, enumerable
from .pricing import NEVER, Prices, Restrictions, difference, price
from .primal import Primal, pack
from .relaxation import relaxation
from .splits import Split, chosen
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

AFFORDABLE = 0.02
"""Share of the time left that one pricing of all devices may take, at first."""

GAINED = 0.1
"""Share of what pricing adds to the relaxation that more effort has to gain to grow again."""

LITTLE = 0.1
"""Share of the relaxation's gap: where pricing adds less to its bound, the program may get ahead."""

AS_PROGRAM = 0.3
"""Share of the time that is left for the mixed-integer program where the root's prices take too long."""

PROGRAMMED = 300
"""Subtasks of a task up to which that is tried: with more, its relaxation alone takes as long."""

NEAR = 1e-3
"""Relative gap at the root from which on the finish is tried at once."""

NEARLY_EQUAL = 1e-6
"""Prices that differ by less, relatively, are made equal in a certificate if it proves as much with them."""

UNPRICED = 1.0
"""Seconds for the bound without prices, at the most: it comes after the time limit."""

SHORT = 0.2
"""Share of the time left that a dive, or fixing, may take where pricing was slow at the root."""

FIXING = 0.4
"""As much for fixing where it was not."""

DEAR = 0.05
"""Share of the time left that fixing may take before a better incumbent is sought, which makes it cheaper."""

LONG = 1.0
"""Seconds: where fixing takes longer, moves of known decisions are not tried, and it is worth doing again."""

CERTAIN = 0.25
"""Share of the gap: such moves are those of decisions that cost no more."""

AGAIN, FEW = 0.7, 4
"""Moves are fixed again where fewer leaves are open, and the distance from bound to incumbent has become so
much smaller."""

ROUGHLY_FIXED = 0.005
"""Share of the gap: how exact it has to be what a side adds."""

BEYOND = 1.1
"""Of the gap: a decision that adds as much is fixed for sure, and how much it adds is of no interest."""

MANY_LEAVES = 0.4
"""For each side that is out, and device: with more leaves, a certificate has all that is out as branches. As
to verify, so many leaves cost about as much either way."""

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
    begun, affordable = time.perf_counter(), AFFORDABLE
    proof, refused = _searched(instance, start, budget, certify, affordable)
    objective = evaluate(instance, start).total
    # An incumbent that improves on the way, or effort that was refused, can leave nodes that nothing divides:
    # once more, from there.
    while proof.termination is Termination.STALLED and (proof.objective < objective or refused):
        left = budget.time_limit - (time.perf_counter() - begun)
        if left <= 0:
            break
        objective, affordable = proof.objective, math.inf
        again, refused = _searched(
            instance, proof.solution, replace(budget, time_limit=left), certify, affordable
        )
        if again.certificate.lower_bound <= proof.certificate.lower_bound:
            again = replace(
                proof,
                solution=again.solution,
                objective=again.objective,
                termination=again.termination,
                failure=again.failure,
            )
        proof = again
    return proof


def _searched(
    instance: Instance, start: Solution, budget: Budget, certify: bool, affordable: float
) -> tuple[Proof[Certificate], bool]:
    """What a search proves, and whether it was refused effort: each pricing may take a share of the time."""
    with alarm(budget.time_limit) as passed:
        search = _Search(instance, start, budget, certify, passed)
        search.master.affordable = lambda seconds: seconds <= affordable * search.left
        search.termination, search.failure = concluded(search.run)
    return search.proof(), search.master.refused


def _one_leaf(instance: Instance, closed: city.Closed) -> Proof[Certificate]:
    """The outcome for a city of many devices: no branches."""
    certificate = Certificate(closed.lower_bound, [_prohibitive(instance, Charged(closed.prices))])
    return Proof(closed.solution, closed.objective, certificate, closed.termination, 1, 0)


def _prohibitive(instance: Instance, leaf: Charged) -> Charged:
    """Pricing never uses a point without capacity; the certificate says so by a price, which costs
    nothing there, that no decision can be worth."""
    closed = instance.points.capacity == 0
    prohibitive = 10.0 * float(instance.local_cost.sum()) + 1.0
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
        self.fixings: list[_Fixing] = []
        self.needed: set[tuple[int, int, bool]] | None = None  # of what is fixed, by leaves; None: all
        self.found: dict[int, Charged] = {}  # leaves that need none of it any more
        self.slow = False  # whether pricing was slow at the root
        self.constructed: Prices | None = None  # the last prices that solutions were made of
        self.relaxed, self.added = -math.inf, 0.0  # the relaxation's bound, and what pricing adds to it
        self.prepared = False  # for branches: incumbents were sought, and fixed what is worth it
        self.manageable = np.inf if enumerable(instance) else 0.0  # a gap with which to enumerate patterns

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""
        return self.objective - max(self.budget.gap, 0.5 * OPTIMAL_GAP) * abs(self.objective)

    @property
    def behind(self) -> bool:
        """Whether pricing may bound less than the program does."""
        return self.added < LITTLE * (self.objective - self.relaxed)

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
        first = self._first()
        root = self._bound(0, (), first, share=AT_ROOT)
        self.slow = self.late(AT_ROOT)
        if root.bound < self.cutoff:
            self._construct(root.state.node)
            if self.slow and self.behind and not self._near(root) and not self.certify:
                self._program()
            if self.lower_bound >= self.cutoff:
                return Termination.FINISHED
        for leaf in explored(self.tree, lambda: self.cutoff, self.stop, self._seek):
            if not self.prepared:
                if not (self._near(leaf) and self._finished(leaf)):
                    self._prepare(leaf)
            elif not self._finished(leaf):
                self._fix_again(leaf)
                self._branch(leaf)
        self.report()
        if self.certify and len(self.fixings) == 1 and not self.late():
            self.needed = self._needed(self.fixings[0])
        # Else pricing was cut short, and branching cannot mend that.
        return Termination.FINISHED if self.lower_bound >= self.cutoff else Termination.STALLED

    def _seek(self, at: _Reached) -> None:
        self._dive(at)
        self._round()

    @property
    def _programmable(self) -> bool:
        """Whether the program of all devices is small enough."""
        return _largest(self.instance) <= PROGRAMMED and arrays.obstacle(self.instance) is None

    def _program(self) -> None:
        """The mixed-integer program, as above."""
        if not self._programmable:
            return
        self._round()

        def told(event: Progress) -> None:
            self.report(event.objective or math.inf, event.lower_bound or -math.inf, event.solution)

        for share in (AS_PROGRAM, 1.0):
            budget = replace(self.budget, start=self.solution, time_limit=share * self.left, on_progress=told)
            result = arrays.solve(self.instance, budget)
            self._settle(result.solution.rows(self.instance))
            self.prove(-math.inf if result.lower_bound is None else result.lower_bound)
            self.report()
            if result.termination is Termination.INTERRUPTED:
                raise KeyboardInterrupt
            if self.late() or self.lower_bound >= self.cutoff or self.lower_bound <= self.tree.bound:
                return

    def _dive(self, at: _Reached) -> None:
        over = self._after(SHORT if self.slow else 1.0)
        rough = self.master.at_most(ROUGH_SEARCH) if self.slow else contextlib.nullcontext()
        with rough:  # the bounds of a dive are of no use elsewhere
            dive(
                at, lambda node: node.bound >= self.cutoff or over(), self._split, partial(self._dived, over)
            )

    def _after(self, share: float) -> Callable[[], bool]:
        """Whether a share of the time that is left now is up."""
        end = self.seconds + share * self.left
        return lambda: self.late() or self.seconds > end

    def _near(self, root: Open[_Reached]) -> bool:
        """Whether the first incumbent is so good that the finish may do without a better one."""
        return self.objective - root.bound <= NEAR * abs(self.objective)

    def _prepare(self, root: Open[_Reached]) -> None:
        """Fix what the incumbent allows, and seek better ones; the other way round where pricing is slow or
        fixing takes long."""
        self.prepared = True
        slow, node = self.late(AT_ROOT), root.state.node
        fixing = _Fixing.pricings(self.instance) * self.master.seconds
        first = slow or fixing > DEAR * self.left
        if first:
            self._round()
            self._dive(root.state)
        if not slow and root.bound < self.cutoff:
            self._fix(root)
        if not first:
            self._round()
            self._dive(root.state)
        if slow and not self.late():  # the incumbent tells how exact the root's bound has to be
            again = self._bound(0, (), node)
            if not self.late():
                self._fix(again)
        else:
            self.tree.give_back(root)

    def _fix(self, top: Open[_Reached]) -> None:
        """Fix as much as the incumbent allows below a node."""
        self.fixings.append(
            _Fixing(
                *(self.master, top, self._restrictions(top.state.path), self.fixing_cutoff),
                self._after(SHORT if self.slow else FIXING),
            )
        )
        self._refix()

    def _fix_again(self, leaf: Open[_Reached]) -> None:
        """Fix below a leaf, where few are left and its bound is much better than at the last fixing."""
        last = self._fixing(leaf.state.path)
        if last is None or last.seconds < LONG or self.tree.leaves(self.cutoff) >= FEW:
            return
        cutoff = self.fixing_cutoff
        if cutoff - leaf.bound >= max(AGAIN * (cutoff - last.bound), CERTAIN * (last.cutoff - last.bound)):
            return
        self._seek(leaf.state)
        if leaf.bound < self.cutoff:
            self._fix(leaf)

    def _fixing(self, path: tuple[Step, ...]) -> _Fixing | None:
        """The last fixing that counts below a node."""
        return next((one for one in reversed(self.fixings) if path[: len(one.path)] == one.path), None)

    def _refix(self) -> None:
        """Fix as much as the incumbent allows."""
        if self.fixings:
            self.tree.leave_out(self.fixing_cutoff)
        for fixing in self.fixings:
            fixing.apply(self.fixing_cutoff)

    def _restrict(self, path: tuple[Step, ...]) -> None:
        """Leave the master the columns that branches and fixing leave to a node."""
        fixing = self._fixing(path)
        self.master.fixed = set() if fixing is None else fixing.columns
        self.master.restrict(path)

    def _bound(
        self,
        number: int,
        path: tuple[Step, ...],
        above: Node,
        begin: Node | None = None,
        changed: Collection[int] | None = None,
        share: float = 1.0,
    ) -> Open[_Reached]:
        """Bound a node of the tree below another one, in a share of the time limit, beginning with the prices
        of a third one, from which the branches for some devices are ``changed``."""
        patience = PATIENCE if path else PATIENCE_AT_ROOT if share == 1.0 else 0.0
        self._restrict(path)
        with self._alarm(share) as self.master.stopped:
            node = self.master.generate(
                *(self._restrictions(path), begin or above, self.cutoff, lambda: self.late(share)),
                *(patience, above, changed),
            )
        self.master.stopped = self.stopped
        if self.certify:
            node = self._levelled(node, path)
        leaf = self.tree.bounded(number, node.bound, Charged(node.prices), Reached(path, node))
        self._accept(node)
        self.report()
        return leaf

    def _restrictions(self, path: tuple[Step, ...], fixed: bool = True) -> Restrictions | None:
        fixing = self._fixing(path) if fixed else None
        base = None if fixing is None else fixing.restrictions
        return self._divided(path, base) if path else base

    def _divided(self, path: tuple[Step, ...], base: Restrictions | None) -> Restrictions:
        """What branches leave of what is left otherwise."""
        restrictions = Restrictions(self.instance, base)
        for step in path:
            restrictions.divide(*step)
        return restrictions

    def _needed(self, fixing: _Fixing) -> set[tuple[int, int, bool]] | None:
        """Sides that are out at the root without which a leaf does not prove the tree's bound, at prices that
        are found without them; None in a large tree, where all will do."""
        leaves = list(_leaves(self.tree.nodes()))
        out = {side for side, _ in fixing.out()}
        if len(leaves) > MANY_LEAVES * len(out) / self.instance.num_devices:
            return None
        needed, base = set[tuple[int, int, bool]](), Restrictions(self.instance)
        for number, path, leaf in leaves:
            prices, more = leaf.prices, set[tuple[int, int, bool]]()
            while not self.late():
                restrictions = self._divided(path, base)
                bound, found = self.master.lagrangian(prices, restrictions)
                if bound >= self.lower_bound:
                    break
                if prices is leaf.prices and not more:
                    self.master.restrict(path, fixed=False)
                    self.master.add(found.solution)
                    begin = Node(-np.inf, prices)
                    node = self.master.generate(restrictions, begin, self.cutoff, self.late, PATIENCE)
                    if node.bound >= self.lower_bound:
                        self.found[number] = Charged(node.prices)
                        break
                rows = found.solution.rows(self.instance)
                more = {one for one in out - needed if (rows[one[0]][one[1]] == LOCAL) == one[2]}
                if not more:
                    return None
                for m, k, local in more:
                    base.divide(m, k, (LOCAL,), not local)
                needed |= more
            else:
                return None
        return needed

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
        bound, found = self.master.lagrangian(levelled, self._restrictions(path))
        least = self.cutoff if node.bound >= self.cutoff else node.bound - CONVERGED * abs(node.bound)
        if bound < least:
            return node
        return replace(node, bound=bound, prices=levelled, values=found.value)

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
        self._restrict(leaf.state.path)
        split = chosen(self.master, leaf.state.node, self.cutoff)
        if split is None:  # nothing is split: the bound cannot be raised by branching
            return
        if len(split.subtasks) > 1:
            self._branch_together(leaf, split)
            return
        node, path = leaf.state.node, leaf.state.path
        children = self.tree.divide(Charged(node.prices), At(*split.branches[0]))
        for number, inside in zip(children, (True, False), strict=True):
            self._bound(number, (*path, (*split.branches[0], inside)), node, changed=[split.device])

    def _branch_together(self, leaf: Open[_Reached], split: Split) -> None:
        """All of some subtasks on one side, or the first one that is not: a branch on each in turn.

        Few of them on that side may prove as much as all, at the same prices; then the others are left free.
        """
        node, path, changed = leaf.state.node, leaf.state.path, [split.device]
        side = self._dearer_to_leave(leaf.state, split)
        every = (*path, *((*step, side) for step in split.branches))
        self._restrict(every)
        together = self.master.generate(
            *(self._restrictions(every), node, self.cutoff, self.late, PATIENCE, node, changed)
        )
        number, begin = leaf.number, node
        for step in split.branches:
            children = self.tree.divide(Charged(node.prices), At(*step), number)
            number, other = children if side else children[::-1]
            begin = self._bound(other, (*path, (*step, not side)), node, begin, changed).state.node
            path = (*path, (*step, side))
            bound = self.master.again(together, changed, self._restrictions(path))
            if path == every or bound >= min(together.bound - CONVERGED * abs(bound), self.cutoff):
                break
        self._bound(number, path, node, together, changed)

    def _dearer_to_leave(self, at: _Reached, split: Split) -> bool:
        """The side of some subtasks that is dearer to leave for one of them alone."""
        values = []
        for side in (True, False):
            steps = [(*step, side ^ (i == 0)) for i, step in enumerate(split.branches)]
            restrictions = self._restrictions((*at.path, *steps))
            values.append(self.master.again(at.node, [split.device], restrictions))
        return values[0] >= values[1]

    def _limits(self) -> PricedLimits:
        return PricedLimits(
            *(self.instance, ROUGH_SEARCH, self.late, self.stopped),
            threads=self.budget.threads,
            learnt=self.master.learnt,
        )

    def _first(self) -> Node:
        """Prices to begin with and their bound, their decisions in the master; a solution of them, where they
        have taken long."""
        if self.master.searched and self._programmable:
            begun = self._rough(self._long, self._long)
            if not self._long():
                return begun
            relaxed = self._relaxed()
            if relaxed is not None:
                return relaxed
        later = ROUGHLY if self.master.searched else AT_ROOT
        return self._rough(lambda: self.late(AT_ROOT), lambda: self.late(later), self.master.searched)

    def _long(self) -> bool:
        """Whether searches for rough prices take long."""
        return self.seconds > LONG or self.late(SOON)

    def _rough(self, late: Callable[[], bool], later: Callable[[], bool], construct: bool = False) -> Node:
        """Rough prices (:mod:`.tatonnement`), and if wanted a solution of them where they have taken long."""
        limits = self._limits()
        dual = Dual(limits, self.late)
        with contextlib.suppress(OutOfTime):
            for table in rough(limits, dual, late, later):
                self.master.add(limits.solution(table))
        if dual.evaluations and construct and self._long():
            primal = Primal(limits, self.solution, self.late)
            with contextlib.suppress(OutOfTime):
                primal.hasten(dual)
            self._settle(primal.solution.rows(self.instance))
        if self.late(AT_ROOT):  # many cheap bounds are worth more than one that takes all the time
            self.master.effort = ROUGH_SEARCH
        prices, bound = limits.prices(dual.vector), claim(dual.bound) if dual.evaluations else -np.inf
        self.tree.improve(bound, Charged(prices))
        return Node(bound, prices)

    def _relaxed(self) -> Node | None:
        """The prices of the program's relaxation (:mod:`.relaxation`), and their bound; pricing gets ever
        more effort, while that pays. None where there was no time."""
        found = relaxation(self.instance, self.objective, self.left)
        if found is None:
            return None
        master, everyone = self.master, range(self.instance.num_devices)
        master.learnt.width[:] = 0  # elsewhere others suit
        prices, known, master.learnt.flow = found
        relaxed, best = lagrangian_bound(self.instance, prices, known), -np.inf
        value = np.zeros_like(known) if self.certify else known  # the checker searches
        effort: int | None = ROUGH_SEARCH
        master.effort = effort
        with self._alarm(AT_ROOT) as master.stopped:
            while True:
                node, _ = master.extend(Node(-np.inf, prices), None, 0.0, everyone)
                assert node.values is not None
                value, gained, best = np.maximum(value, node.values), node.bound - best, max(node.bound, best)
                little = gained < GAINED * (best - relaxed)
                if master.stopped[0] or (little and master.effort is None):  # so much takes too long, so far
                    master.effort = effort
                    break
                effort = master.effort
                if little or not master.grow():
                    break
        master.stopped = self.stopped
        self.relaxed, self.added = relaxed, best - relaxed
        node = Node(claim(lagrangian_bound(self.instance, prices, value)), prices, values=value)
        self.tree.improve(node.bound, Charged(prices))
        self._construct(node)
        return node

    def _construct(self, node: Node) -> None:
        """Solutions from the root's prices, two ways (:mod:`.primal`)."""
        limits, prices = self._limits(), node.prices
        if prices is self.constructed:
            return
        self.constructed = prices
        vector = limits.vector(prices.capacity, prices.channels)
        primal, dual = Primal(limits, self.solution, self.late), Dual(limits, self.late)
        with contextlib.suppress(OutOfTime):
            if self.master.searched and node.values is not None and self._long():  # as pricing has found them
                table = limits.table(self.master.cheapest(prices))
                dual.seen(vector, node.bound, node.values, table)
            else:
                dual.evaluate(vector)
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

    def _dived(self, over: Callable[[], bool], path: tuple[Step, ...], above: Node) -> Node:
        self._restrict(path)
        changed = {m for m, *_ in path}
        node = self.master.generate(
            *(self._restrictions(path), above, self.cutoff, over, 1.0, above, changed)
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
        """What the tree proves, or else the mixed-integer program, at most the incumbent's cost."""
        return min(max(self.tree.bound, super().lower_bound), self.objective)

    def proof(self) -> Proof[Certificate]:
        chains = {fixing.number: list(fixing.excluded(self.needed)) for fixing in self.fixings}
        nodes = self.tree.nodes()
        for number, leaf in self.found.items():
            nodes[number] = leaf
        nodes, bounds = chained(nodes, self.tree.bounds, chains)
        if self.needed is not None:  # inner nodes have their bounds from all that is out
            bounds = {number: bounds[number] for number in bounds if number == 0}
        tree = [_closing(self.instance, node) for node in nodes]
        return Proof(
            self.solution,
            self.objective,
            Certificate(claim(self.lower_bound), tree, self.tree.cuts),
            self.termination,
            self.tree.explored,
            len(self.master.columns),
            self.failure,
            {i: (bound, _prohibitive(self.instance, leaf)) for i, (bound, leaf) in bounds.items()},
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


def _leaves(
    nodes: Sequence[Charged | Divided | Enumeration],
) -> Iterator[tuple[int, tuple[Step, ...], Charged]]:
    """The leaves of a tree that are not below an enumeration: number, branches above, and leaf."""
    pending: list[tuple[int, tuple[Step, ...]]] = [(0, ())]
    for number, path in pending:
        node = nodes[number]
        if isinstance(node, Divided):
            branch = node.branch.device, node.branch.subtask, node.branch.places
            pending += [(node.equal, (*path, (*branch, True))), (node.different, (*path, (*branch, False)))]
        elif isinstance(node, Charged):
            yield number, path, node


def _largest(instance: Instance) -> int:
    """Subtasks of the largest task."""
    return max(group.application.size for group in instance.groups)


class _Fixing:
    """Reduced-cost fixing: sides of subtasks, and columns, that no solution below a node, and better than a
    cutoff, has."""

    def __init__(
        self,
        master: Master,
        top: Open[_Reached],
        above: Restrictions | None,
        cutoff: float,
        stop: Callable[[], bool],
    ) -> None:
        instance = self.instance = master.instance
        self.number, self.path, self.prices = top.number, top.state.path, top.state.node.prices
        self.master, self._above = master, above
        begun = time.perf_counter()
        self.bound, found = master.lagrangian(self.prices, above)
        self.least, self.columns, self.cutoff, self.applied = found.value, set[int](), cutoff, cutoff
        gap = max(cutoff - self.bound, 0.0)
        self.tolerance = ROUGHLY_FIXED * gap
        self.ceilings = self.least + BEYOND * gap
        # For each subtask and place, local last: what it adds at least to the device's least.
        self.slack = [np.zeros((*group.work.shape, instance.num_points + 1)) for group in instance.groups]
        self.restrictions: Restrictions | None = None
        cheap: list[tuple[int, tuple[int, ...]]] = []
        if self.pricings(instance) * master.seconds > LONG:
            cheap = master.cheap(self.prices, self.least + CERTAIN * gap, self.path)
        local = np.zeros(instance.num_points + 1, dtype=np.bool_)
        local[LOCAL] = True
        for k in range(_largest(instance)):
            for side in (local, ~local):
                if not stop():
                    self._price(k, side, {m for m, places in cheap if k < len(places) and side[places[k]]})
        self.seconds = time.perf_counter() - begun

    @staticmethod
    def pricings(instance: Instance) -> int:
        """How often all devices are priced: for two sides of each subtask."""
        return 2 * _largest(instance)

    def _price(self, k: int, side: NDArray[np.bool_], cheap: set[int]) -> None:
        """For a side of a subtask, except where a cheap column has it."""
        restrictions, ceilings = Restrictions(self.instance, self._above), self.ceilings.copy()
        ceilings[list(cheap)] = -np.inf
        having = [(g, group) for g, group in enumerate(self.instance.groups) if k < group.application.size]
        for g, _ in having:
            restrictions.limit(g, k, side)
        found = price(
            *(self.instance, self.prices, restrictions, self.master.effort),
            tolerance=self.tolerance,
            stopped=self.master.stopped,
            threads=self.master.threads,
            ceilings=ceilings,
            learnt=self.master.learnt,
        )
        slack = np.where(ceilings > -np.inf, found.value - self.least, 0.0)
        for g, group in having:
            self.slack[g][:, k, side] = slack[group.members, None]

    def apply(self, cutoff: float) -> None:
        """Leave out what costs at least the cutoff."""
        self.applied = cutoff
        allowed = [slack <= cutoff - self.bound for slack in self.slack]
        self.restrictions = Restrictions.of(self.instance, allowed)
        self.columns = self.master.dear(self.prices, self.least + (cutoff - self.bound))

    def out(self) -> Iterator[tuple[tuple[int, int, bool], float]]:
        """The sides that are out, and were not before: device, subtask, whether it is local; and the bound of
        each."""
        linked = self.instance.devices.connected_to != LOCAL
        for group, slack in zip(self.instance.groups, self.slack, strict=True):
            adds = slack[:, :, [0, LOCAL]]
            out = (adds > self.applied - self.bound) & np.isfinite(adds) & linked[group.members, None, None]
            for i, k, local in np.argwhere(out).tolist():
                yield (int(group.members[i]), k, bool(local)), self.bound + float(adds[i, k, local])

    def excluded(self, needed: set[tuple[int, int, bool]] | None) -> Iterator[Excluded]:
        """Those, or some of them, as branches."""
        leaf = Charged(self.prices)
        for side, bound in self.out():
            if needed is None or side in needed:
                m, k, local = side
                yield Excluded(At(m, k, frozenset([LOCAL])), local, bound, leaf)
