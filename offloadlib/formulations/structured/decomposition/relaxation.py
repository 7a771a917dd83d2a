r"""First prices from the relaxation of the program of :mod:`..milp.arrays`: its duals on what devices share.

Where a task is searched, the relaxation of all devices takes less time than a few pricings, and its duals are
near the best prices, near which searches are short; at rough prices (:mod:`.tatonnement`) they are long.

**Values.** With these prices the relaxation falls apart into devices. For any duals y of a device's own rows,
and d = c - A'y with prices in c,

.. math:: \sum_i \min_{r_i \le \cdot \le R_i} y_i \cdot + \sum_j \min_{0 \le x_j \le u_j} d_j x_j

is at most the device's least cost with prices (Neumaier and Shcherbina 2004: no tolerance of a solver
counts). Here u_j is 1 for places and transfers, and for times what the device costs all-local, as decisions
that take longer are dearer than that. The sum of these, minus prices x limits, is the relaxation's value.

**Flows.** Without the inequalities that tighten it, the relaxation at these prices is max L of
:mod:`.search`, and its duals on the rows that make a subtask wait for another one are a flow where L is
greatest: there searches begin, whose own game is slow to come so far. A unit flow is made of them from the
tails on: what goes through a subtask comes by its arcs in the proportion of their duals, or as in the even
flow where all are 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from offloadlib.instances import LOCAL, Application, Instance
from offloadlib.instances.arrays import Floats, Ints

from ...engine.highs import LinearRelaxation, MixedIntegerProgram
from ...engine.units import unit_for
from .. import pooling
from ..certificate import rounded
from ..milp import arrays
from ..milp.levels import Layout, relaxed
from ..scaling import levelled
from ..search import can_offload
from .pricing import Prices
from .tables import graph

FOR_FLOWS = 0.05
"""Share of the time left for the linear program of the flows."""

ROUNDING = 2.0**-44
"""Relative error of sums of some hundred numbers."""


class PricedRelaxation(NamedTuple):
    """The prices, for each device (M,) a lower bound of its least cost with these, and for each group
    (G, K + A) unit flows at which searches begin."""

    prices: Prices
    value: Floats
    flow: list[Floats]


def relaxation(instance: Instance, objective: float, time_limit: float) -> PricedRelaxation | None:
    """The relaxation of an instance, tightened; None where no device can offload, or there was no time.

    Parameters
    ----------
    instance
        The instance.
    objective
        What some solution costs, which sets the scale.
    time_limit
        Seconds that are left, a part of which is taken (:func:`..milp.levels.relaxed`).
    """
    if objective <= 0.0 or not can_offload(instance):
        return None
    unit = unit_for(objective)
    pooled = pooling.pool(instance)
    scaled = levelled(pooled, objective, unit)
    made = arrays.formulate(scaled)
    program, duals = relaxed(scaled, made.program, made.columns, time_limit)
    if not len(duals):
        return None
    prices = _prices(instance, made, np.maximum(-np.append(duals, 0.0), 0.0) / unit)
    for rows, price in (made.capacity, prices.capacity), (made.channels, prices.channels):
        duals[rows[rows >= 0]] = -unit * price[rows >= 0]
    owner, upper = _owners(instance, scaled, made, unit)
    shared = np.concatenate([made.capacity, made.channels])
    least = _least(
        instance.num_devices, program, duals, owner, np.minimum(program.upper, upper), shared[shared >= 0]
    )
    value = np.where(instance.devices.connected_to == LOCAL, instance.local_cost, least / unit)
    flow = _flows(instance, made, duals, time_limit)
    return PricedRelaxation(prices, np.minimum(value, instance.local_cost), flow)


def _flows(instance: Instance, made: arrays.Formulated, duals: Floats, time_limit: float) -> list[Floats]:
    """Unit flows of all devices, from the relaxation with prices in place of the limits; even where there was
    no time for it."""
    shared = np.concatenate([made.capacity, made.channels])
    shared, program = shared[shared >= 0], made.program
    priced = replace(
        program,
        cost=program.cost - program.matrix[shared].T @ duals[shared],
        row_upper=np.where(np.isin(np.arange(len(program.row_upper)), shared), np.inf, program.row_upper),
    )
    relaxation = LinearRelaxation(priced)
    relaxation.solve(FOR_FLOWS * time_limit)
    weight = relaxation.duals if len(relaxation.duals) else np.zeros(len(program.row_lower))
    times = np.zeros(len(program.cost), dtype=np.bool_)
    for where in made.columns:
        for columns in where.start, where.finish, where.delay:
            times[columns[columns >= 0]] = True
    # The rows of two times, later >= earlier + something, by both.
    rows = program.matrix.tocoo()
    some = times[rows.col]
    at = {}
    later, earlier = np.full((2, len(program.row_lower)), -1)
    later[rows.row[some & (rows.data > 0)]] = rows.col[some & (rows.data > 0)]
    earlier[rows.row[some & (rows.data < 0)]] = rows.col[some & (rows.data < 0)]
    for row in np.flatnonzero((later >= 0) & (earlier >= 0)).tolist():
        at[later[row], earlier[row]] = max(float(weight[row]), 0.0)
    return [
        _unit_flows(group.application, where, at)
        for group, where in zip(instance.groups, made.columns, strict=True)
    ]


def _unit_flows(application: Application, where: Layout, weight: dict[tuple[int, int], float]) -> Floats:
    """(G, K + A) unit flows in proportion to the weights of pairs of columns."""
    shape = graph(application)
    size, devices = application.size, len(where.delay)
    flow = np.zeros((devices, size + len(shape.ends)))

    def weights(later: Ints, earlier: Ints) -> Floats:
        return np.array(
            [weight.get(pair, 0.0) for pair in zip(later.tolist(), earlier.tolist(), strict=True)]
        )

    def share(columns: list[Floats], even: Floats) -> Floats:
        found = np.column_stack(columns)
        total = found.sum(axis=1, keepdims=True)
        return np.where(total > 0, found / np.where(total > 0, total, 1.0), even / even.sum())

    tails = np.flatnonzero(application.tails)
    flow[:, tails] = share([weights(where.delay, where.finish[:, k]) for k in tails], shape.even[tails])
    for k in reversed(application.order):
        arcs = shape.late[shape.late_start[k] : shape.late_start[k + 1]]
        if not len(arcs):
            continue
        begun = np.where(where.start[:, k] >= 0, where.start[:, k], where.finish[:, k])
        by = size + arcs[:, 0]
        parts = share([weights(begun, where.finish[:, j]) for j in arcs[:, 1]], shape.even[by])
        flow[:, by] = flow[:, [k]] * parts
        np.add.at(flow.T, arcs[:, 1], flow[:, by].T)
    return flow


def _prices(instance: Instance, made: arrays.Formulated, price: Floats) -> Prices:
    """From (rows + 1,) prices of rows, the last of which is none; points that pooling leaves out cost what
    the others of their speed do, or what the slowest that are left do."""
    points, capacity, least = instance.points, np.zeros(instance.num_points), np.inf
    for speed in np.unique(points.cpu)[::-1]:
        equal = points.cpu == speed
        rows = made.capacity[equal]
        if (rows >= 0).any():
            least = min(least, float(price[rows[rows >= 0]].max()))
        capacity[equal & (points.capacity > 0)] = least if np.isfinite(least) else 0.0
    return rounded(Prices(capacity, price[made.channels]))


def _owners(
    instance: Instance, scaled: Instance, made: arrays.Formulated, unit: float
) -> tuple[Ints, Floats]:
    """Of each column its device, and what it is at the most."""
    owner = np.full(len(made.program.cost) + 1, -1)
    upper: Floats = np.ones(len(made.program.cost) + 1)
    for term, where in zip(scaled.terms, made.columns, strict=True):
        members = term.group.members
        assert term.share is not None
        longest = (1 + ROUNDING) * unit * instance.local_cost[members] / term.share
        for columns in where.local, where.up, where.down, where.start, where.finish:
            owner[columns] = members[:, None]
        owner[where.place], owner[where.delay] = members[:, None, None], members
        upper[where.start] = upper[where.finish] = longest[:, None]
        upper[where.delay] = longest
    owner[made.air] = np.arange(instance.num_devices)
    return owner[:-1], upper[:-1]


def _least(
    devices: int, program: MixedIntegerProgram, duals: Floats, owner: Ints, upper: Floats, shared: Ints
) -> Floats:
    """(M,) the sums above, without what the limits are worth."""
    duals = np.where(np.isneginf(program.row_lower), np.minimum(duals, 0.0), duals)
    duals = np.where(np.isposinf(program.row_upper), np.maximum(duals, 0.0), duals)
    sides = np.where(duals > 0, program.row_lower, np.where(duals < 0, program.row_upper, 0.0))
    of_rows = duals * sides
    reduced = program.cost - program.matrix.T @ duals
    error = ROUNDING * (np.abs(program.cost) + abs(program.matrix).T @ np.abs(duals))
    of_columns = np.minimum(program.lower * reduced, upper * (reduced - error))
    first = owner[program.matrix.indices[program.matrix.indptr[:-1]]]  # no row is empty
    of_rows, owned = np.delete(of_rows, shared), np.delete(first, shared)
    least = np.zeros(devices)
    np.add.at(least, owned, of_rows)
    np.add.at(least, owner, of_columns)
    return least
