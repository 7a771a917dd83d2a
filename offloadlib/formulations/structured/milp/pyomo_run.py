"""Solving a Pyomo model of an instance: with HiGHS as arrays, with SCIP, or with any solver of Pyomo's."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.contrib.solver.common.results import TerminationCondition
from pyomo.contrib.solver.solvers.scip.scip_direct import ScipDirect
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy.sparse import csr_array

from offloadlib.instances import LOCAL, Budget, InputError, Instance, Result, Solution, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import REFUSED

from ...engine import highs
from ...engine.outcome import errors
from ...engine.trust import UNCONFIRMED, Claim, SolverError, contradiction, ended, insist
from ...engine.units import unit_for
from .. import programs
from ..metered import metered
from ..scaling import far_apart, levelled
from ..search import Search, run_in_scale
from . import clock

Build = Callable[[Instance], pyo.ConcreteModel]

Tighten = Callable[
    [Instance, pyo.ConcreteModel, highs.MixedIntegerProgram, list[Any], float], highs.MixedIntegerProgram
]
"""(instance, model, its program, the variable of each column, seconds) -> the program with more rows."""

Outcome = tuple[Termination, dict[str, Any]]
"""Why a solver stopped, and what is worth recording."""


@dataclass(frozen=True)
class Request:
    """What a solver is given.

    Attributes
    ----------
    search
        What it improves, in the time that is left.
    instance, unit
        The search's instance in other units: the objective is ``unit`` times F.
    model
        Of that instance, without the search's constant.
    reference
        The size of the objective.
    confirm
        Whether a second answer has to agree before a bound counts, even if costs are not far apart.
    """

    search: Search | programs.LimitedSearch
    instance: Instance
    unit: float
    model: pyo.ConcreteModel
    reference: float
    confirm: bool

    def insist(self, ways: Sequence[Callable[[], Answer]], tolerance: float) -> Outcome:
        """Ask a solver in one way after the other until it gives an answer that can be true, and keep it.

        Its answers may be off by its tolerance for feasibility, relatively, times :data:`LARGEST_ERROR`,
        before they contradict anything; twice the tolerance is taken off bounds, as :data:`.highs.MARGIN` is.
        """
        search = self.search
        known, reference = self.known, self.reference

        def in_full(objective: float) -> float:
            return objective / self.unit + search.constant

        stopped: list[Answer] = []

        def late() -> bool:
            return search.left == 0 or bool(stopped)

        def wrong(answer: Answer) -> str | None:
            if answer.termination is Termination.INTERRUPTED:
                stopped.append(answer)
            cost = math.inf
            if answer.solution is not None:
                cost = search.cost(answer.solution)
                search.offer(answer.solution)
            done = answer.termination is Termination.FINISHED
            claim = Claim(in_full(answer.objective), cost, in_full(answer.bound), done)
            rounding = LARGEST_ERROR * tolerance * reference
            best = self.known
            if claim.bound > best + rounding:
                return f"a bound of {claim.bound:.12g} above a solution of {best:.12g}"
            return contradiction(claim, known, rounding)

        # Without a solution, an answer may be that there is none.
        sure = search.start is not None and not self.confirm and not far_apart(search.instance)
        needed = 1 if sure else 2
        insisted = insist(ways, wrong, late, needed)
        answers, wrongs = insisted.answers, insisted.wrong
        record = answers[-1].record if answers else {"solver": search.budget.solver}
        terminations = [answer.termination for answer in answers]
        if len(answers) == needed:
            bound = in_full(min(answer.bound for answer in answers))
            search.prove(bound - max(highs.MARGIN, 2 * tolerance) * reference)
        elif answers and late():
            terminations.append(Termination.TIME_LIMIT)
        else:
            wrongs += (UNCONFIRMED,) if answers else ()
            terminations.insert(0, Termination.FAILED)
        return ended(terminations), {**record, **errors(wrongs)}

    @property
    def known(self) -> float:
        """What the incumbent costs; infinite where there is none."""
        return math.inf if self.search.start is None else self.search.cost(self.search.start)

    def set_start(self) -> bool:
        """Give the integer variables the values of the incumbent; whether there is one."""
        if self.search.start is None:
            return False
        set_start(self.model, self.instance, self.search.start)
        return True

    def read(self) -> Solution:
        """The decisions that the values of the variables stand for."""
        return read_places(self.model, self.instance)


@dataclass(frozen=True)
class Answer:
    """What a solver says of a model: why it stopped, its best solution and bound, and what to record."""

    termination: Termination
    solution: Solution | None
    objective: float
    bound: float
    record: dict[str, Any]


_NOWHERE = Termination.FINISHED, None, math.inf, math.inf
"""What a solver says where it calls a model infeasible: the beginning of an answer."""

Solve = Callable[[Request], Outcome]

HIGHS, SCIP = "highs", "scip"

SCIP_TOLERANCE = 1e-9
"""Primal and dual feasibility: SCIP's own arithmetic takes smaller differences for 0."""

