"""Bytes on disk: strict JSON, the zip of columns, and files that are written whole or not at all."""

from __future__ import annotations

import codecs
import gc
import io
import json
import math
import os
import re
import secrets
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from .errors import InputError, Problem, os_reason, place, shown
from .structured.columns import Columns, is_optional
from .validate import Document, walk

VERSION = 1
"""The version of the formats that this release reads and writes."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Fixed, so that the same instance gives the same bytes."""

_JSON_LIMIT = 2**28
"""Bytes that a JSON member of a zip may unfold to; what an array unfolds to follows from its shape."""

_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(RuntimeError, ValueError, OverflowError, MemoryError),
)
"""What Python's zip reader raises where a file is damaged."""

_HALF_CHARACTER = re.compile(rb"\\u[dD][89a-fA-F]")
"""An escape of a surrogate: half a character, which may be alone."""


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of ``path`` only once it is complete.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    try:
        target = Path(os.path.realpath(path))  # where a symbolic link leads
        partial = target.with_name(f".offloadlib-{secrets.token_hex(8)}")
        # A device or a pipe cannot be replaced: it is written to.
        special = Path(path).exists() and not target.is_file()
        opened, mode = (Path(path), "wb") if special else (partial, "xb")
        file = cast(IO[bytes], opened.open(mode))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise InputError(path, [("", f"cannot be written: {os_reason(error)}")]) from None
    try:
        with file:
            yield file
        if not special:
            partial.replace(target)
    except OSError as error:
        raise InputError(path, [("", f"cannot be written: {os_reason(error)}")]) from None
    finally:
        partial.unlink(missing_ok=True)


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(path, [("", f"cannot be read: {os_reason(error)}")]) from None


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection while millions of lists and objects arise, none of them garbage.

    The collector would walk over them again and again, which takes two thirds of the time.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class _Doubled(dict[str, Any]):
    """An object of a JSON text in which keys stand twice."""

    keys_twice: tuple[str, ...]


