"""Workflows in WfCommons' WfFormat, schema versions 1.4 and 1.5, as structured tasks.

Both versions are read as their published JSON Schemas state them (github.com/wfcommons/WfFormat, tags
v1.4 and v1.5). They differ in layout:

=====================  ====================================  =========================================
what                   1.4                                   1.5
=====================  ====================================  =========================================
tasks                  ``workflow.tasks``                    ``workflow.specification.tasks`` and, for
                                                             run times, ``workflow.execution.tasks``
reference to a task    by ``name``; ``id`` is taken too      by ``id``
files                  ``files`` of each task, with name,    ids in ``inputFiles``, ``outputFiles``;
                       size and ``link`` input or output     sizes in ``workflow.specification.files``
arcs                   ``parents`` (often ``children`` too)  ``parents`` and ``children``
=====================  ====================================  =========================================

A task becomes a subtask:

- work = ``runtimeInSeconds`` x ``avgCPU``/100 x a nominal clock in MIPS. ``avgCPU`` exceeds 100 where
  a task keeps several cores busy; where it is missing it is taken to be 100. The machines'
  ``speedInMHz`` is not used: it is what a core happened to run at when it was asked.
- an arc joins two tasks that ``parents`` or ``children`` joins; it carries the files that the parent
  writes and the child reads. A file that goes to several children counts on each of their arcs.
- output = all files that the task writes; for a tail, this returns to the device.
- input = all files that the task reads; for a head, only those that no task writes.

The model has no place for two kinds of data, which are counted in bytes and reported: files from
outside read by a task that also has parents, and files written by a task that is no parent of the
reader. Zero work and zero sizes are kept as zeros and counted.

WfInstances, the public collection of such workflows, is under LGPL-3.0.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..errors import InputError, Problem, shown
from ..model import Application, Floats
from ..schema import SMALLEST, Id
from ..storage import parse_json
from ..validate import Document, acyclic, structure

MBIT = 8e-6
"""Mbit in a byte."""

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


class _File14(_Part):
    name: Id
    path: str = ""
    sizeInBytes: _Bytes
    link: Literal["input", "output"]


class _Task14(_Part):
    name: Id
    id: Id | None = None
    parents: list[str] = []
    children: list[str] = []
    files: list[_File14] = []
    runtimeInSeconds: _Number
    avgCPU: _Number | None = None


class _Workflow14(_Part):
    tasks: Annotated[list[_Task14], Field(min_length=1)]


class _Document14(_Part):
    name: Id
    workflow: _Workflow14


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
    files: list[_File15] = []


class _Run15(_Part):
    id: Id
    runtimeInSeconds: _Number
    avgCPU: _Number | None = None


class _Execution15(_Part):
    tasks: list[_Run15]


class _Workflow15(_Part):
    specification: _Specification15
    execution: _Execution15


class _Document15(_Part):
    name: Id
    workflow: _Workflow15


@dataclass(frozen=True)
class Workflow:
    """A workflow as an application with one set of task data.

    Attributes
    ----------
    application
        Its graph; the subtasks are the tasks in file order.
    work
        (K,) MI.
    input, output
        (K,) Mbit.
    edge_data
        (A,) Mbit.
    facts
        What was counted and assumed: key -> number or text.
    """

    application: Application
    work: Floats
    input: Floats
    output: Floats
    edge_data: Floats
    facts: Mapping[str, Any]

    @property
    def mobile_data(self) -> Floats:
        """What may cross a radio, in Mbit: heads' inputs, arcs, tails' outputs."""
        heads, tails = self.application.heads, self.application.tails
        return np.concatenate([self.input[heads], self.edge_data, self.output[tails]])


@dataclass
class _Task:
    """A task of either version; ``where`` is its path in the file."""

    where: str
    name: str
    parents: list[str]
    children: list[str]
    runtime: float
    cpu: float | None
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)


@dataclass
class _Content:
    """What both versions say: tasks, how they are referred to, sizes of files in bytes, problems."""

    tasks: list[_Task]
    index: dict[str, int]
    sizes: dict[str, int]
    problems: list[Problem]


def read_workflow(content: bytes, path: str | Path, clock: float, name: str) -> Workflow:
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

    Raises
    ------
    InputError
        With every problem of the file, each with its path inside.
    """
    document = parse_json(content, path)
    version = _version(document, path)
    problems = structure(_Document14 if version == "1.4" else _Document15, document)
    if problems:
        raise InputError(path, problems)
    read = _read_14 if version == "1.4" else _read_15
    workflow = read(document["workflow"])
    problems = [*workflow.problems, *_reference_problems(workflow)]
    if not problems:
        arcs, said_once = _arcs(workflow)
        problems = list(_cycles(workflow, arcs, version))
    if problems:
        raise InputError(path, problems)
    facts = {"application": name, "schema": version, "arcs_said_by_one_end": said_once}
    return _converted(workflow, arcs, clock, name, facts)


