"""The cost model: golden figures, a second implementation, the checker, limits, criteria, results."""

from __future__ import annotations

import copy
import itertools
import math
import pickle
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from brute import brute_force, exact_costs
from counts import examples
from hypothesis import given
from hypothesis import strategies as st
from reading import read_structured
from strategies import DOCUMENT, EXAMPLE, Document, changed, documents, instance_of, instances, put, solutions

import offloadlib.instances as model
from offloadlib import check as checker
from offloadlib.instances import LOCAL, Instance, Result, Solution, Status, evaluate, gap
from offloadlib.instances.structured.cost import subtask_costs
from offloadlib.instances.structured.sides import heaviest_path

GOLDEN = [[-1, 0, 0, 1, -1], [-1, -1, 1, -1, -1]]


def close(value: Any) -> Any:
    return pytest.approx(value, rel=1e-12, abs=0)


@pytest.fixture(scope="module")
def example() -> Instance:
    return read_structured(EXAMPLE)


# --- the worked example of problem.md ---------------------------------------------------------------


def test_subtasks_of_the_worked_example(example: Instance) -> None:
    (term,) = example.terms
    delay, energy = subtask_costs(example, term, Solution.from_rows(example, GOLDEN).places[0])
    assert delay[0].tolist() == close([1, 1.4, 1.25, 0.6, 1.25])
    assert energy[0].tolist() == close([12, 0.4 * 1.5, 0, 0, 12 + 0.25 * 3])


def test_devices_of_the_worked_example(example: Instance) -> None:
    evaluation = evaluate(example, Solution.from_rows(example, GOLDEN))
    # ud2 sends t2's output for t3 and gets t3's back for t5.
    delay = 1.5 / 1.25 + 1 / 1.25 + max(2 / 2.5 + 0.2 / 0.6, 2 / 1.25) + (1 / 1.25 + 0.2 / 0.9)
    energy = (1.5 + 1 + 2 + 1) / 1.25 * 15 + 0.2 / 0.6 * 1.0 + 0.2 / 0.9 * 2
    assert evaluation.delay.tolist() == close([4.9, delay])
    assert delay == close(4.622222222222222)
    assert evaluation.energy.tolist() == close([25.35, energy])
    assert energy == close(66.77777777777778)
    assert evaluation.cost.tolist() == close([15.125, 17.053333333333333])
    assert evaluation.total == close(32.178333333333333)
    assert evaluation.used.tolist() == [2, 2]
    assert evaluation.channels_used.tolist() == [1, 1]
    assert evaluation.feasible and not evaluation.violations


def test_all_local_of_the_worked_example(example: Instance) -> None:
    evaluation = evaluate(example, Solution.all_local(example))
    assert evaluation.total == close(72.77)
    assert evaluation.saving == 0
    assert evaluation.worse_off == 0
    assert evaluation.utilisation == 0
    assert evaluation.fairness == 1


def test_optimum_of_the_worked_example(example: Instance) -> None:
    objective, solution = brute_force(example)
    evaluation = evaluate(example, solution)
    assert objective == close(24.045)
    assert evaluation.total == close(24.045)
    assert evaluation.feasible


def test_normalised_all_local_devices_cost_one() -> None:
    instance = instance_of(changed(put("cost", "normalise", "local")))
    assert evaluate(instance, Solution.all_local(instance)).cost.tolist() == close([1, 1])


# --- against the second implementation and the checker ----------------------------------------------


def assert_exact(document: Document, solution: Solution, instance: Instance) -> None:
    exact = exact_costs(document, solution.rows(instance))
    evaluation = evaluate(instance, solution)
    for key in ("delay", "energy", "cost"):
        expected = [getattr(device, key) for device in exact]
        for found, value in zip(getattr(evaluation, key).tolist(), expected, strict=True):
            assert abs(Fraction(found) - value) <= Fraction(1, 10**12) * value, key
    total = sum(device.cost for device in exact)
    assert abs(Fraction(evaluation.total) - total) <= Fraction(1, 10**12) * total


@examples(200)
@given(st.data())
def test_cost_equals_the_second_implementation(data: st.DataObject) -> None:
    document = data.draw(documents())
    instance = instance_of(document)
    assert_exact(document, data.draw(solutions(instance)), instance)


