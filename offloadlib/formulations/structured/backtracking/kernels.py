"""Compiled searches over the places of subtasks: of all devices at once, or of one device at a time.

The tasks lie in a row, device after device, each in topological order, so that subtask p is decided after
its predecessors and what it adds to delay and energy is known at once. A search is a loop over positions
p with all of its state in arrays: it stops after any number of steps and goes on later, so that the
caller can look at the clock, and Ctrl-C reach it, in between. A *node* is one place tried for one subtask
that has room there.

Places are -1 (local) and 0..I-1, numbers of what has a speed and room: the offload points for
:func:`as_written`, else the pools of offload points (:mod:`.structured.pooling`), the fastest first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints, frozen
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_1,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.loops import copy, order_of
from offloadlib.instances.structured.flat import FLAT_TASKS, FlatTasks
from offloadlib.instances.structured.inlined import at_point, crosses, side

EXHAUSTED, PAUSED, LEAF, FULL = 0, 1, 2, 3
"""Why a search returns: nothing is left, the steps are spent, a decision is complete, no room to keep it."""

DEVICE, POSITION, NODES, LEAVES = 0, 1, 2, 3
"""What the entries of ``State.cursor`` are."""

FRESH = -1
"""The position of a search that has not begun."""

EQUAL, SOMETHING = 1e-12, 5e-324
"""Relative difference of costs that is taken for rounding, and the least positive number."""


class Fronts(NamedTuple):
    """What a search looks up of P subtasks in a row.

    Attributes
    ----------
    opening
        (P,) 1 for the first subtask of a device.
    radio
        (P,) offload point of the device's radio, -1: none.
    cut_start, cut
        (P+1,), (C,) for each p the arcs (j, k) with j <= p < k.
    """

    opening: Ints
    radio: Ints
    cut_start: Ints
    cut: Ints

    @classmethod
    def of(cls, tasks: FlatTasks) -> Fronts:
        """Those of some tasks."""
        size, incoming = tasks.start[-1], np.diff(tasks.into)
        after = np.repeat(np.arange(size), incoming)
        spans = after - tasks.before
        arc = np.repeat(np.arange(len(after)), spans)
        p = np.arange(len(arc)) + np.repeat(tasks.before - np.cumsum(spans) + spans, spans)
        order = np.argsort(p, kind="stable")
        fields = (
            np.isin(np.arange(size), tasks.start),
            np.repeat(tasks.radio, np.diff(tasks.start)),
            np.searchsorted(p[order], np.arange(size + 1)),
            arc[order],
        )
        return cls(*(frozen(field, np.int64) for field in fields))


class Market(NamedTuple):
    """Where subtasks may go, and what is paid for it.

    Attributes
    ----------
    speed, price
        (I,) of each place, the fastest first, and of a subtask there.
    charge
        (D,) what a device that goes on air pays.
    """

    speed: Floats
    price: Floats
    charge: Floats

    @classmethod
    def of(cls, speed: Floats, price: Floats, charge: Floats) -> Market:
        """As kernels want them."""
        return cls(read_only(speed), read_only(price), read_only(charge))


class State(NamedTuple):
    """Where a search stands; entry p of a (P,) array is what holds once subtask p is decided.

    Attributes
    ----------
    cursor
        (4,) device, position, and nodes and leaves so far.
    tried
        (P,) how many places of p have been tried.
    place
        (P,) the place of p.
    away
        (P,) subtasks of the device that are offloaded, up to p.
    finish, latest
        (P,) weighted time at which p is finished, and the latest one of the device so far.
    spent
        (P,) cost of the devices before, and weighted energy of this one up to p.
    paid
        (P,) prices paid up to p.
    left
        (I,) subtasks that each place can still take.
    air
        (N,) devices that the radio of each offload point can still serve.
    """

    cursor: Ints
    tried: Ints
    place: Ints
    away: Ints
    finish: Floats
    latest: Floats
    spent: Floats
    paid: Floats
    left: Ints
    air: Ints

    @classmethod
    def fresh(cls, size: int, left: Ints, air: Ints) -> State:
        """A search over so many subtasks that has not begun, with this room at places and on radios."""
        return cls(
            cursor=np.array([0, FRESH, 0, 0]),
            tried=np.zeros(size, dtype=np.int64),
            place=np.zeros(size, dtype=np.int64),
            away=np.zeros(size, dtype=np.int64),
            finish=np.zeros(size),
            latest=np.zeros(size),
            spent=np.zeros(size),
            paid=np.zeros(size),
            left=left.copy(),
            air=air.copy(),
        )


class Lookahead(NamedTuple):
    """What is known of the undecided subtasks (:mod:`.device`), and the order of places.

    Attributes
    ----------
    rest
        (P,) least energies and prices of the device's subtasks after p, summed.
    ahead
        (P, 2) what a path that goes on from p adds to that, with p local and p offloaded.
    through
        (A, 2) the same of a path that goes on along an arc.
    entry
        (P,) the same of a path that begins at a head after p.
    options, choices
        (P, I+1), (P,) the places worth trying, the most promising first, and how many they are.
    """

    rest: Floats
    ahead: Floats
    through: Floats
    entry: Floats
    options: Ints
    choices: Ints

    @classmethod
    def fresh(cls, tasks: FlatTasks, places: int) -> Lookahead:
        """Room for the tables of a search with so many places."""
        size, arcs = tasks.start[-1], len(tasks.before)
        return cls(
            rest=np.zeros(size),
            ahead=np.zeros((size, 2)),
            through=np.zeros((arcs, 2)),
            entry=np.zeros(size),
            options=np.zeros((size, places + 1), dtype=np.int64),
            choices=np.zeros(size, dtype=np.int64),
        )


class Walk(NamedTuple):
    """All that a search needs, and where it stands."""

    tasks: FlatTasks
    fronts: Fronts
    market: Market
    tables: Lookahead
    state: State


class Best(NamedTuple):
    """The best decisions so far: (P,) places, (D,) their cost, and (D,) their cost and price."""

    places: Ints
    cost: Floats
    value: Floats


class Turns(NamedTuple):
    """The offload points behind the places, for devices that choose among equal decisions in turn.

    Attributes
    ----------
    cursor
        (2,) the subtask that is being settled (:data:`FRESH`: the least cost is not known yet), and the
        point that is tried for it, -1: its own device.
    place, twin
        (N,) the place that a point belongs to, and the point listed before it there, -1: none.
    left
        (N,) subtasks that each point can still take.
    draft
        (P,) points of the device whose turn it is.
    chosen
        (P,) points of the devices that have had their turn.
    """

    cursor: Ints
    place: Ints
    twin: Ints
    left: Ints
    draft: Ints
    chosen: Ints

    @classmethod
    def of(cls, place: Ints, left: Ints, size: int) -> Turns:
        """Before the first turn: the place and room of each point, and how many subtasks there are."""
        twin, last = np.full(len(place), -1), np.full(len(place) + 1, -1)
        for n, at in enumerate(place):
            twin[n], last[at] = last[at], n
        local = np.full(size, -1)
        return cls(
            np.array([FRESH, -1]),
            frozen(place, np.int64),
            frozen(twin, np.int64),
            left.copy(),
            local,
            local.copy(),
        )


class Found(NamedTuple):
    """Decisions of one device: (B, K) places, (B,) cost, and (1,) how many there are."""

    places: Ints
    cost: Floats
    number: Ints


_READ, _READ_INT = readable("float64"), readable("int64")
_WRITE, _WRITE_INT = writable("float64"), writable("int64")
_TABLE, _TABLE_INT = writable("float64", 2), writable("int64", 2)
_WALK = named(
    Walk,
    FLAT_TASKS,
    named(Fronts, *[_READ_INT] * 4),
    named(Market, *[_READ] * 3),
    named(Lookahead, _WRITE, _TABLE, _TABLE, _WRITE, _TABLE_INT, _WRITE_INT),
    named(State, *[_WRITE_INT] * 4, *[_WRITE] * 4, *[_WRITE_INT] * 2),
)
_BEST = named(Best, _WRITE_INT, _WRITE, _WRITE)
_TURNS = named(Turns, _WRITE_INT, *[_READ_INT] * 2, *[_WRITE_INT] * 3)
_FOUND = named(Found, _TABLE_INT, _WRITE, _WRITE_INT)


@subroutine
def _next_leaf(
    walk: Walk, devices: tuple[int, int], charge: float, threshold: float, steps: int
) -> tuple[int, int]:
    """Go on, depth first, to the next decisions of some devices with cost and price below a threshold.

    Parameters
    ----------
    devices
        The first one, and the one after the last.
    charge
        Of a device that goes on air.
    steps
        After so many it pauses.

    Returns
    -------
    code, steps
        :data:`LEAF` (``state.place`` holds the decisions), :data:`EXHAUSTED` (``state`` is as it was in
        the beginning) or :data:`PAUSED`, and the steps that are left.
    """
    # One function, with the arrays as local variables: each array that is passed on, or taken out of a
    # tuple, in the loop costs as much as a node.
    tasks, fronts, market, tables, state = walk
    start, _, arcs, before = tasks[:4]
    local_delay, local_energy, radio_delay, radio_energy, work = tasks[4:9]
    up_delay, up_energy, down_delay, down_energy = tasks[9:]
    opening, radio, cut_start, cut = fronts
    speed, price, _ = market
    cursor, tried, places, away, finish, latest, spent, paid, left, air = state
    rest, _, through, entry, options, choices = tables
    first, last = start[devices[0]], start[devices[1]] - 1
    p, nodes, leaves, code = cursor[POSITION], 0, 0, PAUSED
    while steps > 0:
        steps -= 1
        if tried[p] == choices[p]:  # back to the subtask before
            tried[p] = 0
            p -= 1
            if p < first:
                code = EXHAUSTED
                break
            if places[p] >= 0:
                left[places[p]] += 1
                if away[p] == 1:
                    air[radio[p]] += 1
            continue
        place = options[p, tried[p]]
        tried[p] += 1
        fresh = p == first or opening[p] == 1
        on_air = not fresh and away[p - 1] > 0
        if place >= 0 and (left[place] == 0 or not (on_air or air[radio[p]] > 0)):
            continue
        nodes += 1
        if place < 0:
            delay, energy = local_delay[p], local_energy[p]
        else:
            there, more = at_point(work[p], speed[place])
            delay, energy = radio_delay[p] + there, radio_energy[p] + more
        ready = 0.0
        for arc in range(arcs[p], arcs[p + 1]):
            j = before[arc]
            ready = max(ready, finish[j])
            up, down = crosses(side(places[j]), side(place))
            if up:
                delay += up_delay[arc]
                energy += up_energy[arc]
            elif down:
                delay += down_delay[arc]
                energy += down_energy[arc]
        places[p] = place
        finish[p] = ready + delay
        latest[p] = finish[p] if fresh else max(latest[p - 1], finish[p])
        away[p] = 0 if fresh else away[p - 1]
        spent[p] = energy
        paid[p] = 0.0
        if p > first:
            spent[p] += spent[p - 1] + (latest[p - 1] if fresh else 0.0)
            paid[p] = paid[p - 1]
        if place >= 0:
            away[p] += 1
            paid[p] += price[place] + (0.0 if on_air else charge)
        longest = max(latest[p], entry[p])
        for i in range(cut_start[p], cut_start[p + 1]):
            j = before[cut[i]]
            longest = max(longest, finish[j] + through[cut[i], 1 if places[j] >= 0 else 0])
        leaves += p == last
        if spent[p] + paid[p] + rest[p] + longest >= threshold:
            continue
        if p == last:
            code = LEAF
            break
        if place >= 0:
            left[place] -= 1
            if not on_air:
                air[radio[p]] -= 1
        p += 1
    cursor[POSITION] = p
    cursor[NODES] += nodes
    cursor[LEAVES] += leaves
    return code, steps


@kernel(types.int64(_WALK, _WRITE_INT, _WRITE, types.int64), needed=of_format_1)
def as_written(walk: Walk, best: Ints, least: Floats, steps: int) -> int:
    """Walk all devices together for decisions of less and less cost.

    Parameters
    ----------
    walk
        Fresh at first; its tables and prices are whatever the caller knows.
    best, least
        (P,), (1,) the best decisions so far and their cost, which this changes.
    steps
        After so many it pauses.

    Returns
    -------
    int
        :data:`EXHAUSTED` or :data:`PAUSED`.
    """
    state = walk.state
    devices = (0, len(walk.tasks.start) - 1)
    if state.cursor[POSITION] == FRESH:
        state.cursor[POSITION] = 0
    while True:
        code, steps = _next_leaf(walk, devices, 0.0, least[0], steps)
        if code != LEAF:
            return int(code)
        copy(best, state.place)
        least[0] = state.spent[-1] + state.latest[-1]


@subroutine
def _open(walk: Walk, m: int, every: bool) -> None:
    """Begin the search of device m: fill the tables for these prices and what is left of the places.

    No place may be dearer than a faster one. Unless ``every`` decision is asked for, a place is not worth
    trying where faster ones of the same price have room for all subtasks: moving there costs no more.
    """
    tasks, tables, state = walk.tasks, walk.tables, walk.state
    speed, price = walk.market.speed, walk.market.price
    first, end = tasks.start[m], tasks.start[m + 1]
    usable = np.empty(len(speed), dtype=np.int64)
    count, room, least = 0, 0, np.inf
    for i in range(len(speed)):
        if i > 0 and price[i] < price[i - 1]:
            room = 0
        if state.left[i] > 0 and (every or room < end - first):
            usable[count] = i
            count += 1
            room += min(state.left[i], end - first)
            least = min(least, price[i])
    tables.ahead[first:end] = 0.0
    rest, entry = 0.0, 0.0
    value = np.empty(count + 1)
    for p in range(end - 1, first - 1, -1):
        tables.rest[p], tables.entry[p] = rest, entry
        value[0] = tasks.local_delay[p] + tasks.local_energy[p]
        for i in range(count):
            at = usable[i]
            radio = tasks.radio_delay[p] + tasks.radio_energy[p]
            there, more = at_point(tasks.work[p], speed[at])
            value[i + 1] = radio + there + more + price[at]
        order = order_of(value, 0, count + 1)
        for i in range(count + 1):
            tables.options[p, i] = -1 if order[i] == 0 else usable[order[i] - 1]
        tables.choices[p] = count + 1
        alone = min(tasks.local_energy[p], tasks.radio_energy[p] + least)
        local = value[0] - alone + tables.ahead[p, 0]
        offloaded = np.inf
        for i in range(1, count + 1):
            offloaded = min(offloaded, value[i])
        offloaded = offloaded - alone + tables.ahead[p, 1]
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            up = tasks.up_delay[arc] + tasks.up_energy[arc]
            down = tasks.down_delay[arc] + tasks.down_energy[arc]
            j = tasks.before[arc]
            for o, through in enumerate((min(local, up + offloaded), min(local + down, offloaded))):
                tables.through[arc, o] = through
                tables.ahead[j, o] = max(tables.ahead[j, o], through)
        rest += alone
        if tasks.into[p] == tasks.into[p + 1]:
            entry = max(entry, min(local, offloaded))
    state.cursor[POSITION] = first
    state.tried[first:end] = 0


@subroutine
def _start_from(
    places: Ints, cost: float, price: Floats, charge: float, local: float, anew: bool
) -> tuple[float, float]:
    """The decision to beat: the one that is there or, where that is cheaper or ``anew``, all-local.

    Returns
    -------
    cost, value
        Its cost, and its cost and price.
    """
    paid, fee = 0.0, 0.0
    for place in places:
        if place >= 0:
            paid += price[place]
            fee = charge
    value = cost + paid + fee
    if anew or local <= value:
        places[:] = -1
        return local, local
    return cost, value


@kernel(types.boolean(_WALK, _READ, types.boolean, _BEST, types.int64), needed=of_format_1)
def device_by_device(walk: Walk, local: Floats, in_turn: bool, best: Best, steps: int) -> bool:
    """For each device the decision of least cost and price.

    Parameters
    ----------
    walk
        Fresh at first, with what there is of places and radios.
    local
        (D,) cost of each device's all-local decision.
    in_turn
        Whether a device gets what the ones before leave, or everything.
    best
        The decisions; where devices get everything, they start from those that are there already.
    steps
        After so many it pauses.

    Returns
    -------
    bool
        Whether all devices are done.
    """
    tasks, market, state, cost, value = walk.tasks, walk.market, walk.state, best.cost, best.value
    while state.cursor[DEVICE] < len(local):
        m = state.cursor[DEVICE]
        mine, charge = best.places[tasks.start[m] : tasks.start[m + 1]], market.charge[m]
        if state.cursor[POSITION] == FRESH:
            cost[m], value[m] = _start_from(mine, cost[m], market.price, charge, local[m], in_turn)
            _open(walk, m, False)
        code, steps = _next_leaf(walk, (m, m + 1), charge, value[m], steps)
        if code == PAUSED:
            return False
        if code == LEAF:
            last = tasks.start[m + 1] - 1
            copy(mine, state.place[tasks.start[m] : last + 1])
            cost[m] = state.spent[last] + state.latest[last]
            value[m] = cost[m] + state.paid[last]
            continue
        if in_turn:
            _take(walk, m, mine)
        state.cursor[DEVICE] += 1
        state.cursor[POSITION] = FRESH
    return True


@subroutine
def _take(walk: Walk, m: int, places: Ints) -> None:
    """Device m has decided: what it uses is gone."""
    state, on_air = walk.state, False
    for place in places:
        if place >= 0:
            state.left[place] -= 1
            on_air = True
    if on_air:
        state.air[walk.tasks.radio[m]] -= 1


@kernel(types.boolean(_WALK, _READ, _BEST, _TURNS, types.int64), needed=of_format_1)
def first_in_turn(walk: Walk, local: Floats, best: Best, turns: Turns, steps: int) -> bool:
    """For each device in turn, of its decisions of least cost the one that Algorithm 1 comes to first.

    Algorithm 1 tries the places of a subtask in the order 0..N. So when the least cost is known, the
    subtasks are settled one after the other: each takes the first place from which the least cost can still
    be reached. That is asked of the same search, with the places of the subtasks before fixed.

    Parameters
    ----------
    walk
        Fresh at first, without prices.
    local
        (D,) cost of each device's all-local decision.
    best, turns
        The decisions by place and by point.
    steps
        After so many it pauses.

    Returns
    -------
    bool
        Whether all devices are done.
    """
    tasks, tables, state, cursor = walk.tasks, walk.tables, walk.state, turns.cursor
    cost, value = best.cost, best.value
    while state.cursor[DEVICE] < len(local):
        m = state.cursor[DEVICE]
        first, end = tasks.start[m], tasks.start[m + 1]
        mine, threshold = best.places[first:end], value[m]
        if state.cursor[POSITION] == FRESH:
            cost[m], value[m] = _start_from(mine, cost[m], walk.market.price, 0.0, local[m], True)
            _open(walk, m, False)
            threshold = value[m]
        settling = cursor[0] != FRESH
        if settling:
            p, tried = cursor[0], cursor[1]
            place = turns.place[tried] if tried >= 0 else -1
            twin = turns.twin[tried] if tried >= 0 else -1
            while twin >= 0 and turns.left[twin] == 0:
                twin = turns.twin[twin]
            if tried >= 0 and (turns.left[tried] == 0 or twin >= 0):  # full, or the same as one before
                cursor[1] += 1
                continue
            if place == mine[p - first]:
                turns.draft[p] = tried
                if tried >= 0:
                    turns.left[tried] -= 1
                tables.options[p, 0], tables.choices[p] = place, 1
                cursor[0], cursor[1] = p + 1, -1
                if p + 1 < end:
                    continue
                copy(turns.chosen[first:end], turns.draft[first:end])
                _take(walk, m, mine)
                state.cursor[DEVICE] += 1
                state.cursor[POSITION] = FRESH
                cursor[0] = FRESH
                continue
            tables.options[p, 0], tables.choices[p] = place, 1
            threshold = value[m] + EQUAL * value[m] + SOMETHING
        code, steps = _next_leaf(walk, (m, m + 1), 0.0, threshold, steps)
        if code == PAUSED:
            return False
        if code == LEAF:
            copy(mine, state.place[first:end])
            if not settling:
                cost[m] = state.spent[end - 1] + state.latest[end - 1]
                value[m] = cost[m]
                continue
            for p in range(first, end):  # as it was in the beginning; the last subtask has taken nothing yet
                state.tried[p] = 0
                if p < end - 1 and state.place[p] >= 0:
                    state.left[state.place[p]] += 1
                    if state.away[p] == 1:
                        state.air[tasks.radio[m]] += 1
        elif settling:
            cursor[1] += 1
        else:
            cursor[0], cursor[1] = first, -1
        state.cursor[POSITION] = first
    return True


@kernel(types.boolean(_WALK, types.boolean, _BEST, types.int64), needed=of_format_1)
def each_as_written(walk: Walk, connected_first: bool, best: Best, steps: int) -> bool:
    """For each device in turn the first decision of least cost, by enumeration.

    Parameters
    ----------
    walk
        Fresh at first; its tables know nothing, and have the places in the order of Algorithm 1.
    connected_first
        Whether a device has the point of its radio for itself while that has room for the whole task.
    best
        The decisions; all-local at first.
    steps
        After so many it pauses.

    Returns
    -------
    bool
        Whether all devices are done.
    """
    tasks, tables, state, cost = walk.tasks, walk.tables, walk.state, best.cost
    while state.cursor[DEVICE] < len(cost):
        m = state.cursor[DEVICE]
        first, end = tasks.start[m], tasks.start[m + 1]
        mine = best.places[first:end]
        if state.cursor[POSITION] == FRESH:
            state.cursor[POSITION] = first
            cost[m] = np.inf
            point = tasks.radio[m]
            if connected_first and point >= 0 and state.left[point] >= end - first:
                tables.options[first:end, 1], tables.choices[first:end] = point, 2
        code, steps = _next_leaf(walk, (m, m + 1), 0.0, cost[m], steps)
        if code == PAUSED:
            return False
        if code == LEAF:
            copy(mine, state.place[first:end])
            cost[m] = state.spent[end - 1] + state.latest[end - 1]
            continue
        _take(walk, m, mine)
        state.cursor[DEVICE] += 1
        state.cursor[POSITION] = FRESH
    return True


@kernel(types.int64(_WALK, types.int64, types.float64, _FOUND, types.int64), needed=of_format_1)
def decisions_below(walk: Walk, m: int, threshold: float, found: Found, steps: int) -> int:
    """All decisions of device m with cost and price below a threshold.

    Parameters
    ----------
    walk
        As for :func:`device_by_device`.
    m, threshold
        The device, and the threshold.
    found
        What this adds to.
    steps
        After so many it pauses.

    Returns
    -------
    int
        :data:`EXHAUSTED`, :data:`PAUSED`, or :data:`FULL` after B decisions.
    """
    tasks, state, charge = walk.tasks, walk.state, walk.market.charge[m]
    places, cost, count = found
    first, last = tasks.start[m], tasks.start[m + 1] - 1
    if state.cursor[POSITION] == FRESH:
        _open(walk, m, True)
    while count[0] < len(cost):
        code, steps = _next_leaf(walk, (m, m + 1), charge, threshold, steps)
        if code != LEAF:
            return int(code)
        copy(places[count[0]], state.place[first : last + 1])
        cost[count[0]] = state.spent[last] + state.latest[last]
        count[0] += 1
    return FULL
