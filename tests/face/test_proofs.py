"""Certificates of results: the claim is what the checker can confirm."""

from __future__ import annotations

import pickle
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from reading import read_structured

from offloadlib import check, proofs, solve
from offloadlib.best_known import library
from offloadlib.formulations.proofs.nodes import Proof
from offloadlib.formulations.proofs.pruning import pruned
from offloadlib.formulations.structured.decomposition.branch_and_price import prove
from offloadlib.instances import Budget, Instance, Solution, Status, StoredSolution
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.kinds import face
from offloadlib.proofs import judge
from offloadlib.registry import find

WORKED = library() / "worked-example.json"


def test_a_claim_above_the_proof_comes_down_to_it(tmp_path: Path) -> None:
    instance = read_structured(WORKED)
    result = solve(instance, "branch-and-price")
    proof = prove(instance, result.solution, Budget())
    bold = replace(proof, certificate=replace(proof.certificate, lower_bound=30.0))
    stored, accepted = judge(instance, result.stored("branch-and-price"), bold, tmp_path / "proof.json")
    assert accepted
    assert stored.lower_bound == pytest.approx(24.045, rel=1e-9)
    assert stored.status is Status.OPTIMAL
    proven = check.tree_bound(check.read_instance(WORKED), check.read_certificate(tmp_path / "proof.json"))
    assert stored.lower_bound is not None
    assert stored.lower_bound <= proven.value


def test_a_wrong_objective_is_not_a_matter_of_the_claim(tmp_path: Path) -> None:
    instance = read_structured(WORKED)
    result = solve(instance, "branch-and-price")
    proof = prove(instance, result.solution, Budget())
    stored = replace(result.stored("branch-and-price"), objective=25.0)
    assert judge(instance, stored, proof, tmp_path / "proof.json") == (stored, False)


# Within a budget of time ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def branched() -> tuple[Instance, Proof[Any]]:
    """An instance that takes a tree of branches, and its proof."""
    instance = generate(Setting(devices=8, offload_points=3, capacity=5, applications=("layered-7",)), seed=5)
    proof = prove(instance, Solution.all_local(instance), Budget())
    assert len(proof.certificate.nodes) > 8
    return instance, proof


def stored_of(proof: Proof[Any]) -> StoredSolution[Solution]:
    return StoredSolution(proof.solution, "test", proof.objective, proof.objective, Status.OPTIMAL, {})


def slow_beyond(monkeypatch: pytest.MonkeyPatch, nodes: int) -> list[int]:
    """A checker that takes too long for larger trees; returns the list of what it was asked for."""
    asked: list[int] = []
    verdict = proofs._Judging._verdict

    def limited(self: Any, certificate: Any, seconds: float) -> Any:
        asked.append(len(certificate.nodes))
        return verdict(self, certificate, seconds) if len(certificate.nodes) <= nodes else None

    monkeypatch.setattr(proofs._Judging, "_verdict", limited)
    return asked


