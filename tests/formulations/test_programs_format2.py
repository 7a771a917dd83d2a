"""Format 2 by mathematical programs: the optimum of the second implementation, exactly kept limits, honest
claims of infeasibility."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
from brute2 import Document, optimum
from counts import count, examples
from format2 import FEATURES, format2_documents, random_format2
from hypothesis import given
from hypothesis import strategies as st
from strategies import instance_of
from test_arrays import same_program

from offloadlib.exporting import export, read_foreign_solution
from offloadlib.formulations import catalogue
from offloadlib.formulations.engine import highs
from offloadlib.formulations.structured import metered, programs
from offloadlib.formulations.structured.cp import cpsat
from offloadlib.formulations.structured.cuts import cuts
from offloadlib.formulations.structured.milp import arrays, paths, potentials, stages
from offloadlib.instances import Budget, InputError, Instance, Progress, Result, Solution, Status, evaluate
from offloadlib.instances.features import Feature
from offloadlib.instances.structured.kind import not_series_parallel
from offloadlib.registry import METHODS

Solve = Callable[[Instance, Budget], Result]

EXACT: dict[str, Solve] = {"milp": potentials.solve, "milp-arrays": arrays.solve, "cpsat": cpsat.solve}


def agrees(result: Result, instance: Instance, best: tuple[Any, Any] | None) -> None:
    """A result is what the second implementation says."""
    if best is None:
        assert result.status is Status.INFEASIBLE
        assert result.solution is None and result.lower_bound == math.inf
        return
    least = float(best[0])
    slack = 1e-9 * max(1.0, programs.magnitude(instance, result.solution))
    assert result.solution is not None
    assert not evaluate(instance, result.solution).violations
    assert result.objective == pytest.approx(least, abs=slack)
    assert result.lower_bound is not None
    assert least - 2 * slack <= result.lower_bound <= least + 1e-12 * max(1.0, abs(least))


def equals_brute_force(name: str, document: Document) -> None:
    """The result, and what is told on the way."""
    instance, best, events = instance_of(document), optimum(document), list[Progress]()
    agrees(EXACT[name](instance, Budget(on_progress=events.append)), instance, best)
    for event in events:
        if best is None:
            assert event.objective is None
            continue
        slack = 1e-9 * max(1.0, abs(float(best[0])))
        assert event.objective is None or event.objective >= float(best[0]) - slack
        assert event.lower_bound is None or event.lower_bound <= float(best[0]) + slack


@pytest.mark.parametrize("name", EXACT)
def test_equals_brute_force(name: str) -> None:
    for seed in range(count(2000, 150)):
        equals_brute_force(name, random_format2(seed))


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("feature", FEATURES)
def test_one_feature_equals_brute_force(name: str, feature: str) -> None:
    for seed in range(count(100, 5)):
        equals_brute_force(name, random_format2(seed, {feature}))


@pytest.mark.parametrize("name", EXACT)
@examples(500, 10)
@given(document=format2_documents(FEATURES))
def test_all_features_equal_brute_force(name: str, document: Document) -> None:
    equals_brute_force(name, document)


@pytest.mark.parametrize("objective", ["sum", "max"])
@pytest.mark.parametrize("name", EXACT)
def test_rejections_that_forbid_to_refuse_cost_no_digits(name: str, objective: str) -> None:
    """10^9 for a refusal that nobody needs, where all the rest costs 1."""
    for seed in range(count(500, 40)):
        document = random_format2(seed, max_subtasks=3)
        document["cost"]["objective"] = objective
        for device in document["devices"]:
            device["rejection"] = 1e9
        best = optimum(document)
        assert best is not None
        if best[0] < 1e6:
            equals_brute_force(name, document)


@pytest.mark.parametrize("solve", [paths.solve, stages.solve])
def test_other_formulations_equal_brute_force(solve: Solve) -> None:
    for seed in range(count(500, 40)):
        document = random_format2(seed)
        instance = instance_of(document)
        if solve is paths.solve or not_series_parallel(instance) is None:
            agrees(solve(instance, Budget()), instance, optimum(document))


OTHERS = {"scip": "pyscipopt", "appsi_highs": "highspy"}
"""Solvers of Pyomo's, and their packages."""

LOSS = 1e-8
"""Of their bounds and optima, relatively."""


def agrees_loosely(solver: str, document: Document) -> None:
    """A solver of Pyomo's with a tolerance finds the optimum, bounds it up to twice that, and says where
    there is none."""
    instance, best = instance_of(document), optimum(document)
    result = potentials.solve(instance, Budget(solver=solver))
    if best is None:
        assert result.status is Status.INFEASIBLE
        return
    least = float(best[0])
    size = max(1.0, programs.magnitude(instance, result.solution))
    assert result.solution is not None
    assert not evaluate(instance, result.solution).violations
    assert result.objective == pytest.approx(least, abs=LOSS * size)
    assert result.lower_bound is not None
    assert least - 2 * LOSS * size <= result.lower_bound <= least + 1e-12 * size


