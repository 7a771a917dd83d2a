"""Pictures of instances, solutions and comparisons.

Each function takes data and returns a ``matplotlib.figure.Figure``; nothing here touches pyplot or its
global state. Colours are those of Okabe and Ito, which colour-blind readers tell apart, and for loads
one hue from light to dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from offloadlib.instances import LOCAL, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats
from offloadlib.instances.files.document import replacing
from offloadlib.instances.hybrid import HybridInstance, HybridSolution
from offloadlib.pictures.timeline import DEVICE_LANE, RADIO_LANE, Activity, Span, telling_device, timeline
from offloadlib.registry import Family

if TYPE_CHECKING:
    from offloadlib.explaining import Explanation, Limit

BLUE, ORANGE, GREEN = "#0072B2", "#E69F00", "#009E73"
GREY, LINK, LIGHT, INK = "#8A8A8A", "#BBBBBB", "#DDDDDD", "#333333"
SERIES = (BLUE, ORANGE, GREEN, "#D55E00", "#CC79A7", "#56B4E9", INK)
FAMILY_COLOURS = {Family.EXACT: BLUE, Family.HEURISTIC: ORANGE}
ACTIVITY_COLOURS = {Activity.EXECUTE: BLUE, Activity.SEND: ORANGE, Activity.RECEIVE: GREEN}
PLACE_COLOURS = {"device": BLUE, "edge": ORANGE, "cloud": GREEN}
LOAD_COLOURS, DEVICE_LOAD_COLOURS = "Blues", "Oranges"

STYLE: Any = {  # of all figures: ``rc_context(STYLE)``
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
}

_PANELS_PER_ROW = 3
_NAMED_POINTS, _NAMED_ON_A_MAP = 30, 12
_MANY_DEVICES = 2_000
_BOXED = 10


@dataclass(frozen=True)
class Bar:
    """One method's cost: None, with a note why, where it has none."""

    method: str
    family: Family
    cost: float | None
    note: str = ""


@dataclass(frozen=True)
class CostPanel:
    """The costs on one instance, and the certified lower bound, if there is one."""

    title: str
    bars: Sequence[Bar]
    bound: float | None


@dataclass(frozen=True)
class Loads:
    """The share of each offload point's capacity that each method uses: (methods, points)."""

    title: str
    methods: Sequence[str]
    points: Sequence[str]
    share: Floats
    total: Floats


