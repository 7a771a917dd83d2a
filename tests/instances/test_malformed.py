"""Malformed files: each with its message, its place in the file, and never a traceback.

Every entry of the tables is a file that differs from a good one in one way, and everything that must be
said about it.
"""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import read_structured
from strategies import DOCUMENT, EXAMPLE, Change, Document, changed, drop, instance_of, put

import offloadlib.instances as model
from offloadlib import check as checker
from offloadlib.instances import InputError, Solution, Status, StoredSolution
from offloadlib.instances.files import archive
from offloadlib.instances.files.archive import write_zip
from offloadlib.instances.structured.columnar import layout
from offloadlib.instances.structured.form import header_and_columns

GOOD = EXAMPLE.read_bytes()
DIGITS = "1" + "0" * 400


def problems(call: Callable[..., object], *arguments: object) -> list[str]:
    """What is wrong, as lines ``place: what``."""
    with pytest.raises(InputError) as caught:
        call(*arguments)
    assert str(caught.value).startswith(caught.value.source)
    lines = [f"{where}: {what}" if where else what for where, what in caught.value.problems]
    assert all(line.isprintable() and len(line) < 300 for line in lines), "one printable line each"
    return lines


def device(*path: Any) -> Change:
    return put("devices", 0, *path)


def point(*path: Any) -> Change:
    return put("offload_points", 0, *path)


def app(*path: Any) -> Change:
    return put("applications", 0, *path)


def local(*changes: Change) -> Change:
    """Changes under ``normalise: local``."""

    def change(document: Document) -> None:
        for item in (put("cost", "normalise", "local"), *changes):
            item(document)

    return change


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


SIZE = "must be 0 or lie in [1e-9, 1e9]"
SPEED = "must lie in [1e-9, 1e9]"
ZERO = 'is 0 and cannot normalise (cost.normalise is "local")'
COUNT = "must be a whole number from 0 to 1000000000"

