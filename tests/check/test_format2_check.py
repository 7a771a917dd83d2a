"""Format 2 and the checker: costs, one rule at a time, the bounds of certificates, and damaged files.

The reference is ``brute2``: fractions, every decision of every device, straight from the text of the format.
"""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from brute2 import Decision, exactly, limits, optimum, task_of
from counts import FOLDER, examples
from format2 import random_format2
from hypothesis import given
from hypothesis import strategies as st
from reading import read_structured
from sceptic import by_path
from strategies import DOCUMENT, changed, instance_of, put

from offloadlib.instances.files.instances import write as write_instance

checker = by_path("format2_checker")

Document = dict[str, Any]
Where = tuple[
    str, str | int | None, list[str | None], bool
]  # device, subtask (None: refused; a number: at most so many), places, there or not

LOSS = Fraction(1, 10**30)  # more than the checker's grids may lose
SLACK = Fraction(1, 10**25)  # what a writer allows for that
seeds = st.integers(0, 2**31 - 1)


# --- the reference ----------------------------------------------------------------------------------


class Reference:
    """An instance with all decisions of each device, each subtask and limit taken alone, and refusal.

    With ``largest`` no device may cost more, its weight included.
    """

    def __init__(self, document: Document, largest: Fraction | None = None) -> None:
        self.document = document
        self.limits = limits(document)
        self.decisions = {
            device["id"]: (
                device,
                [one for one in self._decisions(device) if largest is None or one.cost <= largest],
            )
            for device in document["devices"]
        }

    def _decisions(self, device: Document) -> Iterator[Decision]:
        task = task_of(self.document, device)
        points = [point["id"] for point in self.document["offload_points"]]
        places = [None, *points] if device["connected_to"] is not None else [None]
        allowed = device.get("allowed") or {}

        def may(k: int, place: str | None) -> bool:
            alone = [place if k == i else None for i in range(len(task.names))]
            fits = all(
                task.used(what, tuple(alone), Fraction(0), Fraction(0)) <= there
                for what, there in self.limits
                if what[0] != "total"
            )
            return fits and place in allowed.get(task.names[k], places)

        menus = [[place for place in places if may(k, place)] for k in range(len(task.names))]
        for row in itertools.product(*menus):
            one = task.decision(row)
            late = device.get("deadline") is not None and one.delay > exactly(device["deadline"])
            much = device.get("energy_budget") is not None and one.energy > exactly(device["energy_budget"])
            if not late and not much:
                yield one
        if device.get("rejection") is not None:
            cost = task.weight * exactly(device["rejection"])
            yield Decision(None, cost, Fraction(0), Fraction(0), (Fraction(0),) * len(self.limits))

    def bound(
        self, nodes: Sequence[Document], hopeless: bool, index: int = 0, above: Sequence[Where] = ()
    ) -> Fraction | float:
        """The bound below a node; minus infinity where a leaf is said to be infeasible in vain."""
        node = nodes[index]
        if "prices" in node:
            none = hopeless or node.get("infeasible", False)
            value = self.leaf(node, none, above)
            return value if not none else math.inf if value > 0 else -math.inf
        branch = node["branch"]
        refused = "refused" in branch
        subtask = branch.get("subtask", branch.get("most"))
        if "fast_as" in branch:
            cpu = {point["id"]: point["cpu"] for point in self.document["offload_points"]}
            places = [name for name in cpu if cpu[name] >= cpu[branch["fast_as"]]]
        else:
            places = [] if refused else branch["places"] if "places" in branch else [branch["place"]]
        where = (branch["device"], subtask, places)
        return min(
            self.bound(nodes, hopeless, node["equal"], [*above, (*where, True)]),
            self.bound(nodes, hopeless, node["different"], [*above, (*where, False)]),
        )

    def leaf(self, node: Document, none: bool, above: Sequence[Where]) -> Fraction | float:
        prices = [self.price(node["prices"], what) for what, _ in self.limits]
        total: Fraction | float = -sum(
            (price * there for price, (_, there) in zip(prices, self.limits, strict=True)), Fraction(0)
        )
        shares = node.get("shares")
        for name, (device, menu) in self.decisions.items():
            count = Fraction(0 if none else 1 if shares is None else shares.get(name, 0))
            total += min(
                (
                    count * one.cost + sum(price * use for price, use in zip(prices, one.use, strict=True))
                    for one in menu
                    if self.obeys(device, one, above)
                ),
                default=math.inf,
            )
        return total

    def price(self, prices: Document, what: tuple[str, ...]) -> Fraction:
        kind, *names = what
        if kind == "room":
            of = prices.get("capacity", {}) if names[1] == "subtasks" else prices.get("resource", {})
            found = of.get(names[0], 0)
            return Fraction(found if names[1] == "subtasks" else (found or {}).get(names[1], 0))
        key = {"channels": "channels", "limit": "limits", "total": "totals"}[kind]
        name = self.document["limits"][int(names[0])]["id"] if kind == "limit" else names[0]
        return Fraction(prices.get(key, {}).get(name, 0))

    def obeys(self, device: Document, one: Decision, above: Sequence[Where]) -> bool:
        app = next(a for a in self.document["applications"] if a["id"] == device["application"])
        for name, subtask, places, there in above:
            if name != device["id"]:
                continue
            if subtask is None:
                at = one.places is None
            elif type(subtask) is int:
                at = sum(place in places for place in one.places or ()) <= subtask
            else:
                at = one.places is not None and one.places[app["subtasks"].index(subtask)] in places
            if at != there:
                return False
        return True


