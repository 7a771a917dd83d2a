r"""The device model: what subtasks add on each side, and what crosses the radio between the sides.

A subtask runs on one of two *sides*: on its device (0, local) or away (1, at some offload point). Which
points are away matters for the execution alone, since the network between them costs nothing. All that is
known of the cost of a device is stated here, once; equation (3) is put together in :mod:`.cost`.

**Execution** takes :math:`w/c_m` and :math:`p^{exe}` on the device, and :math:`w/c_n` and no energy of the
device's at point n.

**Transfers.** Data goes from a side to a side: along an arc from that of its predecessor to that of its
successor; the input of a head comes from the device, the output of a tail goes to it. It is sent where it
goes from the device away, received where it comes back (:func:`crosses`), and costs nothing where it
stays on one side. That takes size over rate, and the power for that direction; the subtask at which an arc
ends pays for it. The latency of the direction, where a device has one, is added to the time whatever the
size, and takes no energy.

=====================  ==========================  ============================================  =======
symbol                 name in the code            meaning                                       unit
=====================  ==========================  ============================================  =======
o_k                    side, away                  1 where subtask k is offloaded
w/c_m                  ``Terms.local``             execution on the device                       s
s/r^up, s/r^down       ``Terms.arc_up, arc_down``  sending, receiving the data of an arc         s
d^i/r^up               ``Terms.head_up``           sending a head's input, else 0                s
d^o/r^down             ``Terms.tail_down``         receiving a tail's output, else 0             s
p^exe, p^send, p^recv  ``execute, send, receive``  power                                         mW
a_m                    ``Terms.delay_weight``      cost of a second of G_m                       1/s
b_m                    ``Terms.energy_weight``     cost of a mJ of E_m                           1/mJ
\                      ``Sides.*_delay``           what a part adds to the path through it       cost
\                      ``Sides.*_energy``          what it adds to the sum over all parts        cost
=====================  ==========================  ============================================  =======

:class:`Sides` has what each part adds, weighted by a_m and b_m. Its arrays are (G, K)
and (G, A) for a group, (P,) and (A,) for tasks in a row (:mod:`.flat`), and an index of its functions is a
pair or a number accordingly. Kernels have these functions from :mod:`.inlined`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from ..arrays import Floats, frozen
from .model import LOCAL, Application, Devices, Group, Normalise


@dataclass(frozen=True, eq=False)
class Terms:
    """The parts of the cost of a group's devices that no decision changes (all in seconds).

    Attributes
    ----------
    group
        The devices.
    local
        (G, K) execution on the device.
    arc_up, arc_down
        (G, A) sending, receiving the data of an arc.
    head_up, tail_down
        (G, K) sending a head's input, receiving a tail's output; 0 for other subtasks.
    execute, send, receive
        (G,) power in mW.
    latency_up, latency_down
        (G,) added to each transfer; not part of the seconds above, which take energy.
    delay_weight, energy_weight
        (G,) a_m and b_m of equation (3).
    share
        (G,) what a device's cost counts in the objective of a program; None: 1.
    ceiling
        (G,) what an execution at an offload point costs at most, as nobody would want a dearer one; None:
        what it costs.
    """

    group: Group
    local: Floats
    arc_up: Floats
    arc_down: Floats
    head_up: Floats
    tail_down: Floats
    execute: Floats
    send: Floats
    receive: Floats
    latency_up: Floats
    latency_down: Floats
    delay_weight: Floats
    energy_weight: Floats
    share: Floats | None = None
    ceiling: Floats | None = None

    @cached_property
    def sides(self) -> Sides:
        """What each part adds to equation (3)."""
        return self.weighted()

    @property
    def plain(self) -> Terms:
        """The same in seconds and mJ."""
        ones = np.ones(len(self.group))
        return replace(self, delay_weight=ones, energy_weight=ones, share=None, ceiling=None)

    @property
    def parts(self) -> dict[str, tuple[Floats, Floats]]:
        """What takes a device's time, by attribute: (G, ...) seconds, and (G,) what one of them costs."""
        run, up, down = (
            self.delay_weight + self.energy_weight * power
            for power in (self.execute, self.send, self.receive)
        )
        return {
            "local": (self.local, run),
            "arc_up": (self.arc_up, up),
            "head_up": (self.head_up, up),
            "arc_down": (self.arc_down, down),
            "tail_down": (self.tail_down, down),
        }

    def weighted(self, devices: slice = slice(None)) -> Sides:
        """The same of some of the devices, which is not kept."""
        a, b = self.delay_weight[devices, None], self.energy_weight[devices, None]
        execute, send, receive = (
            b * power[devices, None] for power in (self.execute, self.send, self.receive)
        )
        local, head_up, tail_down = self.local[devices], self.head_up[devices], self.tail_down[devices]
        arc_up, arc_down = self.arc_up[devices], self.arc_down[devices]
        ahead, back = self.latency_up[devices, None], self.latency_down[devices, None]
        application = self.group.application
        waiting = application.heads * ahead + application.tails * back
        return Sides(
            local_delay=a * local,
            local_energy=execute * local,
            radio_delay=a * (head_up + tail_down + waiting),
            radio_energy=send * head_up + receive * tail_down,
            work=a * self.group.work[devices],
            up_delay=a * (arc_up + ahead),
            up_energy=send * arc_up,
            down_delay=a * (arc_down + back),
            down_energy=receive * arc_down,
        )


