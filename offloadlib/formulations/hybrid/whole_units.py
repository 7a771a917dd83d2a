"""Whole units in which the sizes of all tasks are multiples of one another, where there are such.

Where sizes are whole multiples of a unit, so is what a solution uploads. If costs depend on that sum
alone, or nearly, the optimum is at the last whole number below a fractional one, and a branch on the
number of units proves what branches on single tasks would have to prove for each way to reach it.
"""

from __future__ import annotations

import numpy as np

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.hybrid.model import DEVICE, TaskPlaces

MOST_UNITS = 10_000
"""Of one task; with more, units are too small to be of use."""

PRECISION = 1e-9
"""Relative to the largest size: what sizes may be off a multiple, as products of decimal numbers are."""


def whole_units(sizes: Floats) -> Ints | None:
    """(N, M) sizes in units of their greatest common measure, or None where that is too small."""
    largest = float(sizes.max())
    if not largest > 0:
        return None
    unit = _common_measure(np.unique(sizes[sizes > 0]), PRECISION * largest)
    if largest > MOST_UNITS * unit:
        return None
    return np.rint(sizes / unit).astype(np.int64)


def _common_measure(values: Floats, precision: float) -> float:
    """Euclid's algorithm for ascending positive numbers that are known to some precision."""
    measure = float(values[0])
    for value in values[1:].tolist():
        a, b = value, measure
        while b > precision:
            a, b = b, abs(a - b * round(a / b))
        measure = a
        if measure * MOST_UNITS < values[-1]:
            break
    return measure


def uploaded(units: Ints, patterns: TaskPlaces) -> Ints:
    """(N, P) units that patterns upload, of the (N, M) units of tasks."""
    return np.asarray(units @ (patterns != DEVICE).T.astype(np.int64))
