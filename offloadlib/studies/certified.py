"""The certified optimum: branch-and-price whose proof the independent checker accepts."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from offloadlib.formulations.catalogue import LIMITED
from offloadlib.formulations.structured.decomposition.branch_and_price import prove
from offloadlib.instances import Budget, Instance, Result
from offloadlib.methods import Family, Method
from offloadlib.proofs import judge

CERTIFYING = 300.0
"""Seconds for the certificate after the search."""

OPTIMUM = Method(
    "optimum",
    f"{__name__}:solve",
    Family.EXACT,
    "branch-and-price with a certificate that the checker accepts",
    "Dantzig-Wolfe decomposition of (5)",
    supports=LIMITED,
    grace=CERTIFYING + 30.0,
)


def solve(instance: Instance, budget: Budget) -> Result:
    """The best solution of branch-and-price, with the bound that the checker accepted its certificate of.

    Returns
    -------
    Result
        Its time is that of the search; its record has the seconds of ``certifying``.

    Raises
    ------
    RuntimeError
        If the checker accepts no certificate in time.
    """
    begun = time.perf_counter()
    proof = prove(instance, budget.start, budget)
    runtime = time.perf_counter() - begun
    bound = proof.certificate.lower_bound
    found = Result.of(instance, proof.solution, runtime, bound, proof.termination)
    with TemporaryDirectory(prefix="offloadlib-") as folder:
        path = Path(folder) / "certificate.json"
        stored, accepted = judge(instance, found.stored(OPTIMUM.name), proof, path, CERTIFYING)
    if not accepted:
        raise RuntimeError(f"the checker accepts no certificate of a bound within {CERTIFYING:g} s")
    record = {
        "nodes": proof.nodes,
        "columns": proof.columns,
        "certifying": time.perf_counter() - begun - runtime,
    }
    if proof.solution is not None and instance.version > 1:
        record["refused"] = instance.evaluate(proof.solution).num_refused
    return replace(found, lower_bound=stored.lower_bound, run=record)
