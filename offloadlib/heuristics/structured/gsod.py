"""GSOD: greedy structured offloading by layers (Kuang et al. 2020, section 4.3, Algorithm 3).

Layer k holds the k-th subtask, in topological order, of every device. Each layer is sorted once:

- strategy I: by the difference between the local cost of the subtask and its least cost over the
  places that are free when the layer starts, largest first;
- strategy II: by its workload over its own data, w/(d^i + d^o), largest first.

Then each subtask in turn takes the place of least cost a g_k + b e_k (equation (7)'s local cost, with
the weights of equation (3)) among its own device and the places still free; a tie stays local, then
goes to the offload point listed first. The cost of subtask k depends on its predecessors' decisions,
which earlier layers made. Ties in the sort keep the file order.

Channels: a device that has not offloaded yet needs a free channel of its offload point, and keeps it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, read_only, readable, writable
from offloadlib.instances.structured import sides
from offloadlib.instances.structured.inlined import ROOM, at_point, may_offload
from offloadlib.instances.structured.limits import Room, everything
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.sides import Terms

from .limited import greedy
from .limited.choices import of_format_2


class Layer(NamedTuple):
    """One subtask of each device that still has one: L entries, in file order of the devices.

    Attributes
    ----------
    devices
        (L,) the devices.
    local
        (L,) cost of local execution, given the predecessors' decisions.
    radio
        (L,) what offloading costs whatever the place: the cost of its transfers.
    work
        (L,) a_m w: divided by a point's speed, the cost of execution there.
    ratio
        (L,) w/(d^i + d^o), infinite without data.
    """

    devices: Ints
    local: Floats
    radio: Floats
    work: Floats
    ratio: Floats


def layer_part(term: Terms, places: Places, k: int) -> Layer:
    """Subtask k of a group's devices, given the decisions for its predecessors."""
    group = term.group
    send, receive = term.head_up[:, k].copy(), np.zeros(len(group))
    for arc, j in group.application.incoming[k]:
        before = sides.side(places[:, j])
        receive += np.where(sides.crosses(before, False)[1], term.arc_down[:, arc], 0.0)
        send += np.where(sides.crosses(before, True)[0], term.arc_up[:, arc], 0.0)
    back = term.tail_down[:, k]
    a, b = term.delay_weight, term.energy_weight
    data = group.input[:, k] + group.output[:, k]
    work = group.work[:, k]
    return Layer(
        devices=group.members,
        local=a * (term.local[:, k] + receive)
        + b * (term.local[:, k] * term.execute + receive * term.receive),
        radio=a * (send + back) + b * (send * term.send + back * term.receive),
        work=a * work,
        ratio=np.divide(work, data, out=np.full(len(work), np.inf), where=data > 0),
    )


def _merged(parts: list[Layer]) -> tuple[Layer, NDArray[np.intp]]:
    """The parts of all groups as one layer in file order, and the permutation that made it."""
    devices = np.concatenate([part.devices for part in parts])
    order = np.argsort(devices, kind="stable")

    merged = (np.concatenate(arrays)[order] for arrays in zip(*parts, strict=True))
    return Layer(*map(read_only, merged)), order


Rank = Callable[[Layer, Floats, Ints, NDArray[np.bool_]], Floats]
"""(layer, cpu, capacity left, may offload) -> (L,) value to sort by, smallest first."""


def _by_difference(layer: Layer, cpu: Floats, capacity: Ints, allowed: NDArray[np.bool_]) -> Floats:
    free = np.flatnonzero(capacity > 0)
    if len(free) == 0:
        return np.zeros(len(layer.devices))
    there, more = sides.at_point(layer.work, cpu[free].max())
    least = layer.radio + there + more
    return np.where(allowed, least - layer.local, np.inf)


def _by_ratio(layer: Layer, cpu: Floats, capacity: Ints, allowed: NDArray[np.bool_]) -> Floats:
    return -layer.ratio


_READ, _READ_INT = readable("float64"), readable("int64")


@kernel(
    types.void(
        *(_READ_INT, named(Layer, _READ_INT, *[_READ] * 4), _READ, _READ_INT, ROOM),
        *(writable("boolean"), writable("int32")),
    )
)
def _assign(
    order: Ints,
    layer: Layer,
    cpu: Floats,
    connected_to: Ints,
    room: Room,
    on_air: NDArray[np.bool_],
    chosen: Places,
) -> None:
    """Lines 4 to 21 of Algorithm 3 for one layer; room and on_air are updated."""
    (devices, local, radio, work, _), (left, air) = layer, room
    for i in order:
        m = devices[i]
        point = connected_to[m]
        if not may_offload(point, air[point], on_air[m]):
            continue
        least = local[i]
        for n in range(len(cpu)):
            if left[n] > 0:
                there, more = at_point(work[i], cpu[n])
                cost = radio[i] + there + more
                if cost < least:
                    least = cost
                    chosen[i] = n
        if chosen[i] >= 0:
            left[chosen[i]] -= 1
            if not on_air[m]:
                on_air[m] = True
                air[point] -= 1


def _solve(instance: Instance, rank: Rank) -> Result:
    begun = time.perf_counter()
    cpu, connected_to = instance.points.cpu, instance.devices.connected_to
    room = everything(instance)
    on_air = np.zeros(instance.num_devices, dtype=np.bool_)
    places = Solution.all_local(instance).places
    places = tuple(array.copy() for array in places)
    for depth in range(max(group.application.size for group in instance.groups)):
        active = [
            (term, array, term.group.application.order[depth])
            for term, array in zip(instance.terms, places, strict=True)
            if depth < term.group.application.size
        ]
        layer, merged = _merged([layer_part(*entry) for entry in active])
        point = connected_to[layer.devices]
        allowed = (point != LOCAL) & (on_air[layer.devices] | (room.air[point] > 0))
        order = np.argsort(rank(layer, cpu, room.left, allowed), kind="stable")
        chosen = np.full(len(order), LOCAL, dtype=np.int32)
        _assign(order, layer, cpu, connected_to, room, on_air, chosen)
        scattered = np.empty_like(chosen)
        scattered[merged] = chosen
        start = 0
        for term, array, k in active:
            array[:, k] = scattered[start : start + len(term.group)]
            start += len(term.group)
    return Result.of(instance, Solution(places), time.perf_counter() - begun)


def solve_difference(instance: Instance, budget: Budget) -> Result:
    """GSOD-I: the largest difference between local and offloading cost goes first."""
    if of_format_2(instance):
        return greedy.by_layers(instance, budget, by_ratio=False)
    return _solve(instance, _by_difference)


def solve_ratio(instance: Instance, budget: Budget) -> Result:
    """GSOD-II: the largest ratio of workload to data goes first."""
    if of_format_2(instance):
        return greedy.by_layers(instance, budget, by_ratio=True)
    return _solve(instance, _by_ratio)
