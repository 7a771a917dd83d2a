"""Methods on hybrid instances: exhaustive search against brute force, the comparison schemes, commands."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counts import examples
from hybrid_strategies import DOCUMENT, Document, brute_force, documents, instance_of, instances
from hypothesis import given
from reading import read_structured

import offloadlib
from offloadlib.best_known import library
from offloadlib.cli.app import main
from offloadlib.heuristics.hybrid.descent import descend
from offloadlib.heuristics.hybrid.schemes import best_of
from offloadlib.instances import Budget, InputError, Status, Termination, exact
from offloadlib.instances.hybrid import (
    CLOUD,
    DEVICE,
    EDGE,
    Frames,
    HybridInstance,
    HybridSolution,
    Parameters,
    with_best_split,
)
from offloadlib.instances.hybrid.enumeration import best_decision
from offloadlib.instances.hybrid.generate import HybridSetting, generate
from offloadlib.instances.hybrid.split import costs, equal_split
from offloadlib.registry import METHODS, select

pytestmark = pytest.mark.filterwarnings("ignore:.* ignores seed")

HEURISTICS = (
    *("local", "edge-only", "cloud-only", "mec", "mcc", "random", "best-of-random", "equal-split"),
    "coordinate-descent",
)


@examples(500, 12)
@given(document=documents(most_tasks=5))
def test_exhaustive_against_brute_force(document: Document) -> None:
    result = offloadlib.solve(instance_of(document), "exhaustive")
    optimum = brute_force(document)
    assert result.objective == pytest.approx(optimum, rel=1e-9)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    assert result.status is Status.OPTIMAL or optimum == 0


@examples(60)
@given(instance=instances(most_tasks=5))
def test_schemes_hold_what_they_promise(instance: HybridInstance) -> None:
    optimum = best_decision(instance, instance.places)[1]
    found = {}
    for name in HEURISTICS:
        if METHODS[name].applies_to(instance) is None:
            result = offloadlib.solve(instance, name, seed=5)
            again = offloadlib.solve(instance, name, seed=5)
            assert instance.evaluate(result.solution).feasible
            assert result.lower_bound is None
            assert result.objective >= optimum * (1 - 1e-12)
            assert result.solution.places.tobytes() == again.solution.places.tobytes()
            assert result.solution.split.tobytes() == again.solution.split.tobytes()
            found[name] = result
    places = {name: set(result.solution.places.ravel().tolist()) for name, result in found.items()}
    assert places["local"] == {DEVICE}
    assert places["edge-only"] == {EDGE}
    assert places["mec"] <= {DEVICE, EDGE}
    assert ("mcc" in found) == ("cloud-only" in found) == instance.parameters.cloud
    if instance.parameters.cloud:
        assert places["cloud-only"] == {CLOUD}
        assert places["mcc"] <= {DEVICE, CLOUD}
        assert found["mcc"].objective == pytest.approx(best_decision(instance, (DEVICE, CLOUD))[1], rel=1e-12)
    assert found["mec"].objective == pytest.approx(best_decision(instance, (DEVICE, EDGE))[1], rel=1e-12)
    assert found["mec"].run["search"] == "every decision"
    assert found["equal-split"].solution.split.tolist() == equal_split(instance).tolist()
    assert found["coordinate-descent"].objective <= found["local"].objective


@examples(40)
@given(instance=instances(most_tasks=4))
def test_the_optimum_of_an_equal_split(instance: HybridInstance) -> None:
    split = equal_split(instance)
    expected = min(
        instance.evaluate(HybridSolution(np.reshape(flat, instance.sizes.shape), split)).total
        for flat in itertools.product(instance.places, repeat=instance.sizes.size)
    )
    assert offloadlib.solve(instance, "equal-split").objective == pytest.approx(expected, rel=1e-12)


@examples(40)
@given(instance=instances(most_tasks=8))
def test_after_descent_no_single_task_gains_anything(instance: HybridInstance) -> None:
    result = offloadlib.solve(instance, "coordinate-descent")
    assert result.termination is Termination.FINISHED
    for i, j in np.ndindex(instance.sizes.shape):
        for place in instance.places:
            places = result.solution.places.copy()
            places[i, j] = place
            assert costs(instance, places) >= result.objective * (1 - 1e-11)


def test_descent_in_a_larger_instance_and_at_the_time_limit() -> None:
    instance = generate(HybridSetting(devices=30), seed=30)
    names = ("local", "mec", "mcc", "coordinate-descent")
    cost = {name: offloadlib.solve(instance, name) for name in names}
    assert cost["mec"].run["search"] == "coordinate descent"
    assert cost["coordinate-descent"].objective < cost["mec"].objective < cost["local"].objective
    start = cost["mec"].solution
    stopped = offloadlib.solve(instance, "coordinate-descent", start=start, time_limit=1e-9)
    assert stopped.termination is Termination.TIME_LIMIT
    assert stopped.objective <= cost["mec"].objective
    chosen, finished = descend(instance, start.places, (DEVICE, EDGE), 1e-9)
    assert not finished
    assert chosen.tolist() == start.places.tolist()


def test_exhaustive_at_the_time_limit_keeps_the_start() -> None:
    instance = generate(HybridSetting(devices=3, tasks=4), seed=1)
    start = offloadlib.solve(instance, "coordinate-descent").solution
    result = offloadlib.solve(instance, "exhaustive", start=start, time_limit=1e-9)
    assert result.termination is Termination.TIME_LIMIT
    assert result.lower_bound is None
    assert result.objective <= exact.cost(instance, start)


def test_more_random_decisions_are_never_worse() -> None:
    instance = generate(HybridSetting(devices=10), seed=1)
    found = [best_of(instance, Budget(seed=3), number).objective for number in (1, 3, 5, 10)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("milp", HybridSetting(), "milp solves instances of kind structured, not hybrid"),
        ("gsod-i", HybridSetting(), "gsod-i solves instances of kind structured, not hybrid"),
        ("cloud-only", HybridSetting(cloud_rate=None), "cloud-only needs a cloud, and there is none"),
        ("exhaustive", HybridSetting(devices=30), "looks at up to 4,782,969 decisions; here there are 3^90"),
        ("exhaustive", HybridSetting(devices=10**4), "here there are 3^30000"),
        ("equal-split", HybridSetting(tasks=20), "looks at up to 531,441 patterns of each device"),
    ],
)
def test_methods_that_do_not_apply_say_so(name: str, setting: HybridSetting, message: str) -> None:
    with pytest.raises(InputError) as error:
        offloadlib.solve(generate(setting), name)
    assert message in str(error.value)


def test_hybrid_methods_do_not_apply_to_structured_instances() -> None:
    instance = read_structured(library() / "worked-example.json")
    for name, method in METHODS.items():
        if "structured" not in method.kinds:
            assert method.applies_to(instance) == "solves instances of kind hybrid, not structured", name


def test_an_infeasible_start_is_named() -> None:
    instance = instance_of(DOCUMENT)
    start = HybridSolution(np.array([[1, 1], [1, 1]]), np.array([60.0, 60.0]))
    with pytest.raises(InputError, match=r"breaks a limit: bandwidth: 120\.0 of 100\.0 Mbit/s given away"):
        offloadlib.solve(instance, "exhaustive", start=start)


# --- DDLO -------------------------------------------------------------------------------------------

DDLO = Parameters(f_e=10000.0, f_c=0.0, r_c=0.0, price_c=0.0, bandwidth=104.8576)
"""The system of Huang et al. 2018: rates in MB/s of 2^20 bytes, 100/8 of them for 3 devices."""

MEBIBYTE = 8.388608

PUBLISHED = [
    ([22, 25, 10, 13, 13, 17, 19, 29, 28], 688.4679127039999),
    ([15, 21, 22, 18, 19, 21, 15, 25, 10], 636.292753408),
    ([18, 25, 23, 18, 21, 28, 21, 18, 17], 722.3527700479999),
    ([20, 13, 18, 10, 29, 20, 21, 19, 20], 655.890065408),
    ([24, 15, 11, 18, 18, 28, 19, 17, 23], 662.4016373759999),
    ([27, 13, 16, 16, 12, 30, 10, 20, 29], 668.2200616959999),
]
"""Sizes in MB and optima: the first five and the last of 20,000 in DDLO's repository (see NOTICE)."""


