"""The commands ``offloadlib export-proof`` and ``offloadlib elaborate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from offloadlib.apart import keep_apart

from .options import InstanceFile, SolutionFile, writable
from .status import CHECK_FAILED, say

FORMAT = "vipr"

TimeLimit = Annotated[float, typer.Option(metavar="S", min=0.001, help="Write nothing that takes longer.")]
SECONDS = 600.0
"""As for a check."""


@contextmanager
def _watched(time_limit: float) -> Iterator[Callable[[int, int], None]]:
    """Tell of progress, and end what takes too long."""
    from offloadlib.cli import console
    from offloadlib.running.interrupts import TooLong, at_most

    try:
        with console.Display() as display, at_most(time_limit):
            yield lambda done, of: display.tell(f"{done} of {of} devices at leaves")
    except TooLong as late:
        say(f"offloadlib: not finished: {late}, and nothing is written")
        raise typer.Exit(CHECK_FAILED) from None


def _lost(left_out: int, proven: Fraction | None, claim: Fraction | None) -> None:
    """Say what of a certificate is not in the file."""
    if left_out:
        say("patterns are left out: their cuts cannot be said there")
    if proven is not None and claim is not None and proven < claim:
        say(f"the certificate claims more: {float(claim)!r}")


def _known(form: str) -> str:
    if form != FORMAT:
        raise typer.BadParameter(f"{form!r} is not known; there is {FORMAT}")
    return form


def export_proof(
    instance: InstanceFile,
    solution: SolutionFile,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="A proof of a lower bound.")],
    output: Annotated[
        Path,
        typer.Option("-o", metavar="FILE", callback=writable, help="Where to write; *.gz: compressed."),
    ],
    form: Annotated[
        str, typer.Option("--format", metavar=FORMAT, callback=_known, help="Kind of file.")
    ] = FORMAT,
    time_limit: TimeLimit = SECONDS,
) -> None:
    """Write solution and certificate as a proof for checkers of VIPR files, which know nothing of ours."""
    from offloadlib.witnesses import export_proof as write

    keep_apart([instance, solution, certificate], [output])
    with _watched(time_limit) as watch:
        found = write(instance, solution, certificate, output, watch)
    if found.lower_bound is None or found.upper_bound is None:
        told = "there is no solution"
    else:
        lower, upper = float(found.lower_bound), float(found.upper_bound)
        told = f"the least cost is between {lower!r} and {upper!r}"
    print(f"{output}: {told}, in {found.lines} lines")
    _lost(found.left_out, found.lower_bound, found.claim)


def elaborate(
    instance: InstanceFile,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="A proof of a lower bound.")],
    output: Annotated[Path, typer.Option("-o", metavar="FILE", callback=writable, help="Where to write.")],
    time_limit: TimeLimit = SECONDS,
) -> None:
    """Write a certificate with witnesses, which the core of the checker verifies without any search."""
    from offloadlib.witnesses import elaborate as write

    keep_apart([instance, certificate], [output])
    with _watched(time_limit) as watch:
        found = write(instance, certificate, output, watch)
    claim = "that there is no solution" if found.lower_bound is None else repr(float(found.lower_bound))
    print(f"{output}: claims {claim}")
    _lost(found.left_out, found.lower_bound, found.claim)
