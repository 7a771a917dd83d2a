"""Bounds to look at: relaxations of formulations, and prices on the limits."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from hypothesis import strategies as st
from strategies import DOCUMENT, instance_of, instances

import offloadlib
from offloadlib import InputError, Instance, Prices, Solution, best_prices, lagrangian, relaxation
from offloadlib.instances import LOCAL, UNLIMITED

LIMITED = {**DOCUMENT, "version": 2, "devices": [device | {"deadline": 9} for device in DOCUMENT["devices"]]}


def asked(instance: Instance, prices: Prices) -> list[float]:
    """The least cost + payments of each device, by trying all its decisions."""
    found = [math.inf] * instance.num_devices
    for m, point in enumerate(instance.devices.connected_to.tolist()):
        size = instance.applications[int(instance.devices.application[m])].size
        offered = np.flatnonzero(instance.points.capacity > 0).tolist() if point != LOCAL else []
        everywhere = [LOCAL, *offered]
        for places in product(everywhere, repeat=size):
            rows = Solution.all_local(instance).rows(instance)
            rows[m] = list(places)
            away = [n for n in places if n != LOCAL]
            paid = sum(prices.capacity[n] for n in away) + (prices.channels[point] if away else 0)
            cost = instance.evaluate(Solution.from_rows(instance, rows)).cost[m]
            found[m] = min(found[m], float(cost + paid))
    return found


@examples(30)
@given(st.data())
def test_devices_answer_prices_with_their_least(data: st.DataObject) -> None:
    instance = data.draw(instances(max_devices=3, max_points=2, max_subtasks=3))
    prices = st.lists(st.floats(0, 4), min_size=instance.num_points, max_size=instance.num_points)
    limited = instance.points.channels != UNLIMITED
    asking = Prices(np.array(data.draw(prices)), np.where(limited, data.draw(prices), 0))
    found, least = lagrangian(instance, asking), asked(instance, asking)
    assert found.value == pytest.approx(least, rel=1e-9, abs=1e-12)
    limits = asking.capacity @ instance.points.capacity
    limits += asking.channels @ np.where(limited, instance.points.channels, 0)
    assert found.bound == pytest.approx(sum(least) - limits, rel=1e-9, abs=1e-9)
    optimum, _ = brute_force(instance)
    best = lagrangian(instance, best_prices(instance)).bound
    assert found.bound <= best + 1e-7 * max(1, optimum)
    assert best <= optimum + 1e-9 * max(1, optimum)


def test_prices_of_the_worked_example() -> None:
    worked = instance_of(DOCUMENT)
    found = lagrangian(worked, Prices(np.array([5.0, 5.05]), np.zeros(2)))
    assert found.bound == pytest.approx(24.045)
    assert found.value.tolist() == pytest.approx([27.625, 21.52])
    assert lagrangian(worked, best_prices(worked)).bound == pytest.approx(24.045)


@pytest.mark.parametrize("name", ["worked-example", "fork-join-8-m020", "radio-m025"])
def test_relaxations_bound_the_optimum(name: str) -> None:
    """Big-M below the four that are equally strong; levels above these, and below the optimum."""
    instance = offloadlib.load(name)
    optimum = float(offloadlib.library()["objective"][name])
    four = [relaxation(instance, form).bound for form in ("milp", "milp-paths", "milp-stages", "milp-hull")]
    assert four == pytest.approx([four[0]] * 4, rel=1e-6)
    assert relaxation(instance, "milp-bigm").bound < four[0] * (1 - 1e-3)
    tightened = relaxation(instance, levels=True)
    assert four[0] * (1 - 1e-9) <= tightened.bound <= optimum * (1 + 1e-9)
    plain = relaxation(instance)
    assert (plain.columns, plain.nonzeros > plain.rows) == (tightened.columns, True)
    assert tightened.rows - plain.rows >= (tightened.bound > plain.bound * (1 + 1e-6))


def test_relaxation_of_format_2() -> None:
    """Deadlines raise it, and no solution that keeps them is below it."""
    instance, free = Instance.from_dict(LIMITED), instance_of(DOCUMENT)
    in_time = instance.evaluate(Solution.from_rows(instance, [[0, 1, 1, 0, 0], [LOCAL] * 5]))
    assert instance.version == 2 and in_time.feasible
    assert relaxation(free).bound - 1e-6 <= relaxation(instance).bound <= in_time.total + 1e-6


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (
            lambda: relaxation(instance_of(DOCUMENT), "milp-bigm", levels=True),
            "milp-bigm: level inequalities",
        ),
        (lambda: relaxation(instance_of(DOCUMENT), "milp-hul"), "milp-hull"),
        (lambda: relaxation(offloadlib.load("hybrid-3x3")), "structured"),
        (lambda: best_prices(Instance.from_dict(LIMITED)), "best_prices: .*deadlines"),
        (
            lambda: lagrangian(instance_of(DOCUMENT), Prices(np.zeros(3), np.zeros(2))),
            r"prices: capacity: .*\(2,\)",
        ),
        (
            lambda: lagrangian(instance_of(DOCUMENT), Prices(np.zeros(2), np.array([0, -1.0]))),
            "channels: must be",
        ),
        (
            lambda: lagrangian(instance_of(DOCUMENT), Prices(np.array([0, np.nan]), np.zeros(2))),
            "capacity: must",
        ),
    ],
)
def test_what_cannot_be_asked(ask: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ask()
