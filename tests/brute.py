"""A second implementation of the problem, straight from its definition: costs, and optima by enumeration.

It shares no code with the cost model. :func:`exact_costs` works on the document of an instance in
rational arithmetic; :func:`brute_force` on an :class:`~.instances.Instance` in floats, fast enough for
every test: a device's (N+1)^K decisions are costed at once, only the cheapest of each use of the
offload points is kept, and the devices are put together by dynamic programming over what is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from fractions import Fraction
from operator import add, le
from typing import Any, NamedTuple

import numpy as np
import pytest

from offloadlib.instances import LOCAL, Instance, Result, Solution

Document = dict[str, Any]


class ExactCost(NamedTuple):
    """Equations (1), (2) and (3) of one device."""

    delay: Fraction
    energy: Fraction
    cost: Fraction


def paths(size: int, edges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, ...]]:
    """Every path of a graph from a head to a tail."""
    heads = set(range(size)) - {k for _, k in edges}
    pending: list[tuple[int, ...]] = [(head,) for head in heads]
    while pending:
        path = pending.pop()
        following = [k for j, k in edges if j == path[-1]]
        if not following:
            yield path
        pending += [(*path, k) for k in following]


def exact_costs(document: Document, rows: Sequence[Sequence[int]]) -> list[ExactCost]:
    """The costs of decisions (a list of places for each device, -1: local), without rounding."""
    return [
        _exact_cost(document, device, places)
        for device, places in zip(document["devices"], rows, strict=True)
    ]


def _exact_cost(document: Document, device: Document, places: Sequence[int]) -> ExactCost:
    delay, energy = _delay_and_energy(document, device, places)
    a = Fraction(float(device["alpha"]))
    b = 1 - a
    if document["cost"]["normalise"] == "local":
        delay0, energy0 = _delay_and_energy(document, device, [LOCAL] * len(places))
        a, b = (weight and weight / base for weight, base in ((a, delay0), (b, energy0)))
    return ExactCost(delay, energy, a * delay + b * energy)


def _delay_and_energy(
    document: Document, device: Document, places: Sequence[int]
) -> tuple[Fraction, Fraction]:
    app = next(item for item in document["applications"] if item["id"] == device["application"])
    number = {name: k for k, name in enumerate(app["subtasks"])}
    edges = [(number[j], number[k]) for j, k in app["edges"]]
    points = document["offload_points"]
    point: Document = next((item for item in points if item["id"] == device["connected_to"]), {})
    edge_data = device.get("edge_data")
    if edge_data is None:
        edge_data = [device["output"][j] for j, _ in edges]

    def seconds(size: Fraction, key: str) -> Fraction:
        if not size:
            return size
        own = device.get(key)
        return size / Fraction(float(point[key] if own is None else own))

    delays, energy = [], Fraction(0)
    for k, place in enumerate(places):
        away = place != LOCAL
        sent, received = Fraction(0), Fraction(0)
        for size, (j, i) in zip(edge_data, edges, strict=True):
            if i == k and away and places[j] == LOCAL:
                sent += Fraction(float(size))
            if i == k and not away and places[j] != LOCAL:
                received += Fraction(float(size))
        if away and all(i != k for _, i in edges):
            sent += Fraction(float(device["input"][k]))
        if away and all(j != k for j, _ in edges):
            received += Fraction(float(device["output"][k]))
        speed = points[place]["cpu"] if away else device["cpu"]
        parts = {
            "execute": Fraction(float(device["work"][k])) / Fraction(float(speed)),
            "send": seconds(sent, "uplink"),
            "receive": seconds(received, "downlink"),
        }
        delays.append(sum(parts.values(), Fraction(0)))
        energy += sum(
            time * Fraction(float(device["power"][key]))
            for key, time in parts.items()
            if not (away and key == "execute")
        )
    return max(sum((delays[k] for k in path), Fraction(0)) for path in paths(len(places), edges)), energy


class Choice(NamedTuple):
    """A decision of one device, and what it uses of each offload point."""

    cost: float
    places: tuple[int, ...]
    use: tuple[int, ...]


def brute_force(instance: Instance) -> tuple[float, Solution]:
    """The optimum of a small instance.

    Parameters
    ----------
    instance
        With few enough offload points and subtasks that (N+1)^K decisions of a device fit in memory.

    Returns
    -------
    objective
        The least F, summed in floats.
    solution
        Decisions that cost as much.
    """
    # What is counted: subtasks at offload points and devices on radios, where the limit can bind.
    capacity, channels = instance.points.capacity.tolist(), instance.points.channels.tolist()
    counted = [n for n, limit in enumerate(capacity) if limit < instance.num_subtasks]
    radios = [n for n, limit in enumerate(channels) if limit < instance.num_devices]
    limits = [capacity[n] for n in counted] + [channels[n] for n in radios]
    menus = [_menu(instance, m, counted, radios) for m in range(instance.num_devices)]
    # At least the later devices' cheapest choices are still to come, and a greedy solution is at hand.
    to_come = [sum(menu[0].cost for menu in menus[m + 1 :]) for m in range(len(menus))]
    enough = _greedy(menus, limits) * (1 + 1e-9)
    best: dict[tuple[int, ...], tuple[float, Any]] = {(0,) * len(limits): (0.0, None)}
    for menu, least in zip(menus, to_come, strict=True):
        after: dict[tuple[int, ...], tuple[float, Any]] = {}
        for state, (before, trail) in best.items():
            for choice in menu:
                cost = before + choice.cost
                if cost + least > enough:
                    break
                total = _sum(state, choice.use)
                if _fits(total, limits) and (total not in after or cost < after[total][0]):
                    after[total] = cost, (choice.places, trail)
        best = after
    objective, trail = min(best.values(), key=lambda entry: entry[0])
    rows: list[tuple[int, ...]] = []
    while trail is not None:
        places, trail = trail
        rows.insert(0, places)
    return objective, Solution.from_rows(instance, rows)


def agree(result: Result, optimum: float, loss: float = 2e-9) -> None:
    """It is the optimum, with a bound that is none too high and misses it by no more than that."""
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert optimum - max(loss * optimum, 1e-9) <= result.lower_bound <= optimum * (1 + 1e-12)


def _greedy(menus: list[list[Choice]], limits: list[int]) -> float:
    """The cost of each device's cheapest choice in turn, given what is left."""
    used, cost = (0,) * len(limits), 0.0
    for menu in menus:
        choice = next(choice for choice in menu if _fits(_sum(used, choice.use), limits))
        used, cost = _sum(used, choice.use), cost + choice.cost
    return cost


