"""Rules for files of structured instances beyond types and ranges: a function per rule, all problems at once.

The rules read the parsed JSON text and step over whatever the schema has already reported, so that
one run lists the problems of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel

from ..errors import Problem, shown
from ..files.document import Document
from ..files.validate import free_data, objects, structure, unique_ids
from .schema import DevicePart, HeaderPart, InstanceFile


def header_rules(document: Document) -> Iterator[Problem]:
    """All rules on applications, offload points and free data."""
    yield from unique_ids(document, "applications", "offload_points", "devices")
    for rule in (subtask_names, arcs, acyclic, free_data):
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

    def rules(where: str, device: Document) -> Iterator[Problem]:
        application, point = device.get("application"), device.get("connected_to")
        if isinstance(application, str):
            if application in applications:
                yield from _lengths(where, device, applications[application])
            elif all_applications:
                yield f"{where}.application", f"unknown application {shown(application)}"
        if isinstance(point, str) and point not in points and all_points:
            yield f"{where}.connected_to", f"unknown offload point {shown(point)}"
        if local:
            yield from _normalisers(where, device)

    return rules


def _lengths(where: str, device: Document, application: Document) -> Iterator[Problem]:
    for parts, keys in (("subtasks", ("work", "input", "output")), ("edges", ("edge_data",))):
        expected = application.get(parts)
        for key in keys:
            values = device.get(key)
            if isinstance(values, list) and isinstance(expected, list) and len(values) != len(expected):
                what = f"must have {len(expected)} entries, one for each of the application's {parts}"
                yield f"{where}.{key}", f"{what}, not {len(values)}"


def _normalisers(where: str, device: Document) -> Iterator[Problem]:
    """G0 and E0 must not be 0 where they divide something (equation (3), normalised)."""
    work, alpha, power = device.get("work"), device.get("alpha"), device.get("power")
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
    return _problems(HeaderPart, header)


def document_problems(document: Any) -> list[Problem]:
    """Every problem of an instance document."""
    problems = _problems(InstanceFile, document)
    if isinstance(document, dict):
        rules = device_rules(document)
        for i, device in objects(document, "devices"):
            problems += rules(f"devices[{i}]", device)
    return problems


def _problems(model: type[BaseModel], document: Any) -> list[Problem]:
    problems = structure(model, document)
    return [*problems, *header_rules(document)] if isinstance(document, dict) else problems


def device_problems(header: Document, devices: Iterable[tuple[int, Document]]) -> list[Problem]:
    """Every problem of some devices (number, device) under a sound header."""
    rules = device_rules(header)
    problems: list[Problem] = []
    for i, device in devices:
        where = f"devices[{i}]"
        problems += structure(DevicePart, device, where)
        problems += rules(where, device)
    return problems
