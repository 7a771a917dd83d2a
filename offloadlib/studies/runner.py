"""From jobs to rows: each solve in a process of its own, each row kept as soon as it is there."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from offloadlib.comparing.judging import judged
from offloadlib.comparing.rows import Case
from offloadlib.instances import AnyInstance, Budget, write
from offloadlib.instances.files.document import plain
from offloadlib.methods import Family
from offloadlib.running import workers
from offloadlib.running.interrupts import Interrupts
from offloadlib.solving import first

from . import Stages, StudyRow
from .jobs import Generated, Job
from .store import Store

Rows = Callable[[Sequence[Job], Interrupts], Iterator[StudyRow]]
"""Something that does jobs, in any order, and yields their rows; it ends early where it is interrupted."""

OnRow = Callable[[StudyRow, int, int, float | None], None]
"""Called with each new row, how many are done, of how many so far, and the seconds left, if known."""

FEW = 10
"""Rows before there is an estimate of the time left: the first wait for imports."""

_OUTCOME = (
    *("status", "objective", "lower_bound", "saving", "utilisation", "fairness", "worse_off", "time"),
    *("checked", "message"),
)


def perform(job: Job, alone: bool = True, interrupts: Interrupts | None = None) -> StudyRow | None:
    """Do a job: solve in a process of its own, evaluate and check what comes of it.

    Parameters
    ----------
    job
        The job.
    alone
        Whether nothing else of the study runs at the same time, to be recorded.
    interrupts
        Where Ctrl-C is counted.

    Returns
    -------
    dict
        The key; what was run (``instance``, ``sha256``, ``devices``, ``offload_points``, ``generated``,
        ``method``, ``parameters``, ``seed``, ``time_limit``, ``version``); what came of it (as in
        :class:`offloadlib.comparing.rows.Row`, ``local_cost``, and the method's own record ``run``);
        ``alone``, ``seconds`` of the whole job, and when it was ``finished``. None if interrupted: what a
        method hands over then is not its answer.
    """
    begun = time.monotonic()
    instance = job.source.instance()
    start = first(instance) if job.method.family is Family.EXACT else None
    budget = Budget(time_limit=job.time_limit, seed=job.seed, start=start)
    outcome = workers.run(job.prepared(), instance, budget, interrupts=interrupts)
    if outcome.interrupted or (interrupts is not None and interrupts.count):
        return None
    written = _written(instance)  # held: others may push it out of the cache meanwhile
    with TemporaryDirectory(prefix="offloadlib-") as name:
        run = judged(written.case, job.method, outcome, budget, Path(name) / "a.sol.json")
    found = asdict(run.row)
    identity = job.identity
    row = {
        "key": job.key,
        "instance": instance.name,
        "sha256": instance.fingerprint,
        "devices": instance.num_devices,
        "offload_points": instance.num_points,
        "generated": identity["instance"] if isinstance(job.source, Generated) else None,
        **{name: identity[name] for name in ("method", "parameters", "seed", "time_limit", "version")},
        **{name: found[name] for name in _OUTCOME},
        "local_cost": None if run.evaluation is None else run.evaluation.local.total,
        "run": {} if outcome.result is None else dict(outcome.result.run),
        "alone": alone,
        "seconds": time.monotonic() - begun,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return {name: plain(value) for name, value in row.items()}


class _Written(NamedTuple):
    """An instance for the checker, and the folder that its file is in, which goes when nobody needs it."""

    case: Case
    folder: TemporaryDirectory[str]


@lru_cache(maxsize=4)  # methods come one after another on the same instance
def _written(instance: AnyInstance) -> _Written:
    folder = TemporaryDirectory(prefix="offloadlib-")
    path = Path(folder.name) / "instance.json"
    write(instance, path)
    return _Written(Case("instance", "instance", instance, path, None), folder)


def locally(jobs: Sequence[Job], interrupts: Interrupts, parallel: int = 1) -> Iterator[StudyRow]:
    """Do jobs on this machine, so many at a time."""

    def one(job: Job) -> StudyRow | None:
        return None if interrupts.count else perform(job, parallel == 1, interrupts)

    with ThreadPoolExecutor(parallel) as threads:  # they only wait for processes
        futures = [threads.submit(one, job) for job in jobs]
        try:
            for future in as_completed(futures):
                row = future.result()
                if row is not None:
                    yield row
        finally:
            threads.shutdown(wait=False, cancel_futures=True)


def conduct(
    stages: Stages, store: Store, shared: Rows, parallel: int, on_row: OnRow, interrupts: Interrupts
) -> dict[str, StudyRow] | None:
    """Run a study from where it stopped to its end.

    Parameters
    ----------
    stages
        The jobs of the study.
    store
        Its rows, where the new ones go.
    shared
        Does the jobs whose times do not count; the others are done on this machine, one by one.
    parallel
        How many of the former it does at a time, for the estimate of the time left.
    on_row
        Told of each new row.
    interrupts
        Where Ctrl-C is counted.

    Returns
    -------
    dict or None
        The rows of all jobs by key, in the order of the jobs; None if some are missing.
    """
    pace = Pace(store.values(), parallel)
    rows: dict[str, StudyRow] = {}
    done = total = 0
    jobs = next(stages, None)
    while jobs is not None:
        wanted = {job.key: job for job in jobs}
        total += len(wanted)
        todo = {key: Alike.of(job) for key, job in wanted.items() if key not in store}
        done += len(wanted) - len(todo)
        ahead = Counter(todo.values())
        for do, timed in ((shared, False), (locally, True)):
            part = [wanted[key] for key in todo if wanted[key].timed == timed]
            for row in do(part, interrupts) if part else ():
                store.append(row)
                pace.add(row)
                ahead[todo.pop(row["key"])] -= 1
                done += 1
                on_row(row, done, total, pace.left(ahead))
        if todo:
            return None
        rows |= {key: store[key] for key in wanted}
        try:
            jobs = stages.send([store[job.key] for job in jobs])
        except StopIteration:
            jobs = None
    return rows


class Alike(NamedTuple):
    """Jobs that take about the same time: method, its parameters, and the recipe of the instance."""

    like: tuple[str, str, str]
    timed: bool

    @classmethod
    def of(cls, job: Job) -> Alike:
        """The kind of a job."""
        generated = job.source.identity if isinstance(job.source, Generated) else None
        return cls(_like(job.method.name, plain(dict(job.parameters)), generated), job.timed)


def _like(method: str, parameters: StudyRow, generated: StudyRow | None) -> tuple[str, str, str]:
    recipe = "" if generated is None else str(generated["setting"])
    return method, str(sorted(parameters.items())), recipe


class Pace:
    """How long jobs take, by what has been seen: of the same kind, else of the same method, else of any."""

    def __init__(self, rows: Iterable[StudyRow], parallel: int = 1) -> None:
        self.parallel = parallel
        self.seen: dict[tuple[str, ...], tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        for row in rows:
            self.add(row)

    def add(self, row: StudyRow) -> None:
        """Learn from a row."""
        like = _like(row["method"], row["parameters"], row["generated"])
        for group in (like, like[:1], ()):
            count, total = self.seen[group]
            self.seen[group] = count + 1, total + row["seconds"]

    def left(self, ahead: Mapping[Alike, int]) -> float | None:
        """Seconds that so many jobs of each kind will take; None where too little has been seen."""
        if self.seen[()][0] < FEW:
            return None
        return math.fsum(count * self._expected(kind) for kind, count in ahead.items())

    def _expected(self, kind: Alike) -> float:
        group = next(group for group in (kind.like, kind.like[:1], ()) if group in self.seen)
        count, total = self.seen[group]
        return total / count / (1 if kind.timed else self.parallel)
