"""Curves and distributions: what studies show."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats

from .style import BLUE, INK, LIGHT, ORANGE, SERIES, STYLE, beside, broken_title, canvas

_BOXED, _NAMES = 10, 30
"""Values that make a box; letters in a line of names."""

LINES = ("-", "--", ":")


@dataclass(frozen=True)
class Curve:
    """A mean over x, with half the width of its interval; ``look`` is any of matplotlib's line properties."""

    name: str
    x: Sequence[float]
    mean: Sequence[float]
    half: Sequence[float]
    look: Mapping[str, Any] = field(default_factory=dict)


@rc_context(STYLE)
def courses(curves: Sequence[Curve], title: str, x: str, y: str, *, log: bool = False) -> Figure:
    """Curves with bands for their intervals, and their names beside the picture.

    Parameters
    ----------
    curves
        What to draw, the first below the others.
    title
        Of the picture.
    x, y
        Names of the axes.
    log
        Whether y is logarithmic.
    """
    figure = canvas(7.4, 4.0)
    axes = figure.subplots()
    for curve in curves:
        mean, half = np.asarray(curve.mean, dtype=float), np.asarray(curve.half, dtype=float)
        look = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, **curve.look}
        line = axes.plot(curve.x, mean, label=curve.name, **look)[0]
        if half.any():
            low = np.maximum(mean - half, 0.1 * mean) if log else mean - half
            axes.fill_between(curve.x, low, mean + half, color=line.get_color(), alpha=0.15, linewidth=0)
    if log:
        axes.set_yscale("log")
    axes.grid(axis="y", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    beside(figure, title)
    return figure


Series = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Name -> x, ascending, and y."""


def steps(series: Series, title: str, x: str, y: str) -> Figure:
    """Step functions, each constant from one of its x to the next, told apart by colour and line.

    What is the same everywhere is one line with all its names.

    Parameters
    ----------
    series
        What to draw.
    title, x, y
        Of the picture, and of its axes.
    """
    same: dict[tuple[tuple[float, ...], ...], list[str]] = {}
    for name, (at, values) in series.items():
        same.setdefault((tuple(at), tuple(values)), []).append(name)
    curves = []
    for number, ((at, values), names) in enumerate(same.items()):
        look = {
            "marker": "",
            "drawstyle": "steps-post",
            "color": SERIES[number % len(SERIES)],
            "linestyle": LINES[number // len(SERIES) % len(LINES)],
        }
        name = textwrap.fill(", ".join(names), _NAMES, break_on_hyphens=False)
        curves.append(Curve(name, at, values, [0.0] * len(at), look))
    return courses(curves, title, x, y)


@rc_context(STYLE)
def boxes(names: Sequence[str], values: Sequence[Floats], title: str, x: str) -> Figure:
    """Distributions: all values as points, half of them in the box, 90% between the whiskers.

    Parameters
    ----------
    names
        One per distribution, the first at the top.
    values
        The numbers of each; fewer than ten have no box. The axis is logarithmic where they reach
        beyond ten times the least.
    title
        Of the picture.
    x
        Name of the axis.
    """
    figure = canvas(7.4, 1.0 + 0.27 * len(names))
    axes = figure.subplots()
    many = [(at, given) for at, given in enumerate(values, start=1) if len(given) >= _BOXED]
    if many:
        drawn = axes.boxplot(
            [given for _, given in many],
            positions=[at for at, _ in many],
            orientation="horizontal",
            whis=(5, 95),
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            medianprops={"color": INK, "linewidth": 1.4},
        )
        for patch in drawn["boxes"]:
            patch.set(facecolor=ORANGE, alpha=0.6, linewidth=0.6)
    for at, given in enumerate(values, start=1):
        axes.plot(given, np.full(len(given), at), ".", color=BLUE, markersize=4, alpha=0.5, zorder=3)
    axes.set_ylim(0.4, len(names) + 0.6)
    axes.set_yticks(range(1, len(names) + 1), names)
    axes.invert_yaxis()
    everything = np.concatenate(list(values))
    if len(everything) and everything.max() > 10 * everything.min():
        axes.set_xscale("log")
    axes.grid(axis="x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x)
    broken_title(axes, title, figure.get_figwidth() - 2.0)
    return figure
