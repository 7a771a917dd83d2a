"""What Kuang et al. (2020) claim in section 5, held against what was measured.

Each claim has a rule, written down before it meets any data and shown with it, that turns measurements
into a verdict. Two kinds of rules come back:

- *order*: one method's mean is less than another's. At each setting the 95% interval of the paired
  difference agrees, disagrees, or contains 0. The order holds if it disagrees nowhere and agrees in a
  quarter of the settings or more; in part if it agrees more often than it disagrees.
- *several*: of several things, all hold, or some, or none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from offloadlib.instances.arrays import Floats
from offloadlib.pages.numbers import change, more_or_less, percent, seconds

from ..statistics import Estimate, Signs, estimate, exponent, signs

BTOD, GAOD, GSOD1, GSOD2, LOCAL, OPTIMUM = "btod-sequential", "gaod", "gsod-i", "gsod-ii", "local", "optimum"
FOUR = (BTOD, GSOD1, GSOD2, GAOD)

BASE_DEVICES = 40
COMPARED = ("devices", "capacity", "points")
"""The experiments 2 to 4."""


class Verdict(StrEnum):
    """What the measurements say of a claim."""

    HOLDS = "holds"
    PART = "holds in part"
    FAILS = "does not hold"
    UNKNOWN = "not measured"


class Measurements:
    """The rows of the study by experiment.

    Parameters
    ----------
    frame
        Columns ``experiment``, ``x``, ``method``, ``repetition``, and what was measured: ``cost``,
        ``saving``, ``utilisation``, ``fairness``, ``time`` (NaN unless measured alone), ``ratio`` (cost over
        the certified optimum).
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame
        self._rows = dict(iter(frame.groupby(["experiment", "method"])))
        self._values: dict[tuple[str, str, str], pd.DataFrame] = {}

    def settings(self, experiment: str) -> list[float]:
        """The values of x of an experiment."""
        return sorted(self.frame.loc[self.frame["experiment"] == experiment, "x"].unique().tolist())

    def values(self, experiment: str, method: str, value: str) -> pd.DataFrame:
        """One row per x, one column per repetition.

        Raises
        ------
        LookupError
            If there is none.
        """
        key = experiment, method, value
        if key not in self._values:
            self._values[key] = self._table(*key)
        return self._values[key]

    def _table(self, experiment: str, method: str, value: str) -> pd.DataFrame:
        kept = self._rows.get((experiment, method), self.frame[:0])
        table = kept.pivot(index="x", columns="repetition", values=value)
        if table.empty or table.isna().all(axis=None):
            raise LookupError(f"{experiment}: no {value} of {method}")
        return table

    def means(self, experiment: str, method: str, value: str) -> pd.Series[float]:
        """The mean at each x; of times the median, which a busy machine disturbs less."""
        table = self.values(experiment, method, value)
        return table.median(axis=1) if value == "time" else table.mean(axis=1)

    def differences(self, experiment: str, first: str, second: str, value: str) -> list[Estimate]:
        """At each x the paired difference first - second."""
        both = self.values(experiment, first, value) - self.values(experiment, second, value)
        return [estimate(row) for row in both.to_numpy()]

    def order(self, first: str, second: str, value: str) -> Signs:
        """How often first is below second over the settings of the experiments that compare methods."""
        return signs(item for name in COMPARED for item in self.differences(name, first, second, value))


