r"""The compiled kernel that prices any task: branch and bound over unit flows and minimum cuts.

**Bound.** Let phi be a unit flow through the graph, from its heads to its tails: an average of paths, of
which a share phi_k goes through subtask k. The heaviest path weighs at least as much as an average one,
G >= sum_k phi_k g_k, so the least cost is at least

.. math::

   L(\varphi) = \min_d \; \sum_k \bigl( a \varphi_k g_k(d) + b \, e_k(d) + \lambda_{d_k} \bigr)

Without the maximum, a subtask that is offloaded takes the place where :math:`a \varphi_k w_k / c_n +
\lambda_n` is least, whatever the others do, and what is left is a choice between local and offloaded for
each subtask, with a price >= 0 on every arc whose ends differ: a minimum cut. Any amount of flow through
that network is at most any cut, so the flow that was found is a lower bound even if a greater one
exists. The cut is a decision; its true cost may be a new incumbent.

**Flow.** max L(phi) is the value of a game: one side mixes paths p, the other decisions d, and pays
C(d, p), cost with path p in place of the heaviest. A node plays it on a pool of either: the linear program
over the pool gives a mix of paths, thus a flow; its cut joins the pool, and so do the heaviest path of
that decision and of the mix of decisions. Flows are tried halfway between the best one so far and the
program's, which steadies the search. The root begins with the flow with which the device's last pricing has
ended, if there was one, else with an even one. No bound depends on how well that goes, as every phi gives
one. The heaviest path of the mix of decisions bounds max L from above: where most of the gap cannot be closed
by flows, the node is branched on.

**Branches.** A decision with a move costs at least L plus what the move adds to the cut: moves with which
nothing can be cheaper than the incumbent are dropped (the other side of a subtask; the fastest and the
dearest, the slowest and the cheapest offload points of its menu). Of the others, the mix of decisions
names the subtasks that can be divided: between local and offloaded where that is in doubt, else a menu in
two. The one is taken where doubt times gain is greatest, the mean that the bounds of a division of that
subtask have gained so far (pseudo-costs). So
every decision is in one of the parts or costs no less than the incumbent, and the least bound of the open
parts is a lower bound at any time: the nodes are explored by least bound, and where their number reaches a
limit, or time is up, that bound is the result, a relaxation. Who asks for a tolerance gets a bound
within it: parts that are so near are not divided.

**Sweeps.** Now and then a dynamic program along a frontier (:mod:`.sweep`) goes through all decisions that
the root leaves, with ever more labels: for a better incumbent, and where no label had to be left out, for the
least. Search and sweeps take turns: a sweep begins as soon as the search has had twice as much time as all
sweeps will have had then, so that both need no more than half as long again as the search alone, and some
four times as long as the sweep that closes the device. Where a sweep has closed one device, the search gets
less at the next; and where it has closed the same device at other prices, one as wide comes right after the
root's flows.

**Rounding.** All terms are >= 0, flow and cost are sums of them, each right to some 1e-14. Nodes are
closed from 1e-13 below the incumbent on, relatively, and what is returned is another 1e-13 lower.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances.alarm import STOPPED
from offloadlib.instances.compiled import inlined, kernel, named, of_format_1, subroutine
from offloadlib.instances.loops import copy, least
from offloadlib.instances.structured.inlined import GROUP_SIDES, at_point

from .frontier import FRONTIER
from .plan import labelled
from .sweep import sweep
from .tables import ANSWERS, BUYERS, GRAPH, OFFERS

LARGEST_SEARCH = 2_000_000
"""Nodes per device times (subtasks + arcs); beyond, the value is the bound proven so far."""

_POOL = 16
"""Decisions and paths in a game."""

_TURNS = 12
"""Flows that a node tries at the most."""

_ENOUGH = 0.2
"""Of a node's gap: if flows can close no more, it is branched on."""

_WIDER = 4
"""Times as many labels as in a sweep that was too narrow, and as much time."""

_LABELS = 2
"""Labels that count as a node, per subtask and arc, towards the limit of nodes."""

_LABEL, _TURN = 60, 600
"""What a label of a sweep, and a turn of a game, take: as long as so many subtasks in searches for a path."""

