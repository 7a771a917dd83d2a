"""What one more of a limit is worth, and why subtasks are where they are, against enumeration."""

from __future__ import annotations

import itertools
import json
import math
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from processes import python
from reading import read_structured
from strategies import instances

from offloadlib import explaining
from offloadlib.best_known import library, solution_file
from offloadlib.cli import app as cli
from offloadlib.cli import console
from offloadlib.explaining import Explanation, Limit, explain
from offloadlib.formulations.structured.decomposition import branch_and_price, tatonnement
from offloadlib.instances import (
    LOCAL,
    InputError,
    Instance,
    Solution,
    Termination,
    evaluate,
    read_solution,
)
from offloadlib.instances.arrays import frozen
from offloadlib.instances.structured.subset import restricted, subset
from offloadlib.pictures import structured

WORKED = library() / "worked-example.json"


def optimum(instance: Instance) -> Solution:
    return brute_force(instance)[1]


def with_one_more(instance: Instance, limit: Limit) -> Instance:
    points = instance.points
    sizes = getattr(points, limit.kind).copy()
    sizes[points.ids.index(limit.point)] += 1
    changed: dict[str, Any] = {limit.kind: frozen(sizes, np.int64)}
    return replace(instance, points=replace(points, **changed))


@examples(40, 5)
@given(instance=instances())
def test_one_more_saves_what_is_said(instance: Instance) -> None:
    """As tried, exactly; and by the prices no more than gap and price allow."""
    found = explain(instance, optimum(instance))
    best = brute_force(instance)[0]
    slack = 1e-8 * max(abs(best), 1e-3)
    assert found.best_objective == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert found.lower_bound <= best + slack
    for limit in found.limits:
        saving = best - brute_force(with_one_more(instance, limit))[0]
        if limit.price is None:
            assert limit.size == 0
        else:
            assert found.price_bound is not None
            assert saving <= limit.price + (best - found.price_bound) + slack
        if limit.saved is not None:
            assert limit.saved == pytest.approx(saving, abs=slack)
            assert limit.saved_at_most is not None
            assert limit.saved_at_most >= saving - slack


@examples(40)
@given(instance=instances())
def test_subsets_cost_as_before(instance: Instance) -> None:
    solution = optimum(instance)
    cost = evaluate(instance, solution).cost
    for size in range(1, instance.num_devices + 1):
        for chosen in itertools.combinations(range(instance.num_devices), size):
            devices = np.array(chosen)
            part = subset(instance, devices)
            kept = evaluate(part, restricted(instance, solution, devices))
            assert kept.cost.tolist() == cost[devices].tolist()
            assert part.devices.ids == tuple(instance.devices.ids[m] for m in chosen)


@examples(40)
@given(instance=instances())
def test_choices_equal_enumeration(instance: Instance) -> None:
    solution = optimum(instance)
    rows = solution.rows(instance)
    cost = evaluate(instance, solution).cost
    for m, device in enumerate(instance.devices.ids):
        found = explain(instance, solution, device=device)
        assert found.device == device
        for k, choice in enumerate(found.choices):
            place = rows[m][k]
            assert choice.place == (None if place == LOCAL else instance.points.ids[place])
            assert choice.alone[place] == pytest.approx(0, abs=1e-12)
            for n in range(LOCAL, instance.num_points):
                moved = [list(row) for row in rows]
                moved[m][k] = n
                if instance.devices.connected_to[m] == LOCAL and n != LOCAL:
                    assert choice.alone[n] == math.inf
                    continue
                expected = evaluate(instance, Solution.from_rows(instance, moved)).cost[m] - cost[m]
                assert choice.alone[n] == pytest.approx(expected, abs=1e-9)
            assert (choice.reduced_cost >= -1e-9).all()
            assert choice.reduced_cost.min() == pytest.approx(0, abs=1e-9)


def test_the_worked_example() -> None:
    """A third place at op2 takes the optimum from 24.045 to 19.395."""
    instance = read_structured(WORKED)
    found = explain(instance, optimum(instance))
    first = found.limits[0]
    assert (first.point, first.kind, first.size, first.used, first.binds) == ("op2", "capacity", 2, 2, True)
    assert first.saved == pytest.approx(24.045 - 19.395)
    assert first.price is not None
    assert first.saved is not None
    assert first.price >= first.saved
    assert found.choices[0].reason.startswith("op2 costs 0.05 less, but op2 is full, and worth")
    json.dumps(found.as_dict(), allow_nan=False)


def test_a_solution_that_can_be_improved() -> None:
    instance = read_structured(WORKED)
    found = explain(instance, Solution.all_local(instance), device="ud2")
    assert found.best_objective == pytest.approx(24.045)
    assert found.objective == pytest.approx(72.77)
    assert found.choices[2].reason.endswith("less: the solution can be improved")
    assert all(limit.used == 0 for limit in found.limits)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"device": "ud9"}, "device: 'ud9' is not in the instance"),
        ({"time_limit": 0}, "time_limit: must be positive"),
        ({"solution": [[0] * 5, [0] * 5]}, "solution: breaks a limit: capacity of 'op1'"),
    ],
)
def test_bad_input(changes: dict[str, Any], message: str) -> None:
    instance = read_structured(WORKED)
    rows = changes.pop("solution", None)
    solution = Solution.all_local(instance) if rows is None else Solution.from_rows(instance, rows)
    with pytest.raises(InputError, match=message):
        explain(instance, solution, **changes)


