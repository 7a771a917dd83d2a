r"""The exact cost of decisions, rounded once: what a solution costs, whatever a method says.

Costs are sums, products, quotients and maxima of the numbers of an instance, all of them rational. With
fractions that takes seconds for 10^5 devices; here it takes twice as long as a greedy heuristic. Every
value is a *double word*, the unevaluated sum of two binary64 numbers. With u = 2^-53, the algorithms of
Joldes, Muller and Popescu (2017, "Tight and rigorous error bounds for basic building blocks of
double-word arithmetic") have relative errors of at most 3 u^2 (sum of numbers of the same sign, Algorithm 5),
5 u^2 (product, 10) and 15 u^2 + 56 u^3 (quotient, 17). So each step is off by a factor between 1/(1 + e) and
1 + e, where e = 16 u^2. No number here is negative; hence what is off by n and by m such factors has a sum
that is off by max(n, m) + 1, a product and a quotient that are off by n + m + 1, and a maximum that is off by
max(n, m) of them. Each value carries that number.

The costs of all devices are then added up and rounded once (``math.fsum``), with the largest possible error
added and subtracted. Rounding is monotone: where both sums are the same number, it is the exact cost,
correctly rounded. Where they differ (the exact cost lies next to the middle between two numbers), and
where an instance that no file could hold has magnitudes that could underflow, the same formulas are worked
out with fractions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hybrid.model import CLOUD, DEVICE, EDGE, HybridInstance
from .hybrid.solution import HybridSolution
from .structured.model import LOCAL, Application, Group, Instance
from .structured.solution import Solution

ERROR = 16.0 * 2.0**-106
"""The largest relative error e of one step."""

SMALLEST, LARGEST = 1e-30, 1e30
"""Magnitudes of the numbers of an instance between which nothing here underflows or overflows."""

CHUNK = 2**14
"""Subtasks at a time: their values stay in the cache."""

_SPLITTER = 2.0**27 + 1.0
_GRIDS = (200, 800)

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DoubleWords:
    """Nonnegative numbers as high + low, off by at most ``steps`` factors of 1 + :data:`ERROR`."""

    high: Array
    low: Array
    steps: int = 0

    @classmethod
    def of(cls, values: Array) -> DoubleWords:
        """Binary64 numbers, exactly."""
        return cls(values, np.zeros_like(values))

    @classmethod
    def complement(cls, values: Array) -> DoubleWords:
        """1 - values, exactly: what rounding takes away is the low word."""
        return cls(*_sum(np.ones_like(values), -values))

    @property
    def columns(self) -> list[DoubleWords]:
        """Of an array of two dimensions."""
        return [self[:, k] for k in range(self.high.shape[1])]

    def __getitem__(self, index: Any) -> DoubleWords:
        return DoubleWords(self.high[index], self.low[index], self.steps)

    def __add__(self, other: DoubleWords) -> DoubleWords:
        high, rest = _sum(self.high, other.high)
        steps = max(self.steps, other.steps) + 1
        return DoubleWords(*_renormal(high, rest + (self.low + other.low)), steps)

    def __mul__(self, other: DoubleWords) -> DoubleWords:
        high, rest = _product(self.high, other.high)
        rest = rest + (self.high * other.low + self.low * other.high)
        return DoubleWords(*_renormal(high, rest), self.steps + other.steps + 1)

    def __truediv__(self, other: DoubleWords) -> DoubleWords:
        high = self.high / other.high
        product, rest = _product(other.high, high)  # other times high, by their Algorithm 7
        product, carry = _renormal(product, other.low * high)
        product, rest = _renormal(product, carry + rest)
        low = ((self.high - product) + (self.low - rest)) / other.high
        return DoubleWords(*_renormal(high, low), self.steps + other.steps + 1)

    def maximum(self, other: DoubleWords) -> DoubleWords:
        """The larger ones."""
        less = (self.high < other.high) | ((self.high == other.high) & (self.low < other.low))
        high, low = np.where(less, other.high, self.high), np.where(less, other.low, self.low)
        return DoubleWords(high, low, max(self.steps, other.steps))

    def where(self, condition: NDArray[np.bool_], other: DoubleWords) -> DoubleWords:
        """These where the condition holds, else the others."""
        high, low = np.where(condition, self.high, other.high), np.where(condition, self.low, other.low)
        return DoubleWords(high, low, max(self.steps, other.steps))


@dataclass(frozen=True, eq=False)
class Fractions:
    """Numbers as an array of fractions; what :class:`DoubleWords` has, exactly."""

    values: Any

    @classmethod
    def of(cls, values: Array) -> Fractions:
        """Binary64 numbers, exactly."""
        return cls(np.frompyfunc(Fraction, 1, 1)(values))

    @classmethod
    def complement(cls, values: Array) -> Fractions:
        """1 - values, exactly."""
        return cls(1 - cls.of(values).values)

    @property
    def columns(self) -> list[Fractions]:
        """Of an array of two dimensions."""
        return [self[:, k] for k in range(self.values.shape[1])]

    def __getitem__(self, index: Any) -> Fractions:
        return Fractions(self.values[index])

    def __add__(self, other: Fractions) -> Fractions:
        return Fractions(self.values + other.values)

    def __mul__(self, other: Fractions) -> Fractions:
        return Fractions(self.values * other.values)

    def __truediv__(self, other: Fractions) -> Fractions:
        return Fractions(self.values / other.values)

    def maximum(self, other: Fractions) -> Fractions:
        """The larger ones."""
        return Fractions(np.maximum(self.values, other.values))

    def where(self, condition: NDArray[np.bool_], other: Fractions) -> Fractions:
        """These where the condition holds, else the others."""
        return Fractions(np.where(condition, self.values, other.values))


Number = Any
"""Double words or fractions, an array of them."""

Kind = Any
"""Which of them."""


def cost(instance: Instance | HybridInstance, solution: Solution | HybridSolution) -> float:
    """The exact cost F of equation (4), or Q of a hybrid solution, correctly rounded.

    Parameters
    ----------
    instance
        The instance.
    solution
        Its decisions keep the limits; the shares of a hybrid solution are what its ``split`` says.

    Returns
    -------
    float
        The binary64 number next to the exact cost, of two equally near ones the even one.
    """
    if isinstance(instance, HybridInstance):
        assert isinstance(solution, HybridSolution)
        numbers: Iterator[Array] = _hybrid_numbers(instance, solution)
    else:
        assert isinstance(solution, Solution)
        numbers = _numbers(instance)
    if all(map(_moderate, numbers)):
        enclosed = _enclosed(list(costs(instance, solution, DoubleWords)))
        if enclosed is not None:
            return enclosed
    exact = costs(instance, solution, Fractions)
    return _rounded([value for part in exact for value in part.values.tolist()])


def costs(instance: Instance | HybridInstance, solution: Any, kind: Kind) -> Iterator[Number]:
    """The costs of the devices, some at a time and in no particular order."""
    if isinstance(instance, HybridInstance):
        yield _hybrid_costs(instance, solution, kind)
        return
    for group, places in zip(instance.groups, solution.places, strict=True):
        size = max(CHUNK // group.application.size, 1)
        for start in range(0, len(group), size):
            some = slice(start, start + size)
            yield _costs(instance, group, some, places[some], kind)


# Structured instances -----------------------------------------------------------------------------


def _costs(instance: Instance, group: Group, some: slice, places: NDArray[Any], kind: Kind) -> Number:
    """Equation (3) of some devices of a group, with (G, K) places."""
    devices, members, application = instance.devices, group.members[some], group.application
    away = places != LOCAL
    cpu = devices.cpu[members]
    speed = np.where(away, instance.points.cpu[np.where(away, places, 0)], cpu[:, None])
    # Without a radio link nothing is ever sent: the rates do not matter.
    up, down = (kind.of(np.nan_to_num(rate[members], nan=1.0)) for rate in (devices.uplink, devices.downlink))
    work = group.work[some]
    seconds = kind.of(work) / kind.of(speed)
    sent, received = _sent(group, some, away, kind)
    delays = []
    for k in range(application.size):
        delay = seconds[:, k]
        delay = delay if sent[k] is None else delay + sent[k] / up
        delays.append(delay if received[k] is None else delay + received[k] / down)
    delay = _heaviest_path(application, delays)
    execute = kind.of(devices.execute[members])
    energy = _sum_of(kind.of(np.where(away, 0.0, work)).columns) / kind.of(cpu) * execute
    for parts, rate, power in ((sent, up, devices.send), (received, down, devices.receive)):
        known = [part for part in parts if part is not None]
        if known:
            energy = energy + _sum_of(known) / rate * kind.of(power[members])
    alpha = devices.alpha[members]
    delay_weight, energy_weight = kind.of(alpha), kind.complement(alpha)
    if instance.normalise == "local":
        all_work = kind.of(work).columns
        longest = _heaviest_path(application, all_work) / kind.of(cpu)
        spent = _sum_of(all_work) / kind.of(cpu) * execute
        ones = kind.of(np.ones_like(alpha))
        # Where a weight is 0 it stays 0, whatever the normaliser.
        delay_weight = delay_weight / longest.where(alpha > 0, ones)
        energy_weight = energy_weight / spent.where(alpha < 1, ones)
    return delay_weight * delay + energy_weight * energy


def _sent(
    group: Group, some: slice, away: NDArray[np.bool_], kind: Kind
) -> tuple[list[Number | None], list[Number | None]]:
    """Mbit that each subtask sends and receives, by radio; None where none of the devices does."""
    application = group.application
    sent: list[Number | None] = [None] * application.size
    received: list[Number | None] = [None] * application.size

    def add(to: list[Number | None], k: int, data: Array, crosses: NDArray[np.bool_]) -> None:
        if crosses.any():
            more = kind.of(np.where(crosses, data, 0.0))
            to[k] = more if to[k] is None else to[k] + more

    for arc, (j, k) in enumerate(application.edges):
        data = group.edge_data[some, arc]
        add(sent, k, data, away[:, k] & ~away[:, j])
        add(received, k, data, away[:, j] & ~away[:, k])
    for k in np.flatnonzero(application.heads).tolist():
        add(sent, k, group.input[some, k], away[:, k])
    for k in np.flatnonzero(application.tails).tolist():
        add(received, k, group.output[some, k], away[:, k])
    return sent, received


def _heaviest_path(application: Application, weights: Sequence[Number]) -> Number:
    """Equation (1), for a column of each subtask."""
    finish = list(weights)
    for k in application.order:
        before = [finish[j] for _, j in application.incoming[k]]
        if before:
            finish[k] = finish[k] + _largest(before)
    return _largest([finish[k] for k in np.flatnonzero(application.tails).tolist()])


def _numbers(instance: Instance) -> Iterator[Array]:
    devices = instance.devices
    yield from (devices.cpu, devices.execute, devices.send, devices.receive, devices.alpha)
    yield from (np.nan_to_num(devices.uplink), np.nan_to_num(devices.downlink), instance.points.cpu)
    for group in instance.groups:
        yield from (group.work, group.input, group.output, group.edge_data)


# Hybrid instances ---------------------------------------------------------------------------------


def _hybrid_costs(instance: HybridInstance, solution: HybridSolution, kind: Kind) -> Number:
    """weight (E + rho T), see :mod:`.hybrid.cost`."""
    given, ones = instance.parameters, np.ones(instance.num_devices)

    def constant(value: float) -> Number:
        return kind.of(value * ones)

    local, edge, cloud = (
        _sum_of(kind.of(np.where(solution.places == place, instance.sizes, 0.0)).columns)
        for place in (DEVICE, EDGE, CLOUD)
    )
    remote = constant(given.kappa) * edge / constant(given.f_e)
    energy = constant(given.eps_l) * local + (constant(given.eps_t) + constant(given.price_e)) * edge
    if given.cloud:
        there = cloud / constant(given.r_c) + constant(given.kappa) * cloud / constant(given.f_c)
        remote = remote.maximum(there)
        energy = energy + (constant(given.eps_t) + constant(given.price_c)) * cloud
    uploads = ((solution.places != DEVICE) & (instance.sizes > 0)).any(axis=1)
    upload = (edge + cloud) / kind.of(np.where(uploads, solution.split, 1.0))
    delay = (constant(given.tau) * local).maximum(upload + remote)
    return kind.of(instance.weight) * (energy + constant(given.rho) * delay)


def _hybrid_numbers(instance: HybridInstance, solution: HybridSolution) -> Iterator[Array]:
    given = instance.parameters
    yield np.array([given.tau, given.eps_l, given.eps_t, given.price_e, given.price_c, given.rho])
    yield np.array([given.kappa, given.f_e, given.f_c, given.r_c])
    yield from (instance.sizes, instance.weight, solution.split)


# Arithmetic ---------------------------------------------------------------------------------------


def _sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b rounded, and what rounding has taken away (Knuth's 2Sum)."""
    total = a + b
    other = total - a
    return total, (a - (total - other)) + (b - other)


