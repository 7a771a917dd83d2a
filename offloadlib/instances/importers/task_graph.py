"""Task graphs: what the importer of every format makes of one file, and what all of them have in common.

An importer says in a :class:`TaskGraph` what its file says, in MI and Mbit or in proportion to them, and NaN
where the file says nothing. All that follows is the same for every format: :func:`completed` draws what is
not said, and :func:`scaled` brings the graph to mobile size.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, Field

from ..arrays import Floats
from ..errors import Problem, shown
from ..files.schema import SMALLEST
from ..structured.model import Application
from ..structured.rules import acyclic

MBIT = 8e-6
"""Mbit in a byte."""

GREATEST = 1e15
"""Bytes, seconds and operations beyond this are slips (a petabyte; 30 million years)."""

_FACTOR = 1e300
"""Where all of a graph's values are next to nothing, a factor is at most this: a product stays finite."""


def amount(value: float) -> float:
    """The number, if it may be an amount of a file.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    if value < 0:
        raise ValueError("is negative")
    if value > GREATEST:
        raise ValueError(f"is above {GREATEST:g}")
    return value


Amount = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(amount)]
Bytes = Annotated[int, Field(strict=True), AfterValidator(amount)]

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class TaskGraph:
    """A task graph as an application with one set of task data.

    Attributes
    ----------
    application
        Its graph; the subtasks are the tasks in file order, and last the one that stands for data from
        outside, where there is one.
    work
        (K,) MI; NaN: not said.
    input, output
        (K,) Mbit; NaN: not said.
    edge_data
        (A,) Mbit; NaN: not said.
    facts
        What was counted and assumed: key -> number or text.
    cpu
        (K,) how much of a core each task keeps busy, in percent, which turns a drawn run time into work;
        none: one core.
    outside
        Whether the last subtask stands for data from outside.
    """

    application: Application
    work: Floats
    input: Floats
    output: Floats
    edge_data: Floats
    facts: Mapping[str, Any]
    cpu: Floats | None = None
    outside: bool = False

    @property
    def size(self) -> int:
        """Number of subtasks that are tasks of the file."""
        return self.application.size - self.outside

    @property
    def mobile_data(self) -> Floats:
        """What may cross a radio, in Mbit: heads' inputs, arcs, tails' outputs."""
        heads, tails = self.application.heads[: self.size], self.application.tails[: self.size]
        return np.concatenate(
            [self.input[: self.size][heads], self.edge_data, self.output[: self.size][tails]]
        )


def completed(
    graph: TaskGraph, clock: float, run_times: Callable[[int], Floats], data: Callable[[int], Floats]
) -> TaskGraph:
    """The graph with what its file does not say.

    Parameters
    ----------
    graph
        As read.
    clock
        Nominal clock in MIPS.
    run_times
        Gives so many run times in seconds, for tasks without work.
    data
        Gives so many sizes of data as multiples of the mean of those that the file says, or as sizes in
        Mbit where it says none: for arcs, for the inputs of heads and the outputs of tails.

    Returns
    -------
    TaskGraph
        Without NaN. A task inside of the graph, whose input and output cross no radio, reads and writes
        what its arcs carry, if nothing else is said. What was drawn is among the facts.
    """
    facts, heads, tails = dict(graph.facts), graph.application.heads, graph.application.tails
    work, cpu = graph.work.copy(), np.full(len(graph.work), 100.0) if graph.cpu is None else graph.cpu
    idle = np.isnan(work)
    if idle.any():
        work[idle] = run_times(int(idle.sum())) * cpu[idle] / 100 * clock
    facts["tasks_without_run_time"] = int(idle.sum())
    facts["tasks_without_work"] = int((work[: graph.size] == 0).sum())
    said = graph.mobile_data[~np.isnan(graph.mobile_data)]
    unit = math.fsum(said.tolist()) / len(said) if said.any() else 1.0
    edge_data, input, output = graph.edge_data.copy(), graph.input.copy(), graph.output.copy()
    for key, values, drawn in (
        ("arcs_with_drawn_data", edge_data, np.isnan(edge_data)),
        ("heads_with_drawn_input", input, np.isnan(input) & heads),
        ("tails_with_drawn_output", output, np.isnan(output) & tails),
    ):
        if drawn.any():
            facts[key] = int(drawn.sum())
            values[drawn] = unit * data(facts[key])
    input, output = (
        np.where(np.isnan(values), _carried(graph.application, edge_data, end), values)
        for values, end in ((input, 1), (output, 0))
    )
    facts["arcs_without_data"] = int((edge_data == 0).sum())
    return replace(graph, work=work, input=input, output=output, edge_data=edge_data, cpu=None, facts=facts)


def _carried(application: Application, edge_data: Floats, end: int) -> Floats:
    """(K,) what the arcs that begin (0) or end (1) at each task carry."""
    carried = np.zeros(application.size)
    np.add.at(carried, np.array([arc[end] for arc in application.edges], np.int64), edge_data)
    return carried


def scaled(graph: TaskGraph, mean_work: float | None, mean_data: float | None) -> TaskGraph:
    """The graph in another size: all work times one factor, all data times another.

    Parameters
    ----------
    graph
        As measured: minutes of server time and gigabytes.
    mean_work
        Wanted mean work of a task in MI; none: as it is.
    mean_data
        Wanted mean in Mbit of what may cross a radio (:attr:`TaskGraph.mobile_data`); none: as it is.

    Returns
    -------
    TaskGraph
        Proportions within work and within data stay as measured, heavy tails included; the
        proportion between work and data does not. The factors are among its facts. A graph
        without work, or without data, keeps the factor 1.
    """
    work_factor = 1.0 if mean_work is None else _factor(graph.work[: graph.size], mean_work)
    data_factor = 1.0 if mean_data is None else _factor(graph.mobile_data, mean_data)
    work, input, output, edge_data = (
        graph.work * work_factor,
        *(data * data_factor for data in (graph.input, graph.output, graph.edge_data)),
    )
    values = np.concatenate([work, input, output, edge_data])
    facts = {
        **graph.facts,
        "work_factor": work_factor,
        "data_factor": data_factor,
        "values_rounded_to_zero": int(((values > 0) & (values < SMALLEST)).sum()),
    }
    return replace(graph, work=work, input=input, output=output, edge_data=edge_data, facts=facts)


def _factor(values: Floats, mean: float) -> float:
    total = math.fsum(values.tolist())
    return min(mean * len(values) / total, _FACTOR) if total else 1.0


@dataclass
class Element:
    """A task or an arc of a file in which either has amounts of its own.

    Attributes
    ----------
    where
        Its place in the file.
    amounts
        What the file says of it: ``work``, ``input`` and ``output`` of a task, ``data`` of an arc.
    """

    where: str
    amounts: dict[str, float] = field(default_factory=dict)


def assembled(
    name: str,
    tasks: Mapping[str, Element],
    arcs: Iterable[tuple[str, str, Element]],
    *,
    whole: str = "",
    asked: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> tuple[TaskGraph | None, list[Problem]]:
    """The graph of tasks and arcs with amounts of their own.

    Parameters
    ----------
    name
        Id of the application.
    tasks
        By name, in file order.
    arcs
        From, to, and what is said of it. Arcs between the same two tasks are one, with the largest data.
    whole
        Place of all arcs in the file, for messages.
    asked
        Amounts that were asked for by the name of an attribute: one task or arc must have it.
    facts
        More of them.

    Returns
    -------
    graph, problems
        The one or the other. An amount must be given for all of what it concerns or for none (input: for
        heads, output: for tails).
    """
    problems: list[Problem] = []
    joined: dict[tuple[str, str], Element] = {}
    repeated = unequal = 0
    for source, target, arc in arcs:
        unknown = [end for end in (source, target) if end not in tasks]
        problems += [(arc.where, f"unknown task {shown(end)}") for end in unknown]
        if source == target and not unknown:
            problems.append((arc.where, f"joins {shown(source)} to itself"))
        other = joined.get((source, target))
        if other is None:
            joined[source, target] = arc
            continue
        repeated += 1
        unequal += arc.amounts != other.amounts
        if arc.amounts.get("data", -1.0) > other.amounts.get("data", -1.0):
            joined[source, target] = arc
    if not tasks:
        problems.append((whole, "has no task"))
    for key, attribute in (asked or {}).items():
        of, parts = ("arc", list(joined.values())) if key == "data" else ("node", list(tasks.values()))
        if parts and not any(key in part.amounts for part in parts):
            problems.append((whole, f"no {of} has the attribute {shown(attribute)}; with none it is drawn"))
    problems = problems or list(cycles(whole, joined))
    if problems:
        return None, problems
    number = {task: k for k, task in enumerate(tasks)}
    graph = Application(name, tuple(tasks), tuple((number[j], number[k]) for j, k in joined))
    nodes = list(tasks.values())
    everything = np.ones(len(nodes), np.bool_)
    work = _amounts("work", nodes, everything, problems)
    input, output = (
        _amounts("input", nodes, graph.heads, problems),
        _amounts("output", nodes, graph.tails, problems),
    )
    edge_data = _amounts("data", list(joined.values()), np.ones(len(joined), np.bool_), problems)
    if problems:
        return None, problems
    counted = {
        "application": name,
        "tasks": len(tasks),
        "arcs": len(joined),
        "arcs_listed_again": repeated,
        "arcs_listed_again_with_other_data": unequal,
        **(facts or {}),
    }
    return TaskGraph(graph, work, input, output, edge_data, counted), []


def _amounts(key: str, parts: Sequence[Element], needed: Any, problems: list[Problem]) -> Floats:
    values = np.array([part.amounts.get(key, math.nan) for part in parts], np.float64)
    missing = np.isnan(values) & needed
    if missing.any() and not np.isnan(values).all():
        what = f"has no {key}, while others have it"
        problems += [(parts[k].where, what) for k in np.flatnonzero(missing).tolist()]
    return values


def cycles(where: str, arcs: Iterable[tuple[str, str]]) -> Iterator[Problem]:
    """A cycle in arcs, by the names of their ends."""
    edges = [[j, k] for j, k in arcs]
    yield from ((where, what) for _, what in acyclic({"applications": [{"edges": edges}]}))


def amount_of(text: str, what: str, where: str, problems: list[Problem]) -> float:
    """The amount that a text says; what is wrong with it is said in ``problems``, and it is 0."""
    if not _NUMBER.fullmatch(text.strip()):
        problems.append((where, f"{what} must be a number, not {shown(text)}"))
        return 0.0
    try:
        return amount(float(text))
    except ValueError as error:
        problems.append((where, f"{what} {error}: {shown(text)}"))
        return 0.0
