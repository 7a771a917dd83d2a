"""The library by name, and folders in which not everything is an instance."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from folders import LIBRARY
from processes import WORKED, command_line, here, run

import offloadlib
from offloadlib import shelf
from offloadlib.best_known import read_best_known
from offloadlib.instances import InputError


def test_an_instance_by_name() -> None:
    instance = offloadlib.load("paper-m040")
    assert (instance.name, instance.num_devices) == ("paper-m040", 40)
    assert repr(instance) == "<Instance 'paper-m040': 40 devices, 10 offload points, 200 subtasks>"
    assert {offloadlib.load(name).name for name in shelf.names()} == set(shelf.names())
    with pytest.raises(InputError, match=r"library: 'paper-m04' is not known; did you mean paper-m040, "):
        offloadlib.load("paper-m04")
    for name in ("best_known", "../library/paper-m040", ""):
        with pytest.raises(InputError, match="is not known"):
            offloadlib.load(name)
    with pytest.raises(InputError, match=r"is a file, .*: offloadlib\.read reads files"):
        offloadlib.load(str(WORKED))


def test_a_name_in_place_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"worked-example: is no file, .* offloadlib\.load reads it"):
        offloadlib.read("worked-example")
    for name in ("best_known", "worked-exampl", "./folder/worked-example"):
        with pytest.raises(InputError, match="cannot be read: No such file"):
            offloadlib.read(name)
    (tmp_path / "worked-example").write_bytes(b"")
    with pytest.raises(InputError, match="is empty"):
        offloadlib.read("worked-example")


def test_the_table_of_the_library() -> None:
    frame = offloadlib.library()
    assert list(frame.index) == shelf.names()
    for name, known in read_best_known().items():
        row = frame.loc[name]
        assert known.objective is not None and row["objective"] == known.objective.value
        assert known.certified_bound is not None and row["certified_bound"] == known.certified_bound.value
        assert row["gap"] == pytest.approx(1 - row["certified_bound"] / row["objective"], abs=1e-15)
        assert row["devices"] == offloadlib.load(name).num_devices
    assert set(frame["kind"]) == {"structured", "hybrid"}


def test_a_file_comes_before_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shelf.located("paper-m040") == LIBRARY / "paper-m040.json"
    for other in ("paper-m040.json", "./paper-m040/x", "nothing-like-it", tmp_path / "paper-m040"):
        assert shelf.located(other) == Path(other)
    with pytest.raises(InputError, match="paper-m04: is neither a file nor in the library; did you mean"):
        shelf.located("paper-m04")
    shutil.copy(WORKED, tmp_path / "paper-m040")
    assert shelf.located("paper-m040") == Path("paper-m040")
    assert offloadlib.solve("paper-m040", "local").objective == 72.77
    assert offloadlib.solve("paper-m010", "local").objective == pytest.approx(10)


def test_names_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = here(capfd, "solve", "worked-example", "-m", "milp", "-o", "a.sol.json")
    assert (done.returncode, "24.0450" in done.stdout) == (0, True), done.stderr
    done = here(capfd, "check", "worked-example", "a.sol.json")
    assert (done.returncode, "\naccepted, " in done.stdout) == (0, True)
    done = here(capfd, "solve", "paper-m04", "-m", "milp")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "offloadlib: paper-m04: is neither a file nor in the library; did you mean "
    )
    done = here(capfd, "compare", "worked-example", "-o", ".", "--methods", "local")
    assert done.returncode == 0 and "optimum 24.045, certified" in done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two instances, and what else there may be."""
    folder = tmp_path / "all"
    (folder / "solutions").mkdir(parents=True)
    for name in ("worked-example.json", "paper-m005.json", "best_known.json"):
        shutil.copy(LIBRARY / name, folder)
    shutil.copy(LIBRARY / "solutions" / "worked-example.sol.json", folder)
    shutil.copy(LIBRARY / "certificates" / "worked-example.cert.json", folder)
    (folder / "list.json").write_text("[1, 2]")
    (folder / "notes.txt").write_text("nothing")
    return folder


def test_what_is_no_instance_is_left_out(folder: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        frame = offloadlib.compare(sorted(folder.glob("*")), "local")
    assert set(frame["instance"]) == {"worked-example", "paper-m005"}
    said = sorted(str(warning.message).removeprefix("left out, as it is no instance: ") for warning in caught)
    names = ["best_known.json", "list.json", "notes.txt", "solutions", "worked-example.cert.json"]
    assert [Path(text.split(": ")[0]).name for text in said] == [*names, "worked-example.sol.json"]
    assert all(Path(str(warning.filename)) == Path(__file__) for warning in caught)


def test_the_command_says_what_it_leaves_out(folder: Path) -> None:
    done = run([*command_line(folder.parent), "compare", *map(str, folder.iterdir()), "--methods", "local"])
    assert done.returncode == 0
    assert done.stderr.count("left out, as it is no instance: ") == 6
    assert "UserWarning" not in done.stderr
    assert f"{folder / 'list.json'}: must be an object, not a list" in done.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [("cut.json", '{"format": "offloadlib-ins'), ("bad.json", '{"format": "offloadlib-instance"}')],
)
def test_a_bad_instance_is_an_error(folder: Path, name: str, content: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(InputError, match=name):
        offloadlib.compare(list(folder.glob("*.json")), "local")


@pytest.mark.parametrize("given", [["list.json"], ["list.json", "notes.txt"], ["nowhere.json", "list.json"]])
def test_nothing_at_all_is_an_error(folder: Path, given: list[str]) -> None:
    paths: Any = [folder / name for name in given]
    with pytest.raises(InputError, match=given[0]):
        offloadlib.compare(paths, "local")
