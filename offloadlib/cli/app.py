"""The command line.

Results go to standard output, progress and messages to standard error. Exit status: 0 done (also with a
feasible result at the time limit, after Ctrl-C, or where the method failed with a solution at hand), 1 a
check failed, 2 unusable input, 3 an internal error, 130 interrupted before there was a result.

Everything slow is imported inside the command that needs it, so that ``offloadlib --help`` and
``offloadlib check`` answer at once.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from offloadlib import __version__

from .commands import (
    IMPORTERS,
    LATER,
    LOOK,
    check,
    compare,
    explain,
    export,
    generate,
    importer,
    methods,
    submit,
)
from .notebooks import notebooks
from .pareto import pareto
from .proving import elaborate, export_proof
from .solve import solve
from .status import BROKEN_PIPE, INTERNAL, INTERRUPTED, OK, UNUSABLE, Failure, say
from .study import study

DEBUG = "OFFLOADLIB_DEBUG"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"offloadlib {__version__}")
        raise typer.Exit


app = typer.Typer(**LOOK)
importers = typer.Typer(help="Make instances of real data and of known problems.", **LOOK)
app.add_typer(importers, name="import")


@app.callback()
def everything(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """Solve, check and compare offloading decisions for structured tasks."""
    if "" not in sys.path:
        sys.path.append("")  # module:function may be in the current folder: last, so that it hides nothing


COMMANDS = (
    *(solve, check, elaborate, export, export_proof, compare, explain),
    *(pareto, methods, study, submit, notebooks),
)
for command in COMMANDS:
    app.command()(command)
app.command(**LATER)(generate)
for name, (path, what) in IMPORTERS.items():
    importers.command(name, help=what, **LATER)(importer(path))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments
        By default those of the process.

    Returns
    -------
    int
        The exit status; nothing is raised.
    """
    for stream in (sys.stdout, sys.stderr):  # ids may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status: int | None = app(
            args=None if arguments is None else list(arguments),
            prog_name="offloadlib",
            standalone_mode=False,
        )
    except typer.TyperException as error:
        return _refused(error)
    except (KeyboardInterrupt, typer.Abort):
        say("offloadlib: interrupted before there was a result")
        return INTERRUPTED
    except SystemExit:  # typer's answer to a reader of standard output that has gone away
        return BROKEN_PIPE
    except Exception as error:
        return _failed(error)
    return status or OK


def _refused(error: typer.TyperException) -> int:
    """Say what is wrong with the arguments. Without any the help has been shown already."""
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    if text:
        context = getattr(error, "ctx", None)
        advice = f" (see '{context.command_path} --help')" if context is not None else ""
        say(f"offloadlib: {text}{advice}")
    return error.exit_code


def _failed(error: Exception) -> int:
    """Say what went wrong: the user's input, or this program."""
    from offloadlib.instances import InputError

    if isinstance(error, InputError):
        say(f"offloadlib: {error}")
        return UNUSABLE
    if isinstance(error, Failure):
        say(f"offloadlib: {error}")
    elif os.environ.get(DEBUG):
        traceback.print_exception(error)
    else:
        say(f"offloadlib: internal error: {type(error).__name__}: {error}")
    if not os.environ.get(DEBUG):
        say(f"Set {DEBUG}=1 to see where.")
    return INTERNAL
