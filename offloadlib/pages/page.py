"""Pages as data: headings, text, tables and pictures."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from offloadlib.instances import Instance
    from offloadlib.pictures.picture import Picture


@dataclass(frozen=True)
class Number:
    """A number as it is shown, and by which it is sorted."""

    value: float
    text: str

    @classmethod
    def of(cls, value: float, form: str | Callable[[float], str]) -> Number:
        """A number in a format; nothing is shown of one that is not finite."""
        if not math.isfinite(value):
            return cls(math.inf, "")
        return cls(float(value), format(value, form) if isinstance(form, str) else form(value))


Cell = str | Number


@dataclass(frozen=True)
class Table:
    """A table whose rows the reader can sort by each column.

    Parameters
    ----------
    header
        Titles of the columns.
    rows
        One cell per column; a column with a :class:`Number` is a column of numbers.
    caption
        What the table shows.
    best
        Numbers of the rows that stand out.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    best: Collection[int] = ()


@dataclass(frozen=True)
class Section:
    """A part of a page: paragraphs, pictures and tables."""

    title: str
    parts: Sequence[str | Picture | Table] = ()


@dataclass(frozen=True)
class Page:
    """A title, an introduction, sections, and what is kept as files beside the page: instances, tables."""

    title: str
    text: Sequence[str] = ()
    sections: Sequence[Section] = field(default=())
    instances: Sequence[Instance] = ()
    data: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def pictures(self) -> list[Picture]:
        """All of them, in order."""
        parts = (part for section in self.sections for part in section.parts)
        return [part for part in parts if not isinstance(part, str | Table)]


def numeric(table: Table) -> list[bool]:
    """Which columns are columns of numbers."""
    return [any(isinstance(row[i], Number) for row in table.rows) for i in range(len(table.header))]


def text(cell: Cell) -> str:
    """What is shown of a cell."""
    return cell.text if isinstance(cell, Number) else cell
