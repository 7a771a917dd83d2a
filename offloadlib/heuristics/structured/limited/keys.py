"""Differential evolution on format 2: random keys, and a decoder that keeps what limits it can.

As in :mod:`..evolution`: a key is cut into as many parts as its subtask has places where it may run, local
first, then the points by what they cost. A subtask that finds no room stays local, or, where it may not, goes
to the first place that has some. A device that costs less refused is refused. Each device that has no
decision then, or is late by it, or beyond its energy budget, counts as a cost that no other can make good,
and what is left of that in the end is repaired (:mod:`.attempts`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from offloadlib.heuristics.structured.evolving import evolved
from offloadlib.instances import LOCAL, Budget, Instance, Result
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, readable, subroutine, writable
from offloadlib.instances.loops import copy
from offloadlib.instances.run import Watch
from offloadlib.instances.structured.model import REFUSED

from .attempts import attempted
from .choices import (
    CHOICES,
    STATE,
    UNDECIDED,
    Choices,
    Menu,
    State,
    cancel,
    fits,
    in_time,
    may_transmit,
    place,
    settle,
)

ATTEMPTS = 2

LEAST_CAP, MOST_BEYOND = 1e-9, 1e6
"""What a limit counts as at least where something is relative to it, and what is beyond it at the most."""

PENALTY = 1e3
"""Of a device that breaks its limits, as a multiple of the cost of the first member."""


def solve(instance: Instance, budget: Budget, population: int, most: int) -> Result:
    """Differential evolution of one key for each subtask.

    Parameters
    ----------
    instance, budget
        As for any method.
    population, most
        Members, generations.
    """
    generations = 0

    def build(menu: Menu, choices: Choices, state: State, devices: Ints, watch: Watch) -> None:
        nonlocal generations
        generations += _evolved(menu, choices, state, devices, watch, budget, population, most)

    known = [instance.all_local, *([] if budget.start is None else [budget.start])]
    return attempted(instance, budget, build, known, ATTEMPTS, record=lambda: {"generations": generations})


def _evolved(
    menu: Menu,
    choices: Choices,
    state: State,
    devices: Ints,
    watch: Watch,
    budget: Budget,
    population: int,
    most: int,
) -> int:
    """Decide for devices; how many generations that took."""
    largest, caps = menu.instance.by_largest, menu.caps
    number = int(menu.sizes[devices].sum())
    best, least, penalty = np.zeros(number), np.inf, 0.0
    if not number:
        return 0
    copies: Any = map(np.copy, state)
    trial, listed = State(*copies), _listed(choices)

    def weighed(members: Floats) -> Floats:
        """(S, keys) -> (4, S) as from the kernel; ``trial`` has the decisions of the last member."""
        found = np.zeros((4, len(members)))
        weigh_members(choices, state, trial, devices, *listed, members, largest, found)
        return found

    def costs(members: Floats) -> Floats:
        """(S, D) keys -> (S,) costs; the best keys are kept."""
        nonlocal least, penalty
        cost, delay, energy, broken = weighed(members)
        penalty = penalty or PENALTY * (1.0 + abs(float(cost[0])))
        for spent, cap in ((delay, caps[0]), (energy, caps[1])):
            if np.isfinite(cap):
                beyond = np.minimum((spent - cap) / max(cap, LEAST_CAP), MOST_BEYOND)
                broken += np.where(spent > cap, 1 + beyond, 0.0)
        found: Floats = cost + broken * penalty
        s = int(np.argmin(found))
        if found[s] < least:
            least = float(found[s])
            best[:] = members[s]
        return found

    first = np.random.default_rng(budget.seed).random((population, number))
    first[0] = 0.0
    random = np.random.default_rng(budget.seed)
    generations = evolved(costs, first, most, random, watch, lambda: budget.tell(watch.seconds, None))
    weighed(best[None])
    for array, decided in zip(state, trial, strict=True):
        array[:] = decided
    return generations


def _listed(choices: Choices) -> tuple[Ints, Ints]:
    """(P, N), (P,) the points where each subtask may run, the cheapest first, and how many these are."""
    allowed = np.take_along_axis(choices.allowed[:, :-1], choices.order, axis=1)
    first = np.argsort(~allowed, axis=1, kind="stable")
    return np.take_along_axis(choices.order, first, axis=1), allowed.sum(axis=1)


_INTS, _TABLE = readable("int64"), readable("int64", 2)


@subroutine
def decode(choices: Choices, state: State, devices: Ints, listed: Ints, number: Ints, keys: Floats) -> int:
    """The decisions that keys stand for go to devices, which are undecided; how many break their limits.

    Parameters
    ----------
    listed, number
        (P, N), (P,) where each subtask may run.
    keys
        For all subtasks of the devices, from [0, 1].
    """
    broken, i = 0, 0
    for m in devices:
        first, end, sound = choices.start[m], choices.start[m + 1], True
        for p in range(first, end):
            state.places[p] = LOCAL
        for p in range(first, end):
            home = 1 if choices.allowed[p, LOCAL] else 0
            count = home + number[p]
            wanted = min(int(keys[i] * count), count - 1) - home
            i += 1
            if not sound:
                continue
            chosen = LOCAL if home else UNDECIDED
            if wanted >= 0 and may_transmit(choices, state, m):
                if fits(choices, state.left, p, listed[p, wanted]):
                    chosen = listed[p, wanted]
                for j in range(number[p]):
                    if chosen != UNDECIDED:
                        break
                    if fits(choices, state.left, p, listed[p, j]):
                        chosen = listed[p, j]
            if chosen == UNDECIDED:
                sound = False
            else:
                place(choices, state, m, p, chosen)
        if sound:
            settle(choices, state, m)
        else:
            cancel(choices, state, m)
        sound = sound and in_time(choices, m, state.delay[m], state.energy[m])
        if choices.refusal[m] < np.inf and not (sound and state.cost[m] <= choices.refusal[m]):
            if state.places[first] != UNDECIDED:
                cancel(choices, state, m)
            for p in range(first, end):
                state.places[p] = REFUSED
            settle(choices, state, m)
        elif not sound:
            broken += 1
    return broken


@kernel(
    types.void(
        *(CHOICES, STATE, STATE, _INTS, _TABLE, _INTS, readable("float64", 2), types.boolean),
        writable("float64", 2),
    ),
    needed=of_format_2,
)
def weigh_members(
    choices: Choices,
    state: State,
    trial: State,
    devices: Ints,
    listed: Ints,
    number: Ints,
    members: Floats,
    largest: bool,
    found: Floats,
) -> None:
    """What the decisions of each member (S, keys) come to.

    Parameters
    ----------
    state, trial
        What all begin with, and room for one of them.
    found
        (4, S) cost, delay and energy of all devices together, or the largest cost; how many devices break
        their limits.
    """
    cost, delay, energy, broken = found[0], found[1], found[2], found[3]
    for s in range(len(members)):
        copy(trial.left, state.left)
        copy(trial.spare, state.spare)
        copy(trial.places, state.places)
        copy(trial.cost, state.cost)
        copy(trial.delay, state.delay)
        copy(trial.energy, state.energy)
        copy(trial.on_air, state.on_air)
        broken[s] = decode(choices, trial, devices, listed, number, members[s])
        cost[s], known = 0.0, False
        for m in range(len(trial.cost)):
            delay[s] += trial.delay[m]
            energy[s] += trial.energy[m]
            if trial.cost[m] < np.inf:
                above = largest and (not known or trial.cost[m] > cost[s])
                cost[s] = trial.cost[m] if above else cost[s] if largest else cost[s] + trial.cost[m]
                known = True
