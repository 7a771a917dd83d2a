"""The Python of a page, run block after block as one script, as a reader would run it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from processes import PYTHON, run

MARK = "\x1e"
"""Between what two blocks print."""

_BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """A block of Python, and what the page says that it prints: the block of text right after it, if any."""

    code: str
    printed: str | None


def blocks(page: Path) -> list[Block]:
    """The blocks of Python of a page, in its order."""
    return [Block(match["code"], match["printed"]) for match in _BLOCK.finditer(page.read_text())]


def printed_by(parts: Sequence[Block], folder: Path) -> list[str]:
    """What each block prints, all of them run as one script in a folder.

    Raises
    ------
    AssertionError
        If the script fails, or says anything else than that kernels are compiled.
    """
    script = folder / "page.py"
    script.write_text("".join(f"{block.code}\nprint({MARK!r}, end='')\n" for block in parts))
    done = run([PYTHON, script.name], folder=folder, environment={"PYTHONWARNINGS": "error"})
    said = [line for line in done.stderr.splitlines() if not line.startswith("offloadlib: compiling, once")]
    assert (done.returncode, said) == (0, []), done.stderr
    return done.stdout.split(MARK)[:-1]


def words(text: str) -> list[list[str]]:
    """The words of each line, without lines that are empty."""
    return [line.split() for line in text.splitlines() if line.strip()]
