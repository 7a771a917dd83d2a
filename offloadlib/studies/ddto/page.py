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
from offloadlib.pages.page import Cell, Number, Page, Section, Table
from offloadlib.pictures import style
from offloadlib.pictures.curves import Curve, courses
from offloadlib.pictures.picture import Picture
from offloadlib.pictures.points import Named, name_points

CLAIMED = 0.63
"""The abstract of Wu et al.: DDTO "can improve computational performance by 63%, compared with the
local-only scheme"."""

SHORT_TIMES = "{:.3g} ms"

LINES = (style.ORANGE, style.BLUE, *style.SERIES[2:], style.GREY)

_COLOURS = {"ddto": style.ORANGE, "optimum": style.BLUE, "exhaustive": style.BLUE}


_LEAST_EXCESS = 1e-2
"""What is less, in %, is drawn as 0."""

DEFAULT, LEARNING, DDLO = "", "learning", "ddlo"
"""The sweep of the default setting, where nothing varies; how the networks learn; DDLO's setting."""


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
    batch
        Processor's seconds for a decision where all are made at once, or NaN.
    inverse
        Mean of the bound over the cost, which DDLO reports.
    """

    ratio: Floats
    found: Floats
    saving: Floats
    time: Floats
    training: Floats
    batch: Floats
    inverse: Floats

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
                record.get("batch_time", np.nan),
                float((bounds / costs).mean()),
            )
            rows.setdefault(name, []).append(row)
    return {name: Figures(*np.array(values).T) for name, values in rows.items()}


def page(
    title: str, measured: Sequence[Measured], axes: Mapping[str, str], training: Mapping[str, float]
) -> Page:
    """Everything that the study shows.

    Parameters
    ----------
    title
        Of the page.
    measured
        All runs; the sweep "" is the default setting.
    axes
        What varies in each of the other sweeps.
    training
        How networks learn where that does not vary.
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
        *_hyperparameters(figures(measured, LEARNING, 0.0), training),
        *_ddlo(figures(measured, DDLO, 0.0)),
        *(_sweep(measured, sweep, axis) for sweep, axis in axes.items()),
    ]
    return Page(title, text, sections)


def _verdict(default: Mapping[str, Figures]) -> tuple[str, ...]:
    best = default["optimum"]
    networks = {name: value for name, value in default.items() if name.startswith("ddto-")}
    closest = min(networks, key=lambda name: float(networks[name].ratio.mean()))
    chosen = networks[closest]
    said = ", ".join(
        f"{_excess(value)} ({_ms(value)} a frame, {duration(float(value.training.mean()))} of training)"
        for value in networks.values()
    )
    others = {
        name: value for name, value in default.items() if name not in (*networks, "optimum", "exhaustive")
    }
    before = [name for name, value in others.items() if value.ratio.mean() <= chosen.ratio.mean()]
    told = [f"{name} ({_excess(others[name])} in {_ms(others[name])})" for name in before]
    return (
        "On test frames DDTO costs more than the certified optimum, with "
        f"{_list(networks)} networks by: {said}.",
        f"The exact dual method needs {_ms(best)} a frame, no training, and is proven optimal in "
        f"{percent(float(best.found.mean()), 1)} of the frames. {closest} decides one frame "
        f"{float(best.time.mean() / chosen.time.mean()):.1f} times as fast, pays back its training after "
        f"{_break_even(chosen, best)} frames, and takes "
        f"{SHORT_TIMES.format(1e3 * float(chosen.batch.mean()))} a frame where many are decided at once.",
        f"Without learning, nearer to the optimum than {closest}: {', '.join(told) or 'nothing'}.",
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
        "has the same share; equal-split+share has its decisions, with their best split. Times are the "
        "processor's, without reading and writing, on one thread."
    )
    picture = Picture(
        "trade-off", "Cost above the optimum and time per frame of each method", trade_off(default)
    )
    return Section("All methods", [text, picture, Table(header, rows, caption)])


ALONE = ("mec", "mcc")
"""What neglects the collaboration of edge and cloud."""


def _claim(default: Mapping[str, Figures]) -> Section:
    rows = [
        (name, _spread(100 * value.saving, "{:z.1f} %"), _spread(100 * value.speed_up, "{:z.1f} %"))
        for name, value in default.items()
        if name == "optimum" or name.startswith("ddto-") or name in ALONE
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
        "It also says that DDTO achieves high performance, and greatly reduces the computational complexity, "
        "compared with schemes that neglect the collaboration of edge and cloud. These are here mec (device "
        "and edge) and mcc (device and cloud), at their best. The second table has both readings against "
        "each of them, and how many times as long they take for a frame.",
    )
    header = ("method", "saving: 1 - Q/Q(local)", "gain: Q(local)/Q - 1")
    against: list[list[Cell]] = [
        [
            f"{name} against {scheme}",
            *(_spread(100 * share, "{:z.1f} %") for share in _against(value, default[scheme])),
            _spread(default[scheme].time / value.time, "{:.1f}"),
        ]
        for name, value in default.items()
        if name == "optimum" or name.startswith("ddto-")
        for scheme in ALONE
        if scheme in default
    ]
    columns = ("methods", "saving: 1 - Q/Q(scheme)", "gain: Q(scheme)/Q - 1", "times as long")
    tables = [Table(header, rows, "Against local only")]
    if against:
        tables.append(Table(columns, against, "Against schemes that neglect the collaboration"))
    return Section("The abstract's 63%", [*text, *tables])


