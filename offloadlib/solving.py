"""Solving one instance with one method."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, overload

from offloadlib import __version__
from offloadlib.instances import AnyInstance, Budget, InputError, Progress, Result, Termination, read
from offloadlib.instances.errors import Problem
from offloadlib.instances.run import OPTIMAL_GAP, Decided, OutOfTime
from offloadlib.keeping import Keeper, Made
from offloadlib.kinds import face
from offloadlib.methods import Family, Function, Method
from offloadlib.registry import AnyMethod, find
from offloadlib.shelf import located

Decisions = TypeVar("Decisions")


@overload
def solve(
    instance: Decided[Decisions],
    method: AnyMethod = "milp",
    *,
    time_limit: float = math.inf,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    threads: int = 1,
    solver: str = "highs",
    start: Any = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result[Decisions]: ...


@overload
def solve(
    instance: str | Path,
    method: AnyMethod = "milp",
    *,
    time_limit: float = math.inf,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    threads: int = 1,
    solver: str = "highs",
    start: Any = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result[Any]: ...


def solve(
    instance: Any,
    method: AnyMethod = "milp",
    *,
    time_limit: float = math.inf,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    threads: int = 1,
    solver: str = "highs",
    start: Any = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Result[Any]:
    """Solve an instance.

    Parameters
    ----------
    instance
        From :func:`offloadlib.read` or a generator, the file of one, or a name of the library.
    method
        A name from :data:`offloadlib.METHODS`, or of a method that an installed package has added;
        ``module:function``; or a function ``(instance, budget) -> solution or Result`` of your own.
    time_limit
        Seconds; at the limit the best solution and bound so far are returned. A function of your own is told
        of it, but runs in this process, where nothing can end it; :func:`compare` and the command line can.
    gap
        Relative gap at which an exact method may stop.
    seed
        For everything random: the same seed gives the same answer.
    threads
        Threads that a solver may use.
    solver
        The MILP solver, by the name that Pyomo knows it under.
    start
        A feasible solution to start from: the result is never worse. An exact method without one starts
        from that of the first heuristic of its kind (:attr:`offloadlib.kinds.Face.first`).
    on_progress
        Called with time, incumbent and lower bound while the method runs.

    Returns
    -------
    Result
        With ``.solution``, ``.objective``, ``.lower_bound``, ``.gap``, ``.status`` and ``.runtime``.

    Raises
    ------
    InputError
        If the file cannot be read, the method is unknown or cannot solve this instance, an option is out of
        range, the solver is not installed, or ``start`` breaks a limit (which one, and by how much) or the
        method is a fixed scheme that starts from nothing.
    FalseResult
        If the method's result is not true (:mod:`offloadlib.keeping`).

    Warns
    -----
    UserWarning
        Of options that the method ignores.
    RuntimeWarning
        If the method failed; what is returned is the best solution that it had found.
    """
    chosen = find(method)
    budget = Budget(time_limit, gap, seed, threads, solver, start, on_progress)
    given: AnyInstance = read(located(instance)) if isinstance(instance, str | Path) else instance
    admit(given, chosen, budget)
    if ignored := chosen.ignored(budget):
        warnings.warn(f"{chosen.name} ignores {', '.join(ignored)}", UserWarning, stacklevel=2)
    result = attempt(chosen, given, budget)
    if result.failure is not None:
        what = f"{chosen.name} failed ({result.failure}); this is the best solution that it had found"
        warnings.warn(what, RuntimeWarning, stacklevel=2)
    return result


def admit(instance: AnyInstance, method: Method, budget: Budget[Decisions]) -> None:
    """Refuse what cannot be run.

    Raises
    ------
    InputError
        As for :func:`solve`.
    """
    problems = list(budget_problems(budget))
    reason = method.applies_to(instance)
    if reason is not None:
        problems.append(("method", f"{method.name} {reason}"))
    if budget.start is not None:
        broken = instance.evaluate(budget.start).violations
        problems += [("start", f"breaks a limit: {violation}") for violation in broken]
        if method.scheme:
            problems.append(("start", f"{method.name} is a fixed scheme: it starts from nothing"))
    if problems:
        raise InputError("solve", problems)


def budget_problems(budget: Budget[Any]) -> Iterator[Problem]:
    """What of a budget is out of range."""
    if not budget.time_limit > 0:
        yield "time_limit", f"must be positive, not {budget.time_limit!r}"
    if not 0 <= budget.gap < 1:
        yield "gap", f"must be a number from 0 on and below 1, not {budget.gap!r}"
    if budget.threads < 1:
        yield "threads", f"must be at least 1, not {budget.threads!r}"
    if not 0 <= budget.seed < 2**31:
        yield "seed", f"must lie in 0..2^31-1, not {budget.seed!r}"


def attempt(method: Method, instance: AnyInstance, budget: Budget[Decisions]) -> Result[Decisions]:
    """Run a method, and come back with the best solution that is known, whatever becomes of it.

    Parameters
    ----------
    method, instance, budget
        As for the method itself, which must apply to the instance.

    Returns
    -------
    Result
        With exact figures, never worse than the start. Where the method raises, the best of its start and of
        what it has told in its progress, as interrupted or failed.

    Raises
    ------
    FalseResult
        If the method's result is not true.
    InputError
        If the method cannot run with this budget.
    Exception
        What the method raises, where there is no solution yet; and what ``budget.on_progress`` raises.
    """
    function = prepared(method, instance, budget)
    keeper = Keeper(method.name, instance, budget.start, budget.on_progress)
    try:
        if budget.start is None and method.family is Family.EXACT and (start := first(instance)) is not None:
            keeper = Keeper(method.name, instance, start, budget.on_progress)
            keeper(Progress(0.0, instance.evaluate(start).total, None, Made(start)))
            budget = replace(budget, start=start)
        result = _called(function, instance, replace(budget, on_progress=keeper))
    except (KeyboardInterrupt, OutOfTime) as end:
        how = Termination.TIME_LIMIT if isinstance(end, OutOfTime) else Termination.INTERRUPTED
        kept = keeper.best(how)
        if kept is None and not instance.evaluate(instance.all_local).feasible:
            kept = Result.of(instance, None, 0.0, None, how)
        if kept is None:
            raise
        return kept
    except InputError:
        raise
    except Exception as error:
        kept = keeper.best(Termination.FAILED, error=described(error))
        if kept is None or keeper.callers_error is not None:
            raise
        return kept
    return _with_reasons(keeper.verified(result), instance, budget)


def _with_reasons(
    result: Result[Decisions], instance: AnyInstance, budget: Budget[Decisions]
) -> Result[Decisions]:
    """A result with the devices that no decision can serve, where there is no solution, in the time left."""
    of_kind, until = face(instance.kind), time.perf_counter() + budget.time_limit - result.runtime
    if result.solution is not None or "reasons" in result.run or not of_kind.misses:
        return result
    with suppress(OutOfTime):
        misses = of_kind.function("misses")(instance, lambda: time.perf_counter() > until)
        if misses:
            return replace(result, run={**result.run, "reasons": list(misses.values())})
    return result


def _called(function: Function, instance: AnyInstance, budget: Budget[Decisions]) -> Result[Decisions]:
    """What a method returns; it must not end Python."""
    try:
        return function(instance, budget)
    except SystemExit as end:
        raise RuntimeError(f"it called sys.exit({end.code!r})") from end


def prepared(method: Method, instance: AnyInstance, budget: Budget[Decisions]) -> Function:
    """A method's function, ready to begin: what it needs is imported and compiled, its start's too."""
    if budget.start is None and method.family is Family.EXACT:
        face(instance.kind).start.prepared(instance)
    return method.prepared(instance)


def known(instance: AnyInstance, budget: Budget[Decisions]) -> Result[Decisions]:
    """What is known of an instance without any method: the start, or else that all may stay local, if they
    may."""
    start = instance.all_local if budget.start is None else budget.start
    kept = Keeper("", instance, start).best(Termination.INTERRUPTED)
    return kept or Result.of(instance, None, 0.0, None, Termination.INTERRUPTED)


def described(error: BaseException) -> str:
    """What was raised, in words."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def first(instance: AnyInstance) -> Any:
    """The solution that an exact method starts from where none is given: a heuristic's, or all-local; None
    where neither is one."""
    method, alone = face(instance.kind).start, instance.all_local
    local = instance.evaluate(alone)
    if method.applies_to(instance) is None:
        found: Result = method.load()(instance, Budget())
        if found.objective < (local.total if local.feasible else math.inf):
            return found.solution
    return alone if local.feasible else None


def versions() -> dict[str, str]:
    """Versions of this package and of those that decide its results."""
    return dict(_versions())


@cache
def _versions() -> Mapping[str, str]:
    others = ("highspy", "numpy", "ortools", "pyomo")
    return {"offloadlib": __version__, **{name: version(name) for name in others}}
