"""How large a program becomes, before it is made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Application, Instance
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.series_parallel import reduction

from ..metered import inside

LARGE_JOIN = 8
"""A subtask with more arcs into it, redundant ones left out, has a variable for when it may start."""

LARGEST = 750e6
"""Bytes of a program, at the most, if its tasks are long."""

LONG = 0.01
"""Share of that from which on a device's part of a program counts as long. That many devices make a large
program is no surprise."""


@dataclass(frozen=True)
class Size:
    """Variables and rows, and coefficients of the rows."""

    parts: int
    entries: int

    def __add__(self, other: Size) -> Size:
        return Size(self.parts + other.parts, self.entries + other.entries)

    def times(self, number: int) -> Size:
        """So many of them."""
        return Size(number * self.parts, number * self.entries)

    def in_pyomo(self) -> float:
        """Bytes of a model together with what it is compiled to, as measured."""
        return 1100.0 * self.parts + 80.0 * self.entries

    def in_solver(self) -> float:
        """Bytes of the copies that HiGHS makes, and of what it computes once at the root, as measured."""
        return 5000.0 * self.parts + 250.0 * self.entries

    def in_cpsat(self) -> float:
        """Bytes of the program of CP-SAT and of its copies, as measured."""
        return 2500.0 * self.parts


def large_joins(application: Application) -> NDArray[np.bool_]:
    """(K,) which subtasks more than :data:`LARGE_JOIN` others directly lead to."""
    joins: NDArray[np.bool_] = arcs_into(application) > LARGE_JOIN
    return joins


def arcs_into(application: Application) -> NDArray[np.int64]:
    """(K,) arcs into each subtask, without the redundant ones."""
    ends = np.array([k for _, k in reduction(application)], dtype=np.int64)
    counts: NDArray[np.int64] = np.bincount(ends, minlength=application.size)
    return counts


def placed(application: Application, points: int) -> Size:
    """Places and transfers of one device (:mod:`.placement`)."""
    subtasks, arcs = application.size, len(application.edges)
    return Size(subtasks * (points + 2) + 3 * arcs, subtasks * (points + 1) + 4 * arcs)


def potentials(application: Application, points: int) -> Size:
    """Finish times of one device (:mod:`.potentials`)."""
    into = arcs_into(application)
    large = into > LARGE_JOIN
    written = np.where(large, 1, np.maximum(into, 1))  # how often the costs of a subtask are
    parts = application.size + int((into + 1).sum()) + 2 * int(large.sum())
    return Size(parts, int((written * (2 * into + points + 3)).sum() + 2 * into.sum()))


def too_large(
    instance: Instance,
    held_up: Callable[[Application, int], Size],
    models: int = 1,
    in_solver: Callable[[Size], float] = Size.in_solver,
) -> str | None:
    """None, or why a program would take too much memory.

    Parameters
    ----------
    instance
        The instance.
    held_up
        What a formulation adds to :func:`placed` for a device of an application, with so many offload points.
    models
        Made with Pyomo on the way: none, one, or another one by a transformation.
    in_solver
        Bytes that it takes there.
    """
    points = int((instance.points.capacity > 0).sum())
    total, devices, radio = Size(0, 0), 0, Limits(instance).radio
    for group in instance.groups:
        linked = int(inside(instance, group.members).sum())
        one = placed(group.application, points) + held_up(group.application, points)
        total, devices = total + one.times(linked), devices + linked
        limited = int((radio[group.members] >= 0).sum())
        total += Size(group.application.size, 2 * group.application.size).times(limited)
    memory = models * total.in_pyomo() + in_solver(total)
    if memory <= LARGEST or memory <= LONG * LARGEST * devices:
        return None
    made = "a program made with Pyomo" if models else "a program"
    return (
        f"solves {made} in up to {LARGEST / 1e6:.0f} MB; here it has {total.parts:,} variables and rows, "
        f"which take about {memory / 1e6:,.0f} MB"
    )


def cpsat_obstacle(instance: Instance) -> str | None:
    """None, or why CP-SAT's program of all places would take too much memory."""
    return too_large(instance, potentials, models=0, in_solver=Size.in_cpsat)
