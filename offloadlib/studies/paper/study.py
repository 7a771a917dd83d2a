"""The experiments of Kuang et al. (2020), section 5, with certified optima beside the paper's methods.

One setting, that of :mod:`.structured.generate`, whose ranges of work and data were chosen so that the
optimum saves about what the paper reports; what its tables and its text leave open is varied
(:mod:`.variations`). Repetition r has the same seed at every setting. The solves of one instance are shared
by all figures.

GSOD takes a fifth of a millisecond at the paper's sizes, nearly all of which is the call. So that its times
are those of the algorithm, the same experiments are there :data:`LARGE` times as large for GSOD, and for
BTOD's enumeration with few offload points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from offloadlib.instances.structured.generate import Setting
from offloadlib.methods import Method
from offloadlib.pages.page import Page
from offloadlib.registry import METHODS, find

from .. import StudyOptions, StudyRow
from ..certified import OPTIMUM as CERTIFIED
from ..jobs import DataPoint, Generated, Job, at_once
from ..tidy import tidy
from .claims import PAPER_RANGE
from .variations import BTOD, FOUR, GAOD, GSOD1, GSOD2, LOCAL, OPTIMUM, PLAIN, VARIATIONS

TITLE = "The paper's experiments, with certified optima"
REPETITIONS, QUICK_REPETITIONS = 30, 3

BASE = Setting(devices=40, offload_points=10, capacity=20)

OTHERS = (
    *("gsod-i-heap", "gsod-ii-heap", "gsod-i+ls", "gsod-ii+ls", "gaod+ls"),
    *("price", "heft"),
)
"""Beside the paper's methods, those of these names that the registry has."""

LARGE = 250
"""How many times as many devices and places there are where short times are measured, ..."""

LARGE_GRID: Mapping[str, Sequence[int]] = {
    "devices": (20, 40, 60, 80, 100),
    "capacity": (5, 8, 12, 16, 20),
    "points": (1, 2, 3, 4, 5, 10),
}
"""... and where; x is that of the experiment without the factor."""

TIME_LIMIT = 60.0
"""Seconds for each solve; an optimum that is not proven by then has a gap, which the tables say."""


@dataclass(frozen=True)
class Grid:
    """The values of x in each experiment (Tables 2 and 3; the paper gives ranges).

    Of the offload points the paper has 1 to 5; what follows is shown beside that.
    """

    population: tuple[int, ...] = (10, 15, 20, 25, 30, 35, 40, 45, 50)
    iterations: tuple[int, ...] = (100, 175, 250, 325, 400, 500, 600)
    crossover: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
    devices: tuple[int, ...] = tuple(range(5, 101, 5))
    capacity: tuple[int, ...] = tuple(range(5, 21))
    points: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15)
    large: int = 3  # repetitions of what is large


QUICK = Grid(
    population=(10, 30, 50),
    iterations=(100, 325, 600),
    crossover=(0.1, 0.5, 0.95),
    devices=(10, 25, 40, 55, 70, 85, 100),
    capacity=(5, 8, 12, 16, 20),
    points=(1, 2, 3, 5, 10),
    large=1,
)


# What is run --------------------------------------------------------------------------------------


def points(options: StudyOptions) -> list[DataPoint]:
    """Every solve of every experiment."""
    grid = QUICK if options.quick else Grid()
    return [point for r in range(options.repetitions) for point in _repetition(grid, options.seed, r)]


stages = at_once(points)


def _repetition(grid: Grid, seed: int, repetition: int) -> Iterator[DataPoint]:
    def at(experiment: str, x: float, setting: Setting, method: Method, **how: Any) -> DataPoint:
        source = Generated(setting, seed + repetition)
        job = Job(source, method, seed=repetition, time_limit=TIME_LIMIT, **how)
        return DataPoint(experiment, x, repetition, job)

    compared = {
        "devices": [(m, replace(BASE, devices=m)) for m in grid.devices],
        "capacity": [(q, replace(BASE, capacity=q)) for q in grid.capacity],
        "points": [(n, replace(BASE, offload_points=n)) for n in grid.points],
    }
    for experiment, settings in compared.items():
        for x, setting in settings:
            for method in methods():
                yield at(experiment, x, setting, method)
            if repetition < grid.large and x in LARGE_GRID[experiment]:
                large = replace(setting, devices=LARGE * setting.devices, capacity=LARGE * setting.capacity)
                enumerated = experiment == "points" and x <= PAPER_RANGE["points"][1]
                for name in (GSOD1, GSOD2, *([PLAIN] if enumerated else [])):
                    yield at(f"{experiment}-large", x, large, find(name))
    # Table 2 has these for the values that do not vary. Iterations are all done: what stops earlier elsewhere
    # would make them a curve of that.
    swept: dict[str, tuple[Sequence[float], dict[str, Any]]] = {
        "population": (grid.population, {"iterations": 600, "crossover": 0.95}),
        "iterations": (grid.iterations, {"population": 20, "crossover": 0.95, "patience": 600}),
        "crossover": (grid.crossover, {"population": 20, "iterations": 600}),
    }
    if GAOD in METHODS:
        for experiment, (values, fixed) in swept.items():
            for value in values:
                parameters = {**fixed, experiment: value}
                yield at(experiment, value, BASE, find(GAOD), parameters=parameters)
    for number, variation in enumerate(VARIATIONS):
        setting = replace(BASE, **variation.changes)
        for name in (LOCAL, *FOUR, OPTIMUM):
            own = variation.runs(name) if number else (METHODS.get(name, CERTIFIED), {})
            if own is not None:
                method, changed = own
                yield at("sensitivity", number, setting, method, parameters=changed, timed=not number)


def methods() -> list[Method]:
    """The paper's methods, the others that are there, and the certified optimum."""
    names = (LOCAL, BTOD, PLAIN, GAOD, GSOD1, GSOD2, *OTHERS)
    return [*(METHODS[name] for name in names if name in METHODS), CERTIFIED]


# What is shown ------------------------------------------------------------------------------------


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """Claims, figures and tables."""
    from .page import page

    return page(TITLE, tidy(points(options), rows), VARIATIONS)
