"""Certificates of lower bounds: writing what the independent checker verifies.

A certificate is a tree of branches with prices at its leaves; by weak duality each leaf's prices bound
the cost of every solution that obeys the branches above it (see ``docs/certificates.md``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, UNLIMITED, Instance, Problem
from offloadlib.instances.storage import replacing
from offloadlib.instances.structured.model import Floats

from .decomposition.pricing import Prices

SLACK = 1e-11
"""The claim is lowered by this much, relatively, to survive roundings here and in the checker."""


LONGEST = 100
"""Characters of a number in a certificate; the duals of linear programs can be as small as 1e-300."""


@dataclass(frozen=True)
class Branch:
    """A subtask of a device, places (``LOCAL`` or points), and the nodes of the two cases."""

    device: int
    subtask: int
    places: frozenset[int]
    equal: int
    different: int


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
    """Prices on the limits, and on cuts by their numbers."""

    prices: Prices
    cuts: Mapping[int, float]


@dataclass(frozen=True)
class Enumeration:
    """From here on the patterns that these prices leave below the claim take the place of decisions."""

    at: Charged
    below: int


@dataclass(frozen=True)
class Count:
    """A device and a point: at most so many subtasks at points as fast, or more."""

    device: int
    point: int
    most: int
    equal: int
    different: int


Vertex = Branch | Enumeration | Count | Prices | Charged
"""A node of a certificate's tree."""


@dataclass(frozen=True)
class Certificate:
    """A tree of branches with prices at its leaves, root first.

    Attributes
    ----------
    lower_bound
        The claim: the least bound of a leaf, lowered by a hair.
    nodes
        Each comes after its parent.
    cuts
        Those that prices below enumerations may be on.
    """

    lower_bound: float
    nodes: Sequence[Vertex]
    cuts: Sequence[Cut] = ()


def claim(bound: float) -> float:
    """A bound computed in floating point, lowered so that exact arithmetic confirms it."""
    return bound - SLACK * max(abs(bound), 1e-6)


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
    nodes = [_node(instance, node) for node in certificate.nodes]
    ids = instance.devices.ids
    cuts = [
        {
            "fast_as": instance.points.ids[cut.point],
            "divisor": cut.divisor,
            "shifts": {ids[m]: shift for m, shift in cut.shifts.items()},
        }
        for cut in certificate.cuts
    ]
    write_nodes(nodes, certificate.lower_bound, instance, path, cuts)


def write_nodes(
    nodes: Sequence[Mapping[str, Any]],
    lower_bound: float,
    instance: Problem,
    path: str | Path,
    cuts: Sequence[Mapping[str, Any]] = (),
    **more: Any,
) -> None:
    """Write the nodes of a certificate of an instance of any kind, a line each.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    header: dict[str, Any] = {
        "format": "offloadlib-certificate",
        "version": 1,
        "instance": {"name": instance.name, "sha256": instance.fingerprint},
        "lower_bound": _decimal(lower_bound, floor=True),
        **more,
    }
    text = json.dumps(header, indent=1)[:-2]
    for key, items in (("cuts", cuts), ("nodes", nodes)):
        if items:
            text += f',\n "{key}": [\n  ' + ",\n  ".join(map(json.dumps, items)) + "\n ]"
    text += "\n}\n"
    with replacing(path) as file:
        file.write(text.encode())


def _node(instance: Instance, node: Vertex) -> dict[str, Any]:
    if isinstance(node, Enumeration):
        return {"patterns": _node(instance, node.at)["prices"], "below": node.below}
    if isinstance(node, Charged):
        prices: dict[str, Any] = _node(instance, node.prices)["prices"]
        if node.cuts:
            prices["cuts"] = {str(i): _decimal(price) for i, price in node.cuts.items()}
        return {"prices": prices}
    if isinstance(node, Count):
        count = {
            "device": instance.devices.ids[node.device],
            "fast_as": instance.points.ids[node.point],
            "most": node.most,
        }
        return {"branch": count, "equal": node.equal, "different": node.different}
    if isinstance(node, Branch):
        m = node.device
        application = instance.applications[int(instance.devices.application[m])]
        names = [None if n == LOCAL else instance.points.ids[n] for n in sorted(node.places)]
        branch = {
            "device": instance.devices.ids[m],
            "subtask": application.subtasks[node.subtask],
            **({"place": names[0]} if len(names) == 1 else {"places": names}),
        }
        return {"branch": branch, "equal": node.equal, "different": node.different}
    limited = instance.points.channels != UNLIMITED
    prices = {
        "capacity": _nonzero(instance.points.ids, node.capacity),
        "channels": _nonzero(instance.points.ids, np.where(limited, node.channels, 0.0)),
    }
    return {"prices": {key: values for key, values in prices.items() if values}}


def _nonzero(ids: Sequence[str], values: Floats) -> dict[str, str]:
    return {name: _decimal(x) for name, x in zip(ids, values.tolist(), strict=True) if x > 0}


def _decimal(value: float, floor: bool = False) -> str:
    """Decimal digits, few enough for the checker; a claim is rounded downwards to 15 of them."""
    if floor:
        exact = Decimal(value)
        digits = Decimal(1).scaleb(exact.adjusted() - 14)
        return f"{exact.quantize(digits, rounding=ROUND_FLOOR):f}"
    plain = f"{Decimal(repr(value)):f}"
    return plain if len(plain) <= LONGEST else repr(value)
