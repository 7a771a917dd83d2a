"""Instances, decisions and what they use as tables of pandas and as graphs of networkx."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from .limits import Limits
from .model import LOCAL, UNLIMITED

if TYPE_CHECKING:
    import pandas as pd

    from .cost import Evaluation
    from .instance import Instance
    from .solution import Solution


class Tables(TypedDict):
    """An instance as four tables, the arguments of :func:`.importers.from_tables`."""

    devices: pd.DataFrame
    points: pd.DataFrame
    applications: pd.DataFrame
    arcs: pd.DataFrame


def tables(instance: Instance) -> Tables:
    """An instance as four tables, in the columns that :func:`.importers.from_tables` reads.

    Where the devices of an application differ in work or data, each of these has an application of its own,
    ``application/device``. What is of format 2 has further columns, where it is used, which ``from_tables``
    refuses.
    """
    import pandas as pd

    names, devices, points = instance.device_ids, instance.devices, instance.points
    tasks: list[dict[str, Any]] = []
    arcs: list[dict[str, Any]] = []
    of_device = dict.fromkeys(names, "")
    for group in instance.groups:
        data = (group.work, group.input, group.output, group.edge_data, *group.demand)
        alike = all((each == each[:1]).all() for each in data)
        for row, m in enumerate(group.members.tolist()):
            application = group.application.id if alike else f"{group.application.id}/{names[m]}"
            of_device[names[m]] = application
            if alike and row:
                continue
            for k, subtask in enumerate(group.application.subtasks):
                demands = zip(instance.resources, group.demand[:, row, k].tolist(), strict=True)
                tasks.append(
                    {
                        "application": application,
                        "subtask": subtask,
                        "work": group.work[row, k],
                        "input": group.input[row, k],
                        "output": group.output[row, k],
                        **{f"demand {name}": value for name, value in demands},
                    }
                )
            for arc, (source, target) in enumerate(group.application.edges):
                ends = group.application.subtasks[source], group.application.subtasks[target]
                arcs.append(
                    {
                        "application": application,
                        **dict(zip(("source", "target"), ends, strict=True)),
                        "data": group.edge_data[row, arc],
                    }
                )
    ids = np.array([*points.ids, None], dtype=object)
    of_devices: dict[str, Any] = {
        "id": names,
        "application": list(of_device.values()),
        **{key: getattr(devices, key) for key in ("cpu", "execute", "send", "receive", "alpha")},
        "connected_to": ids[devices.connected_to],
        "uplink": devices.uplink,
        "downlink": devices.downlink,
    }
    usual = {"latency_up": 0, "latency_down": 0, "deadline": np.inf, "energy_budget": np.inf, "weight": 1}
    for key, value in usual.items():
        if (getattr(devices, key) != value).any():
            of_devices[key] = getattr(devices, key)
    if not np.isnan(devices.rejection).all():
        of_devices["rejection"] = devices.rejection
    of_points: dict[str, Any] = {
        "id": points.ids,
        **{key: getattr(points, key) for key in ("cpu", "uplink", "downlink")},
        "capacity": _counts(points.capacity),
        "channels": _counts(points.channels),
        **dict(zip(instance.resources, points.room, strict=True)),
    }
    for key in ("fee_subtask", "fee_work"):
        if getattr(points, key).any():
            of_points[key] = getattr(points, key)
    return {
        "devices": pd.DataFrame(of_devices),
        "points": pd.DataFrame(of_points),
        "applications": pd.DataFrame(tasks),
        "arcs": pd.DataFrame(arcs, columns=["application", "source", "target", "data"]),
    }


def _counts(values: Any) -> Any:
    """Whole numbers, missing where there is no limit."""
    import pandas as pd

    return pd.array([None if value == UNLIMITED else value for value in values.tolist()], dtype="Int64")


def graph(instance: Instance, device: str) -> Any:
    """A device's task as a ``networkx.DiGraph``, called by the device: nodes have ``work`` in MI, ``input``
    and ``output`` in Mbit, arcs ``data`` in Mbit."""
    import networkx as nx

    m = instance.device_ids.index(device)
    group = next(group for group in instance.groups if m in group.members)
    row = int(np.flatnonzero(group.members == m)[0])
    names, found = group.application.subtasks, nx.DiGraph(name=device)
    for k, name in enumerate(names):
        values = (float(each[row, k]) for each in (group.work, group.input, group.output))
        found.add_node(name, **dict(zip(("work", "input", "output"), values, strict=True)))
    for arc, (j, k) in enumerate(group.application.edges):
        found.add_edge(names[j], names[k], data=float(group.edge_data[row, arc]))
    return found


def decisions(solution: Solution, instance: Instance) -> pd.DataFrame:
    """A row for each subtask: ``device``, ``application``, ``subtask``, its ``place`` (None: local), and
    whether the device is ``refused``."""
    import pandas as pd

    rows = []
    applications = [instance.applications[number] for number in instance.devices.application.tolist()]
    for application, (device, places) in zip(applications, solution.decisions(instance), strict=True):
        for k, subtask in enumerate(application.subtasks):
            place = None if places is None else places[k]
            rows.append((device, application.id, subtask, place, places is None))
    columns = ["device", "application", "subtask", "place", "refused"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(place=pd.Series([row[3] for row in rows], dtype=object))


def uses(evaluation: Evaluation) -> pd.DataFrame:
    """A row for each limit: its ``name``, the ``unit`` of what it limits, how much is ``used``, and its
    ``size``."""
    import pandas as pd

    limits = Limits(evaluation.instance)
    frame = pd.DataFrame(limits.titles, columns=["name", "unit"])
    return frame.assign(used=evaluation.use, size=limits.right)


def offloaded(solution: Solution) -> str:
    """How much is offloaded, in words."""
    here = sum(int((places > LOCAL).sum()) for places in solution.places)
    return f"{here:,} of {sum(places.size for places in solution.places):,} subtasks offloaded"