# name of the kind -> (change of the worked example, everything that is said)
DOCUMENTS: dict[str, tuple[Change, list[str]]] = {
    # the frame
    "format missing": (drop("format"), ["format: is missing"]),
    "format of a solution": (
        put("format", "offloadlib-solution"),
        ['format: must be "offloadlib-instance", not "offloadlib-solution"'],
    ),
    "format of another type": (
        put("format", {"a": 1}),
        ['format: must be "offloadlib-instance", not an object'],
    ),
    "version missing": (drop("version"), ["version: is missing"]),
    "version 0": (put("version", 0), ["version: 0 is not known; this release reads versions 1 to 2"]),
    "version 3": (put("version", 3), ["version: 3 is not known; this release reads versions 1 to 2"]),
    "version 1.5": (put("version", 1.5), ["version: 1.5 is not known; this release reads versions 1 to 2"]),
    "version as text": (
        put("version", "1"),
        ['version: "1" is not known; this release reads versions 1 to 2'],
    ),
    "version true": (
        put("version", True),
        ["version: true is not known; this release reads versions 1 to 2"],
    ),
    "version null": (
        put("version", None),
        ["version: null is not known; this release reads versions 1 to 2"],
    ),
    "version nested": (
        put("version", nested(900)),
        ["version: a list is not known; this release reads versions 1 to 2"],
    ),
    "kind missing": (drop("kind"), ["kind: is missing"]),
    "kind unknown": (put("kind", "linear"), ['kind: must be "structured" or "hybrid", not "linear"']),
    "name missing": (drop("name"), ["name: is missing"]),
    "name a number": (put("name", 7), ["name: must be a string, not 7"]),
    "name half a character": (
        put("name", "a\ud83d"),
        ['name: must be Unicode text, not "a\\ud83d"'],
    ),
    "description a list": (put("description", ["x"]), ["description: must be a string, not a list"]),
    "source a string": (put("source", "me"), ['source: must be an object, not "me"']),
    "source with NaN": (
        put("source", {"a": [1, {"b c": float("nan")}]}),
        ['source.a[1]["b c"]: must be a finite number, not NaN'],
    ),
    "source too deep": (put("source", {"a": nested(101)}), ["source: is nested more than 100 levels deep"]),
    "unknown key": (put("extra", 1), ["extra: unknown key"]),
    "unknown key with a new line": (put("a\nb", 1), ['["a\\nb"]: unknown key']),
    "empty key": (device("", 1), ['devices[0][""]: unknown key']),
    "very long key": (device("k " * 500, 1), [f'devices[0]["{"k " * 28}...]: unknown key']),
    "normalise missing": (drop("cost", "normalise"), ["cost.normalise: is missing"]),
    "normalise unknown": (
        put("cost", "normalise", "global"),
        ['cost.normalise: must be "none" or "local", not "global"'],
    ),
    "normalise null": (
        put("cost", "normalise", None),
        ['cost.normalise: must be "none" or "local", not null'],
    ),
    "cost a string": (put("cost", "none"), ['cost: must be an object, not "none"']),
    "cost with more": (put("cost", "alpha", 1), ["cost.alpha: unknown key"]),
    # applications
    "no applications key": (drop("applications"), ["applications: is missing"]),
    "applications null": (put("applications", None), ["applications: must be a list, not null"]),
    "no application": (
        put("applications", []),
        [
            "applications: must not be empty",
            *(f'devices[{m}].application: unknown application "face"' for m in (0, 1)),
        ],
    ),
    "application a number": (put("applications", 0, 7), ["applications[0]: must be an object, not 7"]),
    "application without id": (drop("applications", 0, "id"), ["applications[0].id: is missing"]),
    "application with an empty id": (
        app("id", ""),
        [
            'applications[0].id: must not be empty, not ""',
            *(f'devices[{m}].application: unknown application "face"' for m in (0, 1)),
        ],
    ),
    "application id a number": (app("id", 5), ["applications[0].id: must be a string, not 5"]),
    "duplicate application": (
        lambda d: d["applications"].append(d["applications"][0]),
        ['applications[1].id: duplicate id "face", already used by applications[0]'],
    ),
    "no subtasks": (
        lambda d: d["applications"][0].update(subtasks=[], edges=[]),
        [
            "applications[0].subtasks: must not be empty",
            *(
                f"devices[{m}].{key}: must have 0 entries, one for each of the application's subtasks, not 5"
                for m in (0, 1)
                for key in ("work", "input", "output")
            ),
        ],
    ),
    "subtasks a string": (
        app("subtasks", "t1 t2"),
        ['applications[0].subtasks: must be a list, not "t1 t2"'],
    ),
    "empty subtask": (
        put("applications", 0, "subtasks", 0, ""),
        [
            'applications[0].subtasks[0]: must not be empty, not ""',
            'applications[0].edges[0][0]: unknown subtask "t1"',
        ],
    ),
    "subtask a number": (
        lambda d: d["applications"][0].update(subtasks=["t1", 2, "t3", "t4", "t5"], edges=[["t1", "t3"]]),
        ["applications[0].subtasks[1]: must be a string, not 2"],
    ),
    "duplicate subtask": (
        lambda d: d["applications"][0].update(subtasks=["t1", "t2", "t3", "t4", "t4"], edges=[]),
        ['applications[0].subtasks[4]: duplicate subtask "t4"'],
    ),
    "edges missing": (drop("applications", 0, "edges"), ["applications[0].edges: is missing"]),
    "edge an object": (
        app("edges", 1, {"from": "t2"}),
        ["applications[0].edges[1]: must be a list, not an object"],
    ),
    "edge of one end": (app("edges", 1, ["t2"]), ["applications[0].edges[1]: must have 2 entries, not 1"]),
    "edge of three ends": (
        app("edges", 1, ["t2", "t3", "t4"]),
        ["applications[0].edges[1]: must have 2 entries, not 3"],
    ),
    "edge by number": (
        app("edges", 1, ["t2", 3]),
        ["applications[0].edges[1][1]: must be a string, not 3"],
    ),
    "edge to an unknown subtask": (
        app("edges", 1, ["t2", "t9"]),
        ['applications[0].edges[1][1]: unknown subtask "t9"'],
    ),
    "duplicate arc": (
        app("edges", 3, ["t2", "t3"]),
        ['applications[0].edges[3]: duplicate arc "t2" -> "t3"'],
    ),
    "arc to itself": (app("edges", 0, ["t1", "t1"]), ['applications[0].edges: cycle "t1" -> "t1"']),
    "cycle": (
        app("edges", 0, ["t5", "t2"]),
        ['applications[0].edges: cycle "t5" -> "t2" -> "t3" -> "t5"'],
    ),
    # offload points
    "no offload points": (
        put("offload_points", []),
        [
            "offload_points: must not be empty",
            'devices[0].connected_to: unknown offload point "op1"',
            'devices[1].connected_to: unknown offload point "op2"',
        ],
    ),
    "offload points an object": (
        put("offload_points", {"op1": {}}),
        ["offload_points: must be a list, not an object"],
    ),
    "duplicate offload point": (
        lambda d: d["offload_points"].append(d["offload_points"][1]),
        ['offload_points[2].id: duplicate id "op2", already used by offload_points[1]'],
    ),
    "point without speed": (drop("offload_points", 0, "cpu"), ["offload_points[0].cpu: is missing"]),
    "point of speed 0": (point("cpu", 0), [f"offload_points[0].cpu: {SPEED}, not 0"]),
    "point with a negative rate": (point("uplink", -0.5), [f"offload_points[0].uplink: {SPEED}, not -0.5"]),
    "point of rate null": (
        point("downlink", None),
        ["offload_points[0].downlink: must be a number, not null"],
    ),
    "point of huge speed": (point("cpu", 1e10), [f"offload_points[0].cpu: {SPEED}, not 10000000000.0"]),
    "capacity missing": (drop("offload_points", 0, "capacity"), ["offload_points[0].capacity: is missing"]),
    "capacity a fraction": (
        point("capacity", 2.5),
        ["offload_points[0].capacity: must be a whole number, not 2.5"],
    ),
    "capacity negative": (point("capacity", -1), [f"offload_points[0].capacity: {COUNT}, not -1"]),
    "capacity true": (
        point("capacity", True),
        ["offload_points[0].capacity: must be a whole number, not true"],
    ),
    "capacity as text": (
        point("capacity", "3"),
        ['offload_points[0].capacity: must be a whole number, not "3"'],
    ),
    "capacity null": (
        point("capacity", None),
        ["offload_points[0].capacity: must be a whole number, not null"],
    ),
    "capacity NaN": (
        point("capacity", float("nan")),
        ["offload_points[0].capacity: must be a whole number, not NaN"],
    ),
    "capacity of 400 digits": (
        point("capacity", int(DIGITS)),
        [f"offload_points[0].capacity: {COUNT}, not {DIGITS[:57]}..."],
    ),
    "channels negative": (point("channels", -2), [f"offload_points[0].channels: {COUNT}, not -2"]),
    "channels a fraction": (
        point("channels", 0.5),
        ["offload_points[0].channels: must be a whole number, not 0.5"],
    ),
    "position of one number": (
        point("position", [1]),
        ["offload_points[0].position: must have 2 entries, not 1"],
    ),
    "position of three numbers": (
        point("position", [1, 2, 3]),
        ["offload_points[0].position: must have 2 entries, not 3"],
    ),
    "position infinite": (
        point("position", [0, float("-inf")]),
        ["offload_points[0].position[1]: must be a finite number, not -Infinity"],
    ),
    "position tiny": (
        point("position", [0, -1e-12]),
        ["offload_points[0].position[1]: must be 0 or have a magnitude in [1e-9, 1e9], not -1e-12"],
    ),
    # devices
    "no devices key": (drop("devices"), ["devices: is missing"]),
    "no devices": (put("devices", []), ["devices: must not be empty"]),
    "devices an object": (put("devices", {"ud1": {}}), ["devices: must be a list, not an object"]),
    "device null": (put("devices", 1, None), ["devices[1]: must be an object, not null"]),
    "device without id": (drop("devices", 0, "id"), ["devices[0].id: is missing"]),
    "device with an empty id": (device("id", ""), ['devices[0].id: must not be empty, not ""']),
    "device id a number": (device("id", 1), ["devices[0].id: must be a string, not 1"]),
    "device id half a character": (
        device("id", "\ud800"),
        ['devices[0].id: must be Unicode text, not "\\ud800"'],
    ),
    "key half a character": (
        device("\udc00", 1),
        ['devices[0]: must be Unicode text, not "\\udc00"'],
    ),
    "duplicate device": (
        put("devices", 1, "id", "ud1"),
        ['devices[1].id: duplicate id "ud1", already used by devices[0]'],
    ),
    "very long duplicate id": (
        lambda d: [item.update(id="x\n" * 9999) for item in d["devices"]],
        ['devices[1].id: duplicate id "' + r"x\n" * 18 + r"x\..., already used by devices[0]"],
    ),
    "unknown application": (
        device("application", "Face"),
        ['devices[0].application: unknown application "Face"'],
    ),
    "application a list": (
        device("application", []),
        ["devices[0].application: must be a string, not a list"],
    ),
    "connection missing": (drop("devices", 0, "connected_to"), ["devices[0].connected_to: is missing"]),
    "unknown connection": (
        device("connected_to", "op3"),
        ['devices[0].connected_to: unknown offload point "op3"'],
    ),
    "empty connection": (
        device("connected_to", ""),
        ['devices[0].connected_to: unknown offload point ""'],
    ),
    "connection by number": (device("connected_to", 0), ["devices[0].connected_to: must be a string, not 0"]),
    "speed as text": (device("cpu", "1"), ['devices[0].cpu: must be a number, not "1"']),
    "speed true": (device("cpu", True), ["devices[0].cpu: must be a number, not true"]),
    "speed 0": (device("cpu", 0.0), [f"devices[0].cpu: {SPEED}, not 0.0"]),
    "speed -0": (device("cpu", -0.0), [f"devices[0].cpu: {SPEED}, not -0.0"]),
    "speed NaN": (device("cpu", float("nan")), ["devices[0].cpu: must be a finite number, not NaN"]),
    "speed infinite": (
        device("cpu", float("inf")),
        ["devices[0].cpu: must be a finite number, not Infinity"],
    ),
    "speed of 400 digits": (
        device("cpu", int(DIGITS)),
        [f"devices[0].cpu: must be a finite number, not {DIGITS[:57]}..."],
    ),
    "speed subnormal": (device("cpu", 5e-324), [f"devices[0].cpu: {SPEED}, not 5e-324"]),
    "own rate 0": (device("uplink", 0), [f"devices[0].uplink: {SPEED}, not 0"]),
    "own rate as text": (device("downlink", ""), ['devices[0].downlink: must be a number, not ""']),
    "power missing": (drop("devices", 0, "power"), ["devices[0].power: is missing"]),
    "power a number": (device("power", 12), ["devices[0].power: must be an object, not 12"]),
    "power of sending missing": (drop("devices", 0, "power", "send"), ["devices[0].power.send: is missing"]),
    "power unknown": (device("power", "idle", 1), ["devices[0].power.idle: unknown key"]),
    "power negative": (device("power", "send", -1), [f"devices[0].power.send: {SIZE}, not -1"]),
    "alpha missing": (drop("devices", 0, "alpha"), ["devices[0].alpha: is missing"]),
    "alpha above 1": (
        device("alpha", 1.0000000000000002),
        ["devices[0].alpha: must be 0 or lie in [1e-9, 1], not 1.0000000000000002"],
    ),
    "alpha negative": (device("alpha", -0.1), ["devices[0].alpha: must be 0 or lie in [1e-9, 1], not -0.1"]),
    "alpha null": (device("alpha", None), ["devices[0].alpha: must be a number, not null"]),
    "work missing": (drop("devices", 0, "work"), ["devices[0].work: is missing"]),
    "work a number": (device("work", 5), ["devices[0].work: must be a list, not 5"]),
    "work null": (device("work", None), ["devices[0].work: must be a list, not null"]),
    "work too short": (
        drop("devices", 0, "work", 4),
        ["devices[0].work: must have 5 entries, one for each of the application's subtasks, not 4"],
    ),
    "work negative": (device("work", 3, -2), [f"devices[0].work[3]: {SIZE}, not -2"]),
    "work of null": (device("work", 3, None), ["devices[0].work[3]: must be a number, not null"]),
    "input tiny": (device("input", 0, 1e-10), [f"devices[0].input[0]: {SIZE}, not 1e-10"]),
    "input huge": (device("input", 0, 10**9 + 1), [f"devices[0].input[0]: {SIZE}, not 1000000001"]),
    "output too long": (
        lambda d: d["devices"][0]["output"].append(1),
        ["devices[0].output: must have 5 entries, one for each of the application's subtasks, not 6"],
    ),
    "output nested": (device("output", 0, [1]), ["devices[0].output[0]: must be a number, not a list"]),
    "arc data too short": (
        device("edge_data", [1, 2]),
        ["devices[0].edge_data: must have 5 entries, one for each of the application's edges, not 2"],
    ),
    "arc data empty": (
        device("edge_data", []),
        ["devices[0].edge_data: must have 5 entries, one for each of the application's edges, not 0"],
    ),
    "arc data with null": (
        device("edge_data", [1, 1, None, 1, 1]),
        ["devices[0].edge_data[2]: must be a number, not null"],
    ),
    "unknown key of a device": (device("memory", 8), ["devices[0].memory: unknown key"]),
    # normalisers
    "no work, normalised": (
        local(device("work", [0] * 5)),
        [
            f"devices[0].work: the all-local delay {ZERO}",
            f"devices[0].work: the all-local energy {ZERO}",
        ],
    ),
    "no work and weight on energy alone, normalised": (
        local(device("work", [0] * 5), device("alpha", 0)),
        [f"devices[0].work: the all-local energy {ZERO}"],
    ),
    "no power, normalised": (
        local(device("power", "execute", 0)),
        [f"devices[0].power.execute: the all-local energy {ZERO}"],
    ),
}


