"""CP-SAT: the optimum of brute force, bounds that hold whatever is rounded, and runs that stop early."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brute import brute_force, exact_costs
from counts import count, examples
from folders import LIBRARY
from hypothesis import assume, given
from hypothesis import strategies as st
from ortools.sat.python import cp_model
from processes import interrupted_once_running
from reading import library
from strategies import DOCUMENT, changed, documents, feasible_part, instance_of, instances, put, solutions

from offloadlib.formulations.engine.trust import SolverError
from offloadlib.formulations.structured.cp import cpsat, decisions, encoding, places, program
from offloadlib.formulations.structured.cp.encoding import Encoding
from offloadlib.formulations.structured.decomposition.branch_and_price import solve as branch_and_price
from offloadlib.formulations.structured.decomposition.pricing import Prices
from offloadlib.formulations.structured.milp import patterns
from offloadlib.formulations.structured.milp.patterns import undominated
from offloadlib.formulations.structured.search import Search, can_offload
from offloadlib.instances import (
    LOCAL,
    UNLIMITED,
    Budget,
    Instance,
    Progress,
    Result,
    Status,
    Termination,
    evaluate,
)
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.proofs import certify

PAPER_M040 = 16.76428933599401
"""The optimum of paper-m040."""

ENCODINGS = ("decisions", "places", "plain")


@contextmanager
def only(name: str) -> Iterator[None]:
    """With one of the encodings: whole decisions, places with prices, places without."""
    with pytest.MonkeyPatch.context() as patch:
        if name != "decisions":
            patch.setattr(patterns, "obstacle", lambda instance: "not now")
        if name == "plain":
            patch.setattr(cpsat, "_can_be_priced", lambda application: False)
        yield


def solve(instance: Instance, **budget: Any) -> Result:
    return cpsat.solve(instance, Budget(**budget))


# The same optimum ---------------------------------------------------------------------------------


def equals_brute_force(instance: Instance, **budget: Any) -> None:
    optimum, _ = brute_force(instance)
    result = solve(instance, **budget)
    assert result.objective == pytest.approx(optimum, rel=1e-9, abs=1e-12)
    assert result.lower_bound is not None
    assert result.lower_bound <= optimum * (1 + 1e-12)
    assert result.status is Status.OPTIMAL
    assert result.termination is Termination.FINISHED


@pytest.mark.parametrize("name", ENCODINGS)
@examples(1000, 9)
@given(instance=instances())
def test_equals_brute_force(name: str, instance: Instance) -> None:
    with only(name):
        equals_brute_force(instance)


@pytest.mark.parametrize("name", ENCODINGS)
@examples(25)
@given(instance=instances(magnitudes="extreme", max_devices=3, max_subtasks=4))
def test_equals_brute_force_whatever_the_magnitudes(name: str, instance: Instance) -> None:
    with only(name):
        equals_brute_force(instance)


@pytest.mark.parametrize("name", ["decisions", "places"])
@examples(20)
@given(instance=instances())
def test_the_first_program_need_not_be_large_enough(name: str, instance: Instance) -> None:
    """Started with the choices of the incumbent alone, all that are needed come later."""
    with only(name), pytest.MonkeyPatch.context() as patch:
        for kind in (decisions.DecisionEncoding, places.PlaceEncoding):
            patch.setattr(kind, "essential", lambda self: np.empty(0, dtype=np.int64))
        equals_brute_force(instance)


@pytest.mark.parametrize("name", ENCODINGS)
@examples(15)
@given(instance=instances())
def test_equals_brute_force_with_two_threads(name: str, instance: Instance) -> None:
    with only(name):
        equals_brute_force(instance, threads=2)


@pytest.mark.parametrize(
    "name",
    [
        *("paper-m010", "channels-m040", "chain-8-m015", "radio-m025", "series-parallel-20-m012"),
    ],
)
def test_agrees_with_branch_and_price(name: str) -> None:
    instance = library(name)
    ours, theirs = solve(instance), branch_and_price(instance, Budget(time_limit=20))
    assert ours.status is Status.OPTIMAL
    assert ours.objective <= theirs.objective * (1 + 1e-9)
    assert ours.objective >= (theirs.lower_bound or 0.0) * (1 - 1e-12)


@pytest.mark.parametrize("seed", range(count(100, 2)))
def test_agrees_on_many_paper_like_instances(seed: int) -> None:
    devices = 5 + seed % 16
    instance = generate(Setting(devices=devices, offload_points=4, capacity=devices), seed=seed)
    reference = branch_and_price(instance, Budget())
    for name in ("decisions", "places"):
        with only(name):
            result = solve(instance)
        assert result.objective == pytest.approx(reference.objective, rel=2e-9)
        assert result.status is Status.OPTIMAL


def test_nothing_to_offload() -> None:
    alone = changed(put("devices", 0, "connected_to", None), put("devices", 1, "connected_to", None))
    full = changed(put("offload_points", 0, "capacity", 0), put("offload_points", 1, "capacity", 0))
    for document in (alone, full):
        result = solve(instance_of(document))
        assert result.objective == result.lower_bound == pytest.approx(72.77)


# Whole numbers ------------------------------------------------------------------------------------


def encoded(name: str, instance: Instance, cost: float, prices: Prices) -> Encoding:
    if name == "decisions":
        return decisions.DecisionEncoding(instance, cost, prices, lambda: False)
    return places.PlaceEncoding(instance, cost, None if name == "plain" else prices, lambda: False)


@pytest.mark.parametrize("name", ENCODINGS)
@examples(40)
@given(data=st.data())
def test_a_program_never_says_more_than_a_solution_costs(name: str, data: st.DataObject) -> None:
    """In exact arithmetic, with any prices: equation (*), the slack of its choices, and the rounding."""
    document = data.draw(documents(magnitudes=data.draw(st.sampled_from(["moderate", "extreme"]))))
    instance = instance_of(document)
    assume(can_offload(instance))
    solution = feasible_part(instance, data.draw(solutions(instance)))
    linked = instance.devices.connected_to != LOCAL
    costs = exact_costs(document, solution.rows(instance))
    exact = sum((cost.cost for cost, link in zip(costs, linked, strict=True) if link), Fraction(0))
    assume(exact > 0)
    # Prices at which all limits together are worth up to some times the cost.
    share = st.lists(st.floats(0, 2), min_size=instance.num_points, max_size=instance.num_points)
    capacity, channels = instance.points.capacity, instance.points.channels
    each = [float(exact) * np.array(data.draw(share)) / np.maximum(q, 1) for q in (capacity, channels)]
    prices = Prices(each[0], np.where(channels == UNLIMITED, 0.0, each[1]))
    found = encoded(name, instance, float(exact), prices)
    chosen = found.chosen(solution)
    cutoff = math.ceil(float(exact) * found.unit * (1 + 1e-9)) - found.base
    model = program.Program(len(chosen), cutoff)
    found.constrain(model, chosen)
    outcome = model.minimise(
        Budget(),
        gap=0,
        time_limit=math.inf,
        settings=found.settings,
        alone=True,
        report=lambda best, bound, taken: None,
    )
    assert outcome.taken is not None and outcome.taken.all()
    assert (found.slack >= 0).all()
    assert found.base + outcome.lower_bound <= Fraction(found.unit) * exact
    assert found.base + int(found.slack[chosen].max()) <= Fraction(found.unit) * exact
    if name != "decisions":  # where others that use no more may stand for those of the solution
        lost = found.roundings + 4 * encoding.margin(instance) * found.unit * exact
        assert found.base + outcome.lower_bound >= Fraction(found.unit) * exact - Fraction(lost)


def coarse(instance: Instance, monkeypatch: pytest.MonkeyPatch, name: str) -> Search:
    """What is known after a run with few bits."""
    monkeypatch.setattr(encoding, "BITS", 7)
    search = Search(instance, Budget())
    with only(name):
        cpsat._minimise(search)
    return search


@pytest.mark.parametrize("name", ENCODINGS)
def test_to_round_to_nearest_would_be_unsound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of 24 devices costs just over half a unit too much then."""
    application = {"id": "one", "subtasks": ["t"], "edges": []}
    point = {"id": "op", "cpu": 2.0, "capacity": 24, "uplink": 1, "downlink": 1}
    # Local costs 2.65, offloaded 2.65 / 2 = 1.325; the unit is 2.
    device = {"application": "one", "cpu": 1.0, "connected_to": "op", "alpha": 1, "work": [2.65]}
    device |= {"input": [0], "output": [0], "power": {"execute": 0, "send": 0, "receive": 0}}
    document = DOCUMENT | {"applications": [application], "offload_points": [point]}
    document |= {"devices": [{"id": f"ud{m}", **device} for m in range(24)]}
    instance = instance_of(document)
    optimum = 24 * 1.325
    down = coarse(instance, monkeypatch, name)
    assert down.objective == pytest.approx(optimum)
    assert 0.7 * optimum < down.lower_bound <= optimum

    def to_nearest(self: Encoding, costs: Any) -> Any:
        return np.rint(costs * self.unit).astype(np.int64)

    monkeypatch.setattr(Encoding, "_down", to_nearest)
    with pytest.raises(SolverError, match=r"a bound of 36 above a solution of 31\.8"):
        coarse(instance, monkeypatch, name)


