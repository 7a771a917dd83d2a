"""The rules, one function each, and the cases that they are applied to."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from .certificate import Certificate, Leaf
from .data import (
    LOCAL,
    TOLERANCE,
    AnyInstance,
    Device,
    HybridDevice,
    HybridInstance,
    Instance,
    Ratio,
    Solution,
)
from .exact import Total, device_cost
from .faults import certificate_faults
from .parse import shown_as
from .rooms.hybrid import Tariff, hybrid_cost
from .tree import TreeBound


@dataclass(frozen=True)
class Rule:
    """The outcome of one rule: its name, whether it holds, and what was found."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check.

    Attributes
    ----------
    accepted : bool
        Whether every rule holds.
    rules : tuple of Rule
        The rules that were applied.
    objective : float
        The exact cost, rounded to the nearest binary64 number; NaN where the decisions have no cost.
    certified_bound : float or None
        The lower bound that a certificate proves, rounded downwards; None where none was accepted.
    certified_gap : float or None
        (cost - certified bound)/cost, in exact arithmetic, rounded upwards; None without a certified bound
        or a feasible solution.
    """

    accepted: bool
    rules: tuple[Rule, ...]
    objective: float
    certified_bound: float | None = None
    certified_gap: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it (a number that is not finite becomes None)."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


class Case(ABC):
    """A solution beside the instance that it is said to solve.

    Attributes
    ----------
    places : list of list of int
        For each device of the instance the places of its subtasks.
    misfits : list of str
        Where the decisions do not fit the instance; `places` has a meaning only if there are none.
    """

    def __init__(self, instance: AnyInstance, solution: Solution) -> None:
        self.instance: AnyInstance = instance
        self.solution = solution
        self.places: list[list[int]] = []
        self.misfits: list[str] = []

    def _decide(
        self, index: Mapping[str | None, int], counts: Mapping[str, int], what: str, kind: str
    ) -> None:
        """Fill in places and misfits.

        `index` has the known places, `counts` the subtasks of each device; the rest is for messages.
        """
        for device, count in counts.items():
            chosen = self.solution.decisions.get(device)
            if chosen is None:
                self.misfits.append(f"device {device!r} has no decision")
                continue
            if len(chosen) != count:
                self.misfits.append(f"device {device!r} has {len(chosen)} places for {count} {what}")
            unknown = [place for place in chosen if place not in index]
            self.misfits += [f"device {device!r}: unknown {kind} {place!r}" for place in unknown]
            if not unknown:
                self.places.append([index[place] for place in chosen])
        strangers = self.solution.decisions.keys() - counts.keys()
        self.misfits += [f"unknown device {device!r}" for device in sorted(strangers)]

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the instance."""
        return self.instance.fingerprint()

    @abstractmethod
    def limits(self) -> list[Rule]:
        """Apply the rules about what is shared; the decisions fit."""

    @property
    @abstractmethod
    def has_cost(self) -> bool:
        """Whether the decisions have a cost."""

    @property
    @abstractmethod
    def feasible(self) -> bool:
        """Whether the decisions keep all limits."""

    @property
    @abstractmethod
    def total(self) -> Total:
        """The exact cost."""

    @cached_property
    def objective(self) -> float:
        """The exact cost, rounded to the nearest binary64 number."""
        return self.total.settle(float)


class StructuredCase(Case):
    """A solution of a structured instance."""

    instance: Instance

    def __init__(self, instance: Instance, solution: Solution) -> None:
        super().__init__(instance, solution)
        index: dict[str | None, int] = {point.id: n for n, point in enumerate(instance.points)}
        index[None] = LOCAL
        counts = {device.id: len(device.work) for device in instance.devices}
        self._decide(index, counts, "subtasks", "offload point")
        if solution.split is not None:
            self.misfits.append("a split of the uplink, which only a hybrid instance has")

    def limits(self) -> list[Rule]:
        """Apply the rules about connections, capacities and channels."""
        return [rule_connections(self), rule_capacity(self), rule_channels(self)]

    @cached_property
    def has_cost(self) -> bool:
        """Whether the decisions have a cost: they fit, and only connected devices offload."""
        return not self.misfits and all(device.point is not None for device in self.offloading)

    @cached_property
    def feasible(self) -> bool:
        """Whether the decisions keep to the connections and to all limits."""
        return self.has_cost and rule_capacity(self).ok and rule_channels(self).ok

    @cached_property
    def offloading(self) -> list[Device]:
        """The devices that offload at least one subtask."""
        pairs = zip(self.instance.devices, self.places, strict=True)
        return [device for device, places in pairs if any(place != LOCAL for place in places)]

    @cached_property
    def total(self) -> Total:
        """The exact cost."""
        return Total(lambda: map(self._device_cost, self.instance.devices, self.places))

    def _device_cost(self, device: Device, places: list[int]) -> Ratio:
        return device_cost(self.instance, device, places)


