"""Workflows whose tasks read and write named files, as task graphs: WfFormat, DAX.

- an arc joins two tasks that the file says are parent and child; it carries the files that the parent writes
  and the child reads. A file that goes to several children counts on each of their arcs.
- output = all files that the task writes; for a tail, this returns to the device.
- input = all files that the task reads; for a head, only those that no task writes.

Files from outside that a task with parents reads come from the device, too. A further subtask, ``outside``,
states this: a head without work, with an arc to each reader. It must stay on the device, for it stands
for data that are there; :mod:`.instances.importers.combine` sees to that.

The model has no place for files written by a task that is no parent of the reader: these are counted in
bytes and reported. Zero work and zero sizes are kept as zeros and counted.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import Floats
from ..errors import Problem, shown
from ..structured.model import Application
from .task_graph import MBIT, TaskGraph, cycles

OUTSIDE = "outside"
"""Name of the subtask that stands for files from outside."""


@dataclass
class FileTask:
    """A task; ``where`` is its place in the file.

    Attributes
    ----------
    where, name
        Its place in the file, and what it is called.
    parents, children
        Names of tasks.
    work
        In MI; none: not said.
    cpu
        How much of a core it keeps busy, in percent; none: not said.
    reads, writes
        Names of files.
    """

    where: str
    name: str
    parents: list[str]
    children: list[str]
    work: float | None
    cpu: float | None = None
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)


@dataclass
class Workflow:
    """Tasks, how they are referred to, sizes of files in bytes (NaN: not said), and what is wrong."""

    tasks: list[FileTask]
    index: dict[str, int]
    sizes: Mapping[str, float]
    problems: list[Problem]


def task_graph(
    workflow: Workflow, name: str, *, outside: bool, whole: str, facts: Mapping[str, Any]
) -> tuple[TaskGraph | None, list[Problem]]:
    """The task graph of a workflow, or what is wrong with it.

    Parameters
    ----------
    workflow
        As read.
    name
        Id of the application.
    outside
        Whether a subtask stands for the files from outside that tasks with parents read; otherwise
        these files are left out.
    whole
        Place of all tasks in the file, for messages.
    facts
        More of them.
    """
    problems = [*workflow.problems, *_reference_problems(workflow)]
    if not problems:
        arcs, said_once = _arcs(workflow)
        names = [task.name for task in workflow.tasks]
        problems = list(cycles(whole, ((names[j], names[k]) for j, k in arcs)))
    if problems:
        return None, problems
    told = {"application": name, **facts, "arcs_said_by_one_end": said_once}
    return _converted(workflow, arcs, name, outside, told), []


def _reference_problems(workflow: Workflow) -> Iterator[Problem]:
    for task in workflow.tasks:
        for key, names in (("parents", task.parents), ("children", task.children)):
            for i, name in enumerate(names):
                if name not in workflow.index:
                    yield f"{task.where}.{key}[{i}]", f"unknown task {shown(name)}"


def _arcs(workflow: Workflow) -> tuple[list[tuple[int, int]], int]:
    """The arcs, each once, and how many of them only one of their ends says.

    Files that name no children anywhere (WfFormat 1.4 has no such key) leave nothing to disagree with.
    """
    index = workflow.index
    up = {(index[name], k) for k, task in enumerate(workflow.tasks) for name in task.parents}
    down = {(k, index[name]) for k, task in enumerate(workflow.tasks) for name in task.children}
    return sorted(up | down), len(up ^ down) if up and down else 0


def _converted(
    workflow: Workflow, arcs: list[tuple[int, int]], name: str, outside: bool, facts: dict[str, Any]
) -> TaskGraph:
    tasks, sizes = workflow.tasks, workflow.sizes
    reads = [set(task.reads) for task in tasks]
    writes = [set(task.writes) for task in tasks]
    written = set().union(*writes)
    parents, children = defaultdict(set), defaultdict(set)
    for j, k in arcs:
        parents[k].add(j)
        children[j].add(k)
    apart = [
        (names & written) - set().union(*(writes[j] for j in parents[k])) - writes[k]
        for k, names in enumerate(reads)
    ]
    homeless = {k: names - written for k, names in enumerate(reads) if parents[k] and names - written}
    inputs = [names if parents[k] else names - written for k, names in enumerate(reads)]
    carried = [writes[j] & reads[k] for j, k in arcs]
    known = {file: 0 if math.isnan(size) else size for file, size in sizes.items()}
    sent = [*carried, *(inputs[k] for k in range(len(tasks)) if not parents[k])]
    sent += [writes[k] for k in range(len(tasks)) if not children[k]]
    facts |= {
        "tasks": len(tasks),
        "arcs": len(arcs),
        "tasks_without_avgCPU": sum(task.cpu is None for task in tasks if task.work is not None),
        "files_of_zero_bytes": sum(size == 0 for size in sizes.values()),
        "bytes_that_may_be_sent": sum(_total(known, files) for files in sent),
        "bytes_from_outside_to_tasks_with_parents": sum(_total(known, files) for files in homeless.values()),
        "bytes_between_tasks_without_an_arc": sum(_total(known, files) for files in apart),
    }
    for key, lists in (("from_outside", homeless.values()), ("between_tasks_without_an_arc", apart)):
        if unsaid := sum(math.isnan(sizes[file]) for files in lists for file in files):
            facts[f"files_without_size_{key}"] = unsaid
    subtasks = _short_names([task.name for task in tasks])
    outer = {k: size for k, files in homeless.items() if (size := _total(sizes, files))} if outside else {}
    work = [math.nan if task.work is None else task.work for task in tasks]
    cpu = [100.0 if task.cpu is None else task.cpu for task in tasks]
    data = [[_total(sizes, files) for files in lists] for lists in (inputs, writes, carried)]
    if outer:
        subtasks = (*subtasks, _new_name(subtasks))
        arcs = [*arcs, *((len(tasks), k) for k in outer)]
        work, cpu = [*work, 0.0], [*cpu, 100.0]
        data = [[*data[0], 0], [*data[1], 0], [*data[2], *outer.values()]]
    return TaskGraph(
        application=Application(name, subtasks, tuple(arcs)),
        work=np.array(work, np.float64),
        input=_mbit(data[0]),
        output=_mbit(data[1]),
        edge_data=_mbit(data[2]),
        facts=facts,
        cpu=np.array(cpu, np.float64),
        outside=bool(outer),
    )


def _total(sizes: Mapping[str, float], names: set[str]) -> float:
    return sum(sizes[name] for name in sorted(names))


def _mbit(sizes: list[float]) -> Floats:
    return np.array(sizes, np.float64) * MBIT


def _short_names(names: list[str]) -> tuple[str, ...]:
    """The last part of each dotted name, as far as that keeps them apart: ``A.B.FASTQC_2`` is FASTQC_2."""
    short = [name.rpartition(".")[2] for name in names]
    times = Counter(short)
    twice = {name for name in short if not name or times[name] > 1}
    return tuple(name if last in twice else last for name, last in zip(names, short, strict=True))


def _new_name(names: tuple[str, ...]) -> str:
    """The name of the subtask for files from outside, which no task has."""
    name, number = OUTSIDE, 1
    while name in names:
        number += 1
        name = f"{OUTSIDE}-{number}"
    return name
