"""Every decision of a small hybrid instance, in chunks."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from ..arrays import Ints
from .model import HybridInstance, TaskPlaces
from .split import costs

CHUNK_ENTRIES = 1 << 18
"""Decisions times devices that are evaluated at once."""


def numbered(numbers: Ints, digits: int, places: Sequence[int]) -> TaskPlaces:
    """(len(numbers), digits) places: the digits of the numbers to the base of how many places there are."""
    powers = len(places) ** np.arange(digits, dtype=np.int64)
    found: TaskPlaces = np.array(places, dtype=np.int8)[numbers[:, None] // powers % len(places)]
    return found


def best_decision(
    instance: HybridInstance,
    places: Sequence[int],
    time_limit: float = math.inf,
    tell: Callable[[TaskPlaces, float], None] | None = None,
) -> tuple[TaskPlaces, float, bool]:
    """The cheapest of all decisions for some places, each with its best split; of equal ones the first.

    Parameters
    ----------
    instance
        The instance.
    places
        Where tasks may run.
    time_limit
        Seconds; the search ends after the chunk in hand.
    tell
        Told of each better decision and its cost.

    Returns
    -------
    decision, cost, complete
        (N, M) places, their cost, and whether all decisions were looked at.
    """
    begun = time.perf_counter()
    tasks = instance.sizes.size
    total, chunk = len(places) ** tasks, max(CHUNK_ENTRIES // instance.num_devices, 1)
    best, least = np.full(instance.sizes.shape, places[0], dtype=np.int8), math.inf
    for start in range(0, total, chunk):
        if start and time.perf_counter() - begun > time_limit:
            return best, least, False
        numbers = np.arange(start, min(start + chunk, total))
        decisions = numbered(numbers, tasks, places).reshape(-1, *instance.sizes.shape)
        values = costs(instance, decisions)
        at = int(np.argmin(values))
        if values[at] < least:
            best, least = decisions[at], float(values[at])
            if tell is not None:
                tell(best, least)
    return best, least, True
