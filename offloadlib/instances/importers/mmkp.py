"""The multiple-choice multidimensional knapsack problem (MMKP) from text files.

    groups n, resources m
    the capacity of each resource
    for each group: how many items it has, and for each of them
        its profit, and its use of each resource

Line breaks mean nothing.
"""

from __future__ import annotations

from pathlib import Path

from ..files.document import read_bytes
from ..structured.instance import Instance
from .assignment import Assignment, Option, imported
from .number_file import Numbers
from .report import Report


def import_mmkp(
    file: str | Path, *, name: str | None = None, description: str | None = None
) -> tuple[Instance, Report]:
    """An instance of the MMKP: one item of every group, with the greatest profit that the resources allow.

    Parameters
    ----------
    file
        The problem.
    name, description
        Of the instance; by default, the name of the file.

    Returns
    -------
    instance
        A device for each group; the j-th item of every group is the j-th offload point, and a limit on all
        of them stands for each resource.
    report
        Size of the problem, and how its profit follows from the instance's objective.

    Raises
    ------
    InputError
        With everything that is wrong with the file, each with its line.
    """
    path = Path(file)
    content = read_bytes(path)
    numbers = Numbers(content, path)
    groups, dimensions = numbers.count("the number of groups"), numbers.count("the number of resources")
    resources = range(1, dimensions + 1)
    capacities = [numbers.amount(f"the capacity of resource {r}") for r in resources]
    choices = []
    for i in range(1, groups + 1):
        items = range(1, numbers.count(f"the number of items of group {i}") + 1)
        choices.append(
            [
                Option(
                    numbers.amount(f"the profit of group {i}, item {j}", signed=True),
                    [numbers.amount(f"the use of group {i}, item {j} of resource {r}") for r in resources],
                )
                for j in items
            ]
        )
    numbers.end()
    assignment = Assignment(
        problem="multiple-choice multidimensional knapsack",
        devices="group",
        points="item",
        value="profit",
        maximise=True,
        choices=choices,
        resources=[f"r{r}" for r in resources],
        shared=capacities,
    )
    facts = {"groups": groups, "resources": dimensions, "items": sum(map(len, choices))}
    return imported(assignment, (path, content), facts, name, description)
