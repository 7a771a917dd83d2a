"""Exact costs: the binary64 number next to the cost in rational numbers, by the checker's own account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hybrid_strategies
import numpy as np
import pytest
import strategies
from counts import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from offloadlib import check
from offloadlib.best_known import library
from offloadlib.instances import (
    AnyInstance,
    Instance,
    Solution,
    Status,
    StoredSolution,
    evaluate,
    exact,
    read,
    read_solution,
    write,
    write_solution,
)
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.kind import kind_named
from offloadlib.instances.structured.generate import Setting, generate


def costs(instance: AnyInstance, solution: Any, arithmetic: Any) -> Iterator[Any]:
    return kind_named(instance.kind).exact.costs(instance, solution, arithmetic)


def by_checker(instance: Any, solution: Any) -> float:
    """The exact cost, correctly rounded, by the independent checker."""
    with TemporaryDirectory() as folder:
        files = Path(folder) / "instance.json", Path(folder) / "a.sol.json"
        write(instance, files[0])
        write_solution(StoredSolution(solution, "", 0.0, None, Status.FEASIBLE), instance, files[1])
        case = {"structured": check.rules.StructuredCase, "hybrid": check.rules.HybridCase}[instance.kind]
        read = check.read_instance(files[0]), check.read_solution(files[1])
        value: float = case(*read).total.settle(float)
        return value


def by_fractions(instance: Any, solution: Any) -> Fraction:
    parts = costs(instance, solution, exact.Fractions)
    return sum((value for part in parts for value in part.values.tolist()), Fraction(0))


@examples(300)
@given(data=st.data())
def test_structured(data: st.DataObject) -> None:
    instance = data.draw(strategies.instances())
    solution = data.draw(strategies.solutions(instance))
    assume(not evaluate(instance, solution).unconnected.any())
    cost = exact.cost(instance, solution)
    assert cost == float(by_fractions(instance, solution)) == by_checker(instance, solution)
    assert cost == pytest.approx(instance.evaluate(solution).total, rel=1e-12)


@examples(300)
@given(data=st.data())
def test_hybrid(data: st.DataObject) -> None:
    instance = data.draw(hybrid_strategies.instances(extreme=data.draw(st.booleans())))
    places = data.draw(
        st.lists(st.sampled_from(instance.places), min_size=instance.sizes.size, max_size=instance.sizes.size)
    )
    solution = with_best_split(instance, np.array(places, np.int8).reshape(instance.sizes.shape))
    assume(instance.evaluate(solution).feasible)
    cost = exact.cost(instance, solution)
    assert cost == float(by_fractions(instance, solution)) == by_checker(instance, solution)


@pytest.mark.parametrize("path", sorted(library().glob("solutions/*.json")), ids=lambda path: path.name)
def test_the_library(path: Path) -> None:
    instance: Any = read(library() / path.name.replace(".sol", ""))
    solution = read_solution(path, instance).solution
    parts = list(costs(instance, solution, exact.DoubleWords))
    assert exact.cost(instance, solution) == exact._enclosed(parts) == by_checker(instance, solution)


def test_the_error_is_as_small_as_it_says() -> None:
    instance = generate(Setting(devices=40, applications=("layered-30",)), seed=4)
    random = np.random.default_rng(0)
    solution = Solution(
        tuple(random.integers(-1, 10, group.work.shape, np.int32) for group in instance.groups)
    )
    for words, fractions in zip(
        costs(instance, solution, exact.DoubleWords),
        costs(instance, solution, exact.Fractions),
        strict=True,
    ):
        allowed = Fraction(words.steps) * Fraction(exact.ERROR)
        for high, low, value in zip(
            words.high.tolist(), words.low.tolist(), fractions.values.tolist(), strict=True
        ):
            assert abs(Fraction(high) + Fraction(low) - value) <= allowed * value


@pytest.mark.parametrize(("speed", "cost"), [(None, 1.0), (2.0**29, 1.0 + 2.0**-52)])
def test_between_two_numbers(speed: float | None, cost: float) -> None:
    """1 + 2^-53 lies in the middle, and goes to the even number; a little more goes up."""
    speeds = [(1.0, 1.0), (2.0**-29, 2.0**24)] + ([] if speed is None else [(2.0**-29, speed)])
    document = json.loads((library() / "worked-example.json").read_text())
    device = {**document["devices"][0], "alpha": 1.0}
    document["cost"] = {"normalise": "none"}
    document["applications"] = [{"id": "one", "subtasks": ["a"], "edges": []}]
    document["devices"] = [
        {
            **device,
            "id": f"d{i}",
            "application": "one",
            "cpu": cpu,
            "work": [work],
            "input": [0],
            "output": [0],
        }
        for i, (work, cpu) in enumerate(speeds)
    ]
    for item in document["devices"]:
        item.pop("edge_data", None)
    instance = strategies.instance_of(document)
    solution = Solution.all_local(instance)
    assert exact.cost(instance, solution) == cost == by_checker(instance, solution)
    by_words = exact._enclosed(list(costs(instance, solution, exact.DoubleWords)))
    assert by_words == (None if speed is None else cost)


def test_magnitudes_that_no_file_holds() -> None:
    instance = HybridInstance("tiny", ("a",), np.array([[1e-200]]), np.array([1e-200]))
    solution = HybridSolution.all_local(instance)
    assert exact.cost(instance, solution) == float(by_fractions(instance, solution)) == 0.0
    large = replace(instance, sizes=np.array([[1e200]]), weight=np.array([1.0]))
    assert exact.cost(large, solution) == float(by_fractions(large, solution)) > 1e199


def test_many_devices_at_once() -> None:
    """A group is costed in parts; together they are the whole."""
    instance: Instance = generate(Setting(devices=8000), seed=1)
    solution = Solution.all_local(instance)
    assert len(list(costs(instance, solution, exact.DoubleWords))) > len(instance.groups)
    assert exact.cost(instance, solution) == 8000.0
