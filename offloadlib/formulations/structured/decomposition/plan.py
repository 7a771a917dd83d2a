r"""How to price a series-parallel task by dynamic programming: the plan that the kernel follows.

The heaviest path of a series-parallel graph is built from sums (series) and maxima (parallel), so the
cheapest decision of one device can be put together from labels of its blocks. A label of a block is

- d: the delay of the block,
- p: delay that the block causes in the subtask that follows it (the transfers of its sinks' data),
- c: the energy and the prices of the block, weighted as in equation (3).

Series adds: (d1 + p1 + d2, p2, c1 + c2). Parallel takes the longest: (max d, sum p, sum c). A label
that another one beats in all three is dropped. A block in the outermost series lies on every path, so
its delay goes straight into c and one label is left; so does the p of what ends just before such a block.
Where a deadline holds, delays have to be known to the end: a plan that is not *folded* keeps d everywhere,
and adds p to it as soon as all is there that the same subtask follows.

Transfers couple subtasks: arc (j, k) costs something where exactly one of its ends is offloaded. It is
charged

- to k, which then needs to know o_j; or
- to j, which then needs to know o_k, where k alone follows a parallel block that j ends: the branches
  of a fork stay independent of each other given the join (this is what p is for).

A subtask whose decision another one needs is *shared*. A block has one list of labels for each
assignment of the shared subtasks that it has in common with the rest (its *context*); a shared subtask
is tried both ways at the smallest block that holds everybody who needs it. The number of lists is
2^context: small for forks and joins of any width, and for chains. Redundant arcs only add contexts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from offloadlib.instances.arrays import Ints, frozen
from offloadlib.instances.compiled import named
from offloadlib.instances.structured.model import Application
from offloadlib.instances.structured.series_parallel import Node, Series, Single, decompose

from .tables import READ_INT, READ_INT_TABLE, rows_of

LEAF, SERIES, PARALLEL = 0, 1, 2

LARGEST_CONTEXT = 14
"""Shared subtasks that one block may try at once: 2^14 lists of labels."""


class Plan(NamedTuple):
    """Instructions in the order of evaluation, for all devices of one application.

    Attributes
    ----------
    steps
        (S, 6): kind, subtask (leaf), whether d goes into c, whether p goes into c (or, of a parallel step,
        into d), first list, number of lists.
    options
        For each list of a leaf (E, 2): own decision if shared (0, 1) or -1, and the decisions of the
        other ends of its arcs as bits.
    arcs, arc_start
        Arcs charged to a leaf: (arc, 1 if charged to its first end), and where each step's begin.
    pairs, pair_start
        For each list of a series or parallel step the pairs of lists that it joins, and where they
        begin.
    has_p
        (S,) whether a step's labels have a p that is not 0.
    """

    steps: Ints
    options: Ints
    arcs: Ints
    arc_start: Ints
    pairs: Ints
    pair_start: Ints
    has_p: Ints

    @property
    def multiplies(self) -> bool:
        """Whether some step joins each label of one list with each of another, so that lists grow fast:
        blocks in series inside of parallel ones, or labels with a p."""
        in_series = (self.steps[:, 0] == SERIES) & (self.steps[:, 2] == 0)
        return bool(in_series.any() or self.has_p.any())


PLAN = named(
    Plan, READ_INT_TABLE, READ_INT_TABLE, READ_INT_TABLE, READ_INT, READ_INT_TABLE, READ_INT, READ_INT
)


@lru_cache(maxsize=512)
def plan(application: Application, folded: bool = True) -> Plan | None:
    """The plan of an application, made once; None where there is none."""
    return plan_of(application, folded)


def labelled(application: Application) -> bool:
    """Whether an application is priced by labels; otherwise it is by search (:mod:`.search`)."""
    found = plan(application)
    return found is not None and not found.multiplies


@dataclass
class _Block:
    """A block while the plan is made: its subtasks, its context and where its lists begin."""

    members: frozenset[int]
    context: tuple[int, ...] = ()
    first: int = 0
    ahead: bool = False


@dataclass
class _Maker:
    application: Application
    folded: bool
    needs: dict[int, set[int]] = field(default_factory=dict)
    charged: dict[int, list[tuple[int, int, int]]] = field(default_factory=dict)
    steps: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    options: list[tuple[int, int]] = field(default_factory=list)
    arcs: list[tuple[int, int]] = field(default_factory=list)
    arc_start: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)
    pair_start: list[int] = field(default_factory=list)
    has_p: list[int] = field(default_factory=list)


def plan_of(application: Application, folded: bool = True) -> Plan | None:
    """The plan of an application, or None where it is not series-parallel or shares too much.

    Parameters
    ----------
    application
        The application.
    folded
        Whether the delay of what lies on every path may be forgotten as soon as it is paid.
    """
    tree = decompose(application)
    if tree is None:
        return None
    maker = _Maker(application, folded)
    _charge(maker, tree)
    try:
        _block(maker, tree, fold=folded, pay=folded)
    except _TooWide:
        return None
    return Plan(
        steps=rows_of(maker.steps, 6),
        options=rows_of(maker.options, 2),
        arcs=rows_of(maker.arcs, 2),
        arc_start=frozen([*maker.arc_start, len(maker.arcs)], np.int64),
        pairs=rows_of(maker.pairs, 2),
        pair_start=frozen([*maker.pair_start, len(maker.pairs)], np.int64),
        has_p=frozen(maker.has_p, np.int64),
    )


class _TooWide(Exception):
    """A block shares too many subtasks with the rest."""


def _ends(node: Node, last: bool) -> frozenset[int]:
    """Sources (or sinks) of a block."""
    if isinstance(node, Single):
        return frozenset([node.subtask])
    if isinstance(node, Series):
        return _ends(node.parts[-1 if last else 0], last)
    return frozenset().union(*(_ends(part, last) for part in node.parts))


def _joins(node: Node) -> Iterable[tuple[frozenset[int], int]]:
    """(sinks of a block, the one subtask that follows it), where there are several sinks."""
    if isinstance(node, Single):
        return
    for part in node.parts:
        yield from _joins(part)
    if isinstance(node, Series):
        for before, after in zip(node.parts, node.parts[1:], strict=False):
            sinks, sources = _ends(before, True), _ends(after, False)
            if len(sources) == 1 and len(sinks) > 1:
                yield sinks, next(iter(sources))


def _charge(maker: _Maker, tree: Node) -> None:
    """Decide for every arc which end it is charged to, and who needs whose decision."""
    ahead = {(j, k) for sinks, k in _joins(tree) for j in sinks}
    for arc, (j, k) in enumerate(maker.application.edges):
        at, other = (j, k) if (j, k) in ahead else (k, j)
        maker.charged.setdefault(at, []).append((arc, int(at == j), other))
        maker.needs.setdefault(other, {other}).add(at)


def _block(maker: _Maker, node: Node, fold: bool, pay: bool, add: bool = False) -> _Block:
    """The steps of a block; ``fold``: d goes into c; ``pay``: p goes into c; ``add``: into d, at its end."""
    if isinstance(node, Single):
        return _leaf(maker, node.subtask, fold, pay)
    series = isinstance(node, Series)
    kind = SERIES if series else PARALLEL
    last = len(node.parts) - 1
    blocks = [
        _block(
            maker,
            part,
            fold and series,
            pay and (not series or fold or i == last),
            series and not maker.folded and i < last,
        )
        for i, part in enumerate(node.parts)
    ]
    result = blocks[0]
    for i, block in enumerate(blocks[1:], start=1):
        result = _join(
            maker, kind, result, block, fold and (series or i == last), add and not series and i == last
        )
    return result


def _context(maker: _Maker, inside: frozenset[int]) -> tuple[int, ...]:
    """Shared subtasks that matter both inside and outside of a block."""
    return tuple(v for v, who in sorted(maker.needs.items()) if who & inside and who - inside)


def _leaf(maker: _Maker, k: int, fold: bool, pay: bool) -> _Block:
    charged = maker.charged.get(k, [])
    context = _context(maker, frozenset([k]))
    if len(context) > LARGEST_CONTEXT:
        raise _TooWide
    ahead = any(first for _, first, _ in charged)
    block = _Block(frozenset([k]), context, len(maker.options), ahead and not pay)
    maker.arc_start.append(len(maker.arcs))
    maker.arcs += [(arc, first) for arc, first, _ in charged]
    for number in range(2 ** len(context)):
        value = {v: number >> i & 1 for i, v in enumerate(context)}
        bits = sum(value[other] << i for i, (_, _, other) in enumerate(charged))
        maker.options.append((value.get(k, -1), bits))
        maker.pair_start.append(len(maker.pairs))
    _step(maker, LEAF, k, fold, pay, block)
    return block


def _step(maker: _Maker, kind: int, k: int, fold: bool, pay: bool, block: _Block) -> None:
    if kind != LEAF:
        maker.arc_start.append(len(maker.arcs))
    maker.steps.append((kind, k, int(fold), int(pay), block.first, 2 ** len(block.context)))
    maker.has_p.append(int(block.ahead))


def _join(maker: _Maker, kind: int, left: _Block, right: _Block, fold: bool, add: bool) -> _Block:
    inside = left.members | right.members
    context = _context(maker, inside)
    tried = sorted(set(left.context) | set(right.context))
    free = [v for v in tried if v not in context]
    if len(tried) > LARGEST_CONTEXT:
        raise _TooWide
    ahead = right.ahead if kind == SERIES else left.ahead or right.ahead
    block = _Block(inside, context, len(maker.options), ahead and not add)
    for number in range(2 ** len(context)):
        maker.options.append((-1, 0))
        maker.pair_start.append(len(maker.pairs))
        value = {v: number >> i & 1 for i, v in enumerate(context)}
        for attempt in range(2 ** len(free)):
            value |= {v: attempt >> i & 1 for i, v in enumerate(free)}
            maker.pairs.append((_list(left, value), _list(right, value)))
    _step(maker, kind, -1, fold, add, block)
    return block


def _list(block: _Block, value: dict[int, int]) -> int:
    return block.first + sum(value[v] << i for i, v in enumerate(block.context))
