r"""What all MILPs share: places, transfers, energies and limits (Kuang et al. 2020, (2)-(5)).

Sets are the devices m that have a radio link (the others run locally, at a constant cost that stays
out of the model), the subtasks k and arcs (j, k) of their applications, and the offload points n that
have a capacity.

Variables, with o_mk = sum_n place_mkn as an abbreviation for "offloaded":

- local_mk, place_mkn in {0, 1}: subtask k runs on its device, at offload point n;
- up_mjk, down_mjk >= 0: the data of arc (j, k) is sent, is received;
- air_m in {0, 1}: device m uses the radio of its offload point (where that has limited channels).

Constraints:

.. math::

   local_{mk} + \sum_n place_{mkn} &= 1                    &\quad& (assign) \\
   up_{mjk} - down_{mjk} &= o_{mk} - o_{mj}                 && (transfer) \\
   \sum_{m,k} place_{mkn} &\le q^1_n                         && (capacity) \\
   \sum_{m: op_m = n} air_m \le q^2_n,\quad o_{mk} &\le air_m && (channels, air)

The transfer row stands for the products o_k (1 - o_j) and o_j (1 - o_k): their difference is o_k - o_j,
and both are costs, so at an optimum one of them is 0.

Without the rows for capacity and channels this polytope is integral. Proof: with 1 - o_mk for
local_mk, each row is a difference of two of the variables o and air, and each of the other variables
(place, up, down) stands in one row alone, with coefficient 1 or -1. That is a transposed network
matrix with unit columns beside it, which is totally unimodular. So what a relaxation loses, it loses
in the maximum of (1) and in the limits that devices share: no inequality on the places and transfers
of one device can help.

Delay and energy of a subtask are then linear (section 3.2), here weighted with a_m and b_m of (3):

.. math::

   a_m g_{mk} = a_m [ \tfrac{w}{c_m} local_{mk} + \sum_n \tfrac{w}{c_n} place_{mkn}
     + \sum_j ( \tfrac{s_{mjk}}{r^{up}} up_{mjk} + \tfrac{s_{mjk}}{r^{down}} down_{mjk} )
     + ( \tfrac{d^i}{r^{up}} [k\ head] + \tfrac{d^o}{r^{down}} [k\ tail] ) o_{mk} ]

and likewise b_m e_mk. A formulation adds, for each device, a variable delay_m >= a_m G_m, and rows
that hold it up; the objective is sum_m delay_m + sum_mk b_m e_mk.

Working with a_m g instead of g gives every row the unit of the objective, so that a solver's
feasibility tolerance means the same everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyomo.environ as pyo

from offloadlib.instances import LOCAL, Application, Instance
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.series_parallel import reduction
from offloadlib.instances.structured.sides import PER_ARC, Sides, Terms, at_point

from . import clock


@dataclass(frozen=True)
class Task:
    """One connected device's structured task.

    ``sides`` has costs by the name of a subtask, or the names of an arc's ends. ``waits`` are the arcs that
    matter for the order of the subtasks, that is, without the redundant ones. ``share`` and ``ceiling`` are
    those of :class:`.structured.sides.Terms`.
    """

    id: str
    application: Application
    point: str
    subtasks: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    waits: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    sides: Any
    share: float = 1.0
    ceiling: float = math.inf

    def at_point(self, k: str, speed: float) -> tuple[float, float]:
        """Weighted delay and energy of execution at an offload point."""
        delay, energy = at_point(self.sides.work[k], speed)
        return min(delay, self.ceiling), energy

    def before(self) -> dict[str, tuple[str, ...]]:
        """For each subtask, in topological order, those that it waits for directly."""
        before: dict[str, tuple[str, ...]] = {self.subtasks[k]: () for k in self.application.order}
        for j, k in self.waits:
            before[k] += (j,)
        return before

    def finish_times(self, duration: Mapping[str, float]) -> dict[str, float]:
        """When each subtask is finished, at the earliest, if they take so long."""
        finish: dict[str, float] = {}
        for k, before in self.before().items():
            finish[k] = max((finish[j] for j in before), default=0.0) + duration[k]
        return finish


def tasks(instance: Instance) -> Iterator[Task]:
    """The connected devices' tasks, application by application."""
    for term in instance.terms:
        for row in range(len(term.group)):
            m = int(term.group.members[row])
            if instance.devices.connected_to[m] != LOCAL:
                yield _task(instance, term, row, m)


