"""All tasks of an instance in a row, weighted, for compiled kernels that go subtask by subtask.

Position p stands for a subtask: the devices in file order, and the subtasks of each in topological
order, so that predecessors come first. Delays are multiplied by a_m and energies by b_m of equation (3):
the cost of a device is the heaviest path of its delays plus the sum of its energies, and f_k of
equation (7) is a subtask's delay plus its energy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from ..arrays import Floats, Ints, frozen
from ..compiled import inlined, readable
from .inlined import at_point, crosses, side
from .instance import Instance
from .model import LOCAL, Application, Group
from .sides import PER_ARC, PER_SUBTASK, Sides
from .solution import Solution


class FlatTasks(NamedTuple):
    """The tasks of M devices with P subtasks and A arcs.

    Attributes
    ----------
    start
        (M+1,) where the subtasks of each device begin.
    radio
        (M,) the offload point of the device's radio link, -1: none.
    into
        (P+1,) where the arcs into each subtask begin.
    before
        (A,) the position that an arc comes from.
    others
        As in :class:`.sides.Sides`, weighted: (P,) of the subtasks, (A,) of the arcs.
    """

    start: Ints
    radio: Ints
    into: Ints
    before: Ints
    local_delay: Floats
    local_energy: Floats
    radio_delay: Floats
    radio_energy: Floats
    work: Floats
    up_delay: Floats
    up_energy: Floats
    down_delay: Floats
    down_energy: Floats


FLAT_TASKS = types.NamedTuple([readable("int64")] * 4 + [readable("float64")] * 9, FlatTasks)
"""Their type in the signature of a kernel."""


def flat_tasks(instance: Instance, devices: Ints | None = None) -> FlatTasks:
    """The tasks of an instance, or of some of its devices (D,), ascending, in a row."""
    arcs = np.array([len(application.edges) for application in instance.applications])
    start = subtask_starts(instance)
    first_arc = np.cumsum(np.append(0, arcs[instance.devices.application]))
    into, before = np.zeros(start[-1] + 1, dtype=np.int64), np.zeros(first_arc[-1], dtype=np.int64)
    into[-1] = first_arc[-1]
    sides = Sides(*(np.zeros(start[-1] if name in PER_SUBTASK else first_arc[-1]) for name in Sides._fields))
    for term in instance.terms:
        members, (arc, origin, begins) = term.group.members, _incoming(term.group.application)
        at, at_arc = positions(start, term.group), first_arc[members][:, None] + np.arange(len(arc))
        into[start[members][:, None] + np.arange(len(begins))] = first_arc[members][:, None] + begins
        before[at_arc] = start[members][:, None] + origin
        for name, to, values in zip(Sides._fields, sides, term.weighted(), strict=True):
            if name in PER_SUBTASK:
                to[at] = values
            else:
                to[at_arc] = values[:, arc]
    for array in (start, into, before, *sides):
        array.flags.writeable = False
    # An instance that came from another process has arrays that can be written to.
    tasks = FlatTasks(start, frozen(instance.devices.connected_to, np.int64), into, before, *sides)
    return tasks if devices is None else _some(tasks, devices)


def _some(tasks: FlatTasks, devices: Ints) -> FlatTasks:
    subtasks, sizes = _segments(tasks.start, devices)
    arcs, incoming = _segments(tasks.into, subtasks)
    return FlatTasks(
        start=frozen(np.cumsum(np.append(0, sizes)), np.int64),
        radio=frozen(tasks.radio[devices], np.int64),
        into=frozen(np.cumsum(np.append(0, incoming)), np.int64),
        before=frozen(np.searchsorted(subtasks, tasks.before[arcs]), np.int64),
        **{name: frozen(getattr(tasks, name)[subtasks], np.float64) for name in PER_SUBTASK},
        **{name: frozen(getattr(tasks, name)[arcs], np.float64) for name in PER_ARC},
    )


def _segments(begins: Ints, which: Ints) -> tuple[Ints, Ints]:
    """The numbers ``begins[i] .. begins[i + 1] - 1`` for some i, one after the other; how many of each."""
    sizes = np.diff(begins)[which]
    return np.arange(sizes.sum()) + np.repeat(begins[which] - np.cumsum(sizes) + sizes, sizes), sizes


def _incoming(application: Application) -> tuple[Ints, Ints, Ints]:
    """The arcs by where they lead to, in topological order: number, origin; and where each one's begin."""
    position = np.argsort(application.order)
    incoming = [application.incoming[k] for k in application.order]
    pairs = np.array([pair for arcs in incoming for pair in arcs], dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], position[pairs[:, 1]], np.cumsum([0, *map(len, incoming)])[:-1]


