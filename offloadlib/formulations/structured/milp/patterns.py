r"""A pattern formulation: set partitioning over whole decisions of devices.

Where a device has few enough decisions to list them all, the heaviest path needs no linearisation: each
decision p of a device m is a column with its cost C_p and what it uses of every limit, the subtasks u_pn
at each offload point and v_pn = 1 where it uses the radio of n:

.. math::

   \min \sum_p C_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad
   \sum_p u_{pn} x_p \le q^1_n,\quad \sum_p v_{pn} x_p \le q^2_n,\quad x_p \in \{0, 1\}.

This is the Dantzig-Wolfe reformulation of (4), (5) (:mod:`..decomposition.master` generates its columns,
here they are all there). Its relaxation is as strong as the Lagrangian bound. Two reductions come first.

**Dominance.** A decision is dropped where another one of the same device costs no more and uses no more
of any limit. *Proof*: replaced by that one in any solution, all limits are kept and F does not grow; of
decisions that dominate each other one stays. What is left has at most one decision for each use, that
is, for each multiset of up to K offload points: :math:`\binom{N+K}{K}` instead of :math:`(N+1)^K`. To
find it, let reach(u) be the least cost of all uses below u. A use is below u where it can be made of u
by taking places back to the device, one by one, so that

.. math:: reach(u) = \min(C(u),\; \min_{n \in u} reach(u - e_n)),

and the best decision of use u stays where C(u) < reach(u - e_n) for all n in u. (Whether the radio is used
follows from u: a use below u does not use it either, or u does.)

**Reduced-cost fixing.** For prices lambda >= 0 on all limits q let :math:`r_p = C_p + \lambda u_p`, and
let the slack of p be :math:`s_p = r_p - \min_{p' \in m} r_{p'}`. Each solution x costs at least

.. math::

   \sum_p C_p x_p \ge \sum_p C_p x_p + \lambda \Bigl(\sum_p u_p x_p - q\Bigr) = L + \sum_p s_p x_p
   \quad\text{with}\quad L = \sum_m \min_{p \in m} r_p - \lambda q,

the Lagrangian bound: x keeps the limits, and takes one pattern of each device. So a solution with a
pattern of slack at least delta costs at least L + delta. Let the program keep some of the patterns, with
delta the least slack of the others; with z a lower bound on its optimum, min(z, L + delta) is one on F.
And where a solution is known that costs at most L + delta, the others are not needed.

A first program keeps a few patterns of each device (:meth:`Patterns.diverse`). While that leads to better
solutions, there are larger ones; then, at the latest, comes the one that keeps all patterns whose slack is
at most F - L, which is exact. With prices from column generation
(:mod:`.structured.decomposition.master`) these are few: of 16 million decisions of 100 devices with 10
offload points, 272,000 are not dominated, and 5,600 are needed to prove the optimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack, vstack

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination
from offloadlib.instances.alarm import alarm
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import Group, Places
from offloadlib.instances.structured.sides import Sides, Terms, away, crosses

from ...engine.highs import MixedIntegerProgram
from ...proofs.nodes import claim
from .. import pooling
from ..decomposition.master import best_prices
from ..decomposition.pricing import Prices
from ..search import Search, run_in_scale

MOST_DECISIONS = 200_000
"""Decisions of one device, at the most."""

MOST_PATTERNS = 4_000_000
"""Uses of all devices, at the most: patterns before dominance, at up to 300 bytes each."""

DIVERSE = 2
"""Patterns of each device in every program, for each number of offloaded subtasks."""

GROWTH = 4
"""Times as many patterns in each further program."""


def obstacle(instance: Instance) -> str | None:
    """None, or why the decisions of an instance are too many to list."""
    instance = pooling.pool(instance)
    places = int((instance.points.capacity > 0).sum()) + 1
    total = 0
    for group in instance.groups:
        linked = instance.devices.connected_to[group.members] != LOCAL
        size = group.application.size
        if linked.any() and places**size > MOST_DECISIONS:
            listed = f"those of {group.application.id!r} are {places}^{size}"
            return f"lists the decisions of each device, at most {MOST_DECISIONS}; {listed}"
        total += int(linked.sum()) * math.comb(places - 1 + size, size)
    if total > MOST_PATTERNS:
        most = f"at most {MOST_PATTERNS}"
        return f"lists the uses that devices can make of offload points, {most}; here are {total}"
    return None


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS."""
    return run_in_scale(instance, budget, _minimise)


