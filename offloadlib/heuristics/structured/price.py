r"""Price-guided offloading: prices on what is scarce, each device's best answer, and repair.

Rough prices on the limits come from a sample of the devices
(:mod:`.structured.decomposition.tatonnement`). At these prices each device takes its cheapest decision;
the points are filled in order of their speed, and chains of moves between devices repair and improve that
(:mod:`.structured.decomposition.primal`). Where this leaves places free that have a price, devices near the
edge change their decisions first, and once more. The result is never worse than GSOD's two solutions,
which are made first. The Lagrangian of all devices at the prices is a lower bound that comes for free.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from offloadlib.formulations.proofs.nodes import claim
from offloadlib.formulations.structured.decomposition.dual import Dual
from offloadlib.formulations.structured.decomposition.limits import PricedLimits
from offloadlib.formulations.structured.decomposition.primal import Primal
from offloadlib.formulations.structured.decomposition.tatonnement import Tatonnement, answer
from offloadlib.formulations.structured.limited import branch_and_price as limited
from offloadlib.instances import Budget, Instance, Progress, Result, Solution, Termination, evaluate, exact
from offloadlib.instances.alarm import alarm
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.bound import simple_bound

from . import gsod

SAMPLE, SHARE = 100, 0.02
"""Devices in the sample, and as many more for each device; all of them if that is all."""

TURNS = 5
"""Evaluations of the sample with which the prices change."""

LAST = 3
"""Evaluations of all devices at the most, where there was a sample that was too far off."""

SEARCH = 20_000
"""Effort for one device's decision where its task needs a search."""


@dataclass
class Kept:
    """The prices of the last instance; those of the next one begin there and take their place."""

    prices: Tatonnement | None = None


def solve(instance: Instance, budget: Budget, kept: Kept | None = None) -> Result:
    """Prices, the devices' answers, repair and improvement.

    Parameters
    ----------
    instance, budget
        As of every method.
    kept
        Prices of an instance with the same offload points, where they are to be used, in version 1.
    """
    begun = time.perf_counter()
    if instance.version > 1:
        start = _start(instance, budget)
        left = max(budget.time_limit - (time.perf_counter() - begun), 0.0)
        found = limited.solve_by_prices(instance, replace(budget, start=start, time_limit=left))
        return replace(found, runtime=time.perf_counter() - begun)

    def late() -> bool:
        return time.perf_counter() - begun > budget.time_limit

    start = _start(instance, budget) or Solution.all_local(instance)
    with alarm(budget.time_limit) as stopped:
        return _solve(
            instance,
            budget,
            start,
            PricedLimits(instance, SEARCH, late, stopped, threads=budget.threads),
            begun,
            kept,
        )


def _start(instance: Instance, budget: Budget) -> Solution | None:
    """The best that is known before anything else: it is there at any time limit. None where nothing is."""
    known = [method(instance, budget).solution for method in (gsod.solve_difference, gsod.solve_ratio)]
    known.append(budget.start or Solution.all_local(instance))
    if instance.version > 1:  # where none of it need be a solution
        known = [item for item in known if item is not None and evaluate(instance, item).feasible]
    if not known:
        return None
    start: Solution = min(known, key=lambda solution: exact.cost(instance, solution))
    if budget.on_progress is not None:
        budget.on_progress(Progress(0.0, evaluate(instance, start).total, None, lambda: start))
    return start


def _solve(
    instance: Instance,
    budget: Budget,
    start: Solution,
    limits: PricedLimits,
    begun: float,
    kept: Kept | None,
) -> Result:
    late = limits.late
    primal, dual = Primal(limits, start, late), Dual(limits, late)

    def halfway() -> bool:
        return time.perf_counter() - begun > budget.time_limit / 2

    termination = Termination.FINISHED
    try:
        _find_prices(dual, budget.seed, late, halfway, kept)
        if dual.evaluations:
            primal.hasten(dual)
        if late():
            termination = Termination.TIME_LIMIT
    except OutOfTime:
        termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    bound = max(claim(dual.bound), simple_bound(instance)) if dual.evaluations else None
    return Result.of(instance, primal.solution, time.perf_counter() - begun, bound, termination)


def _find_prices(
    dual: Dual, seed: int, late: Callable[[], bool], halfway: Callable[[], bool], kept: Kept | None
) -> None:
    """Prices for a sample, then an evaluation of all devices, or a few until all is in balance."""
    limits, devices = dual.limits, dual.limits.instance.num_devices
    size = SAMPLE + int(SHARE * devices)
    sample = limits.sample(size, seed) if size < devices else limits
    prices = Tatonnement(sample)
    known = kept is not None and kept.prices is not None and prices.begin_at(kept.prices)
    if kept is not None:
        kept.prices = prices
    # The search for a level may not take all the time: its end is needed less than what follows.
    if not known:
        prices.find_level(sample, halfway, dual.seen if sample is limits else None)
    if sample is not limits:
        for _ in range(TURNS):
            prices.follow(sample, answer(sample, prices.vector(sample))[3])
    for _ in range(TURNS if sample is limits else LAST):
        if late():
            return
        found = answer(limits, prices.vector(limits))
        dual.seen(*found)
        prices.follow(limits, found[3])
        if sample is not limits and prices.balanced:
            return
