"""What Kuang et al. (2020) claim in section 5, held against what was measured.

Each claim has a rule that turns measurements into a verdict, the range of settings that it is judged in, and
the readings of the paper that it rests on where they are ours; all of it is shown with the verdict. Two kinds
of rules come back:

- *order*: one method's mean is less than another's. At each setting the 95% interval of the paired
  difference agrees, disagrees, or contains 0. The order holds if it disagrees nowhere and agrees in a
  quarter of the settings or more; in part if it agrees more often than it disagrees.
- *several*: of several things, all hold, or some, or none.

The range is the paper's; what wider ranges show stands beside it and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd

from offloadlib.instances.arrays import Floats
from offloadlib.pages.numbers import change, more_or_less, percent, seconds

from ..statistics import Estimate, Signs, estimate, exponent, signs
from .variations import BTOD, FOUR, GAOD, GSOD1, GSOD2, HEAP, LOCAL, OPTIMUM, PLAIN, VARIATIONS, Unsaid

EXACT = 1e-6
"""Relative: so much above the certified optimum is the optimum; certificates leave as much open."""

SHOWN = 1e-4
"""The least change that two decimals of a percentage show."""

BASE_DEVICES = 40
COMPARED = ("devices", "capacity", "points")
"""The experiments 2 to 4."""

PAPER_RANGE = {"points": (1.0, 5.0), "points-large": (1.0, 5.0)}
"""Least and greatest x of the paper, where the study has others too (Table 3)."""


class Judgement(StrEnum):
    """What the measurements say of a claim."""

    HOLDS = "holds"
    PART = "holds in part"
    FAILS = "does not hold"
    UNKNOWN = "not measured"


class Measurements:
    """The rows of the study by experiment.

    Parameters
    ----------
    ranges
        The least and greatest x of experiments that are not to be looked at as a whole.
    frame
        Columns ``experiment``, ``x``, ``method``, ``repetition``, and what was measured: ``cost``,
        ``saving``, ``utilisation``, ``fairness``, ``time`` (NaN unless measured alone), ``ratio`` (cost over
        the certified optimum).
    """

    def __init__(self, frame: pd.DataFrame, ranges: Mapping[str, tuple[float, float]] = PAPER_RANGE) -> None:
        self.frame = frame
        for name, (least, most) in ranges.items():
            frame = frame[(frame["experiment"] != name) | frame["x"].between(least, most)]
        tables = frame.set_index(["experiment", "method", "x", "repetition"]).unstack()
        self._tables = dict(iter(tables.groupby(level=["experiment", "method"])))
        self._values: dict[tuple[str, str, str], pd.DataFrame] = {}

    @cached_property
    def wide(self) -> Measurements:
        """The same in the whole ranges of the study."""
        return Measurements(self.frame, {})

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
        if (experiment, method) in self._tables:
            table: pd.DataFrame = self._tables[experiment, method].xs(value, axis=1)
            if not table.isna().all(axis=None):
                return table.droplevel(["experiment", "method"])
        raise LookupError(f"{experiment}: no {value} of {method}")

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


Answer = tuple[str, Judgement]
Judge = Callable[[Measurements], Answer]


@dataclass(frozen=True)
class PaperClaim:
    """A claim of the paper, what was measured, and the verdict by the rule in a range, on a reading."""

    text: str
    source: str
    rule: str
    range: str
    reading: str = ""
    measured: str = ""
    verdict: Judgement = Judgement.UNKNOWN


def claims(measured: Measurements) -> list[PaperClaim]:
    """Every claim with its verdict."""
    found = []
    for claim, judge in _CLAIMS:
        try:
            told, verdict = judge(measured)
        except LookupError as missing:
            told, verdict = f"missing: {missing}", Judgement.UNKNOWN
        found.append(replace(claim, measured=told, verdict=verdict))
    return found


_CLAIMS: list[tuple[PaperClaim, Judge]] = []


def _claim(text: str, source: str, rule: str, range: str, reading: str = "") -> Callable[[Judge], None]:
    return lambda judge: _CLAIMS.append((PaperClaim(text, source, rule, range, reading), judge))


DEVICES, CAPACITY, POINTS = "5 to 100 devices", "capacities of 5 to 20", "1 to 5 offload points"
ALL = f"{DEVICES}, {CAPACITY}, {POINTS}"
# Readings, each explained on the page (READINGS).
PLACES, IN_TURN, GREEDY, GENETIC = "any point", "BTOD in turn", "keys and layers", "operators of GAOD"
METHODS = f"{PLACES}; {IN_TURN}; {GREEDY}; {GENETIC}"
JAIN, TIMES = "Jain's index", "times of compiled code"
DRAWN = "work U[1, 3] MI, data U[0.2, 1] Mbit, alpha U[0, 1], normalised by all-local"

READINGS = {
    PLACES: "a subtask may take any offload point, as in (5) and Algorithm 3, not the connected one first as "
    "in 3.1",
    IN_TURN: "BTOD decides device by device (4.3.2) in file order, ties in the order of Algorithm 1",
    GREEDY: "GSOD-I's difference is the local cost less the least one over the free places, GSOD-II's data "
    "is input and output; layer k is the k-th subtask, not the depth in the graph",
    GENETIC: "one gene of an individual mutates, drawn in proportion to its cost, with probability 0.1; a "
    "device's search ends after 100 generations without a better best; without crossover the better parent "
    "is copied",
    JAIN: "the paper does not define fairness; here it is Jain's index of the devices' savings",
    TIMES: "the paper's programs are in Python. BTOD is btod-sequential-plain, which enumerates as the paper "
    "does. GSOD at the paper's sizes takes the time of a call, so that its growth is that of the same "
    "experiment 250 times as large, and so is that of BTOD over 1 to 5 points",
}
"""What the names of readings stand for, on the page."""


# Verdicts -----------------------------------------------------------------------------------------


def several(held: Sequence[bool]) -> Judgement:
    """All, some or none."""
    return Judgement.HOLDS if all(held) else Judgement.PART if any(held) else Judgement.FAILS


def ordered(found: Signs) -> Judgement:
    """The verdict on "first is below second"."""
    if not found.above and 4 * found.below >= found.total:
        return Judgement.HOLDS
    return Judgement.PART if found.below > found.above else Judgement.FAILS


def together(verdicts: Sequence[Judgement]) -> Judgement:
    """The verdict on several orders at once: that of all where they agree, otherwise in part."""
    return verdicts[0] if len(set(verdicts)) == 1 else Judgement.PART


def _orders(pairs: Sequence[tuple[str, str, Signs]], below: str, above: str) -> Answer:
    """The verdict on several orders, and how often each agrees."""
    told = [
        f"{first} {below} {second} at {found.below} of {found.total} settings, {above} at {found.above}"
        for first, second, found in pairs
    ]
    return "; ".join(told), together([ordered(found) for _, _, found in pairs])


_list: Callable[[Iterable[str]], str] = ", ".join


def _in_order(value: str, *pairs: tuple[str, str]) -> Judge:
    """The judge of "each first method is below the second one by a value"."""

    def judge(measured: Measurements) -> Answer:
        found = [(first, second, measured.order(first, second, value)) for first, second in pairs]
        return _orders(found, "below", "above")

    return judge


# Cost ---------------------------------------------------------------------------------------------


_claim(
    "BTOD has the least total cost of the four methods",
    "5.2.2, Fig. 11",
    "order, against each of the others",
    ALL,
    METHODS,
)(_in_order("cost", (BTOD, GSOD1), (BTOD, GSOD2), (BTOD, GAOD)))


@_claim(
    "BTOD gives the exact solution",
    "4.1.4, 5.2.2",
    "its cost is the certified optimum within 1e-6 on every instance; in part if it is within 1% on average",
    ALL,
    IN_TURN,
)
def _(measured: Measurements) -> Answer:
    excess = _excesses(measured, BTOD)
    exact = float((excess <= EXACT).mean())
    verdict = Judgement.HOLDS if exact == 1 else Judgement.PART if excess.mean() <= 0.01 else Judgement.FAILS
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
    DEVICES,
    f"{PLACES}; {IN_TURN}; {GREEDY}",
)
def _(measured: Measurements) -> Answer:
    share = measured.means("devices", GSOD1, "cost") / measured.means("devices", BTOD, "cost") - 1
    most, mean = float(share.max()), float(share.mean())
    verdict = Judgement.HOLDS if most <= NEAR else Judgement.PART if mean <= NEAR else Judgement.FAILS
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
        base = estimate(measured.values("devices", method, "saving").loc[BASE_DEVICES].to_numpy())
        course = measured.means("sensitivity", method, "saving")
        ranges = {
            VARIATIONS[int(at)].name: float(saving)
            for at, saving in zip(_places(course), course, strict=True)
            if VARIATIONS[int(at)].what is Unsaid.RANGE
        }
        verdict = several([abs(saving - claimed) <= TOLERANCE for saving in ranges.values()])
        listed = _list([f"{name} {percent(saving, 1)}" for name, saving in ranges.items()])
        optimum = float(measured.means("devices", OPTIMUM, "saving").loc[BASE_DEVICES])
        return (
            f"{_interval(base)} as everywhere else, where the certified optimum saves {percent(optimum, 1)} "
            f"and the agreement is circular; in other ranges: {listed}",
            verdict,
        )

    return judge


def _interval(found: Estimate) -> str:
    return f"{100 * found.mean:z.2f} % ± {100 * found.half:.2f} %"


def _fall(found: Estimate) -> str:
    """A relative fall in words: it falls or rises where the interval says so."""
    if found.low > 0:
        return f"falls by {_interval(found)}"
    if found.high < 0:
        return f"rises by {_interval(Estimate(-found.mean, found.half, found.count))}"
    return f"stays within {percent(max(-found.low, found.high, SHOWN), 2)}"


for _method, _name, _share, _where in ((BTOD, "BTOD", 0.60, "5.3"), (GSOD1, "GSOD-I", 0.55, "5.3, 6")):
    _claim(
        f"{_name} saves about {_share:.0%} of the total cost",
        _where,
        "within 5 points in every one of the plausible ranges of what the paper does not state; in part if "
        "so in some",
        f"{BASE_DEVICES} devices, the ranges of the sensitivity table",
        f"calibrated: the ranges everywhere else ({DRAWN}) were chosen so that the optimum saves about 60 %",
    )(_saving(_method, _share))


_claim("By total cost GSOD-I is before GSOD-II", "5.2.2, 5.3", "order", ALL, f"{PLACES}; {GREEDY}")(
    _in_order("cost", (GSOD1, GSOD2))
)

_claim(
    "GAOD has the greatest total cost of the four methods",
    "5.2.2, 5.3",
    "order, each of the others against it",
    ALL,
    METHODS,
)(_in_order("cost", (BTOD, GAOD), (GSOD1, GAOD), (GSOD2, GAOD)))

_claim("All four methods beat local execution", "5.2.2, Fig. 11", "order, for each", ALL, METHODS)(
    _in_order("cost", *((method, LOCAL) for method in FOUR))
)


@_claim(
    "The greedy strategy is the best of the three by cost, utilisation and decision time",
    "abstract, 5.3, 6",
    "GSOD-I before BTOD and before GAOD, each by its order; several, over the three criteria",
    ALL,
    f"{METHODS}; {TIMES}",
)
def _(measured: Measurements) -> Answer:
    criteria = {
        "cost": [measured.order(GSOD1, other, "cost") for other in (BTOD, GAOD)],
        "utilisation": [measured.order(other, GSOD1, "utilisation") for other in (BTOD, GAOD)],
        "time": [measured.order(GSOD1, other, "time") for other in (PLAIN, GAOD)],
    }
    held = {name: [ordered(found) is Judgement.HOLDS for found in pair] for name, pair in criteria.items()}
    told = [
        f"by {name} before BTOD: {_yes(btod)}, before GAOD: {_yes(gaod)}"
        for name, (btod, gaod) in held.items()
    ]
    return "; ".join(told), several([all(pair) for pair in held.values()])


def _yes(held: bool) -> str:
    return "yes" if held else "no"


SLOPE, WINDOW, THRESHOLD = 0.9, 15.0, (60.0, 80.0)


@_claim(
    "From about 70 devices on, one more device costs what it costs locally",
    "5.2.2, Fig. 11",
    "from some number of devices in 60..80 on, the slope of the mean cost (over ±15 devices) is at least 90% "
    "of that of local execution; several, over the four methods",
    DEVICES,
    METHODS,
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
    CAPACITY,
    f"{METHODS}; tasks of 5 subtasks",
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
    POINTS,
    METHODS,
)
def _(measured: Measurements) -> Answer:
    held, told, beyond = [], [], []
    for method in FOUR:
        steps = _falls(measured.means("points", method, "cost"))
        held.append(bool(steps.iloc[0] > SETTLED and steps.iloc[-1] < SETTLED))
        told.append(f"{method} {change(-steps.iloc[0], 1)} and {change(-steps.iloc[-1], 1)}")
        wide = _falls(measured.wide.means("points", method, "cost"))
        level = next(
            (f"{at:g}" for at, fall in zip(_places(wide), wide, strict=True) if fall < SETTLED), "nowhere"
        )
        beyond.append(f"{method} {level}")
    return (
        f"in the first step, and in the last: {_list(told)}; beyond the paper's range the first step with "
        f"less than 2 % for a point ends at: {_list(beyond)}",
        several(held),
    )


def _falls(course: pd.Series[float]) -> pd.Series[float]:
    """By what share a point more lowers the cost, in the step that ends at each number of points."""
    share = 1 - course.to_numpy()[1:] / course.to_numpy()[:-1]
    return pd.Series(share / np.diff(course.index.to_numpy(dtype=float)), index=course.index[1:])


@_claim(
    "The problem is NP-hard even with one device",
    "4, from three references",
    "a proof",
    "one device, any task graph, room for all",
    "tasks may be as large as one likes: with a fixed number of subtasks, or as a chain, one device is easy",
)
def _(measured: Measurements) -> Answer:
    return "subset sum reduces to one device with two branches; see docs/theory/problem.md", Judgement.HOLDS


# Utilisation and fairness -------------------------------------------------------------------------


_claim(
    "Utilisation: BTOD has the highest, then GSOD-I, then GSOD-II",
    "5.2.2, Fig. 12",
    "order, twice",
    ALL,
    METHODS,
)(_in_order("utilisation", (GSOD1, BTOD), (GSOD2, GSOD1)))

_claim(
    "GAOD has the lowest utilisation", "5.2.2, Fig. 12", "order, against each of the others", ALL, METHODS
)(_in_order("utilisation", (GAOD, BTOD), (GAOD, GSOD1), (GAOD, GSOD2)))

FULL = 0.95


@_claim(
    "Utilisation rises with the devices; with capacity and with offload points it is high and then falls",
    "5.2.2-5.2.4, Figs. 12, 15, 18",
    "over the devices the mean never falls by more than 0.01 and rises by 0.1; over capacity and points it "
    "begins at 0.95 or more and ends at least 0.05 below; several, over methods and experiments",
    ALL,
    METHODS,
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
        beyond = measured.wide.means("points", method, "utilisation")
        told.append(f"{method} {_list(ends)} ({percent(float(beyond.iloc[-1]), 0)} at {beyond.index[-1]:g})")
    return f"first and last over devices, capacity, points: {'; '.join(told)}", several(held)


def _ends(course: pd.Series[float]) -> str:
    return f"{percent(float(course.iloc[0]), 0)} to {percent(float(course.iloc[-1]), 0)}"


SCARCE_FROM = 60.0


def _fairness(measured: Measurements, fair: Sequence[str], others: Sequence[str]) -> Answer:
    pairs = []
    for first in fair:
        for other in others:
            found = measured.differences("devices", other, first, "fairness")
            at = measured.values("devices", first, "fairness").index
            pairs.append(
                (other, first, signs(item for x, item in zip(at, found, strict=True) if x >= SCARCE_FROM))
            )
    told, verdict = _orders(pairs, "less fair than", "fairer")
    shown = dict.fromkeys((*FOUR, *fair, OPTIMUM))
    last = {method: measured.means("devices", method, "fairness").iloc[-1] for method in shown}
    indices = _list([f"{name} {value:.2f}" for name, value in last.items()])
    return f"{told}. Jain's index at the most devices: {indices}", verdict


_claim(
    "GSOD is fairer to the devices than methods that go device by device",
    "4.2.4, 4.3.2",
    "order of the fairness, each GSOD against BTOD and GAOD",
    "60 to 100 devices",
    f"{JAIN}; {IN_TURN}; {GREEDY}",
)(partial(_fairness, fair=(GSOD1, GSOD2), others=(BTOD, GAOD)))

_claim(
    "GSOD with a heap is the fairest to all users",
    "4.3.4",
    "order of the fairness, the heap against BTOD, GAOD and the layers",
    "60 to 100 devices",
    f"{JAIN}; {GREEDY}; the heap's keys are those of the free places of the moment",
)(partial(_fairness, fair=(HEAP,), others=(BTOD, GAOD, GSOD1)))

# Decision time ------------------------------------------------------------------------------------


@_claim(
    "GSOD-II is a little faster than GSOD-I",
    "5.3",
    "order of the times; in part if it holds but GSOD-II needs less than half the time",
    ALL,
    TIMES,
)
def _(measured: Measurements) -> Answer:
    large = [f"{name}-large" for name in COMPARED]
    found = signs(item for name in large for item in measured.differences(name, GSOD2, GSOD1, "time"))
    ratios = [measured.means(name, GSOD2, "time") / measured.means(name, GSOD1, "time") for name in large]
    ratio = float(np.median(np.concatenate([item.to_numpy() for item in ratios])))
    verdict = ordered(found)
    if verdict is Judgement.HOLDS and ratio < 0.5:
        verdict = Judgement.PART
    told, _ = _orders([(GSOD2, GSOD1, found)], "faster than", "slower")
    return f"median ratio of the times {ratio:.2f}; {told}", verdict


MUCH = 10.0


@_claim(
    "The decision time of BTOD is much longer than that of GSOD-I",
    "5.3",
    "at least ten times at every setting; in part if so at some",
    ALL,
    f"{TIMES}; here GSOD-I's are those of the call, which is against the claim",
)
def _(measured: Measurements) -> Answer:
    told, held = [], []
    for name in COMPARED:
        ratio = measured.means(name, PLAIN, "time") / measured.means(name, GSOD1, "time")
        held += (ratio >= MUCH).tolist()
        told.append(f"{ratio.min():.2g} to {ratio.max():.2g} times over {name}")
    wide = measured.wide.means("points", PLAIN, "time") / measured.wide.means("points", GSOD1, "time")
    return f"{_list(told)}; {wide.iloc[-1]:.2g} times at {wide.index[-1]:g} points", several(held)


_claim(
    "The decision time of GAOD lies between those of GSOD and BTOD",
    "5.2.2, Fig. 13, 5.3",
    "order, both GSOD below GAOD and GAOD below BTOD",
    ALL,
    TIMES,
)(_in_order("time", (GSOD1, GAOD), (GSOD2, GAOD), (GAOD, PLAIN)))

_claim(
    "With the devices, the time of BTOD grows fastest, that of GAOD less, that of GSOD least",
    "5.2.2, Fig. 13",
    "exponents of the growth of the median time from 20 devices on, BTOD above GAOD above both GSOD by 0.05 "
    "or more; several",
    "20 to 100 devices",
    TIMES,
)(lambda measured: _growth(measured, "devices", 20.0))

_claim(
    "With the offload points, the time of BTOD grows fastest, that of GAOD less, that of GSOD least",
    "5.2.4, Fig. 19",
    "exponents of the growth of the median time, BTOD above GAOD above both GSOD by 0.05 or more; several",
    POINTS,
    TIMES,
)(lambda measured: _growth(measured, "points", 0.0))


def _exponents(measured: Measurements, experiment: str, least: float) -> dict[str, float]:
    found = {}
    for method in (PLAIN, GSOD1, GSOD2, GAOD):
        large = method in (GSOD1, GSOD2) or (method, experiment) == (PLAIN, "points")
        where = f"{experiment}-large" if large else experiment
        found[method] = _exponent(measured, where, method, least)
    return found


def _exponent(measured: Measurements, experiment: str, method: str, least: float = 0.0) -> float:
    """The exponent of the growth of a method's median time, from some x on."""
    course = measured.means(experiment, method, "time")
    course = course[course.index >= least].dropna()
    if len(course) < 2:
        raise LookupError(f"{experiment}: times of {method} at two settings or more")
    return exponent(course.index.to_numpy(), course.to_numpy())


