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

All of this has one time limit: a quarter of it is for the prices, a quarter for the optimum, and half of what
is left for the device's choices, before the trials. What there was no time for, or what Ctrl-C came before,
is marked as not computed.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from offloadlib.instances import (
    LOCAL,
    UNLIMITED,
    Budget,
    Instance,
    Progress,
    Result,
    Solution,
    Termination,
    evaluate,
)
from offloadlib.instances.arrays import Floats, frozen
from offloadlib.instances.run import OutOfTime
from offloadlib.instances.structured.bound import simple_bound
from offloadlib.instances.structured.model import SUBTASKS
from offloadlib.instances.structured.subset import restricted, subset
from offloadlib.instances.structured.timeline import telling_device
from offloadlib.naming import called

if TYPE_CHECKING:
    import pandas as pd

    from offloadlib.formulations.structured.decomposition.pricing import Prices

NOT_COMPUTED = "not computed"

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
        What one more is worth by the prices; None at a point without any capacity, where nothing is priced,
        and where there are no prices yet.
    saved
        What one more saved when it was tried, or None where it was not: price 0, or no time left.
    saved_at_most
        What one more can save at the most, by the bound of the trial; equal to ``saved`` (within the gap)
        where the trial ended with a proof.
    unit
        What one more is one of, where the instance is of format 2; the limit may also be one on a
        ``resource``, one of the ``limits`` that points share, or one of the ``totals`` then, and the point
        is what it is called.
    """

    point: str
    kind: str
    size: float
    used: float
    price: float | None
    saved: float | None = None
    saved_at_most: float | None = None
    unit: str = ""

    @property
    def binds(self) -> bool:
        """Whether nothing of it is free."""
        return self.used >= self.size

    @property
    def worth(self) -> float:
        """The price, or 0 where nothing is priced."""
        return self.price or 0.0

    @property
    def counted(self) -> str:
        """What one more is one of."""
        return self.unit or (SUBTASKS if self.kind == "capacity" else "devices")


@dataclass(frozen=True)
class OwnLimit:
    """A deadline or an energy budget of a device, and what it is worth.

    Attributes
    ----------
    device
        Its id.
    kind, unit
        ``deadline`` in s, or ``energy budget`` in mJ.
    size, used
        The limit, and what the solution uses of it.
    price
        What one s or mJ more is worth at the prices of the shared limits: the least cost plus prices of the
        device, less the same with one more, in the unit of the objective. The bound at these prices falls by
        just that.
    """

    device: str
    kind: str
    unit: str
    size: float
    used: float
    price: float


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
        to the device, in the unit of the objective; NaN where it was not computed.
    reduced_cost
        (N + 1,) of each place, with prices, the other subtasks of the device free to follow; infinite
        where it cannot be, NaN where it was not computed.
    reason
        In words.
    """

    subtask: str
    place: str | None
    alone: Floats
    reduced_cost: Floats
    reason: str