def cost_of(document: Document, rows: dict[str, Any]) -> Fraction:
    """The exact objective of decisions."""
    costs = []
    for device in document["devices"]:
        task, row = task_of(document, device), rows[device["id"]]
        rejection = task.weight * exactly(device.get("rejection") or 0)
        costs.append(rejection if row is None else task.decision(tuple(row)).cost)
    return max(costs) if document["cost"].get("objective") == "max" else sum(costs, Fraction(0))


# --- files ------------------------------------------------------------------------------------------


def text(value: Fraction) -> str:
    """A decimal just below a number."""
    return f"{math.floor((value - SLACK) * 10**28)}e-28"


def write_json(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), "utf-8")
    return path


class Files:
    """An instance with solutions and certificates in a folder."""

    def __init__(self, folder: Path, document: Document) -> None:
        self.folder, self.document = folder, document
        self.instance = write_json(folder / "instance.json", document)
        self.sha256 = checker.fingerprint(document)

    def solution(self, rows: dict[str, Any] | None, **changes: Any) -> Document:
        cost = None if rows is None else float(cost_of(self.document, rows))
        return {
            "format": "offloadlib-solution",
            "version": 2,
            "instance": {"name": "", "sha256": self.sha256},
            "method": "m",
            "objective": cost,
            "lower_bound": None,
            "status": "unknown" if rows is None else "feasible",
            "decisions": rows,
        } | changes

    def certificate(self, nodes: list[Document], claim: str | None) -> Document:
        return {
            "format": "offloadlib-certificate",
            "version": 2,
            "instance": {"name": "", "sha256": self.sha256},
            "nodes": nodes,
            **({"claim": "infeasible"} if claim is None else {"lower_bound": claim}),
        }

    def check(self, solution: Document, certificate: Any = None) -> Any:
        path = write_json(self.folder / "solution.json", solution)
        if certificate is None:
            return checker.check(self.instance, path)
        return checker.check(self.instance, path, write_json(self.folder / "certificate.json", certificate))


def failed(verdict: Any) -> list[str]:
    return [rule.name for rule in verdict.rules if not rule.ok]


# --- costs and rules --------------------------------------------------------------------------------


def random_rows(document: Document, draw: random.Random) -> dict[str, Any]:
    """Decisions of any kind, refusals only where they may be."""
    points = [point["id"] for point in document["offload_points"]]
    rows: dict[str, Any] = {}
    for device in document["devices"]:
        places = [None, *points] if device["connected_to"] is not None else [None]
        rows[device["id"]] = [draw.choice(places) for _ in device["work"]]
        if device.get("rejection") is not None and draw.random() < 0.3:
            rows[device["id"]] = None
    return rows


def broken(document: Document, rows: dict[str, Any]) -> set[str]:
    """The rules of limits that decisions break, one by one from the text."""
    found = set()
    most = limits(document)
    used = [Fraction(0)] * len(most)
    for device in document["devices"]:
        row = rows[device["id"]]
        if row is None:
            continue
        task = task_of(document, device)
        one = task.decision(tuple(row))
        used = [x + y for x, y in zip(used, one.use, strict=True)]
        if device.get("deadline") is not None and one.delay > exactly(device["deadline"]):
            found.add("deadlines")
        if device.get("energy_budget") is not None and one.energy > exactly(device["energy_budget"]):
            found.add("budgets")
        allowed = device.get("allowed") or {}
        if any(
            name in allowed and place not in allowed[name]
            for name, place in zip(task.names, row, strict=True)
        ):
            found.add("allowed")
    names = {"room": "capacity", "channels": "channels", "limit": "limits", "total": "totals"}
    return found | {names[what[0]] for use, (what, there) in zip(used, most, strict=True) if use > there}


@examples(1000, base=FOLDER)
@given(seeds)
def test_costs_and_rules(tmp_path: Path, seed: int) -> None:
    document, draw = random_format2(seed), random.Random(seed)
    files = Files(tmp_path, document)
    for _ in range(3):
        rows = random_rows(document, draw)
        verdict = files.check(files.solution(rows))
        assert set(failed(verdict)) == broken(document, rows)
        cost = cost_of(document, rows)
        assert verdict.objective == float(cost)
        off = files.solution(rows, objective=float(cost + Fraction(3, 10**9) * max(Fraction(1), abs(cost))))
        assert "objective" in failed(files.check(off))


@examples(300, base=FOLDER)
@given(seeds)
def test_both_forms_are_one_instance(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed)
    names = {"op1": "z", "op3": "b", "memory": "Z"}  # no longer in alphabetical order
    text = json.dumps(document)
    for name, other in names.items():
        text = text.replace(f'"{name}"', f'"{other}"')
    renamed = json.loads(text)
    instance = instance_of(renamed)
    write_instance(instance, tmp_path / "instance.zip")
    first = checker.files._instance_from_json(renamed, "a document")
    second = checker.read_instance(tmp_path / "instance.zip")
    assert first.fingerprint() == second.fingerprint() == instance.fingerprint
    assert read_structured(tmp_path / "instance.zip").fingerprint == instance.fingerprint


@examples(150, base=FOLDER)
@given(seeds)
def test_the_optimum_is_accepted(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed, max_devices=3)
    files = Files(tmp_path, document)
    found = optimum(document)
    if found is None:
        for status in ("unknown", "infeasible"):
            verdict = files.check(files.solution(None, status=status))
            assert failed(verdict) == (["status"] if status == "infeasible" else [])
            assert math.isnan(verdict.objective)
        return
    cost, rows = found
    verdict = files.check(files.solution(rows, status="optimal", lower_bound=float(cost)))
    assert verdict.accepted
    verdict = files.check(files.solution(rows, lower_bound=float(cost + max(abs(cost), Fraction(1)) / 10**8)))
    assert failed(verdict) == ["lower_bound"]