def terms_of(devices: Devices, group: Group, normalise: Normalise) -> Terms:
    """The fixed parts of the cost of a group of an instance's devices."""
    members, application = group.members, group.application
    # Without a radio link nothing is ever sent: the rates do not matter.
    uplink = np.nan_to_num(devices.uplink[members], nan=np.inf)[:, None]
    downlink = np.nan_to_num(devices.downlink[members], nan=np.inf)[:, None]
    local = executing(group, group.work / devices.cpu[members][:, None], LOCAL)
    execute, alpha = devices.execute[members], devices.alpha[members]
    delay_weight, energy_weight = alpha, 1.0 - alpha
    if normalise == "local":
        delay_weight = _weight(delay_weight, heaviest_path(group, local))
        energy_weight = _weight(energy_weight, local.sum(axis=1) * execute)
    return Terms(
        group=group,
        local=frozen(local, np.float64),
        arc_up=frozen(group.edge_data / uplink, np.float64),
        arc_down=frozen(group.edge_data / downlink, np.float64),
        head_up=frozen(np.where(application.heads, group.input / uplink, 0.0), np.float64),
        tail_down=frozen(np.where(application.tails, group.output / downlink, 0.0), np.float64),
        execute=frozen(execute, np.float64),
        send=frozen(devices.send[members], np.float64),
        receive=frozen(devices.receive[members], np.float64),
        latency_up=frozen(devices.latency_up[members], np.float64),
        latency_down=frozen(devices.latency_down[members], np.float64),
        delay_weight=frozen(delay_weight, np.float64),
        energy_weight=frozen(energy_weight, np.float64),
    )


def _weight(weight: Floats, normaliser: Floats) -> Floats:
    """weight/normaliser, and 0 where the weight is 0, whatever the normaliser."""
    return np.divide(weight, normaliser, out=np.zeros_like(weight), where=weight > 0)


def executing(group: Group, seconds: Floats, places: Any) -> Floats:
    """(G, K) execution times with those of exceptions that are met at (G, K) places, or at one place."""
    met = np.flatnonzero(~np.isnan(group.exceptions.execution))
    if len(met):
        at = group.exceptions.row[met], group.exceptions.subtask[met]
        met = met[np.broadcast_to(places, seconds.shape)[at] == group.exceptions.place[met]]
        seconds = seconds.copy()
        seconds[group.exceptions.row[met], group.exceptions.subtask[met]] = group.exceptions.execution[met]
    return seconds


def heaviest_path(group: Group, delay: Floats) -> Floats:
    """(G,) weight of the heaviest path through the task with (G, K) node weights: equation (1)."""

    def largest(values: Sequence[Floats]) -> Floats:
        found: Floats = np.maximum.reduce(values)
        return found

    heaviest: Floats = path(group.application, list(delay.T), largest)
    return heaviest


