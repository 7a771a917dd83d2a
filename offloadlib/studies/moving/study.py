"""Devices that move (a model of ours): policies slot by slot, against certified optima.

Repetition r has the same seed at every setting. Every slot has a certified optimum, in which moves cost
nothing; their sum bounds what any policy can cost over all slots, moves and all, even one that knows the
future. Where a budget of energy links the slots, all of them together are one instance, and its certified
bound is that of somebody who knows everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from offloadlib.pages.numbers import percent
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures import style
from offloadlib.pictures.curves import Curve, courses
from offloadlib.pictures.picture import Picture

from .. import StudyOptions, StudyRow
from ..jobs import AtHand, DataPoint, Job, at_once
from ..statistics import estimate
from .policies import POLICIES
from .runs import FEE, SHARE, SIMULATE, SITES, Trial

TITLE = "Devices that move"
REPETITIONS, QUICK_REPETITIONS = 3, 2

QUICK_SIZE: Mapping[str, Any] = {"devices": 10, "slots": 4}
"""Of a first look, in place of the usual."""

FEES = (0.0, 0.02, 0.05, 0.1, 0.2)
SPEEDS = ((0.0, 0.0), (0.5, 2.0), (0.5, 6.0), (5.0, 20.0))
"""In m/s: nobody moves, walks, cycles too, drives."""

CITY = "city"
"""The experiment with the sites of a city."""

TIME_LIMIT = 3600.0


# What is run --------------------------------------------------------------------------------------


def points(options: StudyOptions) -> list[DataPoint]:
    """Every run, at each point where it is shown."""
    return [point for r in range(options.repetitions) for point in _repetition(options, r)]


stages = at_once(points)


def _repetition(options: StudyOptions, repetition: int) -> Iterator[DataPoint]:
    seed = options.seed + repetition
    size = QUICK_SIZE if options.quick else {}

    def job(moving: Mapping[str, Any], **told: Any) -> Job:
        trial = Trial({**size, **moving}, **told)
        parameters = {"moving": dict(trial.moving), **told}
        return Job(AtHand(trial.slots(seed)[0]), SIMULATE, parameters, seed, TIME_LIMIT, timed=False)

    for fee in FEES[::2] if options.quick else FEES:
        yield DataPoint("fee", fee, repetition, job({}, fee=fee, budget=fee == FEE and not options.quick))
    for speed in SPEEDS[::3] if options.quick else SPEEDS:
        yield DataPoint("speed", speed[1], repetition, job({"speed": list(speed)}))
    yield DataPoint(CITY, 0.0, repetition, job({} if options.quick else {"devices": 40}, city=True))


# What is shown ------------------------------------------------------------------------------------

_MODEL = (
    "The model is this project's: the paper names a dynamic scenario as future work and says no "
    "more. Offload points stay, devices arrive, walk and leave; in each slot a device has a new "
    "task with probability 0.8, which ends in the slot. A subtask that runs elsewhere than that of "
    "the same device in the slot before has moved, which costs a fee; local execution of a whole "
    "task costs 1. Sticky policies know the fee, as a fee of the slot's instance (format 2), the "
    "others decide as if there had been no slot before, and pay it all the same."
)

_JUDGED = (
    "Every cost is over the sum of the slots' certified optima, in which moves cost nothing: a bound for "
    "every policy, also for one that knows the future. Mean over the repetitions with 95% intervals."
)


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """What the rows show."""
    found: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for point in points(options):
        row = rows[point.job.key]
        if row["status"] in ("optimal", "feasible"):
            fee = float(row["parameters"].get("fee", FEE))
            found.setdefault((point.experiment, point.x), []).append({**row["run"], "fee": fee})
    usual = found.get(("fee", FEE), []) or next(iter(found.values()), [])
    sections = [
        Section("Policies", [_JUDGED, *([_policies(usual)] if usual else [])]),
        _course("What a move costs", "fee", "fee of a move", found),
        _course("How fast devices are", "speed", "greatest speed in m/s", found),
    ]
    if (CITY, 0.0) in found:
        text = f"The sites of {SITES} (EUA data set, Melbourne) as offload points."
        sections.append(Section("A city", [text, _policies(found[CITY, 0.0])]))
    linked = [run["horizon"] for run in usual if "horizon" in run]
    if linked:
        sections.append(_horizon(linked))
    return Page(TITLE, [_MODEL], sections)


def ratios(runs: Sequence[Mapping[str, Any]], policy: str) -> list[float]:
    """Cost with moves over the sum of the certified bounds, of each run."""
    found = []
    for run in runs:
        course = run["policies"][policy]
        found.append((sum(course["cost"]) + run["fee"] * sum(course["moved"])) / sum(run["bounds"]))
    return found


def _policies(runs: Sequence[Mapping[str, Any]]) -> Table:
    rows: list[list[Cell]] = []
    for policy in POLICIES:
        courses_of = [run["policies"][policy.name] for run in runs]
        total = estimate(ratios(runs, policy.name))
        alone = estimate(
            [sum(c["cost"]) / sum(run["bounds"]) for c, run in zip(courses_of, runs, strict=True)]
        )
        tasks = [sum(run["devices"]) for run in runs]
        moved = estimate([sum(c["moved"]) / count for c, count in zip(courses_of, tasks, strict=True)])
        seconds = estimate([np.mean(c["seconds"]) for c in courses_of])
        rows.append(
            [
                policy.name,
                Number(total.mean, f"{total.mean:.4f} ± {total.half:.4f}"),
                Number(alone.mean, f"{alone.mean:.4f} ± {alone.half:.4f}"),
                Number.of(moved.mean, ".2f"),
                Number.of(1e3 * seconds.mean, lambda ms: f"{ms:.3g} ms"),
            ]
        )
    header = ("policy", "cost with moves / bound", "without moves", "moves per task", "time per slot")
    return Table(header, rows, f"Over {len(runs)} runs")


SHOWN = ("gsod-i", "gsod-i, sticky", "price", "price, sticky", "branch-and-price", "branch-and-price, sticky")


def _course(
    title: str, experiment: str, axis: str, found: Mapping[tuple[str, float], Sequence[Mapping[str, Any]]]
) -> Section:
    xs = sorted(x for name, x in found if name == experiment)
    curves: list[Curve] = []
    rows: list[list[Cell]] = []
    for number, name in enumerate(SHOWN):
        values = [estimate(ratios(found[experiment, x], name)) for x in xs]
        look = {"color": style.SERIES[number // 2], "linestyle": "--" if number % 2 == 0 else "-"}
        means, halves = [value.mean for value in values], [value.half for value in values]
        curves.append(Curve(name, xs, means, halves, look))
        rows.append([name, *(Number(value.mean, f"{value.mean:.4f}") for value in values)])
    figure = courses(curves, title, axis, "cost with moves / certified bound")
    picture = Picture(
        f"moving-{experiment}", f"{title}: dashed without knowledge of the slot before.", figure
    )
    return Section(title, [picture, Table(("policy", *(f"{x:g}" for x in xs)), rows, f"By {axis}")])


def _horizon(linked: Sequence[Mapping[str, Any]]) -> Section:
    known = [run["clairvoyant"] / run["bound"] for run in linked if run["clairvoyant"] is not None]
    online = [run["in_turn"] / run["bound"] for run in linked if run["in_turn"] is not None]
    gap, price = estimate(known), estimate(online)
    text = (
        f"A budget of energy, {percent(SHARE, 0)} of the way from the least that is possible to what the "
        "optima of all slots need, links the slots by one linear limit. All slots together are then one "
        "instance, with a certified bound: nobody can do better, even who knows the future. Its best "
        f"solution is {percent(gap.mean - 1, 2)} above that. Who gives each slot its own part, by the same "
        "rule, and decides by the optimum of the slot within that, needs to know nothing of the future, and "
        "is "
        f"{percent(price.mean - 1, 2)} ± {percent(price.half, 2)} above the bound ({len(online)} of "
        f"{len(linked)} runs)."
    )
    return Section("A budget over all slots", [text])
