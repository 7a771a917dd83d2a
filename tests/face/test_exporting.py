"""Formulations as MPS and LP files, and other solvers' solutions of them."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import highspy
import pyomo.environ as pyo
import pytest
from brute import brute_force
from counts import examples
from folders import LIBRARY
from hypothesis import assume, given
from reading import read_structured
from strategies import DOCUMENT, EXAMPLE, NAMES, changed, instance_of, instances, put

from offloadlib.check import check
from offloadlib.exporting import FORMATS, LONGEST, export, name_of, read_foreign_solution, translated
from offloadlib.formulations.catalogue import FORMULATIONS, find
from offloadlib.formulations.structured.search import can_offload, unconnected_cost
from offloadlib.instances import InputError, Instance, evaluate

ALL = [(formulation.name, form) for formulation in FORMULATIONS for form in FORMATS]


def highs_of(path: Path) -> highspy.Highs:
    """HiGHS, with a file read."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    assert solver.readModel(str(path)) != highspy.HighsStatus.kError
    solver.setOptionValue("mip_rel_gap", 1e-9)
    return solver


def solved_by_highs(path: Path) -> tuple[float, Path]:
    """The optimum of a file, and the solution file that HiGHS writes."""
    solver = highs_of(path)
    solver.run()
    solution = path.with_suffix(".sol")
    solver.writeSolution(str(solution), 0)
    return solver.getInfo().objective_function_value, solution


@pytest.mark.parametrize(("formulation", "form"), ALL)
def test_highs_reads_the_same_optimum(formulation: str, form: str, tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    path = tmp_path / f"model.{form}"
    export(instance, formulation, path)
    objective, solution = solved_by_highs(path)
    assert objective == pytest.approx(24.045, rel=1e-9)
    stored = read_foreign_solution(solution, instance, formulation)
    assert stored.objective == pytest.approx(24.045, rel=1e-12)
    assert evaluate(instance, stored.solution).feasible


@pytest.mark.parametrize(("formulation", "form"), ALL)
def test_scip_reads_the_same_optimum(formulation: str, form: str, tmp_path: Path) -> None:
    pyscipopt = pytest.importorskip("pyscipopt")
    instance = read_structured(EXAMPLE)
    path = tmp_path / f"model.{form}"
    export(instance, formulation, path)
    solver = pyscipopt.Model()
    solver.hideOutput()
    solver.readProblem(str(path))
    solver.optimize()
    assert solver.getObjVal() == pytest.approx(24.045, rel=1e-9)
    solver.writeBestSol(str(tmp_path / "scip.sol"))
    stored = read_foreign_solution(tmp_path / "scip.sol", instance, formulation)
    assert stored.objective == pytest.approx(24.045, rel=1e-12)


def glpk(path: Path) -> list[Path]:
    """The files that GLPK writes: a report, and numbers for programs."""
    report, numbers = path.parent / "report.txt", path.parent / "numbers.txt"
    kind = "--freemps" if ".mps" in path.suffixes else "--lp"
    options = ("--mipgap", "0", "--tmlim", "60", "-o", str(report), "-w", str(numbers))
    run = subprocess.run(["glpsol", kind, str(path), *options], capture_output=True, text=True, check=False)
    assert "INTEGER OPTIMAL SOLUTION FOUND" in run.stdout, run.stdout
    return [report, numbers]


def cbc(path: Path) -> list[Path]:
    solution = path.parent / "cbc.sol"
    arguments = ["cbc", str(path), "ratio", "0", "seconds", "60", "solve", "solution", str(solution)]
    run = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert "Optimal solution found" in run.stdout, run.stdout
    return [solution]


SOLVERS = [
    pytest.param(
        solver,
        id=solver.__name__,
        marks=pytest.mark.skipif(shutil.which(command) is None, reason=f"{command} is not here"),
    )
    for solver, command in ((glpk, "glpsol"), (cbc, "cbc"))
]


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("formulation", "form"), ALL)
def test_other_solvers_read_the_same_optimum(
    formulation: str, form: str, solver: Any, tmp_path: Path
) -> None:
    instance = read_structured(EXAMPLE)
    path = tmp_path / f"model.{form}"
    export(instance, formulation, path)
    for solution in solver(path):
        stored = read_foreign_solution(solution, instance, formulation)
        assert stored.objective == pytest.approx(24.045, rel=1e-12)
        assert evaluate(instance, stored.solution).feasible


def long_named() -> Instance:
    """The example under ids of 40 to 280 characters that differ in the last one alone, not all ASCII."""
    text = json.dumps(DOCUMENT)
    for i, name in enumerate(("t1", "t2", "t3", "t4", "t5", "ud1", "ud2", "op1", "op2")):
        text = text.replace(f'"{name}"', json.dumps("é" * (40 * (i % 2)) + "x" * (240 * (i % 3 > 0)) + name))
    return instance_of(json.loads(text))


