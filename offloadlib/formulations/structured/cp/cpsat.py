r"""CP-SAT with whole numbers only, over choices that prices leave possible, and a bound that is proven.

CP-SAT takes whole numbers, so costs are multiplied by a *unit* u, a power of two, and rounded. Three
things make that fast and safe: integer prices that turn the objective into what is lost against the
Lagrangian bound, reduced costs that leave few choices, and roundings that all go downwards.

**Rounding.** Let c = floor(u C (1 - gamma)) for a computed cost C. A cost is made of the numbers of the
file by additions, multiplications, divisions and maxima of numbers >= 0 (1 - alpha is rounded once), and
each of these steps changes its result by a factor of at most 1 +- 2^-53; no number of a file is so small
or large that a product leaves the range of binary64. With gamma above twice the number of steps in a row
(:func:`.encoding.margin`), c is at most u times the exact cost. Sums of such floors are at most u times
the exact sum, whatever the decision: it does not matter which decision is optimal before or after
rounding. (To round to nearest may raise each of many costs by half a unit, and then the optimum of the
rounded problem is no bound; ``test_cpsat.py`` has an instance.) Everything from here on is exact
integer arithmetic. The unit is such that costs have at most 46 bits, so that objectives are exact in
binary64, too, and fewer where a sum over a program might need more than 60.

**Integer prices.** Let Lambda >= 0 be any integer prices on the limits q, here the rounded ones of column
generation (:mod:`..decomposition.master`), U(d) >= 0 what decisions d use of the limits, and c_m integers
with c_m(d_m) <= u C_m(d_m). With v_m a lower bound on c_m(d_m) + Lambda U_m(d_m) for every decision d_m,

.. math::

   u F(d) \ge \sum_m c_m(d_m) = \underbrace{\sum_m v_m - \Lambda q}_{base}
     + \sum_m \underbrace{\bigl(c_m(d_m) + \Lambda U_m(d_m) - v_m\bigr)}_{R_m \ge 0}
     + \Lambda \underbrace{(q - U(d))}_{z \ge 0} .                                                    (*)

base/u is the Lagrangian bound, and CP-SAT minimises the rest, which is small: its own bound starts at 0
where that of the plain objective is far away, and each unused place of a priced limit is seen to cost.
With b a lower bound on the rest, (base + b)/u is one on F. (Where R_m comes from rows, as below, c_m need
not exist: it is enough that the least R_m that the rows allow is at most u C_m + Lambda U_m - v_m.)

**Reduced costs.** A *choice* is a part of a device's decision, and its slack s a lower bound on R_m for
all decisions that contain it. By (*) a solution with such a choice costs at least base + s. A program over
some choices has therefore the bound min(b, least s of the others), and choices with s > u F* - base, for
the cost F* of a known solution, are not needed. First the program has a few essential choices of each
device, which gives a good solution; if that improves, four times as many; in the end all whose slack is
small enough, which is exact.

**Two encodings.** Where all decisions of a device can be listed, choices are whole decisions
(:class:`.decisions.DecisionEncoding`, as in :mod:`.structured.milp.patterns`): x_p in {0, 1}, one for each
device, with R_m = sum s_p x_p and s_p = c_p + Lambda U_p - v_m. Else they are the places of subtasks
(:class:`.places.PlaceEncoding`). There the parts of the cost are rounded instead, with o_k = 1 - x_k,local:

.. math::

   \textstyle\sum_n x_{kn} &= 1, \qquad up_{jk} - down_{jk} = x_{j,local} - x_{k,local} \\
   g_k &= \textstyle\sum_n \lfloor a\, time_{kn} \rfloor x_{kn}
     + \sum_j (\lfloor a\, send_{jk} \rfloor up_{jk} + \lfloor a\, receive_{jk} \rfloor down_{jk}),
     \quad e_k\ \text{likewise} \\
   t_k &\ge t_j + g_k \quad (j, k)\ \text{an arc}, \qquad t \ge t_k \quad k\ \text{a tail} \\
   R_m &\ge t + \textstyle\sum_k e_k + \Lambda U_m - v_m \\
   R_m &\ge \textstyle\sum_n s_{kn} x_{kn} \qquad \text{for each } k,

where a variable t_k is needed only at joins. v_m is the floor of the least cost plus prices of device m,
and v_m + s_kn the same with subtask k at n (:mod:`..decomposition.pricing`): neither exceeds u C_m + Lambda
U_m, and the other row has floors of parts of C_m, so the least R_m is as (*) needs it. The rows with s are
what makes this encoding strong: they tell the relaxation all reduced costs of places. Graphs whose pricing
takes long (neither series-parallel nor small) get Lambda = v = s = 0: the plain encoding.

Instances of format 2 get the plain encoding with all their limits: :mod:`.limited`.

``docs/theory/cpsat.md`` compares the variants that were tried.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Application, Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.arrays import Ints
from offloadlib.instances.run import OutOfTime

from ...engine.outcome import errors
from ...engine.trust import Claim, contradiction, insist
from ...proofs.nodes import claim
from ..decomposition.master import best_prices
from ..decomposition.plan import plan
from ..milp import patterns
from ..search import Search, run
from . import limited
from .decisions import DecisionEncoding
from .encoding import Encoding, margin
from .places import PlaceEncoding
from .program import WAYS, Finding, Program, version

LARGEST_SEARCHED = 8
"""Subtasks of a graph that is not series-parallel and is priced nevertheless, at the most."""

GROWTH = 4
"""Times as many choices in each further program."""


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with CP-SAT, by one thread where there are prices: more do not help then.

    The record of the run has the ``unit`` u, the ``encoding``, and as ``rounding_loss`` the most that
    rounding can have taken from the lower bound.
    """
    if instance.version > 1:
        return limited.solve(instance, budget)
    return run(instance, budget, _minimise)


