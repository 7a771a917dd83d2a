"""Certificates: the checker's bound against enumeration, and what it makes of damaged certificates.

The reference is independent of the checker: the exact cost of every decision of a device (``brute``), a
recursive walk through the tree, and fractions throughout.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import _costs, brute_force, exact_costs
from counts import FOLDER, count, examples
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from sceptic import CHECKER, by_path
from strategies import documents, instance_of

EXAMPLE = json.loads((LIBRARY / "worked-example.json").read_text("utf-8"))

checker = by_path("certificate_checker")

Document = dict[str, Any]
Condition = tuple[str, str, list[str | None], bool]  # device, subtask, places, and whether it is at one
Places = tuple[str | None, ...]

LOSS = Fraction(1, 10**30)  # more than the checker's grid may lose
SLACK = Fraction(1, 10**25)  # what a writer allows for that


# --- the reference ----------------------------------------------------------------------------------


class Reference:
    """An instance with the exact costs of all decisions of each device."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.points = document["offload_points"]
        self.subtasks = {app["id"]: app["subtasks"] for app in document["applications"]}
        self.devices = {device["id"]: device for device in document["devices"]}
        self.decisions = {name: list(self._decisions(device)) for name, device in self.devices.items()}
        self.sha256 = instance_of(document).fingerprint

    def _decisions(self, device: Document) -> Iterator[tuple[Places, Fraction]]:
        alone = {**self.document, "devices": [device]}
        places = range(-1, len(self.points) if device["connected_to"] is not None else 0)
        for row in itertools.product(places, repeat=len(device["work"])):
            names = tuple(None if n < 0 else self.points[n]["id"] for n in row)
            yield names, exact_costs(alone, [row])[0].cost

    def bound(
        self, nodes: Sequence[Document], index: int = 0, above: Sequence[Condition] = ()
    ) -> Fraction | float:
        """The bound of the tree below a node."""
        node = nodes[index]
        if "prices" in node:
            return self.leaf(node["prices"], above)
        branch = node["branch"]
        where = (branch["device"], branch["subtask"], places_of(branch))
        return min(
            self.bound(nodes, node["equal"], [*above, (*where, True)]),
            self.bound(nodes, node["different"], [*above, (*where, False)]),
        )

    def leaf(self, prices: Document, above: Sequence[Condition]) -> Fraction | float:
        capacity = {name: Fraction(price) for name, price in (prices.get("capacity") or {}).items()}
        channels = {name: Fraction(price) for name, price in (prices.get("channels") or {}).items()}
        total: Fraction | float = Fraction(0)
        for point in self.points:
            total -= capacity.get(point["id"], 0) * int(point["capacity"])
            total -= channels.get(point["id"], 0) * int(point.get("channels") or 0)
        for name, device in self.devices.items():
            radio = channels.get(device["connected_to"], Fraction(0))
            total += min(
                (
                    cost + sum(capacity.get(place, 0) for place in row if place) + any(row) * radio
                    for row, cost in self.decisions[name]
                    if self._obeys(device, row, above)
                ),
                default=math.inf,
            )
        return total

    def _obeys(self, device: Document, row: Places, above: Sequence[Condition]) -> bool:
        subtasks = self.subtasks[device["application"]]
        return all(
            (row[subtasks.index(subtask)] in places) == there
            for name, subtask, places, there in above
            if name == device["id"]
        )


def places_of(branch: Document) -> list[str | None]:
    """A branch names one place, or several."""
    return branch["places"] if "places" in branch else [branch["place"]]


def text(value: Fraction) -> str:
    """A decimal just below a number."""
    return f"{math.floor((value - SLACK) * 10**28)}e-28"


def write(document: Document, nodes: list[Document], claim: str, sha256: str) -> Document:
    return {
        "format": "offloadlib-certificate",
        "version": 1,
        "instance": {"name": document["name"], "sha256": sha256},
        "lower_bound": claim,
        "nodes": nodes,
    }


def random_prices(rng: random.Random, document: Document) -> Document:
    def price() -> str:
        return rng.choice(["0", "0.0", "1e-3", "2.5E-1", f"{rng.random():.3f}", f"{rng.random():.17f}"])

    points = document["offload_points"]
    limited = [point for point in points if point.get("channels") is not None]
    prices = {
        "capacity": {point["id"]: price() for point in points if rng.random() < 0.8},
        "channels": {point["id"]: price() for point in limited if rng.random() < 0.8},
    }
    return {key: value for key, value in prices.items() if value or rng.random() < 0.5}


def random_branch(rng: random.Random, document: Document) -> Document:
    device = rng.choice(document["devices"])
    subtasks = next(app["subtasks"] for app in document["applications"] if app["id"] == device["application"])
    places = [None, *(point["id"] for point in document["offload_points"])]
    if rng.random() < 0.5:
        some = rng.choices(places, k=rng.randint(1, len(places)))  # one may be named twice
        return {"device": device["id"], "subtask": rng.choice(subtasks), "places": some}
    return {"device": device["id"], "subtask": rng.choice(subtasks), "place": rng.choice(places)}


def random_tree(rng: random.Random, document: Document, leaves: int) -> list[Document]:
    """Leaves are divided at random; some share their prices."""
    shared = random_prices(rng, document)
    nodes: list[Document] = [{}]
    ends = [0]
    while len(ends) < leaves:
        at = ends.pop(rng.randrange(len(ends)))
        children = [len(nodes), len(nodes) + 1]
        rng.shuffle(children)
        nodes[at] = {"branch": random_branch(rng, document), "equal": children[0], "different": children[1]}
        nodes += [{}, {}]
        ends += children
    for at in ends:
        nodes[at] = {"prices": shared if rng.random() < 0.5 else random_prices(rng, document)}
    return nodes


# --- the checker ------------------------------------------------------------------------------------


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


def all_local(document: Document, sha256: str, **changes: Any) -> Document:
    rows = {device["id"]: [None] * len(device["work"]) for device in document["devices"]}
    cost = sum(result.cost for result in exact_costs(document, [[-1] * len(row) for row in rows.values()]))
    return {
        "format": "offloadlib-solution",
        "version": 1,
        "instance": {"name": document["name"], "sha256": sha256},
        "method": "local",
        "objective": float(cost),
        "lower_bound": None,
        "status": "feasible",
        "decisions": rows,
    } | changes


