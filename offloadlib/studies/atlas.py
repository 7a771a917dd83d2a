"""What ``study ratios`` shows of instances of the user's: by family, by what may explain it, worst cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from offloadlib.instances.structured.shape import shape
from offloadlib.pages.numbers import ratio as shown_ratio
from offloadlib.pages.numbers import seconds
from offloadlib.pages.page import Cell, Number, Section, Table
from offloadlib.pictures.picture import Picture
from offloadlib.pictures.trends import Trend, heat, trends

from .certified import OPTIMUM
from .statistics import estimate, shown

if TYPE_CHECKING:
    import pandas as pd

    from offloadlib.instances import Instance

    from .graphs import StudyInstance

AXES: Mapping[str, str] = {
    "width": "width (largest antichain)",
    "data_per_work": "data per work (s of sending per s at home)",
    "scarcity": "scarcity (subtasks per place)",
}
"""What may explain a bad ratio, as in :class:`~.structured.shape.Shape`."""

BINS = 5
"""Of about as many instances each, along an axis."""

WORST = 3
"""Worst cases of each method that are kept."""

_FAMILIES = (
    "A family is a folder and what the names of its files have before the first '-'. Means over its "
    "instances: subtasks of a device, the largest number of subtasks that may be ready at the same time "
    "(width), seconds of sending what the arcs carry over seconds of all work at home (data per work), and "
    "subtasks over places (scarcity). The last column counts certified optima."
)
_RATIOS = "Mean ratio with its 95% interval, over the instances of each family."
_WHY = (
    "Instances in groups of about as many each, from the least to the most of what is below the axis: mean "
    "ratios with 95% intervals. The table has Spearman's rank correlation of the ratio with each: 1 where a "
    "method is the worse the more there is of it, -1 the other way round, 0 where that says nothing."
)
_TIMES = (
    "Wall time of single solves, each in a process of its own. That of the optimum is of its search, without "
    "the certificate."
)
_FILES = "The worst ratios of each method; the instances are in the folder instances, under their names here."


def sections(
    cases: Sequence[StudyInstance], frame: pd.DataFrame, methods: Sequence[str]
) -> tuple[list[Section], list[Instance]]:
    """The sections, and the instances of the worst cases.

    Parameters
    ----------
    cases
        The instances.
    frame
        As :func:`.ratios.measured` gives it: the experiment is the family.
    methods
        The heuristics, from the best to the worst.
    """
    shapes = {case.instance.fingerprint: asdict(shape(case.instance)) for case in cases}
    for name in ("subtasks", *AXES):
        frame[name] = [shapes[sha][name] for sha in frame["instance"]]
    heuristics = frame[frame["method"] != OPTIMUM.name]
    drawn = [name for name in methods if name != "local"]
    worst = [
        heuristics[heuristics["method"] == name].dropna(subset="ratio").nlargest(WORST, "ratio")
        for name in methods
    ]
    kept = {label for lines in worst for label in lines["label"]}
    return [
        Section("By family of graphs", [_FAMILIES, _families(frame), *_by_family(heuristics, methods)]),
        Section(
            "What goes with bad ratios", [_WHY, _why(heuristics, drawn), _correlations(heuristics, methods)]
        ),
        Section("Times", [_TIMES, _times(frame, methods)]),
        Section("Worst cases", [_FILES, _worst(worst)]),
    ], [case.instance for case in cases if case.name in kept]


def _families(frame: pd.DataFrame) -> Table:
    rows: list[Sequence[Cell]] = []
    for family, own in frame[frame["method"] == OPTIMUM.name].groupby("experiment"):
        rows.append(
            [
                str(family),
                Number.of(len(own), "d"),
                *(Number.of(own[name].mean(), form) for name, form in _SHOWN.items()),
                Number.of(int(own["proven"].sum()), "d"),
            ]
        )
    return Table(("family", "instances", "subtasks", "width", "data per work", "scarcity", "proven"), rows)


_SHOWN = {"subtasks": ".1f", "width": ".1f", "data_per_work": ".2f", "scarcity": ".2f"}


def _by_family(frame: pd.DataFrame, methods: Sequence[str]) -> tuple[Picture, Table]:
    cells = {
        str(family): {name: estimate(own.loc[own["method"] == name, "ratio"]) for name in methods}
        for family, own in frame.groupby("experiment")
    }
    rows: list[Sequence[Cell]] = [
        [family, *(shown(found[name], ".3f") for name in methods)] for family, found in cells.items()
    ]
    drawn = [name for name in methods if name != "local"] or list(methods)
    means = np.array([[found[name].mean for name in drawn] for found in cells.values()])
    title = "Mean ratio by family of graphs"
    picture = Picture(
        "families", f"{title}; all-local is in the table.", heat(list(cells), drawn, means, title)
    )
    return picture, Table(("family", *methods), rows, _RATIOS)


def _why(frame: pd.DataFrame, methods: Sequence[str]) -> Picture:
    panels = {}
    for axis, title in AXES.items():
        group = binned(frame[axis].to_numpy(float))
        lines = []
        for name in methods:
            own = frame["method"] == name
            found = [frame[own & (group == number)] for number in np.unique(group[group >= 0])]
            found = [part for part in found if len(part)]
            means = [estimate(part["ratio"]) for part in found]
            lines.append(Trend(name, [float(part[axis].mean()) for part in found], means))
        panels[title] = lines
    caption = "Mean ratio of each method along width, data per work, and scarcity."
    return Picture("axes", caption, trends(panels, "cost / certified optimum"))


def binned(values: np.ndarray) -> np.ndarray:
    """The group of each value, from 0; -1 of one that is not finite. Equal values are in one group."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.full(len(values), -1)
    ordered = np.sort(values[finite])
    # Many equal values can leave hardly any below a limit, or above: no limit is set there.
    least, limits, below = len(ordered) / (2 * BINS), [], 0
    for limit in np.unique(np.quantile(ordered, np.linspace(0, 1, BINS + 1)[1:-1])):
        rank = int(np.searchsorted(ordered, limit))
        if min(rank - below, len(ordered) - rank) >= least:
            limits.append(limit)
            below = rank
    return np.where(finite, np.searchsorted(limits, values, side="right"), -1)


