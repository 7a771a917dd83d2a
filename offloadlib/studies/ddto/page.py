"""The page of the study of DDTO: quality, time, learning, and what the parameters change."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from offloadlib.instances.arrays import Floats
from offloadlib.pages.numbers import percent
from offloadlib.pages.numbers import seconds as duration
from offloadlib.pages.page import Number, Page, Section, Table
from offloadlib.pictures import style
from offloadlib.pictures.curves import Curve, courses
from offloadlib.pictures.picture import Picture

CLAIMED = 0.63
"""The abstract of Wu et al.: DDTO "can improve computational performance by 63%, compared with the
local-only scheme"."""

SHORT_TIMES = "{:.3g} ms"

LINES = (style.ORANGE, style.BLUE, style.GREEN, style.INK)

_COLOURS = {"ddto": style.ORANGE, "optimum": style.BLUE, "exhaustive": style.BLUE}


DEFAULT = ""
"""The sweep of the default setting, where nothing varies."""


@dataclass(frozen=True)
class Measured:
    """The record of one run (:func:`.runs.measure`), and where the study shows it."""

    sweep: str
    x: float
    repetition: int
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Figures:
    """One method at one setting: a number per repetition.

    Attributes
    ----------
    ratio
        Mean over the test frames of cost over the certified bound.
    found
        Share of the test frames with a decision that is proven optimal.
    saving
        1 - cost/cost of local only, of all test frames together.
    time
        Processor's seconds for a decision.
    training
        Processor's seconds for training, or NaN.
    """

    ratio: Floats
    found: Floats
    saving: Floats
    time: Floats
    training: Floats

    @property
    def speed_up(self) -> Floats:
        """Cost of local only over the cost, minus 1."""
        return 1.0 / (1.0 - self.saving) - 1.0


OPTIMAL = 1e-9
"""Relative distance to the certified bound up to which a decision counts as optimal."""


def figures(measured: Sequence[Measured], sweep: str, x: float) -> dict[str, Figures]:
    """Name -> figures, at one setting."""
    rows: dict[str, list[tuple[float, ...]]] = {}
    for item in measured:
        if (item.sweep, item.x) != (sweep, x):
            continue
        methods = item.record["methods"]
        for name, record in methods.items():
            costs = np.array(record["costs"])
            bounds = np.array(methods["optimum"]["bounds"])[: len(costs)]
            local = np.array(item.record["local"])[: len(costs)]
            row = (
                float((costs / bounds).mean()),
                float((costs <= bounds * (1 + OPTIMAL)).mean()),
                1.0 - float(costs.sum() / local.sum()),
                record["decision_time"],
                record.get("training_time", np.nan),
            )
            rows.setdefault(name, []).append(row)
    return {name: Figures(*np.array(values).T) for name, values in rows.items()}


def page(title: str, measured: Sequence[Measured], axes: Mapping[str, str]) -> Page:
    """Everything that the study shows.

    Parameters
    ----------
    title
        Of the page.
    measured
        All runs; the sweep "" is the default setting.
    axes
        What varies in each of the other sweeps.
    """
    default = figures(measured, DEFAULT, 0.0)
    text = (
        "The problem, its parameters and the networks' training are this project's: only the abstract of Wu "
        "et al. (2020) is public, and no number here is a number of theirs.",
        *_verdict(default),
    )
    sections = [
        _schemes(default),
        _claim(default),
        _learning(measured),
        *(_sweep(measured, sweep, axis) for sweep, axis in axes.items()),
    ]
    return Page(title, text, sections)


