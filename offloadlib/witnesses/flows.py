r"""Lower bounds of a device's cost from flows, and the sums of rows that prove them.

With multipliers y >= 0 on the rows that hold finish times up, g on those of transfers, h >= 0 on those of
the radio, and w on the assignments, the target minus that sum of rows is a sum of columns, >= 0 if all its
coefficients are; then the target is at least the sum of the multipliers times right-hand sides.

- The columns of finish times stand in the rows of y alone: y is a flow from the delay, of which a second
  costs a_m, through tails to heads. :func:`flow` makes one of any shares.
- y_k through subtask k makes its seconds cost. An arc's data then costs some amount if it is sent, another
  one if it is received: g is between the second, negative, and the first. It raises the cost of being local
  at the arc's beginning and lowers it at its end.
- h_k add up to at most the price of the radio, and lower the cost of being local.
- w_k is the least that is left of the costs of the places that subtask k may be at. Where the branches leave
  it no others, the rows of the branches get multipliers that pay for the rest (:func:`_assignment`).

So any y, g and h give a bound, and rounding them does no harm. A linear program proposes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from offloadlib.instances import LOCAL

from .branching import Allowed, Branch, End
from .grid import Grid
from .relaxation import Arc, Costs, Proposal, Taken, Task


@dataclass(frozen=True)
class Tariff:
    """Prices at a leaf, in a device's unit of cost: of points, and of its going on air."""

    points: Mapping[int, int]
    air: int


@dataclass
class Multipliers:
    """A sum of rows, and what it proves.

    Attributes
    ----------
    bound
        Of the target.
    first, then, joined, last, transfer, uses_air, assign
        Multipliers of the rows of :class:`.program.Part`, those of durations being rounded ones.
    branches
        Multipliers of the constraints of branches.
    rest
        What is left of the columns, >= 0.
    """

    bound: int = 0
    first: dict[int, int] = field(default_factory=dict)
    then: dict[tuple[int, int], int] = field(default_factory=dict)
    joined: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    transfer: list[int] = field(default_factory=list)
    uses_air: list[int] = field(default_factory=list)
    assign: list[int] = field(default_factory=list)
    branches: dict[int, int] = field(default_factory=dict)
    rest: dict[int, int] = field(default_factory=dict)


def divided(total: int, shares: Sequence[float]) -> list[int]:
    """A whole number divided in proportion to shares, negative ones being 0; the rest goes to the largest."""
    shares = [max(share, 0.0) for share in shares]
    whole = sum(shares)
    if not whole:
        shares, whole = [1.0] * len(shares), float(len(shares))
    parts = [int(total * int(share / whole * 2**53)) >> 53 for share in shares]
    parts[int(np.argmax(shares))] += total - sum(parts)
    return parts


def flow(total: int, task: Task, proposal: Proposal) -> tuple[dict[int, int], dict[Arc, int], list[int]]:
    """A total divided among the tails, and what comes to a subtask among those that it waits for: what the
    tails get, what goes along each arc, and what comes through each subtask."""
    through = [0] * len(task.order)
    shares = [proposal.last.get(k, 0.0) for k in task.tails]
    last = dict(zip(task.tails, divided(total, shares), strict=True))
    for k, amount in last.items():
        through[k] += amount
    before: dict[int, list[int]] = {}
    for j, k in task.waits:
        before.setdefault(k, []).append(j)
    then: dict[Arc, int] = {}
    for k in reversed(task.order):
        ends = before.get(k, [])
        shares = [proposal.then.get((j, k), 0.0) for j in ends]
        for j, amount in zip(ends, divided(through[k], shares) if ends else [], strict=True):
            then[j, k] = amount
            through[j] += amount
    return last, then, through