def test_refusal_needs_a_rejection(tmp_path: Path) -> None:
    document = random_format2(3, ["weight"])
    files = Files(tmp_path, document)
    name = document["devices"][0]["id"]
    rows: dict[str, Any] = {device["id"]: [None] * len(device["work"]) for device in document["devices"]}
    verdict = files.check(files.solution(rows) | {"decisions": {**rows, name: None}})
    assert failed(verdict) == ["decisions"]
    assert f"device {name!r} is refused, and has no rejection" in verdict.rules[1].message
    document["devices"][0]["rejection"] = -2.5
    files = Files(tmp_path, document)
    verdict = files.check(files.solution({**rows, name: None}))
    assert verdict.accepted
    with pytest.raises(checker.Unusable, match=r"decisions\['ud1'\]: null is not an array"):
        files.check(files.solution({**rows, name: None}, version=1))


# --- certificates -----------------------------------------------------------------------------------


def price(draw: random.Random) -> str:
    return draw.choice(["0", "1e-3", "2.5E-1", "1", f"{draw.random():.3f}", f"{draw.random():.17f}"])


def random_leaf(document: Document, draw: random.Random) -> Document:
    prices: Document = {}
    for what, _ in limits(document):
        if draw.random() < 0.3:
            continue
        kind, *names = what
        if kind == "room" and names[1] == "subtasks":
            prices.setdefault("capacity", {})[names[0]] = price(draw)
        elif kind == "room":
            prices.setdefault("resource", {}).setdefault(names[0], {})[names[1]] = price(draw)
        elif kind == "limit":
            prices.setdefault("limits", {})[document["limits"][int(names[0])]["id"]] = price(draw)
        else:
            prices.setdefault({"total": "totals"}.get(kind, kind), {})[names[0]] = price(draw)
    leaf: Document = {"prices": prices}
    if document["cost"].get("objective") == "max":
        names = [device["id"] for device in document["devices"]]
        parts = [draw.randint(0, 10) for _ in names]
        parts[draw.randrange(len(parts))] += 100 - sum(parts)
        leaf["shares"] = {n: f"{part / 100}" for n, part in zip(names, parts, strict=True) if part}
    return leaf


def random_branch(document: Document, draw: random.Random, numbers: float = 0) -> Document:
    device = draw.choice(document["devices"])
    if numbers and document["offload_points"] and draw.random() < numbers:
        point = draw.choice(document["offload_points"])
        return {"device": device["id"], "fast_as": point["id"], "most": draw.randint(0, 2)}
    if device.get("rejection") is not None and draw.random() < 0.5:
        return {"device": device["id"], "refused": True}
    app = next(a for a in document["applications"] if a["id"] == device["application"])
    places = [None, *(point["id"] for point in document["offload_points"])]
    at = {"device": device["id"], "subtask": draw.choice(app["subtasks"])}
    if draw.random() < 0.5:
        return {**at, "places": draw.choices(places, k=draw.randint(1, len(places)))}
    return {**at, "place": draw.choice(places)}


def random_tree(document: Document, draw: random.Random, leaves: int, numbers: float = 0) -> list[Document]:
    nodes: list[Document] = [{}]
    ends = [0]
    while len(ends) < leaves:
        at = ends.pop(draw.randrange(len(ends)))
        children = [len(nodes), len(nodes) + 1]
        draw.shuffle(children)
        nodes[at] = {
            "branch": random_branch(document, draw, numbers),
            "equal": children[0],
            "different": children[1],
        }
        nodes += [{}, {}]
        ends += children
    for at in ends:
        nodes[at] = random_leaf(document, draw)
    return nodes


def computed(document: Document, certificate: Document, folder: Path) -> Any:
    instance = checker.files._instance_from_json(document, "a document")
    read = checker.read_certificate(write_json(folder / "certificate.json", certificate))
    assert checker.faults.certificate_faults(instance, read) == []
    return checker.tree_bound(instance, read)


def near(value: Fraction | float, exact: Fraction | float) -> bool:
    if isinstance(exact, float):
        return value == exact
    return isinstance(value, Fraction) and 0 <= exact - value <= LOSS


@examples(2000, base=FOLDER)
@given(seeds)
def test_the_bound_is_that_of_enumeration(tmp_path: Path, seed: int) -> None:
    document, draw = random_format2(seed, max_devices=3), random.Random(seed)
    reference, files = Reference(document), Files(tmp_path, document)
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3, 5]))
    for i, node in enumerate(nodes):
        if "prices" in node and draw.random() < 0.1:
            nodes[i] = {**node, "infeasible": True}
    exact = reference.bound(nodes, hopeless=False)
    bound = computed(document, files.certificate(nodes, "0"), tmp_path)
    assert near(bound.value, exact)
    assert bound.limited == []
    found = optimum(document)
    assert found is None or bound.value <= found[0]
    if isinstance(bound.value, Fraction):
        solution = files.solution(found[1] if found else None)
        assert files.check(solution, files.certificate(nodes, text(bound.value))).accepted
        above = bound.value + max(abs(bound.value) / 10**9, SLACK)
        verdict = files.check(solution, files.certificate(nodes, text(above + 2 * SLACK)))
        assert failed(verdict) == ["claim"]


