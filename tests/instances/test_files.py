"""Files: both forms and back, fingerprints, published schemas, whole or not at all, solutions."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import pickle
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from counts import examples
from folders import LIBRARY
from hypothesis import example as given_example
from hypothesis import given
from hypothesis import strategies as st
from reading import read_structured
from strategies import (
    DOCUMENT,
    EXAMPLE,
    Change,
    Document,
    changed,
    documents,
    drop,
    instance_of,
    instances,
    put,
    solutions,
)

import offloadlib.instances as model
from offloadlib.instances import InputError, Instance, Solution, Status, StoredSolution
from offloadlib.instances.files.archive import write_zip
from offloadlib.instances.files.instances import parse
from offloadlib.instances.files.published import SCHEMA_FOLDER, SCHEMAS, json_schema
from offloadlib.instances.files.schema import SolutionFile
from offloadlib.instances.files.validate import structure
from offloadlib.instances.structured import form
from offloadlib.instances.structured.columnar import _CHUNK, layout
from offloadlib.instances.structured.form import header_and_columns, validated
from offloadlib.instances.structured.schema import InstanceFile


def library_files() -> list[Path]:
    return [path for path in sorted(LIBRARY.glob("*.json")) if path.name != "best_known.json"]


def arrays(part: Any) -> dict[str, Any]:
    return {key: value for key, value in vars(part).items() if isinstance(value, np.ndarray)}


def assert_same(one: Instance, other: Instance) -> None:
    """Equal in everything, to the bit."""
    assert one.fingerprint == other.fingerprint
    for key in ("name", "description", "source", "normalise", "applications", "kind"):
        assert getattr(one, key) == getattr(other, key)
    parts: list[tuple[Any, Any]] = [(one.points, other.points), (one.devices, other.devices)]
    for a, b in [*parts, *zip(one.groups, other.groups, strict=True)]:
        assert getattr(a, "ids", None) == getattr(b, "ids", None)
        for key, value in arrays(a).items():
            found = getattr(b, key)
            assert (value.dtype, value.shape) == (found.dtype, found.shape)
            assert value.tobytes() == found.tobytes(), key


# --- both forms and back ----------------------------------------------------------------------------


@examples(200)
@given(document=documents(magnitudes="extreme"))
def test_round_trips(document: Document, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    instance = instance_of(document)
    for name in ("instance.json", "instance.zip"):
        model.write(instance, folder / name)
        assert_same(instance, read_structured(folder / name))


@pytest.mark.parametrize(
    "path",
    [path for path in library_files() if not path.stem.startswith("hybrid-")],  # see test_hybrid_files.py
    ids=lambda path: path.stem,
)
def test_library_round_trips(path: Path, tmp_path: Path) -> None:
    instance = read_structured(path)
    for name in ("instance.json", "instance.zip"):
        model.write(instance, tmp_path / name)
        assert_same(instance, read_structured(str(tmp_path / name)))


def test_the_form_is_told_by_the_bytes_not_by_the_name(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    model.write(instance, tmp_path / "example.ZIP")
    assert zipfile.is_zipfile(tmp_path / "example.ZIP")
    (tmp_path / "example.ZIP").rename(tmp_path / "example.json")
    assert_same(instance, read_structured(tmp_path / "example.json"))


def test_the_same_instance_gives_the_same_bytes(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    for name in ("one.json", "two.json", "one.zip", "two.zip"):
        model.write(instance, tmp_path / name)
    for suffix in ("json", "zip"):
        assert (tmp_path / f"one.{suffix}").read_bytes() == (tmp_path / f"two.{suffix}").read_bytes()


def test_a_file_holds_a_line_per_device(tmp_path: Path) -> None:
    model.write(read_structured(EXAMPLE), tmp_path / "one.json")
    lines = (tmp_path / "one.json").read_text("utf-8").splitlines()
    assert [line.startswith('  {"id": "ud') for line in lines].count(True) == 2


def test_data_is_read_from_a_pipe() -> None:
    read_end, write_end = os.pipe()
    os.write(write_end, EXAMPLE.read_bytes())
    os.close(write_end)
    try:
        instance = read_structured(f"/dev/fd/{read_end}")
    finally:
        os.close(read_end)
    assert_same(instance, read_structured(EXAMPLE))


# --- in columns -------------------------------------------------------------------------------------


@given(instances())
def test_columns_round_trip(instance: Instance) -> None:
    header, columns = header_and_columns(instance)
    used = {name: column.shape for name, column in layout(header, columns).items() if column.shape[0]}
    assert {name: np.shape(values) for name, values in columns.items()} == used
    assert_same(instance, validated(header, columns, "columns"))


def test_columns_that_are_wrong_are_named_like_places_in_a_file() -> None:
    header, good = header_and_columns(read_structured(EXAMPLE))

    def problems(**changed: Any) -> list[str]:
        with pytest.raises(InputError) as caught:
            validated(header, {**good, **changed}, "made")
        return [f"{where}: {what}" for where, what in caught.value.problems]

    work = good["work.0"].copy()
    work[1, 2] = -1
    assert problems(**{"work.0": work}) == ["devices[1].work[2]: must be 0 or lie in [1e-9, 1e9], not -1.0"]
    assert problems(id=["x", "x"]) == ['devices[1].id: duplicate id "x", already used by devices[0]']
    assert problems(id=["x", "\ud800"]) == ['devices[1].id: must be Unicode text, not "\\ud800"']
    assert problems(id=["x", b"y"]) == ["devices[1].id: must be a string, not \"b'y'\""]
    assert problems(id=["x"]) == ["columns.application: must have 1 entries, as there are devices"]
    assert problems(id=[], application=np.zeros(0)) == ["devices: must not be empty"]
    assert problems(application=np.array([0, 1])) == ["devices[1].application: must lie in 0..0, not 1"]
    assert problems(connected_to=np.array([-2, 2])) == [
        "devices[0].connected_to: must lie in -1..1, not -2",
        "devices[1].connected_to: must lie in -1..1, not 2",
    ]
    assert problems(work=np.zeros(2)) == ["columns.work: unknown column"]
    assert problems(**{"work.0": work[:, :3]}) == [
        'columns["work.0"]: must have the shape [2, 5], not [2, 3]'
    ]
    assert problems(uplink=np.array([np.nan, np.inf])) == [
        "devices[1].uplink: must be a finite number, not Infinity"
    ]
    assert validated(header, {**good, "work.1": np.zeros((0, 3))}, "made")


def test_optional_columns_may_be_left_out() -> None:
    instance = read_structured(EXAMPLE)
    header, good = header_and_columns(instance)
    for name, column in layout(header, good).items():
        if column.optional:
            assert_same(instance, validated(header, changed(drop(name), of=good), "made"))
    with pytest.raises(InputError, match=r'columns\["input\.0"\]: is missing'):
        validated(header, changed(drop("input.0"), of=good), "made")


# --- the fingerprint --------------------------------------------------------------------------------


def definition(document: Document) -> str:
    """The fingerprint as formats.md defines it, in one go."""
    points = {item["id"]: item for item in document["offload_points"]}
    apps = {item["id"]: item for item in document["applications"]}

    def floats(values: list[float]) -> list[float]:
        return [float(value) + 0.0 for value in values]

    def point(item: Document) -> Document:
        counts = {key: int(item[key]) for key in ("capacity", "channels") if item.get(key) is not None}
        return {
            "id": item["id"],
            **{key: float(item[key]) for key in ("cpu", "uplink", "downlink")},
            **counts,
        }

    def device(item: Document) -> Document:
        kept: Document = {"id": item["id"], "application": item["application"], "cpu": float(item["cpu"])}
        kept["alpha"] = float(item["alpha"]) + 0.0
        kept["power"] = {key: float(value) + 0.0 for key, value in item["power"].items()}
        kept |= {key: floats(item[key]) for key in ("work", "input", "output")}
        at = points.get(item["connected_to"], {})
        if at:
            kept["connected_to"] = at["id"]
        for key in ("uplink", "downlink"):
            if item.get(key) is not None and float(item[key]) != at.get(key):
                kept[key] = float(item[key])
        app = apps[item["application"]]
        default = [kept["output"][app["subtasks"].index(j)] for j, _ in app["edges"]]
        if item.get("edge_data") is not None and floats(item["edge_data"]) != default:
            kept["edge_data"] = floats(item["edge_data"])
        return kept

    canonical = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "cost": document["cost"],
        "applications": document["applications"],
        "offload_points": [point(item) for item in document["offload_points"]],
        "devices": [device(item) for item in document["devices"]],
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@examples(200)
@given(documents(magnitudes="extreme"))
def test_fingerprint_is_as_defined(document: Document) -> None:
    assert instance_of(document).fingerprint == definition(document)


def test_fingerprint_of_many_devices_is_as_defined() -> None:
    # More devices than are written at a time.
    (device, _), count = DOCUMENT["devices"], 2 * _CHUNK + 7
    document = {**DOCUMENT, "devices": [{**device, "id": f"ud{m}"} for m in range(count)]}
    assert instance_of(document).fingerprint == definition(document)


def test_fingerprint_of_the_worked_example() -> None:
    # Written down here: solution files that people keep refer to it.
    assert read_structured(EXAMPLE).fingerprint == definition(DOCUMENT) == GOLDEN_FINGERPRINT


GOLDEN_FINGERPRINT = "9e702c606c35bad3e52af5bb45c2bb4f035ed10ecd99fa538e4918e776f791d5"


def scramble(value: Any) -> Any:
    """The same JSON with keys in another order and whole numbers as floats."""
    if isinstance(value, dict):
        return {key: scramble(value[key]) for key in sorted(value, key=lambda key: hash(key) % 7)}
    if isinstance(value, list):
        return [scramble(item) for item in value]
    return float(value) if isinstance(value, int) else value


EQUIVALENT: dict[str, Change] = {
    "name": lambda d: d.update(name="other"),
    "description": lambda d: d.update(description="words"),
    "source": lambda d: d.update(source={"seed": 1}),
    "position": lambda d: (
        d["devices"][0].update(position=[1, 2]),
        d["offload_points"][0].update(position=[3, 4]),
    ),
    "key order, 1.0 for 1": lambda d: (
        d.update(scramble(d)) or [d.update({key: d.pop(key)}) for key in sorted(d)]
    ),
    "nulls": lambda d: (
        d.update(description=None, source=None),
        d["devices"][0].update(uplink=None, downlink=None, position=None, edge_data=None),
        d["offload_points"][0].update(channels=None, position=None),
    ),
    "default rates": lambda d: d["devices"][0].update(uplink=0.5, downlink=0.8),
    "default arc data": lambda d: d["devices"][0].update(edge_data=[0.2, 0.3, 0.3, 0.1, 0.1]),
}

DIFFERENT: dict[str, Change] = {
    "normalise": lambda d: d["cost"].update(normalise="local"),
    "application id": lambda d: (
        d["applications"][0].update(id="x"),
        [device.update(application="x") for device in d["devices"]],
    ),
    "subtask": lambda d: d.update(json.loads(json.dumps(d).replace('"t1"', '"t0"'))),
    "edges": lambda d: d["applications"][0]["edges"].append(["t1", "t5"]),
    "edge order": lambda d: d["applications"][0]["edges"].reverse(),
    "point id": lambda d: d.update(json.loads(json.dumps(d).replace('"op1"', '"op0"'))),
    **{
        f"point {key}": put("offload_points", 0, key, 7)
        for key in ("cpu", "capacity", "uplink", "downlink", "channels")
    },
    "point order": lambda d: d["offload_points"].reverse(),
    "device order": lambda d: d["devices"].reverse(),
    **{
        f"device {key}": put("devices", 0, key, value)
        for key, value in {
            "id": "x", "cpu": 7, "connected_to": "op2", "uplink": 7, "downlink": 7, "alpha": 0,
            "edge_data": [0.2, 0.3, 0.3, 0.1, 0.2],
        }.items()
    },
    "unconnected": lambda d: d["devices"][0].update(connected_to=None),
    **{
        f"power {key}": put("devices", 0, "power", key, 7)
        for key in ("execute", "send", "receive")
    },
    **{
        f"device {key}": put("devices", 1, key, 4, 0.123)
        for key in ("work", "input", "output")
    },
    "a last bit": lambda d: d["devices"][0].update(cpu=1.0000000000000002),
    "another device": lambda d: d["devices"].append({**d["devices"][0], "id": "ud3"}),
}  # fmt: skip


@pytest.mark.parametrize("change", EQUIVALENT.values(), ids=EQUIVALENT.keys())
def test_fingerprint_leaves_out(change: Change) -> None:
    document = changed(change)
    assert document != DOCUMENT or list(document) != list(DOCUMENT)
    assert instance_of(document).fingerprint == GOLDEN_FINGERPRINT


@pytest.mark.parametrize("change", DIFFERENT.values(), ids=DIFFERENT.keys())
def test_fingerprint_depends_on(change: Change) -> None:
    document = changed(change)
    assert instance_of(document).fingerprint != GOLDEN_FINGERPRINT


def test_fingerprint_takes_no_account_of_the_sign_of_zero() -> None:
    prints = set()
    for zero in (0, 0.0, -0.0):
        document = copy.deepcopy(DOCUMENT)
        document["devices"][0] |= {"input": [0.4, zero, zero, zero, zero], "alpha": zero}
        document["devices"][0]["power"]["send"] = zero
        document["devices"][0]["edge_data"] = [zero] * 5
        document["offload_points"][0]["capacity"] = zero
        prints.add(instance_of(document).fingerprint)
    assert len(prints) == 1


# --- the published schemas --------------------------------------------------------------------------


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMA_FOLDER / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


INSTANCE_SCHEMA = validator("instance-1.schema.json")
SOLUTION_SCHEMA = validator("solution-1.schema.json")


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schemas_are_those_of_the_code(name: str) -> None:
    assert (SCHEMA_FOLDER / name).read_text("utf-8") == json_schema(SCHEMAS[name]), "run `make schemas`"
    assert {path.name for path in SCHEMA_FOLDER.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize("path", library_files(), ids=lambda path: path.stem)
def test_the_schema_accepts_the_library(path: Path) -> None:
    INSTANCE_SCHEMA.validate(json.loads(path.read_text("utf-8")))


def spots(document: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of everything in a document."""
    entries = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(entries):
        yield document, key
        if isinstance(value, dict | list):
            yield from spots(value)


