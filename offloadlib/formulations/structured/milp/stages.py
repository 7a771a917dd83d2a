r"""The stage MILP: the literal epigraph of equation (1), for series-parallel graphs.

The paper writes the delay of a fork and join as g1 + g2 + max(g3, g4) + g5. Any series-parallel graph
has such a formula, with one g for each subtask: with its decomposition tree
(:mod:`.structured.series_parallel`),

.. math::

   G(k) = g_{mk}, \quad G(series\ of\ B_1, B_2, \dots) = \sum_i G(B_i), \quad
   G(B_1, B_2, \dots\ in\ parallel) = \max_i G(B_i).

To the shared model (:mod:`.placement`) this adds a variable stage_mb >= 0 for each parallel
block b and one row for each of its branches,

.. math::

   stage_{mb} \ge a_m G(B_i) \quad\text{with}\ stage\ \text{for each max inside}\ G(B_i),

and delay_m >= a_m G of the whole graph. The max is monotone in each branch, so that at an optimum all
stages may be taken equal to it, and delay_m = a_m G_m. These are the fewest variables and rows of all:
as many variables as maxima, as many rows as branches, and one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyomo.environ as pyo

from offloadlib.instances import Application, Budget, InputError, Instance, Result
from offloadlib.instances.structured.kind import not_series_parallel
from offloadlib.instances.structured.series_parallel import Node, Parallel, Single, decompose

from . import inequalities as valid
from .placement import Task, placement_model
from .pyomo_run import minimise_cost
from .size import Size, too_large


def obstacle(instance: Instance) -> str | None:
    """None, or why the model would be too large."""
    return too_large(instance, _added)


def _added(application: Application, points: int) -> Size:
    return Size(2 * application.size, 2 * len(application.edges) + (points + 2) * application.size)


def model(instance: Instance, inequalities: Iterable[str] = ()) -> pyo.ConcreteModel:
    """The model of an instance, as :attr:`.catalogue.Formulation.build` has it."""
    reason = not_series_parallel(instance)
    if reason is not None:
        raise InputError("milp-stages", [("", reason)])
    model = placement_model(instance)
    trees = {m: _tree(task) for m, task in model.tasks.items()}
    blocks = {(m, b + 1): block for m in trees for b, block in enumerate(_parallel_blocks(trees[m]))}
    number = {(m, block): b for (m, b), block in blocks.items()}
    model.stage = pyo.Var(list(blocks), domain=pyo.NonNegativeReals)

    def total(m: str, node: Node) -> Any:
        """a_m G of a block, in terms of the stages of the parallel blocks inside."""
        if isinstance(node, Single):
            return model.g[m, model.tasks[m].subtasks[node.subtask]]
        if isinstance(node, Parallel):
            return model.stage[m, number[m, node]]
        return pyo.quicksum(total(m, part) for part in node.parts)

    @model.Constraint([(m, b, i + 1) for (m, b), block in blocks.items() for i in range(len(block.parts))])  # type: ignore[untyped-decorator]
    def branch(model: Any, m: str, b: int, i: int) -> Any:
        return model.stage[m, b] >= total(m, blocks[m, b].parts[i - 1])

    @model.Constraint(list(trees))  # type: ignore[untyped-decorator]
    def whole(model: Any, m: str) -> Any:
        return model.delay[m] >= total(m, trees[m])

    valid.add(model, inequalities)
    return model


def _tree(task: Task) -> Node:
    tree = decompose(task.application)
    assert tree is not None
    return tree


def _parallel_blocks(node: Node) -> list[Parallel]:
    if isinstance(node, Single):
        return []
    inside = [block for part in node.parts for block in _parallel_blocks(part)]
    return [node, *inside] if isinstance(node, Parallel) else inside


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS, or with the solver that the budget names."""
    return minimise_cost(instance, budget, model)
