"""What a certificate proves: the least over its leaves, where what devices cost at least is added up."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from .certificate import Branch, Certificate, Leaf
from .costs import MOST, Parts, demand, parts_of
from .forms import insist
from .reading import LOCAL, Device, Instance
from .witness import FINE, bounds_of, charges_of, down

Left = tuple[tuple[frozenset[int], ...], bool, tuple[tuple[Branch, int], ...]]
"""The places that branches leave to each subtask of a device, whether it may be refused, and the branches on
numbers, with their sides."""


def anything(instance: Instance, device: Device, largest: Fraction | None) -> Left:
    """Return what is left to a device without branches: places that are allowed, and where it fits alone."""
    refused = None if device.rejection is None else Fraction(device.weight) * Fraction(device.rejection)
    at = device.connected_to
    away = range(len(instance.points)) if at is not None and instance.points[at].channels != 0 else ()

    def fits(k: int, n: int) -> bool:
        rooms = [*instance.points[n].room.items()]
        rooms += [(limit.resource, limit.capacity) for limit in instance.limits.values() if n in limit.points]
        return all(demand(device, k, n, resource) <= room for resource, room in rooms)

    everywhere = [frozenset([LOCAL, *(n for n in away if fits(k, n))]) for k in range(len(device.work))]
    places = tuple(left & device.allowed.get(k, left) for k, left in enumerate(everywhere))
    return places, refused is not None and (largest is None or refused <= largest), ()


def divided(left: Left, node: Branch) -> tuple[Left, Left]:
    """Return what a branch on a device leaves to it on both sides: a refused one is at no place."""
    places, may, counts = left
    if node.subtask is None and node.places:
        return (places, may, (*counts, (node, 0))), (places, False, (*counts, (node, 1)))
    if node.subtask is None:
        return ((frozenset(),) * len(places), may, counts), (places, False, counts)
    k = node.subtask
    inside = (*places[:k], places[k] & node.places, *places[k + 1 :]), False, counts
    return inside, ((*places[:k], places[k] - node.places, *places[k + 1 :]), may, counts)


def bound(instance: Instance, certificate: Certificate) -> Fraction | None:
    """Return the lower bound that a certificate proves, whatever it claims; None: there is no solution."""
    bounds: list[int] = []
    size, points = sum(len(device.work) for device in instance.devices), range(len(instance.points))
    insist(size * len(points) <= MOST, "devices", "are too many for the core")
    parts = [parts_of(instance, device, points) for device in instance.devices]
    for number, leaf, left in leaves(instance, certificate):
        total = leaf_bound(instance, leaf, parts, left)
        if total is not None and leaf.infeasible:
            insist(total > 0, f"nodes[{number}]", "is not proven to be infeasible")
        elif total is not None:  # else some device has no decision left: no solution gets here
            bounds.append(total)
    return Fraction(min(bounds), 1 << FINE) if bounds else None


def leaves(instance: Instance, certificate: Certificate) -> Iterator[tuple[int, Leaf, list[Left]]]:
    """Yield the leaves with their numbers, and what the branches above them leave to the devices."""
    start = [anything(instance, device, certificate.largest) for device in instance.devices]
    pending: list[tuple[int, Any]] = [(0, None)]  # with the way there: the last branch, its side, the rest
    while pending:
        number, way = pending.pop()
        node = certificate.nodes[number]
        if isinstance(node, Branch):
            pending += [(child, (node, side, way)) for side, child in enumerate(node.sides)]
            continue
        left = list(start)
        while way:
            branch, side, way = way
            left[branch.device] = divided(left[branch.device], branch)[side]
        yield number, node, left


def leaf_bound(instance: Instance, leaf: Leaf, parts: list[Parts], left: list[Left]) -> int | None:
    """Return the bound of a leaf, on the grid: what all devices cost at least, less prices times limits."""
    total = down(-leaf.charge)
    for m, device in enumerate(instance.devices):
        places, may, counts = left[m]
        charges = charges_of(instance, device, parts[m], m, leaf)._replace(counts=counts)
        some = [charges.refused] * may
        some += bounds_of(instance, device, charges, places, leaf.witnesses.get(m))
        if not some:
            return None
        total += min(some)
    return total
