"""Tables that the compiled kernels of this folder share, and their types in a signature."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Application, Instance
from offloadlib.instances.arrays import Floats, Ints, frozen
from offloadlib.instances.compiled import named, read_only, readable, writable
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.sides import Sides, Terms

READ, READ_TABLE = readable("float64"), readable("float64", 2)
READ_INT, READ_INT_TABLE = readable("int64"), readable("int64", 2)

KEPT = 2000
"""Up to so many devices of a group keep what their parts cost: of a city that would be as large as itself."""


def sides(term: Terms, devices: slice) -> Sides:
    """The costs of the parts of some of a group's devices, for a kernel."""
    found = term.sides if len(term.group) <= KEPT else term.weighted(devices)
    if len(found.work) > devices.stop - devices.start:
        found = Sides(*(values[devices] for values in found))
    return Sides(*map(read_only, found))


class Graph(NamedTuple):
    """The graph of a task with K subtasks and A arcs.

    Attributes
    ----------
    order
        (K,) topological.
    into, into_start
        (A, 2), (K+1,) the arcs into each subtask: arc, predecessor; and where they begin.
    late, late_start
        The same of those that may delay it: arcs beside a longer path never do.
    beside, beside_start
        (2A, 3), (K+1,) the arcs at each subtask: arc, other end, 1 if it is the first one; and where they
        begin.
    ends
        (A, 2) of each arc.
    even
        (K + A,) the unit flow that goes evenly along all paths: through subtasks, and along arcs.
    """

    order: Ints
    into: Ints
    into_start: Ints
    late: Ints
    late_start: Ints
    beside: Ints
    beside_start: Ints
    ends: Ints
    even: Floats


GRAPH = named(
    *(Graph, READ_INT, READ_INT_TABLE, READ_INT, READ_INT_TABLE, READ_INT),
    *(READ_INT_TABLE, READ_INT, READ_INT_TABLE, READ),
)


@lru_cache(maxsize=256)
def graph(application: Application) -> Graph:
    """The graph of an application, made once."""
    edges, order = application.edges, application.order
    into, late = application.incoming, reduced(application)
    beside: list[list[tuple[int, int, int]]] = [[] for _ in range(application.size)]
    for arc, (j, k) in enumerate(edges):
        beside[j].append((arc, k, 0))
        beside[k].append((arc, j, 1))
    # Paths through a subtask = paths that lead to it times paths that go on from it.
    to, on = [1] * application.size, [1] * application.size
    further: list[list[int]] = [[] for _ in range(application.size)]
    for k in order:
        to[k] = sum(to[j] for _, j in late[k]) or 1
        for _, j in late[k]:
            further[j].append(k)
    for j in reversed(order):
        on[j] = sum(on[k] for k in further[j]) or 1
    total = sum(on[k] for k in range(application.size) if application.heads[k])
    along = [0.0] * len(edges)
    for k, arcs in enumerate(late):
        for arc, j in arcs:
            along[arc] = to[j] * on[k] / total
    return Graph(
        order=frozen(order, np.int64),
        into=rows_of([pair for arcs in into for pair in arcs], 2),
        into_start=frozen(np.cumsum([0, *map(len, into)]), np.int64),
        late=rows_of([pair for arcs in late for pair in arcs], 2),
        late_start=frozen(np.cumsum([0, *map(len, late)]), np.int64),
        beside=rows_of([x for at in beside for x in at], 3),
        beside_start=frozen(np.cumsum([0, *map(len, beside)]), np.int64),
        ends=rows_of(edges, 2),
        even=frozen([x * y / total for x, y in zip(to, on, strict=True)] + along, np.float64),
    )


