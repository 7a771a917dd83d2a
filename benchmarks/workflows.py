"""Branch-and-price on workflows of real systems: solution, bound and certificate.

    python benchmarks/workflows.py WORKFLOW.json ... [--limit S] [--devices M] [--offload-points N]

Each file in WfFormat becomes an instance in which every device has a task of that graph, and the offload
points have room for half of all subtasks together (``import wfformat --capacity ... --seed 1``). It is solved
in one thread, then certified within the same time again and verified by the independent checker. Printed are
the cost, the relative gap to the solver's bound, the gap that is certified, and seconds of both.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from large_tasks import workflow

import offloadlib
from offloadlib.instances import Instance, gap

METHOD = "branch-and-price"


def row(name: str, instance: Instance, limit: float) -> str:
    """The line of an instance."""
    result = offloadlib.solve(instance, METHOD, time_limit=limit)
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        given = result.stored(METHOD)
        stored, accepted = offloadlib.certify(instance, given, Path(folder) / "cert.json", proof_time=limit)
    seconds = time.perf_counter() - begun
    certified = shown(gap(stored.objective, stored.lower_bound)) if accepted else "none"
    cells = [
        *(name, f"{instance.num_subtasks // instance.num_devices}", f"{result.objective:.7g}"),
        *(shown(result.gap), f"{result.runtime:.1f}", certified, f"{seconds:.1f}"),
    ]
    return f"| {' | '.join(cells)} |"


def shown(value: float | None) -> str:
    """A gap in short."""
    return "none" if value is None else "<1e-9" if value < 1e-9 else f"{value:.1e}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="+", metavar="WORKFLOW.json")
    parser.add_argument("--limit", type=float, default=60.0, metavar="S")
    parser.add_argument("--devices", type=int, default=10, metavar="M")
    parser.add_argument("--offload-points", type=int, default=5, metavar="N")
    options = parser.parse_args(arguments)
    for small in ("worked-example", "layered-12-m030"):  # imports and compilation do not count
        offloadlib.solve(small, METHOD, time_limit=10.0)
    print(
        "| workflow | subtasks | cost | gap | s | certified | s |\n|---|--:|--:|--:|--:|--:|--:|", flush=True
    )
    for file in options.files:
        instance = workflow(file, options.devices, options.offload_points)
        print(row(Path(file).stem, instance, options.limit), flush=True)


if __name__ == "__main__":
    main()
