"""The structured offloading problem as frozen data.

An instance (:class:`~.structured.instance.Instance`) holds its devices as columns (one array entry a
device) and, for everything that has one entry a subtask or an arc, as one :class:`Group` of arrays per
application, so that the cost model and the heuristics run over all devices of an application at once.

======================  ============================  =====================================  =====
symbol (Kuang 2020)     name in the code              meaning                                unit
======================  ============================  =====================================  =====
m = 1..M                row of ``Devices``            user device
n = 1..N                row of ``OffloadPoints``      offload point
k = 1..K                column of ``Group.work``      subtask of the device's application
(j, k)                  ``Application.edges``         arc: subtask k needs the output of j
w_mk                    ``Group.work``                workload                               MI
d^i_mk                  ``Group.input``               input, sent for an offloaded head      Mbit
d^o_mk                  ``Group.output``              output                                 Mbit
s_mjk                   ``Group.edge_data``           data along an arc, default d^o_mj      Mbit
c_m, c_n                ``cpu``                       speed                                  MIPS
p^exe, p^send, p^recv   ``execute, send, receive``    power of a device                      mW
op_m                    ``Devices.connected_to``      point of the device's radio, -1: none
r^up_m, r^down_m        ``Devices.uplink, downlink``  rates of the device's radio            Mbit/s
q1_n                    ``OffloadPoints.capacity``    subtasks that a point can take
q2_n                    ``OffloadPoints.channels``    devices that may use a point's radio
alpha_m                 ``Devices.alpha``             weight of delay against energy
======================  ============================  =====================================  =====

What format 2 adds (ours, not the paper's), without effect by default:

======================  ============================  =====================================  =====
what                    name in the code              meaning                                unit
======================  ============================  =====================================  =====
resources               ``Instance.resources``        what subtasks demand, beside places
demand                  ``Group.demand``              what a subtask takes where offloaded   (own)
room                    ``OffloadPoints.room``        what a point has of each resource      (own)
shared limit            ``Instance.shared``           what points have together              (own)
totals                  ``Instance.totals``           most delay, energy of all devices      s, mJ
fees                    ``OffloadPoints.fee_*``       of a subtask, of each MI of it         cost
exceptions              ``Group.exceptions``          what differs for a subtask at a place
allowed places          ``Group.allowed``             where a subtask may run
latency                 ``Devices.latency_*``         added to each transfer                 s
deadline, budget        ``Devices.deadline, ...``     most G_m, most E_m                     s, mJ
rejection               ``Devices.rejection``         cost of a refused device               cost
w_m                     ``Devices.weight``            what a device's cost counts
======================  ============================  =====================================  =====
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Ints

Places = NDArray[np.int32]

LOCAL = -1
"""The place of a subtask that runs on its own device; offload point n is place n = 0..N-1."""

REFUSED = -2
"""The place of all subtasks of a device that is refused."""

UNLIMITED = int(np.iinfo(np.int64).max)
"""Channels of a radio that serves any number of devices, capacity of a point that takes any number of
subtasks."""

Normalise = Literal["none", "local"]

Objective = Literal["sum", "max"]

SUBTASKS = "subtasks"
"""The resource that each subtask demands 1 of at any offload point."""


@dataclass(frozen=True)
class Application:
    """A structured task: a directed acyclic graph of subtasks (Definition 3.1).

    Parameters
    ----------
    id
        Name of the application.
    subtasks
        Names of the K subtasks.
    edges
        Arcs (j, k) as pairs of positions in ``subtasks``.
    """

    id: str
    subtasks: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Computed once: what is cached by application is looked up often, and there may be many arcs."""
        return hash((self.id, self.subtasks, self.edges))

    @property
    def size(self) -> int:
        """Number of subtasks, K."""
        return len(self.subtasks)

    @cached_property
    def incoming(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """For each subtask k the pairs (arc number, predecessor j) of its arcs (j, k)."""
        lists: list[list[tuple[int, int]]] = [[] for _ in self.subtasks]
        for arc, (j, k) in enumerate(self.edges):
            lists[k].append((arc, j))
        return tuple(map(tuple, lists))

    @cached_property
    def order(self) -> tuple[int, ...]:
        """Kahn's topological order; among the subtasks that are ready, the first listed goes first.

        Raises
        ------
        ValueError
            If the graph has a cycle.
        """
        successors: list[list[int]] = [[] for _ in self.subtasks]
        for j, k in self.edges:
            successors[j].append(k)
        missing = [len(arcs) for arcs in self.incoming]
        ready = [k for k in range(self.size) if missing[k] == 0]  # ascending: a heap
        order: list[int] = []
        while ready:
            j = heappop(ready)
            order.append(j)
            for k in successors[j]:
                missing[k] -= 1
                if missing[k] == 0:
                    heappush(ready, k)
        if len(order) < self.size:
            raise ValueError(f"application {self.id!r} has a cycle")
        return tuple(order)

    @cached_property
    def heads(self) -> NDArray[np.bool_]:
        """(K,) True where a subtask has no predecessor: its input crosses the radio if offloaded."""
        return np.array([not arcs for arcs in self.incoming], dtype=np.bool_)

    @cached_property
    def tails(self) -> NDArray[np.bool_]:
        """(K,) True where a subtask has no successor: its output returns to the device."""
        tails = np.ones(self.size, dtype=np.bool_)
        tails[[j for j, _ in self.edges]] = False
        return tails


@dataclass(frozen=True, eq=False)
class OffloadPoints:
    """The N offload points (Definition 3.4), one array entry each.

    ``channels`` and ``capacity`` are :data:`UNLIMITED` where there is no limit; ``position`` is (N, 2) in
    metres and NaN where unknown (it serves pictures only). ``room`` is (R, N), infinite where there is no
    limit, for the R resources of the instance; ``fee_subtask`` and ``fee_work`` are in cost and cost per MI.
    """

    ids: tuple[str, ...]
    cpu: Floats
    capacity: Ints
    uplink: Floats
    downlink: Floats
    channels: Ints
    position: Floats
    room: Floats
    fee_subtask: Floats
    fee_work: Floats


@dataclass(frozen=True, eq=False)
class SharedLimit:
    """A limit on what subtasks take at some offload points together.

    Parameters
    ----------
    id
        Its name.
    resource
        Position in ``Instance.resources``; -1: subtasks.
    points
        The points, ascending.
    capacity
        How much there is.
    """

    id: str
    resource: int
    points: Ints
    capacity: float


@dataclass(frozen=True)
class Totals:
    """Caps on the sum over all served devices: of G_m in s, of E_m in mJ."""

    delay: float = math.inf
    energy: float = math.inf


NO_TOTALS = Totals()
"""No caps."""


@dataclass(frozen=True, eq=False)
class Devices:
    """The M user devices (Definition 3.3), one array entry each, in file order.

    ``connected_to`` is a place (-1: no radio link, so everything runs locally). ``uplink`` and
    ``downlink`` are the rates in force: the device's own where given, else those of its offload
    point, NaN for an unconnected device without own rates. ``deadline`` and ``energy_budget`` are infinite
    where there is none, ``rejection`` is NaN where a device must be served; latencies are 0 and the weight is
    1 by default.
    """

    ids: tuple[str, ...]
    application: Ints
    cpu: Floats
    execute: Floats
    send: Floats
    receive: Floats
    alpha: Floats
    connected_to: Ints
    uplink: Floats
    downlink: Floats
    position: Floats
    latency_up: Floats
    latency_down: Floats
    deadline: Floats
    energy_budget: Floats
    rejection: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Exceptions:
    """What differs for some subtasks at some places: E entries, at most one for a subtask and a place.

    Attributes
    ----------
    row, subtask, place
        (E,) position in the group, subtask, place.
    execution, fee
        (E,) seconds, cost; NaN: as without the entry.
    demand
        (R, E); NaN: as without the entry.
    """

    row: Ints
    subtask: Ints
    place: Ints
    execution: Floats
    fee: Floats
    demand: Floats

    def __len__(self) -> int:
        return len(self.row)

    def of(self, rows: slice) -> Exceptions:
        """The entries of some rows (without a step), counted from the first of these."""
        kept = np.flatnonzero((self.row >= (rows.start or 0)) & (self.row < (rows.stop or np.inf)))
        return self.chosen(kept, self.row[kept] - (rows.start or 0))

    def chosen(self, kept: Ints, row: Ints) -> Exceptions:
        """Some entries, with other rows."""
        execution, fee, demand = self.execution[kept], self.fee[kept], self.demand[:, kept]
        return Exceptions(row, self.subtask[kept], self.place[kept], execution, fee, demand)


@dataclass(frozen=True, eq=False)
class Allowed:
    """Where some subtasks may run: A entries, at most one for a subtask; the others may run anywhere.

    Attributes
    ----------
    row, subtask
        (A,) position in the group, subtask.
    places
        (A, N + 1), local last.
    """

    row: Ints
    subtask: Ints
    places: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.row)

    def of(self, rows: slice) -> Allowed:
        """The entries of some rows (without a step), counted from the first of these."""
        kept = np.flatnonzero((self.row >= (rows.start or 0)) & (self.row < (rows.stop or np.inf)))
        return self.chosen(kept, self.row[kept] - (rows.start or 0))

    def chosen(self, kept: Ints, row: Ints) -> Allowed:
        """Some entries, with other rows."""
        return Allowed(row, self.subtask[kept], self.places[kept])


@dataclass(frozen=True, eq=False)
class Group:
    """The devices that run one application, with what has an entry per subtask or arc.

    Parameters
    ----------
    application
        The application.
    members
        (G,) positions of its devices in ``Instance.devices``, ascending.
    work, input, output
        (G, K) in MI, Mbit and Mbit.
    edge_data
        (G, A) Mbit along each arc.
    demand
        (R, G, K) of the instance's resources, wherever a subtask is offloaded.
    exceptions
        What differs at some places.
    allowed
        Where some subtasks may run.
    """

    application: Application
    members: Ints
    work: Floats
    input: Floats
    output: Floats
    edge_data: Floats
    demand: Floats
    exceptions: Exceptions
    allowed: Allowed

    def __len__(self) -> int:
        return len(self.members)