def parse_json(text: bytes, source: str | Path) -> Any:
    """Parse JSON strictly: UTF-8, no duplicate keys, no half characters.

    Raises
    ------
    InputError
        Naming line and column, or the path of each duplicate key.
    """
    doubled = False

    def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        item = dict(pairs)
        if len(item) == len(pairs):
            return item
        doubled = True
        marked = _Doubled(item)
        marked.keys_twice = tuple(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        return marked

    what = ""
    if not text.strip():
        what = "is empty"
    elif text.startswith(codecs.BOM_UTF8):
        what = "begins with a byte order mark: save it as UTF-8 without one"
    else:
        try:
            document = json.loads(text.decode("utf-8"), object_pairs_hook=to_object)
        except UnicodeDecodeError as error:
            what = f"is not UTF-8 text (byte {error.start})"
        except json.JSONDecodeError as error:
            what = f"is not JSON, or is cut short ({error.msg}; line {error.lineno}, column {error.colno})"
        except RecursionError:
            what = "is nested too deeply"
        except MemoryError:
            what = "does not fit into memory"
        except ValueError:  # the only other one: Python's limit on the length of an integer
            what = "holds a whole number of thousands of digits"
    problems = [("", what)] if what else []
    if not problems and (doubled or _HALF_CHARACTER.search(text)):
        problems = list(_text_problems(document))
    if problems:
        raise InputError(source, problems)
    return document


def _text_problems(document: Any) -> Iterator[Problem]:
    """What the parsed document still shows of duplicate keys, and of strings that are no text."""
    for path, value in walk(document):
        if isinstance(value, _Doubled):
            yield from ((place("", (*path, key)), "duplicate key") for key in value.keys_twice)
        strings = value.keys() if isinstance(value, dict) else (value,) if isinstance(value, str) else ()
        for string in strings:
            if any("\ud800" <= character <= "\udfff" for character in string):
                yield place("", path), f"must be Unicode text, not {shown(string)}"


def check_format(document: Any, expected: str, path: str | Path) -> None:
    """Refuse another format or version before anything else is said about the file.

    Raises
    ------
    InputError
        If this is not a file of the expected format, in a version that this release reads.
    """
    if not isinstance(document, dict):
        problem = ("", f"must be an object, not {shown(document)}")
    elif "format" not in document:
        problem = ("format", "is missing")
    elif document["format"] != expected:
        problem = ("format", f"must be {shown(expected)}, not {shown(document['format'])}")
    elif "version" not in document:
        problem = ("version", "is missing")
    elif document["version"] != VERSION or isinstance(document["version"], bool):
        version = shown(document["version"])
        problem = ("version", f"{version} is not known; this release reads version {VERSION}")
    else:
        return
    raise InputError(path, [problem])


def write_zip(file: IO[bytes], header: Document, columns: Columns) -> None:
    """Write the columnar form: a JSON header and plain little-endian arrays in C order."""
    stored = {
        name: values for name, values in columns.items() if not (is_optional(name) and np.isnan(values).all())
    }
    described = {name: _description(name, np.shape(values)) for name, values in stored.items()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        text = json.dumps({**header, "columns": described}, indent=1)
        archive.writestr(_member("header.json"), text.encode())
        for name, values in stored.items():
            if name == "id":
                data = json.dumps(values, separators=(",", ":")).encode()
            else:
                data = np.ascontiguousarray(values, dtype=_kind(name)).tobytes()
            archive.writestr(_member(f"columns/{name}"), data)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


class Archive:
    """The header and the other members of a zip file; what is wrong with them is an :class:`InputError`."""

    def __init__(self, data: bytes, source: str | Path) -> None:
        self.source = source
        with self._sound(""):
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        infos = self._zip.infolist()
        self.members = {info.filename: info for info in infos}
        if len(self.members) < len(infos):
            raise InputError(source, [("", "holds a member twice")])
        self.header: Document = self.json("header.json")

    @contextmanager
    def _sound(self, member: str) -> Iterator[None]:
        try:
            yield
        except _DAMAGE as error:
            raise InputError(self.source, [(member, f"is not a sound zip file ({error})")]) from None

    def json(self, member: str) -> Any:
        """A member as JSON."""
        return parse_json(self._unpacked(member, None), f"{self.source}: {member}")

    def column(self, name: str, shape: tuple[int, ...]) -> Any:
        """A column as an array, whose size is checked before it is unpacked."""
        kind = _kind(name)
        size = math.prod(shape) * np.dtype(kind).itemsize
        return np.frombuffer(self._unpacked(f"columns/{name}", size), dtype=kind).reshape(shape)

    def columns(self, described: Document, shapes: Mapping[str, tuple[int, ...]], known: Columns) -> Columns:
        """All columns: those known already, and the others that the header describes.

        Raises
        ------
        InputError
            With everything that is wrong with the description, the members and the columns.
        """
        problems = list(_description_problems(described, shapes))
        expected = {"header.json", *(f"columns/{name}" for name in described)}
        problems += [("", f"unknown member {shown(name)}") for name in self.members if name not in expected]
        if problems:
            raise InputError(self.source, problems)
        columns = dict(known)
        for name in described:
            if name not in columns:
                try:
                    columns[name] = self.column(name, shapes[name])
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


def _description_problems(described: Document, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Problem]:
    """Where the header's description of the columns differs from what its other parts ask for."""
    for name in shapes:
        if name not in described and not is_optional(name):
            yield place("columns", [name]), "is missing"
    for name, item in described.items():
        if name not in shapes:
            yield place("columns", [name]), "unknown column"
        elif item != (expected := _description(name, shapes[name])):
            yield place("columns", [name]), f"must be {json.dumps(expected)}"


def _description(name: str, shape: tuple[int, ...]) -> Document:
    return {"type": _kind(name), "shape": list(shape)}


def _kind(name: str) -> str:
    return "json" if name == "id" else "<i4" if name in ("application", "connected_to") else "<f8"
