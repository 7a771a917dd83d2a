"""The command ``offloadlib study``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offloadlib.instances.errors import counted
from offloadlib.studies import COMPARING, STUDIES, TAKING

from .options import Seed
from .status import INTERRUPTED, say

if TYPE_CHECKING:
    from offloadlib.studies import StudyRow


def study(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(STUDIES)}.")],
    output: Annotated[Path, typer.Option("-o", metavar="DIR", help="For rows, pictures and the page.")],
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE_OR_FOLDER]...",
            help=f"Instances and task graphs in place of the study's own; of {', '.join(sorted(TAKING))}.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A first look in minutes.")] = False,
    repetitions: Annotated[
        int | None, typer.Option(metavar="R", min=2, help="Instances per setting; each study has a default.")
    ] = None,
    jobs: Annotated[
        int, typer.Option(metavar="J", min=1, help="Solves at a time, where their times do not count.")
    ] = 1,
    dask: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Do those solves on a Dask cluster instead.")
    ] = None,
    method: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Beside its own methods, with files in their place; as for 'solve', "
            f"of {', '.join(sorted(COMPARING))}. Repeatable.",
        ),
    ] = None,
    seed: Seed = 0,
) -> None:
    """Run a study, or go on with it where it stopped, and write a page that shows what comes of it.

    Each solve is kept in DIR as soon as it is done. More repetitions can be asked for later.
    """
    from functools import partial

    from offloadlib.cli import console
    from offloadlib.instances import InputError
    from offloadlib.registry import select
    from offloadlib.running.interrupts import counted_interrupts
    from offloadlib.studies import StudyOptions, find
    from offloadlib.studies.report import PAGE, write_report
    from offloadlib.studies.runner import Rows, conduct, locally
    from offloadlib.studies.store import Store

    chosen = find(name)
    if not 0 <= seed < 2**31:
        raise InputError("study", [("seed", f"must lie in 0..2^31-1, not {seed!r}")])
    if files and name not in TAKING:
        raise InputError("study", [("files", f"{name} has its own instances")])
    if files:
        from offloadlib.studies.graphs import QUICK_REPETITIONS, REPETITIONS, cases

        usual = QUICK_REPETITIONS if quick else REPETITIONS
        given = tuple(cases(files, repetitions or usual, seed, quick))
    else:
        usual, given = chosen.QUICK_REPETITIONS if quick else chosen.REPETITIONS, ()
    if method and name not in COMPARING:
        raise InputError("study", [("method", f"{name} has its own methods alone")])
    options = StudyOptions(quick, repetitions or usual, seed, tuple(select(method) if method else ()), given)
    settings = {"study": name, "quick": quick, "seed": seed}
    with Store(output, settings) as store, console.Display() as display:

        def show(row: StudyRow, done: int, total: int, left: float | None) -> None:
            display.tell(_progress(row, done, total, left))
            if row["status"] not in ("optimal", "feasible"):
                said = row["message"] or row["checked"]
                display.say(f"{row['instance']}  {row['method']}: {row['status']} ({said})")

        def follow(shared: Rows, parallel: int) -> dict[str, StudyRow] | None:
            with counted_interrupts() as interrupts:
                return conduct(chosen.stages(options), store, shared, parallel, show, interrupts)

        if dask is None:
            rows = follow(partial(locally, parallel=jobs), jobs)
        else:
            from offloadlib.studies.dask_runner import Cluster

            with Cluster(dask) as cluster:
                rows = follow(cluster.rows, cluster.parallel)
        if rows is None:
            say(f"{output} has {counted(len(store), 'row')}; the same command goes on from there")
            raise typer.Exit(INTERRUPTED)
        told = {**settings, "repetitions": options.repetitions}
        if files:
            told["files"] = [str(path) for path in files]
        if method:
            told["methods"] = method
        write_report(chosen.report(options, rows), list(rows.values()), told, output)
    say(f"{output / PAGE}: {chosen.TITLE}, {counted(len(rows), 'solve')}")


def _progress(row: StudyRow, done: int, total: int, left: float | None) -> str:
    from offloadlib.pages.numbers import duration

    parts = [f"[{done}/{total}] {row['instance']}  {row['method']}: {row['status']}"]
    if left is not None and done < total:
        parts.append(f"about {duration(left)} left")
    return ", ".join(parts)
