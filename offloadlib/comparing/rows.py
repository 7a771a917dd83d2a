"""What a comparison knows: its instances, its runs, and the rows of its table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_type_hints

from offloadlib.best_known import BestKnown
from offloadlib.instances import AnyEvaluation, AnyInstance, Result
from offloadlib.methods import Method
from offloadlib.solving import first

REJECTED = "rejected"


@dataclass(frozen=True)
class Row:
    """One method on one instance; None where there is nothing to say.

    Attributes
    ----------
    instance, devices, offload_points
        Its name (with its file where others have the same one), M and N.
    method, family
        The method.
    status
        ``optimal``, ``feasible``, ``infeasible``, ``unknown``, ``failed``, ``overrun``,
        ``interrupted``, ``does not apply``, or ``rejected`` by the checker.
    objective, lower_bound
        Cost, and the bound that this method claims.
    best_objective
        The least cost on this instance, over all methods, the library's best known values, and the solution
        behind the certificate.
    certified_bound
        The lower bound on this instance that the checker has accepted a certificate of. No solver's own
        claim enters here, nor what follows.
    gap
        (objective - certified bound)/objective.
    certified
        Whether this solution is proven optimal by that certificate, or that there is none.
    ratio_low, ratio_high
        Between these lies cost/optimum; they are equal where the optimum is certified.
    saving, utilisation, fairness, worse_off
        See :class:`.instances.Evaluation`.
    refused, late
        Devices that are not served, or are beyond their deadline or energy budget.
    time
        Seconds of the method alone.
    checked
        The checker's verdict.
    message
        What else there is to say.
    """

    instance: str
    devices: int
    offload_points: int
    method: str
    family: str
    status: str
    objective: float | None = None
    lower_bound: float | None = None
    best_objective: float | None = None
    certified_bound: float | None = None
    gap: float | None = None
    certified: bool = False
    ratio_low: float | None = None
    ratio_high: float | None = None
    saving: float | None = None
    utilisation: float | None = None
    fairness: float | None = None
    worse_off: int | None = None
    refused: int | None = None
    late: int | None = None
    time: float | None = None
    checked: str = ""
    message: str = ""


_PANDAS_TYPES: dict[Any, Any] = {
    str: object,
    int: "int64",
    bool: "bool",
    int | None: "Int64",
    float | None: "float64",
}

TYPES: dict[str, Any] = {name: _PANDAS_TYPES[hint] for name, hint in get_type_hints(Row).items()}
"""Type of each column, whatever is missing in it."""


@dataclass(frozen=True)
class Case:
    """An instance, under a label of its own, in a file that the checker can read.

    ``stem`` is what the names of files about it begin with.
    """

    label: str
    stem: str
    instance: AnyInstance
    path: Path
    known: BestKnown | None

    @cached_property
    def first(self) -> Any:
        """Where exact methods start from."""
        return first(self.instance)


@dataclass(frozen=True)
class Solve:
    """One method on one instance, and what came of it: ``result`` and its file only where there is one."""

    case: Case
    method: Method
    row: Row
    result: Result[Any] | None = None
    path: Path | None = None
    evaluation: AnyEvaluation | None = None

    @property
    def sound(self) -> bool:
        """Whether the checker accepted the solution."""
        return self.result is not None and self.row.status != REJECTED
