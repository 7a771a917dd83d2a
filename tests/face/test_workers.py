"""A solve in a process of its own: whatever happens there is an outcome here."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from odd_methods import method
from processes import PYTHON, python, run, started
from reading import read_structured

from offloadlib.best_known import library
from offloadlib.instances import Budget, Instance, Progress, Termination, evaluate, exact
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Method
from offloadlib.registry import METHODS, select
from offloadlib.running import workers
from offloadlib.running.interrupts import counted_interrupts
from offloadlib.running.workers import Ending


@pytest.fixture
def instance() -> Instance:
    return read_structured(library() / "worked-example.json")


@pytest.mark.parametrize("name", [method.name for method in select("all", ["structured"])])
def test_every_method_comes_back_with_a_feasible_result(instance: Instance, name: str) -> None:
    outcome = workers.run(METHODS[name], instance, Budget(time_limit=60))
    assert outcome.ending is Ending.DONE
    assert outcome.message == ""
    assert not outcome.interrupted
    assert outcome.result is not None
    assert evaluate(instance, outcome.result.solution).feasible
    assert exact.cost(instance, outcome.result.solution) == outcome.result.objective


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("segfault", "its process was killed by SIGSEGV"),
        ("leave", "its process ended with exit status 7, without a result"),
        ("fail", "ValueError: no luck today"),
        (
            "missing",
            "method: missing: no function 'odd_methods:missing' "
            "(module 'odd_methods' has no attribute 'missing')",
        ),
    ],
)
def test_a_crash_is_an_outcome(instance: Instance, name: str, message: str) -> None:
    outcome = workers.run(method(name), instance, Budget())
    assert (outcome.ending, outcome.result, outcome.message) == (Ending.FAILED, None, message)


def test_a_result_that_cannot_be_sent_is_an_outcome(instance: Instance) -> None:
    outcome = workers.run(method("unpicklable"), instance, Budget())
    assert outcome.ending is Ending.FAILED
    assert "pickle" in outcome.message


def test_a_method_that_cannot_be_imported_is_an_outcome(instance: Instance) -> None:
    absent = Method("absent", "no_such_module:solve", method("fail").family, "", "")
    outcome = workers.run(absent, instance, Budget())
    assert (outcome.ending, outcome.message) == (
        Ending.FAILED,
        "method: absent: no function 'no_such_module:solve' (No module named 'no_such_module')",
    )


def test_a_method_for_other_instances_does_not_run(instance: Instance) -> None:
    other = replace(method("leave"), kinds=frozenset({"independent"}))
    outcome = workers.run(other, instance, Budget())
    assert outcome.ending is Ending.DOES_NOT_APPLY
    assert "independent" in outcome.message


def test_an_overrun_is_ended_with_all_that_it_started(instance: Instance, tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    outcome = workers.run(
        method("forever"), replace(instance, description=str(mark)), Budget(time_limit=1), grace=2
    )
    assert (outcome.ending, outcome.result) == (Ending.OVERRUN, None)
    assert outcome.message == "ended after 3 s (its time limit: 1 s)"
    assert _gone(int(mark.read_text()))


def _gone(process: int) -> bool:
    """Whether a process ends (a zombie has) within a generous while."""
    status = Path(f"/proc/{process}/stat")
    for _ in range(600):
        try:
            if status.read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.05)
    return False


def _interrupt_when(mark: Path, times: int) -> threading.Thread:
    """Press Ctrl-C, so to say, once a method has begun."""

    def press() -> None:
        while not mark.exists():
            time.sleep(0.02)
        for _ in range(times):
            time.sleep(0.3)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize(
    ("name", "times", "ending", "message"),
    [
        ("patient", 1, Ending.DONE, ""),
        ("empty_handed", 1, Ending.INTERRUPTED, "stopped before it had a result"),
        ("stubborn", 2, Ending.INTERRUPTED, "did not stop by itself"),
    ],
)
def test_ctrl_c_reaches_the_child(
    instance: Instance, tmp_path: Path, name: str, times: int, ending: Ending, message: str
) -> None:
    mark = tmp_path / "begun"
    handler = signal.getsignal(signal.SIGINT)
    thread = _interrupt_when(mark, times)
    outcome = workers.run(method(name), replace(instance, description=str(mark)), Budget())
    thread.join()
    assert (outcome.ending, outcome.message) == (ending, message)
    assert outcome.interrupted
    assert (outcome.result is not None) == (ending is Ending.DONE)
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_large_solution_comes_back_whole() -> None:
    large = generate(Setting(devices=30_000, offload_points=5, capacity=20_000), seed=1)
    outcome = workers.run(METHODS["gsod-i"], large, Budget())
    assert outcome.result is not None
    assert exact.cost(large, outcome.result.solution) == outcome.result.objective
    assert [places.dtype for places in outcome.result.solution.places] == [np.int32]


def test_a_child_leaves_standard_output_alone() -> None:
    done = python(
        "from odd_methods import method\n"
        "from offloadlib.instances import Budget, read\n"
        "from offloadlib.running import workers\n"
        "from offloadlib.best_known import library\n"
        "instance = read(library() / 'worked-example.json')\n"
        "workers.prepare()\n"
        "print(workers.run(method('noisy'), instance, Budget()).ending)\n"
    )
    assert done.stdout == "done\n"
    assert "noise from C" in done.stderr
    assert "noise from Python" in done.stderr


def test_progress_is_passed_on_now_and_then(instance: Instance) -> None:
    seen: list[Progress] = []
    workers.run(method("chatty"), instance, Budget(on_progress=seen.append))
    assert seen[0] == Progress(0.0, 2.0, 1.0)
    assert len(seen) < 1000


def test_a_child_gets_its_budget(instance: Instance) -> None:
    outcome = workers.run(method("seeded"), instance, Budget(12.5, 0.25, 3, 2, "scip"))
    assert outcome.result is not None
    assert outcome.result.run["got"] == [3, 12.5, 0.25, 2, "scip"]


@pytest.mark.parametrize("how", ["script", "module", "standard input"])
def test_a_script_needs_no_guard(how: str, tmp_path: Path) -> None:
    """A child must not run the parent's main module once more, whatever that is, nor must their server."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from offloadlib.instances import Budget, read\n"
        "from offloadlib.running import workers\n"
        "from offloadlib.best_known import library\n"
        "from offloadlib.registry import METHODS\n"
        "instance = read(library() / 'worked-example.json')\n"
        + ("" if how == "script" else "workers.prepare()\n")  # else the server has slow imports to do
        + "print(workers.run(METHODS['local'], instance, Budget()).result.objective)\n"
    )
    command = {"script": [str(script)], "module": ["-m", "unguarded"], "standard input": ["-"]}[how]
    given = script.read_text() if how == "standard input" else ""
    done = run([PYTHON, *command], given, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "72.77\n", "")


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    script = tmp_path / "parent.py"
    script.write_text(
        "from dataclasses import replace\n"
        "from odd_methods import method\n"
        "from offloadlib.instances import Budget, read\n"
        "from offloadlib.running import workers\n"
        "from offloadlib.best_known import library\n"
        f"instance = replace(read(library() / 'worked-example.json'), description={str(mark)!r})\n"
        "workers.prepare()\n"
        "workers.run(method('forever'), instance, Budget())\n"
    )
    with started([PYTHON, str(script)]) as parent:
        while not (mark.exists() and mark.read_text()):
            assert parent.poll() is None
            time.sleep(0.05)
        parent.kill()
    assert _gone(int(mark.read_text()))


