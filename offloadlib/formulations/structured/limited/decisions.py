"""Lists of decisions, device by device: what each costs, and what it uses of every limit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Instance
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import of_format_2, read_only
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured import exact
from offloadlib.instances.structured.limits import HAIR, Limits
from offloadlib.instances.structured.model import LOCAL, REFUSED, Places
from offloadlib.instances.structured.options import options

from ...engine.outcome import TooManyDecisions
from ..decomposition.pricing import NEVER
from .listing import Listed, Room, list_decisions
from .pricing import Asked, Branches, are_late, decision_rows, tasks_of
from .tables import Answers, Effort, Tasks, graph

MOST_LISTED = 20_000
"""Decisions of all devices together, subtasks times places, of which the program is made complete."""

LARGEST_LISTING = 1_000_000_000
"""Nodes of a device's search times its subtasks."""


def all_listed(instance: Instance) -> bool:
    """Whether all decisions are so few that they may all be known: each is one place."""
    few = instance.num_devices * (instance.num_points + 2) <= MOST_LISTED
    alone = all(application.size == 1 for application in instance.applications)
    return few and alone and of_format_2(instance) and not instance.by_largest


@dataclass(frozen=True, eq=False)
class Decisions:
    """Some decisions of one device, by ascending value.

    Attributes
    ----------
    places
        (D, K); a row of :data:`REFUSED` refuses it.
    cost, value
        (D,) w_m C_m, and the same with prices on what is used.
    use
        (D, L) of every limit.
    """

    places: Places
    cost: Floats
    value: Floats
    use: Floats

    def __len__(self) -> int:
        return len(self.cost)

    def chosen(self, rows: Ints | NDArray[np.bool_]) -> Decisions:
        """Some of them."""
        return Decisions(self.places[rows], self.cost[rows], self.value[rows], self.use[rows])


