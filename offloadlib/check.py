"""Check a solution of a structured or a hybrid offloading instance, without trusting whoever made it.

    python -I offloadlib/check.py INSTANCE SOLUTION [--certificate FILE] [--json]

This one file needs Python 3.11 or later and its standard library, and nothing else: it shares no code
with the models and the methods that it checks. It reads both files itself, recomputes everything from
the data, and applies one function per rule (the functions named ``rule_...`` below):

==============  ====================================================================================
fingerprint     the solution was made for this instance (SHA-256 of the instance's canonical form)
decisions       each device decides exactly once, for each of its subtasks, on a place that exists
connections     a device without a connection offloads nothing (structured)
capacity        no offload point has more subtasks than its capacity (structured, no tolerance)
channels        no offload point serves more offloading devices than its channels (structured, no tolerance)
split           each device has a share of the uplink, not negative, and positive if it uploads (hybrid)
bandwidth       the shares add up to at most the bandwidth (hybrid, no tolerance)
objective       the stated objective is within 1e-9·max(1, exact) of the exact cost
lower_bound     the stated lower bound is at most the exact cost, with the same tolerance
status          "optimal" is stated only with a relative gap of at most 1e-9
certificate     the certificate is for this instance, one tree, without a negative or unknown price
claim           the lower bound that it claims is at most the one that it proves (no tolerance)
proven_bound    the solution's lower bound is at most the proven one, with the tolerance as above
consistency     the proven bound is at most the exact cost of a feasible solution: or this file is wrong
==============  ====================================================================================

Rules that a failed one leaves without meaning are not applied: nothing can be counted where the
decisions do not fit the instance, and an unconnected device that offloads has no cost.

Costs are exact. A number in a file stands for its binary64 value, which is an integer times 2^-82
(see `exact`), and the cost of a device is a ratio of two integers. The sum over the devices is enclosed
in an interval that is refined until it decides (see `Total`). No floating-point arithmetic takes part.
What a certificate proves is computed in integers, rounded downwards (see `tree_bound`); the mathematics
are in docs/certificates.md and docs/hybrid.md.

Exit status: 0 accepted, 1 a rule failed, 2 unusable input.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import itertools
import json
import math
import operator
import re
import struct
import sys
import zipfile
import zlib
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache, cached_property
from heapq import heappop, heappush
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

__all__ = [
    "Rule",
    "Unusable",
    "Verdict",
    "check",
    "fingerprint",
    "main",
    "read_certificate",
    "read_instance",
    "read_solution",
    "tree_bound",
]

Problem = tuple[str, str]  # the path inside the file, what is wrong there
Ratio = tuple[int, int]  # a numerator and a positive denominator, not reduced
Answer = TypeVar("Answer")

LOCAL = -1  # the place of a subtask that stays on its device; n >= 0 is the n-th offload point
TOLERANCE = Fraction(1, 10**9)
_ZERO = Fraction(0)
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


class HybridDevice(NamedTuple):
    """A device of a hybrid problem."""

    id: str
    weight: float
    sizes: list[float]


class HybridInstance(NamedTuple):
    """A hybrid offloading problem; `parameters` are as in the file, without a null for no cloud."""

    parameters: dict[str, Any]
    devices: list[HybridDevice]

    def fingerprint(self) -> str:
        """Return the SHA-256 of the canonical form."""
        devices = [device._asdict() for device in self.devices]
        for device in devices:
            if device["weight"] == 1.0:
                del device["weight"]
        document = {
            "devices": devices,
            "format": "offloadlib-instance",
            "kind": "hybrid",
            "parameters": self.parameters,
            "version": 1,
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


AnyInstance = Instance | HybridInstance


class Solution(NamedTuple):
    """What a solution file claims.

    `decisions` maps the id of a device to ids of offload points (hybrid: to places), `split` to Mbit/s.
    """

    sha256: str
    objective: float
    lower_bound: float | None
    status: str
    decisions: dict[str, list[str | None]]
    split: dict[str, float] | None = None


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
    "kind": _one_of("structured", "hybrid"),
}
_FRAME: dict[str, Parser] = {
    **_INSTANCE_MARKS,
    "name": _text,
    "cost": _COST,
    "applications": _filled,
    "offload_points": _filled,
}
_FRAME_OPTIONAL: dict[str, Parser] = {"description": _text, "source": _object}
_EDGE: dict[str, Parser] = {"speed": _SPEED, "price": _SIZE}
_PARAMETERS = _Record(
    {
        "local_time": _SIZE,
        "local_energy": _SIZE,
        "transmit_energy": _SIZE,
        "cycles": _SIZE,
        "bandwidth": _SPEED,
        "delay_weight": _SPEED,
        "edge": _Record(_EDGE, {}),
        "cloud": _or_null(_Record({**_EDGE, "rate": _SPEED}, {})),
    },
    {},
)
_HYBRID_FRAME: dict[str, Parser] = {**_INSTANCE_MARKS, "name": _text, "parameters": _PARAMETERS}
_HYBRID_DEVICE = _Record({"id": _id, "sizes": _sizes}, {"weight": _SPEED})
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
    {"run": _object, "split": _object},
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
    split = fields.get("split")
    for device, share in (split or {}).items():
        _finite(problems, share, f"split[{device!r}]")
    if problems:
        raise Unusable(str(path), problems)
    return Solution(
        sha256=fields["instance"]["sha256"],
        objective=fields["objective"],
        lower_bound=fields.get("lower_bound"),
        status=fields["status"],
        decisions=fields["decisions"],
        split=split,
    )


def _instance_from_json(document: Any, file: str) -> AnyInstance:
    _check_marks(document, _INSTANCE_MARKS, file)
    problems: list[Problem] = []
    if document["kind"] == "hybrid":
        fields = _Record({**_HYBRID_FRAME, "devices": _filled}, _FRAME_OPTIONAL)(problems, document, "")
        return _hybrid_instance(problems, fields, fields.get("devices", ()), file)
    frame = _frame(problems, document, "devices", _filled)
    return _instance(problems, frame, frame.body or (), file)


def _hybrid_instance(
    problems: list[Problem], fields: dict[str, Any], documents: Iterable[Any], file: str
) -> HybridInstance:
    """Read the devices of a hybrid instance and put it together."""
    devices: dict[str, HybridDevice] = {}
    tasks = 0
    for i, document in enumerate(documents):
        record = _HYBRID_DEVICE(problems, document, f"devices[{i}]")
        sizes = record.get("sizes")
        if sizes == []:
            problems.append((f"devices[{i}].sizes", "is empty"))
        elif sizes and len(sizes) != (tasks := tasks or len(sizes)):
            what = f"has {len(sizes)} numbers instead of {tasks}, as those of the first device"
            problems.append((f"devices[{i}].sizes", what))
        if _is_new(problems, record, f"devices[{i}]", devices):
            devices[record["id"]] = HybridDevice(record["id"], record.get("weight", 1.0), sizes or [])
    if problems:
        raise Unusable(file, problems)
    return HybridInstance(fields["parameters"], list(devices.values()))


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


def _instance_from_columns(data: bytes, file: str) -> AnyInstance:
    """Read a columnar file: its devices are handed on one by one as they would stand in a JSON file."""
    archive = _Archive(data, file)
    header = archive.json("header.json")
    _check_marks(header, _INSTANCE_MARKS, file)
    if header["kind"] == "hybrid":
        fields = _Record({**_HYBRID_FRAME, "columns": _object}, _FRAME_OPTIONAL)(archive.problems, header, "")
        archive.declare(fields.get("columns", {}))
        archive.raise_problems()
        return _hybrid_instance(archive.problems, fields, _hybrid_documents(archive), file)
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


def _hybrid_documents(archive: _Archive) -> Iterator[dict[str, Any]]:
    ids = _filled(archive.problems, archive.json("columns/id"), "columns/id") or []
    archive.expect("id", "json", len(ids))
    weights = archive.table("weight", "<f8", len(ids))
    shape = archive.columns.get("sizes", {}).get("shape", [])
    if len(shape) != 2 or not all(type(length) is int and length > 0 for length in shape):
        archive.problems.append(("columns.sizes.shape", "is not that of a table"))
        archive.raise_problems()
    sizes = archive.table("sizes", "<f8", len(ids), shape[1])
    unknown = archive.columns.keys() - {"id", "weight", "sizes"}
    archive.problems += [("columns", f"unknown column {name!r}") for name in sorted(unknown)]
    archive.raise_problems()
    if weights and sizes:
        for i, name in enumerate(ids):
            yield {"id": name, "weight": weights.values[i], "sizes": sizes.row(i)}


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
# Certificates: the file (docs/certificates.md has the mathematics)
# ---------------------------------------------------------------------------------------------------


class Branch(NamedTuple):
    """A node with two children: there the subtask of the device is at one of the places, or it is not.

    Tasks of a hybrid instance have numbers, from 0 on, instead of names.
    """

    device: str
    subtask: str | int
    places: list[str | None]
    equal: int
    different: int


class UnitBranch(NamedTuple):
    """A node with two children (hybrid): there at most so many units are uploaded in all, or more are."""

    units: int
    equal: int
    different: int


class Count(NamedTuple):
    """A node with two children: a device has at most so many subtasks at points as fast as this, or more."""

    device: str
    point: str
    most: int
    equal: int
    different: int


class Leaf(NamedTuple):
    """A node with prices: by ids of points and numbers of cuts, or on bandwidth and units (hybrid)."""

    capacity: dict[str, Fraction]
    channels: dict[str, Fraction]
    bandwidth: Fraction | None
    units: Fraction | None = None
    cuts: Mapping[str, Fraction] = MappingProxyType({})


class Enumeration(NamedTuple):
    """A node with one child, below which the patterns that these prices leave stand for decisions."""

    leaf: Leaf
    below: int


TreeNode = Branch | UnitBranch | Count | Leaf | Enumeration


class Cut(NamedTuple):
    """The sum over the devices of floor((u + shift)/divisor) is at most floor((limit + shifts)/divisor).

    Of a device u subtasks, and of all at most `limit`, are at points as fast as this one.
    """

    point: str
    divisor: int
    shifts: dict[str, int]


class Certificate(NamedTuple):
    """What a certificate file claims; `units` are those of each device's tasks (hybrid)."""

    sha256: str
    lower_bound: Fraction
    nodes: list[TreeNode]
    units: dict[str, list[int]] | None = None
    cuts: Sequence[Cut] = ()


# Not all that `Fraction` would take ("1_0", "1/3", "nan"), neither endless digits nor vast exponents.
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_LONGEST_DECIMAL = 100


def _decimal(problems: list[Problem], value: Any, path: str) -> Fraction | None:
    if type(value) is str and len(value) <= _LONGEST_DECIMAL and _DECIMAL.fullmatch(value):
        return Fraction(value)
    problems.append((path, f"{_show(value)} is not a decimal number in a string"))
    return None


def _decimals(problems: list[Problem], value: Any, path: str) -> dict[str, Fraction | None] | None:
    if _object(problems, value, path) is None:
        return None
    return {key: _decimal(problems, item, _join(path, key)) for key, item in value.items()}


_index = _of_kind(lambda value: type(value) is int, "a whole number")
_MOST_UNITS = 10**9  # of a task
_natural = _of_kind(lambda value: type(value) is int and 0 <= value <= _MOST_UNITS, "a whole number of units")
_PRICES = _Record(
    {},
    {
        "capacity": _decimals,
        "channels": _decimals,
        "bandwidth": _decimal,
        "units": _decimal,
        "cuts": _decimals,
    },
)
_LEAF = _Record({"prices": _PRICES}, {})
_ENUMERATION = _Record({"patterns": _PRICES, "below": _index}, {})
_COUNT = _Record(
    {
        "branch": _Record({"device": _text, "fast_as": _text, "most": _whole}, {}),
        "equal": _index,
        "different": _index,
    },
    {},
)


