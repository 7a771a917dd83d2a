"""What the face of the package knows of each kind of instances; a new kind is one entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from offloadlib.formulations.catalogue import imported
from offloadlib.instances import AnyInstance, InputError, Instance


@dataclass(frozen=True)
class Kind:
    """One kind of instances; functions are named as ``module:function`` and imported when they are used.

    Parameters
    ----------
    first
        The heuristic whose solution exact methods start from: it takes milliseconds.
    tried
        The methods by which best known values are sought, in this order, each from the best solution so
        far.
    prover
        The method that makes certificates, by its name, ...
    prove
        ... its function (instance, solution, budget) -> proof, which has ``certificate`` (with its claim,
        ``lower_bound``), ``nodes`` and ``termination``, ...
    write_certificate
        ... and (certificate, instance, path), which writes one.
    """

    first: str
    tried: tuple[str, ...]
    prover: str
    prove: str
    write_certificate: str

    def function(self, name: str) -> Callable[..., Any]:
        """One of the functions, imported."""
        found: Callable[..., Any] = imported(getattr(self, name))
        return found


KINDS: Mapping[str, Kind] = {
    "structured": Kind(
        first="gsod-i",
        tried=("gsod-i", "gsod-ii", "milp-arrays", "branch-and-price"),
        prover="branch-and-price",
        prove="offloadlib.formulations.structured.decomposition.branch_and_price:prove",
        write_certificate="offloadlib.formulations.structured.certificate:write_certificate",
    ),
    "hybrid": Kind(
        first="local",
        tried=("coordinate-descent", "lagrangian"),
        prover="lagrangian",
        prove="offloadlib.formulations.hybrid.lagrangian:prove",
        write_certificate="offloadlib.formulations.hybrid.certificate:write_certificate",
    ),
}


def structured(instance: AnyInstance, command: str) -> Instance:
    """The instance, for a command that is for structured ones alone.

    Raises
    ------
    InputError
        If it is of another kind.
    """
    if isinstance(instance, Instance):
        return instance
    raise InputError(command, [("", f"is for structured instances, not {instance.kind} ones")])
