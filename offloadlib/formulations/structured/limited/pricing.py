r"""Pricing under everything that a device has of its own: the cheapest decision that keeps its deadline and
its energy budget.

For prices on all limits, and a share w_m that the cost of device m counts, the pricing problem is

.. math::

   \min_{d_m} \; w_m C_m(d_m) + \text{prices} \times \text{use}(d_m)

over the decisions that m may take: its deadline and energy budget kept, each subtask at an allowed place
whose limits alone are not less than what it demands there, and what the branches above a node leave. Refusal,
where it is one of them, costs w_m r_m and uses nothing. What a decision pays is a sum over its subtasks,
beside a price of a second of delay and of a mJ
(:class:`~offloadlib.instances.structured.limits.Rates`); :mod:`.kernel` has the search.

**Exact limits.** The search loosens deadlines and budgets by a share of 1e-12, which is more than what
binary64 loses, so its value is a bound in any case. A decision that is as near to a limit as 1e-9 is worked
out in fractions. Where it is late after all, it is banned, and the device is searched again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Instance, Solution
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import read_only
from offloadlib.instances.structured import exact
from offloadlib.instances.structured.limits import HAIR, Rates
from offloadlib.instances.structured.model import LOCAL, REFUSED, Places
from offloadlib.instances.structured.options import options
from offloadlib.instances.structured.violations import DOUBT

from ..decomposition.chunks import chunks, in_threads, never
from ..decomposition.pricing import NEVER, Restrictions
from .kernel import price_devices
from .tables import Answers, Effort, Tasks, graph, plan_for

LARGEST_SEARCH = 5_000_000
"""Nodes of a device's search times its subtasks, after which its value stays a relaxation."""

AT_ONCE = 500
"""Devices whose tables are made at a time."""

MOST_BANNED = 500
"""Decisions of a device that are late by a hair, after which its value stays a relaxation."""


class Asked(NamedTuple):
    """What pricing is asked for.

    Attributes
    ----------
    rates
        What prices on all limits make of a decision's parts, from :meth:`.limits.Limits.rates`.
    share
        (M,) what each device's cost C_m counts: its weight where costs are added up, times its share of the
        objective where the largest counts; 0 where only use matters.
    """

    rates: Rates
    share: Floats


class Branches(Restrictions):
    """Which places the branches above a node leave to each subtask, and whether a device may be served or
    refused: ``may_serve``, ``may_refuse`` (M,)."""

    def __init__(self, instance: Instance, base: Branches | None = None) -> None:
        super().__init__(instance, base)
        if base is None:
            self.may_serve = np.ones(instance.num_devices, dtype=np.bool_)
            self.may_refuse = ~np.isnan(instance.devices.rejection)
        else:
            self.may_serve, self.may_refuse = base.may_serve.copy(), base.may_refuse.copy()

    def serve(self, device: int) -> None:
        """Leave no refusal to a device."""
        self.may_refuse[device] = False

    def refuse(self, device: int) -> None:
        """Leave only refusal to a device."""
        self.may_serve[device] = False

    def keeps(self, device: int, places: Places) -> bool:
        """Whether a decision obeys all branches."""
        if places[0] == REFUSED:
            return bool(self.may_refuse[device])
        return bool(self.may_serve[device]) and super().keeps(device, places)


@dataclass(frozen=True)
class Priced:
    """Solutions of the pricing problems.

    Attributes
    ----------
    value
        (M,) the least of each device, or a lower bound of it, within the tolerance or ``relaxed``; infinite
        where it has no decision.
    found
        (M,) what the decisions in ``solution`` cost with prices; infinite where none was found.
    solution
        The best decisions that were found, which keep all of a device's own limits; all-local where there
        is none.
    relaxed
        (M,) where the search was cut short.
    """

    value: Floats
    found: Floats
    solution: Solution
    relaxed: NDArray[np.bool_]


