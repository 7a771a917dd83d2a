"""Models of one's own: the optimum with constraints that are added, against enumeration with the same."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import pyomo.environ as pyo
import pytest
from counts import examples
from folders import LIBRARY
from hypothesis import given
from hypothesis import strategies as st
from reading import library, read_hybrid

import offloadlib
from offloadlib.formulations.catalogue import FORMULATIONS
from offloadlib.instances import Evaluation, InputError, Instance, Solution, exact
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.model import REFUSED

NAMES = [formulation.name for formulation in FORMULATIONS]

Kept = Callable[[Instance, Solution, Evaluation], bool]


def minimised(model: Any) -> Solution | None:
    """The solution of a model, None if it has none; its objective is the cost."""
    solver = pyo.SolverFactory("appsi_highs")
    options = {"mip_rel_gap": 0.0, "mip_abs_gap": 0.0, "mip_feasibility_tolerance": 1e-9}
    found = solver.solve(model, load_solutions=False, options=options)
    if found.solver.termination_condition == pyo.TerminationCondition.infeasible:
        return None
    model.solutions.load_from(found)
    stated = pyo.value(model.cost)
    solution = offloadlib.read_back(model)
    assert stated == pytest.approx(model.instance.evaluate(solution).total, rel=1e-6, abs=1e-9)
    return solution


_KEPT: dict[str, list[tuple[Solution, Evaluation]]] = {}


def everything(instance: Instance) -> list[tuple[Solution, Evaluation]]:
    """Every decision that keeps the limits; for each formulation the same instances are drawn."""
    if instance.fingerprint not in _KEPT:
        _KEPT[instance.fingerprint] = list(_enumerated(instance))
    return _KEPT[instance.fingerprint]


def _enumerated(instance: Instance) -> Iterator[tuple[Solution, Evaluation]]:
    points = range(-1, instance.num_points)
    menus = []
    for m in range(instance.num_devices):
        size = len(Solution.all_local(instance).rows(instance)[m])
        menu: list[tuple[int, ...]] = list(itertools.product(points, repeat=size))
        if not math.isnan(instance.devices.rejection[m]):
            menu.append((REFUSED,) * size)
        menus.append(menu)
    for rows in itertools.product(*menus):
        solution = Solution.from_rows(instance, rows)
        evaluation = instance.evaluate(solution)
        if evaluation.feasible:
            yield solution, evaluation


def agree(instance: Instance, model: Any, kept: Kept) -> None:
    """The model's optimum is the least cost of the decisions that keep what was added."""
    costs = [(found.total, each) for each, found in everything(instance) if kept(instance, each, found)]
    least = min((cost for cost, _ in costs), default=math.inf)
    near = [each for cost, each in costs if cost <= least + 1e-6 * (1 + abs(least))]
    best = min((exact.cost(instance, each) for each in near), default=math.inf)
    found = minimised(model)
    assert (found is None) == math.isinf(best)
    if found is not None:
        assert kept(instance, found, instance.evaluate(found))
        assert exact.cost(instance, found) == pytest.approx(best, rel=1e-7, abs=1e-9)


alphas = st.sampled_from([(0.0, 0.0), (1.0, 1.0), (0.2, 0.8)])


@st.composite
def small(draw: st.DrawFn, /, **narrowed: Any) -> Instance:
    """Two devices of three subtasks, two points."""
    setting: dict[str, Any] = {
        "devices": 2,
        "offload_points": 2,
        "capacity": draw(st.integers(1, 3)),
        "applications": ("layered-3",),
        "alpha": draw(alphas),
        "normalise": draw(st.sampled_from(["none", "local"])),
        **narrowed,
    }
    return generate(Setting(**setting), seed=draw(st.integers(0, 10**6)))


# What is added ------------------------------------------------------------------------------------


def budget_of_a_region(model: Any, instance: Instance, most: float) -> Kept:
    """The first point has 1 for each subtask to spend, and 1/2 more for each of the last device's."""
    last, point = instance.devices.ids[-1], instance.points.ids[0]
    prices = {(m, k): 1.5 if m == last else 1.0 for m, k in model.SUBTASKS}
    spent = sum(prices[m, k] * model.place[m, k, point] for m, k in model.SUBTASKS)
    model.budget = pyo.Constraint(expr=spent <= most)

    def kept(instance: Instance, solution: Solution, found: Evaluation) -> bool:
        rows = solution.rows(instance)
        used = [1.5 if m == len(rows) - 1 else 1.0 for m, row in enumerate(rows) for n in row if n == 0]
        return math.fsum(used) <= most

    return kept


