"""Workflows in WfCommons' WfFormat, schema versions 1.0 to 1.6, as structured tasks.

The versions are read as their published JSON Schemas state them (github.com/wfcommons/WfFormat). They
differ in layout:

=====================  ====================================  =========================================
what                   1.4                                   1.5 and 1.6
=====================  ====================================  =========================================
tasks                  ``workflow.tasks``                    ``workflow.specification.tasks`` and, for
                                                             run times, ``workflow.execution.tasks``
reference to a task    by ``name``; ``id`` is taken too      by ``id``
files                  ``files`` of each task, with name,    ids in ``inputFiles``, ``outputFiles``;
                       size and ``link`` input or output     sizes in ``workflow.specification.files``
arcs                   ``parents`` (often ``children`` too)  ``parents`` and ``children``
=====================  ====================================  =========================================

Versions before 1.4 have its layout under other names: ``runtime``, ``size``, and until 1.2 ``jobs`` for
``tasks``. Their schema gives sizes in KB, most files and WfCommons' own migration in bytes: bytes are
printed, and the instance is the same with either, for data are scaled.

A task becomes a subtask:

- work = ``runtimeInSeconds`` x ``avgCPU``/100 x a nominal clock in MIPS. ``avgCPU`` exceeds 100 where
  a task keeps several cores busy; where it is missing it is taken to be 100. The machines'
  ``speedInMHz`` is not used: it is what a core happened to run at when it was asked. Run times are
  optional in the schemas; a file without any gets drawn ones, and one with some of them is refused.
  So is the list of files from 1.5 on: without it their sizes are 0.
- an arc joins two tasks that ``parents`` or ``children`` joins; it carries the files that the parent
  writes and the child reads. A file that goes to several children counts on each of their arcs.
- output = all files that the task writes; for a tail, this returns to the device.
- input = all files that the task reads; for a head, only those that no task writes.

Files from outside that a task with parents reads come from the device, too. A further subtask, ``outside``,
states this: a head without work, with an arc to each reader. It must stay on the device, for it stands
for data that are there; :mod:`.instances.importers.combine` gives it an input for that.

The model has no place for files written by a task that is no parent of the reader: these are counted in
bytes and reported. Zero work and zero sizes are kept as zeros and counted.

WfInstances, the public collection of such workflows, is under LGPL-3.0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model

from ..arrays import Floats
from ..errors import InputError, Problem, shown
from ..files.document import Document, parse_json
from ..files.schema import SMALLEST, Id
from ..files.validate import duplicates, structure
from ..structured.model import Application
from ..structured.rules import acyclic

MBIT = 8e-6
"""Mbit in a byte."""

OUTSIDE = "outside"
"""Name of the subtask that stands for files from outside."""

_LARGEST = 1e15
"""Bytes and seconds beyond this are slips (a petabyte; 30 million years)."""


def _amount(value: float) -> float:
    if value < 0:
        raise ValueError("is negative")
    if value > _LARGEST:
        raise ValueError(f"is above {_LARGEST:g}")
    return value


_Number = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(_amount)]
_Bytes = Annotated[int, Field(strict=True), AfterValidator(_amount)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _together(tasks: str, runtime: str, size: str) -> type[BaseModel]:
    """The document of a version until 1.4: tasks, their run times and sizes of files are under these keys."""

    def part(**keys: Any) -> type[_Part]:
        return create_model("_Together", __base__=_Part, **keys)

    names: Any = (list[str], [])
    amount = (_Number | None, None)
    file = part(
        name=(Id, ...), path=(str, ""), link=(Literal["input", "output"], ...), **{size: (_Bytes, ...)}
    )
    task = part(
        name=(Id, ...),
        id=(Id | None, None),
        parents=names,
        children=names,
        files=(list[file], []),  # type: ignore[valid-type]
        avgCPU=amount,
        **{runtime: amount},
    )
    workflow = part(**{tasks: (Annotated[list[task], Field(min_length=1)], ...)})  # type: ignore[valid-type]
    return part(name=(Id, ...), workflow=(workflow, ...))


class _File15(_Part):
    id: Id
    sizeInBytes: _Bytes


class _Task15(_Part):
    id: Id
    parents: list[str] = []
    children: list[str] = []
    inputFiles: list[str] = []
    outputFiles: list[str] = []


class _Specification15(_Part):
    tasks: Annotated[list[_Task15], Field(min_length=1)]
    files: list[_File15] | None = None


class _Run15(_Part):
    id: Id
    runtimeInSeconds: _Number
    avgCPU: _Number | None = None


class _Execution15(_Part):
    tasks: list[_Run15]


class _Workflow15(_Part):
    specification: _Specification15
    execution: _Execution15 | None = None


class _Document15(_Part):
    name: Id
    workflow: _Workflow15


@dataclass(frozen=True)
class _Layout:
    """Where a version keeps what; ``runtime`` and ``size`` are keys of a task and of one of its files."""

    model: type[BaseModel]
    tasks: str
    runtime: str = ""
    size: str = ""

    @classmethod
    def together(cls, tasks: str, runtime: str, size: str) -> _Layout:
        """Of a version until 1.4."""
        return cls(_together(tasks, runtime, size), f"workflow.{tasks}", runtime, size)


_LAYOUTS = {
    **dict.fromkeys(("1.0", "1.1", "1.2"), _Layout.together("jobs", "runtime", "size")),
    "1.3": _Layout.together("tasks", "runtime", "size"),
    "1.4": _Layout.together("tasks", "runtimeInSeconds", "sizeInBytes"),
    **dict.fromkeys(("1.5", "1.6"), _Layout(_Document15, "workflow.specification.tasks")),
}


@dataclass(frozen=True)
class Workflow:
    """A workflow as an application with one set of task data.

    Attributes
    ----------
    application
        Its graph; the subtasks are the tasks in file order, and last the one that stands for files from
        outside, where there is one.
    work
        (K,) MI.
    input, output
        (K,) Mbit.
    edge_data
        (A,) Mbit.
    outside
        Whether the last subtask stands for files from outside.
    facts
        What was counted and assumed: key -> number or text.
    """

    application: Application
    work: Floats
    input: Floats
    output: Floats
    edge_data: Floats
    outside: bool
    facts: Mapping[str, Any]

    @property
    def size(self) -> int:
        """Number of subtasks that are tasks of the file."""
        return self.application.size - self.outside

    @property
    def mobile_data(self) -> Floats:
        """What may cross a radio, in Mbit: heads' inputs, arcs, tails' outputs."""
        heads, tails = self.application.heads[: self.size], self.application.tails[: self.size]
        return np.concatenate(
            [self.input[: self.size][heads], self.edge_data, self.output[: self.size][tails]]
        )


@dataclass
class _Task:
    """A task of any version; ``where`` is its path in the file."""

    where: str
    name: str
    parents: list[str]
    children: list[str]
    runtime: float | None
    cpu: float | None
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)


@dataclass
class _Content:
    """What all versions say: tasks, how they are referred to, sizes of files in bytes, problems."""

    tasks: list[_Task]
    index: dict[str, int]
    sizes: dict[str, int]
    problems: list[Problem]


def read_workflow(
    content: bytes,
    path: str | Path,
    clock: float,
    name: str,
    run_times: Callable[[int], Floats],
    *,
    outside: bool = True,
) -> Workflow:
    """Read one workflow.

    Parameters
    ----------
    content
        The text of the file.
    path
        Where it came from, for messages.
    clock
        Nominal clock in MIPS.
    name
        Id of the application.
    run_times
        Gives so many run times in seconds, for a file that has none.
    outside
        Whether a subtask stands for the files from outside that tasks with parents read; otherwise
        these files are left out.

    Raises
    ------
    InputError
        With every problem of the file, each with its path inside.
    """
    document = parse_json(content, path)
    version = _version(document, path)
    layout = _LAYOUTS[version]
    problems = structure(layout.model, document)
    if problems:
        raise InputError(path, problems)
    workflow = (_read_together if layout.runtime else _read_apart)(document["workflow"], layout)
    problems = [*workflow.problems, *_reference_problems(workflow)]
    if not problems:
        arcs, said_once = _arcs(workflow)
        problems = list(_cycles(workflow, arcs, layout))
    if problems:
        raise InputError(path, problems)
    missing = [task for task in workflow.tasks if task.runtime is None]
    for task, seconds in zip(missing, run_times(len(missing)).tolist(), strict=True):
        task.runtime = seconds
    facts = {
        "application": name,
        "schema": version,
        "arcs_said_by_one_end": said_once,
        "tasks_without_run_time": len(missing),
    }
    return _converted(workflow, arcs, clock, name, outside, facts)


def _version(document: Any, path: str | Path) -> str:
    if not isinstance(document, dict):
        raise InputError(path, [("", "must be an object")])
    version = document.get("schemaVersion")
    if not isinstance(version, str) or version not in _LAYOUTS:
        what = "is missing" if version is None else f"{shown(version)} is not read"
        known = f"this importer reads WfFormat {min(_LAYOUTS)} to {max(_LAYOUTS)}"
        raise InputError(path, [("schemaVersion", f"{what}; {known}")])
    return version


def _read_together(workflow: Document, layout: _Layout) -> _Content:
    """Versions until 1.4: each task has its run time and its files."""
    items = workflow[layout.tasks.rpartition(".")[2]]
    tasks: list[_Task] = []
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    problems: list[Problem] = []
    for k, item in enumerate(items):
        where = f"{layout.tasks}[{k}]"
        task = _task(where, item["name"], item, item, layout.runtime)
        for i, file in enumerate(item.get("files", ())):
            name = file.get("path", "") + file["name"]
            (task.reads if file["link"] == "input" else task.writes).append(name)
            size, place = file[layout.size], f"{where}.files[{i}]"
            if sizes.setdefault(name, size) != size:
                what = f"file {shown(name)} has {size} bytes, but {sizes[name]} at {first[name]}"
                problems.append((f"{place}.{layout.size}", what))
            first.setdefault(name, place)
        tasks.append(task)
    index = {item["id"]: k for k, item in enumerate(items) if item.get("id") is not None}
    index |= {task.name: k for k, task in enumerate(tasks)}
    problems += duplicates((f"{task.where}.name", task.name) for task in tasks)
    if any(task.runtime is not None for task in tasks):
        what = "is missing, while other tasks have one"
        problems += [(f"{task.where}.{layout.runtime}", what) for task in tasks if task.runtime is None]
    return _Content(tasks, index, sizes, problems)


_FILE_KEYS = ("inputFiles", "outputFiles")


def _read_apart(workflow: Document, layout: _Layout) -> _Content:
    """Versions from 1.5 on: what is to be done, and how it once went, which may be left out."""
    items, files = workflow["specification"]["tasks"], workflow["specification"].get("files")
    if files is None:  # optional, too: a list would say the sizes
        named = (name for item in items for key in _FILE_KEYS for name in item.get(key, ()))
        files = [{"id": name, "sizeInBytes": 0} for name in dict.fromkeys(named)]
    execution = workflow.get("execution")
    runs = [] if execution is None else execution["tasks"]
    problems = [
        *duplicates((f"{layout.tasks}[{k}].id", item["id"]) for k, item in enumerate(items)),
        *duplicates((f"workflow.specification.files[{i}].id", file["id"]) for i, file in enumerate(files)),
        *duplicates((f"workflow.execution.tasks[{i}].id", run["id"]) for i, run in enumerate(runs)),
    ]
    index = {item["id"]: k for k, item in enumerate(items)}
    sizes = {file["id"]: file["sizeInBytes"] for file in files}
    run_of = {run["id"]: run for run in runs}
    for i, run in enumerate(runs):
        if run["id"] not in index:
            problems.append((f"workflow.execution.tasks[{i}].id", f"unknown task {shown(run['id'])}"))
    tasks = []
    for k, item in enumerate(items):
        where = f"{layout.tasks}[{k}]"
        if execution is not None and item["id"] not in run_of:
            problems.append((where, f"task {shown(item['id'])} is missing in workflow.execution.tasks"))
            continue
        task = _task(where, item["id"], item, run_of.get(item["id"], {}), "runtimeInSeconds")
        for key, names in zip(_FILE_KEYS, (task.reads, task.writes), strict=True):
            for i, name in enumerate(item.get(key, ())):
                names.append(name)
                if name not in sizes:
                    problems.append((f"{where}.{key}[{i}]", f"unknown file {shown(name)}"))
        tasks.append(task)
    return _Content(tasks, index, sizes, problems)


def _task(where: str, name: str, item: Document, run: Document, runtime: str) -> _Task:
    return _Task(
        where=where,
        name=name,
        parents=item.get("parents", []),
        children=item.get("children", []),
        runtime=run.get(runtime),
        cpu=run.get("avgCPU"),
    )


def _reference_problems(workflow: _Content) -> Iterator[Problem]:
    for task in workflow.tasks:
        for key, names in (("parents", task.parents), ("children", task.children)):
            for i, name in enumerate(names):
                if name not in workflow.index:
                    yield f"{task.where}.{key}[{i}]", f"unknown task {shown(name)}"


def _arcs(workflow: _Content) -> tuple[list[tuple[int, int]], int]:
    """The arcs, each once, and how many of them only one of their ends says.

    Files that name no children anywhere (1.4 has no such key) leave nothing to disagree with.
    """
    index = workflow.index
    up = {(index[name], k) for k, task in enumerate(workflow.tasks) for name in task.parents}
    down = {(k, index[name]) for k, task in enumerate(workflow.tasks) for name in task.children}
    return sorted(up | down), len(up ^ down) if up and down else 0


def _cycles(workflow: _Content, arcs: list[tuple[int, int]], layout: _Layout) -> Iterator[Problem]:
    names = [task.name for task in workflow.tasks]
    edges = [[names[j], names[k]] for j, k in arcs]
    yield from ((layout.tasks, what) for _, what in acyclic({"applications": [{"edges": edges}]}))


def _converted(
    workflow: _Content,
    arcs: list[tuple[int, int]],
    clock: float,
    name: str,
    outside: bool,
    facts: dict[str, Any],
) -> Workflow:
    tasks, drawn = workflow.tasks, facts["tasks_without_run_time"] > 0
    reads = [set(task.reads) for task in tasks]
    writes = [set(task.writes) for task in tasks]
    written = set().union(*writes)
    parents, children = defaultdict(set), defaultdict(set)
    for j, k in arcs:
        parents[k].add(j)
        children[j].add(k)
    unlinked = 0
    for k, names in enumerate(reads):
        sent = set().union(*(writes[j] for j in parents[k]))
        unlinked += _total(workflow, (names & written) - sent - writes[k])
    inputs = [_total(workflow, names if parents[k] else names - written) for k, names in enumerate(reads)]
    outputs = [_total(workflow, names) for names in writes]
    work = [(task.runtime or 0.0) * (100.0 if task.cpu is None else task.cpu) / 100 * clock for task in tasks]
    edge_data = [_total(workflow, writes[j] & reads[k]) for j, k in arcs]
    homeless = {k: _total(workflow, names - written) for k, names in enumerate(reads) if parents[k]}
    homeless = {k: size for k, size in homeless.items() if size}
    at_ends = sum(inputs[k] for k in range(len(tasks)) if not parents[k]) + sum(
        outputs[k] for k in range(len(tasks)) if not children[k]
    )
    facts |= {
        "tasks": len(tasks),
        "arcs": len(arcs),
        "tasks_without_work": sum(w == 0 for w in work),
        "tasks_without_avgCPU": sum(task.cpu is None for task in tasks if not drawn),
        "files_of_zero_bytes": sum(size == 0 for size in workflow.sizes.values()),
        "arcs_without_data": sum(size == 0 for size in edge_data),
        "bytes_that_may_be_sent": at_ends + sum(edge_data),
        "bytes_from_outside_to_tasks_with_parents": sum(homeless.values()),
        "bytes_between_tasks_without_an_arc": unlinked,
    }
    subtasks = _short_names([task.name for task in tasks])
    outside = outside and bool(homeless)
    if outside:
        subtasks = (*subtasks, _new_name(subtasks))
        arcs = [*arcs, *((len(tasks), k) for k in homeless)]
        edge_data += homeless.values()
        work, inputs, outputs = [*work, 0.0], [*inputs, 0], [*outputs, 0]
    return Workflow(
        application=Application(name, subtasks, tuple(arcs)),
        work=np.array(work, np.float64),
        input=_mbit(inputs),
        output=_mbit(outputs),
        edge_data=_mbit(edge_data),
        outside=outside,
        facts=facts,
    )


def _total(workflow: _Content, names: set[str]) -> int:
    return sum(workflow.sizes[name] for name in names)


def _mbit(sizes: list[int]) -> Floats:
    return np.array(sizes, np.float64) * MBIT


def _short_names(names: list[str]) -> tuple[str, ...]:
    """The last part of each dotted name, as far as that keeps them apart: ``A.B.FASTQC_2`` is FASTQC_2."""
    short = [name.rpartition(".")[2] for name in names]
    twice = {name for name in short if not name or short.count(name) > 1}
    return tuple(name if last in twice else last for name, last in zip(names, short, strict=True))


def _new_name(names: tuple[str, ...]) -> str:
    """The name of the subtask for files from outside, which no task has."""
    name, number = OUTSIDE, 1
    while name in names:
        number += 1
        name = f"{OUTSIDE}-{number}"
    return name


def scaled(workflow: Workflow, mean_work: float, mean_data: float) -> Workflow:
    """The workflow in another size: all work times one factor, all data times another.

    Parameters
    ----------
    workflow
        As measured: minutes of server time and gigabytes.
    mean_work
        Wanted mean work of a task in MI.
    mean_data
        Wanted mean in Mbit of what may cross a radio (:attr:`Workflow.mobile_data`).

    Returns
    -------
    Workflow
        Proportions within work and within data stay as measured, heavy tails included; the
        proportion between work and data does not. The factors are among its facts. A workflow
        without work, or without data, keeps the factor 1.
    """
    work_factor = _factor(workflow.work[: workflow.size], mean_work)
    data_factor = _factor(workflow.mobile_data, mean_data)
    work, input, output, edge_data = (
        workflow.work * work_factor,
        *(data * data_factor for data in (workflow.input, workflow.output, workflow.edge_data)),
    )
    values = np.concatenate([work, input, output, edge_data])
    facts = {
        **workflow.facts,
        "work_factor": work_factor,
        "data_factor": data_factor,
        "values_rounded_to_zero": int(((values > 0) & (values < SMALLEST)).sum()),
    }
    return replace(workflow, work=work, input=input, output=output, edge_data=edge_data, facts=facts)


def _factor(values: Floats, mean: float) -> float:
    total = math.fsum(values.tolist())
    return mean * len(values) / total if total else 1.0
