"""What the study of DDTO runs: every method sees the test frames of a system.

The frames come from the generator, by setting and seed; the first 80% train, the rest test. A run returns
the optimum of the first frame, which is the instance of its job; what counts is in its record: what the
decisions of each method cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from offloadlib.formulations.hybrid import lagrangian
from offloadlib.heuristics.hybrid.ddto import NETWORKS, Ddto, Scale
from offloadlib.instances import Budget, Result
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import HybridInstance, HybridSolution
from offloadlib.instances.hybrid.frames import Frames
from offloadlib.instances.hybrid.generate import HybridSetting, generate_frames
from offloadlib.methods import Family, Method
from offloadlib.proofs import judge
from offloadlib.registry import find

TRAINING = 0.8
"""Share of the frames that train."""

BLOCKS = 40
"""Parts of the training frames whose mean cost is recorded."""

EXHAUSTIVE_TESTS = 100
"""Test frames of the exhaustive search."""

HybridResult = Result[HybridSolution]


@dataclass(frozen=True)
class Trial:
    """What a run is told.

    Parameters
    ----------
    frames
        How many there are, for training and test.
    changes
        Fields of :class:`HybridSetting` that are not the defaults.
    networks
        Each of them is a DDTO with so many networks.
    schemes
        Methods of the registry.
    """

    frames: int = 1000
    changes: Mapping[str, Any] = field(default_factory=dict)
    networks: Sequence[int] = (NETWORKS,)
    schemes: Sequence[str] = ()

    def drawn(self, seed: int) -> Frames:
        """The frames."""
        return generate_frames(HybridSetting(**self.changes), self.frames, seed=seed)

    @property
    def training(self) -> int:
        """How many frames train."""
        return round(TRAINING * self.frames)


def measure(instance: HybridInstance, budget: Budget[Any], parameters: Trial = Trial()) -> HybridResult:
    """Optima, DDTO and schemes, one after the other.

    Returns
    -------
    Result
        The optimum of the instance. Its record has, by method, ``costs`` of the decisions for the test
        frames, ``decision_time`` (processor's seconds of one of them), for DDTO ``training_time`` and
        ``history`` (mean cost in each part of the training); under ``optimum`` also certified ``bounds``;
        and ``local``, what the all-local decisions cost.
    """
    begun = time.perf_counter()
    frames, training = parameters.drawn(budget.seed), parameters.training
    tests = [frames[k] for k in range(training, len(frames))]
    local = [frame.evaluate(HybridSolution.all_local(frame)).total for frame in tests]
    record: dict[str, Any] = {"optimum": _optima(frames, tests, training)}
    for count in parameters.networks:
        record[f"ddto-{count}"] = _learned(frames, tests, training, count, budget.seed)
    for name in parameters.schemes:
        # The exhaustive search takes longest by far.
        record[name] = _scheme(name, tests[:EXHAUSTIVE_TESTS] if name == "exhaustive" else tests)
    found = lagrangian.solve(instance, Budget())
    runtime = time.perf_counter() - begun
    return Result.of(instance, found.solution, runtime, found.lower_bound, local=local, methods=record)


def _optima(frames: Frames, tests: Sequence[HybridInstance], training: int) -> dict[str, Any]:
    """The optimum of all frames; the checker judges the certificates of the test frames."""
    record = _tested(tests, lambda frame: lagrangian.solve(frame, Budget()).solution)
    with TemporaryDirectory(prefix="offloadlib-") as folder:
        path = Path(folder) / "certificate.json"
        record["bounds"] = [_certified_bound(frame, path) for frame in tests]
    seen = [lagrangian.solve(frames[k], Budget()).objective for k in range(training)]
    return record | {"history": _blocks(np.array(seen))}


def _learned(
    frames: Frames, tests: Sequence[HybridInstance], training: int, networks: int, seed: int
) -> dict[str, Any]:
    """DDTO learns from the training frames and decides for the test frames."""
    learner = Ddto(tests[0], Scale.of(frames.sizes[:training]), networks, seed)
    clock = time.process_time()
    seen = learner.train(frames.sizes[:training])
    trained = time.process_time() - clock
    record = _tested(tests, lambda frame: learner.decide(frame.sizes))
    return record | {"training_time": trained, "history": _blocks(seen)}


def _scheme(name: str, tests: Sequence[HybridInstance]) -> dict[str, Any]:
    """A method of the registry decides for the test frames."""
    solve = find(name).load()
    seeds = iter(range(len(tests) + 1))  # one for each frame, for what is random

    def decide(frame: HybridInstance) -> HybridSolution:
        solution: HybridSolution = solve(frame, Budget(seed=next(seeds))).solution
        return solution

    return _tested(tests, decide)


def _certified_bound(frame: HybridInstance, path: Path) -> float:
    """The bound that the checker accepts.

    Raises
    ------
    RuntimeError
        If it does not accept one.
    """
    proof = lagrangian.prove(frame, HybridSolution.all_local(frame), Budget())
    found: HybridResult = Result.of(frame, proof.solution, 0.0, proof.certificate.lower_bound)
    stored, accepted = judge(frame, found.stored("lagrangian"), proof, path)
    if not accepted or stored.lower_bound is None:
        raise RuntimeError(f"the checker does not accept the certificate of {frame.name}")
    return stored.lower_bound


def _tested(
    tests: Sequence[HybridInstance], decide: Callable[[HybridInstance], HybridSolution]
) -> dict[str, Any]:
    """Costs of the decisions for the test frames, and the processor's seconds for one of them.

    Raises
    ------
    RuntimeError
        If a decision breaks a limit.
    """
    decide(tests[0])
    clock = time.process_time()
    solutions = [decide(frame) for frame in tests]
    spent = time.process_time() - clock
    found = [frame.evaluate(solution) for frame, solution in zip(tests, solutions, strict=True)]
    if not all(evaluation.feasible for evaluation in found):
        raise RuntimeError("a method of the study returned an infeasible solution")
    return {"costs": [evaluation.total for evaluation in found], "decision_time": spent / len(tests)}


def _blocks(costs: Floats) -> list[float]:
    return [float(block.mean()) for block in np.array_split(costs, min(BLOCKS, len(costs)))]


MEASURE = Method(
    "measure",
    f"{__name__}:measure",
    Family.HEURISTIC,
    "optima, DDTO and schemes on the test frames",
    "the study of DDTO",
    frozenset({"hybrid"}),
)
