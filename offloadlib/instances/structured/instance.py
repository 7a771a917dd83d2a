"""An instance of the structured offloading problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from ..errors import InputError, counted, unknown
from ..features import FORMAT_2
from ..files.mapped import Mapped
from .model import (
    NO_TOTALS,
    Application,
    Devices,
    Group,
    Normalise,
    Objective,
    OffloadPoints,
    SharedLimit,
    Totals,
)
from .sides import Terms, terms_of

if TYPE_CHECKING:
    from .cost import Evaluation
    from .frames import Tables
    from .solution import Solution


@dataclass(frozen=True, eq=False, repr=False)
class Instance(Mapped):
    """An instance of the structured offloading problem; see :mod:`.structured.model` for its parts.

    ``given_terms`` stand in place of those that follow from the data where costs are counted in other units.
    """

    kind = "structured"

    description: str | None
    source: Mapping[str, Any] | None
    normalise: Normalise
    applications: tuple[Application, ...]
    points: OffloadPoints
    devices: Devices
    groups: tuple[Group, ...]
    given_terms: tuple[Terms, ...] | None = None
    objective: Objective = "sum"
    resources: tuple[str, ...] = ()
    shared: tuple[SharedLimit, ...] = ()
    totals: Totals = NO_TOTALS

    @property
    def by_largest(self) -> bool:
        """Whether the objective is the largest cost in place of the sum."""
        return self.objective == "max"

    @property
    def num_devices(self) -> int:
        """M."""
        return len(self.devices.ids)

    @property
    def num_points(self) -> int:
        """N."""
        return len(self.points.ids)

    @property
    def num_subtasks(self) -> int:
        """Number of subtasks of all devices."""
        return sum(group.work.size for group in self.groups)

    @cached_property
    def version(self) -> int:
        """Of the format that can say it: 1 where nothing of format 2 is in effect, else 2."""
        return 2 if self.features & FORMAT_2 else 1

    @property
    def summary(self) -> str:
        """Its size in words."""
        return ", ".join(
            counted(number, what)
            for number, what in (
                (self.num_devices, "device"),
                (self.num_points, "offload point"),
                (self.num_subtasks, "subtask"),
            )
        )

    def to_frames(self) -> Tables:
        """The instance as the tables ``devices``, ``points``, ``applications`` and ``arcs``; see
        :func:`.frames.tables`."""
        from .frames import tables

        return tables(self)

    def to_networkx(self, device: str) -> Any:
        """The task of a device as a ``networkx.DiGraph`` with ``work``, ``input``, ``output`` and ``data``.

        Raises
        ------
        InputError
            If there is no such device, or networkx is not installed.
        """
        from .frames import graph

        if device not in self.device_ids:
            raise unknown("device", device, self.device_ids)
        try:
            return graph(self, device)
        except ImportError as error:
            raise InputError("to_networkx", [("", f"needs networkx ({error})")]) from None

    @property
    def device_ids(self) -> tuple[str, ...]:
        """The devices, in file order."""
        return self.devices.ids

    @property
    def all_local(self) -> Solution:
        """The solution that offloads nothing."""
        return cast("Solution", super().all_local)

    def evaluate(self, solution: Solution) -> Evaluation:
        """What a solution costs and uses."""
        return cast("Evaluation", super().evaluate(solution))

    @cached_property
    def terms(self) -> tuple[Terms, ...]:
        """The fixed parts of the cost, one entry per group."""
        if self.given_terms is not None:
            return self.given_terms
        return tuple(terms_of(self.devices, group, self.normalise) for group in self.groups)
