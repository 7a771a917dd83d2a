"""Certificates: the least cost of any task, by dynamic programming along a frontier.

Subtasks are decided one after another, parents first. What the rest has to know of those that are decided
depends on which they are, not on how:

- the *sides* (local or offloaded) of some: of a decided subtask with a child that is not. At a join it can be
  the other way round: its side is *guessed* once the first of its parents is decided, and what the arcs into
  it cost is counted as they come;
- *delays*: the latest finish of the decided parents of each subtask that is not (one number for those that
  have the same ones), that of the tails, and for each guessed join the sum of the transfers to it.

A label is what was paid and these delays, and there is a list for each assignment of sides. All of them are
sums and maxima of what was decided, so a label is dropped where another one of its list is nowhere higher.

Where some steps leave alone, or only add to, delays that they do not read, they are done *apart*: once for
all labels that agree in the delays that are read, with 0 in place of the others. Then the results and the
labels that were put aside are joined, each with each. If all that is read is one finish, from which
everything in the steps starts, it is 0 inside as well, and is added to what comes out (a *clock*).

Steps in a row that all begin at 0, and end in the same latest finish, are a *fork*. Within any time each of
them takes what is cheapest: so the least of the rest of a fork is known for each latest finish so far.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from operator import add, mul
from typing import NamedTuple

from ..data import Application
from .choices import Move, Moves
from .series import TooLarge, undominated

_FINISH, _DONE, _SUM = range(3)
_BEFORE, _INSIDE, _AFTER = range(3)
_WIDER = 4  # so many times wider a list may be before those are dropped that others make needless
_JOINS = (2, 3, 5, 1 << 30)  # from how many parents on a side may be guessed: each is tried
_EACH = 3  # 2^this values of a delay, to compare orders with each other
_WIDEST = 40  # known sides, and as above the delays
_MOST_SUBTASKS = 300
_MOST_READ = 1
_LONGEST = 100  # steps that are done apart
_NOTHING, _PAID = range(2)  # of a label behind a 0, before its delays
_NEVER = 1 << 20_000  # more than anything costs
Label = tuple[int, ...]  # what was paid, then the delays
Table = dict[int, list[Label]]  # by sides: the set of the offloaded subtasks among the known, as bits
Flow = Mapping[tuple[int, int], int]  # how many paths have an arc, or, at (k, k), cross a subtask


class Delay(NamedTuple):
    """A delay that is known between two steps.

    Attributes
    ----------
    kind : int
        The latest finish of parents, that of tails, or the sum of transfers to a join.
    carries : list of (int, int)
        Whose flow it delays.
    before : int
        Which one before the step it continues; -1: it was 0.
    ends : bool
        Whether the finish of the step's subtask may be the latest.
    arc : int
        The arc whose transfer is added; -1: none.
    """

    kind: int
    carries: list[tuple[int, int]]
    before: int
    ends: bool
    arc: int


class Way(NamedTuple):
    """A way to decide a subtask, and what is guessed with it: its side, the sides known afterwards, and the
    transfers (numbered as in `Costs`) that delay it, that delay others, and that are paid delay and all."""

    side: int
    after: int
    own: list[int]
    others: list[int]
    paid: list[int]


class Step(NamedTuple):
    """The decision about one subtask; `start` and `sum` are the delays before it that delay it (-1: none).

    With `pays` the first delay is paid afterwards: all that is undecided comes after it.
    """

    subtask: int
    start: int
    sum: int
    delays: list[Delay]
    pays: bool
    known: int
    after: int
    decided: int
    over: int


class Apart(NamedTuple):
    """Steps that are done apart, from `begin` to before `end`.

    Attributes
    ----------
    program : list of (int or Apart)
        What is done.
    read : list of bool
        For each delay before them whether they read it.
    clock : int
        The delay from which they count, -1: none.
    roots : list of (int, bool)
        For each delay after them the one before that it continues (-1: none), and whether it has changed.
    """

    begin: int
    end: int
    program: Program
    read: list[bool]
    clock: int
    roots: list[tuple[int, bool]]


Program = list[int | Apart]


class Graph:
    """What is asked of an application: sets of subtasks as bits."""

    def __init__(self, application: Application) -> None:
        self.size = len(application.subtasks)
        self.edges = application.edges
        self.out: list[list[tuple[int, int]]] = [[] for _ in range(self.size)]
        self.into: list[list[tuple[int, int]]] = [[] for _ in range(self.size)]
        for arc, (j, k) in enumerate(application.edges):
            self.out[j].append((arc, k))
            self.into[k].append((arc, j))
        self.parents = [0] * self.size
        self.children = [0] * self.size
        self.above = [0] * self.size
        for k in application.order:
            for j in application.parents[k]:
                self.parents[k] |= 1 << j
                self.children[j] |= 1 << k
                self.above[k] |= self.above[j] | 1 << j
        # An arc beside a longer path delays nothing.
        self.late = [set_ & ~_union(self.above, set_) for set_ in self.parents]
        self.tails = sum(1 << k for k in application.tails)
        to, on = [1] * self.size, [1] * self.size  # paths that end, and begin, at a subtask
        for k in application.order:
            to[k] = sum([to[j] for j in _members(self.late[k])]) or 1
        for k in reversed(application.order):
            later = [w for w in _members(self.children[k]) if self.late[w] >> k & 1]
            on[k] = sum([on[w] for w in later]) or 1
        total = sum([on[k] for k in application.heads])
        self.on_every_path = sum(1 << k for k in range(self.size) if to[k] * on[k] == total)
        self.order = application.order
        self.ends = application.tails
        self.latest = [_members(some) for some in self.late]


def _members(subtasks: int) -> list[int]:
    found = []
    while subtasks:
        found.append((subtasks & -subtasks).bit_length() - 1)
        subtasks &= subtasks - 1
    return found


def _union(sets: Sequence[int], members: int) -> int:
    union = 0
    for k in _members(members):
        union |= sets[k]
    return union


# For each delay the one (after a step, by number) that was put aside for it with the labels: in bounds it
# counts as often as paths go on from there, less as often as they did from that one.
Beyond = list[tuple[int, int] | None]
At = int | tuple[int, int, int]  # after a step; before what is done apart, at its end, and after it
Key = tuple[int, int]  # the kind of a delay, and of whom: a set of parents, or a subtask


class _State:
    """What is known between two steps."""

    def __init__(self, graph: Graph, guessed: int, decided: int, over: int) -> None:
        undecided = ~decided & (1 << graph.size) - 1
        self.sides = 0
        self.waiting: dict[int, list[int]] = {}
        sums = []
        self.may_start = False  # whether something undecided may begin at 0
        for w in _members(undecided):
            before = graph.parents[w] & decided
            self.may_start |= graph.late[w] & ~over == 0
            if not before:
                continue
            if guessed >> w & 1:
                self.sides |= 1 << w
                if not graph.on_every_path >> w & 1:
                    sums.append(w)
            else:
                self.sides |= before
            if late := graph.late[w] & decided & ~over:
                self.waiting.setdefault(late, []).append(w)
        self.keys: list[Key] = [(_FINISH, of) for of in sorted(self.waiting)]
        if graph.tails & decided:
            self.keys.append((_DONE, 0))
        self.pays = not self.may_start and len(self.keys) == 1 and undecided != 0
        self.keys += [(_SUM, w) for w in sums]

    @property
    def size(self) -> int:
        """How many labels there may be, as a power of 2."""
        return self.sides.bit_count() + _EACH * len(self.keys)


class Frontier:
    """The order in which the subtasks of an application are decided, and what is known in between."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        if graph.size > _MOST_SUBTASKS:
            raise TooLarge
        self._found: dict[tuple[int, int], list[Way]] = {}
        best = None
        inwards = _inwards(graph)
        for least in _JOINS:
            guessed = sum(
                1 << k
                for k in range(graph.size)
                if len(graph.into[k]) >= least or (len(graph.into[k]) > 1 and graph.on_every_path >> k & 1)
            )
            for order in (inwards, _greedy(graph, guessed, inwards)):
                steps = _steps(graph, guessed, order)
                if max([step.known.bit_count() + _EACH * len(step.delays) for step in steps]) > _WIDEST:
                    continue
                effort: list[float] = []
                program = _divided(steps, 0, len(steps), 0, effort)
                if best is None or sum(effort) < best[0]:
                    best = sum(effort), guessed, steps, program
        if best is None:
            raise TooLarge
        _, self._guessed, self.steps, self.program = best
        self.outermost = {
            one if isinstance(one, int) else (one.begin - 1, one.end, _AFTER) for one in self.program
        }
        self.forks = list(self._all_forks())
        self.beyond: dict[At, Beyond] = {}
        self.clocked: set[int] = set()  # the steps in which times count from a clock
        self._count(self.program, {s: [None] * len(step.delays) for s, step in enumerate(self.steps)})

    def _count(self, program: Program, frame: Mapping[int, Beyond]) -> None:
        """Note what counts in bounds after each step, and before and after what is done apart."""
        for item in program:
            if isinstance(item, int):
                self.beyond[item] = frame[item]
                continue
            begin = item.begin - 1
            if item.clock >= 0:
                self.clocked.update(range(item.begin, item.end))
            self.beyond[begin, item.end, _BEFORE] = frame[begin]
            self.beyond[begin, item.end, _AFTER] = frame[item.end - 1]
            came = [(q, False) for q in range(len(item.read))]
            inner: dict[int, Beyond] = {}
            for s in range(begin, item.end):
                delays = self.steps[s].delays[self.steps[s].pays :]
                came = came if s == begin else _came(came, self.steps[s])
                counted = list(frame[s])
                for q, (root, _) in enumerate(came):
                    if root >= 0 and not item.read[root]:
                        beyond = root != item.clock and delays[q].kind != _SUM
                        counted[q - len(came)] = (begin, root) if beyond else None
                inner[s] = counted
            self.beyond[begin, item.end, _INSIDE] = inner[item.end - 1]
            self._count(item.program, inner)

    def fork_finish(self, s: int) -> int:
        """Return which delay after a step is the finish of those that it is one of."""
        return next(q for q, one in enumerate(self.steps[s].delays) if one.ends)

    def _all_forks(self) -> Iterator[tuple[int, int]]:
        """Yield where forks begin, and before what they end: no side is guessed there, and none of theirs is
        known afterwards."""
        begin: int | None = None
        for s, step in enumerate(self.steps):
            side = 1 << step.subtask
            alone = (
                sum(one.ends for one in step.delays) == 1
                and (step.start, step.sum, step.pays) == (-1, -1, False)
                and not (step.known & ~self._before(s) & ~side or step.after & side)
            )
            goes_on = begin is not None and (
                alone and step.delays[self.fork_finish(s)].before == self.fork_finish(s - 1)
            )
            if begin is not None and not goes_on:
                yield begin, s
            if not goes_on:
                begin = s if alone else None

    def ways(self, s: int, sides: int) -> list[Way]:
        """Return the ways to decide a subtask where these sides are known."""
        if (s, sides) in self._found:
            return self._found[s, sides]
        graph, step = self.graph, self.steps[s]
        k, count = step.subtask, len(graph.edges)
        new = [w for w in _members(step.known & ~(1 << k)) if not self._before(s) >> w & 1]
        found = []
        for side in [sides >> k & 1] if self._before(s) >> k & 1 else (0, 1):
            for choice in range(1 << len(new)):
                now = (
                    sides & ~(1 << k) | side << k | sum(1 << w for i, w in enumerate(new) if choice >> i & 1)
                )
                own: list[int] = []
                others: list[int] = []
                paid: list[int] = []
                if not self._guessed >> k & 1:
                    own = [arc if side else arc + count for arc, j in graph.into[k] if now >> j & 1 != side]
                for arc, w in graph.out[k]:
                    if self._guessed >> w & 1 and now >> w & 1 != side:
                        kind = paid if graph.on_every_path >> w & 1 else others
                        kind.append(arc + count if side else arc)
                found.append(Way(side, now & step.after, own, others, paid))
        self._found[s, sides] = found
        return found

    def _before(self, s: int) -> int:
        return self.steps[s - 1].after if s else 0


