r"""Fewer offload points, exactly: equal speeds in one pool, and none that cannot be needed.

The cost of a decision depends on the chosen points through their speeds alone: rates, powers and
channels belong to the radio, that is, to the device and the point that it is connected to. Let T be the
number of subtasks of the connected devices, and let the distinct speeds be s_1 > s_2 > ..., with Q_i the
sum of the capacities of the points of speed s_i. An instance is *pooled* by giving

.. math:: R_i = \min(Q_i,\; T - R_1 - \dots - R_{i-1})

as capacity to the first point of speed s_i, and 0 to all other points. (A point without capacity keeps
its radio.)

**The optimum stays the same.** A decision of the pooled instance uses at most R_i <= Q_i places of speed
s_i; each subtask takes one place, so they can be dealt out to the points of that speed, at the same cost
(:func:`spread`). Conversely, take a decision of the instance. Where more than R_i subtasks have speed
s_i, R_i < Q_i, and so R_1 + ... + R_i = T: there is room for all subtasks at speeds s_1, ..., s_i.
Subtasks may move to greater speeds until all pools keep their capacity: with the places that faster
subtasks leave free, going from the fastest to the slowest, there is room for each (:func:`gather`).
Neither the delay nor the energy of a subtask grows with the speed of its point, and nobody starts to use
a radio. The cost does not grow.

The same argument with fractions of subtasks shows that the relaxations have the same value. What is
gained is size, and symmetry: n points of one speed stand for up to n! copies of each solution.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from offloadlib.instances import LOCAL, Instance, Solution
from offloadlib.instances.arrays import Ints, frozen
from offloadlib.instances.structured.model import Places


def pool(instance: Instance) -> Instance:
    """The pooled instance: the same devices and points, with other capacities.

    Returns
    -------
    Instance
        The instance itself where there is nothing to pool.
    """
    left = _needed(instance)
    capacity = np.zeros_like(instance.points.capacity)
    for members in _by_speed(instance):
        capacity[members[0]] = min(int(instance.points.capacity[members].sum()), left)
        left -= int(capacity[members[0]])
    return _with(instance, capacity)


def merge(instance: Instance) -> Instance:
    """Equal speeds in one pool and nothing else, for who asks what slower points can do, too.

    Returns
    -------
    Instance
        The same devices and points; the first point of each speed has the capacity of all of them, as far
        as there are subtasks.
    """
    capacity, needed = np.zeros_like(instance.points.capacity), _needed(instance)
    for members in _by_speed(instance):
        capacity[members[0]] = min(int(instance.points.capacity[members].sum()), needed)
    return _with(instance, capacity)


def _needed(instance: Instance) -> int:
    """T, the subtasks of connected devices."""
    linked = instance.devices.connected_to != LOCAL
    return sum(int(linked[group.members].sum()) * group.application.size for group in instance.groups)


def _with(instance: Instance, capacity: Ints) -> Instance:
    if np.array_equal(capacity, instance.points.capacity):
        return instance
    return replace(instance, points=replace(instance.points, capacity=frozen(capacity, np.int64)))


def spread(instance: Instance, solution: Solution) -> Solution:
    """A solution of the pooled instance, with its subtasks dealt out to the points of the instance."""
    flat = _flat(solution)
    for members in _by_speed(instance):
        placed = np.flatnonzero(flat == members[0])
        capacity = np.minimum(instance.points.capacity[members], len(placed))
        flat[placed] = np.repeat(members, capacity)[: len(placed)]
    return _shaped(instance, flat)


def gather(pooled: Instance, solution: Solution) -> Solution:
    """A solution of the pooled instance that costs no more than one of the instance that it was made of."""
    gathered = settle(pooled, solution)
    assert gathered is not None  # there is room for all subtasks
    return gathered


def settle(instance: Instance, solution: Solution) -> Solution | None:
    """Move subtasks from offload points that have too many of them to others, no slower.

    Returns
    -------
    Solution
        It keeps all capacities, and costs no more; None where there is no room.
    """
    flat = _flat(solution)
    room: list[int] = []  # places that are left so far, slowest last
    for members in _by_speed(instance):
        room += np.repeat(members, np.minimum(instance.points.capacity[members], len(flat))).tolist()
        placed = np.flatnonzero(np.isin(flat, members))
        if len(placed) > len(room):
            return None
        if len(placed):
            flat[placed] = room[-len(placed) :]
            del room[-len(placed) :]
    return _shaped(instance, flat)


def _by_speed(instance: Instance) -> list[Ints]:
    """The points of each speed, in file order; the fastest first."""
    cpu = instance.points.cpu
    return [np.flatnonzero(cpu == speed) for speed in np.unique(cpu)[::-1]]


def _flat(solution: Solution) -> Places:
    return np.concatenate([places.ravel() for places in solution.places])


def _shaped(instance: Instance, flat: Places) -> Solution:
    ends = np.cumsum([group.work.size for group in instance.groups])[:-1]
    parts = np.split(flat, ends)
    return Solution(
        tuple(part.reshape(group.work.shape) for part, group in zip(parts, instance.groups, strict=True))
    )
