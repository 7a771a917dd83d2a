"""Several networks of one shape that learn from examples, all at once.

Each is a perceptron with two hidden layers and ReLU, trained with Adam (Kingma and Ba 2015) on the
cross-entropy of independent outputs. The arrays of S networks lie in one, with the network as first index,
so that a step of all is three products of stacks of matrices. The whole state is a list of arrays, so that it
can be saved without pickling and continued exactly. Computations run on one thread.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from threadpoolctl import ThreadpoolController

HIDDEN = (120, 80)
"""Sizes of the hidden layers."""

MEAN_DECAY, SQUARE_DECAY, TINY = 0.09, 0.999, 1e-8
"""Adam's constants. The first one is that of DDLO's code, where 0.9 is usual."""

Singles = NDArray[np.float32]


def _layers(inputs: int, outputs: int) -> list[tuple[int, int]]:
    """What comes into each layer, and what goes out."""
    return list(pairwise((inputs, *HIDDEN, outputs)))


def weights_of(inputs: int, outputs: int) -> int:
    """How many weights a network has."""
    return sum(wide * high for wide, high in _layers(inputs, outputs))


class Networks:
    """Perceptrons.

    Parameters
    ----------
    inputs, outputs
        How many each of them has.
    generators
        One for each; they draw the first weights from N(0, 1/inputs²), as DDLO's code does. Offsets are 0.
    """

    def __init__(self, inputs: int, outputs: int, generators: list[np.random.Generator]) -> None:
        layers = _layers(inputs, outputs)
        weights = [np.stack([rng.normal(0.0, 1.0 / inputs, layer) for rng in generators]) for layer in layers]
        offsets = [np.zeros((len(generators), 1, width)) for _, width in layers]
        self._values: list[Singles] = [array.astype(np.float32) for array in (*weights, *offsets)]
        self._means, self._squares = ([np.zeros_like(array) for array in self._values] for _ in range(2))
        self.steps = 0

    def __len__(self) -> int:
        return len(self._values[0])

    def scores(self, values: Singles) -> Singles:
        """(S, B, outputs) of (B, inputs) or (S, B, inputs), before the logistic function."""
        return self._through(values)[-1]

    def _through(self, values: Singles) -> list[Singles]:
        """What comes out of each layer, the inputs first."""
        depth, found = len(self._values) // 2, [values]
        for k in range(depth):
            after = found[-1] @ self._values[k] + self._values[depth + k]
            found.append(after if k == depth - 1 else np.maximum(after, 0.0, out=after))
        return found

    def step(self, values: Singles, targets: NDArray[np.bool_], rate: float) -> None:
        """One step of Adam of each network on its own batch.

        Parameters
        ----------
        values
            (S, B, inputs).
        targets
            (S, B, outputs).
        rate
            The step size.
        """
        gradients = self.gradients(values, targets)
        self.steps += 1
        means, squares = 1.0 - MEAN_DECAY**self.steps, 1.0 - SQUARE_DECAY**self.steps
        for value, mean, square, gradient in zip(
            self._values, self._means, self._squares, gradients, strict=True
        ):
            mean += np.float32(1.0 - MEAN_DECAY) * (gradient - mean)
            square += np.float32(1.0 - SQUARE_DECAY) * (gradient * gradient - square)
            value -= (
                np.float32(rate / means)
                * mean
                / (np.sqrt(square * np.float32(1.0 / squares)) + np.float32(TINY))
            )

    def gradients(self, values: Singles, targets: NDArray[np.bool_]) -> list[Singles]:
        """Of the mean cross-entropy over a batch and its outputs, in the order of the state."""
        found = self._through(values)
        depth = len(found) - 1
        error = (expit(found[-1]) - targets) / np.float32(targets[0].size)
        by_weights: list[Singles] = []
        by_offsets: list[Singles] = []
        for k in range(depth - 1, -1, -1):
            by_weights.insert(0, found[k].swapaxes(-1, -2) @ error)
            by_offsets.insert(0, error.sum(axis=-2, keepdims=True))
            if k:
                error = (error @ self._values[k].swapaxes(-1, -2)) * (found[k] > 0)
        return [*by_weights, *by_offsets]

    def state(self) -> list[Singles]:
        """Weights, offsets and both moments of Adam, copied; with :attr:`steps` that is all."""
        return [array.copy() for array in (*self._values, *self._means, *self._squares)]

    def set_state(self, arrays: list[Singles], steps: int) -> None:
        """Continue from a state.

        Raises
        ------
        ValueError
            If the arrays are not those of networks of this number and size.
        """
        for array, new in zip((*self._values, *self._means, *self._squares), arrays, strict=True):
            if array.shape != new.shape:
                raise ValueError(f"an array of shape {new.shape} instead of {array.shape}")
            array[...] = new
        self.steps = steps


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra inside uses one thread: the same answer everywhere, and no fight over processors."""
    limits: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limits


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()
