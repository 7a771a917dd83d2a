"""`price` beside GSOD: CPU time and quality on the library and on growing cities.

    python benchmarks/price_table.py [M ...]

A city has face tasks and 20 offload points with room for M/10 subtasks each. The last column is the cost over
the best known value of the library, or over the bound of `price` in a city.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

from offloadlib.best_known import library, read_best_known
from offloadlib.heuristics.structured import gsod, price
from offloadlib.instances import Budget, Instance, Result, read
from offloadlib.instances.structured.generate import Setting, generate

ROUNDS = 3


def fastest(method: Callable[[Instance, Budget], Result], instance: Instance) -> tuple[float, Result]:
    """Least CPU time in ms of some rounds, and the result."""
    seconds = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        result = method(instance, Budget(threads=2))
        seconds.append(time.process_time() - begun)
    return 1e3 * min(seconds), result


def line(name: str, instance: Instance, best: float | None) -> float:
    """Print a line; returns the ratio of the times."""
    runs = [fastest(method, instance) for method in (gsod.solve_difference, gsod.solve_ratio, price.solve)]
    (one, first), (two, second), (mine, result) = runs
    greedy, reference = min(first.objective, second.objective), best or result.lower_bound or math.nan
    print(
        f"{name:24} {one:8.2f} {two:8.2f} {mine:9.1f} {mine / one:7.1f} "
        f"{greedy / reference:9.4f} {result.objective / reference:9.5f}",
        flush=True,
    )
    return mine / one


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", type=int, nargs="*", default=[1000, 3000, 10_000, 30_000])
    options = parser.parse_args()
    print(
        f"{'CPU ms':24} {'gsod-i':>8} {'gsod-ii':>8} {'price':>9} {'ratio':>7} {'best gsod':>9} {'price':>9}"
    )
    ratios = []
    for name, known in sorted(read_best_known().items()):
        instance = read(library() / f"{name}.json")
        if isinstance(instance, Instance) and known.objective is not None:
            ratios.append(line(name, instance, known.objective.value))
    for devices in options.devices:
        setting = Setting(devices=devices, offload_points=20, capacity=max(devices // 10, 1))
        ratios.append(line(f"M = {devices}", generate(setting, seed=1), None))
    print(f"geometric mean of the ratios {math.exp(sum(map(math.log, ratios)) / len(ratios)):.1f}")


if __name__ == "__main__":
    main()
