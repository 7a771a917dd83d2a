r"""The cheapest decision of one device, given what all limits leave.

Depth first in topological order, as in :mod:`.improve` of the parent folder, with its bound on the cost; a
fee counts with the energy of its subtask. Two more bounds of the same kind, on seconds and on mJ, cut off
what cannot keep the deadline or the energy budget.

A point needs no try for a subtask where others that are not slower and not dearer have room for so many of
the device's subtasks that one is free whatever the others do: it could move there.
"""

from __future__ import annotations

import numpy as np
from numba import types

from offloadlib.instances import LOCAL
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, readable, shared, subroutine, writable
from offloadlib.instances.loops import copy
from offloadlib.instances.structured.flat import both_sides
from offloadlib.instances.structured.model import REFUSED

from .choices import (
    CHOICES,
    STATE,
    UNDECIDED,
    Choices,
    Menu,
    State,
    cancel,
    fits,
    occupy,
    release,
    take,
)

LARGEST_SEARCH = 20_000
"""Nodes of the search for one device's decision."""

WORTH = 1e-12
"""Relative to the device's cost: what saves less is a matter of rounding."""


@subroutine
def slots(choices: Choices, m: int, left: Ints, n: int) -> int:
    """For how many subtasks of device m, whichever they are, there is room at point n, at least; -1: for none
    of them, whichever it is."""
    size, resources = choices.start[m + 1] - choices.start[m], choices.demand.shape[2]
    count, all_fit = size, True
    for r in range(resources):
        i = n * resources + r
        for e in range(choices.uses_start[i], choices.uses_start[i + 1]):
            limit = choices.uses[e]
            if left[limit] < choices.least[m, r]:
                return -1
            if left[limit] < choices.need[m, r]:
                all_fit = False
                if limit >= choices.shared_from:
                    count = 0  # what is taken at other points counts too
                elif choices.most[m, r] > 0:
                    count = min(count, left[limit] // choices.most[m, r])
    return int(size if all_fit else count)


@subroutine
def menus(choices: Choices, m: int, left: Ints, banned: int, menu: Ints, count: Ints, least: Floats) -> bool:
    """The points that each subtask has to try, those that cost least first.

    Parameters
    ----------
    banned
        A point that may not be used; N: none may; -1: any may.
    menu, count
        (K, N), (K,) the points.
    least
        (K, 3) the least seconds, fee, and cost of both together, of these.

    Returns
    -------
    bool
        Whether every subtask has a place at all.
    """
    points, channel = choices.order.shape[1], choices.channel[m]
    if banned == points or (channel >= 0 and left[channel] <= 0):
        points = 0
    room = np.zeros(points, dtype=np.int64)
    for n in range(points):
        room[n] = slots(choices, m, left, n)
    size, a, served = len(count), choices.delay_weight[m], True
    for k in range(size):
        p = choices.start[m] + k
        count[k] = 0
        least[k, 0], least[k, 1], least[k, 2] = np.inf, np.inf, np.inf
        for i in range(points):
            n = choices.order[p, i]
            if room[n] < 0 or n == banned or not choices.allowed[p, n] or not fits(choices, left, p, n):
                continue
            seconds, fee, better = choices.seconds[p, n], choices.fee[p, n], 0
            for j in range(count[k]):
                other = menu[k, j]
                if choices.seconds[p, other] <= seconds and choices.fee[p, other] <= fee:
                    better += room[other]
            if better >= size:
                continue
            menu[k, count[k]] = n
            count[k] += 1
            least[k, 0] = min(least[k, 0], seconds)
            least[k, 1] = min(least[k, 1], fee)
            least[k, 2] = min(least[k, 2], a * seconds + fee)
        served = served and (count[k] > 0 or choices.allowed[p, LOCAL])
    return served


@shared(
    types.Tuple((types.float64, types.boolean))(
        *(CHOICES, types.int64, writable("int64"), types.float64, types.float64),
        *(types.int64, types.float64, writable("int64")),
    )
)
def cheapest_decision(
    choices: Choices,
    m: int,
    left: Ints,
    deadline: float,
    budget: float,
    banned: int,
    least: float,
    best: Ints,
) -> tuple[float, bool]:
    """The decision of device m, which holds nothing, that costs least, if that is less than ``least``.

    Parameters
    ----------
    left
        Of each limit; the same in the end.
    deadline, budget
        The most seconds and mJ.
    banned
        As for :func:`menus`.
    best
        (K,) the decision, changed only where a cheaper one is found.

    Returns
    -------
    least, complete
        The cost of the decision, and False if the search was cut short.
    """
    first, last = choices.start[m], choices.start[m + 1]
    size, arcs = last - first, choices.into[first]
    a, b = choices.delay_weight[m], choices.energy_weight[m]
    menu, count = np.empty((size, choices.order.shape[1]), np.int64), np.zeros(size, np.int64)
    there = np.empty((size, 3))
    if not menus(choices, m, left, banned, menu, count, there):
        return least, True
    # Of cost and of seconds (the last index): what comes after k by its side, through an arc by the side of
    # its origin, through the heads from k on. The least energies from k on: weighted with fees, in mJ.
    ahead, through = np.zeros((size, 2, 2)), np.zeros((choices.into[last] - arcs, 2, 2))
    entry, rest = np.zeros((size + 1, 2)), np.zeros((size + 1, 2))
    local_first = np.zeros(size, dtype=np.bool_)
    for k in range(size - 1, -1, -1):
        p = first + k
        home_spent = b * choices.local_energy[p] + choices.fee[p, LOCAL]
        home, home_seconds, home_energy = (
            a * choices.local_delay[p],
            choices.local_delay[p],
            choices.local_energy[p],
        )
        if not choices.allowed[p, LOCAL]:
            home_spent, home_seconds, home_energy = np.inf, np.inf, np.inf
        away_spent = b * choices.radio_energy[p] + there[k, 1]
        away_energy = choices.radio_energy[p] if count[k] > 0 else np.inf
        cheap = min(home_spent, away_spent)
        away = a * choices.radio_delay[p] + b * choices.radio_energy[p] + there[k, 2]
        away_seconds = choices.radio_delay[p] + there[k, 0]
        local_first[k] = home + home_spent < away
        rest[k, 0] = rest[k + 1, 0] + cheap
        rest[k, 1] = rest[k + 1, 1] + min(home_energy, away_energy)
        home += home_spent - cheap + ahead[k, 0, 0]
        away += ahead[k, 1, 0] - cheap
        home_seconds += ahead[k, 0, 1]
        away_seconds += ahead[k, 1, 1]
        entry[k, 0], entry[k, 1] = entry[k + 1, 0], entry[k + 1, 1]
        if choices.into[p] == choices.into[p + 1]:
            entry[k, 0] = max(entry[k, 0], min(home, away))
            entry[k, 1] = max(entry[k, 1], min(home_seconds, away_seconds))
        for arc in range(choices.into[p], choices.into[p + 1]):
            j, e = choices.before[arc] - first, arc - arcs
            up, down = choices.up_delay[arc], choices.down_delay[arc]
            through[e, 0, 0] = min(home, away + a * up + b * choices.up_energy[arc])
            through[e, 1, 0] = min(home + a * down + b * choices.down_energy[arc], away)
            through[e, 0, 1] = min(home_seconds, away_seconds + up)
            through[e, 1, 1] = min(home_seconds + down, away_seconds)
            for s in range(2):
                for i in range(2):
                    ahead[j, s, i] = max(ahead[j, s, i], through[e, s, i])
    row, tried = np.full(size, -1), np.zeros(size, dtype=np.int64)
    finish, latest, spent = np.empty(size), np.zeros(size + 1), np.zeros((size + 1, 2))
    k, nodes = 0, 0
    while k >= 0:
        p = first + k
        if tried[k] > 0 and row[k] >= 0:
            take(choices, left, p, row[k], -1)
        if tried[k] == count[k] + 1 or nodes > LARGEST_SEARCH:
            tried[k], row[k] = 0, LOCAL
            k -= 1
            continue
        # Option 0 is local if that comes first, else the last option is.
        choice = tried[k] - 1 if local_first[k] else tried[k]
        tried[k] += 1
        row[k] = LOCAL
        if 0 <= choice < count[k]:
            n = menu[k, choice]
            if not fits(choices, left, p, n):
                continue
            row[k] = n
            take(choices, left, p, n, 1)
        elif not choices.allowed[p, LOCAL]:
            continue
        nodes += 1
        delay, energy, away_delay, away_energy = both_sides(choices, p, first, row)
        if row[k] >= 0:
            delay, energy = away_delay + choices.seconds[p, row[k]], away_energy
        begun = 0.0
        for arc in range(choices.into[p], choices.into[p + 1]):
            begun = max(begun, finish[choices.before[arc] - first])
        finish[k] = begun + delay
        latest[k + 1] = max(latest[k], finish[k])
        spent[k + 1, 0] = spent[k, 0] + b * energy + choices.fee[p, row[k]]
        spent[k + 1, 1] = spent[k, 1] + energy
        path, seconds = max(a * latest[k + 1], entry[k + 1, 0]), max(latest[k + 1], entry[k + 1, 1])
        for arc in range(choices.into[p + 1], choices.into[last]):
            j = choices.before[arc] - first
            if j <= k:
                s = 1 if row[j] >= 0 else 0
                path = max(path, a * finish[j] + through[arc - arcs, s, 0])
                seconds = max(seconds, finish[j] + through[arc - arcs, s, 1])
        if spent[k + 1, 0] + rest[k + 1, 0] + path >= least:
            continue
        if seconds > deadline or spent[k + 1, 1] + rest[k + 1, 1] > budget:
            continue
        if k == size - 1:
            least = spent[size, 0] + a * latest[size]
            copy(best, row)
            continue
        k += 1
    return least, nodes <= LARGEST_SEARCH


@subroutine
def answer(
    choices: Choices, state: State, m: int, banned: int, least: float, best: Ints
) -> tuple[float, bool]:
    """:func:`cheapest_decision` of device m, which holds nothing, or its refusal, within all limits."""
    if choices.refusal[m] < least:
        least = choices.refusal[m]
        for k in range(len(best)):
            best[k] = REFUSED
    deadline = min(choices.deadline[m], state.spare[0])
    budget = min(choices.budget[m], state.spare[1])
    return cheapest_decision(choices, m, state.left, deadline, budget, banned, least, best)


_COUNTS = types.UniTuple(types.int64, 2)


@kernel(_COUNTS(CHOICES, STATE, readable("int64")), needed=of_format_2)
def decide(choices: Choices, state: State, devices: Ints) -> tuple[int, int]:
    """Let devices take their cheapest decisions in turn, given what the others leave.

    Returns
    -------
    changed, cut
        How many devices decided anew; how many searches were cut short.
    """
    changed, cut = 0, 0
    for m in devices:
        row = state.places[choices.start[m] : choices.start[m + 1]].copy()
        below = state.cost[m]
        if row[0] != UNDECIDED:
            below -= WORTH * abs(below)
            release(choices, state, m)
        least, complete = answer(choices, state, m, -1, below, row)
        cut += not complete
        changed += least < below
        if row[0] != UNDECIDED:
            occupy(choices, state, m, row)
    return changed, cut


@kernel(types.void(CHOICES, STATE, readable("int64")), needed=of_format_2)
def drop(choices: Choices, state: State, devices: Ints) -> None:
    """Take devices' decisions back."""
    for m in devices:
        cancel(choices, state, m)


@kernel(
    types.void(CHOICES, readable("int64"), readable("int64"), writable("float64"), writable("int64")),
    needed=of_format_2,
)
def alone(choices: Choices, right: Ints, devices: Ints, cost: Floats, places: Ints) -> None:
    """The cheapest decisions of devices (D,), served or refused, as if each were the only one.

    Parameters
    ----------
    right
        (L,) all that there is.
    cost, places
        (M,), (P,) what it costs and what it is; infinite and :data:`UNDECIDED` where there is none.
    """
    left = right.copy()
    for m in devices:
        row = np.full(choices.start[m + 1] - choices.start[m], UNDECIDED)
        least = np.inf
        if choices.refusal[m] < least:
            least = choices.refusal[m]
            for k in range(len(row)):
                row[k] = REFUSED
        cost[m], _ = cheapest_decision(
            choices, m, left, choices.deadline[m], choices.budget[m], -1, least, row
        )
        copy(places[choices.start[m] : choices.start[m + 1]], row)


def alone_of(menu: Menu, choices: Choices) -> State:
    """The cheapest decision of each device alone, with all room there is: ``cost`` and ``places``."""
    state = menu.undecided()
    alone(choices, menu.right, np.arange(len(state.cost)), state.cost, state.places)
    return state
