"""The columnar form: a zip of a JSON header and plain arrays."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ..errors import InputError, Problem, place, shown
from .document import Document, parse_json
from .migrate import current

Columns = dict[str, Any]
"""Column name -> array (or, for a column of JSON, a list)."""


class ColumnForm(NamedTuple):
    """What a column of a file looks like: its shape, the type of its entries, whether it may be left out."""

    shape: tuple[int, ...]
    type: str = "<f8"
    optional: bool = False

    @property
    def description(self) -> Document:
        """As in the header."""
        return {"type": self.type, "shape": list(self.shape)}


Layout = Mapping[str, ColumnForm]
"""Every column that may stand under a header."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Fixed, so that the same instance gives the same bytes."""

_JSON_LIMIT = 2**28
"""Bytes that a JSON member of a zip may unfold to; what an array unfolds to follows from its shape."""

_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(RuntimeError, ValueError, OverflowError, MemoryError),
)
"""What Python's zip reader raises where a file is damaged."""


def write_zip(file: IO[bytes], header: Document, columns: Columns, layout: Layout) -> None:
    """Write the columnar form: a JSON header and plain little-endian arrays in C order."""
    stored = {
        name: values
        for name, values in columns.items()
        if not (layout[name].optional and _says_nothing(layout[name], values))
    }
    described = {name: layout[name].description for name in stored}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        text = json.dumps({**header, "columns": described}, indent=1)
        archive.writestr(_member("header.json"), text.encode())
        for name, values in stored.items():
            if layout[name].type == "json":
                data = json.dumps(values, separators=(",", ":")).encode()
            else:
                data = np.ascontiguousarray(values, dtype=layout[name].type).tobytes()
            archive.writestr(_member(f"columns/{name}"), data)


def _says_nothing(column: ColumnForm, values: Any) -> bool:
    if column.type == "json":
        return all(value is None for value in values)
    return bool(np.isnan(values).all())


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class Archive:
    """The members of a zip file; what is wrong with them is an :class:`InputError`.

    Attributes
    ----------
    header
        The document without its devices, of the format asked for, in its current version.
    described
        What the header says of the columns: an object, in a sound file.
    """

    def __init__(self, data: bytes, source: str | Path, expected: str) -> None:
        self.source = source
        with self._sound(""):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        infos = self._zip.infolist()
        self.members = {info.filename: info for info in infos}
        if len(self.members) < len(infos):
            raise InputError(source, [("", "holds a member twice")])
        header = current(self.json("header.json"), expected, source)
        self.described: Any = header.get("columns")
        self.header = {key: value for key, value in header.items() if key != "columns"}

    @contextmanager
    def _sound(self, member: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise InputError(self.source, [(member, f"is not a sound zip file ({error})")]) from None

    def json(self, member: str) -> Any:
        """A member as JSON."""
        return parse_json(self._unpacked(member, None), f"{self.source}: {member}")

    def column(self, name: str, column: ColumnForm) -> Any:
        """A column as an array, whose size is checked before it is unpacked, or as a list."""
        if column.type == "json":
            values = self.json(f"columns/{name}")
            if not isinstance(values, list) or len(values) != column.shape[0]:
                raise InputError(self.source, [(f"columns/{name}", f"must be a list of {column.shape[0]}")])
            return values
        size = math.prod(column.shape) * np.dtype(column.type).itemsize
        data = self._unpacked(f"columns/{name}", size)
        return np.frombuffer(data, dtype=column.type).reshape(column.shape)

    def columns(self, layout: Layout, known: Columns) -> Columns:
        """All columns: those known already, and the others that the header describes.

        Raises
        ------
        InputError
            With everything that is wrong with the description, the members and the columns.
        """
        problems = list(_description_problems(self.described, layout))
        expected = {"header.json", *(f"columns/{name}" for name in self.described)}
        problems += [("", f"unknown member {shown(name)}") for name in self.members if name not in expected]
        if problems:
            raise InputError(self.source, problems)
        columns = dict(known)
        for name in self.described:
            if name not in columns:
                try:
                    columns[name] = self.column(name, layout[name])
                except InputError as error:
                    problems += error.problems
        if problems:
            raise InputError(self.source, problems)
        return columns

    def _unpacked(self, member: str, size: int | None) -> bytes:
        info = self.members.get(member)
        what = None
        if info is None:
            what = "is missing"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            what = "must be compressed by deflate, or not at all"
        elif info.flag_bits & 1:
            what = "is encrypted"
        elif size is None and info.file_size > _JSON_LIMIT:
            what = f"must have at most {_JSON_LIMIT} bytes, not {info.file_size}"
        elif size is not None and info.file_size != size:
            what = f"must have {size} bytes, not {info.file_size}"
        else:
            with self._sound(member):
                data = self._zip.read(info)
                if len(data) == info.file_size:
                    return data
                what = "is cut short"
        raise InputError(self.source, [(member, what)])


def _description_problems(described: Document, layout: Layout) -> Iterator[Problem]:
    """Where the header's description of the columns differs from what its other parts ask for."""
    for name, column in layout.items():
        if name not in described and not column.optional:
            yield place("columns", [name]), "is missing"
    for name, item in described.items():
        if name not in layout:
            yield place("columns", [name]), "unknown column"
        elif item != (expected := layout[name].description):
            yield place("columns", [name]), f"must be {json.dumps(expected)}"
