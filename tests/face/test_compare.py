"""Comparisons: rows, what is proven over all methods, the folder, and the tables."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import pandas as pd
import pytest
from odd_methods import method
from reading import read_structured

from offloadlib import best_known as known
from offloadlib.check import Rule, Verdict, check
from offloadlib.comparing import cases, judging, tables
from offloadlib.comparing.rows import Row
from offloadlib.comparing.run import compare
from offloadlib.instances import InputError, Instance, read_solution, write
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Family
from offloadlib.pages import numbers
from offloadlib.pages.page import text
from offloadlib.registry import METHODS, select
from offloadlib.running import workers

WORKED = known.library() / "worked-example.json"
OPTIMUM, ALL_LOCAL = 24.045, 72.77

STRUCTURED = [method.name for method in select("all", ["structured"])]


@pytest.fixture(autouse=True)
def empty_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known beforehand unless a test says so."""
    monkeypatch.setattr(cases, "best_known", lambda instance: None)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[pd.DataFrame, Path]]:
    """A comparison of everything on two instances, one of them given as an object, and its folder."""
    folder = tmp_path_factory.mktemp("compared") / "new" / "folder"
    instance = generate(  # small enough for btod-plain to end long before its time limit
        Setting(devices=4, offload_points=3, capacity=3, unconnected=0.2), seed=3, name="b b/ü"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "best_known", lambda instance: None)
        yield compare([WORKED, instance], time_limit=60, output=folder), folder


def row_of(frame: pd.DataFrame, method: str, instance: str = "worked-example") -> pd.Series:
    rows = frame[(frame["method"] == method) & (frame["instance"] == instance)]
    assert len(rows) == 1
    return rows.iloc[0]


# Rows ---------------------------------------------------------------------------------------------


def test_there_is_a_row_for_every_instance_and_method(frame: tuple[pd.DataFrame, Path]) -> None:
    rows = frame[0]
    assert list(rows.columns) == [field.name for field in fields(Row)]
    assert list(rows["method"]) == [*STRUCTURED, *STRUCTURED]
    assert list(rows["instance"]) == ["worked-example"] * len(STRUCTURED) + ["b b/ü"] * len(STRUCTURED)
    assert set(rows["checked"]) == {"accepted"}
    assert not rows.attrs["interrupted"]


def test_the_worked_example(frame: tuple[pd.DataFrame, Path]) -> None:
    local, milp = (row_of(frame[0], name) for name in ("local", "milp"))
    assert (local["devices"], local["offload_points"], local["family"]) == (2, 2, "heuristic")
    assert local["status"] == "feasible"
    assert milp["status"] == "optimal"
    assert local["objective"] == pytest.approx(ALL_LOCAL, rel=1e-12)
    assert milp["objective"] == pytest.approx(OPTIMUM, rel=1e-12)
    assert math.isnan(local["lower_bound"])
    for row in (local, milp):
        assert row["best_objective"] == milp["objective"]
        assert row["certified_bound"] == pytest.approx(OPTIMUM, rel=1e-9)
        assert row["certified_bound"] <= milp["objective"]
        assert row["certified"] == (row is milp)
        assert row["ratio_low"] == row["ratio_high"] == row["objective"] / milp["objective"]
    assert local["gap"] == pytest.approx(1 - OPTIMUM / ALL_LOCAL)
    assert milp["gap"] == pytest.approx(0, abs=1e-9)
    assert (local["saving"], local["utilisation"], local["fairness"], local["worse_off"]) == (0, 0, 1, 0)
    assert milp["saving"] == pytest.approx(1 - OPTIMUM / ALL_LOCAL)


def test_no_method_beats_the_optimum(frame: tuple[pd.DataFrame, Path]) -> None:
    assert (frame[0]["ratio_low"] >= 1).all()


def test_a_claim_is_no_certified_bound() -> None:
    frame = compare(WORKED, ["gsod-i", method("bounder")])
    row = row_of(frame, "gsod-i")
    assert row_of(frame, "bounder")["lower_bound"] == pytest.approx(0.25 * ALL_LOCAL)
    assert row["certified_bound"] == pytest.approx(OPTIMUM)
    assert row["best_objective"] == pytest.approx(OPTIMUM)  # of the solution behind the certificate
    assert row["ratio_low"] == row["ratio_high"] == row["objective"] / row["best_objective"]
    assert row_of(frame, "bounder")["ratio_low"] == pytest.approx(ALL_LOCAL / OPTIMUM)


def test_the_certificate_is_kept_and_accepted(tmp_path: Path) -> None:
    compare(WORKED, "gsod-i", output=tmp_path)
    proof = tmp_path / "certificates" / "worked-example.cert.json"
    verdict = check(WORKED, tmp_path / "solutions" / "worked-example--gsod-i.sol.json", proof)
    assert verdict.accepted
    assert verdict.certified_bound == pytest.approx(OPTIMUM)


