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

   a_m g_{mk} = a_m [\, & \tfrac{w}{c_m} local_{mk} + \sum_n \tfrac{w}{c_n} place_{mkn}
     + \sum_j ( \tfrac{s_{mjk}}{r^{up}} up_{mjk} + \tfrac{s_{mjk}}{r^{down}} down_{mjk} ) \\
     & + ( \tfrac{d^i}{r^{up}} [k\ head] + \tfrac{d^o}{r^{down}} [k\ tail] ) o_{mk} \,]

and likewise b_m e_mk. A formulation adds, for each device, a variable delay_m >= a_m G_m, and rows
that hold it up; the objective is sum_m delay_m + sum_mk b_m e_mk.

Working with a_m g instead of g gives every row the unit of the objective, so that a solver's
feasibility tolerance means the same everywhere.

**Format 2.** All devices are in the model, as each may be late, dear, or refused, and g_mk, e_mk are in
seconds and mJ, or in units of these (:mod:`..metered`), so that delay_m >= G_m. With x_mk,local for local_mk
and x_mkn for place_mkn there is further

=======================  =====================================================================================
symbol                   meaning
=======================  =====================================================================================
served_m in {0, 1}       device m is served: a variable where it has a rejection r_m, else the number 1
largest                  the objective where that is the largest cost
t_mkn                    execution time of subtask k at n: w/c_n, or that of the entry ``at``
f_mkn                    fee of subtask k at n (n = local included)
d^r_mkn                  what subtask k demands of resource r at n; 1 for ``subtasks``
Q^r_n, Q_l               what point n has of resource r, what limit l of resource r_l has at its points P_l
D_m, B_m, D, B           deadline, energy budget; caps on the total delay, on the total energy
l^up_m, l^down_m         latencies
=======================  =====================================================================================

The latency of a direction is part of each of its transfers: up_mjk counts s/r^up + l^up seconds, and likewise
down_mjk, input and output; energies stay as they are. Constraints:

.. math::

   local_{mk} + \sum_n place_{mkn} &= served_m                 &\quad& (assign) \\
   local_{mk} + air_m &\ge served_m                            && \text{(uses_air)} \\
   x_{mkn} &\le 0 \quad \text{where k may not run at n}        && \text{(allowed: an upper bound)} \\
   \sum_{m,k} d^r_{mkn} place_{mkn} &\le Q^r_n                 && (resource) \\
   \sum_{n \in P_l} \sum_{m,k} d^{r_l}_{mkn} place_{mkn} &\le Q_l && (limits) \\
   delay_m &\le D_m                                           && \text{(deadline: an upper bound)} \\
   E_m = \sum_k e_{mk} &\le B_m                               && \text{(energy_budget)} \\
   \sum_m delay_m \le D, \quad \sum_m E_m &\le B              && \text{(total_delay, total_energy)}

A point without a capacity has no row for it. All variables of a refused device are 0 at best: it uses
nothing, and its delay and energy count for nothing. With

.. math:: C_m = a_m delay_m + b_m E_m + \sum_{k,n} f_{mkn} x_{mkn} + r_m (1 - served_m)

the objective is sum_m w_m C_m, without the constant sum_m w_m r_m, or else largest, with rows

.. math:: largest \ge w_m C_m \qquad (dearest).

Polytope and proof are those above only without the rows of a device's delay and energy: with these, fractions
of places can be what a relaxation needs. The maximum of (1) still only has to be held up: limits bound delays
from above, and costs and prices on delay are >= 0, so that delay_m = G_m is always best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyomo.environ as pyo
from pyomo.core.expr import is_constant

from offloadlib.instances import Application, Instance
from offloadlib.instances.structured.limits import Demanded, Limits
from offloadlib.instances.structured.model import SUBTASKS
from offloadlib.instances.structured.series_parallel import reduction
from offloadlib.instances.structured.sides import PER_ARC, Sides, Terms, at_point

from ..metered import Metered, finite, inside, loosened, metered
from . import clock

Entry = tuple[str, str | None]
"""A subtask at a point, or on its device (None)."""


