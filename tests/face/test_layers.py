"""Who imports whom: layers, and no circle between modules or between packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from folders import ROOT

PACKAGE = ROOT / "offloadlib"

Imports = Mapping[str, set[str]]


@cache
def modules() -> Mapping[str, Path]:
    """Every module of the package by its dotted name; a package stands for its ``__init__``."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def only_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def statements(tree: ast.AST, *, functions: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports of a module that are run, with those inside of functions or without."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif only_for_types(node) or (
            not functions and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        ):
            continue
        else:
            yield from statements(node, functions=functions)


def targets(module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """The modules of the package that a statement names: of ``from a import b`` a.b, where that is one."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        base = node.module or ""
        if node.level:
            is_package = modules()[module].name == "__init__.py"
            above = module.split(".")[: len(module.split(".")) - node.level + is_package]
            base = ".".join([*above, *([node.module] if node.module else [])])
        names = [f"{base}.{alias.name}" for alias in node.names]
        names = [name if name in modules() else base for name in names]
    yield from (name for name in names if name in modules() and name != module)


@cache
def imports(*, functions: bool) -> Imports:
    return {
        module: {
            target
            for node in statements(ast.parse(path.read_text()), functions=functions)
            for target in targets(module, node)
        }
        for module, path in modules().items()
    }


def circle(graph: Imports) -> list[str]:
    """One circle of a graph, if there is any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


def room(module: str, depth: int) -> str:
    """The package that a module is in, so many names deep; a module that is not in one stands alone."""
    parts = module.split(".")
    path = modules()[module]
    inside = parts if path.name == "__init__.py" else parts[:-1]
    return ".".join(inside[:depth]) if len(inside) >= depth else module


def between_rooms(graph: Imports, depth: int) -> Imports:
    rooms: dict[str, set[str]] = {}
    for module, others in graph.items():
        own = room(module, depth)
        rooms.setdefault(own, set()).update(room(other, depth) for other in others)
    return {name: others - {name} for name, others in rooms.items()}


def test_no_module_imports_itself_by_way_of_others() -> None:
    assert circle(imports(functions=False)) == []


@pytest.mark.parametrize("depth", [2, 3])
def test_no_package_imports_itself_by_way_of_others(depth: int) -> None:
    """Also not from inside of functions."""
    assert circle(between_rooms(imports(functions=True), depth)) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": set()}) != []
    assert circle({"a": {"b"}, "b": {"c"}, "c": set()}) == []


LAYERS = {
    "instances": {"instances"},
    "formulations": {"instances", "formulations"},
    "heuristics": {"instances", "formulations", "heuristics"},
    "check": {"check"},
}
"""What each folder may import of the package; the face may import all."""


@pytest.mark.parametrize("folder", LAYERS)
def test_lower_layers_do_not_know_the_higher_ones(folder: str) -> None:
    for module, others in imports(functions=True).items():
        if module.startswith(f"offloadlib.{folder}."):
            used = {other.split(".")[1] for other in others if "." in other}
            assert used <= LAYERS[folder], module
