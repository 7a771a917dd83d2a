"""The structured problem in the face of the package."""

from __future__ import annotations

from functools import partial

from offloadlib.formulations.catalogue import ALL, FORMULATIONS, LIMITED, Formulation
from offloadlib.kinds import GAP, LOCAL, NONE, SEARCHED, SEED, Face
from offloadlib.methods import Family, Method

EXACT, HEURISTIC = Family.EXACT, Family.HEURISTIC


_method = partial(Method, kinds=frozenset({"structured"}), supports=ALL)


def _milp(item: Formulation) -> Method:
    told = item.name, item.solve, EXACT, item.summary, item.source
    return _method(*told, supports=item.supports, obstacle=item.obstacle)


METHODS = (
    LOCAL,
    _method(
        "gsod-i",
        "offloadlib.heuristics.structured.gsod:solve_difference",
        HEURISTIC,
        "greedy by layers, largest gain of offloading first",
        "Algorithm 3, strategy I",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "gsod-ii",
        "offloadlib.heuristics.structured.gsod:solve_ratio",
        HEURISTIC,
        "greedy by layers, largest workload per data first",
        "Algorithm 3, strategy II",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "price",
        "offloadlib.heuristics.structured.price:solve",
        HEURISTIC,
        "prices on the limits, each device's best answer, repair and improvement; starts from gsod too",
        "Lagrangian relaxation of (5)",
        supports=LIMITED,
        uses=SEED | {"threads"},
    ),
    _method(
        "gsod-i-heap",
        "offloadlib.heuristics.structured.gsod_heap:solve_difference",
        HEURISTIC,
        "greedy over all devices, the largest gain of offloading at that moment first",
        "section 4.3.4, strategy I",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "gsod-ii-heap",
        "offloadlib.heuristics.structured.gsod_heap:solve_ratio",
        HEURISTIC,
        "greedy over all devices, largest workload per data first",
        "section 4.3.4, strategy II",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "gaod",
        "offloadlib.heuristics.structured.gaod:solve",
        HEURISTIC,
        "a genetic algorithm for each device in turn, in random order",
        "Algorithm 2",
        supports=LIMITED,
        uses=SEED,
    ),
    *(
        _method(
            f"{name}+ls",
            f"offloadlib.heuristics.structured.improved:{name.replace('-', '_')}",
            HEURISTIC,
            f"{name}, then local search: one device exactly, exchanges between devices",
            f"{source}; the local search is not from the paper",
            supports=LIMITED,
            uses=SEED if name == "gaod" else NONE,
        )
        for name, source in (
            ("gsod-i", "Algorithm 3, strategy I"),
            ("gsod-ii", "Algorithm 3, strategy II"),
            ("gaod", "Algorithm 2"),
        )
    ),
    _method(
        "heft",
        "offloadlib.heuristics.structured.heft:solve",
        HEURISTIC,
        "list scheduling by upward rank, each subtask where it adds least to the cost",
        "Topcuoglu, Hariri, Wu 2002, adapted",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "evolution",
        "offloadlib.heuristics.structured.evolution:solve",
        HEURISTIC,
        "scipy's differential evolution on random keys: a metaheuristic that knows nothing of the problem",
        "Storn, Price 1997; Bean 1994",
        supports=LIMITED,
        uses=SEED,
    ),
    *map(_milp, FORMULATIONS),
    _method(
        "milp-arrays",
        "offloadlib.formulations.structured.milp.arrays:solve",
        EXACT,
        "the same MILP as arrays, without Pyomo, for thousands of devices",
        "equations (1)-(5), linearised; level inequalities",
        supports=LIMITED,
        obstacle="offloadlib.formulations.structured.milp.arrays:obstacle",
        uses=SEARCHED,
    ),
    _method(
        "patterns",
        "offloadlib.formulations.structured.milp.patterns:solve",
        EXACT,
        "set partitioning over all undominated decisions of each device",
        "Dantzig-Wolfe reformulation of (5), enumerated",
        obstacle="offloadlib.formulations.structured.milp.patterns:obstacle",
        uses=SEARCHED,
    ),
    _method(
        "cpsat",
        "offloadlib.formulations.structured.cp.cpsat:solve",
        EXACT,
        "constraint programming with whole numbers, on what reduced costs leave",
        "(5) in integers rounded downwards, with integer prices",
        supports=LIMITED,
        obstacle="offloadlib.formulations.structured.milp.size:cpsat_obstacle",
        uses=SEARCHED,
    ),
    _method(
        "branch-and-price",
        "offloadlib.formulations.structured.decomposition.branch_and_price:solve",
        EXACT,
        "prices on the limits, an exact problem per device, a tree of branches",
        "Dantzig-Wolfe decomposition of (5)",
        supports=LIMITED,
        uses=SEARCHED,
    ),
    _method(
        "btod",
        "offloadlib.formulations.structured.backtracking.btod:solve",
        EXACT,
        "backtracking with Lagrangian and knapsack bounds",
        "Algorithm 1, bounded",
        supports=LIMITED,
        uses=GAP,
    ),
    _method(
        "btod-plain",
        "offloadlib.formulations.structured.backtracking.plain:solve",
        EXACT,
        "backtracking as written: all places of all subtasks, for tiny instances",
        "Algorithm 1",
        uses=NONE,
    ),
    _method(
        "btod-sequential",
        "offloadlib.formulations.structured.backtracking.sequential:solve",
        HEURISTIC,
        "each device's optimum in turn, given what the earlier ones leave",
        "section 4.3.2",
        supports=LIMITED,
        uses=NONE,
    ),
    _method(
        "btod-sequential-plain",
        "offloadlib.formulations.structured.backtracking.sequential:solve_as_written",
        HEURISTIC,
        "the same by enumeration, as written: its times are those of the paper's method",
        "Algorithm 1, section 4.3.2",
        uses=NONE,
    ),
)

FACE = Face(
    methods=METHODS,
    first="gsod-i",
    tried=("gsod-i", "gsod-ii", "milp-arrays", "branch-and-price"),
    prover="branch-and-price",
    prove="offloadlib.formulations.structured.decomposition.branch_and_price:prove",
    prove_below="offloadlib.formulations.structured.limited.branch_and_price:prove_below",
    write_certificate="offloadlib.formulations.structured.certificate:write_certificate",
    misses="offloadlib.formulations.structured.limited.misses:nearest_misses",
    pictures="offloadlib.pictures.structured.compared:pictures",
    explain="offloadlib.explaining:explain",
    draw_explanation="offloadlib.pictures.structured.prices:prices",
    making="Make a random instance, by default as in the paper; "
    "--kind hybrid makes one of the hybrid problem.",
)
