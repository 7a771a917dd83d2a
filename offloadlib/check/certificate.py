"""Certificates: the file. docs/theory/certificates.md has the mathematics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from os import PathLike
from types import MappingProxyType
from typing import Any, NamedTuple

from .data import Problem, Unfinished, Unusable
from .parse import (
    Parser,
    Record,
    any_array,
    any_object,
    any_text,
    filled_array,
    joined,
    of_kind,
    one_of,
    or_null,
    parse_json,
    read_bytes,
    shown_as,
    whole_number,
)
from .read import check_marks


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


class Refusal(NamedTuple):
    """A node with two children (version 2): there the device is refused, or it is served."""

    device: str
    equal: int
    different: int


_NONE: Mapping[str, Any] = MappingProxyType({})


class Leaf(NamedTuple):
    """A node with prices: by ids of points and numbers of cuts, or on bandwidth and units (hybrid).

    In version 2 also by point and resource, by id of shared limits, and on totals. `shares` are those of the
    devices' costs in the greatest one; `infeasible` leaves prove that no solution gets there.
    """

    capacity: Mapping[str, Fraction]
    channels: Mapping[str, Fraction]
    bandwidth: Fraction | None = None
    units: Fraction | None = None
    cuts: Mapping[str, Fraction] = _NONE
    resource: Mapping[str, Mapping[str, Fraction]] = _NONE
    limits: Mapping[str, Fraction] = _NONE
    totals: Mapping[str, Fraction] = _NONE
    shares: Mapping[str, Fraction] = _NONE
    infeasible: bool = False


class Enumeration(NamedTuple):
    """A node with one child, below which the patterns that these prices leave stand for decisions."""

    leaf: Leaf
    below: int


TreeNode = Branch | UnitBranch | Count | Refusal | Leaf | Enumeration


class Cut(NamedTuple):
    """The sum over the devices of floor((u + shift)/divisor) is at most floor((limit + shifts)/divisor).

    Of a device u subtasks, and of all at most `limit`, are at points as fast as this one.
    """

    point: str
    divisor: int
    shifts: dict[str, int]


class Step(NamedTuple):
    """What a decision of a device weighs in a cut if it uses at least these amounts of its limits."""

    amounts: Sequence[Fraction]
    weight: int


class KnapsackCut(NamedTuple):
    """One step of each device, or none, whose amounts keep the limits weigh at most so much (version 2).

    Limits have the names of their prices: a part of the prices, and the keys there.
    """

    limits: list[tuple[str, ...]]
    steps: dict[str, list[Step]]
    most: int


class Certificate(NamedTuple):
    """What a certificate file claims: a lower bound, or that the instance is infeasible.

    `units` are those of each device's tasks (hybrid). With `largest` the claim is about the solutions in
    which no device costs more, its weight included (version 2). With witnesses the core verifies it.
    """

    sha256: str
    lower_bound: Fraction
    nodes: list[TreeNode]
    units: dict[str, list[int]] | None = None
    cuts: Sequence[Cut | KnapsackCut] = ()
    version: int = 1
    infeasible: bool = False
    largest: Fraction | None = None
    witnessed: bool = False


# Not all that `Fraction` would take ("1_0", "1/3", "nan"), neither endless digits nor vast exponents.
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]{1,3})?")
_LONGEST_DECIMAL = 100


def _decimal(problems: list[Problem], value: Any, path: str) -> Fraction | None:
    if type(value) is str and len(value) <= _LONGEST_DECIMAL and _DECIMAL.fullmatch(value):
        return Fraction(value)
    problems.append((path, f"{shown_as(value)} is not a decimal number in a string"))
    return None


def _decimals(problems: list[Problem], value: Any, path: str) -> dict[str, Fraction | None] | None:
    if any_object(problems, value, path) is None:
        return None
    return {key: _decimal(problems, item, joined(path, key)) for key, item in value.items()}


def _is_true(value: Any) -> bool:
    return value is True


_index = of_kind(lambda value: type(value) is int, "a whole number")
_MOST_UNITS = 10**9  # of a task
_natural = of_kind(lambda value: type(value) is int and 0 <= value <= _MOST_UNITS, "a whole number of units")
_PRICES = Record(
    {},
    {
        "capacity": _decimals,
        "channels": _decimals,
        "bandwidth": _decimal,
        "units": _decimal,
        "cuts": _decimals,
    },
)
_LEAF = Record({"prices": _PRICES}, {})
_ENUMERATION = Record({"patterns": _PRICES, "below": _index}, {})
_COUNT = Record(
    {
        "branch": Record({"device": any_text, "fast_as": any_text, "most": whole_number}, {}),
        "equal": _index,
        "different": _index,
    },
    {},
)


def _shifts(problems: list[Problem], value: Any, path: str) -> dict[str, int] | None:
    if any_object(problems, value, path) is None:
        return None
    found = {key: whole_number(problems, item, joined(path, key)) for key, item in value.items()}
    return {key: shift for key, shift in found.items() if shift is not None}


_CUT = Record({"fast_as": any_text, "divisor": whole_number, "shifts": _shifts}, {})


def _names(problems: list[Problem], value: Any, path: str) -> list[str | None] | None:
    if filled_array(problems, value, path) is None:
        return None
    return [or_null(any_text)(problems, item, f"{path}[{i}]") for i, item in enumerate(value)]


def _branch_of(what: dict[str, Parser]) -> Parser:
    """Return the parser of a branch: on one place of a subtask, or on several."""
    at: dict[str, Parser] = {"device": any_text, **what}
    one, several = (
        Record({"branch": Record(at | places, {}), "equal": _index, "different": _index}, {})
        for places in ({"place": or_null(any_text)}, {"places": _names})
    )

    def parse(problems: list[Problem], value: Any, path: str) -> Any:
        at = value["branch"]
        return (several if type(at) is dict and "places" in at else one)(problems, value, path)

    return parse


def _units(problems: list[Problem], value: Any, path: str) -> dict[str, list[Any]] | None:
    """Parse a whole number for each task of each device."""
    if any_object(problems, value, path) is None:
        return None
    return {
        key: [_natural(problems, unit, f"{joined(path, key)}[{i}]") for i, unit in enumerate(units)]
        for key, units in value.items()
        if filled_array(problems, units, joined(path, key)) is not None
    }


_BRANCH, _HYBRID_BRANCH = _branch_of({"subtask": any_text}), _branch_of({"task": _index})
_UNIT_BRANCH = Record({"branch": Record({"units": _index}, {}), "equal": _index, "different": _index}, {})
_CERTIFICATE_MARKS: dict[str, Parser] = {
    "format": one_of("offloadlib-certificate"),
    "version": one_of(1, 2),
}
_CERTIFICATE = Record(
    {
        **_CERTIFICATE_MARKS,
        "instance": Record({"name": any_text, "sha256": any_text}, {}),
        "lower_bound": _decimal,
        "nodes": filled_array,
    },
    {"units": _units, "cuts": any_array, "witnesses": any_object},
)


def _decimals_of_decimals(problems: list[Problem], value: Any, path: str) -> dict[str, Any] | None:
    if any_object(problems, value, path) is None:
        return None
    return {key: _decimals(problems, item, joined(path, key)) for key, item in value.items()}


_PRICES_2 = Record(
    {},
    {
        "capacity": _decimals,
        "channels": _decimals,
        "resource": _decimals_of_decimals,
        "limits": _decimals,
        "totals": Record({}, {"energy": _decimal, "delay": _decimal}),
        "cuts": _decimals,
    },
)
_ENUMERATION_2 = Record({"patterns": _PRICES_2, "below": _index}, {})


def _texts(problems: list[Problem], value: Any, path: str) -> tuple[str, ...] | None:
    if filled_array(problems, value, path) is None:
        return None
    found = [any_text(problems, item, f"{path}[{i}]") for i, item in enumerate(value)]
    return tuple([item for item in found if item is not None])


def _list_of(parser: Parser) -> Parser:
    def parse(problems: list[Problem], value: Any, path: str) -> list[Any] | None:
        if any_array(problems, value, path) is None:
            return None
        return [parser(problems, item, f"{path}[{i}]") for i, item in enumerate(value)]

    return parse


_STEP = Record({"amounts": _list_of(_decimal), "weight": whole_number}, {})


def _steps(problems: list[Problem], value: Any, path: str) -> dict[str, Any] | None:
    if any_object(problems, value, path) is None:
        return None
    return {key: _list_of(_STEP)(problems, item, joined(path, key)) for key, item in value.items()}


_KNAPSACK_CUT = Record({"limits": _list_of(_texts), "steps": _steps, "most": whole_number}, {})
_LEAF_2 = Record({"prices": _PRICES_2}, {"shares": _decimals, "infeasible": of_kind(_is_true, "true")})
_REFUSAL = Record(
    {
        "branch": Record({"device": any_text, "refused": of_kind(_is_true, "true")}, {}),
        "equal": _index,
        "different": _index,
    },
    {},
)
_BODY_2 = {key: parser for key, parser in _CERTIFICATE.required.items() if key != "lower_bound"}
_BOUND_2 = Record(
    {**_BODY_2, "lower_bound": _decimal},
    {"largest": _decimal, "cuts": any_array, "witnesses": any_object},
)
_CLAIM_2 = Record({**_BODY_2, "claim": one_of("infeasible")}, {"witnesses": any_object})


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
    document = parse_json(read_bytes(path), str(path))
    check_marks(document, _CERTIFICATE_MARKS, str(path))
    problems: list[Problem] = []
    if document["version"] == 2:
        return _second(problems, document, str(path))
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
        witnessed="witnesses" in fields,
    )


def _second(problems: list[Problem], document: dict[str, Any], file: str) -> Certificate:
    """Read a certificate of version 2."""
    infeasible = "claim" in document
    fields = (_CLAIM_2 if infeasible else _BOUND_2)(problems, document, "")
    nodes = [_node_2(problems, node, f"nodes[{i}]") for i, node in enumerate(fields.get("nodes", ()))]
    cuts = [_KNAPSACK_CUT(problems, cut, f"cuts[{i}]") for i, cut in enumerate(fields.get("cuts", ()))]
    if problems:
        raise Unusable(file, problems)
    return Certificate(
        fields["instance"]["sha256"],
        fields.get("lower_bound", Fraction(0)),
        [node for node in nodes if node],
        cuts=[
            KnapsackCut(
                cut["limits"],
                {name: [Step(**step) for step in some] for name, some in cut["steps"].items()},
                cut["most"],
            )
            for cut in cuts
        ],
        version=2,
        infeasible=infeasible,
        largest=fields.get("largest"),
        witnessed="witnesses" in fields,
    )


def _node_2(problems: list[Problem], value: Any, path: str) -> TreeNode | None:
    before = len(problems)
    if type(value) is dict and "patterns" in value:
        fields = _ENUMERATION_2(problems, value, path)
        return Enumeration(_leaf_2(fields["patterns"]), fields["below"]) if len(problems) == before else None
    if type(value) is not dict or "branch" not in value:
        fields = _LEAF_2(problems, value, path)
        if len(problems) > before:
            return None
        leaf = _leaf_2(fields["prices"])
        return leaf._replace(shares=fields.get("shares", {}), infeasible=fields.get("infeasible", False))
    if type(value["branch"]) is dict and "refused" in value["branch"]:
        fields = _REFUSAL(problems, value, path)
        if len(problems) > before:
            return None
        return Refusal(fields["branch"]["device"], fields["equal"], fields["different"])
    fields = _BRANCH(problems, value, path)
    if len(problems) > before:
        return None
    return _branch(fields, "subtask")


def _leaf_2(prices: dict[str, Any]) -> Leaf:
    return Leaf(
        prices.get("capacity", {}),
        prices.get("channels", {}),
        cuts=prices.get("cuts", {}),
        resource=prices.get("resource", {}),
        limits=prices.get("limits", {}),
        totals=prices.get("totals", {}),
    )


def _branch(fields: dict[str, Any], what: str) -> Branch:
    at = fields["branch"]
    places = at["places"] if "places" in at else [at.get("place")]
    return Branch(at["device"], at[what], places, fields["equal"], fields["different"])


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
        if of_units:
            return UnitBranch(fields["branch"]["units"], fields["equal"], fields["different"])
        return _branch(fields, "task" if of_task else "subtask")
    return _leaf(fields["prices"])


def _leaf(prices: dict[str, Any]) -> Leaf:
    limits = prices.get("capacity", {}), prices.get("channels", {})
    return Leaf(*limits, prices.get("bandwidth"), prices.get("units"), prices.get("cuts", {}))


def below_enumerations(nodes: Sequence[TreeNode]) -> list[bool]:
    """Tell which nodes are below an enumeration."""
    inside = [False] * len(nodes)
    for i, node in enumerate(nodes):
        for child in children_of(node):
            if i < child < len(nodes):
                inside[child] = inside[i] or isinstance(node, Enumeration)
    return inside


def children_of(node: TreeNode) -> tuple[int, ...]:
    if isinstance(node, Leaf):
        return ()
    return (node.below,) if isinstance(node, Enumeration) else (node.equal, node.different)


_MOST_PLACES = 10**8


def not_too_many(nodes: Sequence[TreeNode], device: str, size: int) -> None:
    """Give up where a device of so many subtasks has more branches than there is memory for."""
    if len(nodes) * size <= _MOST_PLACES:
        return
    branches = sum(isinstance(node, Branch | Refusal) and node.device == device for node in nodes)
    if branches * size > _MOST_PLACES:
        raise Unfinished(f"there are {branches} branches on {size} subtasks of device {shown_as(device)}")


def places_left(
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
    not_too_many(nodes, device, len(anywhere))
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
