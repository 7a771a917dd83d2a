r"""The reference MILP as arrays: the same rows and columns, without a modelling language.

The program is that of :mod:`.potentials`, column by column and row by row; what it means is
said there and in :mod:`.placement`. Here it is put together for all devices of an application
at once: a family of constraints is one array of column numbers and one of coefficients for each subtask
or arc, with a row for each device. That is made and handed to HiGHS in a small fraction of the time that
Pyomo takes to build and compile its model (``benchmarks/handover.py`` measures it), which is what counts
with thousands of devices. The tests hold the two to the same matrix.

Columns, for each application: local, place, up, down, start, finish, delay of its devices (the connected ones
in format 1); in the end air of the devices whose radio has limited channels; and for instances of format 2
served of the devices that may be refused, and largest where the objective is the largest cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from offloadlib.instances import (
    LOCAL,
    Application,
    Budget,
    Instance,
    Result,
    Solution,
    Termination,
)
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.model import REFUSED
from offloadlib.instances.structured.series_parallel import reduction
from offloadlib.instances.structured.sides import Sides, Terms

from ...engine.highs import MixedIntegerProgram
from ...engine.units import unit_for
from .. import programs
from ..metered import Metered, away_parts, finite, inside, loosened, metered, meters
from ..scaling import levelled
from ..search import Search, run_in_scale
from .levels import Layout, tighten
from .size import large_joins, potentials, too_large


@dataclass(frozen=True)
class Formulated:
    """An instance as a program.

    Attributes
    ----------
    program
        The program, without the constant cost of unconnected devices, or that of refusing all devices that
        may be refused (:func:`..metered.constant`).
    columns
        Where its variables stand, for each group.
    air, served
        (M,) where air_m, served_m stand; -1: not there.
    capacity, channels
        (N,) the rows of these limits; -1: not there.
    """

    program: MixedIntegerProgram
    columns: tuple[Layout, ...]
    air: Ints
    served: Ints
    capacity: Ints
    channels: Ints


def obstacle(instance: Instance) -> str | None:
    """None, or why the program would be too large."""
    return too_large(instance, potentials, models=0)


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS."""
    if instance.version > 1:
        return programs.run(instance, budget, _minimise_limited)
    return run_in_scale(instance, budget, _minimise)


def _minimise_limited(search: programs.LimitedSearch, reference: float) -> tuple[Termination, dict[str, Any]]:
    given, unit = search.instance, unit_for(reference)
    instance = metered(given, unit)
    made = formulate(instance)
    tightened = tighten(instance, made.program, made.columns, search.left)
    at = {int(m): (g, row) for g, group in enumerate(given.groups) for row, m in enumerate(group.members)}

    def column(m: int, k: int, n: int) -> int:
        group, row = at[m]
        where = made.columns[group]
        return int(where.local[row, k] if n == LOCAL else where.place[row, k, n])

    encoded = programs.Encoded(
        replace(tightened, cost=tightened.cost / unit),
        encode=lambda solution: encode(given, made, solution),
        decode=lambda values: decode(given, made, values),
        column=column,
    )
    return programs.minimise(search, encoded, reference)


def _minimise(search: Search) -> tuple[Termination, dict[str, Any]]:
    unit = unit_for(search.objective)
    instance = levelled(search.instance, search.objective, unit)
    made = formulate(instance)
    tightened = tighten(instance, made.program, made.columns, search.left)
    # The rows keep their unit, the objective is F again.
    program = replace(tightened, cost=tightened.cost / unit)
    start = encode(instance, made, search.start)
    return search.minimise(program, start, lambda values: decode(instance, made, values))


