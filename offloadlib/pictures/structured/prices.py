"""What limits are worth, and a device's reduced costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from offloadlib.naming import called

from ..style import BLUE, INK, LIGHT, LOAD_COLOURS, NAMED_POINTS, ORANGE, STYLE, below, canvas, name_columns

if TYPE_CHECKING:
    from offloadlib.explaining import Explanation, Limit


_SHOWN_LIMITS = 24


@rc_context(STYLE)
def prices(explanation: Explanation) -> Figure:
    """What one more of each limit is worth, by its price and as tried; and a device's reduced costs."""
    limits = [limit for limit in explanation.limits[:_SHOWN_LIMITS] if limit.worth > 0 or limit.saved]
    choices, points = explanation.choices, explanation.instance.points.ids
    figure = canvas(11.0, 1.9 + 0.28 * max(len(limits), len(choices), 6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.4])
    _draw_prices(left, limits)
    _draw_reduced_costs(figure, right, explanation, [*points, "local"])
    handles, labels = left.get_legend_handles_labels()
    where = Line2D([], [], linestyle="", marker="o", color=INK, markersize=5)
    below(figure, [*handles, where], [*labels, "where it runs"])
    return figure


def _draw_prices(axes: Axes, limits: Sequence[Limit]) -> None:
    rows = np.arange(len(limits))
    axes.barh(rows, [limit.worth for limit in limits], color=BLUE, height=0.65, label="price")
    tried = [(row, limit.saved) for row, limit in zip(rows, limits, strict=True) if limit.saved is not None]
    if tried:
        axes.plot(
            [saved for _, saved in tried],
            [row for row, _ in tried],
            linestyle="",
            marker="D",
            color=ORANGE,
            markeredgecolor="white",
            label="saved when tried",
        )
    names = [
        f"{called(limit.point, 'point')}: {limit.used:.6g} of {limit.size:.6g} {limit.counted}"
        for limit in limits
    ]
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("cost F that one more saves")
    axes.set_title("What one more is worth" if limits else "No limit has a price")


def _draw_reduced_costs(figure: Figure, axes: Axes, explanation: Explanation, places: Sequence[str]) -> None:
    costs = np.array([choice.reduced_cost for choice in explanation.choices])
    known = np.isfinite(costs)
    shown = np.where(known, costs, np.nan)
    top = float(np.nanmax(shown)) if known.any() else 1.0
    mesh = axes.pcolormesh(shown, cmap=LOAD_COLOURS, vmin=0, vmax=top or 1.0, edgecolor=LIGHT, linewidth=0.5)
    for row, choice in enumerate(explanation.choices):
        column = places.index(choice.place or "local") if choice.place in places else len(places) - 1
        dark = known[row, column] and costs[row, column] > 0.6 * top > 0
        axes.plot(column + 0.5, row + 0.5, marker="o", color="white" if dark else INK, markersize=5)
    if len(places) <= NAMED_POINTS + 1:
        names = [called(place, "point") for place in places]
        turned = max(map(len, names)) * len(names) > 60
        name_columns(axes, np.arange(len(places)) + 0.5, names, turned=turned)
    subtasks = [called(choice.subtask, "subtask") for choice in explanation.choices]
    axes.set_yticks(np.arange(len(costs)) + 0.5, subtasks)
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{called(explanation.device, 'device')}: reduced cost of each place")
    bar = figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("cost F")