Answer = tuple[str, Verdict]
Judge = Callable[[Measurements], Answer]


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, what was measured, and the verdict by the rule."""

    text: str
    source: str
    rule: str
    measured: str = ""
    verdict: Verdict = Verdict.UNKNOWN


def claims(measured: Measurements) -> list[Claim]:
    """Every claim with its verdict."""
    found = []
    for claim, judge in _CLAIMS:
        try:
            told, verdict = judge(measured)
        except LookupError as missing:
            told, verdict = f"missing: {missing}", Verdict.UNKNOWN
        found.append(replace(claim, measured=told, verdict=verdict))
    return found


_CLAIMS: list[tuple[Claim, Judge]] = []


def _claim(text: str, source: str, rule: str) -> Callable[[Judge], None]:
    return lambda judge: _CLAIMS.append((Claim(text, source, rule), judge))


# Verdicts -----------------------------------------------------------------------------------------


def several(held: Sequence[bool]) -> Verdict:
    """All, some or none."""
    return Verdict.HOLDS if all(held) else Verdict.PART if any(held) else Verdict.FAILS


def ordered(found: Signs) -> Verdict:
    """The verdict on "first is below second"."""
    if not found.above and 4 * found.below >= found.total:
        return Verdict.HOLDS
    return Verdict.PART if found.below > found.above else Verdict.FAILS


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict on several orders at once: that of all where they agree, otherwise in part."""
    return verdicts[0] if len(set(verdicts)) == 1 else Verdict.PART


def _orders(pairs: Sequence[tuple[str, str, Signs]], below: str, above: str) -> Answer:
    """The verdict on several orders, and how often each agrees."""
    told = [
        f"{first} {below} {second} at {found.below} of {found.total} settings, {above} at {found.above}"
        for first, second, found in pairs
    ]
    return "; ".join(told), together([ordered(found) for _, _, found in pairs])


def _list(values: Iterator[str] | Sequence[str]) -> str:
    return ", ".join(values)


# Cost ---------------------------------------------------------------------------------------------


@_claim(
    "BTOD has the least total cost of the four methods", "5.2.2, Fig. 11", "order, against each of the others"
)
def _(measured: Measurements) -> Answer:
    pairs = [(BTOD, other, measured.order(BTOD, other, "cost")) for other in (GSOD1, GSOD2, GAOD)]
    return _orders(pairs, "below", "above")


@_claim(
    "BTOD gives the exact solution",
    "4.1.4, 5.2.2",
    "its cost is the certified optimum within 1e-6 on every instance; in part if it is within 1% on average",
)
def _(measured: Measurements) -> Answer:
    excess = _excesses(measured, BTOD)
    exact = float((excess <= 1e-6).mean())
    verdict = Verdict.HOLDS if exact == 1 else Verdict.PART if excess.mean() <= 0.01 else Verdict.FAILS
    return (
        f"device by device it is {percent(float(excess.mean()), 2)} above the certified optimum on average, "
        f"{percent(float(excess.max()), 1)} at worst, and optimal on {percent(exact, 0)} of {len(excess)} "
        "instances",
        verdict,
    )


def _excesses(measured: Measurements, method: str) -> Floats:
    """Cost over the certified optimum minus 1, of every instance of the experiments 2 to 4."""
    parts = [measured.values(name, method, "ratio").to_numpy().ravel() for name in COMPARED]
    values = np.concatenate(parts) - 1
    kept: Floats = values[np.isfinite(values)]
    if not len(kept):
        raise LookupError(f"no certified optimum beside {method}")
    return kept


NEAR = 0.45 / 0.40 - 1
"""The paper's own savings of 55% and 60% are a cost 12.5% higher."""


@_claim(
    "GSOD-I is near BTOD in total cost",
    "5.2.2, 5.3",
    "at most 12.5% more, as the paper's own 55% and 60% have it, at every number of devices; in part if so "
    "on average",
)
def _(measured: Measurements) -> Answer:
    share = measured.means("devices", GSOD1, "cost") / measured.means("devices", BTOD, "cost") - 1
    most, mean = float(share.max()), float(share.mean())
    verdict = Verdict.HOLDS if most <= NEAR else Verdict.PART if mean <= NEAR else Verdict.FAILS
    excess = float(_excesses(measured, GSOD1).mean())
    return (
        f"{more_or_less(mean, 1)} than BTOD on average over the numbers of devices, "
        f"{more_or_less(most, 1)} where it is most; {percent(excess, 1)} above the certified optimum",
        verdict,
    )