_EXPECTED = 7
"""Labels of a sweep per subtask and width, before the first one."""

_LEAD = 8.0
"""Times as much time for sweeps as for the search, where a sweep has closed the device before."""

_TOLERANCE = 1e-13
"""Relative to a cost: ten times what the sums of a flow, or of a decision's parts, lose."""

_NONE = 1e-9
"""A share in a mix, or a price in the game's tableau, that is no more than what its pivots have left."""

_SOME = 0.2
"""Doubt that counts for a subtask whatever its own is."""


class Effort(NamedTuple):
    """How hard to search.

    Attributes
    ----------
    limit
        Nodes times (subtasks + arcs).
    tolerance
        What a value may be too low.
    stopped
        (1,) when time is up.
    narrow, widest
        Labels of the first sweep (0: none), and of the last one.
    share
        Time of sweeps over that of the search, at the most, until a sweep closes a device.
    """

    limit: int
    tolerance: float
    stopped: NDArray[np.bool_]
    narrow: int = 64
    widest: int = 8192
    share: float = 0.5


EFFORT = named(Effort, types.int64, types.float64, STOPPED, types.int64, types.int64, types.float64)


class _Costs(NamedTuple):
    """Weighted delay and other cost of every move of a device: execution at home, at each place of a
    subtask's menu (fastest and dearest first), and transfers up and down each arc."""

    home_delay: Any
    home_paid: Any
    place: Any
    delay: Any
    paid: Any
    up_delay: Any
    up_paid: Any
    down_delay: Any
    down_paid: Any


class _Left(NamedTuple):
    """Moves left to each subtask: home (1 or 0), and its menu from low up to, but not with, high."""

    home: Any
    low: Any
    high: Any


class _Gains(NamedTuple):
    """What divisions have added to bounds, and how many there were: by kind (sides, menus) and subtask,
    and in the last column of all subtasks."""

    total: Any
    count: Any


class _Network(NamedTuple):
    """A flow: what each subtask still has to give (> 0, if local is cheaper) or to take, what each arc
    still lets through ahead and back; and the search for a path: where it came from, by which arc, and how
    many subtasks all such searches have looked at."""

    excess: Any
    ahead: Any
    back: Any
    came: Any
    by: Any
    queue: Any
    work: Any


class _Pool(NamedTuple):
    """Decisions (-1 or a number in the menu, delay of each subtask, other cost) and paths (1 on it), when
    each was last part of a mix, the cost of each pair, how many there are; and the game's tableau."""

    decision: Any
    delay: Any
    paid: Any
    used: Any
    path: Any
    path_used: Any
    cost: Any
    count: Any
    table: Any
    basis: Any
    share: Any
    weight: Any


class _Room(NamedTuple):
    """What a search works with: two networks, the game, and the best flow at the root."""

    net: Any
    spare: Any
    pool: Any
    flow: Any


@inlined
def _network(size, arcs):  # type: ignore[no-untyped-def]
    came, by, queue = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    return _Network(np.empty(size), np.empty(arcs), np.empty(arcs), came, by, queue, np.zeros(1, np.int64))


@inlined
def _room(size, arcs):  # type: ignore[no-untyped-def]
    decision, delay, paid = np.empty((_POOL, size), np.int64), np.empty((_POOL, size)), np.empty(_POOL)
    used, path_used = np.empty(_POOL, np.int64), np.empty(_POOL, np.int64)
    path, cost, count = (
        np.empty((_POOL, size + arcs), np.int8),
        np.empty((_POOL, _POOL)),
        np.empty(2, np.int64),
    )
    table, basis = np.empty((_POOL + 1, 2 * _POOL + 1)), np.empty(_POOL, np.int64)
    share, weight = np.empty(_POOL), np.empty(_POOL)
    pool = _Pool(decision, delay, paid, used, path, path_used, cost, count, table, basis, share, weight)
    return _Room(_network(size, arcs), _network(size, arcs), pool, np.empty(size + arcs))


