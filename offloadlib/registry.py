"""Every method, one entry each: a name, where its function is, and what it is.

A method is a function ``(Instance, Budget) -> Result``. It is imported when it is first asked for,
so that a fast heuristic does not wait for a modelling language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from offloadlib.formulations.catalogue import FORMULATIONS, Formulation, imported
from offloadlib.instances import AnyInstance, Budget, InputError, Result
from offloadlib.instances.errors import near

Function = Callable[[Any, Budget[Any]], Result[Any]]
"""It takes an instance of a kind that its method solves, and gives a solution of that kind."""


OPTIONS = ("gap", "seed", "threads", "solver")
"""The options of a budget that not every method has a use for."""

NONE, SEED, GAP = frozenset[str](), frozenset({"seed"}), frozenset({"gap"})
SEARCHED = frozenset({"gap", "seed", "threads"})


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
    grace
        Seconds that it may take beyond its time limit, where that is more than the usual.
    uses
        Which of :data:`OPTIONS` have a meaning for it.
    scheme
        Whether its solution is by definition that of a fixed scheme, which a start must not replace. Every
        other method gives a solution that is at least as good as its start.
    """

    name: str
    path: str
    family: Family
    summary: str
    source: str
    kinds: frozenset[str] = frozenset({"structured"})
    obstacle: str = ""
    grace: float = 0.0
    uses: frozenset[str] = frozenset(OPTIONS)
    scheme: bool = False

    @property
    def module(self) -> str:
        """Where its function is."""
        return self.path.split(":")[0]

    def load(self) -> Function:
        """The method's function, imported.

        Raises
        ------
        InputError
            If there is none under its path.
        """
        try:
            loaded: Function = imported(self.path)
        except (ImportError, AttributeError, ValueError) as error:
            raise InputError("method", [("", f"{self.name}: no function {self.path!r} ({error})")]) from error
        return loaded

    def prepared(self, instance: AnyInstance) -> Function:
        """The method's function, with all that it needs for the instance compiled."""
        from offloadlib.instances import compiled  # not above: numba, which compiles, is slow to import

        function = self.load()
        compiled.prepare(function, instance)
        return function

    def applies_to(self, instance: AnyInstance) -> str | None:
        """None, or why this method cannot solve the instance."""
        if instance.kind not in self.kinds:
            return f"solves instances of kind {', '.join(sorted(self.kinds))}, not {instance.kind}"
        reason: str | None = imported(self.obstacle)(instance) if self.obstacle else None
        return reason

    def ignored(self, budget: Budget[Any]) -> list[str]:
        """The options that are not the usual ones, and that it has no use for."""
        usual = Budget[Any]()
        return [
            name
            for name in OPTIONS
            if name not in self.uses and getattr(budget, name) != getattr(usual, name)
        ]


def _milp(item: Formulation) -> Method:
    return Method(item.name, item.solve, Family.EXACT, item.summary, item.source, obstacle=item.obstacle)


def _hybrid(
    name: str,
    path: str,
    summary: str,
    source: str = "Wu et al. 2020 (abstract), as read in docs/hybrid.md",
    family: Family = Family.HEURISTIC,
    obstacle: str = "",
    uses: frozenset[str] = NONE,
    scheme: bool = False,
) -> Method:
    kinds = frozenset({"hybrid"})
    return Method(name, path, family, summary, source, kinds, obstacle, uses=uses, scheme=scheme)


