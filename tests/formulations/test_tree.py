"""The best-first tree on knapsacks: its bounds against enumeration, wherever it is broken off."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offloadlib.formulations.engine.tree import Tree
from offloadlib.formulations.proofs.nodes import Divided, Enumeration
from offloadlib.formulations.proofs.pruning import pruned

Fixed = dict[int, bool]
"""Items that are taken, or not."""


@dataclass(frozen=True)
class Knapsack:
    """min -values x subject to sizes x <= room, x binary."""

    values: list[int]
    sizes: list[int]
    room: int

    def bound(self, fixed: Fixed, price: float) -> float:
        """The Lagrangian bound at a price on the room."""
        total = -price * self.room
        for i, (value, size) in enumerate(zip(self.values, self.sizes, strict=True)):
            each = price * size - value
            total += each if fixed.get(i) else 0.0 if i in fixed else min(each, 0.0)
        return total

    def best(self, fixed: Fixed) -> tuple[float, float]:
        """Bound and price: a kink of a concave function."""
        kinks = [0.0, *(v / s for v, s in zip(self.values, self.sizes, strict=True))]
        if sum(self.sizes[i] for i, taken in fixed.items() if taken) > self.room:
            return math.inf, 0.0
        return max((self.bound(fixed, price), price) for price in kinks)

    @property
    def optimum(self) -> float:
        every = itertools.product((0, 1), repeat=len(self.values))
        return min(-sum(itertools.compress(self.values, x)) for x in every if self.keeps(x))

    def keeps(self, x: tuple[int, ...]) -> bool:
        return sum(itertools.compress(self.sizes, x)) <= self.room


@st.composite
def knapsacks(draw: st.DrawFn) -> Knapsack:
    items = st.lists(st.integers(1, 20), min_size=1, max_size=6)
    values = draw(items)
    sizes = draw(st.lists(st.integers(1, 20), min_size=len(values), max_size=len(values)))
    return Knapsack(values, sizes, draw(st.integers(0, sum(sizes))))


class Broken(Exception):
    """A search is broken off."""


class Search:
    """Divides the items one after the other; what is below ``few`` free items is a tree of its own."""

    def __init__(self, problem: Knapsack, few: int, step: Callable[[], None]) -> None:
        self.problem, self.few, self.step = problem, few, step
        self.tree: Tree[float, Fixed] = Tree(0.0, problem.bound({}, 0.0))
        self.told = [self.tree.bound]

    def tell(self) -> None:
        self.told.append(max(self.told[-1], self.tree.bound))
        self.step()

    def bounded(self, tree: Tree[float, Fixed], number: int, fixed: Fixed, above: float) -> None:
        self.tell()
        bound, price = self.problem.best(fixed)
        tree.bounded(number, max(bound, above), price, fixed)
        self.tell()

    def run(self) -> None:
        self.bounded(self.tree, 0, {}, -math.inf)
        self.explore(self.tree, self.few)

    def explore(self, tree: Tree[float, Fixed], few: int) -> None:
        for leaf in tree.explore(lambda: math.inf, lambda: False):
            self.tell()
            fixed, free = leaf.state, len(self.problem.values) - len(leaf.state)
            if not free:
                continue  # it counts as it is
            _, price = self.problem.best(fixed)
            if free <= few:
                below = tree.subtree(price)
                self.tell()
                below.improve(leaf.bound, price)
                self.bounded(below, below.in_hand, fixed, leaf.bound)
                self.explore(below, 0)
                continue
            children = tree.divide(price, len(fixed))
            for number, taken in zip(children, (True, False), strict=True):
                self.bounded(tree, number, {**fixed, len(fixed): taken}, leaf.bound)


def proven(problem: Knapsack, tree: Tree[float, Fixed]) -> float:
    """What the nodes prove, computed anew; each but the first has one parent, which is earlier."""
    nodes = tree.nodes()
    parents = [0] * len(nodes)

    def least(i: int, fixed: Fixed) -> float:
        node = nodes[i]
        if isinstance(node, Enumeration):
            parents[node.below] += 1
            assert node.below > i
            return max(problem.bound(fixed, node.at), least(node.below, fixed))
        if isinstance(node, Divided):
            assert node.equal > i and node.different > i
            parents[node.equal] += 1
            parents[node.different] += 1
            sides = (node.equal, True), (node.different, False)
            return min(least(child, {**fixed, node.branch: taken}) for child, taken in sides)
        if sum(problem.sizes[k] for k, taken in fixed.items() if taken) > problem.room:
            return math.inf
        return problem.bound(fixed, node)

    found = least(0, {})
    assert parents[1:] == [1] * (len(nodes) - 1)
    return found


@given(problem=knapsacks(), few=st.integers(0, 4))
def test_a_tree_that_is_explored_reaches_the_optimum(problem: Knapsack, few: int) -> None:
    search = Search(problem, few, lambda: None)
    search.run()
    assert search.tree.bound == pytest.approx(problem.optimum)
    assert search.tree.least == math.inf
    assert all(bound <= problem.optimum + 1e-9 for bound in search.told)
    assert search.tree.bound <= proven(problem, search.tree) + 1e-9


@given(problem=knapsacks(), few=st.integers(0, 4), last=st.integers(0, 60))
def test_a_tree_that_is_broken_off_proves_what_it_says(problem: Knapsack, few: int, last: int) -> None:
    steps = itertools.count()

    def step() -> None:
        if next(steps) == last:
            raise Broken

    search = Search(problem, few, step)
    with suppress(Broken):
        search.run()
    assert search.tree.bound <= problem.optimum + 1e-9
    assert search.tree.bound >= search.told[-1] - 1e-9
    assert search.tree.bound <= proven(problem, search.tree) + 1e-9


@given(problem=knapsacks(), leaves=st.integers(1, 12))
def test_a_pruned_tree_proves_its_bound(problem: Knapsack, leaves: int) -> None:
    search = Search(problem, 0, lambda: None)
    search.run()
    bound, nodes = pruned(search.tree.nodes(), search.tree.bounds, leaves)
    assert sum(not isinstance(node, Divided) for node in nodes) <= leaves
    smaller: Tree[float, Fixed] = Tree(0.0)
    smaller._nodes = nodes
    assert bound <= proven(problem, smaller) + 1e-9
    assert bound <= problem.optimum + 1e-9


def bounded(tree: Tree[str, int], number: int, bound: float) -> None:
    tree.bounded(number, bound, f"at {bound}", number)


def test_a_leaf_counts_until_its_children_are_bounded() -> None:
    tree: Tree[str, int] = Tree("floor", 1.0)
    assert tree.bound == 1.0
    tree.improve(1.5, "rough")
    assert (tree.bound, tree.nodes()) == (1.5, ["rough"])
    bounded(tree, 0, 2.0)
    assert tree.bound == 2.0
    for leaf in tree.explore(lambda: 3.5, lambda: False):
        if leaf.number:
            break
        equal, different = tree.divide("parent", "branch")
        bounded(tree, equal, 3.0)
        assert tree.bound == 2.0
        bounded(tree, different, 4.0)
    assert (tree.bound, tree.least, tree.in_hand) == (3.0, 4.0, 1)
    assert tree.nodes() == [Divided("branch", 1, 2), "at 3.0", "at 4.0"]
    assert tree.explored == 3


def test_what_is_neither_divided_nor_given_back_counts_for_good() -> None:
    tree: Tree[str, int] = Tree("floor")
    bounded(tree, 0, 2.0)
    back = 0
    for leaf in tree.explore(lambda: math.inf, lambda: False):
        if back < 3:
            back += 1
            tree.give_back(leaf)
    assert (tree.bound, tree.least) == (2.0, math.inf)
    tree.leave_out(1.0)
    assert tree.bound == 1.0


def test_a_child_without_a_bound_counts_like_its_parent() -> None:
    tree: Tree[str, int] = Tree("floor")
    bounded(tree, 0, 2.0)
    for leaf in tree.explore(lambda: 2.5, lambda: False):
        equal, _ = tree.divide("parent", leaf.number)
        bounded(tree, equal, 3.0)
    assert tree.bound == 2.0


def test_a_subtree_that_is_set_aside_counts_and_comes_back() -> None:
    tree: Tree[str, int] = Tree("floor")
    bounded(tree, 0, 2.0)
    for leaf in tree.explore(lambda: 9.0, lambda: False):
        below = tree.subtree("first")
        below.leave_out(3.0)
        bounded(below, below.in_hand, 4.0)
        first = tree.nodes()
        aside = tree.set_aside(leaf, "again", [])
        assert (tree.bound, tree.nodes()) == (3.0, ["again"])
        second = tree.subtree("second")
        second.improve(2.5, "at 2.5")
        assert tree.bound == 3.0
        assert tree.set_aside(leaf, "again", aside) is aside  # it proves more
        tree.subtree("third")
        assert tree.bound == 3.0
        tree.put_back(leaf, aside)
        assert (tree.bound, tree.nodes()) == (3.0, first)
    assert (tree.bound, tree.least) == (3.0, math.inf)
    assert first == [Enumeration("first", 1), "at 4.0"]


def test_a_leaf_whose_subtree_was_set_aside_may_be_divided() -> None:
    tree: Tree[str, int] = Tree("floor")
    bounded(tree, 0, 2.0)
    for leaf in tree.explore(lambda: 9.0, lambda: False):
        below = tree.subtree("first")
        bounded(below, below.in_hand, 4.0)
        tree.set_aside(leaf, "again", [])
        tree.restart(leaf)
        assert tree.bound == 2.0
        with pytest.raises(RuntimeError, match="no subtree is in hand"):
            tree.set_aside(leaf, "again", [])
        equal, different = tree.divide("again", "branch")
        bounded(tree, equal, 9.0)
        bounded(tree, different, 9.5)
    assert (tree.bound, tree.nodes()) == (9.0, [Divided("branch", 1, 2), "at 9.0", "at 9.5"])


def test_nothing_is_in_hand_between_leaves() -> None:
    tree: Tree[str, int] = Tree("floor")
    bounded(tree, 0, 2.0)
    with pytest.raises(RuntimeError, match="no leaf is in hand"):
        tree.divide("parent", "branch")
    assert [*tree.explore(lambda: 2.0, lambda: False)] == []
    assert [*tree.explore(lambda: 9.0, lambda: True)] == []
    assert tree.bound == 2.0
