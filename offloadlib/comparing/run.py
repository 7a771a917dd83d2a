"""Every method on every instance: solved one by one, checked independently, set against what is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from offloadlib.instances import Budget, InputError, Progress
from offloadlib.methods import Family, Method
from offloadlib.registry import AnyMethod, select
from offloadlib.running import workers
from offloadlib.running.workers import Ended

from .cases import Given, cases_of, folder_for, keep_folder_apart
from .judging import certified, judged, settled
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
    seed: int = 0,
    output: str | Path | None = None,
    on_begin: Callable[[int], None] | None = None,
    on_row: OnRow | None = None,
    on_progress: OnProgress | None = None,
) -> pd.DataFrame:
    """Run methods on instances, check every solution, and say how good each one is.

    Each solve runs in a process of its own, one after the other, so that times are honest, and a crash
    or an overrun is a row that says so. Then the instance gets a certified bound: by the certificate of
    the library, or by one that is made from the best solution, with the same time limit. Ctrl-C ends the
    running solve and returns the rows so far; ``attrs["interrupted"]`` of the table says so.

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
    seed
        For everything random.
    output
        A folder for the table as CSV, the solutions, pictures, and a report that shows all of it.
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
    if not time_limit > 0:
        raise InputError("compare", [("time_limit", f"must be positive, not {time_limit!r}")])
    if not 0 <= seed < 2**31:
        raise InputError("compare", [("seed", f"must lie in 0..2^31-1, not {seed!r}")])
    budget = Budget(time_limit=time_limit, seed=seed)
    instances = [instances] if isinstance(instances, Given) else list(instances)
    if output is not None:
        keep_folder_apart(instances, Path(output))
    with folder_for(output) as folder:
        cases = cases_of(instances, folder)
        chosen = select(methods, {case.instance.kind for case in cases})
        if on_begin is not None:
            on_begin(len(cases) * len(chosen))
        runs: list[Solve] = []
        bounds: dict[str, float | None] = {}
        interrupted = False
        try:
            for case in cases:
                for method in chosen:
                    outcome = _outcome(case, method, budget, on_progress)
                    runs.append(judged(case, method, outcome, budget, folder))
                    if on_row is not None:
                        on_row(settled(case, runs)[-1].row)
                    if outcome.interrupted:
                        raise KeyboardInterrupt
                if on_progress is not None:
                    on_progress(case.label, "certificate", None)
                bounds[case.label] = certified(case, runs, time_limit, folder)
        except KeyboardInterrupt:  # between two solves, or while a solution is checked
            interrupted = True
        runs = [run for case in cases for run in settled(case, runs, bounds.get(case.label))]
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
