"""The version stands in one place, and what tells it elsewhere agrees."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version

from folders import ROOT

import offloadlib


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" not in project["project"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "offloadlib.__version__"}
    assert version("offloadlib") == offloadlib.__version__


def test_citation_and_changelog_tell_the_same_version() -> None:
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert cited is not None and newest is not None
    assert cited[1] == newest[1] == offloadlib.__version__
