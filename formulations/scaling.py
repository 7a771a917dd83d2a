r"""An instance in another unit, in which its costs are neither tiny nor huge.

Solvers have absolute tolerances, and HiGHS takes small coefficients for 0. If the weights a_m and b_m of
equation (3) are multiplied by a factor u, so are F and the cost of every decision; the optimal decisions
are the same. The factor is a power of two, so that the scaled numbers are exact.
"""

from __future__ import annotations

import math
from dataclasses import replace

from instances import Instance
from instances.cost import terms

TYPICAL = 1024.0
"""The cost to aim at: 1e-9, the tolerance of solvers, is far below its relative gap."""

FAR = 4.0
"""Costs that differ by this factor need another unit each: tolerances, and what a bound loses for them, are
relative to the one that was known when the unit was chosen."""


def unit_for(objective: float) -> float:
    """The power of two that brings a cost F near :data:`TYPICAL`."""
    return 2.0 ** round(math.log2(TYPICAL / objective)) if objective > 0 else 1.0


def scaled(instance: Instance, unit: float) -> Instance:
    """The instance with F times ``unit``; everything else about it stays the same.

    This comes last: an instance that is made of the scaled one has the usual weights again.
    """
    result = replace(instance)
    # The weights are no data of an instance: they follow from alpha and the all-local decision.
    result.__dict__["_terms"] = tuple(
        replace(term, delay_weight=unit * term.delay_weight, energy_weight=unit * term.energy_weight)
        for term in terms(instance)
    )
    return result
