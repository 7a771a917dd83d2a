"""What the study of DDTO runs: every method sees the test frames of a system.

The frames come from the generator, by setting and seed; the first ones train, the last ones test. A run
returns the optimum of the first frame, which is the instance of its job; what counts is in its record: what
the decisions of each method cost.
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
from offloadlib.heuristics.hybrid.ddto import Ddto, Scale, Training
from offloadlib.heuristics.hybrid.schemes import equal_optimum
from offloadlib.instances import Budget, Result
from offloadlib.instances.arrays import Floats
from offloadlib.instances.hybrid import HybridInstance, HybridSolution
from offloadlib.instances.hybrid.frames import Frames
from offloadlib.instances.hybrid.generate import HybridSetting, generate_frames
from offloadlib.methods import Family, Method
from offloadlib.proofs import judge
from offloadlib.registry import find

BLOCKS = 40
"""Parts of the training frames whose mean cost is recorded."""

EXHAUSTIVE_TESTS = 100
"""Test frames of the exhaustive search."""

CHECKPOINTS = (500, 1_000, 2_000, 4_000, 8_000, 12_000, 16_000, 20_000)
"""Numbers of training frames after which the test frames are decided, too."""

HybridResult = Result[HybridSolution]


@dataclass(frozen=True)
class Trial:
    """What a run is told.

    Parameters
    ----------
    frames, tests
        How many there are for training, and for the test.
    changes
        Fields of :class:`HybridSetting` that are not the defaults.
    learners
        By name: fields of :class:`Training` of a DDTO that are not the defaults.
    schemes
        Methods of the registry.
    equal
        Whether the uplink is split equally, as in DDLO's problem; then the optimum is that, too.
    histories
        Whether the optima of the training frames are wanted, beside what they cost in the training.
    """

    frames: int = 1000
    tests: int = 250
    changes: Mapping[str, Any] = field(default_factory=dict)
    learners: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {"ddto-3": {}})
    schemes: Sequence[str] = ()
    equal: bool = False
    histories: bool = False

    def drawn(self, seed: int) -> Frames:
        """The frames."""
        return generate_frames(HybridSetting(**self.changes), self.frames + self.tests, seed=seed)


def measure(instance: HybridInstance, budget: Budget[Any], parameters: Trial = Trial()) -> HybridResult:
    """Optima, DDTO and schemes, one after the other.

    Returns
    -------
    Result
        The optimum of the instance. Its record has, by method, ``costs`` of the decisions for the test
        frames, ``decision_time`` (processor's seconds of one of them), for DDTO ``training_time``,
        ``history`` (mean cost in each part of the training), ``course`` (frames seen, and mean cost of the
        test frames then) and ``batch_time`` (seconds of a decision where all are made at once); under
        ``optimum`` also certified ``bounds``; and ``local``, what the all-local decisions cost.
    """
    begun = time.perf_counter()
    frames, training = parameters.drawn(budget.seed), parameters.frames
    tests = [frames[k] for k in range(training, len(frames))]
    local = [frame.evaluate(HybridSolution.all_local(frame)).total for frame in tests]
    record: dict[str, Any] = {"optimum": _equal_optima(tests) if parameters.equal else _optima(tests)}
    if parameters.histories:
        seen = [lagrangian.solve(frames[k], Budget()).objective for k in range(training)]
        record["optimum"]["history"] = _blocks(np.array(seen))
    for name, learner in parameters.learners.items():
        record[name] = _learned(frames, tests, training, learner, budget.seed, parameters.equal)
    for name in parameters.schemes:
        # The exhaustive search takes longest by far.
        record[name] = _scheme(name, tests[:EXHAUSTIVE_TESTS] if name == "exhaustive" else tests)
    found = lagrangian.solve(instance, Budget())
    runtime = time.perf_counter() - begun
    return Result.of(instance, found.solution, runtime, found.lower_bound, local=local, methods=record)


def _optima(tests: Sequence[HybridInstance]) -> dict[str, Any]:
    """The optimum of the test frames, whose certificates the checker judges."""
    record = _tested(tests, lambda frame: lagrangian.solve(frame, Budget()).solution)
    with TemporaryDirectory(prefix="offloadlib-") as folder:
        path = Path(folder) / "certificate.json"
        record["bounds"] = [_certified_bound(frame, path) for frame in tests]
    return record


def _equal_optima(tests: Sequence[HybridInstance]) -> dict[str, Any]:
    """The optimum where the uplink is split equally: nothing couples the devices then, and it is exact."""
    record = _tested(tests, equal_optimum)
    return record | {"bounds": record["costs"]}


def _learned(
    frames: Frames,
    tests: Sequence[HybridInstance],
    training: int,
    changes: Mapping[str, Any],
    seed: int,
    equal: bool,
) -> dict[str, Any]:
    """DDTO learns from the training frames and decides for the test frames."""
    learner = Ddto(tests[0], Scale.of(frames.sizes[:training]), Training(**changes), seed, equal)
    unseen, seen, course, trained = frames.sizes[-len(tests) :], [], [], 0.0
    for until in sorted({*(count for count in CHECKPOINTS if count < training), training}):
        clock = time.process_time()
        seen.append(learner.train(frames.sizes[learner.frames : until]))
        trained += time.process_time() - clock
        clock = time.process_time()
        course.append([until, float(learner.decide_all(unseen)[1].mean())])
        at_once = (time.process_time() - clock) / len(tests)
    record = _tested(tests, lambda frame: learner.decide(frame.sizes))
    history = _blocks(np.concatenate(seen))
    return record | {"training_time": trained, "history": history, "course": course, "batch_time": at_once}


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
