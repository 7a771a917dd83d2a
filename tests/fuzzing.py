"""Random instances on given task graphs, and what exact methods must say about them.

:func:`document` draws the devices and offload points of an instance whose tasks are parts of given graphs
(:func:`real_graphs` from data sets, :func:`own_graphs` of our own making); :func:`stretched` makes single
things in a document 10^6 to 10^12 times as large or small. All is drawn from a ``random.Random``: a seeded
one for a campaign, or ``strategies.randoms()`` of hypothesis. :func:`disagreements` holds all exact methods
against brute force.
"""

from __future__ import annotations

import copy
import importlib.util
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from folders import DATA
from pytest import MonkeyPatch

from offloadlib.formulations.catalogue import FORMULATIONS
from offloadlib.formulations.structured.cp import cpsat
from offloadlib.formulations.structured.cp.places import PlaceEncoding
from offloadlib.formulations.structured.scaling import far_apart
from offloadlib.instances import Budget, Instance, Result, Status, Termination, evaluate
from offloadlib.instances.files.schema import LARGEST, SMALLEST
from offloadlib.instances.run import OPTIMAL_GAP
from offloadlib.methods import Family
from offloadlib.registry import METHODS

Document = dict[str, Any]

SMALL = 1e-6
"""Bounds lose some 1e-17 for rounding, which is more than the largest gap of a smaller optimum."""

COARSE = 2e-8
"""SCIP's tolerances are coarser, and relative to what its start costs, and where costs lie far apart HiGHS's
bounds are, too: what misses an optimum by less is not called optimal."""

MOST_LEAVES = 20_000
"""Decisions of all devices together for which the plain backtracking is tried."""


@dataclass(frozen=True)
class Graph:
    """A task graph with work per subtask and data per arc, of mean 1 each."""

    name: str
    work: tuple[float, ...]
    arcs: tuple[tuple[int, int], ...]
    data: tuple[float, ...]

    @classmethod
    def of(cls, name: str, work: Sequence[float], data: dict[tuple[int, int], float]) -> Graph:
        """From numbers in any unit."""
        return cls(name, _normalised(work), tuple(data), _normalised(list(data.values())))

    def part(self, random: Random, size: int) -> Graph:
        """A connected part with at most so many subtasks, and all arcs between them."""
        near: dict[int, set[int]] = {k: set() for k in range(len(self.work))}
        for j, k in self.arcs:
            near[j].add(k)
            near[k].add(j)
        kept = {random.randrange(len(self.work))}
        while len(kept) < size:
            border = sorted(set().union(*(near[k] for k in kept)) - kept)
            if not border:
                break
            kept.add(random.choice(border))
        number = {k: i for i, k in enumerate(sorted(kept))}
        inside = {
            (number[j], number[k]): data
            for (j, k), data in zip(self.arcs, self.data, strict=True)
            if j in number and k in number
        }
        return Graph.of(self.name, [self.work[k] for k in number], inside)


def _normalised(values: Sequence[float]) -> tuple[float, ...]:
    mean = math.fsum(values) / max(len(values), 1)
    return tuple(value / mean if mean > 0 else 1.0 for value in values)


# Graphs -------------------------------------------------------------------------------------------


@cache
def real_graphs() -> tuple[Graph, ...]:
    """The graphs of the data sets beside the repository; empty where these are not there."""
    found = [_of_dot(path) for path in sorted(DATA.glob("metarl/*.gv"))]
    found += [_of_workflow(path) for path in sorted(DATA.glob("wfinstances/*.json"))]
    found += [_of_dagbench(path) for path in sorted(DATA.glob("dagbench/*.json"))]
    return tuple(found)


def _of_dot(path: Path) -> Graph:
    text = path.read_text("utf-8")
    sizes = re.findall(r'^\s*(\d+) \[size="(\d+)"', text, re.MULTILINE)
    arcs = re.findall(r'^\s*(\d+) -> (\d+) \[size ="(\d+)"', text, re.MULTILINE)
    number = {name: k for k, (name, _) in enumerate(sizes)}
    data = {(number[j], number[k]): float(size) for j, k, size in arcs}
    return Graph.of(path.stem, [float(size) for _, size in sizes], data)


def _of_dagbench(path: Path) -> Graph:
    graph = json.loads(path.read_text("utf-8"))["task_graph"]
    number = {task["name"]: k for k, task in enumerate(graph["tasks"])}
    data = {(number[arc["source"]], number[arc["target"]]): arc["size"] for arc in graph["dependencies"]}
    return Graph.of(path.stem, [task["cost"] for task in graph["tasks"]], data)


