"""Inputs and outputs are kept apart."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def keep_apart(inputs: Iterable[Path | None], outputs: Iterable[Path | None]) -> None:
    """Refuse to write over an input, and to write two outputs to one file, before there is any work.

    Links and other spellings of a path are seen through. A device or a pipe is never written over.

    Raises
    ------
    InputError
        Naming the first output that is one of the other files.
    """
    from offloadlib.instances.errors import InputError

    read = {_identity(path) for path in inputs if path is not None}
    written: set[object] = set()
    for output in outputs:
        if output is None or (output.exists() and not output.is_file()):
            continue
        found = _identity(output)
        if found in read or found in written:
            what = "is an input, which would be written over" if found in read else "is named twice"
            raise InputError(output, [("", what)])
        written.add(found)


def _identity(path: Path) -> object:
    """Equal for paths that lead to one file, which need not be there."""
    try:
        status = path.stat()
    except OSError:
        return os.path.realpath(path)
    except ValueError:  # a null character: it cannot be a file
        return path
    return status.st_dev, status.st_ino
