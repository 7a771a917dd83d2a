"""A certificate with witnesses: for each device at each leaf the tree and the flows that bound it.

What an end proves is as :mod:`.check.core.witness` has it, here on the core's grid throughout, as sums of
fractions take long; what decisions cost is :mod:`.check.core.costs`. Nothing of this has to be believed: the
core of the checker, or whoever makes lines of it, works out what it proves.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from offloadlib.check.core import costs as exact
from offloadlib.check.core import tree, witness
from offloadlib.check.core.certificate import Branch as Division
from offloadlib.check.core.certificate import Certificate, Leaf
from offloadlib.check.core.forms import WHOLE
from offloadlib.check.core.reading import LOCAL, Device, Instance

from .branching import ENOUGH, EXACTLY, Allowed, Branching, End, Node, One, Progress, together
from .flows import flow
from .program import Waits
from .relaxation import LARGE, Arc, Count, Graph, PartCosts, Proposal, Taken

LIMITS = ("deadline", "budget", "largest")
"""Of a device's own, by the names of their prices in witnesses."""

HAIR = 1 << 40
"""On the grid: more than all roundings come to."""


def witnesses(
    instance: Instance,
    certificate: Certificate,
    waits: Waits,
    claim: Fraction,
    watch: Progress,
    known: Mapping[str, list[int]] = MappingProxyType({}),
) -> dict[str, dict[str, Any]]:
    """Witnesses for a certificate, by number of the node and name of the device.

    Parameters
    ----------
    instance, certificate
        As the core reads them.
    waits
        By application the arcs that matter for the order of its subtasks; the others get no flow.
    claim
        About what the instance costs.
    watch
        Is told about progress.
    known
        Good decisions, by name of the device.
    """
    found: dict[str, dict[str, Any]] = {}
    points = range(len(instance.points))
    gridded = [Gridded.of(instance, device, points) for device in instance.devices]
    done, whole = 0, len(instance.devices) * sum(isinstance(node, Leaf) for node in certificate.nodes)
    decisions = {m: known[device.id] for m, device in enumerate(instance.devices) if device.id in known}
    for number, node, left in tree.leaves(instance, certificate):
        needed = witness.down(node.charge + abs(claim)) + (1 << witness.FINE)
        of, total = found.setdefault(str(number), {}), witness.down(-node.charge)
        served: list[tuple[int, Shares, One]] = []
        for m, device in enumerate(instance.devices):
            places, may, counts = left[m]
            charges = Charges.of(instance, device, gridded[m], m, node)
            shares = Shares(
                instance, device, gridded[m], charges, counts, waits[device.application.id], needed
            )
            starts = [*shares.starts(places), *([decisions[m]] if m in decisions else [])]
            if all(places):
                otherwise = charges.refused if may else None
                search = Branching(shares.costs(), shares)
                served.append((m, shares, One(search, places, starts, needed, otherwise)))
            elif may:
                total += charges.refused
        if node.infeasible:
            trees = _above_0(served, total)
        else:
            wanted = witness.down(claim + abs(claim) / ENOUGH) + HAIR - total
            nodes = together([one for _, _, one in served], wanted)
            trees = {m: found_tree for (m, _, _), found_tree in zip(served, nodes, strict=True)}
        for m, shares, _ in served:
            if shares.best is not None:
                decisions[m] = shares.best
        of |= {
            instance.devices[m].id: written(instance, instance.devices[m], one) for m, one in trees.items()
        }
        done += len(instance.devices)
        watch(done, whole)
    return found


def _above_0(served: Sequence[tuple[int, Shares, One]], total: int) -> dict[int, Node]:
    """Trees of devices, by their numbers, that raise a total above 0, by a hair if at all; others do not
    lower it. First come those that may have no decision: they alone may prove it."""
    order = sorted(served, key=lambda one: any(one[1].cost(start) is not None for start in one[2].starts))
    for enough in (ENOUGH, EXACTLY):
        found, added = dict[int, Node](), total
        for m, _, one in order:
            if added > HAIR:
                break
            one.search.enough = enough
            found[m] = one.prove(0)
            added += one.value(found[m])
        if added > HAIR:
            break
    return found


