"""The rows of solves as one table, with each cost beside the certified optimum of its instance."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from offloadlib.instances.errors import counted
from offloadlib.instances.run import OPTIMAL_GAP

from . import StudyRow
from .certified import OPTIMUM
from .jobs import DataPoint

_NUMBERS = {
    "objective": "cost",
    "lower_bound": "claim",
    "saving": "saving",
    "utilisation": "utilisation",
    "fairness": "fairness",
    "worse_off": "worse_off",
    "time": "time",
}


def tidy(points: Iterable[DataPoint], rows: Mapping[str, StudyRow]) -> pd.DataFrame:
    """One line per point of an experiment.

    Parameters
    ----------
    points
        Where each row is shown.
    rows
        By key.

    Returns
    -------
    pandas.DataFrame
        ``experiment``, ``x``, ``repetition``, ``method``, ``cost``, ``bound`` (the certified one of the
        instance), ``proven`` (whether it closes the gap of the best cost), ``ratio`` (cost over the optimum,
        or over the bound where that is not proven), ``saving``, ``utilisation``, ``fairness``, ``worse_off``,
        ``time`` (NaN unless measured, alone, and longer than the clock can tell). What the checker did not
        accept has no numbers. What a row has ``stated`` (in its record, by these names) counts instead, and
        has no optimum beside it: it is the cost in another reading of the problem.
    """
    records = []
    for point in points:
        row = rows[point.job.key]
        sound = row["status"] in ("optimal", "feasible")
        number = {name: _float(row[name]) if sound else math.nan for name in _NUMBERS}
        timed = row["alone"] and "timed_runs" in row["run"] and number["time"] > 0.0
        stated = row["run"].get("stated", {}) if sound else {}
        records.append(
            {
                "experiment": point.experiment,
                "x": float(point.x),
                "repetition": point.repetition,
                "method": row["method"],
                "instance": row["sha256"] + ("-otherwise" if stated else ""),
                **{_NUMBERS[name]: value for name, value in number.items()},
                **stated,
                "time": number["time"] if timed else math.nan,
            }
        )
    frame = pd.DataFrame(records)
    own = frame[frame["method"] == OPTIMUM.name].drop_duplicates("instance").set_index("instance")
    best = frame.groupby("instance")["cost"].min()
    bound = own["claim"].reindex(best.index)
    proven = (best - bound) <= OPTIMAL_GAP * best.abs()
    reference = best.where(proven, bound)
    frame["bound"] = frame["instance"].map(bound)
    frame["proven"] = frame["instance"].map(proven)
    frame["ratio"] = frame["cost"] / frame["instance"].map(reference)
    return frame.drop(columns="claim")


def impossible(frame: pd.DataFrame) -> str:
    """What is to be said of solves below the certified bound; empty where there are none."""
    below = int((frame["cost"] < frame["bound"] * (1 - OPTIMAL_GAP)).sum())
    if not below:
        return ""
    return f" Below the certified bound, which cannot be: {counted(below, 'solve')}. Something is wrong."


def _float(value: float | None) -> float:
    return math.nan if value is None else float(value)
