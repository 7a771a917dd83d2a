"""Which subtasks of a device a node of branch-and-price is divided by.

A subtask that the master splits between places is local or not, else at one of the fastest offload points or
not. **Twins**, subtasks of a device with the same predecessors and successors, may be split alike: the master
then weighs decisions with all of them on one side against such with none. In wide workflows twenty go
together, and a branch on a single one moves no bound: it is one at home and nineteen away then. They are
branched on together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from offloadlib.instances import LOCAL, Instance
from offloadlib.instances.structured.model import Application

from ...engine.branching import LEAST_GAIN, strongest
from .master import Branch, Master, Node

UNSPLIT = 1e-7
"""A subtask with less at a place, in sums of weights, is not split there."""


class Split(NamedTuple):
    """Subtasks of a device that are split alike between some places and the others, and their share there."""

    device: int
    subtasks: tuple[int, ...]
    places: frozenset[int]
    share: float

    @property
    def branches(self) -> list[Branch]:
        """The branches on each."""
        return [(self.device, k, self.places) for k in self.subtasks]


def chosen(master: Master, node: Node, cutoff: float) -> Split | None:
    """The split whose branches raise the known columns' program most, None if nothing is split.

    Whether a subtask is local decides more than where it goes, as a slot at one offload point is worth about
    as much as at another: places are branched on where no such split is left.
    """
    ranked = sorted(
        splits(master, node),
        key=lambda split: (LOCAL not in split.places, round(abs(split.share - 0.5), 9), *split[:2]),
    )
    alike = [split for split in ranked if (LOCAL in split.places) == (LOCAL in ranked[0].places)]

    def gains(split: Split) -> Iterator[float]:
        """Of all of the subtasks inside, and of the first one outside."""
        sides = [(*branch, True) for branch in split.branches], [(*split.branches[0], False)]
        return (master.probe(steps) - node.bound for steps in sides)

    return strongest(alike, gains, LEAST_GAIN * abs(cutoff), cutoff - node.bound)


def splits(master: Master, node: Node) -> list[Split]:
    """Where the master splits subtasks between places, twins with the same columns together.

    Offload points are split by speed: a set of places is local, or the fastest ones.
    """
    instance = master.instance
    weights: dict[tuple[int, int], dict[int, dict[int, float]]] = {}
    columns = Counter(master.columns[i].device for i in node.weights)
    for i, weight in node.weights.items():
        column = master.columns[i]
        if columns[column.device] == 1:
            continue
        for k, place in enumerate(column.places):
            weights.setdefault((column.device, k), {}).setdefault(place, {})[i] = weight
    fast = _fast(instance)
    together: dict[tuple[int, int, frozenset[int], frozenset[int]], list[int]] = {}
    for (m, k), at in weights.items():
        places = _places(at, fast)
        if places is not None:
            inside = frozenset(i for n in places for i in at.get(n, ()))
            twin = twins(instance.applications[int(instance.devices.application[m])])[k]
            together.setdefault((m, twin, places, inside), []).append(k)
    return [
        Split(m, tuple(subtasks), places, sum(node.weights[i] for i in sorted(inside)))
        for (m, _, places, inside), subtasks in together.items()
    ]


def _places(at: dict[int, dict[int, float]], fast: list[frozenset[int]]) -> frozenset[int] | None:
    """The places that a subtask is split between and the others; None: it is not."""
    share = {place: sum(some.values()) for place, some in at.items()}
    whole = sum(share.values())
    if UNSPLIT < share.get(LOCAL, 0.0) < whole - UNSPLIT:
        return frozenset([LOCAL])
    reached, best = 0.0, None
    for places in fast if len(at) > 1 else ():
        x = sum(weight for place, weight in share.items() if place in places)
        if UNSPLIT < x < whole - UNSPLIT and abs(x - 0.5) < abs(reached - 0.5):
            reached, best = x, places
    return best


def _fast(instance: Instance) -> list[frozenset[int]]:
    order = np.argsort(-instance.points.cpu, kind="stable").tolist()
    return [frozenset(order[: i + 1]) for i in range(len(order))]


@lru_cache(maxsize=256)
def twins(application: Application) -> list[int]:
    """For each subtask the first one with the same predecessors and successors."""
    after: list[set[int]] = [set() for _ in range(application.size)]
    for j, k in application.edges:
        after[j].add(k)
    first: dict[tuple[frozenset[int], frozenset[int]], int] = {}
    return [
        first.setdefault((frozenset(j for _, j in application.incoming[k]), frozenset(after[k])), k)
        for k in range(application.size)
    ]
