r"""Greedy decisions, subtask by subtask: GSOD by layers and with a heap, and HEFT's list.

Each subtask in turn takes the place of least cost among those that it may run at and that all limits leave
room for; at a tie it stays local, then goes to the point listed first. A device of which a subtask finds no
place gives everything back: its decision is left to :mod:`.attempts`.

Who goes first, by the *key* of a subtask, the greatest first:

=================  ====================================  =====================================
objective          strategy I                            strategy II
=================  ====================================  =====================================
sum                gain of offloading, weighted          workload over data, times the weight
max                weighted cost of its device           the same, times that ratio
=================  ====================================  =====================================

A subtask that may not run on its device goes before all others. The cost of a device is that with all
undecided subtasks local, so that ``max`` attacks the largest cost at that moment.

HEFT's ranks are those of :mod:`..heft`, with means over the places at which a subtask may run; the ranks of a
device with a large weighted cost are large, so there is no other rule for ``max``.
"""

from __future__ import annotations

import numpy as np
from numba import types

from offloadlib.instances import LOCAL, Budget, Instance, Result
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, readable, subroutine, writable
from offloadlib.instances.loops import order_of, sift_down
from offloadlib.instances.run import Watch
from offloadlib.instances.structured.flat import both_sides, positions

from .attempts import attempted
from .choices import (
    CHOICES,
    STATE,
    UNDECIDED,
    Choices,
    Menu,
    State,
    cancel,
    fits,
    may_transmit,
    place,
    settle,
    weigh,
)

_READ, _INTS, _WRITE = readable("float64"), readable("int64"), writable("float64")


def by_layers(instance: Instance, budget: Budget, by_ratio: bool) -> Result:
    """GSOD by layers (:mod:`..gsod`), strategy I or II."""

    def build(menu: Menu, choices: Choices, state: State, devices: Ints, _: Watch) -> None:
        ratio = ratios(menu) if by_ratio else np.empty(0)
        begin(choices, state, devices)
        for depth in range(int(menu.sizes.max())):
            active = devices[menu.sizes[devices] > depth]
            keys = np.empty(len(active))
            rank(choices, state, active, depth, ratio, instance.by_largest, keys)
            order = active[np.argsort(-keys, kind="stable")]
            assign(choices, state, choices.start[order] + depth, order, np.empty(0))
        end(choices, state, devices)

    return attempted(instance, budget, build)


def by_heap(instance: Instance, budget: Budget, by_ratio: bool) -> Result:
    """GSOD with a heap (:mod:`..gsod_heap`), strategy I or II."""

    def build(menu: Menu, choices: Choices, state: State, devices: Ints, _: Watch) -> None:
        begin(choices, state, devices)
        greatest_first(
            choices, state, devices, ratios(menu) if by_ratio else np.empty(0), instance.by_largest
        )
        end(choices, state, devices)

    return attempted(instance, budget, build)


def by_rank(instance: Instance, budget: Budget) -> Result:
    """HEFT (:mod:`..heft`)."""

    def build(menu: Menu, choices: Choices, state: State, devices: Ints, _: Watch) -> None:
        begin(choices, state, devices)
        ranks = np.empty(instance.num_subtasks)
        upward_ranks(choices, ranks)
        owner = np.repeat(np.arange(instance.num_devices), menu.sizes)
        order = np.argsort(-ranks, kind="stable")
        order = order[np.isin(owner[order], devices)]
        assign(choices, state, order, owner[order], np.zeros(instance.num_subtasks))
        end(choices, state, devices)

    return attempted(instance, budget, build)


def ratios(menu: Menu) -> Floats:
    """(P,) w/(d^i + d^o) times the device's weight, infinite without data."""
    instance, found = menu.instance, np.empty(menu.instance.num_subtasks)
    for group in instance.groups:
        data, weight = group.input + group.output, instance.devices.weight[group.members][:, None]
        ratio = np.divide(group.work, data, out=np.full(data.shape, np.inf), where=data > 0)
        if not instance.by_largest:  # which counts weighted costs
            ratio = np.multiply(ratio, weight, out=np.zeros(data.shape), where=weight > 0)
        found[positions(menu.choices.start, group)] = ratio
    return found


