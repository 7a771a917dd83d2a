"""The columnar form: a zip file with a JSON header and plain arrays."""

from __future__ import annotations

import io
import json
import math
import struct
import sys
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from ..data import AnyInstance, Application, Problem, Unusable
from ..parse import (
    FRAME_OPTIONAL,
    HYBRID_FRAME,
    INSTANCE_MARKS,
    Record,
    any_array,
    any_object,
    filled_array,
    joined,
    one_of,
    parse_json,
)
from ..read import Frame, check_marks, hybrid_instance, read_frame, structured_instance

# A zip can be small and unfold to a lot. The size of an array is known beforehand from its shape; that
# of a JSON member is not, so it gets a limit.
_JSON_MEMBER_LIMIT = 2**28
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,  # an encrypted member, or a feature that Python's zipfile does not know
    ValueError,  # offsets and names that make no sense
)
_COLUMN = Record({"type": one_of("<f8", "<i4", "json"), "shape": any_array}, {})
_POWERS = ("execute", "send", "receive")
_SCALARS = ("cpu", "alpha", *(f"power.{name}" for name in _POWERS))
_RATES = ("uplink", "downlink")
_VECTORS = ("work", "input", "output")
_TERMS = ("deadline", "energy_budget", "rejection", "weight", "latency.up", "latency.down")
_LISTS = ("at", "allowed")


class _Table(NamedTuple):
    """An array with rows, in C order."""

    values: array[Any]
    width: int

    def row(self, number: int) -> list[Any]:
        return self.values[number * self.width : (number + 1) * self.width].tolist()


