"""What a solver has found is kept while it runs: a call that never returns costs nothing but time."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from offloadlib import keeping
from offloadlib.formulations.engine import highs
from offloadlib.formulations.structured.cp import program
from offloadlib.instances import Budget, Solution, Termination, evaluate
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.registry import find

HARD: dict[str, Any] = {
    "point_cpu": (1.6, 8.0),
    "input": (0.05, 0.2),
    "output": (0.05, 0.2),
    "alpha": (0.97, 0.97),
}
"""Prices alone leave a gap."""


@pytest.mark.parametrize(
    ("name", "module"),
    [("milp-arrays", highs), ("milp", highs), ("patterns", highs), ("cpsat", program)],
)
def test_a_solver_that_never_returns(name: str, module: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    setting = Setting(devices=8, offload_points=3, applications=("fork-join-4",), capacity=3, **HARD)
    instance = generate(setting, seed=1)
    solve, optimum = find(name).load(), find("branch-and-price").load()(instance, Budget())
    monkeypatch.setattr(keeping, "EASE", 0.0)  # it asks for every solution
    honest, stuck, released = module._run, threading.Event(), threading.Event()

    def never(*arguments: Any) -> Any:
        answer = honest(*arguments)
        if arguments[-1] is not None:  # a relaxation tells nobody
            stuck.set()
            released.wait()
        return answer

    monkeypatch.setattr(module, "_run", never)
    start = Solution.all_local(instance)
    keeper = keeping.Keeper(name, instance, start)
    running = threading.Thread(target=solve, args=(instance, Budget(start=start, on_progress=keeper)))
    running.start()
    try:
        while not stuck.wait(0.1):
            assert running.is_alive()
        kept = keeper.best(Termination.TIME_LIMIT)
    finally:
        released.set()
        running.join()
    assert kept is not None and evaluate(instance, kept.solution).feasible
    assert kept.objective == pytest.approx(optimum.objective, rel=1e-9)
    assert kept.lower_bound is None or kept.lower_bound <= optimum.objective
