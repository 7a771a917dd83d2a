"""The device model (:mod:`.sides`) and the limits (:mod:`.limits`) inside compiled kernels.

The functions are those of the two modules, made part of their callers. An index is a number for tasks in a
row, a pair for those of a group.
"""

from __future__ import annotations

from typing import Any

from numba import types

from ..compiled import inlined, readable, writable
from . import limits, sides
from .limits import Room
from .sides import Sides

SIDES = types.NamedUniTuple(readable("float64"), len(Sides._fields), Sides)
"""The type, in the signature of a kernel, of the sides of tasks in a row."""

GROUP_SIDES = types.NamedUniTuple(readable("float64", 2), len(Sides._fields), Sides)
"""That of the sides of a group's tasks."""

ROOM = types.NamedUniTuple(writable("int64"), len(Room._fields), Room)
"""That of what is free of the limits."""

crosses, at_home, away, at_point = (
    inlined(sides.crosses),
    inlined(sides.at_home),
    inlined(sides.away),
    inlined(sides.at_point),
)

may_offload, take = inlined(limits.may_offload), inlined(limits.take)


@inlined
def along(of: Sides, arc: Any, before: int, here: int) -> tuple[float, float]:
    """Delay and energy of an arc between two sides."""
    up, down = crosses(before, here)
    delay, energy = 0.0, 0.0
    if up:
        delay, energy = of.up_delay[arc], of.up_energy[arc]
    if down:
        delay, energy = of.down_delay[arc], of.down_energy[arc]
    return delay, energy
