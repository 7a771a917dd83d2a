"""The commands that make instances of problems of operations research."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offloadlib.apart import keep_apart
from offloadlib.instances import Instance, importers, write

from .making import tell
from .options import Description, Name, NewInstance


def import_gap(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="In the layout of the OR-Library.")],
    path: NewInstance,
    number: Annotated[
        int | None, typer.Option(metavar="K", help="Which problem of a file of several, from 1 on.")
    ] = None,
    maximise: Annotated[
        bool, typer.Option("--maximise", help="The file has profits, to be made great, not costs.")
    ] = False,
    name: Name = None,
    description: Description = None,
) -> None:
    """Make an instance of a generalised assignment problem.

    How the problem's value follows from the instance's objective is printed, and recorded in the instance.
    """
    keep_apart([file], [path])
    made = importers.import_gap(file, number=number, maximise=maximise, name=name, description=description)
    _written(*made, path)


def import_mmkp(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Groups, resources, capacities, items.")],
    path: NewInstance,
    name: Name = None,
    description: Description = None,
) -> None:
    """Make an instance of a multiple-choice multidimensional knapsack problem.

    How the problem's profit follows from the instance's objective is printed, and recorded in the instance.
    """
    keep_apart([file], [path])
    _written(*importers.import_mmkp(file, name=name, description=description), path)


def _written(instance: Instance, report: importers.Report, path: Path) -> None:
    write(instance, path)
    print(report)
    tell(instance, path)