class Files:
    """An instance, its all-local solution, and certificates to come, in a folder."""

    def __init__(self, folder: Path, document: Document, **changes: Any) -> None:
        self.folder = folder
        self.sha256 = instance_of(document).fingerprint
        self.instance = write_json(folder / "instance.json", document)
        self.solution = write_json(folder / "solution.json", all_local(document, self.sha256, **changes))
        self.certificate = folder / "certificate.json"

    def check(self, certificate: Any) -> Any:
        return checker.check(self.instance, self.solution, write_json(self.certificate, certificate))

    def accepts(self, certificate: Any) -> bool:
        try:
            verdict = self.check(certificate)
        except checker.Unusable as unusable:
            assert str(unusable).startswith(f"{self.certificate}: ")
            return False
        assert verdict.accepted == (verdict.certified_bound is not None)
        return bool(verdict.accepted)

    def run(self, certificate: Any, *options: str) -> subprocess.CompletedProcess[str]:
        write_json(self.certificate, certificate)
        command = [
            sys.executable,
            "-I",
            "-S",
            CHECKER,
            self.instance,
            self.solution,
            "--certificate",
            self.certificate,
        ]
        return subprocess.run([*map(str, command), *options], capture_output=True, text=True, check=False)


def computed(document: Document, nodes: list[Document]) -> Fraction:
    """The checker's bound of a tree."""
    instance = checker.files._instance_from_json(document, "a document")
    read = [checker.certificate._node([], node, "") for node in nodes]
    return Fraction(
        checker.tree_bound(instance, checker.certificate.Certificate("", Fraction(0), read)).value
    )


def failed(verdict: Any) -> list[str]:
    return [rule.name for rule in verdict.rules if not rule.ok]


SMALL: dict[str, Any] = {"max_devices": 3, "max_points": 2, "max_subtasks": 4}


def check_tree(document: Document, rng: random.Random, folder: Path) -> None:
    reference = Reference(document)
    nodes = random_tree(rng, document, rng.choice([1, 1, 2, 3, 6]))
    bound = reference.bound(nodes)
    assert isinstance(bound, Fraction)  # all-local obeys some leaf
    assert 0 <= bound - computed(document, nodes) <= LOSS
    files = Files(folder, document)
    assert files.accepts(write(document, nodes, text(bound), files.sha256))
    raised = bound + max(abs(bound) / 10**9, SLACK)
    assert not files.accepts(write(document, nodes, text(raised + 2 * SLACK), files.sha256))


@examples(1000, 12, base=FOLDER)
@given(
    documents(max_devices=3, max_points=count(3, 2), max_subtasks=count(5, 4)),
    st.randoms(use_true_random=False),
)
def test_the_bound_is_that_of_enumeration(tmp_path: Path, document: Document, rng: random.Random) -> None:
    check_tree(document, rng, tmp_path)


@examples(25, base=FOLDER)
@given(documents(magnitudes="extreme", **SMALL), st.randoms(use_true_random=False))
def test_the_bound_at_extreme_magnitudes(tmp_path: Path, document: Document, rng: random.Random) -> None:
    check_tree(document, rng, tmp_path)


@examples(60)
@given(documents(**SMALL), st.randoms(use_true_random=False))
def test_no_bound_exceeds_the_optimum(document: Document, rng: random.Random) -> None:
    optimum, _ = brute_force(instance_of(document))
    for leaves in (1, 3):
        bound = computed(document, random_tree(rng, document, leaves))
        assert bound <= optimum + 1e-9 * abs(optimum)


def test_crude_subgradients_certify_the_worked_example(tmp_path: Path) -> None:
    """Prices that follow the excess of use prove more and more, up to a small gap."""
    reference = Reference(EXAMPLE)
    prices = {"op1": Fraction(0), "op2": Fraction(0)}
    best, best_nodes = Fraction(-1), list[Document]()
    for step in range(1, 40):
        nodes = [{"prices": {"capacity": {name: text(price + SLACK) for name, price in prices.items()}}}]
        bound = reference.bound(nodes)
        assert isinstance(bound, Fraction)
        best, best_nodes = max((best, best_nodes), (bound, nodes), key=lambda pair: pair[0])
        used = dict.fromkeys(prices, 0)
        for decisions in reference.decisions.values():
            row, _ = min(
                decisions, key=lambda pair: pair[1] + sum(prices[place] for place in pair[0] if place)
            )
            for place in filter(None, row):
                used[place] += 1
        for point in EXAMPLE["offload_points"]:
            move = Fraction(4, step) * (used[point["id"]] - point["capacity"])
            prices[point["id"]] = max(prices[point["id"]] + move, Fraction(0)).limit_denominator(1000)
    rows = {"ud1": [None, "op1", "op1", "op2", None], "ud2": [None, None, "op2", None, None]}
    files = Files(tmp_path, EXAMPLE, decisions=rows, objective=15.125 + 17.0533333333333333)
    verdict = files.check(write(EXAMPLE, best_nodes, text(best), files.sha256))
    assert verdict.accepted
    assert 20 < verdict.certified_bound <= best < 24.045
    assert verdict.certified_gap == pytest.approx(1 - float(best) / verdict.objective)
    cost = sum(dict(reference.decisions[name])[tuple(row)] for name, row in rows.items())
    assert 1 - best / cost <= verdict.certified_gap


# --- damaged certificates, judged by enumeration ----------------------------------------------------


class Damaged(Exception):
    """A certificate that proves nothing."""


def insist(condition: bool) -> None:
    if not condition:
        raise Damaged


def decimal(value: Any) -> Fraction:
    """A number as JSON writes it, with an exponent of up to three digits, in a string."""
    insist(type(value) is str and len(value) <= 100 and value == value.strip())
    try:
        number = json.loads(value, parse_float=Decimal, parse_constant=lambda _: None)
    except json.JSONDecodeError as error:
        raise Damaged from error
    insist(type(number) in (int, Decimal))
    insist(len(value.lower().rpartition("e")[2].lstrip("+-")) <= 3 or "e" not in value.lower())
    return Fraction(value)


def keys(value: Any, required: AbstractSet[str], optional: AbstractSet[str] = frozenset()) -> None:
    insist(type(value) is dict and required <= value.keys() <= required | optional)


