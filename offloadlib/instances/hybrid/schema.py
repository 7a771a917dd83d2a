"""What files of hybrid instances, and of frames, say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..files.schema import (
    CertificateFile,
    Count,
    Decimal,
    Divided,
    FileObject,
    Id,
    Index,
    InstancePart,
    Leaf,
    Positive,
    Size,
)

Length = Annotated[int, Field(strict=True, ge=1)]


class EdgePart(FileObject):
    """The edge server: Mcycle/s, and a price per Mbit that counts like energy."""

    speed: Positive
    price: Size


class CloudPart(EdgePart):
    """The cloud, and the link to it in Mbit/s."""

    rate: Positive


class ParametersPart(FileObject):
    """What all devices of a hybrid instance share: s, J and Mcycle per Mbit, Mbit/s, J/s."""

    local_time: Size
    local_energy: Size
    transmit_energy: Size
    cycles: Size
    bandwidth: Positive
    delay_weight: Positive
    edge: EdgePart
    cloud: CloudPart | None


class HybridDevicePart(FileObject):
    """A device with the sizes of its tasks in Mbit; all devices have the same number of tasks."""

    id: Id
    weight: Positive | None = None
    sizes: Annotated[list[Size], Field(min_length=1)]


class HybridHeaderPart(InstancePart):
    """A hybrid instance without its devices."""

    kind: Literal["hybrid"]
    parameters: ParametersPart


class HybridFile(HybridHeaderPart):
    """offloadlib-instance, version 1, of kind hybrid."""

    devices: Annotated[list[HybridDevicePart], Field(min_length=1)]


class FramesHeaderPart(HybridHeaderPart):
    """Many draws of sizes for one hybrid system, without its arrays."""

    format: Literal["offloadlib-frames"]  # type: ignore[assignment]


class IdsColumn(FileObject):
    """The ids of the devices, as JSON."""

    type: Literal["json"]
    shape: Annotated[list[Length], Field(min_length=1, max_length=1)]


class WeightColumn(FileObject):
    """(N,) binary64 numbers."""

    type: Literal["<f8"]
    shape: Annotated[list[Length], Field(min_length=1, max_length=1)]


class FramesColumn(FileObject):
    """(F, N, M) binary64 numbers."""

    type: Literal["<f8"]
    shape: Annotated[list[Length], Field(min_length=3, max_length=3)]


class FramesColumns(FileObject):
    """The arrays of a file of frames."""

    id: IdsColumn
    weight: WeightColumn
    sizes: FramesColumn


class FramesFile(FramesHeaderPart):
    """offloadlib-frames, version 1: header.json of the zip."""

    columns: FramesColumns


class HybridPrices(FileObject):
    """Price on the bandwidth of the uplink, and toll on each unit that is uploaded, which may be negative."""

    bandwidth: Decimal = "0"
    units: Decimal = "0"


class HybridLeaf(Leaf):
    """A node that bounds the cost by its prices."""

    prices: HybridPrices


class TaskBranch(FileObject):
    """A task of a device, by its number, is at a place."""

    device: Id
    task: Index
    place: Literal["edge", "cloud"] | None


class TaskPlacesBranch(FileObject):
    """A task of a device is at one of some places."""

    device: Id
    task: Index
    places: Annotated[list[Literal["edge", "cloud"] | None], Field(min_length=1)]


class UnitsBranch(FileObject):
    """At most so many units are uploaded in all."""

    units: int


class HybridBranch(Divided):
    """A node with two children."""

    branch: TaskBranch | TaskPlacesBranch | UnitsBranch


class HybridCertificate(CertificateFile):
    """offloadlib-certificate, version 1, for an instance of kind hybrid; ``units`` are those of the tasks."""

    nodes: Annotated[list[HybridLeaf | HybridBranch], Field(min_length=1)]
    units: dict[str, Annotated[list[Count], Field(min_length=1)]] = Field(default_factory=dict)
