"""Certificates: the patterns of each device below an enumeration, and their bounds."""

from __future__ import annotations

import operator

from ..certificate import Certificate, Count, Cut, Enumeration, Leaf
from ..data import Instance
from .choices import rounded_down, rounded_up
from .leaves import Pattern
from .levels import Levels


class Enumerated:
    """What is below an enumeration: the patterns of each device, and the bounds that they give.

    Parameters
    ----------
    instance, levels : Instance, Levels
        The instance.
    certificate : Certificate
        Its nodes and cuts.
    """

    def __init__(self, instance: Instance, levels: Levels, certificate: Certificate) -> None:
        self._instance, self._levels, self._nodes = instance, levels, certificate.nodes
        self._position = {device.id: m for m, device in enumerate(instance.devices)}
        self._level = {point.id: levels.number(point.cpu) for point in instance.points}
        self._claim = rounded_up(certificate.lower_bound)
        self._cuts: dict[str, tuple[int, int, dict[str, int], int]] = {}
        for i, cut in enumerate(certificate.cuts):
            assert isinstance(cut, Cut)
            level = self._level[cut.point]
            limit = levels.limits[level] if level >= 0 else 0
            limit = (limit + sum(cut.shifts.values())) // cut.divisor
            self._cuts[str(i)] = (level, cut.divisor, cut.shifts, limit)

    def bound(self, index: int, patterns: list[list[Pattern]]) -> int:
        """Return the least bound of the leaves below a node, which has these patterns, or the claim."""
        least = self._claim
        mine = list(patterns)
        before: list[tuple[int, list[Pattern]]] = []  # what the nodes above have changed, to put it back
        pending: list[tuple[int, int, dict[int, list[Pattern]]]] = [(index, 0, {})]
        while pending:
            i, depth, changed = pending.pop()
            while len(before) > depth:
                m, some = before.pop()
                mine[m] = some
            for m, some in changed.items():
                before.append((m, mine[m]))
                mine[m] = some
            node = self._nodes[i]
            if isinstance(node, Count):
                m, level = self._position[node.device], self._level[node.point]
                few = [one for one in mine[m] if self._used(one, level) <= node.most]
                many = [one for one in mine[m] if self._used(one, level) > node.most]
                pending += [(node.equal, len(before), {m: few}), (node.different, len(before), {m: many})]
                continue
            if not all(mine):
                continue  # no solution gets here
            assert isinstance(node, Leaf | Enumeration)
            leaf = node.leaf if isinstance(node, Enumeration) else node
            values, charge = self._values(leaf, mine)
            bound = sum(map(min, values)) - charge
            if isinstance(node, Leaf) or bound >= self._claim:
                least = min(least, bound)
                continue
            room = self._claim - bound
            left = {}
            for m, (some, costs) in enumerate(zip(mine, values, strict=True)):
                most = min(costs) + room
                if max(costs) > most:
                    left[m] = [one for one, value in zip(some, costs, strict=True) if value <= most]
            pending.append((node.below, len(before), left))
        return least

    def _used(self, pattern: Pattern, level: int) -> int:
        return pattern[2][level] if level >= 0 else 0

    def _values(self, leaf: Leaf, patterns: list[list[Pattern]]) -> tuple[list[list[int]], int]:
        """Return the costs with prices of all patterns, and prices times limits."""
        prices = self._levels.raised(self._instance, leaf)
        steps = self._levels.steps(self._levels.of_levels(prices))
        charge = sum(map(operator.mul, steps, self._levels.limits))
        charge += sum(
            price * (point.channels or 0)
            for price, point in zip(prices.channels, self._instance.points, strict=True)
        )
        cuts = [(rounded_down(price), *self._cuts[name]) for name, price in leaf.cuts.items()]
        charge += sum(price * limit for price, _, _, _, limit in cuts)
        values = []
        for device, some in zip(self._instance.devices, patterns, strict=True):
            channel = 0 if device.point is None else prices.channels[device.point]
            mine = [
                (price, level, divisor, shifts.get(device.id, 0)) for price, level, divisor, shifts, _ in cuts
            ]
            costs = []
            for cost, mark, used in some:
                value = cost + sum(map(operator.mul, steps, used)) + (channel if mark else 0)
                for price, level, divisor, shift in mine:
                    value += price * (((used[level] if level >= 0 else 0) + shift) // divisor)
                costs.append(value)
            values.append(costs)
        return values, charge
