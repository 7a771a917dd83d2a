r"""Price-guided offloading: prices on what is scarce, each device's best answer, and repair.

Prices on the limits come from the Lagrangian dual of a sample of the devices
(:mod:`formulations.decomposition.dual`), solved roughly. At these prices each device takes its cheapest
decision; chains of moves between devices make that fit and improve it
(:mod:`formulations.decomposition.primal`). The better one of GSOD's two solutions is improved in the same
way, and the best of all is the result: never worse than GSOD. The Lagrangian of all devices at the prices
is a lower bound that comes for free.
"""

from __future__ import annotations

import time

from formulations.certificate import claim
from formulations.decomposition.dual import Dual
from formulations.decomposition.limits import Limits
from formulations.decomposition.primal import Primal
from instances import Budget, Instance, Result, Solution, Termination
from instances.bound import simple_bound

from . import gsod

SAMPLE = 300
"""Devices on which prices are sought."""

ROUGH = 1e-4
"""Relative gain of the bound at which prices are good enough."""

LEVEL = 1e-3
"""By how much higher or lower prices are where the total does not fit."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Prices, the devices' answers, repair and improvement."""
    begun = time.perf_counter()

    def late() -> bool:
        return time.perf_counter() - begun > budget.time_limit

    limits = Limits(instance)
    start = budget.start or Solution.all_local(instance)
    primal, dual = Primal(limits, start, late), Dual(limits, late)
    termination = Termination.FINISHED
    try:
        for method in (gsod.solve_difference, gsod.solve_ratio):
            primal.offer(limits.table(method(instance, budget).solution))
        dual.maximise(SAMPLE, budget.seed, ROUGH)
        primal.improve(dual)
        primal.construct(dual, LEVEL)
        if late():
            termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    bound = max(claim(dual.bound), simple_bound(instance)) if dual.evaluations else None
    return Result.of(instance, primal.solution, time.perf_counter() - begun, bound, termination)
