"""How all figures look, and how they are written.

Colours are those of Okabe and Ito, which colour-blind readers tell apart, and for loads one hue from light to
dark. A legend stands beside everything that is drawn, or below, never on it; titles are broken where they
would run into something. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
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


def beside(figure: Figure, title: str = "") -> None:
    """A legend to the right of everything, and the title of the first panel, on as many lines as it takes.

    The figure becomes as tall as the legend, if that is taller.
    """
    width, height = _inches(figure, figure.legend(loc="outside right upper"))
    figure.set_figheight(max(height, figure.get_figheight()))
    broken_title(figure.axes[0], title, figure.get_figwidth() - width - _MARGIN)


def below(figure: Figure, handles: Sequence[Any], labels: Sequence[str] | None = None) -> None:
    """A legend below everything, in as many columns as there is room for."""
    names = [handle.get_label() for handle in handles] if labels is None else labels
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(handles, names, loc="outside lower left", ncols=columns)
        if columns == 1 or _inches(figure, legend)[0] <= figure.get_figwidth():
            return
        legend.remove()


def broken_title(axes: Axes, title: str, inches: float) -> None:
    """The title of a panel that has so much room, on as many lines as it takes."""
    axes.set_title(textwrap.fill(title, max(int(inches / _LETTER), 10), break_long_words=False))


_MARGIN, _LETTER = 0.7, 0.082
"""Inches left of a panel, and those of a letter of a title."""


def _inches(figure: Figure, legend: Legend) -> tuple[float, float]:
    """The width and the height of a legend, with some space around it."""
    box = legend.get_window_extent()
    return box.width / figure.dpi + 0.1, box.height / figure.dpi + 0.1


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
