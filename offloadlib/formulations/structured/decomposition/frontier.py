r"""How to price a task by dynamic programming along a frontier: the plan of the kernel (:mod:`.sweep`).

Subtasks are decided in a topological order. What the rest has to know of those that are decided is

- the **sides** of some: of a decided one that still has an arc to one undecided. At a join it is the other
  way round: its own side is *guessed* as soon as its first predecessor is decided, and what the arcs into it
  cost is counted as they come, so that the sides of its predecessors may be forgotten;
- some **delays**: for each undecided subtask the latest finish of its decided predecessors, of which those
  with the same decided predecessors have one in common; for a guessed one the sum of the transfers to it so
  far; and the latest finish of the tails. An arc beside a longer path never delays anything, so it
  counts for sides alone;
- what has been **paid**: energy, prices, and delay that nothing can make up for. Where one delay is left and
  everything undecided comes after it, it is paid, and the time begins anew. Transfers to a subtask that
  all paths lead through (a *cut*) are paid at once.

So a fork of any width needs the finish of its head, a join that of its branches so far. The order is the
cheapest of some, for :math:`2^{\text{sides}}` lists of labels and 2^``EACH`` values of each delay.

**Segments.** Where some steps in a row leave nothing behind but what they add to delays that they do not ask
for (a branch of a fork: to those at the join), they are done apart. Labels are put aside, and with those
delays as 0 there are fewer to begin with: one for all that agree in what the steps ask for. If that is one
finish alone, with which all of them begin, its value does not matter either: delays count from there on (a
*clock*). What comes of each is then added to those that were put aside: the latest finish of both, and the
sum of what was paid. Segments may lie in each other. They are branches, whole components, whatever follows
a subtask; that series-parallel graphs are priced by joining lists of labels is a special case.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from offloadlib.instances.arrays import Ints, frozen
from offloadlib.instances.compiled import named
from offloadlib.instances.structured.model import Application

from .tables import READ_INT, READ_INT_TABLE, reduced, rows_of

FINISH, DONE, TRANSFERS = 0, 1, 2
"""Delays: the latest finish of predecessors, that of tails, and the sum of transfers."""

DECIDE, OPEN, CLOSE = 0, 1, 2
"""Decide a subtask, begin a segment, and end it."""

NOT_ASKED, ASKED, CLOCK = 0, 1, 2
"""What a segment asks of a delay: nothing, its value, or that its own delays count from it on."""

SAME, BEFORE, LATEST, SUM, LATEST_SHIFTED, SHIFTED = range(6)
"""A delay after a segment: as it is there; as it was; the later of both; their sum; and with what is there
counted from the clock of those put aside."""

NOTHING: Mapping[int, int] = MappingProxyType({})

EACH = 3
"""Binary logarithm of the values of a delay that labels differ in, for an estimate."""

LARGEST = 1000
"""Binary logarithm of the greatest effort of a step: all that are greater count the same."""

PREDECESSORS = (2, 3, 5, 1 << 30)
"""Numbers of predecessors from which on a join's side may be guessed: each is tried."""

LONGEST = 200
"""Steps of a segment."""

SORTED_UP_TO = 400
"""Subtasks up to which orders are sought step by step, which takes a time quadratic in their number."""


