r"""The reference MILP: finish times as potentials that linearise the heaviest path.

To the shared model (:mod:`.placement`) this adds finish_mk >= 0, the weighted time a_m at
which subtask k is finished, with

.. math::

   finish_{mk} &\ge a_m g_{mk}                &\quad& k\ a\ head \\
   finish_{mk} &\ge finish_{mj} + a_m g_{mk}   && (j, k)\ an\ arc \\
   delay_m &\ge finish_{mk}                    && k\ a\ tail

so that delay_m >= a_m G_m, with equality at an optimum: equation (1), whose max over parallel branches
becomes one row per arc (redundant arcs have none). G_m is the longest path in a directed acyclic graph,
and the dual of a longest path problem is exactly such potentials. At most K + A rows and K variables per
device.

Each row repeats what a_m g_mk consists of, among it two transfers for each arc into k. Where many arcs
lead into k (:data:`.size.LARGE_JOIN`), it is written once, with one more variable and row: start_mk >=
finish_mj for each arc, and finish_mk >= start_mk + a_m g_mk.

Before branching, HiGHS gets the level inequalities (:mod:`.levels`) that its relaxation
violates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyomo.environ as pyo

from offloadlib.instances import Budget, Instance, Result
from offloadlib.instances.arrays import Ints

from ...engine.highs import MixedIntegerProgram
from . import inequalities as valid
from . import levels, size
from .placement import placement_model
from .pyomo_run import minimise_cost


def model(instance: Instance, inequalities: Iterable[str] = ()) -> pyo.ConcreteModel:
    """The model of an instance, as :attr:`.catalogue.Formulation.build` has it."""
    model = placement_model(instance)
    model.finish = pyo.Var(model.SUBTASKS, domain=pyo.NonNegativeReals)
    heads = [(m, k) for m, task in model.tasks.items() for k in task.heads]
    waits = [(m, j, k) for m, task in model.tasks.items() for j, k in task.waits]
    tails = [(m, k) for m, task in model.tasks.items() for k in task.tails]

    large = {task.application: size.large_joins(task.application) for task in model.tasks.values()}
    joins = [
        (m, k)
        for m, task in model.tasks.items()
        for k, many in zip(task.subtasks, large[task.application], strict=True)
        if many
    ]
    model.start = pyo.Var(joins, domain=pyo.NonNegativeReals)

    @model.Constraint(heads)  # type: ignore[untyped-decorator]
    def first(model: Any, m: str, k: str) -> Any:
        return model.finish[m, k] >= model.g[m, k]

    @model.Constraint(waits)  # type: ignore[untyped-decorator]
    def then(model: Any, m: str, j: str, k: str) -> Any:
        if (m, k) in model.start:
            return model.start[m, k] >= model.finish[m, j]
        return model.finish[m, k] >= model.finish[m, j] + model.g[m, k]

    @model.Constraint(joins)  # type: ignore[untyped-decorator]
    def joined(model: Any, m: str, k: str) -> Any:
        return model.finish[m, k] >= model.start[m, k] + model.g[m, k]

    @model.Constraint(tails)  # type: ignore[untyped-decorator]
    def last(model: Any, m: str, k: str) -> Any:
        return model.delay[m] >= model.finish[m, k]

    valid.add(model, inequalities)
    return model


def obstacle(instance: Instance) -> str | None:
    """None, or why the model would be too large."""
    return size.too_large(instance, size.potentials)


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS, or with the solver that the budget names."""
    return minimise_cost(instance, budget, model, tighten)


def tighten(
    instance: Instance,
    model: pyo.ConcreteModel,
    program: MixedIntegerProgram,
    variables: list[Any],
    time_limit: float,
) -> MixedIntegerProgram:
    """Add the level inequalities that the relaxation of the model violates to its arrays."""
    columns = tuple(_columns(instance, model, variables))
    return levels.tighten(instance, program, columns, time_limit)


def _columns(instance: Instance, model: Any, variables: list[Any]) -> Iterator[levels.Layout]:
    """Where the variables of each group's devices stand among the columns."""
    number = {id(variable): i for i, variable in enumerate(variables)}
    for group in instance.groups:
        devices = [instance.devices.ids[m] for m in group.members]
        names = group.application.subtasks
        subtasks = [(k,) for k in names]
        arcs = [(names[j], names[k]) for j, k in group.application.edges]
        places = [(k, n) for k in names for n in instance.points.ids]

        def find(variable: Any, keys: Sequence[tuple[str, ...]], devices: list[str] = devices) -> Ints:
            rows = ([(m, *key) for key in keys] for m in devices)
            found = [[number[id(variable[at])] if at in variable else -1 for at in row] for row in rows]
            return np.array(found, dtype=np.int64).reshape(len(devices), len(keys))

        yield levels.Layout(
            local=find(model.local, subtasks),
            place=find(model.place, places).reshape(*group.work.shape, instance.num_points),
            up=find(model.up, arcs),
            down=find(model.down, arcs),
            start=find(model.start, subtasks),
            finish=find(model.finish, subtasks),
            delay=np.array([number[id(model.delay[m])] if m in model.delay else -1 for m in devices]),
        )