def _verdict(default: Mapping[str, Figures]) -> tuple[str, ...]:
    best = default["optimum"]
    networks = {name: value for name, value in default.items() if name.startswith("ddto-")}
    closest = min(networks, key=lambda name: float(networks[name].ratio.mean()))
    descent, equal = default["coordinate-descent"], default["equal-split"]
    said = ", ".join(
        f"{_excess(value)} ({_ms(value)} a frame, {duration(float(value.training.mean()))} of training)"
        for value in networks.values()
    )
    return (
        "On test frames DDTO costs more than the certified optimum, with "
        f"{_list(networks)} networks by: {said}.",
        f"The exact dual method needs {_ms(best)} a frame, no training, and is proven optimal in "
        f"{percent(float(best.found.mean()), 1)} of the frames. Coordinate descent, which learns nothing "
        f"either, is {_excess(descent)} above the optimum in {_ms(descent)} a frame, and the optimum for an "
        f"equal split of the uplink {_excess(equal)} in {_ms(equal)}. {closest} "
        f"decides {float(best.time.mean() / networks[closest].time.mean()):.1f} times as fast as the exact "
        f"method, and pays back its training after "
        f"{_break_even(networks[closest], best)} frames, if {_excess(networks[closest])} of the cost is no "
        "matter.",
    )


def _break_even(learned: Figures, exact: Figures) -> str:
    gain = float((exact.time - learned.time).mean())
    return f"{float(learned.training.mean()) / gain:,.0f}" if gain > 0 else "no number of"


def _list(names: Mapping[str, object]) -> str:
    numbers = [name.removeprefix("ddto-") for name in names]
    return f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def _excess(value: Figures) -> str:
    return percent(float(value.ratio.mean()) - 1.0, 2)


def _ms(value: Figures) -> str:
    return SHORT_TIMES.format(1e3 * float(value.time.mean()))


def _spread(values: Floats, text: str) -> Number:
    """The mean, and the least and the greatest of the repetitions."""
    mean, low, high = (text.format(float(f(values))) for f in (np.mean, np.min, np.max))
    return Number(float(values.mean()), mean if low == high else f"{mean} ({low} to {high})")


def _schemes(default: Mapping[str, Figures]) -> Section:
    rows = []
    for name, value in sorted(default.items(), key=lambda item: float(item[1].ratio.mean())):
        trained = np.isfinite(value.training).all()
        rows.append(
            (
                name,
                _spread(value.ratio, "{:.4f}"),
                _spread(100 * value.found, "{:z.1f} %"),
                _spread(100 * value.saving, "{:z.1f} %"),
                _spread(1e3 * value.time, SHORT_TIMES),
                _spread(value.training, "{:.1f} s") if trained else "",
            )
        )
    header = ("method", "cost / certified optimum", "optimal", "saving", "time per frame", "training")
    caption = "Means over the test frames; in brackets the least and the greatest of the repetitions"
    text = (
        "The split of the uplink is the best one for each decision, but for equal-split, where every device "
        "has the same share. Times are the processor's, without reading and writing, on one thread."
    )
    picture = Picture(
        "trade-off", "Cost above the optimum and time per frame of each method", trade_off(default)
    )
    return Section("All methods", [text, picture, Table(header, rows, caption)])


def _claim(default: Mapping[str, Figures]) -> Section:
    rows = [
        (name, _spread(100 * value.saving, "{:z.1f} %"), _spread(100 * value.speed_up, "{:z.1f} %"))
        for name, value in default.items()
        if name == "optimum" or name.startswith("ddto-")
    ]
    best, gained = float(default["optimum"].saving.mean()), 1.0 - 1.0 / (1.0 + CLAIMED)
    reach = ["within reach" if best >= saving else "out of reach" for saving in (CLAIMED, gained)]
    text = (
        "The abstract says that DDTO improves computational performance by 63%, compared with the local-only "
        f"scheme. Read as a saving, it costs {1 - CLAIMED:.2f} of what local only does; read as a gain of "
        f"performance, local only costs {1 + CLAIMED:.2f} times as much, a saving of {percent(gained, 1)}.",
        f"With this project's parameters no method can save more than the optimum, {percent(best, 1)}: the "
        f"first reading is {reach[0]}, the second is {reach[1]}. That neither confirms nor refutes the "
        "paper, whose parameters are not public.",
    )
    header = ("method", "saving: 1 - Q/Q(local)", "gain: Q(local)/Q - 1")
    return Section("The abstract's 63%", [*text, Table(header, rows, "Against local only")])


