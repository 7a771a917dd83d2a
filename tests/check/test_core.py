"""The core of the checker: small, in agreement with all else, and never above the truth."""

from __future__ import annotations

import io
import json
import math
import random
import subprocess
import sys
import tokenize
from ast import Constant, Expr, parse, walk
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from brute2 import optimum
from counts import FOLDER, examples
from folders import LIBRARY, ROOT
from format2 import random_format2
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_format2_check import (
    Files,
    Prover,
    Reference,
    broken,
    cost_of,
    damage,
    random_rows,
    random_tree,
    some_largest,
    text,
    write_json,
)

from offloadlib import check as checker
from offloadlib.check.core import certificate as certificates
from offloadlib.check.core.forms import WHOLE, Fault
from offloadlib.check.core.reading import read_instance
from offloadlib.check.core.tree import bound
from offloadlib.check.core.verdict import main, verify
from offloadlib.instances import InputError
from offloadlib.instances.files.published import SCHEMA_FOLDER
from offloadlib.witnesses import elaborate

CORE = ROOT / "offloadlib" / "check" / "core"
SMALL = ["worked-example", "paper-m005", "radio-m025", "melbourne-s", "fork-join-8-m020"]
STRUCTURED = sorted(
    path.name.removesuffix(".sol.json")
    for path in (LIBRARY / "solutions").iterdir()
    if not path.name.startswith("hybrid")
)
seeds = st.integers(0, 2**32)


def lines_of_code(path: Path) -> int:
    """Lines that hold something else than blanks, comments and docstrings."""
    source = path.read_text("utf-8")
    told: set[int] = set()
    for node in walk(parse(source)):
        if isinstance(node, Expr) and isinstance(node.value, Constant) and isinstance(node.value.value, str):
            told |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped | {tokenize.ENDMARKER}:
            held |= set(range(token.start[0], token.end[0] + 1))
    return len(held - told)


def test_it_is_small() -> None:
    counts = {path.name: lines_of_code(path) for path in CORE.glob("*.py")}
    assert len(counts) >= 8
    assert 400 < sum(counts.values()) <= 800, counts


