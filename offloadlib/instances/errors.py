"""The one exception for unusable input, and how its messages name places and values."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Problem = tuple[str, str]
"""A place inside a file (``devices[3].power.send``; empty: the whole file) and what is wrong there."""

SHOWN = 20
"""Problems printed in full; a file with thousands of them is wrong in one way."""

LONGEST = 60
"""Characters of a value that a message repeats."""

_PLAIN_KEY = re.compile(r"[\w-]+")


class InputError(ValueError):
    """A file, or a generator's parameters, that cannot be used.

    Parameters
    ----------
    source
        The file, or what else the input is called.
    problems
        Every problem found: (path inside the file, what is wrong).
    """

    def __init__(self, source: str | Path, problems: Sequence[Problem]) -> None:
        self.source = str(source)
        self.problems = tuple(problems)
        lines = [f"{where}: {what}" if where else what for where, what in self.problems]
        if len(lines) == 1:
            text = f"{self.source}: {lines[0]}"
        else:
            rest = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            text = "\n  ".join([f"{self.source}: {len(lines)} problems", *lines[:SHOWN], *rest])
        super().__init__(text)

    def __reduce__(self) -> tuple[type[InputError], tuple[str, tuple[Problem, ...]]]:
        """Pickled by its parts, so that it survives the way back from a worker process."""
        return type(self), (self.source, self.problems)


class OtherFile(InputError):
    """A file that is none of the kind that is read, whatever else it may be."""


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name that is not known: it names the nearest, whatever their case, or else all."""
    by_lower = {item.lower(): item for item in known}
    nearest = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)
    told = "did you mean {}?" if nearest else "there are {}"
    names = ", ".join(by_lower[item] for item in nearest or by_lower)
    return InputError(what, [("", f"{name!r} is not known; {told.format(names)}")])


def place(prefix: str, path: Iterable[int | str]) -> str:
    """A path inside a file as people write it: ``devices[3].power.send``, ``decisions["ud 1"]``."""
    text = prefix
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{shown(step)}]"
    return text


def shown(value: Any) -> str:
    """A value of a file for a message: as in JSON, on one line, short and printable."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    printable = isinstance(value, str) and value.isprintable()
    text = json.dumps(value, ensure_ascii=not printable, default=repr)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def os_reason(error: OSError | ValueError | MemoryError) -> str:
    """Why a file could not be opened, read or written, without its name."""
    if isinstance(error, MemoryError):
        return "it does not fit into memory"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
