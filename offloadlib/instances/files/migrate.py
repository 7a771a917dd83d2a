"""Versions of the formats: which this release reads, and the steps by which older files become current ones.

Every file says its ``format`` and ``version``. What an older version said otherwise is translated here,
document to document, before anything else looks at the file: the rest of the package knows the current
versions alone. Those are more than one where a later version only adds to an earlier one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import InputError, OtherFile, shown
from .document import Document

CURRENT: dict[str, tuple[int, ...]] = {"offloadlib-instance": (1, 2), "offloadlib-solution": (1, 2)}
"""Format -> the versions that are written; of others version 1."""

Step = Callable[[Document], Document]
"""From a document (or header) of one version to the same one of the next; what it gets stays as it is."""

STEPS: dict[tuple[str, int], Step] = {}
"""(format, version) -> the step from an older version to the next; without one it is not read any more."""


def readable(name: str) -> list[int]:
    """The versions of a format that are read, ascending: those from which steps lead to current ones, too."""
    versions = list(_current(name))
    while (name, versions[0] - 1) in STEPS:
        versions.insert(0, versions[0] - 1)
    return versions


def _current(name: str) -> tuple[int, ...]:
    return CURRENT.get(name, (1,))


def current(document: Any, expected: str, source: str | Path) -> Document:
    """A document in a current version of its format; nothing else about it has been looked at.

    Raises
    ------
    OtherFile
        If this is not a file of the expected format.
    InputError
        If it is in a version that this release does not read.
    """
    if not isinstance(document, dict):
        raise OtherFile(source, [("", f"must be an object, not {shown(document)}")])
    if "format" not in document:
        raise OtherFile(source, [("format", "is missing")])
    if document["format"] != expected:
        what = f"must be {shown(expected)}, not {shown(document['format'])}"
        raise OtherFile(source, [("format", what)])
    if "version" not in document:
        problem = ("version", "is missing")
    elif document["version"] not in (known := readable(expected)) or isinstance(document["version"], bool):
        these = f"version {known[0]}" if len(known) == 1 else f"versions {known[0]} to {known[-1]}"
        problem = ("version", f"{shown(document['version'])} is not known; this release reads {these}")
    else:
        return _stepped(document, expected)
    raise InputError(source, [problem])


def _stepped(document: Document, name: str) -> Document:
    for version in range(int(document["version"]), _current(name)[0]):
        document = {**STEPS[name, version](document), "version": version + 1}
    return document