def test_floats_in_the_objective_would_be_unsound() -> None:
    """CP-SAT takes them, scales them as it sees fit, and "proves" ten times the optimum of tiny costs."""
    free = {"execute": 0, "send": 0, "receive": 0}
    device = {"id": "ud", "application": "one", "cpu": 1, "connected_to": "op", "alpha": 1, "power": free}
    point = {"id": "op", "cpu": 10, "capacity": 1, "uplink": 1, "downlink": 1}
    document = DOCUMENT | {
        "applications": [{"id": "one", "subtasks": ["t"], "edges": []}],
        "offload_points": [point],
        "devices": [{**device, "work": [1e-9], "input": [0], "output": [0]}],
    }
    instance = instance_of(document)
    listed = undominated(instance)
    model, solver = cp_model.CpModel(), cp_model.CpSolver()
    take = [model.new_bool_var("") for _ in listed.cost]
    model.add_exactly_one(take)
    model.minimize(cp_model.LinearExpr.weighted_sum(take, listed.cost.tolist()))
    solver.parameters.num_workers = 1
    assert solver.solve(model) == cp_model.OPTIMAL  # it claims
    assert solver.best_objective_bound > 9e-10
    for name in ENCODINGS:
        with only(name):
            result = solve(instance)
        assert result.objective == pytest.approx(1e-10, rel=1e-12), name
        assert result.status is Status.OPTIMAL, name


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("largest", [12, 25])
def test_fewer_bits_where_sums_might_not_fit(
    name: str, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (decisions, places):
        monkeypatch.setattr(module, "LARGEST", largest)
    instance = generate(Setting(devices=8, offload_points=3, capacity=5), seed=3)
    optimum, _ = brute_force(instance)
    with only(name):
        result = solve(instance)
    assert result.lower_bound is not None
    assert 0.4 * optimum <= result.lower_bound <= optimum
    assert result.run["unit"] * optimum < 2**largest


def test_a_large_constant_does_not_blur_the_others() -> None:
    """A device without a connection whose cost is a million times that of the others."""
    document = changed(put("devices", 0, "connected_to", None), put("devices", 0, "power", "execute", 1e7))
    instance = instance_of(document)
    others, _ = brute_force(instance_of(changed(put("devices", [DOCUMENT["devices"][1]]))))
    for name in ENCODINGS:
        with only(name):
            result = solve(instance)
        assert evaluate(instance, result.solution).cost[1] == pytest.approx(others, rel=1e-12), name
        assert result.status is Status.OPTIMAL


def test_an_optimum_far_below_the_start_is_found() -> None:
    """All-local costs 2, and a device that offloads all some 1e-9."""
    free = [put("devices", m, "power", {"execute": 12, "send": 0, "receive": 0}) for m in (0, 1)]
    slow = [put("devices", m, "alpha", 1e-9) for m in (0, 1)]
    room = [put("offload_points", 1, "capacity", 10), put("offload_points", 1, "channels", 2)]
    instance = instance_of(changed(*free, *slow, *room, put("cost", "normalise", "local")))
    optimum, _ = brute_force(instance)
    assert optimum < 1e-8
    for name in ENCODINGS:
        with only(name):
            result = solve(instance)
        assert result.objective == pytest.approx(optimum, rel=1e-9), name
        assert result.status is Status.OPTIMAL, name


def test_limits_of_many_places_and_subtasks() -> None:
    """Sums over 3,000 parts of a device's cost still fit."""
    instance = generate(Setting(devices=2, offload_points=10, capacity=60, applications=("chain-150",)))
    with only("plain"):
        result = solve(instance, time_limit=2)
    assert result.lower_bound is not None
    assert 0 < result.lower_bound <= result.objective <= 2


# Running ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("time_limit", [1e-6, 0.05, 0.3])
def test_a_time_limit_leaves_a_valid_bound(name: str, time_limit: float) -> None:
    with only(name):
        result = solve(library("paper-m040"), time_limit=time_limit)
    assert result.termination in (Termination.TIME_LIMIT, Termination.FINISHED)
    assert result.lower_bound is not None
    assert 0 < result.lower_bound <= PAPER_M040 * (1 + 1e-12)
    assert result.objective >= PAPER_M040 * (1 - 1e-12)


@examples(30)
@given(instance=instances(), time_limit=st.floats(1e-4, 0.02))
def test_bounds_hold_whenever_it_stops(instance: Instance, time_limit: float) -> None:
    optimum, _ = brute_force(instance)
    for name in ENCODINGS:
        with only(name):
            result = solve(instance, time_limit=time_limit)
        assert result.lower_bound is not None
        assert result.lower_bound <= optimum * (1 + 1e-12)
        assert result.objective >= optimum * (1 - 1e-12)


@pytest.mark.parametrize("name", ENCODINGS)
def test_all_events_hold(name: str) -> None:
    events: list[Progress] = []
    instance = library("paper-m020")
    known = branch_and_price(instance, Budget()).objective
    with only(name):
        result = solve(instance, on_progress=events.append, time_limit=10)
    assert events
    for event in events:
        assert event.objective is not None and event.lower_bound is not None
        assert event.lower_bound <= known * (1 + 1e-12)
        assert event.objective >= known * (1 - 1e-9)
    assert result.objective <= events[-1].objective * (1 + 1e-9)  # type: ignore[operator]


def test_a_gap_is_a_reason_to_stop() -> None:
    result = solve(library("paper-m070"), gap=0.01)
    assert result.gap is not None and result.gap <= 0.01
    assert result.termination is (
        Termination.FINISHED if result.status is Status.OPTIMAL else Termination.GAP
    )


@examples(20)
@given(instance=instances())
def test_starting_from_the_optimum_stays_there(instance: Instance) -> None:
    optimum, solution = brute_force(instance)
    for name in ENCODINGS:
        with only(name):
            result = solve(instance, start=solution)
        assert result.objective <= optimum * (1 + 1e-12)
        assert result.status is Status.OPTIMAL


def test_a_start_is_the_first_incumbent() -> None:
    instance = library("layered-12-m030")
    start = solve(instance, time_limit=0.5).solution
    events: list[Progress] = []
    result = solve(instance, start=start, time_limit=0.5, on_progress=events.append)
    assert events[0].objective == evaluate(instance, start).total
    assert result.objective <= evaluate(instance, start).total


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ENCODINGS)
def test_the_same_seed_gives_the_same_run(name: str, threads: int) -> None:
    instance = library("paper-m010")
    with only(name):
        first, second = (solve(instance, threads=threads, seed=5, gap=1e-3) for _ in range(2))
    assert first.run == second.run
    assert first.lower_bound == second.lower_bound
    for mine, other in itertools.zip_longest(first.solution.places, second.solution.places):
        assert np.array_equal(mine, other)


