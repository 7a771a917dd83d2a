"""Subroutines that kernels share: plain loops, which compile faster than array expressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import Floats, Ints
from .compiled import subroutine

SMALLEST = 1e-300
"""In place of a scale that is 0, so that what is relative to it is not 0."""


@subroutine
def copy(to: Any, values: Any) -> None:
    """Fill an array with as many values."""
    for i in range(len(to)):
        to[i] = values[i]


@subroutine
def least(values: Any, count: int) -> int:
    """Where the least of the first ``count`` values is, the first of equals."""
    found = 0
    for i in range(1, count):
        if values[i] < values[found]:
            found = i
    return found


@subroutine
def order_of(values: Any, start: int, end: int) -> Ints:
    """Where the values from ``start`` up to ``end`` are, the least first; equals keep their order."""
    count = end - start
    order, other = np.empty(count, np.int64), np.empty(count, np.int64)
    for i in range(count):
        order[i] = start + i
    width = 1
    while width < count:  # runs of this width are sorted: merge each two
        for low in range(0, count, 2 * width):
            middle, high = min(low + width, count), min(low + 2 * width, count)
            i, j = low, middle
            for k in range(low, high):
                if j == high or (i < middle and values[order[i]] <= values[order[j]]):
                    other[k] = order[i]
                    i += 1
                else:
                    other[k] = order[j]
                    j += 1
        order, other = other, order
        width *= 2
    return order


@subroutine
def sift_down(heap: Ints, size: int, key: Floats) -> None:
    """Let the device at the top sink to where it belongs: the greatest key first, then file order."""
    m, at = heap[0], 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        one = heap[child]
        if child + 1 < size:
            other = heap[child + 1]
            if key[other] > key[one] or (key[other] == key[one] and other < one):
                child, one = child + 1, other
        if key[m] > key[one] or (key[m] == key[one] and m < one):
            break
        heap[at] = one
        at = child
    heap[at] = m