def holds(reference: Reference, certificate: Any) -> bool:
    """Whether a certificate is in order and what it claims is true."""
    try:
        keys(certificate, {"format", "version", "instance", "lower_bound", "nodes"})
        insist(certificate["format"] == "offloadlib-certificate")
        insist(type(certificate["version"]) in (int, float) and certificate["version"] == 1)
        keys(certificate["instance"], {"name", "sha256"})
        insist(type(certificate["instance"]["name"]) is str)
        insist(certificate["instance"]["sha256"] == reference.sha256)
        claim = decimal(certificate["lower_bound"])
        nodes = certificate["nodes"]
        insist(type(nodes) is list and nodes != [])
        for node in nodes:
            judge_node(reference, node)
        insist(sorted(visited(nodes, 0)) == list(range(len(nodes))))
        return claim <= reference.bound(nodes)
    except Damaged:
        return False


def judge_node(reference: Reference, node: Any) -> None:
    points = {point["id"]: point for point in reference.points}
    if type(node) is dict and "branch" in node:
        keys(node, {"branch", "equal", "different"})
        branch = node["branch"]
        insist(type(branch) is dict)
        keys(branch, {"device", "subtask", "places" if "places" in branch else "place"})
        insist(type(branch["device"]) is str and branch["device"] in reference.devices)
        subtasks = reference.subtasks[reference.devices[branch["device"]]["application"]]
        insist(type(branch["subtask"]) is str and branch["subtask"] in subtasks)
        insist(type(places_of(branch)) is list and len(places_of(branch)) > 0)
        for place in places_of(branch):
            insist(place is None or (type(place) is str and place in points))
        return
    keys(node, {"prices"})
    keys(node["prices"], set(), {"capacity", "channels"})
    for what, prices in node["prices"].items():
        if prices is None:  # as if left out
            continue
        insist(type(prices) is dict)
        for name, price in prices.items():
            insist(decimal(price) >= 0)
            insist(name in points and (what == "capacity" or points[name].get("channels") is not None))


def visited(nodes: list[Document], index: int) -> Iterator[int]:
    """Every node below one, as often as it is reached."""
    yield index
    for child in (
        (nodes[index].get("equal"), nodes[index].get("different")) if "branch" in nodes[index] else ()
    ):
        insist(type(child) is int and index < child < len(nodes))
        assert child is not None
        yield from visited(nodes, child)


def leaves_of(certificate: Document) -> list[Document]:
    return [node for node in certificate["nodes"] if "prices" in node]


def branches_of(certificate: Document) -> list[Document]:
    return [node for node in certificate["nodes"] if "branch" in node]


Mutation = Callable[[random.Random, Document, Document], None]  # changes the last, the certificate
MUTATIONS: list[Mutation] = []


def mutation(function: Mutation) -> Mutation:
    MUTATIONS.append(function)
    return function


@mutation
def claim_more(rng: random.Random, document: Document, certificate: Document) -> None:
    claim = Fraction(certificate["lower_bound"])
    certificate["lower_bound"] = text(claim + max(abs(claim), Fraction(1)) / 10 ** rng.choice([1, 5, 9, 20]))


@mutation
def claim_less(rng: random.Random, document: Document, certificate: Document) -> None:
    certificate["lower_bound"] = text(Fraction(certificate["lower_bound"]) - Fraction(rng.random()))


@mutation
def claim_in_another_form(rng: random.Random, document: Document, certificate: Document) -> None:
    certificate["lower_bound"] = rng.choice(
        ["-1e0", "1E-3", "-0", "1e999", "-1e999", "-1e1000", ".5", "1.", "0.5 "]
    )


@mutation
def change_a_price(rng: random.Random, document: Document, certificate: Document) -> None:
    prices = rng.choice(leaves_of(certificate))["prices"]
    name = rng.choice(document["offload_points"])["id"]
    prices.setdefault("capacity", {})[name] = f"{rng.choice([0, 0.01, 1, 100]) * rng.random():.12f}"


@mutation
def multiply_the_prices(rng: random.Random, document: Document, certificate: Document) -> None:
    factor = rng.choice([Fraction(1, 2), Fraction(2), Fraction(1000)])
    for values in rng.choice(leaves_of(certificate))["prices"].values():
        values.update({name: text(Fraction(price) * factor + SLACK) for name, price in values.items()})


@mutation
def forget_prices(rng: random.Random, document: Document, certificate: Document) -> None:
    rng.choice(leaves_of(certificate))["prices"].clear()


@mutation
def negative_price(rng: random.Random, document: Document, certificate: Document) -> None:
    name = rng.choice(document["offload_points"])["id"]
    prices = rng.choice(leaves_of(certificate))["prices"]
    prices.setdefault("capacity", {})[name] = rng.choice(["-0.5", "-1e-30", "-0"])


@mutation
def price_on_channels(rng: random.Random, document: Document, certificate: Document) -> None:
    name = rng.choice(document["offload_points"])["id"]  # they may be unlimited
    rng.choice(leaves_of(certificate))["prices"].setdefault("channels", {})[name] = rng.choice(
        ["0.0", "0.25"]
    )


@mutation
def price_on_nothing(rng: random.Random, document: Document, certificate: Document) -> None:
    kind = rng.choice(["capacity", "channels"])
    rng.choice(leaves_of(certificate))["prices"].setdefault(kind, {})["nowhere"] = "0"


@mutation
def odd_price(rng: random.Random, document: Document, certificate: Document) -> None:
    odd = [
        "nan",
        "inf",
        "1_0",
        "1/3",
        "+1",
        " 1",
        "0x1",
        "1e9999",
        "٣",
        "00.5",
        "",
        0.5,
        1,
        None,
        ["1"],
        "1" * 101,
        "true",
    ]
    name = rng.choice(document["offload_points"])["id"]
    rng.choice(leaves_of(certificate))["prices"].setdefault("capacity", {})[name] = rng.choice(odd)


@mutation
def swap_children(rng: random.Random, document: Document, certificate: Document) -> None:
    node = rng.choice(branches_of(certificate))
    node["equal"], node["different"] = node["different"], node["equal"]


@mutation
def same_child_twice(rng: random.Random, document: Document, certificate: Document) -> None:
    node = rng.choice(branches_of(certificate))
    node["equal"] = node["different"]