def some_largest(document: Document, draw: random.Random) -> Fraction:
    """A cost below which some decisions are, as a decimal: one of theirs, or near the middle of two."""
    costs = sorted({one.cost for _, menu in Reference(document).decisions.values() for one in menu} | {0})
    i = draw.randrange(len(costs))
    middle = (costs[i] + costs[max(i - 1, 0)]) / 2
    return Fraction(f"{float(draw.choice([costs[i], middle])):.12f}")


@examples(2000, base=FOLDER)
@given(seeds)
def test_the_bound_below_a_largest_cost_is_that_of_enumeration(tmp_path: Path, seed: int) -> None:
    document, draw = random_format2(seed, max_devices=3), random.Random(seed)
    document["cost"].pop("objective", None)
    largest = some_largest(document, draw)
    reference, files = Reference(document, largest), Files(tmp_path, document)
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3]))
    exact = reference.bound(nodes, hopeless=False)
    certificate = files.certificate(nodes, "0") | {"largest": f"{float(largest):.12f}"}
    bound = computed(document, certificate, tmp_path)
    assert near(bound.value, exact)
    assert bound.limited == []
    found = optimum(document, largest)
    assert found is None or bound.value <= found[0]
    if not isinstance(bound.value, Fraction):
        return
    certificate["lower_bound"] = text(bound.value)
    solution = files.solution(found[1] if found else None)
    verdict = files.check(solution, certificate)
    assert verdict.accepted
    assert verdict.certified_largest == float(largest)
    above = bound.value + max(abs(bound.value) / 10**9, SLACK)
    assert failed(files.check(solution, certificate | {"lower_bound": text(above + 2 * SLACK)})) == ["claim"]
    if found:  # what is proven of some solutions is no bound on all
        stated = files.solution(found[1], lower_bound=float(bound.value) - 1.0)
        assert failed(files.check(stated, certificate)) == ["proven_bound"]


def test_a_largest_cost_is_kept_by_the_solution(tmp_path: Path) -> None:
    document = random_format2(3, ["weight"])
    files = Files(tmp_path, document)
    found = optimum(document)
    assert found is not None
    cost, rows = found
    most = max(cost_of(document | {"devices": [device]}, rows) for device in document["devices"])
    for slack, wrong in ((Fraction(1, 1000), []), (Fraction(-1, 1000), ["largest"])):
        largest = f"{float(most + slack):.12f}"
        certificate = files.certificate([{"prices": {}}], "-1e9") | {"largest": largest}
        verdict = files.check(files.solution(rows), certificate)
        assert failed(verdict) == wrong
        assert (verdict.certified_gap is None) == bool(wrong)
    assert cost >= most or len(document["devices"]) > 1


def test_a_largest_cost_does_not_prove_that_there_is_no_solution(tmp_path: Path) -> None:
    document = random_format2(3, ["weight"])
    files = Files(tmp_path, document)
    certificate = files.certificate([{"prices": {}}], "0") | {"largest": "-1"}
    verdict = files.check(files.solution(None, status="infeasible"), certificate)
    assert failed(verdict) == ["status"]
    assert verdict.certified_bound == math.inf
    with pytest.raises(checker.Unusable, match="largest"):
        files.check(files.solution(None), files.certificate([{"prices": {}}], None) | {"largest": "1"})


def test_a_largest_cost_is_for_sums(tmp_path: Path) -> None:
    document = random_format2(3, ["weight"])
    document["cost"]["objective"] = "max"
    files = Files(tmp_path, document)
    leaf = {"prices": {}, "shares": {document["devices"][0]["id"]: "1"}}
    certificate = files.certificate([leaf], "0") | {"largest": "1"}
    verdict = files.check(files.solution(None), certificate)
    assert failed(verdict) == ["certificate"]
    assert "which is the objective itself" in verdict.rules[-1].message


# --- proofs -----------------------------------------------------------------------------------------


class Prover:
    """A tree that proves the optimum, or that there is no solution, by dividing until it is plain."""

    def __init__(self, document: Document, optimum: Fraction | None) -> None:
        self.document, self.optimum, self.reference = document, optimum, Reference(document)
        self.nodes: list[Document] = []
        self.node([])

    def node(self, above: list[Where]) -> None:
        index = len(self.nodes)
        self.nodes.append({})
        leaf = self.leaf(above)
        if leaf is not None:
            self.nodes[index] = leaf
            return
        where = self.divide(above)
        name, subtask, places, _ = where
        at = {"refused": True} if subtask is None else {"subtask": subtask, "place": places[0]}
        equal = len(self.nodes)
        self.node([*above, where])
        different = len(self.nodes)
        self.node([*above, (*where[:3], False)])
        self.nodes[index] = {"branch": {"device": name, **at}, "equal": equal, "different": different}

    def left(self, above: list[Where]) -> dict[str, list[Decision]]:
        return {
            name: [one for one in menu if self.reference.obeys(device, one, above)]
            for name, (device, menu) in self.reference.decisions.items()
        }

    def leaf(self, above: list[Where]) -> Document | None:
        for prices in [{}, *map(self.one_price, self.reference.limits)]:
            leaf: Document = {"prices": prices}
            if self.reference.leaf(leaf, True, above) > 0:
                return leaf if self.optimum is None else {**leaf, "infeasible": True}
        if self.optimum is None:
            return None
        names = list(self.reference.decisions)
        some: list[Document] = [{}]
        if self.document["cost"].get("objective") == "max":
            some = [{"shares": {name: "1.0"}} for name in names]
        for shares in some:
            leaf = {"prices": {}, **shares}
            if self.reference.leaf(leaf, False, above) >= self.optimum:
                return leaf
        return None

    def one_price(self, limit: tuple[tuple[str, ...], Fraction]) -> Document:
        kind, *names = limit[0]
        if kind == "room":
            if names[1] == "subtasks":
                return {"capacity": {names[0]: "1"}}
            return {"resource": {names[0]: {names[1]: "1"}}}
        if kind == "limit":
            return {"limits": {self.document["limits"][int(names[0])]["id"]: "1"}}
        return {{"total": "totals"}.get(kind, kind): {names[0]: "1"}}

    def divide(self, above: list[Where]) -> Where:
        for name, menu in self.left(above).items():
            if len(menu) < 2:
                continue
            if any(one.places is None for one in menu):
                return (name, None, [], True)
            device = self.reference.decisions[name][0]
            names = task_of(self.document, device).names
            for k, subtask in enumerate(names):
                places = {one.places[k] for one in menu if one.places}
                if len(places) > 1:
                    return (name, subtask, [min(places, key=str)], True)
        raise AssertionError("nothing left to divide")


