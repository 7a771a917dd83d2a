"""What files of hybrid instances, and of frames, say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..files.schema import Id, InstancePart, Part, Positive, Size


class EdgePart(Part):
    """The edge server: Mcycle/s, and a price per Mbit that counts like energy."""

    speed: Positive
    price: Size


class CloudPart(EdgePart):
    """The cloud, and the link to it in Mbit/s."""

    rate: Positive


class ParametersPart(Part):
    """What all devices of a hybrid instance share: s, J and Mcycle per Mbit, Mbit/s, J/s."""

    local_time: Size
    local_energy: Size
    transmit_energy: Size
    cycles: Size
    bandwidth: Positive
    delay_weight: Positive
    edge: EdgePart
    cloud: CloudPart | None


class HybridDevicePart(Part):
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
