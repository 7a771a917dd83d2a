"""Instances of graphs and tables that a program holds."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from counts import examples
from hypothesis import given
from hypothesis import strategies as st
from strategies import instances

import offloadlib
from offloadlib import InputError, Instance, from_networkx, from_tables
from offloadlib.instances import LOCAL
from offloadlib.instances.importers import GraphSetting
from offloadlib.instances.recipes import made_again

Table = dict[str, list[Any]]


@dataclass
class Graph:
    """What looks like a directed graph of networkx."""

    tasks: dict[Any, dict[str, Any]]
    arcs: list[tuple[Any, Any, dict[str, Any]]] = field(default_factory=list)
    name: str = ""
    directed: bool = True

    def nodes(self, data: bool) -> Iterable[tuple[Any, dict[str, Any]]]:
        assert data
        return self.tasks.items()

    def edges(self, data: bool) -> Iterable[tuple[Any, Any, dict[str, Any]]]:
        assert data
        return self.arcs

    def is_directed(self) -> bool:
        return self.directed


CHAIN = Graph(
    {1: {"work": 2, "input": 0.5}, "two": {"work": np.float64(3.0), "output": np.int64(1)}},
    [(1, "two", {"data": 0.25})],
    name="chain",
)


def test_what_looks_like_a_graph_becomes_an_application() -> None:
    instance, report = from_networkx(CHAIN, setting=GraphSetting(devices=2, offload_points=3), seed=4)
    [application] = instance.applications
    assert (application.id, application.subtasks, application.edges) == ("chain", ("1", "two"), ((0, 1),))
    group = instance.groups[0]
    assert group.work.tolist() == [[2, 3]] * 2
    assert group.input.tolist() == [[0.5, 0.25]] * 2
    assert group.output.tolist() == [[0.25, 1]] * 2
    assert group.edge_data.tolist() == [[0.25]] * 2
    assert (instance.num_devices, instance.num_points) == (2, 3)
    assert report.lines == (
        "chain (networkx): 2 tasks, 1 arc",
        "work: attribute work of nodes, taken as MI",
        "data: attribute data of arcs, taken as Mbit",
        "2 devices, 0 of them without a connection, and 3 offload points",
        "at each offload point: room for 20 subtasks",
        "drawn with seed 4: speeds, powers, weights, connections and rates",
    )
    again, _ = from_networkx([CHAIN], setting=GraphSetting(devices=2, offload_points=3), seed=4)
    assert again.fingerprint == instance.fingerprint
    with pytest.raises(InputError, match="does not say how it was made"):
        made_again(instance)
    assert offloadlib.solve(instance, method="milp-arrays").status == "optimal"


BARE = {"a": Graph({"x": {}, "y": {}}, [("x", "y", {})]), "b": Graph({"z": {}})}


def test_what_a_graph_does_not_say_is_drawn() -> None:
    setting = GraphSetting(run_time=(2.0, 2.0), clock=3.0, data=(0.5, 0.5), mean_data=4.0, scale="none")
    instance, report = from_networkx(BARE, setting=setting)
    assert [application.id for application in instance.applications] == ["a", "b"]
    assert instance.groups[0].work[0].tolist() == [6, 6]
    assert instance.groups[0].edge_data[0].tolist() == [2]
    assert (instance.groups[1].input[0, 0], instance.groups[1].output[0, 0]) == (2, 2)
    assert (
        "arcs whose data are drawn: 1; heads whose input is drawn: 1; tails whose output is drawn: 1"
        in str(report)
    )
    assert "run times: taken as 2 s for the graphs that have none" in report.lines


def test_work_that_is_not_said_has_the_size_of_a_mobile_task() -> None:
    instance, report = from_networkx(BARE, seed=3)
    assert [group.work[0].mean() for group in instance.groups] == pytest.approx([2, 2])
    assert instance.groups[0].work[0, 0] != instance.groups[0].work[0, 1]
    told = "run times: drawn from U[1, 3] s for the graphs that have none, scaled to a mean of 2 MI in each"
    assert told in report.lines
    mixed, report = from_networkx([CHAIN, BARE["b"]], seed=3)
    assert mixed.groups[0].work[0].tolist() == [2, 3]
    assert mixed.groups[1].work[0].tolist() == pytest.approx([2])
    assert told in report.lines


def test_graphs_of_networkx_and_their_attributes_by_name() -> None:
    networkx = pytest.importorskip("networkx")
    graph = networkx.MultiDiGraph()
    graph.add_node("s", mips=4.0)
    graph.add_node("t", mips=6.0)
    graph.add_edge("s", "t", bits=1.0)
    graph.add_edge("s", "t", bits=3.0)
    instance, report = from_networkx(graph, work="mips", data="bits")
    assert instance.groups[0].work[0].tolist() == [4, 6]
    assert instance.groups[0].edge_data[0].tolist() == [3]
    assert "arcs listed again, merged: 1; arcs listed again with other data, the largest kept: 1" in str(
        report
    )
    path = networkx.path_graph(3, networkx.DiGraph)
    several, _ = from_networkx([graph, path])
    assert [application.id for application in several.applications] == ["graph1", "graph2"]
    assert several.applications[1].edges == ((0, 1), (1, 2))
    with pytest.raises(InputError, match='graph2: no node has the attribute "mips"; with none it is drawn'):
        from_networkx([graph, path], work="mips")
    with pytest.raises(InputError, match=r"graphs\[0\]: is not directed"):
        from_networkx(networkx.path_graph(3))


def test_graphs_on_the_devices_of_another_instance() -> None:
    base, _ = from_networkx(CHAIN, seed=9)
    instance, report = from_networkx(Graph({"x": {"work": 1}}), base=base)
    assert np.array_equal(instance.devices.cpu, base.devices.cpu)
    assert instance.devices.ids == base.devices.ids
    assert instance.points.ids == base.points.ids
    assert f"of {base.name}: devices, offload points and radio" in report.lines


@pytest.mark.parametrize(
    ("graphs", "place", "what"),
    [
        ([], "graphs", "must be at least one graph"),
        (5, "graphs", "must be graphs, not 5"),
        ([5], "graphs[0]", "is no graph: 5"),
        (Graph({1: {}}, directed=False), "graphs[0]", "is not directed"),
        ([CHAIN, CHAIN], "graphs[1]", 'names "chain" again'),
        (Graph({}), "graph1", "has no task"),
        (Graph({1: {}, "1": {}}), 'graph1: node "1"', "is called like another node"),
        (Graph({"": {}}), 'graph1: node ""', "has no name"),
        (Graph({1: {"work": "3"}}), 'graph1: node "1".work', 'must be a number, not "3"'),
        (Graph({1: {"work": math.nan}}), 'graph1: node "1".work', "must be a number, not NaN"),
        (Graph({1: {"work": True}}), 'graph1: node "1".work', "must be a number, not true"),
        (Graph({1: {"work": -1}}), 'graph1: node "1".work', "is negative: -1"),
        (Graph({1: {"work": 10**400}}), 'graph1: node "1".work', "must be a number"),
        (Graph({1: {"work": math.inf}}), 'graph1: node "1".work', "is above 1e+15"),
        (Graph({1: {"work": 1}, 2: {}}), 'graph1: node "2"', "has no work, while others have it"),
        (Graph({1: {}}, [(1, 1, {})]), 'graph1: arc "1" -> "1"', 'joins "1" to itself'),
        (Graph({1: {}, 2: {}}, [(1, 2, {}), (2, 1, {})]), "graph1", 'cycle "1" -> "2" -> "1"'),
    ],
)
def test_graphs_that_cannot_be_used(graphs: Any, place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        from_networkx(graphs)
    assert any(where == place and what in message for where, message in error.value.problems), error.value


APPLICATIONS: Table = {
    "application": ["a", "a", "b"],
    "subtask": ["s", "t", "s"],
    "work": [1, 2, 3],
    "input": [0.5, 0.1, 0.2],
    "output": [0.25, 0.125, 0.75],
}
ARCS: Table = {"application": ["a"], "source": ["s"], "target": ["t"], "data": [0.0625]}
POINTS: Table = {
    "id": ["p", "q"],
    "cpu": [2, 3],
    "uplink": [0.5, 0.75],
    "downlink": [1.5, 2.5],
    "capacity": [4, 5],
    "channels": [None, 1],
}
DEVICES: Table = {
    "id": ["x", "y", "z"],
    "application": ["b", "a", "a"],
    "cpu": [1, 1.5, 1.25],
    "execute": [10, 11, 12],
    "send": [1, 2, 3],
    "receive": [4, 5, 6],
    "alpha": [0, 0.5, 1],
    "connected_to": ["q", None, "p"],
    "uplink": [None, None, 9],
    "downlink": [8, None, None],
}


def tables(**changes: Any) -> list[pd.DataFrame]:
    """The tables devices, points, applications and arcs; ``table__column`` changes or drops a column."""
    found: dict[str, Table] = {
        "devices": dict(DEVICES),
        "points": dict(POINTS),
        "applications": dict(APPLICATIONS),
        "arcs": dict(ARCS),
    }
    for key, values in changes.items():
        table, column = key.split("__")
        found[table] = {name: list(items) for name, items in found[table].items() if name != column}
        if values is not None:
            found[table][column] = values
    return [pd.DataFrame(table) for table in found.values()]


def test_tables_say_everything() -> None:
    instance, report = from_tables(*tables())
    devices, points = instance.devices, instance.points
    assert (devices.ids, points.ids) == (("x", "y", "z"), ("p", "q"))
    assert devices.application.tolist() == [1, 0, 0]
    assert devices.connected_to.tolist() == [1, LOCAL, 0]
    assert devices.execute.tolist() == [10, 11, 12]
    assert devices.alpha.tolist() == [0, 0.5, 1]
    assert [devices.uplink[0], devices.uplink[2]] == [0.75, 9]
    assert [devices.downlink[0], devices.downlink[2]] == [8, 1.5]
    assert points.capacity.tolist() == [4, 5]
    assert points.channels.tolist()[1] == 1
    a, b = (next(group for group in instance.groups if group.application.id == name) for name in "ab")
    assert a.work.tolist() == [[1, 2], [1, 2]]
    assert a.edge_data.tolist() == [[0.0625], [0.0625]]
    assert b.output.tolist() == [[0.75]]
    assert not any(line.startswith("drawn") for line in report.lines)
    other, _ = from_tables(*tables(), seed=5)
    assert other.fingerprint == instance.fingerprint


def test_what_tables_do_not_say_is_drawn() -> None:
    bare: Table = {"application": ["a"], "subtask": ["s"]}
    none: Table = {"application": [], "source": [], "target": []}
    instance, report = from_tables(None, None, pd.DataFrame(bare), pd.DataFrame(none))
    assert (instance.num_devices, instance.num_points) == (10, 10)
    assert report.lines[-1] == (
        "drawn with seed 0: speeds of devices, speeds of offload points, powers (execute), powers (send), "
        "powers (receive), weights, connections, uplink rates of offload points, downlink rates of offload "
        "points, run times, data that are not said"
    )
    assert "at each offload point: room for 20 subtasks" in report.lines
    some, report = from_tables(*tables(devices__send=None, points__cpu=None, applications__input=None))
    assert (
        "drawn with seed 0: speeds of offload points, powers (send), data that are not said" in report.lines
    )
    assert ((some.devices.send >= 1) & (some.devices.send <= 2)).all()


@pytest.mark.parametrize(
    ("changes", "place", "what"),
    [
        ({"devices__id": None}, "devices", 'has no column "id"'),
        ({"devices__mips": [1, 2, 3]}, "devices", 'has an unknown column "mips"; there are id, application'),
        ({"devices__id": ["x", "y", "x"]}, "devices[2].id", 'duplicate "x"'),
        ({"devices__id": ["x", None, "z"]}, "devices[1].id", "must be a name, and is missing"),
        ({"devices__cpu": [1, None, 2]}, "devices[1].cpu", "must be a number, not null"),
        ({"devices__cpu": [1, "fast", 2]}, "devices[1].cpu", 'must be a number, not "fast"'),
        ({"devices__cpu": [1, 0, 2]}, "devices[1].cpu", "must be in [1e-09, 1e+09], not 0"),
        ({"devices__alpha": [1, 0, 1.5]}, "devices[2].alpha", "must be 0 or in [1e-09, 1], not 1.5"),
        ({"devices__send": [1, -1, 2]}, "devices[1].send", "is negative: -1"),
        ({"devices__connected_to": ["p", "r", "q"]}, "devices[1].connected_to", 'unknown offload point "r"'),
        ({"devices__application": ["a", "c", "b"]}, "devices[1].application", 'unknown application "c"'),
        ({"points__capacity": [1, 2.5]}, "points[1].capacity", "must be a whole number, not 2.5"),
        ({"points__id": ["p", "p"]}, "points[1].id", 'duplicate "p"'),
        ({"applications__subtask": ["s", "s", "s"]}, "applications[1]", 'subtask "s" of "a" stands twice'),
        ({"applications__work": [1, 2, math.inf]}, "applications[2].work", "is above 1e+15"),
        ({"arcs__application": ["c"]}, "arcs[0]", 'unknown application "c"'),
        ({"arcs__target": ["u"]}, "arcs[0]", 'unknown task "u"'),
        ({"arcs__target": ["s"]}, "arcs[0]", 'joins "s" to itself'),
        ({"arcs__data": [None]}, "arcs[0].data", "must be a number, not null"),
    ],
)
def test_tables_that_cannot_be_used(changes: dict[str, Any], place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        from_tables(*tables(**changes))
    assert any(where == place and what in message for where, message in error.value.problems), error.value


def test_tables_in_types_of_pandas() -> None:
    devices, points, applications, arcs = (table.convert_dtypes() for table in tables())
    places = devices.assign(connected_to=devices["connected_to"].astype("category"))
    instance, _ = from_tables(places, points, applications, arcs)
    assert instance.fingerprint == from_tables(*tables())[0].fingerprint


def test_other_things_than_tables() -> None:
    devices, points, applications, arcs = tables()
    wrong: Any
    for wrong in ([], devices.iloc[:0]):
        with pytest.raises(
            InputError, match=re.compile("^from_tables: devices: (must be a pandas|has no row)")
        ):
            from_tables(wrong, points, applications, arcs)
    with pytest.raises(InputError, match="applications: has no row"):
        from_tables(devices, points, applications.iloc[:0], arcs)
    with pytest.raises(InputError, match="area: cannot be given with tables"):
        from_tables(devices, points, applications, arcs, setting=GraphSetting(area=100.0))
    named = devices.set_index(pd.Index(["one", "two", "three"])).assign(cpu=[1, -1, 1])
    with pytest.raises(InputError, match=r'devices\["two"\]\.cpu: is negative'):
        from_tables(named, points, applications, arcs)


def frames(instance: Instance) -> list[pd.DataFrame]:
    """The tables of an instance whose devices have one application each."""
    devices, points = instance.devices, instance.points
    ids = [application.id for application in instance.applications]
    rows: list[dict[str, Any]] = []
    arcs: list[dict[str, Any]] = []
    for group in instance.groups:
        application = group.application
        for k, subtask in enumerate(application.subtasks):
            amounts = {key: getattr(group, key)[0, k] for key in ("work", "input", "output")}
            rows.append({"application": application.id, "subtask": subtask, **amounts})
        for arc, (j, k) in enumerate(application.edges):
            ends = {"source": application.subtasks[j], "target": application.subtasks[k]}
            arcs.append({"application": application.id, **ends, "data": group.edge_data[0, arc]})
    return [
        pd.DataFrame(
            {
                "id": devices.ids,
                "application": [ids[i] for i in devices.application],
                **{key: getattr(devices, key) for key in ("cpu", "execute", "send", "receive", "alpha")},
                "connected_to": pd.Series(
                    [None if n == LOCAL else points.ids[n] for n in devices.connected_to], dtype=object
                ),
                "uplink": devices.uplink,
                "downlink": devices.downlink,
            }
        ),
        pd.DataFrame(
            {
                "id": points.ids,
                **{key: getattr(points, key) for key in ("cpu", "uplink", "downlink", "capacity")},
                "channels": [None if value > 10**9 else value for value in points.channels.tolist()],
            }
        ),
        pd.DataFrame(rows),
        pd.DataFrame(arcs, columns=["application", "source", "target", "data"]),
    ]


@examples(200)
@given(instance=instances(max_devices=1, max_applications=1, normalise="local"))
def test_an_instance_of_its_own_tables_costs_the_same(instance: Instance) -> None:
    made, report = from_tables(*frames(instance))
    assert not any(line.startswith("drawn") for line in report.lines)
    assert made.normalise == instance.normalise
    assert np.array_equal(made.points.capacity, instance.points.capacity)
    for places in ("all_local",):
        mine, other = made.evaluate(getattr(made, places)), instance.evaluate(getattr(instance, places))
        assert mine.total == other.total
    document = {"devices", "points"}
    for table in document:
        for key in ("cpu", "uplink", "downlink"):
            assert np.array_equal(
                getattr(getattr(made, table), key), getattr(getattr(instance, table), key), equal_nan=True
            )


NUMBER = st.integers(0, 99) | st.floats(0.001, 1e6)


@examples(100)
@given(data=st.data())
def test_graphs_of_networkx_there_and_back(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    pairs = [(j, k) for k in range(size) for j in range(k)]
    arcs = data.draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    graph = Graph(
        {k: {key: data.draw(NUMBER) for key in ("work", "input", "output")} for k in range(size)},
        [(j, k, {"data": data.draw(NUMBER)}) for j, k in arcs],
    )
    graph.tasks[0]["work"] = 1
    instance, report = from_networkx(graph, setting=GraphSetting(devices=1))
    group = instance.groups[0]
    assert instance.applications[0].edges == tuple(arcs)
    for key in ("work", "input", "output"):
        assert getattr(group, key)[0].tolist() == [given[key] for given in graph.tasks.values()]
    assert group.edge_data[0].tolist() == [given["data"] for _, _, given in graph.arcs]
    assert "whose" not in str(report)
