"""One solve in a process of its own, so that a crash or a stuck solver costs that solve alone.

The processes are forked from a server (``multiprocessing``'s forkserver) that has done the slow imports
once. A child sends its parent small messages: None when it is ready to start, each ``Progress``, and
last what it returns (a ``Result``) or, as an exception, what went wrong. From the progress the parent has
the best solution so far, so that it is there also where the child has to be killed, or crashes. A child is
the leader of a process group: Ctrl-C in a terminal reaches the parent alone, which passes it on once, and
what a child has started in its turn (an external solver) ends with it. Where there is no fork (Windows) a
child imports everything itself and has no group.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from offloadlib.instances import AnyInstance, Budget, InputError, Progress, Result, Termination, gap
from offloadlib.keeping import EASE, FalseResult, Keeper
from offloadlib.methods import Method
from offloadlib.registry import METHODS
from offloadlib.running.interrupts import Interrupts, counted_interrupts
from offloadlib.solving import attempt, described, prepared

GRACE, GRACE_SHARE = 2.0, 0.1
"""Seconds, and a share of the time limit, that a method gets beyond the limit to come to an end."""

GRACE_IF_LARGE, LARGE = 10.0, 2_000
"""Seconds that it gets at least where an instance has more subtasks than this ..."""

GRACE_BY_SIZE = 1e-4
"""... and for each subtask besides: of what large instances take, much cannot be interrupted."""

GRACE_AFTER_INTERRUPT = 10.0
"""Seconds that a method gets after Ctrl-C to hand over what it has."""

STARTUP = 300.0
"""Seconds that a child gets to import what it needs (compiled kernels may have to be built)."""

PROGRESS_INTERVAL = 0.2
"""Seconds between two progress events that a child sends on, unless the gap has halved."""

_MAIN_HIDDEN = threading.Lock()
_SAID = threading.Event()

_POLL = 0.1
_FAREWELL = 5.0

_SLOW_IMPORTS = (
    *("offloadlib.running.lean", "pandas", "pyomo.environ"),
    *("highspy", "ortools.sat.python.cp_model", "numba"),
    *("offloadlib.studies.certified", "offloadlib.studies.jobs"),  # each solve of a study needs them
)

_Job = Callable[["_Sender"], Any]
"""What a child does; it says None through the sender when it is ready to start, then its progress."""


class Ending(StrEnum):
    """How a solve in a process of its own ended."""

    DONE = "done"
    FAILED = "failed"
    OVERRUN = "overrun"
    INTERRUPTED = "interrupted"
    DOES_NOT_APPLY = "does not apply"


@dataclass(frozen=True)
class Ended:
    """What became of a solve.

    Parameters
    ----------
    ending
        How it ended; INTERRUPTED only where Ctrl-C left no result.
    result
        The method's result, if it gave one, else the best that it had found, if anything.
    message
        What went wrong, otherwise empty.
    interrupted
        Whether the user pressed Ctrl-C, also where the method then gave its best result so far.
    error
        What the method has raised, where nothing else is there, or where its result is not true.
    """

    ending: Ending
    result: Result[Any] | None = None
    message: str = ""
    interrupted: bool = False
    error: BaseException | None = None


def run(
    method: Method,
    instance: AnyInstance,
    budget: Budget[Any],
    grace: float | None = None,
    interrupts: Interrupts | None = None,
) -> Ended:
    """Solve in a process of its own, and wait for it.

    Parameters
    ----------
    method, instance, budget
        As for the method itself; ``budget.on_progress`` is called here, in this process.
    grace
        Seconds after the time limit at which the process is ended; by default :func:`usual_grace`, or the
        method's own, if that is more. The clock starts once the process has imported what
        it needs.
    interrupts
        From :func:`counted_interrupts`, where the caller counts for several threads; by default the
        main thread counts for itself.

    Returns
    -------
    Ended
        Whatever happened: an exception, a crash, an overrun and Ctrl-C do not raise here.
    """
    reason = method.applies_to(instance)
    if reason is not None:
        return Ended(Ending.DOES_NOT_APPLY, message=reason)
    if grace is None:
        usual = max(usual_grace(instance, budget.time_limit), method.grace)
        grace = usual if math.isfinite(budget.time_limit) else 0.0
    if interrupts is not None and interrupts.count:
        return Ended(Ending.INTERRUPTED, message="did not begin", interrupted=True)
    keeper = Keeper(method.name, instance, budget.start, budget.on_progress)
    try:
        packed = _packed(method)
    except InputError as unsendable:
        return Ended(Ending.FAILED, message=str(unsendable), error=unsendable)
    job = partial(_solved, packed, instance, replace(budget, on_progress=None))
    watch = _Watch(budget.time_limit, grace, keeper, interrupts)
    ending, value, message = watch.over(job, f"offloadlib {method.name}")
    error = value if isinstance(value, BaseException) else None
    result = value if isinstance(value, Result) else error.kept if isinstance(error, FalseResult) else None
    if result is None and not isinstance(error, InputError):
        result = keeper.best(_TERMINATIONS[ending], **({"error": message} if ending is Ending.FAILED else {}))
        if result is not None and ending is Ending.INTERRUPTED:
            ending, message = Ending.DONE, ""
    elif error is None and result is not None and "error" in result.run:  # it has raised, and did not return
        ending, message = Ending.FAILED, str(result.run["error"])
    return Ended(ending, result, message, watch.interrupts.count > 0, error)


def usual_grace(instance: AnyInstance, time_limit: float) -> float:
    """Seconds beyond its time limit that a method gets: 2 and a tenth of the limit, more if it is large."""
    usual, subtasks = GRACE + GRACE_SHARE * time_limit, getattr(instance, "num_subtasks", 0)
    return usual if subtasks <= LARGE else max(usual, GRACE_IF_LARGE) + GRACE_BY_SIZE * subtasks


def aside(function: Callable[[], Any], name: str, interrupts: Interrupts) -> tuple[Ending, Any, str]:
    """Call a function in a process of its own, and wait for it.

    Parameters
    ----------
    function
        It can be pickled, and answers to Ctrl-C by returning what it has.
    name
        Of the process.
    interrupts
        From :func:`counted_interrupts`.

    Returns
    -------
    ending, value, message
        How that ended; what the function has returned or raised, None where it did neither; and what went
        wrong, otherwise empty.
    """
    return _Watch(math.inf, 0.0, None, interrupts).over(partial(_called, function), name)


def prepare() -> None:
    """Start the server of new processes for one solve, while this process has other things to do.

    It imports nothing slow: while it did, a new process could not be ended.
    """
    if _context(())[1]:
        from multiprocessing import forkserver

        with _main_hidden():
            forkserver.ensure_running()


# In the parent ------------------------------------------------------------------------------------


_TERMINATIONS = {
    Ending.FAILED: Termination.FAILED,
    Ending.OVERRUN: Termination.TIME_LIMIT,
    Ending.INTERRUPTED: Termination.INTERRUPTED,
}


def _context(modules: Sequence[str]) -> tuple[Any, bool]:
    forking = "forkserver" in multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("forkserver" if forking else "spawn")
    context.set_forkserver_preload(["offloadlib.running.server", __name__, *modules])
    return context, forking


def _start(job: _Job, name: str) -> tuple[BaseProcess, Connection]:
    context, _ = _context([*_SLOW_IMPORTS, *_modules(), "offloadlib.instances.cached"])
    receiver, sender = context.Pipe(duplex=False)
    process: BaseProcess = context.Process(target=_child, args=(sender, job), name=name)
    with _main_hidden():
        process.start()
    sender.close()
    return process, receiver


def _modules() -> Iterator[str]:
    """Where the package's methods are."""
    for method in METHODS.values():
        if isinstance(method.function, str):
            yield method.function.partition(":")[0]


