"""The instances of the page beside, with certified optima.

``python docs/interactive/instances.py`` writes them anew. The page may be opened from a folder, so its
data are a script, ``instances.js``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import offloadlib
from offloadlib.proofs import certify

FILE = Path(__file__).with_name("instances.js")

KEYS = ("format", "version", "kind", "name", "cost", "applications", "offload_points", "devices")
"""What the page needs of an instance."""


def of_library(name: str, devices: list[str], room: Mapping[str, int]) -> dict[str, Any]:
    """Some devices of an instance of the library, with so many places at some of its points.

    A device whose point is not among them is connected to the first one.
    """
    document = offloadlib.load(name).to_dict()
    chosen = [device for device in document["devices"] if device["id"] in devices]
    for device in chosen:
        if device["connected_to"] not in room:
            device["connected_to"] = next(iter(room))
    points = [
        point | {"capacity": room[point["id"]]} for point in document["offload_points"] if point["id"] in room
    ]
    applications = [a for a in document["applications"] if any(d["application"] == a["id"] for d in chosen)]
    parts = {"applications": applications, "offload_points": points, "devices": chosen}
    return {key: (document | parts)[key] for key in KEYS}


def one_place() -> dict[str, Any]:
    """Two devices whose middle subtask is worth sending away, and a point with a single place."""
    power = {"execute": 2, "send": 1, "receive": 1}
    common = {"application": "detector", "power": power, "connected_to": "op", "alpha": 0.5}
    data = {"work": [0.5, 6, 1], "input": [4, 0, 0], "output": [1, 0.5, 2]}
    return {
        **{"format": "offloadlib-instance", "version": 1, "kind": "structured", "name": "one-place"},
        "cost": {"normalise": "none"},
        "applications": [
            {
                "id": "detector",
                "subtasks": ["camera", "detect", "show"],
                "edges": [["camera", "detect"], ["detect", "show"]],
            }
        ],
        "offload_points": [{"id": "op", "cpu": 8, "capacity": 1, "uplink": 1, "downlink": 1}],
        "devices": [
            {"id": "phone", "cpu": 2, **common, **data},
            {"id": "watch", "cpu": 1.5, **common, **data},
        ],
    }


ONE = {
    "Face recognition, 5 subtasks": (
        "The first phone of the worked example, alone with both offload points. Time and battery count "
        "half each.",
        of_library("worked-example", ["ud1"], {"op1": 3, "op2": 2}),
    ),
    "Face analysis, 6 subtasks": (
        "A pipeline of DAGBench. Greedy comes near; can you do better by hand?",
        of_library("dagbench-face-analysis-m010-drawn", ["ud1"], {"op1": 3, "op5": 2}),
    ),
    "Navigator, 9 subtasks": (
        "A navigation app, as the simulator SLEIPNIR describes it. Most data cross in the middle, and greedy "
        "is far from the optimum.",
        of_library("dagbench-sleipnir-navigator-m010-drawn", ["ud7"], {"op1": 4, "op2": 3}),
    ),
}
"""Tasks of one device: a title, a story, the instance."""

TWO = {
    "A phone and a watch, one place": (
        "Both would send the step “detect” away, and there is one place. Raise the price until one of them "
        "lets go: whoever gains most by it keeps it, and then the bound is the optimum.",
        one_place(),
    ),
    "Two devices of paper-m005, four places": (
        "Now a device that comes wants five places, for its whole task, and there are four. No price makes "
        "exactly four wanted, so even the best bound stays below the optimum: a gap that branching closes.",
        of_library("paper-m005", ["ud1", "ud5"], {"op3": 4}),
    ),
}
"""Pairs of devices with one offload point."""


def decisions(instance: offloadlib.Instance, solution: offloadlib.Solution) -> list[list[str | None]]:
    """Places by name, None for the device, by device."""
    names = instance.points.ids
    return [[None if n == offloadlib.LOCAL else names[n] for n in row] for row in solution.rows(instance)]


def answered(document: dict[str, Any]) -> dict[str, Any]:
    """An instance with its certified optimum and what GSOD-I does."""
    instance = offloadlib.Instance.from_dict(document)
    found = offloadlib.solve(instance, "branch-and-price")
    with TemporaryDirectory() as folder:
        stored, accepted = certify(
            instance, found.stored("branch-and-price"), Path(folder) / "proof.cert.json"
        )
    if not accepted or stored.status != offloadlib.Status.OPTIMAL:
        raise RuntimeError(f"{document['name']}: its optimum is not certified")
    greedy = offloadlib.solve(instance, "gsod-i")
    return {
        "instance": document,
        "optimum": {"cost": found.objective, "decisions": decisions(instance, found.solution)},
        "greedy": {"cost": greedy.objective, "decisions": decisions(instance, greedy.solution)},
    }


def script() -> str:
    """The file that the page loads."""
    parts = {
        name: [
            {"title": title, "story": story, **answered(document)}
            for title, (story, document) in part.items()
        ]
        for name, part in (("one", ONE), ("two", TWO))
    }
    text = json.dumps(parts, ensure_ascii=False, indent=1)
    return f'"use strict";\n\n/* Written by instances.py. */\nconst INSTANCES = {text};\n'


if __name__ == "__main__":
    FILE.write_text(script(), encoding="utf-8")
