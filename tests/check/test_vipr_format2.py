"""Proofs of format 2 as VIPR files: never above the optimum, and what the witnesses prove."""

from __future__ import annotations

import random
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyomo.environ as pyo
import pytest
from brute2 import optimum
from counts import FOLDER, examples
from format2 import FEATURES, random_format2
from hypothesis import given
from hypothesis import strategies as st
from pyomo_rows import linear_terms, rows_of
from test_format2_check import Files, Prover, Reference, random_tree, text, write_json
from vipr_reader import Proven, Rejected, verify

from offloadlib.exporting import full_name
from offloadlib.formulations.structured.milp import potentials
from offloadlib.instances import InputError, read
from offloadlib.witnesses import Exported, export_proof

Document = dict[str, Any]
seeds = st.integers(0, 2**32)
WAYS = ("up", "down")


def exported(
    folder: Path, document: Document, nodes: list[Document], claim: str | None
) -> tuple[Exported, str]:
    files, found = Files(folder, document), optimum(document)
    solution = files.solution(found and found[1], **({} if found else {"status": "infeasible"}))
    paths = [
        files.instance,
        write_json(folder / "s.json", solution),
        write_json(folder / "c.json", files.certificate(nodes, claim)),
    ]
    told = export_proof(paths[0], paths[1], paths[2], folder / "p.vipr")
    return told, (folder / "p.vipr").read_text("ascii")


def proven(folder: Path, document: Document, nodes: list[Document], claim: str | None) -> Proven:
    told, written = exported(folder, document, nodes, claim)
    found = verify(written)
    if claim is None:
        assert told.lower_bound is None
    else:
        assert (found.lower, found.upper) == (told.lower_bound, told.upper_bound)
    return found


@examples(500, 60, base=FOLDER)
@given(seeds)
def test_random_trees(tmp_path: Path, seed: int) -> None:
    """Any prices below any branches: what enumeration says that they prove, and not more."""
    document, draw = random_format2(seed, max_devices=3, max_points=2, max_subtasks=3), random.Random(seed)
    found = optimum(document)
    if found is None:
        return
    nodes = random_tree(document, draw, draw.choice([1, 1, 2, 3]))
    exact = Reference(document).bound(nodes, hopeless=False)
    file = proven(tmp_path, document, nodes, "-1e6")
    assert file.lower <= found[0] <= file.upper
    assert file.lower >= min(exact, found[0]) - max(abs(found[0]), Fraction(1)) / 10**9
    assert file.upper <= found[0] + max(abs(found[0]), Fraction(1)) / 10**15


@examples(200, 40, base=FOLDER)
@given(seeds)
def test_optima_and_that_there_is_none(tmp_path: Path, seed: int) -> None:
    document = random_format2(seed, max_devices=2, max_points=2, max_subtasks=2)
    found = optimum(document)
    nodes = Prover(document, found and found[0]).nodes
    file = proven(tmp_path, document, nodes, text(found[0]) if found else None)
    if found is None:
        assert file.lower == file.upper == float("inf")
    else:
        assert file.lower <= found[0] <= file.upper
        assert found[0] - file.lower <= max(abs(found[0]), Fraction(1)) / 10**9


