"""Four changes at once: what meets equals brute force."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from counts import count

from offloadlib.formulations.structured.limited.meeting import Candidates, Gaps, meet
from offloadlib.instances.compiled import read_only


@pytest.mark.parametrize("seed", range(count(500, 60)))
def test_four_changes_equal_brute_force(seed: int) -> None:
    draw = np.random.default_rng(seed)
    changes, limits = int(draw.integers(0, 15)), int(draw.integers(1, 4))
    owner = np.sort(draw.integers(0, 6, changes))
    cost = draw.random(changes) - (0.3 if seed % 2 else 0.0)
    taken = draw.normal(0.0, 2.0, (changes, limits))
    if seed % 3 == 0:  # many sums are equal, and limits are met without a hair
        taken = np.rint(taken)
    left, worth = np.rint(draw.normal(1.0, 3.0, limits)), draw.random(limits) * (draw.random(limits) > 0.2)
    chosen = np.empty(4, np.int64)

    def value(some: tuple[int, ...]) -> float:
        rest = left - taken[list(some)].sum(axis=0)
        return float(cost[list(some)].sum() + worth @ rest) if (rest >= 0).all() else np.inf

    every = (some for size in range(5) for some in combinations(range(changes), size))
    least = min(value(some) for some in every if len(set(owner[list(some)])) == len(some))
    most = float(draw.random() * 4.0)
    gaps, candidates = Gaps(*map(read_only, (left, worth))), Candidates(*map(read_only, (owner, cost, taken)))
    found = meet(gaps, candidates, most, chosen)
    assert found == pytest.approx(min(least, most))
    some = tuple(chosen[chosen >= 0].tolist())
    assert len(set(owner[list(some)])) == len(some)
    if least < most - 1e-9:
        assert value(some) == pytest.approx(least)
