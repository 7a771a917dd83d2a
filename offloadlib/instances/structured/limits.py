r"""The limits that devices share: one vector, what decisions use of it, and what is left.

======  ==========================  =================================================  ========
symbol  name in the code            meaning                                            unit
======  ==========================  =================================================  ========
q1_n    entry n < N of ``right``    capacity of offload point n                        subtasks
q2_n    the entries after them      channels of the points whose radio has a limit     devices
\       the entries after them      room of each resource at the points that limit it  (its own)
\       the entries after them      limits that points share                           (its own)
\       the last entries            caps on the total delay, on the total energy       s, mJ
u(d)    ``used``, ``uses``          what decisions use of each limit
\       ``Room.left, Room.air``     what is still free of both, by point
======  ==========================  =================================================  ========

Decisions are a *table* here, a row a device, which is as wide as the largest task; what a smaller task leaves
over is :data:`.model.LOCAL`, which uses nothing and costs nothing.

What a decision uses of everything but channels and totals is a sum over its subtasks, each of which takes so
much of subtasks (1) and resources at its place. So prices on all limits come down to a price of each resource
at each point, one for going on air, and one for a second and a mJ: :class:`Rates`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from .instance import Instance
from .model import LOCAL, REFUSED, SUBTASKS, UNLIMITED, Group, Places
from .sides import side
from .solution import Solution

if TYPE_CHECKING:
    from scipy.sparse import csr_array

HAIR = 1e-12
"""Relative: sums of binary64 numbers are off by less. Limits are loosened by so much where fractions have the
last word."""


def placed(places: Places, points: int) -> Ints:
    """(N,) subtasks that decisions have at each offload point."""
    return np.bincount(places.ravel() - REFUSED, minlength=points - REFUSED)[-REFUSED:]


def demands(group: Group, places: Places) -> Floats:
    """(1 + R, G, K) what a group's subtasks take, at (G, K) places, of subtasks and of each resource."""
    away, met = side(places), group.exceptions
    found = np.concatenate([away[None].astype(np.float64), np.where(away, group.demand, 0.0)])
    for r, demand in enumerate(met.demand, start=1):
        known = (places[met.row, met.subtask] == met.place) & ~np.isnan(demand)
        found[r, met.row[known], met.subtask[known]] = demand[known]
    return found


def taken_by_point(instance: Instance, solution: Solution) -> Floats:
    """(R, N) what decisions take of each resource at each offload point."""
    taken = np.zeros((len(instance.resources), instance.num_points))
    for group, places in zip(instance.groups, solution.places, strict=True):
        away = side(places)
        for r, demand in enumerate(demands(group, places)[1:]):
            taken[r] += np.bincount(places[away], demand[away], minlength=instance.num_points)
    return taken


class Rates(NamedTuple):
    """What prices on the limits of an instance make of a decision's parts.

    Attributes
    ----------
    places
        (1 + R, N) of one subtask, and of one unit of each resource, at each offload point.
    air
        (N,) of going on air by the radio of a point.
    delay, energy
        Of a second of G_m, of a mJ of E_m.
    """

    places: Floats
    air: Floats
    delay: float
    energy: float


