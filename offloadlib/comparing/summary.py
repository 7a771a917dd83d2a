"""A comparison over many instances: means, worst cases, wins and profiles, for a terminal, file or paper."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from offloadlib.instances import Status
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.pages.numbers import seconds
from offloadlib.pages.page import Cell, Number, Table, text
from offloadlib.running.workers import Ending

if TYPE_CHECKING:
    import pandas as pd

SOLVED = (Status.OPTIMAL, Status.FEASIBLE)
"""Rows that are a solution which the checker has accepted, within the method's time."""


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """A row for each method over all instances of a comparison.

    The ratio of a solution is its cost over the optimum or, where that is not certified, over the certified
    bound, hence at least the true one.

    Parameters
    ----------
    frame
        The table of :func:`offloadlib.compare`, or several that ``pandas.concat`` has put together, each
        instance under a name of its own.

    Returns
    -------
    pandas.DataFrame
        By method, in the order of the table: ``instances`` that it was run on, without those that it does
        not apply to; ``solved``, those with a solution; ``rated``, those of them with a ratio; of these the
        ``mean``, ``geometric_mean``, ``median`` and ``worst``, and the instance it was ``worst_on``;
        ``optimal``, certified optima; ``wins``, instances on which no other method costs less; and
        ``mean_time`` of what is solved, in s.
    """
    import pandas as pd

    ran = _rated(frame)
    least = ran.groupby("instance")["cost"].transform("min")
    wins = ran["cost"] - least <= OPTIMAL_GAP * least.abs()
    rows = {}
    for name, own in ran.groupby("method", sort=False):
        ratios = own.set_index("instance")["rated"].dropna()
        rows[str(name)] = {
            "instances": len(own),
            "solved": int(own["cost"].notna().sum()),
            "rated": len(ratios),
            "mean": ratios.mean(),
            "geometric_mean": math.nan if ratios.empty else math.exp(np.log(ratios).mean()),
            "median": ratios.median(),
            "worst": ratios.max(),
            "worst_on": "" if ratios.empty else str(ratios.idxmax()),
            "optimal": int((own["certified"] & own["cost"].notna()).sum()),
            "wins": int(wins[own.index].sum()),
            "mean_time": own["time"].where(own["cost"].notna()).mean(),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")


def performance_profile(frame: pd.DataFrame) -> pd.DataFrame:
    """How many of the instances each method solves within a ratio of the certified optimum.

    Unlike the profiles of Dolan and Moré (2002), ratios are over the optimum (:func:`summarise`), so that a
    method's curve does not depend on what it is compared with.

    Parameters
    ----------
    frame
        As for :func:`summarise`.

    Returns
    -------
    pandas.DataFrame
        By ``ratio``, ascending from 1, a column for each method with the share of the instances that it was
        run on and has solved within that ratio: a step function, constant between two rows.
    """
    import pandas as pd

    ran = _rated(frame)
    steps = np.unique([1.0, *ran["rated"].dropna()])
    shares = {
        str(name): [float((own["rated"] <= step).mean()) for step in steps]
        for name, own in ran.groupby("method", sort=False)
    }
    return pd.DataFrame(shares, index=pd.Index(steps, name="ratio"))


def _rated(frame: pd.DataFrame) -> pd.DataFrame:
    """What applies, with ``cost`` where it is solved, and the ``rated`` ratio where it is known.

    Raises
    ------
    ValueError
        If a method has two rows for one instance.
    """
    ran = frame[frame["status"] != Ending.DOES_NOT_APPLY].reset_index(drop=True)
    if ran.duplicated(["instance", "method"]).any():
        raise ValueError("a method has two rows for one instance: give each instance a name of its own")
    cost = ran["objective"].where(ran["status"].isin(SOLVED))
    ratios = ran["ratio_high"].where(cost.notna() & np.isfinite(ran["ratio_high"]) & (ran["ratio_high"] > 0))
    return ran.assign(cost=cost, rated=ratios.clip(lower=1.0))


HEADER = (
    *("method", "solved", "mean ratio", "geometric mean", "median", "worst"),
    *("optimal", "wins", "mean time"),
)
"""What a reader sees of a summary."""

SPARE_COLUMNS = ("median", "geometric mean", "mean time", "optimal")
"""Columns that a narrow terminal can do without, the first ones first."""


def table(summary: pd.DataFrame) -> Table:
    """A summary for a page or a terminal."""
    best = summary["mean"].min()
    rows: list[list[Cell]] = []
    for name, row in summary.iterrows():
        solved = Number(float(row["solved"]), f"{row['solved']} of {row['instances']}")
        ratios = [Number.of(row[key], ".4f") for key in ("mean", "geometric_mean", "median", "worst")]
        counts = [Number.of(row[key], "d") for key in ("optimal", "wins")]
        rows.append([str(name), solved, *ratios, *counts, Number.of(row["mean_time"], seconds)])
    return Table(
        header=HEADER,
        rows=rows,
        best=[number for number, value in enumerate(summary["mean"]) if value == best],
    )


def latex(summary: pd.DataFrame) -> str:
    """A summary as a LaTeX table (package booktabs)."""
    shown = table(summary)
    lines = [
        rf"\begin{{tabular}}{{l{'r' * (len(shown.header) - 1)}}}",
        r"\toprule",
        _line(shown.header),
        r"\midrule",
        *(_line([text(cell) for cell in row]) for row in shown.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


_SPECIAL = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _line(cells: Iterable[str]) -> str:
    escaped = ("".join(_SPECIAL.get(character, character) for character in cell) for cell in cells)
    return " & ".join(escaped) + r" \\"
