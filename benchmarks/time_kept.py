"""Does every method keep its time limit? One long task a device, of 20, 200 and 2,000 subtasks.

    python benchmarks/time_kept.py [--limit S] [--sizes 20 200 2000] [--methods A B] [--shapes layered ...]

Each solve has a process of its own, which first solves a small instance so that imports and compilation
are not counted. Printed are wall and CPU seconds beyond the limit, the peak memory of the process, how the
method ended, and its gap. A row is marked where the time is not kept: T + 2 s + 10 % for up to 200
subtasks, T + 10 s beyond; or the memory: 1 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from offloadlib import METHODS
from offloadlib.instances import Application, HybridInstance, Instance
from offloadlib.instances.hybrid import generate as hybrid
from offloadlib.instances.structured import generate, graphs
from offloadlib.registry import find

DEVICES, POINTS, SIZES = 4, 4, (20, 200, 2000)

SHAPES = ("layered", "fork-join", "workflow", "limited", "hybrid")
"""``limited`` has the graphs of the first, memory, deadlines and refusal: format 2."""

LIMITS: dict[str, Any] = {"resources": ("memory",), "deadline": (0.7, 1.1), "rejection": (1.0, 2.0)}

LARGEST_MEMORY = 1e9


def workflow(size: int) -> Application:
    """Samples in stages, as in sequencing: all need one index, are merged, and end in two reports."""
    samples = max((size - 4) // 3, 1)
    names = tuple(f"t{k + 1}" for k in range(4 + 3 * samples))
    index, merge, first, second = range(4)
    arcs = [(merge, first), (merge, second)]
    for fetch in range(4, 4 + 3 * samples, 3):
        arcs += [(fetch, fetch + 1), (fetch + 1, fetch + 2), (index, fetch + 2)]
        arcs += [(fetch + 1, merge), (fetch + 2, merge), (fetch + 2, second)]
    return Application(f"workflow-{size}", names, tuple(sorted(arcs)))


def problem(shape: str, size: int) -> Instance | HybridInstance:
    """Four devices, with tasks of one shape, and room for half of all subtasks; or many small tasks."""
    if shape == "hybrid":
        return hybrid.generate(hybrid.HybridSetting(devices=max(size // 3, 1)), seed=1)
    name = f"fork-join-{size - 2}" if shape == "fork-join" else f"layered-{size}"
    made = (lambda _: lambda rng: workflow(size)) if shape == "workflow" else graphs.maker
    with patch.object(graphs, "maker", made):
        setting = generate.Setting(
            devices=DEVICES,
            offload_points=POINTS,
            capacity=max(size // 2, 1),
            applications=(name,),
            **(LIMITS | {"room": (0.5 * size, float(size))} if shape == "limited" else {}),
        )
        return generate.generate(setting, seed=1)


def measured(method: str, shape: str, size: int, limit: float) -> dict[str, Any]:
    """One solve of a method whose code is loaded and compiled."""
    import offloadlib

    warm = 6 if shape != "hybrid" else 9
    for small in (problem(shape, warm), problem("fork-join" if shape != "hybrid" else shape, warm)):
        if find(method).applies_to(small) is None:
            offloadlib.solve(small, method, time_limit=20.0)
    instance = problem(shape, size)
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        result = offloadlib.solve(instance, method, time_limit=limit)
        ended = {"status": str(result.termination), "gap": result.gap, "objective": result.objective}
    except offloadlib.InputError as error:
        ended = {"status": f"does not apply: {error}"}
    ended |= {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    kilobytes = sum(
        resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return ended | {"memory": kilobytes * 1024}


def allowed(size: int, limit: float) -> float:
    """Seconds until a method must have returned."""
    return 1.1 * limit + 2 if size <= 200 else limit + 10


def row(method: str, shape: str, size: int, limit: float) -> str:
    """A line of the table: the solve in a process of its own."""
    command = [sys.executable, __file__, "--one", method, shape, str(size), "--limit", str(limit)]
    name = f"{method:17s} {shape:10s} {size:5d}"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=200 + 10 * limit)
    except subprocess.TimeoutExpired:
        return f"{name}  LATE: ended after {200 + 10 * limit:g} s"
    if done.returncode != 0:
        return f"{name}  FAILED ({done.returncode}): {done.stderr.strip().splitlines()[-1:]}"
    found = json.loads(done.stdout.splitlines()[-1])
    marks = ["LATE"] if found["wall"] > allowed(size, limit) else []
    marks += ["LARGE"] if found["memory"] > LARGEST_MEMORY else []
    gap = "" if found.get("gap") is None else f"{found['gap']:.3%}"
    times = f"{found['wall'] - limit:+8.2f} {found['cpu'] - limit:+8.2f} {found['memory'] / 1e6:6.0f}"
    return f"{name} {times}  {gap:>9s}  {found['status'][:70]}  {' '.join(marks)}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--limit", type=float, default=5.0, metavar="S")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--shapes", nargs="+", default=SHAPES)
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        method, shape, size = options.one
        print(json.dumps(measured(method, shape, int(size), options.limit)))
        return
    print(f"limit {options.limit:g} s; seconds beyond it: wall and CPU; peak memory in MB", flush=True)
    print(f"{'method':17s} {'shape':10s} {'size':>5s} {'wall':>8s} {'CPU':>8s} {'MB':>6s}  {'gap':>9s}")
    for shape in options.shapes:
        kind = "hybrid" if shape == "hybrid" else "structured"
        for size in options.sizes:
            for name in options.methods:
                if kind in find(name).kinds:
                    print(row(name, shape, size, options.limit), flush=True)


if __name__ == "__main__":
    main()
