"""Random small instances of format 2: a seeded generator, and the same as a strategy.

``from format2 import random_format2``: ``random_format2(7)`` is a valid document of 1-4 devices, 1-3
offload points and 1-4 subtasks each, with a random choice of :data:`FEATURES`. Most numbers are small
binary fractions, so that limits and deadlines are often met exactly; some are tenths, which are not exact,
and limits are tight enough for a good part of the instances to have no solution.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from offloadlib.instances.importers import import_gap
from offloadlib.instances.structured.instance import Instance

Document = dict[str, Any]

FEATURES = (
    *("resources", "limits", "totals", "max", "normalise", "channels"),
    *("fee", "demand", "at", "allowed", "latency", "deadline", "energy_budget", "rejection", "weight"),
)
"""What an instance may have; ``normalise`` (``local``) and ``channels`` are of format 1.

``resources`` gives points a capacity of them, which counts for something only with ``demand`` or ``at``.
"""


def random_format2(
    seed: int,
    features: Collection[str] | None = None,
    *,
    max_devices: int = 4,
    max_points: int = 3,
    max_subtasks: int = 4,
) -> Document:
    """A valid document of version 2.

    Parameters
    ----------
    seed
        The same seed and keywords give the same document.
    features
        Of :data:`FEATURES`, those that the instance has wherever chance does not decide otherwise; None: a
        random choice of them.
    max_devices, max_points, max_subtasks
        Greatest sizes.
    """
    draw = Random(seed)
    if features is None:
        share = draw.choice((0.15, 0.4, 0.8))
        features = {feature for feature in FEATURES if draw.random() < share}
    return _Maker(draw, frozenset(features)).document(seed, max_devices, max_points, max_subtasks)


def random_format1(seed: int, **sizes: int) -> Document:
    """A valid document of version 1, with few places; the keywords are those of :func:`random_format2`."""
    document = random_format2(seed, ["normalise", "channels"], **sizes)
    document["version"] = 1
    document["cost"].pop("objective", None)
    draw = Random(seed)
    for point in document["offload_points"]:
        point["capacity"] = draw.randint(0, 4)
    return document


def format2_documents(features: Collection[str] | None = None, **sizes: int) -> SearchStrategy[Document]:
    """The same as a strategy; the keywords are those of :func:`random_format2`."""
    return st.integers(0, 2**31 - 1).map(lambda seed: random_format2(seed, features, **sizes))


def assignment(costs: list[list[int]], uses: list[list[int]], capacities: list[int]) -> Instance:
    """A generalised assignment problem: every job on one agent."""
    numbers = [len(costs), len(costs[0]), *itertools.chain(*costs), *itertools.chain(*uses), *capacities]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "gap.txt"
        file.write_text(" ".join(map(str, numbers[:2])) + "\n" + " ".join(map(str, numbers[2:])))
        return import_gap(file)[0]


class _Maker:
    def __init__(self, draw: Random, features: frozenset[str]) -> None:
        self.draw = draw
        self.features = features
        self.resources: list[str] = []
        self.points: list[str] = []
        self.apps: dict[str, Document] = {}

    def has(self, feature: str, chance: float = 0.7) -> bool:
        return feature in self.features and self.draw.random() < chance

    def document(self, seed: int, devices: int, points: int, subtasks: int) -> Document:
        draw = self.draw
        if self.features & {"resources", "demand"}:
            self.resources = draw.choice((["memory"], ["memory"], ["cpu", "memory"], ["memory", "cpu"]))
        self.points = [f"op{n + 1}" for n in range(draw.randint(1, points))]
        apps = [self.application(f"app{a + 1}", subtasks) for a in range(draw.randint(1, 2))]
        self.apps = {app["id"]: app for app in apps}
        size = draw.randint(1, devices)
        cost: Document = {"normalise": "local" if "normalise" in self.features else "none"}
        if "max" in self.features:
            cost["objective"] = "max"
        elif draw.random() < 0.2:
            cost["objective"] = "sum"
        users = [self.device(f"ud{m + 1}", draw.choice(apps), cost["normalise"]) for m in range(size)]
        document: Document = {
            "format": "offloadlib-instance",
            "version": 2,
            "kind": "structured",
            "name": f"format2-{seed}",
            "cost": cost,
            "applications": apps,
            "offload_points": [self.point(name, size) for name in self.points],
            "devices": users,
        }
        if self.resources:
            document["resources"] = self.resources
        if "limits" in self.features:
            limits = [self.limit(f"limit{i + 1}", size) for i in range(draw.randint(1, 2))]
            document["limits"] = limits
        if "totals" in self.features:
            delay, energy = (sum(values) for values in zip(*map(self.alone, users), strict=True))
            caps = {"energy": self.share(energy), "delay": self.share(delay)}
            kept = draw.choice((["energy"], ["delay"], ["energy", "delay"]))
            document["totals"] = {key: caps[key] for key in kept}
        return document

    # Numbers ------------------------------------------------------------------------------------------

    def amount(self) -> float:
        """Most often a small binary fraction, sometimes tenths."""
        draw = self.draw
        return draw.choice((0, 0.5, 1, 1, 1.5, 2, 2, 3, draw.randint(1, 30) / 10))

    def signed(self) -> float:
        return self.amount() * self.draw.choice((1, 1, 1, -0.5))

    def share(self, whole: float) -> float:
        """A limit on what comes to this much if nothing is offloaded."""
        factor = self.draw.choice((0.25, 0.5, 0.75, 1, 1, 1.5, self.draw.uniform(0.2, 1.2)))
        value = whole * factor
        if self.draw.random() < 0.3:
            value = math.ceil(value * 4) / 4
        return value if value == 0 or value >= 1e-9 else 0.0

    # Parts --------------------------------------------------------------------------------------------

    def application(self, name: str, subtasks: int) -> Document:
        draw = self.draw
        names = [f"t{k + 1}" for k in range(draw.randint(1, subtasks))]
        pairs = list(itertools.combinations(names, 2))
        chance = draw.choice((0.3, 0.6, 1))
        edges = [list(pair) for pair in pairs if draw.random() < chance]
        if draw.random() < 0.3:  # a chain
            edges = [list(pair) for pair in itertools.pairwise(names)]
        draw.shuffle(names)
        return {"id": name, "subtasks": names, "edges": edges}

    def point(self, name: str, devices: int) -> Document:
        draw = self.draw
        subtasks = draw.choice((0, 1, 1, 2, 2, 3, 4, 2 * devices))
        capacity: Any = subtasks
        if self.resources or draw.random() < 0.2:
            capacity = {
                resource: draw.choice((0, 1, 2, 2.5, 3, 4, 6)) + draw.choice((0, 0, 0.1))
                for resource in self.resources
                if draw.random() < 0.8
            }
            if draw.random() < 0.5:
                capacity["subtasks"] = subtasks
        item: Document = {
            "id": name,
            "cpu": draw.choice((1, 2, 4, 4, 8, 3)),
            "capacity": capacity,
            "uplink": draw.choice((1, 2, 4, 3)),
            "downlink": draw.choice((1, 2, 4)),
        }
        if self.has("channels"):
            item["channels"] = draw.choice((0, 1, 1, 2, None))
        if self.has("fee"):
            item["fee"] = {
                key: value
                for key, value in (("subtask", self.signed() / 2), ("work", self.signed() / 8))
                if draw.random() < 0.7
            }
        return item

    def limit(self, name: str, devices: int) -> Document:
        draw = self.draw
        resource = draw.choice([*self.resources, *self.resources, "subtasks"])
        points = draw.sample(self.points, draw.randint(1, len(self.points)))
        capacity: float = draw.choice((0, 1, 2, 3, 4, 5))
        if resource != "subtasks":
            capacity += draw.choice((0, 0.5, 0.3))
        return {"id": name, "resource": resource, "points": points, "capacity": capacity}

    def device(self, name: str, app: Document, normalise: str) -> Document:
        draw, subtasks = self.draw, app["subtasks"]
        work = [draw.choice((0, 1, 1, 2, 2, 3, 4, self.amount())) for _ in subtasks]
        alpha = draw.choice((0, 0.25, 0.5, 0.5, 0.75, 1, 0.3))
        power = {key: self.amount() for key in ("execute", "send", "receive")}
        device: Document = {
            "id": name,
            "application": app["id"],
            "cpu": draw.choice((1, 1, 2, 0.5, 3)),
            "power": power,
            "connected_to": draw.choice([*self.points] * 3 + [None]),
            "alpha": alpha,
            "work": work,
            **{key: [self.amount() for _ in subtasks] for key in ("input", "output")},
        }
        if draw.random() < 0.2:
            device["edge_data"] = [self.amount() for _ in app["edges"]]
        if draw.random() < 0.2:
            device["uplink"] = draw.choice((1, 2, 8, 5))
        if self.has("demand"):
            device["demand"] = {
                resource: [self.amount() for _ in subtasks]
                for resource in self.resources
                if draw.random() < 0.8
            }
        if self.has("at"):
            device["at"] = self.exceptions(subtasks)
        if self.has("allowed"):
            device["allowed"] = self.allowed(subtasks)
        if self.has("latency"):
            keys = draw.choice((["up"], ["down"], ["up", "down"]))
            device["latency"] = {key: self.amount() / 4 for key in keys}
        if normalise == "local":  # G0 and E0 may be 0 where their weight is
            self.normalisable(device)
        delay, energy = self.alone(device)
        if self.has("deadline"):
            device["deadline"] = self.share(delay)
        if self.has("energy_budget"):
            device["energy_budget"] = self.share(energy)
        if self.has("rejection"):
            device["rejection"] = draw.choice((0, 0.5, 1, 2, 4, 10, 0.7, -0.5))
        if self.has("weight"):
            device["weight"] = draw.choice((0, 0.5, 1, 2, 3, 0.1))
        return device

    def exceptions(self, subtasks: list[str]) -> list[Document]:
        draw = self.draw
        spots = list(itertools.product(subtasks, [*self.points, None]))
        entries = []
        for subtask, point in draw.sample(spots, min(len(spots), draw.randint(1, 4))):
            entry: Document = {"subtask": subtask, "point": point}
            if draw.random() < 0.5:
                entry["execution"] = self.amount() / 2
            if draw.random() < 0.4:
                entry["fee"] = self.signed() / 2
            if point is not None and self.resources and draw.random() < 0.5:
                entry["demand"] = {draw.choice(self.resources): self.amount()}
            if len(entry) == 2:
                entry["execution"] = self.amount()
            entries.append(entry)
        return entries

    def allowed(self, subtasks: list[str]) -> Document:
        draw = self.draw
        everywhere = [*self.points, None]
        allowed = {}
        for subtask in draw.sample(subtasks, draw.randint(1, len(subtasks))):
            size = 0 if draw.random() < 0.05 else draw.randint(1, len(everywhere))
            allowed[subtask] = draw.sample(everywhere, size)
        return allowed

    def normalisable(self, device: Document) -> None:
        delay, energy = self.alone(device)
        if delay == 0:
            device["work"][0] = 2
            for entry in device.get("at", ()):
                if entry["point"] is None and "execution" in entry:
                    entry["execution"] = 0.5
            delay, energy = self.alone(device)
        if energy == 0 and device["alpha"] < 1:
            device["power"]["execute"] = 1.5

    # Nothing offloaded --------------------------------------------------------------------------------

    def alone(self, device: Document) -> tuple[float, float]:
        """Delay and energy of a device that offloads nothing: what limits and normalisers go by."""
        app = self.apps[device["application"]]
        seconds = dict(zip(app["subtasks"], (work / device["cpu"] for work in device["work"]), strict=True))
        for entry in device.get("at", ()):
            if entry["point"] is None and "execution" in entry:
                seconds[entry["subtask"]] = entry["execution"]
        done: dict[str, float] = {}
        for name in sorted(app["subtasks"], key=lambda name: int(name[1:])):  # arcs ascend
            before = [done[j] for j, k in app["edges"] if k == name]
            done[name] = seconds[name] + max(before, default=0)
        return max(done.values()), sum(seconds.values()) * device["power"]["execute"]
