"""How long it takes to build the reference MILP and to hand it to HiGHS, with Pyomo and as arrays.

    python benchmarks/handover.py [DEVICES...]

Three ways to the same program, in one run: Pyomo and its own interface to HiGHS (``appsi_highs``); Pyomo,
compiled to arrays (the method ``milp``); arrays from the start (``milp-arrays``). Nothing is solved. The
instances are the paper's setting, 10 offload points and 5 subtasks a device: 55 binaries for each device.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from pyomo.contrib.appsi.solvers.highs import Highs
from rich import box
from rich.table import Table

from offloadlib.cli import console
from offloadlib.formulations.engine.highs import LinearRelaxation
from offloadlib.formulations.structured.milp import arrays, potentials
from offloadlib.formulations.structured.milp.pyomo_run import program_of
from offloadlib.instances import Instance
from offloadlib.instances.structured.generate import Setting, generate

SIZES = (10, 32, 100, 316, 1_000, 3_162)
REPETITIONS = 3


@dataclass(frozen=True)
class Measured:
    """Median seconds of CPU time of each way, and the size of the program."""

    binaries: int
    appsi: float
    compiled: float
    arrays: float

    @property
    def ratio(self) -> float:
        """How many times faster arrays are than the method ``milp``."""
        return self.compiled / self.arrays


def measure(devices: int) -> Measured:
    """Build and hand over the program of an instance of so many devices."""
    instance = generate(Setting(devices=devices, capacity=max(devices // 2, 1)))
    ways = (_by_appsi, _by_compiling, _by_arrays)
    appsi, compiled, direct = (
        statistics.median(_seconds(way, instance) for _ in range(REPETITIONS)) for way in ways
    )
    binaries = len(arrays.formulate(instance).program.integer)
    return Measured(binaries, appsi, compiled, direct)


def _seconds(way: Callable[[Instance], object], instance: Instance) -> float:
    begun = time.process_time()  # one thread each: what else the machine does hardly counts
    way(instance)
    return time.process_time() - begun


def _by_appsi(instance: Instance) -> None:
    Highs().set_instance(potentials.model(instance))


def _by_compiling(instance: Instance) -> None:
    LinearRelaxation(program_of(potentials.model(instance))[0])


def _by_arrays(instance: Instance) -> None:
    LinearRelaxation(arrays.formulate(instance).program)


def main() -> None:
    """Measure growing sizes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("devices", nargs="*", type=int, default=list(SIZES))
    table = Table("devices", "binaries", "Pyomo, appsi", "milp", "milp-arrays", "ratio", box=box.SIMPLE)
    for column in table.columns:
        column.justify = "right"
    measure(2)  # imports and compilation are no part of it
    for devices in parser.parse_args().devices:
        it = measure(devices)
        seconds = (f"{x:.4f} s" for x in (it.appsi, it.compiled, it.arrays))
        table.add_row(f"{devices:,}", f"{it.binaries:,}", *seconds, f"{it.ratio:.0f}")
    console.output().print(table)


if __name__ == "__main__":
    main()
