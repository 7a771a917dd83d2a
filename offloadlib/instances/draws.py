"""What generators share: draws of uniform numbers, and what may be wrong with their parameters."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import numpy as np

from .arrays import Floats
from .errors import Problem
from .files.schema import LARGEST, SMALLEST

Setting = TypeVar("Setting")

Range = tuple[float, float]
"""(low, high) of a uniform distribution; (x, x) is the constant x."""


def parameter_help(setting: type[Any]) -> dict[str, str]:
    """What each parameter of a setting means, from the docstrings of its class and their bases."""
    texts: dict[str, str] = {}
    for kind in reversed(setting.__mro__[:-1]):
        section = inspect.getdoc(kind) or ""
        section = section.partition("Parameters\n----------\n")[2]
        for names, text in re.findall(r"^(\S.*)\n((?:[ ].*(?:\n|$)|\n(?=[ ]))+)", section, re.MULTILINE):
            texts |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return texts


def recorded(setting: Any) -> dict[str, Any]:
    """The parameters as they stand in ``source``: plain JSON values.

    What ``setting.later()`` names is left out where it is as by default.
    """
    values: dict[str, Any] = json.loads(json.dumps(asdict(setting)))
    later = setting.later() if hasattr(setting, "later") else ()
    for item in fields(setting):
        if item.name in later and getattr(setting, item.name) == item.default:
            del values[item.name]
    return values


def restored(setting: type[Setting], values: Mapping[str, Any]) -> Setting:
    """The setting of :func:`recorded` parameters; what is not among them is as by default."""
    hints = get_type_hints(setting)
    parameters = {
        name: restored(hints[name], value)
        if is_dataclass(hints[name])
        else tuple(value)
        if isinstance(value, list)
        else value
        for name, value in values.items()
    }
    return setting(**parameters)


def uniform(rng: np.random.Generator, bounds: Range, shape: int | tuple[int, ...]) -> Floats:
    """Draws from U[low, high]."""
    low, high = bounds
    return storable(np.minimum(low + (high - low) * rng.random(shape), high))


def storable(values: Floats) -> Floats:
    """The same sizes, with 0 for what is nearer to 0 than the file format allows."""
    return np.where(values < SMALLEST, 0.0, values)


def seed_problems(seed: int) -> Iterator[Problem]:
    """What is wrong with a seed."""
    yield from whole_problems("seed", seed, 0, 2**64)


def whole_problems(name: str, value: Any, least: int, most: int) -> Iterator[Problem]:
    """What is wrong with a whole number that must lie in least..most."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        yield name, f"must be a whole number in {least}..{most}, not {value!r}"


def number_problems(name: str, value: Any, least: float, most: float) -> Iterator[Problem]:
    """What is wrong with a number that must lie in [least, most]."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        yield name, f"must be a number in [{least:g}, {most:g}], not {value!r}"


def range_problems(name: str, bounds: Any, least: float, most: float) -> Iterator[Problem]:
    """What is wrong with the ends of a uniform distribution."""
    if not isinstance(bounds, tuple) or len(bounds) != 2:
        yield name, f"must be a pair (low, high), not {bounds!r}"
        return
    wrong = [
        *number_problems(f"{name}[0]", bounds[0], least, most),
        *number_problems(f"{name}[1]", bounds[1], least, most),
    ]
    yield from wrong
    if wrong:
        return
    low, high = bounds
    if low > high:
        yield name, f"low {low!r} is above high {high!r}"
    elif 0 < high < SMALLEST:
        yield name, f"high {high!r} has a magnitude outside [{SMALLEST:g}, {LARGEST:g}]"
