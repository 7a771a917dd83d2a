"""Branches on numbers of subtasks, in the core and in VIPR files: below patterns without cuts."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

from brute2 import optimum
from counts import FOLDER, examples
from format2 import random_format1
from hypothesis import given
from hypothesis import strategies as st
from test_format2_check import Files, Reference, random_tree, text, write_json
from vipr_reader import verify

from offloadlib import check as checker
from offloadlib.check.core.certificate import read_certificate
from offloadlib.check.core.reading import read_instance
from offloadlib.check.core.tree import bound
from offloadlib.witnesses import elaborate, export_proof

Document = dict[str, Any]
CLAIM = 10**6
"""What is proven of a leaf that no decision gets to."""


class Case:
    """An instance of version 1, and a certificate that is a tree of numbers below patterns."""

    def __init__(self, folder: Path, seed: int) -> None:
        draw = random.Random(seed)
        self.document = random_format1(seed, max_devices=3, max_points=2, max_subtasks=3)
        for point in self.document[
            "offload_points"
        ]:  # none is closed by its channels: VIPR files have prices
            if point.get("channels") == 0:
                point["channels"] = 1
        self.files, self.optimum = Files(folder, self.document), optimum(self.document)
        self.nodes = random_tree(self.document, draw, draw.choice([1, 2, 3, 5]), numbers=1)
        below = [
            node | {side: node[side] + 1 for side in ("equal", "different") if side in node}
            for node in self.nodes
        ]
        nodes = [{"patterns": {}, "below": 1}, *below]
        self.exact = Reference(self.document).bound(self.nodes, hopeless=False)
        self.claim = text(Fraction(min(self.exact, CLAIM)))
        proof = self.files.certificate(nodes, self.claim) | {"version": 1}
        self.certificate = write_json(folder / "compact.json", proof)


@examples(500, base=FOLDER)
@given(st.integers(0, 2**32))
def test_they_prove_what_enumeration_does(tmp_path: Path, seed: int) -> None:
    case = Case(tmp_path, seed)
    told = elaborate(case.files.instance, case.certificate, tmp_path / "w.json")
    assert told.left_out == 0
    instance = read_instance(case.files.instance)
    value = bound(instance, read_certificate(tmp_path / "w.json", instance))
    assert value is not None and case.optimum is not None
    assert value <= case.optimum[0]
    assert value <= case.exact
    assert value >= min(case.exact, CLAIM) - max(abs(value), Fraction(1, 10**6)) / 10**9
    solution = write_json(tmp_path / "s.json", case.files.solution(case.optimum[1], run={}))
    assert checker.check(case.files.instance, solution, tmp_path / "w.json").accepted


@examples(300, base=FOLDER)
@given(st.integers(0, 2**32))
def test_vipr_files_prove_it_as_well(tmp_path: Path, seed: int) -> None:
    case = Case(tmp_path, seed)
    assert case.optimum is not None
    solution = write_json(tmp_path / "s.json", case.files.solution(case.optimum[1], run={}))
    found = export_proof(case.files.instance, solution, case.certificate, tmp_path / "p.vipr")
    proven = verify((tmp_path / "p.vipr").read_text("ascii"))
    assert (proven.lower, proven.upper) == (found.lower_bound, found.upper_bound)
    assert proven.lower <= proven.upper
    cost = case.optimum[0]
    assert proven.lower >= min(case.exact, cost) - max(cost, Fraction(1, 10**6)) / 10**9


def test_without_witnesses_they_are_below_patterns(tmp_path: Path) -> None:
    """The search for compact certificates knows numbers of patterns alone."""
    case = next(case for seed in range(9) if len((case := Case(tmp_path, seed)).nodes) > 1)
    assert case.optimum is not None
    solution = write_json(tmp_path / "s.json", case.files.solution(case.optimum[1], run={}))
    proof = case.files.certificate(case.nodes, "-1e6") | {"version": 1}
    for accepted in (False, True):
        proof |= {"witnesses": {}} if accepted else {}
        verdict = checker.check(case.files.instance, solution, write_json(tmp_path / "c.json", proof))
        assert verdict.accepted == accepted
        told = [rule.message for rule in verdict.rules if rule.name == "certificate"]
        assert accepted or "a branch on a number of subtasks that is not below an enumeration" in told[0]
