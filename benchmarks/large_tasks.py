"""Tasks of 200 to 2,000 subtasks: solution, bound, time and memory of the methods that give both.

    python benchmarks/large_tasks.py [WORKFLOW.json ...] [--limit S] [--sizes 200 500 ...] [--methods a b]

Four devices with a task each and four offload points with room for half of all subtasks: random graphs of
two families, and workflows in WfFormat, if any are given. Each solve has a process of its own, which first
solves small instances, so that imports and compilation are not counted. Printed are the cost over the best
bound of all methods, the bound over the best cost, seconds of real time and CPU time, and the largest memory
of the process: in all, and beyond what it had before the instance, for each subtask. The certificates that go
with these bounds are another matter.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from offloadlib import Setting, generate, solve
from offloadlib.instances import Instance
from offloadlib.instances.importers import ImportSetting, import_graphs

DEVICES, POINTS = 4, 4
SIZES = (200, 500, 1000, 2000)
FAMILIES = ("layered", "series-parallel")
METHODS = ("branch-and-price", "price", "milp-arrays", "cpsat")


def problem(name: str) -> Instance:
    """Of a graph by its name, or of a file."""
    if name.endswith(".json"):
        return workflow(name, DEVICES, POINTS)
    size = int(name.rpartition("-")[2])
    room = _room(DEVICES * size, POINTS)
    setting = Setting(devices=DEVICES, offload_points=POINTS, capacity=room, applications=(name,))
    return generate(setting, seed=1)


def workflow(file: str, devices: int, points: int) -> Instance:
    """Of a file in WfFormat, with room for half of all subtasks."""
    setting = ImportSetting(devices=devices, offload_points=points)
    subtasks = import_graphs("wfformat", [file], setting=setting, seed=1)[0].num_subtasks
    return import_graphs(
        "wfformat", [file], setting=replace(setting, capacity=_room(subtasks, points)), seed=1
    )[0]


def _room(subtasks: int, points: int) -> int:
    """Places at each offload point, for half of all subtasks together."""
    return math.ceil(subtasks / 2 / points)


def measured(name: str, method: str, limit: float) -> dict[str, Any]:
    """One solve in this process, whose code is loaded and compiled."""
    for small in ("layered-16", "series-parallel-12"):
        solve(problem(small), method, time_limit=10.0)
    instance = problem(name)
    before = _memory()
    wall, cpu = time.perf_counter(), time.process_time()
    result = solve(instance, method, time_limit=limit)
    return {
        "subtasks": instance.num_subtasks,
        "cost": result.objective,
        "bound": result.lower_bound,
        "ended": str(result.termination),
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "memory": _memory(),
        "more": _memory() - before,
    }


def _memory() -> int:
    """Bytes that the process has had at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def apart(name: str, method: str, limit: float) -> dict[str, Any]:
    """One solve in a process of its own."""
    command = [sys.executable, __file__, "--one", name, method, "--limit", str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": (done.stderr.strip().splitlines() or [str(done.returncode)])[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows(name: str, found: dict[str, dict[str, Any]]) -> list[str]:
    """The lines of an instance, a method each."""
    solved = [row for row in found.values() if "failed" not in row]
    bounds = [row["bound"] for row in solved if row["bound"] is not None]
    costs = [row["cost"] for row in solved if row["cost"] is not None]
    lines = []
    for method, row in found.items():
        if "failed" in row:
            lines.append(f"| {Path(name).stem} | {method} | failed: {row['failed']} |")
            continue
        above = row["cost"] / max(bounds) - 1 if bounds and row["cost"] is not None else math.nan
        below = 1 - row["bound"] / min(costs) if costs and row["bound"] is not None else math.nan
        cells = [
            *(Path(name).stem, method, f"{row['cost']:.6g}", f"{above:.1e}", f"{below:.1e}", row["ended"]),
            *(f"{row['wall']:.1f}", f"{row['cpu']:.1f}", f"{row['memory'] / 1e6:.0f}"),
            f"{row['more'] / 1e3 / row['subtasks']:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("files", nargs="*", metavar="WORKFLOW.json")
    parser.add_argument("--limit", type=float, default=60.0, metavar="S")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--methods", nargs="+", default=METHODS)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one is not None:
        print(json.dumps(measured(*options.one, options.limit)))
        return
    titles = (
        *("instance", "method", "cost", "above the best bound", "bound below the best cost", "ended"),
        *("s", "CPU s", "MB", "kB a subtask"),
    )
    print(f"| {' | '.join(titles)} |\n|---|---|--:|--:|--:|---|--:|--:|--:|--:|", flush=True)
    for name in [*(f"{family}-{size}" for family in FAMILIES for size in options.sizes), *options.files]:
        found = {method: apart(name, method, options.limit) for method in options.methods}
        print("\n".join(rows(name, found)), flush=True)


if __name__ == "__main__":
    main()
