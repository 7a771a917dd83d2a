"""Instances from parsed documents, in either form."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from .data import (
    LOCAL,
    PLAIN,
    SUBTASKS,
    Application,
    Device,
    Entry,
    HybridDevice,
    HybridInstance,
    Instance,
    OffloadPoint,
    Problem,
    SharedLimit,
    Terms,
    Unusable,
    default_edge_data,
)
from .parse import (
    APPLICATION,
    DEVICE,
    DEVICE_2,
    FRAME,
    FRAME_2,
    FRAME_2_OPTIONAL,
    FRAME_OPTIONAL,
    HYBRID_DEVICE,
    LIMIT,
    POINT,
    POINT_2,
    Parser,
    Record,
    identifier,
    joined,
    shown_as,
    whole_number,
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
    version: int = 1
    objective: str = "sum"
    resources: Sequence[str] = ()
    known: Container[str] | None = None  # what may be limited; None: that could not be read
    limits: Sequence[SharedLimit] = ()
    totals: Mapping[str, float] = MappingProxyType({})


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
        frame.objective,
        frame.resources,
        frame.limits,
        frame.totals,
    )


def read_frame(problems: list[Problem], document: dict[str, Any], body: str, parser: Parser) -> Frame:
    second = document["version"] == 2
    frame, optional = (FRAME, FRAME_OPTIONAL) if not second else (FRAME_2, FRAME_2_OPTIONAL)
    fields = Record({**frame, body: parser}, optional)(problems, document, "")
    applications: dict[str, Application | None] = {}
    for i, item in enumerate(fields.get("applications", [])):
        record = APPLICATION(problems, item, f"applications[{i}]")
        if _is_new(problems, record, f"applications[{i}]", applications):
            applications[record["id"]] = _application(problems, record, f"applications[{i}]")
    resources = fields.get("resources", [])
    if SUBTASKS in resources:
        problems.append((f"resources[{resources.index(SUBTASKS)}]", f"{SUBTASKS!r} is built in"))
    # Where the names could not be read, nothing is said of unknown ones.
    unread = document.get("resources") not in (None, []) and not resources
    known = None if unread else {SUBTASKS, *resources}
    points: list[OffloadPoint] = []
    point_index: dict[str, int] = {}
    for i, item in enumerate(fields.get("offload_points", [])):
        record = (POINT_2 if second else POINT)(problems, item, f"offload_points[{i}]")
        if _is_new(problems, record, f"offload_points[{i}]", point_index):
            point_index[record["id"]] = i
        if second:
            _unknown_keys(problems, record.get("capacity", {}), known, f"offload_points[{i}].capacity")
            points.append(_point(record))
        else:
            points.append(OffloadPoint(*map(record.get, _POINT)))  # type: ignore[arg-type]
    cost = fields.get("cost", {})
    result = Frame(cost.get("normalise", ""), applications, points, point_index, fields.get(body))
    if not second:
        return result
    if fields.get("totals") == {} and type(document["totals"]) is dict:
        problems.append(("totals", "caps neither energy nor delay"))
    return result._replace(
        version=2,
        objective=cost.get("objective", "sum"),
        resources=resources,
        known=known,
        limits=_limits(problems, fields.get("limits", []), known, point_index),
        totals=fields.get("totals", {}),
    )


_POINT = ("id", "cpu", "capacity", "uplink", "downlink", "channels")


def _point(record: dict[str, Any]) -> OffloadPoint:
    room, fee = dict(record.get("capacity", {})), record.get("fee", {})
    record = record | {"capacity": room.pop(SUBTASKS, None)}
    point = OffloadPoint(*map(record.get, _POINT))  # type: ignore[arg-type]
    return point._replace(room=room, fee=fee.get("subtask", 0.0), fee_work=fee.get("work", 0.0))


def _limits(
    problems: list[Problem], items: Iterable[Any], known: Container[str] | None, points: Mapping[str, int]
) -> list[SharedLimit]:
    limits: dict[str, SharedLimit] = {}
    for i, item in enumerate(items):
        before, where = len(problems), f"limits[{i}]"
        record = LIMIT(problems, item, where)
        new = _is_new(problems, record, where, limits)
        if "resource" in record and known is not None and record["resource"] not in known:
            problems.append((f"{where}.resource", f"unknown resource {record['resource']!r}"))
        if record.get("resource") == SUBTASKS and "capacity" in record:
            whole_number(problems, record["capacity"], f"{where}.capacity")
        names = record.get("points", [])
        problems += [
            (f"{where}.points[{k}]", f"unknown offload point {name!r}")
            for k, name in enumerate(names)
            if points and name not in points
        ]
        if new and len(problems) == before:
            places = [points.get(name, -1) for name in names]  # -1: the points could not be read
            limits[record["id"]] = SharedLimit(record["id"], record["resource"], places, record["capacity"])
    return list(limits.values())


def _unknown_keys(
    problems: list[Problem],
    names: Iterable[str],
    known: Container[str] | None,
    path: str,
    what: str = "resource",
) -> None:
    if known is not None:
        problems += [(joined(path, name), f"unknown {what} {name!r}") for name in names if name not in known]


def _check_demand(problems: list[Problem], frame: Frame, demand: Iterable[str], path: str) -> None:
    if SUBTASKS in demand:
        problems.append((joined(path, SUBTASKS), "is built in: each subtask demands 1"))
    _unknown_keys(problems, demand, frame.known, path)


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
    fields = (DEVICE if frame.version == 1 else DEVICE_2)(problems, document, path)
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
    terms = PLAIN if frame.version == 1 else _terms(problems, frame, application, fields, path)
    if len(problems) == before and frame.normalise == "local":
        _check_normalisers(problems, fields, terms, path)
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
        terms,
    )


def _terms(
    problems: list[Problem], frame: Frame, application: Application | None, fields: dict[str, Any], path: str
) -> Terms:
    """Read what version 2 says of a device, without what is default."""
    if application is None:
        return PLAIN
    subtasks = {name: k for k, name in enumerate(application.subtasks)}
    everywhere = frozenset(range(LOCAL, len(frame.points)))
    allowed = {}
    given = fields.get("allowed", {})
    _unknown_keys(problems, given, subtasks, f"{path}.allowed", "subtask")
    for name, names in given.items():
        places = [
            _place(problems, frame, item, f"{joined(f'{path}.allowed', name)}[{i}]")
            for i, item in enumerate(names)
        ]
        if name in subtasks and frozenset(places) != everywhere:
            allowed[subtasks[name]] = frozenset(places)
    demand = fields.get("demand", {})
    _check_demand(problems, frame, demand, f"{path}.demand")
    for name, row in demand.items():
        if len(row) != len(subtasks):
            where = joined(f"{path}.demand", name)
            problems.append((where, f"has {len(row)} numbers instead of {len(subtasks)}"))
    latency = fields.get("latency", {})
    terms = Terms(
        demand={name: row for name, row in demand.items() if any(row)},
        at=_entries(problems, frame, subtasks, fields.get("at", ()), f"{path}.at"),
        allowed=allowed,
        latency_up=latency.get("up", 0.0),
        latency_down=latency.get("down", 0.0),
        deadline=fields.get("deadline"),
        energy_budget=fields.get("energy_budget"),
        rejection=fields.get("rejection"),
        weight=fields.get("weight", 1.0),
    )
    return PLAIN if terms == PLAIN else terms


def _entries(
    problems: list[Problem],
    frame: Frame,
    subtasks: Mapping[str, int],
    items: Iterable[tuple[int, Any]],
    path: str,
) -> dict[tuple[int, int], Entry]:
    found: dict[tuple[int, int], Entry] = {}
    for i, item in items:
        if not item:
            continue
        where, demand = f"{path}[{i}]", item.get("demand", {})
        if "subtask" in item and item["subtask"] not in subtasks:
            problems.append((f"{where}.subtask", f"unknown subtask {item['subtask']!r}"))
        place = _place(problems, frame, item.get("point"), f"{where}.point")
        if place == LOCAL and "demand" in item:
            problems.append((f"{where}.demand", "is of a subtask that runs locally, which demands nothing"))
        else:
            _check_demand(problems, frame, demand, f"{where}.demand")
        if not demand and item.get("execution") is None and item.get("fee") is None:
            problems.append((where, "changes nothing"))
        key = (subtasks.get(item.get("subtask"), -1), place)
        if key in found and key[0] >= 0:
            problems.append((where, f"a second entry for subtask {item['subtask']!r} at that place"))
        found[key] = Entry(item.get("execution"), item.get("fee"), demand)
    return found


def _place(problems: list[Problem], frame: Frame, name: str | None, path: str) -> int:
    if name is None:
        return LOCAL
    if frame.point_index and name not in frame.point_index:
        problems.append((path, f"unknown offload point {name!r}"))
    return frame.point_index.get(name, len(frame.points))


def _check_normalisers(problems: list[Problem], fields: dict[str, Any], terms: Terms, path: str) -> None:
    """All-local delay and energy divide the cost: where one is 0, its weight must be 0."""
    takes_time = any(fields["work"])
    if terms.at:
        entries = (terms.at.get((k, LOCAL)) for k in range(len(fields["work"])))
        seconds = [
            work if entry is None or entry.execution is None else entry.execution
            for work, entry in zip(fields["work"], entries, strict=True)
        ]
        takes_time = any(seconds)
    if not takes_time and fields["alpha"] != 0:
        problems.append((path, "the all-local delay is 0, so the cost cannot be normalised by it"))
    if not (takes_time and fields["power"]["execute"]) and fields["alpha"] != 1:
        problems.append((path, "the all-local energy is 0, so the cost cannot be normalised by it"))
