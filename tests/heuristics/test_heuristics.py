"""Every heuristic on random instances, and each algorithm step by step with numbers worked out by hand."""

from __future__ import annotations

import contextlib
import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from brute import brute_force
from counts import examples
from hypothesis import given
from hypothesis import strategies as st
from numba import njit
from reading import read_structured
from strategies import DOCUMENT, instance_of, instances, solutions

import offloadlib
from offloadlib.best_known import library
from offloadlib.check import check
from offloadlib.heuristics.structured import gaod, genes, gsod, gsod_heap, heft
from offloadlib.heuristics.structured import improve as improving
from offloadlib.heuristics.structured.genes import GaodParameters
from offloadlib.heuristics.structured.improve import improve
from offloadlib.instances import (
    LOCAL,
    Budget,
    InputError,
    Instance,
    Progress,
    Result,
    Solution,
    Termination,
    evaluate,
    write,
    write_solution,
)
from offloadlib.instances.arrays import Ints
from offloadlib.instances.compiled import read_only
from offloadlib.instances.structured import flat
from offloadlib.instances.structured.cost import subtask_costs
from offloadlib.instances.structured.flat import flat_places, flat_tasks, solution_of, subtask_starts
from offloadlib.instances.structured.generate import Setting, generate
from offloadlib.instances.structured.sides import heaviest_path
from offloadlib.methods import Family
from offloadlib.registry import METHODS

pytestmark = pytest.mark.filterwarnings("ignore:.* ignores seed")

HEURISTICS = [
    name
    for name, method in METHODS.items()
    if method.family is Family.HEURISTIC
    and "structured" in method.kinds
    and str(method.function).startswith("offloadlib.heuristics.")
]

# Subroutines are for kernels alone; these are the same, for Python.
SUBROUTINES: tuple[Any, ...] = (
    *(flat.both_sides, flat.device_cost),
    *(gaod.another_place, genes.complements, genes.cross, genes.drawn, gaod.repair),
)
both_sides, device_cost, another_place, complements, cross, drawn, repair = (
    njit(subroutine.py_func) for subroutine in SUBROUTINES
)


def same(one: Result, other: Result) -> bool:
    return all(map(np.array_equal, one.solution.places, other.solution.places))


def holds(name: str, instance: Instance, folder: Any) -> None:
    """Feasible, accepted by the checker, never better than the optimum, and the same again."""
    result = offloadlib.solve(instance, name, seed=3)
    assert evaluate(instance, result.solution).feasible
    optimum, _ = brute_force(instance)
    assert result.objective >= optimum * (1 - 1e-12) - 1e-12
    files = folder / "instance.json", folder / "solution.json"
    write(instance, files[0])
    write_solution(result.stored(name), instance, files[1])
    verdict = check(*files)
    assert verdict.accepted, [rule for rule in verdict.rules if not rule.ok]
    assert same(result, offloadlib.solve(instance, name, seed=3))


@pytest.mark.parametrize("name", HEURISTICS)
@examples(500, 2)
@given(instance=instances())
def test_on_random_instances(name: str, tmp_path_factory: pytest.TempPathFactory, instance: Instance) -> None:
    holds(name, instance, tmp_path_factory.getbasetemp())


# The tasks in a row.


