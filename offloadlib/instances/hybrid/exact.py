"""The cost model with numbers of any arithmetic, double words or fractions: see :mod:`.instances.exact`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Floats
from ..exact import Arithmetic, Number, sum_of
from .model import CLOUD, DEVICE, EDGE, HybridInstance
from .solution import HybridSolution


def numbers(instance: HybridInstance, solution: HybridSolution) -> Iterator[Floats]:
    """All numbers that costs are made of."""
    given = instance.parameters
    yield np.array([given.tau, given.eps_l, given.eps_t, given.price_e, given.price_c, given.rho])
    yield np.array([given.kappa, given.f_e, given.f_c, given.r_c])
    yield from (instance.sizes, instance.weight, solution.split)


def costs(instance: HybridInstance, solution: HybridSolution, arithmetic: Arithmetic) -> Iterator[Number]:
    """weight (E + rho T) of all devices at once, see :mod:`.hybrid.cost`: their sum is Q."""
    given, ones = instance.parameters, np.ones(instance.num_devices)

    def constant(value: float) -> Number:
        return arithmetic.of(value * ones)

    local, edge, cloud = (
        sum_of(arithmetic.of(np.where(solution.places == place, instance.sizes, 0.0)).columns)
        for place in (DEVICE, EDGE, CLOUD)
    )
    remote = constant(given.kappa) * edge / constant(given.f_e)
    energy = constant(given.eps_l) * local + (constant(given.eps_t) + constant(given.price_e)) * edge
    if given.cloud:
        there = cloud / constant(given.r_c) + constant(given.kappa) * cloud / constant(given.f_c)
        remote = remote.maximum(there)
        energy = energy + (constant(given.eps_t) + constant(given.price_c)) * cloud
    uploads = ((solution.places != DEVICE) & (instance.sizes > 0)).any(axis=1)
    upload = (edge + cloud) / arithmetic.of(np.where(uploads, solution.split, 1.0))
    delay = (constant(given.tau) * local).maximum(upload + remote)
    yield arithmetic.of(instance.weight) * (energy + constant(given.rho) * delay)