TOLERANCE = 0.05
"""What "about" 60% and 55% may be off."""


def _saving(method: str, claimed: float) -> Judge:
    def judge(measured: Measurements) -> Answer:
        course = measured.means("devices", method, "saving")
        base = estimate(measured.values("devices", method, "saving").loc[BASE_DEVICES].to_numpy())
        near = (course - claimed).abs() <= TOLERANCE
        verdict = several([bool(near.loc[BASE_DEVICES])])
        if verdict is Verdict.FAILS and near.any():
            verdict = Verdict.PART
        told = f"{_interval(base)} at {BASE_DEVICES} devices; {_range(course)} over all numbers of devices"
        if method == BTOD:
            optimum = measured.means("devices", OPTIMUM, "saving").loc[BASE_DEVICES]
            told += f"; the certified optimum saves {percent(float(optimum), 1)}"
        return told, verdict

    return judge


def _interval(found: Estimate) -> str:
    return f"{100 * found.mean:z.2f} % ± {100 * found.half:.2f} %"


def _fall(found: Estimate) -> str:
    """A relative fall in words: it falls or rises where the interval says so."""
    if found.low > 0:
        return f"falls by {_interval(found)}"
    if found.high < 0:
        return f"rises by {_interval(Estimate(-found.mean, found.half, found.count))}"
    return f"stays within {percent(max(-found.low, found.high, 1e-4), 2)}"


def _range(course: pd.Series[float]) -> str:
    return f"{percent(float(course.max()), 0)} to {percent(float(course.min()), 0)}"


for _method, _name, _share in ((BTOD, "BTOD", 0.60), (GSOD1, "GSOD-I", 0.55)):
    _claim(
        f"{_name} saves about {_share:.0%} of the total cost",
        "5.3, 6",
        f"within 5 points at {BASE_DEVICES} devices; in part if so at some other number of devices",
    )(_saving(_method, _share))


@_claim("By total cost GSOD-I is before GSOD-II, and GSOD-II before GAOD", "5.2.2, 5.3", "order, twice")
def _(measured: Measurements) -> Answer:
    pairs = [(a, b, measured.order(a, b, "cost")) for a, b in ((GSOD1, GSOD2), (GSOD2, GAOD))]
    return _orders(pairs, "below", "above")


@_claim("All four methods beat local execution", "5.2.2, Fig. 11", "order, for each")
def _(measured: Measurements) -> Answer:
    pairs = [(method, LOCAL, measured.order(method, LOCAL, "cost")) for method in FOUR]
    return _orders(pairs, "below", "above")


SLOPE, WINDOW, THRESHOLD = 0.9, 15.0, (60.0, 80.0)


@_claim(
    "From about 70 devices on, one more device costs what it costs locally",
    "5.2.2, Fig. 11",
    "from some number of devices in 60..80 on, the slope of the mean cost (over ±15 devices) is at least 90% "
    "of that of local execution; several, over the four methods",
)
def _(measured: Measurements) -> Answer:
    found = {method: threshold(measured, method) for method in (*FOUR, OPTIMUM)}
    low, high = THRESHOLD
    verdict = several([at is not None and low <= at <= high for at in (found[method] for method in FOUR)])
    told = [
        f"{name} {'none' if at is None else f'{at:g}'} (last slope {last_slope(measured, name):.2f})"
        for name, at in found.items()
    ]
    return f"threshold: {_list(told)}", verdict


def slopes(measured: Measurements, method: str) -> pd.Series[float]:
    """The slope of the mean cost over the number of devices, relative to local execution."""
    course, local = measured.means("devices", method, "cost"), measured.means("devices", LOCAL, "cost")
    x = course.index.to_numpy(dtype=float)
    result = {}
    for at in x:
        near = np.abs(x - at) <= WINDOW
        if near.sum() < 2:
            raise LookupError("too few numbers of devices")
        own, base = (np.polyfit(x[near], values.to_numpy()[near], 1)[0] for values in (course, local))
        result[float(at)] = float(own / base)
    return pd.Series(result)


