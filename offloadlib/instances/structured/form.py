"""How structured instances and their solutions stand in files: what :mod:`.instances.files` asks of a kind.

Reading goes document -> (header, columns) -> :class:`~.structured.instance.Instance`, from a columnar file
without the first step; writing and the fingerprint go the other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, frozen
from ..errors import InputError, Problem, place, shown
from ..files import canonical
from ..files.archive import Archive, Column, Columns
from ..files.document import Document, instance_header, without_nulls
from .columns import PER_TASK, POWER, application_problems
from .columns import device_documents as device_documents
from .columns import layout as layout
from .columns import problems as columns_problems
from .instance import Instance
from .model import LOCAL, UNLIMITED, Application, Devices, Group, Normalise, OffloadPoints
from .rules import document_problems as document_problems
from .rules import header_problems
from .solution import Solution


def from_document(document: Document) -> Instance:
    """The instance of a sound document."""
    return _build(*_split(document))


def _split(document: Document) -> tuple[Document, Columns]:
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
        **{f"power.{key}": _floats([device["power"][key] for device in devices]) for key in POWER},
    }
    for key in ("uplink", "downlink"):
        given = [device.get(key) for device in devices]
        columns[key] = _floats([np.nan if rate is None else rate for rate in given])
    columns["position"] = _positions(devices)
    for i, item in enumerate(header["applications"]):
        members = [devices[m] for m in np.flatnonzero(application == i)]
        if members:
            for key in PER_TASK:
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


def _build(header: Document, columns: Columns) -> Instance:
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
        **{key: _unsigned(columns[f"power.{key}"]) for key in POWER},
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


def validated(header: Document, columns: Columns, source: str) -> Instance:
    """The instance of a header and columns from outside: a columnar file, a generator, an importer.

    Raises
    ------
    InputError
        With every problem found; ``source`` says where the data came from.
    """
    found = columns_problems(header, columns)
    if found:
        raise InputError(source, found)
    return _build(header, columns)


def header_and_columns(instance: Instance) -> tuple[Document, Columns]:
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
        **{f"power.{key}": getattr(devices, key) for key in POWER},
    }
    for key in ("uplink", "downlink"):
        rate = getattr(devices, key)
        default = linked & (rate == getattr(points, key)[devices.connected_to])
        columns[key] = np.where(default, np.nan, rate)
    for group in instance.groups:
        i = devices.application[group.members[0]]
        for key in PER_TASK:
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


def fingerprint(instance: Instance) -> str:
    """SHA-256 of the canonical form, which leaves out positions, nulls and defaults, too."""
    header, columns = header_and_columns(instance)
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


def from_archive(archive: Archive) -> Instance:
    """The instance of a columnar file.

    Raises
    ------
    InputError
        If the file is damaged or its columns do not fit its header.
    """
    header, described = archive.header, archive.described
    problems = header_problems(header)
    if not isinstance(described, dict):
        problems.append(("columns", f"must be an object, not {shown(described)}"))
    # The shapes follow from the header and these two columns.
    ids = [] if problems else archive.json("columns/id")
    if not isinstance(ids, list):
        problems.append(("columns/id", f"must be a list, not {shown(ids)}"))
    if problems:
        raise InputError(archive.source, problems)
    known: Columns = {"id": ids, "application": archive.column("application", Column((len(ids),), "<i4"))}
    problems = application_problems(header, known)
    if problems:
        raise InputError(archive.source, problems)
    columns = archive.columns(layout(header, known), known)
    return validated(header, columns, str(archive.source))


def solution_keys(solution: Solution, instance: Instance) -> Document:
    """What a solution file holds beside the decisions: nothing."""
    return {}


def decisions(solution: Solution, instance: Instance) -> Iterator[tuple[str, list[str | None]]]:
    """The decisions of each device, as in the file."""
    return solution.decisions(instance)


def solution_of(document: Document, instance: Instance) -> Solution:
    """The decisions of a sound solution document."""
    number = {name: n for n, name in enumerate(instance.points.ids)}
    decisions = document["decisions"]
    rows = ([number.get(place, LOCAL) for place in decisions[name]] for name in instance.devices.ids)
    return Solution.from_rows(instance, list(rows))


def decision_problems(document: Document, instance: Instance) -> Iterator[Problem]:
    """Where the decisions of a solution do not fit the instance."""
    if document.get("split") is not None:
        yield "split", "belongs to a solution of a hybrid instance"
    decisions = document["decisions"]
    points = {None, *instance.points.ids}
    known = set(instance.devices.ids)
    for name in decisions:
        if name not in known:
            yield place("decisions", [name]), "unknown device"
    sizes = [application.size for application in instance.applications]
    for name, number in zip(instance.devices.ids, instance.devices.application.tolist(), strict=True):
        if name not in decisions:
            yield place("decisions", [name]), "is missing"
            continue
        places = decisions[name]
        if len(places) != sizes[number]:
            what = f"must have {sizes[number]} entries, one for each subtask, not {len(places)}"
            yield place("decisions", [name]), what
        for k, point in enumerate(places):
            if point not in points:
                yield place("decisions", [name, k]), f"unknown offload point {shown(point)}"