@rc_context(STYLE)
def save(figure: Figure, path: str | Path) -> None:
    """Write a figure, as PNG or SVG by the name of the file, whole or not at all.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=150)


def canvas(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _number(value: float) -> str:
    """Six significant digits."""
    return f"{value:.6g}"


# Comparisons --------------------------------------------------------------------------------------


@rc_context(STYLE)
def cost_by_method(panels: Sequence[CostPanel]) -> Figure:
    """Cost by method as bars, with the certified bound as a line; one panel per instance."""
    columns = min(len(panels), _PANELS_PER_ROW)
    rows = math.ceil(len(panels) / columns)
    most = max(len(panel.bars) for panel in panels)
    figure = canvas(2.2 + 3.6 * columns, 0.7 + rows * (1.0 + 0.26 * most))
    grid = figure.subplots(rows, columns, squeeze=False)
    for number, axes in enumerate(grid.flat):
        if number < len(panels):
            _draw_costs(axes, panels[number], named=number % columns == 0)
        else:
            axes.set_axis_off()
    families = {bar.family: None for panel in panels for bar in panel.bars}
    handles: list[Any] = [Patch(color=FAMILY_COLOURS[family], label=str(family)) for family in families]
    handles.append(Line2D([], [], color=INK, linestyle="--", label="certified lower bound"))
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles))
    return figure


def _draw_costs(axes: Axes, panel: CostPanel, *, named: bool) -> None:
    places = range(len(panel.bars))
    costs = [0.0 if bar.cost is None else bar.cost for bar in panel.bars]
    axes.barh(places, costs, height=0.7, color=[FAMILY_COLOURS[bar.family] for bar in panel.bars])
    end = max([*costs, panel.bound or 0.0]) or 1.0
    for place, bar in zip(places, panel.bars, strict=True):
        text = bar.note if bar.cost is None else f"{_number(bar.cost)}{_excess(bar.cost, panel.bound)}"
        colour, style = (GREY, "italic") if bar.cost is None else (INK, "normal")
        start = 0.0 if bar.cost is None else bar.cost
        axes.annotate(
            text,
            (start, place),
            (4, 0),
            textcoords="offset points",
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5} if bar.cost is None else None,
            fontsize=8,
            color=colour,
            style=style,
        )
    if panel.bound is not None:
        axes.axvline(panel.bound, color=INK, linestyle="--", linewidth=1)
    axes.set_xlim(0, end * 1.42)
    axes.set_ylim(len(panel.bars) - 0.4, -0.6)
    axes.set_yticks(list(places), [bar.method for bar in panel.bars] if named else [])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda cost, _: _number(cost))
    axes.set_xlabel("cost F")
    axes.set_title(panel.title)


def _excess(cost: float, bound: float | None) -> str:
    """How far a cost is above the bound, if that can be said."""
    if bound is None or bound <= 0:
        return ""
    share = cost / bound - 1
    if share <= 1e-9:
        return "  optimal"
    return f"  +{100 * share:.2g} %" if share < 0.1 else f"  +{100 * share:.0f} %"


@rc_context(STYLE)
def utilisation(loads: Loads) -> Figure:
    """How much of each offload point's capacity each method uses, as a table of colours."""
    methods, points = len(loads.methods), len(loads.points)
    named = points <= _NAMED_POINTS
    width = max(min(2.6 + 0.42 * points, 13.0), 5.0)
    figure = canvas(width, 1.5 + 0.3 * methods)
    axes = figure.subplots()
    norm = Normalize(0, 1)
    mesh = axes.pcolormesh(
        loads.share, cmap=LOAD_COLOURS, norm=norm, edgecolor=LIGHT, linewidth=0.5 if named else 0.0
    )
    if named:
        for (row, column), share in np.ndenumerate(loads.share):
            axes.text(
                column + 0.5,
                row + 0.5,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=7,
                color="white" if share > 0.6 else INK,
            )
        turned = max(map(len, loads.points)) * 0.08 > (width - 2.6) / points  # in inches
        axes.set_xticks(
            np.arange(points) + 0.5,
            loads.points,
            rotation=45 if turned else 0,
            ha="right" if turned else "center",
            rotation_mode="anchor" if turned else None,
        )
    axes.set_yticks(
        np.arange(methods) + 0.5,
        [f"{name}  {_percent(total)}" for name, total in zip(loads.methods, loads.total, strict=True)],
    )
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("offload point" if named else f"the {points} offload points, in file order")
    axes.set_title(loads.title)
    bar = figure.colorbar(mesh, ax=axes, format=_percent, pad=0.02)
    bar.outline.set_visible(False)
    bar.set_label("capacity used")
    return figure


@dataclass(frozen=True)
class Sharing:
    """What methods make of a hybrid instance: (methods, places) shares of all Mbit, and of the uplink."""

    title: str
    methods: Sequence[str]
    places: Floats
    uplink: Floats


@rc_context(STYLE)
def sharing(shares: Sharing) -> Figure:
    """Where the Mbit of all tasks go, and how much of the uplink is given away, by method."""
    rows = np.arange(len(shares.methods))
    figure = canvas(6.4, 1.3 + 0.28 * len(rows))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    begin = np.zeros(len(rows))
    for share, name, colour in zip(shares.places.T, PLACE_COLOURS, PLACE_COLOURS.values(), strict=True):
        left.barh(rows, share, left=begin, height=0.7, color=colour, label=name)
        for row in np.flatnonzero(share >= 0.08):
            middle = begin[row] + 0.5 * share[row]
            left.text(middle, row, _percent(share[row]), ha="center", va="center", fontsize=7, color="white")
        begin += share
    right.barh(rows, shares.uplink, height=0.7, color=GREY)
    left.set_yticks(rows, shares.methods)
    left.invert_yaxis()
    left.set_title(shares.title)
    for axes, label in ((left, "share of all Mbit"), (right, "uplink given away")):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.5, 1] if axes is right else np.linspace(0, 1, 6))
        axes.xaxis.set_major_formatter(_percent)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(label)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(PLACE_COLOURS))
    return figure