def _shifts(problems: list[Problem], value: Any, path: str) -> dict[str, int] | None:
    if _object(problems, value, path) is None:
        return None
    found = {key: _whole(problems, item, _join(path, key)) for key, item in value.items()}
    return {key: shift for key, shift in found.items() if shift is not None}


_CUT = _Record({"fast_as": _text, "divisor": _whole, "shifts": _shifts}, {})


def _names(problems: list[Problem], value: Any, path: str) -> list[str | None] | None:
    if _filled(problems, value, path) is None:
        return None
    return [_or_null(_text)(problems, item, f"{path}[{i}]") for i, item in enumerate(value)]


def _branch_of(what: dict[str, Parser]) -> Parser:
    """Return the parser of a branch: on one place of a subtask, or on several."""
    at: dict[str, Parser] = {"device": _text, **what}
    one, several = (
        _Record({"branch": _Record(at | places, {}), "equal": _index, "different": _index}, {})
        for places in ({"place": _or_null(_text)}, {"places": _names})
    )

    def parse(problems: list[Problem], value: Any, path: str) -> Any:
        at = value["branch"]
        return (several if type(at) is dict and "places" in at else one)(problems, value, path)

    return parse


def _units(problems: list[Problem], value: Any, path: str) -> dict[str, list[Any]] | None:
    """Parse a whole number for each task of each device."""
    if _object(problems, value, path) is None:
        return None
    return {
        key: [_natural(problems, unit, f"{_join(path, key)}[{i}]") for i, unit in enumerate(units)]
        for key, units in value.items()
        if _filled(problems, units, _join(path, key)) is not None
    }


_BRANCH, _HYBRID_BRANCH = _branch_of({"subtask": _text}), _branch_of({"task": _index})
_UNIT_BRANCH = _Record({"branch": _Record({"units": _index}, {}), "equal": _index, "different": _index}, {})
_CERTIFICATE_MARKS: dict[str, Parser] = {"format": _one_of("offloadlib-certificate"), "version": _one_of(1)}
_CERTIFICATE = _Record(
    {
        **_CERTIFICATE_MARKS,
        "instance": _Record({"name": _text, "sha256": _text}, {}),
        "lower_bound": _decimal,
        "nodes": _filled,
    },
    {"units": _units, "cuts": _array},
)


def read_certificate(path: str | PathLike[str]) -> Certificate:
    """Read a certificate.

    Parameters
    ----------
    path : str or path
        The file.

    Returns
    -------
    Certificate
        The claims of the file, which are not compared with any instance yet.

    Raises
    ------
    Unusable
        If the file cannot be read or is not of the right form.
    """
    document = _parse_json(_read_bytes(path), str(path))
    _check_marks(document, _CERTIFICATE_MARKS, str(path))
    problems: list[Problem] = []
    fields = _CERTIFICATE(problems, document, "")
    nodes = [_node(problems, node, f"nodes[{i}]") for i, node in enumerate(fields.get("nodes", ()))]
    cuts = [_CUT(problems, cut, f"cuts[{i}]") for i, cut in enumerate(fields.get("cuts", ()))]
    if problems:
        raise Unusable(str(path), problems)
    return Certificate(
        fields["instance"]["sha256"],
        fields["lower_bound"],
        [node for node in nodes if node],
        fields.get("units"),
        [Cut(cut["fast_as"], cut["divisor"], cut["shifts"]) for cut in cuts],
    )


def _node(problems: list[Problem], value: Any, path: str) -> TreeNode | None:
    before = len(problems)
    if type(value) is dict and "patterns" in value:
        fields = _ENUMERATION(problems, value, path)
        return Enumeration(_leaf(fields["patterns"]), fields["below"]) if len(problems) == before else None
    is_branch = type(value) is dict and "branch" in value
    keys = value["branch"] if is_branch and type(value["branch"]) is dict else {}
    if "fast_as" in keys:
        fields = _COUNT(problems, value, path)
        if len(problems) > before:
            return None
        at = fields["branch"]
        return Count(at["device"], at["fast_as"], at["most"], fields["equal"], fields["different"])
    of_task, of_units = "task" in keys, "units" in keys
    parser = _UNIT_BRANCH if of_units else _HYBRID_BRANCH if of_task else _BRANCH if is_branch else _LEAF
    fields = parser(problems, value, path)
    if len(problems) > before:
        return None
    if is_branch:
        at = fields["branch"]
        if of_units:
            return UnitBranch(at["units"], fields["equal"], fields["different"])
        subtask = at["task" if of_task else "subtask"]
        places = at["places"] if "places" in at else [at.get("place")]
        return Branch(at["device"], subtask, places, fields["equal"], fields["different"])
    return _leaf(fields["prices"])


def _leaf(prices: dict[str, Any]) -> Leaf:
    limits = prices.get("capacity", {}), prices.get("channels", {})
    return Leaf(*limits, prices.get("bandwidth"), prices.get("units"), prices.get("cuts", {}))


def certificate_faults(instance: AnyInstance, certificate: Certificate) -> list[str]:
    """Tell what keeps the nodes from being a proof about the instance.

    Parameters
    ----------
    instance : Instance or HybridInstance
        The instance.
    certificate : Certificate
        The certificate; its claim and its fingerprint are not looked at.

    Returns
    -------
    list of str
        What is wrong with the tree, the branches and the prices.
    """
    faults = _tree_faults(certificate.nodes)
    if isinstance(instance, HybridInstance):
        return faults + _hybrid_faults(instance, certificate)
    devices = {device.id: device for device in instance.devices}
    points = {point.id: point for point in instance.points}
    faults += [
        f"cuts[{i}]: {fault}"
        for i, cut in enumerate(certificate.cuts)
        for fault in _cut_faults(devices, points, cut)
    ]
    inside = _inside(certificate.nodes)
    cuts = set(map(str, range(len(certificate.cuts))))
    for i, node in enumerate(certificate.nodes):
        if isinstance(node, Branch):
            found = [*_branch_faults(devices, points, node)]
            if inside[i]:
                found.append("a branch on a subtask below an enumeration")
        elif isinstance(node, Count):
            found = [f"unknown device {node.device!r}"] if node.device not in devices else []
            found += [f"unknown offload point {node.point!r}"] if node.point not in points else []
            if not inside[i]:
                found.append("a branch on a number of subtasks that is not below an enumeration")
        elif isinstance(node, UnitBranch):
            found = ["a branch on units, which a structured instance does not have"]
        else:
            leaf = node.leaf if isinstance(node, Enumeration) else node
            found = [*_price_faults(points, leaf)]
            for name, price in leaf.cuts.items():
                if name not in cuts:
                    found.append(f"a price on the unknown cut {name!r}")
                if price < 0:
                    found.append(f"a negative price on cut {name!r}")
            if leaf.cuts and not inside[i]:
                found.append("a price on cuts that is not below an enumeration")
        faults += [f"nodes[{i}]: {fault}" for fault in found]
    return faults


def _inside(nodes: Sequence[TreeNode]) -> list[bool]:
    """Tell which nodes are below an enumeration."""
    inside = [False] * len(nodes)
    for i, node in enumerate(nodes):
        for child in _children(node):
            if i < child < len(nodes):
                inside[child] = inside[i] or isinstance(node, Enumeration)
    return inside


def _children(node: TreeNode) -> tuple[int, ...]:
    if isinstance(node, Leaf):
        return ()
    return (node.below,) if isinstance(node, Enumeration) else (node.equal, node.different)


def _cut_faults(devices: Container[str], points: Container[str], cut: Cut) -> Iterator[str]:
    if cut.point not in points:
        yield f"unknown offload point {cut.point!r}"
    if cut.divisor < 1:
        yield "a divisor of 0"
    yield from (f"unknown device {name!r}" for name in cut.shifts if name not in devices)


def _tree_faults(nodes: Sequence[TreeNode]) -> list[str]:
    """Tell where the nodes are not one tree with the first one as its root.

    Where nothing is found every node but the first has one parent, which is earlier in the list: from
    anywhere the parents lead to the root, and the list may be read from the top down.
    """
    faults = []
    parents = [0] * len(nodes)
    for i, node in enumerate(nodes):
        for child in _children(node):
            if i < child < len(nodes):
                parents[child] += 1
            else:
                faults.append(f"nodes[{i}]: its child {_show(child)} is not a later node")
    faults += [f"nodes[{i}]: has {count} parents" for i, count in enumerate(parents) if i and count != 1]
    return faults


def _branch_faults(
    devices: Mapping[str, Device], points: Container[str | None], node: Branch
) -> Iterator[str]:
    device = devices.get(node.device)
    if device is None:
        yield f"unknown device {node.device!r}"
    elif node.subtask not in device.application.subtasks:
        yield f"unknown subtask {node.subtask!r} of device {node.device!r}"
    for place in node.places:
        if place is not None and place not in points:
            yield f"unknown offload point {place!r}"


def _price_faults(points: Mapping[str, OffloadPoint], leaf: Leaf) -> Iterator[str]:
    for what, prices in (("capacity", leaf.capacity), ("channels", leaf.channels)):
        for name, price in prices.items():
            if name not in points:
                yield f"a price on {what} of the unknown offload point {name!r}"
            elif what == "channels" and points[name].channels is None:
                yield f"a price on channels of {name!r}, which are not limited"
            if price < 0:
                yield f"a negative price on {what} of {name!r}"
    if leaf.bandwidth is not None or leaf.units is not None:
        what = "bandwidth" if leaf.bandwidth is not None else "units"
        yield f"a price on {what}, which a structured instance does not have"


# ---------------------------------------------------------------------------------------------------
# Certificates: what a device can choose from, rounded downwards
# ---------------------------------------------------------------------------------------------------

# The minimisation is exact on a grid: it adds and compares integers that stand for multiples of 2^-_FINE.
# Only what goes into it is rounded, always downwards: prices, and what an execution or a transfer costs,
# all of them >= 0. The cost of a decision is made of these by sums and maxima alone, so on the grid it is
# never too high, and neither is the least of all. Each of these numbers is too low by at most
# (1e9 + 1)·2^-_FINE: `_rate` rounds the cost of 1 MI or 1 Mbit, `_times` that of at most 1e9 of them.
_FINE = 160

# A way to execute a subtask, or a transfer: its delay and the rest of its cost (energy, price), both as
# costs on the grid.
Move = tuple[int, int]
Moves = list[tuple[list[Move], list[Move]]]  # for each subtask: to execute it locally, to offload it


def _down(value: Fraction) -> int:
    return (value.numerator << _FINE) // value.denominator


def _up(value: Fraction) -> int:
    return -_down(-value)


def _rate(weight: int, unit: int) -> int:
    """Return weight/unit on the grid, the cost of 1 MI or 1 Mbit, rounded downwards."""
    return (weight << _FINE) // unit


def _times(rate: int, size: int) -> int:
    """Return the cost of a size, which is scaled (see `exact`), rounded downwards."""
    return rate * size >> _SHIFT


def _bit(place: int) -> int:
    """Return a place as a set of places: bit 0 is local, bit n + 1 the n-th offload point."""
    return 1 << (place + 1)


class Prices:
    """The prices of a leaf on the grid, by number of the offload point."""

    def __init__(self, instance: Instance, capacity: Sequence[int], channels: Sequence[int]) -> None:
        self.capacity = capacity
        self.channels = channels
        speeds = [point.cpu for point in instance.points]
        self._fastest_first = sorted(range(len(speeds)), key=lambda n: (-speeds[n], capacity[n]))
        self._menus: dict[int, list[int]] = {}

    def menu(self, allowed: int) -> list[int]:
        """Return the allowed offload points that matter: a slower one must have a lower price.

        Given which subtasks are offloaded, all that matters of an offload point is its speed and its price.
        """
        if allowed not in self._menus:
            menu: list[int] = []
            for n in self._fastest_first:
                if allowed & _bit(n) and (not menu or self.capacity[n] < self.capacity[menu[-1]]):
                    menu.append(n)
            self._menus[allowed] = menu
        return self._menus[allowed]


