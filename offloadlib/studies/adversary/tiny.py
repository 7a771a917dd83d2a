"""Tiny instances as whole numbers, for a search over instances, and their optima by enumeration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import types
from numpy.random import Generator

from offloadlib.instances import Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, readable
from offloadlib.instances.files.document import Document
from offloadlib.instances.structured.flat import FLAT_TASKS, FlatTasks, device_cost, flat_tasks
from offloadlib.instances.structured.form import from_document
from offloadlib.instances.structured.graphs import maker
from offloadlib.instances.structured.model import UNLIMITED

VALUES = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Speeds, rates and works: within a factor of 64."""

DATA = (0.0, *VALUES)
ALPHAS = (0.25, 0.5, 0.75, 1.0)
CAPACITIES = (1, 2, 3, 4)
POWER = {"execute": 16.0, "send": 1.5, "receive": 3.0}
"""In mW, of every device: in the middle of the paper's ranges."""


@dataclass(frozen=True)
class Sizes:
    """Sizes of an instance, and the graph of its tasks.

    Parameters
    ----------
    devices, points
        How many.
    application
        A graph of :mod:`.structured.graphs` that is not random.
    """

    devices: int
    points: int
    application: str

    def __str__(self) -> str:
        return f"{self.devices} x {self.application}, {self.points} point{'s' * (self.points > 1)}"


def choices(shape: Sizes) -> list[tuple[Any, ...]]:
    """What each gene of an instance chooses from: one device after the other, then the points'.

    A device has speed, uplink, downlink, alpha, and work, input and output of each subtask; an offload point
    has speed and capacity. Inputs of subtasks that are no heads, which are never sent, have one choice.
    """
    application = maker(shape.application)(np.random.default_rng(0))
    inputs = [DATA if head else (0.0,) for head in application.heads]
    size = application.size
    device = [VALUES, VALUES, VALUES, ALPHAS, *[VALUES] * size, *inputs, *[DATA] * size]
    return [*device * shape.devices, *[VALUES, CAPACITIES] * shape.points]


def drawn(shape: Sizes, rng: Generator) -> Ints:
    """Random genes."""
    return rng.integers([len(items) for items in choices(shape)])


def changed(shape: Sizes, genes: Ints, rng: Generator) -> Ints:
    """One or two genes changed, each to a neighbour or to anything else."""
    sizes = np.array([len(items) for items in choices(shape)])
    result = genes.copy()
    for gene in rng.choice(np.flatnonzero(sizes > 1), size=1 + int(rng.integers(2)), replace=False):
        step = int(rng.integers(-1, 2))
        value = result[gene] + step if step else rng.integers(sizes[gene])
        result[gene] = min(max(value, 0), sizes[gene] - 1)
    return result


def document(shape: Sizes, genes: Ints, name: str) -> Document:
    """The instance that genes stand for, as its file holds it."""
    application = maker(shape.application)(np.random.default_rng(0))
    options, size = choices(shape), application.size
    values = [items[gene] for items, gene in zip(options, genes.tolist(), strict=True)]
    width = 4 + 3 * size
    devices = []
    for m in range(shape.devices):
        cpu, uplink, downlink, alpha, *data = values[m * width : (m + 1) * width]
        devices.append(
            {
                "id": f"ud{m + 1}",
                "application": application.id,
                "cpu": cpu,
                "power": POWER,
                "alpha": alpha,
                "connected_to": "op1",
                "uplink": uplink,
                "downlink": downlink,
                "work": data[:size],
                "input": data[size : 2 * size],
                "output": data[2 * size :],
            }
        )
    names, rest = application.subtasks, values[shape.devices * width :]
    return {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": name,
        "cost": {"normalise": "local"},
        "applications": [
            {
                "id": application.id,
                "subtasks": names,
                "edges": [[names[j], names[k]] for j, k in application.edges],
            }
        ],
        "offload_points": [
            {"id": f"op{n + 1}", "cpu": cpu, "capacity": capacity, "uplink": 1.0, "downlink": 1.0}
            for n, (cpu, capacity) in enumerate(zip(rest[::2], rest[1::2], strict=True))
        ],
        "devices": devices,
    }


def made(shape: Sizes, genes: Ints) -> Instance:
    """The instance that genes stand for."""
    return from_document(document(shape, genes, "tiny"))


def optimum(instance: Instance) -> float:
    """The least cost of an instance without channels, by enumeration.

    All (N+1)^K decisions of each device are costed, the cheapest one for each use of the offload points is
    kept, and the devices are put together by dynamic programming over what is used of the capacities.
    """
    if (instance.points.channels != UNLIMITED).any():
        raise ValueError("channels are not looked at here")
    capacity = np.minimum(instance.points.capacity, instance.num_subtasks)
    return float(_least(flat_tasks(instance), instance.points.cpu, capacity))


@kernel(types.float64(FLAT_TASKS, readable("float64"), readable("int64")))
def _least(tasks: FlatTasks, cpu: Floats, capacity: Ints) -> float:
    points, devices = len(cpu), len(tasks.radio)
    stride = np.ones(points + 1, dtype=np.int64)
    for n in range(points):
        stride[n + 1] = stride[n] * (capacity[n] + 1)
    states = stride[points]
    total = np.full(states, np.inf)
    total[0] = 0.0
    for m in range(devices):
        size = tasks.start[m + 1] - tasks.start[m]
        row, finish, fitness = np.full(size, -1), np.empty(size), np.empty(size)
        used, least = np.zeros(points, dtype=np.int64), np.full(states, np.inf)
        running = True
        while running:
            fits, state = True, 0
            for n in range(points):
                fits = fits and used[n] <= capacity[n]
                state += used[n] * stride[n]
            if fits:
                least[state] = min(least[state], device_cost(tasks, m, row, cpu, finish, fitness))
            running = False
            if tasks.radio[m] >= 0:  # the next decision, counting up
                for k in range(size):
                    if row[k] >= 0:
                        used[row[k]] -= 1
                    row[k] += 1
                    if row[k] < points:
                        used[row[k]] += 1
                        running = True
                        break
                    row[k] = -1
        after = np.full(states, np.inf)
        for before in range(states):
            if total[before] == np.inf:
                continue
            for more in range(states):
                if least[more] == np.inf:
                    continue
                fits = True
                for n in range(points):
                    limit = capacity[n] + 1
                    fits = fits and before // stride[n] % limit + more // stride[n] % limit <= capacity[n]
                if fits:
                    after[before + more] = min(after[before + more], total[before] + least[more])
        total = after
    result: float = total.min()
    return result
