"""Instances made in a program, part by part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel

from .errors import InputError, Problem, shown
from .files.document import Document, jsonable, without_nulls
from .files.validate import structure
from .structured.instance import Instance
from .structured.model import Normalise, Objective
from .structured.schema import ApplicationPart, DevicePart2, LimitPart, OffloadPointPart2

Amounts = Mapping[str, float] | Iterable[float]
"""A number for each subtask, by its name (0 where it is not named) or in the application's order."""


class InstanceBuilder:
    """Builds an instance of the structured problem; units are those of instance files.

    Each part is looked at when it is added, and all of them together by :meth:`build`. What is added is
    called by its id: each ``add_*`` returns that of its part.

    Parameters
    ----------
    name, description
        Of the instance.
    normalise
        ``none``: costs in seconds and mJ; ``local``: each relative to the all-local decision.
    objective
        ``sum`` or ``max`` of the devices' costs.
    resources
        What subtasks may demand beside their place.
    total_delay, total_energy
        Caps on the sums over all served devices, in s and in mJ.

    Examples
    --------
    >>> builder = InstanceBuilder("two cameras")
    >>> roof = builder.add_point("roof", cpu=8.0, capacity=3, uplink=2.0, downlink=2.0)
    >>> app = builder.add_application("track", ["see", "find"], [("see", "find")])
    >>> for camera in ("east", "west"):
    ...     _ = builder.add_device(
    ...         camera, application=app, connected_to=roof, cpu=1.0, execute=9.0, send=2.0, receive=1.0,
    ...         work={"see": 2.0, "find": 6.0}, input={"see": 1.0}, output={"see": 0.5, "find": 0.1},
    ...     )
    >>> builder.build()
    <Instance 'two cameras': 2 devices, 1 offload point, 4 subtasks>
    """

    def __init__(
        self,
        name: str,
        *,
        description: str | None = None,
        normalise: Normalise = "local",
        objective: Objective = "sum",
        resources: Sequence[str] = (),
        total_delay: float | None = None,
        total_energy: float | None = None,
    ) -> None:
        caps = without_nulls({"delay": total_delay, "energy": total_energy})
        self._header: Document = {
            "format": "offloadlib-instance",
            "version": 2,
            "kind": "structured",
            "name": name,
            **without_nulls({"description": description, "totals": caps or None}),
            "cost": {"normalise": normalise, "objective": objective},
            "resources": list(resources),
        }
        self._points: dict[str, Document] = {}
        self._applications: dict[str, Document] = {}
        self._devices: dict[str, Document] = {}
        self._limits: dict[str, Document] = {}

    def add_point(
        self,
        id: str,
        *,
        cpu: float,
        uplink: float,
        downlink: float,
        capacity: int | Mapping[str, float] | None = None,
        channels: int | None = None,
        position: tuple[float, float] | None = None,
        fee_subtask: float | None = None,
        fee_work: float | None = None,
    ) -> str:
        """Add an offload point.

        Parameters
        ----------
        id
            Its name.
        cpu
            Speed in MIPS.
        uplink, downlink
            Rates of its radio in Mbit/s.
        capacity
            Subtasks that it can take, or an amount of each resource (``subtasks`` is one); None: no limit.
        channels
            Devices that may use its radio; None: any number.
        position
            In metres, for pictures.
        fee_subtask, fee_work
            For each subtask that runs there, and for each MI of it, in cost.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InputError
            If something is no number, or out of its range, or the id is taken.
        """
        fee = without_nulls({"subtask": fee_subtask, "work": fee_work})
        part = {
            "id": id,
            "cpu": cpu,
            "capacity": {} if capacity is None else capacity,
            "uplink": uplink,
            "downlink": downlink,
            "channels": channels,
            "position": position,
            "fee": fee or None,
        }
        return self._add(OffloadPointPart2, "offload point", part, self._points)

    def add_application(self, id: str, subtasks: Iterable[str], edges: Iterable[tuple[str, str]] = ()) -> str:
        """Add a structured task.

        Parameters
        ----------
        id
            Its name.
        subtasks
            Names of its subtasks.
        edges
            Arcs (j, k): subtask k needs the output of j. There is no cycle.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InputError
            If something is no name, or the id is taken.
        """
        part = {"id": id, "subtasks": list(subtasks), "edges": [list(edge) for edge in edges]}
        return self._add(ApplicationPart, "application", part, self._applications)

    def add_device(
        self,
        id: str,
        *,
        application: str,
        connected_to: str | None,
        cpu: float,
        execute: float,
        send: float,
        receive: float,
        work: Amounts,
        input: Amounts = (),
        output: Amounts = (),
        edge_data: Mapping[tuple[str, str], float] | Iterable[float] | None = None,
        alpha: float = 0.5,
        uplink: float | None = None,
        downlink: float | None = None,
        position: tuple[float, float] | None = None,
        demand: Mapping[str, Amounts] | None = None,
        at: Iterable[Mapping[str, Any]] | None = None,
        allowed: Mapping[str, Iterable[str | None]] | None = None,
        latency_up: float | None = None,
        latency_down: float | None = None,
        deadline: float | None = None,
        energy_budget: float | None = None,
        rejection: float | None = None,
        weight: float | None = None,
    ) -> str:
        """Add a device with its task.

        Parameters
        ----------
        id
            Its name.
        application
            What it runs, which was added before.
        connected_to
            The offload point of its radio, which was added before; None: it has none.
        cpu
            Speed in MIPS.
        execute, send, receive
            Power in mW.
        work
            MI of each subtask.
        input, output
            Mbit of each subtask: what a head gets, what a subtask gives. Empty: 0.
        edge_data
            Mbit along each arc; by default the output of its first end, also of arcs that are not named.
        alpha
            Weight of delay against energy, 0 to 1.
        uplink, downlink
            Rates of its radio in Mbit/s; by default those of its point.
        position
            In metres, for pictures.
        demand
            Of each resource, what each subtask takes where it is offloaded.
        at
            What differs for a subtask at a place, as in files (``docs/reference/formats.md``).
        allowed
            Places where a subtask may run, None being the device itself; anywhere if it is not named.
        latency_up, latency_down
            Seconds that each transfer takes in addition.
        deadline, energy_budget
            Most delay in s, most energy in mJ.
        rejection
            What it costs to refuse it; None: it must be served.
        weight
            What its cost counts, 1 by default.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InputError
            If something is no number, or out of its range, or not known, or the id is taken.
        """
        known = self._applications.get(application)
        if known is None:
            self._refuse("device", id, [("application", f"there is no application {shown(application)}")])
        subtasks = known["subtasks"]
        problems: list[Problem] = []

        def amounts(given: Amounts, where: str) -> Any:
            if not isinstance(given, Mapping):
                return jsonable(given) or [0.0] * len(subtasks)
            wrong = [name for name in given if name not in subtasks]
            problems.extend((where, f"there is no subtask {shown(name)}") for name in wrong)
            return [given.get(name, 0.0) for name in subtasks]

        sent = amounts(output, "output")
        part = {
            "id": id,
            "application": application,
            "cpu": cpu,
            "power": {"execute": execute, "send": send, "receive": receive},
            "connected_to": connected_to,
            "uplink": uplink,
            "downlink": downlink,
            "alpha": alpha,
            "position": position,
            "work": amounts(work, "work"),
            "input": amounts(input, "input"),
            "output": sent,
            "edge_data": self._along(known, edge_data, sent, problems),
            "demand": {name: amounts(each, f"demand.{name}") for name, each in (demand or {}).items()},
            "at": at,
            "allowed": allowed,
            "latency": without_nulls({"up": latency_up, "down": latency_down}) or None,
            "deadline": deadline,
            "energy_budget": energy_budget,
            "rejection": rejection,
            "weight": weight,
        }
        if connected_to is not None and connected_to not in self._points:
            problems.append(("connected_to", f"there is no offload point {shown(connected_to)}"))
        lists = {key: part[key] for key in ("work", "input", "output") if isinstance(part[key], list)}
        problems += [
            (key, f"must have {len(subtasks)} entries, not {len(given)}")
            for key, given in lists.items()
            if len(given) != len(subtasks)
        ]
        if problems:
            self._refuse("device", id, problems)
        return self._add(DevicePart2, "device", part, self._devices)

    def add_limit(
        self, id: str, *, resource: str = "subtasks", points: Iterable[str], capacity: float
    ) -> str:
        """Add a limit that offload points share.

        Parameters
        ----------
        id
            Its name.
        resource
            One of the builder's resources, or ``subtasks``.
        points
            The points, which were added before.
        capacity
            What subtasks may take of it at all of these points together.

        Returns
        -------
        str
            Its id.

        Raises
        ------
        InputError
            If something is no number, or out of its range, or the id is taken.
        """
        part = {"id": id, "resource": resource, "points": list(points), "capacity": capacity}
        return self._add(LimitPart, "limit", part, self._limits)

    def build(self) -> Instance:
        """The instance of all that was added. More may be added afterwards, for another one.

        Raises
        ------
        InputError
            With everything that does not fit together, as in a file: ``devices[0].allowed``.
        """
        return Instance.from_dict(
            {
                **self._header,
                "applications": list(self._applications.values()),
                "offload_points": list(self._points.values()),
                "limits": list(self._limits.values()),
                "devices": list(self._devices.values()),
            }
        )

    def __repr__(self) -> str:
        counts = f"{len(self._devices)} devices, {len(self._points)} offload points"
        return f"<InstanceBuilder {self._header['name']!r}: {counts}>"

    @staticmethod
    def _along(application: Document, given: Any, output: Any, problems: list[Problem]) -> Any:
        """Data along each arc, None for the default."""
        if not isinstance(given, Mapping):
            return given
        edges = [tuple(edge) for edge in application["edges"]]
        problems += [("edge_data", f"there is no arc {edge!r}") for edge in given if edge not in edges]
        usual = dict(zip(application["subtasks"], output if isinstance(output, list) else (), strict=False))
        return [given.get(edge, usual.get(edge[0], 0.0)) for edge in edges]

    @classmethod
    def _add(cls, model: type[BaseModel], what: str, part: Document, to: dict[str, Document]) -> str:
        """Keep a part that is sound by itself."""
        part = jsonable(part)
        problems = structure(model, part)
        if not problems and part["id"] in to:
            problems.append(("id", "is taken already"))
        if problems:
            cls._refuse(what, part["id"], problems)
        to[part["id"]] = part
        return str(part["id"])

    @staticmethod
    def _refuse(what: str, id: Any, problems: Sequence[Problem]) -> NoReturn:
        raise InputError(f"{what} {shown(id)}", problems)
