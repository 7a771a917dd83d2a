"""Certificates of lower bounds of hybrid instances: a tree of branches with one price at each leaf.

By weak duality a price on the uplink bounds the cost of every solution that obeys the branches above the
leaf (see ``docs/hybrid.md``); the independent checker verifies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from offloadlib.instances.hybrid import HybridInstance
from offloadlib.instances.hybrid.form import PLACES
from offloadlib.instances.structured.model import Ints

from ..structured.certificate import write_nodes

NAMES = {place: name for name, place in PLACES.items()}
"""What files call the places."""


@dataclass(frozen=True)
class Branch:
    """A task of a device, a place, and the nodes of the two cases."""

    device: int
    task: int
    place: int
    equal: int
    different: int


@dataclass(frozen=True)
class UnitBranch:
    """A number of units, and the nodes where at most so many are uploaded in all, and where more are."""

    units: int
    equal: int
    different: int


@dataclass(frozen=True)
class Leaf:
    """The price on the uplink, and the toll on each unit that is uploaded, which may be negative."""

    price: float
    toll: float


Node = Branch | UnitBranch | Leaf


@dataclass(frozen=True)
class Certificate:
    """A tree of branches with prices at its leaves, root first.

    Attributes
    ----------
    lower_bound
        The claim: the least bound of a leaf, lowered by a hair.
    nodes
        Each comes after its parent.
    units
        (N, M) what the tasks count, if there are branches on units.
    """

    lower_bound: float
    nodes: Sequence[Node]
    units: Ints | None = None


def write_certificate(certificate: Certificate, instance: HybridInstance, path: str | Path) -> None:
    """Write a certificate; what was there stays if that fails.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    nodes = [_node(instance, node) for node in certificate.nodes]
    more: dict[str, Any] = {}
    if any(isinstance(node, UnitBranch) for node in certificate.nodes) and certificate.units is not None:
        more["units"] = dict(zip(instance.devices, certificate.units.tolist(), strict=True))
    write_nodes(nodes, certificate.lower_bound, instance, path, **more)


def _node(instance: HybridInstance, node: Node) -> dict[str, Any]:
    if isinstance(node, Leaf):
        prices = {"bandwidth": node.price, "units": node.toll} if node.toll else {"bandwidth": node.price}
        return {"prices": {key: repr(float(price)) for key, price in prices.items()}}
    if isinstance(node, UnitBranch):
        return {"branch": {"units": node.units}, "equal": node.equal, "different": node.different}
    branch = {"device": instance.devices[node.device], "task": node.task, "place": NAMES[node.place]}
    return {"branch": branch, "equal": node.equal, "different": node.different}
