"""Local search on format 2, after any heuristic: :mod:`.descent` from a feasible solution."""

from __future__ import annotations

from contextlib import suppress

from offloadlib.instances import Budget, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.run import OutOfTime, Watch

from .attempts import ATTEMPTS
from .choices import Menu, State, menu_of
from .descent import Descent, adopt


def improve(instance: Instance, solution: Solution, budget: Budget) -> Result:
    """Improve a feasible solution until trades save next to nothing.

    Returns
    -------
    Result
        At the time limit and after Ctrl-C, the best so far. Its record has ``start_objective``,
        ``final_objective``, ``redecided`` devices, how many pairs ``traded``, and how many searches for one
        device's decision were ``cut`` short.

    Raises
    ------
    ValueError
        If the solution breaks a limit.
    """
    watch = Watch(budget.time_limit)
    evaluation = evaluate(instance, solution)
    if not evaluation.feasible:
        raise ValueError(f"the solution breaks a limit: {evaluation.violations[0]}")
    menu = menu_of(instance)
    state, largest = menu.undecided(), instance.by_largest

    def pause() -> None:
        cost = state.cost.max() if largest else state.cost.sum()
        budget.tell(watch.seconds, float(cost), None, lambda: menu.solution(state))
        if watch.over:
            raise OutOfTime

    descent = Descent(menu, menu.choices, state, menu.caps, largest, pause)
    improved, final = solution, evaluation
    for _ in range(ATTEMPTS):
        begin(menu, state, solution)
        try:
            with suppress(OutOfTime):
                descent.run()
        except KeyboardInterrupt:
            watch.termination = Termination.INTERRUPTED
        found = menu.solution(state)
        new = evaluate(instance, found)
        if new.feasible and new.total <= evaluation.total:
            improved, final = found, new
        if new.feasible or watch.termination is not Termination.FINISHED:
            break
        menu.tighten(new)  # late by fractions: once more
    return Result.of(
        instance,
        improved,
        watch.seconds,
        termination=watch.termination,
        start_objective=evaluation.total,
        final_objective=final.total,
        redecided=descent.redecided,
        traded=descent.traded,
        cut=descent.cut,
    )


def begin(menu: Menu, state: State, solution: Solution) -> None:
    """Put a solution into a state."""
    for array, fresh in zip(state, menu.undecided(), strict=True):
        array[:] = fresh
    state.spare[:] = menu.caps
    adopt(menu.choices, state, menu.places(solution))
