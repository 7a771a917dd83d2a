r"""What prices tell a planner: the worth of a place at each offload point, and why a subtask is where it is.

With lambda_n >= 0 on the capacities and mu_n >= 0 on the channels, the Lagrangian bound is

.. math::

   L(\lambda, \mu) = \sum_m \min_{d_m} \bigl[C_m(d_m) + \lambda\, u_m(d_m) + \mu\, v_m(d_m)\bigr]
     - \lambda q^1 - \mu q^2 \;\le\; F^* .

One more place at n lowers L by exactly lambda_n at these prices, so the optimum falls by at most F - L +
lambda_n, for the cost F of any solution: at prices that close the gap, a place is worth what it is priced
at, or less. How much less is found by trying: the instance with one more place is solved.

The *reduced cost* of a place for a subtask is the least cost plus prices of its device with the subtask
there, less that without the condition. It is 0 on the decision that the prices favour; a solution that
takes a place of large reduced cost pays for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from instances import LOCAL, UNLIMITED, Budget, InputError, Instance, Progress, Solution, evaluate
from instances.model import Floats, frozen
from instances.subset import restricted, subset

from .timeline import telling_device

if TYPE_CHECKING:
    from formulations.decomposition.pricing import Prices

WORTHLESS = 1e-7
"""Prices below this share of the cost per device count as 0."""


@dataclass(frozen=True)
class Limit:
    """A limit of an offload point, and what it is worth.

    Attributes
    ----------
    point
        Id of the offload point.
    kind
        ``capacity`` (subtasks) or ``channels`` (devices on the radio).
    size, used
        The limit, and what the solution uses of it.
    price
        What one more is worth by the prices; None at a point without any capacity, where nothing is priced.
    saved
        What one more saved when it was tried, or None where it was not: price 0, or no time left.
    saved_at_most
        What one more can save at the most, by the bound of the trial; equal to ``saved`` (within the gap)
        where the trial ended with a proof.
    """

    point: str
    kind: str
    size: int
    used: int
    price: float | None
    saved: float | None = None
    saved_at_most: float | None = None

    @property
    def binds(self) -> bool:
        """Whether nothing of it is free."""
        return self.used >= self.size

    @property
    def worth(self) -> float:
        """The price, or 0 where nothing is priced."""
        return self.price or 0.0


@dataclass(frozen=True)
class Choice:
    """Where a subtask runs, and why.

    Attributes
    ----------
    subtask
        Its name.
    place
        Id of an offload point; None: local.
    alone
        (N + 1,) change of the device's cost if this subtask alone moved to each offload point or, last,
        to the device, in the unit of the objective.
    reduced_cost
        (N + 1,) of each place, with prices, the other subtasks of the device free to follow; infinite
        where it cannot be.
    reason
        In words.
    """

    subtask: str
    place: str | None
    alone: Floats
    reduced_cost: Floats
    reason: str


@dataclass(frozen=True)
class Explanation:
    """What prices tell of a solution.

    Attributes
    ----------
    instance, solution
        What is explained.
    objective
        F of the solution.
    best_objective, lower_bound
        Of the search for the optimum that the trials are compared with.
    price_bound
        L at the prices, without branching.
    limits
        Every limit, the dearest first.
    device
        Id of the device whose choices are explained.
    choices
        One for each subtask of that device.
    """

    instance: Instance
    solution: Solution
    objective: float
    best_objective: float
    lower_bound: float
    price_bound: float
    limits: tuple[Limit, ...]
    device: str
    choices: tuple[Choice, ...]

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: names and numbers, no decisions."""
        places = [*self.instance.points.ids, None]
        return {
            "instance": {"name": self.instance.name, "sha256": self.instance.fingerprint},
            "objective": self.objective,
            "best_objective": self.best_objective,
            "lower_bound": self.lower_bound,
            "price_bound": self.price_bound,
            "limits": [{**asdict(limit), "binds": limit.binds} for limit in self.limits],
            "device": self.device,
            "choices": [
                {
                    "subtask": choice.subtask,
                    "place": choice.place,
                    "reason": choice.reason,
                    "places": [
                        {"place": name, "alone": _finite(alone), "reduced_cost": _finite(reduced)}
                        for name, alone, reduced in zip(
                            places, choice.alone.tolist(), choice.reduced_cost.tolist(), strict=True
                        )
                    ],
                }
                for choice in self.choices
            ],
        }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def explain(
    instance: Instance,
    solution: Solution,
    *,
    device: str | None = None,
    time_limit: float = 60.0,
    on_progress: Callable[[str, Progress | None], None] | None = None,
) -> Explanation:
    """Price the limits of an instance, try the dear ones with one more, and explain a device's choices.

    Parameters
    ----------
    instance, solution
        A solution that keeps all limits.
    device
        Id of the device to explain; by default the one whose task uses the most places.
    time_limit
        Seconds for all trials together: the dearest limits are tried first.
    on_progress
        Called with what is solved, and None at its beginning or its progress.

    Raises
    ------
    InputError
        If the solution breaks a limit, or there is no such device.
    """
    evaluation = evaluate(instance, solution)
    problems = [("solution", f"breaks a limit: {violation}") for violation in evaluation.violations]
    if device is not None and device not in instance.devices.ids:
        problems.append(("device", f"{device!r} is not in the instance"))
    if not time_limit > 0:
        problems.append(("time_limit", f"must be positive, not {time_limit!r}"))
    if problems:
        raise InputError("explain", problems)
    m = telling_device(instance, solution) if device is None else instance.devices.ids.index(device)
    search = _Trials(instance, solution, time_limit, on_progress)
    limits = _limits(instance, evaluation.used, evaluation.channels_used, search.prices)
    return Explanation(
        instance,
        solution,
        evaluation.total,
        search.objective,
        search.bound,
        search.price_bound,
        tuple(search.tried(limit) for limit in limits),
        instance.devices.ids[m],
        tuple(_Device(instance, solution, m, search.prices).choices()),
    )