@rc_context(STYLE)
def devices(instance: HybridInstance, solution: HybridSolution, title: str) -> Figure:
    """What each device runs itself and uploads, and its share of the uplink."""
    many = instance.num_devices > _NAMED_POINTS
    uploaded = np.where(solution.places > 0, instance.sizes, 0.0).sum(axis=1)
    order = np.argsort(-uploaded, kind="stable") if many else np.arange(instance.num_devices)
    figure = canvas(min(max(5.0, 1.6 + 0.3 * instance.num_devices), 10.0), 4.0)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    at, begin = np.arange(instance.num_devices), np.zeros(instance.num_devices)
    width = 1.0 if many else 0.7
    for place, (name, colour) in enumerate(PLACE_COLOURS.items()):
        size = np.where(solution.places == place, instance.sizes, 0.0).sum(axis=1)[order]
        upper.bar(at, size, width, begin, color=colour, label=name)
        begin += size
    lower.bar(at, solution.split[order], width, color=GREY)
    lower.set_xlim(-0.8, instance.num_devices - 0.2)
    if many:
        lower.set_xlabel(f"the {instance.num_devices} devices, who uploads most first")
        lower.set_xticks([])
    else:
        names = [instance.devices[i] for i in order]
        turned = max(map(len, names)) > 4
        lower.set_xticks(at, names, rotation=45 if turned else 0, ha="right" if turned else "center")
    upper.tick_params(axis="x", length=0)
    upper.set_ylabel("Mbit")
    lower.set_ylabel("Mbit/s")
    upper.set_title(title)
    figure.legend(*upper.get_legend_handles_labels(), loc="outside lower center", ncols=len(PLACE_COLOURS))
    return figure


# Studies ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Curve:
    """A mean over x, with half the width of its interval; ``look`` is any of matplotlib's line properties."""

    name: str
    x: Sequence[float]
    mean: Sequence[float]
    half: Sequence[float]
    look: Mapping[str, Any] = field(default_factory=dict)


@rc_context(STYLE)
def courses(curves: Sequence[Curve], title: str, x: str, y: str, *, log: bool = False) -> Figure:
    """Curves with bands for their intervals, and their names beside the picture.

    Parameters
    ----------
    curves
        What to draw, the first below the others.
    title
        Of the picture.
    x, y
        Names of the axes.
    log
        Whether y is logarithmic.
    """
    figure = canvas(7.4, 4.0)
    axes = figure.subplots()
    for curve in curves:
        mean, half = np.asarray(curve.mean, dtype=float), np.asarray(curve.half, dtype=float)
        look = {"marker": "o", "markersize": 3.5, "linewidth": 1.4, **curve.look}
        line = axes.plot(curve.x, mean, label=curve.name, **look)[0]
        if half.any():
            low = np.maximum(mean - half, 0.1 * mean) if log else mean - half
            axes.fill_between(curve.x, low, mean + half, color=line.get_color(), alpha=0.15, linewidth=0)
    if log:
        axes.set_yscale("log")
    axes.grid(axis="y", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
    figure.legend(loc="outside right upper")
    return figure


@rc_context(STYLE)
def boxes(names: Sequence[str], values: Sequence[Floats], title: str, x: str) -> Figure:
    """Distributions: all values as points, half of them in the box, 90% between the whiskers.

    Parameters
    ----------
    names
        One per distribution, the first at the top.
    values
        The numbers of each; fewer than ten have no box. The axis is logarithmic where they reach
        beyond ten times the least.
    title
        Of the picture.
    x
        Name of the axis.
    """
    figure = canvas(7.4, 1.0 + 0.27 * len(names))
    axes = figure.subplots()
    many = [(at, given) for at, given in enumerate(values, start=1) if len(given) >= _BOXED]
    if many:
        drawn = axes.boxplot(
            [given for _, given in many],
            positions=[at for at, _ in many],
            orientation="horizontal",
            whis=(5, 95),
            widths=0.6,
            patch_artist=True,
            showfliers=False,
            medianprops={"color": INK, "linewidth": 1.4},
        )
        for patch in drawn["boxes"]:
            patch.set(facecolor=ORANGE, alpha=0.6, linewidth=0.6)
    for at, given in enumerate(values, start=1):
        axes.plot(given, np.full(len(given), at), ".", color=BLUE, markersize=4, alpha=0.5, zorder=3)
    axes.set_ylim(0.4, len(names) + 0.6)
    axes.set_yticks(range(1, len(names) + 1), names)
    axes.invert_yaxis()
    everything = np.concatenate(list(values))
    if len(everything) and everything.max() > 10 * everything.min():
        axes.set_xscale("log")
    axes.grid(axis="x", color=LIGHT, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(x)
    axes.set_title(title)
    return figure


# One solution -------------------------------------------------------------------------------------


@rc_context(STYLE)
def network_map(instance: Instance, solution: Solution, title: str) -> Figure:
    """Devices and offload points where they are, coloured by load.

    Where the instance has no positions, each offload point stands on a circle, with the devices of its
    radio around it and the devices without a connection in the middle.
    """
    layout = _positions(instance)
    evaluation = evaluate(instance, solution)
    width, height = np.ptp(np.vstack([layout.names, layout.devices]), axis=0)
    figure = canvas(8.6, 1.2 + 6.0 * float(np.clip(height / max(width, 1e-12), 0.6, 1.1)))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 0.02], hspace=0.15)
    axes = figure.add_subplot(grid[:, 0])
    _draw_links(axes, instance, layout)
    devices = _draw_devices(axes, instance, solution, layout.devices)
    named = instance.num_points <= (_NAMED_ON_A_MAP if layout.is_map else _NAMED_POINTS)
    scale = 1.0 if named else 0.3
    points = _draw_points(axes, instance, layout.points, evaluation.utilisation_by_point, scale)
    if named:
        _name_points(axes, instance, layout, evaluation.used.tolist())
    axes.update_datalim(layout.names)  # names do not count by themselves
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    if layout.is_map:
        axes.set_xlabel("x in m")
        axes.set_ylabel("y in m")
    else:
        axes.set_axis_off()
    axes.set_title(title)
    for row, (colours, label) in enumerate(((points, "capacity in use"), (devices, "subtasks offloaded"))):
        bar = figure.colorbar(colours, cax=figure.add_subplot(grid[row, 1]), format=_percent)
        bar.outline.set_visible(False)
        bar.set_label(label)
    figure.legend(handles=_map_legend(instance), loc="outside lower left", ncols=3)
    return figure


