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
class Format:
    """A format.

    Attributes
    ----------
    title
        What people call it.
    files
        Of which files, for help.
    endings
        How the names of its files end: those in a folder are taken.
    read
        From the content of a file, its path, the id of the application and the setting to a task graph.
    setting
        Its type of setting.
    work, data
        Where work and data come from, in words, given the setting.
    noun
        What one of its task graphs is called.
    """

    title: str
    files: str
    endings: tuple[str, ...]
    read: Callable[[bytes, Path, str, Any], TaskGraph]
    setting: type[GraphSetting]
    work: Callable[[Any], str]
    data: Callable[[Any], str]
    noun: str = "graph"


def _wfformat(content: bytes, path: Path, name: str, setting: ImportSetting) -> TaskGraph:
    return read_workflow(content, path, name, clock=setting.clock, outside=setting.outside == "send")


def _attribute(name: str | None, of: str) -> str:
    return "drawn" if name is None else f"attribute {name} of {of}"


FORMATS = {
    "wfformat": Format(
        title="WfFormat",
        files="WfFormat 1.0 to 1.6, JSON; or folders of *.json.",
        endings=(".json",),
        read=_wfformat,
        setting=ImportSetting,
        work=lambda setting: f"run time x avgCPU x a nominal clock of {setting.clock:g} MIPS",
        data=lambda setting: "file sizes",
        noun="workflow",
    ),
    "dot": Format(
        title="Graphviz",
        files="Directed graphs in Graphviz' DOT; or folders of *.gv, *.dot.",
        endings=(".gv", ".dot"),
        read=read_dot,
        setting=DotSetting,
        work=lambda setting: _attribute(setting.work_attribute, "nodes"),
        data=lambda setting: f"{_attribute(setting.data_attribute, 'arcs')}, in bytes",
    ),
    "dagbench": Format(
        title="DAGBench",
        files="DAGBench's graph.json; or folders of *.json.",
        endings=(".json",),
        read=read_dagbench,
        setting=DagbenchSetting,
        work=lambda setting: "costs of tasks",
        data=lambda setting: "sizes of dependencies",
    ),
    "dax": Format(
        title="DAX",
        files="DAX of Pegasus 2 to 4, XML; or folders of *.dax, *.xml.",
        endings=(".dax", ".xml"),
        read=read_dax,
        setting=ImportSetting,
        work=lambda setting: f"run time x a nominal clock of {setting.clock:g} MIPS",
        data=lambda setting: "file sizes",
        noun="workflow",
    ),
    "stg": Format(
        title="STG",
        files="Standard task graphs, with or without communication costs; or folders of *.stg.",
        endings=(".stg",),
        read=read_stg,
        setting=GraphSetting,
        work=lambda setting: f"processing time x a nominal clock of {setting.clock:g} MIPS",
        data=lambda setting: "costs of communication",
    ),
}
"""``import NAME``: its format."""
