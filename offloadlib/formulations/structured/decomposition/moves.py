r"""Moves of single subtasks between places, and chains of them through many devices.

At prices v the *loss* of a decision is its cost + prices above the device's least. The cost of a feasible
solution exceeds the Lagrangian bound by exactly

.. math::

   \sum_m loss_m + \sum_i v_i (r_i - used_i)

so what a good solution needs is decisions of little loss that together use what is priced. A move
takes one subtask of a device from place i to place j. Moves are the arcs of a small network whose
nodes are the offload points and *local*; :func:`chains` sends what is too many at some points along
shortest paths to where there is room, one move of a device for each arc, and then improves along
negative cycles. A free slot is an arc to local that costs nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from offloadlib.instances import LOCAL
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_1,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.loops import SMALLEST
from offloadlib.instances.structured.inlined import GROUP_SIDES, along, at_point, side
from offloadlib.instances.structured.model import Places

from .chunks import chunks, in_threads
from .limits import PricedLimits
from .tables import GRAPH, OFFERS, READ, READ_INT, Offers, graph, sides

LARGEST_LIST = 2_000_000
"""Moves after which a scan ends."""

LOOKED_AT, LISTED = 2000, 500_000
"""Devices, and possible moves, between two looks at the clock."""

NO_GAIN = 1e-13
"""A way that is shorter by so little, relatively to the greatest loss, is as long: its sum may have lost as
much."""

WIDER = 64.0
"""Moves to and from local may lose so many times as much: there are fewer of them."""


class Moves(NamedTuple):
    """Moves of one subtask each: (device, subtask, new place, loss)."""

    device: Ints
    subtask: Ints
    place: Ints
    loss: Floats

    @classmethod
    def room(cls, size: int) -> Moves:
        """For so many moves."""
        device, subtask, place = np.empty((3, size), dtype=np.int64)
        return cls(device, subtask, place, np.empty(size))

    def first(self, count: int) -> Moves:
        """So many of them."""
        device, subtask, place = (part[:count].copy() for part in (self.device, self.subtask, self.place))
        return Moves(device, subtask, place, self.loss[:count].copy())


_MOVES = named(Moves, writable("int64"), writable("int64"), writable("int64"), writable("float64"))


class _Devices(NamedTuple):
    """A group's devices: numbers, points of the radio links, and limits on their channels; -1: none."""

    members: Ints
    connected: Ints
    radio: Ints


_DEVICES = named(_Devices, READ_INT, READ_INT, READ_INT)


@subroutine
def _cost(sides, graph, cpu, m, chosen, finish):  # type: ignore[no-untyped-def]
    """Equation (3) of one device: weighted delay and weighted energy."""
    longest, spent = 0.0, 0.0
    for k in graph.order:
        here, begun = side(chosen[k]), 0.0
        delay, energy = sides.local_delay[m, k], sides.local_energy[m, k]
        if here:
            delay, energy = at_point(sides.work[m, k], cpu[chosen[k]])
            delay += sides.radio_delay[m, k]
            energy += sides.radio_energy[m, k]
        for e in range(graph.into_start[k], graph.into_start[k + 1]):
            arc, j = graph.into[e, 0], graph.into[e, 1]
            begun = max(begun, finish[j])
            transfer, more = along(sides, (m, arc), side(chosen[j]), here)
            delay += transfer
            energy += more
        finish[k] = begun + delay
        longest = max(longest, finish[k])
        spent += energy
    return longest, spent


