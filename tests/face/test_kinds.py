"""A kind is a boundary: a third one is a folder and an entry; methods that lack a feature do not apply."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from folders import LIBRARY
from hypothesis import given
from processes import PYTHON, run
from strategies import instances

from offloadlib import METHODS
from offloadlib.formulations.catalogue import FORMULATIONS
from offloadlib.instances import Instance, read
from offloadlib.instances.features import FORMAT_1, FORMAT_2, Feature
from offloadlib.instances.kind import KINDS, kind_named
from offloadlib.instances.structured.model import UNLIMITED
from offloadlib.instances.structured.series_parallel import decompose
from offloadlib.kinds import face

EACH_IN_TURN = """
import json, os, sys
import toy_kind
from offloadlib.check.verdict import Verdict
from offloadlib.cli.app import main
from offloadlib.comparing import judging

for number, arguments in enumerate(json.loads(sys.argv[1])):
    child = os.fork()
    if not child:
        for stream, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(f"{number}.{name}", os.O_WRONLY | os.O_CREAT), stream)
        if arguments[0] == "compare":  # the checker knows a kind once it has a room for it
            judging._read = lambda _: None
            judging.check = lambda *_, **__: Verdict(True, (), 0.0)
        sys.exit(main(arguments))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def toys(folder: Path, *commands: Sequence[object]) -> list[tuple[int, str, str]]:
    """What command lines do where there is a third kind: exit status and what they said, one after the other.

    Each runs in a process of its own, forked from one that has done the imports.
    """
    given = json.dumps([list(map(str, arguments)) for arguments in commands])
    done = run([PYTHON, "-c", EACH_IN_TURN, given], folder=folder)
    assert done.returncode == 0, done.stderr
    return [
        (int(status), (folder / f"{number}.out").read_text(), (folder / f"{number}.err").read_text())
        for number, status in enumerate(done.stdout.split())
    ]


def test_a_third_kind_is_a_folder_and_an_entry(tmp_path: Path) -> None:
    instance, solution, folder = tmp_path / "toy.json", tmp_path / "toy.sol.json", tmp_path / "compared"
    done = toys(
        tmp_path,
        ["generate", "--kind", "toy", "--devices", 6, "--room", 2, "--seed", 3, "-o", instance],
        ["solve", instance, "-m", "most-first", "-o", solution, "--json"],
        ["compare", instance, "-o", folder],
        ["methods"],
    )
    assert [status for status, *_ in done] == [0] * 4, done
    _, answer, compared, methods = (out for _, out, _ in done)
    data = json.loads(instance.read_text())
    gains = sorted((max(device["alone"] - device["away"], 0) for device in data["devices"]), reverse=True)
    optimum = sum(device["alone"] for device in data["devices"]) - sum(gains[:2])
    solved = json.loads(answer)
    assert (solved["objective"], solved["lower_bound"], solved["status"]) == (optimum, optimum, "optimal")
    kept = json.loads(solution.read_text())["decisions"]
    assert sum(places == ["away"] for places in kept.values()) <= 2
    for name in ("local", "first-come", "most-first"):
        assert name in compared
    assert "gsod-i" not in compared
    assert f"best cost {optimum:g}, no certified bound" in compared
    page = (folder / "report.html").read_text()
    assert "Who is away in toy-3." in page
    assert (folder / "away-toy-3.svg").exists()
    assert "most-first" in methods


def test_what_a_kind_has_no_part_for_is_refused(tmp_path: Path) -> None:
    instance = tmp_path / "toy.json"
    generated, *done = toys(
        tmp_path,
        ["generate", "--kind", "toy", "-o", instance],
        ["explain", instance, instance],
        ["export", instance, "--formulation", "milp", "-o", tmp_path / "a.lp"],
        ["solve", instance, "-m", "gsod-i"],
    )
    assert generated[0] == 0, generated
    for (status, _, err), said in zip(
        done,
        (
            "is for structured instances, not toy ones",
            "is for structured",
            "gsod-i solves instances of kind structured, not toy",
        ),
        strict=True,
    ):
        assert status == 2
        assert said in err


@given(instance=instances())
def test_instances_tell_their_features(instance: Instance) -> None:
    features = set()
    if (instance.points.channels != UNLIMITED).any():
        features.add(Feature.CHANNELS)
    if any(decompose(group.application) is None for group in instance.groups):
        features.add(Feature.ANY_GRAPH)
    assert instance.features == features


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_does_not_support_it_refuses(name: str) -> None:
    for path in sorted(LIBRARY.glob("*.json")):
        if path.stem in ("best_known", "melbourne-l"):
            continue
        instance = read(path)
        if instance.kind not in METHODS[name].kinds:
            continue
        alone = replace(METHODS[name], supports=frozenset(), obstacle="")
        assert (alone.applies_to(instance) is None) == (not instance.features)
        missing = instance.features - METHODS[name].supports
        assert (replace(METHODS[name], obstacle="").applies_to(instance) is None) == (not missing)


def test_features_belong_to_a_kind() -> None:
    known = {name: set(kind_named(name).features) for name in KINDS}
    assert set().union(*known.values()) == FORMAT_1 | FORMAT_2
    for method in METHODS.values():
        assert method.supports <= set().union(*(known[kind] for kind in method.kinds)), method.name
    assert {item.name for item in FORMULATIONS if Feature.ANY_GRAPH not in item.supports} == {"milp-stages"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_face_of_a_kind_is_complete(kind: str) -> None:
    found = face(kind)
    names = [method.name for method in found.methods]
    assert {found.first, found.prover, *found.tried} <= set(names)
    assert all(kind in method.kinds for method in found.methods)
    for name in ("prove", "write_certificate", "pictures", "explain", "draw_explanation", "generate"):
        if getattr(found, name):
            assert callable(found.function(name))
