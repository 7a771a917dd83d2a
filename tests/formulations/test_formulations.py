"""The MILP formulations: the optimum of brute force, the strength of their relaxations, solver traps."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from functools import cache, partial
from types import SimpleNamespace
from typing import Any

import highspy
import numpy as np
import pyomo.environ as pyo
import pytest
from brute import agree, brute_force, paths
from counts import count, examples
from folders import LIBRARY
from hypothesis import assume, given
from hypothesis import strategies as st
from processes import interrupted_once_running
from reading import library
from strategies import DOCUMENT, changed, instance_of, instances, put, solutions

from offloadlib.formulations.catalogue import FORMULATIONS, Formulation, find, imported
from offloadlib.formulations.engine import highs
from offloadlib.formulations.engine.units import unit_for
from offloadlib.formulations.structured import pooling, scaling
from offloadlib.formulations.structured.decomposition.branch_and_price import solve as branch_and_price
from offloadlib.formulations.structured.milp import levels, potentials, pyomo_run
from offloadlib.formulations.structured.milp import paths as path_rows
from offloadlib.formulations.structured.milp.disjunctive import disjunctive_model, solve_big_m
from offloadlib.formulations.structured.milp.inequalities import PARTS
from offloadlib.formulations.structured.search import Search, can_offload, run_in_scale, unconnected_cost
from offloadlib.instances import (
    LOCAL,
    Application,
    Budget,
    InputError,
    Instance,
    Progress,
    Result,
    Solution,
    Status,
    Termination,
    evaluate,
)
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.series_parallel import (
    DEEPEST,
    Node,
    Parallel,
    Series,
    Single,
    decompose,
    reduction,
)
from offloadlib.instances.structured.sides import heaviest_path

NAMES = [formulation.name for formulation in FORMULATIONS]


def solve(name: str, instance: Instance, **budget: Any) -> Result:
    result: Result = imported(find(name).solve)(instance, Budget(**budget))
    return result


def applicable(instance: Instance) -> list[Formulation]:
    return [formulation for formulation in FORMULATIONS if formulation.applies_to(instance) is None]


# The same optimum ---------------------------------------------------------------------------------


def agree_with_brute_force(instance: Instance, solver: str = "highs") -> None:
    optimum, _ = brute_force(instance)
    for formulation in applicable(instance):
        loss = 1e-8 if solver == "scip" else 2e-9  # twice the tolerance of the start's cost
        agree(solve(formulation.name, instance, solver=solver), optimum, loss)


@examples(1000, 12)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    agree_with_brute_force(instance)


@pytest.mark.parametrize("seed", range(count(100, 3)))
def test_formulations_agree_on_paper_like_instances(seed: int) -> None:
    devices = 5 + 3 * seed % 16
    instance = generate(Setting(devices=devices, offload_points=4, capacity=max(devices, 4)), seed=seed)
    reference = branch_and_price(instance, Budget())
    assert reference.status is Status.OPTIMAL
    for formulation in applicable(instance):
        if formulation.name == "milp-bigm":  # weak: it may take thousands of nodes
            result = solve(formulation.name, instance, time_limit=1)
            assert result.lower_bound is not None
            assert result.lower_bound <= reference.objective * (1 + 1e-9) <= result.objective * (1 + 2e-9)
        else:
            result = solve(formulation.name, instance)
            assert result.objective == pytest.approx(reference.objective, rel=2e-9), formulation.name
            assert result.status is Status.OPTIMAL


@pytest.mark.parametrize(
    "name",
    [
        "worked-example",
        "paper-m005",
        "chain-8-m015",
        pytest.param("melbourne-s", marks=pytest.mark.slow),
    ],
)
def test_library_instances_are_solved_by_every_formulation(name: str) -> None:
    instance = library(name)
    found = {
        formulation.name: solve(formulation.name, instance, time_limit=60)
        for formulation in FORMULATIONS
        if formulation.applies_to(instance) is None and formulation.name != "milp-bigm"
    }
    best = min(result.objective for result in found.values())
    assert all(result.objective == pytest.approx(best, rel=1e-9) for result in found.values())
    assert all(result.status is Status.OPTIMAL for result in found.values())


def test_nothing_to_offload() -> None:
    alone = changed(put("devices", 0, "connected_to", None), put("devices", 1, "connected_to", None))
    full = changed(put("offload_points", 0, "capacity", 0), put("offload_points", 1, "capacity", 0))
    for document in (alone, full):
        instance = instance_of(document)
        for name in NAMES:
            result = solve(name, instance)
            assert result.objective == result.lower_bound == pytest.approx(72.77)


# A model says what the problem says ---------------------------------------------------------------


def set_point(model: Any, instance: Instance, solution: Solution) -> None:
    """Give every variable of the reference model its value in a solution."""
    pyomo_run.set_start(model, instance, solution)
    for m, task in model.tasks.items():
        for j, k in task.edges:
            to_local = model.local[m, k].value - model.local[m, j].value
            model.up[m, j, k].set_value(max(-to_local, 0))
            model.down[m, j, k].set_value(max(to_local, 0))
        finish = task.finish_times({k: pyo.value(model.g[m, k]) for k in task.subtasks})
        for k in task.subtasks:
            model.finish[m, k].set_value(finish[k])
        model.delay[m].set_value(max(finish.values()))


def usable(instance: Instance, solution: Solution) -> bool:
    """Whether a model has a variable for each of the places."""
    return bool(np.all(evaluate(instance, solution).used[instance.points.capacity == 0] == 0))


@examples(60)
@given(data=st.data(), instance=instances())
def test_the_model_costs_and_allows_what_evaluation_does(data: st.DataObject, instance: Instance) -> None:
    solution = data.draw(solutions(instance))
    evaluation = evaluate(instance, solution)
    assume(usable(instance, solution))
    model = potentials.model(instance)
    set_point(model, instance, solution)
    cost = pyo.value(model.cost) + unconnected_cost(instance)
    assert cost == pytest.approx(evaluation.total, rel=1e-12, abs=1e-12)
    kept = all(
        row.slack() >= -1e-9 * max(1, abs(pyo.value(row.body)))
        for row in model.component_data_objects(pyo.Constraint)
    )
    assert kept == evaluation.feasible


@examples(60)
@given(data=st.data(), instance=instances(max_subtasks=6))
def test_level_inequalities_hold_at_solutions(data: st.DataObject, instance: Instance) -> None:
    solution = data.draw(solutions(instance))
    assume(can_offload(instance) and usable(instance, solution))
    model = potentials.model(instance)
    set_point(model, instance, solution)
    _, variables = pyomo_run.program_of(model)
    columns = tuple(potentials._columns(instance, model, variables))
    point = np.array([variable.value for variable in variables], dtype=np.float64)
    # Rows that are violated where all is finished at once, with places and transfers drawn at random.
    elsewhere = np.random.default_rng(data.draw(st.integers(0, 99))).random(len(point))
    elsewhere[[variable.name.startswith(("finish", "delay")) for variable in variables]] = 0
    rows = levels.violated(instance, columns, elsewhere)
    assume(rows.shape[0] > 0)
    assert np.all(rows @ elsewhere < 0)
    assert np.all(rows @ point >= -1e-9 * np.maximum(1, abs(rows) @ abs(point)))


def test_levels_know_that_one_of_two_is_local() -> None:
    """Two subtasks side by side that are local half the time each: one of them is, all the time."""
    application = Application("app", ("a", "b"), ())
    assert levels.diamonds(application) == (levels.Diamond(None, (0, 1), None),)
    face = instance_of(DOCUMENT).applications[0]
    assert levels.diamonds(face) == (levels.Diamond(1, (2, 3), 4),)


# Strength of the relaxations ----------------------------------------------------------------------


def relaxed(program: highs.MixedIntegerProgram) -> float:
    relaxation = highs.LinearRelaxation(program)
    assert relaxation.solve(math.inf) is not None
    return relaxation.objective


def moderate(instance: Instance) -> bool:
    """Whether a relaxation can be trusted: HiGHS calls some of them infeasible where weights are 1e-9."""
    alpha = instance.devices.alpha
    return can_offload(instance) and not np.any((alpha > 0) & (alpha < 0.01))


def relaxations(instance: Instance) -> dict[str, float]:
    """The bound of each formulation's relaxation, without constants."""
    bounds = {
        formulation.name: relaxed(pyomo_run.program_of(formulation.model(instance))[0])
        for formulation in applicable(instance)
    }
    model = potentials.model(instance)
    program, variables = pyomo_run.program_of(model)
    bounds["levels"] = relaxed(potentials.tighten(instance, model, program, variables, math.inf))
    return bounds