class Demanded(NamedTuple):
    """A limit on what subtasks demand together at some points.

    Attributes
    ----------
    entry
        Of the vector of limits.
    resource
        0: subtasks, each of which counts 1; else the number of a resource, from 1 on.
    points, capacity
        Where, and how much there is.
    """

    entry: int
    resource: int
    points: Ints
    capacity: float


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of an instance, in the order of the table above.

    Methods that know format 1 alone have only capacities and channels to deal with.
    """

    instance: Instance

    def __len__(self) -> int:
        return len(self.right)

    @cached_property
    def limited(self) -> Ints:
        """The points whose radio has a limit, by ascending number."""
        return np.flatnonzero(self.instance.points.channels != UNLIMITED)

    @cached_property
    def right(self) -> NDArray[Any]:
        """(L,) how much there is, whole numbers where the instance is of format 1; infinite where a point
        takes any number of subtasks."""
        points = self.instance.points
        right: Ints = self.vector(points.capacity, points.channels)
        if self.instance.version == 1:
            return right
        counts = np.where(right == UNLIMITED, np.inf, right)
        shared = [limit.capacity for limit in self.instance.shared]
        return np.concatenate([counts, points.room[self.roomy], shared, self._caps[self.capped]])

    @cached_property
    def roomy(self) -> tuple[Ints, Ints]:
        """Resource and point of each limit on a resource at a point."""
        resource, point = np.nonzero(np.isfinite(self.instance.points.room))
        return resource, point

    @cached_property
    def demanded(self) -> list[Demanded]:
        """Everything that is limited and that subtasks demand: capacities, resources of points, and what
        points share."""
        capacity = self.instance.points.capacity
        finite = np.flatnonzero(capacity != UNLIMITED).tolist()
        own = [Demanded(n, 0, np.array([n]), float(capacity[n])) for n in finite]
        return [*own, *self.beyond_capacity]

    @cached_property
    def beyond_capacity(self) -> list[Demanded]:
        """The same without the capacities."""
        resource, point = self.roomy
        room = self.instance.points.room[self.roomy].tolist()
        entries = range(self.parts[2].start, self.parts[2].stop)
        own = zip(entries, (resource + 1).tolist(), point[:, None], room, strict=True)
        return [*itertools.starmap(Demanded, own), *self.of_several]

    @property
    def of_several(self) -> list[Demanded]:
        """Those of more than one point."""
        limits = enumerate(self.instance.shared, start=self.parts[3].start)
        return [Demanded(i, limit.resource + 1, limit.points, limit.capacity) for i, limit in limits]

    @cached_property
    def capped(self) -> Ints:
        """Which totals have a cap: 0, that of delay; 1, that of energy."""
        return np.flatnonzero(np.isfinite(self._caps))

    @property
    def _caps(self) -> Floats:
        return np.array([self.instance.totals.delay, self.instance.totals.energy])

    @cached_property
    def parts(self) -> tuple[slice, slice, slice, slice, slice]:
        """Where capacities, channels, rooms, shared limits and totals are."""
        sizes = (
            *(self.instance.num_points, len(self.limited), len(self.roomy[0])),
            *(len(self.instance.shared), len(self.capped)),
        )
        ends = np.cumsum(sizes).tolist()
        first, *others = (slice(end - size, end) for end, size in zip(ends, sizes, strict=True))
        return first, others[0], others[1], others[2], others[3]

    @cached_property
    def names(self) -> list[tuple[str, ...]]:
        """What each limit is: its part and the names that tell it from the others there."""
        instance, points = self.instance, self.instance.points.ids
        return [
            *(("capacity", name) for name in points),
            *(("channels", points[n]) for n in self.limited.tolist()),
            *(("resource", points[n], instance.resources[r]) for r, n in zip(*self.roomy, strict=True)),
            *(("limits", limit.id) for limit in instance.shared),
            *(("totals", ("delay", "energy")[i]) for i in self.capped.tolist()),
        ]

    def rates(self, prices: Floats) -> Rates:
        """What (L,) prices on all limits make of a decision's parts."""
        instance = self.instance
        capacity, channels, rooms, shared, totals = (prices[part] for part in self.parts)
        places = np.zeros((1 + len(instance.resources), instance.num_points))
        places[0] = capacity
        places[self.roomy[0] + 1, self.roomy[1]] = rooms
        for limit, price in zip(instance.shared, shared.tolist(), strict=True):
            places[limit.resource + 1, limit.points] += price
        air = np.zeros(instance.num_points)
        air[self.limited] = channels
        spent = np.zeros(2)
        spent[self.capped] = totals
        return Rates(places, air, float(spent[0]), float(spent[1]))

    @cached_property
    def radio(self) -> Ints:
        """(M,) the entry of the channels of each device's radio; -1: none that has a limit."""
        # The last entry serves devices without a connection.
        entry = np.full(self.instance.num_points + 1, -1, dtype=np.int64)
        entry[self.limited] = self.instance.num_points + np.arange(len(self.limited))
        found: Ints = entry[self.instance.devices.connected_to]
        return found

    def vector(self, capacity: Any, channels: Any) -> Any:
        """(R,) of what belongs to the capacity and to the channels of each point (N,)."""
        return np.concatenate([capacity, channels[self.limited]])

    def by_point(self, vector: Floats) -> tuple[Floats, Floats]:
        """(N,), (N,) of what belongs to each point's capacity and channels, 0 where there is no limit."""
        channels = np.zeros(self.instance.num_points)
        channels[self.limited] = vector[self.instance.num_points :]
        return vector[: self.instance.num_points].copy(), channels

    def table(self, solution: Solution) -> Places:
        """(M, largest K) decisions."""
        instance = self.instance
        if len(instance.groups) == 1:
            return solution.places[0].copy()
        width = max(group.work.shape[1] for group in instance.groups)
        table = np.full((instance.num_devices, width), LOCAL, dtype=np.int32)
        for group, places in zip(instance.groups, solution.places, strict=True):
            table[group.members, : places.shape[1]] = places
        return table

    def solution(self, table: Places) -> Solution:
        """The decisions of a table."""
        groups = self.instance.groups
        return Solution(tuple(table[group.members, : group.work.shape[1]] for group in groups))

    def on_air(self, table: Places, devices: Ints | None = None) -> tuple[Ints, Ints]:
        """The rows that use a channel of a limited radio, and the entries of these.

        Parameters
        ----------
        table, devices
            A row for each of some devices, all by default.
        """
        if not len(self.limited):
            return self.limited, self.limited
        radio = self.radio if devices is None else self.radio[devices]
        rows = np.flatnonzero((radio >= 0) & side(table).any(axis=1))
        return rows, radio[rows]

    def used(self, table: Places, devices: Ints | None = None) -> Ints:
        """(R,) what some devices (all by default) use of capacities and channels."""
        points = self.instance.num_points
        used = placed(table, points)
        _, radio = self.on_air(table, devices)
        return np.concatenate([used, np.bincount(radio - points, minlength=len(self.limited))])

    @cached_property
    def titles(self) -> list[tuple[str, str]]:
        """What each limit is called, and the unit of it."""
        what = (SUBTASKS, *self.instance.resources)
        shared = {limit.id: what[limit.resource + 1] for limit in self.instance.shared}
        units = {"capacity": SUBTASKS, "channels": "devices", "delay": "s", "energy": "mJ"}
        found = []
        for part, *names in self.names:
            if part == "resource":
                found.append((names[0], names[1]))
            elif part == "limits":
                found.append((names[0], shared[names[0]]))
            elif part == "totals":
                found.append((f"total {names[0]}", units[names[0]]))
            else:
                found.append((names[0], units[part]))
        return found

    def use(self, used: Ints, channels: Ints, taken: Floats, totals: tuple[float, float]) -> Floats:
        """(L,) what is used of each limit.

        Parameters
        ----------
        used, channels
            (N,) subtasks at each point, devices on its radio.
        taken
            (R, N) of each resource.
        totals
            The delay and the energy of all devices.
        """
        counts: Floats = self.vector(used, channels).astype(np.float64)
        if self.instance.version == 1:
            return counts
        entries = np.vstack([used[None], taken])
        shared = [entries[limit.resource + 1, limit.points].sum() for limit in self.instance.shared]
        return np.concatenate([counts, taken[self.roomy], shared, np.array(totals)[self.capped]])

    def uses(self, table: Places, devices: Ints) -> csr_array:
        """(rows of the table, R) what each row uses of capacities and channels."""
        from scipy.sparse import csr_array  # few need it, and it takes long to import

        at, k = np.nonzero(side(table))
        on_air, radio = self.on_air(table, devices)
        rows, columns = np.concatenate([at, on_air]), np.concatenate([table[at, k], radio])
        found = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(table), len(self)))
        found.sum_duplicates()
        return found

    def weighed(self, table: Places, devices: Ints | None, weights: Any) -> Any:
        """What each row uses of capacities and channels, times weights (R,): what it pays, or a hash."""
        points = self.instance.num_points
        # The last two are refusal and local, places -2 and -1.
        sums = np.append(weights[:points], np.zeros(-REFUSED, weights.dtype))[table].sum(axis=1)
        on_air, radio = self.on_air(table, devices)
        sums[on_air] += weights[radio]
        return sums


class Room(NamedTuple):
    """What is free of the limits.

    Attributes
    ----------
    left
        (N,) subtasks that each point can still take.
    air
        (N,) devices that each point's radio can still serve.
    """

    left: Ints
    air: Ints


def everything(instance: Instance) -> Room:
    """All that there is, to be taken."""
    return Room(instance.points.capacity.copy(), instance.points.channels.copy())


def may_offload(radio: int, free: int, on_air: bool) -> bool:
    """Whether a device may, with a radio (-1: none) that has so many channels free, of which it uses one
    already where it is ``on_air``."""
    return radio >= 0 and (on_air or free > 0)
