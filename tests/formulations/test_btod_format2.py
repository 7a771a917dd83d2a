"""Backtracking on instances of format 2: optima, proofs that there is none, and devices in turn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from brute2 import optimum
from counts import count
from format2 import random_format2

from offloadlib import solve
from offloadlib.formulations.structured.limited.decisions import Lister
from offloadlib.formulations.structured.limited.misses import nearest_misses
from offloadlib.instances import Budget, Instance, Progress, Result, Status, Termination
from offloadlib.instances.structured import form
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import find

ROUNDING = 1e-9
"""Values that are nearer to each other may be the same one."""


def run(instance: Instance, method: str, **budget: Any) -> Result[Any]:
    """What the method itself says."""
    found: Result[Any] = find(method).load()(instance, Budget(**budget))
    return found


@pytest.mark.parametrize("seed", range(count(2000, 150)))
def test_backtracking_is_exact(seed: int) -> None:
    document = random_format2(seed + 40_000)
    instance = form.from_document(document)
    best = optimum(document)
    found = run(instance, "btod")
    in_turn = run(instance, "btod-sequential")
    assert in_turn.lower_bound is None
    if best is None:
        assert found.status is Status.INFEASIBLE
        assert in_turn.status is Status.UNKNOWN
        return
    cost = float(best[0])
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(cost, rel=1e-9, abs=1e-9)
    assert found.lower_bound == pytest.approx(cost, rel=2e-9, abs=1e-9)
    assert in_turn.objective >= cost - 1e-9
    for result in (found, in_turn):
        if result.solution is not None:
            assert instance.evaluate(result.solution).feasible


@pytest.mark.parametrize("seed", range(count(200, 20)))
def test_every_feature_at_once(seed: int) -> None:
    features = ("resources", "limits", "totals", "max", "channels", "fee", "demand", "at", "allowed")
    more = ("latency", "deadline", "energy_budget", "rejection", "weight")
    document = random_format2(seed, {*features, *more}, max_devices=5)
    best = optimum(document)
    found = solve(form.from_document(document), "btod")
    assert found.objective == pytest.approx(math.inf if best is None else float(best[0]), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(count(500, 50)))
def test_below_a_value_all_decisions_are_listed(seed: int) -> None:
    """Going on air costs something where channels have a price, and staying at home does not."""
    instance = form.from_document(random_format2(seed, {"channels", "deadline", "rejection", "weight"}))
    lister, random = Lister(instance), np.random.default_rng(seed)
    prices, there = random.exponential(size=len(lister.limits)), lister.limits.right
    for m in range(instance.num_devices):
        every = lister.fitting(m, prices, math.inf, there, 10**6)
        values = np.unique(every.value)
        apart = np.diff(values) > ROUNDING * np.abs(values[1:])
        for top in ((values[1:] + values[:-1]) / 2)[apart]:
            found = lister.fitting(m, prices, float(top), there, 10**6)
            assert sorted(found.places.tolist()) == sorted(every.places[every.value < top].tolist())


def test_a_channel_that_is_dear_keeps_nobody_from_staying_at_home() -> None:
    """In the optimum, two devices are at home that would pay for a channel."""
    limits = {"deadline": (0.8, 1.1), "rejection": (1.2, 1.5), "resources": ("GB",), "room": (8.0, 12.0)}
    setting = Setting(devices=5, offload_points=3, capacity=6, channels=2, **limits)  # type: ignore[arg-type]
    instance = generate(setting, seed=2)
    found, other = run(instance, "btod"), run(instance, "milp-arrays")
    assert found.status is Status.OPTIMAL
    assert found.objective == pytest.approx(other.objective, rel=1e-9)


def test_a_device_that_cannot_be_served_is_named() -> None:
    instance = form.from_document(random_format2(0))
    told = nearest_misses(instance)
    assert told
    assert run(instance, "btod").run["reasons"] == list(told.values())


def test_at_the_time_limit_the_best_so_far_comes_back() -> None:
    instance = form.from_document(random_format2(12, {"demand", "resources"}, max_devices=4))
    events: list[Progress] = []
    found = run(instance, "btod", time_limit=1e-9, on_progress=events.append)
    assert found.termination is Termination.TIME_LIMIT
    assert found.lower_bound is None or found.lower_bound <= found.objective
    finished = run(instance, "btod", on_progress=events.append)
    assert finished.status is Status.OPTIMAL
    assert events
    bounds = [event.lower_bound for event in events if event.lower_bound is not None]
    assert max(bounds) <= finished.objective + 1e-9


def test_refused_devices_come_after_those_that_took_what_there_is() -> None:
    document = random_format2(3, set(), max_devices=1, max_points=1, max_subtasks=1)
    device, point = document["devices"][0], document["offload_points"][0]
    point["capacity"] = 1
    app = document["applications"][0]
    document["applications"], device["application"] = [app], app["id"]
    device |= {"connected_to": point["id"], "allowed": {app["subtasks"][0]: [point["id"]]}}
    for key in ("work", "input", "output"):
        device[key] = device[key][:1]
    document["devices"] = [device, {**device, "id": "late"}]
    instance = form.from_document(document)
    assert run(instance, "btod-sequential").status is Status.UNKNOWN
    assert run(instance, "btod").status is Status.INFEASIBLE
    document["devices"][1]["rejection"] = 7.0
    result = run(form.from_document(document), "btod-sequential")
    assert (result.solution.places[0][1] == -2).all()
