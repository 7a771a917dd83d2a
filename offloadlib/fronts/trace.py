"""Tracing a front: one solve after the other, each with its certificate, kept in a table from which a later
run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from offloadlib.instances import (
    Budget,
    InputError,
    Instance,
    Result,
    Solution,
    evaluate,
    gap,
    read_solution,
    write,
    write_solution,
)
from offloadlib.instances.files.document import replacing
from offloadlib.proofs import keeping_proof, without_bound
from offloadlib.registry import find
from offloadlib.running import proving, workers
from offloadlib.running.interrupts import Interrupts, counted_interrupts
from offloadlib.running.records import stored
from offloadlib.solving import admit

from .front import Front

TABLE, SOLUTION = "front.csv", ".sol.json"

ROUNDING = 1e-9
"""Relative."""


@dataclass(frozen=True)
class FrontPoint:
    """A point of a front.

    Attributes
    ----------
    front
        Its name.
    size
        The limit; infinite: none.
    x, y
        What the solution uses of it, and what it costs; NaN where there is none.
    lower_bound
        No solution within the limit costs less; infinite where there is none at all, minus infinity where
        nothing is proven.
    gap
        (y - lower bound)/|y|; NaN where that says nothing.
    status
        Of the solution.
    certified
        Whether the checker has accepted a proof of the bound.
    time
        Seconds of the solve.
    sha256
        Fingerprint of the instance with this limit.
    stem
        What the names of its files begin with: instance, solution, certificate.
    """

    front: str
    size: float
    x: float
    y: float
    lower_bound: float
    gap: float
    status: str
    certified: bool
    time: float
    sha256: str
    stem: str


@dataclass
class Tracer:
    """Solves points one after the other.

    Parameters
    ----------
    folder
        For the table and the files of each point.
    method
        Of every solve.
    budget
        For each of them; the start is that of the point before.
    proof_time
        Seconds for each certificate; None: as long as a solve, and at least 30.
    on_point
        Is told of each point, and whether it was there from an earlier run.
    """

    folder: Path
    method: str = "branch-and-price"
    budget: Budget[Any] = Budget()  # noqa: RUF009 - it is frozen
    proof_time: float | None = None
    on_point: Callable[[FrontPoint, bool], None] = lambda point, known: None

    def __post_init__(self) -> None:
        self.points: list[FrontPoint] = []
        self._solutions: list[Solution] = []
        self._known = {(point.stem, point.sha256): point for point in read_table(self.folder / TABLE)}

    def trace(self, front: Front, points: int) -> list[FrontPoint]:
        """The points of a front, ascending in their limit; where it begins is found out first.

        Raises
        ------
        InputError
            If the method cannot solve the instances, or nothing can be written.
        KeyboardInterrupt
            After Ctrl-C; what is done is in the table, and the same command goes on from there.
        """
        if front.least is None:
            sizes = front.sizes(0.0, front.size, points)
        else:
            # Exact sums may be above their rounded values, by which the limit would leave nothing.
            low = self._solve(front.least, math.inf).y
            low += ROUNDING * abs(low)
            high = self._solve(front, math.inf).x
            sizes = front.sizes(low, high, points)[:-1] if high > low else []
        for size in sizes:
            self._solve(front, size)
        self._forget()
        return sorted((point for point in self.points if point.front == front.name), key=_size)

    def _solve(self, front: Front, size: float) -> FrontPoint:
        """One point, from the table where it is there already."""
        name = f"{front.instance.name}: least {front.y}" + (
            f", {front.x} at most {size:.10g}" if math.isfinite(size) else ""
        )
        instance = replace(front.at(size), name=name)
        stem, sha256 = "-".join([front.stem(size), instance.fingerprint[:10]]), instance.fingerprint
        known = self._known.get((stem, sha256))
        point = self._solved(front, size, instance, stem) if known is None else known
        if known is not None and not math.isnan(known.y):
            self._recall(known, instance)
        self.points.append(point)
        self._known[stem, sha256] = point
        self._write()
        self.on_point(point, known is not None)
        return point

    def _recall(self, point: FrontPoint, instance: Instance) -> None:
        """Start from the solution of an earlier run, too, if its file is still there."""
        path = self.folder / f"{point.stem}{SOLUTION}"
        if path.exists() and (solution := read_solution(path, instance).solution) is not None:
            self._solutions.append(solution)

    def _solved(self, front: Front, size: float, instance: Instance, stem: str) -> FrontPoint:
        method, largest = find(self.method), front.largest(size)
        budget = replace(self.budget, start=self._start(instance, largest))
        admit(instance, method, budget)
        files = [self.folder / f"{stem}{ending}" for ending in (".json", SOLUTION, ".cert.json")]
        kept = self.folder / f".{stem}.proof"
        chosen = keeping_proof(method, instance.kind, kept, largest)
        try:
            with counted_interrupts(patient=False) as interrupts:
                outcome = workers.run(chosen, instance, budget, interrupts=interrupts)
                result = _result(outcome, interrupts)
                solution, why = proving.certified(
                    *(instance, stored(result, self.method, budget), files[2], kept, budget),
                    *(self.proof_time, interrupts),
                )
                if interrupts.count:
                    raise KeyboardInterrupt
        finally:
            kept.unlink(missing_ok=True)
        write(instance, files[0])
        write_solution(without_bound(solution) if largest < math.inf else solution, instance, files[1])
        bound = -math.inf if solution.lower_bound is None else solution.lower_bound
        x = y = math.nan
        if result.solution is not None:
            y = solution.objective
            x = front.used(evaluate(instance, result.solution))
            self._solutions.append(result.solution)
        distance = gap(y, bound) if math.isfinite(y) and math.isfinite(bound) else None
        return FrontPoint(
            front=front.name,
            size=size,
            x=x,
            y=y,
            lower_bound=bound,
            gap=math.nan if distance is None else distance,
            status=str(solution.status),
            certified=not why,
            time=result.runtime,
            sha256=instance.fingerprint,
            stem=stem,
        )

    def _start(self, instance: Instance, largest: float) -> Solution | None:
        """The best of the solutions before that keeps the limits of this instance and of all costs."""
        costed = ((evaluate(instance, solution), solution) for solution in self._solutions)
        sound = [
            (found.total, solution)
            for found, solution in costed
            if found.feasible and found.largest <= largest
        ]
        return min(sound, key=lambda pair: pair[0], default=(0.0, None))[1]

    def _forget(self) -> None:
        """Leave out of the table what an earlier run has of these fronts at other sizes, or of other data."""
        fronts = {point.front for point in self.points}
        kept = [point for point in self._known.values() if point.front not in fronts]
        self._known = {(point.stem, point.sha256): point for point in (*kept, *self.points)}
        self._write()

    def _write(self) -> None:
        """All that is known: points of an earlier run that are still to come, and other fronts."""
        points = sorted(self._known.values(), key=_size)
        with replacing(self.folder / TABLE) as file:
            file.write(table(points).to_csv(index=False).encode())


def _result(outcome: workers.Ended, interrupts: Interrupts) -> Result[Any]:
    """What a solve has found.

    Raises
    ------
    InputError
        If the method cannot solve the instance.
    KeyboardInterrupt
        If Ctrl-C has ended it with nothing.
    RuntimeError
        If it has failed with nothing.
    """
    if isinstance(outcome.error, InputError):
        raise outcome.error
    if outcome.result is None:
        if interrupts.count:
            raise KeyboardInterrupt
        raise RuntimeError(outcome.message)
    return outcome.result


def _size(point: FrontPoint) -> tuple[str, float]:
    return point.front, point.size


def table(points: list[FrontPoint]) -> pd.DataFrame:
    """Points as a table, a column for each of their attributes."""
    return pd.DataFrame(
        [asdict(point) for point in points], columns=[item.name for item in fields(FrontPoint)]
    )


def read_table(path: Path) -> list[FrontPoint]:
    """The points of an earlier run; none where there is no table.

    Raises
    ------
    InputError
        If the file is no such table.
    """
    if not path.exists():
        return []
    try:
        frame = pd.read_csv(path, dtype={"certified": "bool", "sha256": "str"})
        names = [item.name for item in fields(FrontPoint)]
        return [
            FrontPoint(**dict(zip(names, row, strict=True))) for row in frame[names].itertuples(index=False)
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(path, [("", f"is not the table of a front: {error}")]) from None
