"""The check: which rules are applied, what is said of them, and the command line."""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
from collections.abc import Sequence
from fractions import Fraction
from os import PathLike

from .certificate import Certificate, Enumeration, read_certificate
from .core import certificate as core_certificate
from .core import reading as core_reading
from .core import tree as core_tree
from .core import verdict as core_verdict
from .core.forms import Fault
from .data import HybridInstance, Instance, Unfinished, Unusable
from .files import is_columnar, read_instance, read_solution
from .limit import SECONDS, at_most
from .rules import (
    Case,
    HybridCase,
    Rule,
    StructuredCase,
    Verdict,
    float_below,
    rule_certificate,
    rule_claim,
    rule_consistency,
    rule_decisions,
    rule_fingerprint,
    rule_largest,
    rule_lower_bound,
    rule_objective,
    rule_proven_bound,
    rule_status,
)
from .tree import Bound, TreeBound, tree_bound


def check(
    instance_path: str | PathLike[str],
    solution_path: str | PathLike[str],
    certificate_path: str | PathLike[str] | None = None,
    *,
    read: Instance | HybridInstance | None = None,
) -> Verdict:
    """Check a solution, and a certificate where there is one.

    Parameters
    ----------
    instance_path, solution_path : str or path
        The files.
    certificate_path : str or path, optional
        A file that proves a lower bound.
    read : Instance or HybridInstance, optional
        What :func:`.files.read_instance` has made of the first file, where many solutions of one instance are
        checked.

    Returns
    -------
    Verdict
        The outcome of every rule that could be applied.

    Raises
    ------
    Unusable
        If a file cannot be read or is not of the right form.
    """
    return _Check(instance_path, solution_path, certificate_path, read).verdict()


_STEPS = (
    "the instance",
    "the solution",
    "the rules about decisions",
    "the certificate",
    "what the certificate proves",
)


class _Check:
    """A check as it goes on: the rules that have been applied, and how many of `_STEPS` are done."""

    def __init__(
        self,
        instance_path: str | PathLike[str],
        solution_path: str | PathLike[str],
        certificate_path: str | PathLike[str] | None,
        read: Instance | HybridInstance | None,
    ) -> None:
        self._instance_path, self._solution_path, self._read = instance_path, solution_path, read
        self._certificate_path = certificate_path
        self._rules: list[Rule] = []
        self._done = 0

    def verdict(self) -> Verdict:
        """Apply all rules, if that is not too much."""
        try:
            return self._verdict()
        except Unfinished as reason:
            return self.unfinished(str(reason))
        except MemoryError:
            return self.unfinished("there is no memory for it")

    def unfinished(self, reason: str) -> Verdict:
        """Return what there is to say as long as not everything has been looked at."""
        skipped = _STEPS[self._done : None if self._certificate_path else -2]
        told = f"{reason}, skipped: {', '.join(skipped)}"
        return Verdict(False, tuple(self._rules), math.nan, unfinished=told)

    def _verdict(self) -> Verdict:
        instance = read_instance(self._instance_path) if self._read is None else self._read
        self._done += 1
        solution = read_solution(self._solution_path)
        self._done += 1
        case: Case
        if isinstance(instance, HybridInstance):
            case = HybridCase(instance, solution)
        else:
            case = StructuredCase(instance, solution)
        rules = self._rules
        rules.append(rule_fingerprint(case))
        if case.decided:
            rules.append(rule_decisions(case))
        if case.decided and not case.misfits:
            rules += case.limits()
        if case.has_cost:
            rules += [rule_objective(case), rule_lower_bound(case)]
        about_decisions = len(rules)
        bound: Bound | None = None
        certificate: Certificate | None = None
        if self._certificate_path is not None:
            self._done += 1
            certificate = read_certificate(self._certificate_path)
            bound = self._check_certificate(case, certificate, self._certificate_path)
        largest = None if certificate is None or bound is None else certificate.largest
        status = rule_status(case, impossible=bound == math.inf and largest is None)
        rules.insert(about_decisions, status)
        within = case.feasible and all(rule.ok for rule in rules if rule.name == "largest")
        return Verdict(
            accepted=all(rule.ok for rule in rules),
            rules=tuple(rules),
            objective=case.objective if case.has_cost else math.nan,
            certified_bound=None if bound is None else float_below(bound),
            certified_gap=_certified_gap(case, bound) if isinstance(bound, Fraction) and within else None,
            certified_largest=None if largest is None else float(largest),
            rooms=_rooms(case, certificate, self._instance_path),
        )

    def _check_certificate(
        self, case: Case, certificate: Certificate, path: str | PathLike[str]
    ) -> Bound | None:
        """Apply the rules about a certificate; return the bound that it proves, if its claim holds."""
        rules = self._rules
        rules.append(rule_certificate(case, certificate))
        self._done += 1
        if not rules[-1].ok:
            return None
        if certificate.witnessed:
            bound = _core_bound(self._instance_path, path)
        else:
            bound = tree_bound(case.instance, certificate)
        claim = rule_claim(certificate, bound)
        rules.append(claim)
        within = case.feasible
        if case.has_cost:
            if certificate.largest is not None and isinstance(case, StructuredCase):
                rules.append(rule_largest(case, certificate.largest))
                within &= rules[-1].ok
            rules.append(rule_proven_bound(case, bound.value, certificate.largest))
        if within:
            rules.append(rule_consistency(case, bound.value))
        return bound.value if claim.ok else None


