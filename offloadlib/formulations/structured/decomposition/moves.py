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

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numba import types

from offloadlib.instances import LOCAL, Application
from offloadlib.instances.compiled import kernel, readable, subroutine, writable
from offloadlib.instances.structured.model import Floats, Ints, Places, frozen
from offloadlib.instances.structured.sides import terms

from .chunks import chunks, in_threads
from .limits import Limits
from .pricing import tasks

LARGEST_LIST = 2_000_000
"""Moves after which a scan ends."""

LOOKED_AT, LISTED = 2000, 500_000
"""Devices, and possible moves, between two looks at the clock."""

WIDER = 64.0
"""Moves to and from local may lose so many times as much: there are fewer of them."""

_F1, _F2, _I1, _I2 = readable("float64"), readable("float64", 2), readable("int64"), readable("int64", 2)


@lru_cache(maxsize=256)
def _graph(application: Application) -> tuple[Ints, Ints, Ints]:
    """Topological order; arcs into each subtask (arc, predecessor), and where they begin."""
    pairs = [pair for arcs in application.incoming for pair in arcs]
    return (
        frozen(application.order, np.int64),
        frozen(np.array(pairs, dtype=np.int64).reshape(len(pairs), 2), np.int64),
        frozen(np.cumsum([0, *(len(arcs) for arcs in application.incoming)]), np.int64),
    )


@subroutine
def _cost(  # type: ignore[no-untyped-def]
    m, chosen, local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive, a, b, cpu,
    order, into, into_start, finish,
):  # fmt: skip
    """Equation (3) of one device: weighted delay and weighted energy."""
    longest, energy = 0.0, 0.0
    for k in order:
        n = chosen[k]
        up, down, begun = 0.0, 0.0, 0.0
        for e in range(into_start[k], into_start[k + 1]):
            arc, j = into[e, 0], into[e, 1]
            begun = max(begun, finish[j])
            if n >= 0 and chosen[j] < 0:
                up += arc_up[m, arc]
            elif n < 0 and chosen[j] >= 0:
                down += arc_down[m, arc]
        if n >= 0:
            up += head_up[m, k]
            down += tail_down[m, k]
            seconds = work[m, k] / cpu[n]
        else:
            seconds = local[m, k]
            energy += seconds * execute[m]
        energy += up * send[m] + down * receive[m]
        finish[k] = begun + seconds + up + down
        longest = max(longest, finish[k])
    return a[m] * longest, b[m] * energy


@kernel(
    types.int64(
        *(_F2, _F2, _F2, _F2, _F2, _F2, _F1, _F1, _F1, _F1, _F1),
        *(_I1, _I1, _I1, _F1, _F1, _I1, _I1, _I2, _I1),
        *(readable("int32", 2), types.float64, types.int64, types.int64),
        *(writable("int64"), writable("int64"), writable("int64"), writable("float64")),
    )
)
def _scan(  # type: ignore[no-untyped-def]
    local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive, delay_weight, energy_weight,
    members, connected, radio, cpu, prices, usable, order, into, into_start,
    table, most, first, last, device, subtask, place, loss,
):  # fmt: skip
    """List moves of the devices first..last of a group that lose at most so much; returns how many."""
    size, count = work.shape[1], 0
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
    for m in range(first, last):
        if connected[m] < 0:
            continue
        away = 0
        for k in range(size):
            chosen[k] = table[members[m], k]
            away += 1 if chosen[k] >= 0 else 0
        if away == 0 and radio[m] >= 0:
            continue  # this would need a channel
        delay, energy = _cost(
            m, chosen, local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive,
            delay_weight, energy_weight, cpu, order, into, into_start, finish,
        )  # fmt: skip
        before = delay + energy
        for k in range(size):
            here = chosen[k]
            paid = prices[here] if here >= 0 else 0.0
            if here >= 0:
                chosen[k] = -1
                delay, energy = _cost(
                    m, chosen, local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive,
                    delay_weight, energy_weight, cpu, order, into, into_start, finish,
                )  # fmt: skip
                if delay + energy - before - paid <= WIDER * most:
                    device[count], subtask[count], place[count] = members[m], k, -1
                    loss[count] = delay + energy - before - paid
                    count += 1
            # With seconds t away the delay is max(L, C + t): its values at the fastest and the slowest
            # point give it at the others.
            largest = most if here >= 0 else WIDER * most
            chosen[k] = fastest
            least, energy = _cost(
                m, chosen, local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive,
                delay_weight, energy_weight, cpu, order, into, into_start, finish,
            )  # fmt: skip
            if least + energy - before + cheapest - paid <= largest:
                chosen[k] = slowest
                delay, energy = _cost(
                    m, chosen, local, work, arc_up, arc_down, head_up, tail_down, execute, send, receive,
                    delay_weight, energy_weight, cpu, order, into, into_start, finish,
                )  # fmt: skip
                weight = delay_weight[m] * work[m, k]
                delay -= weight / cpu[slowest]
                for n in usable:
                    lost = max(least, delay + weight / cpu[n]) + energy - before + prices[n] - paid
                    if n != here and lost <= largest:
                        device[count], subtask[count], place[count] = members[m], k, n
                        loss[count] = lost
                        count += 1
            chosen[k] = here
    return count


