r"""Local search that can follow any heuristic: one device exactly, places and channels passed on.

Three neighbourhoods take turns until none finds anything better.

**One device.** In file order, each device takes its cheapest decision given what all the others leave. The
search is depth first in topological order, with the bound of :mod:`.structured.backtracking.device` at
prices of zero: with the subtasks D decided and U not, every completion costs at least

.. math::

   \sum_{k \in D} e_k + \sum_{k \in U} s_k + \max\Big\{ f,\;
   \max_{(j,k): j \in D, k \in U} [f_j + W_{jk}(o_j)],\;
   \max_{k \in U\ \text{head}} \min_o [u_k(o) - s_k + V_k(o)] \Big\}

with weighted delays and energies as there. It is exact up to :data:`LARGEST_SEARCH` nodes a device;
beyond, the best decision found counts, and the record says how often that was so. Moves of one subtask
are among its neighbours, and all moves of several subtasks of one device.

**Between devices.** Let :math:`\Delta_p(n)` be the change in cost of p's device if subtask p alone moves to
place n, for now without limits. Subtasks of two devices do not influence each other's cost, so for p at n
and q at n' of different devices

- p moves to n' with room: :math:`\Delta_p(n')`;
- p takes the place of q, and q goes to n'' : :math:`\Delta_p(n') + \Delta_q(n'')`, where n'' is n (they
  *swap*), or local, or has room.

For each pair of places only the least :math:`\Delta` matters, and the least one of another device. So the
best of all :math:`O(P^2 N)` exchanges of P subtasks is found in :math:`O(P N + N^3)` steps; it is made as
long as there is one that saves anything.

A subtask of a device that is all local moves only where a channel is free.

**Channels.** A channel counts once for all subtasks of its device, so passing it on takes several moves at
once. Where a radio has no channel free, device g that uses it goes home, and device m of the same radio,
which is all local, takes its cheapest decision given what all others leave, g's places included. That
changes the cost by

.. math:: C_g(\text{local}) - C_g + \min_d C_m(d) - C_m(\text{local}),

the minimum found by the search above, exactly and only where it is low enough to save anything. Each m in
turn takes the channel from the g for which that is least.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import STOPPED, alarm
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_1,
    of_format_2,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.loops import copy
from offloadlib.instances.run import OutOfTime, Watch
from offloadlib.instances.structured.flat import (
    FLAT_TASKS,
    FlatTasks,
    both_sides,
    device_cost,
    flat_places,
    flat_tasks,
    solution_of,
)
from offloadlib.instances.structured.inlined import at_point, may_offload

from .limited import improve as limited

LARGEST_SEARCH = 100_000
"""Nodes of the search for one device's decision."""

_SLICE = 64
"""Devices, or exchanges, between two looks at the clock."""

_SLICE_ARCS = 20_000
"""Arcs of the tasks of devices between two looks, about: a search looks at many of them at each node."""

WORTH = 1e-12
"""Relative to the device's cost: what saves less is a matter of rounding."""

_READ, _READ_INT = readable("float64"), readable("int64")
_WRITE_INT, _WRITE = writable("int64"), writable("float64")


class Placement(NamedTuple):
    """Decisions, and what follows from them.

    Attributes
    ----------
    left, air
        (N,) room of the points, free channels of their radios.
    places
        (P,) the decisions.
    cost, on_air
        (M,) what each device costs, and how many of its subtasks are offloaded.
    """

    left: Ints
    air: Ints
    places: Ints
    cost: Floats
    on_air: Ints


_COUNTS = types.UniTuple(types.int64, 2)
_PLACEMENT = named(Placement, _WRITE_INT, _WRITE_INT, _WRITE_INT, _WRITE, _WRITE_INT)


@subroutine
def freed(left: Ints, row: Ints, sign: int) -> int:
    """Give back (1) or take (-1) the room of decisions (K,) at the points; how many subtasks they offload."""
    count = 0
    for n in row:
        if n >= 0:
            left[n] += sign
            count += 1
    return count


