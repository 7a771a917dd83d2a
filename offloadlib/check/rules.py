"""The rules, one function each, and the cases that they are applied to."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import cached_property, partial
from typing import Any

from .certificate import Certificate, Leaf
from .data import (
    LOCAL,
    SUBTASKS,
    TOLERANCE,
    ZERO,
    AnyInstance,
    Device,
    HybridDevice,
    HybridInstance,
    Instance,
    Ratio,
    Solution,
)
from .exact import Spent, Total, demand_of, device_cost, spent
from .faults import certificate_faults
from .parse import shown_as
from .rooms.hybrid import Tariff, hybrid_cost
from .tree import Bound, TreeBound


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
        The lower bound that a certificate proves, rounded downwards; infinite where it proves that there is
        no solution, None where none was accepted.
    certified_gap : float or None
        ``(cost - certified bound)/|cost|`` (in version 2 over at least 1e-9), in exact arithmetic, rounded
        upwards; None without a finite certified bound or a feasible solution.
    certified_largest : float or None
        The bound is about the solutions in which no device costs more; None: about all.
    rooms : tuple of str
        What the verdict rests on beside the core: "diagnostics" always, "columns", "hybrid", "search" for a
        certificate without witnesses, "patterns".
    unfinished : str or None
        Why not everything was looked at, and what was skipped; nothing is accepted then.
    """

    accepted: bool
    rules: tuple[Rule, ...]
    objective: float
    certified_bound: float | None = None
    certified_gap: float | None = None
    certified_largest: float | None = None
    rooms: tuple[str, ...] = field(default=(), compare=False)
    unfinished: str | None = None

    @property
    def faults(self) -> list[str]:
        """What keeps it from being accepted: the rules that do not hold, and whether it is not finished."""
        broken = [f"{rule.name}: {rule.message}" for rule in self.rules if not rule.ok]
        return broken if self.unfinished is None else [*broken, f"not finished: {self.unfinished}"]

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
        For each device of the instance the places of its subtasks; None where it is refused.
    misfits : list of str
        Where the decisions do not fit the instance; `places` has a meaning only if there are none.
    """

    def __init__(self, instance: AnyInstance, solution: Solution) -> None:
        self.instance: AnyInstance = instance
        self.solution = solution
        self.places: list[Any] = []
        self.misfits: list[str] = []

    def _decide(
        self,
        index: Mapping[str | None, int],
        counts: Mapping[str, int],
        what: str,
        kind: str,
        refusable: Container[str] = (),
    ) -> None:
        """Fill in places and misfits.

        `index` has the known places, `counts` the subtasks of each device; what and kind are for messages.
        """
        decisions = self.solution.decisions or {}
        for device, count in counts.items():
            chosen = decisions.get(device)
            if chosen is None:
                if device not in decisions:
                    self.misfits.append(f"device {device!r} has no decision")
                elif device not in refusable:
                    self.misfits.append(f"device {device!r} is refused, and has no rejection")
                self.places.append(None)
                continue
            if len(chosen) != count:
                self.misfits.append(f"device {device!r} has {len(chosen)} places for {count} {what}")
            unknown = [place for place in chosen if place not in index]
            name = shown_as(device)  # this one may be told once for each of its places
            self.misfits += [f"device {name}: unknown {kind} {shown_as(place)}" for place in unknown]
            if not unknown:
                self.places.append([index[place] for place in chosen])
        strangers = decisions.keys() - counts.keys()
        self.misfits += [f"unknown device {device!r}" for device in sorted(strangers)]

    @property
    def decided(self) -> bool:
        """Whether there are decisions at all."""
        return self.solution.decisions is not None

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the instance."""
        return self.instance.fingerprint()

    @property
    def smallest(self) -> Fraction:
        """What gaps are relative to, at least."""
        return ZERO

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

    @property
    def stated(self) -> float:
        """The stated cost; NaN where there are no decisions."""
        return math.nan if self.solution.objective is None else self.solution.objective

    @cached_property
    def objective(self) -> float:
        """The exact cost, rounded to the nearest binary64 number."""
        return self.total.settle(float)


