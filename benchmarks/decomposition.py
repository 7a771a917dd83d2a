"""Branch-and-price beside the direct MILP on HiGHS and SCIP, and CP-SAT: the time to the same proven gap.

Every method gets every instance, the same time limit, one thread and a process of its own
(:mod:`offloadlib.running.workers`). What counts is the time at which its bound and its incumbent are within a
relative gap of 1e-4, and of 1e-6, as its progress says: claims of the solvers, of which the certificates
are another matter. Seconds are real ones, so that a quiet machine is needed; imports and compilation are
done before the clock starts. ``milp-arrays`` is the faster of the two MILPs with equal formulation
(``milp`` is built by Pyomo); ``scip`` is ``milp`` on SCIP. Besides generated instances there are those of the
library with task graphs of real systems, from WfInstances and DAGBench.

Rows are appended to a CSV file as they come: a run that was interrupted goes on where it stopped. Prints
tables, and draws performance profiles (Dolan and Moré 2002).
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from offloadlib.cli import console
from offloadlib.instances import Budget, Instance, Progress, gap, read
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.pictures import style
from offloadlib.registry import find
from offloadlib.running import workers

OURS, MILP, SCIP = "branch-and-price", "milp-arrays", "scip"
COMPARED = (OURS, MILP, "cpsat", SCIP)
COLOURS = {OURS: "#CC79A7", MILP: style.BLUE, "cpsat": style.ORANGE, SCIP: style.GREEN}

TARGETS = (1e-4, 1e-6)

ROUNDING = 1.001
"""A solver that stops at a gap reports it up to rounding."""

SHORTEST = 0.01
"""Seconds: times below it count as it in means and ratios."""

FACTOR = 10.0
"""The goal: so many times faster in the mean."""

LIBRARY = Path(__file__).resolve().parent.parent / "offloadlib" / "instances" / "library"

HARD: dict[str, Any] = {
    "point_cpu": (1.6, 8.0),
    "input": (0.05, 0.2),
    "output": (0.05, 0.2),
    "alpha": (0.97, 0.97),
}
"""Fast offload points, little data, and delay above all: heaviest paths and capacities decide."""

CITY: dict[str, Any] = {"work": (0.5, 2.0), "input": (0.3, 1.5), "output": (0.3, 1.5), "alpha": (0.97, 0.97)}


@dataclass(frozen=True)
class Case:
    """An instance to be made: its kind, for the tables, and how."""

    kind: str
    name: str
    make: Callable[[], Instance]


@dataclass(frozen=True)
class Row:
    """One solve: ``reached`` has the seconds to each of the :data:`TARGETS`, infinite where it failed."""

    kind: str
    instance: str
    method: str
    limit: float
    reached: tuple[float, ...]
    objective: float
    lower_bound: float
    ending: str


# Instances ----------------------------------------------------------------------------------------


def cases() -> list[Case]:
    """All of them: 4 to 1000 devices, 3 to 53 subtasks each."""
    return list(
        chain(
            _generated("face", "face", ((40, 20), (40, 6), (100, 50), (100, 20), (300, 150), (1000, 300))),
            _generated("face", "face", ((40, 20), (100, 12)), seed=2, normalise="none", **HARD),
            _generated("face", "face", ((200, 10), (1000, 40)), points=50, **CITY),
            _generated("chain", "chain-5", ((40, 20), (100, 15))),
            _generated("chain", "chain-8", ((20, 10), (60, 20), (200, 60))),
            _generated("chain", "chain-12", ((20, 12), (60, 30)), **HARD),
            _generated("chain", "chain-20", ((20, 20),)),
            _generated("fork-join", "fork-join-4", ((30, 8), (80, 20))),
            _generated("fork-join", "fork-join-4", ((50, 12),), **HARD),
            _generated("fork-join", "fork-join-8", ((20, 6), (50, 15), (100, 30)), **HARD),
            _generated("fork-join", "fork-join-8", ((50, 15), (500, 150)), normalise="none", **HARD),
            _generated("fork-join", "fork-join-8", ((30, 12),)),
            _generated("fork-join", "fork-join-12", ((15, 8), (40, 20))),
            _generated("fork-join", "fork-join-16", ((15, 10), (30, 15)), **HARD),
            _generated("series-parallel", "series-parallel-10", ((20, 8), (60, 20))),
            _generated("series-parallel", "series-parallel-15", ((15, 8), (40, 20))),
            _generated("series-parallel", "series-parallel-20", ((12, 10), (30, 20))),
            _generated("series-parallel", "series-parallel-20", ((20, 12),), **HARD),
            _generated("series-parallel", "series-parallel-30", ((10, 12), (25, 25))),
            _generated("layered", "layered-8", ((20, 6), (60, 20))),
            _generated("layered", "layered-10", ((15, 5), (40, 15))),
            _generated("layered", "layered-12", ((12, 6), (30, 15))),
            _generated("layered", "layered-16", ((10, 6), (20, 12))),
            _generated("layered", "layered-24", ((8, 8),)),
            _generated("layered", "layered-30", ((6, 8),)),
            _generated("channels", "face", ((40, 20), (100, 40)), channels=2),
            _generated("channels", "face", ((100, 20), (300, 60)), channels=8),
            _generated("channels", "fork-join-4", ((30, 10), (80, 25)), channels=2),
            _generated("channels", "chain-8", ((30, 12),), channels=2),
            _generated("channels", "series-parallel-15", ((20, 10),), channels=1),
            _stored("workflows", "melbourne-*"),
            _stored("wfinstances", "wfinstances-*"),
            _stored("dagbench", "dagbench-*"),
        )
    )


def _generated(
    kind: str,
    application: str,
    sizes: Sequence[tuple[int, int]],
    points: int = 10,
    seed: int = 1,
    **parameters: Any,
) -> Iterator[Case]:
    """Instances of so many devices and capacities."""
    for devices, capacity in sizes:
        setting = Setting(
            devices=devices,
            offload_points=points,
            applications=(application,),
            capacity=capacity,
            **parameters,
        )
        marks = {"normalise": "raw", "channels": f"c{parameters.get('channels')}", "alpha": "a97"}
        extra = "".join(f"-{mark}" for key, mark in marks.items() if key in parameters)
        name = f"{application}-m{devices}-n{points}-q{capacity}{extra}-s{seed}"
        yield Case(kind, name, lambda setting=setting: generate(setting, seed=seed))  # type: ignore[misc]


def _stored(kind: str, pattern: str) -> Iterator[Case]:
    """Those of the library whose names fit."""

    def make(path: Path) -> Instance:
        instance = read(path)
        assert isinstance(instance, Instance)
        return instance

    for path in sorted(LIBRARY.glob(f"{pattern}.json")):
        yield Case(kind, path.stem, partial(make, path))


QUICK = ("face-m40-n10-q6-s1", "chain-8-m20-n10-q10-s1", "fork-join-8-m20-n10-q6-a97-s1", "melbourne-s")


# Measuring ----------------------------------------------------------------------------------------


@dataclass
class _Clock:
    """Notes when each target is reached."""

    reached: list[float] = field(default_factory=lambda: [math.inf] * len(TARGETS))

    def __call__(self, progress: Progress) -> None:
        if progress.objective is None:
            return
        distance = gap(progress.objective, progress.lower_bound)
        for i, target in enumerate(TARGETS):
            if distance is not None and distance <= target * ROUNDING:
                self.reached[i] = min(self.reached[i], progress.time)


def measure(case: Case, method: str, limit: float) -> Row:
    """One solve in a process of its own."""
    clock = _Clock()
    instance = case.make()
    budget = Budget(time_limit=limit, gap=TARGETS[-1], on_progress=clock)
    if method == SCIP:
        outcome = workers.run(find("milp"), instance, replace(budget, solver=SCIP))
    else:
        outcome = workers.run(find(method), instance, budget)
    objective, bound, ending = math.nan, math.nan, outcome.message or str(outcome.ending)
    if outcome.result is not None:
        result = outcome.result
        objective, ending = result.objective, str(result.termination)
        bound = math.nan if result.lower_bound is None else result.lower_bound
        clock(Progress(result.runtime, result.objective, result.lower_bound))
    reached = tuple(seconds if seconds <= limit else math.inf for seconds in clock.reached)
    return Row(case.kind, case.name, method, limit, reached, objective, bound, ending)


_HEADER = ("kind", "instance", "method", "limit", *map(str, TARGETS), "objective", "lower_bound", "ending")


def append(row: Row, path: Path) -> None:
    """Add a row to the file, below what other runs have left there."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(_HEADER)
        times = [f"{seconds:.4g}" for seconds in row.reached]
        values = f"{row.objective:.12g}", f"{row.lower_bound:.12g}"
        writer.writerow([row.kind, row.instance, row.method, f"{row.limit:g}", *times, *values, row.ending])


