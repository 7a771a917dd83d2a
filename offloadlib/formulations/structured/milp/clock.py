"""The time that is left to make a model in: Pyomo's rules have no argument for it.

Rules look tasks up (:class:`Watched`) and so ask the clock again and again. What cannot be interrupted, a
transformation or the step from a model to arrays, is not begun where it would take longer than is left.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from offloadlib.instances.run import OutOfTime

Value = TypeVar("Value")

_left: ContextVar[Callable[[], float]] = ContextVar("left", default=lambda: math.inf)


@contextmanager
def limited(left: Callable[[], float]) -> Iterator[None]:
    """Give models the seconds that are left."""
    token = _left.set(left)
    try:
        yield
    finally:
        _left.reset(token)


def check(seconds: float = 0.0) -> None:
    """Give up unless there is more time than so many seconds.

    Raises
    ------
    OutOfTime
        If there is not.
    """
    if _left.get()() <= seconds:
        raise OutOfTime


class Watched(dict[str, Value]):
    """A dictionary that gives up when time is up."""

    def __getitem__(self, key: str) -> Value:
        check()
        return super().__getitem__(key)
