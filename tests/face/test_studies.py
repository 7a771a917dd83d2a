"""What runs studies: jobs, their rows on disk, interruptions, the command, a cluster."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import odd_methods
import pandas as pd
import pytest
import small_study
from folders import TESTS
from processes import ENVIRONMENT, PYTHON, python, started

from offloadlib.cli import app as cli
from offloadlib.comparing import judging
from offloadlib.instances import Budget, InputError, Instance, Result, Solution, Termination, evaluate
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import find
from offloadlib.running import workers
from offloadlib.running.interrupts import Interrupts
from offloadlib.studies import STUDIES, StudyOptions, StudyRow, jobs, runner
from offloadlib.studies.certified import OPTIMUM
from offloadlib.studies.jobs import LONG, REPEATS, REPEATS_WITHIN, AtHand, Generated, Job
from offloadlib.studies.runner import FEW, Alike, Pace, conduct, locally, perform
from offloadlib.studies.store import ROWS, SETTINGS, Store

SMALL = [PYTHON, str(TESTS / "small_study.py"), "study", "small"]
PLAN = {"study": "small", "quick": False, "seed": 0}

RECIPE = Generated(small_study.SETTING, 1)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(STUDIES, "small", "small_study")


def _row(key: str, **fields: object) -> StudyRow:
    return {"key": key, "method": "m", "parameters": {}, "generated": None, "seconds": 1.0, **fields}


def _lines(folder: Path) -> list[StudyRow]:
    return [json.loads(line) for line in (folder / ROWS).read_text().splitlines()]


# Rows on disk -------------------------------------------------------------------------------------


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    with Store(tmp_path / "new", PLAN) as store:
        for key in "bca":
            store.append(_row(key, objective=None, text="ä"))
        assert list(store) == ["b", "c", "a"]
    with Store(tmp_path / "new", PLAN) as again:
        assert dict(again) == dict(store)
        again.append(_row("d"))
        with pytest.raises(ValueError, match="already there"):
            again.append(_row("b"))
    assert [row["key"] for row in _lines(tmp_path / "new")] == ["b", "c", "a", "d"]


@pytest.mark.parametrize("torn", [b'{"key": "b"', b'{"key": "b"}', b"\xff\x00", b"{"])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    with Store(tmp_path, PLAN) as store:
        store.append(_row("a"))
    with (tmp_path / ROWS).open("ab") as file:
        file.write(torn)
    with Store(tmp_path, PLAN) as store:
        assert list(store) == ["a"]
        store.append(_row("b"))
    assert [row["key"] for row in _lines(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", r"rows.jsonl, line 2: is not JSON"),
        ('{"key": 3}', r"rows.jsonl, line 2: key: is missing"),
        ('{"key": "a"}', r"rows.jsonl, line 2: key: 'a' stands twice"),
    ],
)
def test_damage_elsewhere_is_refused(tmp_path: Path, line: str, message: str) -> None:
    with Store(tmp_path, PLAN) as store:
        store.append(_row("a"))
    with (tmp_path / ROWS).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=message):
        Store(tmp_path, PLAN)


def test_a_folder_belongs_to_one_study_and_one_process(tmp_path: Path) -> None:
    with Store(tmp_path, PLAN):
        with pytest.raises(InputError, match="in use by another study"):
            Store(tmp_path, PLAN)
        with pytest.raises(InputError, match="seed: was 0 here, not 7: choose another folder"):
            Store(tmp_path, {**PLAN, "seed": 7})
    (tmp_path / SETTINGS).unlink()
    with pytest.raises(InputError, match=r"holds rows.jsonl without study.json"):
        Store(tmp_path, PLAN)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used as a folder"):
        Store(tmp_path / "file", PLAN)


# Jobs ---------------------------------------------------------------------------------------------


def test_the_key_tells_jobs_apart_and_nothing_else() -> None:
    job = Job(RECIPE, find("gsod-i"))
    changed = [
        replace(job, source=Generated(small_study.SETTING, 2)),
        replace(job, source=Generated(replace(small_study.SETTING, capacity=4), 1)),
        replace(job, source=AtHand(RECIPE.instance())),
        replace(job, method=find("gsod-ii")),
        replace(job, parameters={"population": 10}),
        replace(job, seed=1),
        replace(job, time_limit=1.0),
    ]
    assert len({job.key, *(other.key for other in changed)}) == len(changed) + 1
    assert Job(Generated(replace(small_study.SETTING), 1), find("gsod-i"), timed=False).key == job.key


def test_parameters_reach_the_method() -> None:
    row = perform(Job(RECIPE, small_study.own("tunable"), {"times": 7}, timed=False))
    assert row is not None
    assert (row["status"], row["parameters"], row["run"]) == (
        "feasible",
        {"times": 7},
        {"times": 7, "runs": 1},
    )
    wrong = perform(Job(RECIPE, small_study.own("tunable"), {"tims": 7}))
    assert wrong is not None
    assert wrong["status"] == "failed" and "tims" in wrong["message"]


@pytest.mark.parametrize(
    ("seconds", "proving", "ended", "runs"),
    [
        (0.0, 0.0, Termination.FINISHED, 1 + REPEATS),
        (LONG / 2, 0.0, Termination.FINISHED, 2),  # the first run warms up
        (0.0, REPEATS_WITHIN, Termination.FINISHED, 2),
        (100 * LONG, 0.0, Termination.FINISHED, 1),
        (0.0, 0.0, Termination.INTERRUPTED, 1),
    ],
)
def test_a_timed_method_runs_until_its_time_is_known(
    seconds: float, proving: float, ended: Termination, runs: int
) -> None:
    calls: list[int] = []

    def passed() -> float:
        """As if the process always had the processor."""
        return len(calls) * proving + 1e-6 * next(ticks)

    ticks = count()

    def function(instance: Instance, budget: Budget) -> Result:
        calls.append(budget.seed)
        return Result.of(instance, Solution.all_local(instance), seconds, termination=ended)

    method = replace(find("local"), function="small_study:tunable")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_study, "tunable", function)
        patch.setattr(jobs, "time", SimpleNamespace(perf_counter=passed, process_time=passed))
        found = Job(RECIPE, method).prepared().load()(RECIPE.instance(), Budget(seed=3))
    assert calls == [3] * runs
    assert found.run["timed_runs"] == max(runs - 1, 1)
    assert 0 <= found.runtime <= seconds


def test_time_without_the_processor_does_not_count() -> None:
    rows = [perform(Job(RECIPE, small_study.own("dawdle"), timed=timed)) for timed in (False, True)]
    assert rows[0] is not None and rows[0]["time"] == 0.2  # of which it sleeps nearly all
    assert rows[1] is not None and rows[1]["time"] < 0.1


def test_a_row_says_what_ran_and_what_came_of_it() -> None:
    job = Job(RECIPE, find("gsod-i"), seed=3)
    row, instance = perform(job), RECIPE.instance()
    assert row is not None
    odd = perform(replace(job, source=AtHand(replace(instance, name="../x/y"))))
    assert odd is not None
    assert (odd["instance"], odd["objective"]) == ("../x/y", row["objective"])
    solution = find("gsod-i").load()(instance, Budget()).solution
    evaluation = evaluate(instance, solution)
    assert row["key"] == job.key and row["sha256"] == instance.fingerprint
    assert row["objective"] == evaluation.total and row["local_cost"] == evaluation.local.total
    assert row["fairness"] == evaluation.fairness and row["worse_off"] == evaluation.worse_off
    assert (row["status"], row["checked"], row["alone"]) == ("feasible", "accepted", True)
    again = generate(Setting(**_setting(row)), seed=row["generated"]["seed"])
    assert again.fingerprint == row["sha256"]
    assert json.loads(json.dumps(row)) == row


def test_jobs_beside_do_not_take_a_file_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many others at once that their instances push one out of the cache while the checker is about it."""
    judged = judging.judged

    def late(*given: Any) -> Any:
        runner._written.cache_clear()
        return judged(*given)

    judging._read.cache_clear()
    monkeypatch.setattr(runner, "judged", late)
    row = perform(Job(RECIPE, find("local")))
    assert row is not None
    assert (row["status"], row["checked"]) == ("feasible", "accepted")


