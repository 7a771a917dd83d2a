"""Every method of the registry, held against brute force and against itself."""

from __future__ import annotations

import math
import re
import runpy
import warnings
from functools import cache
from typing import Any

import numpy as np
import odd_methods
import pytest
from brute import brute_force
from counts import examples
from folders import ROOT
from hypothesis import given
from reading import read_hybrid, read_structured
from strategies import instances

import offloadlib
from offloadlib.best_known import library
from offloadlib.instances import (
    Budget,
    InputError,
    Instance,
    Progress,
    Solution,
    Status,
    Termination,
    evaluate,
    exact,
)
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Family
from offloadlib.registry import METHODS, select
from offloadlib.solving import first

pytestmark = pytest.mark.usefixtures("little_learning")

STRUCTURED = [method.name for method in select("all", ["structured"])]

SMALL = 1e-6
"""Optima below this are at the mercy of solvers' absolute tolerances."""


def holds(name: str, instance: Instance, optimum: float) -> None:
    """What every method promises on an instance with a known optimum."""
    method = METHODS[name]
    if method.applies_to(instance) is not None:
        return
    result = offloadlib.solve(instance, name)
    again = offloadlib.solve(instance, name)
    assert evaluate(instance, result.solution).feasible
    assert result.objective >= optimum * (1 - 1e-12) - 1e-12
    if result.lower_bound is not None:
        assert result.lower_bound <= optimum * (1 + 1e-9) + 1e-12
    if method.family is Family.EXACT:
        assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
        if optimum > SMALL:
            assert result.status is Status.OPTIMAL
    assert all(
        np.array_equal(x, y) for x, y in zip(result.solution.places, again.solution.places, strict=True)
    )


