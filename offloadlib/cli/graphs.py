"""The commands that make instances of task graphs, one for each format."""

# Annotations are evaluated here, for each format has its own: no "from __future__ import annotations".

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from offloadlib.apart import keep_apart
from offloadlib.instances import write
from offloadlib.instances.importers import FORMATS, expanded, import_graphs
from offloadlib.shelf import located

from .commands import IMPORTERS
from .making import tell
from .options import Description, Name, NewInstance, Seed
from .settings import with_setting


def _command(format: str) -> Callable[..., None]:
    """The command that reads a format."""
    kind = FORMATS[format]

    def make(
        files: Annotated[list[Path], typer.Argument(metavar="FILE...", help=kind.files)],
        setting: Any,
        path: NewInstance,
        sites: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA site file.")] = None,
        users: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA user file.")] = None,
        base: Annotated[
            Path | None,
            typer.Option(
                metavar="INSTANCE",
                help="Whose devices, offload points and radio to take: a file, or a name of the library.",
            ),
        ] = None,
        seed: Seed = 0,
        name: Name = None,
        description: Description = None,
        licence: Annotated[
            list[str] | None,
            typer.Option(metavar="TEXT", help="Licence of the files, to be recorded; repeatable."),
        ] = None,
    ) -> None:
        files, base = expanded(format, files), None if base is None else located(base)
        keep_apart([*files, sites, users, base], [path])
        instance, report = import_graphs(
            format,
            files,
            sites=sites,
            users=users,
            base=base,
            setting=setting,
            seed=seed,
            name=name,
            description=description,
            licences=licence or (),
        )
        write(instance, path)
        print(report)
        tell(instance, path)

    make.__doc__ = (
        f"{IMPORTERS[format][1]}\n\nWhat was assumed, counted, left out or scaled is printed, and recorded "
        "in the instance."
    )
    return with_setting(kind.setting)(make)


import_wfformat, import_dot, import_dagbench, import_dax, import_stg = (
    _command(format) for format in ("wfformat", "dot", "dagbench", "dax", "stg")
)
