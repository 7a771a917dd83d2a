"""Certificates: the least cost of a task in series and parallel."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple, TypeVar

from ..data import Application
from .choices import Labels, Marked, Move, Moves

_NEVER = 1 << 20_000  # more than anything costs
_LARGEST_CONTEXT = 10  # a block has up to 2^this lists of labels
_MOST_LABELS = 100_000  # in a list, before it is reduced
_AT_ONCE = 4096  # labels that are compared
_DEEPEST = 100  # blocks within blocks
_MOST_COMPARISONS = 100_000_000  # of labels, and pairs of them, at one enumeration
_MOST_PATTERNS = 100_000  # at one enumeration, besides one of each device


AnyLabel = TypeVar("AnyLabel", bound=tuple[int, ...])


class TooLarge(Exception):
    """A task is beyond a limit of the dynamic programming."""


class Effort:
    """What one enumeration of patterns may still take."""

    def __init__(self) -> None:
        self._comparisons, self._patterns = _MOST_COMPARISONS, _MOST_PATTERNS

    def compare(self, count: int) -> None:
        """Take note of comparisons."""
        self._comparisons -= count
        if self._comparisons < 0:
            raise TooLarge

    def keep(self, count: int) -> None:
        """Take note of a device's patterns."""
        self._patterns -= max(count - 1, 0)
        if self._patterns < 0:
            raise TooLarge


@dataclass(frozen=True)
class Group:
    """Blocks of subtasks in series or in parallel; a block is a group, or the number of a subtask."""

    series: bool
    parts: list[Block]


Block = Group | int


def decompose(application: Application) -> Block | None:
    """Divide the subtasks of an application into blocks in series and in parallel.

    Two subtasks are related where a path leads from one to the other. The heaviest path weighs as much as
    the heaviest set of subtasks any two of which are related. So the weight of blocks without a relation
    between them is the greatest of their weights (parallel), that of blocks with every relation between
    them is the sum (series). Arcs beside a longer path make no difference here.

    Parameters
    ----------
    application : Application
        The graph.

    Returns
    -------
    Group or int or None
        None where that is not possible, or too deep.
    """
    count = len(application.subtasks)
    related = [0] * count  # sets of subtasks as bits
    for k in application.order:
        for j in application.parents[k]:
            related[k] |= related[j] | 1 << j
    for k in reversed(application.order):  # up to here those before k
        for j in range(count):
            if related[k] >> j & 1:
                related[j] |= 1 << k
    unrelated = [~others & ~(1 << k) for k, others in enumerate(related)]
    position = {k: i for i, k in enumerate(application.order)}

    def block(members: int, depth: int) -> Block | None:
        if members & (members - 1) == 0:
            return members.bit_length() - 1
        for series, links in ((False, related), (True, unrelated)):
            sets = _components(members, links)
            if len(sets) > 1 and depth < _DEEPEST:
                # In series all of one set is before all of the next, so any member tells the order.
                sets.sort(key=lambda part: position[part.bit_length() - 1])
                parts = [block(part, depth + 1) for part in sets]
                return None if None in parts else Group(series, [part for part in parts if part is not None])
        return None

    return block((1 << count) - 1, 0)


def _components(members: int, links: Sequence[int]) -> list[int]:
    parts = []
    while members:
        part = pending = members & -members
        while pending:
            k = pending.bit_length() - 1
            found = links[k] & members & ~part
            part |= found
            pending = pending ^ 1 << k | found
        parts.append(part)
        members &= ~part
    return parts


class Step(NamedTuple):
    """One block, to be computed after the blocks that it is made of.

    The context of a block are the subtasks of which it must be known both inside and outside whether they
    are offloaded. It has one list of labels for each assignment to them: in the number of an assignment the
    i-th bit stands for the i-th of them.
    """

    members: int
    context: list[int]
    ahead: bool  # whether a label may add to the delay of the subtask after the block
    compute: Callable[[Moves, list[Move], list[list[Labels]]], list[Labels]]
    of: Single | Pair  # what it is made of


class Single(NamedTuple):
    """What a step of one subtask knows."""

    subtask: int
    on_every_path: bool
    options: list[list[tuple[int, Transfers]]]


class Pair(NamedTuple):
    """What a step of two blocks knows: their steps, and for each list the pairs of theirs."""

    first: int
    second: int
    series: bool
    on_every_path: bool
    pairs: list[list[tuple[int, int]]]


