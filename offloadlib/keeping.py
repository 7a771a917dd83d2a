"""What a running method has found is kept, and what it says is held against what its solution costs.

A :class:`Keeper` stands between a method and its caller. It listens to the method's progress, so that the
best solution so far is at hand when the method raises, does not answer to a signal, or crashes. Whatever
becomes the result has been costed exactly (:mod:`.instances.exact`) and checked against all limits without
tolerance; a method whose claims differ from that by more than rounding is refused.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Real
from threading import Lock
from typing import Any, Generic, TypeVar

from offloadlib.instances import AnyInstance, Progress, Result, Termination, exact
from offloadlib.instances.kind import kind_named
from offloadlib.instances.run import slack, within

Decisions = TypeVar("Decisions")

EASE = 10.0
"""A solution is made for an event at most after so many times the seconds that the last one took."""


class FalseResult(RuntimeError):
    """A method has returned what is not true, or nothing that could be.

    Parameters
    ----------
    method
        Its name.
    what
        What is wrong.
    kept
        The best solution that was found to be good, with no bound but one that it does not contradict.
    """

    def __init__(self, method: str, what: str, kept: Result[Any] | None = None) -> None:
        self.method, self.what, self.kept = method, what, kept
        super().__init__(f"{method} {what}")

    def __reduce__(self) -> tuple[type[FalseResult], tuple[str, str, Result[Any] | None]]:
        """Pickled by its parts, so that it survives the way back from a worker process."""
        return type(self), (self.method, self.what, self.kept)


@dataclass(frozen=True)
class Made(Generic[Decisions]):
    """A solution that an event carries; unlike what makes it, it can be sent to another process."""

    solution: Decisions

    def __call__(self) -> Decisions:
        return self.solution


class Keeper(Generic[Decisions]):
    """The best solution of one run so far, and its bound.

    Parameters
    ----------
    name
        Of the method.
    instance
        The instance.
    start
        A feasible solution that is there before the method begins, if any.
    notify
        Is told of all progress, with a solution where there is a new one.

    Attributes
    ----------
    callers_error
        What ``notify`` has raised, which is no fault of the method.

    Raises
    ------
    ValueError, IndexError
        If the start is not a solution of the instance.
    """

    def __init__(
        self,
        name: str,
        instance: AnyInstance,
        start: Decisions | None = None,
        notify: Callable[[Progress], None] | None = None,
    ) -> None:
        self._name, self._instance, self._start, self._notify = name, instance, start, notify
        self._begun = time.perf_counter()
        self._told: Decisions | None = None
        self._bound = -math.inf
        self._next = -math.inf
        self.callers_error: Exception | None = None
        self._lock = Lock()  # methods may call from any thread

    def __call__(self, progress: Progress) -> None:
        """Take note of an event, and pass it on."""
        with self._lock:
            if progress.lower_bound is not None and math.isfinite(progress.lower_bound):
                self._bound = max(self._bound, progress.lower_bound)
            begun = time.perf_counter()
            made = progress.solution() if progress.solution is not None and begun >= self._next else None
            ended = time.perf_counter()
            self._next = ended + EASE * (ended - begun) if made is not None else self._next
            new = made is not None and made is not self._told
            self._told = made if new else self._told
        if self._notify is not None:
            try:
                self._notify(replace(progress, solution=Made(made) if new else None))
            except Exception as error:
                self.callers_error = error
                raise

    def best(self, termination: Termination, **run: Any) -> Result[Decisions] | None:
        """The best solution and bound that are known without the method's result; None where none is."""
        known = [self._costed(solution) for solution in (self._told, self._start) if solution is not None]
        sound = [result for result, fault in known if not fault and result is not None]
        if not sound:
            return None
        found = min(sound, key=lambda result: result.objective)
        # Who has told of a solution that is none is not believed in anything else.
        bound = None if any(fault for _, fault in known) else within(self._bound, found.objective)
        return replace(
            found,
            lower_bound=None if bound is None or bound > found.objective else bound,
            runtime=time.perf_counter() - self._begun,
            termination=termination,
            run=run,
        )

    def verified(self, result: Any) -> Result[Decisions]:
        """A method's result, or its solution alone, with exact figures, and with the start where that is
        better.

        Raises
        ------
        FalseResult
            If something of it is not true.
        """
        seconds = time.perf_counter() - self._begun
        solution = kind_named(self._instance.kind).solution
        unclaimed = isinstance(result, solution)
        if unclaimed:
            result = Result(result, math.nan, None, seconds)
        if not isinstance(result, Result):
            raise self._false(f"returned {type(result).__name__}, not a Result or a {solution.__name__}")
        if not isinstance(result.run, Mapping) or not isinstance(result.runtime, Real):
            raise self._false(f"returned {result.run!r} and {result.runtime!r} as its record and its runtime")
        if result.solution is None:
            return self._without_solution(result)
        found, fault = self._costed(result.solution)
        if found is None or fault:
            raise self._false(fault)
        cost, bound = found.objective, result.lower_bound
        claimed = cost if unclaimed else result.objective
        if not isinstance(claimed, Real) or not isinstance(bound, Real | None):
            self._told, self._bound = found.solution, -math.inf
            raise self._false(f"returned {claimed!r} and {bound!r} as its objective and lower bound")
        if not isinstance(result.termination, Termination):
            self._told = found.solution
            raise self._false(f"returned {result.termination!r} as its termination")
        if not abs(claimed - cost) <= slack(cost):
            self._told = found.solution
            raise self._false(f"says that its solution costs {claimed!r}, and it costs {cost!r}")
        found = replace(result, objective=cost)
        start, _ = self._costed(self._start) if self._start is not None else (None, "")
        if start is not None and start.objective < cost:
            found = replace(
                found, solution=start.solution, objective=start.objective, run={**result.run, "kept": "start"}
            )
        if bound is None or bound == -math.inf:
            return replace(found, lower_bound=None)
        if not bound - found.objective <= slack(found.objective):
            self._told, self._bound = found.solution, -math.inf
            whose = "its own solution" if found.solution is result.solution else "its start"
            raise self._false(f"claims the lower bound {bound!r}, and {whose} costs {found.objective!r}")
        return replace(found, lower_bound=within(bound, found.objective))

    def _without_solution(self, result: Result[Any]) -> Result[Decisions]:
        """The result of a method that has found none, or the best that is known in spite of it."""
        known = self.best(result.termination, **result.run)
        if result.lower_bound == math.inf:
            if known is not None:
                raise self._false(f"says that there is no solution, and one costs {known.objective!r}")
            return replace(result, objective=math.inf)
        return known or Result.of(
            self._instance, None, result.runtime, None, result.termination, **result.run
        )

    def _costed(self, solution: Any) -> tuple[Result[Decisions] | None, str]:
        """A solution with its exact cost, or what is wrong with it."""
        if not isinstance(solution, kind_named(self._instance.kind).solution):
            return None, f"returned {type(solution).__name__} as its solution"
        try:
            broken = self._instance.evaluate(solution).violations
        except (ValueError, IndexError) as error:
            return None, f"returned a solution that is none of this instance: {error}"
        if broken:
            return None, f"returned a solution that breaks a limit: {'; '.join(map(str, broken))}"
        return Result(solution, exact.cost(self._instance, solution), None, 0.0), ""

    def _false(self, what: str) -> FalseResult:
        return FalseResult(self._name, what, self.best(Termination.FAILED, error=what))