GOLDEN = {
    "worked-example": (24.045, 22.3790756),
    "paper-m005": (2.47365446, 2.07389622),
    "paper-m010": (3.77683781, 3.19294683),
    "chain-8-m015": (8.73097098, 8.73097098),
    "fork-join-8-m020": (13.0312846, 10.1684267),
    "series-parallel-20-m012": (6.31368283, 4.47092511),
    "mixed-m030": (769.828889, 749.61934),
    "channels-m040": (25.8836218, 20.5345073),
    "melbourne-s": (2.50840315, 2.05278876),
    "radio-m025": (10.3511024, 7.84055925),
}
"""Library instance -> LP bounds of the potentials (and all that equal them) and of big-M."""


@cache
def golden_relaxations(name: str) -> dict[str, float]:
    return relaxations(library(name))


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "series-parallel-20-m012" else name
        for name in GOLDEN
    ],
)
def test_golden_relaxations(name: str) -> None:
    equal, big_m = GOLDEN[name]
    for formulation, bound in golden_relaxations(name).items():
        if formulation == "milp-bigm":
            assert bound == pytest.approx(big_m, rel=1e-6)
        elif formulation == "levels":
            assert bound >= equal * (1 - 1e-6)
        else:
            assert bound == pytest.approx(equal, rel=1e-6), formulation