@pytest.mark.parametrize("nodes", [1, 3, 5])
def test_what_cannot_be_verified_in_time_is_proven_in_part(
    branched: tuple[Instance, Proof[Any]], nodes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, proof = branched
    slow_beyond(monkeypatch, nodes)
    path = tmp_path / "proof.json"
    stored, accepted = judge(instance, stored_of(proof), proof, path, 1e6)
    assert accepted
    certificate = check.read_certificate(path)
    assert len(certificate.nodes) <= nodes
    offloaded = stored.lower_bound
    assert offloaded is not None and 0 < offloaded < proof.certificate.lower_bound
    assert stored.status is Status.FEASIBLE
    assert stored.run["solver_bound"] == proof.objective


@pytest.mark.parametrize(("root", "tried"), [(1.0, True), (1e9, False)])
def test_a_large_tree_is_tried_where_its_root_was_soon_verified(
    branched: tuple[Instance, Proof[Any]],
    root: float,
    tried: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    instance, proof = branched
    monkeypatch.setattr(proofs, "FEW_LEAVES", 1)
    asked, verify = slow_beyond(monkeypatch, 10**6), proofs._Judging._root
    monkeypatch.setattr(proofs._Judging, "_root", lambda self: verify(self) + root)
    _, accepted = judge(instance, stored_of(proof), proof, tmp_path / "proof.json", 1e6)
    assert accepted
    assert (len(proof.certificate.nodes) in asked) == tried


def test_without_time_there_is_no_certificate(
    branched: tuple[Instance, Proof[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, proof = branched
    path = tmp_path / "proof.json"
    stored = stored_of(proof)
    assert judge(instance, stored, proof, path, 0.0) == (stored, False)
    slow_beyond(monkeypatch, 0)
    assert judge(instance, stored, proof, path, 1e6) == (stored, False)
    assert not path.exists()
    assert proofs.certify(instance, stored, path, 1e-6) == (stored, False)
    assert not path.exists()


def test_where_the_roots_prices_take_too_long_none_may_do(
    branched: tuple[Instance, Proof[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, proof = branched
    verdict = proofs._Judging._verdict

    def limited(self: Any, certificate: Any, seconds: float) -> Any:
        return verdict(self, certificate, seconds) if certificate is proof.unpriced else None

    monkeypatch.setattr(proofs._Judging, "_verdict", limited)
    stored, accepted = judge(instance, stored_of(proof), proof, tmp_path / "proof.json", 1e6)
    assert accepted
    assert proof.unpriced is not None and stored.lower_bound == proof.unpriced.lower_bound
    assert 0 < proof.unpriced.lower_bound < proof.certificate.lower_bound


def test_an_interrupt_leaves_what_was_accepted(
    branched: tuple[Instance, Proof[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, proof = branched
    monkeypatch.setattr(proofs, "FEW_LEAVES", 1)  # so that the root comes first
    verdict, path = proofs._Judging._verdict, tmp_path / "proof.json"
    for answered in range(3):
        count = 0

        def interrupted(self: Any, certificate: Any, seconds: float, answered: int = answered) -> Any:
            nonlocal count
            count += 1
            if count > answered:
                raise KeyboardInterrupt
            return verdict(self, certificate, seconds)

        monkeypatch.setattr(proofs._Judging, "_verdict", interrupted)
        _, accepted = judge(instance, stored_of(proof), proof, path)
        assert accepted == path.exists() == (answered > 0)
        if accepted:
            bound = check.tree_bound(instance_of(instance, tmp_path), check.read_certificate(path))
            assert bound.value >= check.read_certificate(path).lower_bound


def instance_of(instance: Instance, folder: Path) -> Any:
    from offloadlib.instances import write

    write(instance, folder / "instance.json")
    return check.read_instance(folder / "instance.json")


def test_a_checker_that_takes_too_long_is_ended(
    branched: tuple[Instance, Proof[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, proof = branched

    def run(command: list[str], *, timeout: float | None, **_: Any) -> None:
        assert timeout is not None
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", run)
    assert judge(instance, stored_of(proof), proof, tmp_path / "proof.json", 1e6)[1] is False


def test_smaller_trees_prove_less(branched: tuple[Instance, Proof[Any]], tmp_path: Path) -> None:
    """As much as each claims, and none more than a larger one."""
    instance, proof = branched
    read_again, before = instance_of(instance, tmp_path), 0.0
    for leaves in (1, 2, 3, 5, 8):
        bound, nodes = pruned(proof.certificate.nodes, proof.bounds, leaves)
        assert len(nodes) <= 2 * leaves - 1
        assert before <= bound
        before = bound
        path = tmp_path / f"{leaves}.json"
        certificate = replace(proof.certificate, nodes=nodes, lower_bound=bound * (1 - 1e-11))
        face("structured").function("write_certificate")(certificate, instance, path)
        assert check.tree_bound(read_again, check.read_certificate(path)).value >= certificate.lower_bound


def test_the_proof_of_a_solve_is_used_again(
    branched: tuple[Instance, Proof[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, _ = branched
    kept = tmp_path / "kept"
    assert proofs.keeping_proof(find("milp"), "structured", kept) is find("milp")
    assert proofs.kept_proof(kept) is None
    method = pickle.loads(pickle.dumps(proofs.keeping_proof(find("branch-and-price"), "structured", kept)))
    result = solve(instance, method)
    proof = proofs.kept_proof(kept)
    stored, accepted = proofs.certify(instance, result.stored("x"), tmp_path / "proof.json", 1e6, proof=proof)
    assert accepted
    assert stored.status is Status.OPTIMAL
