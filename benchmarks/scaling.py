"""How long the steps of the library take as the number of devices grows (``make bench``).

Instances are the paper's setting at every size: 10 offload points with room for M/2 subtasks each (at
M = 40 its capacity of 20), five subtasks a device. A step is repeated and the median of its CPU time
kept: every step uses one thread, and whatever else the machine does hardly counts. Before each
repetition it gets an instance that has computed nothing yet, and imports and compilation are done
before any clock starts. A step that is stopped at the limit (of real time), or must expect to be, goes
to no larger size.

Prints a table of medians with growth exponents, and one of ratios; writes ``scaling.csv`` and
``scaling.png``.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich import box
from rich.table import Table

from offloadlib.cli import console
from offloadlib.comparing import tables
from offloadlib.formulations.structured.milp import potentials
from offloadlib.instances import Instance, Result, Solution, Termination, evaluate, read, write
from offloadlib.instances.files.document import replacing
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.pages import numbers
from offloadlib.pictures import style
from offloadlib.solving import solve

SIZES = (10, 32, 100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)
OFFLOAD_POINTS = 10
LIMIT = 20.0
"""Seconds of real time that one run of a method may take."""

REPETITIONS, ENOUGH = 7, 1.0
"""A step is repeated so often, or until its runs have taken so many seconds."""

DECADE = 10
"""Growth exponents are fitted over the largest sizes of a step, which lie within this factor."""


@dataclass(frozen=True)
class Sample:
    """What the steps work on: an instance, its two files, and a solution."""

    instance: Instance
    json: Path
    zip: Path
    solution: Solution


@dataclass(frozen=True)
class Step:
    """Something to time, and how to draw it; ``run`` gives a result where there is one."""

    name: str
    colour: str
    run: Callable[[Sample], object]


@dataclass(frozen=True)
class Timing:
    """The runs of a step at one size; ``finished`` is False where the last one was stopped."""

    step: str
    devices: int
    seconds: tuple[float, ...]
    finished: bool

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def _method(name: str) -> Callable[[Sample], Result]:
    return lambda sample: solve(sample.instance, name, time_limit=LIMIT)


STEPS = (
    Step("read JSON", style.GREY, lambda sample: read(sample.json)),
    Step("read zip", style.INK, lambda sample: read(sample.zip)),
    Step("evaluate", style.GREEN, lambda sample: evaluate(sample.instance, sample.solution)),
    Step("gsod-i", style.ORANGE, _method("gsod-i")),
    Step("gsod-ii", "#D55E00", _method("gsod-ii")),
    Step("build MILP", "#56B4E9", lambda sample: potentials.model(sample.instance)),
    Step("milp", style.BLUE, _method("milp")),
    Step("branch-and-price", "#CC79A7", _method("branch-and-price")),
)

RATIOS = (
    ("read JSON", "read zip"),
    ("gsod-i", "evaluate"),
    ("milp", "gsod-i"),
    ("milp", "build MILP"),
    ("milp", "branch-and-price"),
)


# Measuring ----------------------------------------------------------------------------------------


def samples(sizes: Sequence[int], folder: Path) -> Iterator[Sample]:
    """The paper's setting at every size."""
    for devices in sizes:
        setting = Setting(devices=devices, offload_points=OFFLOAD_POINTS, capacity=math.ceil(devices / 2))
        instance = generate(setting, seed=1)
        files = folder / f"{devices}.json", folder / f"{devices}.zip"
        for file in files:
            write(instance, file)
        yield Sample(instance, *files, solve(instance, "gsod-i").solution)
        for file in files:
            file.unlink()


def measure(step: Step, sample: Sample) -> Timing:
    """Run a step until its median means something."""
    seconds: list[float] = []
    finished = True
    while finished and len(seconds) < REPETITIONS and sum(seconds) < ENOUGH:
        fresh = replace(sample, instance=replace(sample.instance))  # without what the last run cached
        begun = time.process_time()
        result = step.run(fresh)
        seconds.append(time.process_time() - begun)
        finished = not isinstance(result, Result) or result.termination is not Termination.TIME_LIMIT
    return Timing(step.name, sample.instance.num_devices, tuple(seconds), finished)


def is_too_slow(last: Timing | None, devices: int) -> bool:
    """Whether a larger size would run into the limit, even if time grew only with its size."""
    if last is None:
        return False
    return not last.finished or last.median * devices / last.devices > LIMIT


def timings(sizes: Sequence[int]) -> Iterator[Timing]:
    """Every step at every size that it can do within the limit."""
    last: dict[str, Timing] = {}
    messages = console.messages()
    with tempfile.TemporaryDirectory() as folder:
        for number, sample in enumerate(samples(sizes, Path(folder))):
            for step in STEPS:
                devices = sample.instance.num_devices
                if is_too_slow(last.get(step.name), devices):
                    continue
                if number == 0:
                    step.run(sample)  # imports and compiles what it needs
                timing = last[step.name] = measure(step, sample)
                runs = tables.count(len(timing.seconds), "run")
                messages.print(f"{devices:>7,}  {step.name}: {_cell(timing)} ({runs})", highlight=False)
                yield timing


# Showing ------------------------------------------------------------------------------------------

Found = Mapping[str, Mapping[int, Timing]]
"""Step -> number of devices -> its timing."""


def _cell(timing: Timing | None) -> str:
    if timing is None:
        return ""
    return numbers.seconds(timing.median) if timing.finished else "stopped"


