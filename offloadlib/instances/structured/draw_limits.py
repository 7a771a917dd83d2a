"""What generators and importers draw of format 2: resources, deadlines, budgets, fees, refusal and the rest.

Nothing of it is drawn by default, and nothing that is drawn here changes the draws of format 1. Deadlines,
energy budgets and rejections are multiples of what the device's all-local decision takes, so that one range
suits tasks of any size: below 1 a device has to offload.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..arrays import Floats
from ..draws import Range, number_problems, range_problems, uniform
from ..errors import Problem, shown
from ..files.archive import Columns
from ..files.document import Document
from ..files.schema import LARGEST
from .model import SUBTASKS, Application, Objective
from .sides import path


@dataclass(frozen=True, kw_only=True)
class LimitSetting:
    """What of format 2 is drawn: by default nothing.

    Parameters
    ----------
    resources
        Names of resources that subtasks demand where they are offloaded, and that offload points have.
    demand
        What each subtask demands of each resource.
    room
        What each offload point has of each resource.
    deadline
        Of each device, as a multiple of its all-local delay.
    energy_budget
        Of each device, as a multiple of its all-local energy.
    rejection
        What refusing a device costs, as a multiple of its all-local cost.
    weight
        What the cost of a device counts.
    latency
        Seconds that are added to each transfer, in either direction.
    fee
        Of each subtask at an offload point, in cost.
    pinned
        Share of all subtasks that may not be offloaded.
    accelerated
        Share of all subtasks and offload points at which the execution is faster, ...
    speedup
        ... so many times.
    total_delay
        Cap on the delay of all devices, as a multiple of that of all-local.
    total_energy
        Cap on the energy of all devices, as a multiple of that of all-local.
    objective
        The sum of the costs, or the largest.
    """

    resources: tuple[str, ...] = ()
    demand: Range = (1.0, 3.0)
    room: Range = (20.0, 40.0)
    deadline: Range | None = None
    energy_budget: Range | None = None
    rejection: Range | None = None
    weight: Range | None = None
    latency: Range | None = None
    fee: Range | None = None
    pinned: float = 0.0
    accelerated: float = 0.0
    speedup: Range = (2.0, 8.0)
    total_delay: float | None = None
    total_energy: float | None = None
    objective: Objective = "sum"

    @classmethod
    def later(cls) -> frozenset[str]:
        """The parameters that came later than others: ``source`` has them only where they are used."""
        return frozenset(item.name for item in fields(LimitSetting))

    @property
    def used(self) -> tuple[str, ...]:
        """What is drawn, in words."""
        words = {
            "resources": "demands and resources",
            "energy_budget": "energy budgets",
            "pinned": "pinned subtasks",
            "accelerated": "fast places",
            **{name: f"{name}s" for name in ("deadline", "rejection", "weight", "fee")},
            "latency": "latencies",
            "total_delay": "a cap on the total delay",
            "total_energy": "a cap on the total energy",
            "objective": "the largest cost as objective",
        }
        none = LimitSetting()
        return tuple(text for name, text in words.items() if getattr(self, name) != getattr(none, name))


def draw_limits(
    setting: LimitSetting,
    applications: Sequence[Application],
    points: list[Document],
    columns: Columns,
    normalised: bool,
    rng: np.random.Generator,
) -> tuple[Document, Columns]:
    """Draw what a setting asks for.

    Parameters
    ----------
    setting, applications, points, columns
        As in the header, and the columns that are there already: speeds, powers, weights, tasks.
    normalised
        Whether costs are relative to those of all-local.
    rng
        Source of the draws.

    Returns
    -------
    header, columns
        What is added to the header (its offload points and cost in full), and to the columns.
    """
    for_points, for_devices, for_places = rng.spawn(3)
    header: Document = {"version": 2, "offload_points": _points(setting, points, for_points)}
    if setting.resources:
        header["resources"] = list(setting.resources)
    delay, energy = all_local(applications, columns)
    caps = {
        name: share * float(values.sum())
        for name, share, values in (
            ("delay", setting.total_delay, delay),
            ("energy", setting.total_energy, energy),
        )
        if share is not None
    }
    if caps:
        header["totals"] = caps
    return header, {
        **_devices(setting, columns, delay, energy, normalised, for_devices),
        **_tasks(setting, applications, points, columns, for_places),
    }


def all_local(applications: Sequence[Application], columns: Columns) -> tuple[Floats, Floats]:
    """(M,), (M,) delay in s and energy in mJ of the all-local decisions."""
    number, cpu = np.asarray(columns["application"]), columns["cpu"]
    delay, seconds = np.zeros(len(number)), np.zeros(len(number))
    for i in np.unique(number).tolist():
        members = number == i
        local = columns[f"work.{i}"] / cpu[members][:, None]
        delay[members] = path(applications[i], list(local.T), np.maximum.reduce)
        seconds[members] = local.sum(axis=1)
    return delay, seconds * columns["power.execute"]


def _points(setting: LimitSetting, points: list[Document], rng: np.random.Generator) -> list[Document]:
    """The offload points with what they have of each resource, and their fees."""
    rooms = uniform(rng, setting.room, (len(setting.resources), len(points)))
    fees = None if setting.fee is None else uniform(rng, setting.fee, len(points))
    found = []
    for n, point in enumerate(points):
        item = dict(point)
        if setting.resources:
            room = dict(zip(setting.resources, rooms[:, n].tolist(), strict=True))
            item["capacity"] = {SUBTASKS: point["capacity"], **room}
        if fees is not None and fees[n]:
            item["fee"] = {"subtask": float(fees[n])}
        found.append(item)
    return found


def _devices(
    setting: LimitSetting,
    columns: Columns,
    delay: Floats,
    energy: Floats,
    normalised: bool,
    rng: np.random.Generator,
) -> Columns:
    """Deadlines, budgets, rejections, weights and latencies."""
    alpha = columns["alpha"]
    cost = np.ones_like(alpha) if normalised else alpha * delay + (1 - alpha) * energy
    wanted = {
        "deadline": (setting.deadline, delay),
        "energy_budget": (setting.energy_budget, energy),
        "rejection": (setting.rejection, cost),
        "weight": (setting.weight, np.ones_like(alpha)),
        "latency.up": (setting.latency, np.ones_like(alpha)),
        "latency.down": (setting.latency, np.ones_like(alpha)),
    }
    streams = rng.spawn(len(wanted))
    return {
        name: uniform(stream, bounds, len(alpha)) * unit
        for stream, (name, (bounds, unit)) in zip(streams, wanted.items(), strict=True)
        if bounds is not None
    }


def _tasks(
    setting: LimitSetting,
    applications: Sequence[Application],
    points: list[Document],
    columns: Columns,
    rng: np.random.Generator,
) -> Columns:
    """Demands, pinned subtasks and fast places."""
    number = np.asarray(columns["application"])
    for_demand, for_pins, for_places = rng.spawn(3)
    found: Columns = {}
    names = [point["id"] for point in points]
    for i in np.unique(number).tolist():
        work, subtasks = columns[f"work.{i}"], applications[i].subtasks
        speed = np.array([point["cpu"] for point in points])
        if setting.resources:
            shape = (len(work), len(setting.resources), len(subtasks))
            found[f"demand.{i}"] = uniform(for_demand, setting.demand, shape)
        if setting.pinned:
            pinned = for_pins.random(work.shape) < setting.pinned
            found[f"allowed.{i}"] = [
                {subtasks[k]: [None] for k in np.flatnonzero(row).tolist()} or None for row in pinned
            ]
        if setting.accelerated:
            shape = (*work.shape, len(points))
            fast = for_places.random(shape) < setting.accelerated
            seconds = work[:, :, None] / speed / uniform(for_places, setting.speedup, shape)
            found[f"at.{i}"] = [
                [
                    {"subtask": subtasks[k], "point": names[n], "execution": float(seconds[row, k, n])}
                    for k, n in np.argwhere(fast[row]).tolist()
                ]
                or None
                for row in range(len(work))
            ]
    return found


def limit_problems(setting: LimitSetting) -> Iterator[Problem]:
    """Everything that is wrong with what is to be drawn: (name of the parameter, what)."""
    for i, name in enumerate(setting.resources):
        if not name or name == SUBTASKS:
            yield f"resources[{i}]", f"must be a name other than {shown(SUBTASKS)}, not {shown(name)}"
        elif name in setting.resources[:i]:
            yield f"resources[{i}]", f"names {shown(name)} again"
    for name in ("demand", "room"):
        if not setting.resources and getattr(setting, name) != getattr(LimitSetting(), name):
            yield name, "says nothing without the name of a resource"
        yield from range_problems(name, getattr(setting, name), 0, LARGEST)
    for name in ("deadline", "energy_budget", "rejection", "weight", "latency", "fee"):
        if getattr(setting, name) is not None:
            yield from range_problems(name, getattr(setting, name), 0, LARGEST)
    yield from range_problems("speedup", setting.speedup, 1e-3, 1e6)
    for name in ("pinned", "accelerated"):
        yield from number_problems(name, getattr(setting, name), 0, 1)
    for name in ("total_delay", "total_energy"):
        if getattr(setting, name) is not None:
            yield from number_problems(name, getattr(setting, name), 0, LARGEST)
    if setting.objective not in ("sum", "max"):
        yield "objective", f'must be "sum" or "max", not {setting.objective!r}'
