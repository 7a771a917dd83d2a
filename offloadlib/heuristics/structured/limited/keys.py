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
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution

from offloadlib.instances import LOCAL, Budget, Instance, Progress, Result, Termination
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, readable
from offloadlib.instances.structured.model import REFUSED

from .attempts import Watch, attempted
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
    of_format_2,
    place,
    settle,
)

ATTEMPTS = 2

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
    number, generations = int(menu.sizes[devices].sum()), 0
    best, least, penalty = np.zeros(number), np.inf, 0.0
    if not number:
        return 0

    def cost_of(keys: Floats) -> float:
        nonlocal penalty
        copies: Any = map(np.copy, state)
        trial = State(*copies)
        broken = decode(choices, trial, devices, keys)
        known = trial.cost[np.isfinite(trial.cost)]
        cost = float(known.max() if largest else known.sum()) if len(known) else 0.0
        penalty = penalty or PENALTY * (1.0 + abs(cost))
        for spent, cap in ((trial.delay.sum(), caps[0]), (trial.energy.sum(), caps[1])):
            if spent > cap:
                broken += 1 + min((spent - cap) / max(cap, 1e-9), 1e6)
        return cost + broken * penalty

    def costs(keys: NDArray[np.float64]) -> NDArray[np.float64]:
        """(D, S) keys -> (S,) costs; the best keys are kept."""
        nonlocal least
        members = np.ascontiguousarray(keys.T)
        found = np.array([cost_of(member) for member in members])
        s = int(np.argmin(found))
        if found[s] < least:
            least = float(found[s])
            best[:] = members[s]
        return found

    def after(_: NDArray[np.float64], convergence: float) -> bool:
        nonlocal generations
        generations += 1
        if budget.on_progress is not None:
            budget.on_progress(Progress(watch.seconds, None, None))
        return watch.over

    first = np.random.default_rng(budget.seed).random((population, number))
    first[0] = 0.0
    try:
        differential_evolution(
            costs,  # type: ignore[arg-type]  # the stubs know no vectorised functions
            Bounds(np.zeros(number), np.ones(number)),
            maxiter=most,
            init=first,
            tol=0.0,
            rng=np.random.default_rng(budget.seed),
            polish=False,
            updating="deferred",
            vectorized=True,
            callback=after,  # type: ignore[arg-type]  # nor callbacks that may stop it
        )
    except KeyboardInterrupt:
        watch.termination = Termination.INTERRUPTED
    decode(choices, state, devices, best)
    return generations


@kernel(types.int64(CHOICES, STATE, readable("int64"), readable("float64")), needed=of_format_2)
def decode(choices: Choices, state: State, devices: Ints, keys: Floats) -> int:
    """The decisions that keys stand for go to devices, which are undecided; how many break their limits.

    Parameters
    ----------
    keys
        For all subtasks of the devices, from [0, 1].
    """
    points, broken, i = choices.order.shape[1], 0, 0
    for m in devices:
        first, end, sound = choices.start[m], choices.start[m + 1], True
        for p in range(first, end):
            state.places[p] = LOCAL
        for p in range(first, end):
            home = choices.allowed[p, LOCAL]
            count = 1 if home else 0
            for n in range(points):
                count += choices.allowed[p, n]
            chosen, turn, wanted = UNDECIDED, 0, min(int(keys[i] * count), count - 1)
            i += 1
            if not sound:
                continue
            if home:
                chosen, turn = LOCAL, 1
            if not (home and wanted == 0) and may_transmit(choices, state, m):
                for j in range(points):
                    n = choices.order[p, j]
                    if not choices.allowed[p, n]:
                        continue
                    free = fits(choices, state.left, p, n)
                    if free and (turn == wanted or chosen == UNDECIDED):
                        chosen = n
                    turn += 1
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
