"""The heuristics on instances of format 2, held against the second implementation of its text."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest
from brute2 import optimum
from counts import count
from format2 import FEATURES, random_format2

import offloadlib
from offloadlib.heuristics.structured import evolution
from offloadlib.heuristics.structured.improve import improve
from offloadlib.heuristics.structured.limited.choices import UNDECIDED, menu_of
from offloadlib.heuristics.structured.limited.descent import adopt
from offloadlib.heuristics.structured.limited.search import alone_of, drop
from offloadlib.instances import Budget, Instance, Result, Solution, Status, evaluate
from offloadlib.instances.files.instances import parse
from offloadlib.instances.structured.model import LOCAL, REFUSED
from offloadlib.methods import Family
from offloadlib.registry import METHODS

Document = dict[str, Any]

QUICK = [
    *("local", "gsod-i", "gsod-ii", "gsod-i-heap", "gsod-ii-heap", "heft"),
    *("gsod-i+ls", "gsod-ii+ls"),
]
SLOW = ["gaod", "gaod+ls", "evolution"]


@pytest.fixture(autouse=True)
def few_generations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evolution, "GENERATIONS", 20)


def instance_of(document: Document) -> Instance:
    found = parse(json.dumps(document).encode(), "test")
    assert isinstance(found, Instance)
    return found


@cache
def known(seed: int) -> tuple[Instance, float | None, Solution | None]:
    """An instance, and its optimum by enumeration."""
    document = random_format2(seed)
    instance, best = instance_of(document), optimum(document)
    if best is None:
        return instance, None, None
    names = [*instance.points.ids, None]
    rows = []
    for application, decision in zip(instance.devices.application, best[1].values(), strict=True):
        size = instance.applications[application].size
        row = [names.index(name) for name in decision] if decision is not None else [REFUSED] * size
        rows.append([LOCAL if place == len(names) - 1 else place for place in row])
    return instance, float(best[0]), Solution.from_rows(instance, rows)


def same(one: Result, other: Result) -> bool:
    if one.solution is None or other.solution is None:
        return one.solution is other.solution
    return all(map(np.array_equal, one.solution.places, other.solution.places))


def holds(name: str, seed: int) -> float | None:
    """What a heuristic promises on a random instance; its ratio to the optimum."""
    instance, best, solution = known(seed)
    assert METHODS[name].applies_to(instance) is None
    result = offloadlib.solve(instance, name)
    assert result.lower_bound is None
    assert same(result, offloadlib.solve(instance, name))
    if not METHODS[name].scheme and solution is not None:
        started = offloadlib.solve(instance, name, start=solution)
        assert started.objective == pytest.approx(best, rel=1e-9, abs=1e-12)
    if result.solution is None:
        assert result.status is Status.UNKNOWN and np.isinf(result.objective)
        assert not evaluate(instance, Solution.all_local(instance)).feasible
        return None
    assert best is not None
    assert result.status is Status.FEASIBLE
    assert not evaluate(instance, result.solution).violations
    assert result.objective >= best - 1e-9 * max(1.0, abs(best))
    return result.objective / best if best > 1e-6 else None


@pytest.mark.parametrize("name", QUICK)
def test_on_random_instances(name: str, record_property: Any) -> None:
    ratios = [holds(name, seed) for seed in range(count(2000, 80))]
    found = [ratio for ratio in ratios if ratio is not None]
    record_property("mean ratio to the optimum", float(np.mean(found)))


@pytest.mark.parametrize("name", SLOW)
def test_slow_ones_on_random_instances(name: str) -> None:
    for seed in range(count(60, 6)):
        holds(name, seed)


def test_every_heuristic_is_here() -> None:
    instance, _, _ = known(0)
    heuristics = [
        name
        for name, method in METHODS.items()
        if method.family is Family.HEURISTIC and "structured" in method.kinds
    ]
    applying = [name for name in heuristics if METHODS[name].applies_to(instance) is None]
    assert set(QUICK + SLOW) <= set(applying)


# The pieces.


def test_one_device_alone_is_decided_exactly() -> None:
    features = set(FEATURES) - {"totals"}
    exact = 0
    for seed in range(count(2000, 150)):
        document = random_format2(seed, features, max_devices=1)
        instance, best = instance_of(document), optimum(document)
        menu = menu_of(instance)
        state = alone_of(menu, menu.choices)
        cost = float(state.cost[0])
        assert best is None or cost <= float(best[0]) + 1e-9 * max(1.0, abs(float(best[0])))
        if state.places[0] == UNDECIDED:
            assert best is None
        elif evaluate(instance, menu.solution(state)).feasible:  # not late by fractions
            assert best is not None
            assert cost == pytest.approx(float(best[0]), rel=1e-9, abs=1e-12)
            exact += 1
    assert exact > 20


def test_what_is_taken_is_given_back() -> None:
    for seed in range(count(500, 100)):
        instance, _, solution = known(seed)
        if solution is None:
            continue
        menu, devices = menu_of(instance), np.arange(instance.num_devices)
        state = menu.undecided()
        adopt(menu.choices, state, menu.places(solution))
        assert (state.left >= 0).all()
        evaluation = evaluate(instance, solution)
        assert state.cost == pytest.approx(evaluation.cost * instance.devices.weight, rel=1e-12, abs=1e-12)
        assert state.delay == pytest.approx(evaluation.delay, rel=1e-12)
        assert state.energy == pytest.approx(evaluation.energy, rel=1e-12)
        drop(menu.choices, state, devices)
        assert np.array_equal(state.left, menu.right)
        assert (state.places == UNDECIDED).all()


def test_local_search_from_any_solution() -> None:
    for seed in range(count(500, 60)):
        instance, best, solution = known(seed)
        if solution is None or best is None:
            continue
        assert improve(instance, solution, Budget()).objective == pytest.approx(best, rel=1e-9, abs=1e-12)
        alone = Solution.all_local(instance)
        before = evaluate(instance, alone)
        if before.feasible:
            after = improve(instance, alone, Budget())
            assert best - 1e-9 * max(1.0, abs(best)) <= after.objective
            assert after.objective <= before.total
        else:
            with pytest.raises(ValueError, match="breaks a limit"):
                improve(instance, alone, Budget())


# By hand: two devices of one subtask each, of 4 and 6 MI at 1 MIPS, delay alone; a point of 4 MIPS with room
# for one, data of no size. Local costs 4 and 6, away 1 and 1.5, so offloading gains 3 and 4.5.

HAND: Document = {
    "format": "offloadlib-instance",
    "version": 2,
    "kind": "structured",
    "name": "by-hand",
    "cost": {"normalise": "none"},
    "applications": [{"id": "one", "subtasks": ["t"], "edges": []}],
    "offload_points": [{"id": "op", "cpu": 4, "capacity": 1, "uplink": 1, "downlink": 1}],
    "devices": [
        {
            "id": name,
            "application": "one",
            "cpu": 1,
            "power": {"execute": 1, "send": 1, "receive": 1},
            "connected_to": "op",
            "alpha": 1,
            "work": [work],
            "input": [0],
            "output": [0],
        }
        for name, work in (("small", 4), ("large", 6))
    ],
}


def changed(small: Document, large: Document | None = None, **top: Any) -> Instance:
    document = json.loads(json.dumps(HAND)) | top
    document["devices"][0] |= small
    document["devices"][1] |= large or {}
    return instance_of(document)


def rows(name: str, instance: Instance) -> list[list[int]] | None:
    result = offloadlib.solve(instance, name)
    return None if result.solution is None else result.solution.rows(instance)


DECIDING = [name for name in (*QUICK, *SLOW) if name not in ("local", "gaod")]


@pytest.mark.parametrize("name", ["gsod-i", "gsod-i-heap", "gsod-i+ls", "heft", "evolution"])
def test_the_weight_decides(name: str) -> None:
    assert rows(name, changed({"weight": 1.01})) == [[LOCAL], [0]]
    assert rows(name, changed({"weight": 2})) == [[0], [LOCAL]]  # 6 against 4.5


@pytest.mark.parametrize("name", ["gsod-i", "gsod-i-heap", "gsod-i+ls", "heft"])
def test_the_largest_cost_goes_first(name: str) -> None:
    """The large one costs 6, of which offloading with a fee of 3.5 saves less than the small one's 3."""
    fee = [{"subtask": "t", "point": "op", "fee": 3.5}]
    cost = {"normalise": "none", "objective": "max"}
    assert rows(name, changed({}, {"at": fee}, cost=cost)) == [[LOCAL], [0]]
    if name != "heft":
        assert rows(name, changed({}, {"at": fee})) == [[0], [LOCAL]]


