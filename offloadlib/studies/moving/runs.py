"""What the study of moving devices runs: every policy, slot by slot, beside the certified optima.

This module imports nothing that is for pages: each run does, in a process of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from offloadlib.best_known import library
from offloadlib.instances import Budget, Instance, Result, read
from offloadlib.instances.structured.generate import Environment
from offloadlib.methods import Family, Method

from ..certified import OPTIMUM
from ..certified import solve as certified
from .policies import POLICIES, budgets, followed, within_energy
from .world import Moving, horizon, slots_of

FEE = 0.05
"""Cost of a move where it does not vary; local execution of a whole task costs 1."""

SHARE = 0.5
"""The budget of energy: so far from the least that is possible to what the optima of all slots need."""

SITES = "melbourne-l"
"""The instance of the library with the sites of a city (EUA)."""

CERTIFIED_WITHIN = 30.0
"""Seconds for each certified optimum."""


@dataclass(frozen=True)
class Trial:
    """What a run is told.

    Parameters
    ----------
    moving
        Fields of :class:`.world.Moving` that are not the defaults.
    fee
        Of a move.
    city
        Whether the offload points are the sites of :data:`SITES`.
    budget
        Whether slots are linked by a budget of energy, too.
    """

    moving: Mapping[str, Any] = field(default_factory=dict)
    fee: float = FEE
    city: bool = False
    budget: bool = False

    def slots(self, seed: int) -> list[Instance]:
        """The slots."""
        moving = replace(Moving(), **self.moving)
        if self.city:
            sites, side = city()
            moving = replace(moving, sites=sites, environment=Environment(capacity=6, area=side, reach=400.0))
        return slots_of(moving, seed)


def city() -> tuple[tuple[tuple[float, float], ...], float]:
    """Positions of the sites from the corner of their bounding square, and its side in metres."""
    instance = read(library() / f"{SITES}.json")
    if not isinstance(instance, Instance):
        raise TypeError(f"{SITES} is no structured instance")
    positions = instance.points.position - instance.points.position.min(axis=0)
    return tuple((float(x), float(y)) for x, y in positions), float(np.ceil(positions.max()))


def simulate(instance: Instance, budget: Budget, parameters: Trial = Trial()) -> Result:
    """Every policy, and the certified optima.

    Returns
    -------
    Result
        That of the first slot. Its record has the ``bounds`` of the slots, under ``policies`` what came of
        each (:class:`.policies.Course`), and under ``horizon`` what a budget of energy for all slots does.
    """
    slots = parameters.slots(budget.seed)
    optima = [certified(slot, Budget(time_limit=CERTIFIED_WITHIN)) for slot in slots]
    ran = {p.name: followed(p, slots, parameters.fee, budget.seed).record for p in POLICIES}
    record: dict[str, Any] = {
        "devices": [slot.num_devices for slot in slots],
        "bounds": [found.lower_bound for found in optima],
        "policies": ran,
    }
    if parameters.budget:
        record["horizon"] = _linked(slots, budgets(slots, SHARE))
    return replace(optima[0], run=record)


def _linked(slots: Sequence[Instance], energy: Sequence[float]) -> dict[str, Any]:
    """The certified bound of who knows everything, and who spends in each slot what it has."""
    known = certified(horizon(slots, sum(energy)), Budget(time_limit=CERTIFIED_WITHIN))
    course = within_energy(slots, energy)
    return {
        "energy": energy,
        "bound": known.lower_bound,
        "clairvoyant": None if known.solution is None else known.objective,
        "in_turn": sum(course.cost) if course else None,
    }


SIMULATE = Method(
    "simulate",
    f"{__name__}:simulate",
    Family.HEURISTIC,
    "policies slot by slot",
    "the study of moving devices",
    supports=OPTIMUM.supports,
)
