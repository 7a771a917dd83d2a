"""Tracing a front: one solve after the other, each with its certificate, kept in a table from which a later
run goes on."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from offloadlib.instances import (
    Budget,
    InputError,
    Instance,
    Result,
    Solution,
    Status,
    StoredSolution,
    evaluate,
    gap,
    write,
    write_solution,
)
from offloadlib.instances.files.document import replacing
from offloadlib.methods import Method
from offloadlib.proofs import certify, default_time, kept_proof, proving
from offloadlib.registry import find
from offloadlib.running import workers
from offloadlib.running.interrupts import Interrupts, counted_interrupts
from offloadlib.running.records import stored
from offloadlib.solving import admit

from .front import Front

TABLE = "front.csv"

ROUNDING = 1e-9
"""Relative."""


@dataclass(frozen=True)
class Point:
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
    on_point: Callable[[Point, bool], None] = lambda point, known: None

    def __post_init__(self) -> None:
        self.points: list[Point] = []
        self._solutions: list[Solution] = []
        self._known = {(point.front, point.sha256): point for point in read_table(self.folder / TABLE)}

    def trace(self, front: Front, points: int) -> list[Point]:
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
            low = self._solve(front.least, math.inf).y * (1 + ROUNDING)
            high = self._solve(front, math.inf).x
            sizes = front.sizes(low, high, points)[:-1] if high > low else []
        for size in sizes:
            self._solve(front, size)
        return sorted((point for point in self.points if point.front == front.name), key=_size)

    def _solve(self, front: Front, size: float) -> Point:
        """One point, from the table where it is there already."""
        name = f"{front.instance.name}: least {front.y}" + (
            f", {front.x} at most {size:.10g}" if math.isfinite(size) else ""
        )
        instance = replace(front.at(size), name=name)
        known = self._known.get((front.name, instance.fingerprint))
        point = self._solved(front, size, instance) if known is None else known
        self.points.append(point)
        self._write(sorted(self.points, key=_size))
        self.on_point(point, known is not None)
        return point

    def _solved(self, front: Front, size: float, instance: Instance) -> Point:
        method = find(self.method)
        budget = replace(self.budget, start=self._start(instance))
        admit(instance, method, budget)
        stem = f"{front.name}-{instance.fingerprint[:10]}"
        files = [self.folder / f"{stem}{ending}" for ending in (".json", ".sol.json", ".cert.json")]
        kept = self.folder / f".{stem}.proof"
        chosen = proving(method, instance.kind, kept)
        try:
            with counted_interrupts(patient=False) as interrupts:
                result, solution, certified = self._certified(
                    chosen, instance, budget, files[2], kept, interrupts
                )
                if interrupts.count:
                    raise KeyboardInterrupt
        finally:
            kept.unlink(missing_ok=True)
        write(instance, files[0])
        write_solution(solution, instance, files[1])
        bound = -math.inf if solution.lower_bound is None else solution.lower_bound
        x = y = math.nan
        if result.solution is not None:
            y = solution.objective
            x = front.used(evaluate(instance, result.solution))
            self._solutions.append(result.solution)
        distance = gap(y, bound) if math.isfinite(y) and math.isfinite(bound) else None
        return Point(
            front=front.name,
            size=size,
            x=x,
            y=y,
            lower_bound=bound,
            gap=math.nan if distance is None else distance,
            status=str(solution.status),
            certified=certified,
            time=result.runtime,
            sha256=instance.fingerprint,
            stem=stem,
        )

    def _certified(
        self,
        method: Method,
        instance: Instance,
        budget: Budget[Any],
        path: Path,
        kept: Path,
        interrupts: Interrupts,
    ) -> tuple[Result[Any], StoredSolution[Any], bool]:
        """A solve and its proof, each in a process of its own, which Ctrl-C ends."""
        outcome = workers.run(method, instance, budget, interrupts=interrupts)
        if isinstance(outcome.error, InputError):
            raise outcome.error
        if outcome.result is None:
            if interrupts.count:
                raise KeyboardInterrupt
            raise RuntimeError(outcome.message)
        result: Result[Any] = outcome.result
        solution, certified = stored(result, self.method, budget), False
        if result.status is Status.UNKNOWN or interrupts.count:
            return result, solution, False
        allowed = default_time(budget.time_limit) if self.proof_time is None else self.proof_time
        proof = kept_proof(kept)
        job = partial(certify, instance, solution, path, allowed, budget.gap, proof)
        ending, value, _ = workers.aside(job, "offloadlib certificate", interrupts)
        if isinstance(value, InputError):
            raise value
        if ending is workers.Ending.DONE:
            solution, certified = value
        return result, solution, certified

    def _start(self, instance: Instance) -> Solution | None:
        """The best of the solutions before that keeps the limits of this instance."""
        costed = ((instance.evaluate(solution), solution) for solution in self._solutions)
        sound = [(found.total, solution) for found, solution in costed if found.feasible]
        return min(sound, key=lambda pair: pair[0], default=(0.0, None))[1]

    def _write(self, points: list[Point]) -> None:
        with replacing(self.folder / TABLE) as file:
            file.write(table(points).to_csv(index=False).encode())


def _size(point: Point) -> tuple[str, float]:
    return point.front, point.size


def table(points: list[Point]) -> pd.DataFrame:
    """Points as a table, a column for each of their attributes."""
    return pd.DataFrame([asdict(point) for point in points], columns=[item.name for item in fields(Point)])


def read_table(path: Path) -> list[Point]:
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
        names = [item.name for item in fields(Point)]
        return [Point(**dict(zip(names, row, strict=True))) for row in frame[names].itertuples(index=False)]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(path, [("", f"is not the table of a front: {error}")]) from None