@pytest.mark.parametrize("name", [*DECIDING, "gaod"])
def test_a_deadline_comes_before_the_gain(name: str) -> None:
    assert rows(name, changed({"deadline": 2})) == [[0], [LOCAL]]
    assert rows(name, changed({"allowed": {"t": ["op"]}})) == [[0], [LOCAL]]
    assert rows(name, changed({"energy_budget": 1})) == [[0], [LOCAL]]
    assert rows(name, changed({"deadline": 2}, {"deadline": 2})) is None
    assert rows(name, changed({"deadline": 2}, {"deadline": 2, "rejection": 20})) == [[0], [REFUSED]]


@pytest.mark.parametrize("name", [*DECIDING, "gaod"])
def test_refused_where_that_is_cheaper(name: str) -> None:
    assert rows(name, changed({"rejection": 0.5})) == [[REFUSED], [0]]
    assert rows(name, changed({"rejection": 3})) in ([[REFUSED], [0]], [[0], [LOCAL]])


@pytest.mark.parametrize("name", [*DECIDING, "gaod"])
def test_a_cap_on_the_total_delay(name: str) -> None:
    """At 7 s there is one way; at 5.5 s the large one has to go."""
    document = changed({}, totals={"delay": 5.5})
    assert rows(name, document) == [[LOCAL], [0]]
    assert rows(name, changed({}, totals={"delay": 5.4})) is None
    shared = [{"id": "all", "resource": "subtasks", "points": ["op"], "capacity": 0}]
    assert rows(name, changed({}, totals={"delay": 9.9}, limits=shared)) is None


@pytest.mark.parametrize("name", [*DECIDING, "gaod"])
def test_tenths_do_not_fit(name: str) -> None:
    """0.1 and 0.2 are more than 0.3."""
    point = HAND["offload_points"][0] | {"capacity": {"memory": 0.3}}
    top = {"offload_points": [point], "resources": ["memory"]}
    found = rows(name, changed({"demand": {"memory": [0.1]}}, {"demand": {"memory": [0.2]}}, **top))
    assert found in ([[LOCAL], [0]], [[0], [LOCAL]])
    point["capacity"] = {"memory": 0.75}
    found = rows(name, changed({"demand": {"memory": [0.25]}}, {"demand": {"memory": [0.5]}}, **top))
    assert found == [[0], [0]]
