"""Files of the hybrid problem: both forms and back, fingerprints, bad files, frames, generated instances."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from counts import examples
from folders import LIBRARY
from hybrid_strategies import DOCUMENT, Document, documents, instance_of
from hypothesis import given
from hypothesis import strategies as st
from strategies import Change, drop, put

import offloadlib.instances as model
from offloadlib import check as checker
from offloadlib.instances import InputError, Status, StoredSolution
from offloadlib.instances.files.published import SCHEMA_FOLDER
from offloadlib.instances.files.validate import structure
from offloadlib.instances.hybrid import (
    CLOUD,
    EDGE,
    Frames,
    HybridInstance,
    HybridSolution,
    Parameters,
    read_frames,
    with_best_split,
    write_frames,
)
from offloadlib.instances.hybrid.generate import HybridSetting, generate, generate_frames
from offloadlib.instances.hybrid.model import Parameters as Defaults
from offloadlib.instances.hybrid.schema import HybridFile
from offloadlib.instances.recipes import made_again

SCHEMA = jsonschema.Draft202012Validator(json.loads((SCHEMA_FOLDER / "instance-1.schema.json").read_text()))


def edited(*changes: Change) -> Document:
    document: Document = json.loads(json.dumps(DOCUMENT))
    for change in changes:
        change(document)
    return document


def assert_same(one: HybridInstance, other: object) -> None:
    """Equal in everything, to the bit."""
    assert isinstance(other, HybridInstance)
    assert one.fingerprint == other.fingerprint
    for key in ("name", "description", "source", "devices", "parameters", "kind"):
        assert getattr(one, key) == getattr(other, key)
    for key in ("sizes", "weight"):
        assert getattr(one, key).tobytes() == getattr(other, key).tobytes()
        assert getattr(one, key).shape == getattr(other, key).shape


# --- both forms and back ----------------------------------------------------------------------------


@examples(100)
@given(document=documents(extreme=True))
def test_round_trips(document: Document, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    instance = instance_of(document)
    assert checker.fingerprint(document) == instance.fingerprint
    for name in ("instance.json", "instance.zip"):
        model.write(instance, folder / name)
        assert_same(instance, model.read(folder / name))
        assert checker.read_instance(folder / name).fingerprint() == instance.fingerprint


def test_fingerprint_is_of_the_problem_alone() -> None:
    original = instance_of(DOCUMENT).fingerprint
    same = [
        put("name", "other"),
        put("description", "text"),
        put("source", {"a": 1}),
        put("devices", 0, "weight", 1),
        put("devices", 0, "weight", None),
        put("parameters", "cycles", 1900.0),
    ]
    for change in same:
        assert instance_of(edited(change)).fingerprint == original
    for change in (
        put("devices", 0, "weight", 1.5),
        put("devices", 0, "id", "x"),
        put("parameters", "cloud", None),
        put("parameters", "bandwidth", 101),
        put("devices", 1, "sizes", 0, 1),
    ):
        document = edited(change)
        assert instance_of(document).fingerprint != original
        assert instance_of(document).fingerprint == checker.fingerprint(document)
    # Pinned: it must not change from release to release.
    assert original == FINGERPRINT


FINGERPRINT = "b385edfbaef179fbbf6cbd6c64221f1e284e4b0e2b10457253b1c51e36669330"


def test_solutions_round_trip(tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    solution = with_best_split(instance, np.array([[0, 1], [2, 1]]))
    total = instance.evaluate(solution).total
    model.write_solution(
        StoredSolution(solution, "me", total, 0.5, Status.FEASIBLE, {"a": 1}), instance, tmp_path / "s.json"
    )
    document = json.loads((tmp_path / "s.json").read_text())
    assert document["decisions"] == {"d1": [None, "edge"], "d2": ["cloud", "edge"]}
    assert list(document["split"].values()) == solution.split.tolist()
    stored = model.read_solution(tmp_path / "s.json", instance)
    assert stored.solution.places.tolist() == solution.places.tolist()
    assert stored.solution.split.tolist() == solution.split.tolist()
    assert (stored.method, stored.objective, stored.lower_bound) == ("me", total, 0.5)


# --- bad files --------------------------------------------------------------------------------------


def problems(call: Callable[..., object], *arguments: object) -> list[str]:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return [f"{where}: {what}" if where else what for where, what in caught.value.problems]


SIZE, SPEED = "must be 0 or lie in [1e-9, 1e9]", "must lie in [1e-9, 1e9]"

DOCUMENTS: dict[str, tuple[Change, list[str]]] = {
    "version": (put("version", 2), ["version: must be 1, not 2"]),
    "no name": (drop("name"), ["name: is missing"]),
    "key of the other kind": (put("applications", []), ["applications: unknown key"]),
    "no parameters": (drop("parameters"), ["parameters: is missing"]),
    "no cloud key": (drop("parameters", "cloud"), ["parameters.cloud: is missing"]),
    "cloud without rate": (drop("parameters", "cloud", "rate"), ["parameters.cloud.rate: is missing"]),
    "rate 0": (put("parameters", "cloud", "rate", 0), [f"parameters.cloud.rate: {SPEED}, not 0"]),
    "edge null": (put("parameters", "edge", None), ["parameters.edge: must be an object, not null"]),
    "edge with a rate": (put("parameters", "edge", "rate", 1), ["parameters.edge.rate: unknown key"]),
    "negative price": (put("parameters", "edge", "price", -1), [f"parameters.edge.price: {SIZE}, not -1"]),
    "no bandwidth": (put("parameters", "bandwidth", 0), [f"parameters.bandwidth: {SPEED}, not 0"]),
    "infinite time": (
        put("parameters", "local_time", float("inf")),
        ["parameters.local_time: must be a finite number, not Infinity"],
    ),
    "tiny weight": (put("devices", 0, "weight", 1e-10), [f"devices[0].weight: {SPEED}, not 1e-10"]),
    "weight 0": (put("devices", 0, "weight", 0), [f"devices[0].weight: {SPEED}, not 0"]),
    "weight true": (put("devices", 0, "weight", True), ["devices[0].weight: must be a number, not true"]),
    "negative size": (put("devices", 0, "sizes", 1, -1), [f"devices[0].sizes[1]: {SIZE}, not -1"]),
    "size as text": (put("devices", 1, "sizes", 0, "1"), ['devices[1].sizes[0]: must be a number, not "1"']),
    "no sizes": (put("devices", 0, "sizes", []), ["devices[0].sizes: must not be empty"]),
    "fewer sizes": (
        put("devices", 1, "sizes", [1.0]),
        ["devices[1].sizes: must have 2 entries, as those of devices[0], not 1"],
    ),
    "no devices": (put("devices", []), ["devices: must not be empty"]),
    "duplicate id": (
        put("devices", 1, "id", "d1"),
        ['devices[1].id: duplicate id "d1", already used by devices[0]'],
    ),
    "empty id": (put("devices", 0, "id", ""), ['devices[0].id: must not be empty, not ""']),
    "a device is a list": (put("devices", 0, []), ["devices[0]: must be an object, not a list"]),
    "unknown key": (put("devices", 0, "work", 1), ["devices[0].work: unknown key"]),
}


@pytest.mark.parametrize(("change", "expected"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_document(change: Change, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(edited(change)))
    assert problems(model.read, path) == expected
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    document = edited(
        drop("name"),
        put("parameters", "cycles", -1),
        put("devices", 0, "sizes", [1, "x", 2]),
        put("devices", 1, "id", "d1"),
    )
    path.write_text(json.dumps(document))
    assert problems(model.read, path) == [
        "name: is missing",
        f"parameters.cycles: {SIZE}, not -1",
        'devices[0].sizes[1]: must be a number, not "x"',
        'devices[1].id: duplicate id "d1", already used by devices[0]',
        "devices[1].sizes: must have 3 entries, as those of devices[0], not 2",
    ]


SOLUTIONS: dict[str, tuple[Change, list[str]]] = {
    "no split": (drop("split"), ["split: is missing"]),
    "split without a device": (drop("split", "d1"), ["split.d1: is missing"]),
    "split of a stranger": (put("split", "d3", 1), ["split.d3: unknown device"]),
    "negative share": (
        put("split", "d1", -1.0),
        ["split.d1: must be at least 0, not -1.0"],
    ),
    "no decision": (drop("decisions", "d1"), ["decisions.d1: is missing"]),
    "a decision of a stranger": (put("decisions", "x", [None, None]), ["decisions.x: unknown device"]),
    "too few places": (
        put("decisions", "d1", [None]),
        ["decisions.d1: must have 2 entries, one for each task, not 1"],
    ),
    "unknown place": (put("decisions", "d1", 0, "op1"), ['decisions.d1[0]: unknown place "op1"']),
    "of another instance": (
        put("instance", "sha256", "0" * 64),
        ['instance.sha256: is not the fingerprint of the instance "two"'],
    ),
}


@pytest.mark.parametrize(("change", "expected"), SOLUTIONS.values(), ids=SOLUTIONS.keys())
def test_solution(change: Change, expected: list[str], tmp_path: Path) -> None:
    instance = instance_of(DOCUMENT)
    solution = with_best_split(instance, np.array([[0, 1], [2, 1]]))
    cost = instance.evaluate(solution).total
    model.write(instance, tmp_path / "i.json")
    path = tmp_path / "s.json"
    model.write_solution(StoredSolution(solution, "me", cost, None, Status.FEASIBLE), instance, path)
    assert checker.check(tmp_path / "i.json", path).accepted
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    assert problems(model.read_solution, path, instance) == expected
    assert not checker.check(tmp_path / "i.json", path).accepted


def test_a_place_in_a_cloud_that_is_not_there(tmp_path: Path) -> None:
    instance = instance_of(edited(put("parameters", "cloud", None)))
    solution = HybridSolution(np.array([[CLOUD, EDGE], [EDGE, EDGE]]), np.array([50.0, 50.0]))
    stored = StoredSolution(solution, "me", 1.0, None, Status.FEASIBLE)
    model.write_solution(stored, instance, tmp_path / "s.json")
    assert problems(model.read_solution, tmp_path / "s.json", instance) == ["decisions.d1[0]: no cloud here"]


def test_kinds_are_not_mixed_up(tmp_path: Path) -> None:
    structured = model.read(LIBRARY / "worked-example.json")
    stored = StoredSolution(structured.all_local, "local", 72.77, None, Status.FEASIBLE)
    model.write_solution(stored, structured, tmp_path / "s.json")
    document = json.loads((tmp_path / "s.json").read_text())
    document["split"] = {"ud1": 1.0}
    (tmp_path / "s.json").write_text(json.dumps(document))
    assert problems(model.read_solution, tmp_path / "s.json", structured) == [
        "split: belongs to a solution of a hybrid instance"
    ]
    verdict = checker.check(LIBRARY / "worked-example.json", tmp_path / "s.json")
    assert [rule.name for rule in verdict.rules if not rule.ok] == ["decisions"]


# --- the columnar form ------------------------------------------------------------------------------


def rezipped(path: Path, header: Change | None = None, **members: bytes | None) -> Path:
    """A zip with a changed header, and with other members (None: without)."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    if header is not None:
        document = json.loads(content["header.json"])
        header(document)
        content["header.json"] = json.dumps(document).encode()
    for name, data in members.items():
        content[f"columns/{name}"] = data or b""
        if data is None:
            del content[f"columns/{name}"]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