def _core_bound(instance_path: str | PathLike[str], certificate_path: str | PathLike[str]) -> TreeBound:
    """Return what the core says that a certificate with witnesses proves."""
    try:
        instance = core_reading.read_instance(instance_path)
        value = core_tree.bound(instance, core_certificate.read_certificate(certificate_path, instance))
    except Fault as fault:
        return TreeBound(-math.inf, [], [str(fault)])
    return TreeBound(math.inf if value is None else value, [])


def _rooms(
    case: Case, certificate: Certificate | None, instance_path: str | PathLike[str]
) -> tuple[str, ...]:
    """Return which rooms beside the core a verdict rests on."""
    rooms = {"diagnostics"}
    if isinstance(case, HybridCase):
        rooms.add("hybrid")
    if is_columnar(instance_path):
        rooms.add("columns")
    if certificate is not None and not certificate.witnessed:
        rooms.add("search")
        if any(isinstance(node, Enumeration) for node in certificate.nodes):
            rooms.add("patterns")
    return tuple(sorted(rooms))


def _certified_gap(case: Case, bound: Fraction) -> float:
    """Return the relative gap between the exact cost and a bound, rounded upwards."""

    def gap(cost: Fraction) -> tuple[bool, bool, float]:
        scale = max(abs(cost), case.smallest)
        relative = math.inf if not scale else -float_below((bound - cost) / scale)
        # Monotone where what it is relative to is -cost, is the smallest, or is cost.
        return cost < -case.smallest, cost > case.smallest, 0.0 if cost == bound else relative

    return case.total.settle(gap)[-1]


def _say(verdict: Verdict) -> str:
    lines = [f"{'ok' if rule.ok else 'FAILED':<8}{rule.name:<13}{rule.message}" for rule in verdict.rules]
    if verdict.unfinished is not None:
        return "\n".join([*lines, f"not finished: {verdict.unfinished}"])
    summary = ["accepted" if verdict.accepted else "rejected"]
    if not math.isnan(verdict.objective):
        summary.append(f"exact cost {verdict.objective!r}")
    if verdict.certified_bound is not None:
        impossible = verdict.certified_bound == math.inf
        told = "certified infeasible" if impossible else f"certified bound {verdict.certified_bound!r}"
        if verdict.certified_largest is not None:
            told += f" where no device costs more than {verdict.certified_largest!r}"
        summary.append(told)
    if verdict.certified_gap is not None:
        summary.append(f"certified gap {verdict.certified_gap:.3g}")
    return "\n".join([*lines, ", ".join(summary)])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments, by default those of the process.

    Returns
    -------
    int
        The exit status: 0 accepted, 1 a rule failed or not all was looked at, 2 unusable input.
    """
    parser = argparse.ArgumentParser(
        prog="check",
        description=sys.modules[__package__].__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("instance", metavar="INSTANCE")
    parser.add_argument("solution", metavar="SOLUTION")
    parser.add_argument("--certificate", metavar="FILE", help="a certificate to check as well")
    parser.add_argument(
        "--core", action="store_true", help="the core alone, which refuses what it does not know"
    )
    parser.add_argument(
        "--time-limit",
        metavar="S",
        type=_seconds,
        default=SECONDS,
        help=f"end after so many seconds, and accept nothing that is not finished (default: {SECONDS:g})",
    )
    parser.add_argument("--json", action="store_true", help="print the verdict as one JSON object")
    arguments = parser.parse_args(argv)
    for stream in (sys.stdout, sys.stderr):  # ids may hold what the terminal's encoding does not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    late = f"it takes more than {arguments.time_limit:g} s"
    if arguments.core:
        paths = [arguments.instance, arguments.solution, *filter(None, [arguments.certificate])]
        with at_most(arguments.time_limit, lambda: f"not finished: {late}, nothing is accepted"):
            return core_verdict.main(paths)
    going = _Check(arguments.instance, arguments.solution, arguments.certificate, None)

    def told(verdict: Verdict) -> str:
        return json.dumps(verdict.as_dict()) if arguments.json else _say(verdict)

    try:
        with at_most(arguments.time_limit, lambda: told(going.unfinished(late))):
            verdict = going.verdict()
    except Unusable as unusable:
        print(unusable, file=sys.stderr)
        return 2
    print(told(verdict))
    return 0 if verdict.accepted else 1


def _seconds(text: str) -> float:
    """Parse a limit of time, which may be infinite."""
    value = float(text)
    if not value > 0:
        raise ValueError
    return value
