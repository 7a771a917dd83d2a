r"""Rows that cut off what a solver takes for feasible and what breaks a limit exactly.

A solver's solution may break a limit by less than its tolerance, or by what its program is looser than the
instance (:mod:`.metered`). No feasible solution makes the same mistake, and none of the following rows cuts
one off; x are the places that are taken.

*Cover.* Let C be subtasks at places that together take more of a resource than there is, and E further
ones, each of which demands at least as much as each of C. Any abs(C) of both take as much as C, so

.. math:: \sum_{C \cup E} x \le |C| - 1 .

*Late, dear.* If device m with all its places breaks its deadline or budget, one of them is different:
:math:`\sum_k x_{mk} \le K - 1`.

*Totals.* If the served devices with all their places exceed a cap, one of these places is different, since
what other devices add is >= 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from offloadlib.instances import Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import REFUSED
from offloadlib.instances.structured.options import options

Place = tuple[int, int, int]
"""(device, subtask, place)."""


@dataclass(frozen=True)
class Cut:
    """At most so many of some places are taken."""

    places: tuple[Place, ...]
    most: int


def cuts(instance: Instance, solution: Solution) -> list[Cut]:
    """Rows that a solution breaks, one for each limit that it breaks exactly; none where it keeps all."""
    broken = evaluate(instance, solution).violations
    rows = solution.rows(instance)
    number = {name: m for m, name in enumerate(instance.devices.ids)}
    found = [] if not broken else list(_covers(instance, rows))
    for device in dict.fromkeys(v.name for v in broken if v.limit in ("deadline", "energy budget")):
        found.append(_all_of(rows, [number[device]]))
    if any(v.limit == "total" for v in broken):
        found.append(_all_of(rows, range(len(rows))))
    return found


def _all_of(rows: list[list[int]], devices: list[int] | range) -> Cut:
    """Not all places of the served ones of some devices at once."""
    places = tuple((m, k, n) for m in devices for k, n in enumerate(rows[m]) if n != REFUSED)
    return Cut(places, len(places) - 1)


def _covers(instance: Instance, rows: list[list[int]]) -> Iterator[Cut]:
    points = instance.points
    limits = [
        (r + 1, np.array([n]), float(points.room[r, n]))
        for r, n in zip(*np.nonzero(np.isfinite(points.room)), strict=True)
    ]
    limits += [(limit.resource + 1, limit.points, limit.capacity) for limit in instance.shared]
    for resource, at, capacity in limits:
        device, subtask, point, demand = _demands(instance, resource, at)
        taken = [rows[m][k] == n for m, k, n in zip(device, subtask, point, strict=True)]
        cover = np.flatnonzero(np.array(taken, dtype=np.bool_) & (demand > 0))
        if not _exceeds(demand[cover], capacity):
            continue
        for item in cover[np.argsort(demand[cover], kind="stable")].tolist():
            without = cover[cover != item]
            cover = without if _exceeds(demand[without], capacity) else cover
        wider = np.union1d(cover, np.flatnonzero(demand >= demand[cover].max()))
        places = zip(device[wider].tolist(), subtask[wider].tolist(), point[wider].tolist(), strict=True)
        yield Cut(tuple(places), len(cover) - 1)


def _exceeds(demand: Floats, capacity: float) -> bool:
    return math.fsum([*demand.tolist(), -capacity]) > 0


def _demands(instance: Instance, resource: int, at: Ints) -> tuple[Ints, Ints, Ints, Floats]:
    """Device, subtask, point and demand of everything that may run at some points."""
    parts: list[tuple[Ints, Ints, Ints, Floats]] = []
    for number, group in enumerate(instance.groups):
        places = options(instance, number)
        row, subtask, column = np.nonzero(places.allowed[:, :, at])
        point = at[column]
        demand = places.demand[resource, row, subtask, point]
        parts.append((group.members[row], subtask, point, demand))
    device, subtask, point, demand = (np.concatenate(each) for each in zip(*parts, strict=True))
    return device, subtask, point, demand
