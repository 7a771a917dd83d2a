"""The best known objective and the best proven bound of the library's instances.

``instances/library/best_known.json`` keeps the two apart, each with where it is from::

    {"<stem of the instance file>": {"sha256": "...",
        "objective": {"value": 24.045, "method": "milp", "date": "2026-11-22", "version": "0.1.0"},
        "lower_bound": {"value": 24.045, "method": ..., "date": ..., "version": ...,
                        "certified": true}}, ...}

The solution of each objective is in ``solutions/`` beside it and, where ``certified`` is true, a proof
of the bound that the independent checker accepts is in ``certificates/``; a bound that is not certified
is a solver's claim.

``python -m offloadlib.best_known`` tries to improve all entries, or those of the stems that it is given.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from instances import InputError, Instance
from instances.storage import parse_json, read_bytes, replacing


@dataclass(frozen=True)
class Claim:
    """A value, and the method, day and version that reached it; whether the checker accepted a proof."""

    value: float
    method: str
    date: str
    version: str
    certified: bool = False


@dataclass(frozen=True)
class BestKnown:
    """What is known of an instance with this fingerprint."""

    sha256: str
    objective: Claim | None
    lower_bound: Claim | None


def library() -> Path:
    """The folder of the instances that come with the package."""
    return Path(str(files("instances"))) / "library"


def read_best_known(path: str | Path | None = None) -> dict[str, BestKnown]:
    """What is known of each instance of the library, by the stem of its file; empty without a file.

    Raises
    ------
    InputError
        If the file is there and cannot be used.
    """
    path = library() / "best_known.json" if path is None else Path(path)
    if not path.exists():
        return {}
    document = parse_json(read_bytes(path), path)
    try:
        return {stem: _entry(item) for stem, item in document.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, [("", f"is not a table of best known values ({error!r})")]) from None


def _entry(item: Mapping[str, Any]) -> BestKnown:
    return BestKnown(item["sha256"], _claim(item.get("objective")), _claim(item.get("lower_bound")))


def _claim(item: Mapping[str, Any] | None) -> Claim | None:
    if item is None:
        return None
    certified = bool(item.get("certified", False))
    return Claim(float(item["value"]), item["method"], item["date"], item["version"], certified)


def best_known(instance: Instance) -> BestKnown | None:
    """What is known of an instance: found by its fingerprint, whatever its name."""
    entries = read_best_known().values()
    return next((entry for entry in entries if entry.sha256 == instance.fingerprint), None)


METHODS_TRIED = ("gsod-i", "gsod-ii", "milp-arrays", "branch-and-price")
"""In this order, each from the best solution so far."""


def improve(stem: str, time_limit: float) -> BestKnown:
    """Try to improve what is known of an instance of the library, and write down what is better.

    Parameters
    ----------
    stem
        The instance is ``<stem>.json`` in the library.
    time_limit
        Seconds for each method, and for the proof.
    """
    from instances import read, read_solution, write_solution

    from .solving import solve

    instance = read(library() / f"{stem}.json")
    path = solution_file(stem)
    known = read_best_known().get(stem)
    if known is not None and known.sha256 != instance.fingerprint:
        known = None
    objective, bound = (known.objective, known.lower_bound) if known else (None, None)
    start = read_solution(path, instance).solution if objective else None
    for method in METHODS_TRIED:
        result = solve(instance, method, time_limit=time_limit, threads=2, start=start)
        if objective is None or result.objective < objective.value:
            objective, start = _today(result.objective, method), result.solution
            path.parent.mkdir(exist_ok=True)
            write_solution(result.stored(method), instance, path)
        if result.lower_bound is not None and (bound is None or result.lower_bound > bound.value):
            bound = _today(result.lower_bound, method)
    if start is not None and not (bound and bound.certified and certificate_file(stem).exists()):
        bound = _certified(instance, stem, time_limit, bound)
    entry = BestKnown(instance.fingerprint, objective, bound)
    _write(read_best_known() | {stem: entry})
    return entry


def solution_file(stem: str) -> Path:
    """Where the best known solution of an instance is."""
    return library() / "solutions" / f"{stem}.sol.json"


def certificate_file(stem: str) -> Path:
    """Where the proof of the best certified bound of an instance is."""
    return library() / "certificates" / f"{stem}.cert.json"


def _certified(instance: Instance, stem: str, time_limit: float, bound: Claim | None) -> Claim | None:
    """A bound with a proof, where it is about as good as the best claim; else the claim."""
    from instances import read_solution, write_solution

    from .proofs import certify

    path, proof = solution_file(stem), certificate_file(stem)
    proof.parent.mkdir(exist_ok=True)
    stored, accepted = certify(instance, read_solution(path, instance), proof, time_limit)
    value = stored.lower_bound
    good = bound is None or (value is not None and value >= bound.value - 1e-9 * abs(bound.value))
    if not accepted or not good or value is None:
        proof.unlink()
        return bound
    write_solution(stored, instance, path)
    return _today(value, "branch-and-price", certified=True)


def _today(value: float, method: str, certified: bool = False) -> Claim:
    return Claim(value, method, date.today().isoformat(), version("offloadlib"), certified)


def _write(entries: Mapping[str, BestKnown]) -> None:
    document = {stem: asdict(entry) for stem, entry in sorted(entries.items())}
    for entry in document.values():
        (entry["objective"] or {}).pop("certified", None)
    with replacing(library() / "best_known.json") as file:
        file.write((json.dumps(document, indent=1) + "\n").encode())


def main(arguments: Sequence[str]) -> None:
    """Improve the entries of some stems, or of the whole library."""
    stems = arguments or sorted(
        path.stem for path in library().glob("*.json") if path.name != "best_known.json"
    )
    for stem in stems:
        entry = improve(stem, time_limit=float(os.environ.get("TIME_LIMIT", "60")))
        objective = entry.objective.value if entry.objective else None
        bound = entry.lower_bound.value if entry.lower_bound else None
        certified = " certified" if entry.lower_bound and entry.lower_bound.certified else ""
        print(f"{stem}: objective {objective}, lower bound {bound}{certified}")


if __name__ == "__main__":
    main(sys.argv[1:])
