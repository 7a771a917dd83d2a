"""Instances made in a program, documents and open files as sources, and tables and graphs of all of it."""

from __future__ import annotations

import doctest
import io
import json
import math
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from counts import examples
from folders import LIBRARY
from format2 import format2_documents
from hypothesis import given
from hypothesis import strategies as st
from reading import library, read_hybrid
from strategies import DOCUMENT, instance_of, instances, solutions

import offloadlib
from offloadlib import InputError, Instance, InstanceBuilder, Result, Solution
from offloadlib.instances import HybridInstance, building, exact
from offloadlib.instances.importers import GraphSetting

# Builder ------------------------------------------------------------------------------------------


def built(document: dict[str, Any]) -> Instance:
    """An instance built call by call from what stands in its document."""
    totals = document.get("totals") or {}
    builder = InstanceBuilder(
        document["name"],
        normalise=document["cost"]["normalise"],
        objective=document["cost"].get("objective") or "sum",
        resources=document.get("resources") or (),
        total_delay=totals.get("delay"),
        total_energy=totals.get("energy"),
    )
    for point in document["offload_points"]:
        fee = point.get("fee") or {}
        kept = {key: value for key, value in point.items() if key not in ("id", "fee")}
        builder.add_point(point["id"], fee_subtask=fee.get("subtask"), fee_work=fee.get("work"), **kept)
    for application in document["applications"]:
        edges = [(j, k) for j, k in application["edges"]]
        assert builder.add_application(application["id"], application["subtasks"], edges) == application["id"]
    for limit in document.get("limits") or ():
        builder.add_limit(
            limit["id"], resource=limit["resource"], points=limit["points"], capacity=limit["capacity"]
        )
    for device in document["devices"]:
        latency = device.get("latency") or {}
        kept = {key: value for key, value in device.items() if key not in ("id", "power", "latency")}
        waits: dict[str, Any] = {"latency_up": latency.get("up"), "latency_down": latency.get("down")}
        builder.add_device(device["id"], **device["power"], **waits, **kept)
    return builder.build()


@examples(100)
@given(instance=instances())
def test_a_built_instance_is_that_of_the_file(instance: Instance) -> None:
    assert built(instance.to_dict()).fingerprint == instance.fingerprint


@examples(100)
@given(document=format2_documents())
def test_a_built_instance_of_format_2_is_that_of_the_file(document: dict[str, Any]) -> None:
    assert built(document).fingerprint == instance_of(document).fingerprint


def builder() -> InstanceBuilder:
    found = InstanceBuilder("b", normalise="none", resources=["memory"])
    found.add_point("op", cpu=2.0, capacity=3, uplink=1.0, downlink=1.0)
    found.add_application("app", ["a", "b"], [("a", "b")])
    return found


DEVICE: dict[str, Any] = {
    "application": "app",
    "connected_to": "op",
    "cpu": 1.0,
    "execute": 1.0,
    "send": 1.0,
    "receive": 1.0,
    "work": [1.0, 2.0],
}