class Frontier(NamedTuple):
    """Instructions for the steps of a dynamic program, the same for all devices of one application.

    Attributes
    ----------
    order
        (K,) the subtask of each step.
    step
        (K,) the step of each subtask.
    guessed
        (K,) whether the side of a subtask is known before its step.
    cut
        (K,) whether all paths lead through a subtask: transfers to it are paid.
    guess, guess_start
        The subtasks whose side is guessed at each step.
    front, front_start
        The subtasks whose side is known before each step, and after the last one.
    ready, transfers
        (K,) the delays before each step that are the latest finish of its predecessors, and the sum of
        transfers to it; -1: 0.
    delays, delay_start
        (D, 4) the delays after each step: which kind, the one before it that it continues (-1: none), whether
        the step's finish may be the latest, and the arc whose transfer is added (-1: none).
    after, after_start
        The undecided subtasks that a delay is for.
    pays
        (K,) whether the first delay after a step, the only one but for sums, is paid.
    program
        (I, 2) what is done: DECIDE, OPEN or CLOSE, and the number of the step or segment.
    asked, asked_start
        For each delay before a segment: NOT_ASKED, ASKED, or CLOCK, and where those of each segment begin.
    roots, root_start
        (., 2) for each delay after a segment the one before it that it continues (-1: none), and how it is
        joined with that: SAME, BEFORE, LATEST, SUM, LATEST_SHIFTED or SHIFTED; and where they begin.
    """

    order: Ints
    step: Ints
    guessed: Ints
    cut: Ints
    guess: Ints
    guess_start: Ints
    front: Ints
    front_start: Ints
    ready: Ints
    transfers: Ints
    delays: Ints
    delay_start: Ints
    after: Ints
    after_start: Ints
    pays: Ints
    program: Ints
    asked: Ints
    asked_start: Ints
    roots: Ints
    root_start: Ints


FRONTIER = named(
    *(Frontier, READ_INT, READ_INT, READ_INT, READ_INT, READ_INT, READ_INT, READ_INT, READ_INT, READ_INT),
    *(READ_INT, READ_INT_TABLE, READ_INT, READ_INT, READ_INT, READ_INT),
    *(READ_INT_TABLE, READ_INT, READ_INT, READ_INT_TABLE, READ_INT),
)


@lru_cache(maxsize=256)
def frontier(application: Application) -> Frontier:
    """The plan of an application, made once."""
    shape = _Shape(application)
    best, most = None, math.inf
    different = {tuple(shape.guessed(least)): None for least in PREDECESSORS}
    for guessed in reversed(different):  # those with few guesses first: they are often the best by far
        for order in reversed(_orders(shape)):
            tried = _Steps(shape, guessed)
            if tried.run(order, most) and tried.divide(0, shape.size, most):
                best, most = tried, tried.effort
    assert best is not None
    return best.plan()


class _Shape:
    """What is asked of a graph: arcs, those that delay, and cuts."""

    def __init__(self, application: Application) -> None:
        self.size = application.size
        self.arcs = application.incoming
        self.out: list[list[tuple[int, int]]] = [[] for _ in range(self.size)]
        for arc, (j, k) in enumerate(application.edges):
            self.out[j].append((arc, k))
        self.into = [[j for _, j in arcs] for arcs in reduced(application)]
        self.next: list[list[int]] = [[] for _ in range(self.size)]
        for k, before in enumerate(self.into):
            for j in before:
                self.next[j].append(k)
        self.topological = application.order
        to, on = [1] * self.size, [1] * self.size
        for k in self.topological:
            to[k] = sum(to[j] for j in self.into[k]) or 1
        for j in reversed(self.topological):
            on[j] = sum(on[k] for k in self.next[j]) or 1
        total = sum(on[k] for k in range(self.size) if not self.into[k])
        self.cut = [to[k] * on[k] == total for k in range(self.size)]

    def guessed(self, least: int) -> list[bool]:
        """Whether each subtask is a join of so many predecessors, or one that lets these be forgotten."""
        return [
            len(before) >= least or (cut and len(before) > 1)
            for before, cut in zip(self.arcs, self.cut, strict=True)
        ]


Order = Callable[["_Steps"], int]
"""The subtask that comes next, of those that are ready."""


def _orders(shape: _Shape) -> list[Order]:
    ranks = [_inwards(shape)]
    if shape.size <= SORTED_UP_TO:
        ranks.append(list(range(shape.size)))

    def by_rank(steps: _Steps) -> int:
        return min(steps.open, key=ranks[0].__getitem__)

    def greedy(rank: list[int]) -> Order:
        return lambda steps: min(steps.open, key=lambda k: (steps.growth(k), rank[k]))

    if shape.size > SORTED_UP_TO:
        return [by_rank]
    return [by_rank, *map(greedy, ranks)]


