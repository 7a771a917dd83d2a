r"""Level inequalities: what the relaxation of the heaviest path forgets about integers.

Let the subtasks J run side by side between a subtask d and a subtask k: all of them directly follow d
(or all are heads), and k directly follows all of them (or all are tails). Then

.. math::

   finish_{mk} - a_m g_{mk} - finish_{md} \ge \max_{j \in J} a_m g_{mj}               \qquad (*)

(without finish_md where they are heads; with delay_m for finish_mk - a_m g_mk where they are tails). The
relaxation knows this for each j alone, with a fractional mean of what g_mj may be: two subtasks that are
local half the time each seem to take half as long, both, although at any time one of them is local.

**Statement.** For j in J let pi_j(s) be a linear function of places and transfers that is at most 1 where
a_m g_mj > s, and at most 0 elsewhere, in every integer solution. Then for any choice j(s) of one of them
for each level s >= 0

.. math::

   finish_{mk} - a_m g_{mk} - finish_{md} \ge \int_0^\infty \pi_{j(s)}(s)\, ds .

**Proof.** A number v >= 0 is the integral over s of [v > s], and the maximum in (*) is above s where the
value of one j is. So the maximum is the integral of [max > s] >= [a_m g_mj(s) > s] >= pi_j(s)(s).

Here, with the weighted costs l = a_m w/c_m and p_n = a_m (w/c_n + input of a head + output of a tail),
and D, U = a_m times the seconds to receive, to send the data of arc (d, j), the function pi_j(s) is a sum

.. math::

   & local_{mj}\ \text{if}\ s < l, \quad down_{mdj}\ \text{if}\ l \le s < l + D, \quad 0\ \text{above}\\
   + & \text{either}\ \sum_{n: p_n > s} place_{mjn} \quad
       \text{or}\ up_{mdj} - \sum_{n: p_n + U \le s} place_{mjn} .

In instances of format 2 (:mod:`.metered`) weights and costs are in units of time, execution differs by place,
and a device that is refused has only zeros: both sides are 0 then.

The first line counts a local j that takes longer than s (down is 1 where d was offloaded and j is not),
the second one an offloaded j: its execution alone takes longer than s, or it was sent its data and that
and its execution take longer. Transfers along other arcs into j only add to g_mj.

At a fractional point the best choice takes, at each level, the largest pi_j(s). With independent
subtasks and no transfers the result is the convex envelope of the maximum: E max(g_1, g_2, ...) is least,
for given distributions, if all are large together, where P(max > s) = max_j P(g_j > s). The two-subtask
case with binaries is the mixing inequality (Günlük and Pochet 2001).

There are exponentially many inequalities and each is separated by sorting, so they are added in a few
rounds where the relaxation violates them (:func:`tighten`).
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.sparse import coo_array, csr_array, vstack

from offloadlib.instances import Application, Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.sides import Terms

from ...engine.highs import LinearRelaxation, MixedIntegerProgram
from ..metered import away_parts, inside

ROUNDS = 5
"""Rounds of separation, at the most: later ones hardly raised the bound."""

VIOLATION = 1e-4
"""By how much of the right-hand side an inequality must be violated to be added."""

SHARE = 0.2
"""Of the time that is left, at the most: a relaxation that takes longer is for the solver to solve."""

MOST_DIAMONDS = 200
"""Diamonds of one application that are looked at; dense graphs have thousands."""

LARGE = 100_000
"""Entries of a program whose memory matters."""

_CHUNK = 2_000_000
"""Numbers in one array, about, while separating."""


@dataclass(frozen=True)
class Layout:
    """Where the variables of one group's devices stand in a program; -1: not there.

    Attributes
    ----------
    local, start, finish
        (G, K); few subtasks have a start (:mod:`.potentials`).
    place
        (G, K, N).
    up, down
        (G, A).
    delay
        (G,).
    """

    local: Ints
    place: Ints
    up: Ints
    down: Ints
    start: Ints
    finish: Ints
    delay: Ints


@dataclass(frozen=True)
class Diamond:
    """Subtasks that run side by side between two others (None: the start, the end of the task)."""

    before: int | None
    between: tuple[int, ...]
    after: int | None


@lru_cache(maxsize=256)
def diamonds(application: Application) -> tuple[Diamond, ...]:
    """Sets of two or more subtasks with the same direct neighbour on either side, the largest first."""
    follow: list[list[int | None]] = [[] for _ in application.subtasks]
    rank: dict[int | None, int] = {None: -1}
    for j, k in application.edges:
        follow[j].append(k)
        rank.setdefault(j, len(rank))
    between: dict[tuple[int | None, int | None], list[int]] = {}
    end: list[int | None] = [None]
    for j, arcs in enumerate(application.incoming):
        for after in follow[j] or end:
            for before in [i for _, i in arcs] or end:
                between.setdefault((before, after), []).append(j)

    def largest_first(diamond: Diamond) -> tuple[int, float, int]:
        return (
            -len(diamond.between),
            math.inf if diamond.after is None else diamond.after,
            rank[diamond.before],
        )

    found = (Diamond(before, tuple(some), after) for (before, after), some in between.items())
    several = (diamond for diamond in found if len(diamond.between) > 1)
    return tuple(sorted(several, key=largest_first)[:MOST_DIAMONDS])


def tighten(
    instance: Instance, program: MixedIntegerProgram, columns: tuple[Layout, ...], time_limit: float
) -> MixedIntegerProgram:
    """Add the level inequalities that the relaxation violates.

    Parameters
    ----------
    instance
        The instance.
    program
        A formulation with finish times (:mod:`.potentials`).
    columns
        Where its variables stand, for each group.
    time_limit
        Seconds that are left; :data:`SHARE` of them may be spent here.

    Returns
    -------
    MixedIntegerProgram
        With the same columns, and more rows.
    """
    if not any(diamonds(group.application) for group in instance.groups):
        return program
    return relaxed(instance, program, columns, time_limit)[0]


def relaxed(
    instance: Instance, program: MixedIntegerProgram, columns: tuple[Layout, ...], time_limit: float
) -> tuple[MixedIntegerProgram, Floats]:
    """As :func:`tighten`, with the duals of the relaxation.

    Returns
    -------
    program
        The tightened program.
    duals
        Of its rows, 0 for those that were added last; none where there was no time for an optimum.
    """
    try:
        return _tightened(instance, program, columns, time_limit)
    finally:
        if program.matrix.nnz >= LARGE:
            gc.collect()  # the relaxation is part of a cycle, and about as large as what comes next


def _tightened(
    instance: Instance, program: MixedIntegerProgram, columns: tuple[Layout, ...], time_limit: float
) -> tuple[MixedIntegerProgram, Floats]:
    begun = time.perf_counter()
    relaxation = LinearRelaxation(program)
    for _ in range(ROUNDS):
        left = SHARE * time_limit - (time.perf_counter() - begun)
        values = relaxation.solve(left) if left > 0 else None
        if values is None:
            break
        rows = violated(instance, columns, values)
        if rows.shape[0] == 0:
            break
        relaxation.add(rows)
        program = replace(
            program,
            matrix=csr_array(vstack([program.matrix, rows])),
            row_lower=np.append(program.row_lower, np.zeros(rows.shape[0])),
            row_upper=np.append(program.row_upper, np.full(rows.shape[0], np.inf)),
        )
    duals = relaxation.duals
    if len(duals):
        duals = np.append(duals, np.zeros(len(program.row_lower) - len(duals)))
    return program, duals


def violated(instance: Instance, columns: tuple[Layout, ...], values: Floats) -> csr_array:
    """The level inequalities, as rows that must be >= 0, that values of the variables violate most.

    At most one for each diamond, or part of a wide one, of each device.
    """
    parts = [
        rows
        for term, where in zip(instance.terms, columns, strict=True)
        for diamond in diamonds(term.group.application)
        for part in _parts(diamond, instance.num_points)
        for rows in _separate(instance, term, where, part, values)
    ]
    empty = csr_array((0, len(values)))
    return csr_array(vstack([empty, *parts]))


def _parts(diamond: Diamond, points: int) -> Iterator[Diamond]:
    """The diamond, or where one device fills more than an array, narrower ones that make it up."""
    most = max(2, math.isqrt(_CHUNK // ((2 * points + 2) * points)))
    for start in range(0, len(diamond.between), most):
        yield replace(diamond, between=diamond.between[start : start + most])


def _separate(
    instance: Instance, term: Terms, where: Layout, diamond: Diamond, values: Floats
) -> Iterator[csr_array]:
    """The violated rows of one diamond, a block of devices at a time."""
    linked = np.flatnonzero(inside(instance, term.group.members))
    subtasks, points = len(diamond.between), instance.num_points
    size = max(1, _CHUNK // (subtasks * subtasks * (2 * points + 2) * points))
    known = np.append(values, 0.0)  # what is not there (-1) is 0
    for start in range(0, len(linked), size):
        devices = linked[start : start + size]
        left = _left_side(instance, term, where, diamond, devices)
        right = _right_side(instance, term, where, diamond, devices, known)
        broken = left.value(known) < (1 - VIOLATION) * right.value(known)
        columns = np.concatenate([left.columns, right.columns], axis=1)[broken]
        entries = np.concatenate([left.coefficients, -right.coefficients], axis=1)[broken]
        row, at = np.nonzero((entries != 0) & (columns >= 0))
        shape = (len(columns), len(values))
        yield csr_array(coo_array((entries[row, at], (row, columns[row, at])), shape=shape))


@dataclass(frozen=True)
class _Side:
    """One linear function for each device: (G, C) columns and their coefficients."""

    columns: Ints
    coefficients: Floats

    @classmethod
    def of(cls, *parts: tuple[Ints, Floats]) -> _Side:
        """From columns and coefficients of any equal shapes (G, ...)."""
        columns, coefficients = (
            np.concatenate([part.reshape(len(part), -1) for part in arrays], axis=1)
            for arrays in zip(*parts, strict=True)
        )
        return cls(columns, coefficients)

    def value(self, known: Floats) -> Floats:
        """(G,) at the values of the variables."""
        result: Floats = (self.coefficients * known[self.columns]).sum(axis=1)
        return result


def _left_side(instance: Instance, term: Terms, where: Layout, diamond: Diamond, devices: Ints) -> _Side:
    """finish_k - a g_k - finish_d, or delay - finish_d where nothing follows."""
    one = np.ones(len(devices))
    parts = [] if diamond.before is None else [(where.finish[devices, diamond.before], -one)]
    if diamond.after is None:
        return _Side.of((where.delay[devices], one), *parts)
    k, sides = diamond.after, term.sides
    on_device, on_point = _execution(instance, term, devices, np.array([k]))
    arcs = np.ix_(devices, np.array([arc for arc, _ in term.group.application.incoming[k]]))
    return _Side.of(
        *parts,
        (where.finish[devices, k], one),
        (where.local[devices, k], -on_device),
        (where.place[devices, k], -on_point),
        (where.up[arcs], -sides.up_delay[arcs]),
        (where.down[arcs], -sides.down_delay[arcs]),
    )


def _execution(instance: Instance, term: Terms, devices: Ints, subtasks: Ints) -> tuple[Floats, Floats]:
    """Weighted delays (G, J) on the device and (G, J, N) at the points, with what ends there."""
    at = np.ix_(devices, subtasks)
    return term.sides.local_delay[at], away_parts(instance, term, at)[0]


def _right_side(
    instance: Instance, term: Terms, where: Layout, diamond: Diamond, devices: Ints, known: Floats
) -> _Side:
    """The integral, with the best choice at each level; arrays are (G, levels, J, N)."""
    subtasks = np.array(diamond.between)
    at = np.ix_(devices, subtasks)
    local, place = where.local[at], where.place[at]
    on_device, on_point = _execution(instance, term, devices, subtasks)
    if diamond.before is None:
        up = down = np.full(local.shape, -1)
        to_send = to_receive = np.zeros(local.shape)
    else:
        edges = term.group.application.edges
        arcs = np.ix_(devices, np.array([edges.index((diamond.before, j)) for j in diamond.between]))
        up, down = where.up[arcs], where.down[arcs]
        to_send, to_receive = term.sides.up_delay[arcs], term.sides.down_delay[arcs]
    received, sent = on_device + to_receive, on_point + to_send[:, :, None]
    width, level = _levels(on_device, received, on_point, sent)
    if_local = on_device[:, None] > level
    if_received = ~if_local & (received[:, None] > level)
    if_place = on_point[:, None] > level[..., None]
    if_short = sent[:, None] <= level[..., None]

    here = if_local * known[local][:, None] + if_received * known[down][:, None]
    executed = here + np.einsum("gljn,gjn->glj", if_place, known[place])
    transferred = here + known[up][:, None] - np.einsum("gljn,gjn->glj", if_short, known[place])
    by_execution, by_transfer = _choose(executed, transferred, width)
    either = by_execution + by_transfer
    return _Side.of(
        (local, np.einsum("glj,glj->gj", either, if_local)),
        (down, np.einsum("glj,glj->gj", either, if_received)),
        (up, by_transfer.sum(axis=1)),
        (place, np.einsum("glj,gljn->gjn", by_execution, if_place)),
        (place, -np.einsum("glj,gljn->gjn", by_transfer, if_short)),
    )


def _levels(*values: Floats) -> tuple[Floats, Floats]:
    """Between 0 and the values: the widths (G, L) of the levels, and where (G, L, 1) they start."""
    ends = np.concatenate([value.reshape(len(value), -1) for value in values], axis=1)
    ends = np.sort(np.pad(ends, ((0, 0), (1, 0))), axis=1)
    return np.diff(ends, axis=1), ends[:, :-1, None]


def _choose(executed: Floats, transferred: Floats, width: Floats) -> tuple[Floats, Floats]:
    """At each level its width at the largest of the two (G, L, J) arrays, where that is positive."""
    both = np.concatenate([executed, transferred], axis=2)
    best = both.argmax(axis=2)[..., None]
    chosen = np.zeros_like(both)
    np.put_along_axis(chosen, best, np.where(both.max(axis=2) > 0, width, 0.0)[..., None], axis=2)
    first, second = np.split(chosen, 2, axis=2)
    return first, second
