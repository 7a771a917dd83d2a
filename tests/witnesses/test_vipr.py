"""Proofs as VIPR files, read back by a reader that shares nothing with the writer."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from brute import brute_force
from counts import FOLDER, examples
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from processes import PYTHON, run
from pyomo_rows import linear_terms, rows_of
from strategies import instance_of, instances
from vipr_reader import Proven, Rejected, verify

from offloadlib.check.certificate import read_certificate
from offloadlib.check.files import read_instance
from offloadlib.check.tree import tree_bound
from offloadlib.exporting import full_name
from offloadlib.formulations.structured.milp import potentials
from offloadlib.instances import (
    InputError,
    Instance,
    Result,
    Solution,
    StoredSolution,
    read,
    write,
    write_solution,
)
from offloadlib.witnesses import Exported, export_proof

STRUCTURED = sorted(
    name
    for name in (path.name.removesuffix(".sol.json") for path in (LIBRARY / "solutions").iterdir())
    if not name.startswith("hybrid") and name != "melbourne-l"  # 120 devices
)
SMALL = ["worked-example", "paper-m005", "melbourne-s"]


def files(name: str) -> tuple[Path, Path, Path]:
    return (
        LIBRARY / f"{name}.json",
        LIBRARY / "solutions" / f"{name}.sol.json",
        LIBRARY / "certificates" / f"{name}.cert.json",
    )


def export(name: str, folder: Path) -> tuple[Exported, str]:
    path = folder / f"{name}.vipr"
    found = export_proof(*files(name), path)
    return found, path.read_text("ascii")


def agrees(name: str, folder: Path) -> int:
    """Verify the proof of a library instance; its size, compressed."""
    found, text = export(name, folder)
    proven = verify(text)
    assert (proven.lower, proven.upper) == (found.lower_bound, found.upper_bound)
    document = json.loads(files(name)[2].read_text("utf-8"))
    claim = Fraction(document["lower_bound"])
    assert float(proven.lower) >= float(claim * (1 - Fraction(1, 10**9)))
    assert found.claim == claim
    assert found.left_out == 0
    instance = read(files(name)[0])
    objective = Fraction(json.loads(files(name)[1].read_text("utf-8"))["objective"])
    assert isinstance(instance, Instance)
    assert abs(Fraction(proven.upper) - objective) <= objective / 10**15
    return len(gzip.compress(text.encode()))


@pytest.mark.parametrize("name", SMALL)
def test_library(name: str, tmp_path: Path) -> None:
    agrees(name, tmp_path)


@pytest.fixture(scope="module")
def sizes() -> Iterator[list[int]]:
    found: list[int] = []
    yield found
    assert sum(found) < 50e6


@pytest.mark.slow
@pytest.mark.parametrize("name", STRUCTURED)
def test_whole_library_up_to_100_devices(name: str, tmp_path: Path, sizes: list[int]) -> None:
    sizes.append(agrees(name, tmp_path))


def random_tree(document: dict[str, Any], seed: int) -> list[dict[str, Any]]:
    """Nodes of a certificate: any branches, any prices."""
    draw = random.Random(seed)
    points = document["offload_points"]

    def leaf() -> dict[str, Any]:
        def price() -> str:
            return str(Decimal(draw.randrange(0, 4000)) / 1000 * draw.choice([0, 1]))

        limited = [point["id"] for point in points if point.get("channels") is not None]
        return {
            "prices": {
                "capacity": {point["id"]: price() for point in points},
                "channels": {name: price() for name in limited},
            }
        }

    def branch() -> dict[str, Any]:
        device = draw.choice(document["devices"])
        task = device.get("application", document["applications"][0]["id"])
        subtasks = next(app["subtasks"] for app in document["applications"] if app["id"] == task)
        places = [None, *(point["id"] for point in points)]
        some = draw.sample(places, draw.randint(1, len(places)))
        return {"device": device["id"], "subtask": draw.choice(subtasks), "places": some}

    nodes: list[dict[str, Any]] = [{}]
    todo, leaves = [0], draw.choice([1, 1, 2, 3, 5])
    while todo:
        i = todo.pop(draw.randrange(len(todo)))
        if leaves > len(todo) + 1:
            nodes[i] = {"branch": branch(), "equal": len(nodes), "different": len(nodes) + 1}
            todo += [len(nodes), len(nodes) + 1]
            nodes += [{}, {}]
        else:
            nodes[i] = leaf()
            leaves -= 1
    return nodes


def of_two_subtasks(point: dict[str, Any], device: dict[str, Any], names: str) -> Instance:
    """A point, and devices connected to it that differ in their names alone; no data goes anywhere."""
    speed = {"cpu": 1, "uplink": 1, "downlink": 1}
    power = {"execute": 1, "send": 0, "receive": 0}
    common = {"application": "a", "cpu": 1, "power": power, "connected_to": "a"} | device
    return instance_of(
        {
            "format": "offloadlib-instance",
            "version": 1,
            "kind": "structured",
            "name": "",
            "cost": {"normalise": "none"},
            "applications": [{"id": "a", "subtasks": ["t1", "t2"], "edges": []}],
            "offload_points": [{"id": "a"} | speed | point],
            "devices": [{"id": name, "input": [0, 0], "output": [0, 0]} | common for name in names],
        }
    )


def test_a_point_without_channels_takes_no_price(tmp_path: Path) -> None:
    """Two devices connected there are local, which costs them 1 each, as the core of the checker knows."""
    instance = of_two_subtasks({"capacity": 4, "channels": 0}, {"alpha": 0, "work": [0, 1]}, "ab")
    proven, _, cost = of_tree(instance, [{"prices": {}}], tmp_path)
    assert float(proven.lower) == pytest.approx(2.0, rel=1e-11)
    assert cost == 2.0


def test_times_without_a_digit_below_a_second(tmp_path: Path) -> None:
    """10^18 s is enough for a unit of 1 s, in which the speed's fraction is not whole."""
    slow = {"cpu": 1e-9, "alpha": 1, "work": [0, 1e9]}
    proven, known, cost = of_random_tree(
        of_two_subtasks({"cpu": 1e-9, "capacity": 0}, slow, "a"), 0, tmp_path
    )
    assert float(proven.lower) == pytest.approx(cost, rel=1e-9)
    assert known == cost


