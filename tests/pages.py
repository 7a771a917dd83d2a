"""The Python and the commands of a page, run block after block as one script, as a reader would run them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from processes import PYTHON, run

MARK = "\x1e"
"""Between what two blocks print."""

_BLOCK = re.compile(
    r"^```(?P<language>python|shell)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<printed>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)
_SHELL = """\
import subprocess as _subprocess
print(_subprocess.run(["bash", "-euc", {code!r}], check=True, capture_output=True, text=True).stdout)
"""


class Block(NamedTuple):
    """A block of Python or commands, and what it prints: the block of text right after it, if any."""

    code: str
    printed: str | None
    language: str = "python"

    @property
    def script(self) -> str:
        """The block as Python."""
        return self.code if self.language == "python" else _SHELL.format(code=self.code)


def blocks(page: Path) -> list[Block]:
    """The blocks of Python and of commands of a page, in its order."""
    found = _BLOCK.finditer(page.read_text("utf-8"))
    return [Block(match["code"], match["printed"], match["language"]) for match in found]


def printed_by(parts: Sequence[Block], folder: Path, python: str = PYTHON) -> list[str]:
    """What each block prints, all of them run as one script in a folder, with the commands beside a Python.

    Raises
    ------
    AssertionError
        If the script fails, or says anything else than that kernels are compiled.
    """
    script = folder / "page.py"
    script.write_text("".join(f"{block.script}\nprint({MARK!r}, end='')\n" for block in parts))
    path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {"PYTHONWARNINGS": "error", "PATH": path, "PYTHONPATH": ""}
    done = run([python, script.name], folder=folder, environment=environment)
    said = [line for line in done.stderr.splitlines() if not line.startswith("offloadlib: compiling, once")]
    assert (done.returncode, said) == (0, []), done.stderr
    return done.stdout.split(MARK)[:-1]


def words(text: str) -> list[list[str]]:
    """The words of each line, without lines that are empty."""
    return [line.split() for line in text.splitlines() if line.strip()]


def agree(printed: str, shown: str) -> bool:
    """Whether a page shows what is printed, word by word; ``...`` in the end stands for any more lines."""
    real, said = words(printed), words(shown)
    return real[: len(said) - 1] == said[:-1] if said[-1:] == [["..."]] else real == said