def _learning(measured: Sequence[Measured]) -> Section:
    histories: dict[str, list[Floats]] = {}
    for item in measured:
        if item.sweep != DEFAULT:
            continue
        optimum = np.array(item.record["methods"]["optimum"]["history"])
        for name, record in item.record["methods"].items():
            if name.startswith("ddto-"):
                histories.setdefault(name, []).append(np.array(record["history"]) / optimum)
    curves = {name: np.mean(values, axis=0) for name, values in histories.items()}
    text = (
        "Mean cost of the decisions during training over the mean cost of the certified optima of the same "
        "frames. The networks learn from the best candidate alone, so more of them, which differ more, teach "
        "each other; a single one learns what it says already."
    )
    length = len(next(iter(curves.values()), ()))
    shares = [100.0 * (step + 0.5) / length for step in range(length)]
    title = "Cost over the optimum during training"
    figure = _lines(shares, curves, title, "training frames seen in %", marker="")
    picture = Picture("learning", title, figure)
    return Section("Learning", [text, picture])


def _sweep(measured: Sequence[Measured], sweep: str, axis: str) -> Section:
    xs = sorted({item.x for item in measured if item.sweep == sweep})
    by_x = {x: figures(measured, sweep, x) for x in xs}
    names = [name for name in by_x[xs[0]] if name != "optimum"]
    rows = [
        (
            Number(x, f"{x:g}"),
            _spread(100 * values["optimum"].saving, "{:z.1f} %"),
            _spread(1e3 * values["optimum"].time, SHORT_TIMES),
            _spread(1e3 * values["ddto-3"].time, SHORT_TIMES),
            *(_spread(values[name].ratio, "{:.3f}") for name in names),
        )
        for x, values in by_x.items()
    ]
    header = (
        axis,
        "saving of the optimum",
        "its time",
        "ddto-3's time",
        *(f"{name} / optimum" for name in names),
    )
    lines = {name: np.array([by_x[x][name].ratio.mean() for x in xs]) for name in names}
    title = f"Cost over the certified optimum by {axis}"
    picture = Picture(sweep, title, _lines(xs, lines, title, axis))
    return Section(f"Sensitivity: {axis}", [picture, Table(header, rows)])


# Pictures -----------------------------------------------------------------------------------------


@rc_context(style.STYLE)
def trade_off(values: Mapping[str, Figures]) -> Figure:
    """Cost above the optimum, in per cent, over the time per frame; what is optimal is at the bottom."""
    figure = style.canvas(6.4, 4.2)
    axes = figure.subplots()
    ranked = sorted(values.items(), key=lambda item: float(item[1].ratio.mean()))
    for number, (name, value) in enumerate(ranked):
        excess = max(100.0 * (float(value.ratio.mean()) - 1.0), 1e-2)
        colour = _COLOURS.get(name.split("-")[0], style.GREY)
        time = 1e3 * float(value.time.mean())
        axes.plot(time, excess, "o", color=colour)
        # The names stand in a column beside the picture, in the order of the points.
        axes.annotate(
            name,
            (time, excess),
            xytext=(1.04, (number + 0.5) / len(ranked)),
            textcoords="axes fraction",
            arrowprops={"arrowstyle": "-", "color": style.LIGHT, "linewidth": 0.6, "relpos": (0, 0.5)},
            annotation_clip=False,
            color=colour,
            fontsize=7,
            va="center",
        )
    axes.set(xscale="log", yscale="log", xlabel="time per frame in ms", ylabel="cost above the optimum in %")
    axes.set_yticks([1e-2, 0.1, 1.0, 10.0, 100.0], ["0", "0.1", "1", "10", "100"])
    return figure


def _lines(xs: Sequence[float], lines: Mapping[str, Floats], title: str, axis: str, **look: Any) -> Figure:
    """Cost over the optimum of each method."""
    colours = itertools.cycle(LINES)
    curves = [
        Curve(name, xs, values.tolist(), np.zeros(len(values)).tolist(), {"color": colour, **look})
        for (name, values), colour in zip(lines.items(), colours, strict=False)
    ]
    return courses(curves, title, axis, "cost / optimum")
