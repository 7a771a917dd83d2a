"""How structured instances and their solutions stand in files: what :mod:`.instances.files` asks of a kind.

Reading goes document -> (header, columns) -> :class:`~.structured.instance.Instance`, from a columnar file
without the first step; writing and the fingerprint go the other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, frozen
from ..errors import InputError, Problem, place, shown
from ..files import canonical
from ..files.archive import Archive, ColumnForm, Columns
from ..files.document import Document, instance_header, without_nulls
from .columnar import LATENCY, LIMITS, LISTS, PER_TASK, POWER, application_problems, is_second
from .columnar import device_documents as device_documents
from .columnar import layout as layout
from .columnar import problems as columns_problems
from .instance import Instance
from .model import (
    LOCAL,
    REFUSED,
    SUBTASKS,
    UNLIMITED,
    Allowed,
    Application,
    Devices,
    Exceptions,
    Group,
    Normalise,
    OffloadPoints,
    SharedLimit,
    Totals,
)
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
            if document["version"] == 2:
                columns |= _second_of_group(header, i, members)
    if document["version"] == 2:
        columns |= _second(devices)
    return header, columns


def _second(devices: list[Document]) -> Iterator[tuple[str, Floats]]:
    """The columns of all devices that are of version 2, where they are used."""
    for key in (*LIMITS, *LATENCY):
        part, _, name = key.partition(".")
        parts = devices if not name else [device.get(part) or {} for device in devices]
        given = [item.get(name or part) for item in parts]
        if any(value is not None for value in given):
            yield key, _floats([np.nan if value is None else value for value in given])


def _second_of_group(header: Document, i: int, members: list[Document]) -> Iterator[tuple[str, Any]]:
    """The columns of an application's devices that are of version 2, where they are used."""
    for key in LISTS:
        given = [device.get(key) or None for device in members]
        if any(given):
            yield f"{key}.{i}", given
    if any(device.get("demand") for device in members):
        resources = header.get("resources") or ()
        demand = np.full((len(members), len(resources), len(header["applications"][i]["subtasks"])), np.nan)
        for row, device in zip(demand, members, strict=True):
            named = device.get("demand") or {}
            for r, name in enumerate(resources):
                if name in named:
                    row[r] = named[name]
        yield f"demand.{i}", demand


def _floats(values: list[Any]) -> Floats:
    return np.array(values, dtype=np.float64)


def _positions(items: list[Document]) -> Floats:
    nowhere = [np.nan, np.nan]
    return _floats([nowhere if item.get("position") is None else item["position"] for item in items])


def _build(header: Document, columns: Columns) -> Instance:
    """The instance of a sound header and sound columns."""
    resources = tuple(header.get("resources") or ())
    points = _points(header["offload_points"], resources)
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
        **{key: _given(columns, name, size, default) for key, (name, default) in _SECOND.items()},
    )
    return Instance(
        name=header["name"],
        description=header.get("description"),
        source=header.get("source"),
        normalise=header["cost"]["normalise"],
        applications=applications,
        points=points,
        devices=devices,
        groups=tuple(_groups(applications, number, columns, resources, points.ids)),
        objective=header["cost"].get("objective") or "sum",
        resources=resources,
        shared=tuple(_shared(header, resources, points.ids)),
        totals=_totals(header.get("totals") or {}),
    )


_SECOND = {
    "latency_up": ("latency.up", 0.0),
    "latency_down": ("latency.down", 0.0),
    "deadline": ("deadline", np.inf),
    "energy_budget": ("energy_budget", np.inf),
    "rejection": ("rejection", np.nan),
    "weight": ("weight", 1.0),
}
"""Attribute of the devices -> column of version 2, and what holds where nothing is given."""


def _given(columns: Columns, name: str, size: int, default: float) -> Floats:
    values = columns.get(name)
    if values is None:
        return frozen(np.full(size, default), np.float64)
    return _unsigned(np.where(np.isnan(values), default, values))