class SeriesParallel:
    """The least cost of a task in series and parallel, by dynamic programming.

    Which subtasks are offloaded decides about the transfers. One along arc (j, k) is part of the delay of
    k. It is counted in one of three ways:

    - k is on every path, so that its delay is delay of the task, another cost: at j, which needs to know
      whether k is offloaded;
    - k follows a parallel block, and j is one of the last there: likewise at j, but in the second component
      of the labels, since it is not clear yet whether k is on the heaviest path (counted here the branches
      need not know of each other);
    - else: at k, which needs to know whether j is offloaded.

    What others need to know about a subtask is tried both ways in the smallest block that holds them all.
    Labels (d, p, c) of two blocks are combined by

    - series: (d1 + p1 + d2, p2, c1 + c2),
    - parallel: (max(d1, d2), p1 + p2, c1 + c2),

    and dropped where another one is nowhere higher. A block that every path crosses needs one label.
    """

    def __init__(self, application: Application) -> None:
        root = decompose(application)
        if root is None:
            raise TooLarge
        self._steps: list[Step] = []
        self._everything = (1 << len(application.subtasks)) - 1
        self._arc_count = len(application.edges)
        top = root.parts if isinstance(root, Group) and root.series else [root]
        self._on_every_path = {part for part in top if isinstance(part, int)}
        self._arcs: list[list[tuple[int, int, bool]]] = [[] for _ in application.subtasks]
        self._needed_by = [1 << k for k in range(len(application.subtasks))]
        ahead = set(_ahead(root))
        for arc, (j, k) in enumerate(application.edges):
            early = k in self._on_every_path or (j, k) in ahead
            at, other = (j, k) if early else (k, j)
            self._arcs[at].append((arc, other, early))
            self._needed_by[other] |= 1 << at
        self._block(root, on_every_path=True)

    def least(self, moves: Moves, arcs: list[Move]) -> int | None:
        """Return the least cost, or None where there is no decision.

        Raises
        ------
        TooLarge
            If there are too many labels.
        """
        done: list[list[Labels]] = []
        for step in self._steps:
            done.append(step.compute(moves, arcs, done))
        (labels,) = done[-1]
        return labels[0][2] if labels else None

    def patterns(
        self,
        moves: Moves,
        marks: Sequence[Sequence[int]],
        arcs: list[Move],
        ceiling: int,
        paid: Callable[[int], int],
        guard: int,
        effort: Effort,
    ) -> list[tuple[int, int]]:
        """Return (cost, used) of all decisions up to a cost, but for those that another one makes needless.

        That one costs no more without prices, and has no higher number in any field of `used`.

        Parameters
        ----------
        moves, arcs
            As for `least`; all ways to offload a subtask, not only the cheapest of equal delay.
        marks : sequence of sequence of int
            For each subtask and each way to offload it what that adds to `used`.
        ceiling : int
            Decisions that cost more are left out.
        paid : callable
            The prices of `used`.
        guard : int
            A bit above each field of `used`.
        effort : Effort
            What is left of it.

        Raises
        ------
        TooLarge
            If there are too many labels, or some of a kind for which this is not done.
        """
        if any(
            step.ahead or (isinstance(step.of, Pair) and step.of.series and not step.of.on_every_path)
            for step in self._steps
        ):
            raise TooLarge
        done: list[list[Labels]] = []
        for step in self._steps:
            done.append(step.compute(moves, arcs, done))
        rest = self._rest(done)
        kept: list[list[Marked]] = []
        for step, least, others in zip(self._steps, done, rest, strict=True):
            lists = []
            for number, labels in enumerate(least):
                outside = _Outside(labels, others[number])
                if isinstance(step.of, Single):
                    found = self._ways(step.of, number, moves, marks, arcs)
                else:
                    found = _pairs(step.of, number, kept, effort)
                some: dict[tuple[int, int], int] = {}  # for each delay and use the cost without prices
                for d, c, used in found if labels else ():
                    if c + outside(d) <= ceiling:
                        cost = c - paid(used)
                        if some.get((d, used), cost) >= cost:
                            some[d, used] = cost
                            _check_count(len(some))
                needed = _needed(some.items(), guard, effort)
                lists.append([(d, cost + paid(used), used) for cost, used, d in needed])
            kept.append(lists)
        return [(c, used) for _, c, used in kept[-1][0]]

    def _rest(self, done: list[list[Labels]]) -> list[list[list[int]]]:
        """Return for each label the least that the rest of the task adds to it."""
        rest = [[[_NEVER] * len(labels) for labels in lists] for lists in done]
        rest[-1][0] = [0] * len(done[-1][0])
        for number in range(len(done) - 1, -1, -1):
            of = self._steps[number].of
            if isinstance(of, Single):
                continue
            for i, some in enumerate(of.pairs):
                labels, own = done[number][i], rest[number][i]
                if not labels:
                    continue
                outside = (lambda d, own=own: own[0] + d) if of.on_every_path else _Outside(labels, own)
                for x, y in some:
                    one, two = done[of.first][x], done[of.second][y]
                    _lower(rest[of.first][x], one, two, outside)
                    _lower(rest[of.second][y], two, one, outside)
        return rest

    def _ways(
        self, of: Single, number: int, moves: Moves, marks: Sequence[Sequence[int]], arcs: list[Move]
    ) -> Iterator[tuple[int, int, int]]:
        for own, transfers in of.options[number]:
            delay = sum([arcs[i][0] for i in transfers.own])
            cost = sum([arcs[i][1] for i in transfers.own])
            cost += sum([arcs[i][0] + arcs[i][1] for i in transfers.paid])
            for i, (d, c) in enumerate(moves[of.subtask][own]):
                used = marks[of.subtask][i] if own else 0
                yield (0, delay + d + cost + c, used) if of.on_every_path else (delay + d, cost + c, used)

    def _block(self, block: Block, on_every_path: bool) -> int:
        """Add the steps of a block; return the number of the last one."""
        if isinstance(block, int):
            step = self._on_path(block) if on_every_path else self._in_branch(block)
            return self._add(step)
        numbers = [self._block(part, on_every_path and block.series) for part in block.parts]
        number = numbers[0]
        for i, other in enumerate(numbers[1:], start=2):
            whole = block.series or i == len(numbers)
            number = self._add(self._pair(number, other, block.series, on_every_path and whole))
        return number

    def _add(self, step: Step) -> int:
        self._steps.append(step)
        return len(self._steps) - 1

    def _context(self, members: int) -> list[int]:
        """Return the subtasks of which it must be known both in a block and outside of it."""
        outside = self._everything & ~members
        return [v for v, needed in enumerate(self._needed_by) if needed & members and needed & outside]

    def _on_path(self, k: int) -> Step:
        """Return the step of a subtask on every path; what is counted here is paid by the task anyway."""
        context = self._context(1 << k)
        options = self._options(k, context)

        def compute(moves: Moves, arcs: list[Move], _: list[list[Labels]]) -> list[Labels]:
            least = [min([d + c for d, c in side], default=None) for side in moves[k]]
            result = []
            for option in options:
                costs = [
                    cost + sum([arcs[i][0] + arcs[i][1] for i in transfers.paid])
                    for own, transfers in option
                    if (cost := least[own]) is not None
                ]
                result.append([(0, 0, min(costs))] if costs else [])
            return result

        return Step(1 << k, context, False, compute, Single(k, True, options))

    def _in_branch(self, k: int) -> Step:
        """Return the step of a subtask that some paths miss."""
        context = self._context(1 << k)
        options = self._options(k, context)
        ahead = any(early and other not in self._on_every_path for _, other, early in self._arcs[k])
        keep = undominated if ahead else _stairs

        def compute(moves: Moves, arcs: list[Move], _: list[list[Labels]]) -> list[Labels]:
            result = []
            for option in options:
                labels: Labels = []
                for own, transfers in option:
                    delay = after = cost = 0
                    for i in transfers.own:
                        delay += arcs[i][0]
                        cost += arcs[i][1]
                    for i in transfers.ahead:
                        after += arcs[i][0]
                        cost += arcs[i][1]
                    for i in transfers.paid:
                        cost += arcs[i][0] + arcs[i][1]
                    labels += [(delay + d, after, cost + c) for d, c in moves[k][own]]
                result.append(keep(labels))
            return result

        return Step(1 << k, context, ahead, compute, Single(k, False, options))

    def _options(self, k: int, context: Sequence[int]) -> list[list[tuple[int, Transfers]]]:
        """Return for each assignment whether the subtask may be offloaded (1) or not (0), and what for."""
        _check_width(context)
        options: list[list[tuple[int, Transfers]]] = []
        for number in range(1 << len(context)):
            away = {v: number >> i & 1 for i, v in enumerate(context)}
            options.append(
                [(own, self._transfers(k, own, away)) for own in (0, 1) if away.get(k, own) == own]
            )
        return options

    def _transfers(self, k: int, own: int, away: Mapping[int, int]) -> Transfers:
        found = Transfers([], [], [])
        for arc, other, early in self._arcs[k]:
            if away[other] != own:
                upwards = (own == 0) == early  # early: k is the first end of the arc
                kind = found.own if not early else found.paid if other in self._on_every_path else found.ahead
                kind.append(arc if upwards else arc + self._arc_count)
        return found

    def _pair(self, first: int, second: int, series: bool, on_every_path: bool) -> Step:
        """Return the step of two blocks in series or in parallel."""
        left, right = self._steps[first], self._steps[second]
        context = self._context(left.members | right.members)
        known = sorted({*left.context, *right.context})
        _check_width(known)
        free = [v for v in known if v not in context]
        pairs: list[list[tuple[int, int]]] = []  # the assignments of both that go with one of the context
        for number in range(1 << len(context)):
            away = {v: number >> i & 1 for i, v in enumerate(context)}
            pairs.append([])
            for attempt in range(1 << len(free)):
                away |= {v: attempt >> i & 1 for i, v in enumerate(free)}
                pairs[-1].append((_number(left.context, away), _number(right.context, away)))
        ahead = right.ahead if series else left.ahead or right.ahead
        combine = _in_series if series else _in_parallel_ahead if ahead else _in_parallel
        keep = _cheapest if on_every_path else undominated if ahead else _stairs

        def compute(_: Moves, __: list[Move], done: list[list[Labels]]) -> list[Labels]:
            one, two = done[first], done[second]
            result = []
            for some in pairs:
                labels: Labels = []
                for i, j in some:
                    labels += combine(one[i], two[j])
                    _check_count(len(labels))
                result.append(keep(labels))
            return result

        of = Pair(first, second, series, on_every_path, pairs)
        return Step(left.members | right.members, context, ahead and not on_every_path, compute, of)