def price(
    instance: Instance,
    asked: Asked,
    branches: Branches | None = None,
    *,
    largest_search: int = LARGEST_SEARCH,
    tolerance: float = 0.0,
    late: Callable[[], bool] = never,
    stopped: NDArray[np.bool_] = NEVER,
    threads: int = 1,
) -> Priced:
    """Solve every device's pricing problem.

    Parameters
    ----------
    instance
        The instance, of any format.
    asked
        Prices and shares.
    branches
        The branches above a node; none by default.
    largest_search
        Nodes of a device's search times its subtasks, after which its value stays a relaxation.
    tolerance
        A device's value may be a lower bound, and its decision dearer than the least, by so much.
    late
        Whether time is up.
    stopped
        From :func:`~.instances.alarm.alarm`: as soon as it is true, searches end with the bounds that
        they have.
    threads
        Threads that work on many devices.

    Raises
    ------
    OutOfTime
        If it is late before all devices are priced.
    """
    branches = branches or Branches(instance)
    value, found = np.empty(instance.num_devices), np.empty(instance.num_devices)
    relaxed = np.zeros(instance.num_devices, dtype=np.bool_)
    chosen: list[Places] = []
    for g, group in enumerate(instance.groups):
        answers = Answers.room(*group.work.shape)
        size = group.application.size
        effort = Effort(largest_search // size, tolerance, read_only(stopped), False, decision_rows([], size))
        work = partial(_price, instance, asked, branches, g, effort, answers)
        for _ in in_threads(work, chunks(len(group), AT_ONCE), late, threads):
            pass
        value[group.members], found[group.members] = answers.value, answers.found
        relaxed[group.members] = answers.relaxed
        chosen.append(answers.places)
    return Priced(value, found, Solution(tuple(chosen)), relaxed)


def _price(
    instance: Instance,
    asked: Asked,
    branches: Branches,
    g: int,
    effort: Effort,
    answers: Answers,
    rows: slice,
) -> None:
    """Price some devices of a group."""
    tasks, some = tasks_of(instance, asked, branches, g, rows), answers.of(rows)
    shape, plan = graph(instance.groups[g].application), plan_for(instance.groups[g].application)
    price_devices(tasks, shape, plan, effort, some)
    for i in np.flatnonzero(_late(instance, g, np.arange(rows.start, rows.stop), some)).tolist():
        one = Tasks(*(read_only(values[i : i + 1]) for values in tasks))
        _again(instance, g, rows.start + i, one, effort, some.of(slice(i, i + 1)))


def _again(instance: Instance, g: int, row: int, task: Tasks, effort: Effort, answer: Answers) -> None:
    """Price a device whose decision is late by a hair."""
    shape, plan = graph(instance.groups[g].application), plan_for(instance.groups[g].application)
    banned: list[Places] = []
    bound = answer.value[0]
    while len(banned) < MOST_BANNED:
        banned.append(answer.places[0].copy())
        again = effort._replace(all_places=True, banned=decision_rows(banned, len(banned[0])))
        price_devices(task, shape, plan, again, answer)
        if not _late(instance, g, np.array([row]), answer)[0]:
            return
    hair = 1.0 - HAIR
    safe = task._replace(deadline=read_only(task.deadline * hair**2), budget=read_only(task.budget * hair**2))
    price_devices(safe, shape, plan, effort, answer)
    answer.value[0], answer.relaxed[0] = bound, True


def decision_rows(decisions: Sequence[Places], size: int) -> Places:
    """(X, K) decisions for a kernel."""
    return read_only(np.array(decisions, dtype=np.int32).reshape(len(decisions), size))


def tasks_of(instance: Instance, asked: Asked, branches: Branches, g: int, rows: slice) -> Tasks:
    """The pricing problems of some devices of a group."""
    group, term, devices = instance.groups[g], instance.terms[g], instance.devices
    members = group.members[rows]
    sides = term.plain.weighted(rows)
    table, rates, share = options(instance, g, rows), asked.rates, asked.share[members]
    paid = share[:, None, None] * table.fee
    for demand, price in zip(table.demand, rates.places, strict=True):
        if price.any():
            paid[..., :-1] += demand[..., :-1] * price
    left = table.allowed
    row = branches.row[g][rows]
    limited = row >= 0
    if limited.any():
        left[limited] &= branches.allowed[row[limited]]
    connected = devices.connected_to[members]
    tasks = Tasks(
        table.seconds,
        paid,
        left,
        *(sides.radio_delay, sides.local_energy, sides.radio_energy),
        *(sides.up_delay, sides.up_energy, sides.down_delay, sides.down_energy),
        second=share * term.delay_weight[rows] + rates.delay,
        joule=share * term.energy_weight[rows] + rates.energy,
        air=np.where(connected == LOCAL, 0.0, rates.air[connected]),
        deadline=devices.deadline[members],
        budget=devices.energy_budget[members],
        refused=np.where(branches.may_refuse[members], share * devices.rejection[members], np.inf),
        served=branches.may_serve[members],
    )
    return Tasks(*map(read_only, tasks))


def _late(instance: Instance, g: int, rows: Ints, answers: Answers) -> NDArray[np.bool_]:
    """The decisions found that are late."""
    late = are_late(instance, g, rows, answers.places, answers.delay, answers.energy)
    return late & (answers.found < math.inf)


# Exact limits -------------------------------------------------------------------------------------

_KNOWN: WeakKeyDictionary[Instance, dict[tuple[int, bytes], bool]] = WeakKeyDictionary()
"""Whether decisions in doubt are late."""


def are_late(
    instance: Instance, g: int, rows: Ints, places: Places, delay: Floats, energy: Floats
) -> NDArray[np.bool_]:
    """Whether decisions break a deadline or an energy budget, in exact arithmetic.

    Parameters
    ----------
    instance, g
        The instance, and the number of a group.
    rows, places
        (D,) whose decisions these are, as rows of the group; (D, K).
    delay, energy
        (D,) what they come to in binary64.
    """
    group, devices = instance.groups[g], instance.devices
    members = group.members[rows]
    doubt = np.zeros(len(rows), dtype=np.bool_)
    for value, most in ((delay, devices.deadline[members]), (energy, devices.energy_budget[members])):
        doubt |= np.isfinite(most) & (value >= most * (1.0 - DOUBT))
    late = np.zeros_like(doubt)
    known = _KNOWN.setdefault(instance, {})
    for x in np.flatnonzero(doubt & (places[:, 0] != REFUSED)).tolist():
        key = int(members[x]), places[x].tobytes()
        if key not in known:
            spent = exact.spent_at(instance, group, int(rows[x]), places[x])
            allowed = float(devices.deadline[key[0]]), float(devices.energy_budget[key[0]])
            known[key] = spent[0] > allowed[0] or spent[1] > allowed[1]
        late[x] = known[key]
    return late
