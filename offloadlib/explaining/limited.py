"""What prices tell of an instance of format 2: the worth of every limit, and of what is a device's own.

The Lagrangian is that of :mod:`.work`, with a price on each limit of
:class:`~.instances.structured.limits.Limits`, whose unit is that of the objective for one unit of the limit;
for ``max``, with the shares of the devices. A second more for the deadline of a device, or a mJ more for its
energy budget, is worth what the least cost plus prices of that device falls by.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from offloadlib.formulations.structured.certificate import WHOLE, Charge
from offloadlib.formulations.structured.limited.pricing import Asked, Branches, price
from offloadlib.fronts.front import resized
from offloadlib.instances import Budget, Instance, Solution, evaluate
from offloadlib.instances.alarm import alarm
from offloadlib.instances.arrays import Floats
from offloadlib.instances.structured.limits import Limits, Rates
from offloadlib.instances.structured.model import REFUSED

from .work import Device, Limit, OwnLimit, Work, amount

MOST_SHOWN = 24
"""Deadlines and energy budgets that are told of."""


class LimitedWork(Work):
    """The same as for format 1, with prices on all limits."""

    _nothing = -np.inf
    _charge: Charge | None = None
    _worths: tuple[OwnLimit, ...] = ()

    def _one(self, instance: Instance, solution: Solution, m: int) -> Device:
        return _LimitedDevice(instance, solution, m)

    def _simple(self, instance: Instance) -> float:
        return self._nothing

    @property
    def _asked(self) -> Asked | None:
        """The prices, as the pricing problems have them."""
        if self._charge is None:
            return None
        share = self._instance.devices.weight
        if self._charge.shares is not None:
            share = share * (self._charge.shares / WHOLE)
        return Asked(Limits(self._instance).rates(self._charge.prices), share)

    def find_bounds(self) -> None:
        """Prices, then the optimum."""
        from offloadlib.formulations.structured.limited.branch_and_price import best_prices

        self._begin("prices")
        found = best_prices(self._instance, self._given, Budget(time_limit=max(self._left(0.25), 1e-3)))
        if found is not None:
            self._price_bound, self._charge = found
            self._bound = max(self._bound, min(found[0], self._objective))
        self._find_optimum()

    def explain_choices(self) -> None:
        """Of the device; then what devices have of their own."""
        self._begin(f"the choices of {self._name}")
        device, asked = self._device, self._asked
        assert isinstance(device, _LimitedDevice)
        device.compute(asked, 0.3 * self._left())
        if asked is not None:
            self._worths = tuple(self._price_own(asked))

    def _price_own(self, asked: Asked) -> Iterator[OwnLimit]:
        devices, evaluation = self._instance.devices, self._evaluation
        found = []
        with alarm(0.3 * self._left()) as passed:
            whole = price(self._instance, asked, stopped=passed)
            for kind, unit, name, used in (
                ("deadline", "s", "deadline", evaluation.delay),
                ("energy budget", "mJ", "energy_budget", evaluation.energy),
            ):
                size: Floats = getattr(devices, name)
                if not np.isfinite(size).any() or passed[0]:
                    continue
                changed: dict[str, Any] = {name: size + 1.0}
                more = price(
                    replace(self._instance, devices=replace(devices, **changed)), asked, stopped=passed
                )
                worth = np.where(whole.relaxed | more.relaxed, 0.0, whole.value - more.value)
                for m in np.flatnonzero(np.isfinite(size) & (worth > self._least)).tolist():
                    figures = float(size[m]), float(used[m]), float(worth[m])
                    found.append(OwnLimit(devices.ids[m], kind, unit, *figures))
        yield from sorted(found, key=lambda limit: -limit.price)[:MOST_SHOWN]

    def _own(self) -> tuple[OwnLimit, ...]:
        return self._worths

    def _limits(self) -> list[Limit]:
        limits = Limits(self._instance)
        prices = [None] * len(limits) if self._charge is None else self._charge.prices.tolist()
        found = [
            Limit(title, name[0], size, used, worth, unit=unit)
            for (title, unit), name, size, used, worth in zip(
                limits.titles,
                limits.names,
                limits.right.tolist(),
                self._evaluation.use.tolist(),
                prices,
                strict=True,
            )
            if np.isfinite(size)
        ]
        return sorted(found, key=lambda limit: -limit.worth)

    def _relaxed(self, limit: Limit) -> Instance:
        limits = Limits(self._instance)
        told = limit.point, limit.unit
        name = next(
            name
            for name, title in zip(limits.names, limits.titles, strict=True)
            if (name[0], title) == (limit.kind, told)
        )
        return resized(self._instance, name, limit.size + 1)


class _LimitedDevice(Device):
    """One device beside the others, under what it has of its own."""

    def __init__(self, instance: Instance, solution: Solution, m: int) -> None:
        super().__init__(instance, solution, m)
        self.instance, self.solution, self.m = instance, solution, m
        self.cost *= float(instance.devices.weight[m])
        self.refused = self.row[0] == REFUSED

    def _asking(self, prices: Asked, stopped: Any) -> Callable[[tuple[int, int] | None], Any]:
        own = Asked(Rates(*prices.rates), prices.share[self.m : self.m + 1])

        def ask(at: tuple[int, int] | None) -> Any:
            left = Branches(self.alone)
            if at is not None:
                left.divide(0, at[0], frozenset([at[1]]), True)
                left.serve(0)
            return price(self.alone, own, left, stopped=stopped)

        return ask

    def _moved(self, k: int, place: int) -> list[int]:
        return [place] * len(self.row) if self.refused else super()._moved(k, place)

    def _cost(self, row: list[int]) -> float:
        """Weighted; infinite where the device may not decide so, whatever the others do."""
        evaluation = evaluate(self.alone, Solution.from_rows(self.alone, [row]))
        return np.inf if evaluation.violations else evaluation.total

    def _name(self, place: int) -> str | None:
        return "refused" if self.refused else super()._name(place)

    def _reason(self, k: int, prices: Any) -> str:
        if self.refused:
            return f"the device is refused, which costs {amount(self.cost)}"
        others = [n for n in self._places if n != self.row[k] and np.isfinite(self.change[k, n])]
        return self._compared(k, others, prices) if others else "alone, it may be nowhere else"

    def _obstacle(self, k: int, best: int, gain: float, prices: Any) -> str:
        broken = self._broken(self._moved(k, best))
        return f"{self._called(best)} costs {amount(gain)} less, but breaks {broken[0]}" if broken else ""

    def _broken(self, row: list[int]) -> list[str]:
        """The limits that another decision of the device would break beside those of the others."""
        places = [of.copy() for of in self.solution.places]
        for group, of in zip(self.instance.groups, places, strict=True):
            of[group.members == self.m] = row if len(row) == of.shape[1] else of[group.members == self.m]
        return [str(violation) for violation in evaluate(self.instance, Solution(tuple(places))).violations]
