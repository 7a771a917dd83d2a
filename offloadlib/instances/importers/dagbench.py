"""DAGBench's task graphs, and the network that each of its files has.

``task_graph`` has ``tasks`` (``name``, ``cost``) and ``dependencies`` (``source``, ``target``, ``size``),
``network`` has ``nodes`` (``name``, ``speed``) and ``edges`` (``source``, ``target``, ``speed``). A task
takes cost/speed, a transfer size/speed; so with the network of the file cost is taken as MI and speed as
MIPS, size as Mbit and the speed of an edge as Mbit/s, and nothing is scaled. The graphs' own units differ.

Of the network, some nodes are devices and the others offload points (:func:`of_network`). A device has one
radio: its rates are those of its fastest link to an offload point. That its other links are slower, and that
links between offload points take time, the model does not know.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..arrays import Floats
from ..errors import InputError, Problem, counted, shown, unknown
from ..files.document import Document, parse_json
from ..files.schema import LARGEST, SMALLEST, Id
from ..files.validate import duplicates, structure
from ..structured.generate import Network, draw_devices, draw_points
from ..structured.model import LOCAL
from .setting import DagbenchSetting
from .surroundings import Streams, Surroundings, places
from .task_graph import GREATEST, Amount, Element, TaskGraph, assembled


class _Item(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class _Task(_Item):
    name: Id
    cost: Amount | None = None


class _Dependency(_Item):
    source: Id
    target: Id
    size: Amount | None = None


class _Graph(_Item):
    tasks: Annotated[list[_Task], Field(min_length=1)]
    dependencies: list[_Dependency] = []


class _Node(_Item):
    name: Id
    speed: Amount


class _Link(_Item):
    source: Id
    target: Id
    speed: Amount | None = None  # null: without limit, as the tools behind the collection write a node's own


class _FileNetwork(_Item):
    nodes: Annotated[list[_Node], Field(min_length=1)]
    edges: list[_Link] = []


class _File(_Item):
    task_graph: _Graph
    network: _FileNetwork | None = None


def read_dagbench(content: bytes, path: str | Path, name: str, setting: DagbenchSetting) -> TaskGraph:
    """Read one task graph; what it does not say is the inputs of heads and the outputs of tails."""
    graph = _document(content, path)["task_graph"]
    where = "task_graph.tasks[{}]", "task_graph.dependencies[{}]"
    places = [where[0].format(k) for k in range(len(graph["tasks"]))]
    names = [task["name"] for task in graph["tasks"]]
    problems = list(duplicates((f"{place}.name", name) for place, name in zip(places, names, strict=True)))
    tasks = {
        task["name"]: Element(place, _said(work=task.get("cost")))
        for place, task in zip(places, graph["tasks"], strict=True)
    }
    arcs = [
        (item["source"], item["target"], Element(where[1].format(i), _said(data=item.get("size"))))
        for i, item in enumerate(graph.get("dependencies", ()))
    ]
    found, more = assembled(name, tasks, arcs, whole="task_graph.dependencies")
    if found is None or problems:
        raise InputError(path, [*problems, *more])
    return found


def _said(**amounts: float | None) -> dict[str, float]:
    return {key: value for key, value in amounts.items() if value is not None}


def _document(content: bytes, path: str | Path) -> Document:
    document: Any = parse_json(content, path)
    problems = structure(_File, document)
    if problems:
        raise InputError(path, problems)
    checked: Document = document
    return checked


@dataclass(frozen=True, eq=False)
class Nodes:
    """The network of a file.

    Attributes
    ----------
    names
        Of its n nodes.
    speed
        (n,) as in the file.
    link
        (n, n) speed from node to node, 0 where there is no link; one that the file gives for one direction
        alone holds for both.
    """

    names: tuple[str, ...]
    speed: Floats
    link: Floats


def read_network(content: bytes, path: str | Path) -> Nodes:
    """Read the network of a file.

    Raises
    ------
    InputError
        If it has none, or with everything that is wrong with it.
    """
    network = _document(content, path).get("network")
    if network is None:
        raise InputError(path, [("network", "is missing: take another one (network is 'drawn')")])
    names = [node["name"] for node in network["nodes"]]
    problems: list[Problem] = list(
        duplicates((f"network.nodes[{i}].name", name) for i, name in enumerate(names))
    )
    speed = np.array([node["speed"] for node in network["nodes"]], np.float64)
    problems += [
        (f"network.nodes[{i}].speed", f"must lie in [{SMALLEST:g}, {LARGEST:g}], not {value!r}")
        for i, value in enumerate(speed.tolist())
        if not SMALLEST <= value <= LARGEST
    ]
    number = {name: i for i, name in enumerate(names)}
    link = np.full((len(names), len(names)), math.nan)
    for i, edge in enumerate(network.get("edges", ())):
        ends = [(key, edge[key]) for key in ("source", "target")]
        wrong = [(key, end) for key, end in ends if end not in number]
        problems += [(f"network.edges[{i}].{key}", f"unknown node {shown(end)}") for key, end in wrong]
        if not wrong:
            speed_of = edge.get("speed")
            link[number[edge["source"]], number[edge["target"]]] = GREATEST if speed_of is None else speed_of
    if problems:
        raise InputError(path, problems)
    link = np.where(np.isnan(link), link.T, link)
    return Nodes(tuple(names), speed, np.nan_to_num(link))


def of_network(nodes: Nodes, setting: DagbenchSetting, path: str | Path, streams: Streams) -> Surroundings:
    """Devices and offload points of a network.

    Parameters
    ----------
    nodes
        The network.
    setting
        Says which nodes are devices, how many devices there are (they are the nodes in turn), and from where
        to draw what the file does not say: powers and weights.
    path
        Where the network came from, for messages.
    streams
        Sources of the draws.

    Raises
    ------
    InputError
        If a node is unknown, or no node is left to be an offload point.
    """
    for name in setting.device_nodes:
        if name not in nodes.names:
            raise unknown(f"{path}: network", name, nodes.names)
    slowest = np.flatnonzero(nodes.speed == nodes.speed.min())
    if setting.device_nodes:
        chosen = np.array([nodes.names.index(name) for name in dict.fromkeys(setting.device_nodes)])
    else:
        chosen = slowest[:1] if len(slowest) == len(nodes.names) else slowest
    others = np.setdiff1d(np.arange(len(nodes.names)), chosen)
    if not len(others):
        raise InputError(path, [("network.nodes", "has no node that is no device")])
    count = setting.devices or len(chosen)
    number = chosen[np.arange(count) % len(chosen)]
    up, down = nodes.link[number][:, others], nodes.link[others][:, number].T
    nearest = np.minimum(up, down).argmax(axis=1)
    rows = np.arange(count)
    linked = (up[rows, nearest] > 0) & (down[rows, nearest] > 0)
    rates = [np.where(linked, _rate(speed[rows, nearest]), np.nan) for speed in (up, down)]
    devices = draw_devices(setting, count, streams.devices)
    devices["cpu"] = nodes.speed[number]
    own = [np.array([_rate(values.max(initial=0.0)) for values in link.T]) for link in (up, down)]
    network = Network(
        ids=tuple(nodes.names[i] for i in others.tolist()),
        point_uplink=own[0],
        point_downlink=own[1],
        connected_to=np.where(linked, nearest, LOCAL),
        uplink=rates[0],
        downlink=rates[1],
    )
    points = draw_points(setting, network, streams.points)
    for point, i in zip(points, others.tolist(), strict=True):
        point["cpu"] = float(nodes.speed[i])
    slower = int(((np.minimum(up, down) < np.minimum(up, down).max(axis=1)[:, None]).any(axis=1)).sum())
    names = [nodes.names[i] for i in chosen.tolist()]
    told = [
        f"network of the file: {counted(len(nodes.names), 'node')}, as devices "
        + (
            "as asked for: "
            if setting.device_nodes
            else "the slowest: "
            if len(slowest) < len(nodes.names)
            else "the first, for all are as fast: "
        )
        + ", ".join(names),
    ]
    if count != len(chosen):
        told.append(f"each of {counted(count, 'device')} is one of these nodes, in turn")
    if slower:
        told.append(f"devices with slower links to some offload points, which count as the fastest: {slower}")
    told.append(places(setting))
    return Surroundings(
        points=points,
        network=network,
        devices=devices,
        facts={
            "nodes": len(nodes.names),
            "device_nodes": names,
            "devices_with_slower_links": slower,
        },
        conversions=(
            "network: speeds of nodes as MIPS, those of a device's fastest link as Mbit/s of its radio; "
            "links between offload points take no time",
        ),
        told=tuple(told),
        drawn=("powers", "weights"),
    )


def _rate(speed: Any) -> Any:
    """What the file format allows: links within a node are as good as infinitely fast there."""
    return np.clip(speed, SMALLEST, LARGEST)


def same(networks: Sequence[Nodes]) -> bool:
    """Whether all networks are one."""
    first = networks[0]
    return all(
        other.names == first.names and (other.speed == first.speed).all() and (other.link == first.link).all()
        for other in networks
    )