@dataclass(frozen=True)
class Rows:
    """The exact side of a search, by sums of rows: :class:`.branching.Arithmetic`.

    Attributes
    ----------
    grid, tariff
        The device, and the prices.
    needed
        The bound where branches contradict each other.
    """

    grid: Grid
    tariff: Tariff
    needed: int

    def costs(self) -> Costs:
        """The device for its linear program, in units of its cost and seconds."""
        grid, second = self.grid, 10.0**-self.grid.time_digits
        at = [
            {
                n: Taken(time * second, 0.0, float(grid.paid(k, n, self.tariff.points)))
                for n, time in duration.at.items()
            }
            for k, duration in enumerate(grid.duration)
        ]
        up, down = (
            [
                Taken(grid.duration[k].arcs[a][way] * second, 0.0, float(energies[a]))
                for a, (_, k) in enumerate(grid.part.task.edges)
            ]
            for way, energies in enumerate((grid.energy_up, grid.energy_down))
        )
        return Costs(grid.part.task, at, up, down, grid.second / second, float(self.tariff.air))

    def cost(self, places: Sequence[int]) -> int:
        """What a decision costs."""
        return self.grid.cost(places, self.tariff.points, self.tariff.air)

    def end(self, branches: Sequence[Branch], allowed: Allowed, proposal: Proposal) -> End:
        """The sum of rows that a proposal leads to."""
        found = bound(self.grid, self.tariff, branches, proposal, self.needed)
        return End(found.bound, found)


def bound(
    grid: Grid,
    tariff: Tariff,
    branches: Sequence[Branch],
    proposal: Proposal,
    needed: int,
) -> Multipliers:
    """A lower bound of the target below some branches.

    Parameters
    ----------
    grid, tariff
        The device, and the prices.
    branches
        On its subtasks, from the root down.
    proposal
        Any multipliers.
    needed
        The bound where the branches contradict each other.
    """
    part, found = grid.part, Multipliers()
    through = _flow(grid, proposal, found)
    left = [_durations(grid, tariff, k, through[k]) for k in range(part.application.size)]
    _transfers(grid, proposal, through, left, found)
    _radio(grid, tariff, proposal, left, found)
    missing = needed - found.bound
    for k, costs in enumerate(left):
        own = [branch for branch in branches if branch.subtask == k]
        missing -= _assignment(grid, k, costs, own, missing, found)
    return found


def _flow(grid: Grid, proposal: Proposal, found: Multipliers) -> list[int]:
    """The flow through each subtask."""
    part = grid.part
    found.last, found.then, through = flow(grid.second, part.task, proposal)
    found.first = {k: through[k] for k in part.first}
    found.joined = {k: through[k] for k in part.joins}
    return through


def _durations(grid: Grid, tariff: Tariff, k: int, through: int) -> dict[int, int]:
    """What is left of the costs of a subtask's places."""
    seconds = grid.duration[k].at
    return {n: through * time + grid.paid(k, n, tariff.points) for n, time in seconds.items()}


def _transfers(
    grid: Grid, proposal: Proposal, through: Sequence[int], left: list[dict[int, int]], found: Multipliers
) -> None:
    part = grid.part
    for a, (j, k) in enumerate(part.application.edges):
        up, down = grid.duration[k].arcs[a]
        sent = grid.energy_up[a] + through[k] * up
        received = grid.energy_down[a] + through[k] * down
        share = min(max(int(proposal.transfer[a]) if proposal.transfer else 0, -received), sent)
        found.transfer.append(share)
        found.rest[part.up[a]], found.rest[part.down[a]] = sent - share, received + share
        left[j][LOCAL] += share
        left[k][LOCAL] -= share


def _radio(
    grid: Grid, tariff: Tariff, proposal: Proposal, left: list[dict[int, int]], found: Multipliers
) -> None:
    air = grid.part.air
    if air is None:
        return
    remaining = tariff.air
    for k, costs in enumerate(left):
        share = min(max(int(proposal.uses_air[k]) if proposal.uses_air else 0, 0), remaining)
        remaining -= share
        found.uses_air.append(share)
        found.bound += share
        costs[LOCAL] -= share
    found.rest[air] = remaining


def _assignment(
    grid: Grid, k: int, costs: dict[int, int], branches: Sequence[Branch], missing: int, found: Multipliers
) -> int:
    """What a subtask costs at least where its branches leave it."""
    allowed = [n for n in costs if all(branch.allows(n) for branch in branches)]
    least = min(costs[n] for n in allowed) if allowed else max(missing, *costs.values())
    w = least
    for branch in branches:
        # As a row: none of the places (L, taken negatively), or one of them (G).
        lacking = (least - costs[n] for n in costs if not branch.allows(n))
        more = max(0, *lacking, 0)
        if more:
            found.branches[branch.line] = more if branch.among else -more
            w -= more if branch.among else 0
            for n in costs:
                costs[n] += 0 if branch.allows(n) else more
    found.assign.append(w)
    found.bound += least
    for n, column in grid.part.at(k).items():
        found.rest[column] = costs[n] - least
    return least
