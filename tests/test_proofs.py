"""Certificates of results: the claim is what the checker can confirm."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from formulations.decomposition.branch_and_price import prove
from instances import Budget, Status, read
from offloadlib import check, solve
from offloadlib.best_known import library
from offloadlib.proofs import judge

WORKED = library() / "worked-example.json"


def test_a_claim_above_the_proof_comes_down_to_it(tmp_path: Path) -> None:
    instance = read(WORKED)
    result = solve(instance, "branch-and-price")
    proof = prove(instance, result.solution, Budget())
    bold = replace(proof, certificate=replace(proof.certificate, lower_bound=30.0))
    stored, accepted = judge(instance, result.stored("branch-and-price"), bold, tmp_path / "proof.json")
    assert accepted
    assert stored.lower_bound == pytest.approx(24.045, rel=1e-9)
    assert stored.status is Status.OPTIMAL
    proven = check.tree_bound(check.read_instance(WORKED), check.read_certificate(tmp_path / "proof.json"))
    assert stored.lower_bound <= proven.value


def test_a_wrong_objective_is_not_a_matter_of_the_claim(tmp_path: Path) -> None:
    instance = read(WORKED)
    result = solve(instance, "branch-and-price")
    proof = prove(instance, result.solution, Budget())
    stored = replace(result.stored("branch-and-price"), objective=25.0)
    assert judge(instance, stored, proof, tmp_path / "proof.json") == (stored, False)
