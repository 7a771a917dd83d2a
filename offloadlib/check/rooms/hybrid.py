"""Hybrid instances: exact costs, and the bound of a tree. docs/theory/hybrid.md has the mathematics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from ..certificate import Branch, Certificate, Count, Enumeration, Leaf, Refusal, UnitBranch, places_left
from ..data import ZERO, HybridDevice, HybridInstance
from .choices import FINE, rounded_down, rounded_up
from .series import TooLarge

HYBRID_PLACES: dict[str | None, int] = {None: 0, "edge": 1, "cloud": 2}
_MOST_LOADS = 100_000  # different loads of one device


class Load(NamedTuple):
    """What the places of a device's tasks mean for it, exactly."""

    local: Fraction  # L, in s
    upload: Fraction  # U, in Mbit
    remote: Fraction  # K, in s
    energy: Fraction  # E, in J


class Tariff:
    """The parameters of a hybrid instance as exact numbers.

    Attributes
    ----------
    delay_weight, bandwidth : Fraction
        rho and B.
    places : dict of str or None to int
        The places that there are.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        cycles, edge, cloud = Fraction(parameters["cycles"]), parameters["edge"], parameters.get("cloud")
        transmit = Fraction(parameters["transmit_energy"])
        self.delay_weight = Fraction(parameters["delay_weight"])
        self.bandwidth = Fraction(parameters["bandwidth"])
        self.places = {name: place for name, place in HYBRID_PLACES.items() if cloud or name != "cloud"}
        # For each place: seconds and joules of a Mbit.
        self._time = [Fraction(parameters["local_time"]), cycles / Fraction(edge["speed"])]
        self._energy = [Fraction(parameters["local_energy"]), transmit + Fraction(edge["price"])]
        if cloud:
            self._time.append(1 / Fraction(cloud["rate"]) + cycles / Fraction(cloud["speed"]))
            self._energy.append(transmit + Fraction(cloud["price"]))

    def load(self, sizes: Sequence[Fraction]) -> Load:
        """Return the load of the sizes at each place."""
        times = [time * size for time, size in zip(self._time, sizes, strict=True)]
        energy = sum([rate * size for rate, size in zip(self._energy, sizes, strict=True)], ZERO)
        return Load(times[0], sum(sizes[1:], ZERO), max(times[1:]), energy)


def hybrid_cost(tariff: Tariff, device: HybridDevice, places: Sequence[int], share: float) -> Fraction:
    """Return the exact cost of a device with a share of the uplink that is positive if it uploads."""
    sizes = [ZERO] * len(tariff.places)
    for size, place in zip(device.sizes, places, strict=True):
        sizes[place] += Fraction(size)
    load = tariff.load(sizes)
    upload = load.upload / Fraction(share) if load.upload else ZERO
    delay = max(load.local, upload + load.remote)
    return Fraction(device.weight) * (load.energy + tariff.delay_weight * delay)


def hybrid_faults(instance: HybridInstance, certificate: Certificate) -> list[str]:
    """Tell what keeps the branches and prices from being about the instance."""
    if certificate.version == 2:
        return ["it is of version 2, which a hybrid instance does not have"]
    faults = []
    devices = {device.id: device for device in instance.devices}
    places = Tariff(instance.parameters).places
    for i, node in enumerate(certificate.nodes):
        found = []
        if isinstance(node, Count | Enumeration | Refusal):
            found.append("patterns, which a hybrid instance does not have")
        elif isinstance(node, Leaf):
            if node.capacity or node.channels:
                found.append("a price on capacity or channels, which a hybrid instance does not have")
            if node.cuts:
                found.append("a price on cuts, which a hybrid instance does not have")
            if node.bandwidth is not None and node.bandwidth < 0:
                found.append("a negative price on bandwidth")
            if node.units is not None and certificate.units is None:
                found.append("a price on units, which are not given")
        elif isinstance(node, UnitBranch):
            if certificate.units is None:
                found.append("a branch on units, which are not given")
        else:
            device = devices.get(node.device)
            if device is None:
                found.append(f"unknown device {node.device!r}")
            elif type(node.subtask) is not int or not 0 <= node.subtask < len(device.sizes):
                found.append(f"unknown task {node.subtask!r} of device {node.device!r}")
            found += [f"unknown place {place!r}" for place in node.places if place not in places]
        faults += [f"nodes[{i}]: {fault}" for fault in found]
    if certificate.units is not None and (
        {name: len(units) for name, units in certificate.units.items()}
        != {device.id: len(device.sizes) for device in instance.devices}
    ):
        return [*faults, "units: are not one for each task of each device"]
    for device in instance.devices:
        units = _units_of(device, certificate)
        try:
            _loads_by_place(device, units, ((1 << len(places)) - 1,) * len(device.sizes))
        except TooLarge:
            faults.append(f"device {device.id!r} has more than {_MOST_LOADS} different loads to look at")
            break  # it takes long to find this out, and one is enough
    return faults


def _units_of(device: HybridDevice, certificate: Certificate) -> list[int]:
    """Return the units of a device's tasks, which are 0 where the certificate has none."""
    return [0] * len(device.sizes) if certificate.units is None else certificate.units[device.id]