@kernel(
    types.int64(
        *(GROUP_SIDES, GRAPH, OFFERS, _DEVICES, readable("int32", 2), types.float64, _MOVES),
    ),
    needed=of_format_1,
)
def _scan(sides, graph, points, devices, table, most, found):  # type: ignore[no-untyped-def]
    """List moves of devices of a group that lose at most so much; returns how many."""
    cpu, prices, usable = points.cpu, points.price, points.menu
    size, count = len(graph.order), 0
    finish = np.empty(size)
    chosen = np.empty(size, np.int64)
    fastest, slowest, cheapest = -1, -1, np.inf
    for n in usable:
        cheapest = min(cheapest, prices[n])
        if fastest < 0 or cpu[n] > cpu[fastest]:
            fastest = n
        if slowest < 0 or cpu[n] < cpu[slowest]:
            slowest = n
    if fastest < 0:
        return count
    for m in range(len(devices.members)):
        if devices.connected[m] < 0:
            continue
        away = 0
        for k in range(size):
            chosen[k] = table[devices.members[m], k]
            away += 1 if chosen[k] >= 0 else 0
        if away == 0 and devices.radio[m] >= 0:
            continue  # this would need a channel
        delay, energy = _cost(sides, graph, cpu, m, chosen, finish)
        before = delay + energy
        for k in range(size):
            here, work = chosen[k], sides.work[m, k]
            paid = prices[here] if here >= 0 else 0.0
            if here >= 0:
                chosen[k] = -1
                delay, energy = _cost(sides, graph, cpu, m, chosen, finish)
                lost = delay + energy - before - paid
                if lost <= WIDER * most:
                    count = _list(found, count, devices.members[m], k, -1, lost)
            # With seconds t away the delay is max(L, C + t): its values at the fastest and the slowest
            # point give it at the others.
            largest = most if here >= 0 else WIDER * most
            chosen[k] = fastest
            least, energy = _cost(sides, graph, cpu, m, chosen, finish)
            if least + energy - before + cheapest - paid <= largest:
                chosen[k] = slowest
                delay, energy = _cost(sides, graph, cpu, m, chosen, finish)
                there, dear = at_point(work, cpu[slowest])
                delay, energy = delay - there, energy - dear
                for n in usable:
                    there, dear = at_point(work, cpu[n])
                    lost = max(least, delay + there) + (energy + dear) - before + prices[n] - paid
                    if n != here and lost <= largest:
                        count = _list(found, count, devices.members[m], k, n, lost)
            chosen[k] = here
    return count


@subroutine
def _list(found, count, device, subtask, place, loss):  # type: ignore[no-untyped-def]
    found.device[count], found.subtask[count] = device, subtask
    found.place[count], found.loss[count] = place, loss
    return count + 1


