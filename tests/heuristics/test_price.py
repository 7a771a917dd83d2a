"""The price-guided heuristic against brute force and against GSOD."""

from __future__ import annotations

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from reading import read_structured
from strategies import instances

from offloadlib.best_known import library, read_best_known
from offloadlib.formulations.structured.decomposition.limits import PricedLimits
from offloadlib.formulations.structured.decomposition.moves import Scanner
from offloadlib.formulations.structured.decomposition.primal import pack
from offloadlib.formulations.structured.decomposition.tatonnement import answer
from offloadlib.heuristics.structured import gsod, price
from offloadlib.instances import Budget, Instance, Solution, Termination, evaluate
from offloadlib.instances.structured.generate import Setting, generate

FILES = sorted(path for path in library().glob("*.json") if path.name != "best_known.json")
STEMS = [path.stem for path in FILES if not path.stem.startswith("hybrid-")]


def gsod_best(instance: Instance) -> float:
    return min(method(instance, Budget()).objective for method in (gsod.solve_difference, gsod.solve_ratio))


@examples(600, 12)
@given(instance=instances())
def test_against_brute_force(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    result = price.solve(instance, Budget())
    assert evaluate(instance, result.solution).feasible
    assert result.objective >= optimum * (1 - 1e-12) - 1e-12
    assert result.objective <= gsod_best(instance)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12) + 1e-300


@pytest.mark.parametrize("stem", STEMS)
def test_better_than_gsod_where_capacity_binds(stem: str) -> None:
    instance = read_structured(library() / f"{stem}.json")
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
    instance = read_structured(library() / "paper-m040.json")
    start = price.solve(instance, Budget())
    result = price.solve(instance, Budget(start=start.solution, time_limit=1e-9))
    assert result.objective <= start.objective
    assert result.termination is Termination.TIME_LIMIT


def test_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Scanner, "scan", interrupt)
    instance = read_structured(library() / "paper-m040.json")
    result = price.solve(instance, Budget())
    assert result.termination is Termination.INTERRUPTED
    assert result.objective <= gsod_best(instance)


@examples(40)
@given(instance=instances(max_devices=3))
def test_losses_of_moves(instance: Instance) -> None:
    """What a move loses is what it adds to cost + prices; channels are not counted."""
    limits = PricedLimits(instance)
    points = instance.num_points
    vector = np.zeros(len(limits))
    vector[:points] = np.linspace(0.01, 0.1, points)
    table = limits.table(brute_force(instance)[1])
    before = evaluate(instance, limits.solution(table)).cost
    moves = Scanner(limits).scan(table, vector, 1e9)
    assume(len(moves.device) > 0)
    for m, k, place, loss in zip(moves.device, moves.subtask, moves.place, moves.loss, strict=True):
        other = table.copy()
        other[m, k] = place
        after = evaluate(instance, limits.solution(other)).cost
        paid = [float(np.append(vector[:points], 0.0)[row[m]].sum()) for row in (other, table)]
        expected = after[m] - before[m] + paid[0] - paid[1]
        assert loss == pytest.approx(expected, rel=1e-9, abs=1e-12 * max(1.0, before[m]))


@pytest.mark.parametrize("stem", [stem for stem in STEMS if read_best_known()[stem].objective])
def test_close_to_the_best_known(stem: str) -> None:
    best = read_best_known()[stem].objective
    assert best is not None
    result = price.solve(read_structured(library() / f"{stem}.json"), Budget())
    assert best.value * (1 - 1e-9) <= result.objective <= 1.005 * best.value
    assert result.lower_bound is not None
    assert 0.99 * best.value <= result.lower_bound <= best.value


@examples(60)
@given(instance=instances(max_devices=4), price_of_all=st.floats(0.0, 10.0))
def test_best_prices_of_channels(instance: Instance, price_of_all: float) -> None:
    """The answer is the Lagrangian at its prices, and no other prices on channels give a greater bound."""
    limits = PricedLimits(instance)
    vector = np.zeros(len(limits))
    vector[: instance.num_points] = price_of_all
    vector, bound, value, table = answer(limits, vector)
    again, least, _ = limits.lagrangian(vector)
    tiny = 1e-9 * (1 + float(np.abs(value).sum()) + float(vector @ limits.right))
    assert bound == pytest.approx(again, abs=tiny)
    assert value == pytest.approx(least, abs=tiny)
    cost = evaluate(instance, limits.solution(table)).cost
    assert cost + limits.weighed(table, None, vector) == pytest.approx(value, abs=tiny)
    for row in range(instance.num_points, len(limits)):
        for factor in (0.0, 0.5, 0.9, 1.1, 2.0):
            other = vector.copy()
            other[row] *= factor
            assert limits.lagrangian(other)[0] <= bound + tiny


@examples(60)
@given(instance=instances(max_devices=4), seed=st.integers(0, 2**16))
def test_points_are_filled_by_speed(instance: Instance, seed: int) -> None:
    """Who is offloaded stays so, faster points fill up first, and nobody overtakes."""
    limits, cpu = PricedLimits(instance), instance.points.cpu
    if not instance.points.capacity.any():
        return
    usable = np.flatnonzero(instance.points.capacity > 0)
    shape = limits.table(Solution.all_local(instance)).shape
    before = np.random.default_rng(seed).choice(np.append(usable, -1), size=shape).astype(np.int32)
    after = before.copy()
    pack(limits, after)
    assert np.array_equal(after >= 0, before >= 0)
    away = before.ravel() >= 0
    was, now = cpu[before.ravel()[away]], cpu[after.ravel()[away]]
    assert not np.any((was[:, None] > was) & (now[:, None] < now))
    used = limits.used(after)[: instance.num_points]
    slowest = cpu[usable].min()
    assert np.all((used <= instance.points.capacity) | (cpu == slowest))
    emptier = [n for n in usable if used[n] < instance.points.capacity[n]]
    assert all(used[n] == 0 for n in usable if any(cpu[n] < cpu[i] for i in emptier))
