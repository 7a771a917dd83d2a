"""A formulation as a Pyomo model of one's own: to add constraints to, to solve with any solver, to read back.

Solving by name makes a model that is scaled, and cut to what an optimum can need. This one is plain: in
seconds, mJ and cost, with every device in it, and every decision that keeps the limits. So whatever is added
means what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from offloadlib.formulations import catalogue
from offloadlib.formulations.structured.metered import constant, metered
from offloadlib.formulations.structured.search import can_offload
from offloadlib.instances import AnyInstance, InputError, Instance, Solution, evaluate
from offloadlib.instances.errors import Problem
from offloadlib.kinds import only

if TYPE_CHECKING:
    import pyomo.environ as pyo

WHOLE = 1e-5
"""How far from a whole number the value of an integer variable may be: the solvers' default tolerance."""

TOLERANCE = 1e-6
"""What an added constraint may be broken by, relatively and at least absolutely: the solvers' tolerance."""


def formulate(instance: AnyInstance, formulation: str = "milp") -> pyo.ConcreteModel:
    """State an instance as a mixed-integer linear program in Pyomo.

    Parameters
    ----------
    instance
        The instance, of kind structured.
    formulation
        ``milp``, ``milp-paths``, ``milp-stages``, ``milp-bigm`` or ``milp-hull``:
        ``docs/theory/formulations.md``.

    Returns
    -------
    pyomo.environ.ConcreteModel
        Devices m, subtasks k and offload points n are called as in the instance. For constraints of one's
        own there are

        ========================  ==========================================================  =======
        ``DEVICES, SUBTASKS``     sets of m, of (m, k)
        ``POINTS``                set of the n that have a capacity
        ``local[m, k]``           binary: k runs on its device
        ``place[m, k, n]``        binary: k runs at n
        ``served[m]``             binary: m is not refused, for m in the set ``REFUSABLE``
        ``offloaded[m, k]``       the sum of ``place`` over n
        ``used[n]``               subtasks at n
        ``device_delay[m]``       G_m, 0 if refused                                           s
        ``device_energy[m]``      E_m, 0 if refused                                           mJ
        ``device_cost[m]``        w_m C_m: what m counts in the objective                     cost
        ``cost``                  the objective, F
        ========================  ==========================================================  =======

        and the limits ``capacity[n]``, ``channels[n]``, ``resource[n, r]``, ``limits[id]``,
        ``energy_budget[m]``, ``total_delay`` and ``total_energy``, where there are any; deadlines are bounds.

        Delay and energy are held up from below by rows of the model, whatever their weights in the cost: they
        are at least the true ones, and can be equal to them for every decision. So a constraint that bounds
        them from above, or an objective that minimises them, means the true ones; one that wants them large
        does not.

    Raises
    ------
    InputError
        If there is no such formulation, or none of this instance.
    """
    import pyomo.environ as pyo

    found, data = stated(instance, formulation)
    model = found.model(metered(data))
    model.instance, model.formulation = data, formulation

    @model.Expression(model.POINTS)  # type: ignore[untyped-decorator]
    def used(model: Any, n: str) -> Any:
        return pyo.quicksum(model.place[m, k, n] for m, k in model.SUBTASKS)

    @model.Expression(model.DEVICES)  # type: ignore[untyped-decorator]
    def device_delay(model: Any, m: str) -> Any:
        return model.delay[m]

    @model.Expression(model.DEVICES)  # type: ignore[untyped-decorator]
    def device_energy(model: Any, m: str) -> Any:
        return pyo.quicksum(model.energy[m, k] for k in model.tasks[m].subtasks)

    @model.Expression(model.DEVICES)  # type: ignore[untyped-decorator]
    def device_cost(model: Any, m: str) -> Any:
        task = model.tasks[m]
        spent = task.delay_rate * model.device_delay[m] + task.energy_rate * model.device_energy[m]
        return spent + model.paid[m] + (task.beyond.rejection or 0.0)

    model.cost.set_value(model.cost.expr + constant(data))
    model.stated = frozenset(row.name for row in model.component_data_objects(pyo.Constraint))
    return model


def stated(instance: AnyInstance, formulation: str) -> tuple[catalogue.Formulation, Instance]:
    """The formulation of a name, and the instance, of which it can make a model.

    Raises
    ------
    InputError
        If there is no such formulation, or none of this instance.
    """
    found = catalogue.find(formulation)
    data: Instance = only(instance, [found.kind], formulation)
    if (reason := data.beyond(found.supports)) is not None:
        raise InputError(formulation, [("", reason)])
    if data.version == 1 and not can_offload(data):
        raise InputError(formulation, [("", "nothing can be offloaded: there is nothing to decide")])
    return found, data