def _shared(header: Document, resources: tuple[str, ...], points: tuple[str, ...]) -> Iterator[SharedLimit]:
    number = {name: n for n, name in enumerate(points)}
    for item in header.get("limits") or ():
        resource = -1 if item["resource"] == SUBTASKS else resources.index(item["resource"])
        chosen = frozen(sorted(number[name] for name in item["points"]), np.int64)
        yield SharedLimit(item["id"], resource, chosen, float(item["capacity"]) + 0.0)


def _totals(caps: Document) -> Totals:
    return Totals(**{key: float(value) + 0.0 for key, value in caps.items() if value is not None})


def _unsigned(values: Floats) -> Floats:
    """Read-only, with -0 turned into 0, so that equal instances have equal bits."""
    return frozen(np.asarray(values, dtype=np.float64) + 0.0, np.float64)


def _points(items: list[Document], resources: tuple[str, ...]) -> OffloadPoints:
    given = [item["capacity"] for item in items]
    amounts = [capacity if isinstance(capacity, dict) else {SUBTASKS: capacity} for capacity in given]
    fees = [without_nulls(item.get("fee") or {}) for item in items]
    channels = [UNLIMITED if item.get("channels") is None else int(item["channels"]) for item in items]
    return OffloadPoints(
        ids=tuple(item["id"] for item in items),
        cpu=frozen([item["cpu"] for item in items], np.float64),
        capacity=frozen([int(amount.get(SUBTASKS, UNLIMITED)) for amount in amounts], np.int64),
        uplink=frozen([item["uplink"] for item in items], np.float64),
        downlink=frozen([item["downlink"] for item in items], np.float64),
        channels=frozen(channels, np.int64),
        position=_unsigned(_positions(items)),
        room=_unsigned(
            _floats([[amount.get(name, np.inf) for amount in amounts] for name in resources]).reshape(
                len(resources), len(items)
            )
        ),
        fee_subtask=_unsigned(_floats([fee.get("subtask", 0.0) for fee in fees])),
        fee_work=_unsigned(_floats([fee.get("work", 0.0) for fee in fees])),
    )


def _application(item: Document) -> Application:
    number = {name: k for k, name in enumerate(item["subtasks"])}
    edges = tuple((number[j], number[k]) for j, k in item["edges"])
    return Application(item["id"], tuple(item["subtasks"]), edges)


def _groups(
    applications: tuple[Application, ...],
    number: NDArray[np.int64],
    columns: Columns,
    resources: tuple[str, ...],
    points: tuple[str, ...],
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
            demand=_demand(columns.get(f"demand.{i}"), len(resources), len(members), application.size),
            exceptions=_exceptions(columns.get(f"at.{i}") or (), application, points, resources),
            allowed=_allowed(columns.get(f"allowed.{i}") or (), application, points),
        )


def _demand(given: Floats | None, resources: int, rows: int, size: int) -> Floats:
    """(R, G, K) from (G, R, K)."""
    if given is None:
        return frozen(np.zeros((resources, rows, size)), np.float64)
    return _unsigned(np.nan_to_num(given).transpose(1, 0, 2))


def _exceptions(
    lists: Sequence[list[Document] | None],
    application: Application,
    points: tuple[str, ...],
    resources: tuple[str, ...],
) -> Exceptions:
    subtasks = {name: k for k, name in enumerate(application.subtasks)}
    places = {name: n for n, name in enumerate(points)} | {None: LOCAL}
    entries = sorted(
        ((row, subtasks[entry["subtask"]], places[entry["point"]]), entry)
        for row, items in enumerate(lists)
        for entry in items or ()
    )
    row, subtask, place = np.array([spot for spot, _ in entries], dtype=np.int64).reshape(-1, 3).T
    given = [without_nulls(entry) for _, entry in entries]
    demands = [[entry.get("demand", {}).get(name, np.nan) for entry in given] for name in resources]
    return Exceptions(
        row=frozen(row, np.int64),
        subtask=frozen(subtask, np.int64),
        place=frozen(place, np.int64),
        execution=_unsigned(_floats([entry.get("execution", np.nan) for entry in given])),
        fee=_unsigned(_floats([entry.get("fee", np.nan) for entry in given])),
        demand=_unsigned(_floats(demands).reshape(len(resources), len(given))),
    )


