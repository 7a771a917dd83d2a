"""The site: nothing public is missing, no link leads nowhere. ``make docs`` builds it, without warnings."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from folders import ROOT

import offloadlib
from offloadlib.cli.app import COMMANDS
from offloadlib.cli.commands import IMPORTERS
from offloadlib.explaining import Explanation
from offloadlib.instances.files.published import SCHEMA_FOLDER
from offloadlib.instances.kind import KINDS

DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    *sorted(path for path in DOCS.rglob("*.md") if "made" not in path.parts),
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
]
PUBLIC = (
    *("offloadlib", "offloadlib.instances", "offloadlib.instances.importers"),
    *("offloadlib.explaining", "offloadlib.check", "offloadlib.witnesses", "offloadlib.pictures.structured"),
    *("offloadlib.instances.hybrid", "offloadlib.heuristics.hybrid", "offloadlib.studies.moving"),
)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What makes pages of the code can be imported."""
    monkeypatch.syspath_prepend(str(DOCS / "site"))
    yield
    for name in ("commands", "schemas"):
        sys.modules.pop(name, None)


# Links --------------------------------------------------------------------------------------------


def _text(page: Path) -> str:
    """A page without its code; a notebook's JSON does."""
    text = re.sub(r"^(```+).*?^\1`*$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "`", text)


def _links(page: Path) -> Iterator[str]:
    for target in re.findall(r"(?:\]\(|href=\")([^)\"\s]+)[)\"]", _text(page)):
        if not re.match(r"[a-z]+:", target):
            yield target


@cache
def _anchors(page: Path) -> set[str]:
    """The anchors of headings, as code-hosting sites and the site make them."""
    found = set()
    for heading in re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE):
        words = re.sub(r"\]\([^)]*\)", "", heading.lower())
        found.add(re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in _links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_file() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A `b`, c\n\n[x](there.md) `[y](not.md)`\n\n```\n[z](not.md)\n```\n[w](#a-b-c)\n<a href="v">v</a>\n'
    )
    assert list(_links(page)) == ["there.md", "#a-b-c", "v"]
    assert _anchors(page) == {"a-b-c"}


LONG_PAGE, MANY_SECTIONS = 100, 5  # lines; with fewer sections a reader sees them all


def test_long_pages_begin_with_their_contents() -> None:
    found = 0
    for page in DOCS.rglob("*.md"):
        head, *sections = re.split(r"^## ", _text(page), flags=re.MULTILINE)
        long = page.read_text("utf-8").count("\n") > LONG_PAGE and len(sections) >= MANY_SECTIONS
        if long and not {"made", "interactive"} & set(page.parts) and page.name != "summary.md":
            found += 1
            known = {link.removeprefix("#") for link in re.findall(r"\]\((#[^)]*)\)", head)}
            assert len(known) == len(sections), page
    assert found > 5


def test_results_say_version_and_command() -> None:
    for page in (DOCS / "results").glob("*.md"):
        if page.name != "index.md":
            text = " ".join(page.read_text("utf-8").split())
            assert re.search(r"(Measured|made) with version 0\.\d", text), page
            assert re.search(r"(`|    )(python |offloadlib study |benchmarks/)", text), page


# The reference ------------------------------------------------------------------------------------


def _documented() -> set[str]:
    """The names in the pages of the Python interface, in full."""
    found = set()
    for page in (DOCS / "reference" / "api").glob("*.rst"):
        module = ""
        for directive, name in re.findall(r"^\.\. (\w+):: (\S+)$", page.read_text("utf-8"), re.MULTILINE):
            module = name if directive == "currentmodule" else module
            if directive.startswith("auto") and directive != "automodule":
                found.add(f"{module}.{name}")
    return found


def test_every_public_name_is_in_the_reference() -> None:
    known = {id(_named(name)): name for name in _documented()}
    for module in PUBLIC:
        for name in import_module(module).__all__:
            found = getattr(import_module(module), name)
            assert f"{module}.{name}" in known.values() or id(found) in known, f"{module}.{name}"


