r"""Cuts on the limits of one point: how many of what devices want of it fit there together.

A linear program over decisions fills every point up exactly, with parts of decisions. What of each device is
at a point (its *amounts* there, one of each of the point's limits) cannot be cut into parts: with weights
:math:`w_{ma} \ge 0` of what devices want there, all choices that fit weigh at most some number, and fractions
of them weigh more. Given the shares :math:`x_{ma}` of such amounts, the cut that they violate most is

.. math::

   \max \sum_{m, a} x_{ma} w_{ma} :\; \sum_{(m, a) \in C} w_{ma} \le 1 \;\; \text{for all choices } C
   \text{ of at most one } a \text{ a device with } \sum_{C} a \le q, \quad w \ge 0,

whose rows are generated: the heaviest choice is found by branch and bound over the devices. Weights become
whole numbers, and what they come to at the most is worked out anew. Who uses more weighs no less, so that
every decision has a weight; and *lifting* raises it: amounts u of device m may weigh as much as is left by
the heaviest choice of all others that fits beside u. Cover inequalities are the cuts with one step a device
and weights of 1 (:class:`..certificate.KnapsackCut`).

**Exactness.** Amounts that a cut names are lower than what decisions use by a share of :data:`HAIR`, and fit
where limits are higher by as much: so a certificate's exact numbers give decisions no less weight, and let no
more of them fit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import highspy
import numpy as np
from numba import types

from offloadlib.instances import Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import (
    kernel,
    named,
    of_format_2,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.structured.limits import Limits

from ...engine.highs import solve_linear
from ..certificate import KnapsackCut
from .decisions import all_listed

FEW = 24
"""Devices at the most: with more of them a point's limits are nearly as good as those of fractions."""

HAIR = 1e-11
"""Relative: see above."""

WEIGHT = 10_000
"""The largest weight, roughly: weights are fractions of it."""

VIOLATED = 1e-4
"""Relative: the least violation of a cut."""

MOST_CHOICES = 100_000
"""Nodes of a search for the heaviest choice; a cut that needs more is left out."""

MOST_ROWS = 400
"""Rows of the program for a cut."""


def few(instance: Instance) -> bool:
    """Whether there are so few devices that such cuts are of use."""
    by_sum = of_format_2(instance) and not instance.by_largest
    return by_sum and instance.num_devices <= FEW and not all_listed(instance)


def groups_of(limits: Limits) -> list[Ints]:
    """The limits that cuts are sought on together: those of each point, and each that points share."""
    of_points: dict[int, list[int]] = {}
    alone = []
    for limit in limits.demanded:
        if len(limit.points) == 1:
            of_points.setdefault(int(limit.points[0]), []).append(limit.entry)
        else:
            alone.append(np.array([limit.entry]))
    return [*map(np.array, of_points.values()), *alone]


class Items(NamedTuple):
    """What devices may have of some limits: where that of each device begins (D + 1,), how much it weighs
    (I,), and its amounts (I, R)."""

    start: Ints
    weight: Floats
    amount: Floats


_ITEMS = named(Items, readable("int64"), readable("float64"), readable("float64", 2))


@subroutine
def _heaviest(items: Any, left: Any, least: float, most: int, chosen: Any) -> float:
    """The weight of the heaviest choice that fits and weighs more than ``least``, else that; infinite where
    the search is cut short. Its items, or -1, by device."""
    devices, limits = len(items.start) - 1, len(left)
    rest = np.zeros(devices + 1)
    for d in range(devices - 1, -1, -1):
        heaviest = 0.0
        for i in range(items.start[d], items.start[d + 1]):
            heaviest = max(heaviest, items.weight[i])
        rest[d] = rest[d + 1] + heaviest
    used, weight = np.zeros((devices + 1, limits)), np.zeros(devices + 1)
    following, choice = np.zeros(devices + 1, np.int64), np.full(devices, -1, np.int64)
    following[0] = items.start[0]
    d, nodes = 0, 0
    while d >= 0:
        nodes += 1
        if nodes > most:
            return np.inf
        if weight[d] + rest[d] <= least:
            d -= 1
            continue
        if d == devices:
            least = weight[d]
            for e in range(devices):
                chosen[e] = choice[e]
            d -= 1
            continue
        i = following[d]
        if i > items.start[d + 1]:
            d -= 1
            continue
        following[d] = i + 1
        none = i == items.start[d + 1]
        fits = True
        for r in range(limits):
            used[d + 1, r] = used[d, r]
            if not none:
                used[d + 1, r] += items.amount[i, r]
                fits &= used[d + 1, r] <= left[r]
        if not fits:
            continue
        choice[d] = -1 if none else i
        weight[d + 1] = weight[d] if none else weight[d] + items.weight[i]
        d += 1
        if d < devices:
            following[d] = items.start[d]
    return least


@kernel(types.float64(_ITEMS, readable("float64"), types.float64, types.int64, writable("int64")), few)
def heaviest(items: Any, left: Any, least: Any, most: Any, chosen: Any) -> Any:
    """See above."""
    return _heaviest(items, left, least, most, chosen)


@kernel(types.void(_ITEMS, readable("float64", 2), types.int64, writable("float64")), few)
def heaviest_of_each(items: Any, left: Any, most: Any, weight: Any) -> None:
    """The weights of the heaviest choices that fit into each of several things left (V, R)."""
    chosen = np.empty(len(items.start), np.int64)
    for v in range(len(left)):
        weight[v] = _heaviest(items, left[v], -1.0, most, chosen)


class _Wanted(NamedTuple):
    """Amounts that devices want, device by device; and their shares."""

    devices: Ints
    items: Items
    share: Floats