def _percent(share: float, _: object = None) -> str:
    return f"{100 * share:.0f} %"


def _map_legend(instance: Instance) -> list[Line2D]:
    style: dict[str, Any] = {"linestyle": "", "markerfacecolor": "white", "markeredgecolor": GREY}
    handles = [
        Line2D([], [], marker="s", markersize=9, label="offload point", **style),
        Line2D([], [], marker="o", label="device", **style),
    ]
    if instance.num_devices <= _MANY_DEVICES:
        handles.append(Line2D([], [], color=LINK, label="its radio link"))
    return handles


@dataclass(frozen=True)
class _Layout:
    """Where to draw points (N, 2), the middle of their names (N, 2), and devices (M, 2)."""

    points: Floats
    names: Floats
    devices: Floats
    is_map: bool


def _positions(instance: Instance) -> _Layout:
    points, devices = instance.points.position, instance.devices.position
    if np.isnan(points).any() or np.isnan(devices).any():
        return _circle(instance)
    return _Layout(points, points, devices, is_map=True)


def _circle(instance: Instance) -> _Layout:
    count = instance.num_points
    angle = np.pi - 2 * np.pi * np.arange(count) / count
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    room = 0.45 if count < 3 else min(0.45, 0.85 * math.sin(math.pi / count))
    devices = np.empty((instance.num_devices, 2))
    for n in range(LOCAL, count):
        members = np.flatnonzero(instance.devices.connected_to == n)
        centre = np.zeros(2) if n == LOCAL else ring[n]
        devices[members] = centre + room * _sunflower(len(members))
    return _Layout(ring, (1.13 + room) * ring, devices, is_map=False)


def _sunflower(count: int) -> Floats:
    """``count`` places spread evenly over the unit disc, its centre left free."""
    step = np.arange(count) + 1.0
    radius, angle = np.sqrt((step + 1) / (count + 1)), step * np.pi * (3 - math.sqrt(5))
    places: Floats = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    return places


def _draw_links(axes: Axes, instance: Instance, layout: _Layout) -> None:
    """A line from each device to the offload point of its radio, unless there are too many."""
    if instance.num_devices <= _MANY_DEVICES:
        linked = np.flatnonzero(instance.devices.connected_to != LOCAL)
        points = layout.points[instance.devices.connected_to[linked]]
        ends = np.stack([layout.devices[linked], points], axis=1)
        axes.add_collection(LineCollection(list(ends), colors=LINK, linewidths=0.6, zorder=1))


