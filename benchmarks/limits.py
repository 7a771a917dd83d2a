"""Branch-and-price where points have memory and cores, and devices have deadlines: gaps and times.

Instances are those of the paper's generator, with whole demands on two resources, of which the points
together have so much less than all subtasks take, and with a deadline for each device, of which some are
below what it takes to stay local. With ``--any-amounts`` demands and room are any numbers, as ``generate``
draws them. Prints a line for each case, seed and method; ``1000:1e-4:60`` says devices, gap and seconds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from itertools import product

import numpy as np

from offloadlib.instances import Instance, Solution, evaluate
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.model import UNLIMITED
from offloadlib.solving import solve

RESOURCES = ("cores", "memory")

DEMANDS = ((1, 4), (1, 16))
"""Of a subtask, the least and the most."""

ROOM = (0.35, 0.3)
"""What there is of each resource, relative to what all subtasks would take."""

DEADLINES = (0.6, 1.6)
"""Relative to the all-local delay; no less than :data:`REACHED` times the fastest."""

REACHED = 1.2

APPLICATIONS = ("face", "chain-5", "fork-join-4")


def _setting(devices: int, points: int) -> Setting:
    """What all instances have in common."""
    return Setting(
        devices=devices,
        offload_points=points,
        applications=APPLICATIONS,
        capacity=devices,
        point_cpu=(1.6, 8.0),
        input=(0.05, 0.4),
        output=(0.05, 0.4),
        alpha=(0.3, 0.9),
    )


def limited(devices: int, points: int = 20, seed: int = 1) -> Instance:
    """An instance with two resources and deadlines."""
    plain = generate(_setting(devices, points), seed=seed)
    draw = np.random.default_rng(seed)
    groups = []
    for group in plain.groups:
        demand = [draw.integers(low, high + 1, group.work.shape) for low, high in DEMANDS]
        met = replace(group.exceptions, demand=np.empty((len(RESOURCES), 0)))
        groups.append(replace(group, demand=np.array(demand, dtype=np.float64), exceptions=met))
    total = sum(group.demand.sum(axis=(1, 2)) for group in groups)
    parts = draw.uniform(0.5, 1.5, (len(RESOURCES), points))
    room = np.floor(np.array(ROOM)[:, None] * total[:, None] * parts / parts.sum(axis=1, keepdims=True))
    local = evaluate(plain, Solution.all_local(plain)).delay
    deadline = np.maximum(draw.uniform(*DEADLINES, devices) * local, REACHED * _fastest(plain))
    return replace(
        plain,
        name=f"limits-m{devices}-n{points}-s{seed}",
        resources=RESOURCES,
        points=replace(plain.points, room=room, capacity=np.full(points, UNLIMITED)),
        devices=replace(plain.devices, deadline=deadline),
        groups=tuple(groups),
    )


def any_amounts(devices: int, points: int = 20, seed: int = 1) -> Instance:
    """An instance of ``generate``, whose points have room for three tenths of all subtasks."""
    room = 2.0 * devices / points, 4.0 * devices / points
    limits = {"resources": RESOURCES, "demand": (1.0, 3.0), "room": room, "deadline": (0.9, 1.6)}
    return generate(replace(_setting(devices, points), **limits), seed=seed)


def _fastest(instance: Instance) -> np.ndarray:
    """(M,) delay where the whole task is at the fastest place, or at home."""
    fast = int(np.argmax(instance.points.cpu))
    away = Solution(tuple(np.full(group.work.shape, fast, np.int32) for group in instance.groups))
    return np.minimum(evaluate(instance, away).delay, evaluate(instance, Solution.all_local(instance)).delay)


def main() -> None:
    """Solve what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=["1000:1e-4:60"], metavar="DEVICES:GAP:SECONDS")
    parser.add_argument("--method", nargs="+", default=["branch-and-price"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, nargs="+", default=[1])
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--any-amounts", action="store_true", help="instead of whole ones")
    asked = parser.parse_args()
    make = any_amounts if asked.any_amounts else limited
    for case, seed, method in product(asked.cases, asked.seed, asked.method):
        devices, gap, seconds = case.split(":")
        instance = make(int(devices), asked.points, seed)
        begun = time.process_time()
        result = solve(instance, method, gap=float(gap), time_limit=float(seconds), threads=asked.threads)
        spent = time.process_time() - begun
        print(
            f"{instance.name} {method}: {result.objective:.9g}, bound {result.lower_bound}, "
            f"gap {result.gap}, {result.runtime:.1f} s, CPU {spent:.1f} s, {result.termination}, "
            f"{dict(result.run)}"
        )


if __name__ == "__main__":
    main()
