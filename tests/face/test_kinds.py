"""A kind is a boundary: a third one is a folder and an entry; methods that lack a feature do not apply."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from folders import LIBRARY, TESTS
from hypothesis import given
from strategies import instances

from offloadlib import METHODS
from offloadlib.formulations.catalogue import FORMULATIONS
from offloadlib.instances import Instance, read
from offloadlib.instances.features import FORMAT_1, FORMAT_2, Feature
from offloadlib.instances.kind import KINDS, kind_named
from offloadlib.instances.structured.model import UNLIMITED
from offloadlib.instances.structured.series_parallel import decompose
from offloadlib.kinds import face

SCRIPT = """
import sys
import toy_kind
from offloadlib.check.verdict import Verdict
from offloadlib.cli.app import main
from offloadlib.comparing import judging

if sys.argv[1] == "compare":  # the checker knows a kind once it has a room for it
    judging.check = lambda *_: Verdict(True, (), 0.0)
sys.exit(main(sys.argv[1:]))
"""


def toy(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command line where there is a third kind."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
    )


def test_a_third_kind_is_a_folder_and_an_entry(tmp_path: Path) -> None:
    instance, solution, folder = tmp_path / "toy.json", tmp_path / "toy.sol.json", tmp_path / "compared"
    toy("generate", "--kind", "toy", "--devices", 6, "--room", 2, "--seed", 3, "-o", instance)
    data = json.loads(instance.read_text())
    gains = sorted((max(device["alone"] - device["away"], 0) for device in data["devices"]), reverse=True)
    optimum = sum(device["alone"] for device in data["devices"]) - sum(gains[:2])
    solved = json.loads(toy("solve", instance, "-m", "most-first", "-o", solution, "--json").stdout)
    assert (solved["objective"], solved["lower_bound"], solved["status"]) == (optimum, optimum, "optimal")
    kept = json.loads(solution.read_text())["decisions"]
    assert sum(places == ["away"] for places in kept.values()) <= 2
    compared = toy("compare", instance, "-o", folder)
    for name in ("local", "first-come", "most-first"):
        assert name in compared.stdout
    assert "gsod-i" not in compared.stdout
    assert f"best cost {optimum:g}, no certified bound" in compared.stdout
    page = (folder / "report.html").read_text()
    assert "Who is away in toy-3." in page
    assert (folder / "away-toy-3.svg").exists()
    assert "most-first" in toy("methods").stdout


def test_what_a_kind_has_no_part_for_is_refused(tmp_path: Path) -> None:
    instance = tmp_path / "toy.json"
    toy("generate", "--kind", "toy", "-o", instance)
    for command, said in (
        (["explain", instance, instance], "is for structured instances, not toy ones"),
        (["export", instance, "--formulation", "milp", "-o", tmp_path / "a.lp"], "is for structured"),
        (["solve", instance, "-m", "gsod-i"], "gsod-i solves instances of kind structured, not toy"),
    ):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            toy(*command)
        assert caught.value.returncode == 2
        assert said in caught.value.stderr


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
