"""Task graphs of the Standard Task Graph Set (Kasahara Laboratory, Waseda University; Tobita, Kasahara 2002).

The first line has the number of tasks. Then each task, also a dummy one at the beginning (number 0) and one
at the end, has a line with its number, its processing time, the number of its predecessors, and these. In
files with communication costs each predecessor has a line of its own instead, with its number and the cost.
What follows a line with ``#`` is about the file.

The dummy tasks take no time, and join what has no predecessor, or no successor, of its own: they are left
out. A cost on an arc of theirs, which the set does not have, becomes an input or an output.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError, Problem, shown
from .report import text_of
from .setting import GraphSetting
from .task_graph import MBIT, Element, TaskGraph, amount_of, assembled

_Line = tuple[int, list[str]]


def read_stg(content: bytes, path: str | Path, name: str, setting: GraphSetting) -> TaskGraph:
    """Read one graph, whose tasks are called by their numbers.

    Processing times are taken as seconds, costs of communication as bytes.
    """
    lines = list(_lines(text_of(content, path)))
    if not lines:
        raise InputError(path, [("", "is empty")])
    problems: list[Problem] = []
    (number, first), *rest = lines
    count = _whole(first[0], "the number of tasks", number, problems)
    if len(first) > 1:
        what = f"the first line must have the number of tasks alone, not {shown(' '.join(first))}"
        problems.append((f"line {number}", what))
    if not problems:
        tasks, arcs, with_costs = _read(rest, setting.clock, problems)
    if problems:
        raise InputError(path, problems)
    if len(tasks) not in (count, count + 2):
        what = f"has {len(tasks)} tasks, not {count} and two dummies"
        raise InputError(path, [(f"line {number}", what)])
    left_out = _without_dummies(tasks, arcs) if len(tasks) == count + 2 else 0
    facts = {
        "schema": "with communication costs" if with_costs else "without communication costs",
        "dummy_tasks_left_out": left_out,
    }
    graph, problems = assembled(name, tasks, arcs, facts=facts)
    if graph is None:
        raise InputError(path, problems)
    return graph


def _lines(text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            yield number, words
        if "#" in line:
            return


def _read(
    lines: list[_Line], clock: float, problems: list[Problem]
) -> tuple[dict[str, Element], list[tuple[str, str, Element]], bool]:
    """Tasks, arcs, and whether these have costs; reading ends with the first problem."""
    tasks: dict[str, Element] = {}
    arcs: list[tuple[str, str, Element]] = []
    with_costs = False
    at = 0
    while at < len(lines) and not problems:
        number, words = lines[at]
        where = f"line {number}"
        at += 1
        if len(words) < 3:
            what = "a task's number, processing time and number of predecessors are expected"
            problems.append((where, f"{what}, not {shown(' '.join(words))}"))
            break
        task = str(_whole(words[0], "the number of a task", number, problems))
        time = amount_of(words[1], "the processing time", where, problems)
        wanted = _whole(words[2], "the number of predecessors", number, problems)
        if task in tasks:
            problems.append((where, f"task {task} stands twice"))
        tasks[task] = Element(where, {"work": time * clock})
        pairs = [(number, [word]) for word in words[3:]]
        if len(words) == 3 and wanted:
            with_costs = True
            pairs = lines[at : at + wanted]
            at += wanted
        if len(pairs) != wanted and not problems:
            problems.append((where, f"task {task} has {len(pairs)} predecessors, not {wanted}"))
        for line, pair in pairs:
            if problems:
                break
            if len(pair) != 1 + with_costs:
                what = "a predecessor and the cost of communication are expected"
                problems.append((f"line {line}", f"{what}, not {shown(' '.join(pair))}"))
                break
            other = str(_whole(pair[0], "a predecessor", line, problems))
            part = Element(f"line {line}")
            if with_costs:
                text = "the cost of communication"
                part.amounts["data"] = amount_of(pair[1], text, part.where, problems) * MBIT
            arcs.append((other, task, part))
    return tasks, arcs, with_costs


def _whole(text: str, what: str, line: int, problems: list[Problem]) -> int:
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        problems.append((f"line {line}", f"{what} must be a whole number, not {shown(text)}"))
        return 0
    return int(text)


def _without_dummies(tasks: dict[str, Element], arcs: list[tuple[str, str, Element]]) -> int:
    """Take the first and the last task out, where they are dummies; how many."""
    first, last = next(iter(tasks)), next(reversed(tasks))
    dummies = {
        first: not any(target == first for _, target, _ in arcs),
        last: not any(source == last for source, _, _ in arcs),
    }
    chosen = {task for task, is_end in dummies.items() if is_end and tasks[task].amounts["work"] == 0}
    if len(tasks) == len(chosen):
        return 0
    for source, target, part in arcs:
        cost = part.amounts.get("data", math.nan)
        if cost > 0 and source in chosen and target not in chosen:
            tasks[target].amounts["input"] = cost
        if cost > 0 and target in chosen and source not in chosen:
            tasks[source].amounts["output"] = cost
    arcs[:] = [arc for arc in arcs if not {arc[0], arc[1]} & chosen]
    for task in chosen:
        del tasks[task]
    return len(chosen)
