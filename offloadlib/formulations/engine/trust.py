"""What a solver says is a claim: it is held against what is known, and asked again where it cannot be true.

Solvers are wrong now and then: their presolve calls a program infeasible that a known solution keeps, they
report an optimum that is worse than what they were given, or the objective of one solution with the values
of another one, or they end with an error. None of that may become a bound. :func:`contradiction` is the
rule, and :func:`insist` asks in safer and safer ways.

A wrong answer need not contradict anything: at the root of a big-M model HiGHS 1.12 cuts off the optimum now
and then, with presolve or without, and calls the best of the rest optimal; the point is in the model, and the
coefficients are harmless. For such models, and where the costs of an instance are far apart
(:func:`far_apart`), an answer counts only when another one, got in another way and from
the best solution so far, agrees with it: a better solution contradicts the bound of the first, and of two
bounds the weaker one counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from offloadlib.instances import Termination
from offloadlib.instances.arrays import Floats

Answer = TypeVar("Answer")

ROUNDING = 1e-9
"""Difference of costs, relative to what they should be, that rounding and tolerances explain."""


LARGEST_SPREAD = 1e4
"""Where parts of costs are further apart than that, a solver's answers must be confirmed."""


class SolverError(RuntimeError):
    """A solver failed."""


@dataclass(frozen=True)
class Claim:
    """What a solver says of a program, and what it can be held against.

    Attributes
    ----------
    objective
        Of its best solution, as it says; infinite without one.
    cost
        Of that solution, computed from its decisions.
    bound
        On the cost of all solutions.
    optimal
        Whether it says that its solution is as good as was asked for.
    """

    objective: float
    cost: float
    bound: float
    optimal: bool


def contradiction(claim: Claim, known: float, rounding: float) -> str | None:
    """None, or why a claim cannot be true.

    Parameters
    ----------
    claim
        The claim.
    known
        What a known solution of the program costs; infinite without one.
    rounding
        Difference that is none.
    """
    best = min(known, claim.cost)
    if claim.bound > best + rounding:
        return f"a bound of {claim.bound:.12g} above a solution of {best:.12g}"
    if claim.optimal and claim.objective > known + rounding:
        return f"an optimum of {claim.objective:.12g}, worse than a known solution of {known:.12g}"
    # Programs may cut off what is dearer than a known solution.
    if claim.objective <= known + rounding and claim.cost > claim.objective + rounding:
        return f"an objective of {claim.objective:.12g} with the values of a solution of {claim.cost:.12g}"
    return None


def far_apart(parts: Iterable[Floats]) -> bool:
    """Whether the costs of an instance are so far apart that answers must be confirmed.

    That is, whether the largest part of a cost is :data:`LARGEST_SPREAD` times as large as half of the parts
    of a kind of some device, those that are 0 apart: a few small ones among many of a size are no reason.

    Parameters
    ----------
    parts
        (devices, number of parts) of each kind.
    """
    largest, least = 0.0, math.inf
    for kind in parts:
        for costs in kind:
            some = costs[costs > 0]
            if some.size:
                largest, least = max(largest, some.max()), min(least, np.median(some))
    return bool(largest > LARGEST_SPREAD * least)


@dataclass(frozen=True)
class Insisted(Generic[Answer]):
    """Answers that can all be true, as many as were asked for or fewer, and what was wrong with others."""

    answers: tuple[Answer, ...]
    wrong: tuple[str, ...]

    @property
    def answer(self) -> Answer | None:
        """The last one, if there is one."""
        return self.answers[-1] if self.answers else None


def insist(
    attempts: Iterable[Callable[[], Answer]],
    check: Callable[[Answer], str | None],
    late: Callable[[], bool],
    needed: int = 1,
) -> Insisted[Answer]:
    """Ask until an answer, or several ones together, can be true.

    Parameters
    ----------
    attempts
        Ways to ask, the usual one first, then safer ones.
    check
        Tells what is wrong with an answer, or None; it may learn from every answer, and is asked again about
        those that were taken before.
    late
        Whether there is no time for another attempt.
    needed
        So many answers have to agree.
    """
    wrong: list[str] = []
    taken: list[Answer] = []
    for attempt in attempts:
        if (wrong or taken) and late():
            break
        try:
            answer = attempt()
        except SolverError as error:
            wrong.append(str(error))
            continue
        reasons = [(each, check(each)) for each in (*taken, answer)]
        taken = [each for each, reason in reasons if reason is None]
        wrong += [reason for _, reason in reasons if reason is not None]
        if len(taken) == needed:
            break
    return Insisted(tuple(taken), tuple(wrong))


UNCONFIRMED = "no second answer agrees with the first"
"""What is wrong with an answer that had to be confirmed, and was not."""


def ended(terminations: Sequence[Termination]) -> Termination:
    """Why a solver ended that was asked more than once: what kept an answer from being the last word."""
    return next((each for each in terminations if each is not Termination.FINISHED), Termination.FINISHED)
