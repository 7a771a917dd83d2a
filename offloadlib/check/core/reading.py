"""A JSON instance into data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from . import forms
from .forms import insist

LOCAL = -1  # the place of a subtask that stays on its device; n >= 0 is the n-th offload point
SUBTASKS = "subtasks"  # the resource that each subtask demands 1 of, at any offload point


class Application(NamedTuple):
    """A directed acyclic graph of subtasks: arcs (j, k), an order in which each j comes before its k, and the
    numbers of the arcs into each subtask and out of it."""

    id: str
    subtasks: dict[str, int]
    edges: list[tuple[int, int]]
    order: list[int]
    into: list[list[int]]
    out: list[list[int]]


class Point(NamedTuple):
    """An offload point, with room for subtasks and other resources: what it lacks has no limit."""

    id: str
    cpu: float
    uplink: float
    downlink: float
    room: dict[str, float]
    channels: int | None = None
    fee: Mapping[str, float] = {}


class Entry(NamedTuple):
    """What differs for a subtask at a place."""

    execution: float | None = None
    fee: float | None = None
    demand: Mapping[str, float] = {}


class Device(NamedTuple):
    """A device; without a connection `connected_to` is None."""

    id: str
    application: Application
    cpu: float
    power: dict[str, float]
    connected_to: int | None
    alpha: float
    work: list[float]
    input: list[float]
    output: list[float]
    edge_data: list[float]
    at: dict[tuple[int, int], Entry]
    allowed: dict[int, frozenset[int]]
    uplink: float | None = None
    downlink: float | None = None
    demand: Mapping[str, list[float]] = {}
    latency: Mapping[str, float] = {}
    deadline: float | None = None
    energy_budget: float | None = None
    rejection: float | None = None
    weight: float = 1.0


class Limit(NamedTuple):
    """What subtasks at some points may demand together of a resource."""

    id: str
    resource: str
    points: list[int]
    capacity: float


class Instance(NamedTuple):
    """A structured instance of version 1 or 2; `places` numbers the points by name, and null as `LOCAL`."""

    normalise: str
    objective: str
    resources: dict[str, int]
    applications: dict[str, Application]
    points: list[Point]
    devices: list[Device]
    limits: dict[str, Limit]
    totals: dict[str, float]
    version: int
    places: dict[str | None, int]


def read_instance(path: forms.File) -> Instance:
    """Read an instance."""
    document, where = forms.load(path), str(path)
    second = document.get("version") == 2
    top = (forms.INSTANCE_2 if second else forms.INSTANCE)(document, where)
    insist(second or "objective" not in top["cost"], where, "an objective is of version 2")
    resources = forms.numbered(top.get("resources", []), "resources")
    insist(SUBTASKS not in resources, where, f"{SUBTASKS} is built in")
    graphs = [_application(record, f"{where}: {record['id']}") for record in top["applications"]]
    applications = forms.by_id(graphs, "applications")
    items = enumerate(top["offload_points"])
    points = [_point(one, f"offload_points[{i}]", resources, second) for i, one in items]
    places: dict[Any, int] = {None: LOCAL, **forms.numbered([one.id for one in points], "offload_points")}
    records = top.get("limits", [])
    limits = forms.by_id([_limit(one, "limits", resources, places) for one in records], "limits")
    objective, totals = top["cost"].get("objective", "sum"), top.get("totals", {})
    rules = top["cost"]["normalise"], objective, resources
    instance = Instance(*rules, applications, points, [], limits, totals, top["version"], places)
    instance.devices.extend(_device(one, f"devices[{i}]", instance) for i, one in enumerate(top["devices"]))
    insist(forms.by_id(instance.devices, "devices"), where, "there are no devices")
    return instance


def _limit(record: dict[str, Any], where: str, resources: Any, places: Mapping[Any, int]) -> Limit:
    insist(record["resource"] == SUBTASKS or record["resource"] in resources, where, "unknown resource")
    size = forms.whole if record["resource"] == SUBTASKS else forms.number
    points = [forms.known(point, where, places) for point in forms.numbered(record["points"], where)]
    insist(points, where, "there are no points")
    return Limit(record["id"], record["resource"], points, size(record["capacity"], where))


def _application(record: dict[str, Any], where: str) -> Application:
    subtasks = forms.numbered(record["subtasks"], where)
    insist(subtasks, where, "there are no subtasks")
    insist(all(len(edge) == 2 for edge in record["edges"]), where, "an edge is not a pair")
    edges = [(forms.known(j, where, subtasks), forms.known(k, where, subtasks)) for j, k in record["edges"]]
    insist(len(set(edges)) == len(edges), where, "an edge is repeated")
    into: list[list[int]] = [[] for _ in subtasks]
    out: list[list[int]] = [[] for _ in subtasks]
    for a, (j, k) in enumerate(edges):
        out[j].append(a)
        into[k].append(a)
    missing = [len(arcs) for arcs in into]
    order = [k for k, count in enumerate(missing) if not count]
    for j in order:  # grows while it is read
        for _, k in (edges[a] for a in out[j]):
            missing[k] -= 1
            order += [k] * (not missing[k])
    insist(len(order) == len(subtasks), where, "the graph has a cycle")
    return Application(record["id"], subtasks, edges, order, into, out)


def _point(value: Any, where: str, resources: Mapping[str, int], second: bool) -> Point:
    insist(type(value) is dict, where, "is not an object")
    room = value.get("capacity")
    if second and type(room) is dict:
        room = forms.by_name(forms.number)(room, where)
        insist(room.keys() - {SUBTASKS} <= resources.keys(), where, "an unknown resource")
        value = value | {"capacity": room.get(SUBTASKS, 0)}
    record = (forms.POINT_2 if second else forms.POINT)(value, where)
    capacity, _ = record.pop("capacity"), record.pop("position", None)
    return Point(**record, room=room if type(room) is dict else {SUBTASKS: capacity})


def _device(value: Any, where: str, instance: Instance) -> Device:
    record = (forms.DEVICE if instance.version == 1 else forms.DEVICE_2)(value, where)
    record.pop("position", None)
    insist(record["application"] in instance.applications, where, "unknown application")
    application = record["application"] = instance.applications[record["application"]]
    station = None
    if record["connected_to"] is not None:
        record["connected_to"] = forms.known(record["connected_to"], where, instance.places)
        station = instance.points[record["connected_to"]]
    for key in ("uplink", "downlink"):
        record.setdefault(key, getattr(station, key, None))
    count = len(application.subtasks)
    rows = [record["work"], record["input"], record["output"], *record.get("demand", {}).values()]
    insist(all(len(row) == count for row in rows), where, "a row of numbers is not one for each subtask")
    record.setdefault("edge_data", [record["output"][j] for j, _ in application.edges])
    insist(len(record["edge_data"]) == len(application.edges), where, "edge_data is not one for each arc")
    insist(record.get("demand", {}).keys() <= instance.resources.keys(), where, "an unknown resource")
    record["allowed"] = _allowed(record, f"{where}.allowed", instance)
    record["at"] = _entries(record, f"{where}.at", instance)
    device = Device(**record)
    if instance.normalise == "local":
        entries = [device.at.get((k, LOCAL), Entry()).execution for k in range(count)]
        takes = any(device.work[k] if time is None else time for k, time in enumerate(entries))
        insist(takes or device.alpha == 0, where, "the all-local delay is 0")
        insist((takes and device.power["execute"]) or device.alpha == 1, where, "the all-local energy is 0")
    return device


def _allowed(record: dict[str, Any], where: str, instance: Instance) -> dict[int, frozenset[int]]:
    found = {}
    for subtask, names in record.get("allowed", {}).items():
        k = forms.known(subtask, where, record["application"].subtasks)
        found[k] = frozenset(forms.known(place, where, instance.places) for place in names)
        insist(len(found[k]) == len(names), where, "a place is repeated")
    return found


def _entries(record: dict[str, Any], where: str, instance: Instance) -> dict[tuple[int, int], Entry]:
    found: dict[tuple[int, int], Entry] = {}
    for one in record.get("at", []):
        k = forms.known(one.pop("subtask"), where, record["application"].subtasks)
        n = forms.known(one.pop("point"), where, instance.places)
        insist("demand" not in one or n != LOCAL, where, "a demand of what is local")
        insist(one.get("demand", {}).keys() <= instance.resources.keys(), where, "an unknown resource")
        insist((k, n) not in found and Entry(**one) != Entry(), where, "is repeated, or changes nothing")
        found[k, n] = Entry(**one)
    return found
