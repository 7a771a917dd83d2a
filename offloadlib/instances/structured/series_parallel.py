"""Decomposition of a task's graph into series and parallel blocks.

A graph is (vertex) series-parallel where its order - which subtask must wait for which - is built from
single subtasks by series composition (everything of one block before everything of the next) and
parallel composition (no order between the blocks). Only the order matters for the heaviest path, so
redundant arcs do no harm. An order is series-parallel exactly where it does not contain the pattern N
(Valdes, Tarjan and Lawler 1982).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from .model import Application


@dataclass(frozen=True)
class Single:
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


Node = Single | Series | Parallel

DEEPEST = 200
"""Blocks within each other, at the most: functions of a tree may call themselves for its parts."""


@lru_cache(maxsize=256)
def decompose(application: Application) -> Node | None:
    """The decomposition tree of an application, or None where it is not series-parallel (or too deep).

    Series parts are in their order, parallel ones in the order of their first subtask; a part is never
    of its parent's kind.
    """
    after = descendants(application)
    before = [0] * application.size
    for k in application.order:
        for _, j in application.incoming[k]:
            before[k] |= before[j] | 1 << j
    ordered = [follow | precede for follow, precede in zip(after, before, strict=True)]
    position = {k: i for i, k in enumerate(application.order)}

    def block(inside: int, depth: int) -> Node | None:
        if inside.bit_count() == 1:
            return Single(inside.bit_length() - 1)
        if depth > DEEPEST:
            return None
        # Blocks in parallel are the components of "one waits for the other", blocks in series those
        # of "neither waits for the other".
        for kind in (Parallel, Series):
            parts = _components(inside, ordered, kind is Parallel)
            if len(parts) > 1:
                if kind is Series:
                    parts.sort(key=lambda part: min(position[k] for k in members(part)))
                blocks = [block(part, depth + 1) for part in parts]
                return None if None in blocks else kind(tuple(b for b in blocks if b is not None))
        return None

    return block((1 << application.size) - 1, 1)


def descendants(application: Application) -> list[int]:
    """For each subtask those that wait for it, at once or in the end: bit k stands for subtask k."""
    after = [0] * application.size
    for k in reversed(application.order):
        for _, j in application.incoming[k]:
            after[j] |= after[k] | 1 << k
    return after


@lru_cache(maxsize=256)
def reduction(application: Application) -> tuple[tuple[int, int], ...]:
    """The arcs (j, k) without the redundant ones: those where k waits for j by another way, too.

    They give the same order, and so the same heaviest path (the transitive reduction of the graph).
    """
    after = descendants(application)
    later = [0] * application.size  # those that wait for one that follows directly
    for j, k in application.edges:
        later[j] |= after[k]
    return tuple((j, k) for j, k in application.edges if not later[j] >> k & 1)


def members(bits: int) -> Iterator[int]:
    """The subtasks that bits stand for, the first one first."""
    while bits:
        least = bits & -bits
        yield least.bit_length() - 1
        bits ^= least


def _components(inside: int, ordered: list[int], together: bool) -> list[int]:
    """Those of the relation "one waits for the other" (``together``), or of its opposite."""
    parts: list[int] = []
    while inside:
        part, new = 0, inside & -inside
        while new:
            inside &= ~new
            part |= new
            reached = 0
            for k in members(new):
                reached |= ordered[k] if together else ~ordered[k]
            new = reached & inside
        parts.append(part)
    return parts
