"""The encoding by places: one choice for each place of each subtask, and rows for the heaviest path."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import LOCAL, Application, Instance, Solution
from offloadlib.instances.arrays import Ints
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.limits import Limits
from offloadlib.instances.structured.sides import Terms, away

from ..decomposition.pricing import NEVER, Prices, Restrictions, price
from .encoding import LARGEST, Encoding, unit_of, whole
from .program import PLACES, Program, Term, end_of, total


class _Parts(NamedTuple):
    """The parts of weighted delays and energies, rounded downwards, of a device or of a group's (G, ...).

    Attributes
    ----------
    delays, energies
        (K, P + 1) of each subtask on its device and at P points, with the input of a head and the output of
        a tail.
    arcs
        (A, 4) delay of sending and receiving the data of an arc, energy of both.
    """

    delays: Any
    energies: Any
    arcs: Any


class PlaceEncoding(Encoding):
    """Choices are the places of each subtask: its device, then every point with a capacity.

    Parameters
    ----------
    instance
        The instance.
    cost
        What the best known solution costs, without the devices that have no radio link.
    prices
        In the unit of costs; they are rounded here. None: no prices, and no slack: the plain encoding.
    late, stopped
        Whether there is no time left, as for :func:`~..decomposition.pricing.price`.

    Raises
    ------
    OutOfTime
        If time is up before the slack of all places is known.
    """

    name = "places"

    def __init__(
        self,
        instance: Instance,
        cost: float,
        prices: Prices | None,
        late: Callable[[], bool],
        stopped: NDArray[np.bool_] = NEVER,
    ) -> None:
        self._stopped = stopped
        unit = _unit(instance, cost)
        super().__init__(instance, cost, unit, whole(prices or Prices.zero(instance), unit))
        self._points = np.flatnonzero(instance.points.capacity > 0)
        width = len(self._points) + 1
        subtasks = np.array([app.size for app in instance.applications])[instance.devices.application]
        self._linked = instance.devices.connected_to != LOCAL
        choices = np.where(self._linked, subtasks * width, 0)
        self._first = np.cumsum(choices) - choices
        self._device = np.repeat(np.arange(instance.num_devices), choices)
        number = np.arange(len(self._device)) - self._first[self._device]
        self._subtask, self._place = number // width, np.append(LOCAL, self._points)[number % width]
        self._radio = Limits(instance).radio
        self._least, slack = np.zeros_like(choices), np.zeros_like(number)
        self.settings: Mapping[str, Any] = PLACES
        self.alone = prices is not None
        if prices is not None:
            self.settings = {**self.settings, "optimize_with_core": True}
            self._least, slack = self._priced(whole(prices, unit), late)
        self._set(self._least[self._linked], slack)

    def _priced(self, prices: Prices, late: Callable[[], bool]) -> tuple[Ints, Ints]:
        """(M,) v, and (C,) s of every choice."""
        least = self._down(price(self.instance, prices, stopped=self._stopped).value)
        slack = np.zeros_like(self._device)
        for k, place in sorted({*zip(self._subtask.tolist(), self._place.tolist(), strict=True)}):
            if late():
                raise OutOfTime
            at = np.flatnonzero((self._subtask == k) & (self._place == place))
            restrictions = Restrictions(self.instance)
            for m in self._device[at].tolist():
                restrictions.branch(m, k, place, equal=True)
            value = price(self.instance, prices, restrictions, stopped=self._stopped).value
            slack[at] = np.maximum(self._down(value) - least, 0)[self._device[at]]
        return least, slack

    @property
    def roundings(self) -> int:
        apps = [self.instance.applications[i] for i in self.instance.devices.application[self._linked]]
        return sum(2 * (app.size + len(app.edges)) for app in apps)

    def essential(self) -> Ints:
        if not self.slack.any():
            return np.arange(len(self.slack))
        width = len(self._points) + 1
        local = np.arange(0, len(self.slack), width)
        best = self.slack.reshape(-1, width)[:, 1:].argmin(axis=1)
        return np.union1d(local, local + 1 + best)

    def chosen(self, solution: Solution) -> Ints:
        rows = solution.rows(self.instance)
        taken = [rows[m][k] for m, k in zip(self._device.tolist(), self._subtask.tolist(), strict=True)]
        return np.flatnonzero(self._place == taken)

    def decode(self, taken: Ints) -> Solution:
        rows = Solution.all_local(self.instance).rows(self.instance)
        for i in taken.tolist():
            rows[self._device[i]][self._subtask[i]] = int(self._place[i])
        return Solution.from_rows(self.instance, rows)

    def constrain(self, program: Program, kept: Ints) -> None:
        take = dict(zip(kept.tolist(), program.choices, strict=True))
        users: list[list[Term]] = [[] for _ in self.limits]
        for i, variable in take.items():
            if self._place[i] != LOCAL:
                users[self._place[i]].append((variable, 1))
        for term in self.instance.terms:
            rounded = self._parts(term)
            for row, m in enumerate(term.group.members.tolist()):
                if self._linked[m]:
                    parts = _Parts(*(values[row].tolist() for values in rounded))
                    self._constrain_device(program, m, term.group.application, parts, take, users)
        for using, limit, paid in zip(users, self.limits, self.prices, strict=True):
            program.limit(using, limit, paid)

    def _constrain_device(
        self,
        program: Program,
        m: int,
        task: Application,
        parts: _Parts,
        take: Mapping[int, Any],
        users: list[list[Term]],
    ) -> None:
        """The rows of one device, with the rounded parts of its cost; they hold R_m up."""
        width, first, least = len(self._points) + 1, int(self._first[m]), int(self._least[m])
        lost = program.integer(program.cutoff)
        program.pay([(lost, 1)])
        local = [take.get(first + k * width) for k in range(task.size)]
        delay: list[list[Term]] = []
        rest: list[Term] = []
        for k in range(task.size):
            kept = [(i, take[first + k * width + i]) for i in range(width) if first + k * width + i in take]
            program.model.add_exactly_one([x for _, x in kept])
            program.at_least(lost, [(x, int(self.slack[first + k * width + i])) for i, x in kept])
            delay.append([(x, parts.delays[k][i]) for i, x in kept])
            rest += [(x, parts.energies[k][i]) for i, x in kept]
            rest += [(x, self.prices[self._points[i - 1]]) for i, x in kept if i > 0]
        for (j, k), (up_delay, down_delay, up_energy, down_energy) in zip(
            task.edges, parts.arcs, strict=True
        ):
            up, down = program.boolean(), program.boolean()
            balance = [(up, 1), (down, -1), (local[j], -1), (local[k], 1)]
            program.model.add(total((x, sign) for x, sign in balance if x is not None) == 0)
            delay[k] += [(up, up_delay), (down, down_delay)]
            rest += [(up, up_energy), (down, down_energy)]
        channel = int(self._radio[m])
        if channel >= 0:
            on_air = program.boolean()
            for x in local:
                program.model.add_bool_or([on_air] if x is None else [on_air, x])
            users[channel].append((on_air, 1))
            rest.append((on_air, self.prices[channel]))
        end = end_of(program, task, delay, program.cutoff + least)
        program.at_least(lost, end + rest, -least)

    def _parts(self, term: Terms) -> _Parts:
        """Those of a group's devices."""
        sides = term.sides
        at_points = away(term, self.instance.points.cpu[self._points])
        delays = np.append(sides.local_delay[:, :, None], at_points[0], axis=2)
        energies = np.append(sides.local_energy[:, :, None], at_points[1], axis=2)
        arcs = np.stack([sides.up_delay, sides.down_delay, sides.up_energy, sides.down_energy], axis=2)
        return _Parts(self._down(delays), self._down(energies), self._down(arcs))


def _unit(instance: Instance, cost: float) -> float:
    """The unit in which sums over a device's parts stay below 2^:data:`LARGEST`."""
    parts = max(4 * (app.size * (instance.num_points + 1) + len(app.edges)) for app in instance.applications)
    return unit_of(LARGEST - math.ceil(math.log2(parts)), cost)
