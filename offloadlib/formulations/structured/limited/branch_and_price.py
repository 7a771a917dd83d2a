r"""Branch-and-price for instances of format 2: every limit has a price, every device an exact problem.

The tree, the loop and the proofs are those of :mod:`..decomposition.branch_and_price`, without all that
needs points that differ in speed alone: pooling, counts, and the finish by patterns. A node is bounded by
column generation (:mod:`.master`). Where it has to be divided, a subtask of a device that the master
splits is at a place or not, or the device is refused or not. A node is infeasible where its charge proves
that without costs, and a tree of such nodes alone proves that there is no solution.

**All decisions.** Where all tasks have one subtask, as in assignment problems, pricing adds nothing to the
bound of a linear program, and branching raises it slowly. But decisions are few there: all that can be part
of a better solution than the incumbent go into the master, whose mixed-integer program is the whole instance
then. What HiGHS says of that is a bound too, but a claim, which a certificate cannot state: only
:func:`solve` counts it.

**Few devices.** Where decisions that the gap leaves can be listed, :mod:`.finish` searches through all of
them, with cuts. If that takes more than half of the time and no certificate is asked for, the program of all
devices has the rest.

**The largest cost.** Where it counts, little of a linear program is whole, and rounding it finds little. The
least sum of costs below a ceiling (:mod:`.ceiling`) finds more: the ceiling is first what would be optimal,
and then halfway to that. That nothing is below a ceiling is a bound, too, which no certificate can state:
only :func:`solve` counts it.

**Sums that are too large by a hair.** Limits are exact, the master has tolerances. A whole solution of the
master that breaks a limit is none: prices on that limit alone prove it where no other decisions use less, and
else a subtask that is not settled yet is branched on.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offloadlib.instances import LOCAL, Budget, Instance, Progress, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import called_for, of_format_2
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import REFUSED, SUBTASKS, Places
from offloadlib.instances.structured.options import options
from offloadlib.instances.structured.subset import subset

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
from ...engine.columns import ROUND_GAP
from ...engine.outcome import Run, TooManyDecisions, concluded, errors
from ...engine.tree import Open, Tree
from ...engine.trust import SolverError
from ...proofs.nodes import Enumeration, Proof, claim
from ..certificate import WHOLE, Certificate, Charge, KnapsackCut, Refused, shortened
from ..certificate import Places as At
from ..decomposition.master import Branch, Step
from ..decomposition.pricing import NEVER
from ..milp import arrays
from .annealing import MOST_SWEEPS, annealed, cheapest
from .balance import Balance
from .ceiling import Below
from .columns import Columns, valued
from .decisions import MOST_LISTED, Decisions, Lister, all_listed
from .exchange import exchanged
from .filling import filled
from .finish import LARGEST, LimitedFinish, Remaining
from .knapsack import few
from .lagrangian import ROUNDING, Bounded, Lagrangian
from .master import ALL, Master, Node, branches, splits
from .meeting import several
from .misses import nearest_misses
from .pricing import Branches
from .renewal import renewed
from .repair import Repair
from .rough import rough
from .settling import settled
from .variants import add_variants

AT_ROOT = 0.3
"""Share of the time limit after which the root's column generation waits for better incumbents."""

ROUGH_SEARCH, FINER_SEARCH = 20_000, 100_000
"""Effort for a device's decision at first, as for :func:`.pricing.price`, and for a bound of many devices."""

LARGE, SAMPLE = 5000, 2000
"""Devices from which on prices come from a sample and by smoothing (:mod:`.balance`), and devices in it."""

SMOOTHED, BALANCING = 300, 0.25
"""Devices from which on prices are smoothed before column generation, and the share of the time for that."""

ROUGHLY = 1e-4
"""Relative gap of such a sample: its prices are not those of all devices anyway."""

IN_SAMPLE, HALFWAY = 0.2, 0.5
"""Shares of the time that is left, or of all, for such prices; and for prices where there are no branches, or
hardly any, as with many devices."""

DEAR = 10.0
"""What artificial columns cost at first, relative to the greatest cost of a device alone."""

COMPLETE_SHARE = 0.7
"""Of the time that is left, for that program where it is complete and its bound counts."""

RENEWAL, LAST_RENEWAL = 0.1, 0.9
"""Shares of the time that is left, in which some devices after others decide anew: before that program, which
begins with what that finds, and after it, with what it found."""

FIRST_SHARE, GROWTH, UNKNOWN = 1 / 16, 1.5, 0.2
"""The first ceiling of a finish, relative to the gap; and that relative to the bound where there is no
incumbent."""

FINISHING, AS_PROGRAM = 0.5, 0.9
"""Share of the time for the finish of few devices, where no certificate is asked for or the incumbent is not
:data:`CLOSE`; and of what is left then for the program of all devices (:mod:`..milp.arrays`), whose bound no
certificate can state."""

CLOSE = 0.05
"""Relative gap of a root from which on better incumbents are sought elsewhere, too."""

LONGEST_CHECKED = 8
"""Subtasks of tasks whose decisions the checker lists in time."""

LESS = 0.5
"""Times the gap at which a node left too many decisions for a finish, at which it is tried again."""

HIGH = 2.0**20
"""A price at which a hair is something."""

ANNEALING, MOST_ANNEALING = 0.1, 5.0
"""Share of the time that is left for annealing, and seconds at the most."""

PATIENT_SWEEPS = 8000
"""Of annealing, for each device, over all decisions: several limits on few devices, as in knapsacks of many
dimensions, are met by slow cooling alone."""