@examples(500, base=FOLDER)
@given(seeds)
def test_everything_can_be_proven(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed, max_devices=2, max_points=2, max_subtasks=2)
    files, found = Files(tmp_path, document), optimum(document)
    prover = Prover(document, found and found[0])
    if found is None:
        certificate = files.certificate(prover.nodes, None)
        verdict = files.check(files.solution(None, status="infeasible"), certificate)
        assert verdict.accepted
        assert verdict.certified_bound == math.inf
        assert verdict.certified_gap is None
        assert verdict.as_dict()["certified_bound"] is None
        assert files.check(files.solution(None), certificate).accepted
        return
    cost, rows = found
    solution = files.solution(rows, status="optimal", lower_bound=float(cost))
    verdict = files.check(solution, files.certificate(prover.nodes, text(cost)))
    assert verdict.accepted
    assert 0 <= verdict.certified_gap <= 1e-9
    assert failed(files.check(solution, files.certificate(prover.nodes, text(cost + 3 * SLACK)))) == ["claim"]
    refuted = files.certificate(prover.nodes, None)
    assert failed(files.check(solution, refuted))[0] == "claim"
    assert failed(files.check(files.solution(None, status="infeasible"), refuted)) == ["status", "claim"]


@examples(600, base=FOLDER)
@given(seeds)
def test_infeasible_claims(tmp_path: Path, seed: int) -> None:
    """Accepted exactly where the prices prove them, which they never do where there is a solution."""
    draw = random.Random(seed)
    features = ["demand", "resources", "limits", "totals", "allowed", "deadline", "channels", "at"]
    document = random_format2(seed, features if draw.random() < 0.7 else None, max_devices=3)
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3]))
    files = Files(tmp_path, document)
    exact = Reference(document).bound(nodes, hopeless=True)
    certificate = files.certificate(nodes, None)
    verdict = files.check(files.solution(None, status="infeasible"), certificate)
    assert verdict.accepted == (exact == math.inf)
    assert not (verdict.accepted and optimum(document))
    assert failed(verdict) in ([], ["status", "claim"])


# --- the search under deadline and budget -----------------------------------------------------------

TIGHT = ("deadline", "energy_budget", "latency", "at", "fee", "demand", "channels", "weight", "rejection")


@examples(60, base=FOLDER)
@given(seeds)
def test_longer_tasks(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed, TIGHT, max_devices=1, max_points=2, max_subtasks=6)
    nodes = random_tree(document, random.Random(seed), 1)
    bound = computed(document, Files(tmp_path, document).certificate(nodes, "0"), tmp_path)
    assert near(bound.value, Reference(document).bound(nodes, hopeless=False))
    assert bound.limited == []


@examples(200, base=FOLDER)
@given(seeds)
def test_labels_agree_with_the_other_rooms(tmp_path: Path, seed: int) -> None:
    """Without deadline and budget there are two ways to the same least cost."""
    features = [feature for feature in TIGHT if feature not in ("deadline", "energy_budget")]
    document = random_format2(seed, features, max_devices=2, max_points=3, max_subtasks=9)
    nodes = random_tree(document, random.Random(seed), 1)
    certificate = Files(tmp_path, document).certificate(nodes, "0")
    plain = computed(document, certificate, tmp_path)
    for device in document["devices"]:
        device["deadline"] = device["energy_budget"] = 1e9
    certificate = Files(tmp_path, document).certificate(nodes, "0")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checker.rooms.limited, "always_kept", lambda plan, options: False)
        limited = computed(document, certificate, tmp_path)
    assert abs(limited.value - plain.value) <= LOSS
    assert not limited.limited


@examples(200, base=FOLDER)
@given(seeds, st.sampled_from([1, 2, 4]))
def test_a_search_that_is_cut_short_gives_a_lower_bound(tmp_path: Path, seed: int, width: int) -> None:
    document = random_format2(seed, TIGHT, max_devices=2, max_points=3, max_subtasks=8)
    nodes = random_tree(document, random.Random(seed), 1)
    certificate = Files(tmp_path, document).certificate(nodes, "0")
    exact = computed(document, certificate, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checker.rooms.labels, "_WIDTHS", (width,))
        short = computed(document, certificate, tmp_path)
    assert short.value <= exact.value
    assert short.limited or short.value == exact.value
    if short.limited and isinstance(exact.value, Fraction) and short.value < exact.value:
        files = Files(tmp_path, document)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(checker.rooms.labels, "_WIDTHS", (width,))
            verdict = files.check(files.solution(None), files.certificate(nodes, text(exact.value)))
        assert failed(verdict) == ["claim"] or exact.value - short.value <= SLACK
        assert "the minimisation reached its limit for applications" in verdict.rules[-1].message


