r"""BTOD as written: Algorithm 1 of Kuang et al. 2020, section 4.1, for teaching and for tiny instances.

The subtasks of all devices, in file order and each device's in topological order, are k = 1..MK. Depth
first, each d^k takes the values of

.. math::

   S^k = \{0\} \cup \{ n : \text{a place is left at } n,\ \text{and the device is connected and on air, or
   a channel is left} \}

in the order 0, 1, ..., N: 0 is local. Each complete D is feasible, and the first one of least F(D) is
returned. Nothing but S^k prunes: without binding limits there are (N+1)^{MK} leaves, and
:math:`\sum_{k=1}^{MK} (N+1)^k` nodes.

Lines 10 to 12 of Algorithm 1 undo each step forward as soon as it is made, so that no leaf is ever reached;
this is read as: go back after a leaf, or when S^k is empty.

The search is the kernel of the other methods (:mod:`.kernels`) without any bound: what is
undecided is taken to cost at least minus infinity. A leaf's F is at hand, since each node knows what is
decided so far.
"""

from __future__ import annotations

import math

import numpy as np

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.flat import flat_tasks, solution_of

from ...engine.outcome import Run, concluded
from .kernels import EXHAUSTED, LEAVES, NODES, PAUSED, Fronts, Lookahead, Market, State, Walk, as_written

STEPS = 2_000_000
"""Steps of the kernel between two looks at the clock: some hundredths of a second."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve by complete enumeration.

    Returns
    -------
    Result
        At the time limit and after Ctrl-C with the best decisions so far and the simple bound. Its record
        has the ``nodes`` and ``leaves`` visited.
    """
    run = Run(instance, budget, budget.start or Solution.all_local(instance), simple_bound(instance))
    walk = enumeration(instance)
    least, places = np.array([math.inf]), np.full(instance.num_subtasks, LOCAL)

    def search() -> Termination:
        code = PAUSED
        while code != EXHAUSTED and not run.stop():
            code = as_written(walk, places, least, STEPS)
            run.take(solution_of(instance, places))
            if code == EXHAUSTED:
                run.prove(run.objective)
            run.report()
        return Termination.FINISHED

    termination, _ = concluded(search)
    record = {
        "order": "places 0..N of all subtasks, device by device in file order",
        "bound": "none",
        "nodes": int(walk.state.cursor[NODES]),
        "leaves": int(walk.state.cursor[LEAVES]),
    }
    return Result.of(instance, run.solution, run.seconds, run.lower_bound, termination, **record)


def enumeration(instance: Instance, device_by_device: bool = False) -> Walk:
    """A search that knows nothing of what is undecided, and tries the places in the order 0..N.

    Its leaves are decisions of all devices, or of one.
    """
    tasks, points = flat_tasks(instance), instance.points
    fronts, tables = Fronts.of(tasks), Lookahead.fresh(tasks, instance.num_points)
    tables.rest[:] = -math.inf
    tables.rest[tasks.start[1:] - 1 if device_by_device else -1] = 0.0  # a leaf is bounded by its cost
    tables.options[:] = np.arange(LOCAL, instance.num_points)
    tables.choices[:] = np.where(fronts.radio == LOCAL, 1, instance.num_points + 1)
    market = Market.of(points.cpu, np.zeros(instance.num_points), np.zeros(instance.num_devices))
    state = State.fresh(instance.num_subtasks, points.capacity, points.channels)
    return Walk(tasks, fronts, market, tables, state)
