"""The dual in the prices alone and the solutions made from it, against brute force and column generation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from strategies import instances

from offloadlib import check
from offloadlib.formulations.structured.certificate import Charged, write_certificate
from offloadlib.formulations.structured.decomposition import branch_and_price, city, moves, pricing
from offloadlib.formulations.structured.decomposition.city import City
from offloadlib.formulations.structured.decomposition.dual import Dual
from offloadlib.formulations.structured.decomposition.limits import PricedLimits
from offloadlib.formulations.structured.decomposition.master import Master, Node
from offloadlib.formulations.structured.decomposition.pricing import Prices, price
from offloadlib.heuristics.structured import gsod
from offloadlib.instances import (
    Budget,
    Instance,
    Progress,
    Solution,
    Termination,
    evaluate,
    write,
    write_solution,
)
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.subset import subset


@pytest.fixture(autouse=True)
def short_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core program may take half a second."""
    monkeypatch.setattr(city, "CORE_SECONDS", 0.5)


def closed(instance: Instance, **options: object) -> city.Closed:
    return City(instance, Solution.all_local(instance), Budget(**options)).run()  # type: ignore[arg-type]


@examples(600, 12)
@given(instance=instances())
def test_bounds_and_incumbents_enclose_the_optimum(instance: Instance) -> None:
    """Every bound on the way is at most the optimum, every incumbent at least."""
    optimum, _ = brute_force(instance)
    events: list[Progress] = []
    result = closed(instance, on_progress=events.append)
    assert evaluate(instance, result.solution).feasible
    for objective, bound in [
        (result.objective, result.lower_bound),
        *((event.objective, event.lower_bound) for event in events),
    ]:
        assert objective is not None
        assert bound is not None
        assert objective >= optimum * (1 - 1e-12) - 1e-12
        assert bound <= optimum * (1 + 1e-12) + 1e-300


SETTINGS = {
    "face": Setting(devices=150, offload_points=6, capacity=40),
    "channels": Setting(devices=120, offload_points=5, capacity=60, channels=9),
    "unconnected": Setting(devices=120, offload_points=5, capacity=30, unconnected=0.3),
    "applications": Setting(devices=90, capacity=12, applications=("face", "chain-4", "fork-join-4")),
    "equal points": Setting(devices=150, offload_points=6, capacity=40, point_cpu=(2.0, 2.0)),
}


def column_generation(instance: Instance) -> float:
    master = Master(instance, evaluate(instance, Solution.all_local(instance)).total)
    master.add(Solution.all_local(instance))
    return master.generate(None, Node(-np.inf, Prices.zero(instance)), np.inf, lambda: False).bound


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_equals_column_generation(setting: Setting) -> None:
    instance = generate(setting, seed=2)
    expected = column_generation(instance)
    dual = Dual(PricedLimits(instance), lambda: False)
    dual.maximise(instance.num_devices, seed=0)
    assert dual.bound == pytest.approx(expected, rel=1e-6)


def test_a_sample_comes_close() -> None:
    instance = generate(Setting(devices=1500, offload_points=6, capacity=400), seed=4)
    dual = Dual(PricedLimits(instance), lambda: False)
    dual.maximise(150, seed=0)
    assert dual.evaluations < 20
    expected = Dual(PricedLimits(instance), lambda: False)
    expected.maximise(1500, seed=0)
    assert dual.bound <= expected.bound * (1 + 1e-9)
    assert dual.bound == pytest.approx(expected.bound, rel=1e-4)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_the_gap_is_small(setting: Setting) -> None:
    result = closed(generate(setting, seed=3), gap=1e-4)
    assert result.objective - result.lower_bound <= 2e-3 * result.objective


def test_a_sample_prices_its_devices_as_the_whole_does() -> None:
    setting = SETTINGS["applications"]
    instance = generate(setting, seed=1)
    limits = PricedLimits(instance)
    members = np.array([1, 5, 8, 30, 77])
    vector = limits.rounded(np.full(len(limits), 0.05))
    part = PricedLimits(subset(instance, members))
    np.testing.assert_array_equal(part.lagrangian(vector)[1], limits.lagrangian(vector)[1][members])


