"""The reference MILP as arrays: the program that Pyomo makes, the optimum of brute force."""

from __future__ import annotations

import importlib.util
import math
import sys
from typing import Any

import numpy as np
import pytest
from brute import agree, brute_force
from counts import examples
from folders import ROOT
from hypothesis import assume, given
from hypothesis import strategies as st
from processes import python
from reading import library
from scipy.sparse import csr_array
from strategies import changed, instance_of, instances, put, solutions

from offloadlib.formulations.engine.highs import LinearRelaxation, MixedIntegerProgram
from offloadlib.formulations.structured.milp import arrays, potentials
from offloadlib.formulations.structured.milp.pyomo_run import program_of
from offloadlib.formulations.structured.search import can_offload
from offloadlib.instances import Budget, Instance, Progress, Solution, Status, Termination, evaluate

# The same program ---------------------------------------------------------------------------------


def columns_of(instance: Instance, made: arrays.Formulated, variables: list[Any]) -> list[int]:
    """The column of each Pyomo variable in the arrays."""
    number = {id(variable): i for i, variable in enumerate(variables)}
    columns = np.full(len(variables), -1)
    model = variables[0].model()
    for theirs, ours in zip(potentials._columns(instance, model, variables), made.columns, strict=True):
        for name in ("local", "place", "up", "down", "finish", "delay"):
            where, here = getattr(theirs, name).ravel(), getattr(ours, name).ravel()
            assert np.array_equal(where < 0, here < 0), name
            columns[where[where >= 0]] = here[here >= 0]
    for m, name in enumerate(instance.devices.ids):
        if name in model.LIMITED:
            columns[number[id(model.air[name])]] = made.air[m]
        if name in model.REFUSABLE:
            columns[number[id(model.served[name])]] = made.served[m]
    if instance.by_largest:
        columns[number[id(model.largest)]] = len(made.program.cost) - 1
    return columns.tolist()


def canonical(program: MixedIntegerProgram) -> list[tuple[tuple[int, ...], list[float]]]:
    """Its rows as (columns, [lower, upper, *coefficients]), whatever their order and sign."""
    rows = []
    matrix = csr_array(program.matrix)
    matrix.eliminate_zeros()
    matrix.sort_indices()
    for i in range(matrix.shape[0]):
        part = slice(matrix.indptr[i], matrix.indptr[i + 1])
        if part.start == part.stop:
            continue
        low, high = float(program.row_lower[i]), float(program.row_upper[i])
        values = matrix.data[part].tolist()
        if low == -math.inf or (low == high and values[0] < 0):
            low, high, values = -high, -low, [-value for value in values]
        rows.append((tuple(matrix.indices[part].tolist()), [low, high, *values]))
    return sorted(rows)


def same_program(instance: Instance) -> None:
    """The arrays are what Pyomo compiles, but for the order of rows and columns."""
    made = arrays.formulate(instance)
    theirs, variables = program_of(potentials.model(instance))
    columns = columns_of(instance, made, variables)
    ours = made.program
    assert sorted(columns) == list(range(len(ours.cost)))
    for name in ("cost", "lower", "upper"):
        assert getattr(theirs, name) == pytest.approx(getattr(ours, name)[columns], rel=1e-12), name
    assert sorted(columns[i] for i in theirs.integer) == ours.integer.tolist()
    order = np.argsort(columns)
    moved = MixedIntegerProgram(
        theirs.cost[order],
        theirs.lower[order],
        theirs.upper[order],
        ours.integer,
        csr_array(theirs.matrix.tocsc()[:, order]),
        theirs.row_lower,
        theirs.row_upper,
    )
    for ours_row, their_row in zip(canonical(ours), canonical(moved), strict=True):
        assert ours_row[0] == their_row[0]
        assert ours_row[1] == pytest.approx(their_row[1], rel=1e-12)


@examples(500, 12)
@given(instance=instances())
def test_the_program_is_pyomos(instance: Instance) -> None:
    assume(can_offload(instance))
    same_program(instance)


