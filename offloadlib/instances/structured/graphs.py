"""Applications as graphs: the paper's face recognition and families with parameters.

=================================  ==================================================================
name                               graph
=================================  ==================================================================
``face``                           t1 -> t2 -> {t3, t4} -> t5 (Fig. 2 of Kuang et al. 2020)
``chain-K``                        t1 -> t2 -> ... -> tK
``fork-join-B``                    a head, B parallel branches of one subtask, a join: K = B + 2
``layered-K[-WIDTH[-P]]``          random, :func:`layered`; WIDTH is the root of K, P 0.5 by default
``series-parallel-K[-P]``          random, :func:`series_parallel`; P is 0.5 by default
=================================  ==================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from ..errors import shown
from .model import Application

LARGEST_GRAPH = 2000
"""Most subtasks of an application with a name."""

Arcs = list[tuple[int, int]]
Maker = Callable[[np.random.Generator], Application]
"""Makes an application; random graphs draw from the generator."""


def _application(name: str, size: int, edges: Iterable[tuple[int, int]]) -> Application:
    return Application(name, tuple(f"t{k + 1}" for k in range(size)), tuple(sorted(edges)))


def face(name: str = "face") -> Application:
    """Face recognition, the paper's structured task (Fig. 2): t1 -> t2 -> {t3, t4} -> t5."""
    return _application(name, 5, [(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)])


def chain(size: int, name: str | None = None) -> Application:
    """``size`` subtasks in a row."""
    return _application(name or f"chain-{size}", size, [(k, k + 1) for k in range(size - 1)])


def fork_join(branches: int, name: str | None = None) -> Application:
    """A head, ``branches`` parallel subtasks, and one that joins them."""
    arcs = [arc for k in range(1, branches + 1) for arc in ((0, k), (k, branches + 1))]
    return _application(name or f"fork-join-{branches}", branches + 2, arcs)


def layered(
    size: int, width: int, probability: float, rng: np.random.Generator, name: str | None = None
) -> Application:
    """A random graph of layers, with arcs between neighbouring layers.

    Parameters
    ----------
    size
        Number of subtasks, K; they fill the layers one after the other.
    width
        Subtasks per layer, so that there are ceil(K/width) layers; the last may be narrower.
    probability
        Of each arc from a subtask to one of the next layer. A subtask that gets no predecessor in
        this way is given one, drawn uniformly.
    rng
        Source of the draws.
    name
        Id of the application.
    """
    arcs: Arcs = []
    for start in range(width, size, width):
        for k in range(start, min(start + width, size)):
            chosen = np.flatnonzero(rng.random(width) < probability).tolist() or [int(rng.integers(width))]
            arcs += [(start - width + j, k) for j in chosen]
    return _application(name or f"layered-{size}-{width}-{probability:g}", size, arcs)


def series_parallel(
    size: int, probability: float, rng: np.random.Generator, name: str | None = None
) -> Application:
    """A random node-series-parallel graph.

    A block of one subtask is series-parallel; so are two such blocks side by side, and two in a row,
    where every tail of the first has an arc to every head of the second (Valdes, Tarjan and Lawler
    1982, minimal form). A block of K > 1 subtasks is divided at a uniformly drawn place.

    Parameters
    ----------
    size
        Number of subtasks, K.
    probability
        Of putting two blocks in a row rather than side by side.
    rng
        Source of the draws.
    name
        Id of the application.
    """
    arcs: Arcs = []

    def block(start: int, stop: int) -> tuple[list[int], list[int]]:
        """Heads and tails of a block over the subtasks start..stop-1, whose arcs are added."""
        if stop - start == 1:
            return [start], [start]
        middle = int(rng.integers(start + 1, stop))
        in_a_row = rng.random() < probability
        heads, tails = block(start, middle)
        next_heads, next_tails = block(middle, stop)
        if not in_a_row:
            return heads + next_heads, tails + next_tails
        arcs.extend((j, k) for j in tails for k in next_heads)
        return heads, next_tails

    block(0, size)
    return _application(name or f"series-parallel-{size}-{probability:g}", size, arcs)


def maker(name: str) -> Maker:
    """The maker of the application of that name, which is also the application's id.

    Raises
    ------
    ValueError
        If no family has such a name, or a parameter is out of its range.
    """
    if name == "face":
        return lambda rng: face()
    for family, (make, most) in _FAMILIES.items():
        if name.startswith(f"{family}-"):
            parameters = name[len(family) + 1 :].split("-")
            if len(parameters) <= most:
                return make(name, *parameters)
    raise ValueError(f"unknown application {shown(name)}; there are {', '.join(NAMES)}")


def _chain(name: str, size: str) -> Maker:
    count = _whole(name, size, LARGEST_GRAPH)
    return lambda rng: chain(count, name)


def _fork_join(name: str, branches: str) -> Maker:
    count = _whole(name, branches, LARGEST_GRAPH - 2)
    return lambda rng: fork_join(count, name)


def _layered(name: str, size: str, width: str | None = None, probability: str = "0.5") -> Maker:
    count = _whole(name, size, LARGEST_GRAPH)
    across = round(math.sqrt(count)) if width is None else _whole(name, width, count)
    share = _share(name, probability)
    return lambda rng: layered(count, across, share, rng, name)


def _series_parallel(name: str, size: str, probability: str = "0.5") -> Maker:
    count, share = _whole(name, size, LARGEST_GRAPH), _share(name, probability)
    return lambda rng: series_parallel(count, share, rng, name)


_FAMILIES: dict[str, tuple[Callable[..., Maker], int]] = {
    "chain": (_chain, 1),
    "fork-join": (_fork_join, 1),
    "layered": (_layered, 3),
    "series-parallel": (_series_parallel, 2),
}
"""Family -> (from name and parameters to maker, most parameters)."""

NAMES = ("face", "chain-K", "fork-join-B", "layered-K[-WIDTH[-P]]", "series-parallel-K[-P]")
"""The names that :func:`maker` knows."""


def _whole(name: str, text: str, largest: int) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= largest and len(text) < 9):
        raise ValueError(f"{shown(text)} in application {shown(name)} must be a whole number in 1..{largest}")
    return int(text)


def _share(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ValueError(f"{shown(text)} in application {shown(name)} must be a probability")
    return value
