"""Patterns, cuts and the finish against enumeration, and their certificates against the checker."""

from __future__ import annotations

import copy
import itertools
import json
import random
import tracemalloc
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import DOCUMENT, documents, instance_of, instances

from offloadlib import check
from offloadlib.check.rooms import leaves, series
from offloadlib.check.rooms import levels as check_levels
from offloadlib.check.rooms import patterns as check_patterns
from offloadlib.formulations.engine.tree import Tree
from offloadlib.formulations.proofs.nodes import Enumeration
from offloadlib.formulations.structured.certificate import Certificate, Charged, write_certificate
from offloadlib.formulations.structured.decomposition import branch_and_price, finish
from offloadlib.formulations.structured.decomposition.finish import Finish, Pool, enumerated, violated
from offloadlib.formulations.structured.decomposition.master import Node
from offloadlib.formulations.structured.decomposition.patterns import Levels, enumerable, enumerate_patterns
from offloadlib.formulations.structured.decomposition.pricing import Prices, Restrictions, price
from offloadlib.instances import LOCAL, Budget, Instance, Progress, Solution, evaluate, write
from offloadlib.instances.structured.generate import Setting, generate


def decisions(
    instance: Instance, levels: Levels, restrictions: Restrictions | None, m: int
) -> list[tuple[float, tuple[int, ...]]]:
    """(cost, subtasks at each level or a faster one) of all decisions of a device."""
    usable = [LOCAL, *np.flatnonzero(levels.of >= 0).tolist()]
    sizes = [instance.applications[i].size for i in instance.devices.application]
    found = []
    for row in itertools.product(usable, repeat=sizes[m]):
        if restrictions is not None and not restrictions.keeps(m, np.array(row)):
            continue
        rows = [[LOCAL] * size for size in sizes]
        rows[m] = list(row)
        cost = evaluate(instance, Solution.from_rows(instance, rows)).cost[m]
        at = [levels.of[n] for n in row if n != LOCAL]
        found.append((float(cost), tuple(sum(i <= q for i in at) for q in range(len(levels.speeds)))))
    return found


@examples(1500, 12)
@given(data=st.data())
def test_patterns_equal_enumeration(data: st.DataObject) -> None:
    instance = data.draw(instances(max_devices=2, max_points=3, max_subtasks=5))
    assume(enumerable(instance))
    size = instance.num_points
    values = data.draw(st.lists(st.floats(0, 2), min_size=2 * size, max_size=2 * size))
    levels = Levels(instance)
    prices = levels.raised(Prices(np.array(values[:size]), np.array(values[size:])))
    restrictions = None
    if data.draw(st.booleans()):
        restrictions = Restrictions(instance)
        m = data.draw(st.integers(0, instance.num_devices - 1))
        k = data.draw(st.integers(0, instance.applications[instance.devices.application[m]].size - 1))
        restrictions.branch(m, k, data.draw(st.integers(LOCAL, size - 1)), data.draw(st.booleans()))
    least = price(instance, prices, restrictions).value
    assume(np.isfinite(least).all())
    room = data.draw(st.floats(0, 2)) * max(1e-3, float(np.abs(least).max()))
    steps = -np.diff(np.append(prices.capacity[levels.points], 0.0))
    for m, patterns in enumerate_patterns(instance, levels, prices, restrictions, least + room):
        assert patterns is not None
        radio = prices.channels[instance.devices.connected_to[m]]
        slack = 1e-9 * (1.0 + abs(float(least[m])) + room)
        every = decisions(instance, levels, restrictions, m)
        for cost, used in every:
            total = cost + float(steps @ used) + (radio if used[-1] else 0.0)
            if total <= least[m] + room - slack:
                better = (patterns.cost <= cost + slack) & (patterns.used <= used).all(axis=1)
                assert better.any()
        for cost, used, row in zip(patterns.cost, patterns.used, patterns.level, strict=True):
            same = [c for c, u in every if u == tuple(used)]
            assert any(c == pytest.approx(cost, rel=1e-9, abs=slack) for c in same)
            rows = Solution.all_local(instance).rows(instance)
            rows[m] = np.append(levels.points, LOCAL)[row].tolist()
            attained = evaluate(instance, Solution.from_rows(instance, rows)).cost[m]
            assert attained == pytest.approx(cost, rel=1e-9, abs=slack)