@subroutine
def _flow(total, enough, graph, net, stopped):  # type: ignore[no-untyped-def]
    """Push flow from the local to the offloaded until none gets through, or enough; returns it.

    Then those that are reached, ``came >= 0``, are local in a minimum cut; none where time was up.
    """
    excess, ahead, back, came, by, queue, work = net
    while total < enough:
        if stopped[0]:
            came[:] = -1
            return total
        last = 0
        for k in range(len(excess)):
            came[k] = -1
            if excess[k] > 0:
                came[k], queue[last] = k, k
                last += 1
        first, end = 0, -1
        while first < last and end < 0:
            v = queue[first]
            first += 1
            for i in range(graph.beside_start[v], graph.beside_start[v + 1]):
                arc, other = graph.beside[i, 0], graph.beside[i, 1]
                if came[other] < 0 and (ahead[arc] if graph.beside[i, 2] == 0 else back[arc]) > 0:
                    came[other], by[other] = v, i
                    if excess[other] < 0:
                        end = other
                        break
                    queue[last] = other
                    last += 1
        work[0] += len(excess) + first
        if end < 0:
            return total
        push, v = -excess[end], end
        while came[v] != v:
            arc = graph.beside[by[v], 0]
            push = min(push, ahead[arc] if graph.beside[by[v], 2] == 0 else back[arc])
            v = came[v]
        push = min(push, excess[v])
        excess[v] -= push
        excess[end] += push
        v = end
        while came[v] != v:
            arc = graph.beside[by[v], 0]
            along = push if graph.beside[by[v], 2] == 0 else -push
            ahead[arc] -= along
            back[arc] += along
            v = came[v]
        total += push
    return total


@subroutine
def _cut(costs, left, phi, graph, net, choice, cheapest, stopped):  # type: ignore[no-untyped-def]
    """L(phi), a decision of that cost, and the least cost of each subtask where it is offloaded."""
    total = 0.0
    for k in range(len(choice)):
        home = phi[k] * costs.home_delay[k] + costs.home_paid[k] if left.home[k] == 1 else np.inf
        cheapest[k], choice[k] = np.inf, -1
        for i in range(left.low[k], left.high[k]):
            value = phi[k] * costs.delay[k, i] + costs.paid[k, i]
            if value < cheapest[k]:
                cheapest[k], choice[k] = value, i
        net.excess[k] = cheapest[k] - home
        total += min(home, cheapest[k])
    for e in range(len(graph.ends)):
        share = phi[graph.ends[e, 1]]
        net.ahead[e] = share * costs.up_delay[e] + costs.up_paid[e]
        net.back[e] = share * costs.down_delay[e] + costs.down_paid[e]
    total = _flow(total, np.inf, graph, net, stopped)
    for k in range(len(choice)):
        if net.came[k] >= 0:
            choice[k] = -1
    return total


@subroutine
def _evaluate(costs, choice, graph, delay):  # type: ignore[no-untyped-def]
    """All cost of a decision but that of its delay, and the delay of each subtask."""
    paid = 0.0
    for k in range(len(choice)):
        i = choice[k]
        delay[k] = costs.home_delay[k] if i < 0 else costs.delay[k, i]
        paid += costs.home_paid[k] if i < 0 else costs.paid[k, i]
    for e in range(len(graph.ends)):
        j, k = graph.ends[e]
        if choice[j] < 0 <= choice[k]:
            delay[k] += costs.up_delay[e]
            paid += costs.up_paid[e]
        elif choice[k] < 0 <= choice[j]:
            delay[k] += costs.down_delay[e]
            paid += costs.down_paid[e]
    return paid


@subroutine
def _heaviest(delay, graph, finish, on_path):  # type: ignore[no-untyped-def]
    """Weight of the heaviest path, which is marked."""
    end = graph.order[0]
    for k in graph.order:
        begun = 0.0
        for i in range(graph.late_start[k], graph.late_start[k + 1]):
            begun = max(begun, finish[graph.late[i, 1]])
        finish[k] = begun + delay[k]
        if finish[k] >= finish[end]:  # of equals the last one, which is a tail
            end = k
    weight = finish[end]
    on_path[:] = 0
    while True:
        on_path[end] = 1
        before, by = -1, -1
        for i in range(graph.late_start[end], graph.late_start[end + 1]):
            j = graph.late[i, 1]
            if before < 0 or finish[j] > finish[before]:
                before, by = j, graph.late[i, 0]
        if before < 0:
            return weight
        on_path[len(finish) + by] = 1
        end = before


