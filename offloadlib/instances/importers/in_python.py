"""Instances of what a Python program holds: graphs of networkx, tables of pandas.

Both go the way of all task graphs (:mod:`.importers.combine`): what is not said is drawn from the setting's
ranges, and the report says so. Work is in MI, data in Mbit, and nothing is scaled by default.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Floats, Ints
from ..draws import seed_problems
from ..errors import InputError, Problem, shown
from ..files.archive import Columns
from ..files.schema import LARGEST, SMALLEST
from ..files.validate import duplicates
from ..structured.columnar import POWER
from ..structured.instance import Instance
from ..structured.model import LOCAL
from .combine import Draws, Given, combined, given_problems, surroundings
from .formats import Words
from .report import Report, provenance
from .setting import GraphSetting, setting_problems
from .surroundings import Surroundings, drawn
from .task_graph import Element, TaskGraph, amount, assembled

if TYPE_CHECKING:
    import pandas as pd

MADE_IN_PYTHON = ("networkx", "tables")
"""What ``source`` calls the formats of this module: no file has what they were made of."""


def from_networkx(
    graphs: Any,
    *,
    work: str | None = "work",
    input: str | None = "input",
    output: str | None = "output",
    data: str | None = "data",
    setting: GraphSetting | None = None,
    sites: str | Path | None = None,
    users: str | Path | None = None,
    base: str | Path | Instance | None = None,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
) -> tuple[Instance, Report]:
    """An instance whose applications are directed graphs, as networkx has them.

    networkx itself is not needed: a graph is what has ``nodes(data=True)``, ``edges(data=True)`` and
    ``is_directed()``. Arcs of a multigraph between the same two nodes are one, with the largest data.

    Parameters
    ----------
    graphs
        A graph, several, or a mapping from names to graphs; others are called by their ``name``, or
        ``graph1``, ... Subtasks are called by ``str`` of their nodes.
    work, input, output
        Attributes of nodes: MI, Mbit and Mbit. Input counts for heads, output for tails.
    data
        Attribute of arcs: Mbit.
    setting
        Devices, offload points, radio, and ranges of what is not said; the paper's by default.
    sites, users
        CSV files (:mod:`.instances.importers.eua`), both or neither.
    base
        An instance, or its file, whose devices, offload points and radio are taken.
    seed
        Whole number; equal arguments give equal instances.
    name, description
        Of the instance; a name is made up by default.

    Returns
    -------
    instance
        Its ``source`` records every parameter and what was drawn.
    report
        The same in words.

    Raises
    ------
    InputError
        With everything that is wrong with the setting, or else with the graphs, each with its graph, and its
        node or arc. An attribute must be there for all or for none.
    """
    setting = setting or GraphSetting()
    given = Given(sites, users, base)
    _refuse(
        "from_networkx", [*setting_problems(setting), *seed_problems(seed), *given_problems(setting, given)]
    )
    attributes = {"work": work, "input": input, "output": output}
    problems: list[Problem] = []
    read: list[TaskGraph] = []
    for key, graph in _named(graphs, problems):
        found, more = _of_networkx(key, graph, attributes, data)
        problems += more
        if found is not None:
            read.append(found)
    if not problems and not read:
        problems.append(("graphs", "must be at least one graph"))
    _refuse("from_networkx", problems)
    draws = Draws(seed)
    around = surroundings(setting, given, draws)
    words = Words(
        "networkx",
        "drawn" if work is None else f"attribute {work} of nodes",
        "drawn" if data is None else f"attribute {data} of arcs",
    )
    about = {"format": "networkx", "files": [provenance(file) for file in given.maps], "licences": []}
    return combined(
        words, read, around, setting, draws, native=True, about=about, name=name, description=description
    )


def _refuse(source: str, problems: Sequence[Problem]) -> None:
    if problems:
        raise InputError(source, problems)


def _named(graphs: Any, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    """Names of applications, all different, and graphs."""
    if isinstance(graphs, Mapping):
        items: list[tuple[Any, Any]] = list(graphs.items())
    else:
        many = [graphs] if hasattr(graphs, "edges") else graphs
        if not isinstance(many, Iterable):
            problems.append(("graphs", f"must be graphs, not {shown(many)}"))
            return
        items = [(getattr(graph, "name", "") or f"graph{i}", graph) for i, graph in enumerate(many, start=1)]
    seen: set[str] = set()
    for i, (key, graph) in enumerate(items):
        text = str(key)
        if not text or text in seen:
            problems.append(
                (f"graphs[{i}]", "must have a name" if not text else f"names {shown(text)} again")
            )
        elif not all(hasattr(graph, part) for part in ("nodes", "edges", "is_directed")):
            problems.append((f"graphs[{i}]", f"is no graph: {shown(graph)}"))
        elif not graph.is_directed():
            problems.append((f"graphs[{i}]", "is not directed"))
        else:
            yield text, graph
        seen.add(text)


def _of_networkx(
    name: str, graph: Any, attributes: Mapping[str, str | None], data: str | None
) -> tuple[TaskGraph | None, list[Problem]]:
    problems: list[Problem] = []
    tasks: dict[str, Element] = {}
    for node, given in graph.nodes(data=True):
        where = f"{name}: node {shown(str(node))}"
        if not str(node) or str(node) in tasks:
            problems.append((where, "has no name" if not str(node) else "is called like another node"))
        part = Element(where)
        for key, attribute in attributes.items():
            _take(given, attribute, key, part, problems)
        tasks[str(node)] = part
    arcs = []
    for source, target, given in graph.edges(data=True):
        part = Element(f"{name}: arc {shown(str(source))} -> {shown(str(target))}")
        _take(given, data, "data", part, problems)
        arcs.append((str(source), str(target), part))
    wanted = {**attributes, "data": data}
    asked = {key: attribute for key, attribute in wanted.items() if attribute not in (None, key)}
    found, more = assembled(name, tasks, arcs, whole=name, asked=asked)
    problems += more
    return (None if problems else found), problems


def _take(
    given: Mapping[str, Any], attribute: str | None, key: str, part: Element, problems: list[Problem]
) -> None:
    """Take an attribute over as an amount, if it is there."""
    if attribute is not None and attribute in given:
        value = _amount(given[attribute], f"{part.where}.{attribute}", problems)
        part.amounts[key] = value


def _amount(value: Any, where: str, problems: list[Problem]) -> float:
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if math.isnan(number):
        problems.append((where, f"must be a number, not {shown(value)}"))
        return 0.0
    try:
        return amount(number)
    except ValueError as error:
        problems.append((where, f"{error}: {shown(value)}"))
        return 0.0


def from_tables(
    devices: pd.DataFrame | None,
    points: pd.DataFrame | None,
    applications: pd.DataFrame,
    arcs: pd.DataFrame,
    *,
    setting: GraphSetting | None = None,
    seed: int = 0,
    name: str | None = None,
    description: str | None = None,
) -> tuple[Instance, Report]:
    """An instance of four tables; what a table has no column for is drawn.

    ================  ======================================================================================
    table             columns (**needed**)
    ================  ======================================================================================
    ``devices``       **id**, application (else in turn), cpu, execute, send, receive, alpha, connected_to
                      (null: nothing), uplink, downlink (null: those of the point)
    ``points``        **id**, cpu, uplink, downlink, capacity, channels (null: no limit)
    ``applications``  **application**, **subtask**, work, input, output: a row for each subtask
    ``arcs``          **application**, **source**, **target**, data
    ================  ======================================================================================

    Units are those of instance files: MIPS, mW, Mbit/s, MI, Mbit.

    Parameters
    ----------
    devices, points
        None: as many as ``setting`` says, all of them drawn.
    applications, arcs
        The task graphs; arcs may be empty.
    setting
        Ranges of what is not said; the paper's by default.
    seed
        Whole number; equal arguments give equal instances.
    name, description
        Of the instance; a name is made up by default.

    Returns
    -------
    instance
        Its ``source`` records every parameter and what was drawn.
    report
        The same in words.

    Raises
    ------
    InputError
        With everything that is wrong with the setting, or else with the tables, each with its table, its row
        by the index, and its column.
    """
    setting = setting or GraphSetting()
    _refuse("from_tables", [*setting_problems(setting), *seed_problems(seed)])
    problems: list[Problem] = []
    if setting.area is not None:
        problems.append(("area", "cannot be given with tables, which have no positions"))
    tables = {
        "devices": _Table("devices", devices, ("id",), _DEVICE, problems),
        "points": _Table("points", points, ("id",), _POINT, problems),
        "applications": _Table("applications", applications, ("application", "subtask"), _SUBTASK, problems),
        "arcs": _Table("arcs", arcs, ("application", "source", "target"), _ARC, problems),
    }
    _refuse("from_tables", problems)
    graphs = _of_tables(tables["applications"], tables["arcs"], problems)
    _refuse("from_tables", problems)
    draws = Draws(seed)
    around, runs = _around(
        setting,
        tables["devices"],
        tables["points"],
        [graph.application.id for graph in graphs],
        draws,
        problems,
    )
    _refuse("from_tables", problems)
    words = Words("tables", "column work of applications", "column data of arcs")
    about = {"format": "tables", "files": [], "licences": []}
    return combined(
        words,
        graphs,
        around,
        setting,
        draws,
        native=True,
        about=about,
        name=name,
        description=description,
        runs=runs,
    )


_DEVICE = ("application", "cpu", "execute", "send", "receive", "alpha", "connected_to", "uplink", "downlink")
_POINT = ("cpu", "uplink", "downlink", "capacity", "channels")
_SUBTASK = ("work", "input", "output")
_ARC = ("data",)


class _Table:
    """A table whose columns are known, None where a value is null; what is wrong goes into ``problems``."""

    def __init__(
        self,
        name: str,
        frame: Any,
        needed: Sequence[str],
        optional: Sequence[str],
        problems: list[Problem],
    ) -> None:
        import pandas as pd  # which takes half a second, and who has a table has it

        self.name, self.problems = name, problems
        self.given = frame is not None
        self.columns: dict[str, list[Any]] = {}
        self.index: list[Hashable] = []
        if frame is None:
            return
        if not isinstance(frame, pd.DataFrame):
            problems.append((name, f"must be a pandas DataFrame, not {shown(frame)}"))
            return
        known = [*needed, *optional]
        problems += [(name, f"has no column {shown(key)}") for key in needed if key not in frame.columns]
        problems += [
            (name, f"has an unknown column {shown(str(key))}; there are {', '.join(known)}")
            for key in frame.columns
            if key not in known
        ]
        twice = frame.columns[frame.columns.duplicated()]
        problems += [(name, f"has the column {shown(str(key))} twice") for key in twice]
        if not len(twice):
            values = frame.astype(object).where(frame.notna(), None)
            self.columns = {key: values[key].tolist() for key in known if key in frame.columns}
        self.index = frame.index.tolist()

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, key: str) -> bool:
        return key in self.columns

    def where(self, row: int, key: str = "") -> str:
        """The place of a cell, or of a row."""
        index = self.index[row]
        return f"{self.name}[{shown(index) if isinstance(index, str) else index}]" + (
            f".{key}" if key else ""
        )

    def texts(self, key: str) -> list[str]:
        """A column of names."""
        found = []
        for row, value in enumerate(self.columns[key]):
            missing = value is None or str(value) == ""
            if missing:
                self.problems.append((self.where(row, key), "must be a name, and is missing"))
            found.append("" if missing else str(value))
        return found

    def ids(self) -> list[str]:
        """The column ``id``, of names that differ."""
        names = self.texts("id")
        self.problems += duplicates((self.where(row, "id"), name) for row, name in enumerate(names) if name)
        return names

    def numbers(
        self, key: str, least: float = 0.0, *, most: float = LARGEST, optional: bool = False
    ) -> Floats:
        """A column of numbers; NaN where it is null and may be."""
        found = np.full(len(self), math.nan)
        for row, value in enumerate(self.columns[key]):
            if optional and value is None:
                continue
            where = self.where(row, key)
            wrong: list[Problem] = []
            found[row] = _amount(value, where, wrong)
            if not wrong and (not least <= found[row] <= most or 0 < found[row] < SMALLEST):
                zero = "0 or " if least == 0 else ""
                what = f"must be {zero}in [{max(least, SMALLEST):g}, {most:g}], not {shown(value)}"
                wrong.append((where, what))
            self.problems += wrong
        return found


def _of_tables(subtasks: _Table, arcs: _Table, problems: list[Problem]) -> list[TaskGraph]:
    """The task graphs, in order of their first rows."""
    tasks: dict[str, dict[str, Element]] = {}
    parts = [Element(subtasks.where(row)) for row in range(len(subtasks))]
    for key in _SUBTASK:
        if key in subtasks:
            for part, value in zip(parts, subtasks.numbers(key).tolist(), strict=True):
                part.amounts[key] = value
    names = zip(subtasks.texts("application"), subtasks.texts("subtask"), parts, strict=True)
    for application, subtask, part in names:
        found = tasks.setdefault(application, {})
        if subtask in found:
            problems.append((part.where, f"subtask {shown(subtask)} of {shown(application)} stands twice"))
        found[subtask] = part
    joined: dict[str, list[tuple[str, str, Element]]] = {application: [] for application in tasks}
    parts = [Element(arcs.where(row)) for row in range(len(arcs))]
    if "data" in arcs:
        for part, value in zip(parts, arcs.numbers("data").tolist(), strict=True):
            part.amounts["data"] = value
    ends = zip(arcs.texts("application"), arcs.texts("source"), arcs.texts("target"), parts, strict=True)
    for application, source, target, part in ends:
        joined.setdefault(application, []).append((source, target, part))
    problems += [
        (part.where, f"unknown application {shown(application)}")
        for application, items in joined.items()
        for _, _, part in items
        if application not in tasks
    ]
    if not tasks:
        problems.append((subtasks.name, "has no row"))
    made = [
        assembled(application, items, joined[application], whole=f"arcs of {shown(application)}")
        for application, items in tasks.items()
    ]
    problems += [problem for _, more in made for problem in more]
    return [graph for graph, _ in made if graph is not None]


def _around(
    setting: GraphSetting,
    devices: _Table,
    points: _Table,
    applications: list[str],
    draws: Draws,
    problems: list[Problem],
) -> tuple[Surroundings, Ints | None]:
    """What the tables say of devices and offload points, and else draws; and which device runs what."""
    counts = {"devices": len(devices), "points": len(points)}
    empty = [table for table in (devices, points) if table.given and not len(table)]
    problems += [(table.name, "has no row") for table in empty]
    if problems:
        return drawn(setting, draws.surroundings), None
    base = drawn(
        replace(
            setting,
            devices=counts["devices"] or setting.devices,
            offload_points=counts["points"] or setting.offload_points,
        ),
        draws.surroundings,
    )
    network, columns, items = base.network, dict(base.devices), [dict(point) for point in base.points]
    said: list[str] = []
    if points.given:
        names = points.ids()
        network = replace(network, ids=tuple(names))
        for item, key in zip(items, names, strict=True):
            item["id"] = key
        for key in ("cpu", "uplink", "downlink"):
            if key in points:
                said.append(f"points.{key}")
                values = points.numbers(key, SMALLEST)
                for item, value in zip(items, values.tolist(), strict=True):
                    item[key] = value
        for key in ("capacity", "channels"):
            if key in points:
                said.append(f"points.{key}")
                _whole_numbers(points, key, items)
        network = replace(
            network,
            point_uplink=np.array([item["uplink"] for item in items]),
            point_downlink=np.array([item["downlink"] for item in items]),
        )
    runs = None
    if devices.given:
        runs, network = _devices(devices, columns, network, applications, said, problems)
    return (
        replace(
            base,
            points=items,
            network=network,
            devices=columns,
            told=() if "points.capacity" in said else base.told,
            drawn=tuple(_drawn(said)),
        ),
        runs,
    )


def _whole_numbers(points: _Table, key: str, items: list[dict[str, Any]]) -> None:
    values = points.numbers(key, optional=key == "channels")
    for row, (item, value) in enumerate(zip(items, values.tolist(), strict=True)):
        item.pop(key, None)
        if math.isnan(value):
            continue
        if value % 1:
            points.problems.append((points.where(row, key), f"must be a whole number, not {value!r}"))
        item[key] = int(value)


def _devices(
    devices: _Table,
    columns: Columns,
    network: Any,
    applications: list[str],
    said: list[str],
    problems: list[Problem],
) -> tuple[Ints | None, Any]:
    columns["id"] = devices.ids()
    for key in ("cpu", *POWER, "alpha"):
        if key in devices:
            said.append(f"devices.{key}")
            least, most = (SMALLEST if key == "cpu" else 0.0), (1.0 if key == "alpha" else LARGEST)
            columns[f"power.{key}" if key in POWER else key] = devices.numbers(key, least, most=most)
    for key in ("uplink", "downlink"):
        if key in devices:
            said.append(f"devices.{key}")
            network = replace(network, **{key: devices.numbers(key, SMALLEST, optional=True)})
    if "connected_to" in devices:
        said.append("devices.connected_to")
        places = {key: n for n, key in enumerate(network.ids)}
        found = _numbers_of(devices, "connected_to", places, "offload point", problems, null=LOCAL)
        network = replace(network, connected_to=found)
    runs = None
    if "application" in devices:
        said.append("devices.application")
        number = {key: i for i, key in enumerate(applications)}
        runs = _numbers_of(devices, "application", number, "application", problems)
    return runs, network


def _numbers_of(
    table: _Table,
    key: str,
    number: Mapping[str, int],
    what: str,
    problems: list[Problem],
    null: int | None = None,
) -> Ints:
    found = np.zeros(len(table), np.int64)
    for row, value in enumerate(table.columns[key]):
        if null is not None and value is None:
            found[row] = null
        elif str(value) in number:
            found[row] = number[str(value)]
        else:
            problems.append((table.where(row, key), f"unknown {what} {shown(value)}"))
    return found


def _drawn(said: list[str]) -> Iterator[str]:
    """What was drawn, in words."""
    words = {
        "devices.cpu": "speeds of devices",
        "points.cpu": "speeds of offload points",
        **{f"devices.{key}": f"powers ({key})" for key in POWER},
        "devices.alpha": "weights",
        "devices.connected_to": "connections",
        "points.uplink": "uplink rates of offload points",
        "points.downlink": "downlink rates of offload points",
    }
    yield from (text for key, text in words.items() if key not in said)