def test_a_certificate_that_is_refused_bounds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judging, "certify", lambda instance, stored, *_, **__: (stored, False))
    row = row_of(compare(WORKED, "local, milp"), "local")
    assert math.isnan(row["certified_bound"])
    assert math.isnan(row["gap"])
    assert not row["certified"]
    assert row["ratio_low"] > 1
    assert math.isnan(row["ratio_high"])


def test_what_goes_wrong_costs_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE", 1.0)
    apart = replace(method("leave"), name="apart", kinds=frozenset({"independent"}))
    frame = compare(
        WORKED, [method("segfault"), method("fail"), method("forever"), apart, "local"], time_limit=1
    )
    assert dict(zip(frame["method"], frame["status"], strict=True)) == {
        "segfault": "failed",
        "fail": "failed",
        "forever": "overrun",
        "apart": "does not apply",
        "local": "feasible",
    }
    assert "SIGSEGV" in row_of(frame, "segfault")["message"]
    assert row_of(frame, "fail")["message"] == "ValueError: no luck today"
    assert "time limit: 1 s" in row_of(frame, "forever")["message"]
    assert frame["objective"].notna().sum() == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("liar", "liar says that its solution costs 73.77, and it costs 72.77"),
        (
            "overfull",
            "overfull returned a solution that breaks a limit: capacity of 'op1': 10 used, 3 allowed",
        ),
    ],
)
def test_a_false_result_is_a_failed_row(name: str, message: str) -> None:
    row = row_of(compare(WORKED, [method(name), "local"]), name)
    assert (row["status"], row["message"], row["checked"]) == ("failed", message, "")
    assert math.isnan(row["objective"])
    assert row["best_objective"] == pytest.approx(OPTIMUM)


def test_the_checker_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Rule("objective", False, "too good to be true")
    monkeypatch.setattr(judging, "check", lambda *_, **__: Verdict(False, (refused,), 0.0))
    row = row_of(compare(WORKED, ["local"]), "local")
    assert row["status"] == "rejected"
    assert row["checked"] == "rejected: objective: too good to be true"
    assert math.isnan(row["ratio_low"])


def test_a_bound_above_a_known_cost_is_rejected() -> None:
    frame = compare(WORKED, [method("overclaimer"), "milp"])
    row = row_of(frame, "overclaimer")
    assert row["status"] == "rejected"
    assert row["checked"] == "rejected: its lower bound 72.77 is above milp's cost 24.045"
    assert row["certified_bound"] == pytest.approx(OPTIMUM)


def test_rows_are_told_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[Row] = []
    begun: list[tuple[str, str]] = []
    compare(
        WORKED,
        ["local", "milp"],
        on_row=rows.append,
        on_progress=lambda *event: begun.append(event[:2]) if event[2] is None else None,
    )
    assert [(row.method, row.status) for row in rows] == [("local", "feasible"), ("milp", "optimal")]
    assert begun == [("worked-example", name) for name in ("local", "milp", "certificate")]


def test_the_same_seed_gives_the_same_answer() -> None:
    first, second = (compare(WORKED, seed=5) for _ in range(2))
    pd.testing.assert_frame_equal(first.drop(columns="time"), second.drop(columns="time"))


def test_ctrl_c_keeps_what_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    run = workers.run

    def interrupted(*args: object, **kwargs: object) -> workers.Ended:
        outcome = run(*args, **kwargs)  # type: ignore[arg-type]
        return replace(outcome, interrupted=args[0] is METHODS["gsod-i"])

    monkeypatch.setattr(workers, "run", interrupted)
    frame = compare(WORKED, ["local", "gsod-i", "milp"])
    assert frame.attrs["interrupted"]
    assert list(frame["method"]) == ["local", "gsod-i"]
    assert list(frame["message"]) == ["", "interrupted"]


def test_ctrl_c_between_two_solves_keeps_what_is_done() -> None:
    def press(row: Row) -> None:
        if row.method == "gsod-i":
            raise KeyboardInterrupt

    frame = compare(WORKED, ["local", "gsod-i", "milp"], on_row=press)
    assert frame.attrs["interrupted"]
    assert list(frame["method"]) == ["local", "gsod-i"]


# What is known beforehand -------------------------------------------------------------------------


def test_the_library_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "best_known", known.best_known)
    monkeypatch.setattr(judging, "proved", lambda *_: pytest.fail("there is a certificate"))
    row = row_of(compare(WORKED, "local"), "local")
    assert row["ratio_low"] == row["ratio_high"] == pytest.approx(ALL_LOCAL / OPTIMUM)
    assert row["gap"] == pytest.approx(1 - OPTIMUM / ALL_LOCAL)


