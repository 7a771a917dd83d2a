"""DDTO: what it decides, that it learns, and that stopping, saving, loading and keeping change nothing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from counts import count
from numpy.typing import NDArray
from scipy.io import loadmat

from offloadlib.formulations.hybrid import lagrangian
from offloadlib.heuristics.hybrid import learned
from offloadlib.heuristics.hybrid.ddto import Ddto, Scale, Training
from offloadlib.heuristics.hybrid.network import Networks
from offloadlib.heuristics.hybrid.schemes import equal_optimum
from offloadlib.instances import Budget, InputError, Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import HybridInstance, Parameters
from offloadlib.instances.hybrid.generate import MEBIBYTE, HybridSetting, generate, generate_frames
from offloadlib.instances.hybrid.split import costs
from offloadlib.registry import METHODS

FRAMES = 700  # learning begins at 512


@pytest.fixture(autouse=True)
def nothing_is_kept_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(learned.FOLDER, str(tmp_path / "kept"))


def system(devices: int = 2, tasks: int = 2, **parameters: float) -> HybridInstance:
    ids = tuple(f"d{i + 1}" for i in range(devices))
    sizes = np.full((devices, tasks), 8.388608 * 20)
    return HybridInstance("system", ids, sizes, np.ones(devices), Parameters(**parameters))


def frames(count: int, seed: int = 0, shape: tuple[int, int] = (2, 2)) -> Floats:
    return 8.388608 * np.random.default_rng(seed).integers(10, 31, (count, *shape)).astype(np.float64)


def decisions(learner: Ddto, seed: int = 9) -> list[list[int]]:
    return [learner.decide(sizes).places.ravel().tolist() for sizes in frames(40, seed)]


def weights(learner: Ddto) -> list[bytes]:
    return [array.tobytes() for array in learner._networks.state()]


def test_continuing_is_as_not_having_stopped(tmp_path: Path) -> None:
    data = frames(FRAMES)
    whole, parts = (Ddto(system(), Scale.of(data), Training(networks=2), seed=3) for _ in range(2))
    costs_whole = whole.train(data)
    first = parts.train(data[:557])
    assert len(first) == 557
    path = tmp_path / "learner.npz"
    parts.save(path)
    again = Ddto.load(path, system())
    rest = again.train(data[557:])
    assert np.concatenate([first, rest]).tolist() == costs_whole.tolist()
    assert weights(again) == weights(whole)
    assert decisions(again) == decisions(whole)
    assert again.frames == FRAMES


def test_the_same_seed_gives_the_same_and_another_one_not() -> None:
    data = frames(FRAMES)
    learners = [Ddto(system(), Scale.of(data), seed=seed) for seed in (5, 5, 6)]
    for learner in learners:
        learner.train(data)
    assert weights(learners[0]) == weights(learners[1]) != weights(learners[2])


def test_it_learns() -> None:
    """On frames that it has not seen, its decisions cost less than those of the same networks untrained."""
    data, test = frames(1500), frames(100, seed=1)
    learner = Ddto(system(), Scale.of(data))

    def cost() -> float:
        instances = (replace(system(), sizes=sizes) for sizes in test)
        found = sum(instance.evaluate(learner.decide(instance.sizes)).total for instance in instances)
        assert found == pytest.approx(learner.decide_all(test)[1].sum())
        return found

    before = cost()
    learner.train(data)
    assert cost() < 0.98 * before


def test_the_cheapest_candidate_is_decided() -> None:
    learner = Ddto(system(), Scale.of(frames(50)), Training(networks=4))
    for sizes in frames(20):
        instance = replace(system(), sizes=sizes)
        solution = learner.decide(sizes)
        evaluation = instance.evaluate(solution)
        assert evaluation.feasible
        candidates = learner.candidates(sizes)
        assert candidates.shape == (4, 2, 2)
        assert evaluation.total == pytest.approx(costs(instance, candidates).min(), rel=1e-12)
    many = frames(20)
    assert learner.candidates(many).tolist() == [learner.candidates(sizes).tolist() for sizes in many]


def test_without_a_cloud_nothing_goes_there() -> None:
    instance = system(r_c=0.0, f_c=0.0, price_c=0.0)
    learner = Ddto(instance, Scale.of(frames(50)))
    assert all(learner.candidates(sizes).max() <= 1 for sizes in frames(20))


def test_the_memory_forgets_the_oldest() -> None:
    learner = Ddto(system(), Scale.of(frames(50)), Training(networks=1))
    data = frames(1030)
    learner.train(data)
    inputs = learner._inputs(data)
    assert learner._values[5].tolist() == inputs[1029].tolist()
    assert learner._values[6].tolist() == inputs[6].tolist()


def networks(inputs: int = 4, outputs: int = 6, count: int = 3) -> Networks:
    return Networks(inputs, outputs, [np.random.default_rng(seed) for seed in range(count)])


def batch(count: int = 3, inputs: int = 4, outputs: int = 6) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(count, 128, inputs)).astype(np.float32)
    return values, rng.integers(0, 2, (count, 128, outputs)).astype(np.bool_)


def test_a_step_is_one_step_of_adam() -> None:
    """From zero moments every weight with a gradient moves by the rate, whatever the gradient."""
    some = networks()
    before = some.state()
    values, targets = batch()
    gradients = some.gradients(values, targets)
    some.step(values, targets, 0.02)
    after = some.state()
    assert some.steps == 1
    for old, new, gradient in zip(before[:6], after[:6], gradients, strict=True):
        moved, seen = new - old, np.abs(gradient) > 1e-5
        assert seen.any()
        assert moved[seen] == pytest.approx(-0.02 * np.sign(gradient[seen]), rel=1e-2)
    assert after[6] == pytest.approx(0.91 * gradients[0], rel=1e-4)
    assert after[12] == pytest.approx(0.001 * gradients[0] ** 2, rel=1e-4)


def test_gradients_are_those_of_the_cross_entropy() -> None:
    some, (values, targets) = networks(), batch()
    rng = np.random.default_rng(2)
    # In double precision, for differences.
    some._values = [array + rng.normal(0, 0.3, array.shape) for array in some._values]  # type: ignore[misc]
    gradients = some.gradients(values, targets)

    def loss(network: int) -> float:
        scores = some.scores(values)[network]
        return float((np.logaddexp(0, scores) - targets[network] * scores).mean())

    for layer, gradient in zip(some._values, gradients, strict=True):
        for network in range(3):
            place, differences = (network, *(size // 2 for size in gradient.shape[1:])), []
            for shift in (1e-6, -2e-6, 1e-6):
                layer[place] += shift
                differences.append(loss(network))
            assert gradient[place] == pytest.approx(
                (differences[0] - differences[1]) / 2e-6, rel=1e-3, abs=1e-7
            )


def test_networks_do_not_know_of_each_other() -> None:
    """Together they learn what each would learn alone."""
    values, targets = batch()
    together = networks()
    for _ in range(3):
        together.step(values, targets, 0.01)
    for k in range(3):
        alone = Networks(4, 6, [np.random.default_rng(k)])
        for _ in range(3):
            alone.step(values[k : k + 1], targets[k : k + 1], 0.01)
        for whole, own in zip(together.state(), alone.state(), strict=True):
            assert own[0] == pytest.approx(whole[k], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", ["networks", "memory", "enough", "interval", "batch", "rate"])
def test_training_out_of_range(name: str) -> None:
    with pytest.raises(InputError, match=name):
        Training(**{name: 0})


def test_ddlos_problem() -> None:
    """Without a cloud and with an equal split it comes near the optimum, as DDLO's own code does."""
    setting = HybridSetting(cloud_rate=None, bandwidth=12.5 * MEBIBYTE)
    data = generate_frames(setting, count(6000, 3000), seed=0)
    learner = Ddto(data[0], Scale.of(data.sizes), equal=True)
    learner.train(data.sizes[:-200])
    tests = [data[k] for k in range(len(data) - 200, len(data))]
    optima = np.array([frame.evaluate(equal_optimum(frame)).total for frame in tests])
    found = learner.decide_all(data.sizes[-200:])[1]
    assert found[:5] == pytest.approx(
        [frame.evaluate(learner.decide(frame.sizes)).total for frame in tests[:5]]
    )
    assert (found >= optima * (1 - 1e-12)).all()
    assert (optima / found).mean() > 0.97  # 0.99 after 16,000 frames


