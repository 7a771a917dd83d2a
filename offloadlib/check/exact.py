"""Exact costs: integers, ratios of two integers, and sums enclosed as closely as it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from .data import LOCAL, Answer, Application, Device, Instance, Ratio

SHIFT = 82
_ONE = 1 << SHIFT
_GRIDS = (200, 800)  # bits after the binary point


def exact(value: float) -> int:
    """Return value·2^82, which is an integer.

    An instance has no magnitudes below 1e-9 > 2^-30 except 0, and a binary64 number of at least 2^-30 is
    a multiple of 2^(-30-52). Speeds and sizes are scaled alike, so their ratios, the times, need no care.
    """
    return int(math.ldexp(value, SHIFT))


class Coefficients(NamedTuple):
    """The cost of one device for decisions among some places, in integers.

    Executing scaled work w at place p takes w·execution[p] time units, sending or receiving scaled data d
    takes d·upload or d·download, and a delay G (time units) with an energy E (time units times scaled
    power) costs (delay·G + energy·E)/denominator.
    """

    execution: dict[int, int]
    upload: int
    download: int
    delay: int
    energy: int
    denominator: int


def coefficients(instance: Instance, device: Device, places: Iterable[int]) -> Coefficients:
    """Return the coefficients of a device.

    The time unit is 1 s over the product of the speeds that occur: every time is then an integer. The
    rates occur only where one of the places is an offload point, so an unconnected device needs none.
    """
    speeds = {place: exact(device.cpu if place == LOCAL else instance.points[place].cpu) for place in places}
    speeds[LOCAL] = exact(device.cpu)
    second = math.prod(speeds.values())
    upload = download = 0
    if len(speeds) > 1:
        up, down = exact(device.uplink or 0.0), exact(device.downlink or 0.0)
        second *= up * down
        upload, download = second // up, second // down
    execution = {place: second // speed for place, speed in speeds.items()}

    if instance.normalise == "none":
        delay_unit, energy_unit = second, second << SHIFT
    else:
        work = [exact(size) for size in device.work]
        delay_unit = heaviest_path(device.application, work) * execution[LOCAL]
        energy_unit = sum(work) * execution[LOCAL] * exact(device.execute)
    # alpha·G/delay_unit + (1-alpha)·E/energy_unit; where a unit is 0, its weight is 0 (that was checked),
    # and any other unit gives the 0 that the term counts.
    delay_unit, energy_unit = delay_unit or 1, energy_unit or 1
    alpha = exact(device.alpha)
    return Coefficients(
        execution,
        upload,
        download,
        delay=alpha * energy_unit,
        energy=(_ONE - alpha) * delay_unit,
        denominator=delay_unit * energy_unit << SHIFT,
    )


def device_cost(instance: Instance, device: Device, places: Sequence[int]) -> Ratio:
    """Return the exact cost of a device, equation (3), for the places of its subtasks."""
    application = device.application
    factor = coefficients(instance, device, places)
    delays = []
    executing = sending = receiving = 0
    for size, place in zip(device.work, places, strict=True):
        time = exact(size) * factor.execution[place]
        delays.append(time)
        if place == LOCAL:
            executing += time

    def send(k: int, size: float) -> int:
        delays[k] += (time := exact(size) * factor.upload)
        return time

    def receive(k: int, size: float) -> int:
        delays[k] += (time := exact(size) * factor.download)
        return time

    for (j, k), size in zip(application.edges, device.edge_data, strict=True):
        if places[j] == LOCAL != places[k]:
            sending += send(k, size)
        elif places[j] != LOCAL == places[k]:
            receiving += receive(k, size)
    sending += sum(send(k, device.input[k]) for k in application.heads if places[k] != LOCAL)
    receiving += sum(receive(k, device.output[k]) for k in application.tails if places[k] != LOCAL)

    delay = heaviest_path(application, delays)
    energy = (
        executing * exact(device.execute) + sending * exact(device.send) + receiving * exact(device.receive)
    )
    return factor.delay * delay + factor.energy * energy, factor.denominator


def heaviest_path(application: Application, weights: Sequence[int]) -> int:
    finish = list(weights)
    for k in application.order:
        if application.parents[k]:
            finish[k] += max([finish[j] for j in application.parents[k]])
    return max(finish)


class Total:
    """The exact sum of many costs, enclosed in an interval.

    The denominators of the devices have little in common, so the sum as one fraction would have about as
    many digits as all of them together. Instead each exact cost is rounded down, and up, to a multiple of
    2^-bits, in integer arithmetic: the two sums enclose the exact one, at most (number of costs)·2^-bits
    apart. `settle` gets the answer at the exact sum from them, on a finer grid where it needs one, and at
    last (the exact sum lies just where the answer changes) from the one fraction.
    """

    def __init__(self, costs: Callable[[], Iterable[Ratio]]) -> None:
        self._costs = costs
        self._enclosures: dict[int, tuple[Fraction, Fraction]] = {}

    def enclosure(self, bits: int) -> tuple[Fraction, Fraction]:
        """Return two multiples of 2^-bits with the exact sum between them."""
        if bits not in self._enclosures:
            low = high = 0
            for numerator, denominator in self._costs():
                quotient, rest = divmod(numerator << bits, denominator)
                low += quotient
                high += quotient + (rest > 0)
            self._enclosures[bits] = Fraction(low, 1 << bits), Fraction(high, 1 << bits)
        return self._enclosures[bits]

    def settle(self, question: Callable[[Fraction], Answer]) -> Answer:
        """Return the answer at the exact sum.

        The question must be monotone, that is, its answer may change only in one direction as the sum
        grows: where both ends of the interval give the same answer, so does everything between them.
        """
        for bits in _GRIDS:
            low, high = map(question, self.enclosure(bits))
            if low == high:
                return low
        return question(self._fraction())

    def _fraction(self) -> Fraction:
        terms = [Fraction(*cost) for cost in self._costs()]
        while len(terms) > 1:  # in pairs, so that most additions are of small fractions
            terms = [sum(terms[i : i + 2], Fraction(0)) for i in range(0, len(terms), 2)]
        return terms[0]
