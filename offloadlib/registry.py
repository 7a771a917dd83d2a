"""Every method, one entry each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from offloadlib.formulations.catalogue import FORMULATIONS, Formulation
from offloadlib.instances import InputError
from offloadlib.instances.errors import near
from offloadlib.kinds import KINDS
from offloadlib.methods import Family, Method

NONE, SEED, GAP = frozenset[str](), frozenset({"seed"}), frozenset({"gap"})
SEARCHED = frozenset({"gap", "seed", "threads"})


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


GROUPS: dict[str, tuple[Family, ...]] = {
    "all": (Family.HEURISTIC, Family.EXACT),
    "heuristics": (Family.HEURISTIC,),
    "exact": (Family.EXACT,),
}


def select(
    methods: Sequence[str | Method] | str | None = None, kinds: Collection[str] = tuple(KINDS)
) -> list[Method]:
    """The methods of names and groups, each once, in the order given.

    Parameters
    ----------
    methods
        As for :func:`compare`.
    kinds
        Groups have the methods that solve instances of one of these kinds.

    Raises
    ------
    InputError
        If a name is not known, or none is given.
    """
    names: Sequence[str | Method] = methods.split(",") if isinstance(methods, str) else methods or ["all"]
    chosen: dict[str, Method] = {}
    for name in names:
        if isinstance(name, Method):
            chosen[name.name] = name
        elif name.strip() in GROUPS:
            families = GROUPS[name.strip()]
            chosen |= {
                method.name: method
                for method in METHODS.values()
                if method.family in families and not method.kinds.isdisjoint(kinds)
            }
        else:
            method = find(name.strip())
            chosen[method.name] = method
    return list(chosen.values())
