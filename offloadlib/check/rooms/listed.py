"""Certificates of version 2: the decisions of each device below an enumeration, cuts, and their bounds.

docs/theory/certificates.md has the mathematics.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from ..certificate import Branch, Certificate, Enumeration, KnapsackCut, Leaf, Refusal, Step
from ..data import LOCAL, SUBTASKS, ZERO, Device, Instance, Unfinished
from ..exact import SHIFT, demand_of, exact
from ..parse import shown_as
from .choices import bit_of, rounded_down, rounded_up
from .menu import TIME, Menu, Rates, rates_of, share_of_cost

_MOST_STEPS = 20_000_000  # of all searches, for decisions and for what cuts weigh
_MOST_ROWS = 1_000_000
_DEEPEST = 300  # subtasks of a device that is enumerated, devices of a cut
_SHARE = 40  # bits of what amounts cost


class Effort:
    """What a certificate may still take."""

    def __init__(self) -> None:
        self._steps, self._rows = _MOST_STEPS, _MOST_ROWS

    def step(self) -> None:
        """Take note of a step of a search."""
        self._steps -= 1
        if self._steps < 0:
            raise Unfinished(f"its cuts and enumerations take more than {_MOST_STEPS} steps")

    def keep(self) -> None:
        """Take note of a decision."""
        self._rows -= 1
        if self._rows < 0:
            raise Unfinished(f"its enumerations have more than {_MOST_ROWS} decisions")


class Limit(NamedTuple):
    """What the subtasks at some offload points demand together, and the most of it on the grid of demands."""

    resource: str
    points: frozenset[int]
    most: int


def limits_of(instance: Instance) -> dict[tuple[str, ...], Limit]:
    """Return the limits on what subtasks demand, by their names in a cut."""
    limits: dict[tuple[str, ...], Limit] = {}
    for n, point in enumerate(instance.points):
        if point.capacity is not None:
            limits["capacity", point.id] = Limit(SUBTASKS, frozenset([n]), exact(point.capacity))
        for name, room in point.room.items():
            limits["resource", point.id, name] = Limit(name, frozenset([n]), exact(room))
    for limit in instance.limits:
        limits["limits", limit.id] = Limit(limit.resource, frozenset(limit.points), exact(limit.capacity))
    return limits


def cut_faults(
    limits: Mapping[tuple[str, ...], Limit], devices: Container[str], cut: KnapsackCut, effort: Effort
) -> Iterator[str]:
    """Tell what keeps a cut from being one that all solutions keep."""
    unknown = [name for name in cut.limits if name not in limits]
    yield from (f"unknown limit {shown_as(list(name))}" for name in unknown)
    if not cut.limits:
        yield "it is on no limit"
    strange = [name for name in cut.steps if name not in devices]
    yield from (f"unknown device {shown_as(name)}" for name in strange)
    sizes = {len(step.amounts) for steps in cut.steps.values() for step in steps}
    if sizes - {len(cut.limits)}:
        yield "a step that has not one amount for each of its limits"
    elif any(amount < 0 for steps in cut.steps.values() for step in steps for amount in step.amounts):
        yield "a negative amount"
    elif not unknown and _outweighed([limits[name] for name in cut.limits], cut, effort):
        yield f"a choice that fits weighs more than {cut.most}"


def _outweighed(limits: Sequence[Limit], cut: KnapsackCut, effort: Effort) -> bool:
    """Tell whether one step a device, or none, that fit together weigh more than a cut says.

    Prices on the limits, at which all that there is of one, or the same share of each, costs what the cut
    says may weigh, bound what further devices add: the sum of what their steps weigh more than they cost.
    """
    if len(cut.steps) > _DEEPEST:
        raise Unfinished(f"a cut has more than {_DEEPEST} devices")
    full = [max(limit.most, 1) for limit in limits]
    mixes = [[int(r == s) for s in range(len(full))] for r in range(len(full))] if len(full) > 1 else []
    mixes.append([1] * len(full))
    steps = sorted(
        (_on_grid(some) for some in cut.steps.values()), key=lambda some: -some[0][1] if some else 0
    )

    def price(mix: Sequence[int], amounts: Sequence[int]) -> int:
        """Return what amounts cost on the grid, rounded downwards."""
        shares = [(cut.most * amount << _SHARE) // there for amount, there in zip(amounts, full, strict=True)]
        return sum([times * share for times, share in zip(mix, shares, strict=True)]) // sum(mix)

    priced = [
        [(amounts, weight, [price(mix, amounts) for mix in mixes]) for amounts, weight in some]
        for some in steps
    ]
    rest = [[0] * (len(steps) + 1) for _ in [*mixes, None]]  # the last one is without prices
    for m in reversed(range(len(steps))):
        for i, sums in enumerate(rest):
            excess = [(weight << _SHARE) - (costs[i] if costs[i:] else 0) for _, weight, costs in priced[m]]
            sums[m] = sums[m + 1] + max([0, *excess])
    enough = cut.most + 1 << _SHARE

    def search(m: int, weight: int, left: Sequence[int]) -> bool:
        effort.step()
        if weight > cut.most:
            return True
        sure = weight << _SHARE
        if sure + rest[-1][m] < enough:
            return False
        for i, mix in enumerate(mixes):
            if sure + rest[i][m] + price(mix, left) + len(full) < enough:
                return False
        for amounts, more, _ in priced[m]:
            after = [there - amount for there, amount in zip(left, amounts, strict=True)]
            if min(after) >= 0 and search(m + 1, weight + more, after):
                return True
        return search(m + 1, weight, left)

    return search(0, 0, [limit.most for limit in limits])


def _on_grid(steps: Iterable[Step]) -> list[tuple[tuple[int, ...], int]]:
    """Return steps with amounts on the grid of demands, rounded upwards: no decision can tell. The heaviest
    one comes first."""
    found = [(tuple([_rounded_up(amount) for amount in step.amounts]), step.weight) for step in steps]
    return sorted(found, key=lambda one: -one[1])


def _rounded_up(amount: Fraction) -> int:
    return -((-amount.numerator << SHIFT) // amount.denominator)


class Row(NamedTuple):
    """A decision of a device: its cost without prices, delay and energy on their grids; the place of each
    subtask, none where the device is refused; what it uses of each limit, where that is anything; and the
    number of what it uses of the limits of cuts, for each set of these."""

    cost: int
    time: int
    energy: int
    places: tuple[int, ...]
    use: tuple[tuple[int, int], ...]
    amounts: tuple[int, ...]


class Lists:
    """The decisions of devices below an enumeration, and the bounds that they give.

    Parameters
    ----------
    instance : Instance
        The instance.
    certificate : Certificate
        Its nodes and cuts, without faults.
    """

    def __init__(self, instance: Instance, certificate: Certificate) -> None:
        self._instance, self._nodes = instance, certificate.nodes
        self._effort = Effort()
        self._claim = rounded_up(certificate.lower_bound)
        self._limits = limits_of(instance)
        self._number = {name: i for i, name in enumerate(self._limits)}
        self._position = {device.id: m for m, device in enumerate(instance.devices)}
        self._bits = {None: bit_of(LOCAL)} | {p.id: bit_of(n) for n, p in enumerate(instance.points)}
        cuts = [cut for cut in certificate.cuts if isinstance(cut, KnapsackCut)]
        on = [tuple([self._number[name] for name in cut.limits]) for cut in cuts]
        self._sets = list(dict.fromkeys(on))
        self._amounts: list[dict[tuple[int, ...], int]] = [{} for _ in self._sets]
        self._cuts = {
            str(i): (
                self._sets.index(limits),
                {self._position[name]: _on_grid(steps) for name, steps in cut.steps.items()},
                cut.most,
            )
            for i, (cut, limits) in enumerate(zip(cuts, on, strict=True))
        }
        self._weights: dict[tuple[str, int], dict[int, int]] = {}
        caps = map(instance.totals.get, ("delay", "energy"))
        self._caps = [None if cap is None else exact(cap) << TIME - SHIFT for cap in caps]
        self._none = rates_of(instance, Leaf({}, {}), costs=True)

    def rows(
        self, menu: Menu, rates: Rates, allowed: Sequence[int], refusal: bool, ceiling: int
    ) -> list[Row]:
        """Return the decisions of a device with at most this cost with prices, of those that fit alone."""
        rows: list[Row] = []
        refused = menu.refused(rates) if refusal else None
        if refused is not None and refused <= ceiling:
            rows.append(Row(refused, 0, 0, (), (), self._numbers({})))
        if all(allowed):
            rows += self._served(menu, rates, allowed, ceiling)
        return rows

    def _served(self, menu: Menu, rates: Rates, allowed: Sequence[int], ceiling: int) -> Iterator[Row]:
        device, application = menu.device, menu.device.application
        if len(allowed) > _DEEPEST:
            raise Unfinished(f"an enumeration has a device with more than {_DEEPEST} subtasks")
        priced, plain = menu.choices(rates, allowed), menu.choices(self._none, allowed)
        count, edges = len(allowed), len(application.edges)
        into: list[list[tuple[int, int]]] = [[] for _ in range(count)]
        for i, (j, k) in enumerate(application.edges):
            into[k].append((i, j))
        order = application.order
        quickest = [min(option.time for _, option in some) for some in priced.of_subtasks]
        after = [0] * count
        for k in reversed(order):
            for _, j in into[k]:
                after[j] = max(after[j], quickest[k] + after[k])
        rest, rest_energy = [0], [0]
        for k in reversed(order):
            rest.append(rest[-1] + min(option.cost for _, option in priced.of_subtasks[k]))
            rest_energy.append(rest_energy[-1] + min(option.energy for _, option in priced.of_subtasks[k]))
        rest.reverse()
        rest_energy.reverse()
        channel = 0 if device.point is None else rates.channels[device.point]
        most_time, most_energy = (
            min([limit for limit in (own, cap) if limit is not None], default=None)
            for own, cap in zip((priced.deadline, priced.budget), self._caps, strict=True)
        )
        places, finish = [LOCAL] * count, [0] * count

        def search(
            step: int, cost: int, base: int, energy: int, latest: int, used: Mapping[int, int], away: bool
        ) -> Iterator[Row]:
            self._effort.step()
            if step == count:
                total = base + plain.cost_of(latest)
                self._effort.keep()
                numbers = self._numbers(used)
                yield Row(total, latest, energy, tuple(places), tuple(used.items()), numbers)
                return
            k = order[step]
            for (n, option), (_, free) in zip(priced.of_subtasks[k], plain.of_subtasks[k], strict=True):
                more, free_more, joules, start, wait = option.cost, free.cost, option.energy, 0, 0
                for i, j in into[k]:
                    start = max(start, finish[j])
                    if (places[j] == LOCAL) != (n == LOCAL):
                        arc = i if places[j] == LOCAL else i + edges
                        more += priced.arcs[arc].cost
                        free_more += plain.arcs[arc].cost
                        joules += priced.arcs[arc].energy
                        wait += priced.arcs[arc].time
                if n != LOCAL and not away:
                    more += channel
                finish[k] = start + wait + option.time
                longest = max(latest, finish[k] + after[k])
                if cost + more + rest[step + 1] + priced.cost_of(longest) > ceiling:
                    continue
                if most_time is not None and longest > most_time:
                    continue
                if most_energy is not None and energy + joules + rest_energy[step + 1] > most_energy:
                    continue
                taken = used if n == LOCAL else self._taken(device, k, n, used)
                if taken is None:
                    continue
                places[k] = n
                sums = cost + more, base + free_more, energy + joules
                yield from search(step + 1, *sums, longest, taken, away or n != LOCAL)
            places[k] = LOCAL

        yield from search(0, 0, 0, 0, 0, {}, False)

    def _numbers(self, used: Mapping[int, int]) -> tuple[int, ...]:
        """Return the numbers of what is used of the limits of cuts."""
        numbers = []
        for limits, known in zip(self._sets, self._amounts, strict=True):
            amounts = tuple([used.get(i, 0) for i in limits])
            numbers.append(known.setdefault(amounts, len(known)))
        return tuple(numbers)

    def _taken(self, device: Device, k: int, n: int, used: Mapping[int, int]) -> dict[int, int] | None:
        """Return what is used with one more subtask at a point; None where it does not fit."""
        taken = dict(used)
        for i, limit in enumerate(self._limits.values()):
            if n in limit.points:
                amount = taken.get(i, 0) + exact(demand_of(device, k, n, limit.resource))
                if amount > limit.most:
                    return None
                taken[i] = amount
        return taken

    def bound(self, index: int, lists: list[list[Row]], floor: int) -> int:
        """Return the least bound of the leaves below a node, where devices have these decisions and
        the enumeration above proves so much, or the claim."""
        least = self._claim
        pending = [(index, lists, floor)]  # with what the enumerations above prove
        while pending:
            i, mine, floor = pending.pop()
            if not all(mine) or self._broken(mine):
                continue  # no solution gets here
            node = self._nodes[i]
            if isinstance(node, Branch | Refusal):
                for child, side in ((node.equal, True), (node.different, False)):
                    some = list(mine)
                    m = self._position[node.device]
                    some[m] = [row for row in mine[m] if self._there(node, m, row) == side]
                    pending.append((child, some, floor))
                continue
            assert isinstance(node, Leaf | Enumeration)
            leaf = node.leaf if isinstance(node, Enumeration) else node
            values, charge = self._values(leaf, mine)
            bound = sum(map(min, values)) - charge
            if isinstance(node, Leaf) or bound >= self._claim:
                least = min(least, max(bound, floor))
                continue
            tops = [min(costs) + self._claim - bound for costs in values]
            left = [
                [row for row, value in zip(some, costs, strict=True) if value <= top]
                for some, costs, top in zip(mine, values, tops, strict=True)
            ]
            pending.append((node.below, left, max(bound, floor)))
        return least

    def _broken(self, lists: Sequence[Sequence[Row]]) -> bool:
        """Tell whether each device has one decision left, and these break a limit together."""
        if any(len(rows) > 1 for rows in lists):
            return False
        used = [0] * len(self._limits)
        for (row,) in lists:
            for i, amount in row.use:
                used[i] += amount
        return any(amount > limit.most for amount, limit in zip(used, self._limits.values(), strict=True))

    def _there(self, node: Branch | Refusal, m: int, row: Row) -> bool:
        """Tell whether a decision is as a branch says."""
        if isinstance(node, Refusal) or not row.places:
            return isinstance(node, Refusal) and not row.places
        k = self._instance.devices[m].application.subtasks.index(str(node.subtask))
        at = bit_of(row.places[k])
        return any(at == self._bits[name] for name in node.places)

    def _values(self, leaf: Leaf, lists: list[list[Row]]) -> tuple[list[list[int]], int]:
        """Return the costs with prices of all decisions, and prices times limits."""
        rates = rates_of(self._instance, leaf, costs=True)
        prices = [rounded_down(price) for price in self._prices(leaf)]
        cuts = [(name, rounded_down(price)) for name, price in leaf.cuts.items() if price]
        charge = rates.charge
        charge += sum([rounded_up(price * self._cuts[name][2]) for name, price in leaf.cuts.items()])
        values = []
        for m, (device, rows) in enumerate(zip(self._instance.devices, lists, strict=True)):
            channel = 0 if device.point is None else rates.channels[device.point]
            costs = []
            for row in rows:
                cost = row.cost + (sum([prices[i] * amount for i, amount in row.use]) >> SHIFT)
                cost += share_of_cost(rates.delay * row.time) + share_of_cost(rates.energy * row.energy)
                if channel and any(place != LOCAL for place in row.places):
                    cost += channel
                costs.append(cost)
            for name, price in cuts:
                of, weights = self._cuts[name][0], self._weights_of(name, m, rows)
                costs = [
                    cost + price * weights[row.amounts[of]] for cost, row in zip(costs, rows, strict=True)
                ]
            values.append(costs)
        return values, charge

    def _prices(self, leaf: Leaf) -> list[Fraction]:
        """Return the price of each limit."""
        return [
            leaf.resource.get(name, {}).get(more[0], ZERO) if more else getattr(leaf, part).get(name, ZERO)
            for part, name, *more in self._limits
        ]

    def _weights_of(self, name: str, m: int, rows: Iterable[Row]) -> Mapping[int, int]:
        """Return what decisions of a device weigh in a cut, by the number of what they use."""
        of, steps, _ = self._cuts[name]
        known = self._weights.setdefault((name, m), {})
        missing = {row.amounts[of] for row in rows} - known.keys()
        if missing:
            all_amounts = list(self._amounts[of])
            for number in missing:
                uses = all_amounts[number]
                fitting = (
                    weight
                    for amounts, weight in steps.get(m, ())
                    if all(used >= amount for used, amount in zip(uses, amounts, strict=True))
                )
                known[number] = next(fitting, 0)
        return known
