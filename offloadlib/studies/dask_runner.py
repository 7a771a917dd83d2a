"""Jobs on a Dask cluster: what a lost worker had in hand is done again by another one."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING

from offloadlib import __version__
from offloadlib.instances import InputError
from offloadlib.running.interrupts import Interrupts

from . import StudyRow
from .jobs import Job
from .runner import perform

if TYPE_CHECKING:
    from distributed import Future

CONNECT = 20.0
"""Seconds to wait for the scheduler."""

_POLL = 0.2


class Cluster:
    """The workers behind a scheduler; open it in a ``with`` statement.

    Each solve is a process of its own there too. Workers must run this version of offloadlib.

    Parameters
    ----------
    address
        The scheduler's, such as ``tcp://127.0.0.1:8786``.

    Raises
    ------
    InputError
        If Dask is not installed, the scheduler does not answer, or the workers' versions differ.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise InputError("--dask", [("", "needs the extra: pip install offloadlib[dask]")]) from None
        try:
            self._client = Client(address, timeout=CONNECT)
        except (OSError, TimeoutError, ValueError) as error:
            raise InputError("--dask", [("", f"no scheduler answers at {address!r} ({error})")]) from None
        try:
            found = set(self._client.run(version, "offloadlib").values())
        except Exception as error:
            self._client.close()
            raise InputError("--dask", [("", f"a worker cannot use offloadlib: {error}")]) from None
        own = __version__
        if found - {own}:
            self._client.close()
            others = ", ".join(sorted(found))
            raise InputError("--dask", [("", f"the workers have offloadlib {others}, not {own}")])

    @property
    def parallel(self) -> int:
        """How many jobs run at a time."""
        threads: int = sum(self._client.nthreads().values())
        return max(threads, 1)

    def rows(self, jobs: Sequence[Job], interrupts: Interrupts) -> Iterator[StudyRow]:
        """Do jobs, and yield each row as it comes.

        A job whose workers died again and again (Dask's ``allowed-failures``) has no row.
        """
        from distributed import KilledWorker

        done: queue.SimpleQueue[Future] = queue.SimpleQueue()
        futures = {
            self._client.submit(_perform, job, key=f"offloadlib-{job.key}", pure=False) for job in jobs
        }
        for future in futures:
            future.add_done_callback(done.put)
        try:
            while futures and not interrupts.count:
                try:
                    future = done.get(timeout=_POLL)
                except queue.Empty:
                    continue
                if future.status == "lost":
                    continue
                futures.discard(future)
                try:
                    row = future.result()
                except KilledWorker:
                    continue
                if row is not None:
                    yield row
        finally:
            self._client.cancel(list(futures))

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()


def _perform(job: Job) -> StudyRow | None:
    """On a worker: a job in a process of its own, which Dask's nanny would not allow its workers."""
    multiprocessing.current_process().daemon = False
    return perform(job, alone=False)