def _minimise(search: Search) -> tuple[Termination, dict[str, Any]]:
    try:
        patterns = undominated(search.instance, lambda: search.left == 0)
    except OutOfTime:
        return Termination.TIME_LIMIT, {}
    with alarm(search.left) as stopped:
        _, prices = best_prices(search.instance, search.start, lambda: search.left == 0, stopped)
    bound, slack = patterns.slack(prices)
    bound = claim(bound) + search.constant
    search.prove(bound)
    search.report()
    ranked, diverse = np.argsort(slack, kind="stable"), patterns.diverse(slack, DIVERSE)
    size, elsewhere = len(diverse), -math.inf
    termination, record = Termination.FINISHED, dict[str, Any](patterns=len(patterns), nodes=0)
    while not search.closed and search.objective > elsewhere:
        chosen, before = patterns.covering(search.start), search.objective
        needed = np.count_nonzero(slack <= search.objective - bound)
        kept = np.union1d(ranked[: min(size, needed)], np.union1d(diverse, chosen))
        elsewhere = bound + float(np.delete(slack, kept).min(initial=np.inf))
        left, start = patterns.take(kept), np.isin(kept, chosen).astype(np.float64)
        termination, more = search.minimise(
            left.program(), (np.arange(len(kept)), start), left.decode, elsewhere
        )
        record |= more | {"nodes": record["nodes"] + more["nodes"]}
        if termination in (Termination.TIME_LIMIT, Termination.INTERRUPTED):
            break
        size = size * GROWTH if search.objective < before else len(patterns)
    if termination is Termination.FINISHED and not search.optimal:
        termination = Termination.GAP
    return termination, record


@dataclass(frozen=True, eq=False)
class Patterns:
    """Decisions of the connected devices, device by device.

    Attributes
    ----------
    instance
        The instance.
    tables
        The decisions of tasks of each size.
    device, decision
        (P,) whose decision it is, and its row in the table.
    cost
        (P,) C_p.
    use
        (P, L) what it uses of each limit.
    """

    instance: Instance
    tables: Mapping[int, PatternTable]
    device: Ints
    decision: Ints
    cost: Floats
    use: csr_array

    def __len__(self) -> int:
        return len(self.device)

    @cached_property
    def limits(self) -> Limits:
        """The limits of the instance."""
        return Limits(self.instance)

    @cached_property
    def _first(self) -> Ints:
        """(D,) where each device's patterns begin."""
        return np.flatnonzero(np.diff(self.device, prepend=-1))

    @property
    def num_devices(self) -> int:
        """Number of connected devices, D."""
        return len(self._first)

    def take(self, numbers: Ints) -> Patterns:
        """Some of them, in ascending order; each device must keep one."""
        return Patterns(
            self.instance,
            self.tables,
            self.device[numbers],
            self.decision[numbers],
            self.cost[numbers],
            self.use[numbers],
        )

    def slack(self, prices: Prices) -> tuple[float, Floats]:
        """The Lagrangian bound L, without the unconnected devices, and (P,) the slack of each pattern."""
        on_limits = self.limits.vector(prices.capacity, prices.channels)
        reduced = self.cost + self.use @ on_limits
        least = np.minimum.reduceat(reduced, self._first)
        bound = math.fsum(least.tolist()) - float(on_limits @ self.limits.right)
        sizes = np.diff(self._first, append=len(self))
        return bound, reduced - np.repeat(least, sizes)

    def diverse(self, slack: Floats, count: int) -> Ints:
        """Of each device and number of offloaded subtasks the ``count`` patterns of least slack.

        The cheapest patterns of a device may all offload equally many; a good solution, which has to fill
        the capacities, often needs others.
        """
        away = self.use[:, : self.instance.num_points].sum(axis=1)
        order = np.lexsort((slack, away, self.device))
        device, away = self.device[order], away[order]
        # The place of each in its class is its distance from the one where the class begins.
        number = np.arange(len(order))
        begins = (np.diff(device, prepend=-1) != 0) | (np.diff(away, prepend=-1) != 0)
        rank = number - np.maximum.accumulate(np.where(begins, number, 0))
        return np.sort(order[rank < count])

    def covering(self, solution: Solution) -> Ints:
        """(D,) for each device the cheapest pattern that uses no more than its decision in a solution."""
        used = np.zeros((self.instance.num_devices, self.use.shape[1]))
        for group, places in zip(self.instance.groups, solution.places, strict=True):
            used[group.members] = self.limits.uses(places, group.members).toarray()
        row = _rows(self.use)
        over = self.use.data > used[self.device[row], self.use.indices]
        cost = self.cost.copy()
        cost[row[over]] = np.inf
        return _least(cost, self._first)[1]

    def program(self) -> MixedIntegerProgram:
        """The set-partitioning program over these patterns."""
        limits, devices = self.limits.right.astype(np.float64), self.num_devices
        device = np.cumsum(np.diff(self.device, prepend=-1) != 0) - 1
        partition = csr_array(
            (np.ones(len(self)), device, np.arange(len(self) + 1)), shape=(len(self), devices)
        )
        return MixedIntegerProgram(
            cost=self.cost,
            lower=np.zeros(len(self)),
            upper=np.ones(len(self)),
            integer=np.arange(len(self)),
            matrix=csr_array(hstack([partition, self.use]).T),
            row_lower=np.append(np.ones(devices), np.full(len(limits), -np.inf)),
            row_upper=np.append(np.ones(devices), limits),
        )

    def decode(self, values: Floats) -> Solution:
        """The decisions that the values of the program's columns stand for."""
        rows = Solution.all_local(self.instance).rows(self.instance)
        for p in np.flatnonzero(values > 0.5).tolist():
            m = int(self.device[p])
            rows[m] = self.tables[len(rows[m])].places[self.decision[p]].tolist()
        return Solution.from_rows(self.instance, rows)


