"""What a method is given and what it gives back: ``method(instance, budget) -> Result``."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, Protocol

from typing_extensions import TypeVar

from .kind import AnyInstance

if TYPE_CHECKING:
    import pandas as pd

Decisions = TypeVar("Decisions", default=Any)
"""The solutions of one kind of instances."""

Own = TypeVar("Own", covariant=True)


class Decided(Protocol[Own]):
    """What has solutions of one class: an instance of one kind."""

    @property
    def all_local(self) -> Own:
        """The solution that offloads nothing."""


OPTIMAL_GAP = 1e-9
"""The largest relative gap at which a solution is called optimal."""

NOTHING = 1e-9
"""What a cost of 0 counts as where something is relative to it."""


class Termination(StrEnum):
    """Why a method stopped."""

    FINISHED = "finished"
    GAP = "gap reached"
    TIME_LIMIT = "time limit"
    INTERRUPTED = "interrupted"
    STALLED = "nothing left to branch on"
    FAILED = "failed"


class OutOfTime(Exception):
    """Time is up: what is under way is given up, and what was known before stays. Inside of methods only."""


@dataclass(frozen=True)
class Progress:
    """One event of a running solve.

    Parameters
    ----------
    time
        Seconds since its start.
    objective, lower_bound
        The incumbent's cost, and a lower bound on every solution's; None where unknown.
    solution
        Makes the best solution that the method could return at this moment, so that it is not lost whatever
        becomes of the method; to be called before the event is over, if at all.
    """

    time: float
    objective: float | None
    lower_bound: float | None
    solution: Callable[[], Any] | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class Budget(Generic[Decisions]):
    """What a method may spend, and where it starts. A method ignores what it has no use for.

    Parameters
    ----------
    time_limit
        Seconds.
    gap
        Relative gap at which an exact method may stop.
    seed
        For everything random.
    threads
        Threads that a solver may use.
    solver
        The MILP solver, by the name that Pyomo knows it under.
    start
        A feasible solution to start from.
    on_progress
        Called with each :class:`Progress` event.
    """

    time_limit: float = math.inf
    gap: float = OPTIMAL_GAP
    seed: int = 0
    threads: int = 1
    solver: str = "highs"
    start: Decisions | None = None
    on_progress: Callable[[Progress], None] | None = None

    def tell(
        self,
        seconds: float,
        objective: float | None,
        lower_bound: float | None = None,
        solution: Callable[[], Any] | None = None,
    ) -> None:
        """Let whoever wants to know of it have a :class:`Progress`."""
        if self.on_progress is not None:
            self.on_progress(Progress(seconds, objective, lower_bound, solution))


class Watch:
    """When a run has to end, and why it has.

    Parameters
    ----------
    time_limit
        Seconds from now.
    """

    def __init__(self, time_limit: float) -> None:
        self._begun, self._limit = time.perf_counter(), time_limit
        self.termination = Termination.FINISHED

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._begun

    @property
    def over(self) -> bool:
        """Whether it has to end."""
        if self.termination is Termination.FINISHED and self.seconds >= self._limit:
            self.termination = Termination.TIME_LIMIT
        return self.termination is not Termination.FINISHED


def within(lower_bound: float, cost: float) -> float | None:
    """A bound on the cost of all solutions, beside the cost of one of them.

    Returns
    -------
    float or None
        At most that cost, where only rounding says more. None without a bound (a solver says minus infinity),
        and where it is off by more than that, but by less than the absolute tolerances of solvers, which
        matter where costs are tiny. What is above the cost by more comes back as it is.
    """
    if not math.isfinite(lower_bound):
        return None
    if lower_bound - cost <= OPTIMAL_GAP * abs(cost):
        return min(lower_bound, cost)
    return lower_bound if lower_bound - cost > slack(cost) else None


def slack(cost: float) -> float:
    """What a claim may be off a cost before it is called false, here and by the checker."""
    return OPTIMAL_GAP * max(1.0, abs(cost))


class Status(StrEnum):
    """What is claimed of a solution."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    """That there is none: proven."""
    UNKNOWN = "unknown"
    """There is none; whether there could be one is not known."""


@dataclass(frozen=True)
class StoredSolution(Generic[Decisions]):
    """What a solution file holds: decisions and the claims made for them.

    Where there are no decisions, ``solution`` is None and ``objective`` infinite (null in the file).
    """

    solution: Decisions
    method: str
    objective: float
    lower_bound: float | None
    status: Status
    run: Mapping[str, Any] = field(default_factory=dict)


def gap(objective: float, lower_bound: float | None) -> float | None:
    """Relative gap ``(objective - lower bound)/|objective|``, an objective of 0 counting as :data:`NOTHING`;
    0 where they are equal, None without a bound or a solution."""
    if lower_bound is None:
        return None
    if objective == lower_bound:
        return 0.0
    if math.isinf(objective):
        return None
    return (objective - lower_bound) / (abs(objective) or NOTHING)


@dataclass(frozen=True, repr=False)
class Result(Generic[Decisions]):
    """A solution, what it costs, and what is proven about it.

    Parameters
    ----------
    solution
        The incumbent; None where there is none.
    objective
        Its cost, evaluated anew from the decisions; infinite where there is no incumbent.
    lower_bound
        A lower bound on every solution's cost, or None where the method proves none; infinite where it is
        proven that there is no solution.
    runtime
        Seconds, without reading files and without compilation.
    termination
        Why the method stopped.
    run
        What else is worth recording: nodes, iterations, solver and its version.
    """

    solution: Decisions
    objective: float
    lower_bound: float | None
    runtime: float
    termination: Termination = Termination.FINISHED
    run: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        instance: AnyInstance,
        solution: Decisions | None,
        runtime: float,
        lower_bound: float | None = None,
        termination: Termination = Termination.FINISHED,
        **run: Any,
    ) -> Result[Decisions]:
        """The result of decisions, costed anew, or of a run that has found none.

        A bound above the cost, as far as rounding explains it, is lowered to it; one that is not finite is
        none, but where there is no solution: then an infinite one proves that.

        Raises
        ------
        RuntimeError
            If the decisions break a limit: a method must not return such.
        """
        if solution is None:
            bound = None if lower_bound == -math.inf else lower_bound
            nothing: Any = None
            return cls(nothing, math.inf, bound, runtime, termination, run)
        evaluation = instance.evaluate(solution)
        if not evaluation.feasible:
            broken = "; ".join(map(str, evaluation.violations))
            raise RuntimeError(f"the method returned an infeasible solution ({broken})")
        bound = None if lower_bound is None else within(lower_bound, evaluation.total)
        if bound is not None and instance.version == 1:
            bound = max(bound, 0.0)  # nothing costs less, and a bound a hair below 0 would not prove a 0
        return cls(solution, evaluation.total, bound, runtime, termination, run)

    def to_frame(self) -> pd.DataFrame:
        """A row: ``status``, ``objective``, ``lower_bound``, ``gap``, ``runtime``, ``termination``, and the
        record of the run. ``pandas.concat`` makes a table of several."""
        import pandas as pd

        row = {
            "status": str(self.status),
            "objective": self.objective,
            "lower_bound": math.nan if self.lower_bound is None else self.lower_bound,
            "gap": math.nan if self.gap is None else self.gap,
            "runtime": self.runtime,
            "termination": str(self.termination),
        }
        return pd.DataFrame([row | {name: value for name, value in self.run.items() if name not in row}])

    def __repr__(self) -> str:
        distance = "no bound" if self.gap is None else f"gap {self.gap:.2%}"
        return f"<Result: {self.status}, cost {self.objective:.6g}, {distance}, {self.runtime:.3g} s>"

    @property
    def gap(self) -> float | None:
        """``(objective - lower bound)/|objective|``, None without a bound or without a solution."""
        return gap(self.objective, self.lower_bound)

    @property
    def failure(self) -> str | None:
        """What went wrong, where the method or its solver failed."""
        if self.termination is not Termination.FAILED:
            return None
        return str(self.run.get("error") or "; ".join(self.run.get("solver_errors", ())) or self.termination)

    @property
    def status(self) -> Status:
        """Optimal only at a relative gap of at most 1e-9; a bound above the cost proves nothing."""
        if self.solution is None:
            return Status.INFEASIBLE if self.lower_bound == math.inf else Status.UNKNOWN
        proven = self.gap is not None and abs(self.gap) <= OPTIMAL_GAP
        return Status.OPTIMAL if proven else Status.FEASIBLE

    def stored(self, method: str) -> StoredSolution[Decisions]:
        """What the solution file of this result holds."""
        run = {**self.run, "termination": str(self.termination), "runtime": self.runtime}
        return StoredSolution(self.solution, method, self.objective, self.lower_bound, self.status, run)