def test_it_comes_near_the_optimum() -> None:
    """The figures of docs/results/ddto.md, after fewer frames."""
    data = generate_frames(HybridSetting(), count(16_000, 4000), seed=1)
    learner = Ddto(data[0], Scale.of(data.sizes), Training(networks=10), seed=1)
    learner.train(data.sizes[:-100])
    optima = [lagrangian.solve(data[k], Budget()).objective for k in range(len(data) - 100, len(data))]
    assert (learner.decide_all(data.sizes[-100:])[1] / optima).mean() < 1.02


@pytest.mark.skipif("DDLO_DATA" not in os.environ, reason="DDLO_DATA does not name MUMT_data_3x3.mat")
def test_ddlos_own_frames() -> None:
    data = loadmat(os.environ["DDLO_DATA"])
    sizes, optima = data["task_size"].reshape(-1, 3, 3) * MEBIBYTE, data["gain_min"].ravel()
    instance = HybridInstance(
        "ddlo",
        ("a", "b", "c"),
        sizes[0],
        np.ones(3),
        Parameters(r_c=0, f_c=0, price_c=0, bandwidth=12.5 * MEBIBYTE),
    )
    for networks, least in ((3, 0.985), (10, 0.995)):
        learner = Ddto(instance, Scale.of(sizes[:16_000]), Training(networks=networks), equal=True)
        learner.train(sizes[:16_000])
        assert (optima[16_000:] / learner.decide_all(sizes[16_000:])[1]).mean() > least


