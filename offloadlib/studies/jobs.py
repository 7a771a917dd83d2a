"""Jobs: one method, with its parameters and seed, on one instance."""

from __future__ import annotations

import hashlib
import inspect
import json
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Any

from offloadlib.instances import AnyInstance, Budget, Instance, Result, Termination
from offloadlib.instances.draws import recorded
from offloadlib.instances.structured.generate import VERSION as GENERATOR
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Function, Method
from offloadlib.own import digest
from offloadlib.solving import versions

from . import Stages, StudyOptions

REPEATS = 9
"""How often a timed method runs at most, after a first run that warms it up; its time is the median."""

REPEATS_WITHIN = 0.25
"""Seconds after which there is no further run, those included that do not count: a proof may take many times
what the search has taken."""

LONG = 2.0
"""Seconds from which on the first run counts, and is the only one: what warms up is little of it."""


@dataclass(frozen=True)
class Generated:
    """An instance by its recipe: made where it is needed."""

    setting: Setting
    seed: int

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from any other instance."""
        return {"generator": GENERATOR, "seed": self.seed, "setting": recorded(self.setting)}

    def instance(self) -> Instance:
        """The instance."""
        return _generated(self.setting, self.seed)


@lru_cache(maxsize=4)
def _generated(setting: Setting, seed: int) -> Instance:
    return generate(setting, seed=seed)


@dataclass(frozen=True)
class AtHand:
    """An instance at hand."""

    given: AnyInstance

    @property
    def identity(self) -> dict[str, Any]:
        """What tells it from any other instance."""
        return {"sha256": self.given.fingerprint}

    def instance(self) -> AnyInstance:
        """The instance."""
        return self.given


@dataclass(frozen=True)
class Job:
    """A solve to be done, once.

    Parameters
    ----------
    source
        The instance.
    method
        From the registry, or a study's own.
    parameters
        Fields of the method's own parameters (its argument ``parameters``), where they are not the defaults.
    seed
        For everything random in the method.
    time_limit
        Seconds; what has not ended some time after that is ended.
    timed
        Whether its time counts: then nothing else of the study runs beside it, a short method runs
        several times, and its time is without that in which the processor served others.
    """

    source: Generated | AtHand
    method: Method
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    time_limit: float = 60.0
    timed: bool = True

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that the result depends on."""
        own = {} if self.method.is_packaged else {"code": digest(self.method)}
        return {
            "instance": self.source.identity,
            "method": self.method.name,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "time_limit": self.time_limit,
            "version": versions()["offloadlib"],
            **own,
        }

    @cached_property
    def key(self) -> str:
        """A hash of the identity: a job with the key of a stored row is done."""
        text = json.dumps(self.identity, sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def prepared(self) -> Method:
        """The method with its parameters, and timed where its time counts."""
        values = {item.name: getattr(self.method, item.name) for item in fields(Method)}
        return Prepared(**values, parameters=self.parameters, timed=self.timed)


@dataclass(frozen=True)
class DataPoint:
    """A job where an experiment shows it: at x, in one repetition."""

    experiment: str
    x: float
    repetition: int
    job: Job


def at_once(points: Callable[[StudyOptions], Iterable[DataPoint]]) -> Callable[[StudyOptions], Stages]:
    """The stages of a study whose jobs are known from the beginning, one repetition after the other: where it
    is stopped, it has whole repetitions."""

    def stages(options: StudyOptions) -> Stages:
        yield [point.job for point in points(options)]

    return stages


@dataclass(frozen=True)
class Prepared(Method):
    """A method as a job wants it; see :class:`Job` for the fields."""

    parameters: Mapping[str, Any] = field(default_factory=dict)
    timed: bool = False

    def load(self) -> Function:
        """The function ``(instance, budget) -> result``.

        Raises
        ------
        TypeError
            If the method does not have these parameters.
        """
        function = super().load()
        if self.parameters:
            default = inspect.signature(function).parameters["parameters"].default
            function = partial(function, parameters=replace(default, **self.parameters))  # type: ignore[call-arg]
        return partial(_timed, function) if self.timed else function


def _timed(function: Function, instance: Instance, budget: Budget) -> Result:
    """The result, with the median time of further runs: the first of a few milliseconds is mostly paging."""
    result, first = _clocked(function, instance, budget)
    short = first < LONG and result.termination is not Termination.INTERRUPTED
    times = [] if short else [first]
    begun, spent = time.perf_counter(), 0.0
    while short and len(times) < REPEATS and spent < REPEATS_WITHIN:
        times.append(_clocked(function, instance, budget)[1])
        spent = max(sum(times), time.perf_counter() - begun)
    return replace(result, runtime=statistics.median(times), run={**result.run, "timed_runs": len(times)})


def _clocked(function: Function, instance: Instance, budget: Budget) -> tuple[Result, float]:
    """A result, and its time, less the share in which this process did not have the processor."""
    begun, worked = time.perf_counter(), time.process_time()
    result = function(instance, budget)
    worked, passed = time.process_time() - worked, time.perf_counter() - begun
    return result, result.runtime * min(worked / passed, 1.0)