def _inwards(graph: Graph) -> list[int]:
    """Return an order in which all that comes before a subtask goes first, the larger part of it earlier."""
    order: list[int] = []
    done = 0
    pending = [(k, False) for k in reversed(_members(graph.tails))]
    while pending:
        k, ready = pending.pop()
        if done >> k & 1:
            continue
        if ready:
            order.append(k)
            done |= 1 << k
        else:
            pending.append((k, True))
            parents = sorted(_members(graph.parents[k]), key=lambda j: graph.above[j].bit_count())
            pending += [(j, False) for j in parents]
    return order


def _greedy(graph: Graph, guessed: int, inwards: Sequence[int]) -> list[int]:
    """Return an order after each step of which as little as possible is known."""
    order: list[int] = []
    decided = 0
    left = list(inwards)
    while left:
        ready = [k for k in left if not graph.parents[k] & ~decided]
        k = min(ready, key=lambda k: _State(graph, guessed, decided | 1 << k, 0).size)
        order.append(k)
        left.remove(k)
        decided |= 1 << k
    return order


def _steps(graph: Graph, guessed: int, order: Sequence[int]) -> list[Step]:
    decided = over = sides = 0
    keys: list[Key] = []
    steps = []
    for k in order:
        late = graph.late[k] & ~over
        start = keys.index((_FINISH, late)) if late else -1
        total = keys.index((_SUM, k)) if (_SUM, k) in keys else -1
        decided |= 1 << k
        state = _State(graph, guessed, decided, over)
        arcs = {w: arc for arc, w in graph.out[k]}
        delays = []
        for kind, of in state.keys:
            if kind == _FINISH:
                carries = [(j, w) for w in state.waiting[of] for j in _members(of)]
                was, ends, arc = (kind, of & ~(1 << k)), bool(of >> k & 1), -1
            elif kind == _DONE:
                carries = [(j, j) for j in _members(graph.tails & decided)]
                was, ends, arc = (kind, of), bool(graph.tails >> k & 1), -1
            else:
                carries, was, ends, arc = [(of, of)], (kind, of), False, arcs.get(of, -1)
            delays.append(Delay(kind, carries, keys.index(was) if was in keys else -1, ends, arc))
        new = sum(1 << w for w in arcs if guessed >> w & 1)
        steps.append(
            Step(k, start, total, delays, state.pays, sides | new | 1 << k, state.sides, decided, over)
        )
        keys, sides = state.keys[state.pays :], state.sides
        if state.pays:
            over = decided
    return steps


