"""All-local: the control that offloads nothing (AL in section 5 of Kuang et al. 2020)."""

from __future__ import annotations

import time

from instances import Budget, Instance, Result, Solution


def solve(instance: Instance, budget: Budget) -> Result:
    """Leave every subtask on its own device."""
    begun = time.perf_counter()
    solution = Solution.all_local(instance)
    return Result.of(instance, solution, time.perf_counter() - begun)
