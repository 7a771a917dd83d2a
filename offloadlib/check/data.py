"""The data: instances and solutions, as the rest of the checker sees them, and their canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

Problem = tuple[str, str]  # the path inside the file, what is wrong there
Ratio = tuple[int, int]  # a numerator and a positive denominator, not reduced
Answer = TypeVar("Answer")
MOST_PROBLEMS = 1000
"""Of a file, that are told: it can have millions."""
LOCAL = -1  # the place of a subtask that stays on its device; n >= 0 is the n-th offload point
TOLERANCE = Fraction(1, 10**9)
ZERO = Fraction(0)
SMALLEST, LARGEST = 1e-9, 1e9
"""Magnitudes that an instance may contain, besides 0."""
SUBTASKS = "subtasks"  # the resource that each subtask demands 1 of, at any offload point
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Unusable(Exception):
    """Input that cannot be interpreted.

    Parameters
    ----------
    file : str
        The file at fault.
    problems : list of (str, str)
        Everything that is wrong in it: the path inside the file (empty for the file as a whole) and
        a message.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = list(problems)

    def __str__(self) -> str:
        told = self.problems[:MOST_PROBLEMS]
        lines = [": ".join(filter(None, (self.file, *problem))) for problem in told]
        if more := len(self.problems) - len(told):
            lines.append(f"{self.file}: and {more} more")
        return "\n".join(lines)


class Unfinished(Exception):
    """What is asked is more than can be done: why."""


class Application(NamedTuple):
    """A directed acyclic graph of subtasks, which are numbered in file order."""

    id: str
    subtasks: list[str]
    edges: list[tuple[int, int]]
    order: list[int]  # topological
    parents: list[list[int]]
    heads: list[int]
    tails: list[int]


class OffloadPoint(NamedTuple):
    """An offload point.

    `capacity` (in subtasks) and `channels` None mean no limit, and so does a resource that `room` does not
    name. `fee` is what a subtask costs here, `fee_work` what each MI of it does.
    """

    id: str
    cpu: float
    capacity: int | None
    uplink: float
    downlink: float
    channels: int | None
    room: Mapping[str, float] = _NOTHING
    fee: float = 0.0
    fee_work: float = 0.0


class SharedLimit(NamedTuple):
    """What the subtasks at some offload points may demand together; of subtasks a whole number."""

    id: str
    resource: str
    points: list[int]
    capacity: float


class Entry(NamedTuple):
    """What differs for a subtask at a place: seconds, cost, demand; None, or not named: nothing."""

    execution: float | None
    fee: float | None
    demand: Mapping[str, float]


class Terms(NamedTuple):
    """What version 2 says of a device.

    Attributes
    ----------
    demand : mapping
        For each resource that it names what each subtask demands where it is offloaded.
    at : mapping
        Exceptions by (subtask, place).
    allowed : mapping
        For some subtasks the places where they may run.
    latency_up, latency_down : float
        Seconds that each transfer takes in addition.
    deadline, energy_budget : float or None
        The most s and mJ.
    rejection : float or None
        What it costs to refuse the device; None where it must be served.
    weight : float
        What its cost counts.
    """

    demand: Mapping[str, list[float]] = _NOTHING
    at: Mapping[tuple[int, int], Entry] = _NOTHING
    allowed: Mapping[int, frozenset[int]] = _NOTHING
    latency_up: float = 0.0
    latency_down: float = 0.0
    deadline: float | None = None
    energy_budget: float | None = None
    rejection: float | None = None
    weight: float = 1.0


PLAIN = Terms()


class Device(NamedTuple):
    """A device with its defaults filled in; without a connection its rates may be missing (None)."""

    id: str
    application: Application
    cpu: float
    execute: float
    send: float
    receive: float
    point: int | None  # index of the offload point that it is connected to
    uplink: float | None
    downlink: float | None
    alpha: float
    work: list[float]
    input: list[float]
    output: list[float]
    edge_data: list[float]
    terms: Terms = PLAIN


class Instance(NamedTuple):
    """A structured offloading problem; all numbers are the binary64 values of the file, with -0 as 0.

    `totals` caps the sums of "delay" and "energy" over the served devices.
    """

    normalise: str
    applications: list[Application]
    points: list[OffloadPoint]
    devices: list[Device]
    objective: str = "sum"
    resources: Sequence[str] = ()
    limits: Sequence[SharedLimit] = ()
    totals: Mapping[str, float] = _NOTHING

    @property
    def version(self) -> int:
        """The version of the format that can say this: 1 where nothing of version 2 is in effect."""
        plain = (
            self.objective == "sum"
            and not (self.resources or self.limits or self.totals)
            and all(p.capacity is not None and not (p.room or p.fee or p.fee_work) for p in self.points)
            and all(device.terms is PLAIN for device in self.devices)
        )
        return 1 if plain else 2

    def fingerprint(self) -> str:
        """Return the SHA-256 of the canonical form, which is encoded device by device."""
        digest = hashlib.sha256()
        for piece in _canonical(self):
            digest.update(piece.encode("ascii"))
        return digest.hexdigest()


