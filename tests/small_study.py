"""A small study, for the tests of what runs studies; children and other processes import it by name."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from offloadlib.instances import Budget, Instance, Result, Solution
from offloadlib.instances.structured.generate import Setting
from offloadlib.methods import Family, Method
from offloadlib.pages.page import Number, Page, Section, Table
from offloadlib.registry import find
from offloadlib.studies import STUDIES, Stages, StudyOptions, StudyRow
from offloadlib.studies.certified import OPTIMUM
from offloadlib.studies.jobs import Generated, Job

TITLE, REPETITIONS, QUICK_REPETITIONS = "A small study", 4, 2

SETTING = Setting(devices=4, offload_points=2, capacity=3)


def dawdle(instance: Instance, budget: Budget) -> Result:
    """All-local after a while."""
    time.sleep(0.2)
    return Result.of(instance, Solution.all_local(instance), 0.2)


@dataclass(frozen=True)
class Parameters:
    """Parameters of the next method."""

    pause: float = 0.0
    times: int = 1


def tunable(instance: Instance, budget: Budget, parameters: Parameters = Parameters()) -> Result:
    """All-local, with a record of its parameters and of how often this process ran it."""
    runs.append(parameters)
    result = Result.of(instance, Solution.all_local(instance), parameters.pause)
    return replace(result, run={"times": parameters.times, "runs": len(runs)})


runs: list[Parameters] = []


def own(name: str) -> Method:
    """The method of a function here."""
    return Method(name, f"small_study:{name}", Family.HEURISTIC, "for tests", "a test")


def jobs(options: StudyOptions) -> list[Job]:
    methods = [find("gsod-i"), own("dawdle"), OPTIMUM]
    return [
        Job(Generated(SETTING, options.seed + r), method, seed=r, timed=method.name == "gsod-i")
        for r in range(options.repetitions)
        for method in methods
    ]


def stages(options: StudyOptions) -> Stages:
    rows = yield jobs(options)
    # A second stage that depends on the first, as a search has it.
    worst = max(rows, key=lambda row: row["objective"])
    yield [Job(Generated(SETTING, worst["generated"]["seed"]), find("gsod-ii"))]


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    # Not above: each process that runs a method of this module would import what draws.
    from offloadlib.pictures.costs import Bar, CostPanel, cost_by_method
    from offloadlib.pictures.picture import Picture

    costs = [row["objective"] for row in rows.values()]
    table: Sequence[Sequence[str | Number]] = [
        (row["method"], Number(row["objective"], f"{row['objective']:.3f}")) for row in rows.values()
    ]
    bars = [Bar(row["method"], Family.HEURISTIC, row["objective"]) for row in rows.values()]
    picture = Picture("costs", "Costs", cost_by_method(CostPanel("all", bars, min(costs))))
    section = Section("Rows", ["All <rows>.", picture, Table(("method", "cost"), table, "Costs")])
    return Page(TITLE, ["What a test needs."], [section])


if __name__ == "__main__":
    from offloadlib.cli.app import main

    STUDIES["small"] = "small_study"  # type: ignore[index]
    sys.exit(main(sys.argv[1:]))
