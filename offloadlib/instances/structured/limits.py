r"""The limits that devices share: one vector, what decisions use of it, and what is left.

======  ==========================  =================================================  ========
symbol  name in the code            meaning                                            unit
======  ==========================  =================================================  ========
q1_n    entry n < N of ``right``    capacity of offload point n                        subtasks
q2_n    the entries after them      channels of the points whose radio has a limit     devices
u(d)    ``used``, ``uses``          what decisions use of each limit
\       ``Room.left, Room.air``     what is still free of both, by point
======  ==========================  =================================================  ========

Decisions are a *table* here, a row a device, which is as wide as the largest task; what a smaller task leaves
over is :data:`.model.LOCAL`, which uses nothing and costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints
from .instance import Instance
from .model import LOCAL, UNLIMITED, Places
from .solution import Solution

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def placed(places: Places, points: int) -> Ints:
    """(N,) subtasks that decisions have at each offload point."""
    return np.bincount(places.ravel() + 1, minlength=points + 1)[1:]


@dataclass(frozen=True, eq=False)
class Limits:
    """The R limits of an instance."""

    instance: Instance

    def __len__(self) -> int:
        return self.instance.num_points + len(self.limited)

    @cached_property
    def limited(self) -> Ints:
        """The points whose radio has a limit, by ascending number."""
        return np.flatnonzero(self.instance.points.channels != UNLIMITED)

    @cached_property
    def right(self) -> NDArray[Any]:
        """(R,) how much there is."""
        right: Ints = self.vector(self.instance.points.capacity, self.instance.points.channels)
        return right

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
        rows = np.flatnonzero((radio >= 0) & (table != LOCAL).any(axis=1))
        return rows, radio[rows]

    def used(self, table: Places, devices: Ints | None = None) -> Ints:
        """(R,) what some devices (all by default) use of each limit."""
        points = self.instance.num_points
        used = placed(table, points)
        _, radio = self.on_air(table, devices)
        return np.concatenate([used, np.bincount(radio - points, minlength=len(self.limited))])

    def uses(self, table: Places, devices: Ints) -> csr_array:
        """(rows of the table, R) what each row uses of each limit."""
        from scipy.sparse import csr_array  # few need it, and it takes long to import

        at, k = np.nonzero(table != LOCAL)
        on_air, radio = self.on_air(table, devices)
        rows, columns = np.concatenate([at, on_air]), np.concatenate([table[at, k], radio])
        found = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(table), len(self)))
        found.sum_duplicates()
        return found

    def weighed(self, table: Places, devices: Ints | None, weights: Any) -> Any:
        """What each row uses, times weights (R,): what it pays at prices, or a hash of its use."""
        points = self.instance.num_points
        sums = np.append(weights[:points], weights.dtype.type(0))[table].sum(axis=1)
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
