"""What a solution must keep: one function for each rule, no tolerance but for what the file states."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from . import forms
from .costs import ZERO, Pair, cost, demand, parts_of, spent
from .forms import insist
from .reading import LOCAL, SUBTASKS, Device, Entry, Instance

TOLERANCE = Fraction(1, 10**9)
"""Of numbers that a file states, relative to the cost or to 1."""


class Case(NamedTuple):
    """A solution of an instance: what it states, the places of the devices that are served and what they
    take, and what it costs, and its dearest device."""

    instance: Instance
    stated: dict[str, Any]
    served: list[tuple[Device, list[int], Pair]]
    total: Fraction
    dearest: Fraction


def read_solution(path: forms.File, instance: Instance) -> Case | None:
    """Read a solution, and apply all rules to it; None where the file says that there is none."""
    stated = forms.SOLUTION(forms.load(path), str(path))
    none, decisions = stated["status"] in ("infeasible", "unknown"), stated["decisions"]
    insist(none == (decisions is None) == (stated["objective"] is None), str(path), "is no solution")
    insist(not none or stated["version"] == 2, str(path), "says in version 1 that there is none")
    if none:
        return None
    costs, served = [], []
    insist(decisions.keys() == {device.id for device in instance.devices}, str(path), "is of other devices")
    for device in instance.devices:
        places = decisions[device.id]
        if places is not None:
            places = [forms.known(place, device.id, instance.places) for place in places]
        rule_decision(device, places)
        parts = parts_of(instance, device, {*(places or ())} - {LOCAL})
        costs.append(cost(instance, device, parts, places))
        if places is not None:
            served.append((device, places, spent(device, parts, places)))
    total = max(costs) if instance.objective == "max" else sum(costs, ZERO)
    case = Case(instance, stated, served, total, max(costs))
    for rule in (rule_capacity, rule_channels, rule_device_limits, rule_totals, rule_stated):
        rule(case)
    return case


def rule_decision(device: Device, places: list[int] | None) -> None:
    """A place for each subtask, where it may be; without a connection nothing is offloaded; only those are
    refused that may be."""
    if places is None:
        insist(device.rejection is not None, device.id, "is refused, and must be served")
        return
    insist(len(places) == len(device.work), device.id, "has not a place for each subtask")
    for k, n in enumerate(places):
        insist(n == LOCAL or device.connected_to is not None, device.id, "offloads without a connection")
        insist(n in device.allowed.get(k, [n]), device.id, "has a subtask where it may not be")


def demands(case: Case) -> Mapping[tuple[int, str], Fraction]:
    """Return what all subtasks at an offload point demand of a resource."""
    found: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
    for device, places, _ in case.served:
        for k, n in enumerate(places):
            own = device.at.get((k, n), Entry()).demand
            for resource in {SUBTASKS, *device.demand, *own} if n != LOCAL else ():
                found[n, resource] += demand(device, k, n, resource)
    return found


def rule_capacity(case: Case) -> None:
    """At no offload point, and at those of no shared limit, subtasks demand more than there is."""
    used = demands(case)
    for n, point in enumerate(case.instance.points):
        for resource, room in point.room.items():
            insist(used[n, resource] <= Fraction(room), point.id, f"has too little {resource}")
    for limit in case.instance.limits.values():
        together = sum((used[n, limit.resource] for n in limit.points), ZERO)
        insist(together <= Fraction(limit.capacity), limit.id, "is exceeded")


def rule_channels(case: Case) -> None:
    """No offload point serves more offloading devices than its channels."""
    away = (device for device, places, _ in case.served if any(n != LOCAL for n in places))
    used = Counter(device.connected_to for device in away)
    for n, point in enumerate(case.instance.points):
        insist(point.channels is None or used[n] <= point.channels, point.id, "has too few channels")


def rule_device_limits(case: Case) -> None:
    """Nobody who is served is late, or uses more energy than its budget."""
    for device, _, taken in case.served:
        for most, amount in zip((device.deadline, device.energy_budget), taken, strict=True):
            insist(most is None or amount <= Fraction(most), device.id, "is late, or uses too much energy")


def rule_totals(case: Case) -> None:
    """Delay and energy of all who are served add up to at most their caps."""
    for i, key in enumerate(("delay", "energy")):
        total = sum((taken[i] for _, _, taken in case.served), ZERO)
        cap = case.instance.totals.get(key)
        insist(cap is None or total <= Fraction(cap), f"totals.{key}", "is exceeded")


def rule_stated(case: Case) -> None:
    """The stated objective is the cost, the stated bound is not above it, and optimal is called what is."""
    slack = TOLERANCE * max(Fraction(1), abs(case.total))
    objective, bound = case.stated["objective"], case.stated["lower_bound"]
    insist(abs(objective - case.total) <= slack, "objective", f"is not the cost, {float(case.total)!r}")
    insist(bound is None or bound <= case.total + slack, "lower_bound", "is above the cost")
    if case.stated["status"] == "optimal":
        scale = max(abs(objective), TOLERANCE if case.instance.version == 2 else ZERO)
        insist(bound is not None and objective - bound <= TOLERANCE * scale, "status", "is not optimal")
