"""Reading instance and solution files."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from .data import AnyInstance, Problem, Solution, Unusable
from .parse import (
    FRAME_OPTIONAL,
    HYBRID_FRAME,
    INSTANCE_MARKS,
    NO_SOLUTION,
    SOLUTION,
    SOLUTION_2,
    SOLUTION_MARKS,
    Record,
    filled_array,
    finite_number,
    parse_json,
    read_bytes,
    shown_as,
)
from .read import check_marks, hybrid_instance, read_frame, structured_instance
from .rooms.columnar import instance_from_columns


def fingerprint(document: Mapping[str, Any]) -> str:
    """Return the fingerprint of an instance.

    Parameters
    ----------
    document : mapping
        The instance as its JSON file holds it.

    Returns
    -------
    str
        SHA-256 of the canonical form, in hexadecimal digits.

    Raises
    ------
    Unusable
        If the document is not a valid instance.
    """
    return _instance_from_json(dict(document), "the document").fingerprint()


_ZIP = b"PK"


def is_columnar(path: str | PathLike[str]) -> bool:
    """Tell whether an instance file is in the columnar form."""
    return read_bytes(path).startswith(_ZIP)


def read_instance(path: str | PathLike[str]) -> AnyInstance:
    """Read an instance, as JSON or in the columnar form.

    Parameters
    ----------
    path : str or path
        The file; a columnar one is told by its first bytes.

    Returns
    -------
    Instance or HybridInstance
        The instance with all defaults filled in.

    Raises
    ------
    Unusable
        If the file cannot be read or is not a valid instance.
    """
    data = read_bytes(path)
    if data.startswith(_ZIP):
        return instance_from_columns(data, str(path))
    return _instance_from_json(parse_json(data, str(path)), str(path))


def read_solution(path: str | PathLike[str]) -> Solution:
    """Read a solution.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Solution
        The claims of the file, which are not compared with any instance yet.

    Raises
    ------
    Unusable
        If the file cannot be read or is not of the right form.
    """
    document = parse_json(read_bytes(path), str(path))
    check_marks(document, SOLUTION_MARKS, str(path))
    problems: list[Problem] = []
    second = document["version"] == 2
    fields = (SOLUTION_2 if second else SOLUTION)(problems, document, "")
    if second and "status" in fields:
        problems += _nulls(document, fields["status"])
    for device, places in fields.get("decisions", {}).items():
        if places is None and second:
            continue
        if type(places) is not list:
            problems.append((f"decisions[{shown_as(device)}]", f"{shown_as(places)} is not an array"))
            continue
        for k, place in enumerate(places):
            if place is not None and type(place) is not str:
                where = f"decisions[{shown_as(device)}][{k}]"
                problems.append((where, f"{shown_as(place)} is neither the id of an offload point nor null"))
    split = fields.get("split")
    for device, share in (split or {}).items():
        finite_number(problems, share, f"split[{shown_as(device)}]")
    if problems:
        raise Unusable(str(path), problems)
    return Solution(
        sha256=fields["instance"]["sha256"],
        objective=fields.get("objective"),
        lower_bound=fields.get("lower_bound"),
        status=fields["status"],
        decisions=fields.get("decisions"),
        split=split,
    )


def _nulls(document: Mapping[str, Any], status: str) -> list[Problem]:
    """Objective, lower bound and decisions are null where there is no solution."""
    wrong, keys = "null", ["objective", "decisions"]
    if none := status in NO_SOLUTION:
        wrong, keys = "not null", ["objective", "lower_bound", "decisions"]
    return [
        (key, f"is {wrong}, and the status is {status!r}")
        for key in keys
        if key in document and (document[key] is not None) == none
    ]


def _instance_from_json(document: Any, file: str) -> AnyInstance:
    check_marks(document, INSTANCE_MARKS, file)
    problems: list[Problem] = []
    if document["kind"] == "hybrid":
        fields = Record({**HYBRID_FRAME, "devices": filled_array}, FRAME_OPTIONAL)(problems, document, "")
        return hybrid_instance(problems, fields, fields.get("devices", ()), file)
    frame = read_frame(problems, document, "devices", filled_array)
    return structured_instance(problems, frame, frame.body or (), file)
