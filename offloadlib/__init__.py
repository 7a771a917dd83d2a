"""offloadlib: where should the parts of a mobile task run? Exact and heuristic methods, with proofs.

>>> import offloadlib
>>> instance = offloadlib.read("offloadlib/instances/library/worked-example.json")
>>> result = offloadlib.solve(instance, method="milp")
>>> round(result.objective, 9), str(result.status)
(24.045, 'optimal')
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offloadlib.bounding import AtPrices, Relaxation, best_prices, lagrangian, relaxation
    from offloadlib.comparing.run import compare
    from offloadlib.comparing.summary import performance_profile, summarise
    from offloadlib.explaining import explain
    from offloadlib.formulating import formulate, read_back
    from offloadlib.formulations.structured.decomposition.pricing import Prices
    from offloadlib.instances import (
        LOCAL,
        AnyInstance,
        Budget,
        Evaluation,
        HybridInstance,
        HybridSolution,
        InputError,
        Instance,
        InstanceBuilder,
        Progress,
        Result,
        Solution,
        Status,
        StoredSolution,
        Termination,
        evaluate,
        read,
        read_solution,
        write,
        write_solution,
    )
    from offloadlib.instances.importers import from_networkx, from_tables
    from offloadlib.instances.structured.generate import Setting, generate
    from offloadlib.instances.structured.shape import Shape, shape
    from offloadlib.keeping import FalseResult
    from offloadlib.loading import library, load
    from offloadlib.methods import Family, Method
    from offloadlib.proofs import certify
    from offloadlib.registry import METHODS
    from offloadlib.solving import solve

__version__ = "0.2.0"
"""The only place where it stands, apart from CITATION.cff and CHANGELOG.md, which a test compares."""

__all__ = [
    "LOCAL",
    "METHODS",
    "AnyInstance",
    "AtPrices",
    "Budget",
    "Evaluation",
    "FalseResult",
    "Family",
    "HybridInstance",
    "HybridSolution",
    "InputError",
    "Instance",
    "InstanceBuilder",
    "Method",
    "Prices",
    "Progress",
    "Relaxation",
    "Result",
    "Setting",
    "Shape",
    "Solution",
    "Status",
    "StoredSolution",
    "Termination",
    "best_prices",
    "certify",
    "compare",
    "evaluate",
    "explain",
    "formulate",
    "from_networkx",
    "from_tables",
    "generate",
    "lagrangian",
    "library",
    "load",
    "performance_profile",
    "read",
    "read_back",
    "read_solution",
    "relaxation",
    "shape",
    "solve",
    "summarise",
    "write",
    "write_solution",
]

_HERE = {
    "METHODS": "registry",
    "AtPrices": "bounding",
    "FalseResult": "keeping",
    "Family": "methods",
    "Method": "methods",
    "Prices": "formulations.structured.decomposition.pricing",
    "Relaxation": "bounding",
    "Setting": "instances.structured.generate",
    "Shape": "instances.structured.shape",
    "best_prices": "bounding",
    "certify": "proofs",
    "compare": "comparing.run",
    "explain": "explaining",
    "formulate": "formulating",
    "from_networkx": "instances.importers",
    "from_tables": "instances.importers",
    "generate": "instances.structured.generate",
    "lagrangian": "bounding",
    "library": "loading",
    "load": "loading",
    "performance_profile": "comparing.summary",
    "read_back": "formulating",
    "relaxation": "bounding",
    "shape": "instances.structured.shape",
    "solve": "solving",
    "summarise": "comparing.summary",
}


def __getattr__(name: str) -> Any:
    """Import what a name needs when it is first used: the command line answers at once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f".{_HERE.get(name, 'instances')}", __name__)
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
