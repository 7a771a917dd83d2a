"""What is recorded and told of a result: the run in its solution file, and the summary of ``--json``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from offloadlib.instances import AnyEvaluation, AnyInstance, Budget, Result, StoredSolution, gap
from offloadlib.instances.files.document import plain
from offloadlib.instances.files.solutions import solution_version
from offloadlib.solving import versions


def stored(result: Result[Any], method: str, budget: Budget[Any]) -> StoredSolution[Any]:
    """The result as its file holds it, with everything that the run can be repeated from."""
    solution = result.stored(method)
    parameters = {
        "time_limit": budget.time_limit,
        "gap": budget.gap,
        "threads": budget.threads,
        "solver": budget.solver,
        "warm_start": budget.start is not None,
    }
    run = {"seed": budget.seed, "parameters": parameters, "versions": versions(), **solution.run}
    return replace(solution, run=plain(run))


def summary(
    instance: AnyInstance,
    solution: StoredSolution[Any],
    evaluation: AnyEvaluation | None,
    runtime: float,
    certified: bool,
) -> dict[str, Any]:
    """The fields of the solution file but the decisions, and what ``solve --json`` adds to them;
    ``evaluation`` is None where there is no solution."""
    local = instance.evaluate(instance.all_local)
    fields: dict[str, Any] = plain(
        {
            "format": "offloadlib-solution",
            "version": solution_version(solution, instance),
            "instance": {"name": instance.name, "sha256": instance.fingerprint},
            "method": solution.method,
            "objective": solution.objective,
            "lower_bound": solution.lower_bound,
            "status": str(solution.status),
            "run": solution.run,
            "local_cost": local.total if local.feasible else None,
            "gap": gap(solution.objective, solution.lower_bound),
            "certified": certified,
            "runtime": runtime,
            "utilisation": None if evaluation is None else evaluation.utilisation,
        }
    )
    return fields
