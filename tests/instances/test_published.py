"""The published schemas of certificates and frames, and the steps between versions of formats."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from folders import LIBRARY
from jsonschema import Draft202012Validator

from offloadlib import check
from offloadlib.instances import InputError
from offloadlib.instances.files import migrate
from offloadlib.instances.files.instances import parse
from offloadlib.instances.files.published import SCHEMA_FOLDER
from offloadlib.instances.hybrid import read_frames, write_frames
from offloadlib.instances.hybrid.generate import HybridSetting, generate_frames

Document = dict[str, Any]

CERTIFICATES = sorted((LIBRARY / "certificates").glob("*.cert.json"))
EXAMPLE = LIBRARY / "worked-example.json"


def schema(name: str) -> Any:
    return Draft202012Validator(json.loads((SCHEMA_FOLDER / f"{name}-1.schema.json").read_text("utf-8")))


def mutated(original: Document, most: int = 400) -> Iterator[tuple[str, Document]]:
    """(what, document) with one slip each: a key left out or added, or a value of another type."""
    queue: list[tuple[tuple[Any, ...], Any]] = [((), original)]
    made = 0
    while queue and made < most:
        path, value = queue.pop(0)
        children = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        queue += [((*path, key), item) for key, item in list(children)[:6]]
        slips: list[Any] = [] if not path else [3.5, True] if isinstance(value, str | None) else ["x"]
        slips += [{**value, "surplus": [None]}] if isinstance(value, dict) else []
        for slip in slips:
            changed = copy.deepcopy(original)
            if not path:
                changed = slip
            else:
                part = changed
                for key in path[:-1]:
                    part = part[key]
                part[path[-1]] = slip
            made += 1
            yield f"{path}: {slip!r}"[:200], changed


@pytest.mark.parametrize("path", CERTIFICATES, ids=lambda path: path.name.partition(".")[0])
def test_certificates_of_the_library_are_valid(path: Path) -> None:
    assert not list(schema("certificate").iter_errors(json.loads(path.read_bytes())))


@pytest.mark.parametrize("name", ["chain-8-m015", "hybrid-3x3", "fork-join-8-m020"])
def test_certificates_with_a_slip_are_invalid_and_refused(name: str, tmp_path: Path) -> None:
    original = json.loads((LIBRARY / "certificates" / f"{name}.cert.json").read_bytes())
    validator, count = schema("certificate"), 0
    for what, document in mutated(original):
        assert not validator.is_valid(document), what
        path = tmp_path / "a.cert.json"
        path.write_text(json.dumps(document))
        count += 1
        with pytest.raises(check.Unusable):
            check.read_certificate(path)
    assert count > 30
    for key in ("format", "version", "instance", "lower_bound", "nodes"):
        assert not validator.is_valid({k: v for k, v in original.items() if k != key})
    assert not validator.is_valid({**original, "nodes": []})
    assert not validator.is_valid({**original, "lower_bound": "1/3"})
    assert not validator.is_valid({**original, "version": 2})


def header(path: Path) -> Document:
    with zipfile.ZipFile(path) as archive:
        found: Document = json.loads(archive.read("header.json"))
    return found


def test_frames_are_valid_and_with_a_slip_are_not(tmp_path: Path) -> None:
    path = tmp_path / "frames.zip"
    write_frames(generate_frames(HybridSetting(devices=4, tasks=2), 5, seed=1), path)
    assert len(read_frames(path)) == 5
    original = header(path)
    validator = schema("frames")
    assert not list(validator.iter_errors(original))
    for what, document in mutated({key: original[key] for key in original if key not in ("source", "name")}):
        assert not validator.is_valid({**document, "name": "x"}), what
    assert not schema("instance").is_valid(original)


# Versions -----------------------------------------------------------------------------------------


def test_a_version_that_is_not_known_is_refused() -> None:
    text = EXAMPLE.read_bytes().replace(b'"version": 1', b'"version": 3')
    with pytest.raises(InputError, match=r"version: 3 is not known; this release reads versions 1 to 2$"):
        parse(text, "x")


def test_older_versions_become_current_ones_step_by_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As if the release wrote version 3, and had said other things in versions 1 and 2."""
    name, seen = "offloadlib-instance", []

    def renamed(old: str, new: str) -> migrate.Step:
        def step(given: Document) -> Document:
            seen.append(given["version"])
            return {new if key == old else key: value for key, value in given.items()}

        return step

    monkeypatch.setattr(migrate, "CURRENT", {name: (3,), "offloadlib-solution": (3,)})
    monkeypatch.setitem(migrate.STEPS, (name, 1), renamed("title", "label"))
    monkeypatch.setitem(migrate.STEPS, (name, 2), renamed("label", "name"))
    oldest = {"format": name, "version": 1, "title": "x"}
    assert migrate.current(oldest, name, "x") == {"format": name, "version": 3, "name": "x"}
    assert oldest == {"format": name, "version": 1, "title": "x"}
    assert seen == [1, 2]
    assert migrate.current({"format": name, "version": 2, "label": "x"}, name, "x")["name"] == "x"
    assert migrate.current({"format": name, "version": 3, "name": "x"}, name, "x")["name"] == "x"
    assert seen == [1, 2, 2]
    with pytest.raises(InputError, match=r"version: 4 is not known; this release reads versions 1 to 3$"):
        migrate.current({"format": name, "version": 4}, name, "x")
    with pytest.raises(InputError, match=r"version: 2 is not known; this release reads version 3$"):
        migrate.current({"format": "offloadlib-solution", "version": 2}, "offloadlib-solution", "x")
