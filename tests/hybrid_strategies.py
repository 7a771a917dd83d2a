"""Hybrid instances for property tests, and a second opinion on them in exact or plain arithmetic.

``from hybrid_strategies import documents, instances``: documents as a JSON file holds them, and the same
as instances. They cover equal, empty and extreme sizes, no cloud, prices and times of 0, weights left out
and given, whole numbers and floats side by side, and names that are hard to print.
"""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from strategies import _SIZE as SIZES
from strategies import names

from offloadlib.instances.files.instances import parse
from offloadlib.instances.hybrid import HybridInstance

Document = dict[str, Any]

DOCUMENT: Document = {
    "format": "offloadlib-instance",
    "version": 1,
    "kind": "hybrid",
    "name": "two",
    "parameters": {
        "local_time": 0.475,
        "local_energy": 0.325,
        "transmit_energy": 0.142,
        "cycles": 1900,
        "bandwidth": 100,
        "delay_weight": 1,
        "edge": {"speed": 10000, "price": 0.15},
        "cloud": {"speed": 20000, "price": 0.15, "rate": 8},
    },
    "devices": [
        {"id": "d1", "sizes": [83.88608, 251.65824]},
        {"id": "d2", "weight": 2, "sizes": [100.663296, 134.217728]},
    ],
}

_TIME = st.sampled_from([0, 0.475, 0.15]) | st.floats(0.01, 2.0)
_SPEED = st.sampled_from([10000, 20000.0]) | st.floats(10.0, 1e5)
_WILD_POSITIVE = st.sampled_from([1e-9, 1, 10**9]) | st.builds(
    lambda digits, power: digits * 10.0**power, st.floats(1, 9.99), st.integers(-9, 8)
)


@st.composite
def documents(draw: DrawFn, most_tasks: int = 6, extreme: bool = False) -> Document:
    """An instance document with at most so many tasks in all."""
    devices = draw(st.integers(1, min(most_tasks, 4)))
    tasks = draw(st.integers(1, most_tasks // devices))
    time, speed = (SIZES["extreme"], _WILD_POSITIVE) if extreme else (_TIME, _SPEED)
    rate = _WILD_POSITIVE if extreme else st.sampled_from([0.5, 8, 100.0])
    positive = _WILD_POSITIVE if extreme else st.floats(0.1, 5.0)
    size = SIZES["extreme"] if extreme else st.sampled_from([0, 10.0, 83.88608]) | st.floats(0.1, 300.0)
    edge = {"speed": draw(speed), "price": draw(time)}
    cloud = {"speed": draw(speed), "price": draw(time), "rate": draw(rate)}
    ids = draw(names(devices)) if draw(st.booleans()) else [f"d{i + 1}" for i in range(devices)]
    weights = [draw(st.none() | st.just(1) | positive) for _ in ids]
    return {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "hybrid",
        "name": draw(st.sampled_from(["random", ""])),
        "parameters": {
            **{key: draw(time) for key in ("local_time", "local_energy", "transmit_energy")},
            "cycles": draw(time if extreme else st.sampled_from([0, 100.0, 1900])),
            "bandwidth": draw(_WILD_POSITIVE if extreme else st.floats(0.1, 10.0) | st.floats(10.0, 1e4)),
            "delay_weight": draw(positive),
            "edge": edge,
            "cloud": draw(st.sampled_from([cloud, cloud, None])),
        },
        "devices": [
            {
                "id": name,
                **({} if weight is None else {"weight": weight}),
                "sizes": draw(st.lists(size, min_size=tasks, max_size=tasks)),
            }
            for name, weight in zip(ids, weights, strict=True)
        ],
    }


def instance_of(document: Document) -> HybridInstance:
    """The instance of a document, by the reader."""
    instance = parse(json.dumps(document).encode(), "document")
    assert isinstance(instance, HybridInstance)
    return instance


def instances(most_tasks: int = 6, extreme: bool = False) -> st.SearchStrategy[HybridInstance]:
    """Instances with at most so many tasks in all."""
    return documents(most_tasks, extreme).map(instance_of)


# --- a second opinion, written apart from the package -----------------------------------------------


def decision_cost(document: Document, places: list[list[str | None]]) -> float:
    """The cost of decisions with the best split, which is found by bisection on the price."""
    parameters = document["parameters"]
    edge, cloud, rho = parameters["edge"], parameters["cloud"], parameters["delay_weight"]
    devices = []
    fixed = 0.0
    for device, row in zip(document["devices"], places, strict=True):
        weight = device.get("weight", 1)
        by_place = {
            place: sum(d for d, p in zip(device["sizes"], row, strict=True) if p == place)
            for place in (None, "edge", "cloud")
        }
        local = parameters["local_time"] * by_place[None]
        remote = parameters["cycles"] * by_place["edge"] / edge["speed"]
        energy = parameters["local_energy"] * by_place[None]
        energy += (parameters["transmit_energy"] + edge["price"]) * by_place["edge"]
        if cloud is not None:
            remote = max(
                remote, by_place["cloud"] * (1 / cloud["rate"] + parameters["cycles"] / cloud["speed"])
            )
            energy += (parameters["transmit_energy"] + cloud["price"]) * by_place["cloud"]
        upload = by_place["edge"] + by_place["cloud"]
        fixed += weight * energy
        devices.append((weight * rho, local, upload, remote))

    def share(price: float, weight: float, local: float, upload: float, remote: float) -> float:
        if upload == 0:
            return 0.0
        free = math.sqrt(weight * upload / price)
        return min(free, upload / (local - remote)) if local > remote else free

    low, high = 1e-40, 1e40
    for _ in range(400):
        price = math.sqrt(low * high)
        if sum(share(price, *device) for device in devices) > parameters["bandwidth"]:
            low = price
        else:
            high = price
    total = fixed
    for device in devices:
        weight, local, upload, remote = device
        total += weight * max(local, (upload / share(high, *device) if upload else 0.0) + remote)
    return total


def all_decisions(document: Document) -> list[list[list[str | None]]]:
    """Every decision of a small instance."""
    places: list[str | None] = [None, "edge"] + (["cloud"] if document["parameters"]["cloud"] else [])
    tasks = [len(device["sizes"]) for device in document["devices"]]
    return [
        [list(flat[i * tasks[0] : (i + 1) * tasks[0]]) for i in range(len(tasks))]
        for flat in itertools.product(places, repeat=sum(tasks))
    ]


def brute_force(document: Document) -> float:
    """The optimum, by trying everything."""
    return min(decision_cost(document, places) for places in all_decisions(document))