LEAST_TOLERANCE = 1e-9
"""The least that Gurobi takes, and CPLEX for feasibility."""

CBC_INTEGRALITY = 1e-8
"""CBC's answers are as good as this, its coarsest tolerance."""

_TOLERANCES: dict[str, tuple[float, dict[str, float]]] = {
    "appsi_highs": (
        highs.TOLERANCE,
        {
            "mip_feasibility_tolerance": highs.INTEGRALITY,
            "primal_feasibility_tolerance": highs.TOLERANCE,
            "dual_feasibility_tolerance": highs.TOLERANCE,
            "mip_abs_gap": 0.0,
        },
    ),
    "cbc": (
        CBC_INTEGRALITY,
        {
            "primalT": LEAST_TOLERANCE,
            "dualT": LEAST_TOLERANCE,
            "integerT": CBC_INTEGRALITY,
            "allowableGap": 0.0,
        },
    ),
    "gurobi": (
        LEAST_TOLERANCE,
        {
            "FeasibilityTol": LEAST_TOLERANCE,
            "OptimalityTol": LEAST_TOLERANCE,
            "IntFeasTol": LEAST_TOLERANCE,
            "MIPGapAbs": 0.0,
        },
    ),
    "cplex": (
        LEAST_TOLERANCE,
        {
            "simplex_tolerances_feasibility": LEAST_TOLERANCE,
            "simplex_tolerances_optimality": LEAST_TOLERANCE,
            "mip_tolerances_integrality": LEAST_TOLERANCE,
            "mip_tolerances_absmipgap": 0.0,
        },
    ),
}
"""The tolerance that a solver is run with, and the options that set it."""

OTHER_TOLERANCE = 1e-6
"""What solvers take for feasible whose tolerances are not set here, or less."""

LARGEST_ERROR = 100.0
"""Times the tolerance: many variables and rows may use it up."""

_GAP_OPTIONS = {
    "appsi_highs": "mip_rel_gap",
    "cbc": "ratioGap",
    "glpk": "mipgap",
    "gurobi": "MIPGap",
    "cplex": "mip_tolerances_mipgap",
}
"""What solvers call the relative gap; another solver runs with its own default."""


def minimise_cost(
    instance: Instance,
    budget: Budget,
    build: Build,
    tighten: Tighten | None = None,
    confirm: bool = False,
) -> Result:
    """Build a model of the pooled instance, solve it, and turn its values into a result.

    Costs are scaled so that the start has a typical one.

    Parameters
    ----------
    instance, budget
        As for every method.
    build
        Makes the model.
    tighten
        Adds inequalities to the arrays that HiGHS gets.
    confirm
        Whether a second answer has to agree before a bound counts, even if costs are not far apart.

    Raises
    ------
    InputError
        If the solver is not installed.
    """
    solve = _solver(budget.solver, tighten)
    if instance.version > 1:
        return programs.run(instance, budget, partial(_minimise_limited, build, tighten, solve, confirm))

    def method(search: Search) -> Outcome:
        unit = unit_for(search.objective)
        instance = levelled(search.instance, search.objective, unit)
        model = _made(search, build, instance)
        return solve(Request(search, instance, unit, model, search.objective, confirm))

    return run_in_scale(instance, budget, method)


def _made(search: Search | programs.LimitedSearch, build: Build, instance: Instance) -> pyo.ConcreteModel:
    """A model, in the time that is left."""
    with clock.limited(lambda: search.left), _quiet():  # Pyomo reports a rule that gives up
        begun = search.seconds
        model = build(instance)
        # To arrays, or to whatever another solver reads, takes about as long again.
        clock.check(search.seconds - begun)
    return model


