"""Pictures, tables and reports of instances of format 2, infeasible ones among them."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute2 import optimum
from format2 import random_format2
from matplotlib.collections import PathCollection, QuadMesh
from processes import here
from strategies import instance_of

import offloadlib
from offloadlib.comparing import tables
from offloadlib.comparing.run import compare
from offloadlib.explaining import explain
from offloadlib.formulations.structured.limited.misses import nearest_misses
from offloadlib.instances import Evaluation, InputError, Instance, Solution, evaluate, write
from offloadlib.instances.structured.model import LOCAL, REFUSED
from offloadlib.instances.structured.timeline import telling_device, timeline
from offloadlib.pictures.picture import Compared, Picture
from offloadlib.pictures.structured import device_timeline, network_map
from offloadlib.pictures.structured.compared import pictures


def solved(seed: int, **sizes: Any) -> tuple[Instance, Solution, dict[str, Any]] | None:
    """An instance of format 2 and its optimum, None where it has no solution."""
    document = random_format2(seed, **sizes)
    instance = instance_of(document)
    best = optimum(document)
    if best is None or instance.version == 1:
        return None
    index = {name: n for n, name in enumerate(instance.points.ids)} | {None: LOCAL}
    rows = []
    for m, name in enumerate(instance.devices.ids):
        places = best[1][name]
        size = instance.groups[_group(instance, m)].application.size
        rows.append([REFUSED] * size if places is None else [index[place] for place in places])
    return instance, Solution.from_rows(instance, rows), document


def _group(instance: Instance, m: int) -> int:
    return next(g for g, group in enumerate(instance.groups) if m in group.members)


def found(seeds: range, **sizes: Any) -> list[tuple[Instance, Solution, dict[str, Any]]]:
    return [one for one in (solved(seed, **sizes) for seed in seeds) if one is not None]


@pytest.mark.parametrize("seed", range(60))
def test_the_timeline_ends_with_the_delay(seed: int) -> None:
    """With executions that differ by place, and latencies; a refused device does nothing."""
    for instance, solution, _ in found(range(seed, seed + 1)):
        evaluation = evaluate(instance, solution)
        for m in range(instance.num_devices):
            spans = timeline(instance, solution, m)
            if evaluation.refused[m]:
                assert spans == []
            end = max((span.end for span in spans), default=0.0)
            assert end == pytest.approx(float(evaluation.delay[m]), rel=1e-9, abs=1e-12)


def test_a_refused_device_tells_nothing_unless_all_are() -> None:
    served = refused = 0
    for instance, solution, _ in found(range(200), features=["rejection", "demand", "resources"]):
        evaluation = evaluate(instance, solution)
        m = telling_device(instance, solution)
        if evaluation.refused.any() and not evaluation.refused.all():
            assert not evaluation.refused[m]
            served += 1
        elif evaluation.refused.all():
            assert "refused" in device_timeline(instance, solution, "best").axes[0].get_title(loc="left")
            refused += 1
    assert served > 3
    assert refused > 3


@pytest.mark.parametrize("seed", range(12))
def test_pictures_show_every_limit(seed: int) -> None:
    for instance, solution, document in found(range(seed, seed + 1), max_devices=3):
        evaluation = evaluate(instance, solution)
        one = Compared("method", evaluation.total, solution, evaluation)
        parts = pictures("label", "stem", instance, [one])
        drawn = {picture.stem: picture for picture in parts if isinstance(picture, Picture)}
        limited = [use for use in evaluation.uses if np.isfinite(use.size)]
        assert ("utilisation-stem" in drawn) == bool(limited)
        assert {"map-stem", "timeline-stem"} <= set(drawn)
        for picture in drawn.values():
            picture.figure.draw_without_rendering()
        if limited:
            axes = drawn["utilisation-stem"].figure.axes[0]
            (mesh,) = (item for item in axes.collections if isinstance(item, QuadMesh))
            expected = [use.used / use.size if use.size else 0.0 for use in limited]
            assert np.asarray(mesh.get_array()).ravel().tolist() == pytest.approx(expected)
            names = [label.get_text() for label in axes.get_xticklabels()]
            assert names == [f"{use.name}, {use.unit}" for use in limited]
        assert {limit["id"] for limit in document.get("limits", ())} <= {use.name for use in evaluation.uses}


def test_the_map_marks_refused_and_late_devices() -> None:
    refused = late = 0
    for instance, solution, _ in found(range(60), features=["rejection", "deadline"], max_devices=3):
        hurried = replace(instance.devices, deadline=np.full(instance.num_devices, 1e-9))
        evaluation = evaluate(replace(instance, devices=hurried), solution)
        assert isinstance(evaluation, Evaluation)
        shown = [
            len(np.asarray(item.get_offsets()))
            for item in network_map(evaluation.instance, solution, "").axes[0].collections
            if isinstance(item, PathCollection) and item.get_zorder() == 4
        ]
        assert shown == [many for many in (evaluation.num_refused, evaluation.num_late) if many]
        assert evaluation.num_late == int((evaluation.delay > 1e-9).sum())
        refused += evaluation.num_refused
        late += evaluation.num_late
    assert refused > 3
    assert late > 3


def test_a_report_of_instances_with_and_without_solutions(tmp_path: Path) -> None:
    """A report needs no solution; where there are some, it has the use of each limit."""
    documents = [random_format2(seed) for seed in (0, 7, 9, 21)]
    given = [instance_of(document) for document in documents]
    frame = compare(given, "milp-arrays,cpsat", time_limit=30, output=tmp_path)
    page = (tmp_path / "report.html").read_text()
    sections = {section.label: section for section in tables.sections(frame)}
    assert len(sections) == len(documents)
    for document, instance in zip(documents, given, strict=True):
        best, section = optimum(document), sections[instance.name]
        rows = frame[frame["instance"] == instance.name]
        if best is None:
            assert set(rows["status"]) == {"infeasible"}
            assert section.subtitle == "infeasible, certified"
            assert rows["certified"].all()
            assert set(rows["checked"]) == {"accepted"}
            assert list((tmp_path / "certificates").glob(f"{instance.name}*"))
            assert rows["objective"].isna().all()
        else:
            assert set(rows["status"]) == {"optimal"}
            assert rows["objective"].tolist() == pytest.approx([float(best[0])] * 2, rel=1e-6, abs=1e-9)
            refused = sum(places is None for places in best[1].values())
            assert ("refused" in section.table.header) == (rows["refused"].max() > 0)
            assert refused or "late" not in section.table.header
        for limit in document.get("limits", ()):
            assert best is None or limit["id"] in page


UNSERVABLE, CLASH = random_format2(0), random_format2(1)
"""Instances without a solution: through the fault of a device, and of limits that no device breaks alone."""


@pytest.mark.parametrize("method", ["local", "heft", "milp-arrays", "cpsat", "btod", "branch-and-price"])
def test_every_method_names_devices_that_cannot_be_served(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance, path = instance_of(UNSERVABLE), tmp_path / "instance.json"
    misses = list(nearest_misses(instance).values())
    assert misses and optimum(UNSERVABLE) is None
    assert offloadlib.solve(instance, method).run["reasons"] == misses
    write(instance, path)
    told = here(capsys, "solve", path, "-m", method)
    assert told.returncode == 0
    assert misses[0] in told.stderr
    frame = compare([instance], method)
    assert frame["message"][0].startswith(misses[0])


@pytest.mark.parametrize("method", ["milp-arrays", "branch-and-price"])
def test_limits_that_clash_are_named_with_the_proof(
    method: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert optimum(CLASH) is None and not nearest_misses(instance_of(CLASH))
    files = [tmp_path / name for name in ("instance.json", "solution.json", "proof.json")]
    write(instance_of(CLASH), files[0])
    told = here(capsys, "solve", files[0], "-m", method)
    assert ("cannot be kept" in told.stderr) == (method == "branch-and-price")
    assert ("which limits clash" in told.stderr) == (method != "branch-and-price")
    told = here(capsys, "solve", files[0], "-m", method, "-o", files[1], "--certificate", files[2])
    assert "cannot be kept" in told.stderr
    assert here(capsys, "check", files[0], files[1], "--certificate", files[2]).returncode == 0


def test_worths_bound_what_more_of_a_limit_saves() -> None:
    """By enumeration: one more of a limit, or of a deadline or budget, saves its price and a gap."""
    tried = owned = 0
    drawn = found(range(300, 330), max_devices=3, max_points=2)
    own_limits = ["deadline", "energy_budget", "rejection", "channels"]
    drawn += found(range(30), features=own_limits, max_devices=3, max_points=2)
    for instance, solution, document in drawn:
        told = explain(instance, solution, time_limit=30)
        if told.price_bound is None:
            continue
        best = evaluate(instance, solution).total
        slack = 1e-6 * max(abs(best), 1e-3)
        assert told.objective == best
        assert told.price_bound <= best + slack
        assert {limit.unit for limit in told.limits} <= {
            "subtasks",
            "devices",
            "s",
            "mJ",
            *instance.resources,
        }
        for limit in told.limits:
            assert limit.price is not None
            if limit.saved is not None:
                assert limit.saved <= limit.price + best - told.price_bound + slack
                tried += 1
        for own in told.own:
            more = copy.deepcopy(document)
            device = next(item for item in more["devices"] if item["id"] == own.device)
            device[own.kind.replace(" ", "_")] += 1.0
            saving = best - float((optimum(more) or (best,))[0])
            assert saving <= own.price + best - told.price_bound + slack
            owned += 1
        assert json.loads(json.dumps(told.as_dict(), allow_nan=False))["own_limits"] is not None
    assert tried > 3
    assert owned


def test_nothing_is_explained_without_a_solution() -> None:
    instance = instance_of(random_format2(0))
    with pytest.raises(InputError, match="solution: there is none"):
        explain(instance, None)
