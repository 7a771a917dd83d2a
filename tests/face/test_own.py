"""Methods that are not the package's own: functions, ``module:function``, and those of installed packages."""

from __future__ import annotations

import ctypes
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import odd_methods
import pytest
from folders import LIBRARY, TESTS
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from processes import ENVIRONMENT, PYTHON, WORKED, command_line, here, run
from reading import read_hybrid, read_structured

import offloadlib
from offloadlib import own
from offloadlib.comparing import cases
from offloadlib.instances import Budget, HybridSolution, InputError, Instance, Result, Solution, exact
from offloadlib.instances.structured.generate import Setting
from offloadlib.methods import Family, Method
from offloadlib.registry import METHODS, find, select
from offloadlib.studies import StudyOptions, ratios
from offloadlib.studies.jobs import Generated, Job


@pytest.fixture
def instance() -> Instance:
    return read_structured(WORKED)


@pytest.fixture(autouse=True)
def as_in_a_notebook() -> Iterator[None]:
    """No other process can import this module, so that its functions have to be sent."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


PLACE = 0


def first_subtask(instance: Instance, budget: Budget) -> Solution:
    """The first subtask of the first device is offloaded.

    And this is not its summary.
    """
    rows = Solution.all_local(instance).rows(instance)
    rows[0][0] = PLACE
    return Solution.from_rows(instance, rows)


def recorded(instance: Instance, budget: Budget) -> Result[Solution]:
    return Result.of(
        instance, first_subtask(instance, budget), 0.5, seed=np.int64(budget.seed), what={1: {2}}
    )


class Configured:
    """A method with settings, as an object."""

    def __init__(self, place: int) -> None:
        self.place = place

    def __call__(self, instance: Instance, budget: Budget) -> Solution:
        rows = Solution.all_local(instance).rows(instance)
        rows[0][0] = self.place
        return Solution.from_rows(instance, rows)


def heft(instance: Instance, budget: Budget) -> Solution:
    """It has the name of one of the package's methods."""
    return Solution.all_local(instance)


# solve --------------------------------------------------------------------------------------------


def test_a_function_that_returns_its_solution(instance: Instance) -> None:
    result = offloadlib.solve(instance, first_subtask)
    assert result.objective == exact.cost(instance, odd_methods.told(instance))
    assert (result.lower_bound, result.status) == (None, "feasible")
    assert 0 < result.runtime < 60
    assert not result.run


def test_what_it_is_called_and_what_is_said_of_it() -> None:
    made = find(first_subtask)
    assert (made.name, made.summary) == (
        "first_subtask",
        "The first subtask of the first device is offloaded.",
    )
    assert made.family is Family.HEURISTIC
    assert find(partial(first_subtask)).name == "first_subtask"
    assert find(Configured(1)).name == "Configured"
    assert find(heft).name == f"{__name__}:heft"  # so that it is not taken for the other one
    assert find(made) is made


def test_a_start_that_is_better_is_kept(instance: Instance) -> None:
    start = offloadlib.solve(instance, "gsod-i").solution
    result = offloadlib.solve(instance, first_subtask, start=start)
    assert result.solution is start
    assert result.run == {"kept": "start"}


def test_it_is_asked_about_every_instance() -> None:
    hybrid = read_hybrid(LIBRARY / "hybrid-3x3.json")

    def stay(instance: Any, budget: Budget) -> HybridSolution:
        found: HybridSolution = instance.all_local
        return found

    assert offloadlib.solve(hybrid, stay).objective == hybrid.evaluate(hybrid.all_local).total
    with pytest.raises(offloadlib.FalseResult, match="returned Solution, not a Result or a HybridSolution"):
        offloadlib.solve(hybrid, lambda instance, budget: Solution(()))


@pytest.mark.parametrize(
    ("method", "what"),
    [
        (3, "must be a name, a function or a Method, not int"),
        (lambda instance: instance, r"<lambda> must take \(instance, budget\), and takes \(instance\)"),
        (Configured, r"Configured must take \(instance, budget\), and takes \(place\)"),
        (lambda instance, budget, more: instance, r"and takes \(instance, budget, more\)"),
    ],
)
def test_what_is_no_method(instance: Instance, method: Any, what: str) -> None:
    with pytest.raises(InputError, match=what):
        offloadlib.solve(instance, method)