@subroutine
def cheapest_decision(
    tasks: FlatTasks,
    m: int,
    cpu: Floats,
    menu: Ints,
    room: Ints,
    least: float,
    best: Ints,
    stopped: NDArray[np.bool_],
) -> tuple[float, bool]:
    """The decision of device m that costs least, if that is less than ``least``.

    Parameters
    ----------
    menu
        The points that it may use, the fastest first.
    room
        (N,) what the others leave at each point.
    best
        (K,) the decision, changed only where a cheaper one is found.
    stopped
        (1,) when time is up, which cuts the search short.

    Returns
    -------
    least, complete
        The cost of the decision, and False if the search was cut short.
    """
    first, last = tasks.start[m], tasks.start[m + 1]
    size, arcs = last - first, tasks.into[first]
    # The bound's s_k summed from k on, min over o of u_k - s_k + V_k, V_k, W_e, and heads from k on.
    rest, ahead = np.zeros(size + 1), np.zeros((size, 2))
    through, entry = np.zeros((tasks.into[last] - arcs, 2)), np.zeros(size + 1)
    local_first = np.zeros(size, dtype=np.bool_)
    fastest = cpu[menu[0]]
    for k in range(size - 1, -1, -1):
        p = first + k
        home = tasks.local_delay[p] + tasks.local_energy[p]
        there, more = at_point(tasks.work[p], fastest)
        away = tasks.radio_delay[p] + there + (tasks.radio_energy[p] + more)
        local_first[k] = home < away
        cheap = min(tasks.local_energy[p], tasks.radio_energy[p])
        home += ahead[k, 0] - cheap
        away += ahead[k, 1] - cheap
        rest[k] = rest[k + 1] + cheap
        entry[k] = entry[k + 1]
        if tasks.into[p] == tasks.into[p + 1]:
            entry[k] = max(entry[k], min(home, away))
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            j, e = tasks.before[arc] - first, arc - arcs
            through[e, 0] = min(home, away + tasks.up_delay[arc] + tasks.up_energy[arc])
            through[e, 1] = min(home + tasks.down_delay[arc] + tasks.down_energy[arc], away)
            ahead[j, 0] = max(ahead[j, 0], through[e, 0])
            ahead[j, 1] = max(ahead[j, 1], through[e, 1])
    row, tried = np.full(size, -1), np.zeros(size, dtype=np.int64)
    finish, latest, spent = np.empty(size), np.zeros(size + 1), np.zeros(size + 1)
    k, nodes, options = 0, 0, len(menu) + 1
    while k >= 0:
        if tried[k] > 0 and row[k] >= 0:
            room[row[k]] += 1
        if tried[k] == options or nodes > LARGEST_SEARCH or stopped[0]:
            tried[k], row[k] = 0, -1
            k -= 1
            continue
        # Option 0 is local if that comes first, else the last option is.
        choice = tried[k] - 1 if local_first[k] else tried[k]
        tried[k] += 1
        row[k] = -1
        if 0 <= choice < len(menu):
            n = menu[choice]
            if room[n] <= 0:
                continue
            before = menu[choice - 1]
            if choice > 0 and room[before] > 0 and cpu[before] == cpu[n]:
                continue  # the same again
            row[k] = n
            room[n] -= 1
        nodes += 1
        p = first + k
        delay, energy, away_delay, away_energy = both_sides(tasks, p, first, row)
        if row[k] >= 0:
            there, more = at_point(tasks.work[p], cpu[row[k]])
            delay, energy = away_delay + there, away_energy + more
        begun = 0.0
        for arc in range(tasks.into[p], tasks.into[p + 1]):
            begun = max(begun, finish[tasks.before[arc] - first])
        finish[k] = begun + delay
        latest[k + 1] = max(latest[k], finish[k])
        spent[k + 1] = spent[k] + energy
        path = max(latest[k + 1], entry[k + 1])
        for arc in range(tasks.into[p + 1], tasks.into[last]):
            j = tasks.before[arc] - first
            if j <= k:
                path = max(path, finish[j] + through[arc - arcs, 1 if row[j] >= 0 else 0])
        if spent[k + 1] + rest[k + 1] + path >= least:
            continue
        if k == size - 1:
            least = spent[size] + latest[size]
            copy(best, row)
            continue
        k += 1
    return least, nodes <= LARGEST_SEARCH and not stopped[0]


