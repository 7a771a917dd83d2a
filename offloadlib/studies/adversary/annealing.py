"""Simulated annealing over tiny instances, for one on which a heuristic is bad."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np

from offloadlib.instances import Budget, Instance, Result, Termination
from offloadlib.instances.arrays import Ints
from offloadlib.methods import Family, Method
from offloadlib.registry import find

from .tiny import Sizes, changed, document, drawn, made, optimum

SHAPES = (
    Sizes(2, 2, "chain-2"),
    Sizes(3, 2, "chain-1"),
    Sizes(2, 1, "chain-3"),
    Sizes(3, 2, "face"),
    Sizes(2, 2, "fork-join-2"),
    Sizes(4, 3, "chain-2"),
    Sizes(3, 1, "chain-5"),
    Sizes(4, 2, "face"),
)
"""What the instances of a search may look like."""

HOT, COLD = 0.1, 0.001
"""Temperatures at the beginning and at the end: differences of ln(ratio)."""


@dataclass(frozen=True)
class SearchParameters:
    """What a search looks for.

    Parameters
    ----------
    target
        The heuristic.
    shape
        Number of the instances' shape in :data:`SHAPES`.
    evaluations
        Instances that it looks at.
    """

    target: str = "gsod-i"
    shape: int = 0
    evaluations: int = 1500


SEARCH = Method(
    "search", f"{__name__}:search", Family.HEURISTIC, "annealing over instances", "Kirkpatrick et al. 1983"
)


def search(instance: Instance, budget: Budget, parameters: SearchParameters = SearchParameters()) -> Result:
    """Look for an instance on which a heuristic is bad, from a given one.

    A step changes one or two numbers. What has at least the ratio of the present instance is the next one,
    what has less with probability exp(-d/T), d being the difference of ln(ratio); T falls geometrically
    from :data:`HOT` to :data:`COLD`. Ratios are over the optimum by enumeration: a claim that the certified
    optimum of the instance found has to confirm.

    Parameters
    ----------
    instance
        The first instance, of :func:`start`'s genes with the budget's seed.
    budget
        Seed and time limit.
    parameters
        What to look for.

    Returns
    -------
    Result
        The heuristic's on the first instance. Its record has the instance that was ``found``, the claimed
        ``ratio`` there, the ``first_ratio``, and the ``looked_at`` instances.
    """
    begun = time.perf_counter()
    method, shape = find(parameters.target).prepared(instance), SHAPES[parameters.shape]
    inner = Budget(seed=budget.seed)

    def ratio(made_one: Instance) -> float:
        return method(made_one, inner).objective / optimum(made_one)

    genes, rng = start(shape, budget.seed)
    first = present = best = ratio(instance)
    found, looked_at, termination = genes, 1, Termination.FINISHED
    cooling = (COLD / HOT) ** (1 / max(parameters.evaluations - 1, 1))
    temperature = HOT
    while looked_at < parameters.evaluations:
        if time.perf_counter() - begun >= budget.time_limit:
            termination = Termination.TIME_LIMIT
            break
        trial = changed(shape, genes, rng)
        value = ratio(made(shape, trial))
        looked_at += 1
        temperature *= cooling
        if value >= present or rng.random() < math.exp(math.log(value / present) / temperature):
            genes, present = trial, value
        if value > best:
            found, best = trial, value
    name = f"{parameters.target}-{budget.seed}"
    return Result.of(
        instance,
        method(instance, inner).solution,
        time.perf_counter() - begun,
        termination=termination,
        found=document(shape, found, name),
        ratio=best,
        first_ratio=first,
        looked_at=looked_at,
    )


def start(shape: Sizes, seed: int) -> tuple[Ints, np.random.Generator]:
    """The first genes of a search, and the source of its further draws."""
    rng = np.random.default_rng(seed)
    return drawn(shape, rng), rng
