"""The command line.

Results go to standard output, progress and messages to standard error. Exit status: 0 done (also with a
feasible result at the time limit, after Ctrl-C, or where the method failed with a solution at hand), 1 a
check failed, 2 unusable input, 3 an internal error, 130 interrupted before there was a result.

Everything slow is imported inside the command that needs it, so that ``offloadlib --help`` and
``offloadlib check`` answer at once.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offloadlib.cli.options import InstanceFile, InstanceFiles, Json, Seed, SolutionFile, keep_apart, writable
from offloadlib.cli.study import study
from offloadlib.running.interrupts import counted_interrupts

if TYPE_CHECKING:
    from offloadlib.comparing.run import Row
    from offloadlib.instances import AnyInstance, StoredSolution

DEBUG = "OFFLOADLIB_DEBUG"

OK, CHECK_FAILED, UNUSABLE, INTERNAL, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 130, 141

_LOOK: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False, "no_args_is_help": True}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"offloadlib {version('offloadlib')}")
        raise typer.Exit


def _positive(value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise typer.BadParameter(f"must be positive, not {value!r}")
    return value


app = typer.Typer(**_LOOK)
importers = typer.Typer(help="Make instances of real data.", **_LOOK)
app.add_typer(importers, name="import")


@app.callback()
def everything(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    """Solve, check and compare offloading decisions for structured tasks."""


# Commands -----------------------------------------------------------------------------------------


@app.command()
def solve(
    instance: InstanceFile,
    method: Annotated[str, typer.Option("--method", "-m", metavar="NAME", help="See 'methods'.")],
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds.")] = float("inf"),
    gap: Annotated[float, typer.Option(metavar="G", help="Relative gap at which to stop.")] = 1e-9,
    seed: Seed = 0,
    threads: Annotated[int, typer.Option(metavar="N", help="Threads of the solver.")] = 1,
    solver: Annotated[str, typer.Option(metavar="NAME", help="MILP solver, as Pyomo calls it.")] = "highs",
    warm_start: Annotated[
        Path | None, typer.Option(metavar="SOLUTION", help="Solution file to start from.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="SOLUTION", callback=writable, help="Where to write."),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", callback=writable, help="Write a proof of the bound here."),
    ] = None,
    proof_time: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            callback=_positive,
            help="Seconds to make and verify the proof; by default as --time-limit, and at least 30.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Solve an instance with one method.

    At the time limit, after Ctrl-C, when terminated and when the method fails, the best solution so far is
    the result. With --certificate the lower bound of the result is the one that the checker accepts within
    --proof-time.
    """
    with TemporaryDirectory(prefix="offloadlib-") as scratch, counted_interrupts(patient=False) as interrupts:
        from offloadlib.cli import console
        from offloadlib.instances import Budget, InputError, read, write_solution  # which takes a second
        from offloadlib.proofs import proving
        from offloadlib.registry import find
        from offloadlib.running import workers
        from offloadlib.running.keeping import FalseResult
        from offloadlib.running.records import stored, summary
        from offloadlib.solving import admit, known

        keep_apart([instance, warm_start], [output, certificate])
        chosen = find(method)
        workers.prepare()
        data: AnyInstance = read(instance)
        start = None if warm_start is None else _start(warm_start, data)
        budget: Budget[Any] = Budget(time_limit, gap, seed, threads, solver, start)
        admit(data, chosen, budget)
        if ignored := chosen.ignored(budget):
            _say(f"{chosen.name} ignores {', '.join(f'--{name}' for name in ignored)}")
        kept = Path(scratch) / "proof"
        if certificate is not None:
            chosen = proving(chosen, data.kind, kept)
        with console.following(f"{data.name}  {chosen.name}") as on_progress:
            told = replace(budget, on_progress=on_progress)
            outcome = workers.run(chosen, data, told, interrupts=interrupts)
        if isinstance(outcome.error, InputError):
            raise outcome.error
        result = outcome.result or (known(data, budget) if outcome.interrupted else None)
        if isinstance(outcome.error, FalseResult):
            _say(f"offloadlib: {outcome.error}")
        if result is None:
            raise Failure(outcome.message)
        if (why := console.ended(result, interrupts.last)) is not None:
            _say(why)
        evaluation = data.evaluate(result.solution)
        solution, certified = stored(result, chosen.name, budget), False
        try:
            if output is not None:
                write_solution(solution, data, output)
            if certificate is not None:
                solution, certified = _certified(
                    data, solution, certificate, kept, budget, proof_time, interrupts
                )
                if certified and output is not None:
                    write_solution(solution, data, output)
        finally:  # what was found is told even where it cannot be written
            if as_json:
                fields = summary(data, solution, evaluation, result.runtime, certified)
                print(json.dumps(fields, allow_nan=False))
            else:
                console.show_result(data, solution, evaluation, result.runtime, certified)
    if isinstance(outcome.error, FalseResult):
        raise typer.Exit(INTERNAL)


