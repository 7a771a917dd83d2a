"""Bytes on disk: strict JSON, the zip of columns, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from .columns import Columns
from .errors import InputError, Problem
from .validate import Document

_WHOLE = ("application", "connected_to")
VERSION = 1
"""The version of the formats that this release reads and writes."""

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""Fixed, so that the same instance gives the same bytes."""


@contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of ``path`` only once it is complete.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(path, [("", f"cannot be written: {error.strerror}")]) from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except OSError as error:
        Path(name).unlink(missing_ok=True)
        raise InputError(path, [("", f"cannot be written: {error.strerror}")]) from None
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, [("", f"cannot be read: {error.strerror}")]) from None


class _Doubled(dict[str, Any]):
    """An object of a JSON text in which keys stand twice."""

    keys_twice: tuple[str, ...]


def parse_json(text: bytes, source: str | Path) -> Any:
    """Parse JSON strictly: UTF-8, no duplicate keys.

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

    if not text.strip():
        raise InputError(source, [("", "is empty")])
    try:
        document = json.loads(text.decode("utf-8"), object_pairs_hook=to_object)
    except UnicodeDecodeError as error:
        raise InputError(source, [("", f"is not UTF-8 text (byte {error.start})")]) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(source, [("", f"is not JSON ({error.msg}; {where})")]) from None
    except RecursionError:
        raise InputError(source, [("", "is nested too deeply")]) from None
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(source, [("", f"is not usable JSON ({error})")]) from None
    if doubled:
        raise InputError(source, list(_doubled_keys(document)))
    return document


def _doubled_keys(document: Any) -> Iterator[Problem]:
    stack: list[tuple[str, Any]] = [("", document)]
    while stack:
        where, value = stack.pop()
        if isinstance(value, _Doubled):
            for key in value.keys_twice:
                yield f"{where}.{key}" if where else key, "duplicate key"
        if isinstance(value, dict):
            stack.extend((f"{where}.{key}" if where else key, item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{where}[{i}]", item) for i, item in enumerate(value))


def check_format(document: Any, expected: str, path: str | Path) -> None:
    """Refuse another format or version before anything else is said about the file.

    Raises
    ------
    InputError
        If this is not a file of the expected format, in a version that this release reads.
    """
    if not isinstance(document, dict):
        problem = ("", "must be an object")
    elif document.get("format") != expected:
        problem = ("format", f"must be {expected!r}, not {document.get('format')!r}")
    elif "version" not in document:
        problem = ("version", "is missing")
    elif document["version"] != VERSION or isinstance(document["version"], bool):
        shown = json.dumps(document["version"])[:40]
        problem = ("version", f"{shown} is not known; this release reads version {VERSION}")
    else:
        return
    raise InputError(path, [problem])


def write_zip(file: IO[bytes], header: Document, columns: Columns) -> None:
    """Write the columnar form: a JSON header and plain little-endian arrays in C order."""
    stored = {
        name: values
        for name, values in columns.items()
        if name == "id" or not (values.dtype == np.float64 and np.isnan(values).all())
    }
    described: dict[str, dict[str, Any]] = {
        name: {"type": "json", "shape": [len(values)]}
        if name == "id"
        else {"type": "<i4" if name in _WHOLE else "<f8", "shape": list(values.shape)}
        for name, values in stored.items()
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        text = json.dumps({**header, "columns": described}, indent=1)
        archive.writestr(_member("header.json"), text.encode())
        for name, values in stored.items():
            if name == "id":
                data = json.dumps(values, separators=(",", ":")).encode()
            else:
                data = np.ascontiguousarray(values, dtype=described[name]["type"]).tobytes()
            archive.writestr(_member(f"columns/{name}"), data)


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def read_zip(path: str | Path) -> tuple[Document, Columns]:
    """Header and columns of a columnar file, with the types and shapes that the header promises.

    Raises
    ------
    InputError
        If the file is damaged or its columns do not fit its header.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {info.filename: info.file_size for info in archive.infolist()}
            if len(sizes) < len(archive.infolist()):
                raise InputError(path, [("", "holds a member twice")])
            if "header.json" not in sizes:
                raise InputError(path, [("header.json", "is missing")])
            header = parse_json(archive.read("header.json"), f"{path}: header.json")
            check_format(header, "offloadlib-instance", path)
            shapes = _expected(header, path)
            extra = [
                name for name in sizes if name != "header.json" and name[len("columns/") :] not in shapes
            ]
            if extra:
                raise InputError(path, [(name, "unknown member") for name in extra])
            columns: Columns = {}
            problems: list[Problem] = []
            for name, (kind, shape) in shapes.items():
                member = f"columns/{name}"
                if member not in sizes:
                    problems.append((member, "is missing"))
                elif kind == "json":
                    columns[name] = parse_json(archive.read(member), f"{path}: {member}")
                elif sizes[member] != int(np.prod(shape)) * int(kind[2:]):
                    problems.append((member, f"has {sizes[member]} bytes, its shape says otherwise"))
                else:
                    columns[name] = np.frombuffer(archive.read(member), dtype=kind).reshape(shape)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(path, [("", f"is not a sound zip file ({error})")]) from None
    except OSError as error:
        raise InputError(path, [("", f"cannot be read: {error.strerror or error}")]) from None
    problems += _column_problems(header, columns)
    if problems:
        raise InputError(path, problems)
    del header["columns"]
    return header, columns


