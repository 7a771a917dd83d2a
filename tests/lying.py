"""Solvers that lie, at the lowest place: what HiGHS, CP-SAT and Pyomo's solvers give to whoever asks them.

Under :func:`lying` the first answers are false in one of :data:`LIES`' ways and the ones after them honest.
:func:`method` is an exact method that is lied to, which a child process can import.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import highspy
import pyomo.environ as pyo
from ortools.sat.python import cp_model
from pyomo.contrib.solver.common.results import TerminationCondition
from pyomo.contrib.solver.solvers.scip.scip_direct import ScipDirect
from pytest import MonkeyPatch

from offloadlib.instances import Budget, Instance, Result
from offloadlib.methods import Method
from offloadlib.registry import METHODS

INFEASIBLE = "there is no solution"
BOUND = "a bound above all costs, and no solution"
WORSE = "the best of the rest is optimal"
OTHER_VALUES = "the optimum, with the values of the best of the rest"
LIES = (INFEASIBLE, BOUND, WORSE, OTHER_VALUES)

PROGRAMS = "mixed-integer programs"
MASTERS = "linear programs"
"""Which answers of HiGHS are false: those to all linear programs are, where column generation is lied to."""

APART = 1e-3
"""The rest is worse than the best by so much, relatively, at least."""


@contextmanager
def lying(lie: str, times: int, about: str = PROGRAMS) -> Iterator[list[str]]:
    """Let the first answers of all solvers be lies; gives a list of those told."""
    told: list[str] = []

    def lies() -> bool:
        if len(told) < times:
            told.append(lie)
            return True
        return False

    with MonkeyPatch.context() as patch:
        patch.setattr(highspy, "Highs", _lying_highs(lie, lies, about))
        patch.setattr(cp_model, "CpSolver", _lying_cp_sat(lie, lies))
        patch.setattr(ScipDirect, "solve", _lying_scip(lie, lies, ScipDirect.solve))
        yield told


def method(name: str, lie: str, times: int) -> Method:
    """A method of the package whose solvers lie."""
    return replace(METHODS[name], function=partial(_lied_to, name, lie, times))


def _lied_to(name: str, lie: str, times: int, instance: Instance, budget: Budget) -> Result:
    with lying(lie, times):
        return METHODS[name].load()(instance, budget)


# HiGHS --------------------------------------------------------------------------------------------


def _lying_highs(lie: str, lies: Any, about: str) -> type[Any]:
    honest: Any = highspy.Highs
    kinds = highspy.HighsModelStatus

    class Liar(honest):  # type: ignore[misc]
        false: Any = None

        def run(self) -> Any:
            status = honest.run(self)
            self.false = None
            program = highspy.HighsVarType.kInteger in self.getLp().integrality_
            if program == (about == PROGRAMS) and honest.getModelStatus(self) == kinds.kOptimal and lies():
                self.false = _falsified(self, lie) if program else _false_optimum(self, lie)
            return status

        def getInfo(self) -> Any:
            return honest.getInfo(self) if self.false is None else self.false.info

        def getModelStatus(self) -> Any:
            return honest.getModelStatus(self) if self.false is None else self.false.status

        def getSolution(self) -> Any:
            return honest.getSolution(self) if self.false is None else self.false.solution

        def getObjectiveValue(self) -> Any:
            return honest.getObjectiveValue(self) if self.false is None else self.false.objective

    def _falsified(solver: Any, lie: str) -> Any:
        info = _copied(honest.getInfo(solver))
        found = SimpleNamespace(
            info=info,
            status=kinds.kOptimal,
            solution=honest.getSolution(solver),
            objective=info.objective_function_value,
        )
        if lie in (INFEASIBLE, BOUND):
            found.status = kinds.kInfeasible if lie == INFEASIBLE else kinds.kTimeLimit
            info.primal_solution_status = highspy.SolutionStatus.kSolutionStatusNone
            info.mip_dual_bound = math.inf if lie == INFEASIBLE else info.objective_function_value * 2.0
            info.objective_function_value = math.inf
            return found
        rest = _rest_of_highs(honest, solver)
        found.solution = rest.getSolution()
        if lie == WORSE:
            found.info, found.objective = _copied(rest.getInfo()), rest.getObjectiveValue()
        return found

    def _false_optimum(solver: Any, lie: str) -> Any:
        """Of a linear program."""
        true, objective = honest.getSolution(solver), honest.getObjectiveValue(solver)
        found = SimpleNamespace(info=None, status=kinds.kOptimal, solution=true, objective=objective)
        if lie == INFEASIBLE:
            found.status = kinds.kInfeasible
        elif lie == BOUND:
            found.objective = 1.1 * objective
        elif lie == WORSE:  # than the truth
            found.objective = 0.5 * objective
        else:
            found.solution = SimpleNamespace(
                col_value=list(true.col_value)[::-1], row_dual=[3.0 * dual for dual in true.row_dual][::-1]
            )
        return found

    return Liar


def _copied(info: Any) -> SimpleNamespace:
    names = (name for name in dir(info) if not name.startswith("_"))
    return SimpleNamespace(**{name: getattr(info, name) for name in names})


def _rest_of_highs(honest: Any, solver: Any) -> Any:
    """HiGHS with what it finds once the best solutions are cut off, or with the last it finds."""
    least, columns = honest.getInfo(solver).objective_function_value, solver.getNumCol()
    closed: list[int] = []
    values = honest.getSolution(solver).col_value
    integer = [
        i for i, kind in enumerate(solver.getLp().integrality_) if kind == highspy.HighsVarType.kInteger
    ]
    found = None
    for _ in range(columns):
        column = next((i for i in integer if i not in closed and values[i] > 0.5), None)
        if column is None:
            break
        closed.append(column)
        other = honest()
        other.setOptionValue("output_flag", False)
        other.setOptionValue("mip_rel_gap", 0.0)
        other.passModel(solver.getModel())
        for each in closed:
            other.changeColBounds(each, 0.0, 0.0)
        other.run()
        if other.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            closed.pop()
            integer.remove(column)
            continue
        found = other
        values = other.getSolution().col_value
        if other.getInfo().objective_function_value > least + APART * abs(least):
            break
    assert found is not None, "there is no other solution"
    return found


# CP-SAT -------------------------------------------------------------------------------------------


def _lying_cp_sat(lie: str, lies: Any) -> type[Any]:
    honest: Any = cp_model.CpSolver
    kinds = cp_model.CpSolverStatus

    class Liar(honest):  # type: ignore[misc]
        false: Any = None

        def solve(self, model: Any, callback: Any = None) -> Any:
            status = honest.solve(self, model, callback)
            self.false = None
            if status != kinds.OPTIMAL or not lies():
                return status
            if lie == INFEASIBLE:
                return kinds.INFEASIBLE
            true = SimpleNamespace(
                objective=honest.objective_value.fget(self),
                bound=honest.best_objective_bound.fget(self),
                value=partial(honest.boolean_value, self),
            )
            if lie == BOUND:
                self.false = SimpleNamespace(
                    objective=math.inf, bound=2.0 * true.objective + 2.0**40, value=None
                )
                return kinds.UNKNOWN
            rest = _rest_of_cp_sat(honest, self, model)
            self.false = true
            true.value = rest.boolean_value
            if lie == WORSE:
                true.objective = true.bound = rest.objective_value
            return status

        @property
        def objective_value(self) -> float:
            return float(honest.objective_value.fget(self) if self.false is None else self.false.objective)

        @property
        def best_objective_bound(self) -> float:
            return float(honest.best_objective_bound.fget(self) if self.false is None else self.false.bound)

        def boolean_value(self, literal: Any) -> bool:
            value = partial(honest.boolean_value, self) if self.false is None else self.false.value
            return bool(value(literal))

    return Liar


def _rest_of_cp_sat(honest: Any, solver: Any, model: Any) -> Any:
    """CP-SAT with what it finds once the best solutions are cut off."""
    other = model.clone()
    other.proto.objective.domain.clear()
    least, best = honest.objective_value.fget(solver), partial(honest.boolean_value, solver)
    size = [i for i, variable in enumerate(model.proto.variables) if list(variable.domain) == [0, 1]]
    found = None
    for _ in range(200):
        chosen = [other.get_bool_var_from_proto_index(i) for i in size]
        true = [x for x in chosen if best(model.get_bool_var_from_proto_index(x.index))]
        other.add_bool_or([x.negated() for x in true])
        rest = honest()
        if rest.solve(other) != cp_model.CpSolverStatus.OPTIMAL:
            break
        found, best = rest, rest.boolean_value
        if rest.objective_value > least + APART * abs(least) + 2.0**30:
            break
    assert found is not None, "there is no other solution"
    return found


# SCIP, through Pyomo ------------------------------------------------------------------------------


def _lying_scip(lie: str, lies: Any, honest: Any) -> Any:
    def solve(solver: Any, model: Any, **options: Any) -> Any:
        found = honest(solver, model, **options)
        if found.termination_condition != TerminationCondition.convergenceCriteriaSatisfied or not lies():
            return found
        if lie == INFEASIBLE:
            found.termination_condition = TerminationCondition.provenInfeasible
            found.incumbent_objective, found.objective_bound = None, math.inf
            return found
        if lie == BOUND:
            found.termination_condition = TerminationCondition.maxTimeLimit
            found.objective_bound = 2.0 * found.incumbent_objective
            found.incumbent_objective = None
            return found
        rest = _rest_of_scip(solver, model, honest, found, options)
        if lie == OTHER_VALUES:
            rest.incumbent_objective, rest.objective_bound = found.incumbent_objective, found.objective_bound
        return rest

    return solve


def _rest_of_scip(solver: Any, model: Any, honest: Any, found: Any, options: Any) -> Any:
    found.solution_loader.load_vars()
    integers = [v for v in model.component_data_objects(pyo.Var) if not v.is_continuous() and v.value > 0.5]
    for variable in integers:
        variable.fix(0)
        try:
            rest = honest(solver, model, **{**options, "warmstart_discrete_vars": False})
        finally:
            variable.unfix()
        cost = rest.incumbent_objective
        if cost is not None and cost > found.incumbent_objective * (1 + APART):
            return rest
    raise AssertionError("there is no other solution")