@examples(500, 60)
@given(instance=instances())
def test_milp_and_greedy_against_brute_force(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    for name in ("local", "gsod-i", "gsod-ii", "milp"):
        holds(name, instance, optimum)


@pytest.mark.parametrize(
    "name", [name for name in STRUCTURED if name != "btod-plain"]
)  # it has its own, tiny
@examples(15)
@given(instance=instances(max_devices=3))
def test_every_method_against_brute_force(name: str, instance: Instance) -> None:
    holds(name, instance, brute_force(instance)[0])


@examples(200)
@given(instance=instances())
def test_the_simple_bound_is_a_bound(instance: Instance) -> None:
    assert simple_bound(instance) <= brute_force(instance)[0]


@pytest.mark.parametrize("name", [n for n in STRUCTURED if METHODS[n].family is Family.EXACT])
def test_a_start_is_never_lost(name: str) -> None:
    """With no time at all the result is at least as good as the start."""
    instance = read_structured(library() / "paper-m010.json")
    start = offloadlib.solve(instance, "gsod-i").solution
    result = offloadlib.solve(instance, name, start=start, time_limit=1e-6)
    assert result.objective <= evaluate(instance, start).total * (1 + 1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= 3.7768378065812054 * (1 + 1e-9)


@pytest.mark.parametrize("name", STRUCTURED)
@examples(4)
@given(instance=instances(max_devices=3))
def test_at_any_time_limit_there_is_a_solution_and_no_false_bound(name: str, instance: Instance) -> None:
    if METHODS[name].applies_to(instance) is not None:
        return
    optimum, _ = brute_force(instance)
    for limit in (1e-9, 1e-3, 1e-2):
        result = offloadlib.solve(instance, name, time_limit=limit)
        assert evaluate(instance, result.solution).feasible
        assert result.objective >= optimum * (1 - 1e-12) - 1e-12
        if METHODS[name].family is Family.EXACT:
            assert result.lower_bound is not None
        assert (result.lower_bound or 0.0) <= optimum * (1 + 1e-9) + 1e-12


def test_an_exact_method_starts_from_the_better_of_a_heuristic_and_all_local() -> None:
    setting = Setting(devices=1, offload_points=2, capacity=10, applications=("fork-join-28",))
    instance = generate(setting, seed=1)
    alone = Solution.all_local(instance)
    greedy = offloadlib.solve(instance, "gsod-i").objective
    assert greedy > evaluate(instance, alone).total  # much of the fork's data is sent
    assert np.array_equal(first(instance).places[0], alone.places[0])


def instance_for(name: str) -> Any:
    """A small instance that a method solves, where the heuristics miss the optimum."""
    if "hybrid" in METHODS[name].kinds and name != "local":
        return read_hybrid(library() / "hybrid-3x3.json")
    return generate(Setting(devices=3, offload_points=2, capacity=4, channels=2), seed=3)


@cache
def optimum_of(kind: str) -> Any:
    """A start that no heuristic finds by itself as a rule."""
    name = {"structured": "branch-and-price", "hybrid": "lagrangian"}[kind]
    return offloadlib.solve(instance_for(name), name).solution


@pytest.mark.parametrize("time_limit", [30.0, 1e-9])
@pytest.mark.parametrize("name", METHODS)
def test_a_start_is_honoured_or_refused(name: str, time_limit: float) -> None:
    instance = instance_for(name)
    if METHODS[name].applies_to(instance) is not None:
        pytest.skip("does not apply")
    start = optimum_of(instance.kind)
    if METHODS[name].scheme:
        with pytest.raises(InputError, match=f"start: {re.escape(name)} is a fixed scheme"):
            offloadlib.solve(instance, name, start=start, time_limit=time_limit)
        return
    result = offloadlib.solve(instance, name, start=start, time_limit=time_limit)
    assert result.objective <= exact.cost(instance, start)
    assert instance.evaluate(result.solution).feasible


def test_the_local_search_goes_on_from_the_start() -> None:
    instance = generate(Setting(devices=30), seed=1)
    start = offloadlib.solve(instance, "heft").solution
    result = offloadlib.solve(instance, "gsod-i+ls", start=start)
    cost = min(exact.cost(instance, start), offloadlib.solve(instance, "gsod-i").objective)
    assert result.run["start_objective"] == pytest.approx(cost)
    assert result.objective < cost


@pytest.mark.parametrize("name", METHODS)
def test_an_option_that_is_ignored_changes_nothing(name: str) -> None:
    method, instance = METHODS[name], instance_for(name)
    if method.applies_to(instance) is not None:
        pytest.skip("does not apply")
    others: dict[str, Any] = {"gap": 0.5, "seed": 7, "threads": 2, "solver": "scip"}
    unused = {option: value for option, value in others.items() if option not in method.uses}
    plain = offloadlib.solve(instance, name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = offloadlib.solve(instance, name, **unused)
    said = [str(warning.message) for warning in caught if warning.category is UserWarning]
    assert said == ([f"{name} ignores {', '.join(unused)}"] if unused else [])
    assert (result.objective, result.lower_bound) == (plain.objective, plain.lower_bound)


@pytest.mark.parametrize("time_limit", [1e-9, 0.01, 60.0])
def test_price_is_never_worse_than_the_greedy_methods(time_limit: float) -> None:
    for seed in range(3):
        instance = generate(Setting(devices=60, applications=("fork-join-4",), capacity=8), seed=seed)
        least = min(offloadlib.solve(instance, name).objective for name in ("gsod-i", "gsod-ii"))
        assert offloadlib.solve(instance, "price", time_limit=time_limit).objective <= least


def test_a_file_is_read() -> None:
    path = library() / "worked-example.json"
    for file in (path, str(path)):
        assert offloadlib.solve(file, "milp").objective == pytest.approx(24.045, rel=1e-12)
    with pytest.raises(InputError, match="cannot be read"):
        offloadlib.solve("no such file.json", "milp")


@pytest.mark.parametrize("name", METHODS)
def test_methods_import_and_describe_themselves(name: str) -> None:
    method = METHODS[name]
    assert method.load().__doc__
    assert method.summary
    assert method.source


def worked_example() -> Instance:
    return read_structured(library() / "worked-example.json")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "mlip"}, "did you mean milp"),
        ({"method": "MILP-PATHS"}, "did you mean milp-paths"),
        ({"gap": 1.0}, "gap: must be a number from 0 on and below 1, not 1.0"),
        ({"time_limit": 0.0}, "time_limit: must be positive"),
        ({"time_limit": math.nan}, "time_limit: must be positive"),
        ({"gap": -1.0}, "gap: must be a number from 0 on"),
        ({"gap": math.nan}, "gap: must be a number from 0 on"),
        ({"threads": 0}, "threads: must be at least 1"),
        ({"seed": -1}, "seed: must lie in"),
        ({"solver": "nonsense"}, "'nonsense' is not installed"),
    ],
)
def test_unusable_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError) as error:
        offloadlib.solve(worked_example(), **options)  # type: ignore[call-overload]
    assert message in str(error.value)


