"""The pictures of a structured instance in a comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from offloadlib.instances import Instance
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.limits import Limits

from ..picture import Compared, Picture
from .loads import Utilisation, utilisation
from .map import network_map
from .schedule import device_timeline


def pictures(label: str, stem: str, instance: Instance, found: Sequence[Compared]) -> Iterator[str | Picture]:
    """What all methods use, and how the best solution looks."""
    methods = [one.method for one in found]
    total = np.array([one.evaluation.utilisation for one in found])
    if instance.version == 1:
        share = np.array([one.evaluation.utilisation_by_point for one in found])
        loads = Utilisation(label, methods, instance.points.ids, share, total)
        caption = (
            "Share of each offload point's capacity that each method uses; beside its name, of all capacity."
        )
    else:
        loads = _limits(label, methods, instance, found, total)
        caption = (
            "Share of each limit that each method uses; beside its name, the mean over what offload points "
            "have."
        )
    loads, alike = loads.telling()
    if loads.points:
        yield Picture(f"utilisation-{stem}", f"{caption} {alike}".strip(), utilisation(loads))
    else:
        yield alike
    best = min(found, key=lambda one: one.cost)
    title = f"{label}, {best.method}"
    caption = f"Devices and offload points in the best solution found, that of {best.method}."
    yield Picture(f"map-{stem}", caption, network_map(instance, best.solution, title))
    caption = (
        "One device's task in that solution: where each subtask runs, and when the radio is busy. "
        "Pale bars are off the heaviest path."
    )
    yield Picture(f"timeline-{stem}", caption, device_timeline(instance, best.solution, title))


def _limits(
    label: str, methods: Sequence[str], instance: Instance, found: Sequence[Compared], total: Floats
) -> Utilisation:
    """The share of everything that has a limit."""
    limits = Limits(instance)
    finite = np.flatnonzero(np.isfinite(limits.right))
    right = limits.right[finite]
    share = np.zeros((len(found), len(finite)))
    for row, one in zip(share, found, strict=True):
        np.divide(one.evaluation.use[finite], right, out=row, where=right > 0)
    names = [", ".join(limits.titles[i]) for i in finite.tolist()]
    return Utilisation(label, methods, names, share, total, what="limit", used="share in use")
