"""Branch-and-price against brute force, and its certificates against the independent checker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from brute import brute_force
from hypothesis import given, settings
from strategies import instances

from formulations.certificate import write_certificate
from formulations.decomposition.branch_and_price import prove, solve
from instances import Budget, Instance, Solution, Status, Termination, evaluate, read, write, write_solution
from offloadlib import check

LIBRARY = Path(__file__).parent.parent / "instances" / "library"


def agree(instance: Instance) -> None:
    optimum, _ = brute_force(instance)
    result = solve(instance, Budget())
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    if optimum > 1e-6:
        assert result.status is Status.OPTIMAL


@settings(max_examples=150)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    agree(instance)


@pytest.mark.slow
@settings(max_examples=1000)
@given(instance=instances())
def test_equals_brute_force_many(instance: Instance) -> None:
    agree(instance)


def files(instance: Instance, folder: Path, solution: Solution | None = None) -> tuple[Path, Path, Path]:
    """Instance, solution and certificate files of a proof that starts from a solution."""
    result = solve(instance, Budget(start=solution))
    proof = prove(instance, result.solution, Budget())
    names = folder / "instance.json", folder / "solution.sol.json", folder / "proof.cert.json"
    write(instance, names[0])
    write_solution(result.stored("branch-and-price"), instance, names[1])
    write_certificate(proof.certificate, instance, names[2])
    return names


@pytest.mark.parametrize(
    "name", ["worked-example", "paper-m020", "channels-m040", "scarce-m060", "melbourne-s", "layered-12-m030"]
)
def test_certificates_are_accepted(name: str, tmp_path: Path) -> None:
    instance = read(LIBRARY / f"{name}.json")
    verdict = check.check(*files(instance, tmp_path))
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]


def test_a_raised_claim_is_rejected(tmp_path: Path) -> None:
    instance = read(LIBRARY / "paper-m010.json")
    names = files(instance, tmp_path)
    document = json.loads(names[2].read_text())
    document["lower_bound"] = repr(float(document["lower_bound"]) * (1 + 1e-6))
    names[2].write_text(json.dumps(document))
    verdict = check.check(*names)
    assert not verdict.accepted


@settings(max_examples=40)
@given(instance=instances(max_devices=3))
def test_certificates_of_random_instances(
    instance: Instance, tmp_path_factory: pytest.TempPathFactory
) -> None:
    verdict = check.check(*files(instance, tmp_path_factory.mktemp("proof")))
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]


def test_the_bound_at_the_time_limit_is_valid() -> None:
    instance = read(LIBRARY / "paper-m040.json")
    known = solve(instance, Budget()).objective
    for limit in (1e-9, 0.01, 0.03):
        result = solve(instance, Budget(time_limit=limit))
        assert result.lower_bound is not None
        assert result.lower_bound <= known
        assert result.objective >= known * (1 - 1e-12)
        assert result.termination in (Termination.TIME_LIMIT, Termination.FINISHED)


def test_progress_closes_in() -> None:
    instance = read(LIBRARY / "scarce-m060.json")
    events = []
    solve(instance, Budget(on_progress=events.append))
    assert events
    objectives = [event.objective for event in events if event.objective is not None]
    assert objectives == sorted(objectives, reverse=True)
    assert all(e.lower_bound is None or e.lower_bound <= objectives[-1] * (1 + 1e-12) for e in events)


def test_interrupted_at_once() -> None:
    instance = read(LIBRARY / "paper-m040.json")

    def interrupt(event: object) -> None:
        raise KeyboardInterrupt

    result = solve(instance, Budget(on_progress=interrupt))
    assert result.termination is Termination.INTERRUPTED
    assert evaluate(instance, result.solution).feasible
    assert result.lower_bound is not None
    assert result.lower_bound <= result.objective
