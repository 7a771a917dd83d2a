"""A unit in which costs are neither tiny nor huge (:mod:`.structured.scaling`)."""

from __future__ import annotations

import math

TYPICAL = 1024.0
"""The cost to aim at: 1e-9, the tolerance of solvers, is far below its relative gap."""


def unit_for(objective: float) -> float:
    """The power of two that brings a cost F near :data:`TYPICAL`."""
    return 2.0 ** round(math.log2(TYPICAL / objective)) if objective > 0 else 1.0
