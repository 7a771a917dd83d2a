r"""Prices on what devices share, and the bound that they give.

**Limits.** In a pooled instance (:mod:`.structured.pooling`) with pools 0..I-1, the fastest first, and
capacities q_i, call a solution *nested* if, for each i, at most :math:`Q_i = q_0 + ... + q_i` subtasks are at
pools 0..i, if no device alone has more than q_i subtasks at pool i, and if channels are kept. Every solution
is nested. A nested one costs no less than some solution: let its subtasks, those at the fastest pools first,
take a place at their pool or else at a faster one (:func:`.structured.pooling.gather`). When those of pool
i have their turn, only subtasks of pools 0..i have taken places, all of them at pools 0..i, and they are at
most Q_i with the one that seeks a place: there is one. So the optimum over the nested solutions is the
optimum. They are better to search: a decision with slower pools than another one uses less of *every* limit.

Each limit r, the I capacities and the channels that may run out, has a right-hand side L_r, and a
decision d of a device uses u_r(d) of it.

**Bound.** For prices :math:`\pi \ge 0`, with v_m the least of :math:`C_m(d) + \pi u(d)` over the
decisions of device m alone, the cost of each nested solution d is at least

.. math::

   \sum_m C_m(d_m) \ge \sum_m C_m(d_m) + \pi \Big(\sum_m u(d_m) - L\Big) \ge \sum_m v_m - \pi L =: B(\pi)

(Lagrangian relaxation of the limits). At prices 0 this is the sum of the devices' own optima. B is
concave, and use minus L is a supergradient: :func:`ascend` goes up along a mean of the supergradients so
far, divided by L (a unit of a small limit matters more), with Polyak's step length towards the cost of
the best solution known. All prices that it meets are valid.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from offloadlib.instances import LOCAL, Instance
from offloadlib.instances.arrays import Floats, Ints

from .device import DeviceSearch

MOST_STEPS = 1000
"""Steps of the ascent."""

PATIENCE = 20
"""Steps without a better bound after which the next ones are shorter, and start from the best prices."""

SHORTER = 0.7
"""How much shorter."""

WINDOW, WORTHWHILE = 100, 5e-4
"""The ascent ends when so many steps have closed less than this share of what was left to the target."""

MEMORY = 0.6
"""Weight of the direction so far against a new supergradient."""

ROUNDING = 1e-13
"""What is taken off a bound, relative to the sums that it is made of: far more than they lose."""


class NestedLimits:
    """The limits of a pooled instance, L: the nested capacities, then the channels that may run out.

    Attributes
    ----------
    right
        (R,) right-hand sides.
    """

    def __init__(self, instance: Instance, search: DeviceSearch) -> None:
        self._pools = len(search.speed)
        nested = np.minimum(np.cumsum(search.room), search.tasks.start[-1])
        radio = search.tasks.radio
        users = np.bincount(radio, minlength=instance.num_points)
        scarce = np.flatnonzero(instance.points.channels < users)
        # (D, S): 1 where device m shares the scarce radio s.
        self._radio = (radio[:, None] == scarce).astype(np.int64)
        self.right = np.append(nested, instance.points.channels[scarce])

    def prices(self, multipliers: Floats) -> tuple[Floats, Floats]:
        """(I,) price of a subtask at each pool, (D,) of going on air, for the limits' prices (R,)."""
        at_pools = np.cumsum(multipliers[: self._pools][::-1])[::-1]
        return np.ascontiguousarray(at_pools), self._radio @ multipliers[self._pools :]

    def use(self, m: int, places: Ints) -> Ints:
        """(B, R) what decisions (B, K) of device m use."""
        counts = np.stack([(places == i).sum(axis=1) for i in range(self._pools)], axis=1)
        on_air = (places != LOCAL).any(axis=1)[:, None] * self._radio[m]
        return np.hstack([np.cumsum(counts, axis=1), on_air])

    def used(self, search: DeviceSearch, places: Ints) -> Ints:
        """(R,) what the decisions (P,) of all devices use."""
        counts = np.bincount(places + 1, minlength=self._pools + 1)[1:]
        on_air = np.add.reduceat(places != LOCAL, search.tasks.start[:-1], dtype=np.int64) > 0
        return np.append(np.cumsum(counts), on_air @ self._radio)


@dataclass(frozen=True, eq=False)
class DualValue:
    """What some prices give.

    Attributes
    ----------
    multipliers
        (R,) prices of the limits.
    value
        (D,) least cost and price of each device alone, v.
    used
        (R,) what the decisions with these values use.
    bound
        B, rounded down, for the connected devices.
    """

    multipliers: Floats
    value: Floats
    used: Floats | Ints
    bound: float

    @classmethod
    def of(cls, limits: NestedLimits, multipliers: Floats, value: Floats, used: Ints) -> DualValue:
        """With the bound that these values give."""
        least, paid = math.fsum(value.tolist()), float(multipliers @ limits.right)
        return cls(multipliers, value, used, least - paid - ROUNDING * (least + paid))


class HasRight(Protocol):
    """Limits with right-hand sides (R,)."""

    right: Any


def ascend(
    at: Callable[[Floats], DualValue],
    limits: HasRight,
    start: Floats,
    target: Callable[[], float],
    most_steps: int = MOST_STEPS,
) -> Iterator[DualValue]:
    """Better and better prices.

    Parameters
    ----------
    at
        Evaluates prices of the limits.
    limits, start
        The limits, and the prices (R,) to start from.
    target
        Gives the least cost known, without the unconnected devices.
    most_steps
        After which it ends.

    Yields
    ------
    AtPrices
        The first one, and then each that has a greater bound than the ones before.
    """
    here = best = at(start)
    yield best
    direction, length, since, milestone = np.zeros(len(start)), 1.0, 0, best.bound
    for number in range(1, most_steps + 1):
        direction = MEMORY * direction + (here.used - limits.right)
        # A price that is 0 and should fall takes no part.
        moving = np.where((here.multipliers == 0.0) & (direction < 0.0), 0.0, direction)
        scaled = moving / np.maximum(limits.right, 1)
        norm = float(moving @ scaled)
        if norm == 0.0 or best.bound >= target():
            return
        if number % WINDOW == 0:
            if best.bound - milestone < WORTHWHILE * (target() - best.bound):
                return
            milestone = best.bound
        step = length * (target() - here.bound) / norm
        here = at(np.maximum(here.multipliers + step * scaled, 0.0))
        since += 1
        if here.bound > best.bound:
            best, since = here, 0
            yield best
        elif since == PATIENCE:
            here, direction, length, since = best, np.zeros(len(start)), length * SHORTER, 0
