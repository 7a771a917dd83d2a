r"""What a device may choose from, and what is left of all limits, for compiled kernels.

Subtasks are in a row as in :mod:`.structured.flat`, but delays in seconds and energies in mJ: deadlines and
budgets are in these. What a decision costs is

.. math:: w_m C_m = a_m G_m + b_m E_m + \sum_k \text{fee}_k(n_k),

where a_m, b_m and the fees have the device's weight in them, and prices on the totals where there are some.

**Left.** All limits are one vector of whole numbers: places, channels, room of each resource at each point,
limits that points share. What a subtask demands is rounded up, and what there is rounded down, to 2^-60 of
the largest limit on the same resource, which loses nothing wherever the numbers are not of very different
magnitude. So taking and giving back is exact in any order, and what fits is never too much.

A decision that breaks no other limit may still be late, by the device's deadline or its energy budget; delays
and energies are as good as binary64 has them. Here they count as in time up to :data:`HAIR`; what is
really late by fractions is found in the end (:meth:`Menu.tighten`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from offloadlib.instances import UNLIMITED, Evaluation, Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import inlined, named, read_only, readable, subroutine, writable
from offloadlib.instances.structured.flat import (
    FlatTasks,
    both_sides,
    flat_places,
    flat_tasks,
    positions,
    solution_of,
)
from offloadlib.instances.structured.limits import HAIR, Limits
from offloadlib.instances.structured.model import REFUSED
from offloadlib.instances.structured.options import options

UNDECIDED = -3
"""The place of all subtasks of a device that has no decision."""

ROUNDING = 1e-9
"""Relative: sums of all that could be used are larger by so much, which need not be near."""

_LARGEST = 2.0**60


class Choices(NamedTuple):
    """The tasks, and what each place means for each subtask, local last.

    Attributes
    ----------
    start .. down_energy
        As in :class:`.structured.flat.FlatTasks`, in s and mJ.
    seconds, fee, allowed
        (P, N + 1) execution, weighted fee, whether the subtask may run there.
    demand
        (P, N + 1, 1 + R) of subtasks and of each resource.
    order
        (P, N) the points, those where execution and fee cost least first.
    uses_start, uses
        The limits on resource r at point n are ``uses[uses_start[i]:uses_start[i + 1]]``, i = n(1 + R) + r.
    channel
        (M,) the entry of the channels of the device's radio; -1: no limit.
    most, need, least
        (M, 1 + R) the most that one subtask of the device demands, that all do, and the least that one does.
    delay_weight, energy_weight, refusal
        (M,) cost of a second, of a mJ, of refusing the device (infinite: it must be served).
    deadline, budget
        (M,) the most seconds and mJ.
    shared_from
        The number of the first limit that points share.
    """

    start: Ints
    radio: Ints
    into: Ints
    before: Ints
    local_delay: Floats
    local_energy: Floats
    radio_delay: Floats
    radio_energy: Floats
    work: Floats
    up_delay: Floats
    up_energy: Floats
    down_delay: Floats
    down_energy: Floats
    seconds: Floats
    fee: Floats
    allowed: NDArray[np.bool_]
    demand: Ints
    order: Ints
    uses_start: Ints
    uses: Ints
    channel: Ints
    most: Ints
    need: Ints
    least: Ints
    delay_weight: Floats
    energy_weight: Floats
    refusal: Floats
    deadline: Floats
    budget: Floats
    shared_from: int


_READ, _INTS, _TABLE = readable("float64"), readable("int64"), readable("float64", 2)

CHOICES = named(
    Choices,
    *[_INTS] * 4,
    *[_READ] * 9,
    *(_TABLE, _TABLE, readable("boolean", 2), readable("int64", 3), readable("int64", 2)),
    *(_INTS, _INTS, _INTS, *[readable("int64", 2)] * 3),
    *[_READ] * 5,
    types.int64,
)
"""Their type in the signature of a kernel."""


class State(NamedTuple):
    """Decisions, and what they leave.

    Attributes
    ----------
    left
        (L,) of each limit.
    spare
        (2,) seconds and mJ of the caps on totals; infinite where they do not matter.
    places
        (P,) the decisions: points, local, :data:`.structured.model.REFUSED`, :data:`UNDECIDED`.
    cost, delay, energy
        (M,) of each device; an undecided one costs infinitely much.
    on_air
        (M,) subtasks that are offloaded.
    """

    left: Ints
    spare: Floats
    places: Ints
    cost: Floats
    delay: Floats
    energy: Floats
    on_air: Ints


STATE = named(
    State,
    *(writable("int64"), writable("float64"), writable("int64")),
    *[writable("float64")] * 3,
    writable("int64"),
)
"""Their type in the signature of a kernel."""


@dataclass(frozen=True, eq=False)
class Menu:
    """The choices of an instance, and what there is of each limit.

    Attributes
    ----------
    choices
        What devices choose from.
    right
        (L,) how much there is.
    caps
        (2,) on the total delay and energy.
    deadline, budget
        (M,) those of the choices, to be changed.
    """

    instance: Instance
    choices: Choices
    right: Ints
    caps: Floats
    deadline: Floats
    budget: Floats

    def priced(self, prices: Floats) -> Choices:
        """The same where a second and a mJ of every device cost (2,) more."""
        if not prices.any():
            return self.choices
        delay, energy = self.choices.delay_weight + prices[0], self.choices.energy_weight + prices[1]
        order = _order(self.choices.start, delay, self.choices.seconds, self.choices.fee)
        return self.choices._replace(
            delay_weight=read_only(delay), energy_weight=read_only(energy), order=read_only(order)
        )

    def undecided(self) -> State:
        """Nothing decided; caps on totals do not matter."""
        devices = self.instance.num_devices
        return State(
            left=self.right.copy(),
            spare=np.full(2, np.inf),
            places=np.full(self.instance.num_subtasks, UNDECIDED, dtype=np.int64),
            cost=np.full(devices, np.inf),
            delay=np.zeros(devices),
            energy=np.zeros(devices),
            on_air=np.zeros(devices, dtype=np.int64),
        )

    def places(self, solution: Solution) -> Ints:
        """(P,) the places of a solution."""
        return flat_places(self.instance, solution)

    def solution(self, state: State) -> Solution:
        """The decisions."""
        return solution_of(self.instance, state.places)

    def tighten(self, evaluation: Evaluation) -> None:
        """Devices that are late by fractions, and totals beyond their caps, have less from now on."""
        less, devices, totals = 1 - 2 * HAIR, self.instance.devices, self.instance.totals
        for broken in evaluation.violations:
            if broken.limit == "total":
                i = ("delay", "energy").index(broken.name)
                self.caps[i] = (totals.delay, totals.energy)[i] * less
            elif broken.limit == "deadline":
                m = devices.ids.index(broken.name)
                self.deadline[m] = devices.deadline[m] * less
            elif broken.limit == "energy budget":
                m = devices.ids.index(broken.name)
                self.budget[m] = devices.energy_budget[m] * less

    @cached_property
    def sizes(self) -> Ints:
        """(M,) subtasks of each device."""
        return np.diff(self.choices.start)


def menu_of(instance: Instance) -> Menu:
    """The choices of an instance."""
    devices, limits, points = instance.devices, Limits(instance), instance.num_points
    tasks, resources = _unweighted(instance), 1 + len(instance.resources)
    shape = instance.num_subtasks, points + 1
    seconds, fee, allowed = np.empty(shape), np.empty(shape), np.empty(shape, dtype=np.bool_)
    demand = np.empty((*shape, resources))
    delay_weight, energy_weight = (np.empty(instance.num_devices) for _ in range(2))
    for number, term in enumerate(instance.terms):
        members, found = term.group.members, options(instance, number)
        at, weight = positions(tasks.start, term.group), devices.weight[members]
        seconds[at], allowed[at] = found.seconds, found.allowed
        fee[at] = found.fee * weight[:, None, None]
        demand[at] = np.moveaxis(found.demand, 0, -1)
        delay_weight[members] = weight * term.delay_weight
        energy_weight[members] = weight * term.energy_weight
    counts, (starts, uses), right = _whole(limits, demand)
    deadline = devices.deadline * (1 + HAIR)
    budget = devices.energy_budget * (1 + HAIR)
    refusal = np.where(np.isnan(devices.rejection), np.inf, devices.weight * np.nan_to_num(devices.rejection))
    largest = np.where(allowed[:, :, None], counts, 0).max(axis=1)
    most = np.maximum.reduceat(largest, tasks.start[:-1])
    need = np.minimum(
        np.add.reduceat(largest.astype(np.float64), tasks.start[:-1]) * (1 + ROUNDING), 2.0**62
    ).astype(np.int64)
    smallest = np.where(allowed[:, :-1, None], counts[:, :-1], 2 * int(_LARGEST)).min(axis=1)
    least = np.minimum.reduceat(smallest, tasks.start[:-1])
    fields: Any = [
        *tasks,
        *(seconds, fee, allowed, counts),
        *(_order(tasks.start, delay_weight, seconds, fee), starts, uses),
        *(limits.radio, most, need, least, delay_weight, energy_weight, refusal),
        *(deadline, budget),
    ]
    fields = [*map(read_only, fields), limits.parts[3].start]
    choices = Choices(*fields)
    caps = np.array([instance.totals.delay, instance.totals.energy]) * (1 + HAIR)
    return Menu(instance, choices, right, caps, deadline, budget)


def _unweighted(instance: Instance) -> FlatTasks:
    """All tasks in a row, in seconds and mJ."""
    return flat_tasks(replace(instance, given_terms=tuple(term.plain for term in instance.terms)))


def _order(start: Ints, delay_weight: Floats, seconds: Floats, fee: Floats) -> Ints:
    """(P, N) the points by what execution and fee cost there."""
    price = np.repeat(delay_weight, np.diff(start))[:, None]
    return np.argsort(price * seconds[:, :-1] + fee[:, :-1], axis=1, kind="stable")


def _whole(limits: Limits, demand: Floats) -> tuple[Ints, tuple[Ints, Ints], Ints]:
    """Demands and limits as whole numbers, and which limits each resource at each point has."""
    instance, channels = limits.instance, limits.parts[1]
    right = limits.right[: limits.parts[4].start].astype(np.float64)
    kinds = np.zeros(len(right), dtype=np.int64)
    for limit in limits.demanded:
        kinds[limit.entry] = limit.resource
    left = np.zeros(len(right), dtype=np.int64)
    left[channels] = np.minimum(instance.points.channels, UNLIMITED)[limits.limited]
    counts = np.empty(demand.shape, dtype=np.int64)
    apart = np.ones(len(right), dtype=np.bool_)
    apart[channels] = False
    for r in range(demand.shape[2]):
        of, every = demand[:, :, r], np.flatnonzero(apart & (kinds == r))
        # More than everybody could use is as good as that.
        enough = float(of.max(axis=1).sum()) * (1 + ROUNDING) + 1.0
        most = np.minimum(right[every], enough)
        _, exponent = np.frexp(most.max(initial=1.0))
        scale = 2.0 ** (60 - int(exponent))
        counts[:, :, r] = np.minimum(np.ceil(of * scale), 2 * _LARGEST).astype(np.int64)
        left[every] = np.floor(most * scale).astype(np.int64)
    lists: list[list[int]] = [[] for _ in range(instance.num_points * demand.shape[2])]
    for limit in limits.demanded:
        for n in limit.points.tolist():
            lists[n * demand.shape[2] + limit.resource].append(limit.entry)
    starts = np.cumsum([0, *map(len, lists)])
    return counts, (starts, np.array([i for of in lists for i in of], dtype=np.int64)), left


# Taking and giving back ---------------------------------------------------------------------------


@inlined
def fits(choices: Choices, left: Ints, p: int, n: int) -> bool:
    """Whether subtask p fits at point n."""
    free = True
    for r in range(choices.demand.shape[2]):
        amount, i = choices.demand[p, n, r], n * choices.demand.shape[2] + r
        for e in range(choices.uses_start[i], choices.uses_start[i + 1]):
            free = free and bool(left[choices.uses[e]] >= amount)
    return free


@inlined
def take(choices: Choices, left: Ints, p: int, n: int, sign: int) -> None:
    """Subtask p takes its place at point n (1), or gives it back (-1)."""
    for r in range(choices.demand.shape[2]):
        amount, i = sign * choices.demand[p, n, r], n * choices.demand.shape[2] + r
        for e in range(choices.uses_start[i], choices.uses_start[i + 1]):
            left[choices.uses[e]] -= amount


@inlined
def may_transmit(choices: Choices, state: State, m: int) -> bool:
    """Whether device m may offload: a channel is free, or it has one."""
    entry = choices.channel[m]
    return bool(entry < 0 or state.on_air[m] > 0 or state.left[entry] > 0)


@subroutine
def place(choices: Choices, state: State, m: int, p: int, n: int) -> None:
    """Subtask p of device m, which has no place, goes to a point, or stays local."""
    state.places[p] = n
    if n >= 0:
        take(choices, state.left, p, n, 1)
        entry = choices.channel[m]
        if state.on_air[m] == 0 and entry >= 0:
            state.left[entry] -= 1
        state.on_air[m] += 1


@subroutine
def release(choices: Choices, state: State, m: int) -> None:
    """Device m gives everything back; its row keeps its decision."""
    for p in range(choices.start[m], choices.start[m + 1]):
        n = state.places[p]
        if n >= 0:
            take(choices, state.left, p, n, -1)
    entry = choices.channel[m]
    if state.on_air[m] > 0 and entry >= 0:
        state.left[entry] += 1
    state.on_air[m] = 0
    state.spare[0] += state.delay[m]
    state.spare[1] += state.energy[m]
    state.delay[m], state.energy[m], state.cost[m] = 0.0, 0.0, np.inf


@subroutine
def occupy(choices: Choices, state: State, m: int, row: Ints) -> None:
    """Device m, which holds nothing, takes a decision (K,)."""
    for k in range(len(row)):
        place(choices, state, m, choices.start[m] + k, row[k])
    settle(choices, state, m)


@subroutine
def settle(choices: Choices, state: State, m: int) -> None:
    """Work out what device m costs with the places that it has."""
    row = state.places[choices.start[m] : choices.start[m + 1]]
    state.cost[m], state.delay[m], state.energy[m] = weigh(choices, m, row)
    state.spare[0] -= state.delay[m]
    state.spare[1] -= state.energy[m]


@subroutine
def cancel(choices: Choices, state: State, m: int) -> None:
    """Device m gives everything back and has no decision."""
    release(choices, state, m)
    for p in range(choices.start[m], choices.start[m + 1]):
        state.places[p] = UNDECIDED


@subroutine
def weigh(choices: Choices, m: int, row: Ints) -> tuple[float, float, float]:
    """Weighted cost, seconds and mJ of a decision (K,) of device m."""
    first, longest, energy, fees = choices.start[m], 0.0, 0.0, 0.0
    if row[0] == UNDECIDED:
        return np.inf, 0.0, 0.0
    if row[0] == REFUSED:
        return choices.refusal[m], 0.0, 0.0
    finish = np.empty(len(row))
    for k in range(len(row)):
        p, n = first + k, row[k]
        delay, spent, away_delay, away_spent = both_sides(choices, p, first, row)
        if n >= 0:
            delay, spent = away_delay + choices.seconds[p, n], away_spent
        begun = 0.0
        for arc in range(choices.into[p], choices.into[p + 1]):
            begun = max(begun, finish[choices.before[arc] - first])
        finish[k] = begun + delay
        longest = max(longest, finish[k])
        energy += spent
        fees += choices.fee[p, n]
    cost = choices.delay_weight[m] * longest + choices.energy_weight[m] * energy + fees
    return cost, longest, energy


@subroutine
def in_time(choices: Choices, m: int, delay: float, energy: float) -> bool:
    """Whether a decision with this delay and energy keeps the deadline and the budget of device m."""
    return bool(delay <= choices.deadline[m] and energy <= choices.budget[m])
