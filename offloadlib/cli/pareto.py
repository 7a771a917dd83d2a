"""The command ``offloadlib pareto``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import InstanceFile, Seed
from .status import INTERRUPTED, say

GAP = 1e-6
"""Of a point: a front is looked at, and each point takes as long as a solve."""


def pareto(
    instance: InstanceFile,
    output: Annotated[Path, typer.Option("-o", metavar="DIR", help="For table, picture, solutions, proofs.")],
    limit: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Cost against the size of this limit (capacity:op1, resource:op1:memory, limits:site, "
            "channels:op1, totals:energy), or, with 'largest', the sum of the costs against the largest of "
            "them; by default total delay against total energy.",
        ),
    ] = None,
    points: Annotated[int, typer.Option(metavar="N", min=2, help="Points of the front.")] = 11,
    method: Annotated[
        str, typer.Option("--method", "-m", metavar="NAME", help="See 'methods'.")
    ] = "branch-and-price",
    time_limit: Annotated[float, typer.Option(metavar="S", help="Seconds for each point.")] = 60.0,
    gap: Annotated[float, typer.Option(metavar="G", help="Relative gap at which a point is done.")] = GAP,
    seed: Seed = 0,
) -> None:
    """Trace a front: the least of one thing for each amount of another, each point with a certified bound.

    Delay against energy counts the delay of all devices alike: none may be refused there, fees and weights
    do not count. With --limit the cost is that of the instance. With --limit largest the front is that of
    the sum against min-max: a point's bound is about the solutions in which no device costs more than its
    limit, and so is its certificate.

    Interrupted, the same command goes on from the points that are in DIR.
    """
    from offloadlib.cli import console
    from offloadlib.fronts.front import CostLimit, DelayEnergy, Front, SumLargest
    from offloadlib.fronts.trace import FrontPoint, Tracer
    from offloadlib.instances import Budget, InputError, Instance, read
    from offloadlib.instances.errors import counted, shown
    from offloadlib.pictures.front import front as draw
    from offloadlib.pictures.style import save

    data = read(instance)
    if not isinstance(data, Instance):
        raise InputError(instance, [("kind", f"must be {shown(Instance.kind)}, not {shown(data.kind)}")])
    found: Front
    if limit is None:
        found = DelayEnergy.of_instance(data)
    elif limit == "largest":
        found = SumLargest.of_instance(data)
    else:
        found = CostLimit.of_instance(data, limit)
    if isinstance(found, DelayEnergy) and found.left_out:
        say(f"on the front of delay against energy {found.left_out}")
    output.mkdir(parents=True, exist_ok=True)
    with console.Display() as display:

        def tell(point: FrontPoint, known: bool) -> None:
            display.say(console.point_line(point, known))

        budget = Budget(time_limit, gap, seed, on_progress=display.update)
        display.begin(f"{data.name}  {found.name}")
        tracer = Tracer(output, method, budget, on_point=tell)
        try:
            traced = tracer.trace(found, points)
        except KeyboardInterrupt:
            kept = counted(len(tracer.points), "point")
            say(f"interrupted: {output} has {kept}, and the same command goes on")
            raise typer.Exit(INTERRUPTED) from None
    console.show_front(found, traced)
    picture = output / f"{found.name}.png"
    save(draw(found, traced), picture)
    say(f"{output / 'front.csv'}, {picture}")