def test_levels_are_stronger_on_forks() -> None:
    for name in ("fork-join-8-m020", "radio-m025", "channels-m040"):
        bounds = golden_relaxations(name)
        assert bounds["levels"] > bounds["milp"] * (1 + 5e-6)


@examples(40)
@given(instance=instances())
def test_order_of_strength(instance: Instance) -> None:
    assume(moderate(instance))
    bounds = relaxations(instance)
    optimum = brute_force(instance)[0] - unconnected_cost(instance)
    for name in ("milp-paths", "milp-stages", "milp-hull"):
        assert bounds.get(name, bounds["milp"]) == pytest.approx(bounds["milp"], rel=1e-6, abs=1e-6)
    slack = 1e-6 * max(1.0, optimum)
    assert bounds["milp-bigm"] <= bounds["milp"] + slack
    assert bounds["milp"] <= bounds["levels"] + slack
    assert bounds["levels"] <= optimum + slack


@examples(30)
@given(instance=instances(max_devices=3))
def test_inequalities_keep_the_optimum(instance: Instance) -> None:
    assume(moderate(instance))
    optimum, _ = brute_force(instance)
    plain = relaxed(pyomo_run.program_of(potentials.model(instance))[0])
    for name in PARTS:
        result = pyomo_run.minimise_cost(instance, Budget(), partial(potentials.model, inequalities=[name]))
        assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12), name
        bound = relaxed(pyomo_run.program_of(potentials.model(instance, [name]))[0])
        if name == "no-loss":
            assert bound >= plain - 1e-6 * max(1, plain)
        else:  # the relaxation knows them already
            assert bound == pytest.approx(plain, rel=1e-6, abs=1e-6), name


def test_all_formulations_take_all_inequalities() -> None:
    instance = instance_of(DOCUMENT)
    for formulation in FORMULATIONS:
        program, _ = pyomo_run.program_of(formulation.model(instance, PARTS))
        assert program.matrix.shape[0] > pyomo_run.program_of(formulation.model(instance))[0].matrix.shape[0]
    with pytest.raises(InputError, match=r"inequalities: 'exit' is not known; there are transfer-bounds,"):
        potentials.model(instance, ["exit"])


# Graphs -------------------------------------------------------------------------------------------


def application(size: int, *edges: tuple[int, int]) -> Application:
    return Application("app", tuple(f"t{k + 1}" for k in range(size)), edges)


def heaviest(node: Node, weights: list[float]) -> float:
    if isinstance(node, Single):
        return weights[node.subtask]
    combine = sum if isinstance(node, Series) else max
    return combine(heaviest(part, weights) for part in node.parts)


def test_decomposition_of_the_face_application() -> None:
    tree = decompose(instance_of(DOCUMENT).applications[0])
    assert tree == Series((Single(0), Single(1), Parallel((Single(2), Single(3))), Single(4)))


def test_redundant_arcs_do_not_matter() -> None:
    chain = application(3, (0, 1), (1, 2), (0, 2))
    assert decompose(chain) == Series((Single(0), Single(1), Single(2)))
    assert reduction(chain) == ((0, 1), (1, 2))
    assert list(path_rows.paths(chain)) == [(0, 1, 2)]


