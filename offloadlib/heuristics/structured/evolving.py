"""Differential evolution from scipy, as it comes, over random keys from [0, 1]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, differential_evolution

from offloadlib.instances import Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.run import Watch


def evolved(
    costs: Callable[[Floats], Floats],
    first: Floats,
    most: int,
    random: np.random.Generator,
    watch: Watch,
    tell: Callable[[], None],
) -> int:
    """Minimise until all members cost the same, or the watch or Ctrl-C ends it.

    Parameters
    ----------
    costs
        From members (S, D) to what they cost (S,); it keeps the best ones.
    first
        (S, D) members of the first generation.
    most
        Further generations.
    random
        For all of them.
    watch
        When to end.
    tell
        Called after each generation.

    Returns
    -------
    int
        Generations after the first.
    """
    generations, size = 0, first.shape[1]

    def of_columns(keys: NDArray[np.float64]) -> Floats:
        return costs(np.ascontiguousarray(keys.T))

    def after(_: NDArray[np.float64], convergence: float) -> bool:
        nonlocal generations
        generations += 1
        tell()
        return watch.over

    try:
        differential_evolution(
            of_columns,  # type: ignore[arg-type]  # the stubs know no vectorised functions
            Bounds(np.zeros(size), np.ones(size)),
            maxiter=most,
            init=first,
            tol=0.0,
            rng=random,
            polish=False,
            updating="deferred",
            vectorized=True,
            callback=after,  # type: ignore[arg-type]  # nor callbacks that may stop it
        )
    except KeyboardInterrupt:
        watch.termination = Termination.INTERRUPTED
    return generations
