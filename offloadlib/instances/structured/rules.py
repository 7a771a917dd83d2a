"""Rules for files of structured instances beyond types and ranges: a function per rule, all problems at once.

The rules read the parsed JSON text and step over whatever the schema has already reported, so that
one run lists the problems of both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel

from ..errors import Problem, place, shown
from ..files.document import Document
from ..files.validate import duplicates, free_data, objects, structure, unique_ids
from .model import SUBTASKS
from .schema import DevicePart, DevicePart2, HeaderPart, HeaderPart2, InstanceFile, InstanceFile2


def header_rules(document: Document) -> Iterator[Problem]:
    """All rules on applications, offload points, what is limited and free data."""
    yield from unique_ids(document, "applications", "offload_points", "devices")
    added = (resource_names, capacities, shared_limits, totals) if document.get("version") == 2 else ()
    for rule in (subtask_names, arcs, acyclic, *added, free_data):
        yield from rule(document)


def _subtasks(application: Document) -> Iterator[tuple[int, str]]:
    subtasks = application.get("subtasks")
    if isinstance(subtasks, list):
        yield from ((i, name) for i, name in enumerate(subtasks) if isinstance(name, str))


def _arcs(application: Document) -> Iterator[tuple[int, list[str]]]:
    edges = application.get("edges")
    if isinstance(edges, list):
        for i, edge in enumerate(edges):
            if isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, str) for end in edge):
                yield i, edge


def subtask_names(document: Document) -> Iterator[Problem]:
    """Subtask names are unique within an application."""
    for a, application in objects(document, "applications"):
        seen: set[str] = set()
        for i, name in _subtasks(application):
            if name in seen:
                yield f"applications[{a}].subtasks[{i}]", f"duplicate subtask {shown(name)}"
            seen.add(name)


def arcs(document: Document) -> Iterator[Problem]:
    """Arcs join known subtasks, once each."""
    for a, application in objects(document, "applications"):
        known = {name for _, name in _subtasks(application)}
        complete = isinstance(application.get("subtasks"), list)
        seen: set[tuple[str, str]] = set()
        for i, (j, k) in _arcs(application):
            where = f"applications[{a}].edges[{i}]"
            for end, name in enumerate((j, k)):
                if complete and name not in known:
                    yield f"{where}[{end}]", f"unknown subtask {shown(name)}"
            if (j, k) in seen:
                yield where, f"duplicate arc {shown(j)} -> {shown(k)}"
            seen.add((j, k))


def acyclic(document: Document) -> Iterator[Problem]:
    """The graph of an application has no cycle; one is shown."""
    for a, application in objects(document, "applications"):
        successors: dict[str, list[str]] = {}
        for _, (j, k) in _arcs(application):
            successors.setdefault(j, []).append(k)
        cycle = _cycle(successors)
        if cycle:
            yield f"applications[{a}].edges", f"cycle {_chain(cycle)}"


def _cycle(successors: dict[str, list[str]]) -> list[str]:
    """A cycle as a closed walk, or an empty list (depth first, without recursion)."""
    done: set[str] = set()
    for start in successors:
        path: list[str] = []
        on_path: set[str] = set()
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                on_path.discard(path.pop())
                done.add(node)
            elif node in on_path:
                return [*path[path.index(node) :], node]
            elif node not in done:
                path.append(node)
                on_path.add(node)
                stack.append((node, True))
                stack.extend((k, False) for k in reversed(successors.get(node, ())))
    return []


def _chain(cycle: list[str]) -> str:
    names = [shown(name) for name in cycle]
    return " -> ".join(names if len(names) <= 10 else [*names[:8], "...", names[-1]])


def resource_names(document: Document) -> Iterator[Problem]:
    """Names of resources are unique, and none is that of subtasks."""
    named = list(_texts("resources", document.get("resources")))
    yield from duplicates(named, "resource ")
    for where, name in named:
        if name == SUBTASKS:
            yield where, f"{shown(SUBTASKS)} is built in and must not be listed"


def capacities(document: Document) -> Iterator[Problem]:
    """Offload points limit known resources."""
    known = _resources(document)
    for n, point in objects(document, "offload_points"):
        yield from _unknown(f"offload_points[{n}].capacity", point.get("capacity"), known, "resource")


def shared_limits(document: Document) -> Iterator[Problem]:
    """Shared limits are on known resources at known points, once each; on subtasks they are whole."""
    yield from unique_ids(document, "limits")
    known = _resources(document)
    points, all_points = _by_id(document, "offload_points")
    for i, limit in objects(document, "limits"):
        where, resource, capacity = f"limits[{i}]", limit.get("resource"), limit.get("capacity")
        if isinstance(resource, str) and known is not None and resource not in known:
            yield f"{where}.resource", f"unknown resource {shown(resource)}"
        if resource == SUBTASKS and isinstance(capacity, float) and capacity % 1:
            yield f"{where}.capacity", f"must be a whole number of subtasks, not {shown(capacity)}"
        named = list(_texts(f"{where}.points", limit.get("points")))
        yield from duplicates(named, "offload point ")
        if all_points:
            yield from (
                (at, f"unknown offload point {shown(name)}") for at, name in named if name not in points
            )


def totals(document: Document) -> Iterator[Problem]:
    """Caps on totals are at least one."""
    caps = document.get("totals")
    if isinstance(caps, dict) and all(value is None for value in caps.values()):
        yield "totals", "must cap energy, delay or both"


def _texts(where: str, values: Any) -> Iterator[tuple[str, str]]:
    """(place, text) of the strings in a list."""
    if isinstance(values, list):
        yield from ((f"{where}[{i}]", value) for i, value in enumerate(values) if isinstance(value, str))


def _resources(document: Document) -> set[str] | None:
    """What may be demanded and limited; None where not all names can be read."""
    given = document.get("resources")
    named = [name for _, name in _texts("", given)]
    readable = given is None or (isinstance(given, list) and len(named) == len(given))
    return {SUBTASKS, *named} if readable else None


def _unknown(where: str, named: Any, known: Collection[str] | None, what: str) -> Iterator[Problem]:
    """Keys of an object that name nothing."""
    if isinstance(named, dict) and known is not None:
        yield from (
            (place(where, [key]), f"unknown {what} {shown(key)}") for key in named if key not in known
        )


def _by_id(document: Document, key: str) -> tuple[dict[str, Document], bool]:
    """Items by their id, and whether all ids could be read: only then is another one unknown."""
    items = document.get(key)
    if not isinstance(items, list):
        return {}, False
    named = [item for item in items if isinstance(item, dict) and isinstance(item.get("id"), str)]
    return {item["id"]: item for item in named}, len(named) == len(items)


def device_rules(document: Document) -> Callable[[str, Document], Iterator[Problem]]:
    """The rules on one device of an instance: references, lengths, normalisers.

    Returns
    -------
    callable
        From (place, device) to its problems.
    """
    applications, all_applications = _by_id(document, "applications")
    points, all_points = _by_id(document, "offload_points")
    cost = document.get("cost")
    local = isinstance(cost, dict) and cost.get("normalise") == "local"
    known: dict[str, _Known] = {}  # by application, in version 2
    if document.get("version") == 2:
        named, resources = points if all_points else None, _resources(document)
        for key, item in applications.items():
            known[key] = _Known([name for _, name in _subtasks(item)], named, resources)

    def rules(where: str, device: Document) -> Iterator[Problem]:
        application, point = device.get("application"), device.get("connected_to")
        named = None
        if isinstance(application, str):
            if application in applications:
                yield from _lengths(where, device, applications[application])
                named = known.get(application)
                if named:
                    for rule in (demands, exceptions, allowed_places):
                        yield from rule(where, device, named)
            elif all_applications:
                yield f"{where}.application", f"unknown application {shown(application)}"
        if isinstance(point, str) and point not in points and all_points:
            yield f"{where}.connected_to", f"unknown offload point {shown(point)}"
        if local:
            yield from _normalisers(where, device, named)

    return rules


def _lengths(where: str, device: Document, application: Document) -> Iterator[Problem]:
    for parts, keys in (("subtasks", ("work", "input", "output")), ("edges", ("edge_data",))):
        expected = application.get(parts)
        for key in keys:
            values = device.get(key)
            if isinstance(values, list) and isinstance(expected, list) and len(values) != len(expected):
                what = f"must have {len(expected)} entries, one for each of the application's {parts}"
                yield f"{where}.{key}", f"{what}, not {len(values)}"


class _Known(NamedTuple):
    """What the parts of a device may name; None where not all of it can be read."""

    subtasks: Collection[str]
    points: Collection[str] | None
    resources: Collection[str] | None


def demands(where: str, device: Document, known: _Known) -> Iterator[Problem]:
    """Demands are on known resources, with an entry for each subtask."""
    demand = device.get("demand")
    yield from _demanded(f"{where}.demand", demand, known)
    for key, values in demand.items() if isinstance(demand, dict) else ():
        if isinstance(values, list) and len(values) != len(known.subtasks):
            what = f"must have {len(known.subtasks)} entries, one for each of the application's subtasks"
            yield place(f"{where}.demand", [key]), f"{what}, not {len(values)}"


def _demanded(where: str, demand: Any, known: _Known) -> Iterator[Problem]:
    if isinstance(demand, dict) and SUBTASKS in demand:
        yield f"{where}.{SUBTASKS}", "is built in: every subtask demands 1 of it"
    yield from _unknown(where, demand, known.resources, "resource")


def exceptions(where: str, device: Document, known: _Known) -> Iterator[Problem]:
    """Each entry of ``at`` changes something, for a subtask and a place that no other entry is about."""
    first: dict[tuple[str, str | None], str] = {}
    for i, entry in objects(device, "at"):
        at, subtask, point = f"{where}.at[{i}]", entry.get("subtask"), entry.get("point", 0)
        if isinstance(subtask, str) and subtask not in known.subtasks:
            yield f"{at}.subtask", f"unknown subtask {shown(subtask)}"
        if isinstance(point, str) and known.points is not None and point not in known.points:
            yield f"{at}.point", f"unknown offload point {shown(point)}"
        demand = entry.get("demand")
        if demand is not None and point is None:
            yield f"{at}.demand", "must be left out: what runs locally demands nothing"
        else:
            yield from _demanded(f"{at}.demand", demand, known)
        if entry.get("execution") is None and entry.get("fee") is None and demand in (None, {}):
            yield at, "changes nothing: it has no execution, fee or demand"
        if isinstance(subtask, str) and isinstance(point, str | None):
            before = first.setdefault((subtask, point), at)
            if before != at:
                yield at, f"is about the subtask and the place of {before} again"


def allowed_places(where: str, device: Document, known: _Known) -> Iterator[Problem]:
    """Known subtasks are allowed at known places, each said once."""
    allowed = device.get("allowed")
    yield from _unknown(f"{where}.allowed", allowed, known.subtasks, "subtask")
    for key, places in allowed.items() if isinstance(allowed, dict) else ():
        at = place(f"{where}.allowed", [key])
        named = list(_texts(at, places))
        yield from duplicates(named, "offload point ")
        if isinstance(places, list) and places.count(None) > 1:
            yield at, "holds null twice"
        for spot, name in named:
            if known.points is not None and name not in known.points:
                yield spot, f"unknown offload point {shown(name)}"


def _local_work(device: Document, known: _Known | None) -> Any:
    """Work of each subtask, or in its place the time that it takes locally."""
    work = device.get("work")
    if not known or not device.get("at") or not isinstance(work, list):
        return work
    own = {
        entry.get("subtask"): entry["execution"]
        for _, entry in objects(device, "at")
        if entry.get("point", 0) is None and entry.get("execution") is not None
        if isinstance(entry.get("subtask"), str)
    }
    return [own.get(name, w) for name, w in zip(known.subtasks, work, strict=False)]


def _normalisers(where: str, device: Document, known: _Known | None) -> Iterator[Problem]:
    """G0 and E0 must not be 0 where they divide something (equation (3), normalised)."""
    work, alpha, power = _local_work(device, known), device.get("alpha"), device.get("power")
    idle = isinstance(work, list) and bool(work) and all(w == 0 for w in work)
    execute = power.get("execute") if isinstance(power, dict) else None
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        return
    if idle and alpha > 0:
        yield f"{where}.work", 'the all-local delay is 0 and cannot normalise (cost.normalise is "local")'
    if (idle or (execute == 0 and not isinstance(execute, bool))) and alpha < 1:
        key = "work" if idle else "power.execute"
        yield f"{where}.{key}", 'the all-local energy is 0 and cannot normalise (cost.normalise is "local")'


def header_problems(header: Any) -> list[Problem]:
    """Every problem of an instance document without its devices."""
    return _problems(HeaderPart, HeaderPart2, header)


def document_problems(document: Any) -> list[Problem]:
    """Every problem of an instance document."""
    problems = _problems(InstanceFile, InstanceFile2, document)
    if isinstance(document, dict):
        rules = device_rules(document)
        for i, device in objects(document, "devices"):
            problems += rules(f"devices[{i}]", device)
    return problems


def _problems(first: type[BaseModel], second: type[BaseModel], document: Any) -> list[Problem]:
    version = document.get("version") if isinstance(document, dict) else 1
    problems = _structure(version, first, second, document)
    return [*problems, *header_rules(document)] if isinstance(document, dict) else problems


def _structure(
    version: Any, first: type[BaseModel], second: type[BaseModel], document: Any, prefix: str = ""
) -> list[Problem]:
    """Types, keys and ranges of a version; in version 1 it is said of keys that they are of version 2."""
    if version == 2:
        return structure(second, document, prefix)
    problems = structure(first, document, prefix)
    if not problems:
        return []
    remaining = set(structure(second, document, prefix))
    return [problem if problem in remaining else (problem[0], _of_second(problem[1])) for problem in problems]


def _of_second(what: str) -> str:
    return "is a key of version 2" if what == "unknown key" else f"{what}: that is of version 2"


def device_problems(header: Document, devices: Iterable[tuple[int, Document]]) -> list[Problem]:
    """Every problem of some devices (number, device) under a sound header."""
    rules = device_rules(header)
    problems: list[Problem] = []
    for i, device in devices:
        where = f"devices[{i}]"
        problems += _structure(header.get("version"), DevicePart, DevicePart2, device, where)
        problems += rules(where, device)
    return problems
