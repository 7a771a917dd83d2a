"""The cost of hybrid decisions and the best split: against exact arithmetic, and a convex solver."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counts import examples
from hybrid_strategies import DOCUMENT, decision_cost, documents, instance_of, instances
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import offloadlib.instances as model
from offloadlib import check
from offloadlib.instances import Status, StoredSolution
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import (
    CLOUD,
    DEVICE,
    EDGE,
    HybridInstance,
    HybridSolution,
    Loads,
    Parameters,
    best_split,
    equal_split,
    evaluate,
    loads,
    with_best_split,
)
from offloadlib.instances.hybrid.cost import within
from offloadlib.instances.hybrid.form import PLACES
from offloadlib.instances.hybrid.split import costs, priced_split


def draw_places(data: st.DataObject, instance: HybridInstance) -> np.ndarray:
    size = instance.sizes.size
    flat = data.draw(st.lists(st.sampled_from(instance.places), min_size=size, max_size=size))
    return np.array(flat, dtype=np.int8).reshape(instance.sizes.shape)


def test_by_hand() -> None:
    """Device d1: t1 local, t2 at the edge; d2: t1 in the cloud, t2 local; 60 and 40 Mbit/s."""
    instance = instance_of(DOCUMENT)
    places = np.array([[DEVICE, EDGE], [CLOUD, DEVICE]])
    result = evaluate(instance, HybridSolution(places, np.array([60.0, 40.0])))
    delays = [
        max(0.475 * 83.88608, 251.65824 / 60 + 0.19 * 251.65824),
        max(0.475 * 134.217728, 100.663296 / 40 + (1 / 8 + 0.095) * 100.663296),
    ]
    energies = [
        0.325 * 83.88608 + (0.142 + 0.15) * 251.65824,
        0.325 * 134.217728 + (0.142 + 0.15) * 100.663296,
    ]
    assert result.delay.tolist() == pytest.approx(delays, rel=1e-14)
    assert result.energy.tolist() == pytest.approx(energies, rel=1e-14)
    assert result.total == pytest.approx(energies[0] + delays[0] + 2 * (energies[1] + delays[1]), rel=1e-14)
    assert result.feasible
    assert result.usage == "100 of 100 Mbit/s"
    assert result.utilisation == 1.0


@examples(100)
@given(document=documents(), data=st.data())
def test_the_best_split_costs_what_a_second_opinion_says(
    document: dict[str, object], data: st.DataObject
) -> None:
    instance = instance_of(document)
    places = draw_places(data, instance)
    names = {number: name for name, number in PLACES.items()}
    rows = [[names[place] for place in row] for row in places.tolist()]
    assert costs(instance, places) == pytest.approx(decision_cost(document, rows), rel=1e-9)


@examples(100)
@given(extreme=st.booleans(), data=st.data())
def test_the_checker_finds_the_same_cost(
    extreme: bool, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    instance = data.draw(instances(extreme=extreme))
    solution = with_best_split(instance, draw_places(data, instance))
    total = evaluate(instance, solution).total
    folder = tmp_path_factory.getbasetemp()
    accepted(instance, solution, total, folder)


def accepted(instance: HybridInstance, solution: HybridSolution, total: float, folder: Path) -> None:
    model.write(instance, folder / "i.json")
    stored = StoredSolution(solution, "test", total, None, Status.FEASIBLE)
    model.write_solution(stored, instance, folder / "s.json")
    verdict = check.check(folder / "i.json", folder / "s.json")
    assert verdict.accepted, verdict.rules
    assert verdict.objective == pytest.approx(total, rel=1e-12)


@examples(200)
@given(extreme=st.booleans(), data=st.data())
def test_the_split_is_feasible_and_no_split_is_better(extreme: bool, data: st.DataObject) -> None:
    """Weak duality: no split costs less than the Lagrangian at the price that comes with the split."""
    instance = data.draw(instances(most_tasks=8, extreme=extreme))
    load = loads(instance, draw_places(data, instance))
    split, price = priced_split(instance, load)
    bandwidth = instance.parameters.bandwidth
    assert sum(map(Fraction, split.tolist())) <= Fraction(bandwidth)
    assert within(split, bandwidth)
    assert (split >= 0).all()
    assert ((split > 0) == (load.upload > 0)).all()
    solution = HybridSolution(np.full(instance.sizes.shape, DEVICE), split)
    assert evaluate(instance, solution).feasible
    assert cost_of(instance, load, split) <= dual(instance, load, float(price)) * (1 + 1e-9)


def cost_of(instance: HybridInstance, load: Loads, split: Floats) -> float:
    upload = np.divide(load.upload, split, out=np.zeros_like(split), where=load.upload > 0)
    delay = np.maximum(load.local, upload + load.remote)
    return math.fsum(instance.weight * (load.energy + instance.parameters.rho * delay))


def dual(instance: HybridInstance, load: Loads, price: float) -> float:
    total, rho = -price * instance.parameters.bandwidth, instance.parameters.rho
    for weight, local, upload, remote, energy in zip(instance.weight, *load, strict=True):
        pull = weight * rho * upload
        at_cap = local > remote and (upload == 0 or price * upload <= weight * rho * (local - remote) ** 2)
        if at_cap:
            total += weight * (energy + rho * local) + price * upload / (local - remote)
        else:
            total += weight * (energy + rho * remote) + 2 * math.sqrt(pull * price)
    return total


@examples(500, 6)
@given(data=st.data())
def test_the_split_against_a_convex_solver(data: st.DataObject) -> None:
    """SLSQP on delays T and shares c, subject to T >= L and c (T - K) >= U."""
    instance = data.draw(instances(most_tasks=6))
    load = loads(instance, draw_places(data, instance))
    sends = load.upload > 0
    if not sends.any():
        return
    bandwidth, count = instance.parameters.bandwidth, int(sends.sum())
    local, upload, remote = load.local[sends], load.upload[sends], load.remote[sends]
    weight = (instance.weight * instance.parameters.rho)[sends]
    unit = upload.sum() / bandwidth  # seconds; shares are scaled by the bandwidth
    shares = np.full(count, 1.0 / count)
    start = np.concatenate([shares, np.maximum(local, upload / (shares * bandwidth) + remote) / unit])
    slsqp: Any = minimize  # its stubs know no ftol
    found = slsqp(
        lambda x: weight @ x[count:] / weight.sum(),
        start,
        jac=lambda x: np.concatenate([np.zeros(count), weight / weight.sum()]),
        bounds=[(1e-9, 1.0)] * count + [(low / unit, None) for low in local],
        constraints=[
            {"type": "ineq", "fun": lambda x: 1.0 - x[:count].sum()},
            {
                "type": "ineq",
                "fun": lambda x: x[count:] - upload / (x[:count] * bandwidth * unit) - remote / unit,
            },
        ],
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-14},
    )
    delay = np.maximum(
        local, upload / (found.x[:count] * bandwidth / max(found.x[:count].sum(), 1.0)) + remote
    )
    split = best_split(instance, load)[sends]
    own = weight @ np.maximum(local, upload / split + remote)
    assert own <= weight @ delay * (1 + 1e-9)
    if found.success:
        assert own >= weight @ delay * (1 - 1e-5)


@examples(50)
@given(instance=instances(), data=st.data())
def test_many_decisions_at_once_are_each_as_by_itself(instance: HybridInstance, data: st.DataObject) -> None:
    places = np.array([draw_places(data, instance) for _ in range(6)])
    batch = loads(instance, places)
    split, price = priced_split(instance, batch)
    assert split.shape == (6, instance.num_devices)
    for k in range(6):
        alone = loads(instance, places[k])
        for one, other in zip(alone, batch, strict=True):
            assert one.tolist() == other[k].tolist()
        assert split[k].tolist() == pytest.approx(best_split(instance, alone).tolist(), rel=1e-14)
        assert costs(instance, places)[k] == pytest.approx(
            evaluate(instance, with_best_split(instance, places[k])).total, rel=1e-13
        )
    assert price.shape == (6,)
    assert costs(instance, places.reshape(2, 3, *instance.sizes.shape)).shape == (2, 3)


def one_device(**changes: float) -> HybridInstance:
    return HybridInstance("one", ("d",), np.array([[10.0, 20.0]]), np.ones(1), Parameters(**changes))


def test_where_the_caps_fit_each_device_gets_its_cap_and_the_price_is_0() -> None:
    instance = one_device(bandwidth=1e6)
    split, price = priced_split(instance, loads(instance, np.array([[EDGE, DEVICE]])))
    assert split.tolist() == pytest.approx([10 / (0.475 * 20 - 0.19 * 10)])
    assert price == 0


def test_without_a_cap_the_whole_uplink_is_used() -> None:
    instance = one_device()
    split, price = priced_split(instance, loads(instance, np.array([[EDGE, CLOUD]])))
    assert split.tolist() == pytest.approx([100.0], rel=1e-14)
    assert price == pytest.approx(30.0 / 100.0**2)


def test_who_uploads_nothing_gets_nothing() -> None:
    instance = HybridInstance("zero", ("a", "b"), np.array([[0.0], [5.0]]), np.ones(2))
    split = best_split(instance, loads(instance, np.array([[EDGE], [DEVICE]])))
    assert split.tolist() == [0.0, 0.0]
    assert evaluate(instance, HybridSolution(np.array([[EDGE], [DEVICE]]), split)).feasible


def test_what_breaks_a_rule_is_named() -> None:
    instance = HybridInstance(
        "edge", ("a", "b"), np.ones((2, 1)), np.ones(2), Parameters(r_c=0.0, f_c=0.0, bandwidth=1.0)
    )
    places = np.array([[EDGE], [CLOUD]])
    texts = [str(v) for v in evaluate(instance, HybridSolution(places, np.array([0.0, -1.0]))).violations]
    assert texts == [
        "cloud: 'b' uses one, and there is none",
        "split: 'b' gets -1.0 Mbit/s",
        "split: 'a' uploads, and gets nothing",
    ]
    places = np.array([[EDGE], [EDGE]])
    just_above = HybridSolution(places, np.array([0.5, math.nextafter(0.5, 1)]))
    texts = [str(v) for v in evaluate(instance, just_above).violations]
    assert texts == ["bandwidth: 1.0 of 1.0 Mbit/s given away"]
    assert evaluate(instance, HybridSolution(places, np.array([0.5, 0.5]))).feasible


def test_decisions_of_another_shape_are_refused() -> None:
    instance = instance_of(DOCUMENT)
    with pytest.raises(ValueError, match="not decisions of"):
        evaluate(instance, HybridSolution(np.zeros((1, 2), np.int8), np.zeros(1)))
    with pytest.raises(IndexError, match="there is no place 3"):
        evaluate(instance, HybridSolution(np.full((2, 2), 3), np.zeros(2)))


@pytest.mark.parametrize("devices", [1, 3, 7, 1000])
def test_an_equal_split_fits(devices: int) -> None:
    instance = HybridInstance(
        "n",
        tuple(map(str, range(devices))),
        np.ones((devices, 1)),
        np.ones(devices),
        Parameters(bandwidth=0.1),
    )
    split = equal_split(instance)
    assert within(split, 0.1)
    assert split == pytest.approx(0.1 / devices, rel=1e-12)


def test_data_is_frozen() -> None:
    instance = instance_of(DOCUMENT)
    with pytest.raises(ValueError, match="read-only"):
        instance.sizes[0, 0] = 1.0
    assert repr(instance) == "<HybridInstance 'two': 2 devices, 4 tasks, edge and cloud>"
    assert (instance.num_devices, instance.num_tasks, instance.num_points) == (2, 2, 2)
    assert instance.places == (DEVICE, EDGE, CLOUD)


def test_shares_of_the_places() -> None:
    instance = instance_of(DOCUMENT)
    found = evaluate(instance, HybridSolution(np.array([[0, 1], [2, 1]]), np.array([50.0, 50.0]))).placed
    assert found == pytest.approx(np.array([83.88608, 251.65824 + 134.217728, 100.663296]) / 570.425344)
