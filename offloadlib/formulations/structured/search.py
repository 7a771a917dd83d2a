"""One run of an exact method on a structured instance: pooled, in scale, and costed as it was given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from offloadlib.instances import LOCAL, Budget, Instance, Result, Solution, Termination, evaluate, gap
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.instances.structured.bound import simple_bound

from ..engine import highs
from ..engine.outcome import Run, concluded, errors
from . import pooling
from .scaling import FAR, far_apart


class Search(Run[Solution]):
    """A run that solves the pooled instance (:mod:`.structured.pooling`), and costs the one that was given.

    Parameters
    ----------
    instance
        The instance.
    budget
        Its ``start``, else the all-local decision, is the first incumbent.

    Attributes
    ----------
    instance
        What is to be solved: the pooled instance.
    constant
        The cost of the devices without a radio link, which programs leave out.
    """

    def __init__(self, instance: Instance, budget: Budget) -> None:
        first = at_home(instance, budget.start or Solution.all_local(instance))
        super().__init__(instance, budget, first, simple_bound(instance))
        self._given = instance
        self.instance = pooling.pool(instance)
        self.constant = unconnected_cost(instance)

    @property
    def start(self) -> Solution:
        """A solution of the pooled instance that costs no more than the incumbent."""
        return pooling.gather(self.instance, self.solution)

    @property
    def gap(self) -> float:
        """Relative gap between the incumbent and the bound."""
        return max(gap(self.objective, self.lower_bound) or 0.0, 0.0)

    @property
    def closed(self) -> bool:
        """Whether the incumbent is proven to be as good as the caller asks for."""
        return self.gap <= max(self.budget.gap, OPTIMAL_GAP)

    def cost(self, solution: Solution) -> float:
        """What a solution of the pooled instance costs once nobody loses by it."""
        return evaluate(self.instance, at_home(self.instance, solution)).total

    def offer(self, solution: Solution) -> None:
        """Keep a solution of the pooled instance if it costs less than the incumbent."""
        if self.take(at_home(self._given, pooling.spread(self._given, solution))):
            self.report()

    def running(self, objective: float, bound: float, decisions: Callable[[], Solution] | None) -> None:
        """Tell what a running solver knows, its best decisions for the pooled instance included.

        Where they are asked for, they are taken: they are there whatever becomes of the solver.
        """

        def solution() -> Solution:
            if decisions is not None:
                found = decisions()
                if evaluate(self.instance, found).feasible:
                    self.take(at_home(self._given, pooling.spread(self._given, found)))
            return self.solution

        self.report(objective, bound, solution)

    def minimise(
        self,
        program: highs.MixedIntegerProgram,
        start: tuple[Ints, Floats],
        decode: Callable[[Floats], Solution],
        elsewhere: float = math.inf,
        confirm: bool = False,
    ) -> tuple[Termination, dict[str, Any]]:
        """Let HiGHS minimise a program in the time that is left.

        Parameters
        ----------
        program
            Its objective is F without the constant.
        start
            Columns and values of a feasible solution.
        decode
            From values of the columns to decisions.
        elsewhere
            A lower bound on the cost of the solutions that the program leaves out, if it does.
        confirm
            Whether a second answer has to agree before a bound counts, even if costs are not far apart.

        Returns
        -------
        termination
            Why HiGHS stopped.
        record
            What is worth recording of the run.
        """

        def report(objective: float, bound: float, values: Floats | None) -> None:
            decisions = None if values is None else partial(decode, values)
            self.running(objective + self.constant, min(bound + self.constant, elsewhere), decisions)

        def worth(values: Floats) -> float:
            return self.cost(decode(values)) - self.constant

        known = self.cost(self.start) - self.constant
        outcome = highs.minimise(
            program,
            self.budget,
            time_limit=self.left,
            start=start,
            known=lambda: known,
            worth=worth,
            reference=self.objective,
            confirm=confirm or far_apart(self.instance),
            target=self.objective / (2 * FAR) - self.constant,
            report=report,
        )
        if outcome.values is not None:
            self.offer(decode(outcome.values))
        self.prove(min(outcome.lower_bound + self.constant, elsewhere))
        return outcome.termination, highs.recorded(program, outcome.nodes, outcome.wrong)


Improve = Callable[[Search], tuple[Termination, dict[str, Any]]]
"""Improves a search; returns why it stopped, and what is worth recording."""


def run(instance: Instance, budget: Budget, method: Improve) -> Result:
    """Run a method, and return the best solution and bound that it leaves, also after Ctrl-C."""
    search = Search(instance, budget)
    termination, record = Termination.FINISHED, dict[str, Any]()
    if not can_offload(instance):
        search.prove(search.objective)  # all-local is the only solution
    elif not search.optimal:  # a start that costs nothing is: solvers cannot scale by that

        def conclude() -> Termination:
            nonlocal record
            ended, record = method(search)
            return ended

        termination, failure = concluded(conclude)
        record.update(errors([failure] if failure else []))
    return Result.of(instance, search.solution, search.seconds, search.lower_bound, termination, **record)


def run_in_scale(instance: Instance, budget: Budget, method: Improve) -> Result:
    """Run a method that scales costs by the cost of its start (:mod:`.structured.scaling`).

    Where the solution turns out to be far cheaper, tolerances may have mattered: then it is the start of
    another run, in its unit. (HiGHS stops as soon as it has such a solution.)
    """
    begun = time.perf_counter()
    reference = evaluate(instance, budget.start or Solution.all_local(instance)).total
    result = run(instance, budget, method)
    ended = Termination.FINISHED, Termination.GAP  # not by the time limit, nor by Ctrl-C
    while FAR * result.objective < reference and result.termination in ended:
        left = max(budget.time_limit - (time.perf_counter() - begun), 0.0)
        again = replace(budget, start=result.solution, time_limit=left)
        before, result = result, run(instance, again, method)
        reference, bounds = before.objective, (before.lower_bound, result.lower_bound)
        known = [bound for bound in bounds if bound is not None]
        result = replace(result, lower_bound=max(known, default=None))
    return replace(result, runtime=time.perf_counter() - begun)


def at_home(instance: Instance, solution: Solution) -> Solution:
    """The solution with devices at home that it costs more than that; limits stay kept."""
    local = evaluate(instance, Solution.all_local(instance)).cost
    loses = evaluate(instance, solution).cost > local
    if not loses.any():
        return solution
    return Solution(
        tuple(
            np.where(loses[group.members, None], LOCAL, places).astype(np.int32)
            for group, places in zip(instance.groups, solution.places, strict=True)
        )
    )


def can_offload(instance: Instance) -> bool:
    """Whether any subtask may run anywhere but on its device."""
    linked = bool((instance.devices.connected_to != LOCAL).any())
    return linked and bool((instance.points.capacity > 0).any())


def unconnected_cost(instance: Instance) -> float:
    """The cost of the devices without a radio link: a constant that stays out of programs."""
    local = evaluate(instance, Solution.all_local(instance)).cost
    return math.fsum(local[instance.devices.connected_to == LOCAL].tolist())