def scarce(seed: int, devices: int = 5, application: str = "fork-join-3", **more: Any) -> Instance:
    """Few places for tasks that gain by going as a whole: the bound of the root is not enough."""
    setting = Setting(
        devices=devices,
        offload_points=3,
        applications=(application,),
        capacity=3,
        point_cpu=(1.6, 8.0),
        input=(0.05, 0.2),
        output=(0.05, 0.2),
        alpha=(0.97, 0.97),
        **more,
    )
    return generate(setting, seed=seed)


def finished(instance: Instance) -> branch_and_price._Search:
    """The root closed by the finish at once, from all-local: pools as large as can be."""
    search = branch_and_price._Search(instance, Solution.all_local(instance), Budget())
    search._bound(0, (), Node(-np.inf, Prices.zero(instance)))
    for leaf in search.tree.explore(lambda: search.cutoff, lambda: False):
        assert search._finished(leaf)
    return search


def stored(instance: Instance, search: branch_and_price._Search, folder: Path) -> tuple[Path, Path]:
    names = folder / "instance.json", folder / "proof.cert.json"
    write(instance, names[0])
    write_certificate(search.proof().certificate, instance, names[1])
    return names


def closes(instance: Instance, folder: Path) -> None:
    optimum, _ = brute_force(instance)
    search = finished(instance)
    assert search.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert search.lower_bound <= optimum * (1 + 1e-12)
    assert search.lower_bound >= optimum * (1 - 1e-8)
    names = stored(instance, search, folder)
    mine, certificate = check.read_instance(names[0]), check.read_certificate(names[1])
    assert not check.faults.certificate_faults(mine, certificate)
    assert (
        certificate.lower_bound
        <= check.tree_bound(mine, certificate).value
        <= Fraction(optimum * (1 + 1e-12))
    )