@dataclass(frozen=True, repr=False)
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
        L at the prices, without branching; None where there are no prices.
    limits
        Every limit, the dearest first.
    device
        Id of the device whose choices are explained.
    choices
        One for each subtask of that device.
    missing
        What was not computed, in words.
    interrupted
        Whether Ctrl-C ended it.
    own
        Deadlines and energy budgets that have a price, the dearest first.
    """

    instance: Instance
    solution: Solution
    objective: float
    best_objective: float
    lower_bound: float
    price_bound: float | None
    limits: tuple[Limit, ...]
    device: str
    choices: tuple[Choice, ...]
    missing: tuple[str, ...] = ()
    interrupted: bool = False
    own: tuple[OwnLimit, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """A row for each limit, the dearest first: the fields of :class:`Limit`, and whether it ``binds``."""
        import pandas as pd

        names = [field.name for field in fields(Limit)]
        rows = [{**asdict(limit), "unit": limit.counted, "binds": limit.binds} for limit in self.limits]
        return pd.DataFrame(rows, columns=[*names, "binds"])

    def own_to_frame(self) -> pd.DataFrame:
        """A row for each deadline and energy budget that has a price: the fields of :class:`OwnLimit`."""
        import pandas as pd

        return pd.DataFrame(map(asdict, self.own), columns=[field.name for field in fields(OwnLimit)])

    def choices_to_frame(self) -> pd.DataFrame:
        """A row for each subtask of the device: its ``place`` (None: local), the ``reason``, and how its cost
        would change, ``alone``, at each offload point and locally (NaN: not computed)."""
        import pandas as pd

        places = [f"alone {name}" for name in (*self.instance.points.ids, "local")]
        rows = [
            {
                "subtask": choice.subtask,
                "place": choice.place,
                "reason": choice.reason,
                **dict(zip(places, choice.alone.tolist(), strict=True)),
            }
            for choice in self.choices
        ]
        frame = pd.DataFrame(rows, columns=["subtask", "place", "reason", *places])
        return frame.assign(place=pd.Series([choice.place for choice in self.choices], dtype=object))

    def __repr__(self) -> str:
        priced = sum(limit.worth > 0 for limit in self.limits)
        limits = f"{priced} of {len(self.limits)} limits have a price"
        return f"<Explanation of {self.instance.name!r}: cost {self.objective:.6g}, {limits}>"

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: names and numbers, no decisions."""
        places = [*self.instance.points.ids, None]
        known = {} if self.instance.version == 1 else {"own_limits": [asdict(limit) for limit in self.own]}
        return {
            "instance": {"name": self.instance.name, "sha256": self.instance.fingerprint},
            "objective": self.objective,
            "best_objective": self.best_objective,
            "lower_bound": self.lower_bound,
            "price_bound": self.price_bound,
            "limits": [_stated(limit) for limit in self.limits],
            **known,
            "device": self.device,
            "choices": [
                {
                    "subtask": choice.subtask,
                    "place": choice.place,
                    "reason": choice.reason,
                    "places": [
                        {"place": name, "alone": _finite(alone), "reduced_cost": _finite(reduced)}
                        | ({"not_computed": lacking} if (lacking := _lacking(alone, reduced)) else {})
                        for name, alone, reduced in zip(
                            places, choice.alone.tolist(), choice.reduced_cost.tolist(), strict=True
                        )
                    ],
                }
                for choice in self.choices
            ],
            "not_computed": list(self.missing),
            "interrupted": self.interrupted,
        }


def _stated(limit: Limit) -> dict[str, Any]:
    stated = {**asdict(limit), "binds": limit.binds}
    if not limit.unit:
        del stated["unit"]
    return stated


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _lacking(alone: float, reduced: float) -> list[str]:
    values = (("alone", alone), ("reduced_cost", reduced))
    return [name for name, value in values if math.isnan(value)]