def formulate(instance: Instance) -> Formulated:
    """The program of an instance in which some device can offload, or of any one of format 2 (whose terms
    are :func:`..metered.metered`, else in seconds and mJ)."""
    if instance.version > 1 and not isinstance(instance.terms[0], Metered):
        instance = metered(instance)
    columns, air, served, largest, count = _layout(instance)
    parts = [
        _part(instance, term, where, served) for term, where in zip(instance.terms, columns, strict=True)
    ]
    rows = _Rows()
    for part in parts:
        _assignment(rows, part)
        _transfers(rows, part)
    capacity = _capacities(rows, instance, parts)
    channels = _channels(rows, instance, air)
    for part in parts:
        _air(rows, part, air)
        _finish_times(rows, part)
    if instance.version > 1:
        _resources(rows, instance, parts)
        _totals(rows, instance, parts)
        for part in parts:
            _energy_budgets(rows, part)
    cost = np.zeros(count)
    for part in parts:
        if largest < 0:
            part.add_to(cost)
        else:
            _largest(rows, part, largest)
    program = MixedIntegerProgram(
        cost=cost,
        lower=np.zeros(count),
        upper=np.full(count, np.inf),
        integer=np.sort(
            np.concatenate([air[air >= 0], served[served >= 0], *(part.binaries for part in parts)])
        ),
        matrix=rows.matrix(count),
        row_lower=np.concatenate(rows.lower),
        row_upper=np.concatenate(rows.upper),
    )
    program.upper[program.integer] = 1.0
    if largest >= 0:
        program.cost[largest], program.lower[largest] = 1.0, -np.inf
    if instance.version > 1:
        _bounds(program, instance, columns)
    return Formulated(program, columns, air, served, capacity, channels)


def _bounds(program: MixedIntegerProgram, instance: Instance, columns: tuple[Layout, ...]) -> None:
    """Places that are not allowed, and deadlines."""
    for term, where in zip(meters(instance), columns, strict=True):
        allowed = term.options.allowed
        program.upper[where.local[~allowed[..., LOCAL]]] = 0.0
        there = where.place[~allowed[..., :LOCAL]]
        program.upper[there[there >= 0]] = 0.0
        program.upper[where.delay] = term.deadline


def encode(instance: Instance, made: Formulated, solution: Solution) -> tuple[Ints, Floats]:
    """The binary columns, and their values in a solution; the solver completes the others."""
    values = np.zeros(len(made.program.cost) + 1)  # what is not there (-1) is the last
    for group, where, places in zip(instance.groups, made.columns, solution.places, strict=True):
        values[where.local] = places == LOCAL
        values[where.place] = places[:, :, None] == np.arange(instance.num_points)
        values[made.air[group.members]] = (places >= 0).any(axis=1)
        values[made.served[group.members]] = (places != REFUSED).all(axis=1)
    return made.program.integer, values[made.program.integer]


def decode(instance: Instance, made: Formulated, values: Floats) -> Solution:
    """The decisions that the values of the columns stand for."""
    known = np.append(values, 0.0)
    found = []
    for group, where in zip(instance.groups, made.columns, strict=True):
        share, served = known[where.place], made.served[group.members]
        places = np.where(share.max(axis=2) > 0.5, share.argmax(axis=2), LOCAL).astype(np.int32)
        places[(served >= 0) & (known[served] < 0.5)] = REFUSED
        found.append(places)
    return Solution(tuple(found))


def _layout(instance: Instance) -> tuple[tuple[Layout, ...], Ints, Ints, int, int]:
    """Where the variables stand, for each group; where air, served and largest do; how many columns there
    are."""
    count = 0

    def number(present: NDArray[np.bool_]) -> Ints:
        nonlocal count
        numbers = np.full(present.shape, -1, dtype=np.int64)
        size = int(np.count_nonzero(present))
        numbers[present] = np.arange(count, count + size)
        count += size
        return numbers

    usable = instance.points.capacity > 0
    columns = []
    for group in instance.groups:
        linked = inside(instance, group.members)
        subtasks = np.broadcast_to(linked[:, None], group.work.shape)
        arcs = np.broadcast_to(linked[:, None], group.edge_data.shape)
        columns.append(
            Layout(
                local=number(subtasks),
                place=number(subtasks[:, :, None] & usable),
                up=number(arcs),
                down=number(arcs),
                start=number(subtasks & large_joins(group.application)),
                finish=number(subtasks),
                delay=number(linked),
            )
        )
    air, served = number(Limits(instance).radio >= 0), number(~np.isnan(instance.devices.rejection))
    largest = int(number(np.array([instance.by_largest]))[0])
    return tuple(columns), air, served, largest, count


