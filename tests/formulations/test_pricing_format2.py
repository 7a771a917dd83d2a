"""Pricing of format 2: exact deadlines and budgets, branches, refusal; and devices that cannot be served."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from brute2 import Task, decisions, exactly, limits, task_of
from counts import count
from format2 import random_format2

from offloadlib.formulations.structured.decomposition.pricing import NEVER
from offloadlib.formulations.structured.limited import pricing, tables
from offloadlib.formulations.structured.limited.misses import nearest_miss, nearest_misses
from offloadlib.formulations.structured.limited.pricing import Asked, Branches, Priced, price
from offloadlib.instances import Application, Instance
from offloadlib.instances.structured import form
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import REFUSED

Document = dict[str, Any]


def drawn_prices(instance: Instance, rng: np.random.Generator) -> np.ndarray:
    """Prices on all limits, many of them 0, others equal."""
    size = len(Limits(instance))
    return np.where(rng.random(size) < 0.5, rng.choice([0.25, 0.5, 1.0, 2.0, 0.3], size), 0.0)


def drawn_share(instance: Instance, rng: np.random.Generator) -> np.ndarray:
    """Weights, shares of them, or nothing."""
    part = rng.choice(3)
    if part == 0:
        return instance.devices.weight
    return instance.devices.weight * rng.random(instance.num_devices) * (part == 1)


def drawn_branches(instance: Instance, rng: np.random.Generator) -> Branches:
    """A few branches of all kinds."""
    branches = Branches(instance)
    for _ in range(rng.integers(0, 4)):
        m = int(rng.integers(instance.num_devices))
        sizes = [group.work.shape[1] for group in instance.groups if m in group.members]
        choice = rng.integers(4)
        if choice == 0:
            branches.serve(m)
        elif choice == 1 and branches.may_refuse[m]:
            branches.refuse(m)
        else:
            place = int(rng.integers(-1, instance.num_points))
            branches.branch(m, int(rng.integers(sizes[0])), place, bool(choice == 2))
    return branches


def menus(document: Document, device: Document, task: Task) -> list[list[str | None]]:
    """Where each subtask may run: by connection, list, and each limit alone."""
    points = [point["id"] for point in document["offload_points"]]
    home = [None] * len(task.names)
    found: list[list[str | None]] = []
    for k, name in enumerate(task.names):
        listed = (device.get("allowed") or {}).get(name, [None, *points])
        left: list[str | None] = [None] if None in listed else []
        for point in points if device["connected_to"] is not None else []:
            places = (*home[:k], point, *home[k + 1 :])
            uses = (
                task.used(what, places, Fraction(0), Fraction(0)) <= most for what, most in limits(document)
            )
            if point in listed and all(uses):
                left.append(point)
        found.append(left)
    return found


def enumerated(
    document: Document, number: int, share: float, prices: np.ndarray, names: list[Any], branches: Branches
) -> float:
    """The least by enumeration."""
    device = document["devices"][number]
    task = task_of(document, device)
    index: dict[str | None, int] = {p["id"]: n for n, p in enumerate(document["offload_points"])}
    index[None] = -1
    best = math.inf
    if branches.may_refuse[number]:
        best = share * device["rejection"]
    if not branches.may_serve[number]:
        return best
    what = [_what(document, name) for name in names]
    for places in itertools.product(*menus(document, device, task)):
        if not branches.keeps(number, np.array([index[place] for place in places], dtype=np.int32)):
            continue
        delay, energy = task.spent(places)
        if device.get("deadline") is not None and delay > exactly(device["deadline"]):
            continue
        if device.get("energy_budget") is not None and energy > exactly(device["energy_budget"]):
            continue
        fees = sum((task.fee(k, place) for k, place in enumerate(places)), Fraction(0))
        cost = exactly(share) * (task.a * delay + task.b * energy + fees)
        for price_, limit in zip(prices.tolist(), what, strict=True):
            cost += exactly(price_) * task.used(limit, places, delay, energy) if price_ else 0
        best = min(best, float(cost))
    return best


def _what(document: Document, name: tuple[str, ...]) -> tuple[str, ...]:
    """How the second implementation calls a limit."""
    if name[0] == "capacity":
        return "room", name[1], "subtasks"
    if name[0] == "resource":
        return "room", name[1], name[2]
    if name[0] == "limits":
        return "limit", str([limit["id"] for limit in document["limits"]].index(name[1]))
    return ("total", name[1]) if name[0] == "totals" else name


def kept(instance: Instance, priced: Priced) -> None:
    """The decisions break none of a device's own limits."""
    own = {"deadline", "energy budget", "refusal", "allowed places", "connection"}
    broken: list[Any] = list(instance.evaluate(priced.solution).violations)
    without = {instance.devices.ids[m] for m in np.flatnonzero(np.isinf(priced.found)).tolist()}
    assert [item for item in broken if item.limit in own and item.name not in without] == []


