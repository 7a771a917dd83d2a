"""Certified bounds: a proof of a result's lower bound that the independent checker accepts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from instances import Budget, Problem, Status, StoredSolution, Termination, gap, write, write_solution
from instances.run import OPTIMAL_GAP

from . import check
from .kinds import KINDS


def certify(
    instance: Problem,
    stored: StoredSolution[Any],
    path: str | Path,
    time_limit: float = math.inf,
    gap: float = 0.0,
) -> tuple[StoredSolution[Any], bool]:
    """Prove a lower bound of an instance, write the certificate, and let the checker judge it.

    The proof is made by the prover of the instance's kind (:data:`offloadlib.kinds.KINDS`), whatever method
    found the solution: prices on the limits, and a tree of branches where one set of prices is not
    enough. It claims what the search knows. Where pricing was cut short, that is less than its prices prove,
    and where the checker's own minimisation reaches its limit, more than the checker can confirm: then it
    claims what the checker works out.

    Parameters
    ----------
    instance, stored
        The instance and the solution that the bound goes with.
    path
        Where to write the certificate.
    time_limit, gap
        Seconds for the proof, and the relative gap that is enough.

    Returns
    -------
    stored
        The same solution with the certified bound in place of the solver's, which is kept in its run
        record; unchanged where the checker refuses.
    accepted
        Whether the checker accepted instance, solution and certificate.

    Raises
    ------
    InputError
        If the certificate cannot be written.
    """
    prove = KINDS[instance.kind].function("prove")
    return judge(
        instance, stored, prove(instance, stored.solution, Budget(time_limit=time_limit, gap=gap)), path
    )


def judge(
    instance: Problem, stored: StoredSolution[Any], proof: Any, path: str | Path
) -> tuple[StoredSolution[Any], bool]:
    """Write the certificate of a proof at hand, and let the checker judge it; see :func:`certify`."""
    from formulations.certificate import claim

    write_certificate = KINDS[instance.kind].function("write_certificate")
    certificate = proof.certificate
    write_certificate(certificate, instance, path)
    with TemporaryDirectory() as folder:
        files = Path(folder) / "instance.json", Path(folder) / "solution.sol.json"
        write(instance, files[0])
        for as_proven in (True,) if proof.termination is Termination.STALLED else (False, True):
            if as_proven:
                proven = check.tree_bound(check.read_instance(files[0]), check.read_certificate(path)).value
                certificate = replace(certificate, lower_bound=claim(float(proven)))
                write_certificate(certificate, instance, path)
            certified = _with_bound(stored, min(certificate.lower_bound, stored.objective), proof.nodes)
            write_solution(certified, instance, files[1])
            verdict = check.check(files[0], files[1], path)
            if verdict.accepted:
                return certified, True
            if all(rule.ok for rule in verdict.rules if rule.name == "claim"):
                break  # it is not the claim that is wrong
    return stored, False


def _with_bound(stored: StoredSolution[Any], bound: float, nodes: int) -> StoredSolution[Any]:
    distance = gap(stored.objective, bound)
    proven = distance is not None and distance <= OPTIMAL_GAP
    return replace(
        stored,
        lower_bound=bound,
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        run={**stored.run, "solver_bound": stored.lower_bound, "certificate_nodes": nodes},
    )
