"""What an importer of task graphs says in words of what it has assumed, counted, left out and scaled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import counted
from ..files.schema import SMALLEST
from .formats import Words
from .setting import GraphSetting
from .surroundings import Surroundings
from .task_graph import TaskGraph


def conversions(
    words: Words,
    setting: GraphSetting,
    graphs: Sequence[TaskGraph],
    around: Surroundings,
    scales: bool,
    second: bool,
) -> Iterator[str]:
    """What holds for all of the instance, which may be of format 2 (``second``)."""
    idle = [graph for graph in graphs if graph.facts["tasks_without_run_time"]]
    if idle:
        low, high = setting.run_time
        drawn = f"drawn from U[{low:g}, {high:g}] s" if low < high else f"taken as {low:g} s"
        sized = not scales and any(graph.facts["work_factor"] != 1 for graph in idle)
        mean = f", scaled to a mean of {setting.mean_work:g} MI in each" if sized else ""
        yield f"run times: {drawn} for the {words.noun}s that have none{mean}"
    work = f"scaled to a mean of {setting.mean_work:g} MI in each {words.noun}" if scales else "taken as MI"
    yield f"work: {words.work}, {work}"
    empty = [graph for graph in graphs if not graph.mobile_data.any()]
    if len(empty) == len(graphs):
        yield "data: none, so that no transfer takes time or energy"
    elif scales:
        which = " that has data" if empty else ""
        mean = f"scaled to a mean transfer of {setting.mean_data:g} Mbit in each {words.noun}{which}"
        yield f"data: {words.data}, {mean}"
    else:
        yield f"data: {words.data}, {words.unit}"
    if any(graph.facts.get(key) for graph in graphs for key in _DRAWN):
        low, high = setting.data
        unit = "times the mean of the data that are said, or the mean transfer where none are"
        yield f"data that are not said: drawn from U[{low:g}, {high:g}] {unit}"
    if any(graph.outside for graph in graphs):
        stays = (
            "which may run there alone" if second else "with so large an input that it stays on its device"
        )
        yield f"files from outside: held by the subtask 'outside', {stays}"
    yield from around.conversions


_DRAWN = {
    "arcs_with_drawn_data": "arcs whose data are drawn",
    "heads_with_drawn_input": "heads whose input is drawn",
    "tails_with_drawn_output": "tails whose output is drawn",
}
"""Fact of a task graph -> in words."""

_UNSIZED = {
    "files_without_size_from_outside": "files from outside read by tasks with parents",
    "files_without_size_between_tasks_without_an_arc": "files between tasks that no arc joins",
}
"""Fact of a task graph -> in words, where their share of all data cannot be told."""

_COUNTED = {
    "arcs_said_by_one_end": "arcs said by parents or children alone, kept",
    "arcs_listed_again": "arcs listed again, merged",
    "arcs_listed_again_with_other_data": "arcs listed again with other data, the largest kept",
    "dummy_tasks_left_out": "dummy tasks at the ends, left out",
    "executables_left_out": "executables among the files, left out",
    "tasks_without_run_time": "tasks without run time, which are given one",
    "tasks_without_work": "tasks without work, kept at 0",
    "tasks_without_avgCPU": "tasks without avgCPU, taken as 100%",
    "files_of_zero_bytes": "files of 0 bytes",
    "arcs_without_data": "arcs without data, kept at 0",
    **_DRAWN,
    "values_rounded_to_zero": f"values below {SMALLEST:g} after scaling, set to 0",
}
"""Fact of a task graph -> in words; those that are 0 are not printed."""


def lines(
    words: Words,
    setting: GraphSetting,
    graphs: Sequence[TaskGraph],
    around: Surroundings,
    source: Mapping[str, Any],
    scales: bool,
) -> Iterator[str]:
    """Everything that there is to say, a line each."""
    for graph in graphs:
        yield "; ".join(_of_graph(words, graph, setting, scales))
    yield from source["conversions"]
    network = source["network"]
    apart = network["devices_without_connection"]
    yield (
        f"{counted(network['devices'], 'device')}, {apart:,} of them without a connection, "
        f"and {counted(network['offload_points'], 'offload point')}"
    )
    yield from around.told
    if network["devices"] < len(graphs) and setting.workflow_choice == "in-turn":
        yield f"{words.noun}s that no device runs, for there are too few: {len(graphs) - network['devices']}"
    drawn = ", ".join(_drawn(words, setting, graphs, around))
    if drawn:
        yield f"drawn with seed {source['seed']}: {drawn}"
    for licence in source["licences"]:
        yield f"licence: {licence}"


def _of_graph(words: Words, graph: TaskGraph, setting: GraphSetting, scales: bool) -> Iterator[str]:
    """What is to be said of one task graph."""
    facts = graph.facts
    size = f"{counted(facts['tasks'], 'task')}, {counted(facts['arcs'], 'arc')}"
    written = " ".join(filter(None, (words.title, facts.get("schema"))))
    yield f"{facts['application']} ({written}): {size}"
    sent, outside, apart = (
        facts.get(f"bytes_{key}", 0)
        for key in ("that_may_be_sent", "from_outside_to_tasks_with_parents", "between_tasks_without_an_arc")
    )
    everything = sent + outside + apart
    idle = facts["tasks_without_work"] == facts["tasks"]
    if idle:
        yield "no work"
    elif scales:
        yield f"work scaled by {facts['work_factor']:.4g}"
    if not everything and not graph.mobile_data.any():
        yield "no data"
    elif scales:
        yield f"data scaled by {facts['data_factor']:.4g}"
    yield from (f"{text}: {facts[key]:,}" for key, text in _COUNTED.items() if facts.get(key))
    what = "sent from their device" if getattr(setting, "outside", "") == "send" else "left out"
    if outside:
        share = _share(outside, everything)
        yield f"bytes from outside read by tasks with parents, {what}: {outside:,} ({share} of all)"
    for key, text in _UNSIZED.items():
        if facts.get(key) and (key.endswith("arc") or what == "left out"):
            yield f"{text}, left out, with sizes that are not said: {facts[key]:,}"
    if apart:
        share = _share(apart, everything)
        yield f"bytes between tasks that no arc joins, left out: {apart:,} ({share} of all)"


def _share(part: int, whole: int) -> str:
    """In percent; what is too small to show is not shown as 0."""
    return f"{100 * part / whole:.1f} %" if part >= whole / 1000 else "<0.1 %"


def _drawn(
    words: Words, setting: GraphSetting, graphs: Sequence[TaskGraph], around: Surroundings
) -> Iterator[str]:
    """What no file says and nothing fixes."""
    yield from around.drawn
    if setting.unconnected:
        yield "devices without a connection"
    yield from setting.used
    if setting.workflow_choice == "sample":
        yield f"{words.noun}s of the devices"
    if setting.variation:
        yield "variation of work and data"
    low, high = setting.run_time
    if low < high and any(graph.facts["tasks_without_run_time"] for graph in graphs):
        yield "run times"
    if any(graph.facts.get(key) for graph in graphs for key in _DRAWN):
        yield "data that are not said"
