r"""One device at a time: its cheapest decision at given prices, or all of its decisions up to some cost.

Minimise, over the decisions d of one device, the cost C(d) plus the prices of the places in d, plus a
charge if anything is offloaded, within the room at each place. All costs are weighted as in equation (3):
subtask k adds g_k to the delay, e_k to the energy, and the price l_k of its place.

**Bound.** Subtasks are decided in topological order. Let D be the decided ones, U the others, and

- s_k the least of e_k + l_k over the places of k, with the transfers along arcs left out;
- u_k(o) the least of g_k + e_k + l_k over the places with o_k = o, again without arcs;
- t_jk(o_j, o_k) the delay and energy of the transfer along arc (j, k);

.. math::

   V_k(o_k) &= \max_{l: (k,l)} W_{kl}(o_k) \quad (0\ \text{for tails}), \\
   W_{kl}(o_k) &= \min_{o_l} [ t_{kl}(o_k, o_l) + u_l(o_l) - s_l + V_l(o_l) ] .

Each completion of the decisions in D costs at least

.. math::

   \sum_{k \in D} (e_k + l_k) + \sum_{k \in U} s_k + \max\Big\{ f,\;
   \max_{(j,k): j \in D, k \in U} [f_j + W_{jk}(o_j)],\;
   \max_{k \in U\ \text{head}}\; \min_o [u_k(o) - s_k + V_k(o)] \Big\}

where f_j is the (weighted) time at which j is finished and f the latest of these times.

*Proof* for the middle term. First, from each subtask l in U a path P goes on, l not in it, with
:math:`\sum_{k \in P} (g_k + e_k + l_k - s_k) \ge V_l(o_l)`. For a tail P is empty. Else let the arc (l, k)
attain the maximum in V_l. The completion's own o_k bounds the minimum in W_lk from above; what u_k leaves
out beside the transfer along (l, k) is not negative; and k has such a path, being in U as a successor of
l. By the same step, for an arc (j, k) from D to U a path P in U that begins at k has
:math:`\sum_P (g_k + e_k + l_k - s_k) \ge W_{jk}(o_j)`. The delay is at least :math:`f_j + \sum_P g_k`; the
subtasks on P add e_k + l_k each, and the others in U at least s_k. In the first term P is empty, in the
last one it begins at a head.

On a chain the bound is attained, so that the search goes straight to an optimum.

**Order.** The places of a subtask are tried by g_k + e_k + l_k without arcs, the least first.

**Places that need no trying.** Among places of one price, the fastest ones that have room for the whole
task together suffice when one cheapest decision is wanted: a subtask anywhere else could move there. With
ample room that is one place, and a device has 2^K decisions instead of (N+1)^K.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.flat import flat_tasks, solution_of

from ...engine.outcome import TooManyDecisions
from .kernels import (
    EXHAUSTED,
    FULL,
    NODES,
    Best,
    Found,
    Fronts,
    Lookahead,
    Market,
    State,
    Turns,
    Walk,
    decisions_below,
    device_by_device,
    first_in_turn,
)

STEPS = 100_000
"""Steps of a kernel between two looks at the clock: some milliseconds."""

BUFFER = 2**15
"""Decisions that are collected before those that nobody needs are dropped."""

MOST_DECISIONS = 2**20
"""Decisions of one device that may be left after that."""

Pause = Callable[[], None]
"""Called between two slices of a search; what it raises ends the search."""


class DeviceSearch:
    """Searches for decisions of the connected devices of a pooled instance, device by device.

    Places are the I pools with room, the fastest first.

    Attributes
    ----------
    devices
        (D,) the connected devices.
    tasks
        Their tasks.
    speed, room
        (I,) of the pools.
    local
        (D,) cost of the all-local decisions.
    nodes
        Of all searches so far.
    """

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.devices = np.flatnonzero(instance.devices.connected_to != LOCAL)
        self.tasks = flat_tasks(instance, self.devices)
        self._fronts = Fronts.of(self.tasks)
        points = instance.points
        pools = np.flatnonzero(points.capacity > 0)
        self._pools = pools[np.argsort(-points.cpu[pools], kind="stable")]
        self.speed, self.room = points.cpu[self._pools], points.capacity[self._pools]
        self.local = evaluate(instance, Solution.all_local(instance)).cost[self.devices]
        self.nodes = 0
        self._tables = Lookahead.fresh(self.tasks, len(self.speed))
        # Where :meth:`alone` starts from.
        self._alone = Best(self.all_local(), self.local.copy(), self.local.copy())

    def all_local(self) -> Ints:
        """(P,) the places of the all-local decisions."""
        return np.full(self.tasks.start[-1], LOCAL)

    def solution(self, places: Ints) -> Solution:
        """The solution of the pooled instance that places (P,) stand for."""
        return solution_of(self._instance, np.append(self._pools, LOCAL)[places], self.devices)

    def alone(self, price: Floats, charge: Floats, pause: Pause) -> tuple[Ints, Floats]:
        """Each device's decision of least cost and price, as if it were the only one.

        Parameters
        ----------
        price, charge
            (I,), (D,) what a subtask at a pool, and a device that offloads, pays; no pool is dearer than
            a faster one.
        pause
            Called now and then.

        Returns
        -------
        places, value
            (P,) the decisions, (D,) their cost and price.
        """
        self._run(price, charge, False, self._alone, pause)
        return self._alone.places.copy(), self._alone.value.copy()

    def in_turn(self, price: Floats, charge: Floats, pause: Pause, places: Ints) -> None:
        """Each device's decision of least cost and price given what the earlier ones, in file order, leave.

        Parameters
        ----------
        price, charge, pause
            As for :meth:`alone`.
        places
            (P,) all-local at first; what is there is feasible at any time, also when ``pause`` raises.
        """
        best = Best(places, np.zeros(len(self.local)), np.zeros(len(self.local)))
        self._run(price, charge, True, best, pause)

    def first_in_turn(self, cpu: Floats, capacity: Ints, pause: Callable[[Ints], None]) -> Ints:
        """As :meth:`in_turn` without prices, and of equally good decisions the first of Algorithm 1.

        Parameters
        ----------
        cpu, capacity
            (N,) of the offload points that the pools stand for.
        pause
            Called now and then with the decisions so far; devices that have not had their turn are local.

        Returns
        -------
        ndarray
            (P,) offload points.
        """
        walk = self._fresh(np.zeros(len(self.speed)), np.zeros(len(self.devices)))
        best = Best(self.all_local(), np.zeros(len(self.local)), np.zeros(len(self.local)))
        turns = Turns.of(np.searchsorted(-self.speed, -cpu), capacity, len(best.places))
        try:
            while not first_in_turn(walk, self.local, best, turns, STEPS):
                pause(turns.chosen)
        finally:
            self.nodes += int(walk.state.cursor[NODES])
        return turns.chosen

    def _run(self, price: Floats, charge: Floats, in_turn: bool, best: Best, pause: Pause) -> None:
        walk = self._fresh(price, charge)
        try:
            while not device_by_device(walk, self.local, in_turn, best, STEPS):
                pause()
        finally:
            self.nodes += int(walk.state.cursor[NODES])

    def below(
        self,
        m: int,
        threshold: float,
        price: Floats,
        charge: Floats,
        pause: Pause,
        needed: Callable[[Ints, Floats], Ints],
    ) -> tuple[Ints, Floats]:
        """The decisions of device number m with cost and price below a threshold.

        Parameters
        ----------
        m, threshold
            Which device; cost and price.
        price, charge, pause
            As for :meth:`alone`.
        needed
            From decisions (B, K) and costs (B,) to the numbers of those that are worth keeping.

        Returns
        -------
        places, cost
            (B, K), (B,) those worth keeping.

        Raises
        ------
        TooManyDecisions
            If they are more than :data:`MOST_DECISIONS`.
        """
        size = int(self.tasks.start[m + 1] - self.tasks.start[m])
        places, cost = np.zeros((BUFFER, size), dtype=np.int64), np.zeros(BUFFER)
        count, walk = np.zeros(1, dtype=np.int64), self._fresh(price, charge)
        try:
            while True:
                code = decisions_below(walk, m, threshold, Found(places, cost, count), STEPS)
                if code == EXHAUSTED:
                    break
                pause()
                if code == FULL:
                    kept = needed(places, cost)
                    if len(kept) > MOST_DECISIONS:
                        raise TooManyDecisions(f"a device has more than {MOST_DECISIONS} decisions to list")
                    room = len(cost) * (2 if 2 * len(kept) > len(cost) else 1)
                    places, cost = _moved(places, kept, room), _moved(cost, kept, room)
                    count[0] = len(kept)
        finally:
            self.nodes += int(walk.state.cursor[NODES])
        kept = needed(places[: count[0]], cost[: count[0]])
        return places[kept], cost[kept]

    def _fresh(self, price: Floats, charge: Floats) -> Walk:
        state = State.fresh(self.tasks.start[-1], self.room, self._instance.points.channels)
        market = Market.of(self.speed, price, charge)
        return Walk(self.tasks, self._fronts, market, self._tables, state)


def _moved(values: Any, kept: Ints, room: int) -> Any:
    """Some rows of an array, at the front of a new one with so many rows."""
    result = np.zeros((room, *values.shape[1:]), values.dtype)
    result[: len(kept)] = values[kept]
    return result
