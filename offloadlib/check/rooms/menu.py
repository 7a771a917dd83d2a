"""Certificates of version 2: what a device can choose from at the prices of a leaf, rounded downwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..certificate import Leaf
from ..data import LOCAL, SUBTASKS, ZERO, Device, Instance
from ..exact import SHIFT, coefficients, demand_of, exact, scaled_fee
from .choices import FINE, Move, Moves, bit_of, rounded_down, rounded_up

# Times and energies are integers that stand for multiples of 2^-TIME s and mJ, what a second and a mJ cost
# for multiples of 2^-RATE; costs are on the grid of `choices`. Everything is rounded downwards, and delay,
# energy and cost of a decision never fall where one of these numbers rises.
TIME = 200
RATE = 240
_SHARE_OF_COST = RATE + TIME - FINE


def share_of_cost(product: int) -> int:
    """Return what a rate times a time or an energy is on the grid of costs."""
    return product >> _SHARE_OF_COST


class Option(NamedTuple):
    """A way to execute a subtask, or a transfer: time, cost and energy on their grids.

    `fee` is the part of it that counts below a ceiling, with the device's weight.
    """

    time: int
    cost: int
    energy: int
    fee: int = 0


class Ceiling(NamedTuple):
    """The most that a device may cost, its weight included and whatever the prices; and what counts for it: a
    second, a mJ."""

    most: int
    second: int
    millijoule: int

    def exceeded(self, time: int, energy: int, fees: int) -> bool:
        """Tell whether a device costs more than that."""
        spent = (self.second * time >> _SHARE_OF_COST) + (self.millijoule * energy >> _SHARE_OF_COST)
        return spent + fees > self.most


class Options(NamedTuple):
    """What a device can choose from.

    Attributes
    ----------
    of_subtasks : list of (list of Option, list of Option)
        For each subtask how to execute it locally, and how to offload it.
    arcs : list of Option
        The transfers: first upwards along each arc (from local to offloaded), then downwards.
    second : int
        What a second of delay costs.
    deadline, budget : int or None
        The most time and energy.
    ceiling : Ceiling or None
        The most that it may cost.
    """

    of_subtasks: list[tuple[list[Option], list[Option]]]
    arcs: list[Option]
    second: int
    deadline: int | None
    budget: int | None
    ceiling: Ceiling | None = None

    @property
    def unlimited(self) -> bool:
        """Whether the device has no limits of its own."""
        return self.deadline is None and self.budget is None and self.ceiling is None

    def cost_of(self, time: int) -> int:
        """Return what a delay costs."""
        return self.second * time >> _SHARE_OF_COST

    def moves(self) -> tuple[Moves, list[Move], int]:
        """Return the same without limits, as `Search` and `SeriesParallel` take it, and a cost besides.

        These need costs that are not negative: fees may be, so the least cost of each subtask is taken out.
        """
        moves: Moves = []
        apart = 0
        for sides in self.of_subtasks:
            least = min((option.cost for side in sides for option in side), default=0)
            apart += least
            stay, leave = (
                [(self.cost_of(option.time), option.cost - least) for option in side] for side in sides
            )
            moves.append((stay, leave))
        return moves, [(self.cost_of(arc.time), arc.cost) for arc in self.arcs], apart


class Choices(NamedTuple):
    """The same with every place: `of_subtasks` has of each subtask its places and how to execute it there."""

    of_subtasks: list[list[tuple[int, Option]]]
    arcs: list[Option]
    second: int
    deadline: int | None
    budget: int | None
    ceiling: Ceiling | None

    def cost_of(self, time: int) -> int:
        """Return what a delay costs."""
        return share_of_cost(self.second * time)


class Rates(NamedTuple):
    """The prices of a leaf on the grid, with what stands at each offload point added up.

    Attributes
    ----------
    subtasks : list of int
        By point, of a subtask.
    demands : list of list of (str, int)
        By point, of 1 of each resource that has a price there.
    channels : list of int
        By point.
    delay, energy : int
        Of a second, of a mJ.
    shares : mapping or None
        What each device's cost counts, 0 where it is not named; None: 1.
    charge : int
        Prices times limits, rounded upwards since it is subtracted.
    """

    subtasks: list[int]
    demands: list[list[tuple[str, int]]]
    channels: list[int]
    delay: int
    energy: int
    shares: Mapping[str, Fraction] | None
    charge: int

    def share(self, device: Device) -> Fraction:
        """Return what a device's cost counts, with its weight."""
        share = Fraction(1) if self.shares is None else self.shares.get(device.id, ZERO)
        return share * Fraction(device.terms.weight) if device.terms.weight != 1 else share