def _packed(method: Method) -> bytes:
    """A method for another process: by its name, or with all that its function is made of, where that is one
    of a notebook or a script, which no other process can import.

    Raises
    ------
    InputError
        If something of it cannot be sent.
    """
    if isinstance(method.function, str):
        return pickle.dumps(method)
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(method)
    except Exception as error:  # whatever its parts raise
        what = f"{method.name} cannot be sent to a process of its own ({described(error)})"
        raise InputError("method", [("", f"{what}: what it uses is to be made inside of it")]) from error
    return packed


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


class _Watch:
    """The parent's eye on one child."""

    def __init__(
        self, time_limit: float, grace: float, keeper: Keeper[Any] | None, interrupts: Interrupts | None
    ) -> None:
        self.time_limit, self.grace, self.keeper = time_limit, grace, keeper
        self.given, self.interrupts = interrupts, interrupts or Interrupts()
        self.ready = self.passed_on = False

    def over(self, job: _Job, name: str) -> tuple[Ending, Any, str]:
        """Start a child, and wait for its end, or bring it about."""
        counting = counted_interrupts() if self.given is None else contextlib.nullcontext(self.given)
        with counting as self.interrupts, self._looking():
            self.process, self.receiver = _start(job, name)
            self.deadline = time.monotonic() + STARTUP
            self.too_late = f"was not ready to start after {STARTUP:g} s"
            try:
                return self._end()
            finally:
                _end(self.process)
                self.receiver.close()

    @contextlib.contextmanager
    def _looking(self) -> Iterator[None]:
        patient, self.interrupts.patient = self.interrupts.patient, True
        try:
            yield
        finally:
            self.interrupts.patient = patient

    def _end(self) -> tuple[Ending, Any, str]:
        while True:
            if self.interrupts.count and not self.passed_on:
                self._pass_on()
            if self.interrupts.count > 1 or time.monotonic() > self.deadline:
                return self._stopped()
            if not wait([self.receiver], _POLL):
                continue
            try:
                message = self.receiver.recv()
            except (EOFError, OSError):
                return self._vanished()
            except Exception as error:
                return Ending.FAILED, None, f"its result cannot be read: {described(error)}"
            match message:
                case None:
                    self._ready()
                case _Said():
                    _say_once(message.text)
                case Progress():
                    if self.keeper is not None:
                        self.keeper(message)
                case _Returned():
                    return Ending.DONE, message.value, ""
                case KeyboardInterrupt() if self.passed_on:
                    return Ending.INTERRUPTED, message, "stopped before it had a result"
                case InputError() | FalseResult():
                    return Ending.FAILED, message, str(message)
                case BaseException():
                    return Ending.FAILED, message, described(message)
                case _Raised():
                    return Ending.FAILED, None, message.text

    def _ready(self) -> None:
        self.ready = True
        if not self.passed_on:
            allowed = self.time_limit + self.grace
            self.deadline = time.monotonic() + allowed
            self.too_late = f"ended after {allowed:g} s (its time limit: {self.time_limit:g} s)"

    def _pass_on(self) -> None:
        self.passed_on = True
        # Before it begins there is nothing to hand over.
        self.deadline = time.monotonic() + (GRACE_AFTER_INTERRUPT if self.ready else 0.0)
        _signal(self.process, signal.SIGINT)

    def _stopped(self) -> tuple[Ending, Any, str]:
        _kill(self.process)
        if self.passed_on:
            return Ending.INTERRUPTED, None, "did not stop by itself"
        return Ending.OVERRUN, None, self.too_late

    def _vanished(self) -> tuple[Ending, Any, str]:
        self.process.join(_FAREWELL)
        code = self.process.exitcode
        if self.passed_on:
            return Ending.INTERRUPTED, None, "stopped without a result"
        if code is not None and code < 0:
            return Ending.FAILED, None, f"its process was killed by {_signal_name(-code)}"
        return Ending.FAILED, None, f"its process ended with exit status {code}, without a result"