def _inwards(shape: _Shape) -> list[int]:
    """Where each subtask stands if all that comes before it goes first, the larger part first."""
    above = [0] * shape.size
    for k in shape.topological:
        for j in shape.into[k]:
            above[k] |= above[j] | 1 << j
    rank, seen = [0] * shape.size, 0
    stack = [(k, False) for k in reversed(shape.topological) if not shape.next[k]]
    done = [False] * shape.size
    while stack:
        k, ready = stack.pop()
        if done[k]:
            continue
        if ready:
            rank[k], seen, done[k] = seen, seen + 1, True
            continue
        stack.append((k, True))
        stack += [(j, False) for j in sorted(shape.into[k], key=lambda j: above[j].bit_count())]
    return rank


class _Segment(NamedTuple):
    """Where a segment ends; what it asks of each delay before it; of each delay after it the one before it,
    and how they are joined; and which delay is 0 on its clock before each step."""

    end: int
    asked: list[int]
    roots: list[tuple[int, int]]
    clock: dict[int, int]


class _Came(NamedTuple):
    """Which delay before a segment one inside of it continues (-1: none), and whether it has changed."""

    root: int
    changed: bool = False

    def after(self, changes: bool) -> _Came:
        """One step later."""
        return _Came(self.root, self.changed or changes)


def _joining(kind: int, came: _Came, clock: int) -> tuple[int, int]:
    """The delay before the segment that one after it comes from, and how both are joined."""
    if came.root < 0 or came.root == clock:
        return came.root, SAME if kind == TRANSFERS or clock < 0 else SHIFTED
    if not came.changed:
        return came.root, BEFORE
    if kind == TRANSFERS:
        return came.root, SUM
    return came.root, LATEST if clock < 0 else LATEST_SHIFTED