def _came(came: Sequence[tuple[int, bool]], step: Step) -> list[tuple[int, bool]]:
    """Return for each delay after a step where it comes from, and whether it has changed."""
    return [
        (came[one.before][0], came[one.before][1] or one.ends or one.arc >= 0)
        if one.before >= 0
        else (-1, True)
        for one in step.delays[step.pays :]
    ]


def _divided(
    steps: Sequence[Step], begin: int, end: int, apart: int, effort: list[float], clocked: bool = False
) -> Program:
    """Return what is done from one step to another, where so many delays are not read."""
    program: Program = []
    s = begin
    while s < end:
        found = _apart(steps, s, end, clocked and s == begin)
        if found is None or (s, found.end) == (begin, end):
            before = len(steps[s - 1].delays) - steps[s - 1].pays if s else 0
            effort.append(2.0 ** (steps[s].known.bit_count() + _EACH * max(before - apart, 0)))
            program.append(s)
            s += 1
            continue
        free = sum(not read for read in found.read)
        found.program.extend(_divided(steps, s, found.end, free, effort, found.clock >= 0))
        program.append(found)
        s = found.end
    return program


def _apart(steps: Sequence[Step], s: int, end: int, clocked: bool) -> Apart | None:
    """Return the longest part from a step on with a clock, else the shortest one that leaves nothing new."""
    if s == 0:
        return None
    before = len(steps[s - 1].delays) - steps[s - 1].pays
    read = [False] * before
    start = steps[s].start
    relative = start >= 0 and not clocked
    came = [(q, False) for q in range(before)]
    longest = shortest = None
    for e in range(s, min(end, s + _LONGEST)):
        step = steps[e]
        relative = relative and step.start >= 0 and came[step.start][0] in (start, -1)
        for q in (step.start, step.sum):
            if q >= 0 and came[q][0] >= 0:
                read[came[q][0]] = True
                relative = relative and q == step.start
        if step.pays or sum(read) - relative > _MOST_READ or (all(read) and not relative):
            break
        came = _came(came, step)
        if e == s:
            continue
        roots = [root for root, _ in came]
        known = [root for root in roots if root >= 0 and root != start]
        if relative:
            if (
                len(set(known)) == len(known)
                and step.after.bit_count() <= steps[s - 1].after.bit_count() + 1
                and len(came) <= before + 1
            ):
                own = [q != start and was for q, was in enumerate(read)]
                longest = Apart(s, e + 1, [], own, start, came)
        elif longest is not None:
            break
        if (
            shortest is None
            and not step.after & ~steps[s - 1].after
            and -1 not in roots
            and not all(read)
            and len(set(roots)) == len(roots)
            and not any(read[root] and changed for root, changed in came)
        ):
            shortest = Apart(s, e + 1, [], list(read), -1, came)
        if shortest is not None and not relative:
            break
    return longest or shortest


