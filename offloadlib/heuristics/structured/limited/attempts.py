r"""From a method's steps to a solution: what is done where these end in decisions that break a limit.

An attempt goes like this.

1. A device that costs less refused than by its best decision alone, with all room there is, is refused.
2. Devices that earlier attempts left without a decision take their cheapest ones, exactly
   (:mod:`.search`), before all others.
3. The method decides for the rest.
4. Whoever has no decision then, or is late by it, or beyond its energy budget, or would cost less refused,
   gives everything back and takes its cheapest decision, exactly, from what the others leave.

If there is none for some, the next attempt begins with these. Caps on totals take a *price* on a second or a
mJ of all devices, which rises until the cap is kept, and then falls as far as it may. Costs within all of
this are by floating point; the last word is with :func:`.cost.evaluate`, and a device that is late by
fractions only has an earlier deadline from then on.

If no attempt leads to a solution, it is all-local, where that is feasible, or else the method ends
without one. That proves nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from offloadlib.instances import Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.cost import Evaluation

from .choices import EDGE, UNDECIDED, Choices, Menu, State, menu_of
from .search import alone, decide, drop

ATTEMPTS = 10
"""At the most, at one price."""

TURNS = 20
"""Prices at the most, ..."""

FIRST_PRICE, RISE, BISECTIONS = 0.05, 4.0, 4
"""... the first, as a share of the cost for all of what is capped, how they rise, and how often they fall."""


class Watch:
    """When a run has to end, and why it has.

    Parameters
    ----------
    time_limit
        Seconds from now.
    """

    def __init__(self, time_limit: float) -> None:
        self._begun, self._limit = time.perf_counter(), time_limit
        self.termination = Termination.FINISHED

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.perf_counter() - self._begun

    @property
    def over(self) -> bool:
        """Whether it has to end."""
        if self.termination is Termination.FINISHED and self.seconds >= self._limit:
            self.termination = Termination.TIME_LIMIT
        return self.termination is not Termination.FINISHED


Build = Callable[[Menu, Choices, State, Ints, Watch], None]
"""(menu, choices at their prices, state, undecided devices, watch): decide for these, as far as the method
can."""


def attempted(
    instance: Instance,
    budget: Budget,
    build: Build,
    known: Sequence[Solution] = (),
    attempts: int = ATTEMPTS,
    record: Callable[[], Mapping[str, object]] = dict,
) -> Result:
    """The result of a method that decides by ``build``.

    Parameters
    ----------
    instance, budget
        As for the method.
    build
        Its steps.
    known
        Solutions that the result is not worse than, where they are feasible.
    attempts
        At the most, at one price.
    record
        What goes into the record of the run.
    """
    watch = Watch(budget.time_limit)
    found: Solution | None = None
    cheapest = np.inf
    for solution in known:
        evaluation = evaluate(instance, solution)
        if evaluation.feasible and evaluation.total < cheapest:
            found, cheapest = solution, evaluation.total
    try:
        for solution, cost in _solutions(menu_of(instance), build, attempts, watch):
            if cost < cheapest:
                found, cheapest = solution, cost
    except KeyboardInterrupt:
        watch.termination = Termination.INTERRUPTED
    if found is None and instance.evaluate(instance.all_local).feasible:
        found = instance.all_local
    if found is None:
        return Result.nothing(watch.seconds, None, watch.termination, **record())
    return Result.of(instance, found, watch.seconds, None, watch.termination, **record())


def _solutions(menu: Menu, build: Build, attempts: int, watch: Watch) -> Iterator[tuple[Solution, float]]:
    """Solutions and their costs, at prices that rise until the caps on totals are kept, and fall again."""
    everybody = np.arange(menu.instance.num_devices)
    best = alone_of(menu, menu.choices)
    if np.isinf(best.cost).any():
        return
    dear, prices = np.zeros(2), np.zeros(2)
    cheap: Floats | None = None  # the lowest prices so far at which the caps were kept
    unit, bisections = np.zeros(2), 0
    first: Ints = everybody[:0]
    for _ in range(TURNS):
        choices = menu.priced(prices)
        start = best if not prices.any() else alone_of(menu, choices)
        kept = False
        for number in range(attempts):
            if number and watch.over:
                return
            state = attempt(menu, choices, build, start, first, watch)
            stuck = np.flatnonzero(state.places[menu.choices.start[:-1]] == UNDECIDED)
            if len(stuck):
                first = np.concatenate([stuck, first[~np.isin(first, stuck)]])
                continue
            used = np.array([state.delay.sum(), state.energy.sum()])
            if not (used <= menu.caps).all():
                break
            solution = menu.solution(state)
            evaluation = evaluate(menu.instance, solution)
            if evaluation.feasible:
                kept = True
                yield solution, evaluation.total
                break
            tightened(menu, evaluation)
        else:
            return
        if watch.over:
            return
        if kept:
            if not prices.any() or bisections == BISECTIONS:
                return
            cheap = prices
        else:
            if not unit.any():
                with np.errstate(divide="ignore"):
                    unit = FIRST_PRICE * max(float(np.abs(state.cost).sum()), EDGE) / used
                unit[~np.isfinite(unit)] = 0.0
            dear = prices
        if cheap is None:
            prices = np.where(used > menu.caps, np.maximum(RISE * prices, unit), prices)
        else:
            bisections += 1
            prices = (dear + cheap) / 2


def attempt(menu: Menu, choices: Choices, build: Build, best: State, first: Ints, watch: Watch) -> State:
    """Steps 1 to 4 above.

    Parameters
    ----------
    best
        From :func:`alone_of`.
    first
        The devices of step 2.
    watch
        For the method.
    """
    state = menu.undecided()
    refused = best.cost >= choices.refusal
    decide(choices, state, np.concatenate([np.flatnonzero(refused), first[~refused[first]]]))
    left = np.flatnonzero(state.places[choices.start[:-1]] == UNDECIDED)
    build(menu, choices, state, left, watch)
    undecided = state.places[choices.start[:-1]] == UNDECIDED
    late = (state.delay > choices.deadline) | (state.energy > choices.budget)
    again = np.flatnonzero(undecided | late | (state.cost > choices.refusal))
    drop(choices, state, again[~undecided[again]])
    decide(choices, state, again)
    return state


def alone_of(menu: Menu, choices: Choices) -> State:
    """The cheapest decision of each device alone, with all room there is: ``cost`` and ``places``."""
    state = menu.undecided()
    alone(choices, menu.right, np.arange(len(state.cost)), state.cost, state.places)
    return state


def tightened(menu: Menu, evaluation: Evaluation) -> None:
    """Devices that are late by fractions, and totals that are beyond their caps, have less from now on."""
    instance, less = menu.instance, 1 - 2 * EDGE
    devices, totals = instance.devices, instance.totals
    for broken in evaluation.violations:
        if broken.limit == "total":
            i = ("delay", "energy").index(broken.name)
            menu.caps[i] = (totals.delay, totals.energy)[i] * less
        elif broken.limit == "deadline":
            m = devices.ids.index(broken.name)
            menu.deadline[m] = devices.deadline[m] * less
        elif broken.limit == "energy budget":
            m = devices.ids.index(broken.name)
            menu.budget[m] = devices.energy_budget[m] * less