@pytest.fixture
def small_cities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Branch-and-price treats every instance as a city."""
    monkeypatch.setattr(city, "LARGE", 1)
    monkeypatch.setattr(city, "ALONE", 1)
    monkeypatch.setattr(city, "FIRST", 30)
    monkeypatch.setattr(city, "SAMPLES", (60, 100))


@pytest.mark.usefixtures("small_cities")
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_certificates_are_accepted(setting: Setting, tmp_path: Path) -> None:
    instance = generate(setting, seed=5)
    start = Solution.all_local(instance)
    result = branch_and_price.solve(instance, Budget())
    proof = branch_and_price.prove(instance, start, Budget())
    names = tmp_path / "instance.json", tmp_path / "a.sol.json", tmp_path / "a.cert.json"
    write(instance, names[0])
    write_solution(result.stored("branch-and-price"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    assert len(proof.certificate.nodes) == 1
    verdict = check.check(*names)
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]


@pytest.mark.usefixtures("small_cities")
def test_interrupted_at_any_moment() -> None:
    instance = generate(SETTINGS["channels"], seed=6)
    whole = branch_and_price.solve(instance, Budget(gap=1e-6))
    count = 0
    while True:
        left = count

        def interrupt(event: Progress) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt

        result = branch_and_price.solve(instance, Budget(gap=1e-6, on_progress=interrupt))
        assert result.lower_bound is not None
        assert result.lower_bound <= whole.objective * (1 + 1e-12)
        assert whole.lower_bound is not None
        assert result.objective >= whole.lower_bound
        if result.termination is not Termination.INTERRUPTED:
            break
        count += 1 + count // 3
    assert count > 3


@pytest.mark.usefixtures("small_cities")
def test_what_one_set_of_prices_leaves_open_is_branched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    instance = generate(Setting(devices=40, offload_points=4, capacity=10), seed=10)
    alone = branch_and_price.prove(instance, Solution.all_local(instance), Budget())
    assert alone.termination is Termination.STALLED
    monkeypatch.setattr(city, "ALONE", 1000)
    both = branch_and_price.prove(instance, Solution.all_local(instance), Budget())
    assert both.termination is Termination.FINISHED
    assert alone.certificate.lower_bound < both.certificate.lower_bound <= both.objective <= alone.objective
    assert both.objective - both.certificate.lower_bound <= 1e-9 * both.objective


@pytest.mark.usefixtures("small_cities")
@pytest.mark.parametrize("interrupt", [False, True], ids=["time limit", "Ctrl-C"])
def test_stopped_within_an_evaluation(monkeypatch: pytest.MonkeyPatch, interrupt: bool) -> None:
    """The clock is read every few devices; wherever it stops the search, what is known then is valid."""
    monkeypatch.setattr(pricing, "LABELLED", 10)
    monkeypatch.setattr(moves, "LOOKED_AT", 10)
    instance = generate(SETTINGS["channels"], seed=6)
    right = PricedLimits(instance).right
    start = gsod.solve_difference(instance, Budget()).solution
    whole = branch_and_price.prove(instance, start, Budget(gap=1e-3))
    stops, calls = 0, 1
    while True:
        left = calls

        def late(self: City) -> bool:
            nonlocal left
            left -= 1
            if left < 0 and interrupt:
                raise KeyboardInterrupt
            return left < 0

        monkeypatch.setattr(City, "late", late)
        proof = branch_and_price.prove(instance, start, Budget(gap=1e-3))
        evaluation = evaluate(instance, proof.solution)
        assert evaluation.feasible
        assert whole.certificate.lower_bound <= evaluation.total <= evaluate(instance, start).total
        bound = proof.certificate.lower_bound
        assert bound <= whole.objective
        leaf = proof.certificate.nodes[0]
        assert isinstance(leaf, Charged)
        prices = leaf.prices
        paid = np.concatenate([prices.capacity, prices.channels]) @ right
        assert bound <= float(price(instance, prices).value.sum() - paid) * (1 + 1e-12)
        if proof.termination is Termination.FINISHED:
            break
        assert proof.termination is (Termination.INTERRUPTED if interrupt else Termination.TIME_LIMIT)
        stops, calls = stops + 1, calls + 1 + calls // 5
    assert stops > 5


def test_interrupted_before_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(city, "LARGE", 1)
    monkeypatch.setattr(city, "PricedLimits", interrupt)
    instance = generate(SETTINGS["face"], seed=1)
    result = branch_and_price.solve(instance, Budget())
    assert result.termination is Termination.INTERRUPTED
    assert result.objective == pytest.approx(evaluate(instance, Solution.all_local(instance)).total)
    assert result.lower_bound == simple_bound(instance)


@pytest.mark.usefixtures("small_cities")
def test_the_time_limit_holds() -> None:
    instance = generate(SETTINGS["face"], seed=7)
    for limit in (1e-9, 0.02, 0.1):
        result = branch_and_price.solve(instance, Budget(time_limit=limit))
        assert evaluate(instance, result.solution).feasible
        assert result.lower_bound is not None
        assert result.lower_bound <= result.objective


def test_equal_seeds_give_equal_answers() -> None:
    instance = generate(SETTINGS["applications"], seed=8)
    one, two = closed(instance, seed=3, gap=1e-2), closed(instance, seed=3, gap=1e-2)
    assert one.objective == two.objective
    assert one.lower_bound == two.lower_bound
    for x, y in zip(one.solution.places, two.solution.places, strict=True):
        assert np.array_equal(x, y)