def _loads_by_place(
    device: HybridDevice, units: Sequence[int], allowed: Sequence[int]
) -> set[tuple[int, tuple[Fraction, ...]]]:
    """Return the units and the sizes that a device can have at the places.

    Each task may be at some places (as bits). There is one of them for each decision, but equal ones are
    merged task by task: what they lack is the same.

    Raises
    ------
    TooLarge
        If there are too many.
    """
    found: set[tuple[int, tuple[Fraction, ...]]] = {(0, (ZERO, ZERO, ZERO))}
    for size, unit, places in zip(map(Fraction, device.sizes), units, allowed, strict=True):
        here = [place for place in HYBRID_PLACES.values() if places >> place & 1]
        found = {
            (count + unit * (p > 0), (*sizes[:p], sizes[p] + size, *sizes[p + 1 :]))
            for count, sizes in found
            for p in here
        }
        if len(found) > _MOST_LOADS:
            raise TooLarge
    return found


class Choice(NamedTuple):
    """What a load costs at any price on the bandwidth; numbers on the grid are rounded downwards.

    The share c costs most(c) = weight·(E + rho·max(L, U/c + K)) + price·c. Up to the knee, a price, the best
    share is the one with which the upload ends with the local execution, U/(L - K).
    """

    waiting: int  # weight·(E + rho·L) on the grid
    reach: Fraction  # U/(L - K), 0 without an upload
    knee: Fraction  # weight·rho·(L - K)^2/U; -1 where L <= K
    sending: int  # weight·(E + rho·K) on the grid
    pull: Fraction  # weight·rho·U

    def least(self, price: Fraction) -> int:
        """Return the least cost at a price, over all shares, on the grid or below."""
        if price <= self.knee or not self.pull:
            return self.waiting + rounded_down(price * self.reach)
        # The minimum of sending + pull/c + price·c is at c = sqrt(pull/price).
        square = 4 * price * self.pull
        return self.sending + math.isqrt((square.numerator << 2 * FINE) // square.denominator)


def _choice(tariff: Tariff, weight: Fraction, load: Load) -> Choice:
    rho = tariff.delay_weight
    pull, spare = weight * rho * load.upload, load.local - load.remote
    sending = rounded_down(weight * (load.energy + rho * load.remote))
    if not pull:
        waiting = rounded_down(weight * (load.energy + rho * max(load.local, load.remote)))
        return Choice(waiting, ZERO, ZERO, sending, ZERO)
    if spare <= 0:
        return Choice(0, ZERO, Fraction(-1), sending, pull)
    waiting = rounded_down(weight * (load.energy + rho * load.local))
    return Choice(waiting, load.upload / spare, weight * rho * spare**2 / load.upload, sending, pull)


def _unit_limits(certificate: Certificate) -> list[tuple[int, int]]:
    """Return for each leaf, in their order, the least and the greatest number of units that are uploaded."""
    left = {0: (0, sum(map(sum, (certificate.units or {}).values())))}
    result = []
    for i, node in enumerate(certificate.nodes):  # a parent stands before its children
        low, high = left.pop(i)
        if isinstance(node, Leaf):
            result.append((low, high))
            continue
        assert isinstance(node, Branch | UnitBranch)
        left[node.equal] = left[node.different] = low, high
        if isinstance(node, UnitBranch):
            left[node.equal] = low, min(high, node.units)
            left[node.different] = max(low, node.units + 1), high
    return result


def hybrid_tree_bound(instance: HybridInstance, certificate: Certificate) -> Fraction:
    """Return the least bound of a leaf, rounded downwards."""
    tariff = Tariff(instance.parameters)
    nodes = certificate.nodes
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    prices = [(leaf.bandwidth or ZERO, leaf.units or ZERO) for leaf in leaves]
    totals: list[int | None] = [
        None if low > high else -rounded_up(price * tariff.bandwidth + toll * (high if toll > 0 else low))
        for (price, toll), (low, high) in zip(prices, _unit_limits(certificate), strict=True)
    ]
    bits = {name: 1 << place for name, place in tariff.places.items()}
    position = {k: k for k in range(len(instance.devices[0].sizes))}
    branched = {node.device for node in nodes if isinstance(node, Branch)}
    for device in instance.devices:
        weight = Fraction(device.weight)
        anywhere = (sum(bits.values()),) * len(device.sizes)
        left = [anywhere] * len(prices)
        if device.id in branched:
            left = places_left(nodes, device.id, anywhere, position, bits)
        units = _units_of(device, certificate)
        leaves_with: dict[tuple[int, ...], list[int]] = {}
        for i, allowed in enumerate(left):
            if totals[i] is not None:
                leaves_with.setdefault(allowed, []).append(i)
        for allowed, mine in leaves_with.items():  # the loads can be many: those of one set at a time
            choices = [
                (count, _choice(tariff, weight, tariff.load(sizes[: len(bits)])))
                for count, sizes in _loads_by_place(device, units, allowed)
            ]
            known: dict[tuple[Fraction, Fraction], int | None] = {}
            for i in mine:
                if prices[i] not in known:
                    price, toll = prices[i]
                    values = [choice.least(price) + rounded_down(toll * count) for count, choice in choices]
                    known[prices[i]] = min(values, default=None)
                total, value = totals[i], known[prices[i]]
                totals[i] = None if total is None or value is None else total + value
    # All-local obeys the branches above some leaf: not all are infinite.
    return Fraction(min(total for total in totals if total is not None), 1 << FINE)
