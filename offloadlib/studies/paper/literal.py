"""The paper's cost with "k - 1" taken literally, and its methods at that cost.

Section 3.2 lets subtask k wait for the data of subtask k - 1, whatever the graph says, while equation (1)
follows the graph. So in face recognition t4 gets its data from where t3 ran, though both only need t2, and
the join t5 waits for the data of t4 alone. Everywhere else data goes along the arcs of the graph.

This is no instance of the problem, since data would go where no arc is. So the methods are written here once
more, for 40 devices: plainly, with all decisions of a device at once as arrays.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured import sides
from offloadlib.methods import Family, Method


@dataclass(frozen=True)
class Reading:
    """Whose data subtask k waits for; a name for rows, as nothing else is done here."""

    predecessor: str = "k - 1"


class LiteralCosts:
    """Equation (3) with k - 1 taken literally, of the devices of one application, all connected."""

    def __init__(self, instance: Instance) -> None:
        (term,) = instance.terms
        application = term.group.application
        self.size, self.cpu = application.size, instance.points.cpu
        self.before = [[j for _, j in application.incoming[k]] for k in range(self.size)]
        if list(application.order) != list(range(self.size)):
            raise ValueError("the subtasks are not listed in topological order")
        leaving = {j: arc for arc, (j, _) in enumerate(application.edges)}
        arcs = [leaving[k] for k in range(self.size - 1)]  # data is the output of an arc's first subtask
        self.delay, self.energy = term.delay_weight, term.energy_weight
        self.local, self.work = term.local, term.group.work
        self.up = np.column_stack([term.head_up[:, 0], term.arc_up[:, arcs]])
        self.down = np.column_stack([np.zeros(len(self.local)), term.arc_down[:, arcs]])
        self.back = term.tail_down
        self.execute, self.send, self.receive = term.execute, term.send, term.receive

    def parts(self, m: int, k: int, place: Ints, before: Ints) -> tuple[Floats, Floats]:
        """Weighted g_k and e_k of device m, with (B,) places of subtasks k and k - 1 (local at first)."""
        away, came = place != LOCAL, before != LOCAL
        there, _ = sides.at_point(self.work[m, k], self.cpu[place])
        up = np.where(away & ~came, self.up[m, k], 0.0)
        down = np.where(~away & came, self.down[m, k], 0.0) + np.where(away, self.back[m, k], 0.0)
        run = np.where(away, 0.0, self.local[m, k])
        delay = np.where(away, there, run) + up + down
        energy = run * self.execute[m] + up * self.send[m] + down * self.receive[m]
        return self.delay[m] * delay, self.energy[m] * energy

    def of(self, m: int, places: Ints) -> Floats:
        """The cost of device m with each of (B, K) decisions."""
        finish, spent = np.zeros(places.shape), np.zeros(len(places))
        before = np.full(len(places), LOCAL)
        for k in range(self.size):
            delay, energy = self.parts(m, k, places[:, k], before)
            ready = finish[:, self.before[k]].max(axis=1) if self.before[k] else 0.0
            finish[:, k] = ready + delay
            spent += energy
            before = places[:, k]
        total: Floats = finish.max(axis=1) + spent
        return total


def btod(instance: Instance, budget: Budget, parameters: Reading = Reading()) -> Result:
    """Device by device the first of its decisions of least cost."""
    begun, costs = time.perf_counter(), LiteralCosts(instance)
    decisions, used = _decisions(instance.num_points, costs.size)
    left, rows = instance.points.capacity.copy(), []
    for m in range(instance.num_devices):
        possible = np.flatnonzero((used <= left).all(axis=1))
        best = possible[np.argmin(costs.of(m, decisions[possible]))]
        left -= used[best]
        rows.append(decisions[best])
    return _result(instance, costs, np.array(rows), begun)


@lru_cache(maxsize=1)
def _decisions(points: int, size: int) -> tuple[Ints, Ints]:
    """All decisions of a device in the order of Algorithm 1, and how many subtasks each has at a point."""
    decisions = np.array(list(itertools.product(range(LOCAL, points), repeat=size)))
    return decisions, np.stack([(decisions == n).sum(axis=1) for n in range(points)], axis=1)


def gsod(
    instance: Instance, budget: Budget, parameters: Reading = Reading(), by_ratio: bool = False
) -> Result:
    """Algorithm 3."""
    begun, costs = time.perf_counter(), LiteralCosts(instance)
    left, places = instance.points.capacity.copy(), np.full((instance.num_devices, costs.size), LOCAL)
    group = instance.groups[0]
    menu = np.arange(LOCAL, instance.num_points)
    for k in range(costs.size):
        before = places[:, max(k - 1, 0)]
        each = np.array([sum(costs.parts(m, k, menu, np.full(len(menu), p))) for m, p in enumerate(before)])
        free = np.append(True, left > 0)
        key = each[:, 1:][:, free[1:]].min(axis=1, initial=np.inf) - each[:, 0]
        if by_ratio:
            key = -group.work[:, k] / (group.input[:, k] + group.output[:, k])
        for m in np.argsort(key, kind="stable"):
            places[m, k] = menu[np.argmin(np.where(np.append(True, left > 0), each[m], np.inf))]
            if places[m, k] != LOCAL:
                left[places[m, k]] -= 1
    return _result(instance, costs, places, begun)


gsod_i, gsod_ii = partial(gsod, by_ratio=False), partial(gsod, by_ratio=True)


def _result(instance: Instance, costs: LiteralCosts, places: Ints, begun: float) -> Result:
    """The decisions; its record says under ``stated`` what they cost in this reading."""
    total = sum(float(costs.of(m, row[None])[0]) for m, row in enumerate(places))
    local = sum(float(costs.of(m, np.full((1, costs.size), LOCAL))[0]) for m in range(len(places)))
    solution = Solution((places.astype(np.int32),))
    runtime = time.perf_counter() - begun
    return Result.of(instance, solution, runtime, stated={"cost": total, "saving": 1.0 - total / local})


def _method(name: str, function: str) -> Method:
    told = "as the method of this name, with k - 1 taken literally", "section 3.2"
    return Method(name, f"{__name__}:{function}", Family.HEURISTIC, *told)


LITERAL: Mapping[str, Method] = {
    name: _method(name, function)
    for name, function in (("btod-sequential", "btod"), ("gsod-i", "gsod_i"), ("gsod-ii", "gsod_ii"))
}
"""The methods that are here, by the names of those whose place they take."""