@pytest.mark.parametrize("name", ["paper-m010", "channels-m040", "mixed-m030", "layered-12-m030"])
def test_the_program_of_a_library_instance_is_pyomos(name: str) -> None:
    same_program(library(name))


def test_the_relaxation_is_pyomos() -> None:
    instance = library("paper-m020")
    bounds = []
    for program in (arrays.formulate(instance).program, program_of(potentials.model(instance))[0]):
        relaxation = LinearRelaxation(program)
        relaxation.solve(math.inf)
        bounds.append(relaxation.objective)
    assert bounds[0] == pytest.approx(bounds[1], rel=1e-9)


# The same optimum ---------------------------------------------------------------------------------


def equals_brute_force(instance: Instance) -> None:
    agree(arrays.solve(instance, Budget()), brute_force(instance)[0])


@examples(500, 12)
@given(instance=instances())
def test_equals_brute_force(instance: Instance) -> None:
    equals_brute_force(instance)


@pytest.mark.parametrize("name", ["paper-m010", "paper-m020"])
def test_agrees_with_pyomo(name: str) -> None:
    instance = library(name)
    ours, theirs = arrays.solve(instance, Budget()), potentials.solve(instance, Budget())
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-9)
    assert ours.status is theirs.status is Status.OPTIMAL
    assert ours.run["variables"] == theirs.run["variables"]


@given(data=st.data())
def test_decisions_survive_the_program(data: st.DataObject) -> None:
    instance = data.draw(instances())
    assume(can_offload(instance))
    solution = data.draw(solutions(instance))
    usable = instance.points.capacity > 0
    assume(all(usable[places[places >= 0]].all() for places in solution.places))
    made = arrays.formulate(instance)
    columns, given_values = arrays.encode(instance, made, solution)
    values = np.zeros(len(made.program.cost))
    values[columns] = given_values
    back = arrays.decode(instance, made, values)
    assert back.rows(instance) == solution.rows(instance)


# Edges --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        [put("devices", 0, "connected_to", None), put("devices", 1, "connected_to", None)],
        [put("offload_points", 0, "capacity", 0), put("offload_points", 1, "capacity", 0)],
    ],
    ids=["nobody is connected", "no capacity"],
)
def test_nothing_can_be_offloaded(change: list[Any]) -> None:
    instance = instance_of(changed(*change))
    result = arrays.solve(instance, Budget())
    assert result.status is Status.OPTIMAL
    assert result.objective == evaluate(instance, Solution.all_local(instance)).total


def test_one_device_is_not_connected() -> None:
    instance = instance_of(changed(put("devices", 0, "connected_to", None)))
    equals_brute_force(instance)
    same_program(instance)


def test_a_time_limit_leaves_a_valid_bound() -> None:
    instance = library("paper-m100")
    events: list[Progress] = []
    result = arrays.solve(instance, Budget(time_limit=0.5, on_progress=events.append))
    assert result.termination in (Termination.TIME_LIMIT, Termination.FINISHED)
    assert result.lower_bound is not None
    assert result.lower_bound <= 66.78380599557579 * (1 + 1e-9) <= result.objective * (1 + 2e-9)
    for event in events:
        assert event.objective is not None and event.lower_bound is not None
        assert event.lower_bound <= 66.78380599557579 * (1 + 1e-9) <= event.objective * (1 + 2e-9)


def test_pyomo_stays_out() -> None:
    code = "import sys, offloadlib.formulations.structured.milp.arrays; sys.exit('pyomo' in sys.modules)"
    assert python(code).returncode == 0


@pytest.mark.slow
def test_handing_over_is_ten_times_faster() -> None:
    path = ROOT / "benchmarks" / "handover.py"
    specification = importlib.util.spec_from_file_location("handover", path)
    assert specification is not None and specification.loader is not None
    handover = importlib.util.module_from_spec(specification)
    sys.modules["handover"] = handover
    specification.loader.exec_module(handover)
    measured = handover.measure(1000)
    assert measured.binaries == 55_000
    assert measured.ratio >= 10
