"""What the face of the package does with the toy problem: two methods, and a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import numpy as np

from offloadlib.instances import Budget, Result
from offloadlib.kinds import LOCAL, NONE, Face
from offloadlib.methods import Family, Method
from offloadlib.pictures.picture import Compared, Picture
from offloadlib.pictures.style import canvas

from .kind import ToyInstance, ToySolution


def first_come(instance: ToyInstance, budget: Budget[ToySolution]) -> Result[ToySolution]:
    """Who gains is away as long as there is room, in file order."""
    begun = time.perf_counter()
    gains = np.flatnonzero(instance.away < instance.alone)[: instance.room]
    return _result(instance, gains, begun)


def most_first(instance: ToyInstance, budget: Budget[ToySolution]) -> Result[ToySolution]:
    """Who gains most is away: the optimum."""
    begun = time.perf_counter()
    order = np.argsort(instance.away - instance.alone, kind="stable")[: instance.room]
    gains = order[instance.away[order] < instance.alone[order]]
    found = _result(instance, gains, begun)
    return Result.of(instance, found.solution, found.runtime, found.objective)


def _result(instance: ToyInstance, gains: np.ndarray, begun: float) -> Result[ToySolution]:
    away = np.zeros(instance.num_devices, dtype=bool)
    away[gains] = True
    return Result.of(instance, ToySolution(away), time.perf_counter() - begun)


def pictures(label: str, stem: str, instance: ToyInstance, found: Sequence[Compared]) -> Iterator[Picture]:
    """How many are away, by method."""
    figure = canvas(3, 2)
    figure.subplots().bar([one.method for one in found], [one.solution.away.sum() for one in found])
    yield Picture(f"away-{stem}", f"Who is away in {label}.", figure)


def _method(name: str, path: str, family: Family) -> Method:
    return Method(
        name, f"toy_kind.face:{path}", family, "a toy", "nowhere", kinds=frozenset({"toy"}), uses=NONE
    )


FACE = Face(
    methods=(
        LOCAL,
        _method("first-come", "first_come", Family.HEURISTIC),
        _method("most-first", "most_first", Family.EXACT),
    ),
    first="first-come",
    tried=("most-first",),
    pictures="toy_kind.face:pictures",
)