def as_bytes(document: Document) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize(("change", "expected"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_document(change: Change, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(as_bytes(changed(change)))
    assert problems(model.read, path) == expected


# What touches no cost and no decision: the checker may take it.
HARMLESS = {
    "name half a character",
    "device id half a character",
    "half a character as an id",
    "source too deep",
    "position tiny",
}


@pytest.mark.parametrize("kind", [kind for kind in DOCUMENTS if kind not in HARMLESS])
def test_the_checker_refuses_it_as_well(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(as_bytes(changed(DOCUMENTS[kind][0])))
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    document = changed(
        drop("name"),
        put("extra", 1),
        app("edges", 0, ["t5", "t2"]),
        app("edges", 4, ["t2", "t9"]),
        point("cpu", -1),
        put("offload_points", 1, "id", "op1"),
        device("power", "send", "x"),
        device("work", 1, None),
        device("work", 2, -1),
        put("devices", 1, "id", "ud1"),
        put("devices", 1, "connected_to", "op7"),
        put("devices", 1, "input", [0.1]),
    )
    path.write_bytes(as_bytes(document))
    assert problems(model.read, path) == [
        "name: is missing",
        f"offload_points[0].cpu: {SPEED}, not -1",
        'devices[0].power.send: must be a number, not "x"',
        "devices[0].work[1]: must be a number, not null",
        f"devices[0].work[2]: {SIZE}, not -1",
        "extra: unknown key",
        'offload_points[1].id: duplicate id "op1", already used by offload_points[0]',
        'devices[1].id: duplicate id "ud1", already used by devices[0]',
        'applications[0].edges[4][1]: unknown subtask "t9"',
        'applications[0].edges: cycle "t5" -> "t2" -> "t3" -> "t5"',
        "devices[1].input: must have 5 entries, one for each of the application's subtasks, not 1",
        'devices[1].connected_to: unknown offload point "op7"',
    ]


# --- bytes ------------------------------------------------------------------------------------------


def replaced(old: str, new: str) -> bytes:
    assert old.encode() in GOOD
    return GOOD.replace(old.encode(), new.encode(), 1)


NOT_JSON = "is not JSON, or is cut short"
LAST = GOOD.decode().count("\n") + 1

TEXTS: dict[str, tuple[bytes, list[str]]] = {
    "0 bytes": (b"", ["is empty"]),
    "white space": (b" \r\n\t ", ["is empty"]),
    "cut in the middle": (
        GOOD[: GOOD.index(b'"offload_points"') + 5],
        [f"{NOT_JSON} (Unterminated string starting at; line 43, column 2)"],
    ),
    "cut at the end": (GOOD.rstrip()[:-1], [f"{NOT_JSON} (Expecting ',' delimiter; line {LAST}, column 1)"]),
    "cut inside a character": ('{"name": "é'.encode()[:-1], ["is not UTF-8 text (byte 10)"]),
    "a second document": (GOOD.rstrip() + b"{}", [f"{NOT_JSON} (Extra data; line {LAST}, column 2)"]),
    "a zero byte": (GOOD.rstrip() + b"\0", [f"{NOT_JSON} (Extra data; line {LAST}, column 2)"]),
    "a comment": (b"// mine\n" + GOOD, [f"{NOT_JSON} (Expecting value; line 1, column 1)"]),
    "single quotes": (
        b"{'format': 1}",
        [f"{NOT_JSON} (Expecting property name enclosed in double quotes; line 1, column 2)"],
    ),
    "a comma too many": (
        b'{"version": 1,}',
        [f"{NOT_JSON} (Expecting property name enclosed in double quotes; line 1, column 15)"],
    ),
    "a bare new line in a string": (
        b'{"name": "a\nb"}',
        [f"{NOT_JSON} (Invalid control character at; line 1, column 12)"],
    ),
    "a bad escape": (b'{"name": "\\x"}', [f"{NOT_JSON} (Invalid \\escape; line 1, column 11)"]),
    "YAML": (b"format: offloadlib-instance\n", [f"{NOT_JSON} (Expecting value; line 1, column 1)"]),
    "a list": (b"[1, 2]", ["must be an object, not a list"]),
    "null": (b"null", ["must be an object, not null"]),
    "a string": (b'"offloadlib-instance"', ['must be an object, not "offloadlib-instance"']),
    "NaN alone": (b"NaN", ["must be an object, not NaN"]),
    "UTF-16": (GOOD.decode().encode("utf-16"), ["is not UTF-8 text (byte 0)"]),
    "UTF-16 without a mark": (
        GOOD.decode().encode("utf-16-le"),
        [f"{NOT_JSON} (Expecting property name enclosed in double quotes; line 1, column 2)"],
    ),
    "byte order mark": (
        b"\xef\xbb\xbf" + GOOD,
        ["begins with a byte order mark: save it as UTF-8 without one"],
    ),
    "Latin-1": (
        replaced("worked-example", "für").decode().encode("latin-1"),
        ["is not UTF-8 text (byte 85)"],
    ),
    "binary": (bytes(range(256)) * 9, ["is not UTF-8 text (byte 128)"]),
    "gzip": (b"\x1f\x8b\x08\x00" + bytes(99), ["is not UTF-8 text (byte 1)"]),
    "a number beyond binary64": (
        replaced('"cpu": 1.0', '"cpu": 1e400'),
        ["devices[0].cpu: must be a finite number, not Infinity"],
    ),
    "a number that rounds to 0": (
        replaced('"cpu": 1.0', '"cpu": 1e-400'),
        [f"devices[0].cpu: {SPEED}, not 0.0"],
    ),
    "a whole number of 5000 digits": (
        replaced('"cpu": 1.0', '"cpu": 1' + "0" * 5000),
        ["holds a whole number of thousands of digits"],
    ),
    "a fraction of 5000 digits": (
        replaced('"capacity": 3', '"capacity": 3.' + "0" * 4999 + "1"),
        [],
    ),
    "NaN": (replaced('"cpu": 1.0', '"cpu": NaN'), ["devices[0].cpu: must be a finite number, not NaN"]),
    "-Infinity": (
        replaced('"cpu": 1.0', '"cpu": -Infinity'),
        ["devices[0].cpu: must be a finite number, not -Infinity"],
    ),
    "duplicate key at the top": (replaced("{", '{"name": "x",'), ["name: duplicate key"]),
    "duplicate keys below": (
        replaced('"normalise"', '"normalise": "local", "normalise"').replace(
            b'"execute"', b'"send": 1, "execute": 12, "execute"'
        ),
        [
            "cost.normalise: duplicate key",
            "devices[0].power.send: duplicate key",
            "devices[0].power.execute: duplicate key",
            "devices[1].power.send: duplicate key",
            "devices[1].power.execute: duplicate key",
        ],
    ),
    "duplicate key in free data": (
        replaced('"cost"', '"source": {"a": [{"b c": 1, "b c": 1}]}, "cost"'),
        ['source.a[0]["b c"]: duplicate key'],
    ),
    "duplicate empty and unprintable keys": (
        replaced("{", '{"": 1, "": 2, "\\ud800": 1, "\\ud800": 1,'),
        ['[""]: duplicate key', '["\\ud800"]: duplicate key', 'must be Unicode text, not "\\ud800"'],
    ),
    "escaped and plain key alike": (replaced("{", '{"n\\u0061me": "x",'), ["name: duplicate key"]),
    "a thousand levels": (b'{"a":' + b"[" * 1000 + b"]" * 1000 + b"}", ["is nested too deeply"]),
    "the first bytes of a zip": (b"PK", ["is not a sound zip file (File is not a zip file)"]),
}


@pytest.mark.parametrize(("data", "expected"), TEXTS.values(), ids=TEXTS.keys())
def test_text(data: bytes, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(data)
    if not expected:  # odd, but allowed
        assert read_structured(path)
        return
    assert problems(model.read, path) == expected
    with pytest.raises(checker.Unusable):
        checker.read_instance(path)
    if expected[0].startswith(("is empty", "is not JSON", "is not UTF-8", "begins", "holds")):
        assert problems(model.read_solution, path, read_structured(EXAMPLE)) == expected, "parsed alike"


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":', " [", '{"format":'])
def test_100_megabytes_of_nesting(opening: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(opening.encode() * (10**8 // len(opening)))
    calls: list[str] = []
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: calls.append(event))
    try:
        found = problems(model.read, path)
    finally:
        sys.setprofile(before)
    path.unlink()  # pytest keeps its folders
    assert found == ["is nested too deeply"]
    assert len(calls) < 3000, "it is given up at once"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    solved = read_structured(EXAMPLE)
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name, reason in {
        "": "Is a directory",
        "none.json": "No such file or directory",
        "file/below.json": "Not a directory",
        "loop": "Too many levels of symbolic links",
        "x" * 300: "File name too long",
        "null\0character": "embedded null byte",
    }.items():
        for call in ((model.read, tmp_path / name), (model.read_solution, tmp_path / name, solved)):
            with pytest.raises(InputError) as caught:
                call[0](*call[1:])
            assert caught.value.problems == (("", f"cannot be read: {reason}"),)
            assert str(caught.value) == f"{tmp_path / name}: cannot be read: {reason}"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.json"
    path.write_bytes(GOOD)
    path.chmod(0)
    assert problems(model.read, path) == ["cannot be read: Permission denied"]


def test_a_file_that_fails_while_it_is_read() -> None:
    if Path("/proc/self/mem").exists():
        assert problems(model.read, "/proc/self/mem") == ["cannot be read: Input/output error"]


# --- columnar files ---------------------------------------------------------------------------------

Members = dict[str, bytes]


def columnar() -> Members:
    """The members of the worked example with positions, own rates and arc data."""
    document = changed(
        device("position", [1, 2]), device("uplink", 3), device("downlink", 4), device("edge_data", [1] * 5)
    )
    file = io.BytesIO()
    header, columns = header_and_columns(instance_of(document))
    write_zip(file, header, columns, layout(header, columns))
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(members: Members, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


COLUMNAR = columnar()
ZIPPED = pack(COLUMNAR)


def member(name: str, data: bytes | None) -> bytes:
    """The file with another member of that name, or without it."""
    members = {**COLUMNAR, name: data}
    return pack({key: value for key, value in members.items() if value is not None})


def header(*changes: Change) -> bytes:
    document = changed(*changes, of=json.loads(COLUMNAR["header.json"]))
    return member("header.json", as_bytes(document))


def column(name: str, index: int, value: float) -> bytes:
    kind = "<i4" if name in ("application", "connected_to") else "<f8"
    values = np.frombuffer(COLUMNAR[f"columns/{name}"], kind).copy()
    values[index] = value
    return member(f"columns/{name}", values.tobytes())


def twice() -> bytes:
    file = io.BytesIO(ZIPPED)
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(file, "a") as archive:
        archive.writestr("columns/cpu", bytes(16))
    return file.getvalue()


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def central(name: str, offset: int, format: str, value: int) -> bytes:
    """The file with another entry in its directory (offsets as in the zip specification, 4.3.12)."""
    data = bytearray(ZIPPED)
    at = data.rindex(name.encode()) - 46
    assert data[at : at + 4] == b"PK\1\2"
    struct.pack_into(format, data, at + offset, value)
    return bytes(data)


STORED = pack(COLUMNAR, zipfile.ZIP_STORED)

ZIPS: dict[str, tuple[bytes, list[str]]] = {
    "cut in the middle": (ZIPPED[: len(ZIPPED) // 2], ["is not a sound zip file (File is not a zip file)"]),
    "cut at the end": (ZIPPED[:-1], ["is not a sound zip file (File is not a zip file)"]),
    "an empty zip": (pack({}), ["header.json: is missing"]),
    "any other zip": (pack({"readme.txt": b"hello"}), ["header.json: is missing"]),
    "a wrong checksum": (
        flip(STORED, STORED.index(COLUMNAR["columns/cpu"])),
        ["columns/cpu: is not a sound zip file (Bad CRC-32 for file 'columns/cpu')"],
    ),
    "a longer size in the directory": (
        central("columns/cpu", 24, "<I", 2**31),
        ["columns/cpu: must have 16 bytes, not 2147483648"],
    ),
    "an encrypted member": (
        central("columns/id", 8, "<H", 1),
        ["columns/id: is encrypted"],
    ),
    "another compression": (
        pack(COLUMNAR, zipfile.ZIP_LZMA),
        ["header.json: must be compressed by deflate, or not at all"],
    ),
    "a member twice": (twice(), ["holds a member twice"]),
    "a member missing": (member("columns/alpha", None), ["columns/alpha: is missing"]),
    "two members missing": (
        pack({k: v for k, v in COLUMNAR.items() if k not in ("columns/cpu", "columns/work.0")}),
        ["columns/cpu: is missing", "columns/work.0: is missing"],
    ),
    "the ids missing": (member("columns/id", None), ["columns/id: is missing"]),
    "a member too many": (member("columns/x\ny", b"x"), ['unknown member "columns/x\\ny"']),
    "a path out of the archive": (member("../evil", b"x"), ['unknown member "../evil"']),
    "a header that is no JSON": (
        member("header.json", b"{"),
        [f"{NOT_JSON} (Expecting property name enclosed in double quotes; line 1, column 2)"],
    ),
    "a header that is a list": (member("header.json", b"[]"), ["must be an object, not a list"]),
    "a header of another version": (
        header(put("version", 3)),
        ["version: 3 is not known; this release reads versions 1 to 2"],
    ),
    "a header with devices": (header(put("devices", DOCUMENT["devices"])), ["devices: unknown key"]),
    "a header without columns": (header(drop("columns")), ["columns: must be an object, not null"]),
    "columns a list": (header(put("columns", [])), ["columns: must be an object, not a list"]),
    "applications a number": (header(put("applications", 5)), ["applications: must be a list, not 5"]),
    "subtasks a number": (
        header(app("subtasks", 5)),
        ["applications[0].subtasks: must be a list, not 5"],
    ),
    "a bad header": (
        header(put("offload_points", 1, "cpu", -1), app("edges", 0, ["t1", "t1"])),
        [f"offload_points[1].cpu: {SPEED}, not -1", 'applications[0].edges: cycle "t1" -> "t1"'],
    ),
    "a column that is not described": (
        header(drop("columns", "alpha")),
        ["columns.alpha: is missing", 'unknown member "columns/alpha"'],
    ),
    "a column of another type": (
        header(put("columns", "cpu", "type", "<f4")),
        ['columns.cpu: must be {"type": "<f8", "shape": [2]}'],
    ),
    "a column of another shape": (
        header(put("columns", "work.0", "shape", [5, 2])),
        ['columns["work.0"]: must be {"type": "<f8", "shape": [2, 5]}'],
    ),
    "a column without a shape": (
        header(put("columns", "work.0", None)),
        ['columns["work.0"]: must be {"type": "<f8", "shape": [2, 5]}'],
    ),
    "shapes like a bomb": (
        header(*(put("columns", name, "shape", [10**12]) for name in ("cpu", "id"))),
        [
            'columns.id: must be {"type": "json", "shape": [2]}',
            'columns.cpu: must be {"type": "<f8", "shape": [2]}',
        ],
    ),
    "an unknown column": (
        header(put("columns", "speed", {"type": "<f8", "shape": [2]})),
        ["columns.speed: unknown column"],
    ),
    "a column of another length": (
        member("columns/cpu", bytes(24)),
        ["columns/cpu: must have 16 bytes, not 24"],
    ),
    "ids that are no JSON": (
        member("columns/id", b"ud1,ud2"),
        [f"{NOT_JSON} (Expecting value; line 1, column 1)"],
    ),
    "ids an object": (member("columns/id", b'{"ud1": 1}'), ["columns/id: must be a list, not an object"]),
    "no ids": (
        pack({**COLUMNAR, "columns/id": b"[]", "columns/application": b""}),
        ["devices: must not be empty"],
    ),
    "an id too few": (member("columns/id", b'["ud1"]'), ["columns/application: must have 4 bytes, not 8"]),
    "ids that are no strings": (
        member("columns/id", b'[null, {"a": 1}]'),
        ["devices[0].id: must be a string, not null", "devices[1].id: must be a string, not an object"],
    ),
    "an empty id": (member("columns/id", b'["", "ud2"]'), ['devices[0].id: must not be empty, not ""']),
    "half a character as an id": (
        member("columns/id", b'["ud1", "\\ud800"]'),
        ['[1]: must be Unicode text, not "\\ud800"'],
    ),
    "duplicate ids": (
        member("columns/id", b'["ud1", "ud1"]'),
        ['devices[1].id: duplicate id "ud1", already used by devices[0]'],
    ),
    "an application out of range": (
        column("application", 1, 1),
        ["devices[1].application: must lie in 0..0, not 1"],
    ),
    "a negative application": (
        column("application", 0, -1),
        ["devices[0].application: must lie in 0..0, not -1"],
    ),
    "a connection out of range": (
        column("connected_to", 0, 2),
        ["devices[0].connected_to: must lie in -1..1, not 2"],
    ),
    "a connection of -2": (
        column("connected_to", 0, -2),
        ["devices[0].connected_to: must lie in -1..1, not -2"],
    ),
    "NaN in a column": (column("cpu", 0, np.nan), ["devices[0].cpu: must be a finite number, not NaN"]),
    "infinity in a column": (
        column("work.0", 7, np.inf),
        ["devices[1].work[2]: must be a finite number, not Infinity"],
    ),
    "a negative rate": (column("uplink", 0, -1), [f"devices[0].uplink: {SPEED}, not -1.0"]),
    "an infinite rate": (
        column("uplink", 0, np.inf),
        ["devices[0].uplink: must be a finite number, not Infinity"],
    ),
    "alpha above 1": (column("alpha", 1, 2), ["devices[1].alpha: must be 0 or lie in [1e-9, 1], not 2.0"]),
    "a tiny power": (column("power.send", 1, 1e-12), [f"devices[1].power.send: {SIZE}, not 1e-12"]),
    "half a position": (
        column("position", 0, np.nan),
        ["devices[0].position[0]: must be a finite number, not NaN"],
    ),
    "half a list of arc data": (
        column("edge_data.0", 2, np.nan),
        ["devices[0].edge_data[2]: must be a finite number, not NaN"],
    ),
    "no work, normalised": (
        pack(
            {
                **COLUMNAR,
                "header.json": COLUMNAR["header.json"].replace(b'"none"', b'"local"'),
                "columns/work.0": bytes(80),
            }
        ),
        [f"devices[{m}].work: the all-local {what} {ZERO}" for m in (0, 1) for what in ("delay", "energy")],
    ),
}


def test_the_columnar_file_is_good(tmp_path: Path) -> None:
    for data in (ZIPPED, STORED):
        (tmp_path / "good.zip").write_bytes(data)
        assert read_structured(tmp_path / "good.zip").num_devices == 2


@pytest.mark.parametrize("kind", ZIPS)
def test_columnar(kind: str, tmp_path: Path) -> None:
    data, expected = ZIPS[kind]
    path = tmp_path / "bad.zip"
    path.write_bytes(data)
    assert problems(model.read, path) == expected
    if kind not in HARMLESS:
        with pytest.raises(checker.Unusable):
            checker.read_instance(path)


def test_json_in_a_zip_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_JSON_LIMIT", 5000)
    path = tmp_path / "bad.zip"
    path.write_bytes(member("columns/id", b" " * 5001))
    assert problems(model.read, path) == ["columns/id: must have at most 5000 bytes, not 5001"]


# --- solutions --------------------------------------------------------------------------------------


def solution() -> Document:
    instance = read_structured(EXAMPLE)
    return {
        "format": "offloadlib-solution",
        "version": 1,
        "instance": {"name": "worked-example", "sha256": instance.fingerprint},
        "method": "by hand",
        "objective": 32.178333333333333,
        "lower_bound": 24.045,
        "status": "feasible",
        "decisions": {"ud1": [None, "op1", "op1", "op2", None], "ud2": [None, None, "op2", None, None]},
        "run": {"seed": 1},
    }


SOLUTIONS: dict[str, tuple[Change, list[str]]] = {
    "an instance": (
        put("format", "offloadlib-instance"),
        ['format: must be "offloadlib-solution", not "offloadlib-instance"'],
    ),
    "version 3": (put("version", 3), ["version: 3 is not known; this release reads versions 1 to 2"]),
    "instance missing": (drop("instance"), ["instance: is missing"]),
    "fingerprint missing": (drop("instance", "sha256"), ["instance.sha256: is missing"]),
    "fingerprint too short": (
        put("instance", "sha256", "abc"),
        ['instance.sha256: must be 64 hexadecimal digits in lower case, not "abc"'],
    ),
    "fingerprint with a new line": (
        put("instance", "sha256", "0" * 64 + "\n"),
        [f'instance.sha256: must be 64 hexadecimal digits in lower case, not "{"0" * 56}...'],
    ),
    "fingerprint of another instance": (
        put("instance", "sha256", "0" * 64),
        ['instance.sha256: is not the fingerprint of the instance "worked-example"'],
    ),
    "method a number": (put("method", 1), ["method: must be a string, not 1"]),
    "objective missing": (drop("objective"), ["objective: is missing"]),
    "objective null": (put("objective", None), ["objective: must be a number, not null"]),
    "objective as text": (put("objective", "32.2"), ['objective: must be a number, not "32.2"']),
    "objective NaN": (put("objective", float("nan")), ["objective: must be a finite number, not NaN"]),
    "objective of 400 digits": (
        put("objective", int(DIGITS)),
        [f"objective: must be a finite number, not {DIGITS[:57]}..."],
    ),
    "bound missing": (drop("lower_bound"), ["lower_bound: is missing"]),
    "bound -infinity": (
        put("lower_bound", float("-inf")),
        ["lower_bound: must be a finite number, not -Infinity"],
    ),
    "status unknown": (put("status", "best"), ['status: must be "optimal" or "feasible", not "best"']),
    "decisions a list": (put("decisions", []), ["decisions: must be an object, not a list"]),
    "no decisions": (put("decisions", {}), ["decisions.ud1: is missing", "decisions.ud2: is missing"]),
    "a device missing": (drop("decisions", "ud2"), ["decisions.ud2: is missing"]),
    "a device unknown": (put("decisions", "ud 3\n", [None]), ['decisions["ud 3\\n"]: unknown device']),
    "a decision null": (put("decisions", "ud1", None), ["decisions.ud1: must be a list, not null"]),
    "a decision too short": (
        drop("decisions", "ud1", 4),
        ["decisions.ud1: must have 5 entries, one for each subtask, not 4"],
    ),
    "a decision too long": (
        lambda d: d["decisions"]["ud2"].append(None),
        ["decisions.ud2: must have 5 entries, one for each subtask, not 6"],
    ),
    "a place unknown": (
        put("decisions", "ud1", 2, "op9"),
        ['decisions.ud1[2]: unknown offload point "op9"'],
    ),
    "a place empty": (put("decisions", "ud1", 2, ""), ['decisions.ud1[2]: unknown offload point ""']),
    "a place by number": (put("decisions", "ud1", 2, 0), ["decisions.ud1[2]: must be a string, not 0"]),
    "a place false": (put("decisions", "ud1", 2, False), ["decisions.ud1[2]: must be a string, not false"]),
    "run missing": (drop("run"), ["run: is missing"]),
    "run a list": (put("run", []), ["run: must be an object, not a list"]),
    "run with NaN": (
        put("run", {"gaps": [0.1, float("nan")]}),
        ["run.gaps[1]: must be a finite number, not NaN"],
    ),
    "run too deep": (put("run", {"a": nested(200)}), ["run: is nested more than 100 levels deep"]),
    "unknown key": (put("gap", 0), ["gap: unknown key"]),
    "unknown key of the instance": (put("instance", "kind", "x"), ["instance.kind: unknown key"]),
    "several at once": (
        lambda d: d.update(
            instance={"name": "x", "sha256": "f" * 64}, decisions={"ud1": ["op9", None], "ud3": []}
        ),
        [
            'instance.sha256: is not the fingerprint of the instance "worked-example"',
            "decisions.ud3: unknown device",
            "decisions.ud1: must have 5 entries, one for each subtask, not 2",
            'decisions.ud1[0]: unknown offload point "op9"',
            "decisions.ud2: is missing",
        ],
    ),
}


@pytest.mark.parametrize(("change", "expected"), SOLUTIONS.values(), ids=SOLUTIONS.keys())
def test_solution(change: Change, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.sol.json"
    instance = read_structured(EXAMPLE)
    path.write_bytes(as_bytes(solution()))
    assert model.read_solution(path, instance).solution.rows(instance)[0] == [-1, 0, 0, 1, -1]
    path.write_bytes(as_bytes(changed(change, of=solution())))
    assert problems(model.read_solution, path, instance) == expected


def test_a_solution_is_no_instance(tmp_path: Path) -> None:
    instance = read_structured(EXAMPLE)
    stored = StoredSolution(Solution.all_local(instance), "local", 72.77, None, Status.FEASIBLE)
    model.write_solution(stored, instance, tmp_path / "x.sol.json")
    assert problems(model.read, tmp_path / "x.sol.json") == [
        'format: must be "offloadlib-instance", not "offloadlib-solution"'
    ]


def test_there_are_many_kinds() -> None:
    assert len(DOCUMENTS) + len(TEXTS) + len(ZIPS) + len(SOLUTIONS) > 200