ODD: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        -0.0,
        -1,
        1,
        1.0,
        1.5,
        5e-10,
        2e9,
        -5.0,
        10**30,
        "",
        "x",
        "local",
        [],
        [1, 2],
        {},
        [[]],
    ]
)


@examples(300)
@given(documents(max_devices=1), st.data())
def test_the_schema_and_the_reader_agree_on_structure(document: Document, data: st.DataObject) -> None:
    container, key = data.draw(st.sampled_from(list(spots(document))))
    if isinstance(container, dict) and data.draw(st.integers(0, 9)) == 0:
        del container[key]
    else:
        container[key] = data.draw(ODD)
    assert INSTANCE_SCHEMA.is_valid(document) == (not structure(InstanceFile, document))


@examples(300)
@given(st.data())
def test_the_schema_and_the_reader_agree_on_solutions(data: st.DataObject) -> None:
    document = {
        "format": "offloadlib-solution",
        "version": 1,
        "instance": {"name": "x", "sha256": "0" * 64},
        "method": "m",
        "objective": 1,
        "lower_bound": data.draw(st.none() | st.just(0.5)),
        "status": "optimal",
        "decisions": {"a": [None, "op1"], "b": []},
        "run": {"seed": 1},
    }
    assert SOLUTION_SCHEMA.is_valid(document) and not structure(SolutionFile, document)
    container, key = data.draw(st.sampled_from(list(spots(document))))
    container[key] = data.draw(ODD)
    assert SOLUTION_SCHEMA.is_valid(document) == (not structure(SolutionFile, document))