def _minimise_limited(
    build: Build,
    tighten: Tighten | None,
    solve: Solve,
    confirm: bool,
    search: programs.LimitedSearch,
    reference: float,
) -> Outcome:
    """The same for an instance of format 2."""
    given, unit = search.instance, unit_for(reference)
    instance = metered(given, unit)
    model = _made(search, build, instance)
    names, points, subtasks = given.devices.ids, (*given.points.ids, None), dict(model.tasks)

    def variable_of(m: int, k: int, n: int) -> Any:
        return model.x.get((names[m], subtasks[names[m]].subtasks[k], points[n]))

    if search.budget.solver != HIGHS:
        return _cut_off(solve, Request(search, given, unit, model, reference, confirm), variable_of)
    program, variables = program_of(model)
    if tighten is not None:
        program = tighten(instance, model, program, variables, search.left)
    number = {id(variable): i for i, variable in enumerate(variables)}

    def encode(solution: Solution) -> tuple[Ints, Floats]:
        set_start(model, given, solution)
        values = [variables[i].value for i in program.integer.tolist()]
        return program.integer, np.array(values, dtype=np.float64)

    def column(m: int, k: int, n: int) -> int:
        variable = variable_of(m, k, n)
        return -1 if variable is None else number.get(id(variable), -1)

    encoded = programs.Encoded(
        program=replace(program, cost=program.cost / unit),
        encode=encode,
        decode=partial(_decoded, model, given, variables),
        column=column,
    )
    return programs.minimise(search, encoded, reference, confirm)


def _cut_off(solve: Solve, job: Request, variable_of: Callable[[int, int, int], Any]) -> Outcome:
    """Let a solver go on until what it finds keeps every limit exactly, as :func:`.programs.minimise` lets
    HiGHS."""
    search, known = job.search, 0
    assert isinstance(search, programs.LimitedSearch)
    job.model.cuts = pyo.ConstraintList()
    while True:
        for cut in search.cuts[known:]:
            some = [variable for place in cut.places if (variable := variable_of(*place)) is not None]
            job.model.cuts.add(pyo.quicksum(some) <= cut.most)
        known = len(search.cuts)
        termination, record = solve(job)
        if len(search.cuts) == known or termination is not Termination.FINISHED:
            return termination, {**record, "cut_off": known}


def _decoded(model: Any, instance: Instance, variables: list[Any], values: Floats) -> Solution:
    for variable, value in zip(variables, values.tolist(), strict=True):
        variable.set_value(value, skip_validation=True)
    return read_places(model, instance)


def program_of(model: pyo.ConcreteModel) -> tuple[highs.MixedIntegerProgram, list[Any]]:
    """A Pyomo model as arrays, and the Pyomo variable of each column."""
    form = LinearStandardFormCompiler().write(model, mixed_form=True)
    matrix = csr_array(form.A)
    kinds = np.array([kind for _, kind in form.rows])
    lower, upper = _bounds(form.columns)
    program = highs.MixedIntegerProgram(
        cost=form.c.toarray()[0],
        lower=lower,
        upper=upper,
        integer=np.flatnonzero([not variable.is_continuous() for variable in form.columns]),
        matrix=matrix,
        # In mixed form a row is of kind 1 (<=), -1 (>=) or 0 (=).
        row_lower=np.where(kinds == 1, -np.inf, form.rhs),
        row_upper=np.where(kinds == -1, np.inf, form.rhs),
    )
    return program, form.columns


def _bounds(columns: list[Any]) -> tuple[Floats, Floats]:
    bounds = [variable.bounds for variable in columns]
    lower = np.array([-np.inf if low is None else low for low, _ in bounds])
    upper = np.array([np.inf if high is None else high for _, high in bounds])
    return lower, upper


def _run_highs(tighten: Tighten | None, job: Request) -> Outcome:
    search = job.search
    assert isinstance(search, Search)
    program, variables = program_of(job.model)
    if tighten is not None:
        program = tighten(job.instance, job.model, program, variables, search.left)
    job.set_start()
    given = np.array([i for i, variable in enumerate(variables) if variable.value is not None])
    start = given, np.array([variables[i].value for i in given], dtype=np.float64)

    # The rows keep their unit, the objective is F again.
    program = replace(program, cost=program.cost / job.unit)
    decode = partial(_decoded, job.model, job.instance, variables)
    return search.minimise(program, start, decode, confirm=job.confirm)


