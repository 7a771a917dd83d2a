"""Comparisons for a paper: true ratios, summaries over instances, profiles, CSV and LaTeX."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from odd_methods import method
from processes import WORKED, here
from reading import library

import offloadlib
from offloadlib.check import check
from offloadlib.comparing import cases, judging, summary
from offloadlib.comparing.judging import Proven
from offloadlib.comparing.rows import TYPES, Case
from offloadlib.instances import InputError

OPTIMUM, ALL_LOCAL = 24.045, 72.77


@pytest.fixture
def unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of the library's instances."""
    monkeypatch.setattr(cases, "best_known", lambda instance: None)


# The solution behind the certificate --------------------------------------------------------------


@pytest.mark.usefixtures("unknown")
def test_one_heuristic_alone_has_its_true_ratio(tmp_path: Path) -> None:
    frame = offloadlib.compare(WORKED, "local", output=tmp_path)
    row = frame.iloc[0]
    assert row["best_objective"] == pytest.approx(OPTIMUM)
    assert row["ratio_low"] == row["ratio_high"] == pytest.approx(ALL_LOCAL / OPTIMUM)
    assert not row["certified"]
    proof = tmp_path / "certificates" / "worked-example"
    verdict = check(WORKED, f"{proof}.sol.json", f"{proof}.cert.json")
    assert verdict.accepted and verdict.objective == row["best_objective"]


@pytest.mark.usefixtures("unknown")
def test_a_claim_above_that_solution_is_rejected() -> None:
    row = offloadlib.compare(WORKED, method("overclaimer")).iloc[0]
    assert row["status"] == "rejected"
    assert row["checked"] == "rejected: its lower bound 72.77 is above the certificate's cost 24.045"


@pytest.mark.usefixtures("unknown")
def test_without_that_solution_the_ratio_is_an_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    """The checker does not accept it: then it is worth nothing."""
    monkeypatch.setattr(judging, "_behind", lambda *_: None)
    row = offloadlib.compare(WORKED, "local").iloc[0]
    assert (row["best_objective"], row["ratio_low"]) == (ALL_LOCAL, 1.0)
    assert row["ratio_high"] == pytest.approx(ALL_LOCAL / OPTIMUM)


def test_a_solution_that_is_none_is_not_behind_anything(tmp_path: Path) -> None:
    instance = library("worked-example")
    case = Case("w", "w", instance, Path(WORKED), None)
    overfull = offloadlib.Solution.from_rows(instance, [[0] * 5, [0] * 5])
    assert judging._behind(case, overfull, tmp_path / "a.sol.json") is None
    assert judging._behind(case, None, tmp_path / "a.sol.json") is None
    assert judging._behind(case, instance.all_local, tmp_path / "a.sol.json") == ALL_LOCAL
    assert judging.settled(case, [], Proven(1.0, 2.0)) == []


# Summaries ----------------------------------------------------------------------------------------


def rows(*given: tuple[str, str, str, float | None, float | None, bool]) -> pd.DataFrame:
    """A table of (instance, method, status, cost, ratio, certified)."""
    found = []
    for instance, name, status, cost, ratio, certified in given:
        row: dict[str, Any] = dict.fromkeys(TYPES)
        row |= {
            "instance": instance,
            "devices": 1,
            "offload_points": 1,
            "method": name,
            "family": "heuristic",
        }
        row |= {"status": status, "objective": cost, "ratio_low": ratio, "ratio_high": ratio}
        row |= {"certified": certified, "time": None if cost is None else cost, "checked": "", "message": ""}
        found.append(row)
    return pd.DataFrame(found, columns=list(TYPES)).astype(TYPES)


THREE = (
    ("i1", "a", "feasible", 2.0, 2.0, False),
    ("i1", "b", "optimal", 1.0, 1.0, True),
    ("i2", "a", "feasible", 8.0, 4.0, False),
    ("i2", "b", "feasible", 8.0 + 1e-12, 4.0, False),
    ("i3", "a", "failed", None, None, False),
    ("i3", "b", "overrun", 5.0, 1.5, False),
    ("i4", "a", "feasible", 3.0, None, False),
    ("i4", "b", "does not apply", None, None, False),
)


def test_a_summary_is_what_it_says() -> None:
    found = offloadlib.summarise(rows(*THREE))
    assert list(found.index) == ["a", "b"]
    a, b = found.loc["a"], found.loc["b"]
    assert (a["instances"], a["solved"], a["rated"], a["optimal"], a["wins"]) == (4, 3, 2, 0, 2)
    assert (b["instances"], b["solved"], b["rated"], b["optimal"], b["wins"]) == (3, 2, 2, 1, 2)
    assert (a["mean"], a["median"], a["worst"], a["worst_on"]) == (3.0, 3.0, 4.0, "i2")
    assert a["geometric_mean"] == pytest.approx(math.sqrt(8))
    assert b["geometric_mean"] == pytest.approx(2.0)
    assert (a["mean_time"], b["mean_time"]) == (pytest.approx(13 / 3), pytest.approx(4.5))