# --- what is said of files that are wrong -----------------------------------------------------------

SECOND = changed(
    put("version", 2),
    put("resources", ["memory", "licences"]),
    put("limits", [{"id": "site", "resource": "memory", "points": ["op1", "op2"], "capacity": 64.0}]),
    put("totals", {"delay": 500.5}),
    put("offload_points", 0, "capacity", {"memory": 16.0, "subtasks": 5}),
    put("offload_points", 0, "channels", 1),
    put("devices", 0, "demand", {"memory": [1.5, 0, 2, 0, 1]}),
    put("devices", 0, "at", [{"subtask": "t2", "point": "op1", "fee": -1}]),
    put("devices", 0, "allowed", {"t1": [None]}),
    put("devices", 0, "rejection", 3),
)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (["resources"], {}, "resources: an empty object is not an array"),
        (["resources", 1], 7, "resources[1]: 7 is not a non-empty string"),
        (["resources", 1], "memory", "resources[1]: 'memory' is repeated"),
        (["resources", 1], "subtasks", "resources[1]: 'subtasks' is built in"),
        (["limits"], {}, "limits: an empty object is not an array"),
        (["limits", 0], 1, "limits[0]: 1 is not an object"),
        (["limits", 0, "resource"], "disk", "limits[0].resource: unknown resource 'disk'"),
        (["limits", 0, "points"], [], "limits[0].points: an empty array is not a non-empty array"),
        (["limits", 0, "points", 1], "op1", "limits[0].points[1]: 'op1' is repeated"),
        (["limits", 0, "points", 1], "op3", "limits[0].points[1]: unknown offload point 'op3'"),
        (["limits", 0, "capacity"], -1, "limits[0].capacity: -1 is negative"),
        (["totals"], {}, "totals: caps neither energy nor delay"),
        (["totals"], {"delay": None}, "totals: caps neither energy nor delay"),
        (["totals", "cost"], 1, "totals: unknown key 'cost'"),
        (["cost", "objective"], "mean", "cost.objective: 'mean' is not 'sum' or 'max'"),
        (
            ["offload_points", 0, "capacity", "disk"],
            1,
            "offload_points[0].capacity.disk: unknown resource 'disk'",
        ),
        (
            ["offload_points", 0, "capacity", "subtasks"],
            2.5,
            "offload_points[0].capacity.subtasks: 2.5 is not a whole number from 0 to 1e+09",
        ),
        (
            ["offload_points", 0, "fee"],
            {"work": -1e-12},
            "offload_points[0].fee.work: -1e-12 has a magnitude outside [1e-09, 1e+09]",
        ),
        (["devices", 0, "demand", "disk"], [0] * 5, "devices[0].demand.disk: unknown resource 'disk'"),
        (
            ["devices", 0, "demand", "subtasks"],
            [1] * 5,
            "devices[0].demand.subtasks: is built in: each subtask demands 1",
        ),
        (
            ["devices", 0, "demand", "memory"],
            [1, 2],
            "devices[0].demand.memory: has 2 numbers instead of 5",
        ),
        (["devices", 0, "at", 0, "subtask"], "t6", "devices[0].at[0].subtask: unknown subtask 't6'"),
        (["devices", 0, "at", 0, "point"], "op3", "devices[0].at[0].point: unknown offload point 'op3'"),
        (["devices", 0, "at", 0, "fee"], None, "devices[0].at[0]: changes nothing"),
        (
            ["devices", 0, "at"],
            [{"subtask": "t2", "point": None, "fee": 1, "demand": {"memory": 1}}],
            "devices[0].at[0].demand: is of a subtask that runs locally, which demands nothing",
        ),
        (
            ["devices", 0, "at"],
            [{"subtask": "t2", "point": None, "fee": 1}, {"subtask": "t2", "point": None, "execution": 1}],
            "devices[0].at[1]: a second entry for subtask 't2' at that place",
        ),
        (["devices", 0, "allowed", "t6"], [], "devices[0].allowed.t6: unknown subtask 't6'"),
        (
            ["devices", 0, "allowed", "t1"],
            [None, None],
            "devices[0].allowed.t1[1]: null is repeated",
        ),
        (["devices", 0, "latency"], {"up": -1}, "devices[0].latency.up: -1 is negative"),
        (["devices", 0, "deadline"], "2 s", "devices[0].deadline: '2 s' is not a number"),
        (["devices", 0, "energy_budget"], -1, "devices[0].energy_budget: -1 is negative"),
        (["devices", 0, "rejection"], True, "devices[0].rejection: true is not a number"),
        (["devices", 0, "weight"], -1, "devices[0].weight: -1 is negative"),
    ],
)
def test_a_malformed_instance(tmp_path: Path, keys: list[Any], value: Any, message: str) -> None:
    path = write_json(tmp_path / "instance.json", changed(put(*keys, value), of=SECOND))
    with pytest.raises(checker.Unusable) as caught:
        checker.read_instance(path)
    assert str(caught.value) == f"{path}: {message}"


