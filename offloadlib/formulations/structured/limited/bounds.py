r"""What the decisions of a device with a deadline and an energy budget cost at least: compiled subroutines.

**Bound.** Let phi be a unit flow through the graph of a task, as in :mod:`..decomposition.search`: a heaviest
path weighs at least as much as an average one, G >= sum_k phi_k g_k. With a second of delay at a, a mJ at b,
and multipliers l, m >= 0 on deadline D and budget B, each decision that keeps both costs at least

.. math::

   \sum_k \bigl( (a + l) \varphi_k g_k + (b + m) e_k + p_k \bigr) - l D - m B

where p_k is what subtask k pays at its place. Without the maximum, an offloaded subtask takes the place where
:math:`(a + l) \varphi_k s_k + p_k` is least, and the sides are found by dynamic programming over *fronts*
(:mod:`.tables`) in reverse topological order. Some steps of ascent move flow to the heaviest path of the
decision that is found, and raise or lower multipliers; each decision on the way may be a new incumbent.

**Search.** Depth first over the subtasks in topological order, at the best of these multipliers. With F_j the
finish of a decided subtask and phi_jk the flow along arcs, the sum of F_j (phi_j - sum_k phi_jk) over decided
j and their decided successors k is at least the flow's share of what is decided, and the table of the dynamic
programme has the least of the rest. A second bound takes the heaviest path alone, with the fastest places.
Parts without any decision in time are seen by the fastest rest of each path, and those beyond
the budget by the least energy of the rest.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from offloadlib.instances.compiled import subroutine

from .tables import TRACKED

_TURNS = 16
"""Flows and multipliers that are tried before the search."""

LEAST_AIM = 1e-9
"""How far beyond a value the first step aims, where all sums are 0."""

SLACK = 1e-9
"""Relative: a path that is heavier than what the flow carries by less takes no share of it."""

ROUNDING = 1e-13
"""Relative: parts are not searched for less."""


class BestPlaces(NamedTuple):
    """The places of each subtask that no other one beats, fastest first; and whether home is left."""

    size: Any
    place: Any
    seconds: Any
    paid: Any
    home: Any
    home_seconds: Any
    home_paid: Any


class Flow(NamedTuple):
    """A unit flow through subtasks and arcs, and the multipliers of deadline and budget."""

    through: Any
    along: Any
    level: Any


class Least(NamedTuple):
    """For one flow: what each side of a subtask costs at least and with which place of the menu, what arcs
    up and down cost, and what the rest costs at least, by step and front."""

    side: Any
    choice: Any
    up: Any
    down: Any
    rest: Any


class Decision(NamedTuple):
    """Place of the menu of each subtask (-1: home), when it finishes and after which one, and sums: delay,
    energy, what is paid (without the air), what is paid in absolute terms."""

    choice: Any
    finish: Any
    after: Any
    sums: Any


class Tails(NamedTuple):
    """What follows each subtask at the least: on a path, by side of it; and at each step of the order, in
    energy and in cost without delay."""

    path: Any
    energy: Any
    paid: Any


class Stack(NamedTuple):
    """Of each step: what is decided before it, as sums; and its children, the bound of each (infinite where
    it is done with)."""

    energy: Any
    paid: Any
    carried: Any
    longest: Any
    sides: Any
    bound: Any


class Workspace(NamedTuple):
    """Room for the work on one device: its menu, a flow and the best one, what that makes of the least, a
    decision, what follows, the stack of a search, and deadline and budget, loosened."""

    menu: Any
    flow: Any
    best: Any
    least: Any
    decision: Any
    tails: Any
    stack: Any
    limits: Any


@subroutine
def work_for(size: int, arcs: int, points: int) -> Workspace:
    """Room for devices with so many subtasks and arcs, and so many offload points."""
    return Workspace(
        BestPlaces(
            np.empty(size, np.int64),
            np.empty((size, points + 1), np.int64),
            np.empty((size, points + 1)),
            np.empty((size, points + 1)),
            np.empty(size, np.bool_),
            np.empty(size),
            np.empty(size),
        ),
        Flow(np.empty(size), np.empty(arcs), np.empty(2)),
        Flow(np.empty(size), np.empty(arcs), np.empty(2)),
        Least(
            np.empty((2, size)),
            np.empty(size, np.int64),
            np.empty(arcs),
            np.empty(arcs),
            np.empty((size + 1, 1 << TRACKED)),
        ),
        Decision(np.empty(size, np.int64), np.empty(size), np.empty(size, np.int64), np.empty(4)),
        Tails(np.empty((2, size)), np.empty(size + 1), np.empty(size + 1)),
        Stack(
            np.empty(size + 1),
            np.empty(size + 1),
            np.empty(size + 1),
            np.empty(size + 1),
            np.empty(size + 1, np.int64),
            np.empty((size, points + 1)),
        ),
        np.empty(2),
    )


@subroutine
def fill_menu(tasks: Any, g: int, menu: BestPlaces, all_places: bool) -> bool:
    """The places left to a device; whether each subtask has one."""
    points = tasks.seconds.shape[2] - 1
    for k in range(tasks.seconds.shape[1]):
        size = 0
        for n in range(points):
            if not tasks.left[g, k, n]:
                continue
            seconds, paid = tasks.seconds[g, k, n], tasks.paid[g, k, n]
            at = size
            while at > 0 and menu.seconds[k, at - 1] > seconds:
                at -= 1
            first = after = at
            if not all_places:
                if at > 0 and menu.paid[k, at - 1] <= paid:
                    continue
                while first > 0 and menu.seconds[k, first - 1] == seconds:
                    first -= 1
                while after < size and menu.paid[k, after] >= paid:
                    after += 1
            shift = first + 1 - after
            if shift > 0:
                for i in range(size - 1, after - 1, -1):
                    menu.seconds[k, i + shift] = menu.seconds[k, i]
                    menu.paid[k, i + shift] = menu.paid[k, i]
                    menu.place[k, i + shift] = menu.place[k, i]
            elif shift < 0:
                for i in range(after, size):
                    menu.seconds[k, i + shift] = menu.seconds[k, i]
                    menu.paid[k, i + shift] = menu.paid[k, i]
                    menu.place[k, i + shift] = menu.place[k, i]
            size += shift
            menu.seconds[k, first], menu.paid[k, first], menu.place[k, first] = seconds, paid, n
        menu.size[k] = size
        menu.home[k] = tasks.left[g, k, points]
        menu.home_seconds[k], menu.home_paid[k] = tasks.seconds[g, k, points], tasks.paid[g, k, points]
        if size == 0 and not menu.home[k]:
            return False
    return True


@subroutine
def _fill_least(tasks: Any, g: int, graph: Any, menu: BestPlaces, flow: Flow, least: Least) -> float:
    """What each decision costs at least, if it goes on air."""
    second, joule = tasks.second[g] + flow.level[0], tasks.joule[g] + flow.level[1]
    size = len(graph.order)
    for k in range(size):
        weight = second * flow.through[k]
        least.side[0, k] = np.inf
        if menu.home[k]:
            least.side[0, k] = (
                weight * menu.home_seconds[k] + joule * tasks.local_energy[g, k] + menu.home_paid[k]
            )
        best, choice = np.inf, -1
        for c in range(menu.size[k]):
            value = weight * menu.seconds[k, c] + menu.paid[k, c]
            if value < best:
                best, choice = value, c
        least.side[1, k] = best + weight * tasks.radio_delay[g, k] + joule * tasks.radio_energy[g, k]
        least.choice[k] = choice
        for i in range(graph.into_start[k], graph.into_start[k + 1]):
            arc = graph.into[i, 0]
            least.up[arc] = weight * tasks.up_delay[g, arc] + joule * tasks.up_energy[g, arc]
            least.down[arc] = weight * tasks.down_delay[g, arc] + joule * tasks.down_energy[g, arc]
    least.rest[size, 0] = 0.0
    for step in range(size - 1, -1, -1):
        k, front = graph.order[step], graph.front[step]
        after, bit = graph.front[step + 1], graph.bit[k]
        keeps = after & ~(1 << bit) if bit >= 0 else after
        sides = front
        while True:
            best = np.inf
            for side in range(2):
                value = least.side[side, k]
                for i in range(graph.into_start[k], graph.into_start[k + 1]):
                    arc, b = graph.into[i, 0], graph.bit[graph.into[i, 1]]
                    if b >= 0:
                        before = (sides >> b) & 1
                        if before < side:
                            value += least.up[arc]
                        elif before > side:
                            value += least.down[arc]
                to = sides & keeps
                if side == 1 and bit >= 0:
                    to |= 1 << bit
                best = min(best, value + least.rest[step + 1, to])
            least.rest[step, sides] = best
            if sides == 0:
                break
            sides = (sides - 1) & front
    total: float = least.rest[0, 0]
    if flow.level[0] > 0.0:
        total -= flow.level[0] * tasks.deadline[g]
    if flow.level[1] > 0.0:
        total -= flow.level[1] * tasks.budget[g]
    return total


@subroutine
def _trace(graph: Any, least: Least, decision: Decision) -> None:
    """The decision that costs least by the table."""
    sides, chosen, reached = 0, 0, 0
    for step in range(len(graph.order)):
        k = graph.order[step]
        bit = graph.bit[k]
        after = graph.front[step + 1]
        keeps = after & ~(1 << bit) if bit >= 0 else after
        best = np.inf
        for side in range(2):
            value = least.side[side, k]
            for i in range(graph.into_start[k], graph.into_start[k + 1]):
                arc, j = graph.into[i, 0], graph.into[i, 1]
                before = 1 if decision.choice[j] >= 0 else 0
                if before < side:
                    value += least.up[arc]
                elif before > side:
                    value += least.down[arc]
            to = sides & keeps
            if side == 1 and bit >= 0:
                to |= 1 << bit
            value += least.rest[step + 1, to]
            if side == 0 or value < best:
                best, chosen, reached = value, side, to
        decision.choice[k] = least.choice[k] if chosen == 1 else -1
        sides = reached


@subroutine
def evaluate(tasks: Any, g: int, graph: Any, menu: BestPlaces, decision: Decision) -> float:
    """What a decision costs, deadline and budget apart."""
    energy, paid, size, delay, away = 0.0, 0.0, 0.0, 0.0, False
    for step in range(len(graph.order)):
        k = graph.order[step]
        c = decision.choice[k]
        if c < 0:
            weight, pays, joules = menu.home_seconds[k], menu.home_paid[k], tasks.local_energy[g, k]
        else:
            away = True
            weight, pays, joules = (
                menu.seconds[k, c] + tasks.radio_delay[g, k],
                menu.paid[k, c],
                tasks.radio_energy[g, k],
            )
        start, decision.after[k] = 0.0, -1
        for i in range(graph.into_start[k], graph.into_start[k + 1]):
            arc, j = graph.into[i, 0], graph.into[i, 1]
            if decision.choice[j] < 0 <= c:
                weight += tasks.up_delay[g, arc]
                joules += tasks.up_energy[g, arc]
            elif c < 0 <= decision.choice[j]:
                weight += tasks.down_delay[g, arc]
                joules += tasks.down_energy[g, arc]
            if decision.after[k] < 0 or decision.finish[j] > start:
                start, decision.after[k] = decision.finish[j], j
        decision.finish[k] = start + weight
        delay = max(delay, start + weight)
        energy += joules
        paid += pays
        size += abs(pays)
    air = tasks.air[g] if away else 0.0
    decision.sums[0], decision.sums[1], decision.sums[2] = delay, energy, paid
    decision.sums[3] = tasks.second[g] * delay + tasks.joule[g] * energy
    value: float = decision.sums[3] + paid + air
    decision.sums[3] += size + air
    return value


@subroutine
def is_banned(menu: BestPlaces, decision: Decision, banned: Any) -> bool:
    """Whether a decision is among those that are not wanted."""
    for x in range(len(banned)):
        same = True
        for k in range(len(decision.choice)):
            c = decision.choice[k]
            same &= banned[x, k] == (menu.place[k, c] if c >= 0 else -1)
        if same:
            return True
    return False


@subroutine
def take(
    menu: BestPlaces, decision: Decision, value: float, g: int, limits: Any, banned: Any, answers: Any
) -> None:
    """Keep a decision if it is the best one so far."""
    if value >= answers.found[g] or decision.sums[0] > limits[0] or decision.sums[1] > limits[1]:
        return
    if is_banned(menu, decision, banned):
        return
    for k in range(len(decision.choice)):
        c = decision.choice[k]
        answers.places[g, k] = menu.place[k, c] if c >= 0 else -1
    answers.found[g], answers.delay[g], answers.energy[g] = value, decision.sums[0], decision.sums[1]


@subroutine
def ascend(tasks: Any, g: int, graph: Any, work: Workspace, effort: Any, answers: Any) -> float:
    """Good multipliers, in ``best``; the bound that they give, at which the table ends."""
    menu, flow, best, least = work.menu, work.flow, work.best, work.least
    decision, limits = work.decision, work.limits
    size, arcs = len(graph.order), len(graph.into)
    for k in range(size):
        flow.through[k] = graph.even[k]
    for arc in range(arcs):
        flow.along[arc] = graph.even_arc[arc]
    flow.level[0] = flow.level[1] = 0.0
    bound, step, at_best = -np.inf, 1.0, False
    air = tasks.air[g]
    for _ in range(_TURNS):
        value = _fill_least(tasks, g, graph, menu, flow, least) + air
        _trace(graph, least, decision)
        cost = evaluate(tasks, g, graph, menu, decision)
        delay, energy = decision.sums[0], decision.sums[1]
        take(menu, decision, cost, g, limits, effort.banned, answers)
        at_best = value > bound
        if at_best:
            bound = value
            best.level[0], best.level[1] = flow.level[0], flow.level[1]
            for k in range(size):
                best.through[k] = flow.through[k]
            for arc in range(arcs):
                best.along[arc] = flow.along[arc]
        else:
            step *= 0.7
        rounding = ROUNDING * decision.sums[3]
        if bound >= answers.found[g] - max(rounding, effort.tolerance) or effort.stopped[0]:
            break
        aim = answers.found[g]
        if aim == np.inf:
            aim = value + 0.1 * decision.sums[3] + LEAST_AIM
        aim = step * (aim - value)
        # A share of the flow goes by the heaviest path of the decision; late decisions make time dearer.
        second = tasks.second[g] + flow.level[0]
        carried = 0.0
        for k in range(size):
            here = decision.finish[k]
            if decision.after[k] >= 0:
                here -= decision.finish[decision.after[k]]
            carried += flow.through[k] * here
        more, moved = 0.0, False
        share = 0.0
        if delay > limits[0]:
            more = aim / (delay - tasks.deadline[g]) if delay > tasks.deadline[g] else 0.0
            if second + more > 0.0:
                share = more / (second + more)
            flow.level[0] += more
            moved = more > 0.0
        else:
            if flow.level[0] > 0.0 and carried < tasks.deadline[g]:
                less = min(flow.level[0], aim / (tasks.deadline[g] - carried))
                flow.level[0] -= less
                moved = True
            if second > 0.0 and delay > carried * (1.0 + SLACK):
                share = min(1.0, aim / (second * (delay - carried)))
        if energy > limits[1] and energy > tasks.budget[g]:
            flow.level[1] += aim / (energy - tasks.budget[g])
            moved = True
        elif flow.level[1] > 0.0 and energy < tasks.budget[g]:
            flow.level[1] -= min(flow.level[1], aim / (tasks.budget[g] - energy))
            moved = True
        if share > 0.0:
            moved = True
            for k in range(size):
                flow.through[k] *= 1.0 - share
            for arc in range(arcs):
                flow.along[arc] *= 1.0 - share
            last = 0
            for k in range(1, size):
                if decision.finish[k] > decision.finish[last]:
                    last = k
            while last >= 0:
                flow.through[last] += share
                before = decision.after[last]
                for i in range(graph.into_start[last], graph.into_start[last + 1]):
                    if graph.into[i, 1] == before:
                        flow.along[graph.into[i, 0]] += share
                        break
                last = before
        if not moved:
            break
    if not at_best:
        _fill_least(tasks, g, graph, menu, best, least)
    return bound


@subroutine
def fill_tails(tasks: Any, g: int, graph: Any, menu: BestPlaces, tails: Tails) -> None:
    size = len(graph.order)
    tails.energy[size] = tails.paid[size] = 0.0
    for step in range(size - 1, -1, -1):
        k = graph.order[step]
        for side in range(2):
            longest = 0.0
            for i in range(graph.out_start[k], graph.out_start[k + 1]):
                arc, to = graph.out[i, 0], graph.out[i, 1]
                shortest = np.inf
                if menu.home[to]:
                    shortest = menu.home_seconds[to] + tails.path[0, to]
                    if side == 1:
                        shortest += tasks.down_delay[g, arc]
                if menu.size[to] > 0:
                    other = menu.seconds[to, 0] + tasks.radio_delay[g, to] + tails.path[1, to]
                    if side == 0:
                        other += tasks.up_delay[g, arc]
                    shortest = min(shortest, other)
                longest = max(longest, shortest)
            tails.path[side, k] = longest
        energy, paid = np.inf, np.inf
        if menu.home[k]:
            energy = tasks.local_energy[g, k]
            paid = menu.home_paid[k] + tasks.joule[g] * energy
        if menu.size[k] > 0:
            joules = tasks.radio_energy[g, k]
            energy = min(energy, joules)
            for c in range(menu.size[k]):
                paid = min(paid, menu.paid[k, c] + tasks.joule[g] * joules)
        tails.energy[step] = tails.energy[step + 1] + energy
        tails.paid[step] = tails.paid[step + 1] + paid


@subroutine
def expand(tasks: Any, g: int, graph: Any, work: Workspace, step: int) -> None:
    """The bounds of the children of a step: home first, then the places of the menu."""
    menu, best, least, tails = work.menu, work.best, work.least, work.tails
    decision, stack, limits = work.decision, work.stack, work.limits
    k = graph.order[step]
    second = tasks.second[g] + best.level[0]
    minus = tasks.air[g]
    if best.level[0] > 0.0:
        minus -= best.level[0] * tasks.deadline[g]
    if best.level[1] > 0.0:
        minus -= best.level[1] * tasks.budget[g]
    bit, after = graph.bit[k], graph.front[step + 1]
    for side in range(2):
        if side == 0 and not menu.home[k]:
            stack.bound[step, 0] = np.inf
            continue
        weight, joules, start, taken, given = 0.0, tasks.local_energy[g, k], 0.0, 0.0, 0.0
        if side == 1:
            weight, joules = tasks.radio_delay[g, k], tasks.radio_energy[g, k]
        first, last = graph.into_start[k], graph.into_start[k + 1]
        for i in range(first, last):
            arc, j = graph.into[i, 0], graph.into[i, 1]
            before = 1 if decision.choice[j] >= 0 else 0
            if before < side:
                weight += tasks.up_delay[g, arc]
                joules += tasks.up_energy[g, arc]
            elif before > side:
                weight += tasks.down_delay[g, arc]
                joules += tasks.down_energy[g, arc]
            start = max(start, decision.finish[j])
            taken += best.along[arc] * decision.finish[j]
        given = best.through[k]
        energy = stack.energy[step] + joules
        to = stack.sides[step] & (after & ~(1 << bit) if bit >= 0 else after)
        if side == 1 and bit >= 0:
            to |= 1 << bit
        rest = least.rest[step + 1, to] + best.level[1] * energy + minus
        dear = energy + tails.energy[step + 1] > limits[1]
        paid = stack.paid[step] + tasks.joule[g] * joules
        for c in range(0 if side == 1 else -1, menu.size[k] if side == 1 else 0):
            seconds = menu.seconds[k, c] if c >= 0 else menu.home_seconds[k]
            pays = paid + (menu.paid[k, c] if c >= 0 else menu.home_paid[k])
            finish = start + weight + seconds
            long = max(stack.longest[step], finish + tails.path[side, k])
            bound = np.inf
            if long <= limits[0] and not dear:
                by_flow = second * (stack.carried[step] - taken + given * finish) + pays + rest
                by_path = tasks.second[g] * long + pays + tails.paid[step + 1] + tasks.air[g]
                bound = max(by_flow, by_path)
            stack.bound[step, c + 1] = bound


@subroutine
def enter(tasks: Any, g: int, graph: Any, work: Workspace, step: int, c: int) -> None:
    """Decide a step: home (-1) or a place of the menu. What is decided goes to the next step."""
    menu, best, tails, decision, stack = work.menu, work.best, work.tails, work.decision, work.stack
    k = graph.order[step]
    side = 1 if c >= 0 else 0
    decision.choice[k] = c
    weight, joules, start, taken = menu.home_seconds[k], tasks.local_energy[g, k], 0.0, 0.0
    pays = menu.home_paid[k]
    if side == 1:
        weight, joules = menu.seconds[k, c] + tasks.radio_delay[g, k], tasks.radio_energy[g, k]
        pays = menu.paid[k, c]
    for i in range(graph.into_start[k], graph.into_start[k + 1]):
        arc, j = graph.into[i, 0], graph.into[i, 1]
        before = 1 if decision.choice[j] >= 0 else 0
        if before < side:
            weight += tasks.up_delay[g, arc]
            joules += tasks.up_energy[g, arc]
        elif before > side:
            weight += tasks.down_delay[g, arc]
            joules += tasks.down_energy[g, arc]
        start = max(start, decision.finish[j])
        taken += best.along[arc] * decision.finish[j]
    finish = start + weight
    decision.finish[k] = finish
    stack.energy[step + 1] = stack.energy[step] + joules
    stack.paid[step + 1] = stack.paid[step] + pays + tasks.joule[g] * joules
    stack.carried[step + 1] = stack.carried[step] - taken + best.through[k] * finish
    stack.longest[step + 1] = max(stack.longest[step], finish + tails.path[side, k])
    bit, after = graph.bit[k], graph.front[step + 1]
    to = stack.sides[step] & (after & ~(1 << bit) if bit >= 0 else after)
    if side == 1 and bit >= 0:
        to |= 1 << bit
    stack.sides[step + 1] = to


@subroutine
def begin(tasks: Any, g: int, graph: Any, work: Workspace) -> None:
    """Nothing is decided yet: the children of the first step."""
    fill_tails(tasks, g, graph, work.menu, work.tails)
    stack = work.stack
    stack.energy[0] = stack.paid[0] = stack.carried[0] = stack.longest[0] = 0.0
    stack.sides[0] = 0
    for k in range(len(graph.order)):
        work.decision.choice[k] = -1
    expand(tasks, g, graph, work, 0)
