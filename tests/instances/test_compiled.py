"""Kernels get ready before a method's clock starts, are compiled once, and that is said once."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba import types
from numba.core.runtime import rtsys
from numba.core.runtime._nrt_python import memsys_disable_stats, memsys_enable_stats
from processes import PYTHON, run, started

from offloadlib.instances import AnyInstance, Budget
from offloadlib.instances.compiled import (
    Kernel,
    called_by,
    kernel,
    named,
    read_only,
    readable,
    subroutine,
    writable,
)
from offloadlib.instances.hybrid.generate import HybridSetting
from offloadlib.instances.hybrid.generate import generate as generate_hybrid
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.methods import Method
from offloadlib.registry import METHODS
from offloadlib.solving import first

pytestmark = pytest.mark.usefixtures("little_learning")

SMALL = Setting(devices=3, offload_points=2, capacity=2)

INSTANCES = {
    "the paper's tasks": generate(SMALL),
    "blocks in series in parallel ones": generate(
        replace(SMALL, applications=("series-parallel-8",)), seed=1
    ),
    "any graph": generate(replace(SMALL, applications=("layered-8",)), seed=1),
    "channels": generate(replace(SMALL, applications=("chain-3",), channels=1)),
    "limits": generate(
        replace(SMALL, resources=("memory",), room=(2.0, 4.0), deadline=(0.7, 1.1), rejection=(1.0, 2.0))
    ),
    "caps on totals": generate(replace(SMALL, total_energy=0.7)),
    "hybrid": generate_hybrid(HybridSetting(devices=2, tasks=2)),
}


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        (method, kind)
        for method in METHODS.values()
        for kind, instance in INSTANCES.items()
        if instance.kind in method.kinds
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_method_calls_no_kernel_that_was_not_prepared(
    method: Method, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance: AnyInstance = INSTANCES[kind]
    if method.applies_to(instance) is not None:
        pytest.skip("does not apply")
    function, start = method.load(), first(instance)
    called: set[Kernel[Any]] = set()
    call = Kernel.__call__

    def noted(self: Kernel[Any], *arguments: Any) -> Any:
        called.add(self)
        return call(self, *arguments)

    monkeypatch.setattr(Kernel, "__call__", noted)
    function(instance, Budget(time_limit=20, start=start))
    assert called <= set(called_by(function, instance))


def test_what_only_some_problems_need_is_not_compiled_for_others() -> None:
    """Heuristics trade places where a cap on totals is hard to keep."""
    function = METHODS["gsod-i"].load()
    limits, caps = (
        {kernel.__name__ for kernel in called_by(function, INSTANCES[kind])}
        for kind in ("limits", "caps on totals")
    )
    assert caps - limits == {"leave", "trade"}
    assert limits < caps


SOLVE = """
import offloadlib
from offloadlib.instances.structured.generate import Setting, generate
for method in ("gsod-i", "heft"):
    offloadlib.solve(generate(Setting(devices=2)), method)
"""


def test_compiling_is_said_once_and_done_once(tmp_path: Path) -> None:
    command = [PYTHON, "-c", SOLVE]
    both = [started(command, environment={"NUMBA_CACHE_DIR": str(tmp_path)}) for _ in range(2)]
    said = "".join(process.communicate()[1] for process in both)
    assert 1 <= said.count("offloadlib: compiling, once: about 1 s\n") <= 2
    # Both give what they make the same names, and nothing is left of how it came there.
    kept = [path.name.split("-")[0] for path in tmp_path.rglob("*") if path.is_file()]
    assert len(kept) == len(set(kept)) > 3
    again = run(command, environment={"NUMBA_CACHE_DIR": str(tmp_path)})
    assert (again.returncode, again.stderr) == (0, "")


IN_ANY_FOLDER = """
import sys
sys.path.insert(0, sys.argv[1])
from rules import once
print(once(3.0))
"""


def test_what_one_clone_has_compiled_others_use(tmp_path: Path) -> None:
    """What is damaged is made again; what is old goes when something is added."""
    place = tmp_path / "offloadlib"
    place.mkdir()
    old, new = place / "old.compiled", place / "new.compiled"
    old.touch()
    new.touch()
    os.utime(old, (0, 0))
    said = []
    for clone, factor, damaged in (
        ("one", 2, False),
        ("other", 2, False),
        ("new", 3, False),
        ("one", 2, True),
    ):
        if damaged:
            for path in place.glob("*.compiled"):
                path.write_bytes(path.read_bytes()[:100])
        folder = tmp_path / clone
        folder.mkdir(exist_ok=True)
        (folder / "rules.py").write_text(TWO_KERNELS.replace("2.0", f"{factor}.0"))
        environment = {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        done = run([PYTHON, "-c", IN_ANY_FOLDER, str(folder)], environment=environment)
        said.append((done.stdout, done.stderr.count("compiling, once")))
    assert said == [("7.0\n", 1), ("7.0\n", 0), ("10.0\n", 1), ("7.0\n", 1)]
    assert not old.exists()
    assert new.exists()


def test_where_nothing_can_be_kept_it_is_compiled_each_time(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text(TWO_KERNELS)
    (tmp_path / "file").touch()
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "file")}
    done = run([PYTHON, "-c", IN_ANY_FOLDER, str(tmp_path)], environment=cache)
    assert (done.stdout, done.stderr.count("\n")) == ("7.0\n", 1), done.stderr


RULE = """
from typing import NamedTuple
from offloadlib.instances.compiled import inlined, named, readable
class {name}(NamedTuple):
    {fields}
    first: object
