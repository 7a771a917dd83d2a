"""Methods leave nothing behind: an instance costs what it cost before, and holds nothing undeclared."""

from __future__ import annotations

import threading
from dataclasses import fields
from functools import cached_property
from typing import Any

import numpy as np
import pytest
from folders import LIBRARY

import offloadlib
from offloadlib.formulations.structured.decomposition import chunks, pricing
from offloadlib.formulations.structured.scaling import levelled, scaled
from offloadlib.instances import AnyEvaluation, Instance, read
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import METHODS

pytestmark = pytest.mark.usefixtures("little_learning")


def given(kind: str) -> Any:
    """A new instance each time, so that nothing is left of an earlier test."""
    if kind == "hybrid":
        return read(LIBRARY / "hybrid-3x3.json")
    return generate(Setting(devices=4, offload_points=2, capacity=4, channels=2), seed=3)


def bits(evaluation: AnyEvaluation) -> list[bytes]:
    """All numbers of an evaluation, to the bit."""
    arrays = [evaluation.delay, evaluation.energy, evaluation.cost, evaluation.local.cost]
    return [np.asarray(array, dtype=np.float64).tobytes() for array in arrays]


def declared(instance: Any) -> set[str]:
    """What an instance may hold: its fields and what it works out once."""
    names = {field.name for field in fields(instance)}
    for part in type(instance).__mro__:
        names |= {name for name, value in vars(part).items() if isinstance(value, cached_property)}
    return names


@pytest.mark.parametrize(
    ("name", "kind"), [(name, kind) for name, method in METHODS.items() for kind in sorted(method.kinds)]
)
def test_solving_changes_no_evaluation(name: str, kind: str) -> None:
    instance = given(kind)
    if METHODS[name].applies_to(instance) is not None:
        pytest.skip("does not apply")
    solution = offloadlib.solve(given(kind), "local" if kind == "hybrid" else "gsod-i").solution
    before = bits(given(kind).evaluate(solution))
    offloadlib.solve(instance, name, time_limit=20.0)
    assert bits(instance.evaluate(solution)) == before
    assert set(vars(instance)) <= declared(instance)


def test_an_instance_in_other_units_is_another_one() -> None:
    instance: Instance = given("structured")
    solution = offloadlib.solve(given("structured"), "gsod-ii").solution
    before = bits(given("structured").evaluate(solution))
    for other in (scaled(instance, 8.0), levelled(instance, 10.0, 8.0)):
        assert bits(other.evaluate(solution)) != before
        assert set(vars(other)) <= declared(other)
    assert (
        bits(scaled(instance, 8.0).evaluate(solution))[2]
        == (8.0 * instance.evaluate(solution).cost).tobytes()
    )
    assert bits(instance.evaluate(solution)) == before


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["price", "branch-and-price"])
def test_as_many_threads_price_as_the_budget_says(
    monkeypatch: pytest.MonkeyPatch, name: str, threads: int
) -> None:
    used: list[set[int]] = []

    def watched(work: Any, parts: Any, late: Any, count: int) -> Any:
        idents: set[int] = set()

        def noted(part: Any) -> Any:
            idents.add(threading.get_ident())
            return work(part)

        yield from chunks.in_threads(noted, parts, late, count)
        used.append(idents)

    monkeypatch.setattr(pricing, "chunks", lambda size, most: chunks.chunks(size, 8))
    monkeypatch.setattr(pricing, "in_threads", watched)
    instance = generate(Setting(devices=60, offload_points=3, capacity=40), seed=1)
    offloadlib.solve(instance, name, threads=threads)
    assert used
    assert max(map(len, used)) <= threads
