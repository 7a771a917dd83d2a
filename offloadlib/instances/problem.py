"""What instances of every kind have in common: as much as running, storing and comparing methods needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from typing_extensions import TypeVar

Decisions = TypeVar("Decisions", contravariant=True, default=Any)


class Outcome(Protocol):
    """What a solution costs and uses; see :class:`.instances.Evaluation`."""

    @property
    def total(self) -> float:
        """The objective."""

    @property
    def local(self) -> Outcome:
        """The same of the all-local decision."""

    @property
    def saving(self) -> float:
        """1 - total/local.total."""

    @property
    def utilisation(self) -> float:
        """Share of what is shared that is in use."""

    @property
    def usage(self) -> str:
        """What is in use, in words."""

    @property
    def fairness(self) -> float:
        """Jain's index of the devices' savings."""

    @property
    def worse_off(self) -> int:
        """Devices that cost more than all-local."""

    @property
    def violations(self) -> Sequence[object]:
        """Every limit that is broken, to be shown as text."""

    @property
    def feasible(self) -> bool:
        """Whether none is."""


class Problem(Protocol[Decisions]):
    """An instance, whatever its kind; ``Decisions`` are its solutions."""

    @property
    def kind(self) -> str:
        """Kind of problem, as in the file."""

    @property
    def name(self) -> str:
        """Of the instance."""

    @property
    def num_devices(self) -> int:
        """Number of devices."""

    @property
    def num_points(self) -> int:
        """Number of places to offload to."""

    @property
    def summary(self) -> str:
        """Its size in words."""

    @property
    def all_local(self) -> Any:
        """The solution that offloads nothing."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the canonical form."""

    def evaluate(self, solution: Decisions, /) -> Outcome:
        """What a solution costs and uses."""


def counted(number: int, what: str) -> str:
    """A number of things in words."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