def rates_of(instance: Instance, leaf: Leaf, costs: bool) -> Rates:
    """Return the prices of a leaf; `costs` False: nothing but prices counts."""
    prices: list[dict[str, Fraction]] = []
    charge = ZERO
    for point in instance.points:
        mine = {SUBTASKS: leaf.capacity.get(point.id, ZERO), **leaf.resource.get(point.id, {})}
        charge += mine[SUBTASKS] * (point.capacity or 0)
        charge += leaf.channels.get(point.id, ZERO) * (point.channels or 0)
        charge += sum(
            (price * Fraction(point.room[name]) for name, price in mine.items() if name != SUBTASKS), ZERO
        )
        prices.append(mine)
    for limit in instance.limits:
        price = leaf.limits.get(limit.id, ZERO)
        charge += price * Fraction(limit.capacity)
        for n in limit.points:
            prices[n][limit.resource] = prices[n].get(limit.resource, ZERO) + price
    charge += sum((price * Fraction(instance.totals[name]) for name, price in leaf.totals.items()), ZERO)
    shares = leaf.shares if instance.objective == "max" else None
    return Rates(
        [rounded_down(mine[SUBTASKS]) for mine in prices],
        [
            [(name, rounded_down(price)) for name, price in mine.items() if name != SUBTASKS and price]
            for mine in prices
        ],
        [rounded_down(leaf.channels.get(point.id, ZERO)) for point in instance.points],
        _grid(leaf.totals.get("delay", ZERO)),
        _grid(leaf.totals.get("energy", ZERO)),
        shares if costs else {},
        rounded_up(charge),
    )


def _grid(price: Fraction) -> int:
    return (price.numerator << RATE) // price.denominator


