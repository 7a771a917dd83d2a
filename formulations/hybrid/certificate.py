"""Certificates of lower bounds of hybrid instances: a tree of branches with one price at each leaf.

By weak duality a price on the uplink bounds the cost of every solution that obeys the branches above the
leaf (see ``docs/hybrid.md``); the independent checker verifies it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instances.hybrid import HybridInstance
from instances.hybrid.forms import PLACES

from ..certificate import write_nodes

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


Node = Branch | float
"""A branch, or a leaf: its price on the uplink."""


@dataclass(frozen=True)
class Certificate:
    """A tree of branches with prices at its leaves, root first.

    Attributes
    ----------
    lower_bound
        The claim: the least bound of a leaf, lowered by a hair.
    nodes
        Each comes after its parent.
    """

    lower_bound: float
    nodes: Sequence[Node]


def write_certificate(certificate: Certificate, instance: HybridInstance, path: str | Path) -> None:
    """Write a certificate; what was there stays if that fails.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    nodes = [_node(instance, node) for node in certificate.nodes]
    write_nodes(nodes, certificate.lower_bound, instance, path)


def _node(instance: HybridInstance, node: Node) -> dict[str, Any]:
    if not isinstance(node, Branch):
        return {"prices": {"bandwidth": repr(float(node))}}
    branch = {"device": instance.devices[node.device], "task": node.task, "place": NAMES[node.place]}
    return {"branch": branch, "equal": node.equal, "different": node.different}
