"""Cities of many devices: prices from a sample, a solution from the prices, and both closing in.

Larger samples follow where the gap is not reached. The bound is that of one set of prices, so its
certificate has one leaf.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offloadlib.instances import Budget, Instance, Progress, Solution, Termination
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime
from offloadlib.instances.structured.bound import simple_bound

from ...engine.columns import CONVERGED
from ...engine.trust import SolverError
from ...proofs.nodes import claim
from .dual import Dual
from .limits import PricedLimits
from .pricing import Prices
from .primal import Primal

LARGE = 2000
"""Devices from which on branch-and-price begins as here."""

ALONE = 5000
"""Devices from which on it also ends here: a tree of branches would be too slow."""

FIRST = 300
"""Devices in the sample that gives the first prices."""

SAMPLES = (1000, 4000, 16000)
"""Devices in the samples that follow, each with an attempt at a solution."""

STEP = 1e-8
"""A step with a sample that raises the bound by less, relatively, is its last: a larger sample gains more."""

CORE_SECONDS = 20.0
"""For one core program."""


@dataclass(frozen=True)
class Closed:
    """What is known at the end: incumbent, bound and its prices, and why it stopped."""

    solution: Solution
    objective: float
    lower_bound: float
    prices: Prices
    termination: Termination


class City:
    """A search that can be stopped at any moment.

    Parameters
    ----------
    instance
        The instance.
    start
        The first incumbent.
    budget
        Time limit, gap, seed, threads and who is told of progress.
    """

    def __init__(self, instance: Instance, start: Solution, budget: Budget) -> None:
        self._begun = time.perf_counter()
        self._instance, self._budget = instance, budget
        self._floor = simple_bound(instance)
        self._termination = Termination.FINISHED
        limits = PricedLimits(instance, late=self.late, threads=budget.threads)
        self._primal = Primal(limits, start, self._done)
        self._dual = Dual(limits, self._done, self._report)

    def _left(self) -> float:
        return self._budget.time_limit - (time.perf_counter() - self._begun)

    def late(self) -> bool:
        """Whether time is up."""
        return self._left() <= 0.0

    @property
    def bound(self) -> float:
        """The best bound so far, safely rounded."""
        dual = self._dual.bound
        return min(max(self._floor, claim(dual) if np.isfinite(dual) else dual), self._primal.objective)

    def closed(self) -> bool:
        """Whether the gap is reached."""
        gap = max(self._budget.gap, 0.5 * OPTIMAL_GAP)
        return self._primal.objective - self.bound <= gap * abs(self._primal.objective)

    def _done(self) -> bool:
        return self.late() or self.closed()

    def _report(self) -> None:
        notify: Callable[[Progress], None] | None = self._budget.on_progress
        if notify is not None:
            seconds, primal = time.perf_counter() - self._begun, self._primal
            notify(Progress(seconds, primal.objective, self.bound, lambda: primal.solution))

    def run(self) -> Closed:
        """Close in until the gap is reached, time is up, Ctrl-C, or nothing is left to try."""
        try:
            self._run()
        except OutOfTime:
            self._termination = Termination.TIME_LIMIT
        except KeyboardInterrupt:
            self._termination = Termination.INTERRUPTED
        except SolverError:
            self._termination = Termination.FAILED
        dual = self._dual
        return Closed(
            self._primal.solution,
            self._primal.objective,
            self.bound,
            dual.limits.prices(dual.vector),
            self._termination,
        )

    def _run(self) -> None:
        self._report()
        devices = self._instance.num_devices
        sizes = [size for size in SAMPLES if size < devices]
        if len(sizes) < len(SAMPLES):
            sizes.append(devices)
        if sizes[0] > FIRST:
            self._dual.begin(FIRST, self._budget.seed)
        for size in sizes:
            tolerance = max(STEP if size < devices else CONVERGED, self._budget.gap)
            self._dual.maximise(size, self._budget.seed, tolerance)
            self._solutions()
            if self.closed():
                return
            if self.late():
                self._termination = Termination.TIME_LIMIT
                return
        self._termination = Termination.STALLED

    def _solutions(self) -> None:
        steps: tuple[Callable[[], None], ...] = (
            lambda: self._primal.construct(self._dual),
            lambda: self._primal.core(self._dual, self._budget, min(self._left(), CORE_SECONDS)),
        )
        for step in steps:
            if self._done():
                return
            step()
            self._report()
