"""Gap, time and memory of branch-and-price over growing cities (face tasks, 20 offload points).

    python benchmarks/city_scale.py [M ...] [--gap 1e-5] [--output docs]

Each size runs in a process of its own; prints a table and writes ``scale.csv`` and ``scale.png``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

from formulations.decomposition import branch_and_price
from instances import Budget, Solution
from instances.generate import Setting, generate

POINTS = 20


def measure(devices: int, gap: float, limit: float) -> dict[str, float]:
    """One city: seconds (wall, CPU), peak memory and gap."""
    instance = generate(
        Setting(devices=devices, offload_points=POINTS, capacity=max(devices // 10, 1)), seed=1
    )
    before = time.process_time()
    result = branch_and_price.solve(
        instance, Budget(gap=gap, time_limit=limit, start=Solution.all_local(instance))
    )
    return {
        "devices": devices,
        "wall": result.runtime,
        "cpu": time.process_time() - before,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "objective": result.objective,
        "lower_bound": result.lower_bound or -np.inf,
        "gap": result.gap or 0.0,
    }


def draw(frame: pd.DataFrame, path: Path) -> None:
    """CPU time and gap over the number of devices."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for axis, key, label in zip(axes, ("cpu", "gap"), ("CPU seconds", "relative gap"), strict=True):
        axis.loglog(frame["devices"], frame[key].clip(lower=1e-12), marker="o")
        axis.set(xlabel="devices M", ylabel=label)
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("devices", type=int, nargs="*", default=[1000, 5000, 10_000, 30_000, 100_000])
    parser.add_argument("--gap", type=float, default=1e-5)
    parser.add_argument("--time-limit", type=float, default=900.0)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    options = parser.parse_args()
    context, rows = multiprocessing.get_context("spawn"), []
    for devices in options.devices:
        with context.Pool(1) as pool:
            rows.append(pool.apply(measure, (devices, options.gap, options.time_limit)))
        print(pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1, index=False), flush=True)
    frame = pd.DataFrame(rows)
    if len(rows) > 1:
        slope = np.polyfit(np.log(frame["devices"]), np.log(frame["cpu"]), 1)[0]
        print(f"CPU time grows as M^{slope:.2f}")
    frame.to_csv(options.output / "scale.csv", index=False)
    draw(frame, options.output / "scale.png")


if __name__ == "__main__":
    main()
