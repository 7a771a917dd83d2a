"""Branch-and-price against brute force, and its certificates against the independent checker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from reading import library, read_structured
from strategies import instances, solutions

from offloadlib import check
from offloadlib.formulations.structured.certificate import write_certificate
from offloadlib.formulations.structured.decomposition import branch_and_price
from offloadlib.formulations.structured.decomposition import master as master_of_columns
from offloadlib.formulations.structured.decomposition.branch_and_price import prove, solve
from offloadlib.formulations.structured.decomposition.master import Master, Node, best_prices
from offloadlib.formulations.structured.decomposition.pricing import Prices, difference
from offloadlib.formulations.structured.milp import arrays
from offloadlib.formulations.structured.pooling import settle
from offloadlib.instances import (
    Budget,
    Instance,
    Progress,
    Result,
    Solution,
    Status,
    Termination,
    evaluate,
    write,
    write_solution,
)
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import find


@examples(1000, 30)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    result = solve(instance, Budget())
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    if optimum > 1e-6:
        assert result.status is Status.OPTIMAL


def test_what_a_second_search_finds_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it proves no more, and the first one was left with nothing to divide."""
    instance = generate(Setting(devices=3, capacity=2), seed=1)
    optimum = prove(instance, None, Budget())
    local = Solution.all_local(instance)
    objective, weak = evaluate(instance, local).total, replace(optimum.certificate, lower_bound=0.0)
    first = replace(
        optimum, solution=local, objective=objective, certificate=weak, termination=Termination.STALLED
    )
    again = replace(optimum, certificate=weak, termination=Termination.INTERRUPTED)
    outcomes = [(first, True), (again, False)]
    monkeypatch.setattr(branch_and_price, "_searched", lambda *_: outcomes.pop(0))
    found = branch_and_price._branched(instance, local, Budget(), certify=False)
    assert optimum.objective < objective
    assert (found.objective, found.solution) == (optimum.objective, optimum.solution)
    assert (found.termination, outcomes) == (Termination.INTERRUPTED, [])


