"""Every method on every instance: solved one by one, checked independently, set against what is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offloadlib.instances import Budget, InputError, Progress
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.methods import Family, Method
from offloadlib.registry import AnyMethod, select
from offloadlib.running import workers
from offloadlib.running.workers import Ended
from offloadlib.solving import budget_problems

from .cases import Given, cases_of, folder_for, keep_folder_apart, stem_of
from .judging import NOTHING_PROVEN, Proven, certified, judged, settled
from .rows import TYPES, Case, Row, Solve

if TYPE_CHECKING:
    import pandas as pd

TIME_LIMIT = 60.0
"""Seconds that each solve gets unless told otherwise."""

OnRow = Callable[[Row], None]

OnProgress = Callable[[str, str, Progress | None], None]


def compare(
    instances: Iterable[Given] | Given,
    methods: Sequence[AnyMethod] | AnyMethod | None = None,
    *,
    time_limit: float = TIME_LIMIT,
    gap: float = OPTIMAL_GAP,
    seed: int = 0,
    threads: int = 1,
    output: str | Path | None = None,
    on_begin: Callable[[int], None] | None = None,
    on_row: OnRow | None = None,
    on_progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Run methods on instances, check every solution, and say how good each one is.

    Each solve runs in a process of its own, one after the other, so that times are honest, and a crash
    or an overrun is a row that says so. Then the instance gets a certified bound: by the certificate of
    the library, or by one that is made from the best solution, with the same time limit. Ratios are over the
    best cost that is known: that of a method, of the library, or of the solution behind the certificate, so
    that one heuristic alone gets its true ratio. Ctrl-C ends the running solve and returns the rows so far;
    ``attrs["interrupted"]`` of the table says so. :func:`offloadlib.summarise` sums it up.

    Parameters
    ----------
    instances
        Files, names of the library, or instances. Of several files, those that are no instances are left out
        with a warning.
    methods
        Names, ``all``, ``exact`` or ``heuristics`` (also as one string with commas), or methods of your own
        as for :func:`.solving.solve`; all of the package's own by default. A group leaves out methods for
        other kinds of instances than there are. A function of a notebook or a script is sent to its process
        with all that it uses; where that cannot be sent, the row says so.
    time_limit
        Seconds for each solve.
    gap
        Relative gap at which an exact method may stop.
    seed
        For everything random.
    threads
        Threads that a solver may use.
    output
        A folder for the table as CSV, the solutions, pictures, and a report that shows all of it; of several
        instances also the summary as CSV and LaTeX, and the performance profile.
    on_begin
        Called with the number of solves before the first one.
    on_row
        Called with each row when it is done, before there is a certified bound.
    on_progress
        Called with instance, method (or ``certificate``), and None when a solve begins, then with its
        progress.

    Returns
    -------
    pandas.DataFrame
        The fields of :class:`Row` as columns.

    Raises
    ------
    InputError
        If a file, a name or an option cannot be used; nothing has run then.
    """
    import pandas as pd

    select(methods)  # refuse what is not known before files are read and folders made
    budget = Budget[Any](time_limit=time_limit, gap=gap, seed=seed, threads=threads)
    if problems := list(budget_problems(budget)):
        raise InputError("compare", problems)
    instances = [instances] if isinstance(instances, Given) else list(instances)
    if output is not None:
        keep_folder_apart(instances, Path(output))
    with folder_for(output) as folder:
        cases = cases_of(instances, folder)
        chosen = select(methods, {case.instance.kind for case in cases})
        taken: set[str] = set()
        stems = {method.name: stem_of(method.name, taken) for method in chosen}
        if on_begin is not None:
            on_begin(len(cases) * len(chosen))
        runs: list[Solve] = []
        proven: dict[str, Proven] = {}
        interrupted = False
        try:
            for case in cases:
                for method in chosen:
                    outcome = _outcome(case, method, budget, on_progress)
                    path = folder / "solutions" / f"{case.stem}--{stems[method.name]}.sol.json"
                    runs.append(judged(case, method, outcome, budget, path))
                    if on_row is not None:
                        on_row(settled(case, runs)[-1].row)
                    if outcome.interrupted:
                        raise KeyboardInterrupt
                if on_progress is not None:
                    on_progress(case.label, "certificate", None)
                proven[case.label] = certified(case, runs, time_limit, folder)
        except KeyboardInterrupt:  # between two solves, or while a solution is checked
            interrupted = True
        runs = [run for case in cases for run in settled(case, runs, proven.get(case.label, NOTHING_PROVEN))]
        frame = pd.DataFrame([asdict(run.row) for run in runs], columns=list(TYPES)).astype(TYPES)
        frame.attrs["interrupted"] = interrupted
        if output is not None and runs:
            from offloadlib.comparing.report import write_report

            write_report(frame, runs, folder)
    return frame


def _outcome(case: Case, method: Method, budget: Budget, on_progress: OnProgress | None) -> Ended:
    if on_progress is not None:
        on_progress(case.label, method.name, None)
        budget = replace(budget, on_progress=partial(on_progress, case.label, method.name))
    start = case.first if method.family is Family.EXACT else None
    return workers.run(method, case.instance, replace(budget, start=start))
