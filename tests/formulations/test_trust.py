"""What solvers say is held against what is known: rules, injected lies, and inputs on which solvers lied."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import highspy
import numpy as np
import pytest
from brute import brute_force
from folders import CASES
from fuzzing import disagreements, exact_methods, solved
from ortools.sat.python import cp_model
from reading import read_structured

import offloadlib
from offloadlib.formulations.engine import columns, highs
from offloadlib.formulations.engine.trust import Claim, SolverError, contradiction, insist
from offloadlib.formulations.structured import scaling
from offloadlib.formulations.structured.cp import program
from offloadlib.formulations.structured.decomposition import branch_and_price
from offloadlib.formulations.structured.milp import arrays, disjunctive, pyomo_run
from offloadlib.instances import Budget, InputError, Instance, Solution, Status, Termination, evaluate
from offloadlib.instances.structured.generate import Setting, generate

OPTIMA = {
    "cpsat-false-optimum": 1.3756272417352882,
    "milp-bigm-false-optimum": 2245609.2862813408,
    "milp-hull-false-bound": 3694744.7897594324,
    "branch-and-price-internal-error": 4259821.703242281,
    "highs-1.16-other-solution": 2.423321639565875,
    "highs-false-optimum-of-start": 1.1061231623374923,
    "highs-solve-error": 2769.7343771322808,
}
"""Inputs on which a solver or a method was seen to be wrong, each of a kind of its own."""


@pytest.mark.parametrize("name", OPTIMA)
def test_cases_of_wrong_solvers(name: str) -> None:
    instance = read_structured(CASES / f"{name}.json")
    optimum, _ = brute_force(instance)
    assert optimum == pytest.approx(OPTIMA[name], rel=1e-15)
    assert disagreements(instance, optimum) == []


def small() -> Instance:
    return generate(Setting(devices=4, offload_points=2, capacity=4), seed=3)


# The rule -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (Claim(2.0, 2.0, 2.0, True), None),
        (Claim(math.inf, math.inf, 1.0, False), None),
        (Claim(2.0, 1.9999, 1.9, False), None),  # better than it says
        (Claim(math.inf, math.inf, 4.0, False), "a bound of 4 above a solution of 3"),
        (Claim(2.5, 2.0, 2.5, True), "a bound of 2.5 above a solution of 2"),
        (Claim(3.5, 3.5, 2.0, True), "an optimum of 3.5, worse than a known solution of 3"),
        (Claim(math.inf, math.inf, 2.0, True), "an optimum of inf, worse than a known solution of 3"),
        (Claim(2.0, 2.5, 2.0, True), "an objective of 2 with the values of a solution of 2.5"),
    ],
)
def test_contradictions(claim: Claim, reason: str | None) -> None:
    assert contradiction(claim, 3.0, 1e-9) == reason


def test_insisting() -> None:
    def fail() -> int:
        raise SolverError("it broke")

    ways = [fail, lambda: 1, lambda: 2, lambda: 3]
    found = insist(ways, lambda answer: "odd" if answer % 2 else None, late=lambda: False)
    assert (found.answer, found.wrong) == (2, ("it broke", "odd"))
    assert insist(ways, lambda answer: None, late=lambda: True) == insist([fail], lambda answer: None, bool)


def test_answers_that_must_agree() -> None:
    """A better solution contradicts the bound of the answers before; then a third one has to agree."""
    costs: list[int] = []

    def answers(*values: int) -> list[Callable[[], int]]:
        def give(value: int) -> int:
            costs.append(value)
            return value

        costs.clear()
        return [partial(give, value) for value in values]

    def check(answer: int) -> str | None:
        return f"{answer} is too high" if answer > min(costs) else None

    found = insist(answers(2, 1, 1, 0), check, lambda: False, needed=2)
    assert (found.answers, found.wrong) == ((1, 1), ("2 is too high",))
    assert insist(answers(1, 1, 0), check, lambda: False, needed=2).answers == (1, 1)
    assert insist(answers(1, 1), check, lambda: True, needed=2).answers == (1,)
    assert insist(answers(3, 2, 1), check, lambda: False, needed=2).answers == (1,)


def test_far_apart() -> None:
    assert not scaling.far_apart(small())
    assert scaling.far_apart(read_structured(CASES / "milp-hull-false-bound.json"))
    assert not scaling.far_apart(read_structured(CASES / "cpsat-false-optimum.json"))


@pytest.mark.parametrize("solver", ["appsi_highs", "cbc", "glpk"])
def test_bounds_have_the_margin_of_the_solver(solver: str) -> None:
    instance = small()
    optimum, _ = brute_force(instance)
    try:
        result = solved(instance, "milp", solver, Budget())
    except InputError:
        pytest.skip(f"{solver} is not installed")
    assert result.objective == pytest.approx(optimum, rel=1e-12)
    assert result.lower_bound is not None
    assert result.status is (Status.OPTIMAL if solver == "appsi_highs" else Status.FEASIBLE)
    tolerance = pyomo_run._TOLERANCES.get(solver, (pyomo_run.OTHER_TOLERANCE, {}))[0]
    assert result.lower_bound <= optimum * (1 - tolerance)


# HiGHS --------------------------------------------------------------------------------------------


def lie(monkeypatch: pytest.MonkeyPatch, times: int, **changes: Any) -> list[highs.Outcome]:
    """Let the first answers of HiGHS to mixed-integer programs be other ones; returns the true ones."""
    truth: list[highs.Outcome] = []
    honest = highs._outcome

    def outcome(*arguments: Any) -> highs.Outcome:
        truth.append(honest(*arguments))
        if len(truth) > times:
            return truth[-1]
        return replace(truth[-1], **{key: make(truth[-1]) for key, make in changes.items()})

    monkeypatch.setattr(highs, "_outcome", outcome)
    return truth


LIES: dict[str, dict[str, Any]] = {
    "the objective of another solution": {"objective": lambda true: 0.9 * true.objective},
    "a bound above the optimum": {"lower_bound": lambda true: 1.1 * true.lower_bound},
    "an error": {"termination": lambda true: Termination.FAILED},
    "no solution": {"values": lambda true: None, "objective": lambda true: math.inf},
}


@pytest.mark.parametrize("name", LIES)
@pytest.mark.parametrize("times", [1, 2, 3])
def test_highs_is_asked_again(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    instance = small()
    optimum, _ = brute_force(instance)
    truth = lie(monkeypatch, times, **LIES[name])
    result = arrays.solve(instance, Budget())
    if times < 3:
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(optimum, rel=1e-12)
        assert len(truth) > times
        assert len(result.run["solver_errors"]) == times
    else:
        assert result.termination is Termination.FAILED
        assert result.status is Status.FEASIBLE
        assert result.lower_bound is not None
        assert result.lower_bound <= optimum
        assert len(result.run["solver_errors"]) == 3


def test_an_infeasible_program_with_a_solution_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = small()
    made = arrays.formulate(instance)
    none = replace(
        made.program, row_upper=np.where(made.program.row_upper == 4.0, -1.0, made.program.row_upper)
    )
    with pytest.raises(highs.InfeasibleError):
        highs.minimise(none, Budget(), time_limit=10.0)
    outcome = highs.minimise(none, Budget(), time_limit=10.0, known=lambda: 4.0)
    assert outcome.termination is Termination.FAILED
    assert outcome.lower_bound == -math.inf
    assert outcome.wrong == ("HiGHS ended with status kInfeasible",) * 3


def test_values_of_another_solution_are_sought_again() -> None:
    """As highspy 1.16.0 does: the objective is right, the values are those of the start."""
    instance = read_structured(CASES / "highs-1.16-other-solution.json")
    with pytest.MonkeyPatch.context() as patch:
        honest = highs._outcome

        def outcome(*arguments: Any) -> highs.Outcome:
            true = honest(*arguments)
            if len(calls) > 1:
                return true
            calls.append(true)
            local = arrays.encode(instance, arrays.formulate(instance), Solution.all_local(instance))
            values = np.zeros_like(true.values)
            values[local[0]] = local[1]
            return replace(true, values=values)

        calls: list[highs.Outcome] = []
        patch.setattr(highs, "_outcome", outcome)
        result = arrays.solve(instance, Budget())
    assert result.status is Status.OPTIMAL
    assert "with the values of a solution of" in result.run["solver_errors"][0]


def cut_off_the_optimum(monkeypatch: pytest.MonkeyPatch, afterwards: bool) -> list[Any]:
    """As HiGHS 1.12 does with big-M: what it calls optimal first is the best of the rest, and fits together.

    Afterwards it is honest, or fails.
    """
    runs: list[Any] = []
    run = highs._run

    def cutting(solver: Any, *arguments: Any) -> bool:
        runs.append(solver)
        if len(runs) > 1 and not afterwards:
            raise SolverError("it broke")
        if len(runs) == 1:
            arguments = (*arguments[:-1], None)  # what it finds on the way is told to nobody
        interrupted = run(solver, *arguments)
        if len(runs) == 1:
            least, values = solver.getInfo().objective_function_value, solver.getSolution().col_value
            for column, kind in enumerate(solver.getLp().integrality_):
                if kind == highspy.HighsVarType.kInteger and values[column] > 0.5:
                    solver.changeColBounds(column, 0.0, 0.0)
                    interrupted = run(solver, *arguments)
                    if solver.getInfo().objective_function_value > least * (1 + 1e-3):
                        break
                    solver.changeColBounds(column, 0.0, 1.0)
        return interrupted

    monkeypatch.setattr(highs, "_run", cutting)
    return runs


@pytest.mark.filterwarnings("ignore:milp-bigm failed")
@pytest.mark.parametrize("afterwards", [True, False])
def test_an_optimum_that_was_cut_off_is_not_missed(monkeypatch: pytest.MonkeyPatch, afterwards: bool) -> None:
    """Nothing contradicts the first answer of milp-bigm but the second one, which has to agree."""
    instance = small()
    optimum, _ = brute_force(instance)
    runs = cut_off_the_optimum(monkeypatch, afterwards)
    result = offloadlib.solve(instance, "milp-bigm")
    assert len(runs) > 1
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    if afterwards:
        assert result.objective == pytest.approx(optimum, rel=1e-12)
        assert result.status is Status.OPTIMAL
        assert "a bound of" in result.run["solver_errors"][0]
    else:
        assert (result.status, result.termination) == (Status.FEASIBLE, Termination.FAILED)


def test_without_a_second_answer_it_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = small()
    cut_off_the_optimum(monkeypatch, True)
    result = pyomo_run.minimise_cost(instance, Budget(), disjunctive.big_m, confirm=False)
    assert result.lower_bound is not None
    assert result.lower_bound > brute_force(instance)[0] * (1 + 1e-6)


# CP-SAT -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpsat", "cpsat-places"])
@pytest.mark.parametrize("times", [1, 9])
def test_cp_sat_calls_a_feasible_program_infeasible(
    monkeypatch: pytest.MonkeyPatch, name: str, times: int
) -> None:
    instance = small()
    optimum, _ = brute_force(instance)
    calls: list[Any] = []
    run = program._run

    def broken(*arguments: Any) -> Any:
        calls.append(arguments)
        status, interrupted = run(*arguments)
        kinds = cp_model.CpSolverStatus
        return (kinds.INFEASIBLE if len(calls) <= times else status), interrupted

    monkeypatch.setattr(program, "_run", broken)
    start = Solution.all_local(instance)
    result = solved(instance, name, "highs", Budget(start=start))
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    assert result.run["solver_errors"][0] == "CP-SAT calls a program infeasible that a known solution keeps"
    if times == 1:
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(optimum, rel=1e-12)
    else:
        assert result.termination is Termination.FAILED
        assert result.objective <= evaluate(instance, start).total


# Pyomo's solvers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["scip", "appsi_highs"])
def test_errors_of_other_solvers(monkeypatch: pytest.MonkeyPatch, solver: str) -> None:
    if solver == "scip":
        pytest.importorskip("pyscipopt")
    instance = small()
    optimum, _ = brute_force(instance)
    name = "_ask_scip" if solver == "scip" else "_ask_other"
    honest = getattr(pyomo_run, name)
    calls: list[Any] = []

    def once(*arguments: Any) -> Any:
        calls.append(arguments)
        answer = honest(*arguments)
        return replace(answer, bound=1.1 * answer.bound) if len(calls) == 1 else answer

    def never(*arguments: Any) -> Any:
        raise SolverError("it broke")

    monkeypatch.setattr(pyomo_run, name, once)
    result = solved(instance, "milp", solver, Budget())
    assert result.termination is Termination.FINISHED
    assert result.objective == pytest.approx(optimum, rel=1e-12)
    assert "a bound of" in result.run["solver_errors"][0]
    monkeypatch.setattr(pyomo_run, name, never)
    result = solved(instance, "milp", solver, Budget())
    assert result.termination is Termination.FAILED
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum


# Linear programs ----------------------------------------------------------------------------------


def test_linear_programs_are_solved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """In safer and safer ways, and the usual one is restored."""
    lp = highspy.Highs()
    lp.setOptionValue("output_flag", False)
    lp.addCol(1.0, 1.0, 2.0, 0, np.empty(0, np.int32), np.empty(0))
    statuses = [highspy.HighsModelStatus.kSolveError] * 3
    true = lp.getModelStatus

    class Broken:
        def __getattr__(self, name: str) -> Any:
            return getattr(lp, name)

        def getModelStatus(self) -> Any:
            return statuses.pop() if statuses else true()

    highs.solve_linear(Broken(), "it")
    assert lp.getObjectiveValue() == 1.0
    assert lp.getOptionValue("presolve")[1] == "choose"
    statuses += [highspy.HighsModelStatus.kSolveError] * 9
    with pytest.raises(SolverError, match="it ended with status kSolveError"):
        highs.solve_linear(Broken(), "it")


@pytest.mark.parametrize("after", [0, 3, 10])
def test_branch_and_price_survives_its_linear_programs(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    instance = generate(Setting(devices=6, offload_points=2, capacity=5), seed=3)
    optimum, _ = brute_force(instance)
    calls: list[Any] = []

    def broken(lp: Any, name: str) -> None:
        calls.append(name)
        if len(calls) > after:
            raise SolverError(f"{name} ended with status kSolveError")
        highs.solve_linear(lp, name)

    monkeypatch.setattr(columns, "solve_linear", broken)
    result = branch_and_price.solve(instance, Budget())
    assert optimum <= result.objective * (1 + 1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum
    if len(calls) > after:
        assert result.termination is Termination.FAILED
        assert "kSolveError" in result.run["solver_errors"][0]


def test_every_exact_method_is_held_against_brute_force() -> None:
    names = {name for name, _ in exact_methods(read_structured(CASES / "highs-1.16-other-solution.json"))}
    expected = {"milp", "milp-arrays", "milp-bigm", "milp-hull", "milp-paths", "milp-stages"}
    assert names >= expected | {"patterns", "cpsat", "cpsat-places", "btod", "branch-and-price", "btod-plain"}
