"""Every decision of a hybrid instance, each with its best split of the uplink.

For N devices of M tasks there are 3^(N M) decisions, so this is for tiny instances, and for testing
everything else. The objective of the best one is the optimum but for rounding in the split, which is
relative and far below what the bound leaves for it.
"""

from __future__ import annotations

import time

from offloadlib.instances import Budget, Result, Termination
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.hybrid.enumeration import best_decision
from offloadlib.instances.hybrid.telling import telling

MOST_DECISIONS = 3**14
"""Beyond this many there is an obstacle."""

ROUNDING = 1e-12
"""By this much, relatively, the bound stays below the computed cost."""


def obstacle(instance: HybridInstance) -> str | None:
    """Why not every decision can be looked at: there are too many."""
    places, tasks = len(instance.places), instance.sizes.size
    if tasks * (places > 1) > 40 or places**tasks > MOST_DECISIONS:
        return f"looks at up to {MOST_DECISIONS:,} decisions; here there are {places}^{tasks}"
    return None


def solve(instance: HybridInstance, budget: Budget[HybridSolution]) -> Result[HybridSolution]:
    """Look at every decision."""
    begun = time.perf_counter()
    tell = telling(instance, budget)
    places, cost, complete = best_decision(instance, instance.places, budget.time_limit, tell)
    solution = with_best_split(instance, places)
    if not complete and budget.start is not None and instance.evaluate(budget.start).total < cost:
        solution = budget.start
    return Result.of(
        instance,
        solution,
        time.perf_counter() - begun,
        cost * (1.0 - ROUNDING) if complete else None,
        Termination.FINISHED if complete else Termination.TIME_LIMIT,
    )
