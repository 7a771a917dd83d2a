"""What files of structured instances say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, RootModel

from ..files.schema import (
    Capacity,
    CertificateFile,
    Coordinate,
    Count,
    Decimal,
    Divided,
    FileObject,
    Id,
    Index,
    InstancePart,
    InstanceReference,
    Leaf,
    Position,
    Positive,
    Size,
    Unit,
    Version2,
)

Signed = Coordinate
"""Fees and the like, which may be negative."""


class CostPart(FileObject):
    """How delay and energy are weighted: raw, or each relative to the all-local decision."""

    normalise: Literal["none", "local"]


class ApplicationPart(FileObject):
    """A directed acyclic graph of subtasks."""

    id: Id
    subtasks: Annotated[list[Id], Field(min_length=1)]
    edges: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class OffloadPointPart(FileObject):
    """A server: MIPS, subtasks, Mbit/s, devices, metres."""

    id: Id
    cpu: Positive
    capacity: Count
    uplink: Positive
    downlink: Positive
    channels: Count | None = None
    position: Position | None = None


class PowerPart(FileObject):
    """Power of a device in mW."""

    execute: Size
    send: Size
    receive: Size


class DevicePart(FileObject):
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


class CostPart2(CostPart):
    """The objective is the sum of the devices' weighted costs, or the greatest of them."""

    objective: Literal["sum", "max"] | None = None


class FeePart(FileObject):
    """What a point charges for a subtask, and for each MI of it."""

    subtask: Signed | None = None
    work: Signed | None = None


class OffloadPointPart2(OffloadPointPart):
    """A server that has so much of each resource, and charges for what it does."""

    capacity: Capacity  # type: ignore[assignment]
    fee: FeePart | None = None


class LatencyPart(FileObject):
    """Seconds that each transfer takes in addition, by its direction."""

    up: Size | None = None
    down: Size | None = None


class ExceptionPart(FileObject):
    """What differs for a subtask at a point, or (null) on its device: seconds, cost, demand."""

    subtask: str
    point: str | None
    execution: Size | None = None
    fee: Signed | None = None
    demand: dict[str, Size] | None = None


class DevicePart2(DevicePart):
    """A user device with its limits in s and mJ, its costs, and what its subtasks demand and may do."""

    demand: dict[str, list[Size]] | None = None
    at: list[ExceptionPart] | None = None
    allowed: dict[str, list[str | None]] | None = None
    latency: LatencyPart | None = None
    deadline: Size | None = None
    energy_budget: Size | None = None
    rejection: Signed | None = None
    weight: Size | None = None


class LimitPart(FileObject):
    """How much of a resource the subtasks at some points may take together."""

    id: Id
    resource: str
    points: Annotated[list[str], Field(min_length=1)]
    capacity: Size


class TotalsPart(FileObject):
    """Caps on the sums over all served devices: mJ, s."""

    energy: Size | None = None
    delay: Size | None = None


class HeaderPart2(InstancePart):
    """An instance of version 2 without its devices."""

    version: Version2
    kind: Literal["structured"]
    cost: CostPart2
    applications: Annotated[list[ApplicationPart], Field(min_length=1)]
    offload_points: Annotated[list[OffloadPointPart2], Field(min_length=1)]
    resources: list[Id] | None = None
    limits: list[LimitPart] | None = None
    totals: TotalsPart | None = None


class InstanceFile2(HeaderPart2):
    """offloadlib-instance, version 2."""

    devices: Annotated[list[DevicePart2], Field(min_length=1)]


class StructuredPrices(FileObject):
    """Prices of a certificate by ids of offload points, and by numbers of cuts; one that is missing is 0."""

    capacity: dict[str, Decimal] = Field(default_factory=dict)
    channels: dict[str, Decimal] = Field(default_factory=dict)
    cuts: dict[str, Decimal] = Field(default_factory=dict)


class StructuredLeaf(Leaf):
    """A node that bounds the cost by its prices."""

    prices: StructuredPrices


class Enumeration(FileObject):
    """A node below which the patterns that its prices leave stand for decisions."""

    patterns: StructuredPrices
    below: Index


class PlaceBranch(FileObject):
    """A subtask is at a place."""

    device: Id
    subtask: str
    place: str | None


class PlacesBranch(FileObject):
    """A subtask is at one of some places."""

    device: Id
    subtask: str
    places: Annotated[list[str | None], Field(min_length=1)]


class CountBranch(FileObject):
    """A device has at most so many subtasks at points as fast as this one."""

    device: Id
    fast_as: Id
    most: int


