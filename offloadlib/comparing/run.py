"""Every method on every instance: solved one by one, checked independently, set against what is proven."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from offloadlib.best_known import BestKnown, best_known, certificate_file
from offloadlib.check import Unusable, check
from offloadlib.cli.options import keep_apart
from offloadlib.instances import (
    AnyEvaluation,
    AnyInstance,
    Budget,
    HybridInstance,
    InputError,
    Instance,
    Progress,
    Result,
    gap,
    read,
    read_solution,
    write,
    write_solution,
)
from offloadlib.instances.run import OPTIMAL_GAP, slack
from offloadlib.kinds import KINDS
from offloadlib.proofs import certify, default_time
from offloadlib.registry import METHODS, Family, Method, find
from offloadlib.running import workers
from offloadlib.running.keeping import FalseResult
from offloadlib.running.records import stored
from offloadlib.running.workers import Ending
from offloadlib.running.workers import Outcome as Ended
from offloadlib.solving import first

if TYPE_CHECKING:
    import pandas as pd

TIME_LIMIT = 60.0
"""Seconds that each solve gets unless told otherwise."""

GROUPS: dict[str, tuple[Family, ...]] = {
    "all": (Family.HEURISTIC, Family.EXACT),
    "heuristics": (Family.HEURISTIC,),
    "exact": (Family.EXACT,),
}

REJECTED = "rejected"

LONGEST_STEM = 80
"""Characters of an instance's name in the names of files, which file systems limit to 255."""

FOLDERS = ("solutions", "certificates")
"""Parts of the folder of a comparison."""


@dataclass(frozen=True)
class Row:
    """One method on one instance; None where there is nothing to say.

    Attributes
    ----------
    instance, devices, offload_points
        Its name (with its file where others have the same one), M and N.
    method, family
        The method.
    status
        ``optimal``, ``feasible``, ``failed``, ``overrun``, ``interrupted``, ``does not apply``, or
        ``rejected`` by the checker.
    objective, lower_bound
        Cost, and the bound that this method claims.
    best_objective
        The least cost on this instance, over all methods and the library's best known values.
    certified_bound
        The lower bound on this instance that the checker has accepted a certificate of. No solver's own
        claim enters here, nor what follows.
    gap
        (objective - certified bound)/objective.
    certified
        Whether this solution is proven optimal by that certificate.
    ratio_low, ratio_high
        Between these lies cost/optimum; they are equal where the optimum is certified.
    saving, utilisation, fairness, worse_off
        See :class:`.instances.Evaluation`.
    time
        Seconds of the method alone.
    checked
        The checker's verdict.
    message
        What else there is to say.
    """

    instance: str
    devices: int
    offload_points: int
    method: str
    family: str
    status: str
    objective: float | None = None
    lower_bound: float | None = None
    best_objective: float | None = None
    certified_bound: float | None = None
    gap: float | None = None
    certified: bool = False
    ratio_low: float | None = None
    ratio_high: float | None = None
    saving: float | None = None
    utilisation: float | None = None
    fairness: float | None = None
    worse_off: int | None = None
    time: float | None = None
    checked: str = ""
    message: str = ""


_PANDAS_TYPES: dict[Any, Any] = {
    str: object,
    int: "int64",
    bool: "bool",
    int | None: "Int64",
    float | None: "float64",
}
_TYPES: dict[str, Any] = {name: _PANDAS_TYPES[hint] for name, hint in get_type_hints(Row).items()}
"""Type of each column, whatever is missing in it."""


@dataclass(frozen=True)
class Case:
    """An instance, under a label of its own, in a file that the checker can read.

    ``stem`` is what the names of files about it begin with.
    """

    label: str
    stem: str
    instance: AnyInstance
    path: Path
    known: BestKnown | None

    @cached_property
    def first(self) -> Any:
        """Where exact methods start from."""
        return first(self.instance)


@dataclass(frozen=True)
class Run:
    """One method on one instance, and what came of it: ``result`` and its file only where there is one."""

    case: Case
    method: Method
    row: Row
    result: Result[Any] | None = None
    path: Path | None = None
    evaluation: AnyEvaluation | None = None

    @property
    def sound(self) -> bool:
        """Whether the checker accepted the solution."""
        return self.result is not None and self.row.status != REJECTED


Given = str | Path | Instance | HybridInstance
"""A file, or an instance."""

OnRow = Callable[[Row], None]
OnProgress = Callable[[str, str, Progress | None], None]