@subroutine
def _along(path, delay):  # type: ignore[no-untyped-def]
    """Weight of a path."""
    weight = 0.0
    for k in range(len(delay)):
        weight += path[k] * delay[k]
    return weight


@subroutine
def _same(one, other):  # type: ignore[no-untyped-def]
    k = 0
    while k < len(one) and one[k] == other[k]:
        k += 1
    return k == len(one)


@subroutine
def _add(total, factor, values):  # type: ignore[no-untyped-def]
    for k in range(len(total)):
        total[k] += factor * values[k]


@subroutine
def _doubled(rows):  # type: ignore[no-untyped-def]
    doubled = np.empty((2 * len(rows), rows.shape[1]), rows.dtype)
    for i in range(len(rows)):
        copy(doubled[i], rows[i])
    return doubled


@subroutine
def _slot(used, count):  # type: ignore[no-untyped-def]
    """Where something new goes in a pool: at its end, or in place of what was of no use for longest."""
    return count if count < len(used) else least(used, count)


@subroutine
def _learn_decision(pool, rows, count, choice, delay, paid, clock):  # type: ignore[no-untyped-def]
    """Put a decision in the pool and in the rows in play, if it is new; returns how many rows there are."""
    for i in range(count):
        if _same(pool.decision[rows[i]], choice):
            return count
    x = _slot(pool.used, pool.count[0])
    for i in range(count):
        if rows[i] == x:
            count -= 1
            rows[i] = rows[count]
            break
    pool.count[0] = max(pool.count[0], x + 1)
    copy(pool.decision[x], choice)
    copy(pool.delay[x], delay)
    pool.paid[x], pool.used[x] = paid, clock
    for p in range(pool.count[1]):
        pool.cost[x, p] = paid + _along(pool.path[p], delay)
    rows[count] = x
    return count + 1


@subroutine
def _learn_path(pool, on_path, clock):  # type: ignore[no-untyped-def]
    """Put a path in the pool; whether it is new."""
    for p in range(pool.count[1]):
        if _same(pool.path[p], on_path):
            return False
    p = _slot(pool.path_used, pool.count[1])
    pool.count[1] = max(pool.count[1], p + 1)
    copy(pool.path[p], on_path)
    pool.path_used[p] = clock
    for x in range(pool.count[0]):
        pool.cost[x, p] = pool.paid[x] + _along(on_path, pool.delay[x])
    return True


@subroutine
def _normalise(values, count):  # type: ignore[no-untyped-def]
    total = 0.0
    for i in range(count):
        total += values[i]
    for i in range(count):
        values[i] /= total


@subroutine
def _play(pool, rows, count):  # type: ignore[no-untyped-def]
    """Solve the game of the paths against some decisions: their shares and weights.

    The simplex method on the classical program of a matrix game, whose slack basis is feasible: with
    payments scaled to 1..2, max sum w : payments to each path <= 1, whose duals are the paths' shares.
    """
    table, basis, paths = pool.table, pool.basis, pool.count[1]
    low, high = np.inf, -np.inf
    for i in range(count):
        for p in range(paths):
            low, high = min(low, pool.cost[rows[i], p]), max(high, pool.cost[rows[i], p])
    pool.share[:], pool.weight[:] = 0.0, 0.0
    if high <= low:
        pool.share[0], pool.weight[0] = 1.0, 1.0
        return
    width = count + paths
    table[: paths + 1, : width + 1] = 0.0
    for p in range(paths):
        for i in range(count):
            table[p, i] = 1.0 + (pool.cost[rows[i], p] - low) / (high - low)
        table[p, count + p], table[p, width] = 1.0, 1.0
        basis[p] = count + p
    table[paths, :count] = -1.0
    for _ in range(10 * width):
        enter, least = -1, -_NONE
        for i in range(width):
            if table[paths, i] < least:
                enter, least = i, table[paths, i]
        if enter < 0:
            break
        leave, ratio = -1, np.inf
        for p in range(paths):
            if table[p, enter] > _NONE and table[p, width] / table[p, enter] < ratio:
                leave, ratio = p, table[p, width] / table[p, enter]
        if leave < 0:
            break
        pivot = table[leave, enter]
        for i in range(width + 1):
            table[leave, i] /= pivot
        for p in range(paths + 1):
            factor = table[p, enter]
            if p != leave and factor != 0.0:
                for i in range(width + 1):
                    table[p, i] -= factor * table[leave, i]
        basis[leave] = enter
    for p in range(paths):
        pool.share[p] = max(table[paths, count + p], 0.0)
        if basis[p] < count:
            pool.weight[basis[p]] = max(table[p, width], 0.0)
    _normalise(pool.share, paths)
    _normalise(pool.weight, count)