def _version(document: Any, path: str | Path) -> str:
    if not isinstance(document, dict):
        raise InputError(path, [("", "must be an object")])
    version = document.get("schemaVersion")
    if version not in ("1.4", "1.5"):
        what = "is missing" if version is None else f"{shown(version)} is not read"
        raise InputError(path, [("schemaVersion", f"{what}; this importer reads WfFormat 1.4 and 1.5")])
    return str(version)


def _read_14(workflow: Document) -> _Content:
    tasks: list[_Task] = []
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    problems: list[Problem] = []
    for k, item in enumerate(workflow["tasks"]):
        where = f"workflow.tasks[{k}]"
        task = _task(where, item["name"], item, item)
        for i, file in enumerate(item.get("files", ())):
            name = file.get("path", "") + file["name"]
            (task.reads if file["link"] == "input" else task.writes).append(name)
            size, place = file["sizeInBytes"], f"{where}.files[{i}]"
            if sizes.setdefault(name, size) != size:
                what = f"file {shown(name)} has {size} bytes, but {sizes[name]} at {first[name]}"
                problems.append((f"{place}.sizeInBytes", what))
            first.setdefault(name, place)
        tasks.append(task)
    index = {item["id"]: k for k, item in enumerate(workflow["tasks"]) if item.get("id") is not None}
    index |= {task.name: k for k, task in enumerate(tasks)}
    problems += _duplicates([(f"{task.where}.name", task.name) for task in tasks])
    return _Content(tasks, index, sizes, problems)


def _read_15(workflow: Document) -> _Content:
    items, files = workflow["specification"]["tasks"], workflow["specification"].get("files", [])
    runs = workflow["execution"]["tasks"]
    prefix = "workflow.specification"
    problems = [
        *_duplicates([(f"{prefix}.tasks[{k}].id", item["id"]) for k, item in enumerate(items)]),
        *_duplicates([(f"{prefix}.files[{i}].id", file["id"]) for i, file in enumerate(files)]),
        *_duplicates([(f"workflow.execution.tasks[{i}].id", run["id"]) for i, run in enumerate(runs)]),
    ]
    index = {item["id"]: k for k, item in enumerate(items)}
    sizes = {file["id"]: file["sizeInBytes"] for file in files}
    run_of = {run["id"]: run for run in runs}
    for i, run in enumerate(runs):
        if run["id"] not in index:
            problems.append((f"workflow.execution.tasks[{i}].id", f"unknown task {shown(run['id'])}"))
    tasks = []
    for k, item in enumerate(items):
        where = f"{prefix}.tasks[{k}]"
        if item["id"] not in run_of:
            problems.append((where, f"task {shown(item['id'])} is missing in workflow.execution.tasks"))
            continue
        task = _task(where, item["id"], item, run_of[item["id"]])
        for key, names in (("inputFiles", task.reads), ("outputFiles", task.writes)):
            for i, name in enumerate(item.get(key, ())):
                names.append(name)
                if name not in sizes:
                    problems.append((f"{where}.{key}[{i}]", f"unknown file {shown(name)}"))
        tasks.append(task)
    return _Content(tasks, index, sizes, problems)


