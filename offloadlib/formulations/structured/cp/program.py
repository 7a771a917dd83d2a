"""Making a program for CP-SAT, handing it over, and getting the best out of it at any moment.

CP-SAT solves in a thread of its own. Its callbacks only note what it has found; the thread of the caller
tells that to whoever wants to know, and stops the search when that raises an exception or after Ctrl-C.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import ortools
from numpy.typing import NDArray
from ortools.sat.python import cp_model
from ortools.sat.python.cp_model_helper import SatParameters

from offloadlib.instances import Application, Budget, Termination
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.series_parallel import reduction

from ...engine.trust import SolverError
from ..decomposition.chunks import never

TICK = 0.05
"""Seconds between two looks at what CP-SAT has found."""

PLACES: Mapping[str, Any] = {
    "cp_model_probing_level": 0,
    "linearization_level": 2,
    # Detecting inclusions, OR-Tools 9.15 calls feasible programs infeasible (google/or-tools#5293).
    "presolve_inclusion_work_limit": 0,
}
"""Settings for programs whose choices are places of subtasks."""

WAYS: tuple[Mapping[str, Any], ...] = (
    {},
    {"cp_model_presolve": False},
    {"cp_model_presolve": False, "linearization_level": 0, "permute_variable_randomly": True},
)
"""Settings beside those of a program: none, then safer ones, for when CP-SAT contradicts what is known, and
to confirm that there is no solution."""

Term = tuple[Any, int]
"""A variable and its coefficient."""

Report = Callable[[float, float, NDArray[np.bool_] | None], None]
"""Told of the incumbent's objective (infinite if there is none), the bound, and the incumbent's choices."""


@dataclass(frozen=True)
class Finding:
    """What CP-SAT found.

    Attributes
    ----------
    taken
        Which choices, of those of the program, its best solution makes; None without a solution.
    objective
        Of that solution; infinite without one.
    lower_bound
        On the objective of all solutions of the program, those above the cutoff included.
    termination
        Why CP-SAT stopped.
    branches, conflicts
        Of its search.
    infeasible
        Whether it says that the program has no solution.
    """

    taken: NDArray[np.bool_] | None
    objective: float
    lower_bound: int
    termination: Termination
    branches: int
    conflicts: int
    infeasible: bool = False


LONGEST = 200
"""Terms of a sum that is written out again: along a chain, sums grow longer and longer."""


class Program:
    """A program with an objective >= 0 of whole numbers.

    Parameters
    ----------
    size
        Number of choices.
    cutoff
        Only solutions are looked for whose objective is at most this, which the best known one keeps.
    late
        Asked while the program is made, whether to give it up by :class:`~.instances.run.OutOfTime`.
    feasible
        Whether a solution is known.

    Attributes
    ----------
    model
        The model of OR-Tools, for rows of other kinds.
    choices
        A variable in {0, 1} for each choice.
    """

    def __init__(
        self, size: int, cutoff: int, late: Callable[[], bool] = never, feasible: bool = True
    ) -> None:
        self.model, self._late, self._feasible = cp_model.CpModel(), late, feasible
        self.cutoff, self._begun = cutoff, perf_counter()
        self.choices = [self.boolean() for _ in range(size)]
        self._objective: list[Term] = []
        self._constant = 0

    @property
    def size(self) -> tuple[int, int]:
        """Numbers of variables and of rows."""
        return len(self.model.proto.variables), len(self.model.proto.constraints)

    def hint(self, taken: NDArray[np.bool_]) -> None:
        """Tell which choices a good solution makes."""
        for variable, value in zip(self.choices, taken.tolist(), strict=True):
            self.model.add_hint(variable, value)

    def boolean(self) -> Any:
        """A new variable in {0, 1}."""
        if self._late():
            raise OutOfTime
        return self.model.new_bool_var("")

    def integer(self, most: int) -> Any:
        """A new variable in {0, ..., most}."""
        return self.model.new_int_var(0, most, "")

    def at_least(self, variable: Any, terms: Iterable[Term], constant: int = 0) -> None:
        """variable >= sum + constant, unless all terms are 0."""
        terms = [(x, factor) for x, factor in terms if factor]
        if terms:
            self.model.add(variable >= total(terms) + constant)

    def latest(self, times: Sequence[list[Term]], most: int) -> list[Term]:
        """The maximum of one or more sums, in solutions where it is at most ``most``."""
        if len(times) == 1 and len(times[0]) <= LONGEST:
            return times[0]
        latest = self.integer(most)
        for time in times:
            self.at_least(latest, time)
        return [(latest, 1)]

    def limit(self, users: list[Term], limit: int, price: int) -> None:
        """sum <= limit, where the objective pays a price for what is left free."""
        if price > 0:
            free = self.integer(min(limit, self.cutoff // price))
            self.model.add(total([*users, (free, 1)]) == limit)
            self.pay([(free, price)])
        elif users:
            self.model.add(total(users) <= limit)

    def pay(self, terms: Iterable[Term], constant: int = 0) -> None:
        """Add to the objective."""
        self._objective += terms
        self._constant += constant

    def minimise(
        self,
        budget: Budget,
        *,
        gap: int,
        time_limit: float,
        settings: Mapping[str, Any],
        alone: bool,
        report: Report,
    ) -> Finding:
        """Minimise with CP-SAT.

        Parameters
        ----------
        budget
            Seed and threads.
        gap
            Difference between objective and bound at which CP-SAT may stop.
        time_limit
            Seconds that are left.
        settings
            Further parameters of CP-SAT: its strategy.
        alone
            Whether this strategy is better off without the other ones that more threads would run.
        report
            Called while CP-SAT runs, from the caller's thread.

        Returns
        -------
        Finding
            Also at the time limit and after Ctrl-C.

        Raises
        ------
        OutOfTime
            If time is up before the search, or would be.
        SolverError
            If CP-SAT refuses the program, or says that no solution keeps the cutoff, as the known one does.
        """
        # CP-SAT takes a program in, which nothing ends, for at least as long as it took to make.
        if self._late() or time_limit < perf_counter() - self._begun:
            raise OutOfTime
        self.model.minimize((total(self._objective) if self._objective else 0) + self._constant)
        # The domain is that of the sum without the constant.
        self.model.proto.objective.domain.extend([-self._constant, self.cutoff - self._constant])
        solver = cp_model.CpSolver()
        parameters = solver.parameters
        parameters.random_seed = budget.seed
        parameters.num_workers = workers = 1 if alone else budget.threads
        parameters.absolute_gap_limit = float(gap)
        parameters.relative_gap_limit = 0.0
        parameters.catch_sigint_signal = False
        _put(parameters, settings)
        if workers > 1:
            parameters.interleave_search = True  # deterministic: strategies take turns
            strategy = SatParameters()
            _put(strategy, {"name": "main", **settings})
            parameters.subsolver_params.append(strategy)
            parameters.subsolvers.append("main")
        if math.isfinite(time_limit):
            parameters.max_time_in_seconds = time_limit
        status, interrupted = _run(solver, self.model, _Best(len(self.choices)), report)
        return self._outcome(solver, status, interrupted)

    def _outcome(self, solver: Any, status: Any, interrupted: bool) -> Finding:
        kinds = cp_model.CpSolverStatus
        if status == kinds.MODEL_INVALID:
            raise SolverError(f"CP-SAT refuses the program: {self.model.validate()}")
        # All objectives stay below 2^53, so that the floats that CP-SAT gives are the whole numbers meant.
        bound, least = solver.best_objective_bound, 0
        if status != kinds.INFEASIBLE:
            least = math.floor(max(bound, 0.0)) if math.isfinite(bound) else 0
        elif not interrupted and self._feasible:
            raise SolverError("CP-SAT calls a program infeasible that a known solution keeps")
        termination = Termination.INTERRUPTED if interrupted else Termination.TIME_LIMIT
        if not interrupted and status == kinds.OPTIMAL:
            termination = Termination.FINISHED
        taken, objective = None, math.inf
        if status in (kinds.OPTIMAL, kinds.FEASIBLE):
            taken = np.array([solver.boolean_value(x) for x in self.choices], dtype=np.bool_)
            objective = solver.objective_value
        return Finding(
            taken=taken,
            objective=objective,
            lower_bound=least,
            termination=termination,
            branches=solver.num_branches,
            conflicts=solver.num_conflicts,
            infeasible=status == kinds.INFEASIBLE and not interrupted,
        )


def end_of(program: Program, task: Application, delay: list[list[Term]], most: int) -> list[Term]:
    """The weight of the heaviest path, in solutions where it is at most ``most``: a variable at joins, of
    redundant arcs none.

    Parameters
    ----------
    program, task
        Where rows and variables go, and the graph.
    delay
        The weight of each subtask, as a sum.
    most
        Of all finish times.
    """
    waits: list[list[int]] = [[] for _ in delay]
    for j, k in reduction(task):
        waits[k].append(j)
    finish: dict[int, list[Term]] = {}
    for k in task.order:
        ready = program.latest([finish[j] for j in waits[k]], most) if waits[k] else []
        finish[k] = ready + delay[k]
    return program.latest([finish[k] for k in np.flatnonzero(task.tails).tolist()], most)


def _put(parameters: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(parameters, name, value)


def version() -> str:
    """The version of OR-Tools."""
    return str(ortools.__version__)


def total(terms: Iterable[Term]) -> Any:
    """The sum of at least one term."""
    variables, coefficients = zip(*terms, strict=True)
    return cp_model.LinearExpr.weighted_sum(variables, coefficients)


class _Best(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
    """The best objective, bound and choices so far; the choices are the first variables of a program."""

    def __init__(self, choices: int) -> None:
        super().__init__()
        self.objective, self.bound = math.inf, 0.0
        self._choices = choices
        self.taken: NDArray[np.bool_] | None = None

    def on_solution_callback(self) -> None:
        values = self.response_proto.solution
        self.taken = np.array([values[i] for i in range(self._choices)], dtype=np.bool_)
        self.objective = self.objective_value

    def raise_bound(self, bound: float) -> None:
        self.bound = max(bound, self.bound)


def _run(solver: Any, model: Any, best: _Best, report: Report) -> tuple[Any, bool]:
    """The status, and whether Ctrl-C came."""
    finished = threading.Event()
    solver.best_bound_callback = best.raise_bound
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(solver.solve(model, best))
        except BaseException as error:
            outcome.append(error)
        finally:
            finished.set()

    # Not a daemon and not joined: a join that Ctrl-C breaks takes the thread for finished (bpo-45274).
    threading.Thread(target=work).start()
    told = math.inf, 0.0
    stop: BaseException | None = None
    done = False
    while not done:
        try:
            if stop is not None:
                solver.stop_search()  # again and again: it does nothing before the search has begun
            done = finished.wait(TICK)
            known = best.objective, best.bound
            if stop is None and known != told:
                told = known
                report(*known, best.taken)
        except BaseException as raised:  # Ctrl-C, or an error of the caller's
            stop = raised
    if isinstance(outcome[0], Exception):
        raise SolverError(f"CP-SAT raised {outcome[0]!r}") from outcome[0]
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    if stop is not None and not isinstance(stop, KeyboardInterrupt):
        raise stop
    return outcome[0], stop is not None
