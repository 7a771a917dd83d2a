"""Rough prices to begin with: a level of prices, then prices that rise where a limit is used too much.

Without prices all devices want the few best points, and prices that rise there alone send all of them to
the next ones. So equal resources cost the same at all points at first, at a level at which all limits
together are used as much as there is. From there on each price goes its own way, by steps that shrink
where they do not raise the bound. This takes no linear program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from offloadlib.instances.arrays import Floats

from ..certificate import Charge, shortened
from .lagrangian import Bounded, Lagrangian

LEVELS = 14
"""Evaluations for the level."""

FAR = 8.0
"""Factor between levels, until one is too high and one too low."""

TURNS = 20
"""Evaluations after that."""

FIRST_STEP = 0.05
"""What a price changes by, relatively, where there is no use, or twice too much."""

LONGER, SHORTER = 1.2, 0.6
"""What becomes of a step that raises the bound, or does not."""


def rough(
    lagrangian: Lagrangian,
    first: Bounded,
    charge: Charge,
    late: Callable[[], bool],
) -> Iterator[tuple[Charge, Bounded]]:
    """Charges that come nearer to balance, and what pricing says at each.

    Parameters
    ----------
    lagrangian, first, charge
        The limits, and what pricing says of them at a charge without prices.
    late
        Asked before each evaluation whether to end.
    """
    right = lagrangian.right
    used = _used(first)
    if late() or not (used > right)[lagrangian.finite].any():
        return
    scale = np.where(right > 0, right, np.maximum(used, 1.0))
    unit = _alike(lagrangian, scale) * (np.abs(first.found.cost).sum() or 1.0)
    level, below, above = 1.0, 0.0, np.inf
    prices = unit
    for _ in range(LEVELS):
        if late():
            return
        prices = level * unit
        charge = Charge(shortened(prices), charge.shares)
        found = lagrangian.evaluate(charge)
        yield charge, found
        used = _used(found)
        if ((used - right) @ unit) > 0:
            below = level
        else:
            above = level
        if np.isinf(above):
            level *= FAR
        elif below == 0:
            level /= FAR
        else:
            level = np.sqrt(below * above)
    best, bound, step, over = prices, found.bound, FIRST_STEP, (used - right) / scale
    for _ in range(TURNS):
        if late():
            return
        prices = best * np.exp(step * np.clip(over, -1.0, 1.0))
        charge = Charge(shortened(prices), charge.shares)
        found = lagrangian.evaluate(charge)
        yield charge, found
        if found.bound > bound:
            best, bound, over = prices, found.bound, (_used(found) - right) / scale
            step *= LONGER
        else:
            step *= SHORTER


def _used(found: Bounded) -> Floats:
    return np.asarray(found.found.use.sum(axis=0), dtype=np.float64)


def _alike(lagrangian: Lagrangian, scale: Floats) -> Floats:
    """Prices at which each kind of limit is worth the same as a whole, and 1 with the others."""
    names, unit = lagrangian.limits.names, np.zeros(len(scale))
    kinds: dict[tuple[str, ...], list[int]] = {}
    for i in lagrangian.finite.tolist():
        part, *rest = names[i]
        alone = part in ("limits", "totals")
        kinds.setdefault((part, *(rest if alone else rest[1:])), []).append(i)
    for some in kinds.values():
        unit[some] = 1.0 / (len(kinds) * scale[some].sum())
    return unit
