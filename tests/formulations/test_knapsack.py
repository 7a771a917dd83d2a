"""Cuts on what devices want of a point, and the search over listed decisions with them."""

from __future__ import annotations

import copy
import itertools
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute2 import optimum
from counts import count

from offloadlib import check
from offloadlib.formulations.proofs.nodes import Enumeration, Proof
from offloadlib.formulations.structured.certificate import Certificate, write_certificate
from offloadlib.formulations.structured.limited.branch_and_price import prove, solve
from offloadlib.formulations.structured.limited.knapsack import (
    Items,
    groups_of,
    heaviest,
    heaviest_of_each,
    violated,
    weights_of,
)
from offloadlib.instances import Budget, Result, Status, Termination, read, write, write_solution
from offloadlib.instances.compiled import read_only
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.instance import Instance
from offloadlib.instances.structured.limits import Limits


def _scarce(seed: int) -> Instance:
    """Few devices that do not all fit."""
    few = seed % 2 == 0
    return generate(
        Setting(
            devices=3 if few else 4,
            offload_points=2,
            applications=("chain-3", "fork-join-2") if few else ("chain-2", "chain-3"),
            capacity=3,
            point_cpu=(1.6, 8.0),
            input=(0.05, 0.4),
            output=(0.05, 0.4),
            alpha=(0.3, 0.9),
            resources=("cores", "memory"),
            demand=(1.0, 3.0),
            room=(1.8, 4.0),
            rejection=(0.1, 3.0) if seed % 3 == 0 else None,
        ),
        seed=seed,
    )


def _proof(
    seed: int, folder: Path, seconds: float = float("inf")
) -> tuple[Instance, Any, Proof[Certificate]]:
    instance = _scarce(seed)
    write(instance, folder / "instance.json")
    best = optimum(json.loads((folder / "instance.json").read_text()))
    return instance, best, prove(instance, None, Budget(time_limit=seconds))


def _of_tenths(seed: int, folder: Path) -> tuple[Instance, float]:
    """The same in tenths, of which floating-point sums keep limits that exact ones break; and its optimum."""
    path = folder / "instance.json"
    write(_scarce(seed), path)
    document = json.loads(path.read_text())
    draw = random.Random(seed)
    for device in document["devices"]:
        device["demand"] = {
            name: [draw.choice([0.1, 0.2, 0.3]) for _ in some] for name, some in device["demand"].items()
        }
    for point in document["offload_points"]:
        point["capacity"] |= {"cores": draw.choice([0.3, 0.6, 0.8]), "memory": draw.choice([0.3, 0.7])}
    path.write_text(json.dumps(document))
    best, instance = optimum(document), read(path)
    assert best is not None
    assert isinstance(instance, Instance)
    return instance, float(best[0])


def _judged(instance: Instance, proof: Proof[Certificate], folder: Path) -> Any:
    bound = proof.certificate.lower_bound
    result = Result.of(instance, proof.solution, 0.0, bound, proof.termination)
    names = [folder / f"{name}.json" for name in ("instance", "solution", "certificate")]
    write_solution(result.stored("branch-and-price"), instance, names[1])
    return check.check(*names)


@pytest.mark.parametrize("seed", range(count(400, 30)))
def test_optima_equal_brute_force_and_certificates_are_accepted(seed: int, tmp_path: Path) -> None:
    instance, best, proof = _proof(seed, tmp_path)
    assert proof.termination is Termination.FINISHED
    assert proof.objective == pytest.approx(float(best[0]), rel=1e-9)
    assert proof.certificate.lower_bound == pytest.approx(float(best[0]), rel=2e-9)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    verdict = _judged(instance, proof, tmp_path)
    assert verdict.accepted, verdict.rules
    used = {
        number
        for node in proof.certificate.nodes
        for number in (node.at if isinstance(node, Enumeration) else node).__dict__.get("cuts", ())
    }
    assert used == set(range(len(proof.certificate.cuts)))


@pytest.mark.parametrize("seed", range(count(300, 20)))
def test_limits_that_are_broken_by_a_hair(seed: int, tmp_path: Path) -> None:
    instance, best = _of_tenths(seed, tmp_path)
    proof = prove(instance, None, Budget())
    assert proof.termination is Termination.FINISHED
    assert proof.objective == pytest.approx(best, rel=1e-9)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    verdict = _judged(instance, proof, tmp_path)
    assert verdict.accepted, verdict.rules
    assert verdict.certified_bound <= best * (1 + 1e-12)


def test_cuts_are_found_and_close_the_gap(tmp_path: Path) -> None:
    """Else all that is said of them here would be said of nothing."""
    with_cuts = [bool(_proof(seed, tmp_path)[2].certificate.cuts) for seed in range(8)]
    assert sum(with_cuts) >= 6