def undominated(instance: Instance, late: Callable[[], bool] = lambda: False) -> Patterns:
    """All decisions of the connected devices that no other one dominates.

    Parameters
    ----------
    instance
        Without an :func:`obstacle`; some device can offload.
    late
        Asked now and then whether time is up.

    Raises
    ------
    OutOfTime
        If it is.
    """
    limits = Limits(instance)
    sizes = {group.application.size for group in instance.groups if _linked(instance, group).any()}
    tables = {size: PatternTable.of(instance, size) for size in sizes}
    parts: list[tuple[Ints, Ints, Floats, csr_array]] = []
    for term in instance.terms:
        for rows in _chunks(instance, term.group):
            if late():
                raise OutOfTime
            table = tables[term.group.application.size]
            cost, decision = table.cheapest(_costs(instance, term, rows))
            row, kept = np.nonzero(table.undominated(cost))
            device = term.group.members[rows[row]]
            decision = decision[row, kept]
            use = limits.uses(table.places[decision], device)
            parts.append((device, decision, cost[row, kept], use))
    devices, decisions, costs, uses = zip(*parts, strict=True)
    return Patterns(
        instance,
        tables,
        np.concatenate(devices),
        np.concatenate(decisions),
        np.concatenate(costs),
        csr_array(vstack(uses)),
    )


def _linked(instance: Instance, group: Group) -> NDArray[np.bool_]:
    """(G,) whether a device has a radio link."""
    linked: NDArray[np.bool_] = instance.devices.connected_to[group.members] != LOCAL
    return linked


