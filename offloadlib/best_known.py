"""The best known objective and bounds of the library's instances.

``instances/library/best_known.json`` keeps them apart, each with where it is from::

    {"<stem of the instance file>": {"sha256": "...",
        "objective": {"value": 24.045, "method": "milp", "date": "2026-11-22", "version": "0.1.0"},
        "lower_bound": {"value": 24.045, ...},
        "certified_bound": {"value": 24.045, ...}}, ...}

The solution of each objective is in ``solutions/`` beside it. ``lower_bound`` is the best that a solver
claims; ``certified_bound`` has a proof in ``certificates/`` that the independent checker accepts.

``python -m offloadlib.best_known`` tries to improve all entries, or those of the stems that it is given.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from offloadlib import __version__, shelf
from offloadlib.instances import AnyInstance, InputError
from offloadlib.instances.files.document import parse_json, read_bytes, replacing
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.kinds import face


@dataclass(frozen=True)
class Value:
    """A value, and the method, day and version that reached it."""

    value: float
    method: str
    date: str
    version: str


@dataclass(frozen=True)
class BestKnown:
    """What is known of the library's instance of this stem and fingerprint."""

    stem: str
    sha256: str
    objective: Value | None
    lower_bound: Value | None
    certified_bound: Value | None


def library() -> Path:
    """The folder of the instances that come with the package."""
    return shelf.FOLDER


def read_best_known(path: str | Path | None = None) -> dict[str, BestKnown]:
    """What is known of each instance of the library, by the stem of its file; empty without a file.

    Raises
    ------
    InputError
        If the file is there and cannot be used.
    """
    path = library() / shelf.BEST_KNOWN if path is None else Path(path)
    if not path.exists():
        return {}
    document = parse_json(read_bytes(path), path)
    try:
        return {stem: _entry(stem, item) for stem, item in document.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, [("", f"is not a table of best known values ({error!r})")]) from None


def _entry(stem: str, item: Mapping[str, Any]) -> BestKnown:
    claims = (_claim(item.get(name)) for name in ("objective", "lower_bound", "certified_bound"))
    return BestKnown(stem, item["sha256"], *claims)


def _claim(item: Mapping[str, Any] | None) -> Value | None:
    if item is None:
        return None
    return Value(float(item["value"]), item["method"], item["date"], item["version"])


def best_known(instance: AnyInstance) -> BestKnown | None:
    """What is known of an instance: found by its fingerprint, whatever its name."""
    entries = read_best_known().values()
    return next((entry for entry in entries if entry.sha256 == instance.fingerprint), None)


def improve(stem: str, time_limit: float) -> BestKnown:
    """Try to improve what is known of an instance of the library, and write down what is better.

    Parameters
    ----------
    stem
        The instance is ``<stem>.json`` in the library.
    time_limit
        Seconds for each method, and for the proof.
    """
    from offloadlib.instances import read, read_solution, write_solution
    from offloadlib.solving import solve

    instance: AnyInstance = read(library() / f"{stem}.json")
    path = solution_file(stem)
    known = read_best_known().get(stem)
    if known is not None and known.sha256 != instance.fingerprint:
        known = None
    objective, bound, certified = (
        (known.objective, known.lower_bound, known.certified_bound) if known else (None, None, None)
    )
    start = read_solution(path, instance).solution if objective else None
    for method in face(instance.kind).tried:
        result = solve(instance, method, time_limit=time_limit, threads=2, start=start)
        if objective is None or result.objective < objective.value:
            objective, start = today(result.objective, method), result.solution
            path.parent.mkdir(exist_ok=True)
            write_solution(result.stored(method), instance, path)
        if result.lower_bound is not None and (bound is None or result.lower_bound > bound.value):
            bound = today(result.lower_bound, method)
    if bound is not None and not (certified and _reaches(certified, bound)):
        certified = _certified(instance, stem, time_limit, certified)
    if certified is not None and (bound is None or certified.value > bound.value):
        bound = certified
    entry = BestKnown(stem, instance.fingerprint, objective, bound, certified)
    write_best_known(read_best_known() | {stem: entry}, library() / shelf.BEST_KNOWN)
    return entry


def solution_file(stem: str) -> Path:
    """Where the best known solution of an instance is."""
    return solution_in(library(), stem)


def certificate_file(stem: str) -> Path:
    """Where the proof of the best certified bound of an instance is."""
    return certificate_in(library(), stem)


def solution_in(folder: Path, stem: str) -> Path:
    """The same in a library elsewhere."""
    return folder / "solutions" / f"{stem}.sol.json"


def certificate_in(folder: Path, stem: str) -> Path:
    """The same in a library elsewhere."""
    return folder / "certificates" / f"{stem}.cert.json"


def _reaches(bound: Value, other: Value) -> bool:
    return bound.value >= other.value - OPTIMAL_GAP * abs(other.value)


def _certified(instance: AnyInstance, stem: str, time_limit: float, known: Value | None) -> Value | None:
    """The best bound with a proof: a new one, or the one that is known."""
    from offloadlib.instances import read_solution, write_solution
    from offloadlib.proofs import certify

    path, proof = solution_file(stem), certificate_file(stem)
    proof.parent.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        new = Path(folder) / proof.name
        stored, accepted = certify(instance, read_solution(path, instance), new, 2 * time_limit)
        if not accepted or stored.lower_bound is None:
            return known
        if known is not None and stored.lower_bound <= known.value:
            return known
        with replacing(proof) as file:
            file.write(new.read_bytes())
    write_solution(stored, instance, path)
    return today(stored.lower_bound, face(instance.kind).prover)


def today(value: float, method: str) -> Value:
    """A value that is reached today."""
    return Value(value, method, date.today().isoformat(), __version__)


def write_best_known(entries: Mapping[str, BestKnown], path: Path) -> None:
    """Write the table of best known values."""
    document = {stem: asdict(entry) for stem, entry in sorted(entries.items())}
    for entry in document.values():
        del entry["stem"]
    with replacing(path) as file:
        file.write((json.dumps(document, indent=1) + "\n").encode())


def main(arguments: Sequence[str]) -> None:
    """Improve the entries of some stems, or of the whole library."""
    for stem in arguments or shelf.names():
        entry = improve(stem, time_limit=float(os.environ.get("TIME_LIMIT", "60")))
        objective = entry.objective.value if entry.objective else None
        bound = entry.lower_bound.value if entry.lower_bound else None
        certified = entry.certified_bound.value if entry.certified_bound else None
        print(f"{stem}: objective {objective}, lower bound {bound}, certified {certified}")


if __name__ == "__main__":
    main(sys.argv[1:])