def _growth(measured: Measurements, experiment: str, least: float) -> Answer:
    found = _exponents(measured, experiment, least)
    held = [found[PLAIN] >= found[GAOD] + 0.05, found[GAOD] >= max(found[GSOD1], found[GSOD2]) + 0.05]
    last = {method: float(measured.means(experiment, method, "time").iloc[-1]) for method in found}
    told = _list([f"{name} {value:.2f} ({seconds(last[name])} at last)" for name, value in found.items()])
    bounded = float(measured.means(experiment, BTOD, "time").iloc[-1])
    return f"exponents: {told}; with bounds {seconds(bounded)} at last", several(held)


@_claim(
    "The time of BTOD grows exponentially with the offload points",
    "4.1.4, 5.2.4, Fig. 19",
    "from 2 points on each point multiplies the time by 1.5 or more on average, and by as much in the last "
    "step as in the first, to a tenth; in part if it does so only on average",
    POINTS,
    f"{IN_TURN}; {TIMES}",
)
def _(measured: Measurements) -> Answer:
    factors = _factors(measured.means("points-large", PLAIN, "time"))
    many = float(np.exp(np.log(factors).mean())) >= 1.5
    verdict = (
        Judgement.FAILS
        if not many
        else Judgement.HOLDS
        if factors[-1] >= 0.9 * factors[0]
        else Judgement.PART
    )
    wide = _factors(measured.wide.means("points", PLAIN, "time"))
    return (
        f"each point multiplies it by {_list([f'{factor:.2f}' for factor in factors])}; with the most points "
        f"of the study by {wide[-1]:.2f}. (N + 1)^5 decisions of a device are a polynomial in N; so are the "
        "(N + 1)^(MK) of Algorithm 1",
        verdict,
    )


