"""The compiled kernel that prices series-parallel tasks by labels, following a plan.

See :mod:`.plan` for what a label is and why this is exact.
"""

from __future__ import annotations

import numpy as np
from numba import types

from offloadlib.instances.compiled import kernel, readable, subroutine, writable
from offloadlib.instances.loops import copy, order_of

from .plan import LEAF, SERIES, labelled

LARGEST_ARENA = 2_000_000
"""Labels of one device, at the most."""

_F1, _F2, _I1, _I2 = readable("float64"), readable("float64", 2), readable("int64"), readable("int64", 2)
_I4 = writable("int32", 2)


@subroutine
def _grown(values):  # type: ignore[no-untyped-def]
    grown = np.empty(2 * len(values), values.dtype)
    copy(grown[: len(values)], values)
    return grown


@subroutine
def _all_grown(d, p, c, left, right):  # type: ignore[no-untyped-def]
    return _grown(d), _grown(p), _grown(c), _grown(left), _grown(right)


@subroutine
def _sort(d, p, c, left, right, start, end):  # type: ignore[no-untyped-def]
    """Sort labels [start, end) by d: by insertion where they are few, as they come almost sorted."""
    if end - start > 100:
        order = order_of(d, start, end)
        _permute(d, order, start)
        _permute(p, order, start)
        _permute(c, order, start)
        _permute(left, order, start)
        _permute(right, order, start)
        return
    for i in range(start + 1, end):
        j = i
        di, pi, ci, li, ri = d[i], p[i], c[i], left[i], right[i]
        while j > start and d[j - 1] > di:
            d[j], p[j], c[j], left[j], right[j] = d[j - 1], p[j - 1], c[j - 1], left[j - 1], right[j - 1]
            j -= 1
        d[j], p[j], c[j], left[j], right[j] = di, pi, ci, li, ri


@subroutine
def _permute(values, order, start):  # type: ignore[no-untyped-def]
    permuted = np.empty(len(order), values.dtype)
    for i in range(len(order)):
        permuted[i] = values[order[i]]
    copy(values[start : start + len(order)], permuted)


@subroutine
def _prune(d, p, c, left, right, start, end, has_p, stopped):  # type: ignore[no-untyped-def]
    """Drop dominated labels of [start, end), of which all are kept once time is up; returns the new end."""
    if end - start < 2:
        return end
    _sort(d, p, c, left, right, start, end)
    kept = start
    for i in range(start, end):
        beaten = False
        if has_p and not stopped[0]:
            for j in range(start, kept):
                if p[j] <= p[i] and c[j] <= c[i]:
                    beaten = True
                    break
        elif kept > start and c[kept - 1] <= c[i]:
            beaten = True
        if not beaten:
            if not has_p and kept > start and d[kept - 1] == d[i]:
                kept -= 1
            d[kept], p[kept], c[kept] = d[i], p[i], c[i]
            left[kept], right[kept] = left[i], right[i]
            kept += 1
    return kept


@subroutine
def transfers(m, o, bits, arcs, start, end, arc_up, arc_down, send, receive):  # type: ignore[no-untyped-def]
    """Delay of a subtask, delay of the one that follows, and energy of the transfers charged to it."""
    into, ahead, energy = 0.0, 0.0, 0.0
    for i in range(start, end):
        arc, charged_first = arcs[i, 0], arcs[i, 1] == 1
        other = (bits >> (i - start)) & 1
        if other == o:
            continue
        upward = (o == 0) if charged_first else (o == 1)
        t = arc_up[m, arc] if upward else arc_down[m, arc]
        energy += t * (send[m] if upward else receive[m])
        if charged_first:
            ahead += t
        else:
            into += t
    return into, ahead, energy