def _changed(draw: random.Random, proof: dict[str, Any]) -> dict[str, Any]:
    """A certificate with another number somewhere in its cuts, prices or claim, or without a step."""
    proof = copy.deepcopy(proof)
    spots: list[tuple[Any, Any]] = []
    pending: list[Any] = [proof["cuts"], proof["nodes"]]
    while pending:
        item = pending.pop()
        for key, inner in item.items() if isinstance(item, dict) else enumerate(item):
            if isinstance(inner, dict | list):
                pending.append(inner)
            else:
                spots.append((item, key))
    holder, key = draw.choice(spots)
    value = holder[key]
    if isinstance(value, str):
        try:
            holder[key] = repr(float(value) * draw.choice([0.0, 0.5, 0.999, 1.001, 2.0]))
        except ValueError:
            holder[key] = draw.choice(["n1", "memory", "cores", "resource"])
    elif isinstance(value, int):
        holder[key] = max(value + draw.choice([-1, 1, -100, 1000]), 0)
    if draw.random() < 0.3:
        proof["lower_bound"] = repr(float(proof["lower_bound"]) * draw.choice([0.9, 1.0001, 1.1]))
    return proof


@pytest.mark.parametrize("seed", range(count(60, 8)))
def test_no_changed_certificate_proves_what_is_not_so(seed: int, tmp_path: Path) -> None:
    instance, best, proof = _proof(seed, tmp_path)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    written, draw = json.loads((tmp_path / "certificate.json").read_text()), random.Random(seed)
    if "cuts" not in written:
        return
    refused = 0
    for _ in range(30):
        (tmp_path / "certificate.json").write_text(json.dumps(_changed(draw, written)))
        try:
            verdict = _judged(instance, proof, tmp_path)
        except Exception as error:  # unusable: the file has no such numbers
            assert "certificate.json" in str(error)
            refused += 1
            continue
        refused += not verdict.accepted
        if verdict.certified_bound is not None:
            assert verdict.certified_bound <= float(best[0])
    assert refused


def test_a_claim_above_the_optimum_is_refused(tmp_path: Path) -> None:
    """The decisions that an enumeration has are those below the claim: a higher one has more of them."""
    instance, best, proof = _proof(4, tmp_path)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    written = json.loads((tmp_path / "certificate.json").read_text())
    written["lower_bound"] = repr(float(best[0]) * 1.001)
    (tmp_path / "certificate.json").write_text(json.dumps(written))
    verdict = _judged(instance, proof, tmp_path)
    assert [rule.name for rule in verdict.rules if not rule.ok] == ["claim"]


def _first_step(cut: dict[str, Any]) -> Any:
    return next(iter(cut["steps"].values()))[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda cut: cut.update(most=cut["most"] - 1), "cuts[0]: a choice that fits weighs more than"),
        (lambda cut: cut["limits"].append(["capacity", "nowhere"]), "cuts[0]: unknown limit"),
        (lambda cut: cut["limits"].clear(), "cuts[0]: it is on no limit"),
        (lambda cut: cut["steps"].update(nobody=[]), "cuts[0]: unknown device 'nobody'"),
        (lambda cut: _first_step(cut)["amounts"].append("1"), "cuts[0]: a step that has"),
        (lambda cut: _first_step(cut).update(amounts=["-1"] * len(cut["limits"])), "a negative amount"),
    ],
)
def test_a_faulty_cut(change: Any, message: str, tmp_path: Path) -> None:
    instance, _, proof = _proof(4, tmp_path)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    written = json.loads((tmp_path / "certificate.json").read_text())
    change(written["cuts"][0])
    (tmp_path / "certificate.json").write_text(json.dumps(written))
    verdict = _judged(instance, proof, tmp_path)
    said = {rule.name: rule.message for rule in verdict.rules if not rule.ok}
    assert message in said["certificate"]


def test_a_cut_of_very_many_devices_is_not_finished(tmp_path: Path) -> None:
    instance, _, proof = _proof(4, tmp_path)
    document = json.loads((tmp_path / "instance.json").read_text())
    document["devices"] = [{**document["devices"][0], "id": f"ud{m}"} for m in range(1, 1200)]
    (tmp_path / "instance.json").write_text(json.dumps(document))
    many = read(tmp_path / "instance.json")
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    written = json.loads((tmp_path / "certificate.json").read_text())
    written["instance"]["sha256"] = many.fingerprint
    written["cuts"][0]["steps"] = {device["id"]: [] for device in document["devices"]}
    (tmp_path / "certificate.json").write_text(json.dumps(written))
    write_solution(
        Result.of(many, many.all_local, 0.0, 0.0).stored("local"), many, tmp_path / "solution.json"
    )
    verdict = check.check(*(tmp_path / f"{name}.json" for name in ("instance", "solution", "certificate")))
    assert verdict.unfinished is not None
    assert "a cut has more than 300 devices" in verdict.unfinished