def test_names_and_arrays_do_for_lists() -> None:
    one, other = builder(), builder()
    one.add_device("d", **DEVICE, input={"a": 1}, output=[3, 0], demand={"memory": [0, 2]})
    arrays: dict[str, Any] = {**DEVICE, "work": np.array([1.0, 2.0]), "cpu": np.float64(1.0)}
    other.add_device(
        "d",
        **arrays,
        input=pd.Series([1, 0]),
        output={"a": 3},
        edge_data={},
        demand={"memory": {"b": float(np.float64(2))}},
    )
    assert one.build().fingerprint == other.build().fingerprint
    assert repr(one) == "<InstanceBuilder 'b': 1 devices, 1 offload points>"
    one.add_device("e", **DEVICE, edge_data={("a", "b"): 5.0})
    assert one.build().num_devices == 2
    assert one.build().groups[0].edge_data.tolist() == [[3.0], [5.0]]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"application": "nil"}, 'device "d": application: there is no application "nil"'),
        ({"connected_to": "nil"}, 'device "d": connected_to: there is no offload point "nil"'),
        ({"cpu": -1.0}, 'device "d": cpu: must lie in [1e-9, 1e9], not -1.0'),
        ({"cpu": "fast"}, 'device "d": cpu: must be a number, not "fast"'),
        ({"execute": math.nan}, 'device "d": power.execute: must be a finite number, not NaN'),
        ({"work": [1.0]}, 'device "d": work: must have 2 entries, not 1'),
        ({"work": {"a": 1.0, "c": 2.0}}, 'device "d": work: there is no subtask "c"'),
        ({"work": 5}, 'device "d": work: must be a list, not 5'),
        ({"output": 5, "edge_data": {("a", "b"): 1.0}}, 'device "d": output: must be a list, not 5'),
        ({"edge_data": {("b", "a"): 1.0}}, "device \"d\": edge_data: there is no arc ('b', 'a')"),
        ({"alpha": 2}, 'device "d": alpha: must be 0 or lie in [1e-9, 1]'),
        ({"deadline": -1}, 'device "d": deadline: '),
        ({"at": [{"subtask": "a"}]}, 'device "d": at[0].point: is missing'),
    ],
)
def test_a_device_is_looked_at_when_it_is_added(changed: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError) as error:
        builder().add_device("d", **{**DEVICE, **changed})
    assert what in str(error.value)


def test_other_parts_are_looked_at_when_they_are_added() -> None:
    found = builder()
    with pytest.raises(InputError, match=r'offload point "op": id: is taken already'):
        found.add_point("op", cpu=1.0, uplink=1.0, downlink=1.0)
    with pytest.raises(InputError, match=r"capacity: must be a whole number|capacity"):
        found.add_point("p", cpu=1.0, uplink=1.0, downlink=1.0, capacity=1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r'application "x": subtasks: must not be empty'):
        found.add_application("x", [])
    with pytest.raises(InputError, match=r'limit "l": points: must not be empty'):
        found.add_limit("l", points=[], capacity=1)


def test_what_does_not_fit_together_is_said_by_build() -> None:
    found = builder()
    with pytest.raises(InputError, match="devices: must not be empty"):
        found.build()
    found.add_application("circle", ["a", "b"], [("a", "b"), ("b", "a")])
    found.add_limit("l", points=["nil"], capacity=1)
    found.add_device("d", **DEVICE, allowed={"a": ["nil"]}, demand={"disk": [1, 1]})
    with pytest.raises(InputError) as error:
        found.build()
    for what in ("applications[1]", 'limits[0].points[0]: unknown offload point "nil"', "devices[0].allowed"):
        assert what in str(error.value)


def test_no_limit_is_none() -> None:
    found = builder()
    found.add_point("cloud", cpu=9.0, uplink=1.0, downlink=1.0)
    found.add_device("d", **DEVICE)
    assert found.build().to_dict()["offload_points"][1]["capacity"] == {}
    assert built(found.build().to_dict()).fingerprint == found.build().fingerprint


def test_the_example_of_the_docstring() -> None:
    assert doctest.testmod(building).failed == 0


# Documents and open files -------------------------------------------------------------------------


def test_sources_of_an_instance(tmp_path: Path) -> None:
    path = LIBRARY / "worked-example.json"
    instance = library("worked-example")
    document = json.loads(path.read_text())
    with path.open() as text, path.open("rb") as binary:
        sources: list[Any] = [str(path), path, text, binary, io.StringIO(path.read_text()), document]
        for source in sources:
            assert offloadlib.read(source).fingerprint == instance.fingerprint
    offloadlib.write(instance, tmp_path / "a.zip")
    with (tmp_path / "a.zip").open("rb") as archive:
        assert offloadlib.read(archive).fingerprint == instance.fingerprint
    assert Instance.from_dict(document).fingerprint == instance.fingerprint
    assert instance.to_dict()["devices"][0]["work"] == document["devices"][0]["work"]
    document["devices"][0]["work"] = np.array(document["devices"][0]["work"])
    document["offload_points"] = tuple(document["offload_points"])
    assert Instance.from_dict(document).fingerprint == instance.fingerprint


