"""From an instance to the arrays that the backtracking kernels search, and from their decisions back."""

from __future__ import annotations

import numpy as np

from instances import LOCAL, Application, Instance, Solution
from instances.cost import Terms, terms
from instances.model import Floats, Ints, frozen

from .kernels import FRESH, State, Tables, Tasks


def connected(instance: Instance) -> Ints:
    """The devices that have a radio link, in file order."""
    return np.flatnonzero(instance.devices.connected_to != LOCAL)


def tasks_of(instance: Instance, devices: Ints) -> Tasks:
    """The tasks of some devices, in a row.

    Parameters
    ----------
    instance
        The instance.
    devices
        (D,) which ones, ascending.
    """
    graphs = [_Graph(application) for application in instance.applications]
    which = instance.devices.application[devices]
    start, arcs, cut = (
        np.cumsum([0, *(len(getattr(graphs[i], name)) for i in which.tolist())])
        for name in ("order", "before", "cut")
    )
    subtask = {name: np.zeros(start[-1]) for name in _PER_SUBTASK}
    arc = {name: np.zeros(arcs[-1]) for name in _PER_ARC}
    for term in terms(instance):
        rows = np.flatnonzero(np.isin(term.group.members, devices))
        number = np.searchsorted(devices, term.group.members[rows])
        graph = _Graph(term.group.application)
        for parts, begins, columns, values in (
            (subtask, start, graph.order, _subtask_values(term)),
            (arc, arcs, graph.arc, _arc_values(term)),
        ):
            where = begins[number][:, None] + np.arange(len(columns))
            for name, value in values.items():
                parts[name][where] = value[np.ix_(rows, columns)]

    def joined(name: str, offset: Ints | None = None) -> Ints:
        """A list of each device's graph, in a row, counted from where its subtasks or arcs begin."""
        lists = [getattr(graphs[i], name) for i in which.tolist()]
        if offset is not None:
            lists = [values + first for values, first in zip(lists, offset[:-1].tolist(), strict=True)]
        return frozen(np.concatenate([*lists, []]), np.int64)

    return Tasks(
        start=frozen(start, np.int64),
        opening=frozen(np.isin(np.arange(start[-1]), start), np.int64),
        head=joined("head"),
        radio=frozen(np.repeat(instance.devices.connected_to[devices], np.diff(start)), np.int64),
        arcs=frozen(np.append(joined("into", arcs), arcs[-1]), np.int64),
        before=joined("before", start),
        cut_start=frozen(np.append(joined("crossing", cut), cut[-1]), np.int64),
        cut=joined("cut", arcs),
        **{name: frozen(values, np.float64) for name, values in (subtask | arc).items()},
    )


_PER_SUBTASK = ("local_delay", "local_energy", "radio_delay", "radio_energy", "work")
_PER_ARC = ("up_delay", "up_energy", "down_delay", "down_energy")


class _Graph:
    """An application in topological order: position p holds subtask ``order[p]``.

    Attributes
    ----------
    order
        (K,) subtasks.
    head
        (K,) 1 where position p has no predecessor.
    arc, before
        (A,) the arcs, by the position that they lead to: number in the application, position that they
        come from.
    into
        (K,) how many arcs lead to positions before p.
    cut, crossing
        (C,), (K,) for each p the arcs, as numbered here, from positions up to p to later ones, and how
        many entries those of the positions before p have.
    """

    def __init__(self, application: Application) -> None:
        self.order = np.array(application.order)
        position = np.argsort(self.order)
        incoming = [application.incoming[k] for k in application.order]
        self.head = np.array([not arcs for arcs in incoming], dtype=np.int64)
        pairs = np.array([pair for arcs in incoming for pair in arcs], dtype=np.int64).reshape(-1, 2)
        self.arc, self.before = pairs[:, 0], position[pairs[:, 1]]
        sizes = [len(arcs) for arcs in incoming]
        self.into = np.cumsum([0, *sizes])[:-1]
        after = np.repeat(np.arange(len(sizes)), sizes)
        cuts = [np.flatnonzero((self.before <= p) & (p < after)) for p in range(len(sizes))]
        self.cut = np.concatenate(cuts)
        self.crossing = np.cumsum([0, *map(len, cuts)])[:-1]


def _subtask_values(term: Terms) -> dict[str, Floats]:
    """(G, K) each, in the order of the application."""
    a, b = term.delay_weight[:, None], term.energy_weight[:, None]
    sent, received = b * term.send[:, None], b * term.receive[:, None]
    return {
        "local_delay": a * term.local,
        "local_energy": b * term.execute[:, None] * term.local,
        "radio_delay": a * (term.head_up + term.tail_down),
        "radio_energy": sent * term.head_up + received * term.tail_down,
        "work": a * term.group.work,
    }


def _arc_values(term: Terms) -> dict[str, Floats]:
    """(G, A) each, in the order of the application."""
    a, b = term.delay_weight[:, None], term.energy_weight[:, None]
    return {
        "up_delay": a * term.arc_up,
        "up_energy": b * term.send[:, None] * term.arc_up,
        "down_delay": a * term.arc_down,
        "down_energy": b * term.receive[:, None] * term.arc_down,
    }


def solution_of(instance: Instance, devices: Ints, tasks: Tasks, point: Ints, places: Ints) -> Solution:
    """The decisions of a search; devices that took no part stay local.

    Parameters
    ----------
    instance, devices, tasks
        As for :func:`tasks_of`.
    point
        (I,) the offload point that each place stands for.
    places
        (P,) the decisions.
    """
    at = np.append(point, LOCAL)[places]
    arrays = [array.copy() for array in Solution.all_local(instance).places]
    for group, array in zip(instance.groups, arrays, strict=True):
        rows = np.flatnonzero(np.isin(group.members, devices))
        first = tasks.start[np.searchsorted(devices, group.members[rows])]
        order = np.array(group.application.order)
        array[np.ix_(rows, order)] = at[first[:, None] + np.arange(len(order))]
    return Solution(tuple(arrays))


def fresh_state(tasks: Tasks, left: Ints, air: Ints) -> State:
    """A search that has not begun, with this room at the places and on the radios."""
    size = len(tasks.opening)

    def counts() -> Ints:
        return np.zeros(size, dtype=np.int64)

    def values() -> Floats:
        return np.zeros(size)

    return State(
        cursor=np.array([0, FRESH, 0, 0]),
        tried=counts(),
        place=counts(),
        away=counts(),
        finish=values(),
        latest=values(),
        spent=values(),
        paid=values(),
        left=left.copy(),
        air=air.copy(),
    )


def fresh_tables(tasks: Tasks, places: int) -> Tables:
    """Room for the tables of a search with so many places."""
    size, arcs = len(tasks.opening), len(tasks.before)
    return Tables(
        rest=np.zeros(size),
        ahead=np.zeros((size, 2)),
        through=np.zeros((arcs, 2)),
        entry=np.zeros(size),
        options=np.zeros((size, places + 1), dtype=np.int64),
        choices=np.zeros(size, dtype=np.int64),
    )