@dataclass(frozen=True)
class Beyond:
    """What format 2 adds to a task, in the units of its terms.

    Attributes
    ----------
    execution
        Weighted execution time at each point.
    fee
        In the objective.
    demand
        By resource, at each point, where it is not 0 and the subtask may run.
    forbidden
        Where subtasks may not run.
    deadline, energy_budget
        Infinite where there is none.
    rejection
        In the objective; None: the device must be served.
    delay_unit, energy_unit
        Of a second, of a mJ.
    """

    execution: Mapping[Entry, float]
    fee: Mapping[Entry, float]
    demand: Mapping[str, Mapping[Entry, float]]
    forbidden: frozenset[Entry]
    deadline: float
    energy_budget: float
    rejection: float | None
    delay_unit: float
    energy_unit: float


@dataclass(frozen=True)
class Task:
    """One device's structured task.

    ``sides`` has costs by the name of a subtask, or the names of an arc's ends. ``waits`` are the arcs that
    matter for the order of the subtasks, that is, without the redundant ones. The rates are what weighted
    delay and energy count in the objective. ``ceiling`` is that of :class:`.structured.sides.Terms`;
    ``point`` is None for a device without a radio link.
    """

    id: str
    application: Application
    point: str | None
    subtasks: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    waits: tuple[tuple[str, str], ...]
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    sides: Any
    delay_rate: float = 1.0
    energy_rate: float = 1.0
    ceiling: float = math.inf
    beyond: Beyond | None = None

    def there(self, k: str, n: str, speed: float) -> tuple[float, float]:
        """Weighted delay and energy of execution at an offload point of some speed."""
        delay, energy = self.at_point(k, speed)
        return (delay if self.beyond is None else self.beyond.execution[k, n]), energy

    def at_point(self, k: str, speed: float) -> tuple[float, float]:
        """The same where points differ in speed alone."""
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
    """The tasks of the devices that are in programs, application by application."""
    for term in instance.terms:
        for row in inside(instance, term.group.members).nonzero()[0].tolist():
            yield _task(instance, term, row, int(term.group.members[row]))


def _task(instance: Instance, term: Terms, row: int, m: int) -> Task:
    application = term.group.application
    names = application.subtasks
    edges = tuple((names[j], names[k]) for j, k in application.edges)
    keys = {name: edges if name in PER_ARC else names for name in Sides._fields}
    costs = zip(keys.values(), term.sides, strict=True)
    share = 1.0 if term.share is None else float(term.share[row])
    return Task(
        id=instance.devices.ids[m],
        application=application,
        point=(*instance.points.ids, None)[int(instance.devices.connected_to[m])],
        subtasks=names,
        edges=edges,
        waits=tuple((names[j], names[k]) for j, k in reduction(application)),
        heads=tuple(names[k] for k in application.heads.nonzero()[0]),
        tails=tuple(names[k] for k in application.tails.nonzero()[0]),
        sides=Sides._make(dict(zip(at, values[row].tolist(), strict=True)) for at, values in costs),
        delay_rate=float(term.delay_rate[row]) if isinstance(term, Metered) else share,
        energy_rate=float(term.energy_rate[row]) if isinstance(term, Metered) else share,
        ceiling=math.inf if term.ceiling is None else float(term.ceiling[row]),
        beyond=_beyond(instance, term, row) if isinstance(term, Metered) else None,
    )


def _beyond(instance: Instance, term: Metered, row: int) -> Beyond:
    places, rate = term.options, float(term.fee_rate[row])
    subtasks, points = term.group.application.subtasks, (*instance.points.ids, None)

    def by_entry(values: Any) -> dict[Entry, float]:
        rows = zip(subtasks, values.tolist(), strict=True)
        return {(k, n): value for k, row in rows for n, value in zip(points, row, strict=True)}

    allowed = places.allowed[row]
    needs = (by_entry(demand[row] * allowed) for demand in places.demand)
    rejection = float(term.rejection[row])
    return Beyond(
        execution=by_entry(term.delay_weight[row] * places.seconds[row]),
        fee=by_entry(rate * places.fee[row]),
        demand={
            name: {at: value for at, value in need.items() if value}
            for name, need in zip((SUBTASKS, *instance.resources), needs, strict=True)
        },
        forbidden=frozenset(at for at, may in by_entry(allowed).items() if not may),
        deadline=float(term.deadline[row]),
        energy_budget=float(term.energy_budget[row]),
        rejection=None if math.isnan(rejection) else rate * rejection,
        delay_unit=float(term.delay_weight[row]),
        energy_unit=float(term.energy_weight[row]),
    )


