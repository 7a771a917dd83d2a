"""Certificates of structured instances: prices on limits and cuts; branches on places and numbers.

``docs/certificates.md`` says what they prove; :mod:`.proofs` has what they share with other kinds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, UNLIMITED, Instance
from offloadlib.instances.arrays import Floats

from ..proofs import nodes
from ..proofs.write import Record, decimals, write_proof
from .decomposition.pricing import Prices


@dataclass(frozen=True)
class Places:
    """A branch: a subtask of a device is at one of these places (``LOCAL`` or points), or not."""

    device: int
    subtask: int
    places: frozenset[int]


@dataclass(frozen=True)
class Count:
    """A branch: a device has at most so many subtasks at points as fast as this one, or more."""

    device: int
    point: int
    most: int


@dataclass(frozen=True)
class Cut:
    """A rounding cut: over all devices, the sum of floor((u + shift)/divisor) is at most
    floor((Q + all shifts)/divisor), where u subtasks are, and at most Q can be, at points as fast as this.

    Attributes
    ----------
    shifts
        By device; 0 for those that are missing.
    """

    point: int
    divisor: int
    shifts: Mapping[int, int]


@dataclass(frozen=True)
class Charged:
    """A leaf: prices on the limits, and below an enumeration also on cuts, by their numbers."""

    prices: Prices
    cuts: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate(nodes.Certificate[Charged]):
    """See :class:`.proofs.nodes.Certificate`.

    Attributes
    ----------
    cuts
        Those that prices below enumerations may be on.
    """

    cuts: Sequence[Cut] = ()


def rounded(prices: Prices) -> Prices:
    """Prices with 15 significant digits: exactly what the file will hold."""

    def shorten(values: Floats) -> Floats:
        return np.array([float(f"{max(value, 0.0):.15g}") for value in values.tolist()])

    return Prices(shorten(prices.capacity), shorten(prices.channels))


def write_certificate(certificate: Certificate, instance: Instance, path: str | Path) -> None:
    """Write a certificate; what was there stays if that fails.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    devices, points = instance.devices.ids, instance.points.ids
    limited = instance.points.channels != UNLIMITED

    def prices(leaf: Charged) -> Record:
        on = leaf.prices
        some = {
            "capacity": decimals(dict(zip(points, on.capacity.tolist(), strict=True))),
            "channels": decimals(
                dict(zip(points, np.where(limited, on.channels, 0.0).tolist(), strict=True))
            ),
            "cuts": decimals({str(i): price for i, price in leaf.cuts.items()}),
        }
        return {what: values for what, values in some.items() if values}

    def branch(at: Places | Count) -> Record:
        if isinstance(at, Count):
            return {"device": devices[at.device], "fast_as": points[at.point], "most": at.most}
        application = instance.applications[int(instance.devices.application[at.device])]
        names = [None if n == LOCAL else points[n] for n in sorted(at.places)]
        where: dict[str, Any] = {"place": names[0]} if len(names) == 1 else {"places": names}
        return {"device": devices[at.device], "subtask": application.subtasks[at.subtask], **where}

    cuts = [
        {
            "fast_as": points[cut.point],
            "divisor": cut.divisor,
            "shifts": {devices[m]: shift for m, shift in cut.shifts.items()},
        }
        for cut in certificate.cuts
    ]
    write_proof(certificate, instance, path, prices, branch, cuts)
