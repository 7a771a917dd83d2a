"""A picture of a page: a figure with a name and a caption."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from .style import save


@dataclass(frozen=True)
class Picture:
    """A figure, the stem of its file, and what it shows."""

    stem: str
    caption: str
    figure: Figure

    def save(self, folder: Path) -> None:
        """Write it as PNG and as SVG."""
        for form in ("png", "svg"):
            save(self.figure, folder / f"{self.stem}.{form}")
