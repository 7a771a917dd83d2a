r"""Pricing: the cheapest decision of each device under prices on the limits.

For prices lambda_n >= 0 on capacity and mu_n >= 0 on channels, the pricing problem of device m is

.. math::

   \min_{d_m} \; C_m(d_m) + \sum_k \lambda_{d_{mk}} + \mu_{op_m} [\text{some } d_{mk} \ne 0]

over the decisions that the device may take. The sum of these minima less prices x limits is the
Lagrangian lower bound on F. The minimum is exact

- by dynamic programming over the decomposition of a series-parallel task (:mod:`.plan`), where its lists
  of labels add up: chains, forks and joins;
- by branch and bound over unit flows and minimum cuts for other graphs (:mod:`.search`), where there would
  be millions of such labels, and where lists would multiply. At its nodes a dynamic program along a frontier
  (:mod:`.sweep`) uses that most graphs are narrow, or fall into parts, somehow: often the root is all that
  there is. The search goes up to an effort per device; where that is reached the labels are tried, and where
  these are too many or there is no decomposition, the value is the bound that the search has proven: a
  relaxation, named as such, still valid in the sum.

At a given assignment of local and offloaded, the choice among offload points matters only through speed
and price, so only the points that no other one beats in both are tried.

**Out of time.** There are two ways to stop :func:`price`. ``late`` is for cities: it is asked between chunks
of devices, and what is under way is given up, as the evaluation of so many is worth nothing in part.
``stopped`` is for the nodes of a tree, where a single search may take seconds: it ends searches from inside,
with the bounds that they have, so that the node has a valid bound at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import read_only
from offloadlib.instances.structured.model import Places
from offloadlib.instances.structured.sides import Terms

from .chunks import chunks, in_threads, never
from .frontier import frontier
from .labels import price_by_labels
from .plan import plan
from .search import LARGEST_SEARCH, Effort, price_by_search
from .tables import Answers, Buyers, Learnt, Offers, graph, sides


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
        (M,) least cost + prices of each device, or a lower bound of it, within the tolerance or
        ``relaxed``; infinite where its branches leave no decision.
    solution
        The decisions that attain them, and the best ones seen where the value is a bound (all-local for
        a device without any).
    relaxed
        (M,) where the search for the least value reached its limit, or time was up.
    """

    value: Floats
    solution: Solution
    relaxed: NDArray[np.bool_]


