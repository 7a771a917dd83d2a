"""Figures: that they show what they are given, at few and at many methods, points and devices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from reading import read_structured

from offloadlib.best_known import library, solution_file
from offloadlib.explaining import explain
from offloadlib.instances import InputError, Instance, Solution, evaluate, read_solution
from offloadlib.instances.hybrid import with_best_split
from offloadlib.instances.hybrid.generate import HybridSetting
from offloadlib.instances.hybrid.generate import generate as generate_hybrid
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.timeline import (
    DEVICE_LANE,
    RADIO_LANE,
    Activity,
    telling_device,
    timeline,
)
from offloadlib.methods import Family
from offloadlib.naming import called
from offloadlib.pictures import costs, curves, hybrid, points, structured, style, trends
from offloadlib.studies.statistics import Estimate

METHODS = [f"method-{number}" for number in range(20)]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.findobj(Text) if text.get_text()]


def inside(figure: Figure) -> bool:
    """Whether nothing is cut off at the edge of the figure."""
    figure.draw_without_rendering()
    drawn = figure.get_tightbbox()
    frame = figure.bbox_inches.padded(0.02)
    return bool(
        frame.x0 <= drawn.x0 and drawn.x1 <= frame.x1 and frame.y0 <= drawn.y0 and drawn.y1 <= frame.y1
    )


def clear(figure: Figure) -> bool:
    """Whether it can be read: nothing is cut off, no text runs into another, no legend stands on a panel."""
    if not inside(figure) or any(axes.get_legend() for axes in figure.axes):
        return False
    panels = [axes.get_window_extent() for axes in figure.axes]
    if any(legend.get_window_extent().count_overlaps(panels) for legend in figure.legends):
        return False
    unseen = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for at, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
        if not (axes.axison and min(axis.get_view_interval()) <= at <= max(axis.get_view_interval()))
    }
    written = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text().strip()]
    boxes = [
        Text.get_window_extent(text).padded(-1.0)
        for text in written
        if text.get_visible() and text not in unseen and text.get_rotation() in (0.0, 90.0)
    ]
    return not any(box.count_overlaps(boxes[:i]) for i, box in enumerate(boxes))


def rectangles(axes: Any) -> list[Rectangle]:
    """The bars of some axes."""
    return [patch for patch in axes.patches if isinstance(patch, Rectangle)]


# Comparisons --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("devices", "tasks"), [(1, 1), (3, 3), (30, 3), (31, 2), (300, 1)])
def test_devices_of_a_hybrid_instance_show_what_they_have(devices: int, tasks: int) -> None:
    instance = generate_hybrid(HybridSetting(devices=devices, tasks=tasks), seed=1)
    rng = np.random.default_rng(1)
    solution = with_best_split(instance, rng.integers(0, 3, instance.sizes.shape))
    figure = hybrid.devices(instance, solution, "best")
    upper, lower = figure.axes
    bars = rectangles(upper)
    shares = [bar.get_height() for bar in rectangles(lower)]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(float(instance.sizes.sum()))
    assert sorted(shares) == pytest.approx(sorted(solution.split.tolist()))
    assert clear(figure)


@pytest.mark.parametrize("methods", [1, 5, 20])
def test_sharing_adds_up(methods: int) -> None:
    places = np.random.default_rng(methods).dirichlet(np.ones(3), methods)
    figure = hybrid.sharing(
        hybrid.Sharing("an instance", METHODS[:methods], places, np.linspace(0, 1, methods))
    )
    left, right = figure.axes
    ends = [bar.get_x() + bar.get_width() for bar in left.patches if isinstance(bar, Rectangle)]
    assert ends[-methods:] == pytest.approx([1.0] * methods)
    used = [bar.get_width() for bar in right.patches if isinstance(bar, Rectangle)]
    assert used == pytest.approx(np.linspace(0, 1, methods).tolist())
    assert clear(figure)


def panel(methods: int, *, bound: float | None = 10.0) -> costs.CostPanel:
    bars = [
        costs.Bar(name, Family.EXACT if i % 3 else Family.HEURISTIC, 10.0 + i if i else None, "overrun")
        for i, name in enumerate(METHODS[:methods])
    ]
    return costs.CostPanel("an instance", bars, bound)


@pytest.mark.parametrize("methods", [1, 4, 20])
def test_costs_have_a_bar_a_method(methods: int) -> None:
    figure = costs.cost_by_method(panel(methods))
    (axes,) = figure.axes
    assert axes.get_title(loc="left") == "an instance"
    assert axes.get_xlabel() == "cost F"
    assert len(axes.patches) == methods
    assert [bar.get_width() for bar in rectangles(axes)][1:] == [10.0 + i for i in range(1, methods)]
    assert axes.get_xlim()[0] == 0
    assert [line.get_xdata()[0] for line in axes.lines] == [10.0]  # type: ignore[index]
    assert "overrun" in texts(axes)
    assert [label.get_text() for label in axes.get_yticklabels()] == METHODS[:methods]
    assert clear(figure)


def test_the_distance_to_the_bound_is_written_at_the_bar() -> None:
    bars = [costs.Bar(str(cost), Family.EXACT, cost) for cost in (10.0, 10.05, 12.0, 25.0)]
    figure = costs.cost_by_method(costs.CostPanel("", bars, 10.0))
    written = texts(figure.axes[0])
    for text in ("10  optimal", "10.05  +0.5 %", "12  +20 %", "25  +150 %"):
        assert text in written


def test_without_a_bound_there_is_no_line() -> None:
    figure = costs.cost_by_method(panel(3, bound=None))
    assert not figure.axes[0].lines
    assert "11" in texts(figure.axes[0])


@pytest.mark.parametrize(("methods", "points"), [(1, 1), (4, 10), (12, 30), (20, 125)])
def test_loads_are_a_table_of_colours(methods: int, points: int) -> None:
    share = np.linspace(0, 1, methods * points).reshape(methods, points)
    names = [f"a-long-name-{n}" for n in range(points)]
    loads = structured.Utilisation("title", METHODS[:methods], names, share, share.mean(axis=1))
    figure = structured.utilisation(loads)
    axes = figure.axes[0]
    (mesh,) = (item for item in axes.collections if isinstance(item, QuadMesh))
    np.testing.assert_array_equal(np.asarray(mesh.get_array()).reshape(share.shape), share)
    assert mesh.norm.vmin == 0
    assert mesh.norm.vmax == 1
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert [row.split()[0] for row in rows] == METHODS[:methods]
    if points <= 30:
        assert [label.get_text() for label in axes.get_xticklabels()] == names
    assert clear(figure)


def loads(*shares: list[float]) -> structured.Utilisation:
    share = np.array(shares)
    names = [f"op{n + 1}" for n in range(share.shape[1])]
    return structured.Utilisation("title", METHODS[: len(share)], names, share, share.mean(axis=1))


def test_points_that_all_use_alike_are_told_not_drawn() -> None:
    """A method that uses nothing is not asked."""
    shown, words = loads([0, 0, 0, 0], [1, 0.25, 1, 0.5], [1, 0.5, 1, 0.5]).telling()
    assert shown.points == ["op2"]
    np.testing.assert_array_equal(shown.share, [[0], [0.25], [0.5]])
    assert words == "All methods that offload use 100 % of op1, op3; 50 % of op4."
    shown, words = loads([1, 1], [1, 1]).telling()
    assert (shown.points, words) == ([], "All methods that offload use 100 % of op1, op2.")
    shown, words = loads([1, 0], [0, 1]).telling()
    assert (shown.points, words) == (["op1", "op2"], "")
    shown, words = loads([0, 0], [0.5, 0.5]).telling()
    assert (shown.points, words) == (["op1", "op2"], "")
    many = loads([1] * 20, [1] * 20)
    assert many.telling()[1] == "All methods that offload use 100 % of 20 offload points."


# Curves and points --------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [1, 8, 40])
def test_a_legend_takes_nobodys_place(lines: int) -> None:
    """However many names it has, and however long the title is."""
    title = "Cost above the certified optimum, by capacity of an offload point over the number of devices"
    drawn = [curves.Curve(f"method-{i}", [1, 2, 3], [i, i + 1, i], [0, 1, 0]) for i in range(lines)]
    assert clear(curves.courses(drawn, title, "devices M", "excess in %"))
    means = [Estimate(1.0 + i, 0.1, 5) for i in range(3)]
    trend = [trends.Trend(f"method-{i}", [1, 10, 100], means) for i in range(lines)]
    assert clear(trends.trends({"width": trend, "scarcity": trend}, "cost / optimum"))


def test_what_is_the_same_is_one_line() -> None:
    figure = curves.steps({"a": ([1, 2], [0, 1]), "b": ([1, 2], [1, 1]), "c": ([1, 2], [0, 1])}, "", "", "")
    assert [line.get_label() for line in figure.axes[0].lines] == ["a, c", "b"]
    assert clear(figure)


@pytest.mark.parametrize("seed", range(5))
def test_names_stand_beside_their_points(seed: int) -> None:
    rng = np.random.default_rng(seed)
    figure = style.canvas(6.4, 4.2)
    axes = figure.subplots()
    axes.set(xscale="log", xlim=(0.05, 50), ylim=(-0.2, 1.2))
    x, y = 10 ** rng.uniform(-1, 0.5, 16), rng.random(16)
    points.name_points(axes, [points.Named(METHODS[i], x[i], y[i], style.INK) for i in range(16)])
    assert sorted(text.get_text() for text in axes.texts if text.get_text()) == sorted(METHODS[:16])
    assert clear(figure)


# One solution -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def worked() -> Instance:
    return read_structured(library() / "worked-example.json")


@pytest.fixture(scope="module")
def decided(worked: Instance) -> Solution:
    """The decisions of the specification's worked example."""
    return Solution.from_rows(worked, [[-1, 0, 0, 1, -1], [-1, -1, 1, -1, -1]])


