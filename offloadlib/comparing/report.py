"""What a comparison leaves in its folder: the table, pictures, and one page that shows all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from offloadlib import __version__
from offloadlib.comparing import summary, tables
from offloadlib.comparing.rows import Solve
from offloadlib.instances.files.document import replacing
from offloadlib.kinds import face
from offloadlib.methods import Family
from offloadlib.naming import called
from offloadlib.pages.html import html
from offloadlib.pages.page import Number, Page, Section, Table
from offloadlib.pictures.costs import Bar, CostPanel, cost_by_method
from offloadlib.pictures.curves import steps
from offloadlib.pictures.picture import Compared, Picture

if TYPE_CHECKING:
    import pandas as pd

PAGE = "report.html"
TABLE = "table.csv"

LONGEST_TITLE = 50
"""Characters of an instance's name over a picture."""


def write_report(frame: pd.DataFrame, runs: Sequence[Solve], folder: Path) -> None:
    """Write the table as CSV, every picture as PNG and SVG, and the page.

    Parameters
    ----------
    frame
        The table of a comparison.
    runs
        What its rows are made of.
    folder
        Where to.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    with replacing(folder / TABLE) as file:
        file.write(frame.to_csv(index=False).encode())
    made = f"offloadlib {__version__}, {date.today().isoformat()}. "
    made += f"Every solution was checked independently; the data are in {TABLE}."
    sections = []
    if frame["instance"].nunique() > 1:
        summed = summary.summarise(frame)
        for name, content in _summed(frame, summed).items():
            with replacing(folder / name) as file:
                file.write(content.encode())
        sections.append(Section("Over all instances", [_SUMMED, summary.table(summed), _profile(frame)]))
    for told in tables.sections(frame):
        own = [run for run in runs if run.row.instance == told.label]
        sections.append(
            Section(
                told.title,
                [told.subtitle, told.table, *told.notes, _costs(own), *_uses(own), *_pictures(own)],
            )
        )
    sections.append(Section("How to read the tables", [_READING]))
    page = Page("Comparison of offloading methods", [made], sections)
    for picture in page.pictures:
        picture.save(folder)
    with replacing(folder / PAGE) as file:
        file.write(html(page, folder).encode())


def _summed(frame: pd.DataFrame, summed: pd.DataFrame) -> dict[str, str]:
    """Files about all instances together."""
    return {
        "summary.csv": summed.to_csv(),
        "summary.tex": summary.latex(summed),
        "profile.csv": summary.performance_profile(frame).to_csv(),
    }


def _uses(runs: Sequence[Solve]) -> Iterator[str | Table]:
    """What each method uses of the limits of one instance, and how much there is, where it tells."""
    found = [run for run in runs if run.sound and run.evaluation is not None]
    tables_of = [run.evaluation.uses for run in found if run.evaluation is not None]
    if not tables_of or not tables_of[0]:
        return
    yield "What each method uses of each limit:"
    yield Table(
        header=["limit", "of", "there is", *(run.method.name for run in found)],
        rows=[
            [
                *(called(first.name, "point"), first.unit, Number(first.size, _amount(first.size))),
                *(Number(use.used, _amount(use.used)) for use in (first, *others)),
            ]
            for first, *others in zip(*tables_of, strict=True)
        ],
    )


def _amount(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "no limit"


# Pictures -----------------------------------------------------------------------------------------


def _costs(runs: Sequence[Solve]) -> Picture:
    """The costs of all methods on one instance."""
    first = runs[0]
    title = f"{_shortened(first.case.label)} (M = {first.row.devices})"
    bound = first.row.certified_bound
    known = None if bound is None or math.isinf(bound) else bound
    caption = "Cost by method, with its distance to the certified lower bound (the dashed line)."
    panel = CostPanel(title, [_bar(run) for run in runs], known)
    return Picture(f"cost-{first.case.stem}", caption, cost_by_method(panel))


def _profile(frame: pd.DataFrame) -> Picture:
    """What share of the instances each method solves within a ratio."""
    shares = summary.performance_profile(frame)
    at = shares.index.tolist()
    figure = steps(
        {str(name): (at, (100 * shares[name]).tolist()) for name in shares.columns},
        "Share of the instances within a ratio",
        "cost / certified optimum",
        "% of the instances",
    )
    return Picture("profile", "How many instances each method solves within a ratio.", figure)


def _shortened(label: str) -> str:
    """What stands over a picture: a long name would take its place."""
    return label if len(label) <= LONGEST_TITLE else f"{label[: LONGEST_TITLE - 3]}..."


def _bar(run: Solve) -> Bar:
    cost = run.row.objective if run.sound else None
    return Bar(run.method.name, Family(run.row.family), cost, run.row.status)


def _pictures(runs: Sequence[Solve]) -> Iterable[str | Picture]:
    """The pictures of one instance."""
    found = [
        Compared(run.method.name, run.result.objective, run.result.solution, run.evaluation)
        for run in runs
        if run.sound and run.result is not None and run.evaluation is not None
    ]
    case = runs[0].case
    chosen = face(case.instance.kind)
    if not found or not chosen.pictures:
        return []
    draw = chosen.function("pictures")
    drawn: Iterable[str | Picture] = draw(_shortened(case.label), case.stem, case.instance, found)
    return drawn


_SUMMED = (
    "Ratios are cost over the certified optimum or, where that is not known, over the certified bound. "
    "Optimal counts certified optima, wins the instances on which no other method costs less. The same for a "
    "paper: summary.csv, summary.tex, profile.csv."
)

_READING = (
    "What a method claims is its own lower bound. The gap is the distance of a cost to the certified bound: "
    "the one of the instance whose proof the checker has accepted. The ratio is cost over optimum, or an "
    "interval that it lies in where the optimum is not certified. The saving is against leaving every "
    "subtask on its device, used the share of all capacity in use, fair Jain's index of the devices' "
    "savings, worse the number of devices that cost more than all-local."
)
