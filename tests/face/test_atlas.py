"""Ratios on instances and task graphs of the user's: ``study ratios FILE_OR_FOLDER...``."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from strategies import instances

from offloadlib.cli.app import main
from offloadlib.instances import InputError, Instance, read, write
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.model import Application
from offloadlib.instances.structured.shape import shape, width
from offloadlib.registry import select
from offloadlib.shelf import FOLDER, names
from offloadlib.studies import StudyOptions, atlas, graphs, ratios

DOT = "digraph g { a [size=100]; b [size=200]; c [size=50]; a -> b [size=10]; a -> c [size=20]; }"
DAGBENCH = {
    "task_graph": {
        "tasks": [{"name": "a", "cost": 1.0}, {"name": "b", "cost": 2.0}],
        "dependencies": [{"source": "a", "target": "b", "size": 3.0}],
    }
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an instance, task graphs of two formats below, and what is neither."""
    path = tmp_path / "mine"
    (path / "deep").mkdir(parents=True)
    write(generate(Setting(devices=2, offload_points=2, capacity=1), seed=3), path / "paper-m002.json")
    (path / "deep" / "chain-2.json").write_text(json.dumps(DAGBENCH))
    (path / "deep" / "fork.gv").write_text(DOT)
    (path / "deep" / "notes.txt").write_text("neither")
    write(read(FOLDER / "hybrid-3x3.json"), path / "hybrid.json")
    return path


# What is given ------------------------------------------------------------------------------------


def test_a_folder_gives_instances_and_task_graphs(folder: Path) -> None:
    with pytest.warns(UserWarning, match="left out, as it is of the kind hybrid"):
        found = graphs.cases([folder], 2, 7)
    each = len(graphs.PLACES) * 2
    assert [case.family for case in found].count("deep/chain") == each
    assert [case.family for case in found].count("deep/fork") == each
    assert [case.family for case in found].count("mine/paper") == 1
    assert len(found) == 2 * each + 1 == len({case.name for case in found})
    assert all(case.instance.name == case.name for case in found)
    for case in found:
        if case.family.startswith("deep"):
            assert (case.instance.num_devices, case.instance.num_points) == (10, 5)
    named = {case.name: case.instance for case in found}
    for share in graphs.PLACES:
        places = named[f"fork-places{100 * share:g}-data0.6-seed7"].points.capacity.sum()
        assert places >= share * 30 > places - 5
    assert "fork-places50-data0.2-seed8" in named
    more = {case.name: case.instance for case in graphs.cases([folder / "deep"], 3, 7)}
    for name, instance in named.items():  # more repetitions change none of the first
        assert name not in more or more[name].fingerprint == instance.fingerprint


