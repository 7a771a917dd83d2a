"""The checker as a sceptic has it: found by its path, not through the package, without its dependencies."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

from folders import ROOT

CHECKER = ROOT / "offloadlib" / "check"


def by_path(name: str) -> Any:
    """The checker, imported under a name of its own."""
    spec = importlib.util.spec_from_file_location(
        name, CHECKER / "__init__.py", submodule_search_locations=[str(CHECKER)]
    )
    assert spec and spec.loader
    checker = importlib.util.module_from_spec(spec)
    sys.modules[name] = checker
    spec.loader.exec_module(checker)
    return checker
