"""Certificates: the speeds of offload points."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence

from ..certificate import Leaf
from ..data import ZERO, Instance
from .choices import Prices, rounded_down


class Levels:
    """The speeds of the offload points that have capacity, fastest first.

    Attributes
    ----------
    points : list of list of int
        The points of each level.
    limits : list of int
        The capacity of a level and of all faster ones.
    """

    def __init__(self, instance: Instance) -> None:
        usable = [n for n, point in enumerate(instance.points) if point.capacity]
        speeds = sorted({instance.points[n].cpu for n in usable}, reverse=True)
        self.points = [[n for n in usable if instance.points[n].cpu == speed] for speed in speeds]
        sums = (sum(instance.points[n].capacity or 0 for n in level) for level in self.points)
        self.limits = list(itertools.accumulate(sums))
        self._speeds = [-speed for speed in speeds]

    def number(self, speed: float) -> int:
        """Return the level of the slowest points that are at least so fast, -1 if there are none."""
        return bisect_right(self._speeds, -speed) - 1

    def raised(self, instance: Instance, leaf: Leaf) -> Prices:
        """Return prices that do not fall with speed: each point's is raised to that of all slower ones."""
        capacity = [rounded_down(leaf.capacity.get(point.id, ZERO)) for point in instance.points]
        channels = [rounded_down(leaf.channels.get(point.id, ZERO)) for point in instance.points]
        highest = 0
        for level in reversed(self.points):
            highest = max([highest] + [capacity[n] for n in level])
            for n in level:
                capacity[n] = highest
        return Prices(instance, capacity, channels)

    def of_levels(self, prices: Prices) -> list[int]:
        """Return the price of each level."""
        return [prices.capacity[level[0]] for level in self.points]

    def steps(self, of_levels: Sequence[int]) -> list[int]:
        """Return the prices, none negative, of subtasks at each level or a faster one."""
        return [price - next_ for price, next_ in itertools.pairwise([*of_levels, 0])]

    def mark(self, level: int, size: int) -> int:
        """Return one subtask at a level: 1 for it and all slower ones, in fields of one number."""
        width = size.bit_length() + 1
        return sum(1 << i * width for i in range(level, len(self.points)))

    def guard(self, size: int) -> int:
        """Return a bit above each field."""
        width = size.bit_length() + 1
        return sum(1 << i * width + width - 1 for i in range(len(self.points)))

    def used(self, mark: int, size: int) -> tuple[int, ...]:
        """Return the fields of a number."""
        width = size.bit_length() + 1
        return tuple([mark >> i * width & (1 << width) - 1 for i in range(len(self.points))])
