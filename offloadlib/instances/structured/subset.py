"""Some of the devices of an instance, with the same offload points."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..arrays import Ints, frozen
from .instance import Instance
from .model import Devices, Group, Places
from .solution import Solution


def subset(instance: Instance, devices: Ints) -> Instance:
    """The instance of some devices alone: costs, rates and weights are as before, and so are the limits.

    Parameters
    ----------
    instance
        The instance.
    devices
        Ascending positions of at least one device in the file.
    """
    used = np.unique(instance.devices.application[devices])
    columns: dict[str, Any] = {
        item.name: getattr(instance.devices, item.name)[devices]
        for item in fields(Devices)
        if item.name not in ("ids", "application")
    }
    ids = tuple(instance.devices.ids[m] for m in devices.tolist())
    application = np.searchsorted(used, instance.devices.application[devices])
    chosen = Devices(ids=ids, application=frozen(application, np.int64), **columns)
    groups = [_part(group, devices) for group in instance.groups]
    return replace(
        instance,
        applications=tuple(instance.applications[a] for a in used.tolist()),
        devices=chosen,
        groups=tuple(group for group in groups if len(group)),
    )


def _part(group: Group, devices: Ints) -> Group:
    kept = np.isin(group.members, devices)
    row = np.cumsum(kept) - 1
    parts: dict[str, Any] = {
        name: getattr(group, name)[kept] for name in ("work", "input", "output", "edge_data")
    }
    for name in ("exceptions", "allowed"):
        entries = getattr(group, name)
        of_kept = np.flatnonzero(kept[entries.row])
        parts[name] = entries.chosen(of_kept, row[entries.row[of_kept]])
    members = np.searchsorted(devices, group.members[kept])
    return Group(group.application, members, demand=group.demand[:, kept], **parts)


def restricted(instance: Instance, solution: Solution, devices: Ints) -> Solution:
    """The decisions of some devices, as a solution of :func:`subset`'s instance."""
    parts: list[Places] = []
    for group, places in zip(instance.groups, solution.places, strict=True):
        kept = np.isin(group.members, devices)
        if kept.any():
            parts.append(places[kept])
    return Solution(tuple(parts))