@pytest.mark.parametrize(("sizes", "optimum"), PUBLISHED)
def test_published_optima_of_ddlo(sizes: list[int], optimum: float) -> None:
    instance = HybridInstance("ddlo", ("a", "b", "c"), np.reshape(sizes, (3, 3)) * MEBIBYTE, np.ones(3), DDLO)
    result = offloadlib.solve(instance, "equal-split")
    assert result.objective == pytest.approx(optimum, rel=1e-12)
    # Sharing the uplink out can only be better.
    assert offloadlib.solve(instance, "exhaustive").objective <= optimum


@pytest.mark.skipif("DDLO_DATA" not in os.environ, reason="DDLO_DATA does not name MUMT_data_3x3.mat")
def test_all_published_optima_of_ddlo() -> None:
    from scipy.io import loadmat

    from offloadlib.heuristics.hybrid.schemes import equal_optimum

    data = loadmat(os.environ["DDLO_DATA"])
    frames = Frames(DDLO, np.ones(3), data["task_size"].reshape(-1, 3, 3) * MEBIBYTE)
    found = [frame.evaluate(equal_optimum(frame)).total for frame in frames]
    assert len(found) == 20_000
    np.testing.assert_allclose(found, data["gain_min"].ravel(), rtol=1e-12)


# --- commands ---------------------------------------------------------------------------------------