def _say_once(text: str) -> None:
    """Say on standard error what a child is busy with, and others may be as well."""
    if not _SAID.is_set():
        _SAID.set()
        print(f"offloadlib: {text}", file=sys.stderr, flush=True)


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


# In the child -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Returned:
    """What the job has returned."""

    value: Any


@dataclass(frozen=True)
class _Said:
    """What the user is to know."""

    text: str


@dataclass(frozen=True)
class _Raised:
    """What the job has raised, where only the words can be sent."""

    text: str


def _solved(packed: bytes, instance: AnyInstance, budget: Budget[Any], sender: _Sender) -> Result[Any]:
    from offloadlib.instances import compiled  # not above: numba, which compiles, is slow to import

    try:
        method: Method = pickle.loads(packed)
    except Exception as error:
        what = f"it cannot be had in a process of its own ({described(error)})"
        raise InputError("method", [("", what)]) from error
    compiled.say = lambda text: sender.send(_Said(text))
    prepared(method, instance, budget)
    sender.send(None)
    return attempt(method, instance, replace(budget, on_progress=_Reporter(sender)))


def _called(function: Callable[[], Any], sender: _Sender) -> Any:
    sender.send(None)
    return function()


class _Sender:
    """The way to the parent, with Ctrl-C as usual, but not inside of a message."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._main = self._late = False
        signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: types.FrameType | None) -> None:
        if not self._main:
            raise KeyboardInterrupt
        self._late = True

    def send(self, message: Any) -> None:
        """Send a message, from any thread, one at a time."""
        if threading.current_thread() is not threading.main_thread():
            self._connection.send(message)
            return
        self._main = True
        try:
            self._connection.send(message)
        finally:
            self._main = False
        if self._late:
            self._late = False
            raise KeyboardInterrupt


def _child(connection: Connection, job: _Job) -> None:
    """Do it, and send what comes of it."""
    sender = _Sender(connection)
    _settle()
    try:
        message: Any = _Returned(job(sender))
    except BaseException as error:  # whatever it is, it must not pass for a result
        if os.environ.get("OFFLOADLIB_DEBUG"):
            traceback.print_exc()
        known = isinstance(error, KeyboardInterrupt | InputError | FalseResult)
        message = error if known else _Raised(described(error))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it comes too late
    try:
        connection.send(message)
    except Exception as error:
        connection.send(_Raised(described(error)))


def _settle() -> None:
    """Become a good child: own group, no word on standard output, no life of its own."""
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)
        # A lock that a library makes would otherwise have a name, which is left where this process is killed.
        multiprocessing.set_start_method("fork", force=True)
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
    """Sends progress to the parent: each new solution at once, other events now and then.

    Methods may call it from any thread. Where a solution takes long to send, the next ones wait.
    """

    def __init__(self, sender: _Sender) -> None:
        self.sender = sender
        self.last = -math.inf
        self.gap = math.inf
        self.waiting: Callable[[], Any] | None = None
        self.next = -math.inf
        self.lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        with self.lock:
            now = time.monotonic()
            distance = _gap(progress)
            self.waiting = progress.solution or self.waiting
            solution = self.waiting if now >= self.next else None
            if solution or now - self.last >= PROGRESS_INTERVAL or distance < 0.5 * self.gap:
                self.last, self.gap = now, min(self.gap, distance)
                self.sender.send(replace(progress, solution=solution))
            if solution:
                self.waiting, sent = None, time.monotonic()
                self.next = sent + EASE * (sent - now)


def _gap(progress: Progress) -> float:
    known = None if progress.objective is None else gap(progress.objective, progress.lower_bound)
    return math.inf if known is None else known