def test_sources_of_a_solution() -> None:
    path = LIBRARY / "solutions" / "worked-example.sol.json"
    instance = library("worked-example")
    for source in (path, io.BytesIO(path.read_bytes()), json.loads(path.read_text())):
        stored = offloadlib.read_solution(source, instance)
        assert exact.cost(instance, stored.solution) == stored.objective


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ({}, "document: format: is missing"),
        ({**DOCUMENT, "devices": [object()]}, "document: cannot be written as JSON: Object of type object"),
        ({**DOCUMENT, "cost": {"normalise": math.nan}}, "document: cost.normalise: must be"),
        ({**DOCUMENT, "name": "\ud800"}, "document: name: must be Unicode text"),
        (dict[Any, Any]({**DOCUMENT}) | {(1, 2): 3}, "document: cannot be written as JSON: keys must be str"),
        (io.StringIO("{"), "file: is not JSON, or is cut short"),
        (io.StringIO("\ud800"), "file: cannot be read"),
        (5, "read: must be a path, an open file or a dictionary, not int"),
    ],
)
def test_a_source_that_is_none(source: Any, what: str) -> None:
    with pytest.raises(InputError) as error:
        offloadlib.read(source)
    assert what in str(error.value)


def test_documents_that_hold_themselves_and_files_that_are_closed() -> None:
    document: dict[str, Any] = {**DOCUMENT}
    document["source"] = document
    with pytest.raises(InputError, match="document: cannot be written as JSON"):
        offloadlib.read(document)
    file = io.StringIO("{}")
    file.close()
    with pytest.raises(InputError, match="cannot be read"):
        offloadlib.read(file)


def test_a_document_of_another_kind() -> None:
    hybrid = read_hybrid(LIBRARY / "hybrid-3x3.json")
    assert HybridInstance.from_dict(hybrid.to_dict()).fingerprint == hybrid.fingerprint
    with pytest.raises(InputError, match='kind: must be "structured", not "hybrid"'):
        Instance.from_dict(hybrid.to_dict())


@examples(50)
@given(document=format2_documents())
def test_to_dict_is_the_other_way(document: dict[str, Any]) -> None:
    instance = instance_of(document)
    assert Instance.from_dict(instance.to_dict()).fingerprint == instance.fingerprint


# Decisions by name --------------------------------------------------------------------------------


@examples(50)
@given(data=st.data())
def test_decisions_by_name(data: st.DataObject) -> None:
    instance = data.draw(instances())
    solution = data.draw(solutions(instance))
    again = Solution.from_decisions(instance, dict(solution.decisions(instance)))
    assert again.rows(instance) == solution.rows(instance)


def test_decisions_that_do_not_fit() -> None:
    instance = library("worked-example")
    with pytest.raises(InputError) as error:
        Solution.from_decisions(instance, {"ud1": ["op1", "op9"], "ud3": [], "ud2": None})
    for what in ("decisions.ud1[1]: unknown offload point", "decisions.ud3: unknown device", "ud2: must be"):
        assert what in str(error.value)


# Tables and graphs --------------------------------------------------------------------------------


@examples(50)
@given(instance=instances())
def test_tables_there_and_back(instance: Instance) -> None:
    """Costs are the same; applications have other names where devices differ."""
    again, _ = offloadlib.from_tables(
        **instance.to_frames(), setting=GraphSetting(normalise=instance.normalise), name=instance.name
    )
    assert again.device_ids == instance.device_ids
    rows = [[-1] * instance.applications[a].size for a in instance.devices.application.tolist()]
    for m, point in enumerate(instance.devices.connected_to.tolist()):
        if point >= 0:
            rows[m] = [k % instance.num_points for k in range(len(rows[m]))]
    found = [each.evaluate(Solution.from_rows(each, rows)).cost.tolist() for each in (instance, again)]
    assert found[0] == found[1]


def test_what_tables_of_format_2_say_is_refused_in_words() -> None:
    found = builder()
    found.add_device("d", **DEVICE, deadline=9.0, rejection=2.0, demand={"memory": [1, 2]})
    frames = found.build().to_frames()
    assert frames["devices"][["deadline", "rejection"]].values.tolist() == [[9.0, 2.0]]
    assert frames["applications"]["demand memory"].tolist() == [1.0, 2.0]
    assert frames["points"]["memory"].tolist() == [math.inf]
    with pytest.raises(InputError, match='devices: has an unknown column "deadline"'):
        offloadlib.from_tables(**frames)


