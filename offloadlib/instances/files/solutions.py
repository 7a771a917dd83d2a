"""Reading and writing of solutions, of every kind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from ..errors import InputError, Problem, shown
from ..kind import AnyInstance, kind_named
from ..run import Decided, Decisions, Status, StoredSolution
from .document import Document, Source, collector_paused, content, lines, parse_json, plain, replacing
from .migrate import current
from .schema import SolutionFile, SolutionFile2
from .validate import free_data, structure

FORMAT = "offloadlib-solution"


def write_solution(stored: StoredSolution[Any], instance: AnyInstance, path: str | Path) -> None:
    """Write a solution with the record of its run, in version 2 where a device is refused or there is none.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    form = kind_named(instance.kind).form
    none = stored.solution is None
    document = {
        "format": FORMAT,
        "version": solution_version(stored, instance),
        "instance": {"name": instance.name, "sha256": instance.fingerprint},
        "method": stored.method,
        "objective": None if none else stored.objective,
        "lower_bound": None if none else stored.lower_bound,
        "status": stored.status,
        "run": plain(stored.run),
        **({"decisions": None} if none else form.solution_keys(stored.solution, instance)),
    }
    with replacing(path) as file:
        if none:
            file.write((json.dumps(document, indent=1) + "\n").encode())
            return
        decisions = form.decisions(stored.solution, instance)
        items = (f"{json.dumps(name)}: {json.dumps(places)}" for name, places in decisions)
        for text in lines(document, "decisions", items, "{}"):
            file.write(text.encode())


def solution_version(stored: StoredSolution[Any], instance: AnyInstance) -> int:
    """The version of a solution's file: 2 where it refuses a device, or is none, else 1."""
    if stored.solution is None:
        return 2
    return int(kind_named(instance.kind).form.solution_keys(stored.solution, instance).get("version", 1))


def read_solution(source: Source, instance: Decided[Decisions]) -> StoredSolution[Decisions]:
    """Read a solution of an instance, from where :func:`.read` reads, in JSON.

    Raises
    ------
    InputError
        With every problem of the file, also where it belongs to another instance or leaves out a
        device. Whether its decisions keep the limits is not asked here.

    Where the file says that there is no solution, or that none was found, the solution is None and the
    objective infinite; so is the lower bound where there is none.
    """
    given = cast(AnyInstance, instance)
    form = kind_named(given.kind).form
    data, path = content(source)
    with collector_paused():
        document = current(parse_json(data, path), FORMAT, path)
        model = SolutionFile2 if document["version"] == 2 else SolutionFile
        problems = [*structure(model, document), *free_data(document)]
    if not problems:
        problems = list(_claim_problems(document))
    if not problems:
        problems = list(_reference_problems(document, given))
        problems += form.decision_problems(document, given)
    if problems:
        raise InputError(path, problems)
    status, bound = Status(document["status"]), document["lower_bound"]
    none = document["decisions"] is None
    if none:
        bound = math.inf if status is Status.INFEASIBLE else None
    solution: Any = None if none else form.solution_of(document, given)
    return StoredSolution(
        solution=solution,
        method=document["method"],
        objective=math.inf if none else float(document["objective"]),
        lower_bound=None if bound is None else float(bound),
        status=status,
        run=document["run"],
    )


def _claim_problems(document: Document) -> Iterator[Problem]:
    """Where a solution says that there is none, it gives none; else it does."""
    status = document["status"]
    none = status in (Status.INFEASIBLE, Status.UNKNOWN)
    for key in ("objective", "lower_bound", "decisions"):
        if none and document[key] is not None:
            yield key, f"must be null where the status is {shown(status)}"
        if not none and document[key] is None and key != "lower_bound":
            yield key, f"must not be null where the status is {shown(status)}"


def _reference_problems(document: Document, instance: AnyInstance) -> Iterator[Problem]:
    if document["instance"]["sha256"] != instance.fingerprint:
        yield "instance.sha256", f"is not the fingerprint of the instance {shown(instance.name)}"
