"""Certificates of version 2: what they may say of an instance, and the bound of a tree.

docs/theory/certificates.md has the mathematics.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from fractions import Fraction

from ..certificate import (
    Branch,
    Certificate,
    Enumeration,
    KnapsackCut,
    Leaf,
    Refusal,
    TreeNode,
    below_enumerations,
    not_too_many,
)
from ..data import LOCAL, Device, Instance, OffloadPoint
from ..parse import shown_as
from .choices import FINE, bit_of, rounded_up
from .labels import Plan, always_kept
from .leaves import Bounder
from .listed import Effort, Lists, Row, cut_faults, limits_of
from .menu import Menu, Options, Rates, rates_of

Left = tuple[tuple[int, ...], bool]  # the places that branches leave to each subtask, and refusal


def branch_faults(
    devices: Mapping[str, Device], points: Container[str | None], node: Branch
) -> Iterator[str]:
    """Tell what a branch names that there is not."""
    device = devices.get(node.device)
    if device is None:
        yield f"unknown device {node.device!r}"
    elif node.subtask not in device.application.subtasks:
        yield f"unknown subtask {node.subtask!r} of device {node.device!r}"
    for place in node.places:
        if place is not None and place not in points:
            yield f"unknown offload point {place!r}"


def limited_faults(instance: Instance, certificate: Certificate) -> list[str]:
    """Tell what keeps branches, prices and shares from being about the instance."""
    devices = {device.id: device for device in instance.devices}
    points = {point.id: point for point in instance.points}
    faults = []
    if certificate.largest is not None and instance.objective == "max":
        faults.append("it is about solutions below a largest cost, which is the objective itself")
    limits, effort = limits_of(instance), Effort()
    for i, cut in enumerate(certificate.cuts):
        assert isinstance(cut, KnapsackCut)
        faults += [f"cuts[{i}]: {fault}" for fault in cut_faults(limits, devices, cut, effort)]
    cuts = set(map(str, range(len(certificate.cuts))))
    inside = below_enumerations(certificate.nodes)
    plain = instance.objective == "sum" and certificate.largest is None and not certificate.infeasible
    for i, node in enumerate(certificate.nodes):
        found: list[str] = []
        if isinstance(node, Branch):
            found += branch_faults(devices, points, node)
        elif isinstance(node, Refusal):
            if node.device not in devices:
                found.append(f"unknown device {node.device!r}")
            elif devices[node.device].terms.rejection is None:
                found.append(f"a branch on refusing device {node.device!r}, which must be served")
        elif isinstance(node, Enumeration):
            found += _price_faults(instance, points, node.leaf)
            found += cut_price_faults(cuts, node.leaf, inside[i])
            if not plain:
                found.append("an enumeration, which is for sums of costs alone")
        elif isinstance(node, Leaf):
            found += _price_faults(instance, points, node)
            found += cut_price_faults(cuts, node, inside[i])
            if inside[i] and node.infeasible:
                found.append("a leaf below an enumeration that is said to be infeasible")
            if not (node.infeasible or certificate.infeasible):
                found += _share_faults(instance, devices, node)
        faults += [f"nodes[{i}]: {fault}" for fault in found]
    return faults


def _price_faults(instance: Instance, points: Mapping[str, OffloadPoint], leaf: Leaf) -> Iterator[str]:
    limits = {limit.id for limit in instance.limits}
    for what, prices in (("capacity", leaf.capacity), ("channels", leaf.channels)):
        for name, price in prices.items():
            if name not in points:
                yield f"a price on {what} of the unknown offload point {name!r}"
            elif getattr(points[name], what) is None:
                yield f"a price on {what} of {name!r}, which is not limited"
            if price < 0:
                yield f"a negative price on {what} of {name!r}"
    for name, of_resources in leaf.resource.items():
        if name not in points:
            yield f"a price on resources of the unknown offload point {name!r}"
        for resource, price in of_resources.items():
            if name in points and resource not in points[name].room:
                yield f"a price on {resource!r} of {shown_as(name)}, which is not limited"
            if price < 0:
                yield f"a negative price on {resource!r} of {shown_as(name)}"
    for name, price in leaf.limits.items():
        if name not in limits:
            yield f"a price on the unknown limit {name!r}"
        if price < 0:
            yield f"a negative price on limit {name!r}"
    for name, price in leaf.totals.items():
        if name not in instance.totals:
            yield f"a price on the total {name}, which has no cap"
        if price < 0:
            yield f"a negative price on the total {name}"


def cut_price_faults(cuts: Container[str], leaf: Leaf, inside: bool) -> Iterator[str]:
    """Tell what is wrong with the prices of a leaf, or an enumeration, on cuts."""
    for name, price in leaf.cuts.items():
        if name not in cuts:
            yield f"a price on the unknown cut {name!r}"
        if price < 0:
            yield f"a negative price on cut {name!r}"
    if leaf.cuts and not inside:
        yield "a price on cuts that is not below an enumeration"


def _share_faults(instance: Instance, devices: Container[str], leaf: Leaf) -> Iterator[str]:
    if instance.objective == "sum":
        if leaf.shares:
            yield "shares, and the objective is a sum"
        return
    for name, share in leaf.shares.items():
        if name not in devices:
            yield f"a share of the unknown device {name!r}"
        if share < 0:
            yield f"a negative share of device {name!r}"
    total = sum(leaf.shares.values(), Fraction(0))
    if total != 1:
        yield f"the shares add up to {total}, not to 1"


def limited_tree_bound(
    instance: Instance, certificate: Certificate
) -> tuple[Fraction | float, list[str], list[str]]:
    """Return what a certificate proves: a bound, where it is limited, and the leaves that prove nothing."""
    nodes = certificate.nodes
    inside = below_enumerations(nodes)
    ends = [
        (i, node) for i, node in enumerate(nodes) if isinstance(node, Leaf | Enumeration) and not inside[i]
    ]
    leaves = [node.leaf if isinstance(node, Enumeration) else node for _, node in ends]
    hopeless = [certificate.infeasible or leaf.infeasible for leaf in leaves]
    rates = _shared_rates(instance, leaves, hopeless)
    totals: list[int | None] = [-one.charge for one in rates]
    below: list[list[tuple[int, Left]]] = [[] for _ in ends]  # of enumerations: what devices cost, by device
    bounder = _Bounder(instance)
    bits = {None: bit_of(LOCAL)} | {point.id: bit_of(n) for n, point in enumerate(instance.points)}
    for device in instance.devices:
        menu = Menu(instance, device, certificate.largest)
        known: dict[tuple[int, Left], int | None] = {}
        for i, left in enumerate(_left(nodes, menu, bits)):
            total, key = totals[i], (id(rates[i]), left)
            if total is None:
                continue
            if key not in known:
                known[key] = bounder.least(menu, rates[i], left)
            value = known[key]
            totals[i] = None if value is None else total + value
            if value is not None and isinstance(ends[i][1], Enumeration):
                below[i].append((value, left))
    _list_decisions(instance, certificate, [node for _, node in ends], rates, totals, below)
    limited = sorted(bounder.limited)
    unproven = [
        f"nodes[{number}] is not infeasible by {float(Fraction(total, 1 << FINE)):.3g} > 0"
        for (number, _), none, total in zip(ends, hopeless, totals, strict=True)
        if none and total is not None and total <= 0
    ]
    if unproven:
        return -math.inf, limited, unproven
    bounds = [total for none, total in zip(hopeless, totals, strict=True) if not none and total is not None]
    return (Fraction(min(bounds), 1 << FINE) if bounds else math.inf), limited, []


def _list_decisions(
    instance: Instance,
    certificate: Certificate,
    ends: Sequence[TreeNode],
    rates: Sequence[Rates],
    totals: list[int | None],
    below: Sequence[Sequence[tuple[int, Left]]],
) -> None:
    """Replace the bounds of enumerations that are below the claim by what is below them."""
    if not any(isinstance(node, Enumeration) for node in ends):
        return
    lists, claim = Lists(instance, certificate), rounded_up(certificate.lower_bound)
    for i, node in enumerate(ends):
        total = totals[i]
        if total is None or total >= claim or not isinstance(node, Enumeration):
            continue
        rows: list[list[Row]] = []
        for device, (value, (allowed, refusal)) in zip(instance.devices, below[i], strict=True):
            ceiling = claim - (total - value)
            rows.append(lists.rows(Menu(instance, device), rates[i], allowed, refusal, ceiling))
        totals[i] = lists.bound(node.below, rows, total)


def _shared_rates(instance: Instance, leaves: Sequence[Leaf], hopeless: Sequence[bool]) -> list[Rates]:
    """Return the prices of each leaf, one object for equal ones that follow each other."""
    rates: list[Rates] = []
    for i, (leaf, none) in enumerate(zip(leaves, hopeless, strict=True)):
        if i and leaf == leaves[i - 1] and none == hopeless[i - 1]:
            rates.append(rates[-1])
        else:
            rates.append(rates_of(instance, leaf, costs=not none))
    return rates


def _left(nodes: Sequence[TreeNode], menu: Menu, bits: Mapping[str | None, int]) -> Iterator[Left]:
    """Yield for each leaf what the branches leave to a device: a refused one is at no place."""
    device = menu.device
    position = {name: k for k, name in enumerate(device.application.subtasks)}
    everything: Left = (menu.possible, menu.may_refuse)
    nowhere = (0,) * len(position)
    not_too_many(nodes, device.id, len(position))
    left = {0: everything}
    for i, node in enumerate(nodes):  # a parent stands before its children
        if i not in left:
            continue  # below an enumeration
        allowed, refusal = left.pop(i)
        if isinstance(node, Leaf | Enumeration):
            yield allowed, refusal
        elif isinstance(node, Branch | Refusal):
            left[node.equal] = left[node.different] = allowed, refusal
            if node.device != device.id:
                continue
            if isinstance(node, Refusal):
                left[node.equal] = nowhere, refusal
                left[node.different] = allowed, False
                continue
            k = position[str(node.subtask)]
            places = 0
            for name in node.places:
                places |= bits[name]
            left[node.equal] = (*allowed[:k], allowed[k] & places, *allowed[k + 1 :]), False
            left[node.different] = (*allowed[:k], allowed[k] & ~places, *allowed[k + 1 :]), refusal


class _Bounder:
    """The least costs of devices, with what is prepared once for each application."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._free = Bounder(instance)
        self._plans = {application.id: Plan(application) for application in instance.applications}
        self._limited: set[str] = set()

    @property
    def limited(self) -> set[str]:
        """The applications of devices whose least cost may be higher than what was returned."""
        return self._limited | set(self._free.limited)

    def least(self, menu: Menu, rates: Rates, left: Left) -> int | None:
        """Return the least cost with prices of a device, refused or served; None where neither may be."""
        allowed, refusal = left
        served = self._served(menu, rates, allowed) if all(allowed) else None
        refused = menu.refused(rates) if refusal else None
        return min((cost for cost in (served, refused) if cost is not None), default=None)

    def _served(self, menu: Menu, rates: Rates, allowed: Sequence[int]) -> int | None:
        device = menu.device
        options = menu.options(rates, allowed)
        channel = 0 if device.point is None else rates.channels[device.point]
        least = self._within(device, options)
        if least is None or not channel:
            return least
        # Who offloads anything pays for the channel. All-local, if allowed, is cheaper than if it did.
        alone = [(stay, options.of_subtasks[k][1][:0]) for k, (stay, _) in enumerate(options.of_subtasks)]
        local = self._within(device, options._replace(of_subtasks=alone))
        return least + channel if local is None else min(least + channel, local)

    def _within(self, device: Device, options: Options) -> int | None:
        """Return the least cost within the device's limits."""
        if not all(stay or leave for stay, leave in options.of_subtasks):
            return None
        plan = self._plans[device.application.id]
        if options.unlimited or always_kept(plan, options):
            return self._unlimited(device, options)
        least, sure = plan.least(options)
        if sure or least is None:
            return least
        # Both are lower bounds.
        self._limited.add(device.application.id)
        return max(least, self._unlimited(device, options))

    def _unlimited(self, device: Device, options: Options) -> int:
        moves, arcs, apart = options.moves()
        least = self._free.unlimited(device.application.id, moves, arcs)
        assert least is not None
        return least + apart