def _certified(
    instance: AnyInstance,
    solution: Any,
    path: Path,
    kept: Path,
    budget: Any,
    proof_time: float | None,
    interrupts: Any,
) -> tuple[StoredSolution[Any], bool]:
    """The solution with the bound of a proof, and whether the checker accepts that; as it is where not."""
    from offloadlib.instances import InputError
    from offloadlib.proofs import certify, default_time, kept_proof
    from offloadlib.running import workers

    if interrupts.count:
        _say(f"{path}: no certificate is made after {interrupts.last.name}")
        return solution, False
    seconds = default_time(budget.time_limit) if proof_time is None else proof_time
    job = partial(certify, instance, solution, path, seconds, budget.gap, kept_proof(kept))
    ending, value, message = workers.aside(job, "offloadlib certificate", interrupts)
    if isinstance(value, InputError):
        raise value
    solution, certified = value if ending is workers.Ending.DONE else (solution, False)
    if certified:
        return solution, True
    what = f"no proof that the checker accepts in {seconds:g} s"
    if interrupts.count:
        what = f"the proof was ended by {interrupts.last.name}"
    elif ending is not workers.Ending.DONE:
        what = f"the proof failed ({message})"
    _say(f"{path}: {what}; the bound is the method's own")
    return solution, False


class Failure(Exception):
    """A solve that has come to nothing; what is said of it."""


def _start(path: Path, instance: AnyInstance) -> Any:
    """The decisions of a solution file, which must keep every limit."""
    from offloadlib.instances import InputError, read_solution

    solution = read_solution(path, instance).solution
    broken = instance.evaluate(solution).violations
    if broken:
        raise InputError(path, [("", f"cannot be a start: {violation}") for violation in broken])
    return solution


@app.command()
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
    as_json: Json = False,
) -> None:
    """Check a solution, rule by rule, independently of whoever made it."""
    from offloadlib.check import main as check_main

    options = ["--json"] if as_json else []
    options += [] if certificate is None else [f"--certificate={certificate}"]
    if formulation is None:
        raise typer.Exit(check_main([*options, "--", str(instance), str(solution)]))
    from offloadlib.exporting import translated

    with translated(instance, solution, formulation) as file:
        raise typer.Exit(check_main([*options, "--", str(instance), str(file)]))


@app.command()
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
        _say(f"long names are shortened: {names} has them in full")


@app.command()
def compare(
    instances: InstanceFiles,
    methods: Annotated[
        str, typer.Option(metavar="A,B,C", help="Names, or 'all', 'exact', 'heuristics'.")
    ] = "all",
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for each solve.")] = 60.0,
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", metavar="DIR", help="For table, solutions, pictures and a report."),
    ] = None,
) -> None:
    """Run methods on instances, check every solution, and print how good each one is."""
    from offloadlib.cli import console
    from offloadlib.comparing import tables
    from offloadlib.comparing.run import REJECTED
    from offloadlib.comparing.run import compare as run
    from offloadlib.instances import InputError
    from offloadlib.running.workers import Ending

    done: list[Row] = []
    total = 0
    with console.Display() as display:

        def begin(number: int) -> None:
            nonlocal total
            total = number

        def show_row(row: Row) -> None:
            done.append(row)
            display.say(console.row_line(row, len(done), total))

        frame = run(
            instances,
            methods,
            time_limit=time_limit,
            seed=seed,
            output=output,
            on_begin=begin,
            on_row=show_row,
            on_progress=display.follow,
        )
    if frame.empty:
        raise typer.Exit(INTERRUPTED)
    if (frame["status"] == Ending.DOES_NOT_APPLY).all():
        rows = frame[["instance", "method", "message"]].itertuples(index=False)
        raise InputError("no method applies", [(f"{label}: {name}", why) for label, name, why in rows])
    console.show_sections(tables.sections(frame))
    if frame.attrs["interrupted"]:
        _say(f"interrupted: {len(frame)} of {total} solves are in the table")
    if output is not None:
        _say(f"table, solutions, pictures and report.html are in {output}")
    if (frame["status"] == REJECTED).any():
        raise typer.Exit(CHECK_FAILED)
    if (frame["status"] == Ending.FAILED).any():
        raise typer.Exit(INTERNAL)