def _of_workflow(path: Path) -> Graph:
    workflow = json.loads(path.read_text("utf-8"))["workflow"]
    tasks, runs = workflow["specification"]["tasks"], workflow["execution"]["tasks"]
    number = {task["id"]: k for k, task in enumerate(tasks)}
    size = {file["id"]: float(file["sizeInBytes"]) for file in workflow["specification"].get("files", [])}
    seconds = {run["id"]: float(run["runtimeInSeconds"]) for run in runs}
    written = {task["id"]: set(task.get("outputFiles", ())) for task in tasks}
    data = {
        (number[task["id"]], number[child]): sum(
            size[file] for file in tasks[number[child]].get("inputFiles", ()) if file in written[task["id"]]
        )
        for task in tasks
        for child in task.get("children", ())
    }
    return Graph.of(path.stem, [seconds[task["id"]] for task in tasks], data)


@cache
def own_graphs() -> tuple[Graph, ...]:
    """Graphs of the shapes that real ones have: layers, forks, pipelines, trees, and anything."""
    random = Random(0)
    found: list[Graph] = []
    for number in range(8):
        layers = [random.randint(1, 4) for _ in range(6)]
        found.append(_layered(random, f"layers-{number}", layers, density=0.3 + 0.1 * number))
    found.append(_layered(random, "fork", [1, 8, 1, 6, 1], density=1.0))
    found.append(_layered(random, "pipelines", [3] * 5, density=0.0))
    found.append(_layered(random, "reduction", [8, 4, 2, 1], density=0.0))
    for number in range(6):
        pairs = [(j, k) for k in range(14) for j in range(k)]
        arcs = random.sample(pairs, 14 + 4 * number)
        found.append(_drawn(random, f"any-{number}", 14, sorted(arcs)))
    return tuple(found)