def _setting(row: StudyRow) -> dict[str, Any]:
    given = row["generated"]["setting"]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
    return {key: value for key, value in values.items() if key != "radio"}


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("segfault", "failed", "killed by SIGSEGV"),
        ("fail", "failed", "ValueError: no luck today"),
        ("leave", "failed", "exit status 7"),
        ("forever", "overrun", "ended after"),
        ("liar", "failed", "liar says that its solution costs"),
    ],
)
def test_a_method_that_fails_is_a_row_that_says_so(
    name: str, status: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.3)
    row = perform(Job(RECIPE, odd_methods.method(name), time_limit=0.2))
    assert row is not None
    assert row["status"] == status and message in row["message"]
    assert json.loads(json.dumps(row)) == row


def test_a_method_may_have_more_time_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "GRACE", 0.05)
    slow = small_study.own("dawdle")  # it takes 0.2 s, and no notice of its limit
    patient = replace(slow, grace=20.0)
    rows = [perform(Job(RECIPE, method, time_limit=0.01, timed=False)) for method in (slow, patient)]
    assert [row and row["status"] for row in rows] == ["overrun", "feasible"]
    assert OPTIMUM.grace > 0


def test_the_optimum_is_certified() -> None:
    row = perform(Job(RECIPE, OPTIMUM))
    exact = find("milp-arrays").load()(RECIPE.instance(), Budget())
    assert row is not None
    assert row["status"] == "optimal" and row["checked"] == "accepted"
    assert row["objective"] == pytest.approx(exact.objective, rel=1e-9)
    assert row["lower_bound"] <= row["objective"]