def _allowed(
    lists: Sequence[Mapping[str, list[str | None]] | None], application: Application, points: tuple[str, ...]
) -> Allowed:
    place = {name: n for n, name in enumerate((*points, None))}
    rows, subtasks, masks = [], [], []
    for row, allowed in enumerate(lists):
        for k, name in enumerate(application.subtasks):
            if allowed and name in allowed:
                mask = np.zeros(len(place), dtype=np.bool_)
                mask[[place[where] for where in allowed[name]]] = True
                if not mask.all():
                    rows.append(row)
                    subtasks.append(k)
                    masks.append(mask)
    places = np.array(masks, dtype=np.bool_).reshape(-1, len(place))
    return Allowed(frozen(rows, np.int64), frozen(subtasks, np.int64), frozen(places, np.bool_))


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
        columns |= _group_columns(instance, group, i)
    for key, (name, default) in _SECOND.items():
        values = getattr(devices, key)
        given = ~np.isnan(values) & (values != default)
        if given.any():
            columns[name] = np.where(given, values, np.nan)
    header = header_of(
        instance.applications,
        [_point(instance, n) for n in range(instance.num_points)],
        instance.normalise,
        name=instance.name,
        description=instance.description,
        source=instance.source,
        **_limits(instance),
    )
    if instance.objective != "sum":
        header["cost"]["objective"] = instance.objective
    return versioned(header, columns), columns


def _group_columns(instance: Instance, group: Group, i: int) -> Iterator[tuple[str, Any]]:
    """The columns of a group that are of version 2, where they are used."""
    if group.demand.any():
        demand = group.demand.transpose(1, 0, 2)
        yield f"demand.{i}", np.where(demand.any(axis=2, keepdims=True), demand, np.nan)
    if len(group.exceptions):
        yield f"at.{i}", _at(instance, group)
    if len(group.allowed):
        yield f"allowed.{i}", _allowed_lists(instance, group)


def _at(instance: Instance, group: Group) -> list[list[Document] | None]:
    """``at`` of each device of a group, by the names of subtasks and places, null first."""
    found: list[list[Document] | None] = [None] * len(group)
    entries, places = group.exceptions, (*instance.points.ids, None)
    numbers = np.stack([entries.execution, entries.fee, *entries.demand], axis=1)
    for row, k, n, given in zip(
        entries.row.tolist(), entries.subtask.tolist(), entries.place.tolist(), numbers.tolist(), strict=True
    ):
        execution, fee, *amounts = (None if np.isnan(number) else number for number in given)
        entry: Document = {
            "subtask": group.application.subtasks[k],
            "point": places[n],
            "execution": execution,
            "fee": fee,
            "demand": without_nulls(dict(zip(instance.resources, amounts, strict=True))) or None,
        }
        kept = {key: value for key, value in entry.items() if value is not None or key == "point"}
        found[row] = [*(found[row] or ()), kept]
    for items in found:
        if items:
            items.sort(key=lambda entry: (entry["subtask"], entry["point"] or ""))
    return found


def _allowed_lists(instance: Instance, group: Group) -> list[Document | None]:
    """``allowed`` of each device of a group, places by name, null first."""
    found: list[Document | None] = [None] * len(group)
    entries, places = group.allowed, (*instance.points.ids, None)
    for row, k, mask in zip(
        entries.row.tolist(), entries.subtask.tolist(), entries.places.tolist(), strict=True
    ):
        named = sorted(compress(places, mask), key=lambda name: name or "")
        found[row] = {**(found[row] or {}), group.application.subtasks[k]: named}
    return found


def _limits(instance: Instance) -> Document:
    """The keys of the header on what devices share, where they are used."""
    names = (*instance.resources, SUBTASKS)
    limits = [
        {
            "id": limit.id,
            "resource": names[limit.resource],
            "points": sorted(instance.points.ids[n] for n in limit.points),
            "capacity": limit.capacity,
        }
        for limit in instance.shared
    ]
    caps = instance.totals
    totals = {key: value for key, value in (("energy", caps.energy), ("delay", caps.delay)) if value < np.inf}
    found = {"resources": list(instance.resources), "limits": limits, "totals": totals}
    return {key: value for key, value in found.items() if value}


