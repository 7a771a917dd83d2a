"""From files to a file: what of a certificate can be exported, and what is refused with a reason."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

from offloadlib.check.certificate import (
    Enumeration,
    Leaf,
    TreeNode,
    below_enumerations,
    read_certificate,
)
from offloadlib.check.data import Unusable
from offloadlib.check.faults import certificate_faults
from offloadlib.check.files import read_instance
from offloadlib.instances import InputError, Instance, evaluate, read, read_solution
from offloadlib.instances.errors import shown
from offloadlib.instances.files.document import replacing

from .proof import Progress, write_proof

LARGEST = 300_000
"""Places of subtasks, times leaves, at the most: a file of some GB."""


class Exported(NamedTuple):
    """A file that proves that the cost of the best solution is between two bounds.

    Attributes
    ----------
    lower_bound, upper_bound
        Exactly, as the file states them.
    lines
        Of the derivation.
    claim
        The certificate's lower bound.
    left_out
        How many enumerations of patterns it has that are not in the file: their prices alone are.
    """

    lower_bound: Fraction
    upper_bound: Fraction
    lines: int
    claim: Fraction
    left_out: int


def _unwatched(done: int, of: int) -> None:
    pass


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
        Files: an instance of format 1, a feasible solution of it, and a proof of a lower bound.
    path
        Where to write; compressed where its name ends in ``.gz``.
    watch
        Is told how many devices at leaves are proven, of how many.

    Returns
    -------
    Exported
        What the file proves.

    Raises
    ------
    InputError
        If a file cannot be read or written, does not belong to the instance, proves nothing of it, or
        is of a kind or a size that cannot be exported.
    """
    data = read(instance)
    if not isinstance(data, Instance):
        raise InputError(instance, [("kind", f"must be {shown(Instance.kind)}, not {shown(data.kind)}")])
    if data.version > 1:
        raise InputError(instance, [("version", "instances of format 2 cannot be exported yet")])
    stored = read_solution(solution, data)
    if stored.solution is None:
        raise InputError(solution, [("decisions", "there are none")])
    if not evaluate(data, stored.solution).feasible:
        raise InputError(solution, [("decisions", "do not keep the limits")])
    claim, nodes = _certificate(instance, data, certificate)
    inside = below_enumerations(nodes)
    kept = [_without_patterns(node) for node in nodes]
    leaves = sum(isinstance(node, Leaf) and not below for node, below in zip(kept, inside, strict=True))
    size = leaves * (data.num_points + 1) * sum(group.work.size for group in data.groups)
    if size > LARGEST:
        what = (
            f"are too many to be exported: {size} places of subtasks at leaves, and at most {LARGEST} will do"
        )
        raise InputError(certificate, [("nodes", what)])
    with replacing(Path(path)) as raw:
        packed = gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) if Path(path).suffix == ".gz" else None
        file = io.TextIOWrapper(packed or raw, encoding="ascii", newline="\n")
        written = write_proof(data, stored.solution, kept, leaves, file, watch)
        file.flush()
        file.detach()
        if packed is not None:
            packed.close()
    left_out = sum(
        isinstance(node, Enumeration) and not below for node, below in zip(nodes, inside, strict=True)
    )
    return Exported(*written, claim, left_out)


def _certificate(
    instance: str | Path, data: Instance, path: str | Path
) -> tuple[Fraction, Sequence[TreeNode]]:
    """The claim and the nodes of a certificate without faults."""
    try:
        certificate = read_certificate(path)
        faults = certificate_faults(read_instance(instance), certificate)
    except Unusable as error:
        raise InputError(error.file, error.problems) from None
    if certificate.sha256 != data.fingerprint:
        raise InputError(path, [("instance.sha256", "is that of another instance")])
    if faults:
        raise InputError(path, [("", fault) for fault in faults])
    if certificate.largest is not None:
        what = "a claim about the solutions in which no device costs more cannot be exported"
        raise InputError(path, [("largest", what)])
    return certificate.lower_bound, certificate.nodes


def _without_patterns(node: TreeNode) -> TreeNode:
    """An enumeration as a leaf, at its prices on limits: what is below it is left out."""
    return node.leaf._replace(cuts={}) if isinstance(node, Enumeration) else node
