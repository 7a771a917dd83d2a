"""Decomposition of a task's graph into series and parallel blocks.

A graph is (vertex) series-parallel where its order - which subtask must wait for which - is built from
single subtasks by series composition (everything of one block before everything of the next) and
parallel composition (no order between the blocks). Only the order matters for the heaviest path, so
redundant arcs do no harm. An order is series-parallel exactly where it does not contain the pattern N
(Valdes, Tarjan and Lawler 1982).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from instances import Application


@dataclass(frozen=True)
class Leaf:
    """One subtask."""

    subtask: int


@dataclass(frozen=True)
class Series:
    """Blocks one after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Parallel:
    """Blocks side by side."""

    parts: tuple[Node, ...]


Node = Leaf | Series | Parallel

DEEPEST = 200
"""Blocks within each other, at the most: functions of a tree may call themselves for its parts."""


@lru_cache(maxsize=256)
def decompose(application: Application) -> Node | None:
    """The decomposition tree of an application, or None where it is not series-parallel (or too deep).

    Series parts are in their order, parallel ones in the order of their first subtask; a part is never
    of its parent's kind.
    """
    after = descendants(application)
    position = {k: i for i, k in enumerate(application.order)}

    def block(members: tuple[int, ...], depth: int) -> Node | None:
        if len(members) == 1:
            return Leaf(members[0])
        if depth > DEEPEST:
            return None
        # Blocks in parallel are the components of "one waits for the other", blocks in series those
        # of "neither waits for the other".
        for kind, together in (
            (Parallel, lambda j, k: k in after[j] or j in after[k]),
            (Series, lambda j, k: k not in after[j] and j not in after[k]),
        ):
            parts = _components(members, together)
            if len(parts) > 1:
                if kind is Series:
                    parts.sort(key=lambda part: min(position[k] for k in part))
                blocks = [block(part, depth + 1) for part in parts]
                return None if None in blocks else kind(tuple(b for b in blocks if b is not None))
        return None

    return block(tuple(range(application.size)), 1)


def descendants(application: Application) -> list[frozenset[int]]:
    """For each subtask those that wait for it, at once or in the end."""
    after: list[set[int]] = [set() for _ in application.subtasks]
    for k in reversed(application.order):
        for _, j in application.incoming[k]:
            after[j] |= after[k] | {k}
    return list(map(frozenset, after))


@lru_cache(maxsize=256)
def reduction(application: Application) -> tuple[tuple[int, int], ...]:
    """The arcs (j, k) without the redundant ones: those where k waits for j by another way, too.

    They give the same order, and so the same heaviest path (the transitive reduction of the graph).
    """
    after = descendants(application)
    next_to: list[list[int]] = [[] for _ in application.subtasks]
    for j, k in application.edges:
        next_to[j].append(k)
    return tuple((j, k) for j, k in application.edges if not any(k in after[i] for i in next_to[j]))


def _components(members: tuple[int, ...], together: Callable[[int, int], bool]) -> list[tuple[int, ...]]:
    left = list(members)
    parts: list[tuple[int, ...]] = []
    while left:
        part = [left.pop(0)]
        for j in part:
            part += [k for k in left if together(j, k)]
            left = [k for k in left if not together(j, k)]
        parts.append(tuple(sorted(part)))
    return parts