def _factors(course: pd.Series[float]) -> Floats:
    """By what each point from 2 on multiplies the time, in each step."""
    course = course[course.index >= 2].dropna()
    if len(course) < 2:
        raise LookupError("points: times at two settings or more")
    ratio = course.to_numpy()[1:] / course.to_numpy()[:-1]
    found: Floats = ratio ** (1.0 / np.diff(course.index.to_numpy(dtype=float)))
    return found


@_claim(
    "The time of BTOD grows exponentially with the devices",
    "5.2.2, Fig. 13",
    "from 40 to 80 devices it is multiplied by more than from 20 to 40, and by more than 4; in part if its "
    "exponent is above 1.2",
    "20 to 100 devices",
    f"{IN_TURN}; {TIMES}",
)
def _(measured: Measurements) -> Answer:
    course = measured.means("devices", PLAIN, "time")
    x, power = np.log(course.index.to_numpy(dtype=float)), _exponents(measured, "devices", 20.0)[PLAIN]
    at20, at40, at80 = np.exp(np.interp(np.log([20, 40, 80]), x, np.log(course.to_numpy())))
    first, second = at40 / at20, at80 / at40
    grows = second > max(first, 4.0)
    verdict = Judgement.HOLDS if grows else Judgement.PART if power > 1.2 else Judgement.FAILS
    return f"times {first:.2f} from 20 to 40, {second:.2f} from 40 to 80; exponent {power:.2f}", verdict


