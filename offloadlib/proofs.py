"""Certified bounds: a proof of a result's lower bound that the independent checker accepts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from instances import Budget, Instance, Status, StoredSolution, write, write_solution
from instances.cost import gap
from instances.run import OPTIMAL_GAP

from . import check


def certify(
    instance: Instance, stored: StoredSolution, path: str | Path, time_limit: float = math.inf
) -> tuple[StoredSolution, bool]:
    """Prove a lower bound of an instance, write the certificate, and let the checker judge it.

    The proof is made by branch-and-price, whatever method found the solution: prices on the limits, and
    a tree of branches where one set of prices is not enough.

    Parameters
    ----------
    instance, stored
        The instance and the solution that the bound goes with.
    path
        Where to write the certificate.
    time_limit
        Seconds for the proof.

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
    from formulations.branch_and_price import prove
    from formulations.certificate import write_certificate

    proof = prove(instance, stored.solution, Budget(time_limit=time_limit))
    write_certificate(proof.certificate, instance, path)
    bound = min(proof.certificate.lower_bound, stored.objective)
    distance = gap(stored.objective, bound)
    proven = distance is not None and distance <= OPTIMAL_GAP
    certified = replace(
        stored,
        lower_bound=bound,
        status=Status.OPTIMAL if proven else Status.FEASIBLE,
        run={**stored.run, "solver_bound": stored.lower_bound, "certificate_nodes": proof.nodes},
    )
    with TemporaryDirectory() as folder:
        files = Path(folder) / "instance.json", Path(folder) / "solution.sol.json"
        write(instance, files[0])
        write_solution(certified, instance, files[1])
        try:
            accepted = check.check(files[0], files[1], path).accepted
        except check.Unusable:  # a task too large for the checker
            accepted = False
    return (certified, True) if accepted else (stored, False)
