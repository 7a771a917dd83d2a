"""What a solution must keep: one function for each rule, no tolerance but for what the file states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from os import PathLike
from typing import Any, NamedTuple

from . import forms
from .costs import ZERO, Pair, cost, demand, parts_of, spent
from .forms import insist
from .reading import LOCAL, SUBTASKS, Device, Instance

TOLERANCE = Fraction(1, 10**9)
"""Of numbers that a file states, relative to the cost or to 1."""

NONE = ("infeasible", "unknown")


class Case(NamedTuple):
    """A solution of an instance: what it states, of each device its places (None: refused), and of those that
    are served what they take."""

    instance: Instance
    stated: dict[str, Any]
    places: list[list[int] | None]
    served: list[tuple[Device, list[int], Pair]]
    total: Fraction


def read_solution(path: str | PathLike[str], instance: Instance) -> Case | None:
    """Read a solution, and apply all rules to it; None where the file says that there is none."""
    stated = forms.SOLUTION(forms.load(path), str(path))
    none = stated["status"] in NONE
    insist(
        none == (stated["decisions"] is None) == (stated["objective"] is None), str(path), "is no solution"
    )
    insist(not none or stated["version"] == 2, str(path), "says in version 1 that there is none")
    if none:
        return None
    decisions, costs = stated["decisions"], []
    insist(decisions.keys() == {device.id for device in instance.devices}, str(path), "is of other devices")
    case = Case(instance, stated, [], [], ZERO)
    for device in instance.devices:
        chosen = decisions[device.id]
        places = (
            None if chosen is None else [forms.known(place, device.id, instance.places) for place in chosen]
        )
        rule_decision(device, places)
        parts = parts_of(instance, device)
        costs.append(cost(instance, device, parts, places))
        case.places.append(places)
        if places is not None:
            case.served.append((device, places, spent(device, parts, places)))
    case = case._replace(total=max(costs) if instance.objective == "max" else sum(costs, ZERO))
    for rule in (rule_capacity, rule_channels, rule_limits, rule_device_limits, rule_totals, rule_stated):
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


def demanded(case: Case, resource: str, points: Iterable[int]) -> Fraction:
    """Return what all subtasks at some points demand of a resource."""
    among = set(points)
    taken = (
        demand(device, k, n, resource)
        for device, places, _ in case.served
        for k, n in enumerate(places)
        if n in among
    )
    return sum(taken, ZERO)


def rule_capacity(case: Case) -> None:
    """No offload point has more subtasks than its capacity, nor demands above what it has."""
    for n, point in enumerate(case.instance.points):
        rooms = {SUBTASKS: point.capacity, **point.room}
        for resource, room in rooms.items():
            fits = room is None or demanded(case, resource, [n]) <= Fraction(room)
            insist(fits, point.id, f"has too little {resource}")


def rule_channels(case: Case) -> None:
    """No offload point serves more offloading devices than its channels."""
    away = (device for device, places, _ in case.served if any(n != LOCAL for n in places))
    used = Counter(device.connected_to for device in away)
    for n, point in enumerate(case.instance.points):
        insist(point.channels is None or used[n] <= point.channels, point.id, "has too few channels")


def rule_limits(case: Case) -> None:
    """At the points of a shared limit the demands are together at most its capacity."""
    for limit in case.instance.limits:
        used = demanded(case, limit.resource, limit.points)
        insist(used <= Fraction(limit.capacity), limit.id, "is exceeded")


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
