"""The file formats, defined once: pydantic validates with them and the JSON Schema is made from them.

``python -m offloadlib.instances.schema`` writes the published schemas beside this module.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel, WithJsonSchema

SMALLEST, LARGEST = 1e-9, 1e9
"""Non-zero magnitudes outside this range are rejected: they are slips of a unit, and they break solvers."""


_BOUNDS = "[1e-9, 1e9]"


def size(value: float) -> float:
    """The value, if it may be a size."""
    if value != 0 and not SMALLEST <= value <= LARGEST:
        raise ValueError(f"must be 0 or lie in {_BOUNDS}")
    return value


def positive(value: float) -> float:
    """The value, if it may be a speed."""
    if not SMALLEST <= value <= LARGEST:
        raise ValueError(f"must lie in {_BOUNDS}")
    return value


def _unit(value: float) -> float:
    if value != 0 and not SMALLEST <= value <= 1:
        raise ValueError("must be 0 or lie in [1e-9, 1]")
    return value


def _coordinate(value: float) -> float:
    if value != 0 and not SMALLEST <= abs(value) <= LARGEST:
        raise ValueError(f"must be 0 or have a magnitude in {_BOUNDS}")
    return value


def _share(value: float) -> float:
    if value < 0:
        raise ValueError("must be at least 0")
    return value


def _whole(value: Any) -> Any:
    """3.0 is the whole number 3, as in JSON Schema."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _count(value: int) -> int:
    if not 0 <= value <= LARGEST:
        raise ValueError(f"must be a whole number from 0 to {int(LARGEST)}")
    return value


_RANGE = {"type": "number", "minimum": SMALLEST, "maximum": LARGEST}
_ZERO = {"const": 0}
_UNIT = {"type": "number", "minimum": SMALLEST, "maximum": 1}
_NEGATIVE = {"type": "number", "minimum": -LARGEST, "maximum": -SMALLEST}

_Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Size = Annotated[_Finite, AfterValidator(size), WithJsonSchema({"anyOf": [_ZERO, _RANGE]})]
Positive = Annotated[_Finite, AfterValidator(positive), WithJsonSchema(_RANGE)]
Unit = Annotated[_Finite, AfterValidator(_unit), WithJsonSchema({"anyOf": [_ZERO, _UNIT]})]
Coordinate = Annotated[
    _Finite, AfterValidator(_coordinate), WithJsonSchema({"anyOf": [_ZERO, _RANGE, _NEGATIVE]})
]
Share = Annotated[_Finite, AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0})]
Count = Annotated[
    int,
    Field(strict=True),
    AfterValidator(_count),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": int(LARGEST)}),
]
Version = Annotated[
    int,
    Field(strict=True, ge=1, le=1),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "const": 1}),
]
Id = Annotated[str, Field(strict=True, min_length=1)]
Position = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CostPart(_Part):
    """How delay and energy are weighted: raw, or each relative to the all-local decision."""

    normalise: Literal["none", "local"]


class ApplicationPart(_Part):
    """A directed acyclic graph of subtasks."""

    id: Id
    subtasks: Annotated[list[Id], Field(min_length=1)]
    edges: list[Annotated[list[str], Field(min_length=2, max_length=2)]]


class OffloadPointPart(_Part):
    """A server: MIPS, subtasks, Mbit/s, devices, metres."""

    id: Id
    cpu: Positive
    capacity: Count
    uplink: Positive
    downlink: Positive
    channels: Count | None = None
    position: Position | None = None


class PowerPart(_Part):
    """Power of a device in mW."""

    execute: Size
    send: Size
    receive: Size


class DevicePart(_Part):
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


class HeaderPart(_Part):
    """An instance without its devices: what the columnar form keeps as JSON."""

    format: Literal["offloadlib-instance"]
    version: Version
    kind: Literal["structured"]
    name: str
    description: str | None = None
    source: dict[str, Any] | None = None
    cost: CostPart
    applications: Annotated[list[ApplicationPart], Field(min_length=1)]
    offload_points: Annotated[list[OffloadPointPart], Field(min_length=1)]


class InstanceFile(HeaderPart):
    """offloadlib-instance, version 1, of kind structured."""

    devices: Annotated[list[DevicePart], Field(min_length=1)]


class EdgePart(_Part):
    """The edge server: Mcycle/s, and a price per Mbit that counts like energy."""

    speed: Positive
    price: Size


class CloudPart(EdgePart):
    """The cloud, and the link to it in Mbit/s."""

    rate: Positive


class ParametersPart(_Part):
    """What all devices of a hybrid instance share: s, J and Mcycle per Mbit, Mbit/s, J/s."""

    local_time: Size
    local_energy: Size
    transmit_energy: Size
    cycles: Size
    bandwidth: Positive
    delay_weight: Positive
    edge: EdgePart
    cloud: CloudPart | None


class HybridDevicePart(_Part):
    """A device with the sizes of its tasks in Mbit; all devices have the same number of tasks."""

    id: Id
    weight: Positive | None = None
    sizes: Annotated[list[Size], Field(min_length=1)]


class HybridHeaderPart(_Part):
    """A hybrid instance without its devices."""

    format: Literal["offloadlib-instance"]
    version: Version
    kind: Literal["hybrid"]
    name: str
    description: str | None = None
    source: dict[str, Any] | None = None
    parameters: ParametersPart


class HybridFile(HybridHeaderPart):
    """offloadlib-instance, version 1, of kind hybrid."""

    devices: Annotated[list[HybridDevicePart], Field(min_length=1)]


class FramesHeaderPart(HybridHeaderPart):
    """Many draws of sizes for one hybrid system, without its arrays."""

    format: Literal["offloadlib-frames"]  # type: ignore[assignment]


class AnyInstanceFile(RootModel[Annotated[InstanceFile | HybridFile, Field(discriminator="kind")]]):
    """offloadlib-instance, version 1, of any kind."""


class InstanceReference(_Part):
    """The instance that a solution belongs to."""

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class SolutionFile(_Part):
    """offloadlib-solution, version 1. null in a decision is local.

    In a solution of a hybrid instance the other places are "edge" and "cloud", and ``split`` gives the
    share of the uplink that each device gets, in Mbit/s.
    """

    format: Literal["offloadlib-solution"]
    version: Version
    instance: InstanceReference
    method: str
    objective: _Finite
    lower_bound: _Finite | None
    status: Literal["optimal", "feasible"]
    decisions: dict[str, list[str | None]]
    split: dict[str, Share] | None = None
    run: dict[str, Any]


SCHEMAS: dict[str, type[BaseModel]] = {
    "instance-1.schema.json": AnyInstanceFile,
    "solution-1.schema.json": SolutionFile,
}
SCHEMA_FOLDER = Path(__file__).with_name("schemas")


def json_schema(model: type[BaseModel]) -> str:
    """The JSON Schema (draft 2020-12) of a file format, as text."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(schema, indent=1) + "\n"


if __name__ == "__main__":
    SCHEMA_FOLDER.mkdir(exist_ok=True)
    for name, model in SCHEMAS.items():
        (SCHEMA_FOLDER / name).write_text(json_schema(model), encoding="utf-8")
