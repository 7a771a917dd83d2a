r"""GAOD: genetic offloading, device by device (Kuang et al. 2020, section 4.2, Algorithm 2).

The devices decide in random order, each by a genetic algorithm of its own, given the places and
channels that the earlier ones have left. An individual is a decision of the device: one gene, its place,
for each subtask. A generation of S individuals gives the next one, S times over:

- *Selection* (6): two parents by roulette, :math:`pr_s \propto 1 - F_s / \sum_j F_j` with the cost F of
  equation (3). The formula sums to S - 1, so it is divided by its sum. A parent may be drawn twice.
- *Crossover*, with probability :math:`p_c`: one child takes each gene from the parent in which it has the
  lesser cost :math:`f_k = a g_k + b e_k` (7), at a tie from the first. Without crossover the better parent
  is copied.
- *Repair*: where a point has more genes than room, the first ones in topological order keep it; each of
  the others takes the place of least f_k among its own device and the points with room.
- *Mutation*, with probability :math:`p_m`: one gene is drawn and takes a random other place with room. The
  text says that costly subtasks mutate more, so the gene is drawn with probability proportional to f_k;
  formula (8) itself, :math:`1 - f_k/\sum_i f_i`, says the opposite and is an option
  (:attr:`.genes.Parameters.literal_mutation`; it sums to K - 1, and is divided by that).

The first generation is random: each gene, in topological order, takes one of the places with room. The
search ends after 325 generations or after 100 without a better best; the device takes the best of all
individuals seen, which line 19 calls the arg min of g_m. There is no elitism.

Equation (7) has the weights :math:`\alpha_m, 1 - \alpha_m`; here as everywhere those of equation (3),
normalised where the instance is.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import types

from offloadlib.instances import (
    LOCAL,
    Budget,
    Instance,
    Result,
    Solution,
    Termination,
    evaluate,
)
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_1, of_format_2, readable, subroutine, writable
from offloadlib.instances.loops import copy
from offloadlib.instances.run import Watch
from offloadlib.instances.structured.flat import (
    FLAT_TASKS,
    FlatTasks,
    cheapest_place,
    device_cost,
    flat_tasks,
    solution_of,
)

from .genes import DEFAULT, SETTINGS, GaodParameters, Settings, complements, cross, drawn
from .limited import genetic

NOWHERE = -2
"""The place of a gene that has none yet."""


def solve(instance: Instance, budget: Budget, parameters: GaodParameters = DEFAULT) -> Result:
    """Let the devices decide in random order, each by a genetic algorithm.

    Returns
    -------
    Result
        At the time limit and after Ctrl-C, devices that have not had their turn are local. Its record
        has the ``generations`` of all devices together.
    """
    if of_format_2(instance):
        return genetic.solve(instance, budget, parameters)
    watch = Watch(budget.time_limit)
    tasks, cpu = flat_tasks(instance), instance.points.cpu
    left, air = instance.points.capacity.copy(), instance.points.channels.copy()
    places = np.full(instance.num_subtasks, LOCAL, dtype=np.int64)
    local = evaluate(instance, Solution.all_local(instance)).cost
    random = np.random.default_rng(budget.seed)
    total, generations = float(local.sum()), 0
    settings = parameters.settings
    try:
        for m in random.permutation(instance.num_devices).tolist():
            if watch.over:
                break
            point = int(tasks.radio[m])
            if point == LOCAL or air[point] == 0 or not left.any():
                continue
            best = np.full(tasks.start[m + 1] - tasks.start[m], LOCAL)
            room = left
            if parameters.connected_first and left[point] >= len(best):
                room = np.where(np.arange(len(left)) == point, left, 0)
            cost, count = evolve(tasks, m, cpu, room, settings, random, best)
            generations += count
            total += cost - float(local[m])
            offloaded = best[best != LOCAL]
            # All at once, so that Ctrl-C leaves limits that nobody looks at any more.
            places[tasks.start[m] : tasks.start[m + 1]] = best
            left -= np.bincount(offloaded, minlength=len(left))
            air[point] -= len(offloaded) > 0
            budget.tell(watch.seconds, total, None, partial(solution_of, instance, places))
    except KeyboardInterrupt:
        watch.termination = Termination.INTERRUPTED
    solution = solution_of(instance, places)
    return Result.of(instance, solution, watch.seconds, None, watch.termination, generations=generations)


@subroutine
def repair(tasks: FlatTasks, m: int, row: Ints, cpu: Floats, left: Ints, room: Ints) -> None:
    """Genes without room take the place of least f_k with room; ``room`` (N,) is what is left in the end."""
    first, homeless = tasks.start[m], 0
    copy(room, left)
    for k in range(len(row)):
        if row[k] >= 0:
            room[row[k]] -= 1
            homeless += room[row[k]] < 0
    if homeless == 0:
        return
    # Those that come last at a point give way.
    evicted = np.zeros(len(row), dtype=np.bool_)
    for k in range(len(row) - 1, -1, -1):
        if row[k] >= 0 and room[row[k]] < 0:
            room[row[k]] += 1
            evicted[k] = True
    for k in range(len(row)):
        if evicted[k]:
            row[k] = cheapest_place(tasks, first + k, first, row, cpu, room)
            if row[k] >= 0:
                room[row[k]] -= 1


@subroutine
def another_place(place: int, room: Ints, number: float) -> int:
    """The place with room, other than this one, that a number from [0, 1) draws; this one if none has.

    Local comes first, then the offload points as listed; :data:`NOWHERE` makes all of them others.
    """
    count = 1 if place != LOCAL else 0
    for n in range(len(room)):
        count += room[n] > 0 and n != place
    chosen = int(number * count)
    if place != LOCAL:
        if chosen == 0:
            return LOCAL
        chosen -= 1
    for n in range(len(room)):
        if room[n] > 0 and n != place:
            if chosen == 0:
                return n
            chosen -= 1
    return place


_EVOLVED = types.Tuple((types.float64, types.int64))


@kernel(
    _EVOLVED(
        *(FLAT_TASKS, types.int64, readable("float64"), writable("int64"), SETTINGS),
        *(types.npy_rng, writable("int64")),
    ),
    needed=of_format_1,
)
def evolve(
    tasks: FlatTasks,
    m: int,
    cpu: Floats,
    left: Ints,
    settings: Settings,
    random: Any,
    best: Ints,
) -> tuple[float, int]:
    """Lines 3 to 19 of Algorithm 2 for device m; the decision goes into ``best`` (K,).

    Parameters
    ----------
    left
        (N,) subtasks that each point can still take.
    random
        Draws, in this order: K for each individual of the first generation; then for each child two for
        the parents, one for crossover, one for mutation, and two for the gene and its place.

    Returns
    -------
    cost, generations
        Of the decision; how many there were after the first.
    """
    population, iterations, patience, crossover, mutation, literal, every = settings
    size = len(best)
    people, children = np.empty((population, size), np.int64), np.empty((population, size), np.int64)
    fitness, genes = np.empty(population), np.empty((population, size))
    weights, gene_weights = np.empty(population), np.empty(size)
    room, finish, least, since, count = np.empty(len(left), np.int64), np.empty(size), np.inf, 0, 0
    for s in range(population):
        copy(room, left)
        for k in range(size):
            people[s, k] = another_place(NOWHERE, room, random.random())
            if people[s, k] >= 0:
                room[people[s, k]] -= 1
    while True:
        since += 1
        for s in range(population):
            fitness[s] = device_cost(tasks, m, people[s], cpu, finish, genes[s])
            if fitness[s] < least:
                least, since = fitness[s], 0
                copy(best, people[s])
        if count == iterations or since == patience:
            return least, count
        count += 1
        complements(fitness, weights)
        for s in range(population):
            child = children[s]
            one, two = drawn(weights, random.random()), drawn(weights, random.random())
            if random.random() < crossover:
                cross(people[one], genes[one], people[two], genes[two], child)
            else:
                copy(child, people[one if fitness[one] <= fitness[two] else two])
            repair(tasks, m, child, cpu, left, room)
            if random.random() < mutation:
                device_cost(tasks, m, child, cpu, finish, gene_weights)
                if literal:
                    complements(gene_weights, gene_weights)
                one = -1 if every else drawn(gene_weights, random.random())
                total = 1.0 if literal else gene_weights.sum()
                for k in range(size):
                    if k == one or (every and total * random.random() < gene_weights[k]):
                        place = another_place(child[k], room, random.random())
                        if child[k] >= 0:
                            room[child[k]] += 1
                        if place >= 0:
                            room[place] -= 1
                        child[k] = place
        people, children = children, people