# From jobs to rows --------------------------------------------------------------------------------


def _conduct(
    folder: Path, options: StudyOptions, parallel: int = 1
) -> tuple[dict[str, StudyRow] | None, list[StudyRow]]:
    new: list[StudyRow] = []
    with Store(folder, PLAN) as store:
        rows = conduct(
            small_study.stages(options),
            store,
            partial(locally, parallel=parallel),
            parallel,
            lambda row, *_: new.append(row),
            Interrupts(),
        )
    return rows, new


def test_nothing_is_done_twice(tmp_path: Path) -> None:
    first, new = _conduct(tmp_path, StudyOptions(repetitions=1), parallel=2)
    assert first is not None and len(new) == len(first) == 4
    assert {row["alone"] for row in new} == {True, False}
    assert all(row["alone"] for row in new if row["method"] == "gsod-i")
    kept = _lines(tmp_path)
    second, new = _conduct(tmp_path, StudyOptions(repetitions=2))
    assert second is not None and 7 <= len(second) <= 8
    assert len(kept) + len(new) == len(_lines(tmp_path))
    assert _lines(tmp_path)[: len(kept)] == kept
    assert [row["key"] for row in list(second.values())[:6]] == [
        job.key for job in small_study.jobs(StudyOptions(repetitions=2))
    ]
    assert _conduct(tmp_path, StudyOptions(repetitions=2)) == (second, [])


def test_the_time_left_follows_what_was_seen() -> None:
    jobs = [
        Job(Generated(small_study.SETTING, r), find(name)) for r in (1, 2) for name in ("gsod-i", "local")
    ]
    ahead = Counter(map(Alike.of, jobs))
    pace = Pace([])
    for _ in range(FEW):
        assert pace.left(ahead) is None
        pace.add(_row("a", method="gsod-i", generated=jobs[0].source.identity, seconds=2.0))
    assert pace.left(ahead) == pytest.approx(8.0)
    pace.add(_row("b", method="local", generated=jobs[0].source.identity, seconds=1.0))
    assert pace.left(ahead) == pytest.approx(6.0)
    other = replace(jobs[0], source=Generated(replace(small_study.SETTING, devices=9), 1))
    pace.add(_row("c", method="gsod-i", generated=other.source.identity, seconds=6.0))
    assert pace.left({Alike.of(other): 1}) == pytest.approx(6.0)
    shared = replace(jobs[0], timed=False)
    assert Pace([_row("a", seconds=2.0)] * FEW, parallel=4).left({Alike.of(shared): 1}) == pytest.approx(0.5)


# The command --------------------------------------------------------------------------------------


def _complete(folder: Path, repetitions: int) -> None:
    """The folder holds every row of the small study, each once."""
    keys = [row["key"] for row in _lines(folder)]
    expected = {job.key for job in small_study.jobs(StudyOptions(repetitions=repetitions))}
    assert len(keys) == len(set(keys))
    assert expected <= set(keys) and len(keys) <= len(expected) + 1


def _started(folder: Path, rows: int, *options: str) -> subprocess.Popen[str]:
    """The command in a process of its own, once it has kept some rows."""
    process = started([*SMALL, "-o", str(folder), *options])
    for _ in range(1200):
        if (folder / ROWS).exists() and len((folder / ROWS).read_bytes().splitlines()) >= rows:
            return process
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    raise AssertionError("the study did not get going")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_study_goes_on_where_it_stopped(tmp_path: Path, number: signal.Signals) -> None:
    process = _started(tmp_path, 2, "--repetitions", "20")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    kept = (tmp_path / ROWS).read_bytes()
    assert not (tmp_path / "report.html").exists()
    if number is signal.SIGINT:
        assert process.returncode == 130
        assert re.search(rf"{tmp_path} has \d+ rows?; the same command goes on from there", said)
        assert "before there was a result" not in said
    with (tmp_path / ROWS).open("ab") as file:
        file.write(b'{"key": "to')
    assert cli.main(["study", "small", "-o", str(tmp_path), "--repetitions", "3"]) == 0
    assert (tmp_path / ROWS).read_bytes().startswith(kept[: kept.rfind(b"\n") + 1])
    keys = [row["key"] for row in _lines(tmp_path)]
    assert len(keys) == len(set(keys))
    assert {job.key for job in small_study.jobs(StudyOptions(repetitions=3))} <= set(keys)