@subroutine
def given_room(
    tasks: FlatTasks,
    m: int,
    cpu: Floats,
    by_speed: Ints,
    left: Ints,
    least: float,
    best: Ints,
    stopped: NDArray[np.bool_],
) -> tuple[float, bool]:
    """:func:`cheapest_decision` of device m among all points (``by_speed``) with this room (N,)."""
    # The fastest points that hold the whole task together: a subtask elsewhere could move there.
    count, held, size = 0, 0, len(best)
    menu = np.empty(len(cpu), dtype=np.int64)
    for n in by_speed:
        if left[n] > 0 and held < size:
            menu[count] = n
            count += 1
            held += min(left[n], size)
    complete = True
    if count > 0:
        least, complete = cheapest_decision(tasks, m, cpu, menu[:count], left.copy(), least, best, stopped)
    return least, complete


@kernel(
    _COUNTS(FLAT_TASKS, _READ, _READ_INT, _PLACEMENT, STOPPED, types.int64, types.int64), needed=of_format_1
)
def redecide(
    tasks: FlatTasks,
    cpu: Floats,
    by_speed: Ints,
    state: Placement,
    stopped: NDArray[np.bool_],
    begin: int,
    end: int,
) -> tuple[int, int]:
    """Let the devices begin..end take their cheapest decisions in turn, given what the others leave.

    Parameters
    ----------
    by_speed
        (N,) the points, the fastest first.
    state
        Updated.
    stopped
        (1,) when time is up.

    Returns
    -------
    changed, cut
        How many devices decided anew; how many searches were cut short.
    """
    left, air, places, cost, on_air = state
    changed, cut = 0, 0
    for m in range(begin, end):
        point, row = tasks.radio[m], places[tasks.start[m] : tasks.start[m + 1]]
        if not may_offload(point, air[point], on_air[m] > 0):
            continue
        was = freed(left, row, 1)
        best, below = row.copy(), cost[m] * (1.0 - WORTH)
        least, complete = given_room(tasks, m, cpu, by_speed, left, below, best, stopped)
        cut += not complete
        if least < below:
            changed += 1
            cost[m] = least
            copy(row, best)
        on_air[m] = freed(left, row, -1)
        air[point] += int(was > 0) - int(on_air[m] > 0)
    return changed, cut


@subroutine
def single_moves(tasks: FlatTasks, m: int, cpu: Floats, places: Ints, cost: Floats, change: Floats) -> None:
    """Delta_p(n) of each subtask p of device m: entry n + 1 of its row of ``change`` (P, N+1).

    ``cost[m]`` is computed anew, so that rounding errors of the exchanges do not add up.
    """
    first, last = tasks.start[m], tasks.start[m + 1]
    row, finish, fitness = places[first:last].copy(), np.empty(last - first), np.empty(last - first)
    cost[m] = device_cost(tasks, m, row, cpu, finish, fitness)
    for k in range(last - first):
        old = row[k]
        for n in range(-1, len(cpu)):
            row[k] = n
            change[first + k, n + 1] = device_cost(tasks, m, row, cpu, finish, fitness) - cost[m]
        row[k] = old


@subroutine
def offers(
    tasks: FlatTasks, air: Ints, places: Ints, on_air: Ints, change: Floats, one: Ints, two: Ints
) -> None:
    """The subtask at each place a that costs least when it goes to b, and that of another device.

    They go into ``one`` and ``two`` (N+1, N+1), -1 where there is none; place n is number n + 1.
    """
    owner = np.empty_like(one)
    one[:], two[:] = -1, -1
    for m in range(len(tasks.radio)):
        point = tasks.radio[m]
        if not may_offload(point, air[point], on_air[m] > 0):
            continue
        for p in range(tasks.start[m], tasks.start[m + 1]):
            a = places[p] + 1
            for b in range(len(one)):
                if b == a:
                    continue
                if one[a, b] < 0 or change[p, b] < change[one[a, b], b]:
                    if one[a, b] >= 0 and owner[a, b] != m:
                        two[a, b] = one[a, b]
                    one[a, b], owner[a, b] = p, m
                elif owner[a, b] != m and (two[a, b] < 0 or change[p, b] < change[two[a, b], b]):
                    two[a, b] = p


@subroutine
def device_of(tasks: FlatTasks, p: int) -> int:
    """The device of a subtask."""
    m, end = 0, len(tasks.start) - 1
    while end - m > 1:
        middle = (m + end) // 2
        if tasks.start[middle] <= p:
            m = middle
        else:
            end = middle
    return m


