"""The tables of comparisons, for a page, and for a terminal (rich)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from offloadlib.instances import Status
from offloadlib.instances.errors import counted
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.pages.numbers import decimals, fixed, percent, ratio, seconds
from offloadlib.pages.page import Cell, Number, Table, text

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table as RichTable

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
    table
        A row for each method; where the cost is the least it stands out.
    notes
        What is to be said below the table.
    """

    label: str
    title: str
    subtitle: str
    table: Table
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

    columns: dict[str, tuple[str, Callable[[Record], str]]] = {
        "method": ("", lambda record: str(record["method"])),
        "status": ("", lambda record: str(record["status"])),
        "cost": ("objective", lambda record: fixed(record["objective"], digits)),
        "claims": ("lower_bound", lambda record: fixed(record["lower_bound"], digits)),
        "gap": ("gap", lambda record: percent(record["gap"], 2)),
        "ratio": ("ratio_low", lambda record: ratio(record["ratio_low"], record["ratio_high"])),
        "saving": ("saving", lambda record: percent(record["saving"], 1)),
        "used": ("utilisation", lambda record: percent(record["utilisation"], 0)),
        "fair": ("fairness", lambda record: fixed(record["fairness"], 2)),
        "worse": ("worse_off", lambda record: fixed(record["worse_off"], 0)),
        "refused": ("refused", lambda record: fixed(record["refused"], 0)),
        "late": ("late", lambda record: fixed(record["late"], 0)),
        "time": ("time", lambda record: seconds(record["time"])),
        "check": ("", lambda record: str(record["checked"] or "").partition(":")[0]),
    }
    for key in ("refused", "late"):
        if not any(record[key] for record in records):
            del columns[key]

    def cell(record: Record, key: str, shown: Callable[[Record], str]) -> Cell:
        value = record[key] if key else None
        return shown(record) if value is None else Number(float(value), shown(record))

    costs = [float(record["objective"]) for record in records if record["ratio_low"] is not None]
    least = min(costs, default=0.0)
    size = f"{counted(first['devices'], 'device')}, {counted(first['offload_points'], 'offload point')}"
    return InstanceTable(
        label=label,
        title=f"{label}: {size}",
        subtitle=_infeasible(records) or _proven(first),
        table=Table(
            header=list(columns),
            rows=[[cell(record, *column) for column in columns.values()] for record in records],
            best=[
                number
                for number, record in enumerate(records)
                if record["ratio_low"] is not None and record["objective"] - least <= OPTIMAL_GAP * least
            ],
        ),
        notes=list(_notes(records)),
    )


def _infeasible(records: Sequence[Record]) -> str:
    """What is said where a method has proven that there is no solution, which no other method contradicts."""
    proven = [record for record in records if record["status"] == Status.INFEASIBLE]
    certified = any(record["certified"] for record in proven)
    return "infeasible, certified" if certified else "infeasible" if proven else ""


def _proven(record: Record) -> str:
    best, bound = record["best_objective"], record["certified_bound"]
    if best is None:
        return "no solution"
    if bound is None:
        return f"best cost {best:.10g}, no certified bound"
    if best - bound <= OPTIMAL_GAP * abs(best):
        return f"optimum {best:.10g}, certified"
    return f"best cost {best:.10g}, certified lower bound {bound:.10g}"


def _notes(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        checked = str(record["checked"] or "")
        for what in (checked if checked != "accepted" else "", record["message"]):
            if what:
                yield f"{record['method']}: {what}"


def rich_table(table: Table, without: Sequence[str] = ()) -> RichTable:
    """A table for the terminal, which may leave out some of its columns."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    kept = [i for i, name in enumerate(table.header) if name not in without]
    for name in (table.header[i] for i in kept):
        shown.add_column(name, justify="left" if name in TEXT_COLUMNS else "right", no_wrap=True)
    for number, row in enumerate(table.rows):
        style = "bold green" if number in table.best else None
        shown.add_row(*(Text(text(row[i])) for i in kept), style=style)
    return shown
