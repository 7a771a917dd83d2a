"""DDTO: distributed deep learning-driven task offloading (Wu et al. 2020; Huang et al. 2018).

Several networks look at a frame, the sizes of all tasks of all devices of one system. Each gives every
task a score per place, and the places with the largest scores are its candidate. All candidates are
costed exactly, with the best split of the uplink, and the cheapest one is the decision. Sizes and
decision go into a memory that all networks share and that forgets the oldest; once it holds enough,
every few frames each network takes one step of Adam on a random batch of its own. So the networks learn
from the best candidate of any of them, and differ by their first weights and their batches.

Only the abstract of Wu et al. is public. The procedure is that of DDLO (Huang et al. 2018), its closest
published relative, with this project's constants; see ``docs/ddto.md``.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import Budget, InputError, Result, Termination
from offloadlib.instances.arrays import Floats
from offloadlib.instances.files.document import replacing
from offloadlib.instances.hybrid import HybridInstance, HybridSolution, with_best_split
from offloadlib.instances.hybrid.model import TaskPlaces
from offloadlib.instances.hybrid.split import costs

from .network import Network, one_thread, prepare

NETWORKS = 3
"""Networks, where nothing else is said."""

MEMORY, ENOUGH, EVERY, BATCH = 1024, 512, 10, 128
"""Frames that are remembered, that make learning begin, between two steps, and in a batch."""

FRAMES = 2000
"""Frames that the method ``ddto`` learns from before it decides."""

FORMAT, VERSION = "offloadlib-ddto", 1


@dataclass(frozen=True)
class Scale:
    """How sizes become inputs: (size - mean)/spread, for each task of each device.

    Attributes
    ----------
    mean, spread
        (N, M) Mbit; the spread is positive.
    """

    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, frames: Floats) -> Scale:
        """Mean and standard deviation of (F, N, M) sizes; a task that is always the same has spread 1."""
        spread = frames.std(axis=0)
        return cls(frames.mean(axis=0), np.where(spread > 0, spread, 1.0))


class Ddto:
    """Networks that decide for the frames of one system, and learn from their best decisions.

    Parameters
    ----------
    system
        An instance; its devices, weights and parameters count, its sizes do not.
    scale
        Of the sizes.
    networks
        How many.
    seed
        Of first weights and batches: the same seed and frames give the same decisions.

    Raises
    ------
    InputError
        If scikit-learn is not installed.
    """

    def __init__(self, system: HybridInstance, scale: Scale, networks: int = NETWORKS, seed: int = 0) -> None:
        inputs = system.sizes.size
        self.system, self.scale = system, scale
        self.frames = 0
        self._generators = [
            np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(networks)
        ]
        outputs = inputs * len(system.places)
        self._networks = [Network(inputs, outputs, rng) for rng in self._generators]
        self._values = np.zeros((MEMORY, inputs))
        self._decisions = np.zeros((MEMORY, inputs), np.int8)

    @property
    def networks(self) -> int:
        """How many networks there are."""
        return len(self._networks)

    def train(self, frames: Iterable[Floats], stop: Callable[[], bool] = lambda: False) -> Floats:
        """Decide for frames, one after the other, and learn from them.

        Parameters
        ----------
        frames
            (N, M) sizes in Mbit, each.
        stop
            Asked before each frame; training can go on later with the frames that are left.

        Returns
        -------
        ndarray
            Cost of the decision for each frame that was seen.
        """
        found = []
        with one_thread():
            for sizes in frames:
                if stop():
                    break
                decision, cost = self._best(sizes)
                found.append(cost)
                slot = self.frames % MEMORY
                self._values[slot] = self._input(sizes)
                self._decisions[slot] = decision.ravel()
                self.frames += 1
                if self.frames >= ENOUGH and self.frames % EVERY == 0:
                    self._learn()
        return np.array(found)

    def candidates(self, sizes: Floats) -> TaskPlaces:
        """(networks, N, M) places: what each network proposes for (N, M) sizes."""
        values, (devices, tasks) = self._input(sizes), sizes.shape
        scores = np.stack([network.scores(values) for network in self._networks])
        places = scores.reshape(-1, devices, tasks, len(self.system.places)).argmax(axis=-1)
        return np.asarray(places, np.int8)

    def decide(self, sizes: Floats) -> HybridSolution:
        """The cheapest candidate for (N, M) sizes, with its best split."""
        with one_thread():
            return with_best_split(self._frame(sizes), self._best(sizes)[0])

    def _best(self, sizes: Floats) -> tuple[TaskPlaces, float]:
        candidates = self.candidates(sizes)
        found = costs(self._frame(sizes), candidates)
        best = int(np.argmin(found))
        return candidates[best], float(found[best])

    def _frame(self, sizes: Floats) -> HybridInstance:
        return replace(self.system, sizes=sizes)

    def _input(self, sizes: Floats) -> Floats:
        values: Floats = ((sizes - self.scale.mean) / self.scale.spread).ravel()
        return values

    def _learn(self) -> None:
        held = min(self.frames, MEMORY)
        for network, rng in zip(self._networks, self._generators, strict=True):
            batch = rng.choice(held, BATCH, replace=False)
            targets = self._decisions[batch, :, None] == np.arange(len(self.system.places))
            network.step(self._values[batch], targets.reshape(BATCH, -1).astype(np.int64))

    def save(self, path: str | Path) -> None:
        """Write everything that is needed to go on: arrays and a JSON header in one ``.npz`` file.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        states = [network.state() for network in self._networks]
        header = {
            "format": FORMAT,
            "version": VERSION,
            "system": _system(self.system),
            "frames": self.frames,
            "steps": [steps for _, steps in states],
            "generators": [rng.bit_generator.state for rng in self._generators],
        }
        arrays = {
            f"network{k}_{i}": array for k, (state, _) in enumerate(states) for i, array in enumerate(state)
        }
        file = io.BytesIO()
        np.savez_compressed(
            file,
            header=np.array(json.dumps(header)),
            mean=self.scale.mean,
            spread=self.scale.spread,
            values=self._values,
            decisions=self._decisions,
            **arrays,  # type: ignore[arg-type]
        )
        with replacing(path) as target:
            target.write(file.getvalue())

    @classmethod
    def load(cls, path: str | Path, system: HybridInstance) -> Self:
        """What was saved, for the same system: it goes on as if it had never stopped.

        Raises
        ------
        InputError
            If the file cannot be read, is not such a file, or is one for another system.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(str(arrays["header"]))
            if (header["format"], header["version"]) != (FORMAT, VERSION):
                raise InputError(str(path), [("", f"is not a {FORMAT} file of version {VERSION}")])
            if header["system"] != _system(system):
                raise InputError(str(path), [("system", "is another one than that of the instance")])
            loaded = cls(system, Scale(arrays["mean"], arrays["spread"]), len(header["steps"]))
            loaded._restore(header, arrays)
        except OSError as error:
            raise InputError(str(path), [("", error.strerror or "cannot be read")]) from None
        except (KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise InputError(str(path), [("", f"is damaged: {error}")]) from None
        return loaded

    def _restore(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.frames = int(header["frames"])
        for k, (network, steps) in enumerate(zip(self._networks, header["steps"], strict=True)):
            count = len(network.state()[0])
            network.set_state([arrays[f"network{k}_{i}"] for i in range(count)], int(steps))
        for rng, state in zip(self._generators, header["generators"], strict=True):
            rng.bit_generator.state = state
        self._values[...], self._decisions[...] = arrays["values"], arrays["decisions"]


def _system(instance: HybridInstance) -> dict[str, Any]:
    """What makes a system: all of an instance but the sizes."""
    return {
        "parameters": asdict(instance.parameters),
        "weight": instance.weight.tolist(),
        "tasks": instance.num_tasks,
    }


def solve(instance: HybridInstance, budget: Budget[HybridSolution]) -> Result[HybridSolution]:
    """Learn from frames of the instance's system, then decide for the instance.

    The frames' tasks are drawn from all task sizes of the instance. Half of the time, at the most, goes
    into learning; after Ctrl-C the decision is that of what has been learned so far.
    """
    prepare()
    begun = time.perf_counter()
    rng = np.random.default_rng(budget.seed)
    pool = instance.sizes.ravel()
    spread = float(pool.std()) or 1.0
    scale = Scale(np.full(instance.sizes.shape, pool.mean()), np.full(instance.sizes.shape, spread))
    learner = Ddto(instance, scale, seed=budget.seed)
    termination = Termination.FINISHED

    def late() -> bool:
        return time.perf_counter() - begun > 0.5 * budget.time_limit

    try:
        learner.train((rng.choice(pool, instance.sizes.shape) for _ in range(FRAMES)), late)
        if learner.frames < FRAMES:
            termination = Termination.TIME_LIMIT
    except KeyboardInterrupt:
        termination = Termination.INTERRUPTED
    learned = time.perf_counter() - begun
    solution = learner.decide(instance.sizes)
    runtime = time.perf_counter() - begun
    return Result.of(
        instance,
        solution,
        runtime,
        None,
        termination,
        networks=learner.networks,
        frames=learner.frames,
        training_time=learned,
    )
