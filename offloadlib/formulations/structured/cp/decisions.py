"""The encoding by whole decisions: one choice for each decision that no other one dominates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from ortools.sat.python import cp_model

from offloadlib.instances import Instance, Solution
from offloadlib.instances.arrays import Ints

from ..decomposition.pricing import Prices
from ..milp import patterns
from .encoding import LARGEST, Encoding, unit_of, whole
from .program import Program

DIVERSE = 2
"""Decisions of each device in every program, for each number of offloaded subtasks."""


class DecisionEncoding(Encoding):
    """Choices are the undominated decisions of each device.

    Parameters
    ----------
    instance
        Without an obstacle to listing its decisions (:func:`.structured.milp.patterns.obstacle`).
    cost
        What the best known solution costs, without the devices that have no radio link.
    prices
        In the unit of costs; they are rounded here.
    late
        Whether there is no time left.

    Raises
    ------
    OutOfTime
        If time is up before all decisions are listed.
    """

    name = "decisions"
    alone = True
    # There are few kinds of rows: presolve and probing take long and improve nothing.
    settings: Mapping[str, Any] = MappingProxyType(
        {
            "cp_model_presolve": False,
            "inprocessing_probing_dtime": 0.0,
            "symmetry_level": 0,
            "linearization_level": 2,
            "search_branching": cp_model.LP_SEARCH,
        }
    )

    def __init__(self, instance: Instance, cost: float, prices: Prices, late: Callable[[], bool]) -> None:
        decisions = self._decisions = patterns.undominated(instance, late)
        unit = _unit(decisions, cost, prices)
        super().__init__(instance, cost, unit, whole(prices, unit))
        # The uses are floats, which hold whole numbers below 2^53 exactly.
        paid = (decisions.use @ np.array(self.prices)).astype(np.int64)
        reduced = self._down(decisions.cost) + paid
        first = np.flatnonzero(np.diff(decisions.device, prepend=-1))
        least = np.minimum.reduceat(reduced, first)
        self._set(least, reduced - np.repeat(least, np.diff(first, append=len(reduced))))

    @property
    def roundings(self) -> int:
        return self._decisions.num_devices

    def essential(self) -> Ints:
        return self._decisions.diverse(self.slack.astype(np.float64), DIVERSE)

    def chosen(self, solution: Solution) -> Ints:
        return self._decisions.covering(solution)

    def constrain(self, program: Program, kept: Ints) -> None:
        part, take = self._decisions.take(kept), program.choices
        ends = np.flatnonzero(np.diff(part.device, prepend=-1, append=-1)).tolist()
        for first, last in pairwise(ends):
            program.model.add_exactly_one(take[first:last])
        program.pay(zip(take, self.slack[kept].tolist(), strict=True))
        use = part.use.tocsc()
        counts = use.data.astype(np.int64).tolist()
        users = list(zip((take[p] for p in use.indices.tolist()), counts, strict=True))
        for n, (first, last) in enumerate(pairwise(use.indptr.tolist())):
            program.limit(users[first:last], self.limits[n], self.prices[n])

    def decode(self, taken: Ints) -> Solution:
        return self._decisions.take(taken).decode(np.ones(len(taken)))


def _unit(decisions: patterns.Patterns, cost: float, prices: Prices) -> float:
    """The unit in which the objectives of all programs stay below 2^:data:`LARGEST`.

    In a program are only decisions whose slack is at most what the start costs above the base.
    """
    bound, slack = decisions.slack(prices)
    room = max(cost - bound, 0.0)
    most = float(slack[slack <= room].sum()) + decisions.use.shape[1] * room
    return unit_of(LARGEST - math.ceil(math.log2(max(most / cost, 1.0))), cost)