def test_an_infeasible_start_is_named() -> None:
    instance = worked_example()
    start = Solution.from_rows(instance, [[0, 0, 0, 0, 0], [1, -1, -1, -1, -1]])
    with pytest.raises(InputError, match="capacity of 'op1': 5 used, 3 allowed"):
        offloadlib.solve(instance, start=start)


def test_another_solver_by_name() -> None:
    result = offloadlib.solve(worked_example(), "milp", solver="appsi_highs")
    assert result.objective == pytest.approx(24.045, rel=1e-12)
    assert "appsi_highs" in str(result.run["solver"])


def test_milp_at_the_time_limit_has_incumbent_and_bound() -> None:
    instance = read_structured(library() / "melbourne-l.json")
    result = offloadlib.solve(instance, "milp", time_limit=1.0)
    assert result.termination is Termination.TIME_LIMIT
    assert result.lower_bound is not None
    assert 0 < result.lower_bound < result.objective <= instance.num_devices


def test_progress_of_milp() -> None:
    events: list[Progress] = []
    instance = read_structured(library() / "paper-m040.json")
    optimum = offloadlib.solve(instance, "milp", on_progress=events.append).objective
    assert any(event.lower_bound is not None for event in events)
    for event in events:
        assert event.objective is not None
        assert event.objective >= optimum * (1 - 1e-12)
        assert event.lower_bound is None or event.lower_bound <= optimum * (1 + 1e-9)


def test_an_error_in_a_callback_is_raised() -> None:
    def broken(event: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        offloadlib.solve(read_structured(library() / "paper-m040.json"), "milp", on_progress=broken)


@examples(20)
@given(instance=instances())
def test_starting_from_the_optimum_stays_there(instance: Instance) -> None:
    """It is the start that is seen: there is no time to find anything else."""
    optimum, solution = brute_force(instance)
    result = METHODS["milp"].load()(instance, Budget(start=solution, time_limit=1e-6))
    assert result.objective == pytest.approx(optimum, rel=1e-12)


def test_without_options_a_method_gets_the_default_budget() -> None:
    """From the library as from the command line, whose record test_cli looks at."""
    result = offloadlib.solve(
        read_structured(library() / "worked-example.json"), odd_methods.method("seeded")
    )
    assert result.run["got"] == [0, math.inf, 1e-9, 1, "highs"]
    assert [getattr(Budget(), name) for name in odd_methods.SPENT] == result.run["got"]


def test_the_page_of_methods_is_what_the_registry_has() -> None:
    """Else: python benchmarks/method_table.py --write."""
    tables = runpy.run_path(str(ROOT / "benchmarks" / "method_table.py"))["tables"]()
    assert tables in (ROOT / "docs" / "reference" / "methods.md").read_text("utf-8")
    assert all(f"| `{name}` |" in tables for name in METHODS)