@subroutine
def _tighten(costs, left, phi, graph, net, spare, total, enough, cheapest, stopped):  # type: ignore[no-untyped-def]
    """Drop moves with which a decision costs enough, by the cut at phi; whether any decision is left."""
    for k in range(len(left.home)):
        if stopped[0]:
            return True
        with_place = total
        if left.home[k] == 1 and left.low[k] < left.high[k]:
            # The cut with this subtask on its other side.
            copy(spare.excess, net.excess)
            copy(spare.ahead, net.ahead)
            copy(spare.back, net.back)
            stays = net.came[k] >= 0
            spare.excess[k] = -np.inf if stays else np.inf
            forced = _flow(total + abs(net.excess[k]), enough, graph, spare, stopped)
            if stays:
                with_place = forced
            elif forced >= enough:
                left.home[k] = 0
        slack = enough - with_place + cheapest[k]
        while left.low[k] < left.high[k]:
            i = left.low[k]
            if phi[k] * costs.delay[k, i] + costs.paid[k, i] < slack:
                break
            left.low[k] += 1
        while left.low[k] < left.high[k]:
            i = left.high[k] - 1
            if phi[k] * costs.delay[k, i] + costs.paid[k, i] < slack:
                break
            left.high[k] -= 1
        if left.home[k] == 0 and left.low[k] == left.high[k]:
            return False
    return True


@subroutine
def _learn_gain(gains, kind, k, gain):  # type: ignore[no-untyped-def]
    for at in (k, gains.total.shape[1] - 1):
        gains.total[kind, at] += gain
        gains.count[kind, at] += 1.0


@subroutine
def _score(gains, kind, k, doubt):  # type: ignore[no-untyped-def]
    """Doubt times gain; a subtask without experience counts as the mean of all."""
    mean = gains.total[kind, -1] / max(gains.count[kind, -1], 1.0) + _TOLERANCE
    return (_SOME + doubt) * (gains.total[kind, k] + mean) / (gains.count[kind, k] + 1.0)


@subroutine
def _divide(left, pool, rows, count, gains):  # type: ignore[no-untyped-def]
    """The subtask to branch on, and where its menu is divided (-1: local or offloaded); -1: none left."""
    size = len(left.home)
    chosen, middle, most = -1, -1, 0.0
    for k in range(size):
        if left.home[k] == 1 and left.low[k] < left.high[k]:
            away = 0.0
            for i in range(count):
                if pool.decision[rows[i], k] >= 0:
                    away += pool.weight[i]
            doubt = min(away, 1.0 - away)
            if doubt > _NONE:
                score = _score(gains, 0, k, doubt)
                if score > most:
                    chosen, most = k, score
    if chosen >= 0:
        return chosen, -1
    for k in range(size):
        for split in range(left.low[k] + 1, left.high[k]):
            before, after = 0.0, 0.0
            for i in range(count):
                at = pool.decision[rows[i], k]
                if at >= split:
                    after += pool.weight[i]
                elif at >= 0:
                    before += pool.weight[i]
            doubt = min(before, after)
            if doubt > _NONE:
                score = _score(gains, 1, k, doubt)
                if score > most:
                    chosen, middle, most = k, split, score
    if chosen >= 0:
        return chosen, middle
    for k in range(size):
        if left.low[k] < left.high[k] and (left.home[k] == 1 or left.high[k] - left.low[k] > 1):
            return k, -1 if left.home[k] == 1 else (left.low[k] + left.high[k]) // 2
    return -1, -1