# One subtask --------------------------------------------------------------------------------------


@subroutine
def best_places(
    choices: Choices, state: State, m: int, p: int, offset: float
) -> tuple[float, float, int, float, float]:
    """What subtask p of device m adds on its device and away from it.

    Parameters
    ----------
    offset
        When it can begin less when the device is finished so far, in s: what it does before that adds no
        delay; 0: all of its delay counts.

    Returns
    -------
    home, away
        The costs, infinite where it may not run there or finds no room.
    point
        The place away that adds least.
    home_delay, away_delay
        Seconds it takes.
    """
    first = choices.start[m]
    row = state.places[first : choices.start[m + 1]]
    a, b = choices.delay_weight[m], choices.energy_weight[m]
    delay, energy, away_delay, away_energy = both_sides(choices, p, first, row)
    home, away, point, taken = np.inf, np.inf, -1, 0.0
    if choices.allowed[p, LOCAL]:
        home = a * max(offset + delay, 0.0) + b * energy + choices.fee[p, LOCAL]
    if may_transmit(choices, state, m):
        for n in range(choices.order.shape[1]):
            if choices.allowed[p, n] and fits(choices, state.left, p, n):
                seconds = away_delay + choices.seconds[p, n]
                cost = a * max(offset + seconds, 0.0) + b * away_energy + choices.fee[p, n]
                if point < 0 or cost < away:
                    away, point, taken = cost, n, seconds
    return home, away, point, delay, taken


@subroutine
def key(choices: Choices, state: State, m: int, p: int, ratio: Floats, by_largest: bool) -> float:
    """Of subtask p of device m; ``ratio`` (P,) is empty for strategy I."""
    if not choices.allowed[p, LOCAL]:
        return np.inf
    if by_largest:
        cost, _, _ = weigh(choices, m, state.places[choices.start[m] : choices.start[m + 1]])
        if len(ratio) == 0:
            return cost
        return 0.0 if cost == 0.0 else ratio[p] * cost
    if len(ratio) > 0:
        return float(ratio[p])
    home, away, _, _, _ = best_places(choices, state, m, p, 0.0)
    return home - away


# All subtasks -------------------------------------------------------------------------------------


@kernel(types.void(CHOICES, STATE, _INTS), needed=of_format_2)
def begin(choices: Choices, state: State, devices: Ints) -> None:
    """Devices that are undecided are local for now."""
    for m in devices:
        for p in range(choices.start[m], choices.start[m + 1]):
            state.places[p] = LOCAL


@kernel(types.void(CHOICES, STATE, _INTS), needed=of_format_2)
def end(choices: Choices, state: State, devices: Ints) -> None:
    """What these devices cost."""
    for m in devices:
        if state.places[choices.start[m]] != UNDECIDED:
            settle(choices, state, m)


@kernel(types.void(CHOICES, STATE, _INTS, types.int64, _READ, types.boolean, _WRITE), needed=of_format_2)
def rank(
    choices: Choices,
    state: State,
    devices: Ints,
    depth: int,
    ratio: Floats,
    by_largest: bool,
    keys: Floats,
) -> None:
    """The keys (D,) of these devices' subtasks in a layer."""
    for i in range(len(devices)):
        m = devices[i]
        keys[i] = -np.inf
        if state.places[choices.start[m]] != UNDECIDED:
            keys[i] = key(choices, state, m, choices.start[m] + depth, ratio, by_largest)