@pytest.mark.parametrize(
    "setting",
    [
        Setting(devices=1, offload_points=1),
        Setting(devices=40, offload_points=10, unconnected=0.2),
        Setting(devices=30, offload_points=40),
        Setting(devices=30, offload_points=5, area=500.0, channels=0),
        Setting(devices=30, offload_points=20, area=500.0),
        Setting(devices=3000, offload_points=8, area=500.0),
        Setting(devices=5, offload_points=3, unconnected=1.0, capacity=0),
    ],
)
def test_a_map_shows_every_device_and_point(setting: Setting) -> None:
    instance = generate(setting, seed=1)
    figure = structured.network_map(instance, Solution.all_local(instance), "title")
    axes = figure.axes[0]
    devices, points = (item for item in axes.collections if isinstance(item, PathCollection))
    assert len(np.asarray(devices.get_offsets())) == instance.num_devices
    assert len(np.asarray(points.get_offsets())) == instance.num_points
    np.testing.assert_array_equal(points.get_array(), 0)
    np.testing.assert_array_equal(devices.get_array(), 0)
    lines = [item for item in axes.collections if isinstance(item, LineCollection)]
    linked = int((instance.devices.connected_to >= 0).sum())
    assert sum(len(item.get_segments()) for item in lines) == (linked if setting.devices < 3000 else 0)
    if setting.area is not None:
        np.testing.assert_array_equal(points.get_offsets(), instance.points.position)
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("x in m", "y in m")
    named = instance.num_points <= (30 if setting.area is None else 12)
    assert (f"op1\n0 of {setting.capacity}" in texts(axes)) == named
    assert inside(figure)