def apart(model: Any, instance: Instance) -> Kept:
    """The two devices share no point: z tells which of them may use it."""
    first = instance.devices.ids[0]
    model.z = pyo.Var(model.POINTS, domain=pyo.Binary)
    model.apart = pyo.ConstraintList()
    for m, k, n in model.place:
        mine = model.z[n] if m == first else 1 - model.z[n]
        model.apart.add(model.place[m, k, n] <= mine)

    def kept(instance: Instance, solution: Solution, found: Evaluation) -> bool:
        one, other = ({n for n in row if n >= 0} for row in solution.rows(instance))
        return not one & other

    return kept


def fast_and_frugal(model: Any, instance: Instance, seconds: float, millijoules: float) -> Kept:
    """A deadline of the first device, and an energy budget of both together."""
    first = instance.devices.ids[0]
    model.deadline = pyo.Constraint(expr=model.device_delay[first] <= seconds)
    spent = sum(model.device_energy[m] for m in model.DEVICES)
    model.frugal = pyo.Constraint(expr=spent <= millijoules)

    def kept(instance: Instance, solution: Solution, found: Evaluation) -> bool:
        late = found.delay[0] > seconds * (1 + 1e-7)
        return not late and math.fsum(found.energy.tolist()) <= millijoules * (1 + 1e-7)

    return kept


@pytest.mark.parametrize("name", NAMES)
@examples(40)
@given(instance=small(), most=st.integers(0, 4))
def test_a_budget_of_a_region_and_a_pair_apart(name: str, instance: Instance, most: float) -> None:
    model = offloadlib.formulate(instance, name)
    kept = [budget_of_a_region(model, instance, most), apart(model, instance)]
    agree(instance, model, lambda *decided: all(each(*decided) for each in kept))


@pytest.mark.parametrize("name", NAMES)
@examples(40)
@given(instance=small(), tight=st.floats(0.4, 1.1))
def test_delays_and_energies_hold_for_any_weights(name: str, instance: Instance, tight: float) -> None:
    """Also where delay, or energy, costs nothing."""
    model = offloadlib.formulate(instance, name)
    local = instance.evaluate(instance.all_local)
    limits = tight * float(local.delay[0]), tight * float(local.energy.sum())
    agree(instance, model, fast_and_frugal(model, instance, *limits))


FORMAT_2 = [formulation.name for formulation in FORMULATIONS if len(formulation.supports) > 2]


@pytest.mark.parametrize("name", FORMAT_2)
@examples(40)
@given(
    instance=small(
        resources=("memory",), room=(2.0, 6.0), deadline=(0.6, 1.1), rejection=(0.5, 2.0), normalise="local"
    ),
    most=st.integers(0, 4),
)
def test_format_2(name: str, instance: Instance, most: float) -> None:
    model = offloadlib.formulate(instance, name)
    assert set(model.REFUSABLE) == set(instance.devices.ids)
    agree(instance, model, budget_of_a_region(model, instance, most))


@examples(40)
@given(instance=small(unconnected=0.5, channels=1))
def test_every_device_is_in_the_model(instance: Instance) -> None:
    """Also one that cannot offload: the objective is F, without any constant left out."""
    if (instance.devices.connected_to < 0).all():
        return
    model = offloadlib.formulate(instance)
    assert list(model.DEVICES) == list(instance.devices.ids)
    agree(instance, model, lambda *decided: True)


def test_expressions_have_the_values_of_the_evaluation() -> None:
    instance = library("paper-m005")
    model = offloadlib.formulate(instance)
    solution = minimised(model)
    assert solution is not None
    found = instance.evaluate(solution)
    for i, m in enumerate(instance.devices.ids):
        assert pyo.value(model.device_delay[m]) == found.delay[i]
        assert pyo.value(model.device_energy[m]) == pytest.approx(found.energy[i], rel=1e-12)
        assert pyo.value(model.device_cost[m]) == pytest.approx(found.cost[i], rel=1e-12)
    assert [pyo.value(model.used[n]) for n in instance.points.ids] == found.used.tolist()
    assert pyo.value(model.cost) == pytest.approx(found.total, rel=1e-12)