class _Archive:
    """The members of a columnar file; what is wrong with them is noted in `problems`."""

    def __init__(self, data: bytes, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.columns: dict[str, dict[str, Any]] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise Unusable(file, [("", f"is not a zip, or is cut short: {error}")]) from None
        for member in self._zip.infolist():
            if member.filename in self._members:
                self.problems.append((member.filename, "duplicate member"))
            self._members[member.filename] = member
        self.raise_problems()

    def raise_problems(self) -> None:
        if self.problems:
            raise Unusable(self.file, self.problems)

    def declare(self, columns: dict[str, Any]) -> None:
        """Take the declarations of the columns from the header."""
        for name, declaration in columns.items():
            self.columns[name] = _COLUMN(self.problems, declaration, joined("columns", name))
        known = {"header.json", *(f"columns/{name}" for name in columns)}
        self.problems += [(name, "unknown member") for name in sorted(self._members.keys() - known)]

    def json(self, name: str) -> Any:
        """Parse a JSON member; raise Unusable if it cannot be had."""
        data = self._read(name, None)
        self.raise_problems()
        return parse_json(data, f"{self.file}: {name}")

    def expect(self, name: str, kind: str, *shape: int, optional: bool = False) -> bool:
        """Tell whether a column is declared, and note where it is not what it must be."""
        declared = self.columns.get(name)
        if declared is None:
            if not optional:
                self.problems.append((joined("columns", name), "is missing"))
            return False
        for key, value in (("type", kind), ("shape", list(shape))):
            if declared[key] != value:
                self.problems.append((f"{joined('columns', name)}.{key}", f"is not {json.dumps(value)}"))
        return True

    def table(self, name: str, kind: str, *shape: int, optional: bool = False) -> _Table | None:
        """Read an array; return None where it is not there or not right."""
        before = len(self.problems)
        if not self.expect(name, kind, *shape, optional=optional) or len(self.problems) > before:
            return None
        values: array[Any] = array("d" if kind == "<f8" else "i")
        values.frombytes(self._read(f"columns/{name}", math.prod(shape) * values.itemsize))
        if sys.byteorder == "big":
            values.byteswap()
        return _Table(values, math.prod(shape[1:]))

    def indices(self, name: str, length: int, lowest: int, stop: int) -> Sequence[int]:
        """Read a column of indices from `lowest` to before `stop`."""
        table = self.table(name, "<i4", length)
        values: Sequence[int] = table.values if table else ()
        for i, value in enumerate(values):
            if not lowest <= value < stop:
                self.problems.append((f"columns/{name}[{i}]", f"{value} is not in {lowest}..{stop - 1}"))
        return values

    def _read(self, name: str, size: int | None) -> bytes:
        """Unpack a member of a known size, or of any size up to the limit; b"" where that fails."""
        member = self._members.get(name)
        if member is None:
            fault = "is missing"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is compressed in another way than deflate"
        elif size is None and member.file_size > _JSON_MEMBER_LIMIT:
            fault = f"has {member.file_size} bytes, more than the limit of {_JSON_MEMBER_LIMIT}"
        elif size is not None and member.file_size != size:
            fault = f"has {member.file_size} bytes, its shape needs {size}"
        else:
            try:
                data = self._zip.read(member)
                if len(data) == member.file_size:
                    return data
                fault = "is cut short"
            except _ZIP_ERRORS as error:
                fault = f"cannot be unpacked: {error}"
        self.problems.append((name, fault))
        return b""


def instance_from_columns(data: bytes, file: str) -> AnyInstance:
    """Read a columnar file: its devices are handed on one by one as they would stand in a JSON file."""
    archive = _Archive(data, file)
    header = archive.json("header.json")
    check_marks(header, INSTANCE_MARKS, file)
    if header["kind"] == "hybrid":
        fields = Record({**HYBRID_FRAME, "columns": any_object}, FRAME_OPTIONAL)(archive.problems, header, "")
        archive.declare(fields.get("columns", {}))
        archive.raise_problems()
        return hybrid_instance(archive.problems, fields, _hybrid_documents(archive), file)
    frame = read_frame(archive.problems, header, "columns", any_object)
    archive.declare(frame.body or {})
    archive.raise_problems()
    return structured_instance(archive.problems, frame, _device_documents(archive, frame), file)


def _device_documents(archive: _Archive, frame: Frame) -> Iterator[dict[str, Any]]:
    applications = [application for application in frame.applications.values() if application]
    ids = filled_array(archive.problems, archive.json("columns/id"), "columns/id") or []
    count = len(ids)
    archive.expect("id", "json", count)
    kinds = archive.indices("application", count, 0, len(applications))
    connections = archive.indices("connected_to", count, -1, len(frame.points))
    scalars = {name: archive.table(name, "<f8", count) for name in _SCALARS}
    rates = {name: archive.table(name, "<f8", count, optional=True) for name in _RATES}
    positions = archive.table("position", "<f8", count, 2, optional=True)
    archive.raise_problems()
    vectors: dict[tuple[str, int], _Table | None] = {}
    for i, rows in sorted(Counter(kinds).items()):
        for name in _VECTORS:
            vectors[name, i] = archive.table(f"{name}.{i}", "<f8", rows, len(applications[i].subtasks))
        arcs = len(applications[i].edges)
        vectors["edge_data", i] = archive.table(f"edge_data.{i}", "<f8", rows, arcs, optional=True)
    known = {"id", "application", "connected_to", *scalars, *rates, "position"}
    known.update(f"{name}.{i}" for name, i in vectors)
    second = _Second(archive, frame, applications, kinds) if frame.version == 2 else None
    unknown = archive.columns.keys() - known - (second.known if second else set())
    archive.problems += [("columns", f"unknown column {name!r}") for name in sorted(unknown)]
    archive.raise_problems()

    rows_read = [0] * len(applications)
    for m, (i, connection) in enumerate(zip(kinds, connections, strict=True)):
        scalar = {name: table.values[m] for name, table in scalars.items() if table}
        document = {
            "id": ids[m],
            "application": applications[i].id,
            "cpu": scalar["cpu"],
            "power": {name: scalar[f"power.{name}"] for name in _POWERS},
            "connected_to": None if connection < 0 else frame.points[connection].id,
            "alpha": scalar["alpha"],
        }
        document |= {name: table.values[m] for name, table in rates.items() if table and _given(table.row(m))}
        if positions and _given(positions.row(m)):
            document["position"] = positions.row(m)
        for name in (*_VECTORS, "edge_data"):
            table = vectors[name, i]
            if table and (name in _VECTORS or _given(table.row(rows_read[i]))):
                document[name] = table.row(rows_read[i])
        if second:
            document |= second.keys(m, i, rows_read[i])
        rows_read[i] += 1
        yield document


class _Second:
    """The columns of version 2, all of which are optional; `known` has their names."""

    def __init__(
        self, archive: _Archive, frame: Frame, applications: Sequence[Application], kinds: Sequence[int]
    ) -> None:
        self._resources = frame.resources
        self._scalars = {name: archive.table(name, "<f8", len(kinds), optional=True) for name in _TERMS}
        self._demand: dict[int, _Table | None] = {}
        self._lists: dict[tuple[str, int], list[Any] | None] = {}
        for i, rows in sorted(Counter(kinds).items()):
            shape = rows, len(frame.resources), len(applications[i].subtasks)
            self._demand[i] = archive.table(f"demand.{i}", "<f8", *shape, optional=True)
            for name in _LISTS:
                self._lists[name, i] = self._list(archive, f"{name}.{i}", rows)
        self.known = {*_TERMS, *(f"demand.{i}" for i in self._demand)}
        self.known.update(f"{name}.{i}" for name, i in self._lists)

    def _list(self, archive: _Archive, name: str, rows: int) -> list[Any] | None:
        if not archive.expect(name, "json", rows, optional=True):
            return None
        found: list[Any] | None = any_array(
            archive.problems, archive.json(f"columns/{name}"), f"columns/{name}"
        )
        if found is not None and len(found) != rows:
            archive.problems.append((f"columns/{name}", f"has {len(found)} entries instead of {rows}"))
            return None
        return found

    def keys(self, m: int, i: int, row: int) -> dict[str, Any]:
        """Return what the document of the m-th device has of version 2, the row-th one of application i."""
        document: dict[str, Any] = {}
        for name, table in self._scalars.items():
            if table and _given(table.row(m)):
                key, _, part = name.partition(".")
                if part:
                    document.setdefault(key, {})[part] = table.values[m]
                else:
                    document[key] = table.values[m]
        if table := self._demand[i]:
            values, width = table.row(row), table.width // (len(self._resources) or 1)
            named = {name: values[r * width : (r + 1) * width] for r, name in enumerate(self._resources)}
            document["demand"] = {name: part for name, part in named.items() if _given(part)}
        for name in _LISTS:
            found = self._lists[name, i]
            if found and found[row] is not None:
                document[name] = found[row]
        return document


def _hybrid_documents(archive: _Archive) -> Iterator[dict[str, Any]]:
    ids = filled_array(archive.problems, archive.json("columns/id"), "columns/id") or []
    archive.expect("id", "json", len(ids))
    weights = archive.table("weight", "<f8", len(ids))
    shape = archive.columns.get("sizes", {}).get("shape", [])
    if len(shape) != 2 or not all(type(length) is int and length > 0 for length in shape):
        archive.problems.append(("columns.sizes.shape", "is not that of a table"))
        archive.raise_problems()
    sizes = archive.table("sizes", "<f8", len(ids), shape[1])
    unknown = archive.columns.keys() - {"id", "weight", "sizes"}
    archive.problems += [("columns", f"unknown column {name!r}") for name in sorted(unknown)]
    archive.raise_problems()
    if weights and sizes:
        for i, name in enumerate(ids):
            yield {"id": name, "weight": weights.values[i], "sizes": sizes.row(i)}


def _given(row: list[float]) -> bool:
    return not all(map(math.isnan, row))
