"""Check a solution of a structured offloading instance, without trusting whoever made it.

    python -I offloadlib/check.py INSTANCE SOLUTION [--certificate FILE] [--json]

This one file needs Python 3.11 or later and its standard library, and nothing else: it shares no code
with the models and the methods that it checks. It reads both files itself, recomputes everything from
the data, and applies one function per rule (the functions named ``rule_...`` below):

==============  ====================================================================================
fingerprint     the solution was made for this instance (SHA-256 of the instance's canonical form)
decisions       each device decides exactly once, for each of its subtasks, on a place that exists
connections     a device without a connection offloads nothing
capacity        no offload point has more subtasks than its capacity (no tolerance)
channels        no offload point serves more offloading devices than its channels (no tolerance)
objective       the stated objective is within 1e-9·max(1, exact) of the exact cost
lower_bound     the stated lower bound is at most the exact cost, with the same tolerance
status          "optimal" is stated only with a relative gap of at most 1e-9
==============  ====================================================================================

Rules that a failed one leaves without meaning are not applied: nothing can be counted where the
decisions do not fit the instance, and an unconnected device that offloads has no cost.

Costs are exact. A number in a file stands for its binary64 value, which is an integer times 2^-82
(see `exact`), and the cost of a device is a ratio of two integers. The sum over the devices is enclosed
in an interval that is refined until it decides (see `Total`). No floating-point arithmetic takes part.

Exit status: 0 accepted, 1 a rule failed, 2 unusable input.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import struct
import sys
import zipfile
import zlib
from array import array
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

__all__ = ["Rule", "Unusable", "Verdict", "check", "fingerprint", "main", "read_instance", "read_solution"]

Problem = tuple[str, str]  # the path inside the file, what is wrong there
Ratio = tuple[int, int]  # a numerator and a positive denominator, not reduced
Answer = TypeVar("Answer")

LOCAL = -1  # the place of a subtask that stays on its device; n >= 0 is the n-th offload point
TOLERANCE = Fraction(1, 10**9)
SMALLEST, LARGEST = 1e-9, 1e9  # magnitudes that an instance may contain, besides 0


class Unusable(Exception):
    """Input that cannot be interpreted.

    Parameters
    ----------
    file : str
        The file at fault.
    problems : list of (str, str)
        Everything that is wrong in it: the path inside the file (empty for the file as a whole) and
        a message.
    """

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__(file, problems)
        self.file = file
        self.problems = list(problems)

    def __str__(self) -> str:
        return "\n".join(": ".join(filter(None, (self.file, *problem))) for problem in self.problems)


# ---------------------------------------------------------------------------------------------------
# The data
# ---------------------------------------------------------------------------------------------------


class Application(NamedTuple):
    """A directed acyclic graph of subtasks, which are numbered in file order."""

    id: str
    subtasks: list[str]
    edges: list[tuple[int, int]]
    order: list[int]  # topological
    parents: list[list[int]]
    heads: list[int]
    tails: list[int]


class OffloadPoint(NamedTuple):
    """An offload point; `channels` None means no limit."""

    id: str
    cpu: float
    capacity: int
    uplink: float
    downlink: float
    channels: int | None


class Device(NamedTuple):
    """A device with its defaults filled in; without a connection its rates may be missing (None)."""

    id: str
    application: Application
    cpu: float
    execute: float
    send: float
    receive: float
    point: int | None  # index of the offload point that it is connected to
    uplink: float | None
    downlink: float | None
    alpha: float
    work: list[float]
    input: list[float]
    output: list[float]
    edge_data: list[float]


class Instance(NamedTuple):
    """A structured offloading problem; all numbers are the binary64 values of the file, with -0 as 0."""

    normalise: str
    applications: list[Application]
    points: list[OffloadPoint]
    devices: list[Device]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the canonical form, which is encoded device by device."""
        digest = hashlib.sha256()
        for piece in _canonical(self):
            digest.update(piece.encode("ascii"))
        return digest.hexdigest()


class Solution(NamedTuple):
    """What a solution file claims; `decisions` maps the id of a device to ids of offload points."""

    sha256: str
    objective: float
    lower_bound: float | None
    status: str
    decisions: dict[str, list[str | None]]


def _default_edge_data(application: Application, output: list[float]) -> list[float]:
    return [output[parent] for parent, _ in application.edges]


def _canonical(instance: Instance) -> Iterator[str]:
    """Yield the pieces of ``json.dumps(canonical document, sort_keys=True, ...)``."""
    encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode
    applications = [
        {"id": a.id, "subtasks": a.subtasks, "edges": [[a.subtasks[j], a.subtasks[k]] for j, k in a.edges]}
        for a in instance.applications
    ]
    # Sorted by key, "devices" stands between these two groups.
    before = {"applications": applications, "cost": {"normalise": instance.normalise}}
    after = {
        "format": "offloadlib-instance",
        "kind": "structured",
        "offload_points": [_without_nulls(point._asdict()) for point in instance.points],
        "version": 1,
    }
    yield encode(before)[:-1] + ',"devices":['
    for number, device in enumerate(instance.devices):
        yield ("," if number else "") + encode(_canonical_device(instance, device))
    yield "]," + encode(after)[1:]


def _canonical_device(instance: Instance, device: Device) -> dict[str, Any]:
    document = device._asdict()
    document["application"] = device.application.id
    document["power"] = {name: document.pop(name) for name in ("execute", "send", "receive")}
    del document["point"]
    if device.point is not None:
        point = instance.points[device.point]
        document["connected_to"] = point.id
        for rate in ("uplink", "downlink"):
            if document[rate] == getattr(point, rate):
                del document[rate]
    if device.edge_data == _default_edge_data(device.application, device.output):
        del document["edge_data"]
    return _without_nulls(document)


