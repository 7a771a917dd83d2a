"""Flows in whole numbers through a task, in proportion to any shares."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .relaxation import Arc, Graph, Proposal


def divided(total: int, shares: Sequence[float]) -> list[int]:
    """A whole number divided in proportion to shares, negative ones being 0; the rest goes to the largest."""
    shares = [max(share, 0.0) for share in shares]
    whole = sum(shares)
    if not whole:
        shares, whole = [1.0] * len(shares), float(len(shares))
    parts = [int(total * int(share / whole * 2**53)) >> 53 for share in shares]
    parts[int(np.argmax(shares))] += total - sum(parts)
    return parts


def flow(total: int, task: Graph, proposal: Proposal) -> tuple[dict[int, int], dict[Arc, int], list[int]]:
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