def test_version_1_knows_none_of_it(tmp_path: Path) -> None:
    path = write_json(tmp_path / "instance.json", changed(put("version", 1), of=SECOND))
    with pytest.raises(checker.Unusable, match="unknown key 'resources'"):
        checker.read_instance(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "infeasible"}, "objective: is not null, and the status is 'infeasible'"),
        ({"status": "unknown"}, "decisions: is not null, and the status is 'unknown'"),
        ({"decisions": None}, "decisions: is null, and the status is 'feasible'"),
        ({"objective": None}, "objective: is null, and the status is 'feasible'"),
        (
            {"status": "unknown", "objective": None, "decisions": None, "lower_bound": 1},
            "lower_bound: is not",
        ),
        ({"status": "impossible"}, "status: 'impossible' is not 'optimal' or 'feasible' or 'infeasible'"),
        ({"version": 1, "status": "unknown"}, "status: 'unknown' is not 'optimal' or 'feasible'"),
    ],
)
def test_a_malformed_solution(tmp_path: Path, changes: Document, message: str) -> None:
    files = Files(tmp_path, SECOND)
    rows: dict[str, Any] = {"ud1": None, "ud2": [None] * 5}
    with pytest.raises(checker.Unusable) as caught:
        files.check(files.solution(rows) | changes)
    assert message in str(caught.value)


LEAF: Document = {"prices": {}}
BRANCH: Document = {"branch": {"device": "ud1", "refused": True}, "equal": 1, "different": 2}


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([{"prices": {}, "share": {}}], "nodes[0]: unknown key 'share'"),
        ([{"prices": {}, "infeasible": False}], "nodes[0].infeasible: false is not true"),
        ([{"prices": {"resource": {"op1": "1"}}}], "nodes[0].prices.resource.op1: '1' is not an object"),
        ([{"prices": {"totals": {"cost": "1"}}}], "nodes[0].prices.totals: unknown key 'cost'"),
        ([{"prices": {"limits": {"site": 1}}}], "nodes[0].prices.limits.site: 1 is not a decimal number"),
        ([{"prices": {"cuts": {"0": 1}}}], "cuts['0']: 1 is not a decimal number"),
        ([{"patterns": {"units": "1"}, "below": 1}, LEAF], "nodes[0].patterns: unknown key 'units'"),
        ([{"patterns": {}, "below": "1"}, LEAF], "nodes[0].below: '1' is not a whole number"),
        (
            [{**BRANCH, "branch": {"device": "ud1", "fast_as": "op1", "most": 1}}, LEAF, LEAF],
            "nodes[0].branch: unknown key 'fast_as'",
        ),
        (
            [{**BRANCH, "branch": {"device": "ud1", "refused": False}}, LEAF, LEAF],
            "nodes[0].branch.refused: false is not true",
        ),
    ],
)
def test_an_unusable_certificate(tmp_path: Path, nodes: list[Document], message: str) -> None:
    files = Files(tmp_path, SECOND)
    with pytest.raises(checker.Unusable) as caught:
        files.check(files.solution(None), files.certificate(nodes, "0"))
    assert message in str(caught.value)


def test_a_claim_of_both_kinds(tmp_path: Path) -> None:
    files = Files(tmp_path, SECOND)
    with pytest.raises(checker.Unusable, match="unknown key 'lower_bound'"):
        files.check(files.solution(None), files.certificate([LEAF], None) | {"lower_bound": "1"})


@pytest.mark.parametrize(
    ("objective", "nodes", "message"),
    [
        ("sum", [{"prices": {"limits": {"x": "1"}}}], "nodes[0]: a price on the unknown limit 'x'"),
        ("sum", [{"prices": {"limits": {"site": "-1"}}}], "nodes[0]: a negative price on limit 'site'"),
        (
            "sum",
            [{"prices": {"resource": {"op1": {"licences": "1"}}}}],
            "nodes[0]: a price on 'licences' of 'op1', which is not limited",
        ),
        (
            "sum",
            [{"prices": {"resource": {"op3": {"memory": "1"}}}}],
            "nodes[0]: a price on resources of the unknown offload point 'op3'",
        ),
        (
            "sum",
            [{"prices": {"resource": {"op1": {"memory": "-1e-9"}}}}],
            "nodes[0]: a negative price on 'memory' of 'op1'",
        ),
        (
            "sum",
            [{"prices": {"resource": {"op1": {"subtasks": "1"}}}}],
            "nodes[0]: a price on 'subtasks' of 'op1', which is not limited",
        ),
        ("sum", [{"prices": {"totals": {"energy": "1"}}}], "a price on the total energy, which has no cap"),
        ("sum", [{"prices": {"totals": {"delay": "-1"}}}], "nodes[0]: a negative price on the total delay"),
        (
            "sum",
            [{"prices": {"channels": {"op3": "1"}}}],
            "a price on channels of the unknown offload point 'op3'",
        ),
        ("sum", [{**LEAF, "shares": {"ud1": "1"}}], "nodes[0]: shares, and the objective is a sum"),
        ("max", [LEAF], "nodes[0]: the shares add up to 0, not to 1"),
        ("max", [{**LEAF, "shares": {"ud1": "0.5", "ud2": "0.4"}}], "the shares add up to 9/10, not to 1"),
        ("max", [{**LEAF, "shares": {"ud3": "1"}}], "nodes[0]: a share of the unknown device 'ud3'"),
        (
            "max",
            [{**LEAF, "shares": {"ud1": "2", "ud2": "-1"}}],
            "nodes[0]: a negative share of device 'ud2'",
        ),
        (
            "sum",
            [{**BRANCH, "branch": {"device": "ud2", "refused": True}}, LEAF, LEAF],
            "nodes[0]: a branch on refusing device 'ud2', which must be served",
        ),
        ("sum", [{**BRANCH, "equal": 2}, LEAF, LEAF], "nodes[1]: has 0 parents; nodes[2]: has 2 parents"),
        ("sum", [{"prices": {"cuts": {"0": "1"}}}], "nodes[0]: a price on the unknown cut '0'"),
        (
            "sum",
            [{"patterns": {}, "below": 1}, {**LEAF, "infeasible": True}],
            "nodes[1]: a leaf below an enumeration that is said to be infeasible",
        ),
        (
            "max",
            [{"patterns": {}, "below": 1}, {**LEAF, "shares": {"ud1": "1"}}],
            "nodes[0]: an enumeration, which is for sums of costs alone",
        ),
    ],
)
def test_a_faulty_certificate(tmp_path: Path, objective: str, nodes: list[Document], message: str) -> None:
    files = Files(tmp_path, changed(put("cost", "objective", objective), of=SECOND))
    verdict = files.check(files.solution(None), files.certificate(nodes, "0"))
    assert failed(verdict) == ["certificate"]
    assert message in verdict.rules[-1].message