def _after(at: At) -> int:
    """Return the step after which that is."""
    if isinstance(at, int):
        return at
    begin, end, when = at
    return begin if when == _BEFORE else end - 1


class Fork(NamedTuple):
    """What the rest of a fork, and all after it, costs at least: by times for its latest finish, from 0 on,
    without that finish, and with it at any of these times from there on; and what the finish costs."""

    times: list[int]
    costs: list[int]
    beyond: list[int]
    weight: int

    def least(self, finish: int) -> int:
        """Return the least with a latest finish of at least that."""
        i = bisect_right(self.times, finish)
        now = self.weight * finish + self.costs[i - 1]
        return min(now, self.beyond[i]) if i < len(self.times) else now


class Sweep:
    """The dynamic program for one device.

    Paths, counted with their multiplicity, `unit` in all, bound what a label can lead to: none of them is
    heavier than the heaviest. With their average in place of the greatest delay the least of all that is
    undecided is a sum, which depends on the known sides alone; in it each delay of a label counts as
    often as paths go on from there.

    Attributes
    ----------
    best : int
        The least cost of a decision that is known: labels that cannot lead to less are dropped.
    bound : int or None
        The least cost that labels dropped for want of room could lead to.
    """

    def __init__(
        self, frontier: Frontier, moves: Moves, arcs: Sequence[Move], flow: Flow, unit: int, best: int
    ) -> None:
        self._frontier, self._moves, self._unit = frontier, moves, unit
        self.best = best
        self._weights = [
            [sum([flow.get(pair, 0) for pair in one.carries]) for one in step.delays]
            for step in frontier.steps
        ]
        self._floors = self._waiting()
        self._counted = {
            at: [
                weight
                if off is None
                else weight - self._weights[off[0]][off[1] + frontier.steps[off[0]].pays]
                for weight, off in zip(self._weights[_after(at)], offs, strict=True)
            ]
            for at, offs in frontier.beyond.items()
        }
        self._ways: list[dict[int, list[tuple[int, int, int, int, list[int]]]]] = []
        sides = {0}
        for s, step in enumerate(frontier.steps):
            ways = {}
            for some in sides:
                ways[some] = [
                    (
                        way.side,
                        way.after,
                        sum([arcs[i][0] for i in way.own]),
                        sum([arcs[i][1] for i in way.own + way.others])
                        + sum([arcs[i][0] + arcs[i][1] for i in way.paid]),
                        [
                            sum([arcs[i][0] for i in way.others if i % len(frontier.graph.edges) == one.arc])
                            if one.arc >= 0
                            else 0
                            for one in step.delays
                        ],
                    )
                    for way in frontier.ways(s, some)
                    if moves[step.subtask][way.side]
                ]
            sides = {way[1] for some in ways.values() for way in some}
            self._ways.append(ways)
        self._rest: list[dict[int, int]] = [{0: 0}]
        for step, ways in zip(reversed(frontier.steps), reversed(self._ways), strict=True):
            share = flow.get((step.subtask, step.subtask), 0)
            least = [
                min([share * d + unit * c for d, c in side], default=_NEVER) for side in moves[step.subtask]
            ]
            shares = [flow.get(one.carries[0], 0) if one.kind == _SUM else 0 for one in step.delays]
            after = self._rest[-1]
            self._rest.append(
                {
                    some: min(
                        [
                            least[side] + share * own + unit * paid + sum(map(mul, shares, adds)) + after[now]
                            for side, now, own, paid, adds in found
                        ],
                        default=_NEVER,
                    )
                    for some, found in ways.items()
                }
            )
        self._rest.reverse()
        self._forks: dict[tuple[int, int], Fork] = {}
        for begin, end in frontier.forks:
            for known in self._ways[begin]:
                self._fork(begin, end, known)

    def _fork(self, begin: int, end: int, sides: int) -> None:
        """Note what the rest of a fork costs at least after each of its steps; these sides are known before.

        All flow from its steps is led by way of the one that ends last: the bound is that of another flow.
        """
        weight = self._weights[end - 1][self._frontier.fork_finish(end - 1)]
        options: list[list[tuple[int, int]]] = []
        known = [sides]
        for s in range(begin, end):
            ways, step = self._ways[s][known[-1]], self._frontier.steps[s]
            if not ways:
                return
            shares = [self._weights[s][q] if one.kind == _SUM else 0 for q, one in enumerate(step.delays)]
            options.append(
                sorted(
                    (own + d, self._unit * (c + paid) + sum(map(mul, shares, adds)))
                    for side, _, own, paid, adds in ways
                    for d, c in self._moves[step.subtask][side]
                )
            )
            known.append(ways[0][1])
        times = sorted({0} | {d for some in options for d, _ in some})
        costs = [self._rest[end][known[-1]]] * len(times)
        for s in reversed(range(begin, end)):
            lasting = [weight * t + cost for t, cost in zip(times, costs, strict=True)]
            beyond = list(accumulate(reversed(lasting), min))[::-1]
            self._forks[s, known[s + 1 - begin]] = Fork(times, costs, beyond, weight)
            some, i, least = options[s - begin], 0, _NEVER
            each = []
            for t in times:
                while i < len(some) and some[i][0] <= t:
                    least = min(least, some[i][1])
                    i += 1
                each.append(least)
            costs = list(map(add, costs, each))

    def _waiting(self) -> list[list[int]]:
        """Return for each delay after a step what it may be raised to.

        Until then all for whom it is the latest finish have to wait for parents that are not decided.
        """
        graph = self._frontier.graph
        fastest = [min([d for d, _ in stay + leave]) for stay, leave in self._moves]
        floors, over, finish = [], -1, [0] * graph.size
        for s, step in enumerate(self._frontier.steps):
            if step.over != over:
                over = step.over
                finish = [0] * graph.size
                for k in graph.order:
                    if not over >> k & 1:
                        finish[k] = fastest[k] + max([finish[j] for j in graph.latest[k]], default=0)
            some = []
            for one in step.delays:
                if s in self._frontier.clocked or one.kind == _SUM:
                    some.append(0)
                elif one.kind == _DONE:
                    some.append(max([finish[k] for k in graph.ends if not step.decided >> k & 1], default=0))
                else:
                    some.append(
                        min(
                            max([finish[j] for j in graph.latest[w] if not step.decided >> j & 1], default=0)
                            for w in {w for _, w in one.carries}
                        )
                    )
            floors.append(some)
        return floors

    def run(self, width: int) -> int:
        """Return the least cost where lists are no longer than the width, else a lower bound of it."""
        self._dropped: int | None = None
        table = self._run(self._frontier.program, {0: [(0,)]}, 0, width)
        for labels in table.values():
            self.best = min([self.best] + [sum(label) for label in labels])
        if self._dropped is None:
            return self.best
        return min(self.best, -(-self._dropped // self._unit))

    def _run(self, program: Program, table: Table, base: int, width: int) -> Table:
        for item in program:
            if isinstance(item, int):
                table = self._narrowed(self._decided(item, table, base), item, base, width)
            else:
                at = item.begin - 1, item.end, _AFTER
                table = self._narrowed(self._apart(item, table, base, width), at, base, width)
        return table

    def _decided(self, s: int, table: Table, base: int) -> Table:
        """Return the labels after a step."""
        step, unit, rest = self._frontier.steps[s], self._unit, self._rest[s + 1]
        weights, most = self._counted[s], self._unit * self.best - base
        start, total = step.start + 1, step.sum + 1
        ends = [i for i, one in enumerate(step.delays) if one.ends]
        found: Table = {}
        for sides, labels in table.items():
            for side, after, own, paid, adds in self._ways[s][sides]:
                room = most - rest[after]
                delays = [
                    (one.before + 1, add, floor)
                    for one, add, floor in zip(step.delays, adds, self._floors[s], strict=True)
                ]
                some = found.setdefault(after, [])
                for label in labels:
                    begin = own + (label[start] if start else 0) + (label[total] if total else 0)
                    cost = paid + label[0]
                    values = [max(label[old] + add if old else add, floor) for old, add, floor in delays]
                    known = unit * cost + sum(map(mul, weights, values))
                    for d, c in self._moves[step.subtask][side]:
                        finish, bound = begin + d, known + unit * c
                        for i in ends:
                            if values[i] < finish:
                                bound += weights[i] * (finish - values[i])
                        if bound >= room:
                            continue
                        new = values[:]
                        for i in ends:
                            if new[i] < finish:
                                new[i] = finish
                        if step.pays:
                            some.append((cost + c + new[0], *new[1:]))
                        else:
                            some.append((cost + c, *new))
        return found

    def _apart(self, part: Apart, table: Table, base: int, width: int) -> Table:
        """Return the labels after some steps that are done apart."""
        starts: dict[tuple[int, Label], list[Label]] = {}
        for sides, labels in table.items():
            for label in labels:
                key = tuple([d if read else 0 for d, read in zip(label[1:], part.read, strict=True)])
                starts.setdefault((sides, key), []).append(label)
        unit, (before, inside, after) = self._unit, self._counted_apart(part)
        # A number is at least one of the label aside, and one inside and one of the label aside: which.
        least_of, added_to = [_NOTHING], [_PAID]
        for (root, changed), delay in zip(part.roots, self._frontier.steps[part.end - 1].delays, strict=True):
            own = root + 2 if root >= 0 and not part.read[root] and root != part.clock else _NOTHING
            later = part.clock + 2 if (changed or root == part.clock) and part.clock >= 0 else _NOTHING
            least_of.append(_NOTHING if delay.kind == _SUM else own)
            added_to.append(own if delay.kind == _SUM else later)
        found: Table = {}
        for (sides, key), labels in starts.items():
            known = sum(map(mul, before, (0, *key)))
            aside = sorted([(sum(map(mul, before, label)) - known, label) for label in labels])
            results = self._run(part.program, {sides: [(0, *key)]}, base + aside[0][0], width)
            for now, others in results.items():
                room = unit * self.best - base - self._rest[part.end][now]
                added = sorted([(sum(map(mul, inside, label)), label) for label in others])
                joined = found.setdefault(now, [])
                for least, one in aside:
                    padded = (0, *one)
                    floors, more = [padded[i] for i in least_of], [padded[i] for i in added_to]
                    for bound, other in added:
                        if least + bound >= room:
                            break
                        new = tuple(map(max, floors, map(add, other, more)))
                        if sum(map(mul, after, new)) < room:
                            joined.append(new)
        return found

    def _counted_apart(self, part: Apart) -> list[list[int]]:
        """Return how much labels count by: before the part, inside at its end, and after it."""
        return [self._counting((part.begin - 1, part.end, when)) for when in (_BEFORE, _INSIDE, _AFTER)]

    def _counting(self, at: At) -> list[int]:
        return [self._unit, *self._counted[at][self._frontier.steps[_after(at)].pays :]]

    def _narrowed(self, table: Table, at: At, base: int, width: int) -> Table:
        """Drop what is not needed, and what there is no room for."""
        if at in self._frontier.outermost and (_after(at), next(iter(table), 0)) in self._forks:
            most = self._unit * self.best
            table = {
                sides: [
                    one
                    for one, bound in zip(labels, self._led(at, base, sides, labels), strict=True)
                    if bound < most
                ]
                for sides, labels in table.items()
            }
        table = self._cut(table, at, base, _WIDER * width)
        table = {sides: undominated(labels) for sides, labels in table.items() if labels}
        return self._cut(table, at, base, width)

    def _cut(self, table: Table, at: At, base: int, width: int) -> Table:
        if sum(map(len, table.values())) <= width:
            return table
        order = sorted(
            [
                (bound, sides, label)
                for sides, labels in table.items()
                for bound, label in zip(self._led(at, base, sides, labels), labels, strict=True)
            ]
        )
        least = order[width][0]
        self._dropped = least if self._dropped is None else min(self._dropped, least)
        kept: Table = {}
        for _, sides, label in order[:width]:
            kept.setdefault(sides, []).append(label)
        return kept

    def _led(self, at: At, base: int, sides: int, labels: Sequence[Label]) -> list[int]:
        """Return the least that each label can lead to."""
        weights, s = self._counting(at), _after(at)
        fork = self._forks.get((s, sides)) if at in self._frontier.outermost else None
        if fork is None:
            known = base + self._rest[s + 1][sides]
            return [known + sum(map(mul, weights, label)) for label in labels]
        q = 1 + self._frontier.fork_finish(s)
        weights[q] = 0
        return [base + sum(map(mul, weights, label)) + fork.least(label[q]) for label in labels]
