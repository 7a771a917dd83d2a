"""No command writes over one of its inputs, or two outputs to one file."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from offloadlib import compare
from offloadlib.best_known import library
from offloadlib.cli import app as cli
from offloadlib.instances import InputError

COMMANDS = {
    "solve": ["solve", "mine.json", "-m", "local", "-o", "OUT"],
    "solve, certificate": ["solve", "mine.json", "-m", "local", "--certificate", "OUT"],
    "export": ["export", "mine.json", "--formulation", "milp", "--format", "lp", "-o", "OUT"],
    "import": ["import", "wfformat", "mine.json", "-o", "OUT"],
    "import dot": ["import", "dot", "mine.json", "-o", "OUT"],
    "import gap": ["import", "gap", "mine.json", "-o", "OUT"],
    "import mmkp": ["import", "mmkp", "mine.json", "-o", "OUT"],
}
"""Each reads ``mine.json`` and is to write OUT."""


def _copy(path: Path) -> str:
    return str(path)


def _dotted(path: Path) -> str:
    return f"./folder/../{path.name}"


def _symbolic(path: Path) -> str:
    Path("link.json").symlink_to(path)
    return "link.json"


def _hard(path: Path) -> str:
    os.link(path, "hard.json")
    return "hard.json"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An instance in a fresh working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    shutil.copy(library() / "worked-example.json", "mine.json")
    shutil.copy(library() / "solutions" / "worked-example.sol.json", "mine.sol.json")
    return Path("mine.json")


@pytest.mark.parametrize("spelled", [_copy, _dotted, _symbolic, _hard])
@pytest.mark.parametrize("command", COMMANDS)
def test_an_input_is_never_written_over(
    mine: Path, command: str, spelled: Callable[[Path], str], capfd: pytest.CaptureFixture[str]
) -> None:
    before, output = mine.read_bytes(), spelled(mine)
    assert cli.main([output if word == "OUT" else word for word in COMMANDS[command]]) == 2
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == f"offloadlib: {Path(output)}: is an input, which would be written over\n"
    assert mine.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["solve", "mine.json", "-m", "milp", "--warm-start", "mine.sol.json", "-o", "mine.sol.json"], None),
        (
            ["solve", "mine.json", "-m", "milp", "-o", "new.json", "--certificate", "./new.json"],
            "named twice",
        ),
        (["explain", "mine.json", "old.png", "-o", "old.png"], None),
        (["export", "old.mps.names.json", "--formulation", "milp", "-o", "old.mps"], None),
        (["import", "wfformat", "mine.json", "--users", "users.csv", "-o", "users.csv"], None),
        (["import", "stg", "users.csv", "--base", "mine.json", "-o", "mine.json"], None),
        (["compare", "out/solutions/mine.json", "--methods", "local", "-o", "out"], None),
        (["compare", "out/table.csv", "--methods", "local", "-o", "out"], None),
    ],
)
def test_other_inputs_and_outputs(
    mine: Path, arguments: list[str], named: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("out/solutions").mkdir(parents=True)
    for name in ("old.png", "old.mps.names.json", "users.csv", "out/solutions/mine.json", "out/table.csv"):
        shutil.copy(mine, name)
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    assert cli.main(arguments) == 2
    assert (named or "is an input, which would be written over") in capfd.readouterr().err
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


def test_instances_may_be_in_the_folder_of_a_comparison(mine: Path) -> None:
    before = mine.read_bytes()
    frame = compare("mine.json", "local", output=".")
    assert list(frame["status"]) == ["feasible"]
    assert mine.read_bytes() == before
    with pytest.raises(InputError, match="is an input"):
        compare("solutions/worked-example--local.sol.json", "local", output=".")


def test_a_device_is_no_file(mine: Path) -> None:
    assert (
        cli.main(["solve", "mine.json", "-m", "local", "-o", "/dev/null", "--certificate", "/dev/null"]) == 0
    )
