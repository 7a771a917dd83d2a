"""WfFormat workflows and EUA maps: known figures, every rejection, real files where they are."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import math
from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import CASES, DATA, LIBRARY
from reading import read_structured

from offloadlib import instances
from offloadlib.instances import LOCAL, InputError, Solution, evaluate, read
from offloadlib.instances.draws import parameter_help
from offloadlib.instances.importers import ImportSetting, import_graphs
from offloadlib.instances.importers.eua import local_metres, read_locations
from offloadlib.instances.importers.task_graph import TaskGraph, completed, scaled
from offloadlib.instances.importers.wfformat import read_workflow
from offloadlib.instances.recipes import made_again
from offloadlib.instances.structured.radio import link_rates

SITES, USERS = "eua/site-optus-melbCBD.csv", "eua/users-melbcbd-generated.csv"
WORKFLOWS = tuple(
    f"wfinstances/{name}.json"
    for name in (
        "bacass-dirt02-001",
        "methylseq-dirt02-001",
        "sarek-dirt02-001",
        "scrnaseq-dirt02-001",
        "srasearch-chameleon-10a-001",
    )
)

import_wfformat = partial(import_graphs, "wfformat")

needs_data = pytest.mark.skipif(not (DATA / SITES).exists(), reason="the real data are not here")

Document = dict[str, Any]

# A diamond a -> {b, c} -> d. Sizes in bytes: `in` 1000 (outside), `x` 250 (a to b and c), `y` 500 (b to
# d), `z` 0 (c to d), `conf` 40 (outside, read by d), `out` 125 (of d).
V15: Document = {
    "name": "diamond",
    "schemaVersion": "1.5",
    "workflow": {
        "specification": {
            "tasks": [
                {
                    "name": "first",
                    "id": "P.Q.a_1",
                    "parents": [],
                    "children": ["P.Q.b_2", "P.Q.c_3"],
                    "inputFiles": ["in"],
                    "outputFiles": ["x"],
                },
                {
                    "name": "left",
                    "id": "P.Q.b_2",
                    "parents": ["P.Q.a_1"],
                    "children": ["P.R.d_4"],
                    "inputFiles": ["x"],
                    "outputFiles": ["y"],
                },
                {
                    "name": "right",
                    "id": "P.Q.c_3",
                    "parents": ["P.Q.a_1"],
                    "children": ["P.R.d_4"],
                    "inputFiles": ["x"],
                    "outputFiles": ["z"],
                },
                {
                    "name": "last",
                    "id": "P.R.d_4",
                    "parents": ["P.Q.b_2", "P.Q.c_3"],
                    "children": [],
                    "inputFiles": ["y", "z", "conf"],
                    "outputFiles": ["out"],
                },
            ],
            "files": [
                {"id": "in", "sizeInBytes": 1000},
                {"id": "x", "sizeInBytes": 250},
                {"id": "y", "sizeInBytes": 500},
                {"id": "z", "sizeInBytes": 0},
                {"id": "conf", "sizeInBytes": 40},
                {"id": "out", "sizeInBytes": 125},
            ],
        },
        "execution": {
            "makespanInSeconds": 9,
            "executedAt": "2023-03-29T10:02:36-10:00",
            "tasks": [
                {"id": "P.R.d_4", "runtimeInSeconds": 0, "avgCPU": 90.0},
                {"id": "P.Q.a_1", "runtimeInSeconds": 2.0, "avgCPU": 50.0},
                {"id": "P.Q.b_2", "runtimeInSeconds": 1.5, "avgCPU": 400.0},
                {"id": "P.Q.c_3", "runtimeInSeconds": 3},
            ],
            "machines": [{"nodeName": "n", "cpu": {"speedInMHz": 1200}}],
        },
    },
}


def as_14(document: Document) -> Document:
    """The same workflow in the layout of version 1.4."""
    workflow = document["workflow"]
    sizes = {file["id"]: file["sizeInBytes"] for file in workflow["specification"]["files"]}
    runs = {run["id"]: run for run in workflow["execution"]["tasks"]}
    tasks = []
    for number, task in enumerate(workflow["specification"]["tasks"]):
        files = [
            {"name": name, "sizeInBytes": sizes[name], "link": link}
            for link in ("input", "output")
            for name in task[f"{link}Files"]
        ]
        run = {key: value for key, value in runs[task["id"]].items() if key != "id"}
        item = {"name": task["id"], "id": f"ID{number:07d}", "type": "compute", "files": files}
        tasks.append(item | run | {"parents": task["parents"]})
    head = {"makespanInSeconds": 9, "executedAt": "2023-03-29T10:02:36-10:00"}
    return {"name": document["name"], "schemaVersion": "1.4", "workflow": {**head, "tasks": tasks}}


V14 = as_14(V15)


def as_13(document: Document, jobs: bool = False) -> Document:
    """The same workflow of version 1.4 in the names of 1.3, or of 1.2."""
    result = copy.deepcopy(document)
    workflow = result["workflow"]
    result["schemaVersion"] = "1.2" if jobs else "1.3"
    workflow["makespan"] = workflow.pop("makespanInSeconds")
    for task in workflow["tasks"]:
        task["runtime"] = task.pop("runtimeInSeconds")
        for file in task["files"]:
            file["size"] = file.pop("sizeInBytes")
    if jobs:
        workflow["jobs"] = workflow.pop("tasks")
    return result


V13 = as_13(V14)
V12 = as_13(V14, jobs=True)
V16 = {**copy.deepcopy(V15), "schemaVersion": "1.6"}
V16["workflow"]["specification"]["metrics"] = {"numberOfTasks": 4}


def workflow_of(document: Document, clock: float = 1000.0, outside: bool = False) -> TaskGraph:
    """The workflow of a document; run times that are missing are 1, 2, 3, ... s."""
    content = json.dumps(document).encode()
    setting = ImportSetting(clock=clock, outside="send" if outside else "leave-out")
    graph = read_workflow(content, "file.json", "app", setting)
    return completed(graph, clock, lambda count: np.arange(1.0, count + 1), np.ones)


def edited(document: Document, change: Callable[[Document], Any]) -> Document:
    result = copy.deepcopy(document)
    change(result)
    return result


def spec(document: Document, task: int) -> Document:
    item: Document = document["workflow"]["specification"]["tasks"][task]
    return item


@pytest.mark.parametrize(
    "document", [V12, V13, V14, V15, V16], ids=lambda document: document["schemaVersion"]
)
def test_a_workflow_of_known_figures(document: Document) -> None:
    workflow = workflow_of(document)
    application = workflow.application
    assert (application.id, application.subtasks) == ("app", ("a_1", "b_2", "c_3", "d_4"))
    assert application.edges == ((0, 1), (0, 2), (1, 3), (2, 3))
    # Run time x avgCPU/100 x 1000 MIPS; c has no avgCPU, d no run time. The machine's 1200 MHz is not used.
    assert workflow.work.tolist() == [1000.0, 6000.0, 3000.0, 0.0]
    bits = 8e-6
    assert workflow.input == pytest.approx(np.array([1000, 250, 250, 540]) * bits)
    assert workflow.output == pytest.approx(np.array([250, 500, 0, 125]) * bits)
    assert workflow.edge_data == pytest.approx(np.array([250, 250, 500, 0]) * bits)
    assert workflow.facts == {
        "application": "app",
        "schema": document["schemaVersion"],
        "tasks": 4,
        "arcs": 4,
        "arcs_said_by_one_end": 0,
        "tasks_without_run_time": 0,
        "tasks_without_work": 1,
        "tasks_without_avgCPU": 1,
        "files_of_zero_bytes": 1,
        "arcs_without_data": 1,
        "bytes_that_may_be_sent": 2125,
        "bytes_from_outside_to_tasks_with_parents": 40,
        "bytes_between_tasks_without_an_arc": 0,
    }


def test_scaling_is_linear_and_reaches_the_means() -> None:
    measured = workflow_of(V15)
    workflow = scaled(measured, mean_work=2.0, mean_data=0.6)
    # Work: mean 2500 MI. Data that may cross a radio: 1000 in, 125 out, arcs 250, 250, 500, 0 bytes.
    assert workflow.work.tolist() == pytest.approx([0.8, 4.8, 2.4, 0.0])
    assert workflow.mobile_data == pytest.approx(np.array([1000, 250, 250, 500, 0, 125]) * 3.6 / 2125)
    assert workflow.input == pytest.approx(np.array([1000, 250, 250, 540]) * 3.6 / 2125)
    assert workflow.facts["work_factor"] == pytest.approx(2 / 2500)
    assert workflow.facts["data_factor"] == pytest.approx(0.6 / (2125 * 8e-6 / 6))
    assert workflow.facts["values_rounded_to_zero"] == 0


def test_one_set_of_files_however_often_it_is_listed() -> None:
    twice = edited(V15, lambda document: spec(document, 1)["inputFiles"].append("x"))
    assert workflow_of(twice).input.tolist() == workflow_of(V15).input.tolist()


def test_arcs_are_the_union_of_parents_and_children() -> None:
    def one_sided(document: Document) -> None:
        del spec(document, 0)["children"]
        spec(document, 3)["parents"] = ["P.Q.b_2"]

    workflow = workflow_of(edited(V15, one_sided))
    assert workflow.application.edges == workflow_of(V15).application.edges
    assert workflow.facts["arcs_said_by_one_end"] == 3
    by_children = edited(V15, lambda document: [spec(document, k).pop("parents") for k in range(4)])
    assert workflow_of(by_children).application.edges == workflow.application.edges
    assert workflow_of(by_children).facts["arcs_said_by_one_end"] == 0


def test_data_between_tasks_that_no_arc_joins_is_counted() -> None:
    def separate(document: Document) -> None:
        spec(document, 1)["children"] = []
        spec(document, 3)["parents"] = ["P.Q.c_3"]

    workflow = workflow_of(edited(V15, separate))
    assert workflow.facts["bytes_between_tasks_without_an_arc"] == 500
    head = edited(V15, lambda document: spec(document, 0)["inputFiles"].append("out"))
    # A head's input is what comes from outside; `out` is written by d, which is no parent of a.
    assert workflow_of(head).input[0] == pytest.approx(1000 * 8e-6)
    assert workflow_of(head).facts["bytes_between_tasks_without_an_arc"] == 125


def test_short_names_stay_apart() -> None:
    def clash(document: Document) -> None:
        for item in (spec(document, 1), document["workflow"]["execution"]["tasks"][2]):
            item["id"] = "P.Q.d_4"
        spec(document, 0)["children"][0] = spec(document, 3)["parents"][0] = "P.Q.d_4"

    assert workflow_of(edited(V15, clash)).application.subtasks == ("a_1", "P.Q.d_4", "c_3", "P.R.d_4")


def test_version_14_refers_by_name_or_id_and_keeps_paths_apart() -> None:
    def by_id(document: Document) -> None:
        document["workflow"]["tasks"][1]["parents"] = ["ID0000000"]

    assert workflow_of(edited(V14, by_id)).application == workflow_of(V14).application

    def with_path(document: Document) -> None:
        document["workflow"]["tasks"][1]["files"][0] |= {"path": "/elsewhere/", "sizeInBytes": 7}

    workflow = workflow_of(edited(V14, with_path))
    assert workflow.facts["bytes_from_outside_to_tasks_with_parents"] == 47
    assert workflow.edge_data[0] == 0


def test_files_from_outside_become_a_head_without_work() -> None:
    """d, which has parents, reads the 40 bytes of `conf` from outside."""
    plain, workflow = workflow_of(V15), workflow_of(V15, outside=True)
    assert (plain.outside, workflow.outside) == (False, True)
    assert workflow.application.subtasks == (*plain.application.subtasks, "outside")
    assert workflow.application.edges == (*plain.application.edges, (4, 3))
    assert workflow.edge_data == pytest.approx([*plain.edge_data, 40 * 8e-6])
    assert workflow.work.tolist() == [*plain.work, 0.0]
    assert workflow.facts == plain.facts
    # Its arc is scaled like all data; it is no task of the file, so that it does not count for the means.
    workflow = scaled(workflow, mean_work=2.0, mean_data=0.6)
    assert workflow.work.tolist() == pytest.approx([0.8, 4.8, 2.4, 0.0, 0.0])
    assert workflow.mobile_data == pytest.approx(np.array([1000, 250, 250, 500, 0, 40, 125]) * 4.2 / 2165)
    taken = put("x.outside", *RUNS15, 3, "id")(put("x.outside", *TASKS15, 2, "id")(V15))
    taken = put(["P.Q.b_2", "x.outside"], *TASKS15, 3, "parents")(taken)
    taken = put(["P.Q.b_2", "x.outside"], *TASKS15, 0, "children")(taken)
    assert workflow_of(taken, outside=True).application.subtasks[-3:] == ("outside", "d_4", "outside-2")
    without = put(["y", "z"], *TASKS15, 3, "inputFiles")(V15)
    assert workflow_of(without, outside=True).application == workflow_of(without).application


def test_run_times_are_optional() -> None:
    bare = edited(
        V14, lambda document: [task.pop("runtimeInSeconds") for task in document["workflow"]["tasks"]]
    )
    old = edited(V13, lambda document: [task.pop("runtime") for task in document["workflow"]["tasks"]])
    for document in (cut("workflow", "execution")(V15), put(None, "workflow", "execution")(V15)):
        workflow = workflow_of(document)
        assert workflow.work.tolist() == [1000.0, 2000.0, 3000.0, 4000.0]
        assert workflow.facts["tasks_without_run_time"] == 4
        assert workflow.facts["tasks_without_avgCPU"] == 0
        assert workflow.edge_data.tolist() == workflow_of(V15).edge_data.tolist()
    for document in (bare, old):  # these have avgCPU: 50, 400, none, 90
        assert workflow_of(document).work.tolist() == [500.0, 8000.0, 3000.0, 3600.0]


def test_the_list_of_files_is_optional() -> None:
    workflow = workflow_of(cut("workflow", "specification", "files")(V15))
    assert workflow.application == workflow_of(V15).application
    drawn = ("arcs_with_drawn_data", "heads_with_drawn_input", "tails_with_drawn_output")
    assert [workflow.facts[key] for key in drawn] == [4, 1, 1]
    assert workflow.mobile_data.tolist() == [1.0] * 6
    assert workflow.facts["files_of_zero_bytes"] == 0


def put(value: Any, *path: Any) -> Callable[[Document], Document]:
    def change(document: Document) -> Document:
        result = copy.deepcopy(document)
        target: Any = result
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value
        return result

    return change


def cut(*path: Any) -> Callable[[Document], Document]:
    def change(document: Document) -> Document:
        result = copy.deepcopy(document)
        target: Any = result
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]
        return result

    return change


TASKS15 = ("workflow", "specification", "tasks")
FILES15 = ("workflow", "specification", "files")
RUNS15 = ("workflow", "execution", "tasks")
TASKS14 = ("workflow", "tasks")

WRONG: list[tuple[Document, Callable[[Document], Document], str, str]] = [
    (V15, cut("schemaVersion"), "schemaVersion", "is missing; this importer reads WfFormat 1.0 to 1.6"),
    (
        V15,
        put("1.7", "schemaVersion"),
        "schemaVersion",
        '"1.7" is not read; this importer reads WfFormat 1.0 to',
    ),
    (V15, put(1.5, "schemaVersion"), "schemaVersion", "1.5 is not read"),
    (V15, put([], "schemaVersion"), "schemaVersion", "a list is not read"),
    (V15, cut("name"), "name", "is missing"),
    (V15, cut("workflow"), "workflow", "is missing"),
    (V15, cut("workflow", "specification"), "workflow.specification", "is missing"),
    (V15, put([], *RUNS15), "workflow.specification.tasks[0]", "is missing in workflow.execution.tasks"),
    (V15, put([], *TASKS15), "workflow.specification.tasks", "must not be empty"),
    (V15, put({}, *TASKS15), "workflow.specification.tasks", "must be a list"),
    (V15, cut(*TASKS15, 2, "id"), "workflow.specification.tasks[2].id", "is missing"),
    (V15, put("", *TASKS15, 2, "id"), "workflow.specification.tasks[2].id", "must not be empty"),
    (V15, put("P.Q.a_1", *TASKS15, 2, "id"), "workflow.specification.tasks[2].id", 'duplicate "P.Q.a_1"'),
    (V15, put("P.Q.a_1", *RUNS15, 0, "id"), "workflow.execution.tasks[1].id", 'duplicate "P.Q.a_1"'),
    (V15, put("nobody", *RUNS15, 0, "id"), "workflow.execution.tasks[0].id", 'unknown task "nobody"'),
    (V15, put(["q"], *TASKS15, 1, "parents"), "workflow.specification.tasks[1].parents[0]", "unknown task"),
    (V15, put(["q"], *TASKS15, 1, "children"), "workflow.specification.tasks[1].children[0]", "unknown task"),
    (
        V15,
        put("P.Q.a_1", *TASKS15, 1, "parents"),
        "workflow.specification.tasks[1].parents",
        "must be a list",
    ),
    (V15, put([3], *TASKS15, 1, "parents"), "workflow.specification.tasks[1].parents[0]", "must be a string"),
    (
        V15,
        put(["P.R.d_4"], *TASKS15, 0, "parents"),
        "workflow.specification.tasks",
        'cycle "P.Q.a_1" -> "P.Q.b_2" -> "P.R.d_4" -> "P.Q.a_1"',
    ),
    (
        V15,
        put(["f"], *TASKS15, 1, "inputFiles"),
        "workflow.specification.tasks[1].inputFiles[0]",
        "unknown file",
    ),
    (V15, put("x", *FILES15, 0, "id"), "workflow.specification.files[1].id", 'duplicate "x"'),
    (V15, put(-1, *FILES15, 0, "sizeInBytes"), "workflow.specification.files[0].sizeInBytes", "is negative"),
    (
        V15,
        put(1.5, *FILES15, 0, "sizeInBytes"),
        "workflow.specification.files[0].sizeInBytes",
        "whole number",
    ),
    (V15, put(10**16, *FILES15, 0, "sizeInBytes"), "workflow.specification.files[0].sizeInBytes", "above"),
    (V15, cut(*RUNS15, 1, "runtimeInSeconds"), "workflow.execution.tasks[1].runtimeInSeconds", "is missing"),
    (
        V15,
        put(-2.0, *RUNS15, 1, "runtimeInSeconds"),
        "workflow.execution.tasks[1].runtimeInSeconds",
        "negative",
    ),
    (
        V15,
        put("2", *RUNS15, 1, "runtimeInSeconds"),
        "workflow.execution.tasks[1].runtimeInSeconds",
        "a number",
    ),
    (V15, put(-5, *RUNS15, 1, "avgCPU"), "workflow.execution.tasks[1].avgCPU", "is negative"),
    (V14, cut(*TASKS14), "workflow.tasks", "is missing"),
    (V13, cut(*TASKS14, 1, "runtime"), "workflow.tasks[1].runtime", "is missing, while other tasks have one"),
    (V13, put(251, *TASKS14, 1, "files", 0, "size"), "workflow.tasks[1].files[0].size", "has 251 bytes"),
    (V12, put(["P.Q.b_2"], "workflow", "jobs", 1, "parents"), "workflow.jobs", "cycle"),
    (V14, cut(*TASKS14, 1, "name"), "workflow.tasks[1].name", "is missing"),
    (V14, put("P.Q.a_1", *TASKS14, 1, "name"), "workflow.tasks[1].name", 'duplicate "P.Q.a_1"'),
    (V14, cut(*TASKS14, 1, "runtimeInSeconds"), "workflow.tasks[1].runtimeInSeconds", "is missing"),
    (V14, put(["q"], *TASKS14, 1, "parents"), "workflow.tasks[1].parents[0]", 'unknown task "q"'),
    (V14, put(["P.Q.b_2"], *TASKS14, 1, "parents"), "workflow.tasks", 'cycle "P.Q.b_2" -> "P.Q.b_2"'),
    (V14, put("both", *TASKS14, 1, "files", 0, "link"), "workflow.tasks[1].files[0].link", 'must be "input"'),
    (
        V14,
        put(251, *TASKS14, 1, "files", 0, "sizeInBytes"),
        "workflow.tasks[1].files[0].sizeInBytes",
        'file "x" has 251 bytes, but 250 at workflow.tasks[0].files[1]',
    ),
]


@pytest.mark.parametrize(
    ("document", "change", "place", "what"),
    WRONG,
    ids=[f"{document['schemaVersion']}: {place} {what}" for document, _, place, what in WRONG],
)
def test_malformed_workflows(
    document: Document, change: Callable[[Document], Document], place: str, what: str
) -> None:
    with pytest.raises(InputError) as error:
        workflow_of(change(document))
    assert any(where == place and what in message for where, message in error.value.problems), error.value


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "is empty"),
        (b"[]", "must be an object"),
        (json.dumps(V15).encode()[:-9], "is not JSON"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b'{"schemaVersion": "1.5", "schemaVersion": "1.5"}', "duplicate key"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_files_that_are_no_workflows(text: bytes, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_workflow(text, "file.json", "app", ImportSetting())


def test_all_problems_of_a_workflow_at_once() -> None:
    wrong = put(["nobody"], *TASKS15, 1, "parents")(V15)
    wrong = put("nobody", *RUNS15, 0, "id")(wrong)
    wrong = put(["f", "x", "g"], *TASKS15, 2, "inputFiles")(wrong)
    with pytest.raises(InputError) as error:
        workflow_of(wrong)
    assert {place for place, _ in error.value.problems} == {
        "workflow.specification.tasks[1].parents[0]",
        "workflow.execution.tasks[0].id",
        "workflow.specification.tasks[3]",
        "workflow.specification.tasks[2].inputFiles[0]",
        "workflow.specification.tasks[2].inputFiles[2]",
    }


# Three sites 1/1000 of a degree of latitude (111.2 m) apart, and a fourth where the first is.
SITE_CSV = """SITE_ID,LATITUDE,LONGITUDE,NAME
A,-37.000,145.0,"Collins St, Melbourne"
B,-37.001,145.0,b
C,-37.002,145.0,c
D,-37.000,145.0,d
"""
USER_CSV = """Latitude,Longitude
-37.0001,145.0
-37.0012,145.0
-37.0001,145.0
-37.0100,145.0
-37.0002,145.0
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with two workflows, sites and users."""
    (tmp_path / "one.json").write_text(json.dumps(V15))
    (tmp_path / "two.json").write_text(json.dumps(V14))
    (tmp_path / "sites.csv").write_text(SITE_CSV)
    (tmp_path / "users.csv").write_text(USER_CSV)
    return tmp_path


def test_import_without_a_map(here: Path) -> None:
    setting = ImportSetting(devices=5, offload_points=2, capacity=7, unconnected=0.4, outside="leave-out")
    instance, report = import_wfformat([here / "one.json", here / "two.json"], setting=setting, seed=1)
    assert (instance.num_devices, instance.num_points) == (5, 2)
    assert [application.id for application in instance.applications] == ["one", "two"]
    assert instance.devices.application.tolist() == [0, 1, 0, 1, 0]
    assert (instance.devices.connected_to == LOCAL).sum() == 2
    assert instance.groups[0].work == pytest.approx(np.tile([0.8, 4.8, 2.4, 0.0], (3, 1)))
    assert instance.groups[0].edge_data.sum(axis=1) == pytest.approx(3.6 * 1000 / 2125)
    assert "5 devices, 2 of them without a connection, and 2 offload points" in report.lines
    again, _ = import_wfformat([here / "one.json", here / "two.json"], setting=setting, seed=1)
    other, _ = import_wfformat([here / "one.json", here / "two.json"], setting=setting, seed=2)
    assert again.fingerprint == instance.fingerprint != other.fingerprint


def test_import_with_a_map(here: Path) -> None:
    instance, report = import_wfformat(
        [here / "one.json"],
        sites=here / "sites.csv",
        users=here / "users.csv",
        setting=ImportSetting(outside="leave-out"),
        licences=["data: MIT"],
    )
    points, devices = instance.points, instance.devices
    assert points.ids == ("A", "B", "C", "D")
    # A and D share a position and take their users in turn; the fourth user is 900 m away.
    assert devices.connected_to.tolist() == [0, 1, 3, LOCAL, 0]
    north = points.position[:, 1]
    assert north - north[1] == pytest.approx([111.2, 0.0, -111.2, 111.2], abs=0.05)
    distance = np.array([11.12, 22.24, 11.12, 22.24])
    uplink, downlink = link_rates(distance, devices.send[[0, 1, 2, 4]], ImportSetting().radio)
    assert devices.uplink[[0, 1, 2, 4]] == pytest.approx(uplink, rel=1e-3)
    assert devices.downlink[[0, 1, 2, 4]] == pytest.approx(downlink, rel=1e-3)
    assert math.isnan(devices.uplink[3])
    # With a map the mean transfer is 10 Mbit.
    assert instance.groups[0].edge_data[0] == pytest.approx(np.array([250, 250, 500, 0]) * 60 / 2125)
    text = str(report)
    assert "4 of 5 users have one of the 4 sites taken (of 4) within 150 m" in text
    assert "sites where another one stands already, whose users take them in turn: 1" in text
    assert "licence: data: MIT" in text
    assert "drawn with seed 0: speeds, powers, weights" in report.lines


def test_source_records_files_parameters_and_facts(here: Path) -> None:
    instance, report = import_wfformat(
        [here / "one.json"], sites=here / "sites.csv", users=here / "users.csv", seed=3
    )
    instances.write(instance, here / "instance.json")
    source = read_structured(here / "instance.json").source
    assert source == instance.source
    assert source is not None
    names = ["one.json", "sites.csv", "users.csv"]
    assert source["files"] == [
        {"name": name, "sha256": hashlib.sha256((here / name).read_bytes()).hexdigest()} for name in names
    ]
    assert source["seed"] == 3
    assert (
        source["parameters"].keys() == {field.name for field in fields(ImportSetting)} - ImportSetting.later()
    )
    assert source["parameters"]["mean_data"] == 10.0
    assert [line.partition(":")[0] for line in source["conversions"]] == [
        "work",
        "data",
        "files from outside",
        "positions",
        "rates",
    ]
    assert set(source["conversions"]) < set(report.lines)
    assert source["workflows"][0]["bytes_from_outside_to_tasks_with_parents"] == 40
    assert source["network"]["users_in_file_within_reach"] == 4
    assert str(here) not in json.dumps(source)
    assert (
        report.lines[0] == "one (WfFormat 1.5): 4 tasks, 4 arcs; work scaled by 0.0003333; "
        "data scaled by 4042; tasks without work, kept at 0: 1; tasks without avgCPU, taken as 100%: 1; "
        "files of 0 bytes: 1; arcs without data, kept at 0: 1; "
        "bytes from outside read by tasks with parents, sent from their device: 40 (1.8 % of all)"
    )


def imported(case: str, **parameters: Any) -> tuple[instances.Instance, str]:
    instance, report = import_wfformat([CASES / f"{case}.json"], setting=ImportSetting(**parameters), seed=1)
    return instance, str(report)


def test_other_versions_give_the_instance_of_15() -> None:
    (wf13, text13), (wf16, text16) = imported("wf13"), imported("wf16")
    assert "(WfFormat 1.3): 2 tasks, 1 arc; " in text13
    assert "(WfFormat 1.6): 2 tasks, 1 arc; " in text16
    for instance in (wf13, wf16):  # 3 s and 4 s; 2000 bytes in, 900 between, 100 out
        assert instance.groups[0].work[0] == pytest.approx([12 / 7, 16 / 7])
        assert instance.groups[0].input[0, 0] == pytest.approx(2000 * 1.8 / 3000)
        assert instance.groups[0].edge_data[0] == pytest.approx([900 * 1.8 / 3000])
        assert instance.groups[0].output[0, 1] == pytest.approx(100 * 1.8 / 3000)


def test_a_specification_alone_gets_drawn_or_given_run_times() -> None:
    instance, text = imported("wf15-spec-only")
    assert "tasks without run time, which are given one: 2" in text
    assert "run times: drawn from U[1, 3] s for the workflows that have none" in text
    assert "drawn with seed 1: speeds, powers, weights, connections and rates, run times" in text
    assert instance.groups[0].work[0].sum() == pytest.approx(4)
    assert 1 / 3 < instance.groups[0].work[0, 0] / instance.groups[0].work[0, 1] < 3
    instance, text = imported("wf15-spec-only", run_time=(5.0, 5.0))
    assert "run times: taken as 5 s for the workflows that have none" in text
    assert instance.groups[0].work[0] == pytest.approx([2, 2])
    measured, text = imported("wf16", run_time=(5.0, 5.0))
    assert measured.fingerprint == imported("wf16")[0].fingerprint
    assert "run times" not in text


def test_a_workflow_without_data_is_called_so(here: Path) -> None:
    instance, text = imported("wf15-no-files")
    assert not any(getattr(instance.groups[0], key).any() for key in ("input", "output", "edge_data"))
    assert "work scaled by 0.0002381; no data; " in text
    assert "data: none, so that no transfer takes time or energy" in text
    assert "scaled to a mean transfer" not in text
    _, report = import_wfformat([CASES / "wf15-no-files.json", here / "one.json"])
    assert "data: file sizes, scaled to a mean transfer of 0.6 Mbit in each workflow that has data" in str(
        report
    )


def test_outside_data_are_counted_or_said_to_be_left_out() -> None:
    instance, text = imported("wf15-outside")
    assert "sent from their device: 5,000,000 (99.9 % of all)" in text
    [application] = instance.applications
    assert application.subtasks == ("a", "b", "outside")
    assert application.edges == ((0, 1), (2, 1))
    assert instance.groups[0].edge_data[0] == pytest.approx(np.array([900, 5_000_000]) * 2.4 / 5_003_000)
    assert not instance.groups[0].work[:, 2].any()
    left, text = imported("wf15-outside", outside="leave-out")
    assert "left out: 5,000,000 (99.9 % of all)" in text
    assert left.applications[0].size == 2


@pytest.mark.parametrize("normalise", ["local", "none"])
@pytest.mark.parametrize("alpha", [0.0, 0.03, 0.97, 1.0])
@pytest.mark.parametrize("send", [0.0, 1.5])
def test_what_stands_for_data_on_the_device_stays_there(
    here: Path, normalise: Any, alpha: float, send: float
) -> None:
    """Each device's cheapest decision, by enumeration: sending the head's input never pays."""
    setting = ImportSetting(
        devices=3,
        offload_points=1,
        alpha=(alpha, alpha),
        send=(send, send),
        normalise=normalise,
        uplink=(0.05, 50.0),
        mean_data=6.0,
        variation=0.3,
        capacity=99,
    )
    for seed, path in enumerate((here / "one.json", CASES / "wf15-outside.json")):
        instance, _ = import_wfformat([path], setting=setting, seed=seed)
        head = instance.applications[0].size - 1
        costs = {
            decision: evaluate(instance, Solution((np.tile(np.array(decision, np.int32), (3, 1)),))).cost
            for decision in itertools.product((LOCAL, 0), repeat=head + 1)
        }
        kept = np.min([cost for decision, cost in costs.items() if decision[head] == LOCAL], axis=0)
        sent = np.min([cost for decision, cost in costs.items() if decision[head] != LOCAL], axis=0)
        assert (kept <= sent).all()
        if alpha or send:
            assert (sent >= 2 * costs[(LOCAL,) * (head + 1)] * (1 - 1e-12)).all()


def on_map(here: Path, **parameters: Any) -> instances.Instance:
    setting = ImportSetting(**parameters)
    instance, _ = import_wfformat(
        [here / "one.json"], sites=here / "sites.csv", users=here / "users.csv", setting=setting, seed=1
    )
    return instance


def test_choosing_sites_and_users(here: Path) -> None:
    # In turn, A and D have two and one of the three users near them, B has one.
    assert on_map(here, offload_points=1).points.ids == ("A",)
    assert on_map(here, offload_points=2).points.ids == ("A", "B")
    assert len(on_map(here, offload_points=2, site_choice="sample").points.ids) == 2
    assert on_map(here, reach=None).devices.connected_to.tolist() == [0, 1, 3, 2, 0]
    covered = on_map(here, offload_points=1, reach=50.0, covered_only=True)
    assert covered.devices.connected_to.tolist() == [0, 0, 0]
    first = on_map(here, devices=2, user_choice="first")
    assert first.devices.position[:, 1].tolist() == on_map(here).devices.position[:2, 1].tolist()
    everyone = {tuple(place) for place in on_map(here).devices.position.tolist()}
    sample = on_map(here, devices=3)
    assert len(sample.devices.ids) == 3
    assert {tuple(place) for place in sample.devices.position.tolist()} <= everyone


def test_variation_makes_devices_differ_by_two_factors(here: Path) -> None:
    plain = on_map(here).groups[0]
    group = on_map(here, variation=0.2).groups[0]
    work, data = (
        group.work[:, :3] / plain.work[:, :3],
        group.output[:, [0, 1, 3]] / plain.output[:, [0, 1, 3]],
    )
    for factor in (work, data):
        assert factor == pytest.approx(np.tile(factor[:, :1], 3))
        assert ((factor >= 0.8) & (factor <= 1.2)).all()
        assert len(set(factor[:, 0].round(9))) == 5
    assert group.edge_data / plain.output[:, [0]] == pytest.approx(
        plain.edge_data / plain.output[:, [0]] * data[:, :1]
    )


def test_random_workflows(here: Path) -> None:
    files = [here / "one.json", here / "two.json"]
    setting = ImportSetting(devices=400, workflow_choice="sample")
    instance, _ = import_wfformat(files, setting=setting)
    assert np.bincount(instance.devices.application) == pytest.approx([200, 200], rel=0.2)


def test_files_of_one_name_become_two_applications(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "one.json").write_text(json.dumps(V14))
    instance, _ = import_wfformat([here / "one.json", here / "sub" / "one.json"])
    assert [application.id for application in instance.applications] == ["one", "one-2"]


def test_tiny_values_become_zero_and_are_counted(here: Path) -> None:
    (here / "one.json").write_text(json.dumps(put(10**13, *FILES15, 2, "sizeInBytes")(V15)))
    setting = ImportSetting(mean_data=1e-4, outside="leave-out")
    instance, report = import_wfformat([here / "one.json"], setting=setting)
    # `y` takes nearly all: `x`, 250 bytes, scales to 1.5e-14 Mbit, on two arcs, in one output and two inputs.
    assert instance.groups[0].edge_data[0].tolist() == [0.0, 0.0, pytest.approx(6e-4), 0.0]
    assert "values below 1e-09 after scaling, set to 0: 7" in report.lines[0]


def test_no_work_cannot_normalise(here: Path) -> None:
    idle = edited(
        V15, lambda document: [run.update(avgCPU=0) for run in document["workflow"]["execution"]["tasks"]]
    )
    (here / "idle.json").write_text(json.dumps(idle))
    with pytest.raises(InputError, match=r"idle.json: no task has any work"):
        import_wfformat([here / "idle.json"])
    instance, _ = import_wfformat([here / "idle.json"], setting=ImportSetting(normalise="none"))
    assert not instance.groups[0].work.any()


def test_problems_of_several_files_at_once(here: Path) -> None:
    (here / "one.json").write_text(json.dumps(put("1.9", "schemaVersion")(V15)))
    (here / "two.json").write_text(json.dumps(put(["q"], *TASKS14, 1, "parents")(V14)))
    with pytest.raises(InputError) as error:
        import_wfformat([here / "one.json", here / "two.json"])
    assert [place for place, _ in error.value.problems] == [
        f"{here / 'one.json'}: schemaVersion",
        f"{here / 'two.json'}: workflow.tasks[1].parents[0]",
    ]


@pytest.mark.parametrize(
    ("change", "place", "what"),
    [
        ({"devices": 0}, "devices", "must be a whole number in 1..10000000"),
        ({"offload_points": 0}, "offload_points", "must be a whole number in 1..10000000"),
        ({"clock": 0}, "clock", "must be a number in [1e-09, 1e+09]"),
        ({"mean_work": -1.0}, "mean_work", "must be a number in [1e-09, 1e+09]"),
        ({"mean_data": 0.0}, "mean_data", "must be a number in [1e-09, 1e+09]"),
        ({"outside": "drop"}, "outside", "must be one of send, leave-out"),
        ({"run_time": (3.0, 1.0)}, "run_time", "low 3.0 is above high 1.0"),
        ({"variation": 1.0}, "variation", "must be a number in [0, 0.99]"),
        ({"user_choice": "last"}, "user_choice", "must be one of sample, first"),
        ({"site_choice": "last"}, "site_choice", "must be one of busiest, sample"),
        ({"workflow_choice": "last"}, "workflow_choice", "must be one of in-turn, sample"),
        ({"capacity": -1}, "capacity", "must be a whole number in 0.."),
        ({"area": 100.0}, "area", "cannot be given with a site and a user file"),
    ],
)
def test_wrong_import_parameters(here: Path, change: dict[str, Any], place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        on_map(here, **change)
    [(where, message)] = error.value.problems
    assert where == place
    assert message.startswith(what)


def test_files_that_are_needed(here: Path) -> None:
    with pytest.raises(InputError, match="files: must name at least one workflow"):
        import_wfformat([])
    with pytest.raises(InputError, match="users: is needed too"):
        import_wfformat([here / "one.json"], sites=here / "sites.csv")
    with pytest.raises(InputError, match="sites: is needed too"):
        import_wfformat([here / "one.json"], users=here / "users.csv")
    with pytest.raises(InputError, match="cannot be read"):
        import_wfformat([here / "none.json"])
    with pytest.raises(InputError, match=r"has 4 sites; wanted: 5"):
        on_map(here, offload_points=5)
    with pytest.raises(InputError, match=r"has 5 users; wanted: 6"):
        on_map(here, devices=6)
    with pytest.raises(InputError, match=r"has 0 users within reach of a chosen site; wanted: 1"):
        on_map(here, reach=1.0, covered_only=True)


def test_every_import_parameter_is_explained() -> None:
    assert parameter_help(ImportSetting).keys() == {field.name for field in fields(ImportSetting)}
    assert parameter_help(ImportSetting)["reach"].startswith("Largest distance in metres between a user")


@pytest.mark.parametrize(
    "header",
    ["SITE_ID,LATITUDE,LONGITUDE", "\ufeffsite id, lat ,lng", "ID,Latitude,Lon", "siteId,LAT,LONG"],
)
def test_headers_vary(header: str) -> None:
    places = read_locations(f"{header}\r\n7,-37.5,145.25\r\n\r\n8,1,2\r\n".encode(), "f.csv", "site")
    assert places.ids == ("7", "8")
    assert places.degrees.tolist() == [[-37.5, 145.25], [1.0, 2.0]]


def test_places_without_names_are_numbered() -> None:
    assert read_locations(b"lon,lat\n1,2\n3,4\n", "f.csv", "user").ids == ("user1", "user2")


@pytest.mark.parametrize(
    ("text", "place", "what"),
    [
        (b"", "", "is empty"),
        (b"\n \n", "", "is empty"),
        (b"lat,lon\n", "", "has a header, but no rows"),
        (b"\xff\xfe", "", "is not UTF-8 text (byte 0)"),
        (b"lat,name\n1,2\n", "line 1", "no column for the longitude (one of longitude, lon, lng, long)"),
        (b"lat,LATITUDE,lon\n1,1,2\n", "line 1", "columns 'lat' and 'LATITUDE' may both be the latitude"),
        (b"lat,lon\n1,2\nx,2\n", "line 3", 'latitude must be a number in [-90, 90], not "x"'),
        (b"lat,lon\n1,2\n\n1,\n", "line 4", 'longitude must be a number in [-180, 180], not ""'),
        (b"lat,lon\n91,2\n", "line 2", 'latitude must be a number in [-90, 90], not "91"'),
        (b"lat,lon\nnan,2\n", "line 2", 'latitude must be a number in [-90, 90], not "nan"'),
        (b"lat,lon\n1,2,3\n", "line 2", "has 3 columns, the header has 2"),
        (b"lat,lon\n1\n", "line 2", "has 1 column, the header has 2"),
        (b"id,lat,lon\na,1,2\na,1,3\n", "line 3", 'duplicate identifier "a", already used in line 2'),
        (b"id,lat,lon\n ,1,2\n", "line 2", "the identifier is empty"),
        (b'lat,lon\n1,"2\n', "line 2", "unexpected end of data"),
    ],
)
def test_malformed_csvs(text: bytes, place: str, what: str) -> None:
    with pytest.raises(InputError) as error:
        read_locations(text, "f.csv", "site")
    assert error.value.problems == ((place, what),)


def test_all_problems_of_a_csv_at_once() -> None:
    with pytest.raises(InputError) as error:
        read_locations(b"id,lat,lon\na,1,2\na,x,500\nb,1\n", "f.csv", "site")
    assert [place for place, _ in error.value.problems] == ["line 3", "line 3", "line 3", "line 4"]


def test_metres() -> None:
    metres = local_metres(np.array([[-37.0, 145.01], [-36.99, 145.0]]), np.array([-37.0, 145.0]))
    # A hundredth of a degree is 1111.95 m along a meridian, and cos(37 degrees) of it along a parallel.
    assert metres.tolist() == [
        [pytest.approx(888.04, abs=0.01), 0.0],
        [0.0, pytest.approx(1111.95, abs=0.01)],
    ]


@needs_data
@pytest.mark.parametrize(
    ("name", "tasks", "arcs", "idle", "homeless"),
    [
        ("bacass-dirt02-001", 11, 14, 1, 2939),
        ("methylseq-dirt02-001", 36, 70, 7, 4890),
        ("sarek-dirt02-001", 26, 50, 15, 33105712),
        ("scrnaseq-dirt02-001", 14, 17, 1, 81634619),
        ("srasearch-chameleon-10a-001", 22, 30, 0, 0),
        ("helloworld-forkjoin-10-chameleon", 10, 16, 0, 0),
    ],
)
def test_real_workflows(name: str, tasks: int, arcs: int, idle: int, homeless: int) -> None:
    path = DATA / "wfinstances" / f"{name}.json"
    graph = read_workflow(path.read_bytes(), path, name, ImportSetting(clock=2400.0))
    facts = completed(graph, 2400.0, np.ones, np.ones).facts
    assert (facts["tasks"], facts["arcs"]) == (tasks, arcs)
    assert facts["tasks_without_work"] == idle
    assert facts["bytes_from_outside_to_tasks_with_parents"] == homeless
    assert facts["bytes_between_tasks_without_an_arc"] == facts["arcs_said_by_one_end"] == 0


@needs_data
def test_a_real_task() -> None:
    """Skewer of bacass: 208 s at 97.2%, reads 117 MB from outside, its R1, R2 files go to Unicycler."""
    path = DATA / WORKFLOWS[0]
    workflow = read_workflow(path.read_bytes(), path, "bacass", ImportSetting(clock=2400.0))
    k, successor = (workflow.application.subtasks.index(name) for name in ("SKEWER_1", "UNICYCLER_5"))
    assert workflow.work[k] == pytest.approx(208 * 0.972 * 2400)
    assert workflow.input[k] == pytest.approx((57604034 + 59494461) * 8e-6)
    arc = workflow.application.edges.index((k, successor))
    assert workflow.edge_data[arc] == pytest.approx((55830723 + 57671513) * 8e-6)


@needs_data
def test_real_sites_and_users() -> None:
    """All of the EUA's centre of Melbourne: 99% of the users have a site within 150 m."""
    instance, report = import_wfformat(
        [DATA / name for name in WORKFLOWS], sites=DATA / SITES, users=DATA / USERS
    )
    assert (instance.num_devices, instance.num_points) == (816, 125)
    assert (instance.devices.connected_to == LOCAL).sum() == 9
    assert "807 of 816 users have one of the 125 sites taken (of 125) within 150 m" in str(report)
    assert np.nanmin(instance.devices.uplink) > 1
    assert np.nanmax(instance.devices.uplink) < 150


@needs_data
@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_the_real_library_is_what_its_sources_say(size: str) -> None:
    shipped: Any = read(LIBRARY / f"melbourne-{size}.json")
    assert made_again(shipped) is None
    made: Any = made_again(shipped, DATA)
    assert shipped.fingerprint == made.fingerprint
    assert (shipped.name, shipped.description, shipped.source) == (made.name, made.description, made.source)


@pytest.mark.parametrize("size", ["s", "m", "l"])
def test_the_real_instances_are_worth_solving(size: str) -> None:
    """Offloading everything saves a lot, and there is room for a part of it only."""
    instance = read_structured(LIBRARY / f"melbourne-{size}.json")
    assert instance.source is not None and len(instance.source["files"]) == 7
    room = instance.points.capacity.sum()
    assert 0.2 * instance.num_subtasks < room < 0.5 * instance.num_subtasks
    fastest = int(instance.points.cpu.argmax())
    everything = Solution(tuple(np.full(group.work.shape, fastest, np.int32) for group in instance.groups))
    free = evaluate(instance, everything)
    assert not free.feasible
    assert 0.2 < free.saving < 0.99
    assert replace(instance, name="x").fingerprint == instance.fingerprint