def threshold(measured: Measurements, method: str) -> float | None:
    """The number of devices from which on the slope stays at least :data:`SLOPE`."""
    found = slopes(measured, method)
    flat = (found >= SLOPE)[::-1].cummin()[::-1]
    return next((at for at, holds in zip(_places(flat), flat, strict=True) if holds), None)


def _places(course: pd.Series[Any]) -> list[float]:
    return [float(x) for x in course.index.to_numpy(dtype=float)]


def last_slope(measured: Measurements, method: str) -> float:
    """The slope at the largest number of devices."""
    return float(slopes(measured, method).iloc[-1])


SETTLED, RATIO = 0.02, (0.25, 0.35)


@_claim(
    "More capacity does not pay above a ratio of capacity to devices of about 0.3",
    "5.2.3, Fig. 14",
    "the least ratio at which the mean cost is within 2% of that at the largest lies in 0.25..0.35; several, "
    "over the four methods",
)
def _(measured: Measurements) -> Answer:
    found = {}
    for method in (*FOUR, OPTIMUM):
        course = measured.means("capacity", method, "cost")
        enough = course.to_numpy() <= (1 + SETTLED) * course.iloc[-1]
        found[method] = _places(course)[int(enough.argmax())] / BASE_DEVICES
    low, high = RATIO
    verdict = several([low <= found[method] <= high for method in FOUR])
    return f"least ratio: {_list([f'{name} {at:.3g}' for name, at in found.items()])}", verdict


@_claim(
    "With more offload points the cost falls, and then hardly",
    "5.2.4, Fig. 17",
    "the first step falls by more than 2%, and the last by less than 2% for each point added; several, over "
    "the four methods",
)
def _(measured: Measurements) -> Answer:
    held, told = [], []
    for method in FOUR:
        course = measured.means("points", method, "cost")
        share, steps = 1 - course.to_numpy()[1:] / course.to_numpy()[:-1], np.diff(course.index.to_numpy())
        last = share[-1] / steps[-1]
        held.append(bool(share[0] > SETTLED and last < SETTLED))
        told.append(f"{method} {change(-share[0], 1)} and {change(-last, 1)}")
    return f"in the first step, and for a point in the last: {_list(told)}", several(held)


# Utilisation and fairness -------------------------------------------------------------------------


@_claim(
    "Utilisation: BTOD has the highest, then GSOD-I, GSOD-II, GAOD", "5.2.2, Fig. 12", "order, three times"
)
def _(measured: Measurements) -> Answer:
    chain = ((GSOD1, BTOD), (GSOD2, GSOD1), (GAOD, GSOD2))
    return _orders([(a, b, measured.order(a, b, "utilisation")) for a, b in chain], "below", "above")


FULL = 0.95


@_claim(
    "Utilisation rises with the devices; with capacity and with offload points it is high and then falls",
    "5.2.2-5.2.4, Figs. 12, 15, 18",
    "over the devices the mean never falls by more than 0.01 and rises by 0.1; over capacity and points it "
    "begins at 0.95 or more and ends at least 0.05 below; several, over methods and experiments",
)
def _(measured: Measurements) -> Answer:
    held, told = [], []
    for method in FOUR:
        course = measured.means("devices", method, "utilisation")
        held.append(bool(course.diff().min() >= -0.01 and course.iloc[-1] - course.iloc[0] >= 0.1))
        ends = [_ends(course)]
        for experiment in ("capacity", "points"):
            course = measured.means(experiment, method, "utilisation")
            held.append(bool(course.iloc[0] >= FULL and course.iloc[-1] <= course.iloc[0] - 0.05))
            ends.append(_ends(course))
        told.append(f"{method} {_list(ends)}")
    return f"first and last over devices, capacity, points: {'; '.join(told)}", several(held)


def _ends(course: pd.Series[float]) -> str:
    return f"{percent(float(course.iloc[0]), 0)} to {percent(float(course.iloc[-1]), 0)}"


