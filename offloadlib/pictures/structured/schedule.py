"""What runs where, and when, in one device's task."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from offloadlib.instances import Instance, Solution, evaluate
from offloadlib.instances.structured.timeline import (
    DEVICE_LANE,
    RADIO_LANE,
    Activity,
    Span,
    telling_device,
    timeline,
)
from offloadlib.naming import called

from ..style import BLUE, GREEN, INK, LIGHT, ORANGE, SERIES, STYLE, below, broken_title, canvas

DEADLINE, AHEAD = SERIES[3], 1.6
"""The colour of a deadline, which is shown where it is not later than so many times the delay."""

ROUNDING = 1e-9
"""Relative: what overlaps by less does not."""

LEAST_END = 1e-12
"""Seconds that are shown at the least: a task may take none."""

ACTIVITY_COLOURS = {Activity.EXECUTE: BLUE, Activity.SEND: ORANGE, Activity.RECEIVE: GREEN}


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
    deadline = float(instance.devices.deadline[device])
    if deadline <= AHEAD * delay:
        axes.axvline(deadline, color=DEADLINE, linewidth=1.2)
        axes.annotate(
            f"deadline {deadline:.4g} s",
            (deadline, -0.5),
            (4, -9),
            textcoords="offset points",
            fontsize=8,
            color=DEADLINE,
        )
    axes.axvline(delay, color=INK, linewidth=1, linestyle="--")
    axes.annotate(f"G = {delay:.4g} s", (delay, base - 0.5), (4, 3), textcoords="offset points", fontsize=8)
    axes.set_yticks(ticks, [called(lane, "point") for lane in lanes])
    axes.set_ylim(base - 0.5, -0.5)
    end = max(delay, deadline) if deadline <= AHEAD * delay else delay
    axes.set_xlim(0, max(end, LEAST_END) * 1.12)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("seconds since the task began")
    name = instance.devices.ids[device]
    done = "refused" if evaluation.refused[device] else f"done after {delay:.4g} s"
    broken_title(axes, f"{title}: device {name}, {done} (all local: {local:.4g} s)", 8.0)
    handles: list[Any] = [
        Patch(color=colour, label=str(activity)) for activity, colour in ACTIVITY_COLOURS.items()
    ]
    handles.append(Patch(facecolor="white", edgecolor=INK, linewidth=1.4, label="on the heaviest path"))
    below(figure, handles)
    return figure


def _rows(spans: Sequence[Span], lanes: Sequence[str]) -> dict[str, dict[Span, int]]:
    """For each lane a row for each of its spans, so that spans which overlap stand in different rows."""
    rows: dict[str, dict[Span, int]] = {lane: {} for lane in lanes}
    free: dict[str, list[float]] = {lane: [] for lane in lanes}
    for span in sorted(spans, key=lambda span: (span.begin, not span.critical)):
        ends = free[span.lane]
        slack = ROUNDING * span.end
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
