"""How a figure depends on several things, and how it is spread over two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from offloadlib.instances.arrays import Floats

from .style import INK, LIGHT, LOAD_COLOURS, SERIES, STYLE, beside, broken_title, canvas

if TYPE_CHECKING:
    from offloadlib.studies.statistics import Estimate


class Trend(NamedTuple):
    """Means over x."""

    name: str
    x: Sequence[float]
    means: Sequence[Estimate]


@rc_context(STYLE)
def trends(panels: Mapping[str, Sequence[Trend]], y: str) -> Figure:
    """Panels side by side, each with the same curves over another x, which is logarithmic.

    Parameters
    ----------
    panels
        The curves over each x, by its name.
    y
        Name of the other axis.
    """
    figure = canvas(3.2 * len(panels) + 1.4, 4.0)
    for number, (axes, (title, lines)) in enumerate(
        zip(np.atleast_1d(figure.subplots(1, len(panels), sharey=True)), panels.items(), strict=True)
    ):
        for i, line in enumerate(lines):
            axes.errorbar(
                line.x,
                [value.mean for value in line.means],
                [value.half for value in line.means],
                color=SERIES[i % len(SERIES)],
                linestyle=("-", "--", ":")[i // len(SERIES) % 3],
                marker="o",
                markersize=3,
                linewidth=1.3,
                elinewidth=0.7,
                label=line.name if number == 0 else None,
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        axes.grid(axis="y", color=LIGHT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.set_xlabel(title)
        if number == 0:
            axes.set_ylabel(y)
    beside(figure)
    return figure


@rc_context(STYLE)
def heat(rows: Sequence[str], columns: Sequence[str], values: Floats, title: str) -> Figure:
    """A table of numbers of at least 1 in colours, dark where they are large.

    Parameters
    ----------
    rows, columns
        Their names.
    values
        (rows, columns); NaN leaves a cell empty.
    title
        Of the picture.
    """
    figure = canvas(max(2.2 + 0.62 * len(columns), 5.6), 1.4 + 0.27 * len(rows))
    axes = figure.subplots()
    above = np.maximum(values - 1.0, 1e-3)
    most = max(float(np.nanmax(above, initial=1e-3)), 1e-2)
    axes.imshow(above, cmap=LOAD_COLOURS, norm=LogNorm(1e-3, most), aspect="auto")
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            dark = above[i, j] > most**0.6 * 1e-3**0.4
            axes.text(
                j, i, f"{value:.2f}", ha="center", va="center", fontsize=7, color="white" if dark else INK
            )
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    broken_title(axes, title, figure.get_figwidth() - 2.0)
    return figure
