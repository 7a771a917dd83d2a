"""The verdict of the core."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from .certificate import read_certificate
from .forms import Fault, File, insist
from .reading import read_instance
from .rules import TOLERANCE, read_solution
from .tree import bound

USAGE = "usage: python -I -S offloadlib/check/core INSTANCE SOLUTION [CERTIFICATE]"


class Verdict(NamedTuple):
    """What is verified: the exact cost, None without decisions; the bound that is proven, None without a
    certificate; whether it is proven that there is no solution; and where the bound is about the solutions
    in which no device costs more, that cost."""

    cost: Fraction | None
    bound: Fraction | None
    infeasible: bool
    largest: Fraction | None = None


def verify(instance_path: File, solution_path: File, certificate_path: File | None = None) -> Verdict:
    """Verify a solution, and a certificate with witnesses where there is one.

    Raises
    ------
    Fault
        The first one that is found.
    """
    instance = read_instance(instance_path)
    case = read_solution(solution_path, instance)
    cost, proven, largest = None if case is None else case.total, None, None
    if certificate_path is not None:
        certificate = read_certificate(certificate_path, instance)
        claim, proven, largest = certificate.claim, bound(instance, certificate), certificate.largest
        if largest is not None and case is not None:
            insist(case.dearest <= largest, "largest", f"the dearest device costs {_text(case.dearest)}")
            insist(case.stated["lower_bound"] is None, "lower_bound", "is not about all solutions")
        if proven is None:
            insist(cost is None, "core", "contradicts itself")
            insist(largest is None, "status", "is not proven")
            return Verdict(None, None, True)
        insist(claim is not None, "claim", "it is not proven that there is no solution")
        insist(claim is None or claim <= proven, "lower_bound", f"proven is {_text(proven)}")
    insist(case is not None, "status", "is not proven")
    if case is not None and proven is not None:
        stated = case.stated["lower_bound"]
        slack = TOLERANCE * max(Fraction(1), abs(case.total))
        insist(proven <= case.total, "core", "contradicts itself")
        insist(stated is None or stated <= proven + slack, "lower_bound", "of the solution is not proven")
    return Verdict(cost, proven, False, largest)


def _text(value: Fraction | None) -> str:
    return "nothing" if value is None else repr(float(value))


def main(arguments: Sequence[str]) -> int:
    """Print the verdict."""
    if not 2 <= len(arguments) <= 3:
        print(USAGE)
        return 2
    try:
        found = verify(*arguments)
    except (Fault, MemoryError) as fault:
        print(f"rejected: {fault or 'there is no memory for it'}"[:1000])  # names can be long
        return 1
    proven = "there is no solution" if found.infeasible else f"lower bound {_text(found.bound)}"
    proven += "" if found.largest is None else f" where no device costs more than {_text(found.largest)}"
    print(f"accepted: cost {_text(found.cost)}" + f", proven: {proven}" * (len(arguments) == 3))
    return 0