@subroutine
def best_exchange(
    tasks: FlatTasks, left: Ints, change: Floats, one: Ints, two: Ints
) -> tuple[float, int, int, int, int]:
    """The change in cost (0: none saves), a subtask p and where it goes, and the same of q (-1: none).

    Places are numbered as in :func:`offers`, which gives ``one`` and ``two``.
    """
    least, mover, target, follower, goal = 0.0, -1, -1, -1, -1
    for a in range(len(one)):
        for b in range(len(one)):
            if one[a, b] < 0:
                continue
            if b == 0 or left[b - 1] > 0:
                if change[one[a, b], b] < least:
                    least, mover, target, follower = change[one[a, b], b], one[a, b], b, -1
                continue
            for c in range(len(one)):
                if one[b, c] < 0 or not (c == a or c == 0 or left[c - 1] > 0):
                    continue
                # The best of each pair of places, or the best of another device with one of them.
                for p, q in ((one[a, b], one[b, c]), (one[a, b], two[b, c]), (two[a, b], one[b, c])):
                    if p < 0 or q < 0 or change[p, b] + change[q, c] >= least:
                        continue
                    if device_of(tasks, p) != device_of(tasks, q):
                        least, mover, target = change[p, b] + change[q, c], p, b
                        follower, goal = q, c
    return least, mover, target, follower, goal


@kernel(
    types.boolean(FLAT_TASKS, _READ, _PLACEMENT, STOPPED, writable("float64", 2), _WRITE_INT, types.int64),
    needed=of_format_1,
)
def exchange(
    tasks: FlatTasks,
    cpu: Floats,
    state: Placement,
    stopped: NDArray[np.bool_],
    change: Floats,
    made: Ints,
    most: int,
) -> bool:
    """Make the best exchanges between devices, one after the other.

    Parameters
    ----------
    state, stopped
        As for :func:`redecide`.
    change
        (P, N+1) of :func:`single_moves`, kept up to date; it is filled while ``made`` is negative.
    made
        (1,) how many exchanges have been made.
    most
        After so many it pauses.

    Returns
    -------
    bool
        Whether none is left.
    """
    left, air, places, cost, on_air = state
    if made[0] < 0:
        made[0] = 0
        for m in range(len(tasks.radio)):
            if stopped[0]:
                return False
            single_moves(tasks, m, cpu, places, cost, change)
    one = np.empty((len(cpu) + 1, len(cpu) + 1), np.int64)
    two = np.empty_like(one)
    for _ in range(most):
        if stopped[0]:
            return False
        offers(tasks, air, places, on_air, change, one, two)
        least, mover, target, follower, goal = best_exchange(tasks, left, change, one, two)
        if mover < 0:
            return True
        at_stake = cost[device_of(tasks, mover)]
        if follower >= 0:
            at_stake += cost[device_of(tasks, follower)]
        if -least <= WORTH * at_stake:
            return True
        made[0] += 1
        for p, b in ((mover, target), (follower, goal)):
            if p < 0:
                continue
            m = device_of(tasks, p)
            point, was = tasks.radio[m], on_air[m] > 0
            if places[p] >= 0:
                left[places[p]] += 1
                on_air[m] -= 1
            places[p] = b - 1
            if b > 0:
                left[b - 1] -= 1
                on_air[m] += 1
            air[point] += int(was) - int(on_air[m] > 0)
            single_moves(tasks, m, cpu, places, cost, change)
    return False


