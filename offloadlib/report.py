"""What a comparison leaves in its folder: the table, pictures, and one page that shows all of it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from instances import Evaluation, Instance, Solution
from instances.storage import replacing

from . import plots, tables
from .comparing import Run
from .registry import Family

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PAGE = "report.html"
TABLE = "table.csv"


@dataclass(frozen=True)
class Picture:
    """A figure, the stem of its file, and what it shows."""

    stem: str
    caption: str
    figure: Figure


def write_report(frame: pd.DataFrame, runs: Sequence[Run], folder: Path) -> None:
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
    overview = _costs(runs)
    _save(overview, folder)
    parts = []
    for section in tables.sections(frame):
        own = [run for run in runs if run.row.instance == section.label]
        pictures = list(_pictures(own))
        for picture in pictures:
            _save(picture, folder)
        parts.append(_part(section, pictures, folder))
    page = _PAGE.format(
        style=_STYLE,
        made=f"offloadlib {version('offloadlib')}, {date.today().isoformat()}",
        overview=_image(overview, folder),
        parts="\n".join(parts),
    )
    with replacing(folder / PAGE) as file:
        file.write(page.encode())


def _save(picture: Picture, folder: Path) -> None:
    for kind in ("png", "svg"):
        plots.save(picture.figure, folder / f"{picture.stem}.{kind}")


# Pictures -----------------------------------------------------------------------------------------


def _costs(runs: Sequence[Run]) -> Picture:
    panels = []
    for label in dict.fromkeys(run.row.instance for run in runs):
        own = [run for run in runs if run.row.instance == label]
        title = f"{label} (M = {own[0].row.devices})"
        panels.append(plots.CostPanel(title, [_bar(run) for run in own], own[0].row.certified_bound))
    caption = "Cost by method, with its distance to the certified lower bound (the dashed line)."
    return Picture("cost", caption, plots.cost_by_method(panels))


def _bar(run: Run) -> plots.Bar:
    cost = run.row.objective if run.sound else None
    return plots.Bar(run.method.name, Family(run.row.family), cost, run.row.status)


def _pictures(runs: Sequence[Run]) -> Iterator[Picture]:
    """The pictures of one instance: loads of all methods, and map and timeline of the best solution."""
    sound = [run for run in runs if run.sound]
    if not sound:
        return
    label, instance = sound[0].row.instance, sound[0].case.instance
    if not isinstance(instance, Instance):
        return  # a hybrid instance has no map and no graphs
    evaluations = [run.evaluation for run in sound if isinstance(run.evaluation, Evaluation)]
    loads = plots.Loads(
        title=label,
        methods=[run.method.name for run in sound],
        points=instance.points.ids,
        share=np.array([evaluation.utilisation_by_point for evaluation in evaluations]),
        total=np.array([evaluation.utilisation for evaluation in evaluations]),
    )
    caption = (
        "Share of each offload point's capacity that each method uses; beside its name, of all capacity."
    )
    yield Picture(f"utilisation-{label}", caption, plots.utilisation(loads))
    method, best = _best(sound)
    title = f"{label}, {method}"
    caption = f"Devices and offload points in the best solution found, that of {method}."
    yield Picture(f"map-{label}", caption, plots.network_map(instance, best, title))
    caption = (
        "One device's task in that solution: where each subtask runs, and when the radio is busy. "
        "Pale bars are off the heaviest path."
    )
    yield Picture(f"timeline-{label}", caption, plots.device_timeline(instance, best, title))


def _best(runs: Sequence[Run]) -> tuple[str, Solution]:
    costs = {
        run.method.name: (run.result.objective, run.result.solution) for run in runs if run.result is not None
    }
    method = min(costs, key=lambda name: costs[name][0], default="")
    return method, costs[method][1]


# The page -----------------------------------------------------------------------------------------


def _part(section: tables.Section, pictures: Sequence[Picture], folder: Path) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
    images = "\n".join(_image(picture, folder) for picture in pictures)
    return _PART.format(
        title=escape(section.title),
        subtitle=escape(section.subtitle),
        table=tables.html_table(section),
        notes=f"<ul>{notes}</ul>" if notes else "",
        images=images,
    )


def _image(picture: Picture, folder: Path) -> str:
    data = base64.b64encode((folder / f"{picture.stem}.png").read_bytes()).decode()
    caption = escape(picture.caption)
    width = math.ceil(100 * picture.figure.get_figwidth())
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}" style="width:{width}px">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #333; }
body { max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.2rem; margin: 3rem 0 0; border-top: 1px solid #ddd; padding-top: 1.5rem; }
p.quiet, figcaption { color: #777; margin-top: 0.2rem; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; margin: 1rem 0; }
th { font-weight: 600; color: #777; border-bottom: 1px solid #999; }
th, td { padding: 0.25rem 0.7rem; }
td { border-bottom: 1px solid #eee; }
.number { text-align: right; }
.text { text-align: left; }
tr.best td { font-weight: 600; color: #0072B2; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Comparison of offloading methods</title>
<style>{style}</style>
</head>
<body>
<h1>Comparison of offloading methods</h1>
<p class="quiet">{made}. Every solution was checked independently; the data are in table.csv.</p>
{overview}
{parts}
<h2>How to read the tables</h2>
<p>What a method <em>claims</em> is its own lower bound. The <em>gap</em> is the distance of a cost to the
certified bound: the one of the instance whose proof the checker has accepted. The <em>ratio</em> is cost
over optimum, or an interval that it lies in where the optimum is not certified. The <em>saving</em> is
against leaving every subtask on its device, <em>used</em> the share of all capacity in use, <em>fair</em>
Jain's index of the devices' savings, <em>worse</em> the number of devices that cost more than
all-local.</p>
</body>
</html>
"""

_PART = """<section>
<h2>{title}</h2>
<p class="quiet">{subtitle}</p>
<div class="wide">{table}</div>
{notes}
{images}
</section>"""