def test_solve_and_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    instance, solution = str(tmp_path / "i.json"), str(tmp_path / "s.json")
    assert main(["generate", "--kind", "hybrid", "--seed", "4", "-o", instance]) == 0
    assert "3 devices, 9 tasks, edge and cloud" in capsys.readouterr().err
    assert main(["solve", instance, "-m", "exhaustive", "-o", solution, "--json"]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert shown["status"] == "optimal"
    assert shown["utilisation"] == pytest.approx(1.0)
    assert "decisions" not in shown
    assert "split" not in shown
    assert main(["check", instance, solution]) == 0
    assert "accepted" in capsys.readouterr().out
    assert main(["solve", instance, "-m", "coordinate-descent", "--warm-start", solution]) == 0
    assert "Mbit/s" in capsys.readouterr().out
    assert main(["solve", instance, "-m", "milp"]) == 2
    assert "milp solves instances of kind structured, not hybrid" in capsys.readouterr().err


def test_what_is_for_structured_instances_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, stored = library() / "hybrid-3x3.json", library() / "solutions" / "hybrid-3x3.sol.json"
    for command in (
        ["explain", str(path), str(stored)],
        ["export", str(path), "--formulation", "milp", "-o", str(tmp_path / "m.mps")],
        ["check", str(path), str(stored), "--formulation", "milp"],
    ):
        assert main(command) == 2
        assert "is for structured instances, not hybrid ones" in capsys.readouterr().err


def test_generate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "f.zip"
    assert (
        main(["generate", "--kind", "hybrid", "--frames", "5", "--cloud-rate", "none", "-o", str(path)]) == 0
    )
    assert "5 frames of 3 devices, 9 tasks, edge alone" in capsys.readouterr().err
    assert main(["generate", "--kind", "x", "-o", str(path)]) == 2
    assert main(["generate", "--kind", "hybrid", "--bandwidth", "-1", "-o", str(path)]) == 2
    assert "parameters.bandwidth: must lie in" in capsys.readouterr().err


def test_compare_has_the_methods_for_the_kind(tmp_path: Path) -> None:
    chosen = {method.name for method in select("heuristics", {"hybrid"})}
    assert set(HEURISTICS) <= chosen
    assert not chosen & {"gsod-i", "gsod-ii", "exhaustive"}
    assert {method.name for method in select("heuristics", {"structured"})} & set(HEURISTICS) == {"local"}
    path = library() / "hybrid-3x3.json"
    frame = offloadlib.compare(path, [*HEURISTICS, "exhaustive", "gsod-i"], output=tmp_path)
    assert list(frame["method"]) == [*HEURISTICS, "exhaustive", "gsod-i"]
    status = dict(zip(frame["method"], frame["status"], strict=True))
    assert status.pop("gsod-i") == "does not apply"
    assert status.pop("exhaustive") == "optimal"
    assert set(status.values()) == {"feasible"}
    assert frame["certified_bound"].iloc[0] == pytest.approx(643.3888046234321, rel=1e-9)
    assert set(frame["checked"]) == {"accepted", ""}
    assert (frame["ratio_low"].dropna() >= 1 - 1e-12).all()
    assert {path.stem for path in tmp_path.glob("*.png")} == {
        "cost-hybrid-3x3",
        "places-hybrid-3x3",
        "devices-hybrid-3x3",
    }
    assert (tmp_path / "report.html").read_text().count('<img src="data:image/png;base64,') == 3


def test_with_best_split_is_never_worse_than_an_equal_split() -> None:
    instance = generate(HybridSetting(devices=10), seed=1)
    equal = offloadlib.solve(instance, "equal-split")
    again = instance.evaluate(with_best_split(instance, equal.solution.places)).total
    assert again <= equal.objective


def test_budget_takes_hybrid_starts() -> None:
    instance = instance_of(DOCUMENT)
    budget: Budget[HybridSolution] = Budget(start=instance.all_local)
    found = METHODS["coordinate-descent"].load()(instance, budget)
    assert found.objective <= instance.evaluate(instance.all_local).total