def check(seed: int) -> None:
    document = random_format2(seed)
    instance = form.from_document(document)
    rng = np.random.default_rng(seed)
    prices, share = drawn_prices(instance, rng), drawn_share(instance, rng)
    branches = drawn_branches(instance, rng)
    known = Limits(instance)
    # No price where there is no limit.
    prices[~np.isfinite(known.right)] = 0.0
    found = price(instance, Asked(known.rates(prices), share), branches)
    kept(instance, found)
    assert not found.relaxed.any()
    for m in range(instance.num_devices):
        least = enumerated(document, m, float(share[m]), prices, known.names, branches)
        assert found.value[m] == pytest.approx(least, rel=1e-9, abs=1e-9)
        assert found.found[m] == pytest.approx(least, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(count(2000, 100)))
def test_pricing_finds_the_least_of_an_enumeration(seed: int) -> None:
    check(seed)


def series_parallel(draw: Random, names: list[str]) -> tuple[list[list[str]], list[str], list[str]]:
    """Random edges between subtasks, in series and in parallel; the first and the last subtasks."""
    if len(names) == 1:
        return [], names, names
    middle = draw.randint(1, len(names) - 1)
    edges, first, last = series_parallel(draw, names[:middle])
    more, begin, end = series_parallel(draw, names[middle:])
    if draw.random() < 0.4:
        return edges + more, first + begin, last + end
    return edges + more + [[j, k] for j in last for k in begin], first, end


