"""The inner problem: how the devices share the uplink once it is decided where every task runs.

Given L, U and K, what remains is the convex problem

    minimise sum_i weight_i rho max(L_i, U_i/c_i + K_i)   subject to   sum_i c_i <= B, c >= 0.

A device gains nothing from more than cap_i = U_i/(L_i - K_i), where its upload ends with its local
execution (no cap where L_i <= K_i). Below the cap its cost falls by weight_i rho U_i/c_i^2 per Mbit/s.
So, with one price lambda per Mbit/s, c_i = min(a_i s, cap_i), where a_i = sqrt(weight_i rho U_i) and
s = 1/sqrt(lambda): capped water-filling. The caps are given away where they fit into B (lambda = 0); else
sum_i min(a_i s, cap_i) = B. The left-hand side grows piecewise linearly in s, with a kink at
cap_i/a_i for each device, so that s follows from the sorted kinks without a search.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .cost import Loads, device_costs, loads
from .model import HybridInstance
from .solution import HybridSolution


def best_split(instance: HybridInstance, load: Loads) -> Floats:
    """The best shares of the uplink for one decision or for many.

    Parameters
    ----------
    instance
        The instance.
    load
        Of the decisions, (..., N).

    Returns
    -------
    ndarray
        (..., N) Mbit/s: 0 for a device that uploads nothing, in sum at most B in exact arithmetic.
    """
    return priced_split(instance, load)[0]


def priced_split(instance: HybridInstance, load: Loads) -> tuple[Floats, Floats]:
    """The best shares of the uplink, and what one more Mbit/s would save.

    Returns
    -------
    split
        As :func:`best_split`.
    price
        (...) the price lambda; 0 where the caps fit into the bandwidth.
    """
    bandwidth, devices = instance.parameters.bandwidth, instance.num_devices
    slope = np.sqrt(instance.weight * instance.parameters.rho * load.upload)
    sends = load.upload > 0
    free = load.local - load.remote
    with np.errstate(over="ignore"):  # a cap beyond all numbers is none
        cap = np.divide(load.upload, free, out=np.where(sends, np.inf, 0.0), where=sends & (free > 0))
        kink = np.divide(cap, slope, out=np.zeros_like(cap), where=sends)
    order = np.argsort(kink, axis=-1)
    caps, slopes, kinks = (np.take_along_axis(values, order, axis=-1) for values in (cap, slope, kink))
    # Up to a kink the devices before it have their caps, and the others get slope times s.
    given = np.zeros_like(caps)
    given[..., 1:] = np.cumsum(caps[..., :-1], axis=-1)
    rest = np.flip(np.cumsum(np.flip(slopes, axis=-1), axis=-1), axis=-1)
    position = (given + rest * kinks < bandwidth).sum(axis=-1, keepdims=True)
    at = np.minimum(position, devices - 1)

    def there(values: Floats, index: NDArray[np.integer]) -> Floats:
        found: Floats = np.take_along_axis(values, index, axis=-1)
        return found

    level = np.divide(
        bandwidth - there(given, at),
        there(rest, at),
        out=np.full(at.shape, np.inf),
        where=position < devices,
    )
    # It lies beyond the kink before, which rounding must not undo.
    level = np.maximum(level, np.where(at > 0, there(kinks, np.maximum(at - 1, 0)), 0.0))
    uncut = np.multiply(slope, level, out=np.zeros_like(slope), where=sends)
    return _within(np.minimum(uncut, cap), bandwidth), level[..., 0] ** -2.0


def _within(split: Floats, bandwidth: float) -> Floats:
    """Shares lowered by as much as rounding may have put them above the bandwidth."""
    # A computed sum of N shares, and each share scaled by it, are off by less than this in all.
    room = bandwidth * (1.0 - (split.shape[-1] + 4) * np.finfo(np.float64).eps)
    total = split.sum(axis=-1, keepdims=True)
    scaled: Floats = np.where(total > room, split * (room / np.where(total > 0, total, 1.0)), split)
    return scaled


def costs(instance: HybridInstance, places: NDArray[np.integer], sizes: Floats | None = None) -> Floats:
    """Q of each decision with its best split: (...) for (..., N, M) places, of its own sizes or of these."""
    load = loads(instance, places, sizes)
    totals: Floats = device_costs(instance, load, best_split(instance, load)).sum(axis=-1)
    return totals


def equal_split(instance: HybridInstance) -> Floats:
    """(N,) the same share for every device, whether it needs one or not."""
    devices, bandwidth = instance.num_devices, instance.parameters.bandwidth
    return _within(np.full(devices, bandwidth / devices), bandwidth)


def with_best_split(instance: HybridInstance, places: NDArray[np.integer]) -> HybridSolution:
    """The solution of (N, M) decisions with their best split."""
    load = loads(instance, places)
    return HybridSolution(places.astype(np.int8), best_split(instance, load))
