"""Format 2 in files: both forms and back, fingerprints, versions, and what is malformed with its message."""

from __future__ import annotations

import copy
import io
import json
import math
import zipfile
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import numpy as np
import pytest
from counts import examples
from format2 import format2_documents
from hypothesis import given
from hypothesis import strategies as st
from reading import read_structured
from strategies import DOCUMENT, EXAMPLE, Change, Document, changed, drop, instance_of, put
from test_files import assert_same, spots
from test_malformed import problems

import offloadlib.instances as model
from offloadlib import check as checker
from offloadlib.instances import InputError, Instance, Solution, Status, StoredSolution
from offloadlib.instances.files.archive import write_zip
from offloadlib.instances.files.instances import parse
from offloadlib.instances.files.published import SCHEMA_FOLDER
from offloadlib.instances.files.validate import structure
from offloadlib.instances.structured.columnar import layout
from offloadlib.instances.structured.form import header_and_columns, validated
from offloadlib.instances.structured.model import REFUSED
from offloadlib.instances.structured.schema import InstanceFile2
from offloadlib.instances.structured.subset import subset


def point(*path: Any) -> Change:
    return put("offload_points", 0, *path)


def device(*path: Any) -> Change:
    return put("devices", 0, *path)


SECOND = changed(
    put("version", 2),
    put("resources", ["memory", "licences"]),
    put("limits", [{"id": "site", "resource": "memory", "points": ["op2", "op1"], "capacity": 64.0}]),
    put("totals", {"energy": 1000, "delay": 500.5}),
    put("cost", "objective", "max"),
    point("capacity", {"memory": 16.0, "subtasks": 5}),
    point("fee", {"subtask": 0.5, "work": -0.25}),
    device("demand", {"memory": [1.5, 0, 2, 0, 1]}),
    device("at", [
        {"subtask": "t2", "point": "op1", "execution": 0.5, "fee": -1, "demand": {"licences": 1}},
        {"subtask": "t2", "point": None, "execution": 3},
    ]),
    device("allowed", {"t1": [None], "t3": ["op1", None]}),
    device("latency", {"up": 0.1, "down": 0.2}),
    device("deadline", 60),
    device("energy_budget", 500),
    device("rejection", -3),
    device("weight", 2),
)  # fmt: skip
"""The worked example with every key of version 2."""


def same(one: Instance, other: Instance) -> None:
    """Equal in everything, to the bit, also in what format 2 adds."""
    assert_same(one, other)
    for key in ("objective", "resources", "totals"):
        assert getattr(one, key) == getattr(other, key)
    parts = [(a, b) for name in ("exceptions", "allowed") for a, b in paired(one, other, name)]
    for a, b in [*parts, *zip(one.shared, other.shared, strict=True)]:
        for key, value in vars(a).items():
            found = getattr(b, key)
            assert np.array_equal(
                value, found, equal_nan=isinstance(value, np.ndarray) and value.dtype == float
            )
            if isinstance(value, np.ndarray):
                assert (value.dtype, value.shape) == (found.dtype, found.shape)
                assert not value.flags.writeable


def paired(one: Instance, other: Instance, name: str) -> list[tuple[Any, Any]]:
    return [(getattr(a, name), getattr(b, name)) for a, b in zip(one.groups, other.groups, strict=True)]


# --- both forms and back ----------------------------------------------------------------------------


