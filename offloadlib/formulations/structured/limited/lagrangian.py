r"""The Lagrangian of an instance of format 2, and charges: what makes a bound of it.

With prices on all limits, and a share of each device in the objective,

.. math::

   \sum_m \min_{d_m} \bigl( s_m C_m(d_m) + \text{prices} \cdot u(d_m) \bigr) - \text{prices} \cdot q

bounds F from below: for ``sum`` with s_m = w_m; for ``max`` with s_m = mu_m w_m, where the mu_m add up to 1,
since a maximum is at least any average; and where s = 0, anything above 0 proves that no decisions keep all
limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import Limits

from ..certificate import WHOLE, Charge, shortened
from ..decomposition.pricing import NEVER
from .columns import Valued, valued
from .pricing import LARGEST_SEARCH, Asked, Branches, Priced, price

ROUNDING = 2.0**-44
"""Of all that is added up and taken off, in absolute terms: a bound may be wrong by so much."""

GROWTH = 10
"""Times as much effort, when less finds nothing more."""


@dataclass(frozen=True)
class Bounded:
    """What pricing says at a charge.

    Attributes
    ----------
    bound
        On the objective, or, without shares, above 0 where there is no solution; rounded downwards, and
        infinite where a device has no decision left.
    value
        (M,) the least that each device comes to.
    found
        The decisions that come to that, or nearly so.
    some
        (M,) whether a decision of a device was found at all.
    short
        What searches that were cut short may have cost the bound: infinite where one found nothing.
    """

    bound: float
    value: Floats
    found: Valued
    some: NDArray[np.bool_]
    short: float


@dataclass(eq=False)
class Lagrangian:
    """The limits of an instance with prices on them.

    Attributes
    ----------
    limits
        Of the instance.
    stopped
        From :func:`~.instances.alarm.alarm`.
    threads
        Threads that price.
    share
        Of the limits that the devices have: less than 1 for a sample.
    effort
        For a device's decision, as for :func:`.pricing.price`.
    """

    limits: Limits
    stopped: NDArray[np.bool_] = field(default_factory=lambda: NEVER)
    threads: int = 1
    share: float = 1.0
    effort: int = LARGEST_SEARCH

    def try_harder(self) -> bool:
        """Price with more effort from now on; whether that is possible."""
        if self.effort >= LARGEST_SEARCH:
            return False
        self.effort = min(GROWTH * self.effort, LARGEST_SEARCH)
        return True

    @cached_property
    def finite(self) -> Ints:
        """The limits that there are."""
        return np.flatnonzero(np.isfinite(self.limits.right))

    @cached_property
    def right(self) -> Floats:
        """(L,) how much there is, 0 where there is no limit, as the price there has to be."""
        right: Floats = np.zeros(len(self.limits))
        right[self.finite] = self.share * self.limits.right[self.finite]
        return right

    def free(self, shares: Ints | None = None) -> Charge:
        """Nothing has a price."""
        return Charge(np.zeros(len(self.limits)), shares)

    @property
    def nowhere(self) -> Charge:
        """No prices, where a device has no decision."""
        return Charge(np.zeros(len(self.limits)), infeasible=True)

    def shares(self, weights: Floats) -> Ints:
        """Whole numbers in proportion to weights (M,) that add up to :data:`WHOLE`."""
        shares: Ints = np.floor(np.maximum(weights, 0.0) / weights.sum() * WHOLE).astype(np.int64)
        shares[np.argmax(shares)] += WHOLE - int(shares.sum())
        return shares

    def price(self, asked: Asked, branches: Branches | None, tolerance: float) -> Priced:
        """Each device's least; up to a tolerance."""
        return price(
            self.limits.instance,
            asked,
            branches,
            largest_search=self.effort,
            tolerance=tolerance,
            stopped=self.stopped,
            threads=self.threads,
        )

    def evaluate(
        self,
        charge: Charge,
        branches: Branches | None = None,
        tolerance: float = 0.0,
        costless: bool = False,
    ) -> Bounded:
        """The bound of a charge under branches; up to a tolerance in all."""
        instance = self.limits.instance
        share = np.zeros(instance.num_devices) if costless else instance.devices.weight
        if not costless and charge.shares is not None:
            share = share * (charge.shares / WHOLE)
        asked = Asked(self.limits.rates(charge.prices), share)
        found = self.price(asked, branches, tolerance / instance.num_devices)
        known = valued(self.limits, found.solution)
        some = np.isfinite(found.found)
        if np.isinf(found.value).any():
            return Bounded(math.inf, found.value, known, some, 0.0)
        paid = charge.prices * self.right
        counted = known.cost if not costless else np.zeros_like(known.cost)
        if charge.shares is not None:
            counted = counted * (charge.shares / WHOLE)
        sizes = np.abs(found.value) + np.abs(counted) + known.use @ charge.prices
        margin = ROUNDING * (math.fsum(sizes.tolist()) + math.fsum(paid.tolist()))
        bound = math.fsum([*found.value.tolist(), *(-paid).tolist()]) - margin
        short = float((found.found - found.value)[found.relaxed].sum())
        return Bounded(bound, found.value, known, some, short)

    def between(self, weight: float, best: Charge, other: Charge) -> Charge:
        """The charge between two, as a certificate can state it."""
        prices = shortened(weight * best.prices + (1 - weight) * other.prices)
        if best.shares is None or other.shares is None:
            return Charge(prices, other.shares)
        return Charge(prices, self.shares(weight * best.shares + (1 - weight) * other.shares))