def test_a_map_is_coloured_by_load(worked: Instance, decided: Solution) -> None:
    axes = structured.network_map(worked, decided, "title").axes[0]
    devices, points = (item for item in axes.collections if isinstance(item, PathCollection))
    np.testing.assert_allclose(np.asarray(devices.get_array()), [3 / 5, 1 / 5])
    np.testing.assert_allclose(np.asarray(points.get_array()), evaluate(worked, decided).utilisation_by_point)
    assert "op1\n2 of 3" in texts(axes)


def test_a_small_map_says_who_works_for_whom(worked: Instance, decided: Solution) -> None:
    figure = structured.network_map(worked, decided, "title")
    written = texts(figure.axes[0])
    assert {"ud1: 3 of 5", "ud2: 1 of 5", "op1\n2 of 3", "op2\n2 of 2"} <= set(written)
    assert clear(figure)


def test_nobody_takes_a_name_for_a_number(worked: Instance, decided: Solution) -> None:
    assert [called(name, "point") for name in ("op1", "1e3", "101381")] == [
        "op1",
        "point 1e3",
        "point 101381",
    ]
    points = replace(worked.points, ids=("101381", "7"))
    renamed = replace(worked, points=points)
    for figure in (
        structured.network_map(renamed, decided, "title"),
        structured.device_timeline(renamed, decided, "title"),
    ):
        written = {line for text in texts(figure.axes[0]) for line in text.splitlines()}
        assert {"point 101381", "point 7"} <= written
        assert not {"101381", "7"} & written


@pytest.mark.parametrize("name", ["worked-example", "paper-m040"])
def test_prices_can_be_read(name: str) -> None:
    instance = read_structured(library() / f"{name}.json")
    solution = read_solution(solution_file(name), instance).solution
    found = explain(instance, solution, time_limit=2.0)
    figure = structured.prices(found)
    first = found.limits[0]
    written = texts(figure.axes[0])
    assert f"{first.point}: {first.used:.6g} of {first.size:.6g} subtasks" in written
    assert clear(figure)


