"""What of an instance may explain that a heuristic fails: width, data per work, scarcity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from .instance import Instance
from .model import Application


@dataclass(frozen=True)
class Shape:
    """Means over the devices of an instance, and how scarce its places are.

    Attributes
    ----------
    subtasks
        Of a device.
    width
        Of its task graph (:func:`width`).
    data_per_work
        Seconds that sending what all arcs carry takes, over those that all work takes at home; devices
        without a connection or without work do not count, and nan if there are no others.
    scarcity
        Subtasks of all devices over places of all offload points.
    """

    subtasks: float
    width: float
    data_per_work: float
    scarcity: float


def shape(instance: Instance) -> Shape:
    """The shape of an instance."""
    devices = instance.devices
    widths = np.zeros(instance.num_devices)
    ratios = np.full(instance.num_devices, np.nan)
    for group in instance.groups:
        rows = group.members
        widths[rows] = width(group.application)
        at_home = group.work.sum(axis=1) / devices.cpu[rows]
        sending = group.edge_data.sum(axis=1) / devices.uplink[rows]
        np.divide(sending, at_home, out=sending, where=at_home > 0)
        ratios[rows] = np.where(at_home > 0, sending, np.nan)
    known = ratios[np.isfinite(ratios)]
    return Shape(
        subtasks=instance.num_subtasks / instance.num_devices,
        width=float(widths.mean()),
        data_per_work=float(known.mean()) if len(known) else float("nan"),
        scarcity=instance.num_subtasks / float(instance.points.capacity.astype(float).sum()),
    )


def width(application: Application) -> int:
    """How many subtasks may be ready at the same time: the largest antichain of the graph.

    By Dilworth's theorem the least number of chains that cover it: the subtasks less a largest matching of
    subtasks with later ones.
    """
    size = application.size
    after = np.zeros((size, size), dtype=np.bool_)
    for k in application.order:
        for _, j in application.incoming[k]:
            after[:, k] |= after[:, j]
            after[j, k] = True
    return size - int((maximum_bipartite_matching(csr_array(after)) >= 0).sum())
