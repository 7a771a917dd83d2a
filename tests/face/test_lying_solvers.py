"""Solvers that lie to exact methods, from end to end: asked in a safer way, or feasible with what is proven.

Each lie contradicts a solution that is known: the start, which is the optimum here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from brute import brute_force
from brute2 import optimum
from format2 import random_format2
from lying import INFEASIBLE, LIES, MASTERS, OTHER_VALUES, PROGRAMS, lying, method
from strategies import instance_of

import offloadlib
from offloadlib.check import check
from offloadlib.cli import app as cli
from offloadlib.instances import (
    Instance,
    Result,
    Solution,
    Status,
    Termination,
    evaluate,
    write,
    write_solution,
)
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import METHODS

ALWAYS = 1000


class Case(NamedTuple):
    """An instance with its optimum."""

    instance: Instance
    solution: Solution
    optimum: float


def format_1() -> Case:
    instance = generate(Setting(devices=4, offload_points=2, capacity=4), seed=3)
    best, solution = brute_force(instance)
    return Case(instance, solution, best)


def format_2() -> Case:
    document = random_format2(3)
    best = optimum(document)
    assert best is not None
    instance = instance_of(document)
    return Case(instance, Solution.from_decisions(instance, best[1]), float(best[0]))


CASES = {"format 1": format_1, "format 2": format_2}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = CASES[request.param]()
    assert evaluate(found.instance, found.solution).total == pytest.approx(found.optimum, rel=1e-12)
    return found


def solved(case: Case, name: str, solver: str, start: Solution | None) -> Result[Any]:
    """With all that must be true whatever the solver says."""
    result = offloadlib.solve(case.instance, name, solver=solver, start=start)
    cost = evaluate(case.instance, result.solution)
    assert cost.feasible and cost.total == pytest.approx(result.objective, rel=1e-12)
    assert result.lower_bound is None or result.lower_bound <= case.optimum * (1 + 1e-12)
    if result.status is Status.OPTIMAL or start is not None:
        assert result.objective == pytest.approx(case.optimum, rel=1e-9)
    return result


SOLVERS = [
    *(("milp", solver) for solver in ("highs", "scip", "appsi_highs")),
    *((name, "highs") for name in ("milp-arrays", "milp-bigm", "cpsat")),
]


@pytest.mark.filterwarnings("ignore:.* failed")
@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize(("name", "solver"), SOLVERS)
def test_a_lie_is_noticed(case: Case, name: str, solver: str, lie: str) -> None:
    if solver == "scip":
        pytest.importorskip("pyscipopt")
    if METHODS[name].applies_to(case.instance) or (solver != "highs" and case.instance.version > 1):
        pytest.skip(f"{name} with {solver} does not apply")
    with lying(lie, 1) as told:
        result = solved(case, name, solver, case.solution)
    assert told == [lie]
    assert len(result.run["solver_errors"]) == 1
    assert result.termination is Termination.FINISHED
    assert result.status is (Status.OPTIMAL if solver != "scip" else Status.FEASIBLE)  # by its tolerances
    assert result.gap is not None and result.gap < 1e-8
    with lying(lie, ALWAYS) as told:
        result = solved(case, name, solver, case.solution)
    assert len(told) == len(result.run["solver_errors"]) > 1
    assert (result.status, result.termination) == (Status.FEASIBLE, Termination.FAILED)


@pytest.mark.filterwarnings("ignore:.* failed")
@pytest.mark.parametrize("name", ["milp", "milp-arrays", "cpsat"])
def test_values_of_another_solution_without_a_start(case: Case, name: str) -> None:
    """As HiGHS 1.16 does: what the values cost is not what the solver says."""
    with lying(OTHER_VALUES, 1):
        assert solved(case, name, "highs", None).status is Status.OPTIMAL
    with lying(OTHER_VALUES, ALWAYS):
        assert solved(case, name, "highs", None).status is Status.FEASIBLE


@pytest.mark.filterwarnings("ignore:branch-and-price failed")
@pytest.mark.parametrize("about", [PROGRAMS, MASTERS])
@pytest.mark.parametrize("lie", LIES)
def test_branch_and_price_trusts_no_program(case: Case, lie: str, about: str) -> None:
    """Its bounds come from prices, whatever these are: false programs cost time, or the proof."""
    for start in (case.solution, None):
        with lying(lie, ALWAYS, about) as told:
            result = solved(case, "branch-and-price", "highs", start)
        assert told or about == PROGRAMS
        if result.status is not Status.OPTIMAL:
            assert result.termination in (Termination.FAILED, Termination.STALLED)
        if about == MASTERS and lie == INFEASIBLE:
            assert any("kInfeasible" in each for each in result.run["solver_errors"])


@pytest.mark.parametrize("lie", [INFEASIBLE, OTHER_VALUES])
@pytest.mark.parametrize("name", ["milp", "milp-arrays", "cpsat", "branch-and-price"])
def test_a_lie_on_the_command_line(
    case: Case,
    name: str,
    lie: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    instance, start, found = (str(tmp_path / f"{each}.json") for each in ("instance", "start", "found"))
    write(case.instance, instance)
    known = Result.of(case.instance, case.solution, 0.0)
    write_solution(known.stored("known"), case.instance, start)
    monkeypatch.setitem(METHODS, name, method(name, lie, ALWAYS))
    assert cli.main(["solve", instance, "-m", name, "--warm-start", start, "-o", found, "--json"]) == 0
    out, err = capfd.readouterr()
    said = json.loads(out)
    assert check(instance, found).accepted
    assert said["objective"] == pytest.approx(known.objective, rel=1e-12)
    assert (said["lower_bound"] or 0.0) <= case.optimum * (1 + 1e-12)
    if name != "branch-and-price":
        assert said["status"] == "feasible"
        assert f"ended by an error ({said['run']['solver_errors'][0]}" in err