SCARCE_FROM = 60.0


@_claim(
    "GSOD is fairer to the devices than methods that go device by device",
    "4.2.4, 4.3.2",
    "Jain's index of the devices' savings, from 60 devices on; order, each GSOD against BTOD and GAOD",
)
def _(measured: Measurements) -> Answer:
    pairs = []
    for greedy in (GSOD1, GSOD2):
        for other in (BTOD, GAOD):
            found = measured.differences("devices", other, greedy, "fairness")
            at = measured.values("devices", greedy, "fairness").index
            pairs.append(
                (other, greedy, signs(item for x, item in zip(at, found, strict=True) if x >= SCARCE_FROM))
            )
    told, verdict = _orders(pairs, "less fair than", "fairer")
    last = {method: measured.means("devices", method, "fairness").iloc[-1] for method in (*FOUR, OPTIMUM)}
    indices = _list([f"{name} {value:.2f}" for name, value in last.items()])
    return f"{told}. Jain's index at the most devices: {indices}", verdict


# Decision time ------------------------------------------------------------------------------------


@_claim(
    "GSOD-II is a little faster than GSOD-I",
    "5.3",
    "order of the times; in part if it holds but GSOD-II needs less than half the time",
)
def _(measured: Measurements) -> Answer:
    found = measured.order(GSOD2, GSOD1, "time")
    ratios = [measured.means(name, GSOD2, "time") / measured.means(name, GSOD1, "time") for name in COMPARED]
    ratio = float(np.median(np.concatenate([item.to_numpy() for item in ratios])))
    verdict = ordered(found)
    if verdict is Verdict.HOLDS and ratio < 0.5:
        verdict = Verdict.PART
    told, _ = _orders([(GSOD2, GSOD1, found)], "faster than", "slower")
    return f"median ratio of the times {ratio:.2f}; {told}", verdict


@_claim(
    "With the devices, the time of BTOD grows fastest, that of GAOD less, that of GSOD least",
    "5.2.2, Fig. 13",
    "exponents of the growth of the median time from 20 devices on, BTOD above GAOD above both GSOD by 0.05 "
    "or more; several",
)
def _(measured: Measurements) -> Answer:
    return _growth(measured, "devices", 20.0)


@_claim(
    "With the offload points, the time of BTOD grows fastest, that of GAOD less, that of GSOD least",
    "5.2.4, Fig. 19",
    "exponents of the growth of the median time, BTOD above GAOD above both GSOD by 0.05 or more; several",
)
def _(measured: Measurements) -> Answer:
    return _growth(measured, "points", 0.0)


def _exponents(measured: Measurements, experiment: str, least: float) -> dict[str, float]:
    found = {}
    for method in FOUR:
        course = measured.means(experiment, method, "time")
        course = course[course.index >= least].dropna()
        if len(course) < 2:
            raise LookupError(f"{experiment}: times of {method} at two settings or more")
        found[method] = exponent(course.index.to_numpy(), course.to_numpy())
    return found


def _growth(measured: Measurements, experiment: str, least: float) -> Answer:
    found = _exponents(measured, experiment, least)
    held = [found[BTOD] >= found[GAOD] + 0.05, found[GAOD] >= max(found[GSOD1], found[GSOD2]) + 0.05]
    last = {method: float(measured.means(experiment, method, "time").iloc[-1]) for method in found}
    told = _list([f"{name} {value:.2f} ({seconds(last[name])} at last)" for name, value in found.items()])
    return f"exponents: {told}", several(held)


