"""Telling of decisions that a method has found, with their best split."""

from __future__ import annotations

from collections.abc import Callable

from ..run import Budget, Watch
from .model import HybridInstance, TaskPlaces
from .solution import HybridSolution
from .split import with_best_split

Tell = Callable[[TaskPlaces, float], None]
"""Told of (N, M) places and their cost as they improve; the array may change afterwards."""


def telling(instance: HybridInstance, budget: Budget[HybridSolution]) -> Tell:
    """Pass on decisions as progress; the clock starts now."""
    watch = Watch(budget.time_limit)
    return lambda places, cost: budget.tell(
        watch.seconds, cost, None, lambda: with_best_split(instance, places)
    )