EARLY = ("milp-arrays", "cpsat")


@pytest.mark.parametrize(
    "name",
    [
        name if name in EARLY else pytest.param(name, marks=pytest.mark.slow)
        for name in (*EARLY, "milp", "milp-hull", "branch-and-price", "btod", "gaod", "evolution")
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_real_solve(name: str, number: signal.Signals) -> None:
    """As soon as the method has told of something; what it has then is the result."""
    hard = generate(Setting(devices=40, applications=("layered-12",), capacity=15), seed=3)
    seen: list[Progress] = []

    def press(event: Progress) -> None:
        seen.append(event)
        if [earlier.time > 0 for earlier in seen].count(True) == 1 and event.time > 0:
            os.kill(os.getpid(), number)

    outcome = workers.run(METHODS[name], hard, Budget(on_progress=press))
    assert (outcome.ending, outcome.message, outcome.interrupted) == (Ending.DONE, "", True)
    assert outcome.result is not None
    assert outcome.result.termination is Termination.INTERRUPTED
    assert outcome.result.objective == exact.cost(hard, outcome.result.solution)
    assert outcome.result.objective <= seen[0].objective * (1 + 1e-12)  # type: ignore[operator]


def test_new_processes_look_for_garbage_but_not_among_what_they_share() -> None:
    with counted_interrupts() as interrupts:
        found = [workers.aside(ask, "ask", interrupts)[:2] for ask in (gc.isenabled, gc.get_freeze_count)]
    (first, enabled), (second, shared) = found
    assert first is second is Ending.DONE
    assert enabled is True and shared > len(sys.modules)


def test_new_processes_import_nothing_for_nothing() -> None:
    code = (
        "import sys, offloadlib.running.lean, pyomo.environ, scipy.sparse\n"
        "from pyomo.repn.plugins.standard_form import LinearStandardFormCompiler\n"
        "model = pyomo.environ.ConcreteModel()\n"
        "model.x = pyomo.environ.Var(bounds=(0, 1))\n"
        "model.cost = pyomo.environ.Objective(expr=model.x)\n"
        "LinearStandardFormCompiler().write(model, mixed_form=True)\n"
        "assert 'scipy.stats' not in sys.modules\n"
        "from pyomo.common.dependencies import scipy\n"
        "assert scipy.stats.norm.cdf(0.0) == 0.5"
    )
    done = python(code)
    assert (done.returncode, done.stderr) == (0, "")
