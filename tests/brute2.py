"""A second implementation of format 2, straight from its text: exact costs, uses and optima by enumeration.

It works on documents in rational arithmetic, and shares no code with the package. A device's decisions are
all costed; only those that no other one beats in cost and in every use of a limit are kept, and the devices
are put together one after the other in the same way.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from operator import add, le
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


@lru_cache(maxsize=100_000)
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
    task = task_of(document, device)
    points: list[str | None] = [point["id"] for point in document["offload_points"]]
    if device["connected_to"] is None:
        points = []
    allowed = device.get("allowed") or {}
    menus = [
        [place for place in [None, *points] if name not in allowed or place in allowed[name]]
        for name in task.names
    ]
    found = []
    for places in itertools.product(*menus):
        decision = task.decision(places)
        in_time = exactly(device["deadline"]) >= decision.delay if _has(device, "deadline") else True
        cheap = exactly(device["energy_budget"]) >= decision.energy if _has(device, "energy_budget") else True
        fits = all(use <= there for use, (_, there) in zip(decision.use, task.limits, strict=True))
        if in_time and cheap and fits:
            found.append(decision)
    if _has(device, "rejection"):
        cost = task.weight * exactly(device["rejection"])
        found.append(Decision(None, cost, ZERO, ZERO, (ZERO,) * len(task.limits)))
    return found


def task_of(document: Document, device: Document) -> Task:
    """The task of a device; who asks about the same again gets the same, with what it has worked out."""
    return _task_of(json.dumps(document | {"devices": []}), json.dumps(device))


@lru_cache(maxsize=100)
def _task_of(document: str, device: str) -> Task:
    return Task(json.loads(document), json.loads(device))


def _has(item: Document, key: str) -> bool:
    return item.get(key) is not None


class Task:
    """One device's task.

    What a subtask takes, and counts for, is worked out once for each place, and added up in whole numbers.
    """

    def __init__(self, document: Document, device: Document) -> None:
        app = next(item for item in document["applications"] if item["id"] == device["application"])
        self.document, self.device, self.names = document, device, app["subtasks"]
        self.limits = limits(document)
        self.points = {point["id"]: point for point in document["offload_points"]}
        self.at = {(entry["subtask"], entry["point"]): entry for entry in device.get("at") or ()}
        number = {name: k for k, name in enumerate(self.names)}
        edges = [(number[j], number[k]) for j, k in app["edges"]]
        data = device.get("edge_data")
        data = [device["output"][j] for j, _ in edges] if data is None else data
        subtasks = range(len(self.names))
        self.before = [[j for j, i in edges if i == k] for k in subtasks]
        self.data = [
            [exactly(size) for size, (_, i) in zip(data, edges, strict=True) if i == k] for k in subtasks
        ]
        self.tails = {k for k in subtasks if all(j != k for j, _ in edges)}
        self.order: list[int] = []
        while len(self.order) < len(self.names):
            ready = [k for k in subtasks if k not in self.order and set(self.before[k]) <= set(self.order)]
            self.order += ready
        connected = device["connected_to"] is not None
        places = [None, *(self.points if connected else ())]
        placed = list(itertools.product(subtasks, places))
        taken = {
            (k, place, away): self._taken(k, place, away)
            for k, place in placed
            for away in itertools.product({False, connected}, repeat=len(self.before[k]))
        }
        self._time = _Whole({case: time for case, (time, _) in taken.items()})
        self._energy = _Whole({case: energy for case, (_, energy) in taken.items()})
        self._fees = _Whole({(k, place): self.fee(k, place) for k, place in placed})
        self._counted = {
            what: _Whole({(k, place): self._counts(what, k, place) for k, place in placed})
            for what, _ in self.limits
            if what[0] in ("room", "limit")
        }
        self.decision = cache(self._decision)
        weight = device.get("weight")
        self.weight = Fraction(1) if weight is None else exactly(weight)
        alone_delay, alone_energy = self.spent((None,) * len(self.names))
        a = exactly(device["alpha"])
        b = 1 - a
        if document["cost"]["normalise"] == "local":
            a, b = a and a / alone_delay, b and b / alone_energy
        self.a, self.b = a, b
        self._weights = _Whole(
            {
                "delay": self.weight * a / self._time.denominator,
                "energy": self.weight * b / self._energy.denominator,
                "fees": self.weight / self._fees.denominator,
            }
        )

    def _decision(self, places: Places) -> Decision:
        """Its cost, weight * (a * delay + b * energy + fees), and use."""
        time, spent = self._whole(places)
        per, fees = self._weights.numerators, self._fees.whole(enumerate(places))
        cost = self._weights.fraction(per["delay"] * time + per["energy"] * spent + per["fees"] * fees)
        delay, energy = self._time.fraction(time), self._energy.fraction(spent)
        use = tuple(self.used(what, places, delay, energy) for what, _ in self.limits)
        return Decision(places, cost, delay, energy, use)

    def execution(self, k: int, place: str | None) -> Fraction:
        """Of one subtask at a place, in seconds."""
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

    def _counts(self, what: tuple[str, ...], k: int, place: str | None) -> Fraction:
        """What one subtask at a place uses of a limit."""
        if what[0] == "room":
            at, resource = [what[1]], what[2]
        else:
            limit = self.document["limits"][int(what[1])]
            at, resource = limit["points"], limit["resource"]
        return ZERO if place is None or place not in at else self.demand(k, place, resource)

    def used(self, what: tuple[str, ...], places: Places, delay: Fraction, energy: Fraction) -> Fraction:
        """What decisions use of a limit."""
        if what[0] == "total":
            return delay if what[1] == "delay" else energy
        if what[0] == "channels":
            on_air = any(place is not None for place in places)
            return Fraction(int(on_air and self.device["connected_to"] == what[1]))
        return self._counted[what].sum(enumerate(places))

    def spent(self, places: Places) -> tuple[Fraction, Fraction]:
        """Delay and energy."""
        time, energy = self._whole(places)
        return self._time.fraction(time), self._energy.fraction(energy)

    def _whole(self, places: Places) -> tuple[int, int]:
        cases = [
            (k, place, tuple(places[j] is not None for j in self.before[k])) for k, place in enumerate(places)
        ]
        finish: dict[int, int] = {}
        for k in self.order:
            start = max((finish[j] for j in self.before[k]), default=0)
            finish[k] = start + self._time.numerators[cases[k]]
        return max(finish.values()), self._energy.whole(cases)

    def _taken(self, k: int, place: str | None, away_before: tuple[bool, ...]) -> tuple[Fraction, Fraction]:
        """Time and energy of a subtask at a place, its predecessors away or not."""
        device, away = self.device, place is not None
        moved = [size for size, there in zip(self.data[k], away_before, strict=True) if there != away]
        sent, received = (moved, []) if away else ([], moved)
        if away and not self.before[k]:
            sent = [exactly(device["input"][k])]
        if away and k in self.tails:
            received = [exactly(device["output"][k])]
        latency, power = device.get("latency") or {}, device["power"]
        execution = self.execution(k, place)
        up, down = self._seconds(sent, "uplink"), self._seconds(received, "downlink")
        waits = len(sent) * exactly(latency.get("up") or 0) + len(received) * exactly(
            latency.get("down") or 0
        )
        energy = up * exactly(power["send"]) + down * exactly(power["receive"])
        energy += ZERO if away else execution * exactly(power["execute"])
        return execution + up + down + waits, energy

    def _seconds(self, sizes: Sequence[Fraction], key: str) -> Fraction:
        size = sum(sizes, ZERO)
        if not size:
            return size
        own = self.device.get(key)
        return size / exactly(self.points[self.device["connected_to"]][key] if own is None else own)


class _Whole:
    """Fractions over one denominator, so that sums are of whole numbers."""

    def __init__(self, values: Mapping[Any, Fraction]) -> None:
        self.denominator = math.lcm(*(value.denominator for value in values.values()))
        self.numerators = {key: int(value * self.denominator) for key, value in values.items()}

        self.fraction = cache(self._fraction)

    def whole(self, keys: Iterable[Any]) -> int:
        """The sum of the values of these keys, times the denominator."""
        return sum(map(self.numerators.__getitem__, keys))

    def sum(self, keys: Iterable[Any]) -> Fraction:
        """Of the values of these keys."""
        return self.fraction(self.whole(keys))

    def _fraction(self, numerator: int) -> Fraction:
        return Fraction(numerator, self.denominator)


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
                tuple(map(add, state.use, one.use)),
                (*state.chosen, *one.chosen),
            )
            for state in states
            for one in menu
        )
        fitting = (state for state in joined if all(map(le, state.use, most)))
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
        if not any(all(map(le, other.use, state.use)) for other in kept):
            kept.append(state)
            yield state
