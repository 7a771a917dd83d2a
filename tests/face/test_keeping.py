"""What `solve` makes of methods: exact figures, no lies, and nothing lost."""

from __future__ import annotations

import json
import math
import pickle
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from odd_methods import method, told
from processes import WORKED, command_line, ended, interrupted, knowing, marked, started, wait_for
from reading import read_structured

import offloadlib
from offloadlib import keeping
from offloadlib.check import check
from offloadlib.instances import Budget, HybridSolution, Instance, Solution, Status, Termination, exact
from offloadlib.methods import Family
from offloadlib.running import workers
from offloadlib.running.workers import Ending


@pytest.fixture
def instance() -> Instance:
    found = read_structured(WORKED)
    assert isinstance(found, Instance)
    return found


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("nothing", "nothing returned NoneType, not a Result"),
        ("misfit", "misfit returned a solution that is none of this instance: decisions of shapes"),
        ("elsewhere", "elsewhere returned a solution that is none of this instance: "),
        ("overfull", "breaks a limit: capacity of 'op1': 10 used, 3 allowed"),
        ("liar", "liar says that its solution costs 73.77, and it costs 72.77"),
        ("unheard", "says that its solution costs nan, and it costs 72.77"),
        ("mute", "mute returned None and None as its objective and lower bound"),
        ("boaster", "claims the lower bound 72.77007"),
        ("undecided", "returned 'tired' as its termination"),
    ],
)
def test_a_lie_is_an_error(instance: Instance, name: str, what: str) -> None:
    with pytest.raises(offloadlib.FalseResult) as error:
        offloadlib.solve(instance, method(name))
    assert what in str(error.value)
    assert error.value.method == name
    again = pickle.loads(pickle.dumps(error.value))
    assert str(again) == str(error.value)
    kept = error.value.kept
    if name in ("liar", "unheard", "mute", "boaster", "undecided"):  # what is wrong is not the solution
        assert kept is not None and (kept.objective, kept.lower_bound) == (72.77, None)
        assert kept.status is Status.FEASIBLE
    else:
        assert kept is None


def test_a_bound_above_the_start_is_a_lie(instance: Instance) -> None:
    with pytest.raises(offloadlib.FalseResult, match="its start costs 35"):
        offloadlib.solve(instance, method("overclaimer", Family.EXACT))


def test_the_figures_are_exact(instance: Instance) -> None:
    for name in ("gsod-i", "gsod-ii", "heft", "branch-and-price"):
        result = offloadlib.solve(instance, name)
        assert result.objective == exact.cost(instance, result.solution)


@pytest.mark.filterwarnings("error")
def test_a_method_that_fails_leaves_what_it_has_told(instance: Instance) -> None:
    with pytest.raises(RuntimeWarning, match="fallen failed"):
        offloadlib.solve(instance, method("fallen"))


@pytest.mark.filterwarnings("ignore:fallen failed")
def test_what_was_told_is_verified(instance: Instance) -> None:
    result = offloadlib.solve(instance, method("fallen"))
    assert result.termination is Termination.FAILED
    assert result.run["error"] == "ValueError: no luck today"
    assert result.objective == exact.cost(instance, told(instance))
    assert result.lower_bound == pytest.approx(0.5 * result.objective)
    assert result.status is Status.FEASIBLE


@pytest.mark.filterwarnings("ignore:fabulist failed")
def test_who_tells_of_no_solution_has_no_bound(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "EASE", 0.0)  # every event is listened to
    result = offloadlib.solve(instance, method("fabulist", Family.EXACT))
    assert result.termination is Termination.FAILED
    assert result.lower_bound is None


def test_places_are_whole_numbers(instance: Instance) -> None:
    """They are not rounded, and do not wrap around."""
    with pytest.raises(ValueError, match="a place is a whole number in the range of int32"):
        offloadlib.solve(instance, method("rounder"))
    for place in (0.3, math.nan, 2**40):
        with pytest.raises(ValueError, match="whole number"):
            Solution(tuple(np.full(each.shape, place) for each in Solution.all_local(instance).places))
    with pytest.raises(ValueError, match="whole number in the range of int8"):
        HybridSolution(np.array([[258]]), np.array([0.0]))


def test_a_method_without_a_function(instance: Instance) -> None:
    with pytest.raises(offloadlib.InputError, match="absent: no function 'odd_methods:absent'"):
        offloadlib.solve(instance, method("absent"))


