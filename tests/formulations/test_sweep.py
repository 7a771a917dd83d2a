"""Dynamic programming along a frontier: against enumeration, and against search without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from counts import count
from numpy.typing import NDArray

from offloadlib.formulations.structured.decomposition import pricing
from offloadlib.formulations.structured.decomposition.frontier import CLOSE, DECIDE, OPEN, frontier
from offloadlib.formulations.structured.decomposition.pricing import Priced, Prices, price
from offloadlib.formulations.structured.decomposition.search import LARGEST_SEARCH, Effort
from offloadlib.formulations.structured.decomposition.tables import Learnt
from offloadlib.instances import Application, Instance, evaluate
from offloadlib.instances.files.instances import parse

Arcs = list[tuple[int, int]]
Rng = np.random.Generator


def fork_of_chains(rng: Rng, size: int) -> Arcs:
    """Branches from a head to a tail, maybe with a head of their own beside."""
    arcs: Arcs = []
    k = 1
    while k < size - 1:
        last, length = 0, int(rng.integers(1, 4))
        for i in range(k, min(k + length, size - 1)):
            if i > k or rng.random() < 0.8:
                arcs.append((last, i))
            last = i
        arcs.append((last, size - 1))
        k += length
    return arcs


def joins_in_turn(rng: Rng, size: int) -> Arcs:
    """Some subtasks into one; that, another and those into many: like 1000genome."""
    first = max(size // 3, 1)
    merge, other = first, first + 1
    arcs = [(j, merge) for j in range(first)]
    return arcs + [(j, k) for k in range(other + 1, size) for j in (merge, other) if rng.random() < 0.9]


def two_joins(rng: Rng, size: int) -> Arcs:
    """All branches of a fork lead to both of two tails, as in BLAST."""
    return [(0, k) for k in range(1, size - 2)] + [
        (j, k) for k in (size - 2, size - 1) for j in range(1, size - 2)
    ]


def broadcast(rng: Rng, size: int) -> Arcs:
    """A head into two, both of which go to all of the others, and these to two tails, as in BWA."""
    inner = range(3, size - 2)
    return [(0, 1), (0, 2), (1, size - 1)] + [
        arc for k in inner for arc in ((0, k), (1, k), (2, k), (k, size - 2), (k, size - 1))
    ]


def mosaic(rng: Rng, size: int) -> Arcs:
    """Pairs of neighbours into a join, which goes back to all of them: like Montage."""
    n = max(size // 3, 2)
    join = 2 * n - 1
    arcs = [(i + d, n + i) for i in range(n - 1) for d in (0, 1)] + [(n + i, join) for i in range(n - 1)]
    return arcs + [(j, k) for i, k in enumerate(range(join + 1, min(join + 1 + n, size))) for j in (join, i)]


def ladder(rng: Rng, size: int) -> Arcs:
    """A stencil of three rows."""
    return [(k - 3, k) for k in range(3, size)] + [(k - 4, k) for k in range(4, size) if k % 3]


def tree(rng: Rng, size: int) -> Arcs:
    """A tree towards its root, or away from it."""
    arcs = [(k, int(rng.integers(k + 1, size))) for k in range(size - 1)]
    return arcs if rng.random() < 0.5 else [(size - 1 - k, size - 1 - j) for j, k in arcs]


def narrow(rng: Rng, size: int) -> Arcs:
    """Arcs over short distances alone, some of them beside longer paths."""
    return [(j, k) for k in range(size) for j in range(max(k - 4, 0), k) if rng.random() < 0.45]


def anything(rng: Rng, size: int) -> Arcs:
    """A random acyclic graph."""
    return [(j, k) for k in range(size) for j in range(k) if rng.random() < rng.uniform(0.1, 0.6)]


def apart(rng: Rng, size: int) -> Arcs:
    """Parts that have nothing, or one head, in common."""
    half = size // 2
    arcs = fork_of_chains(rng, half) + [(j + half, k + half) for j, k in fork_of_chains(rng, size - half)]
    return arcs + ([(0, half + 1)] if rng.random() < 0.5 else [])


SHAPES: list[Callable[[Rng, int], Arcs]] = [
    *(fork_of_chains, joins_in_turn, two_joins, broadcast, mosaic, ladder, tree, narrow, anything, apart),
]


def drawn(shape: Callable[[Rng, int], Arcs], rng: Rng, size: int, points: int) -> tuple[Instance, Prices]:
    """A few devices with a task of a shape, and prices that leave some of it in doubt."""
    order = rng.permutation(size)
    arcs = sorted({(int(order[j]), int(order[k])) for j, k in shape(rng, size)})
    names = [f"s{k}" for k in range(size)]

    def values(low: float, high: float, count: int = size) -> list[float]:
        return [round(value, 3) for value in rng.uniform(low, high, count).tolist()]

    def device(number: int) -> dict[str, Any]:
        rows = {"input": values(0, 1), "work": values(0, 4), "output": values(0, 1)}
        rates = {"cpu": rng.uniform(0.8, 1.8), "uplink": rng.uniform(0.5, 2), "downlink": rng.uniform(0.5, 2)}
        power = {"execute": 10.0, "send": 1.5, "receive": 3.0}
        little = 1.0 if rng.random() < 0.5 else 0.05
        own = {"edge_data": values(0, little, len(arcs)), "alpha": rng.uniform(0.3, 1.0), "power": power}
        return {"id": f"d{number}", "application": "task", "connected_to": "p0", **rows, **rates, **own}

    document = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": "",
        "cost": {"normalise": "local"},
        "applications": [{"id": "task", "subtasks": names, "edges": [[names[j], names[k]] for j, k in arcs]}],
        "offload_points": [
            {"id": f"p{n}", "cpu": rng.uniform(1.6, 4), "capacity": 9, "uplink": 1.0, "downlink": 1.0}
            for n in range(points)
        ],
        "devices": [device(m) for m in range(2)],
    }
    instance = parse(json.dumps(document).encode(), "task")
    assert isinstance(instance, Instance)
    scale = instance.local_cost.mean() / size
    return instance, Prices(rng.uniform(0.0, 0.8, points) * scale, np.zeros(points))


def least_by_enumeration(instance: Instance, prices: Prices) -> list[float]:
    """The least cost + prices of each device, from all decisions at once."""
    (term,) = instance.terms
    found = []
    size, points = term.group.work.shape[1], instance.num_points
    decisions = np.stack(np.meshgrid(*[np.arange(-1, points)] * size, indexing="ij")).reshape(size, -1)
    away = decisions >= 0
    for m in range(len(term.group)):
        sides = [values[m] for values in term.sides]
        local_delay, local_energy, radio_delay, radio_energy, work, up, up_energy, down, down_energy = sides
        delay: NDArray[np.float64] = np.where(
            away, work[:, None] / instance.points.cpu[decisions] + radio_delay[:, None], local_delay[:, None]
        )
        paid = np.where(away, radio_energy[:, None] + prices.capacity[decisions], local_energy[:, None]).sum(
            0
        )
        for arc, (j, k) in enumerate(term.group.application.edges):
            ahead, back = ~away[j] & away[k], away[j] & ~away[k]
            delay[k] += ahead * up[arc] + back * down[arc]
            paid += ahead * up_energy[arc] + back * down_energy[arc]
        finish = np.zeros_like(delay)
        for k in term.group.application.order:
            before = [finish[j] for _, j in term.group.application.incoming[k]]
            finish[k] = delay[k] + (np.max(before, axis=0) if before else 0.0)
        found.append(float((paid + finish.max(axis=0)).min()))
    return found


def attained(instance: Instance, prices: Prices, found: Priced) -> NDArray[np.float64]:
    rows = [np.array(row) for row in found.solution.rows(instance)]
    paid = [float(prices.capacity[row[row >= 0]].sum()) for row in rows]
    return np.asarray(evaluate(instance, found.solution).cost + paid, dtype=np.float64)


def with_widths(patch: pytest.MonkeyPatch, narrow: int, widest: int, limit: int = LARGEST_SEARCH) -> None:
    """Sweeps of so many labels, nothing by labels of series-parallel parts."""
    patch.setattr(pricing, "plan", lambda application: None)
    patch.setattr(pricing, "Effort", partial(Effort, narrow=narrow, widest=widest, share=1e9))
    patch.setattr(pricing, "LARGEST_SEARCH", limit)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_equals_enumeration(shape: Callable[[Rng, int], Arcs], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for _ in range(count(1000, 20)):
        instance, prices = drawn(shape, rng, int(rng.integers(4, 8)), 3)
        exact = np.array(least_by_enumeration(instance, prices))
        for sizes in ((8192, 8192), (3, 3)):
            with_widths(monkeypatch, *sizes)
            found = price(instance, prices)
            assert not found.relaxed.any()
            np.testing.assert_allclose(found.value, exact, rtol=1e-12)
            np.testing.assert_allclose(attained(instance, prices, found), exact, rtol=1e-12)
            learnt = Learnt(instance)
            for factor in (0.7, 1.0):  # what the first pricing has learnt, the second one uses
                at = Prices(factor * prices.capacity, prices.channels)
                found = price(instance, at, learnt=learnt)
            np.testing.assert_allclose(found.value, exact, rtol=1e-12)
            ceilings = exact * rng.uniform(0.8, 1.2, len(exact))
            value = price(instance, prices, ceilings=ceilings).value
            np.testing.assert_allclose(value[exact < ceilings], exact[exact < ceilings], rtol=1e-12)
            assert np.all(value <= exact * (1 + 1e-12))
            assert np.all(value >= np.minimum(exact, ceilings) * (1 - 1e-12))
        # As much as one sweep, or less: a bound.
        for width, nodes in ((1, 2), (2, 3), (8192, 2)):
            with_widths(
                monkeypatch,
                width,
                width,
                nodes * (instance.num_subtasks // 2 + len(instance.applications[0].edges)),
            )
            found = price(instance, prices)
            assert np.all(found.value <= exact * (1 + 1e-12))
            assert np.all(attained(instance, prices, found) >= exact * (1 - 1e-12))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_equals_search(shape: Callable[[Rng, int], Arcs], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    for _ in range(count(1000, 20)):
        instance, prices = drawn(shape, rng, int(rng.integers(9, 17)), 4)
        with_widths(monkeypatch, 0, 0)
        searched = price(instance, prices)
        for widths in ((64, 8192), (8, 8)):
            with_widths(monkeypatch, *widths)
            found = price(instance, prices)
            known = ~(searched.relaxed | found.relaxed)
            np.testing.assert_allclose(found.value[known], searched.value[known], rtol=1e-12)
            np.testing.assert_allclose(
                attained(instance, prices, found)[known], searched.value[known], rtol=1e-12
            )
            assert known.any()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_plans_decide_everything_once(shape: Callable[[Rng, int], Arcs]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(count(1000, 20)):
        size = int(rng.integers(4, 40))
        task = Application("task", tuple(map(str, range(size))), tuple(sorted(set(shape(rng, size)))))
        plan = frontier(task)
        assert sorted(plan.order.tolist()) == list(range(size))
        assert [s for kind, s in plan.program.tolist() if kind == DECIDE] == list(range(size))
        assert all(plan.step[j] < plan.step[k] for j, k in task.edges)
        opened: list[int] = []
        for kind, j in plan.program.tolist():
            if kind == OPEN:
                opened.append(j)
            elif kind == CLOSE:
                assert opened.pop() == j
        assert not opened


def test_a_wide_workflow_has_a_plan() -> None:
    """What one order of its subtasks would take is more than a float holds."""
    index, merge, samples = 0, 1, 400
    arcs = []
    for fetch in range(2, 2 + 3 * samples, 3):
        arcs += [(fetch, fetch + 1), (fetch + 1, fetch + 2), (index, fetch + 2), (fetch + 1, merge)]
    size = 2 + 3 * samples
    task = Application("workflow", tuple(map(str, range(size))), tuple(sorted(arcs)))
    plan = frontier(task)
    assert sorted(plan.order.tolist()) == list(range(size))
    assert int(np.diff(plan.front_start).max()) < 10
