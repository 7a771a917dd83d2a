"""Limits as one vector: what decisions use of the capacities and of the radios that have channels.

Entry n < N is the capacity of offload point n; then follow the channels of the points whose radio is
limited. Decisions are one table here, a row a device, which is as wide as the largest task; what a
smaller task leaves over is :data:`~.instances.LOCAL`, which uses nothing and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offloadlib.instances import LOCAL, UNLIMITED, Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.subset import subset

from ..certificate import rounded
from .chunks import never
from .pricing import NEVER, Prices, difference, local_cost, price


class Limits:
    """The limits of an instance, and evaluations of its Lagrangian.

    Attributes
    ----------
    right
        (R,) right-hand sides; those of a sample of the devices may be fractions.
    largest_search
        Effort for one device's decision, as for :func:`~.pricing.price`.
    late
        Asked on the way through many devices, which is given up by
        :class:`~.instances.run.OutOfTime`.
    stopped
        From :func:`~.pricing.alarm`: as soon as it is true, searches end with the bounds that they have.
    """

    def __init__(
        self,
        instance: Instance,
        right: Floats | None = None,
        largest_search: int | None = None,
        late: Callable[[], bool] = never,
        stopped: NDArray[np.bool_] = NEVER,
    ) -> None:
        points = instance.points
        self.stopped = stopped
        self.instance, self.largest_search, self.late = instance, largest_search, late
        self._limited = np.flatnonzero(points.channels != UNLIMITED)
        exact = np.concatenate([points.capacity, points.channels[self._limited]]).astype(np.float64)
        self.right: Floats = exact if right is None else right
        # Row of each point's channels; the last entry serves devices without a connection.
        radio = np.full(instance.num_points + 1, -1, dtype=np.int64)
        radio[self._limited] = instance.num_points + np.arange(len(self._limited))
        self.radio: Ints = radio[instance.devices.connected_to]

    def __len__(self) -> int:
        return len(self.right)

    @property
    def local_cost(self) -> Floats:
        """(M,) cost of each device's all-local decision."""
        return local_cost(self.instance)

    def sample(self, size: int, seed: int) -> Limits:
        """Some of the devices, with their share of the limits."""
        devices = self.instance.num_devices
        members = np.sort(np.random.default_rng(seed).permutation(devices)[:size])
        part = subset(self.instance, members)
        return Limits(part, size / devices * self.right, self.largest_search, self.late, self.stopped)

    def prices(self, vector: Floats) -> Prices:
        """The prices of a vector."""
        channels = np.zeros(self.instance.num_points)
        channels[self._limited] = vector[self.instance.num_points :]
        return Prices(vector[: self.instance.num_points].copy(), channels)

    def vector(self, prices: Prices) -> Floats:
        """(R,) prices as a vector."""
        return np.concatenate([prices.capacity, prices.channels[self._limited]])

    def rounded(self, vector: Floats) -> Floats:
        """Prices that a certificate can state."""
        return self.vector(rounded(self.prices(vector)))

    def table(self, solution: Solution) -> Places:
        """(M, largest K) decisions."""
        instance = self.instance
        width = max(group.work.shape[1] for group in instance.groups)
        if len(instance.groups) == 1:
            return solution.places[0].copy()
        table = np.full((instance.num_devices, width), LOCAL, dtype=np.int32)
        for group, places in zip(instance.groups, solution.places, strict=True):
            table[group.members, : places.shape[1]] = places
        return table

    def solution(self, table: Places) -> Solution:
        """The decisions of a table."""
        groups = self.instance.groups
        return Solution(tuple(table[group.members, : group.work.shape[1]] for group in groups))

    def used(self, table: Places, devices: Ints | None = None) -> Ints:
        """(R,) what some devices (all by default) use of each limit."""
        points = self.instance.num_points
        radio = self.radio if devices is None else self.radio[devices]
        used = np.bincount(table.ravel() + 1, minlength=points + 1)[1:]
        on_air = radio[(radio >= 0) & (table != LOCAL).any(axis=1)]
        return np.concatenate([used, np.bincount(on_air - points, minlength=len(self._limited))])

    def uses(self, table: Places, devices: Ints) -> csr_array:
        """(rows of the table, R) what each row uses of each limit."""
        at, k = np.nonzero(table != LOCAL)
        radio = self.radio[devices]
        on_air = np.flatnonzero((radio >= 0) & (table != LOCAL).any(axis=1))
        rows, columns = np.concatenate([at, on_air]), np.concatenate([table[at, k], radio[on_air]])
        found = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(table), len(self)))
        found.sum_duplicates()
        return found

    def hashed_use(self, table: Places, devices: Ints) -> Ints:
        """A number for what each row uses, the same for equal uses and hardly ever for others."""
        points = self.instance.num_points
        factors = np.random.default_rng(0).integers(1, 2**62, size=len(self))
        by_place = np.append(factors[:points], 0)
        number: Ints = by_place[table].sum(axis=1)
        radio = self.radio[devices]
        on_air = np.flatnonzero((radio >= 0) & (table != LOCAL).any(axis=1))
        number[on_air] += factors[radio[on_air]]
        return number

    def paid(self, table: Places, devices: Ints | None, vector: Floats) -> Floats:
        """What decisions pay at some prices."""
        points = self.instance.num_points
        radio = self.radio if devices is None else self.radio[devices]
        by_place = np.append(vector[:points], 0.0)
        paid: Floats = by_place[table].sum(axis=1)
        if len(vector) > points:
            on_air = np.flatnonzero((radio >= 0) & (table != LOCAL).any(axis=1))
            paid[on_air] += vector[radio[on_air]]
        return paid

    def lagrangian(self, vector: Floats) -> tuple[float, Floats, Places]:
        """The bound at some prices, each device's least cost + prices, and the decisions that attain it."""
        found = price(
            self.instance,
            self.prices(vector),
            largest_search=self.largest_search,
            late=self.late,
            stopped=self.stopped,
        )
        bound = difference(float(np.sum(found.value)), float(vector @ self.right))
        return bound, found.value, self.table(found.solution)
