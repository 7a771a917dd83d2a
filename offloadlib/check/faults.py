"""Certificates: whether one is for an instance, and a tree."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from .certificate import (
    Branch,
    Certificate,
    Count,
    Cut,
    Enumeration,
    Leaf,
    Refusal,
    TreeNode,
    UnitBranch,
    below_enumerations,
    children_of,
)
from .data import AnyInstance, HybridInstance, OffloadPoint
from .parse import shown_as
from .rooms.hybrid import hybrid_faults
from .rooms.limited import branch_faults, cut_price_faults, limited_faults


def certificate_faults(instance: AnyInstance, certificate: Certificate) -> list[str]:
    """Tell what keeps the nodes from being a proof about the instance.

    Parameters
    ----------
    instance : Instance or HybridInstance
        The instance.
    certificate : Certificate
        The certificate; its claim and its fingerprint are not looked at.

    Returns
    -------
    list of str
        What is wrong with the tree, the branches and the prices.
    """
    faults = _tree_faults(certificate.nodes)
    if isinstance(instance, HybridInstance):
        return faults + hybrid_faults(instance, certificate)
    if certificate.version == 2:
        return faults + limited_faults(instance, certificate)
    if instance.version == 2:
        return [*faults, "it is of version 1, which does not know the limits of this instance"]
    devices = {device.id: device for device in instance.devices}
    points = {point.id: point for point in instance.points}
    faults += [
        f"cuts[{i}]: {fault}"
        for i, cut in enumerate(certificate.cuts)
        if isinstance(cut, Cut)
        for fault in _cut_faults(devices, points, cut)
    ]
    inside = below_enumerations(certificate.nodes)
    cuts = set(map(str, range(len(certificate.cuts))))
    for i, node in enumerate(certificate.nodes):
        if isinstance(node, Branch):
            found = [*branch_faults(devices, points, node)]
            if inside[i]:
                found.append("a branch on a subtask below an enumeration")
        elif isinstance(node, Count):
            found = [f"unknown device {node.device!r}"] if node.device not in devices else []
            found += [f"unknown offload point {node.point!r}"] if node.point not in points else []
            if not inside[i] and not certificate.witnessed:
                found.append("a branch on a number of subtasks that is not below an enumeration")
        elif isinstance(node, UnitBranch):
            found = ["a branch on units, which a structured instance does not have"]
        elif isinstance(node, Refusal):
            found = ["a branch on refusal, which only version 2 has"]
        else:
            leaf = node.leaf if isinstance(node, Enumeration) else node
            found = [*_price_faults(points, leaf)]
            found += cut_price_faults(cuts, leaf, inside[i])
        faults += [f"nodes[{i}]: {fault}" for fault in found]
    return faults


def _cut_faults(devices: Container[str], points: Container[str], cut: Cut) -> Iterator[str]:
    if cut.point not in points:
        yield f"unknown offload point {cut.point!r}"
    if cut.divisor < 1:
        yield "a divisor of 0"
    yield from (f"unknown device {name!r}" for name in cut.shifts if name not in devices)


def _tree_faults(nodes: Sequence[TreeNode]) -> list[str]:
    """Tell where the nodes are not one tree with the first one as its root.

    Where nothing is found every node but the first has one parent, which is earlier in the list: from
    anywhere the parents lead to the root, and the list may be read from the top down.
    """
    faults = []
    parents = [0] * len(nodes)
    for i, node in enumerate(nodes):
        for child in children_of(node):
            if i < child < len(nodes):
                parents[child] += 1
            else:
                faults.append(f"nodes[{i}]: its child {shown_as(child)} is not a later node")
    faults += [f"nodes[{i}]: has {count} parents" for i, count in enumerate(parents) if i and count != 1]
    return faults


def _price_faults(points: Mapping[str, OffloadPoint], leaf: Leaf) -> Iterator[str]:
    for what, prices in (("capacity", leaf.capacity), ("channels", leaf.channels)):
        for name, price in prices.items():
            if name not in points:
                yield f"a price on {what} of the unknown offload point {name!r}"
            elif what == "channels" and points[name].channels is None:
                yield f"a price on channels of {name!r}, which are not limited"
            if price < 0:
                yield f"a negative price on {what} of {name!r}"
    if leaf.bandwidth is not None or leaf.units is not None:
        what = "bandwidth" if leaf.bandwidth is not None else "units"
        yield f"a price on {what}, which a structured instance does not have"
