"""What is said of a run: its solution checked, its cost against what is proven."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from offloadlib.best_known import certificate_file
from offloadlib.check import Unusable, check, read_instance
from offloadlib.check.files import is_columnar
from offloadlib.instances import (
    Budget,
    Result,
    Status,
    StoredSolution,
    exact,
    gap,
    read_solution,
    write_solution,
)
from offloadlib.instances.errors import counted
from offloadlib.instances.run import OPTIMAL_GAP, slack
from offloadlib.keeping import FalseResult
from offloadlib.kinds import face
from offloadlib.methods import Method
from offloadlib.proofs import certify, default_time, proved
from offloadlib.running.records import stored
from offloadlib.running.workers import Ended, Ending

from .rows import REJECTED, Case, Row, Solve


def judged(case: Case, method: Method, outcome: Ended, budget: Budget, path: Path) -> Solve:
    """The row of one solve, as far as it can be told without the others. Its solution goes to a path."""
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
        return Solve(case, method, row)
    result = outcome.result
    evaluation = None if result.solution is None else case.instance.evaluate(result.solution)
    write_solution(stored(result, method.name, budget), case.instance, path)
    accepted, verdict = True, "no solution"
    if evaluation is not None:
        accepted, verdict = _verdict(case, path)
    row = replace(
        row,
        status=REJECTED
        if not accepted
        else str(result.status)
        if outcome.ending is Ending.DONE
        else row.status,
        time=result.runtime,
        checked=verdict,
        message="interrupted" if outcome.interrupted else outcome.message or _why(result),
    )
    if evaluation is not None:
        row = replace(
            row,
            objective=result.objective,
            lower_bound=result.lower_bound,
            saving=evaluation.saving if evaluation.local.feasible else None,
            utilisation=evaluation.utilisation,
            fairness=evaluation.fairness if evaluation.local.feasible else None,
            worse_off=evaluation.worse_off if evaluation.local.feasible else None,
            refused=evaluation.num_refused,
            late=evaluation.num_late,
        )
    return Solve(case, method, row, result, path, evaluation)


def _why(result: Result[Any]) -> str:
    """Why there is no solution, as far as that is known."""
    first, *others = result.run.get("reasons", ("",))
    return f"{first}, and {counted(len(others), 'more reason')}" if others else str(first)


def _verdict(case: Case, solution: Path) -> tuple[bool, str]:
    """Whether the independent checker accepts a solution, and its verdict in words."""
    try:
        verdict = check(case.path, solution, read=_read(case))
    except Unusable as unusable:
        return False, f"unusable: {unusable}"
    if verdict.accepted:
        return True, "accepted"
    return False, "rejected: " + "; ".join(verdict.faults)


@lru_cache(maxsize=1)  # methods come one after another on the same instance
def _read(case: Case) -> Any:
    """What the checker reads in the file of an instance; None where that is too large to be kept."""
    return None if is_columnar(case.path) else read_instance(case.path)


class Proven(NamedTuple):
    """What is proven of an instance beside the runs: a lower bound that the checker accepts a proof of,
    infinite where there is no solution, and the cost of the one behind the proof, which it accepts, too."""

    bound: float | None = None
    cost: float | None = None


NOTHING_PROVEN = Proven()

PROVER = "proof"
"""What the solution behind a proof is called in its file."""


def certified(case: Case, runs: Sequence[Solve], time_limit: float, folder: Path) -> Proven:
    """The library's proof, or one that is made from the best solution; or that there is no solution."""
    own = [run for run in runs if run.case is case and run.sound]
    solved = [run for run in own if run.evaluation is not None]
    best = min(solved, key=lambda run: run.row.objective or 0.0, default=None)
    if best is None:
        best = next((run for run in own if run.row.status == Status.INFEASIBLE), None)
    if best is None or best.path is None or best.result is None:
        return Proven()
    if case.known is not None and case.known.certified_bound is not None:
        return Proven(check(case.path, best.path, certificate_file(case.known.stem)).certified_bound)
    if not face(case.instance.kind).prover:
        return Proven()
    path = folder / "certificates" / f"{case.stem}.cert.json"
    seconds = default_time(time_limit)
    proof, spent = proved(case.instance, best.result.solution, seconds)
    given = read_solution(best.path, case.instance)
    stored, accepted = certify(case.instance, given, path, seconds - spent, proof=proof)
    bound = stored.lower_bound if accepted else None
    return Proven(bound, _behind(case, proof.solution, path.with_suffix("").with_suffix(".sol.json")))


def _behind(case: Case, solution: Any, path: Path) -> float | None:
    """What a solution costs that the search for a proof has ended with, once the checker has accepted it."""
    if solution is None or not case.instance.evaluate(solution).feasible:
        return None
    cost = exact.cost(case.instance, solution)
    write_solution(StoredSolution(solution, PROVER, cost, None, Status.FEASIBLE), case.instance, path)
    return cost if _verdict(case, path)[0] else None


def settled(case: Case, runs: Sequence[Solve], proven: Proven = NOTHING_PROVEN) -> list[Solve]:
    """The runs on one instance, with what can be said only of all of them together.

    A method that claims a bound above the cost of a checked solution is rejected.
    """
    own = [run for run in runs if run.case is case]
    known_cost = case.known.objective if case.known else None
    costs = {f"{run.method.name}'s": run.row.objective for run in own if run.sound}
    if known_cost is not None:
        costs["the best known"] = known_cost.value
    if proven.cost is not None:
        costs["the certificate's"] = proven.cost
    own = [_without_contradiction(run, costs) for run in own]
    cost = min((cost for cost in costs.values() if cost is not None), default=None)
    return [replace(run, row=_judged(run, cost, proven.bound)) for run in own]


def _above(bound: float, cost: float) -> bool:
    return bound - cost > slack(cost)


def _without_contradiction(run: Solve, costs: Mapping[str, float | None]) -> Solve:
    if not run.sound:
        return run
    if run.result is not None and run.result.status is Status.INFEASIBLE:
        other = next((whose for whose, cost in costs.items() if cost is not None), None)
        if other is not None:
            verdict = f"rejected: it says that there is no solution, and {other} is one"
            return replace(run, row=replace(run.row, status=REJECTED, checked=verdict))
    if run.row.lower_bound is None:
        return run
    for whose, cost in costs.items():
        if cost is not None and _above(run.row.lower_bound, cost):
            verdict = (
                f"rejected: its lower bound {run.row.lower_bound:.10g} is above {whose} cost {cost:.10g}"
            )
            return replace(run, row=replace(run.row, status=REJECTED, checked=verdict))
    return run


def _judged(run: Solve, best_cost: float | None, bound: float | None) -> Row:
    row = replace(run.row, best_objective=best_cost, certified_bound=bound)
    if row.status == Status.INFEASIBLE and bound == math.inf:
        return replace(row, certified=True, checked="accepted")
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


def _ratio(cost: float, reference: float) -> float | None:
    """Cost over reference; None where that says nothing, as the reference is negative."""
    if cost == reference:
        return 1.0
    if reference < 0:
        return None
    return cost / reference if reference > 0 else math.inf
