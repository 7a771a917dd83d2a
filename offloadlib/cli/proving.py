"""The commands ``offloadlib export-proof`` and ``offloadlib elaborate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offloadlib.apart import keep_apart

from .options import InstanceFile, SolutionFile, writable
from .status import say

FORMAT = "vipr"


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
) -> None:
    """Write solution and certificate as a proof for checkers of VIPR files, which know nothing of ours."""
    from offloadlib.cli import console
    from offloadlib.witnesses import export_proof as write

    keep_apart([instance, solution, certificate], [output])
    with console.Display() as display:

        def watch(done: int, of: int) -> None:
            display.tell(f"{done} of {of} devices at leaves")

        found = write(instance, solution, certificate, output, watch)
    if found.lower_bound is None or found.upper_bound is None:
        told = "there is no solution"
    else:
        lower, upper = float(found.lower_bound), float(found.upper_bound)
        told = f"the least cost is between {lower!r} and {upper!r}"
    print(f"{output}: {told}, in {found.lines} lines")
    if found.left_out:
        say(f"patterns are left out; with them the certificate proves {float(found.claim)!r}")


def elaborate(
    instance: InstanceFile,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", help="A proof of a lower bound.")],
    output: Annotated[Path, typer.Option("-o", metavar="FILE", callback=writable, help="Where to write.")],
) -> None:
    """Write a certificate with witnesses, which the core of the checker verifies without any search."""
    from offloadlib.cli import console
    from offloadlib.witnesses import elaborate as write

    keep_apart([instance, certificate], [output])
    with console.Display() as display:

        def watch(done: int, of: int) -> None:
            display.tell(f"{done} of {of} devices at leaves")

        found = write(instance, certificate, output, watch)
    claim = "that there is no solution" if found.lower_bound is None else repr(float(found.lower_bound))
    print(f"{output}: claims {claim}")
    if found.left_out:
        say("patterns are left out: there are no witnesses for these")
    if found.lower_bound is not None and found.claim is not None and found.lower_bound < found.claim:
        say(f"the certificate claims more: {float(found.claim)!r}")