class Gridded(NamedTuple):
    """What the parts of a device's task take, in seconds and mJ, and what a second, a mJ and each place cost
    the device itself, on the grid."""

    exact: exact.Parts
    at: Sequence[Mapping[int, tuple[int, int]]]
    up: Sequence[tuple[int, int]]
    down: Sequence[tuple[int, int]]
    own: tuple[int, int]
    fees: Sequence[Mapping[int, int]]

    @classmethod
    def of(cls, instance: Instance, device: Device, points: Collection[int]) -> Gridded:
        """That of a device that may use some points."""
        parts, weight = exact.parts_of(instance, device, points), Fraction(device.weight)
        fees = [dict.fromkeys(places, 0) for places in parts.at]
        for k, costs in enumerate(fees if instance.version > 1 else ()):
            costs |= {n: witness.down(weight * exact.fee(instance, device, k, n)) for n in costs}

        def both(pair: exact.Pair) -> tuple[int, int]:
            return witness.down(pair[0]), witness.down(pair[1])

        return cls(
            parts,
            [{n: both(pair) for n, pair in places.items()} for places in parts.at],
            list(map(both, parts.up)),
            list(map(both, parts.down)),
            both((weight * parts.second, weight * parts.millijoule)),
            fees,
        )


class Charges(NamedTuple):
    """What a device pays at a leaf, on the grid: for a second, for a mJ, for going on air, for being refused,
    and by subtask and place; and what it may cost itself."""

    second: int
    millijoule: int
    toll: int
    refused: int
    rest: Sequence[Mapping[int, int]]
    largest: Fraction | None

    @classmethod
    def of(cls, instance: Instance, device: Device, parts: Gridded, number: int, leaf: Leaf) -> Charges:
        """That of a device, whose number it is: :func:`.check.core.witness.charges_of`."""
        shares = {} if leaf.infeasible else leaf.shares
        share = Fraction(1) if shares is None else shares.get(number, exact.ZERO)
        top, bottom = share.numerator, share.denominator
        rest = [{n: fee * top // bottom for n, fee in fees.items()} for fees in parts.fees]
        for (n, resource), price in leaf.units.items():
            for k, costs in enumerate(rest):
                if n in costs and price:
                    costs[n] += witness.down(price * exact.demand(device, k, n, resource))
        station = "" if device.connected_to is None else instance.points[device.connected_to].id
        second, millijoule, toll = (
            witness.down(leaf.prices.get(key, exact.ZERO))
            for key in (("totals", "delay"), ("totals", "energy"), ("channels", station))
        )
        return cls(
            parts.own[0] * top // bottom + second,
            parts.own[1] * top // bottom + millijoule,
            toll,
            witness.down(share * Fraction(device.weight) * Fraction(device.rejection or 0.0)),
            rest,
            leaf.largest,
        )


class Shares:
    """The exact side of a search: :class:`.branching.Arithmetic`.

    Attributes
    ----------
    charges
        What the device pays.
    best
        The cheapest decision that was tried.
    """

    def __init__(
        self,
        instance: Instance,
        device: Device,
        parts: Gridded,
        charges: Charges,
        counts: Sequence[tuple[Division, int]],
        waits: Sequence[Arc],
        needed: int,
    ) -> None:
        self.charges, self._needed = charges, needed
        self._instance, self._device, self._parts = instance, device, parts
        limits = ("deadline", device.deadline), ("budget", device.energy_budget), ("largest", charges.largest)
        self._limits = {key: Fraction(limit) for key, limit in limits if limit is not None}
        self._task = Graph(
            device.application.order,
            device.application.edges,
            waits,
            [k for k, arcs in enumerate(device.application.out) if not arcs],
        )
        self._counts = [
            Count(branch.places, branch.most + side, -1 if side else 1) for branch, side in counts
        ]
        self.best: list[int] | None = None
        self._least: int | None = None

    def costs(self) -> PartCosts:
        """The device for its linear program, in multiples of the grid's unit."""
        charges, parts, unit = self.charges, self._parts, float(1 << witness.FINE)

        def taken(pair: tuple[int, int], rest: int = 0, fee: int = 0) -> Taken:
            paid, own = (rate * pair[1] >> witness.FINE for rate in (charges.millijoule, parts.own[1]))
            return Taken(pair[0] / unit, pair[1] / unit, float(paid + rest), (own + fee) / unit)

        deadline, budget, largest = (float(self._limits.get(key, math.inf)) for key in LIMITS)
        return PartCosts(
            self._task,
            [
                {n: taken(pair, charges.rest[k][n], parts.fees[k][n]) for n, pair in places.items()}
                for k, places in enumerate(parts.at)
            ],
            list(map(taken, parts.up)),
            list(map(taken, parts.down)),
            float(charges.second),
            float(charges.toll),
            deadline,
            budget,
            largest,
            parts.own[0] / unit,
            self._counts,
        )

    def starts(self, left: Allowed) -> list[list[int]]:
        """All-local, and each subtask where it is fastest."""
        at = self._parts.at
        return [
            [LOCAL] * len(left),
            [min(places, key=at[k].__getitem__, default=LOCAL) for k, places in enumerate(left)],
        ]

    def cost(self, places: Sequence[int]) -> int | None:
        """What a decision costs; None: it breaks a limit of the device's own, or a branch on a number."""
        charges, parts, edges = self.charges, self._parts, self._device.application.edges
        if any(amount > limit for _, limit, amount in self._own_limits(places)):
            return None
        if not all(count.holds(places) for count in self._counts):
            return None
        delays: list[Any] = [parts.at[k][n][0] for k, n in enumerate(places)]
        energy = sum(parts.at[k][n][1] for k, n in enumerate(places))
        for (j, k), up, down in zip(edges, parts.up, parts.down, strict=True):
            if (places[j] == LOCAL) != (places[k] == LOCAL):
                seconds, more = up if places[j] == LOCAL else down
                delays[k] += seconds
                energy += more
        delay = int(exact.heaviest_path(self._device.application, delays))
        found = charges.second * delay + charges.millijoule * energy >> witness.FINE
        found += sum(charges.rest[k][n] for k, n in enumerate(places))
        found += charges.toll if any(n != LOCAL for n in places) else 0
        if self._least is None or found < self._least:
            self._least, self.best = found, list(places)
        return found

    def end(self, allowed: Allowed, proposal: Proposal) -> End:
        """The shares that a proposal leads to."""
        if not all(allowed):
            return End(self._needed, {})
        record, through = self._record(proposal)
        if all(len(left) == 1 for left in allowed):
            record |= self._settled([min(left) for left in allowed])
        return End(self._bound(allowed, record, through), record)

    def _bound(self, left: Allowed, record: Mapping[str, Any], through: Sequence[int]) -> int:
        """What an end proves, with what flows through each subtask: see :mod:`.check.core.witness`."""
        edges, fine = self._device.application.edges, witness.FINE
        late, much, dear = (witness.down(Fraction(record.get(key, 0))) for key in LIMITS)
        charges, parts = self.charges, self._parts
        second = charges.second + late + (dear * parts.own[0] >> fine)
        millijoule = charges.millijoule + much + (dear * parts.own[1] >> fine)
        time = [second * flowing // WHOLE for flowing in through]

        def paid(k: int, pair: tuple[int, int]) -> int:
            return time[k] * pair[0] + millijoule * pair[1] >> fine

        costs = [
            {
                n: paid(k, parts.at[k][n]) + charges.rest[k][n] + (dear * parts.fees[k][n] >> fine)
                for n in {LOCAL, *places}
            }
            for k, places in enumerate(left)
        ]
        for a, share in enumerate(record.get("data", ())):
            j, k = edges[a]
            amount = share * paid(k, (parts.up if share > 0 else parts.down)[a]) // WHOLE
            costs[j][LOCAL] += amount
            costs[k][LOCAL] -= amount
        prices = dict(zip(LIMITS, (late, much, dear), strict=True))
        bound = -sum(math.ceil(prices[key] * limit) for key, limit in self._limits.items())
        for count, written_price in zip(self._counts, record.get("counts", ()), strict=False):
            price = count.sign * witness.down(Fraction(written_price))
            bound -= price * count.limit
            for at in costs:
                for n in at.keys() & count.places:
                    at[n] += price
        air = record.get("air") or [0] * len(left)
        for k, places in enumerate(left):
            toll = air[k] * charges.toll // WHOLE
            bound += min(costs[k][n] + (0 if n == LOCAL else toll) for n in places)
        return bound

    def _settled(self, places: Sequence[int]) -> dict[str, str]:
        """Prices with which a decision that breaks a limit, by however little, costs what is needed."""
        found = {}
        for key, limit, amount in self._own_limits(places):
            if amount > limit:
                price = Fraction(2 * self._needed, 1 << witness.FINE) / (amount - limit)
                found[key] = f"{math.ceil(price)}"
        return found

    def _own_limits(self, places: Sequence[int]) -> list[tuple[str, Fraction, Fraction]]:
        """Limits of the device's own, by the names of their prices, and what a decision takes, exactly."""
        if not self._limits:
            return []
        device, parts = self._device, self._parts.exact
        delay, energy = exact.spent(device, parts, places)
        taken = {"deadline": delay, "budget": energy}
        if "largest" in self._limits:
            taken["largest"] = exact.cost(self._instance, device, parts, places)
        return [(key, limit, taken[key]) for key, limit in self._limits.items()]

    def _record(self, proposal: Proposal) -> tuple[dict[str, Any], Sequence[int]]:
        """Shares as the file has them, and what flows through each subtask."""
        charges, task, parts, unit = self.charges, self._task, self._parts, float(1 << witness.FINE)
        record: dict[str, Any] = {}
        prices = dict.fromkeys(LIMITS, 0.0)
        for key, price in zip(LIMITS, (proposal.late, proposal.much, proposal.dear), strict=True):
            if key in self._limits and 0 < price / unit < math.inf:
                prices[key] = price / unit
                record[key] = repr(prices[key])
        last, then, through = flow(WHOLE, task, proposal)
        record["tails"] = [last.get(k, 0) for k in range(len(through))]
        record["edges"] = [then.get(arc, 0) for arc in task.edges]
        dear = prices["largest"]
        second = (charges.second + dear * parts.own[0]) / unit + prices["deadline"]
        millijoule = (charges.millijoule + dear * parts.own[1]) / unit + prices["budget"]
        data = []
        for a, ((_, k), amount) in enumerate(zip(task.edges, proposal.transfer, strict=False)):
            seconds, energy = (parts.up if amount > 0 else parts.down)[a]
            all_of_it = through[k] / WHOLE * second * seconds + millijoule * energy
            data.append(_share(amount, all_of_it))
        record["data"] = data
        air, left = [], WHOLE
        for amount in proposal.uses_air or ():
            air.append(min(max(_share(amount, float(charges.toll)), 0), left))
            left -= air[-1]
        record["air"] = air
        kept = {key: values for key, values in record.items() if type(values) is str or any(values)}
        if any(price > 0 for price in proposal.counts):
            kept["counts"] = [repr(max(price, 0.0) / unit) for price in proposal.counts]
        return kept, through


def _share(amount: float, whole: float) -> int:
    """A part of a whole, of either sign, in parts of :data:`WHOLE`."""
    if abs(amount) == LARGE:  # all of it, whatever it is
        return WHOLE if amount > 0 else -WHOLE
    if not whole > 0:
        return 0
    return int(WHOLE * min(max(amount / whole, -1.0), 1.0))


def written(instance: Instance, device: Device, node: Node) -> dict[str, Any]:
    """A device's tree as the file has it."""
    if isinstance(node, End):
        return dict(node.proof)
    names: list[str | None] = [*(point.id for point in instance.points), None]
    return {
        "subtask": list(device.application.subtasks)[node.subtask],
        "places": [names[n] for n in sorted(node.places)],
        "in": written(instance, device, node.inside),
        "out": written(instance, device, node.outside),
    }
