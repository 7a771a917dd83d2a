"""A second implementation of format 2, straight from its text: exact costs, uses and optima by enumeration.

It works on documents in rational arithmetic, and shares no code with the package. A device's decisions are
all costed; only those that no other one beats in cost and in every use of a limit are kept, and the devices
are put together one after the other in the same way.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

Document = dict[str, Any]

Places = tuple[str | None, ...]
"""A point or the device (None) for each subtask."""

ZERO = Fraction(0)


class Decision(NamedTuple):
    """What one device may do.

    Attributes
    ----------
    places
        None: it is refused.
    cost
        Weighted.
    delay, energy
        0 where it is refused.
    use
        Of each limit of :func:`limits`.
    """

    places: Places | None
    cost: Fraction
    delay: Fraction
    energy: Fraction
    use: tuple[Fraction, ...]


def exactly(value: Any) -> Fraction:
    """The binary64 number of a document."""
    return Fraction(float(value))


def limits(document: Document) -> list[tuple[tuple[str, ...], Fraction]]:
    """Every limit that devices share: what it is, and how much there is."""
    found: list[tuple[tuple[str, ...], Fraction]] = []
    for point in document["offload_points"]:
        capacity = point["capacity"]
        rooms = capacity if isinstance(capacity, dict) else {"subtasks": capacity}
        found += [(("room", point["id"], name), exactly(room)) for name, room in rooms.items()]
        if point.get("channels") is not None:
            found.append((("channels", point["id"]), exactly(point["channels"])))
    for i, limit in enumerate(document.get("limits", ())):
        found.append((("limit", str(i)), exactly(limit["capacity"])))
    for name, cap in document.get("totals", {}).items():
        found.append((("total", name), exactly(cap)))
    return found


def decisions(document: Document, device: Document) -> list[Decision]:
    """Everything that a device may do by itself, each limit taken alone; refusal last."""
    app = next(item for item in document["applications"] if item["id"] == device["application"])
    points: list[str | None] = [point["id"] for point in document["offload_points"]]
    if device["connected_to"] is None:
        points = []
    allowed = device.get("allowed") or {}
    menus = [
        [place for place in [None, *points] if name not in allowed or place in allowed[name]]
        for name in app["subtasks"]
    ]
    most = limits(document)
    task = Task(document, app, device)
    found = []
    for places in itertools.product(*menus):
        decision = task.decision(places, most)
        in_time = exactly(device["deadline"]) >= decision.delay if _has(device, "deadline") else True
        cheap = exactly(device["energy_budget"]) >= decision.energy if _has(device, "energy_budget") else True
        fits = all(use <= there for use, (_, there) in zip(decision.use, most, strict=True))
        if in_time and cheap and fits:
            found.append(decision)
    if _has(device, "rejection"):
        cost = task.weight * exactly(device["rejection"])
        found.append(Decision(None, cost, ZERO, ZERO, (ZERO,) * len(most)))
    return found


def task_of(document: Document, device: Document) -> Task:
    """The task of a device."""
    app = next(item for item in document["applications"] if item["id"] == device["application"])
    return Task(document, app, device)


def _has(item: Document, key: str) -> bool:
    return item.get(key) is not None


class Task:
    """One device's task."""

    def __init__(self, document: Document, app: Document, device: Document) -> None:
        self.document, self.device, self.names = document, device, app["subtasks"]
        self.number = {name: k for k, name in enumerate(app["subtasks"])}
        self.edges = [(self.number[j], self.number[k]) for j, k in app["edges"]]
        self.points = {point["id"]: point for point in document["offload_points"]}
        self.at = {(entry["subtask"], entry["point"]): entry for entry in device.get("at") or ()}
        weight = device.get("weight")
        self.weight = Fraction(1) if weight is None else exactly(weight)
        self.execution = cache(self._execution)
        alone_delay, alone_energy = self.spent((None,) * len(self.names))
        a = exactly(device["alpha"])
        b = 1 - a
        if document["cost"]["normalise"] == "local":
            a, b = a and a / alone_delay, b and b / alone_energy
        self.a, self.b = a, b

    def decision(self, places: Places, most: Sequence[tuple[tuple[str, ...], Fraction]]) -> Decision:
        """Its cost and use."""
        delay, energy = self.spent(places)
        fees = sum((self.fee(k, place) for k, place in enumerate(places)), ZERO)
        cost = self.weight * (self.a * delay + self.b * energy + fees)
        use = tuple(self.used(what, places, delay, energy) for what, _ in most)
        return Decision(places, cost, delay, energy, use)

    def _execution(self, k: int, place: str | None) -> Fraction:
        entry = self.at.get((self.names[k], place), {})
        if _has(entry, "execution"):
            return exactly(entry["execution"])
        speed = self.device["cpu"] if place is None else self.points[place]["cpu"]
        return exactly(self.device["work"][k]) / exactly(speed)

    def fee(self, k: int, place: str | None) -> Fraction:
        """Of one subtask at a place."""
        entry = self.at.get((self.names[k], place), {})
        if _has(entry, "fee"):
            return exactly(entry["fee"])
        fee = {} if place is None else self.points[place].get("fee") or {}
        return exactly(fee.get("subtask") or 0) + exactly(fee.get("work") or 0) * exactly(
            self.device["work"][k]
        )

    def demand(self, k: int, place: str, resource: str) -> Fraction:
        """Of one subtask at a point."""
        if resource == "subtasks":
            return Fraction(1)
        entry = (self.at.get((self.names[k], place), {}).get("demand")) or {}
        if _has(entry, resource):
            return exactly(entry[resource])
        demand = (self.device.get("demand") or {}).get(resource)
        return ZERO if demand is None else exactly(demand[k])

    def used(self, what: tuple[str, ...], places: Places, delay: Fraction, energy: Fraction) -> Fraction:
        """What decisions use of a limit."""
        if what[0] == "total":
            return delay if what[1] == "delay" else energy
        if what[0] == "channels":
            on_air = any(place is not None for place in places)
            return Fraction(int(on_air and self.device["connected_to"] == what[1]))
        if what[0] == "room":
            at, resource = {what[1]}, what[2]
        else:
            limit = self.document["limits"][int(what[1])]
            at, resource = set(limit["points"]), limit["resource"]
        placed = ((k, place) for k, place in enumerate(places) if place is not None and place in at)
        return sum((self.demand(k, place, resource) for k, place in placed), ZERO)

    def spent(self, places: Places) -> tuple[Fraction, Fraction]:
        """Delay and energy."""
        device, edges = self.device, self.edges
        data = device.get("edge_data")
        data = [device["output"][j] for j, _ in edges] if data is None else data
        power = {key: exactly(value) for key, value in device["power"].items()}
        latency = device.get("latency") or {}
        wait = {key: exactly(latency.get(key) or 0) for key in ("up", "down")}
        finish: dict[int, Fraction] = {}
        energy = ZERO
        weight = []
        for k, place in enumerate(places):
            away = place is not None
            sent, received, times_sent, times_received = ZERO, ZERO, 0, 0
            for size, (j, i) in zip(data, edges, strict=True):
                if i == k and away and places[j] is None:
                    sent, times_sent = sent + exactly(size), times_sent + 1
                if i == k and not away and places[j] is not None:
                    received, times_received = received + exactly(size), times_received + 1
            if away and all(i != k for _, i in edges):
                sent, times_sent = sent + exactly(device["input"][k]), times_sent + 1
            if away and all(j != k for j, _ in edges):
                received, times_received = received + exactly(device["output"][k]), times_received + 1
            up = self._seconds(sent, "uplink")
            down = self._seconds(received, "downlink")
            execution = self.execution(k, place)
            weight.append(execution + up + down + times_sent * wait["up"] + times_received * wait["down"])
            energy += up * power["send"] + down * power["receive"]
            energy += ZERO if away else execution * power["execute"]
        while len(finish) < len(places):
            for k in range(len(places)):
                before = [j for j, i in edges if i == k]
                if k not in finish and all(j in finish for j in before):
                    finish[k] = weight[k] + max((finish[j] for j in before), default=ZERO)
        return max(finish.values()), energy

    def _seconds(self, size: Fraction, key: str) -> Fraction:
        if not size:
            return size
        own = self.device.get(key)
        return size / exactly(self.points[self.device["connected_to"]][key] if own is None else own)


