"""Methods write nothing to standard output and standard error: these belong to whoever calls them."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import threading
from importlib.util import find_spec

import pytest
from processes import python

import offloadlib
from offloadlib.best_known import library
from offloadlib.formulations.engine.stray import STRAY, without_stray_lines
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import METHODS

pytestmark = pytest.mark.usefixtures("little_learning")

INSTANCES = {
    "structured": [
        offloadlib.read(library() / "worked-example.json"),
        generate(Setting(devices=3, offload_points=2, capacity=0), seed=1),
        generate(Setting(devices=3, offload_points=2, capacity=2, channels=1, unconnected=0.3), seed=1),
    ],
    "hybrid": [offloadlib.read(library() / "hybrid-3x3.json")],
}


def c_print(text: bytes) -> None:
    """Print as a C library does."""
    ctypes.CDLL(None).printf(text)


def flushed() -> None:
    ctypes.CDLL(None).fflush(None)


@pytest.mark.parametrize("name", METHODS)
def test_methods_say_nothing(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    method = METHODS[name]
    for kind in sorted(method.kinds):
        for instance in INSTANCES[kind]:
            if method.applies_to(instance) is None:
                offloadlib.solve(instance, name, time_limit=5, threads=1)
                flushed()
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_only_the_stray_line_is_taken_out(capfd: pytest.CaptureFixture[str]) -> None:
    c_print(b"before ")
    flushed()
    with without_stray_lines():
        c_print(b"first ")
        c_print(STRAY)
        os.write(1, b"Python is not held up ")
        c_print(b"second ")
        c_print(STRAY * 3)
    c_print(b"after\n")
    flushed()
    assert capfd.readouterr().out == "before Python is not held up first second after\n"


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_threads_may_overlap(capfd: pytest.CaptureFixture[str]) -> None:
    inside, go = threading.Barrier(3), threading.Event()

    def work() -> None:
        with without_stray_lines():
            inside.wait()
            c_print(STRAY)
            go.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait()
    go.set()
    for thread in threads:
        thread.join()
    flushed()
    assert capfd.readouterr().out == ""


def test_other_solvers_say_nothing() -> None:
    programs = {"glpk": "glpsol", "cbc": "cbc"}
    solvers = ["appsi_highs", *(name for name, program in programs.items() if shutil.which(program))]
    if find_spec("pyscipopt"):
        solvers.append("scip")
    program = (
        "import sys, offloadlib\n"
        f"instance = offloadlib.read({str(library() / 'worked-example.json')!r})\n"
        f"for solver in {solvers!r}:\n"
        "    result = offloadlib.solve(instance, 'milp', time_limit=20.5, solver=solver)\n"
        "    assert abs(result.objective - 24.045) <= 1e-9, solver\n"
    )
    done = python(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
