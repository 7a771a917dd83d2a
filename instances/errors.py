"""The one exception for unusable input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Problem = tuple[str, str]
"""A place inside a file (``devices[3].power.send``; empty: the whole file) and what is wrong there."""

SHOWN = 20
"""Problems printed in full; a file with thousands of them is wrong in one way."""


class InputError(ValueError):
    """A file, or a generator's parameters, that cannot be used.

    Parameters
    ----------
    source
        The file, or what else the input is called.
    problems
        Every problem found: (path inside the file, what is wrong).
    """

    def __init__(self, source: str | Path, problems: Sequence[Problem]) -> None:
        self.source = str(source)
        self.problems = tuple(problems)
        lines = [f"{place}: {what}" if place else what for place, what in self.problems]
        if len(lines) == 1:
            text = f"{self.source}: {lines[0]}"
        else:
            rest = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            text = "\n  ".join([f"{self.source}: {len(lines)} problems", *lines[:SHOWN], *rest])
        super().__init__(text)