@_claim(
    "The times of GSOD grow as polynomials of low order, with devices and with offload points",
    "5.2.2, 5.2.4",
    "exponents of at most 2; several",
    f"20 to 100 devices, {POINTS}",
    TIMES,
)
def _(measured: Measurements) -> Answer:
    found = {name: _exponents(measured, name, least) for name, least in (("devices", 20.0), ("points", 0.0))}
    told = [f"{method} {found[name][method]:.2f} in {name}" for method in (GSOD1, GSOD2) for name in found]
    return _list(told), several([found[name][method] <= 2 for method in (GSOD1, GSOD2) for name in found])


@_claim(
    "The time of GAOD is O(I S M)",
    "4.2.4",
    "exponents of at most 1.1 in iterations, population and devices, and of at most 0.1 in the offload "
    "points, which the formula leaves out; several",
    f"100 to 600 iterations, populations of 10 to 50, {DEVICES}, {POINTS}",
    f"{GENETIC}, but all iterations where they vary; {TIMES}",
)
def _(measured: Measurements) -> Answer:
    most = {"iterations": 1.1, "population": 1.1, "devices": 1.1, "points": 0.1}
    found = {name: _exponent(measured, name, GAOD) for name in most}
    told = _list([f"{value:.2f} in {name}" for name, value in found.items()])
    return f"exponents: {told}", several([found[name] <= limit for name, limit in most.items()])