class HybridCase(Case):
    """A solution of a hybrid instance.

    Attributes
    ----------
    shares : list of float
        For each device of the instance its share of the uplink.
    """

    instance: HybridInstance

    def __init__(self, instance: HybridInstance, solution: Solution) -> None:
        super().__init__(instance, solution)
        self.tariff = Tariff(instance.parameters)
        counts = {device.id: len(device.sizes) for device in instance.devices}
        self._decide(self.tariff.places, counts, "tasks", "place")
        split = solution.split or {}
        self.shares = [float(split.get(device, -1.0)) for device in counts]
        self.misfits += [f"device {device!r} has no share of the uplink" for device in counts.keys() - split]
        self.misfits += [f"a share for the unknown device {name!r}" for name in sorted(split.keys() - counts)]

    def limits(self) -> list[Rule]:
        """Apply the rules about the split."""
        return [rule_split(self), rule_bandwidth(self)]

    @cached_property
    def has_cost(self) -> bool:
        """Whether the decisions have a cost: they fit, and who uploads has a share."""
        return not self.misfits and rule_split(self).ok

    @cached_property
    def feasible(self) -> bool:
        """Whether the shares also fit into the bandwidth."""
        return self.has_cost and rule_bandwidth(self).ok

    @cached_property
    def total(self) -> Total:
        """The exact cost."""
        return Total(lambda: map(self._device_cost, self.instance.devices, self.places, self.shares))

    def _device_cost(self, device: HybridDevice, places: list[int], share: float) -> Ratio:
        return hybrid_cost(self.tariff, device, places, share).as_integer_ratio()

    def uploads(self, device: HybridDevice, places: Sequence[int]) -> bool:
        """Tell whether a device uploads anything."""
        return any(place and size for place, size in zip(places, device.sizes, strict=True))


def rule_fingerprint(case: Case) -> Rule:
    """The solution was made for this instance."""
    actual = case.fingerprint
    stated = case.solution.sha256
    if stated == actual:
        return Rule("fingerprint", True, actual)
    return Rule("fingerprint", False, f"the solution is for {shown_as(stated)}, the instance is {actual}")


def rule_decisions(case: Case) -> Rule:
    """Each device decides once for each of its subtasks, on a known place."""
    return _report("decisions", case.misfits, f"devices decided: {len(case.instance.devices)}")


def rule_connections(case: StructuredCase) -> Rule:
    """A device without a connection offloads nothing."""
    broken = [
        f"device {device.id!r} offloads without a connection"
        for device in case.offloading
        if device.point is None
    ]
    return _report("connections", broken, "no device offloads without one")


def rule_capacity(case: StructuredCase) -> Rule:
    """No offload point has more subtasks than its capacity."""
    used = Counter(place for places in case.places for place in places)
    limits = [point.capacity for point in case.instance.points]
    return _report("capacity", _excesses(case.instance, used, limits, "subtasks"), "kept everywhere")


def rule_channels(case: StructuredCase) -> Rule:
    """No offload point serves more offloading devices than its channels."""
    used = Counter(device.point for device in case.offloading if device.point is not None)
    limits = [point.channels for point in case.instance.points]
    return _report("channels", _excesses(case.instance, used, limits, "devices"), "kept everywhere")


def rule_split(case: HybridCase) -> Rule:
    """Each share is at least 0, and positive where something is uploaded."""
    faults = []
    for device, places, share in zip(case.instance.devices, case.places, case.shares, strict=True):
        if share < 0:
            faults.append(f"device {device.id!r} has the negative share {share!r}")
        elif not share and case.uploads(device, places):
            faults.append(f"device {device.id!r} uploads and has no share")
    return _report("split", faults, "everyone who uploads has a share")


