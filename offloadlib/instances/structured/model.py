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
"""

from __future__ import annotations

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

UNLIMITED = int(np.iinfo(np.int64).max)
"""Channels of an offload point whose radio serves any number of devices."""

Normalise = Literal["none", "local"]


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

    ``channels`` is :data:`UNLIMITED` where the radio has no limit; ``position`` is (N, 2) in metres
    and NaN where unknown (it serves pictures only).
    """

    ids: tuple[str, ...]
    cpu: Floats
    capacity: Ints
    uplink: Floats
    downlink: Floats
    channels: Ints
    position: Floats


@dataclass(frozen=True, eq=False)
class Devices:
    """The M user devices (Definition 3.3), one array entry each, in file order.

    ``connected_to`` is a place (-1: no radio link, so everything runs locally). ``uplink`` and
    ``downlink`` are the rates in force: the device's own where given, else those of its offload
    point, NaN for an unconnected device without own rates.
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
    """

    application: Application
    members: Ints
    work: Floats
    input: Floats
    output: Floats
    edge_data: Floats

    def __len__(self) -> int:
        return len(self.members)
