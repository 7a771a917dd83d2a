"""Means with their 95% intervals, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from offloadlib.pages.page import Number

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean, half the width of its confidence interval (0 for a single value), and of how many values."""

    mean: float
    half: float
    count: int

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.mean - self.half

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.mean + self.half


def shown(value: Estimate, form: str) -> Number:
    """A mean with its interval; nothing where there are no values."""
    if not value.count:
        return Number.of(math.nan, form)
    half = f" ± {value.half:{form}}" if value.half else ""
    return Number(value.mean, f"{value.mean:{form}}{half}")


def estimate(values: ArrayLike) -> Estimate:
    """The mean of independent values with Student's interval; values that are not finite are left out."""
    given = np.asarray(values, dtype=float)
    kept = given[np.isfinite(given)]
    if not len(kept):
        return Estimate(math.nan, 0.0, 0)
    half = 0.0
    if len(kept) > 1:
        error = float(kept.std(ddof=1)) / math.sqrt(len(kept))
        half = _quantile(len(kept) - 1) * error
    return Estimate(float(kept.mean()), half, len(kept))


@cache
def _quantile(freedom: int) -> float:
    return float(stdtrit(freedom, 0.5 + CONFIDENCE / 2))


@dataclass(frozen=True)
class Signs:
    """Of how many settings the interval of a paired difference is below 0, above 0, or on both sides."""

    below: int
    above: int
    between: int

    @property
    def total(self) -> int:
        """All settings."""
        return self.below + self.above + self.between


def signs(differences: Iterable[Estimate]) -> Signs:
    """Count the signs of differences."""
    given = list(differences)
    below = sum(item.high < 0 for item in given)
    above = sum(item.low > 0 for item in given)
    return Signs(below, above, len(given) - below - above)


def exponent(x: ArrayLike, y: ArrayLike) -> float:
    """The exponent b of the least-squares fit of y = a x^b in logarithms, over two or more values of x."""
    slope, _ = np.polyfit(np.log(np.asarray(x, dtype=float)), np.log(np.asarray(y, dtype=float)), 1)
    return float(slope)
