"""Certificates of structured instances: prices on limits and cuts; branches on places and numbers.

``docs/theory/certificates.md`` says what they prove; :mod:`.proofs` has what they share with other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, UNLIMITED, Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import Limits

from ..proofs import nodes
from ..proofs.write import DIGITS, Record, decimal, decimals, write_proof
from .decomposition.pricing import Prices


@dataclass(frozen=True)
class Places:
    """A branch: a subtask of a device is at one of these places (``LOCAL`` or points), or not."""

    device: int
    subtask: int
    places: frozenset[int]


@dataclass(frozen=True)
class Refused:
    """A branch: a device is refused, or served."""

    device: int


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
class KnapsackCut:
    r"""A cut on limits that devices share, of format 2: with one step of each device, or none, whose amounts
    add up to no more than the limits, the weights add up to at most ``most``.

    A decision weighs as much as the heaviest of its device's steps of whose amounts it uses all, so that

    .. math:: \sum_m \max \{ w_s : s \in S_m,\; a_s \le u_m \} \le \text{most}

    for all decisions that keep the limits. With one step a device and weights of 1 it is a cover inequality.

    Attributes
    ----------
    limits
        Their numbers (:class:`~.instances.structured.limits.Limits`).
    steps
        By device: amounts, one of each of the limits, and weight.
    most
        See above.
    """

    limits: tuple[int, ...]
    steps: Mapping[int, Sequence[tuple[tuple[float, ...], int]]]
    most: int


@dataclass(frozen=True)
class Charged:
    """A leaf: prices on the limits, and below an enumeration also on cuts, by their numbers."""

    prices: Prices
    cuts: Mapping[int, float] = field(default_factory=dict)


WHOLE = 10**15
"""What shares add up to."""


@dataclass(frozen=True, eq=False)
class Charge:
    """A leaf of format 2: what devices pay for their use of limits, and count in the objective.

    Attributes
    ----------
    prices
        (L,) on all limits (:class:`~.instances.structured.limits.Limits`).
    shares
        (M,) of the devices in the objective, in parts of :data:`WHOLE`, which they add up to; None: each
        device counts as it is (``sum``), or nothing is to be said of costs.
    infeasible
        Whether they prove that no solution gets there, whatever it costs.
    cuts
        Prices on cuts, by their numbers: below an enumeration alone.
    """

    prices: Floats
    shares: Ints | None = None
    infeasible: bool = False
    cuts: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Certificate(nodes.Certificate[Charged | Charge]):
    """See :class:`.proofs.nodes.Certificate`.

    Attributes
    ----------
    cuts
        Those that prices below enumerations may be on.
    largest
        The claim is about the solutions in which no device costs more, its weight included.
    """

    cuts: Sequence[Cut | KnapsackCut] = ()
    largest: float = math.inf


def rounded(prices: Prices) -> Prices:
    """Prices with 15 significant digits: exactly what the file will hold."""

    return Prices(shortened(prices.capacity), shortened(prices.channels))


def shortened(values: Floats) -> Floats:
    """Prices with 15 significant digits."""
    return np.array([float(f"{max(value, 0.0):.15g}") for value in values.tolist()])


def write_certificate(certificate: Certificate, instance: Instance, path: str | Path) -> None:
    """Write a certificate; what was there stays if that fails.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    devices, points = instance.devices.ids, instance.points.ids
    limited = instance.points.channels != UNLIMITED

    def prices(leaf: Charged | Charge) -> Record:
        if isinstance(leaf, Charge):
            on_cuts = decimals({str(i): price for i, price in leaf.cuts.items()})
            return _by_part(instance, leaf.prices) | ({"cuts": on_cuts} if on_cuts else {})
        on = leaf.prices
        some = {
            "capacity": decimals(dict(zip(points, on.capacity.tolist(), strict=True))),
            "channels": decimals(
                dict(zip(points, np.where(limited, on.channels, 0.0).tolist(), strict=True))
            ),
            "cuts": decimals({str(i): price for i, price in leaf.cuts.items()}),
        }
        return {what: values for what, values in some.items() if values}

    def beside(leaf: Charged | Charge) -> Record:
        if isinstance(leaf, Charge) and leaf.infeasible:
            return {"infeasible": True}
        if not isinstance(leaf, Charge) or leaf.shares is None:
            return {}
        some = {m: Decimal(share).scaleb(-DIGITS) for m, share in enumerate(leaf.shares.tolist()) if share}
        return {"shares": {devices[m]: f"{share.normalize():f}" for m, share in some.items()}}

    def branch(at: Places | Refused | Count) -> Record:
        if isinstance(at, Refused):
            return {"device": devices[at.device], "refused": True}
        if isinstance(at, Count):
            return {"device": devices[at.device], "fast_as": points[at.point], "most": at.most}
        application = instance.applications[int(instance.devices.application[at.device])]
        names = [None if n == LOCAL else points[n] for n in sorted(at.places)]
        where: dict[str, Any] = {"place": names[0]} if len(names) == 1 else {"places": names}
        return {"device": devices[at.device], "subtask": application.subtasks[at.subtask], **where}

    def cut_of(cut: Cut | KnapsackCut) -> Record:
        if isinstance(cut, KnapsackCut):
            names = Limits(instance).names
            steps = {
                devices[m]: [
                    {"amounts": list(map(decimal, amounts)), "weight": weight} for amounts, weight in some
                ]
                for m, some in cut.steps.items()
            }
            return {"limits": [names[i] for i in cut.limits], "steps": steps, "most": cut.most}
        shifts = {devices[m]: shift for m, shift in cut.shifts.items()}
        return {"fast_as": points[cut.point], "divisor": cut.divisor, "shifts": shifts}

    leaves = [node.at if isinstance(node, nodes.Enumeration) else node for node in certificate.nodes]
    charges = [leaf for leaf in leaves if isinstance(leaf, Charge)]
    priced = not charges or any(charge.cuts for charge in charges)  # a part of a tree may need none
    cuts = list(map(cut_of, certificate.cuts)) if priced else []
    header: Record = {}
    if math.isfinite(certificate.largest):  # which version 1 cannot say
        header = {"version": 2, "largest": decimal(certificate.largest)}
    write_proof(certificate, instance, path, prices, branch, cuts, beside, **header)


def _by_part(instance: Instance, prices: Floats) -> Record:
    """The positive ones of prices (L,) as a certificate of format 2 has them."""
    record: Record = {}
    for names, price in zip(Limits(instance).names, prices.tolist(), strict=True):
        if price > 0:
            part = record
            for name in names[:-1]:
                part = part.setdefault(name, {})
            part |= decimals({names[-1]: price})
    return record