def _task(where: str, name: str, item: Document, run: Document) -> _Task:
    return _Task(
        where=where,
        name=name,
        parents=item.get("parents", []),
        children=item.get("children", []),
        runtime=run["runtimeInSeconds"],
        cpu=run.get("avgCPU"),
    )


def _duplicates(named: list[tuple[str, str]]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for where, name in named:
        if name in first:
            yield where, f"duplicate {shown(name)}, already used by {first[name]}"
        first.setdefault(name, where)


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


def _cycles(workflow: _Content, arcs: list[tuple[int, int]], version: str) -> Iterator[Problem]:
    names = [task.name for task in workflow.tasks]
    edges = [[names[j], names[k]] for j, k in arcs]
    where = "workflow.tasks" if version == "1.4" else "workflow.specification.tasks"
    yield from ((where, what) for _, what in acyclic({"applications": [{"edges": edges}]}))


def _converted(
    workflow: _Content, arcs: list[tuple[int, int]], clock: float, name: str, facts: dict[str, Any]
) -> Workflow:
    tasks = workflow.tasks
    reads = [set(task.reads) for task in tasks]
    writes = [set(task.writes) for task in tasks]
    written = set().union(*writes)
    parents = defaultdict(set)
    for j, k in arcs:
        parents[k].add(j)
    homeless, unlinked = 0, 0
    for k, names in enumerate(reads):
        if parents[k]:
            homeless += _total(workflow, names - written)
        sent = set().union(*(writes[j] for j in parents[k]))
        unlinked += _total(workflow, (names & written) - sent - writes[k])
    inputs = [names if parents[k] else names - written for k, names in enumerate(reads)]
    work = [task.runtime * (100.0 if task.cpu is None else task.cpu) / 100 * clock for task in tasks]
    edge_data = [_total(workflow, writes[j] & reads[k]) for j, k in arcs]
    facts |= {
        "tasks": len(tasks),
        "arcs": len(arcs),
        "tasks_without_work": sum(w == 0 for w in work),
        "tasks_without_avgCPU": sum(task.cpu is None for task in tasks),
        "files_of_zero_bytes": sum(size == 0 for size in workflow.sizes.values()),
        "arcs_without_data": sum(size == 0 for size in edge_data),
        "bytes_from_outside_to_tasks_with_parents": homeless,
        "bytes_between_tasks_without_an_arc": unlinked,
    }
    return Workflow(
        application=Application(name, _short_names([task.name for task in tasks]), tuple(arcs)),
        work=np.array(work, np.float64),
        input=_mbit([_total(workflow, names) for names in inputs]),
        output=_mbit([_total(workflow, names) for names in writes]),
        edge_data=_mbit(edge_data),
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


def scaled(workflow: Workflow, mean_work: float, mean_data: float) -> Workflow:
    """The workflow in another size: all work times one factor, all data times another.

    Parameters
    ----------
    workflow
        As measured: minutes of server time and gigabytes.
    mean_work
        Wanted mean work of a subtask in MI.
    mean_data
        Wanted mean in Mbit of what may cross a radio (:attr:`Workflow.mobile_data`).

    Returns
    -------
    Workflow
        Proportions within work and within data stay as measured, heavy tails included; the
        proportion between work and data does not. The factors are among its facts. A workflow
        without work, or without data, keeps the factor 1.
    """
    work_factor = _factor(workflow.work, mean_work)
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
    return Workflow(workflow.application, work, input, output, edge_data, facts)


def _factor(values: Floats, mean: float) -> float:
    total = math.fsum(values.tolist())
    return mean * len(values) / total if total else 1.0
