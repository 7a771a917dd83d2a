r"""Compiled dynamic programming along a frontier: exact pricing of tasks that are narrow somehow (:mod:`.frontier`).

A **label** is a way to decide all subtasks up to a step: the sides that the rest has to know, the delays, and
what is paid. Of two with the same sides, one with no smaller delay that has not paid less is dropped
(*dominance*). Three things keep labels few:

- **Bounds.** At a unit flow phi (:mod:`.search`) the heaviest path weighs at least as much as a path of the
  flow on average, so that a label costs at least what it has paid, plus each of its delays times the flow
  that comes by it, plus the least :math:`\sum_k \phi_k g_k + \dots` of the undecided subtasks at its sides: a
  table for every step, filled from the last one on. What reaches the incumbent is dropped.
- **Waiting.** A delay that is over before the earliest finish of another predecessor is as good as that.
- **Width.** Of more labels than asked for, those of least bounds are kept. The least bound of the dropped ones
  bounds what they would have led to: so the result is valid at any width, and exact where none with a
  bound below the incumbent was dropped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from offloadlib.instances.compiled import inlined, subroutine
from offloadlib.instances.loops import copy, order_of

from .frontier import DONE, FINISH, TRANSFERS

MOST_SIDES = 12
"""Free sides that labels may differ in, at the most: there are tables of 2^sides bounds for each step."""

MOST_COMPARED = 256
"""Labels that one is compared with for dominance."""


class _Labels(NamedTuple):
    """Labels: sides as bits, delays, what is paid, a lower bound, where they come from and the last choice."""

    sides: Any
    delay: Any
    paid: Any
    bound: Any
    came: Any
    choice: Any


class _Trail(NamedTuple):
    """Of all labels that were kept, and their predecessors: one to go back to, and its choice."""

    came: Any
    choice: Any


@subroutine
def _room(size, delays):  # type: ignore[no-untyped-def]
    sides, delay, paid = np.empty(size, np.int64), np.empty((size, delays)), np.empty(size)
    return _Labels(sides, delay, paid, np.empty(size), np.empty(size, np.int64), np.empty(size, np.int32))


@subroutine
def _larger(labels):  # type: ignore[no-untyped-def]
    size = len(labels.paid)
    more = _room(2 * size, labels.delay.shape[1])
    copy(more.sides[:size], labels.sides)
    for i in range(size):
        copy(more.delay[i], labels.delay[i])
    copy(more.paid[:size], labels.paid)
    copy(more.bound[:size], labels.bound)
    copy(more.came[:size], labels.came)
    copy(more.choice[:size], labels.choice)
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
def _set_sides(plan, s, free, bits, side):  # type: ignore[no-untyped-def]
    """The free sides before a step from bits."""
    for i in range(plan.front_start[s], plan.front_start[s + 1]):
        k = plan.front[i]
        if free[k]:
            side[k] = bits & 1
            bits >>= 1


@subroutine
def _set_guesses(plan, s, free, bits, side):  # type: ignore[no-untyped-def]
    for i in range(plan.guess_start[s], plan.guess_start[s + 1]):
        k = plan.guess[i]
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
    """What the arcs that are counted at the step of subtask k cost: its own delay, delay that is paid, and the
    rest."""
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
            _set_sides(plan, s, free, bits, side)
            best = np.inf
            for guess in range(1 << guesses):
                _set_guesses(plan, s, free, guess, side)
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
    """The earliest finish of each subtask that is not decided before a step, from when the others are over."""
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
def _reduce(labels, count, width, last, first, kept, trail, used):  # type: ignore[no-untyped-def]
    """Keep the labels that no other one dominates, by ascending bounds, as many as the width says.

    ``last`` (a number for all bits) and ``first`` are room: the labels of the same sides, as a list.

    Returns
    -------
    number, dropped
        How many there are now, and the least bound of those that were dropped for the width.
    """
    order, delays = order_of(labels.bound, 0, count), kept.delay.shape[1]
    number = 0
    for x in range(count):
        i = order[x]
        group, compared, beaten = labels.sides[i], 0, False
        j = last[group]
        while j >= 0 and compared < MOST_COMPARED:
            if kept.paid[j] <= labels.paid[i]:
                q = 0
                while q < delays and kept.delay[j, q] <= labels.delay[i, q]:
                    q += 1
                if q == delays:
                    beaten = True
                    break
            compared += 1
            j = first[j]
        if beaten:
            continue
        if number == width:
            for y in range(number):
                last[kept.sides[y]] = -1
            return number, labels.bound[i]
        kept.sides[number], kept.paid[number], kept.bound[number] = group, labels.paid[i], labels.bound[i]
        for q in range(delays):
            kept.delay[number, q] = labels.delay[i, q]
        kept.came[number] = used + number
        trail.came[used + number], trail.choice[used + number] = labels.came[i], labels.choice[i]
        first[number], last[group] = last[group], number
        number += 1
    for y in range(number):
        last[kept.sides[y]] = -1
    return number, np.inf


@inlined
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
    best, bound
        Infinite and ``enough`` if there is none. ``-inf`` as the bound where too many sides are free.
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
            most = max(most, sides + _count_free(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free))
            widest = max(widest, plan.delay_start[s + 1] - plan.delay_start[s])
        if most > MOST_SIDES:
            return np.inf, -np.inf
        start[s + 1] = start[s] + (1 << sides)
    least, finish = np.empty(start[size + 1]), np.empty(size)
    _rest(costs, left, graph, plan, flow, free, side, start, least)
    bound = least[0]
    if bound >= enough:
        return np.inf, enough
    _earliest(costs, left, graph, plan, 0, finish)
    weight, waits = np.empty(widest), np.empty(widest)
    last, first = np.full(1 << most, -1, np.int64), np.empty(width, np.int64)
    new, kept = _room(1 << 10, widest), _room(width, widest)
    trail = _Trail(np.empty(width * size + 1, np.int64), np.empty(width * size + 1, np.int32))
    kept.sides[0], kept.paid[0], kept.bound[0], kept.came[0] = 0, 0.0, bound, 0
    kept.delay[:] = 0.0
    number, used, dropped = 1, 1, enough
    for s in range(size):
        if stopped[0]:
            return np.inf, bound
        k, count = plan.order[s], 0
        _weigh(graph, plan, s, flow, finish, tails, weight, waits)
        begin, slots = plan.delay_start[s], plan.delay_start[s + 1] - plan.delay_start[s]
        guesses = _count_free(plan.guess, plan.guess_start[s], plan.guess_start[s + 1], free)
        for x in range(number):
            _set_sides(plan, s, free, kept.sides[x], side)
            ready = kept.delay[x, plan.ready[s]] if plan.ready[s] >= 0 else 0.0
            if plan.transfers[s] >= 0:
                ready += kept.delay[x, plan.transfers[s]]
            for guess in range(1 << guesses):
                _set_guesses(plan, s, free, guess, side)
                low, high = side[k], side[k]
                if free[k] and plan.guessed[k] == 0:
                    low, high = 0, 1
                for o in range(low, high + 1):
                    side[k] = o
                    bits = _bits(plan, s + 1, free, side)
                    rest = least[start[s + 1] + bits]
                    more, late, paid = _transfers(costs, graph, plan, k, side)
                    begun, base = ready + more, kept.paid[x] + (late + paid)
                    for i in range(-1 if o == 0 else left.low[k], 0 if o == 0 else left.high[k]):
                        if count == len(new.paid):
                            new = _larger(new)
                        ended = begun + (costs.home_delay[k] if o == 0 else costs.delay[k, i])
                        spent = base + (costs.home_paid[k] if o == 0 else costs.paid[k, i])
                        value = rest
                        for q in range(slots):
                            kind, old, arc = plan.delays[begin + q, 0], plan.delays[begin + q, 1], 0
                            at = kept.delay[x, old] if old >= 0 else 0.0
                            if kind == TRANSFERS:
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
                                at = max(at, waits[q])
                            if q == 0 and plan.pays[s] == 1:
                                spent += at
                            else:
                                value += weight[q] * at
                                new.delay[count, q - plan.pays[s]] = at
                        value += spent
                        if value >= enough:
                            continue
                        for q in range(slots - plan.pays[s], widest):
                            new.delay[count, q] = 0.0
                        new.sides[count], new.paid[count], new.bound[count] = bits, spent, value
                        new.came[count], new.choice[count] = kept.came[x], i
                        count += 1
        number, lost = _reduce(new, count, width, last, first, kept, trail, used)
        dropped = min(dropped, lost)
        used += number
        if number == 0:
            break
        if plan.pays[s] == 1:
            _earliest(costs, left, graph, plan, s + 1, finish)
    if number == 0:
        return np.inf, dropped
    x = 0
    for y in range(number):
        if kept.paid[y] < kept.paid[x]:
            x = y
    at = kept.came[x]
    for s in range(size - 1, -1, -1):
        incumbent[plan.order[s]] = trail.choice[at]
        at = trail.came[at]
    return kept.paid[x], min(dropped, kept.paid[x])
