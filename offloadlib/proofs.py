"""Certified bounds: a proof of a result's lower bound that the independent checker accepts.

Making a proof and verifying it share one budget of time. The checker works in exact arithmetic and has no
clock, so it runs in a process of its own, which is ended when time is up. What it has accepted by then
counts: of a tree that takes long to verify, the prices of its root come first, then the tree, or as much of
it as there is time for; where even the root's prices take too long, no prices may do. A certificate is
written once it is accepted, and whoever checks it again needs no more time than was needed here.
"""

from __future__ import annotations

import contextlib
import json
import math
import pickle
import re
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from offloadlib import check
from offloadlib.formulations.proofs.nodes import Divided, below_enumerations, claim
from offloadlib.formulations.proofs.pruning import pruned
from offloadlib.instances import (
    AnyInstance,
    Budget,
    InputError,
    Result,
    Status,
    StoredSolution,
    gap,
    write,
    write_solution,
)
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.kinds import face
from offloadlib.methods import Function, Method

LEAST_TIME = 30.0
"""Seconds for a proof by default, unless the time limit of the solve is longer."""

PROVING = 0.5
"""Share of the time for making a proof, at the most."""

FEW_LEAVES = 16
"""A tree with more leaves is not verified before its root is."""

FIRST = 0.5
"""Share of the time that is left for verifying something for which there is a smaller substitute."""

EASIEST = 0.1
"""Times as long as the root a leaf takes at the least: branches leave less to decide there."""

MARGIN = 1.3
"""Times as long as expected a verification may take."""

LEAST_BOUND = 1e-6
"""What bounds are relative to where they are about 0."""

RAISED = 1e-9
"""A claim that is lower than what is proven by more, relatively, is raised."""


def default_time(time_limit: float) -> float:
    """Seconds for a proof: as long as the solve may take, and at least :data:`LEAST_TIME`."""
    return max(time_limit, LEAST_TIME)


def certify(
    instance: AnyInstance,
    stored: StoredSolution[Any],
    path: str | Path,
    proof_time: float = math.inf,
    gap: float = 0.0,
    proof: Any = None,
) -> tuple[StoredSolution[Any], bool]:
    """Prove a lower bound of an instance, let the checker judge it, and write the certificate if it accepts.

    The proof is made by the prover of the instance's kind (:class:`offloadlib.kinds.Face`), whatever method
    found the solution: prices on the limits, and a tree of branches where one set of prices is not
    enough. It claims what the search knows. Where pricing was cut short, that is less than its prices prove,
    and where the checker's own minimisation reaches its limit, more than the checker can confirm: then it
    claims what the checker works out.

    Parameters
    ----------
    instance, stored
        The instance and the solution that the bound goes with.
    path
        Where to write the certificate. What is there stays where none is accepted.
    proof_time
        Seconds for making the proof and verifying it. Ctrl-C ends it before.
    gap
        The relative gap that is enough.
    proof
        Of a solve by the prover itself (:func:`keeping_proof`), if there is one.

    Returns
    -------
    stored
        The same solution with the certified bound in place of the solver's, which is kept in its run
        record; unchanged where nothing was accepted in time.
    accepted
        Whether the checker accepted instance, solution and certificate.

    Raises
    ------
    InputError
        If the certificate cannot be written.
    """
    spent = 0.0
    if proof is None:
        if not face(instance.kind).prover:
            return stored, False
        proof, spent = proved(instance, stored.solution, proof_time, gap)
    return judge(instance, stored, proof, path, proof_time - spent)


def proved(
    instance: AnyInstance, start: Any, proof_time: float = math.inf, gap: float = 0.0
) -> tuple[Any, float]:
    """The proof of a bound by the prover of an instance's kind, which there must be, and the seconds it took.

    Parameters
    ----------
    instance, start
        The instance, and a solution to start from, None if there is none.
    proof_time
        Seconds for making and verifying it: see :data:`PROVING`.
    gap
        The relative gap that is enough.
    """
    from offloadlib.instances import compiled  # not above: numba, which compiles, is slow to import

    prove = face(instance.kind).function("prove")
    compiled.prepare(prove, instance)
    begun = time.perf_counter()
    proof = prove(instance, start, Budget(time_limit=PROVING * proof_time, gap=gap))
    return proof, time.perf_counter() - begun


