"""Decisions of a hybrid instance: where each task runs, and how the uplink is shared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import Floats, frozen, whole
from .model import DEVICE, HybridInstance, TaskPlaces

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
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

    def to_frame(self, instance: HybridInstance) -> pd.DataFrame:
        """A row for each task: ``device``, ``task``, ``place`` and ``split``, the Mbit/s of its device."""
        import pandas as pd

        devices, tasks = self.places.shape
        names = np.array(["device", "edge", "cloud"])
        return pd.DataFrame(
            {
                "device": np.repeat(np.array(instance.device_ids, dtype=object), tasks),
                "task": np.tile(np.arange(1, tasks + 1), devices),
                "place": names[self.places.ravel()],
                "split": np.repeat(self.split, tasks),
            }
        )

    def __repr__(self) -> str:
        away = int((self.places != DEVICE).sum())
        return f"<HybridSolution: {away:,} of {self.places.size:,} tasks offloaded>"

    @classmethod
    def all_local(cls, instance: HybridInstance) -> HybridSolution:
        """Every task on its own device, the uplink unused."""
        return cls(np.full(instance.sizes.shape, DEVICE, np.int8), np.zeros(instance.num_devices))