def test_a_bound_of_the_library_counts_only_with_its_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry says 24.045, its certificate is another instance's."""
    monkeypatch.setattr(cases, "best_known", known.best_known)
    other = known.certificate_file("paper-m005")
    monkeypatch.setattr(judging, "certificate_file", lambda stem: other)
    row = row_of(compare(WORKED, "milp"), "milp")
    assert math.isnan(row["certified_bound"])


def test_best_known_is_found_by_fingerprint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instance = read_structured(WORKED)
    value = {"value": 24.045, "method": "milp", "date": "2025-11-22", "version": "0.1.0"}
    document = {"name": {"sha256": instance.fingerprint, "objective": value, "lower_bound": None}}
    (tmp_path / "best_known.json").write_text(json.dumps(document))
    monkeypatch.setattr(known, "library", lambda: tmp_path)
    entry = known.best_known(instance)
    assert entry is not None
    assert entry.objective == known.Value(24.045, "milp", "2025-11-22", "0.1.0")
    assert entry.stem == "name"
    assert entry.lower_bound is None
    assert entry.certified_bound is None
    assert known.best_known(generate()) is None


@pytest.mark.parametrize("text", ["[]", '{"a": {}}', '{"a": {"sha256": "", "objective": {"value": "x"}}}'])
def test_a_table_of_best_known_values_must_be_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "best_known.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"best_known\.json: is not a table"):
        known.read_best_known(path)
    assert known.read_best_known(tmp_path / "none.json") == {}


# Input --------------------------------------------------------------------------------------------


def test_groups_and_names() -> None:
    families = {family: [item for item in METHODS.values() if item.family is family] for family in Family}
    assert select() == select("all") == list(METHODS.values())
    assert select("exact") == families[Family.EXACT]
    assert select("milp, heuristics,milp") == [METHODS["milp"], *families[Family.HEURISTIC]]
    assert select([method("fail"), "local"]) == [method("fail"), METHODS["local"]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"methods": "local,gsod"}, "did you mean gsod-i"),
        ({"methods": ""}, "'' is not known"),
        ({"instances": []}, "must name at least one"),
        ({"instances": "nowhere.json"}, "nowhere.json: cannot be read"),
        ({"time_limit": math.nan}, "time_limit: must be positive, not nan"),
        ({"time_limit": 0}, "time_limit: must be positive"),
        ({"seed": -1}, "seed: must lie in"),
        ({"output": WORKED}, "cannot be used as a folder"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "run", lambda *_: pytest.fail("something ran"))
    with pytest.raises(InputError, match=message):
        compare(**{"instances": WORKED, "methods": "local", **changes})  # type: ignore[arg-type]


def test_instances_with_the_same_name_stay_apart(tmp_path: Path) -> None:
    for name in ("worked-example.json", "other.json"):
        (tmp_path / name).write_bytes(WORKED.read_bytes())
    files = [WORKED, tmp_path / "worked-example.json", tmp_path / "other.json"]
    frame = compare(
        [*files, read_structured(WORKED), read_structured(WORKED)], "local", output=tmp_path / "report"
    )
    assert list(frame["instance"]) == [
        f"worked-example ({WORKED})",
        f"worked-example ({tmp_path / 'worked-example.json'})",
        "worked-example (other.json)",
        "worked-example",
        "worked-example 2",
    ]
    assert len(list((tmp_path / "report" / "solutions").iterdir())) == 5


def test_an_instance_is_called_by_its_name_not_its_file(tmp_path: Path) -> None:
    renamed = replace(read_structured(WORKED), name="a name/" + "x" * 300)
    write(renamed, tmp_path / "file.json")
    frame = compare([tmp_path / "file.json"], "local", output=tmp_path / "report")
    assert list(frame["instance"]) == [renamed.name]
    assert [path.name for path in (tmp_path / "report" / "solutions").iterdir()] == [
        f"a-name-{'x' * 73}--local.sol.json"
    ]


# The folder ---------------------------------------------------------------------------------------


def test_the_folder_holds_table_solutions_and_pictures(frame: tuple[pd.DataFrame, Path]) -> None:
    rows, folder = frame
    table = pd.read_csv(folder / "table.csv", keep_default_na=False, na_values=[""])
    assert list(table.columns) == list(rows.columns)
    assert table["objective"].tolist() == rows["objective"].tolist()
    # All methods fill both points of this instance, so that no picture of it would tell anything.
    assert "All methods that offload use 100 % of op1, op2." in (folder / "report.html").read_text()
    stems = {"profile"} | {
        f"{what}-{label}" for what in ("cost", "map", "timeline") for label in ("worked-example", "b-b-ü")
    }
    assert {path.stem for path in folder.glob("*.png")} == stems
    assert {path.stem for path in folder.glob("*.svg")} == stems
    for path in folder.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
    for path in folder.glob("*.svg"):
        ElementTree.parse(path)
    assert not list(folder.rglob(".*"))