class StructuredCase(Case):
    """A solution of a structured instance."""

    instance: Instance
    places: list[list[int] | None]

    def __init__(self, instance: Instance, solution: Solution) -> None:
        super().__init__(instance, solution)
        if not self.decided:
            return
        index: dict[str | None, int] = {point.id: n for n, point in enumerate(instance.points)}
        index[None] = LOCAL
        counts = {device.id: len(device.work) for device in instance.devices}
        refusable = {device.id for device in instance.devices if device.terms.rejection is not None}
        self._decide(index, counts, "subtasks", "offload point", refusable)
        if solution.split is not None:
            self.misfits.append("a split of the uplink, which only a hybrid instance has")

    @cached_property
    def smallest(self) -> Fraction:
        """What gaps are relative to, at least."""
        return ZERO if self.instance.version == 1 else TOLERANCE

    def limits(self) -> list[Rule]:
        """Apply the rules about connections, capacities and channels, and those of version 2."""
        return self._limits

    @cached_property
    def _limits(self) -> list[Rule]:
        rules = [rule_connections(self), rule_capacity(self), rule_channels(self)]
        if self.instance.version == 2:
            rules += [rule_shared(self), rule_allowed(self)]
            if self.has_cost:
                rules += [rule_deadlines(self), rule_energy_budgets(self), rule_totals(self)]
        return rules

    @cached_property
    def has_cost(self) -> bool:
        """Whether the decisions have a cost: they fit, and only connected devices offload."""
        return self.decided and not self.misfits and all(d.point is not None for d in self.offloading)

    @cached_property
    def feasible(self) -> bool:
        """Whether the decisions keep to the connections and to all limits."""
        return self.has_cost and all(rule.ok for rule in self.limits())

    @cached_property
    def served(self) -> list[tuple[Device, list[int]]]:
        """The devices that are not refused, with the places of their subtasks."""
        pairs = zip(self.instance.devices, self.places, strict=True)
        return [(device, places) for device, places in pairs if places is not None]

    @cached_property
    def offloading(self) -> list[Device]:
        """The devices that offload at least one subtask."""
        return [device for device, places in self.served if any(place != LOCAL for place in places)]

    @cached_property
    def demands(self) -> dict[tuple[int, str], Fraction]:
        """What all subtasks at a point demand of a resource, by both."""
        found: dict[tuple[int, str], Fraction] = {}
        for device, places in self.served:
            for k, n in enumerate(places):
                entry = device.terms.at.get((k, n))
                named = [] if entry is None else entry.demand
                for resource in {SUBTASKS, *device.terms.demand, *named} if n != LOCAL else ():
                    amount = Fraction(demand_of(device, k, n, resource))
                    found[n, resource] = found.get((n, resource), ZERO) + amount
        return found

    @cached_property
    def spent(self) -> list[tuple[Device, Spent]]:
        """Delay and energy of the served devices."""
        return [(device, spent(self.instance, device, places)) for device, places in self.served]

    @cached_property
    def total(self) -> Total:
        """The exact cost."""
        return self._total(greatest=self.instance.objective == "max")

    @cached_property
    def greatest(self) -> Total:
        """What the dearest device costs, exactly."""
        return self._total(greatest=True)

    def _total(self, greatest: bool) -> Total:
        return Total(lambda: map(self._device_cost, self.instance.devices, self.places), greatest)

    def _device_cost(self, device: Device, places: list[int] | None) -> Ratio:
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
        if not self.decided:
            return
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
        return self.decided and not self.misfits and rule_split(self).ok

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
    """No offload point has more subtasks than its capacity, nor demands above what it has of a resource."""
    points = case.instance.points
    used = Counter(place for _, places in case.served for place in places)
    faults = _excesses(case.instance, used, [point.capacity for point in points], "subtasks")
    for n, point in enumerate(points):
        for resource, room in point.room.items():
            excess = case.demands.get((n, resource), ZERO) - Fraction(room)
            if excess > 0:
                faults.append(_excess(point.id, resource, room, excess))
    return _report("capacity", faults, "kept everywhere")


def rule_shared(case: StructuredCase) -> Rule:
    """At the points of a shared limit the demands are together at most its capacity."""
    faults = []
    for limit in case.instance.limits:
        used = sum((case.demands.get((n, limit.resource), ZERO) for n in limit.points), ZERO)
        excess = used - Fraction(limit.capacity)
        if excess > 0:
            faults.append(_excess(limit.id, limit.resource, limit.capacity, excess))
    return _report("limits", faults, "kept everywhere")


def _excess(name: str, resource: str, room: float, excess: Fraction) -> str:
    used = float(Fraction(room) + excess)
    told = f"{float(excess):.3g} above its limit of {room!r}"
    return f"{shown_as(name)} has {used!r} {resource}, {told}"


def rule_allowed(case: StructuredCase) -> Rule:
    """Each subtask is at a place that is allowed to it."""
    faults = []
    for device, places in case.served:
        for k, allowed in device.terms.allowed.items():
            if places[k] not in allowed:
                point = None if places[k] == LOCAL else case.instance.points[places[k]]
                where = "locally" if point is None else f"at {shown_as(point.id)}"
                name = shown_as(device.application.subtasks[k])
                faults.append(f"subtask {name} of {shown_as(device.id)} runs {where}")
    return _report("allowed", faults, "every subtask is where it may be")


def rule_deadlines(case: StructuredCase) -> Rule:
    """No served device takes longer than its deadline."""
    faults = [
        f"device {device.id!r} takes {_float(part.seconds)!r} s, and its deadline is {limit!r} s"
        for device, part in case.spent
        if (limit := device.terms.deadline) is not None and part.exceeds_delay(limit)
    ]
    return _report("deadlines", faults, "kept by everyone who is served")


def rule_energy_budgets(case: StructuredCase) -> Rule:
    """No served device uses more energy than its budget."""
    faults = [
        f"device {device.id!r} uses {_float(part.millijoules)!r} mJ, and its budget is {limit!r} mJ"
        for device, part in case.spent
        if (limit := device.terms.energy_budget) is not None and part.exceeds_energy(limit)
    ]
    return _report("budgets", faults, "kept by everyone who is served")