def test_names_of_the_library_and_same_names(folder: Path) -> None:
    twice = graphs.cases(["worked-example", folder / "paper-m002.json", folder / "paper-m002.json"], 1, 0)
    assert [case.family for case in twice] == ["library/worked", "mine/paper", "mine/paper"]
    assert len({case.name for case in twice}) == 3


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.json", "{", "a.json"),
        ("a.gv", "digraph {", "a.gv"),
        ("a.json", '{"task_graph": {"tasks": []}}', "task_graph.tasks"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str, content: str, what: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=what):
        graphs.cases([tmp_path], 1, 0)


def test_what_is_no_instance(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="have no instance and no task graph"):
        graphs.cases([tmp_path / "empty"], 1, 0)
    with pytest.raises(InputError, match="solution"):
        graphs.cases([FOLDER / "solutions" / "worked-example.sol.json"], 1, 0)
    assert main(["study", "limits", str(folder), "-o", str(tmp_path / "o")]) == 2
    assert "limits has its own instances" in capsys.readouterr().err


# Shapes -------------------------------------------------------------------------------------------


@examples(60)
@given(instances(max_devices=2, max_subtasks=6))
def test_the_width_is_that_of_the_largest_antichain(instance: Instance) -> None:
    for group in instance.groups:
        application = group.application
        later: list[set[int]] = [set() for _ in range(application.size)]
        for k in reversed(application.order):
            for j, head in application.edges:
                if j == k:
                    later[k] |= {head} | later[head]
        every = range(1, application.size + 1)
        free = [
            count
            for count in every
            for chosen in combinations(range(application.size), count)
            if all(j not in later[i] and i not in later[j] for i, j in combinations(chosen, 2))
        ]
        assert width(application) == max(free)


def test_the_shape_of_a_small_instance() -> None:
    found = shape(read_worked())
    instance = read_worked()
    expected, widths = [], []
    for group in instance.groups:
        for row, m in enumerate(group.members):
            sending = group.edge_data[row].sum() / instance.devices.uplink[m]
            expected.append(sending / (group.work[row].sum() / instance.devices.cpu[m]))
            widths.append(width(group.application))
    assert found.data_per_work == pytest.approx(np.mean(expected))
    assert found.width == np.mean(widths)
    assert found.scarcity == instance.num_subtasks / instance.points.capacity.sum()
    assert width(Application("none", ("a", "b", "c"), ())) == 3


def read_worked() -> Instance:
    instance = read(FOLDER / "worked-example.json")
    assert isinstance(instance, Instance)
    return instance


# The study ----------------------------------------------------------------------------------------


def test_a_first_atlas(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    (folder / "hybrid.json").unlink()
    monkeypatch.setattr(graphs, "DEVICES", 2)
    monkeypatch.setattr(graphs, "OFFLOAD_POINTS", 1)
    output = tmp_path / "atlas"
    words = ["study", "ratios", str(folder), "--quick", "-o", str(output)]
    words += ["--method", "gsod-i", "--method", "price"]
    assert main(words) == 0
    text = (output / "summary.md").read_text()
    rows = {row["key"]: row for row in map(json.loads, (output / "rows.jsonl").read_text().splitlines())}
    given = tuple(graphs.cases([folder], 1, 0, quick=True))
    assert len(rows) == 9
    assert "3 instances; with a certified optimum: 3." in text
    frame = ratios.measured(StudyOptions(True, 1, 0, tuple(select(["gsod-i", "price"])), given), rows)
    for line in frame.to_dict("records"):
        case = next(case for case in given if case.name == line["label"])
        assert line["experiment"] == case.family
        assert line["ratio"] == pytest.approx(line["cost"] / brute_force(case.instance)[0], rel=1e-9)
    for line in frame[frame["method"] == "gsod-i"].to_dict("records"):
        kept = read(output / "instances" / f"{line['label']}.json")
        assert kept.fingerprint == line["instance"]
        assert f"| gsod-i | {line['ratio']:.4f} | {line['label']} |" in text
        assert f"| {line['experiment']} | 1 |" in text
    for picture in ("ratios", "shares", "families", "axes"):
        assert (output / f"{picture}.png").stat().st_size > 5000
    assert "--quick --method gsod-i --method price --repetitions 1" in text
    before = (output / "rows.jsonl").read_bytes()
    assert main(words) == 0
    assert (output / "rows.jsonl").read_bytes() == before


def test_methods_of_the_user_are_in_place_of_all_heuristics(folder: Path) -> None:
    given = tuple(graphs.cases([folder / "paper-m002.json"], 1, 0))
    own = ratios.methods(StudyOptions(methods=tuple(select(["heft"])), given=given))
    assert [method.name for method in own] == ["heft", "optimum"]
    every = ratios.methods(StudyOptions(given=given))
    assert {"gsod-i", "evolution", "price", "optimum"} <= {method.name for method in every}


def test_groups_along_an_axis() -> None:
    groups = atlas.binned(np.array([3.0, 1.0, np.nan, 2.0, 5.0, 4.0, np.inf]))
    assert groups[[2, 6]].tolist() == [-1, -1]
    assert groups[[1, 3, 0, 5, 4]].tolist() == [0, 1, 2, 3, 4]
    assert set(atlas.binned(np.full(9, 2.0)).tolist()) == {0}
    few = np.repeat([0.5, 1.0, 2.0, 4.0, 9.0], [2, 30, 40, 30, 1])
    assert np.bincount(atlas.binned(few)).tolist() == [32, 40, 31]
    assert atlas.binned(np.array([np.nan])).tolist() == [-1]


def test_the_library_says_what_is_measured() -> None:
    taken = [name for name in names() if name.startswith(("dagbench-", "wfinstances-"))]
    assert len(taken) >= 20
    for name in taken:
        instance = read(FOLDER / f"{name}.json")
        assert isinstance(instance, Instance) and instance.source and instance.description
        measured = name.startswith("wfinstances-")
        assert name.endswith("-measured" if measured else "-drawn")
        assert ("LGPL-3.0" if measured else "Apache-2.0") in instance.source["licences"][0]
        assert ("sizes measured" if measured else "nothing measured") in instance.description
