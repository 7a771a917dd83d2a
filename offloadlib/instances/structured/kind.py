"""The structured problem, as code for every kind sees it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ..features import Feature
from ..kind import Kind
from . import exact, form
from .cost import evaluate
from .generate import Setting, generate
from .instance import Instance
from .model import UNLIMITED
from .schema import CertificateFile2, InstanceFile, InstanceFile2, StructuredCertificate
from .series_parallel import decompose
from .solution import Solution


def limited_channels(instance: Instance) -> str | None:
    """Why a method without channels cannot solve an instance, or None."""
    for name, channels in zip(instance.points.ids, instance.points.channels, strict=True):
        if channels != UNLIMITED:
            return f"knows no limits on channels, and {name!r} has one"
    return None


def not_series_parallel(instance: Instance) -> str | None:
    """Why a method for series-parallel applications cannot solve an instance, or None."""
    for group in instance.groups:
        if decompose(group.application) is None:
            return f"needs series-parallel applications, and {group.application.id!r} is not one"
    return None


def resources(instance: Instance) -> str | None:
    """Why a method that counts subtasks alone cannot solve an instance, or None."""
    points = instance.points
    for name, room in zip(instance.resources, points.room, strict=True):
        if np.isfinite(room).any():
            return f"knows no resources, and {name!r} is one"
    if instance.shared:
        return f"knows no limits that offload points share, and {instance.shared[0].id!r} is one"
    return _first(
        "knows no offload points without a capacity, and {} is one", points.ids, points.capacity == UNLIMITED
    )


def unlike_places(instance: Instance) -> str | None:
    """Why a method for which places differ in speed alone cannot solve an instance, or None."""
    for group in instance.groups:
        met = group.exceptions
        changed = met.row[~np.isnan(met.execution) | ~np.isnan(met.demand).all(axis=0)]
        for rows, what in ((changed, "exceptions"), (group.allowed.row, "lists of allowed places")):
            if len(rows):
                name = instance.devices.ids[group.members[rows[0]]]
                return f"knows no {what}, and {name!r} has some"
    return None


def fees(instance: Instance) -> str | None:
    """Why a method without fees cannot solve an instance, or None."""
    points, devices = instance.points, instance.devices
    known = _first(
        "knows no fees, and {} takes some", points.ids, (points.fee_subtask != 0) | (points.fee_work != 0)
    )
    for group in instance.groups:
        rows = group.exceptions.row[~np.isnan(group.exceptions.fee)]
        if known is None and len(rows):
            known = f"knows no fees, and {devices.ids[group.members[rows[0]]]!r} pays some"
    return known


def latency(instance: Instance) -> str | None:
    """Why a method without latencies cannot solve an instance, or None."""
    devices = instance.devices
    waits = (devices.latency_up > 0) | (devices.latency_down > 0)
    return _first("knows no latency, and {} has one", devices.ids, waits)


def deadlines(instance: Instance) -> str | None:
    """Why a method without deadlines and energy budgets cannot solve an instance, or None."""
    devices = instance.devices
    late = _first("knows no deadlines, and {} has one", devices.ids, np.isfinite(devices.deadline))
    spent = _first("knows no energy budgets, and {} has one", devices.ids, np.isfinite(devices.energy_budget))
    return late or spent


def totals(instance: Instance) -> str | None:
    """Why a method without caps on totals cannot solve an instance, or None."""
    capped = [name for name in ("delay", "energy") if np.isfinite(getattr(instance.totals, name))]
    return f"knows no cap on the total {capped[0]}" if capped else None


def refusal(instance: Instance) -> str | None:
    """Why a method that serves all devices cannot solve an instance, or None."""
    devices = instance.devices
    return _first("serves all devices, and {} may be refused", devices.ids, ~np.isnan(devices.rejection))


def weights(instance: Instance) -> str | None:
    """Why a method for which devices count alike cannot solve an instance, or None."""
    devices = instance.devices
    return _first("knows no weights, and {} has one", devices.ids, devices.weight != 1.0)


def largest_cost(instance: Instance) -> str | None:
    """Why a method that adds up costs cannot solve an instance, or None."""
    return "adds up costs, and the objective is the largest" if instance.objective == "max" else None


def _first(reason: str, names: Sequence[str], which: NDArray[np.bool_]) -> str | None:
    """A reason with the first name that it holds for, or None."""
    return reason.format(repr(names[int(np.argmax(which))])) if which.any() else None


KIND = Kind(
    file=InstanceFile,
    form=form,
    solution=Solution,
    all_local=Solution.all_local,
    evaluate=evaluate,
    exact=exact,
    certificate=StructuredCertificate,
    others={"instance-2": InstanceFile2, "certificate-2": CertificateFile2},
    setting=Setting,
    generate=generate,
    features={
        Feature.CHANNELS: limited_channels,
        Feature.ANY_GRAPH: not_series_parallel,
        Feature.RESOURCES: resources,
        Feature.UNLIKE_PLACES: unlike_places,
        Feature.FEES: fees,
        Feature.LATENCY: latency,
        Feature.DEADLINES: deadlines,
        Feature.TOTALS: totals,
        Feature.REFUSAL: refusal,
        Feature.WEIGHTS: weights,
        Feature.MAX: largest_cost,
    },
)
