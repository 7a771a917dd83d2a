"""The dual in the prices alone and the solutions made from it, against brute force and column generation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brute import brute_force
from hypothesis import given, settings
from strategies import instances

from formulations.certificate import write_certificate
from formulations.decomposition import branch_and_price, city
from formulations.decomposition.city import City
from formulations.decomposition.dual import Dual
from formulations.decomposition.limits import Limits
from formulations.decomposition.master import Master
from formulations.decomposition.pricing import Prices
from instances import Budget, Instance, Progress, Solution, Termination, evaluate, write, write_solution
from instances.generate import Setting, generate
from instances.subset import subset
from offloadlib import check


@pytest.fixture(autouse=True)
def short_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A core program may take half a second."""
    monkeypatch.setattr(city, "CORE_SECONDS", 0.5)


def closed(instance: Instance, **options: object) -> city.Closed:
    return City(instance, Solution.all_local(instance), Budget(**options)).run()  # type: ignore[arg-type]


def between(instance: Instance) -> None:
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


@settings(max_examples=60, deadline=None)
@given(instance=instances())
def test_bounds_and_incumbents_enclose_the_optimum(instance: Instance) -> None:
    between(instance)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(instance=instances())
def test_bounds_and_incumbents_enclose_the_optimum_many(instance: Instance) -> None:
    between(instance)


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
    return master.generate(None, Prices.zero(instance), np.inf, lambda: False).bound


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_equals_column_generation(setting: Setting) -> None:
    instance = generate(setting, seed=2)
    expected = column_generation(instance)
    dual = Dual(Limits(instance), lambda: False)
    dual.maximise(instance.num_devices, seed=0)
    assert dual.bound == pytest.approx(expected, rel=1e-6)


def test_a_sample_comes_close() -> None:
    instance = generate(Setting(devices=1500, offload_points=6, capacity=400), seed=4)
    dual = Dual(Limits(instance), lambda: False)
    dual.maximise(150, seed=0)
    assert dual.evaluations < 20
    expected = Dual(Limits(instance), lambda: False)
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
    limits = Limits(instance)
    members = np.array([1, 5, 8, 30, 77])
    vector = limits.rounded(np.full(len(limits), 0.05))
    part = Limits(subset(instance, members))
    np.testing.assert_array_equal(part.lagrangian(vector)[1], limits.lagrangian(vector)[1][members])


@pytest.fixture
def small_cities(monkeypatch: pytest.MonkeyPatch) -> None:
    """Branch-and-price treats every instance as a city."""
    monkeypatch.setattr(city, "LARGE", 1)
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
