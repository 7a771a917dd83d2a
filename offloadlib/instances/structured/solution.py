"""Decisions of an instance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import whole
from ..errors import InputError
from .instance import Instance
from .model import LOCAL, REFUSED, Places

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, repr=False)
class Solution:
    """A place for every subtask.

    Parameters
    ----------
    places
        For each group of the instance an array (G, K): the number of an offload point,
        :data:`~.structured.model.LOCAL`, or, in all of a row, :data:`~.structured.model.REFUSED`.

    Raises
    ------
    ValueError
        If a place is not a whole number.
    """

    places: tuple[Places, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "places", tuple(whole(places, np.int32) for places in self.places))

    @classmethod
    def all_local(cls, instance: Instance) -> Solution:
        """Every subtask on its own device."""
        return cls(tuple(np.full(group.work.shape, LOCAL, np.int32) for group in instance.groups))

    @classmethod
    def from_rows(cls, instance: Instance, rows: Sequence[Sequence[int]]) -> Solution:
        """From one list of places per device, in file order."""
        return cls(
            tuple(
                np.array([rows[m] for m in group.members.tolist()], dtype=np.int32).reshape(group.work.shape)
                for group in instance.groups
            )
        )

    @classmethod
    def from_decisions(
        cls, instance: Instance, decisions: Mapping[str, Sequence[str | None] | None]
    ) -> Solution:
        """From the places of each device's subtasks by name, as in solution files.

        Parameters
        ----------
        instance
            The instance.
        decisions
            By the id of each device the ids of offload points, None: local; None in place of a list: the
            device is refused.

        Raises
        ------
        InputError
            With everything that does not fit the instance. Whether limits are kept is not asked.
        """
        from . import form

        document = {
            "decisions": {name: None if row is None else list(row) for name, row in decisions.items()}
        }
        problems = list(form.decision_problems(document, instance))
        if problems:
            raise InputError("from_decisions", problems)
        return form.solution_of(document, instance)

    def rows(self, instance: Instance) -> list[list[int]]:
        """One list of places per device, in file order."""
        rows: list[list[int]] = [[] for _ in range(instance.num_devices)]
        for group, places in zip(instance.groups, self.places, strict=True):
            for m, row in zip(group.members.tolist(), places.tolist(), strict=True):
                rows[m] = row
        return rows

    def to_frame(self, instance: Instance) -> pd.DataFrame:
        """A row for each subtask: ``device``, ``application``, ``subtask``, ``place`` (None: local) and
        ``refused``."""
        from .frames import decisions

        return decisions(self, instance)

    def __repr__(self) -> str:
        from .frames import offloaded

        return f"<Solution: {offloaded(self)}>"

    def decisions(self, instance: Instance) -> Iterator[tuple[str, list[str | None] | None]]:
        """(device id, id of the offload point or None for each subtask), in file order; None in place of the
        list for a refused device."""
        names: list[str | None] = [*instance.points.ids, None]
        for name, row in zip(instance.devices.ids, self.rows(instance), strict=True):
            yield name, None if row[0] == REFUSED else [names[place] for place in row]
