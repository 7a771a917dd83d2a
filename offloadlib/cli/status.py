"""What a command says and ends with.

Results go to standard output, progress and messages to standard error.
"""

from __future__ import annotations

import sys

OK, CHECK_FAILED, UNUSABLE, INTERNAL, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 3, 130, 141
"""Exit statuses."""


class Failure(Exception):
    """A solve that has come to nothing; what is said of it."""


def say(text: str) -> None:
    """A message."""
    print(text, file=sys.stderr)
