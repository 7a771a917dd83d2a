"""Every method, one entry each: a name, where its function is, and what it is.

A method is a function ``(Instance, Budget) -> Result``. It is imported when it is first asked for,
so that a fast heuristic does not wait for a modelling language.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from formulations.catalogue import FORMULATIONS, Formulation, imported
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
    obstacle
        ``module:function`` that tells why the method cannot solve an instance of such a kind, or None;
        empty: it solves all of them.
    """

    name: str
    path: str
    family: Family
    summary: str
    source: str
    kinds: frozenset[str] = frozenset({"structured"})
    obstacle: str = ""

    def load(self) -> Function:
        """The method's function, imported."""
        loaded: Function = imported(self.path)
        return loaded

    def applies_to(self, instance: Instance) -> str | None:
        """None, or why this method cannot solve the instance."""
        if instance.kind not in self.kinds:
            return f"solves instances of kind {', '.join(sorted(self.kinds))}, not {instance.kind}"
        reason: str | None = imported(self.obstacle)(instance) if self.obstacle else None
        return reason


def _milp(item: Formulation) -> Method:
    return Method(item.name, item.solve, Family.EXACT, item.summary, item.source, obstacle=item.obstacle)


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
        "gsod-i-heap",
        "heuristics.gsod_heap:solve_difference",
        Family.HEURISTIC,
        "greedy over all devices, the largest gain of offloading at that moment first",
        "section 4.3.4, strategy I",
    ),
    Method(
        "gsod-ii-heap",
        "heuristics.gsod_heap:solve_ratio",
        Family.HEURISTIC,
        "greedy over all devices, largest workload per data first",
        "section 4.3.4, strategy II",
    ),
    Method(
        "gaod",
        "heuristics.gaod:solve",
        Family.HEURISTIC,
        "a genetic algorithm for each device in turn, in random order",
        "Algorithm 2",
    ),
    *(
        Method(
            f"{name}+ls",
            f"heuristics.improved:{name.replace('-', '_')}",
            Family.HEURISTIC,
            f"{name}, then local search: one device exactly, exchanges between devices",
            f"{source}; the local search is not from the paper",
        )
        for name, source in (
            ("gsod-i", "Algorithm 3, strategy I"),
            ("gsod-ii", "Algorithm 3, strategy II"),
            ("gaod", "Algorithm 2"),
        )
    ),
    Method(
        "heft",
        "heuristics.heft:solve",
        Family.HEURISTIC,
        "list scheduling by upward rank, each subtask where it adds least to the cost",
        "Topcuoglu, Hariri, Wu 2002, adapted",
    ),
    Method(
        "evolution",
        "heuristics.evolution:solve",
        Family.HEURISTIC,
        "scipy's differential evolution on random keys: a metaheuristic that knows nothing of the problem",
        "Storn, Price 1997; Bean 1994",
    ),
    *map(_milp, FORMULATIONS),
    Method(
        "milp-arrays",
        "formulations.milp.arrays:solve",
        Family.EXACT,
        "the same MILP as arrays, without Pyomo, for thousands of devices",
        "equations (1)-(5), linearised; level inequalities",
    ),
    Method(
        "patterns",
        "formulations.milp.patterns:solve",
        Family.EXACT,
        "set partitioning over all undominated decisions of each device",
        "Dantzig-Wolfe reformulation of (5), enumerated",
        obstacle="formulations.milp.patterns:obstacle",
    ),
    Method(
        "cpsat",
        "formulations.cp.cpsat:solve",
        Family.EXACT,
        "constraint programming with whole numbers, on what reduced costs leave",
        "(5) in integers rounded downwards, with integer prices",
    ),
    Method(
        "branch-and-price",
        "formulations.decomposition.branch_and_price:solve",
        Family.EXACT,
        "prices on the limits, an exact problem per device, a tree of branches",
        "Dantzig-Wolfe decomposition of (5)",
    ),
    Method(
        "btod",
        "formulations.backtracking.btod:solve",
        Family.EXACT,
        "backtracking with Lagrangian and knapsack bounds",
        "Algorithm 1, bounded",
    ),
    Method(
        "btod-plain",
        "formulations.backtracking.plain:solve",
        Family.EXACT,
        "backtracking as written: all places of all subtasks, for tiny instances",
        "Algorithm 1",
    ),
    Method(
        "btod-sequential",
        "formulations.backtracking.sequential:solve",
        Family.HEURISTIC,
        "each device's optimum in turn, given what the earlier ones leave",
        "section 4.3.2",
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