def reduced(application: Application) -> list[list[tuple[int, int]]]:
    """For each subtask the arcs into it that may delay it: (arc, predecessor), as if there were no others.

    An arc beside a longer path is none of them (the transitive reduction).
    """
    above = [0] * application.size  # all that comes before, as bits
    kept: list[list[tuple[int, int]]] = [[] for _ in above]
    for k in application.order:
        before = 0
        for _, j in application.incoming[k]:
            before |= above[j]
        kept[k] = [(arc, j) for arc, j in application.incoming[k] if not before >> j & 1]
        above[k] = before
        for _, j in kept[k]:
            above[k] |= 1 << j
    return kept


def rows_of(rows: Sequence[tuple[int, ...]], width: int) -> Ints:
    """(R, width), also where there are no rows."""
    return frozen(np.array(rows, dtype=np.int64).reshape(len(rows), width), np.int64)


class Offers(NamedTuple):
    """Offload points: (N,) speeds and prices, and the numbers of those to look at."""

    cpu: Floats
    price: Floats
    menu: Ints


OFFERS = named(Offers, READ, READ, READ_INT)


class Buyers(NamedTuple):
    """What pricing knows of some of a group's devices.

    Attributes
    ----------
    connected
        (G,) offload point of the radio link, -1: none.
    local_cost
        (G,) of the all-local decision.
    radio
        (G,) price of going on air.
    ceiling
        (G,) what costs as much with prices need not be found.
    free
        Whether there are no restrictions; else, as in :class:`.pricing.Restrictions`,
    row, allowed
        (G, K), (R, N+1).
    """

    connected: Ints
    local_cost: Floats
    radio: Floats
    ceiling: Floats
    free: bool
    row: Ints
    allowed: NDArray[np.bool_]

    def of(self, devices: slice) -> Buyers:
        """Some of them."""
        return self._replace(
            connected=self.connected[devices],
            local_cost=self.local_cost[devices],
            radio=self.radio[devices],
            ceiling=self.ceiling[devices],
            row=self.row[devices],
        )


BUYERS = named(Buyers, READ_INT, READ, READ, READ, types.boolean, READ_INT_TABLE, readable("boolean", 2))


class Answers(NamedTuple):
    """What pricing says of a group's devices: decisions, their cost with prices, whether that is a
    relaxation; and what one pricing leaves to the next: the width of the sweep that has closed a search (0:
    none), and (., K + A) the best unit flow at its root (no rows: searches begin with an even one)."""

    places: Places
    least: Floats
    relaxed: NDArray[np.bool_]
    width: Ints
    flow: Floats

    @classmethod
    def room(cls, devices: int, size: int) -> Answers:
        """For tasks of this size: all-local, not a relaxation."""
        places = np.full((devices, size), LOCAL, dtype=np.int32)
        relaxed, width = np.zeros(devices, dtype=np.bool_), np.zeros(devices, dtype=np.int64)
        return cls(places, np.empty(devices), relaxed, width, np.empty((0, 0)))

    def of(self, devices: slice) -> Answers:
        """The part of it that belongs to some of the devices."""
        return Answers(
            *(self.places[devices], self.least[devices], self.relaxed[devices], self.width[devices]),
            self.flow[devices],
        )


MOST_LEARNT = 2_000_000
"""Shares of flows that are kept, at the most: of a city that would be as large as itself."""


class Learnt:
    """What one pricing of an instance leaves to the next: each device's part of :class:`Answers`.

    Attributes
    ----------
    width
        (M,) of the sweep that has closed a search; 0: none.
    flow
        For each group (G, K + A) the best unit flow at the root of the search; no rows where none is kept.
    """

    def __init__(self, instance: Instance) -> None:
        self.width: Ints = np.zeros(instance.num_devices, dtype=np.int64)
        even = [(len(group), graph(group.application).even) for group in instance.groups]
        few = sum(devices * len(flow) for devices, flow in even) <= MOST_LEARNT
        self.flow = [np.tile(flow, (devices if few else 0, 1)) for devices, flow in even]


ANSWERS = named(
    *(Answers, writable("int32", 2), writable("float64"), writable("boolean"), writable("int64")),
    writable("float64", 2),
)
