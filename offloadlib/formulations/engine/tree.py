"""A tree of valid bounds, explored by least bound, which is the proof of its own bound.

What is known of a node is the problem's: how it is bounded, and by what branch it is divided. The tree keeps
which of its leaves are open, and with what bounds, and says at any moment what it proves: an interrupt may
come between any two steps. So a leaf that is being divided counts until all of its children have bounds, and
one that is given back neither divided nor with a better bound counts for good. Nothing but the methods of a
tree changes it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..proofs.nodes import Bounds, Divided, Enumeration

Leaf = TypeVar("Leaf")
State = TypeVar("State")
Other = TypeVar("Other")


@dataclass(frozen=True)
class Open(Generic[State]):
    """A leaf that may be divided: its number in the tree, its bound, and what the problem knows of it."""

    number: int
    bound: float
    state: State


@dataclass
class _Hand:
    """The leaf that is being bounded or divided: what it counts for, and its children without a bound."""

    number: int
    bound: float
    unbounded: frozenset[int]
    below: Tree[Any, Any] | None = None


class Tree(Generic[Leaf, State]):
    """A tree whose root is in hand until it is bounded (:meth:`bounded`).

    Parameters
    ----------
    leaf
        What the root is as a leaf: what the problem's proofs have there.
    floor
        A bound on the cost of every solution that needs no tree.

    Attributes
    ----------
    cuts
        Valid inequalities that leaves may refer to by their numbers.
    explored
        Number of times that a node was bounded, in the subtrees as well.
    """

    def __init__(self, leaf: Leaf, floor: float = -math.inf) -> None:
        self._nodes: list[Leaf | Divided | Enumeration] = [leaf]
        self._cuts: list[Any] = []
        self._begin(0, floor, None)

    def _begin(self, root: int, floor: float, above: Tree[Any, Any] | None) -> None:
        self._root, self._floor, self._above = root, floor, above
        self._hand: _Hand | None = _Hand(root, -math.inf, frozenset([root]))
        self._heap: list[tuple[float, int, Open[State]]] = []
        self._bounds: dict[int, tuple[float, Leaf]] = {}
        self._closed = math.inf
        self._explored = 0

    # What is known ------------------------------------------------------------------------------------

    @property
    def bound(self) -> float:
        """The least bound of a leaf, and of what was left out."""
        hand = math.inf
        if self._hand is not None:
            below = -math.inf if self._hand.below is None else self._hand.below.bound
            hand = max(self._hand.bound, below)
        return max(self._floor, min(self.least, self._closed, hand))

    @property
    def least(self) -> float:
        """The least bound of an open leaf; infinite if there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def leaves(self, cutoff: float) -> int:
        """How many open leaves have a bound below a cutoff."""
        return sum(bound < cutoff for bound, _, _ in self._heap)

    @property
    def in_hand(self) -> int:
        """The number of the leaf in hand."""
        return self._held.number

    @property
    def explored(self) -> int:
        """See above."""
        return self._explored

    @property
    def cuts(self) -> Sequence[Any]:
        """See above."""
        return tuple(self._cuts)

    @property
    def bounds(self) -> Bounds:
        """The nodes that were bounded, and what they are as leaves; those of subtrees aside."""
        return dict(self._bounds)

    def nodes(self) -> list[Leaf | Divided | Enumeration]:
        """The proof: all nodes, root first, each after its parent."""
        last = self._root
        for node in self._nodes:  # what an interrupt has left without a parent is at the end
            if isinstance(node, Divided):
                last = max(last, node.different)
            elif isinstance(node, Enumeration):
                last = max(last, node.below)
        return self._nodes[: last + 1]

    # What changes it ----------------------------------------------------------------------------------

    def improve(self, bound: float, leaf: Leaf) -> None:
        """Give the leaf in hand, which is not bounded yet, what proves a better bound than it has."""
        hand = self._held
        if bound > max(hand.bound, self._floor):
            self._nodes[hand.number] = leaf
            hand.bound = bound

    def bounded(self, number: int, bound: float, leaf: Leaf, state: State) -> Open[State]:
        """A node has a bound: it is an open leaf from now on."""
        opened = Open(number, bound, state)
        self._nodes[number] = leaf
        self._bounds[number] = bound, leaf
        heapq.heappush(self._heap, (bound, number, opened))
        if self._hand is not None:
            self._hand.unbounded -= {number}
            if self._hand.number == number:
                self._hand = None
        tree: Tree[Any, Any] | None = self
        while tree is not None:
            tree._explored += 1
            tree = tree._above
        return opened

    def explore(self, cutoff: Callable[[], float], stop: Callable[[], bool]) -> Iterator[Open[State]]:
        """Take the open leaf with the least bound in hand, for it to be divided, again and again.

        Parameters
        ----------
        cutoff
            Leaves from this bound on stay as they are.
        stop
            Asked before each leaf whether to end.
        """
        while self.least < cutoff() and not stop():
            leaf = self._heap[0][2]
            self._hand = _Hand(leaf.number, leaf.bound, frozenset([leaf.number]))
            heapq.heappop(self._heap)
            yield leaf
            self._settle()

    def _settle(self) -> None:
        """Put away the leaf in hand; what it counts for stays, except where open leaves stand for it."""
        hand = self._hand
        if hand is not None and hand.unbounded:
            self._closed = min(self._closed, hand.bound)
        elif hand is not None and hand.below is not None:
            self._closed = min(self._closed, max(hand.bound, hand.below.bound))
        self._hand = None

    def give_back(self, leaf: Open[State]) -> None:
        """The leaf in hand is open again as it was."""
        heapq.heappush(self._heap, (leaf.bound, leaf.number, leaf))
        self._hand = None

    def set_aside(self, leaf: Open[State], at: Leaf, before: list[Any]) -> list[Any]:
        """Take the subtree of the leaf in hand, the last one, away, for another one: what it proves counts
        until the leaf is as it was (:meth:`restart`), and it may come back (:meth:`put_back`).

        Parameters
        ----------
        leaf
            The leaf in hand.
        at
            What it is as a leaf.
        before
            What was set aside before.

        Returns
        -------
        aside
            What proves more: what was there, the leaf's node and those below, or what there was before.
        """
        hand = self._held
        if hand.below is None:
            raise RuntimeError("no subtree is in hand")
        root, proven = hand.below._root, max(hand.bound, hand.below.bound)
        aside = before
        if not before or hand.below.bound >= hand.bound:
            aside = [self._nodes[leaf.number], *self._nodes[root:]]
        del self._nodes[root:]
        self._nodes[leaf.number] = at
        self._hand = _Hand(leaf.number, proven, frozenset([leaf.number]))
        return aside

    def put_back(self, leaf: Open[State], aside: list[Any]) -> None:
        """The subtree that was set aside is the proof of the leaf in hand again."""
        hand = self._held
        if hand.below is not None:
            del self._nodes[hand.below._root :]
        self._nodes[leaf.number] = aside[0]
        self._nodes += aside[1:]
        self._hand = _Hand(leaf.number, hand.bound, frozenset([leaf.number]))

    def restart(self, leaf: Open[State]) -> None:
        """The leaf in hand counts for what it counted for at first."""
        self._hand = _Hand(leaf.number, leaf.bound, frozenset([leaf.number]))

    def divide(self, leaf: Leaf, branch: Any, number: int | None = None) -> tuple[int, int]:
        """Divide the leaf in hand by a branch, or something below it that has no bound yet.

        Parameters
        ----------
        leaf
            What proves the parent's bound; it does so for the children, until they are bounded.
        branch
            As the problem's proofs have it.
        number
            That of what is divided; the leaf in hand by default.

        Returns
        -------
        equal, different
            The numbers of its children.
        """
        hand, first = self._held, len(self._nodes)
        number = hand.number if number is None else number
        self._nodes += [leaf, leaf]
        hand.unbounded = hand.unbounded - {number} | {first, first + 1}
        self._nodes[number] = Divided(branch, first, first + 1)
        return first, first + 1

    def enumerate(self, at: Leaf, leaf: Leaf) -> int:
        """What is below the leaf in hand is enumerated at some prices: its only child is in hand instead.

        Returns
        -------
        below
            The number of the child, which is a leaf.
        """
        hand, below = self._held, len(self._nodes)
        self._nodes.append(leaf)
        self._nodes[hand.number] = Enumeration(at, below)
        hand.number, hand.unbounded = below, frozenset([below])
        return below

    def subtree(self, at: Leaf) -> Tree[Leaf, Any]:
        """What is below the leaf in hand, enumerated at some prices, as a tree that is explored by itself."""
        tree: Tree[Leaf, Any] = Tree.__new__(Tree)
        hand = self._held
        tree._nodes, tree._cuts = self._nodes, self._cuts
        tree._begin(self.enumerate(at, at), -math.inf, self)
        hand.below, hand.unbounded = tree, frozenset()
        return tree

    def leave_out(self, bound: float) -> None:
        """Solutions that cost at least this may be in no leaf."""
        self._closed = min(self._closed, bound)

    def cut(self, cut: Any) -> int:
        """Add a valid inequality, and return its number."""
        self._cuts.append(cut)
        return len(self._cuts) - 1

    @property
    def _held(self) -> _Hand:
        if self._hand is None:
            raise RuntimeError("no leaf is in hand")
        return self._hand
