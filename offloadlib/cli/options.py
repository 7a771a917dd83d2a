"""The arguments and options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from offloadlib.shelf import located


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


def _all_located(paths: list[Path]) -> list[Path]:
    return [located(path) for path in paths]


InstanceFile = Annotated[
    Path,
    typer.Argument(
        metavar="INSTANCE",
        callback=located,
        help="Instance file, or a name of the library.",
    ),
]
SolutionFile = Annotated[Path, typer.Argument(metavar="SOLUTION", help="Solution file.")]
InstanceFiles = Annotated[
    list[Path],
    typer.Argument(
        metavar="INSTANCE...", callback=_all_located, help="Instance files, or names of the library."
    ),
]
GAP = 1e-9
"""That of :class:`.instances.Budget`, which is imported only where something is solved."""
Gap = Annotated[float, typer.Option(metavar="G", help="Relative gap at which to stop.")]
Threads = Annotated[int, typer.Option(metavar="N", help="Threads of the solver.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, and nothing else.")]
Seed = Annotated[int, typer.Option(metavar="N", help="For everything random.")]
NewInstance = Annotated[
    Path,
    typer.Option("-o", metavar="INSTANCE", callback=writable, help="Where to write; *.zip: columnar."),
]
Name = Annotated[str | None, typer.Option(metavar="TEXT", help="Name of the instance.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="Description of the instance.")]
