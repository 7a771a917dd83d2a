"""Smaller trees out of a tree of branches: weaker bounds that take less time to verify.

A search bounds every node of its tree, and a node whose children are left out is a leaf. What best-first
search had when it had so many leaves has the best bound of all trees of that size.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .nodes import Bounds, Divided


def pruned(nodes: Sequence[Any], bounds: Bounds, leaves: int) -> tuple[float, list[Any]]:
    """The tree of at most so many leaves with the best bound.

    Parameters
    ----------
    nodes
        Of a certificate.
    bounds
        Of the root at least. A branch one of whose children is not bounded stays a leaf.
    leaves
        At least 1.

    Returns
    -------
    bound, nodes
        The least bound of a leaf, and the nodes of the tree.
    """
    divided: set[int] = set()
    least, frontier = bounds[0][0], [(bounds[0][0], 0)]
    while frontier and len(divided) + 1 < leaves:
        _, i = heapq.heappop(frontier)
        node = nodes[i]
        if not isinstance(node, Divided) or node.equal not in bounds or node.different not in bounds:
            break  # the weakest leaf cannot be divided: more leaves elsewhere prove no more
        divided.add(i)
        for child in (node.equal, node.different):
            heapq.heappush(frontier, (max(bounds[child][0], bounds[i][0]), child))
        least = frontier[0][0]
    tree: list[Any] = []
    pending = [0]
    for i in pending:
        if i in divided:
            first = len(pending)
            pending += [nodes[i].equal, nodes[i].different]
            tree.append(replace(nodes[i], equal=first, different=first + 1))
        else:
            tree.append(bounds[i][1])
    return least, tree