def test_files_of_other_systems_and_damaged_ones(tmp_path: Path) -> None:
    learner = Ddto(system(), Scale.of(frames(50)), Training(networks=1))
    path = tmp_path / "learner.npz"
    learner.save(path)
    with pytest.raises(InputError, match="another one"):
        Ddto.load(path, system(bandwidth=50.0))
    with pytest.raises(InputError, match="No such file"):
        Ddto.load(tmp_path / "missing.npz", system())
    whole = path.read_bytes()
    for damaged in (b"", b"text", whole[: len(whole) // 2]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="damaged"):
            Ddto.load(path, system())
    np.savez(path, header=np.array(json.dumps({"format": "other", "version": 1})))
    with pytest.raises(InputError, match="is not a"):
        Ddto.load(path, system())


def test_the_method(little_learning: None) -> None:
    method = METHODS["ddto"]
    instance = replace(system(), sizes=frames(1)[0])
    assert method.applies_to(instance) is None
    results = [method.load()(instance, Budget(seed=1)) for _ in range(2)]
    assert results[0].solution.places.tolist() == results[1].solution.places.tolist()
    assert results[0].run["frames"] == learned.FRAMES
    assert [result.run["kept"] for result in results] == [False, True]
    assert results[0].run["training_time"] > results[1].run["training_time"] == 0.0
    assert results[0].lower_bound is None
    assert instance.evaluate(results[0].solution).feasible


def test_what_is_kept_is_for_one_system(little_learning: None) -> None:
    """Frames of one system share it; another system, seed or size range does not, and damage does no harm."""
    method = METHODS["ddto"].load()
    setting = HybridSetting(devices=2, tasks=2)
    data = generate_frames(setting, 2, seed=1)
    one, other = (replace(generate(setting, seed=1), sizes=sizes) for sizes in data.sizes)
    assert not method(one, Budget()).run["kept"]
    assert method(other, Budget()).run["kept"]
    assert not method(one, Budget(seed=1)).run["kept"]
    assert not method(replace(one, parameters=Parameters(bandwidth=50.0)), Budget()).run["kept"]
    assert not method(replace(one, sizes=2.5 * one.sizes), Budget()).run["kept"]
    for path in learned.folder().iterdir():
        path.write_bytes(b"damaged")
    assert not method(one, Budget()).run["kept"]
    assert method(one, Budget()).run["kept"]


@pytest.mark.parametrize("parameters", [None, {}, {"sizes": 3, "unit": 1}, {"sizes": ["a", 2], "unit": 1}])
def test_a_source_may_say_anything(parameters: object) -> None:
    instance = generate(HybridSetting(devices=2, tasks=2), seed=1)
    changed = replace(instance, source={**(instance.source or {}), "parameters": parameters})
    assert learned.possible_sizes(changed).tolist() == np.unique(instance.sizes).tolist()
    assert learned.possible_sizes(instance).tolist() == [MEBIBYTE * k for k in range(10, 31)]


def test_where_nothing_can_be_kept(
    little_learning: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(learned.FOLDER, str(tmp_path / "file"))
    instance = replace(system(), sizes=frames(1)[0])
    assert instance.evaluate(METHODS["ddto"].load()(instance, Budget()).solution).feasible


def test_networks_that_would_be_too_large() -> None:
    method = METHODS["ddto"]
    assert method.applies_to(generate(HybridSetting(devices=1000), seed=0)) is None
    refused = method.applies_to(generate(HybridSetting(devices=20_000), seed=0))
    assert refused is not None and "60,000 tasks" in refused


def test_the_method_at_the_time_limit() -> None:
    instance = replace(system(), sizes=frames(1)[0])
    result = METHODS["ddto"].load()(instance, Budget(time_limit=0.05))
    assert result.termination is Termination.TIME_LIMIT
    assert result.run["frames"] < learned.FRAMES
    assert instance.evaluate(result.solution).feasible
    assert not METHODS["ddto"].load()(instance, Budget(time_limit=0.05)).run["kept"]
