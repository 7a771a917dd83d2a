"""Decisions of one device that cost little and fit into what is left of the limits, from a compiled kernel.

Depth first as in :mod:`.kernel`, with the same bounds. But a place that another one beats stays on the menu,
since what is left there may decide; and what is decided may not take more than there is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, named, of_format_2, readable, subroutine, writable
from offloadlib.instances.structured.limits import HAIR
from offloadlib.instances.structured.model import Places

from ..decomposition.tables import READ, READ_INT, READ_TABLE
from .bounds import ascend, begin, enter, evaluate, expand, fill_menu, is_banned, work_for
from .tables import ANSWERS, EFFORT, GRAPH, READ_CUBE, TASKS


class Room(NamedTuple):
    """What is left of the limits at points, for one device.

    Attributes
    ----------
    left
        (1 + R, N) of subtasks and of each resource at each offload point; loosened by a hair.
    shared, resource, member
        (S,), (S,), (S, N) of limits that points share: how much is left, of what, and the points.
    demand
        (1 + R, K, N + 1) what each subtask takes at each place.
    """

    left: Floats
    shared: Floats
    resource: Ints
    member: NDArray[np.bool_]
    demand: Floats


ROOM = named(Room, READ_TABLE, READ, READ_INT, readable("boolean", 2), READ_CUBE)


class Listed(NamedTuple):
    """Decisions (X, K), what each costs with prices, its delay and its energy (X,), and (1,) how many there
    are; one more than X: too many. With one row alone, the best one is kept."""

    places: Places
    cost: Floats
    delay: Floats
    energy: Floats
    number: Ints

    @classmethod
    def room(cls, rows: int, size: int) -> Listed:
        """For so many decisions of a task of this size."""
        cost, delay, energy = (np.empty(rows) for _ in range(3))
        return cls(np.empty((rows, size), np.int32), cost, delay, energy, np.zeros(1, np.int64))


LISTED = named(Listed, writable("int32", 2), *[writable("float64")] * 3, writable("int64"))


@subroutine
def _keep(menu: Any, decision: Any, value: float, top: float, limits: Any, effort: Any, listed: Any) -> bool:
    """Put a decision on the list, or into its only row; whether it belongs there, be there room or not."""
    if value >= top or decision.sums[0] > limits[0] or decision.sums[1] > limits[1]:
        return False
    if is_banned(menu, decision, effort.banned):
        return False
    row = 0 if len(listed.cost) == 1 else listed.number[0]
    listed.number[0] = row + 1
    if row < len(listed.cost):
        for k in range(len(decision.choice)):
            c = decision.choice[k]
            listed.places[row, k] = menu.place[k, c] if c >= 0 else -1
        listed.cost[row], listed.delay[row], listed.energy[row] = value, decision.sums[0], decision.sums[1]
    return True


@kernel(types.boolean(TASKS, GRAPH, EFFORT, ROOM, types.float64, ANSWERS, LISTED), of_format_2)
def list_decisions(
    tasks: Any, graph: Any, effort: Any, room: Any, top: Any, answers: Any, listed: Any
) -> bool:
    """List the decisions of one device, served, that cost less than ``top`` with prices.

    Returns
    -------
    bool
        Whether the search was not cut short; ``answers`` is for its own use.
    """
    size, points, resources = len(graph.order), tasks.seconds.shape[2] - 1, len(room.left)
    work = work_for(size, len(graph.into), points)
    menu, decision, limits, stack = work.menu, work.decision, work.limits, work.stack
    listed.number[0] = 0
    best_alone = len(listed.cost) == 1
    if not tasks.served[0] or not fill_menu(tasks, 0, menu, True):
        return True
    limits[0], limits[1] = tasks.deadline[0] * (1.0 + HAIR), tasks.budget[0] * (1.0 + HAIR)
    at_home = True
    for k in range(size):
        decision.choice[k] = -1
        at_home &= menu.home[k]
    if at_home:  # apart: the bounds below are those of decisions that go on air, and pay for it
        value = evaluate(tasks, 0, graph, menu, decision)
        if _keep(menu, decision, value, top, limits, effort, listed) and best_alone:
            top = value
    answers.found[0] = top
    ascend(tasks, 0, graph, work, effort, answers)
    # What is taken before each step, at points and of what they share.
    taken = np.zeros((size + 1, resources, points))
    shared = np.zeros((size + 1, len(room.shared)))
    begin(tasks, 0, graph, work)
    step, nodes = 0, 0
    while step >= 0:
        k = graph.order[step]
        chosen, bound = 0, stack.bound[step, 0]
        for c in range(1, menu.size[k] + 1):
            if stack.bound[step, c] < bound:
                chosen, bound = c, stack.bound[step, c]
        if bound >= top:
            step -= 1
            continue
        nodes += 1
        if nodes > effort.nodes or (nodes & 255 == 1 and effort.stopped[0]):
            return False
        stack.bound[step, chosen] = np.inf
        n = menu.place[k, chosen - 1] if chosen > 0 else -1
        fits = True
        for r in range(resources):
            for i in range(points):
                taken[step + 1, r, i] = taken[step, r, i]
            if n >= 0:
                taken[step + 1, r, n] += room.demand[r, k, n]
                fits &= taken[step + 1, r, n] <= room.left[r, n]
        for s in range(len(room.shared)):
            shared[step + 1, s] = shared[step, s]
            if n >= 0 and room.member[s, n]:
                shared[step + 1, s] += room.demand[room.resource[s], k, n]
                fits &= shared[step + 1, s] <= room.shared[s]
        if not fits:
            continue
        enter(tasks, 0, graph, work, step, chosen - 1)
        step += 1
        if step < size:
            expand(tasks, 0, graph, work, step)
            continue
        step -= 1
        away = False
        for j in range(size):
            away |= decision.choice[j] >= 0
        if not away:
            continue
        value = evaluate(tasks, 0, graph, menu, decision)
        if not _keep(menu, decision, value, top, limits, effort, listed):
            continue
        if listed.number[0] > len(listed.cost):
            return True
        if best_alone:
            top = value
    return True