NEAR, NEARLY = 24, (3e-4, 3e-3)
"""Prices near the best ones at which devices are asked for more decisions, and how far from them they are,
relatively."""

FILLING = 0.7
"""Share of the time that is left, which is left after filling up limits."""

EXCHANGES = 0.8
"""Share of the time that is left for exchanges."""

VARIANTS, VARIED, VARIED_FILLING, DEAREST = 8, 2, 0.35, 0.1
"""Times that variants of several devices' decisions are sought and limits filled up with them, and of these
in a row that gain nothing; the share of the time that is left for each, and of the gap, which a variant's
reduced cost comes to at the most."""

ROUGHLY_ASKED, FAR = 1e-3, 3e-3
"""How nearly best the decisions are that devices are asked for so that they fit together, relative to the
bound; and how far from the prices at which they turn, relatively."""

SCARCE = 1.1
"""Times that all prices rise where a limit cannot be kept: there has to be room for what moves."""

TURNS, MOST_TURNS = 30, 60
"""Times that they are asked: after a solution is found, and in all."""

LEVELLING, MOST_LEVELLING = 0.4, 20.0
"""Share of the time that is left for solutions below a ceiling, and seconds."""

WHATEVER = 1.0 - 1e-9
"""A gap at which any solution will do."""

TIGHTER = (0.0, 1e-9, 1e-7)
"""Relative: limits of that program are tightened by so much where its solution breaks exact ones."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve an instance of format 2 by branch-and-price."""
    begun = time.perf_counter()
    return _result(
        instance, _searched(instance, budget.start, budget, BranchAndPrice.run, certify=False), begun
    )


def solve_by_prices(instance: Instance, budget: Budget) -> Result:
    """Solve an instance of format 2 by prices alone, without branches; they are a bound, too."""
    begun = time.perf_counter()

    result = _result(instance, _searched(instance, budget.start, budget, _prices_alone), begun)
    return replace(result, termination=_without_branches(result.termination))


def _prices_alone(search: BranchAndPrice) -> Termination:
    charge = search.begin()
    return Termination.FINISHED if charge is None else search.improve(charge)


def _without_branches(termination: Termination) -> Termination:
    return Termination.FINISHED if termination is Termination.STALLED else termination


def _result(instance: Instance, search: BranchAndPrice, begun: float) -> Result:
    proof = search.proof()
    bound = max(proof.certificate.lower_bound, search.lower_bound)
    seconds = time.perf_counter() - begun
    run: dict[str, Any] = {
        "nodes": proof.nodes,
        "columns": proof.columns,
        **proof.told,
        **errors((proof.failure,) if proof.failure else ()),
    }
    return Result.of(instance, proof.solution, seconds, bound, proof.termination, **run)


def prove(instance: Instance, start: Solution | None, budget: Budget) -> Proof[Certificate]:
    """As :func:`..decomposition.branch_and_price.prove`, of an instance of format 2."""
    return _searched(instance, start, budget, BranchAndPrice.run).proof()


def prove_below(ceiling: float, instance: Instance, start: Solution, budget: Budget) -> Proof[Certificate]:
    """Bound the least sum of costs from below, over the solutions in which no device costs more.

    Parameters
    ----------
    ceiling
        The most that a device may cost, its weight included.
    instance
        The instance, of any format, with the objective ``sum``.
    start
        A solution that keeps it.
    budget
        Time limit, gap, seed and threads.

    Returns
    -------
    Proof
        Its solution keeps the ceiling, and its certificate says that it is about such alone.
    """
    proof = _searched(instance, start, budget, BranchAndPrice.run, ceiling=ceiling).proof()
    return replace(proof, certificate=replace(proof.certificate, largest=ceiling))


def _searched(
    instance: Instance,
    start: Solution | None,
    budget: Budget,
    run: Callable[[BranchAndPrice], Termination],
    certify: bool = True,
    ceiling: float = math.inf,
) -> BranchAndPrice:
    with alarm(budget.time_limit) as passed:
        search = BranchAndPrice(instance, start, budget, passed, certify, ceiling)
        search.termination, search.failure = concluded(lambda: run(search))
    return search


def best_prices(instance: Instance, start: Solution, budget: Budget) -> tuple[float, Charge] | None:
    """The best bound without branches that was found in time, and its prices; None where there are none."""
    with alarm(budget.time_limit) as passed:
        search = BranchAndPrice(instance, start, budget, passed)
        try:
            charge = search._alone()
            if charge is None:
                return None
            node = search._bound(0, (), Node(-math.inf, charge)).state.node
        except OutOfTime:
            return None
    return (node.bound, node.charge) if math.isfinite(node.bound) else None


_Reached = Reached[Step, Node]


def _very_many(instance: Instance) -> bool:
    """Whether there are too many devices for a linear program of all of them."""
    return of_format_2(instance) and instance.num_devices > LARGE and not instance.by_largest


