"""The page of the paper's study: the claims, every figure of the paper again, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from offloadlib.instances.errors import counted
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.pages.numbers import percent, seconds
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures.curves import Curve, courses
from offloadlib.pictures.picture import Picture
from offloadlib.pictures.style import BLUE, GREEN, GREY, INK, ORANGE

from ..statistics import Estimate, estimate
from ..tidy import impossible
from .claims import BASE_DEVICES, COMPARED, READINGS, Judgement, Measurements, PaperClaim, claims
from .variations import BTOD, FOUR, GAOD, GSOD1, GSOD2, LOCAL, OPTIMUM, PLAIN, Unsaid, Variation

_RED, _PINK, _SKY = "#D55E00", "#CC79A7", "#56B4E9"

_LOOKS: dict[str, dict[str, Any]] = {
    LOCAL: {"color": GREY, "marker": "x"},
    BTOD: {"color": BLUE, "marker": "s"},
    PLAIN: {"color": BLUE, "marker": "s", "linestyle": ":", "markerfacecolor": "white"},
    GSOD1: {"color": GREEN},
    GSOD2: {"color": _RED, "marker": "^"},
    GAOD: {"color": ORANGE, "marker": "D"},
    OPTIMUM: {"color": INK, "linestyle": "--", "marker": ""},
    f"{GSOD1}-heap": {"color": GREEN, "linestyle": ":"},
    f"{GSOD2}-heap": {"color": _RED, "marker": "^", "linestyle": ":"},
    f"{GSOD1}+ls": {"color": GREEN, "linestyle": "--", "markerfacecolor": "white"},
    f"{GSOD2}+ls": {"color": _RED, "linestyle": "--", "marker": "^", "markerfacecolor": "white"},
    f"{GAOD}+ls": {"color": ORANGE, "linestyle": "--", "marker": "D", "markerfacecolor": "white"},
    "price": {"color": _PINK, "marker": "*"},
    "heft": {"color": _SKY, "marker": "v"},
}

_NAMES = {LOCAL: "local (AL)", OPTIMUM: "certified bound"}

_X = {
    "population": "size of the population",
    "iterations": "iterations",
    "crossover": "probability of crossover",
    "devices": "devices M",
    "capacity": "capacity of an offload point / devices",
    "points": "offload points N",
}


# The page -----------------------------------------------------------------------------------------


def page(title: str, frame: pd.DataFrame, variations: Sequence[Variation]) -> Page:
    """Everything that the study shows.

    Parameters
    ----------
    title
        Of the page.
    frame
        From :func:`tidy`.
    variations
        The values of x in the experiment ``sensitivity``.
    """
    measured = Measurements(frame)
    found = claims(measured)
    return Page(
        title,
        [_introduction(frame), _proofs(frame)],
        [
            Section("The paper's claims", [_verdicts(found), *_RULES, _claims_table(found)]),
            Section(
                "Experiment 1: the genetic algorithm",
                [
                    "40 devices, 10 offload points with capacity 20; the values that do not vary are those "
                    "of the paper's Table 2. Dashed: the certified lower bound of the same instances.",
                    *_swept(frame),
                    *([_swept_table(frame)] if _has(frame, *_SWEPT) else []),
                ],
            ),
            *(_compared(measured, experiment, number) for experiment, number in _EXPERIMENTS.items()),
            Section(
                "All methods against the certified optimum",
                [_ALL, *_excess(measured), _methods_table(frame)],
            ),
            Section("Fairness", [_FAIRNESS, *_fairness(measured)]),
            Section("What the paper leaves open", [_SENSITIVITY, *_sensitivity_tables(frame, variations)]),
        ],
        data={"means": means(frame, variations)},
    )


def means(frame: pd.DataFrame, variations: Sequence[Variation]) -> pd.DataFrame:
    """The mean of everything at each setting, with half the width of its 95% interval.

    Returns
    -------
    pandas.DataFrame
        ``experiment``, ``x`` (the reading in the experiment ``sensitivity``), ``method``, how many
        ``instances``; and for each value of :func:`tidy` its mean, and ``..._95``.
    """
    records = []
    for (experiment, x, method), group in frame.groupby(["experiment", "x", "method"], sort=False):
        place = variations[int(_place(x))].name if experiment == "sensitivity" else f"{_place(x):g}"
        record = {"experiment": experiment, "x": place, "method": method, "instances": len(group)}
        for name in ("cost", "bound", "ratio", "saving", "utilisation", "fairness", "worse_off", "time"):
            found = estimate(group[name])
            record |= {name: _rounded(found.mean), f"{name}_95": _rounded(found.half)}
        records.append(record)
    return pd.DataFrame(records)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


_RULES = (
    "Order: at each setting the 95% interval of the paired difference of two methods agrees with the claim, "
    "disagrees, or contains 0. The claim holds if it disagrees nowhere and agrees at a quarter of the "
    "settings or more, and holds in part if it agrees more often than it disagrees.",
    "Several: a claim about several things holds if all of them hold, and in part if some do.",
    "Range: verdicts are those of the paper's ranges (Tables 2 and 3). Its experiment 4 has 1 to 5 offload "
    "points; what 6 to 15 show is in the figures and tables, and where it matters beside a verdict, which it "
    "does not change.",
    "Readings: what the paper says in two ways, or not at all, is read in one way here, and named where a "
    "verdict rests on it; the section on what the paper leaves open shows others. They are: "
    + "; ".join(f"*{name}*, {text}" for name, text in READINGS.items())
    + ".",
)

_ALL = (
    "Every instance of experiments 2 to 4. The excess is cost over the certified optimum minus 1 (over the "
    "certified bound where the optimum is not proven). Worse off are devices that cost more than if they had "
    "offloaded nothing. Times were measured one solve at a time, in a warm process, and are the processor's."
)

_FAIRNESS = (
    "Jain's index of the devices' savings: 1 if all save the same, 1/M if one device saves everything. "
    "Beside it the share of devices that are worse off than if they had offloaded nothing, which the paper "
    "does not show."
)

_SENSITIVITY = (
    f"{BASE_DEVICES} devices, 10 offload points with capacity 20; the same seeds. First, ranges that the "
    "paper does not state: each line changes one. Costs that are not normalised weigh energy in mJ against "
    "seconds, so savings there are those of energy. Then readings of what it does state: each column takes "
    "one otherwise. Where only some methods change, the others and the optimum are those of everywhere else. "
    "With k - 1 taken literally data goes from each subtask to the next listed one, which is another "
    "problem: without a certified optimum, and without GAOD. The optimum is that of (5); with the connected "
    "point first it is a bound."
)

_EXPERIMENTS = {"devices": (2, 11), "capacity": (3, 14), "points": (4, 17)}
"""Number of the experiment, and of its first figure, in the paper."""

_SWEPT = {"population": 8, "iterations": 9, "crossover": 10}
"""Number of the figure in the paper."""


def _has(frame: pd.DataFrame, *experiments: str) -> bool:
    return bool(frame["experiment"].isin(experiments).any())


def _introduction(frame: pd.DataFrame) -> str:
    repetitions = frame["repetition"].nunique()
    return (
        "The experiments of Kuang et al. (Future Generation Computer Systems 105, 2020, section 5) again, "
        "with their methods, others, and the certified optimum of every instance. Instances are drawn as in "
        "the paper's Table 1; what that leaves open is workload U[1, 3] MI, data U[0.2, 1] Mbit, alpha U[0, "
        "1], costs normalised by the all-local decision. The paper's BTOD stands here as btod-sequential, "
        "device by device as its section 4.3.2 has it: its search over all places at once cannot end at "
        "these sizes; btod-sequential-plain decides the same by enumeration, as the paper does, and has its "
        f"times. Every point is the mean of {counted(repetitions, 'instance')}, with its 95% interval; the "
        "paper has 200 repetitions. The ranges of work and data were chosen so that the optimum saves about "
        "60% at 40 devices, as the paper reports: that savings agree proves nothing."
    )


def _proofs(frame: pd.DataFrame) -> str:
    each = frame[frame["method"] == OPTIMUM].drop_duplicates("instance")
    count, proven = len(each), int(each["proven"].sum())
    text = (
        "With a proven optimum, whose certificate the checker accepts: "
        f"{proven} of {counted(count, 'instance')}."
    )
    if proven < count:
        gaps = 1 - each["bound"] / each["cost"]
        text += f" The largest gap of the others is {gaps.max():.1e} of the cost."
    return text + impossible(frame)


_PLURAL = {
    Judgement.HOLDS: "hold",
    Judgement.PART: "hold in part",
    Judgement.FAILS: "do not hold",
    Judgement.UNKNOWN: "were not measured",
}


def _verdicts(found: Sequence[PaperClaim]) -> str:
    counts = {verdict: sum(claim.verdict is verdict for claim in found) for verdict in Judgement}
    told = [f"{count} {_PLURAL[verdict]}" for verdict, count in counts.items() if count]
    return (
        f"Of {len(found)} claims: {', '.join(told)}. Verdicts follow from the rows by the rule beside them."
    )


def _claims_table(found: Sequence[PaperClaim]) -> Table:
    header = (
        "claim",
        "where",
        "verdict",
        "what was measured",
        "rule",
        "range",
        "reading of ours that it rests on",
    )
    rows = [
        (claim.text, claim.source, str(claim.verdict), claim.measured, claim.rule, claim.range, claim.reading)
        for claim in found
    ]
    return Table(header, rows)


# Experiment 1 -------------------------------------------------------------------------------------


def _swept(frame: pd.DataFrame) -> Iterator[Picture]:
    for experiment, number in _SWEPT.items():
        own = frame[frame["experiment"] == experiment]
        if own.empty:
            continue
        curves = [_curve(own, "cost", GAOD)]
        level = own.groupby("x")["bound"].mean()
        curves.append(_flat(_NAMES[OPTIMUM], OPTIMUM, level.index, float(level.mean())))
        for method in (GSOD1, BTOD):
            base = frame[
                (frame["experiment"] == "devices")
                & (frame["x"] == BASE_DEVICES)
                & (frame["method"] == method)
            ]
            if len(base):
                curves.append(_flat(method, method, level.index, float(base["cost"].mean())))
        what = _X[experiment]
        caption = (
            f"Figure {number} of the paper: total cost (c1) of GAOD by {what}; other methods for comparison."
        )
        figure = courses(curves, f"Fig. {number}: cost of GAOD", what, "total cost c1")
        yield Picture(f"fig{number:02d}-{experiment}", caption, figure)


def _flat(name: str, method: str, x: Iterable[Any], level: float) -> Curve:
    places = [float(at) for at in x]
    look = {**_LOOKS[method], "marker": "", "linewidth": 1.0}
    return Curve(name, places, [level] * len(places), [0.0] * len(places), look)


def _swept_table(frame: pd.DataFrame) -> Table:
    rows: list[list[Cell]] = []
    own = frame[frame["experiment"].isin(_SWEPT) & (frame["method"] == GAOD)]
    for (experiment, at), group in own.groupby(["experiment", "x"], sort=False):
        x = _place(at)
        excess = estimate(group["ratio"] - 1)
        rows.append(
            [
                str(experiment),
                Number.of(x, "g"),
                *_interval(estimate(group["cost"]), 3),
                _share(excess.mean, 2),
            ]
        )
    return Table(("varied", "value", "mean cost", "±", "above the optimum"), rows, "GAOD by its parameters")


# Experiments 2 to 4 -------------------------------------------------------------------------------

_CRITERIA: tuple[tuple[str, str, str, bool], ...] = (
    ("cost", "total cost c1", "total cost", False),
    ("utilisation", "utilisation c2", "utilisation of all offload points", False),
    ("time", "decision time c3 in s", "decision time", True),
)


def _compared(measured: Measurements, experiment: str, numbers: tuple[int, int]) -> Section:
    frame = measured.frame[measured.frame["experiment"] == experiment]
    number, first = numbers
    what, scale = _X[experiment], _SCALES.get(experiment, 1.0)
    pictures = []
    for figure_number, (value, label, name, log) in enumerate(_CRITERIA, start=first):
        shown = {"cost": (LOCAL, *FOUR), "time": (*FOUR, PLAIN)}.get(value, FOUR)
        curves = [_curve(frame, value, method, scale) for method in shown if _known(frame, value, method)]
        caption = f"Figure {figure_number} of the paper: {name} by {what}."
        if value == "cost":
            curves.append(_curve(frame, "bound", OPTIMUM, scale, "certified bound"))
            caption += " Dashed: the certified lower bound."
        elif _known(frame, value, OPTIMUM):
            curves.append(_curve(frame, value, OPTIMUM, scale, "certified optimum"))
            caption += f" Dashed: the certified optimum{', its search alone' if log else ''}."
        if log:
            caption += (
                " The paper's BTOD is btod-sequential-plain; GSOD's times are nearly all those of a call."
            )
        figure = courses(curves, f"Fig. {figure_number}: {name}", what, label, log=log)
        pictures.append(Picture(f"fig{figure_number:02d}-{experiment}-{value}", caption, figure))
    return Section(f"Experiment {number}: {what}", [*pictures, _compared_table(frame, what, scale)])


_SCALES = {"capacity": 1 / BASE_DEVICES}
"""From x to what the figures show."""


def _known(frame: pd.DataFrame, value: str, method: str) -> bool:
    return bool(frame.loc[frame["method"] == method, value].notna().any())


def _curve(
    frame: pd.DataFrame, value: str, method: str, scale: float = 1.0, name: str | None = None
) -> Curve:
    """The mean of a value with its interval, over x."""
    groups = frame[frame["method"] == method].groupby("x")[value]
    found = {_place(at): estimate(group.to_numpy()) for at, group in groups}
    return Curve(
        name or _NAMES.get(method, method),
        [at * scale for at in found],
        [item.mean for item in found.values()],
        [item.half for item in found.values()],
        _LOOKS.get(method, {}),
    )


def _compared_table(frame: pd.DataFrame, what: str, scale: float) -> Table:
    rows: list[list[Cell]] = []
    for (x, method), group in frame.groupby(["x", "method"], sort=False):
        at = _place(x) * scale
        rows.append(
            [
                Number.of(at, ".4g"),
                str(method),
                *_interval(estimate(group["cost"]), 3),
                _share(estimate(group["ratio"] - 1).mean, 2),
                _share(group["saving"].mean(), 1),
                _share(group["utilisation"].mean(), 1),
                Number.of(group["fairness"].mean(), ".2f"),
                Number.of(group["time"].mean(), seconds),
            ]
        )
    header = (what, "method", "mean cost", "±", "above optimum", "saving", "utilisation", "fairness", "time")
    return Table(
        header, rows, f"Means over {counted(frame['repetition'].nunique(), 'instance')}, with 95% intervals"
    )


# All methods --------------------------------------------------------------------------------------


def _methods_table(frame: pd.DataFrame) -> Table:
    rows: list[list[Cell]] = []
    for method, group in frame[frame["experiment"].isin(COMPARED)].groupby("method", sort=False):
        own = group.drop_duplicates("instance")
        excess = own["ratio"] - 1
        rows.append(
            [
                str(method),
                Number.of(len(own), ","),
                Number.of(int(own["cost"].isna().sum()), "d"),
                _share(excess.mean(), 3),
                _share(float(excess.quantile(0.95)), 2),
                _share(excess.max(), 2),
                _share(int((excess <= OPTIMAL_GAP).sum()) / len(own), 0),
                Number.of(own["worse_off"].mean(), ".2f"),
                Number.of(own["time"].mean(), seconds),
            ]
        )
    header = (
        *("method", "instances", "failed", "mean excess", "95% below", "worst", "optimal"),
        *("worse off", "mean time"),
    )
    return Table(header, rows)


def _excess(measured: Measurements) -> Iterator[Picture]:
    for experiment in COMPARED:
        frame = measured.frame[measured.frame["experiment"] == experiment]
        frame = frame.assign(excess=100 * (frame["ratio"] - 1))
        others = [name for name in dict.fromkeys(frame["method"]) if name not in (LOCAL, OPTIMUM)]
        scale, what = _SCALES.get(experiment, 1.0), _X[experiment]
        curves = [_curve(frame, "excess", name, scale) for name in others]
        title = f"Cost above the certified optimum, by {what}"
        figure = courses(curves, title, what, "excess in %")
        yield Picture(f"excess-{experiment}", f"{title}: means with 95% intervals.", figure)


def _fairness(measured: Measurements) -> Iterator[Picture]:
    frame = measured.frame[measured.frame["experiment"] == "devices"]
    frame = frame.assign(worse=100 * frame["worse_off"] / frame["x"])
    for value, label, caption in (
        ("fairness", "Jain's index", "Jain's index of the devices' savings, by the number of devices."),
        (
            "worse",
            "worse off in % of the devices",
            "Devices that cost more than if they had offloaded nothing.",
        ),
    ):
        curves = [
            _curve(frame, value, name, 1.0, "certified optimum" if name == OPTIMUM else None)
            for name in (*FOUR, OPTIMUM)
        ]
        yield Picture(f"{value}-devices", caption, courses(curves, caption[:-1], _X["devices"], label))


# What the paper leaves open -----------------------------------------------------------------------


def _sensitivity_tables(frame: pd.DataFrame, variations: Sequence[Variation]) -> list[Table]:
    """Ranges as lines, readings as columns; methods that one leaves alone are those of everywhere else."""
    own = frame[frame["experiment"] == "sensitivity"].replace({"method": {PLAIN: BTOD}})
    plain = own[own["x"] == 0]
    found: dict[str, dict[str, Cell]] = {}
    for number, variation in enumerate(variations):
        here = own[own["x"] == number]
        others = plain[~plain["method"].isin({*here["method"], *variation.lacks})]
        whole = pd.concat([here, others])
        by_method = {method: whole[whole["method"] == method] for method in (OPTIMUM, *FOUR)}
        costs = {method: mine["cost"].mean() for method, mine in by_method.items() if len(mine)}
        costs.pop(OPTIMUM, None)
        found[variation.name] = {
            **{f"saving: {it}": _share_interval(mine["saving"], 1) for it, mine in by_method.items()},
            **{f"above: {it}": _share_interval(by_method[it]["ratio"] - 1, 2) for it in FOUR},
            "order by mean cost": " < ".join(sorted(costs, key=costs.__getitem__)),
        }
    first = variations[0].name
    ranges = [item.name for item in variations if item.what is Unsaid.RANGE]
    readings = [first, *(item.name for item in variations if item.what is Unsaid.READING)]
    savings = [f"saving: {it}" for it in (OPTIMUM, *FOUR)]
    excesses = [*(f"above: {it}" for it in FOUR), "order by mean cost"]
    named = {f"saving: {OPTIMUM}": "saving: certified optimum"}
    return [
        Table(
            ("range", OPTIMUM, *FOUR),
            [[name, *(found[name][key] for key in savings)] for name in ranges],
            "Saving by range, with 95% intervals",
        ),
        Table(
            ("range", *FOUR, "order by mean cost"),
            [[name, *(found[name][key] for key in excesses)] for name in ranges],
            "Cost above the certified optimum, by range",
        ),
        Table(
            ("", *readings),
            [
                [named.get(key, key), *(found[name][key] for name in readings)]
                for key in (*savings, *excesses)
            ],
            "Readings: saving, and cost above the certified optimum, with 95% intervals",
        ),
    ]


# Cells --------------------------------------------------------------------------------------------


def _interval(found: Estimate, digits: int) -> tuple[Number, Number]:
    return Number.of(found.mean, f"z.{digits}f"), Number.of(found.half, f".{digits}f")


def _share(value: float, digits: int) -> Number:
    return Number.of(value, lambda share: percent(share, digits))


def _share_interval(values: pd.Series[float], digits: int) -> Number:
    found = estimate(values)
    return Number.of(found.mean, lambda mean: f"{percent(mean, digits)} ± {percent(found.half, digits)}")


def _place(x: Any) -> float:
    """A value of x, which pandas only knows to be something hashable."""
    return float(x)
