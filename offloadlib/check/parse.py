"""JSON, with every problem listed where it is: the parsers of single values and records."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from .data import LARGEST, MOST_PROBLEMS, SMALLEST, SUBTASKS, Problem, Unusable


def read_bytes(path: str | PathLike[str]) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError, MemoryError) as error:  # ValueError: a null character in the path
        raise Unusable(str(path), [("", f"cannot be read: {error}")]) from None


def parse_json(data: bytes, file: str) -> Any:
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
    problems: list[Problem] = []
    keys_of = {id(record): keys for record, keys in repeated}
    pending: list[tuple[_Trail, Any]] = [((), document)]
    while pending and len(problems) < MOST_PROBLEMS:
        trail, value = pending.pop()
        if type(value) is dict:
            keys = keys_of.get(id(value), ())
            problems += [(_path(trail), f"duplicate key {shown_as(key)}") for key in keys]
            pending += [((trail, key), item) for key, item in reversed(value.items())]
        elif type(value) is list:
            pending += [((trail, i), item) for i, item in reversed(list(enumerate(value)))]
        elif type(value) is float and not math.isfinite(value):
            problems.append((_path(trail), f"{value} is not finite"))
    return problems


_Trail = tuple[()] | tuple[Any, str | int]
"""The keys and numbers that lead to a value, the last one outside: paths are long, and few are told."""


def _path(trail: _Trail) -> str:
    steps = []
    while trail:
        trail, step = trail
        steps.append(step)
    path = ""
    for step in reversed(steps):
        path = joined(path, step) if isinstance(step, str) else f"{path}[{step}]"
    return path


def joined(path: str, key: str) -> str:
    if not key.isidentifier():
        return f"{path}[{shown_as(key)}]"
    key = key if len(key) <= _LONGEST else key[:_LONGEST] + "..."
    return f"{path}.{key}" if path else key


_LONGEST = 60
"""Of what is quoted: a name can be as long as a file, and in as many messages as one has places."""


def shown_as(value: Any) -> str:
    """Describe a JSON value in a few characters (arrays and objects may be deep: only their type)."""
    if isinstance(value, (list, dict)):
        return ("an " if value else "an empty ") + ("array" if isinstance(value, list) else "object")
    if isinstance(value, str):
        value = value[: _LONGEST + 1]  # what is shown of a long one costs no more than that of a short one
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


# A parser returns the value that it has read, or notes a problem and returns None.
Parser = Callable[[list[Problem], Any, str], Any]


def of_kind(test: Callable[[Any], bool], kind: str) -> Parser:
    """Return the parser of the values that pass a test."""

    def parse(problems: list[Problem], value: Any, path: str) -> Any:
        if test(value):
            return value
        problems.append((path, f"{shown_as(value)} is not {kind}"))

    return parse


def or_null(parser: Parser) -> Parser:
    return lambda problems, value, path: None if value is None else parser(problems, value, path)


any_text = of_kind(lambda value: type(value) is str, "a string")
identifier = of_kind(lambda value: type(value) is str and value != "", "a non-empty string")
any_object = of_kind(lambda value: type(value) is dict, "an object")
any_array = of_kind(lambda value: type(value) is list, "an array")
filled_array = of_kind(lambda value: type(value) is list and value != [], "a non-empty array")


def one_of(*choices: str | int) -> Parser:
    expected = " or ".join(map(repr, choices))
    return of_kind(lambda value: type(value) is not bool and value in choices, expected)


@dataclass(frozen=True)
class _Number:
    """Parser of a number in [SMALLEST, highest], of either sign or 0 where that is allowed, as a float."""

    zero: bool
    highest: float = LARGEST
    signed: bool = False

    def accepts(self, value: Any) -> bool:
        return type(value) in (float, int) and (
            SMALLEST <= (abs(value) if self.signed else value) <= self.highest or (self.zero and value == 0)
        )

    def __call__(self, problems: list[Problem], value: Any, path: str) -> float | None:
        if self.accepts(value):
            return float(value + 0.0)  # adding 0.0 turns -0.0 into 0.0
        problems.append((path, self._fault(value)))
        return None

    def _fault(self, value: Any) -> str:
        shown = shown_as(value)
        if type(value) not in (float, int):
            return f"{shown} is not a number"
        if not abs(value) <= sys.float_info.max:
            return f"{shown} is not a finite binary64 number"
        if self.highest < LARGEST and not 0 <= value <= self.highest:
            return f"{shown} is outside [0, {self.highest:g}]"
        if not self.signed and (value < 0 or (value == 0 and not self.zero)):
            return f"{shown} is negative" if self.zero else f"{shown} is not positive"
        return f"{shown} has a magnitude outside [{SMALLEST:g}, {LARGEST:g}]"


_SIZE = _Number(zero=True)
_SPEED = _Number(zero=False)
_SHARE = _Number(zero=True, highest=1.0)
_SIGNED = _Number(zero=True, signed=True)


def _sizes(problems: list[Problem], value: Any, path: str) -> list[float] | None:
    if any_array(problems, value, path) is None:
        return None
    if all(map(_SIZE.accepts, value)):
        return [item + 0.0 for item in value]
    for i, item in enumerate(value):
        _SIZE(problems, item, f"{path}[{i}]")
    return None


def finite_number(problems: list[Problem], value: Any, path: str) -> float | None:
    if type(value) in (float, int) and abs(value) <= sys.float_info.max:
        return float(value)
    problems.append((path, f"{shown_as(value)} is not a finite binary64 number"))
    return None


def whole_number(problems: list[Problem], value: Any, path: str) -> int | None:
    if type(value) in (float, int) and 0 <= value <= LARGEST and value == int(value):
        return int(value)
    problems.append((path, f"{shown_as(value)} is not a whole number from 0 to {LARGEST:g}"))
    return None


def _position(problems: list[Problem], value: Any, path: str) -> None:
    """Look at a position, which is for pictures alone and is not kept."""
    if type(value) is not list or len(value) != 2:
        problems.append((path, "is not an array of two numbers"))
        return
    for i, item in enumerate(value):
        finite_number(problems, item, f"{path}[{i}]")


@dataclass(frozen=True)
class Record:
    """Parser of an object: keys with the parsers of their values.

    The result has the keys that could be read. A null stands for an optional key that is left out.
    """

    required: dict[str, Parser]
    optional: dict[str, Parser]

    def __call__(self, problems: list[Problem], value: Any, path: str) -> dict[str, Any]:
        if type(value) is not dict:
            problems.append((path, f"{shown_as(value)} is not an object"))
            return {}
        fields = {}
        for parsers, needed in ((self.required, True), (self.optional, False)):
            for key, parser in parsers.items():
                if key not in value:
                    if needed:
                        problems.append((joined(path, key), "is missing"))
                elif needed or value[key] is not None:
                    parsed = parser(problems, value[key], joined(path, key))
                    if parsed is not None:
                        fields[key] = parsed
        unknown = value.keys() - self.required.keys() - self.optional.keys()
        problems += [(path, f"unknown key {key!r}") for key in sorted(unknown)]
        return fields


_POWER = Record({"execute": _SIZE, "send": _SIZE, "receive": _SIZE}, {})
_COST = Record({"normalise": one_of("none", "local")}, {})
APPLICATION = Record({"id": identifier, "subtasks": filled_array, "edges": any_array}, {})
POINT = Record(
    {"id": identifier, "cpu": _SPEED, "capacity": whole_number, "uplink": _SPEED, "downlink": _SPEED},
    {"channels": whole_number, "position": _position},
)
DEVICE = Record(
    {
        "id": identifier,
        "application": identifier,
        "cpu": _SPEED,
        "power": _POWER,
        "connected_to": or_null(identifier),
        "alpha": _SHARE,
        "work": _sizes,
        "input": _sizes,
        "output": _sizes,
    },
    {"uplink": _SPEED, "downlink": _SPEED, "edge_data": _sizes, "position": _position},
)


def _by_name(parser: Parser) -> Parser:
    """Return the parser of an object whose keys are names."""

    def parse(problems: list[Problem], value: Any, path: str) -> dict[str, Any] | None:
        if any_object(problems, value, path) is None:
            return None
        found = {key: parser(problems, item, joined(path, key)) for key, item in value.items()}
        return {key: item for key, item in found.items() if item is not None}

    return parse


def _all_of(parser: Parser) -> Parser:
    """Return the parser of an array of such values, which leaves out those that are wrong."""

    def parse(problems: list[Problem], value: Any, path: str) -> list[tuple[int, Any]] | None:
        if any_array(problems, value, path) is None:
            return None
        found = []
        for i, item in enumerate(value):
            before = len(problems)
            parsed = parser(problems, item, f"{path}[{i}]")
            if len(problems) == before:
                found.append((i, parsed))
        return found

    return parse


def _each(parser: Parser, least: int = 0) -> Parser:
    """Return the parser of an array of such values, which are not repeated."""

    def parse(problems: list[Problem], value: Any, path: str) -> list[Any] | None:
        if (filled_array if least else any_array)(problems, value, path) is None:
            return None
        before, found = len(problems), dict[Any, None]()  # a dictionary for its order and its quick look-up
        for i, item in enumerate(value):
            parsed = parser(problems, item, f"{path}[{i}]")
            if parsed in found and len(problems) == before:
                problems.append((f"{path}[{i}]", f"{shown_as(parsed)} is repeated"))
            found[parsed] = None
        return list(found) if len(problems) == before else None

    return parse


def _capacity(problems: list[Problem], value: Any, path: str) -> dict[str, Any] | None:
    """Parse a number of subtasks, or amounts by resource."""
    if type(value) is not dict:
        count = whole_number(problems, value, path)
        return None if count is None else {SUBTASKS: count}
    found = {
        key: (whole_number if key == SUBTASKS else _SIZE)(problems, item, joined(path, key))
        for key, item in value.items()
    }
    return {key: item for key, item in found.items() if item is not None}


_COST_2 = Record(_COST.required, {"objective": one_of("sum", "max")})
POINT_2 = Record(
    {**POINT.required, "capacity": _capacity},
    {**POINT.optional, "fee": Record({}, {"subtask": _SIGNED, "work": _SIGNED})},
)
_AT = Record(
    {"subtask": any_text, "point": or_null(any_text)},
    {"execution": _SIZE, "fee": _SIGNED, "demand": _by_name(_SIZE)},
)
DEVICE_2 = Record(
    DEVICE.required,
    {
        **DEVICE.optional,
        "demand": _by_name(_sizes),
        "at": _all_of(_AT),
        "allowed": _by_name(_each(or_null(any_text))),
        "latency": Record({}, {"up": _SIZE, "down": _SIZE}),
        "deadline": _SIZE,
        "energy_budget": _SIZE,
        "rejection": _SIGNED,
        "weight": _SIZE,
    },
)
LIMIT = Record(
    {"id": identifier, "resource": any_text, "points": _each(any_text, least=1), "capacity": _SIZE}, {}
)
INSTANCE_MARKS: dict[str, Parser] = {
    "format": one_of("offloadlib-instance"),
    "version": one_of(1, 2),
    "kind": one_of("structured", "hybrid"),
}
FRAME: dict[str, Parser] = {
    **INSTANCE_MARKS,
    "name": any_text,
    "cost": _COST,
    "applications": filled_array,
    "offload_points": filled_array,
}
FRAME_OPTIONAL: dict[str, Parser] = {"description": any_text, "source": any_object}
FRAME_2: dict[str, Parser] = {**FRAME, "cost": _COST_2}
FRAME_2_OPTIONAL: dict[str, Parser] = {
    **FRAME_OPTIONAL,
    "resources": _each(identifier),
    "limits": any_array,
    "totals": Record({}, {"energy": _SIZE, "delay": _SIZE}),
}
_EDGE: dict[str, Parser] = {"speed": _SPEED, "price": _SIZE}
_PARAMETERS = Record(
    {
        "local_time": _SIZE,
        "local_energy": _SIZE,
        "transmit_energy": _SIZE,
        "cycles": _SIZE,
        "bandwidth": _SPEED,
        "delay_weight": _SPEED,
        "edge": Record(_EDGE, {}),
        "cloud": or_null(Record({**_EDGE, "rate": _SPEED}, {})),
    },
    {},
)
HYBRID_FRAME: dict[str, Parser] = {
    **INSTANCE_MARKS,
    "version": one_of(1),
    "name": any_text,
    "parameters": _PARAMETERS,
}
HYBRID_DEVICE = Record({"id": identifier, "sizes": _sizes}, {"weight": _SPEED})
SOLUTION_MARKS: dict[str, Parser] = {"format": one_of("offloadlib-solution"), "version": one_of(1, 2)}
SOLUTION = Record(
    {
        **SOLUTION_MARKS,
        "instance": Record({"name": any_text, "sha256": any_text}, {}),
        "method": any_text,
        "objective": finite_number,
        "lower_bound": or_null(finite_number),
        "status": one_of("optimal", "feasible"),
        "decisions": any_object,
    },
    {"run": any_object, "split": any_object},
)
NO_SOLUTION = ("infeasible", "unknown")
SOLUTION_2 = Record(
    {
        **SOLUTION.required,
        "objective": or_null(finite_number),
        "status": one_of("optimal", "feasible", *NO_SOLUTION),
        "decisions": or_null(any_object),
    },
    SOLUTION.optional,
)