def _needed(
    costs: Iterable[tuple[tuple[int, int], int]], guard: int, effort: Effort
) -> list[tuple[int, int, int]]:
    """Return (cost, used, delay) for which no other one is nowhere higher; `used` in each of its fields."""
    kept: list[tuple[int, int, int]] = []
    # Where no field is higher the number is not, so that whoever makes another one needless comes first.
    for cost, used, d in sorted([(cost, used, d) for (d, used), cost in costs]):
        high = used | guard
        effort.compare(len(kept))
        for _, other, delay in kept:
            if delay <= d and (high - other) & guard == guard:
                break
        else:
            kept.append((cost, used, d))
    return kept


class _Outside:
    """What the rest adds at least to a delay: as much as to the label with the greatest one up to it."""

    def __init__(self, labels: Labels, rest: Sequence[int]) -> None:
        self._delays = [d for d, _, _ in labels]
        self._rest = rest

    def __call__(self, delay: int) -> int:
        return self._rest[bisect_right(self._delays, delay) - 1]


def _lower(rest: list[int], one: Labels, two: Labels, outside: Callable[[int], int]) -> None:
    """Lower what the rest adds to labels, by what those of another block and all else can add."""
    if not two:
        return
    after = [_NEVER]  # the least of the other labels from here on, if theirs is the delay
    for d, _, c in reversed(two):
        after.append(min(after[-1], c + outside(d)))
    after.reverse()
    j = 0
    for i, (d, _, _) in enumerate(one):
        while j < len(two) and two[j][0] <= d:
            j += 1
        least = min(after[j], two[j - 1][2] + outside(d)) if j else after[j]
        rest[i] = min(rest[i], least)


