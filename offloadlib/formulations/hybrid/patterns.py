r"""What a device can do: its patterns, a place for each of its tasks, and what they cost at a price.

A pattern asks for L, U, K and E (:mod:`.instances.hybrid.cost`). With a share c of the uplink it costs
w (E + rho max(L, U/c + K)), where w is the weight of the device. Let a Mbit/s cost lambda = s^2. Then

.. math::

   \phi(\lambda) = \min_c\; w (E + \rho \max(L, U/c + K)) + \lambda c
                 = base + pull \cdot \begin{cases} 2 s & s \ge knee \\ knee + s^2/knee & s < knee \end{cases}

with base = w (E + rho K), pull = sqrt(w rho U) and knee = w rho max(L - K, 0)/pull. Without the cap
c <= U/(L - K) the best share is c = pull/s, and pays pull s for the delay and as much for the share; at
s = knee this is the cap, pull/knee, beyond which more is of no use. In both cases c = pull/max(s, knee).
A pattern that uploads nothing has pull = 0 and base = w (E + rho max(L, K)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import read_only
from offloadlib.instances.hybrid import HybridInstance, loads
from offloadlib.instances.hybrid.enumeration import numbered
from offloadlib.instances.hybrid.model import TaskPlaces

from .kernels import Curves, mark_relevant

MOST_PATTERNS = 40_000_000
"""Of all devices: they take 24 bytes each, and as much again while they are made."""

CHUNK = 1 << 20
"""Patterns that are made at a time."""

STEPS, STEPS_BY_LABEL = 16, 64
"""Intervals of a range of prices in which the cheapest patterns are sought one by one."""


def obstacle(instance: HybridInstance) -> str | None:
    """None, or why the patterns of an instance cannot be listed."""
    count = instance.num_devices * len(instance.places) ** instance.num_tasks
    if count <= MOST_PATTERNS:
        return None
    return f"lists the patterns of all devices, here {count:.3g}, and at most {MOST_PATTERNS:.3g}"


@dataclass(frozen=True)
class PatternLists:
    """Some of the patterns of some devices, one device after the other.

    Attributes
    ----------
    start
        (devices + 1,) the patterns of the i-th device are start[i]..start[i+1]-1 of what follows.
    base, pull, knee
        What they cost, see above.
    number
        Which pattern it is, a row of :func:`all_patterns`.
    """

    start: Ints
    base: Floats
    pull: Floats
    knee: Floats
    number: Ints

    @cached_property
    def curves(self) -> Curves:
        """As kernels want them."""
        return Curves(*map(read_only, (self.start, self.base, self.pull, self.knee)))

    def at(self, price: float) -> tuple[Floats, Floats]:
        """What each pattern costs at a price, and its share of the uplink."""
        reach = np.maximum(np.sqrt(price), self.knee)
        paid = np.divide(price, reach, out=np.zeros_like(reach), where=reach > 0)
        return self.base + self.pull * (reach + paid), self.asked(slice(None), price)

    def between(self, low: float, high: float) -> PatternLists:
        """Without patterns that are not the cheapest one of their device at any price in [low, high]."""
        prices = np.linspace(np.sqrt(low), np.sqrt(high), STEPS + 1) ** 2
        prices[0], prices[-1] = low, high
        return self.only(self._relevant(self.start, prices))

    def cheapest_by(self, label: Ints, highest: float) -> PatternLists:
        """Without patterns that are not the cheapest one of their device and label at any price.

        Parameters
        ----------
        label
            Of each pattern, not negative.
        highest
            Price.
        """
        owner = np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))
        order = np.lexsort((label, owner))
        ordered = replace(
            self, **{key: getattr(self, key)[order] for key in ("base", "pull", "knee", "number")}
        )
        label = label[order]
        new = np.flatnonzero((np.diff(label) != 0) | (np.diff(owner) != 0)) + 1
        groups = np.concatenate([[0], new, [len(label)]])
        prices = np.linspace(0.0, np.sqrt(highest), STEPS_BY_LABEL + 1) ** 2
        prices[-1] = highest
        return ordered.only(ordered._relevant(groups, prices))

    def _relevant(self, start: Ints, prices: Floats) -> NDArray[np.bool_]:
        marked = np.zeros(len(self.number), np.bool_)
        mark_relevant(self.curves._replace(start=read_only(start)), prices, marked)
        return marked

    def asked(self, index: Ints | slice, price: float) -> Floats:
        """The shares that patterns, by their indices, ask for at a price."""
        pull, reach = self.pull[index], np.maximum(np.sqrt(price), self.knee[index])
        share = np.divide(pull, reach, out=np.full_like(reach, np.inf), where=reach > 0)
        asked: Floats = np.where(pull > 0, share, 0.0)
        return asked

    def only(self, kept: NDArray[np.bool_]) -> PatternLists:
        """The patterns that are marked."""
        start = np.concatenate([[0], np.cumsum(kept)])[self.start]
        return PatternLists(start, self.base[kept], self.pull[kept], self.knee[kept], self.number[kept])

    def of(self, devices: list[int]) -> PatternLists:
        """The patterns of some devices, in the order that is given."""
        rows = [np.arange(self.start[i], self.start[i + 1]) for i in devices]
        index = np.concatenate([np.empty(0, np.int64), *rows])
        start = np.cumsum([0, *map(len, rows)])
        return PatternLists(start, self.base[index], self.pull[index], self.knee[index], self.number[index])


def all_patterns(instance: HybridInstance) -> TaskPlaces:
    """(P, M) places: every pattern of a device; task 0 changes fastest, and pattern 0 is all-local."""
    count = len(instance.places) ** instance.num_tasks
    return numbered(np.arange(count), instance.num_tasks, instance.places)


def menu(instance: HybridInstance) -> PatternLists:
    """All patterns of all devices."""
    patterns = all_patterns(instance)
    devices, count = instance.num_devices, len(patterns)
    terms = np.empty((3, devices, count))
    at_once = max(1, CHUNK // count)
    for first in range(0, devices, at_once):
        some = slice(first, first + at_once)
        terms[:, some] = _terms(instance.part(some), patterns)
    number = np.tile(np.arange(count), devices)
    base, pull, knee = terms.reshape(3, -1)
    return PatternLists(np.arange(devices + 1) * count, base, pull, knee, number)


def _terms(instance: HybridInstance, patterns: NDArray[np.int8]) -> Floats:
    """(3, N, P) base, pull and knee."""
    load = loads(instance, patterns[:, None, :])
    delay_weight = instance.weight * instance.parameters.rho
    uploads = load.upload > 0
    waiting = np.where(uploads, load.remote, np.maximum(load.local, load.remote))
    base = instance.weight * load.energy + delay_weight * waiting
    pull = np.sqrt(delay_weight * load.upload)
    slack = delay_weight * np.maximum(load.local - load.remote, 0.0)
    with np.errstate(over="ignore"):
        knee = np.divide(slack, pull, out=np.zeros_like(pull), where=uploads)
    return np.stack([base.T, pull.T, knee.T])