class Lister:
    """Lists the decisions of one device after the other.

    Parameters
    ----------
    instance
        The instance.
    stopped
        From :func:`~.instances.alarm.alarm`.
    branches
        What they leave alone; none by default.
    """

    def __init__(
        self,
        instance: Instance,
        stopped: NDArray[np.bool_] = NEVER,
        branches: Branches | None = None,
    ) -> None:
        self.instance, self.limits = instance, Limits(instance)
        self._branches = branches or Branches(instance)
        self._stopped = read_only(stopped)
        self.at = [(0, 0)] * instance.num_devices
        for g, group in enumerate(instance.groups):
            for i, m in enumerate(group.members.tolist()):
                self.at[m] = g, i

    def fitting(self, device: int, prices: Floats, top: float, left: Floats, most: int) -> Decisions:
        """All decisions of a device with a value below ``top`` that use no more than is ``left``, or a hair
        more; its own limits are kept exactly.

        Parameters
        ----------
        device, prices
            Which one, and prices (L,) on all limits.
        top
            What is too dear.
        left
            (L,) of every limit.
        most
            Decisions that there is room for.

        Raises
        ------
        TooManyDecisions
            If there are more.
        OutOfTime
            If the search is cut short.
        """
        g, i = self.at[device]
        tasks, demand = self._tasks(device, prices, left), self._demand(device)
        listed = self._search(device, tasks, demand, top, left, Listed.room(max(most, 2), demand.shape[1]))
        count = int(listed.number[0])
        if count > most:
            raise TooManyDecisions(f"a device has more than {most} decisions")
        places, value, delay, energy = (
            listed.places[:count],
            listed.cost[:count],
            listed.delay[:count],
            listed.energy[:count],
        )
        kept = ~are_late(self.instance, g, np.full(count, i), places, delay, energy)
        places, value = places[kept], value[kept]
        use = self._use(device, demand, places, delay[kept], energy[kept])
        if tasks.refused[0] < top:
            places = np.vstack([places, np.full((1, places.shape[1]), REFUSED, dtype=np.int32)])
            value, use = np.append(value, tasks.refused[0]), np.vstack([use, np.zeros((1, len(left)))])
        order = np.argsort(value, kind="stable")
        places, value, use = places[order], value[order], use[order]
        return Decisions(places, value - use @ prices, value, use)

    def best(
        self, device: int, prices: Floats, left: Sequence[Fraction]
    ) -> tuple[Places, list[Fraction]] | None:
        """The decision of a device with the least value of those that use no more than is ``left``, and what
        it uses, exactly; refusal may be one of them. None if there is none.

        Raises
        ------
        OutOfTime
            If the search is cut short.
        """
        g, i = self.at[device]
        room = np.array([float(amount) for amount in left])
        tasks, demand = self._tasks(device, prices, room), self._demand(device)
        refused, banned = float(tasks.refused[0]), list[Places]()
        while True:
            listed = Listed.room(1, demand.shape[1])
            self._search(device, tasks, demand, refused, room, listed, banned)
            if not listed.number[0]:
                gone = np.full(demand.shape[1], REFUSED, dtype=np.int32)
                return (gone, [Fraction(0)] * len(left)) if refused < np.inf else None
            places = listed.places[0]
            use = self.exact_use(device, places)
            late = are_late(self.instance, g, np.array([i]), listed.places, listed.delay, listed.energy)[0]
            if not late and all(uses <= there for uses, there in zip(use, left, strict=True)):
                return places, use
            banned.append(places)

    def exact_use(self, device: int, places: Places) -> list[Fraction]:
        """(L,) what a decision uses of every limit."""
        instance, demand = self.instance, self._demand(device)
        use = [Fraction(0)] * len(self.limits)
        if places[0] == REFUSED:
            return use
        totals = range(len(use))[self.limits.parts[4]]
        at = [(k, n) for k, n in enumerate(places.tolist()) if n != LOCAL]
        for limit in self.limits.demanded:
            use[limit.entry] += sum(
                Fraction(demand[limit.resource, k, n]) for k, n in at if n in limit.points
            )
        if at and self.limits.radio[device] >= 0:
            use[self.limits.radio[device]] += 1
        if len(totals):
            g, i = self.at[device]
            spent = exact.spent_at(instance, instance.groups[g], i, places)
            for entry, which in zip(totals, self.limits.capped.tolist(), strict=True):
                use[entry] += spent[which]
        return use

    # Parts ----------------------------------------------------------------------------------------

    def _demand(self, device: int) -> Floats:
        """(1 + R, K, N + 1) what the subtasks of a device take."""
        g, i = self.at[device]
        return options(self.instance, g, slice(i, i + 1)).demand[:, 0]

    def _tasks(self, device: int, prices: Floats, left: Floats) -> Tasks:
        """The pricing problem of a device, with what is left of channels and totals."""
        g, i = self.at[device]
        asked = Asked(self.limits.rates(prices), self.instance.devices.weight)
        tasks = tasks_of(self.instance, asked, self._branches, g, slice(i, i + 1))
        radio = self.limits.radio[device]
        if radio >= 0 and left[radio] < 1.0:
            grounded = tasks.left.copy()
            grounded[..., :-1] = False
            tasks = tasks._replace(left=read_only(grounded))
        for which, amount in zip(self.limits.capped.tolist(), left[self.limits.parts[4]], strict=True):
            name = ("deadline", "budget")[which]
            most = np.minimum(getattr(tasks, name), max(float(amount), 0.0) * (1.0 + HAIR))
            tasks = tasks._replace(**{name: read_only(most)})
        return tasks

    def _search(
        self,
        device: int,
        tasks: Tasks,
        demand: Floats,
        top: float,
        left: Floats,
        listed: Listed,
        banned: Sequence[Places] = (),
    ) -> Listed:
        instance, size = self.instance, demand.shape[1]
        unwanted = decision_rows(banned, size)
        effort = Effort(LARGEST_LISTING // size, 0.0, self._stopped, True, unwanted)
        shape = graph(instance.groups[self.at[device][0]].application)
        loosened = left + HAIR * np.where(np.isfinite(self.limits.right), self.limits.right, 0.0)
        room = np.full((len(demand), instance.num_points), np.inf)
        room[0] = loosened[self.limits.parts[0]]
        room[self.limits.roomy[0] + 1, self.limits.roomy[1]] = loosened[self.limits.parts[2]]
        several = self.limits.of_several
        member = np.zeros((len(several), instance.num_points), dtype=np.bool_)
        for row, limit in zip(member, several, strict=True):
            row[limit.points] = True
        entries = np.array([limit.entry for limit in several], dtype=np.int64)
        resource = np.array([limit.resource for limit in several], dtype=np.int64)
        parts = room, loosened[entries], resource, member, demand
        in_room = Room(*map(read_only, parts))
        if not list_decisions(tasks, shape, effort, in_room, top, Answers.room(1, size), listed):
            raise OutOfTime if self._stopped[0] else TooManyDecisions("a device has too many decisions")
        return listed

    def _use(self, device: int, demand: Floats, places: Places, delay: Floats, energy: Floats) -> Floats:
        """(D, L) of every limit."""
        taken = np.zeros((len(demand), len(places), self.instance.num_points + 1))
        rows = np.arange(len(places))
        for k, at in enumerate(places.T):
            for r, of in enumerate(taken):
                of[rows, at] += demand[r, k, at]
        use = np.zeros((len(places), len(self.limits)))
        for limit in self.limits.demanded:
            use[:, limit.entry] = taken[limit.resource][:, limit.points].sum(axis=1)
        if self.limits.radio[device] >= 0:
            use[:, self.limits.radio[device]] = (places != LOCAL).any(axis=1)
        use[:, self.limits.parts[4]] = np.stack([delay, energy], axis=1)[:, self.limits.capped]
        return use