@mutation
def another_child(rng: random.Random, document: Document, certificate: Document) -> None:
    nodes = certificate["nodes"]
    odd = [0, -1, len(nodes), 10**30, 1.0, "1", None, True, [], *range(len(nodes))]
    rng.choice(branches_of(certificate))[rng.choice(["equal", "different"])] = rng.choice(odd)


@mutation
def cycle(rng: random.Random, document: Document, certificate: Document) -> None:
    node = rng.choice(branches_of(certificate))
    node["equal"] = certificate["nodes"].index(node)


@mutation
def change_a_branch(rng: random.Random, document: Document, certificate: Document) -> None:
    rng.choice(branches_of(certificate))["branch"] = random_branch(rng, document)


@mutation
def branch_on_nothing(rng: random.Random, document: Document, certificate: Document) -> None:
    key = rng.choice(["device", "subtask", "place", "places"])
    nothing: Any = rng.choice(["", "nobody", None, 1, [], [None, "nobody"], [[]], [1]])
    rng.choice(branches_of(certificate))["branch"][key] = nothing


@mutation
def change_the_places(rng: random.Random, document: Document, certificate: Document) -> None:
    branch = rng.choice(branches_of(certificate))["branch"]
    places = list(places_of(branch))
    other = rng.choice([None, *(point["id"] for point in document["offload_points"])])
    if other in places:
        places.remove(other)
    else:
        places.append(other)
    branch.pop("place", None)
    branch["places"] = places


@mutation
def drop_a_case(rng: random.Random, document: Document, certificate: Document) -> None:
    """One child takes the place of its parent; the other is forgotten, with all below it."""
    nodes = certificate["nodes"]
    node = rng.choice(branches_of(certificate))
    kept = nodes[node[rng.choice(["equal", "different"])]]
    node.clear()
    node.update(kept)
    reached = list(visited(nodes, 0))
    order = sorted(reached)
    new = [nodes[i] for i in order]
    for one in new:
        one.update({key: order.index(one[key]) for key in ("equal", "different") if key in one})
    certificate["nodes"] = new


@mutation
def branch_becomes_leaf(rng: random.Random, document: Document, certificate: Document) -> None:
    node = rng.choice(branches_of(certificate))
    node.clear()
    node["prices"] = {}


@mutation
def leave_a_node_out(rng: random.Random, document: Document, certificate: Document) -> None:
    del certificate["nodes"][rng.randrange(len(certificate["nodes"]))]


@mutation
def double_a_node(rng: random.Random, document: Document, certificate: Document) -> None:
    certificate["nodes"].append(copy.deepcopy(rng.choice(certificate["nodes"])))


@mutation
def shuffle_the_nodes(rng: random.Random, document: Document, certificate: Document) -> None:
    rng.shuffle(certificate["nodes"])


@mutation
def no_nodes(rng: random.Random, document: Document, certificate: Document) -> None:
    certificate["nodes"] = []


@mutation
def another_instance(rng: random.Random, document: Document, certificate: Document) -> None:
    other = copy.deepcopy(document)
    other["offload_points"][0]["capacity"] = 1 - min(other["offload_points"][0]["capacity"], 1)
    certificate["instance"]["sha256"] = instance_of(other).fingerprint


@mutation
def another_name(rng: random.Random, document: Document, certificate: Document) -> None:
    certificate["instance"]["name"] = "renamed"  # harmless


@mutation
def additional_key(rng: random.Random, document: Document, certificate: Document) -> None:
    rng.choice([certificate, certificate["instance"], *certificate["nodes"]])["flows"] = {}


@mutation
def junk(rng: random.Random, document: Document, certificate: Document) -> None:
    value: Any = certificate
    while True:
        steps = list(value) if isinstance(value, dict) else range(len(value))
        step = rng.choice(steps)
        if not isinstance(value[step], dict | list) or not value[step] or rng.random() < 0.3:
            break
        value = value[step]
    value[step] = rng.choice([None, True, 0, 1, 1.0, -1, "", "1", "x", [], {}, [[]], {"a": "1"}])


def check_mutations(document: Document, rng: random.Random, folder: Path) -> dict[str, set[bool]]:
    """Apply every mutation to a certificate, and tell the outcome of each that changed it."""
    reference = Reference(document)
    nodes = random_tree(rng, document, rng.randint(2, 6))
    bound = reference.bound(nodes)
    assert isinstance(bound, Fraction)
    files = Files(folder, document)
    good = write(document, nodes, text(bound), files.sha256)
    assert holds(reference, good) and files.accepts(good)
    outcomes = {}
    for mutate in MUTATIONS:
        damaged = copy.deepcopy(good)
        mutate(rng, document, damaged)
        truth = holds(reference, damaged)
        assert files.accepts(damaged) == truth, (mutate.__name__, damaged)
        outcomes[mutate.__name__] = set() if damaged == good else {truth}
    return outcomes


@examples(1000, 5, base=FOLDER)
@given(documents(**SMALL), st.randoms(use_true_random=True))
def test_damaged_certificates(tmp_path: Path, document: Document, rng: random.Random) -> None:
    check_mutations(document, rng, tmp_path)


def test_mutations_go_both_ways(tmp_path: Path) -> None:
    """The judge is no rubber stamp: among those that may be true, true ones and false ones occur."""
    seen: dict[str, set[bool]] = {mutate.__name__: set() for mutate in MUTATIONS}
    for seed in range(15):
        for name, truth in check_mutations(EXAMPLE_OF_TWO, random.Random(seed), tmp_path).items():
            seen[name] |= truth
    assert all(seen.values())
    for name in ("change_a_price", "multiply_the_prices", "change_a_branch", "swap_children", "drop_a_case"):
        assert seen[name] == {True, False}, name
    for name in ("claim_less", "another_name"):
        assert seen[name] == {True}
    for name in (
        "price_on_nothing",
        "same_child_twice",
        "cycle",
        "leave_a_node_out",
        "another_instance",
        "no_nodes",
    ):
        assert seen[name] == {False}


# --- tasks of all shapes against enumeration --------------------------------------------------------


