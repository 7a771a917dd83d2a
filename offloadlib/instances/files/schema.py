"""What the file formats are made of: pydantic validates with it, and the JSON Schemas are made from it.

Each kind defines its own instance files in its folder's ``schema``; :mod:`.files.published` has them all.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
)

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


def _version_1(value: int) -> int:
    if value != 1:
        raise ValueError("must be 1")
    return value


_RANGE = {"type": "number", "minimum": SMALLEST, "maximum": LARGEST}
_ZERO = {"const": 0}
_UNIT = {"type": "number", "minimum": SMALLEST, "maximum": 1}
_NEGATIVE = {"type": "number", "minimum": -LARGEST, "maximum": -SMALLEST}

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Size = Annotated[Finite, AfterValidator(size), WithJsonSchema({"anyOf": [_ZERO, _RANGE]})]
Positive = Annotated[Finite, AfterValidator(positive), WithJsonSchema(_RANGE)]
Unit = Annotated[Finite, AfterValidator(_unit), WithJsonSchema({"anyOf": [_ZERO, _UNIT]})]
Coordinate = Annotated[
    Finite, AfterValidator(_coordinate), WithJsonSchema({"anyOf": [_ZERO, _RANGE, _NEGATIVE]})
]
Share = Annotated[Finite, AfterValidator(_share), WithJsonSchema({"type": "number", "minimum": 0})]
Count = Annotated[
    int,
    Field(strict=True),
    AfterValidator(_count),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": int(LARGEST)}),
]
Version = Annotated[
    int,
    Field(strict=True),
    AfterValidator(_version_1),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "const": 1}),
]
Version2 = Annotated[
    int,
    Field(strict=True, ge=2, le=2),
    BeforeValidator(_whole),
    WithJsonSchema({"type": "integer", "const": 2}),
]
Index = Annotated[int, Field(strict=True, ge=0)]
Decimal = Annotated[
    str, Field(strict=True, max_length=100, pattern=r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?$")
]
"""An exact number: certificates hold no binary64 numbers."""
Id = Annotated[str, Field(strict=True, min_length=1)]
Position = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class FileObject(BaseModel):
    """An object of a file, without unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Amounts(BaseModel):
    """How much there is of some resources; of subtasks a whole number."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)
    __pydantic_extra__: dict[str, Size]

    subtasks: Count = 0


BRANCHES = ("<number>", "<object>")
"""How pydantic calls the forms of a value that may be either; nothing in a file is called so."""


def _branch(value: Any) -> str:
    return BRANCHES[isinstance(value, dict | Amounts)]


Capacity = Annotated[
    Annotated[Count, Tag(BRANCHES[0])] | Annotated[Amounts, Tag(BRANCHES[1])], Discriminator(_branch)
]
"""A number of subtasks, or amounts of resources; what is not named has no limit."""


class InstancePart(FileObject):
    """What the header of an instance of every kind says."""

    format: Literal["offloadlib-instance"]
    version: Version
    kind: str
    name: str
    description: str | None = None
    source: dict[str, Any] | None = None


class InstanceReference(FileObject):
    """The instance that a solution belongs to."""

    name: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class SolutionFile(FileObject):
    """offloadlib-solution, version 1. null in a decision is local.

    In a solution of a hybrid instance the other places are "edge" and "cloud", and ``split`` gives the
    share of the uplink that each device gets, in Mbit/s.
    """

    format: Literal["offloadlib-solution"]
    version: Version
    instance: InstanceReference
    method: str
    objective: Finite
    lower_bound: Finite | None
    status: Literal["optimal", "feasible"]
    decisions: dict[str, list[str | None]]
    split: dict[str, Share] | None = None
    run: dict[str, Any]


class SolutionFile2(FileObject):
    """offloadlib-solution, version 2: null in place of a device's decisions is a refused device.

    There is no solution, and objective, lower bound and decisions are null, where the status is infeasible
    or unknown.
    """

    format: Literal["offloadlib-solution"]
    version: Version2
    instance: InstanceReference
    method: str
    objective: Finite | None
    lower_bound: Finite | None
    status: Literal["optimal", "feasible", "infeasible", "unknown"]
    decisions: dict[str, list[str | None] | None] | None
    run: dict[str, Any]


class Leaf(FileObject):
    """A node of a certificate's tree without children; a kind says which prices there are."""

    prices: FileObject


class Divided(FileObject):
    """A node with two children, by their positions: where the branch holds, and where it does not."""

    branch: FileObject
    equal: Index
    different: Index


class CertificateFile(FileObject):
    """offloadlib-certificate, version 1: a tree that proves a lower bound. Node 0 is the root."""

    format: Literal["offloadlib-certificate"]
    version: Version
    instance: InstanceReference
    lower_bound: Decimal
    nodes: Annotated[list[Any], Field(min_length=1)]