class _Trials:
    """The prices, the optimum or what is known of it, and the optimum with one more of a limit."""

    def __init__(
        self,
        instance: Instance,
        solution: Solution,
        time_limit: float,
        on_progress: Callable[[str, Progress | None], None] | None,
    ) -> None:
        from formulations.decomposition.branch_and_price import prove
        from formulations.decomposition.master import best_prices

        self._prove, self._instance, self._on_progress = prove, instance, on_progress
        self._deadline = time.perf_counter() + time_limit
        self._begin("prices")
        total = evaluate(instance, solution).total
        late = self._deadline - time_limit / 4
        self.price_bound, self.prices = best_prices(instance, solution, lambda: time.perf_counter() > late)
        self._solution, self.objective, bound = self._solved(instance, solution, "as it is", time_limit / 4)
        self.bound = min(max(bound, self.price_bound), self.objective)
        self._least = WORTHLESS * total / instance.num_devices

    def _begin(self, what: str) -> None:
        if self._on_progress is not None:
            self._on_progress(what, None)

    def _solved(
        self, instance: Instance, start: Solution, what: str, seconds: float
    ) -> tuple[Solution, float, float]:
        self._begin(what)
        notify = self._on_progress
        told = None if notify is None else lambda progress: notify(what, progress)
        proof = self._prove(instance, start, Budget(time_limit=seconds, on_progress=told))
        return proof.solution, proof.objective, proof.certificate.lower_bound

    def tried(self, limit: Limit) -> Limit:
        """The limit with what one more saves, where it has a price and there is time."""
        left = self._deadline - time.perf_counter()
        if (limit.price is not None and limit.price <= self._least) or left <= 0:
            return limit
        points = self._instance.points
        more = getattr(points, limit.kind).copy()
        more[points.ids.index(limit.point)] += 1
        changed: dict[str, Any] = {limit.kind: frozen(more, np.int64)}
        relaxed = replace(self._instance, points=replace(points, **changed))
        what = f"one more at {limit.point} ({limit.kind})"
        _, objective, bound = self._solved(relaxed, self._solution, what, left)
        return replace(limit, saved=self.objective - objective, saved_at_most=self.objective - bound)


