"""What a user may write who checks types strictly: every door of the package. test_pages runs it."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import assert_type

import pandas as pd
import pyomo.environ as pyo  # type: ignore[import-untyped, unused-ignore]

import offloadlib
from offloadlib import (
    AnyInstance,
    Budget,
    Evaluation,
    Family,
    HybridInstance,
    HybridSolution,
    Instance,
    InstanceBuilder,
    Method,
    Progress,
    Result,
    Solution,
)

# Own data


def cameras() -> Instance:
    builder = InstanceBuilder("two cameras", resources=["memory"])
    roof = builder.add_point("roof", cpu=8.0, capacity={"memory": 4.0}, uplink=2.0, downlink=2.0)
    track = builder.add_application("track", ["see", "find"], [("see", "find")])
    for camera in ("east", "west"):
        builder.add_device(
            camera,
            application=track,
            connected_to=roof,
            cpu=1.0,
            execute=9.0,
            send=2.0,
            receive=1.0,
            work={"see": 2.0, "find": 6.0},
            input={"see": 1.0},
            output=[0.5, 0.1],
            demand={"memory": [1.0, 2.0]},
            deadline=20.0,
        )
    return builder.build()


instance = cameras()
assert_type(Instance.from_dict(instance.to_dict()), Instance)
assert_type(offloadlib.read(instance.to_dict()), AnyInstance)
known = offloadlib.load("worked-example")
assert isinstance(known, Instance)
again, report = offloadlib.from_tables(**known.to_frames(), name="again")
assert_type(again, Instance)
print(report)

# Own method


def local_search(instance: Instance, budget: Budget[Solution]) -> Result[Solution]:
    """One subtask after the other moves to a random place, if that is cheaper."""
    begun, draw = time.perf_counter(), random.Random(budget.seed)
    best = budget.start or instance.all_local
    cost = instance.evaluate(best).total
    for _ in range(300):
        rows = best.rows(instance)
        row = draw.choice(rows)
        row[draw.randrange(len(row))] = draw.randrange(-1, instance.num_points)
        trial = Solution.from_rows(instance, rows)
        found = instance.evaluate(trial)
        assert_type(found, Evaluation)
        if found.feasible and found.total < cost:
            best, cost = trial, found.total
            if budget.on_progress is not None:
                budget.on_progress(Progress(time.perf_counter() - begun, cost, None))
    return Result.of(instance, best, time.perf_counter() - begun)


def stay(instance: AnyInstance, budget: Budget) -> Solution:
    assert isinstance(instance, Instance)
    return instance.all_local


named = Method("searched", local_search, Family.HEURISTIC, summary="random moves")
result = offloadlib.solve(instance, local_search, time_limit=10)
assert_type(result, Result[Solution])
assert_type(result.solution.to_frame(instance), pd.DataFrame)
frame = offloadlib.compare([instance, "worked-example"], [named, stay, "branch-and-price"], time_limit=10)
summary = offloadlib.summarise(frame)
assert_type(offloadlib.performance_profile(frame), pd.DataFrame)
print(summary[["solved", "mean", "worst"]])

# Own constraint

model = offloadlib.formulate(known, "milp")
model.few = pyo.Constraint(expr=sum(model.used[n] for n in model.POINTS) <= 3)
pyo.SolverFactory("appsi_highs").solve(model)
constrained = offloadlib.read_back(model)
assert_type(constrained, Solution)
assert_type(known.evaluate(constrained), Evaluation)
offloadlib.write_solution(offloadlib.solve(known, start=constrained).stored("milp"), known, "a.sol.json")
assert_type(offloadlib.read_solution("a.sol.json", known).solution, Solution)

# The rest

hybrid = offloadlib.load("hybrid-3x3")
assert isinstance(hybrid, HybridInstance)
assert_type(offloadlib.solve(hybrid, "coordinate-descent"), Result[HybridSolution])
told = offloadlib.explain(known, constrained, time_limit=10)
assert_type(told.to_frame(), pd.DataFrame)
assert_type(offloadlib.library(), pd.DataFrame)
print(replace(result, run={}), known.evaluate(constrained), told, sep="\n")