RISE, FLAT = 0.05, 0.10


@_claim(
    "With capacity the decision time rises, and then it is flat",
    "5.2.3, Fig. 16",
    "from the least capacity to a ratio of 0.3 the median time rises by 5% or more, and from there to the "
    "greatest it changes by less than 10%; several, over the four methods",
    CAPACITY,
    TIMES,
)
def _(measured: Measurements) -> Answer:
    held, told = [], []
    for method in (PLAIN, GSOD1, GSOD2, GAOD):
        where = "capacity-large" if method in (GSOD1, GSOD2) else "capacity"
        course = measured.means(where, method, "time")
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
        verdict = Judgement.FAILS if not settled else Judgement.HOLDS if gain.low > 0 else Judgement.PART
        return (
            f"from {known[0]:g} to {middle:g} the cost {_fall(gain)}, from there to {known[-1]:g} it "
            f"{_fall(rest)}",
            verdict,
        )

    return judge


for _experiment, _what, _at, _figure, _range, _reading in (
    ("population", "a population of 30", 30.0, "8", "populations of 10 to 50", GENETIC),
    (
        *("iterations", "325 iterations", 325.0, "9", "100 to 600 iterations"),
        "all iterations are done; with the patience of 100 that GAOD has elsewhere the curve would be flat "
        "from where that ends it",
    ),
):
    _claim(
        f"GAOD settles near {_what}",
        f"5.2.1, Fig. {_figure}",
        "above it the mean cost falls by less than 1%, below it significantly; in part if it falls nowhere",
        _range,
        _reading,
    )(_settles(_experiment, _at))


