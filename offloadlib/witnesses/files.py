"""From files to files: what of a certificate can be exported or elaborated, and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple

from offloadlib.check.certificate import (
    Enumeration,
    below_enumerations,
    children_of,
    read_certificate,
)
from offloadlib.check.core import certificate as core_certificate
from offloadlib.check.core import reading as core_reading
from offloadlib.check.core import tree as core_tree
from offloadlib.check.core.forms import Fault
from offloadlib.check.core.rules import read_solution as read_core_solution
from offloadlib.check.data import Unfinished, Unusable
from offloadlib.check.faults import certificate_faults
from offloadlib.check.files import is_columnar, read_instance
from offloadlib.instances import InputError, Instance, evaluate, read, read_solution, write
from offloadlib.instances.errors import shown
from offloadlib.instances.files.document import parse_json, read_bytes, replacing
from offloadlib.instances.structured.series_parallel import reduction

from .branching import Progress
from .elaborate import witnesses
from .vipr import write_proof

LARGEST = 300_000
"""Places of subtasks, times leaves, at the most: a VIPR file of some GB."""

CLAIM_DIGITS = 15


class Verified(NamedTuple):
    """A certificate without faults, and its instance.

    Attributes
    ----------
    instance
        The instance.
    document
        The file, without cuts and enumerations of patterns. Where there are no cuts, what is below one takes
        its place: branches on numbers can be about all decisions. Else it has become a leaf at its prices on
        limits, and what is below is left out.
    claim
        Its lower bound.
    left_out
        How many enumerations have become leaves.
    """

    instance: Instance
    document: dict[str, Any]
    claim: Fraction
    left_out: int

    @property
    def size(self) -> int:
        """Places of subtasks, times leaves."""
        places = sum(group.work.size for group in self.instance.groups) * (self.instance.num_points + 1)
        return int(places) * sum("branch" not in node for node in self.document["nodes"])


def _unwatched(done: int, of: int) -> None:
    pass


def read_proof(instance: str | Path, certificate: str | Path) -> Verified:
    """Read a certificate and its instance.

    Raises
    ------
    InputError
        If a file cannot be read, the certificate is not about the instance or has faults, or one of them is
        of a kind that has no witnesses.
    """
    data = read(instance)
    if not isinstance(data, Instance):
        raise InputError(instance, [("kind", f"must be {shown(Instance.kind)}, not {shown(data.kind)}")])
    try:
        found = read_certificate(certificate)
        faults = certificate_faults(read_instance(instance), found)
    except Unusable as error:
        raise InputError(error.file, error.problems) from None
    except Unfinished as error:
        raise InputError(certificate, [("", str(error))]) from None
    if found.sha256 != data.fingerprint:
        raise InputError(certificate, [("instance.sha256", "is that of another instance")])
    if faults:
        raise InputError(certificate, [("", fault) for fault in faults])
    document = parse_json(read_bytes(certificate), certificate)
    inside, cut = below_enumerations(found.nodes), bool(found.cuts) or found.version > 1
    gone = [inside[i] if cut else isinstance(node, Enumeration) for i, node in enumerate(found.nodes)]
    kept = [i for i, is_gone in enumerate(gone) if not is_gone]
    number = {old: new for new, old in enumerate(kept)}
    if not cut:
        for i, node in reversed(list(enumerate(found.nodes))):
            if isinstance(node, Enumeration):
                number[i] = number[node.below]
    records: list[dict[str, Any]] = []
    for i in kept:
        node, record = found.nodes[i], dict(document["nodes"][i])
        if isinstance(node, Enumeration):
            record = {"prices": record["patterns"]}
        elif children_of(node):
            equal, different = (number[child] for child in children_of(node))
            record |= {"equal": equal, "different": different}
        if "prices" in record:
            record["prices"] = {what: one for what, one in record["prices"].items() if what != "cuts"}
        records.append(record)
    left_out = sum(isinstance(found.nodes[i], Enumeration) for i in kept)
    document = {key: value for key, value in document.items() if key != "cuts"}
    return Verified(data, {**document, "nodes": records}, found.lower_bound, left_out)


class Exported(NamedTuple):
    """A VIPR file that proves that the cost of the best solution is between two bounds.

    Attributes
    ----------
    lower_bound, upper_bound
        Exactly, as the file states them; None where it proves that there is no solution.
    lines
        Of the derivation.
    claim
        The certificate's lower bound.
    left_out
        How many enumerations of patterns it has that are not in the file: their prices alone are.
    """

    lower_bound: Fraction | None
    upper_bound: Fraction | None
    lines: int
    claim: Fraction
    left_out: int


def export_proof(
    instance: str | Path,
    solution: str | Path,
    certificate: str | Path,
    path: str | Path,
    watch: Progress = _unwatched,
) -> Exported:
    """Write a certificate as a proof that checkers of VIPR files accept.

    Parameters
    ----------
    instance, solution, certificate
        Files: an instance, a feasible solution of it, and a proof of a lower bound, or a file that says that
        there is none, and a proof of that.
    path
        Where to write; compressed where its name ends in ``.gz``.
    watch
        Is told about progress.

    Raises
    ------
    InputError
        If a file cannot be read or written, does not belong to the instance, proves nothing of it, or
        is of a kind or a size that cannot be exported.
    """
    proof = read_proof(instance, certificate)
    _insist_on_size(proof, certificate)
    if proof.document["version"] == 1:
        stored = read_solution(solution, proof.instance)
        if stored.solution is None:
            raise InputError(solution, [("decisions", "there are none")])
        if not evaluate(proof.instance, stored.solution).feasible:
            raise InputError(solution, [("decisions", "do not keep the limits")])
    elif "largest" in proof.document:
        what = "is about solutions in which no device costs more, and the program of an instance is about all"
        raise InputError(certificate, [("largest", what)])
    with tempfile.TemporaryDirectory() as folder, _written(Path(path)) as file:
        plain, compact = Path(folder) / "instance.json", Path(folder) / "certificate.json"
        write(proof.instance, plain)
        compact.write_text(json.dumps({**proof.document, "witnesses": {}}), "utf-8")
        try:
            known = core_reading.read_instance(plain)
            read = core_certificate.read_certificate(compact, known)
            case = read_core_solution(solution, known)
            waits = _waits(proof.instance)
            good = {} if case is None else {device.id: places for device, places, _ in case.served}
            found = witnesses(known, read, waits, proof.claim, watch, good)
            written = write_proof(known, case, read, found, waits, file)
        except Fault as fault:
            raise InputError(certificate, [("", f"the core of the checker refuses it: {fault}")]) from None
    return Exported(*written, proof.claim, proof.left_out)


def _insist_on_size(proof: Verified, certificate: str | Path) -> None:
    if proof.size > LARGEST:
        what = (
            f"are too many: {proof.size} places of subtasks at leaves, and at most {LARGEST} can be exported"
        )
        raise InputError(certificate, [("nodes", what)])


@contextmanager
def _written(path: Path) -> Iterator[IO[str]]:
    """A file to write text to, compressed where its name says so; it is there if all goes well."""
    with replacing(path) as raw:
        packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if path.suffix == ".gz" else None
        file = io.TextIOWrapper(packed or raw, encoding="ascii", newline="\n")
        yield file
        file.flush()
        file.detach()
        if packed is not None:
            packed.close()


def _waits(instance: Instance) -> dict[str, Sequence[tuple[int, int]]]:
    return {group.application.id: reduction(group.application) for group in instance.groups}


class Elaborated(NamedTuple):
    """A certificate with witnesses.

    Attributes
    ----------
    lower_bound
        What it claims: what the core of the checker has worked out, if that is less than was claimed. None
        where the claim is that there is no solution.
    claim
        What was claimed.
    left_out
        How many enumerations of patterns are left out.
    """

    lower_bound: Fraction | None
    claim: Fraction | None
    left_out: int


def elaborate(
    instance: str | Path, certificate: str | Path, path: str | Path, watch: Progress = _unwatched
) -> Elaborated:
    """Write a certificate with witnesses, which the core of the checker verifies without any search.

    Parameters
    ----------
    instance, certificate
        Files: an instance as JSON, and a proof of a lower bound, or that there is no solution.
    path
        Where to write.
    watch
        Is told about progress.

    Raises
    ------
    InputError
        If a file cannot be read or written, does not belong to the instance, proves nothing of it, or
        is of a kind that has no witnesses.
    """
    proof = read_proof(instance, certificate)
    if is_columnar(instance):
        raise InputError(instance, [("", "is columnar, and the core of the checker reads JSON alone")])
    try:
        return _elaborated(instance, proof, path, watch)
    except Fault as fault:
        raise InputError(certificate, [("", f"the core of the checker refuses it: {fault}")]) from None


def _elaborated(instance: str | Path, proof: Verified, path: str | Path, watch: Progress) -> Elaborated:
    """The document with witnesses, written if the core accepts it."""
    known, document = core_reading.read_instance(instance), dict(proof.document)
    with replacing(Path(path)) as file:

        def core() -> core_certificate.Certificate:
            file.seek(0)
            file.truncate()
            file.write((json.dumps(document, separators=(",", ":")) + "\n").encode("ascii"))
            file.flush()
            return core_certificate.read_certificate(file.name, known)

        document["witnesses"] = witnesses(known, core(), _waits(proof.instance), proof.claim, watch)
        proven = core_tree.bound(known, core())
        if "claim" in document:
            return Elaborated(None, None, 0)
        if proven is not None and proven < proof.claim:
            document["lower_bound"] = _decimal_below(proven)
            core()
    return Elaborated(Fraction(document["lower_bound"]), proof.claim, proof.left_out)


def _decimal_below(value: Fraction) -> str:
    """A decimal number of some digits that is at most a value."""
    digits = max(CLAIM_DIGITS - (math.floor(math.log10(abs(value))) if value else 0), 0)
    whole = math.floor(value * 10**digits)
    return f"{whole}e-{digits}" if whole else "0"
