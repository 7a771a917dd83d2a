"""Certificates: the bound of a device at a leaf."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from functools import cache

from ..data import LOCAL, Instance
from ..exact import heaviest_path
from .choices import Costs, Move, Moves, Prices, bit_of
from .levels import Levels
from .search import Search
from .series import Effort, SeriesParallel, TooLarge


class Bounder:
    """The least costs of devices, with what is prepared once for each application."""

    def __init__(self, instance: Instance) -> None:
        self._series_parallel: dict[str, SeriesParallel] = {}
        self._search: dict[str, Search] = {}
        for application in instance.applications:
            self._search[application.id] = Search(application)
            with contextlib.suppress(TooLarge):
                self._series_parallel[application.id] = SeriesParallel(application)

    def least(
        self, costs: Costs, prices: Prices, allowed: Sequence[int], most: int | None = None
    ) -> int | None:
        """Return the least cost with prices of a device.

        Parameters
        ----------
        costs, prices : Costs, Prices
            The device and the prices.
        allowed : sequence of int
            For each subtask the places that the branches leave to it, as bits.
        most : int, optional
            More than this is of no interest: the least cost may be higher than what is returned then.

        Returns
        -------
        int or None
            On the grid; None where the device has no decision left. A lower bound of the least cost where
            `Search` reaches its limit.
        """
        device = costs.device
        moves = costs.moves(prices, allowed)
        least = self.unlimited(device.application.id, moves, costs.arcs, most)
        channel = 0 if device.point is None else prices.channels[device.point]
        if least is None or not channel:
            return least
        # Who offloads anything pays for the channel. All-local, if allowed, is cheaper than if it did.
        if not all(stay for stay, _ in moves):
            return least + channel
        local = [stay[0] for stay, _ in moves]
        delay = heaviest_path(device.application, [delay for delay, _ in local])
        return min(least + channel, delay + sum([cost for _, cost in local]))

    def patterns(
        self,
        costs: Costs,
        levels: Levels,
        prices: Prices,
        allowed: Sequence[int],
        ceiling: int,
        effort: Effort,
    ) -> list[Pattern] | None:
        """Return the patterns of a device up to a cost with prices, None if that takes too long."""
        device = costs.device
        if device.application.id not in self._series_parallel:
            return None
        channel = 0 if device.point is None else prices.channels[device.point]
        size = len(device.work)
        moves: Moves = []
        marks: list[list[int]] = []
        for k, (places, local, (wait, pay)) in enumerate(zip(allowed, costs.local, costs.ends, strict=True)):
            left = [i for i, level in enumerate(levels.points) if any(places & bit_of(n) for n in level)]
            points = [levels.points[i][0] for i in left]
            away = [(costs.execution(n)[k] + wait, prices.capacity[n] + pay) for n in points]
            moves.append(([local] if places & bit_of(LOCAL) else [], away))
            marks.append([levels.mark(i, size) for i in left])
        steps = levels.steps(levels.of_levels(prices))

        @cache
        def paid(mark: int) -> int:
            return sum(map(operator.mul, steps, levels.used(mark, size)))

        task = self._series_parallel[device.application.id]
        try:
            found = task.patterns(moves, marks, costs.arcs, ceiling, paid, levels.guard(size), effort)
            effort.keep(len(found))
        except TooLarge:
            return None
        return [
            (cost - paid(mark), mark, levels.used(mark, size))
            for cost, mark in found
            if cost + (channel if mark else 0) <= ceiling
        ]

    def unlimited(
        self, application: str, moves: Moves, arcs: list[Move], most: int | None = None
    ) -> int | None:
        """Return the least cost of an application with these moves, None where there is no decision."""
        if application in self._series_parallel:
            with contextlib.suppress(TooLarge):
                return self._series_parallel[application].least(moves, arcs)
        return self._search[application].least(moves, arcs, most)

    @property
    def limited(self) -> list[str]:
        """The applications of devices whose least cost may be higher than what was returned."""
        return [name for name, search in self._search.items() if search.limited]


Pattern = tuple[int, int, tuple[int, ...]]
"""A cost without prices, the subtasks at each level or a faster one as one number, and as a tuple."""
