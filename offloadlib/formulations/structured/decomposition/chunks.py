"""Work on many devices in threads, a chunk at a time: so the clock and Ctrl-C are noticed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from offloadlib.instances.run import OutOfTime

Found = TypeVar("Found")
Part = TypeVar("Part")


def never() -> bool:
    """There is no time limit."""
    return False


def chunks(size: int, most: int) -> list[slice]:
    """Ranges of about equal length that cover 0..size, each of at most so many."""
    number = -(-size // most)
    return [slice(size * i // number, size * (i + 1) // number) for i in range(number)]


def in_threads(
    work: Callable[[Part], Found], parts: Sequence[Part], late: Callable[[], bool], threads: int
) -> Iterator[Found]:
    """What comes out of each part, in order; who stops listening stops the work.

    Parameters
    ----------
    work
        Done for each part, without the interpreter's lock. A single part is done at once.
    parts
        The parts.
    late
        Asked before each of many parts.
    threads
        How many of them work.

    Raises
    ------
    OutOfTime
        If it is late.
    """

    def unless_late(part: Part) -> Found:
        if late():
            raise OutOfTime
        return work(part)

    if len(parts) == 1:
        yield work(parts[0])
        return
    pool = ThreadPoolExecutor(threads)
    try:
        yield from pool.map(unless_late, parts)
    finally:
        pool.shutdown(cancel_futures=True)