class BranchAndPrice(Run[Solution | None]):
    def __init__(
        self,
        instance: Instance,
        start: Solution | None,
        budget: Budget,
        stopped: NDArray[np.bool_] = NEVER,
        certify: bool = True,
        ceiling: float = math.inf,
    ) -> None:
        super().__init__(instance, budget, start)
        self.instance, self.certify, self._stopped, self.ceiling = instance, certify, stopped, ceiling
        given = Limits(instance), stopped, budget.threads
        self.lagrangian = (
            Lagrangian(*given, effort=ROUGH_SEARCH)
            if ceiling == math.inf
            else Below(*given, effort=ROUGH_SEARCH, ceiling=ceiling)
        )
        self.termination, self.failure = Termination.FINISHED, ""
        self.tree: Tree[Charge, _Reached] = Tree(self.lagrangian.free(self._first_shares()))
        self.master: Master | None = None
        self._turning: Floats | None = None
        self._manageable, self._cuts = math.inf, dict[int, KnapsackCut]()

    def _first_shares(self, device: int = 0) -> Ints | None:
        """All of the objective is a device's, where the largest cost counts."""
        if not self.instance.by_largest:
            return None
        shares = np.zeros(self.instance.num_devices, dtype=np.int64)
        shares[device] = WHOLE
        return shares

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""
        if self.solution is None:
            return math.inf
        return self.objective - max(self.budget.gap, 0.5 * OPTIMAL_GAP) * abs(self.objective)

    @property
    def fixing_cutoff(self) -> float:
        """A solution that costs as much need not be found; halfway between cutoff and incumbent."""
        return 0.5 * (self.cutoff + self.objective)

    @property
    def _at_root(self) -> float:
        """The share of the time limit for the root's column generation."""
        return HALFWAY if self.instance.num_devices >= SMOOTHED else AT_ROOT

    @property
    def _enough(self) -> float:
        """A solution that costs no more closes the gap."""
        bound = self.lower_bound
        return bound + 0.99 * self.budget.gap * abs(bound)

    @property
    def _known(self) -> Master:
        assert self.master is not None
        return self.master

    # The search ---------------------------------------------------------------------------------------

    def run(self) -> Termination:
        charge = self.begin()
        if charge is None:
            return Termination.FINISHED
        if self.large:
            return self._ended()
        root = self._bound(0, (), Node(-math.inf, charge), share=self._at_root)
        if root.bound < self.cutoff:
            complete = self._complete(root.state.node)
            self._construct(root.state.node, complete)
            counted = complete and not self.certify
            if complete:
                before = self.objective
                if counted and self.lower_bound < self.cutoff:
                    self._round(root.state.node, counted, self.seconds)  # many end here
                if self.objective == before:
                    self._renew(root.state.node, RENEWAL)
            else:
                self._exchange(root.state.node)
                if self._finished_at_once():
                    return self._ended()
            if self.lower_bound < self.cutoff:
                self._round(root.state.node, counted)
            if complete:
                self._renew(root.state.node, LAST_RENEWAL if counted else RENEWAL, counted)
            if few(self.instance) and not self.certify:
                self._program()
            if self.lower_bound >= self.cutoff:
                self.report()
                return Termination.FINISHED
        if self.late(self._at_root):
            self._again()
        elif root.bound < self.cutoff:
            self._dive(root.state)
        for leaf in explored(self.tree, lambda: self.cutoff, self.stop, self._seek):
            if not self._finish(leaf):
                self._branch(leaf)
        return self._ended()

    def _finished_at_once(self) -> bool:
        """Whether the root is finished."""
        finished = False
        if few(self.instance) and not several(self.instance):
            near = self.cutoff <= self.tree.bound + CLOSE * abs(self.tree.bound)
            share = 1.0 if self.certify and near else FINISHING
            for leaf in islice(self.tree.explore(lambda: self.cutoff, self.stop), 1):
                finished = self._finish(leaf, share)
                if not finished:
                    self.tree.give_back(leaf)
        return finished

    @called_for(few)
    def _finish(self, leaf: Open[_Reached], share: float = 1.0) -> bool:
        """Search all that costs less than some ceiling below the leaf in hand, first a low one and then
        higher ones, while that is not too much, for a share of the time; whether that was all there is to
        look for. If not, the leaf is still in hand."""
        gap = min(self.cutoff, leaf.bound + UNKNOWN * abs(leaf.bound)) - leaf.bound
        if not few(self.instance) or self.ceiling < math.inf or not gap < self._manageable:
            return False
        if self.certify and max(one.size for one in self.instance.applications) > LONGEST_CHECKED:
            return False
        charge, left = leaf.state.node.charge, branches(self.lagrangian, leaf.state.path)
        found, part, aside = self.lagrangian.evaluate(charge, left), FIRST_SHARE, list[Any]()
        while found.bound < math.inf and part <= 1.0 and not self.late(share):
            most = found.bound + part * gap
            if self.fixing_cutoff <= found.bound + GROWTH * part * gap:
                most = self.fixing_cutoff
            following = found.bound + GROWTH**2 * part * gap
            below = None
            try:
                remaining = self._remaining(found, charge, left, most - found.bound)
                if remaining is None:
                    break
                below = self.tree.subtree(charge)
                below.leave_out(most)
                given = self.lagrangian, remaining, most, following, self._cuts, share
                finish = LimitedFinish(self, below, *given)
                finish.run(charge)
            except (OutOfTime, KeyboardInterrupt, SolverError):
                if aside and (below is None or below.bound < self.tree.bound):
                    self.tree.put_back(leaf, aside)
                raise
            self._cuts = finish.useful
            if self.cutoff <= min(most, below.bound):
                return True
            aside = self.tree.set_aside(leaf, charge, aside)
            part *= GROWTH
        if aside and self.late():
            self.tree.put_back(leaf, aside)
            return True
        if leaf.number == 0 and not self.certify:
            self.prove(self.tree.bound)
        self._manageable = LESS * gap
        self.tree.restart(leaf)
        return False

    def _remaining(self, found: Bounded, charge: Charge, left: Branches, gap: float) -> Remaining | None:
        """The decisions of solutions that cost less than so much above a bound; None if these are too many,
        or none of a device."""
        lister, lists, room = Lister(self.instance, self._stopped, left), list[Decisions](), LARGEST
        try:
            for m, top in enumerate((found.value + gap * (1 + ROUNDING)).tolist()):
                some = lister.fitting(m, charge.prices, top, self._known.limits.right, room)
                room -= len(some)
                lists.append(some)
        except TooManyDecisions:
            return None
        return Remaining.of(lists) if all(map(len, lists)) else None

    def begin(self) -> Charge | None:
        """Rough prices and first solutions; None where no device can be served alone."""
        charge = self._alone()
        if charge is not None:
            self._construct(Node(self.tree.bound, charge))
            self.report()
        return charge

    def improve(self, charge: Charge) -> Termination:
        """Better prices without branches, and solutions from them."""
        if not self.large:
            node = self._bound(0, (), Node(-math.inf, charge), share=HALFWAY).state.node
            if node.bound < self.cutoff:
                self._construct(node)
                self._level(_prices_alone)
        return self._ended()

    def take(self, solution: Solution | None) -> bool:
        """Columns may be above the ceiling by a hair; a solution may not."""
        within = solution is not None and (
            self.ceiling == math.inf or evaluate(self.instance, solution).largest <= self.ceiling
        )
        return within and super().take(solution)

    @property
    def large(self) -> bool:
        return self.ceiling == math.inf and _very_many(self.instance)

    def _ended(self) -> Termination:
        self.report()
        if self.lower_bound >= self.cutoff:
            return Termination.FINISHED
        # Else pricing was cut short, and branching cannot mend that.
        return Termination.TIME_LIMIT if self.late() else Termination.STALLED

    def _seek(self, at: _Reached) -> None:
        self._dive(at)
        self._round(at.node)
        self._level(BranchAndPrice.run)

    def _dive(self, at: _Reached) -> None:
        dive(at, lambda node: node.bound >= self.cutoff or self.late(), self._split, self._dived)

    def _again(self) -> None:
        """Go on with a root that took its share of the time, now that there are better incumbents."""
        for leaf in islice(self.tree.explore(lambda: self.cutoff, self.late), 1):
            self._bound(leaf.number, (), leaf.state.node)

    def _alone(self) -> Charge | None:
        """The bound of each device alone, and a charge to begin with; None where that is proof enough."""
        first = self.lagrangian.evaluate(self.lagrangian.free())
        if first.bound == math.inf:
            charge = self.lagrangian.nowhere
            self.tree.bounded(0, math.inf, charge, Reached((), Node(math.inf, charge)))
            return None
        bottom = int(np.argmax(first.value))
        charge, floor = self.lagrangian.free(self._first_shares(bottom)), first.bound
        if self.instance.by_largest:
            floor = float(first.value[bottom] - 2 * ROUNDING * abs(first.value[bottom]))
        self.tree.improve(floor, charge)
        sizes = np.abs(first.found.cost)
        size = float(sizes.max() if self.instance.by_largest else sizes.sum())
        if self.solution is not None:
            size = max(size, abs(self.objective))
        self.master = Master(self.lagrangian, size or 1.0, DEAR * float(sizes.max()) or 1.0, (floor, bottom))
        self.master.add(first.found, first.some)
        if self.solution is not None:
            self.master.take(self.solution)
        return self._rough(first, charge)

    def _rough(self, first: Bounded, charge: Charge) -> Charge:
        """Rough prices to begin with, their decisions in the master."""
        best, bound = charge, -math.inf
        if self.large:
            return self._spread()
        for tried, found in rough(self.lagrangian, first, charge, self.late):
            self._known.add(found.found, found.some)
            if found.bound > bound:
                best, bound = tried, found.bound
        self.tree.improve(bound, best)
        if self.instance.num_devices >= SMOOTHED and not self.instance.by_largest:
            balance = self._balance(self.budget.gap, BALANCING)
            if balance.begin(best):
                best = balance.prices()
        return best

    def _bound(self, number: int, path: tuple[Step, ...], above: Node, share: float = 1.0) -> Open[_Reached]:
        node = self._known.generate(
            path,
            above.charge,
            cutoff=self.cutoff,
            stop=lambda: self.late(share),
            patience=PATIENCE if path else PATIENCE_AT_ROOT if share == 1.0 else 0.0,
            floor=above.bound,
        )
        if node.whole:
            node = self._accepted(node, path)
        leaf = self.tree.bounded(number, node.bound, node.charge, Reached(path, node))
        self.report()
        return leaf

    def _accepted(self, node: Node, path: tuple[Step, ...]) -> Node:
        """Take a whole solution; where it breaks a limit by a hair, that may prove that there is none."""
        table = self._table(node.used)
        if self.offer(table):
            return node
        for limit in self._broken(table):
            prices = np.zeros(len(self._known.limits))
            prices[limit] = HIGH
            left = branches(self.lagrangian, path)
            least = self.lagrangian.evaluate(Charge(prices), left, costless=True)
            if least.some.all() and limit in self._broken(least.found.table):
                return Node(math.inf, Charge(prices, infeasible=True))
        return node

    def _table(self, used: Ints) -> Places:
        """The decisions of one column for each device, in any order."""
        columns = self._known.columns
        return columns.table[used[np.argsort(columns.device[used])]]

    def _broken(self, table: Places) -> list[int]:
        """The limits that decisions break."""
        limits = self._known.limits
        broken = evaluate(self.instance, limits.solution(table)).violations
        called = {(each.limit, each.name) for each in broken}
        return [
            i for i, name in enumerate(limits.names) if not called.isdisjoint(_called(name, self.instance))
        ]

    def breaks(self, table: Places) -> bool:
        """Whether decisions break a limit on what subtasks demand, in exact arithmetic."""
        demanded = {limit.entry for limit in self._known.limits.demanded}
        return not demanded.isdisjoint(self._broken(table))

    def offer(self, table: Places) -> bool:
        """Take decisions if they are better than the incumbent; whether they keep all limits."""
        solution = self._known.limits.solution(table)
        if self.take(solution):
            self.report()
            return True
        return self.instance.evaluate(solution).feasible

    def _spread(self) -> Charge:
        """Prices that are best for some of the devices, then for all, and a first choice."""
        devices, draw = self.instance.num_devices, np.random.default_rng(self.budget.seed)
        some = np.sort(draw.permutation(devices)[:SAMPLE])
        budget = Budget(time_limit=IN_SAMPLE * self.left, gap=self.budget.gap, threads=self.budget.threads)
        sample = BranchAndPrice(subset(self.instance, some), None, budget, self.lagrangian.stopped)
        sample.lagrangian.share = SAMPLE / devices
        charge = sample._alone()
        if charge is None:
            return self.lagrangian.free()
        balance = sample._balance(ROUGHLY, 1.0)
        if balance.begin(charge):
            charge = balance.prices()
        balance = self._balance(self.budget.gap, HALFWAY)
        if balance.begin(charge):
            self._settle(balance.turning())
            charge = balance.prices()
            self._turning = balance.turning()
        return charge

    def _balance(self, gap: float, share: float) -> Balance:
        """Prices to such a gap, for a share of the time."""
        known = self.lagrangian, self._known.columns
        return Balance(*known, self._answered, gap, self.budget.seed, lambda: self.late(share))

    def _answered(self, found: Bounded, charge: Charge) -> None:
        self._known.add(found.found, found.some)
        self.tree.improve(found.bound, charge)
        self.report()

    # Branches -----------------------------------------------------------------------------------------

    def _branch(self, leaf: Open[_Reached]) -> None:
        node, path = leaf.state.node, leaf.state.path
        branch = self._choice(leaf.state)
        if branch is None:  # nothing is split: the bound cannot be raised by branching
            return
        children = self.tree.divide(node.charge, Refused(branch[0]) if branch[1] == ALL else At(*branch))
        for number, inside in zip(children, (True, False), strict=True):
            self._bound(number, (*path, (*branch, inside)), node)

    def _choice(self, at: _Reached) -> Branch | None:
        """The split place, or refusal, whose branches raise the known columns' program most."""
        return (None if at.node.whole else self._strongest(at)) or self._unsettled(at)

    def _strongest(self, at: _Reached) -> Branch | None:
        columns, node, bound = self._known.columns, at.node, at.node.bound
        of = columns.device[node.used], columns.table[node.used]
        ranked = list(splits(self.instance, *of, node.weights))
        if len(ranked) > 1:
            self._known.restrict(at.path)
        least = LEAST_GAIN * abs(bound) or LEAST_GAIN
        return strongest(ranked, partial(self._known.gains, bound=bound), least, self.cutoff - bound)

    def _unsettled(self, at: _Reached) -> Branch | None:
        """A place that is not settled yet, of a device that a broken limit is used most by."""
        left, instance, known = branches(self.lagrangian, at.path), self.instance, self._known
        order = range(instance.num_devices)
        table: Places | None = None
        if at.node.whole:
            table = self._table(at.node.used)
            broken = self._broken(table)
            if not broken:
                return None
            used = known.columns.use[known.columns.of(table)][:, broken].sum(axis=1)
            order = np.argsort(-used, kind="stable").tolist()
        of = {
            m: (g, i) for g, group in enumerate(instance.groups) for i, m in enumerate(group.members.tolist())
        }
        for m in order:
            g, row = of[m]
            if left.may_serve[m] and left.may_refuse[m]:
                return m, ALL, frozenset()
            if not left.may_serve[m]:
                continue
            allowed = options(instance, g, slice(row, row + 1)).allowed[0]
            for k, (places, kept) in enumerate(zip(allowed, left.of_device(g, row), strict=True)):
                some = np.flatnonzero(places if kept is None else places & kept)
                if len(some) > 1:
                    place = int(some[0]) if table is None else int(table[m, k])
                    return m, k, frozenset([place if place < instance.num_points else LOCAL])
        return None

    # Incumbents ---------------------------------------------------------------------------------------

    def _level(self, run: Callable[[BranchAndPrice], Termination]) -> None:
        """Solutions whose dearest device costs less, where that counts: by searches below ceilings, that of
        an optimum first, and then halfway to it, until nothing is found."""
        ceiling, halved = math.inf if self.solution is None else self._enough, False
        while self.instance.by_largest and self.lower_bound < self.cutoff and not self.late():
            search = self._below(ceiling, run)
            found = self.take(search.solution)
            if search.lower_bound == math.inf > ceiling and not self.certify:
                self.prove(ceiling)
            self.report()
            if not found and (halved or ceiling == math.inf):
                return
            halved = math.isfinite(ceiling)
            ceiling = 0.5 * (self.lower_bound + self.objective) if halved else self._enough

    def _below(self, ceiling: float, run: Callable[[BranchAndPrice], Termination]) -> BranchAndPrice:
        """A search for any solution in which no device costs more."""
        seconds = min(LEVELLING * self.left, MOST_LEVELLING)
        budget = Budget(time_limit=seconds, gap=WHATEVER, seed=self.budget.seed, threads=self.budget.threads)
        by_sum = replace(self.instance, objective="sum")
        search = BranchAndPrice(by_sum, None, budget, self.lagrangian.stopped, False, ceiling)
        with suppress(OutOfTime, SolverError):
            run(search)
        return search

    def _construct(self, node: Node, complete: bool = False) -> None:
        """A solution from the likeliest column of each device, repaired and improved, and by filling up and
        annealing; where all decisions are known, by patient annealing."""
        if self._turning is not None:
            self._settle(self._turning, TURNS)
            self._finer(node)
            return
        columns, priced = self._known.columns, self._priced(node.charge)
        if len(np.unique(columns.device)) < self.instance.num_devices:
            return  # some device has no decision that anybody knows
        weight = np.zeros(len(columns))
        weight[node.used] = node.weights
        order = np.lexsort((priced, -weight, columns.device))
        first = np.searchsorted(columns.device[order], np.arange(self.instance.num_devices))
        prices = node.charge.prices
        repair = Repair(self.lagrangian, columns, prices, late=self.late)
        repair.begin(order[first])
        if repair.repaired():
            repair.improved()
            self.offer(columns.table[repair.chosen])
        if self.instance.by_largest or node.bound >= self.cutoff:
            return
        if len(node.used) and not complete:
            self._fill(node, order[first])
            if self.lower_bound >= self.cutoff:
                return
        seconds = min(ANNEALING * self.left, MOST_ANNEALING)
        sweeps = PATIENT_SWEEPS * self.instance.num_devices if complete else MOST_SWEEPS
        best = annealed(self.lagrangian, columns, prices, repair.chosen, seconds, self.budget.seed, sweeps)
        if best is not None:
            self.offer(columns.table[best])

    @called_for(_very_many)
    def _settle(self, prices: Floats, more: int = 0) -> None:
        """Solutions of very many devices: choices that keep all limits, with what devices want near some
        prices. Until there is one they are asked where all is a little dearer, and twice as dear what is used
        too much; then so many times more."""
        known, draw, right = self._known, np.random.default_rng(self.budget.seed), self.lagrangian.right
        finite, dearer = self.lagrangian.finite, prices.copy()
        least = float(prices @ right) / max(len(finite), 1) / np.where(right > 0, right, 1.0)
        for turn in range(MOST_TURNS):
            if self.lower_bound >= self.cutoff or self.late():
                return
            seed = self.budget.seed + turn
            chosen, kept = settled(self.lagrangian, known.columns, dearer, self.late, seed)
            if kept and self.offer(known.columns.table[chosen]):
                more -= 1
                if more < 0:
                    return
                dearer = prices.copy()
                self._ask(prices * np.exp(FAR * draw.standard_normal(len(prices))), ROUGHLY_ASKED)
                continue
            used = known.columns.use[chosen].sum(axis=0)
            broken = finite[used[finite] > right[finite]]
            dearer *= SCARCE
            dearer[broken] = np.maximum(2.0 * dearer[broken], least[broken])
            self._ask(dearer, ROUGHLY_ASKED)

    def _finer(self, node: Node) -> None:
        """A better bound at the end, where there is time."""
        if self.lower_bound < self.cutoff and not self.late():
            self.lagrangian.effort = FINER_SEARCH
            self._answered(self.lagrangian.evaluate(node.charge), node.charge)

    def _ask(self, prices: Floats, precision: float = 0.0) -> Bounded:
        """What devices want at some prices, up to a share of the bound; they become columns."""
        charge = Charge(shortened(prices))
        found = self.lagrangian.evaluate(charge, None, precision * abs(self.tree.bound))
        self._known.add(found.found, found.some)
        return found

    def _fill(self, node: Node, chosen: Ints, varied: Columns | None = None, turn: int = 0) -> None:
        """A solution that leaves next to nothing of what has a price, beginning with any choice of columns:
        those known, or others that have all variants, turn by turn."""
        until = FILLING * self.left
        if varied is not None:  # no longer than all before: small instances are better divided
            until = self.left - min(VARIED_FILLING * self.left, self.seconds)
        columns = self._known.columns if varied is None else varied
        best = filled(
            *(self.lagrangian, columns, node.charge.prices, chosen, self._enough),
            lambda: self.left < until or self.late(),
            self.budget.seed + turn,
            varied is not None,
        )
        if best is not None:
            self.offer(columns.table[best])

    def _exchange(self, node: Node) -> None:
        """Solutions by exchanges, with decisions that devices want at prices near those of the node, too."""
        if self.solution is None or self.instance.by_largest or self.lower_bound >= self.cutoff:
            return
        draw, prices = np.random.default_rng(self.budget.seed), node.charge.prices
        for far in np.geomspace(*NEARLY, NEAR):
            if self.late():
                return
            self._ask(prices * np.exp(far * draw.standard_normal(len(prices))))
        known = self._known
        self._fill(node, known.columns.of(known.limits.table(self.solution)))
        if self.lower_bound < self.cutoff:
            self._offer_exchanged(node, self._vary(node) if several(self.instance) else known.columns)

    @called_for(several)
    def _vary(self, node: Node) -> Columns:
        """Solutions by filling up with decisions that differ from the incumbent's in one subtask, too; these,
        and all that are known."""
        columns, limits, idle = self._known.columns.copy(), self._known.limits, 0
        for turn in range(1, VARIANTS + 1):
            assert self.solution is not None
            before, most = self.objective, DEAREST * (self.objective - node.bound)
            add_variants(columns, limits.table(self.solution), node.charge.prices, most, self.late)
            self._fill(node, columns.of(limits.table(self.solution)), columns, turn)
            idle = 0 if self.objective < before else idle + 1
            if idle == VARIED or self.lower_bound >= self.cutoff or self.late():
                break
        return columns

    def _offer_exchanged(self, node: Node, columns: Columns) -> None:
        """A solution by exchanges among columns, of which the incumbent's are some."""
        if self.solution is None or self.lower_bound >= self.cutoff:
            return
        chosen = columns.of(self._known.limits.table(self.solution))
        given = self.lagrangian, columns, node.charge.prices, chosen
        best = exchanged(*given, EXCHANGES * self.left, self.budget.seed)
        if best is not None:
            self.offer(columns.table[best])

    @called_for(all_listed)
    def _renew(self, node: Node, share: float, again: bool = False) -> None:
        """Better solutions near the incumbent, over all decisions, in a share of the time that is left, or,
        where it begins ``again``, in all of that share."""
        if self.solution is None or self.lower_bound >= self.cutoff:
            return
        until, known = (1 - share) * self.left, self._known
        chosen = known.columns.of(known.limits.table(self.solution))
        best = renewed(
            *(self.lagrangian, known.columns, node.charge.prices, chosen, max(node.bound, self._enough)),
            lambda: self.left < until or self.late(),
            self.budget.seed,
            again,
        )
        self.offer(known.columns.table[best])

    def _priced(self, charge: Charge) -> Floats:
        """(P,) what known columns cost with prices."""
        columns = self._known.columns
        counted = columns.cost
        if charge.shares is not None:
            counted = counted * (charge.shares / WHOLE)[columns.device]
        priced: Floats = counted + columns.use @ charge.prices
        return priced

    def _split(self, node: Node) -> Iterator[tuple[int, Iterator[Step]]]:
        order = np.argsort(-node.weights, kind="stable")
        for i, weight in zip(node.used[order].tolist(), node.weights[order].tolist(), strict=True):
            if weight < 1 - SPLIT:
                yield int(self._known.columns.device[i]), self._settling(i)

    def _settling(self, column: int) -> Iterator[Step]:
        """The branches that leave one column to its device."""
        columns = self._known.columns
        device, row = int(columns.device[column]), columns.table[column].tolist()
        if row[0] == REFUSED:
            yield device, ALL, frozenset(), True
            return
        size = self.instance.applications[int(self.instance.devices.application[device])].size
        for k, place in enumerate(row[:size]):
            yield device, k, frozenset([place]), True

    def _dived(self, path: tuple[Step, ...], above: Node) -> Node:
        node = self._known.generate(
            path, above.charge, cutoff=self.cutoff, stop=self.late, patience=1.0, floor=above.bound
        )
        if node.whole:
            self.offer(self._table(node.used))
        return node

    def _complete(self, node: Node) -> bool:
        """Know every decision that can be part of a better solution; whether that was possible."""
        return self.ceiling == math.inf and all_listed(self.instance) and self._list(node)

    @called_for(all_listed)
    def _list(self, node: Node) -> bool:
        known, columns = self._known, self._known.columns
        gap, lister = self.objective - node.bound, Lister(self.instance, self._stopped)
        priced = self._priced(node.charge)
        least = cheapest(columns, priced)
        dear = (priced[least] + gap * (1 + ROUNDING)).tolist()
        lists: list[Places] = []
        try:
            for m, top in enumerate(dear):
                if self.late():
                    return False
                found = lister.fitting(m, node.charge.prices, top, known.limits.right, MOST_LISTED)
                lists.append(found.places)
        except (TooManyDecisions, OutOfTime):
            return False
        table = columns.table[least]
        for number in range(max(map(len, lists))):
            some = np.array([len(places) > number for places in lists])
            for m in np.flatnonzero(some).tolist():
                table[m] = lists[m][number]
            known.add(valued(known.limits, known.limits.solution(table)), some)
        return True

    def _round(self, node: Node, complete: bool = False, most: float = math.inf) -> None:
        """The mixed-integer program over the known columns, started from the incumbent, for so many seconds
        at the most.

        Where these are ``complete``, what HiGHS says of it bounds all solutions.
        """
        known, share = self._known, COMPLETE_SHARE if complete else ROUND_SHARE
        most = most if complete else min(most, ROUND_SECONDS)
        if self.solution is not None:
            known.take(self.solution)
        for tighter in TIGHTER:
            if self.late():
                return
            program, some, chosen = self._restricted(node, tighter)
            start, least = None, math.inf
            if self.solution is not None and not tighter:
                start = np.arange(len(chosen)), chosen
                least = float(program.cost[: len(chosen)] @ chosen)
            try:
                outcome = highs.minimise(
                    program,
                    Budget(
                        gap=max(0.2 * self.budget.gap, ROUND_GAP),
                        seed=self.budget.seed,
                        threads=self.budget.threads,
                    ),
                    time_limit=min(share * self.left, most),
                    start=start,
                    known=partial(float, least),
                    reference=max(
                        abs(self.objective) if self.solution is not None else abs(node.bound),
                        highs.SMALLEST_REFERENCE,
                    ),
                )
            except highs.InfeasibleError:
                return
            if complete and not tighter:
                self.prove(outcome.lower_bound)
            if outcome.values is None or self.offer(
                self._table(some[np.flatnonzero(outcome.values[: len(some)] > 0.5)])
            ):
                return

    def _program(self) -> None:
        """The mixed-integer program of all devices, for most of the time that is left."""
        if self.lower_bound >= self.cutoff or arrays.obstacle(self.instance) is not None or self.late():
            return

        def told(event: Progress) -> None:
            self.report(event.objective or math.inf, event.lower_bound or -math.inf, event.solution)

        seconds = AS_PROGRAM * self.left
        budget = replace(self.budget, start=self.solution, time_limit=seconds, on_progress=told)
        result = arrays.solve(self.instance, budget)
        if result.solution is not None:
            self.take(result.solution)
            self.prove(-math.inf if result.lower_bound is None else result.lower_bound)
        self.report()
        if result.termination is Termination.INTERRUPTED:
            raise KeyboardInterrupt

    def _restricted(self, node: Node, tighter: float) -> tuple[highs.MixedIntegerProgram, Ints, Floats]:
        """The master as a mixed-integer program, the columns in it, and the values of an incumbent's."""
        known = self._known
        columns, devices = known.columns, self.instance.num_devices
        priced = self._priced(node.charge)
        least = np.full(devices, np.inf)
        np.minimum.at(least, columns.device, priced)
        kept = np.ones(len(columns), dtype=np.bool_)
        if math.isfinite(node.bound):
            kept = priced - least[columns.device] <= self.objective - node.bound
        start = np.zeros(len(columns))
        if self.solution is not None:
            mine = columns.of(known.limits.table(self.solution))
            kept[mine], start[mine] = True, 1.0
        some = np.flatnonzero(kept)
        cost, matrix = known.matrix(slice(0, len(columns)))
        cost, matrix = cost[some], matrix[some]
        above, values = known.right * (1 - tighter), start[some]
        rows = [np.ones(devices), above]
        if known.largest:
            floor = np.zeros(devices)
            z = csr_array(
                (-np.ones(devices), (np.zeros(devices, np.int64), known.cost_rows)), (1, matrix.shape[1])
            )
            matrix, cost = csr_array(vstack([matrix, z], format="csr")), np.append(cost, 1.0)
            rows.append(floor)
        upper = np.concatenate(rows)
        lower = np.full(len(upper), -np.inf)
        lower[:devices] = 1.0
        program = highs.MixedIntegerProgram(
            cost=cost,
            lower=np.zeros(len(cost)),
            upper=np.where(np.arange(len(cost)) < len(some), 1.0, np.inf),
            integer=np.arange(len(some)),
            matrix=csr_array(matrix.T),
            row_lower=lower,
            row_upper=upper,
        )
        return program, some, values

    # The end ------------------------------------------------------------------------------------------

    @property
    def lower_bound(self) -> float:
        """What the tree proves or HiGHS claims, at most the incumbent's cost."""
        return min(max(self.tree.bound, super().lower_bound), self.objective)

    def proof(self) -> Proof[Certificate]:
        """What is known."""
        bound = min(self.tree.bound, self.objective)
        return Proof(
            self.solution,
            self.objective,
            _certificate(claim(bound) if math.isfinite(bound) else bound, self.tree),
            self.termination,
            self.tree.explored,
            len(self.master.columns) if self.master is not None else 0,
            self.failure,
            self.tree.bounds,
            told=self._why(),
        )

    def _why(self) -> dict[str, Any]:
        """Why there is no solution, where that is proven."""
        if self.lower_bound < math.inf:
            return {}
        reasons = list(nearest_misses(self.instance).values())
        return {"reasons": reasons or [self._clash()]}

    def _clash(self) -> str:
        """The limits that have a price in the proof, in words."""
        limits = self.lagrangian.limits
        leaves = [node for node in self.tree.nodes() if isinstance(node, Charge)]
        paid = np.sum([leaf.prices * self.lagrangian.right > 0 for leaf in leaves], axis=0)
        paid += np.sum([leaf.prices > 0 for leaf in leaves], axis=0)
        order = np.argsort(-paid, kind="stable")
        named = [in_words(limits.names[i]) for i in order.tolist() if paid[i]]
        if not named:
            return "branches leave no decision to a device"
        return f"{'limit' if len(named) == 1 else 'limits'} that cannot be kept: {', '.join(named)}"