def judge(
    instance: AnyInstance,
    stored: StoredSolution[Any],
    proof: Any,
    path: str | Path,
    seconds: float = math.inf,
) -> tuple[StoredSolution[Any], bool]:
    """Let the checker judge a proof at hand, within so many seconds; see :func:`certify`."""
    with TemporaryDirectory(prefix="offloadlib-") as folder:
        judging = _Judging(instance, stored, proof, Path(folder), Path(path), time.perf_counter() + seconds)
        with contextlib.suppress(KeyboardInterrupt):  # what has been accepted counts
            judging.run()
        return (stored, False) if judging.best is None else (judging.best, True)


def keeping_proof(method: Method, kind: str, kept: Path, largest: float = math.inf) -> Method:
    """The method; if it is the prover of a kind of instances, it keeps its proof in a file.

    The solve may be in another process: :func:`kept_proof` reads the file. Where no device may cost more than
    ``largest``, solution and bound are those below it: then only the prover will do, from a start.
    """
    if method.name == face(kind).prover:
        return _Proving(**vars(method), kept=kept, largest=largest)
    if math.isfinite(largest):
        raise InputError("method", [("", f"{method.name} keeps no costs below a limit of their own")])
    return method


def kept_proof(kept: Path) -> Any:
    """The proof of a solve, None if there is none."""
    return pickle.loads(kept.read_bytes()) if kept.exists() else None


@dataclass(frozen=True)
class _Proving(Method):
    """The prover of a kind of instances, which keeps what it proves."""

    kept: Path = Path()
    largest: float = math.inf

    def load(self) -> Function:
        """The method's function, by way of a proof."""
        (kind,) = self.kinds
        prove = face(kind).function("prove")
        if math.isfinite(self.largest):
            prove = partial(face(kind).function("prove_below"), self.largest)

        def solve(instance: AnyInstance, budget: Budget[Any]) -> Result[Any]:
            begun = time.perf_counter()
            start = budget.start
            if start is None and instance.evaluate(instance.all_local).feasible:
                start = instance.all_local
            proof = prove(instance, start, budget)
            self.kept.write_bytes(pickle.dumps(proof))
            seconds, bound = time.perf_counter() - begun, proof.certificate.lower_bound
            told = {"nodes": proof.nodes, **proof.told}
            return Result.of(instance, proof.solution, seconds, bound, proof.termination, **told)

        return solve


