"""When each part of one device's task runs, as the cost model sees it.

A subtask begins once all of its predecessors have finished, and takes its g_k of section 3.2: first
what it receives and sends, one after the other, then its execution, last the output of an offloaded
tail. Parallel branches do not wait for each other, so that two of them may overlap in a lane.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from .instance import Instance
from .model import LOCAL, REFUSED
from .sides import Terms, at_point, crosses, executing
from .solution import Solution


class Activity(StrEnum):
    """What a span of time is spent on."""

    EXECUTE = "execute"
    SEND = "send"
    RECEIVE = "receive"


@dataclass(frozen=True)
class Span:
    """A part of a subtask.

    Parameters
    ----------
    lane
        ``device``, ``radio``, or the id of an offload point.
    subtask
        Its name.
    activity
        What happens.
    begin, end
        Seconds since the task began.
    critical
        Whether the subtask lies on the heaviest path, whose weight is the delay G.
    """

    lane: str
    subtask: str
    activity: Activity
    begin: float
    end: float
    critical: bool


DEVICE_LANE = "device"
RADIO_LANE = "radio"


def timeline(instance: Instance, solution: Solution, device: int) -> list[Span]:
    """The spans of a device's task, by subtask in topological order; those of no length are left out. A
    refused device has none.

    Parameters
    ----------
    instance, solution
        The instance, and feasible decisions.
    device
        Position of the device in ``instance.devices``.
    """
    term, row, places = _task(instance, solution, device)
    if places[0] == REFUSED:
        return []
    application = term.group.application
    parts = {k: _parts(instance, term, row, places, k) for k in application.order}
    finish: dict[int, float] = {}
    begin: dict[int, float] = {}
    latest: dict[int, int | None] = {}
    for k in application.order:
        before = [j for _, j in application.incoming[k]]
        latest[k] = max(before, key=lambda j: finish[j], default=None)
        last = latest[k]
        begin[k] = 0.0 if last is None else finish[last]
        finish[k] = begin[k] + sum(length for *_, length in parts[k])
    critical = set()
    step: int | None = max(finish, key=lambda k: finish[k])
    while step is not None:
        critical.add(step)
        step = latest[step]
    spans = []
    for k in application.order:
        now = begin[k]
        for lane, activity, length in parts[k]:
            name = application.subtasks[k]
            if length > 0:
                spans.append(Span(lane, name, activity, now, now + length, k in critical))
            now += length
    return spans


def _task(instance: Instance, solution: Solution, device: int) -> tuple[Terms, int, list[int]]:
    """The terms of the device's group, its row there, and its decisions."""
    for term, places in zip(instance.terms, solution.places, strict=True):
        row = int(np.searchsorted(term.group.members, device))
        if row < len(term.group) and term.group.members[row] == device:
            return term, row, places[row].tolist()
    raise IndexError(f"there is no device {device}")


def _parts(
    instance: Instance, term: Terms, row: int, places: list[int], k: int
) -> list[tuple[str, Activity, float]]:
    """What subtask k consists of, in order: (lane, activity, seconds)."""
    place = places[k]
    away = place != LOCAL
    ahead, back = float(term.latency_up[row]), float(term.latency_down[row])
    application = term.group.application
    parts: list[tuple[str, Activity, float]] = []
    for arc, j in application.incoming[k]:
        up, down = crosses(places[j] != LOCAL, away)
        if up:
            parts.append((RADIO_LANE, Activity.SEND, float(term.arc_up[row, arc]) + ahead))
        if down:
            parts.append((RADIO_LANE, Activity.RECEIVE, float(term.arc_down[row, arc]) + back))
    if not away:
        return [*parts, (DEVICE_LANE, Activity.EXECUTE, float(term.local[row, k]))]
    there, _ = at_point(term.group.work, float(instance.points.cpu[place]))
    seconds = float(executing(term.group, there, place)[row, k])
    return [
        *parts,
        (RADIO_LANE, Activity.SEND, float(term.head_up[row, k]) + ahead * application.heads[k]),
        (instance.points.ids[place], Activity.EXECUTE, seconds),
        (RADIO_LANE, Activity.RECEIVE, float(term.tail_down[row, k]) + back * application.tails[k]),
    ]


def telling_device(instance: Instance, solution: Solution) -> int:
    """The device whose task uses the most places; among equals the one with the most subtasks, then the
    first. A refused device uses none."""
    best = (-1, 0, 0)
    for group, places in zip(instance.groups, solution.places, strict=True):
        ordered = np.sort(places, axis=1)
        distinct = (places[:, 0] != REFUSED) * (1 + (np.diff(ordered, axis=1) != 0).sum(axis=1))
        row = int(distinct.argmax())
        best = max(best, (int(distinct[row]), group.application.size, -int(group.members[row])))
    return -best[2]