class HybridDevice(NamedTuple):
    """A device of a hybrid problem."""

    id: str
    weight: float
    sizes: list[float]


class HybridInstance(NamedTuple):
    """A hybrid offloading problem; `parameters` are as in the file, without a null for no cloud."""

    parameters: dict[str, Any]
    devices: list[HybridDevice]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the canonical form."""
        devices = [device._asdict() for device in self.devices]
        for device in devices:
            if device["weight"] == 1.0:
                del device["weight"]
        document = {
            "devices": devices,
            "format": "offloadlib-instance",
            "kind": "hybrid",
            "parameters": self.parameters,
            "version": 1,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


AnyInstance = Instance | HybridInstance


class Solution(NamedTuple):
    """What a solution file claims.

    `decisions` maps the id of a device to ids of offload points (hybrid: to places), or to None where it is
    refused; `split` to Mbit/s. Objective and decisions are None where the status is infeasible or unknown.
    """

    sha256: str
    objective: float | None
    lower_bound: float | None
    status: str
    decisions: dict[str, list[str | None] | None] | None
    split: dict[str, float] | None = None


def default_edge_data(application: Application, output: list[float]) -> list[float]:
    return [output[parent] for parent, _ in application.edges]


def _canonical(instance: Instance) -> Iterator[str]:
    """Yield the pieces of ``json.dumps(canonical document, sort_keys=True, ...)``."""
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
    applications = [
        {"id": a.id, "subtasks": a.subtasks, "edges": [[a.subtasks[j], a.subtasks[k]] for j, k in a.edges]}
        for a in instance.applications
    ]
    cost = {"normalise": instance.normalise}
    if instance.objective != "sum":
        cost["objective"] = instance.objective
    # Sorted by key, "devices" stands between these two groups.
    before = {"applications": applications, "cost": cost}
    after: dict[str, Any] = {
        "format": "offloadlib-instance",
        "kind": "structured",
        "offload_points": list(map(_canonical_point, instance.points)),
        "version": instance.version,
    }
    if instance.resources:
        after["resources"] = sorted(instance.resources)
    if instance.limits:
        after["limits"] = [_canonical_limit(instance, limit) for limit in instance.limits]
    if instance.totals:
        after["totals"] = dict(instance.totals)
    yield encode(before)[:-1] + ',"devices":['
    for number, device in enumerate(instance.devices):
        yield ("," if number else "") + encode(_canonical_device(instance, device))
    yield "]," + encode(after)[1:]


def _canonical_point(point: OffloadPoint) -> dict[str, Any]:
    document = _without_nulls(point._asdict())
    room, fees = document.pop("room"), {"subtask": document.pop("fee"), "work": document.pop("fee_work")}
    if room or point.capacity is None:
        document["capacity"] = {SUBTASKS: point.capacity, **room} if point.capacity is not None else {**room}
    if fee := {key: value for key, value in fees.items() if value}:
        document["fee"] = fee
    return document


def _canonical_limit(instance: Instance, limit: SharedLimit) -> dict[str, Any]:
    document = limit._asdict()
    document["points"] = sorted(instance.points[n].id for n in limit.points)
    return document


def _canonical_device(instance: Instance, device: Device) -> dict[str, Any]:
    document = device._asdict()
    document["application"] = device.application.id
    document["power"] = {name: document.pop(name) for name in ("execute", "send", "receive")}
    del document["point"]
    if device.point is not None:
        point = instance.points[device.point]
        document["connected_to"] = point.id
        for rate in ("uplink", "downlink"):
            if document[rate] == getattr(point, rate):
                del document[rate]
    if device.edge_data == default_edge_data(device.application, device.output):
        del document["edge_data"]
    del document["terms"]
    if device.terms is not PLAIN:
        document |= _canonical_terms(instance, device)
    return _without_nulls(document)


def _canonical_terms(instance: Instance, device: Device) -> dict[str, Any]:
    """Return the keys of a device that are in effect; local stands before all offload points."""
    names = device.application.subtasks
    terms = device.terms
    document: dict[str, Any] = {
        key: getattr(terms, key) for key in ("deadline", "energy_budget", "rejection")
    }
    if terms.weight != 1:
        document["weight"] = terms.weight
    latency = {"up": terms.latency_up, "down": terms.latency_down}
    if latency := {key: value for key, value in latency.items() if value}:
        document["latency"] = latency
    if terms.demand:
        document["demand"] = dict(terms.demand)
    if terms.allowed:
        document["allowed"] = {names[k]: _named(instance, places) for k, places in terms.allowed.items()}
    if terms.at:
        entries = [
            {"subtask": names[k], **_without_nulls(entry._asdict()), "point": _name(instance, place)}
            for (k, place), entry in terms.at.items()
        ]
        for entry in entries:
            if not entry["demand"]:
                del entry["demand"]
        document["at"] = sorted(entries, key=lambda entry: (entry["subtask"], entry["point"] or ""))
    return document


def _named(instance: Instance, places: Iterable[int]) -> list[str | None]:
    return sorted([_name(instance, place) for place in places], key=lambda name: name or "")


def _name(instance: Instance, place: int) -> str | None:
    return None if place == LOCAL else instance.points[place].id


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}