def task(
    rng: random.Random, size: int, edges: Sequence[tuple[int, int]], points: int, devices: int = 1
) -> Document:
    """An instance with one application."""
    names = [f"t{k}" for k in range(size)]

    def sizes(low: float, high: float, count: int = size) -> list[float]:
        return [rng.uniform(low, high) for _ in range(count)]

    return {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": "task",
        "cost": {"normalise": rng.choice(["none", "local"])},
        "applications": [{"id": "app", "subtasks": names, "edges": [[names[j], names[k]] for j, k in edges]}],
        "offload_points": [
            {
                "id": f"op{n}",
                "cpu": rng.uniform(2, 8),
                "capacity": rng.randint(0, 5),
                "uplink": rng.uniform(0.5, 2),
                "downlink": rng.uniform(0.5, 2),
                "channels": rng.choice([None, 0, 1, 2]),
            }
            for n in range(points)
        ],
        "devices": [
            {
                "id": f"ud{m}",
                "application": "app",
                "cpu": rng.uniform(0.5, 2),
                "power": {
                    "execute": rng.uniform(0, 3),
                    "send": rng.uniform(0, 2),
                    "receive": rng.uniform(0, 2),
                },
                "connected_to": f"op{rng.randrange(points)}",
                "alpha": rng.choice([0, 1, rng.random(), rng.random()]),
                "work": sizes(0.5, 3),
                "input": sizes(0, 1),
                "output": sizes(0, 1),
                "edge_data": sizes(0, 1, len(edges)),
            }
            for m in range(devices)
        ],
    }


EXAMPLE_OF_TWO = task(random.Random(6), 3, [(0, 1), (0, 2)], points=2, devices=2)

Edges = list[tuple[int, int]]


def series_parallel(rng: random.Random, size: int) -> Edges:
    """A random graph in series and parallel, with some redundant arcs."""
    edges: set[tuple[int, int]] = set()

    def block(start: int, stop: int) -> tuple[list[int], list[int]]:
        if stop - start == 1:
            return [start], [start]
        middle = rng.randint(start + 1, stop - 1)
        (heads, tails), (next_heads, next_tails) = block(start, middle), block(middle, stop)
        if rng.random() < 0.45:
            return heads + next_heads, tails + next_tails
        edges.update(itertools.product(tails, next_heads))
        return heads, next_tails

    block(0, size)
    reachable = set(edges)
    for k in range(size):  # from the front: paths to k, then those over k
        reachable |= {(i, k) for i, j in set(reachable) for j2, k2 in edges if j == j2 and k2 == k}
    edges |= {arc for arc in reachable if rng.random() < 0.15}
    return sorted(edges, key=lambda _: rng.random())


def chain(rng: random.Random, size: int) -> Edges:
    return [(k, k + 1) for k in range(size - 1)]


def fork_join(rng: random.Random, size: int) -> Edges:
    return [arc for k in range(1, size - 1) for arc in ((0, k), (k, size - 1))]


def any_graph(rng: random.Random, size: int) -> Edges:
    return [arc for arc in itertools.combinations(range(size), 2) if rng.random() < 0.3]


def nested(rng: random.Random, size: int) -> Edges:
    """A fork-join in a branch: what its join receives is added to a delay that may not count."""
    inner = [arc for k in range(1, size - 3) for arc in ((0, k), (k, size - 3))]
    return [*inner, (size - 3, size - 1), (0, size - 2), (size - 2, size - 1)]


def branches(rng: random.Random, size: int, points: int) -> list[int]:
    """What branches may leave to subtasks, as sets: bit 0 is local, bit n + 1 the n-th offload point."""
    anywhere = (1 << points + 1) - 1
    few = [sum(1 << n for n in range(points + 1) if rng.random() < 0.8) for _ in range(size)]
    one_side = [rng.choice([1, anywhere - 1, anywhere]) for _ in range(size)]  # forces transfers
    return rng.choice([[anywhere] * size, few, one_side, one_side])


def check_least(document: Document, rng: random.Random) -> None:
    """Compare both methods with enumeration, under prices and branches."""
    instance = instance_of(document)
    count = len(document["offload_points"])
    size = len(document["devices"][0]["work"])
    capacity = [rng.choice([0.0, rng.random() / 4]) for _ in range(count)]
    channels = [
        0.0 if p["channels"] is None else rng.choice([0.0, rng.random()]) for p in document["offload_points"]
    ]
    allowed = branches(rng, size, count)

    rows = np.array(
        list(itertools.product(*([n - 1 for n in range(count + 1) if a >> n & 1] for a in allowed)))
    )
    radio = int(instance.devices.connected_to[0])
    expected = math.inf
    if rows.size:
        costs = _costs(instance, 0, instance.groups[0], 0, with_all_local(rows))[: len(rows)]
        paid = np.append(capacity, 0.0)[rows].sum(axis=1) + channels[radio] * (rows >= 0).any(axis=1)
        expected = float((costs + paid).min())

    read = checker.files._instance_from_json(document, "a document")
    prices = checker.rooms.choices.Prices(
        read,
        *(
            tuple(checker.rooms.choices.rounded_down(Fraction(x)) for x in some)
            for some in (capacity, channels)
        ),
    )
    costs_of = checker.rooms.choices.Costs(read, read.devices[0])
    bounder = checker.rooms.leaves.Bounder(read)
    assert not bounder.limited
    found = [bounder.least(costs_of, prices, tuple(allowed))]
    bounder._series_parallel.clear()
    found.append(bounder.least(costs_of, prices, tuple(allowed)))
    assert found[0] == found[1]
    if found[0] is None:
        assert expected == math.inf
    else:
        assert found[0] / 2**160 == pytest.approx(expected, rel=1e-12, abs=1e-13)


def with_all_local(rows: Any) -> Any:
    """The costs are normalised by all-local, which must be among the rows."""
    return np.vstack([rows, np.full((1, rows.shape[1]), -1)])


def twice_nested(rng: random.Random, size: int) -> Edges:
    """Forks and joins three deep, with redundant arcs into the joins."""
    arcs = [(0, 1), (0, 2), (1, 3), (2, 3), (3, 5), (0, 4), (4, 5), (5, 7), (0, 6), (6, 7)]
    return [*arcs, *(arc for arc in [(1, 5), (0, 3), (2, 7), (0, 7)] if rng.random() < 0.5)]


