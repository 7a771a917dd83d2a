r"""One device in whole numbers, rounded so that what is proven of them holds of the program.

Coefficients of the program are fractions with long denominators, and sums of them have longer ones. But all
columns are >= 0, so a coefficient on the dear side may be rounded downwards: with times that are multiples of
10^-p s, a second that costs a multiple of 10^-s, and a unit of cost of 10^-Q, Q = p + s, every number in a
proof is whole. Here a *rounded row* is that of a subtask's duration, times 10^p, and the *target* is the
device's cost with prices, times 10^Q. p and s leave 16 digits of the device's own times and costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from offloadlib.instances import LOCAL
from offloadlib.instances.structured.sides import path

from .program import Part

DIGITS = 16


def exponent(value: Fraction) -> int:
    """The exponent of the first digit of a positive number."""
    return math.floor(math.log10(value.numerator) - math.log10(value.denominator))


class Duration(NamedTuple):
    """Of a subtask, in multiples of 10^-p s, rounded downwards: on the device, by point, and of each arc
    into it, sent and received."""

    at: Mapping[int, int]
    arcs: Mapping[int, tuple[int, int]]


@dataclass(frozen=True)
class Grid:
    """One device in whole numbers.

    Attributes
    ----------
    part
        The device.
    time_digits, digits
        p and Q.
    second
        What 10^-p s cost, in multiples of 10^-Q.
    duration
        Of each subtask.
    energy_local, energy_radio, energy_up, energy_down
        Cost of the energy, in multiples of 10^-Q.
    """

    part: Part
    time_digits: int
    digits: int
    second: int
    duration: Sequence[Duration]
    energy_local: Sequence[int]
    energy_radio: Sequence[int]
    energy_up: Sequence[int]
    energy_down: Sequence[int]

    def paid(self, k: int, n: int, prices: Mapping[int, int]) -> int:
        """What a subtask at a place costs besides the delay, at prices of points."""
        return self.energy_local[k] if n == LOCAL else self.energy_radio[k] + prices.get(n, 0)

    def cost(self, places: Sequence[int], prices: Mapping[int, int], toll: int) -> int:
        """What a decision costs at prices of points, and of going on air."""
        seconds = [self.duration[k].at[n] for k, n in enumerate(places)]
        total = toll if any(n != LOCAL for n in places) else 0
        for a, (j, k) in enumerate(self.part.application.edges):
            up, down = self.duration[k].arcs[a]
            if places[j] == LOCAL != places[k]:
                seconds[k] += up
                total += self.energy_up[a]
            elif places[j] != LOCAL == places[k]:
                seconds[k] += down
                total += self.energy_down[a]
        total += sum(self.paid(k, n, prices) for k, n in enumerate(places))
        return total + self.second * int(path(self.part.application, seconds, max))


def rounded(part: Part, least_digits: int) -> Grid:
    """A device in whole numbers, its costs with at least so many digits after the point."""
    costs = part.costs
    longest = max(sum(costs.local, Fraction(0)), Fraction(1, 10**30))
    time_digits = max(DIGITS - exponent(longest), 0)
    price_digits = DIGITS - exponent(costs.second) if costs.second else DIGITS
    spent = sum(costs.energy_local, Fraction(0)) * costs.millijoule
    if spent:
        price_digits = max(price_digits, DIGITS - exponent(spent) - time_digits)
    digits = max(time_digits + price_digits, least_digits, 0)
    price_digits = digits - time_digits

    def energies(values: Sequence[Fraction]) -> list[int]:
        return [short(value * costs.millijoule * 10**digits) for value in values]

    durations = []
    for k in range(part.application.size):
        at = {LOCAL: costs.local[k], **{n: costs.there[k][n] + costs.radio[k] for n in part.place[k]}}
        arcs = {
            a: (costs.up[a], costs.down[a]) for a, (_, end) in enumerate(part.application.edges) if end == k
        }
        durations.append(
            Duration(
                {n: int(value * 10**time_digits) for n, value in at.items()},
                {
                    a: (int(up * 10**time_digits), int(down * 10**time_digits))
                    for a, (up, down) in arcs.items()
                },
            )
        )
    return Grid(
        part,
        time_digits,
        digits,
        int(costs.second * Fraction(10) ** price_digits),
        durations,
        energies(costs.energy_local),
        energies(costs.energy_radio),
        energies(costs.energy_up),
        energies(costs.energy_down),
    )


def short(value: Fraction) -> int:
    """A whole number that is at most the value, >= 0, with :data:`DIGITS` digits and zeros after them."""
    whole = int(value)
    unit: int = 10 ** max(len(str(whole)) - DIGITS - 1, 0)
    return whole // unit * unit
