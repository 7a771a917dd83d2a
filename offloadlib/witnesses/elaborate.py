"""A certificate with witnesses: for each device at each leaf the tree and the flows that bound it.

All that is exact here is the core of the checker itself: :mod:`.check.core.witness` says what an end proves,
and what decisions cost is :mod:`.check.core.costs`. So nothing of this has to be believed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from offloadlib.check.core import costs as exact
from offloadlib.check.core import tree, witness
from offloadlib.check.core.certificate import Certificate, Leaf
from offloadlib.check.core.forms import WHOLE
from offloadlib.check.core.reading import LOCAL, Device, Instance

from .branching import ENOUGH, EXACTLY, Allowed, Branch, Branching, End, Node, Progress
from .flows import flow
from .relaxation import LARGE, Arc, Costs, Proposal, Taken, Task


def witnesses(
    instance: Instance, certificate: Certificate, waits: Waits, claim: Fraction, watch: Progress
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
    """
    found: dict[str, dict[str, Any]] = {}
    points = range(len(instance.points))
    parts = [exact.parts_of(instance, device, points) for device in instance.devices]
    done, whole = 0, len(instance.devices) * sum(isinstance(node, Leaf) for node in certificate.nodes)
    decisions: dict[int, list[int]] = {}
    for number, node, left in tree.leaves(instance, certificate):
        needed = witness.down(node.charge + abs(claim)) + (1 << witness.FINE)
        of, total = found.setdefault(str(number), {}), witness.down(-node.charge)
        served = []
        for m, device in enumerate(instance.devices):
            places, may = left[m]
            charges = witness.charges_of(instance, device, parts[m], m, node)
            shares = Shares(device, charges, waits[device.application.id], needed)
            starts = [*shares.starts(places), *([decisions[m]] if m in decisions else [])]
            if all(places):
                served.append((m, shares, places, starts, shares.charges.refused if may else None))
            elif may:
                total += shares.charges.refused
        if node.infeasible:  # first those that may have no decision: they alone may prove it
            served.sort(key=lambda one: any(one[1].cost(start) is not None for start in one[3]))
        apart = total
        for enough in (ENOUGH, EXACTLY) if node.infeasible else (ENOUGH,):
            if node.infeasible and total > 0:
                break
            total = apart  # it is above 0 by a hair, if at all
            for m, shares, places, starts, otherwise in served:
                if node.infeasible and total > 0:  # that is proven, and no device lowers it
                    break
                search = Branching(shares.costs(), shares, enough=enough)
                found_tree = search.prove((), places, starts, needed, otherwise)
                if shares.best is not None:
                    decisions[m] = shares.best
                total += found_tree.bound if otherwise is None else min(found_tree.bound, otherwise)
                of[instance.devices[m].id] = written(instance, instance.devices[m], found_tree)
                done = min(done + 1, whole)
                watch(done, whole)
    return found


Waits = Mapping[str, Sequence[Arc]]


