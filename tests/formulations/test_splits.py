"""Branches on twins, fixing below a node, and values that are not priced again: against brute force."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import count

from offloadlib import check
from offloadlib.formulations.structured.certificate import write_certificate
from offloadlib.formulations.structured.decomposition import branch_and_price, master, patterns
from offloadlib.formulations.structured.decomposition.branch_and_price import prove, solve
from offloadlib.formulations.structured.decomposition.splits import twins
from offloadlib.instances import Budget, Instance, write, write_solution
from offloadlib.instances.files.instances import parse
from offloadlib.instances.structured.model import Application

Rng = np.random.Generator

EDGES = [(j, 3) for j in range(3)] + [(j, k) for k in (5, 6) for j in (3, 4)]
"""Three alike into one; that and another into two alike."""


def workflow(rng: Rng) -> Instance:
    """A few devices with such a task, and fewer places than they would like to have."""
    names = [f"s{k}" for k in range(7)]
    work = np.array([2.8, 2.8, 2.8, 1.0, 0.1, 2.9, 2.9]) * rng.uniform(0.98, 1.02, 7)

    def device(number: int) -> dict[str, Any]:
        return {
            "id": f"d{number}",
            "application": "task",
            "connected_to": "p0",
            "input": rng.uniform(0.1, 0.6, 7).tolist(),
            "work": work.tolist(),
            "output": rng.uniform(0, 0.3, 7).tolist(),
            "edge_data": (rng.uniform(0, 0.3) * rng.uniform(0.9, 1.1, len(EDGES))).tolist(),
            "cpu": rng.uniform(0.8, 1.8),
            "uplink": rng.uniform(0.5, 2),
            "downlink": rng.uniform(0.5, 2),
            "alpha": rng.uniform(0.1, 1.0),
            "power": {"execute": 10.0, "send": 1.5, "receive": 3.0},
        }

    points = [(rng.uniform(1.6, 4), int(rng.integers(2, 6))) for _ in range(2)]
    document = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": "",
        "cost": {"normalise": "local"},
        "applications": [
            {"id": "task", "subtasks": names, "edges": [[names[j], names[k]] for j, k in EDGES]}
        ],
        "offload_points": [
            {"id": f"p{n}", "cpu": cpu, "capacity": capacity, "uplink": 1.0, "downlink": 1.0}
            for n, (cpu, capacity) in enumerate(points)
        ],
        "devices": [device(m) for m in range(int(rng.integers(2, 5)))],
    }
    instance = parse(json.dumps(document).encode(), "task")
    assert isinstance(instance, Instance)
    return instance


def test_twins() -> None:
    task = Application("task", tuple(f"s{k}" for k in range(7)), tuple(EDGES))
    assert twins(task) == [0, 0, 0, 3, 4, 5, 5]


@pytest.mark.parametrize("many", [0.0, math.inf], ids=["all that is out", "what leaves need"])
def test_equals_brute_force(many: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    together, again, needed = [0], [0], [0]
    branch, fix = branch_and_price._Search._branch_together, branch_and_price._Search._fix

    def counted(self: Any, *rest: Any) -> None:
        together[0] += 1
        branch(self, *rest)

    def fixed(self: Any, at: Any) -> None:
        again[0] += bool(self.fixings)
        fix(self, at)

    def need(self: Any, fixing: Any) -> Any:
        found = search_needed(self, fixing)
        needed[0] += found is not None
        return found

    search_needed = branch_and_price._Search._needed
    monkeypatch.setattr(branch_and_price._Search, "_needed", need)
    monkeypatch.setattr(branch_and_price._Search, "_branch_together", counted)
    monkeypatch.setattr(branch_and_price._Search, "_fix", fixed)
    if many == 0.0:
        monkeypatch.setattr(branch_and_price, "LONG", 0.0)  # as if fixing took long
    monkeypatch.setattr(branch_and_price, "MANY_LEAVES", many)
    monkeypatch.setattr(branch_and_price, "enumerable", lambda instance: False)
    for module in (master, patterns):
        monkeypatch.setattr(module, "labelled", lambda application: False)
    rng = np.random.default_rng(1)
    for _ in range(count(1000, 12)):
        instance = workflow(rng)
        optimum, _ = brute_force(instance)
        result = solve(instance, Budget())
        assert result.objective == pytest.approx(optimum, rel=1e-9)
        assert result.lower_bound is not None
        assert optimum * (1 - 1e-8) <= result.lower_bound <= optimum * (1 + 1e-12)
        proof = prove(instance, result.solution, Budget())
        names = [tmp_path / name for name in ("instance.json", "solution.sol.json", "proof.cert.json")]
        write(instance, names[0])
        write_solution(result.stored("branch-and-price"), instance, names[1])
        write_certificate(proof.certificate, instance, names[2])
        verdict = check.check(*names)
        assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
        assert verdict.certified_bound is not None
        assert optimum * (1 - 1e-8) <= verdict.certified_bound <= optimum * (1 + 1e-12)
    assert together[0] > 0
    assert again[0] > 0 if many == 0.0 else needed[0] > 0