@examples(600, 12)
@given(instance=instances(max_devices=3))
def test_the_finish_closes_random_instances(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(enumerable(instance))
    closes(instance, tmp_path_factory.mktemp("proof"))


def test_patterns_that_do_not_fit_together_give_no_incumbent() -> None:
    instance = scarce(0)
    search = branch_and_price._Search(instance, Solution.all_local(instance), Budget())
    levels, prices = Levels(instance), Prices.zero(instance)
    pool = enumerated(instance, levels, prices, None, np.full(instance.num_devices, np.inf))
    assert pool is not None
    largest = np.array(
        [a + np.argmax(pool.used[a:b, -1]) for a, b in pairwise([*pool.start, len(pool.cost)])]
    )
    alone = pool.within(np.isin(np.arange(len(pool.cost)), largest))
    assert alone.used[:, -1].sum() > instance.points.capacity.sum()
    Finish(search, Tree(Charged(prices)), levels, alone).seek(prices)
    assert search.objective == evaluate(instance, Solution.all_local(instance)).total


@pytest.mark.parametrize("cuts", [True, False])
@pytest.mark.parametrize("channels", [None, 1])
@pytest.mark.parametrize("seed", [2, 3, 7])
def test_the_finish_equals_the_tree(
    seed: int, channels: int | None, cuts: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forks with cuts and without, with branches on numbers, against the tree that has neither."""
    if not cuts:
        monkeypatch.setattr(finish, "violated", lambda *_: [])
    instance = scarce(seed, devices=8, application="fork-join-6", channels=channels)
    search = finished(instance)
    names = stored(instance, search, tmp_path)
    mine, certificate = check.read_instance(names[0]), check.read_certificate(names[1])
    assert check.tree_bound(mine, certificate).value >= certificate.lower_bound
    monkeypatch.setattr(branch_and_price, "enumerable", lambda instance: False)
    other = branch_and_price.solve(instance, Budget())
    assert search.objective == pytest.approx(other.objective, rel=1e-9)
    assert float(certificate.lower_bound) >= other.objective * (1 - 2e-9)


@pytest.mark.parametrize("seed", range(4))
def test_no_solution_violates_a_cut(seed: int) -> None:
    """Cuts at random weights hold for every choice of patterns that keeps the limits."""
    instance = scarce(seed, devices=3)
    levels = Levels(instance)
    prices = Prices.zero(instance)
    pool = enumerated(instance, levels, prices, None, np.full(3, 1e3))
    assert isinstance(pool, Pool)
    rng = np.random.default_rng(seed)
    of = [np.flatnonzero(pool.device == i) for i in range(3)]
    cuts = []
    for _ in range(30):
        pairs = [(rng.choice(mine, 2, replace=False), rng.uniform(0.1, 0.9)) for mine in of if len(mine) > 1]
        weights = {int(p): w for (one, two), x in pairs for p, w in ((one, x), (two, 1 - x))}
        cuts += violated(levels, pool, weights)
    assert cuts
    used = pool.used.astype(int)
    for _ in range(2000):
        some = [int(rng.choice(mine)) for mine in of]
        if (used[some].sum(axis=0) > levels.limits).any():
            continue
        for cut in cuts:
            level = levels.of[cut.point]
            shifts = [cut.shifts.get(m, 0) for m in range(3)]
            left = sum((used[p, level] + a) // cut.divisor for p, a in zip(some, shifts, strict=True))
            assert left <= (levels.limits[level] + sum(shifts)) // cut.divisor


Document = dict[str, Any]


def damaged(rng: random.Random, document: Document) -> Document:
    """The certificate with one change somewhere."""
    document = copy.deepcopy(document)
    nodes = document["nodes"]
    kind = rng.choice(["price", "price", "cut price", "most", "swap", "divisor", "shift", "point", "forget"])
    priced = [node.get("prices", node.get("patterns")) for node in nodes if "branch" not in node]
    counts = [node for node in nodes if "branch" in node]
    if kind in ("price", "cut price"):
        what = "cuts" if kind == "cut price" else "capacity"
        prices = rng.choice([one[what] for one in priced if one.get(what)])
        name = rng.choice(list(prices))
        prices[name] = repr(float(prices[name]) * rng.choice([0.0, 0.5, 0.9, 1.1, 3.0]))
    elif kind == "forget":
        rng.choice(priced).clear()
    elif kind in ("most", "swap", "point") and counts:
        node = rng.choice(counts)
        if kind == "most":
            node["branch"]["most"] += rng.choice([1, 2, 5])
        elif kind == "swap":
            node["equal"], node["different"] = node["different"], node["equal"]
        else:
            node["branch"]["fast_as"] = rng.choice(["op1", "op2", "op3"])
    else:
        cut = rng.choice(document["cuts"])
        if kind == "divisor":
            cut["divisor"] += rng.choice([-1, 1, 2])
        else:
            cut["shifts"]["ud1"] = rng.randrange(9)
    return document


def example(folder: Path) -> tuple[check.data.Instance, Document, Fraction]:
    instance = scarce(5, devices=8, application="fork-join-6")
    with pytest.MonkeyPatch.context() as patch:  # few cuts, so that there is something to branch on
        patch.setattr(finish, "CUTS", 2)
        patch.setattr(finish, "STALE", 10.0)
        search = finished(instance)
    names = stored(instance, search, folder)
    document = json.loads(names[1].read_text())
    assert document["cuts"] and any("fast_as" in node.get("branch", {}) for node in document["nodes"])
    mine = check.read_instance(names[0])
    assert isinstance(mine, check.data.Instance)
    return mine, document, Fraction(search.objective) * (1 + Fraction(1, 10**12))


def judged(document: Document, folder: Path) -> check.certificate.Certificate:
    (folder / "damaged.json").write_text(json.dumps(document))
    return check.read_certificate(folder / "damaged.json")


def test_damaged_certificates_prove_nothing_false(tmp_path: Path) -> None:
    """Whatever is changed, what the checker computes stays below the optimum, and much is rejected."""
    instance, document, optimum = example(tmp_path)
    rejected = 0
    rng = random.Random(1)
    for _ in range(60):
        certificate = judged(damaged(rng, document), tmp_path)
        if check.faults.certificate_faults(instance, certificate):
            rejected += 1
            continue
        value = check.tree_bound(instance, certificate).value
        assert value <= optimum
        rejected += value < certificate.lower_bound
    assert rejected >= 15


def test_a_higher_claim_is_rejected(tmp_path: Path) -> None:
    instance, document, _ = example(tmp_path)
    document["lower_bound"] = repr(float(document["lower_bound"]) * (1 + 1e-6))
    certificate = judged(document, tmp_path)
    assert check.tree_bound(instance, certificate).value < certificate.lower_bound


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": [{"branch": {"device": "ud1", "fast_as": "op1", "most": 1}, "equal": 1, "different": 2}]},
         "not below an enumeration"),
        ({"nodes": [{"prices": {"cuts": {"0": "1"}}}]}, "not below an enumeration"),
        ({"nodes": [{"patterns": {}, "below": 1}, {"prices": {"cuts": {"x": "1"}}}]}, "unknown cut"),
        ({"nodes": [{"patterns": {}, "below": 1}, {"prices": {"cuts": {"0": "-1"}}}]}, "negative price"),
        ({"nodes": [{"patterns": {}, "below": 1},
                    {"branch": {"device": "ud1", "subtask": "t1", "place": None},
                     "equal": 2, "different": 3}]},
         "below an enumeration"),
        ({"nodes": [{"patterns": {}, "below": 1},
                    {"branch": {"device": "x", "fast_as": "y", "most": 1}, "equal": 2, "different": 3}]},
         "unknown device"),
        ({"nodes": [{"patterns": {}, "below": 0}]}, "not a later node"),
        ({"cuts": [{"fast_as": "op1", "divisor": 0, "shifts": {}}]}, "divisor"),
        ({"cuts": [{"fast_as": "x", "divisor": 2, "shifts": {}}]}, "unknown offload point"),
        ({"cuts": [{"fast_as": "op1", "divisor": 2, "shifts": {"x": 1}}]}, "unknown device"),
    ],
)  # fmt: skip
def test_faults(change: Document, message: str, tmp_path: Path) -> None:
    instance, document, _ = example(tmp_path)
    document |= change
    document["nodes"] = document["nodes"] + [{"prices": {}}, {"prices": {}}][: 4 - len(document["nodes"])]
    faults = check.faults.certificate_faults(instance, judged(document, tmp_path))
    assert any(message in fault for fault in faults), faults


@pytest.mark.parametrize(
    "change",
    [
        {"cuts": [{"fast_as": "op1", "divisor": -2, "shifts": {}}]},
        {"cuts": [{"fast_as": "op1", "divisor": 2, "shifts": {"ud1": -1}}]},
        {"cuts": [{"fast_as": "op1", "divisor": 2}]},
        {"cuts": {}},
        {"nodes": [{"patterns": {}}]},
        {"nodes": [{"patterns": [], "below": 1}]},
        {"nodes": [{"branch": {"device": "ud1", "fast_as": "op1", "most": -1}, "equal": 1, "different": 2}]},
    ],
)
def test_unusable(change: Document, tmp_path: Path) -> None:
    _, document, _ = example(tmp_path)
    with pytest.raises(check.Unusable):
        judged(document | change, tmp_path)


def test_interrupted_at_any_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finish that is broken off leaves a tree whose claim holds."""
    monkeypatch.setattr(finish, "CUTS", 2)
    monkeypatch.setattr(finish, "STALE", 10.0)
    instance = scarce(5, devices=8, application="fork-join-6")
    optimum = branch_and_price.solve(instance, Budget()).objective
    write(instance, tmp_path / "instance.json")
    mine = check.read_instance(tmp_path / "instance.json")
    for last in range(6):
        seen: list[Progress] = []

        def interrupt(event: Progress, seen: list[Progress] = seen, last: int = last) -> None:
            seen.append(event)
            if len(seen) > last:
                raise KeyboardInterrupt

        proof = branch_and_price.prove(instance, Solution.all_local(instance), Budget(on_progress=interrupt))
        write_certificate(proof.certificate, instance, tmp_path / "proof.cert.json")
        certificate = check.read_certificate(tmp_path / "proof.cert.json")
        assert not check.faults.certificate_faults(mine, certificate)
        bound = check.tree_bound(mine, certificate).value
        assert certificate.lower_bound <= bound <= Fraction(optimum) * (1 + Fraction(1, 10**12))
        assert proof.objective >= optimum * (1 - 1e-12)


def random_enumerations(rng: random.Random, document: Document) -> tuple[list[Document], list[Document]]:
    """A tree of branches, enumerations, branches on numbers and prices, and its cuts."""
    points, devices = document["offload_points"], document["devices"]
    subtasks = {application["id"]: application["subtasks"] for application in document["applications"]}
    cuts: list[Document] = [
        {
            "fast_as": rng.choice(points)["id"],
            "divisor": rng.choice([1, 2, 2, 3, 4]),
            "shifts": {device["id"]: rng.randrange(5) for device in devices if rng.random() < 0.7},
        }
        for _ in range(rng.randrange(4))
    ]
    nodes: list[Document] = []

    def on(names: list[str]) -> Document:
        return {
            name: repr(rng.choice([0.0, 0.1, 1.0]) * rng.random()) for name in names if rng.random() < 0.8
        }

    def prices(inside: bool) -> Document:
        limited = [point["id"] for point in points if point.get("channels") is not None]
        found = {"capacity": on([point["id"] for point in points]), "channels": on(limited)}
        return found | ({"cuts": on(list(map(str, range(len(cuts)))))} if inside else {})

    def grow(depth: int, inside: bool) -> int:
        number = len(nodes)
        nodes.append({})
        device = rng.choice(devices)
        if depth == 0 or rng.random() < 0.15:
            nodes[number] = {"prices": prices(inside)}
        elif rng.random() < 0.4:
            nodes[number] = {"patterns": prices(inside), "below": grow(depth - 1, True)}
        else:
            at = {"fast_as": rng.choice(points)["id"], "most": rng.randrange(4)}
            if not inside:
                places = rng.sample([None, *(point["id"] for point in points)], rng.randint(1, len(points)))
                at = {"subtask": rng.choice(subtasks[device["application"]]), "places": places}
            children = {"equal": grow(depth - 1, inside), "different": grow(depth - 1, inside)}
            nodes[number] = {"branch": {"device": device["id"], **at}, **children}
        return number

    grow(rng.randint(1, 5), False)
    return nodes, cuts


def stay_below_the_optimum(document: Document, rng: random.Random) -> None:
    optimum, _ = brute_force(instance_of(document))
    instance = check.files._instance_from_json(document, "x")
    assert isinstance(instance, check.data.Instance)
    for factor in (0.9, 1.0, 1.1, 10.0):
        nodes, cuts = random_enumerations(rng, document)
        claim = Fraction(optimum) * Fraction(factor)
        read = [check.certificate._node([], node, "") for node in nodes]
        rounding = [check.certificate.Cut(cut["fast_as"], cut["divisor"], cut["shifts"]) for cut in cuts]
        certificate = check.certificate.Certificate(
            "", claim, [node for node in read if node], None, rounding
        )
        assert not check.faults.certificate_faults(instance, certificate)
        assert check.tree_bound(instance, certificate).value <= optimum + 1e-9 * abs(optimum)


SMALL: dict[str, Any] = {"max_devices": 3, "max_points": 3, "max_subtasks": 3}


@examples(3000, 21)
@given(documents(**SMALL), st.randoms(use_true_random=False))
def test_enumerations_stay_below_the_optimum(document: Document, rng: random.Random) -> None:
    """Any tree, cuts and prices, at any claim, and on instances of any kind."""
    stay_below_the_optimum(document, rng)


def test_an_enumeration_without_capacity(tmp_path: Path) -> None:
    """Where no offload point has any there are no levels, and the optimum is all-local."""
    instance, document, _ = example(tmp_path)
    empty = instance._replace(points=[point._replace(capacity=0) for point in instance.points])
    local = sum(
        Fraction(*check.exact.device_cost(empty, one, [check.data.LOCAL] * 8)) for one in empty.devices
    )
    document |= {"nodes": [{"patterns": {}, "below": 1}, {"prices": {}}], "cuts": []}
    claim = judged(document, tmp_path)._replace(lower_bound=local - Fraction(1, 10**20))
    assert claim.lower_bound <= check.tree_bound(empty, claim).value <= local


@pytest.mark.parametrize("limit", ["_MOST_COMPARISONS", "_MOST_PATTERNS"])
def test_an_enumeration_that_takes_too_long_proves_less(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound of its node as a leaf stands, and the application is named."""
    instance, document, _ = example(tmp_path)
    certificate = judged(document, tmp_path)
    assert check.tree_bound(instance, certificate).value >= certificate.lower_bound
    monkeypatch.setattr(series, limit, 20)
    bound = check.tree_bound(instance, certificate)
    assert 0 < bound.value < certificate.lower_bound
    assert bound.limited == [instance.applications[0].id]


def test_a_deep_tree_over_many_devices_needs_little_memory() -> None:
    """What a branch leaves to the other devices is not copied, nor are cuts spread over all devices."""
    document, count = copy.deepcopy(DOCUMENT), 2000
    document["devices"] = [document["devices"][0] | {"id": f"d{m}"} for m in range(count)]
    instance = check.files._instance_from_json(document, "x")
    assert isinstance(instance, check.data.Instance)
    levels, leaf = check_levels.Levels(instance), check.certificate.Leaf({}, {}, None)
    nodes: list[check.certificate.TreeNode] = []
    for i in range(0, count, 2):  # no device has as few
        nodes += [check.certificate.Count(f"d{i // 2}", instance.points[0].id, 0, i + 1, i + 2), leaf]
    cuts = [check.certificate.Cut(instance.points[0].id, 2, {})] * 1000
    certificate = check.certificate.Certificate("", Fraction(10**6), [*nodes, leaf], None, cuts)
    patterns: list[list[leaves.Pattern]] = [[(1, 1, (1,) * len(levels.points))]] * count
    tracemalloc.start()
    assert check_patterns.Enumerated(instance, levels, certificate).bound(0, patterns) == count
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6


def test_the_least_prices_can_be_read(tmp_path: Path) -> None:
    """Plain digits of 1e-100 would be more than the checker reads."""
    instance = scarce(1)
    prices = Prices(np.full(3, 1.23456789012345e-100), np.zeros(3))
    certificate = Certificate(0.0, [Enumeration(Charged(prices), 1), Charged(prices, {0: 5e-324})])
    write_certificate(certificate, instance, tmp_path / "c.json")
    node = check.read_certificate(tmp_path / "c.json").nodes[1]
    assert isinstance(node, check.certificate.Leaf)
    assert set(node.capacity.values()) == {Fraction("1.23456789012345e-100")}
    assert node.cuts["0"] == Fraction("5e-324")