@dataclass(frozen=True)
class Moves:
    """Moves of one subtask each: (device, subtask, new place, loss)."""

    device: Ints
    subtask: Ints
    place: Ints
    loss: Floats


_NAMES = tuple(item.name for item in fields(Moves))


class Scanner:
    """Looks for moves; where a scan ended before all devices were looked at, the next one goes on there.

    Attributes
    ----------
    truncated
        Whether the last scan ended so.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.truncated = False
        self._groups: list[tuple[Any, ...]] = []
        self._parts: list[tuple[int, int, int]] = []
        instance = limits.instance
        self._usable = np.flatnonzero(instance.points.capacity > 0)
        for g, term in enumerate(terms(instance)):
            group = term.group
            self._groups.append(
                (
                    *tasks(term),
                    *(group.members, instance.devices.connected_to[group.members]),
                    *(limits.radio[group.members], instance.points.cpu),
                )
            )
            most = max(1, min(LOOKED_AT, LISTED // self._possible(g)))
            self._parts += [(g, first, last) for first, last in chunks(len(group), most)]

    def _possible(self, g: int) -> int:
        """Moves of one device of a group."""
        size: int = self._limits.instance.groups[g].work.shape[1]
        return size * (len(self._usable) + 1)

    def scan(self, table: Places, vector: Floats, most: float) -> Moves:
        """Moves from some decisions that lose at most so much (:data:`WIDER`) at some prices."""
        prices = vector[: self._limits.instance.num_points].copy()

        def moves(part: tuple[int, int, int]) -> Moves:
            g, first, last = part
            size = (last - first) * self._possible(g)
            lists: tuple[Any, ...] = (*(np.empty(size, dtype=np.int64) for _ in range(3)), np.empty(size))
            graph = _graph(self._limits.instance.groups[g].application)
            count = _scan(
                *(*self._groups[g], prices, self._usable, *graph),
                *(table, most, first, last, *lists),
            )
            return Moves(*(values[:count].copy() for values in lists))

        few = self._limits.instance.num_devices <= LOOKED_AT
        found: list[Moves] = []
        count = 0
        for moved in map(moves, self._parts) if few else in_threads(moves, self._parts, self._limits.late):
            found.append(moved)
            count += len(moved.loss)
            if count >= LARGEST_LIST:
                break
        self.truncated = len(found) < len(self._parts)
        self._parts = self._parts[len(found) :] + self._parts[: len(found)]
        return Moves(*(np.concatenate([getattr(moved, name) for moved in found]) for name in _NAMES))


@kernel(
    types.Tuple((types.int64, types.boolean))(
        *(_I1, _I1, _I1, _F1, _F1, writable("int64"), writable("int32", 2), types.int64)
    )
)
def _chains(start, device, subtask, loss, prices, excess, table, most):  # type: ignore[no-untyped-def]
    points = len(prices) - 1  # node ``points`` is local, at no price
    nodes = points + 1
    moved = np.zeros(len(table), np.bool_)
    head = start[:-1].copy()
    cost = np.empty((nodes, nodes))
    distance, before = np.empty(nodes), np.empty(nodes, np.int64)
    path, taken = np.empty(nodes + 2, np.int64), np.empty(nodes + 2, np.int64)
    stuck, free = np.zeros(nodes, np.bool_), np.zeros(nodes, np.bool_)
    pushed = 0
    unit = 1e-300
    for lost in loss:
        unit = max(unit, abs(lost))
    unit *= 1e-13
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
        length = 1
        if last >= 0:
            for _ in range(nodes):
                last = before[last]
            path[0] = last
            node = before[last]
            while node != last and length < nodes:
                path[length] = node
                length += 1
                node = before[node]
            path[length] = last
            length += 1
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
            path[0] = points
            node = before[points]
            while node != source and length < nodes:
                path[length] = node
                length += 1
                node = before[node]
            path[length] = source
            length += 1
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
                table[device[at], subtask[at]] = j if j < points else -1
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


def chains(moves: Moves, limits: Limits, vector: Floats, table: Places, most: int) -> tuple[int, bool]:
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
    pushed, feasible = _chains(
        *(start, moves.device[order], moves.subtask[order], loss),
        *(np.append(vector[:points], 0.0), excess, table, most),
    )
    return int(pushed), bool(feasible)
