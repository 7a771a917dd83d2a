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
  So is the list of files from 1.5 on: without it what depends on their sizes is drawn.
- arcs, data and files from outside: :mod:`.instances.importers.dataflow`.

WfInstances, the public collection of such workflows, is under LGPL-3.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..errors import InputError, Problem, shown
from ..files.document import Document, parse_json
from ..files.schema import Id
from ..files.validate import duplicates, structure
from .dataflow import FileTask, Workflow, task_graph
from .setting import ImportSetting
from .task_graph import Amount, Bytes, TaskGraph


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _together(tasks: str, runtime: str, size: str) -> type[BaseModel]:
    """The document of a version until 1.4: tasks, their run times and sizes of files are under these keys."""

    def part(**keys: Any) -> type[_Part]:
        return create_model("_Together", __base__=_Part, **keys)

    names: Any = (list[str], [])
    amount = (Amount | None, None)
    file = part(
        name=(Id, ...), path=(str, ""), link=(Literal["input", "output"], ...), **{size: (Bytes, ...)}
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
    sizeInBytes: Bytes


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
    runtimeInSeconds: Amount
    avgCPU: Amount | None = None


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


def read_workflow(content: bytes, path: str | Path, name: str, setting: ImportSetting) -> TaskGraph:
    """Read one workflow."""
    document = parse_json(content, path)
    version = _version(document, path)
    layout = _LAYOUTS[version]
    problems = structure(layout.model, document)
    if problems:
        raise InputError(path, problems)
    workflow = (_read_together if layout.runtime else _read_apart)(
        document["workflow"], layout, setting.clock
    )
    graph, problems = task_graph(
        workflow, name, outside=setting.outside == "send", whole=layout.tasks, facts={"schema": version}
    )
    if graph is None:
        raise InputError(path, problems)
    return graph


def _version(document: Any, path: str | Path) -> str:
    if not isinstance(document, dict):
        raise InputError(path, [("", "must be an object")])
    version = document.get("schemaVersion")
    if not isinstance(version, str) or version not in _LAYOUTS:
        what = "is missing" if version is None else f"{shown(version)} is not read"
        known = f"this importer reads WfFormat {min(_LAYOUTS)} to {max(_LAYOUTS)}"
        raise InputError(path, [("schemaVersion", f"{what}; {known}")])
    return version


def _read_together(workflow: Document, layout: _Layout, clock: float) -> Workflow:
    """Versions until 1.4: each task has its run time and its files."""
    items = workflow[layout.tasks.rpartition(".")[2]]
    tasks: list[FileTask] = []
    sizes: dict[str, int] = {}
    first: dict[str, str] = {}
    problems: list[Problem] = []
    for k, item in enumerate(items):
        where = f"{layout.tasks}[{k}]"
        task = _task(where, item["name"], item, item, layout.runtime, clock)
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
    if any(task.work is not None for task in tasks):
        what = "is missing, while other tasks have one"
        problems += [(f"{task.where}.{layout.runtime}", what) for task in tasks if task.work is None]
    return Workflow(tasks, index, sizes, problems)


_FILE_KEYS = ("inputFiles", "outputFiles")


def _read_apart(workflow: Document, layout: _Layout, clock: float) -> Workflow:
    """Versions from 1.5 on: what is to be done, and how it once went, which may be left out."""
    items, files = workflow["specification"]["tasks"], workflow["specification"].get("files")
    if files is None:  # optional, too: a list would say the sizes
        named = (name for item in items for key in _FILE_KEYS for name in item.get(key, ()))
        files = [{"id": name, "sizeInBytes": math.nan} for name in dict.fromkeys(named)]
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
        task = _task(where, item["id"], item, run_of.get(item["id"], {}), "runtimeInSeconds", clock)
        for key, names in zip(_FILE_KEYS, (task.reads, task.writes), strict=True):
            for i, name in enumerate(item.get(key, ())):
                names.append(name)
                if name not in sizes:
                    problems.append((f"{where}.{key}[{i}]", f"unknown file {shown(name)}"))
        tasks.append(task)
    return Workflow(tasks, index, sizes, problems)


def _task(where: str, name: str, item: Document, run: Document, runtime: str, clock: float) -> FileTask:
    seconds, cpu = run.get(runtime), run.get("avgCPU")
    return FileTask(
        where=where,
        name=name,
        parents=item.get("parents", []),
        children=item.get("children", []),
        work=None if seconds is None else seconds * (100.0 if cpu is None else cpu) / 100 * clock,
        cpu=cpu,
    )
