"""The cost model with numbers of any arithmetic, double words or fractions: see :mod:`.instances.exact`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..exact import Arithmetic, Number, largest, sum_of
from .instance import Instance
from .model import LOCAL, Group, Places
from .sides import crossings, path
from .solution import Solution

CHUNK = 2**14
"""Subtasks at a time: their values stay in the cache."""


def numbers(instance: Instance, solution: Solution) -> Iterator[Floats]:
    """All numbers that costs are made of."""
    devices = instance.devices
    yield from (devices.cpu, devices.execute, devices.send, devices.receive, devices.alpha)
    yield from (np.nan_to_num(devices.uplink), np.nan_to_num(devices.downlink), instance.points.cpu)
    for group in instance.groups:
        yield from (group.work, group.input, group.output, group.edge_data)


def costs(instance: Instance, solution: Solution, arithmetic: Arithmetic) -> Iterator[Number]:
    """The costs of the devices, some at a time and in no particular order: their sum is F of equation (4)."""
    for group, places in zip(instance.groups, solution.places, strict=True):
        size = max(CHUNK // group.application.size, 1)
        for start in range(0, len(group), size):
            some = slice(start, start + size)
            yield _costs(instance, group, some, places[some], arithmetic)


def _costs(instance: Instance, group: Group, some: slice, places: Places, arithmetic: Arithmetic) -> Number:
    """Equation (3) of some devices of a group, with (G, K) places."""
    devices, members, application = instance.devices, group.members[some], group.application
    away = places != LOCAL
    cpu = devices.cpu[members]
    speed = np.where(away, instance.points.cpu[np.where(away, places, 0)], cpu[:, None])
    # Without a radio link nothing is ever sent: the rates do not matter.
    up, down = (
        arithmetic.of(np.nan_to_num(rate[members], nan=1.0)) for rate in (devices.uplink, devices.downlink)
    )
    work = group.work[some]
    seconds = arithmetic.of(work) / arithmetic.of(speed)
    sent, received = _sent(group, some, away, arithmetic)
    delays = []
    for k in range(application.size):
        delay = seconds[:, k]
        delay = delay if sent[k] is None else delay + sent[k] / up
        delays.append(delay if received[k] is None else delay + received[k] / down)
    delay = path(application, delays, largest)
    execute = arithmetic.of(devices.execute[members])
    energy = sum_of(arithmetic.of(np.where(away, 0.0, work)).columns) / arithmetic.of(cpu) * execute
    for parts, rate, power in ((sent, up, devices.send), (received, down, devices.receive)):
        known = [part for part in parts if part is not None]
        if known:
            energy = energy + sum_of(known) / rate * arithmetic.of(power[members])
    alpha = devices.alpha[members]
    delay_weight, energy_weight = arithmetic.of(alpha), arithmetic.complement(alpha)
    if instance.normalise == "local":
        all_work = arithmetic.of(work).columns
        longest = path(application, all_work, largest) / arithmetic.of(cpu)
        spent = sum_of(all_work) / arithmetic.of(cpu) * execute
        ones = arithmetic.of(np.ones_like(alpha))
        # Where a weight is 0 it stays 0, whatever the normaliser.
        delay_weight = delay_weight / longest.where(alpha > 0, ones)
        energy_weight = energy_weight / spent.where(alpha < 1, ones)
    return delay_weight * delay + energy_weight * energy


def _sent(
    group: Group, some: slice, away: NDArray[np.bool_], arithmetic: Arithmetic
) -> tuple[list[Number | None], list[Number | None]]:
    """Mbit that each subtask sends and receives, by radio; None where none of the devices does."""
    application = group.application
    sent: list[Number | None] = [None] * application.size
    received: list[Number | None] = [None] * application.size

    def add(to: list[Number | None], k: int, size: Floats, crosses: NDArray[np.bool_]) -> None:
        if crosses.any():
            more = arithmetic.of(np.where(crosses, size, 0.0))
            to[k] = more if to[k] is None else to[k] + more

    for k, data, number, is_sent, is_received in crossings(application, list(away.T)):
        size = getattr(group, data)[some, number]
        add(sent, k, size, is_sent)
        add(received, k, size, is_received)
    return sent, received