def test_the_folder_holds_page_summary_and_tables(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["study", "small", "--quick", "--seed", "5", "-o", str(tmp_path)]) == 0
    captured = capfd.readouterr()
    assert captured.out == ""
    assert f"{tmp_path}/report.html: A small study, 7 solves" in captured.err
    csv, parquet = pd.read_csv(tmp_path / "rows.csv"), pd.read_parquet(tmp_path / "rows.parquet")
    assert len(csv) == len(parquet) == 7
    assert csv["key"].tolist() == parquet["key"].tolist()
    assert parquet["objective"].dtype == "float64"
    assert json.loads(parquet["generated"][0])["seed"] == 5
    page, summary = (tmp_path / "report.html").read_text(), (tmp_path / "summary.md").read_text()
    again = "offloadlib study small --quick --repetitions 2 --seed 5 -o DIR"
    assert again in page and again in summary
    assert "All &lt;rows&gt;." in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["smal"], "study: 'smal' is not known; did you mean small?"),
        (["small", "--seed", "-1"], "seed: must lie in 0..2^31-1, not -1"),
        (["small", "--seed", "9"], "seed: was 0 here, not 9"),
        (["small", "--quick"], "quick: was False here, not True"),
        (["small", "--repetitions", "1"], "--repetitions"),
        (["small", "--jobs", "0"], "--jobs"),
        (["small", "--dask", "nowhere"], "--dask"),
    ],
)
def test_what_cannot_be_run_is_refused(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path, PLAN).__exit__(None, None, None)
    assert cli.main(["study", *arguments, "-o", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert message in said and "Traceback" not in said


# A cluster ----------------------------------------------------------------------------------------


def _dask(what: str, *options: str) -> subprocess.Popen[bytes]:
    """A scheduler or a worker on loopback, the leader of a group with whatever it starts."""
    module = [PYTHON, "-m", f"distributed.cli.dask_{what}"]
    common = ["--host", "127.0.0.1", "--no-dashboard"]
    return subprocess.Popen([*module, *common, *options], env=ENVIRONMENT, start_new_session=True)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def _cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler with two workers, one of them with a nanny, and the workers."""
    file = folder / "scheduler.json"
    processes = [_dask("scheduler", "--port", "0", "--scheduler-file", str(file))]
    try:
        for options in ((), ("--no-nanny",)):
            shared = ["--nthreads", "1", "--local-directory", str(folder)]
            processes.append(_dask("worker", "--scheduler-file", str(file), *shared, *options))
        for _ in range(600):
            with suppress(OSError, ValueError):
                yield json.loads(file.read_text())["address"], processes[1:]
                return
            time.sleep(0.1)
        raise AssertionError("the scheduler did not start")
    finally:
        for process in processes:
            _kill(process)


def _wait_for_workers(address: str, count: int) -> None:
    """In a process of its own: a client's event loop has 10 s to start, too few in a busy test process."""
    code = f"from distributed import Client; Client({address!r}).wait_for_workers({count}, timeout=120)"
    for _ in range(3):
        if python(code).returncode == 0:
            return
    raise AssertionError("the workers did not start")


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_cluster_may_lose_a_worker(tmp_path: Path, killed: int) -> None:
    pytest.importorskip("distributed")
    (tmp_path / "dask").mkdir()
    study = tmp_path / "study"
    with _cluster(tmp_path / "dask") as (address, processes):
        _wait_for_workers(address, 2)
        process = _started(study, 2, "--dask", address, "--repetitions", "6")
        _kill(processes[killed])
        with suppress(subprocess.TimeoutExpired):
            _, said = process.communicate(timeout=200)
        assert process.returncode == 0, said
    rows = _lines(study)
    _complete(study, 6)
    assert {row["status"] for row in rows} <= {"optimal", "feasible"}
    assert all(row["alone"] == (row["method"] in ("gsod-i", "gsod-ii")) for row in rows)