def _limits(instance: Instance, used: Any, channels_used: Any, prices: Prices) -> list[Limit]:
    """All limits, the dearest first."""
    points, found = instance.points, []
    for n, point in enumerate(points.ids):
        size = int(points.capacity[n])
        price = float(prices.capacity[n]) if size > 0 else None
        found.append(Limit(point, "capacity", size, int(used[n]), price))
        if points.channels[n] != UNLIMITED:
            size = int(points.channels[n])
            found.append(Limit(point, "channels", size, int(channels_used[n]), float(prices.channels[n])))
    return sorted(found, key=lambda limit: -limit.worth)


class _Device:
    """One device beside the others, which stay as they are."""

    def __init__(self, instance: Instance, solution: Solution, m: int, prices: Prices) -> None:
        evaluation = evaluate(instance, solution)
        only = np.array([m])
        self.points, self.prices = instance.points, prices
        self.alone = subset(instance, only)
        self.row = restricted(instance, solution, only).rows(self.alone)[0]
        self.task = self.alone.groups[0].application
        self.cost = float(evaluation.cost[m])
        self.radio = int(instance.devices.connected_to[m])
        self.free = [*(instance.points.capacity - evaluation.used).tolist(), math.inf]
        self.free_radio = math.inf
        if self.radio != LOCAL and instance.points.channels[self.radio] != UNLIMITED:
            self.free_radio = int(instance.points.channels[self.radio] - evaluation.channels_used[self.radio])

    def choices(self) -> Iterator[Choice]:
        """One for each subtask."""
        from formulations.decomposition.pricing import price

        least = float(price(self.alone, self.prices).value[0])
        for k, place in enumerate(self.row):
            moved = [self._moved(k, n) for n in self._places]
            change = np.array([self._cost(row) - self.cost for row in moved])
            yield Choice(
                self.task.subtasks[k],
                None if place == LOCAL else self.points.ids[place],
                change,
                np.array([self._priced(k, n) - least for n in self._places]),
                self._reason(k, moved, change),
            )

    @property
    def _places(self) -> list[int]:
        return [*range(len(self.points.ids)), LOCAL]

    def _moved(self, k: int, place: int) -> list[int]:
        return [*self.row[:k], place, *self.row[k + 1 :]]

    def _cost(self, row: list[int]) -> float:
        if self.radio == LOCAL and any(place != LOCAL for place in row):
            return math.inf
        return float(evaluate(self.alone, Solution.from_rows(self.alone, [row])).cost[0])

    def _priced(self, k: int, place: int) -> float:
        from formulations.decomposition.pricing import Restrictions, price

        restrictions = Restrictions(self.alone)
        restrictions.branch(0, k, place, equal=True)
        return float(price(self.alone, self.prices, restrictions).value[0])

    def _paid(self, row: list[int]) -> float:
        """Prices of what a decision uses."""
        used = [place for place in row if place != LOCAL]
        radio = float(self.prices.channels[self.radio]) if used else 0.0
        return float(self.prices.capacity[used].sum()) + radio

    def _reason(self, k: int, moved: list[list[int]], change: Floats) -> str:
        if self.radio == LOCAL:
            return "the device has no radio link"
        here = self.row[k]
        others = [n for n in self._places if n != here]
        best = min(others, key=lambda n: float(change[n]))
        name = "its device" if best == LOCAL else self.points.ids[best]
        gain = -float(change[best])
        if abs(gain) <= WORTHLESS * abs(self.cost):
            return f"cheapest here; {name} costs the same"
        if gain < 0:
            return f"cheapest here; {name} costs {_amount(-gain)} more"
        row = moved[best]
        dearer = self._paid(row) - self._paid(self.row)
        starts = all(place == LOCAL for place in self.row)
        if self.free[best] > 0 and not (starts and self.free_radio <= 0):
            return f"{name} has room and costs {_amount(gain)} less: the solution can be improved"
        full = f"{name} is full" if self.free[best] <= 0 else "all radio channels are taken"
        less = f"{name} costs {_amount(gain)} less, but {full}"
        if dearer >= gain:
            return f"{less}, and worth {_amount(dearer)} more than what is used now"
        if dearer <= 0:
            return f"{less}, though it is worth no more than what is used now"
        return f"{less}, though it is worth only {_amount(dearer)} more than what is used now"


def _amount(value: float) -> str:
    return f"{value:.3g}"