TUPLE = named({name}, *[readable("float64")] * {number})
FACTOR = {factor}
@inlined
def rule(value):
    return {more} * value
"""

CALLER = """
import numpy as np
from numba import types
from offloadlib.instances.compiled import kernel, read_only
from rule import FACTOR, TUPLE, rule
@kernel(types.float64(TUPLE))
def total(values):
    return FACTOR * rule(values.first[0])
kind = TUPLE.instance_class
print(total(kind(*(read_only(np.array([float(i)])) for i in range(1, len(kind._fields) + 1)))))
"""

EACH_IN_TURN = """
import json, os, sys
from pathlib import Path
import offloadlib.instances.compiled
sys.path.insert(0, sys.argv[1])
for text in json.loads(sys.argv[2]):
    Path(sys.argv[1], "rule.py").write_text(text)
    child = os.fork()
    if not child:
        os.dup2(1, 2)  # what is compiled is told before the sum is
        import caller
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print("--", flush=True)
"""


def test_a_cache_of_other_code_is_not_used(tmp_path: Path) -> None:
    """A kernel's own file stays the same while what it takes from elsewhere changes."""
    (tmp_path / "caller.py").write_text(CALLER)
    rules = [
        RULE.format(**fields)
        for fields in (
            {"name": "One", "fields": "", "number": 1, "factor": 1, "more": 1},
            {"name": "One", "fields": "", "number": 1, "factor": 1, "more": 10},
            {"name": "One", "fields": "", "number": 1, "factor": 100, "more": 10},
            {"name": "Two", "fields": "zeroth: object", "number": 2, "factor": 1, "more": 1},
            {"name": "Two", "fields": "zeroth: object", "number": 2, "factor": 1, "more": 1},
        )
    ]
    # Each in a process that knows nothing of the others, forked from one that has done the slow imports.
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = run([PYTHON, "-c", EACH_IN_TURN, str(tmp_path), json.dumps(rules)], environment=cache)
    assert done.returncode == 0, done.stdout + done.stderr
    each = [text.split() for text in done.stdout.split("--")[:-1]]
    said = [(float(words[-1]), "compiling," in words) for words in each]
    assert said == [(1.0, True), (10.0, True), (1000.0, True), (2.0, True), (2.0, False)]


TWO_KERNELS = """
from numba import types
from offloadlib.instances.compiled import kernel, subroutine
@subroutine
def rule(value):
    return 2.0 * value
@subroutine
def power(value, times):
    for _ in range(times):
        value = rule(value)
    return value
@kernel(types.float64(types.float64))
def once(value):
    return power(value, 1) + power(value, int(value)) - power(value, 3) + 1.0
@kernel(types.float64(types.float64))
def twice(value):
    return rule(rule(value))
"""

ONE_AFTER_THE_OTHER = """
import os, sys
from numba.core import event
import offloadlib.instances.compiled
sys.path.insert(0, sys.argv[1])
class Told(event.Listener):
    def on_start(self, event):
        pass
    def on_end(self, event):
        name = event.data["dispatcher"].py_func.__name__
        if name in ("power", "rule") and sys.exc_info()[0] is None:
            compiled.append(name)
compiled = []
for name in ("once", "twice"):
    child = os.fork()
    if not child:
        import rules
        event.register("numba:compile", Told())
        print(getattr(rules, name)(3.0), *sorted(compiled), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def test_a_subroutine_is_compiled_once_for_all_kernels_and_numbers(tmp_path: Path) -> None:
    """The cache keeps what a kernel is linked from."""
    (tmp_path / "rules.py").write_text(TWO_KERNELS)
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    done = run([PYTHON, "-c", ONE_AFTER_THE_OTHER, str(tmp_path)], environment=cache)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["7.0 power rule", "12.0", ""]


SHARED = """
from numba import njit, types
from offloadlib.instances.compiled import kernel, shared, subroutine
@subroutine
def half(value):
    return value / 2.0