def test_every_solution_of_the_folder_is_accepted(frame: tuple[pd.DataFrame, Path]) -> None:
    _, folder = frame
    for label, path in (("worked-example", WORKED), ("b-b-ü", folder / "instances" / "b-b-ü.json")):
        instance: Instance = read_structured(path)
        for name in STRUCTURED:
            solution = folder / "solutions" / f"{label}--{name}.sol.json"
            assert check(path, solution).accepted
            run = read_solution(solution, instance).run
            assert run["seed"] == 0
            assert run["parameters"]["time_limit"] == 60
            assert "offloadlib" in run["versions"]


def test_the_page_stands_by_itself(frame: tuple[pd.DataFrame, Path]) -> None:
    page = (frame[1] / "report.html").read_text()
    assert page.count('<img src="data:image/png;base64,') == 7
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count('<table class="sortable">') == 3
    assert '<tr class="best"><td class="text">milp</td>' in page
    assert re.search(r'<td class="number" data-value="24\.04\d+">24\.0450</td>', page)
    for name in STRUCTURED:
        assert f'<td class="text">{name}</td>' in page
    assert "optimum 24.045, certified" in page


def test_a_folder_can_be_used_again(tmp_path: Path) -> None:
    for name in ("local", "gsod-i"):
        compare(WORKED, name, output=tmp_path)
    assert len(list((tmp_path / "solutions").iterdir())) == 2
    assert pd.read_csv(tmp_path / "table.csv")["method"].tolist() == ["gsod-i"]


def test_a_page_without_any_solution(tmp_path: Path) -> None:
    compare(WORKED, [method("fail")], output=tmp_path)
    page = (tmp_path / "report.html").read_text()
    assert "fail: ValueError: no luck today" in page
    assert "no solution" in page


# Tables -------------------------------------------------------------------------------------------


def test_a_section_shows_what_is_proven(frame: tuple[pd.DataFrame, Path]) -> None:
    section = next(tables.sections(frame[0]))
    assert section.title == "worked-example: 2 devices, 2 offload points"
    assert section.subtitle == "optimum 24.045, certified"
    header, rows = section.table.header, [[text(cell) for cell in row] for row in section.table.rows]
    by_method = {row[0]: dict(zip(header, row, strict=True)) for row in rows}
    assert by_method["local"]["cost"] == "72.7700"
    assert by_method["local"]["claims"] == ""
    assert by_method["local"]["ratio"] == "3.0264"
    assert by_method["milp"]["saving"] == "67.0 %"
    assert by_method["milp"]["check"] == "accepted"
    best = {rows[number][0] for number in section.table.best}
    assert "milp" in best
    assert not best & {"local", "gsod-i", "gsod-ii"}
    assert section.notes == []


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (1.0, 1.0, "1.0000"),
        (1.02341, 1.02341, "1.0234"),
        (1.02, 1.05, "1.02..1.05"),
        (1.0, 1.0004, "1.0000..1.0004"),
        (1.0, 1.0 + 1e-8, "1.000000..1.000000"),
        (1.5, None, "≥1.5000"),
        (None, None, ""),
    ],
)
def test_ratios(low: float | None, high: float | None, text: str) -> None:
    assert numbers.ratio(low, high) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 2, ""),
        (0.0, 2, "0.00 %"),
        (-0.0, 2, "0.00 %"),
        (0.12345, 2, "12.35 %"),
        (1e-6, 2, "<0.01 %"),
        (1e-12, 2, "0.00 %"),
        (-0.25, 1, "-25.0 %"),
        (1.0, 0, "100 %"),
    ],
)
def test_percents(value: float | None, digits: int, text: str) -> None:
    assert numbers.percent(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.0, "0 ms"),
        (0.00123, "1.23 ms"),
        (0.5, "0.500 s"),
        (12.345, "12.3 s"),
        (3599.6, "3600 s"),
    ],
)
def test_times(value: float | None, text: str) -> None:
    assert numbers.seconds(value) == text


@pytest.mark.parametrize(
    ("values", "digits"),
    [([24.045, None], 4), ([72.77, 1e5], 0), ([0.001], 6), ([], 5), ([math.inf, 1.0], 5)],
)
def test_decimals_align_a_column(values: list[float | None], digits: int) -> None:
    assert numbers.decimals(values) == digits
