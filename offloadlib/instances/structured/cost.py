"""The cost model: delays, energies and costs of decisions, and the limits they keep.

What the parts of a task add to the delay g_k and energy e_k of its subtasks is said in :mod:`.sides`: the six
cases of section 3.2, for any number of predecessors.
The delay G of a task (1) is its heaviest path with node weights g_k, its energy E (2) the sum of the
e_k, and its cost (3) a G + b E with (a, b) = (alpha, 1 - alpha), or (alpha/G0, (1 - alpha)/E0) where
the instance normalises by the all-local decision. The paper's case 3 leaves out the energy of the
local execution; that is read as a misprint, since local execution would be free there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..arrays import Floats, Ints
from ..kind import AnyEvaluation
from .instance import Instance
from .limits import placed
from .model import LOCAL, Application, Places
from .sides import Terms, at_point, crosses, heaviest_path
from .solution import Solution


def subtask_costs(instance: Instance, term: Terms, places: Places) -> tuple[Floats, Floats]:
    """Delay g and energy e of every subtask.

    Parameters
    ----------
    instance, term
        The instance and the terms of one of its groups.
    places
        (G, K) decisions of the group's devices.

    Returns
    -------
    delay, energy
        (G, K) in s and in mW s.
    """
    offloaded = places != LOCAL
    there, _ = at_point(term.group.work, instance.points.cpu[np.where(offloaded, places, 0)])
    delay = np.where(offloaded, there, term.local)
    send = np.where(offloaded, term.head_up, 0.0)
    receive = np.where(offloaded, term.tail_down, 0.0)
    for arcs, j, k in _rounds(term.group.application):
        up, down = crosses(offloaded[:, j], offloaded[:, k])
        send[:, k] += np.where(up, term.arc_up[:, arcs], 0.0)
        receive[:, k] += np.where(down, term.arc_down[:, arcs], 0.0)
    delay += send + receive
    energy = np.where(offloaded, 0.0, term.local * term.execute[:, None])
    energy += send * term.send[:, None] + receive * term.receive[:, None]
    return delay, energy


@lru_cache(maxsize=256)
def _rounds(application: Application) -> tuple[tuple[Ints, Ints, Ints], ...]:
    """Arcs with their two ends, in rounds in which no two arcs end at the same subtask: the first one of
    each subtask, the second one, and so on."""
    rounds: list[list[tuple[int, int, int]]] = []
    ended = [0] * application.size
    for arc, (j, k) in enumerate(application.edges):
        if ended[k] == len(rounds):
            rounds.append([])
        rounds[ended[k]].append((arc, j, k))
        ended[k] += 1
    found = (np.array(arcs, dtype=np.int64).T for arcs in rounds)
    return tuple((arcs, j, k) for arcs, j, k in found)


@dataclass(frozen=True)
class Violation:
    """A limit that a solution breaks."""

    limit: str
    name: str
    used: int
    allowed: int

    def __str__(self) -> str:
        return f"{self.limit} of {self.name!r}: {self.used} used, {self.allowed} allowed"


@dataclass(frozen=True, eq=False)
class Evaluation(AnyEvaluation):
    """What decisions cost and use.

    Attributes
    ----------
    delay, energy, cost
        (M,) G_m in s, E_m in mW s, C_m, in file order.
    used
        (N,) subtasks at each offload point.
    channels_used
        (N,) devices that use the radio of each offload point.
    unconnected
        (M,) subtasks that a device without a connection offloads, which it must not.
    """

    instance: Instance
    used: Ints
    channels_used: Ints
    unconnected: Ints

    @property
    def utilisation_by_point(self) -> Floats:
        """(N,) share of each capacity that is used; 0 at capacity 0."""
        capacity = self.instance.points.capacity
        return np.divide(self.used, capacity, out=np.zeros(len(capacity)), where=capacity > 0)

    @property
    def utilisation(self) -> float:
        """Share of all capacity that is used: the paper's criterion c2."""
        capacity = int(self.instance.points.capacity.sum())
        return int(self.used.sum()) / capacity if capacity else 0.0

    @property
    def usage(self) -> str:
        """The used capacity in words."""
        used, room = int(self.used.sum()), int(self.instance.points.capacity.sum())
        return f"{used} of {room} places for subtasks"

    @property
    def violations(self) -> list[Violation]:
        """Every limit that is broken; empty for a feasible solution."""
        return list(self._violations())

    def _violations(self) -> Iterator[Violation]:
        points = self.instance.points
        for limit, used, allowed in (
            ("capacity", self.used, points.capacity),
            ("channels", self.channels_used, points.channels),
        ):
            for n in np.flatnonzero(used > allowed):
                yield Violation(limit, points.ids[n], int(used[n]), int(allowed[n]))
        for m in np.flatnonzero(self.unconnected):
            yield Violation("connection", self.instance.devices.ids[m], int(self.unconnected[m]), 0)


def evaluate(instance: Instance, solution: Solution) -> Evaluation:
    """Evaluate decisions: equations (1) to (5).

    Returns
    -------
    Evaluation
        In the file order of the devices.

    Raises
    ------
    ValueError
        If the decisions do not have the shape of the instance.
    IndexError
        If a place is not an offload point of the instance.
    """
    shapes = [places.shape for places in solution.places]
    if shapes != [group.work.shape for group in instance.groups]:
        raise ValueError(f"decisions of shapes {shapes} are not decisions of {instance!r}")
    devices = instance.devices
    delay, energy, cost = (np.empty(instance.num_devices) for _ in range(3))
    offloaded = np.zeros(instance.num_devices, dtype=np.int64)
    used = np.zeros(instance.num_points, dtype=np.int64)
    for term, places in zip(instance.terms, solution.places, strict=True):
        members = term.group.members
        if places.min() < LOCAL:
            raise IndexError(f"there is no place {places.min()}")
        g, e = subtask_costs(instance, term, places)
        delay[members] = heaviest_path(term.group, g)
        energy[members] = e.sum(axis=1)
        cost[members] = term.delay_weight * delay[members] + term.energy_weight * energy[members]
        used += placed(places, instance.num_points)
        offloaded[members] = (places != LOCAL).sum(axis=1)
    linked = devices.connected_to != LOCAL
    radios = devices.connected_to[(offloaded > 0) & linked]
    return Evaluation(
        instance=instance,
        delay=delay,
        energy=energy,
        cost=cost,
        used=used,
        channels_used=np.bincount(radios, minlength=instance.num_points),
        unconnected=np.where(linked, 0, offloaded),
    )
