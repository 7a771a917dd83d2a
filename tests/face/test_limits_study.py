"""The study of deadlines and memory: what it runs, and what its page says of rows."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from offloadlib.cli import app as cli
from offloadlib.instances import Budget, Instance
from offloadlib.instances.structured.generate import generate
from offloadlib.pages.markdown import markdown
from offloadlib.solving import first
from offloadlib.studies import StudyOptions, certified, find, limits


def _rows(options: StudyOptions) -> dict[str, dict[str, Any]]:
    """Rows as if: greedy finds nothing where the deadline is tight, a gigabyte saves a quarter."""
    rows = {}
    for point in limits.points(options):
        tight, heuristic = point.x < 1, point.job.method.name != certified.OPTIMUM.name
        nothing = point.experiment == limits.DEADLINE and tight and (heuristic or point.repetition == 0)
        status = "optimal"
        if nothing:
            status = "unknown" if heuristic else "infeasible"
        cost = 4.0 + heuristic
        if point.experiment in (limits.MEMORY, limits.MEMORY_LATE):
            cost = 10.0 - 0.5 * point.x
        rows[point.job.key] = {
            "method": point.job.method.name,
            "status": status,
            "objective": None if nothing else cost,
            "devices": limits.SETTING.devices,
            "run": {"refused": 2 if point.experiment == limits.REFUSAL else 0},
        }
    return rows


def test_the_page() -> None:
    options = StudyOptions(quick=True, repetitions=2)
    assert find("limits").TITLE == limits.TITLE
    text = markdown(limits.report(options, _rows(options)))
    assert "| 0.85 | 50% | 1.000 | 1.000 | 40.0% |" in text
    assert "| 6 to 7 | 0.2500 | 2 | 0.2500 | 2 |" in text
    assert "2 at 1.05, 1 at 0.85" in text
    assert "| gsod-i | 100% | 0% |" in text  # found
    assert "| gsod-i | 25.0% |" in text  # above the optimum; nothing to say at 0.85


def test_the_runs() -> None:
    """Every heuristic that applies, at every deadline; the same devices whatever the limits."""
    points = list(limits.points(StudyOptions(repetitions=1)))
    late = [point for point in points if point.experiment == limits.DEADLINE]
    assert len(late) == len(limits.TIGHTNESS) * (len(limits.heuristics()) + 1)
    assert {"local", "gsod-i", "heft"} <= {method.name for method in limits.heuristics()}
    instances = [point.job.source.instance() for point in points]
    works = {instance.groups[0].work.tobytes() for instance in instances if isinstance(instance, Instance)}
    assert len(works) == 1


@pytest.mark.parametrize(("deadline", "status"), [(1.05, "optimal"), (0.3, "infeasible")])
def test_a_certified_optimum(deadline: float, status: str) -> None:
    setting = replace(limits.SETTING, devices=3, room=(4.0, 4.0), deadline=(deadline, deadline))
    instance = generate(setting, seed=1)
    found = certified.solve(instance, Budget(start=first(instance)))
    assert found.status == status
    assert (found.lower_bound == math.inf) == (status == "infeasible")


def test_unknown_names_have_neighbours(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    assert cli.main(["study", "limit", "-o", str(tmp_path / "study")]) == 2
    assert "limits" in capsys.readouterr().err
