"""Coordinate descent: each task in turn moves to its best place, until none moves.

A coordinate is the place of one task. It takes the place of least cost, with the uplink shared out anew
for each one that is tried; of equally good ones it stays where it is. Sweeps over all tasks in file order
go on until a whole one changes nothing: then no single task can do better, though several together might.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial

import numpy as np

from offloadlib.instances import Budget, Result, Termination
from offloadlib.instances.hybrid import (
    CLOUD,
    DEVICE,
    EDGE,
    HybridInstance,
    HybridSolution,
    Loads,
    best_split,
    device_costs,
    loads,
    with_best_split,
)
from offloadlib.instances.hybrid.enumeration import best_decision
from offloadlib.instances.hybrid.model import TaskPlaces
from offloadlib.instances.hybrid.telling import Tell, telling

HybridResult = Result[HybridSolution]
HybridBudget = Budget[HybridSolution]

MOST_DECISIONS = 2**16
"""Up to here the best decision for two places is found by looking at all of them."""

ROUNDING = 1e-9
"""Of logarithms: decisions that are as many as are allowed are not too many."""

LEAST_GAIN = 1e-12
"""A move must gain this much, relatively: rounding must not make a task move to and fro."""


def descend(
    instance: HybridInstance,
    start: TaskPlaces,
    places: Sequence[int],
    time_limit: float = math.inf,
    tell: Tell | None = None,
) -> tuple[TaskPlaces, bool]:
    """Move tasks among some places.

    Parameters
    ----------
    instance
        The instance.
    start
        (N, M) decisions to begin with.
    places
        Where tasks may run.
    time_limit
        Seconds.
    tell
        Told of the decisions and their cost after each move.

    Returns
    -------
    decisions, finished
        (N, M) places, and whether a sweep changed nothing.
    """
    begun = time.perf_counter()
    chosen = start.copy()
    load = loads(instance, chosen)
    least = float(device_costs(instance, load, best_split(instance, load)).sum())
    moved = True
    while moved:
        moved = False
        for i, j in np.ndindex(chosen.shape):
            if time.perf_counter() - begun > time_limit:
                return chosen, False
            others = [place for place in places if place != chosen[i, j]]
            tried = np.repeat(chosen[i][None, :], len(others), axis=0)
            tried[:, j] = others
            # The loads of everyone, with those of this device for each place.
            own = loads(instance.part(slice(i, i + 1)), tried[:, None, :])
            parts = [np.repeat(values[None, :], len(others), axis=0) for values in load]
            for values, new in zip(parts, own, strict=True):
                values[:, i] = new[:, 0]
            candidates = Loads(*parts)
            values = device_costs(instance, candidates, best_split(instance, candidates)).sum(axis=-1)
            at = int(np.argmin(values))
            if values[at] < least - LEAST_GAIN * abs(least):
                chosen[i] = tried[at]
                load, least, moved = Loads(*(part[at] for part in parts)), float(values[at]), True
                if tell is not None:
                    tell(chosen, least)
    return chosen, True


def solve(instance: HybridInstance, budget: HybridBudget) -> HybridResult:
    """Descend from the start, or else from all-local."""
    begun = time.perf_counter()
    start = budget.start or HybridSolution.all_local(instance)
    tell = telling(instance, budget)
    places, finished = descend(instance, start.places, instance.places, budget.time_limit, tell)
    solution = with_best_split(instance, places)
    if instance.evaluate(start).total < instance.evaluate(solution).total:
        solution = start
    return Result.of(instance, solution, time.perf_counter() - begun, termination=_ending(finished))


def _ending(finished: bool) -> Termination:
    return Termination.FINISHED if finished else Termination.TIME_LIMIT


def _restricted(instance: HybridInstance, budget: HybridBudget, places: Sequence[int]) -> HybridResult:
    """The best decision for some places: of all where they are few, else by descent from all-local."""
    begun, tell = time.perf_counter(), telling(instance, budget)
    # Comparing logarithms: the number itself may have thousands of digits.
    exact = instance.sizes.size * math.log(len(places)) <= math.log(MOST_DECISIONS) + ROUNDING
    if exact:
        chosen, _, finished = best_decision(instance, places, budget.time_limit, tell)
    else:
        start = np.full(instance.sizes.shape, DEVICE, dtype=np.int8)
        chosen, finished = descend(instance, start, places, budget.time_limit, tell)
    solution = with_best_split(instance, chosen)
    return Result.of(
        instance,
        solution,
        time.perf_counter() - begun,
        termination=_ending(finished),
        search="every decision" if exact else "coordinate descent",
    )


solve_mec = partial(_restricted, places=(DEVICE, EDGE))  # mobile edge computing, without the cloud
solve_mcc = partial(_restricted, places=(DEVICE, CLOUD))  # mobile cloud computing, without the edge
