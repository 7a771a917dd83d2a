"""The commands ``check``, ``export``, ``compare``, ``explain``, ``methods``, ``generate`` and ``import``."""

from __future__ import annotations

import json
import signal
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offloadlib.apart import keep_apart

from .options import GAP, Gap, InstanceFile, InstanceFiles, Json, Seed, SolutionFile, Threads, writable
from .status import CHECK_FAILED, INTERNAL, OK, say

if TYPE_CHECKING:
    import pandas as pd

    from offloadlib.comparing.rows import Row

LOOK: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "no_args_is_help": True}

LATER: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}
"""A command with an option for every parameter of a setting: these are known only when it is called."""


def check(
    instance: InstanceFile,
    solution: SolutionFile,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A proof of the bound, to check as well.")
    ] = None,
    formulation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="SOLUTION is another solver's, of this exported formulation."),
    ] = None,
    core: Annotated[
        bool, typer.Option("--core", help="The core of the checker alone; certificates need witnesses.")
    ] = False,
    time_limit: Annotated[
        float | None,
        typer.Option(metavar="S", min=0.001, help="Accept nothing that takes longer; by default 600."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a solution, rule by rule, independently of whoever made it."""
    from offloadlib.check import main as check_main

    options = ["--json"] * as_json + ["--core"] * core
    options += [] if certificate is None else [f"--certificate={certificate}"]
    options += [] if time_limit is None else [f"--time-limit={time_limit}"]
    if formulation is None:
        raise typer.Exit(check_main([*options, "--", str(instance), str(solution)]))
    from offloadlib.exporting import translated

    with translated(instance, solution, formulation) as file:
        raise typer.Exit(check_main([*options, "--", str(instance), str(file)]))


def export(
    instance: InstanceFile,
    formulation: Annotated[str, typer.Option(metavar="NAME", help="A MILP; see 'methods'.")],
    output: Annotated[
        Path,
        typer.Option("-o", metavar="FILE", callback=writable, help="Where to write: *.mps, *.lp, also .gz."),
    ],
    form: Annotated[
        str | None,
        typer.Option("--format", metavar="mps|lp", help="Kind of file; by default as its name ends."),
    ] = None,
) -> None:
    """Write a MILP formulation of an instance for any other solver."""
    from offloadlib.exporting import export as write_model
    from offloadlib.exporting import format_of, names_file
    from offloadlib.instances import read

    keep_apart([instance], [output, names_file(output)])
    format_of(output, form)  # refuse a name before a large instance is read
    names = write_model(read(instance), formulation, output, form)
    if names is not None:
        say(f"long names are shortened: {names} has them in full")


def compare(
    instances: InstanceFiles,
    methods: Annotated[
        str, typer.Option(metavar="A,B,C", help="Names, module:function, or 'all', 'exact', 'heuristics'.")
    ] = "all",
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for each solve.")] = 60.0,
    gap: Gap = GAP,
    seed: Seed = 0,
    threads: Threads = 1,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="DIR", help="For table, solutions, pictures and a report."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run methods on instances, check every solution, and print how good each one is.

    Of several instances there is a summary: means and worst cases of the ratios, and who is best how often.
    """
    from offloadlib.cli import console
    from offloadlib.comparing import tables
    from offloadlib.comparing.rows import REJECTED
    from offloadlib.comparing.run import compare as run
    from offloadlib.comparing.summary import summarise, table
    from offloadlib.instances import InputError
    from offloadlib.running.workers import Ending

    done: list[Row] = []
    total = 0
    with console.Display() as display, warnings.catch_warnings():

        def begin(number: int) -> None:
            nonlocal total
            total = number

        def show_warning(message: object, *_: object, **__: object) -> None:
            display.say(str(message))

        def show_row(row: Row) -> None:
            done.append(row)
            display.say(console.row_line(row, len(done), total))

        warnings.showwarning = show_warning
        frame = run(
            instances,
            methods,
            time_limit=time_limit,
            gap=gap,
            seed=seed,
            threads=threads,
            output=output,
            on_begin=begin,
            on_row=show_row,
            on_progress=display.follow,
        )
    if frame.empty:
        raise KeyboardInterrupt
    if (frame["status"] == Ending.DOES_NOT_APPLY).all():
        rows = frame[["instance", "method", "message"]].itertuples(index=False)
        raise InputError("no method applies", [(f"{label}: {name}", why) for label, name, why in rows])
    several = frame["instance"].nunique() > 1
    if as_json:
        told = {"interrupted": frame.attrs["interrupted"], "rows": _records(frame)}
        summed = _records(summarise(frame).reset_index()) if several else []
        print(json.dumps({**told, "summary": summed}, allow_nan=False))
    else:
        console.show_sections(tables.sections(frame))
        if several:
            console.show_summary(table(summarise(frame)))
    if frame.attrs["interrupted"]:
        say(f"interrupted: {len(frame)} of {total} solves are in the table")
    if output is not None:
        say(f"table, solutions, pictures and report.html are in {output}")
    if (frame["status"] == REJECTED).any():
        raise typer.Exit(CHECK_FAILED)
    if (frame["status"] == Ending.FAILED).any():
        raise typer.Exit(INTERNAL)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON has them: null for what is not there."""
    from offloadlib.instances.files.document import plain

    present = frame.astype(object).where(frame.notna(), None)
    return [plain(row) for row in present.to_dict("records")]


def explain(
    instance: InstanceFile,
    solution: SolutionFile,
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="Whose choices to explain; by default a telling one.")
    ] = None,
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for all of it.")] = 60.0,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="PICTURE", callback=writable, help="Where to draw it: *.png or *.svg."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what one more place or channel is worth, and why a device's subtasks are where they are.

    Results are shown as they come. At the time limit, after Ctrl-C and when terminated, what is missing is
    named.
    """
    from offloadlib.cli import console
    from offloadlib.instances import InputError, read, read_solution
    from offloadlib.instances.kind import KINDS
    from offloadlib.kinds import face, only

    if output is not None and output.suffix not in (".png", ".svg"):
        raise InputError(output, [("", "a picture's name ends in .png or .svg")])
    keep_apart([instance, solution], [output])
    data = only(read(instance), [kind for kind in KINDS if face(kind).explain], "explain")
    chosen = face(data.kind)
    places = read_solution(solution, data).solution
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    with console.Display() as display:
        explanation = chosen.function("explain")(
            data,
            places,
            device=device,
            time_limit=time_limit,
            on_progress=partial(display.follow, data.name),
            on_part=None if as_json else console.show_explanation,
        )
    if as_json:
        print(json.dumps(explanation.as_dict(), allow_nan=False))
    if output is not None:
        from offloadlib.pictures.style import save

        save(chosen.function("draw_explanation")(explanation), output)


def submit(
    solution: SolutionFile,
    certificate: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A proof of a lower bound, as 'solve' writes it.")
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", metavar="DIR", help="The root of a clone; by default here.")
    ] = Path(),
) -> None:
    """Verify a better solution, or bound, of an instance of the library, and write it for a pull request.

    In a clone the library is changed. Elsewhere the same files are written, to be copied over a clone.
    """
    from offloadlib.submitting import submit as hand_in

    found = hand_in(solution, certificate, output)
    for rule in found.rejected:
        print(f"rejected: {rule}")
    if not found.better:
        if not found.rejected:
            print(f"{found.entry.stem}: not better than what is known")
        raise typer.Exit(CHECK_FAILED)
    for what in found.better:
        print(f"{found.entry.stem}: {what}")
    say("written for a pull request, which says how it was found:")
    for path in found.files:
        say(f"  {path}")


def methods() -> None:
    """List the methods, those of installed packages last."""
    from offloadlib import own
    from offloadlib.cli import console
    from offloadlib.registry import METHODS

    console.show_methods([*METHODS.values(), *own.listed()])


def generate(
    context: typer.Context,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Of problem.")] = "structured",
) -> None:
    """Make a random instance, by default as in the paper."""
    from offloadlib.instances.kind import KINDS

    if kind not in KINDS:
        raise typer.BadParameter(f"{kind!r} is not {' or '.join(map(repr, KINDS))}", param_hint="--kind")
    _run_later(generator_of(kind), context)


def generator_of(kind: str) -> Callable[..., None]:
    """What ``generate`` runs for a kind of problems, with an option for every parameter."""
    from offloadlib.cli.making import generator
    from offloadlib.kinds import face

    chosen = face(kind)
    return chosen.function("generate") if chosen.generate else generator(kind)


IMPORTERS = {
    "wfformat": (
        "offloadlib.cli.graphs:import_wfformat",
        "Make an instance of WfCommons workflows, and of sites and users on a map.",
    ),
    "dot": (
        "offloadlib.cli.graphs:import_dot",
        "Make an instance of task graphs in Graphviz' DOT, as daggen and metarl-offloading write them.",
    ),
    "dagbench": (
        "offloadlib.cli.graphs:import_dagbench",
        "Make an instance of DAGBench's task graphs, by default on the network of the file.",
    ),
    "dax": (
        "offloadlib.cli.graphs:import_dax",
        "Make an instance of Pegasus workflows in DAX (XML, versions 2 and 3).",
    ),
    "stg": (
        "offloadlib.cli.graphs:import_stg",
        "Make an instance of graphs of the Standard Task Graph Set.",
    ),
    "gap": (
        "offloadlib.cli.assignment:import_gap",
        "Make an instance of a generalised assignment problem.",
    ),
    "mmkp": (
        "offloadlib.cli.assignment:import_mmkp",
        "Make an instance of a multiple-choice multidimensional knapsack problem.",
    ),
}
"""``import NAME``: ``module:function`` of the command, and what it does."""


def importer(path: str) -> Callable[[typer.Context], None]:
    """The command that stands for one of :data:`IMPORTERS` until it is called."""

    def command(context: typer.Context) -> None:
        from offloadlib.formulations.catalogue import imported

        _run_later(imported(path), context)

    return command


def _run_later(command: Callable[..., None], context: typer.Context) -> None:
    """Let a command parse the arguments that the given one has left alone."""
    inner = typer.Typer(**{**LOOK, "no_args_is_help": False})
    inner.command()(command)
    status = inner(args=context.args, prog_name=context.command_path, standalone_mode=False)
    raise typer.Exit(status or OK)
