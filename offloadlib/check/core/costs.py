"""What decisions take and cost, in exact fractions: equations (1) to (3), and what version 2 adds.

A subtask is executed where it is; data that goes from the device away is sent, data that comes back is
received, and the subtask at which an arc ends takes the time of that; the input of a head comes from the
device, the output of a tail goes to it. The delay is the heaviest path through the task.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from .forms import insist
from .reading import LOCAL, SUBTASKS, Application, Device, Entry, Instance

Pair = tuple[Fraction, Fraction]  # s and mJ
ZERO = Fraction(0)
MOST = 10**6  # places of subtasks: there may be no memory for more


class Parts(NamedTuple):
    """What the parts of a device's task take.

    `at` is by subtask and place (execution, and what a head sends or a tail receives), `up` and `down` by
    arc: its data sent, and received. A second costs `second`, a mJ `millijoule`, as in equation (3).
    """

    at: list[dict[int, Pair]]
    up: list[Pair]
    down: list[Pair]
    second: Fraction
    millijoule: Fraction


def heaviest_path(application: Application, weights: Sequence[Fraction]) -> Fraction:
    """Return the weight of the heaviest path."""
    finish = list(weights)
    for k in application.order:
        finish[k] += max((finish[application.edges[a][0]] for a in application.into[k]), default=ZERO)
    return max(finish)


def parts_of(instance: Instance, device: Device, points: Collection[int]) -> Parts:
    """Return what the parts of a device's task take locally and at some offload points."""
    application, count = device.application, len(device.work)
    insist(count * len(points) <= MOST, device.id, "has too many places for its subtasks")

    def executed(k: int, n: int) -> Fraction:
        seconds = device.at.get((k, n), Entry()).execution
        cpu = device.cpu if n == LOCAL else instance.points[n].cpu
        return Fraction(device.work[k]) / Fraction(cpu) if seconds is None else Fraction(seconds)

    def moved(size: float, way: str, rate: float | None, power: str) -> Pair:
        seconds = Fraction(size) / Fraction(rate or 1.0)
        return seconds + Fraction(device.latency.get(way, 0.0)), seconds * Fraction(device.power[power])

    sent = partial(moved, way="up", rate=device.uplink, power="send")
    received = partial(moved, way="down", rate=device.downlink, power="receive")
    at: list[dict[int, Pair]] = []
    for k in range(count):
        ends = [sent(device.input[k])] * (not application.into[k])
        ends += [received(device.output[k])] * (not application.out[k])
        seconds, energy = sum((s for s, _ in ends), ZERO), sum((e for _, e in ends), ZERO)
        local = executed(k, LOCAL)
        at.append({LOCAL: (local, local * Fraction(device.power["execute"]))})
        for n in points if device.connected_to is not None else ():
            at[k][n] = executed(k, n) + seconds, energy
    second = Fraction(device.alpha)
    millijoule = 1 - second
    if instance.normalise == "local":  # where a weight is 0 it stays 0
        delay = heaviest_path(application, [places[LOCAL][0] for places in at])
        energy = sum((places[LOCAL][1] for places in at), ZERO)
        second, millijoule = second and second / delay, millijoule and millijoule / energy
    up, down = [sent(size) for size in device.edge_data], [received(size) for size in device.edge_data]
    return Parts(at, up, down, second, millijoule)


def spent(device: Device, parts: Parts, places: Sequence[int]) -> Pair:
    """Return delay and energy, equations (1) and (2), at the places of the subtasks."""
    delays = [parts.at[k][n][0] for k, n in enumerate(places)]
    energy = sum((parts.at[k][n][1] for k, n in enumerate(places)), ZERO)
    for (j, k), up, down in zip(device.application.edges, parts.up, parts.down, strict=True):
        if (places[j] == LOCAL) != (places[k] == LOCAL):
            seconds, more = up if places[j] == LOCAL else down
            delays[k] += seconds
            energy += more
    return heaviest_path(device.application, delays), energy


def fee(instance: Instance, device: Device, k: int, n: int) -> Fraction:
    """Return what a subtask pays at a place."""
    special = device.at.get((k, n), Entry()).fee
    if special is not None or n == LOCAL:
        return Fraction(special or 0.0)
    point = instance.points[n]
    own, of_work = Fraction(point.fee.get("subtask", 0.0)), Fraction(point.fee.get("work", 0.0))
    return own + of_work * Fraction(device.work[k])


def demand(device: Device, k: int, n: int, resource: str) -> Fraction:
    """Return how much of a resource a subtask demands at an offload point."""
    if resource == SUBTASKS:
        return Fraction(1)
    entry = device.at.get((k, n))
    if entry is not None and resource in entry.demand:
        return Fraction(entry.demand[resource])
    return Fraction(device.demand[resource][k]) if resource in device.demand else ZERO


def cost(instance: Instance, device: Device, parts: Parts, places: Sequence[int] | None) -> Fraction:
    """Return the cost of a device, equation (3) with fees and its weight; None: it is refused."""
    if places is None:
        return Fraction(device.weight) * Fraction(device.rejection or 0.0)
    delay, energy = spent(device, parts, places)
    fees = sum((fee(instance, device, k, n) for k, n in enumerate(places)), ZERO)
    return Fraction(device.weight) * (parts.second * delay + parts.millijoule * energy + fees)
