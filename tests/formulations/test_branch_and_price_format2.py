"""Branch-and-price on format 2: optima and proofs of infeasibility, certificates before the checker."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute2 import optimum
from counts import count, examples
from folders import DATA
from format2 import assignment, random_format2
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from offloadlib import check, load
from offloadlib.formulations.proofs.nodes import Proof
from offloadlib.formulations.structured.certificate import WHOLE, Charge, write_certificate
from offloadlib.formulations.structured.decomposition.branch_and_price import prove, solve
from offloadlib.formulations.structured.limited import branch_and_price
from offloadlib.formulations.structured.limited.balance import KnownColumns
from offloadlib.formulations.structured.limited.branch_and_price import BranchAndPrice, solve_by_prices
from offloadlib.formulations.structured.limited.columns import valued
from offloadlib.formulations.structured.limited.exchange import exchanged
from offloadlib.formulations.structured.limited.lagrangian import Lagrangian
from offloadlib.formulations.structured.limited.settling import settled
from offloadlib.formulations.structured.milp import arrays
from offloadlib.instances import Budget, Result, Status, Termination, evaluate, write, write_solution
from offloadlib.instances.importers import ImportSetting, import_graphs
from offloadlib.instances.structured.form import from_document
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.instance import Instance
from offloadlib.instances.structured.limits import Limits

SEEDS = st.integers(0, 2**31 - 1)


def _limited(document: dict[str, Any]) -> Instance | None:
    instance = from_document(document)
    return instance if instance.version == 2 else None


@examples(2000, 60)
@given(seed=SEEDS)
def test_equals_brute_force(seed: int) -> None:
    document = random_format2(seed)
    instance, best = _limited(document), optimum(document)
    if instance is None:
        return
    result = solve(instance, Budget())
    if best is None:
        assert result.status is Status.INFEASIBLE
        assert result.run["reasons"]
        return
    cost = float(best[0])
    assert result.objective == pytest.approx(cost, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= cost + 1e-12 * max(abs(cost), 1.0)
    assert cost - result.lower_bound <= 1e-9 * max(abs(cost), 1e-3)


@pytest.mark.parametrize("objective", ["sum", "max"])
@pytest.mark.parametrize("seed", [7, 12, 16, 17, *range(100, count(300, 104))])
def test_refusals_that_are_to_be_avoided_are_paid_where_they_have_to_be(objective: str, seed: int) -> None:
    """By ``max``, artificial columns were cheaper than such a refusal: nothing was left to branch on."""
    document = random_format2(seed, max_subtasks=3)
    document["cost"]["objective"] = objective
    for device in document["devices"]:
        device["rejection"] = 1e9
    instance, best = _limited(document), optimum(document)
    assert instance is not None
    assert best is not None
    result = solve(instance, Budget())
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(float(best[0]), rel=1e-9)


@pytest.mark.parametrize("method", [solve, solve_by_prices])
def test_the_largest_cost_of_many_devices_is_found_below_ceilings(
    method: Callable[[Instance, Budget], Result],
) -> None:
    """Without ceilings nothing better than all-local was found, whose largest cost is 1."""
    given = load("paper-m040")
    assert isinstance(given, Instance)
    instance = replace(given, objective="max")
    result = method(instance, Budget(time_limit=60))
    assert result.status is Status.OPTIMAL
    assert evaluate(instance, result.solution).feasible
    assert result.objective == pytest.approx(arrays.solve(instance, Budget()).objective, rel=1e-9)
    assert result.objective < 1


def test_an_optimum_of_nothing_is_called_one() -> None:
    document = random_format2(33)
    best = optimum(document)
    assert best is not None
    assert best[0] == 0
    assert solve(from_document(document), Budget()).status is Status.OPTIMAL


@examples(1000, 30)
@given(seed=SEEDS)
def test_prices_alone_claim_nothing_that_is_not_so(seed: int) -> None:
    _claims_nothing_false(random_format2(seed), solve_by_prices, 1e-9)


def _claims_nothing_false(
    document: dict[str, Any], method: Callable[[Instance, Budget], Result], rounding: float
) -> None:
    """A method that need not end with an optimum, against brute force."""
    instance, best = _limited(document), optimum(document)
    if instance is None:
        return
    result = method(instance, Budget())
    if best is None:
        assert result.solution is None
        return
    cost = float(best[0])
    slack = rounding * max(abs(cost), 1.0)
    assert result.status is not Status.INFEASIBLE
    assert result.solution is None or evaluate(instance, result.solution).feasible
    assert result.objective >= cost - slack
    assert result.lower_bound is None or result.lower_bound <= cost + slack


def _verdict(instance: Instance, proof: Proof[Any], folder: Path) -> check.Verdict:
    bound = proof.certificate.lower_bound
    result = Result.of(instance, proof.solution, 0.0, bound)
    names = folder / "instance.json", folder / "solution.json", folder / "proof.json"
    write(instance, names[0])
    write_solution(result.stored("branch-and-price"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    return check.check(*names)


@examples(2000, 40)
@given(seed=SEEDS)
def test_certificates_are_accepted(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    document = random_format2(seed)
    instance = _limited(document)
    if instance is None:
        return
    proof = prove(instance, None, Budget())
    assert (proof.certificate.lower_bound == math.inf) == (optimum(document) is None)
    verdict = _verdict(instance, proof, tmp_path_factory.mktemp("proof"))
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]


def test_a_limit_that_is_met_by_a_hair_less_is_broken(tmp_path: Path) -> None:
    """0.1 and 0.2 do not fit into 0.3: only branches, or prices without tolerance, show it."""
    document = random_format2(1, ())
    subtasks = document["applications"][0]["subtasks"][:1]
    document["applications"] = [{"id": "app1", "subtasks": subtasks, "edges": []}]
    point = document["offload_points"][0] | {"capacity": {"memory": 0.3}}
    user = {
        **{"application": "app1", "cpu": 1.0, "connected_to": point["id"], "alpha": 0.5},
        **{"power": {"execute": 1.0, "send": 1.0, "receive": 1.0}},
        **{"work": [1.0], "input": [1.0], "output": [1.0], "allowed": {subtasks[0]: [point["id"]]}},
    }
    document |= {
        "resources": ["memory"],
        "offload_points": [point],
        "devices": [
            user | {"id": "one", "demand": {"memory": [0.1]}},
            user | {"id": "two", "demand": {"memory": [0.2]}},
        ],
    }
    instance = from_document(document)
    assert optimum(document) is None
    proof = prove(instance, None, Budget())
    assert proof.certificate.lower_bound == math.inf
    assert proof.told["reasons"] == [f"limit that cannot be kept: memory of {point['id']!r}"]
    assert _verdict(instance, proof, tmp_path).accepted


@pytest.mark.parametrize("seed", range(20))
def test_any_charge_is_a_bound(seed: int) -> None:
    """Whatever the prices and shares: what they prove is no more than the optimum."""
    document = random_format2(seed)
    instance, best = _limited(document), optimum(document)
    if instance is None or best is None:
        return
    lagrangian = Lagrangian(Limits(instance))
    prices = [((7 * i + seed) % 5) / 4 for i in range(len(lagrangian.limits))]
    shares = None
    if instance.by_largest:
        shares = lagrangian.shares(1.0 + lagrangian.free().prices.sum() + _weights(instance, seed))
        assert shares.sum() == WHOLE
    charge = Charge(lagrangian.right * 0 + prices, shares)
    charge.prices[[i for i in range(len(prices)) if i not in lagrangian.finite]] = 0.0
    assert lagrangian.evaluate(charge).bound <= float(best[0])


def _weights(instance: Instance, seed: int) -> Any:
    return (seed + Limits(instance).radio * 3 + 2) % 7


@examples(300, 20)
@given(seed=SEEDS)
def test_where_all_decisions_are_listed_the_claim_is_what_the_tree_proves(seed: int) -> None:
    """Assignment problems of a size that the root does not settle."""
    rng = np.random.default_rng(seed)
    agents, jobs = 3, 9
    uses = rng.integers(3, 12, (agents, jobs))
    capacities = (0.9 * uses.sum(axis=1) / agents).astype(int)
    costs = 20 - uses + rng.integers(-2, 3, (agents, jobs))
    instance = assignment(costs.tolist(), uses.tolist(), capacities.tolist())
    result, proof = solve(instance, Budget()), prove(instance, None, Budget())
    if proof.solution is None:
        assert result.status is Status.INFEASIBLE
        return
    assert result.objective == proof.objective
    assert result.lower_bound == pytest.approx(proof.certificate.lower_bound, rel=1e-8)
    assert result.lower_bound is not None
    assert result.lower_bound <= result.objective


def _begun(seed: int) -> tuple[BranchAndPrice, Charge] | None:
    """A search that has begun, and its rough prices, where it has a solution."""
    document = random_format2(seed, {"resources", "demand", "rejection"}, max_devices=12, max_points=4)
    search = BranchAndPrice(from_document(document), None, Budget(seed=seed))
    charge = search.begin()
    return None if charge is None or search.solution is None else (search, charge)


def _keeps_all_limits(search: BranchAndPrice, chosen: Any) -> None:
    """A choice is one known column for each device, and within all limits."""
    columns = search._known.columns
    np.testing.assert_array_equal(columns.device[chosen], np.arange(search.instance.num_devices))
    used = np.asarray(columns.use[chosen].sum(axis=0))
    assert (used <= search._known.limits.right + 1e-9).all()


@pytest.mark.parametrize("seed", range(count(200, 20)))
def test_exchanges_keep_all_limits(seed: int) -> None:
    if (begun := _begun(seed)) is None:
        return
    search, charge = begun
    lagrangian, columns = search.lagrangian, search._known.columns
    assert search.solution is not None
    chosen = columns.of(search._known.limits.table(search.solution))
    prices = np.maximum(charge.prices, 0.01) * np.isfinite(search._known.limits.right)
    best = exchanged(lagrangian, columns, prices, chosen, 1.0, seed)
    if best is not None:
        _keeps_all_limits(search, best)


@pytest.mark.parametrize("seed", range(count(200, 20)))
def test_settling_keeps_all_limits(seed: int) -> None:
    """Where it says so; else it is a known column for each device all the same."""
    if (begun := _begun(seed)) is None or not begun[0].lagrangian.finite.size:
        return
    search, charge = begun
    columns = search._known.columns
    best, kept = settled(search.lagrangian, columns, charge.prices, lambda: False, seed)
    np.testing.assert_array_equal(columns.device[best], np.arange(search.instance.num_devices))
    if kept:
        _keeps_all_limits(search, best)


def test_settling_fits_many_devices_into_the_limits() -> None:
    """Each device takes one of 20 units, or pays for going without: those pay that save least."""
    draw = np.random.default_rng(1)
    worth = draw.permutation(np.arange(1, 101))
    instance = assignment([[0] * 100, worth.tolist()], [[1] * 100, [1] * 100], [20, 100])
    search = BranchAndPrice(instance, None, Budget())
    search.begin()
    columns = search._known.columns
    for at in (0, 1):  # each device knows both
        table = np.full_like(columns.table[:100], at)
        search._known.add(
            valued(search._known.limits, search._known.limits.solution(table)), np.ones(100, bool)
        )
    price = np.zeros(len(search._known.limits))
    price[search.lagrangian.finite[0]] = 80.5
    best, kept = settled(search.lagrangian, columns, price, lambda: False)
    assert kept
    assert columns.cost[best].sum() == np.arange(1, 81).sum()


@pytest.fixture
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three devices are very many, and two of them are a sample."""
    monkeypatch.setattr(branch_and_price, "LARGE", 2)
    monkeypatch.setattr(branch_and_price, "SAMPLE", 2)