class StructuredBranch(Divided):
    """A node with two children."""

    branch: PlaceBranch | PlacesBranch | CountBranch


class CutPart(FileObject):
    """A rounded limit on the subtasks at points as fast as this one: ``docs/theory/certificates.md``."""

    fast_as: Id
    divisor: int
    shifts: dict[str, int]


class WitnessEnd(FileObject):
    """A flow that bounds what a device costs: parts of 10^15, and prices on the device's own limits and on
    branches on numbers of its subtasks, from the leaf up."""

    tails: list[int] | None = None
    edges: list[int] | None = None
    data: list[int] | None = None
    air: list[int] | None = None
    deadline: Decimal | None = None
    budget: Decimal | None = None
    largest: Decimal | None = None
    counts: list[Decimal] | None = None


class WitnessFork(FileObject):
    """A branch of a witness: the subtask is at one of the places (``in``), or at none of them (``out``)."""

    subtask: str
    places: list[str | None]
    within: Witness = Field(alias="in")
    without: Witness = Field(alias="out")


Witness = WitnessFork | WitnessEnd
Witnesses = dict[str, dict[str, Witness]]
"""By number of a leaf, and id of a device: ``docs/theory/certificates.md``."""


class StructuredCertificate(CertificateFile):
    """offloadlib-certificate, version 1, for an instance of kind structured."""

    nodes: Annotated[list[StructuredLeaf | Enumeration | StructuredBranch], Field(min_length=1)]
    cuts: list[CutPart] = Field(default_factory=list)
    witnesses: Witnesses | None = None


class TotalPrices(FileObject):
    """Prices on the caps on the sums of energy and delay."""

    energy: Decimal = "0"
    delay: Decimal = "0"


class StructuredPrices2(FileObject):
    """Prices of version 2: on subtasks, channels and other resources of points, shared limits and totals."""

    capacity: dict[str, Decimal] = Field(default_factory=dict)
    channels: dict[str, Decimal] = Field(default_factory=dict)
    resource: dict[str, dict[str, Decimal]] = Field(default_factory=dict)
    limits: dict[str, Decimal] = Field(default_factory=dict)
    totals: TotalPrices = TotalPrices()
    cuts: dict[str, Decimal] = Field(default_factory=dict)


class Enumeration2(FileObject):
    """A node below which the decisions that its prices leave are all that there are."""

    patterns: StructuredPrices2
    below: Index


class CutStep(FileObject):
    """What a decision of a device weighs in a cut if it uses at least these amounts of its limits."""

    amounts: list[Decimal]
    weight: int


class KnapsackCutPart(FileObject):
    """One step of each device, or none, whose amounts keep the limits weigh at most so much.

    Limits have the names of their prices: a part of the prices, and the keys there.
    """

    limits: Annotated[list[list[str]], Field(min_length=1)]
    steps: dict[str, list[CutStep]]
    most: int


class StructuredLeaf2(Leaf):
    """A node that bounds the cost by its prices, or shows that no solution gets there.

    Under ``max`` the shares say how much each device's cost counts in the bound.
    """

    prices: StructuredPrices2
    shares: dict[str, Decimal] = Field(default_factory=dict)
    infeasible: Literal[True] | None = None


class RefusalBranch(FileObject):
    """A device is refused."""

    device: Id
    refused: Literal[True]


class StructuredBranch2(Divided):
    """A node with two children."""

    branch: PlaceBranch | PlacesBranch | RefusalBranch


class StructuredTree2(FileObject):
    """What certificates of version 2 say, whatever they claim."""

    format: Literal["offloadlib-certificate"]
    version: Version2
    instance: InstanceReference
    nodes: Annotated[list[StructuredLeaf2 | Enumeration2 | StructuredBranch2], Field(min_length=1)]
    witnesses: Witnesses | None = None


class StructuredCertificate2(StructuredTree2):
    """offloadlib-certificate, version 2: a tree that proves a lower bound. Node 0 is the root.

    With ``largest`` the bound is about the solutions in which no device costs more, its weight included.
    """

    lower_bound: Decimal
    largest: Decimal | None = None
    cuts: list[KnapsackCutPart] = Field(default_factory=list)


class InfeasibilityCertificate(StructuredTree2):
    """offloadlib-certificate, version 2: a tree that proves that there is no solution."""

    claim: Literal["infeasible"]


class CertificateFile2(RootModel[StructuredCertificate2 | InfeasibilityCertificate]):
    """offloadlib-certificate, version 2."""