class Costs:
    """What one device pays, whatever the prices, on the grid.

    Attributes
    ----------
    device : Device
        The device.
    local : list of Move
        The local execution of each subtask.
    arcs : list of Move
        The transfers: first upwards along each arc (from local to offloaded), then downwards.
    ends : list of Move
        What an offloaded subtask adds to its execution: the input of a head, the output of a tail.
    """

    def __init__(self, instance: Instance, device: Device) -> None:
        self.device = device
        self._points = instance.points
        # The time unit of the coefficients is 1 s over the scaled speed of the device. So delay/denominator
        # is the cost of 1 MI at a scaled speed of 1, and energy/denominator that at a scaled power of 1 too.
        factor = coefficients(instance, device, ())
        second = exact(device.cpu) << _SHIFT
        self._delay, self._energy = factor.delay * second, factor.energy * second
        self._denominator = factor.denominator
        application = device.application
        self._work = list(map(exact, device.work))
        self.local = self._moves(self._work, device.cpu, device.execute)
        arcs = list(map(exact, device.edge_data))
        self.arcs = self._moves(arcs, device.uplink, device.send)
        self.arcs += self._moves(arcs, device.downlink, device.receive)
        heads = [exact(device.input[k]) for k in application.heads]
        tails = [exact(device.output[k]) for k in application.tails]
        self.ends: list[Move] = [(0, 0)] * len(self._work)
        for k, move in [
            *zip(application.heads, self._moves(heads, device.uplink, device.send), strict=True),
            *zip(application.tails, self._moves(tails, device.downlink, device.receive), strict=True),
        ]:
            self.ends[k] = (self.ends[k][0] + move[0], self.ends[k][1] + move[1])
        self._execution: dict[int, list[int]] = {}

    def _moves(self, sizes: Sequence[int], speed: float | None, power: float) -> list[Move]:
        """Return delays and energies of sizes at a speed and a power."""
        if speed is None:  # the device has no connection: there will be no transfers
            return [(0, 0)] * len(sizes)
        unit = self._denominator * exact(speed)
        delay, energy = _rate(self._delay, unit), _rate(self._energy * exact(power), unit)
        return [(_times(delay, size), _times(energy, size)) for size in sizes]

    def execution(self, point: int) -> list[int]:
        """Return the delay of each subtask's execution at an offload point."""
        if point not in self._execution:
            rate = _rate(self._delay, self._denominator * exact(self._points[point].cpu))
            self._execution[point] = [_times(rate, size) for size in self._work]
        return self._execution[point]

    def moves(self, prices: Prices, allowed: Sequence[int]) -> Moves:
        """Return the ways to execute each subtask at the places allowed to it, at these prices.

        Offloading is ordered: as the delay rises, the price falls.
        """
        menus = {
            places: [(self.execution(n), prices.capacity[n]) for n in prices.menu(places)]
            for places in set(allowed)
        }
        return [
            (
                [local] if places & _bit(LOCAL) else [],
                [(delays[k] + wait, price + pay) for delays, price in menus[places]],
            )
            for k, (places, local, (wait, pay)) in enumerate(zip(allowed, self.local, self.ends, strict=True))
        ]


# ---------------------------------------------------------------------------------------------------
# Certificates: the least cost of a task in series and parallel
# ---------------------------------------------------------------------------------------------------

# A decision for a block of subtasks: its delay, a delay that it adds to the subtask after it, other costs.
Label = tuple[int, int, int]
Labels = list[Label]

# A delay, other costs, and how many subtasks are where (see `Levels.mark`).
Marked = list[tuple[int, int, int]]
_NEVER = 1 << 20_000  # more than anything costs

_LARGEST_CONTEXT = 10  # a block has up to 2^this lists of labels
_MOST_LABELS = 100_000  # in a list, before it is reduced
_DEEPEST = 100  # blocks within blocks
_MOST_COMPARISONS = 100_000_000  # of labels, and pairs of them, at one enumeration
_MOST_PATTERNS = 100_000  # at one enumeration, besides one of each device


class TooLarge(Exception):
    """A task is beyond a limit of the dynamic programming."""


class Effort:
    """What one enumeration of patterns may still take."""

    def __init__(self) -> None:
        self._comparisons, self._patterns = _MOST_COMPARISONS, _MOST_PATTERNS

    def compare(self, count: int) -> None:
        """Take note of comparisons."""
        self._comparisons -= count
        if self._comparisons < 0:
            raise TooLarge

    def keep(self, count: int) -> None:
        """Take note of a device's patterns."""
        self._patterns -= max(count - 1, 0)
        if self._patterns < 0:
            raise TooLarge


@dataclass(frozen=True)
class Group:
    """Blocks of subtasks in series or in parallel; a block is a group, or the number of a subtask."""

    series: bool
    parts: list[Block]


Block = Group | int


def decompose(application: Application) -> Block | None:
    """Divide the subtasks of an application into blocks in series and in parallel.

    Two subtasks are related where a path leads from one to the other. The heaviest path weighs as much as
    the heaviest set of subtasks any two of which are related. So the weight of blocks without a relation
    between them is the greatest of their weights (parallel), that of blocks with every relation between
    them is the sum (series). Arcs beside a longer path make no difference here.

    Parameters
    ----------
    application : Application
        The graph.

    Returns
    -------
    Group or int or None
        None where that is not possible, or too deep.
    """
    count = len(application.subtasks)
    related = [0] * count  # sets of subtasks as bits
    for k in application.order:
        for j in application.parents[k]:
            related[k] |= related[j] | 1 << j
    for k in reversed(application.order):  # up to here those before k
        for j in range(count):
            if related[k] >> j & 1:
                related[j] |= 1 << k
    unrelated = [~others & ~(1 << k) for k, others in enumerate(related)]
    position = {k: i for i, k in enumerate(application.order)}

    def block(members: int, depth: int) -> Block | None:
        if members & (members - 1) == 0:
            return members.bit_length() - 1
        for series, links in ((False, related), (True, unrelated)):
            sets = _components(members, links)
            if len(sets) > 1 and depth < _DEEPEST:
                # In series all of one set is before all of the next, so any member tells the order.
                sets.sort(key=lambda part: position[part.bit_length() - 1])
                parts = [block(part, depth + 1) for part in sets]
                return None if None in parts else Group(series, [part for part in parts if part is not None])
        return None

    return block((1 << count) - 1, 0)


def _components(members: int, links: Sequence[int]) -> list[int]:
    parts = []
    while members:
        part = pending = members & -members
        while pending:
            k = pending.bit_length() - 1
            found = links[k] & members & ~part
            part |= found
            pending = pending ^ 1 << k | found
        parts.append(part)
        members &= ~part
    return parts


class Step(NamedTuple):
    """One block, to be computed after the blocks that it is made of.

    The context of a block are the subtasks of which it must be known both inside and outside whether they
    are offloaded. It has one list of labels for each assignment to them: in the number of an assignment the
    i-th bit stands for the i-th of them.
    """

    members: int
    context: list[int]
    ahead: bool  # whether a label may add to the delay of the subtask after the block
    compute: Callable[[Moves, list[Move], list[list[Labels]]], list[Labels]]
    of: Single | Pair  # what it is made of


class Single(NamedTuple):
    """What a step of one subtask knows."""

    subtask: int
    on_every_path: bool
    options: list[list[tuple[int, Transfers]]]


class Pair(NamedTuple):
    """What a step of two blocks knows: their steps, and for each list the pairs of theirs."""

    first: int
    second: int
    series: bool
    on_every_path: bool
    pairs: list[list[tuple[int, int]]]