def _pairs(
    of: Pair, number: int, kept: Sequence[Sequence[Marked]], effort: Effort
) -> Iterator[tuple[int, int, int]]:
    for x, y in of.pairs[number]:
        effort.compare(len(kept[of.first][x]) * len(kept[of.second][y]))
        for d1, c1, used1 in kept[of.first][x]:
            for d2, c2, used2 in kept[of.second][y]:
                delay = max(d1, d2)
                if of.on_every_path:
                    yield 0, delay + c1 + c2, used1 + used2
                else:
                    yield delay, c1 + c2, used1 + used2


class Transfers(NamedTuple):
    """Transfers that a subtask counts, numbered as in `Costs`, by what their delay is added to."""

    own: list[int]  # the delay of the subtask itself
    ahead: list[int]  # that of the subtask after the block
    paid: list[int]  # the cost


def _check_width(known: Sequence[int]) -> None:
    if len(known) > _LARGEST_CONTEXT:
        raise TooLarge


def _number(context: Sequence[int], away: Mapping[int, int]) -> int:
    return sum(away[v] << i for i, v in enumerate(context))


def _ahead(block: Block) -> Iterator[tuple[int, int]]:
    """Yield (j, k) where subtask k follows a parallel block in series and j is one of the last ones there."""
    if isinstance(block, int):
        return
    for before, after in zip(block.parts, block.parts[1:], strict=False):
        if block.series and isinstance(before, Group) and isinstance(after, int):
            yield from ((j, after) for j in _last(before))
    for part in block.parts:
        yield from _ahead(part)


