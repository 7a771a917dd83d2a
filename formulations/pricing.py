r"""Pricing: the cheapest decision of each device under prices on the limits.

For prices lambda_n >= 0 on capacity and mu_n >= 0 on channels, the pricing problem of device m is

.. math::

   \min_{d_m} \; C_m(d_m) + \sum_k \lambda_{d_{mk}} + \mu_{op_m} [\text{some } d_{mk} \ne 0]

over the decisions that the device may take. The sum of these minima less prices x limits is the
Lagrangian lower bound on F. The minimum is exact: by dynamic programming over the decomposition of a
series-parallel task (:mod:`formulations.pricing_plan`). At a given assignment of local and offloaded,
the choice among offload points matters only through speed and price, so only the points that no other
one beats in both are tried.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numba import njit, types
from numpy.typing import NDArray

from instances import LOCAL, Application, Instance, Solution
from instances.compiled import readable, writable
from instances.cost import Terms, evaluate, terms
from instances.model import Floats, Ints, Places

from .pricing_plan import LEAF, SERIES, Plan, plan_of

LARGEST_ARENA = 2_000_000
"""Labels of one device, at the most."""


class TooManyLabels(RuntimeError):
    """A task has more Pareto labels than the limit allows."""


@dataclass(frozen=True)
class Prices:
    """Prices on the limits of an instance.

    Attributes
    ----------
    capacity
        (N,) price of a subtask at each offload point, >= 0.
    channels
        (N,) price of a device on each offload point's radio, >= 0; 0 where channels are unlimited.
    """

    capacity: Floats
    channels: Floats

    @classmethod
    def zero(cls, instance: Instance) -> Prices:
        """No price on anything."""
        return cls(np.zeros(instance.num_points), np.zeros(instance.num_points))


@dataclass(frozen=True)
class Priced:
    """Solutions of the pricing problems.

    Attributes
    ----------
    value
        (M,) least cost + prices of each device; infinite where its branches leave no decision.
    solution
        The decisions that attain them (all-local for a device without any).
    """

    value: Floats
    solution: Solution


@lru_cache(maxsize=256)
def plan(application: Application) -> Plan | None:
    """The plan of an application, made once."""
    return plan_of(application)


def can_price(instance: Instance) -> bool:
    """Whether every application of the instance has a plan."""
    return all(plan(group.application) is not None for group in instance.groups)


class Restrictions:
    """Which places the branches above a node leave to each subtask.

    ``row[g][i, k]`` is -1 where subtask k of the i-th device of group g is free, else a row of
    ``allowed`` (R, N + 1), whose last column stands for local.
    """

    def __init__(self, instance: Instance) -> None:
        self._points = instance.num_points
        self.row = [np.full(group.work.shape, -1, dtype=np.int64) for group in instance.groups]
        self._rows: list[NDArray[np.bool_]] = []
        at = [(0, 0)] * instance.num_devices
        for g, group in enumerate(instance.groups):
            for i, m in enumerate(group.members.tolist()):
                at[m] = (g, i)
        self._at = at

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """(R, N + 1) places left to each restricted subtask."""
        return np.array(self._rows, dtype=np.bool_).reshape(len(self._rows), self._points + 1)

    def branch(self, device: int, subtask: int, place: int, equal: bool) -> None:
        """Leave only ``place`` to a subtask, or take it away."""
        g, i = self._at[device]
        row = self.row[g][i, subtask]
        if row < 0:
            row = len(self._rows)
            self._rows.append(np.ones(self._points + 1, dtype=np.bool_))
            self.row[g][i, subtask] = row
        chosen = np.zeros(self._points + 1, dtype=np.bool_)
        chosen[place] = True  # LOCAL is -1, the last column
        self._rows[row] &= chosen if equal else ~chosen

    def keeps(self, device: int, places: Places) -> bool:
        """Whether a decision obeys all branches."""
        g, i = self._at[device]
        rows = self.row[g][i]
        return all(r < 0 or self._rows[r][p] for r, p in zip(rows.tolist(), places.tolist(), strict=True))


def price(instance: Instance, prices: Prices, restrictions: Restrictions | None = None) -> Priced:
    """Solve every device's pricing problem.

    Parameters
    ----------
    instance
        Its applications must have a plan (:func:`can_price`).
    prices
        On capacities and channels.
    restrictions
        The branches above a node; none by default.

    Returns
    -------
    Priced
        A device without a radio link has only its all-local decision.

    Raises
    ------
    TooManyLabels
        If a task has more Pareto labels than the limit allows.
    """
    value = np.empty(instance.num_devices)
    chosen: list[Places] = []
    local_cost = _local_cost(instance)
    usable = instance.points.capacity > 0
    menu = _undominated(instance.points.cpu, prices.capacity, np.flatnonzero(usable))
    for g, term in enumerate(terms(instance)):
        members = term.group.members
        found = plan(term.group.application)
        if found is None:
            raise ValueError(f"application {term.group.application.id!r} has no pricing plan")
        connected = instance.devices.connected_to[members]
        places = np.full(term.group.work.shape, LOCAL, dtype=np.int32)
        least = np.empty(len(members))
        free = restrictions is None
        row = np.empty((0, 0), dtype=np.int64) if restrictions is None else restrictions.row[g]
        allowed = (
            np.empty((0, 0), dtype=np.bool_)
            if restrictions is None
            else restrictions.allowed & np.append(usable, True)
        )
        radio = np.where(connected == LOCAL, 0.0, prices.channels[connected])
        arguments = (
            *(found.steps, found.options, found.arcs, found.arc_start, found.pairs, found.pair_start),
            *(found.has_p, term.local, term.group.work, term.arc_up, term.arc_down, term.head_up),
            *(term.tail_down, term.execute, term.send, term.receive, term.delay_weight),
            *(term.energy_weight, _ends_of(term), connected, radio, local_cost[members]),
            *(instance.points.cpu, prices.capacity, menu, free, row, allowed, places, least),
        )
        if not _in_parallel(arguments, len(members)):
            raise TooManyLabels(f"application {term.group.application.id!r} has too many labels")
        value[members] = least
        chosen.append(places)
    return Priced(value, Solution(tuple(chosen)))


def _local_cost(instance: Instance) -> Floats:
    found: Floats | None = instance.__dict__.get("_local_cost")
    if found is None:
        found = evaluate(instance, Solution.all_local(instance)).cost
        instance.__dict__["_local_cost"] = found
    return found


def _ends_of(term: Terms) -> Ints:
    return np.array(term.group.application.edges, dtype=np.int64).reshape(-1, 2)


def _undominated(cpu: Floats, price: Floats, points: Ints) -> Ints:
    """The points that no other beats in speed and price, fastest and dearest first."""
    order = points[np.lexsort((points, price[points], -cpu[points]))]
    kept: list[int] = []
    for n in order.tolist():
        if not kept or price[n] < price[kept[-1]]:
            kept.append(n)
    return np.array(kept, dtype=np.int64)


_WORKERS = min(2, os.cpu_count() or 1)
_SMALL = 2000


def _in_parallel(arguments: tuple[object, ...], size: int) -> bool:
    if size < _SMALL:
        return bool(_price(*arguments, 0, size))
    parts = pairwise(np.linspace(0, size, _WORKERS + 1).astype(int).tolist())
    with ThreadPoolExecutor(_WORKERS) as pool:
        return all(pool.map(lambda part: _price(*arguments, *part), parts))


_F1, _F2, _I1, _I2 = readable("float64"), readable("float64", 2), readable("int64"), readable("int64", 2)
_I4 = writable("int32", 2)


@njit(cache=True, nogil=True)
def _grown(values):  # type: ignore[no-untyped-def]
    grown = np.empty(2 * len(values), values.dtype)
    grown[: len(values)] = values
    return grown


@njit(cache=True, nogil=True)
def _sort(d, p, c, left, right, start, end):  # type: ignore[no-untyped-def]
    """Sort labels [start, end) by d: by insertion where they are few, as they come almost sorted."""
    if end - start > 100:
        order = np.argsort(d[start:end], kind="mergesort")
        for column in (d, p, c):
            column[start:end] = column[start:end][order]
        for number in (left, right):
            number[start:end] = number[start:end][order]
        return
    for i in range(start + 1, end):
        j = i
        di, pi, ci, li, ri = d[i], p[i], c[i], left[i], right[i]
        while j > start and d[j - 1] > di:
            d[j], p[j], c[j], left[j], right[j] = d[j - 1], p[j - 1], c[j - 1], left[j - 1], right[j - 1]
            j -= 1
        d[j], p[j], c[j], left[j], right[j] = di, pi, ci, li, ri


@njit(cache=True, nogil=True)
def _prune(d, p, c, left, right, start, end, has_p):  # type: ignore[no-untyped-def]
    """Drop dominated labels of [start, end); returns the new end."""
    if end - start < 2:
        return end
    _sort(d, p, c, left, right, start, end)
    kept = start
    for i in range(start, end):
        beaten = False
        if has_p:
            for j in range(start, kept):
                if p[j] <= p[i] and c[j] <= c[i]:
                    beaten = True
                    break
        elif kept > start and c[kept - 1] <= c[i]:
            beaten = True
        if not beaten:
            if not has_p and kept > start and d[kept - 1] == d[i]:
                kept -= 1
            d[kept], p[kept], c[kept] = d[i], p[i], c[i]
            left[kept], right[kept] = left[i], right[i]
            kept += 1
    return kept


@njit(
    types.boolean(
        *(_I2, _I2, _I2, _I1, _I2, _I1, _I1, _F2, _F2, _F2, _F2, _F2, _F2, _F1, _F1, _F1, _F1, _F1),
        *(_I2, _I1, _F1, _F1, _F1, _F1, _I1, types.boolean, _I2, readable("boolean", 2)),
        *(_I4, writable("float64"), types.int64, types.int64),
    ),
    cache=True,
    nogil=True,
)
def _price(  # type: ignore[no-untyped-def]
    steps,
    options,
    arcs,
    arc_start,
    pairs,
    pair_start,
    has_p,
    local,
    work,
    arc_up,
    arc_down,
    head_up,
    tail_down,
    execute,
    send,
    receive,
    delay_weight,
    energy_weight,
    ends,
    connected,
    radio,
    local_cost,
    cpu,
    prices,
    menu,
    free,
    row,
    allowed,
    places,
    least,
    first,
    last,
):
    """Price the devices first..last of a group; False where there are too many labels."""
    size = 1 << 10
    d, p, c = np.empty(size), np.empty(size), np.empty(size)
    left, right = np.empty(size, np.int64), np.empty(size, np.int64)
    begin, end = np.empty(len(options), np.int64), np.empty(len(options), np.int64)
    points = np.empty(len(cpu), np.int64)
    stack = np.empty(4 * work.shape[1] + 4, np.int64)
    subtasks = work.shape[1]
    for m in range(first, last):
        # Is all-local allowed, and is anything else?
        may_stay, may_go = True, connected[m] >= 0
        if not free:
            for k in range(subtasks):
                if row[m, k] >= 0 and not allowed[row[m, k], len(cpu)]:
                    may_stay = False
        least[m] = local_cost[m] if may_stay else np.inf
        for k in range(subtasks):
            places[m, k] = -1
        if not may_go:
            continue
        a, b = delay_weight[m], energy_weight[m]
        used = 0
        for s in range(len(steps)):
            kind, k, fold, pay = steps[s, 0], steps[s, 1], steps[s, 2] == 1, steps[s, 3] == 1
            for number in range(steps[s, 4], steps[s, 4] + steps[s, 5]):
                begin[number] = used
                if kind == LEAF:
                    own, bits = options[number, 0], options[number, 1]
                    r = -1 if free else row[m, k]
                    for o in range(2):
                        if own >= 0 and own != o:
                            continue
                        if o == 0 and r >= 0 and not allowed[r, len(cpu)]:
                            continue
                        # Transfers charged to this subtask.
                        into, ahead, energy = 0.0, 0.0, 0.0
                        for i in range(arc_start[s], arc_start[s + 1]):
                            arc, charged_first = arcs[i, 0], arcs[i, 1] == 1
                            other = (bits >> (i - arc_start[s])) & 1
                            if other == o:
                                continue
                            upward = (o == 0) if charged_first else (o == 1)
                            t = arc_up[m, arc] if upward else arc_down[m, arc]
                            energy += t * (send[m] if upward else receive[m])
                            if charged_first:
                                ahead += t
                            else:
                                into += t
                        fixed = 0.0
                        if pay:
                            fixed, ahead = a * ahead, 0.0
                        if o == 0:
                            into += local[m, k]
                            energy += local[m, k] * execute[m]
                            count = 1
                        else:
                            into += head_up[m, k] + tail_down[m, k]
                            energy += head_up[m, k] * send[m] + tail_down[m, k] * receive[m]
                            count = 0
                            if r < 0:
                                for n in menu:
                                    points[count] = n
                                    count += 1
                            else:
                                for n in range(len(cpu)):
                                    if allowed[r, n]:
                                        points[count] = n
                                        count += 1
                        best, best_place = np.inf, -2
                        for i in range(count):
                            place = -1 if o == 0 else points[i]
                            delay = into if o == 0 else into + work[m, k] / cpu[place]
                            paid = fixed + b * energy if o == 0 else fixed + b * energy + prices[place]
                            if fold:
                                total = paid + a * delay
                                if total < best:
                                    best, best_place = total, place
                            else:
                                if used == size:
                                    size = 2 * size
                                    d, p, c = _grown(d), _grown(p), _grown(c)
                                    left, right = _grown(left), _grown(right)
                                d[used], p[used], c[used] = delay, ahead, paid
                                left[used], right[used] = -2 - k, place
                                used += 1
                        if fold and best < np.inf:
                            if used == size:
                                size = 2 * size
                                d, p, c = _grown(d), _grown(p), _grown(c)
                                left, right = _grown(left), _grown(right)
                            d[used], p[used], c[used] = 0.0, 0.0, best
                            left[used], right[used] = -2 - k, best_place
                            used += 1
                else:
                    best, best_left, best_right = np.inf, -1, -1
                    for pair in range(pair_start[number], pair_start[number + 1]):
                        one, two = pairs[pair, 0], pairs[pair, 1]
                        if kind != SERIES and has_p[s] == 0:
                            # Both lists fall in c as they rise in d: walk along both at once.
                            i, j = begin[one], begin[two]
                            if i == end[one] or j == end[two]:
                                continue
                            at = max(d[i], d[j])
                            while True:
                                while i + 1 < end[one] and d[i + 1] <= at:
                                    i += 1
                                while j + 1 < end[two] and d[j + 1] <= at:
                                    j += 1
                                paid = c[i] + c[j]
                                if fold:
                                    if paid + a * at < best:
                                        best, best_left, best_right = paid + a * at, i, j
                                else:
                                    if used == size:
                                        if size > LARGEST_ARENA:
                                            return False
                                        size = 2 * size
                                        d, p, c = _grown(d), _grown(p), _grown(c)
                                        left, right = _grown(left), _grown(right)
                                    d[used], p[used], c[used] = at, 0.0, paid
                                    left[used], right[used] = i, j
                                    used += 1
                                after = np.inf
                                if i + 1 < end[one]:
                                    after = d[i + 1]
                                if j + 1 < end[two]:
                                    after = min(after, d[j + 1])
                                if after == np.inf:
                                    break
                                at = after
                            continue
                        for i in range(begin[one], end[one]):
                            for j in range(begin[two], end[two]):
                                if kind == SERIES:
                                    delay, ahead = d[i] + p[i] + d[j], p[j]
                                else:
                                    delay, ahead = max(d[i], d[j]), p[i] + p[j]
                                paid = c[i] + c[j]
                                if fold:
                                    total = paid + a * (delay + ahead)
                                    if total < best:
                                        best, best_left, best_right = total, i, j
                                else:
                                    if used == size:
                                        if size > LARGEST_ARENA:
                                            return False
                                        size = 2 * size
                                        d, p, c = _grown(d), _grown(p), _grown(c)
                                        left, right = _grown(left), _grown(right)
                                    d[used], p[used], c[used] = delay, ahead, paid
                                    left[used], right[used] = i, j
                                    used += 1
                    if fold and best < np.inf:
                        if used == size:
                            size = 2 * size
                            d, p, c = _grown(d), _grown(p), _grown(c)
                            left, right = _grown(left), _grown(right)
                        d[used], p[used], c[used] = 0.0, 0.0, best
                        left[used], right[used] = best_left, best_right
                        used += 1
                if fold:
                    # One label is enough: the cheapest of the two own decisions.
                    if used - begin[number] == 2:
                        x = begin[number]
                        if c[x + 1] < c[x]:
                            c[x], left[x], right[x] = c[x + 1], left[x + 1], right[x + 1]
                        used = x + 1
                else:
                    used = _prune(d, p, c, left, right, begin[number], used, has_p[s] == 1)
                end[number] = used
        root = len(options) - 1
        if end[root] == begin[root]:
            continue
        total = c[begin[root]] + radio[m]
        if total < least[m]:
            least[m] = total
            depth = 0
            stack[0] = begin[root]
            while depth >= 0:
                i = stack[depth]
                depth -= 1
                if left[i] <= -2:
                    places[m, -2 - left[i]] = right[i]
                else:
                    stack[depth + 1], stack[depth + 2] = left[i], right[i]
                    depth += 2
    return True