def test_a_profile_counts_what_is_not_solved() -> None:
    shares = offloadlib.performance_profile(rows(*THREE))
    assert shares.index.tolist() == [1.0, 2.0, 4.0]
    assert shares["a"].tolist() == [0.0, 0.25, 0.5]
    assert shares["b"].tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])


def test_a_method_that_has_solved_nothing() -> None:
    frame = rows(("i", "a", "failed", None, None, False), ("i", "b", "optimal", 1.0, 1.0, True))
    found = offloadlib.summarise(frame)
    assert found.loc["a", "solved"] == 0 and math.isnan(found["mean"].tolist()[0])
    assert summary.table(found).best == [1]
    assert "a & 0 of 1 &  &  &  &  & 0 & 0 &  \\\\" in summary.latex(found)


def test_two_rows_for_one_instance_are_refused() -> None:
    with pytest.raises(ValueError, match="give each instance a name of its own"):
        offloadlib.summarise(rows(THREE[0], THREE[0]))


def test_latex_is_escaped_and_complete() -> None:
    frame = rows(("i", "my_method & <co> 100%", "optimal", 1.0, 1.0, True))
    lines = summary.latex(offloadlib.summarise(frame)).splitlines()
    assert lines[0] == r"\begin{tabular}{lrrrrrrrr}"
    row = r"my\_method \& \textless{}co\textgreater{} 100\% & 1 of 1 & 1.0000 & 1.0000 & 1.0000 & "
    assert lines[4].startswith(row)
    assert all(len(re.findall(r"(?<!\\)&", line)) == 8 for line in (lines[2], lines[4]))
    assert (lines[1], lines[3], lines[5:]) == (r"\toprule", r"\midrule", [r"\bottomrule", r"\end{tabular}"])


def test_a_comparison_leaves_its_summary(tmp_path: Path) -> None:
    frame = offloadlib.compare(["worked-example", "paper-m005"], "gsod-i, branch-and-price", output=tmp_path)
    found = offloadlib.summarise(frame)
    assert found["wins"].to_dict()["branch-and-price"] == 2
    kept = pd.read_csv(tmp_path / "summary.csv", index_col=0, keep_default_na=False)
    assert kept["mean"].tolist() == pytest.approx(found["mean"].tolist())
    assert (tmp_path / "summary.tex").read_text() == summary.latex(found)
    profile = pd.read_csv(tmp_path / "profile.csv", index_col=0)
    assert profile["branch-and-price"].tolist()[0] == 1.0
    page = (tmp_path / "report.html").read_text()
    assert "Over all instances" in page and "profile" in page
    assert (tmp_path / "profile.png").exists()


def test_of_one_instance_there_is_none(tmp_path: Path) -> None:
    offloadlib.compare("worked-example", "local", output=tmp_path)
    assert not (tmp_path / "summary.csv").exists()


# The command --------------------------------------------------------------------------------------


def test_options_reach_the_methods(capfd: pytest.CaptureFixture[str]) -> None:
    command = ["compare", "worked-example", "paper-m005"]
    options = ["--methods", "odd_methods:seeded,local", "--gap", "0.25", "--threads", "2"]
    done = here(capfd, *command, "--json", *options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [row["method"] for row in told["rows"]] == ["odd_methods:seeded", "local"] * 2
    assert told["rows"][0]["objective"] == ALL_LOCAL and told["rows"][0]["lower_bound"] is None
    assert [row["method"] for row in told["summary"]] == ["odd_methods:seeded", "local"]
    assert told["interrupted"] is False
    shown = here(capfd, *command, "--methods", "local")
    assert "Over all instances" in shown.stdout and "geometric mean" in shown.stdout


def test_the_budget_of_a_comparison(tmp_path: Path) -> None:
    offloadlib.compare(WORKED, method("seeded"), gap=0.25, threads=2, seed=3, time_limit=9, output=tmp_path)
    document = json.loads((tmp_path / "solutions" / "worked-example--seeded.sol.json").read_text())
    assert document["run"]["got"] == [3, 9, 0.25, 2, "highs"]
    for wrong in ({"gap": 1.0}, {"threads": 0}, {"time_limit": 0}, {"seed": -1}):
        with pytest.raises(InputError, match=f"compare: {next(iter(wrong))}"):
            offloadlib.compare(WORKED, "local", **wrong)
