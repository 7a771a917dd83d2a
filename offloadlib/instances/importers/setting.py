"""How task graphs become an instance: what all importers of task graphs have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Literal, Union, get_args, get_origin, get_type_hints

from ..draws import Range, number_problems, range_problems, whole_problems
from ..errors import Problem
from ..files.schema import LARGEST, SMALLEST
from ..structured.generate import Environment, environment_problems
from .task_graph import GREATEST


@dataclass(frozen=True, kw_only=True)
class GraphSetting(Environment):
    """How task graphs become an instance.

    Parameters
    ----------
    devices, offload_points
        How many; none: all users and all sites of the files, or all nodes of a file's network, 10 of each
        without them.
    reach
        Largest distance in metres between a user and its site (150 m: 99% of EUA's users in Melbourne's
        centre have a site within it); none: no limit.
    user_choice
        ``sample``: draw the users; ``first``: take the first of the file.
    site_choice
        ``busiest``: take the sites that are the nearest of most users; ``sample``: draw them.
    covered_only
        Take users within reach of a chosen site alone; otherwise those out of reach become devices
        without a connection.
    workflow_choice
        ``in-turn``: the workflows go round over the devices; ``sample``: each device draws one.
    run_time
        Run times in seconds for task graphs without any work.
    clock
        Nominal clock in MIPS that run times are multiplied with (2400: 2.4 GHz, an instruction per
        cycle).
    scale
        ``means``: bring work and data to ``mean_work`` and ``mean_data``; ``none``: take them as they are, in
        MI and Mbit (sizes in bytes are converted); by default ``none`` where the graphs come with the network
        that they are measured by, or from Python (drawn work of a graph without any has ``mean_work`` then),
        else ``means``.
    mean_work
        Mean work in MI that the tasks of each workflow are scaled to (2: the paper's).
    mean_data
        Mean transfer in Mbit that the data of each workflow are scaled to; none: 0.6, the paper's,
        without a map and 10 with one.
    data
        Data that a task graph does not say, as multiples of the mean of those that it says, or of
        ``mean_data`` where it says none.
    variation
        Half-width v of the factors, drawn from U[1-v, 1+v], that each device's work and data are
        multiplied with, so that devices with the same workflow differ; 0: they do not.
    """

    devices: int | None = None
    offload_points: int | None = None
    reach: float | None = 150.0
    user_choice: Literal["sample", "first"] = "sample"
    site_choice: Literal["busiest", "sample"] = "busiest"
    covered_only: bool = False
    workflow_choice: Literal["in-turn", "sample"] = "in-turn"
    run_time: Range = (1.0, 3.0)
    clock: float = 2400.0
    scale: Literal["means", "none"] | None = None
    mean_work: float = 2.0
    mean_data: float | None = None
    data: Range = (0.5, 1.5)
    variation: float = 0.0

    @classmethod
    def later(cls) -> frozenset[str]:
        """The parameters that came later than others: ``source`` has them only where they are used."""
        return super().later() | {"scale", "data"}


@dataclass(frozen=True, kw_only=True)
class ImportSetting(GraphSetting):
    """How workflows whose tasks read and write files become an instance.

    Parameters
    ----------
    outside
        ``send``: what a task with parents reads from outside comes from the device, as input of a head
        does; ``leave-out``: such data are only counted.
    """

    outside: Literal["send", "leave-out"] = "send"


@dataclass(frozen=True, kw_only=True)
class DotSetting(GraphSetting):
    """How task graphs in Graphviz' language become an instance.

    Parameters
    ----------
    work_attribute
        Of a node: its work, in any unit (``size``: in daggen's files operations, in those of
        metarl-offloading bytes to be processed, which it takes work to be in proportion to); none: drawn.
    data_attribute
        Of an arc: its data in bytes; none: drawn.
    input_attribute
        Of a node: what it reads in bytes, which counts for heads (``size`` is what metarl-offloading sends);
        none: drawn.
    output_attribute
        Of a node: what it writes in bytes, which counts for tails; none: drawn.
    """

    work_attribute: str | None = "size"
    data_attribute: str | None = "size"
    input_attribute: str | None = None
    output_attribute: str | None = "expect_size"


@dataclass(frozen=True, kw_only=True)
class DagbenchSetting(GraphSetting):
    """How DAGBench's task graphs become an instance.

    Parameters
    ----------
    network
        ``file``: devices and offload points are the nodes of the file's network; ``drawn``: as for other
        task graphs.
    device_nodes
        Names of nodes that are devices; by default the slowest, or the first one where all are as fast. The
        other nodes are offload points.
    """

    network: Literal["file", "drawn"] = "file"
    device_nodes: tuple[str, ...] = ()


def changed(setting: GraphSetting, names: Iterable[str]) -> Iterator[str]:
    """Those of some parameters that are not as by default."""
    usual = GraphSetting()
    return (name for name in names if getattr(setting, name) != getattr(usual, name))


def setting_problems(setting: GraphSetting) -> Iterator[Problem]:
    """Everything that is wrong with a setting: (name of the parameter, what)."""
    yield from environment_problems(setting)
    for key in ("devices", "offload_points"):
        if getattr(setting, key) is not None:
            yield from whole_problems(key, getattr(setting, key), 1, 10_000_000)
    for key, hint in get_type_hints(type(setting)).items():
        members = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        choices = [
            choice for member in members if get_origin(member) is Literal for choice in get_args(member)
        ]
        value = getattr(setting, key)
        if choices and key not in _CHECKED and value not in choices and (value or NoneType not in members):
            yield key, f"must be one of {', '.join(choices)}, not {value!r}"
    yield from range_problems("run_time", setting.run_time, 0, GREATEST)
    for key in ("clock", "mean_work", "mean_data"):
        if getattr(setting, key) is not None:
            yield from number_problems(key, getattr(setting, key), SMALLEST, LARGEST)
    yield from range_problems("data", setting.data, 0, 1000)
    yield from number_problems("variation", setting.variation, 0, 0.99)


_CHECKED = ("normalise", "objective")
"""Choices that the environment has checked."""
