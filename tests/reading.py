"""Files as instances of the kind that a test is about."""

from __future__ import annotations

from pathlib import Path

from folders import LIBRARY

from offloadlib.instances import HybridInstance, Instance, read


def read_structured(path: str | Path) -> Instance:
    """The structured instance of a file."""
    instance = read(path)
    assert isinstance(instance, Instance)
    return instance


def read_hybrid(path: str | Path) -> HybridInstance:
    """The hybrid instance of a file."""
    instance = read(path)
    assert isinstance(instance, HybridInstance)
    return instance


def library(name: str) -> Instance:
    """A structured instance of the library."""
    return read_structured(LIBRARY / f"{name}.json")
