r"""From a method's steps to a solution: what is done where these end in decisions that break a limit.

An attempt goes like this.

1. A device that costs less refused than by its best decision alone, with all room there is, is refused.
2. Devices that earlier attempts left without a decision take their cheapest ones, exactly
   (:mod:`.search`), before all others.
3. The method decides for the rest.
4. Whoever has no decision then, or is late by it, or beyond its energy budget, or would cost less refused,
   gives everything back and takes its cheapest decision, exactly, from what the others leave.

If there is none for some, the next attempt begins with these. Caps on totals take a *price* on a second or a
mJ of all devices, which rises until the cap is kept, and then falls as far as it may. At high prices a
descent (:mod:`.descent`) follows each attempt, since not every method follows prices. Costs within all of
this are by floating point; the last word is with :func:`.cost.evaluate`, and a device that is late by
fractions only has an earlier deadline from then on.

If no attempt leads to a solution, it is all-local, where that is feasible, or else the method ends
without one. That proves nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from offloadlib.instances import Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import called_for, of_format_2
from offloadlib.instances.run import OutOfTime, Watch
from offloadlib.instances.structured.limits import HAIR

from .choices import UNDECIDED, Choices, Menu, State, menu_of
from .descent import Descent
from .search import alone_of, decide, drop

ATTEMPTS = 10
"""At the most, at one price."""

TURNS = 12
"""Prices at the most, ..."""

DEAR, DEAREST = 4, 7
"""... the first of these at which a descent follows, and the last that is tried where none keeps the caps."""

FIRST_PRICE, RISE, BISECTIONS = 0.05, 4.0, 4
"""... the first, as a share of the cost for all of what is capped, how they rise, and how often they fall."""


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
    for turn in range(TURNS):
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
            if turn >= DEAR and cheap is None and not _kept(menu, state):
                _descend(menu, choices, state, watch)
            if not _kept(menu, state):
                break
            solution = menu.solution(state)
            evaluation = evaluate(menu.instance, solution)
            if evaluation.feasible:
                kept = True
                yield solution, evaluation.total
                break
            menu.tighten(evaluation)
        else:
            return
        if watch.over:
            return
        if kept:
            if not prices.any() or bisections == BISECTIONS:
                return
            cheap = prices
        else:
            used = np.array([state.delay.sum(), state.energy.sum()])
            if turn == DEAREST and cheap is None:
                return
            if not unit.any():
                with np.errstate(divide="ignore"):
                    unit = FIRST_PRICE * max(float(np.abs(state.cost).sum()), HAIR) / used
                unit[~np.isfinite(unit)] = 0.0
            dear = prices
        if cheap is None:
            prices = np.where(used > menu.caps, np.maximum(RISE * prices, unit), prices)
        else:
            bisections += 1
            prices = (dear + cheap) / 2


def _kept(menu: Menu, state: State) -> bool:
    """Whether the caps on totals are kept."""
    return bool(state.delay.sum() <= menu.caps[0] and state.energy.sum() <= menu.caps[1])


def _capped(instance: Instance) -> bool:
    return of_format_2(instance) and min(instance.totals.delay, instance.totals.energy) < np.inf


@called_for(_capped)
def _descend(menu: Menu, choices: Choices, state: State, watch: Watch) -> None:
    """Where a method does not follow prices: let devices decide anew and trade at these, whatever the
    objective."""

    def pause() -> None:
        if watch.over:
            raise OutOfTime

    with contextlib.suppress(OutOfTime):
        Descent(menu, choices, state, np.full(2, np.inf), False, pause).run()


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
