"""Devices that move: the slots, what links them, the policies, and the study."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brute import brute_force

import offloadlib
from offloadlib.cli import app as cli
from offloadlib.heuristics.structured import price
from offloadlib.instances import LOCAL, Budget, Instance, Solution, evaluate
from offloadlib.instances.structured.generate import Environment
from offloadlib.pages.markdown import markdown
from offloadlib.studies import StudyOptions, find
from offloadlib.studies.moving import runs, study
from offloadlib.studies.moving.policies import POLICIES, Policy, budgets, followed, within_energy
from offloadlib.studies.moving.world import (
    Moving,
    energy_of,
    horizon,
    moves,
    rows_of,
    slots_of,
    sticky,
    with_energy,
)

SMALL = Moving(
    environment=Environment(capacity=3, area=400.0), points=3, devices=5, slots=4, application="chain-3"
)
TINY = replace(
    SMALL, devices=2, points=2, application="chain-2", environment=Environment(capacity=1, area=300.0)
)


def test_devices_come_walk_and_leave() -> None:
    slots = slots_of(replace(SMALL, devices=30, slots=20), seed=1)
    assert len(slots) == 20
    first = slots[0]
    seen: dict[str, list[tuple[int, Instance, int]]] = {}
    for t, slot in enumerate(slots):
        assert slot.points.ids == first.points.ids
        assert slot.points.cpu.tolist() == first.points.cpu.tolist()
        assert slot.points.position.tolist() == first.points.position.tolist()
        assert (slot.devices.position >= 0).all() and (slot.devices.position <= 400).all()
        for m, name in enumerate(slot.devices.ids):
            seen.setdefault(name, []).append((t, slot, m))
    assert any(visits[0][0] > 0 for visits in seen.values())  # arrived later
    assert any(visits[-1][0] < 15 for visits in seen.values())  # and left
    for visits in seen.values():
        for (t, slot, m), (later, other, n) in itertools.pairwise(visits):
            assert slot.devices.cpu[m] == other.devices.cpu[n]
            way = np.hypot(*(slot.devices.position[m] - other.devices.position[n]))
            assert way <= 6.0 * 30.0 * (later - t) + 0.1  # the greatest speed
    changed = [
        slot.devices.connected_to[m] != other.devices.connected_to[n]
        for visits in seen.values()
        for (_, slot, m), (_, other, n) in itertools.pairwise(visits)
    ]
    assert 0 < sum(changed) < len(changed)


def test_on_average_as_many_are_there_as_asked_for() -> None:
    counts = [
        slot.num_devices
        for seed in range(6)
        for slot in slots_of(replace(SMALL, devices=20, busy=0.5, slots=30), seed)
    ]
    assert 8 < np.mean(counts) < 12


def test_the_same_seed_gives_the_same_slots_and_another_one_not() -> None:
    prints = [[slot.fingerprint for slot in slots_of(SMALL, seed)] for seed in (3, 3, 4)]
    assert prints[0] == prints[1] != prints[2]


def test_nobody_moves_at_speed_0() -> None:
    slots = slots_of(replace(SMALL, speed=(0.0, 0.0)), seed=2)
    places = [dict(zip(slot.devices.ids, slot.devices.position.tolist(), strict=True)) for slot in slots]
    for one, other in itertools.pairwise(places):
        assert all(one[name] == other[name] for name in one.keys() & other.keys())


def decided(instance: Instance, rng: np.random.Generator) -> Solution:
    """Random decisions that keep all limits."""
    rows = Solution.all_local(instance).rows(instance)
    left = instance.points.capacity.tolist()
    for m, row in enumerate(rows):
        for k in range(len(row)):
            place = int(rng.integers(LOCAL, instance.num_points))
            if place >= 0 and left[place] and instance.devices.connected_to[m] != LOCAL:
                row[k], left[place] = place, left[place] - 1
    return Solution.from_rows(instance, rows)


@pytest.mark.parametrize("seed", range(4))
def test_a_sticky_slot_costs_the_slot_and_its_moves(seed: int) -> None:
    rng, fee = np.random.default_rng(seed), 0.125
    one, two = slots_of(SMALL, seed)[:2]
    before = rows_of(one, decided(one, rng))
    asked = sticky(two, before, fee)
    for _ in range(5):
        solution = decided(two, rng)
        moved = moves(before, rows_of(two, solution))
        expected = sum(
            a != b
            for name, row in rows_of(two, solution).items()
            if name in before
            for a, b in zip(before[name], row, strict=True)
        )
        assert moved == expected
        cost = evaluate(two, solution).total + fee * moved
        assert evaluate(asked, solution).total == pytest.approx(cost, rel=1e-12)
    assert sticky(two, {}, fee) is two and sticky(two, before, 0.0) is two


def test_a_horizon_costs_what_its_slots_cost() -> None:
    rng, slots = np.random.default_rng(1), slots_of(SMALL, seed=1)
    solutions = [decided(slot, rng) for slot in slots]
    whole = horizon(slots, energy=1e9)
    assert whole.num_devices == sum(slot.num_devices for slot in slots)
    rows = []
    for t, (slot, solution) in enumerate(zip(slots, solutions, strict=True)):
        rows += [
            [place if place == LOCAL else place + t * slot.num_points for place in row]
            for row in solution.rows(slot)
        ]
    together = Solution.from_rows(whole, rows)
    evaluation = evaluate(whole, together)
    assert evaluation.feasible
    assert evaluation.total == pytest.approx(
        sum(evaluate(slot, solution).total for slot, solution in zip(slots, solutions, strict=True))
    )
    energy = sum(energy_of(slot, solution) for slot, solution in zip(slots, solutions, strict=True))
    assert energy_of(whole, together) == pytest.approx(energy)
    assert not evaluate(horizon(slots, 0.99 * energy), together).feasible
    # At the points of another slot nothing may run.
    rows[0] = [len(slots) * slots[0].num_points - 1] * len(rows[0])
    assert not evaluate(whole, Solution.from_rows(whole, rows)).feasible


def test_a_budget_for_all_slots_against_brute_force() -> None:
    slots = slots_of(replace(TINY, slots=2), seed=5)
    free = [brute_force(slot) for slot in slots]
    needed = sum(energy_of(slot, solution) for slot, (_, solution) in zip(slots, free, strict=True))
    for share in (0.9, 1.0001):
        best = np.inf
        for some in itertools.product(*(_everything(slot) for slot in slots)):
            if sum(energy for _, energy in some) <= share * needed:
                best = min(best, sum(cost for cost, _ in some))
        found = offloadlib.solve(horizon(slots, share * needed), "branch-and-price")
        assert found.objective == pytest.approx(best, rel=1e-9)
    assert best == pytest.approx(sum(cost for cost, _ in free), rel=1e-9)


def _everything(slot: Instance) -> list[tuple[float, float]]:
    """Cost and energy of all decisions."""
    sizes = [len(row) for row in Solution.all_local(slot).rows(slot)]
    found = []
    for places in itertools.product(range(LOCAL, slot.num_points), repeat=sum(sizes)):
        ends = np.cumsum(sizes)
        rows = [list(places[end - size : end]) for end, size in zip(ends, sizes, strict=True)]
        evaluation = evaluate(slot, Solution.from_rows(slot, rows))
        if evaluation.feasible:
            found.append((evaluation.total, float(evaluation.energy.sum())))
    return found


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)
def test_policies(policy: Policy) -> None:
    slots = slots_of(SMALL, seed=0)
    course = followed(policy, slots, fee=0.1)
    again = followed(policy, slots, fee=0.1)
    assert (course.cost, course.moved) == (again.cost, again.moved)
    assert len(course.cost) == len(slots) and course.moved[0] == 0
    optima = [offloadlib.solve(slot, "branch-and-price").objective for slot in slots]
    for cost, optimum in zip(course.cost, optima, strict=True):
        assert cost >= optimum * (1 - 1e-9)
    if policy.method == "branch-and-price" and not policy.sticky:
        assert course.cost == pytest.approx(optima, rel=1e-6)


def test_who_knows_the_fee_moves_less() -> None:
    slots = slots_of(replace(SMALL, devices=8, slots=6), seed=3)
    free, known = (followed(Policy("branch-and-price", it), slots, fee=0.2) for it in (False, True))
    assert sum(known.moved) < sum(free.moved)
    assert sum(known.cost) + 0.2 * sum(known.moved) < sum(free.cost) + 0.2 * sum(free.moved)
    never = followed(Policy("branch-and-price", True), slots, fee=100.0)
    assert sum(never.moved) <= sum(known.moved)


def test_prices_that_are_kept() -> None:
    """The second time they begin where they ended, for the same points alone."""
    kept, slots = price.Kept(), slots_of(replace(SMALL, devices=20), seed=0)
    first = price.solve(slots[0], Budget(), kept)
    assert first.objective == price.solve(slots[0], Budget()).objective
    begun = kept.prices
    assert begun is not None
    for slot in slots[1:]:
        found = price.solve(slot, Budget(), kept)
        assert found.objective <= offloadlib.solve(slot, "gsod-i").objective
        assert found.lower_bound is not None and found.lower_bound <= found.objective
    assert kept.prices is not begun
    other = slots_of(replace(SMALL, points=5), seed=0)[0]
    assert evaluate(other, price.solve(other, Budget(), kept).solution).feasible


@pytest.mark.parametrize("seed", range(3))
def test_a_budget_slot_by_slot(seed: int) -> None:
    slots = slots_of(SMALL, seed=seed)
    least, half, free = (budgets(slots, share) for share in (0.0, 0.5, 1.0))
    for slot, low, middle, high in zip(slots, least, half, free, strict=True):
        assert low <= middle <= high
        found = offloadlib.solve(with_energy(slot, 0.999 * low), "branch-and-price")
        assert found.status == "infeasible"
    course = within_energy(slots, half)
    assert course is not None
    assert all(spent <= most for spent, most in zip(course.energy, half, strict=True))
    known = offloadlib.solve(horizon(slots, sum(half)), "branch-and-price")
    assert known.lower_bound is not None
    assert known.objective <= sum(course.cost) * (1 + 1e-6)
    assert within_energy(slots, [1e-6] * len(slots)) is None
    assert with_energy(slots[0], 1e-6).version == 2


def test_the_city() -> None:
    sites, side = runs.city()
    assert (
        len(sites) > 5
        and min(min(site) for site in sites) == 0.0
        and max(max(site) for site in sites) <= side
    )
    slots = runs.Trial({"devices": 5, "slots": 2}, city=True).slots(0)
    assert slots[0].num_points == len(sites)


def test_the_runs() -> None:
    assert find("moving").TITLE == study.TITLE
    places = study.points(StudyOptions(repetitions=2))
    keys = {place.job.key for place in places}
    assert len(places) == 2 * (len(study.FEES) + len(study.SPEEDS) + 1)
    assert len(places) - len(keys) <= 2  # none twice, but for the default


def test_a_tiny_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "SPEEDS", ((0.5, 6.0),) * 4)
    monkeypatch.setattr(study, "FEES", (runs.FEE,))
    monkeypatch.setattr(study, "QUICK_SIZE", {"devices": 5, "slots": 3})
    command = ["study", "moving", "--quick", "--repetitions", "2", "-o", str(tmp_path)]
    assert cli.main(command) == 0
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert set(rows["status"]) <= {"feasible", "optimal"} and (rows["checked"] == "accepted").all()
    summary = (tmp_path / "summary.md").read_text()
    assert "| branch-and-price, sticky |" in summary and "is this project's" in summary


def test_the_page_of_a_budget() -> None:
    trial = runs.Trial({"devices": 6, "slots": 3}, budget=True)
    (first, *_) = trial.slots(1)
    run = runs.simulate(first, Budget(seed=1), trial).run
    linked = run["horizon"]
    assert linked["bound"] <= linked["clairvoyant"] * (1 + 1e-9)
    assert linked["in_turn"] is None or linked["in_turn"] >= linked["bound"] * (1 - 1e-9)
    for policy in POLICIES:
        assert study.ratios([{**run, "fee": 0.1}], policy.name)[0] >= 1 - 1e-9
    options = StudyOptions(quick=True, repetitions=1)
    rows = {
        point.job.key: {"status": "optimal", "run": run, "parameters": point.job.parameters}
        for point in study.points(options)
    }
    assert "A budget over all slots" in markdown(study.report(options, rows))
