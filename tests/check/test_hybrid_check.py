"""The checker on hybrid instances: what it rejects and what certificates prove; brute force is the judge."""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counts import count, examples
from hybrid_strategies import DOCUMENT, Document, brute_force, documents, instance_of
from hypothesis import given
from hypothesis import strategies as st
from sceptic import CHECKER
from strategies import Change, put

import offloadlib.instances as model
from offloadlib import check as checker
from offloadlib.check.rooms import hybrid as hybrid_room
from offloadlib.instances import Status, StoredSolution
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.hybrid.enumeration import best_decision


def written(instance: HybridInstance, solution: HybridSolution, folder: Path) -> tuple[Path, Path]:
    model.write(instance, folder / "i.json")
    cost = instance.evaluate(solution).total
    model.write_solution(
        StoredSolution(solution, "test", cost, None, Status.FEASIBLE), instance, folder / "s.json"
    )
    return folder / "i.json", folder / "s.json"


def broken_rules(instance: Path, solution: Path, *changes: Change) -> list[str]:
    document = json.loads(solution.read_text())
    for change in changes:
        change(document)
    solution.write_text(json.dumps(document))
    return [rule.name for rule in checker.check(instance, solution).rules if not rule.ok]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([], []),
        ([put("split", "d1", -1e-300)], ["split"]),
        ([put("split", "d1", 0)], ["split"]),
        ([put("split", "d1", 99.0)], ["bandwidth", "objective"]),
        ([put("split", "d1", "x")], None),
        ([put("split", {"d1": 50.0})], ["decisions"]),
        ([put("split", None)], ["decisions"]),
        ([put("split", "d9", 0.0)], ["decisions"]),
        ([put("decisions", "d1", 0, "d1")], ["decisions"]),
        ([put("decisions", "d1", [None])], ["decisions"]),
        ([put("decisions", "d1", 0, "edge")], ["objective"]),
        ([put("objective", 0.0)], ["objective"]),
        ([put("lower_bound", 1e9)], ["lower_bound"]),
        ([put("status", "optimal")], ["status"]),
    ],
)
def test_what_is_rejected(changes: list[Change], expected: list[str] | None, tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    files = written(instance, with_best_split(instance, np.array([[0, 1], [2, 1]])), tmp_path)
    if expected is None:
        with pytest.raises(checker.Unusable):
            broken_rules(*files, *changes)
    else:
        assert broken_rules(*files, *changes) == expected


def test_the_bandwidth_has_no_tolerance(tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    places = np.array([[1, 1], [1, 1]])
    full = written(instance, HybridSolution(places, np.array([50.0, 50.0])), tmp_path)
    assert broken_rules(*full) == []
    above = written(instance, HybridSolution(places, np.array([50.0, math.nextafter(50.0, 51)])), tmp_path)
    assert broken_rules(*above) == ["bandwidth"]


def test_it_runs_alone(tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    files = written(instance, with_best_split(instance, np.array([[0, 1], [2, 1]])), tmp_path)
    command = [sys.executable, "-I", "-S", str(CHECKER), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("accepted, exact cost " + repr(checker.check(*files).objective) + "\n")


# --- certificates -----------------------------------------------------------------------------------


def certificate(
    instance: HybridInstance, nodes: list[Any], claim: str = "0", units: Document | None = None
) -> Document:
    return {
        **({} if units is None else {"units": units}),
        "format": "offloadlib-certificate",
        "version": 1,
        "instance": {"name": "x", "sha256": instance.fingerprint},
        "lower_bound": claim,
        "nodes": nodes,
    }


def random_units(rng: random.Random, document: Document) -> Document:
    """A random number for each task: what it says about the sizes does not matter."""
    return {device["id"]: [rng.randrange(5) for _ in device["sizes"]] for device in document["devices"]}


def random_tree(
    rng: random.Random, document: Document, branches: int, units: Document | None = None
) -> list[Any]:
    """A tree of random branches, some on units if there are any, with random prices at each leaf."""
    nodes: list[Any] = [None]
    leaves = [0]
    places = [None, "edge"] + (["cloud"] if document["parameters"]["cloud"] else [])
    for _ in range(branches):
        at = leaves.pop(rng.randrange(len(leaves)))
        device = rng.choice(document["devices"])
        where = {
            "device": device["id"],
            "task": rng.randrange(len(device["sizes"])),
            "place": rng.choice(places),
        }
        if units is not None and rng.random() < 0.6:
            where = {"units": rng.randrange(-1, 1 + sum(map(sum, units.values())))}
        nodes[at] = {"branch": where, "equal": len(nodes), "different": len(nodes) + 1}
        leaves += [len(nodes), len(nodes) + 1]
        nodes += [None, None]
    for leaf in leaves:
        price = rng.choice(["0", f"{10 ** rng.uniform(-6, 2):.12g}", f"{10 ** rng.uniform(-2, 1):.3f}"])
        nodes[leaf] = {"prices": {"bandwidth": price} if price != "0" or rng.random() < 0.5 else {}}
        if units is not None and rng.random() < 0.7:
            nodes[leaf]["prices"]["units"] = f"{rng.choice([-1, 1]) * 10 ** rng.uniform(-2, 2):.6g}"
    return nodes


def judged_leaf(
    document: Document,
    obeyed: list[tuple[dict[str, Any], bool]],
    price: float,
    toll: float,
    units: Document | None = None,
) -> float:
    """The bound of a leaf in plain arithmetic, with the best share found by golden section."""
    units = units or {device["id"]: [0] * len(device["sizes"]) for device in document["devices"]}
    low, high = 0, sum(map(sum, units.values()))
    for where, at_most in obeyed:
        if "units" in where and at_most:
            high = min(high, where["units"])
        elif "units" in where:
            low = max(low, where["units"] + 1)
    if low > high:
        return math.inf
    parameters = document["parameters"]
    cloud, rho = parameters["cloud"], parameters["delay_weight"]
    total = -price * parameters["bandwidth"] - toll * (high if toll > 0 else low)
    for device in document["devices"]:
        best = math.inf
        weight = device.get("weight", 1)
        for row in itertools.product(
            [None, "edge", *(["cloud"] if cloud else [])], repeat=len(device["sizes"])
        ):
            if any(
                where.get("device") == device["id"] and (row[where["task"]] == where["place"]) != equal
                for where, equal in obeyed
            ):
                continue
            charge = toll * sum(
                unit for unit, place in zip(units[device["id"]], row, strict=True) if place is not None
            )
            at = {
                p: sum(d for d, q in zip(device["sizes"], row, strict=True) if q == p)
                for p in (None, "edge", "cloud")
            }
            local, upload = parameters["local_time"] * at[None], at["edge"] + at["cloud"]
            remote = parameters["cycles"] * at["edge"] / parameters["edge"]["speed"]
            energy = parameters["local_energy"] * at[None]
            energy += (parameters["transmit_energy"] + parameters["edge"]["price"]) * at["edge"]
            if cloud:
                remote = max(
                    remote, at["cloud"] * (1 / cloud["rate"] + parameters["cycles"] / cloud["speed"])
                )
                energy += (parameters["transmit_energy"] + cloud["price"]) * at["cloud"]

            def cost(
                log_share: float, parts: tuple[float, ...] = (weight, energy, local, upload, remote)
            ) -> float:
                weight, energy, local, upload, remote = parts
                share = math.exp(log_share)
                return float(weight * (energy + rho * max(local, upload / share + remote)) + price * share)

            if upload == 0:
                best = min(best, weight * (energy + rho * max(local, remote)) + charge)
            else:
                best = min(best, minimum(cost) + charge)
        total += best
    return float(total)


def minimum(function: Any) -> float:
    """Of a unimodal function of the logarithm of a share."""
    low, high = -60.0, 60.0
    for _ in range(250):
        a, b = low + 0.382 * (high - low), low + 0.618 * (high - low)
        if function(a) <= function(b):
            high = b
        else:
            low = a
    return float(function(0.5 * (low + high)))


def leaves_of(nodes: list[Any]) -> list[tuple[list[tuple[dict[str, Any], bool]], float, float]]:
    found: list[tuple[list[tuple[dict[str, Any], bool]], float, float]] = []
    pending: list[tuple[int, list[tuple[dict[str, Any], bool]]]] = [(0, [])]
    while pending:
        at, obeyed = pending.pop()
        node = nodes[at]
        if "branch" in node:
            pending += [
                (node[key], [*obeyed, (node["branch"], equal)])
                for key, equal in (("equal", True), ("different", False))
            ]
        else:
            price, toll = (float(node["prices"].get(key, 0)) for key in ("bandwidth", "units"))
            found.append((obeyed, price, toll))
    return found


def proven(
    instance: HybridInstance, nodes: list[Any], folder: Path, units: Document | None = None
) -> Fraction:
    model.write(instance, folder / "i.json")
    (folder / "c.json").write_text(json.dumps(certificate(instance, nodes, units=units)))
    data, read = checker.read_instance(folder / "i.json"), checker.read_certificate(folder / "c.json")
    assert checker.faults.certificate_faults(data, read) == []
    return Fraction(checker.tree_bound(data, read).value)


@examples(1000, 12)
@given(document=documents(most_tasks=count(5, 4)), seed=st.integers(0, 10**6))
def test_trees_bound_every_solution(
    document: Document, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    judge(document, seed, tmp_path_factory)


def judge(document: Document, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    instance = instance_of(document)
    units = random_units(rng, document) if rng.random() < 0.5 else None
    nodes = random_tree(rng, document, rng.randrange(4), units)
    bound = proven(instance, nodes, tmp_path_factory.getbasetemp(), units)
    optimum = brute_force(document)
    assert bound <= Fraction(optimum) * (1 + Fraction(1, 10**9))
    expected = min(judged_leaf(document, *leaf, units) for leaf in leaves_of(nodes))
    assert float(bound) == pytest.approx(expected, rel=1e-7, abs=1e-7 * max(1.0, optimum))


@examples(60)
@given(document=documents(most_tasks=4), seed=st.integers(0, 10**6))
def test_no_mutation_proves_too_much(
    document: Document, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A changed certificate is refused, or what it proves is still below the optimum."""
    rng = random.Random(seed)
    folder = tmp_path_factory.getbasetemp()
    instance = instance_of(document)
    places, cost, _ = best_decision(instance, instance.places)
    files = written(instance, with_best_split(instance, places), folder)
    units = random_units(rng, document)
    nodes = random_tree(rng, document, rng.randrange(1, 4), units)
    bound = proven(instance, nodes, folder, units)
    claim = repr(max(float(bound) - 1e-9 * abs(float(bound)) - 1e-30, -1e300))
    good = certificate(instance, nodes, claim, units)
    (folder / "c.json").write_text(json.dumps(good))
    verdict = checker.check(*files, folder / "c.json")
    assert verdict.accepted, verdict.rules
    assert verdict.certified_bound is not None
    bad = json.loads(json.dumps(good))
    mutate(rng, bad)
    (folder / "c.json").write_text(json.dumps(bad))
    try:
        verdict = checker.check(*files, folder / "c.json")
    except checker.Unusable:
        return
    if verdict.accepted:
        assert Fraction(bad["lower_bound"]) <= Fraction(cost) * (1 + Fraction(1, 10**9))
    assert not [rule for rule in verdict.rules if rule.name == "consistency" and not rule.ok]


def mutate(rng: random.Random, document: Document) -> None:
    node = rng.choice(document["nodes"])
    choice = rng.randrange(8)
    if choice == 0:
        document["lower_bound"] = repr(float(document["lower_bound"]) * 2 + 1)
    elif choice == 1 and "units" in node.get("branch", {}):
        node["branch"]["units"] = rng.choice([0, 1, -5, 10**30, "1", 2.5])
    elif choice == 1 and "branch" in node:
        node["branch"] |= rng.choice(
            [{"task": 99}, {"task": -1}, {"place": "op1"}, {"device": "?"}, {"task": 0}]
        )
    elif choice == 2 and "branch" in node:
        node[rng.choice(["equal", "different"])] = rng.randrange(len(document["nodes"]) + 1)
    elif choice == 3 and "prices" in node:
        node["prices"] = {"bandwidth": rng.choice(["-1", "1e9", "0.5", "nan", "1e-9"])}
    elif choice == 4:
        document["nodes"].remove(node)
    elif choice == 5:
        change = rng.choice([{"d1": [9]}, {"?": [1]}, None, *document["units"]])
        if isinstance(change, str):
            document["units"][change][0] += rng.choice([-1, 1, 0.5, 10**10])
        elif change is None:
            del document["units"]
        else:
            document["units"] |= change
    elif choice == 6 and "prices" in node:
        node["prices"]["units"] = rng.choice(["-1e3", "1e3", 5, "x"])
    else:
        document["instance"]["sha256"] = "0" * 64


LEAF: dict[str, Any] = {"prices": {"bandwidth": "0.01"}}
UNITS: list[Any] = [{"branch": {"units": 3}, "equal": 1, "different": 2}, LEAF, LEAF]


def branch(**changes: Any) -> list[Any]:
    where: dict[str, Any] = {"device": "d1", "task": 1, "place": "edge"} | changes
    return [{"branch": where, "equal": 1, "different": 2}, LEAF, LEAF]


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ([{"prices": {"bandwidth": "-1"}}], "nodes[0]: a negative price on bandwidth"),
        (
            [{"prices": {"capacity": {"op1": "1"}}}],
            "nodes[0]: a price on capacity or channels, which a hybrid instance does not have",
        ),
        (branch(device="d3"), "nodes[0]: unknown device 'd3'"),
        (branch(task=2), "nodes[0]: unknown task 2 of device 'd1'"),
        (branch(task=-1), "nodes[0]: unknown task -1 of device 'd1'"),
        (branch(place="op1"), "nodes[0]: unknown place 'op1'"),
        (UNITS, "nodes[0]: a branch on units, which are not given"),
        ([{"prices": {"units": "-1"}}], "nodes[0]: a price on units, which are not given"),
        (branch()[:2], "nodes[0]: its child 2 is not a later node"),
        ([LEAF, LEAF], "nodes[1]: has 0 parents"),
        (
            [
                {"branch": {"device": "d1", "subtask": "t1", "place": None}, "equal": 1, "different": 2},
                LEAF,
                LEAF,
            ],
            "nodes[0]: unknown task 't1' of device 'd1'",
        ),
    ],
)
def test_faults_of_certificates(nodes: list[Any], fault: str, tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    files = written(instance, with_best_split(instance, np.zeros((2, 2), np.int8)), tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(certificate(instance, nodes)))
    rules = checker.check(*files, tmp_path / "c.json").rules
    assert [rule.message for rule in rules if not rule.ok] == [fault]


@pytest.mark.parametrize(
    "units", [{}, {"d1": [1, 2]}, {"d1": [1, 2], "d2": [1]}, {"d2": [1, 2], "d3": [1, 2]}]
)
def test_units_are_those_of_all_tasks(units: Document, tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    files = written(instance, with_best_split(instance, np.zeros((2, 2), np.int8)), tmp_path)
    (tmp_path / "c.json").write_text(json.dumps(certificate(instance, UNITS, units=units)))
    rules = checker.check(*files, tmp_path / "c.json").rules
    assert [rule.message for rule in rules if not rule.ok] == [
        "units: are not one for each task of each device"
    ]


@pytest.mark.parametrize(
    ("nodes", "fault"),
    [
        ([LEAF], "a price on bandwidth, which a structured instance does not have"),
        ([{"prices": {"units": "1"}}], "a price on units, which a structured instance does not have"),
        (UNITS, "a branch on units, which a structured instance does not have"),
    ],
)
def test_what_is_not_for_structured_instances(nodes: list[Any], fault: str, tmp_path: Path) -> None:
    path = Path(model.__file__).parent / "library" / "worked-example.json"
    instance = checker.read_instance(path)
    document = certificate(model.read(path), nodes)  # type: ignore[arg-type]
    (tmp_path / "c.json").write_text(json.dumps(document))
    faults = checker.faults.certificate_faults(instance, checker.read_certificate(tmp_path / "c.json"))
    assert faults[0] == f"nodes[0]: {fault}"


def test_many_tasks_of_few_sizes_are_minimised_and_too_many_loads_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """30 equal tasks have 496 loads; 8 tasks without a common measure have 3^8."""
    document: Document = json.loads(json.dumps(DOCUMENT))
    document["devices"] = [{"id": "d1", "sizes": [8.0] * 30}]
    equal = checker.files._instance_from_json(document, "x")
    price = checker.certificate.Certificate(
        "", Fraction(0), [checker.certificate.Leaf({}, {}, Fraction(1, 10))]
    )
    assert checker.faults.certificate_faults(equal, price) == []
    instance = instance_of(document)
    values = []
    for edge in range(31):
        for cloud in range(31 - edge):
            row = np.repeat([0, 1, 2], [30 - edge - cloud, edge, cloud])[None, :]
            values.append(judged_load(instance, row, 0.1))
    assert float(checker.tree_bound(equal, price).value) == pytest.approx(min(values), rel=1e-12)
    sizes = [math.sqrt(2 + k) for k in range(8)]
    document["devices"] = [{"id": f"d{i}", "sizes": sizes} for i in (1, 2)]  # one is enough to name
    monkeypatch.setattr(hybrid_room, "_MOST_LOADS", 3**8 - 1)
    refused = checker.faults.certificate_faults(checker.files._instance_from_json(document, "x"), price)
    assert refused == ["device 'd1' has more than 6560 different loads to look at"]


def judged_load(instance: HybridInstance, row: np.ndarray, price: float) -> float:
    from offloadlib.instances.hybrid import loads

    (local,), (upload,), (remote,), (energy,) = loads(instance, row)
    charge = price * instance.parameters.bandwidth
    if upload == 0:
        return float(energy + max(local, remote) - charge)
    if local > remote and price * upload <= (local - remote) ** 2:
        return float(energy + local + price * upload / (local - remote) - charge)
    return float(energy + remote + 2 * math.sqrt(upload * price) - charge)
