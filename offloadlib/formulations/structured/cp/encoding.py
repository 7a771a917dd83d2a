"""What the encodings have in common: choices with their slack, limits with their prices, and rounding."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from offloadlib.instances import Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import Limits

from ..decomposition.pricing import Prices
from .program import Program

BITS = 46
"""Bits of a good solution's cost in its unit, at the most: a gap of 1e-9 needs about 35."""

LARGEST = 60
"""Bits that a sum may have in the worst case, cost of the start included."""


def margin(instance: Instance) -> float:
    """gamma: at least twice the relative error of a device's computed cost, with prices.

    A sum of n numbers >= 0 adds up to n - 1 roundings to those of its parts. Delay and energy have up to
    3 K + 2 A parts (execution and both transfers of subtasks, transfers of arcs) of up to 4 steps each,
    their weights are quotients of such sums over the K subtasks, and prices are K + 1 more parts.
    """
    steps = max(8 * (app.size + len(app.edges) + 8) for app in instance.applications)
    return 2 * steps * 2.0**-53


def unit_of(bits: int, cost: float) -> float:
    """The power of two that makes a cost a number of so many bits (up to :data:`BITS`)."""
    return 2.0 ** (min(BITS, bits) - math.ceil(math.log2(cost)))


def whole(prices: Prices, unit: float) -> Prices:
    """Prices that are whole numbers in their unit, and not beyond what anybody would pay."""

    def to_whole(values: Floats) -> Floats:
        return np.rint(np.minimum(values * unit, 2.0**BITS)) / unit

    return Prices(to_whole(prices.capacity), to_whole(prices.channels))


class Encoding(ABC):
    """Choices that make up the decisions of devices, as programs.

    Parameters
    ----------
    instance
        The instance.
    cost
        What the best known solution costs, without the devices that have no radio link.
    unit
        u.
    prices
        Lambda / u.

    Attributes
    ----------
    limits, prices
        (L,) q and Lambda.
    slack
        (C,) s of every choice.
    base
        Of equation (*).
    settings, alone
        The strategy of CP-SAT (:meth:`.program.Program.minimise`).
    """

    name: str
    settings: Mapping[str, Any]
    alone: bool
    slack: Ints
    base: int

    def __init__(self, instance: Instance, cost: float, unit: float, prices: Prices) -> None:
        self.instance, self.unit, self._most = instance, unit, 2 * cost * unit
        limits = Limits(instance)
        self.limits: list[int] = limits.right.tolist()
        on_limits = limits.vector(prices.capacity * unit, prices.channels * unit)
        self.prices = [int(price) for price in on_limits.tolist()]

    def _down(self, costs: Floats) -> Ints:
        """Whole numbers below u times the costs, cut off where no good solution can get."""
        below = costs * self.unit * (1 - margin(self.instance))
        return np.floor(np.minimum(below, self._most)).astype(np.int64)

    def _set(self, least: Ints, slack: Ints) -> None:
        """v of the devices that have a radio link, and s of all choices."""
        paid = sum(limit * price for limit, price in zip(self.limits, self.prices, strict=True))
        self.slack, self.base = slack, sum(least.tolist()) - paid

    @property
    @abstractmethod
    def roundings(self) -> int:
        """Floors in the objective of a solution, at the most: each loses less than a unit."""

    @abstractmethod
    def essential(self) -> Ints:
        """Choices that every program should have."""

    @abstractmethod
    def chosen(self, solution: Solution) -> Ints:
        """Choices that make up a solution, or one that is no worse."""

    @abstractmethod
    def constrain(self, program: Program, kept: Ints) -> None:
        """Make the rows and the objective of a program of some choices."""

    @abstractmethod
    def decode(self, taken: Ints) -> Solution:
        """The solution that makes these choices."""
