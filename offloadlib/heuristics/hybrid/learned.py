"""The method ``ddto``: networks that are trained once for a system, kept, and decide for its instances.

The sizes that they learn from are those that the generator would draw, where the instance says that it
comes from there; else they are drawn from the instance's own. What has been learned to the end is kept in a
file, so that the next instance of the same system, with the same seed, is decided at once and in the same
way.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from offloadlib.instances import Budget, InputError, Result, Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.caches import caches
from offloadlib.instances.hybrid import HybridInstance, HybridSolution
from offloadlib.instances.hybrid.generate import GENERATOR

from .ddto import VERSION, Ddto, Scale, Training, system_of
from .network import weights_of

TRAINING = Training(networks=10)
"""How the method learns."""

FRAMES = 16_000
"""Frames that it learns from before it decides: after these, further ones change little."""

FOLDER = "OFFLOADLIB_CACHE"
"""Names the folder of what is kept, in the environment; by default the user's folder for caches."""

SOME = 1 << 20
"""Sizes that are drawn at once."""

MOST_WEIGHTS = 10**7
"""Of one network."""


def obstacle(instance: HybridInstance) -> str | None:
    """None, or why its networks are too large."""
    inputs = instance.sizes.size
    weights = weights_of(inputs, inputs * len(instance.places))
    if weights <= MOST_WEIGHTS:
        return None
    return (
        f"needs networks of {weights:,} weights for {inputs:,} tasks; it makes some of up to {MOST_WEIGHTS:,}"
    )


def folder() -> Path:
    """Where trained networks are kept."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else caches()


def solve(instance: HybridInstance, budget: Budget[HybridSolution]) -> Result[HybridSolution]:
    """Decide by networks that have been trained for the instance's system.

    Half of the time, at the most, goes into learning; after Ctrl-C the decision is that of what has been
    learned so far. The record has the ``networks``, the ``frames`` that they learned from, the
    ``training_time`` of this run, and whether they were ``kept`` from another one.
    """
    begun = time.perf_counter()
    sizes, rng = possible_sizes(instance), np.random.default_rng(budget.seed)
    path = _path(instance, sizes, budget.seed)
    termination, kept = Termination.FINISHED, _kept(path, instance)
    learner = kept or Ddto(instance, _scale(instance, sizes), TRAINING, budget.seed)

    def late() -> bool:
        return time.perf_counter() - begun > 0.5 * budget.time_limit

    try:
        while learner.frames < FRAMES and not late():
            count = min(FRAMES - learner.frames, max(SOME // instance.sizes.size, 1))
            learner.train(rng.choice(sizes, (count, *instance.sizes.shape)), late)
        if learner.frames < FRAMES:
            termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    learned = time.perf_counter() - begun
    solution = learner.decide(instance.sizes)
    runtime = time.perf_counter() - begun
    if kept is None and termination is Termination.FINISHED:
        with suppress(InputError, OSError):  # there may be no place to keep anything
            path.parent.mkdir(parents=True, exist_ok=True)
            learner.save(path)
    return Result.of(
        instance,
        solution,
        runtime,
        None,
        termination,
        networks=TRAINING.networks,
        frames=learner.frames,
        training_time=0.0 if kept else learned,
        kept=kept is not None,
    )


def possible_sizes(instance: HybridInstance) -> Floats:
    """The sizes, in Mbit, that the tasks of the instance's system are drawn from with equal probability."""
    own, source = np.unique(instance.sizes), instance.source or {}
    if source.get("generator") != GENERATOR:
        return own
    try:
        (low, high), unit = map(int, source["parameters"]["sizes"]), float(source["parameters"]["unit"])
    except (KeyError, TypeError, ValueError):  # anybody may write a source
        return own
    if not 0 <= high - low < SOME:
        return own
    drawn: Floats = np.arange(low, high + 1, dtype=np.float64) * unit
    return drawn if np.isin(own, drawn).all() else own


def _scale(instance: HybridInstance, sizes: Floats) -> Scale:
    shape, spread = instance.sizes.shape, float(sizes.std()) or 1.0
    return Scale(np.full(shape, sizes.mean()), np.full(shape, spread))


def _path(instance: HybridInstance, sizes: Floats, seed: int) -> Path:
    """Of what is learned for a system: named by all that this depends on."""
    told: dict[str, Any] = {
        "version": VERSION,
        "system": system_of(instance),
        "sizes": hashlib.sha256(sizes.tobytes()).hexdigest(),
        "training": asdict(TRAINING),
        "frames": FRAMES,
        "seed": seed,
    }
    name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    return folder() / f"ddto-{name}.npz"


def _kept(path: Path, instance: HybridInstance) -> Ddto | None:
    """What was kept there; None if there is nothing, or nothing sound."""
    with suppress(InputError):
        return Ddto.load(path, instance)
    return None
