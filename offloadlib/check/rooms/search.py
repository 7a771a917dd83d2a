"""Certificates: the least cost of any task."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

from ..data import Application
from .choices import Move, Moves
from .frontier import Flow, Frontier, Graph, Sweep
from .series import TooLarge

_ROUNDS = 8, 16  # in small tasks and in others; at the root twice as many
_FEW = 4  # rounds that end it where paths are known, if none of them raises the bound by more than
_LITTLE = 12  # 2^-this
_WORSE = 2  # times as far as rounds that begin without paths may leave the bound those that begin with some
_TOTAL = 1 << 12  # how many known paths count as
_PARTS = 40  # 2^this parts make up a cost
_FIRST_EXCESS = 1 << _PARTS - 7  # of the least cost above its bound, in parts of this, and a quarter
_MOST_GUESSES = 8  # of a least cost, at each width
_SWEEPS = {0: 100, 4: 1000, 8: 10_000}  # after so many nodes a sweep of the root, and how wide
_SMALL = 15  # subtasks: up to here the search ends sooner without sweeps
_MOST_STEPS = 100_000  # for one device: nodes of the search times (subtasks and arcs)


Path = tuple[int, ...]  # the last subtask first
Paths = Mapping[Path, int]  # how often each counts


def _flow(paths: Paths) -> tuple[Flow, int]:
    """Return how many of the paths cross each subtask and have each arc, and how many there are."""
    flow: dict[tuple[int, int], int] = {}
    for path, weight in paths.items():
        for pair in [*((k, k) for k in path), *((j, k) for k, j in itertools.pairwise(path))]:
            flow[pair] = flow.get(pair, 0) + weight
    return flow, sum(paths.values()) or 1


def _lightened(paths: Paths) -> dict[Path, int]:
    """Return paths, so many in all that one more can count as little as it should."""
    total = sum(paths.values())
    found = {path: weight * _TOTAL // total for path, weight in paths.items()}
    return {path: weight for path, weight in found.items() if weight}


class Relaxed:
    """A task whose delay is an average of paths instead of that of the heaviest, and its least cost.

    Where of `unit` paths, counted with their multiplicity, flow[k, k] cross subtask k, the delay of the
    task is at least the sum of flow[k, k]·(delay of k) over `unit`. So `unit` times the cost of a decision
    is at least the sum of what each of its moves and transfers costs here. (No flow is right with any
    unit: delays are >= 0.)

    Attributes
    ----------
    flow : mapping of (int, int) to int
        As above; at (j, k) how many paths have that arc.
    unit : int
        As above.
    moves : list of (list of int, list of int)
        The cost of each move here.
    cost : int
        The least cost here, or less.
    bound : int
        A lower bound of the cost of any decision.
    away : list of int
        For each subtask whether it is offloaded (1) or not (0) in a decision of that cost.
    """

    def __init__(
        self, application: Application, moves: Moves, arcs: Sequence[Move], flow: Flow, unit: int
    ) -> None:
        self.flow, self.unit = flow, unit
        shares = [flow.get((k, k), 0) for k in range(len(moves))]
        self.moves = [
            tuple([share * d + unit * c for d, c in side] for side in sides)
            for share, sides in zip(shares, moves, strict=True)
        ]
        ends = [k for _, k in application.edges] * 2
        self._arcs = [shares[k] * d + unit * c for k, (d, c) in zip(ends, arcs, strict=True)]
        self.cost, self.away = self._least_cut(application)
        self.bound = -(-self.cost // unit)  # upwards: costs are integers

    def _least_cut(self, application: Application) -> tuple[int, list[int]]:
        """Find a cheapest decision.

        Its cost is made of what each subtask costs, by its side, and what each arc costs, by the sides of its
        ends: it is a minimum cut between the local and the offloaded. The cost returned is that of a flow
        between them. No cut is below any flow, so not even a mistake in the search for the greatest flow
        could make a bound too high.
        """
        count, arcs = len(self.moves), len(application.edges)
        local, offloaded = count, count + 1
        stay = [min(side, default=0) for side, _ in self.moves]
        leave = [min(side, default=0) for _, side in self.moves]
        # Where a subtask has no choice, what its arcs cost depends on the other end alone, or on nothing.
        fixed = [None if some and others else int(not some) for some, others in self.moves]
        total = 0
        free: list[dict[int, int]] = [{} for _ in range(count + 2)]  # what may still flow between two nodes
        for i, (j, k) in enumerate(application.edges):
            up, down = self._arcs[i], self._arcs[i + arcs]
            if fixed[j] is None and fixed[k] is None:
                free[j][k], free[k][j] = up, down
            elif fixed[j] is None:
                if fixed[k]:
                    stay[j] += up
                else:
                    leave[j] += down
            elif fixed[k] is None:
                if fixed[j]:
                    stay[k] += down
                else:
                    leave[k] += up
            elif fixed[j] != fixed[k]:
                total += down if fixed[j] else up
        for k, side in enumerate(fixed):
            if side is not None:
                total += leave[k] if side else stay[k]
                continue
            total += min(stay[k], leave[k])
            free[k][offloaded], free[offloaded][k] = max(stay[k] - leave[k], 0), 0
            free[local][k], free[k][local] = max(leave[k] - stay[k], 0), 0
        while True:
            before = _reached(free, local)
            if offloaded not in before:
                return total, [int(k not in before) if side is None else side for k, side in enumerate(fixed)]
            path = [offloaded]
            while path[-1] != local:
                path.append(before[path[-1]])
            links = [(j, k) for k, j in itertools.pairwise(path)]
            pushed = min([free[j][k] for j, k in links])
            for j, k in links:
                free[j][k] -= pushed
                free[k][j] += pushed
            total += pushed

    def promising(self, costs: Sequence[int], moves: Sequence[Move], best: int) -> list[Move]:
        """Return those moves of one side of a subtask with which a decision may cost less than the best.

        Here, a decision with a move exceeds the least of all by what the move exceeds its side's least.
        """
        most = self.unit * best - self.cost + min(costs, default=0)
        return [move for cost, move in zip(costs, moves, strict=True) if cost < most]


def _reached(free: Sequence[Mapping[int, int]], start: int) -> dict[int, int]:
    """Return the nodes to which something may flow, each with the node before it on a shortest path."""
    before = {start: start}
    for node in (queue := [start]):  # grows while it is read
        for other, capacity in free[node].items():
            if capacity and other not in before:
                before[other] = node
                queue.append(other)
    return before


class Node(NamedTuple):
    """Some of the decisions: those with these moves. They cost at least `bound`."""

    bound: int
    number: int  # no two have the same, so that nodes can be ordered
    moves: Moves
    paths: Paths  # to begin with


class Open(NamedTuple):
    """What of a node may be better than the best decision, and the rounds that told so.

    `spread` is how far their bound is below the cheapest decision of theirs, relatively and in parts.
    """

    bound: int
    best: int
    spread: int
    moves: Moves
    strongest: Relaxed
    rounds: list[Relaxed]
    tried: list[list[Move]]
    paths: Paths

    def left(self, best: int) -> Moves:
        """Return the moves that may be part of a decision below that cost."""
        promising = self.strongest.promising
        return [
            (promising(costs[0], stay, best), promising(costs[1], leave, best))
            for costs, (stay, leave) in zip(self.strongest.moves, self.moves, strict=True)
        ]

    def parts(self) -> list[Moves]:
        """Return these moves, divided."""
        return _divide(self.left(self.best), self.rounds, self.tried)


class Search:
    """The least cost of a task of any shape, by branch and bound.

    A node is bounded by relaxations. Their paths are found in rounds: to those so far comes the heaviest
    path of the decision that is cheapest with them. Moves that cannot be part of a decision below the best
    one seen are dropped, the others divided. Any paths and any division are right: at the end the best
    decision is the cheapest one. If the limit ends the search before, the least bound of what is open is
    still a lower bound.
    """

    def __init__(self, application: Application) -> None:
        self.limited = False  # whether the limit has ended a search
        # What was found the last time is a good beginning: mostly it was the same device, at other prices.
        self._paths: Paths = {}
        self._spread = 0  # of the last rounds that began without
        self._excess = _FIRST_EXCESS
        self._application = application
        self._graph = Graph(application)
        self._rounds = _ROUNDS[self._graph.size > _SMALL]
        self._most_nodes = 1 + _MOST_STEPS // (len(application.subtasks) + len(application.edges))

    def least(self, moves: Moves, arcs: list[Move], most: int | None = None) -> int | None:
        """Return the least cost or, at the limit, a lower bound of it; None where there is no decision.

        What costs at least `most` is not looked for: then that is returned.
        """
        if not all(stay or leave for stay, leave in moves):
            return None
        everything = [move for stay, leave in moves for move in stay + leave] + arcs
        best = 1 + sum(delay + cost for delay, cost in everything)
        best = best if most is None else min(best, most)
        best, root = self._root(moves, arcs, best)
        if root is None:
            return best
        floor = root.bound
        pending = [Node(floor, number, part, root.paths) for number, part in enumerate(root.parts())]
        numbers = itertools.count(len(pending))
        for count in range(self._most_nodes):
            if count in _SWEEPS and self._frontier is not None:
                best, floor = self._swept(self._frontier, root, arcs, best, floor, _SWEEPS[count])
                if floor >= best:
                    return best
            if not pending or pending[0].bound >= best:
                return best
            node = heappop(pending)
            best, opened = self._relaxed(node, arcs, best, self._rounds)
            if opened is not None:
                for part in opened.parts():
                    heappush(pending, Node(opened.bound, next(numbers), part, opened.paths))
        if not pending or pending[0].bound >= best:
            return best
        self.limited = True
        return max(floor, pending[0].bound)

    def _root(self, moves: Moves, arcs: list[Move], best: int) -> tuple[int, Open | None]:
        """Return the cost of the best decision now known, and what of all may be better, if anything."""
        best, root = self._relaxed(Node(0, 0, moves, self._paths), arcs, best, 2 * self._rounds)
        if root is None:
            return best, None
        if self._paths and root.spread > _WORSE * self._spread:
            self._paths = {}
            return self._root(moves, arcs, best)
        if not self._paths:
            self._spread = root.spread
        self._paths = root.paths
        return best, root

    def _swept(
        self, frontier: Frontier, root: Open, arcs: list[Move], best: int, floor: int, width: int
    ) -> tuple[int, int]:
        """Return the cost of the best decision now known, and a bound of all: the same if it is the least.

        Labels are few where the best is nearly the least. So it is taken to be as far above the bound as it
        was the last time, and if it is not, all that costs less than that is ruled out.
        """
        relaxed = root.strongest
        step = max(relaxed.bound * self._excess >> _PARTS, best - floor >> _MOST_GUESSES, 1)
        while floor < best:
            guess = min(best, max(relaxed.bound, floor) + step)
            step *= 2
            left = root.left(guess)
            if not all(stay or leave for stay, leave in left):
                floor = guess
            else:
                sweep = Sweep(frontier, left, arcs, relaxed.flow, relaxed.unit, guess)
                floor = max(floor, sweep.run(width))
                if sweep.best < guess:
                    best = sweep.best
                    if floor >= best:
                        self._excess = (5 * (best - relaxed.bound) << _PARTS - 2) // max(relaxed.bound, 1)
                        return best, best
                if floor < guess:
                    return best, floor  # some labels were dropped for want of room
        return best, floor

    @cached_property
    def _frontier(self) -> Frontier | None:
        if self._graph.size <= _SMALL:
            return None
        with contextlib.suppress(TooLarge):
            return Frontier(self._graph)
        return None

    def _relaxed(self, node: Node, arcs: list[Move], best: int, most: int) -> tuple[int, Open | None]:
        """Return the cost of the best decision now known, and what of a node may be better, if anything."""
        paths = _lightened(node.paths)
        rounds: list[Relaxed] = []
        tried: list[list[Move]] = []
        known, last, highest, cheapest = bool(paths), 0, 0, best
        while len(rounds) < (min(most, last + _FEW) if known else most):
            flow, unit = _flow(paths)
            relaxed = Relaxed(self._application, node.moves, arcs, flow, unit)
            chosen = [
                min(zip(costs[side], moves[side], strict=True))[1]
                for costs, moves, side in zip(relaxed.moves, node.moves, relaxed.away, strict=True)
            ]
            cost, path = self._evaluate(chosen, arcs, relaxed.away)
            best = min(best, cost)
            cheapest = min(cheapest, cost) if rounds else cost
            if relaxed.bound >= best:
                return best, None
            if not rounds or relaxed.bound > highest + (highest >> _LITTLE):
                highest, last = relaxed.bound, len(rounds)
            rounds.append(relaxed)
            tried.append(chosen)
            # Later paths know more, so they count more.
            paths[path] = paths.get(path, 0) + max(1, sum(paths.values()) // self._rounds)
        if all(len(stay) + len(leave) == 1 for stay, leave in node.moves):
            return best, None  # that one decision has been evaluated
        strongest = max(rounds, key=lambda relaxed: relaxed.bound)
        spread = (cheapest - strongest.bound << _PARTS) // cheapest if cheapest else 0
        opened = Open(
            max(node.bound, strongest.bound), best, spread, node.moves, strongest, rounds, tried, paths
        )
        return (best, opened) if all(stay or leave for stay, leave in opened.left(best)) else (best, None)

    def _evaluate(
        self, chosen: Sequence[Move], arcs: Sequence[Move], away: Sequence[int]
    ) -> tuple[int, Path]:
        """Return the cost of a decision and its heaviest path, the last subtask first."""
        application = self._application
        finish = [delay for delay, _ in chosen]
        cost = sum([cost for _, cost in chosen])
        for i, (j, k) in enumerate(application.edges):
            if away[j] != away[k]:
                delay, other = arcs[i if away[k] else i + len(application.edges)]
                finish[k] += delay
                cost += other
        for k in application.order:
            finish[k] += max([finish[j] for j in self._graph.latest[k]], default=0)
        path = [max(application.tails, key=finish.__getitem__)]
        while self._graph.latest[path[-1]]:
            path.append(max(self._graph.latest[path[-1]], key=finish.__getitem__))
        return cost + finish[path[0]], tuple(path)


def _divide(left: Moves, rounds: Sequence[Relaxed], tried: Sequence[Sequence[Move]]) -> list[Moves]:
    """Divide moves in two, at the subtask about which the rounds disagree most."""
    several = [k for k, (stay, leave) in enumerate(left) if len(stay) + len(leave) > 1]
    if not several:
        return [left]

    def doubt(k: int) -> tuple[int, int]:
        away = sum(relaxed.away[k] for relaxed in rounds)
        return min(away, len(rounds) - away), _spread(left[k][0] + left[k][1])

    def doubt_about_place(k: int) -> tuple[int, int]:
        return _spread([chosen[k] for chosen in tried]), _spread(left[k][1])

    parts: Moves
    if both_sides := [k for k in several if left[k][0] and left[k][1]]:
        k = max(both_sides, key=doubt)
        parts = [(left[k][0], []), ([], left[k][1])]
    else:
        k = max(several, key=doubt_about_place)
        places = left[k][1]
        parts = [([], places[: len(places) // 2]), ([], places[len(places) // 2 :])]
    return [[*left[:k], part, *left[k + 1 :]] for part in parts]


def _spread(moves: Sequence[Move]) -> int:
    delays, costs = zip(*moves, strict=True)
    spread: int = max(delays) - min(delays) + max(costs) - min(costs)
    return spread
