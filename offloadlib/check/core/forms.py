"""JSON values, refused at the first one that is not as it should be: parsers of what files hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

SMALLEST, LARGEST = 1e-9, 1e9
"""Magnitudes that an instance may contain, besides 0."""
WHOLE = 10**15  # parts, of shares in a witness
File = str | PathLike[str]
Parser = Callable[[Any, str], Any]  # of a value, and where it stands
Parsers = dict[str, Parser]


class Fault(Exception):
    """What is wrong, and where."""


def insist(condition: object, where: str, what: str) -> None:
    """Refuse the input unless a condition holds."""
    if not condition:
        raise Fault(f"{where}: {what}")


def load(path: File) -> Any:
    """Read a JSON object without duplicate keys, NaN and infinity."""

    def record(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        insist(len(found) == len(pairs), str(path), "a duplicate key")
        return found

    def odd(word: str) -> float:
        raise Fault(f"{path}: {word}")

    try:
        document = json.loads(Path(path).read_text("utf-8"), object_pairs_hook=record, parse_constant=odd)
    except (OSError, ValueError, RecursionError) as error:
        raise Fault(f"{path}: {error}") from None
    insist(type(document) is dict, str(path), "is not an object")
    return document


def number(value: Any, where: str, least: float = 0.0, most: float = LARGEST) -> float:
    """Return a number in [least, most] that is 0 or has a magnitude of at least 1e-9."""
    within = type(value) in (int, float) and least <= value <= most and (not value or abs(value) >= SMALLEST)
    insist(within, where, f"is not in [{least:g}, {most:g}], or too small")
    return float(value) + 0.0  # -0 becomes 0


speed = partial(number, least=SMALLEST)
signed = partial(number, least=-LARGEST)
share = partial(number, most=1.0)


def whole(value: Any, where: str) -> int:
    """Return a whole number >= 0."""
    insist(number(value, where) == int(value), where, "is not whole")
    return int(value)


def name(value: Any, where: str) -> str:
    """Return a string that is not empty."""
    insist(type(value) is str and value, where, "is not a name")
    return str(value)


def word(*choices: Any) -> Parser:
    """Return the parser of one of some words."""

    def parse(value: Any, where: str) -> Any:
        insist(type(value) is not bool and value in choices, where, f"is none of {choices}")
        return value

    return parse


def array(parser: Parser) -> Parser:
    """Return the parser of an array of such values."""

    def parse(value: Any, where: str) -> list[Any]:
        insist(type(value) is list, where, "is not an array")
        return [parser(item, f"{where}[{i}]") for i, item in enumerate(value)]

    return parse


def by_name(parser: Parser) -> Parser:
    """Return the parser of an object of such values."""

    def parse(value: Any, where: str) -> dict[str, Any]:
        insist(type(value) is dict, where, "is not an object")
        return {key: parser(item, f"{where}.{key[:60]}") for key, item in value.items()}

    return parse


def fields(required: Parsers, optional: Parsers | None = None) -> Parser:
    """Return the parser of an object with these keys and no others; null stands for one that is left out."""
    parsers = {**required, **(optional or {})}

    def parse(value: Any, where: str) -> dict[str, Any]:
        insist(type(value) is dict, where, "is not an object")
        for key in required:
            insist(key in value, where, f"{key} is missing")
        for key in value:
            insist(key in parsers, where, f"unknown key {key!r}")
        given = (key for key in value if key in required or value[key] is not None)
        return {key: parsers[key](value[key], f"{where}.{key}") for key in given}

    return parse


def anything(value: Any, where: str) -> Any:
    """Return whatever it is."""
    return value


def true(value: Any, where: str) -> bool:
    """Return true."""
    insist(value is True, where, "is not true")
    return True


def or_null(parser: Parser) -> Parser:
    """Return the parser of such a value or null."""
    return lambda value, where: None if value is None else parser(value, where)


def numbered(names: Sequence[str], where: str) -> dict[str, int]:
    """Number different names."""
    index = {item: i for i, item in enumerate(names)}
    insist(len(index) == len(names), where, "a name is repeated")
    return index


def by_id(items: Sequence[Any], where: str) -> dict[str, Any]:
    """Return things by their ids, which are different."""
    return dict(zip(numbered([one.id for one in items], where), items, strict=True))


def known(value: Any, where: str, index: Mapping[Any, int]) -> int:
    """Return the number of something that is named."""
    insist(value is None or type(value) is str, where, "is not a name")
    insist(value in index, where, f"unknown name {value!r}")
    return index[value]


def stated(value: Any, where: str) -> Fraction:
    """Return a finite binary64 number."""
    insist(type(value) in (int, float) and abs(value) < 1e300, where, "is not a number")
    return Fraction(float(value))


_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")


def decimal(value: Any, where: str) -> Fraction:
    """Return a decimal number in a string."""
    insist(type(value) is str and len(value) <= 100 and _DECIMAL.fullmatch(value), where, "is no decimal")
    return Fraction(value)


def part(value: Any, where: str) -> int:
    """Return a whole number of parts of `WHOLE`."""
    insist(type(value) is int and abs(value) <= WHOLE, where, "is no share")
    return int(value)


# What files hold ------------------------------------------------------------------------------------

_NUMBERS, _PLACES, _AMOUNTS = array(number), array(or_null(name)), by_name(number)
_ENTRY_MORE: Parsers = {"execution": number, "fee": signed, "demand": _AMOUNTS}
_ENTRY = fields({"subtask": name, "point": or_null(name)}, _ENTRY_MORE)
_APPLICATION = fields({"id": name, "subtasks": array(name), "edges": array(array(name))})
_POINT: Parsers = {"id": name, "cpu": speed, "capacity": whole, "uplink": speed, "downlink": speed}
_POINT_MORE: Parsers = {"channels": whole, "position": anything}
_POINT_2: Parsers = {"fee": fields({}, {"subtask": signed, "work": signed})}
POINT, POINT_2 = fields(_POINT, _POINT_MORE), fields(_POINT, _POINT_MORE | _POINT_2)
_POWER = fields(dict.fromkeys(("execute", "send", "receive"), number))
_DEVICE: Parsers = {"id": name, "application": name, "cpu": speed, "power": _POWER, "alpha": share}
_DEVICE |= {"connected_to": or_null(name)} | dict.fromkeys(("work", "input", "output"), _NUMBERS)
_DEVICE_MORE: Parsers = {"uplink": speed, "downlink": speed, "edge_data": _NUMBERS, "position": anything}
_DEVICE_2: Parsers = {"demand": by_name(_NUMBERS), "at": array(_ENTRY), "allowed": by_name(_PLACES)}
_DEVICE_2 |= {"latency": fields({}, {"up": number, "down": number}), "rejection": signed}
_DEVICE_2 |= dict.fromkeys(("deadline", "energy_budget", "weight"), number)
DEVICE, DEVICE_2 = fields(_DEVICE, _DEVICE_MORE), fields(_DEVICE, _DEVICE_MORE | _DEVICE_2)
_LIMIT = fields({"id": name, "resource": name, "points": array(name), "capacity": number})
_COST = fields({"normalise": word("none", "local")}, {"objective": word("sum", "max")})
_TOP: Parsers = {"format": word("offloadlib-instance"), "version": word(1, 2), "kind": word("structured")}
_TOP |= {"name": anything, "cost": _COST, "applications": array(_APPLICATION)}
_TOP |= {"offload_points": array(anything), "devices": array(anything)}
_TOP_MORE: Parsers = {"description": anything, "source": anything}
_TOP_2: Parsers = {"resources": array(name), "limits": array(_LIMIT)}
_TOP_2 |= {"totals": fields({}, {"energy": number, "delay": number})}
INSTANCE, INSTANCE_2 = fields(_TOP, _TOP_MORE), fields(_TOP, _TOP_MORE | _TOP_2)
_OF = fields({"name": anything, "sha256": name})
_SOLUTION: Parsers = {"format": word("offloadlib-solution"), "version": word(1, 2), "instance": _OF}
_SOLUTION |= dict.fromkeys(("objective", "lower_bound"), or_null(stated))
_SOLUTION |= {"status": word("optimal", "feasible", "infeasible", "unknown"), "method": anything}
_SOLUTION |= {"decisions": or_null(by_name(or_null(_PLACES)))}
SOLUTION = fields(_SOLUTION, {"run": anything})
_PROOF: Parsers = {"format": word("offloadlib-certificate"), "version": word(1, 2), "instance": _OF}
_PROOF_MORE: Parsers = {"lower_bound": decimal, "claim": word("infeasible"), "largest": decimal}
_PROOF_MORE |= {"cuts": array(word()), "witnesses": by_name(by_name(anything))}
CERTIFICATE = fields(_PROOF | {"nodes": array(anything)}, _PROOF_MORE)
BRANCH = fields({"branch": by_name(anything), "equal": whole, "different": whole})
REFUSAL = fields({"device": name, "refused": true})
COUNT = fields({"device": name, "fast_as": name, "most": whole})
ONE_PLACE = fields({"device": name, "subtask": name, "place": or_null(name)})
SOME_PLACES = fields({"device": name, "subtask": name, "places": _PLACES})
_PRICES: Parsers = dict.fromkeys(("capacity", "channels", "limits", "totals"), by_name(decimal))
_PRICES |= {"resource": by_name(by_name(decimal))}
LEAF = fields({"prices": fields({}, _PRICES)}, {"shares": by_name(decimal), "infeasible": true})
FORK = fields({"subtask": name, "places": _PLACES, "in": anything, "out": anything})
_FLOWS: Parsers = dict.fromkeys(("edges", "tails", "data", "air"), array(part)) | {"counts": array(decimal)}
END = fields({}, _FLOWS | dict.fromkeys(("deadline", "budget", "largest"), decimal))