_ALL = (
    Method(
        "local",
        "offloadlib.heuristics.local:solve",
        Family.HEURISTIC,
        "everything on its own device",
        "section 5; Wu et al. 2020 (local only)",
        kinds=frozenset({"structured", "hybrid"}),
        uses=NONE,
        scheme=True,
    ),
    Method(
        "gsod-i",
        "offloadlib.heuristics.structured.gsod:solve_difference",
        Family.HEURISTIC,
        "greedy by layers, largest gain of offloading first",
        "Algorithm 3, strategy I",
        uses=NONE,
    ),
    Method(
        "gsod-ii",
        "offloadlib.heuristics.structured.gsod:solve_ratio",
        Family.HEURISTIC,
        "greedy by layers, largest workload per data first",
        "Algorithm 3, strategy II",
        uses=NONE,
    ),
    Method(
        "price",
        "offloadlib.heuristics.structured.price:solve",
        Family.HEURISTIC,
        "prices on the limits, each device's best answer, repair and improvement; starts from gsod too",
        "Lagrangian relaxation of (5)",
        uses=SEED,
    ),
    Method(
        "gsod-i-heap",
        "offloadlib.heuristics.structured.gsod_heap:solve_difference",
        Family.HEURISTIC,
        "greedy over all devices, the largest gain of offloading at that moment first",
        "section 4.3.4, strategy I",
        uses=NONE,
    ),
    Method(
        "gsod-ii-heap",
        "offloadlib.heuristics.structured.gsod_heap:solve_ratio",
        Family.HEURISTIC,
        "greedy over all devices, largest workload per data first",
        "section 4.3.4, strategy II",
        uses=NONE,
    ),
    Method(
        "gaod",
        "offloadlib.heuristics.structured.gaod:solve",
        Family.HEURISTIC,
        "a genetic algorithm for each device in turn, in random order",
        "Algorithm 2",
        uses=SEED,
    ),
    *(
        Method(
            f"{name}+ls",
            f"offloadlib.heuristics.structured.improved:{name.replace('-', '_')}",
            Family.HEURISTIC,
            f"{name}, then local search: one device exactly, exchanges between devices",
            f"{source}; the local search is not from the paper",
            uses=SEED if name == "gaod" else NONE,
        )
        for name, source in (
            ("gsod-i", "Algorithm 3, strategy I"),
            ("gsod-ii", "Algorithm 3, strategy II"),
            ("gaod", "Algorithm 2"),
        )
    ),
    Method(
        "heft",
        "offloadlib.heuristics.structured.heft:solve",
        Family.HEURISTIC,
        "list scheduling by upward rank, each subtask where it adds least to the cost",
        "Topcuoglu, Hariri, Wu 2002, adapted",
        uses=NONE,
    ),
    Method(
        "evolution",
        "offloadlib.heuristics.structured.evolution:solve",
        Family.HEURISTIC,
        "scipy's differential evolution on random keys: a metaheuristic that knows nothing of the problem",
        "Storn, Price 1997; Bean 1994",
        uses=SEED,
    ),
    *map(_milp, FORMULATIONS),
    Method(
        "milp-arrays",
        "offloadlib.formulations.structured.milp.arrays:solve",
        Family.EXACT,
        "the same MILP as arrays, without Pyomo, for thousands of devices",
        "equations (1)-(5), linearised; level inequalities",
        obstacle="offloadlib.formulations.structured.milp.arrays:obstacle",
        uses=SEARCHED,
    ),
    Method(
        "patterns",
        "offloadlib.formulations.structured.milp.patterns:solve",
        Family.EXACT,
        "set partitioning over all undominated decisions of each device",
        "Dantzig-Wolfe reformulation of (5), enumerated",
        obstacle="offloadlib.formulations.structured.milp.patterns:obstacle",
        uses=SEARCHED,
    ),
    Method(
        "cpsat",
        "offloadlib.formulations.structured.cp.cpsat:solve",
        Family.EXACT,
        "constraint programming with whole numbers, on what reduced costs leave",
        "(5) in integers rounded downwards, with integer prices",
        uses=SEARCHED,
    ),
    Method(
        "branch-and-price",
        "offloadlib.formulations.structured.decomposition.branch_and_price:solve",
        Family.EXACT,
        "prices on the limits, an exact problem per device, a tree of branches",
        "Dantzig-Wolfe decomposition of (5)",
        uses=SEARCHED,
    ),
    Method(
        "btod",
        "offloadlib.formulations.structured.backtracking.btod:solve",
        Family.EXACT,
        "backtracking with Lagrangian and knapsack bounds",
        "Algorithm 1, bounded",
        uses=GAP,
    ),
    Method(
        "btod-plain",
        "offloadlib.formulations.structured.backtracking.plain:solve",
        Family.EXACT,
        "backtracking as written: all places of all subtasks, for tiny instances",
        "Algorithm 1",
        uses=NONE,
    ),
    Method(
        "btod-sequential",
        "offloadlib.formulations.structured.backtracking.sequential:solve",
        Family.HEURISTIC,
        "each device's optimum in turn, given what the earlier ones leave",
        "section 4.3.2",
        uses=NONE,
    ),
    _hybrid(
        "edge-only", "offloadlib.heuristics.hybrid.schemes:edge_only", "everything at the edge", scheme=True
    ),
    _hybrid(
        "cloud-only",
        "offloadlib.heuristics.hybrid.schemes:cloud_only",
        "everything in the cloud",
        obstacle="offloadlib.heuristics.hybrid.schemes:without_cloud",
        scheme=True,
    ),
    _hybrid(
        "mec",
        "offloadlib.heuristics.hybrid.descent:solve_mec",
        "device and edge; exact for up to 16 tasks",
        scheme=True,
    ),
    _hybrid(
        "mcc",
        "offloadlib.heuristics.hybrid.descent:solve_mcc",
        "device and cloud; exact for up to 16 tasks",
        obstacle="offloadlib.heuristics.hybrid.schemes:without_cloud",
        scheme=True,
    ),
    _hybrid(
        "random", "offloadlib.heuristics.hybrid.schemes:random", "a random place for each task", uses=SEED
    ),
    _hybrid(
        "best-of-random",
        "offloadlib.heuristics.hybrid.schemes:best_of_random",
        "the best of 3 random decisions",
        uses=SEED,
    ),
    _hybrid(
        "equal-split",
        "offloadlib.heuristics.hybrid.schemes:solve_equal_split",
        "the optimum where every device has the same share of the uplink",
        "Huang et al. 2018 (DDLO), their problem",
        obstacle="offloadlib.heuristics.hybrid.schemes:too_many_patterns",
        scheme=True,
    ),
    _hybrid(
        "coordinate-descent",
        "offloadlib.heuristics.hybrid.descent:solve",
        "each task in turn to its best place, until none moves",
        "folklore; a baseline of the literature on offloading",
    ),
    _hybrid(
        "exhaustive",
        "offloadlib.formulations.hybrid.exhaustive:solve",
        "every decision with its best split, for tiny instances",
        "docs/hybrid.md",
        family=Family.EXACT,
        obstacle="offloadlib.formulations.hybrid.exhaustive:obstacle",
    ),
    _hybrid(
        "lagrangian",
        "offloadlib.formulations.hybrid.lagrangian:solve",
        "one price on the uplink, an exact minimum per device, a tree of branches",
        "Lagrangian relaxation of the bandwidth",
        family=Family.EXACT,
        obstacle="offloadlib.formulations.hybrid.patterns:obstacle",
        uses=GAP,
    ),
    _hybrid(
        "hybrid-milp",
        "offloadlib.formulations.hybrid.milp:solve",
        "MILP with tangents of the upload time, added in rounds (Pyomo)",
        "outer approximation; extended polymatroid inequalities",
        family=Family.EXACT,
        uses=SEARCHED,
    ),
    _hybrid(
        "ddto",
        "offloadlib.heuristics.hybrid.ddto:solve",
        "networks that learn from their best candidate",
        "Wu et al. 2020, by way of Huang et al. 2018 (DDLO)",
        obstacle="offloadlib.heuristics.hybrid.network:obstacle",
        uses=SEED,
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
    raise InputError("method", [("", f"{name!r} is not known; did you mean {near(name, METHODS)}?")])
