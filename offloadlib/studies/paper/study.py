"""The experiments of Kuang et al. (2020), section 5, with certified optima beside the paper's methods.

One setting, that of :mod:`.structured.generate`, and no tuning towards the paper: what its tables leave
open is varied in a sensitivity table of its own. Repetition r has the same seed at every setting. The
solves of one instance are shared by all figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from offloadlib.instances.structured.generate import Setting
from offloadlib.methods import Method
from offloadlib.pages.page import Page
from offloadlib.registry import METHODS, find

from .. import Options, Stages, StudyRow
from ..certified import OPTIMUM as CERTIFIED
from ..jobs import Generated, Job, Point
from ..tidy import tidy
from .claims import BTOD, FOUR, GAOD, GSOD1, GSOD2, LOCAL, OPTIMUM

TITLE = "The paper's experiments, with certified optima"
REPETITIONS, QUICK_REPETITIONS = 30, 3

BASE = Setting(devices=40, offload_points=10, capacity=20)

OTHERS = (
    *("gsod-i-heap", "gsod-ii-heap", "gsod-i+ls", "gsod-ii+ls", "gaod+ls"),
    *("price", "heft"),
)
"""Beside the paper's methods, those of these names that the registry has."""

TIME_LIMIT = 60.0
"""Seconds for each solve; an optimum that is not proven by then has a gap, which the tables say."""


@dataclass(frozen=True)
class Grid:
    """The values of x in each experiment (Tables 2 and 3; the paper gives ranges)."""

    population: tuple[int, ...] = (10, 15, 20, 25, 30, 35, 40, 45, 50)
    iterations: tuple[int, ...] = (100, 175, 250, 325, 400, 500, 600)
    crossover: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
    devices: tuple[int, ...] = tuple(range(5, 101, 5))
    capacity: tuple[int, ...] = tuple(range(5, 21))
    points: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15)


QUICK = Grid(
    population=(10, 30, 50),
    iterations=(100, 325, 600),
    crossover=(0.1, 0.5, 0.95),
    devices=(10, 25, 40, 55, 70, 85, 100),
    capacity=(5, 8, 12, 16, 20),
    points=(1, 2, 3, 5, 10),
)


@dataclass(frozen=True)
class Variation:
    """Another reading of what the paper leaves open."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    gaod: Mapping[str, Any] = field(default_factory=dict)


VARIATIONS = (
    Variation("as everywhere else"),
    # Normalised costs do not change where work and data are scaled together.
    Variation("half the work: U[0.5, 1.5] MI", {"work": (0.5, 1.5)}),
    Variation("twice the work: U[2, 6] MI", {"work": (2.0, 6.0)}),
    Variation("all the same work: 2 MI", {"work": (2.0, 2.0)}),
    Variation("work of wider range: U[0.2, 3.8] MI", {"work": (0.2, 3.8)}),
    Variation("all the same data: 0.6 Mbit", {"input": (0.6, 0.6), "output": (0.6, 0.6)}),
    Variation("data of wider range: U[0, 1.2] Mbit", {"input": (0.0, 1.2), "output": (0.0, 1.2)}),
    Variation("alpha 0: energy alone", {"alpha": (0.0, 0.0)}),
    Variation("alpha 0.5 for all", {"alpha": (0.5, 0.5)}),
    Variation("alpha 1: delay alone", {"alpha": (1.0, 1.0)}),
    Variation("costs not normalised", {"normalise": "none"}),
    Variation("GAOD: mutation by formula (8) as printed", gaod={"literal_mutation": True}),
    Variation("GAOD: mutation with probability 0.02", gaod={"mutation": 0.02}),
    Variation("GAOD: mutation with probability 0.5", gaod={"mutation": 0.5}),
    Variation("GAOD: no stop before the last iteration", gaod={"patience": 325}),
)


# What is run --------------------------------------------------------------------------------------


def stages(options: Options) -> Stages:
    """All jobs at once, one repetition after the other: a study that is stopped has whole repetitions."""
    yield [point.job for point in points(options)]


def points(options: Options) -> list[Point]:
    """Every solve of every experiment."""
    grid = QUICK if options.quick else Grid()
    return [point for r in range(options.repetitions) for point in _repetition(grid, options.seed, r)]


def _repetition(grid: Grid, seed: int, repetition: int) -> Iterator[Point]:
    def at(experiment: str, x: float, setting: Setting, method: Method, **how: Any) -> Point:
        source = Generated(setting, seed + repetition)
        job = Job(source, method, seed=repetition, time_limit=TIME_LIMIT, **how)
        return Point(experiment, x, repetition, job)

    compared = {
        "devices": [(m, replace(BASE, devices=m)) for m in grid.devices],
        "capacity": [(q, replace(BASE, capacity=q)) for q in grid.capacity],
        "points": [(n, replace(BASE, offload_points=n)) for n in grid.points],
    }
    for experiment, settings in compared.items():
        for x, setting in settings:
            for method in methods():
                yield at(experiment, x, setting, method)
    # Table 2 has these for the values that do not vary.
    swept: dict[str, tuple[Sequence[float], dict[str, Any]]] = {
        "population": (grid.population, {"iterations": 600, "crossover": 0.95}),
        "iterations": (grid.iterations, {"population": 20, "crossover": 0.95}),
        "crossover": (grid.crossover, {"population": 20, "iterations": 600}),
    }
    if GAOD in METHODS:
        for experiment, (values, fixed) in swept.items():
            for value in values:
                parameters = {**fixed, experiment: value}
                yield at(experiment, value, BASE, find(GAOD), parameters=parameters, timed=False)
    for number, variation in enumerate(VARIATIONS):
        setting = replace(BASE, **variation.changes)
        for method in methods():
            if method.name in (LOCAL, *FOUR, OPTIMUM) and not (variation.gaod and method.name != GAOD):
                timed = not variation.changes and not variation.gaod
                yield at("sensitivity", number, setting, method, parameters=variation.gaod, timed=timed)


def methods() -> list[Method]:
    """The paper's methods, the others that are there, and the certified optimum."""
    names = (LOCAL, BTOD, GAOD, GSOD1, GSOD2, *OTHERS)
    return [*(METHODS[name] for name in names if name in METHODS), CERTIFIED]


# What is shown ------------------------------------------------------------------------------------


def report(options: Options, rows: Mapping[str, StudyRow]) -> Page:
    """Claims, figures and tables."""
    from .page import page

    frame = tidy(points(options), rows)
    return page(TITLE, frame, [variation.name for variation in VARIATIONS])
