"""GAOD on format 2: genetic offloading, device by device.

The rules are those of :mod:`..gaod`, with these differences. A gene is a place at which its subtask may run;
one that finds no room takes the place of least f_k that has some. An individual that leaves a subtask where
it may not run, or that is late, or beyond its energy budget, has no fitness: it is drawn as a parent only
where all are like that, and never is the decision. A device that costs less refused is refused; one whose
search has found nothing is left to :mod:`.attempts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from offloadlib.heuristics.structured.genes import (
    SETTINGS,
    GaodParameters,
    Settings,
    complements,
    cross,
    drawn,
)
from offloadlib.instances import LOCAL, Budget, Instance, Result, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, subroutine, writable
from offloadlib.instances.loops import copy
from offloadlib.instances.run import Watch
from offloadlib.instances.structured.flat import both_sides
from offloadlib.instances.structured.model import REFUSED

from .attempts import attempted
from .choices import (
    CHOICES,
    STATE,
    UNDECIDED,
    Choices,
    Menu,
    State,
    fits,
    in_time,
    may_transmit,
    occupy,
    take,
    weigh,
)


def solve(instance: Instance, budget: Budget, parameters: GaodParameters) -> Result:
    """Let the devices decide in random order, each by a genetic algorithm.

    Returns
    -------
    Result
        At the time limit and after Ctrl-C, devices that have not had their turn take their cheapest
        decisions. Its record has the ``generations`` of all devices together.
    """
    generations = 0

    def build(menu: Menu, choices: Choices, state: State, devices: Ints, watch: Watch) -> None:
        nonlocal generations
        random = np.random.default_rng(budget.seed)
        try:
            for m in random.permutation(devices).tolist():
                if watch.over:
                    break
                row = np.full(menu.sizes[m], UNDECIDED)
                generations += evolve(choices, state, m, parameters.settings, random, row)
        except KeyboardInterrupt:
            watch.termination = Termination.INTERRUPTED

    return attempted(instance, budget, build, record=lambda: {"generations": generations})


@subroutine
def gene_costs(choices: Choices, m: int, row: Ints, fitness: Floats) -> None:
    """f_k of equation (7) of each gene (K,) of device m; not below 0, whatever the fees."""
    for k in range(len(row)):
        p = choices.start[m] + k
        delay, energy, away_delay, away_energy = both_sides(choices, p, choices.start[m], row)
        if row[k] >= 0:
            delay, energy = away_delay + choices.seconds[p, row[k]], away_energy
        cost = choices.delay_weight[m] * delay + choices.energy_weight[m] * energy
        fitness[k] = max(cost + choices.fee[p, row[k]], 0.0)


@subroutine
def fitness_of(choices: Choices, m: int, row: Ints) -> float:
    """What a decision costs that keeps all limits of its device; infinite for others."""
    for k in range(len(row)):
        if not choices.allowed[choices.start[m] + k, row[k]]:
            return np.inf
    cost, delay, energy = weigh(choices, m, row)
    return cost if in_time(choices, m, delay, energy) else np.inf


@subroutine
def some_place(choices: Choices, p: int, left: Ints, old: int, on_air: bool, number: float) -> int:
    """The place other than ``old`` where subtask p may run and has room that a number from [0, 1) draws.

    Local comes first, then the offload points as listed. It is ``old``, where there is none; where ``old`` is
    :data:`UNDECIDED`, local.
    """
    points = choices.order.shape[1]
    count, turn, found = 0, 0, old
    for pick in range(2):
        chosen = int(number * count)
        for i in range(points + 1):
            n = i - 1
            if n == old or not choices.allowed[p, n]:
                continue
            if n >= 0 and not (on_air and fits(choices, left, p, n)):
                continue
            if pick == 0:
                count += 1
            else:
                if turn == chosen:
                    found = n
                turn += 1
    return LOCAL if found == UNDECIDED else found


@subroutine
def repair(choices: Choices, m: int, row: Ints, left: Ints, on_air: bool) -> None:
    """Genes (K,) without room take the place of least f_k that has some; the others take theirs from
    ``left``."""
    first = choices.start[m]
    for k in range(len(row)):
        p = first + k
        if row[k] >= 0 and not (on_air and fits(choices, left, p, row[k])):
            home_delay, home_energy, delay, energy = both_sides(choices, p, first, row)
            a, b = choices.delay_weight[m], choices.energy_weight[m]
            least, chosen = np.inf, LOCAL
            if choices.allowed[p, LOCAL]:
                least = a * home_delay + b * home_energy + choices.fee[p, LOCAL]
            for n in range(choices.order.shape[1]):
                if on_air and choices.allowed[p, n] and fits(choices, left, p, n):
                    cost = a * (delay + choices.seconds[p, n]) + b * energy + choices.fee[p, n]
                    if cost < least:
                        least, chosen = cost, n
            row[k] = chosen
        if row[k] >= 0:
            take(choices, left, p, row[k], 1)


@kernel(
    types.int64(CHOICES, STATE, types.int64, SETTINGS, types.npy_rng, writable("int64")),
    needed=of_format_2,
)
def evolve(choices: Choices, state: State, m: int, settings: Settings, random: Any, best: Ints) -> int:
    """Lines 3 to 19 of Algorithm 2 for device m, which is undecided; it takes what is found.

    Parameters
    ----------
    random
        Draws as in :func:`..gaod.evolve`.
    best
        (K,) all :data:`UNDECIDED`; the decision.

    Returns
    -------
    int
        Generations after the first.
    """
    population, iterations, patience, crossover, mutation, literal, _ = settings
    size, first = len(best), choices.start[m]
    people, children = np.empty((population, size), np.int64), np.empty((population, size), np.int64)
    fitness, genes = np.empty(population), np.empty((population, size))
    weights, gene_weights = np.empty(population), np.empty(size)
    room, on_air = state.left.copy(), may_transmit(choices, state, m)
    least, since, count = np.inf, 0, 0
    for s in range(population):
        copy(room, state.left)
        for k in range(size):
            n = some_place(choices, first + k, room, UNDECIDED, on_air, random.random())
            people[s, k] = n
            if n >= 0:
                take(choices, room, first + k, n, 1)
    while True:
        since += 1
        for s in range(population):
            fitness[s] = fitness_of(choices, m, people[s])
            gene_costs(choices, m, people[s], genes[s])
            if fitness[s] < least:
                least, since = fitness[s], 0
                copy(best, people[s])
        if count == iterations or since == patience:
            break
        count += 1
        roulette(fitness, weights)
        for s in range(population):
            child = children[s]
            one, two = drawn(weights, random.random()), drawn(weights, random.random())
            if random.random() < crossover:
                cross(people[one], genes[one], people[two], genes[two], child)
            else:
                copy(child, people[one if fitness[one] <= fitness[two] else two])
            copy(room, state.left)
            repair(choices, m, child, room, on_air)
            if random.random() < mutation:
                gene_costs(choices, m, child, gene_weights)
                if literal:
                    complements(gene_weights, gene_weights)
                k = drawn(gene_weights, random.random())
                child[k] = some_place(choices, first + k, room, child[k], on_air, random.random())
        people, children = children, people
    if choices.refusal[m] < least:
        for k in range(size):
            best[k] = REFUSED
    if best[0] != UNDECIDED:
        occupy(choices, state, m, best)
    return count


@subroutine
def roulette(fitness: Floats, weights: Floats) -> None:
    """Formula (6) among those that have a fitness; the others have no share."""
    total = 0.0
    for cost in fitness:
        total += cost if cost < np.inf else 0.0
    for s in range(len(fitness)):
        weights[s] = 1.0 - fitness[s] / total if total > 0.0 else 1.0
        weights[s] = max(weights[s], 0.0) if fitness[s] < np.inf else 0.0