@examples(400)
@given(document=format2_documents())
def test_round_trips(document: Document, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    instance = instance_of(document)
    for name in ("instance.json", "instance.zip"):
        model.write(instance, folder / name)
        same(instance, read_structured(folder / name))
        assert checker.read_instance(folder / name).fingerprint() == instance.fingerprint
    header, columns = header_and_columns(instance)
    same(instance, validated(header, columns, "columns"))


def test_what_the_data_hold() -> None:
    instance = instance_of(SECOND)
    (group,), points, devices = instance.groups, instance.points, instance.devices
    assert (instance.objective, instance.resources) == ("max", ("memory", "licences"))
    assert instance.totals == model.structured.model.Totals(delay=500.5, energy=1000.0)
    assert points.capacity.tolist() == [5, DOCUMENT["offload_points"][1]["capacity"]]
    assert points.room.tolist() == [[16.0, math.inf], [math.inf, math.inf]]
    assert (points.fee_subtask.tolist(), points.fee_work.tolist()) == ([0.5, 0.0], [-0.25, 0.0])
    (limit,) = instance.shared
    assert (limit.id, limit.resource, limit.points.tolist(), limit.capacity) == ("site", 0, [0, 1], 64.0)
    assert group.demand.tolist() == [[[1.5, 0, 2, 0, 1], [0] * 5], [[0] * 5, [0] * 5]]
    entries = group.exceptions
    assert np.array([entries.row, entries.subtask, entries.place]).T.tolist() == [[0, 1, -1], [0, 1, 0]]
    assert entries.execution.tolist() == [3, 0.5]
    assert np.array_equal(entries.fee, [math.nan, -1], equal_nan=True)
    assert np.array_equal(entries.demand, [[math.nan] * 2, [math.nan, 1]], equal_nan=True)
    assert (group.allowed.row.tolist(), group.allowed.subtask.tolist()) == ([0, 0], [0, 2])
    assert group.allowed.places.tolist() == [[False, False, True], [True, False, True]]
    assert (devices.latency_up.tolist(), devices.latency_down.tolist()) == ([0.1, 0], [0.2, 0])
    assert devices.deadline.tolist() == [60, math.inf]
    assert devices.energy_budget.tolist() == [500, math.inf]
    assert np.array_equal(devices.rejection, [-3, math.nan], equal_nan=True)
    assert devices.weight.tolist() == [2, 1]


def test_a_capacity_of_nothing_is_no_limit() -> None:
    instance = instance_of(changed(point("capacity", {}), of=SECOND))
    assert instance.points.capacity[0] == model.UNLIMITED
    assert (instance.points.room[:, 0] == math.inf).all()


@examples(100)
@given(format2_documents(), st.randoms(use_true_random=False))
def test_a_part_of_an_instance(document: Document, draw: Random) -> None:
    """What remains of the document without some devices is the same as the instance without them."""
    instance = instance_of(document)
    chosen = sorted(draw.sample(range(instance.num_devices), draw.randint(1, instance.num_devices)))
    part = subset(instance, np.array(chosen))
    document["devices"] = [document["devices"][m] for m in chosen]
    used = {item["application"] for item in document["devices"]}
    document["applications"] = [item for item in document["applications"] if item["id"] in used]
    assert part.fingerprint == instance_of(document).fingerprint


# --- versions ---------------------------------------------------------------------------------------


def version_of(path: Path) -> int:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return int(json.loads(archive.read("header.json"))["version"])
    return int(json.loads(path.read_bytes())["version"])


def test_version_1_is_written_where_nothing_of_version_2_is_in_effect(tmp_path: Path) -> None:
    first = read_structured(EXAMPLE)
    document = changed(
        put("version", 2),
        put("resources", []),
        put("limits", []),
        put("cost", "objective", None),
        point("capacity", {"subtasks": DOCUMENT["offload_points"][0]["capacity"]}),
        point("fee", {"subtask": 0, "work": -0.0}),
        device("demand", {}),
        device("at", []),
        device("allowed", {"t1": [None, "op2", "op1"]}),
        device("latency", {"up": 0, "down": 0.0}),
        device("weight", 1),
        *(device(key, None) for key in ("deadline", "energy_budget", "rejection")),
    )
    second = instance_of(document)
    assert second.fingerprint == first.fingerprint
    for name in ("one.json", "one.zip"):
        model.write(second, tmp_path / name)
        assert version_of(tmp_path / name) == 1
        same(first, read_structured(tmp_path / name))


USES: dict[str, Change] = {
    "resources": put("resources", ["memory"]),
    "limits": put("limits", [{"id": "a", "resource": "subtasks", "points": ["op1"], "capacity": 1}]),
    "totals": put("totals", {"delay": 1e9}),
    "objective": put("cost", "objective", "max"),
    "no capacity": point("capacity", {}),
    "fee": point("fee", {"work": 1}),
    "at": device("at", [{"subtask": "t1", "point": None, "execution": 1}]),
    "allowed": device("allowed", {"t1": []}),
    "latency": device("latency", {"down": 1}),
    "deadline": device("deadline", 0),
    "energy_budget": device("energy_budget", 0),
    "rejection": device("rejection", 0),
    "weight": device("weight", 0),
}


@pytest.mark.parametrize("change", USES.values(), ids=USES)
def test_version_2_is_written_where_something_is(change: Change, tmp_path: Path) -> None:
    instance = instance_of(changed(put("version", 2), change))
    assert instance.fingerprint != read_structured(EXAMPLE).fingerprint
    for name in ("one.json", "one.zip"):
        model.write(instance, tmp_path / name)
        assert version_of(tmp_path / name) == 2
        same(instance, read_structured(tmp_path / name))


@pytest.mark.parametrize(("name", "change"), USES.items(), ids=USES)
def test_version_1_does_not_know_it(name: str, change: Change) -> None:
    with pytest.raises(InputError) as caught:
        parse(json.dumps(changed(change)).encode(), "x")
    ((where, what),) = caught.value.problems
    if name == "no capacity":
        assert what == "must be a whole number, not an object: that is of version 2"
    else:
        assert where.rpartition(".")[2] == name
        assert what == "is a key of version 2"


# --- the fingerprint --------------------------------------------------------------------------------


def respelled(document: Document, draw: Random) -> Document:
    """The same problem: lists of names in another order, defaults spelled out."""
    document = copy.deepcopy(document)
    places = [item["id"] for item in document["offload_points"]] + [None]
    if "resources" in document:
        draw.shuffle(document["resources"])
    for limit in document.get("limits", ()):
        draw.shuffle(limit["points"])
    document["cost"].setdefault("objective", "sum")
    for item in document["offload_points"]:
        if isinstance(item["capacity"], int):
            item["capacity"] = {"subtasks": float(item["capacity"])}
        item["fee"] = {"subtask": 0, "work": -0.0, **item.get("fee", {})}
    sizes = {item["id"]: item["subtasks"] for item in document["applications"]}
    for item in document["devices"]:
        subtasks = sizes[item["application"]]
        zeros = {name: [0] * len(subtasks) for name in document.get("resources", ())}
        item["demand"] = {**zeros, **item.get("demand", {})}
        draw.shuffle(item.setdefault("at", []))
        allowed = item.setdefault("allowed", {})
        for name in subtasks:
            draw.shuffle(allowed.setdefault(name, list(places)))
        item["latency"] = {"up": 0.0, "down": 0, **item.get("latency", {})}
        item.setdefault("weight", 1)
        for key in ("deadline", "energy_budget", "rejection"):
            item.setdefault(key, None)
    return document


@examples(300)
@given(format2_documents(), st.randoms(use_true_random=False))
def test_equal_problems_have_equal_fingerprints(document: Document, draw: Random) -> None:
    one, other = instance_of(document), instance_of(respelled(document, draw))
    assert one.fingerprint == other.fingerprint
    assert one.groups[0].exceptions.row.tolist() == other.groups[0].exceptions.row.tolist()


CHANGES: dict[str, Change] = {
    "resource": lambda d: d["resources"].append("x"),
    "limit id": put("limits", 0, "id", "x"),
    "limit resource": put("limits", 0, "resource", "licences"),
    "limit points": put("limits", 0, "points", ["op1"]),
    "limit capacity": put("limits", 0, "capacity", 63),
    "limit": lambda d: d["limits"].append({**d["limits"][0], "id": "x"}),
    "totals": put("totals", "energy", 999),
    "total": drop("totals", "energy"),
    "objective": put("cost", "objective", "sum"),
    "room": point("capacity", "memory", 15),
    "no room": point("capacity", "licences", 0),
    "capacity": point("capacity", "subtasks", 4),
    "no capacity": drop("offload_points", 0, "capacity", "subtasks"),
    "fee of a subtask": point("fee", "subtask", 0.25),
    "fee of work": drop("offload_points", 0, "fee", "work"),
    "demand": device("demand", "memory", 1, 1),
    "demand of another resource": device("demand", "licences", [0, 0, 0, 0, 1]),
    "execution": device("at", 0, "execution", 0),
    "fee there": device("at", 0, "fee", 0),
    "no fee there": drop("devices", 0, "at", 0, "fee"),
    "demand there": device("at", 0, "demand", "licences", 0),
    "more demand there": device("at", 0, "demand", "memory", 1),
    "place": device("at", 0, "point", "op2"),
    "subtask": device("at", 0, "subtask", "t1"),
    "an entry": drop("devices", 0, "at", 1),
    "allowed": device("allowed", "t3", ["op2", None]),
    "allowed nowhere": device("allowed", "t3", []),
    "latency up": device("latency", "up", 0.3),
    "latency down": drop("devices", 0, "latency", "down"),
    "deadline": device("deadline", 59),
    "no deadline": drop("devices", 0, "deadline"),
    "energy budget": device("energy_budget", 499),
    "rejection": device("rejection", 0),
    "no rejection": drop("devices", 0, "rejection"),
    "weight": device("weight", 0),
}  # fmt: skip


def test_fingerprint_depends_on_everything() -> None:
    prints = {instance_of(changed(change, of=SECOND)).fingerprint for change in CHANGES.values()}
    assert len({*prints, instance_of(SECOND).fingerprint}) == len(CHANGES) + 1


# --- malformed --------------------------------------------------------------------------------------

SIZE = "must be 0 or lie in [1e-9, 1e9]"
SIGNED = "must be 0 or have a magnitude in [1e-9, 1e9]"
COUNT = "must be a whole number from 0 to 1000000000"
ENTRY = {"subtask": "t4", "point": "op2"}
ZERO = 'is 0 and cannot normalise (cost.normalise is "local")'


def limit(*path: Any) -> Change:
    return put("limits", 0, *path)


def idle(document: Document) -> None:
    """All that the first device does locally takes no time."""
    document["cost"]["normalise"] = "local"
    document["devices"][0]["at"] = [{"subtask": f"t{k}", "point": None, "execution": 0} for k in range(1, 6)]


MALFORMED: dict[str, tuple[Change, list[str]]] = {
    # what is shared
    "resources an object": (put("resources", {}), ["resources: must be a list, not an object"]),
    "resource a number": (put("resources", 1, 7), ["resources[1]: must be a string, not 7"]),
    "resource without a name": (
        lambda d: d["resources"].append(""),
        ['resources[2]: must not be empty, not ""'],
    ),
    "resource twice": (
        lambda d: d["resources"].append("memory"),
        ['resources[2]: duplicate resource "memory", already used by resources[0]'],
    ),
    "subtasks as a resource": (
        lambda d: d["resources"].append("subtasks"),
        ['resources[2]: "subtasks" is built in and must not be listed'],
    ),
    "limits an object": (put("limits", {"site": 1}), ["limits: must be a list, not an object"]),
    "limit without id": (drop("limits", 0, "id"), ["limits[0].id: is missing"]),
    "limit with an empty id": (limit("id", ""), ['limits[0].id: must not be empty, not ""']),
    "limit twice": (
        lambda d: d["limits"].append(d["limits"][0]),
        ['limits[1].id: duplicate id "site", already used by limits[0]'],
    ),
    "limit on an unknown resource": (
        limit("resource", "disk"),
        ['limits[0].resource: unknown resource "disk"'],
    ),
    "limit without points": (drop("limits", 0, "points"), ["limits[0].points: is missing"]),
    "limit on no points": (limit("points", []), ["limits[0].points: must not be empty"]),
    "limit on an unknown point": (
        limit("points", 1, "op3"),
        ['limits[0].points[1]: unknown offload point "op3"'],
    ),
    "limit on a point twice": (
        lambda d: d["limits"][0]["points"].append("op2"),
        ['limits[0].points[2]: duplicate offload point "op2", already used by limits[0].points[0]'],
    ),
    "limit of local places": (limit("points", 0, None), ["limits[0].points[0]: must be a string, not null"]),
    "limit below 0": (limit("capacity", -1), [f"limits[0].capacity: {SIZE}, not -1"]),
    "limit on half a subtask": (
        lambda d: d["limits"][0].update(resource="subtasks", capacity=2.5),
        ["limits[0].capacity: must be a whole number of subtasks, not 2.5"],
    ),
    "limit with more": (limit("point", "op1"), ["limits[0].point: unknown key"]),
    "totals a number": (put("totals", 5), ["totals: must be an object, not 5"]),
    "totals empty": (put("totals", {}), ["totals: must cap energy, delay or both"]),
    "totals of nulls": (put("totals", {"delay": None}), ["totals: must cap energy, delay or both"]),
    "totals below 0": (put("totals", "delay", -0.5), [f"totals.delay: {SIZE}, not -0.5"]),
    "totals of something else": (put("totals", "cost", 1), ["totals.cost: unknown key"]),
    "objective unknown": (
        put("cost", "objective", "mean"),
        ['cost.objective: must be "sum" or "max", not "mean"'],
    ),
    # offload points
    "capacity null": (
        point("capacity", None),
        ["offload_points[0].capacity: must be a whole number, not null"],
    ),
    "capacity a fraction": (
        point("capacity", 2.5),
        ["offload_points[0].capacity: must be a whole number, not 2.5"],
    ),
    "capacity of half a subtask": (
        point("capacity", "subtasks", 2.5),
        ["offload_points[0].capacity.subtasks: must be a whole number, not 2.5"],
    ),
    "capacity of subtasks below 0": (
        point("capacity", "subtasks", -1),
        [f"offload_points[0].capacity.subtasks: {COUNT}, not -1"],
    ),
    "capacity of subtasks null": (
        point("capacity", "subtasks", None),
        ["offload_points[0].capacity.subtasks: must be a whole number, not null"],
    ),
    "room below 0": (
        point("capacity", "memory", -1.5),
        [f"offload_points[0].capacity.memory: {SIZE}, not -1.5"],
    ),
    "room infinite": (
        point("capacity", "memory", math.inf),
        ["offload_points[0].capacity.memory: must be a finite number, not Infinity"],
    ),
    "room null": (
        point("capacity", "memory", None),
        ["offload_points[0].capacity.memory: must be a number, not null"],
    ),
    "room of an unknown resource": (
        point("capacity", "disk", 1),
        ['offload_points[0].capacity.disk: unknown resource "disk"'],
    ),
    "fee a number": (point("fee", 1), ["offload_points[0].fee: must be an object, not 1"]),
    "fee tiny": (point("fee", "work", -1e-12), [f"offload_points[0].fee.work: {SIGNED}, not -1e-12"]),
    "fee of data": (point("fee", "data", 1), ["offload_points[0].fee.data: unknown key"]),
    # devices
    "demand a list": (device("demand", [1] * 5), ["devices[0].demand: must be an object, not a list"]),
    "demand of subtasks": (
        device("demand", "subtasks", [2] * 5),
        ["devices[0].demand.subtasks: is built in: every subtask demands 1 of it"],
    ),
    "demand of an unknown resource": (
        device("demand", "a disk", [1] * 5),
        ['devices[0].demand["a disk"]: unknown resource "a disk"'],
    ),
    "demand too short": (
        device("demand", "memory", [1, 2]),
        ["devices[0].demand.memory: must have 5 entries, one for each of the application's subtasks, not 2"],
    ),
    "demand below 0": (device("demand", "memory", 2, -2), [f"devices[0].demand.memory[2]: {SIZE}, not -2"]),
    "demand null": (
        device("demand", "memory", 2, None),
        ["devices[0].demand.memory[2]: must be a number, not null"],
    ),
    "at an object": (device("at", {}), ["devices[0].at: must be a list, not an object"]),
    "at without a point": (
        drop("devices", 0, "at", 0, "point"),
        ["devices[0].at[0].point: is missing"],
    ),
    "at without a subtask": (
        drop("devices", 0, "at", 0, "subtask"),
        ["devices[0].at[0].subtask: is missing"],
    ),
    "at an unknown point": (
        device("at", 0, "point", "op3"),
        ['devices[0].at[0].point: unknown offload point "op3"'],
    ),
    "at an unknown subtask": (
        device("at", 0, "subtask", "t6"),
        ['devices[0].at[0].subtask: unknown subtask "t6"'],
    ),
    "at that changes nothing": (
        device("at", 1, ENTRY),
        ["devices[0].at[1]: changes nothing: it has no execution, fee or demand"],
    ),
    "at with an empty demand": (
        device("at", 1, {**ENTRY, "demand": {}, "fee": None}),
        ["devices[0].at[1]: changes nothing: it has no execution, fee or demand"],
    ),
    "at twice": (
        lambda d: d["devices"][0]["at"].append({"subtask": "t2", "point": None, "fee": 1}),
        ["devices[0].at[2]: is about the subtask and the place of devices[0].at[1] again"],
    ),
    "at with a negative execution": (
        device("at", 0, "execution", -1),
        [f"devices[0].at[0].execution: {SIZE}, not -1"],
    ),
    "at with a huge fee": (
        device("at", 0, "fee", -2e9),
        [f"devices[0].at[0].fee: {SIGNED}, not -2000000000.0"],
    ),
    "at with a demand of subtasks": (
        device("at", 0, "demand", {"subtasks": 2}),
        ["devices[0].at[0].demand.subtasks: is built in: every subtask demands 1 of it"],
    ),
    "at with a demand of an unknown resource": (
        device("at", 0, "demand", {"disk": 2}),
        ['devices[0].at[0].demand.disk: unknown resource "disk"'],
    ),
    "at with a list of demands": (
        device("at", 0, "demand", "memory", [1]),
        ["devices[0].at[0].demand.memory: must be a number, not a list"],
    ),
    "at home with a demand": (
        device("at", 1, "demand", {"memory": 1}),
        ["devices[0].at[1].demand: must be left out: what runs locally demands nothing"],
    ),
    "at with more": (device("at", 0, "energy", 1), ["devices[0].at[0].energy: unknown key"]),
    "allowed a list": (device("allowed", ["op1"]), ["devices[0].allowed: must be an object, not a list"]),
    "allowed null for a subtask": (
        device("allowed", "t1", None),
        ["devices[0].allowed.t1: must be a list, not null"],
    ),
    "allowed for an unknown subtask": (
        device("allowed", "t6", [None]),
        ['devices[0].allowed.t6: unknown subtask "t6"'],
    ),
    "allowed at an unknown point": (
        device("allowed", "t1", [None, "op3"]),
        ['devices[0].allowed.t1[1]: unknown offload point "op3"'],
    ),
    "allowed at a point twice": (
        device("allowed", "t1", ["op1", "op1"]),
        ['devices[0].allowed.t1[1]: duplicate offload point "op1", already used by devices[0].allowed.t1[0]'],
    ),
    "allowed at home twice": (
        device("allowed", "t1", [None, None]),
        ["devices[0].allowed.t1: holds null twice"],
    ),
    "latency a number": (device("latency", 1), ["devices[0].latency: must be an object, not 1"]),
    "latency below 0": (device("latency", "up", -1), [f"devices[0].latency.up: {SIZE}, not -1"]),
    "latency of something else": (
        device("latency", "sideways", 1),
        ["devices[0].latency.sideways: unknown key"],
    ),
    "deadline below 0": (device("deadline", -1), [f"devices[0].deadline: {SIZE}, not -1"]),
    "deadline as text": (device("deadline", "2 s"), ['devices[0].deadline: must be a number, not "2 s"']),
    "deadline infinite": (
        device("deadline", math.inf),
        ["devices[0].deadline: must be a finite number, not Infinity"],
    ),
    "energy budget below 0": (device("energy_budget", -1), [f"devices[0].energy_budget: {SIZE}, not -1"]),
    "rejection true": (device("rejection", True), ["devices[0].rejection: must be a number, not true"]),
    "rejection NaN": (
        device("rejection", math.nan),
        ["devices[0].rejection: must be a finite number, not NaN"],
    ),
    "rejection tiny": (device("rejection", -1e-10), [f"devices[0].rejection: {SIGNED}, not -1e-10"]),
    "weight below 0": (device("weight", -1), [f"devices[0].weight: {SIZE}, not -1"]),
    "weight huge": (device("weight", 1e10), [f"devices[0].weight: {SIZE}, not 10000000000.0"]),
    "version 1 with all of it": (
        put("version", 1),
        [
            "cost.objective: is a key of version 2",
            "offload_points[0].capacity: must be a whole number, not an object: that is of version 2",
            "offload_points[0].fee: is a key of version 2",
            *(
                f"devices[0].{key}: is a key of version 2"
                for key in (
                    *("demand", "at", "allowed", "latency", "deadline", "energy_budget", "rejection"),
                    "weight",
                )
            ),
            *(f"{key}: is a key of version 2" for key in ("resources", "limits", "totals")),
        ],
    ),
    # normalisers
    "nothing to normalise by": (
        idle,
        [f"devices[0].work: the all-local {what} {ZERO}" for what in ("delay", "energy")],
    ),
}


def test_there_are_enough_kinds() -> None:
    assert len(MALFORMED) >= 40


@pytest.mark.parametrize(("change", "expected"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed(change: Change, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(changed(change, of=SECOND)))
    assert problems(model.read, path) == expected
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)


def test_work_that_takes_time_somewhere_normalises() -> None:
    """With ``at`` the times in force count: no work, and yet a time; work, and yet none."""

    def busy(document: Document) -> None:
        document["cost"]["normalise"] = "local"
        document["devices"][0]["work"] = [0] * 5

    instance = instance_of(changed(busy, of=SECOND))
    assert instance.normalise == "local"
    (terms,) = instance.terms
    assert np.isfinite(terms.delay_weight[0])


def test_an_unservable_device_is_no_error_of_the_file() -> None:
    assert instance_of(changed(device("allowed", {"t1": []}), of=SECOND))


# --- columnar files ---------------------------------------------------------------------------------


def members(document: Document) -> dict[str, bytes]:
    file = io.BytesIO()
    header, columns = header_and_columns(instance_of(document))
    write_zip(file, header, columns, layout(header, columns))
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


COLUMNAR = members(SECOND)


def test_only_what_is_used_is_stored() -> None:
    added = {name.partition("/")[2] for name in COLUMNAR} - {
        name.partition("/")[2] for name in members(DOCUMENT)
    }
    limits = {"deadline", "energy_budget", "rejection", "weight", "latency.up", "latency.down"}
    assert added == {*limits, "demand.0", "at.0", "allowed.0"}
    few = members(changed(put("version", 2), device("deadline", 5)))
    assert {name for name in few if name not in members(DOCUMENT)} == {"columns/deadline"}


def column(name: str, index: Any, value: float) -> bytes:
    shape = json.loads(COLUMNAR["header.json"])["columns"][name]["shape"]
    values = np.frombuffer(COLUMNAR[f"columns/{name}"]).reshape(shape).copy()
    values[index] = value
    return pack({**COLUMNAR, f"columns/{name}": values.tobytes()})


def header(*changes: Change) -> bytes:
    document = changed(*changes, of=json.loads(COLUMNAR["header.json"]))
    return pack({**COLUMNAR, "header.json": json.dumps(document).encode()})


ZIPS: dict[str, tuple[bytes, list[str]]] = {
    "deadline below 0": (column("deadline", 0, -1), [f"devices[0].deadline: {SIZE}, not -1.0"]),
    "deadline infinite": (
        column("deadline", 1, math.inf),
        ["devices[1].deadline: must be a finite number, not Infinity"],
    ),
    "rejection tiny": (column("rejection", 1, 1e-20), [f"devices[1].rejection: {SIGNED}, not 1e-20"]),
    "latency below 0": (column("latency.up", 1, -1), [f"devices[1].latency.up: {SIZE}, not -1.0"]),
    "weight huge": (column("weight", 1, 1e10), [f"devices[1].weight: {SIZE}, not 10000000000.0"]),
    "half of a demand": (
        column("demand.0", (0, 0, 3), math.nan),
        ["devices[0].demand.memory[3]: must be a finite number, not NaN"],
    ),
    "demand below 0": (
        column("demand.0", (1, 1), -2),
        [f"devices[1].demand.licences[{k}]: {SIZE}, not -2.0" for k in range(5)],
    ),
    "at of too few devices": (
        pack({**COLUMNAR, "columns/at.0": b"[null]"}),
        ["columns/at.0: must be a list of 2"],
    ),
    "at that is no list": (
        pack({**COLUMNAR, "columns/at.0": b"{}"}),
        ["columns/at.0: must be a list of 2"],
    ),
    "at of a number": (
        pack({**COLUMNAR, "columns/at.0": b"[null, 5]"}),
        ["devices[1].at: must be a list, not 5"],
    ),
    "at an unknown point": (
        pack({**COLUMNAR, "columns/at.0": COLUMNAR["columns/at.0"].replace(b"op1", b"op9")}),
        ['devices[0].at[1].point: unknown offload point "op9"'],
    ),
    "allowed for an unknown subtask": (
        pack({**COLUMNAR, "columns/allowed.0": b'[{"t9": []}, null]'}),
        ['devices[0].allowed.t9: unknown subtask "t9"'],
    ),
    "a limit on an unknown resource": (
        header(put("limits", 0, "resource", "x")),
        ['limits[0].resource: unknown resource "x"'],
    ),
    "a resource less": (
        header(put("resources", ["memory"])),
        ['columns["demand.0"]: must be {"type": "<f8", "shape": [2, 1, 5]}'],
    ),
    "resources that are no list": (
        header(put("resources", 3)),
        ["resources: must be a list, not 3"],
    ),
}


@pytest.mark.parametrize(("data", "expected"), ZIPS.values(), ids=ZIPS)
def test_malformed_columns(data: bytes, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    assert problems(model.read, path) == expected
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)


def test_a_column_of_demands_without_resources(tmp_path: Path) -> None:
    parts = members(changed(put("version", 2), device("deadline", 5)))
    head = json.loads(parts["header.json"])
    head["columns"]["demand.0"] = {"type": "<f8", "shape": [2, 0, 5]}
    parts |= {"header.json": json.dumps(head).encode(), "columns/demand.0": b""}
    path = tmp_path / "odd.zip"
    path.write_bytes(pack(parts))
    same(read_structured(path), instance_of(changed(put("version", 2), device("deadline", 5))))
    parts["columns/deadline"] = np.array([-1.0, np.nan]).tobytes()
    path.write_bytes(pack(parts))
    assert problems(model.read, path) == [f"devices[0].deadline: {SIZE}, not -1.0"]


def test_columns_of_version_2_under_a_header_of_version_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    parts = members(changed(put("version", 2), device("deadline", 5)))
    parts["header.json"] = parts["header.json"].replace(b'"version": 2', b'"version": 1')
    path.write_bytes(pack(parts))
    assert problems(model.read, path) == ["columns.deadline: is a column of version 2"]


# --- the published schemas --------------------------------------------------------------------------


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMA_FOLDER / f"{name}-2.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


INSTANCE, SOLUTION, CERTIFICATE = map(validator, ("instance", "solution", "certificate"))

ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, 0, -0.0, -1, 1, 1.0, 1.5, 5e-10, 2e9, -5.0, "", "x", "max", [], [None], [1, 2], {}, {"a": 1}]
)


