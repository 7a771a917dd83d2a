"""Arrays of the frozen data: their types, and how values become read-only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def whole(values: Any, dtype: Any) -> Any:
    """An immutable array of whole numbers of a type.

    Raises
    ------
    ValueError
        If a value is not whole, or out of the type's range: it is never rounded or wrapped around.
    """
    given = np.asarray(values)
    if given.dtype == dtype:
        return frozen(given, dtype)
    with np.errstate(invalid="ignore"):
        converted = given.astype(dtype)
    if not np.array_equal(converted, given):
        raise ValueError(f"a place is a whole number in the range of {np.dtype(dtype).name}")
    return frozen(converted, dtype)


def frozen(array: Any, dtype: Any) -> NDArray[Any]:
    """A read-only, C-contiguous array of the given type that nobody else can write to."""
    result = np.ascontiguousarray(array, dtype=dtype)
    if result.flags.writeable:
        result = result.copy()
        result.flags.writeable = False
    return result
