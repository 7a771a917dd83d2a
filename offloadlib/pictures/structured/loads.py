"""How much of each offload point methods use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib import rc_context
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats
from offloadlib.naming import called

from ..style import (
    INK,
    LIGHT,
    LOAD_COLOURS,
    NAMED_POINTS,
    STYLE,
    broken_title,
    canvas,
    name_columns,
    percent,
)


@dataclass(frozen=True)
class Utilisation:
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

    def telling(self) -> tuple[Utilisation, str]:
        """The points of which methods use different shares, and in words what all use of the others.

        Methods that use nothing at all are not asked; of a single one, all is shown.
        """
        share = self.share[self.share.any(axis=1)]
        if len(share) < 2:
            return self, ""
        telling = np.ptp(share, axis=0) > _SAME
        same: dict[str, list[str]] = {}
        for n in np.flatnonzero(~telling).tolist():
            same.setdefault(percent(share[0, n]), []).append(called(self.points[n], "point"))
        listed = (
            f"{part} of {', '.join(names) if len(names) <= _LISTED else f'{len(names)} {self.what}s'}"
            for part, names in same.items()
        )
        words = f"All methods that offload use {'; '.join(listed)}." if same else ""
        points = [self.points[n] for n in np.flatnonzero(telling).tolist()]
        return replace(self, points=points, share=self.share[:, telling]), words


_SAME, _LISTED = 0.005, 12
"""Shares that are written alike; names in a sentence."""


@rc_context(STYLE)
def utilisation(loads: Utilisation) -> Figure:
    """How much of each offload point's capacity each method uses, as a table of colours."""
    methods, points = len(loads.methods), len(loads.points)
    named = points <= NAMED_POINTS
    names = [called(point, "point") for point in loads.points]
    width = float(np.clip(2.6 + 0.42 * points, 4.2, 13.0))
    figure = canvas(width, 1.2 + 0.22 * methods)
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
        turned = max(map(len, names)) * 0.08 > (width - 2.6) / points  # in inches
        name_columns(axes, np.arange(points) + 0.5, names, turned=turned)
    axes.set_yticks(
        np.arange(methods) + 0.5,
        [f"{name}  {percent(total)}" for name, total in zip(loads.methods, loads.total, strict=True)],
    )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(
        f"{loads.used} in %, by {loads.what}" if named else f"{points} {loads.what}s, in file order"
    )
    broken_title(axes, loads.title, width - 2.0)
    if not named:  # else each cell has its number
        bar = figure.colorbar(mesh, ax=axes, format=percent, pad=0.02)
        bar.outline.set_visible(False)
        bar.set_label(loads.used)
    return figure