def ended(instance: Instance, budget: Budget) -> Solution:
    sys.exit(3)


def test_a_function_cannot_end_python(instance: Instance) -> None:
    with pytest.raises(RuntimeError, match=r"it called sys.exit\(3\)"):
        offloadlib.solve(instance, ended)


@pytest.mark.parametrize("changed", [{"run": 5}, {"runtime": None}])
def test_a_record_that_is_none(instance: Instance, changed: dict[str, Any]) -> None:
    with pytest.raises(offloadlib.FalseResult, match="as its record and its runtime"):
        offloadlib.solve(instance, lambda instance, budget: replace(recorded(instance, budget), **changed))


@pytest.mark.parametrize(
    "places",
    [(), np.zeros(3), np.zeros((2, 5, 1)), np.zeros((2, 5), dtype=object), np.full((2, 5), 7)],
)
def test_a_solution_of_any_shape_is_refused_in_words(instance: Instance, places: Any) -> None:
    with pytest.raises(offloadlib.FalseResult, match=r"shape returned a solution that (is none|breaks)"):

        def shape(instance: Instance, budget: Budget) -> Solution:
            return Solution(places if isinstance(places, tuple) else (places,))

        offloadlib.solve(instance, shape)


# compare ------------------------------------------------------------------------------------------


def noisy(instance: Instance, budget: Budget) -> Solution:
    print("noise")
    return first_subtask(instance, budget)


def nothing(instance: Instance, budget: Budget) -> None: ...


def raising(instance: Instance, budget: Budget) -> Solution:
    raise KeyError("no luck")


def endless(instance: Instance, budget: Budget) -> Solution:
    while True:
        time.sleep(0.05)


def crashing(instance: Instance, budget: Budget) -> Solution:
    ctypes.string_at(0)
    raise AssertionError("unreachable")


LOCK = threading.Lock()


def locking(instance: Instance, budget: Budget) -> Solution:
    with LOCK:
        return first_subtask(instance, budget)