def _without_nulls(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if value is not None}


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


# ---------------------------------------------------------------------------------------------------
# Reading: JSON, with every problem listed where it is
# ---------------------------------------------------------------------------------------------------


def _read_bytes(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a null character in the path
        raise Unusable(str(path), [("", f"cannot be read: {error}")]) from None


def _parse_json(data: bytes, file: str) -> Any:
    """Parse JSON text, and reject duplicate keys and constants such as NaN, which Python would let pass."""
    repeated: list[tuple[dict[str, Any], list[str]]] = []  # an object and its duplicate keys
    constants: list[str] = []

    def build(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated.append((record, [key for key, count in counts.items() if count > 1]))
        return record

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    try:
        document = json.loads(data.decode("utf-8"), object_pairs_hook=build, parse_constant=constant)
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
    except json.JSONDecodeError as error:
        message = f"is not JSON, or is cut short: {error.msg} (line {error.lineno}, column {error.colno})"
    except RecursionError:
        message = "is nested too deeply"
    except ValueError:  # the one that remains: Python's limit on the digits of an integer
        message = "contains an integer with too many digits"
    except MemoryError:
        message = "does not fit into memory"
    else:
        if repeated or constants:
            raise Unusable(file, _locate(document, repeated))
        return document
    raise Unusable(file, [("", message)])


def _locate(document: Any, repeated: list[tuple[dict[str, Any], list[str]]]) -> list[Problem]:
    """Find the paths of duplicate keys and of non-finite numbers, without recursion.

    What a duplicate key has overwritten is out of reach, but that duplicate key itself is not, so at least
    one problem is found.
    """
    problems = []
    keys_of = {id(record): keys for record, keys in repeated}
    pending = [("", document)]
    while pending:
        path, value = pending.pop()
        if type(value) is dict:
            problems += [(path, f"duplicate key {key!r}") for key in keys_of.get(id(value), ())]
            pending += [(_join(path, key), item) for key, item in reversed(value.items())]
        elif type(value) is list:
            pending += [(f"{path}[{i}]", item) for i, item in reversed(list(enumerate(value)))]
        elif type(value) is float and not math.isfinite(value):
            problems.append((path, f"{value} is not finite"))
    return problems


def _join(path: str, key: str) -> str:
    if not key.isidentifier():
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if path else key


def _show(value: Any) -> str:
    """Describe a JSON value in a few characters (arrays and objects may be deep: only their type)."""
    if isinstance(value, (list, dict)):
        return ("an " if value else "an empty ") + ("array" if isinstance(value, list) else "object")
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# A parser returns the value that it has read, or notes a problem and returns None.
Parser = Callable[[list[Problem], Any, str], Any]


def _of_kind(test: Callable[[Any], bool], kind: str) -> Parser:
    """Return the parser of the values that pass a test."""

    def parse(problems: list[Problem], value: Any, path: str) -> Any:
        if test(value):
            return value
        problems.append((path, f"{_show(value)} is not {kind}"))

    return parse


def _or_null(parser: Parser) -> Parser:
    return lambda problems, value, path: None if value is None else parser(problems, value, path)


_text = _of_kind(lambda value: type(value) is str, "a string")
_id = _of_kind(lambda value: type(value) is str and value != "", "a non-empty string")
_object = _of_kind(lambda value: type(value) is dict, "an object")
_array = _of_kind(lambda value: type(value) is list, "an array")
_filled = _of_kind(lambda value: type(value) is list and value != [], "a non-empty array")


def _one_of(*choices: str | int) -> Parser:
    expected = " or ".join(map(repr, choices))
    return _of_kind(lambda value: type(value) is not bool and value in choices, expected)


@dataclass(frozen=True)
class _Number:
    """Parser of a number in [SMALLEST, highest], or 0 where `zero` allows it, as a float."""

    zero: bool
    highest: float = LARGEST

    def accepts(self, value: Any) -> bool:
        return type(value) in (float, int) and (
            SMALLEST <= value <= self.highest or (self.zero and value == 0)
        )

    def __call__(self, problems: list[Problem], value: Any, path: str) -> float | None:
        if self.accepts(value):
            return float(value + 0.0)  # adding 0.0 turns -0.0 into 0.0
        problems.append((path, self._fault(value)))
        return None

    def _fault(self, value: Any) -> str:
        shown = _show(value)
        if type(value) not in (float, int):
            return f"{shown} is not a number"
        if not abs(value) <= sys.float_info.max:
            return f"{shown} is not a finite binary64 number"
        if self.highest < LARGEST and not 0 <= value <= self.highest:
            return f"{shown} is outside [0, {self.highest:g}]"
        if value < 0 or (value == 0 and not self.zero):
            return f"{shown} is negative" if self.zero else f"{shown} is not positive"
        return f"{shown} has a magnitude outside [{SMALLEST:g}, {LARGEST:g}]"


_SIZE = _Number(zero=True)
_SPEED = _Number(zero=False)
_SHARE = _Number(zero=True, highest=1.0)


def _sizes(problems: list[Problem], value: Any, path: str) -> list[float] | None:
    if _array(problems, value, path) is None:
        return None
    if all(map(_SIZE.accepts, value)):
        return [item + 0.0 for item in value]
    for i, item in enumerate(value):
        _SIZE(problems, item, f"{path}[{i}]")
    return None


def _finite(problems: list[Problem], value: Any, path: str) -> float | None:
    if type(value) in (float, int) and abs(value) <= sys.float_info.max:
        return float(value)
    problems.append((path, f"{_show(value)} is not a finite binary64 number"))
    return None


def _whole(problems: list[Problem], value: Any, path: str) -> int | None:
    if type(value) in (float, int) and 0 <= value <= LARGEST and value == int(value):
        return int(value)
    problems.append((path, f"{_show(value)} is not a whole number from 0 to {LARGEST:g}"))
    return None


def _position(problems: list[Problem], value: Any, path: str) -> None:
    """Look at a position, which is for pictures alone and is not kept."""
    if type(value) is not list or len(value) != 2:
        problems.append((path, "is not an array of two numbers"))
        return
    for i, item in enumerate(value):
        _finite(problems, item, f"{path}[{i}]")


@dataclass(frozen=True)
class _Record:
    """Parser of an object: keys with the parsers of their values.

    The result has the keys that could be read. A null stands for an optional key that is left out.
    """

    required: dict[str, Parser]
    optional: dict[str, Parser]

    def __call__(self, problems: list[Problem], value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            problems.append((path, f"{_show(value)} is not an object"))
            return {}
        fields = {}
        for parsers, needed in ((self.required, True), (self.optional, False)):
            for key, parser in parsers.items():
                if key not in value:
                    if needed:
                        problems.append((_join(path, key), "is missing"))
                elif needed or value[key] is not None:
                    parsed = parser(problems, value[key], _join(path, key))
                    if parsed is not None:
                        fields[key] = parsed
        unknown = value.keys() - self.required.keys() - self.optional.keys()
        problems += [(path, f"unknown key {key!r}") for key in sorted(unknown)]
        return fields


_POWER = _Record({"execute": _SIZE, "send": _SIZE, "receive": _SIZE}, {})
_COST = _Record({"normalise": _one_of("none", "local")}, {})
_APPLICATION = _Record({"id": _id, "subtasks": _filled, "edges": _array}, {})
_POINT = _Record(
    {"id": _id, "cpu": _SPEED, "capacity": _whole, "uplink": _SPEED, "downlink": _SPEED},
    {"channels": _whole, "position": _position},
)
_DEVICE = _Record(
    {
        "id": _id,
        "application": _id,
        "cpu": _SPEED,
        "power": _POWER,
        "connected_to": _or_null(_id),
        "alpha": _SHARE,
        "work": _sizes,
        "input": _sizes,
        "output": _sizes,
    },
    {"uplink": _SPEED, "downlink": _SPEED, "edge_data": _sizes, "position": _position},
)
_INSTANCE_MARKS: dict[str, Parser] = {
    "format": _one_of("offloadlib-instance"),
    "version": _one_of(1),
    "kind": _one_of("structured"),
}
_FRAME: dict[str, Parser] = {
    **_INSTANCE_MARKS,
    "name": _text,
    "cost": _COST,
    "applications": _filled,
    "offload_points": _filled,
}
_FRAME_OPTIONAL: dict[str, Parser] = {"description": _text, "source": _object}
_SOLUTION_MARKS: dict[str, Parser] = {"format": _one_of("offloadlib-solution"), "version": _one_of(1)}
_SOLUTION = _Record(
    {
        **_SOLUTION_MARKS,
        "instance": _Record({"name": _text, "sha256": _text}, {}),
        "method": _text,
        "objective": _finite,
        "lower_bound": _or_null(_finite),
        "status": _one_of("optimal", "feasible"),
        "decisions": _object,
    },
    {"run": _object},
)


def _check_marks(document: Any, marks: dict[str, Parser], file: str) -> None:
    """Refuse a document of another format, version or kind before complaining about all else in it."""
    if type(document) is not dict:
        raise Unusable(file, [("", f"{_show(document)} is not an object")])
    problems: list[Problem] = []
    _Record(marks, {})(problems, {key: document[key] for key in marks if key in document}, "")
    if problems:
        raise Unusable(file, problems)


# ---------------------------------------------------------------------------------------------------
# Reading: instances and solutions
# ---------------------------------------------------------------------------------------------------


class _Frame(NamedTuple):
    """An instance without its devices; where problems were noted, as far as it could be read.

    An application that could not be read is None, so that a device may still name it.
    """

    normalise: str
    applications: dict[str, Application | None]
    points: list[OffloadPoint]
    point_index: dict[str, int]
    body: Any  # what holds the devices: the value of "devices", or of "columns"


def read_instance(path: str | PathLike[str]) -> Instance:
    """Read an instance, as JSON or in the columnar form.

    Parameters
    ----------
    path : str or path
        The file; a columnar one is told by its first bytes.

    Returns
    -------
    Instance
        The instance with all defaults filled in.

    Raises
    ------
    Unusable
        If the file cannot be read or is not a valid instance.
    """
    data = _read_bytes(path)
    if data.startswith(b"PK"):
        return _instance_from_columns(data, str(path))
    return _instance_from_json(_parse_json(data, str(path)), str(path))


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
    document = _parse_json(_read_bytes(path), str(path))
    _check_marks(document, _SOLUTION_MARKS, str(path))
    problems: list[Problem] = []
    fields = _SOLUTION(problems, document, "")
    for device, places in fields.get("decisions", {}).items():
        if type(places) is not list:
            problems.append((f"decisions[{device!r}]", f"{_show(places)} is not an array"))
            continue
        for k, place in enumerate(places):
            if place is not None and type(place) is not str:
                where = f"decisions[{device!r}][{k}]"
                problems.append((where, f"{_show(place)} is neither the id of an offload point nor null"))
    if problems:
        raise Unusable(str(path), problems)
    return Solution(
        sha256=fields["instance"]["sha256"],
        objective=fields["objective"],
        lower_bound=fields.get("lower_bound"),
        status=fields["status"],
        decisions=fields["decisions"],
    )


def _instance_from_json(document: Any, file: str) -> Instance:
    _check_marks(document, _INSTANCE_MARKS, file)
    problems: list[Problem] = []
    frame = _frame(problems, document, "devices", _filled)
    return _instance(problems, frame, frame.body or (), file)


def _instance(problems: list[Problem], frame: _Frame, documents: Iterable[Any], file: str) -> Instance:
    """Read the devices and put the instance together."""
    seen: set[str] = set()
    devices = [
        _device(problems, frame, document, f"devices[{i}]", seen) for i, document in enumerate(documents)
    ]
    if problems:
        raise Unusable(file, problems)
    return Instance(
        frame.normalise,
        [application for application in frame.applications.values() if application],
        frame.points,
        [device for device in devices if device],
    )


def _frame(problems: list[Problem], document: dict[str, Any], body: str, parser: Parser) -> _Frame:
    fields = _Record({**_FRAME, body: parser}, _FRAME_OPTIONAL)(problems, document, "")
    applications: dict[str, Application | None] = {}
    for i, item in enumerate(fields.get("applications", [])):
        record = _APPLICATION(problems, item, f"applications[{i}]")
        if _is_new(problems, record, f"applications[{i}]", applications):
            applications[record["id"]] = _application(problems, record, f"applications[{i}]")
    points: list[OffloadPoint] = []
    point_index: dict[str, int] = {}
    for i, item in enumerate(fields.get("offload_points", [])):
        record = _POINT(problems, item, f"offload_points[{i}]")
        if _is_new(problems, record, f"offload_points[{i}]", point_index):
            point_index[record["id"]] = i
        points.append(OffloadPoint(*map(record.get, OffloadPoint._fields)))  # type: ignore[arg-type]
    normalise = fields.get("cost", {}).get("normalise", "")
    return _Frame(normalise, applications, points, point_index, fields.get(body))


def _is_new(problems: list[Problem], record: dict[str, Any], path: str, seen: Container[str]) -> bool:
    """Tell whether a record has an id that no earlier one has."""
    if record.get("id") in seen:
        problems.append((f"{path}.id", f"duplicate id {record['id']!r}"))
        return False
    return "id" in record


def _application(problems: list[Problem], record: dict[str, Any], path: str) -> Application | None:
    before = len(problems)
    index: dict[str, int] = {}
    for k, subtask in enumerate(record.get("subtasks", [])):
        if _id(problems, subtask, f"{path}.subtasks[{k}]") and index.setdefault(subtask, k) != k:
            problems.append((f"{path}.subtasks[{k}]", f"duplicate id {subtask!r}"))
    edges: dict[tuple[int, int], None] = {}  # a dictionary for its order and its quick look-up
    for i, edge in enumerate(record.get("edges", [])):
        where = f"{path}.edges[{i}]"
        if type(edge) is not list or len(edge) != 2 or not all(type(end) is str for end in edge):
            problems.append((where, "is not an array of the ids of two subtasks"))
            continue
        problems += [(where, f"unknown subtask {end!r}") for end in edge if index and end not in index]
        arc = (index.get(edge[0], -1), index.get(edge[1], -1))
        if arc in edges and -1 not in arc:
            problems.append((where, f"duplicate arc from {edge[0]!r} to {edge[1]!r}"))
        edges[arc] = None
    if len(problems) > before or "subtasks" not in record or "edges" not in record:
        return None
    return _graph(problems, record["id"], record["subtasks"], list(edges), path)


def _graph(
    problems: list[Problem], name: str, subtasks: list[str], edges: list[tuple[int, int]], path: str
) -> Application | None:
    """Order the subtasks of an application (Kahn), or name a cycle."""
    parents: list[list[int]] = [[] for _ in subtasks]
    children: list[list[int]] = [[] for _ in subtasks]
    for j, k in edges:
        parents[k].append(j)
        children[j].append(k)
    missing = [len(known) for known in parents]
    heads = [k for k, count in enumerate(missing) if not count]
    order = list(heads)
    for j in order:  # grows while it is read
        for k in children[j]:
            missing[k] -= 1
            if not missing[k]:
                order.append(k)
    if len(order) < len(subtasks):
        cycle = " -> ".join(repr(subtasks[k]) for k in _cycle(parents, set(order)))
        problems.append((f"{path}.edges", f"the graph has a cycle: {cycle}"))
        return None
    tails = [k for k, following in enumerate(children) if not following]
    return Application(name, subtasks, edges, order, parents, heads, tails)


def _cycle(parents: list[list[int]], ordered: set[int]) -> list[int]:
    """Return a cycle: a subtask that has no place in the order has a parent that has none either."""
    walk: dict[int, None] = {}
    k = next(k for k in range(len(parents)) if k not in ordered)
    while k not in walk:
        walk[k] = None
        k = next(j for j in parents[k] if j not in ordered)
    trail = list(walk)
    return [k, *reversed(trail[trail.index(k) :])]


def _device(
    problems: list[Problem], frame: _Frame, document: Any, path: str, seen: set[str]
) -> Device | None:
    before = len(problems)
    fields = _DEVICE(problems, document, path)
    if _is_new(problems, fields, path, seen):
        seen.add(fields["id"])
    name = fields.get("application")
    application = frame.applications.get(name) if name else None
    if name and frame.applications and name not in frame.applications:
        problems.append((f"{path}.application", f"unknown application {name!r}"))
    if application:
        for key in ("work", "input", "output", "edge_data"):
            expected = len(application.edges if key == "edge_data" else application.subtasks)
            if len(fields.get(key, ())) != expected and key in fields:
                problems.append((f"{path}.{key}", f"has {len(fields[key])} numbers instead of {expected}"))
    connection = fields.get("connected_to")
    if connection and frame.point_index and connection not in frame.point_index:
        problems.append((f"{path}.connected_to", f"unknown offload point {connection!r}"))
    if len(problems) == before and frame.normalise == "local":
        _check_normalisers(problems, fields, path)
    if problems or not application:  # no instance will come of it, here or elsewhere something is wrong
        return None
    point = frame.point_index[connection] if connection else None
    station = None if point is None else frame.points[point]
    return Device(
        fields["id"],
        application,
        fields["cpu"],
        fields["power"]["execute"],
        fields["power"]["send"],
        fields["power"]["receive"],
        point,
        fields.get("uplink", station and station.uplink),
        fields.get("downlink", station and station.downlink),
        fields["alpha"],
        fields["work"],
        fields["input"],
        fields["output"],
        fields.get("edge_data") or _default_edge_data(application, fields["output"]),
    )


def _check_normalisers(problems: list[Problem], fields: dict[str, Any], path: str) -> None:
    """All-local delay and energy divide the cost: where one is 0, its weight must be 0."""
    if not any(fields["work"]) and fields["alpha"] != 0:
        problems.append((path, "the all-local delay is 0, so the cost cannot be normalised by it"))
    if not (any(fields["work"]) and fields["power"]["execute"]) and fields["alpha"] != 1:
        problems.append((path, "the all-local energy is 0, so the cost cannot be normalised by it"))


# ---------------------------------------------------------------------------------------------------
# Reading: the columnar form
# ---------------------------------------------------------------------------------------------------

# A zip can be small and unfold to a lot. The size of an array is known beforehand from its shape; that
# of a JSON member is not, so it gets a limit.
_JSON_MEMBER_LIMIT = 2**28
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    MemoryError,
    RuntimeError,  # an encrypted member, or a feature that Python's zipfile does not know
    ValueError,  # offsets and names that make no sense
)
_COLUMN = _Record({"type": _one_of("<f8", "<i4", "json"), "shape": _array}, {})
_POWERS = ("execute", "send", "receive")
_SCALARS = ("cpu", "alpha", *(f"power.{name}" for name in _POWERS))
_RATES = ("uplink", "downlink")
_VECTORS = ("work", "input", "output")


class _Table(NamedTuple):
    """An array with rows, in C order."""

    values: array[Any]
    width: int

    def row(self, number: int) -> list[Any]:
        return self.values[number * self.width : (number + 1) * self.width].tolist()


class _Archive:
    """The members of a columnar file; what is wrong with them is noted in `problems`."""

    def __init__(self, data: bytes, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.columns: dict[str, dict[str, Any]] = {}
        self._members: dict[str, zipfile.ZipInfo] = {}
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _ZIP_ERRORS as error:
            raise Unusable(file, [("", f"is not a zip, or is cut short: {error}")]) from None
        for member in self._zip.infolist():
            if member.filename in self._members:
                self.problems.append((member.filename, "duplicate member"))
            self._members[member.filename] = member
        self.raise_problems()

    def raise_problems(self) -> None:
        if self.problems:
            raise Unusable(self.file, self.problems)

    def declare(self, columns: dict[str, Any]) -> None:
        """Take the declarations of the columns from the header."""
        for name, declaration in columns.items():
            self.columns[name] = _COLUMN(self.problems, declaration, _join("columns", name))
        known = {"header.json", *(f"columns/{name}" for name in columns)}
        self.problems += [(name, "unknown member") for name in sorted(self._members.keys() - known)]

    def json(self, name: str) -> Any:
        """Parse a JSON member; raise Unusable if it cannot be had."""
        data = self._read(name, None)
        self.raise_problems()
        return _parse_json(data, f"{self.file}: {name}")

    def expect(self, name: str, kind: str, *shape: int, optional: bool = False) -> bool:
        """Tell whether a column is declared, and note where it is not what it must be."""
        declared = self.columns.get(name)
        if declared is None:
            if not optional:
                self.problems.append((_join("columns", name), "is missing"))
            return False
        for key, value in (("type", kind), ("shape", list(shape))):
            if declared[key] != value:
                self.problems.append((f"{_join('columns', name)}.{key}", f"is not {json.dumps(value)}"))
        return True

    def table(self, name: str, kind: str, *shape: int, optional: bool = False) -> _Table | None:
        """Read an array; return None where it is not there or not right."""
        before = len(self.problems)
        if not self.expect(name, kind, *shape, optional=optional) or len(self.problems) > before:
            return None
        values: array[Any] = array("d" if kind == "<f8" else "i")
        values.frombytes(self._read(f"columns/{name}", math.prod(shape) * values.itemsize))
        if sys.byteorder == "big":
            values.byteswap()
        return _Table(values, math.prod(shape[1:]))

    def indices(self, name: str, length: int, lowest: int, stop: int) -> Sequence[int]:
        """Read a column of indices from `lowest` to before `stop`."""
        table = self.table(name, "<i4", length)
        values: Sequence[int] = table.values if table else ()
        for i, value in enumerate(values):
            if not lowest <= value < stop:
                self.problems.append((f"columns/{name}[{i}]", f"{value} is not in {lowest}..{stop - 1}"))
        return values

    def _read(self, name: str, size: int | None) -> bytes:
        """Unpack a member of a known size, or of any size up to the limit; b"" where that fails."""
        member = self._members.get(name)
        if member is None:
            fault = "is missing"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            fault = "is compressed in another way than deflate"
        elif size is None and member.file_size > _JSON_MEMBER_LIMIT:
            fault = f"has {member.file_size} bytes, more than the limit of {_JSON_MEMBER_LIMIT}"
        elif size is not None and member.file_size != size:
            fault = f"has {member.file_size} bytes, its shape needs {size}"
        else:
            try:
                data = self._zip.read(member)
                if len(data) == member.file_size:
                    return data
                fault = "is cut short"
            except _ZIP_ERRORS as error:
                fault = f"cannot be unpacked: {error}"
        self.problems.append((name, fault))
        return b""


def _instance_from_columns(data: bytes, file: str) -> Instance:
    """Read a columnar file: its devices are handed on one by one as they would stand in a JSON file."""
    archive = _Archive(data, file)
    header = archive.json("header.json")
    _check_marks(header, _INSTANCE_MARKS, file)
    frame = _frame(archive.problems, header, "columns", _object)
    archive.declare(frame.body or {})
    archive.raise_problems()
    return _instance(archive.problems, frame, _device_documents(archive, frame), file)


def _device_documents(archive: _Archive, frame: _Frame) -> Iterator[dict[str, Any]]:
    applications = [application for application in frame.applications.values() if application]
    ids = _filled(archive.problems, archive.json("columns/id"), "columns/id") or []
    count = len(ids)
    archive.expect("id", "json", count)
    kinds = archive.indices("application", count, 0, len(applications))
    connections = archive.indices("connected_to", count, -1, len(frame.points))
    scalars = {name: archive.table(name, "<f8", count) for name in _SCALARS}
    rates = {name: archive.table(name, "<f8", count, optional=True) for name in _RATES}
    positions = archive.table("position", "<f8", count, 2, optional=True)
    archive.raise_problems()
    vectors: dict[tuple[str, int], _Table | None] = {}
    for i, rows in sorted(Counter(kinds).items()):
        for name in _VECTORS:
            vectors[name, i] = archive.table(f"{name}.{i}", "<f8", rows, len(applications[i].subtasks))
        arcs = len(applications[i].edges)
        vectors["edge_data", i] = archive.table(f"edge_data.{i}", "<f8", rows, arcs, optional=True)
    known = {"id", "application", "connected_to", *scalars, *rates, "position"}
    known.update(f"{name}.{i}" for name, i in vectors)
    unknown = archive.columns.keys() - known
    archive.problems += [("columns", f"unknown column {name!r}") for name in sorted(unknown)]
    archive.raise_problems()

    rows_read = [0] * len(applications)
    for m, (i, connection) in enumerate(zip(kinds, connections, strict=True)):
        scalar = {name: table.values[m] for name, table in scalars.items() if table}
        document = {
            "id": ids[m],
            "application": applications[i].id,
            "cpu": scalar["cpu"],
            "power": {name: scalar[f"power.{name}"] for name in _POWERS},
            "connected_to": None if connection < 0 else frame.points[connection].id,
            "alpha": scalar["alpha"],
        }
        document |= {name: table.values[m] for name, table in rates.items() if table and _given(table.row(m))}
        if positions and _given(positions.row(m)):
            document["position"] = positions.row(m)
        for name in (*_VECTORS, "edge_data"):
            table = vectors[name, i]
            if table and (name in _VECTORS or _given(table.row(rows_read[i]))):
                document[name] = table.row(rows_read[i])
        rows_read[i] += 1
        yield document


def _given(row: list[float]) -> bool:
    return not all(map(math.isnan, row))


# ---------------------------------------------------------------------------------------------------
# Exact costs
# ---------------------------------------------------------------------------------------------------

_SHIFT = 82
_ONE = 1 << _SHIFT
_GRIDS = (200, 800)  # bits after the binary point


def exact(value: float) -> int:
    """Return value·2^82, which is an integer.

    An instance has no magnitudes below 1e-9 > 2^-30 except 0, and a binary64 number of at least 2^-30 is
    a multiple of 2^(-30-52). Speeds and sizes are scaled alike, so their ratios, the times, need no care.
    """
    return int(math.ldexp(value, _SHIFT))


class Coefficients(NamedTuple):
    """The cost of one device for decisions among some places, in integers.

    Executing scaled work w at place p takes w·execution[p] time units, sending or receiving scaled data d
    takes d·upload or d·download, and a delay G (time units) with an energy E (time units times scaled
    power) costs (delay·G + energy·E)/denominator.
    """

    execution: dict[int, int]
    upload: int
    download: int
    delay: int
    energy: int
    denominator: int


def coefficients(instance: Instance, device: Device, places: Iterable[int]) -> Coefficients:
    """Return the coefficients of a device.

    The time unit is 1 s over the product of the speeds that occur: every time is then an integer. The
    rates occur only where one of the places is an offload point, so an unconnected device needs none.
    """
    speeds = {place: exact(device.cpu if place == LOCAL else instance.points[place].cpu) for place in places}
    speeds[LOCAL] = exact(device.cpu)
    second = math.prod(speeds.values())
    upload = download = 0
    if len(speeds) > 1:
        up, down = exact(device.uplink or 0.0), exact(device.downlink or 0.0)
        second *= up * down
        upload, download = second // up, second // down
    execution = {place: second // speed for place, speed in speeds.items()}

    if instance.normalise == "none":
        delay_unit, energy_unit = second, second << _SHIFT
    else:
        work = [exact(size) for size in device.work]
        delay_unit = _heaviest_path(device.application, work) * execution[LOCAL]
        energy_unit = sum(work) * execution[LOCAL] * exact(device.execute)
    # alpha·G/delay_unit + (1-alpha)·E/energy_unit; where a unit is 0, its weight is 0 (that was checked),
    # and any other unit gives the 0 that the term counts.
    delay_unit, energy_unit = delay_unit or 1, energy_unit or 1
    alpha = exact(device.alpha)
    return Coefficients(
        execution,
        upload,
        download,
        delay=alpha * energy_unit,
        energy=(_ONE - alpha) * delay_unit,
        denominator=delay_unit * energy_unit << _SHIFT,
    )


def device_cost(instance: Instance, device: Device, places: Sequence[int]) -> Ratio:
    """Return the exact cost of a device, equation (3), for the places of its subtasks."""
    application = device.application
    factor = coefficients(instance, device, places)
    delays = []
    executing = sending = receiving = 0
    for size, place in zip(device.work, places, strict=True):
        time = exact(size) * factor.execution[place]
        delays.append(time)
        if place == LOCAL:
            executing += time

    def send(k: int, size: float) -> int:
        delays[k] += (time := exact(size) * factor.upload)
        return time

    def receive(k: int, size: float) -> int:
        delays[k] += (time := exact(size) * factor.download)
        return time

    for (j, k), size in zip(application.edges, device.edge_data, strict=True):
        if places[j] == LOCAL != places[k]:
            sending += send(k, size)
        elif places[j] != LOCAL == places[k]:
            receiving += receive(k, size)
    sending += sum(send(k, device.input[k]) for k in application.heads if places[k] != LOCAL)
    receiving += sum(receive(k, device.output[k]) for k in application.tails if places[k] != LOCAL)

    delay = _heaviest_path(application, delays)
    energy = (
        executing * exact(device.execute) + sending * exact(device.send) + receiving * exact(device.receive)
    )
    return factor.delay * delay + factor.energy * energy, factor.denominator


def _heaviest_path(application: Application, weights: Sequence[int]) -> int:
    finish = list(weights)
    for k in application.order:
        if application.parents[k]:
            finish[k] += max([finish[j] for j in application.parents[k]])
    return max(finish)


class Total:
    """The exact sum of many costs, enclosed in an interval.

    The denominators of the devices have little in common, so the sum as one fraction would have about as
    many digits as all of them together. Instead each exact cost is rounded down, and up, to a multiple of
    2^-bits, in integer arithmetic: the two sums enclose the exact one, at most (number of costs)·2^-bits
    apart. `settle` gets the answer at the exact sum from them, on a finer grid where it needs one, and at
    last (the exact sum lies just where the answer changes) from the one fraction.
    """

    def __init__(self, costs: Callable[[], Iterable[Ratio]]) -> None:
        self._costs = costs
        self._enclosures: dict[int, tuple[Fraction, Fraction]] = {}

    def enclosure(self, bits: int) -> tuple[Fraction, Fraction]:
        """Return two multiples of 2^-bits with the exact sum between them."""
        if bits not in self._enclosures:
            low = high = 0
            for numerator, denominator in self._costs():
                quotient, rest = divmod(numerator << bits, denominator)
                low += quotient
                high += quotient + (rest > 0)
            self._enclosures[bits] = Fraction(low, 1 << bits), Fraction(high, 1 << bits)
        return self._enclosures[bits]

    def settle(self, question: Callable[[Fraction], Answer]) -> Answer:
        """Return the answer at the exact sum.

        The question must be monotone, that is, its answer may change only in one direction as the sum
        grows: where both ends of the interval give the same answer, so does everything between them.
        """
        for bits in _GRIDS:
            low, high = map(question, self.enclosure(bits))
            if low == high:
                return low
        return question(self._fraction())

    def _fraction(self) -> Fraction:
        terms = [Fraction(*cost) for cost in self._costs()]
        while len(terms) > 1:  # in pairs, so that most additions are of small fractions
            terms = [sum(terms[i : i + 2], Fraction(0)) for i in range(0, len(terms), 2)]
        return terms[0]


# ---------------------------------------------------------------------------------------------------
# The rules
# ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """The outcome of one rule: its name, whether it holds, and what was found."""

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check.

    Attributes
    ----------
    accepted : bool
        Whether every rule holds.
    rules : tuple of Rule
        The rules that were applied.
    objective : float
        The exact cost, rounded to the nearest binary64 number; NaN where the decisions have no cost.
    """

    accepted: bool
    rules: tuple[Rule, ...]
    objective: float

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it (an objective that is NaN becomes None)."""
        return {**asdict(self), "objective": None if math.isnan(self.objective) else self.objective}


class Case:
    """A solution beside the instance that it is said to solve.

    Attributes
    ----------
    places : list of list of int
        For each device of the instance the places of its subtasks.
    misfits : list of str
        Where the decisions do not fit the instance; `places` has a meaning only if there are none.
    """

    def __init__(self, instance: Instance, solution: Solution) -> None:
        self.instance = instance
        self.solution = solution
        self.places: list[list[int]] = []
        self.misfits: list[str] = []
        index: dict[str | None, int] = {point.id: n for n, point in enumerate(instance.points)}
        index[None] = LOCAL
        for device in instance.devices:
            chosen = solution.decisions.get(device.id)
            if chosen is None:
                self.misfits.append(f"device {device.id!r} has no decision")
                continue
            if len(chosen) != len(device.work):
                self.misfits.append(
                    f"device {device.id!r} has {len(chosen)} places for {len(device.work)} subtasks"
                )
            unknown = [place for place in chosen if place not in index]
            self.misfits += [f"device {device.id!r}: unknown offload point {place!r}" for place in unknown]
            if not unknown:
                self.places.append([index[place] for place in chosen])
        strangers = solution.decisions.keys() - {device.id for device in instance.devices}
        self.misfits += [f"unknown device {device!r}" for device in sorted(strangers)]

    @cached_property
    def offloading(self) -> list[Device]:
        """The devices that offload at least one subtask."""
        pairs = zip(self.instance.devices, self.places, strict=True)
        return [device for device, places in pairs if any(place != LOCAL for place in places)]

    @cached_property
    def total(self) -> Total:
        """The exact cost."""
        return Total(lambda: map(self._device_cost, self.instance.devices, self.places))

    def _device_cost(self, device: Device, places: list[int]) -> Ratio:
        return device_cost(self.instance, device, places)

    @cached_property
    def objective(self) -> float:
        """The exact cost, rounded to the nearest binary64 number."""
        return self.total.settle(float)


def rule_fingerprint(case: Case) -> Rule:
    """The solution was made for this instance."""
    actual = case.instance.fingerprint()
    stated = case.solution.sha256
    if stated == actual:
        return Rule("fingerprint", True, actual)
    return Rule("fingerprint", False, f"the solution is for {_show(stated)}, the instance is {actual}")


def rule_decisions(case: Case) -> Rule:
    """Each device decides once for each of its subtasks, on a known place."""
    return _report("decisions", case.misfits, f"{len(case.instance.devices)} devices decided")


def rule_connections(case: Case) -> Rule:
    """A device without a connection offloads nothing."""
    broken = [
        f"device {device.id!r} offloads without a connection"
        for device in case.offloading
        if device.point is None
    ]
    return _report("connections", broken, "no device offloads without one")


def rule_capacity(case: Case) -> Rule:
    """No offload point has more subtasks than its capacity."""
    used = Counter(place for places in case.places for place in places)
    limits = [point.capacity for point in case.instance.points]
    return _report("capacity", _excesses(case.instance, used, limits, "subtasks"), "kept everywhere")


def rule_channels(case: Case) -> Rule:
    """No offload point serves more offloading devices than its channels."""
    used = Counter(device.point for device in case.offloading if device.point is not None)
    limits = [point.channels for point in case.instance.points]
    return _report("channels", _excesses(case.instance, used, limits, "devices"), "kept everywhere")


def _excesses(
    instance: Instance, used: Mapping[int, int], limits: Sequence[int | None], what: str
) -> list[str]:
    return [
        f"{point.id!r} has {used[n]} {what}, {used[n] - limit} above its limit of {limit}"
        for n, (point, limit) in enumerate(zip(instance.points, limits, strict=True))
        if limit is not None and used[n] > limit
    ]


def _report(name: str, faults: list[str], success: str) -> Rule:
    return Rule(name, not faults, "; ".join(faults) or success)


def _slack(cost: Fraction) -> Fraction:
    """Return what a stated number may be off; cost minus or plus this grows with the cost."""
    return TOLERANCE * max(Fraction(1), cost)


def rule_objective(case: Case) -> Rule:
    """The stated objective is the exact cost, within the tolerance."""
    stated = Fraction(case.solution.objective)
    high_enough = case.total.settle(lambda cost: cost - _slack(cost) <= stated)
    low_enough = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.solution.objective!r}, exact {case.objective!r}"
    return Rule("objective", high_enough and low_enough, message)


def rule_lower_bound(case: Case) -> Rule:
    """The stated lower bound is not above the exact cost, within the tolerance."""
    if case.solution.lower_bound is None:
        return Rule("lower_bound", True, "none stated")
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= cost + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, exact cost {case.objective!r}"
    return Rule("lower_bound", ok, message)


def rule_status(case: Case) -> Rule:
    """Only a stated gap of at most 1e-9 is called optimal (at objective 0: no gap)."""
    status, bound = case.solution.status, case.solution.lower_bound
    if status != "optimal":
        return Rule("status", True, status)
    if bound is None:
        return Rule("status", False, "'optimal' without a lower bound")
    objective = Fraction(case.solution.objective)
    ok = objective - Fraction(bound) <= TOLERANCE * abs(objective)
    return Rule("status", ok, f"'optimal' with objective {case.solution.objective!r}, lower bound {bound!r}")


def rule_certificate(case: Case, path: str | PathLike[str]) -> Rule:
    """The bound that a certificate proves is at least the one that it claims."""
    raise Unusable(str(path), [("", "checking certificates is not in this version")])


# ---------------------------------------------------------------------------------------------------
# The check
# ---------------------------------------------------------------------------------------------------


def check(
    instance_path: str | PathLike[str],
    solution_path: str | PathLike[str],
    certificate_path: str | PathLike[str] | None = None,
) -> Verdict:
    """Check a solution, and a certificate where there is one.

    Parameters
    ----------
    instance_path, solution_path : str or path
        The files.
    certificate_path : str or path, optional
        A file that proves a lower bound.

    Returns
    -------
    Verdict
        The outcome of every rule that could be applied.

    Raises
    ------
    Unusable
        If a file cannot be read or is not of the right form.
    """
    case = Case(read_instance(instance_path), read_solution(solution_path))
    rules = [rule_fingerprint(case), rule_decisions(case)]
    objective = math.nan
    if not case.misfits:
        connections = rule_connections(case)
        rules += [connections, rule_capacity(case), rule_channels(case)]
        if connections.ok:
            rules += [rule_objective(case), rule_lower_bound(case)]
            objective = case.objective
    rules.append(rule_status(case))
    if certificate_path is not None:
        rules.append(rule_certificate(case, certificate_path))
    return Verdict(all(rule.ok for rule in rules), tuple(rules), objective)


def _say(verdict: Verdict) -> str:
    lines = [f"{'ok' if rule.ok else 'FAILED':<8}{rule.name:<13}{rule.message}" for rule in verdict.rules]
    cost = "" if math.isnan(verdict.objective) else f", exact cost {verdict.objective!r}"
    return "\n".join([*lines, ("accepted" if verdict.accepted else "rejected") + cost])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, by default those of the process.

    Returns
    -------
    int
        The exit status: 0 accepted, 1 a rule failed, 2 unusable input.
    """
    parser = argparse.ArgumentParser(
        prog="check.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("instance", metavar="INSTANCE")
    parser.add_argument("solution", metavar="SOLUTION")
    parser.add_argument("--certificate", metavar="FILE", help="a certificate to check as well")
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    arguments = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # ids may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        verdict = check(arguments.instance, arguments.solution, arguments.certificate)
    except Unusable as unusable:
        print(unusable, file=sys.stderr)
        return 2
    print(json.dumps(verdict.as_dict()) if arguments.json else _say(verdict))
    return 0 if verdict.accepted else 1


if __name__ == "__main__":
    sys.exit(main())
