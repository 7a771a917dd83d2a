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

from offloadlib.instances import LOCAL, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import REFUSED, SUBTASKS
from offloadlib.instances.structured.options import options

Place = tuple[int, int, int]
"""(device, subtask, place)."""


@dataclass(frozen=True)
class Cover:
    """At most so many of some places are taken."""

    places: tuple[Place, ...]
    most: int


def cuts(instance: Instance, solution: Solution) -> list[Cover]:
    """Rows that a solution breaks, one for each limit that it breaks exactly; none where it keeps all."""
    broken = evaluate(instance, solution).violations
    rows = solution.rows(instance)
    number = {name: m for m, name in enumerate(instance.devices.ids)}
    names = (SUBTASKS, *instance.resources)
    exceeded = [r for r, name in enumerate(names) if any(v.limit == name for v in broken)]
    found = [] if not exceeded else list(_covers(instance, rows, exceeded))
    for device in dict.fromkeys(v.name for v in broken if v.limit in ("deadline", "energy budget")):
        found.append(_all_of(rows, [number[device]]))
    if any(v.limit == "total" for v in broken):
        found.append(_all_of(rows, range(len(rows))))
    return found


def _all_of(rows: list[list[int]], devices: list[int] | range) -> Cover:
    """Not all places of the served ones of some devices at once."""
    places = tuple((m, k, n) for m in devices for k, n in enumerate(rows[m]) if n != REFUSED)
    return Cover(places, len(places) - 1)


def _covers(instance: Instance, rows: list[list[int]], resources: list[int]) -> Iterator[Cover]:
    """Of limits on some resources that are exceeded."""
    places = _Places.of(instance)
    chosen = zip(places.device.tolist(), places.subtask.tolist(), places.point.tolist(), strict=True)
    taken = np.array([rows[m][k] == n for m, k, n in chosen], dtype=np.bool_)
    for _, resource, at, capacity in Limits(instance).beyond_capacity:
        if resource not in resources:
            continue
        here, demand = np.isin(places.point, at), places.demand[resource]
        cover = np.flatnonzero(here & taken & (demand > 0))
        if not _exceeds(demand[cover], capacity):
            continue
        for item in cover[np.argsort(demand[cover], kind="stable")].tolist():
            without = cover[cover != item]
            cover = without if _exceeds(demand[without], capacity) else cover
        wider = np.union1d(cover, np.flatnonzero(here & (demand >= demand[cover].max())))
        yield Cover(places.numbers(wider), len(cover) - 1)


def _exceeds(demand: Floats, capacity: float) -> bool:
    return math.fsum([*demand.tolist(), -capacity]) > 0


@dataclass(frozen=True, eq=False)
class _Places:
    """Every point where a subtask may run: (P,) device, subtask and point, and (1 + R, P) demands."""

    device: Ints
    subtask: Ints
    point: Ints
    demand: Floats

    @classmethod
    def of(cls, instance: Instance) -> _Places:
        """Those of an instance."""
        parts: list[tuple[Ints, Ints, Ints, Floats]] = []
        for number, group in enumerate(instance.groups):
            places = options(instance, number)
            row, subtask, point = np.nonzero(places.allowed[..., :LOCAL])
            parts.append((group.members[row], subtask, point, places.demand[:, row, subtask, point]))
        return cls(*(np.concatenate(each, axis=-1) for each in zip(*parts, strict=True)))

    def numbers(self, some: Ints) -> tuple[Place, ...]:
        """Some of them as devices, subtasks and points."""
        columns = (values[some].tolist() for values in (self.device, self.subtask, self.point))
        return tuple(zip(*columns, strict=True))
