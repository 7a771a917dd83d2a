"""DDTO: distributed deep learning-driven task offloading (Wu et al. 2020; Huang et al. 2018).

Several networks look at a frame, the sizes of all tasks of all devices of one system. Each gives every
task a score per place, and the places with the largest scores are its candidate. All candidates are
costed exactly, with the best split of the uplink, and the cheapest one is the decision. Sizes and
decision go into a memory that all networks share and that forgets the oldest; once it holds enough,
every few frames each network takes one step of Adam on a random batch of its own. So the networks learn
from the best candidate of any of them, and differ by their first weights and their batches.

Only the abstract of Wu et al. is public. The procedure and its constants are those of DDLO (Huang et al.
2018), its closest published relative, by its public code; see ``docs/theory/ddto.md``.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import InputError
from offloadlib.instances.arrays import Floats
from offloadlib.instances.files.document import replacing
from offloadlib.instances.hybrid import (
    HybridInstance,
    HybridSolution,
    device_costs,
    equal_split,
    loads,
    with_best_split,
)
from offloadlib.instances.hybrid.model import TaskPlaces
from offloadlib.instances.hybrid.split import costs

from .network import Networks, one_thread

INPUTS = 60.0
"""Standard deviation of the inputs: DDLO's 10 size - 200 for sizes of 10 to 30 has that of 60.6."""