def placement_model(instance: Instance) -> pyo.ConcreteModel:
    """The shared part of the model, complete but for what holds ``delay`` up.

    Terms of an instance of format 2 are :func:`..metered.metered`; else they are in seconds and mJ. Those of
    format 1 may be: then all is stated as in format 2.

    Returns
    -------
    pyomo.environ.ConcreteModel
        With ``tasks`` (device id -> :class:`Task`), ``cpu`` (offload point id -> speed), the variables
        and constraints above, expressions ``offloaded[m, k]``, ``g[m, k]`` and ``energy[m, k]`` (the
        weighted delay and energy of a subtask), and the objective.
    """
    limited = instance.version > 1 or isinstance(instance.terms[0], Metered)
    if limited and not isinstance(instance.terms[0], Metered):
        instance = metered(instance)
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
    if limited:
        _allowed(model)
        _resources(model, instance)
        _device_limits(model)
        _totals(model, instance)
    _objective(model, instance)
    return model


def _sets(model: Any, instance: Instance) -> None:
    tasks = model.tasks
    model.DEVICES = pyo.Set(initialize=list(tasks), ordered=True)
    points = zip(instance.points.ids, instance.points.capacity.tolist(), strict=True)
    model.POINTS = pyo.Set(initialize=[n for n, capacity in points if capacity > 0], ordered=True)
    model.SUBTASKS = pyo.Set(initialize=[(m, k) for m in tasks for k in tasks[m].subtasks], dimen=2)
    model.ARCS = pyo.Set(initialize=[(m, j, k) for m in tasks for j, k in tasks[m].edges], dimen=3)
    beyond = {m: tasks[m].beyond for m in tasks}
    refusable = [m for m, more in beyond.items() if more is not None and more.rejection is not None]
    model.REFUSABLE = pyo.Set(initialize=refusable, ordered=True)


def _variables(model: Any) -> None:
    model.local = pyo.Var(model.SUBTASKS, domain=pyo.Binary)
    model.place = pyo.Var(model.SUBTASKS, model.POINTS, domain=pyo.Binary)
    model.up = pyo.Var(model.ARCS, domain=pyo.NonNegativeReals)
    model.down = pyo.Var(model.ARCS, domain=pyo.NonNegativeReals)
    model.delay = pyo.Var(model.DEVICES, domain=pyo.NonNegativeReals)
    model.served = pyo.Var(model.REFUSABLE, domain=pyo.Binary)


def _served(model: Any, m: str) -> Any:
    """Whether a device is served: a variable if it may be refused."""
    return model.served[m] if m in model.REFUSABLE else 1


