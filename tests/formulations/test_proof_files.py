"""Certificates of the library come out of the writers byte for byte, as they were first written."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from folders import LIBRARY

from offloadlib.formulations.hybrid import certificate as hybrid
from offloadlib.formulations.proofs.nodes import Divided, Enumeration
from offloadlib.formulations.structured import certificate as structured
from offloadlib.formulations.structured.decomposition.pricing import Prices
from offloadlib.instances import LOCAL, Instance, read
from offloadlib.instances.hybrid import HybridInstance

NAMES = sorted(path.name.removesuffix(".cert.json") for path in (LIBRARY / "certificates").iterdir())


def tree(document: dict[str, Any], leaf: Any, branch: Any) -> list[Any]:
    """The nodes of a file."""

    def node(record: dict[str, Any]) -> Any:
        if "branch" in record:
            return Divided(branch(record["branch"]), record["equal"], record["different"])
        if "patterns" in record:
            return Enumeration(leaf(record["patterns"]), record["below"])
        return leaf(record["prices"])

    return [node(record) for record in document["nodes"]]


def of_structured(document: dict[str, Any], instance: Instance) -> structured.Certificate:
    devices, points = list(instance.devices.ids), list(instance.points.ids)

    def leaf(record: dict[str, Any]) -> structured.Charged:
        vectors = [
            np.array([float(record.get(what, {}).get(name, 0)) for name in points])
            for what in ("capacity", "channels")
        ]
        cuts = {int(i): float(price) for i, price in record.get("cuts", {}).items()}
        return structured.Charged(Prices(*vectors), cuts)

    def branch(record: dict[str, Any]) -> Any:
        m = devices.index(record["device"])
        if "most" in record:
            return structured.Count(m, points.index(record["fast_as"]), record["most"])
        names = record["places"] if "places" in record else [record["place"]]
        places = frozenset(LOCAL if name is None else points.index(name) for name in names)
        subtasks = instance.applications[int(instance.devices.application[m])].subtasks
        return structured.Places(m, subtasks.index(record["subtask"]), places)

    cuts = [
        structured.Cut(
            points.index(cut["fast_as"]),
            cut["divisor"],
            {devices.index(name): shift for name, shift in cut["shifts"].items()},
        )
        for cut in document.get("cuts", [])
    ]
    claim = math.nextafter(float(document["lower_bound"]), math.inf)  # the nearest one may be below it
    return structured.Certificate(claim, tree(document, leaf, branch), cuts)


def of_hybrid(document: dict[str, Any], instance: HybridInstance) -> hybrid.Certificate:
    devices, places = list(instance.devices), {name: place for place, name in hybrid.NAMES.items()}

    def leaf(record: dict[str, Any]) -> hybrid.Leaf:
        return hybrid.Leaf(float(record["bandwidth"]), float(record.get("units", 0)))

    def branch(record: dict[str, Any]) -> Any:
        if "units" in record:
            return hybrid.Units(record["units"])
        return hybrid.Place(devices.index(record["device"]), record["task"], places[record["place"]])

    units = np.array([*document["units"].values()]) if "units" in document else None
    claim = math.nextafter(float(document["lower_bound"]), math.inf)
    return hybrid.Certificate(claim, tree(document, leaf, branch), units)


@pytest.mark.parametrize("name", NAMES)
def test_certificates_of_the_library(name: str, tmp_path: Path) -> None:
    path, again = LIBRARY / "certificates" / f"{name}.cert.json", tmp_path / "again.json"
    instance, document = read(LIBRARY / f"{name}.json"), json.loads(path.read_text())
    if isinstance(instance, HybridInstance):
        hybrid.write_certificate(of_hybrid(document, instance), instance, again)
    else:
        assert isinstance(instance, Instance)
        structured.write_certificate(of_structured(document, instance), instance, again)
    assert again.read_bytes() == path.read_bytes()
