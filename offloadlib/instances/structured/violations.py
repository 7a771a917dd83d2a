"""Which limits decisions break: a function per rule, without any tolerance.

Sums are held against their limits exactly (``math.fsum`` has the sign of the exact sum), delays and energies
by fractions wherever binary64 numbers leave a doubt.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from . import exact
from .instance import Instance
from .limits import demands
from .model import LOCAL, REFUSED, SUBTASKS, Places
from .sides import side
from .solution import Solution

DOUBT = 1e-9
"""Relative: delays and energies that come as near to a limit are worked out exactly."""


OWN = ("deadline", "energy budget")
"""Limits that a device has of its own."""


@dataclass(frozen=True)
class Violation:
    """A limit that a solution breaks."""

    limit: str
    name: str
    used: float
    allowed: float

    def __str__(self) -> str:
        return f"{self.limit} of {self.name!r}: {self.used} used, {self.allowed} allowed"


def counted(limit: str, names: Sequence[str], used: Ints, allowed: Ints) -> Iterator[Violation]:
    """Counts above what is allowed."""
    for i in np.flatnonzero(used > allowed).tolist():
        yield Violation(limit, names[i], int(used[i]), int(allowed[i]))


def refusals(places: Places) -> NDArray[np.bool_]:
    """(G,) the rows of a group's decisions that are refusals.

    Raises
    ------
    ValueError
        If a device is refused in part.
    """
    refused = places == REFUSED
    if (refused.any(axis=1) != refused.all(axis=1)).any():
        raise ValueError("a device is refused as a whole, or not at all")
    found: NDArray[np.bool_] = refused.all(axis=1)
    return found


def broken(instance: Instance, solution: Solution, delay: Floats, energy: Floats) -> Iterator[Violation]:
    """The limits of format 2 that decisions break.

    Parameters
    ----------
    instance, solution
        The decisions.
    delay, energy
        (M,) what they come to, as good as binary64 has it.
    """
    yield from unwanted(instance, solution)
    yield from forbidden(instance, solution)
    yield from overtaken(instance, solution)
    yield from late(instance, solution, delay, energy)
    yield from beyond_totals(instance, solution, delay, energy)


def unwanted(instance: Instance, solution: Solution) -> Iterator[Violation]:
    """Devices that are refused and must be served."""
    for group, places in zip(instance.groups, solution.places, strict=True):
        for m in group.members[refusals(places)].tolist():
            if np.isnan(instance.devices.rejection[m]):
                yield Violation("refusal", instance.devices.ids[m], 1, 0)


def forbidden(instance: Instance, solution: Solution) -> Iterator[Violation]:
    """Subtasks where they may not run."""
    for group, places in zip(instance.groups, solution.places, strict=True):
        listed = group.allowed
        chosen = places[listed.row, listed.subtask]
        wrong = (chosen != REFUSED) & ~listed.places[np.arange(len(listed)), np.maximum(chosen, LOCAL)]
        for m in np.unique(group.members[listed.row[wrong]]).tolist():
            number = int(wrong[group.members[listed.row] == m].sum())
            yield Violation("allowed places", instance.devices.ids[m], number, 0)


def overtaken(instance: Instance, solution: Solution) -> Iterator[Violation]:
    """Resources of points, and limits that points share, of which more is taken than there is."""
    needed = instance.resources or instance.shared
    table = demand_entries(instance, solution) if needed else []
    for r, (point, amount) in enumerate(table[1:]):
        for n in np.flatnonzero(np.isfinite(instance.points.room[r])).tolist():
            room = float(instance.points.room[r, n])
            used = _exceeds(amount[point == n], room)
            if used is not None:
                yield Violation(instance.resources[r], instance.points.ids[n], used, room)
    for limit in instance.shared:
        point, amount = table[limit.resource + 1]
        used = _exceeds(amount[np.isin(point, limit.points)], limit.capacity)
        if used is not None:
            what = SUBTASKS if limit.resource < 0 else instance.resources[limit.resource]
            yield Violation(what, limit.id, used, limit.capacity)


def _exceeds(amounts: Floats, allowed: float) -> float | None:
    """The sum of amounts, where it is above what is allowed."""
    values = amounts.tolist()
    return math.fsum(values) if math.fsum([*values, -allowed]) > 0 else None


def demand_entries(instance: Instance, solution: Solution) -> list[tuple[Ints, Floats]]:
    """For subtasks and each resource: the point and the demand of every offloaded subtask."""
    points: list[list[Any]] = [[] for _ in range(1 + len(instance.resources))]
    amounts: list[list[Any]] = [[] for _ in points]
    for group, places in zip(instance.groups, solution.places, strict=True):
        away = side(places)
        for r, demand in enumerate(demands(group, places)):
            points[r].append(places[away])
            amounts[r].append(demand[away])
    return [(np.concatenate(p), np.concatenate(a)) for p, a in zip(points, amounts, strict=True)]


def late(instance: Instance, solution: Solution, delay: Floats, energy: Floats) -> Iterator[Violation]:
    """Served devices beyond their deadline, or their energy budget."""
    devices, kept = instance.devices, served(instance, solution)
    parts = (
        ("deadline", delay, devices.deadline),
        ("energy budget", energy, devices.energy_budget),
    )
    near, beyond = (np.zeros(instance.num_devices, dtype=np.bool_) for _ in range(2))
    for _, value, most in parts:
        near |= kept & np.isfinite(most) & (abs(value - most) <= most * DOUBT)
        beyond |= kept & (value > most)
    spent = exact.spent(instance, solution, np.flatnonzero(near)) if near.any() else {}
    for m in np.flatnonzero(near | beyond).tolist():
        for number, (limit, value, most) in enumerate(parts):
            used = spent[m][number] if m in spent else float(value[m])
            if used > most[m]:
                yield Violation(limit, devices.ids[m], float(used), float(most[m]))


def served(instance: Instance, solution: Solution) -> NDArray[np.bool_]:
    """(M,) the devices that are not refused."""
    found = np.ones(instance.num_devices, dtype=np.bool_)
    for group, places in zip(instance.groups, solution.places, strict=True):
        found[group.members] = places[:, 0] != REFUSED
    return found


def beyond_totals(
    instance: Instance, solution: Solution, delay: Floats, energy: Floats
) -> Iterator[Violation]:
    """Totals of all served devices beyond their caps; what is given is 0 for refused ones."""
    for number, (name, value, most) in enumerate(
        (("delay", delay, instance.totals.delay), ("energy", energy, instance.totals.energy))
    ):
        if not math.isfinite(most) or (total := math.fsum(value.tolist())) < most * (1 - DOUBT):
            continue
        spent = exact.spent(instance, solution, np.flatnonzero(served(instance, solution))).values()
        if sum(pair[number] for pair in spent) > most:
            yield Violation("total", name, total, most)
