"""Reading and writing of solutions, of every kind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError, Problem, shown
from ..kind import AnyInstance, kind_named
from ..run import Status, StoredSolution
from .document import VERSION, Document, collector_paused, lines, parse_json, read_bytes, replacing
from .migrate import current
from .schema import SolutionFile
from .validate import free_data, structure

FORMAT = "offloadlib-solution"


def write_solution(stored: StoredSolution[Any], instance: AnyInstance, path: str | Path) -> None:
    """Write a solution with the record of its run.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    form = kind_named(instance.kind).form
    document = {
        "format": FORMAT,
        "version": VERSION,
        "instance": {"name": instance.name, "sha256": instance.fingerprint},
        "method": stored.method,
        "objective": stored.objective,
        "lower_bound": stored.lower_bound,
        "status": stored.status,
        "run": _recorded(stored.run),
        **form.solution_keys(stored.solution, instance),
    }
    decisions = form.decisions(stored.solution, instance)
    items = (f"{json.dumps(name)}: {json.dumps(places)}" for name, places in decisions)
    with replacing(path) as file:
        for text in lines(document, "decisions", items, "{}"):
            file.write(text.encode())


def _recorded(value: Any) -> Any:
    """A run record as JSON can hold it: numpy's numbers as Python's, no limit (infinity) as null."""
    if isinstance(value, Mapping):
        return {str(key): _recorded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_recorded(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def read_solution(path: str | Path, instance: AnyInstance) -> StoredSolution[Any]:
    """Read a solution of an instance.

    Raises
    ------
    InputError
        With every problem of the file, also where it belongs to another instance or leaves out a
        device. Whether its decisions keep the limits is not asked here.
    """
    form = kind_named(instance.kind).form
    with collector_paused():
        document = current(parse_json(read_bytes(path), path), FORMAT, path)
        problems = [*structure(SolutionFile, document), *free_data(document)]
    if not problems:
        problems = list(_reference_problems(document, instance))
        problems += form.decision_problems(document, instance)
    if problems:
        raise InputError(path, problems)
    return StoredSolution(
        solution=form.solution_of(document, instance),
        method=document["method"],
        objective=float(document["objective"]),
        lower_bound=None if document["lower_bound"] is None else float(document["lower_bound"]),
        status=Status(document["status"]),
        run=document["run"],
    )


def _reference_problems(document: Document, instance: AnyInstance) -> Iterator[Problem]:
    if document["instance"]["sha256"] != instance.fingerprint:
        yield "instance.sha256", f"is not the fingerprint of the instance {shown(instance.name)}"
