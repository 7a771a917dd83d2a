r"""Lower bounds of a device's cost from flows, and the sums of rows that prove them.

With multipliers y >= 0 on the rows that hold finish times up, g on those of transfers, h >= 0 on those of
the radio, and w on the assignments, the target minus that sum of rows is a sum of columns, >= 0 if all its
coefficients are; then the target is at least the sum of the multipliers times right-hand sides.

- The columns of finish times stand in the rows of y alone: y is a flow from the delay, of which a second
  costs a_m, through tails to heads. :func:`_flow` makes one of any shares.
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

from .grid import Grid


@dataclass(frozen=True)
class Branch:
    """What a branch says: a subtask is at one of these places (``among``), or at none of them.

    Attributes
    ----------
    line
        The number of the constraint that says so.
    """

    subtask: int
    places: frozenset[int]
    among: bool
    line: int

    def allows(self, place: int) -> bool:
        """Whether a place is left."""
        return (place in self.places) == self.among


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


@dataclass(frozen=True)
class Proposal:
    """What a linear program says of the multipliers, in multiples of 10^-Q: of ``last``, ``then`` (also
    where there is a join), ``transfer`` and ``uses_air``."""

    last: Mapping[int, float]
    then: Mapping[tuple[int, int], float]
    transfer: Sequence[float]
    uses_air: Sequence[float]


def _divided(total: int, shares: Sequence[float]) -> list[int]:
    """A whole number divided in proportion to shares >= 0; what remains goes to the largest."""
    whole = sum(shares)
    if whole <= 0:
        shares, whole = [1.0] * len(shares), float(len(shares))
    parts = [int(total * int(share / whole * 2**53)) >> 53 for share in shares]
    parts[int(np.argmax(shares))] += total - sum(parts)
    return parts


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
    application = part.application
    out = [0] * application.size
    tails = list(part.last)
    shares = [max(proposal.last.get(k, 0.0), 0.0) for k in tails]
    for k, amount in zip(tails, _divided(grid.second, shares), strict=True):
        found.last[k] = amount
        out[k] += amount
    before: dict[int, list[int]] = {k: [] for k in range(application.size)}
    for j, k in part.waits:
        before[k].append(j)
    for k in reversed(application.order):
        if not before[k]:
            found.first[k] = out[k]
            continue
        shares = [max(proposal.then.get((j, k), 0.0), 0.0) for j in before[k]]
        for j, amount in zip(before[k], _divided(out[k], shares), strict=True):
            found.then[j, k] = amount
            out[j] += amount
        if k in part.joins:
            found.joined[k] = out[k]
    return out


def _durations(grid: Grid, tariff: Tariff, k: int, through: int) -> dict[int, int]:
    """What is left of the costs of a subtask's places."""
    seconds = grid.duration[k].at
    return {
        n: through * seconds[n]
        + (grid.energy_local[k] if n == LOCAL else grid.energy_radio[k] + tariff.points.get(n, 0))
        for n in grid.part.at(k)
    }


def _transfers(
    grid: Grid, proposal: Proposal, through: Sequence[int], left: list[dict[int, int]], found: Multipliers
) -> None:
    part = grid.part
    for a, (j, k) in enumerate(part.application.edges):
        up, down = grid.duration[k].arcs[a]
        sent = grid.energy_up[a] + through[k] * up
        received = grid.energy_down[a] + through[k] * down
        share = min(max(int(proposal.transfer[a]), -received), sent)
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
        share = min(max(int(proposal.uses_air[k]), 0), remaining)
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
