"""Pages tell the truth: their Python and commands run, and print what stands beside them."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

import pages
import pytest
from folders import CASES, ROOT, TESTS
from processes import PYTHON, run

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if pages.blocks(path)
)
LONG = ("docs/howto/command-line.md", "docs/howto/limits.md", "docs/theory/ddto.md")
assert set(LONG) < set(PAGES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Empty, but for what the reader is told to bring: a workflow, sites, and users near them."""
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(CASES / "wf16.json", empty / "workflow.json")
    sites = ("SITE_ID,LATITUDE,LONGITUDE", "101381,-37.8150,144.9700", "134754,-37.8160,144.9710")
    users = ("Latitude,Longitude", "-37.8151,144.9701", "-37.8159,144.9708")
    for name, lines in {"sites.csv": sites, "users.csv": users}.items():
        (empty / name).write_text("\n".join(lines) + "\n")
    return empty


def hold_to(page: str, folder: Path, python: str = PYTHON) -> None:
    """Run all blocks of a page and compare what they print with what it shows."""
    parts = pages.blocks(ROOT / page)
    for block, printed in zip(parts, pages.printed_by(parts, folder, python), strict=True):
        if block.printed is not None:
            assert pages.agree(printed, block.printed), f"{block.code}\nprints\n{printed}"


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in PAGES]
)
def test_a_page_does_what_it_shows(page: str, folder: Path) -> None:
    hold_to(page, folder)
    if page == "README.md":
        made = ("report/report.html", "prices.png", "mine.lp", "real.json", "paper.cert.json")
        assert all((folder / name).stat().st_size for name in made)


@pytest.mark.slow
def test_the_wheel_in_a_new_environment(folder: Path, tmp_path: Path) -> None:
    """All of the README, and every door of the package from Python, with no clone near.

    The dependencies are those of these tests, which a path file adds; the package is that of the wheel.
    """

    def alone(*command: str) -> str:
        done = run(command, folder=folder, environment={"PYTHONPATH": ""})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    alone(PYTHON, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT))
    (wheel,) = tmp_path.glob("offloadlib-*.whl")
    environment = tmp_path / "environment"
    alone(PYTHON, "-m", "venv", str(environment))
    python = str(environment / "bin" / "python")
    alone(python, "-m", "pip", "install", "-q", "--no-deps", str(wheel))
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    assert Path(alone(python, "-c", "import offloadlib; print(offloadlib.__file__)")).is_relative_to(packages)
    hold_to("README.md", folder, python)
    shutil.copy(TESTS / "user_script.py", folder)
    alone(python, "user_script.py")


def test_what_is_printed_is_held_against_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\n\ntext\n\n```python\nprint(x)\nprint('a  b')\n```\n\n```text\n1\na b\n```\n"
    )
    first, second = pages.blocks(page)
    assert (first.printed, second.printed) == (None, "1\na b\n")
    assert [pages.words(text) for text in pages.printed_by([first, second], tmp_path)] == [
        [],
        [["1"], ["a", "b"]],
    ]
    assert pages.agree("1\n a  b\n", "1\na b\n") and pages.agree("1\n2\n3\n", "1\n...\n")
    assert (
        not pages.agree("1\n", "2\n")
        and not pages.agree("1\n2\n", "1\n")
        and not pages.agree("1\n", "2\n...\n")
    )
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        pages.printed_by([pages.Block("1 / 0\n", None)], tmp_path)
    page.write_text("```shell\noffloadlib --version > v\ncut -c 1-10 v\n```\n\n```text\noffloadlib\n```\n")
    (block,) = pages.blocks(page)
    (printed,) = pages.printed_by([block], tmp_path)
    assert block.printed is not None and pages.agree(printed, block.printed)
    with pytest.raises(AssertionError, match="returned non-zero exit status 2"):
        pages.printed_by([pages.Block("offloadlib check nothing nothing\n", None, "shell")], tmp_path)
    with pytest.raises(AssertionError, match="UserWarning"):
        pages.printed_by([pages.Block("import warnings\nwarnings.warn('x')\n", None)], tmp_path)


# A user who checks types ---------------------------------------------------------------------------


def test_a_script_with_every_door_runs(tmp_path: Path) -> None:
    done = run([PYTHON, str(TESTS / "user_script.py")], folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "branch-and-price" in done.stdout


def test_a_script_with_every_door_is_strictly_typed() -> None:
    """With the user's settings, which know nothing of this project's."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull]
    command += ["--follow-imports", "silent", "--cache-dir", str(ROOT / ".mypy_cache" / "user")]
    done = run([*command, str(TESTS / "user_script.py")], environment={"MYPYPATH": str(ROOT)})
    assert done.stdout == "Success: no issues found in 1 source file\n", done.stdout + done.stderr