def test_without_anything_told_the_error_is_the_users(instance: Instance) -> None:
    with pytest.raises(ValueError, match="no luck today"):
        offloadlib.solve(instance, method("fail"))


@pytest.mark.filterwarnings("ignore:fail failed")
def test_the_start_is_always_there(instance: Instance) -> None:
    result = offloadlib.solve(instance, method("fail", Family.EXACT))
    assert result.termination is Termination.FAILED
    assert result.objective == offloadlib.solve(instance, "gsod-i").objective


@pytest.mark.parametrize("name", ["fallen", "crashed"])
def test_a_child_that_fails_leaves_what_it_has_told(instance: Instance, name: str) -> None:
    outcome = workers.run(method(name), instance, Budget())
    assert outcome.ending is Ending.FAILED
    assert outcome.result is not None and outcome.result.termination is Termination.FAILED
    assert outcome.message == outcome.result.run["error"]
    assert outcome.result.objective == exact.cost(instance, told(instance))
    assert outcome.result.lower_bound is not None


def test_an_overrun_leaves_what_was_told(instance: Instance, tmp_path: Path) -> None:
    outcome = workers.run(method("deaf"), instance, Budget(time_limit=1), grace=1)
    assert outcome.ending is Ending.OVERRUN
    assert outcome.result is not None and outcome.result.termination is Termination.TIME_LIMIT
    assert outcome.result.objective == exact.cost(instance, told(instance))


# On the command line ------------------------------------------------------------------------------


def _command(tmp_path: Path, name: str, *arguments: str) -> tuple[subprocess.Popen[str], Path, str]:
    """Solve the worked example with an odd method, in a process of its own; and where it has begun."""
    instance, mark = marked(tmp_path)
    command = [*command_line(tmp_path, knowing(name)), "solve", instance, "-m", name]
    return started([*command, "-o", str(tmp_path / "a.sol.json"), *arguments]), mark, instance


def _written(tmp_path: Path, instance: str) -> dict[str, Any]:
    assert check(instance, tmp_path / "a.sol.json").accepted
    document: dict[str, Any] = json.loads((tmp_path / "a.sol.json").read_text())
    return document


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        (
            "crashed",
            0,
            "ended by an error (its process was killed by SIGSEGV): the best solution so far, gap 50",
        ),
        ("liar", 3, "offloadlib: liar says that its solution costs 73.77, and it costs 72.77"),
        ("fail", 3, "offloadlib: fail failed: ValueError: no luck today"),
    ],
)
def test_what_a_method_does_wrong(tmp_path: Path, name: str, status: int, said: str) -> None:
    process, _, instance = _command(tmp_path, name, "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == status
    assert said in err
    assert "Traceback" not in err
    if name == "fail":
        assert out == "" and not (tmp_path / "a.sol.json").exists()
    else:
        assert _written(tmp_path, instance)["status"] == "feasible"


def test_a_signal_while_the_instance_is_read(tmp_path: Path) -> None:
    """Without any method, all may stay local."""
    instance, mark = marked(tmp_path)
    slow = (
        "from offloadlib import instances\n"
        "import pathlib, time\n"
        "read = instances.read\n"
        "def slowly(path):\n"
        f"    pathlib.Path({str(mark)!r}).touch()\n"
        "    time.sleep(1.0)\n"
        "    return read(path)\n"
        "instances.read = slowly\n"
    )
    arguments = ["solve", instance, "-m", "gaod", "-o", str(tmp_path / "a.sol.json")]
    with started([*command_line(tmp_path, slow), *arguments]) as process:
        _, err = interrupted(process, mark, signal.SIGTERM)
    assert process.returncode == 0
    assert err == "ended by SIGTERM: the best solution so far, no lower bound\n"
    assert _written(tmp_path, instance)["objective"] == 72.77


def test_a_second_signal_ends_a_method_that_does_not_listen(tmp_path: Path) -> None:
    process, mark, instance = _command(tmp_path, "deaf")
    with process:
        wait_for(mark, process)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        _, err = ended(process, signal.SIGTERM)
    assert process.returncode == 0
    assert "ended by SIGTERM: the best solution so far, gap 50.00 %" in err
    written = _written(tmp_path, instance)
    assert written["objective"] == exact.cost(read_structured(instance), told(read_structured(instance)))
    assert written["run"]["termination"] == "interrupted"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