@dataclass
class _Judging:
    """The attempts at a certificate, and the best that was accepted."""

    instance: AnyInstance
    stored: StoredSolution[Any]
    proof: Any
    folder: Path
    path: Path
    deadline: float
    best: StoredSolution[Any] | None = None

    @property
    def left(self) -> float:
        return self.deadline - time.perf_counter()

    def run(self) -> None:
        """Verify the root, the tree, or a part of it; the best that is accepted stays."""
        write(self.instance, self.folder / "instance.json")
        whole = self.proof.certificate
        if whole.lower_bound == math.inf:  # nothing less than all of it proves that there is no solution
            self._attempt(whole, self.left)
            return
        leaves = (len(whole.nodes) + 1) // 2
        root = self._root() if leaves > FEW_LEAVES else 0.0
        if self._worth_it(whole, root) and self._attempt(whole, FIRST * self.left):
            return
        if leaves > 1 and self.best is None:
            root = self._root()
        if self.best is None and self.proof.unpriced is not None:
            self._attempt(self.proof.unpriced, self.left)
        while self.best is not None and leaves > 2 and self.left > 0:
            leaves //= 2
            part = self._pruned(leaves)
            if self._worth_it(part, root) and self._attempt(part, FIRST * self.left):
                return

    def _root(self) -> float:
        """Verify the root alone, and return the seconds that it took."""
        begun = time.perf_counter()
        self._attempt(self._pruned(1), FIRST * self.left)
        return time.perf_counter() - begun

    def _worth_it(self, certificate: Any, root: float) -> bool:
        """Whether a tree may be verified in time, by the seconds that its root has taken.

        Where leaves have the same prices, all but one of the devices are bounded once for all of them. What
        is below an enumeration is not counted: lists, once they are made, are short.
        """
        below = below_enumerations(certificate.nodes)
        leaves = [
            pickle.dumps(node)
            for i, node in enumerate(certificate.nodes)
            if not (isinstance(node, Divided) or i in below)
        ]
        priced = len(set(leaves))
        effort = priced + (len(leaves) - priced) / self.instance.num_devices
        return EASIEST * effort * root <= FIRST * self.left

    def _pruned(self, leaves: int) -> Any:
        whole = self.proof.certificate
        if not self.proof.bounds:
            return whole
        bound, nodes = pruned(whole.nodes, self.proof.bounds, leaves)
        return replace(whole, lower_bound=min(claim(bound), whole.lower_bound), nodes=nodes)

    def _attempt(self, certificate: Any, seconds: float) -> bool:
        """Verify a certificate, and with another claim where it claims too much, or too little.

        Returns whether it, or a better one, is accepted.
        """
        if self.best is not None and certificate.lower_bound <= (self.best.lower_bound or -math.inf):
            return True
        until, accepted = time.perf_counter() + seconds, False
        for _ in range(2):
            begun = time.perf_counter()
            verdict = self._verdict(certificate, until - begun)
            took = time.perf_counter() - begun
            if verdict is None:
                break
            if verdict["accepted"]:
                accepted = True
                self._keep(certificate)
            claimed = next((rule for rule in verdict["rules"] if rule["name"] == "claim"), None)
            if claimed is None or not (accepted or not claimed["ok"]):
                break  # it is not the claim that is wrong
            told = _PROVEN.findall(claimed["message"])
            if not told:
                break
            proven = claim(float(told[0]))
            enough = RAISED * max(abs(proven), LEAST_BOUND)
            if accepted and proven <= certificate.lower_bound + enough:
                break
            if time.perf_counter() + MARGIN * took > until:
                break
            certificate = replace(certificate, lower_bound=proven)
        return accepted

    def _verdict(self, certificate: Any, seconds: float) -> dict[str, Any] | None:
        """What the checker says, in a process of its own; None if it takes longer."""
        if seconds <= 0:
            return None
        files = [self.folder / name for name in ("instance.json", "solution.sol.json", "certificate.json")]
        face(self.instance.kind).function("write_certificate")(certificate, self.instance, files[2])
        stored = self._bounded(certificate)
        if getattr(certificate, "largest", math.inf) < math.inf:
            stored = without_bound(stored)
        write_solution(stored, self.instance, files[1])
        command = [sys.executable, "-I", "-S", check.__path__[0], "--json", f"--time-limit={seconds}"]
        command += [f"--certificate={files[2]}", "--", *map(str, files[:2])]
        timeout = seconds if math.isfinite(seconds) else None
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired:
            return None
        if done.returncode not in (0, 1):
            raise RuntimeError(f"the checker ended with status {done.returncode}: {done.stderr.strip()}")
        verdict: dict[str, Any] = json.loads(done.stdout)
        return verdict

    def _keep(self, certificate: Any) -> None:
        face(self.instance.kind).function("write_certificate")(certificate, self.instance, self.path)
        self.best = self._bounded(certificate)

    def _bounded(self, certificate: Any) -> StoredSolution[Any]:
        """The solution with the bound of a certificate."""
        bound = min(certificate.lower_bound, self.stored.objective)
        distance = gap(self.stored.objective, bound)
        proven = distance is not None and distance <= OPTIMAL_GAP
        status = Status.OPTIMAL if proven else Status.FEASIBLE
        if self.stored.solution is None:
            status = Status.INFEASIBLE if bound == math.inf else Status.UNKNOWN
        return replace(
            self.stored,
            lower_bound=bound,
            status=status,
            run={
                **self.proof.told,
                **self.stored.run,
                "solver_bound": self.stored.lower_bound,
                "certificate_nodes": len(certificate.nodes),
            },
        )


def without_bound(stored: StoredSolution[Any]) -> StoredSolution[Any]:
    """A solution as its file has it where the bound is about some solutions alone."""
    return replace(stored, lower_bound=None, status=Status.FEASIBLE)


_PROVEN = re.compile(r"proven (-?[0-9][^,\s]*)")
