"""Better values for the library: verified by the checker, and written as the change of a pull request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from offloadlib import shelf
from offloadlib.best_known import (
    BestKnown,
    Value,
    certificate_in,
    read_best_known,
    solution_in,
    today,
    write_best_known,
)
from offloadlib.check import Unusable, check
from offloadlib.instances import (
    AnyInstance,
    InputError,
    Status,
    StoredSolution,
    exact,
    gap,
    read,
    read_solution,
    write_solution,
)
from offloadlib.instances.errors import os_reason
from offloadlib.instances.files.document import parse_json, read_bytes, replacing
from offloadlib.instances.run import OPTIMAL_GAP, slack
from offloadlib.kinds import face

LIBRARY = Path("offloadlib") / "instances" / "library"
"""Where the library is in a clone."""


@dataclass(frozen=True)
class Submission:
    """What became of a solution that was handed in.

    Attributes
    ----------
    entry
        What is known of the instance now.
    better
        What is better than before, in words; nothing, if nothing is.
    rejected
        The checker's rules that do not hold.
    files
        What was written.
    """

    entry: BestKnown
    better: Sequence[str] = ()
    rejected: Sequence[str] = ()
    files: Sequence[Path] = ()


def submit(
    solution: str | Path, certificate: str | Path | None = None, folder: str | Path = "."
) -> Submission:
    """Verify a solution of an instance of the library, and write down what is better than the best known.

    Parameters
    ----------
    solution
        Its file, which says by a fingerprint which instance it is for.
    certificate
        A proof of a lower bound; without one bounds are not looked at.
    folder
        The root of a clone, whose library is changed. Elsewhere the same files are written, in
        ``offloadlib/instances/library``, to be copied over a clone.

    Returns
    -------
    Submission
        Nothing is written where the checker rejects a file, or nothing is better by more than rounding.

    Raises
    ------
    InputError
        If a file cannot be read or written, or the instance is none of the library.
    """
    target = Path(folder) / LIBRARY
    base = target if (target / shelf.BEST_KNOWN).exists() else shelf.FOLDER
    known = read_best_known(base / shelf.BEST_KNOWN)
    before = _of_library(solution, known)
    instance_file = shelf.file_of(before.stem)
    try:
        verdict = check(instance_file, solution, certificate)
    except Unusable as unusable:
        raise InputError("submit", [("", str(unusable))]) from None
    if not verdict.accepted:
        return Submission(before, rejected=verdict.faults)
    instance = read(instance_file)
    given = read_solution(solution, instance)
    if given.solution is None:
        raise InputError(solution, [("", "holds no decisions")])
    cost, bound = exact.cost(instance, given.solution), verdict.certified_bound
    after, better = before, []
    if before.objective is None or cost < before.objective.value - slack(before.objective.value):
        after = replace(after, objective=today(cost, given.method))
        better.append(f"cost {cost!r}, before {_told(before.objective)}")
    else:  # a bound goes with the best solution
        given = read_solution(solution_in(base, before.stem), instance)
    proof = None
    if certificate is not None and bound is not None and _above(bound, before.certified_bound):
        proof = certificate
        value = today(bound, face(instance.kind).prover)
        raised = before.lower_bound is None or bound > before.lower_bound.value
        after = replace(after, certified_bound=value, lower_bound=value if raised else before.lower_bound)
        better.append(f"certified bound {bound!r}, before {_told(before.certified_bound)}")
    if not better:
        return Submission(before)
    kept = None if after.certified_bound is None else certificate_in(base, before.stem)
    written = _write(target, instance, _stored(given, after), before.stem, proof, kept)
    write_best_known(known | {before.stem: after}, target / shelf.BEST_KNOWN)
    return Submission(after, better, files=[target / shelf.BEST_KNOWN, *written])


def _of_library(solution: str | Path, known: Mapping[str, BestKnown]) -> BestKnown:
    """What is known of the instance that a solution file is for."""
    document = parse_json(read_bytes(solution), solution)
    named = document.get("instance") if isinstance(document, dict) else None
    sha256 = named.get("sha256") if isinstance(named, dict) else None
    found = next((entry for entry in known.values() if entry.sha256 == sha256), None)
    if found is None:
        raise InputError(solution, [("instance.sha256", "is that of no instance of the library")])
    return found


def _above(bound: float, known: Value | None) -> bool:
    return known is None or bound > known.value + slack(known.value)


def _told(value: Value | None) -> str:
    return "none" if value is None else f"{value.value!r} by {value.method}"


def _stored(given: StoredSolution[Any], entry: BestKnown) -> StoredSolution[Any]:
    """The best solution, with the certified bound."""
    cost = given.objective if entry.objective is None else entry.objective.value
    bound = None if entry.certified_bound is None else min(entry.certified_bound.value, cost)
    distance = gap(cost, bound)
    proven = distance is not None and distance <= OPTIMAL_GAP
    status = Status.OPTIMAL if proven else Status.FEASIBLE
    return replace(given, objective=cost, lower_bound=bound, status=status)


def _write(
    target: Path,
    instance: AnyInstance,
    stored: StoredSolution[Any],
    stem: str,
    proof: str | Path | None,
    kept: Path | None,
) -> list[Path]:
    """Write the solution, and the proof if it is new, once the checker has accepted them together."""
    solution = solution_in(target, stem)
    with TemporaryDirectory(prefix="offloadlib-") as name:
        new = Path(name) / solution.name
        write_solution(stored, instance, new)
        verdict = check(shelf.file_of(stem), new, proof or kept)
        if not verdict.accepted:
            broken = "; ".join(verdict.faults)
            raise RuntimeError(f"the checker rejects what would be written ({broken})")
        files = {solution: new.read_bytes()}
    if proof is not None:
        files[certificate_in(target, stem)] = read_bytes(proof)
    for path, content in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(path.parent, [("", f"cannot be made: {os_reason(error)}")]) from None
        with replacing(path) as file:
            file.write(content)
    return list(files)
