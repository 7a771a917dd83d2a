"""What a device costs at least at a leaf: a witness is a tree, and at each of its ends a flow proves a
bound.

An end may say anything: every flow bounds every decision. So a mistake of whoever made it can only make
the bound too low. With shares in parts of `WHOLE`, let y_k be the flow through subtask k, at most what
leaves it towards the end of the task, where WHOLE is divided among the tails. No set of paths with these
shares is heavier than the heaviest path, so

    WHOLE * delay >= sum of y_k * (time of subtask k),

and with T as the cost of a second of delay a decision costs at least the sum over the subtasks of
y_k/WHOLE * T * (time) and the rest of what its place costs, and over the arcs of what sending or receiving
then costs. Let u and v be these two costs of an arc (j, k), and -v <= g <= u. If its data is sent, j is
local and k is not, if it is received the other way round; so what the arc costs is at least g * ([j local]
- [k local]). Likewise a price t of going on air is at least the sum of h_k * [k not local] for h_k >= 0
that add up to t or less. That makes the bound a sum over the subtasks, each at the cheapest place that is
left to it.

Branches on numbers are dealt with by prices, too: where at most q of the subtasks are at some places each
of these is dearer by c >= 0, and the bound less by c * q; where it is at least q, the other way round.

A deadline D is dealt with by a price d >= 0 on delay: a decision in time costs at least what it does with
T + d in place of T, less d * D. An energy budget likewise, and a largest cost with a price on what the device
costs by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from . import forms
from .certificate import Branch, Leaf
from .costs import ZERO, Pair, Parts, demand, fee
from .forms import WHOLE, insist
from .reading import LOCAL, Device, Instance

FINE = 200
"""Costs are multiples of 2^-FINE, rounded downwards; that is a lower bound as well, for all else is exact."""


def down(value: Fraction) -> int:
    """Round downwards to a multiple of 2^-FINE."""
    return (value.numerator << FINE) // value.denominator


class Charges(NamedTuple):
    """What a device pays at a leaf: for a second, for a mJ, for going on air, for being refused on the grid,
    and besides, by subtask and place, in fees and prices; by itself it pays `own` for a second and for a mJ,
    and `fees`, and may pay at most `largest`. `counts` are branches on numbers of its subtasks, from the
    leaf up, with their sides."""

    parts: Parts
    own: Pair
    fees: list[dict[int, Fraction]]
    largest: Fraction | None
    second: Fraction
    millijoule: Fraction
    toll: Fraction
    refused: int
    rest: list[dict[int, Fraction]]
    counts: Sequence[tuple[Branch, int]] = ()


def charges_of(instance: Instance, device: Device, parts: Parts, number: int, leaf: Leaf) -> Charges:
    """Return what a device, whose number it is, pays for its parts at the prices of a leaf."""
    shares, weight = {} if leaf.infeasible else leaf.shares, Fraction(device.weight)
    share = Fraction(1) if shares is None else shares.get(number, ZERO)
    fees = [{n: weight * fee(instance, device, k, n) for n in places} for k, places in enumerate(parts.at)]
    own, prices, rest = (weight * parts.second, weight * parts.millijoule), leaf.prices, []
    for k, places in enumerate(parts.at):
        rest.append({n: share * paid for n, paid in fees[k].items()})
        for (n, resource), price in leaf.units.items():
            if n in places:  # of a device without a connection it is none
                rest[k][n] += price * demand(device, k, n, resource)
    station = "" if device.connected_to is None else instance.points[device.connected_to].id
    second = share * own[0] + prices.get(("totals", "delay"), ZERO)
    millijoule = share * own[1] + prices.get(("totals", "energy"), ZERO)
    toll, refused = prices.get(("channels", station), ZERO), weight * Fraction(device.rejection or 0.0)
    return Charges(parts, own, fees, leaf.largest, second, millijoule, toll, down(share * refused), rest)


Left = Sequence[frozenset[int]]


def bounds_of(instance: Instance, device: Device, charges: Charges, left: Left, witness: Any) -> list[int]:
    """Return what serving a device costs at least in each part of its decisions, on the grid."""
    where = f"witness of {device.id}"
    bounds = []
    pending = [(witness, tuple(left))]
    while pending:
        tree, left = pending.pop()
        if type(tree) is dict and "in" in tree:
            node = forms.FORK(tree, where)
            k = forms.known(node["subtask"], where, device.application.subtasks)
            places = frozenset(forms.known(place, where, instance.places) for place in node["places"])
            pending.append((node["in"], (*left[:k], left[k] & places, *left[k + 1 :])))
            pending.append((node["out"], (*left[:k], left[k] - places, *left[k + 1 :])))
        elif all(left):
            bounds.append(end_bound(device, charges, left, tree, where))
    return bounds


def end_bound(device: Device, charges: Charges, left: Left, end: Any, where: str) -> int:
    """Return the bound of an end: see above."""
    record, edges = forms.END(end or {}, where), device.application.edges
    flow, data = (_shares(record, key, len(edges), where) for key in ("edges", "data"))
    tails, air = (_shares(record, key, len(left), where) for key in ("tails", "air"))
    insist(min([0, *flow, *tails, *air]) == 0, where, "a negative share")
    insist(sum(tails) <= WHOLE and sum(air) <= WHOLE, where, "shares above the whole")
    most, owed = (device.deadline, device.energy_budget, charges.largest), ZERO
    late, much, dear = (record.get(key, ZERO) for key in ("deadline", "budget", "largest"))
    for price, limit in zip((late, much, dear), most, strict=True):
        insist(price >= 0 and (not price or limit is not None), where, "a price on what has no limit")
        owed += price * Fraction(limit or 0)
    more, prices = defaultdict[int, Fraction](Fraction), _shares(record, "counts", len(charges.counts), where)
    for (branch, side), price in zip(charges.counts, prices, strict=True):
        insist(price >= 0, where, "a negative price")
        price, limit = (-price, branch.most + 1) if side else (price, branch.most)
        owed += price * limit
        more |= {n: more[n] + price for n in branch.places}
    second = charges.second + late + dear * charges.own[0]
    millijoule = charges.millijoule + much + dear * charges.own[1]
    through = [0] * len(left)
    for k in reversed(device.application.order):
        arcs_in, arcs_out = device.application.into[k], device.application.out[k]
        insist(not (tails[k] and arcs_out), where, "a share of no tail")
        out, into = tails[k] + sum(flow[a] for a in arcs_out), sum(flow[a] for a in arcs_in)
        insist(into <= out, where, "more flows into a subtask than out of it")
        through[k] = into if arcs_in else out
    costs: list[dict[int, int]] = []
    for k, (places, rest, fees) in enumerate(zip(left, charges.rest, charges.fees, strict=True)):
        time = Fraction(through[k], WHOLE) * second
        taken = {n: charges.parts.at[k][n] for n in {LOCAL, *places}}
        paid = {n: time * s + millijoule * mj + rest[n] + dear * fees[n] for n, (s, mj) in taken.items()}
        costs.append({n: down(value + more[n]) for n, value in paid.items()})
    for (j, k), part, up, back in zip(edges, data, charges.parts.up, charges.parts.down, strict=True):
        seconds, energy = up if part > 0 else back
        amount = Fraction(through[k], WHOLE) * second * seconds + millijoule * energy
        arc = Fraction(part, WHOLE) * amount  # between what receiving costs, taken negatively, and sending
        costs[j][LOCAL] += down(arc)
        costs[k][LOCAL] += down(-arc)
    bound = down(-owed)
    for k, places in enumerate(left):
        toll = down(Fraction(air[k], WHOLE) * charges.toll)
        bound += min(costs[k][n] + (0 if n == LOCAL else toll) for n in places)
    return bound


def _shares(record: dict[str, Any], key: str, count: int, where: str) -> list[Any]:
    """Return so many numbers; none at all are zeros."""
    found = record.get(key) or [0] * count
    insist(len(found) == count, where, f"{key} are not {count} numbers")
    return list(found)
