"""Certificates of hybrid instances: a price on the uplink and a toll on units; branches on tasks and units.

``docs/theory/hybrid.md`` says what they prove; :mod:`.proofs` has what they share with other kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offloadlib.instances.arrays import Ints
from offloadlib.instances.hybrid import HybridInstance
from offloadlib.instances.hybrid.form import PLACES

from ..proofs import nodes
from ..proofs.write import Record, write_proof

NAMES = {place: name for name, place in PLACES.items()}
"""What files call the places."""


@dataclass(frozen=True)
class Place:
    """A branch: a task of a device is at a place, or not."""

    device: int
    task: int
    place: int


@dataclass(frozen=True)
class Units:
    """A branch: at most so many units are uploaded in all, or more."""

    most: int


@dataclass(frozen=True)
class Leaf:
    """The price on the uplink, and the toll on each unit that is uploaded, which may be negative."""

    price: float
    toll: float


@dataclass(frozen=True)
class Certificate(nodes.Certificate[Leaf]):
    """See :class:`.proofs.nodes.Certificate`.

    Attributes
    ----------
    units
        (N, M) what the tasks count, if there are branches on units.
    """

    units: Ints | None = None


def write_certificate(certificate: Certificate, instance: HybridInstance, path: str | Path) -> None:
    """Write a certificate; what was there stays if that fails.

    Raises
    ------
    InputError
        If the file cannot be written.
    """

    def prices(leaf: Leaf) -> Record:
        on = {"bandwidth": leaf.price, **({"units": leaf.toll} if leaf.toll else {})}
        return {what: repr(float(price)) for what, price in on.items()}

    def branch(at: Place | Units) -> Record:
        if isinstance(at, Units):
            return {"units": at.most}
        return {"device": instance.devices[at.device], "task": at.task, "place": NAMES[at.place]}

    head: dict[str, Any] = {}
    counted = any(
        isinstance(node, nodes.Divided) and isinstance(node.branch, Units) for node in certificate.nodes
    )
    if counted and certificate.units is not None:
        head["units"] = dict(zip(instance.devices, certificate.units.tolist(), strict=True))
    write_proof(certificate, instance, path, prices, branch, **head)
