"""Workflows in Pegasus' DAX, the XML of its versions 2 and 3, as task graphs.

- A task is a ``job`` (also ``dag`` and ``dax``, workflows within the workflow). Its run time in seconds is
  its attribute ``runtime``, as Pegasus' traces and generators write it, or its profile ``pegasus:runtime``;
  a file without any gets drawn ones, and one with some of them is refused. Each keeps one core busy.
- ``uses`` says which files it reads and writes (``link``; ``inout`` is both): by ``file`` in version 2, by
  ``namespace``, ``name`` and ``version`` in version 3. Sizes in bytes are attributes ``size``, or
  metadata of that key, also at the ``file`` of version 3. What depends on sizes that are not said is drawn.
  Executables are left out.
- ``child`` and ``parent`` say the arcs.

Data and files from outside: :mod:`.instances.importers.dataflow`. The parser is expat; a file with a
document type declaration is refused, and nothing outside of it is ever read. Version 5 of Pegasus writes
YAML, which is not read.
"""

from __future__ import annotations

import math
from pathlib import Path
from xml.parsers import expat

from ..errors import InputError, Problem, shown
from ..files.validate import duplicates
from .dataflow import FileTask, Workflow, task_graph
from .setting import ImportSetting
from .task_graph import TaskGraph, amount_of

_JOBS = ("job", "dag", "dax")
_READS = {"input": (True, False), "output": (False, True), "inout": (True, True)}
"""``link`` -> whether a task reads and writes the file; others, such as checkpoints, are neither."""


class _Reader:
    """Collects what the elements say."""

    def __init__(self, clock: float) -> None:
        self.clock = clock
        self.version = ""
        self.tasks: list[FileTask] = []
        self.sizes: dict[str, float] = {}
        self.said: dict[str, str] = {}
        self.executables = 0
        self.problems: list[Problem] = []
        self._path: list[str] = []
        self._text = ""
        self._file: str | None = None
        self._job: FileTask | None = None
        self._child: tuple[str, str] | None = None
        self._key = ""
        self.parents: list[tuple[str, str, str]] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters
        self.parser.StartDoctypeDeclHandler = self._doctype

    @property
    def _where(self) -> str:
        return f"line {self.parser.CurrentLineNumber}"

    def _doctype(self, *_: object) -> None:
        raise ValueError("has a document type declaration, which is not read")

    def _characters(self, text: str) -> None:
        self._text += text

    def _start(self, full: str, given: dict[str, str]) -> None:
        name = full.rpartition(" ")[2]
        inside = self._path[-1] if self._path else ""
        self._path.append(name)
        self._text = ""
        if not inside:
            if name != "adag":
                raise ValueError(f"the root must be adag, not {shown(name)}")
            self.version = given.get("version", "")
        elif inside == "adag" and name in _JOBS:
            self._job = FileTask(self._where, self._needed(given, "id"), [], [], None, 100.0)
            self.tasks.append(self._job)
            if "runtime" in given:
                self._run_time(given["runtime"])
        elif name == "uses" and self._job is not None:
            self._uses(given)
        elif inside == "adag" and name == "file":
            self._file = _file(given)
        elif name in ("profile", "metadata"):
            space = given.get("namespace", "").lower()
            self._key = f"{name}:{space}:{given.get('key', '')}".lower()
        elif inside == "adag" and name == "child":
            self._child = (self._needed(given, "ref"), self._where)
        elif name == "parent" and self._child is not None:
            self.parents.append((self._child[0], self._needed(given, "ref"), self._where))

    def _end(self, full: str) -> None:
        name = full.rpartition(" ")[2]
        self._path.pop()
        inside = self._path[-1] if self._path else ""
        if name == "profile" and self._key == "profile:pegasus:runtime" and inside in _JOBS:
            if self._job is not None and self._job.work is None:
                self._run_time(self._text)
        elif name == "metadata" and self._key == "metadata::size" and self._file is not None:
            self._size(self._file, self._text)
        elif name in _JOBS and inside == "adag":
            self._job = None
        elif name in ("uses", "file") and inside != "argument":
            self._file = None
        elif name == "child":
            self._child = None
        self._text = ""

    def _needed(self, given: dict[str, str], key: str) -> str:
        if not given.get(key):
            what = "is missing" if key not in given else "must not be empty"
            self.problems.append((self._where, f"the attribute {key} of {self._path[-1]} {what}"))
        return given.get(key, "")

    def _uses(self, given: dict[str, str]) -> None:
        assert self._job is not None
        if given.get("type") == "executable" or given.get("executable") == "true":
            self.executables += 1
            self._file = None
            return
        name = _file(given)
        if not name:
            self._needed(given, "name")
            return
        self._file = name
        self.sizes.setdefault(name, math.nan)
        reads, writes = _READS.get(given.get("link", "").lower(), (False, False))
        self._job.reads += [name] * reads
        self._job.writes += [name] * writes
        if "size" in given:
            self._size(name, given["size"])

    def _size(self, name: str, text: str) -> None:
        known = len(self.problems)
        size = round(amount_of(text, "the size of a file", self._where, self.problems))
        if len(self.problems) > known:
            return
        if name in self.said and self.sizes[name] != size:
            what = f"file {shown(name)} has {size} bytes, but {self.sizes[name]} at {self.said[name]}"
            self.problems.append((self._where, what))
        self.sizes[name] = size
        self.said.setdefault(name, self._where)

    def _run_time(self, text: str) -> None:
        assert self._job is not None
        self._job.work = amount_of(text, "the run time", self._where, self.problems) * self.clock


def _file(given: dict[str, str]) -> str:
    """The name of a file, as Pegasus tells files apart."""
    name = given.get("file") or given.get("name") or ""
    space, version = given.get("namespace"), given.get("version")
    return (f"{space}::" if space else "") + name + (f":{version}" if version else "")


def read_dax(content: bytes, path: str | Path, name: str, setting: ImportSetting) -> TaskGraph:
    """Read one workflow."""
    if not content.strip():
        raise InputError(path, [("", "is empty")])
    reader = _Reader(setting.clock)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.errors.messages.get(error.code, "it cannot be read")
        raise InputError(path, [(f"line {error.lineno}", f"is not XML, or is cut short ({what})")]) from None
    except (ValueError, LookupError) as error:
        where = f"line {reader.parser.CurrentLineNumber}"
        raise InputError(path, [(where, str(error))]) from None
    problems, tasks = reader.problems, reader.tasks
    if not tasks:
        problems.append(("", "has no job"))
    problems += duplicates((task.where, task.name) for task in tasks)
    if any(task.work is not None for task in tasks):
        what = "has no run time, while other tasks have one"
        problems += [(task.where, f"{shown(task.name)} {what}") for task in tasks if task.work is None]
    index = {task.name: k for k, task in enumerate(tasks)}
    for child, parent, where in reader.parents:
        unknown = [end for end in dict.fromkeys((child, parent)) if end not in index]
        problems += [(where, f"unknown job {shown(end)}") for end in unknown]
        if not unknown:
            tasks[index[child]].parents.append(parent)
    graph, problems = task_graph(
        Workflow(tasks, index, reader.sizes, problems),
        name,
        outside=setting.outside == "send",
        whole="",
        facts={"schema": reader.version, "executables_left_out": reader.executables},
    )
    if graph is None:
        raise InputError(path, problems)
    return graph