def path(application: Application, weights: Sequence[Any], largest: Callable[[Sequence[Any]], Any]) -> Any:
    """Equation (1) for the weight of each subtask, in any arithmetic; ``largest`` is its maximum."""
    finish = list(weights)
    for k in application.order:
        before = [finish[j] for _, j in application.incoming[k]]
        if before:
            finish[k] = finish[k] + (before[0] if len(before) == 1 else largest(before))
    return largest([finish[k] for k in np.flatnonzero(application.tails).tolist()])


# Which data crosses -------------------------------------------------------------------------------


def side(place: Any) -> Any:
    """The side on which a place is."""
    return place >= 0


def crosses(before: Any, here: Any) -> tuple[Any, Any]:
    """Whether data that goes from one side to another is sent, and whether it is received.

    Parameters
    ----------
    before, here
        Sides, 0 (False) or 1 (True): Python's numbers, arrays, or what a kernel has.
    """
    return here > before, before > here


class Crossing(NamedTuple):
    """One piece of data of a task.

    Attributes
    ----------
    subtask
        The one that pays.
    data
        The name of its sizes in :class:`.model.Group`.
    number
        Its column there.
    up, down
        Whether it is sent, whether it is received; as the sides are given.
    """

    subtask: int
    data: Literal["edge_data", "input", "output"]
    number: int
    up: Any
    down: Any


def crossings(application: Application, away: Sequence[Any]) -> Iterator[Crossing]:
    """All data of a task, for the K sides of its subtasks (as for :func:`crosses`): arcs as listed,
    then the inputs of heads, then the outputs of tails."""
    for arc, (j, k) in enumerate(application.edges):
        yield Crossing(k, "edge_data", arc, *crosses(away[j], away[k]))
    for k in np.flatnonzero(application.heads).tolist():
        yield Crossing(k, "input", k, *crosses(False, away[k]))
    for k in np.flatnonzero(application.tails).tolist():
        yield Crossing(k, "output", k, *crosses(away[k], False))


# What each part adds ------------------------------------------------------------------------------


class Sides(NamedTuple):
    """What the parts of tasks add to a device's delay, along paths, and to its energy, all together.

    Attributes
    ----------
    local_delay, local_energy
        Of a subtask on its device.
    radio_delay, radio_energy
        Of a subtask away, wherever: sending a head's input, receiving a tail's output.
    work
        Divided by a point's speed, the delay of a subtask's execution there.
    up_delay, up_energy, down_delay, down_energy
        Of sending, of receiving the data of an arc.
    """

    local_delay: Floats
    local_energy: Floats
    radio_delay: Floats
    radio_energy: Floats
    work: Floats
    up_delay: Floats
    up_energy: Floats
    down_delay: Floats
    down_energy: Floats


PER_SUBTASK = Sides._fields[:5]
"""Their values of each subtask."""

PER_ARC = Sides._fields[5:]
"""Their values of each arc."""


def away(term: Terms, cpu: Floats, at: Any = slice(None)) -> tuple[Floats, Floats]:
    """Delay and energy of subtasks at points, without arcs.

    Parameters
    ----------
    term, cpu
        A group, and speeds of points (N,).
    at
        Which devices and subtasks: an index of (G, K), all by default.

    Returns
    -------
    delay, energy
        (G, K, N), execution up to the ceiling.
    """
    sides = term.sides
    delay, energy = at_point(sides.work[at][:, :, None], cpu)
    if term.ceiling is not None:
        ceiling = np.broadcast_to(term.ceiling[:, None], term.group.work.shape)
        delay = np.minimum(delay, ceiling[at][:, :, None])
    delay, energy = delay + sides.radio_delay[at][:, :, None], energy + sides.radio_energy[at][:, :, None]
    return delay, np.broadcast_to(energy, delay.shape)


def at_point(work: Any, speed: Any) -> tuple[Any, Any]:
    """Delay and energy of a subtask that are an offload point's own: the execution, which is not the
    device's."""
    return work / speed, 0.0
