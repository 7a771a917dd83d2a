"""Pages tell the truth: their Python and commands run, and print what stands beside them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pages
import pytest
from folders import ROOT, TESTS
from processes import PYTHON, command_line, run

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
    if pages.blocks(path)
)
LONG = ("docs/theory/ddto.md",)
assert set(LONG) < set(PAGES)


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.slow) if page in LONG else page for page in PAGES]
)
def test_the_python_of_a_page(page: str, tmp_path: Path) -> None:
    parts = pages.blocks(ROOT / page)
    if page == "README.md":  # a file of your own, as the commands there make it
        made = "generate --devices 30 --application fork-join-4 --capacity 8 --seed 1 -o mine.json"
        assert made in (ROOT / page).read_text()
        assert run([*command_line(tmp_path), *made.split()], folder=tmp_path).returncode == 0
    for block, printed in zip(parts, pages.printed_by(parts, tmp_path), strict=True):
        if block.printed is not None:
            assert pages.agree(printed, block.printed), f"{block.code}\nprints\n{printed}"


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