# --- whole or not at all ----------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    instance = read_structured(EXAMPLE)
    stored = StoredSolution(Solution.all_local(instance), "local", 72.77, None, Status.FEASIBLE)
    assert instance.fingerprint  # before the functions that it needs are broken
    old = dict.fromkeys(("old.json", "old.zip", "old.sol.json"), b"old")
    for name, data in old.items():
        (tmp_path / name).write_bytes(data)

    def broken(*_: Any) -> Iterator[Any]:
        yield "ud1", [None] * 5
        raise error

    def broken_zip(file: io.BytesIO, *_: Any) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(form, "device_documents", broken)
    monkeypatch.setattr(Solution, "decisions", broken)
    monkeypatch.setattr("offloadlib.instances.files.instances.write_zip", broken_zip)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        model.write(instance, tmp_path / "old.json")
    with pytest.raises(expected):
        model.write(instance, tmp_path / "old.zip")
    with pytest.raises(expected):
        model.write_solution(stored, instance, tmp_path / "old.sol.json")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == old


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("no/such/folder.json", "No such file or directory"),
        ("file/below.json", "Not a directory"),
        ("folder", "Is a directory"),
        ("x" * 300, "File name too long"),
        ("null\0character", "embedded null byte"),
    ],
)
def test_what_cannot_be_written_is_said(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        model.write(read_structured(EXAMPLE), tmp_path / name)
    assert caught.value.problems == (("", f"cannot be written: {reason}"),)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250 + ".json")
    model.write(read_structured(EXAMPLE), path)
    assert path.exists()


