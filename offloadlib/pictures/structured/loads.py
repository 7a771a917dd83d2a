"""How much of each offload point methods use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats

from ..style import INK, LIGHT, LOAD_COLOURS, NAMED_POINTS, STYLE, canvas, name_columns, percent


@dataclass(frozen=True)
class Loads:
    """The share of each offload point's capacity, or of each limit, that each method uses: (methods, points).

    ``what`` has the columns' name, ``used`` that of the shares.
    """

    title: str
    methods: Sequence[str]
    points: Sequence[str]
    share: Floats
    total: Floats
    what: str = "offload point"
    used: str = "capacity used"


@rc_context(STYLE)
def utilisation(loads: Loads) -> Figure:
    """How much of each offload point's capacity each method uses, as a table of colours."""
    methods, points = len(loads.methods), len(loads.points)
    named = points <= NAMED_POINTS
    width = max(min(2.6 + 0.42 * points, 13.0), 5.0)
    figure = canvas(width, 1.5 + 0.3 * methods)
    axes = figure.subplots()
    norm = Normalize(0, 1)
    mesh = axes.pcolormesh(
        loads.share, cmap=LOAD_COLOURS, norm=norm, edgecolor=LIGHT, linewidth=0.5 if named else 0.0
    )
    if named:
        for (row, column), share in np.ndenumerate(loads.share):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share > 0.6 else INK,
            )
        turned = max(map(len, loads.points)) * 0.08 > (width - 2.6) / points  # in inches
        name_columns(axes, np.arange(points) + 0.5, loads.points, turned=turned)
    axes.set_yticks(
        np.arange(methods) + 0.5,
        [f"{name}  {percent(total)}" for name, total in zip(loads.methods, loads.total, strict=True)],
    )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(loads.what if named else f"the {points} {loads.what}s, in file order")
    axes.set_title(loads.title)
    bar = figure.colorbar(mesh, ax=axes, format=percent, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label(loads.used)
    return figure
