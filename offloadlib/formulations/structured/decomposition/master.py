r"""The restricted master problem: the linear program over the decisions generated so far.

With a column p for each known decision of a device (cost C_p, subtasks u_pn at offload point n, and
v_pn = 1 where it uses the radio of n):

.. math::

   \min \sum_p C_p x_p :\; \sum_{p \in m} x_p = 1 \;\forall m,\quad
   \sum_p u_{pn} x_p \le q^1_n,\quad \sum_p v_{pn} x_p \le q^2_n,\quad x \ge 0

(Dantzig-Wolfe reformulation of (4), (5).) Its duals are prices; pricing at them either finds columns of
negative reduced cost or proves that none is missing. The Lagrangian value at any prices is a bound at
once, so the loop may stop at any time.

**Exchanges.** Cost depends on an offload point through its speed alone (:mod:`.structured.pooling`), and
does not grow with it. So a column y >= 0 without cost may move a subtask from a point to the next faster
one: -1 in the slower one's row, +1 in the faster one's. Whole numbers of columns and exchanges that keep
all rows make a solution (:func:`.structured.pooling.settle`), so that nothing is lost. In the dual, they
say that a faster point is not cheaper, which holds at some optimal prices (dual-optimal inequalities,
Valerio de Carvalho 2005): prices settle sooner, and fewer columns are needed to fill all places.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from offloadlib.instances import LOCAL, UNLIMITED, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats
from offloadlib.instances.loops import SMALLEST

from ...engine.branching import SPLIT
from ...engine.columns import PRECISION, UNUSED, Mask, RestrictedMaster, Steps, generate
from ...engine.units import unit_for
from ..certificate import rounded
from ..scaling import scaled
from .plan import labelled
from .pricing import NEVER, Priced, Prices, Restrictions, difference, price
from .search import LARGEST_SEARCH
from .tables import Learnt

GROWTH = 10
"""Times as much effort, when less finds nothing more."""

MOST_TIMES_UPPER = 16.0
"""A first penalty is at the most so many times an incumbent's cost: the program's tolerances are relative to
that, and where all-local costs more by orders of magnitude nothing would be left of them."""


@dataclass(frozen=True)
class Column:
    """A decision of one device."""

    device: int
    places: tuple[int, ...]
    cost: float


Branch = tuple[int, int, frozenset[int]]
"""Device, subtask, places."""

Step = tuple[int, int, frozenset[int], bool]
"""A branch taken: whether the subtask is at one of the places."""


@dataclass(frozen=True)
class Node:
    """What column generation leaves: the bound, its prices, and the weights of the columns in use; and the
    least cost with prices of each device, or a bound of it, None where that is not known."""

    bound: float
    prices: Prices
    weights: dict[int, float] = field(default_factory=dict)
    values: Floats | None = None


def exchanges(instance: Instance) -> list[tuple[int, int]]:
    """Offload points (from, to) such that no subtask costs more at the second one: the next faster one,
    and where two are equally fast, either."""
    points = instance.points
    order = [n for n in np.argsort(-points.cpu, kind="stable").tolist() if points.capacity[n] > 0]
    pairs = [(slow, fast) for fast, slow in itertools.pairwise(order)]
    return pairs + [(fast, slow) for slow, fast in pairs if points.cpu[slow] == points.cpu[fast]]


def penalty_unit(upper: float, local: float) -> float:
    """What artificial columns cost: as much as all-local, but not out of scale with an incumbent."""
    return max(min(max(upper, local), MOST_TIMES_UPPER * upper), SMALLEST)


def lagrangian_bound(instance: Instance, prices: Prices, value: Floats) -> float:
    """The Lagrangian bound where the devices cost so much with prices."""
    limits = instance.points
    channels = np.where(limits.channels == UNLIMITED, 0, limits.channels)
    paid = float(prices.capacity @ limits.capacity) + float(prices.channels @ channels)
    return difference(float(np.sum(value)), paid)


class Master:
    """Columns of an instance, and their linear program under changing restrictions.

    Attributes
    ----------
    instance, columns
        The instance, and the decisions of its devices that are known.
    limited
        Offload points with limited channels.
    program
        Its rows are the devices, capacities and limited channels, its columns those above.
    fixed
        Columns that are closed but for what pricing asks for.
    stopped
        From :func:`~.instances.alarm.alarm`: as soon as it is true, pricing ends with the bounds that it has.
    effort
        For a device's decision, as for :func:`.pricing.price`: where pricing is slow it begins low, and
        grows when it finds nothing more. None: as much as it takes.
    threads
        Threads that price.
    learnt
        As for :func:`.pricing.price`.
    seconds
        What the last pricing of all devices has taken.
    affordable
        Whether a pricing may take so many seconds: else effort does not grow.
    refused
        Whether it was kept from growing so.
    searched
        Whether tasks are priced by search.
    """

    def __init__(
        self, instance: Instance, upper: float, stopped: NDArray[np.bool_] = NEVER, threads: int = 1
    ) -> None:
        self.instance = instance
        self.stopped, self.threads = stopped, threads
        self.effort: int | None = None
        self.affordable: Callable[[float], bool] = lambda seconds: True
        self.refused = False
        self._most: float = math.inf
        self.seconds = 0.0
        self.columns: list[Column] = []
        self.fixed: set[int] = set()
        self.learnt = Learnt(instance)
        self._known: dict[tuple[int, tuple[int, ...]], int] = {}
        self._of: dict[int, list[int]] = {}
        self.searched = not all(map(labelled, instance.applications))
        linked = instance.devices.connected_to != LOCAL
        self._devices = np.flatnonzero(linked)
        self._row = {m: i for i, m in enumerate(self._devices.tolist())}
        points = instance.points
        self.limited = np.flatnonzero(points.channels != UNLIMITED)
        self._device, self._cost = np.empty(0, np.int64), np.empty(0)
        self._use = csr_array((0, instance.num_points + len(self.limited)))
        channel_row = {
            n: len(self._devices) + instance.num_points + i for i, n in enumerate(self.limited.tolist())
        }
        self._channel = [channel_row.get(n) for n in instance.devices.connected_to.tolist()]
        local = instance.local_cost
        self._swaps = exchanges(instance)
        self.program = RestrictedMaster(
            "the master",
            len(self._devices),
            np.append(points.capacity, points.channels[self.limited]).astype(np.float64),
            scale=unit_for(upper),
            unit=penalty_unit(upper, float(local.sum())),
            constant=float(local[~linked].sum()),
            exchanges=self.exchanging(),
        )

    def add(self, solution: Solution, wanted: NDArray[np.bool_] | None = None) -> int:
        """Add every connected device's decision as a column, or those of the ones wanted (M,); returns how
        many were new."""
        rows, cost = solution.rows(self.instance), evaluate(self.instance, solution).cost.tolist()
        devices = (self._devices if wanted is None else self._devices[wanted[self._devices]]).tolist()
        known = [self._known.get((m, tuple(rows[m]))) for m in devices]
        again = {i for i in known if i is not None} & self.fixed
        self.fixed -= again  # what pricing asks for cannot stay closed
        self.program.close(self.program.closed & ~self._mask(again))
        new = [
            Column(m, places, cost[m]) for m in devices if (m, places := tuple(rows[m])) not in self._known
        ]
        for i, column in enumerate(new, start=len(self.columns)):
            self._known[column.device, column.places] = i
            self._of.setdefault(column.device, []).append(i)
        self.columns += new
        if new:
            costs, matrix = np.array([column.cost for column in new]), self.matrix(new)
            self.program.add(costs, matrix)
            self._device = np.append(self._device, [column.device for column in new])
            self._cost = np.append(self._cost, costs)
            self._use = csr_array(vstack([self._use, matrix[:, len(self._devices) :]]))
        return len(new) + len(again)

    def matrix(self, columns: Sequence[Column]) -> csr_array:
        """(columns, rows) what columns use: their device, subtasks at each offload point, a channel."""
        index: list[int] = []
        value: list[float] = []
        start = [0]
        first = len(self._devices)
        for column in columns:
            used = Counter(column.places)
            used.pop(LOCAL, None)
            index.append(self._row[column.device])
            index += [first + n for n in used]
            value.append(1.0)
            value += used.values()
            radio = self._channel[column.device]
            if used and radio is not None:
                index.append(radio)
                value.append(1.0)
            start.append(len(index))
        rows = first + self.instance.num_points + len(self.limited)
        return csr_array((np.array(value), np.array(index), np.array(start)), shape=(len(columns), rows))

    def exchanging(self) -> csr_array:
        """(exchanges, rows) what exchanges take from limits, and give to others."""
        rows, size = len(self._devices) + self.instance.num_points + len(self.limited), len(self._swaps)
        index = np.array(self._swaps, np.int64).reshape(-1) + len(self._devices)
        start, value = 2 * np.arange(size + 1), np.tile([-1.0, 1.0], size)
        return csr_array((value, index, start), shape=(size, rows))

    def dear(self, prices: Prices, most: Floats) -> set[int]:
        """The columns that cost more with prices than ``most`` (M,)."""
        return set(np.flatnonzero(self._priced(prices) > most[self._device]).tolist())

    def cheapest(self, prices: Prices) -> Solution:
        """Of each device, the column that costs least with prices."""
        rows = Solution.all_local(self.instance).rows(self.instance)
        for i in np.argsort(-self._priced(prices), kind="stable").tolist():
            rows[self.columns[i].device] = list(self.columns[i].places)
        return Solution.from_rows(self.instance, rows)

    def cheap(self, prices: Prices, most: Floats, path: Iterable[Step]) -> list[tuple[int, tuple[int, ...]]]:
        """The device and the places of columns that cost no more, and that branches leave."""
        found = set(np.flatnonzero(self._priced(prices) <= most[self._device]).tolist())
        found.difference_update(*map(self._against, path))
        return [(self.columns[i].device, self.columns[i].places) for i in sorted(found)]

    def _priced(self, prices: Prices) -> Floats:
        """What the columns cost with prices."""
        priced: Floats = self._cost + self._use @ np.append(prices.capacity, prices.channels[self.limited])
        return priced

    def restrict(self, path: Iterable[Step], fixed: bool = True) -> None:
        """Close the columns that branches forbid, and those of :meth:`fix` if wanted; open all others."""
        closed = set(self.fixed) if fixed else set()
        for step in path:
            closed.update(self._against(step))
        self.program.close(self._mask(closed))

    def _mask(self, columns: Iterable[int]) -> Mask:
        mask = np.zeros(len(self.program.closed), np.bool_)
        mask[list(columns)] = True
        return mask

    def _against(self, step: Step) -> Iterator[int]:
        """The columns that a branch forbids."""
        m, k, places, inside = step
        return (i for i in self._of[m] if (self.columns[i].places[k] in places) != inside)

    def probe(self, steps: Iterable[Step]) -> float:
        """The least cost over the known columns if more branches were taken."""
        before = self.program.closed
        self.program.close(before | self._mask(i for step in steps for i in self._against(step)))
        value = self.program.solve().value
        self.program.close(before)
        return value

    def lagrangian(
        self,
        prices: Prices,
        restrictions: Restrictions | None,
        tolerance: float = 0.0,
        ceilings: Floats | None = None,
    ) -> tuple[float, Priced]:
        """The Lagrangian bound at some prices, and the decisions that attain it, up to a tolerance and below
        ceilings."""
        each, begun = tolerance / self.instance.num_devices, time.perf_counter()
        found = price(
            *(self.instance, prices, restrictions, self.effort),
            tolerance=each,
            stopped=self.stopped,
            threads=self.threads,
            ceilings=ceilings,
            learnt=self.learnt,
        )
        if ceilings is None or ceilings.min() > -np.inf:
            self.seconds = time.perf_counter() - begun
        return lagrangian_bound(self.instance, prices, found.value), found

    def again(self, node: Node, changed: Collection[int], restrictions: Restrictions | None) -> float:
        """The Lagrangian bound at the prices of a node, whose values still hold but for some devices."""
        ceilings = np.full(self.instance.num_devices, np.inf)
        known = self._kept(node, changed, ceilings)
        bound, found = self.lagrangian(node.prices, restrictions, ceilings=ceilings)
        if node.values is None:
            return bound
        return lagrangian_bound(self.instance, node.prices, np.where(known, node.values, found.value))

    def _kept(self, node: Node, changed: Collection[int], ceilings: Floats) -> Mask:
        """Which devices need not be priced again: nothing is looked for below their ceilings."""
        known = np.full(self.instance.num_devices, node.values is not None)
        known[list(changed)] = False
        ceilings[known] = -np.inf
        return known

    def extend(
        self, at: Node, restrictions: Restrictions | None, tolerance: float, changed: Collection[int]
    ) -> tuple[Node, int]:
        """The Lagrangian bound at the prices of a node, and how many columns were added for it.

        A search need find nothing but what is cheaper than all open columns, which bounds it from the start;
        and nothing at all for devices whose values still hold.
        """
        ceilings = np.full(self.instance.num_devices, np.inf)
        if self.searched:
            costs = np.where(self.program.closed, np.inf, self._priced(at.prices))
            np.minimum.at(ceilings, self._device, costs)
        better = self.instance.local_cost < ceilings
        known = self._kept(at, changed, ceilings)
        bound, found = self.lagrangian(at.prices, restrictions, tolerance, ceilings)
        value = found.value
        if at.values is not None:
            value = np.where(known, at.values, value)
            bound = lagrangian_bound(self.instance, at.prices, value)
        if self.searched:
            for group, places in zip(self.instance.groups, found.solution.places, strict=True):
                better[group.members] |= (places != LOCAL).any(axis=1)
        return Node(bound, at.prices, {}, value), self.add(found.solution, better & ~known)

    def try_harder(self) -> bool:
        """Price with more effort from now on; whether that is possible, and worth the time."""
        if not self.affordable(GROWTH * self.seconds):
            self.refused = self.refused or self.effort is not None
            return False
        return self.grow()

    def grow(self) -> bool:
        """Price with more effort from now on; whether that is possible."""
        if self.effort is None or self.effort >= self._most:
            return False
        self.effort = GROWTH * self.effort if GROWTH * self.effort < LARGEST_SEARCH else None
        return True

    @contextlib.contextmanager
    def at_most(self, effort: int) -> Iterator[None]:
        """Price with so much effort at the most."""
        before = self.effort, self._most
        self.effort = self._most = effort if self.effort is None else min(effort, self.effort)
        try:
            yield
        finally:
            self.effort, self._most = before

    def generate(
        self,
        restrictions: Restrictions | None,
        begin: Node,
        cutoff: float,
        stop: Callable[[], bool],
        patience: float = 0.0,
        above: Node | None = None,
        changed: Collection[int] | None = None,
    ) -> Node:
        """Column generation (:func:`.engine.columns.generate`) at a node.

        Parameters
        ----------
        restrictions
            The branches above the node; the columns must have been restricted to them.
        begin
            A node with the prices to begin with.
        cutoff
            A bound above this needs no more.
        stop
            Asked now and then whether to give up.
        patience
            A node whose linear program stays below the cutoff has to be divided: then it is left as soon as
            this share of the distance between bound and cutoff is all that it could gain.
        above
            A node whose bound holds here, too: the parent, if any.
        changed
            The devices that other branches are for than at the node to begin with; all by default.
        """
        tolerance = 0.0
        if above is not None and above.bound > -np.inf:
            tolerance = PRECISION * patience * max(cutoff - above.bound, 0.0)
        everyone = range(self.instance.num_devices)
        best, _ = self.extend(begin, restrictions, tolerance, everyone if changed is None else changed)
        if above is not None and best.bound < above.bound:  # pricing may have been cut short
            best = above
        if np.isinf(best.bound):
            return best
        if best.bound < cutoff:
            steps = _Steps(self, restrictions, cutoff, patience, best)
            generate(steps, best.bound, best.prices, cutoff=cutoff, stop=stop)
            best = steps.best
        weights = (self.program.solve() if best.bound >= cutoff else self.program.relaxed).weights
        return replace(best, weights={int(i): float(weights[i]) for i in np.flatnonzero(weights > UNUSED)})


class _Steps(Steps[Prices]):
    """Column generation under the branches above a node."""

    def __init__(
        self, master: Master, restrictions: Restrictions | None, cutoff: float, patience: float, best: Node
    ) -> None:
        self._master, self._program, self.best = master, master.program, best
        self._restrictions, self._cutoff, self._patience = restrictions, cutoff, patience

    def solve(self) -> tuple[float, Prices]:
        found, points = self._program.solve(), self._master.instance.num_points
        channels = np.zeros(points)
        channels[self._master.limited] = found.prices[points:]
        return found.value, Prices(found.prices[:points], channels)

    def enough(self, value: float, bound: float) -> bool:
        if not (value < self._cutoff and value - bound <= self._patience * (self._cutoff - bound)):
            return False
        found = self._program.relaxed  # columns are split, and no device needs its artificial one
        split = bool(np.any((found.weights > SPLIT) & (found.weights < 1 - SPLIT)))
        return split and found.artificial <= UNUSED

    def between(self, weight: float, best: Prices, prices: Prices) -> Prices:
        return rounded(
            Prices(
                weight * best.capacity + (1 - weight) * prices.capacity,
                weight * best.channels + (1 - weight) * prices.channels,
            )
        )

    def price(self, prices: Prices, tolerance: float) -> tuple[float, bool]:
        everyone = range(self._master.instance.num_devices)
        found, new = self._master.extend(Node(-np.inf, prices), self._restrictions, tolerance, everyone)
        if found.bound > self.best.bound:
            self.best = found
        return found.bound, new > 0

    def try_harder(self) -> bool:
        return self._master.try_harder()

    def loosen(self) -> bool:
        return self._program.harden()


def best_prices(
    instance: Instance,
    start: Solution,
    stop: Callable[[], bool],
    stopped: NDArray[np.bool_] = NEVER,
    begin: Prices | None = None,
) -> tuple[float, Prices]:
    """The best Lagrangian bound that column generation finds before it is stopped, and its prices.

    Parameters
    ----------
    instance
        The instance.
    start
        A feasible solution, which sets the scale.
    stop
        Asked now and then whether to make do with what there is.
    stopped
        As for :func:`.pricing.price`.
    begin
        Prices to begin with; none by default.
    """
    begin = begin or Prices.zero(instance)
    objective = evaluate(instance, start).total
    unit = unit_for(objective)
    instance = scaled(instance, unit)
    master = Master(instance, objective * unit, stopped)
    master.add(start)
    master.add(Solution.all_local(instance))
    first = Prices(begin.capacity * unit, begin.channels * unit)
    node = master.generate(None, Node(-np.inf, first), np.inf, stop)
    return node.bound / unit, Prices(node.prices.capacity / unit, node.prices.channels / unit)
