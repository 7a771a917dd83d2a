"""A limit on time: files can be made so that there is no end to reading them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 600.0
"""Unless something else is said."""


@contextmanager
def at_most(seconds: float, told: Callable[[], str]) -> Iterator[None]:
    """End the process after so many seconds, as one that accepts nothing, and say what is told then."""

    def end() -> None:
        print(told(), flush=True)
        os._exit(1)

    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
