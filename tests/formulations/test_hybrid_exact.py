"""The exact methods of the hybrid problem against enumeration, and their certificates against the checker."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import highspy
import numpy as np
import pytest
from counts import count, examples
from hybrid_strategies import instances as hybrid_instances
from hypothesis import given
from hypothesis import strategies as st

from offloadlib import check
from offloadlib.formulations.engine import highs
from offloadlib.formulations.hybrid import lagrangian, milp
from offloadlib.formulations.hybrid.certificate import Place, Units, write_certificate
from offloadlib.formulations.hybrid.kernels import least_costs
from offloadlib.formulations.hybrid.patterns import all_patterns, menu, obstacle
from offloadlib.formulations.hybrid.whole_units import whole_units
from offloadlib.formulations.proofs.nodes import Divided, Proof
from offloadlib.instances import Budget, Result, Status, Termination, write, write_solution
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, Parameters, loads
from offloadlib.instances.hybrid.cost import device_costs
from offloadlib.instances.hybrid.enumeration import best_decision
from offloadlib.instances.hybrid.split import costs

Method = Callable[[HybridInstance, Budget], Result]


def drawn(devices: int, seed: int, tasks: int = 3, **parameters: float) -> HybridInstance:
    """An instance with whole sizes in units of 2^23 bits, as the source has them."""
    rng = np.random.default_rng(seed)
    sizes = 8.388608 * rng.integers(10, 31, (devices, tasks)).astype(np.float64)
    ids = tuple(f"d{i + 1}" for i in range(devices))
    return HybridInstance("drawn", ids, sizes, np.ones(devices), Parameters(**parameters))


def optimum(instance: HybridInstance) -> float:
    """The least cost over all decisions, each with its best split."""
    return best_decision(instance, instance.places)[1]


def lagrangian_agrees(instance: HybridInstance) -> Result:
    best = optimum(instance)
    result = lagrangian.solve(instance, Budget())
    assert result.objective == pytest.approx(best, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= best * (1 + 1e-14)
    assert result.termination is Termination.FINISHED
    if best > 1e-6:
        assert result.status is Status.OPTIMAL
    return result


@examples(1000, 30)
@given(instance=hybrid_instances(most_tasks=count(8, 6)))
def test_the_dual_equals_enumeration(instance: HybridInstance) -> None:
    lagrangian_agrees(instance)


@examples(60)
@given(instance=hybrid_instances(extreme=True))
def test_extreme_numbers(instance: HybridInstance, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Sizes, speeds and prices from 1e-9 to 1e9: the bound is valid, and certified where it is optimal."""
    best = optimum(instance)
    result = lagrangian.solve(instance, Budget())
    assert result.objective == pytest.approx(best, rel=1e-9)
    assert result.lower_bound is not None
    assert result.lower_bound <= best * (1 + 1e-14)
    assert result.termination is Termination.FINISHED
    assert not rejections(files(instance, tmp_path_factory.mktemp("extreme")))


@st.composite
def in_units(draw: st.DrawFn) -> HybridInstance:
    """Instances with sizes in whole units, some with little bandwidth for many devices, some with twins."""
    devices, tasks = draw(st.sampled_from([(2, 3), (3, 2), (4, 2), (8, 1), (1, 5)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**31 - 1)))
    most = draw(st.sampled_from([3, 10, 31]))
    sizes = 8.388608 * rng.integers(0, most, (devices, tasks)).astype(np.float64)
    weight = np.ones(devices) if draw(st.booleans()) else rng.uniform(0.5, 2.0, devices)
    if draw(st.booleans()):
        sizes[1:] = sizes[:1]
    prices = draw(st.sampled_from([(0.15, 0.15), (0.15, 0.1), (0.0, 0.4)]))
    bandwidth = float(rng.uniform(0.5, 12.0) * devices)
    parameters = Parameters(bandwidth=bandwidth, price_e=prices[0], price_c=prices[1])
    return HybridInstance("units", tuple(f"d{i}" for i in range(devices)), sizes, weight, parameters)


def branches(proof: Proof[Any]) -> list[Any]:
    """Of the tree of its certificate."""
    return [node.branch for node in proof.certificate.nodes if isinstance(node, Divided)]