def rule_bandwidth(case: HybridCase) -> Rule:
    """The shares add up to at most the bandwidth."""
    excess = sum(map(Fraction, case.shares), -case.tariff.bandwidth)
    message = f"{float(case.tariff.bandwidth + excess)!r} of {float(case.tariff.bandwidth)!r} Mbit/s"
    if excess > 0:
        message += f", {float(excess):.3g} too much"
    return Rule("bandwidth", excess <= 0, message)


def _excesses(
    instance: Instance, used: Mapping[int, int], limits: Sequence[int | None], what: str
) -> list[str]:
    return [
        f"{point.id!r} has {used[n]} {what}, {used[n] - limit} above its limit of {limit}"
        for n, (point, limit) in enumerate(zip(instance.points, limits, strict=True))
        if limit is not None and used[n] > limit
    ]


def _report(name: str, faults: list[str], success: str) -> Rule:
    return Rule(name, not faults, "; ".join(faults) or success)


def _slack(cost: Fraction) -> Fraction:
    """Return what a stated number may be off; cost minus or plus this grows with the cost."""
    return TOLERANCE * max(Fraction(1), cost)


def rule_objective(case: Case) -> Rule:
    """The stated objective is the exact cost, within the tolerance."""
    stated = Fraction(case.solution.objective)
    high_enough = case.total.settle(lambda cost: cost - _slack(cost) <= stated)
    low_enough = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.solution.objective!r}, exact {case.objective!r}"
    return Rule("objective", high_enough and low_enough, message)


def rule_lower_bound(case: Case) -> Rule:
    """The stated lower bound is not above the exact cost, within the tolerance."""
    if case.solution.lower_bound is None:
        return Rule("lower_bound", True, "none stated")
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, exact cost {case.objective!r}"
    return Rule("lower_bound", ok, message)


def rule_status(case: Case) -> Rule:
    """Only a stated gap of at most 1e-9 is called optimal (at objective 0: no gap)."""
    status, bound = case.solution.status, case.solution.lower_bound
    if status != "optimal":
        return Rule("status", True, status)
    if bound is None:
        return Rule("status", False, "'optimal' without a lower bound")
    objective = Fraction(case.solution.objective)
    ok = objective - Fraction(bound) <= TOLERANCE * abs(objective)
    return Rule("status", ok, f"'optimal' with objective {case.solution.objective!r}, lower bound {bound!r}")


def rule_certificate(case: Case, certificate: Certificate) -> Rule:
    """The certificate is one of this instance: its fingerprint, its tree, its prices."""
    if certificate.sha256 != case.fingerprint:
        stated = shown_as(certificate.sha256)
        return Rule("certificate", False, f"it is for {stated}, the instance is {case.fingerprint}")
    leaves = sum(isinstance(node, Leaf) for node in certificate.nodes)
    faults = certificate_faults(case.instance, certificate)
    return _report("certificate", faults, f"a tree with leaves: {leaves}")


def rule_claim(certificate: Certificate, bound: TreeBound) -> Rule:
    """The claim is at most what the certificate proves (no tolerance)."""
    claim = certificate.lower_bound
    message = f"claimed {float_below(claim)!r}, proven {float_below(bound.value)!r}"
    if claim <= bound.value:
        return Rule("claim", True, message)
    message += f", too high by {float_below(claim - bound.value):.3g}"
    if bound.limited:
        message += (
            f" (the minimisation reached its limit for applications {', '.join(map(repr, bound.limited))})"
        )
    return Rule("claim", False, message)


def rule_proven_bound(case: Case, bound: Fraction) -> Rule:
    """The stated lower bound is at most the proven one, with the same tolerance as the objective."""
    if case.solution.lower_bound is None:
        return Rule("proven_bound", True, "none stated")
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= bound + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, proven {float_below(bound)!r}"
    return Rule("proven_bound", ok, message)


def rule_consistency(case: Case, bound: Fraction) -> Rule:
    """No feasible solution costs less than a proven bound: if one does, this checker is wrong."""
    if case.total.settle(lambda cost: bound <= cost):
        return Rule("consistency", True, "the proven bound is not above the cost")
    message = f"THE CHECKER CONTRADICTS ITSELF: proven {float_below(bound)!r}, exact cost {case.objective!r}"
    return Rule("consistency", False, f"{message}; please report this with the files")


def float_below(value: Fraction) -> float:
    """Return the greatest binary64 number that is at most the value."""
    try:
        nearest = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -math.inf
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)