Entries = list[tuple[Ints, Floats]]
"""Columns and coefficients (G, ...) of a row for each device."""


@dataclass(frozen=True)
class _Part:
    """The devices of one group that are in the program: their columns, at points with capacity, and what
    their parts cost.

    Attributes
    ----------
    served
        (G,) the column of served_m; -1: not there.
    delay_rate, energy_rate
        (G,) of weighted delay and energy in the objective.
    away_delay, away_energy
        (G, K, N) at each point, with what goes over the radio.
    term
        Of an instance of format 2.
    usable
        (N of the instance,) which points have a capacity.
    """

    application: Application
    members: Ints
    columns: Layout
    served: Ints
    delay_rate: Floats
    energy_rate: Floats
    sides: Sides
    away_delay: Floats
    away_energy: Floats
    term: Metered | None
    usable: NDArray[np.bool_]

    @property
    def binaries(self) -> Ints:
        return np.append(self.columns.local, self.columns.place)

    def g(self, k: int) -> Entries:
        """-a_m g_mk as columns and coefficients."""
        into = [arc for arc, _ in self.application.incoming[k]]
        where, sides = self.columns, self.sides
        return [
            (where.local[:, k], -sides.local_delay[:, k]),
            (where.place[:, k], -self.away_delay[:, k]),
            (where.up[:, into], -sides.up_delay[:, into]),
            (where.down[:, into], -sides.down_delay[:, into]),
        ]

    def energies(self, rate: Floats) -> Entries:
        """The weighted energy, times (G,) rates."""
        where, sides, wide = self.columns, self.sides, rate[:, None]
        return [
            (where.local, sides.local_energy * wide),
            (where.place, self.away_energy * wide[:, :, None]),
            (where.up, sides.up_energy * wide),
            (where.down, sides.down_energy * wide),
        ]

    def costs(self) -> Entries:
        """What a device adds to the objective, without the constant rejection of one that may be refused."""
        found = [(self.columns.delay, self.delay_rate), *self.energies(self.energy_rate)]
        if self.term is None:
            return found
        rate = self.term.fee_rate[:, None]
        fee = self.term.options.fee
        on_device = found[1][1] + rate * fee[..., LOCAL]
        there = found[2][1] + rate[:, :, None] * fee[..., :LOCAL][:, :, self.usable]
        found[1:3] = [(self.columns.local, on_device), (self.columns.place, there)]
        return [*found, self.if_served(-self.rejection)]

    @property
    def rejection(self) -> Floats:
        """(G,) of a refusal in the objective, 0 where a device must be served."""
        assert self.term is not None
        return self.term.fee_rate * np.nan_to_num(self.term.rejection)

    def if_served(self, value: Floats | float) -> tuple[Ints, Floats]:
        """Coefficients of served_m where that is there; elsewhere they are 0, of some column."""
        there = self.served >= 0
        return np.where(there, self.served, self.columns.local[:, 0]), np.where(there, value, 0.0)

    def add_to(self, cost: Floats) -> None:
        """Put what the devices cost into the objective."""
        for where, value in self.costs():
            cost[where] += value


