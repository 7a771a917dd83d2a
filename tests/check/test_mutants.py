"""A hundred thousand certificates of every form, changed at random: none proves more than brute force finds.

Each case is a small instance with the optimum by enumeration (`brute2`), in all or in those below a largest
cost, and some certificates of it: trees with random prices, trees that prove the optimum or that there is
none, patterns with cuts, and the same with witnesses, found or drawn. They are changed where it may hurt:
numbers by a little or a lot, names to others, parts of a document to others of it. What the rooms of the
checker and the core say that the result proves must be true, whatever it claims.
"""

from __future__ import annotations

import copy
import json
import math
import random
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from brute2 import optimum
from format2 import random_format1, random_format2
from test_core import random_witness
from test_format2_check import (
    Files,
    Prover,
    damage,
    price,
    random_branch,
    random_tree,
    some_largest,
    text,
    write_json,
)

from offloadlib import check as checker
from offloadlib.check.core import certificate as core_certificate
from offloadlib.check.core import reading as core_reading
from offloadlib.check.core import tree as core_tree
from offloadlib.check.core.forms import WHOLE, Fault
from offloadlib.check.core.verdict import verify
from offloadlib.check.faults import certificate_faults
from offloadlib.instances import InputError
from offloadlib.witnesses import elaborate

Document = dict[str, Any]
MUTANTS = 50
"""Of each case."""


# --- cases ------------------------------------------------------------------------------------------


class Case:
    """An instance with its optimum, in a folder, and certificates to start from."""

    def __init__(self, folder: Path, seed: int) -> None:
        draw = self.draw = random.Random(seed)
        self.document = random_format2(seed, max_devices=3, max_points=2, max_subtasks=3)
        if draw.random() < 0.3:
            self.document = random_format1(seed, max_devices=3, max_points=2, max_subtasks=3)
        self.files = Files(folder, self.document)
        self.optimum = cache(lambda largest: optimum(self.document, largest))
        found = self.found = self.optimum(None)
        self.instance = checker.read_instance(self.files.instance)
        self.core_instance = core_reading.read_instance(self.files.instance)
        self.solution = write_json(
            folder / "solution.json",
            self.files.solution(found and found[1], **({} if found else {"status": "infeasible"})),
        )
        self.certificate = folder / "certificate.json"
        self.version = self.document["version"]
        self.seeds = [self.tree(), self.tree(), self.drawn()]
        if self.version == 1:
            self.seeds += [self.patterns(), self.patterns(), self.patterns()]
        elif sum(len(device["work"]) for device in self.document["devices"]) <= 6:
            self.seeds.append(self.proof())
        if self.document["cost"].get("objective") != "max":
            largest = f"{float(some_largest(self.document, draw)):.12f}"
            below = {"version": 2, "largest": largest}
            self.seeds += [self.tree() | below, self.drawn(largest=True) | below]
        self.seeds += [more for more in map(self.elaborated, self.seeds[::2]) if more]

    def written(self, nodes: list[Document]) -> Document:
        claim = text(self.found[0]) if self.found else "1e6"
        return self.files.certificate(nodes, claim) | {"version": self.version}

    def tree(self) -> Document:
        return self.written(random_tree(self.document, self.draw, self.draw.choice([1, 2, 3, 4])))

    def proof(self) -> Document:
        """Of the optimum, or that there is none."""
        nodes = Prover(self.document, self.found and self.found[0]).nodes
        return self.files.certificate(nodes, text(self.found[0]) if self.found else None)

    def drawn(self, largest: bool = False) -> Document:
        """With any flows for witnesses."""
        proof = self.tree()
        proof["witnesses"] = {
            str(i): {
                device["id"]: random_witness(self.document, device, self.draw, 3, largest)
                for device in self.document["devices"]
            }
            for i, node in enumerate(proof["nodes"])
            if "prices" in node
        }
        return proof

    def patterns(self) -> Document:
        """Patterns at the root or below a branch, with cuts and branches on numbers below them."""
        draw, names = self.draw, [device["id"] for device in self.document["devices"]]
        points = [point["id"] for point in self.document["offload_points"]]
        cuts = [
            {
                "fast_as": draw.choice(points),
                "divisor": draw.randint(1, 4),
                "shifts": {name: draw.randint(0, 3) for name in names if draw.random() < 0.5},
            }
            for _ in range(draw.choice([0, 1, 2]))
        ]
        nodes: list[Document] = []
        if draw.random() < 0.3:
            branch = random_branch(self.document, draw)
            nodes = [{"branch": branch, "equal": 1, "different": 2}, {"prices": {}}]
        nodes.append({"patterns": self.prices([]), "below": len(nodes) + 1})
        ends = [len(nodes)]
        nodes.append({})
        for _ in range(draw.choice([0, 1, 1, 2, 3])):
            at = ends.pop(draw.randrange(len(ends)))
            branch = {
                "device": draw.choice(names),
                "fast_as": draw.choice(points),
                "most": draw.randint(0, 2),
            }
            nodes[at] = {"branch": branch, "equal": len(nodes), "different": len(nodes) + 1}
            ends += [len(nodes), len(nodes) + 1]
            nodes += [{}, {}]
        for at in ends:
            nodes[at] = {"prices": self.prices(cuts)}
        return self.written(nodes) | ({"cuts": cuts} if cuts else {})

    def prices(self, cuts: list[Document]) -> Document:
        prices = {
            "capacity": {point["id"]: price(self.draw) for point in self.document["offload_points"]},
            "cuts": {str(i): price(self.draw) for i in range(len(cuts)) if self.draw.random() < 0.7},
        }
        return {key: some for key, some in prices.items() if some}

    def elaborated(self, proof: Document) -> Document | None:
        """The same with witnesses that the core takes."""
        if "witnesses" in proof or self.draw.random() < 0.5:
            return None
        try:
            elaborate(self.files.instance, write_json(self.certificate, proof), self.certificate)
        except InputError:
            return None
        found: Document = json.loads(self.certificate.read_bytes())
        return found