def test_whatever_a_function_does_is_one_row(
    instance: Instance, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(cases, "best_known", lambda instance: None)
    good: list[Any] = [first_subtask, recorded, Configured(0), Configured(1), heft, noisy, "gsod-i"]
    bad: list[Any] = [nothing, raising, ended, endless, crashing, locking]
    frame = offloadlib.compare(instance, [*good, first_subtask, *bad], time_limit=1, output=tmp_path)
    assert capfd.readouterr().out == ""
    names = ["first_subtask", "recorded", "Configured", "Configured 2", f"{__name__}:heft", "noisy", "gsod-i"]
    assert list(frame["method"]) == [*names, *(function.__name__ for function in bad)]
    assert list(frame["checked"][:7]) == ["accepted"] * 7
    costs = frame["objective"].to_list()
    assert costs[0] == costs[1] == costs[2] == costs[5] == exact.cost(instance, odd_methods.told(instance))
    assert costs[3] != costs[0]
    assert costs[4] == instance.evaluate(instance.all_local).total
    assert set(frame["certified_bound"].round(9)) == {24.045}
    said = dict(zip(frame["method"], frame["message"], strict=True))
    assert said["nothing"] == "nothing returned NoneType, not a Result or a Solution"
    assert said["raising"] == "KeyError: 'no luck'"
    assert said["ended"] == "RuntimeError: it called sys.exit(3)"
    assert said["endless"].startswith("ended after 3.1 s")
    assert said["crashing"] == "its process was killed by SIGSEGV"
    assert said["locking"].startswith("method: locking cannot be sent to a process of its own (TypeError: ")
    assert list(frame["status"][7:]) == ["failed"] * 3 + ["overrun"] + ["failed"] * 2
    files = sorted(path.name for path in (tmp_path / "solutions").iterdir())
    assert len(files) == 7, files
    document = json.loads((tmp_path / "solutions" / "worked-example--recorded.sol.json").read_text())
    assert (document["method"], document["run"]["seed"], document["run"]["what"]) == (
        "recorded",
        0,
        {"1": "{2}"},
    )


def test_names_that_files_cannot_tell_apart(instance: Instance, tmp_path: Path) -> None:
    names = ["a:b", "a-b", "m" * 90 + "1", "m" * 90 + "2"]
    methods = [Method(name, Configured(place % 2), Family.HEURISTIC) for place, name in enumerate(names)]
    frame = offloadlib.compare(instance, methods, output=tmp_path)
    assert list(frame["checked"]) == ["accepted"] * 4
    written = [json.loads(path.read_text()) for path in (tmp_path / "solutions").iterdir()]
    assert sorted(document["method"] for document in written) == sorted(names)


def test_a_function_of_a_script(tmp_path: Path) -> None:
    """It is in ``__main__``, without a guard, with what it uses there and beside it."""
    (tmp_path / "beside.py").write_text("PLACE = 0\n")
    (tmp_path / "script.py").write_text(
        "import beside, offloadlib\n"
        "def rows(instance):\n"
        "    found = instance.all_local.rows(instance)\n"
        "    found[0][0] = beside.PLACE\n"
        "    return found\n"
        "def mine(instance, budget):\n"
        "    return offloadlib.Solution.from_rows(instance, rows(instance))\n"
        f"frame = offloadlib.compare({WORKED!r}, [mine, 'local'])\n"
        "print(list(frame['method']), list(frame['objective']), list(frame['checked']))\n"
    )
    done = run([PYTHON, "script.py"], folder=tmp_path)
    assert done.stdout == "['mine', 'local'] [68.02, 72.77] ['accepted', 'accepted']\n", done.stderr
    assert done.stderr == ""


def test_the_same_function_twice_is_one_method() -> None:
    other: Callable[..., Any] = partial(first_subtask)
    assert [m.name for m in select([first_subtask, first_subtask, other])] == [
        "first_subtask",
        "first_subtask 2",
    ]
    assert [m.name for m in select(first_subtask)] == ["first_subtask"]
    assert select("milp, exact, milp")[0] is METHODS["milp"]


# module:function ----------------------------------------------------------------------------------

MODULE = """
import sys
from offloadlib import Family, Method, Solution
print("noise at import")

def stay(instance, budget):
    print("noise")
    return Solution.all_local(instance)

def fail(instance, budget):
    raise ValueError("no luck today")

BOUNDED = Method("bounded", stay, Family.EXACT, "with a name of its own", "nowhere")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_methods.py").write_text(MODULE)
    (tmp_path / "my_script.py").write_text("import sys\nsys.exit(5)\n")
    return tmp_path


def test_module_and_function_on_the_command_line(folder: Path) -> None:
    command = [*command_line(folder.parent), "solve", WORKED, "--json", "-m"]
    outcomes = {}
    for name in ("stay", "BOUNDED", "fail"):
        outcomes[name] = done = run([*command, f"my_methods:{name}"], folder=folder)
        if name != "fail":
            told = json.loads(done.stdout)  # and nothing else
            assert done.returncode == 0, done.stderr
            assert (told["objective"] == 72.77) == (name == "stay")  # what is exact begins with a heuristic's
            assert told["method"] == {"stay": "my_methods:stay", "BOUNDED": "bounded"}[name]
            assert "noise at import" in done.stderr
    assert outcomes["fail"].returncode == 3
    assert "offloadlib: my_methods:fail failed: ValueError: no luck today\n" in outcomes["fail"].stderr
    assert "Traceback" not in outcomes["fail"].stderr


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (
            "my_methods:nil",
            "no function 'my_methods:nil' (module 'my_methods' has no attribute 'nil'; it is ",
        ),
        ("my_methods.py:stay", "'my_methods.py:stay' is to be a module, not a file: my_methods:stay"),
        ("nowhere:stay", "no function 'nowhere:stay' (No module named 'nowhere')"),
        ("my_script:stay", "its module ends Python, sys.exit(5), when it is imported"),
        ("my_methods:MODULE", "no attribute 'MODULE'"),
        ("my_methods:sys", "must be a name, a function or a Method, not module"),
        (":", "no function ':' (ValueError: Empty module name)"),
    ],
)
def test_what_module_and_function_do_not_say(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "my_methods", raising=False)
    with pytest.raises(InputError) as error:
        find(name)
    assert what in str(error.value)


# Installed packages -------------------------------------------------------------------------------


def install(folder: Path, package: str, points: str) -> None:
    about = folder / f"{package}-1.5.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n")
    (about / "entry_points.txt").write_text(f"[{own.GROUP}]\n{points}\n")


def test_an_installed_package_adds_methods(folder: Path) -> None:
    install(folder, "theirs", "stay-put = my_methods:stay\nbroken = nowhere:stay\ntwice = my_methods:stay")
    install(folder, "others", "twice = my_methods:stay\nmilp = my_methods:fail")
    environment = {"PYTHONPATH": f"{folder}:{ENVIRONMENT['PYTHONPATH']}"}
    command = [*command_line(folder.parent), "solve", WORKED, "-m"]

    def outcome(*arguments: str) -> Any:
        return run([*command, *arguments], environment=environment)

    solved = outcome("stay-put", "--json")
    assert json.loads(solved.stdout)["method"] == "stay-put"
    packaged = json.loads(outcome("milp", "--json").stdout)
    assert packaged["status"] == "optimal"
    for name, what in {
        "broken": "broken of the package theirs 1.5: no function 'nowhere:stay' (No module named 'nowhere')",
        "twice": "'twice' is in several packages (",
        "stay-putt": "'stay-putt' is not known; did you mean stay-put?",
    }.items():
        refused = outcome(name)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert what in refused.stderr
    listed = run([*command_line(folder.parent), "methods"], environment={**environment, "COLUMNS": "250"})
    assert listed.returncode == 0
    for row in ("stay-put", "broken", "twice"):
        assert f"\n{row} " in listed.stdout
    assert "noise" not in listed.stdout + listed.stderr


# Studies ------------------------------------------------------------------------------------------


def test_a_study_takes_methods_and_knows_when_their_code_has_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder)

    def method() -> Method:
        sys.modules.pop("my_methods", None)
        return find("my_methods:stay")

    options = StudyOptions(True, 1, 0, (method(),))
    assert "my_methods:stay" in {point.job.method.name for point in ratios.points(options)}

    def key(method: Method) -> str:
        return Job(Generated(Setting(), 0), method).key

    before = key(method())
    assert key(method()) == before
    (folder / "my_methods.py").write_text(MODULE + "\nX = 1\n")
    assert key(method()) != before
    assert "code" not in Job(Generated(Setting(), 0), METHODS["milp"]).identity


def test_a_study_that_compares_nothing_takes_none(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    done = here(capfd, "study", "ddto", "-o", tmp_path / "s", "--method", "odd_methods:liar")
    assert (done.returncode, done.stderr) == (
        2,
        "offloadlib: study: method: ddto has its own methods alone\n",
    )


# Notebooks ----------------------------------------------------------------------------------------

CELLS = (
    "import offloadlib\nPLACE = 0",
    "def mine(instance, budget):\n"
    "    rows = instance.all_local.rows(instance)\n"
    "    rows[0][0] = PLACE\n"
    "    return offloadlib.Solution.from_rows(instance, rows)",
    f"frame = offloadlib.compare({WORKED!r}, [mine, 'local'])\nlist(frame['objective'])",
    "PLACE = -1",
    f"frame = offloadlib.compare({WORKED!r}, mine)\nlist(frame['objective']), list(frame['message'])",
    f"offloadlib.solve({WORKED!r}, mine)",
)


def test_a_function_of_a_notebook() -> None:
    """Each comparison takes the function, and what it uses, as they are at that moment."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(TESTS)}}).execute()
    shown = [
        cell["outputs"][-1]["data"]["text/plain"] if cell["outputs"] else "" for cell in notebook["cells"]
    ]
    assert shown[2] == "[68.02, 72.77]"
    assert shown[4] == "([72.77], [''])"
    assert shown[5].startswith("<Result: feasible, cost 72.77, no bound, ")


def test_a_certificate_goes_with_any_method(folder: Path) -> None:
    command = [*command_line(folder.parent), "solve", WORKED, "--method", "my_methods:stay", "--json"]
    done = run([*command, "--certificate", "a.cert.json", "-o", "a.sol.json"], folder=folder)
    told = json.loads(done.stdout)
    assert (told["certified"], told["objective"]) == (True, 72.77)
    assert told["lower_bound"] == pytest.approx(24.045)
