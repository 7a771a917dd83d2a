"""Problems of operations research in which each of many takes one of several options, as instances.

Each is a device with one subtask, and each option an offload point. Time and energy count for nothing: no
work, no data, no power. What remains is the fee of the option and what it demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import InputError
from ..files.document import Document, instance_header
from ..structured import form
from ..structured.instance import Instance
from .report import File, Report, provenance


class Option(NamedTuple):
    """One of the options that a device has.

    Attributes
    ----------
    value
        Cost or profit.
    demand
        Of each resource.
    """

    value: float
    demand: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """A problem of assignment.

    Attributes
    ----------
    problem
        Its name in the literature.
    devices, points
        What one of those who choose is called, and one of what they choose.
    value
        What is added up: ``cost`` or ``profit``.
    maximise
        Whether its sum shall be greatest, or least.
    choices
        For each device its options: the first is the first offload point, and so on.
    resources
        Names of what options demand.
    rooms
        (points) what each point has of each resource; none: no limit of its own.
    shared
        What all points have of each resource together; none: no such limits.
    """

    problem: str
    devices: str
    points: str
    value: str
    maximise: bool
    choices: Sequence[Sequence[Option]]
    resources: Sequence[str]
    rooms: Sequence[Mapping[str, float]] = ()
    shared: Sequence[float] = ()


def imported(
    assignment: Assignment, file: File, facts: Mapping[str, Any], name: str | None, description: str | None
) -> tuple[Instance, Report]:
    """The instance of a problem, and what has become of its value.

    An objective is made small, but a profit great: a fee is then what an option has less than the
    device's best one, and the profit of a solution is ``offset``, the sum of the best ones, minus its
    objective. Of whole numbers this is exact.

    Raises
    ------
    InputError
        If differences of profits are outside of what an instance can hold.
    """
    path, _ = file
    best = [max(option.value for option in options) for options in assignment.choices]
    offset = sum(best) if assignment.maximise else 0.0
    value = "offset - objective" if assignment.maximise else "objective"
    source = {
        "importer": "offloadlib",
        "version": 1,
        "problem": assignment.problem,
        "sense": "maximise" if assignment.maximise else "minimise",
        "value": value,
        "offset": offset,
        "files": [provenance(file)],
        **facts,
    }
    document = {
        **instance_header(
            "structured",
            name=name or path.stem,
            description=description,
            source=source,
            cost={"normalise": "none"},
            applications=[{"id": assignment.devices, "subtasks": [assignment.devices], "edges": []}],
            offload_points=list(_points(assignment)),
        ),
        "version": 2,
        "resources": list(assignment.resources),
        "limits": list(_limits(assignment)),
        "devices": list(_devices(assignment, best if assignment.maximise else None)),
    }
    problems = form.document_problems(document)
    if problems:
        raise InputError(path, problems)
    told = f"{offset:.15g} minus the objective" if assignment.maximise else "the objective"
    lines = (
        f"{assignment.problem}: " + ", ".join(f"{key} {number}" for key, number in facts.items()),
        f"the {assignment.value} of the problem is {told} of the instance",
    )
    return form.from_document(document), Report(lines)


def _names(what: str, number: int) -> list[str]:
    return [f"{what}{i}" for i in range(1, number + 1)]


def _point_names(assignment: Assignment) -> list[str]:
    return _names(assignment.points, max(len(options) for options in assignment.choices))


def _points(assignment: Assignment) -> Iterator[Document]:
    rooms = assignment.rooms or [{}] * len(_point_names(assignment))
    for name, room in zip(_point_names(assignment), rooms, strict=True):
        yield {"id": name, "cpu": 1.0, "capacity": dict(room), "uplink": 1.0, "downlink": 1.0}


def _limits(assignment: Assignment) -> Iterator[Document]:
    points = _point_names(assignment)
    for resource, capacity in zip(assignment.resources, assignment.shared, strict=False):
        yield {"id": resource, "resource": resource, "points": points, "capacity": capacity}


def _devices(assignment: Assignment, best: Sequence[float] | None) -> Iterator[Document]:
    points = _point_names(assignment)
    for i, options in enumerate(assignment.choices):
        yield {
            "id": f"{assignment.devices}{i + 1}",
            "application": assignment.devices,
            "cpu": 1.0,
            "power": {"execute": 0.0, "send": 0.0, "receive": 0.0},
            "connected_to": points[0],
            "alpha": 1.0,
            "work": [0.0],
            "input": [0.0],
            "output": [0.0],
            "at": [
                {
                    "subtask": assignment.devices,
                    "point": point,
                    "fee": option.value if best is None else best[i] - option.value,
                    "demand": dict(zip(assignment.resources, option.demand, strict=True)),
                }
                for point, option in zip(points, options, strict=False)
            ],
            "allowed": {assignment.devices: points[: len(options)]},
        }