@examples(300)
@given(format2_documents(max_devices=1), st.data())
def test_the_schema_and_the_reader_agree_on_structure(document: Document, data: st.DataObject) -> None:
    INSTANCE.validate(document)
    container, key = data.draw(st.sampled_from(list(spots(document))))
    if isinstance(container, dict) and data.draw(st.integers(0, 9)) == 0:
        del container[key]
    else:
        container[key] = data.draw(ODD)
    assert INSTANCE.is_valid(document) == (not structure(InstanceFile2, document))


PRICES = {
    "capacity": {"op1": "0.1"},
    "resource": {"op1": {"memory": "0.1"}},
    "limits": {"site": "0.2"},
    "channels": {"op1": "1"},
    "totals": {"energy": "0.01"},
}


def test_the_schema_of_certificates() -> None:
    about = {
        "format": "offloadlib-certificate",
        "version": 2,
        "instance": {"name": "x", "sha256": "0" * 64},
    }
    leaf = {"prices": PRICES, "shares": {"ud1": "0.3", "ud2": "0.7"}}
    bound = {**about, "lower_bound": "-1.5", "nodes": [leaf]}
    refused = {"branch": {"device": "ud1", "refused": True}, "equal": 1, "different": 2}
    none = {
        **about,
        "claim": "infeasible",
        "nodes": [refused, {"prices": {}}, {"prices": PRICES, "infeasible": True}],
    }
    for document in (bound, none):
        CERTIFICATE.validate(document)
        assert not CERTIFICATE.is_valid({**document, "version": 1})
    assert not CERTIFICATE.is_valid({**none, "claim": "feasible"})
    assert not CERTIFICATE.is_valid({**none, "lower_bound": "1"}), "one claim"
    for key in PRICES:
        assert not CERTIFICATE.is_valid({**none, "nodes": [{"prices": {key: {"op1": 0.1}}}]}), "decimals only"