class Work:
    """The prices, the optimum or what is known of it, the device's choices, and the optimum with one more of
    a limit."""

    def __init__(
        self,
        instance: Instance,
        solution: Solution,
        device: str | None,
        time_limit: float,
        on_progress: Callable[[str, Progress | None], None] | None,
    ) -> None:
        from offloadlib.formulations.structured.decomposition.branch_and_price import prove
        from offloadlib.instances import compiled

        compiled.prepare(prove, instance)
        self._begun, self._seconds = time.perf_counter(), time_limit
        self._instance, self._given, self._on_progress = instance, solution, on_progress
        self._evaluation = evaluate(instance, solution)
        m = telling_device(instance, solution) if device is None else instance.devices.ids.index(device)
        self._device = self._one(instance, solution, m)
        self.interrupted = False
        self._name = instance.devices.ids[m]
        self._prices: Prices | None = None
        self._price_bound: float | None = None
        self._solution, self._objective = solution, self._evaluation.total
        self._bound = self._simple(instance)
        self._solved = False
        self._tried: dict[tuple[str, str, str], Limit] = {}

    def _one(self, instance: Instance, solution: Solution, m: int) -> Device:
        """The device whose choices are explained."""
        return Device(instance, solution, m)

    _nothing = 0.0
    """A bound where a solver has none."""

    def _simple(self, instance: Instance) -> float:
        """A bound to begin with."""
        return simple_bound(instance)

    def _own(self) -> tuple[OwnLimit, ...]:
        """What devices have of their own, and what that is worth."""
        return ()

    def _left(self, share: float = 1.0) -> float:
        """Seconds that are left of a share of the time limit."""
        return share * self._seconds - (time.perf_counter() - self._begun)

    def _begin(self, what: str) -> None:
        if self._on_progress is not None:
            self._on_progress(what, None)

    def find_bounds(self) -> None:
        """Prices, then the optimum."""
        from offloadlib.formulations.structured.decomposition.branch_and_price import ROUGH_SEARCH
        from offloadlib.formulations.structured.decomposition.dual import Dual
        from offloadlib.formulations.structured.decomposition.limits import PricedLimits
        from offloadlib.formulations.structured.decomposition.master import best_prices
        from offloadlib.formulations.structured.decomposition.pricing import Prices
        from offloadlib.formulations.structured.decomposition.tatonnement import rough
        from offloadlib.instances.alarm import alarm

        def soon() -> bool:
            return self._left(0.1) <= 0

        def late() -> bool:
            return self._left(0.25) <= 0

        self._begin("prices")
        with alarm(self._left(0.25)) as stopped:
            limits = PricedLimits(self._instance, largest_search=ROUGH_SEARCH, late=late, stopped=stopped)
            dual = Dual(limits, late)
            with contextlib.suppress(OutOfTime):
                deque(rough(limits, dual, soon, soon), maxlen=0)
            begin = limits.prices(dual.vector) if dual.evaluations else Prices.zero(self._instance)
            self._take(dual.bound, begin)
            self._take(*best_prices(self._instance, self._given, late, stopped, begin))
        self._find_optimum()

    def _find_optimum(self) -> None:
        """The optimum, or what is known of it."""
        result = self._solve(self._instance, "as it is", self._left(0.5))
        if result is not None:
            self._solution, self._objective = result.solution, result.objective
            self._bound = min(max(self._bound, result.lower_bound or self._nothing), self._objective)
            self._solved = True
            self._stop_after(result)

    def _take(self, bound: float, prices: Prices) -> None:
        """Keep prices whose bound is better."""
        if math.isfinite(bound) and (self._price_bound is None or bound > self._price_bound):
            self._price_bound, self._prices = bound, prices
            self._bound = max(self._bound, min(bound, self._objective))

    def _stop_after(self, result: Result[Solution]) -> None:
        """Pass Ctrl-C on, which a solve has answered by what it has."""
        if result.termination is Termination.INTERRUPTED:
            raise KeyboardInterrupt

    def _solve(self, instance: Instance, what: str, seconds: float) -> Result[Solution] | None:
        from offloadlib.formulations.structured.decomposition.branch_and_price import solve

        if seconds <= 0:
            return None
        self._begin(what)
        notify = self._on_progress
        told = None if notify is None else lambda progress: notify(what, progress)
        return solve(instance, Budget(time_limit=seconds, start=self._solution, on_progress=told))

    def explain_choices(self) -> None:
        """Of the device, in half of the time that is left."""
        self._begin(f"the choices of {self._name}")
        self._device.compute(self._prices, 0.5 * self._left())

    def try_limits(self) -> None:
        """One more of each limit that has a price, the dearest first."""
        for limit in self._limits():
            if limit.price is None or limit.price <= self._least:
                continue
            what = f"one more at {limit.point} ({limit.kind})"
            result = self._solve(self._relaxed(limit), what, self._left())
            if result is None:
                return
            self._stop_after(result)
            bound = result.lower_bound if result.lower_bound is not None else self._nothing
            self._tried[limit.point, limit.kind, limit.unit] = replace(
                limit,
                saved=self._objective - result.objective,
                saved_at_most=None if math.isinf(bound) else self._objective - bound,
            )

    def _relaxed(self, limit: Limit) -> Instance:
        """The instance with one more of a limit."""
        points = self._instance.points
        more = getattr(points, limit.kind).copy()
        more[points.ids.index(limit.point)] += 1
        changed: dict[str, Any] = {limit.kind: frozen(more, np.int64)}
        return replace(self._instance, points=replace(points, **changed))

    @property
    def _least(self) -> float:
        return WORTHLESS * abs(self._evaluation.total) / self._instance.num_devices

    def _limits(self) -> list[Limit]:
        evaluation = self._evaluation
        return _limits(self._instance, evaluation.used, evaluation.channels_used, self._prices)

    def explanation(self) -> Explanation:
        """What is known."""
        limits = tuple(
            self._tried.get((limit.point, limit.kind, limit.unit), limit) for limit in self._limits()
        )
        choices = tuple(self._device.choices(self._prices))
        return Explanation(
            self._instance,
            self._given,
            self._evaluation.total,
            self._objective,
            self._bound,
            self._price_bound,
            limits,
            self._name,
            choices,
            tuple(self._missing(limits, choices)),
            self.interrupted,
            self._own(),
        )

    def _missing(self, limits: tuple[Limit, ...], choices: tuple[Choice, ...]) -> Iterator[str]:
        if self._price_bound is None:
            yield "prices"
        if not self._solved:
            yield "the optimum"
        untried = sum(limit.saved is None and limit.worth > self._least for limit in limits)
        if untried:
            yield f"one more of {untried} of the limits that have a price"
        for what, values in (
            ("the choices", [choice.alone for choice in choices]),
            ("the reduced costs", [choice.reduced_cost for choice in choices]),
        ):
            lacking = sum(bool(np.isnan(of).any()) for of in values)
            if lacking:
                yield f"{what} of {lacking} of {len(choices)} subtasks"


