"""A lower bound that costs nothing: what every method can claim before it has done anything."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Floats
from .instance import Instance
from .model import LOCAL
from .sides import at_point, heaviest_path

ROUNDING = 1e-13
"""Taken off, relative to a bound: each step rounds to nearest, and the sum may be too large by that."""


def simple_bound(instance: Instance) -> float:
    """The sum of :func:`simple_bounds`."""
    return math.fsum(simple_bounds(instance).tolist())


def simple_bounds(instance: Instance) -> Floats:
    """(M,) The devices' weighted delays at the best speed, with free transfers and free energy.

    Proof: a subtask takes at least w over the greatest speed that its device can use (its own, or
    the fastest offload point's where it is connected and some capacity is not 0), delay is monotone
    in these times, and energies are not negative. A device that cannot offload costs what all-local
    costs.
    """
    points = instance.points
    usable = points.cpu[points.capacity > 0]
    fastest = float(usable.max()) if usable.size else 0.0
    bounds = np.empty(instance.num_devices)
    for term in instance.terms:
        members = term.group.members
        bound = instance.devices.connected_to[members] == LOCAL if usable.size else np.True_
        at_best = term.local
        if usable.size:
            at_best = np.minimum(at_best, at_point(term.group.work, fastest)[0])
        cost = term.delay_weight * heaviest_path(term.group, at_best)
        energy = term.energy_weight * term.local.sum(axis=1) * term.execute
        local = term.delay_weight * heaviest_path(term.group, term.local) + energy
        bounds[members] = np.where(bound, local, cost)
    return bounds * (1.0 - ROUNDING)
