"""The cost model: delays, energies and costs of decisions, and the limits they keep.

What the parts of a task add to the delay g_k and energy e_k of its subtasks is said in :mod:`.sides`: the six
cases of section 3.2, for any number of predecessors.
The delay G of a task (1) is its heaviest path with node weights g_k, its energy E (2) the sum of the
e_k, and its cost (3) a G + b E with (a, b) = (alpha, 1 - alpha), or (alpha/G0, (1 - alpha)/E0) where
the instance normalises by the all-local decision. The paper's case 3 leaves out the energy of the
local execution; that is read as a misprint, since local execution would be free there. Fees, weights,
refusal, and the largest cost in place of the sum are format 2's (:mod:`.model`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import errors
from ..arrays import Floats, Ints
from ..kind import AnyEvaluation, Use
from .instance import Instance
from .limits import Limits, placed, taken_by_point
from .model import LOCAL, REFUSED, UNLIMITED, Application, Group, Places
from .sides import Terms, at_point, crosses, crossings, executing, heaviest_path, side
from .solution import Solution
from .violations import OWN, Violation, broken, counted, refusals

if TYPE_CHECKING:
    import pandas as pd


def subtask_costs(instance: Instance, term: Terms, places: Places) -> tuple[Floats, Floats]:
    """Delay g and energy e of every subtask; those of refused devices are meaningless.

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
    offloaded = side(places)
    there, _ = at_point(term.group.work, instance.points.cpu[np.where(offloaded, places, 0)])
    delay = executing(term.group, np.where(offloaded, there, term.local), places)
    send = np.where(offloaded, term.head_up, 0.0)
    receive = np.where(offloaded, term.tail_down, 0.0)
    for arcs, j, k in _rounds(term.group.application):
        up, down = crosses(offloaded[:, j], offloaded[:, k])
        send[:, k] += np.where(up, term.arc_up[:, arcs], 0.0)
        receive[:, k] += np.where(down, term.arc_down[:, arcs], 0.0)
    delay += send + receive
    if term.latency_up.any() or term.latency_down.any():
        delay += _waiting(term, offloaded)
    energy = np.where(offloaded, 0.0, term.local * term.execute[:, None])
    energy += send * term.send[:, None] + receive * term.receive[:, None]
    return delay, energy


def _waiting(term: Terms, offloaded: NDArray[np.bool_]) -> Floats:
    """(G, K) latencies of the transfers that each subtask pays for."""
    sent, received = np.zeros(offloaded.shape), np.zeros(offloaded.shape)
    for k, _, _, up, down in crossings(term.group.application, list(offloaded.T)):
        sent[:, k] += up
        received[:, k] += down
    return sent * term.latency_up[:, None] + received * term.latency_down[:, None]


def fees(instance: Instance, group: Group, places: Places) -> Floats:
    """(G,) what a group's devices pay for (G, K) places, in cost."""
    offloaded, points, met = side(places), instance.points, group.exceptions
    at = np.where(offloaded, places, 0)
    fee = np.where(offloaded, points.fee_subtask[at] + points.fee_work[at] * group.work, 0.0)
    known = (places[met.row, met.subtask] == met.place) & ~np.isnan(met.fee)
    fee[met.row[known], met.subtask[known]] = met.fee[known]
    total: Floats = fee.sum(axis=1)
    return total


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


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation(AnyEvaluation):
    """What decisions cost and use.

    Attributes
    ----------
    delay, energy, cost
        (M,) G_m in s, E_m in mW s, C_m before the device's weight, in file order; a refused device has no
        delay and no energy.
    refused
        (M,) the devices that are not served.
    used
        (N,) subtasks at each offload point.
    channels_used
        (N,) devices that use the radio of each offload point.
    unconnected
        (M,) subtasks that a device without a connection offloads, which it must not.
    taken
        (R, N) of each resource at each offload point.
    beyond
        The limits of format 2 that are broken.
    """

    instance: Instance
    refused: NDArray[np.bool_]
    used: Ints
    channels_used: Ints
    unconnected: Ints
    taken: Floats
    beyond: Sequence[Violation]

    @property
    def violations(self) -> list[Violation]:
        """Every limit that is broken; empty for a feasible solution."""
        points, names = self.instance.points, self.instance.devices.ids
        return [
            *counted("capacity", points.ids, self.used, points.capacity),
            *counted("channels", points.ids, self.channels_used, points.channels),
            *counted("connection", names, self.unconnected, np.zeros_like(self.unconnected)),
            *self.beyond,
        ]

    @property
    def total(self) -> float:
        """F: the weighted sum, or the largest, of the devices' costs."""
        if self.instance.objective == "max":
            return self.largest
        return math.fsum((self.cost * self.instance.devices.weight).tolist())

    @property
    def largest(self) -> float:
        """The largest of the devices' weighted costs."""
        return float((self.cost * self.instance.devices.weight).max())

    @cached_property
    def use(self) -> Floats:
        """(L,) what is used of each limit of :class:`.limits.Limits`."""
        totals = math.fsum(self.delay.tolist()), math.fsum(self.energy.tolist())
        return Limits(self.instance).use(self.used, self.channels_used, self.taken, totals)

    @property
    def num_refused(self) -> int:
        """Devices that are not served."""
        return int(self.refused.sum())

    @property
    def num_late(self) -> int:
        """Devices beyond their deadline or their energy budget."""
        return len({broken.name for broken in self.beyond if broken.limit in OWN})

    @property
    def uses(self) -> list[Use]:
        """What is used of each limit, of an instance of format 2."""
        if self.instance.version == 1:
            return []
        limits = Limits(self.instance)
        sizes, common = limits.right.tolist(), limits.parts[3].start
        return [
            Use(*title, used, size, i >= common)
            for i, (title, used, size) in enumerate(zip(limits.titles, self.use.tolist(), sizes, strict=True))
        ]

    def to_frame(self) -> pd.DataFrame:
        """A row for each device: as for every kind, and whether it is ``refused``."""
        return super().to_frame().assign(refused=self.refused)

    def uses_to_frame(self) -> pd.DataFrame:
        """A row for each limit that is shared: ``name``, ``unit``, ``used`` and ``size``."""
        from .frames import uses

        return uses(self)

    @property
    def utilisation_by_point(self) -> Floats:
        """(N,) share of each capacity that is used; 0 where that is 0 or unlimited."""
        return _share(self.used, _finite(self.instance.points.capacity))

    @property
    def utilisation_by_resource(self) -> Floats:
        """(1 + R, N) share of what each point has of subtasks and of each resource that is used; NaN where
        there is no limit."""
        points = self.instance.points
        room = np.vstack([_finite(points.capacity)[None], points.room])
        return np.where(np.isinf(room), np.nan, _share(np.vstack([self.used[None], self.taken]), room))

    @property
    def utilisation(self) -> float:
        """Share of all capacity that is used: the paper's criterion c2. Where points have other resources, or
        no limit on subtasks, the mean of the shares of what they have."""
        capacity = _finite(self.instance.points.capacity)
        if self.instance.resources or np.isinf(capacity).any():
            shares = self.utilisation_by_resource
            return float(np.nanmean(shares)) if not np.isnan(shares).all() else 0.0
        total = int(capacity.sum())
        return int(self.used.sum()) / total if total else 0.0

    @property
    def usage(self) -> str:
        """The used capacity in words."""
        used, capacity = int(self.used.sum()), _finite(self.instance.points.capacity)
        limited = np.isfinite(capacity).all()
        words = [f"{used} of {int(capacity.sum())} places for subtasks" if limited else f"{used} subtasks"]
        for name, taken, room in zip(
            self.instance.resources, self.taken, self.instance.points.room, strict=True
        ):
            total = room.sum()
            words.append(f"{taken.sum():.4g}{f' of {total:.4g}' if np.isfinite(total) else ''} {name}")
        if self.refused.any():
            words.append(f"{errors.counted(int(self.refused.sum()), 'device')} refused")
        return ", ".join(words)