def test_it_needs_the_standard_library_alone() -> None:
    paths = [LIBRARY / "worked-example.json", LIBRARY / "solutions" / "worked-example.sol.json"]
    command = [sys.executable, "-I", "-S", str(CORE), *map(str, paths)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "accepted: cost 24.044999999999995\n"


# --- the library ------------------------------------------------------------------------------------


def elaborated(name: str, folder: Path) -> None:
    """The core verifies a certificate of the library with witnesses, and the full checker by the core."""
    instance, solution = LIBRARY / f"{name}.json", LIBRARY / "solutions" / f"{name}.sol.json"
    compact, path = LIBRARY / "certificates" / f"{name}.cert.json", folder / f"{name}.json"
    found = elaborate(instance, compact, path)
    assert found.lower_bound == found.claim
    assert found.left_out == 0
    verdict = verify(instance, solution, path)
    assert verdict.bound is not None
    assert verdict.bound >= Fraction(json.loads(compact.read_text("utf-8"))["lower_bound"])
    assert verdict.cost == pytest.approx(json.loads(solution.read_text("utf-8"))["objective"], rel=1e-14)
    schema = json.loads((SCHEMA_FOLDER / "certificate-1.schema.json").read_text("utf-8"))
    assert not list(Draft202012Validator(schema).iter_errors(json.loads(path.read_bytes())))
    full = checker.check(instance, solution, path)
    assert full.accepted
    assert full.rooms == ("diagnostics",)
    assert full.certified_bound == checker.rules.float_below(verdict.bound)
    assert {"diagnostics", "search"} <= set(checker.check(instance, solution, compact).rooms)


@pytest.mark.parametrize("name", SMALL)
def test_library(name: str, tmp_path: Path) -> None:
    elaborated(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", STRUCTURED)
def test_whole_library(name: str, tmp_path: Path) -> None:
    elaborated(name, tmp_path)


def test_without_witnesses_little_is_proven() -> None:
    instance, solution = LIBRARY / "paper-m005.json", LIBRARY / "solutions" / "paper-m005.sol.json"
    with pytest.raises(Fault, match="lower_bound: proven is"):
        verify(instance, solution, LIBRARY / "certificates" / "paper-m005.cert.json")


def test_what_it_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "worked-example"
    instance, solution = LIBRARY / f"{name}.json", LIBRARY / "solutions" / f"{name}.sol.json"
    elaborate(instance, LIBRARY / "certificates" / f"{name}.cert.json", tmp_path / "w.json")
    assert main([str(instance), str(solution), str(tmp_path / "w.json")]) == 0
    assert capsys.readouterr().out.startswith(
        "accepted: cost 24.044999999999995, proven: lower bound 24.0449"
    )
    assert main([str(instance), str(tmp_path / "w.json")]) == 1
    assert "rejected: " in capsys.readouterr().out
    assert main([str(instance)]) == 2
    assert (
        checker.main(["--core", str(instance), str(solution), "--certificate", str(tmp_path / "w.json")]) == 0
    )


# --- costs and rules --------------------------------------------------------------------------------


@examples(1000, base=FOLDER)
@given(seeds)
def test_costs_and_rules(tmp_path: Path, seed: int) -> None:
    """The core accepts what breaks no rule, at the cost that another implementation has."""
    document, draw = random_format2(seed), random.Random(seed)
    files = Files(tmp_path, document)
    for _ in range(3):
        rows = random_rows(document, draw)
        path = write_json(tmp_path / "solution.json", files.solution(rows))
        if broken(document, rows):
            with pytest.raises(Fault):
                verify(files.instance, path)
        else:
            assert verify(files.instance, path).cost == cost_of(document, rows)
        wrong = files.solution(rows, objective=float(cost_of(document, rows)) + 0.001)
        with pytest.raises(Fault):
            verify(files.instance, write_json(tmp_path / "solution.json", wrong))


@examples(2000, base=FOLDER)
@given(seeds)
def test_it_reads_no_instance_that_is_refused(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    document = random_format2(seed % 997)
    for _ in range(draw.choice([1, 1, 2])):
        document = damage(draw, document)
    path = write_json(tmp_path / "instance.json", document)
    try:
        read_instance(path)
    except Fault:
        return
    # What is for pictures and people alone does not concern it.
    for holder in (document, *document["offload_points"], *document["devices"]):
        for key in ("position", "description", "source"):
            holder.pop(key, None)
    document["name"] = "x"
    if document.get("totals") == {}:  # caps nothing
        del document["totals"]
    checker.read_instance(write_json(path, document))


# --- witnesses --------------------------------------------------------------------------------------


def random_end(
    document: dict[str, Any], device: dict[str, Any], draw: random.Random, largest: bool = False
) -> dict[str, Any]:
    """Any flow: shares that leave a subtask are divided among the arcs into it; any prices on own limits."""
    app = next(one for one in document["applications"] if one["id"] == device["application"])
    edges = [tuple(edge) for edge in app["edges"]]
    tails = [name for name in app["subtasks"] if all(name != j for j, _ in edges)]
    left, share = WHOLE, dict.fromkeys(app["subtasks"], 0)
    order: list[str] = []
    for name in tails:
        share[name] = draw.choice([0, left, draw.randint(0, left)])
        left -= share[name]
    flow, out = dict.fromkeys(edges, 0), dict(share)
    while len(order) < len(app["subtasks"]):
        order += [
            name
            for name in app["subtasks"]
            if name not in order and all(k in order for j, k in edges if j == name)
        ]
    for name in order:
        rest = out[name]
        for arc in edges:
            if arc[1] == name:
                flow[arc] = draw.choice([0, rest, draw.randint(0, rest)])
                out[arc[0]] += flow[arc]
                rest -= flow[arc]
    end: dict[str, Any] = {
        "tails": [share[name] for name in app["subtasks"]],
        "edges": [flow[arc] for arc in edges],
        "data": [draw.choice([0, WHOLE, -WHOLE, draw.randint(-WHOLE, WHOLE)]) for _ in edges],
    }
    air, rest = [], WHOLE
    for _ in app["subtasks"]:
        air.append(draw.choice([0, rest, draw.randint(0, rest)]))
        rest -= air[-1]
    end["air"] = air
    for key, limit in (("deadline", "deadline"), ("budget", "energy_budget")):
        if device.get(limit) is not None and draw.random() < 0.7:
            end[key] = f"{draw.choice([0, draw.random(), 100 * draw.random()]):.6f}"
    if largest and draw.random() < 0.7:
        end["largest"] = f"{draw.choice([0, draw.random(), 100 * draw.random()]):.6f}"
    return end


def random_witness(
    document: dict[str, Any], device: dict[str, Any], draw: random.Random, deep: int, largest: bool = False
) -> Any:
    if deep == 0 or draw.random() < 0.4:
        return random_end(document, device, draw, largest)
    app = next(one for one in document["applications"] if one["id"] == device["application"])
    places = [None, *(point["id"] for point in document["offload_points"])]
    return {
        "subtask": draw.choice(app["subtasks"]),
        "places": draw.sample(places, draw.randint(0, len(places))),
        "in": random_witness(document, device, draw, deep - 1, largest),
        "out": random_witness(document, device, draw, deep - 1, largest),
    }


def numbers_above(nodes: list[dict[str, Any]]) -> list[Counter[str]]:
    """How many branches on a number of subtasks of a device are above a node."""
    found = [Counter[str]() for _ in nodes]
    pending = [0]
    for i in pending:
        node = nodes[i]
        if "branch" in node:
            for child in (node["equal"], node["different"]):
                found[child] = found[i] + Counter([node["branch"]["device"]] * ("fast_as" in node["branch"]))
                pending.append(child)
    return found


def counted(witness: Any, numbers: int, draw: random.Random) -> Any:
    """A witness with prices of branches on numbers."""
    if "in" in witness:
        return witness | {side: counted(witness[side], numbers, draw) for side in ("in", "out")}
    prices = [f"{draw.choice([0, draw.random(), 100 * draw.random()]):.6f}" for _ in range(numbers)]
    return witness | ({"counts": prices} if draw.random() < 0.8 else {})


def witnessed(
    document: dict[str, Any], nodes: list[dict[str, Any]], draw: random.Random, largest: bool = False
) -> dict[str, Any]:
    numbers = numbers_above(nodes)
    return {
        str(i): {
            device["id"]: counted(
                random_witness(document, device, draw, 4, largest), numbers[i][device["id"]], draw
            )
            for device in document["devices"]
            if draw.random() < 0.95
        }
        for i, node in enumerate(nodes)
        if "prices" in node
    }


def below_a_cost(document: dict[str, Any], draw: random.Random) -> tuple[Fraction | None, dict[str, str]]:
    """In a third of cases a largest cost of a device, and what a certificate says then."""
    if draw.random() < 0.67 or document["cost"].get("objective") == "max":
        return None, {}
    largest = some_largest(document, draw)
    return largest, {"largest": f"{float(largest):.12f}"}


@examples(3000, base=FOLDER)
@given(seeds)
def test_no_witness_proves_too_much(tmp_path: Path, seed: int) -> None:
    """Any flows at the ends of any trees: the bound is not above that of enumeration."""
    document, draw = random_format2(seed, max_devices=3), random.Random(seed)
    largest, more = below_a_cost(document, draw)
    files = Files(tmp_path, document)
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3, 5]), numbers=0.5)
    proof = files.certificate(nodes, "0") | more
    proof["witnesses"] = witnessed(document, nodes, draw, largest is not None)
    instance = read_instance(files.instance)
    path = write_json(tmp_path / "certificate.json", proof)
    value = bound(instance, certificates.read_certificate(path, instance))
    exact = Reference(document, largest).bound(nodes, hopeless=False)
    assert value is not None or exact == float("inf")
    assert value is None or value <= exact
    found = optimum(document, largest)
    assert found is None or (value is not None and value <= found[0])


