"""What a study leaves in its folder beside its rows: a page, the same as Markdown, the rows as tables."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offloadlib.instances import InputError, Instance, write
from offloadlib.instances.errors import os_reason
from offloadlib.instances.files.document import replacing
from offloadlib.pages.html import html
from offloadlib.pages.markdown import markdown
from offloadlib.pages.numbers import duration
from offloadlib.pages.page import Page, Section, Table
from offloadlib.solving import versions

from . import StudyRow

if TYPE_CHECKING:
    import pandas as pd

PAGE, SUMMARY, CSV, PARQUET = "report.html", "summary.md", "rows.csv", "rows.parquet"
INSTANCES = "instances"

_LISTED = 4
"""Files of the user's that the command names."""

_JSON_COLUMNS = ("generated", "parameters", "run")


def write_report(content: Page, rows: Sequence[StudyRow], settings: Mapping[str, Any], folder: Path) -> None:
    """Write the page, its pictures, instances and tables, and the rows as CSV and Parquet.

    Parameters
    ----------
    content
        What the study says.
    rows
        All of its rows.
    settings
        What the study was asked for.
    folder
        Where to.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    for picture in content.pictures:
        picture.save(folder)
    _keep(content.instances, folder / INSTANCES)
    whole = replace(content, sections=[*content.sections, _settings(rows, settings)])
    for name, text in ((PAGE, html(whole, folder)), (SUMMARY, markdown(whole))):
        with replacing(folder / name) as file:
            file.write(text.encode())
    table = frame(rows)
    for name, values in {Path(CSV).stem: table, **content.data}.items():
        with replacing(folder / f"{name}.csv") as file:
            file.write(values.to_csv(index=False).encode())
    with replacing(folder / PARQUET) as file:
        table.to_parquet(file, index=False)


def _keep(instances: Sequence[Instance], folder: Path) -> None:
    """Write instances under their names."""
    if not instances:
        return
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(folder, [("", f"cannot be used as a folder: {os_reason(error)}")]) from None
    for instance in instances:
        write(instance, folder / f"{instance.name}.json")


def frame(rows: Sequence[StudyRow]) -> pd.DataFrame:
    """Rows as a table: one column per field, objects as JSON text."""
    import pandas as pd

    flat = [
        {name: json.dumps(value) if name in _JSON_COLUMNS else value for name, value in row.items()}
        for row in rows
    ]
    return pd.DataFrame(flat)


def _settings(rows: Sequence[StudyRow], settings: Mapping[str, Any]) -> Section:
    finished = sorted(row["finished"] for row in rows)
    unwell = sum(row["status"] not in ("optimal", "feasible") for row in rows)
    entries = {
        **{name: str(value) for name, value in settings.items() if name not in ("files", "methods")},
        "rows": f"{len(rows):,}",
        "rows without a solution that the checker accepted": f"{unwell:,}",
        "time of all solves together": duration(sum(row["seconds"] for row in rows)),
        "solves that ran alone": f"{sum(row['alone'] for row in rows):,}",
        "first and last row": f"{finished[0]} to {finished[-1]}" if finished else "",
        "written": date.today().isoformat(),
        **versions(),
        "Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
    }
    files = settings.get("files", [])
    words = ["study", settings["study"], *files[:_LISTED], *(["..."] if len(files) > _LISTED else [])]
    words += ["--quick"] if settings["quick"] else []
    words += [word for method in settings.get("methods", ()) for word in ("--method", method)]
    words += ["--repetitions", str(settings["repetitions"]), "--seed", str(settings["seed"])]
    again = f"    offloadlib {shlex.join(words)} -o DIR"
    text = (
        "Every solve ran in a process of its own, and the independent checker saw every solution. With this "
        "command the study runs again; in the same folder it goes on where it stopped."
    )
    return Section("Settings", [text, again, Table(("what", "value"), list(entries.items()))])