def _part(instance: Instance, term: Terms, where: Layout, served: Ints) -> _Part:
    linked = inside(instance, term.group.members)
    usable = instance.points.capacity > 0
    sides = Sides(*(values[linked] for values in term.sides))
    away_delay, away_energy = away_parts(instance, term)
    if isinstance(term, Metered):
        delay_rate, energy_rate = term.delay_rate, term.energy_rate
    else:
        delay_rate = energy_rate = np.ones(len(linked)) if term.share is None else term.share
    columns = Layout(
        where.local[linked],
        where.place[linked][:, :, usable],
        where.up[linked],
        where.down[linked],
        where.start[linked],
        where.finish[linked],
        where.delay[linked],
    )
    members = term.group.members[linked]
    return _Part(
        application=term.group.application,
        members=members,
        columns=columns,
        served=served[members],
        delay_rate=delay_rate[linked],
        energy_rate=energy_rate[linked],
        sides=sides,
        away_delay=away_delay[linked][:, :, usable],
        away_energy=away_energy[linked][:, :, usable],
        term=term if isinstance(term, Metered) else None,
        usable=usable,
    )


class _Rows:
    """Rows of a program, in blocks of rows that have equally many entries."""

    def __init__(self) -> None:
        self._columns: list[Ints] = []
        self._values: list[Floats] = []
        self._lengths: list[Ints] = []
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []
        self.count = 0

    def add(
        self,
        *entries: tuple[Ints, Floats | float],
        lower: Floats | float = -np.inf,
        upper: Floats | float = np.inf,
    ) -> None:
        """Add a row for each first index of the entries: (R, ...) columns and coefficients for them."""
        count = len(entries[0][0])
        if count == 0:
            return
        self.count += count
        columns = [where.reshape(count, -1) for where, _ in entries]
        values = [np.broadcast_to(value, where.shape).reshape(count, -1) for where, value in entries]
        together = np.concatenate(columns, axis=1)
        self._columns.append(together.ravel())
        self._values.append(np.concatenate(values, axis=1).ravel())
        self._lengths.append(np.full(count, together.shape[1]))
        self.lower.append(np.broadcast_to(lower, count))
        self.upper.append(np.broadcast_to(upper, count))

    def matrix(self, columns: int) -> csr_array:
        """The rows as a sparse matrix without zeros."""
        start = np.concatenate([[0], np.cumsum(np.concatenate(self._lengths))])
        entries = (np.concatenate(self._values), np.concatenate(self._columns), start)
        matrix = csr_array(entries, shape=(len(start) - 1, columns))
        matrix.eliminate_zeros()
        return matrix


def _assignment(rows: _Rows, part: _Part) -> None:
    """A subtask has one place, if its device is served."""
    where = part.columns
    needed = np.where(part.served >= 0, 0.0, 1.0)
    for k in range(part.application.size):
        places = (where.local[:, k], 1.0), (where.place[:, k], 1.0)
        rows.add(*places, part.if_served(-1.0), lower=needed, upper=needed)


def _transfers(rows: _Rows, part: _Part) -> None:
    """up - down = local_j - local_k."""
    where = part.columns
    j, k = np.array(part.application.edges, dtype=np.int64).reshape(-1, 2).T
    sent = (_along(where.up), 1.0), (_along(where.down), -1.0)
    rows.add(*sent, (_along(where.local, j), -1.0), (_along(where.local, k), 1.0), lower=0.0, upper=0.0)


def _along(columns: Ints, subtasks: Ints | None = None) -> Ints:
    """Columns of some subtasks or arcs, all devices of the first one first."""
    chosen = columns if subtasks is None else columns[:, subtasks]
    return np.ascontiguousarray(chosen.T).ravel()


def _capacities(rows: _Rows, instance: Instance, parts: list[_Part]) -> Ints:
    usable = np.flatnonzero(instance.points.capacity > 0)
    capacity = finite(instance.points.capacity[usable])
    placed = [part.columns.place.reshape(part.columns.local.size, len(capacity)) for part in parts]
    limited = np.isfinite(capacity)
    number = np.full(instance.num_points, -1)
    number[usable[limited]] = rows.count + np.arange(limited.sum())
    rows.add((np.concatenate(placed).T[limited], 1.0), upper=capacity[limited])
    return number