def set_start(model: Any, instance: Instance, start: Solution) -> None:
    """Give the integer variables the values of a solution; the solver completes the others."""
    decisions = {name: places or () for name, places in start.decisions(instance)}
    for m, task in model.tasks.items():
        places, served = decisions[m], decisions[m] is not None
        for k, place in zip(task.subtasks, places or ("",) * len(task.subtasks), strict=True):
            model.local[m, k].set_value(int(place is None))
            for n in model.POINTS:
                model.place[m, k, n].set_value(int(place == n))
        if m in model.LIMITED:
            model.air[m].set_value(int(any(place is not None for place in places or ())))
        if m in model.REFUSABLE:
            model.served[m].set_value(int(served))


def read_places(model: Any, instance: Instance) -> Solution:
    """The decisions that the placement variables' values stand for."""
    number = {n: i for i, n in enumerate(instance.points.ids)}
    rows: dict[str, list[int]] = {}
    for m, task in model.tasks.items():
        rows[m] = [
            next((number[n] for n in model.POINTS if model.place[m, k, n].value > 0.5), LOCAL)
            for k in task.subtasks
        ]
        if m in model.REFUSABLE and model.served[m].value < 0.5:
            rows[m] = [REFUSED for _ in task.subtasks]
    sizes = [instance.applications[i].size for i in instance.devices.application.tolist()]
    local = ([LOCAL] * size for size in sizes)
    return Solution.from_rows(
        instance,
        [rows.get(name, row) for name, row in zip(instance.devices.ids, local, strict=True)],
    )


def _solver(name: str, tighten: Tighten | None) -> Solve:
    """What runs the solver of a name: SCIP's Python package where that is installed, else by Pyomo's name.

    Raises
    ------
    InputError
        If it is not installed.
    """
    if name == HIGHS:
        return partial(_run_highs, tighten)
    if name == SCIP:
        direct = _Scip()
        if direct.available():
            return partial(_run_scip, direct)
    with _quiet():  # Pyomo reports an unknown name with a traceback
        try:
            solver = pyo.SolverFactory(name)
            available = bool(solver.available(exception_flag=False))
        except Exception:
            available = False
    if not available:
        hint = ": it comes with the package pyscipopt" if name == SCIP else ", or Pyomo does not know it"
        raise InputError("solver", [("", f"{name!r} is not installed{hint}")])
    return partial(_run_other, solver)


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing of what Pyomo logs is shown."""
    logger = logging.getLogger("pyomo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


_SCIP_WAYS: tuple[dict[str, int], ...] = (
    {},
    {"presolving/maxrounds": 0},
    {"presolving/maxrounds": 0, "lp/scaling": 0},
    {},
)
"""Settings: the usual ones, then safer ones."""

_SCIP_TERMINATIONS = {
    TerminationCondition.convergenceCriteriaSatisfied: Termination.FINISHED,
    TerminationCondition.interrupted: Termination.INTERRUPTED,
    TerminationCondition.maxTimeLimit: Termination.TIME_LIMIT,
}


def _run_scip(solver: Any, job: Request) -> Outcome:
    """SCIP through its Python package; it catches Ctrl-C itself and returns what it has."""
    return job.insist(
        [partial(_ask_scip, solver, job, number) for number in range(len(_SCIP_WAYS))], SCIP_TOLERANCE
    )


class _Scip(ScipDirect):  # type: ignore[misc]  # Pyomo is not typed
    """SCIP as Pyomo has it, without Python's lock while it solves.

    A thread of Pyomo empties the pipe that stands in for standard output and error, and SoPlex writes there
    whatever the verbosity: with the lock held, 64 kB of it would be a deadlock.
    """

    def _create_solver_model(self, *arguments: Any) -> tuple[Any, ...]:
        model, *rest = super()._create_solver_model(*arguments)
        return _Unlocked(model), *rest


class _Unlocked:
    """A SCIP model that solves without Python's lock."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, "optimizeNogil" if name == "optimize" else name)


