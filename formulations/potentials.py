r"""The reference MILP: finish times as potentials that linearise the heaviest path.

To the shared model (:mod:`formulations.placement`) this adds finish_mk >= 0, the weighted time a_m at
which subtask k is finished, with

.. math::

   finish_{mk} &\ge a_m g_{mk}                &\quad& k\ a\ head \\
   finish_{mk} &\ge finish_{mj} + a_m g_{mk}   && (j, k)\ an\ arc \\
   delay_m &\ge finish_{mk}                    && k\ a\ tail

so that delay_m >= a_m G_m, with equality at an optimum: equation (1), whose max over parallel branches
becomes one row per arc. (G_m is the longest path in a directed acyclic graph, and the dual of a
longest path problem is exactly such potentials.) K + A rows and K variables per device.
"""

from __future__ import annotations

from typing import Any

import pyomo.environ as pyo

from instances import Budget, Instance, Result

from .placement import placement_model
from .pyomo_run import minimise_cost


def model(instance: Instance) -> pyo.ConcreteModel:
    """The model of an instance, without the constant cost of unconnected devices."""
    model = placement_model(instance)
    model.finish = pyo.Var(model.SUBTASKS, domain=pyo.NonNegativeReals)
    heads = [(m, k) for m, task in model.tasks.items() for k in task.heads]
    tails = [(m, k) for m, task in model.tasks.items() for k in task.tails]

    @model.Constraint(heads)  # type: ignore[untyped-decorator]
    def first(model: Any, m: str, k: str) -> Any:
        return model.finish[m, k] >= model.g[m, k]

    @model.Constraint(model.ARCS)  # type: ignore[untyped-decorator]
    def then(model: Any, m: str, j: str, k: str) -> Any:
        return model.finish[m, k] >= model.finish[m, j] + model.g[m, k]

    @model.Constraint(tails)  # type: ignore[untyped-decorator]
    def last(model: Any, m: str, k: str) -> Any:
        return model.delay[m] >= model.finish[m, k]

    return model


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS, or with the solver that the budget names."""
    return minimise_cost(instance, budget, model)
