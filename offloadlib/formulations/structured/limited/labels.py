r"""Series-parallel tasks with deadlines and energy budgets by labels that lie within the gap: subroutines.

A label of a block is that of :mod:`..decomposition.plan`, (d, p, c), with the energy of the block where
there is a budget. Since a deadline holds for all of a path, no delay is forgotten (the plan is not folded),
and a block keeps many labels. What keeps them few is that bounds are known already: for the flow and the
multipliers of :func:`.bounds.ascend`, a decision costs at least a sum over its subtasks and arcs. For each
list of labels, what is *inside* of its block and the *rest* come to so much at least, by dynamic
programming over the plan, up and down. A label whose own sum and rest are no less than the best decision
found, or that cannot be in time or within the budget with any rest, is not kept. Nor is one that another
one beats in everything.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from offloadlib.instances.compiled import subroutine
from offloadlib.instances.loops import order_of

from ..decomposition.plan import LEAF, PARALLEL, SERIES
from .bounds import Workspace, evaluate, take

MOST_LABELS = 1 << 16
"""Of a device, in room of 4 MB; beyond, it is searched."""

FLOW, DELAY, ENERGY, COST = 0, 1, 2, 3


class Labels(NamedTuple):
    """Labels: delay, delay ahead, energy, cost without delay, the part in the bound, and what each is made
    of: two others, or -2 - a subtask, and its place of the menu.

    ``inside`` and ``rest`` (lists, 4) are what is in a block and outside of it at least, by list: in the
    bound, in delay, in energy and in cost without delay; ``begin`` and ``end`` say where lists are.
    """

    delay: Any
    ahead: Any
    energy: Any
    cost: Any
    flow: Any
    left: Any
    right: Any
    inside: Any
    rest: Any
    begin: Any
    end: Any
    stack: Any


@subroutine
def labels_for(plan: Any, size: int) -> Labels:
    """Room for the labels of a device whose task has so many subtasks."""
    lists = len(plan.options)
    most = MOST_LABELS if lists > 0 else 0
    return Labels(
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most),
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty((lists, 4)),
        np.empty((lists, 4)),
        np.empty(lists, np.int64),
        np.empty(lists, np.int64),
        np.empty(4 * size + 4, np.int64),
    )


@subroutine
def _arcs(tasks: Any, g: int, plan: Any, least: Any, s: int, number: int, side: int) -> Any:
    """What the arcs that are charged to a leaf cost on one side of it: delay, delay ahead, energy, flow."""
    delay, ahead, energy, flow = 0.0, 0.0, 0.0, 0.0
    bits, first = plan.options[number, 1], plan.arc_start[s]
    for i in range(first, plan.arc_start[s + 1]):
        arc, other = plan.arcs[i, 0], (bits >> (i - first)) & 1
        if other == side:
            continue
        more, up = 0.0, (side == 1) != (plan.arcs[i, 1] == 1)
        if up:
            more = tasks.up_delay[g, arc]
            energy += tasks.up_energy[g, arc]
            flow += least.up[arc]
        else:
            more = tasks.down_delay[g, arc]
            energy += tasks.down_energy[g, arc]
            flow += least.down[arc]
        if plan.arcs[i, 1] == 1:
            ahead += more
        else:
            delay += more
    return delay, ahead, energy, flow


@subroutine
def _fill_inside(tasks: Any, g: int, plan: Any, work: Workspace, labels: Labels) -> None:
    menu, least, inside = work.menu, work.least, labels.inside
    for s in range(len(plan.steps)):
        kind, k = plan.steps[s, 0], plan.steps[s, 1]
        for number in range(plan.steps[s, 4], plan.steps[s, 4] + plan.steps[s, 5]):
            for i in range(4):
                inside[number, i] = np.inf
            if kind == LEAF:
                own = plan.options[number, 0]
                for side in range(2):
                    if (own >= 0 and own != side) or least.side[side, k] == np.inf:
                        continue
                    delay, _, energy, flow = _arcs(tasks, g, plan, least, s, number, side)
                    paid = menu.home_paid[k]
                    if side == 0:
                        delay += menu.home_seconds[k]
                        energy += tasks.local_energy[g, k]
                    else:
                        # The fastest place comes first, and what is slower is cheaper.
                        delay += menu.seconds[k, 0] + tasks.radio_delay[g, k]
                        energy += tasks.radio_energy[g, k]
                        paid = menu.paid[k, menu.size[k] - 1]
                    inside[number, FLOW] = min(inside[number, FLOW], least.side[side, k] + flow)
                    inside[number, DELAY] = min(inside[number, DELAY], delay)
                    inside[number, ENERGY] = min(inside[number, ENERGY], energy)
                    inside[number, COST] = min(inside[number, COST], paid + tasks.joule[g] * energy)
                continue
            for pair in range(plan.pair_start[number], plan.pair_start[number + 1]):
                one, two = plan.pairs[pair, 0], plan.pairs[pair, 1]
                for i in range(4):
                    both = inside[one, i] + inside[two, i]
                    if i == DELAY and kind == PARALLEL:
                        both = max(inside[one, i], inside[two, i])
                    inside[number, i] = min(inside[number, i], both)


@subroutine
def _fill_rest(plan: Any, labels: Labels) -> None:
    inside, rest = labels.inside, labels.rest
    for number in range(len(rest)):
        for i in range(4):
            rest[number, i] = 0.0 if number == len(rest) - 1 else np.inf
    for s in range(len(plan.steps) - 1, -1, -1):
        if plan.steps[s, 0] == LEAF:
            continue
        for number in range(plan.steps[s, 4], plan.steps[s, 4] + plan.steps[s, 5]):
            for pair in range(plan.pair_start[number], plan.pair_start[number + 1]):
                one, two = plan.pairs[pair, 0], plan.pairs[pair, 1]
                for i in range(4):
                    beside = i == DELAY and plan.steps[s, 0] == PARALLEL
                    before = rest[number, i] + (0.0 if beside else inside[two, i])
                    after = rest[number, i] + (0.0 if beside else inside[one, i])
                    rest[one, i], rest[two, i] = min(rest[one, i], before), min(rest[two, i], after)


@subroutine
def _kept(labels: Labels, start: int, end: int, by_all: bool, by_energy: bool) -> int:
    """Leave out labels of [start, end) that others beat, sort them by delay; returns the new end."""
    delay, ahead, energy, cost, flow, left, right = labels[:7]
    order = order_of(delay, start, end)
    kept = end
    for x in range(len(order)):
        i = order[x]
        beaten = False
        if by_all or by_energy:
            for j in range(end, kept):
                if cost[j] <= cost[i] and ahead[j] <= ahead[i] and (not by_energy or energy[j] <= energy[i]):
                    beaten = True
                    break
        else:
            beaten = kept > end and cost[kept - 1] <= cost[i]
        if not beaten:
            delay[kept], ahead[kept], energy[kept], cost[kept] = delay[i], ahead[i], energy[i], cost[i]
            flow[kept], left[kept], right[kept] = flow[i], left[i], right[i]
            kept += 1
    for i in range(end, kept):
        j = start + i - end
        delay[j], ahead[j], energy[j], cost[j] = delay[i], ahead[i], energy[i], cost[i]
        flow[j], left[j], right[j] = flow[i], left[i], right[i]
    return start + kept - end


@subroutine
def by_labels(
    tasks: Any,
    g: int,
    graph: Any,
    plan: Any,
    work: Workspace,
    labels: Labels,
    slack: float,
    effort: Any,
    answers: Any,
) -> Any:
    """The best decision of a device, as good as found already, up to a slack.

    Returns
    -------
    complete, bound
        Whether there was room for all labels, in time; what decisions that are not found cost at least.
    """
    menu, least, limits, decision = work.menu, work.least, work.limits, work.decision
    delay, ahead, energy, cost, flow, left, right, _, rest, begin, end, stack = labels
    _fill_inside(tasks, g, plan, work, labels)
    _fill_rest(plan, labels)
    minus = tasks.air[g]
    if work.best.level[0] > 0.0:
        minus -= work.best.level[0] * tasks.deadline[g]
    if work.best.level[1] > 0.0:
        minus -= work.best.level[1] * tasks.budget[g]
    weight = tasks.second[g] + work.best.level[0]
    joules = tasks.joule[g] + work.best.level[1]
    enough, by_energy = answers.found[g] - slack, limits[1] < np.inf
    pruned, used = np.inf, 0
    for s in range(len(plan.steps)):
        kind, k, add = plan.steps[s, 0], plan.steps[s, 1], plan.steps[s, 3] == 1
        for number in range(plan.steps[s, 4], plan.steps[s, 4] + plan.steps[s, 5]):
            begin[number] = used
            if effort.stopped[0]:
                return False, pruned
            pairs = plan.pair_start[number + 1] - plan.pair_start[number]
            for pair in range(1 if kind == LEAF else pairs):
                one = two = 0
                first, last, second, final = 0, 1, 0, 1
                own = -1
                if kind == LEAF:
                    own = plan.options[number, 0]
                    first, last, second, final = 0, 2, 0, 0
                else:
                    at = plan.pair_start[number] + pair
                    one, two = plan.pairs[at, 0], plan.pairs[at, 1]
                    first, last, second, final = begin[one], end[one], begin[two], end[two]
                for i in range(first, last):
                    base_delay, base_ahead, base_energy, base_flow = 0.0, 0.0, 0.0, 0.0
                    if kind == LEAF:
                        if (own >= 0 and own != i) or least.side[i, k] == np.inf:
                            continue
                        base_delay, base_ahead, base_energy, base_flow = _arcs(
                            tasks, g, plan, least, s, number, i
                        )
                        if i == 1:
                            base_delay += tasks.radio_delay[g, k]
                            base_energy += tasks.radio_energy[g, k]
                            base_flow += (
                                weight * work.best.through[k] * tasks.radio_delay[g, k]
                                + joules * tasks.radio_energy[g, k]
                            )
                            final = menu.size[k]
                        else:
                            base_delay += menu.home_seconds[k]
                            base_energy += tasks.local_energy[g, k]
                            final = 1
                    for j in range(second, final):
                        if kind == LEAF:
                            d, p, e, f = base_delay, base_ahead, base_energy, base_flow
                            c = tasks.joule[g] * e
                            if i == 1:
                                d += menu.seconds[k, j]
                                f += weight * work.best.through[k] * menu.seconds[k, j] + menu.paid[k, j]
                                c += menu.paid[k, j]
                            else:
                                f += least.side[0, k]
                                c += menu.home_paid[k]
                        else:
                            d = d_two = delay[j]
                            p = ahead[j]
                            if kind == SERIES:
                                d = delay[i] + ahead[i] + d_two
                            else:
                                d, p = max(delay[i], d_two), ahead[i] + p
                                if add:
                                    d, p = d + p, 0.0
                            e, c, f = energy[i] + energy[j], cost[i] + cost[j], flow[i] + flow[j]
                        long = d + p + rest[number, DELAY]
                        if long > limits[0] or e + rest[number, ENERGY] > limits[1]:
                            continue
                        bound = max(
                            f + rest[number, FLOW] + minus,
                            c + rest[number, COST] + tasks.second[g] * long + tasks.air[g],
                        )
                        if bound >= enough:
                            pruned = min(pruned, bound)
                            continue
                        if used == len(delay):
                            return False, pruned
                        delay[used], ahead[used], energy[used], cost[used], flow[used] = d, p, e, c, f
                        left[used], right[used] = i, j
                        if kind == LEAF:
                            left[used], right[used] = -2 - k, j if i == 1 else -1
                        used += 1
            if 2 * used - begin[number] > len(delay):
                return False, pruned
            used = _kept(labels, begin[number], used, plan.has_p[s] == 1, by_energy)
            end[number] = used
    root = len(rest) - 1
    best = -1
    for i in range(begin[root], end[root]):
        if best < 0 or cost[i] + tasks.second[g] * delay[i] < cost[best] + tasks.second[g] * delay[best]:
            best = i
    if best < 0:
        return True, pruned
    depth = 0
    stack[0] = best
    while depth >= 0:
        i = stack[depth]
        depth -= 1
        if left[i] <= -2:
            decision.choice[-2 - left[i]] = right[i]
        else:
            stack[depth + 1], stack[depth + 2] = left[i], right[i]
            depth += 2
    value = evaluate(tasks, g, graph, menu, decision)
    before = answers.found[g]
    take(menu, decision, value, g, limits, effort.banned, answers)
    return answers.found[g] < before, pruned
