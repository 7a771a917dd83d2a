"""The leaves of a certificate: what its branches and prices mean for the devices of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from offloadlib.check.certificate import Branch as Division
from offloadlib.check.certificate import Leaf
from offloadlib.instances import LOCAL, Instance

from .branching import Branch, Branching, Node
from .flows import Rows, Tariff
from .grid import DIGITS, Grid, exponent, rounded
from .program import Program


class Prices(NamedTuple):
    """Prices of a leaf in multiples of 10^-digits, rounded downwards, by number of the point."""

    points: Mapping[int, int]
    radios: Mapping[int, int]
    digits: int

    def charge(self, program: Program) -> Fraction:
        """Prices times limits."""
        whole: Fraction | int = sum(
            price * program.rows[rows[n]].right
            for rows, prices in ((program.capacity, self.points), (program.channels, self.radios))
            for n, price in prices.items()
        )
        return Fraction(whole, 10**self.digits)

    def tariff(self, grid: Grid, station: int) -> Tariff:
        """What they are for a device, in its own unit."""
        more = 10 ** (grid.digits - self.digits)
        toll = self.radios.get(station, 0) * more if grid.part.air is not None else 0
        return Tariff({n: price * more for n, price in self.points.items()}, toll)


@dataclass(frozen=True)
class Device:
    """A device with a radio link: in whole numbers, and the point that it is connected to."""

    grid: Grid
    station: int

    def prove(self, tariff: Tariff, branches: Sequence[Branch], start: Sequence[int], needed: int) -> Node:
        """A tree of sums of rows, at some prices and below some branches."""
        rows = Rows(self.grid, tariff, needed)
        allowed = [frozenset(self.grid.part.at(k)) for k in range(self.grid.part.application.size)]
        for branch in branches:
            allowed = branch.divide(allowed)
        return Branching(rows.costs(), rows, lines=True).prove(branches, allowed, [start], needed)


class Devices:
    """The devices of a program, and what branches and prices of a certificate mean for them."""

    def __init__(self, instance: Instance, program: Program, cost: Fraction) -> None:
        self._program = program
        self._point = {name: n for n, name in enumerate(instance.points.ids)}
        self._number = {name: m for m, name in enumerate(instance.devices.ids)}
        self._digits = max(DIGITS + 2 - (exponent(cost) if cost else 0), 0)
        stations = instance.devices.connected_to.tolist()
        self.of: dict[int, Device] = {}
        for part in program.parts:
            grid = rounded(part, self._digits)
            self.of[part.device] = Device(grid, stations[part.device])

    def prices(self, leaf: Leaf) -> Prices:
        """The prices of a leaf on limits that are in the program."""
        unit = 10**self._digits
        points, radios = (
            {self._point[name]: int(price * unit) for name, price in prices.items()}
            for prices in (leaf.capacity, leaf.channels)
        )
        return Prices(
            {n: price for n, price in points.items() if n in self._program.capacity},
            {n: price for n, price in radios.items() if n in self._program.channels},
            self._digits,
        )

    def sides(self, node: Division) -> Sequence[tuple[int, int | None, Branch | None]]:
        """Of a branch the children, with the device and its branch there. A device without a radio link is
        local whatever it says: then there is one child, and no device."""
        m = self._number[node.device]
        if m not in self.of:
            return [(node.equal if None in node.places else node.different, None, None)]
        k = self.of[m].grid.part.application.subtasks.index(node.subtask)
        places = frozenset(LOCAL if name is None else self._point[name] for name in node.places)
        return [
            (child, m, Branch(k, places, among))
            for child, among in ((node.equal, True), (node.different, False))
        ]