class _Steps:
    """The plan as it grows: which sides and delays are known."""

    def __init__(self, shape: _Shape, guessed: Sequence[bool]) -> None:
        self.shape, size = shape, shape.size
        self._missing = [len(before) for before in shape.arcs]
        self.open = [k for k in range(size) if not self._missing[k]]
        self.guessed = guessed
        self._guesses: set[int] = set()
        self._owed = [sum(not self.guessed[k] for _, k in out) for out in shape.out]  # arcs it is known for
        self._front: set[int] = set()
        self._before = [0] * size  # the decided predecessors of each subtask, as bits
        self._waiting: dict[int, set[int]] = {}  # undecided subtasks with the same ones
        self._sums: set[int] = set()
        self._tails = 0
        self._first = {k for k, before in enumerate(shape.into) if not before}  # those that begin at 0
        self._slots: list[tuple[int, int]] = []  # (kind, of whom: bits of predecessors, or a subtask)
        self.order: list[int] = []
        self._guess: list[list[int]] = []
        self._known: list[int] = []
        self._fronts: list[list[int]] = [[]]
        self._ready: list[int] = []
        self._transfers: list[int] = []
        self._delays: list[list[tuple[int, int, int, int]]] = []
        self._after: list[list[int]] = []
        self._pays: list[int] = []
        self._program: list[tuple[int, int]] = []
        self._asked: list[list[int]] = []
        self._roots: list[list[tuple[int, int]]] = []
        self.effort = 0.0

    def run(self, following: Order, most: float) -> bool:
        """Decide all subtasks, unless their sides alone are more effort than ``most``: False."""
        sides = 0.0
        while self.open and sides <= most:
            self._decide(following(self))
            sides += 2.0 ** min(self._known[-1], LARGEST)
        return sides <= most

    def growth(self, k: int) -> int:
        """Binary logarithm of how many times more labels there would be after subtask k."""
        shape = self.shape
        sides = int(self._owed[k] > 0) - int(self.guessed[k])
        if not self.guessed[k]:
            sides -= sum(self._owed[j] == 1 for _, j in shape.arcs[k])
        new = {w for _, w in shape.out[k] if self.guessed[w] and w not in self._guesses}
        sides += len(new)
        delays = sum(not shape.cut[w] for w in new) - int(k in self._sums)
        change: Counter[int] = Counter()
        if self._before[k]:
            change[self._before[k]] -= 1
        for w in shape.next[k]:
            if self._before[w]:
                change[self._before[w]] -= 1
            change[self._before[w] | 1 << k] += 1
        for of, more in change.items():
            has = len(self._waiting.get(of, ()))
            delays += int(has + more > 0) - int(has > 0)
        if not shape.next[k] and not self._tails:
            delays += 1
        return sides + EACH * delays

    def _decide(self, k: int) -> None:
        shape, before = self.shape, self._slots
        new = [w for _, w in shape.out[k] if self.guessed[w] and w not in self._guesses]
        self._guess.append(new)
        self._guesses.update(new)
        known = self._front | set(new)
        self._ready.append(before.index((FINISH, self._before[k])) if self._before[k] else -1)
        self._transfers.append(before.index((TRANSFERS, k)) if k in self._sums else -1)
        self._known.append(len(known | {k}))
        # Sides
        if self.guessed[k]:
            self._front.discard(k)
        else:
            for _, j in shape.arcs[k]:
                self._owed[j] -= 1
                if not self._owed[j]:
                    self._front.discard(j)
        self._front |= set(new) | ({k} if self._owed[k] else set())
        self._fronts.append(sorted(self._front))
        # Delays
        self._sums.discard(k)
        self._stop_waiting(k)
        came_from = {}
        for w in shape.next[k]:
            was = self._stop_waiting(w)
            self._before[w] = was | 1 << k
            self._waiting.setdefault(self._before[w], set()).add(w)
            came_from[self._before[w]] = was
        charged = {w: arc for arc, w in shape.out[k] if self.guessed[w] and not shape.cut[w]}
        self._sums |= set(charged)
        self._tails += not shape.next[k]
        self._first.discard(k)
        slots = [(FINISH, of) for of in self._waiting] + ([(DONE, 0)] if self._tails else [])
        pays = not self._first and len(slots) == 1 and len(self.order) + 1 < shape.size
        slots += [(TRANSFERS, w) for w in sorted(self._sums)]
        rows = []
        for kind, of in slots:
            was, own, arc = of, False, -1
            if kind == FINISH and of in came_from:
                was, own = came_from[of], True
            elif kind == DONE:
                own = not shape.next[k]
            elif kind == TRANSFERS:
                arc = charged.get(of, -1)
            rows.append((kind, before.index((kind, was)) if (kind, was) in before else -1, int(own), arc))
            self._after.append(sorted(self._waiting[of]) if kind == FINISH else [of] * (kind == TRANSFERS))
        self._delays.append(rows)
        self._pays.append(int(pays))
        self._slots = slots[pays:]
        decided = set(self.order) if pays else set()
        if pays:  # what is paid is over for all who wait for it
            for w in self._waiting.pop(slots[0][1], set()):
                self._before[w] = 0
                if all(j == k or j in decided for j in shape.into[w]):
                    self._first.add(w)
        # What comes next
        self.order.append(k)
        self.open.remove(k)
        for _, w in shape.out[k]:
            self._missing[w] -= 1
            if not self._missing[w]:
                self.open.append(w)

    def _stop_waiting(self, k: int) -> int:
        """Forget for whom a subtask waits; returns them."""
        of = self._before[k]
        if of:
            self._waiting[of].discard(k)
            if not self._waiting[of]:
                del self._waiting[of]
        return of

    def divide(
        self, begin: int, end: int, most: float, apart: int = 0, clock: Mapping[int, int] = NOTHING
    ) -> bool:
        """Make segments of some steps, unless the effort gets beyond ``most``: False.

        ``apart`` delays before them are not asked for, and the finish that all of them begin with is the
        delay ``clock[s]`` before step s.
        """
        s = begin
        while s < end and self.effort <= most:
            found = self._segment(s, end, clock.get(s, -1))
            if found is None or (s, found.end) == (begin, end):
                self._program.append((DECIDE, s))
                delays = max(len(self._slots_before(s)) - apart, 0)
                self.effort += 2.0 ** min(self._known[s] + EACH * delays, LARGEST)
                s += 1
                continue
            number = len(self._asked)
            self._asked.append(found.asked)
            self._roots.append(found.roots)
            self._program.append((OPEN, number))
            free = sum(asked != ASKED for asked in found.asked)
            self.divide(s, found.end, most, free, found.clock if found.clock else clock)
            self._program.append((CLOSE, number))
            s = found.end
        return self.effort <= most

    def _slots_before(self, s: int) -> list[tuple[int, int, int, int]]:
        return self._delays[s - 1][self._pays[s - 1] :] if s else []

    def _segment(self, s: int, end: int, clock: int) -> _Segment | None:
        """The longest segment from a step on with a clock of its own, else the shortest one without."""
        before = self._slots_before(s)
        asked, ready = [NOT_ASKED] * len(before), self._ready[s]
        came = [_Came(q) for q in range(len(before))]
        relative = ready >= 0 and ready != clock
        clocks, apart, shortest = {s: ready}, None, None
        for e in range(s, min(end, s + LONGEST)):
            at, sums = self._ready[e], self._transfers[e]
            relative = relative and at >= 0 and came[at].root in (ready, -1)
            for q in (at, sums):
                if q >= 0 and came[q].root >= 0:
                    asked[came[q].root] = ASKED
                    relative = relative and q == at
            if self._pays[e] or (all(asked) and not relative):
                break
            rows = self._slots_before(e + 1)
            came = [
                came[old].after(bool(own) or arc >= 0) if old >= 0 else _Came(-1) for _, old, own, arc in rows
            ]
            if e == s:
                continue
            roots, sides = [one.root for one in came], set(self._fronts[e + 1])
            known = [root for root in roots if root >= 0 and root != ready]
            once = len(set(known)) == len(known)
            if relative:
                for q, one in enumerate(came):
                    if one.root == ready and not one.changed:
                        clocks[e + 1] = q
                if once and len(sides) <= len(self._fronts[s]) + 1 and len(rows) <= len(before) + 1:
                    how = [_joining(kind, one, ready) for (kind, *_), one in zip(rows, came, strict=True)]
                    own = [CLOCK if q == ready else of for q, of in enumerate(asked)]
                    apart = _Segment(e + 1, own, how, clocks)
            elif apart is not None:
                break
            if (
                shortest is None
                and sides <= set(self._fronts[s])
                and -1 not in roots
                and not all(asked)
                and len(set(roots)) == len(roots)
                and not any(asked[one.root] and one.changed for one in came)
            ):
                how = [
                    (one.root, SAME if asked[one.root] else _joining(kind, one, -1)[1])
                    for (kind, *_), one in zip(rows, came, strict=True)
                ]
                shortest = _Segment(e + 1, list(asked), how, {})
            if shortest is not None and not relative:
                break
        return apart or shortest

    def plan(self) -> Frontier:
        """The instructions."""
        step = [0] * self.shape.size
        for i, k in enumerate(self.order):
            step[k] = i
        return Frontier(
            *(_ints(self.order), _ints(step), _ints(self.guessed), _ints(self.shape.cut)),
            *(_joined(self._guess), _starts(self._guess), _joined(self._fronts), _starts(self._fronts)),
            *(_ints(self._ready), _ints(self._transfers)),
            *(rows_of([row for rows in self._delays for row in rows], 4), _starts(self._delays)),
            *(_joined(self._after), _starts(self._after), _ints(self._pays), rows_of(self._program, 2)),
            *(
                _joined(self._asked),
                _starts(self._asked),
                rows_of([row for rows in self._roots for row in rows], 2),
                _starts(self._roots),
            ),
        )


def _ints(values: Sequence[int]) -> Ints:
    return frozen(np.array(values, dtype=np.int64), np.int64)


def _joined(lists: Sequence[Sequence[int]]) -> Ints:
    return _ints([value for values in lists for value in values])


def _starts(lists: Sequence[Sequence[object]]) -> Ints:
    return _ints(np.cumsum([0, *map(len, lists)]).tolist())
