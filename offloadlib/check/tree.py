"""Certificates: the bound of a tree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

from .certificate import (
    Branch,
    Certificate,
    Enumeration,
    Leaf,
    TreeNode,
    below_enumerations,
    places_left,
)
from .data import LOCAL, ZERO, AnyInstance, HybridInstance, Instance
from .rooms.choices import FINE, Costs, Prices, bit_of, rounded_down, rounded_up
from .rooms.hybrid import hybrid_tree_bound
from .rooms.leaves import Bounder, Pattern
from .rooms.levels import Levels
from .rooms.limited import limited_tree_bound
from .rooms.patterns import Enumerated
from .rooms.series import Effort

Bound = Fraction | float  # exact, or infinite
_BEYOND = 30  # by 2^-this, relatively, leaves may prove more than the claim


class TreeBound(NamedTuple):
    """What a certificate proves.

    Attributes
    ----------
    value : Fraction or float
        A lower bound of the cost of every solution. Infinite: there is none, or (negative) nothing is proven.
    limited : list of str
        Applications for which it might be higher if the minimisation had no limit.
    open_leaves : sequence of str
        The leaves that are said to be infeasible and not proven to be, with what their prices prove.
    """

    value: Bound
    limited: list[str]
    open_leaves: Sequence[str] = ()


def tree_bound(instance: AnyInstance, certificate: Certificate) -> TreeBound:
    """Return what a certificate proves about an instance, whatever it claims.

    Parameters
    ----------
    instance : Instance or HybridInstance
        The instance.
    certificate : Certificate
        One without `certificate_faults`.

    Returns
    -------
    TreeBound
        The least bound of a leaf, rounded downwards.
    """
    if isinstance(instance, HybridInstance):
        return TreeBound(hybrid_tree_bound(instance, certificate), [])
    if certificate.version == 2:
        return TreeBound(*limited_tree_bound(instance, certificate))
    levels = Levels(instance)
    inside = below_enumerations(certificate.nodes)
    ends = [
        node
        for node, below in zip(certificate.nodes, inside, strict=True)
        if not below and isinstance(node, Leaf | Enumeration)
    ]
    prices = _shared_prices(instance, levels, ends)
    totals: list[int | None] = [-_charge(instance, *one) for one in zip(ends, prices, strict=True)]
    bounder = Bounder(instance)
    bits = {None: bit_of(LOCAL)} | {point.id: bit_of(n) for n, point in enumerate(instance.points)}
    claim = rounded_up(certificate.lower_bound)
    enough = claim + (abs(claim) >> _BEYOND)
    shares: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in ends]  # where there is an enumeration
    # Many leaves have the same prices, and leave a device the same places. The device that the branch above a
    # leaf is about comes last: of it no more is of interest than lets the leaf reach the claim, and a little.
    last = _branched_last(certificate.nodes, inside)
    known: dict[str, dict[tuple[Prices, tuple[int, ...]], int | None]] = {name: {} for name in last if name}
    for at_last in (False, True):
        for device in instance.devices:
            if at_last and device.id not in known:
                continue
            mine, costs = known.get(device.id, {}), Costs(instance, device)
            anywhere = (bit_of(LOCAL) if device.point is None else sum(bits.values()),) * len(device.work)
            position = {name: k for k, name in enumerate(device.application.subtasks)}
            for i, allowed in enumerate(places_left(certificate.nodes, device.id, anywhere, position, bits)):
                total, key = totals[i], (prices[i], allowed)
                if total is None or at_last != (last[i] == device.id):
                    continue
                most = enough - total if at_last else None
                value = mine[key] if key in mine else bounder.least(costs, *key, most)
                if value is None or most is None or value < most:
                    mine[key] = value
                totals[i] = None if value is None else total + value
                if value is not None and isinstance(ends[i], Enumeration):
                    shares[i].append((value, allowed))
    limited = set(bounder.limited)
    below = Enumerated(instance, levels, certificate)
    for i, node in enumerate(ends):
        total = totals[i]
        if total is None or total >= claim or not isinstance(node, Enumeration):
            continue
        patterns: list[list[Pattern]] = []
        effort = Effort()
        for device, (value, allowed) in zip(instance.devices, shares[i], strict=True):
            ceiling = claim - (total - value)
            costs = Costs(instance, device)
            found = bounder.patterns(costs, levels, prices[i], allowed, ceiling, effort)
            if found is None:
                limited.add(device.application.id)
                break
            patterns.append(found)
        else:
            totals[i] = below.bound(node.below, patterns)
    # All-local obeys the branches above some leaf: not all are infinite.
    least = min(total for total in totals if total is not None)
    return TreeBound(Fraction(least, 1 << FINE), sorted(limited))


def _branched_last(nodes: Sequence[TreeNode], inside: Sequence[bool]) -> list[str | None]:
    """Return for each leaf that is not below an enumeration, and each enumeration, the device that the branch
    right above it is about, None where there is none, or at an enumeration."""
    devices: dict[int, str] = {}
    last = []
    for i, (node, below) in enumerate(zip(nodes, inside, strict=True)):
        if isinstance(node, Branch):
            devices[node.equal] = devices[node.different] = node.device
        elif not below:
            last.append(devices.get(i) if isinstance(node, Leaf) else None)
    return last


def _shared_prices(instance: Instance, levels: Levels, ends: Iterable[Leaf | Enumeration]) -> list[Prices]:
    """Return the prices of each leaf, one object for equal ones, and those of each enumeration, raised."""
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], Prices] = {}
    result = []
    for end in ends:
        if isinstance(end, Enumeration):
            result.append(levels.raised(instance, end.leaf))
            continue
        capacity = tuple([rounded_down(end.capacity.get(point.id, ZERO)) for point in instance.points])
        channels = tuple([rounded_down(end.channels.get(point.id, ZERO)) for point in instance.points])
        if (capacity, channels) not in known:
            known[capacity, channels] = Prices(instance, capacity, channels)
        result.append(known[capacity, channels])
    return result


def _charge(instance: Instance, end: Leaf | Enumeration, prices: Prices) -> int:
    """Return prices times limits, rounded upwards since it is subtracted."""
    if isinstance(end, Enumeration):  # these prices are on the grid
        pairs = zip(prices.capacity, prices.channels, instance.points, strict=True)
        return sum(one * (point.capacity or 0) + other * (point.channels or 0) for one, other, point in pairs)
    return sum(
        rounded_up(end.capacity.get(point.id, ZERO) * (point.capacity or 0))
        + rounded_up(end.channels.get(point.id, ZERO) * (point.channels or 0))
        for point in instance.points
    )
