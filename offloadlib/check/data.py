"""The data: instances and solutions, as the rest of the checker sees them, and their canonical form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

Problem = tuple[str, str]  # the path inside the file, what is wrong there
Ratio = tuple[int, int]  # a numerator and a positive denominator, not reduced
Answer = TypeVar("Answer")
LOCAL = -1  # the place of a subtask that stays on its device; n >= 0 is the n-th offload point
TOLERANCE = Fraction(1, 10**9)
ZERO = Fraction(0)
SMALLEST, LARGEST = 1e-9, 1e9  # magnitudes that an instance may contain, besides 0


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
        return "\n".join(": ".join(filter(None, (self.file, *problem))) for problem in self.problems)


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
    """An offload point; `channels` None means no limit."""

    id: str
    cpu: float
    capacity: int
    uplink: float
    downlink: float
    channels: int | None


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


class Instance(NamedTuple):
    """A structured offloading problem; all numbers are the binary64 values of the file, with -0 as 0."""

    normalise: str
    applications: list[Application]
    points: list[OffloadPoint]
    devices: list[Device]

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

    `decisions` maps the id of a device to ids of offload points (hybrid: to places), `split` to Mbit/s.
    """

    sha256: str
    objective: float
    lower_bound: float | None
    status: str
    decisions: dict[str, list[str | None]]
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
    # Sorted by key, "devices" stands between these two groups.
    before = {"applications": applications, "cost": {"normalise": instance.normalise}}
    after = {
        "format": "offloadlib-instance",
        "kind": "structured",
        "offload_points": [_without_nulls(point._asdict()) for point in instance.points],
        "version": 1,
    }
    yield encode(before)[:-1] + ',"devices":['
    for number, device in enumerate(instance.devices):
        yield ("," if number else "") + encode(_canonical_device(instance, device))
    yield "]," + encode(after)[1:]


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
    return _without_nulls(document)


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}
