"""Decisions that differ from those of a solution in one subtask, whatever the prices.

Column generation knows what devices want at some prices. Where amounts are any numbers, two of these hardly
ever use a limit alike, and so few changes leave all limits but one as they are. A subtask that comes from the
device to a point, or goes back, does, and there are as many such changes as subtasks times places.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.cost import spent
from offloadlib.instances.structured.limits import HAIR
from offloadlib.instances.structured.model import LOCAL, Places
from offloadlib.instances.structured.options import options

from .annealing import cheapest
from .columns import Columns, valued


def add_variants(
    columns: Columns, table: Places, prices: Floats, most: float, late: Callable[[], bool]
) -> None:
    """Add the decisions that differ from those of a table in one subtask and are not dear.

    Parameters
    ----------
    columns
        Those known, at least one of each device; what is new is added.
    table
        (M, width) the decisions of a solution.
    prices
        (L,) on all limits.
    most
        Their reduced cost at the most.
    late
        Asked now and then whether to end.
    """
    limits, devices = columns.limits, columns.limits.instance.devices
    priced = columns.cost + columns.use @ prices
    least = priced[cheapest(columns, priced)]
    for changed, some in _changes(columns, table):
        if late():
            return
        solution = limits.solution(changed)
        found, (delay, energy, _, _) = valued(limits, solution), spent(limits.instance, solution)
        some &= found.cost + found.use @ prices - least <= most
        some &= (delay * (1 + HAIR) <= devices.deadline) & (energy * (1 + HAIR) <= devices.energy_budget)
        columns.add(found, some)


def _changes(columns: Columns, table: Places) -> Iterator[tuple[Places, NDArray[np.bool_]]]:
    """Tables in which each device has changed a subtask at the most, and which have."""
    instance = columns.limits.instance
    allowed = np.zeros((*table.shape, instance.num_points + 1), np.bool_)  # LOCAL is the last one
    for number, group in enumerate(instance.groups):
        places = options(instance, number).allowed
        allowed[group.members, : places.shape[1]] = places
    served = table[:, 0] >= LOCAL
    for k in range(table.shape[1]):
        for place in range(LOCAL, instance.num_points):
            some = served & allowed[:, k, place] & (table[:, k] != place)
            if some.any():
                changed = table.copy()
                changed[some, k] = place
                yield changed, some
