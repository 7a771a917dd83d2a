"""Families of instances on which heuristics are as bad as one likes: ``docs/theory/approximation.md``.

Each function takes the size L and gives an instance of kind ``structured`` with weight alpha = 1 on the
delay and normalised costs, all of whose numbers are whole. Costs below are exact for every size allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import InputError
from ..files.document import Document
from .form import from_document
from .graphs import chain
from .instance import Instance
from .rules import document_problems

LARGEST_SIZE = 30_000
"""L^2 must be a number that files allow."""


def returning(size: int) -> Instance:
    r"""One device whose data are easily sent away and hard to bring home.

    Work 2 + 2 on a chain, a device of speed 1 and a point of speed 2; nothing to send, L to receive after
    either subtask. All-local is optimal, F* = 1. The greedy heuristics offload: F = (L + 2)/4.

    Parameters
    ----------
    size
        L, at least 3.
    """
    device = _device("ud1", cpu=1, work=[2, 2], input=[0, 0], output=[size, size], rate=1)
    return _instance("returning", size, 3, {"op1": (2, 2)}, [device])


def overtaking(size: int) -> Instance:
    r"""Two devices with a single subtask and no data, a fast point and a slow one with room for one each.

    The slow point (speed L) is much for the first device (speed 1) and nothing for the second (speed L).
    F* = 2/L; who decides for the first device first gives it the fast point (speed L^2): F = 1 + 1/L^2.

    Parameters
    ----------
    size
        L, at least 2.
    """
    devices = [
        _device(f"ud{m}", cpu=speed, work=[speed], input=[0], output=[0], rate=1)
        for m, speed in ((1, 1), (2, size))
    ]
    return _instance("overtaking", size, 2, {"fast": (size * size, 1), "slow": (size, 1)}, devices)


def crowding(size: int, devices: int = 2) -> Instance:
    r"""As :func:`overtaking`, with chains of two subtasks that only leave together.

    The first device has a chain of 2(M - 1) subtasks, and both points have room for so many. For each
    other device the input takes longer than the first subtask, and the data between the subtasks as long as
    the whole task: only both together gain by the fast point. F* = 3/L for M = 2, and at most (2M - 1)/L;
    greedy heuristics, and whoever decides for the first device first, end with F = M - 1 + 1/L^2, which
    is a local optimum of :mod:`.structured.improve`.

    Parameters
    ----------
    size
        L, at least 3.
    devices
        M, at least 2.
    """
    if devices < 2:
        raise InputError("crowding", [("devices", f"must be at least 2, not {devices!r}")])
    room = 2 * (devices - 1)
    none = [0] * room
    crowd = [_device("ud1", cpu=1, work=[1] * room, input=none, output=none, rate=1)]
    crowd += [
        _device(f"ud{m}", cpu=size, work=[1, size - 1], input=[1, 0], output=[size, 0], rate=size)
        for m in range(2, devices + 1)
    ]
    return _instance("crowding", size, 3, {"fast": (size * size, room), "slow": (size, room)}, crowd)


def _device(
    name: str, *, cpu: int, work: Sequence[int], input: Sequence[int], output: Sequence[int], rate: int
) -> Document:
    return {
        "id": name,
        "application": f"chain-{len(work)}",
        "cpu": cpu,
        "power": {"execute": 1, "send": 1, "receive": 1},
        "alpha": 1,
        "uplink": rate,
        "downlink": rate,
        "work": list(work),
        "input": list(input),
        "output": list(output),
    }


def _instance(
    name: str, size: int, least: int, points: dict[str, tuple[int, int]], devices: list[Document]
) -> Instance:
    """The instance of points with (speed, capacity); all devices are connected to the first point."""
    if not least <= size <= LARGEST_SIZE:
        raise InputError(name, [("size", f"must lie in {least}..{LARGEST_SIZE}, not {size!r}")])
    tasks = [chain(length) for length in sorted({len(device["work"]) for device in devices})]
    document: dict[str, Any] = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": f"{name}-{size}",
        "source": {"family": f"instances.traps.{name}", "size": size, "devices": len(devices)},
        "cost": {"normalise": "local"},
        "applications": [
            {
                "id": task.id,
                "subtasks": list(task.subtasks),
                "edges": [[task.subtasks[j], task.subtasks[k]] for j, k in task.edges],
            }
            for task in tasks
        ],
        "offload_points": [
            {"id": point, "cpu": cpu, "capacity": capacity, "uplink": 1, "downlink": 1}
            for point, (cpu, capacity) in points.items()
        ],
        "devices": [{**device, "connected_to": next(iter(points))} for device in devices],
    }
    problems = document_problems(document)
    if problems:
        raise InputError(name, problems)
    return from_document(document)
