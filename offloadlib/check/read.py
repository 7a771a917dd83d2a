"""Instances from parsed documents, in either form."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any, NamedTuple

from .data import (
    Application,
    Device,
    HybridDevice,
    HybridInstance,
    Instance,
    OffloadPoint,
    Problem,
    Unusable,
    default_edge_data,
)
from .parse import (
    APPLICATION,
    DEVICE,
    FRAME,
    FRAME_OPTIONAL,
    HYBRID_DEVICE,
    POINT,
    Parser,
    Record,
    identifier,
    shown_as,
)


def check_marks(document: Any, marks: dict[str, Parser], file: str) -> None:
    """Refuse a document of another format, version or kind before complaining about all else in it."""
    if type(document) is not dict:
        raise Unusable(file, [("", f"{shown_as(document)} is not an object")])
    problems: list[Problem] = []
    Record(marks, {})(problems, {key: document[key] for key in marks if key in document}, "")
    if problems:
        raise Unusable(file, problems)


class Frame(NamedTuple):
    """An instance without its devices; where problems were noted, as far as it could be read.

    An application that could not be read is None, so that a device may still name it.
    """

    normalise: str
    applications: dict[str, Application | None]
    points: list[OffloadPoint]
    point_index: dict[str, int]
    body: Any  # what holds the devices: the value of "devices", or of "columns"


def hybrid_instance(
    problems: list[Problem], fields: dict[str, Any], documents: Iterable[Any], file: str
) -> HybridInstance:
    """Read the devices of a hybrid instance and put it together."""
    devices: dict[str, HybridDevice] = {}
    tasks = 0
    for i, document in enumerate(documents):
        record = HYBRID_DEVICE(problems, document, f"devices[{i}]")
        sizes = record.get("sizes")
        if sizes == []:
            problems.append((f"devices[{i}].sizes", "is empty"))
        elif sizes and len(sizes) != (tasks := tasks or len(sizes)):
            what = f"has {len(sizes)} numbers instead of {tasks}, as those of the first device"
            problems.append((f"devices[{i}].sizes", what))
        if _is_new(problems, record, f"devices[{i}]", devices):
            devices[record["id"]] = HybridDevice(record["id"], record.get("weight", 1.0), sizes or [])
    if problems:
        raise Unusable(file, problems)
    return HybridInstance(fields["parameters"], list(devices.values()))


def structured_instance(
    problems: list[Problem], frame: Frame, documents: Iterable[Any], file: str
) -> Instance:
    """Read the devices and put the instance together."""
    seen: set[str] = set()
    devices = [
        _device(problems, frame, document, f"devices[{i}]", seen) for i, document in enumerate(documents)
    ]
    if problems:
        raise Unusable(file, problems)
    return Instance(
        frame.normalise,
        [application for application in frame.applications.values() if application],
        frame.points,
        [device for device in devices if device],
    )


def read_frame(problems: list[Problem], document: dict[str, Any], body: str, parser: Parser) -> Frame:
    fields = Record({**FRAME, body: parser}, FRAME_OPTIONAL)(problems, document, "")
    applications: dict[str, Application | None] = {}
    for i, item in enumerate(fields.get("applications", [])):
        record = APPLICATION(problems, item, f"applications[{i}]")
        if _is_new(problems, record, f"applications[{i}]", applications):
            applications[record["id"]] = _application(problems, record, f"applications[{i}]")
    points: list[OffloadPoint] = []
    point_index: dict[str, int] = {}
    for i, item in enumerate(fields.get("offload_points", [])):
        record = POINT(problems, item, f"offload_points[{i}]")
        if _is_new(problems, record, f"offload_points[{i}]", point_index):
            point_index[record["id"]] = i
        points.append(OffloadPoint(*map(record.get, OffloadPoint._fields)))  # type: ignore[arg-type]
    normalise = fields.get("cost", {}).get("normalise", "")
    return Frame(normalise, applications, points, point_index, fields.get(body))


def _is_new(problems: list[Problem], record: dict[str, Any], path: str, seen: Container[str]) -> bool:
    """Tell whether a record has an id that no earlier one has."""
    if record.get("id") in seen:
        problems.append((f"{path}.id", f"duplicate id {record['id']!r}"))
        return False
    return "id" in record


def _application(problems: list[Problem], record: dict[str, Any], path: str) -> Application | None:
    before = len(problems)
    index: dict[str, int] = {}
    for k, subtask in enumerate(record.get("subtasks", [])):
        if identifier(problems, subtask, f"{path}.subtasks[{k}]") and index.setdefault(subtask, k) != k:
            problems.append((f"{path}.subtasks[{k}]", f"duplicate id {subtask!r}"))
    edges: dict[tuple[int, int], None] = {}  # a dictionary for its order and its quick look-up
    for i, edge in enumerate(record.get("edges", [])):
        where = f"{path}.edges[{i}]"
        if type(edge) is not list or len(edge) != 2 or not all(type(end) is str for end in edge):
            problems.append((where, "is not an array of the ids of two subtasks"))
            continue
        problems += [(where, f"unknown subtask {end!r}") for end in edge if index and end not in index]
        arc = (index.get(edge[0], -1), index.get(edge[1], -1))
        if arc in edges and -1 not in arc:
            problems.append((where, f"duplicate arc from {edge[0]!r} to {edge[1]!r}"))
        edges[arc] = None
    if len(problems) > before or "subtasks" not in record or "edges" not in record:
        return None
    return _graph(problems, record["id"], record["subtasks"], list(edges), path)


def _graph(
    problems: list[Problem], name: str, subtasks: list[str], edges: list[tuple[int, int]], path: str
) -> Application | None:
    """Order the subtasks of an application (Kahn), or name a cycle."""
    parents: list[list[int]] = [[] for _ in subtasks]
    children: list[list[int]] = [[] for _ in subtasks]
    for j, k in edges:
        parents[k].append(j)
        children[j].append(k)
    missing = [len(known) for known in parents]
    heads = [k for k, count in enumerate(missing) if not count]
    order = list(heads)
    for j in order:  # grows while it is read
        for k in children[j]:
            missing[k] -= 1
            if not missing[k]:
                order.append(k)
    if len(order) < len(subtasks):
        cycle = " -> ".join(repr(subtasks[k]) for k in _cycle(parents, set(order)))
        problems.append((f"{path}.edges", f"the graph has a cycle: {cycle}"))
        return None
    tails = [k for k, following in enumerate(children) if not following]
    return Application(name, subtasks, edges, order, parents, heads, tails)


def _cycle(parents: list[list[int]], ordered: set[int]) -> list[int]:
    """Return a cycle: a subtask that has no place in the order has a parent that has none either."""
    walk: dict[int, None] = {}
    k = next(k for k in range(len(parents)) if k not in ordered)
    while k not in walk:
        walk[k] = None
        k = next(j for j in parents[k] if j not in ordered)
    trail = list(walk)
    return [k, *reversed(trail[trail.index(k) :])]


def _device(problems: list[Problem], frame: Frame, document: Any, path: str, seen: set[str]) -> Device | None:
    before = len(problems)
    fields = DEVICE(problems, document, path)
    if _is_new(problems, fields, path, seen):
        seen.add(fields["id"])
    name = fields.get("application")
    application = frame.applications.get(name) if name else None
    if name and frame.applications and name not in frame.applications:
        problems.append((f"{path}.application", f"unknown application {name!r}"))
    if application:
        for key in ("work", "input", "output", "edge_data"):
            expected = len(application.edges if key == "edge_data" else application.subtasks)
            if len(fields.get(key, ())) != expected and key in fields:
                problems.append((f"{path}.{key}", f"has {len(fields[key])} numbers instead of {expected}"))
    connection = fields.get("connected_to")
    if connection and frame.point_index and connection not in frame.point_index:
        problems.append((f"{path}.connected_to", f"unknown offload point {connection!r}"))
    if len(problems) == before and frame.normalise == "local":
        _check_normalisers(problems, fields, path)
    if problems or not application:  # no instance will come of it, here or elsewhere something is wrong
        return None
    point = frame.point_index[connection] if connection else None
    station = None if point is None else frame.points[point]
    return Device(
        fields["id"],
        application,
        fields["cpu"],
        fields["power"]["execute"],
        fields["power"]["send"],
        fields["power"]["receive"],
        point,
        fields.get("uplink", station and station.uplink),
        fields.get("downlink", station and station.downlink),
        fields["alpha"],
        fields["work"],
        fields["input"],
        fields["output"],
        fields.get("edge_data") or default_edge_data(application, fields["output"]),
    )


def _check_normalisers(problems: list[Problem], fields: dict[str, Any], path: str) -> None:
    """All-local delay and energy divide the cost: where one is 0, its weight must be 0."""
    if not any(fields["work"]) and fields["alpha"] != 0:
        problems.append((path, "the all-local delay is 0, so the cost cannot be normalised by it"))
    if not (any(fields["work"]) and fields["power"]["execute"]) and fields["alpha"] != 1:
        problems.append((path, "the all-local energy is 0, so the cost cannot be normalised by it"))