@pytest.mark.parametrize("solver", OTHERS)
def test_other_solvers_equal_brute_force(solver: str) -> None:
    pytest.importorskip(OTHERS[solver])
    for seed in range(count(300, 25)):
        agrees_loosely(solver, random_format2(seed))


@pytest.mark.parametrize("solver", OTHERS)
def test_other_solvers_are_kept_from_sums_that_are_too_large_by_a_hair(solver: str) -> None:
    pytest.importorskip(OTHERS[solver])
    document = packing([0.3, 0.1, 0.2, 0.1, 0.2], 0.3)
    agrees_loosely(solver, document)
    impossible = packing([0.1, 0.2], 0.3)
    for device in impossible["devices"]:
        device["allowed"] = {"t": ["op"]}
    agrees_loosely(solver, impossible)


def test_what_lacks_a_feature_says_so() -> None:
    instance = instance_of(random_format2(3, {"deadline", "max"}))
    for name in ("milp-bigm", "milp-hull"):
        reason = catalogue.find(name).applies_to(instance)
        assert reason is not None and ("deadline" in reason or "largest" in reason)
    supported = {method.name: method.supports for method in METHODS.values() if method.name in EXACT}
    assert set(supported) == set(EXACT)
    assert all(Feature.MAX in features for features in supported.values())


# Starts, incumbents, limits of time -----------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_from_a_start(name: str) -> None:
    for seed in range(count(300, 40)):
        document = random_format2(seed)
        best = optimum(document)
        if best is None:
            continue
        instance = instance_of(document)
        alone = Solution.all_local(instance)
        starts = [
            Solution.from_decisions(instance, best[1]),
            *([alone] if evaluate(instance, alone).feasible else []),
        ]
        for start in starts:
            agrees(EXACT[name](instance, Budget(start=start)), instance, best)


@pytest.mark.parametrize("name", EXACT)
def test_without_time_nothing_is_claimed(name: str) -> None:
    instance = instance_of(random_format2(4, {"deadline", "resources"}))
    result = EXACT[name](instance, Budget(time_limit=1e-9))
    assert result.status in (Status.UNKNOWN, Status.FEASIBLE, Status.OPTIMAL)
    assert result.lower_bound is None or result.lower_bound < math.inf


# Limits without tolerance ---------------------------------------------------------------------------


def packing(demand: list[float], room: float, subtasks: int | None = None) -> Document:
    """Devices with one subtask each, which saves 1 where it is offloaded to the only point."""
    capacity: Document = {"memory": room} | ({} if subtasks is None else {"subtasks": subtasks})
    return {
        "format": "offloadlib-instance",
        "version": 2,
        "kind": "structured",
        "name": "packing",
        "resources": ["memory"],
        "cost": {"normalise": "none"},
        "applications": [{"id": "app", "subtasks": ["t"], "edges": []}],
        "offload_points": [{"id": "op", "cpu": 1.0, "capacity": capacity, "uplink": 1.0, "downlink": 1.0}],
        "devices": [
            {
                "id": f"ud{m}",
                "application": "app",
                "cpu": 1.0,
                "power": {"execute": 0.0, "send": 0.0, "receive": 0.0},
                "connected_to": "op",
                "alpha": 1.0,
                "work": [1.0],
                "input": [0.0],
                "output": [0.0],
                "demand": {"memory": [need]},
                "at": [{"subtask": "t", "point": "op", "execution": 0.0}],
            }
            for m, need in enumerate(demand)
        ],
    }


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("demand", [[0.1, 0.2], [0.1] * 3, [0.1, 0.7, 0.2], [0.3, 0.1, 0.2, 0.1, 0.2]])
@pytest.mark.parametrize("room", [0.3, 0.6, 0.8, 0.9999999999999999, 0.30000000000000004])
def test_sums_are_exact(name: str, demand: list[float], room: float) -> None:
    equals_brute_force(name, packing(demand, room))