class Restrictions:
    """Which places the branches above a node leave to each subtask.

    ``row[g][i, k]`` is -1 where subtask k of the i-th device of group g is free, else a row of
    ``allowed`` (R, N + 1), whose last column stands for local. All begins as ``base`` has it, if given.
    """

    def __init__(self, instance: Instance, base: Restrictions | None = None) -> None:
        self._points = instance.num_points
        self._rows: list[NDArray[np.bool_]] = []
        if base is not None:
            self.row: list[Ints] = [row.copy() for row in base.row]
            self._rows += base._rows
            self._at: list[tuple[int, int]] = base._at
            return
        self.row = [np.full(group.work.shape, -1, dtype=np.int64) for group in instance.groups]
        at = [(0, 0)] * instance.num_devices
        for g, group in enumerate(instance.groups):
            for i, m in enumerate(group.members.tolist()):
                at[m] = (g, i)
        self._at = at

    @classmethod
    def of(cls, instance: Instance, allowed: Sequence[NDArray[np.bool_]]) -> Restrictions:
        """What is left to each subtask: for each group (G, K, N + 1), local last."""
        restrictions = cls(instance)
        for g, places in enumerate(allowed):
            masks, number = np.unique(places.reshape(-1, places.shape[-1]), axis=0, return_inverse=True)
            restrictions.row[g] = (number + len(restrictions._rows)).reshape(places.shape[:-1])
            restrictions._rows += list(masks)
        return restrictions

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """(R, N + 1) places left to each restricted subtask."""
        return np.array(self._rows, dtype=np.bool_).reshape(len(self._rows), self._points + 1)

    def branch(self, device: int, subtask: int, place: int, equal: bool) -> None:
        """Leave only ``place`` to a subtask, or take it away."""
        self.divide(device, subtask, (place,), equal)

    def divide(self, device: int, subtask: int, places: Iterable[int], inside: bool) -> None:
        """Leave only ``places`` to a subtask, or take them away."""
        chosen = np.zeros(self._points + 1, dtype=np.bool_)
        chosen[list(places)] = True  # LOCAL is -1, the last column
        g, i = self._at[device]
        self._limit(g, np.array([i]), subtask, chosen if inside else ~chosen)

    def limit(self, group: int, subtask: int, allowed: NDArray[np.bool_]) -> None:
        """Leave some places (N + 1, local last) to a subtask of all devices of a group."""
        self._limit(group, np.arange(len(self.row[group])), subtask, allowed)

    def _limit(self, group: int, members: Ints, subtask: int, allowed: NDArray[np.bool_]) -> None:
        """Rows may be shared, so they are replaced and not changed."""
        rows = self.row[group][members, subtask]
        for row in np.unique(rows).tolist():
            self.row[group][members[rows == row], subtask] = len(self._rows)
            self._rows.append(allowed if row < 0 else self._rows[row] & allowed)

    def of_device(self, g: int, i: int) -> list[NDArray[np.bool_] | None]:
        """For each subtask of the i-th device of group g the places left (N + 1, local last); None: all."""
        return [None if r < 0 else self._rows[r] for r in self.row[g][i].tolist()]

    def keeps(self, device: int, places: Places) -> bool:
        """Whether a decision obeys all branches."""
        left = self.of_device(*self._at[device])
        return all(row is None or row[p] for row, p in zip(left, places.tolist(), strict=True))


ROUNDING = 2.0**-46
"""Relative error that costs plus prices, and their sum, can have: 128 roundings in a row."""


def difference(value: float, paid: float) -> float:
    """Least costs plus prices, minus prices x limits, rounded downwards: at very high prices nearly all of
    both cancels out, and what is left is no more exact than they were."""
    return value - paid - ROUNDING * (value + paid) if value < np.inf else value


LABELLED, SEARCHED = 2000, 16
"""Devices that are priced between two looks at the clock, by labels and by search."""


NEVER: NDArray[np.bool_] = np.zeros(1, dtype=np.bool_)
"""For searches that nothing stops."""


def price(
    instance: Instance,
    prices: Prices,
    restrictions: Restrictions | None = None,
    largest_search: int | None = None,
    late: Callable[[], bool] = never,
    tolerance: float = 0.0,
    stopped: NDArray[np.bool_] = NEVER,
    threads: int = 1,
    ceilings: Floats | None = None,
    learnt: Learnt | None = None,
) -> Priced:
    """Solve every device's pricing problem.

    Parameters
    ----------
    instance
        The instance.
    prices
        On capacities and channels.
    restrictions
        The branches above a node; none by default.
    largest_search
        Nodes times (subtasks + arcs) of a device's search, after which its value stays a relaxation. By
        default :data:`.search.LARGEST_SEARCH`, after which labels are tried.
    late
        Whether time is up.
    tolerance
        A device's value may be a lower bound, and its decision dearer than the least, by so much in all.
    stopped
        From :func:`~.instances.alarm.alarm`: as soon as it is true, searches end with what bounds they have.
    threads
        Threads that work on many devices.
    ceilings
        (M,) what costs as much with prices need not be found: a value from there on may be too low, but for
        tolerance and rounding no lower than the ceiling. None by default.
    learnt
        What the pricings that share it have learnt so far; nothing by default.

    Returns
    -------
    Priced
        A device without a radio link has only its all-local decision.

    Raises
    ------
    OutOfTime
        If time is up before all devices are priced.
    """
    value, relaxed = np.empty(instance.num_devices), np.zeros(instance.num_devices, dtype=np.bool_)
    chosen: list[Places] = []
    points, stopped = _points(instance, prices), read_only(stopped)
    effort = Effort(largest_search or LARGEST_SEARCH, tolerance, stopped)
    for g, term in enumerate(instance.terms):
        found, answer = plan(term.group.application), Answers.room(*term.group.work.shape)
        members = term.group.members
        if learnt is not None:
            answer = answer._replace(width=learnt.width[members], flow=learnt.flow[g])
        asked = _Asked(term, points, _devices(instance, term, prices, g, restrictions, ceilings), threads)
        exact = found is not None and not found.multiplies
        if exact:
            exact = asked.all(price_by_labels, (found, stopped), answer, LABELLED, late)
        if not exact:
            application = term.group.application
            how = graph(application), frontier(application), effort
            asked.all(price_by_search, how, answer, SEARCHED, late)
            if found is not None and found.multiplies and largest_search is None and not stopped[0]:
                for i in np.flatnonzero(answer.relaxed).tolist():
                    again = Answers.room(1, term.group.application.size)
                    if asked.some(price_by_labels, (found, stopped), again, slice(i, i + 1)):
                        answer.places[i], answer.least[i] = again.places[0], again.least[0]
                        answer.relaxed[i] = False
        value[members], relaxed[members] = answer.least, answer.relaxed
        if learnt is not None:
            learnt.width[members] = answer.width
        chosen.append(answer.places)
    return Priced(value, Solution(tuple(chosen)), relaxed)


