"""One run of an exact method: its clock, its incumbent and its bound, and the result in the end.

What every exact method does around its own mathematics: it starts from a feasible solution and a bound
that costs nothing, keeps the best of both, reports them, and returns them at the time limit and after
Ctrl-C as well.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from offloadlib.instances import (
    AnyInstance,
    Budget,
    Progress,
    Termination,
)
from offloadlib.instances.run import OPTIMAL_GAP, OutOfTime, gap, slack

from .trust import SolverError

Decisions = TypeVar("Decisions")


class TooManyDecisions(Exception):
    """The decisions of a device that would have to be listed do not fit into memory."""


class Run(Generic[Decisions]):
    """The clock of a run, the best solution and the best lower bound so far, and who is told of them.

    Parameters
    ----------
    instance
        The instance, of any kind.
    budget
        Its time limit, and whom to tell.
    solution
        The first incumbent; None where no feasible solution is known.
    lower_bound
        On the cost of every solution.

    Attributes
    ----------
    solution, objective
        The incumbent and its cost, infinite where there is none.
    """

    def __init__(
        self,
        instance: AnyInstance,
        budget: Budget[Decisions],
        solution: Decisions,
        lower_bound: float = -math.inf,
    ) -> None:
        self._begun = time.perf_counter()
        self._evaluate = instance.evaluate
        self.budget = budget
        self.solution = solution
        self.objective = math.inf if solution is None else self._evaluate(solution).total
        self._proven, self._told = [lower_bound], lower_bound

    @property
    def lower_bound(self) -> float:
        """On the cost of every solution."""
        return self._proven[-1]

    @property
    def optimal(self) -> bool:
        """Whether the incumbent is proven to be optimal."""
        known = gap(self.objective, self.lower_bound)
        return known is not None and known <= OPTIMAL_GAP

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.perf_counter() - self._begun

    @property
    def left(self) -> float:
        """Seconds of the time limit that are left; 0 at the end."""
        return max(self.budget.time_limit - self.seconds, 0.0)

    def late(self, share: float = 1.0) -> bool:
        """Whether the time, or a share of it, is up."""
        return self.seconds > share * self.budget.time_limit

    def stop(self) -> bool:
        """End all where time is up, by :class:`~.instances.run.OutOfTime`; and nothing else."""
        if self.late():
            raise OutOfTime
        return False

    def take(self, solution: Decisions) -> bool:
        """Keep a solution if it is feasible and costs less than the incumbent; returns whether it does.

        Raises
        ------
        SolverError
            If that contradicts a bound, which counts no more.
        """
        evaluation = self._evaluate(solution)
        better = evaluation.total < self.objective and evaluation.feasible
        if better:
            self.solution, self.objective = solution, evaluation.total
            self._hold()
        return better

    def prove(self, bound: float) -> None:
        """Keep a lower bound if it is better.

        Raises
        ------
        SolverError
            If the incumbent contradicts it.
        """
        if bound > self._proven[-1]:
            self._proven.append(bound)
            self._hold()

    def _hold(self) -> None:
        """Hold the bounds against the incumbent: solvers claim them, one after the other."""
        highest = self._proven[-1]
        while len(self._proven) > 1 and self._proven[-1] - self.objective > slack(self.objective):
            self._proven.pop()
        if self._proven[-1] < highest:
            self._told = self._proven[-1]
            raise SolverError(f"a bound of {highest:.12g} above a solution of {self.objective:.12g}")

    def report(
        self,
        objective: float = math.inf,
        bound: float = -math.inf,
        solution: Callable[[], Decisions] | None = None,
    ) -> None:
        """Tell the caller the best known, or what a running solver knows, where that is better.

        Parameters
        ----------
        objective, bound
            The solver's.
        solution
            Makes the best solution of both, if the solver's can be had.
        """
        # What is proven can fall by its rounding: a child's bound can be below its parent's.
        self._told = max(self._told, self.lower_bound)
        if self.budget.on_progress is not None:
            best, incumbent = min(self.objective, objective), self.solution
            known = min(best, max(self._told, bound))
            shown = best if math.isfinite(best) else None
            self.budget.on_progress(Progress(self.seconds, shown, known, solution or (lambda: incumbent)))


def concluded(method: Callable[[], Termination]) -> tuple[Termination, str]:
    """Why a method ended, and what a solver said that failed: what was known by then stays."""
    try:
        return method(), ""
    except OutOfTime:
        return Termination.TIME_LIMIT, ""
    except KeyboardInterrupt:
        return Termination.INTERRUPTED, ""
    except SolverError as error:
        return Termination.FAILED, str(error)


def errors(wrong: Sequence[str]) -> dict[str, Any]:
    """What a record says of answers that could not be taken (:mod:`.engine.trust`)."""
    return {"solver_errors": list(wrong)} if wrong else {}
