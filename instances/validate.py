"""The rules of the file formats beyond types and ranges: one function per rule, all problems at once.

The rules read the parsed JSON text and step over whatever the schema has already reported, so that
one run lists the problems of both.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from .errors import Problem
from .schema import DevicePart

Document = dict[str, Any]

_PLAIN = {
    "missing": "is missing",
    "extra_forbidden": "unknown key",
    "finite_number": "must be a finite number",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be a string",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_too_short": "must not be empty",
}


def structure(model: type[BaseModel], document: Any, prefix: str = "") -> list[Problem]:
    """Types, keys and ranges, as the pydantic model has them."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        return [(place(prefix, detail["loc"]), _plain(dict(detail))) for detail in error.errors()]
    except (OverflowError, RecursionError) as error:
        return [(prefix, str(error))]
    return []


def place(prefix: str, path: Iterable[int | str]) -> str:
    """A path inside a file as people write it: ``devices[3].power.send``."""
    text = prefix
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _plain(error: dict[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":
        what = str(context["error"])
    elif kind == "literal_error":
        what = f"must be {context['expected']}"
    elif kind in ("too_short", "too_long"):
        limit = context.get("min_length", context.get("max_length"))
        what = f"must have {'at least' if kind == 'too_short' else 'at most'} {limit} entries"
    elif kind == "string_pattern_mismatch":
        what = f"must match {context['pattern']}"
    else:
        what = _PLAIN.get(kind, str(error["msg"]))
    value = error["input"]
    if kind in ("missing", "too_short", "too_long"):
        return what
    if isinstance(value, dict | list):
        return f"{what}, not {'an object' if isinstance(value, dict) else 'a list'}"
    shown = repr(value) if isinstance(value, float) and not math.isfinite(value) else json.dumps(value)
    return f"{what}, not {shown if len(shown) <= 40 else shown[:37] + '...'}"


def header_rules(document: Document) -> Iterator[Problem]:
    """All rules on applications, offload points and free data."""
    for rule in (unique_ids, subtask_names, arcs, acyclic, free_data):
        yield from rule(document)


def _objects(document: Document, key: str) -> Iterator[tuple[int, Document]]:
    items = document.get(key)
    if isinstance(items, list):
        yield from ((i, item) for i, item in enumerate(items) if isinstance(item, dict))


def unique_ids(document: Document) -> Iterator[Problem]:
    """Ids name one thing each."""
    for key in ("applications", "offload_points", "devices"):
        seen: dict[str, int] = {}
        for i, item in _objects(document, key):
            name = item.get("id")
            if not isinstance(name, str):
                continue
            if name in seen:
                yield f"{key}[{i}].id", f"duplicate id {name!r}, already used by {key}[{seen[name]}]"
            seen.setdefault(name, i)


def _subtasks(application: Document) -> list[Any]:
    subtasks = application.get("subtasks")
    return subtasks if isinstance(subtasks, list) else []


def _arcs(application: Document) -> Iterator[tuple[int, list[str]]]:
    edges = application.get("edges")
    if isinstance(edges, list):
        for i, edge in enumerate(edges):
            if isinstance(edge, list) and len(edge) == 2 and all(isinstance(end, str) for end in edge):
                yield i, edge


def subtask_names(document: Document) -> Iterator[Problem]:
    """Subtask names are unique within an application."""
    for a, application in _objects(document, "applications"):
        seen: set[str] = set()
        for i, name in enumerate(_subtasks(application)):
            if not isinstance(name, str):
                continue
            if name in seen:
                yield f"applications[{a}].subtasks[{i}]", f"duplicate subtask {name!r}"
            seen.add(name)


def arcs(document: Document) -> Iterator[Problem]:
    """Arcs join known subtasks, once each."""
    for a, application in _objects(document, "applications"):
        known = {name for name in _subtasks(application) if isinstance(name, str)}
        seen: set[tuple[str, str]] = set()
        for i, (j, k) in _arcs(application):
            where = f"applications[{a}].edges[{i}]"
            for end, name in enumerate((j, k)):
                if name not in known:
                    yield f"{where}[{end}]", f"unknown subtask {name!r}"
            if (j, k) in seen:
                yield where, f"duplicate arc {j!r} -> {k!r}"
            seen.add((j, k))


def acyclic(document: Document) -> Iterator[Problem]:
    """The graph of an application has no cycle; one is shown."""
    for a, application in _objects(document, "applications"):
        successors: dict[str, list[str]] = {}
        for _, (j, k) in _arcs(application):
            successors.setdefault(j, []).append(k)
        cycle = _cycle(successors)
        if cycle:
            yield f"applications[{a}].edges", f"cycle {' -> '.join(map(repr, cycle))}"


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


def free_data(document: Document) -> Iterator[Problem]:
    """``source`` is free, but it must be JSON: NaN and infinities are not."""
    stack: list[tuple[str, Any]] = [("source", document.get("source"))]
    while stack:
        where, value = stack.pop()
        if isinstance(value, dict):
            stack.extend((f"{where}.{key}", item) for key, item in value.items())
        elif isinstance(value, list):
            stack.extend((f"{where}[{i}]", item) for i, item in enumerate(value))
        elif isinstance(value, float) and not math.isfinite(value):
            yield where, "must be a finite number"


def device_rules(document: Document) -> Callable[[str, Document], Iterator[Problem]]:
    """The rules on one device of an instance: references, lengths, normalisers.

    Returns
    -------
    callable
        From (place, device) to its problems.
    """
    applications = {
        item["id"]: (len(_subtasks(item)), len(item["edges"]) if isinstance(item.get("edges"), list) else 0)
        for _, item in _objects(document, "applications")
        if isinstance(item.get("id"), str)
    }
    points = {item.get("id") for _, item in _objects(document, "offload_points") if _is_str(item.get("id"))}
    cost = document.get("cost")
    local = isinstance(cost, dict) and cost.get("normalise") == "local"

    def rules(where: str, device: Document) -> Iterator[Problem]:
        application, point = device.get("application"), device.get("connected_to")
        if isinstance(application, str):
            if application in applications:
                yield from _lengths(where, device, *applications[application])
            else:
                yield f"{where}.application", f"unknown application {application!r}"
        if isinstance(point, str) and point not in points:
            yield f"{where}.connected_to", f"unknown offload point {point!r}"
        if local:
            yield from _normalisers(where, device)

    return rules


def _is_str(value: Any) -> bool:
    return isinstance(value, str)


def _lengths(where: str, device: Document, subtasks: int, edges: int) -> Iterator[Problem]:
    for key, length in (("work", subtasks), ("input", subtasks), ("output", subtasks), ("edge_data", edges)):
        values = device.get(key)
        if isinstance(values, list) and len(values) != length:
            parts = "arcs" if key == "edge_data" else "subtasks"
            yield f"{where}.{key}", f"has {len(values)} entries, the application has {length} {parts}"


def _normalisers(where: str, device: Document) -> Iterator[Problem]:
    """G0 and E0 must not be 0 where they divide something (equation (3), normalised)."""
    work, alpha, power = device.get("work"), device.get("alpha"), device.get("power")
    idle = isinstance(work, list) and all(w == 0 for w in work)
    execute = power.get("execute") if isinstance(power, dict) else None
    if not isinstance(alpha, int | float) or isinstance(alpha, bool):
        return
    if idle and alpha > 0:
        yield f"{where}.work", "the all-local delay is 0 and cannot normalise (cost.normalise is 'local')"
    if (idle or (execute == 0 and not isinstance(execute, bool))) and alpha < 1:
        key = "work" if idle else "power.execute"
        yield f"{where}.{key}", "the all-local energy is 0 and cannot normalise (cost.normalise is 'local')"


def instance_problems(model: type[BaseModel], document: Any) -> list[Problem]:
    """Every problem of an instance document (or, with the header's model, of a header)."""
    problems = structure(model, document)
    if isinstance(document, dict):
        problems += header_rules(document)
        rules = device_rules(document)
        for i, device in _objects(document, "devices"):
            problems += rules(f"devices[{i}]", device)
    return problems


def device_problems(header: Document, devices: Iterable[tuple[int, Document]]) -> list[Problem]:
    """Every problem of some devices (number, device) under a sound header."""
    rules = device_rules(header)
    problems: list[Problem] = []
    for i, device in devices:
        where = f"devices[{i}]"
        problems += structure(DevicePart, device, where)
        problems += rules(where, device)
    return problems