def test_an_interrupt_keeps_the_bound() -> None:
    def interrupt(event: Progress) -> None:
        raise KeyboardInterrupt

    result = solve(library("paper-m040"), on_progress=interrupt)
    assert result.termination is Termination.INTERRUPTED
    assert result.lower_bound == pytest.approx(PAPER_M040, rel=1e-6)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_a_callback_that_fails_stops_the_solver(error: type[BaseException]) -> None:
    """Later, while CP-SAT runs in its thread: when it has proven something."""
    instance = library("layered-12-m030")
    simple = simple_bound(instance)

    def fail(event: Progress) -> None:
        if event.time > 0 and event.lower_bound is not None and event.lower_bound > simple:
            raise error

    if error is KeyboardInterrupt:
        result = solve(instance, on_progress=fail, time_limit=100)
        assert result.termination is Termination.INTERRUPTED
        assert result.lower_bound is not None
        assert result.lower_bound > simple
    else:
        with pytest.raises(error):
            solve(instance, on_progress=fail, time_limit=100)


INTERRUPTED = """
import sys
from offloadlib.formulations.structured.cp.cpsat import solve
from offloadlib.instances import Budget, read
from offloadlib.instances.structured.bound import simple_bound
instance = read(sys.argv[1])
simple = simple_bound(instance)
running = False
def tell(event):
    global running
    if not running and event.time > 0 and event.lower_bound > simple:
        print("running", flush=True)
        running = True
result = solve(instance, Budget(time_limit=100, threads=int(sys.argv[2]), on_progress=tell))
print(result.termination, simple < result.lower_bound <= result.objective)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_gives_the_best_so_far(threads: int) -> None:
    said = interrupted_once_running(INTERRUPTED, LIBRARY / "layered-12-m030.json", threads)
    assert said == "interrupted True\n"


def test_its_bound_is_certified(tmp_path: Path) -> None:
    instance = library("paper-m020")
    stored, accepted = certify(instance, solve(instance).stored("cpsat"), tmp_path / "proof.json")
    assert accepted
    assert stored.status is Status.OPTIMAL


def test_the_record_tells_what_rounding_can_have_taken() -> None:
    for name in ENCODINGS:
        with only(name):
            result = solve(instance_of(DOCUMENT))
        assert result.lower_bound is not None
        assert result.objective - result.lower_bound <= result.run["rounding_loss"] + 24.045 * 5e-10
        assert 0 < result.run["rounding_loss"] < 24.045e-10
        assert result.run["encoding"] == ("decisions" if name == "decisions" else "places")