class Menu:
    """What one device needs for its decisions, whatever the prices, on the grids.

    Attributes
    ----------
    device : Device
        The device.
    possible : tuple of int
        For each subtask the places where it may run, as bits: those allowed, without offload points that its
        demand alone is too much for.
    may_refuse : bool
        Whether the device may be refused.
    """

    def __init__(self, instance: Instance, device: Device, largest: Fraction | None = None) -> None:
        self.device = device
        self._instance = instance
        # The time unit of these is 1 s over the speed of the device.
        factor = coefficients(instance, device, ())
        self._denominator = factor.denominator
        self._second = factor.delay * factor.second
        self._millijoule = factor.energy * factor.second << SHIFT
        terms, application = device.terms, device.application
        self._work = [exact(size) << TIME for size in device.work]
        self._times: dict[int, list[int]] = {}
        self._local = [self._spending(time, device.execute) for time in self._at(LOCAL)]
        waits = [exact(wait) << TIME - SHIFT for wait in (terms.latency_up, terms.latency_down)]
        arcs = device.edge_data
        self._arcs = self._transfers(arcs, device.uplink, device.send, waits[0])
        self._arcs += self._transfers(arcs, device.downlink, device.receive, waits[1])
        self._ends = [(0, 0)] * len(self._work)
        heads = [device.input[k] for k in application.heads]
        tails = [device.output[k] for k in application.tails]
        for k, (time, energy) in [
            *zip(
                application.heads, self._transfers(heads, device.uplink, device.send, waits[0]), strict=True
            ),
            *zip(
                application.tails,
                self._transfers(tails, device.downlink, device.receive, waits[1]),
                strict=True,
            ),
        ]:
            self._ends[k] = self._ends[k][0] + time, self._ends[k][1] + energy
        self._deadline, self._budget = (
            None if limit is None else exact(limit) << TIME - SHIFT
            for limit in (terms.deadline, terms.energy_budget)
        )
        self.possible = self._possible()
        self._ceiling: Ceiling | None = None
        weight, rejection = Fraction(device.terms.weight), device.terms.rejection
        self.may_refuse = rejection is not None
        if largest is not None:
            self._ceiling = Ceiling(rounded_up(largest), *self._rates(weight))
            self.may_refuse &= rejection is not None and weight * Fraction(rejection) <= largest

    def _spending(self, time: int, power: float) -> tuple[int, int]:
        return time, time * exact(power) >> SHIFT

    def _transfers(
        self, sizes: Sequence[float], rate: float | None, power: float, wait: int
    ) -> list[tuple[int, int]]:
        """Return times and energies; without a connection there will be no transfers."""
        if rate is None:
            return [(0, 0)] * len(sizes)
        scaled = exact(rate)
        plain = [self._spending((exact(size) << TIME) // scaled, power) for size in sizes]
        return [(time + wait, energy) for time, energy in plain]

    def _at(self, place: int) -> list[int]:
        """Return the time of each subtask's execution at a place."""
        if place not in self._times:
            cpu = exact(self.device.cpu if place == LOCAL else self._instance.points[place].cpu)
            times = [work // cpu for work in self._work]
            for (k, other), entry in self.device.terms.at.items():
                if other == place and entry.execution is not None:
                    times[k] = exact(entry.execution) << TIME - SHIFT
            self._times[place] = times
        return self._times[place]

    def _possible(self) -> tuple[int, ...]:
        instance, device = self._instance, self.device
        anywhere = bit_of(LOCAL)
        if device.point is not None and instance.points[device.point].channels != 0:
            anywhere = bit_of(len(instance.points)) - 1
        allowed = [anywhere] * len(device.work)
        for k, places in device.terms.allowed.items():
            allowed[k] &= sum(map(bit_of, places))
        if anywhere == bit_of(LOCAL):
            return tuple(allowed)
        limits = [(SUBTASKS, 0.0, [n]) for n, point in enumerate(instance.points) if point.capacity == 0]
        limits += [
            (name, room, [n]) for n, point in enumerate(instance.points) for name, room in point.room.items()
        ]
        limits += [(limit.resource, limit.capacity, limit.points) for limit in instance.limits]
        for resource, room, points in limits:
            if resource != SUBTASKS and resource not in device.terms.demand and not device.terms.at:
                continue
            for n in points:
                for k in range(len(allowed)):
                    if demand_of(device, k, n, resource) > room:
                        allowed[k] &= ~bit_of(n)
        return tuple(allowed)

    def refused(self, rates: Rates) -> int | None:
        """Return what refusing the device costs, None where it must be served."""
        if self.device.terms.rejection is None:
            return None
        return rounded_down(rates.share(self.device) * Fraction(self.device.terms.rejection))

    def options(self, rates: Rates, allowed: Sequence[int]) -> Options:
        """Return the ways to execute each subtask at the places allowed to it, at these prices.

        Of the ways to offload a subtask those that another one beats in time, cost and fee are left out.
        """
        choices = self.choices(rates, allowed)
        of_subtasks = [
            (
                [option for n, option in some if n == LOCAL],
                _unbeaten([option for n, option in some if n != LOCAL]),
            )
            for some in choices.of_subtasks
        ]
        return Options(of_subtasks, *choices[1:])

    def choices(self, rates: Rates, allowed: Sequence[int]) -> Choices:
        """Return all ways to execute each subtask at the places allowed to it, at these prices."""
        device, instance = self.device, self._instance
        share = rates.share(device)
        second, millijoule = self._rates(share)
        second, millijoule = second + rates.delay, millijoule + rates.energy
        paying, counted = _paying(share), _paying(Fraction(device.terms.weight))
        limited = self._ceiling is not None

        def cost_of(energy: int) -> int:
            return millijoule * energy >> _SHARE_OF_COST

        options: list[list[tuple[int, Option]]] = []
        for k, places in enumerate(allowed):
            found: list[tuple[int, Option]] = []
            if places & bit_of(LOCAL):
                time, energy = self._local[k]
                fee = scaled_fee(instance, device, k, LOCAL)
                cost = cost_of(energy) + fee * paying[0] // paying[1]
                below = fee * counted[0] // counted[1] if limited else 0
                found.append((LOCAL, Option(time, cost, energy, below)))
            wait, spent = self._ends[k]
            pay = cost_of(spent)
            for n in range(len(instance.points)):
                if not places & bit_of(n):
                    continue
                cost = pay + rates.subtasks[n]
                if fee := scaled_fee(instance, device, k, n):
                    cost += fee * paying[0] // paying[1]
                for resource, price in rates.demands[n]:
                    if demand := demand_of(device, k, n, resource):
                        cost += price * exact(demand) >> SHIFT
                below = fee * counted[0] // counted[1] if limited and fee else 0
                found.append((n, Option(self._at(n)[k] + wait, cost, spent, below)))
            options.append(found)
        arcs = [Option(time, cost_of(energy), energy) for time, energy in self._arcs]
        return Choices(options, arcs, second, self._deadline, self._budget, self._ceiling)

    def _rates(self, share: Fraction) -> tuple[int, int]:
        """Return what a second and a mJ cost where the device's cost counts so much."""
        over, under = share.numerator << RATE, share.denominator * self._denominator
        return over * self._second // under, over * self._millijoule // under


def _paying(share: Fraction) -> tuple[int, int]:
    """Return what brings a fee to the grid where it counts so much: a factor, and a divisor."""
    return share.numerator << FINE, share.denominator << 2 * SHIFT


def _unbeaten(found: list[Option]) -> list[Option]:
    """Return the options, of equal energy, that no other one equals or undercuts in all."""
    kept: list[Option] = []
    for option in sorted(found):
        if not any(other.cost <= option.cost and other.fee <= option.fee for other in reversed(kept)):
            kept.append(option)
    return kept
