"""What the first use of each method costs: CPU seconds with an empty cache of compiled kernels beyond those
with a full one.

    python benchmarks/first_use.py [METHOD ...]

A method is run on a small instance of each kind that may need other kernels, in a process of its own. "-": a
method does not apply. Of the methods that need the same kernels one is run, unless they are named.
"""

from __future__ import annotations

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from dataclasses import replace
from functools import cache
from typing import Any

from offloadlib.formulations.structured.decomposition import city
from offloadlib.instances import AnyInstance
from offloadlib.instances.compiled import called_by
from offloadlib.instances.hybrid.generate import HybridSetting
from offloadlib.instances.hybrid.generate import generate as generate_hybrid
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.kinds import face
from offloadlib.methods import Family
from offloadlib.registry import METHODS, find

SMALL = Setting(devices=6, offload_points=3, capacity=4)
CITY = Setting(devices=city.LARGE, offload_points=10, capacity=city.LARGE // 4)

LIMITS: dict[str, Any] = {
    "resources": ("memory",),
    "room": (2.0, 4.0),
    "deadline": (0.7, 1.1),
    "rejection": (1.0, 2.0),
}

INSTANCES: dict[str, AnyInstance] = {
    "face": generate(SMALL),
    "fork-join": generate(replace(SMALL, applications=("fork-join-6",)), seed=1),
    "nested": generate(replace(SMALL, applications=("series-parallel-12",)), seed=1),
    "layered": generate(replace(SMALL, applications=("layered-12",)), seed=1),
    "both": generate(replace(SMALL, applications=("face", "layered-12")), seed=1),
    "channels": generate(replace(SMALL, channels=1), seed=1),
    "limits": generate(replace(SMALL, applications=("face", "layered-12"), **LIMITS)),
    "caps": generate(replace(SMALL, total_energy=0.7)),
    "city": generate(CITY),
    "hybrid": generate_hybrid(HybridSetting(devices=3, tasks=3)),
}

RUN = """
import pickle, sys, time
import offloadlib
instance = pickle.load(sys.stdin.buffer)
offloadlib.solve(instance, sys.argv[1], time_limit=5, gap=1e-3)
"""


def needs(method: str, kind: str) -> frozenset[str]:
    """The kernels that a method, and what it starts from, may call."""
    chosen, instance = find(method), INSTANCES[kind]
    functions = [chosen.load()]
    if chosen.family is Family.EXACT:
        functions.append(face(instance.kind).start.load())
    return frozenset(kernel.__name__ for function in functions for kernel in called_by(function, instance))


def seconds(method: str, kind: str, folder: str) -> float:
    """CPU seconds of a process that solves, with this folder as its cache."""
    before = os.times()
    subprocess.run(
        [sys.executable, "-c", RUN, method],
        input=pickle.dumps(INSTANCES[kind]),
        env=os.environ | {"NUMBA_CACHE_DIR": folder},
        stderr=subprocess.DEVNULL,
        check=True,
    )
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


@cache
def compiling(method: str, kind: str) -> float:
    """CPU seconds that the first use takes more than the second."""
    with tempfile.TemporaryDirectory() as folder:
        return seconds(method, kind, folder) - seconds(method, kind, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("methods", nargs="*", metavar="METHOD")
    chosen = parser.parse_args().methods
    measured: dict[frozenset[str], float] = {frozenset(): 0.0}
    print(f"{'':18}" + "".join(f"{kind:>11}" for kind in INSTANCES))
    for name in chosen or METHODS:
        line = f"{name:18}"
        for kind, instance in INSTANCES.items():
            if find(name).applies_to(instance) is not None:
                line += f"{'-':>11}"
                continue
            kernels = needs(name, kind)
            if chosen or kernels not in measured:
                measured[kernels] = compiling(name, kind)
            line += f"{measured[kernels]:11.1f}"
        print(line, flush=True)


if __name__ == "__main__":
    main()
