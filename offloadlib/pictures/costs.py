"""The costs of all methods, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from offloadlib.methods import Family

from .style import BLUE, GREY, INK, ORANGE, STYLE, canvas, number

FAMILY_COLOURS = {Family.EXACT: BLUE, Family.HEURISTIC: ORANGE}
_PANELS_PER_ROW = 3


@dataclass(frozen=True)
class Bar:
    """One method's cost: None, with a note why, where it has none."""

    method: str
    family: Family
    cost: float | None
    note: str = ""


@dataclass(frozen=True)
class CostPanel:
    """The costs on one instance, and the certified lower bound, if there is one."""

    title: str
    bars: Sequence[Bar]
    bound: float | None


@rc_context(STYLE)
def cost_by_method(panels: Sequence[CostPanel]) -> Figure:
    """Cost by method as bars, with the certified bound as a line; one panel per instance."""
    columns = min(len(panels), _PANELS_PER_ROW)
    rows = math.ceil(len(panels) / columns)
    most = max(len(panel.bars) for panel in panels)
    figure = canvas(2.2 + 3.6 * columns, 0.7 + rows * (1.0 + 0.26 * most))
    grid = figure.subplots(rows, columns, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place < len(panels):
            _draw_costs(axes, panels[place], named=place % columns == 0)
        else:
            axes.set_axis_off()
    families = {bar.family: None for panel in panels for bar in panel.bars}
    handles: list[Any] = [Patch(color=FAMILY_COLOURS[family], label=str(family)) for family in families]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="certified lower bound"))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def _draw_costs(axes: Axes, panel: CostPanel, *, named: bool) -> None:
    places = range(len(panel.bars))
    costs = [0.0 if bar.cost is None else bar.cost for bar in panel.bars]
    axes.barh(places, costs, height=0.7, color=[FAMILY_COLOURS[bar.family] for bar in panel.bars])
    end = max([*costs, panel.bound or 0.0]) or 1.0
    for place, bar in zip(places, panel.bars, strict=True):
        text = bar.note if bar.cost is None else f"{number(bar.cost)}{_excess(bar.cost, panel.bound)}"
        colour, style = (GREY, "italic") if bar.cost is None else (INK, "normal")
        start = 0.0 if bar.cost is None else bar.cost
        axes.annotate(
            text,
            (start, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5} if bar.cost is None else None,
            fontsize=8,
            color=colour,
            style=style,
        )
    if panel.bound is not None:
        axes.axvline(panel.bound, color=INK, linestyle="--", linewidth=1)
    axes.set_xlim(0, end * 1.42)
    axes.set_ylim(len(panel.bars) - 0.4, -0.6)
    axes.set_yticks(list(places), [bar.method for bar in panel.bars] if named else [])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda cost, _: number(cost))
    axes.set_xlabel("cost F")
    axes.set_title(panel.title)


def _excess(cost: float, bound: float | None) -> str:
    """How far a cost is above the bound, if that can be said."""
    if bound is None or bound <= 0:
        return ""
    share = cost / bound - 1
    if share <= 1e-9:
        return "  optimal"
    return f"  +{100 * share:.2g} %" if share < 0.1 else f"  +{100 * share:.0f} %"