def test_the_pattern_n_is_not_series_parallel() -> None:
    assert decompose(application(4, (0, 2), (0, 3), (1, 3))) is None
    assert decompose(application(4, (0, 2), (0, 3), (1, 2), (1, 3))) is not None


def test_nesting_that_is_too_deep_is_refused_without_a_recursion_error() -> None:
    """A subtask, beside which a subtask is followed by a block of the same kind, and so on."""
    size = 4 * DEEPEST
    edges = [(k, j) for k in range(1, size, 2) for j in (k + 1, k + 2) if j < size]
    assert decompose(application(size, *edges)) is None


@given(instance=instances(max_subtasks=6))
def test_the_tree_gives_the_heaviest_path(instance: Instance) -> None:
    for group in instance.groups:
        tree = decompose(group.application)
        if tree is not None:
            weights = heaviest_path(group, group.work)
            for row, weight in zip(group.work.tolist(), weights.tolist(), strict=True):
                assert heaviest(tree, row) == pytest.approx(weight)


@given(instance=instances(max_subtasks=6))
def test_paths_are_the_maximal_ones(instance: Instance) -> None:
    for group in instance.groups:
        found = list(path_rows.paths(group.application))
        assert len(found) == len(set(found)) == path_rows.count_paths(group.application)
        every = set(paths(group.application.size, group.application.edges))
        assert set(found) <= every
        assert all(any(set(path) <= set(longer) for longer in found) for path in every)


def test_obstacles_are_named() -> None:
    layers = 11
    size = 2 * layers
    edges = [(j, k) for k in range(2, size) for j in (k - k % 2 - 2, k - k % 2 - 1)]
    instance = instance_of(
        changed(
            put("applications", 0, "subtasks", [f"t{k}" for k in range(size)]),
            put("applications", 0, "edges", [[f"t{j}", f"t{k}"] for j, k in edges]),
            *(put("devices", m, key, [1] * size) for m in (0, 1) for key in ("work", "input", "output")),
        )
    )
    assert path_rows.count_paths(instance.applications[0]) == 2**layers
    reason = find("milp-paths").applies_to(instance)
    assert reason == "has a row for each path from a head to a tail, at most 1000; 'face' has 2048"
    with pytest.raises(InputError, match="'face' has 2048"):
        find("milp-paths").model(instance)
    n_shaped = instance_of(
        changed(put("applications", 0, "edges", [["t1", "t3"], ["t1", "t4"], ["t2", "t4"]]))
    )
    assert find("milp-stages").applies_to(n_shaped) == (
        "needs series-parallel applications, and 'face' is not one"
    )
    with pytest.raises(InputError, match="needs series-parallel"):
        find("milp-stages").model(n_shaped)
    with pytest.raises(InputError, match="did you mean milp-paths"):
        find("milp-path")


# Reductions of the instance -----------------------------------------------------------------------


@examples(60)
@given(data=st.data(), instance=instances(max_points=5))
def test_pooling_is_exact(data: st.DataObject, instance: Instance) -> None:
    pooled = pooling.pool(instance)
    assert pooled.points.capacity.sum() <= max(instance.num_subtasks, 0)
    assert brute_force(pooled)[0] == pytest.approx(brute_force(instance)[0], rel=1e-12)
    solution = data.draw(solutions(instance))
    assume(evaluate(instance, solution).feasible)
    gathered = pooling.gather(pooled, solution)
    assert evaluate(pooled, gathered).feasible
    assert evaluate(pooled, gathered).total <= evaluate(instance, solution).total * (1 + 1e-12)
    spread = pooling.spread(instance, gathered)
    assert evaluate(instance, spread).feasible
    assert evaluate(instance, spread).total == evaluate(pooled, gathered).total


def test_pooling_of_equal_and_of_needless_points() -> None:
    instance = generate(Setting(devices=4, offload_points=4, capacity=7), seed=0)
    speeds = np.array([2.0, 1.0, 2.0, 3.0])
    instance = replace(instance, points=replace(instance.points, cpu=speeds))
    assert pooling.pool(instance).points.capacity.tolist() == [13, 0, 0, 7]


@given(data=st.data(), instance=instances())
def test_scaling_multiplies_every_cost(data: st.DataObject, instance: Instance) -> None:
    solution = data.draw(solutions(instance))
    total = evaluate(instance, solution).total
    unit = unit_for(total)
    assert evaluate(scaling.scaled(instance, unit), solution).total == unit * total
    if total > 0:
        assert 700 <= unit * total <= 1500


