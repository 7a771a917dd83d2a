"""How all figures look, and how they are written.

Colours are those of Okabe and Ito, which colour-blind readers tell apart, and for loads one hue from light to
dark. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from offloadlib.instances.files.document import replacing

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
GREY, LINK, LIGHT, INK = "#8A8A8A", "#BBBBBB", "#DDDDDD", "#333333"
SERIES = (BLUE, ORANGE, GREEN, "#D55E00", "#CC79A7", "#56B4E9", INK)
LOAD_COLOURS, DEVICE_LOAD_COLOURS = "Blues", "Oranges"
STYLE: Any = {  # of all figures: ``rc_context(STYLE)``
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
}
NAMED_POINTS = 30
"""Offload points, or devices, whose names there is room for."""


@rc_context(STYLE)
def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, as PNG or SVG by the name of the file, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def number(value: float) -> str:
    """Six significant digits."""
    return f"{value:.6g}"


def percent(share: float, _: object = None) -> str:
    """A share, without decimals."""
    return f"{100 * share:.0f} %"


def name_columns(axes: Axes, at: ArrayLike, names: Sequence[str], *, turned: bool) -> None:
    """Names below an axis; they are turned where they would run into each other."""
    axes.set_xticks(
        at,
        names,
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
        rotation_mode="anchor" if turned else None,
    )