# --- changes ----------------------------------------------------------------------------------------


def changed_number(draw: random.Random, value: str) -> str:
    """A decimal in a string, near to it or far from it."""
    try:
        number = Fraction(value)
    except (ValueError, ZeroDivisionError):
        return "0"
    factor = draw.choice(
        [*map(Fraction, (0, -1, 2, 1000)), Fraction(1, 2), Fraction(9, 10), 1 + Fraction(1, 10**12)]
    )
    more = draw.choice([*map(Fraction, (0, 0, 1)), Fraction(1, 10**9)])
    return f"{float(number * factor + more):.17g}"


def changed_whole(draw: random.Random, value: int) -> int:
    near = [value + 1, value - 1, -value, 2 * value, value // 2]
    if abs(value) < 100:
        return draw.choice([*near, 0, 1, 2, 3])
    return draw.choice([*near, 0, WHOLE, -WHOLE, WHOLE + 1, draw.randint(0, WHOLE)])


def spots(document: Any) -> list[tuple[Any, Any]]:
    """Where values stand: what holds them, and their key or number there."""
    found, pending = [], [document]
    while pending:
        item = pending.pop()
        for key, inner in item.items() if isinstance(item, dict) else enumerate(item):
            found.append((item, key))
            if isinstance(inner, dict | list):
                pending.append(inner)
    return found


HEADER = ("format", "version", "sha256", "name")


def change(draw: random.Random, case: Case, proof: Document) -> None:
    """One change in place: of a value, of what a list or an object has, or by what certificates may say."""
    kind, places = draw.randrange(20), spots(proof)
    if kind < 14:  # of a value in the tree, or in a witness
        places = [one for one in places if one[1] not in HEADER and type(one[0][one[1]]) in (str, int)]
    holder, key = draw.choice(places)
    value = holder[key]
    if kind < 14 and isinstance(value, str):
        names = [device["id"] for device in case.document["devices"]]
        subtasks = [name for app in case.document["applications"] for name in app["subtasks"]]
        points = [point["id"] for point in case.document["offload_points"]]
        same = next((some for some in (names, subtasks, points) if value in some), None)
        holder[key] = changed_number(draw, value) if same is None else draw.choice(same)
    elif kind < 14:
        holder[key] = changed_whole(draw, value)
    elif kind < 16:
        other, there = draw.choice([spot for spot in places if type(spot[0][spot[1]]) is type(value)])
        holder[key], other[there] = copy.deepcopy(other[there]), copy.deepcopy(value)
    elif kind == 16 and isinstance(value, list) and value:
        at = draw.randrange(len(value))
        value[at : at + 1] = draw.choice([[], [value[at]] * 2, [copy.deepcopy(draw.choice(value))]])
    elif kind == 17:
        del holder[key]
    else:
        node = draw.choice(proof["nodes"]) if isinstance(proof.get("nodes"), list) and proof["nodes"] else {}
        add: list[Callable[[], Any]] = [
            lambda: proof.pop("witnesses", None),
            lambda: proof.update(witnesses={}),
            lambda: proof.update(version=3 - case.version),
            lambda: node.update(infeasible=True),
            lambda: node.update(prices={}),
            lambda: proof.update(largest=price(draw)),
            lambda: (proof.pop("lower_bound", None), proof.update(claim="infeasible")),
            lambda: (proof.pop("claim", None), proof.update(lower_bound="-1e5")),
        ]
        if isinstance(node, dict):
            draw.choice(add)()


def mutant(draw: random.Random, case: Case) -> Document:
    proof = copy.deepcopy(draw.choice(case.seeds))
    if "lower_bound" in proof and case.found and draw.random() < 0.6:  # patterns depend on the claim
        slack = max(abs(case.found[0]), Fraction(1)) * Fraction(draw.choice([1, -1, -1, -1000]), 10**9)
        proof["lower_bound"] = text(case.found[0] + slack)
    for _ in range(draw.choice([1, 1, 1, 1, 2, 2, 3])):
        try:
            if draw.random() < 0.05:
                proof = damage(draw, proof)
            else:
                change(draw, case, proof)
        except (AttributeError, KeyError, TypeError, IndexError):  # what was changed before has no such part
            continue
    return proof


# --- the judge --------------------------------------------------------------------------------------


def judged(case: Case, proof: Document) -> str:
    """What becomes of a certificate; what is proven must not be above the optimum."""
    path = write_json(case.certificate, proof)
    proven: Any = -math.inf
    try:
        core = core_certificate.read_certificate(path, case.core_instance)
        proven = core_tree.bound(case.core_instance, core)
    except Fault:
        pass
    else:
        assert_true(case, proven, core.largest, proof)
    try:
        certificate = checker.read_certificate(path)
    except checker.Unusable:
        return "refused"
    if certificate_faults(case.instance, certificate) or certificate.sha256 != case.files.sha256:
        return "refused"
    if not certificate.witnessed:
        value = checker.tree_bound(case.instance, certificate).value
        proven = None if value == math.inf else value
        assert_true(case, proven, certificate.largest, proof)
    claim = None if certificate.infeasible else certificate.lower_bound
    accepted = proven is None or (claim is not None and claim <= proven)
    form = "witnessed" if certificate.witnessed else "patterns" if "below" in str(proof) else "compact"
    return f"{form} {'accepted' if accepted else 'not proven'}"


def assert_true(case: Case, proven: Any, largest: Fraction | None, proof: Document) -> None:
    """What is proven (None: that there is no solution) is not above the optimum."""
    found = case.optimum(largest)
    assert found is None or (proven is not None and proven <= found[0]), (case.document, proof, proven)


def fuzz(folder: Path, seed: int, cases: int) -> Counter[str]:
    """Mutants of so many cases, and what became of them; now and then the whole verdict is asked for."""
    outcomes = Counter[str]()
    for number in range(cases):
        case = Case(folder, 10_000 * seed + number)
        for proof in case.seeds:
            outcomes[f"unchanged: {judged(case, proof)}"] += 1
        for i in range(MUTANTS):
            proof = mutant(case.draw, case)
            outcomes[judged(case, proof)] += 1
            if i % 10 == 0:
                whole(case)
    return outcomes


def whole(case: Case) -> None:
    """Neither verdict contradicts itself, or accepts what is not so."""
    best = case.found[0] if case.found else math.inf
    try:
        verdict = verify(case.files.instance, case.solution, case.certificate)
    except Fault as fault:
        assert "contradicts itself" not in str(fault)
    else:
        assert verdict.bound is None or verdict.largest is not None or verdict.bound <= best
        assert not (verdict.infeasible and case.found)
    try:
        full = checker.check(case.files.instance, case.solution, case.certificate)
    except checker.Unusable:
        return
    assert all(rule.ok for rule in full.rules if rule.name == "consistency")
    of_some = full.certified_largest is not None
    assert full.certified_bound is None or of_some or full.certified_bound <= best


@pytest.mark.parametrize("seed", range(2))
def test_a_sample(tmp_path: Path, seed: int) -> None:
    outcomes = fuzz(tmp_path, seed, 8)
    assert sum(count for name, count in outcomes.items() if "unchanged" not in name) == 8 * MUTANTS
    for form in ("compact", "witnessed"):
        assert outcomes[f"{form} accepted"] and outcomes[f"{form} not proven"]
    assert outcomes["refused"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 22))
def test_a_hundred_thousand(tmp_path: Path, seed: int) -> None:
    outcomes = fuzz(tmp_path, seed, 100)
    for name, count in sorted(outcomes.items()):
        print(f"{seed}: {count:6} {name}")
    assert outcomes["patterns accepted"] and outcomes["patterns not proven"]
