r"""What devices add up in whole numbers, rounded downwards: for limits and costs of format 2.

A family of parts is what a device's decisions add up: of each subtask at each place, of sending and receiving
the data of each arc. :func:`delays` and :func:`energies` are the two; a third are fees, which have no arcs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from offloadlib.instances import LOCAL
from offloadlib.instances.arrays import Floats, Ints
from offloadlib.instances.structured.options import Options
from offloadlib.instances.structured.sides import Terms

LIMIT_BITS = 40
"""Bits of a limit in its unit, at the most."""


@dataclass(frozen=True)
class Parts:
    """Numbers >= 0 that a group's devices add up.

    Attributes
    ----------
    place
        (G, K, N + 1) of a subtask at a place, the device last; 0 where it may not run.
    up, down
        (G, A) of sending, of receiving the data of an arc.
    """

    place: Floats
    up: Floats
    down: Floats

    def times(self, rate: Floats) -> Parts:
        """Each device's parts times a rate (G,)."""
        return Parts(self.place * rate[:, None, None], self.up * rate[:, None], self.down * rate[:, None])

    def cut(self, most: Floats) -> Parts:
        """No part above (G,) what is given."""
        return Parts(
            np.minimum(self.place, most[:, None, None]),
            np.minimum(self.up, most[:, None]),
            np.minimum(self.down, most[:, None]),
        )

    def largest(self) -> Floats:
        """(G,) at least any sum of them."""
        sums: Floats = self.place.max(axis=2).sum(axis=1) + np.maximum(self.up, self.down).sum(axis=1)
        return sums

    def whole(self, unit: float, margin: float) -> WholeParts:
        """Rounded down in a unit, though they may be off by a margin, relatively."""
        place, up, down = (
            rounded(values, values, unit, margin) for values in (self.place, self.up, self.down)
        )
        return WholeParts(place, up, down)

    def limited(self, limit: float, bits: float, margin: float) -> tuple[WholeParts, int]:
        """The same, and a limit, in a unit for that.

        One more than the limit breaks it, however much there is: cut down to that, sums stay small.
        """
        unit = unit_in(bits, limit or float(self.largest().max(initial=0.0)))
        most = math.floor(limit * unit)
        sane = self.cut(np.full(len(self.up), 2.0 * limit)) if limit > 0 else self
        found = sane.whole(unit, margin)
        place, up, down = (np.minimum(values, most + 1) for values in (found.place, found.up, found.down))
        return WholeParts(place, up, down), most


@dataclass(frozen=True)
class WholeParts:
    """The same in whole numbers."""

    place: Ints
    up: Ints
    down: Ints


def rounded(values: Floats, sizes: Floats, unit: float, margin: float) -> Ints:
    """Whole numbers below values times a unit, whatever these are off by: a margin, relative to sizes."""
    return np.floor(values * unit - np.abs(sizes) * (unit * margin)).astype(np.int64)


def unit_in(bits: float, limit: float) -> float:
    """The power of two that makes a limit a number of so many bits."""
    return 2.0 ** math.floor(bits - math.log2(limit)) if limit > 0 else 1.0


def delays(term: Terms, places: Options) -> Parts:
    """In seconds."""
    sides, seconds = term.plain.sides, places.seconds.copy()
    seconds[..., :LOCAL] += sides.radio_delay[:, :, None]
    return Parts(np.where(places.allowed, seconds, 0.0), sides.up_delay, sides.down_delay)


def energies(term: Terms, places: Options) -> Parts:
    """In mJ."""
    sides, spent = term.plain.sides, np.zeros_like(places.seconds)
    spent[..., LOCAL] = sides.local_energy
    spent[..., :LOCAL] = sides.radio_energy[:, :, None]
    return Parts(np.where(places.allowed, spent, 0.0), sides.up_energy, sides.down_energy)
