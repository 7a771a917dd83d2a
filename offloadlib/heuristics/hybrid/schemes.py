"""The controls that hybrid offloading is compared with: one place for all, random decisions, no sharing.

Each gives the uplink away in the best way for its decisions, except :func:`solve_equal_split`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from offloadlib.instances import Budget, Result
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import (
    CLOUD,
    EDGE,
    HybridInstance,
    HybridSolution,
    device_costs,
    equal_split,
    loads,
    with_best_split,
)
from offloadlib.instances.hybrid.enumeration import numbered
from offloadlib.instances.hybrid.split import costs

HybridResult = Result[HybridSolution]
HybridBudget = Budget[HybridSolution]

CANDIDATES = 3
"""Random decisions of which the best one counts: as many as DDTO, whose control it is, has networks."""

MOST_PATTERNS = 3**12
"""Places of one device's tasks that are looked at."""


def _timed(instance: HybridInstance, make: Callable[[], HybridSolution]) -> HybridResult:
    begun = time.perf_counter()
    solution = make()
    return Result.of(instance, solution, time.perf_counter() - begun)


def all_at(instance: HybridInstance, budget: HybridBudget, place: int) -> HybridResult:
    """Every task at one place."""
    return _timed(instance, lambda: with_best_split(instance, np.full(instance.sizes.shape, place)))


edge_only, cloud_only = (partial(all_at, place=place) for place in (EDGE, CLOUD))


def best_of(instance: HybridInstance, budget: HybridBudget, candidates: int) -> HybridResult:
    """The best of some random decisions, each task at a place drawn uniformly."""
    begun = time.perf_counter()
    rng = np.random.default_rng(budget.seed)
    shape = (candidates, *instance.sizes.shape)
    places = np.array(instance.places, dtype=np.int8)[rng.integers(len(instance.places), size=shape)]
    solution = with_best_split(instance, places[np.argmin(costs(instance, places))])
    return Result.of(instance, solution, time.perf_counter() - begun, candidates=candidates)


random, best_of_random = (partial(best_of, candidates=count) for count in (1, CANDIDATES))


def too_many_patterns(instance: HybridInstance) -> str | None:
    """Why not every pattern of a device can be looked at."""
    places, tasks = len(instance.places), instance.num_tasks
    if tasks > 40 or places**tasks > MOST_PATTERNS:
        return f"looks at up to {MOST_PATTERNS:,} patterns of each device; here there are {places}^{tasks}"
    return None


def equal_optimum(instance: HybridInstance) -> HybridSolution:
    """The best decisions where every device gets B/N, whether it needs it or not.

    Nothing is shared then, and each device has its own best pattern: the first of equally good ones.
    """
    split = equal_split(instance)
    places = len(instance.places)
    patterns = numbered(np.arange(places**instance.num_tasks), instance.num_tasks, instance.places)
    best = np.empty(instance.num_devices, dtype=np.int64)
    some = max((1 << 20) // len(patterns), 1)  # devices at a time
    for start in range(0, instance.num_devices, some):
        part = instance.part(slice(start, start + some))
        values: Floats = device_costs(part, loads(part, patterns[:, None, :]), split[start : start + some])
        best[start : start + some] = np.argmin(values, axis=0)
    return HybridSolution(patterns[best], split)


def solve_equal_decisions(instance: HybridInstance, budget: HybridBudget) -> HybridResult:
    """The decisions of that optimum with their best split: no decision knows of the sharing."""
    return _timed(instance, lambda: with_best_split(instance, equal_optimum(instance).places))


def solve_equal_split(instance: HybridInstance, budget: HybridBudget) -> HybridResult:
    """The optimum under an equal split of the uplink, DDLO's problem: what sharing it out is worth."""
    return _timed(instance, lambda: equal_optimum(instance))
