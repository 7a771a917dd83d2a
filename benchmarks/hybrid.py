"""The exact hybrid methods: time by number of devices, and the price search against scipy's.

    python benchmarks/hybrid.py [--limit SECONDS]

Times are the processor's, with everything compiled. Each line has the defaults of ``docs/theory/hybrid.md``,
with the uplink B = 100 Mbit/s that all share, and once more with 100/3 Mbit/s for each device.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar

from offloadlib.formulations.hybrid import exhaustive, lagrangian, milp
from offloadlib.formulations.hybrid.lagrangian import NodePrices, PriceSearch
from offloadlib.formulations.hybrid.patterns import menu
from offloadlib.instances import Budget, Result
from offloadlib.instances.hybrid import HybridInstance
from offloadlib.instances.hybrid.generate import HybridSetting, generate

DEVICES = (3, 10, 30, 100, 300, 1000)
SEEDS, FEW_SEEDS = 10, 3
"""Of the Lagrangian method, and of the others."""

GAP, LIMIT = 1e-6, 5.0
"""What is to be proven, and seconds of wall time for the others."""


def measured(
    solve: Callable[[HybridInstance, Budget], Result], instance: HybridInstance, limit: float
) -> str:
    """Seconds and gap of a method."""
    begun = time.process_time()
    result = solve(instance, Budget(time_limit=limit, gap=GAP))
    spent = time.process_time() - begun
    gap = 0.0 if result.gap is None else result.gap
    nodes = f", {result.run['nodes']} nodes" if "nodes" in result.run else ""
    return f"{spent:9.4f} s  gap {gap:.1e}{nodes}"


def price_search(instance: HybridInstance) -> str:
    """Seconds of the root's price, and of scipy's bounded search on the same dual."""
    prices, listed = PriceSearch(instance), menu(instance)

    def ours() -> float:
        return prices.best((), prices.everything, NodePrices.guess(prices.highest), np.inf).bound

    def dual(price: float) -> float:
        return prices.bandwidth * price - float(
            np.minimum.reduceat(listed.at(price)[0], listed.start[:-1]).sum()
        )

    def scipys() -> float:
        found = minimize_scalar(
            dual, bounds=(0.0, prices.highest), method="bounded", options={"xatol": 1e-12 * prices.highest}
        )
        return -float(found.fun)

    (own, own_time), (other, other_time) = timed(ours), timed(scipys)
    return (
        f"price search {1e3 * own_time:8.3f} ms, scipy {1e3 * other_time:9.2f} ms "
        f"({other_time / own_time:5.0f} times), values apart by {(own - other) / own:+.1e}"
    )


def timed(search: Callable[[], float]) -> tuple[float, float]:
    """Value, and the least time of five runs."""
    times = []
    for _ in range(5):
        begun = time.process_time()
        value = search()
        times.append(time.process_time() - begun)
    return value, min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for each solve of the Lagrangian")
    limit = parser.parse_args().limit
    lagrangian.solve(generate(HybridSetting(), seed=0), Budget())
    for share in ("B = 100", "B = 100/3 a device"):
        for devices in DEVICES:
            bandwidth = 100.0 if share == "B = 100" else 100.0 / 3.0 * devices
            for seed in range(SEEDS):
                instance = generate(HybridSetting(devices=devices, bandwidth=bandwidth), seed=seed)
                case = f"{share:18}  N = {devices:4}"
                print(f"{case}  lagrangian  {measured(lagrangian.solve, instance, limit)}", flush=True)
                if devices <= 10 and seed < FEW_SEEDS:
                    print(f"{case}  milp        {measured(milp.solve, instance, LIMIT)}")
                if devices == 3 and seed < FEW_SEEDS:
                    print(f"{case}  exhaustive  {measured(exhaustive.solve, instance, LIMIT)}")
            print(f"{case}  {price_search(instance)}", flush=True)


if __name__ == "__main__":
    main()