def exponent(finished: Sequence[Timing]) -> float | None:
    """The slope of log time over log devices at the largest sizes; None where there is only one."""
    tail = [timing for timing in finished if timing.devices * DECADE * 1.01 >= finished[-1].devices]
    if len(tail) < 2:
        return None
    slope, _ = np.polyfit(
        np.log([timing.devices for timing in tail]), np.log([timing.median for timing in tail]), 1
    )
    return float(slope)


def _per_device(timing: Timing) -> float:
    """Milliseconds."""
    return 1e3 * timing.median / timing.devices


def _finished(row: Mapping[int, Timing]) -> list[Timing]:
    return [timing for timing in row.values() if timing.finished]


def _table(title: str, first: str, sizes: Sequence[int], *rest: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
        header_style="dim",
    )
    table.add_column(first, no_wrap=True)
    for name in [*(f"M = {devices:,}" for devices in sizes), *rest]:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def median_table(found: Found, sizes: Sequence[int]) -> Table:
    """Medians by step and size, with the growth exponent and the time per device at the last size."""
    table = _table("Median CPU time", "step", sizes, "growth", "a device")
    for name, row in found.items():
        finished = _finished(row)
        growth = exponent(finished) if finished else None
        table.add_row(
            name,
            *(_cell(row.get(devices)) for devices in sizes),
            "" if growth is None else f"M^{growth:.2f}",
            f"{_per_device(finished[-1]):.3g} ms" if finished else "",
        )
    return table


def ratio_table(found: Found, sizes: Sequence[int]) -> Table:
    """How many times as long one step takes as another."""
    table = _table("Ratios of times", "of", sizes)
    for above, below in RATIOS:
        cells = []
        for devices in sizes:
            pair = [found[name].get(devices) for name in (above, below)]
            times = [timing.median for timing in pair if timing is not None and timing.finished]
            cells.append(f"{times[0] / times[1]:.3g}" if len(times) == 2 else "")
        table.add_row(f"{above} / {below}", *cells)
    return table


def figure(found: Found) -> Figure:
    """Median time over devices, both logarithmic; hollow where a step was stopped."""
    drawing = Figure(figsize=(8, 5), layout="constrained")
    axes = drawing.subplots()
    axes.set_xscale("log")
    axes.set_yscale("log")
    drawn = [(step, finished) for step in STEPS if (finished := _finished(found[step.name]))]
    # The legend has the order of the lines' ends.
    for step, finished in sorted(drawn, key=lambda line: -_per_device(line[1][-1])):
        style: Any = {"color": step.colour, "marker": "o", "markersize": 4, "linewidth": 1.6}
        axes.plot(*_points(finished), label=step.name, **style)
        if len(finished) < len(found[step.name]):
            last = [finished[-1], *(timing for timing in found[step.name].values() if not timing.finished)]
            axes.plot(*_points(last), linestyle=":", markerfacecolor="white", markevery=[-1], **style)
    _guide(axes, [devices for row in found.values() for devices in row])
    hollow: Any = {"marker": "o", "markersize": 4, "linestyle": ":", "markerfacecolor": "white"}
    axes.plot([], [], color=style.INK, label=f"stopped after\n{LIMIT:g} s of real time", **hollow)
    axes.set_xlabel(f"devices M (five subtasks each, {OFFLOAD_POINTS} offload points)")
    axes.set_ylabel("CPU seconds (median)")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#EEEEEE")
    axes.set_axisbelow(True)
    drawing.legend(loc="outside right upper", frameon=False)
    return drawing


def _points(row: Sequence[Timing]) -> tuple[list[int], list[float]]:
    return [timing.devices for timing in row], [timing.median for timing in row]


def _guide(axes: Axes, sizes: Sequence[int]) -> None:
    """A line of slope 1 below the others, for the eye."""
    low, _ = axes.get_ylim()
    ends = min(sizes), max(sizes)
    axes.plot(
        ends, (low, low * ends[1] / ends[0]), ":", color=style.GREY, linewidth=1, label="proportional to M"
    )


# Running ------------------------------------------------------------------------------------------


def write_csv(found: Found, path: Path) -> None:
    """Every run's time."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["step", "devices", "finished", "median", "runs"])
    for row in found.values():
        for timing in row.values():
            runs = " ".join(f"{seconds:.6g}" for seconds in timing.seconds)
            writer.writerow([timing.step, timing.devices, timing.finished, f"{timing.median:.6g}", runs])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def main(arguments: Sequence[str]) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--largest", type=int, default=SIZES[-1], metavar="M", help="stop at so many devices")
    docs = Path(__file__).resolve().parent.parent / "docs" / "results"
    parser.add_argument(
        "-o", "--output", type=Path, default=docs, metavar="DIR", help="default: docs/results/"
    )
    options = parser.parse_args(arguments)
    sizes = [devices for devices in SIZES if devices <= options.largest]

    found: dict[str, dict[int, Timing]] = {step.name: {} for step in STEPS}
    for timing in timings(sizes):
        found[timing.step][timing.devices] = timing

    decades = [devices for devices in sizes if math.log10(devices).is_integer()]
    for table in (median_table(found, decades), ratio_table(found, decades)):
        console.output().print(table, end="\n\n")
    options.output.mkdir(parents=True, exist_ok=True)
    write_csv(found, options.output / "scaling.csv")
    style.save(figure(found), options.output / "scaling.png")


if __name__ == "__main__":
    main(sys.argv[1:])
