"""Branch-and-price under a ceiling on each device's cost: brute force, and the checker's verdict."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from brute2 import decisions, optimum
from counts import FOLDER, examples
from format2 import random_format2
from hypothesis import given
from hypothesis import strategies as st

from offloadlib import check
from offloadlib.formulations.structured.certificate import write_certificate
from offloadlib.formulations.structured.limited.branch_and_price import prove_below
from offloadlib.instances import Budget, Status, StoredSolution, evaluate, write, write_solution
from offloadlib.instances.structured.form import from_document, solution_of

SEEDS = st.integers(0, 2**31 - 1)


def largest_of(document: dict[str, Any], rows: dict[str, Any]) -> Fraction:
    """What the dearest device costs."""
    costs = []
    for device in document["devices"]:
        row = rows[device["id"]]
        places = None if row is None else tuple(row)
        costs.append(next(one.cost for one in decisions(document, device) if one.places == places))
    return max(costs)


@examples(1000, 30, base=FOLDER)
@given(seed=SEEDS)
def test_equals_brute_force(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed)
    document["cost"].pop("objective", None)
    least = optimum(document | {"cost": document["cost"] | {"objective": "max"}})
    free = optimum(document)
    if least is None or free is None:
        return
    instance = from_document(document)
    high = largest_of(document, free[1])
    for part in (Fraction(0), Fraction(1, 2), Fraction(1)):
        ceiling = float(least[0] + part * (high - least[0])) + 1e-9  # away from what decisions cost
        best = optimum(document, Fraction(ceiling))
        assert best is not None
        cost = float(best[0])
        start = solution_of({"decisions": least[1]}, instance)
        proof = prove_below(ceiling, instance, start, Budget())
        found = evaluate(instance, proof.solution)
        assert found.feasible
        assert found.largest <= ceiling + 1e-12
        bound = proof.certificate.lower_bound
        assert bound <= cost + 1e-12 * max(abs(cost), 1.0)
        assert proof.objective == pytest.approx(cost, rel=1e-9, abs=1e-9)
        assert cost - bound <= 1e-6 * max(abs(cost), 1.0)
        write(instance, tmp_path / "instance.json")
        stored = StoredSolution(proof.solution, "m", proof.objective, None, Status.FEASIBLE)
        write_solution(stored, instance, tmp_path / "sol.json")
        write_certificate(proof.certificate, instance, tmp_path / "cert.json")
        verdict = check.check(tmp_path / "instance.json", tmp_path / "sol.json", tmp_path / "cert.json")
        wrong = [rule for rule in verdict.rules if not rule.ok and rule.name != "largest"]
        assert not wrong
        assert verdict.certified_largest == ceiling