def versioned(header: Document, columns: Columns) -> Document:
    """The header with version 2 where a key of that version is used, else 1."""
    second = (
        any(key in header for key in ("resources", "limits", "totals"))
        or "objective" in header["cost"]
        or any("fee" in point or isinstance(point["capacity"], dict) for point in header["offload_points"])
        or is_second(columns)
    )
    return {**header, "version": 2 if second else 1}


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


def _point(instance: Instance, n: int) -> Document:
    points = instance.points
    channels, subtasks = int(points.channels[n]), int(points.capacity[n])
    room = dict(zip(instance.resources, points.room[:, n].tolist(), strict=True))
    amounts: Document = {name: amount for name, amount in room.items() if amount < np.inf}
    if subtasks != UNLIMITED:
        amounts[SUBTASKS] = subtasks
    fee = {"subtask": float(points.fee_subtask[n]), "work": float(points.fee_work[n])}
    item = {
        "id": points.ids[n],
        "cpu": float(points.cpu[n]),
        "capacity": subtasks if list(amounts) == [SUBTASKS] else amounts,
        "uplink": float(points.uplink[n]),
        "downlink": float(points.downlink[n]),
        "channels": None if channels == UNLIMITED else channels,
        "position": None if np.isnan(points.position[n, 0]) else points.position[n].tolist(),
        "fee": {key: value for key, value in fee.items() if value} or None,
    }
    return without_nulls(item)


def fingerprint(instance: Instance) -> str:
    """SHA-256 of the canonical form, which leaves out positions, nulls and defaults, too."""
    header, columns = header_and_columns(instance)
    for point in header["offload_points"]:
        point.pop("position", None)
    del columns["position"]
    devices = _connected(device_documents(header, columns))
    if "resources" in header:  # the columns are in their order
        header = {**header, "resources": sorted(header["resources"])}
    return canonical.fingerprint(header, devices)


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
    known: Columns = {"id": ids, "application": archive.column("application", ColumnForm((len(ids),), "<i4"))}
    problems = application_problems(header, known)
    if problems:
        raise InputError(archive.source, problems)
    expected = layout(header, known)
    second = layout({**header, "version": 2}, known)
    problems = [
        (place("columns", [name]), "is a column of version 2")
        for name in described
        if name in second and name not in expected
    ]
    if problems:
        raise InputError(archive.source, problems)
    columns = archive.columns(expected, known)
    return validated(header, columns, str(archive.source))


def solution_keys(solution: Solution, instance: Instance) -> Document:
    """What a solution file holds beside the decisions: its version where that is not 1."""
    return {"version": 2} if any((places == REFUSED).any() for places in solution.places) else {}


def decisions(solution: Solution, instance: Instance) -> Iterator[tuple[str, list[str | None] | None]]:
    """The decisions of each device, as in the file."""
    return solution.decisions(instance)


def solution_of(document: Document, instance: Instance) -> Solution:
    """The decisions of a sound solution document."""
    number = {name: n for n, name in enumerate(instance.points.ids)}
    rows = []
    sizes = [application.size for application in instance.applications]
    for name, a in zip(instance.devices.ids, instance.devices.application.tolist(), strict=True):
        places = document["decisions"][name]
        refused = places is None
        rows.append([REFUSED] * sizes[a] if refused else [number.get(place, LOCAL) for place in places])
    return Solution.from_rows(instance, rows)


def decision_problems(document: Document, instance: Instance) -> Iterator[Problem]:
    """Where the decisions of a solution do not fit the instance."""
    if document.get("split") is not None:
        yield "split", "belongs to a solution of a hybrid instance"
    decisions = document["decisions"]
    if decisions is None:
        return
    refusable = set(compress(instance.devices.ids, ~np.isnan(instance.devices.rejection)))
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
        if places is None:
            if name not in refusable:
                yield place("decisions", [name]), "must be a list: the device has no rejection"
            continue
        if len(places) != sizes[number]:
            what = f"must have {sizes[number]} entries, one for each subtask, not {len(places)}"
            yield place("decisions", [name]), what
        for k, point in enumerate(places):
            if point not in points:
                yield place("decisions", [name, k]), f"unknown offload point {shown(point)}"
