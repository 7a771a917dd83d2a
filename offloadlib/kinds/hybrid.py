"""The hybrid problem in the face of the package."""

from __future__ import annotations

from offloadlib.instances.features import Feature
from offloadlib.kinds import GAP, LOCAL, NONE, SEARCHED, SEED, Face
from offloadlib.methods import Family, Method

ALL, NONE_OF_THEM = frozenset({Feature.NO_CLOUD}), frozenset[Feature]()


def _hybrid(
    name: str,
    path: str,
    summary: str,
    source: str = "Wu et al. 2020 (abstract), as read in docs/theory/hybrid.md",
    family: Family = Family.HEURISTIC,
    supports: frozenset[Feature] = ALL,
    obstacle: str = "",
    uses: frozenset[str] = NONE,
    scheme: bool = False,
) -> Method:
    kinds = frozenset({"hybrid"})
    return Method(name, path, family, summary, source, kinds, supports, obstacle, uses=uses, scheme=scheme)


METHODS = (
    LOCAL,
    _hybrid(
        "edge-only", "offloadlib.heuristics.hybrid.schemes:edge_only", "everything at the edge", scheme=True
    ),
    _hybrid(
        "cloud-only",
        "offloadlib.heuristics.hybrid.schemes:cloud_only",
        "everything in the cloud",
        supports=NONE_OF_THEM,
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
        supports=NONE_OF_THEM,
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
        "equal-split+share",
        "offloadlib.heuristics.hybrid.schemes:solve_equal_decisions",
        "its decisions, with the uplink shared out in the best way for them",
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
        "docs/theory/hybrid.md",
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
        "offloadlib.heuristics.hybrid.learned:solve",
        "networks that learn from their best candidate; trained once for a system, and kept",
        "Wu et al. 2020, by way of Huang et al. 2018 (DDLO)",
        obstacle="offloadlib.heuristics.hybrid.learned:obstacle",
        uses=SEED,
    ),
)

FACE = Face(
    methods=METHODS,
    first="local",
    tried=("coordinate-descent", "lagrangian"),
    prover="lagrangian",
    prove="offloadlib.formulations.hybrid.lagrangian:prove",
    write_certificate="offloadlib.formulations.hybrid.certificate:write_certificate",
    pictures="offloadlib.pictures.hybrid:pictures",
    making="Make a random instance of the hybrid problem (--kind hybrid), or frames of it.",
    generate="offloadlib.cli.hybrid:generate_hybrid",
)