SHAPES = [series_parallel, nested, twice_nested, chain, fork_join, any_graph]
SIZES: dict[Callable[[random.Random, int], Edges], tuple[int, int]] = {
    nested: (6, 8),
    twice_nested: (8, 8),
    fork_join: (3, 8),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_least_cost_of_a_device(shape: Callable[[random.Random, int], Edges]) -> None:
    """Tasks with no more decisions than can be tried (or with one offload point)."""
    rng = random.Random(shape.__name__)
    for _ in range(count(500, 300)):
        size = rng.randint(*SIZES.get(shape, (1, 8)))
        points = max(n for n in (1, 2, 3) if n == 1 or (n + 1) ** size <= count(20_000, 7000))
        check_least(task(rng, size, shape(rng, size), rng.randint(1, points)), rng)


@pytest.mark.parametrize("shape", SHAPES)
def test_least_cost_of_a_larger_task(shape: Callable[[random.Random, int], Edges]) -> None:
    rng = random.Random(shape.__name__)
    size = 8 if shape is twice_nested else count(9, 8)
    for _ in range(count(8, 1)):
        check_least(task(rng, size, shape(rng, size), points=3), rng)


@pytest.mark.parametrize(
    ("arcs", "blocks"),
    [
        ("01 12 13 24 34", ("series", 0, 1, ("parallel", 2, 3), 4)),
        ("01 12 02", ("series", 0, 1, 2)),  # a redundant arc
        ("01 23", ("parallel", ("series", 0, 1), ("series", 2, 3))),
        ("02 03 12 13", ("series", ("parallel", 0, 1), ("parallel", 2, 3))),
        ("02 03 13", None),  # the pattern N
        ("20 10", ("series", ("parallel", 1, 2), 0)),  # in another order
        ("", 0),
    ],
)
def test_blocks(arcs: str, blocks: Any) -> None:
    def shown(block: Any) -> Any:
        if isinstance(block, int) or block is None:
            return block
        return ("series" if block.series else "parallel", *map(shown, block.parts))

    edges = [(int(arc[0]), int(arc[1])) for arc in arcs.split()]
    size = 1 + max((max(arc) for arc in edges), default=0)
    document = task(random.Random(1), size, edges, points=1)
    assert (
        shown(checker.rooms.series.decompose(checker.files._instance_from_json(document, "").applications[0]))
        == blocks
    )


def test_limits_only_cost_strength(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search that is cut short still gives a lower bound, and says so; too many labels lead to a search."""
    rng = random.Random(3)
    edges = [(0, 3), (0, 4), (1, 3), (1, 5), (2, 4), (3, 6), (4, 6), (4, 7), (5, 7)]  # with the pattern N
    document = task(rng, 8, edges, points=3, devices=3)
    nodes = [{"prices": {"capacity": {"op0": "0.05", "op1": "0.03", "op2": "0.02"}}}]
    full = computed(document, nodes)
    monkeypatch.setattr(checker.rooms.search, "_MOST_STEPS", 0)
    less = computed(document, nodes)
    assert less < full < less + 1
    files = Files(tmp_path, document)
    verdict = files.check(write(document, nodes, text(full), files.sha256))
    assert failed(verdict) == ["claim"]
    assert "the minimisation reached its limit for applications 'app'" in verdict.rules[-3].message
    assert files.accepts(write(document, nodes, text(less), files.sha256))
    monkeypatch.undo()

    document = task(rng, 6, nested(rng, 6), points=3, devices=3)
    full = computed(document, nodes)
    for limit in ("_MOST_LABELS", "_LARGEST_CONTEXT", "_DEEPEST"):
        monkeypatch.setattr(checker.rooms.series, limit, 1)
        assert computed(document, nodes) == full
        monkeypatch.undo()


# --- special cases ----------------------------------------------------------------------------------


def leaf(**prices: dict[str, Any]) -> Document:
    return {"prices": prices}


def branch(device: str, subtask: str, place: str | None, equal: int, different: int) -> Document:
    where = {"device": device, "subtask": subtask, "place": place}
    return {"branch": where, "equal": equal, "different": different}


def several(places: list[Any]) -> Document:
    return {"device": "ud1", "subtask": "t1", "places": places}


def test_a_leaf_without_decisions_is_infinite() -> None:
    """Below it a subtask is at two places at once, or nowhere."""
    high = {"capacity": {"op1": "1000", "op2": "1000"}}  # alone, they prove less than nothing
    for nodes in (
        [branch("ud1", "t1", "op1", 1, 2), branch("ud1", "t1", None, 3, 4), leaf(), leaf(**high), leaf()],
        [
            *(branch("ud1", "t1", "op1", 1, 2), leaf(), branch("ud1", "t1", "op2", 3, 4), leaf()),
            *(branch("ud1", "t1", None, 5, 6), leaf(), leaf(**high)),
        ],
    ):
        assert computed(EXAMPLE, nodes) == computed(EXAMPLE, [leaf()])
        assert computed(EXAMPLE, [leaf(**high)]) < 0


def test_an_unconnected_device_only_stays_local() -> None:
    document = copy.deepcopy(EXAMPLE)
    document["devices"][0]["connected_to"] = None
    reference = Reference(document)
    nodes = [leaf(capacity={"op1": "0.5"}, channels={"op2": "0.25"})]
    assert 0 <= reference.bound(nodes) - computed(document, nodes) <= LOSS
    nodes = [branch("ud1", "t2", "op1", 1, 2), leaf(capacity={"op1": "1e6"}), leaf()]
    assert computed(document, nodes) == computed(document, [leaf()])


def test_channels_are_paid_once_and_not_by_local_devices() -> None:
    reference = Reference(EXAMPLE)  # both devices are connected to op1 and op2; op2 has one channel
    free = computed(EXAMPLE, [leaf()])
    for price in ("0.125", "5", "1e3"):
        nodes = [leaf(channels={"op2": price})]
        assert 0 <= reference.bound(nodes) - computed(EXAMPLE, nodes) <= LOSS
    assert computed(EXAMPLE, [leaf(channels={"op2": "0.125"})]) <= free + Fraction(1, 8) * (2 - 1)


def test_prices_on_no_capacity_are_free() -> None:
    document = copy.deepcopy(EXAMPLE)
    for point in document["offload_points"]:
        point["capacity"] = 0
    local = sum(result.cost for result in exact_costs(document, [[-1] * 5] * 2))
    bound = computed(document, [leaf(capacity={"op1": "1e9", "op2": "1e9"})])
    assert 0 <= local - bound <= LOSS


def test_rounding_of_prices_is_sound() -> None:
    """A price that is no multiple of the grid: what is paid is rounded down, what is subtracted up."""
    nodes = [leaf(capacity={"op1": "1e-60", "op2": "0." + "3" * 90})]
    exact = Reference(EXAMPLE).bound(nodes)
    assert 0 < exact - computed(EXAMPLE, nodes) <= LOSS


def test_vast_prices(tmp_path: Path) -> None:
    """Below all binary64 numbers: certified, but no number can be given."""
    nodes = [leaf(capacity={"op1": "1e999"})]
    files = Files(tmp_path, EXAMPLE)
    verdict = files.check(write(EXAMPLE, nodes, "-4e999", files.sha256))
    assert verdict.accepted
    assert verdict.certified_bound == -math.inf
    assert verdict.as_dict()["certified_bound"] is None
    assert verdict.as_dict()["certified_gap"] is None


# --- rules ------------------------------------------------------------------------------------------

BEST = {"ud1": ["op1", "op1", "op1", None, None], "ud2": [None] * 5}
LEAVES = [leaf(capacity={"op1": "2", "op2": "3"}, channels={"op2": "1"})]


def test_proven_bound_rule(tmp_path: Path) -> None:
    bound = computed(EXAMPLE, LEAVES)
    for off, expected in ((0, []), (0.9e-9, []), (2e-9, ["proven_bound"]), (-0.5, [])):
        files = Files(tmp_path, EXAMPLE, lower_bound=float(bound) + off * 72.77)
        certificate = write(EXAMPLE, LEAVES, text(bound), files.sha256)
        verdict = files.check(certificate)
        assert failed(verdict) == expected
        assert verdict.certified_bound <= bound < math.nextafter(verdict.certified_bound, math.inf)
        assert verdict.certified_gap == pytest.approx(1 - float(bound) / 72.77)


def test_a_false_claim_certifies_nothing(tmp_path: Path) -> None:
    bound = computed(EXAMPLE, LEAVES)
    files = Files(tmp_path, EXAMPLE)
    verdict = files.check(write(EXAMPLE, LEAVES, text(bound * (1 + Fraction(1, 10**9))), files.sha256))
    assert failed(verdict) == ["claim"]
    assert verdict.certified_bound is None and verdict.certified_gap is None
    message = next(rule.message for rule in verdict.rules if not rule.ok)
    assert message.startswith("claimed ") and "too high by " in message


def test_an_infeasible_solution_has_no_gap(tmp_path: Path) -> None:
    rows = {"ud1": ["op1"] * 5, "ud2": [None] * 5}
    files = Files(tmp_path, EXAMPLE, decisions=rows)
    verdict = files.check(write(EXAMPLE, LEAVES, text(computed(EXAMPLE, LEAVES)), files.sha256))
    assert "capacity" in failed(verdict) and "consistency" not in [rule.name for rule in verdict.rules]
    assert verdict.certified_bound is not None and verdict.certified_gap is None
    rows["ud1"] = ["op9"] * 5
    verdict = Files(tmp_path, EXAMPLE, decisions=rows).check(write(EXAMPLE, LEAVES, "1", files.sha256))
    assert failed(verdict) == ["decisions"] and verdict.certified_bound is not None


def test_a_contradiction_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = Files(tmp_path, EXAMPLE)
    monkeypatch.setattr(checker.verdict, "tree_bound", lambda *_: checker.tree.TreeBound(Fraction(100), []))
    verdict = files.check(write(EXAMPLE, LEAVES, "1", files.sha256))
    assert failed(verdict) == ["consistency"]
    assert "THE CHECKER CONTRADICTS ITSELF" in verdict.rules[-1].message


def test_gap_at_cost_zero(tmp_path: Path) -> None:
    document = copy.deepcopy(EXAMPLE)
    for device in document["devices"]:
        device["work"] = [0] * 5
    files = Files(tmp_path, document)
    for nodes, gap in (([leaf()], 0.0), (LEAVES, math.inf)):
        bound = computed(document, nodes)
        verdict = files.check(write(document, nodes, str(min(math.floor(bound), 0)), files.sha256))
        assert verdict.accepted and verdict.certified_gap == gap
        json.dumps(verdict.as_dict(), allow_nan=False)


def test_output(tmp_path: Path) -> None:
    files = Files(tmp_path, EXAMPLE, lower_bound=1)
    certificate = write(EXAMPLE, LEAVES, "1", files.sha256)
    done = files.run(certificate, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown == json.loads(json.dumps(files.check(certificate).as_dict()))
    assert shown["accepted"] is True
    assert shown["certified_bound"] > 1 and 0 < shown["certified_gap"] < 1
    names = [rule["name"] for rule in shown["rules"]]
    assert names[-4:] == ["certificate", "claim", "proven_bound", "consistency"]
    done = files.run(certificate)
    assert "ok      claim        claimed 1.0, proven " in done.stdout
    assert done.stdout.splitlines()[-1].startswith("accepted, exact cost 72.77")
    assert "certified gap" in done.stdout.splitlines()[-1]
    done = files.run({**certificate, "lower_bound": "70"})
    assert done.returncode == 1 and "FAILED  claim " in done.stdout


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([branch("ud1", "t1", "op1", 1, 2), leaf()], "nodes[0]: its child 2 is not a later node"),
        ([branch("ud1", "t1", "op1", 1, 1), leaf()], "nodes[1]: has 2 parents"),
        ([branch("ud1", "t1", "op1", 1, 0), leaf()], "nodes[0]: its child 0 is not a later node"),
        ([leaf(), leaf()], "nodes[1]: has 0 parents"),
        ([branch("ud1", "t1", "op1", -1, 1), leaf()], "nodes[0]: its child -1 is not a later node"),
        ([branch("ud3", "t1", "op1", 1, 2), leaf(), leaf()], "nodes[0]: unknown device 'ud3'"),
        (
            [branch("ud1", "t9", "op1", 1, 2), leaf(), leaf()],
            "nodes[0]: unknown subtask 't9' of device 'ud1'",
        ),
        ([branch("ud1", "t1", "op9", 1, 2), leaf(), leaf()], "nodes[0]: unknown offload point 'op9'"),
        ([leaf(capacity={"op1": "-1"})], "nodes[0]: a negative price on capacity of 'op1'"),
        ([leaf(capacity={"op9": "1"})], "nodes[0]: a price on capacity of the unknown offload point 'op9'"),
        ([leaf(channels={"op1": "0"})], "nodes[0]: a price on channels of 'op1', which are not limited"),
    ],
)
def test_a_wrong_certificate_fails(tmp_path: Path, nodes: list[Document], message: str) -> None:
    files = Files(tmp_path, EXAMPLE)
    verdict = files.check(write(EXAMPLE, nodes, "-100", files.sha256))
    assert failed(verdict) == ["certificate"]
    assert verdict.rules[-1].message == message
    assert verdict.certified_bound is None


def test_the_certificate_of_another_instance_fails(tmp_path: Path) -> None:
    files = Files(tmp_path, EXAMPLE)
    verdict = files.check(write(EXAMPLE, [leaf()], "0", "0" * 64))
    assert failed(verdict) == ["certificate"]
    assert verdict.rules[-1].message.startswith("it is for '0000")
    assert verdict.rules[-1].message.endswith(f", the instance is {files.sha256}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "offloadlib-solution"}, "format: 'offloadlib-solution' is not 'offloadlib-certificate'"),
        ({"version": 3}, "version: 3 is not 1 or 2"),
        ({"nodes": []}, "nodes: an empty array is not a non-empty array"),
        ({"nodes": [[]]}, "nodes[0]: an empty array is not an object"),
        ({"nodes": [{}]}, "nodes[0].prices: is missing"),
        ({"nodes": [{"prices": {}, "flows": {}}]}, "nodes[0]: unknown key 'flows'"),
        ({"nodes": [{"prices": {"radio": {}}}]}, "nodes[0].prices: unknown key 'radio'"),
        ({"nodes": [{"branch": None}]}, "nodes[0].branch: null is not an object"),
        (
            {"nodes": [branch("ud1", "t1", "op1", 1, True), leaf()]},
            "nodes[0].different: true is not a whole number",
        ),
        (
            {"nodes": [leaf(capacity={"op1": "nan"})]},
            "nodes[0].prices.capacity.op1: 'nan' is not a decimal number",
        ),
        (
            {"nodes": [leaf(capacity={"op 1": 1})]},
            "nodes[0].prices.capacity['op 1']: 1 is not a decimal number",
        ),
        (
            {"nodes": [branch("ud1", "t1", "op1", 1, 2) | {"branch": several([])}, leaf(), leaf()]},
            "nodes[0].branch.places: an empty array is not a non-empty array",
        ),
        (
            {"nodes": [branch("ud1", "t1", "op1", 1, 2) | {"branch": several(["op1", 2])}, leaf(), leaf()]},
            "nodes[0].branch.places[1]: 2 is not a string",
        ),
        (
            {"nodes": [branch("ud1", "t1", "op1", 1, 2) | {"branch": several(["op1"]) | {"place": None}}]},
            "nodes[0].branch: unknown key 'place'",
        ),
        ({"lower_bound": 24.0}, "lower_bound: 24.0 is not a decimal number in a string"),
        ({"lower_bound": "1/3"}, "lower_bound: '1/3' is not a decimal number in a string"),
        ({"instance": "example"}, "instance: 'example' is not an object"),
        ({"extra": 1}, ": unknown key 'extra'"),
    ],
)
def test_an_unusable_certificate(tmp_path: Path, change: Document, message: str) -> None:
    files = Files(tmp_path, EXAMPLE)
    certificate = write(EXAMPLE, [leaf()], "0", files.sha256) | change
    with pytest.raises(checker.Unusable) as caught:
        files.check(certificate)
    assert message in str(caught.value)


def test_unusable_certificates_end_with_2(tmp_path: Path) -> None:
    files = Files(tmp_path, EXAMPLE)
    done = files.run({})
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{files.certificate}: format: is missing")
    files.certificate.write_text('{"format": "offloadlib-certificate", "version": 1, "version": 1}')
    with pytest.raises(checker.Unusable, match="duplicate key 'version'"):
        checker.read_certificate(files.certificate)


# --- scale ------------------------------------------------------------------------------------------

FACE = [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)]


def rising_prices(rng: random.Random, document: Document) -> Document:
    """Faster is dearer, so that all offload points matter."""
    return {
        "prices": {
            "capacity": {
                point["id"]: f"{0.02 * point['cpu'] + rng.random() / 100:.6f}"
                for point in document["offload_points"]
            }
        }
    }


def test_a_long_tree() -> None:
    """As deep as it is long: no recursion."""
    rng = random.Random(2)
    document = task(rng, 2, [(0, 1)], points=2)
    nodes: list[Document] = []
    for i in range(3000):
        nodes += [branch("ud0", f"t{i % 2}", f"op{i // 2 % 2}", 2 * i + 1, 2 * i + 2), leaf()]
    assert computed(document, [*nodes, leaf()]) == computed(document, [leaf()])


def bounded(document: Document, nodes: list[Document]) -> list[Any]:
    """What the checker has minimised for a tree: device, prices and places, in turn."""
    with pytest.MonkeyPatch.context() as patch:
        bounder = checker.rooms.leaves.Bounder
        least, seen = bounder.least, list[Any]()

        def counted(one: Any, costs: Any, prices: Any, allowed: Any, most: Any) -> Any:
            seen.append((costs.device.id, prices.capacity, prices.channels, allowed))
            return least(one, costs, prices, allowed, most)

        patch.setattr(bounder, "least", counted)
        computed(document, nodes)
    return seen


def test_many_devices_are_bounded_once_each() -> None:
    rng = random.Random(1)
    document = task(rng, 5, FACE, points=10, devices=count(10_000, 200))
    names = [device for device, *_ in bounded(document, [rising_prices(rng, document)])]
    assert names == [device["id"] for device in document["devices"]]


def test_what_many_leaves_share_is_bounded_once() -> None:
    rng = random.Random(1)
    devices, size = 50, count(2000, 200)
    document = task(rng, 5, FACE, points=10, devices=devices)
    prices = [rising_prices(rng, document) for _ in range(4)]
    nodes = random_tree(rng, document, size)
    done = bounded(document, [rng.choice(prices) if "prices" in node else node for node in nodes])
    assert len(done) == len(set(done)) < devices * size / 5