@dataclass(frozen=True)
class Training:
    """How networks learn; the defaults are the constants of DDLO's code.

    Parameters
    ----------
    networks
        How many, S.
    rate
        Step size of Adam.
    memory
        Frames that are remembered.
    enough
        Frames that make learning begin.
    interval
        Frames between two steps.
    batch
        Frames that a step of a network looks at, drawn with replacement.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    networks: int = 3
    rate: float = 0.01
    memory: int = 1024
    enough: int = 512
    interval: int = 10
    batch: int = 128

    def __post_init__(self) -> None:
        least = ("networks", "memory", "enough", "interval", "batch")
        problems = [
            (name, f"must be at least 1, not {getattr(self, name)!r}")
            for name in least
            if not getattr(self, name) >= 1
        ]
        if not 0.0 < self.rate < math.inf:
            problems.append(("rate", f"must be positive, not {self.rate!r}"))
        if problems:
            raise InputError("training", problems)


DEFAULT = Training()

FORMAT, VERSION = "offloadlib-ddto", 2


@dataclass(frozen=True)
class Scale:
    """How sizes become inputs: 60 (size - mean)/spread, for each task of each device.

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
    training
        How many networks, and how they learn.
    seed
        Of first weights and batches: the same seed and frames give the same decisions.
    equal
        Whether every device has the same share of the uplink, which is DDLO's problem, in place of the best
        one.
    """

    def __init__(
        self,
        system: HybridInstance,
        scale: Scale,
        training: Training = DEFAULT,
        seed: int = 0,
        equal: bool = False,
    ) -> None:
        inputs = system.sizes.size
        self.system, self.scale, self.training, self.equal = system, scale, training, equal
        self.frames = 0
        children = np.random.SeedSequence(seed).spawn(training.networks)
        self._generators = [np.random.default_rng(child) for child in children]
        self._networks = Networks(inputs, inputs * len(system.places), self._generators)
        self._values = np.zeros((training.memory, inputs), np.float32)
        self._decisions = np.zeros((training.memory, inputs), np.int8)

    def train(self, frames: Floats, stop: Callable[[], bool] = lambda: False) -> Floats:
        """Decide for frames, one after the other, and learn from them.

        Parameters
        ----------
        frames
            (F, N, M) sizes in Mbit.
        stop
            Asked now and then; training can go on later with the frames that are left.

        Returns
        -------
        ndarray
            Cost of the decision for each frame that was seen.
        """
        found, done = [np.empty(0)], 0
        with one_thread():
            while done < len(frames) and not stop():
                # Until the next step the networks stay as they are: all frames before it at once.
                some = frames[done : done + self.training.interval - self.frames % self.training.interval]
                decisions, cost = self.lessons(some)
                found.append(cost)
                slots = np.arange(self.frames, self.frames + len(some)) % self.training.memory
                self._values[slots] = self._inputs(some)
                self._decisions[slots] = decisions.reshape(len(some), -1)
                self.frames += len(some)
                done += len(some)
                if self.frames >= self.training.enough and self.frames % self.training.interval == 0:
                    self._learn()
        return np.concatenate(found)

    def candidates(self, sizes: Floats) -> TaskPlaces:
        """(..., networks, N, M) places: what each network proposes for (..., N, M) sizes."""
        frames = sizes.reshape(-1, *sizes.shape[-2:])
        scores = self._networks.scores(self._inputs(frames))
        shape = (*scores.shape[:2], *sizes.shape[-2:], len(self.system.places))
        places = scores.reshape(shape).argmax(axis=-1).swapaxes(0, 1)
        return np.asarray(places.reshape(*sizes.shape[:-2], *places.shape[1:]), np.int8)

    def decide(self, sizes: Floats) -> HybridSolution:
        """The cheapest candidate for (N, M) sizes, with its split."""
        places = self.decide_all(sizes[None])[0][0]
        if self.equal:
            return HybridSolution(places, equal_split(self.system))
        return with_best_split(replace(self.system, sizes=sizes), places)

    def decide_all(self, frames: Floats) -> tuple[TaskPlaces, Floats]:
        """(F, N, M) places for as many sizes, and (F,) what they cost."""
        with one_thread():
            return self.lessons(frames)

    def lessons(self, frames: Floats) -> tuple[TaskPlaces, Floats]:
        """What is decided and learned from: (F, N, M) places, the best candidates, and (F,) what they cost.

        To learn from something else, derive a class that answers otherwise.
        """
        candidates = self.candidates(frames)
        if self.equal:
            load = loads(self.system, candidates, frames[:, None])
            found = device_costs(self.system, load, equal_split(self.system)).sum(axis=-1)
        else:
            found = costs(self.system, candidates, frames[:, None])
        best, all_of_them = found.argmin(axis=1), np.arange(len(frames))
        return candidates[all_of_them, best], found[all_of_them, best]

    def _inputs(self, frames: Floats) -> NDArray[np.float32]:
        values = INPUTS * (frames - self.scale.mean) / self.scale.spread
        return values.reshape(len(frames), -1).astype(np.float32)

    def _learn(self) -> None:
        held = min(self.frames, self.training.memory)
        batches = np.stack([rng.integers(held, size=self.training.batch) for rng in self._generators])
        targets = self._decisions[batches][..., None] == np.arange(len(self.system.places))
        self._networks.step(self._values[batches], targets.reshape(*batches.shape, -1), self.training.rate)

    def save(self, path: str | Path) -> None:
        """Write everything that is needed to go on: arrays and a JSON header in one ``.npz`` file.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        header = {
            "format": FORMAT,
            "version": VERSION,
            "system": system_of(self.system),
            "training": asdict(self.training),
            "equal": self.equal,
            "frames": self.frames,
            "steps": self._networks.steps,
            "generators": [rng.bit_generator.state for rng in self._generators],
        }
        arrays = {f"networks{i}": array for i, array in enumerate(self._networks.state())}
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
            if header["system"] != system_of(system):
                raise InputError(str(path), [("system", "is another one than that of the instance")])
            scale, training = Scale(arrays["mean"], arrays["spread"]), Training(**header["training"])
            loaded = cls(system, scale, training, equal=header["equal"])
            loaded._restore(header, arrays)
        except OSError as error:
            raise InputError(str(path), [("", error.strerror or "cannot be read")]) from None
        except (KeyError, ValueError, TypeError, EOFError, BadZipFile) as error:
            raise InputError(str(path), [("", f"is damaged: {error}")]) from None
        return loaded

    def _restore(self, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.frames = int(header["frames"])
        count = len(self._networks.state())
        self._networks.set_state([arrays[f"networks{i}"] for i in range(count)], int(header["steps"]))
        for rng, state in zip(self._generators, header["generators"], strict=True):
            rng.bit_generator.state = state
        self._values[...], self._decisions[...] = arrays["values"], arrays["decisions"]


def system_of(instance: HybridInstance) -> dict[str, Any]:
    """What makes a system: all of an instance but the sizes."""
    return {
        "parameters": asdict(instance.parameters),
        "weight": instance.weight.tolist(),
        "tasks": instance.num_tasks,
    }
