"""Programs of long tasks: their size, and the time that making them may take."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import assume, given
from strategies import instances

import offloadlib
from offloadlib.formulations.catalogue import FORMULATIONS
from offloadlib.formulations.structured.cp import cpsat
from offloadlib.formulations.structured.cp import program as cp_program
from offloadlib.formulations.structured.milp import arrays, clock, levels, patterns, potentials, size
from offloadlib.formulations.structured.milp.pyomo_run import program_of
from offloadlib.formulations.structured.search import can_offload
from offloadlib.instances import Budget, Instance, Termination, evaluate
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.running import workers


def long_tasks(application: str = "layered-1000", devices: int = 4) -> Instance:
    setting = Setting(devices=devices, offload_points=4, capacity=400, applications=(application,))
    return generate(setting, seed=1)


@examples(20)
@given(instance=instances())
def test_large_joins_change_no_optimum(instance: Instance) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size, "LARGE_JOIN", 1)
        patch.setattr(levels, "_CHUNK", 1)  # and wide diamonds are divided
        for solve in (arrays.solve, potentials.solve):
            result = solve(instance, Budget())
            assert result.objective == pytest.approx(brute_force(instance)[0], rel=1e-9, abs=1e-12)


@examples(20)
@given(instance=instances())
def test_the_size_of_a_program_is_known_before(instance: Instance) -> None:
    assume(can_offload(instance))
    for most in (1, 8):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(size, "LARGE_JOIN", most)
            program = arrays.formulate(instance).program
            theirs, _ = program_of(potentials.model(instance))
            assert theirs.matrix.shape == program.matrix.shape
            patch.setattr(size, "LARGEST", -1.0)
            reason = arrays.obstacle(instance)
            assert reason is not None
            told = int(reason.split("here it has ")[1].split(" variables")[0].replace(",", ""))
            parts = sum(program.matrix.shape)
            assert abs(told - parts) <= 0.3 * parts + 10  # heads, tails, limits and delays are rounded


def test_a_join_of_many_is_written_once() -> None:
    instance = long_tasks("fork-join-200", devices=1)
    program = arrays.formulate(instance).program
    assert program.matrix.nnz < 40 * instance.num_subtasks
    # each of 200 rows of the join would have 400 transfers
    assert np.count_nonzero(size.large_joins(instance.applications[0])) == 1


def test_what_would_take_too_much_memory_does_not_apply() -> None:
    for name in ("milp", "milp-arrays", "milp-bigm", "milp-hull"):
        applies = offloadlib.METHODS[name].applies_to
        reason = applies(long_tasks())
        assert reason is not None
        assert "variables and rows" in reason and "MB" in reason
        assert applies(long_tasks("layered-60")) is None
        assert applies(long_tasks("face", devices=10_000)) is None  # no surprise
    for name in ("milp-arrays", "cpsat"):
        assert offloadlib.METHODS[name].applies_to(long_tasks("chain-1000")) is None
    assert "variables and rows" in (offloadlib.METHODS["cpsat"].applies_to(long_tasks(devices=8)) or "")


@pytest.mark.parametrize("formulation", FORMULATIONS, ids=lambda formulation: formulation.name)
def test_a_model_is_given_up_when_time_is_up(formulation: object) -> None:
    """Whenever that is."""
    instance = long_tasks("face", devices=10)
    for looks in (0, 1, 5, 20, 60):
        seconds = itertools.chain(itertools.repeat(1e9, looks), itertools.repeat(0.0))
        with clock.limited(lambda: next(seconds)), pytest.raises(OutOfTime):  # noqa: B023
            formulation.model(instance)  # type: ignore[attr-defined]
    formulation.model(instance)  # type: ignore[attr-defined]


def test_a_model_that_cannot_be_made_in_time_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise OutOfTime

    monkeypatch.setattr(clock, "check", late)
    instance = long_tasks("face", devices=3)
    result = offloadlib.solve(instance, "milp", time_limit=60)
    assert result.termination is Termination.TIME_LIMIT
    assert evaluate(instance, result.solution).feasible
    assert result.lower_bound is not None
    assert 0 < result.lower_bound < result.objective


@examples(10)
@given(instance=instances())
def test_long_sums_of_cpsat_are_cut(instance: Instance) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cp_program, "LONGEST", 1)
        patch.setattr(patterns, "obstacle", lambda instance: "not now")
        result = cpsat.solve(instance, Budget())
        assert result.objective == pytest.approx(brute_force(instance)[0], rel=2e-9, abs=1e-12)


@pytest.mark.parametrize("looks", [0, 10, 300])
def test_a_program_of_cpsat_is_given_up_when_time_is_up(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    made = cp_program.Program

    def late_program(size: int, cutoff: int, late: object) -> cp_program.Program:
        asked = itertools.count()
        return made(size, cutoff, lambda: next(asked) >= looks)

    monkeypatch.setattr(cpsat, "Program", late_program)
    instance = long_tasks("layered-12", devices=10)
    result = cpsat.solve(instance, Budget(time_limit=60))
    assert result.termination is Termination.TIME_LIMIT
    assert evaluate(instance, result.solution).feasible
    assert result.lower_bound is not None and 0 < result.lower_bound <= result.objective


def test_the_grace_of_a_process_follows_the_size() -> None:
    assert workers.usual_grace(long_tasks("layered-200"), 10.0) == pytest.approx(3.0)
    assert 10.0 <= workers.usual_grace(long_tasks(), 10.0) < 11.0
