"""The limits that devices share with prices on them: the Lagrangian of an instance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.subset import subset

from ..certificate import rounded
from .chunks import never
from .pricing import NEVER, Prices, difference, price
from .tables import Learnt


@dataclass(frozen=True, eq=False)
class PricedLimits(Limits):
    """The limits of an instance, and evaluations of its Lagrangian.

    Attributes
    ----------
    largest_search
        Effort for one device's decision, as for :func:`~.pricing.price`.
    late
        Asked on the way through many devices, which is given up by
        :class:`~.instances.run.OutOfTime`.
    stopped
        From :func:`~.instances.alarm.alarm`: as soon as it is true, searches end with what bounds they have.
    share
        Of the limits that these devices have: less than 1 for a sample.
    threads
        Threads that work on many devices.
    learnt
        As for :func:`~.pricing.price`.
    """

    largest_search: int | None = None
    late: Callable[[], bool] = never
    stopped: NDArray[np.bool_] = field(default_factory=lambda: NEVER)
    share: float = 1.0
    threads: int = 1
    learnt: Learnt | None = None

    @cached_property
    def right(self) -> Floats:
        """(R,) how much there is; fractions for a sample."""
        points = self.instance.points
        right: Floats = self.share * self.vector(points.capacity, points.channels)
        return right

    @property
    def local_cost(self) -> Floats:
        """(M,) cost of each device's all-local decision."""
        return self.instance.local_cost

    def sample(self, size: int, seed: int) -> PricedLimits:
        """Some of the devices, with their share of the limits."""
        devices = self.instance.num_devices
        members = np.sort(np.random.default_rng(seed).permutation(devices)[:size])
        part = subset(self.instance, members)
        return replace(self, instance=part, share=size / devices * self.share, learnt=None)

    def prices(self, vector: Floats) -> Prices:
        """The prices of a vector (R,)."""
        return Prices(*self.by_point(vector))

    def rounded(self, vector: Floats) -> Floats:
        """Prices that a certificate can state."""
        prices = rounded(self.prices(vector))
        found: Floats = self.vector(prices.capacity, prices.channels)
        return found

    def lagrangian(self, vector: Floats) -> tuple[float, Floats, Places]:
        """The bound at some prices, each device's least cost + prices, and the decisions that attain it."""
        found = price(
            self.instance,
            self.prices(vector),
            largest_search=self.largest_search,
            late=self.late,
            stopped=self.stopped,
            threads=self.threads,
            learnt=self.learnt,
        )
        bound = difference(float(np.sum(found.value)), float(vector @ self.right))
        return bound, found.value, self.table(found.solution)