NAN = np.full(4, np.nan).tobytes()
ZIPS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "kind": ({"header": put("kind", "x")}, ['kind: must be "structured" or "hybrid", not "x"']),
    "no bandwidth": ({"header": drop("parameters", "bandwidth")}, ["parameters.bandwidth: is missing"]),
    "flat sizes": (
        {"header": put("columns", "sizes", "shape", [4])},
        ["columns.sizes: must have a shape of 2 whole numbers from 1 on: N, M"],
    ),
    "no columns": ({"header": put("columns", 1)}, ["columns: must be an object, not 1"]),
    "other length": (
        {"header": put("columns", "weight", "shape", [3])},
        ['columns.weight: must be {"type": "<f8", "shape": [2]}'],
    ),
    "ids": ({"id": b'["a"]'}, ["columns/id: must be a list of 2 ids"]),
    "empty id": ({"id": b'["a", ""]'}, ['devices[1].id: must be a string that is not empty, not ""']),
    "same id": ({"id": b'["a", "a"]'}, ['devices[1].id: duplicate id "a", already used by devices[0]']),
    "NaN": ({"sizes": NAN}, [f"devices[{i}].sizes[{j}]: {SIZE}, not NaN" for i in (0, 1) for j in (0, 1)]),
    "weight 0": ({"weight": bytes(16)}, [f"devices[{i}].weight: {SPEED}, not 0.0" for i in (0, 1)]),
    "short": ({"sizes": bytes(8)}, ["columns/sizes: must have 32 bytes, not 8"]),
    "no member": ({"sizes": None}, ["columns/sizes: is missing"]),
    "unknown member": ({"more": b"1"}, ['unknown member "columns/more"']),
}


