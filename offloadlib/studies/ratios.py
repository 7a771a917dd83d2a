"""Approximation ratios: cost over the certified optimum, of every heuristic on all kinds of instances.

Repetition r of a kind has seed ``seed + r``; the line of an instance in the table of worst cases says how
to make it again. With instances of the user's (:mod:`.studies.graphs`) in place of these kinds it is an
atlas: ratios by family of graphs, what goes with bad ones, worst cases as files (:mod:`.studies.atlas`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING

import numpy as np

from offloadlib.instances.errors import counted
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.instances.structured.generate import Setting
from offloadlib.methods import Family, Method
from offloadlib.pages.numbers import percent
from offloadlib.pages.numbers import ratio as shown_ratio
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures.curves import boxes, steps
from offloadlib.pictures.picture import Picture
from offloadlib.registry import METHODS

from . import StudyOptions, StudyRow, atlas
from .certified import OPTIMUM
from .jobs import AtHand, DataPoint, Generated, Job, at_once
from .tidy import impossible, tidy

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Approximation ratios of the heuristics"
REPETITIONS, QUICK_REPETITIONS = 10, 2

TIME_LIMIT = 20.0
"""Seconds for each solve; where the optimum is not proven by then, ratios are intervals."""

NEAR = 1e-4
"""A gap that ratios do not show."""

_PAPER = Setting(devices=20)
_MIXED = ("face", "chain-5", "fork-join-4", "layered-8")

KINDS: Mapping[str, Setting] = {
    "paper, 5 devices": Setting(devices=5),
    "paper, 20 devices": _PAPER,
    "paper, 40 devices": Setting(devices=40),
    "paper, 60 devices": Setting(devices=60),
    "not normalised": replace(_PAPER, normalise="none"),
    "energy alone": replace(_PAPER, alpha=(0.0, 0.0)),
    "delay alone": replace(_PAPER, alpha=(1.0, 1.0)),
    "single subtasks": Setting(devices=60, capacity=4, applications=("chain-1",)),
    "chains of 5": replace(_PAPER, applications=("chain-5",), capacity=5),
    "chains of 10": replace(_PAPER, applications=("chain-10",), capacity=10),
    "fork-join, 2 branches": replace(_PAPER, applications=("fork-join-2",), capacity=5),
    "fork-join, 4 branches": replace(_PAPER, applications=("fork-join-4",), capacity=6),
    "fork-join, 8 branches": Setting(devices=15, applications=("fork-join-8",), capacity=8),
    "layered": Setting(devices=15, applications=("layered-10",), capacity=8),
    "series-parallel": Setting(devices=15, applications=("series-parallel-10",), capacity=8),
    "mixed applications": Setting(devices=12, applications=_MIXED, capacity=4),
    "scarce capacity": Setting(devices=40, capacity=4),
    "one point": Setting(devices=10, offload_points=1, capacity=15),
    "ample capacity": Setting(devices=30, capacity=150),
    "channels": Setting(devices=30, offload_points=5, channels=3),
    "unconnected devices": Setting(devices=30, capacity=6, unconnected=0.3),
    "rates by distance": Setting(devices=25, capacity=6, area=400.0),
    "much data": replace(_PAPER, input=(1.0, 5.0), output=(1.0, 5.0)),
    "data along the arcs": replace(_PAPER, edge_data=(0.0, 3.0), capacity=6),
    "unequal speeds": replace(_PAPER, device_cpu=(0.2, 3.0), point_cpu=(0.5, 10.0), capacity=6),
}
"""The kinds of instances."""

QUICK_KINDS = (
    *("paper, 5 devices", "paper, 20 devices", "chains of 5", "fork-join, 4 branches"),
    *("single subtasks", "mixed applications", "channels", "unequal speeds"),
)

_THE_SAME = "btod-sequential-plain"
"""Decides as another method does, in more time."""

_WORST = 3
"""Worst cases of each method in the table."""


# What is run --------------------------------------------------------------------------------------


def points(options: StudyOptions) -> Iterator[DataPoint]:
    """Every solve; its experiment is the kind of its instance, or the family of a given one."""
    for case in options.given:
        for method in methods(options):
            if method.applies_to(case.instance) is None:
                job = Job(
                    AtHand(case.instance), method, seed=options.seed, time_limit=TIME_LIMIT, timed=False
                )
                yield DataPoint(case.family, 0.0, 0, job)
    if options.given:
        return
    kinds = {name: KINDS[name] for name in QUICK_KINDS} if options.quick else KINDS
    for r in range(options.repetitions):
        for name, setting in kinds.items():
            for method in methods(options):
                source = Generated(setting, options.seed + r)
                job = Job(source, method, seed=r, time_limit=TIME_LIMIT, timed=False)
                yield DataPoint(name, 0.0, r, job)


stages = at_once(points)


def methods(options: StudyOptions) -> list[Method]:
    """All heuristics of the registry for structured tasks, the user's methods, and the certified optimum.

    With instances of the user's, their methods are in place of these heuristics, not beside them.
    """
    if options.given and options.methods:
        return [*options.methods, OPTIMUM]
    heuristics = [
        method
        for method in METHODS.values()
        if method.family is Family.HEURISTIC and "structured" in method.kinds and method.name != _THE_SAME
    ]
    return [*heuristics, *options.methods, OPTIMUM]


# What is shown ------------------------------------------------------------------------------------


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """Distributions, means by kind, and worst cases."""
    frame = measured(options, rows)
    heuristics = frame[frame["method"] != OPTIMUM.name]
    drawn = heuristics[heuristics["method"] != "local"]  # so far off that nothing else would be seen
    if options.given:
        rest, worst = atlas.sections(options.given, frame, _methods(heuristics))
    else:
        worst = []
        rest = [
            Section("By kind of instance", [_BY_KIND, _by_kind(heuristics)]),
            Section("Worst cases", [_RECIPES, _worst(heuristics)]),
        ]
    return Page(
        TITLE,
        [
            "Cost over the certified optimum: branch-and-price, with a certificate of the bound that the "
            "independent checker accepts. 1 is optimal.",
            _proofs(frame),
        ],
        [Section("All instances", [_SUMMARY, _boxes(drawn), _shares(drawn), _summary(heuristics)]), *rest],
        worst,
    )


def measured(options: StudyOptions, rows: Mapping[str, StudyRow]) -> pd.DataFrame:
    """One line per solve, as :func:`.tidy.tidy` gives it, and two more columns.

    Returns
    -------
    pandas.DataFrame
        ``experiment`` is the kind of the instance; ``low`` the cost over the best known cost of the
        instance, which is below ``ratio`` where the optimum is not proven; ``seed`` that of the instance,
        and ``label`` what it is called; ``seconds`` are those of the solve, whatever ran beside it.
    """
    places = list(points(options))
    frame = tidy(places, rows)
    frame["seconds"] = [rows[point.job.key]["time"] for point in places]
    frame["low"] = frame["cost"] / frame.groupby("instance")["cost"].transform("min")
    frame["seed"] = options.seed + frame["repetition"]
    names = {case.instance.fingerprint: case.name for case in options.given}
    made = frame["experiment"] + ", seed " + frame["seed"].astype(str)
    frame["label"] = frame["instance"].map(names).fillna("") if names else made
    return frame


_SUMMARY = (
    "95% below: the 95th percentile. Optimal: the share of instances where the heuristic's cost is the "
    "optimum. Worse than local: the share where it costs more than if nobody offloaded. Where the optimum "
    "is not proven, ratios are over the certified bound, hence too large, and the worst one is an interval."
)

_BY_KIND = "Mean ratio on each kind of instance."

_RECIPES = (
    "The worst ratios of each heuristic, and how to make the instances again. Random methods had the "
    "repetition's number as their seed."
)


def _proofs(frame: pd.DataFrame) -> str:
    each = frame[frame["method"] == OPTIMUM.name]
    proven, unknown = int(each["proven"].sum()), int(each["bound"].isna().sum())
    text = f"{counted(len(each), 'instance')}; with a certified optimum: {proven}."
    near = int((each["cost"] - each["bound"] <= NEAR * each["cost"].abs()).sum())
    if near > proven:
        text += f" With a certified gap of at most {NEAR:g}: {near}."
    if unknown:
        text += (
            f" Without a certified bound, and so without ratios, since that job did not end well: {unknown}."
        )
    if proven + unknown < len(each):
        gap = float((1 - frame["low"] / frame["ratio"]).max())
        text += (
            " For the others there is an interval, from the best cost of all methods to the certified bound; "
            f"the largest gap is {percent(gap, 2)}."
        )
    return text + impossible(frame)


def _methods(frame: pd.DataFrame) -> list[str]:
    """The heuristics, by mean ratio."""
    return [str(name) for name in frame.groupby("method")["ratio"].mean().sort_values().index]


def _summary(frame: pd.DataFrame) -> Table:
    rows: list[Sequence[Cell]] = []
    for name in _methods(frame):
        own = frame[frame["method"] == name]
        solved = own[own["ratio"].notna()]
        worst = solved.nlargest(1, "ratio").iloc[0]
        rows.append(
            [
                name,
                Number.of(len(solved), "d"),
                Number.of(int(own["cost"].isna().sum()), "d"),
                Number.of(solved["ratio"].mean(), ".4f"),
                Number.of(solved["ratio"].median(), ".4f"),
                Number.of(float(solved["ratio"].quantile(0.95)), ".4f"),
                Number(float(worst["ratio"]), shown_ratio(float(worst["low"]), float(worst["ratio"]))),
                Number.of((solved["ratio"] <= 1 + OPTIMAL_GAP).mean(), ".0%"),
                Number.of(float((solved["saving"] < -OPTIMAL_GAP).mean()), ".0%"),
                str(worst["label"]),
            ]
        )
    header = (
        *("method", "instances", "failed", "mean", "median", "95% below", "worst"),
        *("optimal", "worse than local", "worst on"),
    )
    return Table(header, rows)


def _boxes(frame: pd.DataFrame) -> Picture:
    names = _methods(frame)
    values = [frame.loc[frame["method"] == name, "ratio"].dropna().to_numpy() for name in names]
    figure = boxes(names, values, TITLE, "cost / certified optimum")
    caption = (
        "Each point is an instance; boxes hold half of them, whiskers 90%. Line: median. All-local is in the "
        "table."
    )
    return Picture("ratios", caption, figure)


def _shares(frame: pd.DataFrame) -> Picture:
    series: dict[str, tuple[list[float], list[float]]] = {}
    for name in _methods(frame):
        values = np.sort(frame.loc[frame["method"] == name, "ratio"].dropna().to_numpy())
        share = 100 * np.arange(1, len(values) + 1) / len(values)
        series[name] = values.tolist(), share.tolist()
    figure = steps(
        series, "Share of the instances within a ratio", "cost / certified optimum", "% of the instances"
    )
    return Picture("shares", "How many instances each heuristic solves within a ratio.", figure)


def _by_kind(frame: pd.DataFrame) -> Table:
    names = _methods(frame)
    means = frame.groupby(["experiment", "method"], sort=False)["ratio"].mean().unstack()[names]
    rows: list[Sequence[Cell]] = [
        [str(kind), *(Number.of(value, ".3f") for value in line)]
        for kind, line in zip(means.index, means.to_numpy(), strict=True)
    ]
    return Table(("kind", *names), rows)


def _worst(frame: pd.DataFrame) -> Table:
    rows: list[Sequence[Cell]] = []
    for name in _methods(frame):
        own = frame[frame["method"] == name].nlargest(_WORST, "ratio")
        for _, line in own.iterrows():
            kind, seed = str(line["experiment"]), int(line["seed"])
            rows.append(
                [
                    name,
                    Number(float(line["ratio"]), shown_ratio(float(line["low"]), float(line["ratio"]))),
                    kind,
                    recipe(KINDS[kind], seed),
                ]
            )
    return Table(("method", "ratio", "kind", "recipe"), rows)


def recipe(setting: Setting, seed: int) -> str:
    """A Python expression that makes an instance (names as in :mod:`.structured.generate`)."""
    plain = Setting()
    changed = [
        f"{item.name}={getattr(setting, item.name)!r}"
        for item in fields(Setting)
        if getattr(setting, item.name) != getattr(plain, item.name)
    ]
    return f"generate(Setting({', '.join(changed)}), seed={seed})"
