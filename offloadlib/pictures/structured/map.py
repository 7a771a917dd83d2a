"""Devices and offload points where they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from offloadlib.instances import LOCAL, UNLIMITED, Evaluation, Instance, Solution, evaluate
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.sides import side
from offloadlib.instances.structured.violations import OWN
from offloadlib.naming import called

from ..style import (
    DEVICE_LOAD_COLOURS,
    GREY,
    INK,
    LINK,
    LOAD_COLOURS,
    NAMED_POINTS,
    ORANGE,
    SERIES,
    STYLE,
    below,
    broken_title,
    canvas,
    percent,
)

_MANY_DEVICES, _NAMED_ON_A_MAP = 2_000, 12

LEAST_WIDTH = 1e-12
"""Metres: all may stand at one place."""


@rc_context(STYLE)
def network_map(instance: Instance, solution: Solution, title: str) -> Figure:
    """Devices and offload points where they are, coloured by load.

    Where the instance has no positions, each offload point stands on a circle, with the devices of its
    radio around it and the devices without a connection in the middle.
    """
    layout = _positions(instance)
    evaluation = evaluate(instance, solution)
    width, height = np.ptp(np.vstack([layout.names, layout.devices]), axis=0)
    figure = canvas(8.0, 1.2 + 5.6 * float(np.clip(height / max(width, LEAST_WIDTH), 0.4, 1.1)))
    grid = figure.add_gridspec(2, 2, width_ratios=[1, 0.02], hspace=0.15)
    axes = figure.add_subplot(grid[:, 0])
    _draw_links(axes, instance, layout)
    told = not layout.is_map and instance.num_devices <= _NAMED_ON_A_MAP
    work = _draw_work(axes, instance, solution, layout) if told else []
    devices = _draw_devices(axes, instance, solution, layout.devices)
    named = instance.num_points <= (_NAMED_ON_A_MAP if layout.is_map else NAMED_POINTS)
    scale = 1.0 if named else 0.3
    points = _draw_points(axes, instance, layout.points, _fullest(evaluation), scale)
    apart = _mark_devices(axes, evaluation, layout.devices)
    if named:
        _name_points(axes, evaluation, layout)
    if told:
        _name_devices(axes, instance, solution, layout.devices)
    axes.update_datalim(layout.names)  # names do not count by themselves
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.08)
    if layout.is_map:
        axes.set_xlabel("x in m")
        axes.set_ylabel("y in m")
    else:
        axes.set_axis_off()
    broken_title(axes, title, 6.5)
    in_use = "use of its fullest limit" if instance.resources else "capacity in use"
    for row, (colours, label) in enumerate(((points, in_use), (devices, "subtasks offloaded"))):
        bar = figure.colorbar(
            colours, cax=figure.add_subplot(grid[row, 1]), format=percent, ticks=[0, 0.5, 1]
        )
        bar.outline.set_visible(False)
        bar.set_label(label)
    below(figure, [*_map_legend(instance), *work, *apart])
    return figure


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


def _draw_work(axes: Axes, instance: Instance, solution: Solution, layout: _Layout) -> list[Any]:
    """A line from each device to each offload point that works for it, the wider the more subtasks it has."""
    lines = []
    for m, row in enumerate(solution.rows(instance)):
        for n, count in Counter(place for place in row if place >= 0).items():
            ends = np.array([layout.devices[m], layout.points[n]])
            lines += axes.plot(*ends.T, color=ORANGE, linewidth=1.0 + count, alpha=0.5, zorder=0.9)
    return [Line2D([], [], color=ORANGE, linewidth=3, alpha=0.5, label="its subtasks")] if lines else []


def _name_devices(axes: Axes, instance: Instance, solution: Solution, places: Floats) -> None:
    """Name and offloaded subtasks of each device, above it."""
    for m, row in enumerate(solution.rows(instance)):
        away = sum(place >= 0 for place in row)
        axes.annotate(
            f"{called(instance.devices.ids[m], 'device')}: {away} of {len(row)}",
            (places[m, 0], places[m, 1]),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )


def _draw_devices(axes: Axes, instance: Instance, solution: Solution, places: Floats) -> PathCollection:
    """The devices, coloured by how much of their task they offload."""
    share = np.empty(instance.num_devices)
    for group, decisions in zip(instance.groups, solution.places, strict=True):
        share[group.members] = side(decisions).mean(axis=1)
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


def _mark_devices(axes: Axes, evaluation: Evaluation, places: Floats) -> list[Any]:
    """A cross on each refused device, a ring around each late one; what stands for them in the legend."""
    late = {broken.name for broken in evaluation.beyond if broken.limit in OWN}
    marks = {
        "refused": ("x", INK, evaluation.refused),
        "late, or beyond its energy budget": (
            "o",
            SERIES[3],
            np.array([name in late for name in evaluation.instance.devices.ids]),
        ),
    }
    return [
        axes.scatter(
            places[chosen, 0],
            places[chosen, 1],
            s=float(np.clip(12000 / len(places), 8, 80)),
            marker=marker,
            facecolor=colour if marker == "x" else "none",
            edgecolor=None if marker == "x" else colour,
            linewidth=1.4,
            zorder=4,
            label=name,
        )
        for name, (marker, colour, chosen) in marks.items()
        if chosen.any()
    ]


def _fullest(evaluation: Evaluation) -> Floats:
    """(N,) share of the limit of each point that is used most; 0 where it has none."""
    found: Floats = np.nan_to_num(evaluation.utilisation_by_resource).max(axis=0)
    return found


def _draw_points(
    axes: Axes, instance: Instance, places: Floats, share: Floats, scale: float
) -> PathCollection:
    """The offload points, larger with more capacity, coloured by how much of it is used."""
    capacity = instance.points.capacity
    counted = capacity[capacity != UNLIMITED]
    largest = max(counted.max(initial=0), 1)  # a point that takes any number is drawn as the largest one
    size = scale * (60 + 200 * np.minimum(capacity, largest) / largest)
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


def _loads(evaluation: Evaluation, n: int) -> Iterator[str]:
    """What is used of a point, and of how much."""
    instance, points, used = evaluation.instance, evaluation.instance.points, int(evaluation.used[n])
    if points.capacity[n] != UNLIMITED:
        yield f"{used} of {points.capacity[n]}"
    elif not np.isfinite(points.room[:, n]).any():
        yield f"{used} subtasks"
    for r in np.flatnonzero(np.isfinite(points.room[:, n])).tolist():
        yield f"{evaluation.taken[r, n]:.4g} of {points.room[r, n]:.4g} {instance.resources[r]}"


def _name_points(axes: Axes, evaluation: Evaluation, layout: _Layout) -> None:
    """Name and load of each point: below it on a map, else outside of its devices."""
    for n, (name, place) in enumerate(zip(evaluation.instance.points.ids, layout.names, strict=True)):
        axes.annotate(
            "\n".join([called(name, "point"), *_loads(evaluation, n)]),
            (place[0], place[1]),
            (0, -11 if layout.is_map else 0),
            textcoords="offset points",
            ha="center",
            va="top" if layout.is_map else "center",
            fontsize=7,
            zorder=1.5,
            bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
        )
