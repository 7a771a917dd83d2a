"""The arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer


def writable(path: Path | None) -> Path | None:
    """Refuse a file that cannot be written before hours of work are put into it."""
    if path is not None:
        if not path.parent.is_dir():
            raise typer.BadParameter(f"the folder {str(path.parent)!r} does not exist")
        if path.is_dir():
            raise typer.BadParameter(f"{str(path)!r} is a folder")
        if not os.access(path.parent, os.W_OK):
            raise typer.BadParameter(f"the folder {str(path.parent)!r} cannot be written to")
    return path


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


InstanceFile = Annotated[Path, typer.Argument(metavar="INSTANCE", help="Instance file, JSON or columnar.")]
SolutionFile = Annotated[Path, typer.Argument(metavar="SOLUTION", help="Solution file.")]
InstanceFiles = Annotated[list[Path], typer.Argument(metavar="INSTANCE...", help="Instance files.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int, typer.Option(metavar="N", help="For everything random.")]
NewInstance = Annotated[
    Path,
    typer.Option("-o", metavar="INSTANCE", callback=writable, help="Where to write; *.zip: columnar."),
]
Name = Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the instance.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="Description of the instance.")]