def _minimise(search: Search) -> tuple[Termination, dict[str, Any]]:
    """Minimise in a unit that suits the incumbent, and in another one if it turns out to be far dearer
    than the optimum, so that rounding matters."""
    termination, record = Termination.FINISHED, dict[str, Any]()
    before = math.inf
    while termination is Termination.FINISHED and not search.closed and 2 * search.objective < before:
        before = search.objective
        termination, record = _minimise_in_unit(search)
    if search.closed and not search.optimal:
        termination = Termination.GAP
    return termination, record


def _minimise_in_unit(search: Search) -> tuple[Termination, dict[str, Any]]:
    try:
        encoding = _encode(search)
    except OutOfTime:
        return Termination.TIME_LIMIT, {}
    scale = _Scale(search, encoding)
    search.prove(scale.bound(0))
    search.report()
    ranked, essential = np.argsort(encoding.slack, kind="stable"), encoding.essential()
    size, others = len(essential), -1
    termination, rounds, branches, conflicts = Termination.FINISHED, 0, 0, 0
    variables, rows, wrong = 0, 0, list[str]()
    while not search.closed and others <= scale.cutoff and termination is Termination.FINISHED:
        before, cutoff, chosen = search.objective, scale.cutoff, encoding.chosen(search.start)
        wanted = np.union1d(ranked[:size], np.union1d(essential, chosen))
        kept = wanted[encoding.slack[wanted] <= cutoff]
        others = int(np.delete(encoding.slack, kept).min(initial=cutoff + 1))
        ways = [partial(_ask, scale, kept, chosen, others, way) for way in WAYS]
        insisted = insist(ways, partial(_contradiction, scale, kept), late=lambda: search.left == 0)
        wrong += insisted.wrong
        if insisted.answer is None:
            termination = Termination.FAILED
            break
        outcome, (variables, rows) = insisted.answer
        if outcome.taken is not None:
            search.offer(encoding.decode(kept[outcome.taken]))
        search.prove(scale.bound(min(outcome.lower_bound, others)))
        size = GROWTH * size if search.objective < before else len(ranked)
        termination, rounds = outcome.termination, rounds + 1
        branches, conflicts = branches + outcome.branches, conflicts + outcome.conflicts
    return termination, {
        "solver": f"cp-sat {version()}",
        "encoding": encoding.name,
        "unit": encoding.unit,
        "rounding_loss": encoding.roundings / encoding.unit + 2 * scale.margin * search.objective,
        "choices": len(ranked),
        "rounds": rounds,
        "variables": variables,
        "rows": rows,
        "branches": branches,
        "conflicts": conflicts,
        **errors(wrong),
    }


