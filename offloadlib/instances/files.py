"""Reading and writing of instance and solution files.

Each kind of instances says in a module of its own, a :class:`Form`, how it stands in files.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from .errors import InputError, Problem, shown
from .hybrid import form as hybrid
from .hybrid.model import HybridInstance
from .problem import Problem as AnyProblem
from .schema import SolutionFile
from .storage import (
    VERSION,
    Archive,
    check_format,
    collector_paused,
    parse_json,
    read_bytes,
    replacing,
    write_zip,
)
from .structured import form as structured
from .structured.model import Instance
from .structured.solution import Status, StoredSolution
from .validate import Document, free_data, structure

Decisions = TypeVar("Decisions")


class Form(Protocol):
    """How one kind of instances, and their solutions, stand in files: its module has these functions."""

    def document_problems(self, document: Document, /) -> list[Problem]:
        """Every problem of an instance document."""

    def from_document(self, document: Document, /) -> Any:
        """The instance of a document without problems."""

    def from_archive(self, archive: Archive, /) -> Any:
        """The instance of a columnar file; an :class:`InputError` where that has problems."""

    def header_and_columns(self, instance: Any, /) -> tuple[Document, Document]:
        """The document without its devices, and the devices as columns."""

    def device_documents(self, header: Document, columns: Document, /) -> Iterator[Document]:
        """The devices as they stand in the document."""

    def solution_keys(self, solution: Any, instance: Any, /) -> Document:
        """What a solution document has beside the keys of every kind."""

    def decisions(self, solution: Any, instance: Any, /) -> Iterator[tuple[str, list[str | None]]]:
        """(device id, places of its tasks) of a solution."""

    def decision_problems(self, document: Document, instance: Any, /) -> Iterator[Problem]:
        """Where a solution document does not fit the instance."""

    def solution_of(self, document: Document, instance: Any, /) -> Any:
        """The solution of a document without problems."""


FORMS: Mapping[str, Form] = {"structured": structured, "hybrid": hybrid}


def read(path: str | Path) -> Instance | HybridInstance:
    """Read an instance, in the JSON or in the columnar form.

    Parameters
    ----------
    path
        The file; its first bytes tell which form it has.

    Returns
    -------
    Instance or HybridInstance
        By its ``kind``; validated, immutable.

    Raises
    ------
    InputError
        With every problem of the file, each with its path inside the file.
    """
    return parse(read_bytes(path), path)


def parse(data: bytes, source: str | Path) -> Instance | HybridInstance:
    """The instance in the bytes of a file, in either form; ``source`` is what messages call it.

    Raises
    ------
    InputError
        As for :func:`read`.
    """
    instance: Instance | HybridInstance
    with collector_paused():
        if data.startswith(b"PK"):
            archive = Archive(data, source)
            instance = _form(archive.header, source).from_archive(archive)
            return instance
        document = parse_json(data, source)
        form = _form(document, source)
        problems = form.document_problems(document)
        if problems:
            raise InputError(source, problems)
        instance = form.from_document(document)
        return instance


def _form(document: Any, source: str | Path) -> Form:
    """The form of an instance document's kind; other formats, versions and kinds are refused."""
    check_format(document, "offloadlib-instance", source)
    kind = document.get("kind")
    if isinstance(kind, str) and kind in FORMS:
        return FORMS[kind]
    known = " or ".join(map(json.dumps, FORMS))
    what = f"must be {known}, not {shown(kind)}" if "kind" in document else "is missing"
    raise InputError(source, [("kind", what)])


def write(instance: AnyProblem, path: str | Path) -> None:
    """Write an instance: columnar where the name ends in ``.zip``, else JSON with a line per device.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    path = Path(path)
    form = FORMS[instance.kind]
    header, columns = form.header_and_columns(instance)
    with replacing(path) as file:
        if path.suffix.lower() == ".zip":
            write_zip(file, header, columns)
        else:
            for text in _lines(header, "devices", map(json.dumps, form.device_documents(header, columns))):
                file.write(text.encode())


def _lines(document: Document, key: str, items: Iterator[str], brackets: str = "[]") -> Iterator[str]:
    """JSON text of a document with one more key, whose items stand on a line each."""
    yield f'{json.dumps(document, indent=1)[:-2]},\n "{key}": {brackets[0]}'
    separator = "\n  "
    for item in items:
        yield separator + item
        separator = ",\n  "
    yield f"\n {brackets[1]}\n}}\n"


def write_solution(stored: StoredSolution[Any], instance: AnyProblem, path: str | Path) -> None:
    """Write a solution with the record of its run.

    Raises
    ------
    InputError
        If the file cannot be written; what was there stays as it was.
    """
    form = FORMS[instance.kind]
    document = {
        "format": "offloadlib-solution",
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


def read_solution(path: str | Path, instance: AnyProblem[Decisions]) -> StoredSolution[Decisions]:
    """Read a solution of an instance.

    Raises
    ------
    InputError
        With every problem of the file, also where it belongs to another instance or leaves out a
        device. Whether its decisions keep the limits is not asked here.
    """
    form = FORMS[instance.kind]
    with collector_paused():
        document = parse_json(read_bytes(path), path)
        check_format(document, "offloadlib-solution", path)
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


def _reference_problems(document: Document, instance: AnyProblem) -> Iterator[Problem]:
    if document["instance"]["sha256"] != instance.fingerprint:
        yield "instance.sha256", f"is not the fingerprint of the instance {shown(instance.name)}"
