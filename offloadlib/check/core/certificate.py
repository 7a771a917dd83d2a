"""Certificates: a tree of branches, prices at its leaves, and a witness for each device at each leaf."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, NamedTuple

from . import forms
from .costs import ZERO
from .forms import insist
from .reading import SUBTASKS, Instance

Prices = Mapping[tuple[str, ...], Fraction]
"""Prices >= 0 by the names of limits, as `limits_of` has them."""


class Branch(NamedTuple):
    """On the first side a subtask of a device is at one of these places; or (`subtask` None) at most `most`
    of its subtasks are, or (without places) it is refused; on the second that is not so."""

    device: int
    subtask: int | None
    places: frozenset[int]
    sides: tuple[int, int]
    most: int


class Leaf(NamedTuple):
    """Prices, and from them those of a unit of a resource at an offload point and what all limits cost
    together; shares in the objective, the certificate's `largest`, and witnesses by device."""

    prices: Prices
    units: Mapping[tuple[int, str], Fraction]
    charge: Fraction
    shares: Mapping[int, Fraction] | None
    infeasible: bool
    largest: Fraction | None
    witnesses: Mapping[int, Any]


class Certificate(NamedTuple):
    """A claim, None meaning that there is no solution, and the tree that proves it; with `largest` that is
    about the solutions in which no device costs more, its weight included."""

    claim: Fraction | None
    nodes: list[Branch | Leaf]
    largest: Fraction | None = None


def limits_of(instance: Instance) -> dict[tuple[str, ...], Fraction]:
    """Return all limits that may have prices, by their names, with what there is."""
    rooms = [(point.id, *one) for point in instance.points for one in point.room.items()]
    limits: dict[tuple[str, ...], Fraction]
    limits = {("capacity", n) if r == SUBTASKS else ("resource", n, r): Fraction(q) for n, r, q in rooms}
    limits |= {("channels", n.id): Fraction(n.channels) for n in instance.points if n.channels is not None}
    limits |= {("limits", name): Fraction(limit.capacity) for name, limit in instance.limits.items()}
    return limits | {("totals", key): Fraction(cap) for key, cap in instance.totals.items()}


def units_of(instance: Instance, prices: Prices) -> Mapping[tuple[int, str], Fraction]:
    """Return the price of a unit of a resource at an offload point, its own limit's and those it shares."""
    units: dict[tuple[int, str], Fraction] = defaultdict(Fraction)
    for (what, name, *resource), price in prices.items():
        if what in ("capacity", "resource"):
            units[instance.places[name], resource[0] if resource else SUBTASKS] += price
        for n in instance.limits[name].points if what == "limits" else ():
            units[n, instance.limits[name].resource] += price
    return units


def read_certificate(path: forms.File, instance: Instance) -> Certificate:
    """Read a certificate. Its nodes are a tree: each but the first has one parent, which stands before it."""
    top = forms.CERTIFICATE(forms.load(path), str(path))
    insist(("claim" in top) != ("lower_bound" in top), str(path), "claims nothing, or two things")
    of_some = instance.objective == "sum" and "claim" not in top
    insist(of_some or "largest" not in top, "largest", "is of no use here")
    devices = {device.id: m for m, device in enumerate(instance.devices)}
    limits, nodes = limits_of(instance), list[Branch | Leaf]()
    parents = Counter[int]()
    for i, item in enumerate(top["nodes"]):
        where = f"nodes[{i}]"
        if type(item) is dict and "branch" in item:
            branch = _branch(item, where, instance, devices)
            insist(i < min(branch.sides), where, "has an earlier child")
            parents.update(branch.sides)
            nodes.append(branch)
        else:
            node = forms.LEAF(item, where)
            node |= {"infeasible": "claim" in top or "infeasible" in node, "largest": top.get("largest")}
            node["witnesses"] = top.get("witnesses", {}).get(str(i), {})
            nodes.append(_leaf(node, where, instance, limits, devices))
    insist(parents == Counter(range(1, len(nodes))) and nodes, "nodes", "are no tree")
    return Certificate(top.get("lower_bound"), nodes, top.get("largest"))


def _branch(item: Any, where: str, instance: Instance, devices: Mapping[str, int]) -> Branch:
    node, on = forms.BRANCH(item, where), item["branch"]
    parsers = {"refused": forms.REFUSAL, "most": forms.COUNT, "places": forms.SOME_PLACES}
    on = next((parsers[key] for key in parsers if key in on), forms.ONE_PLACE)(on, where)
    m = forms.known(on["device"], where, devices)
    k, places = None, frozenset[int]()
    insist("refused" not in on or instance.devices[m].rejection is not None, where, "must not be refused")
    if "most" in on:
        slowest = instance.points[forms.known(on["fast_as"], where, instance.places)].cpu
        places = frozenset(n for n, point in enumerate(instance.points) if point.cpu >= slowest)
    elif "refused" not in on:
        names = on["places"] if "places" in on else [on["place"]]
        insist(names, where, "names no places")
        places = frozenset(forms.known(place, where, instance.places) for place in names)
        k = forms.known(on["subtask"], where, instance.devices[m].application.subtasks)
    return Branch(m, k, places, (node["equal"], node["different"]), on.get("most", 0))


def _leaf(node: Any, where: str, instance: Instance, limits: Prices, devices: Mapping[str, int]) -> Leaf:
    of_resources = node["prices"].pop("resource", {}).items()
    prices: dict[tuple[str, ...], Fraction]
    prices = {(what, one): price for what, some in node["prices"].items() for one, price in some.items()}
    prices |= {("resource", n, r): price for n, some in of_resources for r, price in some.items()}
    insist(all(key in limits and price >= 0 for key, price in prices.items()), where, "has a wrong price")
    shares = None
    if instance.objective == "max" and not node["infeasible"]:
        shares = {forms.known(m, where, devices): one for m, one in node.get("shares", {}).items()}
        insist(min(shares.values(), default=-1) >= 0 and sum(shares.values()) == 1, where, "has wrong shares")
    charge = sum((price * limits[key] for key, price in prices.items()), ZERO)
    witnesses = {forms.known(device, where, devices): one for device, one in node["witnesses"].items()}
    more = node["infeasible"], node["largest"], witnesses
    return Leaf(prices, units_of(instance, prices), charge, shares, *more)