def _certificate(bound: float, tree: Tree[Charge, Any]) -> Certificate:
    """What a tree proves, with the cuts that have a price somewhere."""
    nodes = tree.nodes()
    charges = [node.at if isinstance(node, Enumeration) else node for node in nodes]
    used = sorted({i for charge in charges if isinstance(charge, Charge) for i in charge.cuts})
    number = {old: new for new, old in enumerate(used)}

    def numbered(node: Any) -> Any:
        if isinstance(node, Charge):
            return replace(node, cuts={number[i]: price for i, price in node.cuts.items()})
        return replace(node, at=numbered(node.at)) if isinstance(node, Enumeration) else node

    return Certificate(bound, list(map(numbered, nodes)), [tree.cuts[i] for i in used])


def in_words(name: tuple[str, ...]) -> str:
    """A limit of :attr:`~.instances.structured.limits.Limits.names`."""
    part, *names = name
    if part == "totals":
        return f"the total {names[0]}"
    if part == "limits":
        return f"limit {names[0]!r}"
    return f"{names[1] if part == 'resource' else part} of {names[0]!r}"


def _called(name: tuple[str, ...], instance: Instance) -> set[tuple[str, str]]:
    """What a violation of a limit is called."""
    part, *names = name
    if part == "resource":
        return {(names[1], names[0])}
    if part == "limits":
        return {(what, names[0]) for what in (SUBTASKS, *instance.resources)}
    return {("total" if part == "totals" else part, names[0])}