# Solver traps -------------------------------------------------------------------------------------

TRAP = Setting(devices=6, offload_points=3, capacity=4)
TRAP_SEED = 9


def test_the_default_gap_of_highs_would_be_wrong() -> None:
    instance = generate(TRAP, seed=TRAP_SEED)
    optimum, _ = brute_force(instance)
    program, _ = pyomo_run.program_of(potentials.model(instance))
    solver = highs._load(program, 1.0)
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal  # it claims
    assert solver.getInfo().objective_function_value > optimum * (1 + 5e-5)
    assert solve("milp", instance).objective == pytest.approx(optimum, rel=1e-12)


def test_a_large_constant_does_not_loosen_the_gap() -> None:
    """A device without a connection whose cost is a billion times that of the others."""
    document = changed(put("devices", 0, "connected_to", None), put("devices", 0, "power", "execute", 1e9))
    instance = instance_of(document)
    others, _ = brute_force(instance_of(changed(put("devices", [DOCUMENT["devices"][1]]))))
    for name in NAMES:
        solution = solve(name, instance).solution
        assert evaluate(instance, solution).cost[1] == pytest.approx(others, rel=1e-12), name


@pytest.mark.parametrize("solver", ["highs", "appsi_highs"])
def test_rounded_solutions_keep_full_capacities(solver: str) -> None:
    instance = generate(Setting(devices=25, offload_points=3, capacity=11), seed=4)
    result = solve("milp", instance, time_limit=60, solver=solver)
    evaluation = evaluate(instance, result.solution)
    assert evaluation.feasible
    assert evaluation.used.tolist() == [11, 11, 11]


def test_threads_may_change_in_one_process() -> None:
    instance = generate(TRAP, seed=TRAP_SEED)
    results = [solve("milp", instance, threads=threads) for threads in (1, 2, 1, 2)]
    assert len({round(result.objective, 9) for result in results}) == 1
    assert all(result.status is Status.OPTIMAL for result in results)


def test_small_coefficients_are_not_lost() -> None:
    """HiGHS takes what is below 1e-9 for 0."""
    instance = scaling.scaled(instance_of(DOCUMENT), 2.0**-30)
    for name in NAMES:
        assert solve(name, instance).objective == pytest.approx(24.045 * 2.0**-30, rel=1e-9), name


def _far_below() -> Instance:
    """All-local costs 2, and a device that offloads all some 1e-9."""
    free = [put("devices", m, "power", {"execute": 12, "send": 0, "receive": 0}) for m in (0, 1)]
    slow = [put("devices", m, "alpha", 1e-9) for m in (0, 1)]
    room = [put("offload_points", 1, "capacity", 10), put("offload_points", 1, "channels", 2)]
    return instance_of(changed(*free, *slow, *room, put("cost", "normalise", "local")))


@pytest.mark.parametrize(
    ("ended", "runs"), [(Termination.FINISHED, 2), (Termination.GAP, 2), (Termination.TIME_LIMIT, 1)]
)
def test_what_is_far_below_the_start_is_solved_again_from_there(ended: Termination, runs: int) -> None:
    starts = []

    def method(search: Search) -> tuple[Termination, dict[str, Any]]:
        starts.append(search.objective)
        search.offer(Solution.from_rows(instance, [[1] * 5, [1] * 5]))
        return ended, {}

    instance = _far_below()
    result = run_in_scale(instance, Budget(), method)
    assert starts == [2.0, result.objective][:runs]


def test_an_optimum_far_below_the_start_is_found() -> None:
    instance = _far_below()
    optimum, _ = brute_force(instance)
    assert optimum < 1e-8
    for name in NAMES:
        result = solve(name, instance)
        assert result.objective == pytest.approx(optimum, rel=1e-9), name
        assert result.lower_bound == pytest.approx(optimum, rel=2e-9), name


