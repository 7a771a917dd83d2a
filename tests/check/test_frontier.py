"""The checker's dynamic program along a frontier, against enumeration."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from operator import le
from typing import Any

import pytest
from counts import count, examples
from hypothesis import given
from hypothesis import strategies as st
from sceptic import by_path
from test_certificates import any_graph, chain, fork_join, nested, series_parallel, twice_nested

checker = by_path("frontier_checker")
rooms = checker.rooms

Edges = list[tuple[int, int]]
Shape = Callable[[random.Random, int], Edges]


def shared_head(rng: random.Random, size: int) -> Edges:
    """Branches of their own heads, which all need one more, and a join."""
    middle = [k for k in range(1, size - 1) if k % 2 == 0]
    return [(0, k) for k in middle] + [(k - 1, k) for k in middle] + [(k, size - 1) for k in middle]


def two_stages(rng: random.Random, size: int) -> Edges:
    """Heads that are merged, after which there are branches with a second need in common."""
    heads = size // 3 + 1
    return [(k, heads) for k in range(heads)] + [
        arc for k in range(heads + 1, size) for arc in ((heads, k), (0, k))
    ]


def two_ends(rng: random.Random, size: int) -> Edges:
    """Branches of the same heads, one or two, which all lead to the same two tails."""
    first = rng.randint(1, 2)
    middle = range(first, size - 2)
    arcs = [(j, k) for k in middle for j in range(first)] + [
        (k, w) for k in middle for w in (size - 2, size - 1)
    ]
    return arcs + [(0, size - 1)] * rng.randint(0, 1)


def layers(rng: random.Random, size: int) -> Edges:
    return [(j, k) for k in range(2, size) for j in range(max(0, k - 3 - k % 2), k - 1) if rng.random() < 0.6]


def components(rng: random.Random, size: int) -> Edges:
    half = size // 2
    return any_graph(rng, half) + [(j + half, k + half) for j, k in any_graph(rng, size - half)]


SHAPES: list[Shape] = [
    *(shared_head, two_stages, two_ends, layers, components, any_graph),
    *(series_parallel, nested, twice_nested, chain, fork_join),
]
LEAST: dict[Shape, int] = {
    nested: 6,
    twice_nested: 8,
    fork_join: 3,
    shared_head: 4,
    two_stages: 4,
    two_ends: 5,
}


@examples(2000, 200)
@given(
    labels=st.integers(1, 6).flatmap(lambda k: st.lists(st.tuples(*[st.integers(0, 5)] * k), max_size=30)),
    together=st.sampled_from([1, 3, 4096]),
)
def test_undominated_labels(labels: list[tuple[int, ...]], together: int) -> None:
    """One of those that are equal, and none that another one undercuts."""
    expected = {
        label
        for label in labels
        if not any(other != label and all(map(le, other, label)) for other in labels)
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rooms.series, "_AT_ONCE", together)
        assert rooms.series.undominated(list(labels)) == sorted(expected)


def application(size: int, edges: Edges) -> Any:
    parents: list[list[int]] = [[] for _ in range(size)]
    for j, k in edges:
        parents[k].append(j)
    tails = [k for k in range(size) if all(j != k for j, _ in edges)]
    heads = [k for k in range(size) if not parents[k]]
    names = [f"t{k}" for k in range(size)]
    return checker.data.Application("app", names, edges, list(range(size)), parents, heads, tails)


def draw(rng: random.Random, edges: Edges, size: int, places: int) -> tuple[Any, Any]:
    """Moves and transfers; small numbers, so that there are ties."""
    most = rng.choice([3, 30, 10**6])

    def move() -> tuple[int, int]:
        return rng.randint(0, most), rng.randint(0, most)

    moves = []
    for _ in range(size):
        sides = rng.choice([(1, places), (1, places), (1, places), (0, places), (1, 0)])
        moves.append(tuple([move() for _ in range(number)] for number in sides))
    return moves, [move() for _ in range(2 * len(edges))]


def enumerated(size: int, edges: Edges, moves: Any, arcs: Any) -> int:
    """The least cost, from its definition."""
    best: int | None = None
    for away in itertools.product((0, 1), repeat=size):
        if any(not moves[k][side] for k, side in enumerate(away)):
            continue
        wait, paid = [0] * size, 0
        for i, (j, k) in enumerate(edges):
            if away[j] != away[k]:
                delay, cost = arcs[i if away[k] else i + len(edges)]
                wait[k] += delay
                paid += cost
        for chosen in itertools.product(*(moves[k][side] for k, side in enumerate(away))):
            finish: list[int] = []
            for k in range(size):
                start = max((finish[j] for j, w in edges if w == k), default=0)
                finish.append(start + wait[k] + chosen[k][0])
            total = max(finish) + paid + sum(c for _, c in chosen)
            best = total if best is None else min(best, total)
    assert best is not None
    return best


def flow(rng: random.Random, graph: Any) -> tuple[dict[tuple[int, int], int], int]:
    """Any paths."""
    found: dict[tuple[int, int], int] = {}
    paths = rng.randint(0, 6)
    for _ in range(paths):
        k = rng.choice(list(graph.ends))
        found[k, k] = found.get((k, k), 0) + 1
        while graph.latest[k]:
            j = rng.choice(graph.latest[k])
            for pair in ((j, k), (j, j)):
                found[pair] = found.get(pair, 0) + 1
            k = j
    return found, paths or 1


@pytest.mark.parametrize("shape", SHAPES)
def test_the_least_cost_is_that_of_enumeration(shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the paths of the bound, in any width, and within the search."""
    rng = random.Random(shape.__name__)
    monkeypatch.setattr(rooms.frontier, "_WIDEST", 40)
    if shape is two_ends:
        monkeypatch.setattr(rooms.frontier, "_JOINS", (2,))  # in such small ones no side would be guessed
    monkeypatch.setattr(rooms.search, "_SMALL", 0)
    monkeypatch.setattr(rooms.search, "_SWEEPS", {0: 2, 1: 1000})
    forks = 0
    for _ in range(count(1000, 60)):
        size = max(LEAST.get(shape, 1), rng.randint(1, 9))
        places = 1 if size > 7 else rng.randint(1, 2)
        edges = shape(rng, size)
        moves, arcs = draw(rng, edges, size, places)
        least = enumerated(size, edges, moves, arcs)
        task = application(size, edges)
        frontier = rooms.frontier.Frontier(rooms.frontier.Graph(task))
        everything = 1 + sum(map(sum, itertools.chain(arcs, *itertools.chain(*moves))))
        forks += len(frontier.forks)
        paths, unit = flow(rng, frontier.graph)
        for best in (everything, least, least + 1):
            sweep = rooms.frontier.Sweep(frontier, moves, arcs, paths, unit, best)
            assert sweep.run(10**6) == sweep.best == least
        for width in (1, 3, 10):
            sweep = rooms.frontier.Sweep(frontier, moves, arcs, paths, unit, everything)
            assert sweep.run(width) <= least <= sweep.best
        others = draw(rng, edges, size, places)
        search = rooms.search.Search(task)  # begins with what it found the last time
        assert search.least(moves, arcs) == least
        assert search.least(*others) == enumerated(size, edges, *others)
        assert search.least(moves, arcs, least + 1) == least
        assert search.least(moves, arcs, least - 1) == least - 1
        assert rooms.search.Search(task).least(moves, arcs, least - 1) == least - 1
    assert forks > 0 or shape is not two_ends
