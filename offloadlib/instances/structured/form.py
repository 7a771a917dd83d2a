"""How structured instances and their solutions stand in files: what :mod:`.files` asks of a kind."""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import InputError, Problem, place, shown
from ..files.archive import Archive, Column, Columns
from ..files.document import Document
from . import columns as forms
from .columns import application_problems, device_documents, fingerprint, layout, validated
from .columns import of_instance as header_and_columns
from .instance import Instance
from .model import LOCAL
from .rules import header_problems
from .rules import instance_problems as document_problems
from .solution import Solution

__all__ = [
    "decision_problems",
    "decisions",
    "device_documents",
    "document_problems",
    "fingerprint",
    "from_archive",
    "from_document",
    "header_and_columns",
    "layout",
    "solution_keys",
    "solution_of",
]


def from_document(document: Document) -> Instance:
    """The instance of a sound document."""
    return forms.build(*forms.from_document(document))


def from_archive(archive: Archive) -> Instance:
    """The instance of a columnar file.

    Raises
    ------
    InputError
        If the file is damaged or its columns do not fit its header.
    """
    header, described = archive.header, archive.described
    problems = header_problems(header)
    if not isinstance(described, dict):
        problems.append(("columns", f"must be an object, not {shown(described)}"))
    # The shapes follow from the header and these two columns.
    ids = [] if problems else archive.json("columns/id")
    if not isinstance(ids, list):
        problems.append(("columns/id", f"must be a list, not {shown(ids)}"))
    if problems:
        raise InputError(archive.source, problems)
    known: Columns = {"id": ids, "application": archive.column("application", Column((len(ids),), "<i4"))}
    problems = application_problems(header, known)
    if problems:
        raise InputError(archive.source, problems)
    columns = archive.columns(layout(header, known), known)
    return validated(header, columns, str(archive.source))


def solution_keys(solution: Solution, instance: Instance) -> Document:
    """What a solution file holds beside the decisions: nothing."""
    return {}


def decisions(solution: Solution, instance: Instance) -> Iterator[tuple[str, list[str | None]]]:
    """The decisions of each device, as in the file."""
    return solution.decisions(instance)


def solution_of(document: Document, instance: Instance) -> Solution:
    """The decisions of a sound solution document."""
    number = {name: n for n, name in enumerate(instance.points.ids)}
    decisions = document["decisions"]
    rows = ([number.get(place, LOCAL) for place in decisions[name]] for name in instance.devices.ids)
    return Solution.from_rows(instance, list(rows))


def decision_problems(document: Document, instance: Instance) -> Iterator[Problem]:
    """Where the decisions of a solution do not fit the instance."""
    if document.get("split") is not None:
        yield "split", "belongs to a solution of a hybrid instance"
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
