"""The price-guided heuristic against brute force and against GSOD."""

from __future__ import annotations

import numpy as np
import pytest
from brute import brute_force
from hypothesis import given, settings
from strategies import instances

from formulations.decomposition.limits import Limits
from formulations.decomposition.moves import Scanner
from heuristics import gsod, price
from instances import Budget, Instance, Solution, Termination, evaluate, read
from instances.generate import Setting, generate
from offloadlib.best_known import library

FILES = sorted(path for path in library().glob("*.json") if path.name != "best_known.json")
STEMS = [path.stem for path in FILES if read(path).kind == "structured"]


def gsod_best(instance: Instance) -> float:
    return min(method(instance, Budget()).objective for method in (gsod.solve_difference, gsod.solve_ratio))


def holds(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    result = price.solve(instance, Budget())
    assert evaluate(instance, result.solution).feasible
    assert result.objective >= optimum * (1 - 1e-12) - 1e-12
    assert result.objective <= gsod_best(instance)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12) + 1e-300


@settings(max_examples=60, deadline=None)
@given(instance=instances())
def test_against_brute_force(instance: Instance) -> None:
    holds(instance)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(instance=instances())
def test_against_brute_force_many(instance: Instance) -> None:
    holds(instance)


@pytest.mark.parametrize("stem", STEMS)
def test_better_than_gsod_where_capacity_binds(stem: str) -> None:
    instance = read(library() / f"{stem}.json")
    result, greedy = price.solve(instance, Budget()), gsod.solve_difference(instance, Budget())
    assert result.objective <= gsod_best(instance)
    if np.any(evaluate(instance, greedy.solution).used >= instance.points.capacity):
        assert result.objective < gsod_best(instance)


def test_close_to_its_bound_in_a_larger_city() -> None:
    instance = generate(Setting(devices=1200, offload_points=5, capacity=400), seed=1)
    result = price.solve(instance, Budget())
    assert result.gap is not None
    assert result.gap <= 1e-3
    again = price.solve(instance, Budget())
    assert again.objective == result.objective
    assert again.lower_bound == result.lower_bound


def test_a_start_is_never_lost() -> None:
    instance = read(library() / "paper-m040.json")
    start = price.solve(instance, Budget())
    result = price.solve(instance, Budget(start=start.solution, time_limit=1e-9))
    assert result.objective <= start.objective
    assert result.termination is Termination.TIME_LIMIT


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scanner, "scan", interrupt)
    instance = read(library() / "paper-m040.json")
    result = price.solve(instance, Budget())
    assert result.termination is Termination.INTERRUPTED
    assert result.objective <= gsod_best(instance)


@settings(max_examples=40, deadline=None)
@given(instance=instances(max_devices=3))
def test_losses_of_moves(instance: Instance) -> None:
    """What a move loses is what it adds to cost + prices; channels are not counted."""
    limits = Limits(instance)
    points = instance.num_points
    vector = np.zeros(len(limits))
    vector[:points] = np.linspace(0.01, 0.1, points)
    table = limits.table(brute_force(instance)[1])
    before = evaluate(instance, limits.solution(table)).cost
    moves = Scanner(limits).scan(table, vector, 1e9)
    for m, k, place, loss in zip(moves.device, moves.subtask, moves.place, moves.loss, strict=True):
        other = table.copy()
        other[m, k] = place
        after = evaluate(instance, limits.solution(other)).cost
        paid = [float(np.append(vector[:points], 0.0)[row[m]].sum()) for row in (other, table)]
        expected = after[m] - before[m] + paid[0] - paid[1]
        assert loss == pytest.approx(expected, rel=1e-9, abs=1e-12 * max(1.0, before[m]))
    assert isinstance(limits.solution(table), Solution)
