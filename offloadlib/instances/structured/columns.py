"""An instance as a header and columns: the form between files and :class:`~.structured.instance.Instance`.

Reading goes file -> (header, columns) -> ``Instance``; writing and the fingerprint go the other way.
The header is the JSON document without its devices. The columns, for M devices in file order, are

- ``id`` (list of M strings); ``application`` and ``connected_to`` (M whole numbers: positions in the
  header's lists, -1 where not connected); ``cpu``, ``power.execute``, ``power.send``,
  ``power.receive``, ``alpha`` (M);
- optional ``uplink``, ``downlink`` (M, NaN: those of the offload point) and ``position`` (M x 2,
  NaN: none);
- for each application i that has devices ``work.i``, ``input.i``, ``output.i`` (one row per device,
  one entry per subtask) and optional ``edge_data.i`` (one entry per arc; a row of NaN: the default).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, frozen
from ..errors import InputError, Problem, place
from ..files import canonical
from ..files.archive import Column, Columns
from ..files.document import Document, instance_header, without_nulls
from ..files.schema import LARGEST, SMALLEST
from ..files.validate import unique_ids
from .instance import Instance
from .model import LOCAL, UNLIMITED, Application, Devices, Group, Normalise, OffloadPoints
from .rules import device_problems, header_problems

_POWER = ("execute", "send", "receive")
_PER_TASK = ("work", "input", "output")
_POSITIVE = ("cpu", "uplink", "downlink")
_SIZE = tuple(f"power.{key}" for key in _POWER)
_OPTIONAL = ("uplink", "downlink", "position")
_SCALAR = ("cpu", "alpha", *_SIZE)
_WHOLE = ("application", "connected_to")
_CHUNK = 10_000


def from_document(document: Document) -> tuple[Document, Columns]:
    """Split a sound instance document into header and columns."""
    devices = document["devices"]
    header = {key: value for key, value in document.items() if key != "devices"}
    number = {item["id"]: i for i, item in enumerate(header["applications"])}
    point = {item["id"]: i for i, item in enumerate(header["offload_points"])}
    application = np.array([number[device["application"]] for device in devices])
    columns: Columns = {
        "id": [device["id"] for device in devices],
        "application": application,
        "connected_to": np.array([point.get(device["connected_to"], LOCAL) for device in devices]),
        "cpu": _floats([device["cpu"] for device in devices]),
        "alpha": _floats([device["alpha"] for device in devices]),
        **{f"power.{key}": _floats([device["power"][key] for device in devices]) for key in _POWER},
    }
    for key in ("uplink", "downlink"):
        given = [device.get(key) for device in devices]
        columns[key] = _floats([np.nan if rate is None else rate for rate in given])
    columns["position"] = _positions(devices)
    for i, item in enumerate(header["applications"]):
        members = [devices[m] for m in np.flatnonzero(application == i)]
        if members:
            for key in _PER_TASK:
                columns[f"{key}.{i}"] = _floats([device[key] for device in members])
            none = [np.nan] * len(item["edges"])
            lists = [device.get("edge_data") for device in members]
            rows = [none if row is None else row for row in lists]
            columns[f"edge_data.{i}"] = _floats(rows).reshape(len(members), len(none))
    return header, columns


def _floats(values: list[Any]) -> Floats:
    return np.array(values, dtype=np.float64)


def _positions(items: list[Document]) -> Floats:
    nowhere = [np.nan, np.nan]
    return _floats([nowhere if item.get("position") is None else item["position"] for item in items])


def build(header: Document, columns: Columns) -> Instance:
    """The instance of a sound header and sound columns."""
    points = _points(header["offload_points"])
    applications = tuple(_application(item) for item in header["applications"])
    number = np.asarray(columns["application"], dtype=np.int64)
    connected_to = np.asarray(columns["connected_to"], dtype=np.int64)
    size = len(number)
    rates = {}
    for key, of_point in (("uplink", points.uplink), ("downlink", points.downlink)):
        own = columns.get(key, np.full(size, np.nan))
        default = np.where(connected_to == LOCAL, np.nan, of_point[connected_to])
        rates[key] = frozen(np.where(np.isnan(own), default, own), np.float64)
    devices = Devices(
        ids=tuple(columns["id"]),
        application=frozen(number, np.int64),
        cpu=frozen(columns["cpu"], np.float64),
        **{key: _unsigned(columns[f"power.{key}"]) for key in _POWER},
        alpha=_unsigned(columns["alpha"]),
        connected_to=frozen(connected_to, np.int64),
        uplink=rates["uplink"],
        downlink=rates["downlink"],
        position=_unsigned(columns.get("position", np.full((size, 2), np.nan))),
    )
    return Instance(
        name=header["name"],
        description=header.get("description"),
        source=header.get("source"),
        normalise=header["cost"]["normalise"],
        applications=applications,
        points=points,
        devices=devices,
        groups=tuple(_groups(applications, number, columns)),
    )


def _unsigned(values: Floats) -> Floats:
    """Read-only, with -0 turned into 0, so that equal instances have equal bits."""
    return frozen(np.asarray(values, dtype=np.float64) + 0.0, np.float64)


def _points(items: list[Document]) -> OffloadPoints:
    channels = [UNLIMITED if item.get("channels") is None else int(item["channels"]) for item in items]
    return OffloadPoints(
        ids=tuple(item["id"] for item in items),
        cpu=frozen([item["cpu"] for item in items], np.float64),
        capacity=frozen([int(item["capacity"]) for item in items], np.int64),
        uplink=frozen([item["uplink"] for item in items], np.float64),
        downlink=frozen([item["downlink"] for item in items], np.float64),
        channels=frozen(channels, np.int64),
        position=_unsigned(_positions(items)),
    )


def _application(item: Document) -> Application:
    number = {name: k for k, name in enumerate(item["subtasks"])}
    edges = tuple((number[j], number[k]) for j, k in item["edges"])
    return Application(item["id"], tuple(item["subtasks"]), edges)


def _groups(
    applications: tuple[Application, ...], number: NDArray[np.int64], columns: Columns
) -> Iterator[Group]:
    for i, application in enumerate(applications):
        members = np.flatnonzero(number == i)
        if len(members) == 0:
            continue
        output = _unsigned(columns[f"output.{i}"])
        edge_data = default_edge_data(application, output)
        given = columns.get(f"edge_data.{i}")
        if given is not None and given.size:
            edge_data = _unsigned(np.where(np.isnan(given), edge_data, given))
        yield Group(
            application=application,
            members=frozen(members, np.int64),
            work=_unsigned(columns[f"work.{i}"]),
            input=_unsigned(columns[f"input.{i}"]),
            output=output,
            edge_data=edge_data,
        )


def default_edge_data(application: Application, output: Floats) -> Floats:
    """(G, A) data along each arc where nothing else is given: the output of its first end."""
    return frozen(output[:, [j for j, _ in application.edges]], np.float64)


def layout(header: Document, columns: Columns) -> dict[str, Column]:
    """Every column that may stand under a sound header; the column ``application`` decides their shapes."""
    application = np.asarray(columns["application"])
    size = len(application)
    found = {"id": Column((size,), "json")}
    found |= {key: Column((size,), "<i4") for key in _WHOLE}
    found |= {key: Column((size,)) for key in _SCALAR}
    found |= {key: Column((size,), optional=True) for key in ("uplink", "downlink")}
    found["position"] = Column((size, 2), optional=True)
    for i, item in enumerate(header["applications"]):
        rows = int(np.count_nonzero(application == i))
        if rows:
            found |= {f"{key}.{i}": Column((rows, len(item["subtasks"]))) for key in _PER_TASK}
            found[f"edge_data.{i}"] = Column((rows, len(item["edges"])), optional=True)
    return found


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
        suspects = np.flatnonzero(~_screen(header, columns))
        found += device_problems(header, _devices(header, columns, suspects))
        if len(suspects) and not found:
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
        elif name != "id" and np.shape(values) != (shape := expected[name].shape):
            what = f"must have the shape {list(shape)}, not {list(np.shape(values))}"
            found.append((place("columns", [name]), what))
    return found


def _screen(header: Document, columns: Columns) -> NDArray[np.bool_]:
    """(M,) True where nothing of a device is wrong."""
    number = columns["application"]
    good = np.array([_is_id(name) for name in columns["id"]], dtype=np.bool_)
    for key in _POSITIVE:
        if key in columns:
            good &= _positive(columns[key]) | (np.isnan(columns[key]) if key in _OPTIONAL else False)
    for key in _SIZE:
        good &= _zero_or_positive(columns[key])
    good &= _zero_or_positive(columns["alpha"]) & (columns["alpha"] <= 1)
    if "position" in columns:
        position = columns["position"]
        good &= np.isnan(position).all(axis=1) | _zero_or_positive(np.abs(position)).all(axis=1)
    idle = np.zeros(len(number), dtype=np.bool_)
    for i in np.unique(number):
        members = number == i
        for key in _PER_TASK:
            good[members] &= _zero_or_positive(columns[f"{key}.{i}"]).all(axis=1)
        edge_data = columns.get(f"edge_data.{i}")
        if edge_data is not None:
            good[members] &= np.isnan(edge_data).all(axis=1) | _zero_or_positive(edge_data).all(axis=1)
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


def validated(header: Document, columns: Columns, source: str) -> Instance:
    """The instance of a header and columns from outside: a columnar file, a generator, an importer.

    Raises
    ------
    InputError
        With every problem found; ``source`` says where the data came from.
    """
    found = problems(header, columns)
    if found:
        raise InputError(source, found)
    return build(header, columns)


def of_instance(instance: Instance) -> tuple[Document, Columns]:
    """Header and columns of an instance; what equals its default is NaN."""
    devices, points = instance.devices, instance.points
    linked = devices.connected_to != LOCAL
    columns: Columns = {
        "id": list(devices.ids),
        "application": devices.application,
        "connected_to": devices.connected_to,
        "cpu": devices.cpu,
        "alpha": devices.alpha,
        "position": devices.position,
        **{f"power.{key}": getattr(devices, key) for key in _POWER},
    }
    for key in ("uplink", "downlink"):
        rate = getattr(devices, key)
        default = linked & (rate == getattr(points, key)[devices.connected_to])
        columns[key] = np.where(default, np.nan, rate)
    for group in instance.groups:
        i = devices.application[group.members[0]]
        for key in _PER_TASK:
            columns[f"{key}.{i}"] = getattr(group, key)
        same = (group.edge_data == default_edge_data(group.application, group.output)).all(axis=1)
        columns[f"edge_data.{i}"] = np.where(same[:, None], np.nan, group.edge_data)
    header = header_of(
        instance.applications,
        [_point(points, n) for n in range(instance.num_points)],
        instance.normalise,
        name=instance.name,
        description=instance.description,
        source=instance.source,
    )
    return header, columns


def header_of(
    applications: Sequence[Application],
    points: list[Document],
    normalise: Normalise,
    **about: Any,
) -> Document:
    """The header of an instance of these parts; ``about`` is its name, description and source."""
    return instance_header(
        "structured",
        **about,
        cost={"normalise": normalise},
        applications=[
            {
                "id": item.id,
                "subtasks": list(item.subtasks),
                "edges": [[item.subtasks[j], item.subtasks[k]] for j, k in item.edges],
            }
            for item in applications
        ],
        offload_points=points,
    )


def _point(points: OffloadPoints, n: int) -> Document:
    channels = int(points.channels[n])
    item = {
        "id": points.ids[n],
        "cpu": float(points.cpu[n]),
        "capacity": int(points.capacity[n]),
        "uplink": float(points.uplink[n]),
        "downlink": float(points.downlink[n]),
        "channels": None if channels == UNLIMITED else channels,
        "position": None if np.isnan(points.position[n, 0]) else points.position[n].tolist(),
    }
    return without_nulls(item)


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
        i: _rows(columns, i, np.searchsorted(np.flatnonzero(number == i), chosen[number[chosen] == i]))
        for i in set(numbers)
    }
    # A rate of NaN says that none is given; any other non-finite number is an error to be shown.
    scalar = {key: columns[key][chosen].tolist() for key in ("connected_to", *_SCALAR)}
    optional = {key: columns[key][chosen].tolist() for key in _OPTIONAL if key in columns}
    for at, m in enumerate(chosen.tolist()):
        point = scalar["connected_to"][at]
        device: Document = {
            "id": columns["id"][m],
            "application": applications[numbers[at]],
            "cpu": scalar["cpu"][at],
            "power": {key: scalar[f"power.{key}"][at] for key in _POWER},
            "connected_to": None if point == LOCAL else points[point],
            "alpha": scalar["alpha"][at],
        }
        for key, values in optional.items():
            if not _absent(values[at]):
                device[key] = values[at]
        device.update(next(rows[numbers[at]]))
        yield m, device


def _rows(columns: Columns, i: int, rows: NDArray[np.int64]) -> Iterator[Document]:
    """The chosen rows of application i's columns, as parts of the device's document."""
    parts = {key: columns[f"{key}.{i}"][rows].tolist() for key in _PER_TASK}
    edge_data = columns.get(f"edge_data.{i}")
    arcs = [[]] * len(rows) if edge_data is None else edge_data[rows].tolist()
    for row, arc in enumerate(arcs):
        part = {key: values[row] for key, values in parts.items()}
        if arc and not _absent(arc):
            part["edge_data"] = arc
        yield part


def _absent(value: float | list[float]) -> bool:
    return all(x != x for x in value) if isinstance(value, list) else value != value


def fingerprint(instance: Instance) -> str:
    """SHA-256 of the canonical form, which leaves out positions, nulls and defaults, too."""
    header, columns = of_instance(instance)
    for point in header["offload_points"]:
        point.pop("position", None)
    del columns["position"]
    return canonical.fingerprint(header, _connected(device_documents(header, columns)))


def _connected(devices: Iterator[Document]) -> Iterator[Document]:
    """Without the connections that are none."""
    for device in devices:
        if device["connected_to"] is None:
            del device["connected_to"]
        yield device
