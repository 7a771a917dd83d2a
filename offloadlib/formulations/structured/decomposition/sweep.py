r"""Compiled dynamic programming along a frontier (:mod:`.frontier`): exact pricing of narrow tasks.

A **label** is a way to decide all subtasks up to a step: the sides that the rest has to know, the delays, and
what is paid. Four things keep labels few:

- **Dominance.** Of two with the same sides, one that has paid more than its earlier delays can be worth is
  dropped. The heaviest path leads through one of the finishes, and maybe through all sums of transfers: so
  whatever follows, delays make up for no more than the most by which one of the finishes is earlier, plus
  all by which sums are less.
- **Bounds.** At a unit flow phi (:mod:`.search`) the heaviest path weighs at least as much as a path of the
  flow on average, so that a label costs at least what it has paid, plus each of its delays times the flow
  that comes by it, plus the least :math:`\sum_k \phi_k g_k + \dots` of the undecided subtasks at its sides: a
  table for every step, filled from the last one on. What reaches the incumbent is dropped.
- **Waiting.** A delay that is over before the earliest finish of another predecessor is as good as that.
- **Width.** Of more labels than asked for, those of least bounds are kept. The least bound of the dropped
  ones bounds what they would have led to: so the result is valid at any width, and exact where none with a
  bound below the incumbent was dropped.

In a segment a label counts on top of the cheapest of those put aside that it goes on from, delays as the
flow counts them; of the delays that these have counted, only what flow comes by in addition.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from offloadlib.instances.compiled import subroutine
from offloadlib.instances.loops import order_of

from .frontier import (
    ASKED,
    BEFORE,
    CLOCK,
    CLOSE,
    DECIDE,
    FINISH,
    LATEST,
    LATEST_SHIFTED,
    NOT_ASKED,
    OPEN,
    SHIFTED,
    SUM,
    TRANSFERS,
)

MOST_SIDES = 12
"""Free sides that labels may differ in, at the most: there are tables of 2^sides bounds for each step."""

MOST_COMPARED = 256
"""Labels that one is compared with for dominance."""


_ROUNDING = 2.0**-50
"""Of what a label has paid: what the comparison of two labels may lose by rounding."""


class _Labels(NamedTuple):
    """Labels: sides as bits, the start in the segment that they go on from, delays, what is paid, a lower
    bound, and what they are made of: a label, and a subtask with its choice; or (_JOINED) another label."""

    sides: Any
    tag: Any
    delay: Any
    paid: Any
    bound: Any
    came: Any
    other: Any
    choice: Any


class _Trail(NamedTuple):
    """What all labels that were kept are made of."""

    came: Any
    other: Any
    choice: Any


class _Open(NamedTuple):
    """Segments that are open: where their labels begin among those put aside, how many starts they have (-1:
    it was not worth it), and of each delay the flow that segments around it have counted."""

    begin: Any
    starts: Any
    counted: Any


_JOINED = -2
"""Choice of a label that is made of two."""


@subroutine
def _room(size, delays):  # type: ignore[no-untyped-def]
    return _Labels(
        *(np.empty(size, np.int64), np.empty(size, np.int64), np.empty((size, delays))),
        *(np.empty(size), np.empty(size)),
        *(np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)),
    )


@subroutine
def _put(to, i, labels, j):  # type: ignore[no-untyped-def]
    """Copy a label."""
    to.sides[i], to.tag[i], to.paid[i], to.bound[i] = (
        labels.sides[j],
        labels.tag[j],
        labels.paid[j],
        labels.bound[j],
    )
    to.came[i], to.other[i], to.choice[i] = labels.came[j], labels.other[j], labels.choice[j]
    for q in range(labels.delay.shape[1]):
        to.delay[i, q] = labels.delay[j, q]


@subroutine
def _roomier(labels, size):  # type: ignore[no-untyped-def]
    """The same labels with room for so many."""
    if size <= len(labels.paid):
        return labels
    more = _room(max(size, 2 * len(labels.paid)), labels.delay.shape[1])
    for i in range(len(labels.paid)):
        _put(more, i, labels, i)
    return more


@subroutine
def _longer(trail, size):  # type: ignore[no-untyped-def]
    if size <= len(trail.came):
        return trail
    room = max(size, 2 * len(trail.came))
    more = _Trail(np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int64))
    for i in range(len(trail.came)):
        more.came[i], more.other[i], more.choice[i] = trail.came[i], trail.other[i], trail.choice[i]
    return more


@subroutine
def _bits(plan, s, free, side):  # type: ignore[no-untyped-def]
    """The free sides before a step as bits."""
    bits, at = 0, 0
    for i in range(plan.front_start[s], plan.front_start[s + 1]):
        k = plan.front[i]
        if free[k]:
            bits |= side[k] << at
            at += 1
    return bits


@subroutine
def _set_sides(subtasks, start, end, free, bits, side):  # type: ignore[no-untyped-def]
    """The free sides of some subtasks from bits."""
    for i in range(start, end):
        k = subtasks[i]
        if free[k]:
            side[k] = bits & 1
            bits >>= 1


@subroutine
def _count_free(subtasks, start, end, free):  # type: ignore[no-untyped-def]
    count = 0
    for i in range(start, end):
        count += free[subtasks[i]]
    return count


@subroutine
def _transfers(costs, graph, plan, k, side):  # type: ignore[no-untyped-def]
    """What the arcs that are counted at the step of subtask k cost: its own delay, delay that is paid, and
    the rest."""
    delay, late, paid = 0.0, 0.0, 0.0
    for i in range(graph.beside_start[k], graph.beside_start[k + 1]):
        arc, other, ahead = graph.beside[i, 0], graph.beside[i, 1], graph.beside[i, 2] == 0
        if plan.guessed[other if ahead else k] != ahead:
            continue
        before, here = (side[k], side[other]) if ahead else (side[other], side[k])
        if before == here:
            continue
        more = costs.up_delay[arc] if here == 1 else costs.down_delay[arc]
        paid += costs.up_paid[arc] if here == 1 else costs.down_paid[arc]
        if not ahead:
            delay += more
        elif plan.cut[other] == 1:
            late += more
    return delay, late, paid


@subroutine
def _relaxed_transfers(costs, graph, plan, k, side, flow):  # type: ignore[no-untyped-def]
    """The same with delays as the flow counts them."""
    paid = 0.0
    for i in range(graph.beside_start[k], graph.beside_start[k + 1]):
        arc, other, ahead = graph.beside[i, 0], graph.beside[i, 1], graph.beside[i, 2] == 0
        if plan.guessed[other if ahead else k] != ahead:
            continue
        before, here = (side[k], side[other]) if ahead else (side[other], side[k])
        share = flow[other if ahead else k]
        if before < here:
            paid += share * costs.up_delay[arc] + costs.up_paid[arc]
        elif before > here:
            paid += share * costs.down_delay[arc] + costs.down_paid[arc]
    return paid


@subroutine
def _rest(costs, left, graph, plan, flow, free, side, start, least):  # type: ignore[no-untyped-def]
    """Fill the tables of the least relaxed costs from each step on, by free sides before it."""
    size = len(plan.order)
    least[start[size]] = 0.0
    for s in range(size - 1, -1, -1):
        k = plan.order[s]
        own = np.inf
        for i in range(left.low[k], left.high[k]):
            own = min(own, flow[k] * costs.delay[k, i] + costs.paid[k, i])
        home = flow[k] * costs.home_delay[k] + costs.home_paid[k]
        guesses = _count_free(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free)
        for bits in range(start[s + 1] - start[s]):
            _set_sides(plan.front, plan.front_start[s], plan.front_start[s + 1], free, bits, side)
            best = np.inf
            for guess in range(1 << guesses):
                _set_sides(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free, guess, side)
                first, last = side[k], side[k]
                if free[k] and plan.guessed[k] == 0:
                    first, last = 0, 1
                for o in range(first, last + 1):
                    side[k] = o
                    value = (own if o == 1 else home) + _relaxed_transfers(costs, graph, plan, k, side, flow)
                    value += least[start[s + 1] + _bits(plan, s + 1, free, side)]
                    best = min(best, value)
            least[start[s] + bits] = best


@subroutine
def _earliest(costs, left, graph, plan, s, finish):  # type: ignore[no-untyped-def]
    """The earliest finish of each subtask that is not decided before a step, if all others finish at 0."""
    for k in graph.order:
        finish[k] = 0.0
        if plan.step[k] < s:
            continue
        delay = costs.home_delay[k] if left.home[k] == 1 else np.inf
        for i in range(left.low[k], left.high[k]):
            delay = min(delay, costs.delay[k, i])
        begun = 0.0
        for i in range(graph.late_start[k], graph.late_start[k + 1]):
            begun = max(begun, finish[graph.late[i, 1]])
        finish[k] = begun + delay


@subroutine
def _weigh(graph, plan, s, flow, finish, tails, weight, waits):  # type: ignore[no-untyped-def]
    """The flow that comes by each delay after a step, and until when that has to wait in any case."""
    for d in range(plan.delay_start[s], plan.delay_start[s + 1]):
        q = d - plan.delay_start[s]
        kind = plan.delays[d, 0]
        weight[q], waits[q] = 0.0, 0.0
        if kind == TRANSFERS:
            weight[q] = flow[plan.after[plan.after_start[d]]]
        elif kind == FINISH:
            waits[q] = np.inf
            for i in range(plan.after_start[d], plan.after_start[d + 1]):
                w, until = plan.after[i], 0.0
                for a in range(graph.late_start[w], graph.late_start[w + 1]):
                    if plan.step[graph.late[a, 1]] <= s:
                        weight[q] += flow[len(plan.order) + graph.late[a, 0]]
                    else:
                        until = max(until, finish[graph.late[a, 1]])
                waits[q] = min(waits[q], until)
        else:
            for k in range(len(plan.order)):
                if tails[k]:
                    if plan.step[k] <= s:
                        weight[q] += flow[k]
                    else:
                        waits[q] = max(waits[q], finish[k])


@subroutine
def _list_of(heads, size, labels, tag, sides):  # type: ignore[no-untyped-def]
    """Where the list of the labels with a tag and sides begins in a table of a size, or belongs."""
    at = (tag * 1_000_003 + sides * 7_919) % size
    while heads[at] >= 0 and (labels.tag[heads[at]] != tag or labels.sides[heads[at]] != sides):
        at = (at + 1) % size
    return at


@subroutine
def _reduce(labels, count, width, sums, heads, after, kept, trail, used):  # type: ignore[no-untyped-def]
    """Keep the labels that no other one dominates, by ascending bounds, as many as the width says.

    ``sums`` tells of each delay whether it is a sum of transfers.

    Returns
    -------
    number, dropped
        How many there are now, and the least bound of those that were dropped for the width.
    """
    order, delays = order_of(labels.bound, 0, count), kept.delay.shape[1]
    number, dropped = 0, np.inf
    size = 2 * min(count, width) + 1
    heads[:size] = -1
    for x in range(count):
        i = order[x]
        at, compared, beaten = _list_of(heads, size, kept, labels.tag[i], labels.sides[i]), 0, False
        j = heads[at]
        while j >= 0 and compared < MOST_COMPARED and not beaten:
            worth, latest, more = labels.paid[i] - kept.paid[j], 0.0, 0.0
            if worth > 0.0:
                worth = max(worth - _ROUNDING * labels.paid[i], 0.0)
            q = 0
            while q < delays and latest + more <= worth:
                longer = kept.delay[j, q] - labels.delay[i, q]
                if sums[q]:
                    more += max(longer, 0.0)
                else:
                    latest = max(latest, longer)
                q += 1
            beaten = latest + more <= worth
            compared += 1
            j = after[j]
        if beaten:
            continue
        if number == width:
            dropped = labels.bound[i]
            break
        _put(kept, number, labels, i)
        kept.came[number] = used + number
        trail.came[used + number], trail.other[used + number] = labels.came[i], labels.other[i]
        trail.choice[used + number] = labels.choice[i]
        after[number], heads[at] = heads[at], number
        number += 1
    return number, dropped


@subroutine
def _begin(plan, j, kept, number, counted, weight, aside, put):  # type: ignore[no-untyped-def]
    """Put labels aside, from ``put`` on, and leave one start for all that segment j asks the same of.

    Starts have paid what those put aside have at least, with delays as the flow counts them.

    Returns
    -------
    starts
        How many there are; nothing has changed where that is not less than half of the labels.
    """
    first, last = plan.asked_start[j], plan.asked_start[j + 1]
    size = 4
    while size < 2 * number:
        size *= 2
    table, starts = np.full(size, -1, np.int64), 0
    start_of = np.empty(number, np.int64)  # one of the labels of each start
    for x in range(number):
        at = kept.sides[x] * 7_919 + kept.tag[x] * 1_000_003
        for q in range(last - first):
            if plan.asked[first + q] == ASKED:
                at = at * 31 + np.int64(kept.delay[x, q] * 1e15) % 1_000_003
        at %= size
        while table[at] >= 0:
            y = start_of[table[at]]
            same = kept.sides[x] == kept.sides[y] and kept.tag[x] == kept.tag[y]
            for q in range(last - first):
                if plan.asked[first + q] == ASKED and kept.delay[x, q] != kept.delay[y, q]:
                    same = False
            if same:
                break
            at = (at + 1) % size
        if table[at] < 0:
            if 2 * (starts + 1) > number:
                return number
            table[at], start_of[starts] = starts, x
            starts += 1
        _put(aside, put + x, kept, x)
        aside.choice[put + x] = table[at]
    for x in range(starts):
        _put(kept, x, aside, put + start_of[x])
        kept.tag[x], kept.came[x], kept.paid[x] = x, -1, np.inf
        for q in range(last - first):
            if plan.asked[first + q] != ASKED:
                kept.delay[x, q] = 0.0
    for x in range(number):
        spent, at = aside.paid[put + x], aside.choice[put + x]
        for q in range(last - first):
            if plan.asked[first + q] != ASKED:
                spent += (weight[q] - counted[q]) * aside.delay[put + x, q]
        # Until the segment ends the bound is what it has paid thus.
        aside.bound[put + x] = spent
        kept.paid[at] = min(kept.paid[at], spent)
    return starts


@subroutine
def sweep(costs, left, graph, plan, flow, enough, width, stopped, incumbent):  # type: ignore[no-untyped-def]
    """The least cost of a decision below ``enough``, and a lower bound of all decisions' costs up to that.

    Parameters
    ----------
    costs, left, graph, plan
        Of :mod:`.search` and :mod:`.frontier`.
    flow
        (K + A,) a unit flow.
    enough
        Of no interest is what costs as much.
    width
        Labels of a step, at the most.
    stopped
        (1,) when time is up: then the bound is that of the flow.
    incumbent
        (K,) gets the decision, if there is one.

    Returns
    -------
    best, bound, work
        Infinite and ``enough`` if there is none; ``-inf`` as the bound where too many sides are free. And how
        many labels were tried.
    """
    size = len(plan.order)
    side, free, tails = np.empty(size, np.int64), np.empty(size, np.bool_), np.ones(size, np.bool_)
    for k in range(size):
        free[k] = left.home[k] == 1 and left.low[k] < left.high[k]
        side[k] = 0 if left.home[k] == 1 else 1
        for i in range(graph.late_start[k], graph.late_start[k + 1]):
            tails[graph.late[i, 1]] = False
    start, most, widest = np.zeros(size + 2, np.int64), 0, 1
    for s in range(size + 1):
        sides = _count_free(plan.front, plan.front_start[s], plan.front_start[s + 1], free)
        most = max(most, sides)
        if s < size:
            most = max(
                most, sides + _count_free(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free)
            )
            widest = max(widest, plan.delay_start[s + 1] - plan.delay_start[s])
        if most > MOST_SIDES:
            return np.inf, -np.inf, 0
        start[s + 1] = start[s] + (1 << sides)
    least, finish = np.empty(start[size + 1]), np.empty(size)
    _rest(costs, left, graph, plan, flow, free, side, start, least)
    bound = least[0]
    if bound >= enough:
        return np.inf, enough, start[size + 1]
    _earliest(costs, left, graph, plan, 0, finish)
    weight, waits, before = np.zeros(widest), np.empty(widest), np.empty(widest)
    counted = np.zeros(widest)  # of the flow by each delay, what labels that are put aside have counted
    heads, after = np.empty(2 * width + 1, np.int64), np.empty(width, np.int64)
    new, kept, aside = _room(1 << 10, widest), _room(width, widest), _room(1, widest)
    trail = _Trail(
        np.empty(4 * width, np.int64), np.empty(4 * width, np.int64), np.empty(4 * width, np.int64)
    )
    sums = np.empty(widest, np.bool_)
    segments = len(plan.asked_start) - 1
    opened = _Open(np.zeros(segments, np.int64), np.zeros(segments, np.int64), np.zeros((segments, widest)))
    kept.sides[0], kept.tag[0], kept.paid[0], kept.bound[0], kept.came[0] = 0, 0, 0.0, bound, -1
    kept.delay[:] = 0.0
    number, used, dropped, put, relative, s = 1, 0, enough, 0, 0, -1
    work = start[size + 1]
    for instruction in range(len(plan.program)):
        if stopped[0]:
            return np.inf, bound, work
        kind, j, count = plan.program[instruction, 0], plan.program[instruction, 1], 0
        if kind == OPEN:
            aside = _roomier(aside, put + number)
            starts = _begin(plan, j, kept, number, counted, weight, aside, put)
            opened.begin[j], opened.starts[j] = put, -1
            if starts < number:
                opened.starts[j] = starts
                put += number
                first = plan.asked_start[j]
                for q in range(widest):
                    opened.counted[j, q] = counted[q]
                for q in range(plan.asked_start[j + 1] - first):
                    transfers = plan.delays[plan.delay_start[s] + plan.pays[s] + q, 0] == TRANSFERS
                    if plan.asked[first + q] == NOT_ASKED and not transfers:
                        counted[q] = weight[q]
                    elif plan.asked[first + q] == CLOCK:
                        counted[q] = 0.0
                        relative += 1
                number = starts
            continue
        if kind == CLOSE:
            if opened.starts[j] < 0:
                continue
            # The labels put aside, by their start and then by their bounds
            begin, first = opened.begin[j], plan.root_start[j]
            order = order_of(aside.bound, begin, put)
            many, base = np.zeros(opened.starts[j] + 1, np.int64), np.full(opened.starts[j], np.inf)
            for x in range(begin, put):
                many[aside.choice[x] + 1] += 1
            for x in range(opened.starts[j]):
                many[x + 1] += many[x]
            sorted_ones, filled = np.empty(put - begin, np.int64), np.zeros(opened.starts[j], np.int64)
            for x in order:
                at = aside.choice[x]
                base[at] = min(base[at], aside.bound[x])
                sorted_ones[many[at] + filled[at]] = x
                filled[at] += 1
            delays = plan.root_start[j + 1] - first
            for q in range(widest):
                before[q] = 0.0
            clock = -1
            for q in range(plan.asked_start[j + 1] - plan.asked_start[j]):
                if plan.asked[plan.asked_start[j] + q] == CLOCK:
                    clock = q
                    relative -= 1
            for q in range(delays):
                root, how = plan.roots[first + q]
                before[q] = opened.counted[j, root] if root >= 0 and (root != clock) else 0.0
            for x in range(number):
                tag = kept.tag[x]
                for y in range(many[tag], many[tag + 1]):
                    i = sorted_ones[y]
                    if kept.bound[x] - base[tag] + aside.bound[i] >= enough:
                        break
                    if count == len(new.paid):
                        new = _roomier(new, 2 * count)
                    spent = kept.paid[x] - base[tag] + aside.paid[i]
                    value = spent + least[start[s + 1] + kept.sides[x]]
                    for q in range(delays):
                        root, at = plan.roots[first + q, 0], kept.delay[x, q]
                        how = plan.roots[first + q, 1]
                        if how in (SHIFTED, LATEST_SHIFTED):
                            at += aside.delay[i, clock]
                        if how in (LATEST, LATEST_SHIFTED):
                            at = max(at, aside.delay[i, root])
                        elif how == SUM:
                            at += aside.delay[i, root]
                        elif how == BEFORE:
                            at = aside.delay[i, root]
                        new.delay[count, q] = at
                        value += (weight[q] - before[q]) * at
                    if value >= enough:
                        continue
                    for q in range(delays, widest):
                        new.delay[count, q] = 0.0
                    new.sides[count], new.tag[count], new.paid[count] = kept.sides[x], aside.tag[i], spent
                    new.bound[count], new.came[count], new.other[count] = value, kept.came[x], aside.came[i]
                    new.choice[count] = _JOINED
                    count += 1
            put = begin
            for q in range(widest):
                counted[q] = before[q]
        else:
            s = j
            k = plan.order[s]
            _weigh(graph, plan, s, flow, finish, tails, weight, waits)
            begin, slots, pays = (
                plan.delay_start[s],
                plan.delay_start[s + 1] - plan.delay_start[s],
                plan.pays[s],
            )
            for q in range(widest):
                before[q] = 0.0
            for q in range(slots):
                old = plan.delays[begin + q, 1]
                before[q] = counted[old] if old >= 0 else 0.0
            guesses = _count_free(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free)
            for x in range(number):
                _set_sides(
                    plan.front, plan.front_start[s], plan.front_start[s + 1], free, kept.sides[x], side
                )
                ready = kept.delay[x, plan.ready[s]] if plan.ready[s] >= 0 else 0.0
                if plan.transfers[s] >= 0:
                    ready += kept.delay[x, plan.transfers[s]]
                for guess in range(1 << guesses):
                    _set_sides(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free, guess, side)
                    low, high = side[k], side[k]
                    if free[k] and plan.guessed[k] == 0:
                        low, high = 0, 1
                    for o in range(low, high + 1):
                        side[k] = o
                        bits = _bits(plan, s + 1, free, side)
                        rest = least[start[s + 1] + bits]
                        more, late, paid = _transfers(costs, graph, plan, k, side)
                        begun, base_paid = ready + more, kept.paid[x] + (late + paid)
                        for i in range(-1 if o == 0 else left.low[k], 0 if o == 0 else left.high[k]):
                            if count == len(new.paid):
                                new = _roomier(new, 2 * count)
                            ended = begun + (costs.home_delay[k] if o == 0 else costs.delay[k, i])
                            spent = base_paid + (costs.home_paid[k] if o == 0 else costs.paid[k, i])
                            value = rest
                            for q in range(slots):
                                old = plan.delays[begin + q, 1]
                                at = kept.delay[x, old] if old >= 0 else 0.0
                                if plan.delays[begin + q, 0] == TRANSFERS:
                                    arc = plan.delays[begin + q, 3]
                                    if arc >= 0:
                                        other = graph.ends[arc, 1]
                                        if o < side[other]:
                                            at += costs.up_delay[arc]
                                        elif o > side[other]:
                                            at += costs.down_delay[arc]
                                else:
                                    if plan.delays[begin + q, 2] == 1:
                                        at = max(at, ended)
                                    if relative == 0:
                                        at = max(at, waits[q])
                                if q == 0 and pays == 1:
                                    spent += at
                                else:
                                    value += (weight[q] - before[q]) * at
                                    new.delay[count, q - pays] = at
                            value += spent
                            if value >= enough:
                                continue
                            for q in range(slots - pays, widest):
                                new.delay[count, q] = 0.0
                            new.sides[count], new.paid[count], new.bound[count] = bits, spent, value
                            new.tag[count], new.came[count], new.other[count] = kept.tag[x], kept.came[x], k
                            new.choice[count] = i
                            count += 1
            # What is paid is a delay no more.
            for q in range(widest):
                counted[q] = before[q + pays] if q + pays < widest else 0.0
                weight[q] = weight[q + pays] if q + pays < widest else 0.0
        for q in range(widest):
            d = plan.delay_start[s] + plan.pays[s] + q
            sums[q] = d < plan.delay_start[s + 1] and plan.delays[d, 0] == TRANSFERS
        trail = _longer(trail, used + min(count, width))
        number, lost = _reduce(new, count, width, sums, heads, after, kept, trail, used)
        dropped = min(dropped, lost)
        used += number
        work += count
        if number == 0:
            return np.inf, dropped, work
        if kind == DECIDE and plan.pays[s] == 1:
            _earliest(costs, left, graph, plan, s + 1, finish)
    x, best = 0, np.inf
    for y in range(number):
        if kept.paid[y] + kept.delay[y, 0] < best:
            x, best = y, kept.paid[y] + kept.delay[y, 0]
    stack = np.empty(2 * size + 2 * segments + 2, np.int64)
    stack[0], depth = kept.came[x], 0
    while depth >= 0:
        at = stack[depth]
        depth -= 1
        if at < 0:
            continue
        if trail.choice[at] == _JOINED:
            depth += 1
            stack[depth] = trail.other[at]
        else:
            incumbent[trail.other[at]] = trail.choice[at]
        depth += 1
        stack[depth] = trail.came[at]
    return best, min(dropped, best), work
