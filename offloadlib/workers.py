"""One solve in a process of its own, so that a crash or a stuck solver costs that solve alone.

The processes are forked from a server (``multiprocessing``'s forkserver) that has done the slow imports
once. A child sends its parent small messages: None when it is ready to start, each ``Progress``, and
last its ``Result`` or, as a string, what went wrong. A child is the leader of a process group: Ctrl-C
in a terminal reaches the parent alone, which passes it on once, and what a child has started in its
turn (an external solver) ends with it. Where there is no fork (Windows) a child imports everything
itself and has no group.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from instances import Budget, InputError, Problem, Progress, Result, gap

from .registry import METHODS, Method

GRACE = 30.0
"""Seconds beyond the time limit that a method gets to build its model and to come to an end."""

GRACE_SHARE = 0.1
"""The same, as a share of the time limit, where that is more."""

GRACE_AFTER_INTERRUPT = 15.0
"""Seconds that a method gets after Ctrl-C to hand over what it has."""

STARTUP = 300.0
"""Seconds that a child gets to import what it needs (compiled kernels may have to be built)."""

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress events that a child sends on, unless the gap has halved."""

_MAIN_HIDDEN = threading.Lock()

_POLL = 0.1
_FAREWELL = 5.0

_SLOW_IMPORTS = ("pandas", "pyomo.environ", "highspy", "ortools.sat.python.cp_model", "numba")

_Message = Progress | Result[Any] | str | None


class Ending(StrEnum):
    """How a solve in a process of its own ended."""

    DONE = "done"
    FAILED = "failed"
    OVERRUN = "overrun"
    INTERRUPTED = "interrupted"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True)
class Outcome:
    """What became of a solve.

    Parameters
    ----------
    ending
        How it ended; INTERRUPTED only where Ctrl-C left no result.
    result
        The method's result, if it gave one.
    message
        What went wrong, otherwise empty.
    interrupted
        Whether the user pressed Ctrl-C, also where the method then gave its best result so far.
    """

    ending: Ending
    result: Result[Any] | None = None
    message: str = ""
    interrupted: bool = False


@dataclass
class Interrupts:
    """How often the user has pressed Ctrl-C."""

    count: int = 0


def run(
    method: Method,
    instance: Problem,
    budget: Budget[Any],
    grace: float | None = None,
    interrupts: Interrupts | None = None,
) -> Outcome:
    """Solve in a process of its own, and wait for it.

    Parameters
    ----------
    method, instance, budget
        As for the method itself; ``budget.on_progress`` is called here, in this process.
    grace
        Seconds after the time limit at which the process is ended; by default 30, or a tenth of the
        limit, or the method's own, if that is more. The clock starts once the process has imported what
        it needs.
    interrupts
        From :func:`counted_interrupts`, where the caller counts for several threads; by default the
        main thread counts for itself.

    Returns
    -------
    Outcome
        Whatever happened: an exception, a crash, an overrun and Ctrl-C do not raise here.
    """
    reason = method.applies_to(instance)
    if reason is not None:
        return Outcome(Ending.DOES_NOT_APPLY, message=reason)
    if grace is None:
        usual = max(GRACE, GRACE_SHARE * budget.time_limit, method.grace)
        grace = usual if math.isfinite(budget.time_limit) else 0.0
    counting = counted_interrupts() if interrupts is None else contextlib.nullcontext(interrupts)
    with counting as counted:
        process, receiver = _start(method, instance, budget)
        try:
            return _Watch(process, receiver, budget, grace, counted).outcome()
        finally:
            _end(process)
            receiver.close()


# In the parent ------------------------------------------------------------------------------------


def _start(method: Method, instance: Problem, budget: Budget[Any]) -> tuple[BaseProcess, Connection]:
    forking = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if forking else "spawn")
    methods = {known.path.split(":")[0]: None for known in METHODS.values()}
    context.set_forkserver_preload([*_SLOW_IMPORTS, __name__, *methods])
    receiver, sender = context.Pipe(duplex=False)
    wanted = replace(budget, on_progress=None)
    process: BaseProcess = context.Process(  # type: ignore[attr-defined]
        target=_child, args=(sender, method, instance, wanted), name=f"offloadlib {method.name}"
    )
    with _main_hidden():
        process.start()
    sender.close()
    return process, receiver


