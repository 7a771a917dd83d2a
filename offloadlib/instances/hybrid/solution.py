"""Decisions of a hybrid instance: where each task runs, and how the uplink is shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats, frozen, whole
from .model import DEVICE, HybridInstance, TaskPlaces


@dataclass(frozen=True, eq=False)
class HybridSolution:
    """A place for every task and a share of the uplink for every device.

    Parameters
    ----------
    places
        (N, M) places: :data:`~.instances.hybrid.model.DEVICE`, ``EDGE`` or ``CLOUD``.
    split
        (N,) Mbit/s that each device gets; not negative, in sum at most the bandwidth.

    Raises
    ------
    ValueError
        If a place is not a whole number.
    """

    places: TaskPlaces
    split: Floats

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", whole(self.places, np.int8))
        object.__setattr__(self, "split", frozen(self.split, np.float64))

    @classmethod
    def all_local(cls, instance: HybridInstance) -> HybridSolution:
        """Every task on its own device, the uplink unused."""
        return cls(np.full(instance.sizes.shape, DEVICE, np.int8), np.zeros(instance.num_devices))
