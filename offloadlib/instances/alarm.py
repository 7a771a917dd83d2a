"""Telling compiled code that time is up: Python runs nothing while a kernel does."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from select import select

import numpy as np
from numpy.typing import NDArray

from .compiled import readable

STOPPED = readable("boolean")
"""(1,) of :func:`alarm`, for signatures."""


@contextmanager
def alarm(seconds: float) -> Iterator[NDArray[np.bool_]]:
    """(1,) False until so many seconds have passed, or Ctrl-C: what compiled searches look at.

    Python answers to a signal when a search is over, so that the search has to know of it.
    """
    passed, over = np.array([seconds <= 0.0]), b"\0"
    until = time.monotonic() + min(max(seconds, 0.0), threading.TIMEOUT_MAX)
    reading, writing = socket.socketpair()
    writing.setblocking(False)

    def wait() -> None:
        while (left := until - time.monotonic()) > 0.0:
            if not select([reading], [], [], left)[0]:
                continue  # the clock says whether that was long enough
            number = reading.recv(1)
            if number == over:
                return
            if signal.getsignal(number[0]) is signal.default_int_handler:
                break
        passed.fill(True)

    watching = threading.Thread(target=wait, daemon=True)
    watching.start()
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False) if in_main else -1
    try:
        yield passed
    finally:
        if in_main:
            signal.set_wakeup_fd(before)
        writing.send(over)
        watching.join()
        reading.close()
        writing.close()
