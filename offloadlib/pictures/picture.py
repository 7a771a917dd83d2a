"""A picture of a page, and what methods have found for the pictures of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from .style import save


@dataclass(frozen=True)
class Picture:
    """A figure, the stem of its file, and what it shows."""

    stem: str
    caption: str
    figure: Figure

    def save(self, folder: Path) -> None:
        """Write it as PNG and as SVG, laid out once for both."""
        for form in ("png", "svg"):
            save(self.figure, folder / f"{self.stem}.{form}")
            self.figure.set_layout_engine("none")


@dataclass(frozen=True)
class Compared:
    """A solution, the method that has found it, and what it costs and uses."""

    method: str
    cost: float
    solution: Any
    evaluation: Any
