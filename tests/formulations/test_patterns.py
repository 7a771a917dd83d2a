"""The pattern formulation: dominance, slack and the optimum of brute force; its limits and its bounds."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from brute import agree, brute_force
from counts import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from reading import library
from strategies import feasible_part, instances, solutions

import offloadlib
from offloadlib.formulations.engine import highs
from offloadlib.formulations.structured.decomposition.pricing import Prices
from offloadlib.formulations.structured.milp import patterns, potentials
from offloadlib.formulations.structured.milp.patterns import undominated
from offloadlib.formulations.structured.search import can_offload, unconnected_cost
from offloadlib.instances import (
    LOCAL,
    UNLIMITED,
    Budget,
    InputError,
    Instance,
    Progress,
    Solution,
    Status,
    Termination,
    evaluate,
)
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import METHODS

PAPER_M040 = 16.76428933599401
"""The optimum of paper-m040."""


# The same optimum ---------------------------------------------------------------------------------


def equals_brute_force(instance: Instance) -> None:
    agree(patterns.solve(instance, Budget()), brute_force(instance)[0])


@examples(500, 12)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    equals_brute_force(instance)


@examples(40)
@given(instance=instances())
def test_the_first_program_need_not_be_large_enough(instance: Instance) -> None:
    """Started with the incumbent's patterns alone, all that are needed come later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(patterns, "DIVERSE", 0)
        equals_brute_force(instance)


@pytest.mark.parametrize("name", ["paper-m010", "channels-m040"])
def test_agrees_with_the_reference(name: str) -> None:
    instance = library(name)
    ours, theirs = patterns.solve(instance, Budget()), potentials.solve(instance, Budget())
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-9)
    assert ours.status is theirs.status is Status.OPTIMAL


# Dominance ----------------------------------------------------------------------------------------


def uses(instance: Instance, m: int, places: tuple[int, ...]) -> np.ndarray:
    """What a decision uses of each limit, and where it offloads at all, of channels."""
    n = int(instance.devices.connected_to[m])
    limited = np.flatnonzero(instance.points.channels != UNLIMITED)
    at = [places.count(point) for point in range(instance.num_points)]
    on_air = [int(any(place != LOCAL for place in places) and n == point) for point in limited]
    return np.array(at + on_air)


def cost_of(instance: Instance, m: int, places: tuple[int, ...]) -> float:
    rows = Solution.all_local(instance).rows(instance)
    rows[m] = list(places)
    return float(evaluate(instance, Solution.from_rows(instance, rows)).cost[m])


@examples(40)
@given(instance=instances(max_devices=2, max_points=3, max_subtasks=3))
def test_every_decision_is_dominated_by_a_pattern_and_no_pattern_by_another(instance: Instance) -> None:
    assume(can_offload(instance))
    found = undominated(instance)
    limits = np.append(instance.points.capacity, UNLIMITED)
    for m in np.flatnonzero(instance.devices.connected_to != LOCAL).tolist():
        mine = np.flatnonzero(found.device == m)
        size = instance.applications[int(instance.devices.application[m])].size
        kept = []
        for p in mine.tolist():
            places = tuple(found.tables[size].places[found.decision[p]].tolist())
            kept.append((float(found.cost[p]), uses(instance, m, places)))
            assert found.use[[p]].toarray()[0].tolist() == kept[-1][1].tolist()
            assert found.cost[p] == pytest.approx(cost_of(instance, m, places), rel=1e-12)
        for (cost, use), (other, more) in itertools.permutations(kept, 2):
            assert not (cost <= other and (use <= more).all())
        for places in itertools.product(range(LOCAL, instance.num_points), repeat=size):
            use = uses(instance, m, places)
            if (use[: instance.num_points] <= limits[:-1]).all():
                least = cost_of(instance, m, places) * (1 + 1e-12)
                assert any(cost <= least and (other <= use).all() for cost, other in kept)


@examples(60)
@given(instance=instances())
def test_the_program_over_all_patterns_has_the_same_optimum(instance: Instance) -> None:
    assume(can_offload(instance))
    found = undominated(instance)
    optimum, _ = brute_force(instance)
    outcome = highs.minimise(found.program(), Budget(), time_limit=math.inf, reference=optimum)
    assert outcome.values is not None
    assert outcome.objective + unconnected_cost(instance) == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert evaluate(instance, found.decode(outcome.values)).total == pytest.approx(
        optimum, rel=1e-9, abs=1e-12
    )


# Slack --------------------------------------------------------------------------------------------


