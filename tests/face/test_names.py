"""The names of the house: each means one thing, and so does each small number."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

from folders import ROOT

PACKAGE = ROOT / "offloadlib"

SMALL = 1e-3
"""A number below is a tolerance."""

ONE_MEANING = {
    # What two folders have each for its kind, or for its format, under one contract.
    "Answers",
    "Certificate",
    "DeviceTree",
    "Effort",
    "Graph",
    "Leaf",
    "Master",
    "Node",
    "Priced",
    "Room",
    "State",
    # Branches of certificates as they are in Python and in files.
    "Count",
    "Divided",
    "Enumeration",
    # Readings of the paper, runs of studies.
    "Reading",
    "Trial",
}
"""Classes that two modules have, as they are the same idea twice."""


@cache
def trees() -> dict[Path, ast.Module]:
    return {
        path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def small(tree: ast.AST) -> Iterator[ast.Constant]:
    """The tolerances in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float) and 0.0 < node.value < SMALL:
            yield node


def assignments(tree: ast.Module) -> list[ast.Assign | ast.AnnAssign]:
    return [node for node in tree.body if isinstance(node, ast.Assign | ast.AnnAssign)]


def unnamed(tree: ast.Module) -> list[int]:
    """Lines of tolerances that stand in the midst of code, instead of under a name of the module's."""
    named = {id(node) for statement in assignments(tree) for node in small(statement)}
    return [node.lineno for node in small(tree) if id(node) not in named]


def unexplained(tree: ast.Module) -> list[int]:
    """Lines of named ones that are not followed by a reason."""
    reasoned = {
        id(before)
        for before, after in pairwise(tree.body)
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
    }
    return [
        statement.lineno
        for statement in assignments(tree)
        if id(statement) not in reasoned and any(small(statement))
    ]


def test_tolerances_have_names_and_reasons() -> None:
    for path, tree in trees().items():
        assert (path, unnamed(tree), unexplained(tree)) == (path, [], [])


def test_an_unnamed_tolerance_is_found() -> None:
    tree = ast.parse("GAP = 1e-9\nMORE = 1e-8\n'''Why.'''\ndef f(x): return x < 1e-6")
    assert unnamed(tree) == [4]
    assert unexplained(tree) == [1]


def test_a_class_means_one_thing() -> None:
    """The checker has its own words, as it is written a second time on purpose."""
    modules = defaultdict(list)
    for path, tree in trees().items():
        if path.parts[0] != "check":
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    modules[node.name].append(str(path))
    assert {
        name: found for name, found in modules.items() if len(found) > 1 and name not in ONE_MEANING
    } == {}
    assert {name for name in ONE_MEANING if len(modules[name]) < 2} == set()
