"""Devices that no decision can serve even alone, and why: with the nearest miss.

A device is asked for its fastest decision, for that of least energy, and for that which takes least of each
limit. All of these are pricing problems (:mod:`.pricing`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Instance
from offloadlib.instances.structured.limits import HAIR, Limits, Rates, demands
from offloadlib.instances.structured.model import LOCAL, SUBTASKS
from offloadlib.instances.structured.options import options
from offloadlib.instances.structured.subset import subset

from ..decomposition.chunks import never
from .pricing import Asked, Priced, price


def nearest_misses(instance: Instance, late: Callable[[], bool] = never, threads: int = 1) -> dict[int, str]:
    """The devices that must be served and cannot be, even alone, each with what :func:`nearest_miss` says.

    Raises
    ------
    OutOfTime
        If it is late before all devices have been looked at.
    """
    must = np.isnan(instance.devices.rejection)
    if instance.version == 1 or not must.any():
        return {}
    # A decision that takes little of everything is hardly ever too large, so that few devices are left.
    capped, right = _capped(instance), Limits(instance).right
    prices = np.divide(1.0, right, out=np.zeros(len(right)), where=np.isfinite(right) & (right > 0))
    asked = Asked(Limits(capped).rates(prices), np.zeros(capped.num_devices))
    answer = price(capped, asked, late=late, threads=threads)
    doubtful = np.flatnonzero(must & (np.isinf(answer.found) | _too_large(capped, answer)))
    told = ((m, nearest_miss(instance, m)) for m in doubtful.tolist())
    return {m: reason for m, reason in told if reason is not None}


def nearest_miss(instance: Instance, device: int) -> str | None:
    """Why a device cannot be served even alone, or None if it can be, or may be refused.

    It has its connection, its allowed places, its deadline and its energy budget, and each limit taken by
    itself, to keep; the reason begins with its place in the file.
    """
    if not np.isnan(instance.devices.rejection[device]):
        return None
    alone = subset(instance, np.array([device]))
    return next((f"devices[{device}]: {reason}" for reason in _reasons(alone)), None)


def _capped(instance: Instance) -> Instance:
    """The instance with no deadline and no budget beyond a cap on the total."""
    devices, totals = instance.devices, instance.totals
    deadline = np.minimum(devices.deadline, totals.delay)
    budget = np.minimum(devices.energy_budget, totals.energy)
    return replace(instance, devices=replace(devices, deadline=deadline, energy_budget=budget))


def _too_large(instance: Instance, answer: Priced) -> NDArray[np.bool_]:
    """(M,) the decisions that are beyond a limit on capacities, resources, or what points share."""
    large = np.zeros(instance.num_devices, dtype=np.bool_)
    limits = Limits(instance).demanded
    for group, places in zip(instance.groups, answer.solution.places, strict=True):
        taken = np.zeros((1 + len(instance.resources), len(group), instance.num_points + 1))
        rows = np.broadcast_to(np.arange(len(group))[:, None], places.shape)
        for of, demand in zip(taken, demands(group, places), strict=True):
            np.add.at(of, (rows, np.maximum(places, LOCAL)), demand)
        for limit in limits:
            large[group.members] |= taken[limit.resource][:, limit.points].sum(axis=1) > limit.capacity
    return large


# One device ---------------------------------------------------------------------------------------


def _reasons(alone: Instance) -> Iterator[str]:
    """What is wrong with the only device of an instance."""
    devices, totals = alone.devices, alone.totals
    deadline, budget = float(devices.deadline[0]), float(devices.energy_budget[0])
    yield from _homeless(alone)
    yield from _late(alone, "its deadline", deadline)
    yield from _hungry(alone, "its energy budget", budget)
    yield from _late(alone, "the cap on the total delay", totals.delay)
    yield from _hungry(alone, "the cap on the total energy", totals.energy)
    yield from _late_or_hungry(alone, min(deadline, totals.delay), min(budget, totals.energy))
    yield from _greedy(_capped(alone))


def _least(alone: Instance, rates: Rates, deadline: float = math.inf, budget: float = math.inf) -> float:
    """What a decision that keeps deadline and budget comes to at least."""
    devices = replace(alone.devices, deadline=np.array([deadline]), energy_budget=np.array([budget]))
    return float(price(replace(alone, devices=devices), Asked(rates, np.zeros(1))).value[0])


def _nearest(alone: Instance, rates: Rates, budget: float = math.inf) -> float:
    """What a decision within the budget comes to, the least that was found; a bound if there is none."""
    devices = replace(alone.devices, deadline=np.array([math.inf]), energy_budget=np.array([budget]))
    answer = price(replace(alone, devices=devices), Asked(rates, np.zeros(1)))
    return float(answer.found[0] if answer.found[0] < math.inf else answer.value[0])


def _rates(alone: Instance, delay: float = 0.0, energy: float = 0.0) -> Rates:
    places = np.zeros((1 + len(alone.resources), alone.num_points))
    return Rates(places, np.zeros(alone.num_points), delay, energy)


def _late(alone: Instance, what: str, deadline: float) -> Iterator[str]:
    if deadline < math.inf and _least(alone, _rates(alone), deadline) == math.inf:
        most, fastest = _apart(deadline, _nearest(alone, _rates(alone, delay=1.0)))
        yield f"no decision meets {what} of {most} s; the fastest takes {fastest} s"


def _hungry(alone: Instance, what: str, budget: float) -> Iterator[str]:
    if budget < math.inf and _least(alone, _rates(alone), budget=budget) == math.inf:
        most, least = _apart(budget, _nearest(alone, _rates(alone, energy=1.0)))
        yield f"no decision keeps {what} of {most} mJ; the least takes {least} mJ"


def _late_or_hungry(alone: Instance, deadline: float, budget: float) -> Iterator[str]:
    if max(deadline, budget) < math.inf and _least(alone, _rates(alone), deadline, budget) == math.inf:
        most, fastest = _apart(deadline, _nearest(alone, _rates(alone, delay=1.0), budget))
        limits = f"{most} s and {budget:g} mJ"
        yield f"no decision keeps both its limits of {limits}; the fastest of that energy takes {fastest} s"


def _apart(limit: float, value: float) -> tuple[str, str]:
    """A limit and a value above it, with as many digits as it takes to see that."""
    for digits in range(6, 18):
        most = f"{limit:.{digits}g}"
        for text in (f"{value:.{digits}g}" for digits in range(3, 18)):
            if float(text) > max(limit, float(most)):
                return most, text
    return f"{limit:.17g}", f"{value:.17g}"


def _homeless(alone: Instance) -> Iterator[str]:
    """Subtasks that may run nowhere."""
    allowed = options(alone, 0).allowed[0]
    group, points = alone.groups[0], alone.points
    connected = int(alone.devices.connected_to[0])
    for k in np.flatnonzero(~allowed.any(axis=1)).tolist():
        subtask = f"its subtask {group.application.subtasks[k]!r}"
        listed = np.ones(alone.num_points + 1, dtype=np.bool_)
        for row in np.flatnonzero(group.allowed.subtask == k).tolist():
            listed = group.allowed.places[row]
        if not listed.any():
            yield f"{subtask} is allowed nowhere"
        elif connected == LOCAL:
            yield f"{subtask} is not allowed on the device, which has no connection"
        elif points.channels[connected] == 0:
            radio = f"the radio of {points.ids[connected]!r}"
            yield f"{subtask} is not allowed on the device, and {radio} has no channels"
        else:
            yield f"{subtask} {_nearest_room(alone, k, np.flatnonzero(listed[:-1]).tolist())}"


class _Room(NamedTuple):
    """A limit on what subtasks take of a resource (0: subtasks themselves) at some points."""

    resource: int
    points: list[int]
    most: float
    text: str


def _rooms(alone: Instance) -> Iterator[_Room]:
    """All of them."""
    what, limits = (SUBTASKS, *alone.resources), Limits(alone)
    for limit in limits.demanded:
        part, name, *_ = limits.names[limit.entry]
        where = f"under the limit {name!r}" if part == "limits" else f"at {name!r}"
        text = f"of {what[limit.resource]!r} {where}"
        yield _Room(limit.resource, limit.points.tolist(), limit.capacity, text)


def _nearest_room(alone: Instance, subtask: int, allowed: list[int]) -> str:
    """What a subtask takes where that is least beyond what there is, of the points where it is allowed."""
    demand = options(alone, 0).demand[:, 0, subtask].tolist()
    misses = [
        max(
            (demand[room.resource][n] - room.most, demand[room.resource][n], room)
            for room in _rooms(alone)
            if n in room.points
        )
        for n in allowed
    ]
    _, takes, room = min(misses)
    there, least = _apart(room.most, takes)
    return f"takes {least} {room.text}, where there is {there}"


def _greedy(capped: Instance) -> Iterator[str]:
    """Limits of which every decision takes too much."""
    table = options(capped, 0)
    most = np.where(table.allowed, table.demand, 0.0)[:, 0, :, :-1]
    devices = capped.devices
    for room in _rooms(capped):
        if most[room.resource][:, room.points].max(axis=1).sum() <= room.most:
            continue
        rates = _rates(capped)
        rates.places[room.resource, room.points] = 1.0
        takes = _least(capped, rates, float(devices.deadline[0]), float(devices.energy_budget[0]))
        if room.most * (1.0 + HAIR) < takes < math.inf:
            there, least = _apart(room.most, takes)
            yield f"each decision takes at least {least} {room.text}, where there is {there}"
