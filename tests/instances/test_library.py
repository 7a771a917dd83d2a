"""The shipped instances, and what is claimed to be known of them."""

from __future__ import annotations

from typing import Any

import pytest
from reading import read_structured

from offloadlib import check
from offloadlib.best_known import certificate_file, library, read_best_known, solution_file
from offloadlib.instances import Instance, read, read_solution
from offloadlib.instances.structured.bound import simple_bound

STEMS = sorted(path.stem for path in library().glob("*.json") if path.name != "best_known.json")
KNOWN = read_best_known()
PAPER = [stem for stem in STEMS if stem.startswith("paper-")]
HYBRID = [stem for stem in STEMS if stem.startswith("hybrid-")]


def test_the_library_is_there() -> None:
    assert {"worked-example", "melbourne-s", "melbourne-m", "melbourne-l"} <= set(STEMS)
    assert {"hybrid-3x3", "hybrid-3x3-edge", "hybrid-n010", "hybrid-n030", "hybrid-n100"} == set(HYBRID)
    assert [read_structured(library() / f"{stem}.json").num_devices for stem in PAPER] == [
        5,
        10,
        20,
        40,
        70,
        100,
    ]
    for stem in PAPER:
        instance = read_structured(library() / f"{stem}.json")
        assert instance.num_points == 10
        assert set(instance.points.capacity.tolist()) == {20}


@pytest.mark.parametrize("stem", STEMS)
def test_every_instance_says_where_it_is_from(stem: str) -> None:
    instance: Any = read(library() / f"{stem}.json")
    assert instance.source or stem == "worked-example"
    assert instance.evaluate(read_solution(solution_file(stem), instance).solution).feasible


@pytest.mark.parametrize(
    "stem",
    [pytest.param(stem, marks=pytest.mark.slow) if stem == "melbourne-l" else stem for stem in STEMS],
)
def test_best_known_values_hold(stem: str) -> None:
    """The objective is that of a shipped solution; a certified bound has an accepted proof."""
    known = KNOWN[stem]
    path = library() / f"{stem}.json"
    instance: Any = read(path)
    assert known.sha256 == instance.fingerprint
    assert known.objective is not None
    assert known.lower_bound is not None
    proof = certificate_file(stem) if known.certified_bound else None
    verdict = check.check(path, solution_file(stem), proof)
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
    assert verdict.objective == pytest.approx(known.objective.value, rel=1e-12)
    assert known.lower_bound.value <= known.objective.value * (1 + 1e-9)
    if isinstance(instance, Instance):
        assert simple_bound(instance) <= known.lower_bound.value
    if proof is not None:
        assert verdict.certified_bound is not None
        assert known.certified_bound is not None
        assert verdict.certified_bound >= known.certified_bound.value * (1 - 1e-9)
        assert known.certified_bound.value <= known.lower_bound.value


@pytest.mark.parametrize("stem", [*PAPER, *HYBRID])
def test_paper_sizes_and_hybrid_ones_are_proven(stem: str) -> None:
    known = KNOWN[stem]
    assert known.certified_bound is not None
    assert known.objective is not None
    assert known.objective.value - known.certified_bound.value <= 1e-9 * known.objective.value


def test_certificates_without_an_entry_are_not_left_behind() -> None:
    certified = {stem for stem, known in KNOWN.items() if known.certified_bound is not None}
    shipped = {path.name.removesuffix(".cert.json") for path in certificate_file("x").parent.glob("*.json")}
    assert shipped == certified