@kernel(
    types.boolean(
        *(_F2, _F2, _F2, _F2, _F2, _F2, _F1, _F1, _F1, _F1, _F1, _I1, _F1),
        *(_F1, _F1, _F1, _I1, types.boolean, _I2, readable("boolean", 2)),
        *(_I2, _I2, _I2, _I1, _I2, _I1, _I1),
        *(readable("boolean"), _I4, writable("float64"), types.int64, types.int64),
    ),
    needed=lambda instance: any(map(labelled, instance.applications)),
)
def price_by_labels(  # type: ignore[no-untyped-def]
    local,
    work,
    arc_up,
    arc_down,
    head_up,
    tail_down,
    execute,
    send,
    receive,
    delay_weight,
    energy_weight,
    connected,
    local_cost,
    radio,
    cpu,
    prices,
    menu,
    free,
    row,
    allowed,
    steps,
    options,
    arcs,
    arc_start,
    pairs,
    pair_start,
    has_p,
    stopped,
    places,
    least,
    first,
    last,
):
    """Price the devices first..last of a group; False where there are too many labels, or time is up."""
    size = 1 << 10
    d, p, c = np.empty(size), np.empty(size), np.empty(size)
    left, right = np.empty(size, np.int64), np.empty(size, np.int64)
    begin, end = np.empty(len(options), np.int64), np.empty(len(options), np.int64)
    points = np.empty(len(cpu), np.int64)
    stack = np.empty(4 * work.shape[1] + 4, np.int64)
    subtasks = work.shape[1]
    for m in range(first, last):
        # Is all-local allowed, and is anything else?
        may_stay, may_go = True, connected[m] >= 0
        if not free:
            for k in range(subtasks):
                if row[m, k] >= 0 and not allowed[row[m, k], len(cpu)]:
                    may_stay = False
        least[m] = local_cost[m] if may_stay else np.inf
        for k in range(subtasks):
            places[m, k] = -1
        if not may_go:
            continue
        a, b = delay_weight[m], energy_weight[m]
        used = 0
        for s in range(len(steps)):
            kind, k, fold, pay = steps[s, 0], steps[s, 1], steps[s, 2] == 1, steps[s, 3] == 1
            for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
                begin[number] = used
                if stopped[0]:
                    return False
                if kind == LEAF:
                    own, bits = options[number, 0], options[number, 1]
                    r = -1 if free else row[m, k]
                    for o in range(2):
                        if own >= 0 and own != o:
                            continue
                        if o == 0 and r >= 0 and not allowed[r, len(cpu)]:
                            continue
                        into, ahead, energy = transfers(
                            m, o, bits, arcs, arc_start[s], arc_start[s + 1], arc_up, arc_down, send, receive
                        )
                        fixed = 0.0
                        if pay:
                            fixed, ahead = a * ahead, 0.0
                        if o == 0:
                            into += local[m, k]
                            energy += local[m, k] * execute[m]
                            count = 1
                        else:
                            into += head_up[m, k] + tail_down[m, k]
                            energy += head_up[m, k] * send[m] + tail_down[m, k] * receive[m]
                            count = 0
                            if r < 0:
                                for n in menu:
                                    points[count] = n
                                    count += 1
                            else:
                                for n in range(len(cpu)):
                                    if allowed[r, n]:
                                        points[count] = n
                                        count += 1
                        best, best_place = np.inf, -2
                        for i in range(count):
                            place = -1 if o == 0 else points[i]
                            delay = into if o == 0 else into + work[m, k] / cpu[place]
                            paid = fixed + b * energy if o == 0 else fixed + b * energy + prices[place]
                            if fold:
                                total = paid + a * delay
                                if total < best:
                                    best, best_place = total, place
                            else:
                                if used == size:
                                    size = 2 * size
                                    d, p, c, left, right = _all_grown(d, p, c, left, right)
                                d[used], p[used], c[used] = delay, ahead, paid
                                left[used], right[used] = -2 - k, place
                                used += 1
                        if fold and best < np.inf:
                            if used == size:
                                size = 2 * size
                                d, p, c, left, right = _all_grown(d, p, c, left, right)
                            d[used], p[used], c[used] = 0.0, 0.0, best
                            left[used], right[used] = -2 - k, best_place
                            used += 1
                else:
                    best, best_left, best_right = np.inf, -1, -1
                    for pair in range(pair_start[number], pair_start[number + 1]):
                        one, two = pairs[pair, 0], pairs[pair, 1]
                        if kind != SERIES and has_p[s] == 0:
                            # Both lists fall in c as they rise in d: walk along both at once.
                            i, j = begin[one], begin[two]
                            if i == end[one] or j == end[two]:
                                continue
                            at = max(d[i], d[j])
                            while True:
                                while i + 1 < end[one] and d[i + 1] <= at:
                                    i += 1
                                while j + 1 < end[two] and d[j + 1] <= at:
                                    j += 1
                                paid = c[i] + c[j]
                                if fold:
                                    if paid + a * at < best:
                                        best, best_left, best_right = paid + a * at, i, j
                                else:
                                    if used == size:
                                        if size > LARGEST_ARENA:
                                            return False
                                        size = 2 * size
                                        d, p, c, left, right = _all_grown(d, p, c, left, right)
                                    d[used], p[used], c[used] = at, 0.0, paid
                                    left[used], right[used] = i, j
                                    used += 1
                                after = np.inf
                                if i + 1 < end[one]:
                                    after = d[i + 1]
                                if j + 1 < end[two]:
                                    after = min(after, d[j + 1])
                                if after == np.inf:
                                    break
                                at = after
                            continue
                        for i in range(begin[one], end[one]):
                            if stopped[0]:
                                return False
                            for j in range(begin[two], end[two]):
                                if kind == SERIES:
                                    delay, ahead = d[i] + p[i] + d[j], p[j]
                                else:
                                    delay, ahead = max(d[i], d[j]), p[i] + p[j]
                                paid = c[i] + c[j]
                                if fold:
                                    total = paid + a * (delay + ahead)
                                    if total < best:
                                        best, best_left, best_right = total, i, j
                                else:
                                    if used == size:
                                        if size > LARGEST_ARENA:
                                            return False
                                        size = 2 * size
                                        d, p, c, left, right = _all_grown(d, p, c, left, right)
                                    d[used], p[used], c[used] = delay, ahead, paid
                                    left[used], right[used] = i, j
                                    used += 1
                    if fold and best < np.inf:
                        if used == size:
                            size = 2 * size
                            d, p, c, left, right = _all_grown(d, p, c, left, right)
                        d[used], p[used], c[used] = 0.0, 0.0, best
                        left[used], right[used] = best_left, best_right
                        used += 1
                if fold:
                    # One label is enough: the cheapest of the two own decisions.
                    if used - begin[number] == 2:
                        x = begin[number]
                        if c[x + 1] < c[x]:
                            c[x], left[x], right[x] = c[x + 1], left[x + 1], right[x + 1]
                        used = x + 1
                else:
                    used = _prune(d, p, c, left, right, begin[number], used, has_p[s] == 1, stopped)
                end[number] = used
        root = len(options) - 1
        if end[root] == begin[root]:
            continue
        total = c[begin[root]] + radio[m]
        if total < least[m]:
            least[m] = total
            depth = 0
            stack[0] = begin[root]
            while depth >= 0:
                i = stack[depth]
                depth -= 1
                if left[i] <= -2:
                    places[m, -2 - left[i]] = right[i]
                else:
                    stack[depth + 1], stack[depth + 2] = left[i], right[i]
                    depth += 2
    return True
