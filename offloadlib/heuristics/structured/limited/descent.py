r"""Descent on format 2: one device exactly, and two in turn.

**One device.** In file order, each device takes its cheapest decision, or is refused, given what the others
leave of all limits and totals (:mod:`.search`).

**Two devices.** Where the decision that device m would take, had it all room there is, does not fit, some
limits are in its way. Of the devices that use one of these, the :data:`CANDIDATES` are tried that lose least
without their places there, least first: both give everything back, m takes its cheapest decision, and the
other the cheapest one that is left. That is kept where both together cost less.

With the largest cost as objective, that counts first, and the sum where it stays as it is: a device of
largest cost trades with any that stays below it, and what others trade may not become as large.

Channels are limits as others are; so there is no neighbourhood of their own for them here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types

from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import kernel, of_format_2, readable, subroutine, writable

from .choices import CHOICES, STATE, Choices, Menu, State, occupy, release
from .search import WORTH, alone_of, answer, decide

CANDIDATES = 8
"""Devices that one device tries to trade with, for each limit in its way."""

MORE_CANDIDATES = 200
"""The same of a device of largest cost, where that is the objective."""

ENOUGH = 1e-3
"""It ends where a round of trades saves less than this, relative to the cost."""

_SLICE = 64
"""Devices between two looks at the clock."""

Step = Callable[[Choices, State, Ints], tuple[int, int]]
"""(choices, state, devices) -> how often something changed, how many searches were cut short."""


class Descent:
    """The neighbourhoods in turn.

    Parameters
    ----------
    menu, choices
        The instance, and its choices at some prices.
    state
        Where it begins; every device has a decision. Changed.
    caps
        (2,) on the totals, infinite where they do not matter.
    by_largest
        Whether the largest cost counts first.
    pause
        Called now and then; what it raises ends the descent, with a state that is sound.

    Attributes
    ----------
    redecided, traded, cut
        Devices that decided anew, pairs that traded, searches that were cut short.
    """

    def __init__(
        self,
        menu: Menu,
        choices: Choices,
        state: State,
        caps: Floats,
        by_largest: bool,
        pause: Callable[[], None],
    ) -> None:
        self._choices, self._state, self._caps = choices, state, caps
        self._by_largest, self._pause = by_largest, pause
        self._ideal = alone_of(menu, choices)
        self.redecided = self.traded = self.cut = 0

    def run(self) -> None:
        """Until trades save next to nothing."""
        state, ideal = self._state, self._ideal
        while True:
            changed = 1
            while changed:
                changed = self._sweep(np.arange(len(state.cost)), decide)
                self.redecided += changed
            before, users = self._objective, self._users()

            def step(
                choices: Choices, state: State, devices: Ints, users: tuple[Ints, Ints, Floats] = users
            ) -> tuple[int, int]:
                return trade(choices, state, devices, ideal.cost, ideal.places, *users, self._by_largest)

            self.traded += self._sweep(np.argsort(-state.cost, kind="stable"), step)
            after = self._objective
            if all(new >= old - ENOUGH * abs(old) for old, new in zip(before, after, strict=True)):
                return

    @property
    def _objective(self) -> tuple[float, float]:
        """The largest cost, where that counts, and the sum."""
        cost = self._state.cost
        return float(cost.max()) if self._by_largest else 0.0, float(cost.sum())

    def _sweep(self, devices: Ints, step: Step) -> int:
        """One step for devices in turn: how often it changed something."""
        changed, state = 0, self._state
        for begin in range(0, len(devices), _SLICE):
            some, cut = step(self._choices, state, devices[begin : begin + _SLICE])
            changed += some
            self.cut += cut
            self._pause()
        # Rounding errors must not add up.
        state.spare[:] = self._caps - (state.delay.sum(), state.energy.sum())
        return changed

    def _users(self) -> tuple[Ints, Ints, Floats]:
        """By limit: where its users begin, these, and what each loses without it, least first."""
        choices, state = self._choices, self._state
        longest = int(np.diff(choices.uses_start).max(initial=0))
        most = len(state.places) * choices.demand.shape[2] * longest + len(state.cost)
        limits, users, losses = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
        count, everybody = 0, np.arange(len(state.cost))
        for begin in range(0, len(everybody), _SLICE):
            devices = everybody[begin : begin + _SLICE]
            count += leave(choices, state, devices, limits[count:], users[count:], losses[count:])
            self._pause()
        order = np.lexsort((losses[:count], limits[:count]))
        starts = np.searchsorted(limits[order], np.arange(len(state.left) + 1))
        return starts, users[order], losses[order]


_READ, _INTS = readable("float64"), readable("int64")
_COUNTS = types.UniTuple(types.int64, 2)


@kernel(types.void(CHOICES, STATE, _INTS), needed=of_format_2)
def adopt(choices: Choices, state: State, places: Ints) -> None:
    """Give all devices, which are undecided, their decisions (P,)."""
    for m in range(len(state.cost)):
        occupy(choices, state, m, places[choices.start[m] : choices.start[m + 1]])


@kernel(
    types.int64(
        *(CHOICES, STATE, _INTS),
        *(writable("int64"), writable("int64"), writable("float64")),
    ),
    needed=of_format_2,
)
def leave(choices: Choices, state: State, devices: Ints, limits: Ints, users: Ints, losses: Floats) -> int:
    """What devices lose without their places at a point, or on air: an entry for each limit there.

    Returns
    -------
    int
        How many entries there are.
    """
    points, resources, count = choices.order.shape[1], choices.demand.shape[2], 0
    for m in devices:
        if state.on_air[m] == 0:
            continue
        first, old = choices.start[m], state.cost[m]
        row = state.places[first : choices.start[m + 1]].copy()
        channel, other = choices.channel[m], row.copy()
        for k in range(len(row) + 1):
            n = points if k == len(row) else row[k]
            known = n < 0 or (n == points and channel < 0)
            for j in range(k):
                known = known or row[j] == n
            if known:
                continue
            release(choices, state, m)
            least, _ = answer(choices, state, m, n, np.inf, other)
            occupy(choices, state, m, row)
            if least == np.inf:
                continue
            if n == points:
                limits[count], users[count], losses[count] = channel, m, least - old
                count += 1
                continue
            for r in range(resources):
                taken = 0
                for j in range(len(row)):
                    if row[j] == n:
                        taken += choices.demand[first + j, n, r]
                i = n * resources + r
                for e in range(choices.uses_start[i], choices.uses_start[i + 1]):
                    if taken > 0:
                        limits[count], users[count] = choices.uses[e], m
                        losses[count] = least - old
                        count += 1
    return count


@subroutine
def demanded(choices: Choices, m: int, row: Ints, needed: Ints) -> None:
    """What a decision (K,) takes of each limit (L,)."""
    resources, on_air = choices.demand.shape[2], False
    for i in range(len(needed)):
        needed[i] = 0
    for k in range(len(row)):
        n = row[k]
        if n < 0:
            continue
        on_air = True
        for r in range(resources):
            i = n * resources + r
            for e in range(choices.uses_start[i], choices.uses_start[i + 1]):
                needed[choices.uses[e]] += choices.demand[choices.start[m] + k, n, r]
    if on_air and choices.channel[m] >= 0:
        needed[choices.channel[m]] = 1


@subroutine
def pair(
    choices: Choices, state: State, m: int, g: int, below: float, each: float, least_other: float
) -> bool:
    """Device m takes its cheapest decision without g in its way, then g its own.

    Parameters
    ----------
    below, each
        They do if both together cost less than the one, and each of them less than the other.
    least_other
        What g costs at least.
    """
    row = state.places[choices.start[m] : choices.start[m + 1]].copy()
    other = state.places[choices.start[g] : choices.start[g + 1]].copy()
    new, new_other = row.copy(), other.copy()
    release(choices, state, m)
    release(choices, state, g)
    most = min(each, below - least_other)
    least, _ = answer(choices, state, m, -1, most, new)
    if least < most:
        occupy(choices, state, m, new)
        most = min(each, below - least)
        follows, _ = answer(choices, state, g, -1, most, new_other)
        if follows < most:
            occupy(choices, state, g, new_other)
            return True
        release(choices, state, m)
    occupy(choices, state, m, row)
    occupy(choices, state, g, other)
    return False


@subroutine
def largest(cost: Floats) -> float:
    """The largest of the costs of all devices."""
    most = cost[0]
    for value in cost:
        most = max(most, value)
    return float(most)


@kernel(
    _COUNTS(
        *(CHOICES, STATE, _INTS, _READ, _INTS),
        *(_INTS, _INTS, _READ, types.boolean),
    ),
    needed=of_format_2,
)
def trade(
    choices: Choices,
    state: State,
    devices: Ints,
    ideal_cost: Floats,
    ideal: Ints,
    starts: Ints,
    users: Ints,
    losses: Floats,
    by_largest: bool,
) -> tuple[int, int]:
    """Let devices trade with those that are in the way of their ideal decisions.

    Parameters
    ----------
    ideal_cost, ideal
        (M,), (P,) from :func:`.search.alone_of`.
    starts, users, losses
        Those who use each limit (L + 1,), and what they lose without it.
    by_largest
        Whether the largest cost is the objective.

    Returns
    -------
    traded, cut
        How many pairs have changed their decisions; 0.
    """
    needed, traded = np.empty(len(state.left), dtype=np.int64), 0
    seen = np.full(len(state.cost), -1)
    top = largest(state.cost)
    for m in devices:
        gain = state.cost[m] - ideal_cost[m]
        if gain <= WORTH * abs(state.cost[m]):
            continue
        each = top - WORTH * abs(top) if by_largest else np.inf
        attacked = by_largest and state.cost[m] >= top - WORTH * abs(top)
        end = choices.start[m + 1]
        row = state.places[choices.start[m] : end].copy()
        release(choices, state, m)
        free = state.left.copy()
        occupy(choices, state, m, row)
        demanded(choices, m, ideal[choices.start[m] : end], needed)
        done = False
        for limit in range(len(needed)):
            if done or needed[limit] <= free[limit]:
                continue
            tried = MORE_CANDIDATES if attacked else CANDIDATES
            for i in range(starts[limit], min(starts[limit + 1], starts[limit] + tried)):
                g = users[i]
                if done or (losses[i] >= gain and not attacked):
                    break
                if g == m or seen[g] == m or (attacked and state.cost[g] >= each):
                    continue
                both = state.cost[m] + state.cost[g]
                below = both - WORTH * (abs(state.cost[m]) + abs(state.cost[g]))
                seen[g] = m
                below = np.inf if attacked else below
                done = pair(choices, state, m, g, below, each, ideal_cost[g])
        if done:
            traded += 1
            if by_largest:
                top = largest(state.cost)
    return traded, 0
