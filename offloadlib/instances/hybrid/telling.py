"""Telling of decisions that a method has found, with their best split."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..run import Budget, Progress
from .model import HybridInstance, TaskPlaces
from .solution import HybridSolution
from .split import with_best_split

Tell = Callable[[TaskPlaces, float], None]
"""Told of (N, M) places and their cost as they improve; the array may change afterwards."""


def telling(instance: HybridInstance, budget: Budget[HybridSolution]) -> Tell:
    """Pass on decisions as progress; the clock starts now."""
    begun = time.perf_counter()

    def tell(places: TaskPlaces, cost: float) -> None:
        if budget.on_progress is not None:
            seconds = time.perf_counter() - begun
            budget.on_progress(Progress(seconds, cost, None, lambda: with_best_split(instance, places)))

    return tell