class Shares:
    """The exact side of a search, by the core of the checker: :class:`.branching.Arithmetic`.

    Attributes
    ----------
    charges
        What the device pays.
    best
        The cheapest decision that was tried.
    """

    def __init__(self, device: Device, charges: witness.Charges, waits: Sequence[Arc], needed: int) -> None:
        self.charges, self._device, self._needed = charges, device, needed
        self._task = Task(
            device.application.order,
            device.application.edges,
            waits,
            [k for k, arcs in enumerate(device.application.out) if not arcs],
        )
        self.best: list[int] | None = None
        self._least: int | None = None

    def costs(self) -> Costs:
        """The device for its linear program, in multiples of the grid's unit."""
        charges, parts = self.charges, self.charges.parts
        unit = float(1 << witness.FINE)

        def taken(pair: exact.Pair, rest: Fraction, fee: Fraction) -> Taken:
            seconds, energy = pair
            paid, own = charges.millijoule * energy + rest, charges.own[1] * energy + fee
            return Taken(float(seconds), float(energy), float(paid) * unit, float(own))

        deadline, budget, largest = (
            math.inf if limit is None else float(limit)
            for limit in (self._device.deadline, self._device.energy_budget, charges.largest)
        )
        return Costs(
            self._task,
            [
                {n: taken(pair, charges.rest[k][n], charges.fees[k][n]) for n, pair in places.items()}
                for k, places in enumerate(parts.at)
            ],
            [taken(pair, exact.ZERO, exact.ZERO) for pair in parts.up],
            [taken(pair, exact.ZERO, exact.ZERO) for pair in parts.down],
            float(charges.second) * unit,
            float(charges.toll) * unit,
            deadline,
            budget,
            largest,
            float(charges.own[0]),
        )

    def starts(self, left: Allowed) -> list[list[int]]:
        """All-local, and each subtask where it is fastest."""
        at = self.charges.parts.at
        return [
            [LOCAL] * len(left),
            [min(places, key=at[k].__getitem__, default=LOCAL) for k, places in enumerate(left)],
        ]

    def cost(self, places: Sequence[int]) -> int | None:
        """What a decision costs; None: it breaks a limit of the device's own."""
        charges = self.charges
        delay, energy = exact.spent(self._device, charges.parts, places)
        if any(amount > limit for _, limit, amount in self._own_limits(places, (delay, energy))):
            return None
        rest = sum((charges.rest[k][n] for k, n in enumerate(places)), exact.ZERO)
        toll = charges.toll if any(n != LOCAL for n in places) else exact.ZERO
        found = witness.down(charges.second * delay + charges.millijoule * energy + rest + toll)
        if self._least is None or found < self._least:
            self._least, self.best = found, list(places)
        return found

    def end(self, branches: Sequence[Branch], allowed: Allowed, proposal: Proposal) -> End:
        """The shares that a proposal leads to."""
        if not all(allowed):
            return End(self._needed, {})
        record = self._record(proposal)
        if all(len(left) == 1 for left in allowed):
            record |= self._settled([min(left) for left in allowed])
        where = self._device.id
        return End(witness.end_bound(self._device, self.charges, tuple(allowed), record, where), record)

    def _settled(self, places: Sequence[int]) -> dict[str, str]:
        """Prices with which a decision that breaks a limit, by however little, costs what is needed."""
        charges, found = self.charges, {}
        for key, limit, amount in self._own_limits(places, exact.spent(self._device, charges.parts, places)):
            if amount > limit:
                price = Fraction(2 * self._needed, 1 << witness.FINE) / (amount - limit)
                found[key] = f"{math.ceil(price)}"
        return found

    def _own_limits(self, places: Sequence[int], taken: exact.Pair) -> list[tuple[str, Fraction, Fraction]]:
        """The limits of the device's own, by the names of their prices, and what a decision takes of each."""
        device, charges, (delay, energy) = self._device, self.charges, taken
        fees = sum((charges.fees[k][n] for k, n in enumerate(places)), exact.ZERO)
        limits = (
            ("deadline", device.deadline, delay),
            ("budget", device.energy_budget, energy),
            ("largest", charges.largest, charges.own[0] * delay + charges.own[1] * energy + fees),
        )
        return [(key, Fraction(limit), amount) for key, limit, amount in limits if limit is not None]

    def _record(self, proposal: Proposal) -> dict[str, Any]:
        charges, task = self.charges, self._task
        unit = float(1 << witness.FINE)
        record: dict[str, Any] = {}
        prices = {}
        for key, limit, price in (
            ("deadline", self._device.deadline, proposal.late),
            ("budget", self._device.energy_budget, proposal.much),
            ("largest", charges.largest, proposal.dear),
        ):
            prices[key] = price / unit if limit is not None and 0 < price / unit < math.inf else 0.0
            if prices[key]:
                record[key] = repr(prices[key])
        last, then, through = flow(WHOLE, task, proposal)
        record["tails"] = [last.get(k, 0) for k in range(len(through))]
        record["edges"] = [then.get(arc, 0) for arc in task.edges]
        dear = prices["largest"]
        second = float(charges.second) + prices["deadline"] + dear * float(charges.own[0])
        millijoule = float(charges.millijoule) + prices["budget"] + dear * float(charges.own[1])
        data = []
        for a, ((_, k), amount) in enumerate(zip(task.edges, proposal.transfer, strict=False)):
            seconds, energy = charges.parts.up[a] if amount > 0 else charges.parts.down[a]
            all_of_it = through[k] / WHOLE * second * float(seconds) + millijoule * float(energy)
            data.append(_share(amount, all_of_it * unit))
        record["data"] = data
        air, left = [], WHOLE
        for amount in proposal.uses_air or ():
            air.append(min(max(_share(amount, float(charges.toll) * unit), 0), left))
            left -= air[-1]
        record["air"] = air
        return {key: values for key, values in record.items() if type(values) is str or any(values)}


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
        "subtask": list(device.application.subtasks)[node.among.subtask],
        "places": [names[n] for n in sorted(node.among.places)],
        "in": written(instance, device, node.inside),
        "out": written(instance, device, node.outside),
    }