def test_a_certificate_of_version_1_does_not_know_the_limits(tmp_path: Path) -> None:
    files = Files(tmp_path, SECOND)
    verdict = files.check(files.solution(None), files.certificate([LEAF], "0") | {"version": 1})
    assert "it is of version 1, which does not know the limits of this instance" in verdict.rules[-1].message


def test_a_certificate_of_version_2_on_an_instance_of_version_1(tmp_path: Path) -> None:
    files = Files(tmp_path, DOCUMENT)
    exact = Reference(DOCUMENT).bound([LEAF], hopeless=False)
    assert isinstance(exact, Fraction)
    assert files.check(files.solution(None), files.certificate([LEAF], text(exact))).accepted


def test_an_open_leaf_is_named(tmp_path: Path) -> None:
    files = Files(tmp_path, SECOND)
    verdict = files.check(files.solution(None), files.certificate([{**LEAF, "infeasible": True}], "0"))
    assert failed(verdict) == ["claim"]
    assert verdict.rules[-1].message == "claimed 0.0, proven nothing: nodes[0] is not infeasible by 0 > 0"


def test_what_the_rules_say(tmp_path: Path) -> None:
    document = changed(
        put("limits", 0, "capacity", 1.25),
        put("offload_points", 0, "capacity", "memory", 1),
        put("offload_points", 0, "channels", 0),
        put("totals", {"delay": 1, "energy": 2}),
        put("devices", 0, "deadline", 3),
        put("devices", 0, "energy_budget", 0),
        of=SECOND,
    )
    files = Files(tmp_path, document)
    rows: dict[str, Any] = {"ud1": ["op1", None, None, None, None], "ud2": [None] * 5}
    verdict = files.check(files.solution(rows))
    said = {rule.name: rule.message for rule in verdict.rules if not rule.ok}
    assert said["capacity"] == "'op1' has 1.5 memory, 0.5 above its limit of 1.0"
    assert said["limits"] == "'site' has 1.5 memory, 0.25 above its limit of 1.25"
    assert said["allowed"] == "subtask 't1' of 'ud1' runs at 'op1'"
    assert said["deadlines"].startswith("device 'ud1' takes ")
    assert said["deadlines"].endswith(" s, and its deadline is 3.0 s")
    assert said["budgets"].endswith(" mJ, and its budget is 0.0 mJ")
    assert sorted(said["totals"].split("; ")) == [
        "delay 11.45, above the cap of 1.0",
        "energy 175.95, above the cap of 2.0",
    ]
    assert set(said) == {"capacity", "channels", "limits", "allowed", "deadlines", "budgets", "totals"}


# --- damage -----------------------------------------------------------------------------------------


def damage(draw: random.Random, value: Any) -> Any:
    """A document with one change somewhere."""
    value = copy.deepcopy(value)
    spots: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        item = pending.pop()
        entries = item.items() if isinstance(item, dict) else enumerate(item)
        for key, inner in entries:
            spots.append((item, key))
            if isinstance(inner, dict | list):
                pending.append(inner)
    holder, key = draw.choice(spots)
    others = [holder_[key_] for holder_, key_ in spots]
    new = draw.choice(
        [None, 0, 1, 2, "0", "-1", "1e3", "1/2", True, "op1", "ud1", "memory", [], {}, draw.choice(others)]
    )
    if draw.random() < 0.3:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(new)
    return value


@examples(2000, base=FOLDER)
@given(seeds)
def test_no_damaged_certificate_proves_what_is_not_so(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    document = random_format2(seed % 97, max_devices=2, max_points=2, max_subtasks=2)
    files, found = Files(tmp_path, document), optimum(document)
    prover = Prover(document, found and found[0])
    certificate = files.certificate(prover.nodes, text(found[0]) if found else None)
    for _ in range(draw.choice([1, 1, 2, 3])):
        certificate = damage(draw, certificate)
    try:
        verdict = files.check(files.solution(found and found[1]), certificate)
    except checker.Unusable as unusable:
        assert str(unusable).startswith(str(tmp_path / "certificate.json"))
        return
    assert "consistency" not in failed(verdict)
    if verdict.certified_bound is not None:
        assert verdict.certified_bound <= (found[0] if found else math.inf)


@examples(1000, base=FOLDER)
@given(seeds)
def test_no_document_breaks_the_checker(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    document = random_format2(seed % 997)
    for _ in range(draw.choice([1, 1, 2])):
        document = damage(draw, document)
    path = write_json(tmp_path / "instance.json", document)
    try:
        instance = checker.read_instance(path)
    except checker.Unusable as unusable:
        assert str(unusable).startswith(f"{path}: ")
        return
    assert len(instance.fingerprint()) == 64
