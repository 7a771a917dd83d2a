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

_ROUNDS = 8  # and at the root twice as many
_SWEEPS = {2: 100, 4: 1000, 8: 10_000}  # after so many nodes a sweep of the root, and how wide
_SMALL = 15  # subtasks: up to here the search ends sooner without sweeps
_MOST_STEPS = 100_000  # for one device: nodes of the search times (subtasks and arcs)


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
    flow: Flow  # of the paths to begin with, see `Relaxed`
    paths: int


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
        self._application = application
        self._graph = Graph(application)
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
        numbers = itertools.count(1)
        pending = [root := Node(0, 0, moves, {}, 0)]
        floor = 0
        for count in range(self._most_nodes):
            if not pending or pending[0].bound >= best:
                return best
            if count in _SWEEPS and self._frontier is not None:
                best, open_ = self._explore(root, arcs, best, _SWEEPS[count])
                if not open_:
                    return best
                floor = max(floor, open_[0].bound)
            best, children = self._explore(heappop(pending), arcs, best)
            for child in children:
                heappush(pending, child._replace(number=next(numbers)))
        if not pending or pending[0].bound >= best:
            return best
        self.limited = True
        return max(floor, pending[0].bound)

    @cached_property
    def _frontier(self) -> Frontier | None:
        if self._graph.size <= _SMALL:
            return None
        with contextlib.suppress(TooLarge):
            return Frontier(self._graph)
        return None

    def _explore(self, node: Node, arcs: list[Move], best: int, width: int = 0) -> tuple[int, list[Node]]:
        """Return the cost of the best decision now known, and what of a node may be better, in parts."""
        flow, paths = dict(node.flow), node.paths
        rounds: list[Relaxed] = []
        tried: list[list[Move]] = []
        for _ in range(_ROUNDS if paths else 2 * _ROUNDS):
            relaxed = Relaxed(self._application, node.moves, arcs, dict(flow), paths or 1)
            chosen = [
                min(zip(costs[side], moves[side], strict=True))[1]
                for costs, moves, side in zip(relaxed.moves, node.moves, relaxed.away, strict=True)
            ]
            cost, path = self._evaluate(chosen, arcs, relaxed.away)
            best = min(best, cost)
            if relaxed.bound >= best:
                return best, []
            rounds.append(relaxed)
            tried.append(chosen)
            weight = max(1, paths // _ROUNDS)  # later paths know more, so they count more
            paths += weight
            for pair in [*((k, k) for k in path), *((j, k) for k, j in itertools.pairwise(path))]:
                flow[pair] = flow.get(pair, 0) + weight
        if all(len(stay) + len(leave) == 1 for stay, leave in node.moves):
            return best, []  # that one decision has been evaluated
        strongest = max(rounds, key=lambda relaxed: relaxed.bound)
        left = [
            (strongest.promising(costs[0], stay, best), strongest.promising(costs[1], leave, best))
            for costs, (stay, leave) in zip(strongest.moves, node.moves, strict=True)
        ]
        if not all(stay or leave for stay, leave in left):
            return best, []
        bound = max(node.bound, strongest.bound)
        if width and self._frontier is not None:
            sweep = Sweep(self._frontier, left, arcs, strongest.flow, strongest.unit, best)
            bound = max(bound, sweep.run(width))
            best = sweep.best
            if bound >= best:
                return best, []
        return best, [Node(bound, 0, part, flow, paths) for part in _divide(left, rounds, tried)]

    def _evaluate(
        self, chosen: Sequence[Move], arcs: Sequence[Move], away: Sequence[int]
    ) -> tuple[int, list[int]]:
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
        return cost + finish[path[0]], path


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