def _ask(
    scale: _Scale, kept: Ints, chosen: Ints, others: int, way: Mapping[str, Any]
) -> tuple[Finding, tuple[int, int]]:
    """What CP-SAT finds among the kept choices, and the size of the program."""
    search, encoding = scale.search, scale.encoding
    program = Program(len(kept), scale.cutoff, late=lambda: search.left == 0)
    if any((places != LOCAL).any() for places in search.start.places):
        program.hint(np.isin(kept, chosen))  # all-local would lead astray
    encoding.constrain(program, kept)
    outcome = program.minimise(
        search.budget,
        # Half of what the caller allows: the other half is for the rounding.
        gap=int(search.budget.gap * search.lower_bound * encoding.unit / 2),
        time_limit=search.left,
        settings={**encoding.settings, **way},
        alone=encoding.alone,
        report=partial(scale.report, kept, others),
    )
    return outcome, program.size


def _contradiction(scale: _Scale, kept: Ints, answer: tuple[Finding, tuple[int, int]]) -> str | None:
    """Why an answer cannot be true: what it says of its solution and of the bound, in whole units."""
    outcome, encoding = answer[0], scale.encoding
    cost, rounding = math.inf, 1.0
    if outcome.taken is not None:
        found = connected_cost(scale.search.instance, encoding.decode(kept[outcome.taken])) * encoding.unit
        cost, rounding = found - encoding.base, encoding.roundings + 2 * scale.margin * found + 1.0
    optimal = outcome.termination is Termination.FINISHED
    claim = Claim(outcome.objective, cost, outcome.lower_bound, optimal)
    return contradiction(claim, scale.cutoff, rounding)


def _encode(search: Search) -> Encoding:
    """The encoding that suits an instance."""

    def late() -> bool:
        return search.left == 0

    def half() -> bool:
        return search.left < search.budget.time_limit / 2

    instance, cost = search.instance, connected_cost(search.instance, search.start)
    if all(_can_be_priced(group.application) for group in instance.groups):
        with alarm(search.left / 2) as stopped:
            bound, prices = best_prices(instance, search.start, half, stopped)
        search.prove(claim(bound))
        if patterns.obstacle(instance) is None:
            return DecisionEncoding(instance, cost, prices, late)
        with alarm(search.left) as stopped:
            return PlaceEncoding(instance, cost, prices, late, stopped)
    return PlaceEncoding(instance, cost, None, late)


def _can_be_priced(application: Application) -> bool:
    """Whether pricing is fast."""
    return application.size <= LARGEST_SEARCHED or plan(application) is not None


def connected_cost(instance: Instance, solution: Solution) -> float:
    """What the devices with a radio link cost."""
    costs = evaluate(instance, solution).cost
    return math.fsum(costs[instance.devices.connected_to != LOCAL].tolist())


@dataclass(frozen=True)
class _Scale:
    """Between the objectives of programs, whole units above the base, and F."""

    search: Search
    encoding: Encoding

    @property
    def margin(self) -> float:
        """gamma."""
        return margin(self.search.instance)

    @property
    def cutoff(self) -> int:
        """The objective of a solution that costs no more than the incumbent is at most this."""
        cost = connected_cost(self.search.instance, self.search.start) * self.encoding.unit
        return math.ceil(cost * (1 + self.margin)) - self.encoding.base

    def bound(self, objective: float) -> float:
        """The lower bound on F that follows from one on the objective."""
        least = (self.encoding.base + objective) / self.encoding.unit  # exact: a power of two
        # The sum may be rounded upwards.
        return math.nextafter(least + self.search.constant * (1 - self.margin), -math.inf)

    def report(
        self, kept: Ints, others: int, best: float, least: float, taken: NDArray[np.bool_] | None
    ) -> None:
        """Tell what CP-SAT knows while it runs."""
        cost = (self.encoding.base + best) / self.encoding.unit + self.search.constant
        decisions = None if taken is None else partial(self.encoding.decode, kept[taken])
        self.search.running(cost, self.bound(min(least, others)), decisions)
