"""The compiled kernel that prices series-parallel tasks by labels, following a plan.

See :mod:`.plan` for what a label is and why this is exact.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from offloadlib.instances.alarm import STOPPED
from offloadlib.instances.compiled import inlined, kernel, of_format_1, subroutine
from offloadlib.instances.loops import copy, order_of
from offloadlib.instances.structured.inlined import GROUP_SIDES, along, at_point

from .plan import LEAF, PLAN, SERIES, labelled
from .tables import ANSWERS, BUYERS, OFFERS

LARGEST_ARENA = 1 << 21
"""Labels of one device, at the most: 80 MB."""


class _Labels(NamedTuple):
    """Labels (d, p, c), and what each is made of: two others, or -2 - a subtask, and its place."""

    d: Any
    p: Any
    c: Any
    left: Any
    right: Any


@subroutine
def _labels(size):  # type: ignore[no-untyped-def]
    left, right = np.empty(size, np.int64), np.empty(size, np.int64)
    return _Labels(np.empty(size), np.empty(size), np.empty(size), left, right)


@subroutine
def _grown(labels, size):  # type: ignore[no-untyped-def]
    """The same labels, with room for so many."""
    before, room = len(labels.d), len(labels.d)
    while room < size:
        room *= 2
    grown = _labels(room)
    for i in range(before):
        grown.d[i], grown.p[i], grown.c[i] = labels.d[i], labels.p[i], labels.c[i]
        grown.left[i], grown.right[i] = labels.left[i], labels.right[i]
    return grown


@subroutine
def _sort(labels, start, end):  # type: ignore[no-untyped-def]
    """Sort labels [start, end) by d: by insertion where they are few, as they come almost sorted."""
    d, p, c, left, right = labels
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
def _prune(labels, start, end, has_p, stopped):  # type: ignore[no-untyped-def]
    """Drop dominated labels of [start, end), of which all are kept once time is up; returns the new end."""
    if end - start < 2:
        return end
    _sort(labels, start, end)
    d, p, c, left, right = labels
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


@inlined
def side_of(sides, plan, m, s, number, side):  # type: ignore[no-untyped-def]
    """What one side of the subtask of a leaf costs device m, with the transfers that are charged to it.

    Returns
    -------
    delay, ahead, energy
        Its delay, without the execution at a point; that of the subtask that follows; its energy.
    """
    p, bits, first = (m, plan.steps[s, 1]), plan.options[number, 1], plan.arc_start[s]
    delay, energy, ahead = sides.local_delay[p], sides.local_energy[p], 0.0
    if side == 1:
        delay, energy = sides.radio_delay[p], sides.radio_energy[p]
    for i in range(first, plan.arc_start[s + 1]):
        other, charged_first = (bits >> (i - first)) & 1, plan.arcs[i, 1] == 1
        before, here = (side, other) if charged_first else (other, side)
        more, spent = along(sides, (m, plan.arcs[i, 0]), before, here)
        energy += spent
        if charged_first:
            ahead += more
        else:
            delay += more
    return delay, ahead, energy


@kernel(
    types.boolean(GROUP_SIDES, OFFERS, BUYERS, PLAN, STOPPED, ANSWERS),
    needed=lambda instance: of_format_1(instance) and any(map(labelled, instance.applications)),
)
def price_by_labels(  # type: ignore[no-untyped-def]
    sides, points, devices, plan, stopped, answer
):
    """Price devices of a group; False where there are too many labels, or time is up."""
    steps, options, pairs, pair_start = plan.steps, plan.options, plan.pairs, plan.pair_start
    cpu, prices, allowed = points.cpu, points.price, devices.allowed
    places, least = answer.places, answer.least
    subtasks, lists = places.shape[1], len(options)
    labels = _labels(1 << 10)
    d, p, c, left, right = labels
    begin, end = np.empty(lists, np.int64), np.empty(lists, np.int64)
    choice = np.empty(len(cpu), np.int64)
    stack = np.empty(4 * subtasks + 4, np.int64)
    for m in range(len(least)):
        # Is all-local allowed, and is anything else?
        may_stay = True
        if not devices.free:
            for k in range(subtasks):
                if devices.row[m, k] >= 0 and not allowed[devices.row[m, k], len(cpu)]:
                    may_stay = False
        least[m] = devices.local_cost[m] if may_stay else np.inf
        for k in range(subtasks):
            places[m, k] = -1
        if devices.connected[m] < 0:
            continue
        used = 0
        for s in range(len(steps)):
            kind, k, fold, pay = steps[s, 0], steps[s, 1], steps[s, 2] == 1, steps[s, 3] == 1
            for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
                begin[number] = used
                if stopped[0]:
                    return False
                if used + len(cpu) + 2 > len(d):
                    labels = _grown(labels, used + len(cpu) + 2)
                    d, p, c, left, right = labels
                if kind == LEAF:
                    own = options[number, 0]
                    r = -1 if devices.free else devices.row[m, k]
                    for o in range(2):
                        if own >= 0 and own != o:
                            continue
                        if o == 0 and r >= 0 and not allowed[r, len(cpu)]:
                            continue
                        delay, ahead, paid = side_of(sides, plan, m, s, number, o)
                        if pay:
                            ahead, paid = 0.0, paid + ahead
                        count = 0
                        if o == 0:
                            count = 1
                        elif r < 0:
                            for n in points.menu:
                                choice[count] = n
                                count += 1
                        else:
                            for n in range(len(cpu)):
                                if allowed[r, n]:
                                    choice[count] = n
                                    count += 1
                        best, best_place, work = np.inf, -2, sides.work[m, k]
                        for i in range(count):
                            place, d_i, c_i = -1, delay, paid
                            if o == 1:
                                place = choice[i]
                                there, spent = at_point(work, cpu[place])
                                d_i, c_i = delay + there, paid + spent + prices[place]
                            if fold:
                                if c_i + d_i < best:
                                    best, best_place = c_i + d_i, place
                            else:
                                d[used], p[used], c[used] = d_i, ahead, c_i
                                left[used], right[used] = -2 - k, place
                                used += 1
                        if fold and best < np.inf:
                            d[used], p[used], c[used] = 0.0, 0.0, best
                            left[used], right[used] = -2 - k, best_place
                            used += 1
                else:
                    best, best_left, best_right = np.inf, -1, -1
                    for pair in range(pair_start[number], pair_start[number + 1]):
                        one, two = pairs[pair, 0], pairs[pair, 1]
                        along = kind != SERIES and plan.has_p[s] == 0
                        if not fold:
                            few, many = end[one] - begin[one], end[two] - begin[two]
                            size = used + (few + many if along else few * many)
                            if size > LARGEST_ARENA:
                                return False
                            if size > len(d):
                                labels = _grown(labels, size)
                                d, p, c, left, right = labels
                        if along:
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
                                    if paid + at < best:
                                        best, best_left, best_right = paid + at, i, j
                                else:
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
                                    total = paid + (delay + ahead)
                                    if total < best:
                                        best, best_left, best_right = total, i, j
                                else:
                                    d[used], p[used], c[used] = delay, ahead, paid
                                    left[used], right[used] = i, j
                                    used += 1
                    if fold and best < np.inf:
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
                    used = _prune(labels, begin[number], used, plan.has_p[s] == 1, stopped)
                end[number] = used
        root = lists - 1
        if end[root] == begin[root]:
            continue
        total = c[begin[root]] + devices.radio[m]
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