@pytest.mark.usefixtures("few_are_many")
@pytest.mark.parametrize("seed", range(count(1000, 40)))
def test_very_many_devices_claim_nothing_that_is_not_so(seed: int) -> None:
    _claims_nothing_false(random_format2(seed, max_devices=5, max_subtasks=3), solve, 1e-12)


@pytest.mark.usefixtures("few_are_many")
def test_very_many_devices_share_tight_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_and_price, "LARGE", 60)
    monkeypatch.setattr(branch_and_price, "SAMPLE", 60)
    draw = np.random.default_rng(1)
    costs, uses = draw.integers(10, 50, (6, 240)).tolist(), draw.integers(1, 9, (6, 240)).tolist()
    crowded = assignment(costs, uses, [150] * 6)
    result = solve(crowded, Budget(gap=1e-2, time_limit=60.0))
    assert result.gap is not None
    assert result.gap <= 1e-2
    assert crowded.evaluate(result.solution).feasible


@pytest.mark.parametrize(("seconds", "why"), [(0.0, Termination.TIME_LIMIT), (math.inf, Termination.STALLED)])
def test_a_search_that_time_has_ended_says_so(seconds: float, why: Termination) -> None:
    instance = assignment([[1, 2]], [[1, 1]], [1])
    search = BranchAndPrice(instance, None, Budget(time_limit=seconds))
    assert search._ended() is why