class Scanner:
    """Looks for moves; where a scan ended before all devices were looked at, the next one goes on there.

    Attributes
    ----------
    truncated
        Whether the last scan ended so.
    """

    def __init__(self, limits: PricedLimits) -> None:
        self._limits = limits
        self.truncated = False
        self._parts: list[tuple[int, slice]] = []
        instance = limits.instance
        self._usable = np.flatnonzero(instance.points.capacity > 0)
        for g, group in enumerate(instance.groups):
            most = max(1, min(LOOKED_AT, LISTED // self._possible(g)))
            self._parts += [(g, part) for part in chunks(len(group), most)]

    def _possible(self, g: int) -> int:
        """Moves of one device of a group."""
        size: int = self._limits.instance.groups[g].work.shape[1]
        return size * (len(self._usable) + 1)

    def scan(self, table: Places, vector: Floats, most: float) -> Moves:
        """Moves from some decisions that lose at most so much (:data:`WIDER`) at some prices."""
        instance = self._limits.instance
        prices = vector[: instance.num_points]
        points = Offers(*map(read_only, (instance.points.cpu, prices, self._usable)))

        def moves(part: tuple[int, slice]) -> Moves:
            g, some = part
            group = instance.groups[g]
            members = group.members[some]
            links = (members, instance.devices.connected_to[members], self._limits.radio[members])
            room = Moves.room(len(members) * self._possible(g))
            costs, devices = sides(instance.terms[g], some), _Devices(*map(read_only, links))
            count = _scan(costs, graph(group.application), points, devices, table, most, room)
            return room.first(count)

        few = self._limits.instance.num_devices <= LOOKED_AT
        limits = self._limits
        found: list[Moves] = []
        count = 0
        for moved in (
            map(moves, self._parts) if few else in_threads(moves, self._parts, limits.late, limits.threads)
        ):
            found.append(moved)
            count += len(moved.loss)
            if count >= LARGEST_LIST:
                break
        self.truncated = len(found) < len(self._parts)
        self._parts = self._parts[len(found) :] + self._parts[: len(found)]
        device, subtask, place, loss = map(np.concatenate, zip(*found, strict=True))
        return Moves(device, subtask, place, loss)


@subroutine
def _back(before, end, begin, path):  # type: ignore[no-untyped-def]
    """Follow a path back from its end to where it begins; how many nodes there are, both ends counted."""
    path[0], node, length = end, before[end], 1
    while node != begin and length < len(before):
        path[length] = node
        length += 1
        node = before[node]
    path[length] = begin
    return length + 1


@kernel(
    types.Tuple((types.int64, types.boolean))(
        *(READ_INT, _MOVES, READ, writable("int64"), writable("int32", 2), types.int64)
    ),
    needed=of_format_1,
)
def _chains(start, moves, prices, excess, table, most):  # type: ignore[no-untyped-def]
    device, loss = moves.device, moves.loss
    points = len(prices) - 1  # node ``points`` is local, at no price
    nodes = points + 1
    moved = np.zeros(len(table), np.bool_)
    head = start[:-1].copy()
    cost = np.empty((nodes, nodes))
    distance, before = np.empty(nodes), np.empty(nodes, np.int64)
    path, taken = np.empty(nodes + 2, np.int64), np.empty(nodes + 2, np.int64)
    stuck, free = np.zeros(nodes, np.bool_), np.zeros(nodes, np.bool_)
    pushed = 0
    unit = SMALLEST
    for lost in loss:
        unit = max(unit, abs(lost))
    unit *= NO_GAIN
    while pushed < most:
        for i in range(nodes):
            for j in range(nodes):
                at, end = head[i * nodes + j], start[i * nodes + j + 1]
                while at < end and moved[device[at]]:
                    at += 1
                head[i * nodes + j] = at
                cost[i, j] = loss[at] - prices[j] + prices[i] if at < end else np.inf
        for i in range(points):
            free[i] = excess[i] < 0 and cost[i, points] > 0.0
            if free[i]:
                cost[i, points] = 0.0
        # Negative cycles first: Bellman and Ford from everywhere.
        distance[:] = 0.0
        before[:] = -1
        last = -1
        for _ in range(nodes + 1):
            last = -1
            for i in range(nodes):
                for j in range(nodes):
                    if distance[i] + cost[i, j] < distance[j] - unit:
                        distance[j] = distance[i] + cost[i, j]
                        before[j] = i
                        last = j
            if last < 0:
                break
        if last >= 0:
            for _ in range(nodes):
                last = before[last]
            length = _back(before, last, last, path)
        else:
            source = -1
            for i in range(points):
                if excess[i] > 0 and not stuck[i]:
                    source = i
                    break
            if source < 0:
                break
            distance[:] = np.inf
            before[:] = -1
            distance[source] = 0.0
            for _ in range(nodes):
                changed = False
                for i in range(nodes):
                    for j in range(nodes):
                        if distance[i] + cost[i, j] < distance[j] - unit:
                            distance[j] = distance[i] + cost[i, j]
                            before[j] = i
                            changed = True
                if not changed:
                    break
            if distance[points] == np.inf:
                stuck[source] = True
                continue
            length = _back(before, points, source, path)
        # One move for each arc, of different devices; where there are none, the first device waits.
        total, waits = 0.0, -1
        for step in range(length - 1, 0, -1):
            i, j = path[step], path[step - 1]
            taken[step] = -1
            if j == points and free[i]:
                continue
            at, end = head[i * nodes + j], start[i * nodes + j + 1]
            if waits < 0:
                waits = device[at]
            while at < end and moved[device[at]]:
                at += 1
            if at == end:
                total = np.inf
                break
            moved[device[at]] = True
            taken[step] = at
            total += loss[at] - prices[j] + prices[i]
        done = total < 0.0 if last >= 0 else total < np.inf
        for step in range(length - 1, 0, -1):
            at = taken[step]
            if at < 0:
                if free[path[step]] and path[step - 1] == points:
                    continue
                break
            i, j = path[step], path[step - 1]
            moved[device[at]] = done
            if done:
                table[device[at], moves.subtask[at]] = j if j < points else -1
                if i < points:
                    excess[i] -= 1
                if j < points:
                    excess[j] += 1
        if not done:
            moved[waits] = True
        pushed += 1
    finished = True
    for i in range(points):
        if excess[i] > 0:
            finished = False
    return pushed, finished


def chains(moves: Moves, limits: PricedLimits, vector: Floats, table: Places, most: int) -> tuple[int, bool]:
    """Send subtasks from where there are too many to where there is room, and improve.

    Parameters
    ----------
    moves
        Each device makes one of them at the most.
    limits, vector
        Capacities; prices of the moves' losses.
    table
        Decisions, which change. Channels must be kept; they stay so.
    most
        Chains at the most.

    Returns
    -------
    pushed, feasible
        Number of chains, and whether all capacities are kept now.
    """
    points = limits.instance.num_points
    here = table[moves.device, moves.subtask].astype(np.int64)
    here, there = np.where(here == LOCAL, points, here), np.where(moves.place == LOCAL, points, moves.place)
    pair = here * (points + 1) + there
    order = np.lexsort((moves.loss, pair))
    start = np.searchsorted(pair[order], np.arange((points + 1) ** 2 + 1)).astype(np.int64)
    excess = (limits.used(table)[:points] - limits.instance.points.capacity).astype(np.int64)
    # Where there is too much, that is sent away first: without negative losses there are no negative cycles.
    loss = moves.loss[order] if excess.max() <= 0 else np.maximum(moves.loss[order], 0.0)
    sent = Moves(moves.device[order], moves.subtask[order], moves.place[order], loss)
    pushed, feasible = _chains(start, sent, np.append(vector[:points], 0.0), excess, table, most)
    return int(pushed), bool(feasible)
