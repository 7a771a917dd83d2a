"""GAP and MMKP files become instances: the same costs, the same optimum, and messages for what is wrong."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import brute2
import numpy as np
import pytest
from counts import count
from folders import DATA

from offloadlib.instances import InputError, Instance, Solution, evaluate, read, write
from offloadlib.instances.importers import import_gap, import_mmkp

Table = list[list[int]]


def gap_text(values: Table, uses: Table, capacities: list[int], width: int = 5) -> str:
    """A problem as the OR-Library has it: lines of a few numbers, and no regard to where rows end."""
    body = [*itertools.chain(*values), *itertools.chain(*uses), *capacities]
    lines = [body[i : i + width] for i in range(0, len(body), width)]
    return f" {len(values)} {len(values[0])} \n" + "".join(
        f" {' '.join(map(str, line))} \n" for line in lines
    )


def mmkp_text(capacities: list[int], groups: list[Table]) -> str:
    """A problem; each item is its profit and what it uses."""
    lines = [f"{len(groups)} {len(capacities)}", " ".join(map(str, capacities))]
    for items in groups:
        lines += [str(len(items)), *(" ".join(map(str, item)) for item in items)]
    return "\n".join(lines) + "\n"


def gap_values(values: Table, uses: Table, capacities: list[int]) -> dict[tuple[int, ...], int | None]:
    """What every assignment of jobs to agents is worth; None where it does not fit."""
    agents, jobs = range(len(values)), range(len(values[0]))
    return {
        chosen: sum(values[i][j] for j, i in enumerate(chosen))
        if all(sum(uses[i][j] for j in jobs if chosen[j] == i) <= capacities[i] for i in agents)
        else None
        for chosen in itertools.product(agents, repeat=len(jobs))
    }


def mmkp_values(capacities: list[int], groups: list[Table]) -> dict[tuple[int, ...], int | None]:
    """What every choice of items is worth; None where it does not fit."""
    found: dict[tuple[int, ...], int | None] = {}
    for chosen in itertools.product(*(range(len(items)) for items in groups)):
        taken = [items[j] for items, j in zip(groups, chosen, strict=True)]
        fits = all(sum(item[r + 1] for item in taken) <= most for r, most in enumerate(capacities))
        found[chosen] = sum(item[0] for item in taken) if fits else None
    return found


def assert_same_problem(instance: Instance, values: dict[tuple[int, ...], int | None], path: Path) -> None:
    """Every decision is worth what the problem says, and so is the optimum."""
    source: dict[str, Any] = dict(instance.source or {})
    sign = -1 if source["sense"] == "maximise" else 1
    for chosen, value in values.items():
        found = evaluate(instance, Solution.from_rows(instance, [[j] for j in chosen]))
        assert found.feasible == (value is not None)
        if value is not None:
            assert source["offset"] + sign * found.total == value
    write(instance, path)
    assert read(path).fingerprint == instance.fingerprint
    best = brute2.optimum(json.loads(path.read_text()))
    fitting = [sign * value for value in values.values() if value is not None]
    assert (best is None) == (not fitting)
    if best is not None:
        assert sign * Fraction(source["offset"]) + best[0] == min(fitting)


@pytest.mark.parametrize("maximise", [False, True])
def test_random_assignment_problems(tmp_path: Path, maximise: bool) -> None:
    feasible = 0
    for seed in range(count(200, 40)):
        rng = np.random.default_rng(seed)
        agents, jobs = int(rng.integers(1, 4)), int(rng.integers(1, 5))
        costs = rng.integers(-5, 20, (agents, jobs)).tolist()
        uses = rng.integers(0, 9, (agents, jobs)).tolist()
        capacities = rng.integers(0, 20, agents).tolist()
        file = tmp_path / "a.txt"
        file.write_text(gap_text(costs, uses, capacities, width=int(rng.integers(2, 7))))
        instance, _ = import_gap(file, maximise=maximise)
        values = gap_values(costs, uses, capacities)
        assert_same_problem(instance, values, tmp_path / "a.json")
        feasible += any(value is not None for value in values.values())
    assert 0 < feasible < count(200, 40)


def test_random_knapsack_problems(tmp_path: Path) -> None:
    feasible = 0
    for seed in range(count(200, 40)):
        rng = np.random.default_rng(seed)
        resources = int(rng.integers(1, 4))
        sizes = rng.integers(1, 4, rng.integers(1, 5))
        groups = [rng.integers(0, 9, (size, 1 + resources)).tolist() for size in sizes]
        capacities = rng.integers(0, 20, resources).tolist()
        file = tmp_path / "a.txt"
        file.write_text(mmkp_text(capacities, groups))
        instance, _ = import_mmkp(file)
        values = mmkp_values(capacities, groups)
        assert_same_problem(instance, values, tmp_path / "a.json")
        feasible += any(value is not None for value in values.values())
    assert 0 < feasible < count(200, 40)


def test_an_assignment_problem_says_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(gap_text([[4, 9, 2], [5, 1, 7]], [[3, 4, 2], [2, 5, 3]], [5, 6]))
    instance, report = import_gap(file)
    assert instance.name == "small"
    assert instance.version == 2
    assert instance.resources == ("time",)
    assert instance.points.ids == ("agent1", "agent2")
    assert instance.devices.ids == ("job1", "job2", "job3")
    assert str(report).splitlines() == [
        "generalised assignment: agents 2, jobs 3",
        "the cost of the problem is the objective of the instance",
    ]
    source = dict(instance.source or {})
    assert source["files"] == [{"name": "small.txt", "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}]
    assert (source["value"], source["offset"]) == ("objective", 0)
    profits, report = import_gap(file, maximise=True, name="profits")
    assert profits.name == "profits"
    assert str(report).endswith("\nthe profit of the problem is 21 minus the objective of the instance")
    assert dict(profits.source or {})["value"] == "offset - objective"


def test_one_of_several_problems(tmp_path: Path) -> None:
    one = gap_text([[4, 9, 2], [5, 1, 7]], [[3, 4, 2], [2, 5, 3]], [5, 6])
    other = gap_text([[1]], [[2]], [3])
    file = tmp_path / "several.txt"
    file.write_text(f" 2\n{one}{other}")
    for number, name, jobs in ((1, "several-1", 3), (2, "several-2", 1)):
        instance, report = import_gap(file, number=number)
        assert (instance.name, instance.num_devices) == (name, jobs)
        assert f"number {number}, agents" in str(report)
    with pytest.raises(InputError, match=r"several\.txt: holds 2 problems: give the number of one, 1 to 2$"):
        import_gap(file)
    with pytest.raises(InputError, match=r"holds 2 problems: there is no number 3$"):
        import_gap(file, number=3)
    file.write_text(f"1\n{one}")
    assert import_gap(file)[0].num_devices == 3
    file.write_text(one)
    assert import_gap(file, number=1)[0].name == "several"
    with pytest.raises(InputError, match=r"holds 1 problem: there is no number 2$"):
        import_gap(file, number=2)


def test_a_knapsack_problem_says_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "small.txt"
    file.write_text(mmkp_text([5, 6], [[[7, 1, 2], [9, 3, 3]], [[4, 0, 0], [6, 2, 1], [5, 9, 9]]]))
    instance, report = import_mmkp(file)
    assert instance.points.ids == ("item1", "item2", "item3")
    assert instance.devices.ids == ("group1", "group2")
    assert [limit.id for limit in instance.shared] == ["r1", "r2"]
    assert str(report).splitlines() == [
        "multiple-choice multidimensional knapsack: groups 2, resources 2, items 5",
        "the profit of the problem is 15 minus the objective of the instance",
    ]
    assert dict(instance.source or {})["offset"] == 15


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("\xff", "is not UTF-8 text (byte 0)"),
        ("2", "line 1: the file ends before the number of agents"),
        ("0 3\n", 'line 1: the number of agents must be a whole number of at least 1, not "0"'),
        ("\n1 2.5\n", 'line 2: the number of jobs must be a whole number of at least 1, not "2.5"'),
        ("1 99999999999\n", "line 1: the number of jobs must be a whole number of at least 1, not"),
        ("1 2\n4 x\n1 1\n5\n", 'line 2: the cost of agent 1, job 2 must be a number, not "x"'),
        ("1 2\n4 1_0\n1 1\n5\n", 'line 2: the cost of agent 1, job 2 must be a number, not "1_0"'),
        ("1 2\n4 nan\n1 1\n5\n", 'line 2: the cost of agent 1, job 2 must be a number, not "nan"'),
        ("1 2\n4 3\n1 -1\n5\n", "line 3: the use of agent 1, job 2 must be at least 0, not -1"),
        ("1 2\n4 3\n1 1\n-5\n", "line 4: the capacity of agent 1 must be at least 0, not -5"),
        (
            "1 2\n4 1e10\n1 1\n5\n",
            "line 2: the cost of agent 1, job 2 must be 0 or have a magnitude in [1e-09, 1e+09], not 1e10",
        ),
        ("1 2\n4 3\n1 1\n", "line 3: the file ends before the capacity of agent 1"),
        ("1 2\n4 3\n1 1\n5\n6\n7 8\n", 'line 5: 3 numbers too many, from "6" on'),
        ("2\n1 1\n1\n1\n1\n", "line 5: the file ends before the number of agents"),
    ],
)
def test_malformed_assignment_problems(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as error:
        import_gap(file, number=1)
    assert str(error.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "2 1\n5\n1\n7 1\n0\n",
            "line 5: the number of items of group 2 must be a whole number of at least 1",
        ),
        ("1 2\n5 5\n1\n7 1\n", "line 4: the file ends before the use of group 1, item 1 of resource 2"),
        ("1 1\n-5\n1\n7 1\n", "line 2: the capacity of resource 1 must be at least 0, not -5"),
        ("1 1\n5\n1\n7 -1\n", "line 4: the use of group 1, item 1 of resource 1 must be at least 0, not -1"),
        ("1 1\n5\n1\n? 1\n", 'line 4: the profit of group 1, item 1 must be a number, not "?"'),
        ("1 1\n5\n1\n7 1\n1\n", 'line 5: 1 number too many, from "1" on'),
    ],
)
def test_malformed_knapsack_problems(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.txt"
    file.write_text(text)
    with pytest.raises(InputError) as error:
        import_mmkp(file)
    assert str(error.value).startswith(f"{file}: {message}")


def test_everything_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("1 2\n4 x\n1 -1\n5 6\n")
    with pytest.raises(InputError) as error:
        import_gap(file)
    assert [where for where, _ in error.value.problems] == ["line 2", "line 3", "line 4"]
    with pytest.raises(InputError, match="cannot be read"):
        import_gap(tmp_path / "none.txt")


def test_differences_that_no_instance_can_hold(tmp_path: Path) -> None:
    file = tmp_path / "far.txt"
    file.write_text(mmkp_text([5], [[[10**9, 1], [-(10**9), 1]]]))
    with pytest.raises(
        InputError, match=r"far\.txt: devices\[0\]\.at\[1\]\.fee: must be 0 or have a magnitude"
    ):
        import_mmkp(file)


GAP_FILES = sorted((DATA / "gap").glob("*.txt"))
MMKP_FILES = sorted((DATA / "mmkp").glob("*.txt"))


@pytest.mark.skipif(not GAP_FILES, reason="needs the published problems")
def test_published_assignment_problems() -> None:
    with (DATA / "gap" / "best.csv").open(newline="") as lines:
        sizes = {
            Path(row["Path"]).name: (int(row["Item number"]), int(row["Agent number"]))
            for row in csv.DictReader(lines)
        }
    for file in GAP_FILES:
        instance, _ = import_gap(file)
        assert (instance.num_devices, instance.num_points) == sizes[file.stem]


@pytest.mark.skipif(not MMKP_FILES, reason="needs the published problems")
def test_published_knapsack_problems() -> None:
    for file in MMKP_FILES:
        instance, _ = import_mmkp(file)
        first = file.read_text().split()
        assert (instance.num_devices, len(instance.shared)) == (int(first[0]), int(first[1]))
        assert instance.num_points == 10
