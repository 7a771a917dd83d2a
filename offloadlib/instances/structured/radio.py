"""Radio links: from positions to rates.

A device and an offload point at distance d (metres) see the path loss of the log-distance model
(Rappaport, *Wireless Communications*, 2nd ed., section 4.9.1), which starts from free space at a
reference distance d0 (Friis, section 4.2):

    L(d) = 20 log10(4 pi d0 f / c) + 10 gamma log10(max(d, d0) / d0)        [dB]

With transmit power p, bandwidth B and thermal noise of -174 dBm/Hz, raised by the receiver's noise
figure F, the signal-to-noise ratio and Shannon's capacity are

    S/N = 10 log10(p / 1 mW) - L(d) - (-174 + 10 log10(B / 1 Hz) + F)       [dB]
    r   = B log2(1 + 10^((S/N)/10))                                         [bit/s]

The paper turns a device's distance L_m to its offload point into rates "by following [48]" without
saying how; this is how here. An instance stores the rates, so a solver never sees the radio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Floats, Ints
from ..errors import Problem
from .model import LOCAL

THERMAL_NOISE = -174.0
"""Thermal noise at 290 K, in dBm/Hz."""

LIGHT = 299.792458
"""Speed of light, in metres x MHz."""

DECIMALS = 6
"""Rates are kept to 1 bit/s, so that processors whose logarithms differ in the last bit agree."""


@dataclass(frozen=True, kw_only=True)
class Radio:
    """A radio network as in a city: one frequency-division pair of bands per offload point.

    With the defaults a device that sends with 1.5 mW gets 65 Mbit/s up and 95 Mbit/s down at 10 m,
    21 and 51 at 100 m, 1.4 and 20 at 500 m.

    Parameters
    ----------
    carrier
        Carrier frequency f in MHz (1800: LTE band 3).
    exponent
        Path-loss exponent gamma; 2 is free space, 2.7 to 3.5 cities (Rappaport, table 4.2).
    reference_distance
        d0 in metres; nearer devices are taken to be at d0.
    noise_figure
        Noise figure F of the receivers in dB.
    uplink_power
        Power in mW that devices transmit with; none: each device's own ``power.send``.
    downlink_power
        Power in mW that offload points transmit with (100 mW: a picocell).
    uplink_bandwidth, downlink_bandwidth
        Bandwidth B in MHz of either direction.
    """

    carrier: float = 1800.0
    exponent: float = 2.7
    reference_distance: float = 1.0
    noise_figure: float = 5.0
    uplink_power: float | None = None
    downlink_power: float = 100.0
    uplink_bandwidth: float = 5.0
    downlink_bandwidth: float = 5.0


def radio_problems(radio: Radio) -> Iterator[Problem]:
    """What is wrong with the parameters of a radio: (``radio.field``, what)."""
    for field in fields(radio):
        value = getattr(radio, field.name)
        if value is None and field.name == "uplink_power":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            yield f"radio.{field.name}", f"must be a finite number, not {value!r}"
        elif value <= 0 and field.name != "noise_figure":
            yield f"radio.{field.name}", f"must be positive, not {value!r}"


def path_loss(distance: ArrayLike, radio: Radio) -> Floats:
    """L(d) in dB for distances in metres, of any shape."""
    ratio = np.maximum(np.asarray(distance, np.float64) / radio.reference_distance, 1.0)
    free_space = 20 * math.log10(4 * math.pi * radio.reference_distance * radio.carrier / LIGHT)
    return np.asarray(free_space + 10 * radio.exponent * np.log10(ratio), np.float64)


def shannon_rate(power: ArrayLike, loss: ArrayLike, bandwidth: float, radio: Radio) -> Floats:
    """Rate in Mbit/s of a link.

    Parameters
    ----------
    power
        Transmit power in mW, 0 included; any shape that fits that of ``loss``.
    loss
        Path loss in dB.
    bandwidth
        B in MHz.
    radio
        Its noise figure counts.
    """
    noise = THERMAL_NOISE + 10 * math.log10(bandwidth * 1e6) + radio.noise_figure
    gain = 10.0 ** ((-np.asarray(loss, np.float64) - noise) / 10)
    return np.asarray(bandwidth * np.log2(1 + np.asarray(power, np.float64) * gain), np.float64)


def link_rates(distance: ArrayLike, send: ArrayLike, radio: Radio) -> tuple[Floats, Floats]:
    """Rates of the links between devices and their offload points.

    Parameters
    ----------
    distance
        Metres, of any shape.
    send
        The devices' ``power.send`` in mW: what they transmit with unless the radio says otherwise.
    radio
        The radio.

    Returns
    -------
    uplink, downlink
        Mbit/s, rounded to 1 bit/s and at least that, in the shape of ``distance``.
    """
    loss = path_loss(distance, radio)
    power = send if radio.uplink_power is None else radio.uplink_power
    uplink = shannon_rate(power, loss, radio.uplink_bandwidth, radio)
    downlink = shannon_rate(radio.downlink_power, loss, radio.downlink_bandwidth, radio)
    least = 10.0**-DECIMALS
    return np.maximum(uplink.round(DECIMALS), least), np.maximum(downlink.round(DECIMALS), least)


def nearest_points(points: Floats, devices: Floats, reach: float | None) -> tuple[Ints, Floats]:
    """Connect each device to the nearest offload point within reach.

    Where several offload points share a position, its devices take them in turn.

    Parameters
    ----------
    points
        (N, 2) metres.
    devices
        (M, 2) metres.
    reach
        Largest distance of a link in metres; none: no limit.

    Returns
    -------
    connected_to
        (M,) offload points, :data:`~.structured.model.LOCAL` for a device out of reach of all.
    distance
        (M,) metres to the nearest offload point, whether in reach or not.
    """
    spots, spot_of_point, crowd = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    from scipy.spatial import KDTree  # few need it, and it takes long to import

    distance, found = KDTree(spots).query(devices)
    spot = np.asarray(found, np.int64)
    by_spot = np.argsort(spot_of_point.ravel(), kind="stable")
    first = np.cumsum(crowd) - crowd
    connected_to = by_spot[first[spot] + _turns(spot) % crowd[spot]]
    if reach is not None:
        connected_to = np.where(distance <= reach, connected_to, LOCAL)
    return connected_to.astype(np.int64), np.asarray(distance, np.float64)


def _turns(keys: Ints) -> Ints:
    """How many earlier entries have the same key, for each entry."""
    order = np.argsort(keys, kind="stable")
    ranked = keys[order]
    turns = np.empty(len(keys), np.int64)
    turns[order] = np.arange(len(keys)) - np.searchsorted(ranked, ranked)
    return turns