def test_long_names_are_shortened_with_a_map(tmp_path: Path) -> None:
    instance = long_named()
    path = tmp_path / "model.mps"
    names = export(instance, "milp", path)
    assert names == tmp_path / "model.mps.names.json"
    shortened = json.loads(names.read_text())
    highs = highs_of(path).getLp()
    written = {*highs.col_names_, *(name[4:-1] for name in highs.row_names_)}
    assert shortened.keys() < written
    assert max(map(len, (*highs.col_names_, *highs.row_names_))) == LONGEST
    assert len(set(shortened.values())) == len(shortened)
    device, subtask = instance.devices.ids[0], instance.applications[0].subtasks[2]
    assert f"local({device},{subtask})" in map(unquote, shortened.values())
    assert min(map(len, shortened.values())) > LONGEST - len("c_u__")
    # A model without long names leaves no map behind.
    assert export(read_structured(EXAMPLE), "milp", path) is None
    assert not names.exists()


@pytest.mark.parametrize("solver", [lambda path: [solved_by_highs(path)[1]], *SOLVERS])
@pytest.mark.parametrize("form", FORMATS)
def test_long_names_come_back(form: str, solver: Any, tmp_path: Path) -> None:
    instance = long_named()
    export(instance, "milp", tmp_path / f"model.{form}")
    for solution in solver(tmp_path / f"model.{form}"):
        stored = read_foreign_solution(solution, instance, "milp")
        assert stored.objective == pytest.approx(24.045, rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("first", [0, 7])
def test_odd_names_come_back(first: int, form: str, solver: Any, tmp_path: Path) -> None:
    odd = NAMES[first : first + 7]
    document = changed(
        put("applications", 0, "subtasks", odd[:5]),
        put("applications", 0, "edges", [[odd[0], odd[1]], [odd[1], odd[4]]]),
        put("devices", 0, "id", odd[5]),
        put("offload_points", 0, "id", odd[6]),
        put("devices", 0, "connected_to", odd[6]),
    )
    instance = instance_of(document)
    export(instance, "milp-hull", tmp_path / f"model.{form}")
    for solution in solver(tmp_path / f"model.{form}"):
        stored = read_foreign_solution(solution, instance, "milp-hull")
        assert stored.objective == pytest.approx(brute_force(instance)[0])


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("form", FORMATS)
def test_solvers_read_compressed_models(form: str, solver: Any, tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    export(instance, "milp-paths", tmp_path / f"model.{form}.gz")
    for solution in solver(tmp_path / f"model.{form}.gz"):
        assert read_foreign_solution(solution, instance, "milp-paths").objective == pytest.approx(24.045)


def test_the_format_follows_from_the_name(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    text = {}
    for name, form in (("a.mps", None), ("b.lp", None), ("c.x", "lp"), ("d.v2.MPS", "mps"), ("e", "mps")):
        export(instance, "milp", tmp_path / name, form)
        text[name] = (tmp_path / name).read_text()
    assert text["a.mps"] == text["d.v2.MPS"] == text["e"]
    assert text["b.lp"] == text["c.x"]
    assert "\nROWS\n" in text["a.mps"] and "OBJSENSE" not in text["a.mps"]
    assert "\nmin \n" in text["b.lp"]
    for ending in FORMATS:
        export(instance, "milp", tmp_path / f"f.{ending}.gz")
        assert gzip.decompress((tmp_path / f"f.{ending}.gz").read_bytes()).decode() in text.values()


@examples(15)
@given(instance=instances())
def test_files_of_random_instances(instance: Instance, tmp_path_factory: pytest.TempPathFactory) -> None:
    assume(can_offload(instance))
    folder = tmp_path_factory.mktemp("model")
    optimum, _ = brute_force(instance)
    for form in FORMATS:
        path = folder / f"model.{form}"
        export(instance, "milp", path)
        objective, solution = solved_by_highs(path)
        assert objective + unconnected_cost(instance) == pytest.approx(optimum, rel=1e-6, abs=1e-6)
        stored = read_foreign_solution(solution, instance, "milp")
        assert stored.objective == pytest.approx(optimum, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("form", FORMATS)
def test_names_can_be_read_and_do_not_collide(form: str, tmp_path: Path) -> None:
    export(read_structured(EXAMPLE), "milp", tmp_path / f"model.{form}")
    names = highs_of(tmp_path / f"model.{form}").getLp().col_names_
    assert {"place(ud1,t2,op1)", "local(ud2,t5)", "up(ud1,t1,t2)", "air(ud2)", "delay(ud1)"} <= set(names)
    hard = [name for name in NAMES if len(name) < 9]
    document = changed(
        put("applications", 0, "subtasks", hard[:5]),
        put("applications", 0, "edges", [[hard[0], hard[1]], [hard[1], hard[4]]]),
        put("devices", 0, "id", hard[5]),
        put("devices", 1, "id", "ud,1"),
        put("offload_points", 0, "id", hard[6]),
        put("devices", 0, "connected_to", hard[6]),
    )
    instance = instance_of(document)
    model = find("milp-hull").model(instance)
    expected = [name_of(variable) for variable in model.component_data_objects(pyo.Var)]
    assert len(set(expected)) == len(expected)
    assert all(name.isascii() and not set(name) & set(" []<>=:+-*/^\\\"'") for name in expected)
    assert f"local({hard[5]},{hard[4]})" in map(unquote, expected)
    export(instance, "milp-hull", tmp_path / f"hard.{form}")
    assert set(highs_of(tmp_path / f"hard.{form}").getLp().col_names_) <= set(expected)
    _, solution = solved_by_highs(tmp_path / f"hard.{form}")
    assert read_foreign_solution(solution, instance, "milp-hull").objective > 0


@pytest.mark.parametrize("form", FORMATS)
def test_the_file_tells_what_it_is(form: str, tmp_path: Path) -> None:
    instance = instance_of(changed(put("devices", 0, "connected_to", None), put("name", 'a *\\ "b"\n')))
    path = tmp_path / f"model.{form}"
    export(instance, "milp-paths", path)
    first = path.read_text().splitlines()[0]
    assert f"milp-paths of instance a%20%2A%5C%20%22b%22%0A (sha256 {instance.fingerprint})" in first
    constant = float(first.rpartition(" ")[2])
    assert constant == pytest.approx(evaluate(instance, brute_force(instance)[1]).cost[0])
    assert solved_by_highs(path)[0] + constant == pytest.approx(brute_force(instance)[0])


def test_what_cannot_be_exported(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    with pytest.raises(InputError, match="did you mean milp-hull"):
        export(instance, "milp-hul", tmp_path / "model.lp")
    with pytest.raises(InputError, match=r"'gams' is not known; did you mean mps\?"):
        export(instance, "milp", tmp_path / "model.gams", "gams")
    for name in ("model", "model.txt", "model.gz", "model.mps.txt", ".mps", "lp"):
        with pytest.raises(InputError, match=r"its name says no format: it must end in \.mps or \.lp"):
            export(instance, "milp", tmp_path / name)
    for name, form in (("model.lp", "mps"), ("model.MPS.gz", "lp")):
        with pytest.raises(InputError, match=r"its name says .*, and --format"):
            export(instance, "milp", tmp_path / name, form)
    with pytest.raises(InputError, match="cannot be written"):
        export(instance, "milp", tmp_path / "nowhere" / "model.lp")
    n_shaped = instance_of(
        changed(put("applications", 0, "edges", [["t1", "t3"], ["t1", "t4"], ["t2", "t4"]]))
    )
    with pytest.raises(InputError, match="needs series-parallel applications"):
        export(n_shaped, "milp-stages", tmp_path / "model.lp")
    alone = instance_of(changed(*(put("devices", m, "connected_to", None) for m in (0, 1))))
    with pytest.raises(InputError, match="nothing can be offloaded"):
        export(alone, "milp", tmp_path / "model.lp")
    assert list(tmp_path.iterdir()) == []


# Solutions ----------------------------------------------------------------------------------------

LOCALS = [f"local({device},t{k})" for device in ("ud1", "ud2") for k in range(1, 6)]
PLAIN = "".join(f"{name} 1\n" for name in LOCALS)


def foreign(text: str, tmp_path: Path, instance: Instance | None = None) -> float:
    """The objective that is read from a file with this text."""
    path = tmp_path / "other.sol"
    path.write_text(text)
    return read_foreign_solution(path, instance or instance_of(DOCUMENT), "milp").objective


def test_forms_of_solution_files(tmp_path: Path) -> None:
    gurobi = f"# Solution for model obj\n# Objective value = 72.77\n{PLAIN}place(ud1,t1,op1) 0\n"
    cbc = "Optimal - objective value 72.77000000\n" + "".join(
        f"{'**' if i == 3 else '  '}{i:5} {name:30} {'1':>15} {'6.0':>15}\n" for i, name in enumerate(LOCALS)
    )
    cplex = (
        '<?xml version = "1.0" standalone="yes"?>\n<CPLEXSolution version="1.2">\n <header\n'
        '   problemName="x"\n   objectiveValue="72.77"/>\n <variables>\n'
        + "".join(f'  <variable name="{n}" index="{i}" value="1"/>\n' for i, n in enumerate(LOCALS))
        + " </variables>\n</CPLEXSolution>\n"
    )
    scip = "solution status: optimal solution found\nobjective value:   72.77\n" + "".join(
        f"{name:40} 0.9999999 \t(obj:6)\n" for name in LOCALS
    )
    highs = (
        f"Model status\nOptimal\n\n# Primal solution values\nFeasible\nObjective 72.77\n# Columns 10\n{PLAIN}"
    )
    highs += "# Rows 1\ncapacity 3\n\n# Dual solution values\nNone\n"
    glpk = (  # a name of more than 12 characters stands on a line of its own
        "Problem:    x\nRows:       1\nStatus:     INTEGER OPTIMAL\n\n"
        "   No.   Row name        Activity     Lower bound   Upper bound\n"
        "------ ------------    ------------- ------------- -------------\n"
        "     1 capacity                    3                           3 \n\n"
        "   No. Column name       Activity     Lower bound   Upper bound\n"
        "------ ------------    ------------- ------------- -------------\n"
        + "".join(f"{i:6} {n}\n{'*':>21}{1:14}{0:14}{1:14} \n" for i, n in enumerate(LOCALS, start=1))
        + "    11 air(ud2)     *              0             0             1 \n"
        "    12 delay(ud1)                3.2             0               \n"
        "\nInteger feasibility conditions:\n\nKKT.PE: max.abs.err = 1.78e-15 on row 24\n"
    )
    for text in (PLAIN, gurobi, cbc, cplex, scip, highs, glpk, PLAIN.replace(" 1\n", "\t1e0\r\n")):
        assert foreign(text, tmp_path) == pytest.approx(72.77)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN + "place(ud1,t9,op1) 1\n", r"line 11: the formulation has no variable 'place\(ud1,t9,op1\)'"),
        ("local(ud1,t1) 0.4\n", r"line 1: 'local\(ud1,t1\)' must be whole, not 0.4"),
        (PLAIN + "local(ud1,t1) 1\n", r"line 11: 'local\(ud1,t1\)' has a value already"),
        ("\nlocal(ud1,t1) nan\n", r"line 2: 'local\(ud1,t1\)' must be finite, not nan"),
        ("delay(ud1) inf\n", r"line 1: 'delay\(ud1\)' must be finite, not inf"),
        ("local(ud1,t1)\n", r"line 1: 'local\(ud1,t1\)' is not a name and a value"),
        ("local(ud1,t1) one\n", "line 1: .* is not a name and a value"),
        ("", "states no values of variables"),
        ("c Problem:    x\nc\ns mip 1 1 o 1\ni 1 1\nj 0 1\ne o f\n", "line 5: 'j 0 1' is not a name"),
        ("c Problem:    \nc\ns mip 1 1 o 1\nj 99999 1\n", "line 4: 'j 99999 1' is not a name"),
        ("Model status\nInfeasible\n\n# Primal solution values\nNone\n", "states no values of variables"),
        (PLAIN + "place(ud1,t1,op1) 1\n", r"needs one place, and has local\(ud1,t1\), place\(ud1,t1,op1\)"),
        (
            PLAIN.replace("local(ud1,t3) 1", "local(ud1,t3) 2"),
            r"local\(ud1,t3\): the subtask needs one place",
        ),
        (PLAIN[16:], r"local\(ud1,t1\): the subtask needs one place, and has none"),
    ],
)
def test_unusable_solution_files(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        foreign(text, tmp_path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        foreign("x 1\nlocal(ud1,t1) 0.5\n? ? ?\n", tmp_path)
    assert [where for where, _ in caught.value.problems] == ["line 1", "line 2", "line 3"]
    (tmp_path / "binary.sol").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not a text file"):
        read_foreign_solution(tmp_path / "binary.sol", instance_of(DOCUMENT), "milp")
    with pytest.raises(InputError, match="cannot be read"):
        read_foreign_solution(tmp_path / "missing.sol", instance_of(DOCUMENT), "milp")


def test_the_checker_judges_a_foreign_solution(tmp_path: Path) -> None:
    instance = LIBRARY / "paper-m005.json"
    export(read_structured(instance), "milp-stages", tmp_path / "model.mps")
    _, solution = solved_by_highs(tmp_path / "model.mps")
    with translated(instance, solution, "milp-stages") as path:
        assert check(instance, path).accepted
    assert not path.exists()
    # A solver that breaks a limit is found out.
    too_many = "".join(f"place(ud1,t{k},op1) 1\nlocal(ud2,t{k}) 1\n" for k in range(1, 6))
    (tmp_path / "other.sol").write_text(too_many)
    with translated(EXAMPLE, tmp_path / "other.sol", "milp") as path:
        verdict = check(EXAMPLE, path)
    assert [rule.name for rule in verdict.rules if not rule.ok] == ["capacity"]
