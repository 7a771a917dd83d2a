"""Random small instances for property tests.

``from strategies import documents, instances, solutions``: instance documents as a JSON file holds them,
the same as :class:`~.instances.Instance`, and decisions of an instance. They cover random graphs, several
applications, devices without a connection, rates of a device's own, arc data, channels, capacities of 0,
both normalisations, whole numbers and floats side by side, zeros of both signs, and names that are hard
to print. The keywords of :func:`documents` narrow all that.

For tests on one document there are the worked example (:data:`DOCUMENT`) and changes of it
(:func:`put`, :func:`drop`).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, Literal

from folders import LIBRARY
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from offloadlib.instances import LOCAL, Instance, Solution, evaluate
from offloadlib.instances.files.instances import parse

Document = dict[str, Any]
Change = Callable[[Document], Any]
Magnitudes = Literal["moderate", "extreme"]

EXAMPLE = LIBRARY / "worked-example.json"
DOCUMENT: Document = json.loads(EXAMPLE.read_text("utf-8"))

NAMES = ["a", "b", "c", "t 1", "t.2", "größe", "😀", '"', "\\", "\n", "null", "[0]", "-1", "x" * 70]
_SPREAD = st.builds(lambda digits, power: digits * 10.0**power, st.floats(1, 9.99), st.integers(-9, 8))
_POSITIVE = {
    "moderate": st.integers(1, 4) | st.floats(0.25, 4),
    "extreme": st.sampled_from([1e-9, 1, 10**9, 1e9]) | _SPREAD,
}
_SIZE = {key: st.sampled_from([0, 0.0, -0.0]) | values | values for key, values in _POSITIVE.items()}
_ALPHA = st.sampled_from([0, 1, 0.0, -0.0, 1.0, 1e-9]) | st.floats(0.05, 0.95)
_POSITION = st.lists(
    st.integers(-9, 9) | st.floats(-1e3, 1e3).map(lambda x: round(x, 3)), min_size=2, max_size=2
)


def names(count: int) -> SearchStrategy[list[str]]:
    """That many different names."""
    return st.lists(st.sampled_from(NAMES), min_size=count, max_size=count, unique=True)


@st.composite
def applications(draw: DrawFn, name: str = "app", max_subtasks: int = 5) -> Document:
    """A directed acyclic graph whose subtasks and arcs stand in any order."""
    size = draw(st.integers(1, max_subtasks))
    subtasks = draw(names(size)) if draw(st.booleans()) else [f"t{k + 1}" for k in range(size)]
    order = draw(st.permutations(subtasks))
    pairs = [[order[j], order[k]] for k in range(size) for j in range(k)]
    edges = draw(st.lists(st.sampled_from(pairs), unique_by=tuple)) if pairs else []
    return {"id": name, "subtasks": subtasks, "edges": edges}


@st.composite
def documents(
    draw: DrawFn,
    *,
    magnitudes: Magnitudes = "moderate",
    max_devices: int = 4,
    max_points: int = 3,
    max_subtasks: int = 5,
    max_applications: int = 3,
    normalise: Literal["none", "local"] | None = None,
) -> Document:
    """A valid instance document.

    Parameters
    ----------
    magnitudes
        ``moderate``: values within a factor of 16 of each other; ``extreme``: all that files allow.
    max_devices, max_points, max_subtasks, max_applications
        Greatest sizes.
    normalise
        None: either.
    """
    size, positive = _SIZE[magnitudes], _POSITIVE[magnitudes]
    weights: str = normalise or draw(st.sampled_from(["none", "local"]))
    apps = [
        draw(applications(name, max_subtasks)) for name in draw(names(draw(st.integers(1, max_applications))))
    ]
    point_names = draw(names(draw(st.integers(1, max_points))))
    device_names = draw(names(draw(st.integers(1, max_devices))))
    capacities = st.integers(0, 4) | st.sampled_from([0, 2.0, 10**9])
    channels = st.sampled_from([None, 0, 1, 1, 2, 2.0])
    document: Document = {
        "format": "offloadlib-instance",
        "version": 1,
        "kind": "structured",
        "name": draw(st.sampled_from(["", *NAMES])),
        "cost": {"normalise": weights},
        "applications": apps,
        "offload_points": [
            {
                "id": name,
                "cpu": draw(positive),
                "capacity": draw(capacities),
                "uplink": draw(positive),
                "downlink": draw(positive),
                **draw(_some(channels=channels, position=st.none() | _POSITION)),
            }
            for name in point_names
        ],
        "devices": [
            draw(_devices(name, apps, point_names, size, positive, weights)) for name in device_names
        ],
    }
    document |= draw(_some(description=st.none() | st.just("words"), source=st.none() | _SOURCE))
    return {key: document[key] for key in draw(st.permutations(list(document)))}


_SOURCE = st.fixed_dictionaries({"seed": st.integers(0, 9), "path": st.lists(st.none() | st.floats(0, 1))})


def _some(**optional: SearchStrategy[Any]) -> SearchStrategy[Document]:
    """An object with some of these keys."""
    return st.fixed_dictionaries({}, optional=optional)


@st.composite
def _devices(
    draw: DrawFn,
    name: str,
    apps: list[Document],
    point_names: list[str],
    size: SearchStrategy[float],
    positive: SearchStrategy[float],
    normalise: str,
) -> Document:
    app = draw(st.sampled_from(apps))
    rows = {
        key: draw(st.lists(size, min_size=length, max_size=length))
        for key, length in zip(
            ("work", "input", "output", "edge_data"),
            (*[len(app["subtasks"])] * 3, len(app["edges"])),
            strict=True,
        )
    }
    edge_data = rows.pop("edge_data")
    power = {key: draw(size) for key in ("execute", "send", "receive")}
    alpha = draw(_ALPHA)
    if normalise == "local":  # G0 and E0 may be 0 where their weight is
        if not any(rows["work"]):
            rows["work"][draw(st.integers(0, len(rows["work"]) - 1))] = draw(positive)
        if power["execute"] == 0:
            alpha = 1
    return {
        "id": name,
        "application": app["id"],
        "cpu": draw(positive),
        "power": power,
        "connected_to": draw(st.sampled_from([*point_names, *point_names, None])),
        "alpha": alpha,
        **rows,
        **draw(
            _some(
                uplink=st.none() | positive,
                downlink=st.none() | positive,
                position=st.none() | _POSITION,
                edge_data=st.sampled_from([None, edge_data]),
            )
        ),
    }


def put(*path: Any) -> Change:
    """Set a value: ``put("devices", 0, "cpu", 7)`` makes 7 of ``devices[0].cpu``."""
    *way, last, value = path

    def change(document: Any) -> None:
        for key in way:
            document = document[key]
        document[last] = value

    return change


def drop(*path: Any) -> Change:
    """Delete a key, or an entry of a list."""
    *way, last = path

    def change(document: Any) -> None:
        for key in way:
            document = document[key]
        del document[last]

    return change


def changed(*changes: Change, of: Document = DOCUMENT) -> Document:
    """A document (the worked example) after some changes."""
    document = copy.deepcopy(of)
    for change in changes:
        change(document)
    return document


def instance_of(document: Document) -> Instance:
    """The instance of a document, by way of the text of its JSON file."""
    instance = parse(json.dumps(document).encode(), "a drawn document")
    assert isinstance(instance, Instance)
    return instance


def instances(**narrowed: Any) -> SearchStrategy[Instance]:
    """Valid instances; the keywords are those of :func:`documents`."""
    return documents(**narrowed).map(instance_of)


@st.composite
def solutions(draw: DrawFn, instance: Instance) -> Solution:
    """Decisions of an instance that may break capacities and channels, but need no missing connection."""
    anywhere = st.integers(LOCAL, instance.num_points - 1)
    rows = [[LOCAL] * instance.applications[number].size for number in instance.devices.application]
    for row, point in zip(rows, instance.devices.connected_to, strict=True):
        if point != LOCAL:
            row[:] = draw(st.lists(anywhere, min_size=len(row), max_size=len(row)))
    return Solution.from_rows(instance, rows)


def feasible_part(instance: Instance, solution: Solution) -> Solution:
    """The decisions of the devices that find room in their order; the others are all-local."""
    rows = Solution.all_local(instance).rows(instance)
    for m, row in enumerate(solution.rows(instance)):
        tried = [*rows[:m], row, *rows[m + 1 :]]
        if evaluate(instance, Solution.from_rows(instance, tried)).feasible:
            rows = tried
    return Solution.from_rows(instance, rows)