def test_presolve_does_not_cut_off_the_optimum_of_big_m() -> None:
    """HiGHS 1.12 did, at any tolerance, while bounds were exactly what solutions attain: it gave 1.89."""
    rows = [
        {"alpha": 0, "cpu": 1, "power": {"execute": 1, "send": 1, "receive": 1}, "work": [0, 0, 0, 1]},
        {"alpha": 1e-9, "cpu": 1, "power": {"execute": 1, "send": 0, "receive": 0}, "work": [0, 0, 1, 1]},
        {
            "alpha": 1,
            "cpu": 0.390625,
            "power": {"execute": 0, "send": 0, "receive": 0},
            "work": [0.5, 0, 0, 0],
        },
    ]
    inputs = [[0, 0, 1, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    common = {"application": "app", "connected_to": "a", "output": [0, 0, 1, 0]}
    document = DOCUMENT | {
        "cost": {"normalise": "local"},
        "applications": [
            {
                "id": "app",
                "subtasks": ["t1", "t2", "t3", "t4"],
                "edges": [["t3", "t4"], ["t1", "t2"], ["t3", "t2"], ["t4", "t2"]],
            }
        ],
        "offload_points": [
            {"id": "a", "cpu": 1, "capacity": 2, "uplink": 1, "downlink": 2},
            {"id": "b", "cpu": 1, "capacity": 3, "uplink": 1, "downlink": 1},
        ],
        "devices": [{"id": f"ud{m}", "input": inputs[m], **common, **row} for m, row in enumerate(rows)],
    }
    result = solve("milp-bigm", instance_of(document))
    assert result.objective == pytest.approx(1.3906250015, rel=1e-9)
    assert result.lower_bound == pytest.approx(1.3906250015, rel=1e-9)


def test_numbers_beyond_what_highs_takes_are_cut_off() -> None:
    instance = instance_of(
        changed(
            put("devices", 0, "output", [1e9] * 5),
            put("devices", 0, "downlink", 1e-9),
            put("devices", 0, "power", "receive", 1e9),
        )
    )
    optimum, _ = brute_force(instance)
    program, _ = pyomo_run.program_of(potentials.model(instance))
    with pytest.raises(InputError, match="highs: refuses coefficients from"):
        highs.minimise(program, Budget(), time_limit=10.0)
    for formulation in applicable(instance):
        result = solve(formulation.name, instance)
        assert result.objective == pytest.approx(optimum, rel=1e-12)
        assert result.status is Status.OPTIMAL


# Running ------------------------------------------------------------------------------------------


def hard() -> Instance:
    return library("paper-m040")


@cache
def start_of_hard() -> Solution:
    start: Solution = solve("milp", hard(), time_limit=20, gap=0.05).solution
    return start


@pytest.mark.parametrize("solver", ["highs", "scip", "appsi_highs"])
@pytest.mark.parametrize("seconds", [1e-3, 1.0])
def test_the_time_limit_gives_the_best_of_both(solver: str, seconds: float) -> None:
    if solver == "scip":
        pytest.importorskip("pyscipopt")
    instance, start = hard(), start_of_hard()
    result = solve("milp-bigm", instance, time_limit=seconds, solver=solver, start=start)
    assert result.termination is Termination.TIME_LIMIT
    assert result.objective <= evaluate(instance, start).total
    assert result.lower_bound is not None
    assert 0 < result.lower_bound < result.objective


def test_a_gap_is_a_reason_to_stop() -> None:
    instance = generate(Setting(devices=12, offload_points=4, capacity=5), seed=1)
    result = solve("milp-bigm", instance, gap=0.3)
    assert result.termination is Termination.GAP
    assert result.gap is not None
    assert 1e-9 < result.gap <= 0.3


def test_progress_is_reported() -> None:
    events: list[Progress] = []
    result = solve("milp-bigm", hard(), gap=0.2, on_progress=events.append)
    assert events
    for event in events:
        assert event.objective is not None
        assert event.lower_bound is not None
        assert event.objective >= event.lower_bound
    assert result.objective <= events[-1].objective * (1 + 1e-12)  # type: ignore[operator]


def test_an_error_in_a_callback_is_raised() -> None:
    def fail(event: Progress) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        solve("milp-bigm", hard(), time_limit=20, on_progress=fail)


INTERRUPTED = """
import sys
from offloadlib.formulations.structured.milp.disjunctive import solve_big_m
from offloadlib.instances import Budget, read
instance, solver = read(sys.argv[1]), sys.argv[2]
running = solver == "scip"  # it tells of nothing while it runs
if running:
    print("running", flush=True)
def tell(event):
    global running
    if not running and event.objective < instance.num_devices:
        print("running", flush=True)
        running = True
result = solve_big_m(instance, Budget(solver=solver, time_limit=100, on_progress=tell))
print(result.termination, result.lower_bound <= result.objective < instance.num_devices)
"""


@pytest.mark.parametrize("solver", ["highs", "scip"])
def test_ctrl_c_gives_the_best_so_far(solver: str) -> None:
    if solver == "scip":
        pytest.importorskip("pyscipopt")
    work = 1.5 if solver == "scip" else 0.0
    said = interrupted_once_running(INTERRUPTED, LIBRARY / "paper-m040.json", solver, work=work)
    assert said == "interrupted True\n"


def test_unknown_solvers_are_unusable_input(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = instance_of(DOCUMENT)
    with pytest.raises(InputError, match="'hihgs' is not installed, or Pyomo does not know it"):
        solve("milp", instance, solver="hihgs")
    monkeypatch.setattr(pyomo_run, "_Scip", lambda: SimpleNamespace(available=lambda: False))
    with pytest.raises(InputError, match="'scip' is not installed: it comes with the package pyscipopt"):
        solve("milp", instance, solver="scip")


# SCIP ---------------------------------------------------------------------------------------------


@examples(300, 6)
@given(instance=instances())
def test_scip_equals_brute_force(instance: Instance) -> None:
    pytest.importorskip("pyscipopt")
    agree_with_brute_force(instance, solver="scip")


def test_scip_keeps_its_gap() -> None:
    pytest.importorskip("pyscipopt")
    instance = generate(TRAP, seed=TRAP_SEED)
    optimum, best = brute_force(instance)
    result = solve("milp", instance, solver="scip", start=best)
    assert result.objective == pytest.approx(optimum, rel=1e-12)
    assert result.gap is not None
    assert result.gap <= 1e-8  # feasible: SCIP's tolerance is that of an optimum
    assert result.run["solver"].startswith("scip (pyscipopt")


CHATTY = """
import fcntl, json, os, sys
import offloadlib
from offloadlib.formulations.structured.milp import pyomo_run

pipe = os.pipe

def narrow():
    ends = pipe()
    fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, 4096)
    return ends

class Noted(pyomo_run._Scip):
    def solve(self, *arguments, **options):
        results = super().solve(*arguments, **options)
        written.append(len(results.solver_log))
        return results

os.pipe, pyomo_run._Scip, written = narrow, Noted, []
pyomo_run._SCIP_WAYS = tuple({**way, "display/verblevel": 5} for way in pyomo_run._SCIP_WAYS)
offloadlib.solve(offloadlib.load("worked-example"), "milp-bigm", solver="scip")
print(max(written))
"""


def test_a_solver_may_write_more_than_a_pipe_holds() -> None:
    """What SoPlex writes on standard error cannot be switched off, and a thread of Pyomo empties the pipe."""
    pytest.importorskip("pyscipopt")
    pytest.importorskip("fcntl")
    done = subprocess.run(  # a deadlock holds Python's lock: no timer in this process would end it
        [sys.executable, "-c", CHATTY], capture_output=True, text=True, timeout=120, check=True
    )
    assert int(done.stdout.split()[-1]) > 4096


# The disjunctions themselves ----------------------------------------------------------------------


def test_disjunctions_state_each_maximum_once() -> None:
    model = disjunctive_model(instance_of(DOCUMENT))
    assert sorted(model.last_before_choice) == [("ud1", "t5"), ("ud2", "t5")]
    assert len(model.last_before) == 4
    assert len(model.last_choice) == 0
    two_tails = instance_of(
        changed(put("applications", 0, "edges", [["t1", "t2"], ["t3", "t4"], ["t4", "t5"]]))
    )
    model = disjunctive_model(two_tails)
    assert sorted(model.last) == [("ud1", "t2"), ("ud1", "t5"), ("ud2", "t2"), ("ud2", "t5")]


def test_big_m_rows_allow_the_worst_decision() -> None:
    """The bounds behind M hold at the slowest places with every transfer."""
    instance = instance_of(DOCUMENT)
    model = disjunctive_model(instance)
    worst = Solution.from_rows(instance, [[0, LOCAL, 0, LOCAL, 0], [LOCAL, 1, LOCAL, 1, LOCAL]])
    pyomo_run.set_start(model, instance, worst)
    for m, delay in zip(instance.devices.ids, evaluate(instance, worst).delay, strict=True):
        weighted = delay * {"ud1": 0.5, "ud2": 0.8}[m]
        assert model.delay[m].lb <= weighted <= model.delay[m].ub
    assert solve_big_m(instance, Budget(start=worst)).objective == pytest.approx(24.045)
