"""The pictures of a structured instance in a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from offloadlib.instances import Instance

from ..picture import Compared, Picture
from .loads import Loads, utilisation
from .map import network_map
from .schedule import device_timeline


def pictures(label: str, stem: str, instance: Instance, found: Sequence[Compared]) -> Iterator[Picture]:
    """What all methods use, and how the best solution looks."""
    loads = Loads(
        title=label,
        methods=[one.method for one in found],
        points=instance.points.ids,
        share=np.array([one.evaluation.utilisation_by_point for one in found]),
        total=np.array([one.evaluation.utilisation for one in found]),
    )
    caption = (
        "Share of each offload point's capacity that each method uses; beside its name, of all capacity."
    )
    yield Picture(f"utilisation-{stem}", caption, utilisation(loads))
    best = min(found, key=lambda one: one.cost)
    title = f"{label}, {best.method}"
    caption = f"Devices and offload points in the best solution found, that of {best.method}."
    yield Picture(f"map-{stem}", caption, network_map(instance, best.solution, title))
    caption = (
        "One device's task in that solution: where each subtask runs, and when the radio is busy. "
        "Pale bars are off the heaviest path."
    )
    yield Picture(f"timeline-{stem}", caption, device_timeline(instance, best.solution, title))
