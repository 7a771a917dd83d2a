"""Devices that come, move and leave over offload points that stay: one instance for each time slot.

The model is this project's own; Kuang et al. (2020) name a dynamic scenario as future work and say no more.

- The offload points stay where they are, with their speeds and room.
- Devices arrive (a Poisson number in each slot), stay for a random number of slots (geometric), and walk to
  random places of the area in straight lines at a speed of their own (random waypoint).
- In each slot a device that is there has a task with some probability, with new work and data. It ends within
  the slot: the room at the points is there anew.
- A device is connected to the nearest point in reach; its rates follow from the distance (:mod:`.radio`).

So nothing links the slots but what :mod:`.policies` makes of it: a subtask that runs elsewhere than in the
slot before *moves*, which costs something, or a budget over all slots (:func:`horizon`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.draws import Range, uniform
from offloadlib.instances.files.archive import Columns
from offloadlib.instances.structured import graphs
from offloadlib.instances.structured.form import header_and_columns, validated, versioned
from offloadlib.instances.structured.generate import (
    Environment,
    assemble,
    draw_devices,
    draw_points,
    radio_network,
)

Rows = Mapping[str, Sequence[int]]
"""Places of the subtasks of devices, by the devices' ids."""


@dataclass(frozen=True, kw_only=True)
class Moving:
    """What :func:`slots_of` makes.

    Parameters
    ----------
    environment
        Of every slot; its ``area`` is the side of the square where devices walk.
    sites
        (N, 2) positions of the offload points in metres; where there are none, ``points`` of them are drawn
        uniformly.
    points
        How many are drawn.
    devices, stay
        Devices that are there on average, and slots that one of them stays on average.
    busy
        Probability that a device has a task in a slot.
    slots, seconds
        How many slots, and how long one is.
    speed
        Of a device in m/s.
    application, work, data
        As those of a generated instance: graph, workload in MI, and input and output in Mbit.
    """

    environment: Environment = field(default_factory=lambda: Environment(capacity=8, area=600.0, reach=300.0))
    sites: tuple[tuple[float, float], ...] = ()
    points: int = 6
    devices: int = 20
    stay: float = 6.0
    busy: float = 0.8
    slots: int = 10
    seconds: float = 30.0
    speed: Range = (0.5, 6.0)
    application: str = "face"
    work: Range = (1.0, 3.0)
    data: Range = (5.0, 25.0)


def slots_of(moving: Moving, seed: int) -> list[Instance]:
    """An instance for each slot in which any device has a task; a device has one id in all of them."""
    (for_points, for_speeds, for_links, for_arrivals, for_walks, for_tasks, for_graph) = (
        np.random.default_rng(seed).spawn(7)
    )
    side = float(moving.environment.area or 0.0)
    positions = (
        np.array(moving.sites) if moving.sites else uniform(for_points, (0.0, side), (moving.points, 2))
    )
    application = graphs.maker(moving.application)(for_graph)
    present = _arrived(moving, for_arrivals, 0, round(moving.devices))
    found, seen = [], len(present)
    for slot in range(moving.slots):
        if slot:
            present = [_walked(one, moving.seconds, side, for_walks) for one in present if one.slots > 1]
            arrived = _arrived(
                moving, for_arrivals, seen, int(for_arrivals.poisson(moving.devices / moving.stay))
            )
            seen += len(arrived)
            present += arrived
        busy = [one for one in present if for_tasks.random() < moving.busy]
        if not busy:
            continue
        columns: Columns = {key: np.array([one.own[key] for one in busy]) for key in busy[0].own}
        columns |= {"id": [one.id for one in busy], "application": np.zeros(len(busy), np.int64)}
        shape = len(busy), application.size
        for key, given in (("work", moving.work), ("input", moving.data), ("output", moving.data)):
            columns[f"{key}.0"] = uniform(for_tasks, given, shape)
        network = radio_network(
            moving.environment,
            tuple(f"op{n + 1}" for n in range(len(positions))),
            positions.round(2),
            np.array([one.position for one in busy]).round(2),
            columns["power.send"],
            for_links,
        )
        found.append(
            assemble(
                name=f"slot-{slot + 1}",
                description=None,
                source={"generator": "offloadlib moving", "seed": seed, "slot": slot + 1},
                environment=moving.environment,
                points=draw_points(moving.environment, network, deepcopy(for_speeds)),  # always the same
                network=network,
                applications=[application],
                columns=columns,
                rng=for_tasks,
            )
        )
    return found


@dataclass(frozen=True)
class _Device:
    """Somebody who is there for some more slots and walks to a goal."""

    id: str
    own: Mapping[str, float]
    position: Floats
    goal: Floats
    speed: float
    slots: int


