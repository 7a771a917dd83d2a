r"""The finish of few devices: a tree over all decisions that the gap leaves, with cuts.

Where the decisions that a node's prices leave below the cutoff can be listed, what is left of an instance is

.. math::

   \min \sum_d c_d x_d :\; \sum_{d \in m} x_d = 1 \;\forall m,\quad \sum_d u_{dl} x_d \le q_l \;\forall l,
   \quad x \text{ binary}

over lists, so that pricing is a matter of looking through them, and may count whatever decisions come to: the
weights of decisions in cuts (:mod:`.knapsack`) as well. These close most of the gap where a point has room
for what few devices want, which prices alone fill up exactly. What a better bound leaves too dear comes off
the lists. Branches are those of :mod:`.branch_and_price`.

With prices :math:`\lambda \ge 0` on limits and :math:`\sigma \ge 0` on cuts the bound of a node is, as ever,
the sum of the least :math:`c_d + \lambda u_d + \sigma w_d` of the decisions left to each device, minus
:math:`\lambda q + \sigma \cdot \text{most}`.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
from scipy.sparse import csr_array

from offloadlib.instances import Budget
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import REFUSED, Places

from ...engine import highs
from ...engine.branching import LEAST_GAIN, SPLIT, explored, strongest
from ...engine.columns import (
    ROUND_GAP,
    SMOOTHING,
    UNUSED,
    ListedProgram,
    Mask,
    RestrictedMaster,
    Steps,
    generate,
)
from ...engine.tree import Tree
from ...engine.units import unit_for
from ..certificate import Charge, KnapsackCut, Refused, shortened
from ..certificate import Places as At
from ..decomposition.master import Branch
from .decisions import Decisions
from .knapsack import groups_of, violated, weights_of
from .lagrangian import ROUNDING, Lagrangian
from .master import ALL, splits

LARGEST = 100_000
"""Decisions of all devices at the most."""

STALE, IDLE = 0.01, 3
"""Cutting ends where so many rounds in a row each close no more than this share of the gap."""

SIFTED = 0.9
"""Share of the decisions from which on it is not worth it to take the others off the lists."""

PATIENCE = 0.05
"""Share of the gap of a node for which its column generation goes on."""

IN_ROUND, ROUND_SECONDS = 300, 1.0
"""Decisions of the program in which an incumbent is sought, and seconds at the most."""

NEAR_THE_END = 0.25
"""Share of the gap that is little: the search is near its end."""

FIRST_DIVE = 4
"""Nodes after which incumbents are sought again; then after four times as many, and so on."""

RELIABLE = 4
"""Times that a branch is tried before it is judged by what it has gained."""

DEAR = 10.0
"""What artificial columns cost at first, relative to the cutoff."""


@dataclass(frozen=True, eq=False)
class Remaining:
    """Decisions of all devices, one device after the other.

    Attributes
    ----------
    start
        (M,) where those of each device begin.
    device
        (T,) whose they are.
    cost, use
        (T,) without prices, (T, L) of every limit.
    table
        (T, width) the decisions.
    """

    start: Ints
    device: Ints
    cost: Floats
    use: Floats
    table: Places

    @classmethod
    def of(cls, lists: list[Decisions]) -> Remaining:
        """Those of each device, of which there are some."""
        sizes, width = [len(one) for one in lists], max(one.places.shape[1] for one in lists)
        table = np.full((sum(sizes), width), REFUSED, dtype=np.int32)
        for first, one in zip(np.cumsum([0, *sizes[:-1]]).tolist(), lists, strict=True):
            table[first : first + len(one), : one.places.shape[1]] = one.places
        return cls(
            np.append(0, np.cumsum(sizes)[:-1]),
            np.repeat(np.arange(len(lists)), sizes),
            np.concatenate([one.cost for one in lists]),
            np.concatenate([one.use for one in lists]),
            table,
        )

    def within(self, mask: Mask) -> Remaining:
        """Those in a mask, which has some of each device."""
        sizes = np.add.reduceat(mask.astype(np.int64), self.start)
        start = np.append(0, np.cumsum(sizes)[:-1])
        return Remaining(start, self.device[mask], self.cost[mask], self.use[mask], self.table[mask])

    def there(self, branch: Branch) -> Mask:
        """(T,) those of other devices, and those that are as a branch says."""
        device, subtask, places = branch
        at = [REFUSED] if subtask == ALL else list(places)
        mask: Mask = (self.device != device) | np.isin(self.table[:, max(subtask, 0)], at)
        return mask


class _Program(ListedProgram):
    """The linear program over some of what remains, and the bounds of all of it."""

    def __init__(self, lagrangian: Lagrangian, remaining: Remaining, cutoff: float) -> None:
        self.lagrangian, self.remaining = lagrangian, remaining
        finite = lagrangian.finite
        right = lagrangian.right[finite]
        self._row_scale = np.array([unit_for(value) / 1024.0 if value > 0 else 1.0 for value in right])
        self.use = remaining.use[:, finite]
        self._scaled = self.use * self._row_scale
        self.right = right * self._row_scale
        self.cuts: dict[int, KnapsackCut] = {}
        self.weights = np.empty((len(remaining.cost), 0))
        self.unit = abs(cutoff) or 1.0
        devices, scale = len(remaining.start), unit_for(self.unit)
        master = RestrictedMaster(
            "the finish", devices, self.right, scale=scale, unit=self.unit, penalty=DEAR
        )
        super().__init__(master, remaining.cost)

    def cut(self, cuts: dict[int, KnapsackCut], weights: Floats | None = None) -> None:
        """Add cuts, which have numbers in the certificate; and what decisions weigh in them (T, cuts)."""
        if weights is None:
            some = [weights_of(cut, self.remaining.device, self.remaining.use) for cut in cuts.values()]
            weights = np.column_stack(some) if some else np.empty((len(self.remaining.cost), 0))
        self.cuts |= cuts
        self.weights = np.column_stack([self.weights, weights])
        for cut, weight in zip(cuts.values(), weights.T, strict=True):
            self.master.limit(1.0, weight[self.column] / cut.most)

    def within(self, mask: Mask, cuts: Container[int], cutoff: float) -> _Program:
        """The program over the decisions in a mask alone, with the columns of these, and some cuts."""
        other = _Program(self.lagrangian, self.remaining.within(mask), cutoff)
        kept = np.array([number in cuts for number in self.cuts], dtype=np.bool_)
        some = {number: cut for number, cut in self.cuts.items() if number in cuts}
        other.cut(some, self.weights[mask][:, kept])
        number = np.cumsum(mask) - 1
        other.add(np.array([int(number[d]) for d in self.column if mask[d]]))
        return other

    def tight(self) -> set[int]:
        """The cuts that have a price in the last optimum."""
        duals = self.master.relaxed.prices[len(self.right) :].tolist()
        return {number for number, dual in zip(self.cuts, duals, strict=True) if dual > 0}

    def known(self, charge: Charge) -> Charge:
        """Without the prices of cuts that are not in the program."""
        return replace(
            charge, cuts={number: price for number, price in charge.cuts.items() if number in self.cuts}
        )

    def matrix(self, some: Ints) -> csr_array:
        """(decisions, rows) their device, what they use of each limit, and what they weigh in each cut."""
        devices = np.zeros((len(some), len(self.remaining.start)))
        devices[np.arange(len(some)), self.remaining.device[some]] = 1.0
        most = np.array([cut.most for cut in self.cuts.values()], dtype=np.float64)
        return csr_array(np.column_stack([devices, self._scaled[some], self.weights[some] / most]))

    def charged(self, duals: Floats) -> Charge:
        """The charge that duals of the program are."""
        prices = np.zeros(len(self.lagrangian.limits))
        prices[self.lagrangian.finite] = duals[: len(self.right)] * self._row_scale
        on_cuts = zip(self.cuts.items(), duals[len(self.right) :].tolist(), strict=True)
        return _shortened(prices, {number: dual / cut.most for (number, cut), dual in on_cuts})

    def values(self, charge: Charge) -> Floats:
        """(T,) cost with prices of each decision."""
        on_cuts = np.array([charge.cuts.get(number, 0.0) for number in self.cuts])
        prices = charge.prices[self.lagrangian.finite]
        values: Floats = self.remaining.cost + self.use @ prices + self.weights @ on_cuts
        return values

    def bound(self, charge: Charge, mask: Mask) -> tuple[float, Ints]:
        """The bound at some prices, rounded downwards, and the decisions that attain it."""
        value = np.where(mask, self.values(charge), np.inf)
        least = np.minimum.reduceat(value, self.remaining.start)
        if not np.isfinite(least).all():
            return math.inf, np.empty(0, dtype=np.int64)
        first = np.flatnonzero(value <= least[self.remaining.device])
        paid = [*(charge.prices * self.lagrangian.right).tolist()]
        paid += [charge.cuts.get(number, 0.0) * cut.most for number, cut in self.cuts.items()]
        sizes = np.abs(self.remaining.cost[first]).sum() + 2 * np.abs(least).sum()
        margin = ROUNDING * (float(sizes) + math.fsum(paid))
        return math.fsum([*least.tolist(), *(-each for each in paid)]) - margin, first

    def excess(self, charge: Charge) -> Floats:
        """(T,) cost with prices above the least of the device."""
        values = self.values(charge)
        excess: Floats = values - np.minimum.reduceat(values, self.remaining.start)[self.remaining.device]
        return excess


def _shortened(prices: Floats, cuts: dict[int, float]) -> Charge:
    """A charge as a certificate can state it."""
    on_cuts = {number: float(f"{price:.15g}") for number, price in cuts.items() if price > 0}
    return Charge(shortened(prices), cuts=on_cuts)


class _Steps(Steps[Charge]):
    """Column generation over the decisions in a mask: pricing is a matter of looking through them."""

    def __init__(self, program: _Program, mask: Mask, bound: float, cutoff: float) -> None:
        self._program, self._mask, self._bound, self._cutoff = program, mask, bound, cutoff

    def solve(self) -> tuple[float, Charge]:
        found = self._program.master.solve()
        return found.value, self._program.charged(found.prices)

    def enough(self, value: float, bound: float) -> bool:
        if not (value < self._cutoff and value - bound <= PATIENCE * (self._cutoff - bound)):
            return False
        found = self._program.master.relaxed
        split = bool(np.any((found.weights > SPLIT) & (found.weights < 1 - SPLIT)))
        return split and found.artificial <= UNUSED

    def between(self, weight: float, best: Charge, prices: Charge) -> Charge:
        if not weight:
            return prices
        numbers = [*best.cuts, *(number for number in prices.cuts if number not in best.cuts)]
        cuts = {n: weight * best.cuts.get(n, 0.0) + (1 - weight) * prices.cuts.get(n, 0.0) for n in numbers}
        return _shortened(weight * best.prices + (1 - weight) * prices.prices, cuts)

    def price(self, prices: Charge, tolerance: float) -> tuple[float, bool]:
        bound, found = self._program.bound(prices, self._mask)
        self._bound = max(self._bound, bound)
        return bound, self._bound < self._cutoff and self._program.add(found)

    def loosen(self) -> bool:
        return self._program.master.harden()


class LimitedNode(NamedTuple):
    """What column generation leaves: bound, charge, the decisions left to the node, and their weights."""

    bound: float
    charge: Charge
    mask: Mask
    weights: dict[int, float]


class LimitedHost(Protocol):
    """The search that a finish is part of."""

    budget: Budget

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""

    @property
    def fixing_cutoff(self) -> float:
        """What costs no less may be left out."""

    @property
    def left(self) -> float:
        """Seconds that are left."""

    def late(self, share: float = 1.0) -> bool:
        """Whether time is up."""

    def stop(self) -> bool:
        """End all where time is up."""

    def offer(self, table: Places) -> bool:
        """Take decisions (M, width) if they are better than the incumbent."""

    def breaks(self, table: Places) -> bool:
        """Whether decisions break a limit on what subtasks demand, in exact arithmetic."""

    def report(self) -> None:
        """Take note of what the tree proves."""


class LimitedFinish:
    """Cuts, and best-first search, over what remains, from the root of a tree on.

    Parameters
    ----------
    host, tree, lagrangian
        What it is part of.
    remaining
        All decisions of solutions that cost less than ``most``.
    most
        See above; solutions that cost more are not looked for.
    following
        The search ends at its root where an incumbent is found that costs more, but no more than this.
    cuts
        Some of the tree, to begin with.
    share
        Of the time limit, after which the search ends, but near its end.

    Attributes
    ----------
    useful
        The cuts that have a price at the root.
    """

    def __init__(
        self,
        host: LimitedHost,
        tree: Tree[Charge, LimitedNode],
        lagrangian: Lagrangian,
        remaining: Remaining,
        most: float,
        following: float,
        cuts: dict[int, KnapsackCut],
        share: float,
    ) -> None:
        self.host, self.tree, self.lagrangian = host, tree, lagrangian
        self.most, self.following, self.share = most, following, share
        self._groups = groups_of(lagrangian.limits)
        self.program = _Program(lagrangian, remaining, self.cutoff)
        self.program.cut(cuts)
        self.useful = cuts
        self._gained: dict[Branch, list[tuple[float, float]]] = {}
        self._begun = -math.inf

    def run(self, charge: Charge) -> None:
        """Search below a charge until all is closed.

        Raises
        ------
        OutOfTime
            When time is up.
        """
        host, tree = self.host, self.tree
        root, idle = self._generate(self._all, charge), 0
        self._begun = root.bound
        while root.weights and root.bound < self.cutoff and not self._late() and idle < IDLE:
            tree.improve(root.bound, root.charge)
            host.report()
            if not self._cut(root):
                break
            better = self._generate(root.mask, root.charge)
            closed = better.bound - root.bound
            idle = idle + 1 if closed <= STALE * (self.cutoff - root.bound) else 0
            root = better._replace(bound=max(better.bound, root.bound))
            root = self._sifted(root, SIFTED, root.charge.cuts)
        tree.improve(root.bound, root.charge)
        if root.bound < self.cutoff:
            root = self._sifted(root, 1.0, self.program.tight())
            self._round(root)
            self._dive(root)
            self.useful = self.program.cuts
            if self.most < self.host.cutoff <= self.following:
                return
        self.useful = self.program.cuts
        tree.bounded(tree.in_hand, root.bound, root.charge, root)
        for leaf in explored(tree, lambda: self.cutoff, self._stop, self._dive, FIRST_DIVE):
            host.report()
            self._branch(leaf.state)

    def _late(self) -> bool:
        """Whether the share of the time is up; near the end all of the time is for the search."""
        return self.host.late() or (self.host.late(self.share) and not self._near_the_end)

    @property
    def _near_the_end(self) -> bool:
        """Whether little of the gap is left, and nothing else is to be looked for."""
        left = self.cutoff - self.tree.bound
        return self.host.cutoff <= self.most and left <= NEAR_THE_END * (self.cutoff - self._begun)

    def _stop(self) -> bool:
        """Whether it is; where all time is up, all ends."""
        return self._late() if not self.host.late() else self.host.stop()

    @property
    def cutoff(self) -> float:
        """A bound from here on closes a node."""
        return min(self.host.cutoff, self.most)

    @property
    def remaining(self) -> Remaining:
        """What remains."""
        return self.program.remaining

    @property
    def _all(self) -> Mask:
        return np.ones(len(self.remaining.cost), dtype=np.bool_)

    def _cut(self, node: LimitedNode) -> bool:
        """Add cuts that a node violates; whether there are any."""
        remaining, limits = self.remaining, self.lagrangian.limits
        cuts = violated(limits, self._groups, remaining.device, remaining.use, node.weights, self._late)
        self.program.cut({self.tree.cut(cut): cut for cut in cuts})
        return bool(cuts)

    def _sifted(self, root: LimitedNode, share: float, cuts: Container[int]) -> LimitedNode:
        """The root over what its charge leaves below the cutoff, if that is no more than a share, and with
        some of the cuts."""
        if root.bound >= self.cutoff:
            return root
        top = min(self.most, self.host.fixing_cutoff)
        mask = self.program.excess(root.charge) <= (top - root.bound) * (1 + ROUNDING)
        if mask.sum() > share * len(mask):
            return root
        self.tree.leave_out(top)
        self.tree.enumerate(root.charge, root.charge)
        self.program = self.program.within(mask, cuts, self.cutoff)
        again = self._generate(self._all, root.charge)
        return again._replace(bound=max(again.bound, root.bound))

    def _generate(self, mask: Mask, charge: Charge) -> LimitedNode:
        """Column generation over what remains."""
        charge = self.program.known(charge)
        bound, found = self.program.bound(charge, mask)
        if math.isinf(bound):
            return LimitedNode(bound, charge, mask, {})
        self.program.add(found)
        self.program.restrict(mask)
        steps = _Steps(self.program, mask, bound, self.cutoff)
        how = {"cutoff": self.cutoff, "smoothing": SMOOTHING, "precision": 0.0, "converged": -math.inf}
        bound, charge = generate(steps, bound, charge, stop=self._late, **how)
        weights, column = self.program.master.relaxed.weights, self.program.column
        used = np.flatnonzero(weights > UNUSED).tolist()
        return LimitedNode(bound, charge, mask, {column[i]: float(weights[i]) for i in used})

    def _branch(self, node: LimitedNode) -> None:
        branch = self._choice(node)
        if branch is None:
            if self._offer(node):
                return
            branch = self._unsettled(node)  # a limit is broken by a hair
            if branch is None:
                return
        stated = Refused(branch[0]) if branch[1] == ALL else At(*branch)
        children = self.tree.divide(node.charge, stated)
        for number, mask in zip(children, self._sides(branch), strict=True):
            child = self._generate(node.mask & mask, node.charge)
            if self._impossible(child.mask):
                child = child._replace(bound=math.inf)
            self.tree.bounded(number, max(child.bound, node.bound), child.charge, child)

    def _sides(self, branch: Branch) -> tuple[Mask, Mask]:
        """What is left where it is as a branch says, and where it is not."""
        there = self.remaining.there(branch)
        return there, ~there | (self.remaining.device != branch[0])

    def _choice(self, node: LimitedNode) -> Branch | None:
        """The split place, or refusal, whose branches raise the known columns' program most."""
        some, remaining = np.array(list(node.weights), dtype=np.int64), self.remaining
        weights = np.array(list(node.weights.values()))
        instance = self.lagrangian.limits.instance
        shares = splits(instance, remaining.device[some], remaining.table[some], weights)
        room = self.cutoff - node.bound
        gains = partial(self._gains, node, shares)
        return strongest(list(shares), gains, LEAST_GAIN * abs(node.bound), room)

    def _gains(self, node: LimitedNode, shares: dict[Branch, float], branch: Branch) -> Iterator[float]:
        """What the two sides add to the program over the known columns, as a rule where that is known well
        enough: so much for what each takes away of a decision's share."""
        known = self._gained.setdefault(branch, [])
        taken = (1 - shares[branch], shares[branch])
        if len(known) < RELIABLE:
            found = [self.program.probe(node.mask & mask) - node.bound for mask in self._sides(branch)]
            known.append((found[0] / taken[0], found[1] / taken[1]))
            return iter(found)
        return iter((np.mean(known, axis=0) * taken).tolist())

    def _chosen(self, node: LimitedNode) -> Ints:
        """(M,) of each device, the decision in use; -1 where there is none."""
        chosen = np.full(len(self.remaining.start), -1)
        for d in node.weights:
            chosen[self.remaining.device[d]] = d
        return chosen

    def _offer(self, node: LimitedNode) -> bool:
        """Of each device, the decision in use; whether these keep all limits."""
        chosen = self._chosen(node)
        return bool((chosen >= 0).all()) and self.host.offer(self.remaining.table[chosen])

    def _unsettled(self, node: LimitedNode) -> Branch | None:
        """A place of a decision in use, of a device that has others."""
        chosen, table = self._chosen(node), self.remaining.table
        for m, d in enumerate(chosen.tolist()):
            if d < 0:
                continue
            others = table[node.mask & (self.remaining.device == m)] != table[d]
            if others.any():
                k = int(np.flatnonzero(others.any(axis=0))[0])
                refused = table[d, 0] == REFUSED
                return (m, ALL, frozenset()) if refused else (m, k, frozenset([int(table[d, k])]))
        return None

    def _impossible(self, mask: Mask) -> bool:
        """Whether each device has one decision left, and these break a limit."""
        if int(mask.sum()) != len(self.remaining.start):
            return False
        few = np.add.reduceat(mask.astype(np.int64), self.remaining.start)
        return bool((few == 1).all()) and self.host.breaks(self.remaining.table[mask])

    def _dive(self, node: LimitedNode) -> None:
        """Give a device that the master splits the likeliest of its decisions, again and again."""
        while node.weights and node.bound < self.cutoff and not self._late():
            split = {d: weight for d, weight in node.weights.items() if weight < 1 - SPLIT}
            if not split:
                self._offer(node)
                return
            likeliest = max(split, key=lambda d: (split[d], -d))
            mask = node.mask & (self.remaining.device != self.remaining.device[likeliest])
            mask[likeliest] = True
            node = self._generate(mask, node.charge)

    def _round(self, node: LimitedNode) -> None:
        """The mixed-integer program over the decisions with the least reduced costs."""
        cheapest = np.argsort(self.program.excess(node.charge), kind="stable")[:IN_ROUND]
        some = np.union1d(cheapest, list(node.weights))
        size, devices, right = len(some), len(self.remaining.start), self.program.right
        program = highs.MixedIntegerProgram(
            cost=self.remaining.cost[some],
            lower=np.zeros(size),
            upper=np.ones(size),
            integer=np.arange(size),
            matrix=csr_array(self.program.matrix(some)[:, : devices + len(right)].T),
            row_lower=np.append(np.ones(devices), np.full(len(right), -np.inf)),
            row_upper=np.append(np.ones(devices), right),
        )
        budget = Budget(gap=ROUND_GAP, seed=self.host.budget.seed, threads=self.host.budget.threads)
        seconds = min(ROUND_SECONDS, self.host.left)
        try:
            outcome = highs.minimise(program, budget, time_limit=seconds, reference=self.program.unit)
        except highs.InfeasibleError:  # so few decisions of each device need not fit together
            return
        if outcome.values is not None:
            chosen = some[outcome.values > 0.5]
            self.host.offer(self.remaining.table[chosen[np.argsort(self.remaining.device[chosen])]])
