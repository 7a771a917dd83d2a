"""Tables that the kernel of this folder works on, and their types in a signature."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Application
from offloadlib.instances.alarm import STOPPED
from offloadlib.instances.arrays import Floats, Ints, frozen
from offloadlib.instances.compiled import named, readable, writable
from offloadlib.instances.structured.model import Places

from ..decomposition.plan import Plan, plan
from ..decomposition.tables import READ, READ_INT, READ_INT_TABLE, READ_TABLE, rows_of

TRACKED = 7
"""The most subtasks with successors to come whose sides bounds know."""


MOST_LISTS = 4096
"""Lists of labels, and pairs of lists that are joined, up to which tasks are priced by labels."""


class Graph(NamedTuple):
    """The graph of a task with K subtasks and A arcs, whose subtasks are decided in a topological order.

    A bound for the undecided ones knows the sides of up to :data:`TRACKED` decided ones that have undecided
    successors, as bits of a *front*.

    Attributes
    ----------
    order
        (K,) topological.
    into, into_start
        (A, 2), (K + 1,) the arcs into each subtask: arc, predecessor; and where they begin.
    out, out_start
        (A, 2), (K + 1,) the arcs out of each subtask: arc, successor.
    bit
        (K,) of each subtask in a front; -1: it is in none.
    front
        (K + 1,) the bits of the front before each step of the order.
    even, even_arc
        (K,), (A,) the unit flow that goes evenly along all paths.
    """

    order: Ints
    into: Ints
    into_start: Ints
    out: Ints
    out_start: Ints
    bit: Ints
    front: Ints
    even: Floats
    even_arc: Floats


GRAPH = named(
    *(Graph, READ_INT, READ_INT_TABLE, READ_INT, READ_INT_TABLE, READ_INT, READ_INT, READ_INT, READ, READ)
)


@lru_cache(maxsize=256)
def graph(application: Application) -> Graph:
    """The graph of an application, made once."""
    edges, incoming, order = application.edges, application.incoming, application.order
    outgoing: list[list[tuple[int, int]]] = [[] for _ in range(application.size)]
    for arc, (j, k) in enumerate(edges):
        outgoing[j].append((arc, k))
    bit, front = _fronts(application, outgoing)
    # Paths through a subtask = paths that lead to it times paths that go on from it.
    to, on = [1] * application.size, [1] * application.size
    for k in order:
        to[k] = sum(to[j] for _, j in incoming[k]) or 1
    for j in reversed(order):
        on[j] = sum(on[k] for _, k in outgoing[j]) or 1
    total = sum(on[k] for k in range(application.size) if application.heads[k])
    return Graph(
        order=frozen(order, np.int64),
        into=rows_of([pair for arcs in incoming for pair in arcs], 2),
        into_start=frozen(np.cumsum([0, *map(len, incoming)]), np.int64),
        out=rows_of([pair for arcs in outgoing for pair in arcs], 2),
        out_start=frozen(np.cumsum([0, *map(len, outgoing)]), np.int64),
        bit=frozen(bit, np.int64),
        front=frozen(front, np.int64),
        even=frozen([x * y / total for x, y in zip(to, on, strict=True)], np.float64),
        even_arc=frozen([to[j] * on[k] / total for j, k in edges], np.float64),
    )


def _fronts(application: Application, outgoing: list[list[tuple[int, int]]]) -> tuple[list[int], list[int]]:
    """The bit of each subtask, and the bits in use before each step."""
    bit, front = [-1] * application.size, [0]
    missing = [len(arcs) for arcs in outgoing]
    for k in application.order:
        used = front[-1]
        for _, j in application.incoming[k]:
            missing[j] -= 1
            if missing[j] == 0 and bit[j] >= 0:
                used &= ~(1 << bit[j])
        free = [b for b in range(TRACKED) if not used >> b & 1]
        if missing[k] and free:
            bit[k] = free[0]
            used |= 1 << free[0]
        front.append(used)
    return bit, front


@lru_cache(maxsize=256)
def plan_for(application: Application) -> Plan:
    """The plan by which labels are made; without steps where there is none, or it has too many lists."""
    found = plan(application, folded=False)
    if found is None or len(found.pairs) + len(found.options) > MOST_LISTS:
        none, table = frozen([0], np.int64), rows_of([], 2)
        return Plan(rows_of([], 6), table, table, none, table, none, rows_of([], 1)[:, 0])
    return found


class Tasks(NamedTuple):
    """Some devices of a group: what each decision makes of delay, energy, and what is paid.

    Attributes
    ----------
    seconds, paid
        (G, K, N + 1) execution, and fees and prices, at each place, the device itself last.
    left
        (G, K, N + 1) whether the subtask may run there.
    radio_delay, local_energy, radio_energy
        (G, K) of an offloaded subtask, of one at home, of an offloaded one, in s and mJ.
    up_delay, up_energy, down_delay, down_energy
        (G, A) of sending, of receiving the data of an arc.
    second, joule
        (G,) what a second of delay, a mJ of energy costs.
    air
        (G,) price of going on air.
    deadline, budget
        (G,) in s and mJ.
    refused
        (G,) what refusal costs; infinite where the device must not be refused.
    served
        (G,) whether it may be served.
    """

    seconds: Floats
    paid: Floats
    left: NDArray[np.bool_]
    radio_delay: Floats
    local_energy: Floats
    radio_energy: Floats
    up_delay: Floats
    up_energy: Floats
    down_delay: Floats
    down_energy: Floats
    second: Floats
    joule: Floats
    air: Floats
    deadline: Floats
    budget: Floats
    refused: Floats
    served: NDArray[np.bool_]


READ_CUBE = readable("float64", 3)

TASKS = named(
    *(Tasks, READ_CUBE, READ_CUBE, readable("boolean", 3), *[READ_TABLE] * 7, *[READ] * 6),
    readable("boolean"),
)


class Effort(NamedTuple):
    """How a search goes.

    Attributes
    ----------
    nodes
        The most of a device.
    tolerance
        What its value may be too low.
    stopped
        (1,) whether time is up.
    all_places
        Whether places stay on the menu that others beat.
    banned
        (X, K) decisions that are not wanted.
    """

    nodes: int
    tolerance: float
    stopped: NDArray[np.bool_]
    all_places: bool
    banned: Places


EFFORT = named(Effort, types.int64, types.float64, STOPPED, types.boolean, readable("int32", 2))


class Answers(NamedTuple):
    """What pricing says of some devices.

    Attributes
    ----------
    places
        (G, K) the best decisions found.
    value, found
        (G,) a lower bound of what the best decision costs; what that found costs, infinite if there is none.
    delay, energy
        (G,) of the decision found; 0 where it is refusal.
    relaxed
        (G,) whether the search was cut short.
    """

    places: Places
    value: Floats
    found: Floats
    delay: Floats
    energy: Floats
    relaxed: NDArray[np.bool_]

    @classmethod
    def room(cls, devices: int, size: int) -> Answers:
        """For tasks of this size."""
        places = np.full((devices, size), LOCAL, dtype=np.int32)
        value, found, delay, energy = (np.zeros(devices) for _ in range(4))
        return cls(places, value, found, delay, energy, np.zeros(devices, dtype=np.bool_))

    def of(self, devices: slice) -> Answers:
        """The part of it that belongs to some of the devices."""
        return Answers(
            *(self.places[devices], self.value[devices], self.found[devices]),
            *(self.delay[devices], self.energy[devices], self.relaxed[devices]),
        )


ANSWERS = named(Answers, writable("int32", 2), *[writable("float64")] * 4, writable("boolean"))