def rule_totals(case: StructuredCase) -> Rule:
    """Delay and energy of all served devices add up to at most their caps."""
    parts: dict[str, Callable[[Spent], Ratio]] = {
        "delay": lambda part: part.seconds,
        "energy": lambda part: part.millijoules,
    }
    faults = []
    for name, cap in case.instance.totals.items():
        total = Total(partial(_each_of, case, parts[name]))
        if total.settle(lambda value, cap=cap: value > cap):  # type: ignore[misc]
            faults.append(f"{name} {total.settle(float)!r}, above the cap of {cap!r}")
    return _report("totals", faults, "kept")


def _each_of(case: StructuredCase, part: Callable[[Spent], Ratio]) -> Iterable[Ratio]:
    return [part(one) for _, one in case.spent] or [(0, 1)]


def _float(value: Ratio) -> float:
    return float(Fraction(*value))


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
    return TOLERANCE * max(Fraction(1), abs(cost))


def rule_objective(case: Case) -> Rule:
    """The stated objective is the exact cost, within the tolerance."""
    stated = Fraction(case.stated)
    high_enough = case.total.settle(lambda cost: cost - _slack(cost) <= stated)
    low_enough = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.stated!r}, exact {case.objective!r}"
    return Rule("objective", high_enough and low_enough, message)


def rule_lower_bound(case: Case) -> Rule:
    """The stated lower bound is not above the exact cost, within the tolerance."""
    if case.solution.lower_bound is None:
        return Rule("lower_bound", True, "none stated")
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, exact cost {case.objective!r}"
    return Rule("lower_bound", ok, message)


def rule_status(case: Case, impossible: bool = False) -> Rule:
    """Only a stated gap of at most 1e-9 is called optimal, only what is proven to be impossible infeasible.

    The gap is relative to the objective, in version 2 to at least 1e-9; at objective 0 there is none in
    version 1.
    """
    status, bound = case.solution.status, case.solution.lower_bound
    if status == "infeasible":
        message = (
            "'infeasible', which is proven" if impossible else "'infeasible' without a certificate of it"
        )
        return Rule("status", impossible, message)
    if status != "optimal":
        return Rule("status", True, status)
    if bound is None:
        return Rule("status", False, "'optimal' without a lower bound")
    objective = Fraction(case.stated)
    ok = objective - Fraction(bound) <= TOLERANCE * max(abs(objective), case.smallest)
    return Rule("status", ok, f"'optimal' with objective {case.stated!r}, lower bound {bound!r}")


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
    claim: Bound = math.inf if certificate.infeasible else certificate.lower_bound
    message = f"claimed {_shown(claim)}, proven {_shown(bound.value)}"
    if claim <= bound.value:
        return Rule("claim", True, message)
    if bound.open_leaves:
        message += f": {'; '.join(bound.open_leaves)}"
    elif isinstance(claim, Fraction) and isinstance(bound.value, Fraction):
        message += f", too high by {float_below(claim - bound.value):.3g}"
    if bound.limited:
        message += (
            f" (the minimisation reached its limit for applications {', '.join(map(repr, bound.limited))})"
        )
    return Rule("claim", False, message)


def _shown(bound: Bound) -> str:
    if isinstance(bound, Fraction):
        return repr(float_below(bound))
    return "that there is no solution" if bound > 0 else "nothing"


def rule_largest(case: StructuredCase, largest: Fraction) -> Rule:
    """The solution is among those that the certificate is about: no device costs more than it says."""
    ok = case.greatest.settle(lambda cost: cost <= largest)
    message = f"the dearest device costs {case.greatest.settle(float)!r}"
    return Rule("largest", ok, f"{message}, {'at' if ok else 'not at'} most {float(largest)!r}")


def rule_proven_bound(case: Case, bound: Bound, largest: Fraction | None = None) -> Rule:
    """The stated lower bound is at most the proven one, with the same tolerance as the objective."""
    if case.solution.lower_bound is None:
        return Rule("proven_bound", True, "none stated")
    if largest is not None:
        message = f"stated {case.solution.lower_bound!r}, and what is proven is not about all solutions"
        return Rule("proven_bound", False, message)
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= bound + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, proven {float_below(bound)!r}"
    return Rule("proven_bound", ok, message)


def rule_consistency(case: Case, bound: Bound) -> Rule:
    """No feasible solution costs less than a proven bound: if one does, this checker is wrong."""
    if case.total.settle(lambda cost: bound <= cost):
        return Rule("consistency", True, "the proven bound is not above the cost")
    message = f"THE CHECKER CONTRADICTS ITSELF: proven {float_below(bound)!r}, exact cost {case.objective!r}"
    return Rule("consistency", False, f"{message}; please report this with the files")


def float_below(value: Bound) -> float:
    """Return the greatest binary64 number that is at most the value; an infinite one as it is."""
    try:
        nearest = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -math.inf
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)