@examples(60)
@given(data=st.data())
def test_costs_in_a_row_are_those_of_the_cost_model(data: st.DataObject) -> None:
    instance = data.draw(instances())
    solution = data.draw(solutions(instance))
    tasks, places = flat_tasks(instance), flat_places(instance, solution)
    assert all(map(np.array_equal, solution_of(instance, places).places, solution.places))
    expected = evaluate(instance, solution).cost
    for m in range(instance.num_devices):
        row = places[tasks.start[m] : tasks.start[m + 1]]
        cost = device_cost(tasks, m, row, instance.points.cpu, np.empty(len(row)), np.empty(len(row)))
        assert cost == pytest.approx(expected[m], rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("name", HEURISTICS)
def test_an_instance_from_another_process(name: str) -> None:
    """Its arrays are no longer read-only, which compiled kernels tell apart."""
    result = offloadlib.solve(pickle.loads(pickle.dumps(worked())), name)
    assert same(result, offloadlib.solve(worked(), name))


# GAOD by hand. Device ud1 of the worked example (docs/theory/problem.md): alpha 0.5, w = (1, 2, 2.5, 1.5, 1),
# speed 1 with 12 mW, uplink 0.5 at 1.5 mW, downlink 0.8 at 3 mW, outputs (0.2, 0.3, 0.1, 0.1, 0.05).

ONE = np.array([LOCAL, 0, 0, 1, LOCAL])
"""f = 0.5 (g + e): (1 + 12)/2 = 6.5; (2/2 + 0.2/0.5 + 0.4*1.5)/2 = 1; (2.5/2)/2 = 0.625; (1.5/2.5)/2 = 0.3;
(1 + 0.25 + 12 + 0.25*3)/2 = 7. G = 1 + 1.4 + 1.25 + 1.25 = 4.9, E = 25.35: F = 15.125."""

TWO = np.array([1, LOCAL, LOCAL, LOCAL, LOCAL])
"""t1 sends its input in 0.4/0.5 s: (1/2.5 + 0.8 + 0.8*1.5)/2 = 1.2; t2 fetches 0.2/0.8 s:
(2 + 0.25 + 24 + 0.25*3)/2 = 13.5; then (2.5 + 30)/2 = 16.25; (1.5 + 18)/2 = 9.75; (1 + 12)/2 = 6.5.
G = 1.2 + 2.25 + 2.5 + 1 = 6.95, E = 1.2 + 24.75 + 30 + 18 + 12 = 85.95: F = 46.45."""

CHILD = [1, 0, 0, 1, LOCAL]
"""Gene by gene the lesser of 6.5 and 1.2, 1 and 13.5, 0.625 and 16.25, 0.3 and 9.75, 7 and 6.5 (figure 5)."""


def worked() -> Instance:
    return instance_of(DOCUMENT)


def costed(row: Any) -> tuple[float, Any]:
    instance, fitness = worked(), np.empty(5)
    cost = device_cost(flat_tasks(instance), 0, row, instance.points.cpu, np.empty(5), fitness)
    return cost, fitness


def test_gaod_fitness_and_crossover_by_hand() -> None:
    one, genes_one = costed(ONE)
    two, genes_two = costed(TWO)
    assert one == pytest.approx(15.125)
    assert two == pytest.approx(46.45)
    assert genes_one.tolist() == pytest.approx([6.5, 1, 0.625, 0.3, 7])
    assert genes_two.tolist() == pytest.approx([1.2, 13.5, 16.25, 9.75, 6.5])
    child = np.empty(5, dtype=np.int64)
    cross(ONE, genes_one, TWO, genes_two, child)
    assert child.tolist() == CHILD
    cross(TWO, genes_two, TWO, genes_two, child)  # ties: the first parent's genes
    assert child.tolist() == TWO.tolist()


def test_gaod_selection_by_hand() -> None:
    """F = (1, 2, 5): 1 - F/8 = (7, 6, 3)/8, in all 2; so the probabilities are (7, 6, 3)/16."""
    weights = np.empty(3)
    complements(np.array([1.0, 2.0, 5.0]), weights)
    assert weights.tolist() == [7 / 8, 6 / 8, 3 / 8]
    sixteenths = [drawn(weights, (i + 0.5) / 16) for i in range(16)]
    assert sixteenths == [0] * 7 + [1] * 6 + [2] * 3
    # One individual: 1 - F/F = 0 of a sum of 0; and individuals that cost nothing: all alike.
    complements(np.array([4.0]), weights[:1])
    assert drawn(weights[:1], 0.9) == 0
    complements(np.zeros(3), weights)
    assert [drawn(weights, u) for u in (0.3, 0.4, 0.7)] == [0, 1, 2]


def test_gaod_mutation_by_hand() -> None:
    """Of ONE: f = (6.5, 1, 0.625, 0.3, 7), in all 15.425, so the shares end at 0.421, 0.486, 0.527, 0.546, 1.

    Formula (8) as printed: 1 - f/15.425 = (0.5786, 0.9352, 0.9595, 0.9806, 0.5462), in all 4; the shares
    end at 0.1447, 0.3785, 0.6183, 0.8634, 1: thrifty genes mutate more.
    """
    _, genes = costed(ONE)
    numbers = (0.42, 0.43, 0.49, 0.54, 0.55)
    assert [drawn(genes, u) for u in numbers] == [0, 1, 2, 3, 4]
    literal = np.empty(5)
    complements(genes, literal)
    assert literal.sum() == pytest.approx(4)
    assert [drawn(literal, u) for u in (0.14, 0.15, 0.38, 0.62, 0.87)] == [0, 1, 2, 3, 4]
    # From point 1, with room at 0 and 2 and at home: three places. At home: only 0 and 2.
    room = np.array([1, 1, 2])
    assert [another_place(1, room, u) for u in (0.3, 0.5, 0.7)] == [LOCAL, 0, 2]
    assert [another_place(LOCAL, np.array([1, 0, 2]), u) for u in (0.4, 0.6)] == [0, 2]
    assert another_place(LOCAL, np.zeros(2, dtype=np.int64), 0.5) == LOCAL


def test_gaod_repair_by_hand() -> None:
    """CHILD has t1 and t4 at op2, whose only place t1 keeps. At home t4 would fetch 0.3/0.8 s:
    (1.5 + 0.375 + 18 + 0.375*3)/2 = 10.5; at op1, if it has room beside t2 and t3, (1.5/2)/2 = 0.375."""
    instance, room = worked(), np.empty(2, dtype=np.int64)
    for left, expected, rest in (
        ([3, 1], [1, 0, 0, 0, LOCAL], [0, 0]),
        ([2, 1], [1, 0, 0, LOCAL, LOCAL], [0, 0]),
        ([1, 2], [1, 0, LOCAL, 1, LOCAL], [0, 0]),
        ([3, 2], CHILD, [1, 0]),
    ):
        row = np.array(CHILD)
        repair(flat_tasks(instance), 0, row, instance.points.cpu, np.array(left), room)
        assert row.tolist() == expected
        assert room.tolist() == rest


def literal_gaod(instance: Instance, seed: int, given: GaodParameters) -> list[list[int]]:
    """Algorithm 2 written out, for one application; costs from the cost model, draws as documented."""
    (term,) = instance.terms
    cpu, size = instance.points.cpu, term.local.shape[1]
    left, rows = instance.points.capacity.tolist(), [[LOCAL] * size for _ in range(instance.num_devices)]
    random = np.random.default_rng(seed)

    def costs(m: int, row: list[int]) -> tuple[float, list[float]]:
        places = np.full(term.local.shape, LOCAL, dtype=np.int32)
        places[m] = row
        delay, energy = subtask_costs(instance, term, places)
        a, b = term.delay_weight[m], term.energy_weight[m]
        return (
            float(a * heaviest_path(term.group, delay)[m] + b * energy[m].sum()),
            (a * delay[m] + b * energy[m]).tolist(),
        )

    def spin(weights: list[float], number: float) -> int:
        ends = list(itertools.accumulate(weights))
        return next(i for i, end in enumerate(ends) if number * ends[-1] < end)

    def others(row: list[int], k: int) -> list[int]:
        free = [n for n in range(len(cpu)) if n != row[k] and row.count(n) < left[n]]
        return free if row[k] == LOCAL else [LOCAL, *free]

    for m in random.permutation(instance.num_devices).tolist():
        if not any(left):
            break
        people = []
        for _ in range(given.population):
            row = [LOCAL] * size
            for k in range(size):
                free = [LOCAL, *(n for n in range(len(cpu)) if row.count(n) < left[n])]
                row[k] = free[int(random.random() * len(free))]
            people.append(row)
        best, least, since = people[0], np.inf, 0
        for generation in range(given.iterations + 1):
            found = [costs(m, row) for row in people]
            since += 1
            for row, (cost, _) in zip(people, found, strict=True):
                if cost < least:
                    best, least, since = row, cost, 0
            if generation == given.iterations or since == given.patience:
                break
            total, children = sum(cost for cost, _ in found), []
            for _ in people:
                weights = [1 - cost / total for cost, _ in found]
                i, j = spin(weights, random.random()), spin(weights, random.random())
                if random.random() < given.crossover:
                    child = [
                        people[i][k] if found[i][1][k] <= found[j][1][k] else people[j][k]
                        for k in range(size)
                    ]
                else:
                    child = list(people[i] if found[i][0] <= found[j][0] else people[j])
                kept, homeless = [LOCAL] * size, []
                for k in range(size):
                    if child[k] == LOCAL or kept.count(child[k]) < left[child[k]]:
                        kept[k] = child[k]
                    else:
                        homeless.append(k)
                child = kept
                for k in homeless:
                    choices = [LOCAL, *(n for n in range(len(cpu)) if child.count(n) < left[n])]
                    child[k] = min(choices, key=lambda n: costs(m, [*child[:k], n, *child[k + 1 :]])[1][k])
                if random.random() < given.mutation:
                    genes = costs(m, child)[1]
                    if given.literal_mutation:
                        genes = [1 - gene / sum(genes) for gene in genes]
                    k = spin(genes, random.random())
                    number, free = random.random(), others(child, k)
                    if free:
                        child[k] = free[int(number * len(free))]
                children.append(child)
            people = children
        rows[m] = best
        for n in best:
            if n != LOCAL:
                left[n] -= 1
    return rows


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_gaod_equals_the_literal_algorithm(seed: int, literal: bool) -> None:
    instance = generate(Setting(devices=4, offload_points=3, capacity=4), seed=seed)
    given = GaodParameters(6, 15, mutation=0.4, patience=8, literal_mutation=literal)
    rows = gaod.solve(instance, Budget(seed=seed), given).solution.rows(instance)
    assert rows == literal_gaod(instance, seed, given)


def test_gaod_parameters() -> None:
    assert GaodParameters() == GaodParameters(30, 325, 0.8, 0.1, 100, False)
    with pytest.raises(InputError) as error:
        GaodParameters(population=0, iterations=-1, crossover=1.5, mutation=float("nan"), patience=0)
    for name in ("population", "iterations", "crossover", "mutation", "patience"):
        assert name in str(error.value)


def test_gaod_stops_where_it_no_longer_improves() -> None:
    """One device and one point: some of 30 random individuals is best, or the next generations have it."""
    instance = generate(Setting(devices=1, offload_points=1), seed=0)
    patient = gaod.solve(instance, Budget())
    assert 100 <= patient.run["generations"] < 325
    assert gaod.solve(instance, Budget(), GaodParameters(patience=1000)).run["generations"] == 325
    assert gaod.solve(instance, Budget(), GaodParameters(iterations=0)).run["generations"] == 0
    assert patient.objective == pytest.approx(brute_force(instance)[0])


# GSOD with a heap.


def chains(*devices: dict[str, Any], points: list[dict[str, Any]]) -> Instance:
    """Devices with chains of subtasks: speed 1 and 1 mW, radio for free but 1 s a Mbit, alpha 0.5."""
    sizes = sorted({len(device["work"]) for device in devices})
    applications = [
        {
            "id": f"chain {size}",
            "subtasks": [f"t{k}" for k in range(size)],
            "edges": [[f"t{k}", f"t{k + 1}"] for k in range(size - 1)],
        }
        for size in sizes
    ]
    common = {
        "cpu": 1.0,
        "power": {"execute": 1, "send": 0, "receive": 0},
        "connected_to": "p0",
        "alpha": 0.5,
    }
    return instance_of(
        {
            "format": "offloadlib-instance",
            "version": 1,
            "kind": "structured",
            "name": "chains",
            "cost": {"normalise": "none"},
            "applications": applications,
            "offload_points": [
                {"id": f"p{n}", "uplink": 1.0, "downlink": 1.0, **point} for n, point in enumerate(points)
            ],
            "devices": [
                {"id": f"d{m}", "application": f"chain {len(device['work'])}", **common, **device}
                for m, device in enumerate(devices)
            ],
        }
    )


def two_chains() -> Instance:
    return chains(
        {"work": [8.0, 8.0], "input": [2.0, 0.0], "output": [4.0, 0.0]},
        {"work": [4.0, 4.0], "input": [1.0, 0.0], "output": [1.0, 0.0]},
        points=[{"cpu": 4.0, "capacity": 2}],
    )


def test_one_heap_update_by_hand() -> None:
    """Keys at first: d0 8 - (2 + 8/4)/2 = 6, d1 4 - (1 + 4/4)/2 = 3. So d0's t0 goes to the point, and
    d0 comes back under t1: at home (8 + 8 + 4)/2 = 10, away (8/4)/2 = 1, key 9. That is above 3, so t1 takes
    the last place. In layers, each device gets one: t0 of d0 and t0 of d1."""
    instance = two_chains()
    result = gsod_heap.solve_difference(instance, Budget())
    assert result.solution.rows(instance) == [[0, 0], [LOCAL, LOCAL]]
    assert result.objective == (2 + 2 + 2) / 2 + 8
    layers = gsod.solve_difference(instance, Budget())
    assert layers.solution.rows(instance) == [[0, LOCAL], [0, LOCAL]]


def test_heap_by_ratio_by_hand() -> None:
    """w/(d^i + d^o): t0 8/6 and 4/2, t1 infinite for both, without data. So d1's t0 and t1 go first."""
    instance = two_chains()
    result = gsod_heap.solve_ratio(instance, Budget())
    assert result.solution.rows(instance) == [[LOCAL, LOCAL], [0, 0]]


def test_a_key_that_fell_by_hand() -> None:
    """One subtask each; p0 is fast (4) and p1 slow (1), with a place each. Keys: d0 10 - 10/4/2 = 8.75,
    d1 8 - (8/4 + 4)/2 = 5, d2 5 - 5/4/2 = 4.375. d0 takes p0. Then d1 is on top with 5, but at p1 it would
    gain 8 - (8 + 4)/2 = 2, and d2 gains 5 - 5/2 = 2.5: d2 goes next, and takes p1."""
    instance = chains(
        {"work": [10.0], "input": [0.0], "output": [0.0]},
        {"work": [8.0], "input": [4.0], "output": [0.0]},
        {"work": [5.0], "input": [0.0], "output": [0.0]},
        points=[{"cpu": 4.0, "capacity": 1}, {"cpu": 1.0, "capacity": 1}],
    )
    result = gsod_heap.solve_difference(instance, Budget())
    assert result.solution.rows(instance) == [[0], [LOCAL], [1]]


def test_heap_ties_keep_file_order() -> None:
    twin = {"work": [4.0], "input": [1.0], "output": [0.0]}
    instance = chains(twin, twin, twin, points=[{"cpu": 4.0, "capacity": 1}, {"cpu": 4.0, "capacity": 1}])
    for method in (gsod_heap.solve_difference, gsod_heap.solve_ratio):
        assert method(instance, Budget()).solution.rows(instance) == [[0], [1], [LOCAL]]


def literal_heap(instance: Instance, by_ratio: bool) -> list[list[int]]:
    """Section 4.3.4 without a heap: look at the key of every device before each decision."""
    tasks, cpu = flat_tasks(instance), instance.points.cpu
    left, air = instance.points.capacity.tolist(), instance.points.channels.tolist()
    rows = [np.full(tasks.start[m + 1] - tasks.start[m], LOCAL) for m in range(instance.num_devices)]
    done = [0] * len(rows)
    ratios = [
        [
            group.work[i, k] / data if (data := group.input[i, k] + group.output[i, k]) > 0 else np.inf
            for k in group.application.order
        ]
        for m in range(len(rows))
        for group in instance.groups
        for i in np.flatnonzero(group.members == m).tolist()
    ]

    def at(m: int) -> tuple[float, list[tuple[float, int]]]:
        p = int(tasks.start[m]) + done[m]
        delay, energy, away_delay, away_energy = both_sides(tasks, p, int(tasks.start[m]), rows[m])
        away = [
            (away_delay + tasks.work[p] / cpu[n] + away_energy, n) for n in range(len(cpu)) if left[n] > 0
        ]
        return delay + energy, away

    while True:
        keys = []
        for m, row in enumerate(rows):
            radio = tasks.radio[m]
            if done[m] == len(row) or radio < 0 or not ((row >= 0).any() or air[radio] > 0):
                continue
            home, away = at(m)
            if away:
                keys.append((-ratios[m][done[m]] if by_ratio else min(away)[0] - home, m))
        if not keys:
            return solution_of(instance, np.concatenate(rows)).rows(instance)
        m = min(keys)[1]
        home, away = at(m)
        cost, n = min(away)
        if cost < home:
            left[n] -= 1
            air[tasks.radio[m]] -= not (rows[m] >= 0).any()
            rows[m][done[m]] = n
        done[m] += 1


@examples(100)
@given(instance=instances(max_devices=4))
def test_the_heap_equals_looking_at_every_key(instance: Instance) -> None:
    for by_ratio, method in ((False, gsod_heap.solve_difference), (True, gsod_heap.solve_ratio)):
        assert method(instance, Budget()).solution.rows(instance) == literal_heap(instance, by_ratio)


# HEFT.


def test_upward_ranks_by_hand() -> None:
    """Mean costs of :func:`two_chains`: t1 of d0 (8 + 8/4/2)/2 = 4.5, its arc (2 + 2)/2 = 2, t0
    (8 + (2 + 2)/2)/2 = 5: rank 11.5. t1 of d1 (4 + 0.5)/2 = 2.25, arc 0.5, t0 (4 + 1)/2 = 2.5: rank 5.25.
    So t0 of d0 takes a place, then t0 of d1, and for t1 of d0 none is left."""
    instance, rank = two_chains(), np.empty(4)
    heft.upward_ranks(flat_tasks(instance), 1 / 4, 2, rank)
    assert rank.tolist() == [11.5, 4.5, 5.25, 2.25]
    assert heft.solve(instance, Budget()).solution.rows(instance) == [[0, LOCAL], [0, LOCAL]]


def test_heft_lets_a_shorter_branch_wait() -> None:
    """alpha = 1; t1 and t2 after t0, 8 s and 2 s long. t1 goes away, for 4 s with its transfers. t2 would
    take 1.5 s there, but at home it ends within those 4 s too, which adds nothing: a tie stays local."""
    document = {
        **DOCUMENT,
        "applications": [
            {"id": "face", "subtasks": ["t0", "t1", "t2"], "edges": [["t0", "t1"], ["t0", "t2"]]}
        ],
        "offload_points": [{"id": "op1", "cpu": 4.0, "capacity": 5, "uplink": 1.0, "downlink": 1.0}],
        "devices": [
            {
                **DOCUMENT["devices"][0],
                "cpu": 1.0,
                "alpha": 1,
                "work": [1.0, 8.0, 2.0],
                "input": [9.0, 0.0, 0.0],
                "output": [1.0, 1.0, 0.0],
            }
        ],
    }
    instance = instance_of(document)
    assert heft.solve(instance, Budget()).solution.rows(instance) == [[LOCAL, 0, LOCAL]]
    assert heft.solve(instance, Budget()).objective == 1 + (1 + 8 / 4 + 1)


# Local search.


def test_an_exchange_by_hand() -> None:
    """One place, held by d0, which gains 4 - (1 + 1)/2 = 3 from it; d1 would gain 8 - (4 + 2)/2 = 5. Neither
    device alone can do better; d1 takes the place, d0 goes home: 9 becomes 7."""
    instance = chains(
        {"work": [4.0], "input": [1.0], "output": [0.0]},
        {"work": [8.0], "input": [4.0], "output": [0.0]},
        points=[{"cpu": 4.0, "capacity": 1}],
    )
    result = improve(instance, Solution.from_rows(instance, [[0], [LOCAL]]), Budget())
    assert result.solution.rows(instance) == [[LOCAL], [0]]
    record = {"start_objective": 9.0, "final_objective": 7.0, "redecided": 0, "exchanges": 1, "passed": 0}
    assert result.run == record | {"cut": 0}


def test_a_channel_passed_on_by_hand() -> None:
    """One channel, two places. d0 gains 4 - (1 + 1)/2 = 3 from it. d1 would gain 16 - (4 + 2 + 2)/2 = 12 with
    both subtasks there, for which it needs d0's place too; with one of them, at the most 16 - (6 + 4 + 8)/2
    - 8/2 = 3. d0 goes home and d1 takes all: 17 becomes 8."""
    instance = chains(
        {"work": [4.0], "input": [1.0], "output": [0.0]},
        {"work": [8.0, 8.0], "input": [4.0, 0.0], "output": [4.0, 0.0]},
        points=[{"cpu": 4.0, "capacity": 2, "channels": 1}],
    )
    result = improve(instance, Solution.from_rows(instance, [[0], [LOCAL, LOCAL]]), Budget())
    assert result.solution.rows(instance) == [[LOCAL], [0, 0]]
    record = {"start_objective": 17.0, "final_objective": 8.0, "redecided": 0, "exchanges": 0, "passed": 1}
    assert result.run == record | {"cut": 0}


def test_time_is_up_within_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches, and exchanges of long tasks, may take longer than is left: they end where they are."""
    instance = generate(Setting(devices=4, offload_points=2, capacity=4), seed=3)
    start, over = Solution.all_local(instance), np.ones(1, dtype=np.bool_)
    with monkeypatch.context() as patch:
        patch.setattr(improving, "alarm", lambda seconds: contextlib.nullcontext(over))
        result = improve(instance, start, Budget())
    assert result.termination is Termination.TIME_LIMIT
    assert result.objective == evaluate(instance, start).total > improve(instance, start, Budget()).objective
    tasks, left = flat_tasks(instance), instance.points.capacity.copy()
    places, cost = flat_places(instance, start), evaluate(instance, start).cost.copy()
    no_channels = np.zeros(2, dtype=np.int64)
    state = improving.Placement(left, no_channels, places, cost, np.zeros(4, dtype=np.int64))
    change, made = np.empty((len(places), 3)), np.array([-1])
    assert not improving.exchange(tasks, instance.points.cpu, state, read_only(over), change, made, 64)


def test_a_channel_goes_where_it_saves_most() -> None:
    """Of d0 and d1, which hold the channels of p0, d1 loses less by going home; d3's radio is at p1."""
    small = {"input": [1.0], "output": [0.0]}
    instance = chains(
        {"work": [6.0], **small},
        {"work": [4.0], **small},
        {"work": [8.0], **small},
        {"work": [2.0], **small, "connected_to": "p1"},
        points=[
            {"cpu": 4.0, "capacity": 4, "channels": 2},
            {"cpu": 4.0, "capacity": 4, "channels": 1},
        ],
    )
    start = Solution.from_rows(instance, [[0], [0], [LOCAL], [1]])
    result = improve(instance, start, Budget())
    assert result.solution.rows(instance) == [[0], [LOCAL], [0], [1]]
    assert result.run["passed"] == 1


@examples(80)
@given(data=st.data())
def test_one_device_becomes_optimal(data: st.DataObject) -> None:
    instance = data.draw(instances(max_devices=1))
    result = improve(instance, Solution.all_local(instance), Budget())
    assert result.objective == pytest.approx(brute_force(instance)[0], rel=1e-11, abs=1e-300)
    assert result.run["cut"] == 0


@examples(40)
@given(instance=instances(max_devices=3, max_subtasks=4))
def test_no_move_and_no_swap_is_left(instance: Instance) -> None:
    for method in (offloadlib.METHODS["local"], offloadlib.METHODS["gsod-i"]):
        start = offloadlib.solve(instance, method)
        result = improve(instance, start.solution, Budget())
        assert result.objective <= start.objective * (1 + 1e-12)
        assert result.run["final_objective"] == result.objective
        places = flat_places(instance, result.solution)
        neighbours = []
        for p in range(len(places)):
            for n in range(LOCAL, instance.num_points):
                neighbours.append(places.copy())
                neighbours[-1][p] = n
            for q in range(p):
                neighbours.append(places.copy())
                neighbours[-1][[p, q]] = places[[q, p]]
        for neighbour in neighbours:
            other = evaluate(instance, solution_of(instance, neighbour))
            assert not other.feasible or other.total >= result.objective * (1 - 1e-11)


def _passed_on(instance: Instance, places: Ints) -> Iterator[Ints]:
    """Where a radio is full, one of its devices goes home, and one that is all local takes any decision."""
    start, radio = subtask_starts(instance), instance.devices.connected_to
    on_air = np.add.reduceat(places != LOCAL, start[:-1]) > 0
    full = np.bincount(radio[on_air], minlength=instance.num_points) >= instance.points.channels
    for g, m in itertools.permutations(range(instance.num_devices), 2):
        if on_air[g] and not on_air[m] and radio[g] == radio[m] and full[radio[m]]:
            size, choices = int(start[m + 1] - start[m]), range(LOCAL, instance.num_points)
            for decision in itertools.product(choices, repeat=size):
                other = places.copy()
                other[start[g] : start[g + 1]] = LOCAL
                other[start[m] : start[m + 1]] = decision
                yield other


@pytest.mark.parametrize("seed", range(6))
def test_no_channel_that_is_worth_passing_on_is_left(seed: int) -> None:
    setting = Setting(devices=7, offload_points=2, capacity=5, channels=2, applications=("chain-3",))
    instance = generate(setting, seed=seed)
    result = improve(instance, Solution.all_local(instance), Budget())
    places = flat_places(instance, result.solution)
    neighbours = list(_passed_on(instance, places))
    assert neighbours
    for neighbour in neighbours:
        other = evaluate(instance, solution_of(instance, neighbour))
        assert not other.feasible or other.total >= result.objective * (1 - 1e-11)


def test_improve_needs_a_feasible_start() -> None:
    instance = worked()
    with pytest.raises(ValueError, match="capacity"):
        improve(instance, Solution.from_rows(instance, [[0] * 5, [0] * 5]), Budget())


# Limits of time, progress, seeds.


@pytest.mark.parametrize("name", ["gaod", "evolution", "gsod-i+ls", "gaod+ls"])
def test_the_time_limit_and_progress(name: str) -> None:
    instance = read_structured(library() / "paper-m020.json")
    events: list[Progress] = []
    result = offloadlib.solve(instance, name, on_progress=events.append)
    assert result.termination is Termination.FINISHED
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert events[-1].objective == pytest.approx(result.objective)
    short = offloadlib.solve(instance, name, time_limit=1e-9)
    assert short.termination is Termination.TIME_LIMIT
    assert short.objective >= result.objective


@pytest.mark.parametrize("name", ["gaod", "evolution", "gsod-i+ls", "gaod+ls"])
def test_an_interrupt_gives_the_best_so_far(name: str) -> None:
    """Ctrl-C in the middle: what the last event said, or better."""
    instance = read_structured(library() / "paper-m040.json")
    seen: list[Progress] = []

    def press(event: Progress) -> None:
        seen.append(event)
        if len(seen) == 3:
            raise KeyboardInterrupt

    result = offloadlib.solve(instance, name, on_progress=press)
    assert result.termination is Termination.INTERRUPTED
    assert result.objective <= seen[-1].objective * (1 + 1e-12)  # type: ignore[operator]


@pytest.mark.parametrize("name", ["gaod", "evolution"])
def test_another_seed_gives_another_answer(name: str) -> None:
    instance = read_structured(library() / "paper-m010.json")
    assert not same(offloadlib.solve(instance, name, seed=1), offloadlib.solve(instance, name, seed=2))


def test_local_search_closes_some_of_the_gap() -> None:
    instance = read_structured(library() / "paper-m040.json")
    for name in ("gsod-i", "gsod-ii", "gaod"):
        alone, followed = offloadlib.solve(instance, name), offloadlib.solve(instance, f"{name}+ls")
        assert followed.run["start_objective"] == alone.objective
        assert followed.objective < alone.objective
