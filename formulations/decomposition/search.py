r"""The compiled kernel that prices any task by depth-first search with bounds.

Subtasks are decided in topological order. With D the decided ones and U the others, the cost of every
completion is at least each of

.. math::

   \sum_{k \in D} (a \varphi_k g_k + c_k) + \sum_{k \in U} \min_p (a \varphi_k g_k(p) + c_k(p))
   \qquad
   a \max_{k \in D} (finish_k + rest_k) + \sum_{k \in D} c_k + \sum_{k \in U} \min_p c_k(p)

where c is energy and price, phi a unit flow through the graph from its heads to its tails (a longest
path is at least any average over paths, so G >= sum phi_k g_k), rest_k the longest path after k at the
best speeds, and transfers between undecided subtasks count nothing. The flow sends every head's and
every fork's share evenly along all paths.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numba import njit, types

from instances import Application
from instances.compiled import readable, writable
from instances.model import Floats, Ints, frozen

LARGEST_SEARCH = 2_000_000
"""Nodes per device; beyond, the value is the bound proven so far."""

_F1, _F2, _I1, _I2 = readable("float64"), readable("float64", 2), readable("int64"), readable("int64", 2)


@lru_cache(maxsize=256)
def search_order(application: Application) -> tuple[Ints, Ints, Ints, Floats]:
    """Topological order, arcs into each subtask (arc, predecessor), where they begin, and the flow."""
    pairs = [pair for arcs in application.incoming for pair in arcs]
    start = np.cumsum([0, *(len(arcs) for arcs in application.incoming)])
    # Paths through a subtask = paths that lead to it times paths that go on from it.
    to, on = [1] * application.size, [1] * application.size
    for k in application.order:
        before = [to[j] for _, j in application.incoming[k]]
        to[k] = sum(before) if before else 1
    for j in reversed(application.order):
        after = [on[k] for i, k in application.edges if i == j]
        on[j] = sum(after) if after else 1
    total = sum(on[k] for k in range(application.size) if application.heads[k])
    return (
        frozen(application.order, np.int64),
        frozen(np.array(pairs, dtype=np.int64).reshape(len(pairs), 2), np.int64),
        frozen(start, np.int64),
        frozen([x * y / total for x, y in zip(to, on, strict=True)], np.float64),
    )


@njit(
    types.boolean(
        *(_F2, _F2, _F2, _F2, _F2, _F2, _F1, _F1, _F1, _F1, _F1, _I1, _F1),
        *(_F1, _F1, _F1, _I1, types.boolean, _I2, readable("boolean", 2)),
        *(_I1, _I2, _I1, _F1),
        *(writable("int32", 2), writable("float64"), types.int64, types.int64),
    ),
    cache=True,
    nogil=True,
)
def price_by_search(  # type: ignore[no-untyped-def]
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
    connected,
    local_cost,
    radio,
    cpu,
    prices,
    menu,
    free,
    row,
    allowed,
    order,
    into,
    into_start,
    flow,
    places,
    least,
    first,
    last,
):
    """Price the devices first..last of a group; False where a search was cut short."""
    complete = True
    points, size = len(cpu), len(order)
    option = np.empty((size, points + 1), np.int64)
    count = np.empty(size, np.int64)
    seconds = np.empty((size, points + 1))
    paid = np.empty((size, points + 1))
    rest, quickest = np.empty(size), np.empty(size)
    flow_after, cost_after = np.empty(size + 1), np.empty(size + 1)
    tried = np.empty(size, np.int64)
    chosen = np.empty(size, np.int64)
    finish = np.empty(size)
    # Sums over the decided subtasks, by depth: flow-weighted cost, energy and prices, longest, offloaded.
    flowing, spent, longest = np.empty(size + 1), np.empty(size + 1), np.empty(size + 1)
    away = np.empty(size + 1, np.int64)
    for m in range(first, last):
        a, b = delay_weight[m], energy_weight[m]
        least[m] = local_cost[m]
        for k in range(size):
            places[m, k] = -1
            if not free and row[m, k] >= 0 and not allowed[row[m, k], points]:
                least[m] = np.inf
        if connected[m] < 0:
            continue
        # Options of each subtask without transfers, cheapest by the first bound first.
        for k in range(size):
            r = -1 if free else row[m, k]
            n_options = 0
            if r < 0 or allowed[r, points]:
                option[k, 0], n_options = -1, 1
            if r < 0:
                for n in menu:
                    option[k, n_options] = n
                    n_options += 1
            else:
                for n in range(points):
                    if allowed[r, n]:
                        option[k, n_options] = n
                        n_options += 1
            count[k] = n_options
            quickest[k] = np.inf
            for i in range(n_options):
                n = option[k, i]
                if n < 0:
                    seconds[k, i] = local[m, k]
                    paid[k, i] = b * local[m, k] * execute[m]
                else:
                    seconds[k, i] = work[m, k] / cpu[n] + head_up[m, k] + tail_down[m, k]
                    paid[k, i] = prices[n] + b * (head_up[m, k] * send[m] + tail_down[m, k] * receive[m])
                quickest[k] = min(quickest[k], seconds[k, i])
            for i in range(1, n_options):
                j = i
                while j > 0 and (
                    paid[k, j] + a * flow[k] * seconds[k, j]
                    < paid[k, j - 1] + a * flow[k] * seconds[k, j - 1]
                ):
                    option[k, j], option[k, j - 1] = option[k, j - 1], option[k, j]
                    seconds[k, j], seconds[k, j - 1] = seconds[k, j - 1], seconds[k, j]
                    paid[k, j], paid[k, j - 1] = paid[k, j - 1], paid[k, j]
                    j -= 1
        for k in range(size):
            rest[k] = 0.0
        flow_after[size], cost_after[size] = 0.0, 0.0
        for depth in range(size - 1, -1, -1):
            k = order[depth]
            for i in range(into_start[k], into_start[k + 1]):
                j = into[i, 1]
                rest[j] = max(rest[j], quickest[k] + rest[k])
            flowed, cheapest = np.inf, np.inf
            for i in range(count[k]):
                flowed = min(flowed, paid[k, i] + a * flow[k] * seconds[k, i])
                cheapest = min(cheapest, paid[k, i])
            flow_after[depth] = flow_after[depth + 1] + flowed
            cost_after[depth] = cost_after[depth + 1] + cheapest
        flowing[0], spent[0], longest[0], away[0] = 0.0, 0.0, 0.0, 0
        depth, nodes = 0, 0
        tried[0] = 0
        unproven = np.inf
        while depth >= 0:
            k = order[depth]
            if tried[depth] == count[k]:
                depth -= 1
                continue
            i = tried[depth]
            tried[depth] += 1
            nodes += 1
            n = option[k, i]
            up, down, begun = 0.0, 0.0, 0.0
            for e in range(into_start[k], into_start[k + 1]):
                arc, j = into[e, 0], into[e, 1]
                begun = max(begun, finish[j])
                if n >= 0 and chosen[j] < 0:
                    up += arc_up[m, arc]
                elif n < 0 and chosen[j] >= 0:
                    down += arc_down[m, arc]
            delay = seconds[k, i] + up + down
            energy = paid[k, i] + b * (up * send[m] + down * receive[m])
            if n >= 0 and away[depth] == 0:
                energy += radio[m]
            cost = spent[depth] + energy
            flowed = flowing[depth] + energy + a * flow[k] * delay
            end = max(longest[depth], begun + delay + rest[k])
            bound = max(flowed + flow_after[depth + 1], cost + a * end + cost_after[depth + 1])
            if bound >= least[m]:
                continue
            chosen[k], finish[k] = n, begun + delay
            if depth == size - 1:
                least[m] = bound
                for j in range(size):
                    places[m, j] = chosen[j]
                continue
            if nodes > LARGEST_SEARCH:
                unproven = min(unproven, bound)
                continue
            depth += 1
            tried[depth] = 0
            flowing[depth], spent[depth], longest[depth] = flowed, cost, end
            away[depth] = away[depth - 1] + (1 if n >= 0 else 0)
        if unproven < least[m]:
            least[m] = unproven
            complete = False
    return complete
