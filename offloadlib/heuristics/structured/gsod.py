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

What else the paper can be taken to say is in :class:`Reading`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_1,
    of_format_2,
    read_only,
    readable,
    writable,
)
from offloadlib.instances.structured import sides
from offloadlib.instances.structured.inlined import ROOM, at_point, may_offload
from offloadlib.instances.structured.limits import Room, everything
from offloadlib.instances.structured.model import Application, Places
from offloadlib.instances.structured.sides import Terms

from .limited import greedy


@dataclass(frozen=True)
class Reading:
    """Other readings of the paper, on instances of version 1.

    Parameters
    ----------
    by_structure
        Layer k holds the subtasks that a longest path of k subtasks leads to (4.3.2, "according to its
        structure"), instead of the k-th of each device.
    connected_first
        Another offload point is taken only where the connected one is full (3.1).
    """

    by_structure: bool = False
    connected_first: bool = False

    def layers(self, application: Application) -> list[list[int]]:
        """The subtasks of each layer."""
        if not self.by_structure:
            return [[k] for k in application.order]
        depth: dict[int, int] = {}
        for k in application.order:
            depth[k] = max((depth[j] + 1 for _, j in application.incoming[k]), default=0)
        return [[k for k in depth if depth[k] == level] for level in range(max(depth.values()) + 1)]


PAPER = Reading()


class Layer(NamedTuple):
    """Subtasks of the devices that still have one: L entries, in file order of the devices.

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


Rank = Callable[[Layer, Floats | float, NDArray[np.bool_]], Floats]
"""(layer, greatest speed that is free, may offload) -> (L,) value to sort by, smallest first."""


def _by_difference(layer: Layer, speed: Floats | float, allowed: NDArray[np.bool_]) -> Floats:
    there, more = sides.at_point(layer.work, speed)
    least = layer.radio + there + more
    return np.where(allowed, least - layer.local, np.inf)


def _by_ratio(layer: Layer, speed: Floats | float, allowed: NDArray[np.bool_]) -> Floats:
    return -layer.ratio


def _fastest(cpu: Floats, left: Ints, point: Ints, reading: Reading) -> Floats | float:
    """The greatest speed that is free, for all or for each of (L,) devices connected to these points."""
    free = cpu[left > 0]
    most = float(free.max()) if len(free) else 1.0  # no matter which: nothing can be offloaded
    if not reading.connected_first:
        return most
    speed: Floats = np.where((point != LOCAL) & (left[point] > 0), cpu[point], most)
    return speed


_READ, _READ_INT = readable("float64"), readable("int64")


@kernel(
    types.void(
        *(_READ_INT, named(Layer, _READ_INT, *[_READ] * 4), _READ, _READ_INT, types.boolean, ROOM),
        *(writable("boolean"), writable("int32")),
    ),
    needed=of_format_1,
)
def _assign(
    order: Ints,
    layer: Layer,
    cpu: Floats,
    connected_to: Ints,
    connected_first: bool,
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
        tied = connected_first and left[point] > 0
        for n in range(len(cpu)):
            if left[n] > 0 and (n == point or not tied):
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


def _solve(instance: Instance, rank: Rank, reading: Reading) -> Result:
    begun = time.perf_counter()
    cpu, connected_to = instance.points.cpu, instance.devices.connected_to
    room = everything(instance)
    on_air = np.zeros(instance.num_devices, dtype=np.bool_)
    places = Solution.all_local(instance).places
    places = tuple(array.copy() for array in places)
    layers = [reading.layers(group.application) for group in instance.groups]
    for depth in range(max(map(len, layers))):
        active = [
            (term, array, k)
            for term, array, own in zip(instance.terms, places, layers, strict=True)
            if depth < len(own)
            for k in own[depth]
        ]
        layer, merged = _merged([layer_part(*entry) for entry in active])
        point = connected_to[layer.devices]
        allowed = (point != LOCAL) & (on_air[layer.devices] | (room.air[point] > 0)) & room.left.any()
        order = np.argsort(rank(layer, _fastest(cpu, room.left, point, reading), allowed), kind="stable")
        chosen = np.full(len(order), LOCAL, dtype=np.int32)
        _assign(order, layer, cpu, connected_to, reading.connected_first, room, on_air, chosen)
        scattered = np.empty_like(chosen)
        scattered[merged] = chosen
        start = 0
        for term, array, k in active:
            array[:, k] = scattered[start : start + len(term.group)]
            start += len(term.group)
    return Result.of(instance, Solution(places), time.perf_counter() - begun)


def solve_difference(instance: Instance, budget: Budget, parameters: Reading = PAPER) -> Result:
    """GSOD-I: the largest difference between local and offloading cost goes first."""
    if of_format_2(instance):
        return greedy.by_layers(instance, budget, by_ratio=False)
    return _solve(instance, _by_difference, parameters)


def solve_ratio(instance: Instance, budget: Budget, parameters: Reading = PAPER) -> Result:
    """GSOD-II: the largest ratio of workload to data goes first."""
    if of_format_2(instance):
        return greedy.by_layers(instance, budget, by_ratio=True)
    return _solve(instance, _by_ratio, parameters)
