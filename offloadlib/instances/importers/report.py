"""What every importer says of what it has made, and of the files that it has read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

File = tuple[Path, bytes]
"""Where a file is, and what it holds."""


@dataclass(frozen=True)
class Report:
    """What an importer assumed, counted, left out or scaled, a line each, for people."""

    lines: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines)


def provenance(file: File) -> dict[str, str]:
    """Name and SHA-256 of a file, for the ``source`` of an instance."""
    path, content = file
    return {"name": path.name, "sha256": hashlib.sha256(content).hexdigest()}