@subroutine
def _search(  # type: ignore[no-untyped-def]
    costs, root, graph, plan, best, limit, effort, share, known, room, incumbent
):
    """Least cost below ``best``, or ``best``, up to a tolerance; a lower bound of all decisions' costs; the
    share of time for sweeps that this device speaks for; and the width of the sweep that has closed it, 0 if
    none has.

    The decision goes into ``incumbent``, which is left alone where none is better. ``known`` is the width of
    the sweep that closed the device at other prices, 0 if none did.
    """
    tolerance, stopped = effort.tolerance, effort.stopped
    net, spare, pool = room.net, room.spare, room.pool
    size, arcs = len(graph.order), len(graph.ends)
    left = _Left(np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32))
    delay, finish, mean, cheapest = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    phi, best_phi, on_path = np.empty(size + arcs), np.empty(size + arcs), np.empty(size + arcs, np.int8)
    choice, rows = np.empty(size, np.int64), np.empty(_POOL, np.int64)
    pool.count[:], clock, net.work[:], spare.work[:] = 0, 0, 0, 0
    gains = _Gains(np.zeros((2, size + 1)), np.zeros((2, size + 1)))
    closed_at = np.inf  # the least bound of a node that is closed, or left
    # Open nodes: bound, flow, what was divided (2·subtask + kind), and moves left (home, low, high).
    most, opened = 32, 1
    bounds, flows = np.empty((most, 1)), np.empty((most, size + arcs))
    divided = np.empty((most, 1), np.int32)
    moves = np.empty((most, 3 * size), np.int32)
    bounds[0, 0], divided[0, 0] = 0.0, -1
    copy(flows[0], room.flow)
    copy(moves[0, :size], root.home)
    copy(moves[0, size : 2 * size], root.low)
    copy(moves[0, 2 * size :], root.high)
    root_phi, whole, closes, closing = room.flow, 0.0, share, 0
    width, swept, expected = effort.narrow, 0, _LABEL * _EXPECTED * size * effort.narrow
    if known > 0:
        width, expected = known, 0
    while opened > 0 and limit > 0:
        searched = net.work[0] + spare.work[0] + _TURN * clock
        if width > 0 and clock > 0 and swept + expected <= share * searched and not stopped[0]:
            # All that is left at the root
            closes = effort.share
            copy(left.home, root.home)
            copy(left.low, root.low)
            copy(left.high, root.high)
            level = _cut(costs, left, root_phi, graph, net, choice, cheapest, stopped)
            enough = best - _TOLERANCE * best
            if not _tighten(costs, left, root_phi, graph, net, spare, level, enough, cheapest, stopped):
                opened = 0
                break
            enough = best - max(tolerance, _TOLERANCE * best)
            found, proven, work = sweep(costs, left, graph, plan, root_phi, enough, width, stopped, choice)
            if found < best:
                cost = _evaluate(costs, choice, graph, delay) + _heaviest(delay, graph, finish, on_path)
                if cost < best:
                    best = cost
                    copy(incumbent, choice)
            whole = max(whole, proven)
            if whole >= best - max(tolerance, _TOLERANCE * best):
                closes, closing = _LEAD, width
                break
            limit = max(limit - work // (_LABELS * (size + arcs)) - 1, 1)
            swept, expected = swept + _LABEL * work, _WIDER * _LABEL * work
            width = min(_WIDER * width, effort.widest) if -np.inf < proven and width < effort.widest else 0
        at = least(bounds[:, 0], opened)
        if bounds[at, 0] >= best - max(tolerance, _TOLERANCE * best):
            break
        limit = 0 if stopped[0] else limit - 1
        bound, division = bounds[at, 0], divided[at, 0]
        copy(phi, flows[at])
        copy(left.home, moves[at, :size])
        copy(left.low, moves[at, size : 2 * size])
        copy(left.high, moves[at, 2 * size :])
        opened -= 1
        bounds[at, 0], divided[at, 0] = bounds[opened, 0], divided[opened, 0]
        copy(flows[at], flows[opened])
        copy(moves[at], moves[opened])
        # The decisions of the pool that are left play.
        count = 0
        for x in range(pool.count[0]):
            fits = True
            for k in range(size):
                i = pool.decision[x, k]
                fits = fits and (left.home[k] == 1 if i < 0 else left.low[k] <= i < left.high[k])
            if fits:
                rows[count] = x
                count += 1
        level, pull, closed = -np.inf, 0.5, False
        for _ in range(_TURNS):
            clock += 1
            total = _cut(costs, left, phi, graph, net, choice, cheapest, stopped)
            paid = _evaluate(costs, choice, graph, delay)
            cost = paid + _heaviest(delay, graph, finish, on_path)
            if cost < best:
                best = cost
                copy(incumbent, choice)
            if total > level:
                level = total
                copy(best_phi, phi)
            if level >= best - max(tolerance, _TOLERANCE * best):
                closed, closed_at = True, min(closed_at, max(bound, level))
                break
            before = count
            count = _learn_decision(pool, rows, count, choice, delay, paid, clock)
            news = count != before
            news = _learn_path(pool, on_path, clock) or news
            _play(pool, rows, count)
            phi[:] = 0.0
            mean[:] = 0.0
            above = 0.0
            for p in range(pool.count[1]):
                if pool.share[p] > _NONE:
                    pool.path_used[p] = clock
                    _add(phi, pool.share[p], pool.path[p])
            for i in range(count):
                if pool.weight[i] > _NONE:
                    x = rows[i]
                    pool.used[x] = clock
                    _add(mean, pool.weight[i], pool.delay[x])
                    above += pool.weight[i] * pool.paid[x]
            above += _heaviest(mean, graph, finish, on_path)
            news = _learn_path(pool, on_path, clock) or news
            if above - level <= _ENOUGH * (best - level) or (not news and pull == 0.0) or stopped[0]:
                break
            pull = 0.5 if news else 0.0
            for k in range(size + arcs):
                phi[k] = pull * best_phi[k] + (1.0 - pull) * phi[k]
        if division >= 0:
            _learn_gain(gains, division % 2, division // 2, max(0.0, min(level, best) - bound) / best)
        else:
            copy(root_phi, best_phi)
        if closed:
            continue
        bound = max(bound, level)
        if limit == 0 or stopped[0]:  # nothing below this node will be looked at
            closed_at = min(closed_at, bound)
            break
        level = _cut(costs, left, best_phi, graph, net, choice, cheapest, stopped)
        enough = best - _TOLERANCE * best
        if not _tighten(costs, left, best_phi, graph, net, spare, level, enough, cheapest, stopped):
            continue
        k, middle = _divide(left, pool, rows, count, gains)
        if k < 0:  # one decision is left
            for k in range(size):
                choice[k] = -1 if left.home[k] == 1 else left.low[k]
            cost = _evaluate(costs, choice, graph, delay) + _heaviest(delay, graph, finish, on_path)
            if cost < best:
                best = cost
                copy(incumbent, choice)
            continue
        if opened + 2 > most:
            most *= 2
            bounds, flows = _doubled(bounds), _doubled(flows)
            moves, divided = _doubled(moves), _doubled(divided)
        for side in range(2):
            bounds[opened, 0], divided[opened, 0] = bound, 2 * k + (1 if middle >= 0 else 0)
            copy(flows[opened], best_phi)
            copy(moves[opened, :size], left.home)
            copy(moves[opened, size : 2 * size], left.low)
            copy(moves[opened, 2 * size :], left.high)
            if middle >= 0:
                moves[opened, (2 - side) * size + k] = middle
            elif side == 0:
                moves[opened, 2 * size + k] = left.low[k]
            else:
                moves[opened, k] = 0
            opened += 1
    proven = min(best - _TOLERANCE * best, closed_at)
    if opened > 0:
        proven = min(proven, bounds[least(bounds[:, 0], opened), 0])
    proven = max(proven, min(whole, best - _TOLERANCE * best))
    return best, proven - _TOLERANCE * abs(proven), closes, closing


@inlined
def _fill_menu(place, points, r, allowed):  # type: ignore[no-untyped-def]
    """The places left to a subtask of which no other is as fast and as cheap; returns how many."""
    cpu, prices = points.cpu, points.price
    if r < 0:
        for i in range(len(points.menu)):
            place[i] = points.menu[i]
        return len(points.menu)
    count = 0
    for n in range(len(cpu)):
        if allowed[r, n]:
            i = count
            while i > 0 and (cpu[n], -prices[n]) > (cpu[place[i - 1]], -prices[place[i - 1]]):
                place[i] = place[i - 1]
                i -= 1
            place[i] = n
            count += 1
    kept = 0
    for i in range(count):
        if kept == 0 or prices[place[i]] < prices[place[kept - 1]]:
            place[kept] = place[i]
            kept += 1
    return kept


@kernel(
    types.boolean(GROUP_SIDES, OFFERS, BUYERS, GRAPH, FRONTIER, EFFORT, ANSWERS),
    needed=lambda instance: of_format_1(instance) and not all(map(labelled, instance.applications)),
)
def price_by_search(sides, points, devices, graph, plan, effort, answer):  # type: ignore[no-untyped-def]
    """Price devices of a group, up to a tolerance; False where a value is a relaxation."""
    cpu, allowed, least = points.cpu, devices.allowed, answer.least
    size, arcs = len(graph.order), len(graph.ends)
    place, room = np.empty((size, len(cpu)), np.int64), _room(size, arcs)
    delay, paid = np.empty((size, len(cpu))), np.empty((size, len(cpu)))
    left = _Left(np.empty(size, np.int32), np.zeros(size, np.int32), np.empty(size, np.int32))
    incumbent = np.empty(size, np.int64)
    complete, share = True, effort.share
    for m in range(len(least)):
        answer.relaxed[m] = False
        may_stay, possible = True, True
        for k in range(size):
            answer.places[m, k], incumbent[k] = -1, -1
            r = -1 if devices.free else devices.row[m, k]
            left.home[k] = 1 if r < 0 or allowed[r, len(cpu)] else 0
            may_stay = may_stay and left.home[k] == 1
            left.high[k] = _fill_menu(place[k], points, r, allowed)
            work, slow, dear = sides.work[m, k], sides.radio_delay[m, k], sides.radio_energy[m, k]
            for i in range(left.high[k]):
                there, spent = at_point(work, cpu[place[k, i]])
                delay[k, i], paid[k, i] = there + slow, points.price[place[k, i]] + (dear + spent)
            possible = possible and (left.home[k] == 1 or left.high[k] > 0)
        least[m] = devices.local_cost[m] if may_stay else np.inf
        # Who offloads pays for the radio: the rest costs >= 0, and is looked for below this.
        radio = devices.radio[m]
        best = min(least[m], devices.ceiling[m]) - radio
        if devices.connected[m] < 0 or not possible:
            continue
        if best <= 0:
            least[m] = min(least[m], radio)
            continue
        costs = _Costs(
            *(sides.local_delay[m], sides.local_energy[m], place, delay, paid),
            *(sides.up_delay[m], sides.up_energy[m], sides.down_delay[m], sides.down_energy[m]),
        )
        nodes = max(1, effort.limit // (size + arcs))
        copy(room.flow, answer.flow[m] if len(answer.flow) > 0 else graph.even)
        found, proven, share, answer.width[m] = _search(
            costs, left, graph, plan, best, nodes, effort, share, answer.width[m], room, incumbent
        )
        if found < best:
            for k in range(size):
                answer.places[m, k] = -1 if incumbent[k] < 0 else place[k, incumbent[k]]
            least[m] = found + radio
        if proven < found - effort.tolerance - 3 * _TOLERANCE * found:
            answer.relaxed[m], complete = True, False
        least[m] = min(least[m], proven + radio)
        if len(answer.flow) > 0:
            copy(answer.flow[m], room.flow)
    return complete