def _task(instance: Instance, term: Terms, row: int, m: int) -> Task:
    application = term.group.application
    names = application.subtasks
    edges = tuple((names[j], names[k]) for j, k in application.edges)
    keys = {name: edges if name in PER_ARC else names for name in Sides._fields}
    costs = zip(keys.values(), term.sides, strict=True)
    return Task(
        id=instance.devices.ids[m],
        application=application,
        point=instance.points.ids[int(instance.devices.connected_to[m])],
        subtasks=names,
        edges=edges,
        waits=tuple((names[j], names[k]) for j, k in reduction(application)),
        heads=tuple(names[k] for k in application.heads.nonzero()[0]),
        tails=tuple(names[k] for k in application.tails.nonzero()[0]),
        sides=Sides._make(dict(zip(at, values[row].tolist(), strict=True)) for at, values in costs),
        share=1.0 if term.share is None else float(term.share[row]),
        ceiling=math.inf if term.ceiling is None else float(term.ceiling[row]),
    )


def placement_model(instance: Instance) -> pyo.ConcreteModel:
    """The shared part of the model, complete but for what holds ``delay`` up.

    Returns
    -------
    pyomo.environ.ConcreteModel
        With ``tasks`` (device id -> :class:`Task`), ``cpu`` (offload point id -> speed), the variables
        and constraints above, expressions ``offloaded[m, k]``, ``g[m, k]`` and ``energy[m, k]`` (the
        weighted delay and energy of a subtask), and the objective.
    """
    model = pyo.ConcreteModel(name=instance.name)
    model.tasks = clock.Watched({task.id: task for task in tasks(instance)})
    model.cpu = dict(zip(instance.points.ids, instance.points.cpu.tolist(), strict=True))
    _sets(model, instance)
    _variables(model)
    _assignment(model)
    _transfers(model)
    _capacities(model, instance)
    _channels(model, instance)
    _costs(model)
    return model


def _sets(model: Any, instance: Instance) -> None:
    tasks = model.tasks
    model.DEVICES = pyo.Set(initialize=list(tasks), ordered=True)
    points = zip(instance.points.ids, instance.points.capacity.tolist(), strict=True)
    model.POINTS = pyo.Set(initialize=[n for n, capacity in points if capacity > 0], ordered=True)
    model.SUBTASKS = pyo.Set(initialize=[(m, k) for m in tasks for k in tasks[m].subtasks], dimen=2)
    model.ARCS = pyo.Set(initialize=[(m, j, k) for m in tasks for j, k in tasks[m].edges], dimen=3)


def _variables(model: Any) -> None:
    model.local = pyo.Var(model.SUBTASKS, domain=pyo.Binary)
    model.place = pyo.Var(model.SUBTASKS, model.POINTS, domain=pyo.Binary)
    model.up = pyo.Var(model.ARCS, domain=pyo.NonNegativeReals)
    model.down = pyo.Var(model.ARCS, domain=pyo.NonNegativeReals)
    model.delay = pyo.Var(model.DEVICES, domain=pyo.NonNegativeReals)