class _State(NamedTuple):
    cost: Fraction
    use: tuple[Fraction, ...]
    chosen: tuple[Places | None, ...]


def optimum(
    document: Document, ceiling: Fraction | None = None
) -> tuple[Fraction, dict[str, list[str | None] | None]] | None:
    """The least objective with decisions as in a solution file; None where the instance has none.

    With a ceiling no device may cost more, its weight included. Many tests ask about the same instances: each
    is enumerated once.
    """
    return _optimum(json.dumps(document), ceiling)


@cache
def _optimum(
    text: str, ceiling: Fraction | None
) -> tuple[Fraction, dict[str, list[str | None] | None]] | None:
    document = json.loads(text)
    largest = document["cost"].get("objective") == "max"
    most = [there for _, there in limits(document)]
    states = [_State(ZERO, (ZERO,) * len(most), ())]
    for number, device in enumerate(document["devices"]):
        known = (d for d in decisions(document, device) if ceiling is None or d.cost <= ceiling)
        menu = list(_undominated(_State(d.cost, d.use, (d.places,)) for d in known))
        joined = (
            _State(
                max(state.cost, one.cost) if largest and number else state.cost + one.cost,
                tuple(x + y for x, y in zip(state.use, one.use, strict=True)),
                (*state.chosen, *one.chosen),
            )
            for state in states
            for one in menu
        )
        fitting = (state for state in joined if all(x <= y for x, y in zip(state.use, most, strict=True)))
        states = list(_undominated(fitting))
    if not states:
        return None
    best = min(states, key=lambda state: state.cost)
    names = [device["id"] for device in document["devices"]]
    rows = [None if places is None else list(places) for places in best.chosen]
    return best.cost, dict(zip(names, rows, strict=True))


def _undominated(states: Iterator[_State]) -> Iterator[_State]:
    """Those that no other one beats in cost and every use."""
    kept: list[_State] = []
    for state in sorted(states, key=lambda state: (state.cost, state.use)):
        if not any(all(x <= y for x, y in zip(other.use, state.use, strict=True)) for other in kept):
            kept.append(state)
            yield state
