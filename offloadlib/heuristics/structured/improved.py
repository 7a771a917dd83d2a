"""Heuristics followed by the local search of :mod:`.improve`: one line each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from offloadlib.instances import Budget, Instance, Progress, Result, Termination, evaluate

from . import gaod as genetic
from . import gsod
from .improve import improve

Heuristic = Callable[[Instance, Budget], Result]


def followed(method: Heuristic, name: str) -> Heuristic:
    """A method, and then the local search for as long as the time limit allows.

    It goes on from the start where that is better than what the method has found. The record of a run has
    what both have to say. Where the method itself was stopped, its solution is the result; where it found
    none, and there is no start, so it ends.
    """

    def solve(instance: Instance, budget: Budget) -> Result:
        first = method(instance, budget)
        if first.solution is None and budget.start is not None:
            first = replace(first, solution=budget.start, objective=evaluate(instance, budget.start).total)
        if first.solution is None:
            return first
        if first.termination is not Termination.FINISHED:
            record = {**first.run, "start_objective": first.objective, "final_objective": first.objective}
            return replace(first, run=record)

        def later(event: Progress) -> None:
            if budget.on_progress is not None:
                budget.on_progress(replace(event, time=first.runtime + event.time))

        left = replace(budget, time_limit=budget.time_limit - first.runtime, on_progress=later)
        known = [first.solution] if budget.start is None else [first.solution, budget.start]
        best = min(known, key=lambda solution: evaluate(instance, solution).total)
        second = improve(instance, best, left)
        return replace(second, runtime=first.runtime + second.runtime, run={**first.run, **second.run})

    solve.__doc__ = f"{name}, then local search."
    return solve


gsod_i = followed(gsod.solve_difference, "GSOD-I")
gsod_ii = followed(gsod.solve_ratio, "GSOD-II")
gaod = followed(genetic.solve, "GAOD")
