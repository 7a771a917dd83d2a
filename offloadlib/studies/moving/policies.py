"""Who decides in each slot, what he knows of the slot before, and what that costs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from offloadlib.formulations.structured.decomposition import branch_and_price
from offloadlib.heuristics.structured import price
from offloadlib.instances import Budget, Instance, Result, Solution
from offloadlib.registry import find

from .world import Rows, energy_of, for_energy_alone, moves, rows_of, sticky, with_energy

PER_SLOT = 10.0
"""Seconds for the decisions of a slot."""

ROUNDING = 1e-9
"""Relative difference of sums that is rounding."""


@dataclass(frozen=True)
class Policy:
    """A method that decides in each slot.

    Parameters
    ----------
    method
        Its name in the registry.
    sticky
        Whether it knows of the slot before and of the fee of a move, or decides as if there had been none.
    kept
        Whether prices begin where they ended in the slot before; for the method ``price``.
    """

    method: str
    sticky: bool = False
    kept: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.method + (", sticky" if self.sticky else "") + (", prices kept" if self.kept else "")

    def deciding(self) -> Callable[[Instance, Budget], Result]:
        """The method's function; that of one run over all slots."""
        return partial(price.solve, kept=price.Kept()) if self.kept else find(self.method).load()


POLICIES = (
    Policy("local"),
    *(Policy(name, sticky) for name in ("gsod-i", "gsod-ii", "gaod") for sticky in (False, True)),
    *(Policy("price", sticky) for sticky in (False, True)),
    Policy("price", kept=True),
    *(Policy("branch-and-price", sticky) for sticky in (False, True)),
)


@dataclass
class Course:
    """What came of a policy, slot by slot.

    Attributes
    ----------
    cost
        Of the decisions, without moves.
    moved
        Subtasks that run elsewhere than in the slot before.
    seconds
        The processor's, for the decisions.
    energy
        mJ of all devices.
    """

    cost: list[float] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)

    def add(self, instance: Instance, solution: Solution, before: Rows, seconds: float) -> Rows:
        """One more slot; returns the places of its devices.

        Raises
        ------
        RuntimeError
            If the decisions break a limit.
        """
        evaluation, rows = instance.evaluate(solution), rows_of(instance, solution)
        if not evaluation.feasible:
            raise RuntimeError("a policy returned an infeasible solution")
        self.cost.append(evaluation.total)
        self.moved.append(moves(before, rows))
        self.seconds.append(seconds)
        self.energy.append(energy_of(instance, solution))
        return rows

    @property
    def record(self) -> Mapping[str, Sequence[Any]]:
        """As JSON holds it."""
        return dict(vars(self))


def followed(policy: Policy, slots: Sequence[Instance], fee: float, seed: int = 0) -> Course:
    """A policy decides in one slot after the other, with what it knows then."""
    course, rows, decide = Course(), dict[str, Sequence[int]](), policy.deciding()
    for slot in slots:
        asked = sticky(slot, rows, fee) if policy.sticky else slot
        clock = time.process_time()
        solution = decide(asked, Budget(time_limit=PER_SLOT, seed=seed)).solution
        seconds = time.process_time() - clock
        rows = dict(course.add(slot, solution, rows, seconds))
    return course


def budgets(slots: Sequence[Instance], share: float) -> list[float]:
    """Energy for each slot in mJ: some share of the way from the least possible to that of its optimum."""
    found = []
    for slot in slots:
        ends = []
        for asked in (for_energy_alone(slot), slot):
            solution = branch_and_price.solve(asked, Budget(time_limit=PER_SLOT)).solution
            ends.append(energy_of(slot, solution))
        # Caps hold exactly; the least energy itself must fit.
        found.append((min(ends) + share * max(ends[1] - ends[0], 0.0)) * (1.0 + ROUNDING))
    return found


def within_energy(slots: Sequence[Instance], energy: Sequence[float]) -> Course | None:
    """The optimum of each slot within the energy that it has.

    Returns
    -------
    Course or None
        None if nothing is found for some slot.
    """
    course = Course()
    for slot, most in zip(slots, energy, strict=True):
        clock = time.process_time()
        found = branch_and_price.solve(with_energy(slot, most), Budget(time_limit=PER_SLOT))
        if found.solution is None:
            return None
        course.add(slot, found.solution, {}, time.process_time() - clock)
    return course
