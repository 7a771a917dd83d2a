"""Documents on disk: strict JSON, and files that are written whole or not at all."""

from __future__ import annotations

import codecs
import gc
import json
import math
import os
import re
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, cast

import numpy as np

from ..errors import InputError, Problem, os_reason, place, shown

Document = dict[str, Any]
"""A parsed JSON object."""

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


class Readable(Protocol):
    """An open file, of text or of bytes."""

    def read(self) -> str | bytes:
        """All that is left in it."""


Source = str | os.PathLike[str] | Readable | Mapping[str, Any]
"""A file, an open one, or the document itself, as Python's dictionaries and lists."""


def content(source: Source) -> tuple[bytes, str | Path]:
    """The bytes of a source, and what messages call it.

    Raises
    ------
    InputError
        If it cannot be read, or is no JSON.
    """
    if isinstance(source, str | os.PathLike):
        return read_bytes(source), Path(source)
    if isinstance(source, Mapping):
        try:
            return json.dumps(jsonable(source)).encode(), "document"
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError("document", [("", f"cannot be written as JSON: {error}")]) from None
    if not hasattr(source, "read"):
        what = f"must be a path, an open file or a dictionary, not {type(source).__name__}"
        raise InputError("read", [("", what)])
    name = str(getattr(source, "name", "file"))
    try:
        data = source.read()
        return (data.encode() if isinstance(data, str) else data), name
    except (OSError, ValueError) as error:  # also half a character, and a file that is closed
        raise InputError(name, [("", f"cannot be read: {os_reason(error)}")]) from None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(Path(path), [("", f"cannot be read: {os_reason(error)}")]) from None


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


def walk(document: Any) -> Iterator[tuple[tuple[int | str, ...], Any]]:
    """(path, value) of everything in a JSON document, in its order and without recursion."""
    stack: list[tuple[tuple[int | str, ...], Any]] = [((), document)]
    while stack:
        path, value = stack.pop()
        yield path, value
        if isinstance(value, dict):
            stack.extend(((*path, key), item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend(((*path, i), value[i]) for i in reversed(range(len(value))))


def lines(document: Document, key: str, items: Iterator[str], brackets: str = "[]") -> Iterator[str]:
    """JSON text of a document with one more key, whose items stand on a line each."""
    yield f'{json.dumps(document, indent=1)[:-2]},\n "{key}": {brackets[0]}'
    separator = "\n  "
    for item in items:
        yield separator + item
        separator = ",\n  "
    yield f"\n {brackets[1]}\n}}\n"


def jsonable(value: Any) -> Any:
    """A value with lists and dictionaries for arrays, tuples and the like; all else as it is."""
    if isinstance(value, Mapping):
        return {key: jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return value
    return [jsonable(item) for item in value]


def plain(value: Any) -> Any:
    """A value as JSON can hold it: numpy's numbers as Python's, what is not finite as null, the rest as it
    is or as text."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def without_nulls(item: Mapping[str, Any]) -> Document:
    """The keys that say something."""
    return {key: value for key, value in item.items() if value is not None}


def instance_header(
    kind: str, *, name: str, description: str | None, source: Mapping[str, Any] | None, **rest: Any
) -> Document:
    """The header of an instance in version 1: what every kind says, and the rest of its keys."""
    first = {"format": "offloadlib-instance", "version": 1, "kind": kind}
    about = {"name": name, "description": description, "source": None if source is None else dict(source)}
    return {**first, **without_nulls(about), **rest}
