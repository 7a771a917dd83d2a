"""How a tree is branched on: when incumbents are sought on the way, which branch is taken, how a dive goes.

Branches are the problem's. A search says what a node is, and what a branch adds to its bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from .tree import Open, Tree

PATIENCE, PATIENCE_AT_ROOT = 0.1, 0.01
"""Share of the gap of a node for which its column generation goes on, where it has to be divided; and of the
root, when it goes on after its share of the time."""

FIRST_ROUND = 8
"""Nodes after which incumbents are sought again; then after four times as many, and so on."""

DEEPEST = 60
"""Steps of a dive: where each step splits other blocks anew, it is given up."""

SETTLED = 0.1
"""Share of the split blocks that a step of a dive settles."""

ROUND_SHARE, ROUND_SECONDS = 0.25, 10.0
"""Of the time that is left, and at the most, for the mixed-integer program over the known columns."""

CANDIDATES = 8
"""Branches that are compared before one is taken."""

LEAST_GAIN = 1e-9
"""What a side of a branch counts for at least, relative to the cost: the other side tells branches apart."""

SPLIT = 1e-6
"""What is nearer to 0 or 1 is not split."""

Branch = TypeVar("Branch")
Node = TypeVar("Node")
State = TypeVar("State")
Step = TypeVar("Step")


@dataclass(frozen=True)
class Reached(Generic[Step, Node]):
    """How a node was reached, and what column generation has left there."""

    path: tuple[Step, ...]
    node: Node


def explored(
    tree: Tree[Any, State],
    cutoff: Callable[[], float],
    stop: Callable[[], bool],
    seek: Callable[[State], None],
    first: int = FIRST_ROUND,
) -> Iterator[Open[State]]:
    """The leaves to divide, as :meth:`.tree.Tree.explore`; incumbents are sought after ``first`` nodes."""
    rounds = first
    for leaf in tree.explore(cutoff, stop):
        if tree.explored >= rounds:
            rounds *= 4
            seek(leaf.state)
        if leaf.bound < cutoff():
            yield leaf


def strongest(
    ranked: Sequence[Branch], gains: Callable[[Branch], Iterable[float]], least: float, most: float
) -> Branch | None:
    """The branch, of the first ones, whose sides raise a bound most: the product of what each gains.

    Of that, so much counts at least, and at the most.
    """
    if len(ranked) < 2:
        return ranked[0] if ranked else None
    some = ranked[:CANDIDATES]
    scores = [math.prod(min(max(gain, least), most) for gain in gains(branch)) for branch in some]
    return some[int(np.argmax(scores))]


def dive(
    at: Reached[Step, Node],
    done: Callable[[Node], bool],
    split: Callable[[Node], Iterable[tuple[int, Iterable[Step]]]],
    deeper: Callable[[tuple[Step, ...], Node], Node],
) -> None:
    """Settle the most settled of the blocks that the master splits, again and again.

    ``split`` has the block of each column that is split, those of the largest weight first, and the branches
    that leave nothing else to it; ``deeper`` is what column generation leaves further down.
    """
    node, path = at.node, at.path
    for _ in range(DEEPEST):
        if done(node):
            return
        likeliest: dict[int, Iterable[Step]] = {}
        for block, steps in split(node):
            likeliest.setdefault(block, steps)
        if not likeliest:
            return
        for steps in islice(likeliest.values(), math.ceil(SETTLED * len(likeliest))):
            path += tuple(steps)
        node = deeper(path, node)