def _assignment(model: Any) -> None:
    @model.Expression(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def offloaded(model: Any, m: str, k: str) -> Any:
        return pyo.quicksum(model.place[m, k, n] for n in model.POINTS)

    @model.Constraint(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def assign(model: Any, m: str, k: str) -> Any:
        return model.local[m, k] + model.offloaded[m, k] == 1


def _transfers(model: Any) -> None:
    # o_k - o_j = local_j - local_k by the assignment, with fewer entries.
    @model.Constraint(model.ARCS)  # type: ignore[untyped-decorator]
    def transfer(model: Any, m: str, j: str, k: str) -> Any:
        return model.up[m, j, k] - model.down[m, j, k] == model.local[m, j] - model.local[m, k]


def _capacities(model: Any, instance: Instance) -> None:
    limit = dict(zip(instance.points.ids, instance.points.capacity.tolist(), strict=True))

    @model.Constraint(model.POINTS)  # type: ignore[untyped-decorator]
    def capacity(model: Any, n: str) -> Any:
        if not model.tasks:
            return pyo.Constraint.Skip
        return pyo.quicksum(model.place[m, k, n] for m, k in model.SUBTASKS) <= limit[n]


def _channels(model: Any, instance: Instance) -> None:
    limit = dict(zip(instance.points.ids, instance.points.channels.tolist(), strict=True))
    users: dict[str, list[str]] = {instance.points.ids[n]: [] for n in Limits(instance).limited.tolist()}
    for task in model.tasks.values():
        if task.point in users:
            users[task.point].append(task.id)
    users = {n: devices for n, devices in users.items() if devices}
    model.LIMITED = pyo.Set(initialize=[m for devices in users.values() for m in devices])
    model.air = pyo.Var(model.LIMITED, domain=pyo.Binary)

    @model.Constraint(list(users))  # type: ignore[untyped-decorator]
    def channels(model: Any, n: str) -> Any:
        return pyo.quicksum(model.air[m] for m in users[n]) <= limit[n]

    @model.Constraint([(m, k) for m, k in model.SUBTASKS if m in model.LIMITED])  # type: ignore[untyped-decorator]
    def uses_air(model: Any, m: str, k: str) -> Any:
        return model.local[m, k] + model.air[m] >= 1


def _costs(model: Any) -> None:
    arcs_into: dict[tuple[str, str], list[tuple[str, str]]] = {key: [] for key in model.SUBTASKS}
    for m, j, k in model.ARCS:
        arcs_into[m, k].append((j, k))

    def parts(m: str, k: str, local: Any, radio: Any, up: Any, down: Any, at_points: list[float]) -> Any:
        """What a subtask adds: costs on its device, away, of arcs, and at each point."""
        along = (up[arc] * model.up[(m, *arc)] + down[arc] * model.down[(m, *arc)] for arc in arcs_into[m, k])
        back_and_forth = [radio[k] * model.offloaded[m, k]] if radio[k] else []
        there = (cost * model.place[m, k, n] for n, cost in zip(model.POINTS, at_points, strict=True) if cost)
        return pyo.quicksum([local[k] * model.local[m, k], *back_and_forth, *along, *there])

    @model.Expression(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def g(model: Any, m: str, k: str) -> Any:
        task = model.tasks[m]
        of, there = task.sides, [task.at_point(k, model.cpu[n])[0] for n in model.POINTS]
        return parts(m, k, of.local_delay, of.radio_delay, of.up_delay, of.down_delay, there)

    @model.Expression(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def energy(model: Any, m: str, k: str) -> Any:
        task = model.tasks[m]
        of, there = task.sides, [task.at_point(k, model.cpu[n])[1] for n in model.POINTS]
        return parts(m, k, of.local_energy, of.radio_energy, of.up_energy, of.down_energy, there)

    @model.Objective()  # type: ignore[untyped-decorator]
    def cost(model: Any) -> Any:
        share = {m: task.share for m, task in model.tasks.items()}
        delays = pyo.quicksum(share[m] * model.delay[m] for m in model.DEVICES)
        return delays + pyo.quicksum(share[m] * model.energy[m, k] for m, k in model.SUBTASKS)
