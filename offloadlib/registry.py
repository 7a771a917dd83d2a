"""Every method, one entry each: a name, where its function is, and what it is.

A method is a function ``(Instance, Budget) -> Result``. It is imported when it is first asked for,
so that a fast heuristic does not wait for a modelling language.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

from instances import Budget, InputError, Instance, Result

Function = Callable[[Instance, Budget], Result]


class Family(StrEnum):
    """What a method promises: a good solution, or one with a proven bound."""

    HEURISTIC = "heuristic"
    EXACT = "exact"


@dataclass(frozen=True)
class Method:
    """A way to solve an instance.

    Parameters
    ----------
    name
        What users call it.
    path
        ``module:function`` of its function.
    family
        Heuristic or exact.
    summary
        One line.
    source
        Where it is from (sections and algorithms of Kuang et al. 2020 unless said otherwise).
    kinds
        The kinds of instances that it solves.
    """

    name: str
    path: str
    family: Family
    summary: str
    source: str
    kinds: frozenset[str] = frozenset({"structured"})

    def load(self) -> Function:
        """The method's function, imported."""
        module, function = self.path.split(":")
        loaded: Function = getattr(import_module(module), function)
        return loaded

    def applies_to(self, instance: Instance) -> str | None:
        """None, or why this method cannot solve the instance."""
        if instance.kind in self.kinds:
            return None
        return f"solves instances of kind {', '.join(sorted(self.kinds))}, not {instance.kind}"


_ALL = (
    Method("local", "heuristics.local:solve", Family.HEURISTIC, "everything on its own device", "section 5"),
    Method(
        "gsod-i",
        "heuristics.gsod:solve_difference",
        Family.HEURISTIC,
        "greedy by layers, largest gain of offloading first",
        "Algorithm 3, strategy I",
    ),
    Method(
        "gsod-ii",
        "heuristics.gsod:solve_ratio",
        Family.HEURISTIC,
        "greedy by layers, largest workload per data first",
        "Algorithm 3, strategy II",
    ),
    Method(
        "milp",
        "formulations.potentials:solve",
        Family.EXACT,
        "MILP with finish-time potentials (Pyomo)",
        "equations (1)-(5), linearised",
    ),
)

METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}


def find(name: str) -> Method:
    """The method of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    if name in METHODS:
        return METHODS[name]
    near = difflib.get_close_matches(name, METHODS, n=3, cutoff=0.5) or list(METHODS)
    raise InputError("method", [("", f"{name!r} is not known; did you mean {', '.join(near)}?")])
