"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

NOTHING = 1e-9
"""A share that nobody takes for something: costs are optimal up to as much."""


def decimals(values: Sequence[float | None]) -> int:
    """Decimals that give the largest of some numbers six significant digits, at most six."""
    largest = max((abs(value) for value in values if value and math.isfinite(value)), default=1.0)
    return min(max(5 - math.floor(math.log10(largest)), 0), 6)


def fixed(value: float | None, digits: int) -> str:
    """A number with so many decimals; empty where there is none."""
    return "" if value is None else f"{value:z.{digits}f}"


def percent(value: float | None, digits: int) -> str:
    """A share in percent; what is too small to show is not shown as 0."""
    if value is None:
        return ""
    shown = f"{100 * value:.{digits}f} %"
    if abs(value) > NOTHING and not shown.strip("0. %-"):
        return f"{'<' if value > 0 else '>-'}{10.0**-digits:g} %"
    return shown.removeprefix("-") if not shown.strip("0. %-") else shown


def change(share: float, digits: int) -> str:
    """A relative change in words: rises by, falls by, or stays within what so many digits show."""
    if not math.isfinite(share):
        return "changes without limit" if math.isinf(share) else "is not known"
    least = 0.5 * 10.0 ** -(digits + 2)
    if abs(share) < least:
        return f"stays within {100 * least:g} %"
    return f"{'rises' if share > 0 else 'falls'} by {percent(abs(share), digits)}"


def more_or_less(share: float, digits: int) -> str:
    """How much more, or less, something is."""
    return f"{percent(abs(share), digits)} {'less' if share < 0 else 'more'}"


def ratio(low: float | None, high: float | None) -> str:
    """An approximation ratio, or the interval that it lies in."""
    if low is None:
        return ""
    if high is None:
        return f"≥{low:.4f}"
    if low == high:
        return f"{low:.4f}"
    digits = next((n for n in range(2, 6) if f"{low:.{n}f}" != f"{high:.{n}f}"), 6)
    return f"{low:.{digits}f}..{high:.{digits}f}"


def seconds(value: float | None) -> str:
    """A time with three significant digits."""
    if value is None:
        return ""
    if value < 0.9995:
        return f"{1000 * value:.3g} ms" if value < 0.0995 else f"{value:.3f} s"
    return f"{value:.{max(2 - math.floor(math.log10(value)), 0)}f} s"


def duration(value: float) -> str:
    """Seconds as people tell how long something takes."""
    minutes = round(value / 60)
    return f"{value:.0f} s" if value < 90 else f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"
