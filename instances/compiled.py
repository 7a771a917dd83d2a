"""Argument types of compiled kernels.

Kernels state their signatures, so that they are compiled when their module is imported (once per
machine: the result is cached) and never inside a timed run.
"""

from __future__ import annotations

from typing import Any

from numba import types


def readable(dtype: str, dimensions: int = 1) -> Any:
    """A C-contiguous array that a kernel only reads, so that frozen arrays may be passed."""
    return types.Array(getattr(types, dtype), dimensions, "C", readonly=True)


def writable(dtype: str, dimensions: int = 1) -> Any:
    """A C-contiguous array that a kernel changes."""
    return types.Array(getattr(types, dtype), dimensions, "C")