def _against(value: Figures, scheme: Figures) -> tuple[Floats, Floats]:
    """Saving and gain of a method against a scheme, from their savings against local only."""
    share = (1.0 - value.saving) / (1.0 - scheme.saving)
    return 1.0 - share, 1.0 / share - 1.0


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
    return Section("Learning", [text, picture, *_courses(measured)])


def _courses(measured: Sequence[Measured]) -> list[str | Picture]:
    """What the test frames cost, by how many frames have been learned from."""
    found: dict[str, list[Floats]] = {}
    seen: list[float] = []
    for item in measured:
        if item.sweep == DEFAULT:
            optimum = np.mean(item.record["methods"]["optimum"]["bounds"])
            for name, record in item.record["methods"].items():
                if "course" in record:
                    course = np.array(record["course"])
                    seen = course[:, 0].tolist()
                    found.setdefault(name, []).append(course[:, 1] / optimum)
    if not seen:
        return []
    title = "Cost of the test frames over the optimum by frames learned from"
    lines = {name: np.mean(values, axis=0) for name, values in found.items()}
    last = ", ".join(
        f"{name} from {percent(line[-2] - 1, 2)} to {percent(line[-1] - 1, 2)}"
        for name, line in lines.items()
        if len(line) > 1
    )
    text = (
        f"In the last step, from {seen[-2]:,.0f} to {seen[-1]:,.0f} frames: {last}." if len(seen) > 1 else ""
    )
    return [
        Picture("frames", title, _lines(seen, lines, title, "training frames")),
        *([text] if text else []),
    ]


_FIELDS = {
    "networks": "networks S",
    "rate": "step size of Adam",
    "batch": "frames in a batch",
    "memory": "frames remembered",
    "interval": "frames between two steps",
}


def _hyperparameters(found: Mapping[str, Figures], training: Mapping[str, float]) -> list[Section]:
    """What each field of the training changes; the records are called ``field=value``."""
    if not found:
        return []
    rows, pictures = [], []
    for field, axis in _FIELDS.items():
        own = {float(name.split("=")[1]): value for name, value in found.items() if name.startswith(field)}
        rows += [
            (axis, Number(x, f"{x:g}"), _spread(value.ratio, "{:.4f}"), _spread(value.training, "{:.1f} s"))
            for x, value in own.items()
        ]
        if own:
            title = f"Cost over the certified optimum by {axis}"
            line = {"ddto": np.array([value.ratio.mean() for value in own.values()])}
            pictures.append(
                Picture(f"training-{field}", title, _lines(list(own), line, title, axis, logx=True))
            )
    usual = ", ".join(f"{axis}: {training[field]:g}" for field, axis in _FIELDS.items())
    text = f"One thing varies, the others are those of DDLO's code: {usual}."
    header = ("what", "value", "cost / certified optimum", "training")
    return [Section("How the networks learn", [text, *pictures, Table(header, rows)])]


def _ddlo(found: Mapping[str, Figures]) -> list[Section]:
    """The check against the method's origin."""
    rows = [
        (
            name,
            _spread(value.inverse, "{:.4f}"),
            _spread(100 * value.found, "{:z.1f} %"),
            _spread(value.training, "{:.1f} s"),
        )
        for name, value in found.items()
        if name.startswith("ddto-")
    ]
    text = (
        "DDLO's problem (Huang et al. 2018): no cloud, the uplink split equally, sizes from the same "
        "distribution as its published frames. What counts is the optimum over the cost, as there."
    )
    header = ("method", "certified optimum / cost", "optimal", "training")
    return [Section("DDLO's setting", [text, Table(header, rows)])] if rows else []


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
    points = [
        Named(
            name,
            1e3 * float(value.time.mean()),
            max(100.0 * (float(value.ratio.mean()) - 1.0), _LEAST_EXCESS),
            _COLOURS.get(name.split("-")[0], style.GREY),
        )
        for name, value in values.items()
    ]
    times = [point.x for point in points]
    axes.set(xscale="log", yscale="log", xlabel="time per frame in ms", ylabel="cost above the optimum in %")
    axes.set_xlim(0.6 * min(times), 2.5 * max(times))
    axes.set_ylim(0.6 * _LEAST_EXCESS, 200.0)
    axes.set_yticks([_LEAST_EXCESS, 0.1, 1.0, 10.0, 100.0], ["0", "0.1", "1", "10", "100"])
    name_points(axes, points)
    return figure


def _lines(
    xs: Sequence[float],
    lines: Mapping[str, Floats],
    title: str,
    axis: str,
    *,
    logx: bool = False,
    **look: Any,
) -> Figure:
    """Cost over the optimum of each method."""
    colours = itertools.cycle(LINES)
    curves = [
        Curve(name, xs, values.tolist(), np.zeros(len(values)).tolist(), {"color": colour, **look})
        for (name, values), colour in zip(lines.items(), colours, strict=False)
    ]
    figure = courses(curves, title, axis, "cost / optimum")
    if logx:
        axes = figure.axes[0]
        axes.set_xscale("log")
        axes.set_xticks(xs, [f"{x:g}" for x in xs])
        axes.set_xticks([], minor=True)
    return figure
