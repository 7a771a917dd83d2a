"""A small network that learns from examples: scikit-learn's, behind what is needed of it here.

It is a perceptron with two hidden layers and ReLU, trained with Adam on the cross-entropy of independent
outputs. Its whole state is a list of arrays, so that it can be saved without pickling and continued
exactly. Computations run on one thread.
"""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offloadlib.instances import InputError
from offloadlib.instances.arrays import Floats

HIDDEN = (120, 80)
"""Sizes of the hidden layers."""

RATE = 0.01
"""Step size of Adam."""


class Network:
    """A perceptron.

    Parameters
    ----------
    inputs, outputs
        How many.
    rng
        Draws the first weights, uniformly (Glorot and Bengio 2010, as scikit-learn does).

    Raises
    ------
    InputError
        If scikit-learn is not installed.
    """

    def __init__(self, inputs: int, outputs: int, rng: np.random.Generator) -> None:
        widths = (inputs, *HIDDEN, outputs)
        self._model = _model(inputs, outputs)
        layers = list(pairwise(widths))
        # The factors of scikit-learn: 2 before a logistic output, else 6.
        reach = [np.sqrt((2.0 if k == len(HIDDEN) else 6.0) / sum(layer)) for k, layer in enumerate(layers)]
        weights = [rng.uniform(-r, r, layer) for r, layer in zip(reach, layers, strict=True)]
        offsets = [rng.uniform(-r, r, layer[1]) for r, layer in zip(reach, layers, strict=True)]
        zeros = [np.zeros_like(array) for array in (*weights, *offsets)]
        self.set_state([*weights, *offsets, *zeros, *zeros], 0)

    def scores(self, values: Floats) -> Floats:
        """(., outputs) of (., inputs), before the logistic function."""
        *hidden, last = zip(self._model.coefs_, self._model.intercepts_, strict=True)
        for weights, offsets in hidden:
            values = np.maximum(values @ weights + offsets, 0.0)
        scores: Floats = values @ last[0] + last[1]
        return scores

    def step(self, values: Floats, targets: NDArray[np.integer]) -> None:
        """One step of Adam on a batch: (., inputs) and (., outputs) of 0 and 1."""
        self._model.set_params(batch_size=len(values))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self._model.partial_fit(values, targets)
        if any("interrupted" in str(warning.message) for warning in caught):
            raise KeyboardInterrupt  # which scikit-learn takes for the end of this one step

    def state(self) -> tuple[list[Floats], int]:
        """Weights, offsets and both moments of Adam, copied; and the steps that it took."""
        optimizer = self._model._optimizer
        arrays = [*self._model.coefs_, *self._model.intercepts_, *optimizer.ms, *optimizer.vs]
        return [array.copy() for array in arrays], optimizer.t

    def set_state(self, arrays: list[Floats], steps: int) -> None:
        """Continue from a state.

        Raises
        ------
        ValueError
            If the arrays are not those of a network of this size.
        """
        optimizer = self._model._optimizer
        own = [*self._model.coefs_, *self._model.intercepts_, *optimizer.ms, *optimizer.vs]
        for array, new in zip(own, arrays, strict=True):
            if array.shape != new.shape:
                raise ValueError(f"an array of shape {new.shape} instead of {array.shape}")
            array[...] = new
        optimizer.t = steps


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra inside uses one thread: the same answer everywhere, and no fight over processors."""
    limits: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limits


@cache
def _controller() -> Any:
    _sklearn()
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def obstacle(_: object) -> str | None:
    """None, or why no network can be made."""
    if find_spec("sklearn") is None:
        return "needs scikit-learn, which is not installed: pip install 'offloadlib[learn]'"
    return None


def prepare() -> None:
    """Import scikit-learn, which takes a second or two and is no part of a run.

    Raises
    ------
    InputError
        If it is not installed.
    """
    _controller()


def _sklearn() -> Any:
    reason = obstacle(None)
    if reason is not None:
        raise InputError("ddto", [("", reason)])
    from sklearn import neural_network

    return neural_network


def _model(inputs: int, outputs: int) -> Any:
    """scikit-learn's perceptron, made complete by a first step; its state is to be set."""
    model = _sklearn().MLPClassifier(
        HIDDEN, activation="relu", solver="adam", alpha=0.0, learning_rate_init=RATE, shuffle=False
    )
    targets = np.zeros((2, outputs), dtype=np.int64)
    targets[0] = 1
    model.set_params(batch_size=2, random_state=0)
    return model.partial_fit(np.zeros((2, inputs)), targets, classes=np.arange(outputs))