@pytest.mark.parametrize("seed", range(count(1000, 60)))
def test_labels_of_series_parallel_tasks_find_what_a_search_finds(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {"deadline", "fee", "demand", "at", "latency"}
    features |= {"energy_budget"} if seed % 3 == 0 else set()
    document, draw = random_format2(seed, features, max_subtasks=8, max_points=4), Random(seed)
    for app in document["applications"]:
        app["edges"] = series_parallel(draw, app["subtasks"])[0]
    for device in document["devices"]:
        device.pop("edge_data", None)
        for limit in (
            "deadline",
            "energy_budget",
        ):  # no decision misses them by a hair: these are searched for
            if limit in device:
                device[limit] *= 1.0007
    instance = form.from_document(document)
    known, rng = Limits(instance), np.random.default_rng(seed)
    prices = np.where(np.isfinite(known.right), drawn_prices(instance, rng), 0.0)
    asked = Asked(known.rates(prices), drawn_share(instance, rng))
    # A search of no effort ends at once: nothing but labels can find the least.
    found = price(instance, asked, largest_search=0)
    assert not found.relaxed.any()
    kept(instance, found)
    none = tables.plan_for(Application("n", tuple("abcd"), ((0, 2), (0, 3), (1, 3))))
    assert not len(none.steps)
    monkeypatch.setattr(pricing, "plan_for", lambda _: none)
    searched = price(instance, asked)
    assert not searched.relaxed.any()
    np.testing.assert_allclose(found.value, searched.value, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(found.found, searched.found, rtol=1e-9, atol=1e-9)


def test_a_tolerance_and_a_stop_leave_bounds() -> None:
    for seed in range(count(500, 40)):
        instance = form.from_document(random_format2(seed + 5000))
        rng = np.random.default_rng(seed)
        known = Limits(instance)
        prices = np.where(np.isfinite(known.right), drawn_prices(instance, rng), 0.0)
        asked = Asked(known.rates(prices), instance.devices.weight)
        exact = price(instance, asked)
        near = price(instance, asked, tolerance=0.5)
        cut = price(instance, asked, stopped=~NEVER)
        for other in (near, cut):
            kept(instance, other)
            assert (other.value <= exact.value + 1e-9).all()
            assert (other.found >= exact.found - 1e-9).all()
        known_both = np.isfinite(exact.value)
        assert (near.found[known_both] - near.value[known_both] <= 0.5 + 1e-9).all()


def chain(deadline: float, executions: list[float], points: int = 3) -> Instance:
    """One device with a chain of subtasks that take as long anywhere, at points of different fees."""
    names = [f"t{k + 1}" for k in range(len(executions))]
    ids = [f"op{n + 1}" for n in range(points)]
    at = [
        {"subtask": name, "point": point, "execution": seconds}
        for name, seconds in zip(names, executions, strict=True)
        for point in [None, *ids]
    ]
    return form.from_document(
        {
            "format": "offloadlib-instance",
            "version": 2,
            "name": "chain",
            "kind": "structured",
            "cost": {"normalise": "none"},
            "applications": [
                {"id": "a", "subtasks": names, "edges": [list(pair) for pair in itertools.pairwise(names)]}
            ],
            "offload_points": [
                {"id": p, "cpu": 1, "capacity": 9, "uplink": 1, "downlink": 1, "fee": {"subtask": n / 8}}
                for n, p in enumerate(ids)
            ],
            "devices": [
                {
                    "id": "ud1",
                    "application": "a",
                    "cpu": 1,
                    "power": {"execute": 1, "send": 0, "receive": 0},
                    "connected_to": "op1",
                    "alpha": 0.5,
                    "work": [1] * len(names),
                    "input": [0] * len(names),
                    "output": [0] * len(names),
                    "at": at,
                    "deadline": deadline,
                }
            ],
        }
    )


@pytest.mark.parametrize(
    ("deadline", "executions", "meets"),
    [
        (0.3, [0.1, 0.1, 0.1], False),
        (0.3, [0.1, 0.2], False),
        (0.75, [0.25, 0.5], True),
        (0.2, [0.1, 0.1], True),
    ],
)
def test_a_deadline_is_kept_to_the_last_bit(deadline: float, executions: list[float], meets: bool) -> None:
    assert (sum(map(Fraction, executions)) <= Fraction(deadline)) is meets
    instance = chain(deadline, executions)
    found = price(instance, Asked(Limits(instance).rates(np.zeros(len(Limits(instance)))), np.ones(1)))
    assert np.isfinite(found.value[0]) == meets
    assert not found.relaxed[0]
    miss = nearest_miss(instance, 0)
    assert (miss is None) is meets


def test_a_miss_by_a_hair_is_told_with_as_many_digits_as_it_takes() -> None:
    for deadline, told in (
        (2.9999999, "deadline of 2.9999999 s; the fastest takes 3 s"),
        (2.99999999999, "deadline of 2.99999999999 s; the fastest takes 3 s"),
        (2.5, "deadline of 2.5 s; the fastest takes 3 s"),
    ):
        miss = nearest_miss(chain(deadline, [1.0, 2.0]), 0)
        assert miss is not None
        assert told in miss


def test_refusal_wins_where_it_costs_less() -> None:
    document = random_format2(3, {"rejection"})
    for device in document["devices"]:
        device["rejection"] = -100.0
    instance = form.from_document(document)
    found = price(
        instance,
        Asked(Limits(instance).rates(np.zeros(len(Limits(instance)))), np.ones(len(document["devices"]))),
    )
    assert all((places == REFUSED).all() for places in found.solution.places)
    assert (found.value == -100.0).all()


# Devices that cannot be served --------------------------------------------------------------------


def servable(document: Document, number: int) -> bool:
    """Whether for each limit by itself there is a decision."""
    device = document["devices"][number]
    task = task_of(document, device)
    caps = {what[1]: most for what, most in limits(document) if what[0] == "total"}
    most_delay = [exactly(device["deadline"])] if device.get("deadline") is not None else []
    most_energy = [exactly(device["energy_budget"])] if device.get("energy_budget") is not None else []
    most_delay += [caps["delay"]] if "delay" in caps else []
    most_energy += [caps["energy"]] if "energy" in caps else []
    own = []
    for places in itertools.product(*menus(document, device, task)):
        delay, energy = task.spent(places)
        if all(delay <= most for most in most_delay) and all(energy <= most for most in most_energy):
            own.append(places)
    rooms = [(what, most) for what, most in limits(document) if what[0] in ("room", "limit")]
    return bool(own) and all(
        any(task.used(what, places, Fraction(0), Fraction(0)) <= most for places in own)
        for what, most in rooms
    )


@pytest.mark.parametrize("seed", range(count(2000, 100)))
def test_misses_are_named_where_there_are_some(seed: int) -> None:
    document = random_format2(seed + 20_000)
    instance = form.from_document(document)
    told = nearest_misses(instance)
    for m, device in enumerate(document["devices"]):
        must = device.get("rejection") is None
        assert (m in told) == (must and not servable(document, m))
        assert told.get(m) == nearest_miss(instance, m)
        if m in told:
            assert told[m].startswith(f"devices[{m}]: ")
            assert decisions(document, device) == []
