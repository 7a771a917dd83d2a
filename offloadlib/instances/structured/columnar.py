"""Instances as a header and columns, between files and data: what the columns may hold.

The header is the JSON document without its devices. The columns, for M devices in file order, are

- ``id`` (list of M strings); ``application`` and ``connected_to`` (M whole numbers: positions in the
  header's lists, -1 where not connected); ``cpu``, ``power.execute``, ``power.send``,
  ``power.receive``, ``alpha`` (M);
- optional ``uplink``, ``downlink`` (M, NaN: those of the offload point) and ``position`` (M x 2,
  NaN: none);
- for each application i that has devices ``work.i``, ``input.i``, ``output.i`` (one row per device,
  one entry per subtask) and optional ``edge_data.i`` (one entry per arc; a row of NaN: the default).

Version 2 adds, all of them optional,

- ``deadline``, ``energy_budget``, ``rejection``, ``weight``, ``latency.up``, ``latency.down`` (M, NaN:
  none is given);
- for each application i that has devices ``demand.i`` (one row per device, for each of the header's
  resources an entry per subtask; all NaN: the resource is not named), and ``at.i`` and ``allowed.i`` as JSON
  (a list with what stands in the document of each device, or null).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from ..errors import Problem, place
from ..files.archive import ColumnForm, Columns
from ..files.document import Document
from ..files.schema import LARGEST, SMALLEST
from ..files.validate import unique_ids
from .model import LOCAL
from .rules import device_problems, header_problems

POWER = ("execute", "send", "receive")
PER_TASK = ("work", "input", "output")
_POSITIVE = ("cpu", "uplink", "downlink")
_SIZE = tuple(f"power.{key}" for key in POWER)
LIMITS = ("deadline", "energy_budget", "rejection", "weight")
LATENCY = ("latency.up", "latency.down")
LISTS = ("at", "allowed")
_OPTIONAL = ("uplink", "downlink", "position")
_SECOND = (*LIMITS, *LATENCY)
_SCALAR = ("cpu", "alpha", *_SIZE)
_WHOLE = ("application", "connected_to")
_CHUNK = 10_000


def layout(header: Document, columns: Columns) -> dict[str, ColumnForm]:
    """Every column that may stand under a sound header; the column ``application`` decides their shapes."""
    application = np.asarray(columns["application"])
    size = len(application)
    found = {"id": ColumnForm((size,), "json")}
    found |= {key: ColumnForm((size,), "<i4") for key in _WHOLE}
    found |= {key: ColumnForm((size,)) for key in _SCALAR}
    found |= {key: ColumnForm((size,), optional=True) for key in ("uplink", "downlink")}
    found["position"] = ColumnForm((size, 2), optional=True)
    second = header["version"] == 2
    resources = len(header.get("resources") or ())
    if second:
        found |= {key: ColumnForm((size,), optional=True) for key in _SECOND}
    for i, item in enumerate(header["applications"]):
        rows = int(np.count_nonzero(application == i))
        if rows:
            subtasks = len(item["subtasks"])
            found |= {f"{key}.{i}": ColumnForm((rows, subtasks)) for key in PER_TASK}
            found[f"edge_data.{i}"] = ColumnForm((rows, len(item["edges"])), optional=True)
            if second:
                found[f"demand.{i}"] = ColumnForm((rows, resources, subtasks), optional=True)
                found |= {f"{key}.{i}": ColumnForm((rows,), "json", optional=True) for key in LISTS}
    return found


def is_second(columns: Columns) -> bool:
    """Whether there is a column of version 2."""
    return any(name in _SECOND or name.partition(".")[0] in ("demand", *LISTS) for name in columns)


def problems(header: Document, columns: Columns) -> list[Problem]:
    """Every problem of a header and of columns, which are arrays of the right types.

    Sound columns pass a vectorised screen; only the devices that fail it are put back into the form
    of the JSON file, so that both forms have one set of rules and messages.
    """
    found = (
        header_problems(header) or application_problems(header, columns) or _shape_problems(header, columns)
    )
    if found:
        return found
    found += unique_ids({"devices": [{"id": name} for name in columns["id"]]}, "devices")
    found += _index_problems("connected_to", columns, LOCAL, len(header["offload_points"]))
    if not found:
        good, plain = _screen(header, columns), _plain(header, columns)
        suspects = np.flatnonzero(~(good & plain))
        found += device_problems(header, _devices(header, columns, suspects))
        if (plain & ~good).any() and not found:
            raise AssertionError("the screen of columns is stricter than the rules")
    return found


def application_problems(header: Document, columns: Columns) -> list[Problem]:
    """What is wrong with the columns on which all shapes depend: ``id`` and ``application``."""
    size = len(columns["id"])
    if size == 0:
        return [("devices", "must not be empty")]
    if np.shape(columns["application"]) != (size,):
        return [("columns.application", f"must have {size} entries, as there are devices")]
    return list(_index_problems("application", columns, 0, len(header["applications"])))


def _index_problems(key: str, columns: Columns, lowest: int, stop: int) -> Iterator[Problem]:
    values = columns[key]
    for m in np.flatnonzero((values < lowest) | (values >= stop)):
        yield f"devices[{m}].{key}", f"must lie in {lowest}..{stop - 1}, not {values[m]}"


def _shape_problems(header: Document, columns: Columns) -> list[Problem]:
    expected = layout(header, columns)
    found = [
        (place("columns", [name]), "is missing")
        for name, column in expected.items()
        if name not in columns and not column.optional
    ]
    for name, values in columns.items():
        if name not in expected:
            if np.size(values):  # an application without devices may well have empty columns
                found.append((place("columns", [name]), "unknown column"))
            continue
        shape = (len(values),) if expected[name].type == "json" else np.shape(values)
        if shape != expected[name].shape:
            what = f"must have the shape {list(expected[name].shape)}, not {list(shape)}"
            found.append((place("columns", [name]), what))
    return found


def _plain(header: Document, columns: Columns) -> NDArray[np.bool_]:
    """(M,) True where a device has nothing that is no number: the screen sees all of it."""
    plain = np.ones(len(columns["id"]), dtype=np.bool_)
    for i in range(len(header["applications"])):
        for key in LISTS:
            values = columns.get(f"{key}.{i}")
            if values is not None:
                plain[columns["application"] == i] &= [value is None for value in values]
    return plain


def _screen(header: Document, columns: Columns) -> NDArray[np.bool_]:
    """(M,) True where no number of a device is wrong."""
    number = columns["application"]
    good = np.array([_is_id(name) for name in columns["id"]], dtype=np.bool_)
    for key in _POSITIVE:
        if key in columns:
            good &= _positive(columns[key]) | (np.isnan(columns[key]) if key in _OPTIONAL else False)
    for key in _SIZE:
        good &= _zero_or_positive(columns[key])
    good &= _zero_or_positive(columns["alpha"]) & (columns["alpha"] <= 1)
    for key in (*LIMITS, *LATENCY):
        if key in columns:
            values = np.abs(columns[key]) if key == "rejection" else columns[key]
            good &= _zero_or_positive(values) | np.isnan(values)
    if "position" in columns:
        position = columns["position"]
        good &= np.isnan(position).all(axis=1) | _zero_or_positive(np.abs(position)).all(axis=1)
    idle = np.zeros(len(number), dtype=np.bool_)
    for i in np.unique(number):
        members = number == i
        for key in PER_TASK:
            good[members] &= _zero_or_positive(columns[f"{key}.{i}"]).all(axis=1)
        edge_data = columns.get(f"edge_data.{i}")
        if edge_data is not None:
            good[members] &= np.isnan(edge_data).all(axis=1) | _zero_or_positive(edge_data).all(axis=1)
        demand = columns.get(f"demand.{i}")
        if demand is not None:
            named = np.isnan(demand).all(axis=2) | _zero_or_positive(demand).all(axis=2)
            good[members] &= named.all(axis=1)
        idle[members] = (columns[f"work.{i}"] == 0).all(axis=1)
    if header["cost"]["normalise"] == "local":
        alpha = columns["alpha"]
        good &= ~(idle & (alpha > 0)) & ~((idle | (columns["power.execute"] == 0)) & (alpha < 1))
    return np.asarray(good, dtype=np.bool_)


def _is_id(name: Any) -> bool:
    if not isinstance(name, str) or not name:
        return False
    return name.isascii() or not any("\ud800" <= char <= "\udfff" for char in name)


def _positive(values: Floats) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (values >= SMALLEST) & (values <= LARGEST)
    return inside


def _zero_or_positive(values: Floats) -> NDArray[np.bool_]:
    zero: NDArray[np.bool_] = values == 0
    return _positive(values) | zero


def device_documents(header: Document, columns: Columns) -> Iterator[Document]:
    """Every device as in the JSON file, with nothing that equals its default."""
    size = len(columns["id"])
    for start in range(0, size, _CHUNK):
        chosen = np.arange(start, min(start + _CHUNK, size))
        yield from (device for _, device in _devices(header, columns, chosen))


def _devices(header: Document, columns: Columns, chosen: NDArray[np.int64]) -> Iterator[tuple[int, Document]]:
    """(number, document) of the chosen devices, numbers ascending."""
    applications = [item["id"] for item in header["applications"]]
    points = [item["id"] for item in header["offload_points"]]
    number = np.asarray(columns["application"])
    numbers = number[chosen].tolist()
    rows = {
        i: _rows(
            header, columns, i, np.searchsorted(np.flatnonzero(number == i), chosen[number[chosen] == i])
        )
        for i in set(numbers)
    }
    # A rate of NaN says that none is given; any other non-finite number is an error to be shown.
    scalar = {key: columns[key][chosen].tolist() for key in ("connected_to", *_SCALAR)}
    optional = {key: columns[key][chosen].tolist() for key in (*_OPTIONAL, *LIMITS) if key in columns}
    latency = {key: columns[key][chosen].tolist() for key in LATENCY if key in columns}
    for at, m in enumerate(chosen.tolist()):
        point = scalar["connected_to"][at]
        device: Document = {
            "id": columns["id"][m],
            "application": applications[numbers[at]],
            "cpu": scalar["cpu"][at],
            "power": {key: scalar[f"power.{key}"][at] for key in POWER},
            "connected_to": None if point == LOCAL else points[point],
            "alpha": scalar["alpha"][at],
        }
        for key, values in optional.items():
            if not _absent(values[at]):
                device[key] = values[at]
        for key, values in latency.items():
            if not _absent(values[at]):
                device.setdefault("latency", {})[key.partition(".")[2]] = values[at]
        device.update(next(rows[numbers[at]]))
        yield m, device


def _rows(header: Document, columns: Columns, i: int, rows: NDArray[np.int64]) -> Iterator[Document]:
    """The chosen rows of application i's columns, as parts of the device's document."""
    parts = {key: columns[f"{key}.{i}"][rows].tolist() for key in PER_TASK}
    edge_data = columns.get(f"edge_data.{i}")
    arcs = [[]] * len(rows) if edge_data is None else edge_data[rows].tolist()
    lists = {key: columns[f"{key}.{i}"] for key in LISTS if f"{key}.{i}" in columns}
    demand = columns.get(f"demand.{i}")
    demands = None if demand is None else demand[rows].tolist()
    for row, arc in enumerate(arcs):
        part = {key: values[row] for key, values in parts.items()}
        if arc and not _absent(arc):
            part["edge_data"] = arc
        if demands:
            named = zip(header.get("resources") or (), demands[row], strict=True)
            part["demand"] = {name: values for name, values in named if not _absent(values)}
            if not part["demand"]:
                del part["demand"]
        for key, documents in lists.items():
            if documents[rows[row]] is not None:
                part[key] = documents[rows[row]]
        yield part


def _absent(value: float | list[float]) -> bool:
    return all(x != x for x in value) if isinstance(value, list) else value != value
