"""The command that makes instances of WfCommons workflows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offloadlib.apart import keep_apart
from offloadlib.instances import importers, write
from offloadlib.instances.importers import ImportSetting

from .making import tell
from .options import Description, Name, NewInstance, Seed
from .settings import with_setting


@with_setting(ImportSetting)
def import_wfformat(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="WfFormat 1.0 to 1.6, JSON.")],
    setting: ImportSetting,
    path: NewInstance,
    sites: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA site file.")] = None,
    users: Annotated[Path | None, typer.Option(metavar="CSV", help="EUA user file.")] = None,
    seed: Seed = 0,
    name: Name = None,
    description: Description = None,
    licence: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Licence of the files, to be recorded; repeatable."),
    ] = None,
) -> None:
    """Make an instance of WfCommons workflows, and of sites and users on a map.

    What was assumed, counted, left out or scaled is printed, and recorded in the instance.
    """
    keep_apart([*files, sites, users], [path])
    instance, report = importers.import_wfformat(
        files,
        sites=sites,
        users=users,
        setting=setting,
        seed=seed,
        name=name,
        description=description,
        licences=licence or (),
    )
    write(instance, path)
    print(report)
    tell(instance, path)
