"""The families of graphs: shapes, random properties, names."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offloadlib.instances.structured.graphs import chain, face, fork_join, layered, maker, series_parallel
from offloadlib.instances.structured.model import Application

Arcs = set[tuple[int, int]]
sizes, seeds = st.integers(1, 25), st.integers(0, 2**32)
probabilities = st.floats(0, 1)


def is_series_parallel(nodes: list[int], arcs: Arcs) -> bool:
    """Whether series and parallel compositions of single nodes can build the graph.

    ``nodes`` are in topological order. In a series composition every node of the first block comes
    before every node of the second in any such order, so that the first block is a prefix of it.
    """
    if len(nodes) == 1:
        return True
    parts = components(nodes, arcs)
    if len(parts) > 1:
        return all(is_series_parallel(part, within(part, arcs)) for part in parts)
    for cut in range(1, len(nodes)):
        first, second = nodes[:cut], nodes[cut:]
        inner, outer = within(first, arcs), within(second, arcs)
        tails = set(first) - {j for j, _ in inner}
        heads = set(second) - {k for _, k in outer}
        if arcs - inner - outer == {(j, k) for j in tails for k in heads}:
            return is_series_parallel(first, inner) and is_series_parallel(second, outer)
    return False


def within(nodes: list[int], arcs: Arcs) -> Arcs:
    return {(j, k) for j, k in arcs if j in nodes and k in nodes}


def components(nodes: list[int], arcs: Arcs) -> list[list[int]]:
    """The weakly connected components, each in the order of ``nodes``."""
    part = {node: node for node in nodes}
    for j, k in arcs:
        old, new = part[k], part[j]
        part = {node: new if root == old else root for node, root in part.items()}
    return [[node for node in nodes if part[node] == root] for root in dict.fromkeys(part.values())]


def test_the_recogniser_knows_both_kinds() -> None:
    assert is_series_parallel([0, 1, 2, 3, 4], set(face().edges))
    assert is_series_parallel([0, 1, 2, 3], {(0, 2), (0, 3), (1, 2), (1, 3)})
    # N is the smallest graph that is not series-parallel.
    assert not is_series_parallel([0, 1, 2, 3], {(0, 2), (0, 3), (1, 3)})
    # A diamond with a chord has an arc that skips a block.
    assert not is_series_parallel([0, 1, 2], {(0, 1), (1, 2), (0, 2)})


def test_face_is_the_papers_task() -> None:
    named = [(face().subtasks[j], face().subtasks[k]) for j, k in face().edges]
    assert named == [("t1", "t2"), ("t2", "t3"), ("t2", "t4"), ("t3", "t5"), ("t4", "t5")]


@given(sizes)
def test_a_chain_is_one_path(size: int) -> None:
    graph = chain(size)
    assert graph.size == size
    assert graph.order == tuple(range(size))
    assert graph.heads.sum() == graph.tails.sum() == 1
    assert len(graph.edges) == size - 1


@given(sizes)
def test_a_fork_and_join_has_a_head_branches_and_a_join(branches: int) -> None:
    graph = fork_join(branches)
    assert graph.size == branches + 2
    assert np.flatnonzero(graph.heads).tolist() == [0]
    assert np.flatnonzero(graph.tails).tolist() == [branches + 1]
    assert [len(arcs) for arcs in graph.incoming] == [0, *[1] * branches, branches]


@given(size=sizes, width=st.integers(1, 8), probability=probabilities, seed=seeds)
def test_layers_follow_each_other(size: int, width: int, probability: float, seed: int) -> None:
    graph = layered(size, width, probability, np.random.default_rng(seed))
    assert graph.size == size
    assert len(set(graph.edges)) == len(graph.edges)
    assert all(k // width == j // width + 1 for j, k in graph.edges)
    assert graph.heads.tolist() == [k < width for k in range(size)]


def test_probabilities_0_and_1_leave_nothing_to_chance() -> None:
    rng = np.random.default_rng(0)
    assert layered(6, 3, 1.0, rng).edges == tuple((j, k) for j in range(3) for k in range(3, 6))
    assert [len(arcs) for arcs in layered(9, 3, 0.0, rng).incoming] == [0, 0, 0, *[1] * 6]
    assert series_parallel(7, 1.0, rng).edges == chain(7).edges
    assert series_parallel(7, 0.0, rng).edges == ()


@given(size=sizes, probability=probabilities, seed=seeds)
def test_random_series_parallel_graphs_are_series_parallel(size: int, probability: float, seed: int) -> None:
    graph = series_parallel(size, probability, np.random.default_rng(seed))
    assert graph.size == size
    assert len(set(graph.edges)) == len(graph.edges)
    assert all(j < k for j, k in graph.edges)
    assert is_series_parallel(list(range(size)), set(graph.edges))


def shape(name: str, seed: int = 0) -> Application:
    return maker(name)(np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("face", 5),
        ("chain-1", 1),
        ("chain-8", 8),
        ("fork-join-4", 6),
        ("layered-12", 12),
        ("layered-12-4", 12),
        ("layered-12-4-0.25", 12),
        ("series-parallel-20", 20),
        ("series-parallel-20-0.8", 20),
        ("series-parallel-1000", 1000),
    ],
)
def test_names(name: str, size: int) -> None:
    graph = shape(name)
    assert (graph.id, graph.size) == (name, size)
    assert len(graph.order) == size
    assert shape(name).edges == graph.edges


def test_names_carry_their_parameters() -> None:
    assert shape("layered-12-4-1").edges == layered(12, 4, 1.0, np.random.default_rng(0)).edges
    assert shape("layered-12").heads.sum() == round(math.sqrt(12))
    assert shape("series-parallel-9-1").edges == chain(9).edges
    assert shape("series-parallel-20", 1).edges != shape("series-parallel-20", 2).edges


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", 'unknown application ""'),
        ("Face", 'unknown application "Face"'),
        ("face-2", 'unknown application "face-2"'),
        ("chain", 'unknown application "chain"'),
        ("chain-2-3", 'unknown application "chain-2-3"'),
        ("chain-", '"" in application "chain-" must be a whole number in 1..2000'),
        ("chain-0", '"0" in application "chain-0" must be a whole number in 1..2000'),
        ("chain-2001", '"2001" in application "chain-2001" must be a whole number in 1..2000'),
        ("chain-" + "9" * 5000, "must be a whole number in 1..2000"),
        ("chain-٣", "must be a whole number in 1..2000"),
        ("fork-join-x", '"x" in application "fork-join-x" must be a whole number in 1..1998'),
        ("layered-12-13", '"13" in application "layered-12-13" must be a whole number in 1..12'),
        ("layered-12-3-1.5", '"1.5" in application "layered-12-3-1.5" must be a probability'),
        ("series-parallel-9-nan", '"nan" in application "series-parallel-9-nan" must be a probability'),
        ("series-parallel-9-p", '"p" in application "series-parallel-9-p" must be a probability'),
    ],
)
def test_wrong_names(name: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        maker(name)
    assert message in str(error.value)
