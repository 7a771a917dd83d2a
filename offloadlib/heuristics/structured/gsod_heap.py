"""GSOD with a heap instead of layers (Kuang et al. 2020, section 4.3.4).

A heap holds every device that has a radio link, under the key of its next subtask, the next one in
topological order (the order of the layers of :mod:`.gsod`). The greatest key comes first:

- strategy I: the local cost of the subtask less its least cost over the free places, given its
  predecessors' decisions;
- strategy II: its workload over its own data, w/(d^i + d^o), infinite without data.

The subtask takes the place of least cost, as in a layer (at a tie local, then the offload point listed
first), and its device comes back into the heap under the key of its next subtask: *re-keyed as its
subtask completes*. So a device may run ahead of the others as long as its subtasks gain most.

*Keys of the present.* Where a point fills up or a channel is taken, keys of strategy I that are in the heap
become too great, never too small, since free places only become fewer. So the key of the device at the
top is computed anew, and if it has fallen below the next one's, the device goes back under it: each
subtask is decided when its gain is greatest at that moment. At a tie the device first in the file goes first.

A device that needs a channel and finds none has the key minus infinity; it stays local. Where all points
are full, all that is left in the heap stays local.

With K subtasks a device this costs O(M K (N + log M)) and, for strategy I, the keys that fell: at most one
for each device, subtask and point that filled up.
"""

from __future__ import annotations

import time

import numpy as np
from numba import types

from offloadlib.instances import LOCAL, Budget, Instance, Result
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    inlined,
    kernel,
    of_format_1,
    of_format_2,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.loops import order_of, sift_down
from offloadlib.instances.structured.flat import (
    FLAT_TASKS,
    FlatTasks,
    both_sides,
    cheapest_place,
    flat_tasks,
    positions,
    solution_of,
    subtask_starts,
)
from offloadlib.instances.structured.inlined import ROOM, at_point, may_offload
from offloadlib.instances.structured.limits import Room, everything

from .limited import greedy


def solve_difference(instance: Instance, budget: Budget) -> Result:
    """GSOD-I with a heap: the largest difference between local and offloading cost goes first."""
    if of_format_2(instance):
        return greedy.by_heap(instance, budget, by_ratio=False)
    return _solve(instance, np.empty(0))


def solve_ratio(instance: Instance, budget: Budget) -> Result:
    """GSOD-II with a heap: the largest ratio of workload to data goes first."""
    if of_format_2(instance):
        return greedy.by_heap(instance, budget, by_ratio=True)
    ratio = np.empty(instance.num_subtasks)
    start = subtask_starts(instance)
    for group in instance.groups:
        data = group.input + group.output
        ratio[positions(start, group)] = np.divide(
            group.work, data, out=np.full(data.shape, np.inf), where=data > 0
        )
    return _solve(instance, ratio)


def _solve(instance: Instance, ratio: Floats) -> Result:
    begun = time.perf_counter()
    places = np.full(instance.num_subtasks, LOCAL, dtype=np.int64)
    decide(flat_tasks(instance), instance.points.cpu, everything(instance), ratio, places)
    return Result.of(instance, solution_of(instance, places), time.perf_counter() - begun)


@inlined
def difference(tasks: FlatTasks, p: int, first: int, row: Ints, cpu: Floats, fastest: int) -> float:
    """Strategy I's key of subtask p: its local cost less that at the fastest free point."""
    delay, energy, away_delay, away_energy = both_sides(tasks, p, first, row)
    there, more = at_point(tasks.work[p], cpu[fastest])
    gain: float = (delay + energy) - (away_delay + there + (away_energy + more))
    return gain


@subroutine
def fastest_free(cpu: Floats, left: Ints) -> int:
    """The fastest point with room, the first listed of equals; -1 if none has room."""
    found = -1
    for n in range(len(cpu)):
        if left[n] > 0 and (found < 0 or cpu[n] > cpu[found]):
            found = n
    return found


@kernel(
    types.void(FLAT_TASKS, readable("float64"), ROOM, readable("float64"), writable("int64")),
    needed=of_format_1,
)
def decide(tasks: FlatTasks, cpu: Floats, room: Room, ratio: Floats, places: Ints) -> None:
    """Decide for all subtasks.

    Parameters
    ----------
    room
        Updated.
    ratio
        (P,) the keys of strategy II; empty for strategy I.
    places
        (P,) all local; the decisions.
    """
    (left, air), by_ratio = room, len(ratio) > 0
    fastest = fastest_free(cpu, left)
    if fastest < 0:
        return
    following, end = tasks.start[:-1].copy(), tasks.start[1:]
    on_air = np.zeros(len(following), dtype=np.bool_)
    heap = np.flatnonzero(tasks.radio >= 0)
    size, key = len(heap), np.empty(len(following))
    for m in heap:
        p = following[m]
        key[m] = ratio[p] if by_ratio else difference(tasks, p, p, places[p : end[m]], cpu, fastest)
    less = np.empty(size)
    for i in range(size):
        less[i] = -key[heap[i]]
    heap = heap[order_of(less, 0, size)]  # sorted, it is a heap
    while size > 0 and fastest >= 0:
        m = heap[0]
        p, first, point = following[m], tasks.start[m], tasks.radio[m]
        row = places[first : end[m]]
        if not may_offload(point, air[point], on_air[m]):  # for good: no channel is ever given back
            size -= 1
            heap[0] = heap[size]
            sift_down(heap, size, key)
            continue
        if not by_ratio:
            now = difference(tasks, p, first, row, cpu, fastest)
            if now < key[m]:
                key[m] = now
                sift_down(heap, size, key)
                continue
        chosen = cheapest_place(tasks, p, first, row, cpu, left)
        if chosen >= 0:
            places[p] = chosen
            left[chosen] -= 1
            if not on_air[m]:
                on_air[m] = True
                air[point] -= 1
            if left[chosen] == 0:
                fastest = fastest_free(cpu, left)
        p += 1
        following[m] = p
        if p == end[m]:
            size -= 1
            heap[0] = heap[size]
        elif by_ratio:
            key[m] = ratio[p]
        elif fastest >= 0:
            key[m] = difference(tasks, p, first, row, cpu, fastest)
        sift_down(heap, size, key)
