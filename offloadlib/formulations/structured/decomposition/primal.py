r"""Feasible solutions from prices: repair by the least loss, then improve.

1. Each device takes its cheapest decision at the prices (loss 0), spread over points of equal speed.
   Where a radio has too many devices, those that lose least go all-local.
2. Where more is used in sum than there is, devices change to their cheapest decision at slightly higher
   prices, least loss per slot first; where less is used, at slightly lower ones.
3. Chains of moves (:mod:`.moves`) bring what is too many to where there is room, and improve.
4. The *core*: a mixed-integer program over the decisions of little loss. At the optimum of the dual only
   about as many devices as there are limits are split, so a few decisions for each use of the limits
   are enough, whatever the number of devices:

.. math::

   \min \sum_p loss_p x_p + \sum_i v_i s_i :\; \sum_{p \in m} x_p = 1,\quad
   \sum_p use_{pi} x_p + s_i = r_i,\quad x \in \{0, 1\},\; s \ge 0

   Its objective is the distance to the Lagrangian bound (see :mod:`.moves`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.sparse import csr_array, eye_array, hstack, vstack

from offloadlib.instances import LOCAL, Budget, Solution, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import Places

from ...engine import highs
from .dual import Dual
from .limits import PricedLimits
from .moves import Scanner, chains

UNUSED = 1e-3
"""What may be left free at the prices, relative to the cost, without another try."""

LEAST, FACTOR, WORTH = 1e-3, 8.0, 1e-4
"""Of :meth:`Primal.improve`, where little time is to be spent."""

LEVELS = 12
"""Higher (or lower) prices that are tried for a total that fits."""

CHAINS = 20_000
"""Chains between two looks at the clock, or as many as there are devices."""

FIRST_STEP = 1e-4
"""Relative change of prices that is tried first."""

LITTLE = 1e-6
"""Loss over the mean cost of a device: moves of so little are looked at first. And over its share of the
gap: what loses less is as cheap as the cheapest."""

HOPELESS = 1e9
"""Loss over the mean cost of a device: moves of more will not make decisions feasible."""

CORE_GAP, CORE_SCALE = 0.01, 1e-12
"""Of the core's objective, the distance to the bound; which counts as so much of the cost at least, as it
is a difference of costs."""

LARGEST_CORE = 20_000
"""Columns of the core, at the most."""

PER_USE = 8
"""Decisions of different devices for each change of what is used, if there are too many for the core."""


class Primal:
    """The best solution so far, as a table.

    Parameters
    ----------
    limits
        Of the instance.
    start
        The first incumbent.
    late
        Asked between steps whether to end as if there were no more to gain; what is under way among many
        devices is given up where ``limits.late`` says so.

    Attributes
    ----------
    table, objective
        The incumbent.
    """

    def __init__(self, limits: PricedLimits, start: Solution, late: Callable[[], bool]) -> None:
        self.limits, self._late = limits, late
        self.table, self.objective = limits.table(start), evaluate(limits.instance, start).total
        self._scanner = Scanner(limits)
        self._others: list[Places] = []

    @property
    def solution(self) -> Solution:
        """The incumbent."""
        return self.limits.solution(self.table)

    def offer(self, table: Places) -> bool:
        """Take decisions as the incumbent if they are feasible and better."""
        if np.any(self.limits.used(table) > self.limits.right):
            return False
        objective = evaluate(self.limits.instance, self.limits.solution(table)).total
        if objective >= self.objective:
            return False
        self.table, self.objective = table.copy(), objective
        return True

    def hasten(self, dual: Dual) -> None:
        """Step 1 with subtasks in the order of speeds, and few of step 3; step 2 if much is left free."""
        table = self.cheapest(dual)
        pack(self.limits, table)
        self.improve(dual, table, LEAST, FACTOR, WORTH, patience=0)
        if self.unused(dual) > UNUSED * self.objective:
            table = self.cheapest(dual)
            self.balance(dual, table)
            self.improve(dual, table, LEAST, FACTOR, WORTH, patience=0)

    def construct(self, dual: Dual) -> None:
        """Steps 1 to 3 from the decisions that attain the best bound."""
        self._others = list(dual.recent)
        table = self.cheapest(dual)
        self.balance(dual, table)
        self.improve(dual, table)

    def cheapest(self, dual: Dual) -> Places:
        """Step 1: decisions that attain the best bound, and fit the radios."""
        table = dual.table.copy()
        _spread(self.limits, table)
        _keep_channels(self.limits, dual, table)
        return table

    def unused(self, dual: Dual) -> float:
        """What the incumbent leaves free, at the prices."""
        limits = self.limits
        return float(dual.vector @ (limits.right - limits.used(self.table)))

    def balance(self, dual: Dual, table: Places) -> None:
        """Step 2."""
        limits = self.limits
        points = limits.instance.num_points
        slots = slice(0, points)

        def spare() -> int:
            """Free slots where slots have a price, less what is too many anywhere."""
            free = limits.right[slots] - limits.used(table)[slots]
            return int(free[(dual.vector[slots] > 0) | (free < 0)].sum())

        left = spare()
        unpriced = np.any((dual.vector[slots] == 0) & (limits.right[slots] > limits.used(table)[slots]))
        if left == 0 or unpriced or not dual.vector[slots].any():
            return
        upwards, step = left < 0, FIRST_STEP
        prices, value = dual.vector, dual.value
        for _ in range(LEVELS):
            if self._late():
                return
            vector = prices.copy()
            vector[slots] *= 1 + step if upwards else 1 - step
            dual.evaluate(vector)
            other = dual.recent[-1]
            self._others.append(other)
            devices = np.flatnonzero((other != table).any(axis=1))
            change = (table[devices] != LOCAL).sum(axis=1) - (other[devices] != LOCAL).sum(axis=1)
            right_way = change > 0 if upwards else change < 0
            kept = right_way & self._joinable(table, other, devices)
            devices, change = devices[kept], np.abs(change[kept])
            if change.sum() >= abs(left) or step > 0.5:
                loss = self._loss(prices, value, other, devices)
                chosen = devices[_fitting(change, loss, abs(left), upwards)]
                table[chosen] = other[chosen]
                return
            step *= max(4.0, min(1.2 * abs(left) / max(change.sum(), 1), 100.0))

    def _joinable(self, table: Places, other: Places, devices: Ints) -> np.ndarray:
        """Devices that need no channel for the change."""
        joins = (table[devices] == LOCAL).all(axis=1) & (other[devices] != LOCAL).any(axis=1)
        joinable: np.ndarray = ~joins | (self.limits.radio[devices] < 0)
        return joinable

    def _loss(self, vector: Floats, value: Floats, table: Places, devices: Ints) -> Floats:
        """What decisions cost + pay above the least at some prices."""
        cost = evaluate(self.limits.instance, self.limits.solution(table)).cost[devices]
        paid = self.limits.weighed(table[devices], devices, vector)
        loss: Floats = np.maximum(cost + paid - value[devices], 0.0)
        return loss

    def improve(
        self,
        dual: Dual,
        table: Places,
        least: float = LITTLE,
        factor: float = 4.0,
        worth: float = 0.0,
        patience: int = 2,
    ) -> None:
        """Rounds of chains: with moves of more loss until all is feasible, then until little improves.

        Parameters
        ----------
        dual
            Prices.
        table
            Decisions to begin with, which change.
        least
            Loss of the first moves, over the mean cost of a device.
        factor
            By which it grows.
        worth
            What gains less, relative to the objective, is little, and so is a hundredth of the gap.
        patience
            Rounds of many moves that may gain little before the last one.
        """
        mean = float(np.mean(np.abs(dual.value))) or 1.0
        most, largest = least * mean, HOPELESS * mean
        over = self._over(table)
        self.offer(table)
        while not self._late():
            moves = self._scanner.scan(table, dual.vector, most)
            pushed, feasible = chains(moves, self.limits, dual.vector, table, max(CHAINS, len(table)))
            if feasible:
                before, gap = self.objective, self.objective - dual.bound
                self.offer(table)
                if before - self.objective <= max(0.01 * gap, worth * self.objective):
                    patience -= len(moves.loss) > LARGEST_CORE
                    if most > gap or patience < 0:
                        return
                    most *= factor
                continue
            last, over = over, self._over(table)
            if most > largest and over == last:
                return
            if over > 0.9 * last and not (self._scanner.truncated and pushed):
                most = min(factor * most, factor * largest)

    def _over(self, table: Places) -> int:
        """How many subtasks are too many, in sum."""
        return int(np.maximum(self.limits.used(table) - self.limits.right, 0).sum())

    def core(self, dual: Dual, budget: Budget, time_limit: float) -> None:
        """Step 4 around the decisions that attain the best bound and the incumbent."""
        limits = self.limits
        excess = self.objective - dual.bound
        # The incumbent's decisions stand for the cheapest ones where they are as cheap.
        everyone = np.arange(limits.instance.num_devices)
        own = self._loss(dual.vector, dual.value, self.table, everyone)
        tiny = LITTLE * max(excess, 0.0) / len(everyone)
        base = np.where((own <= tiny)[:, None], self.table, dual.table)
        devices, table, loss = self._candidates(dual, base, own, excess)
        changed = np.flatnonzero(own > tiny)
        devices = np.concatenate([changed, devices])
        table, loss = np.vstack([self.table[changed], table]), np.concatenate([own[changed], loss])
        program = _core(limits, dual.vector, base, devices, table, loss)
        start = np.zeros(len(program.cost))
        start[: len(changed)] = 1.0
        try:
            outcome = highs.minimise(
                program,
                Budget(gap=CORE_GAP, seed=budget.seed, threads=budget.threads),
                time_limit=time_limit,
                start=(program.integer, start[program.integer]),
                reference=max(excess, CORE_SCALE * abs(self.objective)),
            )
        except highs.InfeasibleError:  # which cannot be true: there is a start
            return
        if outcome.values is not None:
            chosen = np.flatnonzero(outcome.values[: len(devices)] > 0.5)
            result = base.copy()
            result[devices[chosen]] = table[chosen]
            self.offer(result)

    def _candidates(
        self, dual: Dual, base: Places, own: Floats, excess: float
    ) -> tuple[Ints, Places, Floats]:
        """Decisions of little loss besides the base: single moves, and the cheapest at other prices."""
        limits = self.limits
        most = min(excess, LITTLE * float(np.mean(np.abs(dual.value))))
        moves = self._scanner.scan(base, dual.vector, most)
        while most < excess and len(moves.loss) < LARGEST_CORE:
            most = min(4 * most, excess)
            moves = self._scanner.scan(base, dual.vector, most)
        table = base[moves.device].copy()
        table[np.arange(len(moves.device)), moves.subtask] = moves.place
        devices, loss = moves.device, np.maximum(moves.loss, 0.0)
        for other in self._others:
            extra = np.flatnonzero((other != base).any(axis=1))
            lost = self._loss(dual.vector, dual.value, other, extra)
            extra, lost = extra[lost <= excess], lost[lost <= excess]
            devices, loss = np.concatenate([devices, extra]), np.concatenate([loss, lost])
            table = np.vstack([table, other[extra]])
        rows = np.column_stack([devices, table]).astype(np.int64)
        _, first = np.unique(rows @ _factors(rows.shape[1]), return_index=True)
        devices, table, loss = devices[first], table[first], loss[first]
        if len(devices) > LARGEST_CORE:
            factors = _factors(len(limits))
            number = limits.weighed(table, devices, factors) - limits.weighed(base[devices], devices, factors)
            order = np.lexsort((loss, number))
            first = np.concatenate([[True], np.diff(number[order]) != 0])
            begin = np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))
            few = order[np.arange(len(order)) - begin < PER_USE]
            few = few[np.argsort(loss[few], kind="stable")[:LARGEST_CORE]]
            devices, table, loss = devices[few], table[few], loss[few]
        return devices, table, loss


def _factors(size: int) -> Ints:
    """Sums with these are the same for equal vectors of whole numbers, and hardly ever for others."""
    return np.random.default_rng(0).integers(1, 2**62, size=size)


def _fitting(change: Ints, loss: Floats, left: int, all_of_it: bool) -> Ints:
    """Changes of least loss per slot that together give ``left`` slots, or more if it must be all of it."""
    order = np.argsort(loss / change, kind="stable")
    count = int(np.searchsorted(np.cumsum(change[order]), left, side="right"))
    left -= int(change[order[:count]].sum())
    chosen, rest = order[:count].tolist(), order[count:]
    for i in rest[np.argsort(-change[rest], kind="stable")].tolist() if left else []:
        if change[i] <= left:
            chosen.append(i)
            left -= int(change[i])
    if left and all_of_it:
        enough = np.setdiff1d(order[change[order] >= left], chosen)
        chosen += enough[np.argsort(loss[enough], kind="stable")[:1]].tolist()
    return np.array(chosen, dtype=np.int64)


def _spread(limits: PricedLimits, table: Places) -> None:
    """Fill points of equal speed one after the other: it makes no difference which of them is used."""
    points = limits.instance.points
    for cpu in np.unique(points.cpu[points.capacity > 0]):
        equal = np.flatnonzero((points.cpu == cpu) & (points.capacity > 0))
        at = np.flatnonzero(np.isin(table, equal))
        if len(equal) > 1 and len(at):
            room = np.minimum(points.capacity[equal], len(at))
            number = np.searchsorted(np.cumsum(room), np.arange(len(at)), side="right")
            table.flat[at] = equal[np.minimum(number, len(equal) - 1)]


def pack(limits: PricedLimits, table: Places) -> None:
    """Fill the points from the fastest on, as the prices have ordered the subtasks.

    Who is at a faster point stays ahead; at the same point larger a w goes first. What is too many in sum
    stays at the slowest point.
    """
    instance, at = limits.instance, np.flatnonzero(table != LOCAL)
    if not len(at):
        return
    order = np.argsort(-instance.points.cpu, kind="stable")
    room = np.minimum(instance.points.capacity[order], table.size)
    weighted = np.zeros(table.shape)
    for term in instance.terms:
        work = term.group.work
        weighted[term.group.members, : work.shape[1]] = term.delay_weight[:, None] * work
    at = at[np.lexsort((-weighted.flat[at], np.argsort(order)[table.flat[at]]))]
    number = np.searchsorted(np.cumsum(room), np.arange(len(at)), side="right")
    table.flat[at] = order[np.minimum(number, np.flatnonzero(room)[-1])]


def _keep_channels(limits: PricedLimits, dual: Dual, table: Places) -> None:
    """All-local, by the least loss, what is too many on a radio."""
    points = limits.instance.num_points
    for row in range(points, len(limits)):
        at = np.flatnonzero((limits.radio == row) & (table != LOCAL).any(axis=1))
        over = len(at) - int(limits.right[row])
        if over > 0:
            loss = limits.local_cost[at] - dual.value[at]
            table[at[np.argsort(loss, kind="stable")[:over]]] = LOCAL


def _core(
    limits: PricedLimits,
    vector: Floats,
    base: Places,
    devices: Ints,
    table: Places,
    loss: Floats,
) -> highs.MixedIntegerProgram:
    """The core with the base substituted: its columns are changes of it, at most one a device."""
    rows = len(limits)
    who, row = np.unique(devices, return_inverse=True)
    change = limits.uses(table, devices) - limits.uses(base[devices], devices)
    choice = csr_array((np.ones(len(devices)), (row, np.arange(len(devices)))), (len(who), len(devices)))
    matrix = vstack(
        [
            hstack([change.T, eye_array(rows)]),
            hstack([choice, csr_array((len(who), rows))]),
        ]
    ).tocsr()
    left = limits.right - limits.used(base)
    count = len(devices)
    return highs.MixedIntegerProgram(
        cost=np.concatenate([loss, vector]),
        lower=np.zeros(count + rows),
        upper=np.concatenate([np.ones(count), np.full(rows, np.inf)]),
        integer=np.arange(count),
        matrix=csr_array(matrix),
        row_lower=np.concatenate([left, np.full(len(who), -np.inf)]),
        row_upper=np.concatenate([left, np.ones(len(who))]),
    )
