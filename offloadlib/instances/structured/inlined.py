"""The device model (:mod:`.sides`) and the limits (:mod:`.limits`) inside compiled kernels.

The functions are those of the two modules, made part of their callers. They take numbers, not the tuples that
these come from: in a kernel, each tuple that is passed on costs more than all that is done with its entries.
"""

from __future__ import annotations

from typing import Any

from numba import types

from ..compiled import inlined, readable, writable
from . import limits, sides
from .limits import Room
from .sides import Sides

GROUP_SIDES = types.NamedUniTuple(readable("float64", 2), len(Sides._fields), Sides)
"""The type of the sides of a group's tasks in the signature of a kernel."""

ROOM = types.NamedUniTuple(writable("int64"), len(Room._fields), Room)
"""That of what is free of the limits."""

side, crosses, at_point = inlined(sides.side), inlined(sides.crosses), inlined(sides.at_point)

may_offload = inlined(limits.may_offload)


@inlined
def along(of: Sides, arc: Any, before: Any, here: Any) -> tuple[float, float]:
    """Delay and energy of the data of an arc between two sides."""
    up, down = crosses(before, here)
    # Without a branch, where numba would count that the arrays are used.
    delay = up * of.up_delay[arc] + down * of.down_delay[arc]
    return delay, up * of.up_energy[arc] + down * of.down_energy[arc]
