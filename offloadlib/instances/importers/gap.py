"""The generalised assignment problem (GAP) from files in the layout of the OR-Library (Beasley 1990).

    agents m, jobs n
    for each agent, the cost (or profit) of each job
    for each agent, what each job uses of its capacity
    for each agent, its capacity

A file may hold several problems: then it begins with their number. Line breaks mean nothing but there: a
first line with one number is how many problems there are.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError, counted
from ..files.document import read_bytes
from ..structured.instance import Instance
from .assignment import Assignment, Option, imported
from .number_file import Numbers
from .report import Report


def import_gap(
    file: str | Path,
    *,
    number: int | None = None,
    maximise: bool = False,
    name: str | None = None,
    description: str | None = None,
) -> tuple[Instance, Report]:
    """An instance of the generalised assignment problem: every job on one agent, as its capacity allows.

    Parameters
    ----------
    file
        One problem, or several.
    number
        Which of them, from 1 on; not needed where there is one.
    maximise
        Profits to be made great; by default, costs to be made small.
    name, description
        Of the instance; by default, the name of the file.

    Returns
    -------
    instance
        A device for each job and an offload point for each agent, with a resource ``time``.
    report
        Size of the problem, and how its value follows from the instance's objective.

    Raises
    ------
    InputError
        With everything that is wrong with the file, each with its line.
    """
    path = Path(file)
    content = read_bytes(path)
    numbers = Numbers(content, path)
    several = numbers.first == 1
    problems = numbers.count("the number of problems") if several else 1
    chosen = 1 if number is None and problems == 1 else number
    if chosen is None or not 1 <= chosen <= problems:
        told = (
            f"there is no number {chosen}"
            if chosen is not None
            else f"give the number of one, 1 to {problems}"
        )
        raise InputError(path, [("", f"holds {counted(problems, 'problem')}: {told}")])
    read = [_problem(numbers, maximise) for _ in range(problems)]
    numbers.end()
    assignment = read[chosen - 1]
    facts = {"agents": len(assignment.rooms), "jobs": len(assignment.choices)}
    if several:
        facts = {"number": chosen, **facts}
        name = name or f"{path.stem}-{chosen}"
    return imported(assignment, (path, content), facts, name, description)


def _problem(numbers: Numbers, maximise: bool) -> Assignment:
    agents, jobs = numbers.count("the number of agents"), numbers.count("the number of jobs")
    value = "profit" if maximise else "cost"

    def table(what: str, *, signed: bool) -> list[list[float]]:
        rows = range(1, agents + 1), range(1, jobs + 1)
        return [[numbers.amount(f"{what} {i}, job {j}", signed=signed) for j in rows[1]] for i in rows[0]]

    values, uses = table(f"the {value} of agent", signed=True), table("the use of agent", signed=False)
    rooms = [{"time": numbers.amount(f"the capacity of agent {i}")} for i in range(1, agents + 1)]
    return Assignment(
        problem="generalised assignment",
        devices="job",
        points="agent",
        value=value,
        maximise=maximise,
        choices=[[Option(values[i][j], (uses[i][j],)) for i in range(agents)] for j in range(jobs)],
        resources=("time",),
        rooms=rooms,
    )
