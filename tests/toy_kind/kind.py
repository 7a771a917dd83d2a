"""The toy problem, as code for every kind sees it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from offloadlib.instances import InputError
from offloadlib.instances.arrays import Floats
from offloadlib.instances.errors import Problem, counted
from offloadlib.instances.exact import Arithmetic, Number
from offloadlib.instances.files import canonical
from offloadlib.instances.files.archive import Archive, ColumnForm, Columns, Layout
from offloadlib.instances.files.document import Document, instance_header
from offloadlib.instances.files.schema import Count, FileObject, Id, InstancePart, Size
from offloadlib.instances.files.validate import free_data, structure, unique_ids
from offloadlib.instances.kind import AnyEvaluation, AnyInstance, Kind


@dataclass(frozen=True, eq=False, repr=False)
class ToyInstance(AnyInstance):
    """Devices with the cost of their task on themselves and away, (N,) each, and the room away."""

    kind = "toy"

    devices: tuple[str, ...]
    alone: Floats
    away: Floats
    room: int

    @property
    def num_devices(self) -> int:
        return len(self.devices)

    @property
    def num_points(self) -> int:
        return 1

    @property
    def summary(self) -> str:
        return f"{counted(self.num_devices, 'device')}, room for {self.room}"


@dataclass(frozen=True, eq=False)
class ToySolution:
    """Who is away, (N,)."""

    away: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ToyEvaluation(AnyEvaluation):
    """What decisions cost, and whether there is room for them."""

    away: int
    room: int

    @property
    def utilisation(self) -> float:
        return self.away / max(self.room, 1)

    @property
    def usage(self) -> str:
        return f"{self.away} of {self.room} places"

    @property
    def violations(self) -> list[str]:
        return [f"{self.away} away, and room for {self.room}"] if self.away > self.room else []


def cost_of(instance: ToyInstance, solution: ToySolution) -> Floats:
    return np.where(solution.away, instance.away, instance.alone)


def evaluate(instance: ToyInstance, solution: ToySolution) -> ToyEvaluation:
    cost = cost_of(instance, solution)
    nothing = np.zeros(instance.num_devices)
    return ToyEvaluation(instance, cost, nothing, cost, int(solution.away.sum()), instance.room)


def all_local(instance: ToyInstance) -> ToySolution:
    return ToySolution(np.zeros(instance.num_devices, dtype=bool))


# Exact costs --------------------------------------------------------------------------------------


def numbers(instance: ToyInstance, solution: ToySolution) -> Iterator[Floats]:
    yield from (instance.alone, instance.away)


def costs(instance: ToyInstance, solution: ToySolution, arithmetic: Arithmetic) -> Iterator[Number]:
    yield arithmetic.of(cost_of(instance, solution))


# Files --------------------------------------------------------------------------------------------


class ToyDevicePart(FileObject):
    id: Id
    alone: Size
    away: Size


class ToyFile(InstancePart):
    kind: Literal["toy"]
    room: Count
    devices: Annotated[list[ToyDevicePart], Field(min_length=1)]


def document_problems(document: Document) -> list[Problem]:
    return structure(ToyFile, document) or [*free_data(document), *unique_ids(document, "devices")]


def from_document(document: Document) -> ToyInstance:
    devices = document["devices"]
    alone, away = (np.array([float(device[key]) for device in devices]) for key in ("alone", "away"))
    names = tuple(device["id"] for device in devices)
    return ToyInstance(document["name"], names, alone, away, document["room"])


def from_archive(archive: Archive) -> ToyInstance:
    raise InputError(archive.source, [("", "instances of kind toy are JSON")])


def header_and_columns(instance: ToyInstance) -> tuple[Document, Columns]:
    header = instance_header("toy", name=instance.name, description=None, source=None, room=instance.room)
    return header, {"id": list(instance.devices), "alone": instance.alone, "away": instance.away}


def layout(header: Document, columns: Columns) -> Layout:
    return {key: ColumnForm((len(columns["id"]),), "json" if key == "id" else "<f8") for key in columns}


def device_documents(header: Document, columns: Columns) -> Iterator[Document]:
    for name, alone, away in zip(*columns.values(), strict=True):
        yield {"id": name, "alone": float(alone), "away": float(away)}


def fingerprint(instance: ToyInstance) -> str:
    header, columns = header_and_columns(instance)
    return canonical.fingerprint(header, device_documents(header, columns))


def solution_keys(solution: ToySolution, instance: ToyInstance) -> Document:
    return {}


def decisions(solution: ToySolution, instance: ToyInstance) -> Iterator[tuple[str, list[str | None]]]:
    for name, away in zip(instance.devices, solution.away.tolist(), strict=True):
        yield name, ["away" if away else None]


def decision_problems(document: Document, instance: ToyInstance) -> Iterator[Problem]:
    if set(document["decisions"]) != set(instance.devices):
        yield "decisions", "must name every device"


def solution_of(document: Document, instance: ToyInstance) -> ToySolution:
    return ToySolution(np.array([document["decisions"][name] != [None] for name in instance.devices]))


# The generator ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ToySetting:
    """Parameters of random toy instances.

    Parameters
    ----------
    devices
        Number of devices.
    room
        How many may be away.
    """

    devices: int = 5
    room: int = 2


def generate(
    setting: ToySetting, *, seed: int, name: str | None = None, description: str | None = None
) -> ToyInstance:
    rng = np.random.default_rng(seed)
    names = tuple(f"d{i}" for i in range(setting.devices))
    alone, away = rng.integers(1, 20, (2, setting.devices)).astype(np.float64)
    return ToyInstance(name or f"toy-{seed}", names, alone, away, setting.room)


_HERE: Any = sys.modules[__name__]

KIND = Kind(
    file=ToyFile,
    form=_HERE,
    solution=ToySolution,
    all_local=all_local,
    evaluate=evaluate,
    exact=_HERE,
    setting=ToySetting,
    generate=generate,
    features={},
)