def _arrived(moving: Moving, rng: np.random.Generator, seen: int, count: int) -> list[_Device]:
    side = (0.0, float(moving.environment.area or 0.0))
    own = draw_devices(moving.environment, count, rng)
    return [
        _Device(
            id=f"ud{seen + m + 1}",
            own={key: float(values[m]) for key, values in own.items()},
            position=uniform(rng, side, 2),
            goal=uniform(rng, side, 2),
            speed=float(uniform(rng, moving.speed, 1)[0]),
            slots=int(rng.geometric(1.0 / moving.stay)),
        )
        for m in range(count)
    ]


def _walked(one: _Device, seconds: float, side: float, rng: np.random.Generator) -> _Device:
    """Where a device is after some seconds; at its goal it chooses another one."""
    position, goal, left = one.position, one.goal, seconds * one.speed
    while left > 0:
        way = goal - position
        length = float(np.hypot(*way))
        if length > left:
            position = position + way * (left / length)
            break
        position, left, goal = goal, left - length, uniform(rng, (0.0, side), 2)
    return replace(one, position=position, goal=goal, slots=one.slots - 1)


# What links the slots -----------------------------------------------------------------------------


def rows_of(instance: Instance, solution: Solution) -> dict[str, list[int]]:
    """The places of all devices, by their ids."""
    return dict(zip(instance.devices.ids, solution.rows(instance), strict=True))


def moves(before: Rows, now: Rows) -> int:
    """How many subtasks run elsewhere than in the slot before, of devices that are in both."""
    return sum(
        a != b for name in now.keys() & before.keys() for a, b in zip(before[name], now[name], strict=True)
    )


def sticky(instance: Instance, before: Rows, fee: float) -> Instance:
    """The slot with a fee for each subtask that runs elsewhere than in the slot before.

    Its objective is the cost of the slot and the fee of all :func:`moves`.
    """
    if fee == 0.0 or not before.keys() & set(instance.devices.ids):
        return instance
    header, columns = header_and_columns(instance)
    places: list[tuple[int, str | None]] = [(LOCAL, None), *enumerate(instance.points.ids)]
    (application,) = instance.applications
    columns["at.0"] = [
        [
            {"subtask": subtask, "point": point, "fee": fee}
            for subtask, last in zip(application.subtasks, before[name], strict=True)
            for n, point in places
            if n != last
        ]
        if name in before
        else None
        for name in instance.devices.ids
    ]
    return validated(versioned(header, columns), columns, instance.name)


def with_energy(instance: Instance, energy: float) -> Instance:
    """The instance with a cap on the energy of all devices together, in mJ."""
    header, columns = header_and_columns(instance)
    header["totals"] = {"energy": energy}
    header["version"] = 2
    return validated(header, columns, instance.name)


def for_energy_alone(instance: Instance) -> Instance:
    """The instance where nothing but energy counts, in mJ."""
    header, columns = header_and_columns(instance)
    header["cost"] = {"normalise": "none"}
    columns["alpha"] = np.zeros(instance.num_devices)
    return validated(header, columns, instance.name)


def horizon(slots: Sequence[Instance], energy: float) -> Instance:
    """All slots as one instance, with a budget of energy for all of them together.

    Each slot has offload points and devices of its own, and its devices may use its points alone. So its
    solutions are those of the slots by themselves, but for the budget: it is what somebody could do who knew
    everything from the beginning.
    """
    header, columns = header_and_columns(slots[0])
    (application,) = slots[0].applications
    points: list[dict[str, Any]] = []
    parts: list[Columns] = []
    allowed: list[dict[str, list[str | None]]] = []
    for t, slot in enumerate(slots):
        own, part = header_and_columns(slot)
        names = [f"s{t + 1}-{point['id']}" for point in own["offload_points"]]
        connected: Ints = np.asarray(part["connected_to"])
        part["connected_to"] = np.where(connected == LOCAL, LOCAL, connected + len(points))
        part["id"] = [f"s{t + 1}-{name}" for name in part["id"]]
        points += [{**point, "id": name} for point, name in zip(own["offload_points"], names, strict=True)]
        places: list[str | None] = [None, *names]
        allowed += [dict.fromkeys(application.subtasks, places)] * len(connected)
        parts.append(part)
    for key in columns:
        values = [part[key] for part in parts]
        as_list = isinstance(values[0], list)
        columns[key] = list(chain.from_iterable(values)) if as_list else np.concatenate(values)
    columns["allowed.0"] = allowed
    header |= {"offload_points": points, "totals": {"energy": energy}, "name": "horizon", "version": 2}
    return validated(header, columns, "horizon")


def energy_of(instance: Instance, solution: Solution) -> float:
    """What all devices together need, in mJ."""
    return math.fsum(instance.evaluate(solution).energy.tolist())
