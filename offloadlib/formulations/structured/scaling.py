r"""An instance in other units, in which the costs of its devices are neither tiny nor huge.

Solvers have absolute tolerances, and HiGHS takes small coefficients for 0. If the weights a_m and b_m of
equation (3) are multiplied by a factor u, so are F and the cost of every decision; the optimal decisions
are the same. The factor is a power of two, so that the scaled numbers are exact.

**A unit for each device.** One unit is not enough where one device costs 10^6 times as much as another one:
a tolerance that is small for the one is all of the other. So the rows of each device, which hold its delays,
have a unit u_m of their own, and its cost counts :math:`S/u_m` in the objective, which is S F
(:func:`levelled`).

**Cut-off.** The numbers of one device may be as far apart: a transfer that takes 10^9 times as long as all
the rest is never made, but an integer variable that is off by 10^-10 would make a tenth of it. Let U be the
cost of a known solution, L_m a lower bound on the cost of device m (:func:`.structured.bound.simple_bounds`),
and

.. math:: cap_m = \min\Bigl(C_m(\text{all-local}),\; U - \sum_{i \ne m} L_i\Bigr) (1 + \epsilon) .

Each execution and transfer of device m that alone costs more than cap_m is given that cost. Let F' be F with
these costs. *Then the optima are the same, up to a better one than U.* First, F' <= F: what bounds F' bounds
F. Conversely, let F'(x) < U. A device with a cut-off part costs at least cap_m in F'. If that is more than
its all-local cost, the device may return to all-local: limits stay kept, and F' falls. If it is more than
the second term, F'(x) > U, as each L_i is at most what i costs in F' as well. So some x' without cut-off
parts has F(x') = F'(x') <= F'(x). What is left of a device's numbers is at most a typical cost: then a
variable that is off by a solver's tolerance counts for no more than that part of U.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.bound import simple_bounds
from offloadlib.instances.structured.sides import Terms

from ..engine import trust
from ..engine.units import unit_for

FAR = 3.0
"""Costs that differ by this factor need another unit each: tolerances, and what a bound loses for them, are
relative to the one that was known when the unit was chosen."""


EPSILON = 2.0**-10
"""How far a cut-off is above what a better solution can cost, so that the two are told apart."""


def far_apart(instance: Instance) -> bool:
    """Whether a solver's answers must be confirmed; see :func:`.trust.far_apart`.

    The parts are what execution, sending and receiving cost the devices with a radio link.
    """
    linked = instance.devices.connected_to != LOCAL

    def parts() -> Iterator[Floats]:
        for term in instance.terms:
            here = linked[term.group.members]
            costs = {name: each[:, None] * seconds for name, (seconds, each) in term.parts.items()}
            yield costs["local"][here]
            yield (term.sides.work / _slowest(instance))[here]
            yield np.hstack([costs["arc_up"], costs["head_up"]])[here]
            yield np.hstack([costs["arc_down"], costs["tail_down"]])[here]

    return trust.far_apart(parts())


def scaled(instance: Instance, unit: float) -> Instance:
    """The instance with F times ``unit``; everything else about it stays the same.

    This comes last: an instance of other devices cannot be made of the scaled one.
    """
    # The weights are no data of an instance: they follow from alpha and the all-local decision.
    given = tuple(
        replace(term, delay_weight=unit * term.delay_weight, energy_weight=unit * term.energy_weight)
        for term in instance.terms
    )
    return replace(instance, given_terms=given)


def levelled(instance: Instance, objective: float, unit: float) -> Instance:
    """The instance with a unit for each device, without parts that are dearer than a better solution can be.

    Like :func:`scaled`, this comes last.

    Parameters
    ----------
    instance
        The instance.
    objective
        U: solutions that cost as much need not be found.
    unit
        S: costs count so much in the objective.
    """
    local, least = evaluate(instance, Solution.all_local(instance)).cost, simple_bounds(instance)
    room = objective - (least.sum() - least)
    cap = (1.0 + EPSILON) * np.minimum(local, np.maximum(room, least))
    slowest = _slowest(instance)
    given = tuple(_levelled(term, cap[term.group.members], unit, slowest) for term in instance.terms)
    return replace(instance, given_terms=given)


def _slowest(instance: Instance) -> float:
    """The speed of the slowest offload point that has a capacity."""
    return float(instance.points.cpu[instance.points.capacity > 0].min(initial=np.inf))


def _levelled(term: Terms, cap: Floats, unit: float, slowest: float) -> Terms:
    def cut(seconds: Floats, each: Floats) -> Floats:
        longest = np.divide(cap, each, out=np.full_like(cap, np.inf), where=each > 0)
        return np.minimum(seconds, longest[:, None])

    parts: dict[str, Any] = {name: cut(*part) for name, part in term.parts.items()}
    everything = (*parts.values(), cut(term.group.work / slowest, term.delay_weight))
    longest = np.max([seconds.max(axis=1, initial=0.0) for seconds in everything], axis=0)
    # Rows hold delays alone.
    own = np.array([unit_for(delay) for delay in (term.delay_weight * longest).tolist()])
    weighted: dict[str, Any] = {
        "delay_weight": own * term.delay_weight,
        "energy_weight": own * term.energy_weight,
    }
    return replace(term, **parts, **weighted, share=unit / own, ceiling=own * cap)
