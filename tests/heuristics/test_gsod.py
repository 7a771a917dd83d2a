"""GSOD, by hand on a small instance and by its rules on random ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from folders import LIBRARY
from hypothesis import given
from reading import read_structured
from strategies import instance_of, instances

from offloadlib.heuristics.structured.gsod import solve_difference, solve_ratio
from offloadlib.instances import LOCAL, Budget, Instance, evaluate


def two_devices(channels: int | None = None, capacity: int = 1, slow: int = 0) -> Instance:
    """Two devices with one subtask each, a fast point and one half as fast: the hand calculations below."""
    device = {"application": "one", "cpu": 1.0, "power": {"execute": 1, "send": 0, "receive": 0}}
    rest = {"connected_to": "fast", "alpha": 0.5}
    return instance_of(
        json.loads(
            json.dumps(
                {
                    "format": "offloadlib-instance",
                    "version": 1,
                    "kind": "structured",
                    "name": "two",
                    "cost": {"normalise": "none"},
                    "applications": [{"id": "one", "subtasks": ["t"], "edges": []}],
                    "offload_points": [
                        {
                            "id": "fast",
                            "cpu": 4.0,
                            "capacity": capacity,
                            "uplink": 1.0,
                            "downlink": 1.0,
                            "channels": channels,
                        },
                        {"id": "slow", "cpu": 2.0, "capacity": slow, "uplink": 1.0, "downlink": 1.0},
                    ],
                    "devices": [
                        {"id": "a", **device, **rest, "work": [4.0], "input": [1.0], "output": [0.0]},
                        {"id": "b", **device, **rest, "work": [8.0], "input": [4.0], "output": [0.0]},
                    ],
                }
            )
        )
    )


def test_strategy_one_by_hand() -> None:
    """a: local 0.5*4 + 0.5*4 = 4, offloaded 0.5*(1+1) = 1, difference 3; b: 8 and 0.5*(2+4) = 3, so 5."""
    instance = two_devices()
    result = solve_difference(instance, Budget())
    assert result.solution.rows(instance) == [[LOCAL], [0]]
    assert result.objective == 4 + 3


def test_strategy_two_by_hand() -> None:
    """a: w/(d^i + d^o) = 4/1; b: 8/4 = 2: a goes first and takes the only slot."""
    instance = two_devices()
    result = solve_ratio(instance, Budget())
    assert result.solution.rows(instance) == [[0], [LOCAL]]
    assert result.objective == 1 + 8


def test_channels_are_kept() -> None:
    instance = two_devices(channels=1, capacity=2)
    assert solve_difference(instance, Budget()).solution.rows(instance) == [[LOCAL], [0]]
    instance = two_devices(channels=0, capacity=2)
    assert solve_difference(instance, Budget()).solution.rows(instance) == [[LOCAL], [LOCAL]]


def test_the_second_layer_knows_the_first() -> None:
    """A layer's costs depend on where the predecessors went: the worked example's second subtask of ud2
    stays with its first at an offload point, as coming home would cost a download."""
    instance = read_structured(LIBRARY / "worked-example.json")
    rows = solve_difference(instance, Budget()).solution.rows(instance)
    assert rows == [[1, 0, 0, LOCAL, LOCAL], [1, 0, LOCAL, LOCAL, LOCAL]]


def test_capacity_is_first_come_first_served_within_a_layer() -> None:
    """b gains more and has the fast place; a, whose turn comes later, costs 0.5*(2+1) at the slow one."""
    instance = two_devices(slow=1)
    result = solve_difference(instance, Budget())
    assert result.solution.rows(instance) == [[1], [0]]
    assert result.objective == 1.5 + 3
    instance = two_devices(capacity=2, slow=1)
    assert solve_difference(instance, Budget()).solution.rows(instance) == [[0], [0]]


@pytest.mark.parametrize("method", [solve_difference, solve_ratio])
@examples(250)
@given(instance=instances())
def test_feasible_and_never_better_than_the_optimum(method: object, instance: Instance) -> None:
    result = method(instance, Budget())  # type: ignore[operator]
    optimum, _ = brute_force(instance)
    assert evaluate(instance, result.solution).feasible
    assert result.objective >= optimum * (1 - 1e-12) - 1e-12
    again = method(instance, Budget())  # type: ignore[operator]
    assert again.objective == result.objective
    assert all(
        np.array_equal(x, y) for x, y in zip(result.solution.places, again.solution.places, strict=True)
    )


def literal_gsod(instance: Instance, ratio: bool) -> list[list[int]]:
    """Algorithm 3 written out with loops, one device at a time: a second implementation."""
    from brute import Document  # noqa: F401

    devices, points = instance.devices, instance.points
    group_of = {
        int(m): (g, i) for g, group in enumerate(instance.groups) for i, m in enumerate(group.members)
    }
    rows = [[LOCAL] * instance.applications[int(a)].size for a in devices.application]
    capacity, channels = points.capacity.tolist(), points.channels.tolist()

    def may_offload(m: int) -> bool:
        point = int(devices.connected_to[m])
        return point != LOCAL and (any(p != LOCAL for p in rows[m]) or channels[point] > 0)

    def cost(m: int, k: int, place: int) -> float:
        """a g_k + b e_k from the definition, given the predecessors' places."""
        group, i = instance.groups[group_of[m][0]], group_of[m][1]
        a, b = weights(m)
        cpu = points.cpu[place] if place != LOCAL else devices.cpu[m]
        run = group.work[i, k] / cpu
        up = down = 0.0
        arcs = list(enumerate(group.application.edges))
        for arc, (j, end) in arcs:
            if end == k and (rows[m][j] != LOCAL) != (place != LOCAL):
                if place != LOCAL:
                    up += group.edge_data[i, arc] / devices.uplink[m]
                else:
                    down += group.edge_data[i, arc] / devices.downlink[m]
        if place != LOCAL and not any(end == k for _, (_, end) in arcs):
            up += group.input[i, k] / devices.uplink[m]
        if place != LOCAL and not any(begin == k for _, (begin, _) in arcs):
            down += group.output[i, k] / devices.downlink[m]
        energy = up * devices.send[m] + down * devices.receive[m]
        if place == LOCAL:
            energy += run * devices.execute[m]
        return float(a * (run + up + down) + b * energy)

    def weights(m: int) -> tuple[float, float]:
        alpha = float(devices.alpha[m])
        if instance.normalise == "none":
            return alpha, 1 - alpha
        local = evaluate(instance, type(solve_ratio(instance, Budget()).solution).all_local(instance))
        a = alpha / local.delay[m] if alpha > 0 else 0.0
        return a, (1 - alpha) / local.energy[m] if alpha < 1 else 0.0

    for depth in range(max(map(len, rows))):
        layer = []
        for m, row in enumerate(rows):
            if depth < len(row):
                group, i = instance.groups[group_of[m][0]], group_of[m][1]
                k = group.application.order[depth]
                free = [n for n, left in enumerate(capacity) if left > 0] if may_offload(m) else []
                if ratio:
                    data = group.input[i, k] + group.output[i, k]
                    rank = group.work[i, k] / data if data > 0 else np.inf
                else:
                    least = min((cost(m, k, n) for n in free), default=np.inf)
                    rank = cost(m, k, LOCAL) - least
                layer.append((-rank, m, k))
        for _, m, k in sorted(layer):
            best, at = cost(m, k, LOCAL), LOCAL
            if may_offload(m):
                for n, left in enumerate(capacity):
                    if left > 0 and cost(m, k, n) < best:
                        best, at = cost(m, k, n), n
            if at != LOCAL:
                if all(p == LOCAL for p in rows[m]):
                    channels[int(devices.connected_to[m])] -= 1
                rows[m][k] = at
                capacity[at] -= 1
    return rows


@examples(150)
@given(instance=instances(max_devices=4))
def test_equals_the_literal_algorithm(instance: Instance) -> None:
    """Up to ties that rounding decides: then the costs agree all the same in what was gained."""
    for ratio, method in ((False, solve_difference), (True, solve_ratio)):
        assert method(instance, Budget()).solution.rows(instance) == literal_gsod(instance, ratio)
