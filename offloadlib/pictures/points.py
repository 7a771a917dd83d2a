"""Points with names beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.transforms import Bbox


class Named(NamedTuple):
    """A point in data coordinates, what it is called, and its colour."""

    name: str
    x: float
    y: float
    colour: str


_SIZE, _CLEAR, _FAR = 7, 4.0, 10
"""Size of letters; pixels around a point that no name takes; how far off a name has a line to its point."""

_NEAR = ((7, 0), (-7, 0), (0, 8), (0, -8), (6, 8), (6, -8), (-6, 8), (-6, -8))
_PLACES = [(scale * x, scale * y) for scale in (1.0, 2.0, 3.0, 4.0) for x, y in _NEAR]
"""Where a name may stand, in points from its point: the first that is free."""


def name_points(axes: Axes, points: Sequence[Named]) -> None:
    """Draw points and write the name of each beside it, where nothing else is; a line leads to what is far.

    The scales and limits of the axes must be set. A name for which there is no free place at all stands to
    the right of its point.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    for point in points:
        axes.plot(point.x, point.y, "o", color=point.colour, markersize=5)
    figure.draw_without_rendering()
    at = axes.transData.transform(np.array([(point.x, point.y) for point in points]))
    taken = [Bbox([place - _CLEAR, place + _CLEAR]) for place in at]
    frame = axes.get_window_extent()
    for number, point in enumerate(points):
        others = [box for i, box in enumerate(taken) if i != number]
        for dx, dy in [*_PLACES, _PLACES[0]]:
            name = axes.annotate(
                point.name,
                (point.x, point.y),
                (dx, dy),
                textcoords="offset points",
                ha="left" if dx > 0 else "right" if dx < 0 else "center",
                va="bottom" if dy > 0 else "top" if dy < 0 else "center",
                fontsize=_SIZE,
                color=point.colour,
            )
            name.set_in_layout(False)  # so that places stay as they were measured
            box = name.get_window_extent()
            if frame.contains(*box.min) and frame.contains(*box.max) and not box.count_overlaps(others):
                break
            name.remove()
        else:
            axes.add_artist(name)
        taken.append(Bbox(box.get_points()))
        if max(abs(dx), abs(dy)) > _FAR:
            line = {"arrowstyle": "-", "color": point.colour, "linewidth": 0.5}
            axes.annotate("", (point.x, point.y), (dx, dy), textcoords="offset points", arrowprops=line)
