"""Differential evolution from scipy, on random keys: a plain metaheuristic as a control.

Nothing here knows the problem but the decoder: a key from [0, 1) for each subtask, cut into N'+1 equal
parts, says local or one of the N' points with capacity, the fastest first. Subtasks take their places in
file order; one that finds its point full, or whose device finds no channel, stays local. The rest is
``scipy.optimize.differential_evolution`` as it comes, apart from the size of its population (scipy's own
grows with the number of keys): :data:`POPULATION` members, the first one the start, or else all-local, and
the others random, for :data:`GENERATIONS` generations or until all members cost the same. No parameter was
tuned.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numba import types

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_1, of_format_2, readable, writable
from offloadlib.instances.run import Watch
from offloadlib.instances.structured.flat import (
    FLAT_TASKS,
    FlatTasks,
    device_cost,
    flat_places,
    flat_tasks,
    solution_of,
)
from offloadlib.instances.structured.inlined import ROOM, may_offload
from offloadlib.instances.structured.limits import Room, everything

from .evolving import evolved
from .limited import keys

POPULATION = 50
GENERATIONS = 1000


def solve(instance: Instance, budget: Budget) -> Result:
    """Differential evolution of one key for each subtask.

    Returns
    -------
    Result
        The best decisions of all that were decoded, never worse than the start, or else than all-local. Its
        record has the ``generations``.
    """
    if of_format_2(instance):
        return keys.solve(instance, budget, POPULATION, GENERATIONS)
    watch = Watch(budget.time_limit)
    tasks, points = flat_tasks(instance), instance.points
    sizes = np.diff(tasks.start)
    keyed = np.flatnonzero(np.repeat(tasks.radio != LOCAL, sizes))
    usable = np.flatnonzero(points.capacity > 0)
    menu = usable[np.argsort(-points.cpu[usable], kind="stable")]
    places = np.full(instance.num_subtasks, LOCAL, dtype=np.int64)
    best = places.copy()
    least = evaluate(instance, Solution.all_local(instance)).total
    generations = 0

    def costs(members: Floats) -> Floats:
        """(S, D) keys -> (S,) costs; the best decisions are kept."""
        nonlocal least
        found = np.empty(len(members))
        for s, member in enumerate(members):
            found[s] = decode(tasks, points.cpu, everything(instance), menu, keyed, member, places)
            if found[s] < least:
                least = found[s]
                best[:] = places
        return found

    def tell() -> None:
        budget.tell(watch.seconds, float(least), None, partial(solution_of, instance, best))

    if len(keyed) and len(menu):
        random = np.random.default_rng(budget.seed)
        first = random.random((POPULATION, len(keyed)))
        first[0] = 0.0 if budget.start is None else _keys(flat_places(instance, budget.start)[keyed], menu)
        generations = evolved(costs, first, GENERATIONS, random, watch, tell)
    solution = solution_of(instance, best)
    return Result.of(instance, solution, watch.seconds, None, watch.termination, generations=generations)


def _keys(places: Ints, menu: Ints) -> Floats:
    """Keys that stand for (D,) places that keep the limits."""
    part = np.zeros(max(int(places.max(initial=LOCAL)), int(menu.max())) + 2)
    part[menu] = 1.0 + np.arange(len(menu))  # the last entry is local
    keys: Floats = (part[places] + 0.5) / (len(menu) + 1)
    return keys


_READ, _READ_INT = readable("float64"), readable("int64")


@kernel(
    types.float64(FLAT_TASKS, _READ, ROOM, _READ_INT, _READ_INT, _READ, writable("int64")), needed=of_format_1
)
def decode(
    tasks: FlatTasks,
    cpu: Floats,
    room: Room,
    menu: Ints,
    keyed: Ints,
    keys: Floats,
    places: Ints,
) -> float:
    """The decisions (P,) that keys stand for go into ``places``; what they cost.

    Parameters
    ----------
    room
        Used up.
    menu
        The points with capacity, the fastest first.
    keyed, keys
        (D,) the subtasks that have keys, and these.
    """
    (left, air), total, i, parts = room, 0.0, 0, len(menu) + 1
    finish, fitness = np.empty(len(places)), np.empty(len(places))
    for m in range(len(tasks.radio)):
        point, on_air = tasks.radio[m], False
        for p in range(tasks.start[m], tasks.start[m + 1]):
            places[p] = -1
            if i < len(keyed) and keyed[i] == p:
                part = min(int(keys[i] * parts), parts - 1)
                i += 1
                if part > 0 and left[menu[part - 1]] > 0 and may_offload(point, air[point], on_air):
                    places[p] = menu[part - 1]
                    left[places[p]] -= 1
                    if not on_air:
                        on_air = True
                        air[point] -= 1
        row = places[tasks.start[m] : tasks.start[m + 1]]
        total += device_cost(tasks, m, row, cpu, finish, fitness)
    return total
