"""DDTO (Wu et al. 2020) against certified optima: what learning buys, in quality and in time.

Repetition r draws its frames and seeds its networks with the same seed at every setting. Everything is
done one after the other, alone, as times count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from offloadlib.heuristics.hybrid.ddto import Training
from offloadlib.instances.hybrid.generate import MEBIBYTE, HybridSetting, generate
from offloadlib.pages.page import Page

from .. import StudyOptions, StudyRow
from ..jobs import AtHand, DataPoint, Job, at_once
from .page import DDLO, DEFAULT, LEARNING, Measured, page
from .runs import MEASURE

TITLE = "DDTO against certified optima"
REPETITIONS, QUICK_REPETITIONS = 3, 2

NETWORKS = (1, 3, 5, 10)
"""Studied numbers of networks."""

SCHEMES = (
    *("local", "edge-only", "cloud-only", "mec", "mcc", "random", "best-of-random"),
    *("equal-split", "equal-split+share", "coordinate-descent", "exhaustive"),
)
"""Compared methods of the registry."""

FEW_NETWORKS = (3, 10)
FEW_SCHEMES = ("best-of-random", "mec", "mcc", "equal-split", "equal-split+share", "coordinate-descent")
"""What is compared where parameters vary."""

FRAMES, FEW_FRAMES = 20_000, 10_000
"""Training frames at the default setting, and where something varies."""

TESTS, FEW_TESTS = 1_250, 400
"""Test frames."""

QUICK_FRAMES, QUICK_FEW_FRAMES, QUICK_TESTS = 2_000, 800, 40

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

TRAINED: Mapping[str, tuple[float, ...]] = {
    "networks": (1, 2, 3, 5, 10, 20),
    "rate": (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    "batch": (16, 32, 64, 128, 256, 512),
    "memory": (128, 256, 512, 1024, 2048, 4096),
    "interval": (1, 2, 5, 10, 20, 50),
}
"""How the networks learn: values of each field of :class:`Training`, the others as DDLO's code has them."""

QUICK_TRAINED: Mapping[str, tuple[float, ...]] = {"networks": (1, 3), "rate": (0.001, 0.01)}

DDLO_SETTING = {"cloud_rate": None, "bandwidth": 12.5 * MEBIBYTE}
"""DDLO's problem, with the uplink split equally (docs/theory/hybrid.md)."""


def points(options: StudyOptions) -> list[DataPoint]:
    """Every job, at each point where it is shown."""
    return [point for r in range(options.repetitions) for point in _repetition(options, r)]


stages = at_once(points)


def _repetition(options: StudyOptions, repetition: int) -> Iterator[DataPoint]:
    quick, seed = options.quick, options.seed + repetition
    frames, few = (QUICK_FRAMES, QUICK_FEW_FRAMES) if quick else (FRAMES, FEW_FRAMES)
    tests, few_tests = (QUICK_TESTS, QUICK_TESTS) if quick else (TESTS, FEW_TESTS)

    def job(changes: Mapping[str, Any], **told: Any) -> Job:
        source = AtHand(generate(HybridSetting(**changes), seed=seed))
        return Job(source, MEASURE, {"changes": dict(changes), **told}, seed, TIME_LIMIT)

    whole = {"learners": _networks(NETWORKS), "schemes": SCHEMES, "histories": True}
    yield DataPoint(DEFAULT, 0.0, repetition, job({}, frames=frames, tests=tests, **whole))
    part = {"frames": few, "tests": few_tests}
    for sweep, (_, settings) in SWEEPS.items():
        default = {sweep: getattr(HybridSetting(), sweep)}
        for changes in ({}, *(settings[1:2] if quick else settings)):
            x = float({**default, **changes}[sweep])
            compared = {"learners": _networks(FEW_NETWORKS), "schemes": FEW_SCHEMES}
            yield DataPoint(sweep, x, repetition, job(changes, **part, **compared))
    trained = QUICK_TRAINED if quick else TRAINED
    learners = {f"{key}={value:g}": {key: value} for key, values in trained.items() for value in values}
    yield DataPoint(LEARNING, 0.0, repetition, job({}, **part, learners=learners))
    ddlo = {"learners": _networks(NETWORKS), "equal": True}
    yield DataPoint(DDLO, 0.0, repetition, job(DDLO_SETTING, frames=frames, tests=tests, **ddlo))


def _networks(counts: Sequence[int]) -> dict[str, dict[str, Any]]:
    return {f"ddto-{count}": {"networks": count} for count in counts}


def report(options: StudyOptions, rows: Mapping[str, StudyRow]) -> Page:
    """What the rows show."""
    measured = [
        Measured(point.experiment, point.x, point.repetition, rows[point.job.key]["run"])
        for point in points(options)
        if rows[point.job.key]["status"] in ("optimal", "feasible")
    ]
    return page(TITLE, measured, {sweep: axis for sweep, (axis, _) in SWEEPS.items()}, asdict(Training()))
