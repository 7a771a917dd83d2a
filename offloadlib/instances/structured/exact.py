"""The cost model with numbers of any arithmetic, double words or fractions: see :mod:`.instances.exact`."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from ..exact import Arithmetic, Fractions, Number, largest, sum_of
from .instance import Instance
from .model import LOCAL, REFUSED, Group, Places
from .sides import crossings, path, side
from .solution import Solution

CHUNK = 2**14
"""Subtasks at a time: their values stay in the cache."""


def numbers(instance: Instance, solution: Solution) -> Iterator[Floats]:
    """All numbers that costs are made of."""
    devices, points = instance.devices, instance.points
    yield from (devices.cpu, devices.execute, devices.send, devices.receive, devices.alpha)
    yield from (np.nan_to_num(devices.uplink), np.nan_to_num(devices.downlink), points.cpu)
    for group in instance.groups:
        yield from (group.work, group.input, group.output, group.edge_data)
    if instance.version > 1:
        yield from (devices.latency_up, devices.latency_down, devices.weight)
        yield from (np.nan_to_num(devices.rejection), points.fee_subtask, points.fee_work)
        for group in instance.groups:
            yield from (np.nan_to_num(group.exceptions.execution), np.nan_to_num(group.exceptions.fee))


def costs(instance: Instance, solution: Solution, arithmetic: Arithmetic) -> Iterator[Number]:
    """The devices' parts of the objective, some at a time and in no particular order."""
    for group, places in zip(instance.groups, solution.places, strict=True):
        size = max(CHUNK // group.application.size, 1)
        for start in range(0, len(group), size):
            some = slice(start, start + size)
            yield _costs(instance, group, some, places[some], arithmetic)


def spent(instance: Instance, solution: Solution, devices: Ints) -> dict[int, tuple[Fraction, Fraction]]:
    """Exact delay and energy of some devices, as if none was refused."""
    found: dict[int, tuple[Fraction, Fraction]] = {}
    for group, places in zip(instance.groups, solution.places, strict=True):
        for row in np.flatnonzero(np.isin(group.members, devices)).tolist():
            found[int(group.members[row])] = spent_at(instance, group, row, places[row])
    return found


def spent_at(instance: Instance, group: Group, row: int, places: Places) -> tuple[Fraction, Fraction]:
    """Exact delay and energy of one device of a group at (K,) places, as if it was not refused."""
    delay, energy, _, _ = _parts(instance, group, slice(row, row + 1), places[None], Fractions)
    return delay.values[0], energy.values[0]


def _costs(instance: Instance, group: Group, some: slice, places: Places, arithmetic: Arithmetic) -> Number:
    """Equation (3) of some devices of a group, with (G, K) places; and what format 2 makes of it."""
    delay, energy, longest, all_spent = _parts(instance, group, some, places, arithmetic)
    alpha = instance.devices.alpha[group.members[some]]
    delay_weight, energy_weight = arithmetic.of(alpha), arithmetic.complement(alpha)
    if instance.normalise == "local":
        ones = arithmetic.of(np.ones_like(alpha))
        # Where a weight is 0 it stays 0, whatever the normaliser.
        delay_weight = delay_weight / longest.where(alpha > 0, ones)
        energy_weight = energy_weight / all_spent.where(alpha < 1, ones)
    cost = delay_weight * delay + energy_weight * energy
    if instance.version == 1:
        return cost
    members = group.members[some]
    for fee in _fees(instance, group, some, places, arithmetic):
        cost = cost + fee
    refused = places[:, 0] == REFUSED
    if refused.any():
        rejection = arithmetic.of(np.nan_to_num(instance.devices.rejection[members]))
        cost = rejection.where(refused, cost)
    return arithmetic.of(instance.devices.weight[members]) * cost


def _fees(
    instance: Instance, group: Group, some: slice, places: Places, arithmetic: Arithmetic
) -> Iterator[Number]:
    """What some devices pay for each subtask."""
    away, points, met = side(places), instance.points, group.exceptions.of(some)
    at = np.where(away, places, 0)
    fee, per_work = np.where(away, points.fee_subtask[at], 0.0), np.where(away, points.fee_work[at], 0.0)
    known = (places[met.row, met.subtask] == met.place) & ~np.isnan(met.fee)
    fee[met.row[known], met.subtask[known]] = met.fee[known]
    per_work[met.row[known], met.subtask[known]] = 0.0
    if fee.any():
        yield from arithmetic.of(fee).columns
    if per_work.any():
        yield from (arithmetic.of(per_work) * arithmetic.of(group.work[some])).columns


def _parts(
    instance: Instance, group: Group, some: slice, places: Places, arithmetic: Arithmetic
) -> tuple[Number, Number, Number, Number]:
    """Delay and energy of some devices of a group, and the same of their all-local decisions."""
    devices, members, application = instance.devices, group.members[some], group.application
    away = side(places)
    cpu = devices.cpu[members]
    work = group.work[some]
    home = _seconds(group, some, work, np.repeat(cpu[:, None], work.shape[1], axis=1), LOCAL)
    speed = np.where(away, instance.points.cpu[np.where(away, places, 0)], cpu[:, None])
    here = _seconds(group, some, work, speed, places)
    # Without a radio link nothing is ever sent: the rates do not matter.
    up, down = (
        arithmetic.of(np.nan_to_num(rate[members], nan=1.0)) for rate in (devices.uplink, devices.downlink)
    )
    seconds = arithmetic.of(here[0]) / arithmetic.of(here[1])
    sent, received = _sent(group, some, away, arithmetic)
    waits = _waits(instance, group, some, away, arithmetic)
    delays = []
    for k in range(application.size):
        delay = seconds[:, k]
        delay = delay if sent[k] is None else delay + sent[k] / up
        delay = delay if received[k] is None else delay + received[k] / down
        delays.append(delay if waits is None else delay + waits[:, k])
    delay = path(application, delays, largest)
    execute = arithmetic.of(devices.execute[members])
    if home[0] is work:
        energy = sum_of(arithmetic.of(np.where(away, 0.0, work)).columns) / arithmetic.of(cpu) * execute
        all_work = arithmetic.of(work).columns
        longest = path(application, all_work, largest) / arithmetic.of(cpu)
        all_spent = sum_of(all_work) / arithmetic.of(cpu) * execute
    else:
        at_home = arithmetic.of(home[0]) / arithmetic.of(home[1])
        energy = sum_of(at_home.where(~away, arithmetic.of(np.zeros(work.shape))).columns) * execute
        longest = path(application, at_home.columns, largest)
        all_spent = sum_of(at_home.columns) * execute
    for parts, rate, power in ((sent, up, devices.send), (received, down, devices.receive)):
        known = [part for part in parts if part is not None]
        if known:
            energy = energy + sum_of(known) / rate * arithmetic.of(power[members])
    return delay, energy, longest, all_spent


def _seconds(group: Group, some: slice, work: Floats, speed: Floats, places: Any) -> tuple[Floats, Floats]:
    """Numerators and denominators of execution times at places, or at one."""
    met = group.exceptions.of(some)
    chosen = np.broadcast_to(places, work.shape)[met.row, met.subtask]
    known = (chosen == met.place) & ~np.isnan(met.execution)
    if known.any():
        work, speed = work.copy(), speed.copy()
        work[met.row[known], met.subtask[known]] = met.execution[known]
        speed[met.row[known], met.subtask[known]] = 1.0
    return work, speed


def _waits(
    instance: Instance, group: Group, some: slice, away: NDArray[np.bool_], arithmetic: Arithmetic
) -> Number | None:
    """(G, K) latencies of the transfers that each subtask pays for; None where there are none."""
    devices, members = instance.devices, group.members[some]
    up, down = devices.latency_up[members], devices.latency_down[members]
    if not (up.any() or down.any()):
        return None
    sent, received = (np.zeros(away.shape) for _ in range(2))
    for k, _, _, is_sent, is_received in crossings(group.application, list(away.T)):
        sent[:, k] += is_sent
        received[:, k] += is_received
    return arithmetic.of(sent) * arithmetic.of(_wide(up, away)) + arithmetic.of(received) * arithmetic.of(
        _wide(down, away)
    )


def _wide(values: Floats, like: NDArray[np.bool_]) -> Floats:
    return np.repeat(values[:, None], like.shape[1], axis=1)


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