def units_agree(instance: HybridInstance, folder: Path) -> int:
    """Without a tree on tasks first: the optimum, and an accepted certificate. Its branches on units."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lagrangian, "MOST_TASKS", 0)
        lagrangian_agrees(instance)
        assert not rejections(files(instance, folder))
        proof = lagrangian.prove(instance, HybridSolution.all_local(instance), Budget())
    return sum(isinstance(branch, Units) for branch in branches(proof))


@examples(1000, 6)
@given(instance=in_units())
def test_branches_on_units_equal_enumeration(
    instance: HybridInstance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    units_agree(instance, tmp_path_factory.mktemp("units"))


@pytest.mark.parametrize("seed", [1, 2])
def test_certificates_with_units_are_accepted_and_mutated_ones_are_not(seed: int, tmp_path: Path) -> None:
    """100 devices with an uplink for a few: branches on tasks alone leave a gap."""
    instance = drawn(100, seed)
    proof = lagrangian.prove(instance, HybridSolution.all_local(instance), Budget(gap=1e-6))
    assert any(isinstance(branch, Units) for branch in branches(proof))
    result = Result.of(instance, proof.solution, 0.0, proof.certificate.lower_bound)
    assert result.gap is not None and result.gap <= 1e-6
    names = tmp_path / "i.json", tmp_path / "s.json", tmp_path / "c.json"
    write(instance, names[0])
    write_solution(result.stored("lagrangian"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    assert not rejections(names)
    document = json.loads(names[2].read_text())

    def mutated(change: Callable[[dict[str, Any]], object]) -> bool:
        changed = json.loads(json.dumps(document))
        change(changed)
        names[2].write_text(json.dumps(changed))
        return bool(rejections(names))

    def change(what: str, node: int, values: dict[str, Any], file: dict[str, Any]) -> None:
        file["nodes"][node][what].update(values)

    first = next(i for i, node in enumerate(document["nodes"]) if "units" in node.get("branch", {}))
    units = document["nodes"][first]["branch"]["units"]
    tolls = [i for i, node in enumerate(document["nodes"]) if "units" in node.get("prices", {})]
    assert tolls
    # A branch that says less on one side says more on the other one: one of the two leaves loses its bound.
    for other in (units - 30, units + 30):
        assert mutated(partial(change, "branch", first, {"units": other}))
    assert mutated(lambda file: file.pop("units"))
    assert mutated(lambda file: file["units"]["d1"].pop())
    for i in tolls[:2]:
        toll = float(document["nodes"][i]["prices"]["units"])
        for factor in (-1.0, 0.5, 2.0):
            prices = {"units": repr(factor * toll)}
            assert mutated(partial(change, "prices", i, prices))


def test_whole_units() -> None:
    rng = np.random.default_rng(1)
    for unit in (8.388608, 0.1, 1.0, 1e-7, 3e8, 1 / 3):
        whole = rng.integers(0, 40, (7, 3))
        found = whole_units((unit * whole).astype(np.float64))
        assert found is not None
        assert (found * np.gcd.reduce(whole.ravel()) == whole).all()
    assert whole_units(np.zeros((2, 2))) is None
    assert whole_units(rng.uniform(10.0, 30.0, (3, 3))) is None


@examples(500, 3)
@given(instance=hybrid_instances(most_tasks=count(6, 4)))
def test_the_milp_equals_enumeration(instance: HybridInstance) -> None:
    best = optimum(instance)
    result = milp.solve(instance, Budget())
    assert result.objective == pytest.approx(best, rel=2e-6, abs=1e-9)
    assert result.lower_bound is not None
    assert result.lower_bound <= best * (1 + 1e-9) + 1e-12
    assert result.lower_bound >= best * (1 - 2e-6) - 1e-9


def files(instance: HybridInstance, folder: Path) -> tuple[Path, Path, Path]:
    """Instance, solution and certificate files of a proof."""
    result = lagrangian.solve(instance, Budget())
    proof = lagrangian.prove(instance, result.solution, Budget())
    names = folder / "instance.json", folder / "solution.sol.json", folder / "proof.cert.json"
    write(instance, names[0])
    write_solution(result.stored("lagrangian"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    return names


def rejections(names: tuple[Path, Path, Path]) -> list[check.Rule]:
    return [rule for rule in check.check(*names).rules if not rule.ok]


@examples(500, 9)
@given(instance=hybrid_instances())
def test_certificates_are_accepted(
    instance: HybridInstance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert not rejections(files(instance, tmp_path_factory.mktemp("proof")))


@pytest.mark.parametrize(("devices", "seed", "bandwidth"), [(3, 2, 100.0), (10, 1, 100.0), (30, 0, 1000.0)])
def test_trees_are_accepted_and_mutated_ones_are_not(
    devices: int, seed: int, bandwidth: float, tmp_path: Path
) -> None:
    instance = drawn(devices, seed, bandwidth=bandwidth)
    names = files(instance, tmp_path)
    assert not rejections(names)
    document = json.loads(names[2].read_text())
    leaves = [i for i, node in enumerate(document["nodes"]) if "prices" in node]
    assert len(leaves) > 1

    def mutated(change: dict[str, object], node: int | None = None) -> list[str]:
        changed = json.loads(json.dumps(document))
        (changed if node is None else changed["nodes"][node]).update(change)
        names[2].write_text(json.dumps(changed))
        return [rule.name for rule in rejections(names)]

    assert mutated({"lower_bound": repr(float(document["lower_bound"]) * (1 + 1e-8))})
    assert mutated({"nodes": document["nodes"][:-1]})
    assert mutated({"equal": 0}, 0)
    assert mutated({"prices": {"bandwidth": "-1"}}, leaves[0])
    for leaf in leaves:
        assert "claim" in mutated({"prices": {"bandwidth": "1e6"}}, leaf)


def test_thirty_devices_are_proven() -> None:
    """In every regime: who offloads is limited by the uplink, or by what it costs beyond that."""
    for seed in range(5):
        for bandwidth in (50.0, 300.0, 1000.0, 1e5):
            result = lagrangian.solve(drawn(30, seed, bandwidth=bandwidth), Budget(gap=1e-6))
            assert result.termination is Termination.FINISHED
            assert result.gap is not None and result.gap <= 1e-6


def test_a_thousand_devices_are_proven() -> None:
    result = lagrangian.solve(drawn(1000, 1, bandwidth=100_000 / 3), Budget())
    assert result.status is Status.OPTIMAL


@pytest.mark.parametrize("method", [lagrangian.solve, milp.solve])
def test_the_bound_at_the_time_limit_is_valid(method: Method) -> None:
    instance = drawn(5, 0)
    known = lagrangian.solve(instance, Budget()).objective
    for limit in (1e-9, 0.001, 0.05):
        result = method(instance, Budget(time_limit=limit))
        assert result.lower_bound is not None
        assert result.lower_bound <= known * (1 + 1e-9) <= result.objective * (1 + 2e-9)


def test_scarce_uplink_at_the_time_limit() -> None:
    """Weights and sizes of all kinds, where the gap takes long to close: whatever is returned is in order."""
    rng = np.random.default_rng(2)
    instance, seen = drawn(1000, 2), list[Any]()
    instance = replace(instance, weight=rng.uniform(0.5, 2.0, 1000))
    result = lagrangian.solve(instance, Budget(time_limit=0.3, on_progress=seen.append))
    assert result.termination is Termination.TIME_LIMIT
    assert result.gap is not None and result.gap >= 0.0
    bounds = [event.lower_bound for event in seen]
    assert bounds == sorted(bounds)
    objectives = [event.objective for event in seen]
    assert objectives == sorted(objectives, reverse=True)


@pytest.mark.parametrize("method", [lagrangian.solve, milp.solve])
def test_interrupted_at_once(method: Method) -> None:
    instance = drawn(5, 0)

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    result = method(instance, Budget(on_progress=interrupt))
    assert result.termination is Termination.INTERRUPTED
    assert result.lower_bound is not None
    assert result.lower_bound <= result.objective


def test_the_start_is_never_made_worse() -> None:
    instance = drawn(10, 1)
    best = lagrangian.solve(instance, Budget()).solution
    result = lagrangian.solve(instance, Budget(start=best, time_limit=1e-9))
    assert result.objective == instance.evaluate(best).total


@examples(60)
@given(instance=hybrid_instances(), seed=st.integers(0, 2**31 - 1))
def test_least_costs_are_those_of_the_best_split(instance: HybridInstance, seed: int) -> None:
    patterns, listed = all_patterns(instance), menu(instance)
    chosen = np.random.default_rng(seed).integers(0, len(patterns), (20, instance.num_devices))
    found = np.empty(20)
    bandwidth = instance.parameters.bandwidth
    least_costs(listed.start[:-1] + chosen, listed.curves, bandwidth, found)
    assert found == pytest.approx(costs(instance, patterns[chosen]), rel=1e-10, abs=1e-12)


@examples(60)
@given(instance=hybrid_instances(), price=st.one_of(st.just(0.0), st.floats(1e-6, 1e3)))
def test_priced_patterns_are_least_over_shares(instance: HybridInstance, price: float) -> None:
    """At the share that is claimed to be best, and at no other one less."""
    patterns, listed = all_patterns(instance), menu(instance)
    value, share = (term.reshape(instance.num_devices, -1).T for term in listed.at(price))
    load = loads(instance, patterns[:, None, :])
    finite = np.isfinite(share)
    for factor in (1.0, 0.5, 0.99, 1.01, 2.0):
        other = np.where(finite, factor * share, 1e9 * factor)
        cost = device_costs(instance, load, other) + price * other
        assert (cost >= value * (1 - 1e-12)).all()
        if factor == 1.0:
            assert cost[finite] == pytest.approx(value[finite], rel=1e-9, abs=1e-12)


@examples(30)
@given(instance=hybrid_instances())
def test_a_window_of_prices_keeps_the_cheapest(instance: HybridInstance) -> None:
    listed = menu(instance)
    near = listed.between(0.3, 1.2)
    for price in (0.3, 0.5, 0.77, 1.2):
        least = np.minimum.reduceat(listed.at(price)[0], listed.start[:-1])
        assert (np.minimum.reduceat(near.at(price)[0], near.start[:-1]) == least).all()


def test_too_many_patterns() -> None:
    assert obstacle(drawn(3, 0)) is None
    assert obstacle(drawn(3, 0, tasks=16)) is not None


def test_branches_leave_what_they_say() -> None:
    """A certificate of a scarce uplink has branches, each on a task of a device that has it."""
    instance = drawn(10, 1)
    proof = lagrangian.prove(instance, HybridSolution.all_local(instance), Budget())
    found = [branch for branch in branches(proof) if isinstance(branch, Place)]
    assert found
    assert all(branch.place in instance.places and branch.task < 3 for branch in found)


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_false_optimum_is_told_by_a_second_answer(confirmed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where costs are far apart: nothing about the first answer contradicts itself."""
    assert not milp.far_apart(drawn(3, 0))
    instance = replace(drawn(3, 0), weight=np.array([1.0, 1.0, 1e6]))
    assert milp.far_apart(instance)
    best, honest, answers = optimum(instance), highs._outcome, list[highs.Outcome]()

    def outcome(solver: Any, scale: float, *more: Any) -> highs.Outcome:
        true = honest(solver, scale, *more)
        answers.append(true)
        if len(answers) > 1 or true.values is None:
            return true
        lp = solver.getLp()
        whole = np.array([kind == highspy.HighsVarType.kInteger for kind in lp.integrality_])
        values = np.where(whole, 0.0, true.values)  # as if nothing could be offloaded
        cost = float(np.array(lp.col_cost_) @ values) / scale
        return replace(true, values=values, objective=cost, lower_bound=cost)

    monkeypatch.setattr(highs, "_outcome", outcome)
    monkeypatch.setattr(milp, "far_apart", lambda instance: confirmed)
    result = milp.solve(instance, Budget())
    assert result.lower_bound is not None and result.lower_bound <= best * (1 + 1e-9)
    assert "above a solution" in result.run["solver_errors"][0]
    if confirmed:
        assert result.objective == pytest.approx(best, rel=2e-6)
        assert result.lower_bound == pytest.approx(best, rel=2e-6)
    else:  # only the next round shows it, and the proof is lost
        assert result.termination is Termination.FAILED