def test_new_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    model.write(read_structured(EXAMPLE), tmp_path / "written.json")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "target.json").touch()
    (tmp_path / "link.json").symlink_to(tmp_path / "target.json")
    model.write(read_structured(EXAMPLE), tmp_path / "link.json")
    assert (tmp_path / "link.json").is_symlink()
    assert_same(read_structured(tmp_path / "target.json"), read_structured(EXAMPLE))


def test_a_device_file_is_not_replaced() -> None:
    before = Path(os.devnull).stat()
    model.write(read_structured(EXAMPLE), os.devnull)
    assert stat.S_ISCHR(before.st_mode) and Path(os.devnull).stat().st_ino == before.st_ino


@pytest.mark.parametrize("name", ["x.json", "x.zip"])
def test_a_pipe_is_written_to(name: str, tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    (tmp_path / name).symlink_to(f"/dev/fd/{write_end}")
    model.write(read_structured(EXAMPLE), tmp_path / name)
    os.close(write_end)
    with open(read_end, "rb") as file:  # noqa: PTH123
        again = parse(file.read(), "pipe")
        assert isinstance(again, model.Instance)
        assert_same(again, read_structured(EXAMPLE))


def test_the_collector_runs_again_after_reading() -> None:
    import gc

    with pytest.raises(InputError):
        parse(b"{", "x")
    read_structured(EXAMPLE)
    assert gc.isenabled()
    gc.disable()
    try:
        read_structured(EXAMPLE)
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- solutions --------------------------------------------------------------------------------------


@given(data=st.data())
def test_solutions_round_trip(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "solution.sol.json"
    instance = data.draw(instances())
    free = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text("aé😀\n"),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab"), inner, max_size=2),
    )
    finite = st.floats(allow_nan=False, allow_infinity=False)
    stored = StoredSolution(
        data.draw(solutions(instance)),
        data.draw(st.text("méthod")),
        data.draw(finite),
        data.draw(st.none() | finite),
        data.draw(st.sampled_from([Status.OPTIMAL, Status.FEASIBLE])),
        data.draw(st.dictionaries(st.text("abc"), free, max_size=3)),
    )
    model.write_solution(stored, instance, path)
    again = model.read_solution(path, instance)
    assert again.solution.rows(instance) == stored.solution.rows(instance)
    for key in ("method", "objective", "lower_bound", "status", "run"):
        assert getattr(again, key) == getattr(stored, key)
    assert isinstance(again.status, Status)
    SOLUTION_SCHEMA.validate(json.loads(path.read_text("utf-8")))


def test_run_records_hold_what_json_can_hold(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    run: dict[Any, Any] = {
        "time_limit": float("inf"),
        "nodes": np.int64(3),
        "gap": np.float64("nan"),
        "proven": np.True_,
        "file": Path("x"),
        "range": (1, np.float32(0.5)),
        "status": Status.OPTIMAL,
        7: {"none": None},
    }
    stored = StoredSolution(
        Solution.all_local(instance), "local", np.float64(72.77), None, Status.FEASIBLE, run
    )
    model.write_solution(stored, instance, tmp_path / "x.sol.json")
    assert model.read_solution(tmp_path / "x.sol.json", instance).run == {
        "time_limit": None,
        "nodes": 3,
        "gap": None,
        "proven": True,
        "file": "x",
        "range": [1, 0.5],
        "status": "optimal",
        "7": {"none": None},
    }


def test_solutions_refer_to_their_instance(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    stored = StoredSolution(Solution.all_local(instance), "local", 72.77, None, Status.FEASIBLE)
    model.write_solution(stored, instance, tmp_path / "x.sol.json")
    document = json.loads((tmp_path / "x.sol.json").read_text("utf-8"))
    assert document["instance"] == {"name": "worked-example", "sha256": GOLDEN_FINGERPRINT}
    assert document["decisions"] == {"ud1": [None] * 5, "ud2": [None] * 5}


# --- errors -----------------------------------------------------------------------------------------


def test_errors_survive_the_way_back_from_a_process() -> None:
    error = InputError(Path("x.json"), [("a", "is wrong"), ("", "is missing")])
    again = pickle.loads(pickle.dumps(error))
    assert str(again) == str(error) == "x.json: 2 problems\n  a: is wrong\n  is missing"
    assert again.problems == error.problems


def test_long_lists_of_problems_are_cut_in_the_message_alone() -> None:
    error = InputError("x", [(f"devices[{i}]", "is wrong") for i in range(50)])
    assert len(error.problems) == 50
    assert str(error).splitlines()[-1] == "  ... and 30 more"
    assert len(str(error).splitlines()) == 22


# --- damage -----------------------------------------------------------------------------------------


def packed(instance: Instance) -> bytes:
    file = io.BytesIO()
    header, columns = header_and_columns(instance)
    write_zip(file, header, columns, layout(header, columns))
    return file.getvalue()


PACKED = packed(read_structured(EXAMPLE))


@examples(400)
@given(st.integers(0, len(PACKED) - 1), st.integers(0, 255), st.booleans())
@given_example(0, 0, True)
def test_a_damaged_zip_is_the_same_or_refused(position: int, byte: int, cut: bool) -> None:
    data = bytearray(PACKED)
    data[position] = byte
    try:
        instance = parse(bytes(data[:position] if cut else data), "damaged")
    except InputError as error:
        assert error.problems
    else:
        assert instance.fingerprint == GOLDEN_FINGERPRINT


@examples(400)
@given(st.integers(0, EXAMPLE.stat().st_size - 1), st.integers(0, 255), st.booleans())
def test_damaged_text_is_read_or_refused(position: int, byte: int, cut: bool) -> None:
    data = bytearray(EXAMPLE.read_bytes())
    data[position] = byte
    try:
        parse(bytes(data[:position] if cut else data), "damaged")
    except InputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())