# --- solutions --------------------------------------------------------------------------------------


def solved(document: Document = SECOND) -> tuple[Instance, StoredSolution]:
    """An instance, and a solution that refuses its first device."""
    instance = instance_of(document)
    solution = Solution.from_rows(instance, [[REFUSED] * 5, [-1, 0, 1, -1, -1]])
    return instance, StoredSolution(solution, "by hand", 7.5, 3.5, Status.FEASIBLE)


def test_a_refused_device_is_null(tmp_path: Path) -> None:
    instance, stored = solved()
    path = tmp_path / "a.sol.json"
    model.write_solution(stored, instance, path)
    document = json.loads(path.read_bytes())
    SOLUTION.validate(document)
    assert document["version"] == 2
    assert document["decisions"] == {"ud1": None, "ud2": [None, "op1", "op2", None, None]}
    again = model.read_solution(path, instance)
    assert again.solution.rows(instance) == stored.solution.rows(instance)
    assert (again.objective, again.lower_bound, again.status) == (7.5, 3.5, Status.FEASIBLE)


def test_a_solution_that_refuses_none_is_of_version_1_and_may_be_of_version_2(tmp_path: Path) -> None:
    instance, stored = solved()
    path = tmp_path / "a.sol.json"
    served = Solution.all_local(instance)
    model.write_solution(replace(stored, solution=served), instance, path)
    document = json.loads(path.read_bytes())
    assert document["version"] == 1
    path.write_text(json.dumps({**document, "version": 2}))
    assert model.read_solution(path, instance).solution.rows(instance) == served.rows(instance)


