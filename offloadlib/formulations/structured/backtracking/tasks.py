"""From an instance to the arrays that the backtracking kernels search, and from their decisions back."""

from __future__ import annotations

import numpy as np

from offloadlib.instances import LOCAL, Instance, Solution
from offloadlib.instances.arrays import Floats, Ints, frozen
from offloadlib.instances.structured import flat, sides

from .kernels import FRESH, State, Tables, Tasks


def connected(instance: Instance) -> Ints:
    """The devices that have a radio link, in file order."""
    return np.flatnonzero(instance.devices.connected_to != LOCAL)


def tasks_of(instance: Instance, devices: Ints) -> Tasks:
    """The tasks of some devices, in a row.

    Parameters
    ----------
    instance
        The instance.
    devices
        (D,) which ones, ascending.
    """
    all_tasks = flat.flat_tasks(instance)
    subtasks, sizes = _segments(all_tasks.start, devices)
    arcs, _ = _segments(all_tasks.into, subtasks)
    start, incoming = np.cumsum(np.append(0, sizes)), np.diff(all_tasks.into)[subtasks]
    before = np.searchsorted(subtasks, all_tasks.before[arcs])
    cut_start, cut = _cuts(before, np.repeat(np.arange(len(subtasks)), incoming), len(subtasks))
    return Tasks(
        start=frozen(start, np.int64),
        opening=frozen(np.isin(np.arange(start[-1]), start), np.int64),
        head=frozen(incoming == 0, np.int64),
        radio=frozen(np.repeat(instance.devices.connected_to[devices], sizes), np.int64),
        arcs=frozen(np.cumsum(np.append(0, incoming)), np.int64),
        before=frozen(before, np.int64),
        cut_start=frozen(cut_start, np.int64),
        cut=frozen(cut, np.int64),
        **{name: frozen(getattr(all_tasks, name)[subtasks], np.float64) for name in sides.PER_SUBTASK},
        **{name: frozen(getattr(all_tasks, name)[arcs], np.float64) for name in sides.PER_ARC},
    )


def _segments(begins: Ints, which: Ints) -> tuple[Ints, Ints]:
    """The numbers ``begins[i] .. begins[i + 1] - 1`` for some i, one after the other; how many of each."""
    sizes = np.diff(begins)[which]
    return np.arange(sizes.sum()) + np.repeat(begins[which] - np.cumsum(sizes) + sizes, sizes), sizes


def _cuts(before: Ints, after: Ints, size: int) -> tuple[Ints, Ints]:
    """(P+1,), (C,) for each p the arcs from ``before`` to ``after`` (A,) with before <= p < after."""
    spans = after - before
    arc = np.repeat(np.arange(len(before)), spans)
    p = np.arange(len(arc)) + np.repeat(before - np.cumsum(spans) + spans, spans)
    order = np.argsort(p, kind="stable")
    return np.searchsorted(p[order], np.arange(size + 1)), arc[order]


def solution_of(instance: Instance, devices: Ints, point: Ints, places: Ints) -> Solution:
    """The decisions of a search; devices that took no part stay local.

    Parameters
    ----------
    instance, devices
        As for :func:`tasks_of`.
    point
        (I,) the offload point that each place stands for.
    places
        (P,) the decisions.
    """
    row = np.full(instance.num_subtasks, LOCAL)
    row[_segments(flat.subtask_starts(instance), devices)[0]] = np.append(point, LOCAL)[places]
    return flat.solution_of(instance, row)


def fresh_state(tasks: Tasks, left: Ints, air: Ints) -> State:
    """A search that has not begun, with this room at the places and on the radios."""
    size = len(tasks.opening)

    def counts() -> Ints:
        return np.zeros(size, dtype=np.int64)

    def values() -> Floats:
        return np.zeros(size)

    return State(
        cursor=np.array([0, FRESH, 0, 0]),
        tried=counts(),
        place=counts(),
        away=counts(),
        finish=values(),
        latest=values(),
        spent=values(),
        paid=values(),
        left=left.copy(),
        air=air.copy(),
    )


def fresh_tables(tasks: Tasks, places: int) -> Tables:
    """Room for the tables of a search with so many places."""
    size, arcs = len(tasks.opening), len(tasks.before)
    return Tables(
        rest=np.zeros(size),
        ahead=np.zeros((size, 2)),
        through=np.zeros((arcs, 2)),
        entry=np.zeros(size),
        options=np.zeros((size, places + 1), dtype=np.int64),
        choices=np.zeros(size, dtype=np.int64),
    )