def _imported(code: str) -> Iterator[str]:
    """The names of the package that a cell of a notebook imports, in full."""
    lines = (line for line in code.splitlines() if not line.startswith("%"))
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("offloadlib"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("offloadlib"):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_import_what_is_in_the_reference(path: Path) -> None:
    documented = _documented()
    known = documented | {id(_named(name)) for name in documented} | set(PUBLIC)
    names = [
        name
        for cell in json.loads(path.read_text("utf-8"))["cells"]
        if cell["cell_type"] == "code"
        for name in _imported("".join(cell["source"]))
    ]
    assert names
    assert [name for name in names if name not in known and id(_named(name)) not in known] == []


def test_what_is_in_the_reference_has_a_docstring() -> None:
    for name in _documented():
        found = _named(name)
        if callable(found):
            assert found.__doc__, name


def _named(name: str) -> object:
    module, _, own = name.rpartition(".")
    return getattr(import_module(module), own)


@pytest.mark.usefixtures("made")
def test_every_command_and_option_is_on_its_page() -> None:
    commands = import_module("commands")
    sections = dict(re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", commands.page(), re.MULTILINE))
    names = [command.__name__.replace("_", "-") for command in COMMANDS]
    names += [f"generate --kind {kind}" for kind in KINDS] + [f"import {form}" for form in IMPORTERS]
    assert sorted(sections) == sorted(names)
    for name, command in commands.commands():
        for entry in command.params:
            for option in entry.opts if entry.param_type_name == "option" else ():
                assert f"`{option}`" in sections[name], (name, option)
    assert "`--time-limit` `S`\n: Seconds. Default: `inf`." in sections["solve"]


@pytest.mark.usefixtures("made")
def test_every_key_of_every_schema_is_on_its_page() -> None:
    page = import_module("schemas").page(SCHEMA_FOLDER, "schemas")
    for path in SCHEMA_FOLDER.glob("*.json"):
        assert f"(schemas/{path.name})" in page
        schema = json.loads(path.read_text("utf-8"))
        for part in (schema, *schema["$defs"].values()):
            for key in part.get("properties", ()):
                assert f"| `{key}` |" in page
    assert "| `edges` | list of (list, 2, of string) | required |" in page


def test_every_name_in_the_glossary_exists() -> None:
    keys = {"null", *_keys([json.loads(path.read_text("utf-8")) for path in SCHEMA_FOLDER.glob("*.json")])}
    instance, hybrid = offloadlib.load("paper-m005"), offloadlib.load("hybrid-3x3")
    assert isinstance(instance, offloadlib.Instance) and isinstance(hybrid, offloadlib.HybridInstance)
    result = offloadlib.solve(instance, "gsod-i")
    known: dict[str, list[object]] = {
        "instance": [instance, hybrid],
        "application": [instance.applications[0]],
        "devices": [instance.devices],
        "points": [instance.points],
        "group": [instance.groups[0]],
        "solution": [result.solution, hybrid.all_local],
        "evaluation": [instance.evaluate(result.solution)],
        "result": [result],
        "parameters": [hybrid.parameters],
        "explanation": [SimpleNamespace(**Explanation.__annotations__)],
    }
    rows = 0
    for line in (DOCS / "reference" / "glossary.md").read_text("utf-8").splitlines():
        if line.startswith("| ") and len(cells := line.split("|")) == 7:
            rows += 1
            assert set(re.findall(r"`(\w+)`", cells[4])) <= keys, line
            for name, attribute in re.findall(r"`(\w+)\.(\w+)", cells[5]):
                assert any(hasattr(one, attribute) for one in known[name]), line
    assert rows > 40


def _keys(schema: object) -> set[str]:
    """The keys that a schema, or anything in it, has properties for."""
    if isinstance(schema, dict):
        own = schema.get("properties")
        return set().union(own if isinstance(own, dict) else (), *map(_keys, schema.values()))
    return set().union(*map(_keys, schema)) if isinstance(schema, list) else set()
