"""Solving a Pyomo model of an instance: with HiGHS as arrays, or with any solver that Pyomo knows."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler
from scipy.sparse import csr_array

from instances import LOCAL, Budget, InputError, Instance, Progress, Result, Solution, Termination, evaluate
from instances.bound import simple_bound
from instances.model import Floats

from . import highs
from .placement import unconnected_cost

Build = Callable[[Instance], pyo.ConcreteModel]

HIGHS = "highs"


_GAP_OPTIONS = {
    "appsi_highs": "mip_rel_gap",
    "scip": "limits/gap",
    "cbc": "ratioGap",
    "glpk": "mipgap",
    "gurobi": "MIPGap",
    "cplex": "mip_tolerances_mipgap",
}
"""What solvers call the relative gap; another solver runs with its own default."""


@dataclass(frozen=True)
class Found:
    """What a solver returned: a solution, if any, and a bound on the model's objective."""

    solution: Solution | None
    lower_bound: float
    termination: Termination
    record: dict[str, Any]


def minimise_cost(instance: Instance, budget: Budget, build: Build) -> Result:
    """Build a model, solve it, and turn its values into a result.

    The solution is read off the placement variables, checked against every limit and costed anew;
    the bound is the solver's, or the simple bound where the solver has none that is better.

    Raises
    ------
    InputError
        If the solver is not installed.
    """
    solver = None if budget.solver == HIGHS else _pyomo_solver(budget.solver)
    begun = time.perf_counter()
    start = budget.start or Solution.all_local(instance)
    upper = evaluate(instance, start).total
    if not _can_offload(instance):
        return Result.of(instance, start, time.perf_counter() - begun, upper)
    constant = unconnected_cost(instance)
    floor = simple_bound(instance)

    def report(seconds: float, objective: float, bound: float) -> None:
        if budget.on_progress is not None:
            best = min(upper, objective + constant)
            budget.on_progress(Progress(seconds, best, min(best, max(floor, bound + constant))))

    try:
        model = build(instance)
        left = max(budget.time_limit - (time.perf_counter() - begun), 0.0)
        if solver is None:
            found = _run_highs(instance, model, budget, left, start, upper, report)
        else:
            found = _run_other(instance, model, budget, left, solver, start)
    except KeyboardInterrupt:  # before the solver began
        found = Found(None, -math.inf, Termination.INTERRUPTED, {})
    solution = found.solution
    if solution is None or evaluate(instance, solution).total > upper:
        solution = start
    bound = max(floor, found.lower_bound + constant)
    runtime = time.perf_counter() - begun
    return Result.of(instance, solution, runtime, bound, found.termination, **found.record)


def _can_offload(instance: Instance) -> bool:
    linked = bool((instance.devices.connected_to != LOCAL).any())
    return linked and bool((instance.points.capacity > 0).any())


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


def _run_highs(
    instance: Instance,
    model: pyo.ConcreteModel,
    budget: Budget,
    left: float,
    start: Solution,
    upper: float,
    report: highs.Report,
) -> Found:
    program, columns = program_of(model)
    set_start(model, instance, start)
    given = np.array([i for i, variable in enumerate(columns) if variable.value is not None])
    values = np.array([columns[i].value for i in given], dtype=np.float64)
    outcome = highs.minimise(
        program, budget, time_limit=left, start=(given, values), reference=upper, report=report
    )
    solution = None
    if outcome.values is not None:
        for variable, value in zip(columns, outcome.values.tolist(), strict=True):
            variable.set_value(value, skip_validation=True)
        solution = read_places(model, instance)
    rows, size = program.matrix.shape
    record = {
        "solver": f"highs {highs.version()}",
        "nodes": outcome.nodes,
        "variables": size,
        "rows": rows,
        "nonzeros": program.matrix.nnz,
    }
    return Found(solution, outcome.lower_bound, outcome.termination, record)


def set_start(model: Any, instance: Instance, start: Solution) -> None:
    """Give the integer variables the values of a solution; the solver completes the others."""
    decisions = dict(start.decisions(instance))
    for m, task in model.tasks.items():
        for k, place in zip(task.subtasks, decisions[m], strict=True):
            model.local[m, k].set_value(int(place is None))
            for n in model.POINTS:
                model.place[m, k, n].set_value(int(place == n))
        if m in model.LIMITED:
            model.air[m].set_value(int(any(place is not None for place in decisions[m])))


def read_places(model: Any, instance: Instance) -> Solution:
    """The decisions that the placement variables' values stand for."""
    number = {n: i for i, n in enumerate(instance.points.ids)}
    rows: dict[str, list[int]] = {}
    for m, task in model.tasks.items():
        rows[m] = [
            next((number[n] for n in model.POINTS if model.place[m, k, n].value > 0.5), LOCAL)
            for k in task.subtasks
        ]
    sizes = [instance.applications[i].size for i in instance.devices.application.tolist()]
    local = ([LOCAL] * size for size in sizes)
    return Solution.from_rows(
        instance,
        [rows.get(name, row) for name, row in zip(instance.devices.ids, local, strict=True)],
    )


def _pyomo_solver(name: str) -> Any:
    logger = logging.getLogger("pyomo")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # Pyomo reports an unknown name with a traceback
    try:
        solver = pyo.SolverFactory(name)
        available = bool(solver.available(exception_flag=False))
    except Exception:
        available = False
    finally:
        logger.setLevel(level)
    if not available:
        raise InputError("solver", [("", f"{name!r} is not installed, or Pyomo does not know it")])
    return solver


def _run_other(
    instance: Instance,
    model: pyo.ConcreteModel,
    budget: Budget,
    left: float,
    solver: Any,
    start: Solution,
) -> Found:
    options: dict[str, Any] = {"load_solutions": False}
    if math.isfinite(left):
        options["timelimit"] = left
    if solver.warm_start_capable():
        set_start(model, instance, start)
        options["warmstart"] = True
    if budget.solver in _GAP_OPTIONS:
        solver.options[_GAP_OPTIONS[budget.solver]] = budget.gap
    results = solver.solve(model, **options)
    finished = pyo.check_optimal_termination(results)
    solution = None
    if finished or len(results.solution) > 0:
        model.solutions.load_from(results)
        solution = read_places(model, instance)
    bound = results.problem.lower_bound
    known = isinstance(bound, int | float) and math.isfinite(bound)
    termination = Termination.FINISHED if finished else Termination.TIME_LIMIT
    return Found(solution, float(bound) if known else -math.inf, termination, {"solver": budget.solver})