@examples(3000, base=FOLDER)
@given(seeds)
def test_no_damaged_certificate_proves_too_much(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    document = random_format2(seed % 499, max_devices=2, max_points=2, max_subtasks=3)
    files, found = Files(tmp_path, document), optimum(document)
    nodes = random_tree(document, draw, draw.choice([1, 2, 3]))
    proof = files.certificate(nodes, "-1e9") | {"witnesses": witnessed(document, nodes, draw)}
    for _ in range(draw.choice([1, 1, 2, 3])):
        proof = damage(draw, proof)
    solution = write_json(tmp_path / "solution.json", files.solution(found and found[1]))
    try:
        verdict = verify(files.instance, solution, write_json(tmp_path / "certificate.json", proof))
    except Fault as fault:
        assert "contradicts itself" not in str(fault)
        return
    if found is not None:
        assert verdict.bound is not None and verdict.bound <= found[0]


@examples(1000, base=FOLDER)
@given(seeds)
def test_witnesses_prove_what_enumeration_does(tmp_path: Path, seed: int) -> None:
    """All of format 2, at any prices below any branches, also below a largest cost."""
    document, draw = random_format2(seed, max_devices=3), random.Random(seed)
    largest, more = below_a_cost(document, draw)
    files = Files(tmp_path, document)
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3]))
    exact = Reference(document, largest).bound(nodes, hopeless=False)
    claim = text(Fraction(min(exact, 10**6)))
    compact = write_json(tmp_path / "compact.json", files.certificate(nodes, claim) | more)
    found = elaborate(files.instance, compact, tmp_path / "w.json")
    assert found.lower_bound is not None
    instance = read_instance(files.instance)
    value = bound(instance, certificates.read_certificate(tmp_path / "w.json", instance))
    if isinstance(exact, float):  # no solution gets to any leaf: then whatever is wanted is proven
        assert value is None or value >= 10**6
        return
    scale = max(abs(exact), Fraction(1, 10**6))
    assert value is not None
    assert value <= exact
    assert value >= min(exact, Fraction(10**6)) - scale / 10**9


