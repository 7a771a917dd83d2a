"""Methods that misbehave, for the tests of what runs them. A child process imports them by name."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from offloadlib.instances import Budget, Instance, Progress, Result, Solution, Termination, evaluate
from offloadlib.methods import Family, Method


def method(name: str, family: Family = Family.HEURISTIC) -> Method:
    """The method of one of the functions below."""
    return Method(name, f"odd_methods:{name}", family, "misbehaves", "a test")


def _all_local(instance: Instance, **changes: float) -> Result:
    solution = Solution.all_local(instance)
    cost = evaluate(instance, solution).total
    return Result(solution, cost + changes.get("more", 0.0), changes.get("bound"), 0.0)


def _mark(instance: Instance) -> None:
    """Show a test that waits for it that the method has begun."""
    if instance.description:
        Path(instance.description).touch()


def segfault(instance: Instance, budget: Budget) -> Result:
    ctypes.string_at(0)
    raise AssertionError("unreachable")


def leave(instance: Instance, budget: Budget) -> Result:
    os._exit(7)


def fail(instance: Instance, budget: Budget) -> Result:
    raise ValueError("no luck today")


def unpicklable(instance: Instance, budget: Budget) -> Result:
    result = _all_local(instance)
    return Result(result.solution, result.objective, None, 0.0, run={"key": lambda: 0})


def forever(instance: Instance, budget: Budget) -> Result:
    """Overrun, with a process of its own whose number the mark tells."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    if instance.description:
        Path(instance.description).write_text(str(child.pid))
    while True:
        time.sleep(0.05)


def patient(instance: Instance, budget: Budget) -> Result:
    """Wait for Ctrl-C, and then have a result."""
    _mark(instance)
    try:
        while True:
            time.sleep(0.05)
    except KeyboardInterrupt:
        solution = Solution.all_local(instance)
        return Result.of(instance, solution, 0.0, termination=Termination.INTERRUPTED)


def empty_handed(instance: Instance, budget: Budget) -> Result:
    """Wait for Ctrl-C, and have nothing."""
    _mark(instance)
    while True:
        time.sleep(0.05)


def stubborn(instance: Instance, budget: Budget) -> Result:
    """Not even listen to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _mark(instance)
    while True:
        time.sleep(0.05)


def noisy(instance: Instance, budget: Budget) -> Result:
    """Print where results belong, from Python and from below it."""
    print("noise from Python")
    os.write(1, b"noise from C\n")
    return _all_local(instance)


def chatty(instance: Instance, budget: Budget) -> Result:
    assert budget.on_progress is not None
    for step in range(1000):
        budget.on_progress(Progress(float(step), 2.0, 1.0))
    return _all_local(instance)


def seeded(instance: Instance, budget: Budget) -> Result:
    """Tell what it may spend."""
    result = _all_local(instance)
    return replace(result, run={"got": [getattr(budget, name) for name in SPENT]})


SPENT = ("seed", "time_limit", "gap", "threads", "solver")


def liar(instance: Instance, budget: Budget) -> Result:
    """State another cost than the solution has."""
    return _all_local(instance, more=1.0)


def overfull(instance: Instance, budget: Budget) -> Result:
    """Put everything on the first offload point."""
    solution = Solution(tuple(places * 0 for places in Solution.all_local(instance).places))
    return Result(solution, evaluate(instance, solution).total, None, 0.0)


def nothing(instance: Instance, budget: Budget) -> None:
    """Return no result at all."""


def misfit(instance: Instance, budget: Budget) -> Result:
    """Return decisions of another shape."""
    return Result(Solution((Solution.all_local(instance).places[0][:, :1],)), 1.0, None, 0.0)


def elsewhere(instance: Instance, budget: Budget) -> Result:
    """Use a point that there is not."""
    solution = Solution(tuple(places * 0 + 99 for places in Solution.all_local(instance).places))
    return Result(solution, 1.0, None, 0.0)


def unheard(instance: Instance, budget: Budget) -> Result:
    """State no number as cost."""
    return _all_local(instance, more=float("nan"))


def mute(instance: Instance, budget: Budget) -> Result:
    """State nothing as cost."""
    return replace(_all_local(instance), objective=None)  # type: ignore[arg-type]


def boaster(instance: Instance, budget: Budget) -> Result:
    """Claim a bound above the cost of its own solution."""
    cost = evaluate(instance, Solution.all_local(instance)).total
    return _all_local(instance, bound=cost * (1 + 1e-6))


def fallen(instance: Instance, budget: Budget) -> Result:
    """Tell of a solution and a bound, and fail."""
    _tell(instance, budget)
    raise ValueError("no luck today")


def crashed(instance: Instance, budget: Budget) -> Result:
    """Tell of a solution and a bound, and crash."""
    _tell(instance, budget)
    return segfault(instance, budget)


def deaf(instance: Instance, budget: Budget) -> Result:
    """Tell of a solution and a bound, and then hear nothing."""
    _tell(instance, budget)
    return stubborn(instance, budget)


def told(instance: Instance) -> Solution:
    """The solution that these methods tell of: the first subtask of the first device is offloaded."""
    rows = Solution.all_local(instance).rows(instance)
    rows[0][0] = 0
    return Solution.from_rows(instance, rows)


def _tell(instance: Instance, budget: Budget) -> None:
    assert budget.on_progress is not None
    solution = told(instance)
    cost = evaluate(instance, solution).total
    budget.on_progress(Progress(0.0, cost, 0.5 * cost, lambda: solution))


def fabulist(instance: Instance, budget: Budget) -> Result:
    """Tell of a good solution, then of one that breaks a limit, with a bound, and fail."""
    _tell(instance, budget)
    assert budget.on_progress is not None
    rows = [[0] * len(row) for row in Solution.all_local(instance).rows(instance)]
    wrong = Solution.from_rows(instance, rows)
    budget.on_progress(Progress(60.0, 1.0, 30.0, lambda: wrong))
    raise ValueError("no luck today")


def undecided(instance: Instance, budget: Budget) -> Result:
    """End for a reason that there is not."""
    return replace(_all_local(instance), termination="tired")  # type: ignore[arg-type]


def rounder(instance: Instance, budget: Budget) -> Result:
    """Return places between two offload points."""
    places = Solution.all_local(instance).places
    solution = Solution(tuple(np.full(each.shape, 0.3) for each in places))
    return Result(solution, 0.0, None, 0.0)


def overclaimer(instance: Instance, budget: Budget) -> Result:
    """Claim that all-local is optimal."""
    return _all_local(instance, bound=evaluate(instance, Solution.all_local(instance)).total)


def bounder(instance: Instance, budget: Budget) -> Result:
    """Prove half of the cost of all-local, without a better solution."""
    return _all_local(instance, bound=0.25 * evaluate(instance, Solution.all_local(instance)).total)
