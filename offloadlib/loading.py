"""The instances that come with the package: one by its name, and the table of all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from offloadlib.best_known import read_best_known
from offloadlib.instances import AnyInstance, gap, read
from offloadlib.shelf import file_of, names

if TYPE_CHECKING:
    import pandas as pd


def load(name: str) -> AnyInstance:
    """An instance of the library.

    Parameters
    ----------
    name
        One of the index of :func:`library`.

    Raises
    ------
    InputError
        If there is none of that name, with the nearest names.
    """
    return read(file_of(name))


def library() -> pd.DataFrame:
    """What is in the library, and what is known of it.

    Returns
    -------
    pandas.DataFrame
        By name: ``kind``, ``version`` of the format, ``devices``, ``offload_points``, ``objective`` and
        ``certified_bound`` (the best known), the relative ``gap`` between these, the ``method`` by which the
        solution was found, and ``summary``, the size in words.
    """
    import pandas as pd

    known, rows = read_best_known(), {}
    for name in names():
        instance, values = load(name), known.get(name)
        best = None if values is None else values.objective
        bound = None if values is None else values.certified_bound
        rows[name] = {
            "kind": instance.kind,
            "version": instance.version,
            "devices": instance.num_devices,
            "offload_points": instance.num_points,
            "objective": None if best is None else best.value,
            "certified_bound": None if bound is None else bound.value,
            "gap": None if best is None or bound is None else gap(best.value, bound.value),
            "method": "" if best is None else best.method,
            "summary": instance.summary,
        }
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")
    numbers = {"objective": "float64", "certified_bound": "float64", "gap": "float64"}
    return frame.astype(numbers)