def _sum(used: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(add, used, more))


def _fits(used: tuple[int, ...], limits: list[int]) -> bool:
    return all(map(le, used, limits))


def _menu(instance: Instance, m: int, counted: list[int], radios: list[int]) -> list[Choice]:
    """The cheapest decision of a device for each use of what is counted, by ascending cost."""
    group = next(group for group in instance.groups if m in group.members)
    row = int(np.flatnonzero(group.members == m)[0])
    radio = int(instance.devices.connected_to[m])
    anywhere = range(LOCAL, LOCAL + 1 if radio == LOCAL else instance.num_points)
    places = np.array(list(itertools.product(anywhere, repeat=group.application.size)))
    costs = _costs(instance, m, group, row, places)
    on_air = (places != LOCAL).any(axis=1)
    uses = np.array([(places == n).sum(axis=1) for n in counted] + [on_air & (n == radio) for n in radios])
    uses = uses.reshape(-1, len(places)).T.astype(int)
    order = np.argsort(costs, kind="stable")
    _, first = np.unique(uses[order], axis=0, return_index=True)
    return [
        Choice(float(costs[i]), tuple(places[i].tolist()), tuple(uses[i].tolist()))
        for i in order[np.sort(first)]
    ]


def _costs(instance: Instance, m: int, group: Any, row: int, places: Any) -> Any:
    """Equation (3) of many decisions of one device, (P, K) -> (P,)."""
    devices, edges = instance.devices, group.application.edges
    work, data = group.work[row], group.edge_data[row]
    away = places != LOCAL
    # Seconds of execution at each place; the last entry, which is place -1, is the device.
    speeds = np.append(instance.points.cpu, devices.cpu[m])
    execution = work / speeds[places]
    upload, download = np.zeros(places.shape), np.zeros(places.shape)
    for k in range(group.application.size):
        if not any(i == k for _, i in edges):
            upload[:, k] += away[:, k] * group.input[row, k]
        if not any(j == k for j, _ in edges):
            download[:, k] += away[:, k] * group.output[row, k]
    for s, (j, k) in zip(data, edges, strict=True):
        upload[:, k] += s * (away[:, k] > away[:, j])
        download[:, k] += s * (away[:, k] < away[:, j])
    if away.any():
        upload, download = upload / devices.uplink[m], download / devices.downlink[m]
    delays = execution + upload + download
    energies = (
        np.where(away, 0.0, execution) * devices.execute[m]
        + upload * devices.send[m]
        + download * devices.receive[m]
    )
    delay = np.max([delays[:, path].sum(axis=1) for path in paths(group.application.size, edges)], axis=0)
    energy = energies.sum(axis=1)
    a = float(devices.alpha[m])
    b = 1 - a
    if instance.normalise == "local":
        alone = int(np.flatnonzero(~away.any(axis=1))[0])
        a = a and a / float(delay[alone])
        b = b and b / float(energy[alone])
    return a * delay + b * energy
