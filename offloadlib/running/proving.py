"""A proof in a process of its own, after the solve whose bound it is to certify."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from offloadlib.instances import AnyInstance, Budget, InputError, Status, StoredSolution
from offloadlib.proofs import certify, default_time, kept_proof
from offloadlib.running import workers
from offloadlib.running.interrupts import Interrupts


def certified(
    instance: AnyInstance,
    solution: StoredSolution[Any],
    path: Path,
    kept: Path,
    budget: Budget[Any],
    proof_time: float | None,
    interrupts: Interrupts,
) -> tuple[StoredSolution[Any], str]:
    """The solution with the bound of a proof that the checker accepts; as it is where there is none.

    Parameters
    ----------
    instance, solution
        The instance and the solution that the bound goes with.
    path
        Where to write the certificate.
    kept
        Where a solve by the prover has kept its proof (:func:`.proofs.keeping_proof`), if it has.
    budget
        Of the solve.
    proof_time
        Seconds; None: as long as the solve may take, and at least some.
    interrupts
        What ends it.

    Returns
    -------
    solution, why
        The solution, and why its bound is not certified; empty: it is.

    Raises
    ------
    InputError
        If the certificate cannot be written.
    """
    if interrupts.last is not None:
        return solution, f"no certificate is made after {interrupts.last.name}"
    if solution.status is Status.UNKNOWN:
        return solution, "no certificate is made, as there is no solution, and no proof that there is none"
    seconds = default_time(budget.time_limit) if proof_time is None else proof_time
    job = partial(certify, instance, solution, path, seconds, budget.gap, kept_proof(kept))
    ending, value, message = workers.aside(job, "offloadlib certificate", interrupts)
    if isinstance(value, InputError):
        raise value
    accepted = False
    if ending is workers.Ending.DONE:
        solution, accepted = value
    if accepted:
        return solution, ""
    what = f"no proof that the checker accepts in {seconds:g} s"
    if interrupts.last is not None:
        what = f"the proof was ended by {interrupts.last.name}"
    elif ending is not workers.Ending.DONE:
        what = f"the proof failed ({message})"
    return solution, f"{what}; the bound is the method's own"
