"""What a solver says is a claim: it is held against what is known, and asked again where it cannot be true.

Solvers are wrong now and then: their presolve calls a program infeasible that a known solution keeps, they
report an optimum that is worse than what they were given, or the objective of one solution with the values
of another one, or they end with an error. None of that may become a bound. :func:`contradiction` is the
rule, and :func:`insist` asks in safer and safer ways.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Answer = TypeVar("Answer")

ROUNDING = 1e-9
"""Difference of costs, relative to what they should be, that rounding and tolerances explain."""


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


@dataclass(frozen=True)
class Insisted(Generic[Answer]):
    """The first answer that can be true, if there is one, and what was wrong with those before."""

    answer: Answer | None
    wrong: tuple[str, ...]


def insist(
    attempts: Iterable[Callable[[], Answer]],
    check: Callable[[Answer], str | None],
    late: Callable[[], bool],
) -> Insisted[Answer]:
    """Ask until an answer can be true.

    Parameters
    ----------
    attempts
        Ways to ask, the usual one first, then safer ones.
    check
        Tells what is wrong with an answer, or None.
    late
        Whether there is no time for another attempt.
    """
    wrong: list[str] = []
    for attempt in attempts:
        if wrong and late():
            break
        try:
            answer = attempt()
        except SolverError as error:
            wrong.append(str(error))
            continue
        reason = check(answer)
        if reason is None:
            return Insisted(answer, tuple(wrong))
        wrong.append(reason)
    return Insisted(None, tuple(wrong))