@given(st.data())
def test_cost_of_extreme_magnitudes(data: st.DataObject) -> None:
    document = data.draw(documents(magnitudes="extreme"))
    instance = instance_of(document)
    assert_exact(document, data.draw(solutions(instance)), instance)


@examples(500)
@given(data=st.data())
def test_cost_equals_the_checkers(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    document = data.draw(documents(magnitudes=data.draw(st.sampled_from(["moderate", "extreme"]))))
    instance = instance_of(document)
    solution = data.draw(solutions(instance))
    evaluation = evaluate(instance, solution)
    folder = tmp_path_factory.getbasetemp()
    model.write(instance, folder / "instance.json")
    claim = model.StoredSolution(solution, "drawn", evaluation.total, None, Status.FEASIBLE)
    model.write_solution(claim, instance, folder / "solution.json")
    read = checker.read_instance(folder / "instance.json")
    assert isinstance(read, checker.data.Instance)
    assert read.fingerprint() == instance.fingerprint
    for device, row, cost in zip(
        read.devices, solution.rows(instance), evaluation.cost.tolist(), strict=True
    ):
        exact = Fraction(*checker.exact.device_cost(read, device, row))
        assert abs(Fraction(cost) - exact) <= Fraction(1, 10**12) * exact
    verdict = checker.check(folder / "instance.json", folder / "solution.json")
    failed = {rule.name for rule in verdict.rules if not rule.ok}
    broken = {violation.limit for violation in evaluation.violations}
    assert failed == broken, "the two disagree on the limits"


@examples(30)
@given(documents(max_devices=2, max_points=2, max_subtasks=3))
def test_brute_force_finds_the_optimum_of_all_decisions(document: Document) -> None:
    instance = instance_of(document)
    sizes = [instance.applications[number].size for number in instance.devices.application]
    linked = instance.devices.connected_to != LOCAL
    choices = [
        list(itertools.product(range(-1, instance.num_points if link else 0), repeat=size))
        for link, size in zip(linked, sizes, strict=True)
    ]
    costs = [
        sum(device.cost for device in exact_costs(document, rows))
        for rows in itertools.product(*choices)
        if evaluate(instance, Solution.from_rows(instance, rows)).feasible
    ]
    objective, solution = brute_force(instance)
    assert evaluate(instance, solution).feasible
    assert objective == pytest.approx(float(min(costs)), rel=1e-12)


@given(st.data())
def test_rows_round_trip_through_groups(data: st.DataObject) -> None:
    instance = data.draw(instances())
    solution = data.draw(solutions(instance))
    again = Solution.from_rows(instance, solution.rows(instance))
    assert all(map(np.array_equal, again.places, solution.places))
    names = [*instance.points.ids, None]
    for (device, row), places in zip(solution.decisions(instance), solution.rows(instance), strict=True):
        assert device in instance.devices.ids
        assert row == [names[place] for place in places]


def test_a_graph_with_a_shortcut_and_two_tails() -> None:
    application = model.Application("x", ("c", "a", "b", "d"), ((1, 2), (2, 0), (1, 0), (1, 3)))
    assert application.order == (1, 2, 0, 3)  # of c and d, ready together, c is listed first
    assert application.heads.tolist() == [False, True, False, False]
    assert application.tails.tolist() == [True, False, False, True]
    group = replace(instance_of(changed()).groups[0], application=application)
    weights = np.array([[1.0, 2.0, 4.0, 0.5], [1.0, 2.0, 0.0, 8.0]])
    assert heaviest_path(group, weights).tolist() == [7.0, 10.0]


def test_a_cycle_has_no_order() -> None:
    with pytest.raises(ValueError, match="'x' has a cycle"):
        _ = model.Application("x", ("a", "b"), ((0, 1), (1, 0))).order


def test_zero_weight_with_zero_normaliser_counts_nothing() -> None:
    free = put("devices", 0, "power", {"execute": 0, "send": 5, "receive": 5})
    instance = instance_of(changed(put("cost", "normalise", "local"), free, put("devices", 0, "alpha", 1)))
    evaluation = evaluate(instance, Solution.from_rows(instance, GOLDEN))
    assert evaluation.cost[0] == close(4.9 / 6.5)


# --- limits -----------------------------------------------------------------------------------------


def test_violations_name_the_limit_and_by_how_much_it_is_broken() -> None:
    scarce = changed(put("offload_points", 1, "channels", 0), put("devices", 0, "connected_to", None))
    instance = instance_of(scarce)
    evaluation = evaluate(instance, Solution.from_rows(instance, [[0, 0, 0, 0, -1], [-1, 1, 1, 1, -1]]))
    assert not evaluation.feasible
    assert [str(violation) for violation in evaluation.violations] == [
        "capacity of 'op1': 4 used, 3 allowed",
        "capacity of 'op2': 3 used, 2 allowed",
        "channels of 'op2': 1 used, 0 allowed",
        "connection of 'ud1': 4 used, 0 allowed",
    ]
    assert evaluation.unconnected.tolist() == [4, 0]


def test_channels_count_devices_of_the_radio_not_of_the_server(example: Instance) -> None:
    # Both devices compute at op2, whose radio (1 channel) serves ud2 alone.
    evaluation = evaluate(example, Solution.from_rows(example, [[-1, 1, -1, -1, -1], [-1, 1, -1, -1, -1]]))
    assert evaluation.used.tolist() == [0, 2]
    assert evaluation.channels_used.tolist() == [1, 1]
    assert evaluation.feasible


def test_a_full_capacity_is_not_broken(example: Instance) -> None:
    rows = [[0, 0, 0, 1, 1], [-1] * 5]
    assert evaluate(example, Solution.from_rows(example, rows)).feasible
    rows[1][0] = 0
    assert not evaluate(example, Solution.from_rows(example, rows)).feasible


@pytest.mark.parametrize("place", [2, -2, 10**6])
def test_a_place_that_does_not_exist_is_refused(example: Instance, place: int) -> None:
    with pytest.raises(IndexError):
        evaluate(example, Solution.from_rows(example, [[place, 0, 0, 0, 0], [-1] * 5]))


def test_decisions_of_another_shape_are_refused(example: Instance) -> None:
    with pytest.raises(ValueError, match="not decisions of"):
        evaluate(example, Solution((np.zeros((2, 4), np.int32),)))
    with pytest.raises(ValueError, match="not decisions of"):
        evaluate(example, Solution(()))


# --- criteria ---------------------------------------------------------------------------------------


def test_utilisation(example: Instance) -> None:
    evaluation = evaluate(example, Solution.from_rows(example, GOLDEN))
    assert evaluation.utilisation_by_point.tolist() == close([2 / 3, 1])
    assert evaluation.utilisation == close(4 / 5)


def test_utilisation_is_0_at_capacity_0() -> None:
    instance = instance_of(changed(put("offload_points", 0, "capacity", 0)))
    evaluation = evaluate(instance, Solution.from_rows(instance, [[1, -1, -1, -1, -1], [-1] * 5]))
    assert evaluation.utilisation_by_point.tolist() == [0, 0.5]
    assert evaluation.utilisation == 0.5
    none = instance_of(changed(*(put("offload_points", n, "capacity", 0) for n in (0, 1))))
    assert evaluate(none, Solution.all_local(none)).utilisation == 0


def test_saving_and_fairness(example: Instance) -> None:
    evaluation = evaluate(example, Solution.from_rows(example, GOLDEN))
    # All-local: G = 6.5, E = 96, C = 51.25, and G = 4.4, E = 90, C = 21.52.
    assert evaluation.local.cost.tolist() == close([51.25, 21.52])
    first, second = 51.25 - 15.125, 21.52 - 17.053333333333333
    assert evaluation.saving == close(1 - 32.178333333333333 / 72.77)
    assert evaluation.fairness == pytest.approx(
        (first + second) ** 2 / (2 * (first**2 + second**2)), rel=1e-9
    )


@pytest.mark.parametrize(
    ("savings", "index"), [([1, 1, 1, 1], 1), ([5, 0, 0, 0], 1 / 4), ([1, 2, 3], 36 / 42), ([-3, 2], 1 / 2)]
)
def test_jains_index(savings: list[float], index: float) -> None:
    # Devices of one subtask and no energy: 10 s at home, or sending and 1e-8 s at the point.
    document: Document = {
        **copy.deepcopy(DOCUMENT),
        "applications": [{"id": "one", "subtasks": ["t"], "edges": []}],
        "offload_points": [{"id": "op", "cpu": 10**9, "capacity": 9, "uplink": 1, "downlink": 1}],
        "devices": [
            {
                "id": str(m),
                "application": "one",
                "cpu": 1,
                "power": {"execute": 0, "send": 0, "receive": 0},
                "connected_to": "op",
                "alpha": 1,
                "work": [10],
                "input": [10 - saved - 1e-8],
                "output": [0],
            }
            for m, saved in enumerate(savings)
        ],
    }
    instance = instance_of(document)
    evaluation = evaluate(instance, Solution.from_rows(instance, [[0]] * len(savings)))
    assert evaluation.fairness == pytest.approx(index, rel=1e-6)
    assert evaluation.worse_off == sum(saved < 0 for saved in savings)


def test_saving_of_an_instance_that_costs_nothing() -> None:
    instance = instance_of(changed(*(put("devices", m, "work", [0] * 5) for m in (0, 1))))
    evaluation = evaluate(instance, Solution.all_local(instance))
    assert (evaluation.total, evaluation.saving, evaluation.fairness) == (0, 0, 1)


# --- gaps and results -------------------------------------------------------------------------------


def test_gap() -> None:
    assert gap(24.0, 18.0) == 0.25
    assert gap(24.0, 24.0) == 0.0
    assert gap(0.0, 0.0) == 0.0
    assert gap(0.0, -1.0) == pytest.approx(1e9)
    assert gap(24.0, None) is None


@pytest.mark.parametrize(
    ("bound", "stored", "status"),
    [
        (None, None, Status.FEASIBLE),
        (72.77, 72.77, Status.OPTIMAL),
        (72.77 * (1 - 0.9e-9), 72.77 * (1 - 0.9e-9), Status.OPTIMAL),
        (72.77 * (1 - 1.1e-9), 72.77 * (1 - 1.1e-9), Status.FEASIBLE),
        (72.77 * (1 + 0.9e-9), 72.77, Status.OPTIMAL),  # above the exact cost: what rounding does
        (-math.inf, None, Status.FEASIBLE),
        (math.inf, None, Status.FEASIBLE),
        (math.nan, None, Status.FEASIBLE),
    ],
)
def test_bound_and_status_of_a_result(
    example: Instance, bound: float | None, stored: float | None, status: Status
) -> None:
    result = Result.of(example, Solution.all_local(example), 0.5, bound)
    assert result.objective == close(72.77)
    assert result.lower_bound == (stored if stored is None else close(stored))
    assert result.status == status
    assert result.lower_bound is None or result.lower_bound <= result.objective


def test_a_bound_above_the_cost_is_neither_hidden_nor_believed(example: Instance) -> None:
    result = Result.of(example, Solution.all_local(example), 0.5, 72.77 * (1 + 1e-7))
    assert result.lower_bound == 72.77 * (1 + 1e-7)
    assert result.status is Status.FEASIBLE


def test_a_result_refuses_infeasible_decisions(example: Instance) -> None:
    with pytest.raises(RuntimeError, match="capacity of 'op1': 5 used, 3 allowed"):
        Result.of(example, Solution.from_rows(example, [[0] * 5, [-1] * 5]), 0.5)


def test_what_a_result_stores(example: Instance) -> None:
    result = Result.of(example, Solution.all_local(example), 0.5, 70.0, model.Termination.TIME_LIMIT, nodes=3)
    stored = result.stored("milp")
    assert stored.run == {"nodes": 3, "termination": "time limit", "runtime": 0.5}
    assert (stored.method, stored.status, stored.lower_bound) == ("milp", Status.FEASIBLE, 70.0)
    assert result.gap == close(1 - 70 / 72.77)


# --- immutability -----------------------------------------------------------------------------------


def test_nothing_can_be_changed(example: Instance) -> None:
    places = np.full((2, 5), -1, np.int32)
    solution = Solution((places,))
    places[0, 0] = 0
    assert solution.places[0][0, 0] == LOCAL, "a solution does not share its maker's array"
    columns: list[Any] = [*solution.places, *vars(example.points).values(), *vars(example.devices).values()]
    columns += [value for group in example.groups for value in vars(group).values()]
    columns += [value for term in example.terms for value in vars(term).values()]
    arrays = [value for value in columns if isinstance(value, np.ndarray)]
    assert len(arrays) > 30
    assert not any(array.flags.writeable for array in arrays)
    assert all(array.flags.c_contiguous for array in arrays)


def test_instances_survive_pickling_and_are_compared_by_identity(example: Instance) -> None:
    again = pickle.loads(pickle.dumps(example))
    assert again.fingerprint == example.fingerprint
    assert again != example and example == example
    assert len({example, again}) == 2
