r"""The path MILP: equation (1) written out, one row per path.

To the shared model (:mod:`.placement`) this adds, for each device and each path P from a
head to a tail,

.. math::

   delay_m \ge \sum_{k \in P} a_m g_{mk}.

G_m is the weight of the heaviest path, so delay_m >= a_m G_m, with equality at an optimum: the max is
replaced by all that it is taken over. Redundant arcs are left out, as a path along one is part of a
heavier one. There are no further variables, but the number of rows may be exponential in the size of
the graph; hence the limit :data:`MOST_PATHS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyomo.environ as pyo

from offloadlib.instances import Application, Budget, InputError, Instance, Result
from offloadlib.instances.structured.series_parallel import reduction

from . import inequalities as valid
from .placement import placement_model
from .pyomo_run import minimise_cost
from .size import Size, too_large

MOST_PATHS = 1000
"""Paths of one application, at the most."""


def obstacle(instance: Instance) -> str | None:
    """None, or why the model cannot be made of an instance."""
    for group in instance.groups:
        count = count_paths(group.application)
        if count > MOST_PATHS:
            found = f"{group.application.id!r} has {count}"
            return f"has a row for each path from a head to a tail, at most {MOST_PATHS}; {found}"
    return None


def unsolvable(instance: Instance) -> str | None:
    """None, or why the model cannot be made, or would be too large."""
    return obstacle(instance) or too_large(instance, _added)


def _added(application: Application, points: int) -> Size:
    into = np.array([len(arcs) for arcs in application.incoming])
    through = np.zeros(application.size, dtype=np.int64)
    number = 0
    for path in paths(application):
        through[list(path)] += 1
        number += 1
    return Size(number, int((through * (2 * into + points + 1)).sum()))


def count_paths(application: Application) -> int:
    """Number of paths from a head to a tail, along arcs that are not redundant."""
    paths_to = [int(head) for head in application.heads]
    arcs = reduction(application)
    for k in application.order:
        paths_to[k] += sum(paths_to[j] for j, at in arcs if at == k)
    return sum(paths_to[k] for k in application.tails.nonzero()[0])


def paths(application: Application) -> Iterator[tuple[int, ...]]:
    """Every path from a head to a tail, along arcs that are not redundant."""
    after: list[list[int]] = [[] for _ in application.subtasks]
    for j, k in reduction(application):
        after[j].append(k)
    open_paths: list[tuple[int, ...]] = [(int(k),) for k in application.heads.nonzero()[0][::-1]]
    while open_paths:
        path = open_paths.pop()
        if application.tails[path[-1]]:
            yield path
        open_paths += [(*path, k) for k in reversed(after[path[-1]])]


def model(instance: Instance, inequalities: Iterable[str] = ()) -> pyo.ConcreteModel:
    """The model of an instance, as :attr:`.catalogue.Formulation.build` has it."""
    reason = obstacle(instance)
    if reason is not None:
        raise InputError("milp-paths", [("", reason)])
    model = placement_model(instance)
    listed = {group.application: list(paths(group.application)) for group in instance.groups}
    of_device = {m: listed[task.application] for m, task in model.tasks.items()}

    @model.Constraint([(m, i + 1) for m in of_device for i in range(len(of_device[m]))])  # type: ignore[untyped-decorator]
    def path(model: Any, m: str, i: int) -> Any:
        names = model.tasks[m].subtasks
        return model.delay[m] >= pyo.quicksum(model.g[m, names[k]] for k in of_device[m][i - 1])

    valid.add(model, inequalities)
    return model


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS, or with the solver that the budget names."""
    return minimise_cost(instance, budget, model)
