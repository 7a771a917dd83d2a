"""Reading and writing of instance and solution files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import columns as forms
from .errors import InputError, Problem, place, shown
from .model import LOCAL, Instance
from .schema import SolutionFile
from .solution import Solution, Status, StoredSolution
from .storage import (
    VERSION,
    check_format,
    collector_paused,
    parse_json,
    read_bytes,
    read_zip,
    replacing,
    write_zip,
)
from .validate import Document, free_data, instance_problems, structure


def read(path: str | Path) -> Instance:
    """Read an instance, in the JSON or in the columnar form.

    Parameters
    ----------
    path
        The file; its first bytes tell which form it has.

    Returns
    -------
    Instance
        Validated, immutable.

    Raises
    ------
    InputError
        With every problem of the file, each with its path inside the file.
    """
    return parse(read_bytes(path), path)


def parse(data: bytes, source: str | Path) -> Instance:
    """The instance in the bytes of a file, in either form; ``source`` is what messages call it.

    Raises
    ------
    InputError
        As for :func:`read`.
    """
    with collector_paused():
        if data.startswith(b"PK"):
            header, columns = read_zip(data, source)
            return forms.validated(header, columns, str(source))
        document = parse_json(data, source)
        check_format(document, "offloadlib-instance", source)
        problems = instance_problems(document)
        if problems:
            raise InputError(source, problems)
        return forms.build(*forms.from_document(document))


def write(instance: Instance, path: str | Path) -> None:
    """Write an instance: columnar where the name ends in ``.zip``, else JSON with a line per device.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    path = Path(path)
    header, columns = forms.of_instance(instance)
    with replacing(path) as file:
        if path.suffix.lower() == ".zip":
            write_zip(file, header, columns)
        else:
            for text in _lines(header, "devices", map(json.dumps, forms.device_documents(header, columns))):
                file.write(text.encode())


def _lines(document: Document, key: str, items: Iterator[str], brackets: str = "[]") -> Iterator[str]:
    """JSON text of a document with one more key, whose items stand on a line each."""
    yield f'{json.dumps(document, indent=1)[:-2]},\n "{key}": {brackets[0]}'
    separator = "\n  "
    for item in items:
        yield separator + item
        separator = ",\n  "
    yield f"\n {brackets[1]}\n}}\n"


def write_solution(stored: StoredSolution, instance: Instance, path: str | Path) -> None:
    """Write a solution with the record of its run.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    document = {
        "format": "offloadlib-solution",
        "version": VERSION,
        "instance": {"name": instance.name, "sha256": instance.fingerprint},
        "method": stored.method,
        "objective": stored.objective,
        "lower_bound": stored.lower_bound,
        "status": stored.status,
        "run": _recorded(stored.run),
    }
    decisions = stored.solution.decisions(instance)
    items = (f"{json.dumps(name)}: {json.dumps(places)}" for name, places in decisions)
    with replacing(path) as file:
        for text in _lines(document, "decisions", items, "{}"):
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


def read_solution(path: str | Path, instance: Instance) -> StoredSolution:
    """Read a solution of an instance.

    Raises
    ------
    InputError
        With every problem of the file, also where it belongs to another instance or leaves out a
        device. Whether its decisions keep the limits is not asked here.
    """
    with collector_paused():
        document = parse_json(read_bytes(path), path)
        check_format(document, "offloadlib-solution", path)
        problems = [*structure(SolutionFile, document), *free_data(document)]
    if not problems:
        problems = list(_decision_problems(document, instance))
    if problems:
        raise InputError(path, problems)
    number = {name: n for n, name in enumerate(instance.points.ids)}
    decisions = document["decisions"]
    rows = ([number.get(place, LOCAL) for place in decisions[name]] for name in instance.devices.ids)
    return StoredSolution(
        solution=Solution.from_rows(instance, list(rows)),
        method=document["method"],
        objective=float(document["objective"]),
        lower_bound=None if document["lower_bound"] is None else float(document["lower_bound"]),
        status=Status(document["status"]),
        run=document["run"],
    )


def _decision_problems(document: Document, instance: Instance) -> Iterator[Problem]:
    if document["instance"]["sha256"] != instance.fingerprint:
        yield "instance.sha256", f"is not the fingerprint of the instance {shown(instance.name)}"
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