@_claim(
    "The time of BTOD grows exponentially with the offload points",
    "4.1.4, 5.2.4, Fig. 19",
    "from 2 to 5 points each point multiplies the time by 1.5 or more on average; in part if the time grows "
    "faster than the number of points (exponent above 1.2)",
)
def _(measured: Measurements) -> Answer:
    course = measured.means("points", BTOD, "time")
    part = course[(course.index >= 2) & (course.index <= 5)]
    steps = float(part.index[-1] - part.index[0])
    factor = float((part.iloc[-1] / part.iloc[0]) ** (1 / steps))
    power = _exponents(measured, "points", 0.0)[BTOD]
    verdict = Verdict.HOLDS if factor >= 1.5 else Verdict.PART if power > 1.2 else Verdict.FAILS
    return f"device by device each point multiplies it by {factor:.2f}; exponent {power:.2f} overall", verdict


@_claim(
    "The times of GSOD grow as polynomials of low order, with devices and with offload points",
    "5.2.2, 5.2.4",
    "exponents of at most 2; several",
)
def _(measured: Measurements) -> Answer:
    found = {name: _exponents(measured, name, least) for name, least in (("devices", 20.0), ("points", 0.0))}
    told = [f"{method} {found[name][method]:.2f} in {name}" for method in (GSOD1, GSOD2) for name in found]
    return _list(told), several([found[name][method] <= 2 for method in (GSOD1, GSOD2) for name in found])


RISE, FLAT = 0.05, 0.10


@_claim(
    "With capacity the decision time rises, and then it is flat",
    "5.2.3, Fig. 16",
    "from the least capacity to a ratio of 0.3 the median time rises by 5% or more, and from there to the "
    "greatest it changes by less than 10%; several, over the four methods",
)
def _(measured: Measurements) -> Answer:
    held, told = [], []
    for method in FOUR:
        course = measured.means("capacity", method, "time")
        middle = float(course.iloc[np.abs(course.index.to_numpy() / BASE_DEVICES - 0.3).argmin()])
        rise, rest = middle / float(course.iloc[0]) - 1, float(course.iloc[-1]) / middle - 1
        held.append(rise >= RISE and abs(rest) < FLAT)
        told.append(f"{method} {change(rise, 0)}, then {change(rest, 0)}")
    return "; ".join(told), several(held)


# The genetic algorithm ----------------------------------------------------------------------------


def _settles(experiment: str, at: float) -> Judge:
    def judge(measured: Measurements) -> Answer:
        table = measured.values(experiment, GAOD, "cost")
        known = table.index.to_numpy(dtype=float)
        middle = float(known[np.abs(known - at).argmin()])
        gain = estimate((table.iloc[0] - table.loc[middle]).to_numpy() / table.iloc[0].mean())
        rest = estimate((table.loc[middle] - table.iloc[-1]).to_numpy() / table.loc[middle].mean())
        settled = rest.mean < 0.01
        verdict = Verdict.FAILS if not settled else Verdict.HOLDS if gain.low > 0 else Verdict.PART
        return (
            f"from {known[0]:g} to {middle:g} the cost {_fall(gain)}, from there to {known[-1]:g} it "
            f"{_fall(rest)}",
            verdict,
        )

    return judge


for _experiment, _what, _at, _figure in (
    ("population", "a population", 30.0, "8"),
    ("iterations", "iterations", 325.0, "9"),
):
    _claim(
        f"GAOD settles near {_what} of {_at:g}"
        if _what != "iterations"
        else f"GAOD settles near {_at:g} iterations",
        f"5.2.1, Fig. {_figure}",
        "above it the mean cost falls by less than 1%, below it significantly; in part if it falls nowhere",
    )(_settles(_experiment, _at))


@_claim(
    "GAOD hardly depends on the crossover probability",
    "5.2.1, Fig. 10",
    "the mean costs differ by less than 2%; in part by less than 5%",
)
def _(measured: Measurements) -> Answer:
    course = measured.means("crossover", GAOD, "cost")
    spread, best = float(course.max() / course.min() - 1), _places(course)[int(course.to_numpy().argmin())]
    verdict = Verdict.HOLDS if spread < 0.02 else Verdict.PART if spread < 0.05 else Verdict.FAILS
    return (
        f"the mean costs differ by {percent(spread, 2)}; the least is at {best:g}",
        verdict,
    )