@kernel(types.void(CHOICES, STATE, _INTS, _INTS, _WRITE), needed=of_format_2)
def assign(choices: Choices, state: State, subtasks: Ints, devices: Ints, finish: Floats) -> None:
    """Let subtasks (D,) of devices (D,) take their places, in an order that keeps precedence.

    Parameters
    ----------
    finish
        (P,) zeros, for what a subtask adds to the path through its device's task to count; or empty, for all
        of its delay to do so.
    """
    by_path = len(finish) > 0
    longest = np.zeros(len(choices.radio))
    for i in range(len(subtasks)):
        p, m, begun, offset = subtasks[i], devices[i], 0.0, 0.0
        if state.places[choices.start[m]] == UNDECIDED:
            continue
        if by_path:
            for arc in range(choices.into[p], choices.into[p + 1]):
                begun = max(begun, finish[choices.before[arc]])
            offset = begun - longest[m]
        home, away, point, delay, away_delay = best_places(choices, state, m, p, offset)
        if point >= 0 and (away < home or not choices.allowed[p, LOCAL]):
            place(choices, state, m, p, point)
            delay = away_delay
        elif not choices.allowed[p, LOCAL]:
            cancel(choices, state, m)
        if by_path:
            finish[p] = begun + delay
            longest[m] = max(longest[m], finish[p])


@kernel(types.void(CHOICES, STATE, _INTS, _READ, types.boolean), needed=of_format_2)
def greatest_first(choices: Choices, state: State, devices: Ints, ratio: Floats, by_largest: bool) -> None:
    """Let devices' next subtasks take their places, the one whose key is greatest at that moment first."""
    following, keys = choices.start[:-1].copy(), np.empty(len(choices.radio))
    size, less = len(devices), np.empty(len(devices))
    for i in range(size):
        m = devices[i]
        keys[m] = key(choices, state, m, following[m], ratio, by_largest)
        less[i] = -keys[m]
    order = order_of(less, 0, size)
    heap = np.empty(size, dtype=np.int64)
    for i in range(size):
        heap[i] = devices[order[i]]  # sorted, it is a heap
    while size > 0:
        m = heap[0]
        p = following[m]
        now = key(choices, state, m, p, ratio, by_largest)
        if now < keys[m]:  # less room is left than when it was worked out
            keys[m] = now
            sift_down(heap, size, keys)
            continue
        home, away, point, _, _ = best_places(choices, state, m, p, 0.0)
        over = False
        if point >= 0 and (away < home or not choices.allowed[p, LOCAL]):
            place(choices, state, m, p, point)
        elif not choices.allowed[p, LOCAL]:
            cancel(choices, state, m)
            over = True
        following[m] = p + 1
        if over or p + 1 == choices.start[m + 1]:
            size -= 1
            heap[0] = heap[size]
        else:
            keys[m] = key(choices, state, m, p + 1, ratio, by_largest)
        sift_down(heap, size, keys)


@kernel(types.void(CHOICES, _WRITE), needed=of_format_2)
def upward_ranks(choices: Choices, ranks: Floats) -> None:
    """The ranks (P,) of all subtasks."""
    for p in range(len(ranks)):
        ranks[p] = 0.0
    for m in range(len(choices.radio)):
        a, b = choices.delay_weight[m], choices.energy_weight[m]
        for p in range(choices.start[m + 1] - 1, choices.start[m] - 1, -1):
            # So far ranks[p] is what comes after p.
            total, count = 0.0, 0
            if choices.allowed[p, LOCAL]:
                total += a * choices.local_delay[p] + b * choices.local_energy[p] + choices.fee[p, LOCAL]
                count += 1
            radio = a * choices.radio_delay[p] + b * choices.radio_energy[p]
            for n in range(choices.order.shape[1]):
                if choices.allowed[p, n]:
                    total += radio + a * choices.seconds[p, n] + choices.fee[p, n]
                    count += 1
            # A fee below 0 must not put a subtask behind what comes after it.
            ranks[p] += max(total / max(count, 1), 0.0)
            for arc in range(choices.into[p], choices.into[p + 1]):
                up = a * choices.up_delay[arc] + b * choices.up_energy[arc]
                down = a * choices.down_delay[arc] + b * choices.down_energy[arc]
                j = choices.before[arc]
                ranks[j] = max(ranks[j], 0.5 * (up + down) + ranks[p])