def stored(path: Path) -> list[Row]:
    """What earlier runs have measured."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            Row(
                *(line["kind"], line["instance"], line["method"], float(line["limit"])),
                tuple(float(line[str(target)]) for target in TARGETS),
                *(float(line["objective"]), float(line["lower_bound"]), line["ending"]),
            )
            for line in csv.DictReader(file)
        ]


# Results ------------------------------------------------------------------------------------------

Found = Mapping[str, Mapping[str, Row]]
"""Method -> instance -> row."""


def _seconds(row: Row, target: int) -> float:
    """At least :data:`SHORTEST`; the limit where the target was not reached."""
    return min(max(row.reached[target], SHORTEST), row.limit)


def _mean_ratio(
    ours: Mapping[str, Row], other: Mapping[str, Row], names: Sequence[str], target: int
) -> float:
    ratios = [_seconds(other[name], target) / _seconds(ours[name], target) for name in names]
    return statistics.geometric_mean(ratios)


def _common(found: Found) -> list[str]:
    """The instances that every method has been given."""
    first, *rest = found.values()
    return [name for name in first if all(name in rows for rows in rest)]


def table_of_means(found: Found) -> Table:
    """Number proven, geometric mean of the times, and how many times faster branch-and-price is."""
    names = _common(found)
    table = Table(box=box.SIMPLE, title=f"{len(names)} instances; geometric means, the limit if not proven")
    titles = (f"{what} {t:g}" for t in TARGETS for what in ("proven", "mean", "ours faster"))
    for title in ("method", *titles):
        table.add_column(title, justify="left" if title == "method" else "right")
    for method, rows in found.items():
        cells = [method]
        for i in range(len(TARGETS)):
            proven = sum(math.isfinite(rows[name].reached[i]) for name in names)
            mean = statistics.geometric_mean([_seconds(rows[name], i) for name in names])
            cells += [f"{proven}", f"{mean:.3g} s", f"{_mean_ratio(found[OURS], rows, names, i):.3g}"]
        table.add_row(*cells)
    return table


def table_of_kinds(found: Found) -> Table:
    """How many times faster by kind of instance."""
    names = _common(found)
    kinds = {name: found[OURS][name].kind for name in names}
    others = [method for method in found if method != OURS]
    table = Table(box=box.SIMPLE, title="times as fast as ..., and proven by it (ours) to 1e-06")
    for title in ("kind", "instances", *(f"{m} {t:g}" for m in others for t in TARGETS), *others):
        table.add_column(title, justify="left" if title == "kind" else "right")
    for kind in dict.fromkeys(kinds.values()):
        some = [name for name in names if kinds[name] == kind]
        cells = [kind, f"{len(some)}"]
        for method in others:
            cells += [f"{_mean_ratio(found[OURS], found[method], some, i):.3g}" for i in range(len(TARGETS))]
        for method in others:
            mine, its = (sum(math.isfinite(found[m][n].reached[-1]) for n in some) for m in (OURS, method))
            cells.append(f"{its} ({mine})")
        table.add_row(*cells)
    return table


def table_of_losses(found: Found) -> Table:
    """Where branch-and-price is the slower one though the MILP takes over a second, or does not prove."""
    table = Table(box=box.SIMPLE, title=f"slower than {MILP} where that takes over 1 s, or not proven")
    for title in ("instance", "gap", OURS, MILP, "gap at the end"):
        table.add_column(title, justify="left" if title == "instance" else "right")
    for name in _common(found):
        ours, milp = found[OURS][name], found[MILP][name]
        for i, target in enumerate(TARGETS):
            slower = ours.reached[i] > milp.reached[i] and milp.reached[i] > 1.0
            missed = math.isinf(ours.reached[i]) and math.isfinite(milp.reached[i])
            if slower or missed:
                left = gap(ours.objective, ours.lower_bound)
                cells = f"{target:g}", f"{ours.reached[i]:.3g} s", f"{milp.reached[i]:.3g} s", f"{left:.1e}"
                table.add_row(name, *cells)
    return table


def figure(found: Found) -> Figure:
    """Performance profiles: the share of instances proven within a factor of the fastest method."""
    names = _common(found)
    drawing = Figure(figsize=(9.0, 3.6), layout="constrained")
    panels = drawing.subplots(1, len(TARGETS), sharey=True)
    for i, (axes, target) in enumerate(zip(panels, TARGETS, strict=True)):
        fastest = {name: min(_seconds(rows[name], i) for rows in found.values()) for name in names}
        largest = 1.0
        for method, rows in found.items():
            ratios = sorted(
                _seconds(rows[name], i) / fastest[name]
                for name in names
                if math.isfinite(rows[name].reached[i])
            )
            share = np.arange(1, len(ratios) + 1) / len(names)
            largest = max([largest, *ratios])
            axes.step(ratios, share, where="post", label=method, color=COLOURS.get(method), linewidth=1.8)
        axes.set_xscale("log")
        axes.set_xlim(1.0, 1.3 * largest)
        for line in axes.get_lines():  # the last step goes on to the edge
            x, y = line.get_data()
            if len(x):
                line.set_data(np.append(x, 1.3 * largest), np.append(y, y[-1]))
        axes.set_ylim(0.0, 1.02)
        axes.set_title(f"proven to a gap of {target:g}", fontsize=10)
        axes.set_xlabel("times the fastest method's time")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#EEEEEE")
        axes.set_axisbelow(True)
    panels[0].set_ylabel(f"share of {len(names)} instances")
    drawing.legend(*panels[-1].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return drawing


def main(arguments: Sequence[str]) -> None:
    """Measure what is missing, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help=f"only {len(QUICK)} instances, and no picture")
    parser.add_argument("--time-limit", type=float, default=20.0, metavar="S", help="default: 20")
    parser.add_argument("--methods", default=",".join(COMPARED), metavar="a,b", help=f"default: {COMPARED}")
    parser.add_argument(
        "--only", default="", metavar="a,b", help="instances whose name contains one of these"
    )
    docs = Path(__file__).resolve().parent.parent / "docs" / "results"
    parser.add_argument(
        "-o", "--output", type=Path, default=docs, metavar="DIR", help="default: docs/results/"
    )
    options = parser.parse_args(arguments)
    methods = [method if method == SCIP else find(method).name for method in options.methods.split(",")]
    texts = options.only.split(",")
    wanted = [
        case
        for case in cases()
        if any(text in case.name for text in texts) and (not options.quick or case.name in QUICK)
    ]
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / ("decomposition-quick.csv" if options.quick else "decomposition.csv")

    known = {(row.instance, row.method): row for row in stored(path) if row.limit == options.time_limit}
    begun = time.monotonic()
    for number, case in enumerate(wanted, start=1):
        for method in methods:
            if (case.name, method) in known:
                continue
            row = measure(case, method, options.time_limit)
            append(row, path)
            known[case.name, method] = row
            times = ", ".join(f"{seconds:.3g} s" for seconds in row.reached)
            line = f"[{number}/{len(wanted)}, {time.monotonic() - begun:.0f} s] {case.name} {method}: {times}"
            print(line, row.ending, file=sys.stderr, flush=True)

    names = [case.name for case in wanted]
    found = {m: {name: known[name, m] for name in names if (name, m) in known} for m in methods}
    for table in (table_of_means(found), table_of_kinds(found), table_of_losses(found)):
        console.output().print(table, end="\n\n")
    if not options.quick:
        style.save(figure(found), options.output / "decomposition.png")


if __name__ == "__main__":
    main(sys.argv[1:])
