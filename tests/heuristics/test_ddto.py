"""DDTO: what it decides, that it learns, and that stopping, saving and loading change nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offloadlib.instances import Budget, InputError, Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import HybridInstance, Parameters
from offloadlib.instances.hybrid.split import costs
from offloadlib.registry import METHODS

pytest.importorskip("sklearn")

from offloadlib.heuristics.hybrid import ddto
from offloadlib.heuristics.hybrid.ddto import Ddto, Scale
from offloadlib.heuristics.hybrid.network import Network

FRAMES = 700  # learning begins at 512


def system(devices: int = 2, tasks: int = 2, **parameters: float) -> HybridInstance:
    ids = tuple(f"d{i + 1}" for i in range(devices))
    sizes = np.full((devices, tasks), 8.388608 * 20)
    return HybridInstance("system", ids, sizes, np.ones(devices), Parameters(**parameters))


def frames(count: int, seed: int = 0, shape: tuple[int, int] = (2, 2)) -> Floats:
    return 8.388608 * np.random.default_rng(seed).integers(10, 31, (count, *shape)).astype(np.float64)


def decisions(learner: Ddto, seed: int = 9) -> list[list[int]]:
    return [learner.decide(sizes).places.ravel().tolist() for sizes in frames(40, seed)]


def weights(learner: Ddto) -> list[bytes]:
    states = [network.state() for network in learner._networks]
    return [array.tobytes() for arrays, _ in states for array in arrays]


def test_continuing_is_as_not_having_stopped(tmp_path: Path) -> None:
    data = frames(FRAMES)
    whole, parts = (Ddto(system(), Scale.of(data), networks=2, seed=3) for _ in range(2))
    costs_whole = whole.train(data)
    seen = iter([False] * 557 + [True])
    first = parts.train(data, lambda: next(seen))
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
    learner = Ddto(system(), Scale.of(data), networks=3)

    def cost() -> float:
        instances = (replace(system(), sizes=sizes) for sizes in test)
        return sum(instance.evaluate(learner.decide(instance.sizes)).total for instance in instances)

    before = cost()
    learner.train(data)
    assert cost() < 0.98 * before


def test_the_cheapest_candidate_is_decided() -> None:
    learner = Ddto(system(), Scale.of(frames(50)), networks=4)
    for sizes in frames(20):
        instance = replace(system(), sizes=sizes)
        solution = learner.decide(sizes)
        evaluation = instance.evaluate(solution)
        assert evaluation.feasible
        candidates = learner.candidates(sizes)
        assert candidates.shape == (4, 2, 2)
        assert evaluation.total == pytest.approx(costs(instance, candidates).min(), rel=1e-12)


def test_without_a_cloud_nothing_goes_there() -> None:
    instance = system(r_c=0.0, f_c=0.0, price_c=0.0)
    learner = Ddto(instance, Scale.of(frames(50)))
    assert all(learner.candidates(sizes).max() <= 1 for sizes in frames(20))


def test_the_memory_forgets_the_oldest() -> None:
    learner = Ddto(system(), Scale.of(frames(50)), networks=1)
    data = frames(1030)
    learner.train(data)
    assert learner._values[5] == pytest.approx(learner._input(data[1029]))
    assert learner._values[6] == pytest.approx(learner._input(data[6]))


def test_a_step_is_one_step_of_adam() -> None:
    """From zero moments every weight with a gradient moves by the rate, whatever the gradient."""
    network = Network(4, 6, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    before, _ = network.state()
    network.step(rng.normal(size=(128, 4)), rng.integers(0, 2, (128, 6)))
    after, steps = network.state()
    assert steps == 1
    moved = np.abs(after[0] - before[0])
    assert moved[np.abs(after[6]) > 1e-4] == pytest.approx(0.01, rel=1e-3)
    assert moved.max() > 0.0099


def test_the_network_is_that_of_scikit_learn() -> None:
    network = Network(4, 6, np.random.default_rng(0))
    values = np.random.default_rng(1).normal(size=(5, 4))
    expected = network._model.predict_proba(values)
    assert 1 / (1 + np.exp(-network.scores(values))) == pytest.approx(expected, rel=1e-12)


def test_files_of_other_systems_and_damaged_ones(tmp_path: Path) -> None:
    learner = Ddto(system(), Scale.of(frames(50)), networks=1)
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


def test_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ddto, "FRAMES", 600)
    method = METHODS["ddto"]
    instance = replace(system(), sizes=frames(1)[0])
    assert method.applies_to(instance) is None
    results = [method.load()(instance, Budget(seed=seed)) for seed in (1, 1)]
    assert results[0].solution.places.tolist() == results[1].solution.places.tolist()
    assert results[0].run["frames"] == 600
    assert results[0].lower_bound is None
    assert instance.evaluate(results[0].solution).feasible


def test_the_method_at_the_time_limit() -> None:
    instance = replace(system(), sizes=frames(1)[0])
    result = METHODS["ddto"].load()(instance, Budget(time_limit=0.1))
    assert result.termination is Termination.TIME_LIMIT
    assert result.run["frames"] < ddto.FRAMES
    assert instance.evaluate(result.solution).feasible
