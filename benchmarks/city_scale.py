"""Gap, time and memory of branch-and-price over growing cities (20 offload points, face tasks).

    python benchmarks/city_scale.py [M ...] [--gap 1e-5] [--time-limit 900] [--output docs/results]

Each city is solved in a process of its own, from GSOD's solution. Chains, forks and joins, and scarce
channels follow at a smaller size (``--others``). Prints a table and the growth of the CPU time, and
writes ``scale.csv`` and ``scale.png``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import offloadlib
from offloadlib.instances.structured.generate import Setting, generate

POINTS = 20

CITIES: dict[str, dict[str, Any]] = {
    "face": {},
    "chain-6": {"applications": ("chain-6",)},
    "fork-join-6": {"applications": ("fork-join-6",)},
    "channels": {"channels": 1 / 50},  # for each device
}


def measure(city: str, devices: int, gap: float, limit: float) -> dict[str, float | str]:
    """One city: seconds (wall, CPU), peak memory and gap; the first incumbent is part of it."""
    options = dict(CITIES[city])
    if "channels" in options:
        options["channels"] = int(options["channels"] * devices)
    setting = Setting(devices=devices, offload_points=POINTS, capacity=max(devices // 10, 1), **options)
    instance = generate(setting, seed=1)
    begun, before = time.perf_counter(), time.process_time()
    result = offloadlib.solve(instance, "branch-and-price", gap=gap, time_limit=limit, threads=2)
    return {
        "city": city,
        "devices": devices,
        "wall": time.perf_counter() - begun,
        "cpu": time.process_time() - before,
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3,
        "objective": result.objective,
        "lower_bound": result.lower_bound if result.lower_bound is not None else -np.inf,
        "gap": result.gap if result.gap is not None else np.inf,
        "ended": str(result.termination),
    }


def draw(frame: pd.DataFrame, path: Path) -> None:
    """CPU time, memory and gap over the number of devices."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    shown = {"cpu": "CPU seconds", "megabytes": "peak memory in MB", "gap": "relative gap"}
    figure, axes = plt.subplots(1, len(shown), figsize=(12, 3.5), layout="constrained")
    for axis, (key, label) in zip(axes, shown.items(), strict=True):
        axis.loglog(frame["devices"], frame[key].clip(lower=1e-12), marker="o")
        axis.set(xlabel="devices M", ylabel=label)
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def main() -> None:
    """Measure, print, write and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    sizes = [1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
    parser.add_argument("devices", type=int, nargs="*", default=sizes)
    parser.add_argument("--others", type=int, default=10_000, help="devices of the other cities; 0: none")
    parser.add_argument("--gap", type=float, default=1e-5)
    parser.add_argument("--time-limit", type=float, default=900.0)
    parser.add_argument("--output", type=Path, default=Path("docs/results"))
    options = parser.parse_args()
    asked = [("face", devices) for devices in options.devices]
    if options.others:
        asked += [(city, options.others) for city in CITIES if city != "face"]
    context, rows = multiprocessing.get_context("spawn"), []
    for city, devices in asked:
        with context.Pool(1) as pool:
            rows.append(pool.apply(measure, (city, devices, options.gap, options.time_limit)))
        print(pd.DataFrame(rows[-1:]).to_string(header=len(rows) == 1, index=False), flush=True)
    frame = pd.DataFrame(rows)
    grown = frame[frame["city"] == "face"]
    if len(grown) > 1:
        slope = np.polyfit(np.log(grown["devices"]), np.log(grown["cpu"]), 1)[0]
        print(f"CPU time grows as M^{slope:.2f}")
    frame.to_csv(options.output / "scale.csv", index=False)
    draw(grown, options.output / "scale.png")


if __name__ == "__main__":
    main()