def _last(block: Block) -> Iterator[int]:
    if isinstance(block, int):
        yield block
    else:
        for part in block.parts[-1:] if block.series else block.parts:
            yield from _last(part)


def _cheapest(labels: Labels) -> Labels:
    """Keep the least cost of a block that every path crosses: its delay is delay of the task."""
    return [(0, 0, min([d + p + c for d, p, c in labels]))] if labels else []


def _stairs(labels: Labels) -> Labels:
    """Keep the undominated of labels with p = 0, in their order: as d rises, c falls."""
    labels.sort()
    kept: Labels = []
    for label in labels:
        if not kept or label[2] < kept[-1][2]:
            kept.append(label)
    return kept


def undominated(labels: list[AnyLabel]) -> list[AnyLabel]:
    """Keep the labels that no other one equals or undercuts in all components."""
    labels.sort()
    if not labels or len(labels[0]) == 1:
        return labels[:1]
    if len(labels[0]) > 3:
        return _undominated_by_bits(labels)
    kept: list[AnyLabel] = []
    stairs: list[tuple[int, int]] = []  # of those kept, whose first is no higher, the undominated others
    for label in labels:
        p, c = label[-2:] if len(label) == 3 else (0, label[-1])
        i = bisect_right(stairs, (p, c))
        if i and stairs[i - 1][1] <= c:  # p rises and c falls: of those with at most this p it is the last
            continue
        kept.append(label)
        end = i
        while end < len(stairs) and stairs[end][1] >= c:
            end += 1
        stairs[i:end] = [(p, c)]
    return kept


def _undominated_by_bits(labels: list[AnyLabel]) -> list[AnyLabel]:
    """Do so for sorted labels of any length, with sets of them as the bits of a number."""
    kept: list[AnyLabel] = []
    for begin in range(0, len(labels), _AT_ONCE):
        some, known = [*kept, *labels[begin : begin + _AT_ONCE]], len(kept)
        below = {i: (1 << i) - 1 for i in range(known, len(some))}  # those before it, as far as no higher
        for at in range(1, len(labels[0])):
            values, seen = [label[at] for label in some], 0
            for _, equal in groupby(sorted(range(len(some)), key=values.__getitem__), values.__getitem__):
                members = list(equal)
                for i in members:
                    seen |= 1 << i
                for i in members:
                    if i >= known:
                        below[i] &= seen
        kept += [some[i] for i, others in below.items() if not others]
    return kept


def _in_series(left: Labels, right: Labels) -> Labels:
    _check_count(len(left) * len(right))
    return [(d1 + p1 + d2, p2, c1 + c2) for d1, p1, c1 in left for d2, p2, c2 in right]


def _in_parallel_ahead(left: Labels, right: Labels) -> Labels:
    _check_count(len(left) * len(right))
    return [(max(d1, d2), p1 + p2, c1 + c2) for d1, p1, c1 in left for d2, p2, c2 in right]


def _in_parallel(left: Labels, right: Labels) -> Labels:
    """Combine `_stairs`: within any delay the best of each is the last one that fits."""
    best: list[int | None] = [None, None]
    result = []
    for delay, cost, side in sorted([(d, c, 0) for d, _, c in left] + [(d, c, 1) for d, _, c in right]):
        best[side] = cost
        if best[0] is not None and best[1] is not None:
            result.append((delay, 0, best[0] + best[1]))
    return result


def _check_count(count: int) -> None:
    if count > _MOST_LABELS:
        raise TooLarge