def _assignment(model: Any) -> None:
    @model.Expression(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def offloaded(model: Any, m: str, k: str) -> Any:
        return pyo.quicksum(model.place[m, k, n] for n in model.POINTS)

    @model.Constraint(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def assign(model: Any, m: str, k: str) -> Any:
        return model.local[m, k] + model.offloaded[m, k] == _served(model, m)


def _transfers(model: Any) -> None:
    # o_k - o_j = local_j - local_k by the assignment, with fewer entries.
    @model.Constraint(model.ARCS)  # type: ignore[untyped-decorator]
    def transfer(model: Any, m: str, j: str, k: str) -> Any:
        return model.up[m, j, k] - model.down[m, j, k] == model.local[m, j] - model.local[m, k]


def _capacities(model: Any, instance: Instance) -> None:
    limit = dict(zip(instance.points.ids, finite(instance.points.capacity).tolist(), strict=True))

    @model.Constraint(model.POINTS)  # type: ignore[untyped-decorator]
    def capacity(model: Any, n: str) -> Any:
        if not model.tasks or math.isinf(limit[n]):
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
        return model.local[m, k] + model.air[m] >= _served(model, m)


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
        of, there = task.sides, [task.there(k, n, model.cpu[n])[0] for n in model.POINTS]
        return parts(m, k, of.local_delay, of.radio_delay, of.up_delay, of.down_delay, there)

    @model.Expression(model.SUBTASKS)  # type: ignore[untyped-decorator]
    def energy(model: Any, m: str, k: str) -> Any:
        task = model.tasks[m]
        of, there = task.sides, [task.there(k, n, model.cpu[n])[1] for n in model.POINTS]
        return parts(m, k, of.local_energy, of.radio_energy, of.up_energy, of.down_energy, there)


def _objective(model: Any, instance: Instance) -> None:
    @model.Expression(model.DEVICES)  # type: ignore[untyped-decorator]
    def paid(model: Any, m: str) -> Any:
        """Fees, less the rejection of a device that is not refused."""
        more = model.tasks[m].beyond
        if more is None:
            return 0.0
        fees = pyo.quicksum(
            fee * model.x[m, k, n] for (k, n), fee in more.fee.items() if fee and (m, k, n) in model.x
        )
        return fees if more.rejection is None else fees - more.rejection * model.served[m]

    if instance.by_largest:
        model.largest = pyo.Var()

        @model.Constraint(model.DEVICES)  # type: ignore[untyped-decorator]
        def dearest(model: Any, m: str) -> Any:
            task = model.tasks[m]
            delay, energy = task.delay_rate * model.delay[m], task.energy_rate * _energy(model, m)
            return model.largest >= delay + energy + model.paid[m] + (task.beyond.rejection or 0.0)

    @model.Objective()  # type: ignore[untyped-decorator]
    def cost(model: Any) -> Any:
        if instance.by_largest:
            return model.largest
        tasks = dict(model.tasks)
        delays = pyo.quicksum(tasks[m].delay_rate * model.delay[m] for m in model.DEVICES)
        energies = pyo.quicksum(tasks[m].energy_rate * model.energy[m, k] for m, k in model.SUBTASKS)
        return delays + energies + pyo.quicksum(model.paid[m] for m in model.DEVICES)


def _energy(model: Any, m: str) -> Any:
    """E_m, weighted."""
    return pyo.quicksum(model.energy[m, k] for k in model.tasks[m].subtasks)


# Format 2 -----------------------------------------------------------------------------------------


def _allowed(model: Any) -> None:
    """``x``: the variable of a subtask at a place, local being None; 0 where it may not run."""
    model.x = {(m, k, None): model.local[m, k] for m, k in model.SUBTASKS}
    model.x.update({(m, k, n): model.place[m, k, n] for m, k in model.SUBTASKS for n in model.POINTS})
    for m, task in model.tasks.items():
        for at in task.beyond.forbidden:
            if (m, *at) in model.x:
                model.x[(m, *at)].setub(0)


def _resources(model: Any, instance: Instance) -> None:
    points, what, every = instance.points, (SUBTASKS, *instance.resources), Limits(instance)
    named = {every.names[limit.entry]: limit for limit in every.beyond_capacity}

    def at_most(limit: Demanded) -> Any:
        """What is demanded of a resource at some points, in a unit of its own."""
        at = {points.ids[n] for n in limit.points.tolist()}
        needs = [
            (model.x[m, k, n], amount)
            for m, task in model.tasks.items()
            for (k, n), amount in task.beyond.demand[what[limit.resource]].items()
            if n in at
        ]
        if not needs:
            return pyo.Constraint.Skip
        unit, right = loosened(instance, limit.capacity, np.array([amount for _, amount in needs]))
        return pyo.quicksum(unit * amount * x for x, amount in needs) <= right

    @model.Constraint([name[1:] for name in named if name[0] == "resource"])  # type: ignore[untyped-decorator]
    def resource(model: Any, n: str, name: str) -> Any:
        return at_most(named["resource", n, name])

    @model.Constraint([name[1] for name in named if name[0] == "limits"])  # type: ignore[untyped-decorator]
    def limits(model: Any, name: str) -> Any:
        return at_most(named["limits", name])


def _device_limits(model: Any) -> None:
    more = {m: task.beyond for m, task in model.tasks.items()}
    for m, own in more.items():
        if math.isfinite(own.deadline):
            model.delay[m].setub(own.deadline)

    @model.Constraint([m for m, own in more.items() if math.isfinite(own.energy_budget)])  # type: ignore[untyped-decorator]
    def energy_budget(model: Any, m: str) -> Any:
        return _row(_energy(model, m), more[m].energy_budget)


def _totals(model: Any, instance: Instance) -> None:
    tasks, caps = dict(model.tasks), instance.totals
    if math.isfinite(caps.delay):
        unit, right = loosened(instance, caps.delay)
        seconds = (unit / tasks[m].beyond.delay_unit * model.delay[m] for m in model.DEVICES)
        model.total_delay = pyo.Constraint(expr=_row(pyo.quicksum(seconds), right))
    if math.isfinite(caps.energy):
        unit, right = loosened(instance, caps.energy)
        spent = (unit / tasks[m].beyond.energy_unit * _energy(model, m) for m in model.DEVICES)
        model.total_energy = pyo.Constraint(expr=_row(pyo.quicksum(spent), right))


def _row(used: Any, most: float) -> Any:
    """A limit; none on what has no variables."""
    return pyo.Constraint.Skip if is_constant(used) else used <= most