def _draw_devices(axes: Axes, instance: Instance, solution: Solution, places: Floats) -> PathCollection:
    """The devices, coloured by how much of their task they offload."""
    share = np.empty(instance.num_devices)
    for group, decisions in zip(instance.groups, solution.places, strict=True):
        share[group.members] = (decisions != LOCAL).mean(axis=1)
    size = float(np.clip(6000 / instance.num_devices, 1, 40))
    return axes.scatter(
        places[:, 0],
        places[:, 1],
        s=size,
        c=share,
        cmap=DEVICE_LOAD_COLOURS,
        norm=Normalize(0, 1),
        edgecolor=GREY if size > 10 else "none",
        linewidth=0.5,
        zorder=2,
        rasterized=instance.num_devices > _MANY_DEVICES,
    )


def _draw_points(
    axes: Axes, instance: Instance, places: Floats, share: Floats, scale: float
) -> PathCollection:
    """The offload points, larger with more capacity, coloured by how much of it is used."""
    capacity = instance.points.capacity
    size = scale * (60 + 200 * capacity / max(capacity.max(), 1))
    return axes.scatter(
        places[:, 0],
        places[:, 1],
        s=size,
        marker="s",
        c=share,
        cmap=LOAD_COLOURS,
        norm=Normalize(0, 1),
        edgecolor=GREY,
        linewidth=0.8,
        zorder=3,
    )


def _name_points(axes: Axes, instance: Instance, layout: _Layout, used: list[int]) -> None:
    """Name and load of each point: below it on a map, else outside of its devices."""
    for name, place, taken, room in zip(
        instance.points.ids, layout.names, used, instance.points.capacity.tolist(), strict=True
    ):
        axes.annotate(
            f"{name}\n{taken} of {room}",
            (place[0], place[1]),
            (0, -11 if layout.is_map else 0),
            textcoords="offset points",
            ha="center",
            va="top" if layout.is_map else "center",
            fontsize=7,
            zorder=1.5,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
        )


@rc_context(STYLE)
def device_timeline(instance: Instance, solution: Solution, title: str, device: int | None = None) -> Figure:
    """The timeline of one device's task: what runs where, and what its radio sends and receives when.

    Parameters
    ----------
    instance, solution
        The instance, and feasible decisions.
    title
        Beginning of the title; the device and its delay follow.
    device
        Position of the device; by default the one whose task uses the most places.
    """
    if device is None:
        device = telling_device(instance, solution)
    evaluation = evaluate(instance, solution)
    spans = timeline(instance, solution, device)
    delay, local = float(evaluation.delay[device]), float(evaluation.local.delay[device])
    lanes = list(dict.fromkeys([DEVICE_LANE, RADIO_LANE, *(span.lane for span in spans)]))
    rows = _rows(spans, lanes)
    height = sum(max(row.values(), default=0) + 1 for row in rows.values())
    figure = canvas(9.5, 1.7 + 0.42 * height)
    axes = figure.subplots()
    ticks, base = [], 0
    for lane in lanes:
        depth = max(rows[lane].values(), default=0) + 1
        if base:
            axes.axhline(base - 0.5, color=LIGHT, linewidth=0.8, zorder=0)
        for span, row in rows[lane].items():
            _draw_span(axes, span, base + row, delay)
        ticks.append(base + (depth - 1) / 2)
        base += depth
    axes.axvline(delay, color=INK, linewidth=1, linestyle="--")
    axes.annotate(f"G = {delay:.4g} s", (delay, base - 0.5), (4, 3), textcoords="offset points", fontsize=8)
    axes.set_yticks(ticks, lanes)
    axes.set_ylim(base - 0.5, -0.5)
    axes.set_xlim(0, max(delay, 1e-12) * 1.12)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("seconds since the task began")
    name = instance.devices.ids[device]
    axes.set_title(f"{title}: device {name}, done after {delay:.4g} s (all local: {local:.4g} s)")
    handles: list[Any] = [
        Patch(color=colour, label=str(activity)) for activity, colour in ACTIVITY_COLOURS.items()
    ]
    handles.append(Patch(facecolor="white", edgecolor=INK, linewidth=1.4, label="on the heaviest path"))
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
    return figure


