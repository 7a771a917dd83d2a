"""All-local: the control that offloads nothing (AL in section 5 of Kuang et al. 2020)."""

from __future__ import annotations

import time
from typing import Any

from offloadlib.instances import AnyInstance, Budget, Result


def solve(instance: AnyInstance, budget: Budget[Any]) -> Result[Any]:
    """Leave every subtask on its own device."""
    begun = time.perf_counter()
    solution = instance.all_local if instance.evaluate(instance.all_local).feasible else None
    return Result.of(instance, solution, time.perf_counter() - begun)