def test_the_timeline_of_the_worked_example(worked: Instance, decided: Solution) -> None:
    """The figures of the specification: g2 = 1.4, g5 = 1.25, G = 4.9; t4 is off the heaviest path."""
    spans = timeline(worked, decided, 0)
    shown = [(span.lane, span.subtask, str(span.activity), span.critical) for span in spans]
    assert shown == [
        (DEVICE_LANE, "t1", "execute", True),
        (RADIO_LANE, "t2", "send", True),
        ("op1", "t2", "execute", True),
        ("op1", "t3", "execute", True),
        ("op2", "t4", "execute", False),
        (RADIO_LANE, "t5", "receive", True),
        (RADIO_LANE, "t5", "receive", True),
        (DEVICE_LANE, "t5", "execute", True),
    ]
    begins = [span.begin for span in spans]
    assert begins == pytest.approx([0, 1, 1.4, 2.4, 2.4, 3.65, 3.775, 3.9])
    assert spans[-1].end == pytest.approx(4.9)


@given(
    st.integers(0, 2**31),
    st.sampled_from(["face", "chain-4", "fork-join-3", "layered-9", "series-parallel-8"]),
)
def test_a_timeline_adds_up_to_delay_and_energy(seed: int, application: str) -> None:
    instance = generate(Setting(devices=3, offload_points=3, applications=(application,)), seed=seed)
    rng = np.random.default_rng(seed)
    solution = Solution(tuple(rng.integers(-1, 3, group.work.shape, np.int32) for group in instance.groups))
    evaluation = evaluate(instance, solution)
    for m in range(3):
        spans = timeline(instance, solution, m)
        assert max(span.end for span in spans) == pytest.approx(evaluation.delay[m])
        critical = sum(span.end - span.begin for span in spans if span.critical)
        assert critical == pytest.approx(evaluation.delay[m])
        power = {
            (DEVICE_LANE, Activity.EXECUTE): instance.devices.execute[m],
            (RADIO_LANE, Activity.SEND): instance.devices.send[m],
            (RADIO_LANE, Activity.RECEIVE): instance.devices.receive[m],
        }
        energy = sum(power.get((span.lane, span.activity), 0) * (span.end - span.begin) for span in spans)
        assert energy == pytest.approx(evaluation.energy[m])


def test_the_telling_device_uses_the_most_places(worked: Instance, decided: Solution) -> None:
    assert telling_device(worked, decided) == 0
    swapped = Solution.from_rows(worked, [[-1] * 5, [0, -1, 1, -1, -1]])
    assert telling_device(worked, swapped) == 1
    assert telling_device(worked, Solution.all_local(worked)) == 0


def test_a_timeline_has_a_lane_for_each_place(worked: Instance, decided: Solution) -> None:
    figure = structured.device_timeline(worked, decided, "title")
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == [DEVICE_LANE, RADIO_LANE, "op1", "op2"]
    assert len(axes.patches) == len(timeline(worked, decided, 0))
    assert axes.get_xlabel() == "seconds since the task began"
    assert "device ud1, done after 4.9 s (all local: 6.5 s)" in axes.get_title(loc="left")
    assert "G = 4.9 s" in texts(axes)
    assert clear(figure)


def test_spans_that_overlap_stand_in_different_rows() -> None:
    instance = generate(Setting(devices=1, applications=("fork-join-6",)), seed=1)
    axes = structured.device_timeline(instance, Solution.all_local(instance), "title").axes[0]
    bars = [(bar.get_y(), bar.get_x(), bar.get_x() + bar.get_width()) for bar in rectangles(axes)]
    for i, (row, begin, end) in enumerate(bars):
        for other_row, other_begin, other_end in bars[:i]:
            assert row != other_row or begin >= other_end - 1e-9 or other_begin >= end - 1e-9
    assert len({row for row, *_ in bars}) == 6


# Files --------------------------------------------------------------------------------------------


def test_the_same_figure_as_png_and_svg(tmp_path: Path) -> None:
    figure = costs.cost_by_method(panel(3))
    for kind, start in (("png", b"\x89PNG"), ("svg", b"<?xml")):
        style.save(figure, tmp_path / f"a.{kind}")
        assert (tmp_path / f"a.{kind}").read_bytes().startswith(start)


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = costs.cost_by_method(panel(3))
    path = tmp_path / "a.png"
    path.write_text("before")

    def fail(file: object, **_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(figure, "savefig", fail)
    with pytest.raises(MemoryError):
        style.save(figure, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(InputError):
        style.save(figure, tmp_path / "nowhere" / "a.png")


def test_no_picture_touches_the_global_state(worked: Instance) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    structured.device_timeline(replace(worked), Solution.all_local(worked), "title")
    assert dict(mpl.rcParams) == before
