"""What every importer says of what it has made, and of the files that it has read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError

File = tuple[Path, bytes]
"""Where a file is, and what it holds."""


@dataclass(frozen=True)
class Report:
    """What an importer assumed, counted, left out or scaled, a line each, for people."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def text_of(content: bytes, path: str | Path) -> str:
    """The text of a file.

    Raises
    ------
    InputError
        If it is no UTF-8 text, or empty.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, [("", f"is not UTF-8 text (byte {error.start})")]) from None
    if not text.strip():
        raise InputError(path, [("", "is empty")])
    return text


def provenance(file: File) -> dict[str, str]:
    """Name and SHA-256 of a file, for the ``source`` of an instance."""
    path, content = file
    return {"name": path.name, "sha256": hashlib.sha256(content).hexdigest()}