def test_graphs_there_and_back() -> None:
    instance = library("mixed-m030")
    graphs = {name: instance.to_networkx(name) for name in instance.device_ids}
    again, _ = offloadlib.from_networkx(graphs, base=instance, setting=GraphSetting(normalise="local"))
    for name, graph in graphs.items():
        assert nx.is_directed_acyclic_graph(graph)
        other = again.to_networkx(again.device_ids[instance.device_ids.index(name)])
        assert dict(other.nodes(data=True)) == dict(graph.nodes(data=True))
        assert list(other.edges(data=True)) == list(graph.edges(data=True))
    with pytest.raises(InputError, match="device: 'nil' is not known"):
        instance.to_networkx("nil")


def test_frames_of_results() -> None:
    instance = library("worked-example")
    result = offloadlib.solve(instance, "milp")
    assert repr(result).startswith("<Result: optimal, cost 24.045, gap 0.00%, ")
    assert repr(result.solution) == "<Solution: 5 of 10 subtasks offloaded>"
    frame = pd.concat([result.to_frame(), offloadlib.solve(instance, "local").to_frame()])
    assert frame["status"].tolist() == ["optimal", "feasible"]
    assert frame["objective"].tolist() == [result.objective, 72.77]
    assert frame["lower_bound"].tolist()[0] == result.lower_bound and math.isnan(frame["gap"].tolist()[1])
    decided = result.solution.to_frame(instance)
    places = [row for row in decided["place"].tolist() if row is not None]
    assert sorted(places) == ["op1"] * 3 + ["op2"] * 2
    assert not decided["refused"].any() and len(decided) == 10

    evaluation = instance.evaluate(result.solution)
    assert repr(evaluation) == "<Evaluation of 'worked-example': cost 24.045, all limits kept>"
    costs = evaluation.to_frame()
    assert costs.index.tolist() == ["ud1", "ud2"]
    assert costs["cost"].tolist() == evaluation.cost.tolist()
    assert costs["local_cost"].sum() == pytest.approx(72.77)
    uses = evaluation.uses_to_frame()
    assert uses[["name", "unit", "used", "size"]].iloc[:2].values.tolist() == [
        ["op1", "subtasks", 3.0, 3.0],
        ["op2", "subtasks", 2.0, 2.0],
    ]
    broken = instance.evaluate(Solution.from_rows(instance, [[0] * 5, [0] * 5]))
    assert repr(broken) == "<Evaluation of 'worked-example': cost 6.08333, 1 limit broken>"


def test_frames_of_an_explanation() -> None:
    instance = library("worked-example")
    solution = offloadlib.solve(instance, "milp").solution
    told = offloadlib.explain(instance, solution)
    assert repr(told).startswith("<Explanation of 'worked-example': cost 24.045, ")
    limits = told.to_frame()
    assert limits["price"].tolist() == [limit.price for limit in told.limits]
    assert set(limits["point"]) == {"op1", "op2"}
    assert set(zip(limits["kind"], limits["unit"], strict=True)) == {
        ("capacity", "subtasks"),
        ("channels", "devices"),
    }
    choices = told.choices_to_frame()
    assert len(choices) == 5
    assert list(choices.columns[-3:]) == ["alone op1", "alone op2", "alone local"]
    assert told.own_to_frame().empty


def test_frames_of_the_hybrid_problem() -> None:
    hybrid = read_hybrid(LIBRARY / "hybrid-3x3.json")
    result: Result[Any] = offloadlib.solve(hybrid, "coordinate-descent")
    frame = result.solution.to_frame(hybrid)
    assert len(frame) == 9 and set(frame["place"]) <= {"device", "edge", "cloud"}
    assert hybrid.evaluate(result.solution).to_frame()["cost"].sum() == pytest.approx(result.objective)
    assert "tasks offloaded>" in repr(result.solution)