def test_a_price_on_a_cut_is_below_an_enumeration(tmp_path: Path) -> None:
    instance, _, proof = _proof(4, tmp_path)
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    written = json.loads((tmp_path / "certificate.json").read_text())
    written["nodes"] = [{"prices": {"cuts": {"0": "1", "x": "1"}}}]
    (tmp_path / "certificate.json").write_text(json.dumps(written))
    said = {rule.name: rule.message for rule in _judged(instance, proof, tmp_path).rules if not rule.ok}
    assert "nodes[0]: a price on cuts that is not below an enumeration" in said["certificate"]
    assert "nodes[0]: a price on the unknown cut 'x'" in said["certificate"]


@pytest.mark.parametrize("seed", range(count(100, 12)))
@pytest.mark.parametrize("seconds", [0.01, 0.1, float("inf")])
def test_a_search_that_has_the_program_too_claims_nothing_that_is_not_so(
    seed: int, seconds: float, tmp_path: Path
) -> None:
    """Half of the time is for the finish, the rest for the program of all devices."""
    instance = _scarce(seed)
    write(instance, tmp_path / "instance.json")
    found = optimum(json.loads((tmp_path / "instance.json").read_text()))
    assert found is not None
    best = float(found[0])
    result = solve(instance, Budget(time_limit=seconds))
    assert result.lower_bound is None or result.lower_bound <= best * (1 + 1e-12)
    assert result.objective >= best * (1 - 1e-12)
    if seconds == float("inf"):
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("seconds", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_a_search_that_time_has_ended_proves_what_it_says(seconds: float, tmp_path: Path) -> None:
    """Searches below ceilings that are too low are given up for others; what they have proven counts."""
    instance, best, proof = _proof(5, tmp_path, seconds)
    if proof.solution is None:
        return
    assert proof.certificate.lower_bound <= float(best[0])
    write_certificate(proof.certificate, instance, tmp_path / "certificate.json")
    assert _judged(instance, proof, tmp_path).accepted


# --- cuts ---------------------------------------------------------------------------------------------


def _items(draw: np.random.Generator, devices: int, limits: int) -> Items:
    sizes = draw.integers(0, 4, devices)
    amounts = draw.integers(0, 5, (int(sizes.sum()), limits)).astype(np.float64)
    weight = draw.integers(0, 9, len(amounts)).astype(np.float64)
    return Items(*map(read_only, (np.cumsum([0, *sizes]).astype(np.int64), weight, amounts)))


def _heaviest(items: Items, left: np.ndarray) -> float:
    ranges = [[None, *range(a, b)] for a, b in itertools.pairwise(items.start.tolist())]
    most = 0.0
    for some in itertools.product(*ranges):
        chosen = [i for i in some if i is not None]
        if (items.amount[chosen].sum(axis=0) <= left).all():
            most = max(most, float(items.weight[chosen].sum()))
    return most


@pytest.mark.parametrize("seed", range(count(500, 60)))
def test_the_heaviest_choice_equals_brute_force(seed: int) -> None:
    draw = np.random.default_rng(seed)
    devices, limits = int(draw.integers(1, 5)), int(draw.integers(1, 4))
    items, left = _items(draw, devices, limits), draw.integers(0, 9, (3, limits)).astype(np.float64)
    chosen, beside = np.empty(devices, np.int64), np.empty(3)
    found = heaviest(items, read_only(left[0]), -1.0, 10**6, chosen)
    assert found == _heaviest(items, left[0])
    some = chosen[chosen >= 0]
    assert items.weight[some].sum() == found
    assert (items.amount[some].sum(axis=0) <= left[0]).all()
    heaviest_of_each(items, read_only(left), 10**6, beside)
    assert beside.tolist() == [_heaviest(items, one) for one in left]
    assert heaviest(items, read_only(left[0]), -1.0, 0, chosen) == np.inf


@pytest.mark.parametrize("seed", range(count(300, 40)))
def test_all_decisions_that_keep_the_limits_keep_the_cuts(seed: int) -> None:
    """Whatever is to be cut off: fractions of decisions, drawn at random."""
    instance = _scarce(seed)
    limits, draw = Limits(instance), np.random.default_rng(seed)
    devices, each = instance.num_devices, 4
    device = np.repeat(np.arange(devices), each)
    use = np.zeros((len(device), len(limits)))
    for group in groups_of(limits):
        wanted = draw.random((len(device), len(group))) * limits.right[group]
        use[:, group] = np.where(draw.random((len(device), 1)) < 0.8, wanted, 0.0)
    if seed % 2:
        use = np.rint(use)
    weights = {d: 1.0 / each for d in range(len(device)) if draw.random() < 0.8}
    cuts = violated(limits, groups_of(limits), device, use, weights, lambda: False)
    for cut in cuts:
        weighs, of = weights_of(cut, device, use), list(cut.limits)
        shares = np.array([weights.get(d, 0.0) for d in range(len(device))])
        assert shares @ weighs > cut.most
        for some in itertools.product(*(range(m * each, (m + 1) * each) for m in range(devices))):
            chosen = list(some)
            if (use[chosen][:, of].sum(axis=0) <= limits.right[of]).all():
                assert weighs[chosen].sum() <= cut.most
