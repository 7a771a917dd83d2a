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
where an instance that no file could hold has magnitudes that could underflow, or one has negative fees, the
same formulas are worked out with fractions; so is the largest cost, where that is the objective. The formulas
are those of each kind, in its folder's ``exact``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .kind import AnyInstance, kind_named

ERROR = 16.0 * 2.0**-106
"""The largest relative error e of one step."""

SMALLEST, LARGEST = 1e-30, 1e30
"""Magnitudes of the numbers of an instance between which nothing here underflows or overflows."""

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

Arithmetic = Any
"""Which of them: one of the two classes."""


def cost(instance: AnyInstance, solution: Any) -> float:
    """The exact objective, correctly rounded.

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
    exact = kind_named(instance.kind).exact
    if instance.by_largest:
        return float(max(max(part.values.tolist()) for part in exact.costs(instance, solution, Fractions)))
    if all(map(_moderate, exact.numbers(instance, solution))):
        enclosed = _enclosed(list(exact.costs(instance, solution, DoubleWords)))
        if enclosed is not None:
            return enclosed
    parts = exact.costs(instance, solution, Fractions)
    return _rounded([value for part in parts for value in part.values.tolist()])


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


def sum_of(values: Sequence[Number]) -> Number:
    """In pairs: the fewer steps, the smaller the error."""
    while len(values) > 1:
        pairs = [one + other for one, other in zip(values[::2], values[1::2], strict=False)]
        values = pairs + list(values[2 * len(pairs) :])
    return values[0]


def largest(values: Sequence[Number]) -> Number:
    largest = values[0]
    for value in values[1:]:
        largest = largest.maximum(value)
    return largest


def _moderate(values: Array) -> bool:
    return bool(((values == 0) | ((values >= SMALLEST) & (values <= LARGEST))).all())


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