def _chunks(instance: Instance, group: Group) -> Iterator[Ints]:
    """The connected devices of a group, by their rows, so many at once that caches can hold their costs."""
    rows = np.flatnonzero(_linked(instance, group))
    places = int((instance.points.capacity > 0).sum()) + 1
    size = max(1, MOST_DECISIONS // places**group.application.size)
    for first in range(0, len(rows), size):
        yield rows[first : first + size]


@dataclass(frozen=True, eq=False)
class PatternTable:
    """All decisions of K subtasks over the offload points with capacity, in classes of equal use.

    Decisions that use more of an offload point than there is are left out.

    Attributes
    ----------
    places
        (R, K) decisions, class by class.
    order
        (R,) their numbers among all decisions in lexicographic order, local first.
    first
        (U,) where each class begins; all-local is the first one, and uses of fewer subtasks go first.
    away
        (U,) number of subtasks that are offloaded.
    below
        (U, K) the classes with one of these subtasks less, and the all-local class to fill up.
    """

    places: Places
    order: Ints
    first: Ints
    away: Ints
    below: Ints

    @classmethod
    def of(cls, instance: Instance, size: int) -> PatternTable:
        """The decisions of a connected device's ``size`` subtasks."""
        points = np.flatnonzero(instance.points.capacity > 0)
        place = np.append(LOCAL, points).astype(np.int32)
        # Digits: 0 is local, i + 1 the i-th of these points. A class is its decisions' sorted digits.
        digits = np.indices((len(place),) * size).reshape(size, -1).T
        value = len(place) ** np.arange(size)[::-1]
        name = np.sort(digits, axis=1) @ value
        over = np.zeros(len(digits), dtype=np.bool_)
        for i, capacity in enumerate(instance.points.capacity[points].tolist(), start=1):
            if capacity < size:
                over |= np.count_nonzero(digits == i, axis=1) > capacity
        order = np.flatnonzero(~over)
        order = order[np.argsort(name[order], kind="stable")]
        classes, first = np.unique(name[order], return_index=True)
        members = digits[order[first]]
        below = np.zeros_like(members)
        for i in range(size):
            fewer = members.copy()
            fewer[:, i] = 0
            found = np.searchsorted(classes, np.sort(fewer, axis=1) @ value)
            below[:, i] = np.where(members[:, i] > 0, found, 0)
        return cls(place[digits[order]], order, first, np.count_nonzero(members, axis=1), below)

    def cheapest(self, costs: Floats) -> tuple[Floats, Ints]:
        """The least cost in each class, and which decision has it.

        Parameters
        ----------
        costs
            (G, (N+1)^K) of all decisions, in lexicographic order.

        Returns
        -------
        cost, decision
            (G, U).
        """
        return _least(costs[:, self.order], self.first)

    def undominated(self, cost: Floats) -> NDArray[np.bool_]:
        """(G, U) which classes stay, by the costs of their cheapest decisions."""
        kept = np.ones(cost.shape, dtype=np.bool_)
        reach = cost.copy()
        ends = np.searchsorted(self.away, np.arange(1, self.below.shape[1] + 2)).tolist()
        for first, last in pairwise(ends):
            below = np.full((len(cost), last - first), np.inf)
            for classes in self.below[first:last].T:
                np.minimum(below, reach[:, classes], out=below)
            kept[:, first:last] = cost[:, first:last] < below
            np.minimum(reach[:, first:last], below, out=reach[:, first:last])
        return kept


def _costs(instance: Instance, term: Terms, devices: Ints) -> Floats:
    """(G, (N+1)^K) the cost of all decisions of some of a group's devices, in lexicographic order.

    Arrays have an axis for the devices and one for the places of each subtask, of length 1 where a value
    does not depend on them: what a subtask takes depends on its own place and on whether its
    predecessors are offloaded, so that little is computed for all decisions.
    """
    application, axes = term.group.application, [1] * term.group.application.size
    sides = Sides(*(values[devices] for values in term.sides))
    at_points = away(term, instance.points.cpu[instance.points.capacity > 0], (devices, slice(None)))
    on_side = np.arange(at_points[0].shape[2] + 1) > 0

    def of_place(k: int, values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(-1, *axes[:k], len(on_side), *axes[k + 1 :])

    def own(k: int, local: Floats, elsewhere: Floats) -> Floats:
        return of_place(k, np.column_stack([local[:, k], elsewhere[:, k]]))

    def of_arc(values: Floats, arc: int) -> Floats:
        return values[:, arc].reshape(-1, *axes)

    finish: dict[int, Floats] = {}
    total: Floats = np.zeros((1, *axes))
    for k in application.order:
        delay = own(k, sides.local_delay, at_points[0])
        energy = own(k, sides.local_energy, at_points[1])
        for arc, j in application.incoming[k]:
            up, down = crosses(of_place(j, on_side), of_place(k, on_side))
            delay = delay + up * of_arc(sides.up_delay, arc) + down * of_arc(sides.down_delay, arc)
            energy = energy + up * of_arc(sides.up_energy, arc) + down * of_arc(sides.down_energy, arc)
        before = [finish[j] for _, j in application.incoming[k]]
        ready = reduce(np.maximum, before) if before else 0.0
        finish[k] = ready + delay
        total = total + energy
    tails = [finish[k] for k in np.flatnonzero(application.tails).tolist()]
    total = total + reduce(np.maximum, tails)
    return total.reshape(len(devices), -1)


def _rows(matrix: csr_array) -> Ints:
    """The row of each entry."""
    return np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))


def _least(values: Floats, first: Ints) -> tuple[Floats, Ints]:
    """The least value of each segment along the last axis, and the last number that has it."""
    size = values.shape[-1]
    least = np.minimum.reduceat(values, first, axis=-1)
    attained = values == np.repeat(least, np.diff(first, append=size), axis=-1)
    return least, np.maximum.reduceat(np.where(attained, np.arange(size), -1), first, axis=-1)
