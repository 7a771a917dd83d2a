"""What the checker does with files that are made to keep it busy: counted in lines of it that are run."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import processes
import pytest
from folders import ROOT

from offloadlib import check as checker
from offloadlib.check import certificate as certificates
from offloadlib.check import exact
from offloadlib.check.core.forms import Fault
from offloadlib.check.core.verdict import verify
from offloadlib.check.data import MOST_PROBLEMS

Document = dict[str, Any]
CHECKER = ROOT / "offloadlib" / "check"


def instance(subtasks: int, edges: list[list[str]], points: int, devices: int, **changes: Any) -> Document:
    return {
        "format": "offloadlib-instance",
        "version": 2,
        "kind": "structured",
        "name": "large",
        "cost": {"normalise": "none"},
        "applications": [{"id": "a", "subtasks": [f"t{k}" for k in range(subtasks)], "edges": edges}],
        "offload_points": [
            {"id": f"p{n}", "cpu": 2.0 + n, "capacity": 10**6, "uplink": 1.0, "downlink": 1.0}
            for n in range(points)
        ],
        "devices": [
            {
                "id": f"d{m}",
                "application": "a",
                "cpu": 1.0,
                "power": {"execute": 1.0, "send": 1.0, "receive": 1.0},
                "connected_to": "p0",
                "alpha": 1.0,
                **{key: [1.0] * subtasks for key in ("work", "input", "output")},
            }
            for m in range(devices)
        ],
        **changes,
    }


def files(folder: Path, document: Any, decisions: Any, nodes: Any = None, **changes: Any) -> list[Path]:
    """The files of a case; the solution states its cost where it has one."""
    paths = [folder / f"{name}.json" for name in ("instance", "solution", "certificate")]
    paths[0].write_text(document if isinstance(document, str) else json.dumps(document), "utf-8")
    with contextlib.suppress(checker.Unusable, ValueError):
        changes = {"sha256": checker.fingerprint(document), **changes}
    origin = {"name": "large", "sha256": changes.pop("sha256", "?")}
    solution = {
        "format": "offloadlib-solution",
        "version": 2,
        "instance": origin,
        "method": "by hand",
        "objective": 0.0,
        "lower_bound": None,
        "status": "feasible",
        "decisions": decisions,
    }
    proof = {
        "format": "offloadlib-certificate",
        "version": 2,
        "instance": origin,
        "lower_bound": "0",
        "nodes": nodes,
        "witnesses": {},
    }
    for path, content in zip(paths[1:], (solution, proof), strict=True):
        path.write_text(json.dumps(content | changes.pop(path.stem, {})), "utf-8")
    with contextlib.suppress(checker.Unusable):
        stated = checker.check(*paths[:2]).objective
        if stated == stated:
            paths[1].write_text(json.dumps(solution | {"objective": stated}), "utf-8")
    return paths if nodes is not None else paths[:2]


def work(check: Callable[..., Any], paths: list[Path]) -> int:
    """How many lines of the checker are run, and how often it gets to one."""
    count = 0

    def step(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(str(CHECKER)):
            return None
        count += event == "line"
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        with contextlib.suppress(Fault, checker.Unusable):
            check(*paths)
    finally:
        sys.settrace(before)
    return count


def chain(n: int) -> tuple[Any, Any]:
    edges = [[f"t{k}", f"t{k + 1}"] for k in range(n - 1)]
    return instance(n, edges, 1, 1), {"d0": [None] * n}


def star(n: int) -> tuple[Any, Any]:
    return instance(n, [["t0", f"t{k}"] for k in range(1, n)], 1, 1), {"d0": ["p0"] * n}


def points_and_devices(n: int) -> tuple[Any, Any]:
    return instance(1, [], n, n), {f"d{m}": [f"p{m}"] for m in range(n)}


def resources(n: int) -> tuple[Any, Any]:
    document = instance(1, [], n, n, resources=[f"r{i}" for i in range(n)])
    for i, (device, point) in enumerate(zip(document["devices"], document["offload_points"], strict=True)):
        device["demand"] = {f"r{i}": [1.0]}
        point["capacity"] = {f"r{i}": 2.0}
    return document, {f"d{m}": [f"p{m}"] for m in range(n)}


def limits(n: int) -> tuple[Any, Any]:
    shared = [{"id": f"l{i}", "resource": "subtasks", "points": [f"p{i}"], "capacity": 2} for i in range(n)]
    return instance(1, [], n, n, limits=shared), {f"d{m}": [f"p{m}"] for m in range(n)}


def one_limit(n: int) -> tuple[Any, Any]:
    shared = [{"id": "l", "resource": "subtasks", "points": [f"p{i}" for i in range(n)], "capacity": n}]
    return instance(1, [], n, 1, limits=shared), {"d0": ["p0"]}


def exceptions(n: int) -> tuple[Any, Any]:
    document = instance(n, [], 1, 1, resources=[f"r{i}" for i in range(n)])
    document["devices"][0] |= {
        "at": [{"subtask": f"t{i}", "point": "p0", "demand": {f"r{i}": 1.0}} for i in range(n)],
        "allowed": {f"t{i}": ["p0"] for i in range(n)},
    }
    return document, {"d0": ["p0"] * n}


def wrong(n: int) -> tuple[Any, Any]:
    return instance(1, [], 1, 1) | {"devices": [1] * n}, {}


def unknown_places(n: int) -> tuple[Any, Any]:
    return instance(n, [], 1, 1), {"d0": ["q"] * n}


FAMILIES = [
    chain,
    star,
    points_and_devices,
    resources,
    limits,
    one_limit,
    exceptions,
    wrong,
    unknown_places,
]


@pytest.mark.parametrize("check", [checker.check, verify])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_work_grows_with_the_files(tmp_path: Path, family: Any, check: Callable[..., Any]) -> None:
    small, large = (work(check, files(tmp_path, *family(n))) for n in (60, 240))
    assert 0 < large < 4.5 * small + 500


def test_the_way_to_a_leaf_is_not_stored_with_all_that_is_left(tmp_path: Path) -> None:
    """A long path of branches: the core follows it with one step of memory for each branch."""
    n = 60
    document = instance(1, [], 1, n)
    nodes: list[Document] = []
    for m in range(n):
        branch = {"device": f"d{m}", "subtask": "t0", "place": None}
        nodes += [{"branch": branch, "equal": 2 * m + 1, "different": 2 * m + 2}, {"prices": {}}]
    paths = files(tmp_path, document, {f"d{m}": [None] for m in range(n)}, [*nodes, {"prices": {}}])
    assert verify(*paths).bound == 0
    assert checker.check(*paths).accepted


# --- what is not finished ---------------------------------------------------------------------------


def run(paths: list[Path], *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-S", str(CHECKER), *map(str, paths[:2]), *options]
    command += ["--certificate", str(paths[2])] if len(paths) > 2 else []
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def endless(tmp_path: Path) -> list[Path]:
    """A certificate of 3,000 leaves with prices of their own, for 3,000 devices: 9,000,000 things to do."""
    n = 3000
    nodes: list[Document] = []
    for m in range(n):
        branch = {"device": f"d{m}", "subtask": "t0", "place": None}
        nodes.append({"branch": branch, "equal": 2 * m + 1, "different": 2 * m + 2})
        nodes.append({"prices": {"capacity": {"p0": f"0.{m + 1:04}"}}})
    decisions = {f"d{m}": [None] for m in range(n)}
    paths = files(tmp_path, instance(1, [], 1, n), decisions, [*nodes, {"prices": {}}])
    compact = json.loads(paths[2].read_text("utf-8"))
    del compact["witnesses"]
    paths[2].write_text(json.dumps(compact), "utf-8")
    return paths


def test_what_is_not_finished_is_not_accepted(endless: list[Path]) -> None:
    done = run(endless, "--time-limit", "1")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1].startswith("not finished: it takes more than 1 s, skipped: ")
    assert done.stdout.endswith("what the certificate proves\n")
    assert "accepted" not in done.stdout
    told = json.loads(run(endless, "--time-limit", "1", "--json").stdout)
    assert told["accepted"] is False
    assert told["certified_bound"] is None
    assert told["unfinished"].endswith("what the certificate proves")


def test_the_core_ends_as_well(endless: list[Path]) -> None:
    done = run(endless, "--time-limit", "1", "--core")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.endswith("not finished: it takes more than 1 s, nothing is accepted\n")


@pytest.mark.parametrize("command", ["elaborate", "export-proof"])
def test_what_is_not_finished_is_not_written(
    endless: list[Path], command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where Ctrl-C is ignored, as in the background."""
    instance, solution, certificate = map(str, endless)
    inputs = [instance, certificate] if command == "elaborate" else [instance, solution, certificate]
    folder = endless[0].parent
    before = sorted(folder.iterdir())
    for ignored in ("", "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"):
        code = f"{ignored}\nimport offloadlib.witnesses.files as files\nfiles.LARGEST = 10**9"
        arguments = [command, *inputs, "-o", str(folder / "proof"), "--time-limit", "1"]
        done = processes.run([*processes.command_line(tmp_path_factory.mktemp("script"), code), *arguments])
        assert (done.returncode, done.stdout) == (1, "")
        late = "offloadlib: not finished: it takes more than 1 s, and nothing is written"
        assert done.stderr.splitlines()[-1] == late
        assert sorted(folder.iterdir()) == before


