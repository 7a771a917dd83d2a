"""Check a solution of a structured or a hybrid offloading instance, without trusting whoever made it.

    python -I -S offloadlib/check INSTANCE SOLUTION [--certificate FILE] [--time-limit S] [--json]

This folder needs Python 3.11 or later and its standard library, and nothing else: it shares no code
with the models and the methods that it checks. It reads both files itself, recomputes everything from
the data, and applies one function per rule (the functions named ``rule_...`` below):

==============  ====================================================================================
fingerprint     the solution was made for this instance (SHA-256 of the instance's canonical form)
decisions       each device decides exactly once, for each of its subtasks, on a place that exists, or is
                refused where it has a rejection
connections     a device without a connection offloads nothing (structured)
capacity        no offload point has more subtasks than its capacity, nor demands above what it has of a
                resource (structured, no tolerance)
channels        no offload point serves more offloading devices than its channels (structured, no tolerance)
limits          the demands at the points of a shared limit add up to at most its capacity (version 2, no
                tolerance, as all rules down to totals)
allowed         each subtask of a served device is where it may run
deadlines       no served device takes longer than its deadline
budgets         no served device uses more energy than its budget
totals          delay and energy of all served devices add up to at most their caps
split           each device has a share of the uplink, not negative, and positive if it uploads (hybrid)
bandwidth       the shares add up to at most the bandwidth (hybrid, no tolerance)
objective       the stated objective is within 1e-9·max(1, |exact|) of the exact cost
lower_bound     the stated lower bound is at most the exact cost, with the same tolerance
status          "optimal" is stated only with a relative gap of at most 1e-9, "infeasible" only with a
                certificate that proves it; "unknown" claims nothing
certificate     the certificate is for this instance, one tree, without a negative or unknown price
claim           the lower bound that it claims is at most the one that it proves (no tolerance)
largest         where the claim is about solutions in which no device costs more: the solution is one of them
proven_bound    the solution's lower bound is at most the proven one, with the tolerance as above
consistency     the proven bound is at most the exact cost of a feasible solution: or this file is wrong
==============  ====================================================================================

With ``--core`` the folder `core` alone gives its verdict: it is small enough to be read in an hour, and knows
JSON files of the structured kind and certificates with witnesses.

Rules that a failed one leaves without meaning are not applied: nothing can be counted where the
decisions do not fit the instance, and an unconnected device that offloads has no cost.

Costs are exact. A number in a file stands for its binary64 value, which is an integer times 2^-82
(see `exact`), and the cost of a device is a ratio of two integers. The sum over the devices, or the
greatest, is enclosed in an interval that is refined until it decides (see `Total`). No floating-point
arithmetic takes part. What a certificate proves is computed in integers, rounded downwards (see
`tree_bound`); the mathematics are in docs/theory/certificates.md and docs/theory/hybrid.md.

After ``--time-limit`` seconds (600) it ends, says what it has skipped, and accepts nothing.

Exit status: 0 accepted, 1 a rule failed or not all was looked at, 2 unusable input.
"""

from .certificate import read_certificate
from .data import Unusable
from .files import fingerprint, read_instance, read_solution
from .rules import Rule, Verdict
from .tree import tree_bound
from .verdict import check, main

__all__ = [
    "Rule",
    "Unusable",
    "Verdict",
    "check",
    "fingerprint",
    "main",
    "read_certificate",
    "read_instance",
    "read_solution",
    "tree_bound",
]
