"""Certificates of version 2: the least cost of a task under a deadline, an energy budget and a ceiling on
what it costs without prices.

Subtasks are decided one after another, parents first. What is known of some decisions is a label: its cost
and energy, the delay of what is finished, and for each subtask that is not decided and has a decided parent
when it can start, and what its transfers add if it is local and if it is offloaded. All of these are sums
and maxima, which never fall if a term rises: a label that another one equals or undercuts in everything is
dropped, and so is one with which no decision can keep the limits, or cost less than the best one known.

Nothing is dropped besides as long as a list is no longer than the width. Where one is, the search tells of
the least that a dropped label can lead to, and starts again with a greater width and the best decision
that it has found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..data import Application
from .menu import Options
from .series import undominated

# The first one only finds a good decision: with it most labels are dropped at once.
_WIDTHS = (3, 50, 500, 2000)
_MOST_WIDTH = 60_000  # over subtasks and arcs
_START = 4  # cost, energy, delay, fees below the ceiling: what a label has before its open subtasks
_OPEN = 7  # numbers for each: start, then time, cost and energy to add if local, if offloaded
Label = list[int]


class Step(NamedTuple):
    """The decision about one subtask.

    Attributes
    ----------
    subtask : int
        Its number.
    slot : int or None
        Where it stands in a label; None: it has no parent.
    new : int
        How many subtasks become open, at the end of the label.
    arcs : list of (int, int)
        Its outgoing arcs: the number, and where the other end stands in the label afterwards.
    open : list of int
        The open subtasks afterwards.
    """

    subtask: int
    slot: int | None
    new: int
    arcs: list[tuple[int, int]]
    open: list[int]


class Plan:
    """The order in which the subtasks of an application are decided: a branch is followed to its end."""

    def __init__(self, application: Application) -> None:
        self.application = application
        count = len(application.subtasks)
        arcs: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for i, (j, k) in enumerate(application.edges):
            arcs[j].append((i, k))
        missing = [len(parents) for parents in application.parents]
        ready = list(reversed(application.heads))
        self.steps: list[Step] = []
        waiting: list[int] = []
        while ready:
            k = ready.pop()
            slot = _START + _OPEN * waiting.index(k) if k in waiting else None
            waiting = [other for other in waiting if other != k]
            new = [child for _, child in arcs[k] if child not in waiting]
            waiting = waiting + new
            ends = [(i, _START + _OPEN * waiting.index(child)) for i, child in arcs[k]]
            self.steps.append(Step(k, slot, len(new), ends, waiting))
            for _, child in arcs[k]:
                missing[child] -= 1
                if not missing[child]:
                    ready.append(child)
        self.children = [[child for _, child in some] for some in arcs]
        self._most_width = _MOST_WIDTH // (count + len(application.edges))

    def least(self, options: Options) -> tuple[int | None, bool]:
        """Return the least cost within the limits, None where no decision keeps them.

        The other value is whether that is sure; if not, the cost is a lower bound.
        """
        if not all(stay or leave for stay, leave in options.of_subtasks):
            return None, True
        search = _Search(self, options)
        dropped = None
        for width in _WIDTHS:
            dropped = search.run(min(width, self._most_width))
            if dropped is None or (search.best is not None and dropped >= search.best):
                return search.best, True
        return dropped, False

    def latest(self, times: Sequence[int], ends: Sequence[int]) -> int:
        """Return the delay of the task with these times of the subtasks and their transfers."""
        finish = [time + end for time, end in zip(times, ends, strict=True)]
        for k in self.application.order:
            if self.application.parents[k]:
                finish[k] += max([finish[j] for j in self.application.parents[k]])
        return max(finish)


def always_kept(plan: Plan, options: Options) -> bool:
    """Tell whether the limits are kept whatever is decided."""
    arcs = len(plan.application.edges)
    most = [0] * len(options.of_subtasks)
    energy = 0
    for i, (_, k) in enumerate(plan.application.edges):
        up, down = options.arcs[i], options.arcs[i + arcs]
        most[k] += max(up.time, down.time)
        energy += max(up.energy, down.energy)
    everything = [stay + leave for stay, leave in options.of_subtasks]
    times = [max([option.time for option in some], default=0) for some in everything]
    energy += sum([max([option.energy for option in some], default=0) for some in everything])
    if options.deadline is None and options.ceiling is None:
        return options.budget is None or energy <= options.budget
    latest = plan.latest(times, most)
    fees = sum([max([option.fee for option in some], default=0) for some in everything])
    return (
        (options.deadline is None or latest <= options.deadline)
        and (options.budget is None or energy <= options.budget)
        and (options.ceiling is None or not options.ceiling.exceeded(latest, energy, fees))
    )


class _Search:
    """The search for one device; `best` is the least cost found, None as long as there is none."""

    def __init__(self, plan: Plan, options: Options) -> None:
        self._plan, self._options = plan, options
        self._arcs = len(plan.application.edges)
        self.best: int | None = None
        # The least that a subtask takes at each side; more than anything takes where it has no option.
        everything = [stay + leave for stay, leave in options.of_subtasks]
        never = 1 + sum([max([option.time for option in some]) for some in everything])
        never += sum([arc.time for arc in options.arcs]) + (options.deadline or 0)
        self._local = [
            min([option.time for option in stay], default=never) for stay, _ in options.of_subtasks
        ]
        self._away = [
            min([option.time for option in leave], default=never) for _, leave in options.of_subtasks
        ]
        # The least that comes after a subtask.
        self._after = [0] * len(everything)
        for k in reversed(plan.application.order):
            self._after[k] = max(
                [self._after[c] + min(self._local[c], self._away[c]) for c in plan.children[k]], default=0
            )
        self._rest: list[tuple[int, int, int]] = [(0, 0, 0)]  # after each step the least cost, energy, fees
        for step in reversed(plan.steps[1:]):
            some = everything[step.subtask]
            cost, energy, fees = self._rest[-1]
            cost += min([option.cost for option in some])
            energy += min([option.energy for option in some])
            self._rest.append((cost, energy, fees + min([option.fee for option in some])))
        self._rest.reverse()

    def run(self, width: int) -> int | None:
        """Search; return the least that a label dropped for want of room could lead to, None if none was."""
        labels: list[Label] = [[0] * _START]
        dropped: int | None = None
        for number in range(len(self._plan.steps)):
            kept = undominated(self._extended(number, labels))
            if len(kept) > width:
                least = kept[width][0]
                dropped = least if dropped is None else min(dropped, least)
                kept = kept[:width]
            labels = [label for _, *label in kept]
            if number == len(self._plan.steps) - 1 and kept:
                self.best = kept[0][0]
        return dropped

    def _extended(self, number: int, labels: Sequence[Label]) -> list[tuple[int, ...]]:
        """Return the labels after a step, each behind the least cost that it can lead to."""
        step, options = self._plan.steps[number], self._options
        sides = options.of_subtasks[step.subtask]
        deadline, budget, ceiling, best = options.deadline, options.budget, options.ceiling, self.best
        rest_cost, rest_energy, rest_fees = self._rest[number]
        places = [
            (_START + _OPEN * i, self._local[k], self._away[k], self._after[k])
            for i, k in enumerate(step.open)
        ]
        found: list[tuple[int, ...]] = []
        for label in labels:
            for side in (0, 1):
                if not sides[side]:
                    continue
                new = label[:]
                cost, energy, start = label[0], label[1], 0
                if step.slot is not None:
                    start = label[step.slot] + label[step.slot + 1 + side]
                    cost += label[step.slot + 3 + side]
                    energy += label[step.slot + 5 + side]
                    del new[step.slot : step.slot + _OPEN]
                new += [0] * (_OPEN * step.new)
                for arc, slot in step.arcs:
                    # A local parent sends if the child is offloaded, and the other way round.
                    transfer = options.arcs[arc if side == 0 else arc + self._arcs]
                    new[slot + 2 - side] += transfer.time
                    new[slot + 4 - side] += transfer.cost
                    new[slot + 6 - side] += transfer.energy
                more_cost, more_energy, latest = rest_cost, rest_energy, new[2]
                for at, local, away, after in places:
                    more_cost += min(new[at + 3], new[at + 4])
                    more_energy += min(new[at + 5], new[at + 6])
                    latest = max(latest, new[at] + min(new[at + 1] + local, new[at + 2] + away) + after)
                after = self._after[step.subtask]
                slots = [slot for _, slot in step.arcs]
                for option in sides[side]:
                    if budget is not None and energy + option.energy + more_energy > budget:
                        continue
                    finish = start + option.time
                    delay = max(latest, finish + after)
                    if deadline is not None and delay > deadline:
                        continue
                    fees = label[3] + option.fee
                    if ceiling is not None and ceiling.exceeded(
                        delay, energy + option.energy + more_energy, fees + rest_fees
                    ):
                        continue
                    bound = cost + option.cost + more_cost + options.cost_of(delay)
                    if best is not None and bound >= best:
                        continue
                    one = new[:]
                    one[0] = cost + option.cost
                    one[1] = energy + option.energy
                    one[3] = fees
                    for slot in slots:
                        if one[slot] < finish:
                            one[slot] = finish
                    if not slots and one[2] < finish:
                        one[2] = finish
                    found.append((bound, *one))
        return found
