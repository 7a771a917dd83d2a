r"""BTOD device by device: each device's optimum in turn, given what the earlier ones have left.

Section 4.3.2 of Kuang et al. 2020 says that "the backtracking-based method searches all subtasks decisions of
one UD and then searches the next UD", and only that fits the running times that the paper reports
(``docs/btod.md``). For m = 1..M in file order the decision of least cost C_m is taken among the (N+1)^K
ones that the places and channels left allow: each device's own optimum, but no optimum of (5), since early
devices take places that later ones would need more.

A device's search is depth first with a bound (:mod:`.device`). For given offloaded
subtasks only the speeds matter, and the fastest places that are left suffice: the search is over pools of
equal speed, and over as few of them as have room for the device. Of decisions that cost the same, the first
one found is taken.
"""

from __future__ import annotations

import time

import numpy as np

from offloadlib.instances import Budget, Instance, Progress, Result, Solution, Termination, evaluate
from offloadlib.instances.run import OutOfTime

from .. import pooling
from ..limited import backtracking as limited
from ..search import can_offload
from .device import DeviceSearch


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
    begun = time.perf_counter()
    pooled = pooling.pool(instance)
    search = DeviceSearch(pooled)
    places = search.all_local()
    termination = Termination.FINISHED

    def decided() -> Solution:
        return pooling.spread(instance, search.solution(places))

    def report() -> None:
        if budget.on_progress is not None:
            cost = evaluate(pooled, search.solution(places)).total
            budget.on_progress(Progress(time.perf_counter() - begun, cost, None, decided))

    def pause() -> None:
        report()
        if time.perf_counter() - begun >= budget.time_limit:
            raise OutOfTime

    try:
        if can_offload(pooled):
            nothing = np.zeros(len(search.speed)), np.zeros(len(search.devices))
            search.in_turn(*nothing, pause, places)
        report()
    except OutOfTime:
        termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    solution = decided()
    runtime = time.perf_counter() - begun
    return Result.of(instance, solution, runtime, termination=termination, nodes=search.nodes)
