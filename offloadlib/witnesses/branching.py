"""A tree for one device that proves the least that it costs, by linear programs and flows made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

from offloadlib.instances import LOCAL

from .relaxation import NOTHING, DeviceRelaxation, PartCosts, Proposal, decided

ENOUGH = 10**12
"""A bound this close to the least, as a share of it, is as good."""

EXACTLY = 10**30
"""The same where all depends on it."""

LARGEST_TREE = 20_000
"""Nodes of a tree; then it ends with the bounds that there are."""

ROUNDS = 4
"""How often it is looked at anew what can be spared, as cheaper decisions are found."""

Allowed = Sequence[frozenset[int]]
"""The places that are left to each subtask."""

Progress = Callable[[int, int], None]
"""Told of how many devices at leaves there is a tree, and of how many there will be."""


@dataclass(frozen=True)
class End:
    """A leaf of a device's tree.

    Attributes
    ----------
    bound
        Of what the device costs.
    proof
        What proves it, in the form of whoever made it.
    """

    bound: int
    proof: Any


@dataclass(frozen=True)
class Fork:
    """A node of a device's tree: what is below it where a subtask is at one of these places, and at none."""

    subtask: int
    places: frozenset[int]
    inside: Node
    outside: Node

    @property
    def bound(self) -> int:
        """Of what the device costs."""
        return min(self.inside.bound, self.outside.bound)


Node = End | Fork


class Arithmetic(Protocol):
    """The exact side of a search: what decisions cost, and what proposals prove, in multiples of a unit."""

    def cost(self, places: Sequence[int]) -> int | None:
        """What a decision costs; None: it breaks a limit of the device's."""

    def end(self, allowed: Allowed, proposal: Proposal) -> End:
        """What a proposal proves of the places that are left; where a subtask has none, as much as needed."""


class Branching:
    """The search for the tree of one device at one leaf.

    Parameters
    ----------
    costs
        The device, in multiples of the unit.
    exact
        The exact side.
    enough
        What share of the least is as good as nothing.

    Attributes
    ----------
    enough
        As above.
    least
        What the cheapest decision that was tried costs.
    """

    def __init__(self, costs: PartCosts, exact: Arithmetic, enough: int = ENOUGH) -> None:
        self._costs, self._exact, self.enough, self._spare = costs, exact, enough, 0
        self._relaxation = DeviceRelaxation(costs)

    def prove(
        self,
        allowed: Allowed,
        starts: Sequence[Sequence[int]],
        needed: int,
        otherwise: int | None = None,
        spare: int = 0,
    ) -> Node:
        """A tree that proves the least cost, up to a small share of it, or what can be spared.

        Parameters
        ----------
        allowed
            What branches above leave to this device.
        starts
            Good decisions; those that are not among these are passed over.
        needed
            What is as good as an infinite bound.
        otherwise
            What refusing the device costs, where it may be refused: a bound need not be higher.
        spare
            By so much the bound may be below the least cost.
        """
        self._spare = spare
        self.least = needed if otherwise is None else min(otherwise, needed)
        self._left = LARGEST_TREE
        for start in starts:
            if all(n in places for n, places in zip(start, allowed, strict=True)):
                self._try(start)
        return self._node(allowed)

    def _try(self, places: Sequence[int]) -> None:
        cost = self._exact.cost(places)
        if cost is not None:
            self.least = min(self.least, cost)

    def _node(self, allowed: Allowed) -> Node:
        if not all(allowed):
            return self._exact.end(allowed, NOTHING)
        shares, proposal = self._relaxation.solve(allowed)
        found = self._exact.end(allowed, proposal)
        places = [max(share, key=share.__getitem__) for share in shares]
        self._try(self._numbered(places, shares))
        self._left -= 1
        spare = max(self._spare, abs(self.least) // self.enough)
        if found.bound >= self.least - spare or self._left < 0:
            return found
        if all(len(left) == 1 for left in allowed):
            settled = decided(self._costs, places)
            return max(found, self._exact.end(allowed, settled), key=lambda end: end.bound)
        k, inside = self._choice(shares, allowed)
        below = [
            self._node([*allowed[:k], places, *allowed[k + 1 :]])
            for places in (allowed[k] & inside, allowed[k] - inside)
        ]
        return Fork(k, inside, *below)

    def _numbered(self, places: list[int], shares: list[dict[int, float]]) -> list[int]:
        """A decision with as many subtasks where branches want them, those with the largest shares there."""
        found = list(places)
        for count in self._costs.counts:
            among = [sum(part for n, part in share.items() if n in count.places) for share in shares]
            order = sorted(range(len(found)), key=lambda k: -among[k])
            inside = count.nearest(sum(n in count.places for n in found))
            for i, k in enumerate(order):
                left = {n: part for n, part in shares[k].items() if (n in count.places) == (i < inside)}
                if left and found[k] not in left:
                    found[k] = max(left, key=left.__getitem__)
        return found

    def _choice(self, shares: list[dict[int, float]], allowed: Allowed) -> tuple[int, frozenset[int]]:
        """The subtask of most doubt, and places that divide it: local, or the faster points."""

        def doubt(k: int) -> tuple[float, float, int]:
            if len(allowed[k]) == 1:
                return (-1.0, -1.0, -k)
            at_home = shares[k].get(LOCAL, 0.0)
            return (min(at_home, 1 - at_home), 1 - max(shares[k].values()), -k)

        k = max(range(len(shares)), key=doubt)
        if LOCAL in allowed[k]:
            return k, frozenset([LOCAL])
        order = sorted(allowed[k], key=lambda n: (self._costs.at[k][n].seconds, n))
        mean = sum(share * i for i, share in enumerate(shares[k][n] for n in order))
        return k, frozenset(order[: max(1, min(int(mean) + 1, len(order) - 1))])


@dataclass(frozen=True)
class One:
    """One device at a leaf: what is to be proven of it, for :meth:`Branching.prove`."""

    search: Branching
    allowed: Allowed
    starts: Sequence[Sequence[int]]
    needed: int
    otherwise: int | None

    def prove(self, spare: int) -> Node:
        """A tree that proves the least cost but for what can be spared."""
        return self.search.prove(self.allowed, self.starts, self.needed, self.otherwise, spare)

    def value(self, node: Node) -> int:
        """What a tree proves of it."""
        return node.bound if self.otherwise is None else min(node.bound, self.otherwise)


def together(devices: Sequence[One], wanted: int) -> list[Node]:
    """Trees that prove together what is wanted, if they can, and little more than that.

    Of what the least costs are above it each device is spared a share, in proportion to the gap at its root.
    """
    nodes = [one.prove(one.needed) for one in devices]
    roots = [one.value(node) for one, node in zip(devices, nodes, strict=True)]
    spared = Fraction(1)
    for _ in range(ROUNDS):
        if sum(map(One.value, devices, nodes)) >= wanted or not spared:
            break
        least = [one.search.least for one in devices]
        gaps = [cost - root for cost, root in zip(least, roots, strict=True)]
        spared = Fraction(max(sum(least) - wanted, 0), sum(gaps) or 1)
        for i, (one, cost, gap) in enumerate(zip(devices, least, gaps, strict=True)):
            spare = int(spared * gap)
            if one.value(nodes[i]) < cost - spare:
                nodes[i] = one.prove(spare)
    if sum(map(One.value, devices, nodes)) < wanted:
        nodes = [one.prove(0) for one in devices]
    return nodes