@pytest.mark.parametrize("seed", range(count(8, 2)))
def test_very_many_devices_have_a_solution_whatever_gap_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Points differ little, so that all devices change their minds at once, and limits are tight."""
    monkeypatch.setattr(branch_and_price, "LARGE", 100)
    monkeypatch.setattr(branch_and_price, "SAMPLE", 60)
    monkeypatch.setattr(branch_and_price, "HALFWAY", 0.02)
    setting = Setting(
        devices=300,
        offload_points=12,
        capacity=900,
        applications=("chain-3", "face"),
        resources=("cores", "memory"),
        demand=(1.0, 4.0),
        room=(40.0, 80.0),
        deadline=(1.0, 1.6),
    )
    instance = generate(setting, seed=seed)
    result = solve(instance, Budget(gap=1e-7, time_limit=60.0))
    assert result.lower_bound is not None
    assert result.lower_bound <= result.objective < math.inf
    assert instance.evaluate(result.solution).feasible


@given(SEEDS, st.floats(1e-3, 1.0))
@examples(100, 20)
def test_a_smoothed_minimum_is_a_little_less(seed: int, smooth: float) -> None:
    draw = np.random.default_rng(seed)
    count = draw.integers(1, 5, 6)
    first, columns = np.append(0, np.cumsum(count)[:-1]), int(count.sum())
    known = KnownColumns(first, draw.random(columns), csr_array(draw.random((columns, 3))))
    prices = draw.random(3)
    exact, found = known.wanted(prices), known.wanted(prices, smooth)
    assert exact.value - smooth * np.log(count).sum() - 1e-9 <= found.value <= exact.value + 1e-9
    np.testing.assert_allclose(np.add.reduceat(found.weights, first), 1.0)
    # A concave function lies below its tangents, whose slope is the use.
    other = draw.random(3)
    assert known.wanted(other, smooth).value <= found.value + found.use @ (other - prices) + 1e-9


@pytest.mark.skipif(not (DATA / "wfinstances").is_dir(), reason="needs the shared data")
def test_a_device_without_any_known_decision() -> None:
    """A wide workflow that is late by a few seconds: its search ends with neither a decision nor a column."""
    setting = ImportSetting(devices=6, offload_points=3, capacity=30, deadline=(0.7, 1.1))
    path = DATA / "wfinstances" / "sarek-dirt02-001.json"
    instance, _ = import_graphs("wfformat", [path], setting=setting, seed=1)
    document, late = instance.to_dict(), 0
    for device in document["devices"]:
        alone = from_document({**document, "devices": [device]})
        result = solve(alone, Budget(time_limit=10))
        if result.status is Status.INFEASIBLE:
            (reason,) = result.run["reasons"]
            limit, fastest = (float(word) for word in re.findall(r"([0-9.e+-]+) s\b", reason))
            assert fastest > limit
            late += 1
    assert late > 0
