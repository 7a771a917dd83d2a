"""The compiled kernel that prices devices with deadlines and energy budgets: multipliers, then labels or a
search.

The bounds are those of :mod:`.bounds`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from offloadlib.instances.compiled import kernel, of_format_2, subroutine
from offloadlib.instances.structured.limits import HAIR

from ..decomposition.plan import PLAN
from .bounds import ROUNDING, Workspace, ascend, begin, enter, evaluate, expand, fill_menu, take, work_for
from .labels import by_labels, labels_for
from .tables import ANSWERS, EFFORT, GRAPH, TASKS


@subroutine
def _slack(found: float, effort: Any) -> float:
    """What need not be found any more."""
    slack: float = max(ROUNDING * abs(found) if found < np.inf else 0.0, effort.tolerance)
    return slack


@subroutine
def _search(tasks: Any, g: int, graph: Any, work: Workspace, effort: Any, answers: Any) -> float:
    """Search to the end, or as far as the effort goes; a bound on what all decisions on air cost."""
    menu, stack, decision, limits = work.menu, work.stack, work.decision, work.limits
    size = len(graph.order)
    pruned, step, nodes = np.inf, 0, 0
    slack = _slack(answers.found[g], effort)
    begin(tasks, g, graph, work)
    while step >= 0:
        k = graph.order[step]
        chosen, bound = 0, stack.bound[step, 0]
        for c in range(1, menu.size[k] + 1):
            if stack.bound[step, c] < bound:
                chosen, bound = c, stack.bound[step, c]
        if bound >= answers.found[g] - slack:
            if bound < answers.found[g]:
                pruned = min(pruned, bound)
            step -= 1
            continue
        nodes += 1
        if nodes > effort.nodes or (nodes & 255 == 1 and effort.stopped[0]):
            for s in range(step + 1):
                for c in range(menu.size[graph.order[s]] + 1):
                    pruned = min(pruned, stack.bound[s, c])
            answers.relaxed[g] = True
            break
        stack.bound[step, chosen] = np.inf
        enter(tasks, g, graph, work, step, chosen - 1)
        step += 1
        if step == size:
            value = evaluate(tasks, g, graph, menu, decision)
            if value < answers.found[g]:
                take(menu, decision, value, g, limits, effort.banned, answers)
                slack = max(ROUNDING * decision.sums[3], effort.tolerance)
            step -= 1
            continue
        expand(tasks, g, graph, work, step)
    return pruned


@kernel(types.void(TASKS, GRAPH, PLAN, EFFORT, ANSWERS), of_format_2)
def price_devices(tasks: Any, graph: Any, plan: Any, effort: Any, answers: Any) -> None:
    """Price some devices of a group: fill in the answers. A plan without steps is none.

    ``answers.found`` is what the decisions cost that are found, ``answers.value`` a bound on what all cost.
    """
    size = len(graph.order)
    work = work_for(size, len(graph.into), tasks.seconds.shape[2] - 1)
    menu, decision, limits = work.menu, work.decision, work.limits
    labels = labels_for(plan, size)
    labelled = len(plan.steps) > 0 and len(effort.banned) == 0
    for g in range(len(tasks.air)):
        answers.found[g], answers.value[g] = tasks.refused[g], tasks.refused[g]
        answers.delay[g] = answers.energy[g] = 0.0
        answers.relaxed[g] = False
        refused = tasks.refused[g] < np.inf
        for k in range(size):
            answers.places[g, k] = -2 if refused else -1
        if not tasks.served[g] or not fill_menu(tasks, g, menu, effort.all_places):
            continue
        limits[0], limits[1] = tasks.deadline[g] * (1.0 + HAIR), tasks.budget[g] * (1.0 + HAIR)
        at_home = True
        for k in range(size):
            decision.choice[k] = -1
            at_home &= menu.home[k]
        if at_home:
            cost = evaluate(tasks, g, graph, menu, decision)
            take(menu, decision, cost, g, limits, effort.banned, answers)
        bound = ascend(tasks, g, graph, work, effort, answers)
        slack = _slack(answers.found[g], effort)
        if bound < answers.found[g] - slack:
            complete, other = False, 0.0
            if labelled:
                complete, other = by_labels(tasks, g, graph, plan, work, labels, slack, effort, answers)
            if not complete:
                other = _search(tasks, g, graph, work, effort, answers)
            bound = max(bound, other)
        answers.value[g] = min(bound, answers.found[g])
