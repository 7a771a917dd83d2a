"""Hybrid instances: where the Mbit run, and who has the uplink."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import HybridInstance, HybridSolution

from .picture import Compared, Picture
from .style import BLUE, GREEN, GREY, NAMED_POINTS, ORANGE, STYLE, below, canvas, name_columns, percent

PLACE_COLOURS = {"device": BLUE, "edge": ORANGE, "cloud": GREEN}


@dataclass(frozen=True)
class Sharing:
    """What methods make of a hybrid instance: (methods, places) shares of all Mbit, and of the uplink."""

    title: str
    methods: Sequence[str]
    places: Floats
    uplink: Floats


@rc_context(STYLE)
def sharing(shares: Sharing) -> Figure:
    """Where the Mbit of all tasks go, and how much of the uplink is given away, by method."""
    rows = np.arange(len(shares.methods))
    figure = canvas(6.4, 1.3 + 0.28 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    begin = np.zeros(len(rows))
    for share, name, colour in zip(shares.places.T, PLACE_COLOURS, PLACE_COLOURS.values(), strict=True):
        left.barh(rows, share, left=begin, height=0.7, color=colour, label=name)
        for row in np.flatnonzero(share >= 0.08):
            middle = begin[row] + 0.5 * share[row]
            left.text(middle, row, percent(share[row]), ha="center", va="center", fontsize=7, color="white")
        begin += share
    right.barh(rows, shares.uplink, height=0.7, color=GREY)
    left.set_yticks(rows, shares.methods)
    left.invert_yaxis()
    left.set_title(shares.title)
    for axes, label in ((left, "share of all Mbit"), (right, "uplink given away")):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1] if axes is right else np.linspace(0, 1, 6))
        axes.xaxis.set_major_formatter(percent)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
    below(figure, *left.get_legend_handles_labels())
    return figure


@rc_context(STYLE)
def devices(instance: HybridInstance, solution: HybridSolution, title: str) -> Figure:
    """What each device runs itself and uploads, and its share of the uplink."""
    many = instance.num_devices > NAMED_POINTS
    uploaded = np.where(solution.places > 0, instance.sizes, 0.0).sum(axis=1)
    order = np.argsort(-uploaded, kind="stable") if many else np.arange(instance.num_devices)
    figure = canvas(min(max(5.0, 1.6 + 0.3 * instance.num_devices), 10.0), 4.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    at, begin = np.arange(instance.num_devices), np.zeros(instance.num_devices)
    width = 1.0 if many else 0.7
    for place, (name, colour) in enumerate(PLACE_COLOURS.items()):
        size = np.where(solution.places == place, instance.sizes, 0.0).sum(axis=1)[order]
        upper.bar(at, size, width, begin, color=colour, label=name)
        begin += size
    lower.bar(at, solution.split[order], width, color=GREY)
    lower.set_xlim(-0.8, instance.num_devices - 0.2)
    if many:
        lower.set_xlabel(f"the {instance.num_devices} devices, who uploads most first")
        lower.set_xticks([])
    else:
        names = [instance.devices[i] for i in order]
        turned = max(map(len, names)) > 4
        name_columns(lower, at, names, turned=turned)
    upper.tick_params(axis="x", length=0)
    upper.set_ylabel("Mbit")
    lower.set_ylabel("Mbit/s")
    upper.set_title(title)
    below(figure, *upper.get_legend_handles_labels())
    return figure


def pictures(label: str, stem: str, instance: HybridInstance, found: Sequence[Compared]) -> Iterator[Picture]:
    """Where all methods let the Mbit run, and what each device does in the best solution."""
    shares = Sharing(
        title=label,
        methods=[one.method for one in found],
        places=np.array([one.evaluation.placed for one in found]),
        uplink=np.array([one.evaluation.utilisation for one in found]),
    )
    caption = "Where the Mbit of all tasks run by each method, and how much of the uplink it gives away."
    yield Picture(f"places-{stem}", caption, sharing(shares))
    best = min(found, key=lambda one: one.cost)
    caption = (
        f"What each device keeps and uploads, and its share of the uplink, in the best solution found, "
        f"that of {best.method}."
    )
    picture = devices(instance, best.solution, f"{label}, {best.method}")
    yield Picture(f"devices-{stem}", caption, picture)