def _rows(spans: Sequence[Span], lanes: Sequence[str]) -> dict[str, dict[Span, int]]:
    """For each lane a row for each of its spans, so that spans which overlap stand in different rows."""
    rows: dict[str, dict[Span, int]] = {lane: {} for lane in lanes}
    free: dict[str, list[float]] = {lane: [] for lane in lanes}
    for span in sorted(spans, key=lambda span: (span.begin, not span.critical)):
        ends = free[span.lane]
        slack = 1e-9 * max(span.end, 1e-300)
        row = next((i for i, end in enumerate(ends) if end <= span.begin + slack), len(ends))
        ends[row:] = [span.end, *ends[row + 1 :]]
        rows[span.lane][span] = row
    return rows


def _draw_span(axes: Axes, span: Span, row: int, delay: float) -> None:
    length = span.end - span.begin
    wide = length > 0.008 * delay  # the frame of a narrow bar would hide it
    axes.barh(
        row,
        length,
        left=span.begin,
        height=0.72,
        color=ACTIVITY_COLOURS[span.activity],
        alpha=1.0 if span.critical else 0.45,
        edgecolor="none" if not wide else INK if span.critical else "white",
        linewidth=1.4,
        zorder=2,
    )
    # A label that would stick out of its bar tells less than none.
    if length > 0.012 * delay * (len(span.subtask) + 1):
        colour = "white" if span.critical and span.activity is not Activity.SEND else INK
        axes.text(
            span.begin + length / 2,
            row,
            span.subtask,
            ha="center",
            va="center",
            fontsize=8,
            color=colour,
            zorder=3,
        )


# Prices -------------------------------------------------------------------------------------------

_SHOWN_LIMITS = 24


@rc_context(STYLE)
def prices(explanation: Explanation) -> Figure:
    """What one more of each limit is worth, by its price and as tried; and a device's reduced costs."""
    limits = [limit for limit in explanation.limits[:_SHOWN_LIMITS] if limit.worth > 0 or limit.saved]
    choices, points = explanation.choices, explanation.instance.points.ids
    figure = canvas(11.0, 1.6 + 0.28 * max(len(limits), len(choices), 6))
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.4])
    _draw_prices(left, limits)
    _draw_reduced_costs(figure, right, explanation, [*points, "local"])
    return figure


def _draw_prices(axes: Axes, limits: Sequence[Limit]) -> None:
    rows = np.arange(len(limits))
    axes.barh(rows, [limit.worth for limit in limits], color=BLUE, height=0.65, label="price")
    tried = [(row, limit.saved) for row, limit in zip(rows, limits, strict=True) if limit.saved is not None]
    if tried:
        axes.plot(
            [saved for _, saved in tried],
            [row for row, _ in tried],
            linestyle="",
            marker="D",
            color=ORANGE,
            markeredgecolor="white",
            label="saved when tried",
        )
    names = [
        f"{limit.point}, {'places' if limit.kind == 'capacity' else 'channels'} {limit.used}/{limit.size}"
        for limit in limits
    ]
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel("cost that one more saves")
    axes.set_title("What one more is worth" if limits else "No limit has a price")
    if limits:
        axes.legend(loc="lower right")


def _draw_reduced_costs(figure: Figure, axes: Axes, explanation: Explanation, places: Sequence[str]) -> None:
    costs = np.array([choice.reduced_cost for choice in explanation.choices])
    known = np.isfinite(costs)
    shown = np.where(known, costs, np.nan)
    top = float(np.nanmax(shown)) if known.any() else 1.0
    mesh = axes.pcolormesh(shown, cmap=LOAD_COLOURS, vmin=0, vmax=top or 1.0, edgecolor=LIGHT, linewidth=0.5)
    for row, choice in enumerate(explanation.choices):
        column = places.index(choice.place or "local") if choice.place in places else len(places) - 1
        dark = known[row, column] and costs[row, column] > 0.6 * top > 0
        axes.plot(column + 0.5, row + 0.5, marker="o", color="white" if dark else INK, markersize=5)
    if len(places) <= _NAMED_POINTS + 1:
        turned = max(map(len, places)) * len(places) > 60
        axes.set_xticks(
            np.arange(len(places)) + 0.5,
            places,
            rotation=45 if turned else 0,
            ha="right" if turned else "center",
            rotation_mode="anchor" if turned else None,
        )
    axes.set_yticks(np.arange(len(costs)) + 0.5, [choice.subtask for choice in explanation.choices])
    axes.invert_yaxis()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{explanation.device}: reduced cost of each place (dot: where it runs)")
    bar = figure.colorbar(mesh, ax=axes, pad=0.02)
    bar.outline.set_visible(False)