@pytest.mark.parametrize("name", EXACT)
def test_no_room_by_rounding(name: str) -> None:
    """0.1 and 0.2 do not fit into 0.3, though no solver sees that: there is no solution."""
    document = packing([0.1, 0.2], 0.3)
    for device in document["devices"]:
        device["allowed"] = {"t": ["op"]}
    equals_brute_force(name, document)
    document["offload_points"][0]["capacity"]["memory"] = math.nextafter(0.3, 1.0)
    assert EXACT[name](instance_of(document), Budget()).status is Status.OPTIMAL


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("limit", ["deadline", "energy_budget", "delay", "energy"])
@pytest.mark.parametrize("below", [False, True])
def test_times_and_energies_are_exact(name: str, limit: str, below: bool) -> None:
    """Three executions of 0.1 s are more than 0.3 s: exact sums of binary64 numbers count."""
    document = packing([0.0], 1.0)
    device = document["devices"][0]
    document["applications"] = [{"id": "app", "subtasks": ["a", "b", "c"], "edges": [["a", "b"], ["b", "c"]]}]
    none = [0.0] * 3
    device |= {"work": [0.1] * 3, "input": none, "output": none, "demand": {"memory": none}}
    device |= {"power": {"execute": 1.0, "send": 0.0, "receive": 0.0}, "connected_to": None}
    del device["at"]
    exactly = math.nextafter(0.3, 1.0)  # the least that is not less than three times 0.1
    most = math.nextafter(exactly, 0.0) if below else exactly
    if limit in ("delay", "energy"):
        document["totals"] = {limit: most}
    else:
        device[limit] = most
    assert (optimum(document) is None) == below
    equals_brute_force(name, document)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_of_the_file_do_not_matter(name: str, factor: float) -> None:
    for seed in range(count(200, 15)):
        document = random_format2(seed, {"deadline", "energy_budget", "totals", "rejection"})
        for device in document["devices"]:
            for key in ("work", "input", "output", "edge_data"):
                if key in device:
                    device[key] = [value * factor for value in device[key]]
            for key in ("deadline", "energy_budget"):
                if key in device:
                    device[key] *= factor
        document["totals"] = {key: value * factor for key, value in document.get("totals", {}).items()}
        if not document["totals"]:
            del document["totals"]
        instance, best = instance_of(document), optimum(document)
        result = EXACT[name](instance, Budget())
        assert (result.status is Status.INFEASIBLE) == (best is None)
        if best is not None:
            assert result.objective == pytest.approx(float(best[0]), rel=1e-9, abs=1e-9 * factor)


def test_one_claim_of_infeasibility_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    document = next(d for d in map(random_format2, itertools.count()) if optimum(d) is None)
    instance = instance_of(document)
    monkeypatch.setattr(highs, "_WAYS", highs._WAYS[:1])
    result = arrays.solve(instance, Budget())
    assert result.status is Status.UNKNOWN and result.failure is not None


# Rows that cut off ----------------------------------------------------------------------------------


@examples(300, 30)
@given(data=st.data())
def test_cuts_keep_all_feasible_solutions(data: st.DataObject) -> None:
    document = data.draw(format2_documents(max_devices=2, max_points=2, max_subtasks=2))
    instance = instance_of(document)
    sizes = [instance.applications[a].size for a in instance.devices.application.tolist()]
    menus = []
    for m, size in enumerate(sizes):
        away = range(-1, instance.num_points if instance.devices.connected_to[m] >= 0 else 0)
        refused = [] if np.isnan(instance.devices.rejection[m]) else [(-2,) * size]
        menus.append([*itertools.product(away, repeat=size), *refused])
    every = [[list(row) for row in rows] for rows in itertools.product(*menus)]
    drawn = data.draw(st.sampled_from(every))
    found = cuts(instance, Solution.from_rows(instance, drawn))

    def taken(rows: list[list[int]], places: Any) -> int:
        return sum(rows[m][k] == n for m, k, n in places)

    for cut in found:
        assert taken(drawn, cut.places) > cut.most
    if found:
        for rows in every:
            if not evaluate(instance, Solution.from_rows(instance, rows)).violations:
                assert all(taken(rows, cut.places) <= cut.most for cut in found)


# The same program, and files ------------------------------------------------------------------------


@examples(300, 20)
@given(document=format2_documents(), scaled=st.booleans())
def test_the_program_is_pyomos(document: Document, scaled: bool) -> None:
    instance = instance_of(document)
    if instance.version > 1:
        same_program(metered.metered(instance, 64.0) if scaled else instance)


@pytest.mark.parametrize("form", ["lp", "mps"])
def test_an_exported_model_has_the_same_optimum(form: str, tmp_path: Path) -> None:
    for seed in range(count(100, 12)):
        document = random_format2(seed)
        instance, best = instance_of(document), optimum(document)
        if instance.version == 1:
            continue
        path, solved = tmp_path / f"{seed}.{form}", tmp_path / f"{seed}.sol"
        export(instance, "milp", path)
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.readModel(str(path))
        solver.run()
        if best is None:
            continue  # by less than a tolerance, perhaps
        left_out = float(path.read_text().splitlines()[0].split("objective + ")[1])
        solver.writeSolution(str(solved), 0)
        stored = read_foreign_solution(solved, instance, "milp")
        found = solver.getInfo().objective_function_value + left_out
        assert found == pytest.approx(stored.objective, abs=1e-5)
        assert found <= float(best[0]) + 1e-5


def test_a_model_without_a_feature_is_not_exported(tmp_path: Path) -> None:
    instance = instance_of(random_format2(3, {"deadline", "max"}))
    with pytest.raises(InputError, match="milp-hull"):
        export(instance, "milp-hull", tmp_path / "model.lp")
    with pytest.raises(InputError, match="format 1"):
        potentials.model(instance, ["no-loss"])