@examples(1000, base=FOLDER)
@given(seeds)
def test_everything_can_be_proven(tmp_path: Path, seed: int) -> None:
    """Optima of format 2, and that there is no solution: verdicts of the core and of the room for compact
    certificates agree, also about claims that are too high."""
    document = random_format2(seed, max_devices=2, max_points=2, max_subtasks=2)
    files, found = Files(tmp_path, document), optimum(document)
    prover = Prover(document, found and found[0])
    claim = None if found is None else text(found[0] - max(abs(found[0]), Fraction(1)) / 10**9)
    compact = write_json(tmp_path / "compact.json", files.certificate(prover.nodes, claim))
    told = elaborate(files.instance, compact, tmp_path / "w.json")
    assert told.lower_bound == told.claim
    rows = None if found is None else found[1]
    stated = files.solution(rows, **({"status": "infeasible"} if found is None else {}))
    verdict = verify(files.instance, write_json(tmp_path / "s.json", stated), tmp_path / "w.json")
    assert verdict.infeasible == (found is None)
    assert checker.check(files.instance, tmp_path / "s.json", tmp_path / "w.json").accepted
    assert checker.check(files.instance, tmp_path / "s.json", compact).accepted
    if found is None:
        return
    high = text(found[0] + max(abs(found[0]), Fraction(1)) / 10**9)
    for path in (tmp_path / "w.json", compact):
        write_json(path, json.loads(path.read_bytes()) | {"lower_bound": high})
        assert not checker.check(files.instance, tmp_path / "s.json", path).accepted
    with pytest.raises(Fault, match="lower_bound"):
        verify(files.instance, tmp_path / "s.json", tmp_path / "w.json")


def test_a_largest_cost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A point of the front of the sum against the largest cost, by the core alone."""
    document = random_format2(40, ["rejection", "deadline"], max_devices=3)
    document["cost"].pop("objective", None)
    dearest = optimum(document)
    assert dearest is not None
    costs = {name: cost_of(document | {"devices": [one]}, dearest[1]) for name, one in by_name(document)}
    largest = max(costs.values())
    files, found = Files(tmp_path, document), optimum(document, largest)
    assert found is not None
    told = f"{math.ceil(largest * 10**12)}e-12"
    proof = files.certificate([{"prices": {}}], "-1e6") | {"largest": told}
    compact = write_json(tmp_path / "compact.json", proof)
    proven = elaborate(files.instance, compact, tmp_path / "w.json")
    assert proven.lower_bound is not None
    solution = write_json(tmp_path / "solution.json", files.solution(found[1]))
    verdict = verify(files.instance, solution, tmp_path / "w.json")
    assert (verdict.infeasible, verdict.largest) == (False, Fraction(told))
    assert verdict.bound is not None and verdict.bound <= found[0]
    assert main([str(files.instance), str(solution), str(tmp_path / "w.json")]) == 0
    assert f"where no device costs more than {float(Fraction(told))!r}" in capsys.readouterr().out
    assert checker.check(files.instance, solution, tmp_path / "w.json").certified_largest == float(told)
    # The solution is none of those, what is proven of some is no bound on all, and there are others.
    below = json.loads((tmp_path / "w.json").read_bytes()) | {"largest": "-1e9", "lower_bound": "-1e9"}
    for changed, message in ((below, "largest: the dearest device costs"),):
        with pytest.raises(Fault, match=message):
            verify(files.instance, solution, write_json(tmp_path / "v.json", changed))
    stated = files.solution(found[1], lower_bound=float(found[0]) - 1)
    with pytest.raises(Fault, match="lower_bound: is not about all solutions"):
        verify(files.instance, write_json(tmp_path / "s.json", stated), tmp_path / "w.json")
    none = files.solution(None, status="infeasible")
    with pytest.raises(Fault, match="status: is not proven"):
        verify(files.instance, write_json(tmp_path / "s.json", none), tmp_path / "v.json")


def by_name(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(device["id"], device) for device in document["devices"]]


def test_what_cannot_be_proven_is_a_message(tmp_path: Path) -> None:
    """A leaf that is called infeasible and is not: nothing is written."""
    document = random_format2(3, ["weight"])
    assert optimum(document) is not None
    files = Files(tmp_path, document)
    proof = files.certificate([{"prices": {}, "infeasible": True}], "0")
    compact = write_json(tmp_path / "compact.json", proof)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"compact.json: .*nodes\[0\]: is not proven to be infeasible"):
        elaborate(files.instance, compact, tmp_path / "w.json")
    assert set(tmp_path.iterdir()) == before
