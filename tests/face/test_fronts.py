"""Fronts: points and bounds against brute force, resumption, refused input."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from brute import brute_force
from brute2 import optimum
from folders import LIBRARY
from format2 import random_format2
from strategies import DOCUMENT, changed, instance_of, put

from offloadlib import check
from offloadlib.cli.app import main
from offloadlib.fronts.front import CostLimit, SumLargest, resized
from offloadlib.fronts.trace import TABLE, FrontPoint, Tracer, read_table
from offloadlib.instances import Budget, InputError, read, read_solution
from offloadlib.pictures.front import front as draw
from offloadlib.pictures.style import save
from offloadlib.running import workers

BUDGET: Budget[Any] = Budget(time_limit=10.0, gap=1e-9)


def test_cost_against_a_capacity(tmp_path: Path) -> None:
    instance = instance_of(changed(put("offload_points", 0, "capacity", 3)))
    front = CostLimit.of_instance(instance, f"capacity:{instance.points.ids[0]}")
    points = Tracer(tmp_path, budget=BUDGET).trace(front, 4)
    assert [point.size for point in points] == [0, 1, 2, 3]
    for point in points:
        optimum, _ = brute_force(resized(instance, front.limit, point.size))
        assert point.y == pytest.approx(optimum, rel=1e-9)
        assert point.lower_bound <= optimum * (1 + 1e-12)
        assert point.certified
        assert point.x <= point.size
        alone = read(tmp_path / f"{point.stem}.json")
        assert read_solution(tmp_path / f"{point.stem}.sol.json", alone).objective == point.y
    assert [point.y for point in points] == sorted((point.y for point in points), reverse=True)
    save(draw(front, points), tmp_path / "front.png")
    assert (tmp_path / "front.png").stat().st_size > 10_000


def test_the_sum_against_the_largest_cost(tmp_path: Path) -> None:
    document = random_format2(274)
    document["cost"].pop("objective", None)
    front = SumLargest.of_instance(instance_of(document))
    points = Tracer(tmp_path, budget=BUDGET).trace(front, 4)
    assert len({point.y for point in points}) >= 2
    for point in points:
        largest = None if math.isinf(point.size) else Fraction(point.size)
        best = optimum(document, largest)
        assert best is not None
        assert point.y == pytest.approx(float(best[0]), rel=1e-9)
        assert point.lower_bound <= float(best[0]) * (1 + 1e-12)
        assert point.gap <= 1e-6
        assert point.certified
        assert point.x <= point.size
        files = [tmp_path / f"{point.stem}{ending}" for ending in (".json", ".sol.json", ".cert.json")]
        verdict = check.check(*files)
        assert verdict.accepted
        assert verdict.certified_largest == (None if largest is None else point.size)
    least = optimum(document | {"cost": document["cost"] | {"objective": "max"}})
    assert least is not None
    assert points[0].size == pytest.approx(float(least[0]), rel=1e-8)
    told: list[bool] = []
    again = Tracer(tmp_path, budget=BUDGET, on_point=lambda point, known: told.append(known))
    assert again.trace(front, 4) == points
    assert all(told)
    save(draw(front, points), tmp_path / "front.png")


def test_only_the_prover_keeps_costs_below_a_limit(tmp_path: Path) -> None:
    document = random_format2(274)
    document["cost"].pop("objective", None)
    with pytest.raises(InputError, match="milp-arrays keeps no costs below a limit"):
        Tracer(tmp_path, "milp-arrays", BUDGET).trace(SumLargest.of_instance(instance_of(document)), 3)


def test_a_later_run_solves_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front = CostLimit.of_instance(instance_of(DOCUMENT), "capacity:op1")
    points = Tracer(tmp_path, budget=BUDGET).trace(front, 3)
    assert read_table(tmp_path / TABLE) == points
    monkeypatch.setattr(workers, "run", None)
    told: list[bool] = []
    again = Tracer(tmp_path, budget=BUDGET, on_point=lambda point, known: told.append(known)).trace(front, 3)
    assert again == points
    assert told == [True] * len(points)


def test_what_is_interrupted_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    front = CostLimit.of_instance(instance_of(DOCUMENT), "capacity:op1")
    real, calls = workers.run, []

    def twice(*arguments: Any, **named: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(workers, "run", twice)
    with pytest.raises(KeyboardInterrupt):
        Tracer(tmp_path, budget=BUDGET).trace(front, 3)
    kept = read_table(tmp_path / TABLE)
    assert len(kept) == 1
    points = Tracer(tmp_path, budget=BUDGET).trace(front, 3)
    assert kept[0] in points
    assert len(calls) == 1 + len(points)


def test_the_table_keeps_other_fronts_and_points_that_are_still_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = instance_of(DOCUMENT)
    one, other = (CostLimit.of_instance(instance, f"capacity:{name}") for name in instance.points.ids[:2])

    def traced(front: CostLimit, points: int) -> list[FrontPoint]:
        return Tracer(tmp_path, budget=BUDGET).trace(front, points)

    first, second = traced(one, 3), traced(other, 2)
    assert read_table(tmp_path / TABLE) == [*first, *second]

    def stopped(point: FrontPoint, known: bool) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Tracer(tmp_path, budget=BUDGET, on_point=stopped).trace(one, 3)
    assert read_table(tmp_path / TABLE) == [*first, *second]
    fewer = traced(one, 2)
    assert read_table(tmp_path / TABLE) == [*fewer, *second]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("capacity:nowhere", "'capacity:nowhere' is none of this instance's; there are capacity:op1"),
        ("totals:energy", "'totals:energy' is none"),
        ("", "'' is none"),
    ],
)
def test_unknown_limits_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CostLimit.of_instance(instance_of(DOCUMENT), text)


def test_a_limit_needs_a_size() -> None:
    document = changed(put("version", 2), put("offload_points", 0, "capacity", {}))
    with pytest.raises(InputError, match="capacity:op1 has no size"):
        CostLimit.of_instance(instance_of(document), "capacity:op1")


def test_a_table_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / TABLE).write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is not the table of a front"):
        read_table(tmp_path / TABLE)


def test_the_command_refuses_other_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["pareto", str(LIBRARY / "hybrid-3x3.json"), "-o", str(tmp_path / "x")])
    assert status == 2
    assert 'kind: must be "structured", not "hybrid"' in capsys.readouterr().err


def test_the_command_writes_a_table_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--limit", "capacity:op1", "--points", "2", "--time-limit", "5"]
    assert main(["pareto", str(LIBRARY / "worked-example.json"), "-o", str(tmp_path), *options]) == 0
    assert {TABLE, "cost-capacity-op1.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "certified" in capsys.readouterr().out


def test_the_command_draws_the_sum_against_the_largest_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--limit", "largest", "--points", "3", "--time-limit", "5"]
    assert main(["pareto", str(LIBRARY / "worked-example.json"), "-o", str(tmp_path), *options]) == 0
    assert {TABLE, "sum-largest.png"} <= {path.name for path in tmp_path.iterdir()}
    assert "largest cost of a device" in capsys.readouterr().out


def test_the_command_says_what_is_kept_when_it_is_interrupted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: Any, **named: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "run", interrupted)
    options = ["--limit", "capacity:op1", "--points", "2"]
    assert main(["pareto", str(LIBRARY / "worked-example.json"), "-o", str(tmp_path), *options]) == 130
    assert f"interrupted: {tmp_path} has 0 points, and the same command goes on" in capsys.readouterr().err
