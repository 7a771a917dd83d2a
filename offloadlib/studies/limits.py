"""What deadlines and memory do to the optimum, where heuristics break, and what a gigabyte is worth.

Repetition r has the instance of seed ``seed + r`` in every setting: the same devices with other limits, so
that differences are those of the limits alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats
from offloadlib.instances.errors import counted
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Family, Method
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures import style
from offloadlib.pictures.curves import Curve, courses
from offloadlib.pictures.picture import Picture
from offloadlib.registry import METHODS

from . import StudyOptions, StudyRow
from .certified import OPTIMUM
from .jobs import DataPoint, Generated, Job, at_once
from .statistics import Estimate, estimate, shown

TITLE = "Deadlines and memory"
REPETITIONS, QUICK_REPETITIONS = 10, 2

TIME_LIMIT = 20.0
"""Seconds for each solve."""

OFFLOAD_POINTS = 2
ROOM = 6
"""GB of each offload point, where that does not vary."""

SETTING = Setting(
    devices=5,
    offload_points=OFFLOAD_POINTS,
    capacity=25,
    point_cpu=(4.0, 8.0),
    uplink=(3.0, 5.0),
    downlink=(3.0, 5.0),
    resources=("GB",),
    demand=(1.0, 3.0),
    room=(ROOM, ROOM),
)
"""The paper's devices and tasks, with offload points so fast that deadlines can be met there; the number of
subtasks at a point has no part in it."""

TIGHTNESS, QUICK_TIGHTNESS = (1.05, 0.95, 0.9, 0.85, 0.8, 0.7), (1.05, 0.85)
"""Deadlines, as multiples of the delay of all-local. The first one allows all-local."""

REJECTION = 1.5
"""What it costs to refuse a device, over its cost all-local."""

ROOMS, QUICK_ROOMS = (5, 6, 7, 8), (6, 7)
LATE = 0.9
"""The deadline with which the price of memory is compared."""

QUICK_HEURISTICS = ("gsod-i", "heft")

DEADLINE, REFUSAL, MEMORY, MEMORY_LATE = "deadline", "refusal", "memory", "memory with a deadline"


# What is run --------------------------------------------------------------------------------------


def points(options: StudyOptions) -> Iterator[DataPoint]:
    """Every solve; x is the tightness of the deadline, or the GB of each offload point."""
    tightness, rooms = (QUICK_TIGHTNESS, QUICK_ROOMS) if options.quick else (TIGHTNESS, ROOMS)
    chosen = heuristics()
    if options.quick:
        chosen = [method for method in chosen if method.name in QUICK_HEURISTICS]
    for r in range(options.repetitions):
        for t in tightness:
            late = replace(SETTING, deadline=(t, t))
            for method in [*chosen, *options.methods, OPTIMUM]:
                yield _point(options, DEADLINE, t, r, late, method)
            yield _point(options, REFUSAL, t, r, replace(late, rejection=(REJECTION, REJECTION)), OPTIMUM)
        for q in rooms:
            room = replace(SETTING, room=(q, q))
            yield _point(options, MEMORY, q, r, room, OPTIMUM)
            yield _point(options, MEMORY_LATE, q, r, replace(room, deadline=(LATE, LATE)), OPTIMUM)


stages = at_once(points)


def _point(
    options: StudyOptions, experiment: str, x: float, r: int, setting: Setting, method: Method
) -> DataPoint:
    job = Job(Generated(setting, options.seed + r), method, seed=r, time_limit=TIME_LIMIT, timed=False)
    return DataPoint(experiment, x, r, job)


def heuristics() -> list[Method]:
    """All heuristics of the registry that such instances can be given to."""
    instance = generate(replace(SETTING, deadline=(LATE, LATE)))
    return [
        method
        for method in METHODS.values()
        if method.family is Family.HEURISTIC and method.applies_to(instance) is None
    ]


# What is shown ------------------------------------------------------------------------------------


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """The optimum by deadline, the price of memory, and what heuristics find."""
    frame = measured(options, rows)
    own = frame[frame["method"] == OPTIMUM.name]
    proven = int(own["status"].isin(("optimal", "infeasible")).sum())
    text = (
        f"Optima are those of branch-and-price with a certificate that the independent checker accepts, and "
        f"so is what is infeasible: {proven} of {counted(len(own), 'solve')}. Intervals are 95%, over "
        f"{counted(options.repetitions, 'repetition')}."
    )
    return Page(TITLE, [text], [_deadlines(own), _memory(own), *_heuristics(frame)])


def measured(options: StudyOptions, rows: Mapping[str, StudyRow]) -> pd.DataFrame:
    """One line per solve.

    Returns
    -------
    pandas.DataFrame
        ``experiment``, ``x``, ``repetition``, ``method``, ``status``, ``cost`` (NaN where there is no
        solution; that of the optimum where it is not proven, too) and ``refused``, the share of the devices.
    """
    records = []
    for point in points(options):
        row = rows[point.job.key]
        sound = row["status"] in ("optimal", "feasible")
        if row["method"] == OPTIMUM.name:
            sound = row["status"] == "optimal"
        records.append(
            {
                "experiment": point.experiment,
                "x": float(point.x),
                "repetition": point.repetition,
                "method": row["method"],
                "status": row["status"],
                "cost": row["objective"] if sound else math.nan,
                "refused": row["run"].get("refused", 0) / row["devices"] if sound else math.nan,
            }
        )
    return pd.DataFrame(records)


def _grid(frame: pd.DataFrame, experiment: str, column: str = "cost") -> pd.DataFrame:
    """Repetitions by x."""
    chosen = frame[frame["experiment"] == experiment]
    return chosen.pivot(index="repetition", columns="x", values=column)


def _deadlines(own: pd.DataFrame) -> Section:
    served, refusing = _grid(own, DEADLINE), _grid(own, REFUSAL)
    status, refused = _grid(own, DEADLINE, "status"), _grid(own, REFUSAL, "refused")
    xs = sorted((float(t) for t in served.columns), reverse=True)
    relaxed = served[xs[0]]
    rows: list[Sequence[Cell]] = []
    curves: dict[str, list[Estimate]] = {"all served": [], "refusal allowed": []}
    for t in xs:
        found = (estimate(served[t] / relaxed), estimate(refusing[t] / relaxed))
        for values, value in zip(curves.values(), found, strict=True):
            values.append(value)
        none = int((status[t] == "infeasible").sum())
        rows.append(
            [
                Number.of(t, "g"),
                Number.of(none / len(status), ".0%"),
                *(shown(value, ".3f") for value in found),
                shown(estimate(refused[t]), ".1%"),
            ]
        )
    header = (
        *("deadline / all-local", "infeasible", "cost, all served", "cost, refusal allowed"),
        "devices refused",
    )
    caption = (
        f"Certified optima over that at {xs[0]:g}; costs with all served are of the instances that have "
        f"a solution. To refuse a device costs {REJECTION:g} times as much as all-local"
    )
    title = f"The optimum over that of a deadline of {xs[0]:g}"
    picture = Picture("deadlines", title, _drawn(xs, curves, title, "deadline / all-local", "cost"))
    text = (
        "Every device meets its deadline alone. Together they need memory to be faster, and where that does "
        "not suffice there is no solution, unless devices may be refused."
    )
    return Section("Deadlines", [text, picture, Table(header, rows, caption)])


def _memory(own: pd.DataFrame) -> Section:
    grids = {"no deadline": _grid(own, MEMORY), f"deadline {LATE:g}": _grid(own, MEMORY_LATE)}
    xs = sorted(float(q) for q in next(iter(grids.values())).columns)
    curves: dict[str, list[Estimate]] = {name: [] for name in grids}
    rows: list[Sequence[Cell]] = []
    for low, high in pairwise(xs):
        line: list[Cell] = [f"{low:g} to {high:g}"]
        for name, grid in grids.items():
            saved = (grid[low] - grid[high]) / ((high - low) * OFFLOAD_POINTS)
            curves[name].append(estimate(saved))
            cell = shown(curves[name][-1], ".4f")
            line += [cell, Number.of(int(saved.notna().sum()), "d")]
        rows.append(line)
    header = (
        "GB of each point",
        *(part for name in grids for part in (f"saved per GB, {name}", "instances")),
    )
    title = "What one more gigabyte saves"
    picture = Picture(
        "memory", title, _drawn(xs[:-1], curves, title, "GB of each point before", "cost saved per GB")
    )
    text = (
        "The difference quotient of certified optima when each offload point has so much more memory. With "
        "normalised costs, a device that stays local costs 1. Only instances that have a solution before and "
        "after are counted."
    )
    return Section("The price of a gigabyte", [text, picture, Table(header, rows)])


def _heuristics(frame: pd.DataFrame) -> list[Section]:
    chosen = frame[frame["experiment"] == DEADLINE]
    cost = chosen.pivot(index=["x", "repetition"], columns="method", values="cost")
    solved = cost[cost[OPTIMUM.name].notna()]
    xs = sorted({float(x) for x, _ in solved.index}, reverse=True)
    names = [str(name) for name in cost.columns if name != OPTIMUM.name]
    found: dict[str, list[Estimate]] = {name: [] for name in names}
    above: dict[str, list[Estimate]] = {name: [] for name in names}
    for t in xs:
        lines = solved.loc[t]
        for name in names:
            found[name].append(estimate(lines[name].notna().astype(float)))
            above[name].append(estimate(lines[name] / lines[OPTIMUM.name] - 1.0))
    header = ("method", *(f"deadline {t:g}" for t in xs))
    title = "Share of the solvable instances with a solution"
    counts = ", ".join(f"{len(solved.loc[t])} at {t:g}" for t in xs)
    text = f"Of the instances that have a solution, by the certified optimum: {counts}."
    shares = Table(header, [[name, *(shown(v, ".0%") for v in found[name])] for name in names], title)
    gaps = Table(
        header,
        [[name, *(shown(v, ".1%") for v in above[name])] for name in names],
        "Cost above the certified optimum, where the heuristic has found a solution",
    )
    picture = Picture("found", title, _drawn(xs, found, title, "deadline / all-local", "share", bands=False))
    return [Section("Where heuristics break", [text, picture, shares, gaps])]


def _drawn(
    xs: Sequence[float],
    lines: Mapping[str, Sequence[Estimate]],
    title: str,
    x: str,
    y: str,
    bands: bool = True,
) -> Figure:
    curves = []
    for number, (name, values) in enumerate(lines.items()):
        half: Floats = np.array([value.half if bands else 0.0 for value in values])
        look = {
            "color": style.SERIES[number % len(style.SERIES)],
            "linestyle": ("-", "--", ":")[number // len(style.SERIES) % 3],
        }
        curves.append(Curve(name, xs, [value.mean for value in values], half.tolist(), look))
    return courses(curves, title, x, y)
