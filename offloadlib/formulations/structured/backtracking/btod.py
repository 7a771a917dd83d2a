r"""BTOD made useful: the tree of Algorithm 1 (Kuang et al. 2020, section 4.1), searched with bounds.

As written (:mod:`.plain`), BTOD visits all of up to (N+1)^{MK} leaves. The same tree is
searched here, depth first and exactly, in four steps:

1. *Pools and nested limits* (:mod:`.structured.pooling`, :mod:`.prices`). The network
   between offload points is free, so only the speeds of points count, and slow points that nobody can need
   are left out: of 10 points with 20 places each, 20 devices with 5 subtasks keep 5.
2. *Prices* (:mod:`.prices`). With prices on the limits, each device has a small problem of
   its own, solved by depth-first search over its subtasks (:mod:`.device`). Their least
   costs and prices add up to a lower bound B. The devices in turn, at these prices, give incumbents.
3. *Decisions* (:mod:`.decisions`). Only decisions with little *excess* at these prices can
   be part of a better solution. They are listed for each device, without dominated ones.
4. *Tree* (:mod:`.tree`). Depth first over the devices, with the excess so far and knapsacks
   over pairs of limits as bound.

**Rounds.** Steps 3 and 4 look for solutions that cost less than B + delta, at first with a delta that is a
small part of the gap between B and the incumbent. A round that finds one is the last one: the best of them
is optimal. A round without one has proven that all solutions cost at least B + delta, and delta is doubled.
So the work depends on how far the optimum is from B, not on how good the first incumbent was. Prices become
better in each round, over its listed decisions, and B with them.

**Bounds that are reported.** B at the best prices so far; after a round, B + delta; within one, the lesser
of B + delta and of what the open branches cost at least (each level of the tree knows the least excess
among its untried decisions). All hold at any time, whatever stopped the search, up to the rounding that
:data:`.prices.ROUNDING` accounts for.

**What remains exponential.** Of the device searches, (I+1)^K in the worst case: tasks of more than about 12
subtasks are out of reach, unless they are chains or the pools are few, and until all devices have been
searched once the only bound is the simple one. The lists of decisions need memory; where they do not fit
(:data:`.device.MOST_DECISIONS`), the search ends with the bound that it has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from offloadlib.instances import Budget, Instance, Result, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime

from ...engine.outcome import TooManyDecisions
from .. import pooling
from ..limited import backtracking as limited
from ..search import Search, run
from .decisions import DecisionLists, cheap_decisions
from .device import DeviceSearch
from .prices import DualValue, NestedLimits, ascend
from .tree import DeviceTree

FIRST = 1 / 64
"""Delta of the first round, as a share of the gap."""

WIDER = 2
"""By what a round multiplies it."""

IN_TURN = 50
"""Better prices after which the devices decide in turn at them, for a better incumbent."""

QUIET = 1.0
"""Seconds between two reports while nothing changes."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve by backtracking with bounds.

    Returns
    -------
    Result
        Its record has the ``order`` and the ``bound`` of the tree, the ``nodes`` of the tree (decisions of
        a device that were tried) and of the searches of single devices (``device_nodes``: places of a
        subtask), the ``rounds``, the most ``decisions`` listed in one, and ``root_bound``, the bound before
        the first round; for format 2 see :mod:`..limited.backtracking`.
    """
    if instance.version > 1:
        return limited.solve(instance, budget)
    return run(instance, budget, lambda search: _Backtracking(search).run())


class _Backtracking:
    """One run. Bounds and costs without the constant cost of the devices that have no radio link."""

    def __init__(self, search: Search) -> None:
        self.search = search
        self.devices = DeviceSearch(search.instance)
        self.limits = NestedLimits(search.instance, self.devices)
        self.reported = 0.0
        self.record: dict[str, Any] = {
            "order": "devices with the fewest decisions first, decisions by excess",
            "bound": "Lagrangian, with knapsacks over pairs of limits",
            "nodes": 0,
            "rounds": 0,
            "decisions": 0,
            "root_bound": search.lower_bound,
        }

    def run(self) -> tuple[Termination, dict[str, Any]]:
        """Search, and say why it ended and what it took."""
        termination = Termination.FINISHED
        try:
            self.close(self.root())
        except OutOfTime:
            termination = Termination.TIME_LIMIT
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
        except TooManyDecisions as error:
            self.record["ended_early"] = str(error)
        else:
            if self.search.lower_bound < self.search.objective * (1.0 - OPTIMAL_GAP):
                termination = Termination.GAP
        return termination, self.record | {"device_nodes": self.devices.nodes}

    def pause(self) -> None:
        """Look at the clock."""
        if self.search.left == 0.0:
            raise OutOfTime
        if self.search.seconds > self.reported + QUIET:
            self.report()

    def report(self) -> None:
        """Tell the caller the incumbent and the bound."""
        self.reported = self.search.seconds
        self.search.report()

    @property
    def cutoff(self) -> float:
        """Solutions from here on need not be found; half of the smallest gap is left for rounding."""
        gap = max(self.search.budget.gap, OPTIMAL_GAP) - 0.5 * OPTIMAL_GAP
        return self.search.objective * (1.0 - gap) - self.search.constant

    @property
    def proven(self) -> float:
        """The best lower bound so far."""
        return self.search.lower_bound - self.search.constant

    def prove(self, bound: float) -> None:
        """Keep a bound on the solutions below the cutoff."""
        self.search.prove(min(bound, self.cutoff) + self.search.constant)

    def offer(self, places: Ints) -> None:
        """Keep a nested solution if it is better than the incumbent."""
        pooled = self.search.instance
        self.search.offer(pooling.gather(pooled, self.devices.solution(places)))
        self.report()

    def offer_in_turn(self, multipliers: Floats) -> None:
        """Let the devices decide in turn, at some prices of the limits."""
        places = self.devices.all_local()
        try:
            self.devices.in_turn(*self.limits.prices(multipliers), self.pause, places)
        finally:
            self.offer(places)

    def at(self, multipliers: Floats) -> DualValue:
        """The bound at some prices of the limits."""
        self.pause()
        places, value = self.devices.alone(*self.limits.prices(multipliers), self.pause)
        return DualValue.of(self.limits, multipliers, value, self.limits.used(self.devices, places))

    def root(self) -> DualValue:
        """Good prices, and the bound and incumbents that they give."""
        nothing = np.zeros(len(self.limits.right))
        self.offer_in_turn(nothing)
        for number, best in enumerate(ascend(self.at, self.limits, nothing, lambda: self.cutoff), start=1):
            self.prove(best.bound)
            self.report()
            if number % IN_TURN == 0:
                self.offer_in_turn(best.multipliers)
        self.offer_in_turn(best.multipliers)
        self.record["root_bound"] = self.search.lower_bound
        return best

    def close(self, priced: DualValue) -> None:
        """Rounds until the bound reaches the cutoff."""
        share = FIRST
        while self.proven < self.cutoff:
            gap = self.cutoff - priced.bound
            delta = min(gap, max(share * gap, WIDER * (self.proven - priced.bound)))
            priced = self.round(priced, delta)
            share *= WIDER

    def round(self, priced: DualValue, delta: float) -> DualValue:
        """Find the best solution that costs less than B + delta, if there is one.

        Returns
        -------
        AtPrices
            Better prices, if the round has found such.
        """
        self.record["rounds"] += 1
        decisions = cheap_decisions(self.devices, self.limits, priced, delta, self.pause)
        self.record["decisions"] = max(self.record["decisions"], len(decisions))
        top = priced.bound + delta
        best = self.polished(decisions, priced, top)
        if best.bound < top:
            self.explore(DeviceTree(decisions, self.limits, best, top - best.bound, self.pause), best.bound)
        self.prove(top)
        self.report()
        everywhere = self.at(best.multipliers)
        return everywhere if everywhere.bound > priced.bound else priced

    def polished(self, decisions: DecisionLists, priced: DualValue, top: float) -> DualValue:
        """The best prices for solutions that are made of some decisions."""

        def over_these(multipliers: Floats) -> DualValue:
            self.pause()
            return decisions.at(self.limits, multipliers)

        for best in ascend(over_these, self.limits, priced.multipliers, lambda: top):
            self.prove(min(best.bound, top))
        return best

    def explore(self, tree: DeviceTree, bound: float) -> None:
        """Search a tree to its end, or as far as the time allows."""
        start = self.devices.tasks.start
        places = self.devices.all_local()
        try:
            while (numbers := tree.next(self.cutoff - bound)) is not None:
                decisions = tree.decisions
                for m, rows, i in zip(decisions.devices, decisions.places, numbers, strict=True):
                    places[start[m] : start[m + 1]] = rows[i]
                self.offer(places)
        finally:
            self.record["nodes"] += tree.nodes
            self.prove(bound + tree.open())