def test_a_name_is_not_taken_for_a_number(capfd: pytest.CaptureFixture[str]) -> None:
    """In words alone: the data have it as it is."""
    instance = read_structured(WORKED)
    renamed = replace(instance, points=replace(instance.points, ids=("101381", "7")))
    found = explain(renamed, optimum(instance))
    assert found.choices[0].reason.startswith("point 7 costs 0.05 less, but point 7 is full, and worth")
    assert {limit.point for limit in found.limits} == {"101381", "7"}
    console.show_explanation("limits", found)
    console.show_explanation("choices", found)
    words = {line.split("  ")[0] for line in capfd.readouterr().out.splitlines()}
    assert {"point 101381", "point 7"} <= words


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["explain", str(WORKED), str(solution_file("worked-example"))]
    assert cli.main([*arguments, "-o", str(tmp_path / "prices.png"), "--device", "ud2"]) == 0
    out = capfd.readouterr().out
    assert "price of one more" in out
    assert "op2            capacity  subtasks     2     2" in out
    assert "in units of the cost F" in out
    assert "subtask of ud2" in out
    assert (tmp_path / "prices.png").read_bytes().startswith(b"\x89PNG")
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["limits"][0]["saved"] == pytest.approx(4.65)
    assert cli.main([*arguments, "-o", str(tmp_path / "prices.pdf")]) == 2
    assert "a picture's name ends in .png or .svg" in capfd.readouterr().err


def test_no_time_for_trials() -> None:
    """The prices are then those of the time there was, and nothing is said to be tried."""
    instance = read_structured(library() / "paper-m040.json")
    solution = read_solution(solution_file("paper-m040"), instance).solution
    found = explain(instance, solution, time_limit=1e-6)
    assert all(limit.saved is None for limit in found.limits)
    assert found.lower_bound <= found.objective
    assert found.price_bound is None or found.price_bound <= found.objective
    assert set(found.missing) >= {"the optimum"}
    assert all(np.isnan(choice.reduced_cost).all() for choice in found.choices)
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["not_computed"] == list(found.missing)
    assert told["choices"][0]["places"][0]["not_computed"] == ["alone", "reduced_cost"]
    assert told["choices"][0]["reason"] == "not computed"
    structured.prices(found)


def test_parts_are_told_as_they_are_known() -> None:
    instance = read_structured(WORKED)
    parts: list[tuple[str, Explanation]] = []
    found = explain(instance, optimum(instance), on_part=lambda *part: parts.append(part))
    assert [name for name, _ in parts] == ["bounds", "choices", "limits"]
    bounds, choices, limits = (part for _, part in parts)
    assert bounds.lower_bound == found.lower_bound
    assert all(choice.reason == "not computed" for choice in bounds.choices)
    assert [choice.reason for choice in choices.choices] == [choice.reason for choice in found.choices]
    assert choices.limits[0].saved is None
    assert limits.as_dict() == found.as_dict()
    assert found.missing == () and not found.interrupted


@pytest.mark.parametrize("stage", range(4))
def test_an_interrupt_keeps_what_is_known(stage: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while prices are sought, while it is solved as it is, at the choices, and at the first trial."""
    instance = read_structured(WORKED)
    whole = explain(instance, optimum(instance))

    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    solved = branch_and_price.solve
    solves = 0

    def answering(instance: Instance, budget: Any) -> Any:
        """A solve answers Ctrl-C by what it has."""
        nonlocal solves
        solves += 1
        result = solved(instance, budget)
        return replace(result, termination=Termination.INTERRUPTED) if solves == stage else result

    if stage == 0:
        monkeypatch.setattr(tatonnement, "rough", interrupted)
    elif stage == 3:
        monkeypatch.setattr(explaining.Device, "compute", interrupted)
    else:
        monkeypatch.setattr(branch_and_price, "solve", answering)
    found = explain(instance, optimum(instance))
    assert found.interrupted
    assert found.missing
    assert found.objective == whole.objective
    assert found.lower_bound <= found.best_objective <= found.objective
    assert (found.price_bound is None) == (stage == 0)
    assert ("the optimum" in found.missing) == (stage == 0)
    known = [not np.isnan(choice.alone).any() for choice in found.choices]
    assert all(known) if stage == 2 else not any(known)
    assert all(limit.saved is None for limit in found.limits)
    json.dumps(found.as_dict(), allow_nan=False)
    structured.prices(found)


def test_an_interrupted_command_shows_what_is_known(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(explaining.Device, "compute", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["explain", str(WORKED), str(solution_file("worked-example"))]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    out = capfd.readouterr().out
    assert "lower bound 24.0" in out
    assert "not computed, as interrupted: one more of " in out


INTERRUPTED = """
import math, os, signal, time
from offloadlib.instances.alarm import alarm
with alarm(math.inf) as passed:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        while True:
            time.sleep(0.01)
    except KeyboardInterrupt:
        while not passed[0]:
            time.sleep(0.01)
        print("passed")
"""


def test_a_signal_ends_searches() -> None:
    """In a process of its own: the signal is not for the one that runs the tests."""
    assert python(INTERRUPTED).stdout == "passed\n"
