"""The command ``offloadlib notebooks``."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from offloadlib.instances.errors import InputError, counted, os_reason

from .status import say

SHIPPED = Path(__file__).parent.parent / "notebooks"


def notebooks(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to put them.")] = Path(
        "notebooks"
    ),
) -> None:
    """Put the notebooks for teaching into a folder, and open it in JupyterLab if that is installed.

    A notebook that is there already stays as it is.
    """
    copied = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(SHIPPED.glob("*.ipynb")):
            if not (folder / path.name).exists():
                shutil.copyfile(path, folder / path.name)
                copied += 1
    except OSError as error:
        raise InputError(folder, [("", os_reason(error))]) from None
    say(f"{counted(copied, 'notebook')} put into {folder}; begin with 01")
    if importlib.util.find_spec("jupyterlab") is None:
        say("to open them: pip install 'offloadlib[notebooks]', and the same command again")
        return
    raise typer.Exit(
        subprocess.run([sys.executable, "-m", "jupyterlab", str(folder)], check=False).returncode
    )
