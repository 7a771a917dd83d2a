"""Ctrl-C, and other signals that ask for the end, counted instead of raised wherever they come; and a limit
on time, which comes like one of them."""

from __future__ import annotations

import _thread
import signal
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What ends a solve, with the best solution so far."""


class TooLong(Exception):
    """It takes more time than there is."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """End what the main thread does after so many seconds, as Ctrl-C would.

    Raises
    ------
    TooLong
        If it takes longer.
    """
    passed = threading.Event()

    def end() -> None:
        passed.set()
        _thread.interrupt_main()

    def note(number: int, frame: types.FrameType | None) -> None:
        if passed.is_set():
            raise TooLong(f"it takes more than {seconds:g} s")
        if callable(before):
            before(number, frame)

    timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), end)
    timer.daemon = True
    before = signal.signal(signal.SIGINT, note)  # which may be ignored, in the background
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


@dataclass
class Interrupts:
    """How often the user has asked for the end.

    Attributes
    ----------
    count, last
        How often, and by which signal the last time.
    patient
        Whether somebody looks at the count; where nobody does, a second signal is a KeyboardInterrupt.
    """

    count: int = 0
    last: signal.Signals | None = None
    patient: bool = True


@contextmanager
def counted_interrupts(patient: bool = True) -> Iterator[Interrupts]:
    """Count Ctrl-C and the like instead of raising KeyboardInterrupt, which could tear a message in two."""
    interrupts = Interrupts(patient=patient)
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # signals reach the main thread alone
        return

    def note(number: int, frame: types.FrameType | None) -> None:
        interrupts.count += 1
        interrupts.last = signal.Signals(number)
        if interrupts.count > 1 and not interrupts.patient:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield interrupts
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
