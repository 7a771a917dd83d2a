"""What a proof of a lower bound is made of, whatever the kind of instances: a tree, root first.

A leaf has prices, which bound the cost of every solution that obeys the branches above it (weak duality). A
node may instead be divided by a branch, or replaced by a restatement of what its prices leave below the
claim. What prices, branches and cuts are is a matter of the kind; so is how they are written
(:mod:`.structured.certificate`, :mod:`.hybrid.certificate`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from offloadlib.instances import Termination

SLACK = 1e-11
"""A claim is lowered by this much, relatively, to survive roundings here and in the checker."""

SMALLEST = 1e-8
"""Bounds below this are lowered by as much as this is; little enough for an optimum of 0 to be one."""


@dataclass(frozen=True)
class Divided:
    """A node with a branch, and the numbers of its children: where it is as the branch says, and else."""

    branch: Any
    equal: int
    different: int


@dataclass(frozen=True)
class Enumeration:
    """From here on the patterns that these prices leave below the claim take the place of decisions."""

    at: Any
    below: int


Leaf = TypeVar("Leaf")

Bounds = Mapping[int, tuple[float, Any]]
"""Number of a node -> its bound, and what it is as a leaf."""


@dataclass(frozen=True)
class Certificate(Generic[Leaf]):
    """A tree of branches with prices at its leaves, root first.

    Attributes
    ----------
    lower_bound
        The claim: the least bound of a leaf, lowered by a hair.
    nodes
        Each comes after its parent.
    """

    lower_bound: float
    nodes: Sequence[Leaf | Divided | Enumeration]


Written = TypeVar("Written", bound=Certificate[Any])


@dataclass(frozen=True)
class Proof(Generic[Written]):
    """The outcome of a search for a proof.

    Attributes
    ----------
    solution, objective
        The incumbent and its cost.
    certificate
        The lower bound, and the tree that proves it.
    termination
        Why the search stopped.
    nodes, columns
        Of the tree, and of its master at the end, where there is one.
    failure
        What a solver said that failed.
    bounds
        Of the nodes of the certificate (:mod:`.proofs.pruning`), where there are branches.
    told
        What else is worth recording.
    unpriced
        A certificate without prices, where one was asked for: each device alone. Weaker, and sooner verified.
    """

    solution: Any
    objective: float
    certificate: Written
    termination: Termination
    nodes: int
    columns: int = 0
    failure: str = ""
    bounds: Bounds = field(default_factory=dict)
    unpriced: Written | None = None
    told: Mapping[str, Any] = field(default_factory=dict)


def below_enumerations(nodes: Sequence[Any]) -> set[int]:
    """The numbers of the nodes below an enumeration."""
    below: set[int] = set()
    for i, node in enumerate(nodes):
        if isinstance(node, Enumeration):
            below.add(node.below)
        elif isinstance(node, Divided) and i in below:
            below |= {node.equal, node.different}
    return below


def claim(bound: float) -> float:
    """A bound computed in floating point, lowered so that exact arithmetic confirms it."""
    return bound - SLACK * max(abs(bound), SMALLEST)