def _ask_scip(solver: Any, job: Request, number: int) -> Answer:
    job.set_start()
    integers = (v for v in job.model.component_data_objects(pyo.Var) if not v.is_continuous())
    search, budget = job.search, job.search.budget
    try:
        results = solver.solve(
            job.model,
            load_solutions=False,
            raise_exception_on_nonoptimal_result=False,
            rel_gap=highs.solver_gap(budget),
            abs_gap=0.0,
            time_limit=search.left if math.isfinite(search.left) else None,
            threads=budget.threads,
            warmstart_discrete_vars=all(v.value is not None for v in integers),
            solver_options={
                "display/verblevel": 0,  # nobody reads its log
                "numerics/feastol": SCIP_TOLERANCE,
                "numerics/dualfeastol": SCIP_TOLERANCE,
                "randomization/randomseedshift": budget.seed + number,
                **_SCIP_WAYS[number],
            },
        )
    except Exception as error:  # it has no type of its own
        raise SolverError(str(error)) from error
    version = ".".join(map(str, results.solver_version))
    record = {"solver": f"scip (pyscipopt {version})", "nodes": results.extra_info.NNodes}
    if results.termination_condition is TerminationCondition.provenInfeasible and search.start is None:
        return Answer(*_NOWHERE, record)
    if results.termination_condition not in _SCIP_TERMINATIONS:
        raise SolverError(f"SCIP ended with {results.termination_condition}")
    found = results.incumbent_objective is not None
    if found:
        results.solution_loader.load_vars()
    return Answer(
        termination=_SCIP_TERMINATIONS[results.termination_condition],
        solution=job.read() if found else None,
        objective=results.incumbent_objective if found else math.inf,
        bound=results.objective_bound,
        record=record,
    )


def _run_other(solver: Any, job: Request) -> Outcome:
    """Any other solver, through Pyomo's general interface, with its start and then without."""
    tolerance, _ = _TOLERANCES.get(job.search.budget.solver, (OTHER_TOLERANCE, {}))
    return job.insist(
        [partial(_ask_other, solver, job, started) for started in (True, False, True)], tolerance
    )


def _ask_other(solver: Any, job: Request, started: bool) -> Answer:
    search, name = job.search, job.search.budget.solver
    options: dict[str, Any] = {"load_solutions": False}
    if math.isfinite(search.left):
        options["timelimit"] = math.ceil(search.left) if name in _WHOLE_SECONDS else search.left
    if started and solver.warm_start_capable() and job.set_start():
        options["warmstart"] = True
    if name in _GAP_OPTIONS:
        solver.options[_GAP_OPTIONS[name]] = highs.solver_gap(search.budget)
    for option, value in _TOLERANCES.get(name, (OTHER_TOLERANCE, {}))[1].items():
        solver.options[option] = value
    try:
        with _quiet():  # what goes wrong is said once, by the error
            results = solver.solve(job.model, **options)
    except Exception as error:  # each interface has its own
        raise SolverError(f"{name}: {error}") from error
    condition = results.solver.termination_condition
    if condition == pyo.TerminationCondition.infeasible and search.start is None:
        return Answer(*_NOWHERE, {"solver": name})
    finished = pyo.check_optimal_termination(results)
    if not finished and condition not in _STOPPED:
        raise SolverError(f"{name} ended with status {condition}")
    solution, objective = None, math.inf
    if finished or len(results.solution) > 0:
        with _quiet():  # it warns of solutions found before the time limit
            job.model.solutions.load_from(results)
        solution, objective = job.read(), pyo.value(job.model.cost)
    bound = results.problem.lower_bound
    return Answer(
        termination=Termination.FINISHED if finished else Termination.TIME_LIMIT,
        solution=solution,
        objective=objective,
        bound=bound if isinstance(bound, int | float) else -math.inf,
        record={"solver": name},
    )


_WHOLE_SECONDS = ("glpk",)
"""Solvers that refuse a time limit of 0.5 s."""

_STOPPED = {
    pyo.TerminationCondition.maxTimeLimit,
    pyo.TerminationCondition.maxIterations,
    pyo.TerminationCondition.userInterrupt,
    pyo.TerminationCondition.feasible,
}
"""Why a solver may end before it has proven anything."""
