r"""Price-guided offloading: prices on what is scarce, each device's best answer, and repair.

Subgradient steps on a sample of the devices find rough prices v on the limits (Polyak 1969),

.. math::

   v \leftarrow \max\left(0,\; v + \theta \frac{F - f(v)}{|use(v) - r|^2} (use(v) - r)\right)

where F is the cost of a solution that is known, f the Lagrangian and r the limits. At the best of these
prices each device takes its cheapest decision; chains of moves between devices make that fit and improve
it (:mod:`formulations.decomposition.primal`). The better one of GSOD's two solutions is improved in the
same way, and the best of all is the result: never worse than GSOD. The Lagrangian of all devices at the
prices is a lower bound that comes for free.
"""

from __future__ import annotations

import time

import numpy as np

from formulations.certificate import claim
from formulations.decomposition.dual import Dual
from formulations.decomposition.limits import Limits, sampled
from formulations.decomposition.primal import Primal
from instances import Budget, Instance, Result, Solution, Termination
from instances.bound import simple_bound
from instances.model import Floats

from . import gsod

SAMPLE = 300
"""Devices on which prices are sought."""

STEPS = 20
"""Subgradient steps."""

LEVEL = 1e-2
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
        dual.evaluate(_prices(limits, primal.objective, budget.seed))
        primal.improve(dual)
        primal.construct(dual, LEVEL)
        if late():
            termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    bound = max(claim(dual.bound), simple_bound(instance)) if dual.evaluations else None
    return Result.of(instance, primal.solution, time.perf_counter() - begun, bound, termination)


def _prices(limits: Limits, objective: float, seed: int) -> Floats:
    """The best prices of some subgradient steps on a sample."""
    devices = limits.instance.num_devices
    share = min(SAMPLE / devices, 1.0)
    if share < 1.0:
        members = np.sort(np.random.default_rng(seed).permutation(devices)[:SAMPLE])
        limits = Limits(sampled(limits.instance, members), share * limits.right)
    vector: Floats = np.zeros(len(limits))
    best, highest, factor = vector, -np.inf, 1.0
    for _ in range(STEPS):
        bound, _, table = limits.lagrangian(vector)
        if bound > highest:
            best, highest = vector, bound
        else:
            vector, factor = best, 0.5 * factor
        over = limits.used(table) - limits.right
        over[(vector == 0) & (over < 0)] = 0.0
        size = float(over @ over)
        if size == 0.0:
            break
        vector = np.maximum(vector + factor * (share * objective - bound) / size * over, 0.0)
    return best