@_claim(
    "GAOD hardly depends on the crossover probability",
    "5.2.1, Fig. 10",
    "the mean costs differ by less than 2%; in part by less than 5%",
    "probabilities of 0.1 to 0.95",
    GENETIC,
)
def _(measured: Measurements) -> Answer:
    course = measured.means("crossover", GAOD, "cost")
    spread, best = float(course.max() / course.min() - 1), _places(course)[int(course.to_numpy().argmin())]
    verdict = Judgement.HOLDS if spread < 0.02 else Judgement.PART if spread < 0.05 else Judgement.FAILS
    return (
        f"the mean costs differ by {percent(spread, 2)}; the least is at {best:g}",
        verdict,
    )


@_claim(
    "The crossover probability only affects the rate of convergence",
    "5.2.1",
    "at no probability is the mean cost significantly above the least one; in part if it is by less than 2%",
    "probabilities of 0.1 to 0.95",
    GENETIC,
)
def _(measured: Measurements) -> Answer:
    table = measured.values("crossover", GAOD, "cost")
    best = table.iloc[int(table.mean(axis=1).to_numpy().argmin())]
    above = [estimate(row) for row in (table - best).to_numpy() / float(best.mean())]
    worse = [found.mean for found in above if found.low > 0]
    most = max(worse, default=0.0)
    verdict = Judgement.HOLDS if not worse else Judgement.PART if most < 0.02 else Judgement.FAILS
    return (
        f"significantly above the least at {len(worse)} of {len(above)} probabilities, by "
        f"{percent(most, 2)} at most",
        verdict,
    )
