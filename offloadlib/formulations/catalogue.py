"""The MILP formulations that are made with Pyomo, as data: for the registry, export, tables and tests.

Nothing is imported before it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from offloadlib.instances import Instance
from offloadlib.instances.errors import unknown
from offloadlib.instances.features import FORMAT_2, Feature

ALL = frozenset({Feature.CHANNELS, Feature.ANY_GRAPH})
"""What structured instances in format 1 may have."""

LIMITED = ALL | FORMAT_2
"""What structured instances may have in format 2."""


@dataclass(frozen=True)
class Formulation:
    """One way to state the problem as a mixed-integer linear program.

    Parameters
    ----------
    name
        Of the formulation, and of the method that solves it.
    build
        ``module:function`` that makes the Pyomo model, (instance, inequalities) -> model: without the
        constant cost of unconnected devices, with some of :data:`.inequalities.PARTS`. An
        :class:`.InputError` says why there is none, the module what it is mathematically.
    solve
        ``module:function`` of the method.
    summary
        One line.
    source
        Where it is from.
    supports
        What of :class:`.instances.features.Feature` an instance may have.
    obstacle
        ``module:function`` that tells why the model of an instance would be too large, or None.
    kind
        The kind of instances that it is of.
    """

    name: str
    build: str
    solve: str
    summary: str
    source: str
    supports: frozenset[Feature] = ALL
    obstacle: str = ""
    kind: str = "structured"

    def model(self, instance: Instance, inequalities: Iterable[str] = ()) -> Any:
        """The Pyomo model of an instance.

        Raises
        ------
        InputError
            If there is no model of the instance, or an inequality is unknown.
        """
        return imported(self.build)(instance, inequalities)

    def applies_to(self, instance: Instance) -> str | None:
        """None, or why there is no model of the instance that could be solved."""
        reason: str | None = instance.beyond(self.supports)
        return imported(self.obstacle)(instance) if reason is None and self.obstacle else reason


def imported(path: str) -> Any:
    """What ``module:name`` stands for."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


FORMULATIONS = (
    Formulation(
        "milp",
        "offloadlib.formulations.structured.milp.potentials:model",
        "offloadlib.formulations.structured.milp.potentials:solve",
        "MILP with finish-time potentials (Pyomo)",
        "equations (1)-(5), linearised; level inequalities",
        supports=LIMITED,
        obstacle="offloadlib.formulations.structured.milp.potentials:obstacle",
    ),
    Formulation(
        "milp-paths",
        "offloadlib.formulations.structured.milp.paths:model",
        "offloadlib.formulations.structured.milp.paths:solve",
        "MILP with a row for each path of the graph",
        "equation (1), written out",
        supports=LIMITED,
        obstacle="offloadlib.formulations.structured.milp.paths:unsolvable",
    ),
    Formulation(
        "milp-stages",
        "offloadlib.formulations.structured.milp.stages:model",
        "offloadlib.formulations.structured.milp.stages:solve",
        "MILP with a variable for each maximum, series-parallel graphs only",
        "equation (1), literally",
        supports=LIMITED - {Feature.ANY_GRAPH},
        obstacle="offloadlib.formulations.structured.milp.stages:obstacle",
    ),
    Formulation(
        "milp-bigm",
        "offloadlib.formulations.structured.milp.disjunctive:big_m",
        "offloadlib.formulations.structured.milp.disjunctive:solve_big_m",
        "which branch is last as a disjunction, relaxed by big-M (Pyomo.GDP)",
        "Raman and Grossmann 1994",
        obstacle="offloadlib.formulations.structured.milp.disjunctive:big_m_obstacle",
    ),
    Formulation(
        "milp-hull",
        "offloadlib.formulations.structured.milp.disjunctive:hull",
        "offloadlib.formulations.structured.milp.disjunctive:solve_hull",
        "which branch is last as a disjunction, by its convex hull (Pyomo.GDP)",
        "Balas 1979",
        obstacle="offloadlib.formulations.structured.milp.disjunctive:hull_obstacle",
    ),
)


def find(name: str) -> Formulation:
    """The formulation of a name.

    Raises
    ------
    InputError
        If there is none, with the nearest names.
    """
    by_name = {formulation.name: formulation for formulation in FORMULATIONS}
    if name in by_name:
        return by_name[name]
    raise unknown("formulation", name, by_name)