@examples(300, 40, FOLDER)
@given(instance=instances(), seed=st.integers(0, 2**32))
def test_random_trees(instance: Instance, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The file proves what the checker's own search finds, and never more than the least cost."""
    folder = tmp_path_factory.mktemp("vipr")
    proven, known, cost = of_random_tree(instance, seed, folder)
    assert abs(float(proven.upper) - cost) <= 1e-12 * max(cost, 1e-9)
    # A leaf that no solution gets to proves as much as is wanted, and no more.
    assert float(proven.lower) >= min(known, cost) - 1e-9 * max(cost, abs(known))


@examples(300, 40, FOLDER)
@given(instance=instances(magnitudes="extreme"), seed=st.integers(0, 2**32))
def test_random_trees_of_extreme_magnitudes(
    instance: Instance, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    of_random_tree(instance, seed, tmp_path_factory.mktemp("vipr"))


def of_random_tree(instance: Instance, seed: int, folder: Path) -> tuple[Proven, float, float]:
    """As `of_tree`."""
    write(instance, folder / "i.json")
    return of_tree(instance, random_tree(json.loads((folder / "i.json").read_text("utf-8")), seed), folder)


def of_tree(instance: Instance, nodes: list[dict[str, Any]], folder: Path) -> tuple[Proven, float, float]:
    """What the file of a tree proves, what the checker says that it proves, and the least cost."""
    write(instance, folder / "i.json")
    cost, solution = brute_force(instance)
    store(instance, solution, folder / "s.json")
    identity = {"name": instance.name, "sha256": instance.fingerprint}
    certificate = {"format": "offloadlib-certificate", "version": 1, "instance": identity}
    certificate |= {"lower_bound": "0", "nodes": nodes}
    paths = [folder / f"{name}.json" for name in ("i", "s", "c")]
    paths[2].write_text(json.dumps(certificate), "utf-8")
    known = float(tree_bound(read_instance(paths[0]), read_certificate(paths[2])).value)
    # No more is proven than what is claimed: all there is.
    most = min(known, cost)
    certificate["lower_bound"] = repr(most - 1e-12 * abs(most))
    paths[2].write_text(json.dumps(certificate), "utf-8")
    found = export_proof(paths[0], paths[1], paths[2], folder / "p.vipr")
    proven = verify((folder / "p.vipr").read_text("ascii"))
    assert (proven.lower, proven.upper) == (found.lower_bound, found.upper_bound)
    assert proven.lower <= proven.upper
    return proven, known, cost


def store(instance: Instance, solution: Solution, path: Path) -> None:
    """Write a solution without a bound."""
    result = Result.of(instance, solution, 0.0)
    stored = StoredSolution(
        solution=solution,
        method="brute force",
        objective=result.objective,
        lower_bound=None,
        status=result.status,
    )
    write_solution(stored, instance, path)


@pytest.mark.parametrize("name", ["worked-example", "paper-m005", "radio-m025", "melbourne-s"])
def test_program_is_that_of_milp(name: str, tmp_path: Path) -> None:
    """The same columns, rows and objective as the exported formulation, but for the unit of time."""
    instance = read(files(name)[0])
    assert isinstance(instance, Instance)
    model = potentials.model(instance)
    proven = verify(export(name, tmp_path)[1])
    variables = {full_name(v): v for v in model.component_data_objects(pyo.Var)}
    assert set(proven.columns) == {"one", *variables}
    assert {proven.columns[at] for at in proven.whole} == {n for n, v in variables.items() if v.is_binary()}
    seconds = {
        instance.devices.ids[int(m)]: float(term.delay_weight[row])
        for term in instance.terms
        for row, m in enumerate(term.group.members)
    }

    def unit(column: str) -> float:
        """What one of a column counts in the model, which has weighted times."""
        family, _, rest = column.partition("(")
        return seconds[rest.split(",")[0].rstrip(")")] if family in ("finish", "start", "delay") else 1.0

    def linear(expression: Any) -> dict[str, float]:
        found = linear_terms(expression)
        return {name: value * unit(name) for name, value in found.items()}

    objective = next(model.component_data_objects(pyo.Objective)).expr
    mine = {proven.columns[at]: float(value) for at, value in proven.objective.items() if at}
    assert mine == pytest.approx(linear(objective))
    rows = {full_name(row): row for row in rows_of(model)}
    assert {name for name in proven.rows if "(" in name} == set(rows)
    for row_name, row in rows.items():
        theirs, ours = linear(row.body), proven.rows[row_name]
        found = {proven.columns[at]: float(value) for at, value in ours.terms.items()}
        factor = next(theirs[column] / value for column, value in found.items())
        assert {column: factor * value for column, value in found.items()} == pytest.approx(
            {column: value for column, value in theirs.items() if value}
        )
        right = row.upper if row.upper is not None else row.lower
        assert float(ours.right) * factor == pytest.approx(pyo.value(right))


def test_mutated_files_are_refused(tmp_path: Path) -> None:
    """One number made other: the reader refuses, or what is left proves no more than before."""
    found, text = export("worked-example", tmp_path)
    lines = text.splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("DER"))
    draw = random.Random(5)
    refused, upper = 0, found.upper_bound
    assert upper is not None
    for _ in range(300):
        i = draw.randrange(begin + 1, len(lines))
        words = lines[i].split()
        numbers = [j for j, word in enumerate(words) if word.lstrip("-").isdigit() and j < len(words) - 1]
        j = draw.choice(numbers)
        changed = words.copy()
        changed[j] = str(int(words[j]) + draw.choice([1, -1, int(words[j]) or 1]))
        mutant = "\n".join([*lines[:i], " ".join(changed), *lines[i + 1 :]])
        try:
            assert verify(mutant).lower <= upper
        except Rejected:
            refused += 1
    assert refused > 200


def test_a_bound_that_is_too_high_is_refused(tmp_path: Path) -> None:
    found, text = export("worked-example", tmp_path)
    assert found.upper_bound is not None
    raised = text.replace(f"RTP range {found.lower_bound} ", f"RTP range {found.upper_bound + 1} ")
    assert raised != text
    with pytest.raises(Rejected, match="lower bound"):
        verify(raised)


def test_command_compresses_and_says_what_is_proven(tmp_path: Path) -> None:
    path = tmp_path / "proof.vipr.gz"
    command = ["export-proof", *map(str, files("worked-example")), "-o", str(path)]
    done = run([PYTHON, "-m", "offloadlib", *command])
    assert done.returncode == 0, done.stderr
    proven = verify(gzip.decompress(path.read_bytes()).decode("ascii"))
    assert repr(float(proven.lower)) in done.stdout
    assert repr(float(proven.upper)) in done.stdout


def test_the_file_is_the_same_whatever_the_hashes_of_names(tmp_path: Path) -> None:
    def written(seed: int) -> bytes:
        path = tmp_path / f"{seed}.vipr"
        command = ["export-proof", *map(str, files("paper-m020")), "-o", str(path)]
        done = run([PYTHON, "-m", "offloadlib", *command], environment={"PYTHONHASHSEED": str(seed)})
        assert done.returncode == 0, done.stderr
        return path.read_bytes()

    assert written(1) == written(3)


def test_refusals(tmp_path: Path) -> None:
    instance, solution, certificate = files("paper-m005")
    out = tmp_path / "p.vipr"
    with pytest.raises(InputError, match="another instance"):
        export_proof(instance, solution, files("paper-m010")[2], out)
    with pytest.raises(InputError, match="hybrid"):
        export_proof(LIBRARY / "hybrid-n010.json", solution, certificate, out)
    with pytest.raises(InputError, match="too many"):
        big = tmp_path / "big.json"
        document = json.loads(certificate.read_text("utf-8"))
        deep = document["nodes"][0]
        nodes: list[dict[str, Any]] = []
        branch = {"device": "ud1", "subtask": "t1", "place": None}
        for i in range(2000):
            nodes += [{"branch": branch, "equal": 2 * i + 1, "different": 2 * i + 2}, deep]
        document["nodes"] = [*nodes, deep]
        big.write_text(json.dumps(document), "utf-8")
        export_proof(instance, solution, big, out)
    assert list(tmp_path.iterdir()) == [big]