@pytest.mark.parametrize("status", [Status.INFEASIBLE, Status.UNKNOWN])
def test_no_solution(status: Status, tmp_path: Path) -> None:
    instance, _ = solved()
    bound = math.inf if status is Status.INFEASIBLE else None
    path = tmp_path / "a.sol.json"
    model.write_solution(StoredSolution(None, "m", math.inf, bound, status, {"seed": 1}), instance, path)
    document = json.loads(path.read_bytes())
    SOLUTION.validate(document)
    assert document["version"] == 2
    assert (document["objective"], document["lower_bound"], document["decisions"]) == (None, None, None)
    again: StoredSolution[Any] = model.read_solution(path, instance)
    assert again == StoredSolution(None, "m", math.inf, bound, status, {"seed": 1})


SOLUTIONS: dict[str, tuple[Change, list[str]]] = {
    "refused in version 1": (put("version", 1), ["decisions.ud1: must be a list, not null"]),
    "infeasible in version 1": (
        lambda d: d.update(version=1, status="infeasible", decisions={"ud1": [None] * 5, "ud2": [None] * 5}),
        ['status: must be "optimal" or "feasible", not "infeasible"'],
    ),
    "refused without a rejection": (
        put("decisions", "ud2", None),
        ["decisions.ud2: must be a list: the device has no rejection"],
    ),
    "infeasible with decisions": (
        put("status", "infeasible"),
        [
            f'{key}: must be null where the status is "infeasible"'
            for key in ("objective", "lower_bound", "decisions")
        ],
    ),
    "unknown with a bound": (
        lambda d: d.update(status="unknown", objective=None, decisions=None),
        ['lower_bound: must be null where the status is "unknown"'],
    ),
    "feasible without decisions": (
        put("decisions", None),
        ['decisions: must not be null where the status is "feasible"'],
    ),
    "optimal without an objective": (
        lambda d: d.update(status="optimal", objective=None),
        ['objective: must not be null where the status is "optimal"'],
    ),
    "a split": (put("split", {"ud1": 1}), ["split: unknown key"]),
    "status unheard of": (
        put("status", "unbounded"),
        ['status: must be "optimal", "feasible", "infeasible" or "unknown", not "unbounded"'],
    ),
}


@pytest.mark.parametrize(("change", "expected"), SOLUTIONS.values(), ids=SOLUTIONS)
def test_malformed_solutions(change: Change, expected: list[str], tmp_path: Path) -> None:
    instance, stored = solved()
    path = tmp_path / "a.sol.json"
    model.write_solution(stored, instance, path)
    path.write_text(json.dumps(changed(change, of=json.loads(path.read_bytes()))))
    assert problems(model.read_solution, path, instance) == expected
