r"""What a front is: a family of instances that differ in one limit, and what is read off their solutions.

By epsilon constraints: with a limit :math:`x \le \varepsilon` on one quantity, the least of another one,
:math:`y(\varepsilon)`, is an optimisation problem of this package, whose lower bound can be certified. A
solution of it is a point (x, y); its bound says that nobody gets below that y with so little x.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from offloadlib.instances import Evaluation, InputError, Instance
from offloadlib.instances.arrays import frozen
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import UNLIMITED, Totals


@dataclass(frozen=True)
class Front(ABC):
    """A front of an instance.

    Attributes
    ----------
    instance
        The instance.
    name
        Of the front, in tables and names of files.
    x, y
        What is limited, and what is made as small as possible, each with its unit.
    whole
        Whether sizes of the limit are whole numbers.
    """

    instance: Instance
    name: str
    x: str
    y: str
    whole: bool = False

    @property
    def least(self) -> Front | None:
        """What tells where the front begins: the least of what is limited; None: at a limit of 0."""
        return None

    @property
    def size(self) -> float:
        """How large the limit is in the instance."""
        return math.inf

    @abstractmethod
    def at(self, size: float) -> Instance:
        """The instance in which the limit is so large; infinite: there is none."""

    def largest(self, size: float) -> float:
        """The most that each device may cost, its weight included; infinite: there is no such limit."""
        return math.inf

    def stem(self, size: float) -> str:
        """What the names of a point's files begin with, besides the instance's fingerprint."""
        return self.name

    @abstractmethod
    def used(self, evaluation: Evaluation) -> float:
        """How much of the limit decisions use."""

    def sizes(self, low: float, high: float, points: int) -> list[float]:
        """So many sizes from low to high, evenly spaced, ascending, each once."""
        found = np.linspace(low, high, points)
        return sorted({float(size) for size in (np.round(found) if self.whole else found)})


class DelayEnergy(Front):
    """Total delay against total energy: what counts is the delay alone, of all devices alike, and the limit
    is a cap on the energy. Fees and weights do not count, and no device may be refused, as refusing all would
    take no time."""

    @property
    def left_out(self) -> str:
        """What of the instance does not count on this front, in words; empty where that is nothing."""
        devices, points = self.instance.devices, self.instance.points
        fees = bool((points.fee_subtask != 0).any() or (points.fee_work != 0).any())
        fees |= any((~np.isnan(group.exceptions.fee)).any() for group in self.instance.groups)
        said = {
            "no device may be refused": bool((~np.isnan(devices.rejection)).any()),
            "fees do not count": fees,
            "weights do not count": bool((devices.weight != 1).any()),
        }
        return ", ".join(text for text, holds in said.items() if holds)

    @classmethod
    def of_instance(cls, instance: Instance) -> DelayEnergy:
        """The front of an instance."""
        return cls(instance, "delay-energy", "total energy in mJ", "total delay in s")

    def at(self, size: float) -> Instance:
        totals = replace(self.instance.totals, energy=min(size, self.instance.totals.energy))
        return self._counting(alpha=1.0, totals=totals)

    @property
    def least(self) -> Front:
        return LeastEnergy(self.instance, "least-energy", self.x, self.x)

    def used(self, evaluation: Evaluation) -> float:
        return math.fsum(evaluation.energy.tolist())

    def _counting(self, alpha: float, totals: Totals) -> Instance:
        instance = self.instance
        every = np.ones(instance.num_devices)
        devices = replace(
            instance.devices,
            alpha=frozen(alpha * every, np.float64),
            weight=frozen(every, np.float64),
            rejection=frozen(np.nan * every, np.float64),
        )
        none = frozen(np.zeros(instance.num_points), np.float64)
        groups = []
        for group in instance.groups:
            free = frozen(np.full(len(group.exceptions), np.nan), np.float64)
            changes = ~np.isnan(group.exceptions.execution) | ~np.isnan(group.exceptions.demand).all(axis=0)
            exceptions = replace(group.exceptions, fee=free)
            kept = np.flatnonzero(changes)
            groups.append(replace(group, exceptions=exceptions.chosen(kept, exceptions.row[kept])))
        return replace(
            instance,
            devices=devices,
            points=replace(instance.points, fee_subtask=none, fee_work=none),
            groups=tuple(groups),
            normalise="none",
            objective="sum",
            totals=totals,
        )


class LeastEnergy(DelayEnergy):
    """The energy alone: where the front of delay against energy begins."""

    def at(self, size: float) -> Instance:
        return self._counting(alpha=0.0, totals=self.instance.totals)


class SumLargest(Front):
    """The sum of the devices' costs, their weights included, against the largest of them: how much it costs
    all together that nobody pays too much. The limit is no part of the instance: it is the certificates that
    say that they are about solutions in which no device costs more."""

    @classmethod
    def of_instance(cls, instance: Instance) -> SumLargest:
        """The front of an instance."""
        return cls(instance, "sum-largest", "largest cost of a device", "sum of all costs")

    def at(self, size: float) -> Instance:
        return replace(self.instance, objective="sum")

    def largest(self, size: float) -> float:
        return size

    def stem(self, size: float) -> str:
        return f"{self.name}-{size!r}" if math.isfinite(size) else self.name

    @property
    def least(self) -> Front:
        return LeastLargest(self.instance, "least-largest", self.x, self.x)

    def used(self, evaluation: Evaluation) -> float:
        return evaluation.largest


class LeastLargest(Front):
    """The largest cost alone: where the front of the sum against it begins."""

    def at(self, size: float) -> Instance:
        return replace(self.instance, objective="max")

    def used(self, evaluation: Evaluation) -> float:
        return evaluation.largest


@dataclass(frozen=True)
class CostLimit(Front):
    """The objective against the size of one limit.

    Attributes
    ----------
    limit
        Its entry in :attr:`.limits.Limits.names`.
    """

    limit: tuple[str, ...] = ()

    @classmethod
    def of_instance(cls, instance: Instance, text: str) -> CostLimit:
        """The front for a limit by its name, as in ``capacity:op1``, ``resource:op1:memory``,
        ``limits:site``, ``channels:op1`` or ``totals:energy``.

        Raises
        ------
        InputError
            If the instance has no such limit.
        """
        names = {":".join(name): name for name in Limits(instance).names}
        if text not in names:
            known = ", ".join(list(names)[:8]) + (", ..." if len(names) > 8 else "")
            raise InputError("limit", [("", f"{text!r} is none of this instance's; there are {known}")])
        part = names[text][0]
        unit = {"capacity": "subtasks", "channels": "devices", "totals": "s" if "delay" in text else "mJ"}
        x = f"size of {text}" + (f" in {unit[part]}" if part in unit else "")
        name = f"cost-{text}".replace(":", "-").replace("/", "-")
        front = cls(instance, name, x, "cost", part in ("capacity", "channels"), names[text])
        if math.isinf(front.size):
            raise InputError("limit", [("", f"{text} has no size in this instance")])
        return front

    @property
    def size(self) -> float:
        limits = Limits(self.instance)
        return float(limits.right[limits.names.index(self.limit)])

    def at(self, size: float) -> Instance:
        return resized(self.instance, self.limit, size)

    def used(self, evaluation: Evaluation) -> float:
        names = Limits(evaluation.instance).names
        return float(evaluation.use[names.index(self.limit)])


def resized(instance: Instance, limit: tuple[str, ...], size: float) -> Instance:
    """The instance with another size of one limit, which is named as in :attr:`.limits.Limits.names`."""
    part, name = limit[0], limit[1]
    points = instance.points
    if part in ("capacity", "channels"):
        values = getattr(points, part).copy()
        values[points.ids.index(name)] = UNLIMITED if math.isinf(size) else int(size)
        changed: dict[str, Any] = {part: frozen(values, np.int64)}
        return replace(instance, points=replace(points, **changed))
    if part == "resource":
        room = points.room.copy()
        room[instance.resources.index(limit[2]), points.ids.index(name)] = size
        return replace(instance, points=replace(points, room=frozen(room, np.float64)))
    if part == "limits":
        shared = tuple(replace(item, capacity=size) if item.id == name else item for item in instance.shared)
        return replace(instance, shared=shared)
    return replace(instance, totals=replace(instance.totals, **{name: size}))