@pytest.mark.parametrize(("changes", "expected"), ZIPS.values(), ids=ZIPS.keys())
def test_zip(changes: dict[str, Any], expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.zip"
    model.write(instance_of(DOCUMENT), path)
    rezipped(path, **changes)
    assert problems(model.read, path) == expected
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)


# --- the schema -------------------------------------------------------------------------------------


@examples(100)
@given(document=documents(extreme=True), data=st.data())
def test_the_schema_and_the_reader_agree_on_structure(document: Document, data: st.DataObject) -> None:
    assert SCHEMA.is_valid(document)
    part = data.draw(
        st.sampled_from(
            [document, document["parameters"], document["parameters"]["edge"], document["devices"][0]]
        )
    )
    key = data.draw(st.sampled_from([*part, "more"]))
    part[key] = data.draw(st.sampled_from([None, -1, 0, "x", "", [], {}, 1e-10, 1e10, True, [0, -1]]))
    if key != "kind":
        assert SCHEMA.is_valid(document) == (not structure(HybridFile, document))


# --- frames and the generator -----------------------------------------------------------------------


def test_frames(tmp_path: Path) -> None:
    frames = generate_frames(HybridSetting(weight=(0.5, 2.0)), 7, seed=3, description="seven")
    assert len(frames) == len(list(frames)) == 7
    assert frames.sizes.shape == (7, 3, 3)
    write_frames(frames, tmp_path / "frames.zip")
    again = read_frames(tmp_path / "frames.zip")
    for key in ("parameters", "name", "devices", "description", "source"):
        assert getattr(again, key) == getattr(frames, key)
    assert again.sizes.tobytes() == frames.sizes.tobytes()
    assert again.weight.tobytes() == frames.weight.tobytes()
    assert frames[2].name == "hybrid-n3-m3-seed3-2"
    assert frames[-1].sizes.tolist() == frames.sizes[6].tolist()
    assert frames[0].sizes.tolist() == generate(HybridSetting(), seed=3).sizes.tolist()
    with pytest.raises(IndexError):
        frames[7]
    for instance in frames:
        model.write(instance, tmp_path / "one.json")
        assert_same(instance, model.read(tmp_path / "one.json"))