def test_another_objective() -> None:
    """The least energy within the delays of the cheapest solution."""
    instance = library("worked-example")
    model = offloadlib.formulate(instance)
    cheapest = minimised(model)
    assert cheapest is not None
    most = float(instance.evaluate(cheapest).delay.sum())
    model.cost.deactivate()
    model.slow = pyo.Constraint(expr=sum(model.device_delay[m] for m in model.DEVICES) <= 1.2 * most)
    model.energy_alone = pyo.Objective(expr=sum(model.device_energy[m] for m in model.DEVICES))
    pyo.SolverFactory("appsi_highs").solve(model)
    found = instance.evaluate(offloadlib.read_back(model))
    least = min(
        evaluation.energy.sum()
        for evaluation in map(instance.evaluate, everything_of_the_worked_example(instance))
        if evaluation.delay.sum() <= 1.2 * most
    )
    assert found.energy.sum() == pytest.approx(least)


def everything_of_the_worked_example(instance: Instance) -> Iterator[Solution]:
    """All decisions with at most the five places that there are."""
    rows = list(itertools.product((-1, 0, 1), repeat=5))
    for first, second in itertools.product(rows, repeat=2):
        places = [*first, *second]
        if places.count(0) <= 3 and places.count(1) <= 2:
            yield Solution.from_rows(instance, [first, second])


# What read_back refuses ---------------------------------------------------------------------------


@pytest.fixture
def solved() -> Any:
    model = offloadlib.formulate(library("worked-example"))
    pyo.SolverFactory("appsi_highs").solve(model)
    return model


def test_a_model_without_values() -> None:
    model = offloadlib.formulate(library("worked-example"))
    with pytest.raises(InputError, match="has no value: the model must be solved first"):
        offloadlib.read_back(model)
    with pytest.raises(InputError, match="takes a model that formulate has made"):
        offloadlib.read_back(pyo.ConcreteModel())


def test_decisions_that_are_none(solved: Any) -> None:
    m, k = next(iter(solved.SUBTASKS))
    n = next(iter(solved.POINTS))
    solved.local[m, k].set_value(0.5)
    with pytest.raises(InputError, match=r"local\[ud1,t1\]: must be whole, not 0.5"):
        offloadlib.read_back(solved)
    solved.local[m, k].set_value(1)
    solved.place[m, k, n].set_value(1)
    with pytest.raises(InputError, match=r"the subtask needs one place, and has local\[ud1,t1\], place"):
        offloadlib.read_back(solved)


def test_a_limit_that_was_taken_out_is_one_of_the_instance() -> None:
    model = offloadlib.formulate(library("worked-example"))
    model.capacity.deactivate()
    pyo.SolverFactory("appsi_highs").solve(model)
    with pytest.raises(InputError, match="breaks a limit: capacity of 'op2': 10 used"):
        offloadlib.read_back(model)


def test_a_constraint_that_does_not_hold(solved: Any) -> None:
    """It was added after the solve, or wants a delay to be large, which is the model's own to choose."""
    solved.none = pyo.Constraint(expr=sum(solved.used[n] for n in solved.POINTS) <= 1)
    solved.slow = pyo.Constraint(expr=solved.device_delay["ud1"] >= 1000)
    solved.fine = pyo.Constraint(expr=solved.device_delay["ud1"] <= 1000)
    with pytest.raises(InputError, match=r"none: is 5.*must be at most 1") as error:
        offloadlib.read_back(solved)
    assert "slow: is " in str(error.value) and "must be at least 1000" in str(error.value)
    assert "fine" not in str(error.value)


def test_what_cannot_be_formulated() -> None:
    hybrid = read_hybrid(LIBRARY / "hybrid-3x3.json")
    with pytest.raises(InputError, match="is for structured instances, not hybrid ones"):
        offloadlib.formulate(hybrid)
    with pytest.raises(InputError, match="formulation: 'mlip' is not known; did you mean milp"):
        offloadlib.formulate(library("worked-example"), "mlip")
    late = generate(Setting(devices=2, deadline=(1.0, 1.0)), seed=1)
    with pytest.raises(InputError, match="milp-hull: knows no deadlines"):
        offloadlib.formulate(late, "milp-hull")