def _correlations(frame: pd.DataFrame, methods: Sequence[str]) -> Table:
    rows: list[Sequence[Cell]] = []
    for name in methods:
        own = frame[frame["method"] == name]
        ranks = own[["ratio", *AXES]].dropna().rank()
        rows.append([name, *(Number.of(_correlation(ranks["ratio"], ranks[axis]), "+.2f") for axis in AXES)])
    return Table(("method", "width", "data per work", "scarcity"), rows, "Rank correlation with the ratio")


def _correlation(x: pd.Series, y: pd.Series) -> float:
    if len(x) < 3 or x.nunique() < 2 or y.nunique() < 2:
        return np.nan
    return float(np.corrcoef(x, y)[0, 1])


def _times(frame: pd.DataFrame, methods: Sequence[str]) -> Table:
    rows: list[Sequence[Cell]] = []
    for name in [*methods, OPTIMUM.name]:
        times = frame.loc[frame["method"] == name, "seconds"].dropna()
        found = (times.median(), times.quantile(0.95), times.max())
        rows.append([name, *(Number.of(float(value), seconds) for value in found)])
    return Table(("method", "median", "95% below", "longest"), rows)


def _worst(worst: Sequence[pd.DataFrame]) -> Table:
    rows: list[Sequence[Cell]] = []
    for lines in worst:
        for _, line in lines.iterrows():
            rows.append(
                [
                    line["method"],
                    Number(line["ratio"], shown_ratio(line["low"], line["ratio"])),
                    line["label"],
                    *(Number.of(line[name], form) for name, form in _SHOWN.items()),
                ]
            )
    return Table(("method", "ratio", "instance", "subtasks", "width", "data per work", "scarcity"), rows)