def read_back(model: pyo.ConcreteModel) -> Solution:
    """The solution that the values of a model of :func:`formulate` stand for, once it is solved.

    Its variables get the values that follow from the decisions exactly: whole numbers, true delays. Limits of
    the instance are held against exact sums, without tolerance; constraints that were added up to 1e-6, with
    these values. Which objective was minimised, and whether it was, does not matter.

    Returns
    -------
    Solution
        For ``instance.evaluate``, :func:`offloadlib.solve` as a start, and so on.

    Raises
    ------
    InputError
        If the model is another one, has no values, or its decisions break a limit of the instance or a
        constraint that was added.
    """
    instance = getattr(model, "instance", None)
    if not isinstance(instance, Instance) or not hasattr(model, "stated"):
        raise InputError("read_back", [("", "takes a model that formulate has made")])
    problems = list(_not_whole(model))
    if problems:
        raise InputError("read_back", problems)
    solution = decisions(model, instance, "read_back", lambda variable: str(variable.name))
    broken = evaluate(instance, solution).violations
    if broken:
        raise InputError("read_back", [("", f"breaks a limit: {violation}") for violation in broken])
    _settle(model, instance, solution)
    problems = list(_broken_rows(model))
    if problems:
        raise InputError("read_back", problems)
    return solution


def decisions(model: Any, instance: Instance, source: Any, name_of: Callable[[Any], str]) -> Solution:
    """The place of each subtask: local, or the one where it is placed; or that its device is refused.

    Parameters
    ----------
    model, instance
        A model with whole values, and its instance.
    source, name_of
        What messages call the model, and its variables.

    Raises
    ------
    InputError
        With every subtask that has no place, or several.
    """
    from offloadlib.formulations.structured.milp.pyomo_run import read_places

    problems: list[Problem] = []
    for m, k in model.SUBTASKS:
        chosen = [model.local[m, k], *(model.place[m, k, n] for n in model.POINTS)]
        places = [name_of(variable) for variable in chosen if variable.value]
        needed = model.served[m].value if m in model.REFUSABLE else 1
        if len(places) != needed or any(variable.value not in (0, 1) for variable in chosen):
            found = ", ".join(places) or "none"
            what = f"the subtask needs {'one' if needed else 'no'} place, and has {found}"
            problems.append((name_of(model.local[m, k]), what))
    if problems:
        raise InputError(source, problems)
    return read_places(model, instance)


def _not_whole(model: Any) -> Iterator[Problem]:
    """Round the decisions; what is in the way."""
    for variable in (*model.local.values(), *model.place.values(), *model.served.values()):
        value = variable.value
        if value is None:
            yield variable.name, "has no value: the model must be solved first"
        elif not abs(value - round(value)) <= WHOLE:
            yield variable.name, f"must be whole, not {value!r}"
        else:
            variable.set_value(round(value), skip_validation=True)


def _settle(model: Any, instance: Instance, solution: Solution) -> None:
    """Give the other variables that expressions are made of the values that follow from decisions."""
    found = evaluate(instance, solution)
    for m, delay in zip(instance.devices.ids, found.delay.tolist(), strict=True):
        model.delay[m].set_value(delay, skip_validation=True)
    for m, j, k in model.ARCS:
        sent = model.local[m, j].value - model.local[m, k].value
        model.up[m, j, k].set_value(max(sent, 0), skip_validation=True)
        model.down[m, j, k].set_value(max(-sent, 0), skip_validation=True)
    for m in model.LIMITED:
        away = any(model.place[m, k, n].value for k in model.tasks[m].subtasks for n in model.POINTS)
        model.air[m].set_value(int(away), skip_validation=True)
    if instance.by_largest:
        model.largest.set_value(found.total, skip_validation=True)


def _broken_rows(model: Any) -> Iterator[Problem]:
    """The constraints that were added, and do not hold."""
    import pyomo.environ as pyo

    for row in model.component_data_objects(pyo.Constraint, active=True):
        if row.name in model.stated:
            continue
        value = pyo.value(row.body, exception=False)
        if value is None:
            yield row.name, "has a variable without a value"
            continue
        for bound, sign in ((row.lb, -1.0), (row.ub, 1.0)):
            if bound is not None and sign * (value - bound) > TOLERANCE * max(1.0, abs(bound)):
                what = "at most" if sign > 0 else "at least"
                yield row.name, f"is {value!r}, and must be {what} {bound!r}"