def _expected(header: Document, path: str | Path) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Column name -> (type, shape), as declared."""
    declared = header.get("columns")
    if not isinstance(declared, dict):
        raise InputError(path, [("columns", "must be an object")])
    expected: dict[str, tuple[str, tuple[int, ...]]] = {}
    problems: list[Problem] = []
    for name, item in declared.items():
        kind = "json" if name == "id" else "<i4" if name in _WHOLE else "<f8"
        shape = item.get("shape") if isinstance(item, dict) and item.keys() == {"type", "shape"} else None
        sound = isinstance(shape, list) and all(type(size) is int and 0 <= size <= 10**10 for size in shape)
        if not sound or not isinstance(shape, list) or item["type"] != kind:
            problems.append((f"columns.{name}", f"must have type {kind!r} and a shape"))
        else:
            expected[name] = kind, tuple(shape)
    if problems:
        raise InputError(path, problems)
    return expected


def _column_problems(header: Document, columns: Columns) -> list[Problem]:
    """Missing and unknown columns, and shapes that do not fit each other or the header."""
    needed = {"id", "application", "connected_to", "cpu", "alpha"}
    needed |= {"power.execute", "power.send", "power.receive"}
    problems: list[Problem] = [(f"columns.{name}", "is missing") for name in sorted(needed - columns.keys())]
    if problems:
        return problems
    if not isinstance(columns["id"], list):
        return [("columns.id", "must be a list")]
    size = len(columns["id"])
    if size == 0:
        return [("columns.id", "must have at least 1 entries")]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys((*needed, "uplink", "downlink"), (size,))
    shapes["position"] = (size, 2)
    application = columns["application"]
    if application.shape == (size,):
        for i, item in enumerate(header.get("applications") or ()):
            rows = int((application == i).sum())
            if rows and isinstance(item, dict):
                subtasks, arcs = item.get("subtasks") or (), item.get("edges") or ()
                tasks = {f"{key}.{i}": (rows, len(subtasks)) for key in ("work", "input", "output")}
                problems += [(f"columns.{name}", "is missing") for name in tasks if name not in columns]
                shapes |= tasks | {f"edge_data.{i}": (rows, len(arcs))}
    for name, values in columns.items():
        shape = (len(values),) if name == "id" else values.shape
        if name not in shapes:
            problems.append((f"columns.{name}", "unknown column"))
        elif shape != shapes[name]:
            problems.append((f"columns.{name}", f"has shape {list(shape)}, must have {list(shapes[name])}"))
    return problems
