r"""The disjunctive model: one of the branches is the last to finish (Pyomo.GDP), by big-M or by hull.

The maximum in equation (1) is defined by cases: max(x, y) is x where x >= y, and y where y >= x. With
finish times as in :mod:`.potentials`, and a set B of subtasks that somebody waits for - the
predecessors of a join k, or the tails, which the device waits for - let ready be start_mk or delay_m.
To the shared model (:mod:`.placement`) this adds

.. math::

   finish_{mk} &\ge start_{mk} + a_m g_{mk}                                          &\quad& k\ a\ join \\
   \bigvee_{j \in B} [\, ready &\ge finish_{mj},\;
       finish_{mj} \ge finish_{mi}\ \forall i \in B \,]                              && |B| > 1

and rows as in the reference MILP where :math:`|B| \le 1`. In each case the first row would hold with
equality; delay is minimised, so >= is enough. A disjunction (Balas 1979; Raman and Grossmann 1994) becomes
linear with a binary y_j for each case, sum_j y_j = 1, in one of two ways:

- big-M: each row is relaxed by M (1 - y_j), with M the largest violation that the bounds of the variables
  allow. The bounds are computed from the data: each subtask is finished between L, the heaviest path at
  the best speeds without transfers, and U, that at the worst place with every transfer, or what the
  device may cost at all (:func:`.structured.scaling.levelled`). L holds for every solution, and U may be
  assumed: with all finish times as early as possible a solution costs least, and none of them is above U.
- hull: each variable of the disjunction is split into one copy per case, L y_j <= copy_j <= U y_j,
  which add up to it; the copies of case j obey the rows of case j. The relaxation is the convex hull
  of the cases (Balas).

**Strength.** Let z(x) be the least delay that a relaxation allows at places and transfers x.

*Hull = potentials.* Let t_j, t_ji be the copies of ready and finish_i in case j. Then ready = sum_j t_j
>= sum_j t_jj >= sum_j t_ji = finish_i for each i in B: the rows of the potentials. Conversely, for any
x let all finish times be as early as possible; at each join and for the tails the branch j that is last
satisfies case j outright, so y_j = 1 gives a point of the hull, as long as it is between the bounds.
It is above L, as g >= w/c at the best speed where local + sum of place = 1; and not above U where
up <= o_k and down <= 1 - o_k, which may be assumed (an optimal up is max(0, o_k - o_j), likewise down,
and where they cost nothing they do not count). So both relaxations have the same z.

*Big-M <= hull*, as the copies' sum satisfies the relaxed rows; and often less: with two branches
and y = (1/2, 1/2), ready may lie below both finish times by half an M.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.gdp import Disjunct, Disjunction

from offloadlib.instances import Application, Instance

from . import clock
from . import inequalities as valid
from .placement import Task, placement_model
from .pyomo_run import minimise_cost
from .size import Size, arcs_into, too_large


def transformed(
    instance: Instance, inequalities: Iterable[str] = (), *, transformation: str
) -> pyo.ConcreteModel:
    """The model, by a transformation of Pyomo.GDP (:data:`TRANSFORMING`), as the other ones."""
    begun = time.perf_counter()
    model = disjunctive_model(instance)
    valid.add(model, inequalities)
    clock.check(TRANSFORMING[transformation] * (time.perf_counter() - begun))
    pyo.TransformationFactory(transformation).apply_to(model)
    return model


big_m, hull = (partial(transformed, transformation=name) for name in ("gdp.bigm", "gdp.hull"))


def disjunctive_model(instance: Instance) -> pyo.ConcreteModel:
    """The model with its disjunctions, as the mathematics states it."""
    model = placement_model(instance)
    cpu = [model.cpu[n] for n in model.POINTS]
    bounds = {m: finish_bounds(task, cpu) for m, task in model.tasks.items()}
    before = {m: task.before() for m, task in model.tasks.items()}
    joins = [(m, k) for m in before for k, subtasks in before[m].items() if len(subtasks) > 1]
    model.finish = pyo.Var(model.SUBTASKS, bounds=lambda _, m, k: bounds[m][k])
    model.start = pyo.Var(joins, bounds=lambda _, m, k: _bounds_of_last(bounds[m], before[m][k]))
    for m, task in model.tasks.items():
        low, high = _bounds_of_last(bounds[m], task.tails)
        model.delay[m].setlb(low)
        model.delay[m].setub(high)

    @model.Constraint(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def finished(model: Any, m: str, k: str) -> Any:
        if (m, k) in model.start:
            ready = model.start[m, k]
        else:
            ready = pyo.quicksum(model.finish[m, j] for j in before[m][k])
        return model.finish[m, k] >= ready + model.g[m, k]

    @model.Constraint([m for m, task in model.tasks.items() if len(task.tails) == 1])  # type: ignore[untyped-decorator]
    def whole(model: Any, m: str) -> Any:
        return model.delay[m] >= model.finish[m, model.tasks[m].tails[0]]

    tails = {(m,): task.tails for m, task in model.tasks.items() if len(task.tails) > 1}
    _last_of(model, "last_before", {at: (model.start[at], before[at[0]][at[1]]) for at in joins})
    _last_of(model, "last", {at: (model.delay[at], tails[at]) for at in tails})
    return model


Groups = Mapping[tuple[str, ...], tuple[Any, tuple[str, ...]]]
"""(device, ...) -> (variable that is ready at the last of some subtasks, these subtasks)."""


def _last_of(model: Any, name: str, groups: Groups) -> None:
    """State for each group that one of its subtasks is the last, and what follows in each case."""

    def case(disjunct: Any, *index: str) -> None:
        *at, j = index
        ready, subtasks = groups[tuple(at)]
        finish = {i: model.finish[at[0], i] for i in subtasks}
        disjunct.rows = pyo.ConstraintList()
        disjunct.rows.add(ready >= finish[j])
        for i in subtasks:
            if i != j:
                disjunct.rows.add(finish[j] >= finish[i])

    cases = Disjunct([(*at, j) for at in groups for j in groups[at][1]], rule=case)
    either = Disjunction(list(groups), rule=lambda _, *at: [cases[(*at, j)] for j in groups[at][1]])
    model.add_component(name, cases)
    model.add_component(f"{name}_choice", either)


TRANSFORMING = {"gdp.bigm": 2.0, "gdp.hull": 10.0}
"""Times as long as the model takes to make, a transformation may take."""

MARGIN = 1e-3
"""By how much bounds lie beyond what solutions attain: HiGHS 1.12 cut off an optimum that attained them."""

Bounds = dict[str, tuple[float, float]]
"""Subtask -> the least and the greatest weighted time at which it may be finished."""


def finish_bounds(task: Task, cpu: Collection[float]) -> Bounds:
    """L and U of each subtask.

    Parameters
    ----------
    task
        A device's task.
    cpu
        Speeds of the offload points that have a capacity.
    """
    sides = task.sides
    shortest = {k: min(sides.local_delay[k], task.at_point(k, max(cpu))[0]) for k in task.subtasks}
    at_device, radio = dict(sides.local_delay), dict(sides.radio_delay)
    for j, k in task.edges:
        at_device[k] += sides.down_delay[j, k]
        radio[k] += sides.up_delay[j, k]
    longest = {k: max(at_device[k], task.at_point(k, min(cpu))[0] + radio[k]) for k in task.subtasks}
    low, high = task.finish_times(shortest), task.finish_times(longest)
    most = {k: min(high[k], task.ceiling) for k in task.subtasks}
    return {k: (low[k] * (1 - MARGIN), most[k] * (1 + MARGIN)) for k in task.subtasks}


def _bounds_of_last(bounds: Bounds, subtasks: tuple[str, ...]) -> tuple[float, float]:
    lows, highs = zip(*(bounds[j] for j in subtasks), strict=True)
    return max(lows), max(highs)


def _added(application: Application, points: int, split: int) -> Size:
    """Each of the cases of a maximum has a row for each branch, or also copies of it, in bounds."""
    into = arcs_into(application)
    branches = np.append(into, application.tails.sum())
    cases = int((branches[branches > 1] ** 2).sum())
    delay = int((2 * into + points + 3).sum())
    return Size(2 * application.size + split * cases, delay + 3 * split * cases)


big_m_obstacle, hull_obstacle = (
    partial(too_large, held_up=partial(_added, split=split), models=2) for split in (1, 4)
)

# HiGHS 1.12 and SCIP call solutions of big-M optimal that are 1 % above the optimum, now and then.
solve_big_m = partial(minimise_cost, build=big_m, confirm=True)
solve_hull = partial(minimise_cost, build=hull)