@contextlib.contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a new process from running the user's script again.

    ``multiprocessing`` imports the parent's main module into each new process, which for a script
    without ``if __name__ == "__main__"`` means to start over. A child needs nothing from there.
    """
    with _MAIN_HIDDEN:  # several threads may start processes at once
        main = sys.modules["__main__"]
        sys.modules["__main__"] = types.ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextlib.contextmanager
def counted_interrupts() -> Iterator[Interrupts]:
    """Count Ctrl-C instead of raising KeyboardInterrupt, which could tear a message in two."""
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        yield interrupts  # signals reach the main thread alone
        return

    def note(number: int, frame: types.FrameType | None) -> None:
        interrupts.count += 1

    before = signal.signal(signal.SIGINT, note)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)


class _Watch:
    """The parent's eye on one child."""

    def __init__(
        self,
        process: BaseProcess,
        receiver: Connection,
        budget: Budget,
        grace: float,
        interrupts: Interrupts,
    ) -> None:
        self.process = process
        self.receiver = receiver
        self.budget = budget
        self.grace = grace
        self.interrupts = interrupts
        self.passed_on = False
        self.deadline = time.monotonic() + STARTUP
        self.too_late = f"was not ready to start after {STARTUP:g} s"

    def outcome(self) -> Outcome:
        """Wait for the end of the child, or bring it about."""
        while True:
            if self.interrupts.count and not self.passed_on:
                self._pass_on()
            if self.interrupts.count > 1 or time.monotonic() > self.deadline:
                return self._stopped()
            if not wait([self.receiver], _POLL):
                continue
            try:
                message: _Message = self.receiver.recv()
            except (EOFError, OSError):
                return self._vanished()
            except Exception as error:
                return self._of(Ending.FAILED, None, f"its result cannot be read: {_describe(error)}")
            match message:
                case None:
                    self._ready()
                case Progress():
                    if self.budget.on_progress is not None:
                        self.budget.on_progress(message)
                case Result():
                    return self._of(Ending.DONE, message, "")
                case str() if self.passed_on:
                    return self._of(Ending.INTERRUPTED, None, message)
                case str():
                    return self._of(Ending.FAILED, None, message)

    def _of(self, ending: Ending, result: Result[Any] | None, message: str) -> Outcome:
        return Outcome(ending, result, message, interrupted=self.interrupts.count > 0)

    def _ready(self) -> None:
        if not self.passed_on:
            allowed = self.budget.time_limit + self.grace
            self.deadline = time.monotonic() + allowed
            self.too_late = f"ended after {allowed:g} s (its time limit: {self.budget.time_limit:g} s)"

    def _pass_on(self) -> None:
        self.passed_on = True
        self.deadline = time.monotonic() + GRACE_AFTER_INTERRUPT
        _signal(self.process, signal.SIGINT)

    def _stopped(self) -> Outcome:
        _kill(self.process)
        if self.passed_on:
            return self._of(Ending.INTERRUPTED, None, "did not stop by itself")
        return self._of(Ending.OVERRUN, None, self.too_late)

    def _vanished(self) -> Outcome:
        self.process.join(_FAREWELL)
        code = self.process.exitcode
        if self.passed_on:
            return self._of(Ending.INTERRUPTED, None, "stopped without a result")
        if code is not None and code < 0:
            return self._of(Ending.FAILED, None, f"its process was killed by {_signal_name(-code)}")
        return self._of(Ending.FAILED, None, f"its process ended with exit status {code}, without a result")


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (out of memory?)" if name == "SIGKILL" else name


def _signal(process: BaseProcess, number: signal.Signals) -> None:
    """Send a signal to the child, which may be gone."""
    with contextlib.suppress(ProcessLookupError):
        if process.pid is not None:
            os.kill(process.pid, number)


def _kill(process: BaseProcess) -> None:
    """End a child, and whatever it has started."""
    if process.pid is not None and hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def _end(process: BaseProcess) -> None:
    """Let a child that has said its last word go; one that does not go is ended."""
    process.join(_FAREWELL)
    _kill(process)
    process.join()
    process.close()


def _describe(error: BaseException) -> str:
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# In the child -------------------------------------------------------------------------------------


def _child(sender: Connection, method: Method, instance: Problem, budget: Budget[Any]) -> None:
    """Solve, and send what comes of it."""
    _settle()
    try:
        function = method.load()
        sender.send(None)
        budget = replace(budget, on_progress=_Reporter(sender))
        sender.send(function(instance, budget))
    except KeyboardInterrupt:
        sender.send("stopped before it had a result")
    except InputError as error:
        sender.send(str(error))
    except BaseException as error:  # whatever it is, it must not pass for a result
        if os.environ.get("OFFLOADLIB_DEBUG"):
            traceback.print_exc()
        sender.send(_describe(error))


def _settle() -> None:
    """Become a good child: own group, Ctrl-C as usual, no word on standard output, no life of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
    # Solvers print from C: standard output belongs to the parent.
    os.dup2(2, 1)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    """End with the parent, however that ends."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


class _Reporter:
    """Sends progress to the parent, now and then; methods may call it from any thread."""

    def __init__(self, sender: Connection) -> None:
        self.sender = sender
        self.last = -math.inf
        self.gap = math.inf
        self.lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self.lock:
            now = time.monotonic()
            distance = _gap(progress)
            if now - self.last >= PROGRESS_INTERVAL or distance < 0.5 * self.gap:
                self.last, self.gap = now, min(self.gap, distance)
                self.sender.send(progress)


def _gap(progress: Progress) -> float:
    known = None if progress.objective is None else gap(progress.objective, progress.lower_bound)
    return math.inf if known is None else known
