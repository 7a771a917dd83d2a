"""A front: its points, and the region that is proven empty."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib import rc_context
from matplotlib.figure import Figure

from .style import BLUE, GREY, LIGHT, ORANGE, STYLE, below, broken_title, canvas

if TYPE_CHECKING:
    from offloadlib.fronts.front import Front
    from offloadlib.fronts.trace import FrontPoint


@rc_context(STYLE)
def front(found: Front, points: Sequence[FrontPoint]) -> Figure:
    """The points of a front, ascending in their limit, over what certified bounds rule out.

    With a limit of at most ``size``, nothing lies below the bound: to the left of that size, and under that
    bound. Where no solution is possible at all, everything to the left is ruled out.
    """
    figure = canvas(7.4, 4.2)
    axes = figure.subplots()
    solved = [point for point in points if not math.isnan(point.y)]
    axes.set_xlabel(found.x)
    axes.set_ylabel(found.y)
    broken_title(axes, f"{found.instance.name}: {found.y} against {found.x}", figure.get_figwidth() - 0.8)
    if not solved:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "no solution at any size", ha="center", transform=axes.transAxes)
        return figure
    finite = [point.size for point in points if math.isfinite(point.size)]
    right = max([*finite, *(point.x for point in solved)])
    left = min([*finite, *(point.x for point in solved)])
    margin = 0.04 * (right - left or abs(right) or 1.0)
    bounds = [point.lower_bound for point in points if math.isfinite(point.lower_bound)]
    low = min([*bounds, *(point.y for point in solved)])
    high = max(point.y for point in solved)
    space = 0.08 * (high - low or abs(high) or 1.0)
    floor, ceiling = low - space, high + space
    begin = left - margin
    label = "proven empty"
    certified = sorted((point for point in points if point.certified and _known(point)), key=_size)
    for number, point in enumerate(certified):
        end = min(point.size, right + margin)
        # What is proven of a larger limit holds within a smaller one.
        bound = max(later.lower_bound for later in certified[number:])
        if end > begin:
            top = min(bound, ceiling)
            axes.fill_between([begin, end], floor, top, color=GREY, alpha=0.3, linewidth=0, label=label)
            begin, label = end, ""
    axes.plot(
        [point.x for point in solved],
        [point.y for point in solved],
        color=BLUE,
        marker="o",
        markersize=4.5,
        linewidth=0,
        label="solutions",
    )
    open_ = [point for point in solved if not point.certified]
    if open_:
        axes.plot(
            [point.x for point in open_],
            [point.y for point in open_],
            color=ORANGE,
            marker="o",
            markersize=8,
            fillstyle="none",
            linewidth=0,
            label="without a certified bound",
        )
    axes.set_xlim(left - margin, right + margin)
    axes.set_ylim(floor, ceiling)
    axes.grid(color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    below(figure, *axes.get_legend_handles_labels())
    return figure


def _known(point: FrontPoint) -> bool:
    return point.lower_bound > -math.inf


def _size(point: FrontPoint) -> float:
    return point.size
