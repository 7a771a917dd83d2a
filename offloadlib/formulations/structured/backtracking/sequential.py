r"""BTOD device by device: each device's optimum in turn, given what the earlier ones have left.

Section 4.3.2 of Kuang et al. 2020 says that "the backtracking-based method searches all subtasks decisions of
one UD and then searches the next UD", and only that fits the running times that the paper reports
(``docs/theory/btod.md``). For m = 1..M in file order the decision of least cost C_m is taken among the
(N+1)^K ones that the places and channels left allow: each device's own optimum, but no optimum of (5), since
early devices take places that later ones would need more.

*Ties.* Algorithm 1 tries the places of a subtask in the order 0, 1, ..., N and keeps the first of equally
good decisions. They are not rare: a subtask on the shorter of two parallel branches may be offloaded to a
slow point or to a fast one at the same cost. Which one it takes decides what is left for the others.

:func:`solve_as_written` enumerates the decisions of each device, which is what the paper's times are
times of. :func:`solve` finds the same decisions by a depth-first search with a bound (:mod:`.device`). For
given offloaded subtasks only the speeds matter, and the fastest places that are left suffice for an optimum:
the search is over pools of equal speed, and over as few of them as have room for the device. Once the
optimum is known, the first decision that has its cost is looked for (:func:`.kernels.first_in_turn`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from offloadlib.instances import LOCAL, Budget, Instance, Progress, Result, Solution, Termination, evaluate
from offloadlib.instances.arrays import Ints
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.flat import solution_of

from .. import pooling
from ..limited import backtracking as limited
from ..search import can_offload
from .device import DeviceSearch
from .kernels import NODES, Best, each_as_written
from .plain import STEPS, enumeration


class _Turns:
    """Clock and report of devices that decide in turn; their decisions so far are ``solution``."""

    def __init__(self, instance: Instance, budget: Budget, devices: Ints | None = None) -> None:
        self._instance, self._budget, self._devices = instance, budget, devices
        self._begun = time.perf_counter()
        self.solution = Solution.all_local(instance)

    def take(self, points: Ints) -> None:
        """Offload points (P,) of the subtasks so far."""
        self.solution = solution_of(self._instance, points, self._devices)
        if self._budget.on_progress is not None:
            solution, seconds = self.solution, time.perf_counter() - self._begun
            cost = evaluate(self._instance, solution).total
            self._budget.on_progress(Progress(seconds, cost, None, lambda: solution))

    def pause(self, points: Ints) -> None:
        """The same, before the search goes on.

        Raises
        ------
        OutOfTime
            At the time limit.
        """
        self.take(points)
        if time.perf_counter() - self._begun >= self._budget.time_limit:
            raise OutOfTime

    def result(self, search: Callable[[], None], nodes: Callable[[], int]) -> Result:
        """What a search that calls these methods ends with."""
        termination = Termination.FINISHED
        try:
            search()
        except OutOfTime:
            termination = Termination.TIME_LIMIT
        except KeyboardInterrupt:
            termination = Termination.INTERRUPTED
        runtime = time.perf_counter() - self._begun
        return Result.of(self._instance, self.solution, runtime, termination=termination, nodes=nodes())


def solve(instance: Instance, budget: Budget) -> Result:
    """Let the devices decide in turn.

    Returns
    -------
    Result
        Without a lower bound. At the time limit and after Ctrl-C, devices that have not had their turn are
        local. Its record has the ``nodes``: places tried for a subtask.
        For format 2 see :func:`..limited.backtracking.solve_in_turn`.
    """
    if instance.version > 1:
        return limited.solve_in_turn(instance, budget)
    merged = pooling.merge(instance)
    device_search = DeviceSearch(merged)
    turns = _Turns(instance, budget, device_search.devices)

    def search() -> None:
        places = device_search.all_local()
        if can_offload(merged):
            points = instance.points
            places = device_search.first_in_turn(points.cpu, points.capacity, turns.pause)
        turns.take(places)

    return turns.result(search, lambda: device_search.nodes)


@dataclass(frozen=True)
class Reading:
    """Another reading of the paper.

    Parameters
    ----------
    connected_first
        A device has the offload point that it is connected to for itself while that has room for its whole
        task, and all points otherwise (3.1).
    """

    connected_first: bool = False


PAPER = Reading()


def solve_as_written(instance: Instance, budget: Budget, parameters: Reading = PAPER) -> Result:
    """Let the devices decide in turn, each by enumeration of all decisions that it has.

    Returns
    -------
    Result
        As that of :func:`solve`; a device whose turn is cut off has the best decision so far.
    """
    turns, walk = _Turns(instance, budget), enumeration(instance, device_by_device=True)
    places, cost = np.full(instance.num_subtasks, LOCAL), np.zeros(instance.num_devices)
    best = Best(places, cost, cost)

    def search() -> None:
        while not each_as_written(walk, parameters.connected_first, best, STEPS):
            turns.pause(places)
        turns.take(places)

    return turns.result(search, lambda: int(walk.state.cursor[NODES]))