@dataclass(frozen=True)
class _Asked:
    """The devices of a group that are to be priced."""

    term: Terms
    points: Offers
    devices: Buyers
    threads: int = 1

    def some(
        self, kernel: Callable[..., bool], how: tuple[Any, ...], answer: Answers, devices: slice
    ) -> bool:
        """Run a kernel over some of them, to which the answer belongs; whether it was not cut short."""
        return kernel(sides(self.term, devices), self.points, self.devices.of(devices), *how, answer)

    def all(
        self,
        kernel: Callable[..., bool],
        how: tuple[Any, ...],
        answer: Answers,
        at_once: int,
        late: Callable[[], bool],
    ) -> bool:
        """Run a kernel over all of them, so many at once; whether it was not cut short anywhere."""
        parts = chunks(len(answer.least), at_once)

        def work(part: slice) -> bool:
            return self.some(kernel, how, answer.of(part), part)

        return all(list(in_threads(work, parts, late, self.threads)))


def _points(instance: Instance, prices: Prices) -> Offers:
    """The offload points, the undominated ones on the menu."""
    points = instance.points
    menu = _undominated(points.cpu, prices.capacity, np.flatnonzero(points.capacity > 0))
    return Offers(read_only(points.cpu), read_only(prices.capacity), read_only(menu))


def _devices(
    instance: Instance,
    term: Terms,
    prices: Prices,
    g: int,
    restrictions: Restrictions | None,
    ceilings: Floats | None,
) -> Buyers:
    """The links of a group's devices, what all-local costs them, and what is left to them and looked for."""
    members = term.group.members
    connected = instance.devices.connected_to[members]
    radio = np.where(connected == LOCAL, 0.0, prices.channels[connected])
    row: Ints = np.empty((0, 0), dtype=np.int64)
    allowed: NDArray[np.bool_] = np.empty((0, 0), dtype=np.bool_)
    if restrictions is not None:
        row = restrictions.row[g]
        allowed = restrictions.allowed & np.append(instance.points.capacity > 0, True)
    return Buyers(
        *(read_only(connected), read_only(instance.local_cost[members]), read_only(radio)),
        read_only(np.full(len(members), np.inf) if ceilings is None else ceilings[members]),
        *(restrictions is None, read_only(row), read_only(allowed)),
    )


def _undominated(cpu: Floats, price: Floats, points: Ints) -> Ints:
    """The points that no other beats in speed and price, fastest and dearest first."""
    order = points[np.lexsort((points, price[points], -cpu[points]))]
    kept: list[int] = []
    for n in order.tolist():
        if not kept or price[n] < price[kept[-1]]:
            kept.append(n)
    return np.array(kept, dtype=np.int64)
