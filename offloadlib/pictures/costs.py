"""The costs of all methods on one instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.methods import Family

from .style import BLUE, GREY, INK, ORANGE, STYLE, below, broken_title, canvas, number

FAMILY_COLOURS = {Family.EXACT: BLUE, Family.HEURISTIC: ORANGE}
_WIDTH, _ROOM = 4.6, 1.5
"""Inches, few enough for a telephone; and the axis in longest bars: there is text beside them."""


@dataclass(frozen=True)
class Bar:
    """One method's cost: None, with a note why, where it has none."""

    method: str
    family: Family
    cost: float | None
    note: str = ""


@dataclass(frozen=True)
class CostPanel:
    """What is drawn: the costs on one instance, and the certified lower bound, if there is one."""

    title: str
    bars: Sequence[Bar]
    bound: float | None


@rc_context(STYLE)
def cost_by_method(panel: CostPanel) -> Figure:
    """Cost by method as bars, with the certified bound as a line."""
    figure = canvas(_WIDTH, 1.1 + 0.22 * len(panel.bars))
    axes = figure.subplots()
    places = range(len(panel.bars))
    costs = [0.0 if bar.cost is None else bar.cost for bar in panel.bars]
    axes.barh(places, costs, height=0.7, color=[FAMILY_COLOURS[bar.family] for bar in panel.bars])
    for place, bar in zip(places, panel.bars, strict=True):
        text = bar.note if bar.cost is None else f"{number(bar.cost)}{_excess(bar.cost, panel.bound)}"
        colour, style = (GREY, "italic") if bar.cost is None else (INK, "normal")
        axes.annotate(
            text,
            (max(bar.cost or 0.0, panel.bound or 0.0), place),
            (4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=colour,
            style=style,
        )
    handles: list[Any] = [
        Patch(color=FAMILY_COLOURS[family], label=str(family))
        for family in dict.fromkeys(bar.family for bar in panel.bars)
    ]
    if panel.bound is not None:
        line = axes.axvline(panel.bound, color=INK, linestyle="--", linewidth=1)
        line.set_label("certified lower bound")
        handles.append(line)
    axes.set_xlim(0, (max([*costs, panel.bound or 0.0]) or 1.0) * _ROOM)
    axes.set_ylim(len(panel.bars) - 0.4, -0.6)
    axes.set_yticks(list(places), [bar.method for bar in panel.bars])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda cost, _: number(cost))
    axes.set_xlabel("cost F")
    broken_title(axes, panel.title, _WIDTH - 2.0)
    below(figure, handles)
    return figure


def _excess(cost: float, bound: float | None) -> str:
    """How far a cost is above the bound, if that can be said."""
    if bound is None or bound <= 0:
        return ""
    share = cost / bound - 1
    if share <= OPTIMAL_GAP:
        return "  optimal"
    return f"  +{100 * share:.2g} %" if share < 0.1 else f"  +{100 * share:.0f} %"