def test_a_limit_is_positive(endless: list[Path]) -> None:
    for limit in ("0", "-1", "nan", "soon"):
        done = run(endless, f"--time-limit={limit}")
        assert done.returncode == 2
        assert "--time-limit" in done.stderr


def test_there_may_be_no_limit(tmp_path: Path) -> None:
    done = run(files(tmp_path, *points_and_devices(2)), "--time-limit=inf")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_memory_nothing_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = files(tmp_path, *points_and_devices(3))
    assert checker.check(*paths).accepted

    def full(case: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(checker.verdict, "rule_objective", full)
    verdict = checker.check(*paths)
    assert not verdict.accepted
    assert verdict.unfinished == "there is no memory for it, skipped: the rules about decisions"
    assert verdict.faults == [f"not finished: {verdict.unfinished}"]
    assert [rule.name for rule in verdict.rules][:2] == ["fingerprint", "decisions"]


def test_times_at_too_many_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 20
    paths = files(tmp_path, instance(n, [], n, 1), {"d0": [f"p{k}" for k in range(n)]})
    assert checker.check(*paths).accepted
    monkeypatch.setattr(exact, "_MOST_PLACES", n * n)
    verdict = checker.check(*paths)
    assert not verdict.accepted
    assert verdict.unfinished == (
        "device 'd0' has 20 subtasks at 21 places, skipped: the rules about decisions"
    )


def test_too_many_branches_on_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 10
    branch = {"device": "d0", "place": None}
    nodes: list[Document] = [
        {"branch": branch | {"subtask": f"t{k}"}, "equal": n + k, "different": k + 1 if k + 1 < n else 2 * n}
        for k in range(n)
    ]
    paths = files(tmp_path, instance(n, [], 1, 1), {"d0": [None] * n}, nodes + [{"prices": {}}] * (n + 1))
    document = json.loads(paths[2].read_text("utf-8"))
    del document["witnesses"]
    paths[2].write_text(json.dumps(document), "utf-8")
    assert checker.check(*paths).accepted
    monkeypatch.setattr(certificates, "_MOST_PLACES", n * n - 1)
    verdict = checker.check(*paths)
    assert not verdict.accepted
    assert verdict.unfinished is not None
    assert verdict.unfinished.startswith("there are 10 branches on 10 subtasks of device 'd0', skipped: ")


# --- what is said -----------------------------------------------------------------------------------


def test_long_names_are_cut(tmp_path: Path) -> None:
    """A name can be in as many messages as there are places."""
    n, name = 300, "x" * 10**5
    document = instance(n, [], 1, 1)
    document["devices"][0]["id"] = name
    verdict = checker.check(*files(tmp_path, document, {name: ["q"] * n}))
    assert len(verdict.rules[1].message) < 200 * n
    for decisions in ({name: [1] * n}, {name + " ": [1] * n}):
        with pytest.raises(checker.Unusable) as refused:
            checker.check(*files(tmp_path, document, decisions))
        assert len(str(refused.value)) < 300 * n


def test_many_problems_are_counted(tmp_path: Path) -> None:
    n = MOST_PROBLEMS + 500
    with pytest.raises(checker.Unusable) as refused:
        checker.check(*files(tmp_path, *wrong(n)))
    lines = str(refused.value).splitlines()
    assert len(lines) == MOST_PROBLEMS + 1
    assert lines[-1].endswith(": and 500 more")


def test_deep_paths_are_told_and_not_stored(tmp_path: Path) -> None:
    """One path for each number that is not finite, up to a thousand of them."""
    text = '{"a":' * 300 + "[" + "NaN," * 5000 + "1]" + "}" * 300
    with pytest.raises(checker.Unusable) as refused:
        checker.check(*files(tmp_path, text, {}))
    lines = str(refused.value).splitlines()
    assert len(lines) == MOST_PROBLEMS
    assert lines[0].endswith(".a.a[0]: nan is not finite")
