"""Columns: decisions of devices, what they cost, and what they use of every limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offloadlib.instances import Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.cost import spent
from offloadlib.instances.structured.limits import Limits, demands
from offloadlib.instances.structured.model import LOCAL, Places
from offloadlib.instances.structured.sides import side


class Valued(NamedTuple):
    """What one decision of each device comes to.

    Attributes
    ----------
    table
        (M, width) the decisions.
    cost
        (M,) w_m C_m.
    use
        (M, L) of each limit.
    """

    table: Places
    cost: Floats
    use: csr_array


def valued(limits: Limits, solution: Solution) -> Valued:
    """What decisions come to, device by device; they need not keep any limit."""
    instance, table = limits.instance, limits.table(solution)
    delay, energy, cost, _ = spent(instance, solution)
    everyone = np.arange(len(table))
    counted = limits.uses(table, everyone).tocoo()
    parts = [(*counted.coords, counted.data), *_taken(limits, solution)]
    for entry, total in zip(range(limits.parts[4].start, len(limits)), limits.capped.tolist(), strict=True):
        parts.append((everyone, np.full(len(table), entry), (delay, energy)[total]))
    rows, entries, amounts = (np.concatenate(part) for part in zip(*parts, strict=True))
    use = csr_array((amounts, (rows, entries)), shape=(len(table), len(limits)))
    use.sum_duplicates()
    use.eliminate_zeros()
    return Valued(table, cost * instance.devices.weight, use)


def _taken(limits: Limits, solution: Solution) -> Iterator[tuple[Ints, Ints, Floats]]:
    """Device, limit and amount of what subtasks take of resources and of shared limits."""
    instance = limits.instance
    entry = np.full((len(instance.resources), instance.num_points), -1)
    entry[limits.roomy] = np.arange(limits.parts[2].start, limits.parts[2].stop)
    for group, places in zip(instance.groups, solution.places, strict=True):
        away, taken = side(places), demands(group, places)
        for at, amount in zip(entry, taken[1:], strict=True):
            row, k = np.nonzero(away & (at[np.where(away, places, 0)] >= 0))
            yield group.members[row], at[places[row, k]], amount[row, k]
        for limit in limits.of_several:
            row, k = np.nonzero(np.isin(places, limit.points))
            yield group.members[row], np.full(len(row), limit.entry), taken[limit.resource][row, k]


class Columns:
    """The decisions that are known, in the order in which they came.

    Attributes
    ----------
    limits
        What they use.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._known: dict[tuple[int, bytes], int] = {}
        self._width = width = max(group.work.shape[1] for group in limits.instance.groups)
        self._device: list[Ints] = [np.empty(0, np.int64)]
        self._table: list[Places] = [np.empty((0, width), np.int32)]
        self._cost: list[Floats] = [np.empty(0)]
        self._use: list[csr_array] = [csr_array((0, len(limits)))]

    def __len__(self) -> int:
        return len(self._known)

    def add(
        self, found: Valued, wanted: NDArray[np.bool_] | None = None, devices: Ints | None = None
    ) -> slice:
        """Add the decisions of some devices, all by default, that are new; returns where they are.

        Parameters
        ----------
        found, wanted
            Decisions, and the rows of them that are to be added.
        devices
            Whose decisions they are; those of all devices by default.
        """
        first = len(self)
        some = range(len(found.table)) if wanted is None else np.flatnonzero(wanted).tolist()
        names = range(len(found.table)) if devices is None else devices.tolist()
        new = []
        for row in some:
            key = names[row], self._padded(found.table[row]).tobytes()
            if key not in self._known:
                self._known[key] = len(self._known)
                new.append(row)
        if new:
            at = np.array(new)
            self._device.append(at if devices is None else devices[at])
            self._table.append(np.array([self._padded(row) for row in found.table[at]]))
            self._cost.append(found.cost[at])
            self._use.append(found.use[at])
        return slice(first, len(self))

    def copy(self) -> Columns:
        """The same columns, to which others may be added."""
        other = Columns(self.limits)
        other._known = dict(self._known)
        other._device, other._table = [self.device], [self.table]
        other._cost, other._use = [self.cost], [self.use]
        return other

    def of(self, table: Places, devices: Ints | None = None) -> Ints:
        """The columns of a table of decisions of some devices, all by default, which must be known."""
        names = range(len(table)) if devices is None else devices.tolist()
        rows = zip(names, table, strict=True)
        return np.array([self._known[m, self._padded(row).tobytes()] for m, row in rows])

    def _padded(self, row: Places) -> Places:
        """A decision in a table of the widest tasks."""
        if len(row) == self._width:
            return row
        return np.append(row, np.full(self._width - len(row), LOCAL, np.int32))

    @property
    def device(self) -> Ints:
        """(P,) whose they are."""
        return _joined(self._device)

    @property
    def table(self) -> Places:
        """(P, width) the decisions."""
        return _joined(self._table)

    @property
    def cost(self) -> Floats:
        """(P,) w_m C_m."""
        return _joined(self._cost)

    @property
    def use(self) -> csr_array:
        """(P, L) of each limit."""
        if len(self._use) > 1:
            self._use[:] = [csr_array(vstack(self._use))]
        return self._use[0]


def _joined(parts: list[NDArray]) -> NDArray:  # type: ignore[type-arg]
    if len(parts) > 1:
        parts[:] = [np.concatenate(parts)]
    return parts[0]
