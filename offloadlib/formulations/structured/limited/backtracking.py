r"""Backtracking over devices for instances of format 2: exact, and a proof where there is no solution.

The tree of Algorithm 1 (Kuang et al. 2020) is searched device by device, as :mod:`..backtracking.btod` does
it, but without pools and nested limits, which need offload points that differ in speed alone.

1. *Devices alone.* Where one cannot be served at all, there is no solution (:mod:`.misses`).
2. *Prices.* For ``sum``, prices on all limits give the bound B and the excess of each decision over the least
   of its device. For ``max``, B is the largest of the devices' least costs, without prices.
3. *Rounds.* All decisions that can be part of a solution that costs less than B + delta are listed
   (:mod:`.decisions`): those with less excess than delta, those that cost less than B + delta. Prices are
   made better over these lists. For ``max``, and where no cost is too high, such prices leave costs out: a
   solution has no more excess then than prices x limits less the least use comes to, and there is none where
   that is negative.
4. *Tree.* Depth first over the devices, in the excess that is left and with the least use of later devices
   (:mod:`.tree`). What it finds is worked out exactly.

A round that finds nothing proves that all solutions cost at least B + delta, and delta grows. The last round
lists all decisions: if it finds nothing, there is no solution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from offloadlib.instances import Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.arrays import Floats
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime, slack
from offloadlib.instances.structured.model import LOCAL, Places

from ...engine.outcome import Run, TooManyDecisions
from ..backtracking.prices import ROUNDING, DualValue, ascend
from .decisions import Decisions, Lister
from .misses import nearest_misses
from .pricing import Asked, price
from .tree import DeviceTree

FIRST, WIDER = 1 / 64, 2
"""Delta of the first round, as a share of the gap, and by what a round multiplies it."""

MOST_NUMBERS = 30_000_000
"""Uses of limits that the lists of a round may have."""

MOST_STEPS = 150
"""Steps of the ascent that price all devices."""

SMALLEST = 1e-3
"""The first delta where no cost says how large it should be."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve by backtracking.

    Returns
    -------
    Result
        Its record has the ``rounds``, the most ``decisions`` listed in one, and the devices that cannot be
        served (``reasons``), if there are such.
    """
    with alarm(budget.time_limit) as stopped:
        run = _Backtracking(instance, budget, stopped)
        termination = Termination.FINISHED
        try:
            run.search()
        except OutOfTime:
            termination = Termination.TIME_LIMIT
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
        except TooManyDecisions as error:
            run.record["ended_early"] = str(error)
    found = run.solution is not None
    if (
        found
        and termination is Termination.FINISHED
        and run.lower_bound < run.objective - slack(run.objective)
    ):
        termination = Termination.GAP if "ended_early" not in run.record else termination
    bound = min(run.lower_bound, run.objective)
    return Result.of(instance, run.solution, run.seconds, bound, termination, **run.record)


def solve_in_turn(instance: Instance, budget: Budget) -> Result:
    """Let the devices decide in turn, in file order: each takes the cheapest decision that fits into what the
    earlier ones have left. One without such a decision is refused if it may be; else nothing is found."""
    with alarm(budget.time_limit) as stopped:
        run = Run[Solution | None](instance, budget, None)
        termination = Termination.FINISHED
        try:
            lister = Lister(instance, stopped)
            found = _in_turn(lister, np.zeros(len(lister.limits)))
            if found is not None and run.take(found):
                run.report()
        except (OutOfTime, TooManyDecisions):
            termination = Termination.TIME_LIMIT
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
    return Result.of(instance, run.solution, run.seconds, termination=termination)


def _in_turn(lister: Lister, prices: Floats) -> Solution | None:
    """What the devices decide in turn at some prices of the limits; None where one has nothing left."""
    left: list[Any] = [Fraction(x) if math.isfinite(x) else math.inf for x in lister.limits.right.tolist()]
    table = _local(lister.instance)
    for m in range(lister.instance.num_devices):
        found = lister.best(m, prices, left)
        if found is None:
            return None
        places, use = found
        left = [there - uses for there, uses in zip(left, use, strict=True)]
        g, i = lister.at[m]
        table[g][i] = places
    return Solution(tuple(table))


def _local(instance: Instance) -> list[Places]:
    return [np.full(group.work.shape, LOCAL, dtype=np.int32) for group in instance.groups]


class _Backtracking(Run[Solution | None]):
    """One run of the search."""

    def __init__(self, instance: Instance, budget: Budget, stopped: Any) -> None:
        super().__init__(instance, budget, budget.start)
        self.instance, self.stopped = instance, stopped
        self.lister = Lister(instance, stopped)
        self.there = self.lister.limits.right
        self.limited = np.isfinite(self.there)
        self.right = np.where(self.limited, self.there, 0.0)
        self._aimed = 0.0
        self.record: dict[str, Any] = {"rounds": 0, "decisions": 0}

    def pause(self) -> None:
        """Look at the clock."""
        if self.stopped[0] or self.late():
            raise OutOfTime

    @property
    def cutoff(self) -> float:
        """Solutions from here on need not be found; half of the smallest gap is left for rounding."""
        if self.solution is None:
            return math.inf
        gap = max(self.budget.gap, OPTIMAL_GAP) - 0.5 * OPTIMAL_GAP
        return self.objective - gap * abs(self.objective)

    def search(self) -> None:
        """Search to the end."""
        if unservable := nearest_misses(self.instance, self.stop):
            self.record["reasons"] = list(unservable.values())
            self.prove(math.inf)
            return
        self.offer(_in_turn(self.lister, np.zeros(len(self.right))))
        root = self.root()
        self.offer(_in_turn(self.lister, root.multipliers))
        share, rows, before = FIRST, -1, -2
        while self.lower_bound < self.cutoff:
            known = self.solution is not None
            gap = self.cutoff - root.bound if known else max(abs(root.bound), SMALLEST)
            top = min(root.bound + share * gap, self.cutoff)
            if rows == before and not known:
                top = math.inf
            before, rows = rows, self.round(root, top)
            share *= WIDER

    def offer(self, solution: Solution | None) -> None:
        """Keep a solution if it is better than the incumbent."""
        if solution is not None and self.take(solution):
            self.report()

    def root(self) -> DualValue:
        """Good prices, and the bound that they give."""
        if self.instance.by_largest:
            nothing = np.zeros(len(self.right))
            value = price(self.instance, self._asked(nothing), stopped=self.stopped).value
            best = DualValue(nothing, value, nothing, float(value.max()))
        else:
            for best in ascend(self._at, self, np.zeros(len(self.right)), self._aim, MOST_STEPS):
                self._aimed = best.bound
                self.prove(min(best.bound, self.cutoff))
        self.prove(min(best.bound, self.cutoff))
        self.report()
        return best

    def _aim(self) -> float:
        """What prices are to reach: the cutoff, or a bit more than they have."""
        return min(self.cutoff, self._aimed + max(0.1 * abs(self._aimed), SMALLEST))

    def _asked(self, prices: Floats) -> Asked:
        return Asked(self.lister.limits.rates(prices), self.instance.devices.weight)

    def _at(self, prices: Floats) -> DualValue:
        """The bound at some prices of the limits, over all decisions."""
        self.pause()
        found = price(self.instance, self._asked(prices), stopped=self.stopped)
        return self._priced(prices, found.value, evaluate(self.instance, found.solution).use)

    def _priced(self, prices: Floats, value: Floats, used: Floats) -> DualValue:
        """The bound, rounded down."""
        paid = float(prices @ self.right)
        bound = math.fsum(value.tolist()) - paid
        rounding = ROUNDING * (float(np.abs(value).sum()) + paid)
        return DualValue(prices, value, np.where(self.limited, used, 0.0), bound - rounding)

    def round(self, root: DualValue, top: float) -> int:
        """Find the best solution below ``top``, if there is one; how many decisions that took."""
        self.record["rounds"] += 1
        lists: list[Decisions] = []
        room = MOST_NUMBERS // max(len(self.right), 1)
        for m, value in enumerate(root.value.tolist()):
            self.pause()
            dear = top if self.instance.by_largest else value + (top - root.bound)
            lists.append(self.lister.fitting(m, root.multipliers, dear, self.there, room))
            room -= len(lists[-1])
        rows = sum(map(len, lists))
        self.record["decisions"] = max(self.record["decisions"], rows)
        if all(map(len, lists)):
            self.explore(lists, root, top)
        self.prove(min(top, self.cutoff))
        self.report()
        return rows

    def explore(self, lists: Sequence[Decisions], root: DualValue, top: float) -> None:
        """Search through lists of decisions."""
        costly = 1.0 if math.isfinite(top) and not self.instance.by_largest else 0.0
        goal = top if costly else 0.0

        def at(prices: Floats) -> DualValue:
            self.pause()
            values = [costly * one.cost + one.use @ prices for one in lists]
            chosen = [int(value.argmin()) for value in values]
            least = np.array([value[i] for value, i in zip(values, chosen, strict=True)])
            used = np.sum([one.use[i] for one, i in zip(lists, chosen, strict=True)], axis=0)
            return self._priced(prices, least, used)

        target = top if costly else 1.0
        for best in ascend(at, self, costly * root.multipliers, lambda: target):
            if best.bound > goal or (costly and best.bound >= goal):
                return
        excess = [
            costly * one.cost + one.use @ best.multipliers - least
            for one, least in zip(lists, best.value.tolist(), strict=True)
        ]
        tree = DeviceTree(lists, excess, self.there, goal - best.bound, self.instance.by_largest, self.pause)
        while (numbers := tree.next(min(top, self.cutoff))) is not None:
            table = _local(self.instance)
            for m, number in numbers.items():
                g, i = self.lister.at[m]
                table[g][i] = lists[m].places[number]
            self.offer(Solution(tuple(table)))
