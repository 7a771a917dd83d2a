r"""Delays in seconds and energies in mJ: the terms of programs for instances of format 2.

In format 1 only the weighted sum of delay and energy matters, so the rows of a program hold a_m G_m, in the
unit of the objective. Deadlines, energy budgets and totals are limits on G_m and E_m themselves, whatever
their weights (which may be 0). So here rows hold u_m G_m and v_m E_m with units u_m and v_m of the device's
own, powers of two in which its parts are neither tiny nor huge, and the objective has

.. math:: S w_m C_m = \frac{S w_m a_m}{u_m} (u_m G_m) + \frac{S w_m b_m}{v_m} (v_m E_m) + S w_m\, fees

for served devices, S w_m r_m for refused ones: the *rates* S w_m a_m/u_m, S w_m b_m/v_m, S w_m.

An execution or transfer that alone takes longer than the deadline D_m > 0 is given twice the deadline: who
has it is late in either case, and no number of a device is far above its limit.

**Tolerance.** All limits are exact, solvers are not. A right-hand side that is not a sum of whole numbers is
therefore :data:`LOOSE` looser in programs: whatever keeps the limits exactly keeps the program by far more
than rounding and a solver's tolerances, so that a bound or an infeasibility of the program is one of the
instance. Solutions that only the loose program accepts are cut off (:mod:`.cuts`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Instance
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.model import UNLIMITED
from offloadlib.instances.structured.options import Options, options
from offloadlib.instances.structured.sides import Terms, at_point, away

from ..engine.units import unit_for

LOOSE = 1e-9
"""Relative: far above rounding and tolerances of 1e-10 in a unit of 10^3, far below what data mean."""


@dataclass(frozen=True, eq=False)
class Metered(Terms):
    """Terms whose weights are units of a second and a mJ; what these cost is apart.

    Attributes
    ----------
    options
        The places of the devices.
    delay_rate, energy_rate, fee_rate
        (G,) of a unit of delay, of energy, of fees and rejections in the objective.
    deadline, energy_budget
        (G,) in the units of delay and energy; infinite where there is none. Looser where limits are.
    rejection
        (G,) NaN where a device must be served.
    loose
        Whether limits are, for a solver.
    """

    options: Options = field(kw_only=True)
    delay_rate: Floats = field(kw_only=True)
    energy_rate: Floats = field(kw_only=True)
    fee_rate: Floats = field(kw_only=True)
    deadline: Floats = field(kw_only=True)
    energy_budget: Floats = field(kw_only=True)
    rejection: Floats = field(kw_only=True)
    loose: bool = field(kw_only=True)


def metered(instance: Instance, unit: float | None = None) -> Instance:
    """The instance with :class:`Metered` terms; like :func:`.scaling.scaled`, this comes last.

    Parameters
    ----------
    instance
        The instance.
    unit
        S; None: everything in seconds, mJ and cost, with exact limits, for people and files.
    """
    given = tuple(_metered(instance, number, unit) for number in range(len(instance.groups)))
    return replace(instance, given_terms=given)


def meters(instance: Instance) -> tuple[Metered, ...]:
    """The terms of an instance that :func:`metered` has made."""
    return cast(tuple[Metered, ...], instance.terms)


def _metered(instance: Instance, number: int, unit: float | None) -> Metered:
    term, places = instance.terms[number], options(instance, number)
    devices, members = instance.devices, term.group.members
    weight, deadline = devices.weight[members], devices.deadline[members]
    parts = {name: seconds for name, (seconds, _) in term.parts.items()}
    seconds = places.seconds
    own_delay = own_energy = np.ones(len(members))
    if unit is not None:
        late = np.where(deadline > 0, 2.0 * deadline, np.inf)
        parts = {name: np.minimum(value, late[:, None]) for name, value in parts.items()}
        seconds = np.minimum(seconds, late[:, None, None])
        waits = np.maximum(term.latency_up, term.latency_down)
        everything = [*parts.values(), np.where(places.allowed, seconds, 0.0).max(axis=2), waits[:, None]]
        longest = np.max([value.max(axis=1, initial=0.0) for value in everything], axis=0)
        own_delay = _units(longest)
        power = {"local": term.execute, "arc_up": term.send, "head_up": term.send}
        spent = [value * power.get(name, term.receive)[:, None] for name, value in parts.items()]
        most = np.max([value.max(axis=1, initial=0.0) for value in spent], axis=0)
        own_energy = _units(most)
    costs = (1.0 if unit is None else unit) * weight
    easing = 1.0 if unit is None else 1.0 + LOOSE
    kept: dict[str, Any] = {each.name: getattr(term, each.name) for each in fields(Terms)}
    kept |= parts
    kept |= {"delay_weight": own_delay, "energy_weight": own_energy}
    return Metered(
        **kept,
        options=replace(places, seconds=seconds),
        delay_rate=costs * term.delay_weight / own_delay,
        energy_rate=costs * term.energy_weight / own_energy,
        fee_rate=costs,
        deadline=own_delay * deadline * easing,
        energy_budget=own_energy * devices.energy_budget[members] * easing,
        rejection=devices.rejection[members],
        loose=unit is not None,
    )


def _units(sizes: Floats) -> Floats:
    return np.array([unit_for(size) for size in sizes.tolist()])


def away_parts(instance: Instance, term: Terms, at: Any = slice(None)) -> tuple[Floats, Floats]:
    """Weighted delay and energy of subtasks at all points, without arcs: :func:`.sides.away` in both formats.

    Parameters
    ----------
    instance, term
        The instance, and the terms of one of its groups.
    at
        Which devices and subtasks: an index of (G, K), all by default.
    """
    if not isinstance(term, Metered):
        return away(term, instance.points.cpu, at)
    sides, shape = term.sides, term.group.work.shape
    weight = np.broadcast_to(term.delay_weight[:, None], shape)[at][:, :, None]
    delay = weight * term.options.seconds[..., :LOCAL][at] + sides.radio_delay[at][:, :, None]
    energy = at_point(0.0, 1.0)[1] + sides.radio_energy[at][:, :, None]
    return delay, np.broadcast_to(energy, delay.shape)


def inside(instance: Instance, devices: Any) -> NDArray[np.bool_]:
    """Which of some devices are in programs: those with a radio link, as the others have one decision alone;
    in format 2 all, as they may be refused, late, or the dearest, and with :class:`Metered` terms."""
    if instance.version > 1 or isinstance(instance.terms[0], Metered):
        return np.ones(len(devices), dtype=np.bool_)
    linked: NDArray[np.bool_] = instance.devices.connected_to[devices] != LOCAL
    return linked


def finite(capacity: Any) -> Floats:
    """(N,) capacities, infinite where there is no limit."""
    return np.where(capacity == UNLIMITED, np.inf, capacity)


def loosened(instance: Instance, capacity: float, demand: Floats | None = None) -> tuple[float, float]:
    """A unit for a row of an instance with :class:`Metered` terms, a power of two, and its right-hand side
    there.

    Parameters
    ----------
    instance, capacity
        The instance, and what there is.
    demand
        The coefficients, where they can be whole: whole demands add up to whole numbers, so that the capacity
        is rounded down, and nothing else.
    """
    if not meters(instance)[0].loose:
        return 1.0, capacity
    whole = demand is not None and capacity < 2.0**40 and np.array_equal(demand, np.floor(demand))
    if capacity == 0 or whole:
        return 1.0, math.floor(capacity)
    unit = unit_for(capacity)
    return unit, unit * capacity * (1.0 + LOOSE)


def constant(instance: Instance) -> float:
    """What programs of an instance of format 2 leave out of the objective: the rejections of all devices that
    may be refused, as far as costs are added up."""
    if instance.by_largest:
        return 0.0
    devices = instance.devices
    return math.fsum((devices.weight * np.nan_to_num(devices.rejection)).tolist())
