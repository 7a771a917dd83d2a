"""What each place means for each subtask: execution, fee, demands, and whether it may run there.

The tables have an entry for each device, subtask and place, the device itself as the last place, so that
:data:`.model.LOCAL` = -1 indexes it. They are large: methods ask for some devices at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats
from .instance import Instance
from .model import LOCAL
from .sides import at_point


@dataclass(frozen=True, eq=False)
class Options:
    """The places of some devices of a group.

    Attributes
    ----------
    seconds
        (G, K, N + 1) execution time.
    fee
        (G, K, N + 1) in cost, before the device's weight.
    demand
        (1 + R, G, K, N + 1) of subtasks, and of each resource of the instance; 0 on the device.
    allowed
        (G, K, N + 1) whether the subtask may run there: its device has a radio, the list of allowed places,
        if there is one, names the place, and no limit alone is less than what it demands there.
    """

    seconds: Floats
    fee: Floats
    demand: Floats
    allowed: NDArray[np.bool_]


def options(instance: Instance, number: int, devices: slice = slice(None)) -> Options:
    """The places of a group's devices.

    Parameters
    ----------
    instance, number
        The instance, and the number of the group.
    devices
        Which rows of the group, all by default; without a step.
    """
    group, term, points = instance.groups[number], instance.terms[number], instance.points
    work, members = group.work[devices], group.members[devices]
    exceptions, listed = group.exceptions.of(devices), group.allowed.of(devices)
    seconds = np.empty((*work.shape, instance.num_points + 1))
    seconds[..., :-1] = at_point(work[:, :, None], points.cpu)[0]
    seconds[..., LOCAL] = term.local[devices]
    fee = np.zeros_like(seconds)
    fee[..., :-1] = points.fee_subtask + points.fee_work * work[:, :, None]
    demand = np.zeros((1 + len(instance.resources), *seconds.shape))
    demand[0, ..., :-1] = 1.0
    demand[1:, ..., :-1] = group.demand[:, devices, :, None]
    at = exceptions.row, exceptions.subtask, exceptions.place
    seconds[at] = _where_given(exceptions.execution, seconds[at])
    fee[at] = _where_given(exceptions.fee, fee[at])
    for of, given in zip(demand[1:], exceptions.demand, strict=True):
        of[at] = _where_given(given, of[at])
    allowed = np.ones(seconds.shape, dtype=np.bool_)
    radio = instance.devices.connected_to[members]
    allowed[(radio == LOCAL) | (points.channels[radio] == 0), :, :-1] = False
    allowed[listed.row, listed.subtask] &= listed.places
    allowed[..., :-1] &= demand[0, ..., :-1] <= points.capacity
    for r, of in enumerate(demand[1:]):
        allowed[..., :-1] &= of[..., :-1] <= points.room[r]
    for limit in instance.shared:
        allowed[..., limit.points] &= demand[limit.resource + 1][..., limit.points] <= limit.capacity
    return Options(seconds, fee, demand, allowed)


def _where_given(given: Floats, else_: Floats) -> Floats:
    return np.where(np.isnan(given), else_, given)
