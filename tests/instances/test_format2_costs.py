"""Format 2: costs, uses and limits against the second implementation in fractions."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from brute2 import Decision, Document, decisions, exactly, limits, optimum, task_of
from counts import count
from format2 import random_format2
from strategies import instance_of

from offloadlib.instances import Instance, Solution, evaluate
from offloadlib.instances import exact as exactness
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import LOCAL, REFUSED
from offloadlib.instances.structured.options import options

SEEDS = range(count(2000, 150))


def drawn(seed: int) -> tuple[Document, Instance]:
    document = random_format2(seed)
    return document, instance_of(document)


def any_decisions(document: Document, draw: Random) -> list[list[int]]:
    """Decisions that may break every limit but the connection."""
    rows = []
    for device in document["devices"]:
        app = next(item for item in document["applications"] if item["id"] == device["application"])
        size = len(app["subtasks"])
        stay = device["connected_to"] is None or draw.random() < 0.3
        most = -1 if stay else len(document["offload_points"]) - 1
        row = [draw.randint(LOCAL, most) for _ in range(size)]
        rows.append([REFUSED] * size if draw.random() < 0.2 else row)
    return rows


def costed(document: Document, rows: list[list[int]]) -> list[Decision]:
    """Each device's decision, costed by the second implementation, whatever it breaks."""
    names = [point["id"] for point in document["offload_points"]] + [None]
    most, found = limits(document), []
    for device, row in zip(document["devices"], rows, strict=True):
        task = task_of(document, device)
        if row[0] == REFUSED:
            zero = Fraction(0)
            cost = task.weight * exactly(device.get("rejection") or 0)
            found.append(Decision(None, cost, zero, zero, (zero,) * len(most)))
        else:
            found.append(task.decision(tuple(names[place] for place in row)))
    return found


def objective(document: Document, parts: list[Decision]) -> Fraction:
    costs = [part.cost for part in parts]
    return max(costs) if document["cost"].get("objective") == "max" else sum(costs, Fraction(0))


@pytest.mark.parametrize("seed", SEEDS)
def test_costs_are_those_of_the_text(seed: int) -> None:
    document, instance = drawn(seed)
    rows = any_decisions(document, Random(seed))
    for row, device in zip(rows, document["devices"], strict=True):
        if row[0] == REFUSED and device.get("rejection") is None:
            row[:] = [LOCAL] * len(row)
    solution = Solution.from_rows(instance, rows)
    evaluation, parts = evaluate(instance, solution), costed(document, rows)
    assert evaluation.delay == pytest.approx([float(part.delay) for part in parts], rel=1e-12, abs=1e-12)
    assert evaluation.energy == pytest.approx([float(part.energy) for part in parts], rel=1e-12, abs=1e-12)
    assert evaluation.cost * instance.devices.weight == pytest.approx(
        [float(part.cost) for part in parts], rel=1e-11, abs=1e-11
    )
    total = objective(document, parts)
    assert evaluation.total == pytest.approx(float(total), rel=1e-11, abs=1e-11)
    assert exactness.cost(instance, solution) == float(total)


@pytest.mark.parametrize("seed", SEEDS)
def test_limits_have_no_tolerance(seed: int) -> None:
    document, instance = drawn(seed)
    rows = any_decisions(document, Random(seed))
    if instance.version == 1 and REFUSED in {row[0] for row in rows}:
        with pytest.raises(IndexError, match="there is no place -2"):
            evaluate(instance, Solution.from_rows(instance, rows))
        return
    evaluation = evaluate(instance, Solution.from_rows(instance, rows))
    assert evaluation.feasible == sound(document, rows)


