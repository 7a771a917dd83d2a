"""The three readings of BTOD: as written, with bounds, and device by device."""

from __future__ import annotations

import _thread
import itertools
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from folders import LIBRARY
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject
from reading import read_structured
from strategies import instance_of, instances

from offloadlib.best_known import best_known
from offloadlib.formulations.structured import pooling
from offloadlib.formulations.structured.backtracking import btod
from offloadlib.formulations.structured.backtracking import decisions as decision_lists
from offloadlib.formulations.structured.backtracking import device as device_search
from offloadlib.formulations.structured.backtracking import plain as as_written
from offloadlib.formulations.structured.backtracking import sequential as device_by_device
from offloadlib.formulations.structured.backtracking import tree as joint_tree
from offloadlib.formulations.structured.backtracking.decisions import cheap_decisions, undominated
from offloadlib.formulations.structured.backtracking.device import DeviceSearch
from offloadlib.formulations.structured.backtracking.prices import DualValue, NestedLimits, ascend
from offloadlib.formulations.structured.backtracking.tree import DeviceTree
from offloadlib.instances import (
    LOCAL,
    Budget,
    Instance,
    Progress,
    Result,
    Solution,
    Status,
    Termination,
    evaluate,
)
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.generate import Setting, generate

Solve = Callable[[Instance, Budget], Result]

TINY = 100_000
"""Leaves that an enumeration in a test may have."""


def leaves(instance: Instance) -> int:
    """Of the tree of Algorithm 1 without binding limits."""
    connected = instance.devices.connected_to != LOCAL
    sizes = [instance.applications[i].size for i in instance.devices.application[connected]]
    return int((instance.num_points + 1) ** sum(sizes))


def nothing() -> None:
    """A pause that goes on."""


# --- The bounded search is exact


