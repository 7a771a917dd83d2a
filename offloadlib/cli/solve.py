"""The command ``offloadlib solve``."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offloadlib.apart import keep_apart
from offloadlib.running.interrupts import counted_interrupts

from .options import GAP, Gap, InstanceFile, Json, Seed, Threads, writable
from .status import INTERNAL, Failure, say

if TYPE_CHECKING:
    from offloadlib.instances import AnyInstance

SHOWN = 10
"""Reasons why there is no solution that are shown: what fits on a screen."""


def _positive(value: float | None) -> float | None:
    if value is not None and not value > 0:
        raise typer.BadParameter(f"must be positive, not {value!r}")
    return value


def solve(
    instance: InstanceFile,
    method: Annotated[
        str, typer.Option("--method", "-m", metavar="NAME", help="See 'methods'; or module:function.")
    ],
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds.")] = float("inf"),
    gap: Gap = GAP,
    seed: Seed = 0,
    threads: Threads = 1,
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
        from offloadlib.instances import (
            Budget,
            InputError,
            Status,
            read,
            write_solution,
        )  # which takes a second
        from offloadlib.instances.errors import counted
        from offloadlib.keeping import FalseResult
        from offloadlib.kinds import face
        from offloadlib.proofs import keeping_proof
        from offloadlib.registry import find
        from offloadlib.running import proving, workers
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
            say(f"{chosen.name} ignores {', '.join(f'--{name}' for name in ignored)}")
        kept = Path(scratch) / "proof"
        if certificate is not None:
            chosen = keeping_proof(chosen, data.kind, kept)
        with console.following(f"{data.name}  {chosen.name}") as on_progress:
            told = replace(budget, on_progress=on_progress)
            outcome = workers.run(chosen, data, told, interrupts=interrupts)
        if isinstance(outcome.error, InputError):
            raise outcome.error
        result = outcome.result or (known(data, budget) if outcome.interrupted else None)
        packaged = chosen.is_packaged
        false = isinstance(outcome.error, FalseResult)
        if result is None:
            what = "internal error: " if packaged else "" if false else f"{chosen.name} failed: "
            raise Failure(f"{what}{outcome.message}")
        if false:
            say(f"offloadlib: {outcome.error}")
        if (why := console.ended(result, interrupts.last)) is not None:
            say(why)
        evaluation = None if result.solution is None else data.evaluate(result.solution)
        solution, certified = stored(result, chosen.name, budget), False
        try:
            if output is not None:
                write_solution(solution, data, output)
            if certificate is not None:
                solution, why = proving.certified(
                    data, solution, certificate, kept, budget, proof_time, interrupts
                )
                certified = not why
                if why:
                    say(f"{certificate}: {why}")
                elif output is not None:
                    write_solution(solution, data, output)
            reasons = solution.run.get("reasons", ())
            for reason in reasons[:SHOWN]:
                say(reason)
            if len(reasons) > SHOWN:
                say(f"and {counted(len(reasons) - SHOWN, 'more reason')}, all of them in the solution file")
            if solution.status is Status.INFEASIBLE and "reasons" not in solution.run:
                say(f"which limits clash is said by {face(data.kind).prover}, or with --certificate")
        finally:  # what was found is told even where it cannot be written
            if as_json:
                fields = summary(data, solution, evaluation, result.runtime, certified)
                print(json.dumps(fields, allow_nan=False))
            else:
                console.show_result(data, solution, evaluation, result.runtime, certified)
    if false:
        raise typer.Exit(INTERNAL)


def _start(path: Path, instance: AnyInstance) -> Any:
    """The decisions of a solution file, which must keep every limit."""
    from offloadlib.instances import InputError, read_solution

    stored = read_solution(path, instance)
    solution = stored.solution
    if solution is None:
        raise InputError(path, [("", f"holds no decisions ({stored.status}): it cannot be a start")])
    broken = instance.evaluate(solution).violations
    if broken:
        raise InputError(path, [("", f"cannot be a start: {violation}") for violation in broken])
    return solution
