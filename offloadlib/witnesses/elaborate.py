"""A compact certificate with witnesses: for each device at each leaf the tree and the flows that bound it.

What the core of the checker wants is in :mod:`.check.core.witness`: shares, in parts of a whole, which bound
whatever they are. So nothing here has to be believed.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from fractions import Fraction
from typing import Any

from offloadlib.check.certificate import Branch as Division
from offloadlib.check.certificate import Leaf, TreeNode
from offloadlib.check.core.forms import WHOLE
from offloadlib.instances import LOCAL, Application, Instance

from .branching import End, Node
from .flows import Branch, Multipliers, Tariff
from .grid import Grid
from .leaves import Devices
from .program import formulate

Progress = Callable[[int, int], None]
"""Told how many devices at leaves have a witness, of how many."""


def witnesses(
    instance: Instance, nodes: Sequence[TreeNode], claim: Fraction, watch: Progress
) -> dict[str, dict[str, Any]]:
    """Witnesses for a certificate without faults, by number of the node and name of the device.

    Parameters
    ----------
    instance, nodes
        Of format 1; branches on places, and leaves.
    claim
        About what the instance costs.
    watch
        Is told about progress.
    """
    devices = Devices(instance, formulate(instance), claim)
    alone = _at_home(instance, devices.of)
    found: dict[str, dict[str, Any]] = {}
    pending: list[tuple[int, dict[int, list[Branch]]]] = [(0, {})]
    done, points, ids = 0, instance.points.ids, instance.devices.ids
    whole = len(devices.of) * sum(isinstance(node, Leaf) for node in nodes)
    while pending:
        number, branches = pending.pop()
        node = nodes[number]
        if isinstance(node, Division):
            for child, m, branch in devices.sides(node):
                more = {} if m is None or branch is None else {m: [*branches.get(m, []), branch]}
                pending.append((child, branches | more))
            continue
        assert isinstance(node, Leaf)
        prices, of = devices.prices(node), found.setdefault(str(number), {})
        for m, device in devices.of.items():
            grid, tariff = device.grid, prices.tariff(device.grid, device.station)
            home = [LOCAL] * grid.part.application.size
            tree = device.search.prove(tariff, branches.get(m, ()), home, 0)
            of[ids[m]] = _written(grid, tree, tariff, points)
            done += 1
            watch(done, whole)
        of.update(alone)
    return found


def _at_home(instance: Instance, connected: Container[int]) -> dict[str, Any]:
    """Witnesses of the devices without a radio link: the heaviest path of what is local."""
    found = {}
    for term in instance.terms:
        application = term.group.application
        for row, m in enumerate(term.group.members.tolist()):
            if m not in connected:
                found[instance.devices.ids[m]] = _heaviest(application, term.local[row].tolist())
    return found


def _heaviest(application: Application, seconds: Sequence[float]) -> dict[str, Any]:
    """All of the flow along the heaviest path."""
    finish = [0.0] * application.size
    for k in application.order:
        finish[k] = seconds[k] + max((finish[j] for _, j in application.incoming[k]), default=0.0)
    k = max(range(application.size), key=finish.__getitem__)
    tails, edges = [0] * application.size, [0] * len(application.edges)
    tails[k] = WHOLE
    while application.incoming[k]:
        arc, k = max(application.incoming[k], key=lambda pair: finish[pair[1]])
        edges[arc] = WHOLE
    return {"tails": tails, "edges": edges}


def _shares(grid: Grid, found: Multipliers, tariff: Tariff) -> dict[str, Any]:
    """Multipliers as shares."""
    part = grid.part
    application = part.application
    second = grid.second or 1
    flow = {arc: amount * WHOLE // second for arc, amount in found.then.items()}
    record: dict[str, Any] = {
        "tails": [found.last.get(k, 0) * WHOLE // second for k in range(application.size)],
        "edges": [flow.get(arc, 0) for arc in application.edges],
    }
    _balance(application, record)
    data = []
    through = _through(application, record)
    for a, (_, k) in enumerate(application.edges):
        up, down = grid.duration[k].arcs[a]
        y = through[k] * second // WHOLE
        amount = found.transfer[a]
        whole = grid.energy_up[a] + y * up if amount > 0 else grid.energy_down[a] + y * down
        data.append(max(-WHOLE, min(WHOLE, amount * WHOLE // whole)) if whole else 0)
    record["data"] = data
    if found.uses_air and tariff.air:
        record["air"] = [amount * WHOLE // tariff.air for amount in found.uses_air]
    return {key: values for key, values in record.items() if any(values)}


def _through(application: Application, record: Mapping[str, list[int]]) -> list[int]:
    through = list(record["tails"])
    into = [0] * application.size
    for (j, k), amount in zip(application.edges, record["edges"], strict=True):
        through[j] += amount
        into[k] += amount
    return [through[k] if application.heads[k] else into[k] for k in range(application.size)]


def _balance(application: Application, record: dict[str, list[int]]) -> None:
    """Lower what flows into a subtask where rounding has made it more than what flows out."""
    numbers = {arc: a for a, arc in enumerate(application.edges)}
    edges = record["edges"]
    for k in reversed(application.order):
        out = record["tails"][k] + sum(
            amount for (j, _), amount in zip(application.edges, edges, strict=True) if j == k
        )
        into = [numbers[j, k] for j, end in application.edges if end == k]
        excess = sum(edges[a] for a in into) - out
        for a in into:
            less = min(max(excess, 0), edges[a])
            edges[a] -= less
            excess -= less


def _written(grid: Grid, node: Node, tariff: Tariff, points: Sequence[str]) -> dict[str, Any]:
    """A device's tree as the file has it."""
    if isinstance(node, End):
        return _shares(grid, node.multipliers, tariff)
    subtasks = grid.part.application.subtasks
    return {
        "subtask": subtasks[node.among.subtask],
        "places": [None if n == LOCAL else points[n] for n in sorted(node.among.places)],
        "in": _written(grid, node.inside, tariff, points),
        "out": _written(grid, node.outside, tariff, points),
    }
