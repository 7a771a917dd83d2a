"""What GAOD's searches have in common: parameters, and the operators that know nothing of places.

The formulas are those of :mod:`.gaod`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from numba import types

from offloadlib.instances import InputError
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.compiled import named, subroutine


@dataclass(frozen=True)
class GaodParameters:
    """Parameters of GAOD; the defaults are the paper's, where it has any.

    Parameters
    ----------
    population
        Individuals S, at least 1.
    iterations
        Most generations I of a device, at least 0: the first generation counts as none.
    crossover
        Probability p_c of crossover.
    mutation
        Probability p_m that an individual mutates; the paper gives none.
    patience
        Generations without a better best after which a device's search ends, at least 1.
    literal_mutation
        Take formula (8) as printed for the gene that mutates.
    every_gene
        An individual that mutates has each gene mutate with the probability of (8), instead of one gene
        drawn by it; on instances of version 1.
    connected_first
        A device has the offload point that it is connected to for itself while that has room for its whole
        task, and all points otherwise (3.1); on instances of version 1.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    population: int = 30
    iterations: int = 325
    crossover: float = 0.8
    mutation: float = 0.1
    patience: int = 100
    literal_mutation: bool = False
    every_gene: bool = False
    connected_first: bool = False

    def __post_init__(self) -> None:
        problems = [
            (name, f"must be at least {least}, not {value!r}")
            for name, value, least in (
                ("population", self.population, 1),
                ("iterations", self.iterations, 0),
                ("patience", self.patience, 1),
            )
            if value < least
        ]
        problems += [
            (name, f"must lie in [0, 1], not {value!r}")
            for name, value in (("crossover", self.crossover), ("mutation", self.mutation))
            if not 0 <= value <= 1
        ]
        if problems:
            raise InputError("parameters", problems)

    @property
    def settings(self) -> Settings:
        """The same for a kernel."""
        return Settings(
            *(self.population, self.iterations, self.patience),
            *(float(self.crossover), float(self.mutation)),
            *(self.literal_mutation, self.every_gene),
        )


DEFAULT = GaodParameters()


class Settings(NamedTuple):
    """The parameters, in a kernel."""

    population: int
    iterations: int
    patience: int
    crossover: float
    mutation: float
    literal: bool
    every: bool


SETTINGS = named(Settings, *[types.int64] * 3, *[types.float64] * 2, *[types.boolean] * 2)
"""Their type in the signature of a kernel."""


@subroutine
def drawn(weights: Floats, number: float) -> int:
    """The entry that a number from [0, 1) draws, each with the probability of its share of the weights.

    If all weights are 0, each entry has the same probability.
    """
    total = weights.sum()
    if total <= 0.0:
        return int(number * len(weights))
    number *= total
    last = 0
    for i in range(len(weights)):
        if weights[i] > 0.0:
            last = i
            number -= weights[i]
            if number < 0.0:
                break
    return last


@subroutine
def complements(costs: Floats, weights: Floats) -> None:
    """Formulas (6) and (8): 1 - cost/sum of costs, for each."""
    total = costs.sum()
    for i in range(len(costs)):
        weights[i] = 1.0 - costs[i] / total if total > 0.0 else 1.0


@subroutine
def cross(one: Ints, fitness_one: Floats, two: Ints, fitness_two: Floats, child: Ints) -> None:
    """Knowledge-based crossover: each gene from the parent in which it costs less (7)."""
    for k in range(len(child)):
        child[k] = one[k] if fitness_one[k] <= fitness_two[k] else two[k]