def _finite(capacity: Ints) -> Floats:
    return np.where(capacity == UNLIMITED, np.inf, capacity)


def _share(used: Any, room: Floats) -> Floats:
    found: Floats = np.divide(used, room, out=np.zeros(np.shape(room)), where=(room > 0) & np.isfinite(room))
    return found


def spent(instance: Instance, solution: Solution) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """What decisions cost, whatever limits they keep.

    Returns
    -------
    delay, energy, cost, refused
        (M,) as in :class:`Evaluation`.

    Raises
    ------
    ValueError
        If a device is refused in part.
    IndexError
        If a place is not an offload point of the instance.
    """
    delay, energy, cost = (np.empty(instance.num_devices) for _ in range(3))
    refused = np.zeros(instance.num_devices, dtype=np.bool_)
    for term, places in zip(instance.terms, solution.places, strict=True):
        members = term.group.members
        if places.min() < (LOCAL if instance.version == 1 else REFUSED):
            raise IndexError(f"there is no place {places.min()}")
        g, e = subtask_costs(instance, term, places)
        delay[members] = heaviest_path(term.group, g)
        energy[members] = e.sum(axis=1)
        cost[members] = term.delay_weight * delay[members] + term.energy_weight * energy[members]
        if instance.version > 1:
            cost[members] += fees(instance, term.group, places)
            refused[members] = refusals(places)
    if refused.any():
        delay[refused] = energy[refused] = 0.0
        cost[refused] = instance.devices.rejection[refused]
    return delay, energy, cost, refused


def evaluate(instance: Instance, solution: Solution) -> Evaluation:
    """Evaluate decisions: equations (1) to (5), and what format 2 adds.

    Limits are held against exact sums and exact delays and energies, without any tolerance.

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
    delay, energy, cost, refused = spent(instance, solution)
    offloaded = np.zeros(instance.num_devices, dtype=np.int64)
    used = np.zeros(instance.num_points, dtype=np.int64)
    for group, places in zip(instance.groups, solution.places, strict=True):
        used += placed(places, instance.num_points)
        offloaded[group.members] = side(places).sum(axis=1)
    linked = devices.connected_to != LOCAL
    radios = devices.connected_to[(offloaded > 0) & linked]
    taken = np.zeros((len(instance.resources), instance.num_points))
    beyond: list[Violation] = []
    if instance.version > 1:
        taken = taken_by_point(instance, solution)
        beyond = list(broken(instance, solution, delay, energy))
    return Evaluation(
        instance=instance,
        delay=delay,
        energy=energy,
        cost=cost,
        refused=refused,
        used=used,
        channels_used=np.bincount(radios, minlength=instance.num_points),
        unconnected=np.where(linked, 0, offloaded),
        taken=taken,
        beyond=beyond,
    )
