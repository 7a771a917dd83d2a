"""Edge sites and users from CSV files such as those of the EUA data sets (Swin Edge 2018, MIT).

A site file has a column each for identifier, latitude and longitude, a user file for latitude and
longitude (EUA: ``SITE_ID``, ``LATITUDE``, ``LONGITUDE`` and ``Latitude``, ``Longitude``), in degrees.
Case, blanks and underscores in the header do not count, other columns are not read, and sites without
identifiers are numbered.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..arrays import Floats
from ..errors import InputError, Problem, counted, shown
from .report import text_of

EARTH = 6371008.8
"""Mean radius of the earth in metres."""

_NAMES = {
    "identifier": ("siteid", "userid", "id"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon", "lng", "long"),
}
_LIMITS = {"latitude": 90.0, "longitude": 180.0}


@dataclass(frozen=True)
class Locations:
    """Named points on the globe.

    Attributes
    ----------
    ids
        Names, unique.
    degrees
        (n, 2) latitude and longitude.
    """

    ids: tuple[str, ...]
    degrees: Floats


def read_locations(content: bytes, path: str | Path, prefix: str) -> Locations:
    """Read a site or a user file.

    Parameters
    ----------
    content
        The text of the file.
    path
        Where it came from, for messages.
    prefix
        Of the names where the file gives none.

    Raises
    ------
    InputError
        With every problem of the file, each with its line.
    """
    try:
        rows = csv.reader(io.StringIO(text_of(content, path), newline=""), strict=True)
        lines = [(rows.line_num, row) for row in rows if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(path, [(f"line {rows.line_num}", str(error))]) from None
    columns = _columns(lines[0][1], path)
    problems: list[Problem] = []
    names: dict[str, int] = {}
    degrees: list[list[float]] = []
    for number, (line, row) in enumerate(lines[1:], start=1):
        where = f"line {line}"
        if len(row) != len(lines[0][1]):
            problems.append((where, f"has {counted(len(row), 'column')}, the header has {len(lines[0][1])}"))
            continue
        degrees.append([_degrees(row[columns[key]], key, where, problems) for key in _LIMITS])
        name = row[columns["identifier"]].strip() if "identifier" in columns else f"{prefix}{number}"
        if not name:
            problems.append((where, "the identifier is empty"))
        elif name in names:
            problems.append(
                (where, f"duplicate identifier {shown(name)}, already used in line {names[name]}")
            )
        names.setdefault(name, line)
    if not lines[1:]:
        problems.append(("", "has a header, but no rows"))
    if problems:
        raise InputError(path, problems)
    return Locations(tuple(names), np.array(degrees, np.float64))


def _columns(header: list[str], path: str | Path) -> dict[str, int]:
    """Meaning -> number of its column."""
    plain = [re.sub(r"[\s_-]", "", name).lower() for name in header]
    found: dict[str, int] = {}
    problems: list[Problem] = []
    for meaning, names in _NAMES.items():
        numbers = [i for i, name in enumerate(plain) if name in names]
        if len(numbers) > 1:
            both = " and ".join(repr(header[i]) for i in numbers)
            problems.append(("line 1", f"columns {both} may both be the {meaning}"))
        elif numbers:
            found[meaning] = numbers[0]
        elif meaning in _LIMITS:
            problems.append(("line 1", f"no column for the {meaning} (one of {', '.join(names)})"))
    if problems:
        raise InputError(path, problems)
    return found


def _degrees(text: str, meaning: str, where: str, problems: list[Problem]) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= _LIMITS[meaning]:
        limit = _LIMITS[meaning]
        problems.append(
            (where, f"{meaning} must be a number in [-{limit:g}, {limit:g}], not {shown(text.strip())}")
        )
    return value


def local_metres(degrees: Floats, origin: Floats) -> Floats:
    """Positions on a plane (equirectangular projection): good to 0.1% across a city.

    Parameters
    ----------
    degrees
        (n, 2) latitude and longitude.
    origin
        (2,) what becomes (0, 0).

    Returns
    -------
    ndarray
        (n, 2) metres to the east and to the north, to the centimetre.
    """
    angle = np.radians(degrees - origin)
    east = angle[:, 1] * math.cos(math.radians(float(origin[0])))
    return (np.column_stack([east, angle[:, 0]]) * EARTH).round(2)


def centre(degrees: Floats) -> Floats:
    """(2,) mean latitude and longitude."""
    return np.array([math.fsum(column.tolist()) / len(column) for column in degrees.T])
