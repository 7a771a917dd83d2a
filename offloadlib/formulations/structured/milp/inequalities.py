r"""Valid inequalities that can be switched on in every formulation: ``model(instance, ["entry"])``.

Each function adds one family to a model made with :func:`.placement.placement_model`; its
docstring states the inequalities and proves them. None of these is on by default: three follow from the
relaxation already, as said below, and the fourth did not pay (``docs/theory/formulations.md`` has the
figures). The family that does pay is separated, not listed: :mod:`.levels`.

There are no cover inequalities on a capacity to add: in its row every subtask counts 1, so a cover is
any q + 1 of the subtasks, and its inequality, "at most q of them at n", is implied by the row itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pyomo.environ as pyo

from offloadlib.instances import Application, InputError
from offloadlib.instances.errors import unknown
from offloadlib.instances.structured.series_parallel import descendants, members


def transfer_bounds(model: Any) -> None:
    r"""Nothing is sent but from a local subtask to an offloaded one, and back.

    .. math:: up_{mjk} \le local_{mj}, \qquad up_{mjk} \le 1 - local_{mk}

    *Valid*, as up_mjk stands for local_mj o_mk. With down = up + local_k - local_j, they also say
    down_mjk <= local_mk and down_mjk <= 1 - local_mj.

    *Implied* at an optimum of the relaxation, which has up = max(0, o_k - o_j) where a transfer costs
    something: o_k - o_j <= 1 - o_j and o_k - o_j <= o_k.
    """

    @model.Constraint(model.ARCS)  # type: ignore[untyped-decorator]
    def up_from_local(model: Any, m: str, j: str, k: str) -> Any:
        return model.up[m, j, k] <= model.local[m, j]

    @model.Constraint(model.ARCS)  # type: ignore[untyped-decorator]
    def up_to_offloaded(model: Any, m: str, j: str, k: str) -> Any:
        return model.up[m, j, k] <= 1 - model.local[m, k]


def entry(model: Any) -> None:
    r"""An offloaded subtask got its data over the radio: an upload enters the part above it.

    With A(k) the subtask k and all that it waits for,

    .. math:: o_{mk} \le \sum_{h \in A(k)\ a\ head} o_{mh} + \sum_{(i, j),\ j \in A(k)} up_{mij}.

    *Valid*: on a path from a head to k the first offloaded subtask is a head or is sent its data.

    *Implied* by the transfer rows: along the path o_k = o_h + sum of (up - down) <= o_h + sum of up.
    """
    above: dict[Application, dict[int, set[int]]] = {}
    for task in model.tasks.values():
        above.setdefault(task.application, _ancestors(task.application))

    @model.Constraint(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def enters(model: Any, m: str, k: str) -> Any:
        task = model.tasks[m]
        inside = {task.subtasks[j] for j in above[task.application][task.subtasks.index(k)]}
        heads = pyo.quicksum(model.offloaded[m, h] for h in task.heads if h in inside)
        sent = pyo.quicksum(model.up[m, i, j] for i, j in task.edges if j in inside)
        return model.offloaded[m, k] <= heads + sent


def _ancestors(application: Application) -> dict[int, set[int]]:
    """For each subtask itself and all that it waits for."""
    above = {k: {k} for k in range(application.size)}
    for j, after in enumerate(descendants(application)):
        for k in members(after):
            above[k].add(j)
    return above


def critical_path(model: Any) -> None:
    r"""A device needs at least its heaviest path at the best speeds with free transfers.

    .. math:: delay_m \ge \max_P \sum_{k \in P} \min_{places} a_m w_{mk} / c

    *Valid*, since g_mk is at least the execution time at the best place.

    *Implied*: in a relaxation local + sum of place = 1, so that a_m g_mk is at least a mean of the
    execution times; and delay_m is at least the sum of the a_m g_mk along each path.
    """

    @model.Constraint(model.DEVICES)  # type: ignore[untyped-decorator]
    def at_best(model: Any, m: str) -> Any:
        task = model.tasks[m]
        fastest = max(model.cpu[n] for n in model.POINTS)
        best = {k: min(task.sides.local_delay[k], task.at_point(k, fastest)[0]) for k in task.subtasks}
        return model.delay[m] >= max(task.finish_times(best).values())


def no_loss(model: Any) -> None:
    r"""No device costs more than with everything local.

    .. math:: delay_m + \sum_k b_m e_{mk} \le C_m(\text{all-local})

    *Valid for optimal solutions*: were it broken, device m alone could return to all-local, which keeps
    every limit and costs less in total. Solutions that are not optimal may break it, so a starting
    solution may be lost. It does follow from no relaxation, but seldom cuts one off, since costs are
    minimised.
    """

    @model.Constraint(model.DEVICES)  # type: ignore[untyped-decorator]
    def no_worse_than_local(model: Any, m: str) -> Any:
        task = model.tasks[m]
        local = max(task.finish_times(task.sides.local_delay).values()) + sum(
            task.sides.local_energy.values()
        )
        energy = pyo.quicksum(model.energy[m, k] for k in task.subtasks)
        return model.delay[m] + energy <= local


PARTS: Mapping[str, Callable[[Any], None]] = {
    "transfer-bounds": transfer_bounds,
    "entry": entry,
    "critical-path": critical_path,
    "no-loss": no_loss,
}
"""Name -> the function that adds the inequalities to a model."""


def add(model: Any, names: Iterable[str]) -> None:
    """Add families of inequalities to a model.

    Raises
    ------
    InputError
        If there is no family of such a name, or the instance is of format 2: some of them do not hold there.
    """
    names = list(names)
    if names and any(task.beyond is not None for task in model.tasks.values()):
        raise InputError("inequalities", [("", "are those of instances of format 1 alone")])
    for name in dict.fromkeys(names):
        if name not in PARTS:
            raise unknown("inequalities", name, PARTS)
        PARTS[name](model)