@pytest.mark.parametrize("seed", range(30))
def test_program_is_that_of_milp(tmp_path: Path, seed: int) -> None:
    """The same columns, rows, bounds and objective, but for the units and the constant."""
    document = random_format2(seed, FEATURES[: 5 + seed % 11] if seed % 3 else None)
    if optimum(document) is None:
        return
    file = proven(tmp_path, document, [{"prices": {}, **shares(document)}], "-1e9")
    instance: Any = read(tmp_path / "instance.json")
    model = potentials.model(instance)
    variables = {full_name(v): v for v in model.component_data_objects(pyo.Var)}
    assert set(file.columns) == {"one", *variables}
    assert {file.columns[at] for at in file.whole} == {n for n, v in variables.items() if v.is_binary()}
    rows = {full_name(row): row for row in rows_of(model)}
    ours = {name: row for name, row in file.rows.items() if not name.startswith(("least", "most"))}
    assert set(ours) == set(rows)
    # The model has times and energies in units of its own: a factor for those of each row.
    closed = {name for name, v in variables.items() if v.ub == 0}
    upper = {file.columns[int(name[4:])]: row.right for name, row in file.rows.items() if name[:4] == "most"}
    assert closed == {name for name, most in upper.items() if most == 0 and not name.startswith("delay")}
    # Nor does it matter what sending takes where there is no radio.
    apart = [device["id"] for device in document["devices"] if device["connected_to"] is None]
    closed |= {
        name for name in variables if name.startswith(tuple(f"{way}({m}," for way in WAYS for m in apart))
    }
    for name, row in [*rows.items(), ("", next(model.component_data_objects(pyo.Objective)))]:
        theirs = linear_terms(row.body if name else row.expr)
        terms = ours[name].terms if name else file.objective
        mine = {file.columns[at]: float(value) for at, value in terms.items() if at}
        assert mine.keys() - closed == theirs.keys() - closed
        timed = ("finish", "start", "delay")
        ratios = [theirs[at] / mine[at] for at in mine.keys() - closed if not at.startswith(timed)]
        assert ratios == pytest.approx(ratios[:1] * len(ratios), rel=1e-9)


def shares(document: Document) -> Document:
    if document["cost"].get("objective") != "max":
        return {}
    return {"shares": {document["devices"][0]["id"]: "1.0"}}


def test_what_is_refused(tmp_path: Path) -> None:
    document = random_format2(4, ["weight"])
    files, found = Files(tmp_path, document), optimum(document)
    assert found is not None
    solution = write_json(tmp_path / "s.json", files.solution(found[1]))
    proof = files.certificate([{"prices": {}}], "-1e6")
    below = write_json(tmp_path / "c.json", proof | {"largest": "1e6"})
    with pytest.raises(InputError, match="largest: is about solutions in which no device costs more"):
        export_proof(files.instance, solution, below, tmp_path / "p.vipr")
    vain = write_json(tmp_path / "c.json", files.certificate([{"prices": {}, "infeasible": True}], "0"))
    with pytest.raises(InputError, match=r"nodes\[0\]: is not proven to be infeasible"):
        export_proof(files.instance, solution, vain, tmp_path / "p.vipr")
    none = write_json(tmp_path / "s.json", files.solution(None, status="infeasible"))
    good = write_json(tmp_path / "c.json", proof)
    with pytest.raises(InputError, match="does not go with the solution"):
        export_proof(files.instance, none, good, tmp_path / "p.vipr")
    assert not (tmp_path / "p.vipr").exists()


def test_mutated_files_prove_no_more(tmp_path: Path) -> None:
    """One number made other: the reader refuses, or what is left is no more than the optimum."""
    refused = count = 0
    for seed in range(12):
        document = random_format2(seed, max_devices=2, max_points=2, max_subtasks=2)
        found = optimum(document)
        nodes = Prover(document, found and found[0]).nodes
        _, written = exported(tmp_path, document, nodes, text(found[0]) if found else None)
        lines, draw = written.splitlines(), random.Random(seed)
        begin = next(i for i, line in enumerate(lines) if line.startswith("DER"))
        for _ in range(20):
            i = draw.randrange(begin + 1, len(lines))
            words = lines[i].split()
            numbers = [j for j, word in enumerate(words) if word.lstrip("-").isdigit() and j < len(words) - 1]
            j = draw.choice(numbers)
            words[j] = str(int(words[j]) + draw.choice([1, -1, int(words[j]) or 1]))
            count += 1
            try:
                lower = verify("\n".join([*lines[:i], " ".join(words), *lines[i + 1 :]])).lower
            except Rejected:
                refused += 1
            else:
                assert found is None or lower <= found[0]
    assert refused > count / 2