def test_bad_frames(tmp_path: Path) -> None:
    path = tmp_path / "frames.zip"
    sizes = np.ones((2, 1, 1))
    sizes[1] = -1
    write_frames(Frames(Parameters(), np.ones(1), sizes), path)
    assert problems(read_frames, path) == [f"frames[1].devices[0].sizes[0]: {SIZE}, not -1.0"]
    model.write(instance_of(DOCUMENT), path)
    assert problems(read_frames, path) == [
        'format: must be "offloadlib-frames", not "offloadlib-instance"',
    ]
    write_frames(Frames(Parameters(), np.ones(1), np.ones((2, 1, 1))), path)
    assert problems(model.read, path) == ['format: must be "offloadlib-instance", not "offloadlib-frames"']


def test_the_generator_follows_its_setting() -> None:
    instance = generate(HybridSetting(devices=200, tasks=4, weight=(0.5, 2.0)), seed=1)
    units = instance.sizes / 8.388608
    assert sorted(set(units.ravel().round(9).tolist())) == [float(n) for n in range(10, 31)]
    assert 0.5 <= instance.weight.min() < 0.6
    assert 1.9 < instance.weight.max() <= 2.0
    assert instance.parameters == Defaults()
    assert instance.source is not None
    assert instance.source["seed"] == 1
    assert (
        instance.fingerprint
        == generate(HybridSetting(devices=200, tasks=4, weight=(0.5, 2.0)), seed=1).fingerprint
    )
    assert instance.fingerprint != generate(HybridSetting(devices=200, tasks=4), seed=2).fingerprint
    edge = generate(HybridSetting(cloud_rate=None))
    assert edge.parameters == Parameters(f_c=0.0, r_c=0.0, price_c=0.0)
    assert edge.num_points == 1


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            HybridSetting(devices=0, tasks=-1),
            ["devices: must be at least 1, not 0", "tasks: must be at least 1, not -1"],
        ),
        (HybridSetting(devices=10**9), ["devices: times tasks and frames must be at most 100000000"]),
        (
            HybridSetting(sizes=(3, 2)),
            ["sizes: must be two numbers from 0 on in ascending order, not 3 and 2"],
        ),
        (
            HybridSetting(bandwidth=-1.0, edge_price=-1.0),
            [f"parameters.bandwidth: {SPEED}, not -1.0", f"parameters.edge.price: {SIZE}, not -1.0"],
        ),
        (HybridSetting(cloud_rate=0.0), ["cloud_rate: must be positive or none, not 0.0"]),
        (HybridSetting(devices=1, weight=(0.0, 0.0)), [f"devices[0].weight: {SPEED}, not 0.0"]),
    ],
)
def test_bad_settings(setting: HybridSetting, expected: list[str]) -> None:
    assert problems(generate, setting) == expected


@pytest.mark.parametrize("path", sorted(LIBRARY.glob("hybrid-*.json")), ids=lambda path: path.stem)
def test_the_library_is_what_its_sources_say(path: Path, tmp_path: Path) -> None:
    shipped = model.read(path)
    made = made_again(shipped)
    assert isinstance(made, HybridInstance)
    assert_same(made, shipped)
    model.write(made, tmp_path / "made.zip")
    assert_same(made, model.read(tmp_path / "made.zip"))
