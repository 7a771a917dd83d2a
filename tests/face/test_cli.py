"""The command line: exit statuses, what goes to which stream, messages, and files whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from processes import (
    ENVIRONMENT,
    PYTHON,
    WORKED,
    command_line,
    interrupted,
    knowing,
    marked,
    python,
    started,
)
from processes import run as run_process
from reading import read_structured

import offloadlib
from offloadlib.best_known import library
from offloadlib.check import Rule, Verdict, check
from offloadlib.cli import app as cli
from offloadlib.cli import console
from offloadlib.comparing import judging
from offloadlib.comparing import run as comparing
from offloadlib.instances import read_solution
from offloadlib.instances.importers import FORMATS
from offloadlib.instances.structured.generate import Setting
from offloadlib.registry import METHODS, select

OPTIMUM = 24.045


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run a command in a fresh folder: (exit status, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(cli.DEBUG, raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        status = cli.main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        return status, captured.out, captured.err

    return call


# Help and starting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "",
        "solve",
        "check",
        "compare",
        "explain",
        "generate",
        "methods",
        "import",
        *(f"import {name}" for name in FORMATS),
        "import gap",
    ],
)
def test_help(run: Any, command: str) -> None:
    status, out, err = run(*command.split(), "--help")
    assert (status, err) == (0, "")
    assert f"Usage: offloadlib {command}".strip() in out


def test_version_and_module(run: Any) -> None:
    said = f"offloadlib {offloadlib.__version__}\n"
    assert run("--version") == (0, said, "")
    module = [PYTHON, "-m", "offloadlib"]
    done = run_process([*module, "--version"])
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
    early = (
        "import os, signal, sys\n"
        "class Slow:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer':\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "from offloadlib.__main__ import main\n"
        "main()\n"
    )
    ended = python(early)
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr == "offloadlib: interrupted before there was a result\n"
    refused = run_process([*module, "bogus"])
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "offloadlib: No such command 'bogus' (see 'offloadlib --help')\n"


@pytest.mark.parametrize("arguments", [["--help"], ["check", WORKED, WORKED], ["methods"]])
def test_light_commands_import_nothing_heavy(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom offloadlib.cli.app import main\n"
        f"main({arguments!r})\n"
        "heavy = {'pyomo', 'ortools', 'highspy', 'pandas', 'matplotlib', 'numba', 'scipy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = python(program)
    assert done.returncode == 0, done.stderr


def test_methods_are_listed(run: Any) -> None:
    status, out, err = run("methods")
    assert (status, err) == (0, "")
    rows = [line for line in out.splitlines()[1:] if not line.startswith(" ")]  # the others go on with a row
    assert [row.split()[0] for row in rows] == list(METHODS)


# solve --------------------------------------------------------------------------------------------


def test_solve_prints_one_json_object(run: Any) -> None:
    status, out, _ = run("solve", WORKED, "--method", "milp", "--json", "-o", "a.sol.json", "--seed", 3)
    assert status == 0
    told = json.loads(out)
    written = json.loads(Path("a.sol.json").read_text())
    del written["decisions"]
    extra = {key: told.pop(key) for key in ("local_cost", "gap", "certified", "runtime", "utilisation")}
    assert told == written
    assert told["objective"] == pytest.approx(OPTIMUM, rel=1e-12)
    assert told["status"] == "optimal"
    assert told["run"]["seed"] == 3
    default = {"time_limit": None, "gap": 1e-9, "threads": 1, "solver": "highs", "warm_start": False}
    assert told["run"]["parameters"] == default
    assert extra["local_cost"] == pytest.approx(72.77, rel=1e-12)
    assert extra["gap"] <= 1e-9
    assert extra["certified"] is False
    assert extra["utilisation"] == 1.0
    assert extra["runtime"] == told["run"]["runtime"]
    assert check(WORKED, "a.sol.json").accepted


def test_a_heuristic_has_no_gap(run: Any) -> None:
    status, out, _ = run("solve", WORKED, "-m", "gsod-i", "--json")
    told = json.loads(out)
    assert status == 0
    assert (told["lower_bound"], told["gap"], told["status"]) == (None, None, "feasible")


@pytest.mark.parametrize("name", [method.name for method in select("all", ["structured"])])
def test_solve_shows_a_table(run: Any, name: str) -> None:
    status, out, _ = run("solve", WORKED, "--method", name, "--time-limit", 60, "--threads", 1)
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == f"worked-example (2 devices, 2 offload points, 10 subtasks) by {name}"
    labels = ["cost", "lower bound", "gap", "all local", "saving", "utilisation", "worse off", "time"]
    assert [line[:13].strip() for line in lines[1:]] == labels


def test_what_a_method_prints_does_not_reach_standard_output(tmp_path: Path) -> None:
    command = command_line(tmp_path, knowing("noisy"))
    done = run_process([*command, "solve", WORKED, "--method", "noisy", "--json"])
    assert json.loads(done.stdout)["method"] == "noisy"
    assert "noise from C" in done.stderr
    assert "noise from Python" in done.stderr


def test_a_warm_start(run: Any) -> None:
    run("solve", WORKED, "--method", "gsod-i", "-o", "start.sol.json")
    status, out, _ = run("solve", WORKED, "--method", "milp", "--warm-start", "start.sol.json", "--json")
    assert status == 0
    told = json.loads(out)
    assert told["objective"] == pytest.approx(OPTIMUM)
    assert told["run"]["parameters"]["warm_start"] is True


def test_an_infeasible_warm_start_names_the_limit(run: Any) -> None:
    run("solve", WORKED, "--method", "local", "-o", "start.sol.json")
    document = json.loads(Path("start.sol.json").read_text())
    document["decisions"] = {"ud1": ["op1"] * 5, "ud2": [None] * 4 + ["op2"]}
    Path("start.sol.json").write_text(json.dumps(document))
    status, out, err = run("solve", WORKED, "--method", "milp", "--warm-start", "start.sol.json", "--json")
    assert (status, out) == (2, "")
    assert err == ("offloadlib: start.sol.json: cannot be a start: capacity of 'op1': 5 used, 3 allowed\n")


BAD_SOLVES: list[tuple[list[str], str]] = [
    ([], "Missing option '--method'"),
    (["--method", "mlp"], "did you mean milp"),
    (["--method", "milp", "--time-limit", "-3"], "time_limit: must be positive, not -3.0"),
    (["--method", "milp", "--time-limit", "soon"], "Invalid value for '--time-limit'"),
    (["--method", "milp", "--gap", "nan"], "gap: must be a number from 0 on and below 1, not nan"),
    (["--method", "milp", "--threads", "0"], "threads: must be at least 1"),
    (["--method", "milp", "--seed", "1.5"], "Invalid value for '--seed'"),
    (["--method", "milp", "--seed", "-1"], "seed: must lie in"),
    (["--method", "milp", "--solver", "nosuchsolver"], "'nosuchsolver' is not installed"),
    (["--method", "milp", "--warm-start", "none.sol.json"], "none.sol.json: cannot be read"),
    (["--method", "milp", "--warm-start", WORKED], "format: must be"),
    (["--method", "milp", "-o", "nowhere/a.sol.json"], "the folder 'nowhere' does not exist"),
    (["--method", "milp", "-o", "."], "'.' is a folder"),
    (["--method", "milp", "--frobnicate"], "No such option: --frobnicate"),
]


@pytest.mark.parametrize(("options", "message"), BAD_SOLVES, ids=lambda value: str(value)[-30:])
def test_bad_options_are_refused(run: Any, options: list[str], message: str) -> None:
    status, out, err = run("solve", WORKED, *options)
    assert (status, out) == (2, "")
    # On a busy machine progress may be shown before a solver is found to be missing.
    *_, last = err.splitlines()
    assert message in last
    assert last.startswith("offloadlib: ")
    assert err.count("offloadlib: ") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "bad.json: cannot be read"),
        ("", "bad.json: is empty"),
        ("{", "bad.json: is not JSON"),
        ("{}", "format: is missing"),
    ],
)
@pytest.mark.parametrize("command", ["solve --method local", "compare", "check"])
def test_bad_files_are_refused(run: Any, command: str, text: str | None, message: str) -> None:
    if text is not None:
        Path("bad.json").write_text(text)
    name, *options = command.split()
    arguments = ["bad.json", *options] if name != "check" else ["bad.json", "bad.json"]
    status, out, err = run(name, *arguments)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert message in err or name == "check"  # which has words of its own
    assert "bad.json" in err


def test_an_internal_error_says_how_to_get_the_traceback(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr(console, "show_result", fail)
    status, out, err = run("solve", WORKED, "--method", "local")
    assert (status, out) == (3, "")
    assert err == (
        f"offloadlib: internal error: ZeroDivisionError: of all things\nSet {cli.DEBUG}=1 to see where.\n"
    )
    monkeypatch.setenv(cli.DEBUG, "1")
    status, _, err = run("solve", WORKED, "--method", "local")
    assert status == 3
    assert "Traceback" in err


def test_a_write_that_fails_leaves_the_old_file_and_still_tells_the_result(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:

    def full(document: object, *_: object) -> None:
        raise OSError(28, "No space left on device")

    Path("a.sol.json").write_text("before")
    monkeypatch.setattr("offloadlib.instances.files.solutions.lines", full)
    status, out, err = run("solve", WORKED, "--method", "local", "--json", "-o", "a.sol.json")
    assert status == 2
    assert "No space left on device" in err
    assert json.loads(out)["method"] == "local"
    assert Path("a.sol.json").read_text() == "before"
    assert [path.name for path in Path().iterdir()] == ["a.sol.json"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["patient", "empty_handed"])
def test_interrupted_during_solve(tmp_path: Path, name: str, number: signal.Signals) -> None:
    instance, mark = marked(tmp_path)
    command = command_line(tmp_path, knowing(name))
    arguments = ["solve", instance, "--method", name, "--json", "-o", str(tmp_path / "a.sol.json")]
    with started([*command, *arguments]) as process:
        out, err = interrupted(process, mark, number)
    assert process.returncode == 0
    assert err == f"ended by {number.name}: the best solution so far, no lower bound\n"
    assert json.loads(out)["run"]["termination"] == "interrupted"
    assert read_solution(tmp_path / "a.sol.json", read_structured(instance)).method == name


def test_progress_moves_in_a_terminal_only(tmp_path: Path) -> None:
    arguments = [*command_line(tmp_path, knowing("chatty")), "solve", WORKED, "--method", "chatty", "--json"]
    plain = run_process(arguments)
    assert plain.stderr == ""
    theirs, ours = pty.openpty()
    with subprocess.Popen(
        arguments, env={**ENVIRONMENT, "TERM": "xterm"}, stdout=subprocess.PIPE, stderr=ours, text=True
    ) as process:
        os.close(ours)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while data := os.read(theirs, 4096):
                shown += data
        out = process.communicate()[0]
    os.close(theirs)
    assert json.loads(out)["method"] == "chatty"
    assert b"worked-example  chatty" in shown


# check --------------------------------------------------------------------------------------------


def test_check_prints_its_verdict(run: Any) -> None:
    run("solve", WORKED, "--method", "local", "-o", "a.sol.json")
    status, out, err = run("check", WORKED, "a.sol.json")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("accepted")
    status, out, _ = run("check", WORKED, "a.sol.json", "--json")
    verdict = json.loads(out)
    assert status == 0
    assert verdict["accepted"] is True
    assert {rule["name"] for rule in verdict["rules"]} >= {"capacity", "channels", "objective"}


def test_a_failed_check_is_status_1(run: Any) -> None:
    run("solve", WORKED, "--method", "local", "-o", "a.sol.json")
    document = json.loads(Path("a.sol.json").read_text())
    Path("a.sol.json").write_text(json.dumps({**document, "objective": 1.0}))
    status, out, _ = run("check", WORKED, "a.sol.json")
    assert status == 1
    assert "FAILED" in out
    status, out, _ = run("check", WORKED, "a.sol.json", "--json")
    assert status == 1
    assert json.loads(out)["accepted"] is False


def test_a_reader_that_goes_away_is_no_failed_check(tmp_path: Path) -> None:
    command, solution = command_line(tmp_path), str(tmp_path / "a.sol.json")
    assert run_process([*command, "solve", WORKED, "-m", "local", "-o", solution]).returncode == 0
    ours, theirs = os.pipe()
    os.close(ours)
    done = subprocess.run(
        [*command, "check", WORKED, solution],
        env=ENVIRONMENT,
        stdout=theirs,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(theirs)
    assert done.returncode == 141
    assert b"Traceback" not in done.stderr


# compare ------------------------------------------------------------------------------------------


def test_compare_prints_a_table_and_writes_a_folder(run: Any) -> None:
    status, out, err = run(
        "compare", WORKED, "--methods", "local,gsod-i,milp", "--time-limit", 60, "-o", "new"
    )
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "worked-example: 2 devices, 2 offload points  optimum 24.045, certified"
    header = ["method", "status", "cost", "claims", "gap", "ratio", "saving"]
    assert lines[1].split() == [*header, "used", "fair", "worse", "time", "check"]
    assert [line.split()[0] for line in lines[3:6]] == ["local", "gsod-i", "milp"]
    assert "3.0264" in lines[3]
    assert "[3/3] worked-example  milp: optimal, cost 24.045" in err
    assert {path.name for path in Path("new").iterdir()} >= {
        "table.csv",
        "report.html",
        "solutions",
        "cost-worked-example.png",
    }


def test_compare_fits_a_narrow_terminal(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = comparing.compare([WORKED, library() / "melbourne-s.json"], "local,milp-stages,milp")
    monkeypatch.setattr(comparing, "compare", lambda *_, **__: frame)
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    for name, value in {"LINES": "40", "NO_COLOR": "1", "TERM": "dumb"}.items():
        monkeypatch.setenv(name, value)
    for width in (40, 80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        status, out, _ = run("compare", WORKED)
        assert status == 0
        assert "…" not in out
        assert ("a wider terminal shows" in out) == (width < 120)
        assert out.count("accepted") == 5
        if width >= 80:
            assert "3.0264" in out
            assert max(len(line.rstrip()) for line in out.splitlines()) <= width


def test_a_rejected_solution_is_status_1(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Rule("objective", False, "too good to be true")
    monkeypatch.setattr(judging, "check", lambda *_, **__: Verdict(False, (refused,), 0.0))
    status, out, _ = run("compare", WORKED, "--methods", "local")
    assert status == 1
    assert "local: rejected: objective" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "local,gsod"], "'gsod' is not known"),
        (["--time-limit", "nan"], "time_limit: must be positive, not nan"),
        (["-o", WORKED], "cannot be used as a folder"),
    ],
)
def test_compare_refuses_bad_options(run: Any, arguments: list[str], message: str) -> None:
    status, out, err = run("compare", WORKED, *arguments)
    assert (status, out) == (2, "")
    assert message in err


def test_compare_needs_a_method_that_applies(run: Any) -> None:
    status, out, err = run("compare", library() / "melbourne-s.json", "--methods", "milp-stages,patterns")
    assert (status, out) == (2, "")
    assert "no method applies: 2 problems\n  melbourne-s: milp-stages: needs series-parallel" in err
    status, out, _ = run("compare", library() / "melbourne-s.json", "--methods", "milp-stages,local")
    assert status == 0
    assert "does not apply" in out


@pytest.mark.parametrize(("name", "rows"), [("patient", 2), ("empty_handed", 2)])
def test_ctrl_c_during_compare_keeps_the_rows(tmp_path: Path, name: str, rows: int) -> None:
    instance, mark = marked(tmp_path)
    early = (
        "from offloadlib.running import workers\nworkers.prepare()\n"  # a server that imports nothing slow
    )
    command = command_line(tmp_path, knowing(name) + early)
    arguments = ["compare", instance, "--methods", f"local,{name},milp", "-o", str(tmp_path / "out")]
    with started([*command, *arguments]) as process:
        out, err = interrupted(process, mark)
    assert process.returncode == 0, err
    assert "Traceback" not in err
    assert f"interrupted: {rows} of 3 solves are in the table" in err
    assert [line.split()[0] for line in out.splitlines()[3:5]] == ["local", name]
    assert f"{name}: " in out
    assert len((tmp_path / "out" / "table.csv").read_text().splitlines()) == 1 + rows


# generate and import ------------------------------------------------------------------------------


def test_every_parameter_of_a_setting_is_an_option(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    commands: dict[str, Any] = {f"import {name}": kind.setting for name, kind in FORMATS.items()}
    for command, setting in {"generate": Setting, **commands}.items():
        _, out, _ = run(*command.split(), "--help")
        for field in fields(setting):
            option = f"--{field.name.replace('_', '-')}"
            assert option in out or option.removesuffix("s") in out


def test_generate(run: Any) -> None:
    status, out, err = run(
        *("generate", "--devices", 7, "--offload-points", 2, "--capacity", 3, "--channels", 1),
        *("--application", "face", "--application", "chain-4", "--work", 2, 2, "--edge-data", 0.1, 0.2),
        *("--area", 100, "--reach", "none", "--radio-exponent", 3, "--normalise", "none"),
        *("--name", "mine", "--seed", 5, "-o", "a.json"),
    )
    assert (status, out) == (0, "")
    assert "7 devices" in err
    instance = read_structured("a.json")
    assert (instance.name, instance.normalise) == ("mine", "none")
    assert (instance.num_devices, instance.num_points) == (7, 2)
    assert instance.points.capacity.tolist() == [3, 3]
    assert instance.points.channels.tolist() == [1, 1]
    assert {application.id for application in instance.applications} == {"face", "chain-4"}
    assert all((group.work == 2).all() for group in instance.groups)
    assert all(((group.edge_data >= 0.1) & (group.edge_data <= 0.2)).all() for group in instance.groups)
    assert instance.source is not None
    assert instance.source["parameters"]["radio"]["exponent"] == 3
    assert instance.source["seed"] == 5


def test_generate_writes_the_columnar_form_too(run: Any) -> None:
    for name in ("a.json", "a.zip"):
        assert run("generate", "--devices", 3, "-o", name)[0] == 0
    assert read_structured("a.json").fingerprint == read_structured("a.zip").fingerprint
    assert Path("a.zip").read_bytes().startswith(b"PK")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '-o'"),
        (["-o", "a.json", "--devices", "0"], "generate: --devices: must be a whole number in 1.."),
        (["-o", "a.json", "--work", "3", "1"], "generate: --work: low 3.0 is above high 1.0"),
        (["-o", "a.json", "--alpha", "0", "nan"], "generate: --alpha: must be a number in [0, 1]"),
        (["-o", "a.json", "--area", "9", "--radio-exponent", "-1"], "generate: --radio-exponent: must be"),
        (["-o", "a.json", "--channels", "many"], "'many' is neither a whole number nor 'none'"),
        (["-o", "a.json", "--application", "faces"], "generate: --application: unknown application"),
        (["-o", "a.json", "--normalise", "all"], "Invalid value for '--normalise': 'all' is not one of"),
        (["-o", "nowhere/a.json"], "the folder 'nowhere' does not exist"),
        (["-o", "a.json", "--nonsense"], "No such option: --nonsense"),
        (["-o", "a.json", "stray"], "stray"),
    ],
)
def test_generate_refuses_bad_options(run: Any, arguments: list[str], message: str) -> None:
    status, out, err = run("generate", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("offloadlib: ")
    assert list(Path().iterdir()) == []


WORKFLOW = {
    "name": "two-steps",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {
                    "name": "a",
                    "id": "a",
                    "parents": [],
                    "children": ["b"],
                    "inputFiles": ["in"],
                    "outputFiles": ["mid"],
                },
                {
                    "name": "b",
                    "id": "b",
                    "parents": ["a"],
                    "children": [],
                    "inputFiles": ["mid"],
                    "outputFiles": ["out"],
                },
            ],
            "files": [{"id": name, "sizeInBytes": 1000} for name in ("in", "mid", "out")],
        },
        "execution": {
            "makespanInSeconds": 3,
            "executedAt": "2024-01-01T00:00:00Z",
            "tasks": [{"id": "a", "runtimeInSeconds": 1.0}, {"id": "b", "runtimeInSeconds": 2.0}],
            "machines": [],
        },
    },
}


def test_import_prints_what_it_assumed(run: Any) -> None:
    Path("w.json").write_text(json.dumps(WORKFLOW))
    status, out, err = run(
        *(
            "import",
            "wfformat",
            "w.json",
            "--devices",
            3,
            "--offload-points",
            2,
            "--licence",
            "CC0",
            "-o",
            "a.json",
        )
    )
    assert status == 0, err
    assert "WfFormat 1.5" in out
    assert "licence: CC0" in out
    assert "3 devices" in err
    assert read_structured("a.json").num_subtasks == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "a.json"], "Missing argument"),
        (["none.json", "-o", "a.json"], "none.json"),
        (["w.json", "--sites", "s.csv", "-o", "a.json"], "users"),
        (["w.json", "--clock", "-1", "-o", "a.json"], "clock"),
        (["w.json", "--user-choice", "nearest", "-o", "a.json"], "Invalid value for '--user-choice'"),
    ],
)
def test_import_refuses_bad_options(run: Any, arguments: list[str], message: str) -> None:
    Path("w.json").write_text(json.dumps(WORKFLOW))
    status, out, err = run("import", "wfformat", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert not Path("a.json").exists()


def test_task_graphs_are_imported_from_any_format(run: Any) -> None:
    Path("graphs").mkdir()
    Path("graphs/a.gv").write_text('digraph { a [w=1]; b [w="2"]; a -> b [d=3] }')
    status, out, err = run(
        *("import", "dot", "graphs", "--work-attribute", "w", "--data-attribute", "d"),
        *("--output-attribute", "none", "--devices", 2, "--scale", "none", "-o", "a.json"),
    )
    assert status == 0, err
    assert "work: attribute w of nodes, taken as MI" in out.splitlines()
    assert read_structured("a.json").groups[0].work[0].tolist() == [1, 2]
    Path("graphs/b.gv").write_text("digraph {\na -> a }")
    status, out, err = run("import", "dot", "graphs/b.gv", "-o", "b.json")
    message = 'offloadlib: graphs/b.gv: line 2, arc "a" -> "a": joins "a" to itself\n'
    assert (status, out, err) == (2, "", message)
    status, out, err = run("import", "dot", "graphs/a.gv", "--base", "a.json", "-o", "graphs/a.gv")
    assert (status, out, err) == (
        2,
        "",
        "offloadlib: graphs/a.gv: is an input, which would be written over\n",
    )
    Path("g.stg").write_text("2\n0 0 0\n1 5 1 0\n2 6 1 1\n3 0 1 2\n")
    status, out, err = run("import", "stg", "g.stg", "--base", "a.json", "-o", "c.json")
    assert status == 0, err
    assert read_structured("c.json").points.ids == read_structured("a.json").points.ids
    assert "data: costs of communication, taken as bytes, converted" not in out  # they are scaled
    status, out, err = run("import", "stg", "g.stg", "--base", "paper-m005", "-o", "c.json")
    assert status == 0, err
    assert "of paper-m005: devices, offload points and radio" in out.splitlines()
    status, out, err = run("import", "stg", "g.stg", "--scale", "none", "-o", "c.json")
    assert "data: costs of communication, taken as bytes, converted to Mbit" in out.splitlines()
    network = {"nodes": [{"name": "phone", "speed": 1}, {"name": "edge", "speed": 9}]}
    graph = {"tasks": [{"name": "t", "cost": 4}]}
    Path("d.json").write_text(json.dumps({"task_graph": graph, "network": network}))
    status, out, err = run("import", "dagbench", "d.json", "--device-node", "edge", "-o", "e.json")
    assert status == 0, err
    assert read_structured("e.json").points.ids == ("phone",)
    status, out, err = run("import", "dagbench", "d.json", "--device-node", "edg", "-o", "f.json")
    assert (status, out) == (2, "")
    assert err == "offloadlib: d.json: network: 'edg' is not known; did you mean edge?\n"


def test_problems_of_operations_research_are_imported(run: Any) -> None:
    Path("p.txt").write_text("2\n1 2\n4 9\n1 1\n5\n2 1\n4\n7\n1\n1\n0\n5\n")
    status, out, err = run("import", "gap", "p.txt", "--number", 2, "--maximise", "-o", "a.json")
    assert status == 0, err
    assert out.splitlines()[-1] == "the profit of the problem is 7 minus the objective of the instance"
    assert "1 device, 2 offload points" in err
    assert read_structured("a.json").name == "p-2"
    status, out, err = run("import", "gap", "p.txt", "-o", "b.json")
    assert (status, out, err) == (
        2,
        "",
        "offloadlib: p.txt: holds 2 problems: give the number of one, 1 to 2\n",
    )
    Path("k.txt").write_text("1 1\n5\n2\n7 6\n4 5\n")
    status, out, err = run("import", "mmkp", "k.txt", "-o", "b.json")
    assert status == 0, err
    assert out.splitlines()[-1] == "the profit of the problem is 7 minus the objective of the instance"
    status, out, err = run("import", "mmkp", "p.txt", "-o", "c.json")
    assert (status, out) == (2, "")
    assert err.startswith("offloadlib: p.txt: line ")
    assert not Path("c.json").exists()


def test_an_unknown_command_is_refused(run: Any) -> None:
    status, out, err = run("solv")
    assert (status, out) == (2, "")
    assert "Did you mean 'solve'?" in err


def test_names_that_the_terminal_cannot_show(tmp_path: Path) -> None:
    document = json.loads(Path(WORKED).read_text())
    path = tmp_path / "a.json"
    path.write_text(json.dumps({**document, "name": "名前 [bold]x[/bold]"}))
    command = command_line(tmp_path)
    for encoding, shown in (("utf-8", "名前 [bold]x[/bold]"), ("ascii", "[bold]x[/bold]")):
        done = subprocess.run(
            [*command, "solve", str(path), "--method", "local"],
            env={**ENVIRONMENT, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=True,
        )
        assert shown in done.stdout.decode(encoding)


def test_certify(run: Any, tmp_path: Path) -> None:
    """A certificate of whatever method, and a bound in the solution that it proves."""
    files = str(tmp_path / "w.sol.json"), str(tmp_path / "w.cert.json")
    options = ["--method", "gsod-i", "-o", files[0], "--certificate", files[1], "--json"]
    status, out, _ = run("solve", WORKED, *options)
    answer = json.loads(out)
    assert status == 0
    assert answer["certified"] is True
    assert answer["lower_bound"] == pytest.approx(24.045, rel=1e-9)
    status, out, _ = run("check", WORKED, files[0], "--certificate", files[1])
    assert status == 0
    assert "proven_bound" in out


@pytest.mark.parametrize("form", ["mps", "lp"])
def test_export_and_check_what_another_solver_found(run: Any, tmp_path: Path, form: str) -> None:
    import highspy

    model, answer = str(tmp_path / f"w.{form}"), str(tmp_path / "w.sol")
    status, out, _ = run("export", WORKED, "--formulation", "milp", "--format", form, "-o", model)
    assert (status, out) == (0, "")
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    assert solver.readModel(model) == highspy.HighsStatus.kOk
    solver.run()
    solver.writeSolution(answer, 0)
    status, out, _ = run("check", WORKED, answer, "--formulation", "milp")
    assert status == 0
    assert "accepted, exact cost 24.04" in out


def test_export_of_an_unknown_formulation(run: Any, tmp_path: Path) -> None:
    status, out, err = run("export", WORKED, "--formulation", "mlip", "-o", str(tmp_path / "w.mps"))
    assert (status, out) == (2, "")
    assert "milp" in err
    assert not list(tmp_path.iterdir())
