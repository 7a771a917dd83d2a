"""The study of DDTO: what a run records, which runs there are, and the page."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from offloadlib.heuristics.hybrid.ddto import Training
from offloadlib.instances import Budget
from offloadlib.instances.hybrid.generate import HybridSetting, generate
from offloadlib.pages.markdown import markdown
from offloadlib.studies import StudyOptions, find
from offloadlib.studies.ddto import study as ddto
from offloadlib.studies.ddto.page import DDLO, DEFAULT, LEARNING, Measured, figures, page
from offloadlib.studies.ddto.runs import Trial, measure

SCHEMES = ("local", "mec", "mcc", "equal-split", "equal-split+share", "coordinate-descent", "exhaustive")


def record(**changes: Any) -> dict[str, Any]:
    told = Trial(
        frames=32,
        tests=8,
        changes={"devices": 2, "tasks": 2, **changes},
        learners={"ddto-1": {"networks": 1}, "ddto-2": {"networks": 2}, "rate=0.1": {"rate": 0.1}},
        schemes=SCHEMES,
        histories=True,
    )
    instance = generate(HybridSetting(**told.changes), seed=3)
    return dict(measure(instance, Budget(seed=3), told).run)


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return [record(), record(bandwidth=50.0)]


def test_a_record(records: list[dict[str, Any]]) -> None:
    run = json.loads(json.dumps(records[0]))
    methods = run["methods"]
    assert set(methods) == {"optimum", "ddto-1", "ddto-2", "rate=0.1", *SCHEMES}
    assert all(len(method["costs"]) == 8 for method in methods.values())
    bounds = np.array(methods["optimum"]["bounds"])
    assert methods["exhaustive"]["costs"] == pytest.approx(bounds, rel=1e-9)
    assert methods["local"]["costs"] == pytest.approx(run["local"])
    for method in methods.values():
        assert (np.array(method["costs"]) >= bounds).all()
    assert len(methods["ddto-1"]["history"]) == len(methods["optimum"]["history"]) == 32
    ((seen, cost),) = methods["ddto-2"]["course"]
    assert seen == 32 and cost == pytest.approx(np.mean(methods["ddto-2"]["costs"]))
    shared, equal = (np.array(methods[name]["costs"]) for name in ("equal-split+share", "equal-split"))
    assert (shared <= equal * (1 + 1e-12)).all()


def test_figures(records: list[dict[str, Any]]) -> None:
    found = figures([Measured(DEFAULT, 0.0, r, records[0]) for r in range(2)], DEFAULT, 0.0)
    assert found["optimum"].ratio == pytest.approx(1.0, abs=1e-9)
    assert found["optimum"].found.tolist() == [1.0, 1.0]
    assert found["local"].saving == pytest.approx(0.0, abs=1e-12)
    saving = found["optimum"].saving
    assert found["optimum"].speed_up == pytest.approx(saving / (1 - saving))


def test_ddlos_setting() -> None:
    told = Trial(16, 6, ddto.DDLO_SETTING, {"ddto-1": {"networks": 1}}, equal=True)
    run = measure(generate(HybridSetting(**told.changes), seed=3), Budget(seed=3), told).run
    optima, found = (np.array(run["methods"][name]["costs"]) for name in ("optimum", "ddto-1"))
    assert (found >= optima * (1 - 1e-12)).all()
    value = figures([Measured(DDLO, 0.0, 0, run)], DDLO, 0.0)["ddto-1"]
    assert value.inverse[0] == pytest.approx((optima / found).mean())


def test_the_page(records: list[dict[str, Any]]) -> None:
    measured = [
        Measured(DEFAULT, 0.0, 0, records[0]),
        Measured(LEARNING, 0.0, 0, records[0]),
        Measured(DDLO, 0.0, 0, records[0]),
        Measured("bandwidth", 100.0, 0, _as_three(records[0])),
        Measured("bandwidth", 50.0, 0, _as_three(records[1])),
    ]
    text = markdown(page("Title", measured, {"bandwidth": "uplink B"}, asdict(Training())))
    assert "63%" in text and "38.7 %" in text
    assert "| ddto-2 against mec |" in text and "| step size of Adam | 0.1 |" in text
    assert "| 50 |" in text and "| 100 |" in text
    assert text.count("![") == 5


def _as_three(run: dict[str, Any]) -> dict[str, Any]:
    methods = dict(run["methods"])
    methods["ddto-3"] = methods.pop("ddto-2")
    return {**run, "methods": methods}


def test_the_runs() -> None:
    """One at the default setting with everything, and one for each value of a parameter; none twice."""
    assert find("ddto").TITLE == ddto.TITLE
    places = ddto.points(StudyOptions(repetitions=2))
    keys = {place.job.key for place in places}
    values = sum(len(settings) for _, settings in ddto.SWEEPS.values())
    assert len(keys) == 2 * (4 + values)  # the default value is shared by the sweeps
    assert len(places) == 2 * (3 + values + len(ddto.SWEEPS))
    quick = ddto.points(StudyOptions(quick=True, repetitions=2))
    assert len({place.job.key for place in quick}) < 20
    (jobs,) = list(ddto.stages(StudyOptions(repetitions=2)))
    assert [job.key for job in jobs] == [place.job.key for place in places]