def _resources(rows: _Rows, instance: Instance, parts: list[_Part]) -> None:
    """Resources of points, and limits that points share."""
    for limit in Limits(instance).beyond_capacity:
        columns, demands = [], []
        for part in parts:
            assert part.term is not None
            places = part.term.options
            at = limit.points[part.usable[limit.points]]
            taken = np.where(places.allowed[:, :, at], places.demand[limit.resource][:, :, at], 0.0)
            number = np.cumsum(part.usable) - 1
            columns.append(part.columns.place[:, :, number[at]].ravel())
            demands.append(taken.ravel())
        demand = np.concatenate(demands)
        if demand.any():
            unit, right = loosened(instance, limit.capacity, demand)
            rows.add((np.concatenate(columns)[None], unit * demand[None]), upper=right)


def _totals(rows: _Rows, instance: Instance, parts: list[_Part]) -> None:
    """Caps on the delays and the energies of all devices."""
    metered, caps = [(part, part.term) for part in parts if part.term is not None], instance.totals
    if np.isfinite(caps.delay):
        unit, right = loosened(instance, caps.delay)
        _total(rows, [(part.columns.delay, unit / term.delay_weight) for part, term in metered], right)
    if np.isfinite(caps.energy):
        unit, right = loosened(instance, caps.energy)
        spent = [each for part, term in metered for each in part.energies(unit / term.energy_weight)]
        _total(rows, spent, right)


def _total(rows: _Rows, spent: Entries, cap: float) -> None:
    rows.add(*((where.reshape(1, -1), value.reshape(1, -1)) for where, value in spent), upper=cap)


def _energy_budgets(rows: _Rows, part: _Part) -> None:
    assert part.term is not None
    some = np.isfinite(part.term.energy_budget)
    spent = part.energies(np.ones(len(some)))
    most = part.term.energy_budget[some]
    rows.add(*((where[some], value[some]) for where, value in spent), upper=most)


def _largest(rows: _Rows, part: _Part, largest: int) -> None:
    """The largest cost is at least each."""
    costs = ((where, -value) for where, value in part.costs())
    rows.add((np.full((len(part.members), 1), largest), 1.0), *costs, lower=part.rejection)


def _channels(rows: _Rows, instance: Instance, air: Ints) -> Ints:
    number = np.full(instance.num_points, -1)
    for n in np.unique(instance.devices.connected_to[air >= 0]):
        users = (air >= 0) & (instance.devices.connected_to == n)
        number[n] = rows.count
        rows.add((air[None, users], 1.0), upper=float(instance.points.channels[n]))
    return number


def _air(rows: _Rows, part: _Part, air: Ints) -> None:
    """An offloaded subtask needs its device's radio."""
    limited = air[part.members] >= 0
    needed = np.where(part.served >= 0, 0.0, 1.0)[limited]
    where, value = part.if_served(-1.0)
    for k in range(part.application.size):
        on_air = (part.columns.local[limited, k], 1.0), (air[part.members[limited]], 1.0)
        rows.add(*on_air, (where[limited], value[limited]), lower=needed)


def _finish_times(rows: _Rows, part: _Part) -> None:
    """The potentials: of heads, along arcs that are not redundant, and from tails to the delay."""
    where, application = part.columns, part.application
    for k in np.flatnonzero(application.heads).tolist():
        rows.add((where.finish[:, k], 1.0), *part.g(k), lower=0.0)
    large = large_joins(application)
    arcs = np.array(reduction(application), dtype=np.int64).reshape(-1, 2)
    for j, k in arcs[~large[arcs[:, 1]]].tolist():
        rows.add((where.finish[:, k], 1.0), (where.finish[:, j], -1.0), *part.g(k), lower=0.0)
    before, joins = arcs[large[arcs[:, 1]]].T
    rows.add((_along(where.start, joins), 1.0), (_along(where.finish, before), -1.0), lower=0.0)
    for k in np.flatnonzero(large).tolist():
        rows.add((where.finish[:, k], 1.0), (where.start[:, k], -1.0), *part.g(k), lower=0.0)
    for k in np.flatnonzero(application.tails).tolist():
        rows.add((where.delay, 1.0), (where.finish[:, k], -1.0), lower=0.0)