class SeriesParallel:
    """The least cost of a task in series and parallel, by dynamic programming.

    Which subtasks are offloaded decides about the transfers. One along arc (j, k) is part of the delay of
    k. It is counted in one of three ways:

    - k is on every path, so that its delay is delay of the task, another cost: at j, which needs to know
      whether k is offloaded;
    - k follows a parallel block, and j is one of the last there: likewise at j, but in the second component
      of the labels, since it is not clear yet whether k is on the heaviest path (counted here the branches
      need not know of each other);
    - else: at k, which needs to know whether j is offloaded.

    What others need to know about a subtask is tried both ways in the smallest block that holds them all.
    Labels (d, p, c) of two blocks are combined by

    - series: (d1 + p1 + d2, p2, c1 + c2),
    - parallel: (max(d1, d2), p1 + p2, c1 + c2),

    and dropped where another one is nowhere higher. A block that every path crosses needs one label.
    """

    def __init__(self, application: Application) -> None:
        root = decompose(application)
        if root is None:
            raise TooLarge
        self._steps: list[Step] = []
        self._everything = (1 << len(application.subtasks)) - 1
        self._arc_count = len(application.edges)
        top = root.parts if isinstance(root, Group) and root.series else [root]
        self._on_every_path = {part for part in top if isinstance(part, int)}
        self._arcs: list[list[tuple[int, int, bool]]] = [[] for _ in application.subtasks]
        self._needed_by = [1 << k for k in range(len(application.subtasks))]
        ahead = set(_ahead(root))
        for arc, (j, k) in enumerate(application.edges):
            early = k in self._on_every_path or (j, k) in ahead
            at, other = (j, k) if early else (k, j)
            self._arcs[at].append((arc, other, early))
            self._needed_by[other] |= 1 << at
        self._block(root, on_every_path=True)

    def least(self, moves: Moves, arcs: list[Move]) -> int | None:
        """Return the least cost, or None where there is no decision.

        Raises
        ------
        TooLarge
            If there are too many labels.
        """
        done: list[list[Labels]] = []
        for step in self._steps:
            done.append(step.compute(moves, arcs, done))
        (labels,) = done[-1]
        return labels[0][2] if labels else None

    def patterns(
        self,
        moves: Moves,
        marks: Sequence[Sequence[int]],
        arcs: list[Move],
        ceiling: int,
        paid: Callable[[int], int],
        guard: int,
        effort: Effort,
    ) -> list[tuple[int, int]]:
        """Return (cost, used) of all decisions up to a cost, but for those that another one makes needless.

        That one costs no more without prices, and has no higher number in any field of `used`.

        Parameters
        ----------
        moves, arcs
            As for `least`; all ways to offload a subtask, not only the cheapest of equal delay.
        marks : sequence of sequence of int
            For each subtask and each way to offload it what that adds to `used`.
        ceiling : int
            Decisions that cost more are left out.
        paid : callable
            The prices of `used`.
        guard : int
            A bit above each field of `used`.
        effort : Effort
            What is left of it.

        Raises
        ------
        TooLarge
            If there are too many labels, or some of a kind for which this is not done.
        """
        if any(
            step.ahead or (isinstance(step.of, Pair) and step.of.series and not step.of.on_every_path)
            for step in self._steps
        ):
            raise TooLarge
        done: list[list[Labels]] = []
        for step in self._steps:
            done.append(step.compute(moves, arcs, done))
        rest = self._rest(done)
        kept: list[list[Marked]] = []
        for step, least, others in zip(self._steps, done, rest, strict=True):
            lists = []
            for number, labels in enumerate(least):
                outside = _Outside(labels, others[number])
                if isinstance(step.of, Single):
                    found = self._ways(step.of, number, moves, marks, arcs)
                else:
                    found = _pairs(step.of, number, kept, effort)
                some: dict[tuple[int, int], int] = {}  # for each delay and use the cost without prices
                for d, c, used in found if labels else ():
                    if c + outside(d) <= ceiling:
                        cost = c - paid(used)
                        if some.get((d, used), cost) >= cost:
                            some[d, used] = cost
                            _check_count(len(some))
                needed = _needed(some.items(), guard, effort)
                lists.append([(d, cost + paid(used), used) for cost, used, d in needed])
            kept.append(lists)
        return [(c, used) for _, c, used in kept[-1][0]]

    def _rest(self, done: list[list[Labels]]) -> list[list[list[int]]]:
        """Return for each label the least that the rest of the task adds to it."""
        rest = [[[_NEVER] * len(labels) for labels in lists] for lists in done]
        rest[-1][0] = [0] * len(done[-1][0])
        for number in range(len(done) - 1, -1, -1):
            of = self._steps[number].of
            if isinstance(of, Single):
                continue
            for i, some in enumerate(of.pairs):
                labels, own = done[number][i], rest[number][i]
                if not labels:
                    continue
                outside = (lambda d, own=own: own[0] + d) if of.on_every_path else _Outside(labels, own)
                for x, y in some:
                    one, two = done[of.first][x], done[of.second][y]
                    _lower(rest[of.first][x], one, two, outside)
                    _lower(rest[of.second][y], two, one, outside)
        return rest

    def _ways(
        self, of: Single, number: int, moves: Moves, marks: Sequence[Sequence[int]], arcs: list[Move]
    ) -> Iterator[tuple[int, int, int]]:
        for own, transfers in of.options[number]:
            delay = sum([arcs[i][0] for i in transfers.own])
            cost = sum([arcs[i][1] for i in transfers.own])
            cost += sum([arcs[i][0] + arcs[i][1] for i in transfers.paid])
            for i, (d, c) in enumerate(moves[of.subtask][own]):
                used = marks[of.subtask][i] if own else 0
                yield (0, delay + d + cost + c, used) if of.on_every_path else (delay + d, cost + c, used)

    def _block(self, block: Block, on_every_path: bool) -> int:
        """Add the steps of a block; return the number of the last one."""
        if isinstance(block, int):
            step = self._on_path(block) if on_every_path else self._in_branch(block)
            return self._add(step)
        numbers = [self._block(part, on_every_path and block.series) for part in block.parts]
        number = numbers[0]
        for i, other in enumerate(numbers[1:], start=2):
            whole = block.series or i == len(numbers)
            number = self._add(self._pair(number, other, block.series, on_every_path and whole))
        return number

    def _add(self, step: Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def _context(self, members: int) -> list[int]:
        """Return the subtasks of which it must be known both in a block and outside of it."""
        outside = self._everything & ~members
        return [v for v, needed in enumerate(self._needed_by) if needed & members and needed & outside]

    def _on_path(self, k: int) -> Step:
        """Return the step of a subtask on every path; what is counted here is paid by the task anyway."""
        context = self._context(1 << k)
        options = self._options(k, context)

        def compute(moves: Moves, arcs: list[Move], _: list[list[Labels]]) -> list[Labels]:
            least = [min([d + c for d, c in side], default=None) for side in moves[k]]
            result = []
            for option in options:
                costs = [
                    cost + sum([arcs[i][0] + arcs[i][1] for i in transfers.paid])
                    for own, transfers in option
                    if (cost := least[own]) is not None
                ]
                result.append([(0, 0, min(costs))] if costs else [])
            return result

        return Step(1 << k, context, False, compute, Single(k, True, options))

    def _in_branch(self, k: int) -> Step:
        """Return the step of a subtask that some paths miss."""
        context = self._context(1 << k)
        options = self._options(k, context)
        ahead = any(early and other not in self._on_every_path for _, other, early in self._arcs[k])
        keep = _undominated if ahead else _stairs

        def compute(moves: Moves, arcs: list[Move], _: list[list[Labels]]) -> list[Labels]:
            result = []
            for option in options:
                labels: Labels = []
                for own, transfers in option:
                    delay = after = cost = 0
                    for i in transfers.own:
                        delay += arcs[i][0]
                        cost += arcs[i][1]
                    for i in transfers.ahead:
                        after += arcs[i][0]
                        cost += arcs[i][1]
                    for i in transfers.paid:
                        cost += arcs[i][0] + arcs[i][1]
                    labels += [(delay + d, after, cost + c) for d, c in moves[k][own]]
                result.append(keep(labels))
            return result

        return Step(1 << k, context, ahead, compute, Single(k, False, options))

    def _options(self, k: int, context: Sequence[int]) -> list[list[tuple[int, Transfers]]]:
        """Return for each assignment whether the subtask may be offloaded (1) or not (0), and what for."""
        _check_width(context)
        options: list[list[tuple[int, Transfers]]] = []
        for number in range(1 << len(context)):
            away = {v: number >> i & 1 for i, v in enumerate(context)}
            options.append(
                [(own, self._transfers(k, own, away)) for own in (0, 1) if away.get(k, own) == own]
            )
        return options

    def _transfers(self, k: int, own: int, away: Mapping[int, int]) -> Transfers:
        found = Transfers([], [], [])
        for arc, other, early in self._arcs[k]:
            if away[other] != own:
                upwards = (own == 0) == early  # early: k is the first end of the arc
                kind = found.own if not early else found.paid if other in self._on_every_path else found.ahead
                kind.append(arc if upwards else arc + self._arc_count)
        return found

    def _pair(self, first: int, second: int, series: bool, on_every_path: bool) -> Step:
        """Return the step of two blocks in series or in parallel."""
        left, right = self._steps[first], self._steps[second]
        context = self._context(left.members | right.members)
        known = sorted({*left.context, *right.context})
        _check_width(known)
        free = [v for v in known if v not in context]
        pairs: list[list[tuple[int, int]]] = []  # the assignments of both that go with one of the context
        for number in range(1 << len(context)):
            away = {v: number >> i & 1 for i, v in enumerate(context)}
            pairs.append([])
            for attempt in range(1 << len(free)):
                away |= {v: attempt >> i & 1 for i, v in enumerate(free)}
                pairs[-1].append((_number(left.context, away), _number(right.context, away)))
        ahead = right.ahead if series else left.ahead or right.ahead
        combine = _in_series if series else _in_parallel_ahead if ahead else _in_parallel
        keep = _cheapest if on_every_path else _undominated if ahead else _stairs

        def compute(_: Moves, __: list[Move], done: list[list[Labels]]) -> list[Labels]:
            one, two = done[first], done[second]
            result = []
            for some in pairs:
                labels: Labels = []
                for i, j in some:
                    labels += combine(one[i], two[j])
                    _check_count(len(labels))
                result.append(keep(labels))
            return result

        of = Pair(first, second, series, on_every_path, pairs)
        return Step(left.members | right.members, context, ahead and not on_every_path, compute, of)


def _needed(
    costs: Iterable[tuple[tuple[int, int], int]], guard: int, effort: Effort
) -> list[tuple[int, int, int]]:
    """Return (cost, used, delay) for which no other one is nowhere higher; `used` in each of its fields."""
    kept: list[tuple[int, int, int]] = []
    # Where no field is higher the number is not, so that whoever makes another one needless comes first.
    for cost, used, d in sorted([(cost, used, d) for (d, used), cost in costs]):
        high = used | guard
        effort.compare(len(kept))
        for _, other, delay in kept:
            if delay <= d and (high - other) & guard == guard:
                break
        else:
            kept.append((cost, used, d))
    return kept


class _Outside:
    """What the rest adds at least to a delay: as much as to the label with the greatest one up to it."""

    def __init__(self, labels: Labels, rest: Sequence[int]) -> None:
        self._delays = [d for d, _, _ in labels]
        self._rest = rest

    def __call__(self, delay: int) -> int:
        return self._rest[bisect_right(self._delays, delay) - 1]


def _lower(rest: list[int], one: Labels, two: Labels, outside: Callable[[int], int]) -> None:
    """Lower what the rest adds to labels, by what those of another block and all else can add."""
    if not two:
        return
    after = [_NEVER]  # the least of the other labels from here on, if theirs is the delay
    for d, _, c in reversed(two):
        after.append(min(after[-1], c + outside(d)))
    after.reverse()
    j = 0
    for i, (d, _, _) in enumerate(one):
        while j < len(two) and two[j][0] <= d:
            j += 1
        least = min(after[j], two[j - 1][2] + outside(d)) if j else after[j]
        rest[i] = min(rest[i], least)


def _pairs(
    of: Pair, number: int, kept: Sequence[Sequence[Marked]], effort: Effort
) -> Iterator[tuple[int, int, int]]:
    for x, y in of.pairs[number]:
        effort.compare(len(kept[of.first][x]) * len(kept[of.second][y]))
        for d1, c1, used1 in kept[of.first][x]:
            for d2, c2, used2 in kept[of.second][y]:
                delay = max(d1, d2)
                if of.on_every_path:
                    yield 0, delay + c1 + c2, used1 + used2
                else:
                    yield delay, c1 + c2, used1 + used2


class Transfers(NamedTuple):
    """Transfers that a subtask counts, numbered as in `Costs`, by what their delay is added to."""

    own: list[int]  # the delay of the subtask itself
    ahead: list[int]  # that of the subtask after the block
    paid: list[int]  # the cost


def _check_width(known: Sequence[int]) -> None:
    if len(known) > _LARGEST_CONTEXT:
        raise TooLarge


def _number(context: Sequence[int], away: Mapping[int, int]) -> int:
    return sum(away[v] << i for i, v in enumerate(context))


def _ahead(block: Block) -> Iterator[tuple[int, int]]:
    """Yield (j, k) where subtask k follows a parallel block in series and j is one of the last ones there."""
    if isinstance(block, int):
        return
    for before, after in zip(block.parts, block.parts[1:], strict=False):
        if block.series and isinstance(before, Group) and isinstance(after, int):
            yield from ((j, after) for j in _last(before))
    for part in block.parts:
        yield from _ahead(part)


def _last(block: Block) -> Iterator[int]:
    if isinstance(block, int):
        yield block
    else:
        for part in block.parts[-1:] if block.series else block.parts:
            yield from _last(part)


def _cheapest(labels: Labels) -> Labels:
    """Keep the least cost of a block that every path crosses: its delay is delay of the task."""
    return [(0, 0, min([d + p + c for d, p, c in labels]))] if labels else []


def _stairs(labels: Labels) -> Labels:
    """Keep the undominated of labels with p = 0, in their order: as d rises, c falls."""
    labels.sort()
    kept: Labels = []
    for label in labels:
        if not kept or label[2] < kept[-1][2]:
            kept.append(label)
    return kept


def _undominated(labels: Labels) -> Labels:
    """Keep the labels that no other one equals or undercuts in all three components."""
    labels.sort()
    kept: Labels = []
    stairs: list[tuple[int, int]] = []  # of those kept, which have no higher d, the undominated (p, c)
    for label in labels:
        _, p, c = label
        i = bisect_right(stairs, (p, c))
        if i and stairs[i - 1][1] <= c:  # p rises and c falls: of those with at most this p it is the last
            continue
        kept.append(label)
        end = i
        while end < len(stairs) and stairs[end][1] >= c:
            end += 1
        stairs[i:end] = [(p, c)]
    return kept


def _in_series(left: Labels, right: Labels) -> Labels:
    _check_count(len(left) * len(right))
    return [(d1 + p1 + d2, p2, c1 + c2) for d1, p1, c1 in left for d2, p2, c2 in right]


def _in_parallel_ahead(left: Labels, right: Labels) -> Labels:
    _check_count(len(left) * len(right))
    return [(max(d1, d2), p1 + p2, c1 + c2) for d1, p1, c1 in left for d2, p2, c2 in right]


def _in_parallel(left: Labels, right: Labels) -> Labels:
    """Combine `_stairs`: within any delay the best of each is the last one that fits."""
    best: list[int | None] = [None, None]
    result = []
    for delay, cost, side in sorted([(d, c, 0) for d, _, c in left] + [(d, c, 1) for d, _, c in right]):
        best[side] = cost
        if best[0] is not None and best[1] is not None:
            result.append((delay, 0, best[0] + best[1]))
    return result


def _check_count(count: int) -> None:
    if count > _MOST_LABELS:
        raise TooLarge


# ---------------------------------------------------------------------------------------------------
# Certificates: the least cost of any task
# ---------------------------------------------------------------------------------------------------

_ROUNDS = 8
_MOST_STEPS = 100_000  # for one device: nodes of the search times (subtasks and arcs)


class Relaxed:
    """A task whose delay is an average of paths instead of that of the heaviest, and its least cost.

    Where `unit` paths, counted with their multiplicity, cross subtask k `shares[k]` times, the delay of the
    task is at least the sum of shares[k]·(delay of k) over `unit`. So `unit` times the cost of a decision
    is at least the sum of what each of its moves and transfers costs here. (Shares of 0 are right with any
    unit: delays are >= 0.)

    Attributes
    ----------
    unit : int
        As above.
    moves : list of (list of int, list of int)
        The cost of each move here.
    cost : int
        The least cost here, or less.
    bound : int
        A lower bound of the cost of any decision.
    away : list of int
        For each subtask whether it is offloaded (1) or not (0) in a decision of that cost.
    """

    def __init__(
        self, application: Application, moves: Moves, arcs: Sequence[Move], shares: Sequence[int], unit: int
    ) -> None:
        self.unit = unit
        self.moves = [
            tuple([share * d + unit * c for d, c in side] for side in sides)
            for share, sides in zip(shares, moves, strict=True)
        ]
        ends = [k for _, k in application.edges] * 2
        self._arcs = [shares[k] * d + unit * c for k, (d, c) in zip(ends, arcs, strict=True)]
        self.cost, self.away = self._least_cut(application)
        self.bound = -(-self.cost // unit)  # upwards: costs are integers

    def _least_cut(self, application: Application) -> tuple[int, list[int]]:
        """Find a cheapest decision.

        Its cost is made of what each subtask costs, by its side, and what each arc costs, by the sides of its
        ends: it is a minimum cut between the local and the offloaded. The cost returned is that of a flow
        between them. No cut is below any flow, so not even a mistake in the search for the greatest flow
        could make a bound too high.
        """
        count, arcs = len(self.moves), len(application.edges)
        local, offloaded = count, count + 1
        free: list[dict[int, int]] = [{} for _ in range(count + 2)]  # what may still flow between two nodes
        # More than any decision costs: no least cut takes a side that a subtask has no move for.
        forbidden = 1 + sum(self._arcs) + sum(cost for sides in self.moves for side in sides for cost in side)
        total = 0
        for k, sides in enumerate(self.moves):
            stay, leave = (min(side, default=forbidden) for side in sides)
            total += min(stay, leave)
            free[k][offloaded], free[offloaded][k] = max(stay - leave, 0), 0
            free[local][k], free[k][local] = max(leave - stay, 0), 0
        for i, (j, k) in enumerate(application.edges):
            free[j][k], free[k][j] = self._arcs[i], self._arcs[i + arcs]
        while True:
            before = _reached(free, local)
            if offloaded not in before:
                return total, [int(k not in before) for k in range(count)]
            path = [offloaded]
            while path[-1] != local:
                path.append(before[path[-1]])
            links = [(j, k) for k, j in itertools.pairwise(path)]
            pushed = min([free[j][k] for j, k in links])
            for j, k in links:
                free[j][k] -= pushed
                free[k][j] += pushed
            total += pushed

    def promising(self, costs: Sequence[int], moves: Sequence[Move], best: int) -> list[Move]:
        """Return those moves of one side of a subtask with which a decision may cost less than the best.

        Here, a decision with a move exceeds the least of all by what the move exceeds its side's least.
        """
        most = self.unit * best - self.cost + min(costs, default=0)
        return [move for cost, move in zip(costs, moves, strict=True) if cost < most]


def _reached(free: Sequence[Mapping[int, int]], start: int) -> dict[int, int]:
    """Return the nodes to which something may flow, each with the node before it on a shortest path."""
    before = {start: start}
    for node in (queue := [start]):  # grows while it is read
        for other, capacity in free[node].items():
            if capacity and other not in before:
                before[other] = node
                queue.append(other)
    return before


class Node(NamedTuple):
    """Some of the decisions: those with these moves. They cost at least `bound`."""

    bound: int
    number: int  # no two have the same, so that nodes can be ordered
    moves: Moves
    shares: list[int]  # of the paths to begin with, see `Relaxed`
    paths: int


class Search:
    """The least cost of a task of any shape, by branch and bound.

    A node is bounded by relaxations. Their paths are found in rounds: to those so far comes the heaviest
    path of the decision that is cheapest with them. Moves that cannot be part of a decision below the best
    one seen are dropped, the others divided. Any paths and any division are right: at the end the best
    decision is the cheapest one. If the limit ends the search before, the least bound of what is open is
    still a lower bound.
    """

    def __init__(self, application: Application) -> None:
        self.limited = False  # whether the limit has ended a search
        self._application = application
        self._most_nodes = 1 + _MOST_STEPS // (len(application.subtasks) + len(application.edges))

    def least(self, moves: Moves, arcs: list[Move]) -> int | None:
        """Return the least cost or, at the limit, a lower bound of it; None where there is no decision."""
        if not all(stay or leave for stay, leave in moves):
            return None
        everything = [move for stay, leave in moves for move in stay + leave] + arcs
        best = 1 + sum(delay + cost for delay, cost in everything)
        numbers = itertools.count(1)
        pending = [Node(0, 0, moves, [0] * len(moves), 0)]
        for _ in range(self._most_nodes):
            if not pending or pending[0].bound >= best:
                return best
            best, children = self._explore(heappop(pending), arcs, best)
            for child in children:
                heappush(pending, child._replace(number=next(numbers)))
        if not pending or pending[0].bound >= best:
            return best
        self.limited = True
        return pending[0].bound

    def _explore(self, node: Node, arcs: list[Move], best: int) -> tuple[int, list[Node]]:
        """Return the cost of the best decision now known, and what of a node may be better, in parts."""
        shares, paths = list(node.shares), node.paths
        rounds: list[Relaxed] = []
        tried: list[list[Move]] = []
        for _ in range(_ROUNDS):
            relaxed = Relaxed(self._application, node.moves, arcs, shares, paths or 1)
            chosen = [
                min(zip(costs[side], moves[side], strict=True))[1]
                for costs, moves, side in zip(relaxed.moves, node.moves, relaxed.away, strict=True)
            ]
            cost, path = self._evaluate(chosen, arcs, relaxed.away)
            best = min(best, cost)
            if relaxed.bound >= best:
                return best, []
            rounds.append(relaxed)
            tried.append(chosen)
            weight = max(1, paths // _ROUNDS)  # later paths know more, so they count more
            paths += weight
            for k in path:
                shares[k] += weight
        if all(len(stay) + len(leave) == 1 for stay, leave in node.moves):
            return best, []  # that one decision has been evaluated
        strongest = max(rounds, key=lambda relaxed: relaxed.bound)
        left = [
            (strongest.promising(costs[0], stay, best), strongest.promising(costs[1], leave, best))
            for costs, (stay, leave) in zip(strongest.moves, node.moves, strict=True)
        ]
        bound = max(node.bound, strongest.bound)
        return best, [Node(bound, 0, part, shares, paths) for part in _divide(left, rounds, tried)]

    def _evaluate(
        self, chosen: Sequence[Move], arcs: Sequence[Move], away: Sequence[int]
    ) -> tuple[int, list[int]]:
        """Return the cost of a decision and its heaviest path, the last subtask first."""
        application = self._application
        finish = [delay for delay, _ in chosen]
        cost = sum([cost for _, cost in chosen])
        for i, (j, k) in enumerate(application.edges):
            if away[j] != away[k]:
                delay, other = arcs[i if away[k] else i + len(application.edges)]
                finish[k] += delay
                cost += other
        for k in application.order:
            finish[k] += max([finish[j] for j in application.parents[k]], default=0)
        path = [max(application.tails, key=finish.__getitem__)]
        while application.parents[path[-1]]:
            path.append(max(application.parents[path[-1]], key=finish.__getitem__))
        return cost + finish[path[0]], path


def _divide(left: Moves, rounds: Sequence[Relaxed], tried: Sequence[Sequence[Move]]) -> list[Moves]:
    """Divide moves in two, at the subtask about which the rounds disagree most; drop what has none left."""
    if not all(stay or leave for stay, leave in left):
        return []
    several = [k for k, (stay, leave) in enumerate(left) if len(stay) + len(leave) > 1]
    if not several:
        return [left]

    def doubt(k: int) -> tuple[int, int]:
        away = sum(relaxed.away[k] for relaxed in rounds)
        return min(away, len(rounds) - away), _spread(left[k][0] + left[k][1])

    def doubt_about_place(k: int) -> tuple[int, int]:
        return _spread([chosen[k] for chosen in tried]), _spread(left[k][1])

    parts: Moves
    if both_sides := [k for k in several if left[k][0] and left[k][1]]:
        k = max(both_sides, key=doubt)
        parts = [(left[k][0], []), ([], left[k][1])]
    else:
        k = max(several, key=doubt_about_place)
        places = left[k][1]
        parts = [([], places[: len(places) // 2]), ([], places[len(places) // 2 :])]
    return [[*left[:k], part, *left[k + 1 :]] for part in parts]


def _spread(moves: Sequence[Move]) -> int:
    delays, costs = zip(*moves, strict=True)
    spread: int = max(delays) - min(delays) + max(costs) - min(costs)
    return spread


# ---------------------------------------------------------------------------------------------------
# Certificates: the bound of a tree
# ---------------------------------------------------------------------------------------------------


class Bounder:
    """The least costs of devices, with what is prepared once for each application."""

    def __init__(self, instance: Instance) -> None:
        self._series_parallel: dict[str, SeriesParallel] = {}
        self._search: dict[str, Search] = {}
        for application in instance.applications:
            self._search[application.id] = Search(application)
            with contextlib.suppress(TooLarge):
                self._series_parallel[application.id] = SeriesParallel(application)

    def least(self, costs: Costs, prices: Prices, allowed: Sequence[int]) -> int | None:
        """Return the least cost with prices of a device.

        Parameters
        ----------
        costs, prices : Costs, Prices
            The device and the prices.
        allowed : sequence of int
            For each subtask the places that the branches leave to it, as bits.

        Returns
        -------
        int or None
            On the grid; None where the device has no decision left. A lower bound of the least cost where
            `Search` reaches its limit.
        """
        device = costs.device
        moves = costs.moves(prices, allowed)
        least = self._least(device.application.id, moves, costs.arcs)
        channel = 0 if device.point is None else prices.channels[device.point]
        if least is None or not channel:
            return least
        # Who offloads anything pays for the channel. All-local, if allowed, is cheaper than if it did.
        if not all(stay for stay, _ in moves):
            return least + channel
        local = [stay[0] for stay, _ in moves]
        delay = _heaviest_path(device.application, [delay for delay, _ in local])
        return min(least + channel, delay + sum([cost for _, cost in local]))

    def patterns(
        self,
        costs: Costs,
        levels: Levels,
        prices: Prices,
        allowed: Sequence[int],
        ceiling: int,
        effort: Effort,
    ) -> list[Pattern] | None:
        """Return the patterns of a device up to a cost with prices, None if that takes too long."""
        device = costs.device
        if device.application.id not in self._series_parallel:
            return None
        channel = 0 if device.point is None else prices.channels[device.point]
        size = len(device.work)
        moves: Moves = []
        marks: list[list[int]] = []
        for k, (places, local, (wait, pay)) in enumerate(zip(allowed, costs.local, costs.ends, strict=True)):
            left = [i for i, level in enumerate(levels.points) if any(places & _bit(n) for n in level)]
            points = [levels.points[i][0] for i in left]
            away = [(costs.execution(n)[k] + wait, prices.capacity[n] + pay) for n in points]
            moves.append(([local] if places & _bit(LOCAL) else [], away))
            marks.append([levels.mark(i, size) for i in left])
        steps = levels.steps(levels.of_levels(prices))

        @cache
        def paid(mark: int) -> int:
            return sum(map(operator.mul, steps, levels.used(mark, size)))

        task = self._series_parallel[device.application.id]
        try:
            found = task.patterns(moves, marks, costs.arcs, ceiling, paid, levels.guard(size), effort)
            effort.keep(len(found))
        except TooLarge:
            return None
        return [
            (cost - paid(mark), mark, levels.used(mark, size))
            for cost, mark in found
            if cost + (channel if mark else 0) <= ceiling
        ]

    def _least(self, application: str, moves: Moves, arcs: list[Move]) -> int | None:
        if application in self._series_parallel:
            with contextlib.suppress(TooLarge):
                return self._series_parallel[application].least(moves, arcs)
        return self._search[application].least(moves, arcs)

    @property
    def limited(self) -> list[str]:
        """The applications of devices whose least cost may be higher than what was returned."""
        return [name for name, search in self._search.items() if search.limited]


Pattern = tuple[int, int, tuple[int, ...]]
"""A cost without prices, the subtasks at each level or a faster one as one number, and as a tuple."""


class Levels:
    """The speeds of the offload points that have capacity, fastest first.

    Attributes
    ----------
    points : list of list of int
        The points of each level.
    limits : list of int
        The capacity of a level and of all faster ones.
    """

    def __init__(self, instance: Instance) -> None:
        usable = [n for n, point in enumerate(instance.points) if point.capacity]
        speeds = sorted({instance.points[n].cpu for n in usable}, reverse=True)
        self.points = [[n for n in usable if instance.points[n].cpu == speed] for speed in speeds]
        sums = (sum(instance.points[n].capacity for n in level) for level in self.points)
        self.limits = list(itertools.accumulate(sums))
        self._speeds = [-speed for speed in speeds]

    def number(self, speed: float) -> int:
        """Return the level of the slowest points that are at least so fast, -1 if there are none."""
        return bisect_right(self._speeds, -speed) - 1

    def raised(self, instance: Instance, leaf: Leaf) -> Prices:
        """Return prices that do not fall with speed: each point's is raised to that of all slower ones."""
        capacity = [_down(leaf.capacity.get(point.id, _ZERO)) for point in instance.points]
        channels = [_down(leaf.channels.get(point.id, _ZERO)) for point in instance.points]
        highest = 0
        for level in reversed(self.points):
            highest = max([highest] + [capacity[n] for n in level])
            for n in level:
                capacity[n] = highest
        return Prices(instance, capacity, channels)

    def of_levels(self, prices: Prices) -> list[int]:
        """Return the price of each level."""
        return [prices.capacity[level[0]] for level in self.points]

    def steps(self, of_levels: Sequence[int]) -> list[int]:
        """Return the prices, none negative, of subtasks at each level or a faster one."""
        return [price - next_ for price, next_ in itertools.pairwise([*of_levels, 0])]

    def mark(self, level: int, size: int) -> int:
        """Return one subtask at a level: 1 for it and all slower ones, in fields of one number."""
        width = size.bit_length() + 1
        return sum(1 << i * width for i in range(level, len(self.points)))

    def guard(self, size: int) -> int:
        """Return a bit above each field."""
        width = size.bit_length() + 1
        return sum(1 << i * width + width - 1 for i in range(len(self.points)))

    def used(self, mark: int, size: int) -> tuple[int, ...]:
        """Return the fields of a number."""
        width = size.bit_length() + 1
        return tuple([mark >> i * width & (1 << width) - 1 for i in range(len(self.points))])


class Enumerated:
    """What is below an enumeration: the patterns of each device, and the bounds that they give.

    Parameters
    ----------
    instance, levels : Instance, Levels
        The instance.
    certificate : Certificate
        Its nodes and cuts.
    """

    def __init__(self, instance: Instance, levels: Levels, certificate: Certificate) -> None:
        self._instance, self._levels, self._nodes = instance, levels, certificate.nodes
        self._position = {device.id: m for m, device in enumerate(instance.devices)}
        self._level = {point.id: levels.number(point.cpu) for point in instance.points}
        self._claim = _up(certificate.lower_bound)
        self._cuts: dict[str, tuple[int, int, dict[str, int], int]] = {}
        for i, cut in enumerate(certificate.cuts):
            level = self._level[cut.point]
            limit = levels.limits[level] if level >= 0 else 0
            limit = (limit + sum(cut.shifts.values())) // cut.divisor
            self._cuts[str(i)] = (level, cut.divisor, cut.shifts, limit)

    def bound(self, index: int, patterns: list[list[Pattern]]) -> int:
        """Return the least bound of the leaves below a node, which has these patterns, or the claim."""
        least = self._claim
        mine = list(patterns)
        before: list[tuple[int, list[Pattern]]] = []  # what the nodes above have changed, to put it back
        pending: list[tuple[int, int, dict[int, list[Pattern]]]] = [(index, 0, {})]
        while pending:
            i, depth, changed = pending.pop()
            while len(before) > depth:
                m, some = before.pop()
                mine[m] = some
            for m, some in changed.items():
                before.append((m, mine[m]))
                mine[m] = some
            node = self._nodes[i]
            if isinstance(node, Count):
                m, level = self._position[node.device], self._level[node.point]
                few = [one for one in mine[m] if self._used(one, level) <= node.most]
                many = [one for one in mine[m] if self._used(one, level) > node.most]
                pending += [(node.equal, len(before), {m: few}), (node.different, len(before), {m: many})]
                continue
            if not all(mine):
                continue  # no solution gets here
            assert isinstance(node, Leaf | Enumeration)
            leaf = node.leaf if isinstance(node, Enumeration) else node
            values, charge = self._values(leaf, mine)
            bound = sum(map(min, values)) - charge
            if isinstance(node, Leaf) or bound >= self._claim:
                least = min(least, bound)
                continue
            room = self._claim - bound
            left = {}
            for m, (some, costs) in enumerate(zip(mine, values, strict=True)):
                most = min(costs) + room
                if max(costs) > most:
                    left[m] = [one for one, value in zip(some, costs, strict=True) if value <= most]
            pending.append((node.below, len(before), left))
        return least

    def _used(self, pattern: Pattern, level: int) -> int:
        return pattern[2][level] if level >= 0 else 0

    def _values(self, leaf: Leaf, patterns: list[list[Pattern]]) -> tuple[list[list[int]], int]:
        """Return the costs with prices of all patterns, and prices times limits."""
        prices = self._levels.raised(self._instance, leaf)
        steps = self._levels.steps(self._levels.of_levels(prices))
        charge = sum(map(operator.mul, steps, self._levels.limits))
        charge += sum(
            price * (point.channels or 0)
            for price, point in zip(prices.channels, self._instance.points, strict=True)
        )
        cuts = [(_down(price), *self._cuts[name]) for name, price in leaf.cuts.items()]
        charge += sum(price * limit for price, _, _, _, limit in cuts)
        values = []
        for device, some in zip(self._instance.devices, patterns, strict=True):
            channel = 0 if device.point is None else prices.channels[device.point]
            mine = [
                (price, level, divisor, shifts.get(device.id, 0)) for price, level, divisor, shifts, _ in cuts
            ]
            costs = []
            for cost, mark, used in some:
                value = cost + sum(map(operator.mul, steps, used)) + (channel if mark else 0)
                for price, level, divisor, shift in mine:
                    value += price * (((used[level] if level >= 0 else 0) + shift) // divisor)
                costs.append(value)
            values.append(costs)
        return values, charge


class TreeBound(NamedTuple):
    """What a certificate proves.

    Attributes
    ----------
    value : Fraction
        A lower bound of the cost of every solution.
    limited : list of str
        Applications for which it might be higher if the minimisation had no limit.
    """

    value: Fraction
    limited: list[str]


def tree_bound(instance: AnyInstance, certificate: Certificate) -> TreeBound:
    """Return what a certificate proves about an instance, whatever it claims.

    Parameters
    ----------
    instance : Instance or HybridInstance
        The instance.
    certificate : Certificate
        One without `certificate_faults`.

    Returns
    -------
    TreeBound
        The least bound of a leaf, rounded downwards.
    """
    if isinstance(instance, HybridInstance):
        return TreeBound(_hybrid_tree_bound(instance, certificate), [])
    levels = Levels(instance)
    inside = _inside(certificate.nodes)
    ends = [
        node
        for node, below in zip(certificate.nodes, inside, strict=True)
        if not below and isinstance(node, Leaf | Enumeration)
    ]
    prices = _shared_prices(instance, levels, ends)
    totals: list[int | None] = [-_charge(instance, *one) for one in zip(ends, prices, strict=True)]
    bounder = Bounder(instance)
    bits = {None: _bit(LOCAL)} | {point.id: _bit(n) for n, point in enumerate(instance.points)}
    shares: list[list[tuple[int, tuple[int, ...]]]] = [[] for _ in ends]  # where there is an enumeration
    for device in instance.devices:
        costs = Costs(instance, device)
        # Many leaves have the same prices, and leave a device the same places.
        known: dict[tuple[Prices, tuple[int, ...]], int | None] = {}
        anywhere = (_bit(LOCAL) if device.point is None else sum(bits.values()),) * len(device.work)
        position = {name: k for k, name in enumerate(device.application.subtasks)}
        for i, allowed in enumerate(_places_left(certificate.nodes, device.id, anywhere, position, bits)):
            total, key = totals[i], (prices[i], allowed)
            if total is None:
                continue
            if key not in known:
                known[key] = bounder.least(costs, *key)
            value = known[key]
            totals[i] = None if value is None else total + value
            if value is not None and isinstance(ends[i], Enumeration):
                shares[i].append((value, allowed))
    limited = set(bounder.limited)
    below = Enumerated(instance, levels, certificate)
    claim = _up(certificate.lower_bound)
    for i, node in enumerate(ends):
        total = totals[i]
        if total is None or total >= claim or not isinstance(node, Enumeration):
            continue
        patterns: list[list[Pattern]] = []
        effort = Effort()
        for device, (value, allowed) in zip(instance.devices, shares[i], strict=True):
            ceiling = claim - (total - value)
            costs = Costs(instance, device)
            found = bounder.patterns(costs, levels, prices[i], allowed, ceiling, effort)
            if found is None:
                limited.add(device.application.id)
                break
            patterns.append(found)
        else:
            totals[i] = below.bound(node.below, patterns)
    # All-local obeys the branches above some leaf: not all are infinite.
    least = min(total for total in totals if total is not None)
    return TreeBound(Fraction(least, 1 << _FINE), sorted(limited))


def _shared_prices(instance: Instance, levels: Levels, ends: Iterable[Leaf | Enumeration]) -> list[Prices]:
    """Return the prices of each leaf, one object for equal ones, and those of each enumeration, raised."""
    known: dict[tuple[tuple[int, ...], tuple[int, ...]], Prices] = {}
    result = []
    for end in ends:
        if isinstance(end, Enumeration):
            result.append(levels.raised(instance, end.leaf))
            continue
        capacity = tuple([_down(end.capacity.get(point.id, _ZERO)) for point in instance.points])
        channels = tuple([_down(end.channels.get(point.id, _ZERO)) for point in instance.points])
        if (capacity, channels) not in known:
            known[capacity, channels] = Prices(instance, capacity, channels)
        result.append(known[capacity, channels])
    return result


def _charge(instance: Instance, end: Leaf | Enumeration, prices: Prices) -> int:
    """Return prices times limits, rounded upwards since it is subtracted."""
    if isinstance(end, Enumeration):  # these prices are on the grid
        pairs = zip(prices.capacity, prices.channels, instance.points, strict=True)
        return sum(one * point.capacity + other * (point.channels or 0) for one, other, point in pairs)
    return sum(
        _up(end.capacity.get(point.id, _ZERO) * point.capacity)
        + _up(end.channels.get(point.id, _ZERO) * (point.channels or 0))
        for point in instance.points
    )


def _places_left(
    nodes: Sequence[TreeNode],
    device: str,
    anywhere: tuple[int, ...],
    position: Mapping[Any, int],
    bits: Mapping[str | None, int],
) -> list[tuple[int, ...]]:
    """Return for each leaf, and each enumeration that is not below another one, in their order, the places
    that it leaves to a device's subtasks, as bits.

    `anywhere` are those without any branch, and `position` tells which subtask a branch is about.
    """
    left = {0: anywhere}
    result = []
    for i, node in enumerate(nodes):  # a parent stands before its children
        if i not in left:
            continue  # below an enumeration
        allowed = left.pop(i)
        if isinstance(node, Leaf | Enumeration):
            result.append(allowed)
            continue
        left[node.equal] = left[node.different] = allowed
        if isinstance(node, Branch) and node.device == device:
            k = position[node.subtask]
            places = 0
            for name in node.places:
                places |= bits[name]
            left[node.equal] = (*allowed[:k], allowed[k] & places, *allowed[k + 1 :])
            left[node.different] = (*allowed[:k], allowed[k] & ~places, *allowed[k + 1 :])
    return result


# ---------------------------------------------------------------------------------------------------
# Hybrid instances: exact costs, and the bound of a tree (docs/hybrid.md has the mathematics)
# ---------------------------------------------------------------------------------------------------

HYBRID_PLACES: dict[str | None, int] = {None: 0, "edge": 1, "cloud": 2}
_MOST_LOADS = 100_000  # different loads of one device


class Load(NamedTuple):
    """What the places of a device's tasks mean for it, exactly."""

    local: Fraction  # L, in s
    upload: Fraction  # U, in Mbit
    remote: Fraction  # K, in s
    energy: Fraction  # E, in J


class Tariff:
    """The parameters of a hybrid instance as exact numbers.

    Attributes
    ----------
    delay_weight, bandwidth : Fraction
        rho and B.
    places : dict of str or None to int
        The places that there are.
    """

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        cycles, edge, cloud = Fraction(parameters["cycles"]), parameters["edge"], parameters.get("cloud")
        transmit = Fraction(parameters["transmit_energy"])
        self.delay_weight = Fraction(parameters["delay_weight"])
        self.bandwidth = Fraction(parameters["bandwidth"])
        self.places = {name: place for name, place in HYBRID_PLACES.items() if cloud or name != "cloud"}
        # For each place: seconds and joules of a Mbit.
        self._time = [Fraction(parameters["local_time"]), cycles / Fraction(edge["speed"])]
        self._energy = [Fraction(parameters["local_energy"]), transmit + Fraction(edge["price"])]
        if cloud:
            self._time.append(1 / Fraction(cloud["rate"]) + cycles / Fraction(cloud["speed"]))
            self._energy.append(transmit + Fraction(cloud["price"]))

    def load(self, sizes: Sequence[Fraction]) -> Load:
        """Return the load of the sizes at each place."""
        times = [time * size for time, size in zip(self._time, sizes, strict=True)]
        energy = sum([rate * size for rate, size in zip(self._energy, sizes, strict=True)], _ZERO)
        return Load(times[0], sum(sizes[1:], _ZERO), max(times[1:]), energy)


def hybrid_cost(tariff: Tariff, device: HybridDevice, places: Sequence[int], share: float) -> Fraction:
    """Return the exact cost of a device with a share of the uplink that is positive if it uploads."""
    sizes = [_ZERO] * len(tariff.places)
    for size, place in zip(device.sizes, places, strict=True):
        sizes[place] += Fraction(size)
    load = tariff.load(sizes)
    upload = load.upload / Fraction(share) if load.upload else _ZERO
    delay = max(load.local, upload + load.remote)
    return Fraction(device.weight) * (load.energy + tariff.delay_weight * delay)


def _hybrid_faults(instance: HybridInstance, certificate: Certificate) -> list[str]:
    """Tell what keeps the branches and prices from being about the instance."""
    faults = []
    devices = {device.id: device for device in instance.devices}
    places = Tariff(instance.parameters).places
    for i, node in enumerate(certificate.nodes):
        found = []
        if isinstance(node, Count | Enumeration):
            found.append("patterns, which a hybrid instance does not have")
        elif isinstance(node, Leaf):
            if node.capacity or node.channels:
                found.append("a price on capacity or channels, which a hybrid instance does not have")
            if node.cuts:
                found.append("a price on cuts, which a hybrid instance does not have")
            if node.bandwidth is not None and node.bandwidth < 0:
                found.append("a negative price on bandwidth")
            if node.units is not None and certificate.units is None:
                found.append("a price on units, which are not given")
        elif isinstance(node, UnitBranch):
            if certificate.units is None:
                found.append("a branch on units, which are not given")
        else:
            device = devices.get(node.device)
            if device is None:
                found.append(f"unknown device {node.device!r}")
            elif type(node.subtask) is not int or not 0 <= node.subtask < len(device.sizes):
                found.append(f"unknown task {node.subtask!r} of device {node.device!r}")
            found += [f"unknown place {place!r}" for place in node.places if place not in places]
        faults += [f"nodes[{i}]: {fault}" for fault in found]
    if certificate.units is not None and (
        {name: len(units) for name, units in certificate.units.items()}
        != {device.id: len(device.sizes) for device in instance.devices}
    ):
        return [*faults, "units: are not one for each task of each device"]
    for device in instance.devices:
        units = _units_of(device, certificate)
        try:
            _loads_by_place(device, units, ((1 << len(places)) - 1,) * len(device.sizes))
        except TooLarge:
            faults.append(f"device {device.id!r} has more than {_MOST_LOADS} different loads to look at")
            break  # it takes long to find this out, and one is enough
    return faults


def _units_of(device: HybridDevice, certificate: Certificate) -> list[int]:
    """Return the units of a device's tasks, which are 0 where the certificate has none."""
    return [0] * len(device.sizes) if certificate.units is None else certificate.units[device.id]


def _loads_by_place(
    device: HybridDevice, units: Sequence[int], allowed: Sequence[int]
) -> set[tuple[int, tuple[Fraction, ...]]]:
    """Return the units and the sizes that a device can have at the places.

    Each task may be at some places (as bits). There is one of them for each decision, but equal ones are
    merged task by task: what they lack is the same.

    Raises
    ------
    TooLarge
        If there are too many.
    """
    found: set[tuple[int, tuple[Fraction, ...]]] = {(0, (_ZERO, _ZERO, _ZERO))}
    for size, unit, places in zip(map(Fraction, device.sizes), units, allowed, strict=True):
        here = [place for place in HYBRID_PLACES.values() if places >> place & 1]
        found = {
            (count + unit * (p > 0), (*sizes[:p], sizes[p] + size, *sizes[p + 1 :]))
            for count, sizes in found
            for p in here
        }
        if len(found) > _MOST_LOADS:
            raise TooLarge
    return found


class Choice(NamedTuple):
    """What a load costs at any price on the bandwidth; numbers on the grid are rounded downwards.

    The share c costs most(c) = weight·(E + rho·max(L, U/c + K)) + price·c. Up to the knee, a price, the best
    share is the one with which the upload ends with the local execution, U/(L - K).
    """

    waiting: int  # weight·(E + rho·L) on the grid
    reach: Fraction  # U/(L - K), 0 without an upload
    knee: Fraction  # weight·rho·(L - K)^2/U; -1 where L <= K
    sending: int  # weight·(E + rho·K) on the grid
    pull: Fraction  # weight·rho·U

    def least(self, price: Fraction) -> int:
        """Return the least cost at a price, over all shares, on the grid or below."""
        if price <= self.knee or not self.pull:
            return self.waiting + _down(price * self.reach)
        # The minimum of sending + pull/c + price·c is at c = sqrt(pull/price).
        square = 4 * price * self.pull
        return self.sending + math.isqrt((square.numerator << 2 * _FINE) // square.denominator)


def _choice(tariff: Tariff, weight: Fraction, load: Load) -> Choice:
    rho = tariff.delay_weight
    pull, spare = weight * rho * load.upload, load.local - load.remote
    sending = _down(weight * (load.energy + rho * load.remote))
    if not pull:
        waiting = _down(weight * (load.energy + rho * max(load.local, load.remote)))
        return Choice(waiting, _ZERO, _ZERO, sending, _ZERO)
    if spare <= 0:
        return Choice(0, _ZERO, Fraction(-1), sending, pull)
    waiting = _down(weight * (load.energy + rho * load.local))
    return Choice(waiting, load.upload / spare, weight * rho * spare**2 / load.upload, sending, pull)


def _unit_limits(certificate: Certificate) -> list[tuple[int, int]]:
    """Return for each leaf, in their order, the least and the greatest number of units that are uploaded."""
    left = {0: (0, sum(map(sum, (certificate.units or {}).values())))}
    result = []
    for i, node in enumerate(certificate.nodes):  # a parent stands before its children
        low, high = left.pop(i)
        if isinstance(node, Leaf):
            result.append((low, high))
            continue
        assert isinstance(node, Branch | UnitBranch)
        left[node.equal] = left[node.different] = low, high
        if isinstance(node, UnitBranch):
            left[node.equal] = low, min(high, node.units)
            left[node.different] = max(low, node.units + 1), high
    return result


def _hybrid_tree_bound(instance: HybridInstance, certificate: Certificate) -> Fraction:
    """Return the least bound of a leaf, rounded downwards."""
    tariff = Tariff(instance.parameters)
    nodes = certificate.nodes
    leaves = [node for node in nodes if isinstance(node, Leaf)]
    prices = [(leaf.bandwidth or _ZERO, leaf.units or _ZERO) for leaf in leaves]
    totals: list[int | None] = [
        None if low > high else -_up(price * tariff.bandwidth + toll * (high if toll > 0 else low))
        for (price, toll), (low, high) in zip(prices, _unit_limits(certificate), strict=True)
    ]
    bits = {name: 1 << place for name, place in tariff.places.items()}
    position = {k: k for k in range(len(instance.devices[0].sizes))}
    branched = {node.device for node in nodes if isinstance(node, Branch)}
    for device in instance.devices:
        weight = Fraction(device.weight)
        anywhere = (sum(bits.values()),) * len(device.sizes)
        left = [anywhere] * len(prices)
        if device.id in branched:
            left = _places_left(nodes, device.id, anywhere, position, bits)
        units = _units_of(device, certificate)
        leaves_with: dict[tuple[int, ...], list[int]] = {}
        for i, allowed in enumerate(left):
            if totals[i] is not None:
                leaves_with.setdefault(allowed, []).append(i)
        for allowed, mine in leaves_with.items():  # the loads can be many: those of one set at a time
            choices = [
                (count, _choice(tariff, weight, tariff.load(sizes[: len(bits)])))
                for count, sizes in _loads_by_place(device, units, allowed)
            ]
            known: dict[tuple[Fraction, Fraction], int | None] = {}
            for i in mine:
                if prices[i] not in known:
                    price, toll = prices[i]
                    values = [choice.least(price) + _down(toll * count) for count, choice in choices]
                    known[prices[i]] = min(values, default=None)
                total, value = totals[i], known[prices[i]]
                totals[i] = None if total is None or value is None else total + value
    # All-local obeys the branches above some leaf: not all are infinite.
    return Fraction(min(total for total in totals if total is not None), 1 << _FINE)


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
    certified_bound : float or None
        The lower bound that a certificate proves, rounded downwards; None where none was accepted.
    certified_gap : float or None
        (cost - certified bound)/cost, in exact arithmetic, rounded upwards; None without a certified bound
        or a feasible solution.
    """

    accepted: bool
    rules: tuple[Rule, ...]
    objective: float
    certified_bound: float | None = None
    certified_gap: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON can hold it (a number that is not finite becomes None)."""
        return {
            key: None if isinstance(value, float) and not math.isfinite(value) else value
            for key, value in asdict(self).items()
        }


class Case(ABC):
    """A solution beside the instance that it is said to solve.

    Attributes
    ----------
    places : list of list of int
        For each device of the instance the places of its subtasks.
    misfits : list of str
        Where the decisions do not fit the instance; `places` has a meaning only if there are none.
    """

    def __init__(self, instance: AnyInstance, solution: Solution) -> None:
        self.instance: AnyInstance = instance
        self.solution = solution
        self.places: list[list[int]] = []
        self.misfits: list[str] = []

    def _decide(
        self, index: Mapping[str | None, int], counts: Mapping[str, int], what: str, kind: str
    ) -> None:
        """Fill in places and misfits.

        `index` has the known places, `counts` the subtasks of each device; the rest is for messages.
        """
        for device, count in counts.items():
            chosen = self.solution.decisions.get(device)
            if chosen is None:
                self.misfits.append(f"device {device!r} has no decision")
                continue
            if len(chosen) != count:
                self.misfits.append(f"device {device!r} has {len(chosen)} places for {count} {what}")
            unknown = [place for place in chosen if place not in index]
            self.misfits += [f"device {device!r}: unknown {kind} {place!r}" for place in unknown]
            if not unknown:
                self.places.append([index[place] for place in chosen])
        strangers = self.solution.decisions.keys() - counts.keys()
        self.misfits += [f"unknown device {device!r}" for device in sorted(strangers)]

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the instance."""
        return self.instance.fingerprint()

    @abstractmethod
    def limits(self) -> list[Rule]:
        """Apply the rules about what is shared; the decisions fit."""

    @property
    @abstractmethod
    def has_cost(self) -> bool:
        """Whether the decisions have a cost."""

    @property
    @abstractmethod
    def feasible(self) -> bool:
        """Whether the decisions keep all limits."""

    @property
    @abstractmethod
    def total(self) -> Total:
        """The exact cost."""

    @cached_property
    def objective(self) -> float:
        """The exact cost, rounded to the nearest binary64 number."""
        return self.total.settle(float)


class StructuredCase(Case):
    """A solution of a structured instance."""

    instance: Instance

    def __init__(self, instance: Instance, solution: Solution) -> None:
        super().__init__(instance, solution)
        index: dict[str | None, int] = {point.id: n for n, point in enumerate(instance.points)}
        index[None] = LOCAL
        counts = {device.id: len(device.work) for device in instance.devices}
        self._decide(index, counts, "subtasks", "offload point")
        if solution.split is not None:
            self.misfits.append("a split of the uplink, which only a hybrid instance has")

    def limits(self) -> list[Rule]:
        """Apply the rules about connections, capacities and channels."""
        return [rule_connections(self), rule_capacity(self), rule_channels(self)]

    @cached_property
    def has_cost(self) -> bool:
        """Whether the decisions have a cost: they fit, and only connected devices offload."""
        return not self.misfits and all(device.point is not None for device in self.offloading)

    @cached_property
    def feasible(self) -> bool:
        """Whether the decisions keep to the connections and to all limits."""
        return self.has_cost and rule_capacity(self).ok and rule_channels(self).ok

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


class HybridCase(Case):
    """A solution of a hybrid instance.

    Attributes
    ----------
    shares : list of float
        For each device of the instance its share of the uplink.
    """

    instance: HybridInstance

    def __init__(self, instance: HybridInstance, solution: Solution) -> None:
        super().__init__(instance, solution)
        self.tariff = Tariff(instance.parameters)
        counts = {device.id: len(device.sizes) for device in instance.devices}
        self._decide(self.tariff.places, counts, "tasks", "place")
        split = solution.split or {}
        self.shares = [float(split.get(device, -1.0)) for device in counts]
        self.misfits += [f"device {device!r} has no share of the uplink" for device in counts.keys() - split]
        self.misfits += [f"a share for the unknown device {name!r}" for name in sorted(split.keys() - counts)]

    def limits(self) -> list[Rule]:
        """Apply the rules about the split."""
        return [rule_split(self), rule_bandwidth(self)]

    @cached_property
    def has_cost(self) -> bool:
        """Whether the decisions have a cost: they fit, and who uploads has a share."""
        return not self.misfits and rule_split(self).ok

    @cached_property
    def feasible(self) -> bool:
        """Whether the shares also fit into the bandwidth."""
        return self.has_cost and rule_bandwidth(self).ok

    @cached_property
    def total(self) -> Total:
        """The exact cost."""
        return Total(lambda: map(self._device_cost, self.instance.devices, self.places, self.shares))

    def _device_cost(self, device: HybridDevice, places: list[int], share: float) -> Ratio:
        return hybrid_cost(self.tariff, device, places, share).as_integer_ratio()

    def uploads(self, device: HybridDevice, places: Sequence[int]) -> bool:
        """Tell whether a device uploads anything."""
        return any(place and size for place, size in zip(places, device.sizes, strict=True))


def rule_fingerprint(case: Case) -> Rule:
    """The solution was made for this instance."""
    actual = case.fingerprint
    stated = case.solution.sha256
    if stated == actual:
        return Rule("fingerprint", True, actual)
    return Rule("fingerprint", False, f"the solution is for {_show(stated)}, the instance is {actual}")


def rule_decisions(case: Case) -> Rule:
    """Each device decides once for each of its subtasks, on a known place."""
    return _report("decisions", case.misfits, f"devices decided: {len(case.instance.devices)}")


def rule_connections(case: StructuredCase) -> Rule:
    """A device without a connection offloads nothing."""
    broken = [
        f"device {device.id!r} offloads without a connection"
        for device in case.offloading
        if device.point is None
    ]
    return _report("connections", broken, "no device offloads without one")


def rule_capacity(case: StructuredCase) -> Rule:
    """No offload point has more subtasks than its capacity."""
    used = Counter(place for places in case.places for place in places)
    limits = [point.capacity for point in case.instance.points]
    return _report("capacity", _excesses(case.instance, used, limits, "subtasks"), "kept everywhere")


def rule_channels(case: StructuredCase) -> Rule:
    """No offload point serves more offloading devices than its channels."""
    used = Counter(device.point for device in case.offloading if device.point is not None)
    limits = [point.channels for point in case.instance.points]
    return _report("channels", _excesses(case.instance, used, limits, "devices"), "kept everywhere")


def rule_split(case: HybridCase) -> Rule:
    """Each share is at least 0, and positive where something is uploaded."""
    faults = []
    for device, places, share in zip(case.instance.devices, case.places, case.shares, strict=True):
        if share < 0:
            faults.append(f"device {device.id!r} has the negative share {share!r}")
        elif not share and case.uploads(device, places):
            faults.append(f"device {device.id!r} uploads and has no share")
    return _report("split", faults, "everyone who uploads has a share")


def rule_bandwidth(case: HybridCase) -> Rule:
    """The shares add up to at most the bandwidth."""
    excess = sum(map(Fraction, case.shares), -case.tariff.bandwidth)
    message = f"{float(case.tariff.bandwidth + excess)!r} of {float(case.tariff.bandwidth)!r} Mbit/s"
    if excess > 0:
        message += f", {float(excess):.3g} too much"
    return Rule("bandwidth", excess <= 0, message)


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


def rule_certificate(case: Case, certificate: Certificate) -> Rule:
    """The certificate is one of this instance: its fingerprint, its tree, its prices."""
    if certificate.sha256 != case.fingerprint:
        stated = _show(certificate.sha256)
        return Rule("certificate", False, f"it is for {stated}, the instance is {case.fingerprint}")
    leaves = sum(isinstance(node, Leaf) for node in certificate.nodes)
    faults = certificate_faults(case.instance, certificate)
    return _report("certificate", faults, f"a tree with leaves: {leaves}")


def rule_claim(certificate: Certificate, bound: TreeBound) -> Rule:
    """The claim is at most what the certificate proves (no tolerance)."""
    claim = certificate.lower_bound
    message = f"claimed {_below(claim)!r}, proven {_below(bound.value)!r}"
    if claim <= bound.value:
        return Rule("claim", True, message)
    message += f", too high by {_below(claim - bound.value):.3g}"
    if bound.limited:
        message += (
            f" (the minimisation reached its limit for applications {', '.join(map(repr, bound.limited))})"
        )
    return Rule("claim", False, message)


def rule_proven_bound(case: Case, bound: Fraction) -> Rule:
    """The stated lower bound is at most the proven one, with the same tolerance as the objective."""
    if case.solution.lower_bound is None:
        return Rule("proven_bound", True, "none stated")
    stated = Fraction(case.solution.lower_bound)
    ok = case.total.settle(lambda cost: stated <= bound + _slack(cost))
    message = f"stated {case.solution.lower_bound!r}, proven {_below(bound)!r}"
    return Rule("proven_bound", ok, message)


def rule_consistency(case: Case, bound: Fraction) -> Rule:
    """No feasible solution costs less than a proven bound: if one does, this checker is wrong."""
    if case.total.settle(lambda cost: bound <= cost):
        return Rule("consistency", True, "the proven bound is not above the cost")
    message = f"THE CHECKER CONTRADICTS ITSELF: proven {_below(bound)!r}, exact cost {case.objective!r}"
    return Rule("consistency", False, f"{message}; please report this with the files")


def _below(value: Fraction) -> float:
    """Return the greatest binary64 number that is at most the value."""
    try:
        nearest = float(value)
    except OverflowError:
        return sys.float_info.max if value > 0 else -math.inf
    return nearest if nearest <= value else math.nextafter(nearest, -math.inf)


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
    instance, solution = read_instance(instance_path), read_solution(solution_path)
    case: Case
    if isinstance(instance, HybridInstance):
        case = HybridCase(instance, solution)
    else:
        case = StructuredCase(instance, solution)
    rules = [rule_fingerprint(case), rule_decisions(case)]
    if not case.misfits:
        rules += case.limits()
    if case.has_cost:
        rules += [rule_objective(case), rule_lower_bound(case)]
    rules.append(rule_status(case))
    bound = None
    if certificate_path is not None:
        more, bound = _check_certificate(case, certificate_path)
        rules += more
    return Verdict(
        accepted=all(rule.ok for rule in rules),
        rules=tuple(rules),
        objective=case.objective if case.has_cost else math.nan,
        certified_bound=None if bound is None else _below(bound),
        certified_gap=None if bound is None or not case.feasible else _certified_gap(case, bound),
    )


def _check_certificate(case: Case, path: str | PathLike[str]) -> tuple[list[Rule], Fraction | None]:
    """Apply the rules about a certificate; return the bound that it proves, if its claim holds."""
    certificate = read_certificate(path)
    rules = [rule_certificate(case, certificate)]
    if not rules[0].ok:
        return rules, None
    bound = tree_bound(case.instance, certificate)
    claim = rule_claim(certificate, bound)
    rules.append(claim)
    if case.has_cost:
        rules.append(rule_proven_bound(case, bound.value))
    if case.feasible:
        rules.append(rule_consistency(case, bound.value))
    return rules, bound.value if claim.ok else None


def _certified_gap(case: Case, bound: Fraction) -> float:
    """Return the relative gap between the exact cost and a bound, rounded upwards."""

    def gap(cost: Fraction) -> float:  # monotone: 1 - bound/cost
        if cost == bound:
            return 0.0
        return -_below((bound - cost) / cost) if cost else math.inf

    return case.total.settle(gap)


def _say(verdict: Verdict) -> str:
    lines = [f"{'ok' if rule.ok else 'FAILED':<8}{rule.name:<13}{rule.message}" for rule in verdict.rules]
    summary = ["accepted" if verdict.accepted else "rejected"]
    if not math.isnan(verdict.objective):
        summary.append(f"exact cost {verdict.objective!r}")
    if verdict.certified_bound is not None:
        summary.append(f"certified bound {verdict.certified_bound!r}")
    if verdict.certified_gap is not None:
        summary.append(f"certified gap {verdict.certified_gap:.3g}")
    return "\n".join([*lines, ", ".join(summary)])


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
