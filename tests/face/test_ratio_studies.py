"""How far heuristics are from the optimum: proofs of ``docs/theory/approximation.md``, and the studies."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from brute import brute_force, exact_costs
from counts import count, examples
from hypothesis import given
from hypothesis import strategies as st
from strategies import instances

from offloadlib.check import check
from offloadlib.cli import app as cli
from offloadlib.heuristics.structured.improve import improve
from offloadlib.instances import (
    UNLIMITED,
    Budget,
    InputError,
    Instance,
    Result,
    Solution,
    evaluate,
    read,
    write,
    write_solution,
)
from offloadlib.instances.structured import traps
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.pages.page import Page, Section, Table
from offloadlib.proofs import certify
from offloadlib.registry import METHODS, find
from offloadlib.studies import StudyOptions, StudyRow, ratios
from offloadlib.studies.adversary import annealing, tiny
from offloadlib.studies.adversary import study as adversary
from offloadlib.studies.adversary.tiny import Sizes
from offloadlib.studies.certified import OPTIMUM
from offloadlib.studies.report import write_report

GREEDY = ("gsod-i", "gsod-ii", "gsod-i-heap", "gsod-ii-heap")


def tables(section: Section) -> list[Table]:
    return [part for part in section.parts if isinstance(part, Table)]


def _run(name: str, instance: Instance, seed: int = 0) -> Result:
    return find(name).load()(instance, Budget(seed=seed))


# The three families -------------------------------------------------------------------------------

Formula = Callable[[int], Fraction]

FAMILIES: dict[str, tuple[Formula, Formula, tuple[str, ...]]] = {
    "returning": (lambda size: Fraction(1), lambda size: Fraction(size + 2, 4), (*GREEDY, "heft")),
    "overtaking": (
        lambda size: Fraction(2, size),
        lambda size: 1 + Fraction(1, size**2),
        (*GREEDY, "btod-sequential"),
    ),
    "crowding": (
        lambda size: Fraction(3, size),
        lambda size: 1 + Fraction(1, size**2),
        (*GREEDY, "heft", "btod-sequential", "gsod-i+ls", "gsod-ii+ls"),
    ),
}
"""F*, F of the heuristics that fall into the trap, and which these are."""


@pytest.mark.parametrize("size", [3, 4, 10, 1000, traps.LARGEST_SIZE])
@pytest.mark.parametrize("name", FAMILIES)
def test_the_proven_costs(name: str, size: int, tmp_path: Path) -> None:
    least, trapped, methods = FAMILIES[name]
    instance = getattr(traps, name)(size)
    files = [tmp_path / f"{kind}.json" for kind in ("instance", "solution", "certificate")]
    write(instance, files[0])
    document = json.loads(files[0].read_text())
    optimum, best = brute_force(instance)
    assert sum(item.cost for item in exact_costs(document, best.rows(instance))) == least(size)
    assert optimum == pytest.approx(float(least(size)), rel=1e-12)
    proven = None
    for method in methods:
        result = _run(method, instance)
        cost = sum(item.cost for item in exact_costs(document, result.solution.rows(instance)))
        assert cost == trapped(size), method
        stored = result.stored(method)
        if proven is None:  # one proof is enough for all
            stored, accepted = certify(instance, stored, files[2])
            proven = stored.lower_bound
            assert accepted and proven == pytest.approx(float(least(size)), rel=1e-9)
        write_solution(replace(stored, lower_bound=proven), instance, files[1])
        assert check(*files).accepted


def test_the_ratios_have_no_limit() -> None:
    for least, trapped, _ in FAMILIES.values():
        found = [trapped(size) / least(size) for size in (3, 30, 300, 3000)]
        assert all(later > 4 * earlier for earlier, later in itertools.pairwise(found))


def test_the_optimum_of_a_trap_is_found_at_the_root() -> None:
    for name, (least, _, _) in FAMILIES.items():
        result = _run("branch-and-price", getattr(traps, name)(50))
        assert result.objective == pytest.approx(float(least(50)))
        assert (result.status, result.run["nodes"]) == ("optimal", 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_that_no_trap_can_have(name: str) -> None:
    for size in (1, traps.LARGEST_SIZE + 1):
        with pytest.raises(InputError, match=f"{name}: size: must lie in [23]..30000, not {size}"):
            getattr(traps, name)(size)


@pytest.mark.parametrize("devices", [2, 3, 5])
def test_the_bound_by_all_local_is_tight(devices: int) -> None:
    size = 64
    instance = traps.crowding(size, devices)
    assert evaluate(instance, Solution.all_local(instance)).total == pytest.approx(devices)
    assert _run("branch-and-price", instance).objective <= (2 * devices - 1) / size * (1 + 1e-9)
    for method in FAMILIES["crowding"][2]:
        assert _run(method, instance).objective == pytest.approx(devices - 1 + size**-2, rel=1e-12), method
    with pytest.raises(InputError, match="devices: must be at least 2, not 1"):
        traps.crowding(size, 1)


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        ("returning", ("btod-sequential", "gsod-i+ls", "price")),
        ("overtaking", ("gsod-i+ls", "price")),
        ("crowding", ("price",)),
    ],
)
def test_what_escapes(name: str, methods: tuple[str, ...]) -> None:
    for method in methods:
        cost = _run(method, getattr(traps, name)(100)).objective
        assert cost == pytest.approx(float(FAMILIES[name][0](100))), method


def test_crowding_is_a_local_optimum() -> None:
    for size in (3, 64):
        instance = traps.crowding(size)
        result = improve(instance, _run("gsod-i", instance).solution, Budget())
        assert (result.run["redecided"], result.run["exchanges"], result.run["cut"]) == (0, 0, 0)


@pytest.mark.parametrize("method", ["gaod", "gaod+ls"])
def test_gaod_is_trapped_about_every_second_time(method: str) -> None:
    least, trapped, _ = FAMILIES["crowding"]
    instance = traps.crowding(100)
    costs = np.array([_run(method, instance, seed).objective for seed in range(60)])
    caught = np.isclose(costs, float(trapped(100)))
    assert 18 <= caught.sum() <= 42  # 0.485 of 60, and three standard deviations
    assert np.isclose(costs[~caught], float(least(100))).mean() > 0.9


# What holds ---------------------------------------------------------------------------------------


def _greedy_bound(instance: Instance) -> np.ndarray:
    """Proposition 1: (M,) local costs of all subtasks, and of receiving the data of all arcs."""
    bound = np.zeros(instance.num_devices)
    for term in instance.terms:
        a, b = term.delay_weight, term.energy_weight
        down = np.where(np.isfinite(term.arc_down), term.arc_down, 0.0).sum(axis=1)
        local = term.local.sum(axis=1)
        bound[term.group.members] = local * (a + b * term.execute) + down * (a + b * term.receive)
    return bound


@examples(40)
@given(instances())
def test_greedy_methods_cost_at_most_local_execution_and_all_receptions(instance: Instance) -> None:
    bound = _greedy_bound(instance)
    for method in (*GREEDY, "heft"):
        cost = evaluate(instance, _run(method, instance).solution).cost
        assert (cost <= bound * (1 + 1e-9)).all(), method


@examples(40)
@given(instances())
def test_exact_decisions_of_one_device_leave_nobody_worse_off(instance: Instance) -> None:
    for method in ("btod-sequential", "gsod-i+ls", "gsod-ii+ls"):
        found = evaluate(instance, _run(method, instance).solution)
        assert (found.cost <= found.local.cost * (1 + 1e-9)).all(), method


@examples(50)
@given(instances(max_subtasks=1), st.floats(0.5, 8.0))
def test_gsod_i_is_optimal_for_single_subtasks_and_equal_points(instance: Instance, speed: float) -> None:
    points = instance.points
    equal = replace(
        points, cpu=np.full(len(points.cpu), speed), channels=np.full_like(points.channels, 10**9)
    )
    instance = replace(instance, points=equal)
    best, _ = brute_force(instance)
    for method in ("gsod-i", "gsod-i-heap"):
        assert _run(method, instance).objective == pytest.approx(best, rel=1e-9)


def test_speeds_bound_the_ratio_of_delays() -> None:
    for seed in range(count(30, 3)):
        instance = generate(Setting(devices=6, offload_points=2, capacity=4, alpha=(1.0, 1.0)), seed=seed)
        limit = instance.points.cpu.max() / instance.devices.cpu.min()
        best = _run("branch-and-price", instance).objective
        for method in ("btod-sequential", "gsod-i+ls"):
            assert _run(method, instance).objective <= limit * best


# Tiny instances -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", annealing.SHAPES)
def test_tiny_instances_are_sound_and_their_optimum_is(shape: Sizes) -> None:
    rng = np.random.default_rng(3)
    genes = tiny.drawn(shape, rng)
    for _ in range(4):
        instance = tiny.made(shape, genes)
        row = {"run": {"found": json.loads(json.dumps(tiny.document(shape, genes, "a name")))}}
        assert adversary.found(row).fingerprint == instance.fingerprint
        assert tiny.optimum(instance) == pytest.approx(brute_force(instance)[0], rel=1e-12)
        after = tiny.changed(shape, genes, rng)
        assert (after != genes).sum() <= 2
        genes = after


@examples(30)
@given(instances(max_devices=3, max_points=2, max_subtasks=4))
def test_the_optimum_by_enumeration(instance: Instance) -> None:
    if instance.points.channels.min() < 10**9:
        with pytest.raises(ValueError, match="channels"):
            tiny.optimum(instance)
    points = replace(instance.points, channels=np.full(instance.num_points, UNLIMITED))
    instance = replace(instance, points=points)
    assert tiny.optimum(instance) == pytest.approx(brute_force(instance)[0], rel=1e-9)


# The search ---------------------------------------------------------------------------------------


def _search(target: str, seed: int, evaluations: int = 60) -> Result:
    parameters = annealing.SearchParameters(target, 0, evaluations)
    first = tiny.made(annealing.SHAPES[0], annealing.start(annealing.SHAPES[0], seed)[0])
    return annealing.search(first, Budget(seed=seed), parameters)


def test_a_search_finds_what_it_says_and_finds_it_again() -> None:
    result = _search("gsod-i", 0)
    record = result.run
    instance = adversary.found({"run": record})
    ratio = _run("gsod-i", instance).objective / brute_force(instance)[0]
    assert ratio == pytest.approx(record["ratio"], rel=1e-12)
    assert record["ratio"] > max(record["first_ratio"], 1.5)
    assert (record["looked_at"], instance.name) == (60, "gsod-i-0")
    assert _search("gsod-i", 0).run == record
    assert _search("gsod-i", 1).run["found"] != record["found"]
    longer = _search("gsod-i", 0, 200).run
    assert longer["looked_at"] == 200


def test_a_search_ends_at_its_time_limit() -> None:
    first = tiny.made(annealing.SHAPES[0], annealing.start(annealing.SHAPES[0], 0)[0])
    result = annealing.search(first, Budget(time_limit=0.0), annealing.SearchParameters())
    assert result.termination == "time limit"
    assert (result.run["looked_at"], result.run["ratio"]) == (1, result.run["first_ratio"])


# The studies --------------------------------------------------------------------------------------


def _study(name: str, folder: Path, *options: str) -> str:
    assert cli.main(["study", name, "--quick", "-o", str(folder), *options]) == 0
    return (folder / "summary.md").read_text()


def _rows(folder: Path) -> list[StudyRow]:
    return [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]


def test_the_adversary_keeps_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = ("gsod-i", "gaod")
    monkeypatch.setattr(adversary, "TARGETS", targets)
    monkeypatch.setattr(adversary, "QUICK_EVALUATIONS", 40)
    text = _study("adversary", tmp_path)
    rows = _rows(tmp_path)
    assert all(row["checked"] == "accepted" for row in rows)
    assert "4 instances; with a certified optimum: 4." in text
    files = sorted((tmp_path / "instances").iterdir())
    assert [file.stem for file in files] == ["gaod-0", "gaod-1", "gsod-i-0", "gsod-i-1"]
    for file in files:
        target, seed = re.fullmatch(r"(.*)-(\d)", file.stem).groups()  # type: ignore[union-attr]
        instance = read(file)
        assert isinstance(instance, Instance)
        ratio = _run(target, instance, int(seed)).objective / brute_force(instance)[0]
        claimed = next(
            row["run"]["ratio"] for row in rows if row["run"].get("found", {}).get("name") == file.stem
        )
        assert ratio == pytest.approx(claimed, rel=1e-9)
        assert re.search(rf"^\| {file.stem} \| \d x .* \| {ratio:.3f} \| 40 \|$", text, re.MULTILINE)


def test_searches_and_solves_that_fail_leave_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversary, "TARGETS", ("gsod-i", "heft"))
    options = StudyOptions(True, 2, 0)
    jobs = adversary.searches(options)
    rows = {job.key: {"key": job.key, "seed": job.seed, "parameters": job.parameters} for job in jobs}
    for row, job in zip(rows.values(), jobs, strict=True):
        whole = annealing.SearchParameters(job.parameters["target"], job.parameters["shape"], 5)
        shape = annealing.SHAPES[whole.shape]
        first = tiny.made(shape, annealing.start(shape, job.seed)[0])
        assert job.source.identity == {"sha256": first.fingerprint}
        result = annealing.search(first, Budget(seed=job.seed), whole)
        row["run"] = result.run if job is not jobs[0] else {}
    stages = adversary.stages(options)
    assert len(next(stages)) == 4
    solves = stages.send(list(rows.values()))
    for job in solves:
        lost = job.method.name == "heft" and job.seed == 0
        rows[job.key] = {"objective": None if lost else 2.0, "lower_bound": 1.0, "status": "optimal"}
    page = adversary.report(options, rows)
    every = tables(page.sections[-1])[0].rows
    assert [str(row[0]) for row in every] == ["heft-0", "gsod-i-1", "heft-1"]
    assert [getattr(row[3], "text", None) for row in every] == ["", "2.000", "2.000"]
    assert len(page.instances) == 3


def test_a_place_that_cannot_hold_the_instances_is_named(tmp_path: Path) -> None:
    (tmp_path / "instances").touch()
    settings = {"study": "made up", "quick": True, "seed": 0, "repetitions": 2}
    with pytest.raises(InputError, match="instances: cannot be used as a folder"):
        write_report(Page("A page", instances=[traps.returning(3)]), [], settings, tmp_path)


KINDS = {
    "few": Setting(devices=3, offload_points=2, capacity=3),
    "chains": Setting(devices=3, offload_points=2, capacity=2, applications=("chain-3",), channels=1),
}


def test_ratios_are_over_the_optimum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("gsod-i", "local", "gaod+ls")
    monkeypatch.setattr(ratios, "KINDS", KINDS)
    monkeypatch.setattr(ratios, "QUICK_KINDS", tuple(KINDS))
    monkeypatch.setattr(ratios, "methods", lambda options: [*map(find, names), OPTIMUM])
    text = _study("ratios", tmp_path, "--seed", "5")
    assert "4 instances; with a certified optimum: 4." in text
    frame = ratios.measured(StudyOptions(True, 2, 5), {row["key"]: row for row in _rows(tmp_path)})
    assert len(frame) == 16
    for line in frame.to_dict("records"):
        instance = generate(KINDS[line["experiment"]], seed=line["seed"])
        assert line["ratio"] == pytest.approx(line["cost"] / brute_force(instance)[0], rel=1e-9)
        assert line["low"] == pytest.approx(line["ratio"], rel=1e-9)
    worst = frame[frame["method"] == "gsod-i"].nlargest(1, "ratio").iloc[0]
    expected = ratios.recipe(KINDS[worst["experiment"]], worst["seed"])
    assert f"| gsod-i | {worst['ratio']:.4f} | {worst['experiment']} | {expected} |" in text


def test_recipes_make_the_instances_again() -> None:
    for name, setting in ratios.KINDS.items():
        text = ratios.recipe(setting, 3)
        again = eval(text, {"generate": generate, "Setting": Setting})
        assert again.fingerprint == generate(setting, seed=3).fingerprint, name


def test_all_heuristics_take_part_on_all_kinds() -> None:
    names = {method.name for method in ratios.methods(StudyOptions())}
    assert {*adversary.TARGETS, "local", "evolution", "gaod+ls", "optimum"} <= names
    assert not any(name.startswith("hybrid") for name in names)
    assert not names & {"milp", "branch-and-price", "btod"}
    assert set(ratios.QUICK_KINDS) <= set(ratios.KINDS)
    assert all(name in METHODS for name in adversary.TARGETS)
    quick, full = (
        {point.experiment for point in ratios.points(StudyOptions(q, 1, 0))} for q in (True, False)
    )
    assert quick == set(ratios.QUICK_KINDS) and full == set(ratios.KINDS)


def test_an_optimum_that_is_not_proven_gives_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratios, "KINDS", {"few": KINDS["few"]})
    monkeypatch.setattr(ratios, "methods", lambda options: [find("gsod-i"), find("gsod-ii"), OPTIMUM])
    options = StudyOptions(False, 1, 0)
    rows = {}
    for job in (point.job for point in ratios.points(options)):
        cost = {"gsod-i": 1.5, "gsod-ii": 1.2, "optimum": 1.25}[job.method.name]
        rows[job.key] = {
            **dict.fromkeys(("saving", "utilisation", "fairness", "worse_off", "time"), 0.0),
            **{"key": job.key, "method": job.method.name, "sha256": "a", "alone": False},
            **{"status": "feasible", "objective": cost, "run": {}},
            "lower_bound": 1.0 if job.method is OPTIMUM else None,
        }
    frame = ratios.measured(options, rows).set_index("method")
    assert frame.loc["gsod-i", "ratio"] == 1.5
    assert frame.loc["gsod-i", "low"] == pytest.approx(1.25)
    page = ratios.report(options, rows)
    whole = {key: dict(row) for key, row in rows.items()}
    assert "1 instance; with a certified optimum: 0." in page.text[1] and math.isclose(
        frame["bound"].iloc[0], 1.0
    )
    assert any("1.25..1.50" in str(cell) for row in tables(page.sections[0])[0].rows for cell in row)
    for row in whole.values():
        row.update({"lower_bound": None} | ({"status": "overrun"} if row["method"] == "optimum" else {}))
    assert "did not end well: 1." in ratios._proofs(ratios.measured(options, whole))
