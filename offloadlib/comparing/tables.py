"""The tables of comparisons, once as text cells, shown in a terminal (rich) or on a page (HTML)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

from offloadlib.instances.errors import counted
from offloadlib.pages.numbers import decimals, fixed, percent, ratio, seconds

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

Record = dict[Any, Any]


@dataclass(frozen=True)
class InstanceTable:
    """The rows of one instance as text.

    Parameters
    ----------
    label
        The instance's.
    title, subtitle
        The instance with its size, and what is proven about it.
    header
        Titles of the columns.
    rows
        One text per column.
    best
        For each row whether its cost is the least.
    notes
        What is to be said below the table.
    """

    label: str
    title: str
    subtitle: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    best: Sequence[bool]
    notes: Sequence[str]


TEXT_COLUMNS = ("method", "status", "check")
"""Columns that are not numbers, and so stand left."""

SPARE_COLUMNS = ("fair", "worse", "used", "saving", "claims", "ratio")
"""Columns that a narrow terminal can do without, the first ones first."""


def sections(frame: pd.DataFrame) -> Iterator[InstanceTable]:
    """The table of a comparison, one section per instance."""
    present = frame.astype(object).where(frame.notna(), None)
    for label, group in present.groupby("instance", sort=False):
        yield _section(str(label), group.to_dict("records"))


def _section(label: str, records: Sequence[Record]) -> InstanceTable:
    first = records[0]
    digits = decimals([record[key] for record in records for key in ("objective", "lower_bound")])

    def cost(key: str) -> Callable[[Record], str]:
        return lambda record: fixed(record[key], digits)

    columns: dict[str, Callable[[Record], str]] = {
        "method": lambda record: str(record["method"]),
        "status": lambda record: str(record["status"]),
        "cost": cost("objective"),
        "claims": cost("lower_bound"),
        "gap": lambda record: percent(record["gap"], 2),
        "ratio": lambda record: ratio(record["ratio_low"], record["ratio_high"]),
        "saving": lambda record: percent(record["saving"], 1),
        "used": lambda record: percent(record["utilisation"], 0),
        "fair": lambda record: fixed(record["fairness"], 2),
        "worse": lambda record: fixed(record["worse_off"], 0),
        "time": lambda record: seconds(record["time"]),
        "check": lambda record: str(record["checked"] or "").partition(":")[0],
    }
    costs = [float(record["objective"]) for record in records if record["ratio_low"] is not None]
    least = min(costs, default=0.0)
    size = f"{counted(first['devices'], 'device')}, {counted(first['offload_points'], 'offload point')}"
    return InstanceTable(
        label=label,
        title=f"{label}: {size}",
        subtitle=_proven(first),
        header=list(columns),
        rows=[[text(record) for text in columns.values()] for record in records],
        best=[
            record["ratio_low"] is not None and record["objective"] - least <= 1e-9 * least
            for record in records
        ],
        notes=list(_notes(records)),
    )


def _proven(record: Record) -> str:
    best, bound = record["best_objective"], record["certified_bound"]
    if best is None:
        return "no solution"
    if bound is None:
        return f"best cost {best:.10g}, no certified bound"
    if best - bound <= 1e-9 * abs(best):
        return f"optimum {best:.10g}, certified"
    return f"best cost {best:.10g}, certified lower bound {bound:.10g}"


def _notes(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        checked = str(record["checked"] or "")
        for text in (checked if checked != "accepted" else "", record["message"]):
            if text:
                yield f"{record['method']}: {text}"


def without(section: InstanceTable, columns: Sequence[str]) -> InstanceTable:
    """A section that leaves out some of its columns."""
    kept = [i for i, name in enumerate(section.header) if name not in columns]
    return replace(
        section,
        header=[section.header[i] for i in kept],
        rows=[[row[i] for i in kept] for row in section.rows],
    )


def rich_table(section: InstanceTable) -> Table:
    """A section for the terminal."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for name in section.header:
        table.add_column(name, justify="left" if name in TEXT_COLUMNS else "right", no_wrap=True)
    for row, best in zip(section.rows, section.best, strict=True):
        table.add_row(*(Text(cell) for cell in row), style="bold green" if best else None)
    return table


def html_table(section: InstanceTable) -> str:
    """A section for a page."""
    kinds = ["text" if name in TEXT_COLUMNS else "number" for name in section.header]

    def line(tag: str, cells: Sequence[str], attribute: str = "") -> str:
        inner = "".join(
            f'<{tag} class="{kind}">{escape(cell)}</{tag}>' for kind, cell in zip(kinds, cells, strict=True)
        )
        return f"<tr{attribute}>{inner}</tr>"

    rows = [
        line("td", row, ' class="best"' if best else "")
        for row, best in zip(section.rows, section.best, strict=True)
    ]
    head = line("th", section.header)
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n" + "\n".join(rows) + "\n</tbody>\n</table>"
