"""What a search has ruled out at a node, as branches of its proof.

A search that knows the bound of a node with some decision may close that side without a word (reduced-cost
fixing). In a proof it is a branch: on one side a leaf with the prices that close it, on the other whatever
comes below. A chain of such branches takes the place of the node.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .nodes import Bounds, Divided, Enumeration


@dataclass(frozen=True)
class Excluded:
    """A side of a branch that is closed: whether it is the one where it is as the branch says, the bound
    there, and the leaf that proves it."""

    branch: Any
    side: bool
    bound: float
    leaf: Any


def chained(
    nodes: Sequence[Any], bounds: Bounds, chains: Mapping[int, Sequence[Excluded]]
) -> tuple[list[Any], Bounds]:
    """The tree with chains in the places of some nodes, which come below them, and the bounds of its nodes.

    Parameters
    ----------
    nodes
        Root first.
    bounds
        Those of some. What bounds a node does so all along its chain.
    chains
        By number of a node. Those of leaves, which have bounds without them, are left out.
    """
    tree: list[Any] = []
    known: dict[int, tuple[float, Any]] = {}
    pending: deque[tuple[int, int] | Excluded] = deque([(0, 0)])
    while pending:
        here, first = pending.popleft(), len(tree) + len(pending) + 1
        if isinstance(here, Excluded):
            known[len(tree)] = here.bound, here.leaf
            tree.append(here.leaf)
            continue
        number, passed = here
        node = nodes[number]
        if number in bounds:
            known[len(tree)] = bounds[number]
        chain = chains.get(number, ()) if isinstance(node, Divided | Enumeration) else ()
        if passed < len(chain):
            out, rest = chain[passed], (number, passed + 1)
            tree.append(Divided(out.branch, first, first + 1))
            pending += [out, rest] if out.side else [rest, out]
        elif isinstance(node, Divided):
            tree.append(replace(node, equal=first, different=first + 1))
            pending += [(node.equal, 0), (node.different, 0)]
        elif isinstance(node, Enumeration):
            tree.append(replace(node, below=first))
            pending.append((node.below, 0))
        else:
            tree.append(node)
    return tree, known