def _limits(instance: Instance, used: Any, channels_used: Any, prices: Prices | None) -> list[Limit]:
    """All limits, the dearest first."""
    points, found = instance.points, []
    for n, point in enumerate(points.ids):
        size = int(points.capacity[n])
        price = float(prices.capacity[n]) if size > 0 and prices is not None else None
        found.append(Limit(point, "capacity", size, int(used[n]), price))
        if points.channels[n] != UNLIMITED:
            size = int(points.channels[n])
            price = None if prices is None else float(prices.channels[n])
            found.append(Limit(point, "channels", size, int(channels_used[n]), price))
    return sorted(found, key=lambda limit: -limit.worth)


class Device:
    """One device beside the others, which stay as they are."""

    def __init__(self, instance: Instance, solution: Solution, m: int) -> None:
        evaluation = evaluate(instance, solution)
        only = np.array([m])
        self.points = instance.points
        self.alone = subset(instance, only)
        self.row = restricted(instance, solution, only).rows(self.alone)[0]
        self.task = self.alone.groups[0].application
        self.cost = float(evaluation.cost[m])
        self.radio = int(instance.devices.connected_to[m])
        self.free = [*(instance.points.capacity - evaluation.used).tolist(), math.inf]
        self.free_radio = math.inf
        if self.radio != LOCAL and instance.points.channels[self.radio] != UNLIMITED:
            self.free_radio = int(instance.points.channels[self.radio] - evaluation.channels_used[self.radio])
        shape = len(self.row), len(self._places)
        self.change, self.reduced = np.full(shape, np.nan), np.full(shape, np.nan)

    def compute(self, prices: Any, seconds: float) -> None:
        """What each subtask's other places change; then, where there are prices, their reduced costs."""
        from offloadlib.instances.alarm import alarm

        with alarm(seconds) as passed:
            for k in range(len(self.row)):
                if passed[0]:
                    return
                self.change[k] = [self._cost(self._moved(k, n)) - self.cost for n in self._places]
            if prices is None:
                return
            ask = self._asking(prices, passed)
            whole = ask(None)
            if whole.relaxed[0]:
                return
            for k, n in itertools.product(range(len(self.row)), self._places):
                found = ask((k, n))
                if passed[0]:
                    return
                if not found.relaxed[0]:
                    self.reduced[k, n] = found.value[0] - whole.value[0]

    def _asking(self, prices: Any, stopped: Any) -> Callable[[tuple[int, int] | None], Any]:
        """What the device answers at prices, with a subtask at a place, or as it likes."""
        from offloadlib.formulations.structured.decomposition.pricing import Restrictions, price

        def ask(at: tuple[int, int] | None) -> Any:
            restrictions = Restrictions(self.alone)
            if at is not None:
                restrictions.branch(0, *at, equal=True)
            return price(self.alone, prices, restrictions, stopped=stopped)

        return ask

    def choices(self, prices: Any) -> Iterator[Choice]:
        """One for each subtask."""
        for k, place in enumerate(self.row):
            reason = NOT_COMPUTED if np.isnan(self.change[k]).any() else self._reason(k, prices)
            figures = self.change[k].copy(), self.reduced[k].copy()
            yield Choice(self.task.subtasks[k], self._name(place), *figures, reason)

    def _name(self, place: int) -> str | None:
        return None if place == LOCAL else self.points.ids[place]

    @property
    def _places(self) -> list[int]:
        return [*range(len(self.points.ids)), LOCAL]

    def _called(self, place: int) -> str:
        """A place, in words."""
        return "its device" if place == LOCAL else called(self.points.ids[place], "point")

    def _moved(self, k: int, place: int) -> list[int]:
        return [*self.row[:k], place, *self.row[k + 1 :]]

    def _cost(self, row: list[int]) -> float:
        if self.radio == LOCAL and any(place != LOCAL for place in row):
            return math.inf
        return float(evaluate(self.alone, Solution.from_rows(self.alone, [row])).cost[0])

    def _paid(self, row: list[int], prices: Prices) -> float:
        """Prices of what a decision uses."""
        used = [place for place in row if place != LOCAL]
        radio = float(prices.channels[self.radio]) if used else 0.0
        return float(prices.capacity[used].sum()) + radio

    def _reason(self, k: int, prices: Any) -> str:
        if self.radio == LOCAL:
            return "the device has no radio link"
        others = [n for n in self._places if n != self.row[k]]
        return self._compared(k, others, prices)

    def _compared(self, k: int, others: list[int], prices: Any) -> str:
        """A place against the cheapest one of some others."""
        best = min(others, key=lambda n: float(self.change[k, n]))
        name = self._called(best)
        gain = -float(self.change[k, best])
        if abs(gain) <= WORTHLESS * abs(self.cost):
            return f"cheapest here; {name} costs the same"
        if gain < 0:
            return f"cheapest here; {name} costs {amount(-gain)} more"
        obstacle = self._obstacle(k, best, gain, prices)
        return obstacle or f"{name} has room and costs {amount(gain)} less: the solution can be improved"

    def _obstacle(self, k: int, best: int, gain: float, prices: Any) -> str:
        """What is in the way of a cheaper place; nothing, if it is free."""
        name = self._called(best)
        starts = all(place == LOCAL for place in self.row)
        if self.free[best] > 0 and not (starts and self.free_radio <= 0):
            return ""
        full = f"{name} is full" if self.free[best] <= 0 else "all radio channels are taken"
        less = f"{name} costs {amount(gain)} less, but {full}"
        if prices is None:
            return less
        dearer = self._paid(self._moved(k, best), prices) - self._paid(self.row, prices)
        if dearer >= gain:
            return f"{less}, and worth {amount(dearer)} more than what is used now"
        if dearer <= 0:
            return f"{less}, though it is worth no more than what is used now"
        return f"{less}, though it is worth only {amount(dearer)} more than what is used now"


def amount(value: float) -> str:
    return f"{value:.3g}"