def sound(document: Document, rows: list[list[int]]) -> bool:
    """Whether decisions keep everything, by the second implementation."""
    parts = costed(document, rows)
    for device, part in zip(document["devices"], parts, strict=True):
        if part.places is None and device.get("rejection") is None:
            return False
        if part.places is not None and part.places not in {d.places for d in decisions(document, device)}:
            return False
    return all(
        sum((part.use[i] for part in parts), Fraction(0)) <= there
        for i, (_, there) in enumerate(limits(document))
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_an_optimum_of_the_text_is_feasible_and_costs_as_much(seed: int) -> None:
    document, instance = drawn(seed)
    found = optimum(document)
    if found is None:
        return
    names = {point["id"]: n for n, point in enumerate(document["offload_points"])}
    sizes = [instance.applications[a].size for a in instance.devices.application.tolist()]
    rows = [
        [REFUSED] * size if places is None else [names.get(place or "", LOCAL) for place in places]
        for places, size in zip(found[1].values(), sizes, strict=True)
    ]
    solution = Solution.from_rows(instance, rows)
    assert evaluate(instance, solution).violations == []
    assert exactness.cost(instance, solution) == float(found[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_prices_come_down_to_rates(seed: int) -> None:
    """What decisions pay at prices on all limits is what their parts pay at the rates, and their use is that
    of the text."""
    document, instance = drawn(seed)
    draw = Random(seed)
    rows = any_decisions(document, draw)
    if instance.version == 1:
        return
    solution = Solution.from_rows(instance, rows)
    every, evaluation = Limits(instance), evaluate(instance, solution)
    use = evaluation.use
    parts = costed(document, rows)
    of_text = {what: sum(part.use[i] for part in parts) for i, (what, _) in enumerate(limits(document))}
    keys: list[Any] = [key_of(document, name) for name in every.names]
    known = [i for i, key in enumerate(keys) if key in of_text]
    assert len(known) == len(of_text)  # a point without a limit on subtasks has an entry, too
    assert use[known] == pytest.approx([float(of_text[keys[i]]) for i in known], rel=1e-12, abs=1e-12)
    prices = np.array([draw.choice((0.0, 0.5, draw.random())) for _ in range(len(every))])
    rates, paid = every.rates(prices), 0.0
    for g, (group, places) in enumerate(zip(instance.groups, solution.places, strict=True)):
        table = options(instance, g)
        for i, k in np.argwhere(places >= 0).tolist():
            paid += float(table.demand[:, i, k, places[i, k]] @ rates.places[:, places[i, k]])
        on_air = (places >= 0).any(axis=1)
        paid += float(rates.air[instance.devices.connected_to[group.members[on_air]]].sum())
    paid += rates.delay * float(evaluation.delay.sum()) + rates.energy * float(evaluation.energy.sum())
    assert paid == pytest.approx(float(use @ prices), rel=1e-11, abs=1e-11)


def key_of(document: Document, name: tuple[str, ...]) -> tuple[str, ...]:
    part, *rest = name
    if part == "capacity":
        return ("room", rest[0], "subtasks")
    if part == "resource":
        return ("room", rest[0], rest[1])
    if part == "limits":
        ids = [limit["id"] for limit in document["limits"]]
        return ("limit", str(ids.index(rest[0])))
    return ("total", rest[0]) if part == "totals" else (part, rest[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_options_are_those_of_the_text(seed: int) -> None:
    document, instance = drawn(seed)
    points = [*(point["id"] for point in document["offload_points"]), None]
    resources = ["subtasks", *document.get("resources", ())]
    for g, group in enumerate(instance.groups):
        table = options(instance, g)
        for i, m in enumerate(group.members.tolist()):
            task = task_of(document, document["devices"][m])
            for k in range(group.application.size):
                for n, point in enumerate(points):
                    assert table.seconds[i, k, n] == pytest.approx(float(task.execution(k, point)))
                    assert table.fee[i, k, n] == pytest.approx(float(task.fee(k, point)))
                    if point is not None:
                        demand = [float(task.demand(k, point, name)) for name in resources]
                        assert table.demand[:, i, k, n].tolist() == demand


@pytest.mark.parametrize("seed", SEEDS)
def test_some_rows_have_the_options_of_all(seed: int) -> None:
    _, instance = drawn(seed)
    for g, group in enumerate(instance.groups):
        whole = options(instance, g)
        for begin in range(len(group)):
            part = options(instance, g, slice(begin, begin + 2))
            for name in ("seconds", "fee", "allowed"):
                assert np.array_equal(getattr(part, name), getattr(whole, name)[begin : begin + 2])
            assert np.array_equal(part.demand, whole.demand[:, begin : begin + 2])