def subtask_starts(instance: Instance) -> Ints:
    """(M+1,) where the subtasks of each device begin."""
    sizes = np.array([application.size for application in instance.applications])
    return np.cumsum(np.append(0, sizes[instance.devices.application]))


def positions(start: Ints, group: Group) -> Ints:
    """(G, K) where the subtasks of a group's devices are, by their number in the application."""
    return start[group.members][:, None] + np.argsort(group.application.order)


def flat_places(instance: Instance, solution: Solution) -> Ints:
    """(P,) the places of a solution, in a row."""
    start, places = subtask_starts(instance), np.empty(instance.num_subtasks, dtype=np.int64)
    for group, array in zip(instance.groups, solution.places, strict=True):
        places[positions(start, group)] = array
    return places


def solution_of(instance: Instance, places: Ints, devices: Ints | None = None) -> Solution:
    """The solution that places in a row (P,) stand for: those of some devices, while the others are local."""
    start = subtask_starts(instance)
    if devices is not None:
        everywhere = np.full(instance.num_subtasks, LOCAL)
        everywhere[_segments(start, devices)[0]] = places
        places = everywhere
    return Solution(tuple(places[positions(start, group)].astype(np.int32) for group in instance.groups))


@inlined
def both_sides(tasks: Any, p: int, first: int, row: Ints) -> tuple[float, float, float, float]:
    """What subtask p costs on its device and away from it, given the places of its predecessors.

    Parameters
    ----------
    tasks
        A tuple with the fields of :class:`FlatTasks`.
    first
        Where the device's subtasks begin.
    row
        (K,) the places of the device's subtasks.

    Returns
    -------
    local_delay, local_energy, away_delay, away_energy
        Weighted; away without what a point itself adds.
    """
    delay, energy = tasks.local_delay[p], tasks.local_energy[p]
    away_delay, away_energy = tasks.radio_delay[p], tasks.radio_energy[p]
    for arc in range(tasks.into[p], tasks.into[p + 1]):
        before = side(row[tasks.before[arc] - first])
        _, down = crosses(before, 0)
        if down:
            delay += tasks.down_delay[arc]
            energy += tasks.down_energy[arc]
        up, _ = crosses(before, 1)
        if up:
            away_delay += tasks.up_delay[arc]
            away_energy += tasks.up_energy[arc]
    return delay, energy, away_delay, away_energy


@inlined
def cheapest_place(tasks: FlatTasks, p: int, first: int, row: Ints, cpu: Floats, left: Ints) -> int:
    """Where f_k of subtask p is least, among its device and the points with room (N,).

    A tie stays local, then goes to the point listed first.
    """
    delay, energy, away_delay, away_energy = both_sides(tasks, p, first, row)
    least, chosen = delay + energy, LOCAL
    for n in range(len(cpu)):
        if left[n] > 0:
            there, spent = at_point(tasks.work[p], cpu[n])
            cost = away_delay + there + (away_energy + spent)
            if cost < least:
                least, chosen = cost, n
    return chosen


@inlined
def device_cost(tasks: FlatTasks, m: int, row: Ints, cpu: Floats, finish: Floats, fitness: Floats) -> float:
    """Equation (3) of device m with places (K,); f_k of equation (7) goes into ``fitness`` (K,).

    ``finish`` (K,) is scratch.
    """
    first, longest, spent = tasks.start[m], 0.0, 0.0
    for k in range(tasks.start[m + 1] - first):
        p = first + k
        delay, energy, away_delay, away_energy = both_sides(tasks, p, first, row)
        if row[k] >= 0:
            there, more = at_point(tasks.work[p], cpu[row[k]])
            delay, energy = away_delay + there, away_energy + more
        begun = 0.0
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            begun = max(begun, finish[tasks.before[arc] - first])
        finish[k] = begun + delay
        longest = max(longest, finish[k])
        spent += energy
        fitness[k] = delay + energy
    return longest + spent