def compare(
    instances: Iterable[Given] | Given,
    methods: Sequence[str | Method] | str | None = None,
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
        Files, or instances.
    methods
        Names, ``all``, ``exact`` or ``heuristics`` (also as one string with commas), or methods of
        your own; all by default. A group leaves out methods for other kinds of instances than there are.
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
        _keep_apart(instances, Path(output))
    with _folder(output) as folder:
        cases = _cases(instances, folder)
        chosen = select(methods, {case.instance.kind for case in cases})
        if on_begin is not None:
            on_begin(len(cases) * len(chosen))
        runs: list[Run] = []
        bounds: dict[str, float | None] = {}
        interrupted = False
        try:
            for case in cases:
                for method in chosen:
                    outcome = _outcome(case, method, budget, on_progress)
                    runs.append(judged(case, method, outcome, budget, folder))
                    if on_row is not None:
                        on_row(_settled(case, runs)[-1].row)
                    if outcome.interrupted:
                        raise KeyboardInterrupt
                if on_progress is not None:
                    on_progress(case.label, "certificate", None)
                bounds[case.label] = _certified(case, runs, time_limit, folder)
        except KeyboardInterrupt:  # between two solves, or while a solution is checked
            interrupted = True
        runs = [run for case in cases for run in _settled(case, runs, bounds.get(case.label))]
        frame = pd.DataFrame([asdict(run.row) for run in runs], columns=list(_TYPES)).astype(_TYPES)
        frame.attrs["interrupted"] = interrupted
        if output is not None and runs:
            from offloadlib.comparing.report import write_report

            write_report(frame, runs, folder)
    return frame


def select(
    methods: Sequence[str | Method] | str | None = None, kinds: Collection[str] = tuple(KINDS)
) -> list[Method]:
    """The methods of names and groups, each once, in the order given.

    Parameters
    ----------
    methods
        As for :func:`compare`.
    kinds
        Groups have the methods that solve instances of one of these kinds.

    Raises
    ------
    InputError
        If a name is not known, or none is given.
    """
    names: Sequence[str | Method] = methods.split(",") if isinstance(methods, str) else methods or ["all"]
    chosen: dict[str, Method] = {}
    for name in names:
        if isinstance(name, Method):
            chosen[name.name] = name
        elif name.strip() in GROUPS:
            families = GROUPS[name.strip()]
            chosen |= {
                method.name: method
                for method in METHODS.values()
                if method.family in families and not method.kinds.isdisjoint(kinds)
            }
        else:
            method = find(name.strip())
            chosen[method.name] = method
    return list(chosen.values())


@contextmanager
def _folder(output: str | Path | None) -> Iterator[Path]:
    """The folder for what a comparison writes, with its parts; one that goes away if none is given."""
    if output is None:
        with tempfile.TemporaryDirectory(prefix="offloadlib-") as name:
            for part in FOLDERS:
                (Path(name) / part).mkdir()
            yield Path(name)
        return
    folder = Path(output)
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(folder, [("", f"cannot be used as a folder: {error.strerror}")]) from None
    yield folder


def _keep_apart(given: Sequence[Given], folder: Path) -> None:
    """Refuse instance files that are in the folder under a name that a comparison may give to its own."""
    parts = FOLDERS if all(isinstance(item, str | Path) for item in given) else (*FOLDERS, "instances")
    own = [path for path in folder.glob("*") if path.suffix in (".png", ".svg", ".csv", ".html")]
    own += [path for part in parts for path in (folder / part).glob("*")]
    for item in given:
        if isinstance(item, str | Path):
            for path in own:
                keep_apart([Path(item)], [path])


def _cases(given: Sequence[Given], folder: Path) -> list[Case]:
    """Read every instance before anything runs; write down those that have no file."""
    if not given:
        raise InputError("compare", [("instances", "must name at least one")])
    paths = [Path(item) if isinstance(item, str | Path) else None for item in given]
    read_in: list[AnyInstance] = [read(item) if isinstance(item, str | Path) else item for item in given]
    cases: list[Case] = []
    taken: set[str] = set()
    for label, instance, path in zip(_labels(read_in, paths), read_in, paths, strict=True):
        stem = _stem(label, taken)
        if path is None:
            (folder / "instances").mkdir(exist_ok=True)
            path = folder / "instances" / f"{stem}.json"
            write(instance, path)
        cases.append(Case(label, stem, instance, path, best_known(instance)))
    return cases


def _labels(given: Sequence[AnyInstance], paths: Sequence[Path | None]) -> list[str]:
    """What each instance is called: its name, with its file where others have the same one."""
    named = [(instance.name, path.name if path else "") for instance, path in zip(given, paths, strict=True)]
    by_name, by_file = Counter(name for name, _ in named), Counter(named)
    labels: list[str] = []
    for (name, file), path in zip(named, paths, strict=True):
        label = name or "unnamed"
        if by_name[name] > 1 and file:
            label = f"{label} ({file if by_file[name, file] == 1 else path})"
        labels.append(_unlike(label, labels, " "))
    return labels


def _unlike(name: str, taken: Collection[str], mark: str) -> str:
    """A name that is not taken: the name itself, or with a number."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}{mark}{number}"
    return found


def _stem(name: str, taken: set[str]) -> str:
    """A name that can be part of a file name, and that no other instance has."""
    plain = re.sub(r"[^\w.+-]+", "-", name)[:LONGEST_STEM].strip("-.") or "instance"
    stem = _unlike(plain, taken, "-")
    taken.add(stem)
    return stem


def _outcome(case: Case, method: Method, budget: Budget, on_progress: OnProgress | None) -> Ended:
    if on_progress is not None:
        on_progress(case.label, method.name, None)
        budget = replace(budget, on_progress=partial(on_progress, case.label, method.name))
    start = case.first if method.family is Family.EXACT else None
    return workers.run(method, case.instance, replace(budget, start=start))


def judged(case: Case, method: Method, outcome: Ended, budget: Budget, folder: Path) -> Run:
    """The row of one solve, as far as it can be told without the others. Its solution is written."""
    row = Row(
        instance=case.label,
        devices=case.instance.num_devices,
        offload_points=case.instance.num_points,
        method=method.name,
        family=str(method.family),
        status=str(outcome.ending),
        message=outcome.message,
    )
    if outcome.result is None or isinstance(outcome.error, FalseResult):
        return Run(case, method, row)
    result = outcome.result
    evaluation = case.instance.evaluate(result.solution)
    path = folder / "solutions" / f"{case.stem}--{_stem(method.name, set())}.sol.json"
    write_solution(stored(result, method.name, budget), case.instance, path)
    accepted, verdict = _verdict(case.path, path)
    row = replace(
        row,
        status=REJECTED
        if not accepted
        else str(result.status)
        if outcome.ending is Ending.DONE
        else row.status,
        objective=result.objective,
        lower_bound=result.lower_bound,
        saving=evaluation.saving,
        utilisation=evaluation.utilisation,
        fairness=evaluation.fairness,
        worse_off=evaluation.worse_off,
        time=result.runtime,
        checked=verdict,
        message="interrupted" if outcome.interrupted else outcome.message,
    )
    return Run(case, method, row, result, path, evaluation)


def _verdict(instance: Path, solution: Path) -> tuple[bool, str]:
    """Whether the independent checker accepts a solution, and its verdict in words."""
    try:
        verdict = check(instance, solution)
    except Unusable as unusable:
        return False, f"unusable: {unusable}"
    if verdict.accepted:
        return True, "accepted"
    broken = [f"{rule.name}: {rule.message}" for rule in verdict.rules if not rule.ok]
    return False, "rejected: " + "; ".join(broken)


def _certified(case: Case, runs: Sequence[Run], time_limit: float, folder: Path) -> float | None:
    """The lower bound on an instance that the checker accepts a proof of."""
    own = [run for run in runs if run.case is case and run.sound]
    best = min(own, key=lambda run: run.row.objective or 0.0, default=None)
    if best is None or best.path is None:
        return None
    if case.known is not None and case.known.certified_bound is not None:
        return check(case.path, best.path, certificate_file(case.known.stem)).certified_bound
    path = folder / "certificates" / f"{case.stem}.cert.json"
    seconds = default_time(time_limit)
    stored, accepted = certify(case.instance, read_solution(best.path, case.instance), path, seconds)
    return stored.lower_bound if accepted else None


def _settled(case: Case, runs: Sequence[Run], bound: float | None = None) -> list[Run]:
    """The runs on one instance, with what can be said only of all of them together.

    A method that claims a bound above the cost of a checked solution is rejected.
    """
    own = [run for run in runs if run.case is case]
    known_cost = case.known.objective if case.known else None
    costs = {f"{run.method.name}'s": run.row.objective for run in own if run.sound}
    if known_cost is not None:
        costs["the best known"] = known_cost.value
    own = [_without_contradiction(run, costs) for run in own]
    cost = min((cost for cost in costs.values() if cost is not None), default=None)
    return [replace(run, row=_judged(run, cost, bound)) for run in own]


def _above(bound: float, cost: float) -> bool:
    return bound - cost > slack(cost)


def _without_contradiction(run: Run, costs: Mapping[str, float | None]) -> Run:
    if not run.sound or run.row.lower_bound is None:
        return run
    for whose, cost in costs.items():
        if cost is not None and _above(run.row.lower_bound, cost):
            verdict = (
                f"rejected: its lower bound {run.row.lower_bound:.10g} is above {whose} cost {cost:.10g}"
            )
            return replace(run, row=replace(run.row, status=REJECTED, checked=verdict))
    return run


def _judged(run: Run, best_cost: float | None, bound: float | None) -> Row:
    row = replace(run.row, best_objective=best_cost, certified_bound=bound)
    if not run.sound or row.objective is None or best_cost is None:
        return row
    low = _ratio(row.objective, best_cost)
    high = low if _closed(best_cost, bound) else None if bound is None else _ratio(row.objective, bound)
    return replace(
        row,
        gap=gap(row.objective, bound),
        certified=_closed(row.objective, bound),
        ratio_low=low,
        ratio_high=high,
    )


def _closed(cost: float, bound: float | None) -> bool:
    difference = gap(cost, bound)
    return difference is not None and difference <= OPTIMAL_GAP


def _ratio(cost: float, reference: float) -> float:
    if cost == reference:
        return 1.0
    return cost / reference if reference > 0 else math.inf
