"""Text files of numbers, as operations research has handed its problems on since the OR-Library."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError, Problem, counted, shown
from ..files.schema import LARGEST, SMALLEST
from .report import text_of

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


class Numbers:
    """The numbers of a file, taken one after the other.

    Parameters
    ----------
    content
        The text of the file: numbers with white space between them.
    path
        Where it came from, for messages.

    Raises
    ------
    InputError
        If it is no text, or empty.
    """

    def __init__(self, content: bytes, path: str | Path) -> None:
        lines = [line.split() for line in text_of(content, path).splitlines()]
        self.path = path
        self.first = next((len(words) for words in lines if words), 0)
        """How many numbers stand on the first line that has any."""
        self._words = [(number, word) for number, words in enumerate(lines, start=1) for word in words]
        self._next = 0
        self._problems: list[Problem] = []

    def count(self, what: str) -> int:
        """A whole number of at least 1: how many of something there are.

        Raises
        ------
        InputError
            If it is something else: what follows cannot be read then.
        """
        line, word = self._word(what)
        if not re.fullmatch(r"\d{1,9}", word, re.ASCII) or not int(word):
            self._problems.append((line, f"{what} must be a whole number of at least 1, not {shown(word)}"))
            self._stop()
        return int(word)

    def amount(self, what: str, *, signed: bool = False) -> float:
        """A number that an instance can hold, at least 0 if it is not ``signed``.

        Raises
        ------
        InputError
            If the file has ended; whatever else is wrong is said at the :meth:`end`.
        """
        line, word = self._word(what)
        if not _NUMBER.fullmatch(word):
            self._problems.append((line, f"{what} must be a number, not {shown(word)}"))
            return 0.0
        value = float(word)
        if value < 0 and not signed:
            self._problems.append((line, f"{what} must be at least 0, not {word}"))
        elif value and not SMALLEST <= abs(value) <= LARGEST:
            within = f"a magnitude in [{SMALLEST:g}, {LARGEST:g}]"
            self._problems.append((line, f"{what} must be 0 or have {within}, not {word}"))
        return value

    def end(self) -> None:
        """Nothing follows.

        Raises
        ------
        InputError
            If something does, or with everything that was wrong before, each with its line.
        """
        left = self._words[self._next :]
        if left:
            numbers = counted(len(left), "number")
            self._problems.append((f"line {left[0][0]}", f"{numbers} too many, from {shown(left[0][1])} on"))
        if self._problems:
            self._stop()

    def _word(self, what: str) -> tuple[str, str]:
        if self._next == len(self._words):
            self._problems.append((f"line {self._words[-1][0]}", f"the file ends before {what}"))
            self._stop()
        line, word = self._words[self._next]
        self._next += 1
        return f"line {line}", word

    def _stop(self) -> None:
        raise InputError(self.path, self._problems)
