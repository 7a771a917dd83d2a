"""Exact costs: integers, ratios of two integers, and sums enclosed as closely as it takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from .data import LOCAL, PLAIN, SUBTASKS, Answer, Application, Device, Instance, Ratio, Unfinished
from .parse import shown_as

SHIFT = 82
_ONE = 1 << SHIFT
_MOST_PLACES = 10**7
"""Of a device, times its subtasks: each of these has a time, and that some 110 bits for each place."""
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
    power) costs (delay·G + energy·E)/denominator. A second has `second` time units, where exceptions or
    latencies say anything in seconds a multiple of 2^SHIFT.
    """

    execution: dict[int, int]
    upload: int
    download: int
    delay: int
    energy: int
    denominator: int
    second: int

    def units(self, seconds: float) -> int:
        """Return a time in time units."""
        return exact(seconds) * self.second >> SHIFT


def coefficients(instance: Instance, device: Device, places: Iterable[int]) -> Coefficients:
    """Return the coefficients of a device.

    The time unit is 1 s over the product of the speeds that occur: every time is then an integer. The
    rates occur only where one of the places is an offload point, so an unconnected device needs none.
    """
    speeds = {place: exact(device.cpu if place == LOCAL else instance.points[place].cpu) for place in places}
    speeds[LOCAL] = exact(device.cpu)
    if len(speeds) * len(device.work) > _MOST_PLACES:
        what = f"device {shown_as(device.id)} has {len(device.work)} subtasks at {len(speeds)} places"
        raise Unfinished(what)
    second = math.prod(speeds.values())
    if device.terms is not PLAIN:
        second <<= SHIFT
    upload = download = 0
    if len(speeds) > 1:
        up, down = exact(device.uplink or 0.0), exact(device.downlink or 0.0)
        second *= up * down
        upload, download = second // up, second // down
    execution = {place: second // speed for place, speed in speeds.items()}
    factor = Coefficients(execution, upload, download, 0, 0, 1, second)

    if instance.normalise == "none":
        delay_unit, energy_unit = second, second << SHIFT
    elif device.terms.at:
        times = [_executed(device, factor, k, LOCAL) for k in range(len(device.work))]
        delay_unit = heaviest_path(device.application, times)
        energy_unit = sum(times) * exact(device.execute)
    else:
        work = [exact(size) for size in device.work]
        delay_unit = heaviest_path(device.application, work) * execution[LOCAL]
        energy_unit = sum(work) * execution[LOCAL] * exact(device.execute)
    # alpha·G/delay_unit + (1-alpha)·E/energy_unit; where a unit is 0, its weight is 0 (that was checked),
    # and any other unit gives the 0 that the term counts.
    delay_unit, energy_unit = delay_unit or 1, energy_unit or 1
    alpha = exact(device.alpha)
    return factor._replace(
        delay=alpha * energy_unit,
        energy=(_ONE - alpha) * delay_unit,
        denominator=delay_unit * energy_unit << SHIFT,
    )


def _executed(device: Device, factor: Coefficients, k: int, place: int) -> int:
    """Return the time units that a subtask's execution takes at a place."""
    entry = device.terms.at.get((k, place)) if device.terms.at else None
    if entry is not None and entry.execution is not None:
        return factor.units(entry.execution)
    return exact(device.work[k]) * factor.execution[place]


class Spent(NamedTuple):
    """What a served device takes for the places of its subtasks.

    `delay` is in time units, `energy` in time units times scaled power (see `Coefficients`).
    """

    factor: Coefficients
    delay: int
    energy: int

    def exceeds_delay(self, limit: float) -> bool:
        """Tell whether the delay exceeds so many s."""
        return self.delay << SHIFT > exact(limit) * self.factor.second

    def exceeds_energy(self, limit: float) -> bool:
        """Tell whether the energy exceeds so many mJ."""
        return self.energy > exact(limit) * self.factor.second

    @property
    def seconds(self) -> Ratio:
        """The delay."""
        return self.delay, self.factor.second

    @property
    def millijoules(self) -> Ratio:
        """The energy."""
        return self.energy, self.factor.second << SHIFT


def spent(instance: Instance, device: Device, places: Sequence[int]) -> Spent:
    """Return the exact delay and energy, equations (1) and (2), for the places of a device's subtasks."""
    application = device.application
    factor = coefficients(instance, device, places)
    waits = device.terms.latency_up, device.terms.latency_down
    latency_up, latency_down = map(factor.units, waits) if any(waits) else (0, 0)
    if device.terms.at:
        delays = [_executed(device, factor, k, place) for k, place in enumerate(places)]
    else:
        delays = [
            exact(size) * factor.execution[place] for size, place in zip(device.work, places, strict=True)
        ]
    executing = sum([time for time, place in zip(delays, places, strict=True) if place == LOCAL])
    sending = receiving = 0

    def send(k: int, size: float) -> int:
        time = exact(size) * factor.upload
        delays[k] += time + latency_up
        return time

    def receive(k: int, size: float) -> int:
        time = exact(size) * factor.download
        delays[k] += time + latency_down
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
    return Spent(factor, delay, energy)


def device_cost(instance: Instance, device: Device, places: Sequence[int] | None) -> Ratio:
    """Return the exact cost of a device, equation (3), for the places of its subtasks; None: it is refused.

    Fees and the device's weight are in it.
    """
    terms = device.terms
    if places is None:
        return exact(terms.rejection or 0.0) * exact(terms.weight), 1 << 2 * SHIFT
    factor, delay, energy = spent(instance, device, places)
    numerator, denominator = factor.delay * delay + factor.energy * energy, factor.denominator
    if fees := sum([scaled_fee(instance, device, k, place) for k, place in enumerate(places)]):
        numerator, denominator = (numerator << 2 * SHIFT) + fees * denominator, denominator << 2 * SHIFT
    if terms.weight != 1:
        numerator, denominator = numerator * exact(terms.weight), denominator << SHIFT
    return numerator, denominator


def scaled_fee(instance: Instance, device: Device, k: int, place: int) -> int:
    """Return what a subtask pays at a place, times 2^(2·SHIFT)."""
    entry = device.terms.at.get((k, place))
    if entry is not None and entry.fee is not None:
        return exact(entry.fee) << SHIFT
    if place == LOCAL:
        return 0
    point = instance.points[place]
    return (exact(point.fee) << SHIFT) + exact(point.fee_work) * exact(device.work[k])


def demand_of(device: Device, k: int, place: int, resource: str) -> float:
    """Return how much of a resource a subtask demands at an offload point."""
    if resource == SUBTASKS:
        return 1.0
    entry = device.terms.at.get((k, place))
    if entry is not None and resource in entry.demand:
        return entry.demand[resource]
    row = device.terms.demand.get(resource)
    return 0.0 if row is None else row[k]


def heaviest_path(application: Application, weights: Sequence[int]) -> int:
    finish = list(weights)
    for k in application.order:
        if application.parents[k]:
            finish[k] += max([finish[j] for j in application.parents[k]])
    return max(finish)


class Total:
    """The exact sum of many costs, or the greatest of them, enclosed in an interval.

    The denominators of the devices have little in common, so the sum as one fraction would have about as
    many digits as all of them together. Instead each exact cost is rounded down, and up, to a multiple of
    2^-bits, in integer arithmetic: the two sums enclose the exact one, at most (number of costs)·2^-bits
    apart. `settle` gets the answer at the exact sum from them, on a finer grid where it needs one, and at
    last (the exact sum lies just where the answer changes) from the one fraction.
    """

    def __init__(self, costs: Callable[[], Iterable[Ratio]], greatest: bool = False) -> None:
        self._costs = costs
        self._greatest = greatest
        self._enclosures: dict[int, tuple[Fraction, Fraction]] = {}

    def enclosure(self, bits: int) -> tuple[Fraction, Fraction]:
        """Return two multiples of 2^-bits with the exact sum, or the greatest, between them."""
        if bits not in self._enclosures:
            pairs = (divmod(numerator << bits, denominator) for numerator, denominator in self._costs())
            if self._greatest:
                low, high = map(
                    max, zip(*((least, least + (rest > 0)) for least, rest in pairs), strict=True)
                )
            else:
                low = high = 0
                for quotient, rest in pairs:
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
        if self._greatest:
            return max(terms)
        while len(terms) > 1:  # in pairs, so that most additions are of small fractions
            terms = [sum(terms[i : i + 2], Fraction(0)) for i in range(0, len(terms), 2)]
        return terms[0]
