"""What files of structured instances say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..files.schema import (
    CertificateFile,
    Count,
    Decimal,
    Divided,
    Id,
    Index,
    InstancePart,
    Leaf,
    Part,
    Position,
    Positive,
    Size,
    Unit,
)


class CostPart(Part):
    """How delay and energy are weighted: raw, or each relative to the all-local decision."""

    normalise: Literal["none", "local"]


class ApplicationPart(Part):
    """A directed acyclic graph of subtasks."""

    id: Id
    subtasks: Annotated[list[Id], Field(min_length=1)]
    edges: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class OffloadPointPart(Part):
    """A server: MIPS, subtasks, Mbit/s, devices, metres."""

    id: Id
    cpu: Positive
    capacity: Count
    uplink: Positive
    downlink: Positive
    channels: Count | None = None
    position: Position | None = None


class PowerPart(Part):
    """Power of a device in mW."""

    execute: Size
    send: Size
    receive: Size


class DevicePart(Part):
    """A user device with its structured task: MI and Mbit in the order of its application."""

    id: Id
    application: str
    cpu: Positive
    power: PowerPart
    connected_to: str | None
    uplink: Positive | None = None
    downlink: Positive | None = None
    alpha: Unit
    position: Position | None = None
    work: list[Size]
    input: list[Size]
    output: list[Size]
    edge_data: list[Size] | None = None


class HeaderPart(InstancePart):
    """An instance without its devices: what the columnar form keeps as JSON."""

    kind: Literal["structured"]
    cost: CostPart
    applications: Annotated[list[ApplicationPart], Field(min_length=1)]
    offload_points: Annotated[list[OffloadPointPart], Field(min_length=1)]


class InstanceFile(HeaderPart):
    """offloadlib-instance, version 1, of kind structured."""

    devices: Annotated[list[DevicePart], Field(min_length=1)]


class StructuredPrices(Part):
    """Prices of a certificate by ids of offload points, and by numbers of cuts; one that is missing is 0."""

    capacity: dict[str, Decimal] = Field(default_factory=dict)
    channels: dict[str, Decimal] = Field(default_factory=dict)
    cuts: dict[str, Decimal] = Field(default_factory=dict)


class StructuredLeaf(Leaf):
    """A node that bounds the cost by its prices."""

    prices: StructuredPrices


class Enumeration(Part):
    """A node below which the patterns that its prices leave stand for decisions."""

    patterns: StructuredPrices
    below: Index


class PlaceBranch(Part):
    """A subtask is at a place."""

    device: Id
    subtask: str
    place: str | None


class PlacesBranch(Part):
    """A subtask is at one of some places."""

    device: Id
    subtask: str
    places: Annotated[list[str | None], Field(min_length=1)]


class CountBranch(Part):
    """A device has at most so many subtasks at points as fast as this one."""

    device: Id
    fast_as: Id
    most: int


class StructuredBranch(Divided):
    """A node with two children."""

    branch: PlaceBranch | PlacesBranch | CountBranch


class CutPart(Part):
    """A rounded limit on the subtasks at points as fast as this one: ``docs/certificates.md``."""

    fast_as: Id
    divisor: int
    shifts: dict[str, int]


class StructuredCertificate(CertificateFile):
    """offloadlib-certificate, version 1, for an instance of kind structured."""

    nodes: Annotated[list[StructuredLeaf | Enumeration | StructuredBranch], Field(min_length=1)]
    cuts: list[CutPart] = Field(default_factory=list)