@given(data=st.data())
def test_a_solution_costs_at_least_the_bound_and_the_slack_of_its_patterns(data: st.DataObject) -> None:
    instance = data.draw(instances())
    assume(can_offload(instance))
    solution = feasible_part(instance, data.draw(solutions(instance)))
    evaluation = evaluate(instance, solution)
    price = st.lists(st.floats(0, 2), min_size=instance.num_points, max_size=instance.num_points).map(
        np.array
    )
    limited = instance.points.channels != UNLIMITED
    prices = Prices(data.draw(price), np.where(limited, data.draw(price), 0.0))
    found = undominated(instance)
    bound, slack = found.slack(prices)
    chosen = found.covering(solution)
    paid = float(found.cost[chosen].sum()) + unconnected_cost(instance)
    assert paid <= evaluation.total * (1 + 1e-12)
    assert (slack >= 0).all()
    least = bound + float(slack[chosen].sum()) + unconnected_cost(instance)
    assert paid >= least - 1e-9 * max(1.0, abs(least))


def test_few_patterns_are_needed() -> None:
    result = patterns.solve(library("paper-m040"), Budget())
    assert result.objective == pytest.approx(PAPER_M040, rel=1e-12)
    assert result.status is Status.OPTIMAL
    assert result.run["patterns"] > 100_000
    assert result.run["variables"] < 2_000


@given(data=st.data())
def test_diverse_patterns_are_the_best_of_each_size(data: st.DataObject) -> None:
    instance = data.draw(instances())
    assume(can_offload(instance))
    found = undominated(instance)
    _, slack = found.slack(Prices.zero(instance))
    count = data.draw(st.integers(1, 3))
    chosen = set(found.diverse(slack, count).tolist())
    away = found.use[:, : instance.num_points].sum(axis=1)
    for key in set(zip(found.device.tolist(), away.tolist(), strict=True)):
        members = np.flatnonzero((found.device == key[0]) & (away == key[1])).tolist()
        best = sorted(slack[members])[:count]
        assert sorted(slack[p] for p in members if p in chosen) == best


# Limits -------------------------------------------------------------------------------------------


def test_too_many_decisions_are_refused_with_their_number() -> None:
    instance = library("fork-join-8-m020")
    reason = METHODS["patterns"].applies_to(instance)
    assert reason is not None
    assert "200000" in reason and "'fork-join-8' are 7^10" in reason
    with pytest.raises(InputError, match=r"patterns lists the decisions of each device, at most 200000"):
        offloadlib.solve(instance, "patterns")


def test_too_many_patterns_are_refused_with_their_number() -> None:
    instance = generate(Setting(devices=2000, capacity=500))
    reason = patterns.obstacle(instance)
    assert reason is not None
    assert str(patterns.MOST_PATTERNS) in reason
    assert str(2000 * math.comb(15, 5)) in reason


def test_equal_offload_points_count_once() -> None:
    """Eight subtasks over five points are 6^8 decisions, but over five of one speed 2^8."""
    setting = Setting(devices=6, offload_points=5, applications=("chain-8",), capacity=6)
    assert patterns.obstacle(generate(setting)) is not None
    instance = generate(Setting(**{**vars(setting), "point_cpu": (2.0, 2.0)}))
    assert patterns.obstacle(instance) is None
    result = patterns.solve(instance, Budget())
    assert result.objective == pytest.approx(potentials.solve(instance, Budget()).objective, rel=1e-9)


# Stopping early -----------------------------------------------------------------------------------


@pytest.mark.parametrize("time_limit", [1e-6, 0.05, 0.3])
def test_a_time_limit_leaves_a_valid_bound(time_limit: float) -> None:
    instance = library("paper-m040")
    result = patterns.solve(instance, Budget(time_limit=time_limit))
    assert result.termination in (Termination.TIME_LIMIT, Termination.FINISHED)
    assert result.lower_bound is not None
    assert result.lower_bound <= PAPER_M040 * (1 + 1e-9)
    assert result.objective >= PAPER_M040 * (1 - 1e-12)


def test_all_events_hold() -> None:
    events: list[Progress] = []
    patterns.solve(library("paper-m040"), Budget(on_progress=events.append))
    assert events
    for event in events:
        assert event.objective is not None and event.lower_bound is not None
        assert event.lower_bound <= PAPER_M040 * (1 + 1e-9) <= event.objective * (1 + 2e-9)


def test_an_interrupt_keeps_the_bound() -> None:
    def interrupt(event: Progress) -> None:
        raise KeyboardInterrupt

    result = patterns.solve(library("paper-m040"), Budget(on_progress=interrupt))
    assert result.termination is Termination.INTERRUPTED
    assert result.lower_bound == pytest.approx(PAPER_M040, rel=1e-6)


def test_a_gap_may_be_left() -> None:
    instance = library("paper-m070")
    result = patterns.solve(instance, Budget(gap=0.01))
    assert result.gap is not None and result.gap <= 0.01
    assert result.termination is (
        Termination.FINISHED if result.status is Status.OPTIMAL else Termination.GAP
    )
