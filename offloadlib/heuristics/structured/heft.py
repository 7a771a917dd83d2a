r"""HEFT's list scheduling, adapted to this cost: a control that is not from the paper.

Topcuoglu, Hariri and Wu (2002) rank subtasks by the longest way from them to the end, at mean costs, and
give each in turn the processor on which it is finished earliest. Here, with all costs weighted as in
equation (3), the *upward rank* of a subtask is

.. math:: r_k = \bar w_k + \max_{l: (k,l)} (\bar t_{kl} + r_l), \qquad
   \bar w_k = \frac{1}{1 + N'} \Big( f_k(0) + \sum_{n} f_k(n) \Big)

where f_k is the cost of the subtask alone at a place, delay and energy together, with the input of a head
and the output of a tail but without arcs; the sum is over the N' points with capacity; and
:math:`\bar t_{kl}` is the mean of the costs of sending and of receiving the arc's data.

The subtasks of all devices that have a radio link go by rank, the greatest first (at a tie in file order,
and within a device in topological order). Each takes the place that adds least to the cost of what is
decided of its device: the heaviest path so far may grow, by the part of the subtask that sticks out, and
the energy does grow. That is where it differs from GSOD, which charges the whole delay of a subtask: beside
a longer branch, slow and thrifty places cost nothing here. A tie stays local, then goes to the point
listed first. Points that are full, and all of them for a device without a channel, are left out.
"""

from __future__ import annotations

import time

import numpy as np
from numba import types

from offloadlib.instances import LOCAL, Budget, Instance, Result
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_1, of_format_2, readable, writable
from offloadlib.instances.structured.flat import FLAT_TASKS, FlatTasks, both_sides, flat_tasks, solution_of
from offloadlib.instances.structured.inlined import ROOM, at_point, may_offload
from offloadlib.instances.structured.limits import Room, everything

from .limited import greedy


def solve(instance: Instance, budget: Budget) -> Result:
    """List scheduling by upward rank, each subtask where it adds least to the cost."""
    if of_format_2(instance):
        return greedy.by_rank(instance, budget)
    begun = time.perf_counter()
    tasks, points = flat_tasks(instance), instance.points
    places = np.full(instance.num_subtasks, LOCAL, dtype=np.int64)
    slowness = np.append(0.0, 1.0 / points.cpu[points.capacity > 0])
    rank = np.empty(instance.num_subtasks)
    upward_ranks(tasks, slowness.sum(), len(slowness), rank)
    order = np.argsort(-rank, kind="stable")
    schedule(tasks, order, points.cpu, everything(instance), places)
    return Result.of(instance, solution_of(instance, places), time.perf_counter() - begun)


@kernel(types.void(FLAT_TASKS, types.float64, types.int64, writable("float64")), needed=of_format_1)
def upward_ranks(tasks: FlatTasks, slowness: float, choices: int, rank: Floats) -> None:
    """The ranks (P,).

    Parameters
    ----------
    slowness
        Sum of 1/c_n over the points with capacity.
    choices
        How many they are, and one for local.
    """
    rank[:] = 0.0
    for p in range(len(rank) - 1, -1, -1):
        # So far rank[p] is what comes after p.
        radio = (choices - 1) * (tasks.radio_delay[p] + tasks.radio_energy[p])
        local = tasks.local_delay[p] + tasks.local_energy[p]
        rank[p] += (local + radio + slowness * tasks.work[p]) / choices
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            up = tasks.up_delay[arc] + tasks.up_energy[arc]
            down = tasks.down_delay[arc] + tasks.down_energy[arc]
            j = tasks.before[arc]
            rank[j] = max(rank[j], 0.5 * (up + down) + rank[p])


@kernel(
    types.void(FLAT_TASKS, readable("int64"), readable("float64"), ROOM, writable("int64")),
    needed=of_format_1,
)
def schedule(tasks: FlatTasks, order: Ints, cpu: Floats, room: Room, places: Ints) -> None:
    """Place the subtasks in an order that keeps precedence.

    Parameters
    ----------
    order
        (P,) the subtasks.
    room
        Updated.
    places
        (P,) all local; the decisions.
    """
    devices, (left, air) = len(tasks.radio), room
    owner = np.empty(len(places), dtype=np.int64)
    for m in range(devices):
        owner[tasks.start[m] : tasks.start[m + 1]] = m
    finish, longest = np.zeros(len(places)), np.zeros(devices)
    on_air = np.zeros(devices, dtype=np.bool_)
    for p in order:
        m = owner[p]
        first, point = tasks.start[m], tasks.radio[m]
        row = places[first : tasks.start[m + 1]]
        begun = 0.0
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            begun = max(begun, finish[tasks.before[arc]])
        delay, energy, away_delay, away_energy = both_sides(tasks, p, first, row)
        chosen, end = LOCAL, begun + delay
        least = max(end - longest[m], 0.0) + energy
        if may_offload(point, air[point], on_air[m]):
            for n in range(len(cpu)):
                if left[n] > 0:
                    seconds, more = at_point(tasks.work[p], cpu[n])
                    there = begun + away_delay + seconds
                    added = max(there - longest[m], 0.0) + away_energy + more
                    if added < least:
                        least, chosen, end = added, n, there
        finish[p], longest[m] = end, max(longest[m], end)
        if chosen >= 0:
            places[p] = chosen
            left[chosen] -= 1
            if not on_air[m]:
                on_air[m] = True
                air[point] -= 1
