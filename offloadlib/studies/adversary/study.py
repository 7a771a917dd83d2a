"""A search for small instances on which a heuristic's ratio to the optimum is largest.

Simulated annealing over tiny instances (:mod:`.tiny`) whose numbers lie on a grid: :mod:`.annealing`. Every
restart is a job, the instance that it finds is in the record of its row. The instances found are then given
to the heuristic and to the certified optimum as any others, and the worst one of each heuristic to all of
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from offloadlib.instances import Instance
from offloadlib.instances.errors import counted
from offloadlib.instances.structured.form import from_document
from offloadlib.methods import Method
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures.curves import boxes
from offloadlib.pictures.picture import Picture
from offloadlib.registry import find

from .. import Stages, StudyOptions, StudyRow
from ..certified import OPTIMUM
from ..jobs import AtHand, Job
from .annealing import SEARCH, SHAPES, start
from .tiny import made

TITLE = "Instances on which heuristics are bad"
REPETITIONS, QUICK_REPETITIONS = 8, 2

TARGETS = (
    *("gsod-i", "gsod-ii", "gsod-i-heap", "gsod-ii-heap", "gaod", "btod-sequential", "heft"),
    *("gsod-i+ls", "gsod-ii+ls", "price"),
)

EVALUATIONS, QUICK_EVALUATIONS = 1500, 400
"""Instances that a restart looks at; restart r has the r-th shape of :data:`.annealing.SHAPES`, around and
around."""

TIME_LIMIT = 120.0
"""Seconds for each job; a search that is cut off by it has what it found until then."""


# What is run --------------------------------------------------------------------------------------


def stages(options: StudyOptions) -> Stages:
    """The searches; the heuristic and the certified optimum where they led; all heuristics on the worst."""
    rows = yield searches(options)
    yield verifications(_successful(rows))


def searches(options: StudyOptions) -> list[Job]:
    """One job for each heuristic and restart."""
    evaluations = QUICK_EVALUATIONS if options.quick else EVALUATIONS
    jobs = []
    for r in range(options.repetitions):
        shape, seed = r % len(SHAPES), options.seed + r
        source = AtHand(made(SHAPES[shape], start(SHAPES[shape], seed)[0]))
        for target in TARGETS:
            parameters = {"target": target, "shape": shape, "evaluations": evaluations}
            jobs.append(Job(source, SEARCH, parameters, seed, TIME_LIMIT, timed=False))
    return jobs


def _successful(rows: Sequence[StudyRow]) -> list[StudyRow]:
    """The searches that did not crash: their rows have what they found."""
    return [row for row in rows if "found" in row["run"]]


def verifications(rows: Sequence[StudyRow]) -> list[Job]:
    """What the searches found is solved by its heuristic and to a certified optimum, the worst by all."""
    worst = {row["run"]["found"]["name"] for row in _worst(rows).values()}
    jobs = []
    for row in rows:
        instance, seed = found(row), row["seed"]
        targets = TARGETS if row["run"]["found"]["name"] in worst else (row["parameters"]["target"],)
        jobs += [_verification(instance, method, seed) for method in (*map(find, targets), OPTIMUM)]
    return jobs


def _verification(instance: Instance, method: Method, seed: int) -> Job:
    return Job(AtHand(instance), method, seed=seed, time_limit=TIME_LIMIT, timed=False)


def found(row: StudyRow) -> Instance:
    """The instance that a search found."""
    return from_document(row["run"]["found"])


def _worst(rows: Sequence[StudyRow]) -> dict[str, StudyRow]:
    """The search that claims the largest ratio, of each heuristic."""
    best: dict[str, StudyRow] = {}
    for row in rows:
        target = row["parameters"]["target"]
        if target not in best or row["run"]["ratio"] > best[target]["run"]["ratio"]:
            best[target] = row
    return best


# What is shown ------------------------------------------------------------------------------------

_INTRODUCTION = (
    "For each heuristic, simulated annealing looks for small instances on which the heuristic costs many "
    "times the optimum. Speeds, rates and works are powers of 2 from 1/8 to 8, data are 0 or one of these, "
    "capacities 1 to 4, alpha is 1/4 to 1, costs are normalised. Ratios are over the certified optimum: "
    "branch-and-price, with a certificate that the independent checker accepts."
)

_BOUNDED = (
    "These ratios are what the grid allows: with numbers far apart there is no limit, which "
    "docs/theory/approximation.md proves with families of instances (`traps.py`). Every instance is in the "
    "folder instances, under the name in the table."
)

_CROSS = (
    "How the worst instance found for one heuristic (line) is for the others (columns). GAOD is random: the "
    "search was for its ratio with the seed that is the last part of the instance's name."
)


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """The worst ratios, all restarts, the worst instances under all heuristics, and the instances."""
    ran = _successful([rows[job.key] for job in searches(options)])
    instances = {row["key"]: found(row) for row in ran}

    def solved(row: StudyRow, method: Method) -> StudyRow:
        return rows[_verification(instances[row["key"]], method, row["seed"]).key]

    def ratio(row: StudyRow, method: str) -> float:
        cost, bound = solved(row, find(method))["objective"], solved(row, OPTIMUM)["lower_bound"]
        return math.nan if cost is None or bound is None else float(cost / bound)

    own = {row["key"]: ratio(row, row["parameters"]["target"]) for row in ran}
    restarts = {
        target: np.array([own[row["key"]] for row in ran if row["parameters"]["target"] == target])
        for target in TARGETS
    }
    worst = _worst(ran)
    summary: list[Sequence[Cell]] = [
        [
            target,
            Number.of(own[row["key"]], ".3f"),
            Number.of(float(np.nanmedian(restarts[target])), ".3f"),
            str(SHAPES[row["parameters"]["shape"]]),
            row["run"]["found"]["name"],
        ]
        for target, row in worst.items()
    ]
    cross: list[Sequence[Cell]] = [
        [row["run"]["found"]["name"], *(Number.of(ratio(row, target), ".3f") for target in TARGETS)]
        for row in worst.values()
    ]
    every: list[Sequence[Cell]] = [
        [
            row["run"]["found"]["name"],
            str(SHAPES[row["parameters"]["shape"]]),
            Number.of(row["run"]["first_ratio"], ".3f"),
            Number.of(own[row["key"]], ".3f"),
            Number.of(row["run"]["looked_at"], ","),
        ]
        for row in ran
    ]
    proven = sum(solved(row, OPTIMUM)["status"] == "optimal" for row in ran)
    difference = np.nanmax([abs(own[row["key"]] / row["run"]["ratio"] - 1) for row in ran])
    checked = (
        f"{counted(len(ran), 'instance')}; with a certified optimum: {proven}. Ratios over it and over the "
        f"search's own optimum, by enumeration, differ by at most {difference:.0e} relative."
    )
    ended = [values[~np.isnan(values)] for values in restarts.values()]
    figure = boxes(TARGETS, ended, "Worst ratio found, by restart", "cost / certified optimum")
    return Page(
        TITLE,
        [_INTRODUCTION, checked, _BOUNDED],
        [
            Section(
                "Worst ratios",
                [
                    Picture("adversary", "The ratios that the restarts ended with.", figure),
                    Table(
                        ("heuristic", "worst ratio", "median of the restarts", "sizes", "instance"), summary
                    ),
                ],
            ),
            Section(
                "The worst instances under all heuristics", [_CROSS, Table(("instance", *TARGETS), cross)]
            ),
            Section(
                "All restarts",
                [Table(("instance", "sizes", "ratio at the start", "ratio found", "instances seen"), every)],
            ),
        ],
        list(instances.values()),
    )
