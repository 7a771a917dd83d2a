"""What files of structured instances say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ..files.schema import Count, Id, InstancePart, Part, Position, Positive, Size, Unit


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
