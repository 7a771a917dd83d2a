"""DDTO (Wu et al. 2020) against certified optima: what learning buys, in quality and in time.

Repetition r draws its frames and seeds its networks with the same seed at every setting. Everything is
done one after the other, alone, as times count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from offloadlib.instances.hybrid.generate import HybridSetting, generate
from offloadlib.pages.page import Page

from .. import Options, Stages, StudyRow
from ..jobs import Given, Job, Point
from .page import DEFAULT, Measured, page
from .runs import MEASURE

TITLE = "DDTO against certified optima"
REPETITIONS, QUICK_REPETITIONS = 3, 2

NETWORKS = (1, 3, 5, 10)
"""Studied numbers of networks."""

SCHEMES = (
    *("local", "edge-only", "cloud-only", "mec", "mcc", "random", "best-of-random"),
    *("equal-split", "coordinate-descent", "exhaustive"),
)
"""Compared methods of the registry."""

FEW_NETWORKS = (3,)
FEW_SCHEMES = ("best-of-random", "equal-split", "coordinate-descent")
"""What is compared where parameters vary."""

FRAMES, FEW_FRAMES = 6_250, 2_000
"""Frames of a repetition at the default setting, and where parameters vary."""

QUICK_FRAMES, QUICK_FEW_FRAMES = 1_200, 800

TIME_LIMIT = 3600.0

SWEEPS: Mapping[str, tuple[str, tuple[dict[str, Any], ...]]] = {
    "bandwidth": ("uplink B in Mbit/s", tuple({"bandwidth": b} for b in (25.0, 50.0, 200.0, 400.0))),
    "cloud_rate": (
        "link to the cloud r_c in Mbit/s",
        tuple({"cloud_rate": r} for r in (2.0, 4.0, 16.0, 32.0)),
    ),
    "edge_price": (
        "price per Mbit, edge and cloud",
        tuple({"edge_price": p, "cloud_price": p} for p in (0.0, 0.05, 0.3, 0.6)),
    ),
    "devices": ("devices N", tuple({"devices": n} for n in (6, 10, 20))),
}
"""What varies: its axis, and the settings beside the default."""


def stages(options: Options) -> Stages:
    """All jobs at once, one repetition after the other: a study that is stopped has whole repetitions."""
    yield [point.job for point in points(options)]


def points(options: Options) -> list[Point]:
    """Every job, at each point where it is shown."""
    return [point for r in range(options.repetitions) for point in _repetition(options, r)]


def _repetition(options: Options, repetition: int) -> Iterator[Point]:
    frames, few = (QUICK_FRAMES, QUICK_FEW_FRAMES) if options.quick else (FRAMES, FEW_FRAMES)
    seed = options.seed + repetition

    def job(changes: Mapping[str, Any], count: int, networks: Sequence[int], schemes: Sequence[str]) -> Job:
        source = Given(generate(HybridSetting(**changes), seed=seed))
        told = {"frames": count, "changes": dict(changes), "networks": networks, "schemes": schemes}
        return Job(source, MEASURE, told, seed, TIME_LIMIT)

    yield Point(DEFAULT, 0.0, repetition, job({}, frames, NETWORKS, SCHEMES))
    for sweep, (_, settings) in SWEEPS.items():
        default = {sweep: getattr(HybridSetting(), sweep)}
        for changes in ({}, *(settings[1:2] if options.quick else settings)):
            x = float({**default, **changes}[sweep])
            yield Point(sweep, x, repetition, job(changes, few, FEW_NETWORKS, FEW_SCHEMES))


def report(options: Options, rows: Mapping[str, StudyRow]) -> Page:
    """What the rows show."""
    measured = [
        Measured(point.experiment, point.x, point.repetition, rows[point.job.key]["run"])
        for point in points(options)
        if rows[point.job.key]["status"] in ("optimal", "feasible")
    ]
    return page(TITLE, measured, {sweep: axis for sweep, (axis, _) in SWEEPS.items()})
