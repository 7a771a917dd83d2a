"""The formats of task graphs that are read: what each adds to what all importers have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .dagbench import read_dagbench
from .dax import read_dax
from .dot import read_dot
from .setting import DagbenchSetting, DotSetting, GraphSetting, ImportSetting
from .stg import read_stg
from .task_graph import TaskGraph
from .wfformat import read_workflow


@dataclass(frozen=True)
class Words:
    """How people call what was read.

    Attributes
    ----------
    title
        The format.
    work, data
        Where work and data come from.
    unit
        What becomes of the data's unit where they are not scaled.
    noun
        What one of its task graphs is called.
    """

    title: str
    work: str
    data: str
    unit: str = "taken as Mbit"
    noun: str = "graph"


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes
    ----------
    files
        Of which files, for help.
    endings
        How the names of its files end: those in a folder are taken.
    read
        From the content of a file, its path for messages, the id of the application and the setting to a task
        graph; an :class:`.InputError` has every problem of the file, each with its line or its path inside.
    setting
        Its type of setting.
    words
        How it is told, given the setting.
    """

    files: str
    endings: tuple[str, ...]
    read: Callable[[bytes, Path, str, Any], TaskGraph]
    setting: type[GraphSetting]
    words: Callable[[Any], Words]


_BYTES = "bytes, converted to Mbit"


def _clocked(time: str, setting: GraphSetting) -> str:
    return f"{time} x a nominal clock of {setting.clock:g} MIPS"


def _attribute(name: str | None, of: str) -> str:
    return "drawn" if name is None else f"attribute {name} of {of}"


FORMATS = {
    "wfformat": Format(
        files="WfFormat 1.0 to 1.6, JSON; or folders of *.json.",
        endings=(".json",),
        read=read_workflow,
        setting=ImportSetting,
        words=lambda setting: Words(
            "WfFormat", _clocked("run time x avgCPU", setting), "file sizes", _BYTES, noun="workflow"
        ),
    ),
    "dot": Format(
        files="Directed graphs in Graphviz' DOT; or folders of *.gv, *.dot.",
        endings=(".gv", ".dot"),
        read=read_dot,
        setting=DotSetting,
        words=lambda setting: Words(
            "Graphviz",
            _attribute(setting.work_attribute, "nodes"),
            f"{_attribute(setting.data_attribute, 'arcs')}, in bytes",
            "converted to Mbit",
        ),
    ),
    "dagbench": Format(
        files="DAGBench's graph.json; or folders of *.json.",
        endings=(".json",),
        read=read_dagbench,
        setting=DagbenchSetting,
        words=lambda setting: Words("DAGBench", "costs of tasks", "sizes of dependencies"),
    ),
    "dax": Format(
        files="DAX of Pegasus 2 to 4, XML; or folders of *.dax, *.xml.",
        endings=(".dax", ".xml"),
        read=read_dax,
        setting=ImportSetting,
        words=lambda setting: Words(
            "DAX", _clocked("run time", setting), "file sizes", _BYTES, noun="workflow"
        ),
    ),
    "stg": Format(
        files="Standard task graphs, with or without communication costs; or folders of *.stg.",
        endings=(".stg",),
        read=read_stg,
        setting=GraphSetting,
        words=lambda setting: Words(
            "STG", _clocked("processing time", setting), "costs of communication", f"taken as {_BYTES}"
        ),
    ),
}
"""``import NAME``: its format."""