def agrees(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    result = btod.solve(instance, Budget())
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    assert result.status is Status.OPTIMAL
    assert result.termination is Termination.FINISHED


@examples(1000, 30)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    agrees(instance)


@examples(50)
@given(instance=instances(magnitudes="extreme", max_devices=3, max_subtasks=4))
def test_equals_brute_force_whatever_the_magnitudes(instance: Instance) -> None:
    agrees(instance)


@examples(40)
@given(instance=instances())
def test_equals_brute_force_in_the_smallest_slices(instance: Instance) -> None:
    """Kernels that stop after a few steps, lists that are reduced all the time, and no tables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_search, "STEPS", 3)
        patch.setattr(device_search, "BUFFER", 2)
        patch.setattr(decision_lists, "COMPARISONS", 1)
        patch.setattr(joint_tree, "STEPS", 3)
        patch.setattr(joint_tree, "LARGEST_TABLES", 0)
        agrees(instance)


@pytest.mark.parametrize(
    "name",
    ["worked-example", "paper-m005", "paper-m010", "paper-m020", "paper-m040", "chain-8-m015", "radio-m025"],
)
def test_equals_the_best_known(name: str) -> None:
    instance = read_structured(LIBRARY / f"{name}.json")
    known = best_known(instance)
    assert known is not None
    assert known.objective is not None
    result = btod.solve(instance, Budget())
    assert result.objective == pytest.approx(known.objective.value, rel=1e-9)
    assert result.status is Status.OPTIMAL


def test_a_gap_ends_the_search_early() -> None:
    instance = generate(Setting(devices=10, capacity=2), seed=0)
    result = btod.solve(instance, Budget(gap=0.05))
    assert result.gap is not None
    assert 1e-9 < result.gap <= 0.05
    assert result.termination is Termination.GAP


def test_what_is_recorded() -> None:
    result = btod.solve(generate(Setting(devices=10, capacity=5), seed=0), Budget())
    assert {"order", "bound", "nodes", "device_nodes", "rounds", "decisions", "root_bound"} <= set(result.run)
    assert 0 < result.run["root_bound"] <= result.objective
    assert result.run["device_nodes"] > 0


def test_lists_that_do_not_fit_end_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = generate(Setting(devices=6, offload_points=4, capacity=3), seed=0)
    optimum = btod.solve(instance, Budget()).objective
    monkeypatch.setattr(device_search, "BUFFER", 2)
    monkeypatch.setattr(device_search, "MOST_DECISIONS", 1)
    result = btod.solve(instance, Budget())
    assert "decisions to list" in result.run["ended_early"]
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum <= result.objective
    assert result.status is Status.FEASIBLE


# --- Algorithm 1 as written


@examples(100)
@given(instance=instances(max_subtasks=4))
def test_as_written_equals_bounded(instance: Instance) -> None:
    assume(leaves(instance) <= TINY)
    plain, bounded = as_written.solve(instance, Budget()), btod.solve(instance, Budget())
    assert plain.objective == pytest.approx(bounded.objective, rel=1e-9, abs=1e-12)
    assert plain.objective == pytest.approx(brute_force(instance)[0], rel=1e-9, abs=1e-12)
    assert plain.lower_bound == plain.objective
    assert plain.run["leaves"] <= leaves(instance)


@pytest.mark.parametrize(("devices", "points", "graph", "size"), [(1, 3, "face", 5), (2, 2, "chain-3", 3)])
def test_nodes_of_the_whole_tree(devices: int, points: int, graph: str, size: int) -> None:
    setting = Setting(devices=devices, offload_points=points, capacity=99, applications=(graph,))
    result = as_written.solve(generate(setting, seed=0), Budget())
    assert result.run["leaves"] == (points + 1) ** (devices * size)
    assert result.run["nodes"] == sum((points + 1) ** k for k in range(1, devices * size + 1))


@examples(50)
@given(instance=instances(max_devices=3, max_subtasks=3))
def test_nodes_of_a_tree_with_limits(instance: Instance) -> None:
    assume(leaves(instance) <= 5000)
    result = as_written.solve(instance, Budget())
    assert [result.run["nodes"], result.run["leaves"]] == count(instance)


def count(instance: Instance) -> list[int]:
    """Nodes and leaves, by recursion over the subtasks that S^k leaves places for."""
    points, radios = instance.points, instance.devices.connected_to.tolist()
    device = [m for m, row in enumerate(Solution.all_local(instance).rows(instance)) for _ in row]
    capacity, channels = points.capacity.tolist(), points.channels.tolist()
    seen = [0, 0]

    def visit(decided: tuple[int, ...]) -> None:
        k = len(decided)
        if k == len(device):
            seen[1] += 1
            return
        m = device[k]
        on_air = {device[i] for i, place in enumerate(decided) if place != LOCAL}
        users = sum(radios[i] == radios[m] for i in on_air)
        may = radios[m] != LOCAL and (m in on_air or users < channels[radios[m]])
        for place in range(LOCAL, instance.num_points if may else 0):
            if place == LOCAL or decided.count(place) < capacity[place]:
                seen[0] += 1
                visit((*decided, place))

    visit(())
    return seen


def test_as_written_on_the_worked_example() -> None:
    result = as_written.solve(read_structured(LIBRARY / "worked-example.json"), Budget())
    assert result.objective == pytest.approx(24.045, rel=1e-12)
    assert result.run["leaves"] == 5661  # of 3^10
    assert result.status is Status.OPTIMAL


# --- Device by device


@examples(40)
@given(instance=instances(max_devices=3, max_subtasks=4))
def test_each_device_is_optimal_given_the_earlier_ones(instance: Instance) -> None:
    result = device_by_device.solve(instance, Budget())
    chosen = result.solution.rows(instance)
    rows = Solution.all_local(instance).rows(instance)
    for m, row in enumerate(chosen):
        cheapest = math.inf
        connected = instance.devices.connected_to[m] != LOCAL
        for places in itertools.product(
            range(LOCAL, instance.num_points if connected else 0), repeat=len(row)
        ):
            rows[m] = list(places)
            found = evaluate(instance, Solution.from_rows(instance, rows))
            if found.feasible:
                cheapest = min(cheapest, float(found.cost[m]))
        rows[m] = row
        cost = evaluate(instance, Solution.from_rows(instance, rows)).cost[m]
        assert cost == pytest.approx(cheapest, rel=1e-12, abs=1e-15)
    assert result.lower_bound is None
    assert result.objective >= brute_force(instance)[0] * (1 - 1e-12)


def first_decisions(instance: Instance) -> list[list[int]]:
    """Device after device the first of its cheapest decisions, in the order of Algorithm 1."""
    rows = Solution.all_local(instance).rows(instance)
    for m, row in enumerate(rows):
        points = instance.num_points if instance.devices.connected_to[m] != LOCAL else 0
        order = instance.applications[instance.devices.application[m]].order
        costs: dict[tuple[int, ...], float] = {}
        for places in itertools.product(range(LOCAL, points), repeat=len(row)):
            rows[m] = [places[i] for i in np.argsort(order)]
            found = evaluate(instance, Solution.from_rows(instance, rows))
            if found.feasible:
                costs[tuple(rows[m])] = float(found.cost[m])
        rows[m] = list(next(key for key, cost in costs.items() if cost <= min(costs.values()) * (1 + 1e-12)))
    return rows


@examples(60)
@given(instance=instances(max_devices=3, max_subtasks=4))
def test_of_equal_decisions_the_first_one_counts(instance: Instance) -> None:
    """In the smallest slices: enumeration by recursion, as written, and with bounds."""
    expected = first_decisions(instance)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(device_search, "STEPS", 3)
        patch.setattr(device_by_device, "STEPS", 3)
        assert device_by_device.solve(instance, Budget()).solution.rows(instance) == expected
        written = device_by_device.solve_as_written(instance, Budget()).solution
    # Enumeration in floating point may prefer a later one by a rounding error, and leave other places.
    for m, row in enumerate(written.rows(instance)):
        if row != expected[m]:
            break
    else:
        return
    cost = evaluate(instance, written).cost[m]
    assert cost == pytest.approx(
        evaluate(instance, Solution.from_rows(instance, expected)).cost[m], rel=1e-12
    )


def test_ties_decide_what_is_left() -> None:
    """The smallest case: a subtask on a shorter branch takes the first listed point, not the fastest."""
    instance = generate(Setting(devices=2, offload_points=2, capacity=4), seed=113)
    for solve in (device_by_device.solve, device_by_device.solve_as_written):
        solution = solve(instance, Budget()).solution
        assert solution.rows(instance)[0] == [LOCAL, 1, 1, 0, 1]
        assert evaluate(instance, solution).cost[1] == pytest.approx(0.8377, abs=5e-5)


@pytest.mark.parametrize("capacity", [3, 20])
@pytest.mark.parametrize("graph", ["face", "chain-4", "fork-join-4"])
def test_as_written_and_with_bounds_decide_the_same(graph: str, capacity: int) -> None:
    for seed in range(5):
        setting = Setting(devices=20, offload_points=5, capacity=capacity, applications=(graph,))
        instance = generate(setting, seed=seed)
        bounded, written = (
            solve(instance, Budget()).solution.rows(instance)
            for solve in (device_by_device.solve, device_by_device.solve_as_written)
        )
        assert bounded == written


def test_points_of_one_speed_are_taken_as_listed() -> None:
    document = generate(Setting(devices=4, offload_points=4, capacity=3), seed=0)
    points = replace(document.points, cpu=np.full(4, 2.0))
    instance = replace(document, points=points)
    for solve in (device_by_device.solve, device_by_device.solve_as_written):
        assert solve(instance, Budget()).solution.rows(instance) == first_decisions(instance)


def phone(name: str, cpu: float) -> dict[str, Any]:
    """Only time counts; the task is a chain of two."""
    return {
        "id": name,
        "application": "two",
        "cpu": cpu,
        "power": {"execute": 1, "send": 1, "receive": 1},
        "connected_to": "op",
        "alpha": 1,
        "work": [2, 2],
        "input": [0.5, 0],
        "output": [0.25, 0.125],
    }


def test_the_first_device_takes_what_the_second_one_needs_more() -> None:
    instance = instance_of(
        {
            "format": "offloadlib-instance",
            "version": 1,
            "kind": "structured",
            "name": "two phones, room for two subtasks",
            "cost": {"normalise": "none"},
            "applications": [{"id": "two", "subtasks": ["t1", "t2"], "edges": [["t1", "t2"]]}],
            "offload_points": [{"id": "op", "cpu": 8, "capacity": 2, "uplink": 1, "downlink": 1}],
            "devices": [phone("fast", 2), phone("slow", 1)],
        }
    )
    # Both subtasks away: 0.5 to send, 2/8 + 2/8 to compute, 0.125 to receive, 1.125 in all; local, the
    # fast phone takes 2, the slow one 4. One subtask away is worse than both for either of them.
    in_turn = device_by_device.solve(instance, Budget())
    assert in_turn.solution.rows(instance) == [[0, 0], [LOCAL, LOCAL]]
    assert in_turn.objective == 1.125 + 4
    optimal = btod.solve(instance, Budget())
    assert optimal.solution.rows(instance) == [[LOCAL, LOCAL], [0, 0]]
    assert optimal.objective == 2 + 1.125


@pytest.mark.parametrize("graph", ["chain-12", "layered-12", "fork-join-10"])
def test_twelve_subtasks_are_quick(graph: str) -> None:
    instance = generate(Setting(devices=20, capacity=5, applications=(graph,)), seed=0)
    result = device_by_device.solve(instance, Budget(time_limit=10))
    assert result.termination is Termination.FINISHED


# --- All of them


METHODS: list[Solve] = [
    *(btod.solve, as_written.solve),
    *(device_by_device.solve, device_by_device.solve_as_written),
]
IN_TURN = METHODS[2:]


@pytest.mark.parametrize("solve", METHODS)
def test_the_same_answer_twice(solve: Solve) -> None:
    instance = read_structured(LIBRARY / "worked-example.json")
    one, two = solve(instance, Budget()), solve(instance, Budget())
    assert one.solution.rows(instance) == two.solution.rows(instance)
    assert one.run["nodes"] == two.run["nodes"]
    assert one.lower_bound == two.lower_bound


@pytest.mark.parametrize("solve", METHODS)
def test_progress(solve: Solve) -> None:
    instance = read_structured(LIBRARY / "worked-example.json")
    events: list[Progress] = []
    result = solve(instance, Budget(on_progress=events.append))
    assert events
    assert [event.time for event in events] == sorted(event.time for event in events)
    objectives = [event.objective for event in events if event.objective is not None]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] == result.objective
    bounds = [event.lower_bound for event in events if event.lower_bound is not None]
    assert bounds == sorted(bounds)
    assert all(bound <= result.objective for bound in bounds)


@pytest.mark.parametrize("solve", METHODS)
def test_nothing_to_offload(solve: Solve) -> None:
    for setting in (Setting(devices=2, unconnected=1.0), Setting(devices=2, capacity=0)):
        instance = generate(setting, seed=0)
        result = solve(instance, Budget())
        assert result.objective == evaluate(instance, Solution.all_local(instance)).total


class Stop:
    """Ctrl-C at a certain progress event."""

    def __init__(self, at: int) -> None:
        self.left = at

    def __call__(self, event: Progress) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@examples(15)
@given(instance=instances(max_devices=3), data=st.data())
def test_the_bound_holds_wherever_the_search_ends(instance: Instance, data: DataObject) -> None:
    optimum, _ = brute_force(instance)
    with pytest.MonkeyPatch.context() as patch:
        for module in (device_search, joint_tree, as_written, device_by_device):
            patch.setattr(module, "STEPS", data.draw(st.integers(1, 30)))
        patch.setattr(btod, "QUIET", -math.inf)  # report at each pause
        for solve in METHODS:
            for at in data.draw(st.lists(st.integers(1, 300), min_size=5, max_size=5)):
                stop = Stop(at)
                result = solve(instance, Budget(on_progress=stop))
                assert (result.termination is Termination.INTERRUPTED) == (stop.left <= 0)
                assert evaluate(instance, result.solution).feasible
                assert result.objective >= optimum * (1 - 1e-12)
                assert result.lower_bound is None or result.lower_bound <= optimum * (1 + 1e-12)
                if solve not in IN_TURN:
                    assert result.lower_bound is not None
                    assert result.lower_bound >= simple_bound(instance) * (1 - 1e-12)


def test_the_bound_holds_at_any_time_limit() -> None:
    instance = generate(Setting(devices=20, offload_points=3), seed=0)
    optimum = btod.solve(instance, Budget()).objective
    bounds = []
    for limit in (1e-9, 0.003, 0.01, 0.03, 0.1, 0.3):
        result = btod.solve(instance, Budget(time_limit=limit))
        assert result.objective >= optimum * (1 - 1e-12)
        assert result.lower_bound is not None
        assert result.lower_bound <= optimum
        bounds.append(result.lower_bound)
    assert bounds[0] == pytest.approx(simple_bound(instance))
    assert bounds[0] < bounds[-1]


def endless(solve: Solve) -> Instance:
    """An instance that a method cannot finish within seconds."""
    if solve is as_written.solve:
        return read_structured(LIBRARY / "paper-m010.json")
    graph = "fork-join-40" if solve is btod.solve else "fork-join-10"
    return generate(Setting(devices=3, capacity=1, offload_points=12, applications=(graph,)), seed=0)


@pytest.mark.parametrize("solve", METHODS)
def test_time_limit(solve: Solve) -> None:
    result = solve(endless(solve), Budget(time_limit=0.2))
    assert result.termination is Termination.TIME_LIMIT
    assert result.runtime < 2


@pytest.mark.parametrize("solve", METHODS)
def test_ctrl_c(solve: Solve) -> None:
    instance = endless(solve)
    threading.Timer(0.2, _thread.interrupt_main).start()
    result = solve(instance, Budget(time_limit=20))
    assert result.termination is Termination.INTERRUPTED
    assert evaluate(instance, result.solution).feasible


# --- The parts


@examples(60)
@given(instance=instances(max_devices=2, max_subtasks=4), data=st.data())
def test_single_devices_at_prices(instance: Instance, data: DataObject) -> None:
    """The cheapest decision, and all below a threshold, against enumeration."""
    pooled = pooling.pool(instance)
    search = DeviceSearch(pooled)
    limits = NestedLimits(pooled, search)
    amounts = st.lists(
        st.sampled_from([0.0, 0.1, 0.5, 2.0]), min_size=len(limits.right), max_size=len(limits.right)
    )
    price, charge = limits.prices(np.array(data.draw(amounts)))
    places, value = search.alone(price, charge, nothing)
    for m in range(len(search.devices)):
        costs = decisions(pooled, search, m, price, float(charge[m]))
        first, end = search.tasks.start[m : m + 2]
        assert value[m] == pytest.approx(min(costs.values()), rel=1e-12, abs=1e-15)
        assert costs[tuple(places[first:end].tolist())] == pytest.approx(value[m], rel=1e-12, abs=1e-15)
        threshold = float(np.median(list(costs.values())))
        listed, _ = search.below(
            m, threshold, price, charge, nothing, lambda rows, cost: np.arange(len(cost))
        )
        found = {tuple(row) for row in listed.tolist()}
        assert len(found) == len(listed)
        assert {row for row, cost in costs.items() if cost < threshold * (1 - 1e-12)} <= found
        assert all(costs[row] <= threshold * (1 + 1e-12) for row in found)


def decisions(
    pooled: Instance, search: DeviceSearch, m: int, price: Any, charge: float
) -> dict[tuple[int, ...], float]:
    """Cost and price of all decisions that a device can have alone."""
    costs = {}
    first, end = search.tasks.start[m : m + 2]
    for row in itertools.product(range(LOCAL, len(search.speed)), repeat=int(end - first)):
        places = search.all_local()
        places[first:end] = row
        found = evaluate(pooled, search.solution(places))
        if found.feasible:
            away = [place for place in row if place != LOCAL]
            paid = sum(price[place] for place in away) + (charge if away else 0.0)
            costs[row] = float(found.cost[search.devices[m]] + paid)
    return costs


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([1.0, 2.0, 3.0]), *[st.integers(0, 2)] * 3), min_size=1, max_size=30
    )
)
def test_undominated(rows: list[tuple[float, ...]]) -> None:
    cost, use = np.array([row[0] for row in rows]), np.array([row[1:] for row in rows], dtype=np.int64)
    kept = undominated(cost, use, nothing).tolist()
    assert len({rows[i] for i in kept}) == len(kept)
    for i, row in enumerate(rows):
        better = [
            j
            for j, other in enumerate(rows)
            if other != row and all(map(float.__le__, *map(floats, (other, row))))
        ]
        assert any(rows[j] == row for j in kept) == (not better), i


def floats(values: tuple[float, ...]) -> list[float]:
    return [float(value) for value in values]


@examples(40)
@given(instance=instances(max_devices=3, max_subtasks=3))
def test_the_tree_finds_every_solution_below_its_cutoff(instance: Instance) -> None:
    """With prices that are not the best, and against all combinations of the listed decisions."""
    pooled = pooling.pool(instance)
    search = DeviceSearch(pooled)
    assume(len(search.devices) > 0 and len(search.speed) > 0)
    limits = NestedLimits(pooled, search)

    def at(multipliers: Any) -> DualValue:
        places, value = search.alone(*limits.prices(multipliers), nothing)
        return DualValue.of(limits, multipliers, value, limits.used(search, places))

    *_, priced = itertools.islice(ascend(at, limits, np.zeros(len(limits.right)), search.local.sum), 5)
    delta = float(search.local.sum()) - priced.bound
    assume(delta > 0)
    listed = cheap_decisions(search, limits, priced, delta, nothing)
    tree = DeviceTree(listed, limits, listed.at(limits, priced.multipliers), delta, nothing)
    levels = [range(*listed.start[m : m + 2]) for m in range(len(search.devices))]
    assume(math.prod(map(len, levels)) < 5000)
    best = min(
        (
            float(listed.cost[list(chosen)].sum())
            for chosen in itertools.product(*levels)
            if (listed.use[list(chosen)].sum(axis=0) <= limits.right).all()
        ),
        default=math.inf,
    )
    least = math.inf
    while (numbers := tree.next(least - priced.bound)) is not None:
        chosen = tree.decisions.start[:-1] + numbers
        assert (tree.decisions.use[chosen].sum(axis=0) <= limits.right).all()
        least = min(least, float(tree.decisions.cost[chosen].sum()))
    assert least >= best * (1 - 1e-12)
    if best < priced.bound + delta * (1 - 1e-9):
        assert least == pytest.approx(best, rel=1e-9)