@app.command()
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
    from offloadlib.explaining import explain as run
    from offloadlib.instances import InputError, read, read_solution
    from offloadlib.kinds import structured

    if output is not None and output.suffix not in (".png", ".svg"):
        raise InputError(output, [("", "a picture's name ends in .png or .svg")])
    keep_apart([instance, solution], [output])
    data = structured(read(instance), "explain")
    places = read_solution(solution, data).solution
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    with console.Display() as display:
        explanation = run(
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
        from offloadlib.pictures import plots

        plots.save(plots.prices(explanation), output)


@app.command()
def methods() -> None:
    """List the methods."""
    from offloadlib.cli import console
    from offloadlib.registry import METHODS

    console.show_methods(METHODS.values())


app.command()(study)


# The next two have an option for every parameter of a setting: what they are is known, and imported, only
# when they are called.

_LATER: dict[str, Any] = {
    "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
    "add_help_option": False,
}


@app.command(**_LATER)
def generate(
    context: typer.Context,
    kind: Annotated[str, typer.Option(metavar="KIND", help="structured or hybrid.")] = "structured",
) -> None:
    """Make a random instance, by default as in the paper."""
    from offloadlib.cli import making

    commands = {"structured": making.generate_instance, "hybrid": making.generate_hybrid}
    if kind not in commands:
        raise typer.BadParameter(f"{kind!r} is not {' or '.join(map(repr, commands))}", param_hint="--kind")
    _run_later(commands[kind], context)


@importers.command(**_LATER)
def wfformat(context: typer.Context) -> None:
    """Make an instance of WfCommons workflows, and of sites and users on a map."""
    from offloadlib.cli.making import import_wfformat

    _run_later(import_wfformat, context)


def _run_later(command: Callable[..., None], context: typer.Context) -> None:
    """Let a command parse the arguments that the given one has left alone."""
    inner = typer.Typer(**{**_LOOK, "no_args_is_help": False})
    inner.command()(command)
    status = inner(args=context.args, prog_name=context.command_path, standalone_mode=False)
    raise typer.Exit(status or OK)


# Running ------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    print(text, file=sys.stderr)


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
        status = INTERRUPTED
    except SystemExit:  # typer's answer to a reader of standard output that has gone away
        return BROKEN_PIPE
    except Exception as error:
        return _failed(error)
    if status == INTERRUPTED:
        _say("offloadlib: interrupted before there was a result")
    return status or OK


def _refused(error: typer.TyperException) -> int:
    """Say what is wrong with the arguments. Without any the help has been shown already."""
    text = error.format_message().replace("Value error, ", "").rstrip(".")
    if text:
        context = getattr(error, "ctx", None)
        advice = f" (see '{context.command_path} --help')" if context is not None else ""
        _say(f"offloadlib: {text}{advice}")
    return error.exit_code


def _failed(error: Exception) -> int:
    """Say what went wrong: the user's input, or this program."""
    from offloadlib.instances import InputError

    if isinstance(error, InputError):
        _say(f"offloadlib: {error}")
        return UNUSABLE
    if isinstance(error, Failure):
        _say(f"offloadlib: internal error: {error}")
    elif os.environ.get(DEBUG):
        traceback.print_exception(error)
    else:
        _say(f"offloadlib: internal error: {type(error).__name__}: {error}")
    if not os.environ.get(DEBUG):
        _say(f"Set {DEBUG}=1 to see where.")
    return INTERNAL


if __name__ == "__main__":
    sys.exit(main())
