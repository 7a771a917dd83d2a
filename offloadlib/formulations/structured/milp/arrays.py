r"""The reference MILP as arrays: the same rows and columns, without a modelling language.

The program is that of :mod:`.potentials`, column by column and row by row; what it means is
said there and in :mod:`.placement`. Here it is put together for all devices of an application
at once: a family of constraints is one array of column numbers and one of coefficients for each subtask
or arc, with a row for each device. That is made and handed to HiGHS in a small fraction of the time that
Pyomo takes to build and compile its model (``benchmarks/handover.py`` measures it), which is what counts
with thousands of devices. The tests hold the two to the same matrix.

Columns, for each application: local, place, up, down, start, finish, delay of its connected devices; in the
end air of the devices whose radio has limited channels.
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
from offloadlib.instances.structured.series_parallel import reduction
from offloadlib.instances.structured.sides import Sides, Terms, away

from ...engine.highs import MixedIntegerProgram
from ...engine.units import unit_for
from ..scaling import levelled
from ..search import Search, run_in_scale
from .levels import Layout, tighten
from .size import large_joins, potentials, too_large


@dataclass(frozen=True)
class Formulation:
    """An instance as a program.

    Attributes
    ----------
    program
        The program, without the constant cost of unconnected devices.
    columns
        Where its variables stand, for each group.
    air
        (M,) where air_m stands; -1: not there.
    """

    program: MixedIntegerProgram
    columns: tuple[Layout, ...]
    air: Ints


def obstacle(instance: Instance) -> str | None:
    """None, or why the program would be too large."""
    return too_large(instance, potentials, models=0)


def solve(instance: Instance, budget: Budget) -> Result:
    """Solve with HiGHS."""
    return run_in_scale(instance, budget, _minimise)


def _minimise(search: Search) -> tuple[Termination, dict[str, Any]]:
    unit = unit_for(search.objective)
    instance = levelled(search.instance, search.objective, unit)
    made = formulate(instance)
    tightened = tighten(instance, made.program, made.columns, search.left)
    # The rows keep their unit, the objective is F again.
    program = replace(tightened, cost=tightened.cost / unit)
    start = encode(instance, made, search.start)
    return search.minimise(program, start, lambda values: decode(instance, made, values))


def formulate(instance: Instance) -> Formulation:
    """The program of an instance in which some device can offload."""
    columns, air, count = _layout(instance)
    parts = [_part(instance, term, where) for term, where in zip(instance.terms, columns, strict=True)]
    rows = _Rows()
    for part in parts:
        _assignment(rows, part)
        _transfers(rows, part)
    _capacities(rows, instance, parts)
    _channels(rows, instance, air)
    for part in parts:
        _air(rows, part, air)
        _finish_times(rows, part)
    program = MixedIntegerProgram(
        cost=_objective(parts, count),
        lower=np.zeros(count),
        upper=np.full(count, np.inf),
        integer=np.sort(np.concatenate([air[air >= 0], *(part.binaries for part in parts)])),
        matrix=rows.matrix(count),
        row_lower=np.concatenate(rows.lower),
        row_upper=np.concatenate(rows.upper),
    )
    program.upper[program.integer] = 1.0
    return Formulation(program, columns, air)


def encode(instance: Instance, made: Formulation, solution: Solution) -> tuple[Ints, Floats]:
    """The binary columns, and their values in a solution; the solver completes the others."""
    values = np.zeros(len(made.program.cost) + 1)  # what is not there (-1) is the last
    for group, where, places in zip(instance.groups, made.columns, solution.places, strict=True):
        values[where.local] = places == LOCAL
        values[where.place] = places[:, :, None] == np.arange(instance.num_points)
        values[made.air[group.members]] = (places != LOCAL).any(axis=1)
    return made.program.integer, values[made.program.integer]


def decode(instance: Instance, made: Formulation, values: Floats) -> Solution:
    """The decisions that the values of the columns stand for."""
    known = np.append(values, 0.0)
    chosen = [known[where.place] for where in made.columns]
    return Solution(
        tuple(
            np.where(share.max(axis=2) > 0.5, share.argmax(axis=2), LOCAL).astype(np.int32)
            for share in chosen
        )
    )


def _layout(instance: Instance) -> tuple[tuple[Layout, ...], Ints, int]:
    """Where the variables stand, for each group; where air stands; how many columns there are."""
    count = 0

    def number(present: NDArray[np.bool_]) -> Ints:
        nonlocal count
        numbers = np.full(present.shape, -1, dtype=np.int64)
        size = int(np.count_nonzero(present))
        numbers[present] = np.arange(count, count + size)
        count += size
        return numbers

    connected = instance.devices.connected_to
    usable = instance.points.capacity > 0
    columns = []
    for group in instance.groups:
        linked = connected[group.members] != LOCAL
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
    return tuple(columns), number(Limits(instance).radio >= 0), count


@dataclass(frozen=True)
class _Part:
    """The connected devices of one group: their columns, at points with capacity, and what their parts cost.

    Attributes
    ----------
    away_delay, away_energy
        (G, K, N) at each point, with what goes over the radio.
    """

    application: Application
    members: Ints
    columns: Layout
    share: Floats
    sides: Sides
    away_delay: Floats
    away_energy: Floats

    @property
    def binaries(self) -> Ints:
        return np.append(self.columns.local, self.columns.place)

    def g(self, k: int) -> list[tuple[Ints, Floats]]:
        """-a_m g_mk as columns and coefficients."""
        into = [arc for arc, _ in self.application.incoming[k]]
        where, sides = self.columns, self.sides
        return [
            (where.local[:, k], -sides.local_delay[:, k]),
            (where.place[:, k], -self.away_delay[:, k]),
            (where.up[:, into], -sides.up_delay[:, into]),
            (where.down[:, into], -sides.down_delay[:, into]),
        ]


def _part(instance: Instance, term: Terms, where: Layout) -> _Part:
    linked = instance.devices.connected_to[term.group.members] != LOCAL
    usable = instance.points.capacity > 0
    sides = Sides(*(values[linked] for values in term.sides))
    at_points = (values[linked] for values in away(term, instance.points.cpu[usable]))
    share = np.ones(len(linked)) if term.share is None else term.share
    columns = Layout(
        where.local[linked],
        where.place[linked][:, :, usable],
        where.up[linked],
        where.down[linked],
        where.start[linked],
        where.finish[linked],
        where.delay[linked],
    )
    return _Part(
        term.group.application, term.group.members[linked], columns, share[linked], sides, *at_points
    )


class _Rows:
    """Rows of a program, in blocks of rows that have equally many entries."""

    def __init__(self) -> None:
        self._columns: list[Ints] = []
        self._values: list[Floats] = []
        self._lengths: list[Ints] = []
        self.lower: list[Floats] = []
        self.upper: list[Floats] = []

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
    """A subtask has one place."""
    where = part.columns
    for k in range(part.application.size):
        rows.add((where.local[:, k], 1.0), (where.place[:, k], 1.0), lower=1.0, upper=1.0)


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


def _capacities(rows: _Rows, instance: Instance, parts: list[_Part]) -> None:
    capacity = instance.points.capacity[instance.points.capacity > 0].astype(np.float64)
    placed = [part.columns.place.reshape(-1, len(capacity)) for part in parts]
    rows.add((np.concatenate(placed).T, 1.0), upper=capacity)


def _channels(rows: _Rows, instance: Instance, air: Ints) -> None:
    for n in np.unique(instance.devices.connected_to[air >= 0]):
        users = (air >= 0) & (instance.devices.connected_to == n)
        rows.add((air[None, users], 1.0), upper=float(instance.points.channels[n]))


def _air(rows: _Rows, part: _Part, air: Ints) -> None:
    """An offloaded subtask needs its device's radio."""
    limited = air[part.members] >= 0
    for k in range(part.application.size):
        rows.add((part.columns.local[limited, k], 1.0), (air[part.members[limited]], 1.0), lower=1.0)


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


def _objective(parts: list[_Part], count: int) -> Floats:
    """The weighted delays and energies."""
    cost = np.zeros(count)
    for part in parts:
        where, sides, share = part.columns, part.sides, part.share[:, None]
        cost[where.delay] = part.share
        cost[where.local] = sides.local_energy * share
        cost[where.place] = part.away_energy * share[:, :, None]
        cost[where.up], cost[where.down] = sides.up_energy * share, sides.down_energy * share
    return cost