@kernel(
    _COUNTS(FLAT_TASKS, _READ, _READ_INT, _PLACEMENT, STOPPED, _READ, types.int64, types.int64),
    needed=of_format_1,
)
def pass_channels(
    tasks: FlatTasks,
    cpu: Floats,
    by_speed: Ints,
    state: Placement,
    stopped: NDArray[np.bool_],
    local: Floats,
    begin: int,
    end: int,
) -> tuple[int, int]:
    """Let the devices begin..end take a channel over, each from the device where that saves most.

    Parameters
    ----------
    by_speed, state, stopped
        As for :func:`redecide`.
    local
        (M,) what each device costs when it is all local.

    Returns
    -------
    passed, cut
        How many channels went to another device; how many searches were cut short.
    """
    left, air, places, cost, on_air = state
    passed, cut = 0, 0
    for m in range(begin, end):
        point, row = tasks.radio[m], places[tasks.start[m] : tasks.start[m + 1]]
        if point < 0 or on_air[m] > 0 or air[point] > 0:
            continue
        least, mine, giver, best = cost[m] * (1.0 - WORTH), cost[m], -1, row.copy()
        for g in range(len(cost)):
            if tasks.radio[g] != point or on_air[g] == 0:
                continue
            loss = local[g] - cost[g]
            given = places[tasks.start[g] : tasks.start[g + 1]]
            freed(left, given, 1)
            below = least - loss - WORTH * local[g]
            found, complete = given_room(tasks, m, cpu, by_speed, left, below, best, stopped)
            cut += not complete
            if found < below:
                least, mine, giver = found + loss, found, g
            freed(left, given, -1)
        if giver < 0:
            continue
        passed += 1
        cost[m], cost[giver] = mine, local[giver]
        given = places[tasks.start[giver] : tasks.start[giver + 1]]
        freed(left, given, 1)
        given[:] = LOCAL
        on_air[giver] = 0
        copy(row, best)
        on_air[m] = freed(left, row, -1)
    return passed, cut


def improve(instance: Instance, solution: Solution, budget: Budget) -> Result:
    """Improve a feasible solution until no neighbourhood has a better one.

    Returns
    -------
    Result
        At the time limit and after Ctrl-C, the best so far. Its record has ``start_objective``,
        ``final_objective``, ``redecided`` devices, ``exchanges``, channels ``passed`` on, and how many
        searches for one device's decision were ``cut`` short.

    Raises
    ------
    ValueError
        If the solution breaks a limit.
    """
    if of_format_2(instance):
        return limited.improve(instance, solution, budget)
    watch = Watch(budget.time_limit)
    evaluation = evaluate(instance, solution)
    if not evaluation.feasible:
        raise ValueError(f"the solution breaks a limit: {evaluation.violations[0]}")
    tasks, cpu = flat_tasks(instance), instance.points.cpu
    places, cost = flat_places(instance, solution), evaluation.cost.copy()
    left = instance.points.capacity - evaluation.used
    air = instance.points.channels - evaluation.channels_used
    on_air = np.add.reduceat((places != LOCAL).astype(np.int64), tasks.start[:-1])
    state = Placement(left, air, places, cost, on_air)
    by_speed = np.argsort(-cpu, kind="stable")
    change, made = np.empty((len(places), len(cpu) + 1)), np.array([-1])
    local = evaluate(instance, Solution.all_local(instance)).cost
    devices, redecided, exchanges, passed, cut = len(cost), 0, 0, 0, 0
    arcs = max(len(application.edges) for application in instance.applications)
    size = max(1, min(_SLICE, _SLICE_ARCS // max(arcs, 1)))

    def pause() -> None:
        budget.tell(watch.seconds, float(cost.sum()), None, partial(solution_of, instance, places))
        if over[0]:
            raise OutOfTime

    def sweep(step: Callable[..., tuple[int, int]], *more: NDArray[Any]) -> tuple[int, int]:
        """One step for all devices in turn: how many changed something, how many searches were cut."""
        counts = np.zeros(2, dtype=np.int64)
        for begin in range(0, devices, size):
            counts += step(tasks, cpu, by_speed, state, *more, begin, min(begin + size, devices))
            pause()
        return int(counts[0]), int(counts[1])

    try:
        with alarm(budget.time_limit - watch.seconds) as over:
            stopped, again = read_only(over), True
            while again:
                changed = 1
                while changed:
                    changed, unproven = sweep(redecide, stopped)
                    redecided, cut = redecided + changed, cut + unproven
                made[0] = -1
                while not exchange(tasks, cpu, state, stopped, change, made, _SLICE):
                    pause()
                exchanges += int(made[0])
                handed, unproven = sweep(pass_channels, stopped, local)
                passed, cut = passed + handed, cut + unproven
                again = made[0] > 0 or handed > 0
    except OutOfTime:
        watch.termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        watch.termination = Termination.INTERRUPTED
    improved = solution_of(instance, places)
    final = evaluate(instance, improved).total
    return Result.of(
        instance,
        improved,
        watch.seconds,
        termination=watch.termination,
        start_objective=evaluation.total,
        final_objective=final,
        redecided=redecided,
        exchanges=exchanges,
        passed=passed,
        cut=cut,
    )