def _renormal(a: Array, b: Array) -> tuple[Array, Array]:
    """The same where a is the larger one, or 0 (Dekker's Fast2Sum)."""
    total = a + b
    return total, b - (total - a)


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """A times b rounded, and what rounding has taken away (Dekker's product, Veltkamp's splitting)."""
    product = a * b
    (a1, a2), (b1, b2) = _halves(a), _halves(b)
    return product, ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def _halves(a: Array) -> tuple[Array, Array]:
    scaled = _SPLITTER * a
    high = scaled - (scaled - a)
    return high, a - high


def _sum_of(values: Sequence[Number]) -> Number:
    """In pairs: the fewer steps, the smaller the error."""
    while len(values) > 1:
        pairs = [one + other for one, other in zip(values[::2], values[1::2], strict=False)]
        values = pairs + list(values[2 * len(pairs) :])
    return values[0]


def _largest(values: Sequence[Number]) -> Number:
    largest = values[0]
    for value in values[1:]:
        largest = largest.maximum(value)
    return largest


def _moderate(values: Array) -> bool:
    size = np.abs(values)
    return bool(((size == 0) | ((size >= SMALLEST) & (size <= LARGEST))).all())


def _enclosed(parts: Sequence[DoubleWords]) -> float | None:
    """The sum of all, correctly rounded; None where the error leaves two numbers for it."""
    words = [word for part in parts for array in (part.high, part.low) for word in array.tolist()]
    error = 2.0 * max(part.steps for part in parts) * ERROR * math.fsum(words)
    lowest, highest = math.fsum([*words, -error]), math.fsum([*words, error])
    return lowest if lowest == highest else None


def _rounded(values: Sequence[Fraction]) -> float:
    """The sum of all, correctly rounded: by an enclosure on a grid, at last by the sum itself."""
    for bits in _GRIDS:
        low = high = 0
        for value in values:
            quotient, rest = divmod(value.numerator << bits, value.denominator)
            low, high = low + quotient, high + quotient + (rest > 0)
        if low / (1 << bits) == high / (1 << bits):
            return low / (1 << bits)
    return float(sum(values, Fraction(0)))
