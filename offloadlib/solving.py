"""Solving one instance with one method."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version
from typing import TypeVar

from instances import Budget, InputError, Problem, Progress, Result
from instances.run import OPTIMAL_GAP

from .kinds import KINDS
from .registry import Family, Method, find

Decisions = TypeVar("Decisions")


def solve(
    instance: Problem[Decisions],
    method: str | Method = "milp",
    *,
    time_limit: float = math.inf,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    threads: int = 1,
    solver: str = "highs",
    start: Decisions | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result[Decisions]:
    """Solve an instance.

    Parameters
    ----------
    instance
        From :func:`offloadlib.read` or a generator.
    method
        A name from :data:`offloadlib.METHODS`.
    time_limit
        Seconds; at the limit the best solution and bound so far are returned.
    gap
        Relative gap at which an exact method may stop.
    seed
        For everything random: the same seed gives the same answer.
    threads
        Threads that a solver may use.
    solver
        The MILP solver, by the name that Pyomo knows it under.
    start
        A feasible solution to start from; an exact method without one starts from that
        of the first heuristic in :data:`offloadlib.kinds.KINDS`.
    on_progress
        Called with time, incumbent and lower bound while the method runs.

    Returns
    -------
    Result
        With ``.solution``, ``.objective``, ``.lower_bound``, ``.gap``, ``.status`` and ``.runtime``.

    Raises
    ------
    InputError
        If the method is unknown or cannot solve this instance, an option is out of range, the solver
        is not installed, or ``start`` breaks a limit (which one, and by how much).
    """
    chosen = method if isinstance(method, Method) else find(method)
    problems: list[tuple[str, str]] = []
    if not time_limit > 0:
        problems.append(("time_limit", f"must be positive, not {time_limit!r}"))
    if not 0 <= gap < math.inf:
        problems.append(("gap", f"must be a number from 0 on, not {gap!r}"))
    if threads < 1:
        problems.append(("threads", f"must be at least 1, not {threads!r}"))
    if not 0 <= seed < 2**31:
        problems.append(("seed", f"must lie in 0..2^31-1, not {seed!r}"))
    reason = chosen.applies_to(instance)
    if reason is not None:
        problems.append(("method", f"{chosen.name} {reason}"))
    if start is not None:
        broken = instance.evaluate(start).violations
        problems += [("start", f"breaks a limit: {violation}") for violation in broken]
    if problems:
        raise InputError("solve", problems)
    if start is None and chosen.family is Family.EXACT:
        start = first(instance)
    budget = Budget(time_limit, gap, seed, threads, solver, start, on_progress)
    return chosen.load()(instance, budget)


def first(instance: Problem[Decisions]) -> Decisions:
    """The solution that an exact method starts from where none is given: a heuristic's, or all-local."""
    found: Result[Decisions] = find(KINDS[instance.kind].first).load()(instance, Budget())
    alone = instance.all_local
    return found.solution if found.objective < instance.evaluate(alone).total else alone


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide its results."""
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in ("offloadlib", "highspy", "numpy", "ortools", "pyomo")}
