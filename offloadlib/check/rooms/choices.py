"""Certificates: what a device can choose from, rounded downwards."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ..data import LOCAL, Device, Instance
from ..exact import SHIFT, coefficients, exact

# The minimisation is exact on a grid: it adds and compares integers that stand for multiples of 2^-FINE.
# Only what goes into it is rounded, always downwards: prices, and what an execution or a transfer costs,
# all of them >= 0. The cost of a decision is made of these by sums and maxima alone, so on the grid it is
# never too high, and neither is the least of all. Each of these numbers is too low by at most
# (1e9 + 1)·2^-FINE: `_rate` rounds the cost of 1 MI or 1 Mbit, `_times` that of at most 1e9 of them.
FINE = 160
# A way to execute a subtask, or a transfer: its delay and the rest of its cost (energy, price), both as
# costs on the grid.
Move = tuple[int, int]
Moves = list[tuple[list[Move], list[Move]]]  # for each subtask: to execute it locally, to offload it


def rounded_down(value: Fraction) -> int:
    return (value.numerator << FINE) // value.denominator


def rounded_up(value: Fraction) -> int:
    return -rounded_down(-value)


def _rate(weight: int, unit: int) -> int:
    """Return weight/unit on the grid, the cost of 1 MI or 1 Mbit, rounded downwards."""
    return (weight << FINE) // unit


def _times(rate: int, size: int) -> int:
    """Return the cost of a size, which is scaled (see `exact`), rounded downwards."""
    return rate * size >> SHIFT


def bit_of(place: int) -> int:
    """Return a place as a set of places: bit 0 is local, bit n + 1 the n-th offload point."""
    return 1 << (place + 1)


class Prices:
    """The prices of a leaf on the grid, by number of the offload point."""

    def __init__(self, instance: Instance, capacity: Sequence[int], channels: Sequence[int]) -> None:
        self.capacity = capacity
        self.channels = channels
        speeds = [point.cpu for point in instance.points]
        self._fastest_first = sorted(range(len(speeds)), key=lambda n: (-speeds[n], capacity[n]))
        self._menus: dict[int, list[int]] = {}

    def menu(self, allowed: int) -> list[int]:
        """Return the allowed offload points that matter: a slower one must have a lower price.

        Given which subtasks are offloaded, all that matters of an offload point is its speed and its price.
        """
        if allowed not in self._menus:
            menu: list[int] = []
            for n in self._fastest_first:
                if allowed & bit_of(n) and (not menu or self.capacity[n] < self.capacity[menu[-1]]):
                    menu.append(n)
            self._menus[allowed] = menu
        return self._menus[allowed]


class Costs:
    """What one device pays, whatever the prices, on the grid.

    Attributes
    ----------
    device : Device
        The device.
    local : list of Move
        The local execution of each subtask.
    arcs : list of Move
        The transfers: first upwards along each arc (from local to offloaded), then downwards.
    ends : list of Move
        What an offloaded subtask adds to its execution: the input of a head, the output of a tail.
    """

    def __init__(self, instance: Instance, device: Device) -> None:
        self.device = device
        self._points = instance.points
        # The time unit of the coefficients is 1 s over the scaled speed of the device. So delay/denominator
        # is the cost of 1 MI at a scaled speed of 1, and energy/denominator that at a scaled power of 1 too.
        factor = coefficients(instance, device, ())
        second = exact(device.cpu) << SHIFT
        self._delay, self._energy = factor.delay * second, factor.energy * second
        self._denominator = factor.denominator
        application = device.application
        self._work = list(map(exact, device.work))
        self.local = self._moves(self._work, device.cpu, device.execute)
        arcs = list(map(exact, device.edge_data))
        self.arcs = self._moves(arcs, device.uplink, device.send)
        self.arcs += self._moves(arcs, device.downlink, device.receive)
        heads = [exact(device.input[k]) for k in application.heads]
        tails = [exact(device.output[k]) for k in application.tails]
        self.ends: list[Move] = [(0, 0)] * len(self._work)
        for k, move in [
            *zip(application.heads, self._moves(heads, device.uplink, device.send), strict=True),
            *zip(application.tails, self._moves(tails, device.downlink, device.receive), strict=True),
        ]:
            self.ends[k] = (self.ends[k][0] + move[0], self.ends[k][1] + move[1])
        self._execution: dict[int, list[int]] = {}

    def _moves(self, sizes: Sequence[int], speed: float | None, power: float) -> list[Move]:
        """Return delays and energies of sizes at a speed and a power."""
        if speed is None:  # the device has no connection: there will be no transfers
            return [(0, 0)] * len(sizes)
        unit = self._denominator * exact(speed)
        delay, energy = _rate(self._delay, unit), _rate(self._energy * exact(power), unit)
        return [(_times(delay, size), _times(energy, size)) for size in sizes]

    def execution(self, point: int) -> list[int]:
        """Return the delay of each subtask's execution at an offload point."""
        if point not in self._execution:
            rate = _rate(self._delay, self._denominator * exact(self._points[point].cpu))
            self._execution[point] = [_times(rate, size) for size in self._work]
        return self._execution[point]

    def moves(self, prices: Prices, allowed: Sequence[int]) -> Moves:
        """Return the ways to execute each subtask at the places allowed to it, at these prices.

        Offloading is ordered: as the delay rises, the price falls.
        """
        menus = {
            places: [(self.execution(n), prices.capacity[n]) for n in prices.menu(places)]
            for places in set(allowed)
        }
        return [
            (
                [local] if places & bit_of(LOCAL) else [],
                [(delays[k] + wait, price + pay) for delays, price in menus[places]],
            )
            for k, (places, local, (wait, pay)) in enumerate(zip(allowed, self.local, self.ends, strict=True))
        ]


# A decision for a block of subtasks: its delay, a delay that it adds to the subtask after it, other costs.
Label = tuple[int, int, int]
Labels = list[Label]
# A delay, other costs, and how many subtasks are where (see `Levels.mark`).
Marked = list[tuple[int, int, int]]