def _layered(random: Random, name: str, layers: list[int], density: float) -> Graph:
    """Each subtask follows one of the layer before, and others of it with a probability."""
    arcs: list[tuple[int, int]] = []
    first = 0
    for before, here in itertools.pairwise(layers):
        wide = max(before, here)
        arcs += [(first + k * before // wide, first + before + k % here) for k in range(wide)]
        extra = [(first + j, first + before + k) for j in range(before) for k in range(here)]
        arcs += [arc for arc in extra if random.random() < density]
        first += before
    return _drawn(random, name, sum(layers), sorted(set(arcs)))


def _drawn(random: Random, name: str, size: int, arcs: list[tuple[int, int]]) -> Graph:
    work = [random.lognormvariate(0.0, 1.0) for _ in range(size)]
    return Graph.of(name, work, {arc: random.lognormvariate(0.0, 1.0) for arc in arcs})


# Instances ----------------------------------------------------------------------------------------


def document(random: Random, graphs: Sequence[Graph], most_subtasks: int = 8) -> Document:
    """An instance of 1 to 4 devices with parts of the graphs, small enough for brute force."""
    points = random.randint(1, 3)
    largest = min(most_subtasks, {1: 8, 2: 7, 3: 6}[points])
    parts = [
        random.choice(graphs).part(random, random.randint(min(3, largest), largest))
        for _ in range(random.randint(1, 2))
    ]
    devices = random.randint(1, 4)
    total = sum(len(part.work) for part in parts) * devices
    scarce = random.random() < 0.3
    return {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": "+".join(part.name for part in parts),
        "cost": {"normalise": random.choice(["none", "local"])},
        "applications": [_application(f"app{i}", part) for i, part in enumerate(parts)],
        "offload_points": [
            {
                "id": f"op{n}",
                "cpu": _near(random, 2.0),
                "capacity": random.randint(0, max(total // 2, 1)),
                "uplink": _near(random, 1.0),
                "downlink": _near(random, 1.0),
                "channels": random.randint(0, 2) if scarce else None,
            }
            for n in range(points)
        ],
        "devices": [_device(random, f"ud{m}", parts, points) for m in range(devices)],
    }


def _application(name: str, part: Graph) -> Document:
    names = [f"t{k}" for k in range(len(part.work))]
    return {"id": name, "subtasks": names, "edges": [[names[j], names[k]] for j, k in part.arcs]}


def _device(random: Random, name: str, parts: list[Graph], points: int) -> Document:
    number = random.randrange(len(parts))
    part = parts[number]
    drawn = random.random() < 0.5  # or as in the graph

    def sizes(given: Sequence[float], mean: float) -> list[float]:
        return [_clipped(mean * (random.uniform(0.3, 1.7) if drawn else value)) for value in given]

    return {
        "id": name,
        "application": f"app{number}",
        "cpu": _near(random, 1.0),
        "power": {
            "execute": _near(random, 15.0),
            "send": _near(random, 1.5),
            "receive": _near(random, 3.0),
        },
        "connected_to": f"op{random.randrange(points)}",
        "alpha": random.choice([1.0, 0.0, round(random.random(), 4), round(random.random(), 9)]),
        "work": sizes(part.work, 2.0),
        "input": sizes(part.work, 0.6),
        "output": sizes(part.work, 0.6),
        "edge_data": sizes(part.data, random.choice([0.1, 0.6, 3.0])),
    }


def _near(random: Random, mean: float) -> float:
    return round(mean * random.uniform(0.4, 1.6), random.choice([1, 4])) or mean


def _clipped(value: float) -> float:
    return min(max(value, SMALLEST), LARGEST)


def stretched(random: Random, document: Document) -> Document:
    """The document with one or two kinds of numbers of one device or point multiplied by 10^6 to 10^12."""
    document = copy.deepcopy(document)
    for _ in range(random.randint(1, 2)):
        factor = 10.0 ** random.uniform(6.0, 12.0)
        device = random.choice(document["devices"])
        point = random.choice(document["offload_points"])
        lists = [device[key] for key in ("work", "input", "output", "edge_data")]
        kind = random.randrange(7)
        if kind < 2:  # a whole task
            for values in lists:
                _multiply(values, range(len(values)), factor)
        elif kind == 2:
            _multiply(lists[0], range(len(lists[0])), factor)
        elif kind == 3:
            for values in lists[1:]:
                _multiply(values, range(len(values)), factor)
        elif kind == 4:
            values = random.choice([values for values in lists if values])
            _multiply(values, [random.randrange(len(values))], factor)
        elif kind == 5:
            device["power"] = {key: _clipped(value * factor) for key, value in device["power"].items()}
        else:
            slow = random.choice([(device, "cpu"), (point, "cpu"), (point, "uplink"), (point, "downlink")])
            slow[0][slow[1]] = _clipped(slow[0][slow[1]] / factor)
        if random.random() < 0.3:
            device["alpha"] = 10.0 ** random.uniform(-9.0, -3.0)
    return document


def _multiply(values: list[float], which: Sequence[int], factor: float) -> None:
    """By a factor, or, where a file allows no more, by what is left of it; the others grow smaller."""
    most = max((values[k] for k in which), default=0.0)
    up = min(factor, LARGEST / most) if most else 1.0
    for k in range(len(values)):
        values[k] = _clipped(values[k] * (up if k in which else max(up / factor, SMALLEST)))


# Methods ------------------------------------------------------------------------------------------


_BY_SCIP = {formulation.name for formulation in FORMULATIONS}


def exact_methods(instance: Instance) -> Iterator[tuple[str, str]]:
    """The exact methods that apply, each with its solver; ``cpsat-places`` is the encoding by places."""
    for method in METHODS.values():
        if method.family is not Family.EXACT or method.applies_to(instance) is not None:
            continue
        if method.name == "btod-plain" and (instance.num_points + 1) ** instance.num_subtasks > MOST_LEAVES:
            continue
        yield method.name, "highs"
        if method.name in _BY_SCIP and importlib.util.find_spec("pyscipopt"):
            yield method.name, "scip"
        if method.name == "cpsat":
            yield "cpsat-places", "highs"


def solved(instance: Instance, name: str, solver: str, budget: Budget[Any]) -> Result[Any]:
    """The result of one of :func:`exact_methods`."""
    budget = replace(budget, solver=solver)
    if name != "cpsat-places":
        return METHODS[name].load()(instance, budget)
    with MonkeyPatch.context() as patch:
        patch.setattr(cpsat, "DecisionEncoding", PlaceEncoding)
        return cpsat.solve(instance, budget)


def disagreements(
    instance: Instance,
    optimum: float,
    methods: Iterable[tuple[str, str]] | None = None,
    seed: int = 0,
    limit: float = 60.0,
) -> list[str]:
    """What is wrong with the answers of exact methods to an instance with a known optimum.

    No cost may be false, no bound above the optimum, and nothing optimal that is not. A method that had time
    has the optimum, and says so, where rounding lets it.
    """
    wrong: list[str] = []
    start = METHODS["gsod-i"].load()(instance, Budget()).solution
    for name, solver in exact_methods(instance) if methods is None else methods:
        result = solved(instance, name, solver, Budget(seed=seed, start=start, time_limit=limit))
        evaluation, bound = evaluate(instance, result.solution), result.lower_bound
        above = result.objective / optimum - 1 if optimum > 0 else result.objective
        late = result.termination is Termination.TIME_LIMIT
        says = f"{name} ({solver}) says {result.status}, {result.termination}:"
        if not evaluation.feasible or evaluation.total != result.objective:
            wrong.append(f"{says} its solution costs {evaluation.total!r}, not {result.objective!r}")
        optimal = result.status is Status.OPTIMAL
        if above > (COARSE if solver == "scip" and not optimal else OPTIMAL_GAP) and (optimal or not late):
            wrong.append(f"{says} {above:.2g} above the optimum")
        if bound is not None and bound > optimum * (1 + 1e-12):
            wrong.append(f"{says} its bound is {bound / optimum - 1:.2g} above the optimum")
        largest = COARSE if solver == "scip" or far_apart(instance) else OPTIMAL_GAP
        if not late and optimum > SMALL and (result.gap is None or result.gap > largest):
            wrong.append(f"{says} a gap of {result.gap}")
    return wrong