@shared(types.float64(types.float64, types.int64))
def halved(value, times):
    for _ in range(times):
        value = half(value)
    return value
@subroutine
def more(value):
    return halved(value, 2) + 1.0
@kernel(types.float64(types.float64))
def once(value):
    return more(value)
@kernel(types.float64(types.float64))
def twice(value):
    return more(value) + halved(value, 1)
@njit
def own(value):
    return more(value) + 2.0
"""


@pytest.mark.parametrize("order", [("once", "twice", "own"), ("own", "twice", "once")])
def test_what_kernels_share_is_compiled_once(tmp_path: Path, order: tuple[str, ...]) -> None:
    """Each kernel in a process of its own, which finds what an earlier one has left."""
    (tmp_path / "rules.py").write_text(SHARED)
    code = ONE_AFTER_THE_OTHER.replace('("power", "rule")', '("halved", "half")')
    code = code.replace('("once", "twice")', repr(order * 2))
    done = run([PYTHON, "-c", code, str(tmp_path)], environment={"NUMBA_CACHE_DIR": str(tmp_path / "cache")})
    assert done.returncode == 0, done.stderr
    value = {"once": "1.75", "twice": "3.25", "own": "3.75"}
    first, *others = done.stdout.splitlines()
    assert first == f"{value[order[0]]} half halved"
    assert others == [value[name] for name in (order * 2)[1:]]


class Pair(NamedTuple):
    given: Any
    changed: Any


def test_arrays_are_held_by_who_lends_them() -> None:
    """A kernel gives back as many references as it takes, and nothing that it makes is left."""

    @subroutine
    def swapped(lent: Any, pair: Any) -> Any:
        return Pair(pair.changed, lent.given.copy())

    @kernel(types.float64(named(Pair, readable("float64"), readable("float64")), writable("float64")))
    def total(lent: Any, array: Any) -> float:
        other = lent
        pair = Pair(np.ones(3), array)
        for _ in range(3):
            pair = swapped(other, pair)
        value = 0.0
        for i in range(3):
            value += pair.given[i] + 10.0 * pair.changed[i] + 100.0 * other.changed[i]
        return value

    given, changed, array = (np.full(3, value) for value in (1.0, 2.0, 3.0))
    lent = Pair(read_only(given), read_only(changed))
    assert total(lent, array) == 3 * (1.0 + 10.0 + 200.0)
    held = [sys.getrefcount(item) for item in (given, changed, array, *lent)]
    memsys_enable_stats()
    made = rtsys.get_allocation_stats()
    for _ in range(5):
        total(lent, array)
    after = rtsys.get_allocation_stats()
    memsys_disable_stats()
    assert held == [sys.getrefcount(item) for item in (given, changed, array, *lent)]
    assert after.alloc - made.alloc == after.free - made.free > 0


OWN = """
import numpy as np
from numba import njit, types
from offloadlib.instances.compiled import kernel
@kernel(types.float64(types.int64))
def ours(size):
    return np.empty((size, size), np.float64).size + np.zeros(size, np.int64).size
@njit
def own(size):
    return np.empty((size, size), np.float64).size + np.zeros(size, np.int64).size
print(ours(3), own(3))
"""


def test_functions_compiled_by_others_call_the_same_parts_of_numba(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    done = run([PYTHON, str(tmp_path / "own.py")], environment={"NUMBA_CACHE_DIR": str(tmp_path / "cache")})
    assert (done.returncode, done.stdout) == (0, "12.0 12\n"), done.stderr


CALLING = """
import numpy as np
from numba import njit, types
from offloadlib.instances.compiled import kernel, subroutine
@subroutine
def squares(size):
    return np.empty((size, size), np.float64).size
@subroutine
def more(size):
    return squares(size) + 1
@kernel(types.int64(types.int64))
def ours(size):
    return more(size)
@njit
def own(size):
    return more(size) + 1
print(own(3), ours(3)) if FIRST else print(ours(3), own(3))
"""


@pytest.mark.parametrize("first", [True, False])
def test_functions_compiled_by_others_may_call_subroutines(tmp_path: Path, first: bool) -> None:
    """With nothing in the cache, and with what the first run has left."""
    (tmp_path / "own.py").write_text(CALLING.replace("FIRST", str(first)))
    for _ in range(2):
        done = run(
            [PYTHON, str(tmp_path / "own.py")], environment={"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == ("11 10\n" if first else "10 11\n")