def violated(
    limits: Limits,
    groups: list[Ints],
    device: Ints,
    use: Floats,
    weights: dict[int, float],
    late: Callable[[], bool],
) -> list[KnapsackCut]:
    """Cuts, of each group of limits at most one, that decisions with weights violate.

    Parameters
    ----------
    limits, groups
        Of the instance, and :func:`groups_of` them.
    device, use
        (T,) and (T, L) of all decisions: whose they are, and what they use.
    weights
        Of some decisions, by number.
    late
        Whether time is up.
    """
    some, shares = np.array(list(weights)), np.array(list(weights.values()))
    found = []
    for group in groups:
        if late():
            break
        right = limits.right[group].astype(np.float64)
        amounts = use[:, group]
        taking = amounts[some].any(axis=1)
        if len(np.unique(device[some[taking]])) < 2:
            continue
        wanted = _wanted(device[some[taking]], amounts[some[taking]], shares[taking])
        weighed = _separated(wanted, right * (1 + HAIR))
        if weighed is not None:
            lifted = partial(_lifted, group, *weighed, wanted.devices)
            found.append(lifted(device, amounts, right * (1 + HAIR), late))
    return found


def _wanted(device: Ints, amounts: Floats, shares: Floats) -> _Wanted:
    table, which = np.unique(np.column_stack([device, amounts]), axis=0, return_inverse=True)
    devices, first = np.unique(table[:, 0].astype(np.int64), return_index=True)
    start, lowered = np.append(first, len(table)).astype(np.int64), table[:, 1:] * (1 - HAIR)
    items = Items(read_only(start), read_only(np.zeros(len(table))), read_only(lowered))
    return _Wanted(devices, items, np.bincount(which.ravel(), shares).astype(np.float64))


def _separated(wanted: _Wanted, right: Floats) -> tuple[Items, int] | None:
    """Whole weights of what is wanted, and what a choice weighs at the most; None without a violated cut."""
    items, share = wanted.items, wanted.share
    left, chosen = read_only(right), np.empty(len(wanted.devices), np.int64)
    program = highspy.Highs()
    program.setOptionValue("output_flag", False)
    none = np.empty(0, np.int32)
    size = len(share)
    program.addCols(size, -share, np.zeros(size), np.ones(size), 0, np.zeros(size, np.int32), none, none)
    for _ in range(MOST_ROWS):
        solve_linear(program, "the program for a cut")
        if -program.getObjectiveValue() <= 1 + VIOLATED:
            return None
        weight = np.maximum(np.array(program.getSolution().col_value), 0.0)
        now = items._replace(weight=read_only(weight))
        most = heaviest(now, left, 1.0 + 0.1 * VIOLATED, MOST_CHOICES, chosen)
        if most == np.inf:
            return None
        if most <= 1.0 + 0.1 * VIOLATED:
            whole = items._replace(weight=read_only(np.floor(weight * WEIGHT + 1e-3)))
            most = heaviest(whole, left, 0.0, MOST_CHOICES, chosen)
            return (whole, int(most)) if share @ whole.weight > most * (1 + VIOLATED) else None
        row = chosen[chosen >= 0].astype(np.int32)
        program.addRow(-np.inf, 1.0, len(row), row, np.ones(len(row)))
    return None


def _lifted(
    group: Ints,
    items: Items,
    most: int,
    devices: Ints,
    device: Ints,
    amounts: Floats,
    right: Floats,
    late: Callable[[], bool],
) -> KnapsackCut:
    """The cut, with steps for what other decisions use, too, as heavy as they may be, while there is time."""
    steps: dict[int, list[tuple[Floats, float]]] = {}
    for m, first, last in zip(devices.tolist(), items.start[:-1], items.start[1:], strict=True):
        some = zip(items.amount[first:last], items.weight[first:last].tolist(), strict=True)
        steps[m] = [(amount, weight) for amount, weight in some if weight > 0]
    for m in np.unique(device).tolist():
        mine = amounts[device == m]
        asked = np.unique(mine[mine.any(axis=1) & (mine <= right).all(axis=1)], axis=0) * (1 - HAIR)
        if not len(asked) or late():
            continue
        others = {other: some for other, some in steps.items() if other != m and some}
        all_others = Items(
            read_only(np.cumsum([0, *map(len, others.values())])),
            read_only(np.array([weight for some in others.values() for _, weight in some])),
            read_only(np.array([a for some in others.values() for a, _ in some]).reshape(-1, len(group))),
        )
        beside = np.empty(len(asked))
        heaviest_of_each(all_others, read_only(right - asked), MOST_CHOICES // 10, beside)
        known = steps.get(m, [])
        # Who uses more weighs no less.
        for at in np.argsort((asked / np.where(right > 0, right, 1.0)).sum(axis=1), kind="stable").tolist():
            weight = most - beside[at]
            so_far = max((w for a, w in known if (a <= asked[at]).all()), default=0.0)
            if weight > so_far:
                known.append((asked[at], weight))
        if known:
            steps[m] = known
    whole = {m: [(tuple(a.tolist()), int(w)) for a, w in some] for m, some in steps.items() if some}
    return KnapsackCut(tuple(group.tolist()), whole, most)


def weights_of(cut: KnapsackCut, device: Ints, use: Floats) -> Floats:
    """(T,) what decisions weigh in a cut.

    Parameters
    ----------
    cut
        The cut.
    device, use
        (T,) and (T, L) of the decisions: whose they are, and what they use.
    """
    weight, amounts = np.zeros(len(device)), use[:, list(cut.limits)]
    for m, steps in cut.steps.items():
        mine = np.flatnonzero(device == m)
        for least, heavy in steps:
            taking = mine[(amounts[mine] >= np.array(least)).all(axis=1)]
            weight[taking] = np.maximum(weight[taking], heavy)
    return weight