def files(instance: Instance, folder: Path, solution: Solution | None = None) -> tuple[Path, Path, Path]:
    """Instance, solution and certificate files of a proof that starts from a solution."""
    result = solve(instance, Budget(start=solution))
    proof = prove(instance, result.solution, Budget())
    names = folder / "instance.json", folder / "solution.sol.json", folder / "proof.cert.json"
    write(instance, names[0])
    write_solution(result.stored("branch-and-price"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    return names


@pytest.mark.parametrize(
    "name", ["worked-example", "paper-m020", "channels-m040", "scarce-m060", "melbourne-s", "layered-12-m030"]
)
def test_certificates_are_accepted(name: str, tmp_path: Path) -> None:
    instance = read_structured(LIBRARY / f"{name}.json")
    verdict = check.check(*files(instance, tmp_path))
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]


def test_a_raised_claim_is_rejected(tmp_path: Path) -> None:
    instance = read_structured(LIBRARY / "paper-m010.json")
    names = files(instance, tmp_path)
    document = json.loads(names[2].read_text())
    document["lower_bound"] = repr(float(document["lower_bound"]) * (1 + 1e-6))
    names[2].write_text(json.dumps(document))
    verdict = check.check(*names)
    assert not verdict.accepted


def certified(instance: Instance, folder: Path) -> None:
    """Bounds and incumbents enclose the optimum at any time, the end is proven, and the proof is accepted."""
    optimum, _ = brute_force(instance)
    events: list[Progress] = []
    result = solve(instance, Budget(on_progress=events.append))
    for event in events:
        assert event.objective is not None and event.objective >= optimum * (1 - 1e-12)
        assert event.lower_bound is not None and event.lower_bound <= optimum * (1 + 1e-12)
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    verdict = check.check(*files(instance, folder))
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
    assert verdict.certified_bound is not None
    assert verdict.certified_bound >= optimum - 1e-8 * max(optimum, 1e-6)


@examples(500, 6)
@given(instance=instances(max_devices=3))
def test_certificates_of_random_instances(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certified(instance, tmp_path_factory.mktemp("proof"))


@examples(200, 6)
@given(instance=instances(max_devices=3))
def test_certificates_from_the_prices_of_the_relaxation(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where searches for rough prices take long, a certificate claims what searches prove."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(branch_and_price._Search, "_long", lambda _: True)
        patch.setattr(master_of_columns, "labelled", lambda _: False)
        certified(instance, tmp_path_factory.mktemp("proof"))


def test_the_bound_at_the_time_limit_is_valid() -> None:
    instance = read_structured(LIBRARY / "paper-m040.json")
    known = solve(instance, Budget()).objective
    for limit in (1e-9, 0.01, 0.03):
        result = solve(instance, Budget(time_limit=limit))
        assert result.lower_bound is not None
        assert result.lower_bound <= known
        assert result.objective >= known * (1 - 1e-12)
        assert result.termination in (Termination.TIME_LIMIT, Termination.FINISHED)


def test_progress_closes_in() -> None:
    instance = read_structured(LIBRARY / "scarce-m060.json")
    events: list[Any] = []
    solve(instance, Budget(on_progress=events.append))
    assert events
    objectives = [event.objective for event in events if event.objective is not None]
    assert objectives == sorted(objectives, reverse=True)
    bounds = [event.lower_bound for event in events if event.lower_bound is not None]
    assert bounds
    assert bounds == sorted(bounds)
    assert bounds[-1] <= objectives[-1] * (1 + 1e-12)


def hard() -> Instance:
    """Few places for forks of eight: the root's bound is not enough."""
    setting = Setting(
        devices=12,
        offload_points=4,
        applications=("fork-join-6",),
        capacity=7,
        point_cpu=(1.6, 8.0),
        input=(0.05, 0.2),
        output=(0.05, 0.2),
        alpha=(0.97, 0.97),
    )
    return generate(setting, seed=1)


def test_certificates_of_trees_divide_by_sets_of_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tree is large, it has branches on several places, and the checker accepts them."""
    monkeypatch.setattr(branch_and_price, "enumerable", lambda instance: False)
    instance = hard()
    names = files(instance, tmp_path)
    verdict = check.check(*names)
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
    assert verdict.certified_gap is not None and verdict.certified_gap <= 1e-8
    nodes = json.loads(names[2].read_text())["nodes"]
    assert any("branch" in node for node in nodes)


def test_interrupted_at_any_event(tmp_path: Path) -> None:
    """A proof that is broken off leaves a feasible solution and a certificate that is accepted."""
    instance = hard()
    optimum = solve(instance, Budget()).objective
    bounds = []
    for stop_after in (0, 1, 2, 4, 8):
        seen: list[Any] = []

        def interrupt(event: Progress, seen: list[Progress] = seen, last: int = stop_after) -> None:
            seen.append(event)
            if len(seen) > last:
                raise KeyboardInterrupt

        proof = prove(instance, Solution.all_local(instance), Budget(on_progress=interrupt))
        assert evaluate(instance, proof.solution).feasible
        assert proof.objective >= optimum * (1 - 1e-12)
        assert proof.certificate.lower_bound <= optimum
        names = tmp_path / "instance.json", tmp_path / "solution.json", tmp_path / "certificate.json"
        write(instance, names[0])
        result = Result.of(instance, proof.solution, 0.0, proof.certificate.lower_bound, proof.termination)
        write_solution(result.stored("branch-and-price"), instance, names[1])
        write_certificate(proof.certificate, instance, names[2])
        verdict = check.check(*names)
        assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
        bounds.append(proof.certificate.lower_bound)
    assert bounds[-1] > 0.9 * optimum


def test_interrupted_at_once() -> None:
    instance = read_structured(LIBRARY / "paper-m040.json")

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    result = solve(instance, Budget(on_progress=interrupt))
    assert result.termination is Termination.INTERRUPTED
    assert evaluate(instance, result.solution).feasible
    assert result.lower_bound is not None
    assert result.lower_bound <= result.objective


@examples(150)
@given(data=st.data())
def test_settling_keeps_capacities_and_costs_no_more(data: st.DataObject) -> None:
    instance = data.draw(instances())
    given_solution = data.draw(solutions(instance))
    settled = settle(instance, given_solution)
    before = evaluate(instance, given_solution)
    used = dict.fromkeys(range(instance.num_points), 0)
    for row in given_solution.rows(instance):
        for n in row:
            if n >= 0:
                used[n] += 1
    speed, capacity = instance.points.cpu, instance.points.capacity
    fits = all(
        sum(used[n] for n in used if speed[n] >= least) <= sum(capacity[n] for n in used if speed[n] >= least)
        for least in speed.tolist()
    )
    assert (settled is not None) == fits
    if settled is not None:
        after = evaluate(instance, settled)
        assert after.total <= before.total * (1 + 1e-12)
        assert all("capacity" not in str(violation) for violation in after.violations)


@examples(60)
@given(instance=instances(magnitudes="extreme", max_devices=3, max_subtasks=4))
def test_prices_bound_whatever_the_magnitudes(instance: Instance) -> None:
    """At prices of 1e26 on a channel, least costs of 1e11 would drown in the rounding of the sum."""
    bound, _ = best_prices(instance, Solution.all_local(instance), lambda: False)
    optimum, _ = brute_force(instance)
    assert bound <= optimum + 1e-12 * abs(optimum)


def test_what_high_prices_leave_is_rounded_downwards() -> None:
    assert difference(2.5e26 + 1e11, 2.5e26) <= 1e11
    assert difference(3.0, 1.0) == pytest.approx(2.0, rel=1e-12)
    assert difference(float("inf"), 1.0) == float("inf")


@pytest.mark.parametrize("devices", [40, 55])
def test_a_proof_from_a_poor_start_is_finished(devices: int) -> None:
    """An incumbent that improves on the way may leave nodes that nothing divides: they are not the end."""
    points = 1 if devices == 40 else 10
    for seed in range(3):
        instance = generate(Setting(devices=devices, offload_points=points), seed=seed)
        proof = prove(instance, Solution.all_local(instance), Budget(time_limit=30))
        assert proof.termination is Termination.FINISHED
        assert proof.objective - proof.certificate.lower_bound <= 1e-9 * proof.objective


def test_little_effort_grows_until_it_is_enough() -> None:
    instance = read_structured(LIBRARY / "layered-12-m030.json")
    start = Solution.all_local(instance)
    bounds = []
    for effort in (None, 1):
        master = Master(instance, evaluate(instance, start).total)
        master.effort = effort
        master.add(start)
        begin = Node(-np.inf, Prices.zero(instance))
        bounds.append(master.generate(None, begin, np.inf, lambda: False).bound)
    assert bounds[1] == pytest.approx(bounds[0], rel=1e-9)
    assert master.effort != 1


def test_a_slow_root_ends_in_the_optimum_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = read_structured(LIBRARY / "layered-12-m030.json")
    exact = solve(instance, Budget())
    monkeypatch.setattr(branch_and_price, "AT_ROOT", -1.0)  # it is always late there
    monkeypatch.setattr(branch_and_price, "PROGRAMMED", 0)
    monkeypatch.setattr(branch_and_price, "ROUGH_SEARCH", 100)
    slow = solve(instance, Budget(time_limit=1e6))
    assert slow.objective == pytest.approx(exact.objective, rel=1e-9)
    assert slow.lower_bound == pytest.approx(exact.lower_bound, rel=1e-9)


def root_alone(patch: pytest.MonkeyPatch) -> None:
    """The root's prices always take too long, and nothing comes after what is done for it."""
    patch.setattr(branch_and_price, "AT_ROOT", -1.0)
    patch.setattr(branch_and_price, "NEAR", -1.0)
    patch.setattr(branch_and_price, "explored", lambda *_: iter(()))


@examples(300, 20)
@given(instance=instances())
def test_the_program_ends_what_the_root_does_not(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    with pytest.MonkeyPatch.context() as patch:
        root_alone(patch)
        result = solve(instance, Budget(time_limit=1e6))
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    if optimum > 1e-6:
        assert result.status is Status.OPTIMAL


def test_an_interrupted_program_leaves_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = generate(Setting(devices=6, applications=("layered-10",), capacity=5), seed=3)
    ask, asked = arrays.solve, []

    def interrupted(instance: Instance, budget: Budget[Solution]) -> Result:
        asked.append(replace(ask(instance, budget), termination=Termination.INTERRUPTED))
        return asked[-1]

    root_alone(monkeypatch)
    monkeypatch.setattr(arrays, "solve", interrupted)
    result = solve(instance, Budget(time_limit=1e6))
    assert [told.termination for told in asked] == [result.termination] == [Termination.INTERRUPTED]
    assert result.objective <= asked[0].objective
    assert result.lower_bound == pytest.approx(asked[0].lower_bound, rel=1e-9)


@pytest.mark.parametrize(
    "name", ["wfinstances-sarek-m008-measured", "wfinstances-methylseq-m005-measured", "dense", "wide"]
)
def test_no_later_than_prices_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the program's relaxation, a root that takes all the time leaves no worse a solution than
    method ``price`` has."""
    drawn = {"dense": ("layered-10", 12), "wide": ("series-parallel-15", 15)}
    if name in drawn:
        application, devices = drawn[name]
        instance = generate(Setting(devices=devices, applications=(application,), capacity=5), seed=1)
    else:
        instance = library(name)

    def endless(*_: Any, **__: Any) -> None:
        raise OutOfTime

    other = find("price").load()(instance, Budget())
    monkeypatch.setattr(branch_and_price, "SOON", 0.0)
    monkeypatch.setattr(branch_and_price, "PROGRAMMED", 0)
    monkeypatch.setattr(branch_and_price._Search, "_bound", endless)
    result = solve(instance, Budget(time_limit=1e6))
    assert result.termination is Termination.TIME_LIMIT
    assert result.objective <= other.objective * (1 + 1e-12)
    assert other.lower_bound is not None and result.lower_bound is not None
    assert result.lower_bound >= other.lower_bound * (1 - 1e-9)
