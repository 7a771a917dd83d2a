"""Random small hybrid instances, and their optima by enumeration."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from instances.hybrid import HybridInstance, Parameters
from instances.hybrid.enumeration import best_decision

RATES = st.one_of(st.just(0.0), st.floats(1e-3, 2.0), st.sampled_from([0.15, 0.325, 0.475]))
SPEEDS = st.one_of(st.floats(100.0, 1e5), st.sampled_from([10000.0, 20000.0]))


@st.composite
def hybrid_instances(draw: st.DrawFn, most_patterns: int = 729) -> HybridInstance:
    """Devices and tasks of every kind: equal and empty ones, without a cloud, with little or much uplink."""
    cloud = draw(st.booleans())
    devices, tasks = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    while (3 if cloud else 2) ** (devices * tasks) > most_patterns:
        devices, tasks = (devices - 1, tasks) if devices >= tasks else (devices, tasks - 1)
    size = st.one_of(st.sampled_from([0.0, 10.0, 20.0, 83.88608]), st.floats(0.1, 300.0))
    sizes = draw(st.lists(size, min_size=devices * tasks, max_size=devices * tasks))
    weight = draw(st.lists(st.sampled_from([1.0, 1.0, 0.3, 2.0]), min_size=devices, max_size=devices))
    parameters = Parameters(
        tau=draw(RATES),
        eps_l=draw(RATES),
        eps_t=draw(RATES),
        price_e=draw(RATES),
        price_c=draw(RATES) if cloud else 0.0,
        kappa=draw(st.sampled_from([0.0, 100.0, 1900.0])),
        f_e=draw(SPEEDS),
        f_c=draw(SPEEDS) if cloud else 0.0,
        r_c=draw(st.sampled_from([0.5, 8.0, 100.0])) if cloud else 0.0,
        bandwidth=draw(st.one_of(st.floats(0.1, 10.0), st.floats(10.0, 1e5), st.just(100.0))),
        rho=draw(st.sampled_from([1.0, 1.0, 0.1, 5.0])),
    )
    ids = tuple(f"d{i + 1}" for i in range(devices))
    return HybridInstance("random", ids, np.reshape(sizes, (devices, tasks)), np.array(weight), parameters)


def optimum(instance: HybridInstance) -> float:
    """The least cost over all decisions, each with its best split."""
    return best_decision(instance, instance.places)[1]
